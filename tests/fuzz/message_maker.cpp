#include "message_maker.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/exchange/value_checksums.hpp"
#include "core/model/row_sum.hpp"
#include "gossipmonger/hash.hpp"

namespace gossipmonger {

namespace {

constexpr std::uint64_t any = ~std::uint64_t{0};
constexpr std::uint64_t cookie_max = (std::uint64_t{1} << 48) - 1;
constexpr std::size_t text_bytes_max = 30'000;

// Of few buckets mostly, among them those of all that the claim names.
void fill_buckets(byte_source& from, digest& known) {
  bucket_set& buckets = known.buckets.emplace();
  for (const entry_list* list : {&known.range, &known.unwanted}) {
    for (const packed_entry& one : *list) {
      buckets.add(bucket_of(one.name_hash, bucket_set::bits));
    }
  }
  const unsigned bits = from.flag() ? bucket_set::bits : static_cast<unsigned>(from.below(9));
  for (std::size_t left = 1 + from.below(4); left > 0; --left) {
    buckets.add(from.number(any) % (std::size_t{1} << bits), bits);
  }
}

}  // namespace

std::uint64_t message_maker::hash(byte_source& from) {
  if (words_.hashes.empty()) return from.number(any);
  const std::size_t word = from.below(words_.hashes.size() + 1);
  return word < words_.hashes.size() ? words_.hashes[word] : from.number(any);
}

std::uint64_t message_maker::generation(byte_source& from) {
  const std::size_t choice = words_.generation_base == 0 ? 15 : from.below(16);
  if (choice < 14) return words_.generation_base + choice / 4;
  return 1 + from.number(generation_max - 1);
}

// Small numbers mostly: those meet each other.
std::uint64_t message_maker::count(byte_source& from, std::uint64_t limit) {
  const std::uint8_t choice = words_.generation_base == 0 ? 255 : from.byte();
  return choice < 240 ? choice % 24 : from.number(limit);
}

digest_entry message_maker::entry(byte_source& from) {
  digest_entry made;
  made.name_hash = hash(from);
  made.generation = generation(from);
  made.max_version = count(from, version_max);
  made.heartbeat = count(from, heartbeat_max);
  made.has_left = from.below(16) == 15;
  return made;
}

std::string_view message_maker::key(byte_source& from) {
  if (words_.generation_base != 0) return keep("k" + std::to_string(from.below(10)));
  std::string made(1 + from.byte() % key_bytes_max, 'k');
  for (const std::uint8_t one : from.take(2)) made.back() = static_cast<char>('!' + one % 94);
  text_bytes_ += made.size();
  return keep(std::move(made));
}

std::string_view message_maker::value(byte_source& from) {
  const std::size_t shape = from.below(16);
  std::size_t size = shape < 12 ? shape : from.number(1500);
  size = std::min(size, text_bytes_max - std::min(text_bytes_max, text_bytes_));
  text_bytes_ += size;
  return keep(std::string(size, static_cast<char>(from.byte())));
}

identity_view message_maker::identity(byte_source& from) {
  identity_view who;
  if (words_.names.empty()) {
    std::string name(1 + from.byte() % name_bytes_max, 'n');
    for (const std::uint8_t one : from.take(2)) name.back() = static_cast<char>('!' + one % 94);
    who.name = keep(std::move(name));
    for (std::uint8_t& one : who.address.address) one = from.byte();
    who.address.port = static_cast<std::uint16_t>(from.number(0xffff));
  } else {
    who.name = words_.names[from.below(words_.names.size())];
    who.address = words_.addresses[from.below(words_.addresses.size())];
  }
  who.generation = generation(from);
  who.instance = static_cast<std::uint32_t>(from.below(3));
  who.heartbeat = count(from, heartbeat_max);
  const std::uint8_t state = from.byte();
  who.has_left = state % 16 == 15;
  who.is_live = state >= 128;
  who.silent = std::chrono::milliseconds(from.number(0xffffffff));
  return who;
}

// ------------------------------------------------------------------------------------- digest

void message_maker::fill_list(byte_source& from, digest& known, std::vector<packed_entry>& list) {
  for (std::size_t left = from.below(12); left > 0; --left) list.push_back(entry(from));
  const auto is_outside = [&known](const packed_entry& one) {
    return one.name_hash < known.lo || one.name_hash > known.hi;
  };
  std::erase_if(list, is_outside);
  const auto is_lower = [](const packed_entry& one, const packed_entry& other) {
    return one.name_hash < other.name_hash;
  };
  std::sort(list.begin(), list.end(), is_lower);
  const auto is_equal = [](const packed_entry& one, const packed_entry& other) {
    return one.name_hash == other.name_hash;
  };
  list.erase(std::unique(list.begin(), list.end(), is_equal), list.end());
}

void message_maker::fill_digest(byte_source& from, message& m) {
  digest& known = m.known;
  if (from.below(4) != 0) {
    known.lo = from.flag() ? 0 : hash(from);
    known.hi = from.flag() ? any : hash(from);
    if (known.lo > known.hi) std::swap(known.lo, known.hi);
    fill_list(from, known, known.range.own());
    fill_list(from, known, known.unwanted.own());
  }
  for (std::size_t left = from.below(digest::extra_max - 1); left > 0; --left) {
    known.extra.push_back(entry(from));
  }
  m.sender = entry(from);
  known.extra.push_back(m.sender);
  if (from.flag()) {
    m.receiver = entry(from);
    known.extra.push_back(m.receiver);
  }
  if (known.lo > known.hi) fill_spared(from, m);
  fill_partials(from, m);
}

void message_maker::fill_spared(byte_source& from, message& m) {
  for (std::size_t left = from.below(16) / 4; left > 0; --left) {
    const std::uint64_t after = count(from, version_max - 1);
    m.spared.emplace_back(hash(from), after, after + 1 + from.byte());
    if (m.spared.back().upto > version_max) m.spared.back().upto = version_max;
  }
  std::sort(m.spared.begin(), m.spared.end());
  const auto is_joined = [](const spared_interval& one, const spared_interval& next) {
    return one.name_hash == next.name_hash && one.upto >= next.after;
  };
  m.spared.erase(std::unique(m.spared.begin(), m.spared.end(), is_joined), m.spared.end());
}

// Of young ages mostly, so that signs of life and suspicions meet.
void message_maker::fill_suspicions(byte_source& from, message& m) {
  for (std::size_t left = from.below(16) / 3; left > 0; --left) {
    suspicion_entry& suspicion = m.suspicions.emplace_back();
    suspicion.name_hash = hash(from);
    suspicion.generation = generation(from);
    suspicion.heartbeat = count(from, heartbeat_max);
    const bool is_young = from.below(4) != 0;
    suspicion.suspicion_age =
        static_cast<std::uint16_t>(is_young ? from.byte() : from.number(0xffff));
    suspicion.alive_age = static_cast<std::uint32_t>(
        is_young ? from.byte() : from.number(suspicion_entry::alive_age_max));
    suspicion.is_probe_request = from.below(4) == 3;
  }
}

void message_maker::fill_partials(byte_source& from, message& m) {
  for (std::size_t left = from.below(16) / 4; left > 0; --left) {
    partial_entry partial;
    partial.name_hash = hash(from);
    partial.generation = generation(from);
    partial.version = std::max<std::uint64_t>(1, count(from, version_max));
    partial.offset = static_cast<std::uint32_t>(1 + from.number(offset_max - 1));
    m.partials.push_back(partial);
  }
  const auto is_lower = [](const partial_entry& one, const partial_entry& other) {
    return one.name_hash < other.name_hash;
  };
  std::sort(m.partials.begin(), m.partials.end(), is_lower);
  const auto is_equal = [](const partial_entry& one, const partial_entry& other) {
    return one.name_hash == other.name_hash;
  };
  m.partials.erase(std::unique(m.partials.begin(), m.partials.end(), is_equal), m.partials.end());
}

// -------------------------------------------------------------------------------------- reply

// Fragments of few different values, so that those of one meet; as a rule with its checksum.
void message_maker::fill_fragment(byte_source& from, message& m) {
  constexpr std::size_t step = 256;
  const std::string_view name = key(from);
  const std::size_t size = 1 + step * (1 + from.below(8)) + from.below(2);
  const std::string whole(size, static_cast<char>('a' + from.below(3)));
  const std::size_t offset = from.below(8) < 6 ? step * from.below(8) : from.number(size - 1);
  if (offset >= size || text_bytes_ + size > text_bytes_max) return;
  const std::size_t most = size - offset;
  const std::size_t length = from.flag() ? most : std::min(most, step * (1 + from.below(3)));
  text_bytes_ += length;

  delta_view delta;
  delta.name_hash = hash(from);
  delta.generation = generation(from);
  delta.after = position(count(from, version_max), static_cast<std::uint32_t>(offset));
  const std::uint64_t gap = from.below(4) == 3 ? 1 + count(from, version_max) : 1;
  if (gap > version_max - delta.after.version) return;
  entry_view one;
  one.key = name;
  one.value = keep(whole.substr(offset, length));
  one.version = delta.after.version + gap;
  const bool is_last = offset + length == size;
  delta.upto = is_last ? position(one.version)
                       : position(delta.after.version, static_cast<std::uint32_t>(offset + length));
  delta.value_bytes = static_cast<std::uint32_t>(size);
  delta.value_checksum = value_checksum(make_cluster_key("default"), name, whole);
  if (from.below(8) == 7) delta.value_checksum ^= from.byte();
  delta.top = std::min(version_max, one.version + count(from, version_max));
  delta.first_entry = m.entries.size();
  delta.entry_count = 1;
  m.entries.push_back(one);
  m.deltas.push_back(delta);
}

void message_maker::fill_delta(byte_source& from, message& m) {
  delta_view delta;
  delta.name_hash = hash(from);
  delta.generation = generation(from);
  delta.after = position(std::min(count(from, version_max), version_max - 1));
  delta.first_entry = m.entries.size();
  const bool is_gapped = from.flag();
  std::uint64_t version = delta.after.version;
  for (std::size_t left = from.below(24); left > 0; --left) {
    const std::uint64_t gap = is_gapped ? 1 + count(from, version_max) : 1;
    if (gap > version_max - version) break;
    version += gap;
    entry_view one;
    one.version = version;
    const std::size_t shape = from.below(16);
    if (shape == 0) {
      std::string floor(8, '\0');
      floor[0] = static_cast<char>(from.byte());
      if (from.flag()) floor[7] = static_cast<char>(from.byte());
      one.value = keep(std::move(floor));
    } else {
      one.key = key(from);
      one.is_tombstone = shape < 4;
      if (!one.is_tombstone) one.value = value(from);
    }
    m.entries.push_back(one);
    if (text_bytes_ >= text_bytes_max) break;
  }
  delta.entry_count = m.entries.size() - delta.first_entry;
  const std::uint64_t beyond = from.below(3) + (delta.entry_count == 0 ? 1 : 0);
  delta.upto = position(std::min(version_max, version + beyond));
  delta.top = std::min(version_max, delta.upto.version + count(from, version_max));
  if (delta.after < delta.upto) m.deltas.push_back(delta);
}

void message_maker::fill_reply(byte_source& from, message& m) {
  m.sender = entry(from);
  if (from.flag()) m.receiver = entry(from);
  for (std::size_t left = from.below(4); left > 0; --left) m.identities.push_back(identity(from));
  for (std::size_t left = from.below(4); left > 0; --left) m.heartbeats.push_back(entry(from));
  for (std::size_t left = from.below(4); left > 0; --left) {
    m.requests.push_back(entry(from));
    if (!from.flag()) continue;
    digest_entry unknown;
    unknown.name_hash = m.requests.back().name_hash;
    m.requests.own().back() = unknown;
  }
  fill_partials(from, m);
  for (std::size_t left = from.below(4); left > 0; --left) {
    if (text_bytes_ >= text_bytes_max) break;
    if (from.below(3) == 2) {
      fill_fragment(from, m);
    } else {
      fill_delta(from, m);
    }
  }
}

// A kept input mostly lacks these features, and goes on to mean what it meant.
void message_maker::fill_sums(byte_source& from, message& m) {
  constexpr unsigned flags = 0xc0;
  if ((m.features & flags) != flags) return;
  m.features |= feature_sums;
  if (m.kind != message_kind::digest) {
    m.of_root = static_cast<root_answer>(from.below(16));
    if (m.of_root == root_answer::none || !from.flag()) return;
    m.sum_bits =
        static_cast<std::uint8_t>(sum_bits_min + from.below(1 + sum_bits_max - sum_bits_min));
    m.sum_part = static_cast<std::uint8_t>(from.below(sum_parts(m.sum_bits)));
    m.sums.resize(sums_in_part(m.sum_bits));
    for (std::size_t left = from.below(16); left > 0; --left) {
      const std::size_t place = from.number(any) % m.sums.size();
      m.sums[place] = from.number((std::uint64_t{1} << 48) - 1);
    }
    return;
  }
  if (!from.flag()) return;
  if (m.known.has_claim()) {
    fill_buckets(from, m.known);
  } else {
    root_sum& root = m.known.root.emplace();
    root.parts = from.number(any);
    root.nodes = static_cast<std::uint32_t>(from.number(0xffffffff));
  }
}

void message_maker::fill(byte_source& from, message& m) {
  m.clear();
  texts_.clear();
  text_bytes_ = 0;
  m.kind = static_cast<message_kind>(1 + from.below(3));
  m.features = from.byte();
  m.more = from.below(4) == 3;
  m.cookie_echo = from.number(cookie_max);
  m.cookie = from.number(cookie_max);
  m.padded_bytes = from.below(4) == 3 ? 8 * from.below(100) : 0;
  m.receiver_instance = static_cast<std::uint32_t>(from.number(0xffffffff));
  // These take no bytes of their own: an input that was kept goes on to mean what it meant.
  if (m.kind == message_kind::digest) {
    m.interval = interval_code::from_bits(static_cast<std::uint8_t>(m.receiver_instance));
    fill_digest(from, m);
  } else {
    m.refused = static_cast<refusal>(m.features % 8);
    fill_reply(from, m);
  }
  fill_suspicions(from, m);
  if (m.kind == message_kind::digest) {
    m.largest_received = from.byte();
    m.is_name_shared = from.below(2) == 1;
  }
  fill_sums(from, m);
}

}  // namespace gossipmonger
