// A node that restarts a few times in quick succession, without a disk, from dates that do not tell
// its runs apart. The bound says how soon all hold the values of its last run. Test code only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace gossipmonger {

enum class dates : std::uint8_t {
  same,      ///< each run begins at the date at which the cluster was started
  put_back,  ///< the date is put back by an hour once, before the first restart
};

struct restart_outcome {
  restart_outcome() = default;

  std::size_t rounds = 0;     ///< until all hold the last run's values
  std::size_t conflicts = 0;  ///< that were told of; there was none
  bool has_sums = false;      ///< the digests of all tell sums at the end
  std::string generations;    ///< of the runs, as they started and what the last one took
};

/// Starts of the last of `nodes` nodes up to 3.2 rounds apart, four times. Everything is drawn from
/// `seed`.
[[nodiscard]] restart_outcome restart_quickly(std::uint64_t seed, std::size_t nodes, dates of);

/// Rounds after the last start within which every replica holds the values of the last run. With n
/// nodes and L = ceil(log2 n):
///   4 L + 10   until all peers hold the highest relic, and one heartbeat of it
///   16 G + 1   the longest interval that counts: then the relic is refuted
///   4 L + 10   until all hold the run above it
/// times 1 + jitter.
[[nodiscard]] std::size_t restart_rounds_max(std::size_t nodes);

}  // namespace gossipmonger
