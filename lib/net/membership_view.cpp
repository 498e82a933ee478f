#include "gossipmonger/membership_view.hpp"

#include <algorithm>
#include <utility>

namespace gossipmonger {

bool membership_view::apply(const event& seen) { return apply(seen.view()); }

bool membership_view::apply(const event_view& seen) {
  switch (seen.kind) {
    case event_kind::new_peer:
      return set_status(seen, peer_status::introduced);
    case event_kind::peer_restarted: {
      const auto [of, is_other] = row_of(seen);
      const bool has_keys = !of.keys.empty();
      of.keys.clear();
      const bool has_status = set_status(seen, peer_status::introduced);
      return is_other || has_keys || has_status;
    }
    case event_kind::peer_live:
      return set_status(seen, peer_status::live);
    case event_kind::peer_complete: {
      const auto [of, is_other] = row_of(seen);
      const bool was_complete = std::exchange(of.is_complete, true);
      return is_other || !was_complete;
    }
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
    case event_kind::update: {
      if (library_keys_ == library_keys::hidden && is_library_key(seen.key)) return false;
      const auto [of, is_other] = row_of(seen);
      const auto held = of.keys.find(seen.key);
      if (held == of.keys.end()) {
        of.keys.emplace(seen.key, seen.value);
        return true;
      }
      const bool is_equal = held->second == seen.value;
      if (!is_equal) held->second = seen.value;
      return is_other || !is_equal;
    }
    case event_kind::removed: {
      if (library_keys_ == library_keys::hidden && is_library_key(seen.key)) return false;
      const auto [of, is_other] = row_of(seen);
      const auto gone = of.keys.find(seen.key);
      if (gone == of.keys.end()) return is_other;
      of.keys.erase(gone);
      return true;
    }
    case event_kind::lagged:
      return !std::exchange(rows_, {}).empty();
    case event_kind::conflict:
    case event_kind::conflict_ended:
    case event_kind::refuted:
    case event_kind::advertised:
    case event_kind::error:
      break;  // notices: no state of peers follows from them
  }
  return false;
}

std::pair<membership_view::row&, bool> membership_view::row_of(const event_view& seen) {
  const auto found = rows_.find(seen.peer);
  const bool is_new = found == rows_.end();
  row& of = is_new ? rows_[std::string(seen.peer)] : found->second;
  const bool is_other = is_new || of.generation != seen.generation;
  of.generation = seen.generation;
  return {of, is_other};
}

bool membership_view::set_status(const event_view& seen, peer_status status) {
  const auto [of, is_other] = row_of(seen);
  const bool is_same = of.status == status && !of.is_complete;
  of.status = status;
  of.is_complete = false;
  return is_other || !is_same;
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
