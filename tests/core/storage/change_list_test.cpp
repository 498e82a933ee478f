#include "core/storage/change_list.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gossipmonger;

namespace {

struct seen_item {
  seen_item(std::uint64_t at_sequence, change_item::what of_kind)
      : at(at_sequence), kind(of_kind) {}

  friend bool operator==(const seen_item&, const seen_item&) = default;

  std::uint64_t at;
  change_item::what kind;
};

using what = change_item::what;

std::vector<seen_item> items_above(const change_list& changes, std::uint64_t sequence) {
  std::vector<seen_item> seen;
  while (const change_item* item = changes.first_above(sequence, sequence)) {
    seen.emplace_back(sequence, item->kind);
  }
  return seen;
}

void note(change_list& changes, const std::string& text) {
  changes.notice(event_kind::error, {}, 0, text);
}

void forget(change_list& changes, const std::string& name, slot_index slot) {
  changes.forget(slot, name, 7);
}

}  // namespace

TEST_CASE("change_list: entries and items take their places in one sequence") {
  change_list changes(8);

  CHECK(changes.take() == 1);
  changes.introduce(1, false);
  CHECK(changes.take() == 3);
  changes.change_status(1);

  CHECK(changes.places_of(1).introduced == 2);
  CHECK(changes.places_of(1).status == 4);
  CHECK(changes.last() == 4);
  CHECK(items_above(changes, 0) ==
        std::vector<seen_item>{seen_item(2, what::introduced), seen_item(4, what::status)});
  CHECK(items_above(changes, 2) == std::vector<seen_item>{seen_item(4, what::status)});
  CHECK(items_above(changes, 4).empty());
}

TEST_CASE("change_list: a status moves to the tail, the introduction stays where it is") {
  change_list changes(8);
  changes.introduce(1, false);
  changes.change_status(1);

  changes.change_status(1);

  CHECK(items_above(changes, 0) ==
        std::vector<seen_item>{seen_item(1, what::introduced), seen_item(3, what::status)});
}

TEST_CASE("change_list: a restart takes back introduction and status of the state before") {
  change_list changes(8);
  changes.introduce(1, false);
  changes.change_status(1);

  changes.introduce(1, true);

  CHECK(changes.places_of(1).status == 0);
  CHECK(changes.places_of(1).is_restart);
  CHECK(items_above(changes, 0) == std::vector<seen_item>{seen_item(3, what::introduced)});
}

TEST_CASE("change_list: a forgetting takes the row's items along and names who went") {
  change_list changes(8);
  changes.introduce(3, false);
  changes.change_status(3);

  changes.forget(3, "gone", 7);

  CHECK(items_above(changes, 0) == std::vector<seen_item>{seen_item(3, what::forgotten)});
  std::uint64_t at = 0;
  const change_item* item = changes.first_above(0, at);
  CHECK(item->told->name == "gone");
  CHECK(item->told->generation == 7);
  CHECK(item->slot == 3);
}

TEST_CASE("change_list: a slot that is used again has nothing of the places of its last peer") {
  change_list changes(8);
  changes.introduce(3, true);
  changes.change_status(3);

  changes.forget(3, "gone", 7);

  CHECK(changes.places_of(3).introduced == 0);
  CHECK(changes.places_of(3).status == 0);
  CHECK_FALSE(changes.places_of(3).is_restart);
  CHECK(changes.places_of(99).introduced == 0);  // a slot never used
}

TEST_CASE("change_list: sequences that the storage gave are not given again") {
  change_list changes(8);
  CHECK(changes.take() == 1);

  changes.advance_to(10);

  CHECK(changes.take() == 11);
}

TEST_CASE("change_list: a cursor begins at the start, with all that is there as its snapshot") {
  change_list changes(8);
  note(changes, "one");
  change_cursor cursor;
  cursor.sequence = 7;  // as one that lagged
  cursor.shown.resize(3);

  changes.begin(cursor);

  CHECK(cursor.has_begun);
  CHECK(cursor.sequence == 0);
  CHECK(cursor.snapshot_upto == 1);
  CHECK(cursor.shown.empty());
  CHECK_FALSE(changes.has_lost(cursor));
}

TEST_CASE("change_list: forgettings go once everybody passed them, statuses and notices do not") {
  change_list changes(8);
  changes.introduce(1, false);
  forget(changes, "two", 2);
  changes.change_status(1);
  note(changes, "four");
  forget(changes, "five", 3);

  changes.release(1);
  CHECK(items_above(changes, 0).size() == 5);
  changes.release(4);

  CHECK(items_above(changes, 0) ==
        std::vector<seen_item>{seen_item(1, what::introduced), seen_item(3, what::status),
                               seen_item(4, what::notice), seen_item(5, what::forgotten)});
  CHECK(changes.kept() == 2);
}

TEST_CASE("change_list: of the notices that everybody passed, the latest 64 stay") {
  change_list changes(100);
  for (int i = 1; i <= 70; ++i) note(changes, std::to_string(i));

  changes.release(3);
  CHECK(changes.kept() == 67);
  changes.release(70);

  CHECK(changes.kept() == 64);
  CHECK(items_above(changes, 0).front() == seen_item(7, what::notice));
  changes.release(70);
  CHECK(changes.kept() == 64);
  note(changes, "71");
  CHECK(changes.kept() == 65);
  changes.release(71);
  CHECK(items_above(changes, 0).front() == seen_item(8, what::notice));
  CHECK(changes.kept() == 64);
}

TEST_CASE(
    "change_list: notices that are kept for nobody make room for a forgetting, without a cut") {
  change_list changes(2);
  change_cursor cursor;
  changes.begin(cursor);
  note(changes, "one");
  note(changes, "two");
  cursor.sequence = 2;
  changes.release(2);

  forget(changes, "three", 1);
  forget(changes, "four", 2);

  CHECK_FALSE(changes.has_lost(cursor));
  CHECK(items_above(changes, 0) ==
        std::vector<seen_item>{seen_item(3, what::forgotten), seen_item(4, what::forgotten)});
}

TEST_CASE(
    "change_list: a cursor shows notices from its first read, from a mark, or from where it was") {
  change_list changes(8);
  note(changes, "one");
  change_cursor first;
  change_cursor marked;
  marked.notices_from = changes.last();
  note(changes, "two");

  changes.begin(first);
  changes.begin(marked);
  CHECK(first.notices_from == 2);
  CHECK(marked.notices_from == 1);

  // Begun anew, as one that lags: what it has read is not shown again, the rest is.
  first.sequence = 2;
  note(changes, "three");
  changes.begin(first);
  changes.begin(marked);
  CHECK(first.notices_from == 2);
  CHECK(marked.notices_from == 1);
  first.sequence = 3;
  changes.begin(first);
  CHECK(first.notices_from == 3);
}

TEST_CASE("change_list: over its bound the oldest notice goes, and nobody lags for that") {
  change_list changes(2);
  change_cursor cursor;
  changes.begin(cursor);
  for (const char* text : {"one", "two", "three"}) note(changes, text);

  CHECK(items_above(changes, 0) ==
        std::vector<seen_item>{seen_item(2, what::notice), seen_item(3, what::notice)});
  CHECK_FALSE(changes.has_lost(cursor));
}

TEST_CASE("change_list: over its bound the oldest forgetting goes, and who had not read it lags") {
  change_list changes(2);
  change_cursor behind;
  change_cursor ahead;
  changes.begin(behind);
  changes.begin(ahead);
  forget(changes, "first", 1);
  forget(changes, "second", 2);
  ahead.sequence = 1;
  CHECK_FALSE(changes.has_lost(behind));

  note(changes, "a third");

  CHECK(changes.has_lost(behind));
  CHECK_FALSE(changes.has_lost(ahead));
  CHECK(items_above(changes, 0) ==
        std::vector<seen_item>{seen_item(2, what::forgotten), seen_item(3, what::notice)});
}

TEST_CASE("change_list: who begins after a cut has lost nothing, until the next cut") {
  change_list changes(8);
  note(changes, "one");
  note(changes, "two");
  change_cursor cursor;
  changes.cut(2);

  CHECK_FALSE(changes.has_lost(cursor));  // not begun
  changes.begin(cursor);
  CHECK_FALSE(changes.has_lost(cursor));
  changes.cut(1);  // not beyond the one before
  CHECK_FALSE(changes.has_lost(cursor));

  note(changes, "three");
  changes.cut(3);
  CHECK(changes.has_lost(cursor));
  cursor.sequence = 3;
  CHECK_FALSE(changes.has_lost(cursor));
}
TEST_CASE("change_list: a peer is complete after its status, until that changes") {
  change_list changes(8);
  changes.introduce(1, false);
  changes.change_status(1);

  changes.complete(1);
  CHECK(items_above(changes, 1) ==
        std::vector<seen_item>{seen_item(2, what::status), seen_item(3, what::complete)});
  changes.change_status(1);

  CHECK(changes.places_of(1).complete == 0);
  CHECK(items_above(changes, 1) == std::vector<seen_item>{seen_item(4, what::status)});
}

TEST_CASE("change_list: a restart and a forgetting take back that the peer was complete") {
  change_list changes(8);
  changes.introduce(1, false);
  changes.change_status(1);
  changes.complete(1);

  changes.introduce(1, true);
  CHECK(items_above(changes, 0) == std::vector<seen_item>{seen_item(4, what::introduced)});
  changes.complete(1);
  changes.forget(1, "gone", 7);

  CHECK(items_above(changes, 0) == std::vector<seen_item>{seen_item(6, what::forgotten)});
}

TEST_CASE("change_list: complete moves behind an entry that stood before it") {
  change_list changes(8);
  changes.introduce(1, false);
  const std::uint64_t before = changes.take();
  changes.complete(1);
  const std::uint64_t after = changes.take();

  changes.handle_moved(1, after);
  CHECK(changes.places_of(1).complete == 3);
  changes.handle_moved(1, before);

  CHECK(changes.places_of(1).complete == 5);
  CHECK(items_above(changes, 1) == std::vector<seen_item>{seen_item(5, what::complete)});
}

TEST_CASE("change_list: no peer becomes complete because its entries move") {
  change_list changes(8);
  changes.introduce(1, false);

  changes.handle_moved(1, 0);
  changes.handle_moved(99, 0);  // a slot never used

  CHECK(changes.places_of(1).complete == 0);
  CHECK(changes.last() == 1);
}
