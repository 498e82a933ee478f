#include "sim/run_hash.hpp"

namespace gossipmonger {

std::uint64_t mixed(std::uint64_t hash, std::uint64_t number) {
  std::uint64_t mix = (hash ^ number) + 0x9e3779b97f4a7c15;
  mix = (mix ^ (mix >> 30)) * 0xbf58476d1ce4e5b9;
  mix = (mix ^ (mix >> 27)) * 0x94d049bb133111eb;
  return mix ^ (mix >> 31);
}

void run_hash::add(std::string_view text) {
  add(std::uint64_t{text.size()});
  while (!text.empty()) {
    std::uint64_t word = 0;
    for (const char byte : text.substr(0, 8)) word = word << 8 | static_cast<unsigned char>(byte);
    add(word);
    text.remove_prefix(text.size() < 8 ? text.size() : 8);
  }
}

// The names of both functions below are as many as the fields: with a new field they do not
// compile until it is hashed as well.

void run_hash::add(const event_view& seen) {
  const auto& [kind, peer, generation, key, value, version, text] = seen;
  add(static_cast<std::uint64_t>(kind));
  add(peer);
  add(generation);
  add(key);
  add(value);
  add(version);
  add(text);
}

void run_hash::add(const protocol_stats& stats) {
  const auto& [rounds, digests_sent, digests_received, replies_sent, replies_received, deltas_sent,
               deltas_received, entries_sent, entries_applied, entries_skipped, deltas_parked,
               fragments_sent, fragments_applied, replies_cut, answers_dropped, compactions,
               refutations, pauses, rounds_late, declared_dead, probes_unanswered,
               suspicions_raised, suspicions_refuted, sends_delayed, probes_delayed, windows_halved,
               entries_spared, writes_slowed, drops, peers_known, peers_live, peers_reachable,
               peers_suspect, peers_unwanted, parked_bytes, partial_bytes, retired_entries,
               backlog_max, write_bytes_per_interval, membership_bytes_per_interval] = stats;
  for (const std::uint64_t count : {rounds,
                                    digests_sent,
                                    digests_received,
                                    replies_sent,
                                    replies_received,
                                    deltas_sent,
                                    deltas_received,
                                    entries_sent,
                                    entries_applied,
                                    entries_skipped,
                                    deltas_parked,
                                    fragments_sent,
                                    fragments_applied,
                                    replies_cut,
                                    answers_dropped,
                                    compactions,
                                    refutations,
                                    pauses,
                                    rounds_late,
                                    declared_dead,
                                    probes_unanswered,
                                    suspicions_raised,
                                    suspicions_refuted,
                                    sends_delayed,
                                    probes_delayed,
                                    windows_halved,
                                    entries_spared,
                                    writes_slowed}) {
    add(count);
  }
  for (const std::uint64_t count : drops) add(count);
  for (const std::uint64_t gauge :
       {std::uint64_t{peers_known}, std::uint64_t{peers_live}, std::uint64_t{peers_reachable},
        std::uint64_t{peers_suspect}, std::uint64_t{peers_unwanted}, std::uint64_t{parked_bytes},
        std::uint64_t{partial_bytes}, std::uint64_t{retired_entries}, backlog_max,
        std::uint64_t{write_bytes_per_interval}, std::uint64_t{membership_bytes_per_interval}}) {
    add(gauge);
  }
}

}  // namespace gossipmonger
