#include "gossipmonger/testing/storage_suite.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "gossipmonger/memory_storage.hpp"

using namespace gossipmonger;

namespace {

/// A storage of any type behind one, so that the suite is compiled once and not for each twin.
struct owned_storage : storage_ref {
  template <class S>
  explicit owned_storage(std::shared_ptr<S> made) : storage_ref(*made), kept(std::move(made)) {}

  std::shared_ptr<void> kept;
};

using storage_maker = std::function<owned_storage()>;

template <class S>
storage_maker maker() {
  return [] { return owned_storage(std::make_shared<S>()); };
}

storage_maker memory_maker(memory_storage_limits limits = {}) {
  return [limits] { return owned_storage(std::make_shared<memory_storage>(limits)); };
}

template <class S>
std::vector<storage_failure> run() {
  return check_storage(maker<S>());
}

/// Whether the claim's own check fails; the random calls, which would fail too, are left out.
template <class S>
bool is_caught(std::string_view claim) {
  const std::vector<storage_failure> failures = check_storage(maker<S>(), 1, 0);
  return std::any_of(failures.begin(), failures.end(),
                     [&](const storage_failure& failure) { return failure.claim == claim; });
}

constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();

// The broken twins. Each is the model with one defect; the name says which.

struct ignores_slot_in_find : storage_model {
  [[nodiscard]] std::optional<entry_view> find(slot_index, std::string_view key) const {
    return storage_model::find(1, key);
  }
};

struct keeps_first_value : storage_model {
  result<void> put(slot_index slot, entry_view entry) {
    const std::optional<entry_view> before = find(slot, entry.key);
    if (before && !entry.is_tombstone) {
      entry.value = before->value;
    }
    return storage_model::put(slot, entry);
  }
};

struct hides_tombstones : storage_model {
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    const std::optional<entry_view> found = storage_model::find(slot, key);
    return found && found->is_tombstone ? std::nullopt : found;
  }
};

struct cuts_keys_at_zero : storage_model {
  result<void> put(slot_index slot, entry_view entry) {
    entry.key = entry.key.substr(0, entry.key.find('\0'));
    return storage_model::put(slot, entry);
  }
};

struct spoils_own_views : storage_model {
  result<void> put(slot_index slot, entry_view entry) {
    const std::optional<entry_view> own = find(slot, entry.key);
    if (own && own->key.data() == entry.key.data()) {
      entry.value = "spoilt";
    }
    return storage_model::put(slot, entry);
  }
};

/// Shows the bytes of the last put where the caller keeps them.
struct keeps_given_views : storage_model {
  result<void> put(slot_index slot, const entry_view& entry) {
    last = entry.value;
    return storage_model::put(slot, entry);
  }
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    std::optional<entry_view> found = storage_model::find(slot, key);
    if (found && found->value.size() == last.size() && last.size() > 40) found->value = last;
    return found;
  }
  std::string_view last;
};

/// Each answer is written over the one before.
struct shows_one_buffer : storage_model {
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    std::optional<entry_view> found = storage_model::find(slot, key);
    if (found) {
      buffer.resize(std::max(buffer.size(), found->value.size()));
      found->value = std::string_view(buffer).substr(0, found->value.copy(buffer.data(), 99));
    }
    return found;
  }
  mutable std::string buffer = std::string(99, ' ');
};

/// The storage that it was moved to refuses every put.
struct stays_behind : storage_model {
  stays_behind() = default;
  stays_behind(stays_behind&&) noexcept : was_moved(true) {}

  result<void> put(slot_index slot, const entry_view& entry) {
    if (was_moved) return fail(errc::storage_failed);
    return storage_model::put(slot, entry);
  }
  bool was_moved = false;
};

struct throws_on_tombstones : storage_model {
  result<void> put(slot_index slot, const entry_view& entry) {
    if (entry.is_tombstone) throw std::runtime_error("no tombstones here");
    return storage_model::put(slot, entry);
  }
};

struct throws_when_full : storage_model {
  result<void> put(slot_index slot, const entry_view& entry) {
    if (usage(slot).live_keys >= 100) throw std::bad_alloc();
    return storage_model::put(slot, entry);
  }
};

struct walks_by_key : storage_model {
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot,
                                                      std::uint64_t version) const {
    const std::optional<entry_view> next = storage_model::first_above(slot, version);
    if (!next) {
      return next;
    }
    const std::optional<entry_view> other = storage_model::first_above(slot, next->version);
    return other && other->key < next->key ? other : next;
  }
};

struct knows_held_versions_only : storage_model {
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot,
                                                      std::uint64_t version) const {
    if (version != 0) {
      const std::optional<entry_view> here = storage_model::first_above(slot, version - 1);
      if (!here || here->version != version) {
        return std::nullopt;
      }
    }
    return storage_model::first_above(slot, version);
  }
};

struct shows_changes_of_slot_0_only : storage_model {
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t sequence) const {
    std::optional<changed_entry> next = storage_model::first_changed(sequence);
    while (next && next->slot != 0) {
      next = storage_model::first_changed(next->entry.sequence);
    }
    return next;
  }
};

struct moves_to_the_tail_always : storage_model {
  result<void> put(slot_index slot, entry_view entry) {
    last = std::max(last + 1, entry.sequence);
    entry.sequence = last;
    return storage_model::put(slot, entry);
  }
  std::uint64_t last = 0;
};

struct shows_no_choice : storage_model {
  using storage_model::put;
  result<bool> put(slot_index slot, entry_view entry, const sequence_choice& choose) {
    entry.sequence = choose(std::nullopt);
    return entry.sequence != 0 && put(slot, entry);
  }
};

struct puts_without_choice : storage_model {
  using storage_model::put;
  result<bool> put(slot_index slot, entry_view entry, const sequence_choice& choose) {
    entry.sequence = choose(find(slot, entry.key));
    const bool is_chosen = entry.sequence != 0;
    if (!is_chosen) entry.sequence = 99;
    (void)put(slot, entry);
    return is_chosen;
  }
};

struct drops_below_the_version_only : storage_model {
  std::uint64_t drop_upto(slot_index slot, std::uint64_t version, std::uint64_t sequence) {
    return storage_model::drop_upto(slot, version - 1, sequence);
  }
};

struct frees_what_it_drops : storage_model {
  std::uint64_t drop_upto(slot_index slot, std::uint64_t version, std::uint64_t sequence) {
    const std::uint64_t given = storage_model::drop_upto(slot, version, sequence);
    purge(all);
    return given;
  }
};

struct forgets_what_it_gave : storage_model {
  std::uint64_t drop_upto(slot_index slot, std::uint64_t version, std::uint64_t sequence) {
    (void)storage_model::drop_upto(slot, version, sequence);
    return sequence;
  }
};

struct ignores_puts_on_retired : storage_model {
  result<void> put(slot_index slot, const entry_view& entry) {
    if (retired_count() > 0 && !find(slot, entry.key)) {
      return {};
    }
    return storage_model::put(slot, entry);
  }
};

struct purges_everything : storage_model {
  void purge(std::uint64_t) { storage_model::purge(all); }
};

struct drops_instead_of_forgetting : storage_model {
  void forget(slot_index slot) { (void)drop_upto(slot, all, 1'000'000'000); }
};

struct refuses_old_versions : storage_model {
  result<void> put(slot_index slot, const entry_view& entry) {
    if (entry.version < last[slot]) {
      return fail(errc::storage_failed);
    }
    last[slot] = entry.version;
    return storage_model::put(slot, entry);
  }
  std::map<slot_index, std::uint64_t> last;
};

struct counts_retired_as_tombstones : storage_model {
  [[nodiscard]] storage_usage usage(slot_index slot) const {
    storage_usage used = storage_model::usage(slot);
    used.tombstones += retired_count();
    return used;
  }
};

/// Wrong where five keys or more are held and the asked version has a certain remainder.
struct errs_rarely : storage_model {
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot,
                                                      std::uint64_t version) const {
    const bool errs = slot == 3 && version % 64 == 63 && usage(slot).live_keys > 4;
    return storage_model::first_above(slot, errs ? version + 1 : version);
  }
};

struct forgets_when_full : storage_model {
  result<void> put(slot_index slot, const entry_view& entry) {
    if (usage(slot).live_keys < 100) {
      return storage_model::put(slot, entry);
    }
    forget(slot);
    return fail(errc::capacity_reached);
  }
};

}  // namespace

TEST_CASE("storage_suite: memory_storage keeps every claim") {
  for (const storage_failure& failure : check_storage(memory_maker())) {
    FAIL_CHECK(failure.claim, ": ", failure.what);
  }
}

TEST_CASE("storage_suite: the model keeps every claim of itself") {
  CHECK(run<storage_model>().empty());
}

TEST_CASE("storage_suite: each claim fails on its broken twin") {
  CHECK(is_caught<ignores_slot_in_find>("find gives what was put, in its slot only"));
  CHECK(is_caught<keeps_first_value>("put replaces what the key held"));
  CHECK(is_caught<hides_tombstones>("a tombstone is found and walked, without a value"));
  CHECK(is_caught<cuts_keys_at_zero>("keys and values are bytes of any length"));
  CHECK(is_caught<spoils_own_views>("put may be given views of the storage's own entries"));
  CHECK(is_caught<keeps_given_views>("put copies the bytes that it is given"));
  CHECK(is_caught<shows_one_buffer>("a view lasts until the next call that is not const"));
  CHECK(is_caught<throws_on_tombstones>("a tombstone is found and walked, without a value"));
  CHECK(is_caught<walks_by_key>("first_above walks a slot in version order"));
  CHECK(is_caught<knows_held_versions_only>("first_above answers for any version"));
  CHECK(is_caught<shows_changes_of_slot_0_only>(
      "first_changed walks all slots in the order of changes"));
  CHECK(is_caught<moves_to_the_tail_always>(
      "a put with the sequence that the key has keeps its place among the changes"));
  CHECK(is_caught<shows_no_choice>(
      "a put with a choice shows it what find shows, and takes the sequence that it returns"));
  CHECK(is_caught<puts_without_choice>("a put whose choice is 0 changes nothing"));
  CHECK(is_caught<drops_below_the_version_only>(
      "drop_upto takes entries out of find and first_above"));
  CHECK(is_caught<frees_what_it_drops>(
      "what drop_upto retires stays among the changes, as a tombstone"));
  CHECK(is_caught<forgets_what_it_gave>(
      "drop_upto gives live entries the next sequences in version order, tombstones none"));
  CHECK(is_caught<ignores_puts_on_retired>("a put replaces what is retired"));
  CHECK(is_caught<purges_everything>(
      "purge frees what is retired up to the sequence, and nothing else"));
  CHECK(is_caught<drops_instead_of_forgetting>(
      "forget drops all of one slot, and nothing of another"));
  CHECK(is_caught<refuses_old_versions>("a forgotten slot starts anew"));
  CHECK(is_caught<counts_retired_as_tombstones>(
      "usage counts what find sees: live keys, tombstones, bytes"));
}

TEST_CASE("storage_suite: a storage that a move breaks is found, and a real one moves") {
  const auto is_moved = [](const storage_failure& failure) {
    return failure.claim == "an empty storage can be moved";
  };
  const std::vector<storage_failure> broken = check_storage([] { return stays_behind(); }, 1, 0);
  const std::vector<storage_failure> real = check_storage([] { return memory_storage(); }, 1, 0);

  CHECK(std::count_if(broken.begin(), broken.end(), is_moved) == 1);
  CHECK(broken.size() == 1);
  CHECK(real.empty());
}

TEST_CASE("storage_suite: an exception fails the claim that met it, and the others are checked") {
  const std::vector<storage_failure> failures = check_storage(maker<throws_on_tombstones>(), 1, 0);

  REQUIRE(failures.size() > 1);
  CHECK(failures.front().what == "a member threw: no tombstones here");
  const std::vector<storage_failure> refusal = check_storage_refusal(maker<throws_when_full>());
  REQUIRE(refusal.size() == 1);
  CHECK(refusal.front().claim == "a refused put changes nothing");
}

TEST_CASE("storage_suite: a rare defect is found by the random calls, and they name their seed") {
  const std::vector<storage_failure> failures = run<errs_rarely>();

  REQUIRE_FALSE(failures.empty());
  CHECK(failures.back().claim == "random calls leave what the model holds");
  CHECK(failures.back().what.find("seed 1, call ") != std::string::npos);
}

TEST_CASE("storage_suite: a refused put is checked where a capacity is reached") {
  memory_storage_limits few_keys;
  few_keys.keys_total_max = 100;
  memory_storage_limits few_bytes;
  few_bytes.bytes_total_max = 1'000;

  CHECK(check_storage_refusal(memory_maker(few_keys)).empty());
  CHECK(check_storage_refusal(memory_maker(few_bytes)).empty());
  CHECK_FALSE(check_storage_refusal(maker<forgets_when_full>()).empty());
  CHECK_FALSE(check_storage_refusal(memory_maker()).empty());
}

namespace {

/// A storage that was filled without sequences: its entries are in no change order.
class without_order : public memory_storage {
 public:
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t) const {
    return std::nullopt;
  }
};

}  // namespace

TEST_CASE("storage: one is empty without changes, retired entries and usage") {
  memory_storage entries;
  CHECK(is_empty(storage_ref(entries), 5));

  entry_view entry;
  entry.key = "k";
  entry.version = 1;
  entry.sequence = 1;
  REQUIRE(entries.put(3, entry));
  CHECK_FALSE(is_empty(storage_ref(entries), 5));
  entries.forget(3);
  CHECK(is_empty(storage_ref(entries), 5));

  entry.sequence = 2;
  REQUIRE(entries.put(9, entry));
  (void)entries.drop_upto(9, 1, 2);
  CHECK(entries.retired_count() == 1);
  CHECK_FALSE(is_empty(storage_ref(entries), 5));
  entries.purge(3);
  CHECK(is_empty(storage_ref(entries), 5));

  without_order hidden;
  CHECK(is_empty(storage_ref(hidden), 5));
  entry.sequence = 1;
  REQUIRE(hidden.put(4, entry));
  CHECK_FALSE(is_empty(storage_ref(hidden), 5));
}

namespace {

/// A storage as users wrote them before there was a choice, which counts its calls.
struct plain_storage : storage_model {
  result<void> put(slot_index slot, const entry_view& entry) {
    ++puts;
    return is_failing ? fail(errc::storage_failed) : storage_model::put(slot, entry);
  }
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    ++finds;
    return storage_model::find(slot, key);
  }
  int puts = 0;
  mutable int finds = 0;
  bool is_failing = false;
};
static_assert(!choosing_storage<plain_storage>);
static_assert(choosing_storage<storage_ref>);

/// One that hides the member of memory_storage by a put of its own.
struct failing_storage : memory_storage {
  result<void> put(slot_index, const entry_view&) { return fail(errc::storage_failed); }
};
static_assert(!choosing_storage<failing_storage>);

}  // namespace

TEST_CASE("storage: a put with a choice is a find and a put where the storage lacks the member") {
  plain_storage entries;
  storage_ref any(entries);
  entry_view entry;
  entry.key = "k";
  entry.value = "1";
  entry.version = 1;
  std::uint64_t chosen = 7;
  const auto choose = [&chosen](const std::optional<entry_view>&) { return chosen; };

  CHECK(any.put(0, entry, sequence_choice(choose)) == true);
  CHECK(entries.storage_model::find(0, "k")->sequence == 7);
  chosen = 0;
  CHECK(any.put(0, entry, sequence_choice(choose)) == false);
  CHECK(entries.puts == 1);
  CHECK(entries.finds == 2);
  chosen = 8;
  entries.is_failing = true;
  CHECK(any.put(0, entry, sequence_choice(choose)).error() == errc::storage_failed);
}

TEST_CASE("storage: a put of a derived storage is not passed over") {
  failing_storage entries;
  const auto choose = [](const std::optional<entry_view>&) { return std::uint64_t{1}; };

  CHECK_FALSE(storage_ref(entries).put(0, entry_view(), sequence_choice(choose)).has_value());
}
