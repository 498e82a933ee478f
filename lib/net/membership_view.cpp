#include "gossipmonger/membership_view.hpp"

#include <algorithm>

namespace gossipmonger {

bool membership_view::apply(const event& seen) { return apply(seen.view()); }

bool membership_view::apply(const event_view& seen) {
  switch (seen.kind) {
    case event_kind::new_peer:
      return set_status(seen, peer_status::introduced);
    case event_kind::peer_restarted:
      row_of(seen).keys.clear();
      return set_status(seen, peer_status::introduced);
    case event_kind::peer_live:
      return set_status(seen, peer_status::live);
    case event_kind::peer_complete:
      row_of(seen).is_complete = true;
      return true;
    case event_kind::peer_dead:
      return set_status(seen, peer_status::dead);
    case event_kind::peer_left:
      return set_status(seen, peer_status::left);
    case event_kind::peer_forgotten: {
      const auto gone = rows_.find(seen.peer);
      if (gone == rows_.end()) return false;
      rows_.erase(gone);
      return true;
    }
    case event_kind::update:
      if (library_keys_ == library_keys::hidden && is_library_key(seen.key)) return false;
      row_of(seen).keys.insert_or_assign(std::string(seen.key), std::string(seen.value));
      return true;
    case event_kind::removed: {
      row& of = row_of(seen);
      const auto gone = of.keys.find(seen.key);
      if (gone == of.keys.end()) return false;
      of.keys.erase(gone);
      return true;
    }
    case event_kind::lagged:
      rows_.clear();
      return true;
    case event_kind::conflict:
    case event_kind::conflict_ended:
    case event_kind::refuted:
    case event_kind::advertised:
    case event_kind::error:
      break;  // notices: no state of peers follows from them
  }
  return false;
}

membership_view::row& membership_view::row_of(const event_view& seen) {
  const auto found = rows_.find(seen.peer);
  row& of = found != rows_.end() ? found->second : rows_[std::string(seen.peer)];
  of.generation = seen.generation;
  return of;
}

bool membership_view::set_status(const event_view& seen, peer_status status) {
  row& of = row_of(seen);
  of.status = status;
  of.is_complete = false;
  return true;
}

const membership_view::row* membership_view::find(std::string_view peer) const {
  const auto found = rows_.find(peer);
  return found == rows_.end() ? nullptr : &found->second;
}

bool membership_view::is_live(std::string_view peer) const {
  const row* found = find(peer);
  return found != nullptr && found->status == peer_status::live;
}

std::size_t membership_view::live_peers() const {
  return static_cast<std::size_t>(std::count_if(rows_.begin(), rows_.end(), [](const auto& one) {
    return one.second.status == peer_status::live;
  }));
}

std::optional<std::string_view> membership_view::get(std::string_view peer, std::string_view key,
                                                     std::optional<key_scope> scope) const {
  const row* found = find(peer);
  if (found == nullptr || !is_shown(found->status, scope.value_or(scope_))) return std::nullopt;
  const auto value = found->keys.find(key);
  if (value == found->keys.end()) return std::nullopt;
  return value->second;
}

}  // namespace gossipmonger
