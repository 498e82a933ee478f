// Construction and the application's commands. Events are in protocol_event_test.cpp.
#include "core/protocol.hpp"

#include <ostream>  // before doctest, which prints std::error_code

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "protocol_fixture.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

using pair = std::pair<std::string_view, std::string_view>;

/// Refuses to write as often as it is told.
class failing_storage {
 public:
  result<void> put(slot_index slot, const entry_view& entry) {
    if (writes_left == 0) return fail(errc::storage_failed);
    --writes_left;
    return held_.put(slot, entry);
  }
  std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    return held_.find(slot, key);
  }
  std::optional<entry_view> first_above(slot_index slot, std::uint64_t number) const {
    return held_.first_above(slot, number);
  }
  std::optional<changed_entry> first_changed(std::uint64_t number) const {
    return held_.first_changed(number);
  }
  std::uint64_t drop_upto(slot_index slot, std::uint64_t upto, std::uint64_t sequence) {
    return held_.drop_upto(slot, upto, sequence);
  }
  void purge(std::uint64_t sequence) { held_.purge(sequence); }
  std::size_t retired_count() const { return held_.retired_count(); }
  void forget(slot_index slot) { held_.forget(slot); }
  storage_usage usage(slot_index slot) const { return held_.usage(slot); }

  std::size_t writes_left = 1000;

 private:
  memory_storage held_;
};

std::uint64_t generation_of(std::uint64_t last, std::chrono::nanoseconds wall) {
  config settings = make_config("a");
  settings.generation_last = last;
  memory_storage entries;
  return protocol(settings, storage_ref(entries), endpoint::v4(10, 0, 0, 1, 7000), 1,
                  moment(1s, wall))
      .generation();
}

std::error_code error_of(const result<std::uint64_t>& done) {
  return done ? std::error_code() : done.error();
}

std::error_code error_of(const result<std::optional<std::uint64_t>>& done) {
  return done ? std::error_code() : done.error();
}

/// The version of the tombstone, 0 where there was nothing to erase.
std::uint64_t erased_at(protocol& node, std::string_view key) {
  const result<std::optional<std::uint64_t>> done = node.erase(key);
  REQUIRE(done);
  return done->value_or(0);
}

/// Sets and erases `count` keys once.
void churn(protocol& node, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string key = "t" + std::to_string(i);
    REQUIRE(node.set(key, "x"));
    REQUIRE(node.erase(key));
  }
}

}  // namespace

TEST_CASE(
    "protocol: a generation is the date in ms, or one more than the last where that is more") {
  CHECK(generation_of(0, 1'704'067'200'123ms) == 1'704'067'200'123);
  CHECK(generation_of(1'704'067'200'122, 1'704'067'200'123ms) == 1'704'067'200'123);
  CHECK(generation_of(1'704'067'200'123, 1'704'067'200'123ms) == 1'704'067'200'124);
  CHECK(generation_of(1'900'000'000'000, 1'704'067'200'123ms) == 1'900'000'000'001);
  CHECK(generation_of(0, 0ms) == 1);
  CHECK(generation_of(0, -5s) == 1);
}

TEST_CASE("protocol: the first write is version 1, and each that changes something one more") {
  small_cluster world;
  protocol& a = world.add("a");

  CHECK(a.version() == 0);
  CHECK(a.set("k", "v") == 1);
  CHECK(a.set("l", "v") == 2);
  CHECK(a.set("k", "w") == 3);
  CHECK(a.version() == 3);
  CHECK(value_of(a, "a", "k") == "w");
  CHECK(value_of(a, "a", "l") == "v");
}

TEST_CASE("protocol: identical bytes write nothing, and any other byte does") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v") == 1);
  REQUIRE(a.set("l", "v") == 2);
  const std::uint64_t change = a.last_change();

  CHECK(a.set("k", "v") == 1);
  CHECK(a.version() == 2);
  CHECK(a.last_change() == change);

  CHECK(a.set("k", std::string_view("v\0", 2)) == 3);
}

TEST_CASE("protocol: an empty value is a value, and setting it again writes nothing") {
  small_cluster world;
  protocol& a = world.add("a");

  CHECK(a.set("k", "") == 1);
  CHECK(a.get("a", "k").has_value());
  CHECK(a.set("k", "") == 1);
}

TEST_CASE("protocol: a key is 1 to 255 bytes of UTF-8 without control characters") {
  small_cluster world;
  protocol& a = world.add("a");

  CHECK(a.set(std::string(255, 'k'), "v").has_value());
  for (const std::string& key : {std::string(), std::string(256, 'k'), std::string("\xff"),
                                 std::string("a\nb"), std::string("a\0b", 3)}) {
    CHECK(error_of(a.set(key, "v")) == errc::key_invalid);
    CHECK(error_of(a.erase(key)) == errc::key_invalid);
  }
  CHECK(a.version() == 1);
}

TEST_CASE("protocol: keys up to the capacity; at the brim a key may be replaced, none added") {
  small_cluster world;
  config settings = make_config("a");
  settings.keys_per_peer_max = 2;
  protocol& a = world.add(settings);
  REQUIRE(a.set("k", "1"));
  REQUIRE(a.set("l", "1"));

  CHECK(error_of(a.set("m", "1")) == errc::capacity_reached);
  CHECK(value_of(a, "a", "m") == "-");
  CHECK(a.set("k", "2") == 3);

  // The erased key makes room for one key, not for two. The marker of versions 5 and 6 is no key.
  REQUIRE(a.erase("k"));
  CHECK(a.set("m", "1") == 7);
  CHECK(error_of(a.set("k", "3")) == errc::capacity_reached);
}

TEST_CASE("protocol: bytes up to the capacity, counted exactly where a value is replaced") {
  small_cluster world;
  config settings = make_config("a");
  settings.bytes_per_peer_max = 1024;
  protocol& a = world.add(settings);
  REQUIRE(a.set("k", std::string(511, 'v')));
  CHECK(a.set("l", std::string(511, 'v')).has_value());

  CHECK(error_of(a.set("m", "")) == errc::capacity_reached);
  CHECK(a.set("l", std::string(511, 'w')).has_value());
  CHECK(error_of(a.set("l", std::string(512, 'w'))) == errc::capacity_reached);
  CHECK(a.set("l", "w").has_value());
  CHECK(a.set("m", std::string(509, 'v')).has_value());
  CHECK(error_of(a.set("m", std::string(510, 'v'))) == errc::capacity_reached);
}

TEST_CASE("protocol: a value may be empty, or as long as allowed; a byte more is refused") {
  for (const std::size_t most : {std::size_t{1024}, std::size_t{65536}, std::size_t{offset_max}}) {
    CAPTURE(most);
    small_cluster world;
    config settings = make_config("a");
    settings.value_bytes_max = most;
    settings.partial_bytes_max = std::size_t{1} << 24;
    protocol& a = world.add(settings);

    CHECK(a.set("k", "") == 1);
    CHECK(a.get("a", "k")->value.empty());
    CHECK(a.set("k", std::string(most, 'v')) == 2);
    CHECK(error_of(a.set("k", std::string(most + 1, 'v'))) == errc::value_too_large);
    CHECK(a.get("a", "k")->value.size() == most);
    CHECK(a.version() == 2);
  }
}

TEST_CASE("protocol: several pairs take consecutive versions in their order") {
  small_cluster world;
  protocol& a = world.add("a");
  const std::vector<pair> pairs{pair("b", "1"), pair("a", "2"), pair("c", "3")};

  CHECK(a.set(pairs) == 3);

  CHECK(a.get("a", "b")->version == 1);
  CHECK(a.get("a", "a")->version == 2);
  CHECK(a.get("a", "c")->version == 3);
}

TEST_CASE("protocol: one bad pair, and nothing of all is written") {
  small_cluster world;
  config settings = make_config("a");
  settings.keys_per_peer_max = 3;
  protocol& a = world.add(settings);
  const std::string large(65537, 'v');

  CHECK(error_of(a.set(std::vector<pair>{pair("b", "1"), pair("", "2")})) == errc::key_invalid);
  CHECK(error_of(a.set(std::vector<pair>{pair("b", "1"), pair("c", large)})) ==
        errc::value_too_large);
  CHECK(error_of(a.set(std::vector<pair>{pair("b", "1"), pair("c", "1"), pair("d", "1"),
                                         pair("e", "1")})) == errc::capacity_reached);
  CHECK(a.version() == 0);
  CHECK(a.set(std::vector<pair>{pair("b", "1"), pair("c", "1"), pair("d", "1")}) == 3);
}

TEST_CASE("protocol: of several pairs the highest version is returned, whoever holds all has it") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("old", "same") == 1);

  CHECK(a.set(std::vector<pair>{pair("new", "1"), pair("old", "same")}) == 2);
  CHECK(a.set(std::vector<pair>{pair("new", "1"), pair("old", "same")}) == 2);
  CHECK(a.set(std::vector<pair>{}) == 2);
}

TEST_CASE("protocol: erasing writes a tombstone; erasing what is not there writes nothing") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v") == 1);

  CHECK(erased_at(a, "k") == 2);
  CHECK_FALSE(a.get("a", "k").has_value());
  CHECK(erased_at(a, "k") == 0);
  CHECK(erased_at(a, "never") == 0);
  CHECK(a.version() == 2);
  CHECK(a.set("k", "v") == 3);
  CHECK(erased_at(a, "k") == 4);
  CHECK(a.set("k", "") == 5);  // an empty value is not nothing
}

TEST_CASE("protocol: who has left writes nothing more") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v"));
  world.round("a");
  REQUIRE(a.next_deadline() > world.now().steady);

  a.leave(world.now());

  CHECK(a.has_left());
  CHECK(error_of(a.set("k", "w")) == errc::has_left);
  CHECK(error_of(a.erase("k")) == errc::has_left);
  CHECK(value_of(a, "a", "k") == "v");
  CHECK(a.next_deadline() == world.now().steady);
}

TEST_CASE("protocol: a storage that refuses leaves version and value as they were") {
  failing_storage entries;
  protocol a(make_config("a"), storage_ref(entries), endpoint::v4(10, 0, 0, 1, 7000), 1,
             moment(1s, 1'704'067'200s));
  REQUIRE(a.set("k", "v") == 1);
  entries.writes_left = 0;

  CHECK(error_of(a.set("k", "w")) == errc::storage_failed);
  CHECK(error_of(a.erase("k")) == errc::storage_failed);
  CHECK(a.version() == 1);
  CHECK(value_of(a, "a", "k") == "v");

  entries.writes_left = 1000;
  CHECK(a.set("k", "w") == 2);
}

TEST_CASE("protocol: a storage that fails midway keeps the pairs before, and their versions") {
  failing_storage entries;
  protocol a(make_config("a"), storage_ref(entries), endpoint::v4(10, 0, 0, 1, 7000), 1,
             moment(1s, 1'704'067'200s));
  entries.writes_left = 2;

  CHECK(error_of(a.set(std::vector<pair>{pair("b", "1"), pair("c", "2"), pair("d", "3")})) ==
        errc::storage_failed);

  CHECK(a.version() == 2);
  CHECK(value_of(a, "a", "c") == "2");
  CHECK(value_of(a, "a", "d") == "-");
}

TEST_CASE("protocol: a compaction that the storage stops midway loses nothing") {
  failing_storage entries;
  protocol a(make_config("a"), storage_ref(entries), endpoint::v4(10, 0, 0, 1, 7000), 1,
             moment(1s, 1'704'067'200s));
  REQUIRE(a.set("k", "v"));
  REQUIRE(a.set("l", "w"));
  churn(a, 64);
  REQUIRE(a.set("t", "x"));
  entries.writes_left = 2;  // the tombstone, and one of the two keys

  CHECK(a.erase("t").has_value());

  CHECK(a.stats().compactions == 0);
  CHECK(value_of(a, "a", "k") == "v");
  CHECK(value_of(a, "a", "l") == "w");
  CHECK(entries.usage(self_slot).tombstones == 65);
}

TEST_CASE(
    "protocol: 65 tombstones are compacted away: keys first, then the marker, one version each") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v") == 1);
  churn(a, 64);
  CHECK(a.version() == 129);
  CHECK(a.stats().compactions == 0);

  REQUIRE(a.set("other", "x") == 130);
  CHECK(erased_at(a, "other") == 131);

  CHECK(a.stats().compactions == 1);
  CHECK(a.version() == 133);
  const memory_storage& entries = world.find("a").entries;
  CHECK(entries.usage(self_slot).tombstones == 0);
  CHECK(a.get("a", "k")->version == 132);
  CHECK(value_of(a, "a", "k") == "v");
  const std::optional<entry_view> marker = entries.find(self_slot, floor_key);
  REQUIRE(marker);
  CHECK(marker->version == 133);
  CHECK(marker->value == std::string_view("\x83\0\0\0\0\0\0\0", 8));  // 131, little end first
}

TEST_CASE("protocol: the more live keys, the more tombstones are waited for") {
  small_cluster world;
  protocol& a = world.add("a");
  for (int i = 0; i < 100; ++i) REQUIRE(a.set("k" + std::to_string(i), "v"));

  churn(a, 100);
  CHECK(a.stats().compactions == 0);
  churn(a, 1);
  CHECK(a.stats().compactions == 0);  // the same key once more: still 100 tombstones
  REQUIRE(a.set("other", "v"));
  REQUIRE(a.erase("other"));
  CHECK(a.stats().compactions == 1);
  CHECK(a.version() == 100 + 200 + 2 + 2 + 100 + 1);
}

TEST_CASE("protocol: the marker is nobody's key") {
  small_cluster world;
  protocol& a = world.add("a");
  REQUIRE(a.set("k", "v"));
  churn(a, 65);

  CHECK_FALSE(a.get("a", "").has_value());
  CHECK(a.first_above("a", 0)->key == "k");
  CHECK_FALSE(a.first_above("a", 132).has_value());
  CHECK(error_of(a.erase("")) == errc::key_invalid);
}

TEST_CASE("protocol: members are self first and then the others by name") {
  small_cluster world;
  for (const char* name : {"m", "z", "b"}) world.add(name);
  world.exchange("m", "z");
  world.exchange("m", "b");

  std::vector<std::string> names;
  for (const member& one : world["m"].members(world.now())) names.push_back(one.name);

  CHECK(names == std::vector<std::string>{"m", "b", "z"});
  CHECK(world["m"].find_member("m", world.now())->status == peer_status::self);
  CHECK_FALSE(world["m"].find_member("m", world.now())->phi.has_value());
  CHECK(world["m"].find_member("z", world.now())->phi.has_value());
  CHECK_FALSE(world["m"].find_member("nobody", world.now()).has_value());
  CHECK(world["m"].is_known("b"));
  CHECK_FALSE(world["m"].is_known("nobody"));
}

TEST_CASE("protocol: replication counts the peers that hold a version of mine") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  world.add("c");
  world.exchange("a", "b");
  world.exchange("a", "c");
  REQUIRE(a.set("k", "v") == 1);
  CHECK(a.replicated(1).live == 2);
  CHECK(a.replicated(1).holding == 0);

  world.stop("c");
  world.run_for(3s);
  CHECK(a.replicated(1).live_holding == 1);
  CHECK(a.replicated(2).live_holding == 0);
  CHECK(a.replicated(1, true).holding == 0);
  world.resume("c");
  world.run_for(10s);
  CHECK(a.replicated(1).live_holding == 2);

  // The peers' copies of the former generation do not count for the new one.
  puppet p(world, "a", "p", 1);
  p.enter();
  digest_entry newer;
  newer.name_hash = hash_of("a");
  newer.generation = a.generation() + 1;
  p.begin(message_kind::reply).heartbeats.push_back(newer);
  static_cast<void>(p.send());
  CHECK(a.replicated(1).holding == 0);
}

TEST_CASE(
    "protocol: an observer comes to know the cluster by its seed, and nobody comes to know it") {
  small_cluster world;
  protocol& a = world.add("a");
  protocol& b = world.add("b");
  REQUIRE(b.set("role", "web"));
  world.exchange("a", "b");
  config settings = make_config("o");
  settings.is_observer = true;
  settings.seed_every_rounds = 1;
  protocol& o = world.add(settings);
  o.set_seeds({world.find("a").address});
  std::size_t answers = 0;
  std::size_t to_others = 0;
  world.on_send = [&](const letter& sent) {
    if (sent.from != world.find("o").address) return true;
    if (sent.content.kind != message_kind::digest) ++answers;
    if (sent.to != world.find("a").address) ++to_others;
    return true;
  };

  world.run_for(20s);

  CHECK(o.find_member("a", world.now())->status == peer_status::live);
  CHECK(o.find_member("b", world.now())->status == peer_status::live);
  CHECK(value_of(o, "b", "role") == "web");
  CHECK_FALSE(a.is_known("o"));
  CHECK_FALSE(b.is_known("o"));
  CHECK(answers == 0);
  CHECK(to_others == 0);
}

TEST_CASE("protocol: an observer finds a crash by the suspicion of others, whom it asks nothing") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  world.exchange("a", "b");
  config settings = make_config("o");
  settings.is_observer = true;
  settings.seed_every_rounds = 1;
  settings.dead_peer_phi = 100;  // silence alone would take four minutes
  protocol& o = world.add(settings);
  o.set_seeds({world.find("a").address});
  world.run_for(10s);
  REQUIRE(o.find_member("b", world.now())->status == peer_status::live);

  world.stop("b");
  world.run_for(30s);

  CHECK(a.find_member("b", world.now())->status == peer_status::dead);
  CHECK(o.find_member("b", world.now())->status == peer_status::dead);
  CHECK(o.find_member("a", world.now())->status == peer_status::live);
}

TEST_CASE("protocol: a node that is no observer is known to the seed that it asks") {
  small_cluster world;
  protocol& a = world.add("a");
  config settings = make_config("o");
  settings.seed_every_rounds = 1;
  world.add(settings).set_seeds({world.find("a").address});

  world.run_for(20s);

  CHECK(a.is_known("o"));
}

TEST_CASE("protocol: the time until a peer answers is shown, by the steady clock") {
  small_cluster world;
  protocol& a = world.add("a");
  world.add("b");
  world.exchange("a", "b");
  world.run_for(3s);
  CHECK(a.find_member("b", world.now())->rtt == 0ns);  // handed over at once
  CHECK_FALSE(a.find_member("a", world.now())->rtt);

  letters asked;
  while (asked.empty()) asked = world.collect_round("a");
  for (const letter& one : asked) world.deliver(one);
  const letters answers = world.collect("b");
  world.steady += 80ms;
  for (const letter& one : answers) world.deliver(one);

  CHECK(a.find_member("b", world.now())->rtt == 10ms);  // an eighth of 80 ms
}
