#include "core/exchange/answer_writer.hpp"

#include <algorithm>
#include <cassert>
#include <ranges>
#include <span>
#include <utility>

#include "core/exchange/row_sums.hpp"
#include "gossipmonger/hash.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

// Less room than this behind a frame carries nothing worth a datagram.
constexpr std::size_t place_margin = 64;
// A datagram is there, or lost, after so many intervals without a sign.
constexpr int flight_intervals = 4;

/// Removes the first elements of `list`, up to the one that `try_add` refuses.
template <class List, class TryAdd>
void take_front(List& list, TryAdd try_add) {
  std::size_t taken = 0;
  while (taken < list.size() && try_add(list[taken])) ++taken;
  list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(taken));
}

/// Turns go from the first to the last: the last, which has had none since the first had its own,
/// takes the place. To erase in the middle of thousands would cost more than the datagram.
void drop_turn(answer_leg& leg) {
  std::swap(leg.owed[leg.turn], leg.owed.back());
  leg.owed.pop_back();
}

}  // namespace

answer_writer::answer_writer(exchange_tables& shared)
    : shared_(shared),
      settings_(shared.settings),
      peers_(shared.peers),
      entries_(shared.entries),
      checksums_(make_cluster_key(shared.settings.cluster_name)),
      whole_bytes_max_(entry_bytes_limit(shared.settings.datagram_bytes_max)),
      narrow_whole_bytes_max_(entry_bytes_limit(datagram_bytes_floor)) {}

void answer_writer::forget(slot_index slot) { checksums_.forget(slot); }

bool answer_writer::fill(answer_leg& leg, message& out, nanoseconds now) {
  const bool is_first = leg.is_first;
  if (!is_first && !leg.has_more()) return false;
  leg.is_narrow = shared_.is_narrow(leg);
  const std::size_t bytes_left = leg.bytes_left - std::min(leg.bytes_left, leg.frame_bytes);
  const std::size_t budget = std::min(shared_.message_bytes_max(leg), bytes_left);
  if (leg.datagrams_left == 0 || budget < reply_frame_bytes) return false;

  filled_gaps_.clear();
  packer pack(out, leg.kind, budget);
  shared_.set_frame(leg, out);
  add_echo(leg, out);
  out.padded_bytes = 0;
  if (is_first && leg.refused != refusal::none) {
    static_cast<void>(pack.try_set_refusal(leg.refused));
  }
  shared_.add_suspicions(leg, pack, leg.suspicions.size());
  begin_sums(leg, pack);

  fill_identities(leg, pack, now);
  fill_requests(leg, pack, out);
  fill_heartbeats(leg, pack);
  if (leg.identities.empty() && leg.requests.empty()) fill_deltas(leg, pack, out);

  if (!out.sums.empty()) fill_sums(out, now);
  const bool is_empty = out.identities.empty() && out.requests.empty() && out.heartbeats.empty() &&
                        out.deltas.empty() && out.suspicions.empty() && out.sums.empty();
  if (is_empty && !is_first && !leg.is_unverified) return false;
  // A reply of one datagram costs little to send again. A leg that goes on is remembered.
  if (!is_first && !leg.is_unverified && leg.remote_hash != 0) note_flights(leg, out, now);
  leg.is_first = false;
  leg.filled_bytes = pack.bytes();
  leg.bytes_left -= std::min(leg.bytes_left, pack.bytes() + leg.frame_bytes);
  --leg.datagrams_left;
  // The last datagram of bulk is a whole one. A smaller one might have room for no entry, and then
  // no datagram would say that there is more.
  const bool is_bulk = !leg.is_unverified && !leg.owed.empty();
  const std::size_t bytes_min = leg.frame_bytes + (is_bulk ? shared_.message_bytes_max(leg)
                                                           : reply_frame_bytes + place_margin);
  const bool is_spent = is_empty || leg.datagrams_left == 0 || leg.bytes_left < bytes_min;
  if (is_spent && leg.has_more()) {
    leg.datagrams_left = 0;
    out.more = leg.is_unverified || is_bulk;
    if (leg.is_unverified) ++counted_.replies_cut;
  }
  if (leg.is_held_back && !leg.has_more()) out.more = true;
  return true;
}

void answer_writer::begin_sums(answer_leg& leg, packer& pack) {
  if (leg.of_root == root_answer::none || !pack.try_answer_root(leg.of_root)) return;
  // Each datagram says what it belongs to: one may overtake another. The rest is said once.
  leg.of_root = which_leg(leg.of_root);
  // Where little may be sent, coarse sums are better than none.
  const bool is_begun = leg.sum_part != 0;
  for (unsigned bits = std::exchange(leg.sum_bits, 0U); bits >= sum_bits_min; --bits) {
    if (pack.try_reserve_sums(bits, leg.sum_part)) {
      if (++leg.sum_part < sum_parts(bits)) leg.sum_bits = bits;
      return;
    }
    if (is_begun) return;
  }
}

void answer_writer::fill_sums(message& out, nanoseconds now) {
  std::vector<packed_entry> named(out.requests.begin(), out.requests.end());
  named.emplace_back(out.sender);
  sum_rows(shared_, now, named, out.sum_bits, sums_);
  const std::size_t first = out.sum_part * sums_in_part(out.sum_bits);
  std::ranges::transform(std::span(sums_).subspan(first, out.sums.size()), out.sums.begin(),
                         &row_sum::packed);
}

void answer_writer::add_echo(const answer_leg& leg, message& out) {
  if (leg.remote_hash == 0) return;
  // A higher run than the sender's keeps its own heartbeat: with the sender's, the remains of a
  // former run would look like a rival that lives.
  if (leg.asked_generation < out.receiver.generation) return;
  if (leg.asked_generation > out.receiver.generation) {
    out.receiver = digest_entry();
    out.receiver.name_hash = leg.remote_hash;
    out.receiver.generation = leg.asked_generation;
    out.receiver_instance = 0;
  }
  out.receiver.heartbeat = std::max(out.receiver.heartbeat, leg.asked_heartbeat);
}

void answer_writer::fill_identities(answer_leg& leg, packer& pack, nanoseconds now) const {
  take_front(leg.identities, [&](slot_index slot) {
    if (!peers_.is_used(slot)) return true;
    const peer_view row = peers_[slot];
    const peer_details& of = peers_.details(slot);
    identity_view who;
    who.name = of.name;
    who.generation = row.generation();
    who.instance = of.instance;
    who.heartbeat = row.heartbeat();
    who.has_left = row.has_left();
    const bool is_live = row.status() == peer_status::live && !row.is_suspect();
    who.is_live = slot == self_slot ? !row.has_left() : is_live;
    who.address = of.address;
    if (slot != self_slot) {
      who.silent =
          std::chrono::duration_cast<std::chrono::milliseconds>(now - peers_.silent_since(slot));
    }
    return pack.try_add_identity(who);
  });
}

void answer_writer::fill_requests(answer_leg& leg, packer& pack, const message& out) const {
  take_front(leg.requests, [&](const digest_entry& request) {
    const std::optional<slot_index> slot = peers_.find(request.name_hash);
    const std::optional<partial_entry> partial = slot ? shared_.partial_of(*slot) : std::nullopt;
    constexpr std::size_t room_for_both = 80;  // with frame and tag of the news
    if (partial && pack.bytes_left() < room_for_both) return false;
    if (!pack.try_add_request(request)) return false;
    return !partial || out.partials.size() == partials_max || pack.try_add_partial(*partial);
  });
}

void answer_writer::fill_heartbeats(answer_leg& leg, packer& pack) const {
  const auto is_used = [this](slot_index slot) { return peers_.is_used(slot); };
  // By reference: else they would be taken one by one.
  const auto entry_of = [this](slot_index slot) -> const packed_entry& {
    return peers_[slot].entry();
  };
  auto first = leg.heartbeats.begin();
  for (;;) {
    // A peer that was forgotten since the leg was planned ends a run.
    first = std::find_if(first, leg.heartbeats.end(), is_used);
    const auto room = static_cast<std::ptrdiff_t>(pack.bytes_left() / entry_bytes);
    const auto end =
        std::find_if_not(first, first + std::min(room, leg.heartbeats.end() - first), is_used);
    const std::size_t told =
        pack.add_heartbeats(std::views::transform(std::span(first, end), entry_of));
    if (told == 0) break;
    first += static_cast<std::ptrdiff_t>(told);
  }
  leg.heartbeats.erase(leg.heartbeats.begin(), first);
}

void answer_writer::fill_deltas(answer_leg& leg, packer& pack, const message& out) {
  while (!leg.owed.empty()) {
    leg.turn %= leg.owed.size();
    if (!fill_turn(leg, pack, out)) return;
  }
}

std::optional<entry_view> answer_writer::next_of(const owed_delta& turn, std::uint64_t upto) const {
  std::optional<entry_view> above = entries_.first_above(turn.slot, turn.after);
  if (above && above->version > upto) above.reset();
  return above;
}

answer_writer::turn_end answer_writer::try_send(answer_leg& leg, packer& pack,
                                                const std::optional<entry_view>& entry,
                                                std::size_t room_before) {
  owed_delta& turn = leg.owed[leg.turn];
  if (!entry) return turn_end::none_left;
  if (leg.owed.size() > 1 && room_before - pack.bytes_left() >= turn.deficit) {
    return turn_end::others_turn;
  }
  if (is_large(*entry, leg)) return turn_end::large;
  if (!pack.try_add_entry(*entry)) return turn_end::full;
  turn.after = entry->version;
  ++counted_.entries_sent;
  return turn_end::taken;
}

bool answer_writer::fill_turn(answer_leg& leg, packer& pack, const message& out) {
  owed_delta& turn = leg.owed[leg.turn];
  if (!peers_.is_used(turn.slot) || peers_[turn.slot].generation() != turn.generation ||
      upto_of(turn) <= turn.after) {
    drop_turn(leg);
    return true;
  }

  const peer_view row = peers_[turn.slot];
  if (turn.deficit == 0) turn.deficit = shared_.message_bytes_max();
  const std::uint64_t upto = upto_of(turn);
  const std::optional<entry_view> next = next_of(turn, upto);
  if (next && is_large(*next, leg)) return fill_fragment(leg, pack, out, *next);
  const std::size_t before = pack.bytes_left();
  const std::uint64_t top = shared_.top_of(turn.slot);
  if (!pack.try_open_delta(row.name_hash(), row.generation(), position(turn.after), top)) {
    return false;
  }

  const bool is_gap = turn.upto != 0;
  const std::size_t place = out.deltas.size() - 1;
  const std::uint64_t sent_before = counted_.entries_sent;
  // Each view is read where the storage wrote it: a copy would cost as much as the look-up.
  turn_end last = try_send(leg, pack, next, before);
  while (last == turn_end::taken) last = try_send(leg, pack, next_of(turn, upto), before);

  if (last == turn_end::none_left) {
    pack.extend_delta(upto);
    drop_turn(leg);
  } else if (last == turn_end::others_turn) {
    turn.deficit = 0;
    leg.turn += 1;
  } else if (last == turn_end::large || counted_.entries_sent != sent_before) {
    spend(leg, before - pack.bytes_left());
  }
  pack.close_delta();
  if (is_gap && out.deltas.size() > place) filled_gaps_.push_back(place);
  return last != turn_end::full;
}

void answer_writer::spend(answer_leg& leg, std::size_t used) const {
  owed_delta& turn = leg.owed[leg.turn];
  // A small rest is not worth the frame of one more delta in the next datagram.
  const std::size_t rest = used < turn.deficit ? turn.deficit - used : 0;
  turn.deficit = rest < shared_.message_bytes_max() / 4 ? 0 : rest;
  if (turn.deficit == 0) leg.turn += 1;
}

bool answer_writer::fill_fragment(answer_leg& leg, packer& pack, const message& out,
                                  const entry_view& entry) {
  owed_delta& turn = leg.owed[leg.turn];
  const peer_view row = peers_[turn.slot];
  if (turn.part.version != entry.version || turn.part.offset >= entry.value.size()) {
    turn.part = position(entry.version);
  }
  const std::size_t before = pack.bytes_left();
  const position after(turn.after, turn.part.offset);
  const std::uint64_t top = shared_.top_of(turn.slot);
  if (!pack.try_add_fragment(row.name_hash(), row.generation(), after, top, entry,
                             checksums_.of(turn.slot, entry))) {
    return false;
  }
  if (turn.upto != 0) filled_gaps_.push_back(out.deltas.size() - 1);
  ++counted_.fragments_sent;
  const position& upto = out.deltas.back().upto;
  if (upto.version == entry.version) {
    ++counted_.entries_sent;
    turn.after = entry.version;
  } else {
    turn.part.offset = upto.offset;
  }
  spend(leg, before - pack.bytes_left());
  return true;
}

void answer_writer::note_flights(const answer_leg& leg, const message& out, nanoseconds now) {
  const nanoseconds due = now + flight_intervals * settings_.gossip_interval;
  for (std::size_t i = 0; i < out.deltas.size(); ++i) {
    const delta_view& delta = out.deltas[i];
    // A lost part is asked for by name, and lies below the entries on their way.
    if (std::find(filled_gaps_.begin(), filled_gaps_.end(), i) != filled_gaps_.end()) continue;
    flight_place upto(delta.upto.version);
    if (delta.upto.offset != 0) {
      upto.part = position(out.entries[delta.first_entry].version, delta.upto.offset);
    }
    shared_.flights.handle_sent(leg.remote_hash, delta.name_hash, delta.generation, upto,
                                peers_.self().heartbeat(), due);
  }
}

}  // namespace gossipmonger
