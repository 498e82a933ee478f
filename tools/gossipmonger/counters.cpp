#include "counters.hpp"

#include <cstddef>

#include "gossipmonger/drop_reason.hpp"

namespace gossipmonger {

std::vector<std::pair<std::string, std::uint64_t>> named_counters(const protocol_stats& node,
                                                                  const udp_counters& socket) {
  std::vector<std::pair<std::string, std::uint64_t>> all{
      {"rounds", node.rounds},
      {"digests_sent", node.digests_sent},
      {"digests_received", node.digests_received},
      {"replies_sent", node.replies_sent},
      {"replies_received", node.replies_received},
      {"deltas_sent", node.deltas_sent},
      {"deltas_received", node.deltas_received},
      {"entries_sent", node.entries_sent},
      {"entries_applied", node.entries_applied},
      {"entries_skipped", node.entries_skipped},
      {"deltas_parked", node.deltas_parked},
      {"fragments_sent", node.fragments_sent},
      {"fragments_applied", node.fragments_applied},
      {"replies_cut", node.replies_cut},
      {"answers_dropped", node.answers_dropped},
      {"compactions", node.compactions},
      {"refutations", node.refutations},
      {"pauses", node.pauses},
      {"rounds_late", node.rounds_late},
      {"declared_dead", node.declared_dead},
      {"probes_unanswered", node.probes_unanswered},
      {"suspicions_raised", node.suspicions_raised},
      {"suspicions_refuted", node.suspicions_refuted},
      {"sends_delayed", node.sends_delayed},
      {"probes_delayed", node.probes_delayed},
      {"windows_halved", node.windows_halved},
      {"entries_spared", node.entries_spared},
      {"writes_slowed", node.writes_slowed},
      {"peers_known", node.peers_known},
      {"peers_live", node.peers_live},
      {"peers_reachable", node.peers_reachable},
      {"peers_suspect", node.peers_suspect},
      {"peers_unwanted", node.peers_unwanted},
      {"parked_bytes", node.parked_bytes},
      {"partial_bytes", node.partial_bytes},
      {"retired_entries", node.retired_entries},
      {"backlog_max", node.backlog_max},
      {"write_bytes_per_interval", node.write_bytes_per_interval},
      {"membership_bytes_per_interval", node.membership_bytes_per_interval},
  };
  for (std::size_t i = 0; i < drop_reason_count; ++i) {
    const std::string_view reason = to_string(static_cast<drop_reason>(i));
    all.emplace_back("drop_" + std::string(reason), node.drops[i]);
  }
  all.emplace_back("udp_received", socket.received);
  all.emplace_back("udp_received_bytes", socket.received_bytes);
  all.emplace_back("udp_truncated", socket.truncated);
  all.emplace_back("udp_receive_errors", socket.receive_errors);
  all.emplace_back("udp_kernel_drops", socket.kernel_drops);
  all.emplace_back("udp_sent", socket.sent);
  all.emplace_back("udp_sent_bytes", socket.sent_bytes);
  for (std::size_t i = 0; i < udp_send_error_count; ++i) {
    const std::string_view error = to_string(static_cast<udp_send_error>(i));
    all.emplace_back("udp_send_error_" + std::string(error), socket.send_errors[i]);
  }
  return all;
}

void add_seal_counters(const seal_counters& seal, std::chrono::nanoseconds now,
                       std::vector<std::pair<std::string, std::uint64_t>>& to) {
  to.emplace_back("sealed", seal.sealed);
  to.emplace_back("opened", seal.opened);
  to.emplace_back("plain_sent", seal.plain_sent);
  to.emplace_back("plain_opened", seal.plain_opened);
  to.emplace_back("seal_instances", seal.instances);
  to.emplace_back("seal_evictions", seal.evictions);
  for (std::size_t i = 0; i < seal_drop_count; ++i) {
    const std::string_view reason = to_string(static_cast<seal_drop>(i));
    to.emplace_back("drop_seal_" + std::string(reason), seal.drops[i]);
  }
  for (const seal_key_counters& key : seal.keys) {
    const std::string id = "{" + to_text(key.id) + "}";
    to.emplace_back("sealed" + id, key.sealed);
    to.emplace_back("opened" + id, key.opened);
    if (!key.opened_last) continue;
    const auto ago = std::chrono::floor<std::chrono::seconds>(now - *key.opened_last);
    to.emplace_back("opened_last" + id, static_cast<std::uint64_t>(ago.count()));
  }
}

}  // namespace gossipmonger
