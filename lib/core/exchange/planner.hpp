// Compares what two nodes know, and plans what this one tells the other: what it owes, what it asks
// for, and how much of it may go at once. A resource over the tables of the exchange.
// Source: van Renesse, Dumitriu, Gough, Thomas, LADIS 2008, sections 2 and 3.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/exchange/exchange_tables.hpp"
#include "core/exchange/legs.hpp"
#include "core/membership/peer_table.hpp"
#include "core/model/digest.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

class planner {
 public:
  struct counters {
    counters() = default;

    std::uint64_t windows_halved = 0;
    std::uint64_t entries_spared = 0;
  };

  explicit planner(exchange_tables& shared);
  planner(const planner&) = delete;
  planner& operator=(const planner&) = delete;

  /// The row of that slot is of an incarnation of which nothing is known.
  void begin(slot_index slot) { windows_.begin(slot); }

  /// Whether something is on its way to that peer.
  [[nodiscard]] bool has_flights(std::uint64_t remote_hash) const {
    return shared_.flights.has_any(remote_hash);
  }
  /// Plans the answer to a digest of `sender_hash`, by how it differs from the rows here.
  ///   expects: `seen` is thorough if the sender is verified and something is on its way to it
  void compare(const digest& theirs, const digest_comparison& seen, std::uint64_t sender_hash,
               std::chrono::nanoseconds now, answer_leg& out);
  /// Plans what the answer says of the root in `theirs`, after `compare`. Where it is not the sum
  /// of the rows here, these are sums, and those of my rows that changed last.
  void answer_root(const digest& theirs, std::chrono::nanoseconds now, answer_leg& out);
  /// Plans leg 3 by the rows and the sums of an answer to a root. Returns the buckets that differ
  /// in more than the sums can tell.
  ///   expects: the deltas of `received` were applied
  [[nodiscard]] bucket_set compare_root(const message& received, std::chrono::nanoseconds now,
                                        answer_leg& out);
  /// Plans the answer to one request. An answer to requests asks for nothing back.
  void compare_request(const digest_entry& theirs, std::chrono::nanoseconds now, answer_leg& out);
  /// Limits the leg to the exchange window of its remote, which is smaller while datagrams are
  /// lost.
  void limit_window(answer_leg& out) const;
  /// Puts the owners into the order of this leg, from a random start.
  void shuffle(answer_leg& out, random_source& draws) const;

  [[nodiscard]] const counters& counted() const { return counted_; }

 private:
  /// The exchange window of a peer.
  struct window {
    window() = default;

    std::size_t datagrams = 0;           ///< that an exchange may take; 0: as configured
    std::chrono::nanoseconds changed{};  ///< when it was made smaller
  };

  /// Compares one entry of theirs with the row in `slot`.
  /// `in`: the digest that it stands in; null for a request.
  void compare_entry(const digest_entry& theirs, slot_index slot, std::chrono::nanoseconds now,
                     answer_leg& out, const digest* in);
  /// Whether this incarnation, of which somebody tells, is refused here.
  [[nodiscard]] bool refuses(const digest_entry& theirs, std::chrono::nanoseconds now,
                             const answer_leg& out);
  /// As many bits as make sums cheap beside the rows of a bucket that differs, in an answer of so
  /// many bytes.
  [[nodiscard]] unsigned choose_sum_bits(std::size_t bytes_max) const;
  void request_unknown(const digest_entry& theirs, std::chrono::nanoseconds now, answer_leg& out);
  /// Plans the peers that their range skips: the sender does not know them.
  void compare_absent(const digest& theirs, const comparison& seen, std::chrono::nanoseconds now,
                      answer_leg& out);
  [[nodiscard]] bool is_wanted(const digest& theirs, peer_view row, const answer_leg& out) const;
  /// Plans the entries of a row above `after`, except those that are on their way to the remote.
  void owe(slot_index slot, std::uint64_t after, std::chrono::nanoseconds now, answer_leg& out);
  /// The parts that a remote lacks below those that it holds or expects.
  struct lost_parts {
    explicit lost_parts(std::uint64_t after) : upto(after) {}

    std::uint64_t upto;    ///< it holds or expects all above these parts, up to this version
    bool has_any = false;  ///< there are such parts
  };
  /// Plans the entries above `after` that the remote lacks between those that it need not be sent.
  [[nodiscard]] lost_parts owe_lost(slot_index slot, std::uint64_t after, answer_leg& out);
  /// The part of the row's value after `after` that the remote of `leg` says that it holds.
  [[nodiscard]] static std::optional<position> part_held(peer_view row, std::uint64_t after,
                                                         const answer_leg& leg);
  /// `pause`: a window that was made smaller stays so for that long.
  void adapt_window(std::uint64_t remote_hash, const flight_answer& seen,
                    std::chrono::nanoseconds now, std::chrono::nanoseconds pause);

  exchange_tables& shared_;
  const config& settings_;
  const peer_table& peers_;
  unwanted_peers& unwanted_;
  slot_column<window> windows_;
  std::vector<row_sum> sums_;  // of one root, to reuse its memory
  counters counted_;
};

}  // namespace gossipmonger
