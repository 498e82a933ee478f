#include "drop_watch.hpp"

namespace gossipmonger {

namespace {

bool counts_refusals(std::string_view counter) {
  return counter.starts_with("drop_") || counter.starts_with("udp_send_error_") ||
         counter == "udp_receive_errors" || counter == "udp_truncated" ||
         counter == "udp_kernel_drops";
}

}  // namespace

std::vector<refused_count> drop_watch::look(
    const std::vector<std::pair<std::string, std::uint64_t>>& counters) {
  std::vector<refused_count> risen;
  for (const auto& [name, total] : counters) {
    if (total == 0 || !counts_refusals(name)) continue;
    std::uint64_t& before = seen_[name];
    if (total == before) continue;
    refused_count& one = risen.emplace_back();
    one.counter = name;
    one.count = total - before;
    one.total = total;
    before = total;
  }
  return risen;
}

}  // namespace gossipmonger
