#include "core/exchange/flight_log.hpp"

#include <algorithm>

namespace gossipmonger {

void flight_log::make_room() {
  if (flows_.size() < capacity_) return;
  flows_.erase(
      std::min_element(flows_.begin(), flows_.end(), [](const auto& one, const auto& other) {
        return one.second.last_noted < other.second.last_noted;
      }));
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
  flow& noted = place->second;
  noted.last_noted = ++calls_;
  // Going back to what was lost begins anew.
  const bool is_further =
      noted.count > 0 && noted.generation == generation && noted.marks[noted.count - 1].upto < upto;
  if (!is_further) noted.count = 0;
  noted.generation = generation;
  // The entries of one round are one mark. When no mark is free, they join the last one.
  const bool is_joined = noted.count > 0 && (noted.count == noted.marks.size() ||
                                             noted.marks[noted.count - 1].heartbeat == heartbeat);
  if (!is_joined) ++noted.count;
  mark& last = noted.marks[noted.count - 1];
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
  flow& noted = place->second;
  if (noted.generation != generation) {
    flows_.erase(place);
    return answer;
  }
  std::size_t done = 0;
  for (; done < noted.count && !(held < noted.marks[done].upto); ++done) answer.has_arrived = true;
  answer.was_lost = done < noted.count &&
                    (noted.marks[done].heartbeat < heartbeat || noted.marks[done].due <= now);
  if (answer.was_lost || done == noted.count) {
    answer.has_arrived = answer.has_arrived && !answer.was_lost;
    flows_.erase(place);
    return answer;
  }
  std::move(noted.marks.begin() + static_cast<std::ptrdiff_t>(done),
            noted.marks.begin() + static_cast<std::ptrdiff_t>(noted.count), noted.marks.begin());
  noted.count -= done;
  const flight_place& last = noted.marks[noted.count - 1].upto;
  // Another node may have brought what lies before the part that is under way.
  answer.after = std::max(held.after, last.after);
  answer.part = last.part;
  return answer;
}

}  // namespace gossipmonger
