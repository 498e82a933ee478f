#include "core/membership/report_log.hpp"

#include <algorithm>

namespace gossipmonger {

bool report_log::try_note(std::uint64_t subject, std::chrono::nanoseconds now,
                          std::chrono::nanoseconds pause) {
  while (!noted_.empty() && now - noted_.front().at >= pause) noted_.pop_front();
  if (!may_note(subject, now, pause)) return false;
  noted_.emplace_back(subject, now);
  return true;
}

bool report_log::may_note(std::uint64_t subject, std::chrono::nanoseconds now,
                          std::chrono::nanoseconds pause) const {
  const auto first = std::ranges::find_if(
      noted_, [&](const note& one) { return now - one.at < pause; });  // the oldest first
  const bool is_noted = std::any_of(first, noted_.end(),
                                    [subject](const note& one) { return one.subject == subject; });
  return !is_noted && static_cast<std::size_t>(noted_.end() - first) < capacity_;
}

}  // namespace gossipmonger
