// The bounds of what a cluster promises once its faults are over, each with its formula and its
// reason: pure functions of the options that the nodes have. `promises` demands them.
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

/// Until entries and generations agree, for few entries. The sum of
///   4 L + 10   news takes about L rounds there and L back; twice that, and a margin
///   16 t       a node asks an address that was silent every 16th round only. t is 1, or the number
///              of wire versions that a node tries by turns where releases differ
///   2 s        if half a grace passes before the last decision: a seed may have been forgotten,
///              and each node asks a seed every s-th round (`seed_every_rounds`)
[[nodiscard]] std::size_t agreement_rounds_max(const scenario& of);

/// The part of one running node in a backlog. A value.
struct backlog_part {
  backlog_part() = default;

  config settings;
  std::size_t entry_bytes = 0;      ///< of its own entries
  std::size_t answers_waiting = 0;  ///< legs that wait for its byte budget
};

/// Besides agreement, until all entries have been sent: 2 B / m + 1 + w for
///   B   bytes of all entries. Twice, since datagrams are not filled to the brim.
///   m   the bytes that an exchange surely moves in a round: the least of what a node allows.
///         - `exchange_bytes_max`, and `exchange_datagrams_max` full datagrams.
///         - One datagram, if any node has no room to park an exchange. Such a node drops each
///           datagram that overtakes another: of an answer it surely takes the first one only.
///         - Half of a byte budget: the other half is for the rounds themselves. In a round
///           `fanout` peers ask a node, on average, and the first datagram of each answer goes
///           before bulk. If these take the whole half, all n - 1 copies advance side by side, and
///           each has its part of the half only.
///   w   the rounds in which the waiting answers leave the lane of a byte budget, as after a flood:
///       2 * answers * datagram size / budget, of the slowest node.
///   expects: at least one part
[[nodiscard]] std::size_t backlog_rounds_max(std::span<const backlog_part> running);

/// Until all peers hold the address that a running node advertises now, once nodes agree.
///   4 L + 10   news takes about L rounds there and L back; twice that, and a margin
[[nodiscard]] std::size_t address_rounds_max(const scenario& of);

/// Until each node holds a peer as complete, once they agree: the two have to meet. It is
///   (2 (n - 1) / f + 4) (1 + jitter)
/// with the least fan-out f: two turns of one node's ring, the round under way, and a margin.
[[nodiscard]] std::size_t completion_rounds_max(const scenario& of);

/// The longest interval between two advances of a heartbeat that counts. A run whose heartbeat
/// stands still for longer is a relic, or its node is gone. With r = 1 + n / 16 rounds for an
/// expected gap (a datagram tells of 16 rows at least, rows of refused peers included) it is
///   (16 r + 1) (1 + jitter)
[[nodiscard]] std::size_t longest_rounds_max(const scenario& of);

/// Besides agreement, until each name is its last run's again: the sum of `longest_rounds_max` and
/// `agreement_rounds_max`, or 0. A node refutes the first relic of its name at once, and another
/// one after it stood still. So only a node that lost its generation twice needs that time. Where
/// two nodes bear one name, `detection_rounds_max` is added: the one that was ended is found dead
/// first.
[[nodiscard]] std::size_t name_rounds_max(const scenario& of);

/// After a crash, in a network that loses nothing, until every other node has found it, where all
/// have suspicion on. With the least fan-out f and the most suspicion rounds S it is the sum of
///   min(2 (n - 1) / f, 21)        until a node asks the crashed one: two turns of one node's ring
///                                 at most. All n nodes leave it out for k rounds with the
///                                 probability e^-k only
///   1                             for the answer that is missing, which dates the suspicion
///   max(S, 4 + 2 L + 4 + S / 3)   for the suspicion. A node that hears of it late waits for a
///   third
///                                 of it: 4 tries before it is public, 2 L + 4 rounds to tell all
///   2                             for the round in which it ends, and the one under way
/// times 1 + jitter. Ages in a datagram are in rounds. Where intervals differ, a clock of another
/// length reads them, and a sign of life that is read as too young may end a suspicion once. Then
/// one more S is added.
[[nodiscard]] std::size_t detection_rounds_max(const scenario& of);

/// Until phi alone declares a silent peer dead, after agreement: agreement + phi ln(10) m (1 +
/// jitter). Phi is elapsed / (mean * ln 10). No mean is above m = 16 (1 + n / 16), the longest
/// interval that counts.
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
