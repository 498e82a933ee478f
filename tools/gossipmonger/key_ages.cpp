#include "key_ages.hpp"

#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;

template <class Map>
const typename Map::mapped_type* find_in(const Map& all, std::string_view name) {
  const auto place = all.find(name);
  return place == all.end() ? nullptr : &place->second;
}

}  // namespace

void key_ages::apply(const event_view& seen, time now) {
  switch (seen.kind) {
    case event_kind::lagged:
      before_ = std::exchange(arrivals_, {});
      return;
    case event_kind::peer_restarted:
    case event_kind::peer_forgotten:
      if (const auto gone = arrivals_.find(seen.peer); gone != arrivals_.end()) {
        arrivals_.erase(gone);
      }
      return;
    case event_kind::removed:
      if (const auto of = arrivals_.find(seen.peer); of != arrivals_.end()) {
        if (const auto gone = of->second.find(seen.key); gone != of->second.end()) {
          of->second.erase(gone);
        }
      }
      return;
    case event_kind::update:
      break;
    default:
      return;
  }
  arrival& of = arrivals_[std::string(seen.peer)][std::string(seen.key)];
  of.generation = seen.generation;
  of.version = seen.version;
  of.at = now;
  const by_key* lagging = find_in(before_, seen.peer);
  const arrival* known = lagging == nullptr ? nullptr : find_in(*lagging, seen.key);
  const bool is_same =
      known != nullptr && known->generation == seen.generation && known->version == seen.version;
  if (is_same) of.at = known->at;
}

void key_ages::set_deadline(std::string_view key, std::optional<time> deadline) {
  if (deadline) {
    deadlines_.insert_or_assign(std::string(key), *deadline);
  } else if (const auto gone = deadlines_.find(key); gone != deadlines_.end()) {
    deadlines_.erase(gone);
  }
}

key_age key_ages::find(std::string_view peer, std::string_view key, bool is_own, time now) const {
  key_age found;
  const by_key* of = find_in(arrivals_, peer);
  const arrival* came = of == nullptr ? nullptr : find_in(*of, key);
  if (came != nullptr) found.here = std::chrono::floor<milliseconds>(now - came->at);
  const time* deadline = is_own ? find_in(deadlines_, key) : nullptr;
  if (deadline != nullptr && *deadline > now) {
    found.left = std::chrono::ceil<milliseconds>(*deadline - now);
  }
  return found;
}

}  // namespace gossipmonger
