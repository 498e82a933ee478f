// Whether peers are alive: heartbeats, freshness, probes, suspicions and refutations, and from them
// the status that a peer is to have. A resource over the peer table; not thread-safe. It starts no
// leg and sets no status: both are polled, and the conductor carries them out. Times are on the
// liveness clock.
// Source: Das, Gupta, Motivala, SWIM, DSN 2002, sections 3.1 and 4.2; Hayashibara, Défago, Yared,
// Katayama, SRDS 2004.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "core/liveness/dissemination.hpp"
#include "core/liveness/freshness_watch.hpp"
#include "core/liveness/prober.hpp"
#include "core/liveness/suspicion.hpp"
#include "core/liveness/wanted_probe.hpp"
#include "core/membership/address_book.hpp"
#include "core/membership/peer_table.hpp"
#include "core/model/failure_detector.hpp"
#include "core/model/message.hpp"
#include "core/model/node_clock.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

/// How often things happened; the conductor sums. A value.
struct liveness_counters {
  liveness_counters() = default;

  std::uint64_t probes_unanswered = 0;
  std::uint64_t suspicions_raised = 0;
  std::uint64_t suspicions_refuted = 0;
  std::uint64_t declared_dead = 0;       ///< live peers declared dead
  std::uint64_t heartbeats_refused = 0;  ///< relayed ones that cannot be
};

class liveness {
 public:
  /// All references outlive the machine. `settings` may change between calls.
  liveness(const config& settings, peer_table& peers, address_book& addresses,
           const node_clock& clock)
      : settings_(settings),
        peers_(peers),
        addresses_(addresses),
        clock_(clock),
        freshness_(settings, peers) {}
  liveness(const liveness&) = delete;
  liveness& operator=(const liveness&) = delete;

  // Getters.
  [[nodiscard]] const detector_expectation& expected() const { return expected_; }
  [[nodiscard]] const liveness_counters& counters() const { return counters_; }
  [[nodiscard]] std::size_t pending_probes() const { return prober_.pending().size(); }
  [[nodiscard]] std::size_t probe_requests() const { return prober_.request_count(); }
  [[nodiscard]] std::size_t suspicions_told() const { return spreading_.size(); }
  [[nodiscard]] std::size_t told_addresses() const { return spreading_.addresses(); }
  /// The heartbeat above which a forgotten peer comes back: the one held, but no more than it can
  /// have reached by what was heard of it directly. A relayed claim alone does not keep it away.
  [[nodiscard]] std::uint64_t credible_heartbeat(slot_index slot) const;

  // The life of a row.
  /// The row is of a new incarnation.
  void begin(slot_index slot);
  /// The row is about to be removed.
  void forget(slot_index slot);
  /// The peer is declared dead. Before its row says so, and its detector begins anew.
  void handle_death(slot_index slot);

  // Receiving. A returned status is the one that the conductor must set.
  /// Whether a datagram from a verified address is fresh: its sender hears this node, lately. A
  /// stale one is no sign of life, and its sender vouches for nobody.
  [[nodiscard]] bool is_fresh(const message& received) { return freshness_.is_fresh(received); }
  /// A fresh datagram bears `entry`, of the peer itself or of one that `accepts`.
  [[nodiscard]] std::optional<peer_status> handle_heartbeat(slot_index slot,
                                                            const digest_entry& entry);
  /// The peer itself sent it: it is alive. After `handle_heartbeat`.
  void handle_alive(slot_index slot, std::uint64_t heartbeat);
  /// A stale datagram of the peer came from `source`. If it is suspect, new or dead, it is probed
  /// there: the answer of a peer that hears this node is fresh.
  void handle_stale(slot_index slot, std::uint64_t heartbeat, const endpoint& source);
  /// Whether another peer's word of it can be true: its heartbeat cannot have risen faster.
  ///   expects: not self's slot
  [[nodiscard]] bool accepts(slot_index slot, const digest_entry& entry);
  /// `accepts`, then `handle_heartbeat`, for the entries of a fresh list that differ from their
  /// rows by a higher heartbeat alone.
  void handle_ahead(std::span<const packed_entry> entries, std::span<const placed_entry> ahead);
  /// That the peer leaves, if the entry says so; of its heartbeat nothing.
  [[nodiscard]] std::optional<peer_status> handle_leave(slot_index slot, const digest_entry& entry);
  /// A message is to be handled: `answers` is empty again.
  void begin_message() { answers_.clear(); }
  /// A fresh datagram bears `told`: first its evidence that the peer lived, its sign of life and
  /// its heartbeat. The conductor sets the status before the next call.
  [[nodiscard]] std::optional<peer_status> handle_evidence(const suspicion_entry& told);
  /// Then the suspicion or the probe request that it is, if the evidence does not refute that. It
  /// came from `source`.
  void handle_suspicion(const suspicion_entry& told, std::uint64_t from_hash,
                        const endpoint& source);
  /// Corrections of the suspicions in the message in hand.
  [[nodiscard]] const std::vector<suspicion_entry>& answers() const { return answers_; }
  /// Adds what is known of the dead among these peers: the sender of a digest that names them may
  /// not have heard.
  void tell_dead(std::span<const packed_entry> named, std::vector<suspicion_entry>& told) const;
  /// The first answer leg to an address in a round carries what is to be spread.
  [[nodiscard]] bool is_to_be_told(const endpoint& address) {
    return spreading_.try_visit(address);
  }

  // The round, in this order.
  void update_expectation(std::size_t rows_a_digest);
  /// From now on `poll_probe` settles the pending probes, or asks again.
  void begin_round(std::uint64_t round);
  /// Legs beside the usual ones, while nobody answers.
  void ask_more();
  /// The same while a change is news.
  void spread_suspicions();
  /// Begins to look at every peer; nothing if the round is too early after a pause.
  void begin_declaring();
  /// Whether peers are left to look at.
  [[nodiscard]] bool is_declaring() const { return rows_left_ > 0; }
  /// The next peer to be declared dead, if it comes before the next probe. The conductor sets its
  /// status, and starts the probes, before it polls again.
  [[nodiscard]] std::optional<slot_index> poll_dead();

  // Legs.
  [[nodiscard]] std::optional<wanted_probe> poll_probe(random_source& draws);
  /// Whether a digest leg to that address waits now, be it this one or another.
  void handle_started(const wanted_probe& one, bool is_waiting);
  /// That peer took a short leg for stale, and left aside what it told. True: there was something,
  /// which is told again.
  [[nodiscard]] bool try_tell_again(std::uint64_t remote_hash);
  /// Suspicions that the leg is to carry, beside those that it has.
  void plan_suspicions(std::vector<suspicion_entry>& told);
  /// The most suspicions that one leg carries; fewer under a byte budget.
  [[nodiscard]] std::size_t suspicions_a_leg() const;
  /// A datagram goes to that peer, which answers it if it lives.
  void handle_asked(std::uint64_t remote_hash);
  /// From now on an answer of that run is missed.
  void expect_answer(slot_index slot, std::uint64_t generation);

  // Changes.
  /// The process stood still: nothing follows from silence before round `decide_from`, and each
  /// suspicion has to be confirmed anew.
  void suspend(std::uint64_t decide_from);
  /// The byte budget held my probes up: nothing follows from silence before round `decide_from`.
  /// Asks that went stay asked.
  void hold_back(std::uint64_t decide_from);
  /// Whether the byte budget is below what membership needs: heartbeats then come late.
  void handle_budget(bool is_starved) { is_starved_ = is_starved; }
  /// Suspicion is switched off: nobody is suspected, and nothing of it is told.
  void end_suspicion();

 private:
  /// The knowledge of one peer besides its row.
  struct peer_life {
    peer_life() = default;

    suspicion state;
    // When it died without a suspicion: the least of its own that others may tell of as a sign of
    // life.
    std::uint64_t returns_from = 0;
    // How often it was asked since phi found that heartbeat too old; under too small a budget.
    std::uint64_t silent_heartbeat = 0;
    std::uint32_t silent_asks = 0;
  };

  [[nodiscard]] peer_life& life(slot_index slot);
  [[nodiscard]] const peer_life& life(slot_index slot) const;
  [[nodiscard]] bool has_byte_budget() const { return settings_.send_bytes_per_interval != 0; }
  [[nodiscard]] suspicion_rules rules() const;
  /// Whether it can have beaten so often since the heartbeat that the row has.
  [[nodiscard]] bool is_plausible(peer_view row, std::uint64_t heartbeat) const;
  /// The highest heartbeat that a peer can have by now, by what was heard of it.
  [[nodiscard]] std::uint64_t reachable_heartbeat(slot_index slot) const;
  /// expects: `heartbeat` is above the row's
  [[nodiscard]] std::optional<peer_status> advance(slot_index slot, std::uint64_t heartbeat);
  /// The entry that tells of a peer. A probe request passes `suspected`, a time that is not public
  /// yet.
  [[nodiscard]] suspicion_entry describe(slot_index slot,
                                         std::optional<std::chrono::nanoseconds> suspected) const;
  /// The peer that `told` is of, if a suspicion may concern it.
  [[nodiscard]] std::optional<slot_index> find_subject(const suspicion_entry& told) const;
  /// The peer lived after it fell silent for the sender of `told`, but may have died since. Nobody
  /// will suspect it anew, so this node looks for itself if its own sign of life is old.
  void look_again(slot_index slot, const suspicion_entry& told);
  /// Answers a suspicion that was outdated when its sender began to suspect.
  void handle_outdated(slot_index slot, const suspicion_entry& told);
  void answer_requests(slot_index slot);
  void refute(slot_index slot);
  /// The state of that peer has changed: it is to be told, by legs beside the usual ones too.
  void spread(slot_index slot);
  /// Whether nothing more is to be awaited; else what follows from the silence.
  [[nodiscard]] bool try_settle(probe& one);
  /// Requests indirect probes: third peers are to probe that one, or tell its sign of life.
  void probe_indirectly(const probe& about);
  /// One more leg that a draw decides on: an indirect probe, or one that spreads.
  void draw_leg(random_source& draws);
  /// A live peer with a verified address, by chance.
  [[nodiscard]] std::optional<slot_index> draw_live(random_source& draws);
  void want(slot_index slot, wanted_probe::cause why = wanted_probe::cause::other,
            std::optional<suspicion_entry> told = std::nullopt);
  /// Whether any peer may be silent for too long, or is suspect.
  [[nodiscard]] bool has_silent();
  /// Whether a peer that phi finds silent is dead. Where the byte budget is too small, heartbeats
  /// come late, so the node asks a live one first.
  [[nodiscard]] bool is_silence_confirmed(slot_index slot);
  /// Whether its suspicion is confirmed; a suspect near that is probed.
  [[nodiscard]] bool is_confirmed(slot_index slot);

  const config& settings_;
  peer_table& peers_;
  address_book& addresses_;
  const node_clock& clock_;
  std::vector<peer_life> lives_;  // by slot
  freshness_watch freshness_;
  prober prober_;
  dissemination spreading_;
  std::deque<wanted_probe> wanted_;
  std::optional<suspicion_entry> indirect_probe_;      // the request for it
  std::optional<std::chrono::nanoseconds> suspected_;  // since when it is suspected
  std::size_t indirect_probes_left_ = 0;
  std::size_t asks_left_ = 0;  // of this round
  bool is_settling_ = false;   // the pending probes of a round; the next one:
  std::size_t settling_ = 0;
  std::vector<suspicion_entry> answers_;  // to the message in hand
  detector_expectation expected_;
  std::uint64_t round_ = 0;
  std::uint64_t decide_from_ = 0;
  bool is_starved_ = false;   // the byte budget is below the need of membership
  std::size_t next_row_ = 0;  // to look at in this round, of so many:
  std::size_t rows_left_ = 0;
  std::optional<std::uint64_t> unasked_from_;  // the first suspect for whom no leg was left
  liveness_counters counters_;
};

}  // namespace gossipmonger
