#include "gossipmonger/event.hpp"

#include <ostream>

#include "core/model/printable.hpp"

namespace gossipmonger {

std::string_view to_string(event_kind kind) {
  switch (kind) {
    case event_kind::new_peer:
      return "new_peer";
    case event_kind::peer_live:
      return "peer_live";
    case event_kind::peer_complete:
      return "peer_complete";
    case event_kind::peer_dead:
      return "peer_dead";
    case event_kind::peer_left:
      return "peer_left";
    case event_kind::peer_restarted:
      return "peer_restarted";
    case event_kind::peer_forgotten:
      return "peer_forgotten";
    case event_kind::update:
      return "update";
    case event_kind::removed:
      return "removed";
    case event_kind::conflict:
      return "conflict";
    case event_kind::conflict_ended:
      return "conflict_ended";
    case event_kind::refuted:
      return "refuted";
    case event_kind::advertised:
      return "advertised";
    case event_kind::lagged:
      return "lagged";
    case event_kind::error:
      return "error";
  }
  return "unknown";
}

event::event(const event_view& view)
    : kind(view.kind),
      peer(view.peer),
      generation(view.generation),
      key(view.key),
      value(view.value),
      version(view.version),
      text(view.text) {}

std::string to_string(const event_view& seen) {
  constexpr std::size_t value_bytes_max = 40;
  std::string line(to_string(seen.kind));
  if (!seen.peer.empty()) line += " " + printable(seen.peer);
  if (!seen.key.empty()) line += " " + printable(seen.key);
  if (seen.kind == event_kind::update) {
    line += "=" + printable(seen.value.substr(0, value_bytes_max));
    const bool is_cut = seen.value.size() > value_bytes_max;
    if (is_cut) line += "... (" + std::to_string(seen.value.size()) + " bytes)";
  }
  if (seen.version != 0) line += " @" + std::to_string(seen.version);
  if (!seen.text.empty()) line += ": " + printable(seen.text);
  return line;
}

std::ostream& operator<<(std::ostream& to, const event_view& seen) { return to << to_string(seen); }

event_view event::view() const {
  event_view same;
  same.kind = kind;
  same.peer = peer;
  same.generation = generation;
  same.key = key;
  same.value = value;
  same.version = version;
  same.text = text;
  return same;
}

std::string to_string(const event& seen) { return to_string(seen.view()); }

std::ostream& operator<<(std::ostream& to, const event& seen) { return to << to_string(seen); }

std::ostream& operator<<(std::ostream& to, const member& one) {
  to << printable(one.name) << ' ' << to_string(one.status) << ' ' << one.address << " g"
     << one.generation << " v" << one.max_version;
  return one.is_suspect ? to << ", suspect" : to;
}

std::string_view to_string(peer_status status) {
  switch (status) {
    case peer_status::self:
      return "self";
    case peer_status::introduced:
      return "new";
    case peer_status::live:
      return "live";
    case peer_status::dead:
      return "dead";
    case peer_status::left:
      return "left";
    case peer_status::conflict:
      return "conflict";
  }
  return "unknown";
}

}  // namespace gossipmonger
