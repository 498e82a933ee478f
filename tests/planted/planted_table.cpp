// Plants each defect in turn and runs random scenarios until the simulator has found it:
//
//     gossip_sim_planted [SEEDS_MAX [DEFECT]]
//
// Prints a table; exit status 1 where one was not found within SEEDS_MAX (200) seeds.
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "planted.hpp"
#include "seed_runs.hpp"

namespace {

using namespace gossipmonger;

/// The first seed that fails, of those up to `last`.
std::optional<seed_outcome> find_failure(std::uint64_t last) {
  seed_range range;
  range.last = last;
  range.stops_at_failure = true;
  std::optional<seed_outcome> found;
  run_seeds(range, [&](const seed_outcome& of) {
    if (!of.rule.empty() && !found) found = of;
  });
  return found;
}

/// Whether it is found, or, without a defect, whether nothing is.
bool try_defect(std::size_t number, std::uint64_t seeds_max) {
  planted::chosen = static_cast<planted::defect>(number);
  const bool is_none = number == 0;
  const std::optional<seed_outcome> found = find_failure(is_none ? 20 : seeds_max);
  const std::string name(planted::defect_names[number]);
  if (found) {
    std::printf("%-22s %5" PRIu64 "  %-18s %s\n", name.c_str(), found->seed, found->rule.c_str(),
                found->text.substr(0, 60).c_str());
  } else {
    std::printf("%-22s %5s  nothing found\n", name.c_str(), "-");
  }
  std::fflush(stdout);
  return found.has_value() != is_none;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seeds_max = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200;
  const std::string_view only = argc > 2 ? argv[2] : "";
  std::printf("%-22s %5s  %-18s %s\n", "defect", "seeds", "found by", "what it says first");
  bool is_good = true;
  for (std::size_t i = 0; i < planted::defect_names.size(); ++i) {
    if (planted::defect_names[i].empty()) continue;
    if (!only.empty() && planted::defect_names[i] != only) continue;
    is_good = try_defect(i, seeds_max) && is_good;
  }
  return is_good ? 0 : 1;
}
