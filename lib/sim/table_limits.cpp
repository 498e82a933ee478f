#include "sim/table_limits.hpp"

#include <array>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>

namespace gossipmonger {

namespace {

using named_size = std::pair<std::string_view, std::size_t table_sizes::*>;

constexpr std::array<named_size, 30> all_tables{
    named_size("peers", &table_sizes::peers),
    named_size("partners", &table_sizes::partners),
    named_size("unwanted peers", &table_sizes::unwanted),
    named_size("addresses", &table_sizes::addresses),
    named_size("addresses to join", &table_sizes::joining),
    named_size("names reported", &table_sizes::reported_names),
    named_size("clusters reported", &table_sizes::reported_clusters),
    named_size("intervals reported", &table_sizes::reported_intervals),
    named_size("deltas parked", &table_sizes::parked_deltas),
    named_size("bytes parked", &table_sizes::parked_bytes),
    named_size("partial values", &table_sizes::partial_values),
    named_size("bytes of partial values", &table_sizes::partial_bytes),
    named_size("bytes announced of partial values", &table_sizes::announced_bytes),
    named_size("peers put off", &table_sizes::put_off),
    named_size("value transfers", &table_sizes::transfers),
    named_size("digests waiting", &table_sizes::digests),
    named_size("answers waiting", &table_sizes::answers),
    named_size("answers to unverified addresses waiting", &table_sizes::unverified),
    named_size("flights", &table_sizes::flights),
    named_size("checksums", &table_sizes::checksums),
    named_size("exchanges begun anew", &table_sizes::restarted),
    named_size("probes", &table_sizes::probes),
    named_size("round trips", &table_sizes::round_trips),
    named_size("probe_requests", &table_sizes::probe_requests),
    named_size("suspicions told", &table_sizes::suspicions_told),
    named_size("addresses told", &table_sizes::told_addresses),
    named_size("changes", &table_sizes::changes),
    named_size("changes kept", &table_sizes::kept_changes),
    named_size("retired entries", &table_sizes::retired_entries),
    named_size("deadlines", &table_sizes::deadlines),
};
// A table that is not named would not be looked at.
static_assert(sizeof(table_sizes) == all_tables.size() * sizeof(std::size_t));

constexpr std::size_t kept_max = 1024;  // forgettings and notices; flows; refusals
constexpr std::size_t addresses_beside_peers = 256;
constexpr std::size_t parked_a_peer = 256;
constexpr std::size_t names_max = 64;  // and whatever else a round, or a message, is made of
constexpr std::size_t answers_max = 256;
constexpr std::size_t unverified_answers_max = 32;
constexpr std::size_t transfers_max = 64;
constexpr std::size_t unverified_max = 256;  // the most that the option may be

}  // namespace

table_sizes table_limits(const config& settings, const table_sizes& held) {
  table_sizes most;
  most.peers = settings.peers_max;
  most.partners = held.peers;
  most.unwanted = settings.peers_max + kept_max;
  most.addresses = settings.peers_max + addresses_beside_peers;
  most.joining = names_max;
  most.reported_names = names_max;
  most.reported_clusters = names_max;
  most.reported_intervals = names_max;
  most.parked_deltas = parked_a_peer * held.peers;
  most.parked_bytes = settings.parked_bytes_max;
  most.partial_values = held.peers;
  most.partial_bytes = held.announced_bytes;
  most.announced_bytes = settings.partial_bytes_max;
  most.put_off = held.peers;
  most.transfers = transfers_max;
  most.digests = answers_max;
  most.answers = answers_max;
  most.unverified = unverified_answers_max;
  most.flights = kept_max;
  most.checksums = names_max;
  most.restarted = unverified_max;
  most.probes = names_max;
  most.round_trips = names_max;
  most.probe_requests = names_max;
  most.suspicions_told = held.peers;
  most.told_addresses = names_max;
  most.changes = kept_max + 3 * held.peers;
  most.kept_changes = kept_max;
  // Between two releases there are more: a reader has to see them first.
  most.retired_entries = std::numeric_limits<std::size_t>::max();
  most.deadlines = std::numeric_limits<std::size_t>::max();
  return most;
}

std::string find_overfull(const table_sizes& held, const table_sizes& most) {
  for (const auto& [name, size] : all_tables) {
    if (held.*size <= most.*size) continue;
    return std::to_string(held.*size) + " " + std::string(name) + ", at most " +
           std::to_string(most.*size);
  }
  return {};
}

}  // namespace gossipmonger
