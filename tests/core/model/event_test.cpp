#include "gossipmonger/event.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace gossipmonger;

TEST_CASE("event: kinds bear the names of their enumerators") {
  CHECK(to_string(event_kind::new_peer) == "new_peer");
  CHECK(to_string(event_kind::peer_live) == "peer_live");
  CHECK(to_string(event_kind::peer_dead) == "peer_dead");
  CHECK(to_string(event_kind::peer_left) == "peer_left");
  CHECK(to_string(event_kind::peer_restarted) == "peer_restarted");
  CHECK(to_string(event_kind::peer_forgotten) == "peer_forgotten");
  CHECK(to_string(event_kind::update) == "update");
  CHECK(to_string(event_kind::removed) == "removed");
  CHECK(to_string(event_kind::conflict) == "conflict");
  CHECK(to_string(event_kind::lagged) == "lagged");
  CHECK(to_string(event_kind::error) == "error");
  CHECK(to_string(static_cast<event_kind>(99)) == "unknown");
}

TEST_CASE("event: statuses are named as users read them, an introduced peer is new") {
  CHECK(to_string(peer_status::self) == "self");
  CHECK(to_string(peer_status::introduced) == "new");
  CHECK(to_string(peer_status::live) == "live");
  CHECK(to_string(peer_status::dead) == "dead");
  CHECK(to_string(peer_status::left) == "left");
  CHECK(to_string(peer_status::conflict) == "conflict");
  CHECK(to_string(static_cast<peer_status>(99)) == "unknown");
}

TEST_CASE("event: an owning event keeps all of its view after what it pointed at is gone") {
  event kept;
  {
    std::string peer = "a peer whose name is too long for its object";
    std::string key = "a key that is too long for the string's own object";
    std::string value = "a value that is too long for the string's own object";
    std::string text = "a text that is too long for the string's own object";
    event_view seen;
    seen.kind = event_kind::update;
    seen.peer = peer;
    seen.generation = 7;
    seen.key = key;
    seen.value = value;
    seen.version = 9;
    seen.text = text;
    kept = event(seen);
    for (std::string* gone : {&peer, &key, &value, &text}) gone->assign(gone->size(), '-');
  }

  CHECK(kept.kind == event_kind::update);
  CHECK(kept.peer == "a peer whose name is too long for its object");
  CHECK(kept.generation == 7);
  CHECK(kept.key == "a key that is too long for the string's own object");
  CHECK(kept.value == "a value that is too long for the string's own object");
  CHECK(kept.version == 9);
  CHECK(kept.text == "a text that is too long for the string's own object");
}
