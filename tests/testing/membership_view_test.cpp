#include "gossipmonger/membership_view.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/testing/simulated_cluster.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using key_values = std::map<std::string, std::string>;

event_view make(event_kind kind, std::string_view peer, std::string_view key = {},
                std::string_view value = {}) {
  event_view made;
  made.kind = kind;
  made.peer = peer;
  made.generation = 1;
  made.key = key;
  made.value = value;
  return made;
}

key_values keys_of(const membership_view& view, std::string_view peer,
                   std::optional<key_scope> scope = {}) {
  key_values keys;
  view.for_each(
      peer, [&keys](std::string_view key, std::string_view value) { keys.emplace(key, value); },
      scope);
  return keys;
}

key_values keys_of(const node_base& node, std::string_view peer, key_scope scope) {
  key_values keys;
  node.for_each(
      peer, [&keys](const entry_view& entry) { keys.emplace(entry.key, entry.value); }, scope);
  return keys;
}

/// Where `view` differs from the state of `node`, or nothing.
std::string difference(const membership_view& view, const node_base& node) {
  const std::vector<member> all = node.members();
  for (const member& one : all) {
    const bool is_self = one.name == node.name();
    const membership_view::row* row = view.find(one.name);
    if (row == nullptr && !is_self) return one.name + " is missing";
    if (!is_self && row->status != one.status) return one.name + " has another status";
    if (!is_self && row->generation != one.generation) return one.name + " is another run";
    for (const key_scope scope : {key_scope::all, key_scope::live}) {
      if (keys_of(view, one.name, scope) != keys_of(node, one.name, scope)) {
        return one.name + " has other keys";
      }
    }
  }
  for (const auto& known : view.rows()) {
    const std::string& name = known.first;
    const auto is_it = [&name](const member& one) { return one.name == name; };
    if (std::none_of(all.begin(), all.end(), is_it)) return name + " is not known to the node";
  }
  return "";
}

/// A view of one node's run, read now and then.
struct watcher {
  explicit watcher(node_base& of) : events(of.subscribe()) {}

  void read() {
    while (const std::optional<event_view> seen = events.try_next_view()) view.apply(*seen);
  }

  subscription events;
  membership_view view;
};

/// Five nodes, to which anything happens, each with a view from its start on.
struct history {
  explicit history(std::uint64_t seed) : random(seed), cluster(seed), watchers(5) {
    for (std::size_t i = 0; i < watchers.size(); ++i) {
      config settings;
      settings.gossip_interval = 200ms;
      settings.dead_peer_grace = 20s;
      settings.retired_max = 64;  // slow readers lag
      cluster.add(settings);
      watchers[i] = std::make_unique<watcher>(cluster[i]);
    }
  }

  void step() {
    const std::size_t one = random.below(watchers.size());
    const std::string key = "k" + std::to_string(random.below(40));
    switch (random.below(12)) {
      case 0:
        watchers[one].reset();
        cluster.crash(one);
        return;
      case 1:
        watchers[one].reset();
        cluster.restart(one);
        watchers[one] = std::make_unique<watcher>(cluster[one]);
        return;
      case 2:
        return cluster.partition({one});
      case 3:
        return cluster.heal();
      case 4:
        if (cluster.is_running(one)) static_cast<void>(cluster[one].forget("n0"));
        return;
      case 5:
        return cluster.run_for(std::chrono::seconds(random.below(20)));
      case 6:
        for (int i = 0; i < 200 && cluster.is_running(one); ++i) {
          static_cast<void>(cluster[one].set("churn" + std::to_string(i), key));
          static_cast<void>(cluster[one].erase("churn" + std::to_string(i)));
        }
        return;
      case 7:
        if (cluster.is_running(one)) static_cast<void>(cluster[one].erase(key));
        return;
      case 8:
        if (cluster.is_running(one)) static_cast<void>(cluster[one].set(key, "short", 3s));
        return;
      default:
        if (cluster.is_running(one)) {
          static_cast<void>(cluster[one].set(key, std::to_string(random.next())));
        }
    }
  }

  random_source random;
  simulated_cluster cluster;
  std::vector<std::unique_ptr<watcher>> watchers;
};

}  // namespace

TEST_CASE("membership_view: events fold into members and keys, and lagged begins anew") {
  membership_view view;
  CHECK(view.apply(make(event_kind::new_peer, "a")));
  CHECK(view.find("a")->status == peer_status::introduced);
  CHECK(view.apply(make(event_kind::peer_live, "a")));
  CHECK(view.apply(make(event_kind::update, "a", "k", "1")));
  CHECK(view.apply(make(event_kind::update, "a", "k", "2")));
  CHECK(view.apply(make(event_kind::update, "self", "mine", "v")));
  CHECK(view.is_live("a"));
  CHECK(view.live_peers() == 1);
  CHECK(view.get("a", "k") == "2");
  CHECK(view.get("self", "mine") == "v");

  CHECK_FALSE(view.apply(make(event_kind::removed, "a", "never shown")));
  CHECK_FALSE(view.apply(make(event_kind::error, "")));
  CHECK(view.apply(make(event_kind::removed, "a", "k")));
  CHECK_FALSE(view.get("a", "k"));
  CHECK(view.apply(make(event_kind::update, "a", "k", "3")));
  CHECK(view.apply(make(event_kind::peer_restarted, "a")));
  CHECK_FALSE(view.get("a", "k"));
  CHECK(view.find("a")->status == peer_status::introduced);
  CHECK(view.apply(make(event_kind::peer_forgotten, "a")));
  CHECK_FALSE(view.is_known("a"));
  CHECK_FALSE(view.apply(make(event_kind::peer_forgotten, "a")));
  CHECK(view.apply(make(event_kind::lagged, "")));
  CHECK(view.rows().empty());
}

TEST_CASE("membership_view: apply tells whether its rows changed") {
  membership_view view;
  CHECK(view.apply(make(event_kind::peer_live, "a")));
  CHECK_FALSE(view.apply(make(event_kind::peer_live, "a")));
  CHECK(view.apply(make(event_kind::peer_complete, "a")));
  CHECK_FALSE(view.apply(make(event_kind::peer_complete, "a")));
  CHECK(view.apply(make(event_kind::update, "a", "k", "1")));
  CHECK_FALSE(view.apply(make(event_kind::update, "a", "k", "1")));
  event_view other_run = make(event_kind::update, "a", "k", "1");
  other_run.generation = 2;
  CHECK(view.apply(other_run));
  CHECK(view.find("a")->generation == 2);

  CHECK_FALSE(view.apply(make(event_kind::update, "b", "gossipmonger/keys", "seal 1")));
  CHECK_FALSE(view.apply(make(event_kind::removed, "b", "gossipmonger/keys")));
  CHECK_FALSE(view.is_known("b"));
  CHECK(view.apply(make(event_kind::lagged, "")));
  CHECK_FALSE(view.apply(make(event_kind::lagged, "")));
}

TEST_CASE("membership_view: a peer is complete from its event on, until its status changes") {
  membership_view view;
  view.apply(make(event_kind::new_peer, "a"));
  for (const event_kind end : {event_kind::peer_dead, event_kind::peer_left,
                               event_kind::peer_restarted, event_kind::peer_live}) {
    view.apply(make(event_kind::peer_live, "a"));
    CHECK_FALSE(view.find("a")->is_complete);
    CHECK(view.apply(make(event_kind::peer_complete, "a")));
    CHECK(view.find("a")->is_complete);
    CHECK(view.is_live("a"));

    view.apply(make(end, "a"));

    CHECK_FALSE(view.find("a")->is_complete);
  }
}

TEST_CASE(
    "membership_view: the switch hides keys of peers that are not live, and not this node's") {
  membership_view view(key_scope::live);
  view.apply(make(event_kind::update, "self", "k", "v"));
  view.apply(make(event_kind::new_peer, "a"));
  view.apply(make(event_kind::update, "a", "k", "v"));
  CHECK_FALSE(view.get("a", "k"));
  view.apply(make(event_kind::peer_live, "a"));
  CHECK(view.get("a", "k") == "v");

  for (const event_kind end : {event_kind::peer_dead, event_kind::peer_left}) {
    view.apply(make(end, "a"));
    CHECK_FALSE(view.get("a", "k"));
    CHECK(view.get("a", "k", key_scope::all) == "v");
    CHECK(keys_of(view, "a").empty());
    CHECK(keys_of(view, "a", key_scope::all).size() == 1);
  }
  CHECK(view.get("self", "k") == "v");
}

TEST_CASE("membership_view: through random histories the fold is the state of the node") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    history one(seed);
    for (int step = 0; step < 150; ++step) {
      CAPTURE(step);
      one.step();
      one.cluster.run_for(std::chrono::milliseconds(one.random.below(2000)));
      for (std::size_t i = 0; i < one.watchers.size(); ++i) {
        const bool is_read = one.watchers[i] && one.random.below(4) == 0;
        if (!is_read) continue;
        one.watchers[i]->read();
        REQUIRE(difference(one.watchers[i]->view, one.cluster[i]) == "");
      }
    }
  }
}

}  // namespace gossipmonger
