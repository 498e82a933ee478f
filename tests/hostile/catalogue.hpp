// The catalogue of bad datagrams: each by name, with the counters that rise for it. A row forges
// what it names and delivers it to a node that has state and neighbours. The test then looks at
// the counters, the state, the answers and the memory. README.md beside it is the table in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../wire/datagram.hpp"
#include "core/model/message.hpp"
#include "gossipmonger/drop_reason.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

/// A node among neighbours, and the enemy: a verified address that is known as a peer.
/// A resource.
class arena {
 public:
  explicit arena(config common = small());
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  /// Capacities that one datagram can fill.
  [[nodiscard]] static config small();
  /// The same, and digests tell sums before rows.
  [[nodiscard]] static config with_sums();

  [[nodiscard]] protocol& node() { return where[0]; }
  [[nodiscard]] const protocol& node() const { return where[0]; }
  /// All that the node knows.
  [[nodiscard]] std::string fingerprint() const;

  // Forging. Each sets what the enemy would: its own entry, its cookie; the rest is the row's.
  void begin(message& m, message_kind kind) const;
  [[nodiscard]] digest_entry entry_of(std::string_view name) const;
  /// A suspicion about `name` as the node knows it; ages in sixteenths of a round.
  [[nodiscard]] suspicion_entry suspicion_of(
      std::string_view name, std::uint16_t suspicion_age,
      std::uint32_t alive_age = suspicion_entry::alive_age_max) const;
  /// An identity of a run of the enemy's name or another's, with an address that is allowed.
  [[nodiscard]] static identity_view identity(std::string_view name, std::uint64_t generation);
  /// Gives `m` one delta without entries about `name` as the node holds it.
  delta_view& add_delta(message& m, std::string_view name, std::uint64_t after,
                        std::uint64_t upto) const;
  [[nodiscard]] datagram encoded(const message& m) const;
  /// The last datagram of that kind that the neighbour sent to the node.
  [[nodiscard]] datagram heard(message_kind kind) const;

  // Delivering, as from the enemy's address.
  void send(datagram wire);  ///< under a checksum that fits
  void send(const message& m);
  void send_as_is(datagram wire);  ///< under the one it has
  void send_bytes(std::span<const std::byte> bytes);
  void send_from(const endpoint& source, datagram wire);

  /// Sees each datagram of the row.
  std::function<void(std::span<const std::byte>)> on_sent;
  /// Sees each datagram that the node sends to where those come from.
  std::function<void(std::span<const std::byte>)> on_answered;

  world where;
  endpoint enemy = endpoint::v4(203, 0, 113, 66, 6666);
  endpoint outsider = endpoint::v4(203, 0, 113, 77, 7777);
  std::size_t sent = 0;  ///< datagrams delivered by the row
  std::size_t sent_bytes = 0;
  std::size_t answered_bytes = 0;  ///< that the node sent meanwhile, to where it came from
  std::size_t asked = 0;           ///< datagrams that it sent meanwhile to others

 private:
  void overhear(std::span<const std::byte> bytes);
  void settle_in();

  std::uint64_t cookie_ = 0;
  std::vector<datagram> heard_;  // by kind
};

/// How the node treats a bad datagram.
enum class outcome : std::uint8_t {
  dropped,    ///< counted by a reason; no reply
  ignored,    ///< nothing to count: known already, or of a later schema; no reply
  answered,   ///< a valid digest: at most three times what came
  suspected,  ///< no reply; a peer is asked, and what it answers ends the suspicion
};

struct bad_input {
  std::string_view name;
  std::vector<drop_reason> counters;  ///< those that rise: together once a datagram
  outcome what;
  void (*provoke)(arena&);
  config (*common)() = &arena::small;
};

/// Damage to header and datagram as a whole.
[[nodiscard]] std::vector<bad_input> datagram_rows();
/// Bodies that are no Cap'n Proto message of ours.
[[nodiscard]] std::vector<bad_input> body_rows();
/// Fields outside their ranges.
[[nodiscard]] std::vector<bad_input> field_rows();
[[nodiscard]] std::vector<bad_input> sum_field_rows();  ///< of roots, buckets and sums
/// Well-formed lies.
[[nodiscard]] std::vector<bad_input> meaning_rows();
[[nodiscard]] std::vector<bad_input> sum_meaning_rows();

}  // namespace gossipmonger
