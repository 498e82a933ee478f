// Messages that Cap'n Proto reads well, with a field outside its range. Words are counted from the
// begin of their struct, where gossip.capnp puts them.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "../wire/sample_message.hpp"
#include "catalogue.hpp"

namespace gossipmonger {

namespace {

using enum drop_reason;
using enum outcome;

constexpr std::uint64_t byte_list = 2;
constexpr std::uint64_t everything = ~std::uint64_t{0};

std::size_t target(datagram& wire, std::size_t index) {
  const auto offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(wire.word(index))) >> 2;
  return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(index) + 1 + offset);
}

std::size_t pointer_of(datagram& wire, std::size_t index, std::size_t number) {
  return target(wire, index) + (wire.word(index) >> 32 & 0xffff) + number;
}

/// The first element of the list of structs that pointer `number` of `index`'s struct points to.
std::size_t element_of(datagram& wire, std::size_t index, std::size_t number) {
  return target(wire, pointer_of(wire, index, number)) + 1;
}

struct change {
  std::size_t word;
  std::uint64_t to;
};

datagram sample(const arena& to, void (*fill)(message&)) {
  message m;
  fill(m);
  return to.encoded(m);
}

void send_digest_with(arena& to, std::initializer_list<change> root,
                      std::initializer_list<change> entries = {}) {
  datagram wire = sample(to, fill_sample_digest);
  for (const change& one : root) wire.word(target(wire, 0) + one.word) = one.to;
  for (const change& one : entries) wire.word(element_of(wire, 0, 0) + one.word) = one.to;
  to.send(std::move(wire));
}

std::uint64_t counts(std::uint64_t sender, std::uint64_t receiver, std::uint64_t extra,
                     std::uint64_t unwanted) {
  return sender | receiver << 16 | extra << 32 | unwanted << 48;
}

void send_counts(arena& to, std::uint64_t word) { send_digest_with(to, {{2, word}}); }

void send_reply_root(arena& to, std::initializer_list<change> root) {
  datagram wire = sample(to, fill_sample_reply);
  for (const change& one : root) wire.word(target(wire, 0) + one.word) = one.to;
  to.send(std::move(wire));
}

void send_delta_with(arena& to, std::initializer_list<change> delta) {
  datagram wire = sample(to, fill_sample_deltas);
  for (const change& one : delta) wire.word(element_of(wire, 0, 0) + one.word) = one.to;
  to.send(std::move(wire));
}

void send_identity_with(arena& to, std::initializer_list<change> identity) {
  datagram wire = sample(to, fill_sample_reply);
  const std::size_t news = pointer_of(wire, 0, 1);
  for (const change& one : identity) wire.word(element_of(wire, news, 1) + one.word) = one.to;
  to.send(std::move(wire));
}

void send_news_with(arena& to, std::uint64_t word, std::uint64_t request_version) {
  datagram wire = sample(to, fill_sample_reply);
  const std::size_t news = pointer_of(wire, 0, 1);
  wire.word(target(wire, news)) = word;
  wire.word(element_of(wire, news, 0) + 4) = request_version;  // of the second entry
  to.send(std::move(wire));
}

/// A delta of peer 1 after version 7 up to 20 with these columns, of at most eight bytes.
void send_columns(arena& to, std::uint64_t count, std::string_view columns,
                  bool is_gapped = false) {
  constexpr std::uint64_t gapped = std::uint64_t{1} << 60;
  datagram wire = sample(to, fill_sample_deltas);
  const std::size_t delta = element_of(wire, 0, 0);
  const std::size_t list = pointer_of(wire, 0, 0);
  const std::size_t tag = target(wire, list);
  const std::size_t pointer = delta + (wire.word(tag) >> 32 & 0xffff);
  wire.word(delta + 1) = 1 | count << 44 | (is_gapped ? gapped : 0);
  wire.word(delta + 3) = 20;
  wire.word(pointer) =
      (wire.word(pointer) & 0xffffffff) | byte_list << 32 | std::uint64_t{columns.size()} << 35;
  std::uint64_t bytes = 0;
  for (std::size_t at = 0; at < columns.size(); ++at) {
    bytes |= std::uint64_t{static_cast<unsigned char>(columns[at])} << (8 * at);
  }
  wire.word(target(wire, pointer)) = bytes;
  to.send(std::move(wire));
}

std::string_view bytes_of(const char* first, std::size_t count) { return {first, count}; }

void send_many_extra(arena& to) {
  message m;
  to.begin(m, message_kind::digest);
  for (std::uint64_t hash = 1; hash <= 40; ++hash)
    m.known.range.push_back(make_entry(hash, 1, 1, 1));
  m.known.lo = 0;
  m.known.hi = everything;
  m.sender = m.known.range[0];
  datagram wire = to.encoded(m);
  // Before it is seen that there are not so many.
  wire.word(target(wire, 0) + 2) = counts(0, 65535, 65, 0);
  to.send(std::move(wire));
}

/// The first five of ten bytes of a value, with words of the delta and bytes of its columns
/// changed. Columns: length of the key, length of the value + 1, eight of a checksum, key, part.
void send_fragment_with(arena& to, std::initializer_list<change> words,
                        std::initializer_list<change> bytes = {}) {
  message m;
  to.begin(m, message_kind::deltas);
  delta_view& delta = to.add_delta(m, "enemy", 7, 7);
  delta.upto = position(7, 5);
  delta.top = 300;
  delta.value_bytes = 10;
  delta.entry_count = 1;
  m.entries.push_back(make_value("k", "01234", 8));
  datagram wire = to.encoded(m);
  const std::size_t first = element_of(wire, 0, 0);
  for (const change& one : words) wire.word(first + one.word) = one.to;
  const std::uint64_t tag = wire.word(first - 1);
  const std::size_t columns = target(wire, first + (tag >> 32 & 0xffff));
  for (const change& one : bytes) {
    wire.byte(header_bytes + 8 * columns + one.word) = static_cast<std::uint8_t>(one.to);
  }
  to.send(std::move(wire));
}

/// Two partials behind the one entry of a digest, with words of the three changed.
void send_partials_with(arena& to, std::initializer_list<change> entries, std::uint64_t count = 2) {
  message m;
  to.begin(m, message_kind::digest);
  m.receiver = digest_entry();  // the places below are as without one
  m.known.extra = {m.sender};
  for (std::uint64_t hash = 1; hash <= 2; ++hash) {
    partial_entry& partial = m.partials.emplace_back();
    partial.name_hash = hash;
    partial.generation = 1;
    partial.version = 1;
    partial.offset = 1;
  }
  datagram wire = to.encoded(m);
  for (const change& one : entries) wire.word(element_of(wire, 0, 0) + one.word) = one.to;
  wire.word(target(wire, 0) + 3) = count << 32;  // beside the instance of no receiver
  to.send(std::move(wire));
}

/// So many suspicions behind the one entry of a digest, with words of the entries changed and
/// `count` in place of their number.
void send_suspicions_with(arena& to, std::size_t suspicions, std::uint64_t count,
                          std::initializer_list<change> entries = {}) {
  message m;
  to.begin(m, message_kind::digest);
  m.receiver = digest_entry();  // the places below are as without one
  m.known.extra = {m.sender};
  for (std::size_t i = 0; i < suspicions; ++i) m.suspicions.emplace_back().generation = 1;
  datagram wire = to.encoded(m);
  for (const change& one : entries) wire.word(element_of(wire, 0, 0) + one.word) = one.to;
  wire.word(target(wire, 0) + 3) = count << 40;  // beside no partials
  to.send(std::move(wire));
}

/// One suspicion as the only news of a reply, likewise.
void send_news_of_suspicions(arena& to, std::uint64_t count, std::uint64_t generation) {
  message m;
  to.begin(m, message_kind::reply);
  m.suspicions.emplace_back().generation = 1;
  datagram wire = to.encoded(m);
  const std::size_t news = pointer_of(wire, 0, 1);
  wire.word(target(wire, news)) = count << 24;  // beside no heartbeats and no partials
  wire.word(element_of(wire, news, 0) + 2) = generation;
  to.send(std::move(wire));
}

/// 33 are one too many: an entry of the sender takes the place of one.
void send_33_suspicions(arena& to) {
  message m;
  to.begin(m, message_kind::digest);
  m.receiver = digest_entry();  // the places below are as without one
  m.known.extra = {m.sender, m.sender};
  for (std::size_t i = 0; i < suspicion_entry::suspicions_max; ++i)
    m.suspicions.emplace_back().generation = 1;
  datagram wire = to.encoded(m);
  wire.word(target(wire, 0) + 2) = counts(0, 65535, 1, 0);
  wire.word(target(wire, 0) + 3) = std::uint64_t{33} << 40;
  to.send(std::move(wire));
}

std::vector<bad_input> suspicion_rows() {
  return {
      {"33 suspicions", {field}, dropped, send_33_suspicions},
      {"more suspicions than entries",
       {field},
       dropped,
       [](arena& to) {
         send_suspicions_with(to, 2, 4);
         send_suspicions_with(to, 2, 255);
         send_news_of_suspicions(to, 2, 1);
         send_news_of_suspicions(to, 255, 1);
       }},
      {"suspicions in the places of all entries, the sender's too",
       {field},
       dropped,
       [](arena& to) { send_suspicions_with(to, 2, 3); }},
      {"a suspicion of generation 0",
       {field},
       dropped,
       [](arena& to) {
         send_suspicions_with(to, 2, 2, {{5, 0}});
         send_suspicions_with(to, 2, 2, {{8, std::uint64_t{1} << 44}});
         send_news_of_suspicions(to, 1, 0);
       }},
      {"a suspicion with bits that no comment names",
       {},
       ignored,
       [](arena& to) {
         message m;
         to.begin(m, message_kind::reply);
         m.suspicions.emplace_back().generation = 1;
         datagram wire = to.encoded(m);
         wire.word(element_of(wire, pointer_of(wire, 0, 1), 0) + 1) |= std::uint64_t{0x7f} << 41;
         to.send(std::move(wire));
       }},
  };
}

std::vector<bad_input> digest_rows() {
  return {
      {"a digest whose sender stands nowhere",
       {field},
       dropped,
       [](arena& to) {
         send_counts(to, counts(3, 1, 1, 1));
         send_counts(to, counts(65535, 1, 1, 1));
       }},
      {"a sender that it does not want itself",
       {field},
       dropped,
       [](arena& to) { send_counts(to, counts(2, 1, 1, 1)); }},
      {"a receiver that stands nowhere",
       {field},
       dropped,
       [](arena& to) { send_counts(to, counts(0, 65534, 1, 1)); }},
      {"more extra and unwanted entries than entries",
       {field},
       dropped,
       [](arena& to) {
         send_counts(to, counts(0, 1, 4, 0));
         send_counts(to, counts(0, 1, 1, 65535));
         send_counts(to, counts(0, 1, 3, 1));
       }},
      {"65 extra entries", {field}, dropped, send_many_extra},
      {"lo above hi",
       {field},
       dropped,
       [](arena& to) { send_digest_with(to, {{0, 0x31}, {1, 0x30}}); }},
      {"a range entry below lo",
       {field},
       dropped,
       [](arena& to) { send_digest_with(to, {{0, 0x21}}); }},
      {"a range entry above hi",
       {field},
       dropped,
       [](arena& to) { send_digest_with(to, {}, {{0, 0x31}}); }},
      {"an unwanted entry outside the range",
       {field},
       dropped,
       [](arena& to) { send_digest_with(to, {}, {{6, 0x31}}); }},
      {"a peer twice in the range",
       {field},
       dropped,
       [](arena& to) { send_digest_with(to, {{2, counts(0, 1, 0, 1)}}, {{3, 0x20}}); }},
      {"a range out of order",
       {field},
       dropped,
       [](arena& to) { send_digest_with(to, {{2, counts(0, 1, 0, 1)}}, {{3, 0x1f}}); }},
      {"an entry of generation 0",
       {field},
       dropped,
       [](arena& to) { send_digest_with(to, {}, {{5, 0}}); }},
  };
}

std::vector<bad_input> reply_rows() {
  return {
      {"a reply of a sender of generation 0",
       {field},
       dropped,
       [](arena& to) { send_reply_root(to, {{2, 0}}); }},
      {"a receiver of generation 0 that has written",
       {field},
       dropped,
       [](arena& to) { send_reply_root(to, {{4, 0}}); }},
      {"more heartbeats than entries",
       {field},
       dropped,
       [](arena& to) { send_news_with(to, 3, 0); }},
      {"a request that knows version 2^64-1 of generation 0",
       {field},
       dropped,
       [](arena& to) { send_news_with(to, 1, everything); }},
      {"an identity of generation 0",
       {field},
       dropped,
       [](arena& to) { send_identity_with(to, {{0, 0}}); }},
      {"a heartbeat of 2^36, 2^63 and 2^64-1",
       {field},
       dropped,
       [](arena& to) {
         send_identity_with(to, {{1, std::uint64_t{1} << 36}});
         send_identity_with(to, {{1, std::uint64_t{1} << 63}});
         send_identity_with(to, {{1, everything}});
       }},
  };
}

std::vector<bad_input> fragment_rows() {
  return {
      {"a delta from an offset that is no fragment",
       {field},
       dropped,
       [](arena& to) { send_delta_with(to, {{2, 7 | std::uint64_t{5} << 47}}); }},
      {"a fragment of two entries",
       {field},
       dropped,
       [](arena& to) {
         send_fragment_with(to, {{1, 1 | std::uint64_t{2} << 44 | std::uint64_t{1} << 61}});
       }},
      {"a fragment that ends elsewhere than it says",
       {field},
       dropped,
       [](arena& to) { send_fragment_with(to, {{3, 7 | std::uint64_t{6} << 47}}); }},
      {"a fragment behind the end of its value",
       {field},
       dropped,
       [](arena& to) { send_fragment_with(to, {}, {{1, 3}}); }},
      {"a fragment of an empty value, of a tombstone",
       {field},
       dropped,
       [](arena& to) {
         send_fragment_with(to, {}, {{1, 1}});
         send_fragment_with(to, {}, {{1, 0}});
       }},
      {"a fragment without a key",
       {field},
       dropped,
       [](arena& to) { send_fragment_with(to, {}, {{0, 0}}); }},
      {"a fragment whose key takes all its bytes",
       {field},
       dropped,
       [](arena& to) { send_fragment_with(to, {}, {{0, 6}}); }},
      {"a fragment that begins at 2^24 - 1",
       {field},
       dropped,
       [](arena& to) {
         send_fragment_with(
             to, {{2, 7 | std::uint64_t{0x1ffff} << 47}, {4, 300 | std::uint64_t{0x7f} << 47}});
       }},
      {"a partial of generation 0",
       {field},
       dropped,
       [](arena& to) { send_partials_with(to, {{5, std::uint64_t{1} << 44}}); }},
      {"a partial of no bytes",
       {field},
       dropped,
       [](arena& to) { send_partials_with(to, {{5, 1}}); }},
      {"a partial of version 0",
       {field},
       dropped,
       [](arena& to) { send_partials_with(to, {{4, 0}}); }},
      {"two partials of one peer, and out of order",
       {field},
       dropped,
       [](arena& to) {
         send_partials_with(to, {{6, 1}});
         send_partials_with(to, {{6, 0}});
       }},
      {"more partials than entries",
       {field},
       dropped,
       [](arena& to) { send_partials_with(to, {}, 200); }},
  };
}

std::vector<bad_input> delta_rows() {
  return {
      {"a delta of generation 0",
       {field},
       dropped,
       [](arena& to) { send_delta_with(to, {{1, std::uint64_t{1} << 44}}); }},
      {"a delta up to version 0",
       {field},
       dropped,
       [](arena& to) { send_delta_with(to, {{2, 0}, {3, 0}}); }},
      {"a delta that ends where it begins",
       {field},
       dropped,
       [](arena& to) { send_delta_with(to, {{2, 8}}); }},
      {"a delta that ends before it begins",
       {field},
       dropped,
       [](arena& to) { send_delta_with(to, {{2, 9}}); }},
      {"a delta after 2^63 and 2^64-1",
       {field},
       dropped,
       [](arena& to) {
         send_delta_with(to, {{2, std::uint64_t{1} << 63 | 8}});
         send_delta_with(to, {{2, everything}});
       }},
      {"a delta up to 2^64-1",
       {field},
       dropped,
       [](arena& to) { send_delta_with(to, {{3, everything}}); }},
      {"a delta beyond its top",
       {field},
       dropped,
       [](arena& to) { send_delta_with(to, {{4, 7}}); }},
      {"65,535 entries in three bytes",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 0xffff, "\1\1a"); }},
      {"entries without columns", {field}, dropped, [](arena& to) { send_columns(to, 1, ""); }},
      {"columns without entries",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 0, "\1\1a"); }},
      {"a version gap of 0",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, bytes_of("\0\1\1a", 4), true); }},
      {"a version above the delta's end",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, "\16\1\1a", true); }},
      {"a number that never ends",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, "\xff\xff\xff\xff\xff\xff\xff\xff", true); }},
      {"a number longer than it need be",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, bytes_of("\1\x81\0a", 4)); }},
      {"a key that runs over the end",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, "\xff\1a"); }},
      {"a value that runs over the end",
       {field},
       dropped,
       [](arena& to) {
         send_columns(to, 1,
                      "\1\x7f"
                      "a");
       }},
      {"bytes behind the last value",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, "\1\1ab"); }},
      {"a key that is no UTF-8",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, "\1\1\xff"); }},
      {"a key with a control character",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, "\1\1\x1b"); }},
      {"a compaction marker that is a tombstone",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, bytes_of("\0\0", 2)); }},
      {"a compaction marker of one byte",
       {field},
       dropped,
       [](arena& to) { send_columns(to, 1, bytes_of("\0\2x", 3)); }},
  };
}

}  // namespace

std::vector<bad_input> field_rows() {
  std::vector<bad_input> all = digest_rows();
  for (bad_input& row : reply_rows()) all.push_back(std::move(row));
  for (bad_input& row : delta_rows()) all.push_back(std::move(row));
  for (bad_input& row : fragment_rows()) all.push_back(std::move(row));
  for (bad_input& row : suspicion_rows()) all.push_back(std::move(row));
  return all;
}

}  // namespace gossipmonger
