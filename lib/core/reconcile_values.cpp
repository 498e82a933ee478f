// Values that span datagrams: sent from where the other side stopped, and put together.
#include <algorithm>

#include "gossipmonger/core/reconcile.hpp"

namespace gossipmonger {

// ------------------------------------------------------------------------------------ sending

std::optional<partial_entry> reconciler::partial_of(slot_index slot) const {
  if (partials_.is_empty()) return std::nullopt;
  const position held = partials_.find(slot);
  if (held.offset == 0) return std::nullopt;
  partial_entry partial;
  partial.name_hash = peers_[slot].name_hash();
  partial.generation = peers_[slot].generation();
  partial.version = held.version;
  partial.offset = held.offset;
  return partial;
}

std::optional<position> reconciler::part_held(peer_view row, std::uint64_t after,
                                              const answer_leg& leg) const {
  if (leg.partials == nullptr || leg.partials->empty()) return std::nullopt;
  const auto told = std::lower_bound(
      leg.partials->begin(), leg.partials->end(), row.name_hash(),
      [](const partial_entry& one, std::uint64_t hash) { return one.name_hash < hash; });
  if (told == leg.partials->end() || told->name_hash != row.name_hash()) return std::nullopt;
  if (told->generation != row.generation() || told->version <= after) return std::nullopt;
  return position(told->version, told->offset);
}

void reconciler::add_about(slot_index slot, packer& pack, const message& out) const {
  const peer_view row = peers_[slot];
  const std::uint64_t hash = row.name_hash();
  if (hash == out.sender.name_hash || hash == out.receiver.name_hash) return;
  if (graves_.find(hash)) return;  // of a later run that I refuse, as beside the range
  const std::optional<partial_entry> partial = partial_of(slot);
  if (!partial || pack.bytes_left() < 2 * entry_bytes + list_tag_bytes) return;
  if (pack.try_add_extra(row.entry())) static_cast<void>(pack.try_add_partial(*partial));
}

bool reconciler::fill_fragment(answer_leg& leg, packer& pack, const message& out,
                               const entry_view& entry) {
  owed_delta& turn = leg.owed[leg.turn];
  const peer_view row = peers_[turn.slot];
  if (turn.part.version != entry.version || turn.part.offset >= entry.value.size()) {
    turn.part = position(entry.version);
  }
  const std::size_t before = pack.bytes_left();
  const position after(turn.after, turn.part.offset);
  const std::uint64_t top = top_of(turn.slot);
  if (!pack.try_add_fragment(row.name_hash(), row.generation(), after, top, entry,
                             checksums_.of(turn.slot, entry))) {
    return false;
  }
  ++stats_.fragments_sent;
  const position& upto = out.deltas.back().upto;
  if (upto.version == entry.version) {
    ++stats_.entries_sent;
    turn.after = entry.version;
  } else {
    turn.part.offset = upto.offset;
  }
  spend(leg, before - pack.bytes_left());
  return true;
}

// ----------------------------------------------------------------------------------- applying

void reconciler::apply_fragment(slot_index slot, const message& from, const delta_view& delta) {
  const entry_view& part = from.entries[delta.first_entry];
  const bool is_next = delta.after.version <= peers_[slot].max_version() &&
                       delta.after.offset <= partials_.offset_of(slot, part.version);
  if (part.version > peers_[slot].max_version() && !is_next) {
    if (parked_.try_park(slot, from, delta, round_)) {
      ++stats_.deltas_parked;
    } else {
      ++stats_.drops[static_cast<std::size_t>(drop_reason::gap)];
    }
    return;
  }
  take_fragment(slot, delta, part);
  if (!parked_.is_empty()) apply_parked(slot);
  apply_floor(slot);
}

void reconciler::take_fragment(slot_index slot, const delta_view& delta, const entry_view& part) {
  const peer row = peers_[slot];
  if (part.version <= row.max_version()) {
    ++stats_.entries_skipped;
    return;
  }
  raise_top(slot, delta.top);
  // Before anything of it is kept: what could not be put in the end is not begun.
  const std::optional<entry_view> held = entries_.find(slot, part.key);
  if (exceeds_capacity(slot, part, delta.value_bytes, held)) return partials_.forget(slot);

  switch (partials_.take(slot, delta, part, round_)) {
    case partial_values::outcome::grown:
      ++stats_.fragments_applied;
      return;
    case partial_values::outcome::known:
      ++stats_.entries_skipped;
      return;
    case partial_values::outcome::conflict:
      ++stats_.drops[static_cast<std::size_t>(drop_reason::fragment)];
      return;
    case partial_values::outcome::full:
      ++stats_.drops[static_cast<std::size_t>(drop_reason::capacity)];
      return;
    case partial_values::outcome::whole:
      ++stats_.fragments_applied;
      break;
  }
  const entry_view entry = partials_.whole(slot);
  if (try_put(slot, entry)) {
    row.set_max_version(entry.version);
    raise_top(slot, row.max_version());
    ++stats_.entries_applied;
    peers_.touch(slot);
  }
  partials_.forget(slot);
}

}  // namespace gossipmonger
