#include "gossipmonger/wire/codec.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <concepts>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include "capnp_body.hpp"
#include "gossipmonger/core/packer.hpp"
#include "gossipmonger/wire/crc32c.hpp"
#include "planted.hpp"

namespace gossipmonger {
namespace {

using capnp_body::byte_run;
using capnp_body::delta_body;
using capnp_body::digest_body;
using capnp_body::entry_run;
using capnp_body::identity_body;
using capnp_body::reply_body;
using capnp_body::verdict;

using decoded = tl::expected<void, drop_reason>;

// Places in the header, and values; gossip.capnp has the table.
constexpr std::size_t versions_at = 1;
constexpr std::size_t kind_at = 2;
constexpr std::size_t features_at = 3;
constexpr std::size_t cluster_at = 4;
constexpr std::size_t checksum_at = 8;
constexpr std::size_t cookie_echo_at = 12;
constexpr std::size_t cookie_at = 18;
constexpr std::uint8_t magic = 0x67;
constexpr std::uint8_t more_bit = 0x80;
constexpr std::uint8_t version_bits = 0x70;
constexpr int version_shift = 4;
constexpr std::size_t cookie_bytes = 6;
constexpr std::uint64_t cookie_max = (std::uint64_t{1} << 48) - 1;

constexpr std::size_t word_bytes = 8;
constexpr std::size_t datagram_bytes_min = header_bytes + word_bytes;  // a root pointer at least

// Packed fields: gossip.capnp has the bits.
constexpr std::uint64_t left_bit_of_generation = std::uint64_t{1} << 44;
constexpr int proof_age_at = 16;
constexpr std::uint64_t question_bit = std::uint64_t{1} << 40;
constexpr std::uint64_t gapped_bit = std::uint64_t{1} << 60;
constexpr std::uint64_t fragment_bit = std::uint64_t{1} << 61;
constexpr std::uint64_t entry_count_max = 0xffff;

constexpr std::size_t floor_value_bytes = 8;
constexpr std::size_t entry_columns_min = 2;  // length of an empty key, and of its value

template <std::unsigned_integral Number>
Number swapped_if_big(Number number) {
  if constexpr (std::endian::native == std::endian::big) {
    Number swapped = 0;
    for (std::size_t i = 0; i < sizeof number; ++i) {
      swapped = static_cast<Number>(swapped << 8 | ((number >> (8 * i)) & 0xff));
    }
    return swapped;
  }
  return number;
}

template <std::unsigned_integral Number>
Number load(const void* from) {
  Number number = 0;
  std::memcpy(&number, from, sizeof number);
  return swapped_if_big(number);
}

template <std::unsigned_integral Number>
void store(void* to, Number number) {
  number = swapped_if_big(number);
  std::memcpy(to, &number, sizeof number);
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string_view text_of(const unsigned char* first, std::size_t count) {
  return {reinterpret_cast<const char*>(first), count};
}

// ------------------------------------------------------------------------------------- header

// Of the datagram with its checksum field zero.
std::uint32_t checksum_of(std::span<const std::byte> datagram) {
  static_assert(checksum_at == word_bytes);
  constexpr std::uint64_t checksum_bits = 0xffffffff;
  std::array<std::byte, 2 * word_bytes> front;
  store(front.data(), load<std::uint64_t>(datagram.data()));
  store(front.data() + word_bytes,
        load<std::uint64_t>(datagram.data() + word_bytes) & ~checksum_bits);
  return crc32c(datagram.subspan(front.size()), crc32c(front));
}

void store_cookie(std::byte* to, std::uint64_t cookie) {
  assert(cookie <= cookie_max);
  cookie = swapped_if_big(cookie << 16);
  std::memcpy(to, reinterpret_cast<const std::byte*>(&cookie) + 2, cookie_bytes);
}

std::uint64_t load_cookie(const std::byte* from) {
  std::array<std::byte, word_bytes> bytes{};
  std::memcpy(bytes.data(), from, cookie_bytes);
  return load<std::uint64_t>(bytes.data());
}

void write_header(const message& m, const wire_range& spoken, std::uint32_t cluster_id,
                  std::span<std::byte> datagram) {
  assert(m.wire_version >= spoken.lowest && m.wire_version <= spoken.highest);
  std::byte* const at = datagram.data();
  const int below_highest = spoken.highest - m.wire_version;
  const int kind = static_cast<int>(m.kind) | below_highest << version_shift;
  store(at, magic);
  store(at + versions_at, static_cast<std::uint8_t>(spoken.highest << 4 | spoken.lowest));
  store(at + kind_at, static_cast<std::uint8_t>(kind | (m.more ? more_bit : 0)));
  store(at + features_at, m.features);
  store(at + cluster_at, cluster_id);
  store_cookie(at + cookie_echo_at, m.cookie_echo);
  store_cookie(at + cookie_at, m.cookie);
  store(at + checksum_at, checksum_of(datagram));
}

/// Who speaks what, and what this one is written in; whether I read that.
bool read_versions(const std::byte* at, const wire_range& spoken, message& out) {
  const auto versions = load<std::uint8_t>(at + versions_at);
  out.versions.lowest = versions & 0x0f;
  out.versions.highest = versions >> 4;
  const int below_highest = (load<std::uint8_t>(at + kind_at) & version_bits) >> version_shift;
  const int written = out.versions.highest - below_highest;
  const bool is_sound = out.versions.lowest >= 1 && written >= out.versions.lowest;
  if (!is_sound || written < spoken.lowest || written > spoken.highest) return false;
  out.wire_version = static_cast<std::uint8_t>(written);
  return true;
}

decoded read_header(std::span<const std::byte> datagram, const wire_range& spoken,
                    std::uint32_t cluster_id, message& out) {
  const std::byte* const at = datagram.data();
  if (load<std::uint8_t>(at) != magic) return tl::unexpected(drop_reason::magic);
  if (load<std::uint32_t>(at + cluster_at) != cluster_id) {
    return tl::unexpected(drop_reason::cluster);
  }
  if (load<std::uint32_t>(at + checksum_at) != checksum_of(datagram) &&
      !planted::is_on(planted::defect::no_checksum)) {
    return tl::unexpected(drop_reason::checksum);
  }
  // After the checksum: who is told of as too old or too new shall have said so.
  if (!read_versions(at, spoken, out)) return tl::unexpected(drop_reason::wire_version);

  const auto kind = load<std::uint8_t>(at + kind_at);
  const auto leg = static_cast<message_kind>(kind & 0x0f);
  if (leg != message_kind::digest && leg != message_kind::reply && leg != message_kind::deltas) {
    return tl::unexpected(drop_reason::kind);
  }
  out.kind = leg;
  out.more = (kind & more_bit) != 0;
  out.features = load<std::uint8_t>(at + features_at);
  out.cookie_echo = load_cookie(at + cookie_echo_at);
  out.cookie = load_cookie(at + cookie_at);
  return {};
}

// ------------------------------------------------------------------------------------ entries

unsigned char* write_entry(const packed_entry& entry, unsigned char* to) {
  store(to, entry.name_hash);
  store(to + 8, entry.version_and_heartbeat);
  store(to + 16, entry.generation_and_heartbeat);
  return to + capnp_body::entry_bytes;
}

unsigned char* write_entries(std::span<const packed_entry> entries, unsigned char* to) {
  if constexpr (std::endian::native == std::endian::little) {
    static_assert(sizeof(packed_entry) == capnp_body::entry_bytes &&
                  std::is_trivially_copyable_v<packed_entry>);
    if (!entries.empty()) std::memcpy(to, entries.data(), entries.size() * sizeof(packed_entry));
    return to + entries.size() * sizeof(packed_entry);
  }
  for (const packed_entry& entry : entries) to = write_entry(entry, to);
  return to;
}

packed_entry make_entry(std::uint64_t name_hash, std::uint64_t version_and_heartbeat,
                        std::uint64_t generation_and_heartbeat) {
  packed_entry entry;
  entry.name_hash = name_hash;
  entry.version_and_heartbeat = version_and_heartbeat;
  entry.generation_and_heartbeat = generation_and_heartbeat;
  return entry;
}

packed_entry read_entry(const unsigned char* at) {
  return make_entry(load<std::uint64_t>(at), load<std::uint64_t>(at + 8),
                    load<std::uint64_t>(at + 16));
}

// A doubt stands in the place of an entry.
unsigned char* write_doubts(const std::vector<doubt_entry>& doubts, unsigned char* to) {
  for (const doubt_entry& doubt : doubts) {
    assert(doubt.proof_age <= doubt_entry::proof_age_max && doubt.heartbeat <= heartbeat_max);
    assert(doubt.generation != 0 && doubt.generation <= generation_max);
    const std::uint64_t ages = doubt.doubt_age | std::uint64_t{doubt.proof_age} << proof_age_at |
                               (doubt.is_question ? question_bit : 0);
    digest_entry entry;
    entry.name_hash = doubt.name_hash;
    entry.generation = doubt.generation;
    entry.max_version = ages;
    entry.heartbeat = doubt.heartbeat;
    to = write_entry(entry, to);
  }
  return to;
}

bool read_doubts(const entry_run& run, std::size_t first, std::vector<doubt_entry>& out) {
  out.resize(run.count - first);
  bool is_good = out.size() <= doubt_entry::doubts_max;
  const unsigned char* at = run.first + first * run.stride;
  for (doubt_entry& doubt : out) {
    const packed_entry packed = read_entry(at);
    const std::uint64_t ages = packed.max_version();
    at += run.stride;
    doubt.name_hash = packed.name_hash;
    doubt.generation = packed.generation();
    doubt.heartbeat = packed.heartbeat();
    doubt.doubt_age = static_cast<std::uint16_t>(ages & doubt_entry::no_doubt);
    doubt.proof_age = static_cast<std::uint32_t>(ages >> proof_age_at & doubt_entry::proof_age_max);
    doubt.is_question = (ages & question_bit) != 0;
    is_good = is_good && doubt.generation != 0;
  }
  return is_good;
}

bool is_nothing(const packed_entry& entry) {
  return entry.version_and_heartbeat == 0 && entry.generation_and_heartbeat == 0;
}

enum class unknown_peers : bool { refused, allowed };

// Whether these bytes are entries as they stand in memory: then they need not be copied.
bool is_in_place(const entry_run& run) {
  return std::endian::native == std::endian::little && run.stride == sizeof(packed_entry) &&
         reinterpret_cast<std::uintptr_t>(run.first) % alignof(packed_entry) == 0;
}

// Reads `count` entries from `first` on into an empty list.
bool read_entries(const entry_run& run, std::size_t first, std::size_t count, unknown_peers unknown,
                  entry_list& out) {
  const unsigned char* at = run.first + first * run.stride;
  if (is_in_place(run)) {
    // A packed entry is three words of which every pattern says something, and begins to exist in
    // bytes that hold one.
    out.borrow(std::span(reinterpret_cast<const packed_entry*>(at), count));
  } else {
    std::vector<packed_entry>& list = out.own();
    list.reserve(count);
    for (std::size_t i = 0; i < count; ++i, at += run.stride) list.push_back(read_entry(at));
  }
  return std::all_of(out.begin(), out.end(), [unknown](const packed_entry& one) {
    return one.generation() != 0 || (unknown == unknown_peers::allowed && is_nothing(one));
  });
}

// A partial is packed as an entry with a version and an offset in the places of max version and
// heartbeat.
unsigned char* write_partials(const std::vector<partial_entry>& partials, unsigned char* to) {
  for (const partial_entry& partial : partials) {
    digest_entry entry;
    entry.name_hash = partial.name_hash;
    entry.generation = partial.generation;
    entry.max_version = partial.version;
    entry.heartbeat = partial.offset;
    to = write_entry(entry, to);
  }
  return to;
}

bool read_partials(const entry_run& run, std::size_t first, std::size_t count,
                   std::vector<partial_entry>& out) {
  out.resize(count);
  const unsigned char* at = run.first + first * run.stride;
  bool is_good = true;
  for (std::size_t i = 0; i < count; ++i, at += run.stride) {
    const digest_entry entry = read_entry(at);
    partial_entry& partial = out[i];
    partial.name_hash = entry.name_hash;
    partial.generation = entry.generation;
    partial.version = entry.max_version;
    partial.offset = static_cast<std::uint32_t>(entry.heartbeat & offset_max);
    is_good = is_good && entry.generation != 0 && entry.max_version != 0 && !entry.has_left &&
              entry.heartbeat != 0 && entry.heartbeat <= offset_max &&
              (i == 0 || out[i - 1].name_hash < partial.name_hash);
  }
  return is_good;
}

// ------------------------------------------------------------------------------------- digest

// Where `entry` stands in the lists as they are written: range, then extra.
std::size_t index_of(const digest& known, const packed_entry& entry) {
  const auto in_extra = std::find(known.extra.begin(), known.extra.end(), entry);
  if (in_extra != known.extra.end()) {
    return known.range.size() + static_cast<std::size_t>(in_extra - known.extra.begin());
  }
  const auto in_range = std::lower_bound(
      known.range.begin(), known.range.end(), entry.name_hash,
      [](const packed_entry& one, std::uint64_t hash) { return one.name_hash < hash; });
  assert(in_range != known.range.end() && *in_range == entry);
  return static_cast<std::size_t>(in_range - known.range.begin());
}

/// In a digest's count of doubts.
constexpr std::size_t name_shared_bit = 0x80;

std::size_t write_digest(const message& m, std::span<std::byte> segment) {
  const digest& known = m.known;
  assert(known.extra.size() <= digest::extra_max);
  digest_body body;
  body.lo = known.lo;
  body.hi = known.hi;
  body.sender_index = static_cast<std::uint16_t>(index_of(known, m.sender));
  if (m.receiver.generation != 0) {
    body.receiver_index = static_cast<std::uint16_t>(index_of(known, m.receiver));
  }
  body.extra_count = static_cast<std::uint16_t>(known.extra.size());
  body.unwanted_count = static_cast<std::uint16_t>(known.unwanted.size());
  body.receiver_instance = m.receiver_instance;
  assert(m.partials.size() <= partials_max && m.doubts.size() <= doubt_entry::doubts_max);
  body.partial_count = static_cast<std::uint8_t>(m.partials.size());
  body.doubt_count =
      static_cast<std::uint8_t>(m.doubts.size() | (m.is_name_shared ? name_shared_bit : 0U));
  body.interval = m.interval.bits();
  body.largest_received = m.largest_received;

  const std::size_t count = known.range.size() + known.extra.size() + known.unwanted.size() +
                            m.partials.size() + m.doubts.size();
  std::size_t used = 0;
  unsigned char* room = capnp_body::write_digest(reinterpret_cast<unsigned char*>(segment.data()),
                                                 segment.size(), body, count, used);
  room = write_entries(known.range, room);
  room = write_entries(known.extra, room);
  room = write_entries(known.unwanted, room);
  room = write_partials(m.partials, room);
  write_doubts(m.doubts, room);
  return used;
}

bool is_ascending_within(std::span<const packed_entry> list, std::uint64_t lo, std::uint64_t hi) {
  if (list.empty()) return true;
  if (list.front().name_hash < lo || list.back().name_hash > hi) return false;
  const auto is_not_below = [](const packed_entry& one, const packed_entry& next) {
    return one.name_hash >= next.name_hash;
  };
  return std::adjacent_find(list.begin(), list.end(), is_not_below) == list.end();
}

bool has_valid_claim(const digest& known) {
  if (known.lo > known.hi) {
    return known.lo == 1 && known.hi == 0 && known.range.empty() && known.unwanted.empty();
  }
  return is_ascending_within(known.range, known.lo, known.hi) &&
         is_ascending_within(known.unwanted, known.lo, known.hi);
}

bool take_digest(const digest_body& body, const entry_run& run, message& out) {
  const std::size_t doubts = body.doubt_count & ~name_shared_bit;
  const std::size_t unclaimed =
      std::size_t{body.extra_count} + body.unwanted_count + body.partial_count + doubts;
  if (body.extra_count > digest::extra_max || unclaimed > run.count) return false;
  const std::size_t in_range = run.count - unclaimed;
  const std::size_t known_count = in_range + body.extra_count;
  const bool has_receiver = body.receiver_index != capnp_body::no_index;
  if (body.sender_index >= known_count) return false;
  if (has_receiver && body.receiver_index >= known_count) return false;

  digest& known = out.known;
  known.lo = body.lo;
  known.hi = body.hi;
  if (!read_entries(run, 0, in_range, unknown_peers::refused, known.range) ||
      !read_entries(run, in_range, body.extra_count, unknown_peers::refused, known.extra) ||
      !read_entries(run, known_count, body.unwanted_count, unknown_peers::refused,
                    known.unwanted) ||
      !read_partials(run, known_count + body.unwanted_count, body.partial_count, out.partials) ||
      !read_doubts(run, run.count - doubts, out.doubts)) {
    return false;
  }
  out.sender = read_entry(run.first + body.sender_index * run.stride);
  if (has_receiver) out.receiver = read_entry(run.first + body.receiver_index * run.stride);
  out.receiver_instance = body.receiver_instance;
  out.interval = interval_code::from_bits(body.interval);
  out.largest_received = body.largest_received;
  out.is_name_shared = (body.doubt_count & name_shared_bit) != 0;
  return has_valid_claim(known);
}

// ------------------------------------------------------------------------------------ columns

unsigned char* write_varint(std::uint64_t number, unsigned char* to) {
  for (; number >= 0x80; number >>= 7) {
    *to++ = static_cast<unsigned char>(number | 0x80);
  }
  *to++ = static_cast<unsigned char>(number);
  return to;
}

// Reads a LEB128 number. False if it ends after `end`, is longer than it need be, or over 63 bits
// (nothing that travels as LEB128 has more than 47).
bool read_varint(const unsigned char*& at, const unsigned char* end, std::uint64_t& number) {
  number = 0;
  for (int shift = 0; shift < 63; shift += 7) {
    if (at == end) return false;
    const std::uint64_t byte = *at++;
    number |= (byte & 0x7f) << shift;
    if (byte < 0x80) return byte != 0 || shift == 0;
  }
  return false;
}

// Where `count` LEB128 numbers end; null if that is after `end`.
const unsigned char* skip_varints(const unsigned char* at, const unsigned char* end,
                                  std::size_t count) {
  while (count != 0) {
    if (at == end) return nullptr;
    if (*at++ < 0x80) --count;
  }
  return at;
}

std::uint64_t value_number(const entry_view& entry) {
  return entry.is_tombstone ? 0 : std::uint64_t{entry.value.size()} + 1;
}

struct column_sizes {
  std::size_t gaps = 0;  // 0: all gaps are 1
  std::size_t values = 0;
  std::size_t bytes = 0;
};

column_sizes measure(const delta_view& delta, std::span<const entry_view> entries) {
  column_sizes sizes;
  bool is_gapped = false;
  std::uint64_t previous = delta.after.version;
  for (const entry_view& entry : entries) {
    assert(entry.version > previous && entry.version <= delta.upto.version);
    assert(entry.key.size() <= key_bytes_max && (!entry.is_tombstone || entry.value.empty()));
    const std::uint64_t gap = entry.version - previous;
    previous = entry.version;
    is_gapped = is_gapped || gap != 1;
    sizes.gaps += varint_bytes(gap);
    sizes.values += varint_bytes(value_number(entry));
    sizes.bytes += entry.key.size() + entry.value.size();
  }
  if (!is_gapped) sizes.gaps = 0;
  return sizes;
}

void write_columns(const delta_view& delta, std::span<const entry_view> entries,
                   const column_sizes& sizes, unsigned char* room) {
  unsigned char* gaps = room;
  unsigned char* keys = gaps + sizes.gaps;
  unsigned char* values = keys + entries.size();
  unsigned char* bytes = values + sizes.values;
  std::uint64_t previous = delta.after.version;
  for (const entry_view& entry : entries) {
    if (sizes.gaps != 0) gaps = write_varint(entry.version - previous, gaps);
    previous = entry.version;
    *keys++ = static_cast<unsigned char>(entry.key.size());
    values = write_varint(value_number(entry), values);
    bytes = std::copy_n(bytes_of(entry.key), entry.key.size(), bytes);
    bytes = std::copy_n(bytes_of(entry.value), entry.value.size(), bytes);
  }
}

bool is_valid_key(const entry_view& entry) {
  if (entry.key == floor_key) return entry.value.size() == floor_value_bytes;  // no tombstone's
  return is_valid_name(entry.key);
}

// Reads the columns of `delta` into `entries`, one for each.
//   expects: columns.count >= entry_columns_min * entries.size()
bool read_columns(const delta_view& delta, bool is_gapped, const byte_run& columns,
                  std::span<entry_view> entries) {
  const unsigned char* const end = columns.first + columns.count;
  const unsigned char* gaps = columns.first;
  const unsigned char* keys = is_gapped ? skip_varints(gaps, end, entries.size()) : gaps;
  if (keys == nullptr || static_cast<std::size_t>(end - keys) < entries.size()) return false;
  const unsigned char* const gaps_end = keys;
  const unsigned char* values = keys + entries.size();
  const unsigned char* bytes = skip_varints(values, end, entries.size());
  if (bytes == nullptr) return false;
  const unsigned char* const values_end = bytes;

  std::uint64_t version = delta.after.version;
  for (entry_view& entry : entries) {
    std::uint64_t gap = 1;
    if (is_gapped && !read_varint(gaps, gaps_end, gap)) return false;
    if (gap == 0 || gap > delta.upto.version - version) return false;
    version += gap;

    const std::size_t key_bytes = *keys++;
    std::uint64_t value = 0;
    if (!read_varint(values, values_end, value)) return false;
    const std::uint64_t value_bytes = value == 0 ? 0 : value - 1;
    const auto left = static_cast<std::size_t>(end - bytes);
    if (key_bytes > left || value_bytes > left - key_bytes) return false;
    entry.version = version;
    entry.is_tombstone = value == 0;
    entry.key = text_of(bytes, key_bytes);
    entry.value = text_of(bytes + key_bytes, value_bytes);
    bytes += key_bytes + value_bytes;
    if (!is_valid_key(entry)) return false;
  }
  return bytes == end;
}

// ----------------------------------------------------------------------------------- fragments

struct fragment_sizes {
  std::uint64_t gap = 0;  // 0: it is 1, and not written
  std::size_t total = 0;
};

fragment_sizes measure_fragment(const delta_view& delta, const entry_view& entry) {
  assert(delta.entry_count == 1 && !entry.is_tombstone && !entry.key.empty());
  assert(entry.version > delta.after.version && entry.version <= delta.top);
  assert(!entry.value.empty() && delta.value_bytes <= offset_max);
  fragment_sizes sizes;
  const std::uint64_t gap = entry.version - delta.after.version;
  if (gap != 1) sizes.gap = gap;
  sizes.total = (gap != 1 ? varint_bytes(gap) : 0) + 1 +
                varint_bytes(std::uint64_t{delta.value_bytes} + 1) + word_bytes + entry.key.size() +
                entry.value.size();
  return sizes;
}

void write_fragment(const delta_view& delta, const entry_view& entry, const fragment_sizes& sizes,
                    unsigned char* room) {
  if (sizes.gap != 0) room = write_varint(sizes.gap, room);
  *room++ = static_cast<unsigned char>(entry.key.size());
  room = write_varint(std::uint64_t{delta.value_bytes} + 1, room);
  store(room, delta.value_checksum);
  room = std::copy_n(bytes_of(entry.key), entry.key.size(), room + word_bytes);
  std::copy_n(bytes_of(entry.value), entry.value.size(), room);
}

// Reads the columns of a fragment, and holds them against where `delta` says it begins and ends.
bool read_fragment(delta_view& delta, bool is_gapped, const byte_run& columns, entry_view& entry) {
  const unsigned char* at = columns.first;
  const unsigned char* const end = at + columns.count;
  std::uint64_t gap = 1;
  if (is_gapped && (!read_varint(at, end, gap) || gap == 0)) return false;
  if (gap > delta.top - delta.after.version || at == end) return false;
  const std::size_t key_bytes = *at++;
  std::uint64_t value = 0;
  if (!read_varint(at, end, value) || value < 2 || value - 1 > offset_max) return false;
  if (static_cast<std::size_t>(end - at) <= word_bytes + key_bytes) return false;
  const std::uint64_t checksum = load<std::uint64_t>(at);
  at += word_bytes;

  entry.version = delta.after.version + gap;
  entry.key = text_of(at, key_bytes);
  at += key_bytes;
  entry.value = text_of(at, static_cast<std::size_t>(end - at));
  delta.value_bytes = static_cast<std::uint32_t>(value - 1);
  delta.value_checksum = checksum;
  const std::uint64_t part_end = delta.after.offset + std::uint64_t{entry.value.size()};
  if (part_end > delta.value_bytes || !is_valid_name(entry.key)) return false;
  const bool is_last = part_end == delta.value_bytes;
  return delta.upto == (is_last
                            ? position(entry.version)
                            : position(delta.after.version, static_cast<std::uint32_t>(part_end)));
}

// -------------------------------------------------------------------------------------- reply

std::uint64_t position_word(const position& at) {
  assert(at.version <= version_max && at.offset <= offset_max);
  return at.version | std::uint64_t{at.offset} << 47;
}

position read_position(std::uint64_t low, std::uint64_t offset_high) {
  return position(low & version_max,
                  static_cast<std::uint32_t>(low >> 47 | (offset_high & 0x7f) << 17));
}

class message_source final : public capnp_body::reply_source {
 public:
  explicit message_source(const message& m) : m_(m) {
    delta_count = m.deltas.size();
    assert(m.partials.size() <= partials_max && m.doubts.size() <= doubt_entry::doubts_max);
    entry_count = m.heartbeats.size() + m.requests.size() + m.partials.size() + m.doubts.size();
    partial_count = static_cast<std::uint8_t>(m.partials.size());
    heartbeat_count = static_cast<std::uint16_t>(m.heartbeats.size());
    doubt_count = static_cast<std::uint8_t>(m.doubts.size());
    refusal = static_cast<std::uint8_t>(m.refused);
    identity_count = m.identities.size();
  }

  delta_body delta(std::size_t index) override {
    const delta_view& from = m_.deltas[index];
    assert(from.generation != 0 && from.generation <= generation_max);
    assert(from.after < from.upto && from.upto.version <= from.top && from.top <= version_max);
    assert(from.entry_count <= entry_count_max);
    delta_body to;
    to.name_hash = from.name_hash;
    to.generation_and_count = from.generation | std::uint64_t{from.entry_count} << 44;
    to.after = position_word(from.after);
    to.upto = position_word(from.upto);
    to.top = from.top | std::uint64_t{from.after.offset} >> 17 << 47 |
             std::uint64_t{from.upto.offset} >> 17 << 54;
    if (from.value_bytes != 0) {
      fragment_ = measure_fragment(from, m_.entries[from.first_entry]);
      to.generation_and_count |= fragment_bit | (fragment_.gap != 0 ? gapped_bit : 0);
      to.column_bytes = fragment_.total;
      return to;
    }
    sizes_ = measure(from, entries_of(from));
    if (sizes_.gaps != 0) to.generation_and_count |= gapped_bit;
    to.column_bytes = sizes_.gaps + from.entry_count + sizes_.values + sizes_.bytes;
    return to;
  }

  void write_columns(std::size_t index, unsigned char* room) override {
    const delta_view& from = m_.deltas[index];
    if (from.value_bytes != 0) {
      return write_fragment(from, m_.entries[from.first_entry], fragment_, room);
    }
    gossipmonger::write_columns(from, entries_of(from), sizes_, room);
  }

  void write_entries(unsigned char* room) override {
    room = gossipmonger::write_entries(m_.heartbeats, room);
    room = gossipmonger::write_entries(m_.requests, room);
    room = write_partials(m_.partials, room);
    write_doubts(m_.doubts, room);
  }

  identity_body identity(std::size_t index) override {
    const identity_view& from = m_.identities[index];
    assert(from.generation != 0 && from.generation <= generation_max);
    assert(from.heartbeat <= heartbeat_max && from.silent.count() >= 0);
    identity_body to;
    to.generation = from.generation | (from.has_left ? left_bit_of_generation : 0);
    to.heartbeat = from.heartbeat;
    to.instance = from.instance;
    to.silent_ms = static_cast<std::uint32_t>(
        std::min<std::int64_t>(from.silent.count(), std::numeric_limits<std::uint32_t>::max()));
    to.address_high = load<std::uint64_t>(from.address.address.data());
    to.address_low = load<std::uint64_t>(from.address.address.data() + 8);
    to.port = from.address.port;
    to.name = {bytes_of(from.name), from.name.size()};
    return to;
  }

 private:
  [[nodiscard]] std::span<const entry_view> entries_of(const delta_view& delta) const {
    return std::span(m_.entries).subspan(delta.first_entry, delta.entry_count);
  }

  const message& m_;
  column_sizes sizes_;       // of the delta asked for last
  fragment_sizes fragment_;  // likewise, where it is a fragment
};

class message_sink final : public capnp_body::reply_sink {
 public:
  explicit message_sink(message& out) : out_(out) {}

  bool take_root(const reply_body& root) override {
    out_.sender = make_entry(root.sender_hash, root.sender_version_and_heartbeat,
                             root.sender_generation_and_heartbeat);
    out_.receiver = make_entry(root.receiver_hash_low, root.receiver_version_and_heartbeat,
                               root.receiver_generation_and_heartbeat);
    out_.receiver_instance = root.receiver_instance;
    return out_.sender.generation != 0 &&
           (out_.receiver.generation != 0 || out_.receiver == digest_entry());
  }

  bool take_entries(const entry_run& run, std::size_t heartbeat_count, std::size_t partial_count,
                    std::size_t doubt_count) override {
    if (heartbeat_count + partial_count + doubt_count > run.count) return false;
    const std::size_t doubts_at = run.count - doubt_count;
    const std::size_t partials_at = doubts_at - partial_count;
    return read_entries(run, 0, heartbeat_count, unknown_peers::refused, out_.heartbeats) &&
           read_entries(run, heartbeat_count, partials_at - heartbeat_count, unknown_peers::allowed,
                        out_.requests) &&
           read_partials(run, partials_at, partial_count, out_.partials) &&
           read_doubts(run, doubts_at, out_.doubts);
  }

  void take_refusal(std::uint8_t reason) override {
    out_.refused = static_cast<gossipmonger::refusal>(reason);
  }

  bool take_identity(const identity_body& from) override {
    identity_view& to = out_.identities.emplace_back();
    to.name = text_of(from.name.first, from.name.count);
    to.generation = from.generation & generation_max;
    to.has_left = (from.generation & left_bit_of_generation) != 0;
    to.heartbeat = from.heartbeat;
    to.instance = from.instance;
    to.silent = std::chrono::milliseconds(from.silent_ms);
    store(to.address.address.data(), from.address_high);
    store(to.address.address.data() + 8, from.address_low);
    to.address.port = from.port;
    return to.generation != 0 && to.heartbeat <= heartbeat_max && is_valid_name(to.name);
  }

  bool take_delta(const delta_body& from, const byte_run& columns) override {
    delta_view& to = out_.deltas.emplace_back();
    to.name_hash = from.name_hash;
    to.generation = from.generation_and_count & generation_max;
    to.after = read_position(from.after, from.top >> 47);
    to.upto = read_position(from.upto, from.top >> 54);
    to.top = from.top & version_max;
    to.first_entry = out_.entries.size();
    to.entry_count = from.generation_and_count >> 44 & entry_count_max;
    if (to.generation == 0 || to.after >= to.upto || to.upto.version > to.top) return false;

    const bool is_gapped = (from.generation_and_count & gapped_bit) != 0;
    if ((from.generation_and_count & fragment_bit) != 0) {
      return to.entry_count == 1 &&
             read_fragment(to, is_gapped, columns, out_.entries.emplace_back());
    }
    if (to.after.offset != 0 || to.upto.offset != 0) return false;
    if (to.entry_count == 0) return columns.count == 0 && !is_gapped;
    if (to.entry_count > columns.count / entry_columns_min) return false;
    out_.entries.resize(to.first_entry + to.entry_count);
    return read_columns(to, is_gapped, columns, std::span(out_.entries).subspan(to.first_entry));
  }

 private:
  message& out_;
};

std::size_t write_reply(const message& m, std::span<std::byte> segment) {
  assert(m.sender.generation != 0);
  reply_body body;
  const packed_entry sender(m.sender);
  body.sender_hash = sender.name_hash;
  body.sender_version_and_heartbeat = sender.version_and_heartbeat;
  body.sender_generation_and_heartbeat = sender.generation_and_heartbeat;
  if (m.receiver.generation != 0) {
    const packed_entry receiver(m.receiver);
    body.receiver_version_and_heartbeat = receiver.version_and_heartbeat;
    body.receiver_generation_and_heartbeat = receiver.generation_and_heartbeat;
    body.receiver_hash_low = static_cast<std::uint32_t>(m.receiver.name_hash);
  }
  body.receiver_instance = m.receiver_instance;
  message_source source(m);
  return capnp_body::write_reply(reinterpret_cast<unsigned char*>(segment.data()), segment.size(),
                                 body, source);
}

decoded read_body(std::span<const std::byte> segment, message& out) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(segment.data());
  verdict outcome = verdict::ok;
  if (out.kind == message_kind::digest) {
    digest_body body;
    entry_run entries;
    outcome = capnp_body::read_digest(bytes, segment.size(), body, entries);
    if (outcome == verdict::ok && !take_digest(body, entries, out)) outcome = verdict::field;
  } else {
    message_sink sink(out);
    outcome = capnp_body::read_reply(bytes, segment.size(), sink);
  }
  if (outcome == verdict::malformed) {
    if (planted::is_on(planted::defect::malformed_thrown)) throw std::runtime_error("malformed");
    return tl::unexpected(drop_reason::malformed);
  }
  if (outcome == verdict::field) return tl::unexpected(drop_reason::field);
  return {};
}

[[maybe_unused]] bool is_word_aligned(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at) % word_bytes == 0;
}

}  // namespace

codec::codec(std::uint32_t cluster_id, std::size_t datagram_bytes_max, wire_range spoken)
    : cluster_id_(cluster_id), datagram_bytes_max_(datagram_bytes_max), spoken_(spoken) {
  assert(spoken_.lowest >= 1 && spoken_.lowest <= spoken_.highest && spoken_.highest <= 15);
  assert(spoken_.highest - spoken_.lowest <= version_bits >> version_shift);
}

std::size_t codec::encode(const message& m, std::span<std::byte> buffer) const {
  const std::size_t written_bytes = encoded_bytes(m);
  const std::size_t size = datagram_bytes(m);
  assert(is_word_aligned(buffer.data()) && size <= buffer.size());
  const std::span datagram = buffer.first(size);
  // The entries of a digest stand at its end, and each of their bytes is written below.
  const std::size_t blank = m.kind == message_kind::digest
                                ? std::min(written_bytes, digest_frame_bytes + list_tag_bytes)
                                : written_bytes;
  std::memset(datagram.data(), 0, blank);
  std::memset(datagram.data() + written_bytes, 0, size - written_bytes);

  const std::span segment = datagram.subspan(header_bytes, written_bytes - header_bytes);
  const std::size_t used =
      m.kind == message_kind::digest ? write_digest(m, segment) : write_reply(m, segment);
  assert(used == segment.size());  // the size model of the packer is exact (I4)
  static_cast<void>(used);
  write_header(m, spoken_, cluster_id_, datagram);
  return size;
}

bool codec::is_of_another_cluster(std::span<const std::byte> datagram) const {
  if (datagram.size() < datagram_bytes_min || datagram.size() % word_bytes != 0 ||
      datagram.size() > datagram_bytes_max_) {
    return false;
  }
  assert(is_word_aligned(datagram.data()));
  // As if I were of that cluster, and spoke all versions.
  const auto cluster = load<std::uint32_t>(datagram.data() + cluster_at);
  const wire_range any(1, 15);
  message header;
  return cluster != cluster_id_ && read_header(datagram, any, cluster, header).has_value();
}

tl::expected<void, drop_reason> codec::decode(std::span<const std::byte> datagram,
                                              message& out) const {
  if (datagram.size() < datagram_bytes_min || datagram.size() % word_bytes != 0 ||
      datagram.size() > datagram_bytes_max_) {
    return tl::unexpected(drop_reason::length);
  }
  assert(is_word_aligned(datagram.data()));
  out.clear();
  const decoded header = read_header(datagram, spoken_, cluster_id_, out);
  if (!header) return header;
  return read_body(datagram.subspan(header_bytes), out);
}

}  // namespace gossipmonger
