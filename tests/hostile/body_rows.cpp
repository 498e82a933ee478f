// Bodies under a checksum that fits which Cap'n Proto, or our reading of it, must not walk into.
// Words are found by following pointers, so that a longer struct moves nothing here.
#include <cstring>
#include <string>
#include <utility>

#include "../wire/sample_message.hpp"
#include "catalogue.hpp"

namespace gossipmonger {

namespace {

using enum drop_reason;
using enum outcome;

constexpr std::uint64_t composite = 7;
constexpr std::uint64_t word_list = 5;

std::uint64_t struct_pointer(std::int32_t offset, std::uint64_t data, std::uint64_t pointers) {
  return static_cast<std::uint32_t>(offset) << 2 | data << 32 | pointers << 48;
}

std::uint64_t list_pointer(std::int32_t offset, std::uint64_t size, std::uint64_t count) {
  return (static_cast<std::uint32_t>(offset) << 2 | 1U) | size << 32 | count << 35;
}

/// Where the struct or list begins that the pointer in word `index` points to.
std::size_t target(datagram& wire, std::size_t index) {
  const auto offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(wire.word(index))) >> 2;
  return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(index) + 1 + offset);
}

/// The word of pointer `number` of the struct that the pointer in word `index` points to.
std::size_t pointer_of(datagram& wire, std::size_t index, std::size_t number) {
  return target(wire, index) + (wire.word(index) >> 32 & 0xffff) + number;
}

// Digest: pointer 0 is its entries. Reply: 0 its deltas, 1 its news, of which 0 are entries and 1
// identities.
std::size_t entries_pointer(datagram& wire) { return pointer_of(wire, 0, 0); }
std::size_t deltas_pointer(datagram& wire) { return pointer_of(wire, 0, 0); }
std::size_t news_pointer(datagram& wire) { return pointer_of(wire, 0, 1); }

datagram digest_of(const arena& to) {
  message m;
  fill_sample_digest(m);
  return to.encoded(m);
}

datagram reply_of(const arena& to) {
  message m;
  fill_sample_reply(m);
  return to.encoded(m);
}

void send_digest_with(arena& to, std::size_t (*place)(datagram&), std::uint64_t word) {
  datagram wire = digest_of(to);
  wire.word(place(wire)) = word;
  to.send(std::move(wire));
}

void send_reply_with(arena& to, std::size_t (*place)(datagram&), std::uint64_t word) {
  datagram wire = reply_of(to);
  wire.word(place(wire)) = word;
  to.send(std::move(wire));
}

std::size_t root(datagram&) { return 0; }
std::size_t entries_tag(datagram& wire) { return target(wire, entries_pointer(wire)); }
std::size_t deltas_tag(datagram& wire) { return target(wire, deltas_pointer(wire)); }
std::size_t identities_tag(datagram& wire) {
  return target(wire, pointer_of(wire, news_pointer(wire), 1));
}

void send_root(arena& to, std::uint64_t word) {
  send_digest_with(to, root, word);
  send_reply_with(to, root, word);
}

/// The news is the reply itself, whose second pointer is again the news …
void send_loop(arena& to) {
  datagram wire = reply_of(to);
  const std::size_t news = news_pointer(wire);
  const std::size_t first = target(wire, 0);
  const std::uint64_t shape = wire.word(0) >> 32;
  wire.word(first) = 0;                 // where news counts what it has
  wire.word(deltas_pointer(wire)) = 0;  // where it has its entries
  wire.word(news) =
      struct_pointer(static_cast<std::int32_t>(first) - static_cast<std::int32_t>(news) - 1,
                     shape & 0xffff, shape >> 16);
  to.send(std::move(wire));
}

/// Many deltas whose columns are the same bytes.
void send_aliases(arena& to) {
  message m;
  fill_sample_deltas(m);
  const std::string value(300, 'x');
  m.entries[0].value = value;
  for (int copy = 0; copy < 8; ++copy) m.deltas.push_back(m.deltas[0]);
  for (std::size_t at = 1; at < m.deltas.size(); ++at) {
    m.entries.push_back(m.entries[0]);
    m.deltas[at].first_entry = at;
  }
  datagram wire = to.encoded(m);
  const std::size_t tag = deltas_tag(wire);
  const std::size_t words = (wire.word(tag) >> 32 & 0xffff) + (wire.word(tag) >> 48);
  const std::size_t columns = tag + words;  // of the first delta; its last word
  const std::size_t place = target(wire, columns);
  const std::uint64_t shape = wire.word(columns) >> 32 << 32;
  for (std::size_t at = 1; at < m.deltas.size(); ++at) {
    const std::size_t other = columns + at * words;
    wire.word(other) = shape | (static_cast<std::uint32_t>(place - other - 1) << 2 | 1U);
  }
  wire.resize(header_bytes + 8 * (place + 40));
  to.send(std::move(wire));
}

/// A third pointer of a later schema, which begins a chain of structs.
void send_deep(arena& to) {
  message m;
  to.begin(m, message_kind::reply);
  datagram wire = to.encoded(m);
  const std::uint64_t data = wire.word(0) >> 32 & 0xffff;
  const std::uint64_t pointers = wire.word(0) >> 48;
  const std::size_t first = 1 + data + pointers;
  wire.resize(header_bytes + 8 * (first + 60));
  wire.word(0) = struct_pointer(0, data, pointers + 1);
  for (std::size_t at = first; at < first + 60; ++at) wire.word(at) = struct_pointer(0, 0, 1);
  wire.word(first + 59) = 0;
  to.send(std::move(wire));
}

/// A name, the last thing in the datagram, whose last byte runs into the next word's place.
void send_name(arena& to, const std::string& from, const std::string& name) {
  message m;
  to.begin(m, message_kind::reply);
  m.identities.push_back(arena::identity(from, 0));
  datagram wire = to.encoded(m);
  for (std::size_t at = 0; at + from.size() <= wire.bytes().size(); ++at) {
    if (std::memcmp(wire.bytes().data() + at, from.data(), from.size()) != 0) continue;
    std::memcpy(wire.bytes().data() + at, name.data(), name.size());
  }
  to.send(std::move(wire));
}

}  // namespace

std::vector<bad_input> body_rows() {
  return {
      {"a null root", {malformed}, dropped, [](arena& to) { send_root(to, 0); }},
      {"a root that is a list",
       {malformed},
       dropped,
       [](arena& to) { send_root(to, list_pointer(0, word_list, 4)); }},
      {"a root that is a capability", {malformed}, dropped, [](arena& to) { send_root(to, 3); }},
      {"a root without fields",
       {field},
       dropped,
       [](arena& to) { send_root(to, struct_pointer(-1, 0, 0)); }},
      {"a root beyond the end",
       {malformed},
       dropped,
       [](arena& to) { send_root(to, struct_pointer(1000, 4, 1)); }},
      {"a root before the beginning",
       {malformed},
       dropped,
       [](arena& to) { send_root(to, struct_pointer(-20, 4, 1)); }},
      {"a root of 64 k words and pointers",
       {malformed},
       dropped,
       [](arena& to) { send_root(to, struct_pointer(0, 0xffff, 0xffff)); }},
      {"a root in another segment",
       {malformed},
       dropped,
       [](arena& to) { send_root(to, 2 | std::uint64_t{1} << 32); }},
      {"a far pointer to itself", {malformed}, dropped, [](arena& to) { send_root(to, 2); }},
      {"a list in another segment",
       {malformed},
       dropped,
       [](arena& to) {
         send_digest_with(to, entries_pointer, 2 | std::uint64_t{7} << 32);
         send_reply_with(to, deltas_pointer, 6 | std::uint64_t{0xffffffff} << 32);
       }},
      {"a list beyond the end",
       {malformed},
       dropped,
       [](arena& to) {
         send_digest_with(to, entries_pointer, list_pointer(1000, composite, 9));
         send_reply_with(to, deltas_pointer, list_pointer(1000, composite, 6));
       }},
      {"a list before the beginning",
       {malformed},
       dropped,
       [](arena& to) { send_digest_with(to, entries_pointer, list_pointer(-100, composite, 9)); }},
      {"a list a word longer than the datagram",
       {malformed},
       dropped,
       [](arena& to) { send_digest_with(to, entries_pointer, list_pointer(0, composite, 10)); }},
      {"a list of 2^29 words",
       {malformed},
       dropped,
       [](arena& to) {
         send_digest_with(to, entries_pointer, list_pointer(0, composite, 0x1fffffff));
         send_reply_with(to, deltas_pointer, list_pointer(0, composite, 0x1fffffff));
       }},
      {"a tag of 2^29 elements",
       {malformed},
       dropped,
       [](arena& to) {
         send_digest_with(to, entries_tag, struct_pointer(0x1fffffff, 3, 0));
         send_reply_with(to, deltas_tag, struct_pointer(0x1fffffff, 5, 1));
       }},
      {"2^29 elements without a size",
       {malformed},
       dropped,
       [](arena& to) {
         send_digest_with(to, entries_tag, struct_pointer(0x1fffffff, 0, 0));
         send_reply_with(to, deltas_tag, struct_pointer(0x1fffffff, 0, 0));
         send_reply_with(to, identities_tag, struct_pointer(0x1fffffff, 0, 0));
       }},
      {"2^29 elements of nothing (List(Void))",
       {malformed},
       dropped,
       [](arena& to) { send_digest_with(to, entries_pointer, list_pointer(0, 0, 0x1fffffff)); }},
      {"entries shorter than an entry",
       {malformed},
       dropped,
       [](arena& to) { send_digest_with(to, entries_pointer, list_pointer(0, word_list, 9)); }},
      {"a list of bits where structs belong",
       {malformed},
       dropped,
       [](arena& to) { send_digest_with(to, entries_pointer, list_pointer(0, 1, 9)); }},
      {"a struct where a list belongs",
       {malformed},
       dropped,
       [](arena& to) { send_digest_with(to, entries_pointer, struct_pointer(0, 3, 0)); }},
      {"a list where a struct belongs",
       {malformed},
       dropped,
       [](arena& to) { send_reply_with(to, news_pointer, list_pointer(10, composite, 3)); }},
      {"a pointer loop", {malformed}, dropped, send_loop},
      {"aliased lists, which would amplify", {malformed}, dropped, send_aliases},
      {"60 structs deep, as fields of a later schema", {}, ignored, send_deep},
      {"a name with a zero byte",
       {field},
       dropped,
       [](arena& to) { send_name(to, "zero-byte", std::string("zero\0byte", 9)); }},
      {"a name that is no UTF-8",
       {field},
       dropped,
       [](arena& to) { send_name(to, "no-utf-8", "no\xff\xfeutf8"); }},
      {"a name with control characters",
       {field},
       dropped,
       [](arena& to) { send_name(to, "control-s", "\x1b[2Jwiped"); }},
  };
}

}  // namespace gossipmonger
