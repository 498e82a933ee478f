#include "core/exchange/packer.hpp"

#include <algorithm>
#include <cassert>

#include "core/model/row_sum.hpp"

namespace gossipmonger {

namespace {

constexpr std::size_t word = 8;
constexpr std::size_t root_pointer = word;
constexpr std::size_t list_tag = list_tag_bytes;
static_assert(digest_frame_bytes == header_bytes + root_pointer + 4 * word + 1 * word);
static_assert(reply_frame_bytes == header_bytes + root_pointer + 6 * word + 2 * word);
constexpr std::size_t news_frame = 1 * word + 2 * word;
constexpr std::size_t identity_frame = 6 * word + 1 * word;
constexpr std::size_t delta_frame = 5 * word + 1 * word;
constexpr std::size_t checksum_bytes = word;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + word - 1) / word * word; }

std::size_t list_bytes(std::size_t entries) {
  return entries == 0 ? 0 : list_tag + entries * entry_bytes;
}

/// Bytes of an entry in its delta's columns, without its version gap.
std::size_t entry_column_bytes(const entry_view& entry) {
  const std::size_t length = entry.is_tombstone ? 1 : varint_bytes(entry.value.size() + 1);
  return 1 + length + entry.key.size() + entry.value.size();
}

/// Bytes of a fragment in its delta's columns, without those of the value.
std::size_t fragment_frame(const entry_view& entry, std::uint64_t gap, std::size_t value_bytes) {
  const std::size_t gaps = gap == 1 ? 0 : varint_bytes(gap);
  return gaps + 1 + varint_bytes(value_bytes + 1) + checksum_bytes + entry.key.size();
}

std::size_t column_bytes(const message& m, const delta_view& delta) {
  if (delta.value_bytes > 0) {
    const entry_view& entry = m.entries[delta.first_entry];
    return fragment_frame(entry, entry.version - delta.after.version, delta.value_bytes) +
           entry.value.size();
  }
  std::size_t columns = 0;
  std::size_t gaps = 0;
  bool is_gapped = false;
  std::uint64_t previous = delta.after.version;
  for (std::size_t i = 0; i < delta.entry_count; ++i) {
    const entry_view& entry = m.entries[delta.first_entry + i];
    const std::uint64_t gap = entry.version - previous;
    previous = entry.version;
    is_gapped = is_gapped || gap != 1;
    gaps += varint_bytes(gap);
    columns += entry_column_bytes(entry);
  }
  return columns + (is_gapped ? gaps : 0);
}

}  // namespace

std::size_t encoded_bytes(const message& m) {
  if (m.kind == message_kind::digest) {
    const digest& known = m.known;
    const std::size_t others =
        (known.root ? root_entries : 0) + (known.buckets ? bucket_entries : 0);
    return digest_frame_bytes +
           list_bytes(known.range.size() + known.extra.size() + known.unwanted.size() +
                      m.spared.size() + m.partials.size() + m.suspicions.size() + others);
  }

  std::size_t bytes = reply_frame_bytes;
  if (!m.deltas.empty()) {
    bytes += list_tag;
    for (const delta_view& delta : m.deltas) bytes += delta_frame + padded(column_bytes(m, delta));
  }
  const std::size_t entries = m.heartbeats.size() + m.requests.size() + m.partials.size() +
                              m.suspicions.size() + sum_entries(m.sums.size());
  const bool is_bare = m.refused == refusal::none && m.of_root == root_answer::none;
  if (entries + m.identities.size() > 0 || !is_bare) {
    bytes += news_frame + list_bytes(entries);
  }
  if (!m.identities.empty()) {
    bytes += list_tag;
    for (const identity_view& who : m.identities) bytes += identity_frame + padded(who.name.size());
  }
  return bytes;
}

std::size_t datagram_bytes(const message& m) { return datagram_bytes(m, encoded_bytes(m)); }

std::size_t datagram_bytes(const message& m, std::size_t encoded) {
  return std::max(encoded, padded(m.padded_bytes));
}

std::size_t entry_bytes_limit(std::size_t datagram_bytes_max) {
  // In an exchange by sums each datagram says which leg it is, as news.
  const std::size_t frame = seal_bytes + reply_frame_bytes + news_frame + list_tag + delta_frame;
  const std::size_t lengths = varint_bytes(version_max) + 1 + varint_bytes(datagram_bytes_max);
  return (datagram_bytes_max - frame) / word * word - lengths;
}

packer::packer(message& out, message_kind kind, std::size_t budget_bytes)
    : out_(out),
      budget_(budget_bytes),
      bytes_(kind == message_kind::digest ? digest_frame_bytes : reply_frame_bytes) {
  assert(bytes_ <= budget_);
  out.clear();
  out.kind = kind;
}

std::size_t packer::entries_frame() const {
  if (has_entries_) return 0;
  const bool is_news = out_.kind != message_kind::digest;
  return list_tag + (is_news && !has_news() ? news_frame : 0);
}

bool packer::try_take_entry() {
  if (!try_take(entries_frame() + entry_bytes)) return false;
  has_entries_ = true;
  return true;
}

std::size_t packer::take_entries(std::size_t count) {
  const std::size_t frame = entries_frame();
  const std::size_t room = (bytes_left() - std::min(bytes_left(), frame)) / entry_bytes;
  const std::size_t taken = std::min(count, room);
  if (taken == 0) return 0;
  bytes_ += frame + taken * entry_bytes;
  has_entries_ = true;
  return taken;
}

std::size_t packer::add_range(std::span<const packed_entry> entries) {
  const std::size_t added = take_entries(entries.size());
  out_.known.range.borrow(entries.first(added));
  return added;
}

bool packer::try_add_extra(const digest_entry& entry) {
  if (out_.known.extra.size() == digest::extra_max || !try_take_entry()) return false;
  out_.known.extra.push_back(entry);
  return true;
}

bool packer::try_add_unwanted(const digest_entry& entry) {
  if (!try_take_entry()) return false;
  out_.known.unwanted.push_back(entry);
  return true;
}

bool packer::try_add_identity(const identity_view& identity) {
  const std::size_t frame =
      (has_news() ? 0 : news_frame) + (out_.identities.empty() ? list_tag : 0);
  if (!try_take(frame + identity_frame + padded(identity.name.size()))) return false;
  out_.identities.push_back(identity);
  return true;
}

bool packer::try_add_request(const digest_entry& entry) {
  if (!try_take_entry()) return false;
  out_.requests.push_back(entry);
  return true;
}

bool packer::try_add_partial(const partial_entry& partial) {
  std::vector<partial_entry>& list = out_.partials;
  const auto place = std::lower_bound(
      list.begin(), list.end(), partial.name_hash,
      [](const partial_entry& one, std::uint64_t hash) { return one.name_hash < hash; });
  if (place != list.end() && place->name_hash == partial.name_hash) return true;
  if (list.size() == partials_max) return false;
  if (!try_take_entry()) return false;
  list.insert(place, partial);
  return true;
}

bool packer::try_add_spared(const spared_interval& interval) {
  assert(out_.known.lo > out_.known.hi);
  if (out_.spared.size() == spared_max || !try_take_entry()) return false;
  out_.spared.push_back(interval);
  return true;
}

bool packer::try_set_refusal(refusal reason) {
  assert(out_.kind != message_kind::digest && out_.refused == refusal::none);
  if (!try_take(has_news() ? 0 : news_frame)) return false;
  out_.refused = reason;
  return true;
}

bool packer::try_set_root(const root_sum& root) {
  assert(out_.kind == message_kind::digest && !out_.known.has_claim() && !out_.known.root);
  if (!try_take(entries_frame() + root_entries * entry_bytes)) return false;
  has_entries_ = true;
  out_.known.root = root;
  return true;
}

bool packer::try_set_buckets(const bucket_set& buckets) {
  assert(out_.kind == message_kind::digest && !out_.known.buckets);
  if (!try_take(entries_frame() + bucket_entries * entry_bytes)) return false;
  has_entries_ = true;
  out_.known.buckets = buckets;
  return true;
}

bool packer::try_answer_root(root_answer answer) {
  assert(out_.kind != message_kind::digest && out_.of_root == root_answer::none);
  if (!try_take(has_news() ? 0 : news_frame)) return false;
  out_.of_root = answer;
  return true;
}

bool packer::try_reserve_sums(unsigned bits, unsigned part) {
  assert(out_.of_root != root_answer::none && out_.sums.empty() && part < sum_parts(bits));
  const std::size_t count = sums_in_part(bits);
  if (!try_take(entries_frame() + sum_entries(count) * entry_bytes)) return false;
  has_entries_ = true;
  out_.sums.resize(count);
  out_.sum_bits = static_cast<std::uint8_t>(bits);
  out_.sum_part = static_cast<std::uint8_t>(part);
  return true;
}

bool packer::try_add_suspicion(const suspicion_entry& entry) {
  if (out_.suspicions.size() == suspicion_entry::suspicions_max) return false;
  if (!try_take_entry()) return false;
  out_.suspicions.push_back(entry);
  return true;
}

bool packer::try_open_delta(std::uint64_t name_hash, std::uint64_t generation, position after,
                            std::uint64_t top) {
  if (!try_take(delta_frame + (out_.deltas.empty() ? list_tag : 0))) return false;
  delta_view& delta = out_.deltas.emplace_back();
  delta.name_hash = name_hash;
  delta.generation = generation;
  delta.after = after;
  delta.upto = after;
  delta.top = top;
  delta.first_entry = out_.entries.size();
  gap_bytes_ = 0;
  column_bytes_ = 0;
  last_version_ = after.version;
  is_gapped_ = false;
  return true;
}

bool packer::try_add_entry(const entry_view& entry) {
  assert(!out_.deltas.empty());
  delta_view& delta = out_.deltas.back();
  assert(entry.version > delta.upto.version);
  const std::uint64_t gap = entry.version - last_version_;
  const std::size_t gaps = gap_bytes_ + varint_bytes(gap);
  const std::size_t columns = column_bytes_ + entry_column_bytes(entry);
  const bool is_gapped = is_gapped_ || gap != 1;
  const std::size_t before = padded(column_bytes_ + (is_gapped_ ? gap_bytes_ : 0));
  if (delta.entry_count == 0xffff) return false;
  if (!try_take(padded(columns + (is_gapped ? gaps : 0)) - before)) return false;
  gap_bytes_ = gaps;
  column_bytes_ = columns;
  last_version_ = entry.version;
  is_gapped_ = is_gapped;
  out_.entries.push_back(entry);
  ++delta.entry_count;
  delta.upto = position(entry.version);
  return true;
}

void packer::extend_delta(std::uint64_t upto) {
  assert(!out_.deltas.empty());
  delta_view& delta = out_.deltas.back();
  if (upto > delta.upto.version) delta.upto = position(upto);
}

bool packer::try_add_fragment(std::uint64_t name_hash, std::uint64_t generation, position after,
                              std::uint64_t top, const entry_view& entry,
                              std::uint64_t value_checksum) {
  assert(after.version < entry.version && after.offset < entry.value.size());
  const std::size_t frame = delta_frame + (out_.deltas.empty() ? list_tag : 0);
  const std::size_t columns =
      fragment_frame(entry, entry.version - after.version, entry.value.size());
  const std::size_t room = bytes_left() < frame ? 0 : (bytes_left() - frame) / word * word;
  const std::size_t rest = entry.value.size() - after.offset;
  if (room < columns + std::min(rest, fragment_bytes_min)) return false;
  const std::size_t count = std::min(rest, room - columns);
  if (!try_take(frame + padded(columns + count))) return false;

  delta_view& delta = out_.deltas.emplace_back();
  delta.name_hash = name_hash;
  delta.generation = generation;
  delta.after = after;
  delta.upto = count == rest
                   ? position(entry.version)
                   : position(after.version, after.offset + static_cast<std::uint32_t>(count));
  delta.top = top;
  delta.first_entry = out_.entries.size();
  delta.entry_count = 1;
  delta.value_bytes = static_cast<std::uint32_t>(entry.value.size());
  delta.value_checksum = value_checksum;
  entry_view& part = out_.entries.emplace_back(entry);
  part.value = entry.value.substr(after.offset, count);
  return true;
}

void packer::close_delta() {
  assert(!out_.deltas.empty());
  const delta_view& delta = out_.deltas.back();
  if (delta.after < delta.upto) return;
  out_.deltas.pop_back();
  bytes_ -= delta_frame + (out_.deltas.empty() ? list_tag : 0);
}

}  // namespace gossipmonger
