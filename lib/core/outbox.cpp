#include "gossipmonger/core/outbox.hpp"

#include <cassert>

#include "planted.hpp"

namespace gossipmonger {

using planted::defect;
using planted::is_on;

exchange* outbox::find_digest(const endpoint& to) {
  std::deque<exchange>& digests = lane(outbox_lane::digests);
  const auto place = std::find_if(digests.begin(), digests.end(),
                                  [&to](const exchange& leg) { return leg.to == to; });
  return place == digests.end() ? nullptr : &*place;
}

bool outbox::has_room_for_digest(const endpoint& to) {
  return lane(outbox_lane::digests).size() < digests_max && find_digest(to) == nullptr;
}

exchange& outbox::add_digest(const endpoint& to) {
  assert(has_room_for_digest(to));
  exchange& leg = lane(outbox_lane::digests).emplace_back();
  leg.kind = message_kind::digest;
  leg.to = to;
  return leg;
}

std::size_t outbox::add_answer(exchange&& leg) {
  std::deque<exchange>& answers = lane(outbox_lane::answers);
  std::deque<exchange>& strangers = lane(outbox_lane::strangers);
  std::deque<exchange>& bulk = lane(outbox_lane::bulk);
  std::deque<exchange>& joined = leg.is_unproved ? strangers : answers;
  const bool is_full =
      leg.is_unproved
          ? strangers.size() == strangers_max && !is_on(defect::strangers_unbounded)
          : answers.size() + bulk.size() == answers_max && !is_on(defect::answers_unbounded);
  if (is_full) (leg.is_unproved || bulk.empty() ? joined : bulk).pop_front();
  joined.push_back(std::move(leg));
  return is_full ? 1 : 0;
}

bool outbox::is_empty() const {
  return std::all_of(waiting_.begin(), waiting_.end(),
                     [](const std::deque<exchange>& one) { return one.empty(); });
}

std::optional<outbox_lane> outbox::next(bool may_answer_strangers) const {
  for (std::size_t i = 0; i < lanes; ++i) {
    const auto which = static_cast<outbox_lane>(i);
    if (which == outbox_lane::strangers && !may_answer_strangers) continue;
    if (!waiting_[i].empty()) return which;
  }
  return std::nullopt;
}

bool outbox::try_turn_to_sign(outbox_lane of) {
  std::deque<exchange>& waiting = lane(of);
  const auto place = std::find_if(waiting.begin(), waiting.end(),
                                  [](const exchange& leg) { return leg.is_sign_due; });
  if (place == waiting.end()) return false;
  if (place != waiting.begin()) {
    exchange moved = std::move(*place);
    waiting.erase(place);
    waiting.push_front(std::move(moved));
  }
  return true;
}

std::optional<outbox_lane> outbox::next_sign() {
  const bool is_answers_turn = last_sign_ == outbox_lane::digests;
  const outbox_lane first = is_answers_turn ? outbox_lane::answers : outbox_lane::digests;
  const outbox_lane second = is_answers_turn ? outbox_lane::digests : outbox_lane::answers;
  if (try_turn_to_sign(first)) return first;
  if (try_turn_to_sign(second)) return second;
  return std::nullopt;
}

bool outbox::has_sign_of_mine() const {
  const std::deque<exchange>& digests = waiting_[static_cast<std::size_t>(outbox_lane::digests)];
  return std::any_of(digests.begin(), digests.end(),
                     [](const exchange& leg) { return leg.is_sign_due; });
}

void outbox::expire_answers(std::chrono::nanoseconds oldest) {
  for (const outbox_lane which : {outbox_lane::answers, outbox_lane::strangers}) {
    std::erase_if(lane(which), [oldest](const exchange& leg) { return leg.planned < oldest; });
  }
}

void outbox::expire_bulk(std::chrono::nanoseconds oldest) {
  std::erase_if(lane(outbox_lane::bulk),
                [oldest](const exchange& leg) { return leg.planned < oldest; });
}

exchange& outbox::turn(outbox_lane from) {
  std::deque<exchange>& waiting = lane(from);
  if (from != outbox_lane::bulk) return waiting.front();
  // Who lacks least is nearest to what nobody else has yet, and passes it on; but none waits for
  // ever.
  auto chosen = waiting.begin();
  if (bulk_turn_ % bulk_turns != 0) {
    chosen = std::min_element(
        waiting.begin(), waiting.end(),
        [](const exchange& one, const exchange& other) { return one.lacking < other.lacking; });
  }
  bulk_place_ = static_cast<std::size_t>(chosen - waiting.begin());
  return *chosen;
}

void outbox::end(outbox_lane from) {
  std::deque<exchange>& waiting = lane(from);
  const std::size_t place = from == outbox_lane::bulk ? bulk_place_ : 0;
  waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(place));
}

void outbox::end_turn(outbox_lane from) {
  if (from == outbox_lane::bulk) {
    ++bulk_turn_;
    return;
  }
  std::deque<exchange>& waiting = lane(from);
  const bool is_bulk = from == outbox_lane::answers && !waiting.front().is_urgent();
  if (!is_bulk && waiting.size() == 1) return;
  std::deque<exchange>& joined = is_bulk ? lane(outbox_lane::bulk) : waiting;
  exchange moved = std::move(waiting.front());
  waiting.pop_front();
  joined.push_back(std::move(moved));
}

}  // namespace gossipmonger
