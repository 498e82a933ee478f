// The events of a subscription: changes of content and of the status of peers. Values and views.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "gossipmonger/drop_reason.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

enum class event_kind : std::uint8_t {
  new_peer,        ///< a peer became known
  peer_live,       ///< it makes progress
  peer_complete,   ///< everything that it had when it turned live is here, and was shown
  peer_dead,       ///< it makes none; follows peer_live, or closes a new_peer
  peer_left,       ///< it said that it leaves
  peer_restarted,  ///< a higher generation took its place: clear what you hold of it
  peer_forgotten,  ///< dropped after the grace: clear what you hold of it
  update,          ///< `peer` published `value` under `key`
  removed,         ///< `peer` erased `key`; you may never have seen it
  conflict,        ///< two nodes live under the name `peer`; `generation` of the one not held here
  conflict_ended,  ///< on the node itself: its rival is gone, and it has its name again
  refuted,         ///< this node took a higher `generation`, since others held a newer run of it
  advertised,      ///< peers reach this node at the address `text` from now on
  lagged,          ///< you were too slow: clear everything, a fresh snapshot follows
  error,           ///< `text` says what; gossip goes on
};

/// "new_peer", "peer_live", …
[[nodiscard]] std::string_view to_string(event_kind kind);

/// An event that points into the node: valid until the next call into it.
struct event_view {
  event_view() = default;

  event_kind kind = event_kind::error;  ///< which of the fields below count
  std::string_view peer;         ///< name; empty with lagged, and with error where none is meant
  std::uint64_t generation = 0;  ///< of the peer; 0 where `peer` is empty
  std::string_view key;          ///< update, removed
  std::string_view value;        ///< update
  std::uint64_t version = 0;     ///< update, removed
  std::string_view text;         ///< of notices: an explanation; advertised: the address
};

/// One line without its end, for logs: "update api-7 zone=b @12", "peer_dead api-7". Other bytes
/// than printable ASCII are written as \xNN, and of a value its first 40 bytes.
[[nodiscard]] std::string to_string(const event_view& seen);
std::ostream& operator<<(std::ostream& to, const event_view& seen);

/// The same, owning.
struct event {
  event() = default;
  /// Copies what the view points at.
  explicit event(const event_view& view);

  /// Valid as long as this event is, and is not changed.
  [[nodiscard]] event_view view() const;

  event_kind kind = event_kind::error;  ///< as in `event_view`, like each field below
  std::string peer;                     ///< name
  std::uint64_t generation = 0;         ///< of the peer
  std::string key;                      ///< update, removed
  std::string value;                    ///< update
  std::uint64_t version = 0;            ///< update, removed
  std::string text;                     ///< of notices
};

[[nodiscard]] std::string to_string(const event& seen);
std::ostream& operator<<(std::ostream& to, const event& seen);

/// The local status of a peer.
enum class peer_status : std::uint8_t {
  self,        ///< this node
  introduced,  ///< known, and neither live nor dead yet; printed "new"
  live,        ///< it answers, or makes progress
  dead,        ///< it was silent for too long
  left,        ///< it said that it leaves
  conflict,    ///< this node, while another one lives under its name
};

/// "self", "new" (introduced), "live", "dead", "left", "conflict".
[[nodiscard]] std::string_view to_string(peer_status status);

/// A row of the membership table, as users see it.
struct member {
  member() = default;

  std::string name;                              ///< unique in the cluster
  std::uint64_t generation = 0;                  ///< of its present run
  endpoint address;                              ///< as it advertises
  peer_status status = peer_status::introduced;  ///< as this node sees it
  bool is_reachable = false;      ///< it answered me itself lately; not suspect, dead or left
  bool is_suspect = false;        ///< somebody could not reach it: dead soon, unless it is heard
  std::uint64_t max_version = 0;  ///< everything that it wrote up to there is here
  /// Versions that the peer itself said it has, and that are not here yet. 0 for self.
  std::uint64_t lacks = 0;
  std::uint64_t heartbeat = 0;  ///< rounds that it counted, as far as heard
  /// From the sending of a leg to the peer's answer, queues included, smoothed as in RFC 6298. None
  /// for self, and until an answer of its present run was measured.
  std::optional<std::chrono::nanoseconds> rtt;
  /// Since its heartbeat rose last, as far as heard from anybody. None for self.
  std::optional<std::chrono::nanoseconds> silent;
  std::optional<double> phi;                ///< none for self and for what phi does not decide
  std::optional<wire_range> wire_versions;  ///< none: nothing was heard from itself
  /// How often it gossips, as it said itself, rounded down by less than one part in eight; none for
  /// self, and where it did not say.
  std::optional<std::chrono::milliseconds> gossip_interval;
  std::uint8_t features = 0;  ///< bits, as it said itself
  /// The id of the key that sealed the latest datagram from itself, 0 where it was plain. None
  /// where nothing was heard from itself, and in a node without a keyring.
  std::optional<std::uint32_t> sealed_with;
  std::uint64_t backlog = 0;  ///< versions of mine that it is not known to hold; 0 for self
};

/// "api-7 live 10.0.0.7:7946 g1764460800000 v12", and ", suspect" where it is.
std::ostream& operator<<(std::ostream& to, const member& one);

/// Counters since the start; they only rise, save the gauges named so.
struct protocol_stats {
  protocol_stats() = default;

  std::uint64_t rounds = 0;             ///< gossip rounds run
  std::uint64_t digests_sent = 0;       ///< datagrams of leg 1
  std::uint64_t digests_received = 0;   ///< likewise
  std::uint64_t replies_sent = 0;       ///< datagrams of legs 2 and 3
  std::uint64_t replies_received = 0;   ///< likewise
  std::uint64_t deltas_sent = 0;        ///< intervals of one owner, in replies
  std::uint64_t deltas_received = 0;    ///< likewise
  std::uint64_t entries_sent = 0;       ///< keys in deltas
  std::uint64_t entries_applied = 0;    ///< keys that were new here
  std::uint64_t entries_skipped = 0;    ///< known already when they came
  std::uint64_t deltas_parked = 0;      ///< that came before the one they follow
  std::uint64_t fragments_sent = 0;     ///< parts of values that span datagrams
  std::uint64_t fragments_applied = 0;  ///< that brought bytes not yet held
  std::uint64_t replies_cut = 0;        ///< by the 3x rule
  std::uint64_t answers_dropped = 0;    ///< answers given up, because their lane was full
  std::uint64_t compactions = 0;        ///< of my own entries
  std::uint64_t refutations = 0;        ///< generations taken because others held a newer run of me
  std::uint64_t pauses = 0;             ///< my own timer was late
  /// Rounds that started more than an interval after they were due: too little processor time.
  std::uint64_t rounds_late = 0;
  std::uint64_t declared_dead = 0;      ///< live peers that I declared dead
  std::uint64_t probes_unanswered = 0;  ///< a live peer's answer was missing after a round
  std::uint64_t suspicions_raised = 0;  ///< by me, for all to hear
  std::uint64_t suspicions_refuted =
      0;                             ///< suspicions that I shared, until the peer was heard alive
  std::uint64_t sends_delayed = 0;   ///< times the budget was spent while something waited
  std::uint64_t probes_delayed = 0;  ///< rounds in which the budget held up a probe of mine
  std::uint64_t windows_halved = 0;  ///< exchanges made smaller because datagrams were lost
  std::uint64_t entries_spared = 0;  ///< not sent again, since they were still on their way
  std::uint64_t writes_slowed = 0;   ///< times a peer fell behind my writes
  drop_counters drops{};             ///< by `drop_reason`
  std::size_t peers_known = 0;       ///< gauge, self not counted
  std::size_t peers_live = 0;        ///< gauge
  std::size_t peers_reachable = 0;   ///< gauge
  std::size_t peers_suspect = 0;     ///< gauge
  std::size_t peers_unwanted = 0;    ///< gauge
  std::size_t parked_bytes = 0;      ///< gauge
  std::size_t partial_bytes = 0;     ///< gauge: of values that are not whole yet
  std::size_t retired_entries = 0;   ///< gauge
  std::uint64_t backlog_max = 0;     ///< gauge: versions of mine that the last live peer may lack
  std::size_t write_bytes_per_interval = 0;       ///< gauge: the allowance of `is_writable`
  std::size_t membership_bytes_per_interval = 0;  ///< gauge: membership's need of a budget
};

}  // namespace gossipmonger
