#include "wire/codec.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "core/exchange/packer.hpp"
#include "core/model/row_sum.hpp"
#include "wire/capnp_body.hpp"
#include "wire/columns.hpp"
#include "wire/elements.hpp"
#include "wire/header.hpp"
#include "wire/little_endian.hpp"

namespace gossipmonger {
namespace {

using capnp_body::byte_run;
using capnp_body::delta_body;
using capnp_body::digest_body;
using capnp_body::entry_run;
using capnp_body::identity_body;
using capnp_body::read_result;
using capnp_body::reply_body;

using decoded = tl::expected<void, drop_reason>;

// Packed fields: gossip.capnp has the bits.
constexpr std::uint64_t left_bit_of_generation = std::uint64_t{1} << 44;
constexpr std::uint64_t live_bit_of_generation = std::uint64_t{1} << 45;
constexpr std::uint64_t gapped_bit = std::uint64_t{1} << 60;
constexpr std::uint64_t fragment_bit = std::uint64_t{1} << 61;
constexpr std::uint64_t entry_count_max = 0xffff;

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

// In a digest's count of suspicions.
constexpr std::size_t name_shared_bit = 0x80;
constexpr std::size_t sums_bit = 0x40;
constexpr std::size_t suspicions_mask = 0x3f;

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
  assert(m.spared.empty() || (known.lo > known.hi && known.unwanted.empty()));
  body.unwanted_count = static_cast<std::uint16_t>(known.unwanted.size() + m.spared.size());
  body.receiver_instance = m.receiver_instance;
  assert(m.partials.size() <= partials_max &&
         m.suspicions.size() <= suspicion_entry::suspicions_max);
  body.partial_count = static_cast<std::uint8_t>(m.partials.size());
  body.suspicion_count =
      static_cast<std::uint8_t>(m.suspicions.size() | (m.is_name_shared ? name_shared_bit : 0U) |
                                (known.root || known.buckets ? sums_bit : 0U));
  assert(known.has_claim() ? !known.root : !known.buckets);
  body.interval = m.interval.bits();
  body.largest_received = m.largest_received;

  const std::size_t count = known.range.size() + known.extra.size() + known.unwanted.size() +
                            m.spared.size() + m.partials.size() + m.suspicions.size() +
                            (known.root ? root_entries : 0) + (known.buckets ? bucket_entries : 0);
  std::size_t used = 0;
  unsigned char* room = capnp_body::write_digest(reinterpret_cast<unsigned char*>(segment.data()),
                                                 segment.size(), body, count, used);
  room = write_entries(known.range, room);
  room = write_entries(known.extra, room);
  room = write_entries(known.unwanted, room);
  room = write_spared(m.spared, room);
  room = write_partials(m.partials, room);
  room = write_suspicions(m.suspicions, room);
  room = write_root(known.root, room);
  write_buckets(known.buckets, room);
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

bool is_of_claim(const digest& known, const entry_list& list) {
  if (!is_ascending_within({list.begin(), list.end()}, known.lo, known.hi)) return false;
  return !known.buckets || std::all_of(list.begin(), list.end(), [&known](const packed_entry& one) {
    return known.buckets->has_hash(one.name_hash);
  });
}

bool has_valid_claim(const digest& known) {
  if (!known.has_claim()) {
    return known.lo == 1 && known.hi == 0 && known.range.empty() && known.unwanted.empty();
  }
  return is_of_claim(known, known.range) && is_of_claim(known, known.unwanted);
}

bool read_unwanted(const entry_run& run, std::size_t first, std::size_t count, message& out) {
  if (out.known.lo > out.known.hi) return read_spared(run, first, count, out.spared);
  return read_entries(run, first, count, unknown_peers::refused, out.known.unwanted);
}

bool take_digest(const digest_body& body, const entry_run& run, message& out) {
  const std::size_t suspicions = body.suspicion_count & suspicions_mask;
  const bool has_sums = (body.suspicion_count & sums_bit) != 0;
  const bool has_root = has_sums && body.lo > body.hi;
  const std::size_t words = has_root ? root_entries : has_sums ? bucket_entries : 0;
  const std::size_t unclaimed =
      std::size_t{body.extra_count} + body.unwanted_count + body.partial_count + suspicions + words;
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
      !read_unwanted(run, known_count, body.unwanted_count, out) ||
      !read_partials(run, known_count + body.unwanted_count, body.partial_count, out.partials) ||
      !read_suspicions(run, run.count - words - suspicions, suspicions, out.suspicions)) {
    return false;
  }
  if (has_root) {
    known.root = read_root(run, run.count - words);
  } else if (has_sums && !read_buckets(run, run.count - words, known.buckets)) {
    return false;
  }
  out.sender = read_entry(run, body.sender_index);
  if (has_receiver) out.receiver = read_entry(run, body.receiver_index);
  out.receiver_instance = body.receiver_instance;
  out.interval = interval_code::from_bits(body.interval);
  out.largest_received = body.largest_received;
  out.is_name_shared = (body.suspicion_count & name_shared_bit) != 0;
  return has_valid_claim(known);
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
    assert(m.partials.size() <= partials_max &&
           m.suspicions.size() <= suspicion_entry::suspicions_max);
    entry_count = m.heartbeats.size() + m.requests.size() + m.partials.size() +
                  m.suspicions.size() + sum_entries(m.sums.size());
    news.partial_count = static_cast<std::uint8_t>(m.partials.size());
    news.heartbeat_count = static_cast<std::uint16_t>(m.heartbeats.size());
    news.suspicion_count = static_cast<std::uint8_t>(m.suspicions.size());
    news.refusal = static_cast<std::uint8_t>(m.refused);
    news.of_root = static_cast<std::uint8_t>(m.of_root);
    assert(m.sums.empty() ||
           (m.sums.size() == sums_in_part(m.sum_bits) && m.of_root != root_answer::none));
    news.sum_bits = m.sum_bits;
    news.sum_part = m.sum_part;
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
    room = write_suspicions(m_.suspicions, room);
    write_sums(m_.sums, room);
  }

  identity_body identity(std::size_t index) override {
    const identity_view& from = m_.identities[index];
    assert(from.generation != 0 && from.generation <= generation_max);
    assert(from.heartbeat <= heartbeat_max && from.silent.count() >= 0);
    identity_body to;
    to.generation = from.generation | (from.has_left ? left_bit_of_generation : 0) |
                    (from.is_live ? live_bit_of_generation : 0);
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

  bool take_news(const capnp_body::news_body& news, const entry_run& run) override {
    const bool has_sums = news.sum_bits != 0;
    if (has_sums && (news.sum_bits < sum_bits_min || news.sum_bits > sum_bits_max)) return false;
    if (has_sums && (news.of_root == 0 || news.sum_part >= sum_parts(news.sum_bits))) return false;
    if (!has_sums && news.sum_part != 0) return false;
    const std::size_t sums = has_sums ? sums_in_part(news.sum_bits) : 0;
    const std::size_t heartbeats = news.heartbeat_count;
    const std::size_t others = news.partial_count + news.suspicion_count + sum_entries(sums);
    if (heartbeats + others > run.count) return false;
    const std::size_t sums_at = run.count - sum_entries(sums);
    const std::size_t suspicions_at = sums_at - news.suspicion_count;
    const std::size_t partials_at = suspicions_at - news.partial_count;
    out_.refused = static_cast<gossipmonger::refusal>(news.refusal);
    out_.of_root = static_cast<root_answer>(news.of_root);
    out_.sum_bits = news.sum_bits;
    out_.sum_part = news.sum_part;
    for (std::size_t i = 0; i < sums; ++i) out_.sums.push_back(read_sum(run, sums_at, i));
    return read_entries(run, 0, heartbeats, unknown_peers::refused, out_.heartbeats) &&
           read_entries(run, heartbeats, partials_at - heartbeats, unknown_peers::allowed,
                        out_.requests) &&
           read_partials(run, partials_at, news.partial_count, out_.partials) &&
           read_suspicions(run, suspicions_at, news.suspicion_count, out_.suspicions);
  }

  bool take_identity(const identity_body& from) override {
    identity_view& to = out_.identities.emplace_back();
    to.name = text_of(from.name.first, from.name.count);
    to.generation = from.generation & generation_max;
    to.has_left = (from.generation & left_bit_of_generation) != 0;
    to.is_live = (from.generation & live_bit_of_generation) != 0;
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
  read_result outcome = read_result::ok;
  if (out.kind == message_kind::digest) {
    digest_body body;
    entry_run entries;
    outcome = capnp_body::read_digest(bytes, segment.size(), body, entries);
    if (outcome == read_result::ok && !take_digest(body, entries, out))
      outcome = read_result::field;
  } else {
    message_sink sink(out);
    outcome = capnp_body::read_reply(bytes, segment.size(), sink);
  }
  if (outcome == read_result::malformed) return tl::unexpected(drop_reason::malformed);
  if (outcome == read_result::field) return tl::unexpected(drop_reason::field);
  return {};
}

[[maybe_unused]] bool is_word_aligned(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at) % word_bytes == 0;
}

}  // namespace

codec::codec(std::uint32_t cluster_id, std::size_t datagram_bytes_max, wire_range spoken)
    : cluster_id_(cluster_id), datagram_bytes_max_(datagram_bytes_max), spoken_(spoken) {
  assert(spoken_.lowest >= 1 && spoken_.lowest <= spoken_.highest && spoken_.highest <= 15);
  assert(spoken_.highest - spoken_.lowest <= versions_below_max);
}

std::size_t codec::encode(const message& m, std::span<std::byte> buffer) const {
  const std::size_t written_bytes = encoded_bytes(m);
  const std::size_t size = datagram_bytes(m, written_bytes);
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
  const std::uint32_t cluster = cluster_of(datagram);
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
