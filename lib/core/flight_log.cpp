#include "gossipmonger/core/flight_log.hpp"

#include <algorithm>

namespace gossipmonger {

void flight_log::make_room() {
  if (flows_.size() < capacity_) return;
  flows_.erase(std::min_element(
      flows_.begin(), flows_.end(),
      [](const auto& one, const auto& other) { return one.second.fed < other.second.fed; }));
}

void flight_log::handle_sent(std::uint64_t remote, std::uint64_t owner, std::uint64_t generation,
                             const flight_place& upto, std::uint64_t heartbeat,
                             std::chrono::nanoseconds due) {
  const std::pair<std::uint64_t, std::uint64_t> key(remote, owner);
  auto place = flows_.find(key);
  if (place == flows_.end()) {
    make_room();
    place = flows_.emplace(key, flow()).first;
  }
  flow& fed = place->second;
  fed.fed = ++calls_;
  // Going back to what was lost begins anew.
  const bool is_further =
      fed.count > 0 && fed.generation == generation && fed.marks[fed.count - 1].upto < upto;
  if (!is_further) fed.count = 0;
  fed.generation = generation;
  // The entries of one round are one mark. When no mark is free, they join the last one.
  const bool is_joined = fed.count > 0 && (fed.count == fed.marks.size() ||
                                           fed.marks[fed.count - 1].heartbeat == heartbeat);
  if (!is_joined) ++fed.count;
  mark& last = fed.marks[fed.count - 1];
  last.upto = upto;
  last.heartbeat = heartbeat;
  // A mark is due as its first entries are: later ones do not put that off.
  if (!is_joined) last.due = due;
}

flight_answer flight_log::handle_held(std::uint64_t remote, std::uint64_t owner,
                                      std::uint64_t generation, const flight_place& held,
                                      std::uint64_t heartbeat, std::chrono::nanoseconds now) {
  flight_answer answer;
  answer.after = held.after;
  answer.part = held.part;
  const auto place = flows_.find({remote, owner});
  if (place == flows_.end()) return answer;
  flow& fed = place->second;
  if (fed.generation != generation) {
    flows_.erase(place);
    return answer;
  }
  std::size_t done = 0;
  for (; done < fed.count && !(held < fed.marks[done].upto); ++done) answer.has_arrived = true;
  answer.was_lost =
      done < fed.count && (fed.marks[done].heartbeat < heartbeat || fed.marks[done].due <= now);
  if (answer.was_lost || done == fed.count) {
    answer.has_arrived = answer.has_arrived && !answer.was_lost;
    flows_.erase(place);
    return answer;
  }
  std::move(fed.marks.begin() + static_cast<std::ptrdiff_t>(done),
            fed.marks.begin() + static_cast<std::ptrdiff_t>(fed.count), fed.marks.begin());
  fed.count -= done;
  const flight_place& last = fed.marks[fed.count - 1].upto;
  answer.after = last.after;
  answer.part = last.part;
  return answer;
}

}  // namespace gossipmonger
