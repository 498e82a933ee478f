// Tests of what memory_storage promises beyond the contract: limits, exhausted memory, memory per
// key, and orders over many entries and many holes. The contract: storage_suite_test.cpp.
#include "gossipmonger/memory_storage.hpp"

#include <ostream>  // before doctest, which prints std::error_code

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <utility>

#include "../allocations.hpp"
#include "gossipmonger/testing/storage_suite.hpp"

using namespace gossipmonger;

namespace {

constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();

entry_view make_entry(std::string_view key, std::string_view value, std::uint64_t number) {
  entry_view entry;
  entry.key = key;
  entry.value = value;
  entry.version = number;
  entry.sequence = number;
  return entry;
}

/// "key of 20 bytes 0042": as long as the number asks for, at least 20.
std::string key_of(std::size_t number) {
  std::string digits = std::to_string(number);
  return "a key of " + std::string(digits.size() < 11 ? 11 - digits.size() : 0, '0') + digits;
}

std::uint64_t version_above(const memory_storage& storage, std::uint64_t version) {
  const std::optional<entry_view> next = storage.first_above(0, version);
  return next ? next->version : 0;
}

}  // namespace

TEST_CASE("memory_storage: random calls leave what the model holds, whatever the seed") {
  for (std::uint64_t seed = 100; seed < 106; ++seed) {
    for (const storage_failure& failure :
         check_storage([] { return memory_storage(); }, seed, 500)) {
      FAIL_CHECK(failure.claim, ": ", failure.what);  // names the seed: run with that one alone
    }
  }
}

TEST_CASE("memory_storage: many entries and long runs of holes are walked and searched") {
  // 519,994 places, of which a word of the last summary covers 262,144. In this order:
  // - 250,000 keys;
  // - the first of them 20,000 times, across the border of two such words;
  // - each of the others, but every 50,000th, once more.
  // The order grows at 524,288, so that no hole is squeezed out.
  memory_storage storage;
  constexpr std::uint64_t count = 250'000;
  std::uint64_t number = 0;
  bool is_stored = true;
  const auto put = [&](std::uint64_t key) {
    ++number;
    is_stored = storage.put(0, make_entry(key_of(key), "v", number)).has_value() && is_stored;
  };
  for (std::uint64_t key = 1; key <= count; ++key) {
    put(key);
  }
  while (number < 270'000) {
    put(1);
  }
  for (std::uint64_t key = 2; key <= count; ++key) {
    if (key % 50'000 != 0) {
      put(key);
    }
  }
  REQUIRE(is_stored);
  REQUIRE(number == 519'994);

  CHECK(version_above(storage, 0) == 50'000);
  CHECK(version_above(storage, 1) == 50'000);
  CHECK(version_above(storage, 49'999) == 50'000);
  CHECK(version_above(storage, 50'000) == 100'000);
  CHECK(version_above(storage, 200'001) == 250'000);
  CHECK(version_above(storage, 249'999) == 250'000);
  CHECK(version_above(storage, 250'000) == 270'000);
  CHECK(version_above(storage, 261'000) == 270'000);
  CHECK(version_above(storage, 269'999) == 270'000);
  CHECK(version_above(storage, 270'000) == 270'001);
  CHECK(version_above(storage, 519'993) == 519'994);
  CHECK(version_above(storage, 519'994) == 0);
  const std::optional<changed_entry> changed = storage.first_changed(150'001);
  REQUIRE(changed.has_value());
  CHECK(changed->entry.sequence == 200'000);

  std::size_t walked = 0;
  for (std::uint64_t version = version_above(storage, 0); version != 0;
       version = version_above(storage, version)) {
    ++walked;
  }
  CHECK(walked == count);

  storage.forget(0);
  CHECK(version_above(storage, 0) == 0);
  CHECK_FALSE(storage.first_changed(0).has_value());
}

TEST_CASE("memory_storage: a key in two slots whose hashes are equal is two entries") {
  // Found by search: with the default key the upper half of both hashes is the same.
  memory_storage storage;
  REQUIRE(storage.put(158, make_entry("key 144633", "one", 1)).has_value());

  CHECK_FALSE(storage.find(174, "key 144633").has_value());
  REQUIRE(storage.put(174, make_entry("key 144633", "other", 2)).has_value());
  CHECK(storage.find(158, "key 144633")->value == "one");
  CHECK(storage.find(174, "key 144633")->value == "other");

  storage.forget(158);
  CHECK_FALSE(storage.find(158, "key 144633").has_value());
  CHECK(storage.find(174, "key 144633")->value == "other");
}

TEST_CASE("memory_storage: a retired key may be put again at the sequence that it has") {
  memory_storage storage;
  REQUIRE(storage.put(0, make_entry("a", "1", 1)).has_value());
  CHECK(storage.drop_upto(0, 1, 1) == 2);

  REQUIRE(storage.put(0, make_entry("a", "2", 2)).has_value());
  CHECK(storage.retired_count() == 0);
  storage.purge(all);

  CHECK(storage.find(0, "a")->value == "2");
  CHECK(storage.first_changed(1)->entry.key == "a");
}

TEST_CASE("memory_storage: holes are squeezed out, so that rewriting takes no more memory") {
  memory_storage storage;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 1'000; ++i) {
    REQUIRE(storage.put(0, make_entry(key_of(i), "value", ++number)).has_value());
  }
  const std::size_t filled = allocated_bytes();

  for (std::size_t i = 0; i < 50'000; ++i) {
    REQUIRE(storage.put(0, make_entry(key_of(i * 7 % 1'000), "other", ++number)).has_value());
  }

  // The two orders may double once: 1,000 places of a little over 4 bytes each.
  CHECK(allocated_bytes() <= filled + 20'000);
  CHECK(storage.usage(0).live_keys == 1'000);
}

TEST_CASE("memory_storage: a key of 20 bytes with a value of 50 takes at most 176 bytes") {
  // Just before the hash grows, just after, and in between.
  for (const std::size_t count : {std::size_t{52'000}, std::size_t{53'000}, std::size_t{80'000}}) {
    const std::size_t before = allocated_bytes();
    memory_storage storage;
    const std::string value(50, 'v');

    for (std::size_t i = 0; i < count; ++i) {
      (void)storage.put(0, make_entry(key_of(i), value, i + 1));
    }

    CHECK(storage.usage(0).bytes == count * 70);
    CHECK((allocated_bytes() - before) / count <= 176);
  }
}

TEST_CASE("memory_storage: a value of about the old length is written into the old block") {
  memory_storage storage;
  REQUIRE(storage.put(0, make_entry("key", std::string(50, 'a'), 1)).has_value());
  REQUIRE(storage.put(0, make_entry("key", std::string(52, 'b'), 2)).has_value());

  const std::string value(45, 'c');
  const std::size_t before = allocation_count();
  CHECK(storage.put(0, make_entry("key", value, 3)).has_value());
  CHECK(allocation_count() == before);

  const std::string longer(500, 'd');
  CHECK(storage.put(0, make_entry("key", longer, 4)).has_value());
  CHECK(storage.put(0, make_entry("key", value, 5)).has_value());
  CHECK(allocation_count() == before + 3);  // `longer`, its block, and a small block again
  CHECK(storage.find(0, "key")->value == value);
}

TEST_CASE("memory_storage: the number of keys is limited, over all slots") {
  memory_storage_limits limits;
  limits.keys_total_max = 3;
  memory_storage storage(limits);
  REQUIRE(storage.put(0, make_entry("a", "1", 1)).has_value());
  REQUIRE(storage.put(1, make_entry("a", "2", 2)).has_value());
  REQUIRE(storage.put(0, make_entry("b", "3", 3)).has_value());

  const result<void> refused = storage.put(2, make_entry("c", "4", 4));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::capacity_reached);
  CHECK_FALSE(storage.find(2, "c").has_value());
  CHECK(storage.put(0, make_entry("a", "a longer value", 4)).has_value());

  // A retired entry takes memory until it is purged, or its key is put again.
  CHECK(storage.drop_upto(0, 3, 4) == 5);
  CHECK_FALSE(storage.put(2, make_entry("c", "5", 6)).has_value());
  CHECK(storage.put(0, make_entry("b", "5", 6)).has_value());
  CHECK(storage.drop_upto(0, 4, 6) == 7);
  storage.purge(7);
  CHECK(storage.put(2, make_entry("c", "6", 8)).has_value());
}

TEST_CASE("memory_storage: the bytes of keys and values are limited, over all slots") {
  memory_storage_limits limits;
  limits.bytes_total_max = 10;
  memory_storage storage(limits);
  REQUIRE(storage.put(0, make_entry("a", "1234", 1)).has_value());
  REQUIRE(storage.put(1, make_entry("b", "1234", 2)).has_value());

  const result<void> refused = storage.put(0, make_entry("a", "12345", 3));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::capacity_reached);
  CHECK(storage.find(0, "a")->value == "1234");
  CHECK_FALSE(storage.put(0, make_entry("", "12345678901", 3)).has_value());
  CHECK_FALSE(storage.put(0, make_entry("c", "", 3)).has_value());
  CHECK(storage.put(0, make_entry("", "", 3)).has_value());
  CHECK(storage.put(0, make_entry("a", "12", 4)).has_value());
  CHECK(storage.put(0, make_entry("c", "1", 5)).has_value());

  storage.forget(1);
  CHECK(storage.put(0, make_entry("d", "1234", 6)).has_value());
}

TEST_CASE("memory_storage: a key over 255 bytes is refused") {
  memory_storage storage;

  const result<void> refused = storage.put(0, make_entry(std::string(256, 'k'), "v", 1));

  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::storage_failed);
  CHECK(storage.put(0, make_entry(std::string(255, 'k'), "v", 1)).has_value());
}

TEST_CASE("memory_storage: a put that finds no memory changes nothing, wherever it runs out") {
  memory_storage storage;
  std::size_t refusals = 0;
  for (std::uint64_t number = 1; number <= 300; ++number) {
    const slot_index slot = number % 3 == 0 ? 2 : 0;
    const std::string key = key_of(number % 160);
    const std::string value(number * 13 % 90, 'v');
    const std::string before = describe(storage, 3, 10'000);
    for (std::size_t granted = 0;; ++granted) {
      result<void> stored;
      {
        const allocation_limit limit(granted);
        const entry_view entry = make_entry(key, value, number);
        const auto choose = [number](const std::optional<entry_view>&) { return number; };
        if (number % 2 == 0) {
          stored = storage.put(slot, entry);
        } else if (const auto put = storage.put(slot, entry, sequence_choice(choose)); !put) {
          stored = tl::unexpected<std::error_code>(put.error());
        }
      }
      if (stored) {
        break;
      }
      ++refusals;
      REQUIRE(stored.error() == errc::storage_failed);
      REQUIRE(describe(storage, 3, 10'000) == before);
    }
    REQUIRE(storage.find(slot, key)->value == value);
  }

  CHECK(refusals > 160);  // each new key takes a block at least
}

TEST_CASE("memory_storage: nothing but put needs memory") {
  memory_storage storage;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 5'000; ++i) {
    REQUIRE(storage.put(static_cast<slot_index>(i % 2), make_entry(key_of(i), "value", ++number))
                .has_value());
  }
  const std::size_t before = allocation_count();

  for (std::uint64_t version = 1; version <= 5'000; version += 7) {
    number = storage.drop_upto(0, version, number);
    CHECK(storage.first_above(1, version).has_value() == (version < 5'000));
    CHECK(storage.first_changed(number - 1).has_value());
  }
  CHECK(storage.retired_count() == 2'500);
  storage.purge(number - 1'000);
  storage.forget(0);
  storage.forget(1);

  CHECK(allocation_count() == before);
  CHECK(storage.retired_count() == 0);
  CHECK_FALSE(storage.first_changed(0).has_value());
}

TEST_CASE("memory_storage: all memory is given back") {
  const std::size_t before = allocated_bytes();
  {
    memory_storage storage;
    for (std::size_t i = 0; i < 1'000; ++i) {
      REQUIRE(storage.put(static_cast<slot_index>(i % 5), make_entry(key_of(i), "value", i + 1))
                  .has_value());
    }
    (void)storage.drop_upto(1, 500, 1'000);
    storage.purge(1'050);
    storage.forget(2);
    memory_storage moved = std::move(storage);
    CHECK(moved.find(3, key_of(3)).has_value());
    storage = memory_storage();
    CHECK_FALSE(storage.find(3, key_of(3)).has_value());
  }

  CHECK(allocated_bytes() == before);
}

TEST_CASE("memory_storage: the hash key changes nothing that can be seen") {
  const hash_key key(0x0123456789abcdef, 0xfedcba9876543210);

  CHECK(
      check_storage([&] { return memory_storage(memory_storage_limits(), key); }, 7, 500).empty());
}

TEST_CASE("memory_storage: purge above every number frees all that is retired") {
  memory_storage storage;
  REQUIRE(storage.put(0, make_entry("a", "1", 1)).has_value());
  CHECK(storage.drop_upto(0, all, 1) == 2);

  storage.purge(all);

  CHECK(storage.retired_count() == 0);
  CHECK_FALSE(storage.first_changed(0).has_value());
}
