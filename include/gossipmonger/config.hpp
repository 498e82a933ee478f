// Every option of a node, its default, unit, cost, and what is allowed. A value: set fields one
// by one, then let `validated` say which of them is wrong.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

/// The options of a node. The limits stand beside each option: `validated` checks them, and
/// `start_error` or `config_error` names the first that does not hold.
struct config {
  config() = default;

  // Presets: all options are the defaults, but for those named here.
  /// One data centre: the defaults.
  [[nodiscard]] static config lan(std::string_view name);
  /// Sites with slow or lossy paths between them: gossip_interval 2 s, fanout 2, suspicion_rounds
  /// 24. Twice the datagrams a round, half the rounds; a crash is found later, and in error less.
  [[nodiscard]] static config wan(std::string_view name);
  /// One host, or one rack: gossip_interval 200 ms. Five times the datagrams of `lan`; crashes are
  /// found, and news arrives, in a fifth of the time.
  [[nodiscard]] static config local(std::string_view name);

  // The node itself.
  std::string name;                      ///< 1-255 bytes of UTF-8; unique in the cluster
  std::string cluster_name = "default";  ///< nodes of another cluster are not heard
  std::optional<endpoint> advertise;     ///< peers send to it; none: the transport's, or routed
  std::uint64_t generation_last = 0;     ///< of the last run, if it was kept; 0: not kept

  /// Where to find the cluster: "HOST:PORT", "1.2.3.4:PORT", "[V6]:PORT", "[V6%INTERFACE]:PORT", or
  /// "dnssrv+SERVICE" for all hosts of its SRV records; at most 64. Names are resolved again and
  /// again; those that are myself are skipped; none: a cluster of one.
  std::vector<std::string> seeds;
  std::chrono::milliseconds resolve_interval{60'000};  ///< 1 s to 1 day between two look-ups

  /// Whether this node asks its seeds only, and answers nobody: it comes to know the cluster, and
  /// no node comes to know it. Nobody gets what it publishes. It believes its seeds that a peer is
  /// dead, since it may not ask that peer. It stays so until it is started anew.
  bool is_observer = false;
  std::optional<std::uint64_t> random_seed;  ///< none: the system's random device; set in tests

  // The round.
  std::chrono::milliseconds gossip_interval{1000};  ///< 10 ms - 1 h; must be equal on all nodes
  double jitter = 0.1;                        ///< 0 - 0.5: each interval varies by this part of it
  std::size_t fanout = 1;                     ///< 1 - 16 live peers a round; each costs an exchange
  std::size_t live_peers_min = 1;             ///< 0 - 1000: with fewer, a seed is asked every round
  std::size_t seed_every_rounds = 16;         ///< 1 - 10000: a seed is asked this often in any case
  std::size_t unverified_addresses_max = 16;  ///< 1 - 256 addresses never heard from, a round

  // Budgets.
  std::size_t datagram_bytes_max = 1200;     ///< 1200 - 65504, a multiple of 8; of what is sent:
                                             ///< datagrams of any size are read
  std::size_t digest_datagrams_max = 8;      ///< 1 - 1024 a digest; a cursor covers the rest
  std::size_t sums_peers_min = 17;           ///< 1 - 65536: with so many peers, digests tell sums
                                             ///< first; above peers_max: never
  std::size_t exchange_bytes_max = 131072;   ///< 1200 - 2^30 in answer to one datagram
  std::size_t exchange_datagrams_max = 128;  ///< 1 - 65536 likewise; less while datagrams are lost
  std::size_t send_bytes_per_interval = 0;
  ///< datagram_bytes_max - 2^40 for all that is sent; what is over waits, bulk copies last; 0: no
  ///< limit

  // Liveness.
  std::size_t suspicion_rounds =
      12;  ///< 4 - 1000 from a suspicion to declaring dead; 0: phi alone decides
  double dead_peer_phi = 8.0;         ///< 1 - 1000: higher declares dead later and errs less
  std::size_t detector_window = 100;  ///< 4 - 1000: the last half to all of so many intervals
  std::chrono::milliseconds dead_peer_grace{std::chrono::hours{1}};
  ///< 10 intervals - 30 days: then a dead peer is forgotten

  // Capacities (I5); lib/core/ALGORITHM.md says what happens beyond each.
  std::size_t peers_max = 4096;                ///< 1 - 65535
  std::size_t keys_per_peer_max = 1000000;     ///< 1 - 2^31, tombstones included
  std::size_t bytes_per_peer_max = 268435456;  ///< 1024 - 2^40 of keys and values
  std::size_t value_bytes_max = 65536;         ///< 1024 - 2^24 - 1; equal on all nodes: a node that
                                               ///< allows less takes nothing more of the writer
  std::size_t partial_bytes_max = 16777216;    ///< value_bytes_max - 2^30: large values under way
  std::size_t parked_bytes_max = 1048576;      ///< 0 - 2^30: deltas that came before their turn
  std::size_t retired_max = 65536;             ///< 64 - 2^24 removals kept for slow subscribers
};

/// Which option is wrong, what it was, and what is allowed. A value.
struct config_error {
  config_error() = default;
  /// Of the option that is called `of`.
  config_error(std::string of, std::string given, std::string wanted);

  /// "gossip_interval: 5 ms is not allowed; allowed: 10 ms to 1 h"
  [[nodiscard]] std::string message() const;

  std::string option;   ///< as `config` spells it
  std::string value;    ///< as it was given
  std::string allowed;  ///< range or form
};

/// The name whose SRV records `seed` stands for: what follows "dnssrv+"; nullopt for other seeds.
[[nodiscard]] std::optional<std::string_view> service_of(std::string_view seed);

/// `candidate` itself, if every option is allowed; else the first that is not.
[[nodiscard]] tl::expected<config, config_error> validated(config candidate);

/// The same for a node that runs with `present`: also the first option that differs and cannot be
/// changed while it runs. Those are who it is (name, cluster_name, generation_last, is_observer,
/// random_seed) and what its tables are built for (datagram_bytes_max, value_bytes_max,
/// partial_bytes_max, peers_max, parked_bytes_max).
[[nodiscard]] tl::expected<config, config_error> validated_change(const config& present,
                                                                  config candidate);

}  // namespace gossipmonger
