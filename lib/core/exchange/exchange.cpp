#include "core/exchange/exchange.hpp"

namespace gossipmonger {

exchange::exchange(const config& settings, peer_table& peers, unwanted_peers& unwanted,
                   storage_ref entries, change_list& changes)
    : shared(settings, peers, unwanted, entries),
      plans(shared),
      digests(shared),
      answers(shared),
      deltas(shared, changes) {}

void exchange::begin(slot_index slot) {
  shared.begin(slot);
  plans.begin(slot);
  deltas.begin(slot);
}

void exchange::forget(slot_index slot) {
  shared.entries.forget(slot);
  shared.partials.forget(slot);
  shared.transfers.forget(slot);
  answers.forget(slot);
  deltas.forget(slot);
}

void exchange::begin_round(std::uint64_t round) {
  shared.round = round;
  shared.transfers.begin_round(round);
  deltas.begin_round();
}

void exchange::count_tables(table_sizes& out) const {
  deltas.count_tables(out);
  out.partial_values = shared.partials.size();
  out.partial_bytes = shared.partials.bytes();
  out.announced_bytes = shared.partials.announced_bytes();
  out.flights = shared.flights.size();
  out.transfers = shared.transfers.all().size();
  out.checksums = answers.checksums();
}

void exchange::add_counters(protocol_stats& out) const {
  out.windows_halved += plans.counted().windows_halved;
  out.entries_spared += plans.counted().entries_spared;
  out.entries_sent += answers.counted().entries_sent;
  out.fragments_sent += answers.counted().fragments_sent;
  out.replies_cut += answers.counted().replies_cut;
  out.entries_applied += deltas.counted().entries_applied;
  out.entries_skipped += deltas.counted().entries_skipped;
  out.fragments_applied += deltas.counted().fragments_applied;
  out.deltas_parked += deltas.counted().deltas_parked;
  for (std::size_t i = 0; i < out.drops.size(); ++i) out.drops[i] += deltas.counted().drops[i];
}

}  // namespace gossipmonger
