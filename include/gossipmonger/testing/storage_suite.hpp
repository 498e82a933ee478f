// Checks any storage against the contract in storage.hpp: run it in the tests of your own.
//
//   for (const storage_failure& failure : check_storage([] { return my_storage(); })) …
//
// Knows no test framework: it hands back what failed, an empty list where all held. Synchronous,
// deterministic for a seed, a second or less. `storage_model` is the contract as slow plain code.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "gossipmonger/storage.hpp"
#include "gossipmonger/testing/random.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// A claim of the contract that did not hold, and what was seen. A value.
struct storage_failure {
  /// That claim, and what contradicts it.
  storage_failure(std::string claim_text, std::string what_text)
      : claim(std::move(claim_text)), what(std::move(what_text)) {}

  std::string claim;  ///< a sentence of the contract
  std::string what;   ///< the expected result, and the one that came
};

/// The contract, written down with ordered maps and nothing clever. A value; itself a storage.
class storage_model {
 public:
  /// @{
  /// As the concept `storage` says.
  result<void> put(slot_index slot, const entry_view& entry) {
    // Copied first: the views may be of what is taken out.
    held added;
    added.key = entry.key;
    added.value = entry.is_tombstone ? std::string_view() : entry.value;
    added.version = entry.version;
    added.sequence = entry.sequence;
    added.is_tombstone = entry.is_tombstone;
    take_out(slot, added.key);
    slots_[slot].by_version[added.version] = added.key;
    by_change_[added.sequence] = {slot, added.key};
    slots_[slot].by_key[added.key] = std::move(added);
    return {};
  }

  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    const held* const found = held_at(slot, key);
    if (found == nullptr || found->is_retired) {
      return std::nullopt;
    }
    return found->view();
  }

  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot,
                                                      std::uint64_t version) const {
    const auto owner = slots_.find(slot);
    if (owner == slots_.end()) {
      return std::nullopt;
    }
    const auto found = owner->second.by_version.upper_bound(version);
    if (found == owner->second.by_version.end()) {
      return std::nullopt;
    }
    return find(slot, found->second);
  }

  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t sequence) const {
    const auto found = by_change_.upper_bound(sequence);
    if (found == by_change_.end()) {
      return std::nullopt;
    }
    changed_entry changed;
    changed.slot = found->second.first;
    changed.entry = held_at(changed.slot, found->second.second)->view();
    return changed;
  }

  [[nodiscard]] std::uint64_t drop_upto(slot_index slot, std::uint64_t version,
                                        std::uint64_t sequence) {
    const auto owner = slots_.find(slot);
    if (owner == slots_.end()) {
      return sequence;
    }
    std::map<std::uint64_t, std::string>& order = owner->second.by_version;
    while (!order.empty() && order.begin()->first <= version) {
      held& retired = owner->second.by_key.find(order.begin()->second)->second;
      if (!retired.is_tombstone) {
        by_change_.erase(retired.sequence);
        retired.sequence = ++sequence;
        by_change_[sequence] = {slot, retired.key};
      }
      retired.is_retired = true;
      order.erase(order.begin());
    }
    return sequence;
  }

  void purge(std::uint64_t sequence) {
    for (auto at = by_change_.begin(); at != by_change_.end() && at->first <= sequence;) {
      const auto [slot, key] = (at++)->second;
      if (held_at(slot, key)->is_retired) {
        take_out(slot, key);
      }
    }
  }

  [[nodiscard]] std::size_t retired_count() const {
    std::size_t count = 0;
    for (const auto& [slot, owner] : slots_) {
      count += owner.by_key.size() - owner.by_version.size();
    }
    return count;
  }

  void forget(slot_index slot) {
    const auto owner = slots_.find(slot);
    if (owner != slots_.end()) {
      while (!owner->second.by_key.empty()) {
        take_out(slot, std::string(owner->second.by_key.begin()->first));
      }
    }
  }

  [[nodiscard]] storage_usage usage(slot_index slot) const {
    storage_usage used;
    const auto owner = slots_.find(slot);
    if (owner != slots_.end()) {
      for (const auto& [version, key] : owner->second.by_version) {
        const entry_view seen = *find(slot, key);
        ++(seen.is_tombstone ? used.tombstones : used.live_keys);
        used.bytes += seen.key.size() + seen.value.size();
      }
    }
    return used;
  }
  /// @}

 private:
  struct held {
    std::string key;
    std::string value;
    std::uint64_t version = 0;
    std::uint64_t sequence = 0;
    bool is_tombstone = false;
    bool is_retired = false;

    [[nodiscard]] entry_view view() const {
      entry_view seen;
      seen.key = key;
      seen.version = version;
      seen.sequence = sequence;
      seen.is_tombstone = is_tombstone || is_retired;
      if (!seen.is_tombstone) {
        seen.value = value;
      }
      return seen;
    }
  };

  struct slot_orders {
    std::map<std::string, held, std::less<>> by_key;
    std::map<std::uint64_t, std::string> by_version;  // a retired entry has left it
  };

  [[nodiscard]] const held* held_at(slot_index slot, std::string_view key) const {
    const auto owner = slots_.find(slot);
    if (owner == slots_.end()) {
      return nullptr;
    }
    const auto found = owner->second.by_key.find(key);
    return found == owner->second.by_key.end() ? nullptr : &found->second;
  }

  void take_out(slot_index slot, const std::string& key) {
    const held* const gone = held_at(slot, key);
    if (gone != nullptr) {
      by_change_.erase(gone->sequence);
      if (!gone->is_retired) {
        slots_[slot].by_version.erase(gone->version);
      }
      slots_[slot].by_key.erase(key);
    }
  }

  std::map<slot_index, slot_orders> slots_;
  std::map<std::uint64_t, std::pair<slot_index, std::string>> by_change_;
};

static_assert(storage<storage_model>);

/// The contents of a storage as text. Equal texts are equal contents. Walks both orders.
template <storage S>
[[nodiscard]] std::string describe(const S& shown, slot_index slots, std::size_t entries_max);

/// A storage beside a model that is given the same calls. `Make` returns the storage to check.
template <storage S>
class storage_pair {
 public:
  /// `make()` returns the storage to check.
  template <class Make>
  explicit storage_pair(Make& make) : checked(make()) {}

  /// Puts at the next version and the next sequence, or at the sequence the key has.
  bool put(slot_index slot, std::string_view key, std::string_view value,
           bool keeps_sequence = false) {
    entry_view entry;
    entry.key = key;
    entry.value = value;
    return put_entry(slot, entry, keeps_sequence);
  }
  /// Puts a tombstone.
  bool erase(slot_index slot, std::string_view key) {
    entry_view entry;
    entry.key = key;
    entry.is_tombstone = true;
    return put_entry(slot, entry, false);
  }
  /// Versions rise by more than one now and then, as they do where keys were written again.
  bool put_entry(slot_index slot, entry_view entry, bool keeps_sequence) {
    const std::optional<entry_view> before = model.find(slot, entry.key);
    versions[slot] += version_step;
    entry.version = versions[slot];
    entry.sequence = keeps_sequence && before ? before->sequence : ++sequence;
    // The model keeps a copy, so it goes first: `checked` may let go of what the views show.
    (void)model.put(slot, entry);
    return checked.put(slot, entry).has_value();
  }
  /// The same through the member that a storage may have: whether it took the entry, asked `choose`
  /// once and showed it what `find` shows.
  bool put_chosen(slot_index slot, entry_view entry, bool keeps_sequence)
    requires choosing_storage<S>
  {
    const std::optional<entry_view> before = model.find(slot, entry.key);
    versions[slot] += version_step;
    entry.version = versions[slot];
    entry.sequence = keeps_sequence && before ? before->sequence : ++sequence;
    std::size_t asked = 0;
    bool is_shown = false;
    const auto choose = [&](const std::optional<entry_view>& held) {
      ++asked;
      is_shown = is_equal(held, before) && is_equal(held, checked.find(slot, entry.key));
      return entry.sequence;
    };
    entry_view unplaced = entry;
    unplaced.sequence = 0;
    const std::string key(entry.key);
    const std::string value(entry.value);
    const result<bool> stored = checked.put(slot, unplaced, sequence_choice(choose));
    entry.key = key;
    entry.value = value;
    (void)model.put(slot, entry);
    return stored && *stored && asked == 1 && is_shown;
  }
  /// The two last sequences given; they should be equal.
  std::pair<std::uint64_t, std::uint64_t> drop_upto(slot_index slot, std::uint64_t version) {
    const std::uint64_t given = checked.drop_upto(slot, version, sequence);
    sequence = model.drop_upto(slot, version, sequence);
    return {given, sequence};
  }
  /// Frees retired entries in both.
  void purge(std::uint64_t upto) {
    checked.purge(upto);
    model.purge(upto);
  }
  /// Drops the slot in both.
  void forget(slot_index slot) {
    checked.forget(slot);
    model.forget(slot);
    versions[slot] = 0;
  }

  /// Whether both are nothing, or entries that are equal in every field.
  [[nodiscard]] static bool is_equal(const std::optional<entry_view>& one,
                                     const std::optional<entry_view>& other) {
    if (!one || !other) return one.has_value() == other.has_value();
    return one->key == other->key && one->value == other->value && one->version == other->version &&
           one->sequence == other->sequence && one->is_tombstone == other->is_tombstone;
  }

  S checked;                                     ///< the storage under test
  storage_model model;                           ///< the one that is right
  std::map<slot_index, std::uint64_t> versions;  ///< last given in each slot
  std::uint64_t version_step = 1;                ///< between two versions
  std::uint64_t sequence = 0;                    ///< last given
};

/// Each member checks one claim and reports through `fail`.
template <storage S, class Make>
class storage_suite {
 public:
  /// `make()` returns the storage to check.
  explicit storage_suite(Make make) : make_(std::move(make)) {}

  /// Checks every claim, the last one by so many random calls.
  [[nodiscard]] std::vector<storage_failure> run(std::uint64_t seed, std::size_t random_calls) {
    failures_.clear();
    attempt([this] { check_find(); });
    attempt([this] { check_replace(); });
    attempt([this] { check_tombstone(); });
    attempt([this] { check_bytes(); });
    attempt([this] { check_own_views(); });
    attempt([this] { check_taken_bytes(); });
    attempt([this] { check_lasting_views(); });
    attempt([this] { check_version_order(); });
    attempt([this] { check_any_version(); });
    attempt([this] { check_change_order(); });
    attempt([this] { check_kept_sequence(); });
    if constexpr (choosing_storage<S>) {
      attempt([this] { check_choice(); });
      attempt([this] { check_no_choice(); });
    }
    attempt([this] { check_drop(); });
    attempt([this] { check_retired(); });
    attempt([this] { check_drop_sequences(); });
    attempt([this] { check_put_on_retired(); });
    attempt([this] { check_purge(); });
    attempt([this] { check_forget(); });
    attempt([this] { check_reuse(); });
    attempt([this] { check_usage(); });
    attempt([this] { check_move(); });
    attempt([&] { check_random(seed, random_calls); });
    return std::move(failures_);
  }

  /// Checks the claims on a put that is refused, which comes within `puts_max` puts.
  [[nodiscard]] std::vector<storage_failure> run_refusal(std::size_t puts_max) {
    failures_.clear();
    attempt([&] { check_refusal(puts_max); });
    return std::move(failures_);
  }

 private:
  static constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();

  void expect(bool holds, std::string_view what) {
    if (!holds) {
      failures_.emplace_back(claim_, std::string(what));
    }
  }

  /// No member throws: an exception fails the claim that met it, and the others are still checked.
  template <class Check>
  void attempt(Check check) {
    try {
      check();
    } catch (const std::exception& thrown) {
      failures_.emplace_back(claim_, std::string("a member threw: ") + thrown.what());
    }
  }

  /// Both show the same in every way.
  void expect_same(const storage_pair<S>& pair, slot_index slots, const std::string& when) {
    const std::string expected = describe(pair.model, slots, entries_max);
    const std::string seen = describe(pair.checked, slots, entries_max);
    expect(seen == expected, when + ": expected\n" + expected + "but saw\n" + seen);
  }

  void check_find() {
    claim_ = "find gives what was put, in its slot only";
    storage_pair<S> pair(make_);
    expect(!pair.checked.find(0, "a") && !pair.checked.find(3, "a"), "a new storage finds a key");

    expect(pair.put(1, "a", "one"), "put into a slot never used failed");
    expect(pair.put(0, "a", "zero"), "put of the same key into another slot failed");
    expect(pair.put(1, "b", ""), "put of an empty value failed");

    const std::optional<entry_view> found = pair.checked.find(1, "a");
    expect(found && found->key == "a" && found->value == "one" && found->version == 1 &&
               found->sequence == 1 && !found->is_tombstone,
           "slot 1 does not give back its entry");
    const std::optional<entry_view> other = pair.checked.find(0, "a");
    expect(other && other->value == "zero", "slot 0 does not give back its own entry");
    expect(!pair.checked.find(0, "b") && !pair.checked.find(2, "a"),
           "a key is found in a slot that it was not put into");
    expect(!pair.checked.find(1, "") && !pair.checked.find(1, "aa"), "a key never put is found");
  }

  void check_replace() {
    claim_ = "put replaces what the key held";
    storage_pair<S> pair(make_);
    for (const std::string& value : {std::string("short"), std::string(300, 'x'),
                                     std::string("tiny"), std::string(), std::string(40, 'y')}) {
      expect(pair.put(0, "key", value), "put of a key it has failed");
      const std::optional<entry_view> found = pair.checked.find(0, "key");
      expect(found && found->key == "key" && found->value == value &&
                 found->version == pair.versions[0] && found->sequence == pair.sequence,
             "find shows something else than the last put");
    }
    expect_same(pair, 1, "after five puts of one key");
  }

  void check_tombstone() {
    claim_ = "a tombstone is found and walked, without a value";
    storage_pair<S> pair(make_);
    pair.put(0, "a", "value");
    pair.put(0, "b", "value");
    expect(pair.erase(0, "a"), "put of a tombstone over a value failed");
    expect(pair.erase(0, "c"), "put of a tombstone of a new key failed");

    for (const std::string_view key : {"a", "c"}) {
      const std::optional<entry_view> found = pair.checked.find(0, key);
      expect(found && found->is_tombstone && found->value.empty(), "find hides a tombstone");
    }
    expect_same(pair, 1, "with two tombstones");

    expect(pair.put(0, "a", "again"), "put of a value over a tombstone failed");
    expect_same(pair, 1, "after a value over a tombstone");
  }

  void check_bytes() {
    claim_ = "keys and values are bytes of any length";
    storage_pair<S> pair(make_);
    std::string binary;
    for (int byte = 0; byte < 256; ++byte) {
      binary += static_cast<char>(byte);
    }
    expect(pair.put(0, floor_key, binary), "put of the empty key failed");
    expect(pair.put(0, std::string_view("a\0b", 3), "first"), "put of a key with a zero failed");
    expect(pair.put(0, std::string_view("a\0c", 3), "second"), "put of a key with a zero failed");
    expect(pair.put(0, std::string(key_bytes_max, 'k'), std::string(65'000, 'v')),
           "put of the longest key with a value of 65,000 bytes failed");
    expect(pair.put(0, std::string(key_bytes_max - 1, 'k'), "v"), "put of a long key failed");
    expect_same(pair, 1, "with keys and values of all kinds");
    const std::optional<entry_view> found = pair.checked.find(0, floor_key);
    expect(found && found->value == binary, "the empty key is not found with its value");
  }

  void check_own_views() {
    claim_ = "put may be given views of the storage's own entries";
    storage_pair<S> pair(make_);
    pair.put(0, "a", "the value of a, too long for a short string");
    pair.put(0, "b", "the value of b, too long for a short string");
    const std::optional<entry_view> own = pair.checked.find(0, "a");
    if (own) {
      pair.put_entry(0, *own, true);  // the entry once more at a new version
    }
    expect_same(pair, 1, "after an entry was put again from its own view");
    const std::optional<entry_view> source = pair.checked.find(0, "b");
    const std::optional<entry_view> target = pair.checked.find(0, "a");
    if (source && target) {
      pair.put(0, target->key, source->value.substr(4));
    }
    expect_same(pair, 1, "after a put of another entry's value");
    const std::optional<entry_view> shrunk = pair.checked.find(0, "b");
    if (shrunk) {
      pair.put(0, shrunk->key, shrunk->value.substr(10));
    }
    expect_same(pair, 1, "after a put of a part of the own value");
  }

  void check_taken_bytes() {
    claim_ = "put copies the bytes that it is given";
    storage_pair<S> pair(make_);
    std::string key = "a key that is too long for a short string";
    std::string value = "a value that is too long for a short string";
    pair.put(0, key, value);
    key.assign(key.size(), 'x');
    value.assign(value.size(), 'y');
    expect_same(pair, 1, "after the caller changed the bytes of a put");
  }

  void check_lasting_views() {
    claim_ = "a view lasts until the next call that is not const";
    storage_pair<S> pair(make_);
    const std::string first(60, 'f');
    const std::string second(60, 's');
    pair.put(0, "a", first);
    pair.put(1, "b", second);
    const std::optional<entry_view> found = pair.checked.find(0, "a");
    const std::optional<entry_view> above = pair.checked.first_above(0, 0);
    const std::optional<changed_entry> changed = pair.checked.first_changed(0);
    (void)pair.checked.find(1, "b");
    (void)pair.checked.first_above(1, 0);
    (void)pair.checked.first_changed(1);
    (void)pair.checked.usage(1);
    (void)pair.checked.retired_count();
    const auto is_kept = [&first](const entry_view& entry) {
      return entry.key == "a" && entry.value == first;
    };
    expect(found && is_kept(*found), "a const call changed the bytes that find showed");
    expect(above && is_kept(*above), "a const call changed the bytes that first_above showed");
    expect(changed && is_kept(changed->entry),
           "a const call changed the bytes that first_changed showed");
  }

  void check_move() {
    claim_ = "an empty storage can be moved";
    if constexpr (std::move_constructible<S>) {
      S made = make_();
      auto moved = [&made] { return std::move(made); };
      storage_pair<S> pair(moved);
      pair.put(0, "a", "one");
      pair.put(1, "b", "two");
      pair.erase(0, "a");
      pair.drop_upto(1, 1);
      expect_same(pair, 2, "in the storage that it was moved to");
    }
  }

  void check_version_order() {
    claim_ = "first_above walks a slot in version order";
    storage_pair<S> pair(make_);
    for (const std::string_view key : {"c", "a", "d", "b"}) {
      pair.put(2, key, "v");
      pair.put(0, key, "other slot");
    }
    pair.put(2, "a", "again");
    pair.erase(2, "d");

    std::string walked;
    std::uint64_t version = 0;
    for (int step = 0; step < 10; ++step) {
      const std::optional<entry_view> next = pair.checked.first_above(2, version);
      if (!next) {
        break;
      }
      walked.append(next->key).append(std::to_string(next->version)).append(" ");
      version = next->version;
    }
    expect(walked == "c1 b4 a5 d6 ", "walked " + walked + "where c1 b4 a5 d6 was due");
    expect(!pair.checked.first_above(1, 0) && !pair.checked.first_above(9, 0),
           "a slot without entries has a first one");
  }

  void check_any_version() {
    claim_ = "first_above answers for any version";
    storage_pair<S> pair(make_);
    pair.version_step = 3;  // 3, 6, 9, … so that two of three asked for were never written
    for (int i = 0; i < 200; ++i) {
      pair.put(0, "key " + std::to_string(i * 7 % 150), "v");
    }
    for (std::uint64_t version = 610; version-- > 0;) {
      const std::optional<entry_view> expected = pair.model.first_above(0, version);
      const std::optional<entry_view> seen = pair.checked.first_above(0, version);
      expect(seen.has_value() == expected.has_value() &&
                 (!seen || (seen->version == expected->version && seen->key == expected->key)),
             "wrong answer above version " + std::to_string(version));
    }
    expect(!pair.checked.first_above(0, all), "there is something above the largest number");
    expect(!pair.checked.first_above(0, version_max), "there is something above version_max");
  }

  void check_change_order() {
    claim_ = "first_changed walks all slots in the order of changes";
    storage_pair<S> pair(make_);
    expect(!pair.checked.first_changed(0), "an empty storage shows a change");
    pair.put(0, "a", "1");
    pair.put(3, "b", "2");
    pair.put(1, "a", "3");
    pair.put(3, "b", "4");
    pair.erase(0, "a");
    pair.sequence += 1'000;  // sequences are given to other things too
    pair.put(2, "c", "5");

    std::string walked;
    std::uint64_t sequence = 0;
    for (int step = 0; step < 10; ++step) {
      const std::optional<changed_entry> next = pair.checked.first_changed(sequence);
      if (!next) {
        break;
      }
      sequence = next->entry.sequence;
      walked.append(std::to_string(next->slot)).append(next->entry.key);
      walked.append(next->entry.is_tombstone ? "-" : "").append(std::to_string(sequence) + " ");
    }
    expect(walked == "1a3 3b4 0a-5 2c1006 ",
           "walked " + walked + "where 1a3 3b4 0a-5 2c1006 was due");
    for (const std::uint64_t asked : {0U, 3U, 4U, 5U, 500U, 1'005U, 1'006U, 2'000U}) {
      const std::optional<changed_entry> expected = pair.model.first_changed(asked);
      const std::optional<changed_entry> seen = pair.checked.first_changed(asked);
      expect(seen.has_value() == expected.has_value() &&
                 (!seen || seen->entry.sequence == expected->entry.sequence),
             "wrong answer above sequence " + std::to_string(asked));
    }
  }

  void check_kept_sequence() {
    claim_ = "a put with the sequence that the key has keeps its place among the changes";
    storage_pair<S> pair(make_);
    pair.put(0, "a", "1");
    pair.put(0, "b", "2");
    pair.put(0, "c", "3");
    pair.put(0, "a", "1", true);
    expect_same(pair, 1, "after the first of three got a new version with the same bytes");
    const std::optional<changed_entry> first = pair.checked.first_changed(0);
    expect(first && first->entry.key == "a" && first->entry.version == 4,
           "the first change is not the key with its new version");
    const std::optional<entry_view> last = pair.checked.first_above(0, 3);
    expect(last && last->key == "a" && last->sequence == 1,
           "the last version is not the key with its old sequence");
  }

  void check_choice()
    requires choosing_storage<S>
  {
    claim_ = "a put with a choice shows it what find shows, and takes the sequence that it returns";
    storage_pair<S> pair(make_);
    pair.put(0, "retired", "v");
    pair.drop_upto(0, 1);
    pair.put(0, "a", "the value of a, too long for a short string");
    pair.put(0, "b", "the value of b, too long for a short string");
    pair.erase(0, "erased");
    for (const std::string_view key : {"a", "erased", "retired", "new"}) {
      entry_view entry;
      entry.key = key;
      entry.value = "another value";
      expect(pair.put_chosen(0, entry, false), "put of " + std::string(key) + " with a choice");
      expect(pair.put_chosen(0, entry, true), "put of " + std::string(key) + " where it stands");
    }
    entry_view entry;
    entry.key = "first of its slot";
    expect(pair.put_chosen(3, entry, false), "put into a slot never used");
    expect_same(pair, 4, "after nine puts with a choice");

    const std::optional<entry_view> source = pair.checked.find(0, "b");
    const std::optional<entry_view> target = pair.checked.find(0, "a");
    if (source && target) {
      entry.key = target->key;
      entry.value = source->value.substr(4);
      expect(pair.put_chosen(0, entry, false), "put of views of the storage's own entries");
    }
    expect_same(pair, 4, "after a put of another entry's value");
  }

  void check_no_choice()
    requires choosing_storage<S>
  {
    claim_ = "a put whose choice is 0 changes nothing";
    storage_pair<S> pair(make_);
    pair.put(0, "a", "one");
    const auto choose = [](const std::optional<entry_view>&) { return std::uint64_t{0}; };
    for (const slot_index slot : {0U, 5U}) {
      for (const std::string_view key : {"a", "new"}) {
        entry_view entry;
        entry.key = key;
        entry.value = "other";
        entry.version = 2;
        const result<bool> stored = pair.checked.put(slot, entry, sequence_choice(choose));
        expect(stored && !*stored, "says something else than that nothing was put");
      }
    }
    expect_same(pair, 6, "after four puts whose choice was 0");
    expect(pair.put(0, "new", "two"), "put of a key that was not chosen before failed");
    expect_same(pair, 6, "after one of the keys was put");
  }

  void check_drop() {
    claim_ = "drop_upto takes entries out of find and first_above";
    storage_pair<S> pair(make_);
    for (const std::string_view key : {"a", "b", "c", "d"}) {
      pair.put(0, key, "v");
      pair.put(1, key, "v");
    }
    pair.erase(0, "a");  // version 5: stays
    pair.drop_upto(0, 2);
    expect(!pair.checked.find(0, "b"), "an entry at the version is still found");
    expect(pair.checked.find(0, "c") && pair.checked.find(0, "a"), "an entry above it is gone");
    expect(pair.checked.find(1, "b").has_value(), "an entry of another slot is gone");
    const std::optional<entry_view> first = pair.checked.first_above(0, 0);
    expect(first && first->key == "c", "the version order still starts with what was dropped");

    pair.drop_upto(0, all);
    expect(!pair.checked.first_above(0, 0), "dropping everything leaves something");
    (void)pair.checked.drop_upto(7, all, pair.sequence);  // a slot never used
    expect_same(pair, 2, "after dropping everything of slot 0");
  }

  void check_retired() {
    claim_ = "what drop_upto retires stays among the changes, as a tombstone";
    storage_pair<S> pair(make_);
    pair.put(0, "a", "v");
    pair.erase(0, "b");
    pair.put(0, "c", "v");
    pair.drop_upto(0, 2);
    expect(pair.checked.retired_count() == 2, "retired_count is not 2");
    std::size_t tombstones = 0;
    for (std::uint64_t sequence = 0; tombstones < 9;) {
      const std::optional<changed_entry> next = pair.checked.first_changed(sequence);
      if (!next) {
        break;
      }
      sequence = next->entry.sequence;
      if (next->entry.key != "c") {
        expect(next->entry.is_tombstone && next->entry.value.empty(), "a retired entry lives on");
        ++tombstones;
      }
    }
    expect(tombstones == 2, "not every retired entry is among the changes");
    expect_same(pair, 1, "after two were retired");
  }

  void check_drop_sequences() {
    claim_ = "drop_upto gives live entries the next sequences in version order, tombstones none";
    storage_pair<S> pair(make_);
    pair.put(0, "a", "v");  // sequences 1 to 4
    pair.erase(0, "b");
    pair.put(0, "c", "v");
    pair.put(0, "d", "v");
    pair.put(0, "a", "v", true);  // version 5, sequence 1
    const auto [given, due] = pair.drop_upto(0, 5);
    expect(given == 7 && due == 7, "returned " + std::to_string(given) + " where 7 was due");
    expect_same(pair, 1, "after b2, c3, d4, a5 were dropped at sequence 4");
    const auto [again, none] = pair.drop_upto(0, 5);
    expect(again == 7 && none == 7, "dropping the same again gave new sequences");
  }

  void check_put_on_retired() {
    claim_ = "a put replaces what is retired";
    storage_pair<S> pair(make_);
    pair.put(0, "a", "old");
    pair.put(0, "b", "old");
    pair.drop_upto(0, 2);
    expect(pair.put(0, "a", "new"), "put of a retired key failed");
    const std::optional<entry_view> found = pair.checked.find(0, "a");
    expect(found && found->value == "new" && !found->is_tombstone, "the new entry is not found");
    expect(pair.checked.retired_count() == 1, "the replaced entry still counts as retired");
    pair.erase(0, "b");
    expect_same(pair, 1, "after both retired keys were put");
    pair.purge(all);
    expect_same(pair, 1, "after a purge that has nothing to free");
  }

  void check_purge() {
    claim_ = "purge frees what is retired up to the sequence, and nothing else";
    storage_pair<S> pair(make_);
    for (const std::string_view key : {"a", "b", "c", "d"}) {
      pair.put(0, key, "v");
    }
    pair.erase(0, "b");    // sequence 5, version 5
    pair.drop_upto(0, 3);  // a, c take 6, 7
    pair.purge(5);
    expect(pair.checked.retired_count() == 2, "a purge below all retired sequences freed some");
    pair.purge(6);
    expect(pair.checked.retired_count() == 1, "retired_count is not 1 after freeing one of two");
    expect_same(pair, 1, "after one of two retired was freed");
    pair.purge(all);
    expect_same(pair, 1, "after all retired were freed");
    expect(pair.checked.find(0, "b") && pair.checked.find(0, "d"),
           "purge freed a tombstone or an entry that is not retired");
    expect(pair.put(0, "a", "back"), "put of a freed key failed");
    expect_same(pair, 1, "after a freed key was put again");
  }

  void check_forget() {
    claim_ = "forget drops all of one slot, and nothing of another";
    storage_pair<S> pair(make_);
    for (const std::string_view key : {"a", "b", "c"}) {
      for (slot_index slot = 0; slot < 3; ++slot) {
        pair.put(slot, key, "v");
      }
    }
    pair.erase(1, "c");
    pair.drop_upto(1, 1);
    pair.drop_upto(2, 1);
    pair.forget(1);
    expect_same(pair, 3, "after slot 1, with a live, an erased and a retired entry, was forgotten");
    pair.forget(1);
    pair.checked.forget(9);
    expect_same(pair, 3, "after an empty slot and one never used were forgotten");
  }

  void check_reuse() {
    claim_ = "a forgotten slot starts anew";
    storage_pair<S> pair(make_);
    for (int i = 0; i < 100; ++i) {
      pair.put(1, "old " + std::to_string(i), "v");
    }
    pair.drop_upto(1, 10);
    pair.forget(1);
    expect(pair.put(1, "old 50", "new"), "put at version 1 of a slot used anew failed");
    expect(pair.put(1, "fresh", "new"), "put into a slot used anew failed");
    expect_same(pair, 2, "after two entries in a slot used anew");
  }

  void check_usage() {
    claim_ = "usage counts what find sees: live keys, tombstones, bytes";
    storage_pair<S> pair(make_);
    expect(pair.checked.usage(0) == storage_usage() && pair.checked.usage(5) == storage_usage(),
           "the usage of a slot never used is not zero");
    pair.put(0, "four", "12345");
    pair.put(0, "gone", "12345");
    pair.put(0, "four", "123");
    pair.erase(0, "gone");
    pair.put(1, "x", "other");
    storage_usage used = pair.checked.usage(0);
    expect(used.live_keys == 1 && used.tombstones == 1 && used.bytes == 11,
           "one key of 4 + 3 bytes and one tombstone of 4 do not count as 1, 1 and 11");
    pair.drop_upto(0, 3);
    used = pair.checked.usage(0);
    expect(used.live_keys == 0 && used.tombstones == 1 && used.bytes == 4,
           "what is retired still counts");
    pair.forget(0);
    expect(pair.checked.usage(0) == storage_usage(), "the usage of a forgotten slot is not zero");
    expect_same(pair, 2, "after slot 0 was forgotten");
  }

  void check_random(std::uint64_t seed, std::size_t calls) {
    claim_ = "random calls leave what the model holds";
    storage_pair<S> pair(make_);
    random_source draw(seed);
    for (std::size_t call = 0; call < calls && failures_.size() < 20; ++call) {
      const std::string made = make_random_call(pair, draw);
      const std::string when =
          "seed " + std::to_string(seed) + ", call " + std::to_string(call) + ", " + made;
      ask_random(pair, draw, when);
      if (call % 8 == 0 || call + 1 == calls) {
        expect_same(pair, random_slots, when);
      }
    }
  }

  std::string make_random_call(storage_pair<S>& pair, random_source& draw) {
    const auto slot = static_cast<slot_index>(draw.below(random_slots));
    const std::string key = "key " + std::to_string(draw.below(40));
    const std::uint64_t kind = draw.below(100);
    pair.version_step = 1 + draw.below(8) / 7 * draw.below(1'000);
    if (kind < 50) {
      const std::string value(static_cast<std::size_t>(draw.below(80)), 'a');
      if constexpr (choosing_storage<S>) {
        entry_view entry;
        entry.key = key;
        entry.value = value;
        if (kind < 25) expect(pair.put_chosen(slot, entry, false), "put with a choice failed");
        if (kind < 25) return "put " + key + " with a choice in " + std::to_string(slot);
      }
      expect(pair.put(slot, key, value), "put failed");
      return "put " + key + " in " + std::to_string(slot);
    }
    if (kind < 65) {
      expect(pair.erase(slot, key), "put of a tombstone failed");
      return "erase " + key + " in " + std::to_string(slot);
    }
    if (kind < 85) {
      const std::optional<entry_view> oldest = pair.checked.first_above(slot, 0);
      if (oldest) {
        expect(pair.put_entry(slot, *oldest, true), "put of an entry at a new version failed");
      }
      return "re-version in " + std::to_string(slot);
    }
    if (kind < 92) {
      const std::uint64_t version = draw.below(pair.versions[slot] + 2);
      const auto [given, due] = pair.drop_upto(slot, version);
      expect(given == due, "drop_upto returned " + std::to_string(given) + " where " +
                               std::to_string(due) + " was due");
      return "drop upto " + std::to_string(version) + " in " + std::to_string(slot);
    }
    if (kind < 98) {
      const std::uint64_t upto = draw.below(pair.sequence + 2);
      pair.purge(upto);
      return "purge " + std::to_string(upto);
    }
    pair.forget(slot);
    return "forget " + std::to_string(slot);
  }

  /// Steps from both orders at numbers out of nowhere, as peers and cursors may ask.
  void ask_random(const storage_pair<S>& pair, random_source& draw, const std::string& when) {
    const auto slot = static_cast<slot_index>(draw.below(random_slots));
    const auto last = pair.versions.find(slot);
    const std::uint64_t version = draw.below(last == pair.versions.end() ? 2 : last->second + 2);
    const std::optional<entry_view> due = pair.model.first_above(slot, version);
    const std::optional<entry_view> seen = pair.checked.first_above(slot, version);
    expect(due.has_value() == seen.has_value() && (!due || due->version == seen->version),
           when + ": wrong answer above version " + std::to_string(version));
    const std::uint64_t sequence = draw.below(pair.sequence + 2);
    const std::optional<changed_entry> changed = pair.model.first_changed(sequence);
    const std::optional<changed_entry> shown = pair.checked.first_changed(sequence);
    expect(changed.has_value() == shown.has_value() &&
               (!changed || changed->entry.sequence == shown->entry.sequence),
           when + ": wrong answer above sequence " + std::to_string(sequence));
  }

  void check_refusal(std::size_t puts_max) {
    claim_ = "a refused put changes nothing";
    storage_pair<S> pair(make_);
    for (std::size_t i = 0; i < puts_max; ++i) {
      const std::string key = "key " + std::to_string(i);
      entry_view entry;
      entry.key = key;
      entry.value = "a value of twenty-six byte";
      entry.version = pair.versions[0] + 1;
      entry.sequence = pair.sequence + 1;
      const result<void> stored = pair.checked.put(0, entry);
      if (stored) {
        (void)pair.model.put(0, entry);
        pair.versions[0] = entry.version;
        pair.sequence = entry.sequence;
        continue;
      }
      expect(stored.error() == errc::capacity_reached || stored.error() == errc::storage_failed,
             "refused by " + stored.error().message());
      expect_same(pair, 1, "after put " + std::to_string(i) + " was refused");
      if constexpr (choosing_storage<S>) {
        const auto choose = [&entry](const std::optional<entry_view>&) { return entry.sequence; };
        expect(!pair.checked.put(0, entry, sequence_choice(choose)), "takes it with a choice");
        expect_same(pair, 1, "after a put with a choice was refused");
      }
      expect(i > 0, "refused the very first put");
      pair.drop_upto(0, all);
      pair.purge(all);
      expect(pair.put(0, key, "small"), "refuses though all was dropped and purged");
      expect_same(pair, 1, "after room was made");
      return;
    }
    expect(false, "took " + std::to_string(puts_max) + " puts: make it smaller");
  }

  static constexpr slot_index random_slots = 4;
  static constexpr std::size_t entries_max = 1'000'000;  // a walk that does not end is cut here

  Make make_;
  std::string claim_;
  std::vector<storage_failure> failures_;
};

/// Checks every claim on storages that `make` returns, new and empty each time, and with room for
/// 300 entries and 70,000 bytes.
template <class Make>
  requires storage<std::invoke_result_t<Make&>>
[[nodiscard]] std::vector<storage_failure> check_storage(Make make, std::uint64_t seed = 1,
                                                         std::size_t random_calls = 2'000) {
  return storage_suite<std::invoke_result_t<Make&>, Make>(std::move(make)).run(seed, random_calls);
}

/// Checks that a put which is refused changes nothing, on a storage so small that it refuses one of
/// the first `puts_max`, each of about 35 bytes. For storages with a capacity.
template <class Make>
  requires storage<std::invoke_result_t<Make&>>
[[nodiscard]] std::vector<storage_failure> check_storage_refusal(Make make,
                                                                 std::size_t puts_max = 1'000) {
  return storage_suite<std::invoke_result_t<Make&>, Make>(std::move(make)).run_refusal(puts_max);
}

template <storage S>
std::string describe(const S& shown, slot_index slots, std::size_t entries_max) {
  const auto line = [](const entry_view& entry) {
    const std::size_t cut = std::min<std::size_t>(entry.value.size(), 40);
    return "\"" + std::string(entry.key) + "\" v" + std::to_string(entry.version) + " s" +
           std::to_string(entry.sequence) + (entry.is_tombstone ? " erased" : " = ") +
           std::string(entry.value.substr(0, cut)) + " (" + std::to_string(entry.value.size()) +
           ", " + std::to_string(std::hash<std::string_view>()(entry.value)) + ")\n";
  };
  std::string text;
  for (slot_index slot = 0; slot < slots; ++slot) {
    const storage_usage used = shown.usage(slot);
    text += "slot " + std::to_string(slot) + ": " + std::to_string(used.live_keys) + " live, " +
            std::to_string(used.tombstones) + " tombstones, " + std::to_string(used.bytes) +
            " bytes\n";
    std::optional<entry_view> entry = shown.first_above(slot, 0);
    for (std::size_t i = 0; entry && i < entries_max; ++i) {
      text += "  " + line(*entry);
      const std::optional<entry_view> found = shown.find(slot, entry->key);
      if (!found || line(*found) != line(*entry)) {
        text += "  but find gives " + (found ? line(*found) : std::string("nothing\n"));
      }
      entry = shown.first_above(slot, entry->version);
    }
  }
  text += "changes, " + std::to_string(shown.retired_count()) + " retired:\n";
  std::optional<changed_entry> changed = shown.first_changed(0);
  for (std::size_t i = 0; changed && i < entries_max; ++i) {
    text += "  slot " + std::to_string(changed->slot) + " " + line(changed->entry);
    changed = shown.first_changed(changed->entry.sequence);
  }
  return text;
}

}  // namespace gossipmonger
