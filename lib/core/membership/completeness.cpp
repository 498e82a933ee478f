#include "core/membership/completeness.hpp"

#include <algorithm>

namespace gossipmonger {

void completeness::handle_status(slot_index slot, peer_status status, std::uint64_t heartbeat) {
  row& of = rows_[slot];
  of.at = status == peer_status::live ? stage::unheard : stage::idle;
  of.live_heartbeat = heartbeat;
}

void completeness::handle_word(slot_index slot, std::uint64_t heartbeat,
                               std::uint64_t max_version) {
  row& of = rows_[slot];
  of.told_version = std::max(of.told_version, max_version);
  if (of.at == stage::unheard && heartbeat >= of.live_heartbeat) of.at = stage::awaiting;
}

bool completeness::try_complete(slot_index slot, std::uint64_t held) {
  row& of = rows_[slot];
  if (of.at != stage::awaiting || held < of.told_version) return false;
  of.at = stage::idle;
  return true;
}

}  // namespace gossipmonger
