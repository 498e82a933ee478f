// The bounds of what a cluster promises once its faults are over. Each has its formula and its
// reason. Pure functions of the options that the nodes have. `promises` demands them.
//
// All bounds are in rounds of the slowest node. n is the number of nodes, L = ceil(log2 n).
#pragma once

#include <cstddef>
#include <span>

#include "gossipmonger/config.hpp"
#include "sim/scenario.hpp"

namespace gossipmonger {

/// A datagram tells of so many rows at least.
inline constexpr std::size_t rows_told = 16;

/// Until entries and generations agree, for few entries: 4 L + 10 + 16 t + 2 s.
///   4 L + 10   News takes about L rounds there and L back. This is twice that, and a margin.
///   16 t       A node asks an address that was silent in every 16th round only. t is 1. Where
///              releases differ, t is the number of wire versions that a node tries by turns.
///   2 s        This counts if half a grace passes before the last decision. A seed may have been
///              forgotten by then. Each node asks a seed every s-th round (`seed_every_rounds`).
[[nodiscard]] std::size_t agreement_rounds_max(const scenario& of);

/// The part of one running node in a backlog. A value.
struct backlog_part {
  backlog_part() = default;

  config settings;
  std::size_t entry_bytes = 0;      ///< of its own entries
  std::size_t answers_waiting = 0;  ///< legs that wait for its byte budget
};

/// Besides agreement, until all entries have been sent: 2 B / m + 1 + w.
///   B   The bytes of all entries. They count twice, since datagrams are not filled to the brim.
///   m   The bytes that an exchange surely moves in a round. It is the least of these:
///         - `exchange_bytes_max`, and `exchange_datagrams_max` full datagrams.
///         - One datagram, if any node has no room to park an exchange. Such a node drops each
///           datagram that overtakes another. Of an answer it surely takes only the first.
///         - Half of a byte budget: the other half is for the rounds themselves. On average
///           `fanout` peers ask a node in a round. The first datagram of each answer goes before
///           bulk. If these take the whole half, all n - 1 copies advance side by side. Each has
///           only its part of the half then.
///   w   The rounds in which the waiting answers leave the lane of a byte budget, as after a flood.
///       They are 2 * answers * datagram size / budget, of the slowest node.
///   expects: at least one part
[[nodiscard]] std::size_t backlog_rounds_max(std::span<const backlog_part> running);

/// Until all peers hold the address that a running node advertises now, once nodes agree: 4 L + 10.
/// News takes about L rounds there and L back. This is twice that, and a margin.
[[nodiscard]] std::size_t address_rounds_max(const scenario& of);

/// Until each node holds a peer as complete, once they agree: (2 (n - 1) / f + 4) (1 + jitter).
/// f is the least fan-out. The two nodes have to meet. The bound is two turns of one node's ring,
/// the round under way, and a margin.
[[nodiscard]] std::size_t completion_rounds_max(const scenario& of);

/// The longest interval between two advances of a heartbeat that counts: (16 r + 1) (1 + jitter).
/// A run whose heartbeat stands still for longer is a relic, or its node is gone. The expected gap
/// is r = 1 + n / 16 rounds. A datagram tells of 16 rows at least, with rows of refused peers. With
/// sums it is r = 1 + n / 3, and 16 r counts as 64 at most.
[[nodiscard]] std::size_t longest_rounds_max(const scenario& of);

/// Besides agreement, until each name is its last run's again: the sum of `longest_rounds_max` and
/// `agreement_rounds_max`, or 0. A node refutes the first relic of its name at once, and another
/// one after it stood still. So only a node that lost its generation twice needs that time. Where
/// two nodes bear one name, `detection_rounds_max` is added: the one that was ended is found dead
/// first.
[[nodiscard]] std::size_t name_rounds_max(const scenario& of);

/// After a crash, until every other node has found it. The network loses nothing, and all have
/// suspicion on. f is the least fan-out, and S the most suspicion rounds. The bound is the sum of
/// these, times 1 + jitter:
///   min(2 (n - 1) / f, 21)        A node asks the crashed one after two turns of its ring at most.
///                                 All n nodes leave it out for k rounds with the probability e^-k.
///   1                             The answer that is missing dates the suspicion.
///   max(S, 4 + 2 L + 4 + S / 3)   The suspicion takes S. It is public after 4 tries, and told to
///                                 all in 2 L + 4 rounds. The last to hear of it waits for S / 3.
///   2                             It ends in a round, and another is under way.
/// Ages in a datagram are in rounds. Where intervals differ, a clock of another length reads them.
/// A sign of life that is read as too young may end a suspicion once. Then one more S is added.
[[nodiscard]] std::size_t detection_rounds_max(const scenario& of);

/// Until phi alone declares a silent peer dead, after agreement: agreement + phi ln(10) m (1 +
/// jitter). Phi is elapsed / (mean * ln 10). No mean is above m = 16 r, the longest
/// interval that counts: r = 1 + n / 16, and with sums 1 + n / 3.
[[nodiscard]] std::size_t silence_rounds_max(const scenario& of);

/// How long the words of a deaf node stay fresh (core/freshness.hpp), by the slowest reader.
[[nodiscard]] std::size_t stale_rounds_max(const scenario& of);

/// Whether all nodes gossip at one interval.
[[nodiscard]] bool has_one_interval(const scenario& of);

/// How often `node` may declare one deaf node dead anew: `stale_rounds_max` / (its suspicion
/// rounds), or 0 where all intervals are equal. A slower node takes the deaf one's words for as
/// many of its own rounds, and vouches for it, which revives it. Each time the suspicion takes all
/// of its rounds.
///   expects: suspicion is on
[[nodiscard]] std::size_t revivals_max(const scenario& of, std::size_t node);

}  // namespace gossipmonger
