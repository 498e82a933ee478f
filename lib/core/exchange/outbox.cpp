#include "core/exchange/outbox.hpp"

#include <cassert>

namespace gossipmonger {

digest_leg* outbox::find_digest(const endpoint& to) {
  const auto place = std::find_if(digests_.begin(), digests_.end(), [&to](const digest_leg& leg) {
    return leg.to == to && !leg.is_continuation;
  });
  return place == digests_.end() ? nullptr : &*place;
}

bool outbox::has_room_for_digest(const endpoint& to) {
  return digests_.size() < digests_max && find_digest(to) == nullptr;
}

bool outbox::has_room_for_continuation(const endpoint& to) const {
  return digests_.size() < digests_max &&
         std::none_of(
             digests_.begin(), digests_.end(),
             [&to](const digest_leg& leg) { return leg.to == to && leg.is_continuation; });
}

digest_leg& outbox::add_continuation(const endpoint& to) {
  assert(has_room_for_continuation(to));
  digest_leg& leg = digests_.emplace_back();
  leg.to = to;
  leg.is_continuation = true;
  return leg;
}

digest_leg& outbox::add_digest(const endpoint& to) {
  assert(has_room_for_digest(to));
  digest_leg& leg = digests_.emplace_back();
  leg.to = to;
  return leg;
}

std::size_t outbox::add_answer(answer_leg&& leg) {
  std::deque<answer_leg>& answers = lane(outbox_lane::answers);
  std::deque<answer_leg>& unverified = lane(outbox_lane::unverified);
  std::deque<answer_leg>& bulk = lane(outbox_lane::bulk);
  std::deque<answer_leg>& joined = leg.is_unverified ? unverified : answers;
  const bool is_full = leg.is_unverified ? unverified.size() == unverified_max
                                         : answers.size() + bulk.size() == answers_max;
  if (is_full) (leg.is_unverified || bulk.empty() ? joined : bulk).pop_front();
  joined.push_back(std::move(leg));
  return is_full ? 1 : 0;
}

bool outbox::is_empty() const {
  return digests_.empty() &&
         std::all_of(answers_.begin(), answers_.end(),
                     [](const std::deque<answer_leg>& one) { return one.empty(); });
}

std::optional<outbox_lane> outbox::next(bool may_answer_unverified) const {
  using enum outbox_lane;
  for (const outbox_lane which : {digests, answers, unverified, bulk}) {
    if (which == unverified && !may_answer_unverified) continue;
    if (waiting(which) != 0) return which;
  }
  return std::nullopt;
}

template <class Leg>
bool outbox::try_turn(std::deque<Leg>& lane) {
  const auto place =
      std::find_if(lane.begin(), lane.end(), [](const Leg& leg) { return leg.is_sign_due; });
  if (place == lane.end()) return false;
  if (place != lane.begin()) {
    Leg moved = std::move(*place);
    lane.erase(place);
    lane.push_front(std::move(moved));
  }
  return true;
}

bool outbox::try_turn_to_sign(outbox_lane of) {
  return of == outbox_lane::digests ? try_turn(digests_) : try_turn(lane(of));
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
  return std::any_of(digests_.begin(), digests_.end(),
                     [](const digest_leg& leg) { return leg.is_sign_due; });
}

void outbox::expire_answers(std::chrono::nanoseconds oldest) {
  for (const outbox_lane which : {outbox_lane::answers, outbox_lane::unverified}) {
    std::erase_if(lane(which), [oldest](const answer_leg& leg) { return leg.planned < oldest; });
  }
}

void outbox::expire_bulk(std::chrono::nanoseconds oldest) {
  std::erase_if(lane(outbox_lane::bulk),
                [oldest](const answer_leg& leg) { return leg.planned < oldest; });
}

answer_leg& outbox::answer_turn(outbox_lane from) {
  std::deque<answer_leg>& waiting = lane(from);
  if (from != outbox_lane::bulk) return waiting.front();
  // The remote that lacks least is nearest to the news that nobody else has, and passes it on. The
  // oldest has a turn now and then, so that no leg waits for ever.
  auto chosen = waiting.begin();
  if (bulk_turn_ % bulk_turns != 0) {
    chosen = std::min_element(
        waiting.begin(), waiting.end(),
        [](const answer_leg& one, const answer_leg& other) { return one.lacking < other.lacking; });
  }
  bulk_place_ = static_cast<std::size_t>(chosen - waiting.begin());
  return *chosen;
}

void outbox::end(outbox_lane from) {
  if (from == outbox_lane::digests) {
    digests_.pop_front();
    return;
  }
  std::deque<answer_leg>& waiting = lane(from);
  const std::size_t place = from == outbox_lane::bulk ? bulk_place_ : 0;
  waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(place));
}

void outbox::end_turn(outbox_lane from) {
  if (from == outbox_lane::bulk) {
    ++bulk_turn_;
    return;
  }
  const auto move_front = [](auto& waiting, auto& joined) {
    auto moved = std::move(waiting.front());
    waiting.pop_front();
    joined.push_back(std::move(moved));
  };
  if (from == outbox_lane::digests) {
    if (digests_.size() > 1) move_front(digests_, digests_);
    return;
  }
  std::deque<answer_leg>& waiting = lane(from);
  const bool is_bulk = from == outbox_lane::answers && !waiting.front().is_urgent();
  if (!is_bulk && waiting.size() == 1) return;
  move_front(waiting, is_bulk ? lane(outbox_lane::bulk) : waiting);
}

}  // namespace gossipmonger
