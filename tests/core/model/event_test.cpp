#include "gossipmonger/event.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

#include "gossipmonger/error.hpp"

using namespace gossipmonger;

TEST_CASE("event: kinds bear the names of their enumerators") {
  CHECK(to_string(event_kind::new_peer) == "new_peer");
  CHECK(to_string(event_kind::peer_live) == "peer_live");
  CHECK(to_string(event_kind::peer_complete) == "peer_complete");
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

TEST_CASE("event: a line for logs names the peer, the key, the value and the version") {
  event_view update;
  update.kind = event_kind::update;
  update.peer = "api-7";
  update.key = "zone";
  update.value = "b";
  update.version = 12;
  event_view dead;
  dead.kind = event_kind::peer_dead;
  dead.peer = "api-7";
  event_view failed;
  failed.kind = event_kind::error;
  failed.text = "no seed answers";

  CHECK(to_string(update) == "update api-7 zone=b @12");
  CHECK(to_string(dead) == "peer_dead api-7");
  CHECK(to_string(failed) == "error: no seed answers");
  CHECK(to_string(event(update)) == to_string(update));
}

TEST_CASE("event: its view has all that it has") {
  event whole;
  whole.kind = event_kind::conflict;
  whole.peer = "api-7";
  whole.generation = 3;
  whole.key = "zone";
  whole.value = "b";
  whole.version = 12;
  whole.text = "two nodes";

  const event_view seen = whole.view();

  CHECK(seen.kind == event_kind::conflict);
  CHECK(seen.peer == "api-7");
  CHECK(seen.generation == 3);
  CHECK(seen.key == "zone");
  CHECK(seen.value == "b");
  CHECK(seen.version == 12);
  CHECK(seen.text == "two nodes");
}

TEST_CASE("event: a line for logs is short and has no control characters") {
  event_view seen;
  seen.kind = event_kind::update;
  seen.peer = "a";
  seen.key = "k";
  const std::string value = "\n" + std::string(99, 'x');
  seen.value = value;

  CHECK(to_string(seen) == "update a k=\\x0a" + std::string(39, 'x') + "... (100 bytes)");
}

TEST_CASE("event: members, endpoints and errors go into a stream") {
  member one;
  one.name = "api-7";
  one.status = peer_status::live;
  one.address = endpoint::v4(10, 0, 0, 7, 7946);
  one.generation = 3;
  one.max_version = 12;
  one.is_suspect = true;
  std::ostringstream line;

  line << one << '|' << errc::has_left;

  CHECK(line.str() ==
        "api-7 live 10.0.0.7:7946 g3 v12, suspect|the node has left, and publishes no more");
}
