// The peers that this node knows: the admission of each, its status, and its end. A resource; not
// thread-safe; reads no clock (I6).
//
// An identity passes in two steps. `introduce` decides, and says whether another row has to make
// room; `enter` makes the row. Between the two, the caller lets every other machine forget that
// row. Likewise `forget` lets go of a peer here only: the row itself is the caller's to remove.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/membership/peer_ring.hpp"
#include "core/membership/peer_table.hpp"
#include "core/membership/unwanted_peers.hpp"
#include "core/model/delta.hpp"
#include "core/model/message.hpp"
#include "core/model/node_clock.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/drop_reason.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

/// The decision on an identity. A value.
struct introduction {
  enum class what : std::uint8_t {
    dropped,     ///< the peer stays out, for `reason`
    about_self,  ///< it names this node
    known,       ///< it names the incarnation in `slot`: only its heartbeat and its leave are news
    restarted,   ///< a higher generation of the peer in `slot`, to be entered there
    admitted,    ///< a peer without a row, to be entered once `evicted` is forgotten
  };

  introduction() = default;

  what kind = what::dropped;
  slot_index slot = no_slot;
  std::optional<slot_index> evicted;  ///< the row that makes room
  drop_reason reason = drop_reason::refused;
  /// The teller holds the new row live, and nothing that is remembered here speaks against it.
  bool is_vouched = false;
  event_kind notice = event_kind::error;  ///< of an event about the peer, once in a while
  std::string text;                       ///< of that event; empty: there is nothing to tell
};

class membership {
 public:
  /// So many looks through a whole table may one message cause; a full table needs them. Identities
  /// beyond that are dropped, and told again later.
  static constexpr std::size_t searches_max = 32;

  /// All of them outlive the membership; the settings may change.
  membership(const config& settings, peer_table& peers, unwanted_peers& unwanted,
             change_list& changes)
      : settings_(settings), peers_(peers), unwanted_(unwanted), changes_(changes) {}
  membership(const membership&) = delete;
  membership& operator=(const membership&) = delete;

  // Admission.
  void begin_message() { searches_left_ = searches_max; }
  /// Decides on the identity that a verified peer told. A refused incarnation is remembered.
  [[nodiscard]] introduction introduce(const identity_view& who, std::uint64_t name_hash,
                                       const node_clock& clock);
  /// Makes the row of an identity that was `restarted` or `admitted`, and live if `is_live`.
  /// Returns its slot.
  ///   expects: there is a row of that name, or room for one; one that left is not live
  slot_index enter(const identity_view& who, std::uint64_t name_hash, bool is_live,
                   std::chrono::nanoseconds now, random_source& draws);

  // Status, and the end.
  /// expects: a peer that comes to live is new, or it advanced now, or its silence restarted now
  void set_status(slot_index slot, peer_status status, std::chrono::nanoseconds now,
                  random_source& draws);
  /// A dead peer is live again in that round.
  void handle_return(std::uint64_t round) { returned_in_ = round; }
  /// Whether that was so lately that some peers may not have heard of it in `round`.
  [[nodiscard]] bool is_return_news(std::uint64_t round) const;
  /// The next peer that was dead or had left for a whole grace; nullopt if there is none.
  [[nodiscard]] std::optional<slot_index> find_expired(std::chrono::nanoseconds now) const;
  /// Lets go of the peer. It comes back by a higher generation, or by a heartbeat above
  /// `heartbeat`.
  void forget(slot_index slot, std::uint64_t heartbeat, std::chrono::nanoseconds now);

  // Refusals.
  /// The reason for which this node takes nothing, or nothing further, of that incarnation.
  [[nodiscard]] refusal refusal_of(const digest_entry& sender) const;
  /// Ends the refusals whose reason is gone.
  void end_refusals(const node_clock& clock);
  /// Room was added: every peer that was over capacity is asked for more.
  void end_capacity_refusals();

  /// The choice of partners turns them.
  [[nodiscard]] member_rings& rings() { return rings_; }
  [[nodiscard]] const member_rings& rings() const { return rings_; }

 private:
  [[nodiscard]] introduction introduce_known(slot_index slot, const identity_view& who,
                                             std::uint64_t name_hash, const node_clock& clock);
  [[nodiscard]] introduction introduce_unknown(const identity_view& who, std::uint64_t name_hash,
                                               const node_clock& clock);
  /// Whether its teller holds it live, and this node remembers no such run, and none after it.
  [[nodiscard]] bool is_vouched(const identity_view& who, std::uint64_t name_hash) const;
  /// Refuses this incarnation for a grace: whatever progress it makes, or until it makes some.
  [[nodiscard]] introduction refuse(const identity_view& who, std::uint64_t name_hash,
                                    drop_reason reason, std::chrono::nanoseconds now);
  /// Counts a look through a whole table. False where this message has caused enough of them.
  [[nodiscard]] bool try_search();
  /// Refuses an incarnation that was silent for a whole grace.
  [[nodiscard]] introduction refuse_silent(const identity_view& who, std::uint64_t name_hash,
                                           std::chrono::nanoseconds now);
  /// Whether datagrams of this node can reach the advertised address.
  [[nodiscard]] bool is_reachable_address(const endpoint& address) const;
  /// The row that makes room: of the peers that are dead or left, first one that never answered
  /// this node, and of these the one that is silent for longest.
  [[nodiscard]] std::optional<slot_index> find_least_missed() const;

  const config& settings_;
  peer_table& peers_;
  unwanted_peers& unwanted_;
  change_list& changes_;
  member_rings rings_;
  std::optional<std::uint64_t> returned_in_;  // the last round in which a dead peer came back
  std::size_t searches_left_ = searches_max;
};

}  // namespace gossipmonger
