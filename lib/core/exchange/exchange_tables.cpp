#include "core/exchange/exchange_tables.hpp"

#include <algorithm>

#include "core/exchange/packer.hpp"
#include "gossipmonger/hash.hpp"

namespace gossipmonger {

namespace {

constexpr std::size_t flights_max = 1024;
constexpr std::uint64_t unroutable_rounds = 16;

}  // namespace

exchange_tables::exchange_tables(const config& of_node, peer_table& rows, unwanted_peers& refused,
                                 storage_ref stored)
    : settings(of_node),
      peers(rows),
      unwanted(refused),
      entries(stored),
      partials(make_cluster_key(of_node.cluster_name), of_node.partial_bytes_max),
      flights(flights_max) {
  begin(self_slot);
}

void exchange_tables::begin(slot_index slot) {
  paths.begin(slot);
  tops_.begin(slot);
}

std::optional<partial_entry> exchange_tables::partial_of(slot_index slot) const {
  if (partials.is_empty()) return std::nullopt;
  const position held = partials.find(slot);
  if (held.offset == 0) return std::nullopt;
  partial_entry partial;
  partial.name_hash = peers[slot].name_hash();
  partial.generation = peers[slot].generation();
  partial.version = held.version;
  partial.offset = held.offset;
  return partial;
}

std::optional<partial_entry> exchange_tables::partial_told(slot_index slot) const {
  if (!is_brought(slot)) return partial_of(slot);
  partial_entry brought;
  brought.name_hash = peers[slot].name_hash();
  brought.generation = peers[slot].generation();
  brought.version = brought_version;
  brought.offset = 1;
  return brought;
}

void exchange_tables::note_unroutable(std::uint64_t name_hash, std::uint64_t generation,
                                      const endpoint& teller) {
  unroutable_word& word = unroutable_[next_unroutable_];
  next_unroutable_ = (next_unroutable_ + 1) % unroutable_.size();
  word.name_hash = name_hash;
  word.generation = generation;
  word.teller = teller;
  word.round = round;
}

bool exchange_tables::is_unroutable(std::uint64_t name_hash, std::uint64_t generation,
                                    const endpoint& teller) const {
  return std::ranges::any_of(unroutable_, [&](const unroutable_word& one) {
    return one.name_hash == name_hash && generation <= one.generation && one.teller == teller &&
           round - one.round < unroutable_rounds;
  });
}

std::size_t exchange_tables::message_bytes_max() const {
  return settings.datagram_bytes_max - seal_bytes;
}

std::size_t exchange_tables::message_bytes_max(const leg_base& leg) const {
  const std::size_t most = message_bytes_max();
  return leg.is_narrow ? std::min(most, datagram_bytes_floor - seal_bytes) : most;
}

bool exchange_tables::is_narrow(const leg_base& leg) const {
  if (settings.datagram_bytes_max == datagram_bytes_floor) return false;
  const std::optional<slot_index> slot = peers.find(leg.remote_hash);
  return slot && paths[*slot].is_narrow;
}

void exchange_tables::set_frame(const leg_base& leg, message& out) const {
  out.sender = peers.self().entry();
  out.cookie_echo = leg.cookie_echo;
  if (leg.remote_hash == 0) return;
  if (const std::optional<slot_index> slot = peers.find(leg.remote_hash)) {
    out.receiver = peers[*slot].entry();
    out.receiver_instance = peers.details(*slot).instance;
  } else if (const std::optional<unwanted_peer> found = unwanted.find(leg.remote_hash);
             found && found->heartbeat < heartbeat_max) {
    // A node that lost its clock learns here to take a higher generation. A refusal has the highest
    // heartbeat and says nothing of the peer: the refused peer would refute it for ever.
    out.receiver.name_hash = leg.remote_hash;
    out.receiver.generation = found->generation;
    out.receiver.heartbeat = found->heartbeat;
  }
}

void exchange_tables::add_suspicions(leg_base& leg, packer& pack, std::size_t count_max) {
  const std::size_t count = std::min(count_max, leg.suspicions.size());
  for (std::size_t i = 0; i < count && pack.try_add_suspicion(leg.suspicions[i]); ++i) {
  }
  leg.suspicions.clear();
}

}  // namespace gossipmonger
