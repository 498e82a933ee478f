// The seal of one node: its sealer, the key that each peer seals with, and the events that tell of
// datagrams which cannot be opened.
//
// Thread contract: that of the node. A resource.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include <tl/expected.hpp>

#include "core/membership/report_log.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/keyring.hpp"
#include "gossipmonger/types.hpp"
#include "seal/sealer.hpp"

namespace gossipmonger {

class node_seal {
 public:
  using expected_content = tl::expected<std::span<std::byte>, seal_drop>;

  /// Of a node that knows so many peers at most.
  explicit node_seal(std::size_t peers_max) : peers_max_(peers_max) {}
  node_seal(const node_seal&) = delete;
  node_seal& operator=(const node_seal&) = delete;

  /// Whether the node was given a keyring. It is never without one again.
  [[nodiscard]] bool is_on() const { return sealer_ != nullptr; }
  /// Seals and opens with `ring` from now on.
  ///   errors: no key, more than 8, or two with one id; a build without libsodium. Nothing has
  ///           changed then
  [[nodiscard]] tl::expected<void, keyring_error> set_keyring(keyring ring);
  /// Where instances come from, in place of the system's random device: for simulations.
  /// False where a keyring was given already: nothing has changed then.
  [[nodiscard]] bool try_set_draw(std::function<std::uint64_t()> draw);
  void set_clock_tolerance(std::chrono::seconds tolerance);
  void renew();

  // expects: is_on()
  /// As sealer::seal.
  [[nodiscard]] std::span<const std::byte> seal(std::span<std::byte> room,
                                                std::size_t content_bytes, const moment& now);
  /// As sealer::open.
  [[nodiscard]] expected_content open(std::span<std::byte> datagram, const moment& now);
  /// The event that tells of a datagram which was dropped for `reason`; nothing where it tells
  /// nobody anything, or was told within the hour. Allocates for an event only.
  [[nodiscard]] std::optional<std::string> report_of(seal_drop reason,
                                                     std::span<const std::byte> datagram,
                                                     const endpoint& source, const moment& now);
  /// "seal ID open ID": the ring, as other nodes are told of it.
  [[nodiscard]] std::string stage() const;
  /// Whether the stage was not published so far, and is to be.
  [[nodiscard]] bool is_stage_due() const { return is_stage_due_; }
  void set_stage_due(bool is_due) { is_stage_due_ = is_due; }
  /// "plain datagrams are accepted: ..." where that is so.
  [[nodiscard]] std::optional<std::string> warning() const;

  /// The latest datagram that was opened is by the peer with this hash, itself.
  void note_sender(std::uint64_t name_hash);
  /// The key of the latest such datagram; 0: it was plain.
  [[nodiscard]] std::optional<seal_key_id> sealed_with(std::uint64_t name_hash) const;

  /// Zeros without a keyring.
  [[nodiscard]] seal_counters counters() const;

 private:
  /// The sources that events have named within the hour.
  struct report_log_of_reason : report_log {
    report_log_of_reason() : report_log(64) {}
  };

  std::size_t peers_max_;
  std::function<std::uint64_t()> draw_ = draw_from_system;
  std::unique_ptr<sealer> sealer_;
  bool is_stage_due_ = false;
  std::chrono::seconds tolerance_ = sealer::usual_tolerance;
  std::unordered_map<std::uint64_t, seal_key_id> sealed_with_;  // by the hash of the peer's name
  // One for each reason: a flood of datagrams of one kind hides no event of another kind.
  std::array<report_log_of_reason, seal_drop_count> reported_;  // by seal_drop
};

}  // namespace gossipmonger
