#include "core/exchange/value_transfers.hpp"

#include <algorithm>
#include <cassert>

namespace gossipmonger {

bool value_transfers::handle_part(const value_transfer& part) {
  const auto held = std::find_if(transfers_.begin(), transfers_.end(),
                                 [&](const value_transfer& one) { return one.slot == part.slot; });
  if (held == transfers_.end()) {
    // The value goes on in a later exchange with this sender.
    if (transfers_.size() == transfers_max) return false;
    transfers_.push_back(part);
    return true;
  }
  const bool is_idle = held->round + idle_rounds_max < part.round;
  if (held->source != part.source && !is_idle) return false;
  *held = part;
  return true;
}

void value_transfers::forget(slot_index slot) {
  std::erase_if(transfers_, [slot](const value_transfer& one) { return one.slot == slot; });
}

void value_transfers::handle_continued() {
  assert(may_continue());
  --continuations_left_;
}

}  // namespace gossipmonger
