// Well-formed lies, most of them from a peer that is known and whose address is verified.
#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../wire/sample_message.hpp"
#include "catalogue.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;
using place = endpoint;  // drop_reason has an `endpoint` of its own
using enum drop_reason;
using enum outcome;

std::uint64_t milliseconds_ahead(const arena& to, std::chrono::hours ahead) {
  using std::chrono::milliseconds;
  const auto date = std::chrono::duration_cast<milliseconds>(to.where.now(0).wall + ahead);
  return static_cast<std::uint64_t>(date.count());
}

void send_delta(arena& to, std::string_view peer, std::uint64_t after, std::uint64_t upto,
                std::int64_t generations_later = 0) {
  message m;
  to.begin(m, message_kind::deltas);
  delta_view& delta = to.add_delta(m, peer, after, upto);
  delta.generation += static_cast<std::uint64_t>(generations_later);
  entry_view& entry = m.entries.emplace_back();
  entry.key = "key";
  entry.value = "a lie";
  entry.version = upto;
  delta.entry_count = 1;
  to.send(m);
}

void send_identity(arena& to, const identity_view& who) {
  message m;
  to.begin(m, message_kind::reply);
  m.identities.push_back(who);
  to.send(m);
}

void send_future(arena& to, std::string_view name, std::uint64_t generation) {
  send_identity(to, arena::identity(name, generation));
}

void send_addresses(arena& to) {
  place v6_multicast;
  v6_multicast.address[0] = 0xff;
  v6_multicast.address[1] = 0x02;
  v6_multicast.address[15] = 1;
  v6_multicast.port = 7000;
  place wildcard;
  wildcard.port = 7000;
  const std::pair<const char*, place> lies[] = {
      {"wildcard", wildcard},
      {"wildcard4", place::v4(0, 0, 0, 0, 7000)},
      {"no-port", place::v4(10, 0, 0, 9, 0)},
      {"multicast", place::v4(224, 0, 0, 1, 7000)},
      {"broadcast", place::v4(255, 255, 255, 255, 7000)},
      {"loopback of another host", place::v4(127, 0, 0, 1, 7000)},
      {"v6-multicast", v6_multicast},
  };
  for (const auto& [name, address] : lies) {
    identity_view who = arena::identity(name, 0);
    who.address = address;
    send_identity(to, who);
  }
}

void send_names(arena& to) {
  for (int number = 0; number < 1000; ++number) {
    const std::string name = "forged-" + std::to_string(number);
    send_identity(to, arena::identity(name, 0));
  }
}

void send_self(arena& to) {
  identity_view who = arena::identity(to.node().name(), to.node().generation());
  who.instance = 0;
  send_identity(to, who);
}

void send_silent(arena& to) {
  identity_view who = arena::identity("relic", 0);
  who.silent = std::chrono::milliseconds(std::numeric_limits<std::uint32_t>::max());
  send_identity(to, who);
}

void send_rewrite(arena& to) {
  message m;
  to.begin(m, message_kind::deltas);
  delta_view& delta = to.add_delta(m, "n1", 0, to.entry_of("n1").max_version);
  for (std::uint64_t version = 1; version <= delta.upto.version; ++version) {
    m.entries.push_back(make_value("key", "a lie", version));
  }
  delta.entry_count = m.entries.size();
  to.send(m);
}

/// `part` of a value of `value_bytes`, from its begin on, as the next write of `peer`.
void add_fragment(const arena& to, message& m, std::string_view peer, std::string_view part,
                  std::uint32_t value_bytes, std::uint64_t checksum, std::uint64_t after) {
  delta_view& delta = to.add_delta(m, peer, after, after + 1);
  const auto length = static_cast<std::uint32_t>(part.size());
  if (length < value_bytes) delta.upto = position(after, length);
  delta.value_bytes = value_bytes;
  delta.value_checksum = checksum;
  delta.entry_count = 1;
  m.entries.push_back(make_value("large", part, after + 1));
}

void send_fragment(arena& to, std::string_view peer, std::uint32_t value_bytes,
                   std::uint64_t after) {
  message m;
  to.begin(m, message_kind::deltas);
  add_fragment(to, m, peer, "a lie", value_bytes, 1, after);
  to.send(m);
}

void send_contradiction(arena& to) {
  message m;
  to.begin(m, message_kind::deltas);
  add_fragment(to, m, "enemy", "half", 8, 1, 3);
  add_fragment(to, m, "enemy", "half", 8, 2, 3);
  to.send(m);
}

/// A digest of the enemy, who knows this of the others.
void begin_digest(const arena& to, message& m) {
  to.begin(m, message_kind::digest);
  m.sender.max_version = 3;
  m.known.extra.push_back(m.sender);
}

void send_versions(arena& to) {
  message m;
  begin_digest(to, m);
  digest_entry entry = to.entry_of("n1");
  entry.max_version = version_max;
  m.known.extra.push_back(entry);
  to.send(m);
}

/// The reply asks for what is missing of a value, and says what is there: once.
void send_twice(arena& to) {
  send_fragment(to, "enemy", 4000, 3);
  message m;
  begin_digest(to, m);
  m.sender.max_version = 9;
  m.known.extra.own().assign(5, m.sender);
  m.known.extra.push_back(m.receiver);
  to.send(m);
}

void send_unknown(arena& to) {
  message m;
  to.begin(m, message_kind::reply);
  for (std::uint64_t hash = 1; hash <= 20; ++hash) {
    m.heartbeats.push_back(make_entry(hash, 1, 1, heartbeat_max));
    m.requests.push_back(make_entry(hash, 0, 0, 0));
  }
  to.send(m);
}

void ask_for_all(arena& to) {
  message m;
  m.kind = message_kind::digest;
  m.sender = make_entry(42, 1, 0, 0);
  m.known.lo = 0;
  m.known.hi = std::numeric_limits<std::uint64_t>::max();
  m.known.range = {m.sender};
  m.cookie_echo = 1;
  to.send_from(to.outsider, to.encoded(m));
}

void refuse_all(arena& to) {
  message m;
  begin_digest(to, m);
  m.known.lo = 0;
  m.known.hi = std::numeric_limits<std::uint64_t>::max();
  std::vector<packed_entry>& list = m.known.unwanted.own();
  for (const std::string_view name : {"n1", "n2"}) list.push_back(to.entry_of(name));
  if (list[0].name_hash > list[1].name_hash) std::swap(list[0], list[1]);
  to.send(m);
}

void claim_my_name(arena& to) {
  message m;
  m.kind = message_kind::digest;
  m.sender = to.entry_of(to.node().name());
  m.sender.generation += 1000;
  m.known.extra.push_back(m.sender);
  m.cookie_echo = 1;
  to.send_from(to.outsider, to.encoded(m));
}

void tell_my_future(arena& to) {
  message m;
  to.begin(m, message_kind::reply);
  m.receiver = to.entry_of(to.node().name());
  m.receiver.generation = milliseconds_ahead(to, 48h);
  to.send(m);
}

void tell_my_future_unverified(arena& to) {
  message m;
  begin_digest(to, m);
  m.receiver = to.entry_of(to.node().name());
  m.receiver.generation += 1000;
  m.known.extra.push_back(m.receiver);
  m.cookie_echo = 1;
  to.send_from(to.outsider, to.encoded(m));
}

void say_more(arena& to) {
  message m;
  to.begin(m, message_kind::reply);
  m.more = true;
  for (int i = 0; i < 100; ++i) to.send(m);
}

void send_features(arena& to) {
  message m;
  to.begin(m, message_kind::reply);
  m.features = 0xff;
  to.send(m);
}

/// That the receiver is refused, for each reason that there is or may come to be.
void send_refusals(arena& to) {
  for (unsigned reason = 1; reason <= 255; ++reason) {
    message m;
    to.begin(m, message_kind::reply);
    m.refused = static_cast<refusal>(reason);
    to.send(m);
  }
}

/// As a member of the cluster that gossips as often as nobody does.
void send_intervals(arena& to) {
  for (const unsigned bits : {0x01U, 0x0fU, 0xf0U, 0xffU}) {
    message m;
    to.begin(m, message_kind::digest);
    m.interval = interval_code::from_bits(static_cast<std::uint8_t>(bits));
    m.known.extra.push_back(m.sender);
    to.send(m);
  }
}

// ------------------------------------------------------------------------------------- suspicions

constexpr std::uint16_t just_now = 0;
constexpr std::uint16_t oldest = suspicion_entry::no_suspicion - 1;

void tell(arena& to, const std::vector<suspicion_entry>& suspicions) {
  message m;
  to.begin(m, message_kind::reply);
  m.suspicions = suspicions;
  to.send(m);
}

void tell_of_runs(arena& to) {
  for (const std::uint64_t other :
       {to.entry_of("n1").generation - 1, to.entry_of("n1").generation + 1, generation_max}) {
    suspicion_entry suspicion = to.suspicion_of("n1", just_now);
    suspicion.generation = other;
    tell(to, {suspicion});
    suspicion.is_probe_request = true;
    tell(to, {suspicion});
    suspicion.is_probe_request = false;
    suspicion.suspicion_age = suspicion_entry::no_suspicion;
    suspicion.alive_age = 0;
    suspicion.heartbeat = heartbeat_max;
    tell(to, {suspicion});
  }
}

void tell_contradictions(arena& to) {
  const suspicion_entry suspicion = to.suspicion_of("n1", just_now);
  suspicion_entry alive = to.suspicion_of("n1", suspicion_entry::no_suspicion, 0);
  suspicion_entry request = suspicion;
  request.is_probe_request = true;
  alive.is_probe_request = true;
  for (int i = 0; i < 25; ++i) tell(to, {suspicion, alive, request, suspicion, alive});
}

void ask_unverified(arena& to) {
  message m;
  m.kind = message_kind::digest;
  m.sender = make_entry(42, 1, 0, 0);
  m.known.extra.push_back(m.sender);
  for (const bool is_probe_request : {true, false}) {
    m.suspicions.push_back(to.suspicion_of("n1", just_now));
    m.suspicions.back().is_probe_request = is_probe_request;
  }
  m.padded_bytes = 400;
  m.cookie_echo = 1;
  to.send_from(to.outsider, to.encoded(m));
}

/// Each datagram alone would have the peer asked.
void ask_often(arena& to) {
  for (int i = 0; i < 50; ++i) {
    suspicion_entry request = to.suspicion_of(i % 2 == 0 ? "n1" : "n2", just_now);
    request.is_probe_request = true;
    tell(to, std::vector<suspicion_entry>(suspicion_entry::suspicions_max, request));
  }
}

/// A node that has a later sign of life answers with it, in one entry for each suspicion.
void suspicion_in_digest(arena& to) {
  message m;
  begin_digest(to, m);
  m.suspicions.assign(suspicion_entry::suspicions_max, to.suspicion_of("n1", oldest));
  to.send(m);
}

// ------------------------------------------------------------- what flow control and partials read

/// An entry of the node itself, as the enemy claims to hold it, and what it has seen of its rounds.
void claim_mine(arena& to, const place& source, std::uint64_t versions_more,
                std::uint64_t heartbeats_more) {
  message m;
  begin_digest(to, m);
  m.receiver = to.entry_of("n0");
  m.receiver.max_version += versions_more;
  m.receiver.heartbeat += heartbeats_more;
  m.receiver_instance = 0;
  m.known.extra.push_back(m.receiver);
  if (source == to.outsider) m.cookie_echo = 1;
  to.send_from(source, to.encoded(m));
}

/// It has seen all my heartbeats, and holds nothing: as if all were lost on its way, always.
void lose_all(arena& to) {
  message m;
  begin_digest(to, m);
  m.receiver = to.entry_of("n0");
  m.receiver.max_version = 0;
  m.known.extra.push_back(m.receiver);
  m.padded_bytes = 400;
  to.send(m);
}

void send_partials(arena& to, std::string_view peer, std::int64_t generations_later,
                   std::uint64_t version, std::uint32_t offset) {
  message m;
  begin_digest(to, m);
  digest_entry entry = to.entry_of(peer);
  entry.max_version = std::min<std::uint64_t>(entry.max_version, 1);
  if (entry.generation != 0) m.known.extra.push_back(entry);
  partial_entry partial;
  partial.name_hash = entry.name_hash;
  partial.generation = entry.generation + static_cast<std::uint64_t>(generations_later);
  partial.version = version;
  partial.offset = offset;
  m.partials = {partial};
  m.padded_bytes = 400;
  to.send(m);
}

std::vector<bad_input> lie_rows() {
  return {
      {"entries of my own", {about_self}, dropped, [](arena& to) { send_delta(to, "n0", 0, 100); }},
      {"an identity of my own", {about_self}, dropped, send_self},
      {"entries of a peer that nobody introduced",
       {unknown_peer},
       dropped,
       [](arena& to) { send_delta(to, "nobody", 0, 1); }},
      {"entries of a later run than the one that is known",
       {unknown_peer},
       dropped,
       [](arena& to) { send_delta(to, "n1", 0, 9, 1); }},
      {"entries of a run that is over",
       {stale},
       dropped,
       [](arena& to) { send_delta(to, "n1", 0, 9, -1); }},
      {"an identity of a run that is over",
       {stale},
       dropped,
       [](arena& to) { send_future(to, "n1", to.entry_of("n1").generation - 1); }},
      {"a delta after a gap, without room to park it",
       {gap},
       dropped,
       [](arena& to) { send_delta(to, "enemy", 10, 11); }},
      {"a delta after version 2^47-2",
       {gap},
       dropped,
       [](arena& to) { send_delta(to, "enemy", version_max - 1, version_max); }},
      {"a fragment of mine",
       {about_self},
       dropped,
       [](arena& to) { send_fragment(to, "n0", 10, 0); }},
      {"a fragment after a gap",
       {gap},
       dropped,
       [](arena& to) { send_fragment(to, "enemy", 10, 10); }},
      {"a fragment of a value that I hold",
       {},
       ignored,
       [](arena& to) { send_fragment(to, "enemy", 10, 1); }},
      {"a value whose checksum does not hold",
       {fragment},
       dropped,
       [](arena& to) { send_fragment(to, "enemy", 5, 3); }},
      {"fragments that contradict each other", {fragment}, dropped, send_contradiction},
      {"a fragment of a value of 16 MiB",
       {capacity},
       dropped,
       [](arena& to) { send_fragment(to, "enemy", offset_max, 3); }},
      {"a regression: what went before, with other values", {}, ignored, send_rewrite},
      {"a new peer of two days ahead",
       {far_future, refused},
       dropped,
       [](arena& to) { send_future(to, "tomorrow", milliseconds_ahead(to, 48h)); }},
      {"a new peer of the last generation there is",
       {far_future, refused},
       dropped,
       [](arena& to) { send_future(to, "last", generation_max); }},
      {"a known peer's run of two days ahead",
       {far_future},
       dropped,
       [](arena& to) { send_future(to, "n1", milliseconds_ahead(to, 48h)); }},
      {"addresses that nobody can send to", {drop_reason::endpoint}, dropped, send_addresses},
      {"a peer that was silent for the whole grace", {refused}, dropped, send_silent},
      {"a thousand names beyond the capacity", {capacity}, dropped, send_names},
      {"heartbeats and requests of nobody", {}, ignored, send_unknown},
      {"a digest of versions that nobody wrote", {}, answered, send_versions},
      {"a peer five times in a digest, with a value of its under way", {}, answered, send_twice},
      {"a digest that wants everything, unverified", {}, answered, ask_for_all},
      {"a digest that refuses everybody", {}, answered, refuse_all},
      {"a digest under my own name, unverified", {reflected}, answered, claim_my_name},
      {"a run of mine of two days ahead", {far_future}, dropped, tell_my_future},
      {"a run of mine that I never had, unverified", {}, answered, tell_my_future_unverified},
      {"replies that say more again and again", {}, answered, say_more},
      {"features of a later version", {}, ignored, send_features},
      {"refusals of its receiver, for every reason", {}, ignored, send_refusals},
      {"gossip intervals that no node has", {}, answered, send_intervals},
  };
}

std::vector<bad_input> flow_rows() {
  return {
      {"a digest that holds versions of mine that I never wrote, unverified",
       {},
       answered,
       [](arena& to) { claim_mine(to, to.outsider, 1000, 0); }},
      {"a digest that has seen rounds of mine that never were, unverified",
       {},
       answered,
       [](arena& to) { claim_mine(to, to.outsider, 0, 1'000'000); }},
      {"a digest that has seen all my rounds and holds nothing, again and again",
       {},
       answered,
       lose_all},
      {"a partial of a value that nobody wrote",
       {},
       answered,
       [](arena& to) { send_partials(to, "n1", 0, version_max, 1); }},
      {"a partial that ends behind its value",
       {},
       answered,
       [](arena& to) { send_partials(to, "n1", 0, to.entry_of("n1").max_version, offset_max); }},
      {"partials of an older run and of a later one",
       {},
       answered,
       [](arena& to) {
         send_partials(to, "n1", -1, 5, 5);
         send_partials(to, "n1", 1, 5, 5);
       }},
      {"a partial of mine, and of nobody",
       {},
       answered,
       [](arena& to) {
         send_partials(to, "n0", 0, to.node().version() + 5, 5);
         send_partials(to, "nobody", 1, 5, 5);
       }},
  };
}

std::vector<bad_input> suspicion_rows() {
  return {
      {"a suspicion about myself",
       {},
       ignored,
       [](arena& to) {
         tell(to, {to.suspicion_of("n0", just_now)});
         suspicion_entry request = to.suspicion_of("n0", just_now);
         request.is_probe_request = true;
         tell(to, {request, to.suspicion_of("n0", suspicion_entry::no_suspicion, 0)});
       }},
      {"a suspicion about nobody",
       {},
       ignored,
       [](arena& to) { tell(to, {to.suspicion_of("nobody", just_now)}); }},
      {"suspicions, probe requests and signs of life of an older run, a later one, the last there "
       "is",
       {},
       ignored,
       tell_of_runs},
      {"a suspicion from before what I heard",
       {},
       ignored,
       [](arena& to) {
         tell(to, {to.suspicion_of("n1", oldest), to.suspicion_of("n2", oldest, 0)});
       }},
      {"neither suspicion nor sign of life: both ages at their limit",
       {},
       ignored,
       [](arena& to) { tell(to, {to.suspicion_of("n1", suspicion_entry::no_suspicion)}); }},
      {"a sign of life that I know, grown young",
       {},
       ignored,
       [](arena& to) { tell(to, {to.suspicion_of("n1", suspicion_entry::no_suspicion, 0)}); }},
      {"a suspicion that its own sign of life refutes",
       {},
       ignored,
       [](arena& to) { tell(to, {to.suspicion_of("n1", 1, 0)}); }},
      {"a probe request, and a suspicion, unverified", {}, answered, ask_unverified},
      {"32 suspicions from before what I heard, in a digest", {}, answered, suspicion_in_digest},
      {"a suspicion of now about a live peer",
       {},
       suspected,
       [](arena& to) { tell(to, {to.suspicion_of("n1", just_now)}); }},
      {"a suspicion of now, 32 times in one datagram",
       {},
       suspected,
       [](arena& to) {
         const std::vector<suspicion_entry> same(suspicion_entry::suspicions_max,
                                                 to.suspicion_of("n1", just_now));
         tell(to, same);
       }},
      {"suspicions, signs of life and probe requests about one peer in one datagram, again and "
       "again",
       {},
       suspected,
       tell_contradictions},
      {"suspicions of now about all live peers",
       {},
       suspected,
       [](arena& to) {
         tell(to, {to.suspicion_of("n1", just_now), to.suspicion_of("n2", just_now)});
       }},
      {"1,600 probe requests", {}, suspected, ask_often},
  };
}

}  // namespace

std::vector<bad_input> meaning_rows() {
  std::vector<bad_input> all = lie_rows();
  for (bad_input& row : flow_rows()) all.push_back(std::move(row));
  for (bad_input& row : suspicion_rows()) all.push_back(std::move(row));
  return all;
}

}  // namespace gossipmonger
