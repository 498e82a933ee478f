#include "gossipmonger/core/reconcile.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <ranges>
#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t hash_max = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t parked_rounds = 16;
// Longest pause before a storage that refuses is tried again.
constexpr std::uint64_t put_off_rounds_max = 16;
constexpr std::uint64_t floor_value_bytes = 8;
// A digest that says nothing but who sends it, to whom.
constexpr std::size_t bare_digest_bytes = digest_frame_bytes + list_tag_bytes + 2 * entry_bytes;
// The least that an identity takes in a datagram.
constexpr std::size_t identity_bytes_min = 64;
// Less room than this behind a frame carries nothing worth a datagram.
constexpr std::size_t place_margin = 64;
// Of a digest that cannot tell of everything, graves take one place in so many.
constexpr std::size_t graves_part = 4;
// Of what changed last, entries in the first datagram of a digest that cannot tell of everything.
constexpr std::size_t latest_max = 16;
constexpr std::size_t flights_max = 1024;
// What was sent is there, or lost, after so many intervals without a sign.
constexpr int flight_intervals = 4;
// An exchange is not made smaller than this, nor larger by more after each that came whole.
constexpr std::size_t burst_datagrams_min = 32;
constexpr std::size_t burst_datagrams_step = 8;

// Room beside a count of versions for an offset in a value.
constexpr unsigned offset_bits = 24;
constexpr std::uint64_t lacking_max = std::uint64_t{1} << 32U;
static_assert(offset_max < std::uint64_t{1} << offset_bits);

const packed_entry* find_sorted(std::span<const packed_entry> list, std::uint64_t name_hash) {
  const auto place = std::lower_bound(
      list.begin(), list.end(), name_hash,
      [](const packed_entry& one, std::uint64_t hash) { return one.name_hash < hash; });
  return place == list.end() || place->name_hash != name_hash ? nullptr : &*place;
}

bool has_entry(std::span<const packed_entry> list, std::uint64_t name_hash) {
  return std::any_of(list.begin(), list.end(),
                     [name_hash](const packed_entry& one) { return one.name_hash == name_hash; });
}

/// Whether the sender of `theirs` refuses this incarnation.
bool is_refused(const digest& theirs, peer_view row) {
  const packed_entry* refused = find_sorted(theirs.unwanted, row.name_hash());
  if (refused == nullptr || std::pair(row.generation(), row.heartbeat()) >
                                std::pair(refused->generation(), refused->heartbeat())) {
    return false;
  }
  // A later run beside the one that it holds: that generation alone is refused.
  const packed_entry* held = find_sorted(theirs.range, row.name_hash());
  const bool is_beside = held != nullptr && held->generation() < refused->generation();
  return !is_beside || row.generation() == refused->generation();
}

std::uint64_t read_floor(std::string_view value) {
  if (value.size() != floor_value_bytes) return 0;
  std::uint64_t floor = 0;
  for (std::size_t i = 0; i < floor_value_bytes; ++i) {
    floor |= std::uint64_t{static_cast<unsigned char>(value[i])} << (8 * i);
  }
  return floor;
}

/// Whether that entry stands in `out` for another reason than the range's.
bool has_own_place(const message& out, std::uint64_t name_hash) {
  return name_hash == out.sender.name_hash ||
         (out.receiver.generation != 0 && name_hash == out.receiver.name_hash);
}

void add_grave(const grave& lies, packer& pack) {
  digest_entry buried;
  buried.name_hash = lies.name_hash;
  buried.generation = lies.generation;
  buried.heartbeat = lies.heartbeat;
  static_cast<void>(pack.try_add_unwanted(buried));
}

/// Whether it holds a part of a value, and not the last.
bool has_open_value(const message& out) {
  return std::any_of(out.deltas.begin(), out.deltas.end(),
                     [](const delta_view& delta) { return delta.upto.offset != 0; });
}

/// What the leg has to say of doubts goes into its first datagram.
void add_doubts(leg_base& leg, packer& pack) {
  for (const doubt_entry& doubt : leg.doubts) {
    if (!pack.try_add_doubt(doubt)) break;
  }
  leg.doubts.clear();
}

}  // namespace

reconciler::reconciler(const config& settings, peer_table& peers, graveyard& graves,
                       storage_ref entries, change_list& changes, protocol_stats& stats,
                       random_source& draws)
    : settings_(settings),
      peers_(peers),
      graves_(graves),
      entries_(entries),
      changes_(changes),
      stats_(stats),
      random_(draws),
      parked_(settings.parked_bytes_max),
      partials_(make_cluster_key(settings.cluster_name), settings.partial_bytes_max),
      checksums_(make_cluster_key(settings.cluster_name)),
      whole_bytes_max_(entry_bytes_limit(settings.datagram_bytes_max)),
      narrow_whole_bytes_max_(entry_bytes_limit(datagram_bytes_floor)),
      flights_(flights_max) {}

std::size_t reconciler::message_bytes_max() const {
  return settings_.datagram_bytes_max - seal_bytes;
}

std::size_t reconciler::message_bytes_max(const leg_base& leg) const {
  const std::size_t most = message_bytes_max();
  return leg.is_narrow ? std::min(most, datagram_bytes_floor - seal_bytes) : most;
}

bool reconciler::is_narrow(const leg_base& leg) const {
  if (settings_.datagram_bytes_max == datagram_bytes_floor) return false;
  const std::optional<slot_index> slot = peers_.find(leg.remote_hash);
  return slot && peers_.details(*slot).is_narrow;
}

std::size_t reconciler::digest_rows_a_datagram() const {
  // Besides frame and tag, places for sender and receiver.
  return (message_bytes_max() - digest_frame_bytes - list_tag_bytes) / entry_bytes - 2;
}

std::size_t reconciler::digest_rows_within(std::size_t bytes) const {
  const std::size_t whole = bytes / message_bytes_max();
  const std::size_t rest = bytes % message_bytes_max();
  const std::size_t beside =
      rest < bare_digest_bytes ? 0 : (rest - bare_digest_bytes) / entry_bytes;
  return whole * digest_rows_a_datagram() + beside;
}

std::size_t reconciler::digest_bytes_whole(std::size_t datagrams) const {
  const std::size_t a_datagram = digest_rows_a_datagram();
  const std::size_t rows =
      std::min(peers_.by_hash().size() + graves_.all().size(), datagrams * a_datagram);
  return (rows + a_datagram - 1) / a_datagram * bare_digest_bytes + rows * entry_bytes;
}

std::size_t reconciler::digest_rows_min(std::size_t datagrams, std::size_t bytes) const {
  const std::size_t places = std::min(datagrams * digest_rows_a_datagram(),
                                      std::max<std::size_t>(1, digest_rows_within(bytes)));
  const std::size_t graves = graves_.all().size();
  if (graves == 0 || peers_.by_hash().size() + graves <= places) return places;
  // The range goes on, and so do the rows beside it, and each row stands in either: what one of the
  // two tells is half of what graves leave.
  return std::max<std::size_t>(1, (places - places / graves_part) / 2);
}

// ---------------------------------------------------------------------------------- comparing

bool reconciler::refuses(const digest_entry& theirs, nanoseconds now, const answer_leg& out) {
  if (out.is_unproved) {
    return graves_.refuses(theirs.name_hash, theirs.generation, theirs.heartbeat);
  }
  return graves_.refuses_told(theirs.name_hash, theirs.generation, theirs.heartbeat,
                              now + settings_.dead_peer_grace);
}

void reconciler::request_stranger(const digest_entry& theirs, nanoseconds now, answer_leg& out) {
  if (refuses(theirs, now, out)) return;
  digest_entry request;
  request.name_hash = theirs.name_hash;
  out.requests.push_back(request);
}

void reconciler::compare_request(const digest_entry& theirs, nanoseconds now, answer_leg& out) {
  if (const std::optional<slot_index> slot = peers_.find(theirs.name_hash)) {
    compare_entry(theirs, *slot, now, out, nullptr);
  }
}

void reconciler::compare_entry(const digest_entry& theirs, slot_index slot, nanoseconds now,
                               answer_leg& out, const digest* in) {
  const peer_view mine = peers_[slot];
  // Whom I no longer tell of comes back by a higher generation.
  if (!is_advertised(mine, now) && theirs.generation <= mine.generation()) return;
  // Nobody takes entries of itself. Each leg's frame says which run of the receiver I hold.
  const bool is_of_remote = mine.name_hash() == out.remote_hash;
  if (theirs.generation < mine.generation()) {
    if (is_of_remote || (in != nullptr && is_refused(*in, mine))) return;
    out.identities.push_back(slot);
    owe(slot, 0, now, out);
    return;
  }
  const bool may_request = in != nullptr && slot != self_slot;
  if (theirs.generation > mine.generation() || theirs.max_version > mine.max_version()) {
    const bool is_refused_here = theirs.generation > mine.generation() && refuses(theirs, now, out);
    if (may_request && !is_refused_here) out.requests.push_back(mine.entry());
    return;
  }
  if (theirs.max_version < mine.max_version()) {
    const bool is_owed = !is_of_remote && (in == nullptr || !is_refused(*in, mine));
    if (is_owed) owe(slot, theirs.max_version, now, out);
  } else if (out.has_flights) {
    const flight_answer seen =
        flights_.handle_held(out.remote_hash, mine.name_hash(), mine.generation(),
                             theirs.max_version, out.seen_heartbeat, now);
    adapt_burst(out.remote_hash, seen, now);
  }
  if (may_request &&
      (theirs.heartbeat < mine.heartbeat() || (mine.has_left() && !theirs.has_left))) {
    out.heartbeats.push_back(slot);
  }
}

void reconciler::owe(slot_index slot, std::uint64_t after, nanoseconds now, answer_leg& out) {
  const peer_view row = peers_[slot];
  std::optional<position> part = part_held(row, after, out);
  if (part && part->version > row.max_version()) {
    // The owner wrote that value when all before it was as it is there: older news help nobody. But
    // the owner knows what it wrote: it never wrote that, and goes on as ever.
    if (slot != self_slot) return;
    part.reset();
  }
  const flight_place held(after, part.value_or(position()));
  flight_answer seen;
  seen.after = held.after;
  seen.part = held.part;
  if (!out.is_unproved && !flights_.is_empty()) {
    seen = flights_.handle_held(out.remote_hash, row.name_hash(), row.generation(), held,
                                out.seen_heartbeat, now);
    adapt_burst(out.remote_hash, seen, now);
    stats_.entries_spared += seen.after - after;
  }
  if (seen.after >= row.max_version()) return;
  owed_delta& owed = out.owed.emplace_back(slot, row.generation(), seen.after);
  owed.part = seen.part;
  // Of those that lack as many versions, who has most of the next value is the first to be whole.
  const std::uint64_t versions = std::min(row.max_version() - seen.after, lacking_max);
  out.lacking += (versions << offset_bits) - std::min(seen.part.offset, offset_max);
}

// ------------------------------------------------------------------------------------- bursts

void reconciler::adapt_burst(std::uint64_t remote_hash, const flight_answer& seen,
                             nanoseconds now) {
  if (!seen.was_lost && !seen.has_arrived) return;
  const std::optional<slot_index> slot = peers_.find(remote_hash);
  if (!slot) return;
  peer_details& of = peers_.details(*slot);
  const std::size_t most = settings_.exchange_datagrams_max;
  const std::size_t burst = of.burst_datagrams == 0 ? most : of.burst_datagrams;
  if (seen.was_lost && now - of.burst_changed >= settings_.gossip_interval) {
    of.burst_datagrams = std::min(most, std::max(burst / 2, burst_datagrams_min));
    of.burst_changed = now;
    ++stats_.bursts_halved;
  } else if (seen.has_arrived && of.burst_datagrams != 0) {
    const std::size_t larger = burst + burst_datagrams_step;
    of.burst_datagrams = larger >= most ? 0 : larger;
  }
}

void reconciler::limit_burst(answer_leg& out) const {
  if (out.is_unproved) return;
  const std::optional<slot_index> slot = peers_.find(out.remote_hash);
  if (!slot || peers_.details(*slot).burst_datagrams == 0) return;
  out.datagrams_left = std::min(out.datagrams_left, peers_.details(*slot).burst_datagrams);
}

bool reconciler::is_wanted(const digest& theirs, peer_view row, const answer_leg& out) const {
  if (row.name_hash() == out.remote_hash || has_entry(theirs.extra, row.name_hash())) return false;
  return !is_refused(theirs, row);
}

void reconciler::compare(const digest& theirs, const digest_comparison& seen,
                         std::uint64_t sender_hash, nanoseconds now, answer_leg& out) {
  out.remote_hash = sender_hash;
  out.has_flights = !out.is_unproved && has_flights(sender_hash);
  assert(seen.range.is_thorough() || !out.has_flights);
  const auto compare_all = [&](std::span<const packed_entry> entries, const comparison& of) {
    for (const located_entry& at : of.others()) {
      if (at.slot == no_slot) {
        request_stranger(entries[at.index], now, out);
      } else {
        compare_entry(entries[at.index], at.slot, now, out, &theirs);
      }
    }
    // Where a heartbeat alone is higher there, nobody owes anything.
    const auto slot_at = [this](row_place place) { return peers_.at(place).slot(); };
    const auto slots = std::views::transform(of.behind(), slot_at);
    out.heartbeats.insert(out.heartbeats.end(), slots.begin(), slots.end());
  };
  compare_all(theirs.range, seen.range);
  compare_all(theirs.extra, seen.extra);
  if (theirs.lo <= theirs.hi) compare_absent(theirs, seen.range, now, out);
}

void reconciler::compare_absent(const digest& theirs, const comparison& seen, nanoseconds now,
                                answer_leg& out) {
  const std::span<const packed_entry> rows = peers_.entries();
  const std::size_t first = peers_.lower_bound(theirs.lo);
  const std::size_t end = theirs.hi == hash_max ? rows.size() : peers_.lower_bound(theirs.hi + 1);
  if (end - first == theirs.range.size() - seen.strangers()) return;  // all of them stand there

  // Both sides ascend by hash.
  std::size_t claimed = 0;
  for (std::size_t i = first; i < end; ++i) {
    while (claimed < theirs.range.size() && theirs.range[claimed].name_hash < rows[i].name_hash) {
      ++claimed;
    }
    if (claimed < theirs.range.size() && theirs.range[claimed].name_hash == rows[i].name_hash) {
      continue;
    }
    const peer_view row = peers_.at(i);
    if (!is_advertised(row, now) || !is_wanted(theirs, row, out)) continue;
    // What the budget cannot carry is not planned: an empty digest from a stranger costs little.
    if (out.identities.size() > out.bytes_left / identity_bytes_min) return;
    out.identities.push_back(row.slot());
    owe(row.slot(), 0, now, out);
  }
}

void reconciler::shuffle(answer_leg& out) {
  // Self's identity goes first: without it a joiner cannot attribute anything to me.
  const auto own = std::find(out.identities.begin(), out.identities.end(), self_slot);
  if (own != out.identities.end()) std::iter_swap(out.identities.begin(), own);
  if (out.owed.empty()) return;
  const auto first = static_cast<std::ptrdiff_t>(random_.below(out.owed.size()));
  std::rotate(out.owed.begin(), out.owed.begin() + first, out.owed.end());
  out.turn = 0;
}

// ------------------------------------------------------------------------------------ filling

void reconciler::set_frame(const leg_base& leg, message& out) const {
  out.sender = peers_.self().entry();
  out.cookie_echo = leg.cookie_echo;
  if (leg.remote_hash == 0) return;
  if (const std::optional<slot_index> slot = peers_.find(leg.remote_hash)) {
    out.receiver = peers_[*slot].entry();
    out.receiver_instance = peers_.details(*slot).instance;
    const bool is_digest = out.kind == message_kind::digest;
    if (is_digest) out.largest_received = peers_.details(*slot).path.tell(round_);
  } else if (const std::optional<grave> lies = graves_.find(leg.remote_hash);
             lies && lies->heartbeat < heartbeat_max) {
    // A node that lost its clock learns here to take a higher generation. A refusal, which stands
    // there with the highest heartbeat, is no news of anybody: the refused would refute it for
    // ever.
    out.receiver.name_hash = leg.remote_hash;
    out.receiver.generation = lies->generation;
    out.receiver.heartbeat = lies->heartbeat;
  }
}

void reconciler::add_echo(const answer_leg& leg, message& out) {
  if (leg.remote_hash == 0) return;
  // A higher run than the asker's keeps its own heartbeat: with the asker's, the remains of a
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

bool reconciler::fill_digest(digest_leg& leg, message& out, nanoseconds now) {
  const bool is_claimed =
      leg.digest_rows_left == 0 && (leg.is_partial || leg.digest_graves_left == 0);
  if (leg.datagrams_left == 0 || is_claimed || leg.extra_rows_left == 0) return false;
  leg.is_narrow = is_narrow(leg);
  // Less than one row besides sender and receiver is not worth a datagram.
  const std::size_t budget = std::min(message_bytes_max(leg), leg.digest_bytes_left);
  if (budget < bare_digest_bytes + entry_bytes) return false;
  packer pack(out, message_kind::digest, budget);
  set_frame(leg, out);
  out.padded_bytes = leg.padded_bytes;
  out.interval = interval_code(settings_.gossip_interval);
  add_doubts(leg, pack);

  // Sender and receiver stand in every datagram: in the range, or else, by a place kept free for
  // each, in extra. The first datagram leaves room for what changed last, where the leg cannot tell
  // of everything.
  digest_places places;
  places.rows_max = (budget - bare_digest_bytes) / entry_bytes;
  places.has_receiver = out.receiver.generation == 0;
  if (const std::optional<slot_index> slot = peers_.find(out.receiver.name_hash)) {
    places.of_receiver = partial_of(*slot);
    out.is_name_shared = peers_.details(*slot).namesake.is_shared(now);
    places.is_receiver_refused =
        peers_[*slot].is_refused() || graves_.find(out.receiver.name_hash).has_value();
  }
  if (leg.has_extra && !leg.is_short) {
    leg.is_partial = leg.digest_rows_left + leg.digest_graves_left >
                     std::min(leg.datagrams_left * digest_rows_a_datagram(),
                              digest_rows_within(leg.digest_bytes_left));
    if (leg.is_partial) places.extra = std::min(latest_max, places.rows_max / 2);
  }

  if (leg.is_short) {
    leg.digest_rows_left = 0;
    leg.digest_graves_left = 0;
  } else {
    fill_range(leg, pack, out, now, places);
  }
  fill_extra(leg, pack, out, now, places);
  if (leg.about && peers_.is_used(*leg.about)) add_about(*leg.about, pack, out);
  leg.has_extra = false;
  leg.filled_bytes = std::max(pack.bytes(), leg.padded_bytes);
  leg.digest_bytes_left -= pack.bytes();
  --leg.datagrams_left;
  return true;
}

void reconciler::fill_range(digest_leg& leg, packer& pack, message& out, nanoseconds now,
                            digest_places& places) const {
  const std::span<const packed_entry> rows = peers_.entries();
  const std::span<const grave> graves = graves_.all();
  std::size_t i = peers_.lower_bound(leg.digest_from);
  const auto grave_before = [](const grave& one, std::uint64_t hash) {
    return one.name_hash < hash;
  };
  auto g = static_cast<std::size_t>(
      std::lower_bound(graves.begin(), graves.end(), leg.digest_from, grave_before) -
      graves.begin());
  // A grave inside the range that is not told of would read as unknown to me, and be sent again:
  // the range ends where graves have taken their part of the datagram.
  std::size_t grave_places =
      leg.is_partial ? std::max<std::size_t>(1, places.rows_max / graves_part) : graves.size();
  const auto kept_free = [&] {
    const bool has_tag =
        !out.known.range.empty() || !out.known.unwanted.empty() || !out.doubts.empty();
    const std::size_t of_receiver = places.of_receiver ? 2 : 1;
    const std::size_t kept =
        (places.has_sender ? 0U : 1U) + (places.has_receiver ? 0U : of_receiver) + places.extra;
    return (has_tag ? 0 : list_tag_bytes) + kept * entry_bytes;
  };

  out.known.lo = leg.digest_from;
  out.known.hi = hash_max;
  leg.digest_from = 0;
  while (i < rows.size() || g < graves.size()) {
    if (partials_.is_empty()) {
      const std::size_t room = pack.bytes_left() - std::min(pack.bytes_left(), kept_free());
      const std::uint64_t until = g < graves.size() ? graves[g].name_hash : hash_max;
      const std::size_t seen = add_plain_rows(i, std::min(leg.digest_rows_left, room / entry_bytes),
                                              until, pack, out, now);
      i += seen;
      leg.digest_rows_left -= seen;
      if (i == rows.size() && g == graves.size()) break;
    }
    const bool is_grave =
        i == rows.size() || (g < graves.size() && graves[g].name_hash < rows[i].name_hash);
    const std::uint64_t name_hash = is_grave ? graves[g].name_hash : rows[i].name_hash;
    // A later run that I refuse stands beside the one that I hold, and so in the same datagram.
    const grave* const beside =
        !is_grave && g < graves.size() && graves[g].name_hash == name_hash ? &graves[g] : nullptr;
    const bool is_own_place = has_own_place(out, name_hash);
    const bool is_doubled =
        beside != nullptr || (is_own_place && !is_grave && peers_.at(i).is_refused());
    // And so do a row and how much of its next value is here.
    const std::optional<partial_entry> partial =
        is_grave ? std::nullopt : partial_of(peers_.at(i).slot());
    const std::size_t row_bytes = partial ? 2 * entry_bytes : entry_bytes;
    const std::size_t needed =
        kept_free() + (is_own_place ? 0 : row_bytes) + (is_doubled ? entry_bytes : 0);
    const bool has_no_place = partial && out.partials.size() == partials_max;
    const bool is_turned = !is_grave && leg.digest_rows_left == 0;
    places.is_cut_by_graves = is_grave && grave_places == 0;
    if (pack.bytes_left() < needed || has_no_place || is_turned || places.is_cut_by_graves) {
      if (is_turned) leg.digest_graves_left = 0;
      out.known.hi = name_hash - 1;
      leg.digest_from = name_hash;
      break;
    }
    if (is_grave) {
      if (name_hash != out.receiver.name_hash) add_grave(graves[g], pack);
      ++g;
      --grave_places;
      leg.digest_graves_left -= std::min<std::size_t>(1, leg.digest_graves_left);
      continue;
    }
    add_row(peers_.at(i++).slot(), beside, pack, out, now, places);
    if (beside != nullptr) {
      ++g;
      leg.digest_graves_left -= std::min<std::size_t>(1, leg.digest_graves_left);
    }
    --leg.digest_rows_left;
  }
  if (out.known.lo > out.known.hi) {
    out.known.lo = 1;
    out.known.hi = 0;
  }
}

std::size_t reconciler::add_plain_rows(std::size_t first, std::size_t count_max,
                                       std::uint64_t until, packer& pack, const message& out,
                                       nanoseconds now) const {
  // Up to where somebody stands who is told of for another reason, or not at all.
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
  if (peers_.irregular() > 1) {  // more than self, who is advertised
    std::size_t place = first;
    while (place < end && (peers_.at(place).is_plain() || is_advertised(peers_.at(place), now))) {
      ++place;
    }
    end = place;
  }
  return pack.add_range(all.subspan(first, end - first));
}

void reconciler::add_row(slot_index slot, const grave* beside, packer& pack, const message& out,
                         nanoseconds now, digest_places& places) const {
  const peer_view row = peers_[slot];
  const bool is_own_place = has_own_place(out, row.name_hash());
  const bool is_told_of = is_advertised(row, now);
  if (beside != nullptr) {
    add_grave(*beside, pack);  // it says more than the row would
  } else if (!is_told_of && (!is_own_place || row.is_refused())) {
    // So does the receiver, if I take nothing more of it, though it stands in the range besides.
    digest_entry unwanted = row.entry();
    unwanted.max_version = 0;
    unwanted.has_left = false;
    if (row.is_refused()) unwanted.heartbeat = heartbeat_max;
    static_cast<void>(pack.try_add_unwanted(unwanted));
  }
  if (!is_told_of && !is_own_place) return;
  static_cast<void>(pack.add_range(std::span(&row.entry(), 1)));
  if (const std::optional<partial_entry> partial = partial_of(slot)) {
    static_cast<void>(pack.try_add_partial(*partial));
  }
  places.has_sender = places.has_sender || row.name_hash() == out.sender.name_hash;
  places.has_receiver = places.has_receiver || row.name_hash() == out.receiver.name_hash;
}

bool reconciler::try_add_unclaimed(slot_index slot, packer& pack, const message& out,
                                   nanoseconds now) const {
  const peer_view row = peers_[slot];
  const bool is_in = row.name_hash() >= out.known.lo && row.name_hash() <= out.known.hi;
  if (is_in || !is_advertised(row, now) || has_entry(out.known.extra, row.name_hash())) return true;
  // A later run that I refuse has a place in the range only: without it, it would be sent.
  if (graves_.find(row.name_hash())) return true;
  const std::optional<partial_entry> partial = partial_of(slot);
  if (partial && pack.bytes_left() < 2 * entry_bytes) return false;
  if (!pack.try_add_extra(row.entry())) return false;
  if (partial) static_cast<void>(pack.try_add_partial(*partial));
  return true;
}

void reconciler::fill_extra(digest_leg& leg, packer& pack, message& out, nanoseconds now,
                            const digest_places& places) {
  if (!places.has_sender) static_cast<void>(pack.try_add_extra(out.sender));
  if (!places.has_receiver && places.is_receiver_refused) {
    // What I refuse of it has a place in the range only, and without that it would send it, in
    // answer to each datagram. So this one says nothing of it.
    out.receiver = digest_entry();
    out.receiver_instance = 0;
  } else if (!places.has_receiver) {
    static_cast<void>(pack.try_add_extra(out.receiver));
    if (places.of_receiver) static_cast<void>(pack.try_add_partial(*places.of_receiver));
  }
  if (places.extra != 0) {
    for (const slot_index slot : peers_.latest(places.extra)) {
      if (!try_add_unclaimed(slot, pack, out, now)) break;
    }
  }
  if (!places.is_cut_by_graves) return;
  const std::span<const packed_entry> rows = peers_.entries();
  std::size_t i = peers_.lower_bound(leg.extra_from);
  for (; leg.extra_rows_left > 0; --leg.extra_rows_left, ++i) {
    if (i >= rows.size()) i = 0;
    if (!try_add_unclaimed(peers_.at(i).slot(), pack, out, now)) break;
  }
  leg.extra_from = i < rows.size() ? rows[i].name_hash : 0;
}

void reconciler::fill_heartbeats(answer_leg& leg, packer& pack) const {
  const auto is_used = [this](slot_index slot) { return peers_.is_used(slot); };
  // By reference: else they would be taken one by one.
  const auto entry_of = [this](slot_index slot) -> const packed_entry& {
    return peers_[slot].entry();
  };
  auto first = leg.heartbeats.begin();
  for (;;) {
    // Who went since the leg was planned ends a run.
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

bool reconciler::fill_reply(answer_leg& leg, message& out, nanoseconds now) {
  const bool is_first = leg.is_first;
  if (!is_first && !leg.has_more()) return false;
  leg.is_narrow = is_narrow(leg);
  const std::size_t budget = std::min(message_bytes_max(leg), leg.bytes_left);
  if (leg.datagrams_left == 0 || budget < reply_frame_bytes) return false;

  packer pack(out, leg.kind, budget);
  set_frame(leg, out);
  add_echo(leg, out);
  out.padded_bytes = 0;
  if (is_first && leg.refused != refusal::none) {
    static_cast<void>(pack.try_set_refusal(leg.refused));
  }
  add_doubts(leg, pack);

  const auto take = [](auto& list, auto try_add) {
    std::size_t taken = 0;
    while (taken < list.size() && try_add(list[taken])) ++taken;
    list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(taken));
  };
  take(leg.identities, [&](slot_index slot) {
    if (!peers_.is_used(slot)) return true;
    const peer_view row = peers_[slot];
    const peer_details& of = peers_.details(slot);
    identity_view who;
    who.name = of.name;
    who.generation = row.generation();
    who.instance = of.instance;
    who.heartbeat = row.heartbeat();
    who.has_left = row.has_left();
    who.address = of.address;
    if (slot != self_slot) {
      who.silent =
          std::chrono::duration_cast<std::chrono::milliseconds>(now - peers_.silent_since(slot));
    }
    return pack.try_add_identity(who);
  });
  take(leg.requests, [&](const digest_entry& request) {
    const std::optional<slot_index> slot = peers_.find(request.name_hash);
    const std::optional<partial_entry> partial = slot ? partial_of(*slot) : std::nullopt;
    constexpr std::size_t room_for_both = 80;  // with frame and tag of the news
    if (partial && pack.bytes_left() < room_for_both) return false;
    if (!pack.try_add_request(request)) return false;
    return !partial || out.partials.size() == partials_max || pack.try_add_partial(*partial);
  });
  fill_heartbeats(leg, pack);
  if (leg.identities.empty() && leg.requests.empty()) fill_deltas(leg, pack, out);

  const bool is_empty = out.identities.empty() && out.requests.empty() && out.heartbeats.empty() &&
                        out.deltas.empty() && out.doubts.empty();
  if (is_empty && !is_first && !leg.is_unproved) return false;
  // A reply of one datagram costs little to send again; what goes on is remembered.
  if (!is_first && !leg.is_unproved && leg.remote_hash != 0 && !out.deltas.empty()) {
    const nanoseconds due = now + flight_intervals * settings_.gossip_interval;
    for (const delta_view& delta : out.deltas) {
      flight_place upto(delta.upto.version);
      if (delta.upto.offset != 0) {
        upto.part = position(out.entries[delta.first_entry].version, delta.upto.offset);
      }
      flights_.handle_sent(leg.remote_hash, delta.name_hash, delta.generation, upto,
                           peers_.self().heartbeat(), due);
    }
  }
  leg.is_first = false;
  leg.filled_bytes = pack.bytes();
  leg.bytes_left -= std::min(leg.bytes_left, pack.bytes());
  --leg.datagrams_left;
  const bool is_spent =
      is_empty || leg.datagrams_left == 0 || leg.bytes_left < reply_frame_bytes + place_margin;
  if (is_spent && leg.has_more()) {
    leg.datagrams_left = 0;
    out.more = leg.is_unproved || has_open_value(out);
    if (leg.is_unproved) ++stats_.replies_cut;
  }
  return true;
}

void reconciler::fill_deltas(answer_leg& leg, packer& pack, const message& out) {
  while (!leg.owed.empty()) {
    leg.turn %= leg.owed.size();
    if (!fill_turn(leg, pack, out)) return;
  }
}

bool reconciler::fill_turn(answer_leg& leg, packer& pack, const message& out) {
  // Turns go from the first to the last: the last, which has had none since the first had its own,
  // takes the place. To erase in the middle of thousands would cost more than the datagram.
  const auto drop_turn = [&leg] {
    std::swap(leg.owed[leg.turn], leg.owed.back());
    leg.owed.pop_back();
  };
  owed_delta& turn = leg.owed[leg.turn];
  if (!peers_.is_used(turn.slot) || peers_[turn.slot].generation() != turn.generation ||
      peers_[turn.slot].max_version() <= turn.after) {
    drop_turn();
    return true;
  }

  const peer_view row = peers_[turn.slot];
  if (turn.deficit == 0) turn.deficit = message_bytes_max();
  const std::optional<entry_view> next = entries_.first_above(turn.slot, turn.after);
  if (next && is_large(*next, leg)) return fill_fragment(leg, pack, out, *next);
  const std::size_t before = pack.bytes_left();
  const std::uint64_t top = top_of(turn.slot);
  if (!pack.try_open_delta(row.name_hash(), row.generation(), position(turn.after), top)) {
    return false;
  }

  std::uint64_t sent = 0;
  bool is_full = false;
  for (std::optional<entry_view> entry = next;;
       entry = entries_.first_above(turn.slot, turn.after)) {
    if (!entry) {
      pack.extend_delta(row.max_version());
      drop_turn();
      break;
    }
    if (leg.owed.size() > 1 && before - pack.bytes_left() >= turn.deficit) {
      turn.deficit = 0;
      leg.turn += 1;
      break;
    }
    if (is_large(*entry, leg)) {
      pack.close_delta();
      spend(leg, before - pack.bytes_left());
      stats_.entries_sent += sent;
      return true;
    }
    if (!pack.try_add_entry(*entry)) {
      is_full = true;
      break;
    }
    turn.after = entry->version;
    ++sent;
  }
  stats_.entries_sent += sent;
  if (is_full && sent > 0) spend(leg, before - pack.bytes_left());
  pack.close_delta();
  return !is_full;
}

void reconciler::spend(answer_leg& leg, std::size_t used) const {
  owed_delta& turn = leg.owed[leg.turn];
  // A small rest is not worth the frame of one more delta in the next datagram.
  const std::size_t rest = used < turn.deficit ? turn.deficit - used : 0;
  turn.deficit = rest < message_bytes_max() / 4 ? 0 : rest;
  if (turn.deficit == 0) leg.turn += 1;
}

// ----------------------------------------------------------------------------------- applying

void reconciler::apply(const message& from, const delta_view& delta) {
  const auto drop = [this](drop_reason reason) {
    ++stats_.drops[static_cast<std::size_t>(reason)];
  };
  const std::optional<slot_index> slot = peers_.find(delta.name_hash);
  if (slot == self_slot) return drop(drop_reason::about_self);
  if (!slot || delta.generation > peers_[*slot].generation()) {
    return drop(drop_reason::unknown_peer);
  }
  if (delta.generation < peers_[*slot].generation()) return drop(drop_reason::stale);
  const peer row = peers_[*slot];
  if (row.is_over_capacity()) return drop(drop_reason::capacity);
  if (row.is_put_off()) return drop(drop_reason::storage);
  if (delta.value_bytes != 0) return apply_fragment(*slot, from, delta);
  if (delta.upto.version <= row.max_version()) {
    stats_.entries_skipped += delta.entry_count;
    return;
  }
  if (delta.after.version > row.max_version()) {
    if (parked_.try_park(*slot, from, delta, round_)) {
      ++stats_.deltas_parked;
    } else {
      drop(drop_reason::gap);
    }
    return;
  }
  raise_top(*slot, delta.top);
  apply_entries(*slot, from.entries, delta.first_entry, delta.entry_count, delta.upto.version);
  if (!parked_.is_empty()) apply_parked(*slot);
  apply_floor(*slot);
}

void reconciler::apply_parked(slot_index slot) {
  while (std::optional<parked_delta> parked =
             parked_.take(slot, peers_[slot].max_version(), partials_.find(slot))) {
    const peer row = peers_[slot];
    const delta_view& delta = parked->delta;
    if (delta.generation != row.generation()) continue;
    // Told once: what waits of it would only be refused in turn.
    if (row.is_refused()) return parked_.forget(slot);
    if (delta.value_bytes != 0) {
      take_fragment(slot, delta, parked->entries.front());
      continue;
    }
    raise_top(slot, delta.top);
    apply_entries(slot, parked->entries, 0, parked->entries.size(), delta.upto.version);
  }
}

void reconciler::apply_entries(slot_index slot, const std::vector<entry_view>& entries,
                               std::size_t first, std::size_t count, std::uint64_t upto) {
  const peer row = peers_[slot];
  for (std::size_t i = first; i < first + count; ++i) {
    if (entries[i].version <= row.max_version()) {
      ++stats_.entries_skipped;
      continue;
    }
    if (!try_put(slot, entries[i])) return;
    row.set_max_version(entries[i].version);  // a prefix, at every step (I2)
    ++stats_.entries_applied;
  }
  row.set_max_version(std::max(row.max_version(), upto));
  raise_top(slot, row.max_version());
  if (!partials_.is_empty()) partials_.drop_upto(slot, row.max_version());
  peers_.touch(slot);
}

bool reconciler::exceeds_capacity(slot_index slot, const entry_view& entry, std::size_t value_bytes,
                                  const std::optional<entry_view>& held) {
  const peer row = peers_[slot];
  const storage_usage used = entries_.usage(slot);
  const std::size_t bytes_held = held ? held->key.size() + held->value.size() : 0;
  const std::size_t bytes = used.bytes - bytes_held + entry.key.size() + value_bytes;
  const std::size_t keys = used.live_keys + used.tombstones + (held ? 0 : 1);
  // While a floor waits for its time, what it will drop stands beside what took its place; and what
  // a compaction moved comes before its marker.
  const bool is_marker = entry.key == floor_key;
  const peer_details& of = peers_.details(slot);
  const std::size_t times = of.floor != 0 || is_marker || entry.version < of.top ? 2 : 1;
  const bool is_too_large = value_bytes > settings_.value_bytes_max;
  const std::size_t keys_most = times * settings_.keys_per_peer_max;
  // The marker is nobody's key; it is looked for where that makes a difference.
  const bool has_place =
      keys <= keys_most || (keys == keys_most + 1 && (is_marker || entries_.find(slot, floor_key)));
  if (!is_too_large && has_place && bytes <= times * settings_.bytes_per_peer_max) {
    return false;
  }
  row.set_over_capacity(true);
  ++stats_.drops[static_cast<std::size_t>(drop_reason::capacity)];
  const std::string what = is_too_large ? "a value of this peer exceeds value_bytes_max; "
                                        : "the entries of this peer exceed keys_per_peer_max or "
                                          "bytes_per_peer_max; ";
  changes_.notice(event_kind::error, peers_.details(slot).name, row.generation(),
                  what + "nothing further of this generation is taken");
  return true;
}

bool reconciler::try_put(slot_index slot, const entry_view& entry) {
  // A floor is the version before a compaction, of which the marker is the last.
  if (entry.key == floor_key && read_floor(entry.value) >= entry.version) {
    ++stats_.drops[static_cast<std::size_t>(drop_reason::field)];
    return false;
  }
  const std::optional<entry_view> held = entries_.find(slot, entry.key);
  if (exceeds_capacity(slot, entry, entry.value.size(), held)) return false;
  entry_view placed = entry;
  const bool is_same =
      held && held->value == entry.value && held->is_tombstone == entry.is_tombstone;
  // The marker is no content: it takes its place in the version order only.
  placed.sequence = is_same ? held->sequence : changes_.take();
  if (const result<void> put = entries_.put(slot, placed); !put) {
    ++stats_.drops[static_cast<std::size_t>(drop_reason::storage)];
    // Told once, until it works.
    const peer_details& of = peers_.details(slot);
    if (of.put_off_rounds == 0) {
      changes_.notice(event_kind::error, of.name, peers_[slot].generation(),
                      "the storage refused an entry: " + put.error().message());
    }
    if (slot != self_slot) put_off(slot);
    return false;
  }
  peer_details& of = peers_.details(slot);
  of.put_off_rounds = 0;
  if (entry.key == floor_key) of.floor = std::max(of.floor, read_floor(entry.value));
  return true;
}

void reconciler::apply_floor(slot_index slot) {
  peer_details& of = peers_.details(slot);
  const bool is_early = peers_[slot].max_version() < of.top;
  if (of.floor == 0 || is_early) return;
  changes_.advance_to(entries_.drop_upto(slot, of.floor, changes_.last()));
  of.floor = 0;
}

void reconciler::count_tables(table_sizes& out) const {
  out.parked_deltas = parked_.size();
  out.parked_bytes = parked_.bytes();
  out.partial_values = partials_.size();
  out.partial_bytes = partials_.bytes();
  out.announced_bytes = partials_.announced_bytes();
  out.put_off = put_off_.size();
  out.flights = flights_.size();
  out.checksums = checksums_.size();
}

void reconciler::forget(slot_index slot) {
  entries_.forget(slot);
  parked_.forget(slot);
  partials_.forget(slot);
  checksums_.forget(slot);
  std::erase(put_off_, slot);
}

void reconciler::put_off(slot_index slot) {
  peer_details& of = peers_.details(slot);
  of.put_off_rounds = std::clamp<std::uint64_t>(2 * of.put_off_rounds, 1, put_off_rounds_max);
  of.put_off_until = round_ + of.put_off_rounds;
  peers_[slot].set_put_off(true);
  put_off_.push_back(slot);
}

void reconciler::resume_put_off() {
  std::erase_if(put_off_, [this](slot_index slot) {
    if (round_ < peers_.details(slot).put_off_until) return false;
    peers_[slot].set_put_off(false);
    peers_.touch(slot);
    return true;
  });
}

void reconciler::begin_round(std::uint64_t round) {
  round_ = round;
  resume_put_off();
  if (round > parked_rounds) parked_.expire(round - parked_rounds);
  // Everyone is met once in a turn of the ring: who had the first part is met again in two.
  const std::uint64_t turns = 2 * peers_.size() / settings_.fanout + parked_rounds;
  if (round > turns) partials_.expire(round - turns);
}

}  // namespace gossipmonger
