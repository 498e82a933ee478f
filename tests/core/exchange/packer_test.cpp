// Tests of the packer. Sizes are worked out from the layout in gossip.capnp: a word is 8 bytes, and
// a frame counts header, root pointer and root. The codec's own tests check that the codec agrees.
#include "core/exchange/packer.hpp"

#include <doctest/doctest.h>

#include <array>
#include <span>
#include <string>
#include <vector>

#include "gossipmonger/testing/random.hpp"

#include "../protocol_fixture.hpp"

using namespace gossipmonger;

namespace {

bool try_add_range(packer& to) {
  static const packed_entry one;  // borrowed
  return to.add_range(std::span(&one, 1)) == 1;
}

identity_view make_identity(std::string_view name) {
  identity_view who;
  who.name = name;
  return who;
}

bool try_add_heartbeat(packer& pack) {
  return pack.add_heartbeats(std::array<packed_entry, 1>()) == 1;
}

/// All that a refused addition may not touch.
std::vector<std::size_t> shape_of(const message& m) {
  std::vector<std::size_t> shape{m.known.range.size(),
                                 m.known.extra.size(),
                                 m.known.unwanted.size(),
                                 m.identities.size(),
                                 m.heartbeats.size(),
                                 m.requests.size(),
                                 m.suspicions.size(),
                                 m.deltas.size(),
                                 m.entries.size(),
                                 m.partials.size(),
                                 static_cast<std::size_t>(m.refused)};
  if (!m.deltas.empty()) {
    shape.push_back(m.deltas.back().entry_count);
    shape.push_back(static_cast<std::size_t>(m.deltas.back().upto.version));
  }
  return shape;
}

/// Draws additions to a packer and holds it against the size model after each.
class random_additions {
 public:
  random_additions(std::uint64_t seed, message_kind kind, std::size_t budget)
      : draws_(seed), budget_(budget), text_(2000, 'x'), pack_(content_, kind, budget) {}

  void check(int count) {
    for (int i = 0; i < count; ++i) {
      const std::vector<std::size_t> before = shape_of(content_);
      const std::size_t bytes_before = pack_.bytes();

      const bool is_added = content_.kind == message_kind::digest ? add_known() : add_news();

      CHECK(pack_.bytes() == encoded_bytes(content_));
      CHECK(pack_.bytes() <= budget_);
      CHECK(pack_.bytes_left() == budget_ - pack_.bytes());
      if (is_added) continue;
      ++refused;
      CHECK(pack_.bytes() == bytes_before);
      CHECK(shape_of(content_) == before);
    }
  }

  int refused = 0;

 private:
  bool add_known() {
    switch (draws_.below(5)) {
      case 3:
        return add_partial();
      case 4:
        return pack_.try_add_suspicion(suspicion_entry());
      case 0:
        return try_add_range(pack_);
      case 1:
        return pack_.try_add_extra(digest_entry());
      default:
        return pack_.try_add_unwanted(digest_entry());
    }
  }

  bool add_news() {
    switch (draws_.below(12)) {
      case 11:
        return content_.refused != refusal::none || pack_.try_set_refusal(refusal::no_room);
      case 10:
        return pack_.try_add_suspicion(suspicion_entry());
      case 8:
        return add_partial();
      case 9:
        return is_open_ || add_fragment();
      case 0:
        return pack_.try_add_identity(make_identity(some_text(1 + draws_.below(255))));
      case 1:
        return try_add_heartbeat(pack_);
      case 2:
        return pack_.try_add_request(digest_entry());
      case 3:
        if (is_open_) return pack_.try_add_entry(some_entry());
        is_open_ = pack_.try_open_delta(1, 1, position(draws_.below(100)), version_max);
        return is_open_;
      case 4:
        if (is_open_) pack_.close_delta();
        is_open_ = false;
        return true;
      case 5:
        if (is_open_) pack_.extend_delta(content_.deltas.back().upto.version + draws_.below(3));
        return true;
      default:
        return !is_open_ || pack_.try_add_entry(some_entry());
    }
  }

  bool add_partial() {
    partial_entry partial;
    partial.name_hash = draws_.next();
    return pack_.try_add_partial(partial);
  }

  bool add_fragment() {
    const std::size_t length = 1 + draws_.below(2000);
    const auto offset = static_cast<std::uint32_t>(draws_.below(length));
    const std::uint64_t after = draws_.below(100);
    const std::uint64_t gap = draws_.below(2) == 0 ? 1 : 1 + draws_.below(1ULL << draws_.below(40));
    return pack_.try_add_fragment(
        1, 1, position(after, offset), version_max,
        make_entry(some_text(1 + draws_.below(255)), some_text(length), after + gap), 7);
  }

  entry_view some_entry() {
    const std::uint64_t gap = draws_.below(2) == 0 ? 1 : 1 + draws_.below(1ULL << draws_.below(40));
    entry_view entry = make_entry(some_text(1 + draws_.below(draws_.below(4) == 0 ? 255 : 20)),
                                  some_text(draws_.below(draws_.below(4) == 0 ? 400 : 20)),
                                  content_.deltas.back().upto.version + gap);
    entry.is_tombstone = draws_.below(5) == 0;
    if (entry.is_tombstone) entry.value = {};
    return entry;
  }

  std::string_view some_text(std::uint64_t length) {
    return std::string_view(text_).substr(0, static_cast<std::size_t>(length));
  }

  random_source draws_;
  std::size_t budget_;
  std::string text_;
  message content_;
  packer pack_;
  bool is_open_ = false;
};

}  // namespace

TEST_CASE("packer: whatever is added, bytes() is the encoded size, and no budget is exceeded") {
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const auto kind = static_cast<message_kind>(1 + seed % 3);
    random_additions additions(seed, kind, 96 + 8 * (seed * 37 % 300));
    additions.check(80);
    refused += additions.refused;
  }

  CHECK(refused > 1000);  // else the budgets were too large to say anything
}

TEST_CASE("packer: a varint takes one byte for each seven bits") {
  CHECK(varint_bytes(0) == 1);
  CHECK(varint_bytes(127) == 1);
  CHECK(varint_bytes(128) == 2);
  CHECK(varint_bytes(16383) == 2);
  CHECK(varint_bytes(16384) == 3);
  CHECK(varint_bytes(version_max) == 7);
  CHECK(varint_bytes(~std::uint64_t{0}) == 10);
}

TEST_CASE("packer: a digest is a frame of 72 bytes, a tag of 8, and 24 an entry of any list") {
  message content;
  packer pack(content, message_kind::digest, 1160);
  CHECK(pack.bytes() == 72);

  REQUIRE(try_add_range(pack));
  CHECK(pack.bytes() == 104);
  REQUIRE(pack.try_add_extra(digest_entry()));
  CHECK(pack.bytes() == 128);
  REQUIRE(pack.try_add_unwanted(digest_entry()));
  CHECK(pack.bytes() == 152);
}

TEST_CASE("packer: 45 digest entries fill a datagram of 1200 bytes less the seal, a 46th is not") {
  message content;
  packer pack(content, message_kind::digest, 1200 - seal_bytes);

  for (int i = 0; i < 45; ++i) REQUIRE(try_add_range(pack));

  CHECK(pack.bytes_left() == 0);
  CHECK_FALSE(try_add_range(pack));
  CHECK_FALSE(pack.try_add_extra(digest_entry()));
  CHECK_FALSE(pack.try_add_unwanted(digest_entry()));
  CHECK(content.known.range.size() == 45);
}

TEST_CASE("packer: 64 extra entries are taken, a 65th is refused though there is room") {
  message content;
  packer pack(content, message_kind::digest, 4000);
  for (int i = 0; i < 64; ++i) REQUIRE(pack.try_add_extra(digest_entry()));

  CHECK_FALSE(pack.try_add_extra(digest_entry()));
  CHECK(pack.bytes() == 72 + 8 + 64 * 24);
  CHECK(try_add_range(pack));
}

TEST_CASE("packer: news cost a frame of 24 bytes once, and a tag of 8 for each of its lists") {
  message content;
  packer pack(content, message_kind::reply, 1160);
  CHECK(pack.bytes() == 96);

  REQUIRE(try_add_heartbeat(pack));
  CHECK(pack.bytes() == 96 + 24 + 8 + 24);
  REQUIRE(pack.try_add_request(digest_entry()));
  CHECK(pack.bytes() == 152 + 24);
  REQUIRE(pack.try_add_identity(make_identity("nine bytes")));
  CHECK(pack.bytes() == 176 + 8 + 56 + 16);
}

TEST_CASE("packer: a refusal costs the frame of the news, and nothing beside other news") {
  message alone;
  packer pack(alone, message_kind::reply, 96 + 24);
  REQUIRE(pack.try_set_refusal(refusal::far_future));
  CHECK(pack.bytes() == 96 + 24);
  CHECK_FALSE(pack.try_add_request(digest_entry()));
  message none;
  packer small(none, message_kind::reply, 96 + 16);
  CHECK_FALSE(small.try_set_refusal(refusal::far_future));
  CHECK(none.refused == refusal::none);

  message content;
  packer news(content, message_kind::reply, 1160);
  REQUIRE(news.try_add_request(digest_entry()));
  REQUIRE(news.try_set_refusal(refusal::far_future));
  CHECK(news.bytes() == 96 + 24 + 8 + 24);
  REQUIRE(news.try_add_identity(make_identity("nine bytes")));
  CHECK(news.bytes() == 152 + 8 + 56 + 16);
}

TEST_CASE("packer: each addition fits a budget of its exact size and none that is a word smaller") {
  const auto fits = [](message_kind kind, std::size_t budget, auto add) {
    message content;
    packer pack(content, kind, budget);
    return add(pack);
  };
  const auto range = [](packer& p) { return try_add_range(p); };
  const auto heartbeat = try_add_heartbeat;
  const auto identity = [](packer& p) { return p.try_add_identity(make_identity("eight ch")); };
  const auto open = [](packer& p) { return p.try_open_delta(1, 1, position(0), 9); };

  CHECK(fits(message_kind::digest, 104, range));
  CHECK_FALSE(fits(message_kind::digest, 96, range));
  CHECK(fits(message_kind::reply, 152, heartbeat));
  CHECK_FALSE(fits(message_kind::reply, 144, heartbeat));
  CHECK(fits(message_kind::reply, 192, identity));
  CHECK_FALSE(fits(message_kind::reply, 184, identity));
  CHECK(fits(message_kind::deltas, 152, open));
  CHECK_FALSE(fits(message_kind::deltas, 144, open));
}

TEST_CASE("packer: version gaps cost nothing until one of them is not 1, and then all of them do") {
  message content;
  packer pack(content, message_kind::deltas, 1160);
  REQUIRE(pack.try_open_delta(1, 1, position(10), 1000));
  REQUIRE(pack.try_add_entry(make_entry("ab", "cdef", 11)));  // 1 + 1 + 2 + 4 = 8
  CHECK(pack.bytes() == 152 + 8);

  REQUIRE(pack.try_add_entry(make_entry("ab", "cdef", 12)));  // 16
  CHECK(pack.bytes() == 152 + 16);

  REQUIRE(pack.try_add_entry(make_entry("ab", "cdef", 14)));  // 24, and three gaps of one byte
  CHECK(pack.bytes() == 152 + 32);
}

TEST_CASE("packer: a tombstone takes its key and two lengths") {
  message content;
  packer pack(content, message_kind::deltas, 1160);
  REQUIRE(pack.try_open_delta(1, 1, position(0), 1));
  entry_view tombstone = make_entry("sixbyt", "", 1);
  tombstone.is_tombstone = true;

  REQUIRE(pack.try_add_entry(tombstone));

  CHECK(pack.bytes() == 152 + 8);
}

TEST_CASE("packer: a delta covers its entries, and what it is extended to, but never less") {
  message content;
  packer pack(content, message_kind::deltas, 1160);
  REQUIRE(pack.try_open_delta(1, 1, position(3), 30));
  REQUIRE(pack.try_add_entry(make_entry("k", "v", 7)));
  CHECK(content.deltas[0].upto == position(7));

  pack.extend_delta(5);
  CHECK(content.deltas[0].upto == position(7));
  pack.extend_delta(20);
  CHECK(content.deltas[0].upto == position(20));
  CHECK(content.deltas[0].after == position(3));
}

TEST_CASE("packer: closing takes back a delta that covers nothing, with its bytes, and no other") {
  message content;
  packer pack(content, message_kind::deltas, 1160);

  REQUIRE(pack.try_open_delta(1, 1, position(3), 30));
  pack.close_delta();
  CHECK(content.deltas.empty());
  CHECK(pack.bytes() == 96);

  REQUIRE(pack.try_open_delta(1, 1, position(3), 30));
  pack.extend_delta(4);
  pack.close_delta();
  CHECK(content.deltas.size() == 1);
  CHECK(pack.bytes() == 152);
}

TEST_CASE("packer: only so many entries go into a delta as 16 bits count") {
  message content;
  packer pack(content, message_kind::deltas, 1 << 22);
  REQUIRE(pack.try_open_delta(1, 1, position(0), version_max));
  bool is_added = true;
  for (std::uint64_t i = 1; i <= 65535; ++i) {
    is_added = pack.try_add_entry(make_entry("k", "", i)) && is_added;
  }
  REQUIRE(is_added);
  const std::size_t bytes = pack.bytes();

  CHECK_FALSE(pack.try_add_entry(make_entry("k", "", 65536)));
  CHECK(pack.bytes() == bytes);
}

TEST_CASE("packer: the limit of key and value is 974 bytes for 1200, and 65277 for 65504") {
  // 216 bytes of seal, frame, news, tag and delta; 7 of version gap, 1 of key length, 2 or 3 of
  // value's.
  CHECK(entry_bytes_limit(1200) == 984 - 10);
  CHECK(entry_bytes_limit(65504) == 65288 - 11);
}

TEST_CASE("packer: an entry at the limit fits alone in an exchange by sums, whatever its key is") {
  const std::string text(65504, 'x');
  const auto fits = [&](std::size_t size, std::size_t key_bytes, std::size_t bytes) {
    message content;
    packer pack(content, message_kind::reply, size - seal_bytes);
    const std::string_view all = text;
    return pack.try_answer_root(root_answer::leg_3) &&
           pack.try_open_delta(1, 1, position(0), version_max) &&
           pack.try_add_entry(
               make_entry(all.substr(0, key_bytes), all.substr(0, bytes - key_bytes), version_max));
  };

  bool all_fit = true;
  bool is_tight = true;
  for (std::size_t size = 1200; size <= 65504; size += 8) {
    const std::size_t limit = entry_bytes_limit(size);
    all_fit = all_fit && fits(size, 1, limit) && fits(size, 255, limit);
    is_tight = is_tight && !fits(size, 1, limit + 8);
  }

  CHECK(all_fit);
  CHECK(is_tight);
}

TEST_CASE("packer: a partial is an entry of the digest's lists, or of a reply's news") {
  message content;
  packer known(content, message_kind::digest, 1160);
  REQUIRE(known.try_add_partial(partial_entry()));
  CHECK(known.bytes() == 72 + 8 + 24);
  REQUIRE(try_add_range(known));
  CHECK(known.bytes() == 104 + 24);

  packer news(content, message_kind::reply, 1160);
  REQUIRE(news.try_add_partial(partial_entry()));
  CHECK(news.bytes() == 96 + 24 + 8 + 24);
  REQUIRE(news.try_add_request(digest_entry()));
  CHECK(news.bytes() == 152 + 24);
}

TEST_CASE("packer: a root takes the place of an entry, and buckets take that of three") {
  message content;
  bucket_set buckets;
  buckets.add(7);
  packer root(content, message_kind::digest, 72 + 8 + 24);
  REQUIRE(root.try_set_root(root_sum()));
  CHECK(root.bytes() == 72 + 8 + 24);
  CHECK(encoded_bytes(content) == root.bytes());
  CHECK_FALSE(root.try_add_extra(digest_entry()));

  packer known(content, message_kind::digest, 1160);
  REQUIRE(try_add_range(known));
  REQUIRE(known.try_set_buckets(buckets));
  CHECK(known.bytes() == 72 + 8 + 4 * 24);
  CHECK(encoded_bytes(content) == known.bytes());

  packer narrow(content, message_kind::digest, 72 + 8 + 3 * 24 - 1);
  CHECK_FALSE(narrow.try_set_buckets(buckets));
  CHECK_FALSE(content.known.buckets.has_value());
  packer none(content, message_kind::digest, 72 + 8 + 24 - 1);
  CHECK_FALSE(none.try_set_root(root_sum()));
  CHECK_FALSE(content.known.root.has_value());
}

TEST_CASE("packer: to say that a reply answers a root takes 24 bytes, and four sums take as much") {
  message content;
  packer said(content, message_kind::reply, 1160);
  REQUIRE(said.try_answer_root(root_answer::leg_2));
  CHECK(said.bytes() == 96 + 24);
  CHECK(encoded_bytes(content) == said.bytes());
  REQUIRE(said.try_reserve_sums(3, 0));
  CHECK(said.bytes() == 120 + 8 + 2 * 24);
  CHECK(encoded_bytes(content) == said.bytes());
  REQUIRE(said.try_add_request(digest_entry()));
  CHECK(said.bytes() == 176 + 24);
  CHECK(encoded_bytes(content) == said.bytes());

  packer part(content, message_kind::reply, 120 + 8 + 32 * 24);
  REQUIRE(part.try_answer_root(root_answer::leg_2));
  REQUIRE(part.try_reserve_sums(9, 3));
  CHECK(content.sums.size() == 128);
  CHECK(content.sum_bits == 9);
  CHECK(content.sum_part == 3);

  packer narrow(content, message_kind::reply, 120 + 8 + 32 * 24 - 1);
  REQUIRE(narrow.try_answer_root(root_answer::leg_2));
  CHECK_FALSE(narrow.try_reserve_sums(7, 0));
  CHECK(content.sums.empty());
  CHECK(narrow.try_reserve_sums(6, 0));
  packer none(content, message_kind::reply, 119);
  CHECK_FALSE(none.try_answer_root(root_answer::leg_2));
  CHECK(content.of_root == root_answer::none);
}

TEST_CASE("packer: a second partial of one peer adds nothing") {
  message content;
  packer pack(content, message_kind::reply, 1160);
  partial_entry partial;
  partial.name_hash = 7;
  partial.offset = 1;
  REQUIRE(pack.try_add_partial(partial));
  const std::size_t bytes = pack.bytes();

  CHECK(pack.try_add_partial(partial));

  CHECK(content.partials.size() == 1);
  CHECK(pack.bytes() == bytes);
}

TEST_CASE("packer: partials stand in the order of their hashes, 255 of them") {
  message content;
  packer pack(content, message_kind::digest, 9000);
  for (std::uint64_t i = 255; i >= 1; --i) {
    partial_entry partial;
    partial.name_hash = i;
    REQUIRE(pack.try_add_partial(partial));
  }
  CHECK(content.partials.front().name_hash == 1);
  CHECK(content.partials[100].name_hash == 101);
  const std::size_t bytes = pack.bytes();
  partial_entry one_more;
  one_more.name_hash = 300;

  CHECK_FALSE(pack.try_add_partial(one_more));
  CHECK(pack.bytes() == bytes);
}

TEST_CASE("packer: a fragment takes what is left of the datagram, and says where it ends") {
  const std::string value(5000, 'v');
  message content;
  packer pack(content, message_kind::deltas, 1160);

  REQUIRE(pack.try_add_fragment(1, 2, position(3, 100), 9, make_entry("key", value, 4), 77));

  // 96 frame, 8 tag, 48 delta; 1 of key length, 2 of value's, 8 checksum, 3 key: 994 of the value.
  CHECK(pack.bytes_left() == 0);
  const delta_view& delta = content.deltas[0];
  CHECK(delta.after == position(3, 100));
  CHECK(delta.upto == position(3, 100 + 994));
  CHECK(delta.entry_count == 1);
  CHECK(delta.value_bytes == 5000);
  CHECK(delta.value_checksum == 77);
  CHECK(delta.top == 9);
  CHECK(content.entries[0].value.size() == 994);
  CHECK(content.entries[0].version == 4);
}

TEST_CASE("packer: the last fragment ends at the version of its value, and takes what it needs") {
  const std::string value(5000, 'v');
  message content;
  packer pack(content, message_kind::deltas, 1160);

  REQUIRE(pack.try_add_fragment(1, 2, position(3, 4990), 9, make_entry("key", value, 4), 77));

  CHECK(content.deltas[0].upto == position(4));
  CHECK(pack.bytes() == 152 + 24);  // 1 + 2 + 8 + 3 + 10
}

TEST_CASE("packer: less than 256 bytes of a value are not begun, unless that is its end") {
  const std::string value(5000, 'v');
  message content;
  // 152 of frames, 14 of columns, and 256 of the value: 422, or 424 in words.
  packer exact(content, message_kind::deltas, 424);
  CHECK(exact.try_add_fragment(1, 2, position(3), 9, make_entry("key", value, 4), 77));
  packer short_of_it(content, message_kind::deltas, 421);
  CHECK_FALSE(short_of_it.try_add_fragment(1, 2, position(3), 9, make_entry("key", value, 4), 77));
  CHECK(content.deltas.empty());
  CHECK(content.entries.empty());
  CHECK(short_of_it.bytes() == 96);
  CHECK(short_of_it.try_add_fragment(1, 2, position(3, 4990), 9, make_entry("key", value, 4), 77));
}

TEST_CASE("packer: a run is as many entries as would have been added one by one") {
  const auto make = [](std::size_t count) {
    std::vector<packed_entry> entries(count);
    for (std::size_t i = 0; i < count; ++i) entries[i].name_hash = i + 1;
    return entries;
  };
  for (const message_kind kind : {message_kind::digest, message_kind::reply}) {
    const bool is_digest = kind == message_kind::digest;
    const std::size_t frame = is_digest ? digest_frame_bytes : reply_frame_bytes;
    const auto add = [&](packer& to, std::span<const packed_entry> entries) {
      return is_digest ? to.add_range(entries) : to.add_heartbeats(entries);
    };
    for (const bool is_second : {false, true}) {  // the frame of the list is paid already
      for (const std::size_t room : {0U, 1U, 15U, 16U, 17U, 32U, 33U, 50U}) {
        for (const std::size_t most : {0U, 1U, 15U, 16U, 17U, 32U, 40U, 100U}) {
          // From a byte too few for so many entries to a byte too few for one more.
          for (const std::size_t beside : {0U, 7U, 8U, 31U, 32U, 39U, 40U}) {
            const std::size_t budget = frame + room * entry_bytes + beside;
            message run;
            message single;
            packer of_run(run, kind, budget);
            packer of_single(single, kind, budget);
            if (is_second) {
              CHECK(of_run.try_add_suspicion(suspicion_entry()) ==
                    of_single.try_add_suspicion(suspicion_entry()));
            }
            const std::vector<packed_entry> entries = make(most);

            const std::size_t added = add(of_run, entries);
            std::size_t expected = 0;
            while (expected < most && add(of_single, std::span(&entries[expected], 1)) == 1) {
              ++expected;
            }

            CHECK(added == expected);
            CHECK(of_run.bytes() == of_single.bytes());
            CHECK(of_run.bytes() == encoded_bytes(run));
            CHECK((is_digest ? run.known.range : run.heartbeats).own() == make(added));
          }
        }
      }
    }
  }
}
