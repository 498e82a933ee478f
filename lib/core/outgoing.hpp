// The script of what goes out: begins legs for the scripts of receiving and of the round, and fills
// the leg whose turn it is. A resource over the node's parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/exchange/legs.hpp"
#include "core/exchange/transfers.hpp"
#include "core/membership/partners.hpp"
#include "core/model/message.hpp"
#include "core/node_parts.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/replication.hpp"

namespace gossipmonger {

class outgoing {
 public:
  /// `node` outlives the script.
  explicit outgoing(node_parts& node) : node_(node) {}
  outgoing(const outgoing&) = delete;
  outgoing& operator=(const outgoing&) = delete;

  void on_message(message_hook seen) { on_message_ = std::move(seen); }
  /// Shows a message that came in to the hook.
  void show_received(const endpoint& source, const message& received) const {
    if (on_message_) on_message_(message_direction::received, source, received);
  }

  /// Does what liveness wants: its probes become legs.
  void start_probes();
  /// Begins an exchange with a partner of this round.
  [[nodiscard]] start_outcome start(const partner& chosen);
  /// Whether a digest to it waits already.
  [[nodiscard]] bool is_started(const endpoint& to) const {
    return node_.sending.find_digest(to) != nullptr;
  }
  /// A digest to that address, of rows or of sums.  expects: the outbox has room for it
  digest_leg& start_exchange(const endpoint& to, std::uint64_t remote_hash);
  /// Whether a digest to that peer tells a root: it is known, and reads roots as far as it said,
  /// and no peer came back of late. The news that it lives again stands in rows alone.
  [[nodiscard]] bool tells_root(std::uint64_t remote_hash) const;
  /// A digest to that address of the rows in these buckets, or of all: its answer to a root showed
  /// that they differ. False: one went there in this round already, for that part of its sums.
  [[nodiscard]] bool try_tell_rows(const endpoint& to, std::uint64_t remote_hash,
                                   const std::optional<bucket_set>& in, unsigned part = 0);
  /// Asks a sender for more of the owners that it brings, by a short leg 1, if this round has one
  /// left. `is_stalled`: nothing is on its way from there.
  void try_continue(const endpoint& source, bool is_stalled);
  /// Asks each sender of which nothing came for a while.
  void continue_stalled();
  /// Decides whether the sender of that digest waits for a sign of life, and counts the answer.
  void plan_sign(const message& received, std::size_t bytes, answer_leg& answer);
  /// The answer is planned now, and leaves from the address that `from` names.
  void add_answer(answer_leg&& leg, const endpoint& from);

  /// As `protocol::poll_transmit`.
  [[nodiscard]] std::optional<endpoint> poll(moment now, message& out);

 private:
  /// Fills in what any leg 1 to that address bears.
  void begin_digest(digest_leg& leg, std::uint64_t remote_hash);
  /// The versions of that transfer that need not be sent again, as far as they have a place in a
  /// datagram.
  [[nodiscard]] std::vector<spared_interval> plan_spared(const transfer& one,
                                                         bool is_stalled) const;
  /// A leg 1 without a claim, to hear whether a peer answers, or to tell it something.
  void start_short(const wanted_probe& wanted);
  /// Whether a digest may go to that address: none waits there, and there is room for it.
  [[nodiscard]] bool may_start(const endpoint& to);
  digest_leg& add_digest(const endpoint& to, std::uint64_t remote_hash, bool is_root);
  /// The leg tells of the peers in these buckets alone.
  void limit_buckets(digest_leg& leg, const bucket_set& in);
  /// Whether that peer is live, and spoke to this node: it reads what this node writes to it. One
  /// that others vouch for may not.
  [[nodiscard]] bool is_heard(slot_index slot) const;
  /// A leg that wants an answer goes there: the time until that comes is measured.
  void measure(std::uint64_t remote_hash, moment now);
  /// The wire version for this leg: the highest that both sides speak, or my lowest if the peer's
  /// range is unknown. A silent peer may not read that: each of mine in turn.
  [[nodiscard]] std::uint8_t version_for(const leg_base& leg, std::uint32_t unanswered) const;

  node_parts& node_;
  message_hook on_message_;
};

}  // namespace gossipmonger
