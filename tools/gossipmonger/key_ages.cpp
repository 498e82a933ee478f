#include "key_ages.hpp"

#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;

template <class Map>
void erase_from(Map& all, std::string_view name) {
  if (const auto gone = all.find(name); gone != all.end()) all.erase(gone);
}

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
      // The removal of a key that expired may be among the events that were lost.
      std::erase_if(deadlines_, [now](const auto& one) { return one.second <= now; });
      return;
    case event_kind::peer_restarted:
    case event_kind::peer_forgotten:
      erase_from(arrivals_, seen.peer);
      return;
    case event_kind::removed:
      if (const auto of = arrivals_.find(seen.peer); of != arrivals_.end()) {
        erase_from(of->second, seen.key);
      }
      if (seen.peer == own_) erase_from(deadlines_, seen.key);
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
  } else {
    erase_from(deadlines_, key);
  }
}

key_age key_ages::find(std::string_view peer, std::string_view key, time now) const {
  key_age found;
  const by_key* of = find_in(arrivals_, peer);
  const arrival* came = of == nullptr ? nullptr : find_in(*of, key);
  if (came != nullptr) found.here = std::chrono::floor<milliseconds>(now - came->at);
  const time* deadline = peer == own_ ? find_in(deadlines_, key) : nullptr;
  if (deadline != nullptr && *deadline > now) {
    found.left = std::chrono::ceil<milliseconds>(*deadline - now);
  }
  return found;
}

}  // namespace gossipmonger
