// The probes of this node that await an answer, and the requests of other nodes for an indirect
// probe. A resource with capacities; times on the liveness clock.
// Source: indirect probes after Das, Gupta, Motivala, SWIM, DSN 2002, section 3.1.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// One peer that I sent a digest, and that has not answered yet. A value.
struct probe {
  probe(slot_index to_slot, std::uint64_t of_generation, std::chrono::nanoseconds at)
      : slot(to_slot), generation(of_generation), sent(at) {}

  slot_index slot;
  std::uint64_t generation;
  std::chrono::nanoseconds sent;
  std::optional<std::chrono::nanoseconds> suspected;  ///< when an answer was first missed
  std::size_t tries = 0;                              ///< rounds in which I asked again
  bool is_public = false;                             ///< I told others of my suspicion
};

/// Another node requests an indirect probe of a peer. A value.
struct probe_request {
  probe_request(slot_index about_slot, std::uint64_t of_generation,
                std::chrono::nanoseconds suspected_at, const endpoint& from,
                std::uint64_t from_hash, std::uint64_t in_round)
      : slot(about_slot),
        generation(of_generation),
        suspected(suspected_at),
        address(from),
        name_hash(from_hash),
        round(in_round) {}

  slot_index slot;
  std::uint64_t generation;
  std::chrono::nanoseconds suspected;  ///< only a sign of life from then on is an answer
  endpoint address;
  std::uint64_t name_hash;
  std::uint64_t round;
};

class prober {
 public:
  static constexpr std::size_t pending_max = 64;
  static constexpr std::size_t requests_max = 64;
  static constexpr std::size_t tries_max = 4;
  static constexpr std::size_t asks_min = 2;
  static constexpr std::size_t asks_max = 16;

  prober() = default;
  prober(const prober&) = delete;
  prober& operator=(const prober&) = delete;

  /// A digest went to that peer. Where it is awaited already, or too many are, nothing changes.
  void expect(slot_index slot, std::uint64_t generation, std::chrono::nanoseconds now);
  /// Those awaited; the caller settles them.
  [[nodiscard]] std::vector<probe>& pending() { return pending_; }
  [[nodiscard]] const std::vector<probe>& pending() const { return pending_; }
  /// My process stood still: nothing follows from missing answers.
  void handle_pause() { pending_.clear(); }
  /// Nobody is asked any more, nor waited for.
  void clear() {
    pending_.clear();
    requests_.clear();
  }

  /// A peer that lives, as I know by now, answered at once, or did not.
  void count_outcome(bool was_answered);
  /// The first answer of a peer did not come.
  void count_missed() { ++missed_; }
  /// A round ends. Returns how many peers more than the ring this node asks in the next one: 0,
  /// unless answers were missed and none came for some rounds.
  [[nodiscard]] std::size_t end_round();
  /// So many rounds a node asks again, and third peers too, before it suspects aloud. At the
  /// failures seen of late, fewer than one probe in 10,000 of a live peer then ends in a false
  /// suspicion.
  [[nodiscard]] std::size_t tries_needed() const;
  /// Under a byte budget, so often a node asks a suspect or silent peer in vain before it declares
  /// it dead. At the failures seen of late, a live peer leaves that many asks unanswered with a
  /// probability of 1e-3 at most.
  ///   source: local health multiplier after Dadgar, Phillips, Currey, Lifeguard, DSN 2018
  [[nodiscard]] std::size_t asks_needed() const;

  /// Refused when too many wait.
  void add_request(const probe_request& one);
  /// The next request that a sign of life of that incarnation at `alive_at` answers; taken out.
  [[nodiscard]] std::optional<probe_request> take_request(slot_index slot, std::uint64_t generation,
                                                          std::chrono::nanoseconds alive_at);
  [[nodiscard]] std::size_t request_count() const { return requests_.size(); }
  /// A request from before `round` waits no more.
  void expire_requests(std::uint64_t round);

 private:
  std::vector<probe> pending_;
  std::vector<probe_request> requests_;
  std::uint32_t failures_ = 6554;  // of 65536 probes of live peers; at first one in ten
  std::size_t missed_ = 0;         // answers, since the last round
  std::size_t answered_ = 0;       // probes, likewise
  std::size_t bad_rounds_ = 0;     // since one of them was answered
};

}  // namespace gossipmonger
