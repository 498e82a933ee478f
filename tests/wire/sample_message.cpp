#include "sample_message.hpp"

#include <algorithm>

#include "core/model/row_sum.hpp"

namespace gossipmonger {
namespace {

// A number of up to `limit`, small and huge ones alike.
std::uint64_t draw(random_source& numbers, std::uint64_t limit) {
  const std::uint64_t number = numbers.next() >> numbers.below(64);
  return limit == ~std::uint64_t{0} ? number : number % (limit + 1);
}

digest_entry draw_entry(random_source& numbers, std::uint64_t name_hash) {
  digest_entry entry;  // one draw a statement: the order of arguments is the compiler's
  entry.name_hash = name_hash;
  entry.generation = 1 + draw(numbers, generation_max - 1);
  entry.max_version = draw(numbers, version_max);
  entry.heartbeat = draw(numbers, heartbeat_max);
  entry.has_left = numbers.below(4) == 0;
  return entry;
}

void add_random_suspicions(message& m, random_source& numbers) {
  if (numbers.below(3) != 0) return;
  for (std::size_t left = numbers.below(suspicion_entry::suspicions_max + 1); left != 0; --left) {
    suspicion_entry& suspicion = m.suspicions.emplace_back();
    suspicion.name_hash = numbers.next();
    suspicion.generation = 1 + draw(numbers, generation_max - 1);
    suspicion.heartbeat = draw(numbers, heartbeat_max);
    suspicion.suspicion_age =
        static_cast<std::uint16_t>(draw(numbers, suspicion_entry::no_suspicion));
    suspicion.alive_age = static_cast<std::uint32_t>(draw(numbers, suspicion_entry::alive_age_max));
    suspicion.is_probe_request = numbers.below(2) != 0;
  }
}

std::string_view draw_text(random_source& numbers, std::vector<std::string>& texts,
                           std::size_t shortest, std::size_t longest) {
  std::string text(shortest + numbers.below(longest - shortest + 1), ' ');
  for (char& letter : text) letter = static_cast<char>('!' + numbers.below(94));
  return texts.emplace_back(std::move(text));
}

void fill_list(entry_list& list, std::size_t count, std::uint64_t lo, std::uint64_t hi,
               random_source& numbers) {
  std::vector<std::uint64_t> hashes(count);
  for (std::uint64_t& hash : hashes) hash = lo + draw(numbers, hi - lo);
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  for (const std::uint64_t hash : hashes) list.push_back(draw_entry(numbers, hash));
}

void fill_partials(message& m, random_source& numbers) {
  std::vector<std::uint64_t> hashes(numbers.below(4) == 0 ? numbers.below(8) : 0);
  for (std::uint64_t& hash : hashes) hash = numbers.next();
  std::sort(hashes.begin(), hashes.end());
  for (const std::uint64_t hash : hashes) {
    partial_entry& partial = m.partials.emplace_back();
    partial.name_hash = hash;
    partial.generation = 1 + draw(numbers, generation_max - 1);
    partial.version = 1 + draw(numbers, version_max - 1);
    partial.offset = static_cast<std::uint32_t>(1 + draw(numbers, offset_max - 1));
  }
}

void fill_spared(message& m, random_source& numbers) {
  for (std::uint64_t left = numbers.below(6); left > 0; --left) {
    const std::uint64_t hash = m.spared.empty() ? numbers.next() / 2 : m.spared.back().name_hash;
    const std::uint64_t step = numbers.below(2);
    const std::uint64_t base = m.spared.empty() || step != 0 ? 0 : m.spared.back().upto + 1;
    const std::uint64_t after = base + draw(numbers, 1000);
    m.spared.emplace_back(hash + step, after, after + 1 + draw(numbers, 1000));
  }
}

// Buckets with all that the claim names, and at least one other.
void fill_buckets(digest& known, random_source& numbers) {
  bucket_set& buckets = known.buckets.emplace();
  for (const entry_list* list : {&known.range, &known.unwanted}) {
    for (const packed_entry& one : *list) {
      buckets.add(bucket_of(one.name_hash, bucket_set::bits));
    }
  }
  for (std::uint64_t left = 1 + numbers.below(20); left > 0; --left) {
    buckets.add(numbers.below(bucket_set::count));
  }
}

void fill_random_digest(message& m, random_source& numbers) {
  digest& known = m.known;
  if (numbers.below(4) != 0) {
    known.lo = draw(numbers, ~std::uint64_t{0});
    known.hi = known.lo + draw(numbers, ~known.lo);
    fill_list(known.range, numbers.below(60), known.lo, known.hi, numbers);
    fill_list(known.unwanted, numbers.below(5), known.lo, known.hi, numbers);
    if (numbers.below(2) != 0) fill_buckets(known, numbers);
  } else if (numbers.below(2) != 0) {
    root_sum& root = known.root.emplace();
    root.parts = draw(numbers, ~std::uint64_t{0});
    root.nodes = static_cast<std::uint32_t>(draw(numbers, 0xffffffff));
  }
  const std::size_t extra = (known.range.empty() ? 1 : 0) + numbers.below(digest::extra_max);
  for (std::size_t i = 0; i < extra; ++i) {
    known.extra.push_back(draw_entry(numbers, numbers.next()));
  }
  const auto pick = [&] {
    const std::size_t at = numbers.below(known.range.size() + known.extra.size());
    return at < known.range.size() ? known.range[at] : known.extra[at - known.range.size()];
  };
  m.sender = pick();
  if (numbers.below(3) != 0) m.receiver = pick();
  if (numbers.below(3) != 0) {
    m.interval = interval_code::from_bits(static_cast<std::uint8_t>(numbers.next()));
  }
  if (known.lo > known.hi) fill_spared(m, numbers);
  fill_partials(m, numbers);
  m.largest_received = static_cast<std::uint8_t>(numbers.below(256));
}

void add_random_fragment(message& m, std::vector<std::string>& texts, random_source& numbers) {
  delta_view& delta = m.deltas.emplace_back();
  delta.name_hash = numbers.next();
  delta.generation = 1 + draw(numbers, generation_max - 1);
  delta.first_entry = m.entries.size();
  delta.entry_count = 1;
  const std::string_view part = draw_text(numbers, texts, 1, 300);
  const auto rest = static_cast<std::uint32_t>(part.size());
  delta.after = position(draw(numbers, version_max / 2),
                         static_cast<std::uint32_t>(draw(numbers, offset_max - rest)));
  const std::uint64_t gap = numbers.below(2) == 0 ? 1 : 1 + draw(numbers, version_max / 4);
  const std::uint64_t version = delta.after.version + gap;
  m.entries.push_back(make_value(draw_text(numbers, texts, 1, 20), part, version));
  const std::uint32_t end = delta.after.offset + rest;
  const bool is_last = numbers.below(2) == 0 || end == offset_max;
  delta.value_bytes =
      is_last ? end : end + 1 + static_cast<std::uint32_t>(draw(numbers, offset_max - end - 1));
  delta.upto = is_last ? position(version) : position(delta.after.version, end);
  delta.value_checksum = numbers.next();
  delta.top = version + draw(numbers, version_max / 8);
}

void add_random_delta(message& m, std::vector<std::string>& texts, random_source& numbers) {
  delta_view& delta = m.deltas.emplace_back();
  delta.name_hash = numbers.next();
  delta.generation = 1 + draw(numbers, generation_max - 1);
  delta.first_entry = m.entries.size();
  delta.entry_count = numbers.below(40);
  const bool is_gapped = numbers.below(2) != 0;
  delta.after = position(draw(numbers, version_max / 2));
  std::uint64_t version = delta.after.version;
  for (std::size_t i = 0; i < delta.entry_count; ++i) {
    version += 1 + (is_gapped ? draw(numbers, std::uint64_t{1} << 40) : 0);
    const std::uint64_t shape = numbers.below(10);
    const std::string_view key = draw_text(numbers, texts, 1, numbers.below(20) == 0 ? 255 : 20);
    if (shape == 0) {
      m.entries.push_back(make_value(floor_key, draw_text(numbers, texts, 8, 8), version));
    } else if (shape == 1) {
      m.entries.push_back(make_tombstone(key, version));
    } else {
      const std::size_t longest = shape == 2 ? 400 : 50;
      m.entries.push_back(make_value(key, draw_text(numbers, texts, 0, longest), version));
    }
  }
  const std::uint64_t least = delta.entry_count == 0 ? 1 : 0;
  delta.upto = position(version + least + numbers.below(2));
  delta.top = std::min(version_max, delta.upto.version + draw(numbers, version_max / 4));
}

void fill_random_sums(message& m, random_source& numbers) {
  if (numbers.below(3) == 0) return;
  m.of_root = static_cast<root_answer>(numbers.below(256));  // bits of a later schema, too
  if (m.of_root == root_answer::none || numbers.below(2) == 0) return;
  m.sum_bits =
      static_cast<std::uint8_t>(sum_bits_min + numbers.below(1 + sum_bits_max - sum_bits_min));
  m.sum_part = static_cast<std::uint8_t>(numbers.below(sum_parts(m.sum_bits)));
  m.sums.resize(sums_in_part(m.sum_bits));
  for (std::uint64_t& sum : m.sums) sum = draw(numbers, (std::uint64_t{1} << 48) - 1);
}

void fill_random_reply(message& m, std::vector<std::string>& texts, random_source& numbers) {
  m.sender = draw_entry(numbers, numbers.next());
  if (numbers.below(3) != 0) m.receiver = draw_entry(numbers, numbers.next());
  if (numbers.below(4) == 0) m.refused = static_cast<refusal>(1 + numbers.below(255));
  for (std::size_t left = numbers.below(4); left != 0; --left) {
    if (numbers.below(4) == 0) {
      add_random_fragment(m, texts, numbers);
    } else {
      add_random_delta(m, texts, numbers);
    }
  }
  for (std::size_t left = numbers.below(6); left != 0; --left) {
    m.heartbeats.push_back(draw_entry(numbers, numbers.next()));
  }
  for (std::size_t left = numbers.below(6); left != 0; --left) {
    const bool is_unknown = numbers.below(2) != 0;
    m.requests.push_back(is_unknown ? make_entry(numbers.next(), 0, 0, 0)
                                    : draw_entry(numbers, numbers.next()));
  }
  fill_partials(m, numbers);
  fill_random_sums(m, numbers);
  for (std::size_t left = numbers.below(4); left != 0; --left) {
    identity_view& who = m.identities.emplace_back();
    who.name = draw_text(numbers, texts, 1, 255);
    who.generation = 1 + draw(numbers, generation_max - 1);
    who.instance = static_cast<std::uint32_t>(numbers.next());
    who.heartbeat = draw(numbers, heartbeat_max);
    who.has_left = numbers.below(2) != 0;
    who.is_live = numbers.below(2) != 0;
    for (std::uint8_t& byte : who.address.address) {
      byte = static_cast<std::uint8_t>(numbers.below(256));
    }
    who.address.port = static_cast<std::uint16_t>(numbers.next());
    who.silent = std::chrono::milliseconds(draw(numbers, 0xffffffff));
  }
}

bool is_same_identity(const identity_view& a, const identity_view& b) {
  return a.name == b.name && a.generation == b.generation && a.instance == b.instance &&
         a.heartbeat == b.heartbeat && a.has_left == b.has_left && a.is_live == b.is_live &&
         a.address == b.address && a.silent == b.silent;
}

bool is_same_delta(const delta_view& a, const delta_view& b) {
  return a.name_hash == b.name_hash && a.generation == b.generation && a.after == b.after &&
         a.upto == b.upto && a.top == b.top && a.first_entry == b.first_entry &&
         a.entry_count == b.entry_count && a.value_bytes == b.value_bytes &&
         a.value_checksum == b.value_checksum;
}

bool is_same_entry(const entry_view& a, const entry_view& b) {
  return a.key == b.key && a.value == b.value && a.version == b.version &&
         a.sequence == b.sequence && a.is_tombstone == b.is_tombstone;
}

digest_entry receiver_of(const message& m) {
  digest_entry receiver = m.receiver;
  if (receiver.generation == 0) return {};
  if (m.kind != message_kind::digest) receiver.name_hash &= 0xffffffff;
  return receiver;
}

}  // namespace

digest_entry make_entry(std::uint64_t name_hash, std::uint64_t generation,
                        std::uint64_t max_version, std::uint64_t heartbeat) {
  digest_entry entry;
  entry.name_hash = name_hash;
  entry.generation = generation;
  entry.max_version = max_version;
  entry.heartbeat = heartbeat;
  return entry;
}

entry_view make_value(std::string_view key, std::string_view value, std::uint64_t version) {
  entry_view entry;
  entry.key = key;
  entry.value = value;
  entry.version = version;
  return entry;
}

entry_view make_tombstone(std::string_view key, std::uint64_t version) {
  entry_view entry = make_value(key, {}, version);
  entry.is_tombstone = true;
  return entry;
}

void fill_sample_digest(message& m) {
  m.clear();
  m.kind = message_kind::digest;
  m.features = 5;
  m.cookie_echo = 0x060504030201;
  m.cookie = 0x0c0b0a090807;
  m.known.lo = 0x10;
  m.known.hi = 0x30;
  m.known.range.push_back(make_entry(0x20, 0x123, 5, 0x100002));
  digest_entry left = make_entry(0x40, 7, 9, 3);
  left.has_left = true;
  m.known.extra.push_back(left);
  m.known.unwanted.push_back(make_entry(0x30, 1, 0, 0));
  m.sender = m.known.range[0];
  m.receiver = m.known.extra[0];
  m.receiver_instance = 0xdeadbeef;
  m.interval = interval_code(std::chrono::milliseconds(1000));
  m.largest_received = 0x72;
  m.is_name_shared = true;
}

void fill_sample_reply(message& m) {
  m.clear();
  m.kind = message_kind::reply;
  m.more = true;
  m.sender = make_entry(0x1122334455667788, 2, 3, 4);
  m.receiver = make_entry(0xa1b2c3d4e5f60718, 5, 6, 7);
  m.receiver_instance = 9;
  m.refused = refusal::capacity;

  delta_view& delta = m.deltas.emplace_back();
  delta.name_hash = 0xaa;
  delta.generation = 0x0b;
  delta.upto = position(4);
  delta.top = 5;
  delta.entry_count = 3;
  m.entries.push_back(make_value("k", "abc", 1));
  m.entries.push_back(make_tombstone("\xc3\xa9", 3));
  m.entries.push_back(make_value(floor_key, "12345678", 4));

  m.heartbeats.push_back(make_entry(1, 1, 2, 3));
  m.requests.push_back(make_entry(2, 0, 0, 0));
  identity_view& who = m.identities.emplace_back();
  who.name = "n1";
  who.generation = 6;
  who.has_left = who.is_live = true;
  who.heartbeat = 8;
  who.instance = 10;
  who.silent = std::chrono::milliseconds(1000);
  who.address = endpoint::v4(10, 0, 0, 1, 7000);
}

void fill_sample_deltas(message& m) {
  m.clear();
  m.kind = message_kind::deltas;
  m.sender = make_entry(1, 1, 1, 1);
  delta_view& delta = m.deltas.emplace_back();
  delta.name_hash = 1;
  delta.generation = 1;
  delta.after = position(7);
  delta.upto = position(8);
  delta.top = 300;
  delta.entry_count = 1;
  m.entries.push_back(make_value("a", "", 8));
}

void fill_random(message& m, std::vector<std::string>& texts, random_source& numbers) {
  m.clear();
  texts.clear();
  texts.reserve(1000);  // views point into the strings, short ones inside the objects
  m.kind = static_cast<message_kind>(1 + numbers.below(3));
  m.features = static_cast<std::uint8_t>(numbers.next());
  m.cookie_echo = numbers.next() >> 16;
  m.cookie = numbers.next() >> 16;
  m.more = numbers.below(2) != 0;
  m.receiver_instance = static_cast<std::uint32_t>(numbers.next());
  m.padded_bytes = numbers.below(3) == 0 ? 400 + 8 * numbers.below(100) : 0;
  if (m.kind == message_kind::digest) {
    fill_random_digest(m, numbers);
    m.is_name_shared = numbers.below(2) != 0;
  } else {
    fill_random_reply(m, texts, numbers);
  }
  add_random_suspicions(m, numbers);
}

bool is_same(const message& a, const message& b) {
  return a.kind == b.kind && a.features == b.features && a.cookie_echo == b.cookie_echo &&
         a.cookie == b.cookie && a.sender == b.sender && receiver_of(a) == receiver_of(b) &&
         a.receiver_instance == b.receiver_instance && a.more == b.more &&
         a.interval == b.interval && a.refused == b.refused &&
         a.largest_received == b.largest_received && a.is_name_shared == b.is_name_shared &&
         a.known.lo == b.known.lo && a.known.hi == b.known.hi &&
         a.known.buckets == b.known.buckets && a.known.root == b.known.root && a.sums == b.sums &&
         a.of_root == b.of_root && a.sum_bits == b.sum_bits && a.sum_part == b.sum_part &&
         a.known.range == b.known.range && a.known.extra == b.known.extra &&
         a.known.unwanted == b.known.unwanted && a.heartbeats == b.heartbeats &&
         a.requests == b.requests && a.partials == b.partials && a.spared == b.spared &&
         a.suspicions == b.suspicions &&
         std::equal(a.identities.begin(), a.identities.end(), b.identities.begin(),
                    b.identities.end(), is_same_identity) &&
         std::equal(a.deltas.begin(), a.deltas.end(), b.deltas.begin(), b.deltas.end(),
                    is_same_delta) &&
         std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                    is_same_entry);
}

}  // namespace gossipmonger
