#include "wire/columns.hpp"

#include <algorithm>
#include <cassert>

#include "core/exchange/packer.hpp"
#include "core/model/compaction_marker.hpp"
#include "wire/little_endian.hpp"

namespace gossipmonger {
namespace {

using capnp_body::byte_run;

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

bool is_valid_key(const entry_view& entry) {
  if (entry.key == floor_key) return entry.value.size() == marker_bytes;  // no tombstone's
  return is_valid_name(entry.key);
}

}  // namespace

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

}  // namespace gossipmonger
