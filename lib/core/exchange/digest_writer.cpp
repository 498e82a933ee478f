#include "core/exchange/digest_writer.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <span>
#include <utility>

#include "core/exchange/row_sums.hpp"
#include "core/membership/news_rounds.hpp"

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t hash_max = std::numeric_limits<std::uint64_t>::max();
// A digest that says nothing but its sender and its receiver.
constexpr std::size_t bare_digest_bytes = digest_frame_bytes + list_tag_bytes + 2 * entry_bytes;
// In a digest that cannot tell of everything, refused peers take one place in so many.
constexpr std::size_t unwanted_part = 4;
// Rows that changed last, in the first datagram of a digest that cannot tell of everything.
constexpr std::size_t latest_max = 16;

/// Whether that entry stands in `out` for another reason than the range's.
bool has_own_place(const message& out, std::uint64_t name_hash) {
  return name_hash == out.sender.name_hash ||
         (out.receiver.generation != 0 && name_hash == out.receiver.name_hash);
}

void add_unwanted(const unwanted_peer& found, packer& pack) {
  digest_entry told;
  told.name_hash = found.name_hash;
  told.generation = found.generation;
  told.heartbeat = found.heartbeat;
  static_cast<void>(pack.try_add_unwanted(told));
}

}  // namespace

digest_writer::digest_writer(exchange_tables& shared)
    : shared_(shared),
      settings_(shared.settings),
      peers_(shared.peers),
      unwanted_(shared.unwanted) {}

std::size_t digest_writer::rows_a_datagram() const {
  // Besides frame and tag, places for sender and receiver.
  return (shared_.message_bytes_max() - digest_frame_bytes - list_tag_bytes) / entry_bytes - 2;
}

std::size_t digest_writer::rows_within(std::size_t bytes) const {
  const std::size_t whole = bytes / shared_.message_bytes_max();
  const std::size_t rest = bytes % shared_.message_bytes_max();
  const std::size_t beside =
      rest < bare_digest_bytes ? 0 : (rest - bare_digest_bytes) / entry_bytes;
  return whole * rows_a_datagram() + beside;
}

std::size_t digest_writer::bytes_whole(std::size_t datagrams) const {
  const std::size_t a_datagram = rows_a_datagram();
  const std::size_t rows =
      std::min(peers_.by_hash().size() + unwanted_.all().size(), datagrams * a_datagram);
  return (rows + a_datagram - 1) / a_datagram * bare_digest_bytes + rows * entry_bytes;
}

std::size_t digest_writer::rows_min(std::size_t datagrams, std::size_t bytes) const {
  const std::size_t places =
      std::min(datagrams * rows_a_datagram(), std::max<std::size_t>(1, rows_within(bytes)));
  const std::size_t unwanted = unwanted_.all().size();
  if (unwanted == 0 || peers_.by_hash().size() + unwanted <= places) return places;
  // The range and the rows beside it go on by cursors of their own, and each row stands in either.
  // So one of the two tells half of the places that refused peers leave.
  return std::max<std::size_t>(1, (places - places / unwanted_part) / 2);
}

bool digest_writer::fill(digest_leg& leg, message& out, nanoseconds now) {
  // A claim of buckets goes though no row lies in them here: the remote may know one.
  const bool is_claimed = leg.digest_rows_left == 0 && !(leg.buckets && leg.has_extra) &&
                          (leg.is_partial || leg.digest_unwanted_left == 0);
  if (leg.datagrams_left == 0 || is_claimed || leg.extra_rows_left == 0) return false;
  leg.is_narrow = shared_.is_narrow(leg);
  // Less than one row besides sender and receiver is not worth a datagram.
  const std::size_t budget = std::min(shared_.message_bytes_max(leg), leg.digest_bytes_left);
  const std::size_t others = (leg.is_root ? root_entries : 0) + (leg.buckets ? bucket_entries : 0);
  if (budget < bare_digest_bytes + (1 + others) * entry_bytes) return false;
  packer pack(out, message_kind::digest, budget);
  if (leg.is_root) static_cast<void>(pack.try_set_root(root_sum()));  // its place
  if (leg.buckets) static_cast<void>(pack.try_set_buckets(*leg.buckets));
  shared_.set_frame(leg, out);
  out.padded_bytes = leg.padded_bytes;
  out.interval = interval_code(settings_.gossip_interval);

  // Sender and receiver stand in every datagram: in the range, or else in extra, where a place is
  // kept free for each. If the leg cannot tell of everything, its first datagram also leaves room
  // for the rows that changed last.
  row_places wanted;
  wanted.rows_max = (budget - bare_digest_bytes) / entry_bytes - others;
  wanted.has_receiver = out.receiver.generation == 0;
  if (const std::optional<slot_index> slot = peers_.find(out.receiver.name_hash)) {
    wanted.of_receiver =
        leg.is_continuation ? shared_.partial_of(*slot) : shared_.partial_told(*slot);
    out.largest_received = shared_.paths[*slot].watch.tell(shared_.round);
    out.is_name_shared = peers_.details(*slot).namesake.is_shared(now);
    wanted.is_receiver_refused =
        peers_[*slot].is_refused() || unwanted_.find(out.receiver.name_hash).has_value();
  }
  shared_.add_suspicions(leg, pack, wanted.rows_max - (wanted.of_receiver ? 1 : 0));
  const bool is_unclaimed = leg.is_short || leg.is_root;
  if (leg.has_extra && !is_unclaimed) {
    leg.is_partial = leg.digest_rows_left + leg.digest_unwanted_left >
                     std::min(leg.datagrams_left * (rows_a_datagram() - others),
                              rows_within(leg.digest_bytes_left));
    if (leg.is_partial) wanted.extra = std::min(latest_max, wanted.rows_max / 2);
  }

  if (is_unclaimed) {
    leg.digest_rows_left = 0;
    leg.digest_unwanted_left = 0;
  } else {
    fill_range(leg, pack, out, now, wanted);
  }
  fill_extra(leg, pack, out, now, wanted);
  for (const slot_index slot : leg.about) {
    if (peers_.is_used(slot)) add_about(slot, leg, pack, out);
  }
  if (leg.is_root) fill_root(leg, pack, out, now);
  leg.has_extra = false;
  leg.filled_bytes = std::max(pack.bytes(), leg.padded_bytes);
  leg.digest_bytes_left -= pack.bytes();
  --leg.datagrams_left;
  return true;
}

std::size_t digest_writer::kept_free(const message& out, const row_places& wanted) {
  const bool has_tag =
      !out.known.range.empty() || !out.known.unwanted.empty() || !out.suspicions.empty();
  const std::size_t of_receiver = wanted.of_receiver ? 2 : 1;
  const std::size_t kept =
      (wanted.has_sender ? 0U : 1U) + (wanted.has_receiver ? 0U : of_receiver) + wanted.extra;
  return (has_tag ? 0 : list_tag_bytes) + kept * entry_bytes;
}

void digest_writer::fill_range(digest_leg& leg, packer& pack, message& out, nanoseconds now,
                               row_places& wanted) const {
  const std::span<const unwanted_peer> unwanted = unwanted_.all();
  range_place at;
  at.row = peers_.lower_bound(leg.digest_from);
  at.refused = static_cast<std::size_t>(
      std::ranges::lower_bound(unwanted, leg.digest_from, {}, &unwanted_peer::name_hash) -
      unwanted.begin());
  // A refused peer left out inside the range would read as unknown to me, and be sent again. So the
  // range ends where refused peers have taken their part of the datagram.
  at.refused_places =
      leg.is_partial ? std::max<std::size_t>(1, wanted.rows_max / unwanted_part) : unwanted.size();

  out.known.lo = leg.digest_from;
  out.known.hi = hash_max;
  leg.digest_from = 0;
  while (try_go_on(leg, out, at)) {
    if (add_run(leg, pack, out, now, wanted, at)) continue;  // to look anew at what is next
    if (!try_add_next(leg, pack, out, now, wanted, at)) break;
  }
  if (out.known.lo > out.known.hi) {
    out.known.lo = 1;
    out.known.hi = 0;
    out.known.buckets.reset();
  }
}

bool digest_writer::try_go_on(const digest_leg& leg, const message& out, range_place& at) const {
  const std::span<const packed_entry> rows = peers_.entries();
  const std::span<const unwanted_peer> unwanted = unwanted_.all();
  while (at.row < rows.size() && !out.known.claims(rows[at.row].name_hash)) {
    const std::uint64_t next = leg.buckets->next_hash(rows[at.row].name_hash);
    at.row = next == 0 ? rows.size() : peers_.lower_bound(next);
  }
  while (at.refused < unwanted.size() && !out.known.claims(unwanted[at.refused].name_hash)) {
    ++at.refused;
  }
  return at.row < rows.size() || at.refused < unwanted.size();
}

bool digest_writer::add_run(digest_leg& leg, packer& pack, const message& out, nanoseconds now,
                            const row_places& wanted, range_place& at) const {
  if (shared_.has_partials()) return false;
  const std::span<const packed_entry> rows = peers_.entries();
  const std::span<const unwanted_peer> unwanted = unwanted_.all();
  if (at.row == rows.size()) return false;
  const std::size_t room = pack.bytes_left() - std::min(pack.bytes_left(), kept_free(out, wanted));
  std::uint64_t until = at.refused < unwanted.size() ? unwanted[at.refused].name_hash : hash_max;
  if (leg.buckets) {
    const std::uint64_t end = bucket_set::end_of(rows[at.row].name_hash);
    if (end < until) until = end + 1;
  }
  // A refused peer may come first, where rows before the next one were left out.
  if (rows[at.row].name_hash > until) return false;
  const std::size_t rows_max = std::min(leg.digest_rows_left, room / entry_bytes);
  const std::size_t added = add_plain_rows(at.row, rows_max, until, pack, out, now);
  at.row += added;
  leg.digest_rows_left -= added;
  return added > 0;
}

bool digest_writer::try_add_next(digest_leg& leg, packer& pack, message& out, nanoseconds now,
                                 row_places& wanted, range_place& at) const {
  const std::span<const packed_entry> rows = peers_.entries();
  const std::span<const unwanted_peer> unwanted = unwanted_.all();
  const unwanted_peer* const refused =
      at.refused < unwanted.size() ? &unwanted[at.refused] : nullptr;
  const bool is_unwanted =
      at.row == rows.size() || (refused != nullptr && refused->name_hash < rows[at.row].name_hash);
  const std::uint64_t name_hash = is_unwanted ? refused->name_hash : rows[at.row].name_hash;
  // A refused later run stands beside the run that I hold, so both go into the same datagram.
  const bool has_refused = refused != nullptr && refused->name_hash == name_hash;
  const unwanted_peer* const beside = !is_unwanted && has_refused ? refused : nullptr;
  const bool is_own_place = has_own_place(out, name_hash);
  const bool is_doubled =
      beside != nullptr || (is_own_place && !is_unwanted && peers_.at(at.row).is_refused());
  // A row and the part of its next value stand in the same datagram, too.
  const std::optional<partial_entry> partial =
      is_unwanted ? std::nullopt : shared_.partial_told(peers_.at(at.row).slot());
  const std::size_t row_bytes = partial ? 2 * entry_bytes : entry_bytes;
  const std::size_t needed =
      kept_free(out, wanted) + (is_own_place ? 0 : row_bytes) + (is_doubled ? entry_bytes : 0);
  const bool has_no_place = partial && out.partials.size() == partials_max;
  const bool is_turned = !is_unwanted && leg.digest_rows_left == 0;
  wanted.is_cut_by_unwanted = is_unwanted && at.refused_places == 0;
  if (pack.bytes_left() < needed || has_no_place || is_turned || wanted.is_cut_by_unwanted) {
    if (is_turned) leg.digest_unwanted_left = 0;
    out.known.hi = name_hash - 1;
    leg.digest_from = name_hash;
    return false;
  }
  if (is_unwanted) {
    if (name_hash != out.receiver.name_hash) add_unwanted(*refused, pack);
    --at.refused_places;
  } else {
    add_row(peers_.at(at.row++).slot(), beside, pack, out, now, wanted);
    --leg.digest_rows_left;
  }
  if (is_unwanted || beside != nullptr) {
    ++at.refused;
    leg.digest_unwanted_left -= std::min<std::size_t>(1, leg.digest_unwanted_left);
  }
  return true;
}

std::size_t digest_writer::add_plain_rows(std::size_t first, std::size_t count_max,
                                          std::uint64_t until, packer& pack, const message& out,
                                          nanoseconds now) const {
  // The run of plain rows ends at a row that is told of for another reason, or not at all.
  const std::span<const packed_entry> all = peers_.entries();
  assert(first == 0 || all[first - 1].name_hash < until);
  std::size_t end = std::min(first + count_max, all.size());
  const auto end_at = [&](std::uint64_t name_hash) {
    if (end == first || all[end - 1].name_hash < name_hash) return;
    const std::size_t place = peers_.lower_bound(name_hash);
    if (place >= first) end = place;
  };
  end_at(until);
  end_at(out.sender.name_hash);
  if (out.receiver.generation != 0) end_at(out.receiver.name_hash);
  if (peers_.irregular() > 1) {  // more than self, which is advertised
    std::size_t place = first;
    while (place < end &&
           (peers_.at(place).is_plain() || shared_.is_advertised(peers_.at(place), now))) {
      ++place;
    }
    end = place;
  }
  return pack.add_range(all.subspan(first, end - first));
}

void digest_writer::add_row(slot_index slot, const unwanted_peer* beside, packer& pack,
                            const message& out, nanoseconds now, row_places& wanted) const {
  const peer_view row = peers_[slot];
  const bool is_own_place = has_own_place(out, row.name_hash());
  const bool is_told_of = shared_.is_advertised(row, now);
  if (beside != nullptr) {
    add_unwanted(*beside, pack);  // it says more than the row would
  } else if (!is_told_of && (!is_own_place || row.is_refused())) {
    // A receiver of which nothing more is taken is unwanted too, though it stands in the range.
    digest_entry unwanted = row.entry();
    unwanted.max_version = 0;
    unwanted.has_left = false;
    if (row.is_refused()) unwanted.heartbeat = heartbeat_max;
    static_cast<void>(pack.try_add_unwanted(unwanted));
  }
  if (!is_told_of && !is_own_place) return;
  static_cast<void>(pack.add_range(std::span(&row.entry(), 1)));
  if (const std::optional<partial_entry> partial = shared_.partial_told(slot)) {
    static_cast<void>(pack.try_add_partial(*partial));
  }
  wanted.has_sender = wanted.has_sender || row.name_hash() == out.sender.name_hash;
  wanted.has_receiver = wanted.has_receiver || row.name_hash() == out.receiver.name_hash;
}

bool digest_writer::try_add_unclaimed(slot_index slot, packer& pack, const message& out,
                                      nanoseconds now) const {
  const peer_view row = peers_[slot];
  if (out.known.claims(row.name_hash()) || !shared_.is_advertised(row, now) ||
      has_entry(out.known.extra, row.name_hash()))
    return true;
  // A refused later run has a place in the range only. Without that place it would be sent.
  if (unwanted_.find(row.name_hash())) return true;
  const std::optional<partial_entry> partial = shared_.partial_told(slot);
  if (partial && pack.bytes_left() < 2 * entry_bytes) return false;
  if (!pack.try_add_extra(row.entry())) return false;
  if (partial) static_cast<void>(pack.try_add_partial(*partial));
  return true;
}

void digest_writer::fill_extra(digest_leg& leg, packer& pack, message& out, nanoseconds now,
                               const row_places& wanted) {
  if (!wanted.has_sender) static_cast<void>(pack.try_add_extra(out.sender));
  if (!wanted.has_receiver && wanted.is_receiver_refused) {
    // A refusal of the receiver has a place in the range only. Without that place the receiver
    // would send what I refuse in answer to each datagram. So this one says nothing of it.
    out.receiver = digest_entry();
    out.receiver_instance = 0;
  } else if (!wanted.has_receiver) {
    static_cast<void>(pack.try_add_extra(out.receiver));
    if (wanted.of_receiver) static_cast<void>(pack.try_add_partial(*wanted.of_receiver));
  }
  if (wanted.extra != 0) {
    for (const slot_index slot : peers_.latest(wanted.extra)) {
      if (!try_add_unclaimed(slot, pack, out, now)) break;
    }
  }
  if (!wanted.is_cut_by_unwanted) return;
  const std::span<const packed_entry> rows = peers_.entries();
  std::size_t i = peers_.lower_bound(leg.extra_from);
  for (; leg.extra_rows_left > 0; --leg.extra_rows_left, ++i) {
    if (i >= rows.size()) i = 0;
    if (!try_add_unclaimed(peers_.at(i).slot(), pack, out, now)) break;
  }
  leg.extra_from = i < rows.size() ? rows[i].name_hash : 0;
}

std::size_t digest_writer::bytes_root() {
  return bare_digest_bytes + (root_rows + latest_max + root_entries) * entry_bytes;
}

std::span<const slot_index> digest_writer::choose_silent(std::uint64_t& from, const message& out) {
  // Of the next rows the dead are told, and the most silent. So a peer that crashed or came back
  // while news of that was lost is soon named to others, who know better.
  const std::span<const packed_entry> rows = peers_.entries();
  std::size_t i = peers_.lower_bound(from);
  silent_.clear();
  std::size_t dead = 0;
  for (std::size_t left = std::min(root_rows_seen, rows.size()); left > 0; --left, ++i) {
    if (i >= rows.size()) i = 0;
    const peer_view row = peers_.at(i);
    if (has_own_place(out, row.name_hash())) continue;
    // Of those held dead two a turn are enough: most are.
    if (row.is_gone() && ++dead > root_rows_dead) continue;
    silent_.push_back(row.slot());
  }
  from = i < rows.size() ? rows[i].name_hash : 0;
  const std::size_t told = std::min({root_rows, silent_.size(), latest_rows_max(rows.size())});
  const auto order_of = [this](slot_index slot) {
    return std::pair(!peers_[slot].is_gone(), peers_.silent_since(slot));
  };
  std::ranges::partial_sort(silent_, silent_.begin() + static_cast<std::ptrdiff_t>(told), {},
                            order_of);
  return std::span(silent_).first(told);
}

void digest_writer::fill_root(digest_leg& leg, packer& pack, message& out, nanoseconds now) {
  const std::size_t nodes = peers_.entries().size();
  for (const slot_index slot : peers_.latest(latest_rows_max(nodes), news_rounds(nodes))) {
    if (!try_add_unclaimed(slot, pack, out, now)) break;
  }
  for (const slot_index slot : choose_silent(leg.extra_from, out)) {
    if (!try_add_unclaimed(slot, pack, out, now)) break;
  }
  sum_rows(shared_, now, {out.known.extra.begin(), out.known.extra.end()}, 0, sums_);
  out.known.root->parts = sums_.front().parts;
  out.known.root->nodes = static_cast<std::uint32_t>(nodes);
}

void digest_writer::add_about(slot_index slot, const digest_leg& leg, packer& pack,
                              const message& out) const {
  const peer_view row = peers_[slot];
  const std::uint64_t hash = row.name_hash();
  if (hash == out.sender.name_hash) return;
  if (unwanted_.find(hash)) return;  // its later run is refused, as in `try_add_unclaimed`
  const bool is_told = hash == out.receiver.name_hash;
  const std::optional<partial_entry> partial = shared_.partial_of(slot);
  const std::size_t places = (is_told ? 0U : 1U) + (partial ? 1U : 0U);
  if (pack.bytes_left() < places * entry_bytes + list_tag_bytes) return;
  if (!is_told && !pack.try_add_extra(row.entry())) return;
  if (partial) static_cast<void>(pack.try_add_partial(*partial));
  for (const spared_interval& one : leg.spared) {
    if (one.name_hash == hash && !pack.try_add_spared(one)) return;
  }
}

}  // namespace gossipmonger
