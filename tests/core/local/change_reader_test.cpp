#include "core/local/change_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "gossipmonger/memory_storage.hpp"

namespace gossipmonger {

namespace {

/// The parts that a reader refers to, of a node "a" in slot 0.
class small_node {
 public:
  small_node() { static_cast<void>(add("a")); }

  slot_index add(std::string_view name) {
    const slot_index slot = *peers.try_add(name, next_hash_++);
    peers[slot].set_generation(7);
    return slot;
  }
  /// A peer, with its event.
  slot_index introduce(std::string_view name) {
    const slot_index slot = add(name);
    changes.introduce(slot, false);
    return slot;
  }
  void set_status(slot_index slot, peer_status status) {
    peers[slot].set_status(status);
    changes.change_status(slot);
  }
  void forget(slot_index slot) {
    changes.forget(slot, peers.details(slot).name, 7);
    peers.remove(slot);
  }
  void put(slot_index slot, std::string_view key, std::string_view value, std::uint64_t version) {
    entry_view entry;
    entry.key = key;
    entry.value = value;
    entry.version = version;
    entry.is_tombstone = value.empty();
    entry.sequence = changes.take();
    REQUIRE(entries.put(slot, entry));
  }
  /// Retires the entries of this node up to `version`.
  void drop_upto(std::uint64_t version) {
    changes.advance_to(entries.drop_upto(self_slot, version, changes.last()));
  }

  void release(std::uint64_t sequence, std::size_t retired_max) {
    release_changes(changes, storage_ref(entries), sequence, retired_max);
  }
  /// The events above the cursor, each with its text, or with key and value; ", " between them.
  /// They are the same for a cursor that looks ahead before each.
  std::string read(change_cursor& cursor) {
    change_cursor looking = cursor;
    const std::string all = read(cursor, false);
    CHECK(read(looking, true) == all);
    return all;
  }

  change_list changes{128};
  memory_storage entries;
  peer_table peers{4};

 private:
  std::string read(change_cursor& cursor, bool is_looking) {
    std::string all;
    peeked_entry ahead;  // one for all: nothing of an earlier event may stay in it
    for (;;) {
      const bool is_checked = is_looking && cursor.has_begun;
      const bool has_next = is_checked && reader().peek(cursor, ahead);
      if (is_checked) CHECK(reader().peek(cursor, ahead) == has_next);
      const std::optional<event_view> seen = reader().poll(cursor);
      if (is_checked) check_peeked(cursor, has_next, ahead, seen);
      if (!seen) return all;
      all += (all.empty() ? "" : ", ") + std::string(to_string(seen->kind));
      if (!seen->peer.empty()) all += " " + std::string(seen->peer);
      if (!seen->key.empty()) all += " " + std::string(seen->key);
      if (!seen->value.empty()) all += "=" + std::string(seen->value);
      if (!seen->text.empty()) all += " " + std::string(seen->text);
    }
  }

  /// If an entry is next, its view is shown as it was peeked.
  static void check_peeked(const change_cursor& cursor, bool has_next, const peeked_entry& ahead,
                           const std::optional<event_view>& seen) {
    CHECK(seen.has_value() == has_next);
    const bool is_entry =
        seen && (seen->kind == event_kind::update || seen->kind == event_kind::removed);
    CHECK((ahead.sequence != 0) == is_entry);
    if (!is_entry) return;
    CHECK(ahead.sequence == cursor.sequence);
    CHECK(to_string(ahead.view) == to_string(*seen));
    CHECK(ahead.view.generation == seen->generation);
  }

  change_reader reader() { return {changes, storage_ref(entries), peers}; }

  std::uint64_t next_hash_ = 1;
};

}  // namespace

TEST_CASE("change_reader: entries and the status of peers come in one order, each once") {
  small_node node;
  change_cursor cursor;

  node.put(self_slot, "k", "1", 1);
  const slot_index b = node.introduce("b");
  node.put(b, "role", "x", 1);
  node.set_status(b, peer_status::live);

  CHECK(node.read(cursor) == "update a k=1, new_peer b, update b role=x, peer_live b");
  CHECK(node.read(cursor) == "");
  node.put(self_slot, "k", "2", 2);
  CHECK(node.read(cursor) == "update a k=2");
}

TEST_CASE("change_reader: a cursor shows the peer, the keys and the nodes that it asks for") {
  small_node node;
  const slot_index b = node.introduce("b");
  node.introduce("c");
  node.put(self_slot, "k1", "1", 1);
  node.put(b, "k1", "2", 1);
  node.put(b, "m1", "3", 2);
  change_cursor of_b, of_keys, without_self;
  of_b.peer = "b";
  of_keys.key_prefix = "k";
  without_self.is_without_self = true;

  CHECK(node.read(of_b) == "new_peer b, update b k1=2, update b m1=3");
  CHECK(node.read(of_keys) == "new_peer b, new_peer c, update a k1=1, update b k1=2");
  CHECK(node.read(without_self) == "new_peer b, new_peer c, update b k1=2, update b m1=3");
}

TEST_CASE("change_reader: a removal is shown after the snapshot, and not in it") {
  small_node node;
  change_cursor early, late;
  CHECK(node.read(early) == "");
  node.put(self_slot, "k", "", 1);

  CHECK(node.read(late) == "");
  CHECK(node.read(early) == "removed a k");
}

TEST_CASE("change_reader: the compaction marker is no user's entry") {
  small_node node;
  change_cursor cursor;
  node.put(self_slot, floor_key, "12345678", 1);

  CHECK(node.read(cursor) == "");
}

TEST_CASE("change_reader: a status that changes back between two reads is not shown") {
  small_node node;
  change_cursor cursor;
  const slot_index b = node.introduce("b");
  node.set_status(b, peer_status::live);
  CHECK(node.read(cursor) == "new_peer b, peer_live b");

  node.set_status(b, peer_status::dead);
  node.set_status(b, peer_status::live);
  CHECK(node.read(cursor) == "");

  node.set_status(b, peer_status::dead);
  CHECK(node.read(cursor) == "peer_dead b");
  node.set_status(b, peer_status::left);
  CHECK(node.read(cursor) == "peer_left b");
}

TEST_CASE("change_reader: a restart is new_peer to a subscriber that never saw the peer") {
  small_node node;
  change_cursor before, after;
  const slot_index b = node.introduce("b");
  CHECK(node.read(before) == "new_peer b");

  node.changes.introduce(b, true);

  CHECK(node.read(before) == "peer_restarted b");
  CHECK(node.read(after) == "new_peer b");
}

TEST_CASE("change_reader: peer_forgotten goes to subscribers that saw the peer, and only to them") {
  small_node node;
  change_cursor has_seen, missed, later;
  CHECK(node.read(missed) == "");
  const slot_index b = node.introduce("b");
  CHECK(node.read(has_seen) == "new_peer b");

  node.forget(b);

  CHECK(node.read(has_seen) == "peer_forgotten b");
  CHECK(node.read(missed) == "");
  CHECK(node.read(later) == "");
}

TEST_CASE("change_reader: a peer that takes a forgotten one's slot is new") {
  small_node node;
  change_cursor cursor;
  const slot_index b = node.introduce("b");
  CHECK(node.read(cursor) == "new_peer b");

  node.forget(b);
  REQUIRE(node.introduce("c") == b);
  node.changes.introduce(b, true);  // and it restarts before the next read

  CHECK(node.read(cursor) == "peer_forgotten b, new_peer c");
}

TEST_CASE("change_reader: a notice is shown to cursors that began before it") {
  small_node node;
  change_cursor early, late;
  CHECK(node.read(early) == "");
  node.changes.notice(event_kind::error, {}, 0, "full");

  CHECK(node.read(early) == "error full");
  CHECK(node.read(late) == "");
}

TEST_CASE("change_reader: a cursor that lost a change lags once, and then reads a snapshot") {
  small_node node;
  change_cursor cursor;
  node.put(self_slot, "k", "1", 1);
  CHECK(node.read(cursor) == "update a k=1");
  node.put(self_slot, "l", "2", 2);

  node.changes.cut(node.changes.last());

  CHECK(node.read(cursor) == "lagged, update a k=1, update a l=2");
  CHECK(node.read(cursor) == "");
}

TEST_CASE("change_reader: a release frees retired entries that all have read, and no others") {
  small_node node;
  change_cursor cursor;
  node.put(self_slot, "k", "1", 1);
  node.put(self_slot, "l", "2", 2);
  CHECK(node.read(cursor) == "update a k=1, update a l=2");
  node.drop_upto(2);  // the two take the sequences 3 and 4

  node.release(3, 1);

  CHECK(node.entries.retired_count() == 1);
  CHECK(node.read(cursor) == "removed a l");
}

TEST_CASE("change_reader: a release that leaves too many retired entries makes a slow cursor lag") {
  small_node node;
  change_cursor cursor;
  node.put(self_slot, "k", "1", 1);
  node.put(self_slot, "l", "2", 2);
  CHECK(node.read(cursor) == "update a k=1, update a l=2");
  node.drop_upto(2);

  node.release(2, 1);

  CHECK(node.entries.retired_count() == 0);
  CHECK(node.read(cursor) == "lagged");
}

TEST_CASE("change_reader: a release frees notices that all have read") {
  small_node node;
  for (std::size_t i = 0; i <= change_list::late_notices_max; ++i) {
    node.changes.notice(event_kind::error, {}, 0, "full");
  }
  const std::size_t before = node.changes.kept();

  node.release(node.changes.last(), 1);

  CHECK(before == 65);
  CHECK(node.changes.kept() == 64);
}

TEST_CASE("change_reader: a peer is complete after its entries, once for each time it is live") {
  small_node node;
  change_cursor cursor;
  const slot_index b = node.introduce("b");
  node.set_status(b, peer_status::live);
  node.put(b, "k", "1", 1);
  node.changes.complete(b);
  CHECK(node.read(cursor) == "new_peer b, peer_live b, update b k=1, peer_complete b");

  node.changes.complete(b);  // it moved
  CHECK(node.read(cursor) == "");
  node.set_status(b, peer_status::dead);
  CHECK(node.read(cursor) == "peer_dead b");
  node.set_status(b, peer_status::live);
  node.changes.complete(b);

  CHECK(node.read(cursor) == "peer_live b, peer_complete b");
}

TEST_CASE("change_reader: a peer that was away between two reads is complete as often as live") {
  small_node node;
  change_cursor was_told, was_not;
  const slot_index b = node.introduce("b");
  node.set_status(b, peer_status::live);
  CHECK(node.read(was_not) == "new_peer b, peer_live b");
  node.changes.complete(b);
  CHECK(node.read(was_told) == "new_peer b, peer_live b, peer_complete b");

  node.set_status(b, peer_status::dead);
  node.set_status(b, peer_status::live);
  node.changes.complete(b);

  CHECK(node.read(was_told) == "");
  CHECK(node.read(was_not) == "peer_complete b");
}

TEST_CASE(
    "change_reader: a subscription that comes late sees entries that changed before complete") {
  small_node node;
  const slot_index b = node.introduce("b");
  node.set_status(b, peer_status::live);
  node.put(b, "k", "1", 1);
  const std::uint64_t held_at = node.changes.last();
  node.changes.complete(b);
  node.put(b, "k", "2", 2);
  node.changes.handle_moved(b, held_at);
  change_cursor late;

  CHECK(node.read(late) == "new_peer b, peer_live b, update b k=2, peer_complete b");
}

}  // namespace gossipmonger
