// Counts of refusals by a node and its socket since the last look. They make a line a second and
// reason at most, however much an enemy sends.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gossipmonger {

struct refused_count {
  refused_count() = default;

  std::string counter;      ///< its name in `stats`
  std::uint64_t count = 0;  ///< since the last look
  std::uint64_t total = 0;
};

/// A resource: the counts of the last look.
class drop_watch {
 public:
  drop_watch() = default;
  drop_watch(const drop_watch&) = delete;
  drop_watch& operator=(const drop_watch&) = delete;

  /// Those of `counters` that count refusals and rose, in their order.
  [[nodiscard]] std::vector<refused_count> look(
      const std::vector<std::pair<std::string, std::uint64_t>>& counters);

 private:
  std::map<std::string, std::uint64_t, std::less<>> seen_;
};

}  // namespace gossipmonger
