#include "sim/application.hpp"

#include <cstddef>
#include <cstdint>

#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

void application::set(const std::string& key, const std::string& value) {
  remember(key);
  disk_[key] = value;
}

void application::erase(const std::string& key) {
  remember(key);
  disk_.erase(key);
}

bool application::lose(const decision& how) {
  const std::map<std::string, std::string> before = disk_;
  random_source draws(how.salt);
  switch (how.disk) {
    case disk_state::intact:
      break;
    case disk_state::lost:
      disk_.clear();
      break;
    case disk_state::torn:
      std::erase_if(disk_, [&draws](const auto&) { return draws.below(2) == 0; });
      break;
    case disk_state::stale:
      for (std::uint64_t i = 0; i < how.count && !history_.empty(); ++i) {
        auto& [key, value] = history_.back();
        if (value) {
          disk_[key] = std::move(*value);
        } else {
          disk_.erase(key);
        }
        history_.pop_back();
      }
      break;
  }
  history_.clear();
  return disk_ != before;
}

void application::remember(const std::string& key) {
  constexpr std::size_t history_max = 64;
  if (history_.size() == history_max) history_.erase(history_.begin());
  const auto held = disk_.find(key);
  history_.emplace_back(
      key, held == disk_.end() ? std::nullopt : std::optional<std::string>(held->second));
}

}  // namespace gossipmonger
