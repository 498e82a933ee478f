#include "gossipmonger/event.hpp"

namespace gossipmonger {

std::string_view to_string(event_kind kind) {
  switch (kind) {
    case event_kind::new_peer:
      return "new_peer";
    case event_kind::peer_live:
      return "peer_live";
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
