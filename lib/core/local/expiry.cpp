#include "core/local/expiry.hpp"

#include <algorithm>
#include <utility>

namespace gossipmonger {

void expiry::set(std::string_view key, time deadline) {
  clear(key);
  due_by_key_.emplace(key, by_time_.emplace(deadline, key));
}

void expiry::clear(std::string_view key) {
  const auto place = due_by_key_.find(key);
  if (place == due_by_key_.end()) return;
  by_time_.erase(place->second);
  due_by_key_.erase(place);
}

void expiry::clear_all() {
  by_time_.clear();
  due_by_key_.clear();
}

expiry::time expiry::next() const {
  if (by_time_.empty()) return time::max();
  return std::max(by_time_.begin()->first, paused_until_);
}

std::optional<std::string> expiry::take_due(time now) {
  if (next() > now) {
    taken_ = 0;
    return std::nullopt;
  }
  if (taken_ == batch_max) {
    taken_ = 0;
    paused_until_ = now + batch_pause;
    return std::nullopt;
  }
  ++taken_;
  std::string key = std::move(by_time_.begin()->second);
  by_time_.erase(by_time_.begin());
  due_by_key_.erase(key);
  return key;
}

}  // namespace gossipmonger
