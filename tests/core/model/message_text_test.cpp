#include "core/model/message_text.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "core/model/row_sum.hpp"

namespace gossipmonger {

namespace {

/// The names a, b and c have the hashes 1, 2 and 3.
std::string_view letter_of(std::uint64_t hash) {
  constexpr std::string_view letters = "abc";
  return hash >= 1 && hash <= 3 ? letters.substr(hash - 1, 1) : std::string_view();
}

digest_entry make_row(std::uint64_t hash, std::uint64_t generation, std::uint64_t version,
                      std::uint64_t heartbeat) {
  digest_entry row;
  row.name_hash = hash;
  row.generation = generation;
  row.max_version = version;
  row.heartbeat = heartbeat;
  return row;
}

entry_view make_entry(std::string_view key, std::string_view value, std::uint64_t version) {
  entry_view entry;
  entry.key = key;
  entry.value = value;
  entry.version = version;
  return entry;
}

}  // namespace

TEST_CASE("message_text: an empty message shows its leg and its sender only") {
  message empty;

  CHECK(to_string(empty) == "digest leg [#00000000 g0 v0 h0]");
  empty.kind = message_kind::reply;
  CHECK(to_string(empty) == "answer leg [#00000000 g0 v0 h0]");
  empty.kind = message_kind::deltas;
  CHECK(to_string(empty) == "delta leg [#00000000 g0 v0 h0]");
}

TEST_CASE("message_text: a digest leg shows its claims in order") {
  message sent;
  sent.sender = make_row(1, 10, 2, 3);
  sent.receiver = make_row(2, 20, 0, 1);
  sent.cookie_echo = 4711;
  sent.cookie = 4712;
  sent.interval = interval_code(std::chrono::milliseconds(1024));
  sent.known.lo = 0;
  sent.known.hi = std::numeric_limits<std::uint64_t>::max();
  sent.known.range.push_back(make_row(1, 10, 2, 3));
  sent.known.range.push_back(make_row(2, 20, 0, 1));
  digest_entry gone = make_row(3, 30, 4, 5);
  gone.has_left = true;
  sent.known.extra.push_back(gone);
  sent.known.unwanted.push_back(make_row(3, 31, 0, 0));

  CHECK(to_string(sent, letter_of) ==
        "digest leg [a g10 v2 h3] echo [b g20 v0 h1] echoes cookie gives cookie interval 1024ms "
        "range all [a g10 v2 h3, b g20 v0 h1] extra [c g30 v4 h5 left] unwanted [c g31 v0 h0]");
}

TEST_CASE("message_text: a claim on a part of the hashes shows its ends, also where it is empty") {
  message sent;
  sent.known.lo = 0x10;
  sent.known.hi = 0xabcdef;

  CHECK(to_string(sent) ==
        "digest leg [#00000000 g0 v0 h0] range 0000000000000010..0000000000abcdef []");
}

TEST_CASE("message_text: each flag is shown where it is set") {
  message sent;
  sent.sender = make_row(1, 10, 2, 3);
  sent.receiver.name_hash = 2;  // of generation 0: nothing is known of it
  sent.versions = wire_range(1, 2);
  sent.wire_version = 2;
  sent.features = 0x0a;
  sent.padded_bytes = 400;
  sent.largest_received = 97;
  sent.is_name_shared = true;
  sent.refused = refusal::capacity;
  sent.more = true;

  CHECK(to_string(sent, letter_of) ==
        "digest leg [a g10 v2 h3] echo [b unknown] wire 2 of 1..2 features 0x0a padded 400 "
        "largest 97 name shared refused capacity more");
}

TEST_CASE(
    "message_text: the feature of each node of today is not shown, and others beside it are") {
  message sent;
  sent.features = feature_sums;
  CHECK(to_string(sent) == "digest leg [#00000000 g0 v0 h0]");
  sent.features = feature_sums | 0x0a;
  CHECK(to_string(sent) == "digest leg [#00000000 g0 v0 h0] features 0x0a");
}

TEST_CASE("message_text: a digest leg shows its root, and the rows beside it") {
  message sent;
  sent.sender = make_row(1, 10, 2, 3);
  sent.known.root.emplace().parts = 0x0123456789abcdef;
  sent.known.root->nodes = 17;
  sent.known.extra.push_back(make_row(1, 10, 2, 3));

  CHECK(to_string(sent, letter_of) ==
        "digest leg [a g10 v2 h3] root 0123456789abcdef of 17 extra [a g10 v2 h3]");
}

TEST_CASE("message_text: a digest leg shows of how many buckets its claim is") {
  message sent;
  sent.sender = make_row(1, 10, 2, 3);
  sent.known.lo = 0;
  sent.known.hi = std::numeric_limits<std::uint64_t>::max();
  sent.known.buckets.emplace().add(0);
  sent.known.buckets->add(3, 8);
  CHECK(to_string(sent, letter_of) == "digest leg [a g10 v2 h3] in 3 buckets range all []");

  sent.known.range.push_back(make_row(1, 10, 2, 3));
  CHECK(to_string(sent, letter_of) ==
        "digest leg [a g10 v2 h3] in 3 buckets range all [a g10 v2 h3]");
}

TEST_CASE("message_text: a leg shows what it is in an exchange by sums, and each flag of it") {
  using enum root_answer;
  message sent;
  sent.kind = message_kind::reply;
  sent.sender = make_row(1, 10, 2, 3);
  const auto text_of = [&sent](root_answer answer) {
    sent.of_root = answer;
    return to_string(sent, letter_of).substr(25);
  };
  REQUIRE(to_string(sent, letter_of).size() == 24);
  CHECK(text_of(leg_2) == "answers root");
  CHECK(text_of(leg_3) == "goes on from root");
  CHECK(text_of(is_stale) == "was stale");
  CHECK(text_of(wants_rows) == "wants rows");
  sent.sums.resize(64);
  sent.more = true;
  CHECK(text_of(leg_2 | is_stale | wants_rows) ==
        "answers root was stale wants rows sums of 64 buckets more");
  sent.sums.resize(sums_a_part);
  sent.sum_part = 3;
  CHECK(text_of(leg_2) == "answers root sums of 128 buckets part 3 more");
}

TEST_CASE("message_text: a cookie is never shown") {
  message sent;
  sent.cookie_echo = 987654321;
  sent.cookie = 123456789;

  const std::string line = to_string(sent);

  CHECK(line == "digest leg [#00000000 g0 v0 h0] echoes cookie gives cookie");
}

TEST_CASE("message_text: an answer leg shows identities, heartbeats, requests and partials") {
  message sent;
  sent.kind = message_kind::reply;
  sent.sender = make_row(2, 20, 0, 1);
  identity_view& who = sent.identities.emplace_back();
  who.name = "c";
  who.generation = 30;
  who.heartbeat = 5;
  who.address = endpoint::v4(10, 0, 0, 3, 7000);
  who.silent = std::chrono::milliseconds(250);
  sent.identities.push_back(who);
  sent.identities.front().is_live = true;
  sent.identities.back().name = "d";
  sent.identities.back().has_left = true;
  sent.heartbeats.push_back(make_row(1, 10, 2, 9));
  sent.requests.push_back(make_row(1, 10, 0, 3));
  partial_entry& part = sent.partials.emplace_back();
  part.name_hash = 1;
  part.generation = 10;
  part.version = 3;
  part.offset = 1024;

  CHECK(to_string(sent, letter_of) ==
        "answer leg [b g20 v0 h1] identities [c g30 h5 live 10.0.0.3:7000 silent 250ms, "
        "d g30 h5 left 10.0.0.3:7000 silent 250ms] heartbeats [a g10 v2 h9] "
        "requests [a g10 v0 h3] partials [a g10 v3 has 1024 bytes]");
}

TEST_CASE("message_text: a leg that asks for more shows what need not be sent") {
  message sent;
  sent.sender = make_row(2, 20, 0, 1);
  sent.spared = {{1, 3, 5}, {1, 7, 9}};
  partial_entry& part = sent.partials.emplace_back();
  part.name_hash = 1;
  part.generation = 10;
  part.version = brought_version;
  part.offset = 1;

  CHECK(to_string(sent, letter_of) ==
        "digest leg [b g20 v0 h1] partials [a g10 brought by another] "
        "spared [a (3, 5], a (7, 9]]");
}

TEST_CASE("message_text: suspicions show their ages in rounds, and probes are told apart") {
  message sent;
  sent.sender = make_row(1, 10, 2, 3);
  suspicion_entry suspect;
  suspect.name_hash = 2;
  suspect.generation = 20;
  suspect.heartbeat = 7;
  suspect.suspicion_age = 24;  // 24 / 16
  suspect.alive_age = 49;      // 49 / 16
  suspicion_entry alive = suspect;
  alive.suspicion_age = suspicion_entry::no_suspicion;
  alive.alive_age = 0;
  suspicion_entry asked = suspect;
  asked.suspicion_age = 160;
  asked.alive_age = suspicion_entry::alive_age_max;
  asked.is_probe_request = true;
  sent.suspicions = {suspect, alive, asked};

  CHECK(to_string(sent, letter_of) ==
        "digest leg [a g10 v2 h3] suspicions [b g20 h7 suspect 1.5 heard 3.0625, "
        "b g20 h7 heard 0, probe b g20 h7 suspect 10]");
}

TEST_CASE("message_text: each delta shows its interval, and its entries and no others") {
  message sent;
  sent.kind = message_kind::deltas;
  sent.sender = make_row(1, 10, 2, 3);
  sent.entries = {make_entry("k", "v", 1), make_entry("x", "", 2)};
  sent.entries.back().is_tombstone = true;
  // 258 = 0x0102, the lowest byte first.
  sent.entries.push_back(make_entry(floor_key, std::string_view("\x02\x01\0\0\0\0\0\0", 8), 300));
  delta_view& first = sent.deltas.emplace_back();
  first.name_hash = 1;
  first.generation = 10;
  first.upto = position(2);
  first.top = 5;
  first.entry_count = 2;
  delta_view& second = sent.deltas.emplace_back();
  second.name_hash = 2;
  second.generation = 20;
  second.after = position(299);
  second.upto = position(300);
  second.top = 300;
  second.first_entry = 2;
  second.entry_count = 1;

  CHECK(to_string(sent, letter_of) ==
        "delta leg [a g10 v2 h3] delta a g10 (0, 2] top 5 [k=v@1, erased x@2] "
        "delta b g20 (299, 300] [compacted 258@300]");
}

TEST_CASE("message_text: a part of a value shows where it begins and ends") {
  message sent;
  sent.kind = message_kind::deltas;
  const std::string part(33, 'x');
  sent.entries = {make_entry("k", part, 3)};
  delta_view& delta = sent.deltas.emplace_back();
  delta.name_hash = 1;
  delta.generation = 10;
  delta.after = position(2, 1024);
  delta.upto = position(2, 1057);
  delta.top = 3;
  delta.entry_count = 1;
  delta.value_bytes = 4096;

  CHECK(to_string(sent, letter_of) ==
        "delta leg [#00000000 g0 v0 h0] delta a g10 (2+1024, 2+1057] top 3 "
        "[k=" +
            std::string(32, 'x') + "... (33 of 4096 bytes)@3]");
}

TEST_CASE("message_text: bytes that could move a cursor are escaped, and peers without a name") {
  message sent;
  sent.kind = message_kind::deltas;
  sent.sender = make_row(0x0123456789abcdef, 10, 2, 3);
  sent.entries = {make_entry("\\k", "a\n\x1b\xff", 1)};
  delta_view& delta = sent.deltas.emplace_back();
  delta.name_hash = 4;
  delta.generation = 10;
  delta.upto = position(1);
  delta.top = 1;
  delta.entry_count = 1;

  CHECK(to_string(sent, letter_of) ==
        "delta leg [#89abcdef g10 v2 h3] delta #00000004 g10 (0, 1] "
        "[\\x5ck=a\\x0a\\x1b\\xff@1]");
}

TEST_CASE("message_text: an entry that a delta claims and the message lacks is left out") {
  message sent;
  delta_view& delta = sent.deltas.emplace_back();
  delta.first_entry = 7;
  delta.entry_count = 1;

  CHECK(to_string(sent) == "digest leg [#00000000 g0 v0 h0] delta #00000000 g0 (0, 0] []");
}

TEST_CASE("message_text: each refusal has a name of its own, and no other number has one") {
  CHECK(to_string(refusal::none) == "none");
  CHECK(to_string(refusal::far_future) == "far_future");
  CHECK(to_string(refusal::no_room) == "no_room");
  CHECK(to_string(refusal::capacity) == "capacity");
  CHECK(to_string(refusal::storage) == "storage");
  CHECK(to_string(static_cast<refusal>(refusal_count)) == "unknown");
  CHECK(to_string(static_cast<message_kind>(0)) == "unknown leg");
}

}  // namespace gossipmonger
