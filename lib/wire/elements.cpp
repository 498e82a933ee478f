#include "wire/elements.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <type_traits>

#include "core/model/size_limits.hpp"
#include "wire/little_endian.hpp"

namespace gossipmonger {

namespace {

using capnp_body::entry_run;

// Packed fields: gossip.capnp has the bits.
constexpr int alive_age_at = 16;
constexpr std::uint64_t probe_request_bit = std::uint64_t{1} << 40;

unsigned char* write_entry(const packed_entry& entry, unsigned char* to) {
  store(to, entry.name_hash);
  store(to + 8, entry.version_and_heartbeat);
  store(to + 16, entry.generation_and_heartbeat);
  return to + capnp_body::entry_bytes;
}

packed_entry read_entry(const unsigned char* at) {
  return make_entry(load<std::uint64_t>(at), load<std::uint64_t>(at + 8),
                    load<std::uint64_t>(at + 16));
}

bool is_nothing(const packed_entry& entry) {
  return entry.version_and_heartbeat == 0 && entry.generation_and_heartbeat == 0;
}

// Whether these bytes are entries as they stand in memory: then they need not be copied.
bool is_in_place(const entry_run& run) {
  return std::endian::native == std::endian::little && run.stride == sizeof(packed_entry) &&
         reinterpret_cast<std::uintptr_t>(run.first) % alignof(packed_entry) == 0;
}

/// Word `index` of elements that stand in the place of entries from element `first` on.
std::uint64_t read_word(const entry_run& run, std::size_t first, std::size_t index) {
  constexpr std::size_t a_entry = capnp_body::entry_bytes / sizeof(std::uint64_t);
  return load<std::uint64_t>(run.first + (first + index / a_entry) * run.stride +
                             index % a_entry * sizeof(std::uint64_t));
}

}  // namespace

packed_entry make_entry(std::uint64_t name_hash, std::uint64_t version_and_heartbeat,
                        std::uint64_t generation_and_heartbeat) {
  packed_entry entry;
  entry.name_hash = name_hash;
  entry.version_and_heartbeat = version_and_heartbeat;
  entry.generation_and_heartbeat = generation_and_heartbeat;
  return entry;
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

unsigned char* write_suspicions(const std::vector<suspicion_entry>& suspicions, unsigned char* to) {
  for (const suspicion_entry& suspicion : suspicions) {
    assert(suspicion.alive_age <= suspicion_entry::alive_age_max &&
           suspicion.heartbeat <= heartbeat_max);
    assert(suspicion.generation != 0 && suspicion.generation <= generation_max);
    const std::uint64_t ages = suspicion.suspicion_age |
                               std::uint64_t{suspicion.alive_age} << alive_age_at |
                               (suspicion.is_probe_request ? probe_request_bit : 0);
    digest_entry entry;
    entry.name_hash = suspicion.name_hash;
    entry.generation = suspicion.generation;
    entry.max_version = ages;
    entry.heartbeat = suspicion.heartbeat;
    to = write_entry(entry, to);
  }
  return to;
}

bool read_suspicions(const entry_run& run, std::size_t first, std::size_t count,
                     std::vector<suspicion_entry>& out) {
  out.resize(count);
  bool is_good = out.size() <= suspicion_entry::suspicions_max;
  const unsigned char* at = run.first + first * run.stride;
  for (suspicion_entry& suspicion : out) {
    const packed_entry packed = read_entry(at);
    const std::uint64_t ages = packed.max_version();
    at += run.stride;
    suspicion.name_hash = packed.name_hash;
    suspicion.generation = packed.generation();
    suspicion.heartbeat = packed.heartbeat();
    suspicion.suspicion_age = static_cast<std::uint16_t>(ages & suspicion_entry::no_suspicion);
    suspicion.alive_age =
        static_cast<std::uint32_t>(ages >> alive_age_at & suspicion_entry::alive_age_max);
    suspicion.is_probe_request = (ages & probe_request_bit) != 0;
    is_good = is_good && suspicion.generation != 0;
  }
  return is_good;
}

packed_entry read_entry(const entry_run& run, std::size_t index) {
  return read_entry(run.first + index * run.stride);
}

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

unsigned char* write_spared(const std::vector<spared_interval>& spared, unsigned char* to) {
  for (const spared_interval& one : spared) {
    packed_entry entry;
    entry.name_hash = one.name_hash;
    entry.version_and_heartbeat = one.after;
    entry.generation_and_heartbeat = one.upto;
    to = write_entry(entry, to);
  }
  return to;
}

bool read_spared(const entry_run& run, std::size_t first, std::size_t count,
                 std::vector<spared_interval>& out) {
  if (count > spared_max) return false;
  out.clear();
  const unsigned char* at = run.first + first * run.stride;
  for (std::size_t i = 0; i < count; ++i, at += run.stride) {
    const packed_entry entry = read_entry(at);
    const spared_interval one(entry.name_hash, entry.version_and_heartbeat & version_max,
                              entry.generation_and_heartbeat & version_max);
    if (one.after >= one.upto) return false;
    if (!out.empty() && out.back().name_hash > one.name_hash) return false;
    const bool is_of_same = !out.empty() && out.back().name_hash == one.name_hash;
    if (is_of_same && out.back().upto >= one.after) return false;
    out.push_back(one);
  }
  return true;
}

unsigned char* write_root(const std::optional<root_sum>& root, unsigned char* to) {
  if (!root) return to;
  store(to, root->parts);
  store(to + 8, std::uint64_t{root->nodes});
  store(to + 16, std::uint64_t{0});
  return to + capnp_body::entry_bytes;
}

unsigned char* write_buckets(const std::optional<bucket_set>& buckets, unsigned char* to) {
  if (!buckets) return to;
  assert(!buckets->is_empty());
  for (const std::uint64_t word : buckets->as_words()) {
    store(to, word);
    to += sizeof(word);
  }
  store(to, std::uint64_t{0});
  return to + sizeof(std::uint64_t);
}

std::uint64_t read_sum(const entry_run& run, std::size_t first, std::size_t index) {
  constexpr std::size_t a_entry = capnp_body::entry_bytes / sum_bytes;
  const unsigned char* at =
      run.first + (first + index / a_entry) * run.stride + index % a_entry * sum_bytes;
  return load<std::uint32_t>(at) | std::uint64_t{load<std::uint16_t>(at + 4)} << 32;
}

root_sum read_root(const entry_run& run, std::size_t first) {
  root_sum root;
  root.parts = read_word(run, first, 0);
  root.nodes = static_cast<std::uint32_t>(read_word(run, first, 1) & 0xffffffff);
  return root;
}

bool read_buckets(const entry_run& run, std::size_t first, std::optional<bucket_set>& out) {
  bucket_set::words words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = read_word(run, first, i);
  out = bucket_set::of_words(words);
  return !out->is_empty();
}

unsigned char* write_sums(std::span<const std::uint64_t> sums, unsigned char* to) {
  for (const std::uint64_t sum : sums) {
    store(to, static_cast<std::uint32_t>(sum));
    store(to + 4, static_cast<std::uint16_t>(sum >> 32));
    to += sum_bytes;
  }
  return to;
}

}  // namespace gossipmonger
