#include "core/membership/report_log.hpp"

#include <algorithm>

namespace gossipmonger {

bool report_log::try_note(std::uint64_t subject, std::chrono::nanoseconds now,
                          std::chrono::nanoseconds pause) {
  while (!noted_.empty() && now - noted_.front().at >= pause) noted_.pop_front();
  const bool is_noted = std::any_of(noted_.begin(), noted_.end(),
                                    [subject](const note& one) { return one.subject == subject; });
  if (is_noted || noted_.size() >= capacity_) return false;
  noted_.emplace_back(subject, now);
  return true;
}

}  // namespace gossipmonger
