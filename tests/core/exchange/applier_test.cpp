#include "core/exchange/applier.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "exchange_fixture.hpp"

using namespace gossipmonger;

namespace {

/// An applier, and a peer "owner" in slot 1 whose deltas it is given.
class applying : public exchange_fixture {
 public:
  explicit applying(std::size_t keys_total_max = 1000)
      : exchange_fixture(keys_total_max), deltas(shared, changes) {
    deltas.begin(add("owner", 0));
  }

  void apply(std::uint64_t after, std::uint64_t upto, std::initializer_list<entry_view> written,
             std::uint64_t top = 0) {
    apply(deltas, after, upto, written, top);
  }
  static void apply(applier& to, std::uint64_t after, std::uint64_t upto,
                    std::initializer_list<entry_view> written, std::uint64_t top = 0) {
    message from;
    delta_view delta;
    delta.name_hash = hash_of("owner");
    delta.generation = 7;
    delta.after = position(after);
    delta.upto = position(upto);
    delta.top = std::max(top, upto);
    delta.entry_count = written.size();
    from.entries.assign(written.begin(), written.end());
    to.apply(from, delta);
  }
  [[nodiscard]] std::uint64_t version() const { return peers[1].max_version(); }
  [[nodiscard]] std::uint64_t drops(drop_reason reason) const {
    return deltas.counted().drops[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] bool holds(std::string_view key) const { return entries.find(1, key).has_value(); }

  applier deltas;
};

/// Counts the calls that ask.
struct asked_storage : memory_storage {
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    ++finds;
    return memory_storage::find(slot, key);
  }
  [[nodiscard]] storage_usage usage(slot_index slot) const {
    ++usages;
    return memory_storage::usage(slot);
  }
  mutable int finds = 0;
  mutable int usages = 0;
};
static_assert(choosing_storage<asked_storage>);

}  // namespace

TEST_CASE("applier: a delta that follows is applied, and one that is known is skipped") {
  applying given;

  given.apply(0, 2, {make_entry("k", "1", 1), make_entry("l", "1", 2)});
  given.apply(0, 1, {make_entry("k", "0", 1)});

  CHECK(given.version() == 2);
  CHECK(given.entries.find(1, "k")->value == "1");
  CHECK(given.deltas.counted().entries_applied == 2);
  CHECK(given.deltas.counted().entries_skipped == 1);
}

TEST_CASE("applier: a delta behind a gap waits until the gap is filled") {
  applying given;

  given.apply(1, 2, {make_entry("l", "1", 2)});
  CHECK(given.version() == 0);
  CHECK_FALSE(given.holds("l"));
  CHECK(given.deltas.counted().deltas_parked == 1);
  given.apply(0, 1, {make_entry("k", "1", 1)});

  CHECK(given.version() == 2);
  CHECK(given.holds("l"));
  CHECK(given.deltas.parked_bytes() == 0);
}

TEST_CASE("applier: a parked delta is dropped after sixteen rounds") {
  applying given;
  given.apply(1, 2, {make_entry("l", "1", 2)});

  given.shared.round = 16;
  given.deltas.begin_round();
  CHECK(given.deltas.parked_bytes() > 0);
  given.shared.round = 17;
  given.deltas.begin_round();

  CHECK(given.deltas.parked_bytes() == 0);
}

TEST_CASE("applier: deltas of unknown peers, of other runs and of this node are dropped") {
  applying given;
  message from;
  delta_view delta;
  delta.upto = position(1);
  delta.top = 1;
  const auto apply = [&](std::string_view name, std::uint64_t generation) {
    delta.name_hash = hash_of(name);
    delta.generation = generation;
    given.deltas.apply(from, delta);
  };

  apply("stranger", 7);
  apply("owner", 8);
  apply("owner", 6);
  apply("a", 7);

  CHECK(given.drops(drop_reason::unknown_peer) == 2);
  CHECK(given.drops(drop_reason::stale) == 1);
  CHECK(given.drops(drop_reason::about_self) == 1);
  CHECK(given.version() == 0);
}

TEST_CASE("applier: a peer that exceeds its capacity is refused from then on") {
  applying given;
  given.settings.keys_per_peer_max = 1;

  given.apply(0, 2, {make_entry("k", "1", 1), make_entry("l", "1", 2)});
  given.apply(1, 3, {make_entry("k", "2", 3)});

  CHECK(given.version() == 1);
  CHECK(given.peers[1].is_over_capacity());
  CHECK(given.drops(drop_reason::capacity) == 2);
}

TEST_CASE("applier: a delta that replaces entries within the capacity is taken") {
  applying given;
  given.settings.keys_per_peer_max = 2;
  given.settings.bytes_per_peer_max = 10;
  given.apply(0, 2, {make_entry("k", "1234", 1), make_entry("l", "1234", 2)});
  REQUIRE(given.version() == 2);

  given.apply(2, 4, {make_entry("k", "4321", 3), make_entry("l", "4321", 4)});
  CHECK(given.version() == 4);
  CHECK_FALSE(given.peers[1].is_over_capacity());
  given.settings.keys_per_peer_max = 100;
  given.apply(4, 5, {make_entry("l", "54321", 5)});

  CHECK(given.version() == 4);
  CHECK(given.peers[1].is_over_capacity());
}

TEST_CASE("applier: a value above the limit is refused, however little the peer has") {
  applying given;
  given.settings.value_bytes_max = 4;

  given.apply(0, 2, {make_entry("k", "1234", 1), make_entry("l", "12345", 2)});

  CHECK(given.version() == 1);
  CHECK(given.peers[1].is_over_capacity());
}

TEST_CASE("applier: of a storage that is far from a capacity it asks once a delta") {
  applying given;
  asked_storage entries;
  given.shared.entries = storage_ref(entries);
  applier deltas(given.shared, given.changes);
  deltas.begin(1);

  applying::apply(deltas, 0, 3,
                  {make_entry("k", "1", 1), make_entry("l", "1", 2), make_entry("m", "1", 3)});

  CHECK(given.version() == 3);
  CHECK(entries.usages == 1);
  CHECK(entries.finds == 0);
}

TEST_CASE("applier: a storage that refuses is tried again after one round, then after two") {
  applying given(0);
  const auto rounds_put_off = [&given] {
    given.apply(0, 1, {make_entry("k", "1", 1)});
    REQUIRE(given.peers[1].is_put_off());
    int rounds = 0;
    while (given.peers[1].is_put_off()) {
      ++rounds;
      ++given.shared.round;
      given.deltas.begin_round();
    }
    return rounds;
  };

  CHECK(rounds_put_off() == 1);
  CHECK(rounds_put_off() == 2);
  CHECK(rounds_put_off() == 4);
  CHECK(given.drops(drop_reason::storage) == 3);

  // A new incarnation has no such past.
  given.deltas.forget(1);
  given.deltas.begin(1);
  CHECK(rounds_put_off() == 1);
}

TEST_CASE("applier: a compaction marker takes effect only at the highest version in evidence") {
  applying given;
  const std::string floor("\x01\0\0\0\0\0\0\0", 8);
  given.apply(0, 1, {make_entry("erased", "1", 1)});

  given.apply(1, 2, {make_entry("", floor, 2)}, 3);
  CHECK(given.holds("erased"));
  given.apply(2, 3, {make_entry("k", "1", 3)});

  CHECK_FALSE(given.holds("erased"));
  CHECK(given.holds("k"));
}
