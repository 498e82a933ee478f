#include "core/exchange/transfers.hpp"

#include <algorithm>
#include <cassert>

namespace gossipmonger {

std::vector<spared_interval> spared_of(std::vector<spared_interval> parked, std::uint64_t lost_upto,
                                       bool is_crowded) {
  if (parked.empty()) return parked;
  const std::uint64_t hash = parked.front().name_hash;
  const std::uint64_t upto = parked.back().upto;
  if (lost_upto < upto) {
    std::erase_if(parked, [=](const spared_interval& one) { return one.after >= lost_upto; });
    if (parked.empty() || parked.back().upto < lost_upto)
      parked.emplace_back(hash, lost_upto, upto);
    parked.back().upto = upto;
  }
  // Where much is lost, or parked, the first gaps are filled before anything further comes.
  const bool has_many = parked.size() > spared_of_owner_max;
  if (has_many) parked.resize(spared_of_owner_max);
  if (has_many || is_crowded) parked.back().upto = version_max;
  return parked;
}

transfer* transfers::find(slot_index slot) {
  const auto place = std::find_if(transfers_.begin(), transfers_.end(),
                                  [slot](const transfer& one) { return one.slot == slot; });
  return place == transfers_.end() ? nullptr : &*place;
}

bool transfers::handle_part(const transfer& part) {
  transfer* const held = find(part.slot);
  if (held == nullptr) {
    // The rest comes in a later exchange with this sender.
    if (transfers_.size() == transfers_max) return false;
    transfers_.push_back(part);
    return true;
  }
  if (held->source == part.source) {
    held->round = part.round;
    held->last = part.last;
    if (!held->is_asked) held->wanted = part.wanted;
    return true;
  }
  const bool is_idle = held->round + idle_rounds_max < part.round;
  if (held->is_asked && !is_idle) return false;
  *held = part;
  return true;
}

void transfers::handle_last(const transfer& part) {
  transfer* const held = find(part.slot);
  if (held == nullptr || held->source != part.source) return;
  held->round = part.round;
  held->last = part.last;
}

void transfers::handle_held(slot_index slot, std::uint64_t version, bool is_partial) {
  const transfer* const held = find(slot);
  if (held != nullptr && !is_partial && held->wanted <= version) forget(slot);
}

void transfers::begin_round(std::uint64_t round) {
  continuations_left_ = continuations_max;
  std::erase_if(transfers_, [round](const transfer& one) {
    return !one.is_asked || one.round + idle_rounds_max < round;
  });
}

void transfers::forget(slot_index slot) {
  std::erase_if(transfers_, [slot](const transfer& one) { return one.slot == slot; });
}

bool transfers::is_brought(slot_index slot) const {
  return std::any_of(transfers_.begin(), transfers_.end(),
                     [slot](const transfer& one) { return one.slot == slot && one.is_asked; });
}

void transfers::handle_continued() {
  assert(may_continue());
  --continuations_left_;
}

void transfers::handle_asked(slot_index slot, std::uint64_t upto) {
  transfer* const held = find(slot);
  if (held == nullptr) return;
  held->is_asked = true;
  held->asked_upto = upto;
}

}  // namespace gossipmonger
