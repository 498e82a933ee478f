// A schedule of everything that will happen to a simulated cluster, drawn up front: who takes part,
// and the decisions by time. It has a text form, so that it can be printed, read, replayed and cut
// down. Values; nothing here runs anything.
//
//     seed 17
//     node n0 interval=200ms
//     node n1 seeds=n0 interval=200ms grace=20s
//     at 0ms start n0
//     at 1s start n1
//     at 2s set n0 role leader
//     at 2s set-ttl n1 5s lock held
//     at 3s link n0 n1 loss=20% delay=1ms..400ms
//     at 4s change n1 interval=400ms fanout=2
//     at 9s crash n1
//     at 12s restart n1 disk=intact generation=kept wire=1-2
//     at 20s heal
//     at 20s crash n1
//     at 20s detect
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "gossipmonger/config.hpp"
#include "gossipmonger/testing/simulated_storage.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

enum class decision_kind : std::uint8_t {
  start,      ///< NODE starts for the first time
  crash,      ///< NODE ends without a word
  restart,    ///< NODE starts anew: what its disk and its generation became stands in the options
  leave,      ///< NODE says that it leaves; it ends 3 rounds later
  set,        ///< NODE KEY VALUE; "" is an empty value
  set_ttl,    ///< NODE LENGTH KEY VALUE: the same, for so long
  erase,      ///< NODE KEY
  write,      ///< NODE sets `count` of `keys` keys, values of up to `bytes`; for `ttl`, if given
  wipe,       ///< NODE erases `count` of `keys` keys
  pause,      ///< NODE stands still for LENGTH
  clock,      ///< NODE's wall clock is off by LENGTH, and drifts by `ppm`
  move,       ///< NODE gets another address
  back,       ///< NODE is at the address again that this run of it advertises
  advertise,  ///< NODE gets another address and is told of it by `change`; once all has healed, its
              ///< peers must follow in time
  join,       ///< NODE is given `count` addresses at which no node is
  replay,     ///< the digest that came to NODE last comes again `count` times
  flood,      ///< the same, each time from an unverified address of its own
  forget,     ///< NODE OTHER: an operator has NODE forget OTHER
  change,     ///< NODE: other options from now on, and after a restart
  link,       ///< FROM TO: conditions of a directed link; `*` for all
  storage,    ///< NODE's storage fails, or is slow
  reader,     ///< NODE's reader of events reads every LENGTH; 0: at once
  mutate,     ///< this part of what NODE sends is changed at random, under a checksum that holds
  heal,       ///< every fault ends, crashed nodes start again, and progress is demanded
  detect,     ///< each node that crashed or became deaf since it healed must be found dead in time,
              ///< and nobody else
};

/// "start", "crash", …
[[nodiscard]] std::string_view to_string(decision_kind kind);

/// The disk of a restarted application, which sets again all that it finds there.
enum class disk_state : std::uint8_t {
  intact,  ///< all that it had set
  lost,    ///< nothing
  stale,   ///< the state `count` writes ago
  torn,    ///< half of its keys
};

/// The knowledge that a restarted node has of its last generation.
enum class generation_state : std::uint8_t {
  kept,    ///< it was kept: generation_last
  lost,    ///< only the clock tells
  reused,  ///< it takes the same one again, its clock having gone back
};

/// An option of a node by its name in the text form. A value.
struct option_value {
  option_value() = default;
  option_value(std::string of_name, std::uint64_t to) : name(std::move(of_name)), value(to) {}

  std::string name;
  std::uint64_t value = 0;  ///< times are in milliseconds
};

struct decision {
  decision() = default;

  static constexpr std::size_t everybody = static_cast<std::size_t>(-1);

  std::chrono::milliseconds at{};
  decision_kind kind = decision_kind::heal;
  std::size_t node = 0;   ///< or `everybody`, with link
  std::size_t other = 0;  ///< link: the receiver; forget: the peer
  std::string key;
  std::string value;
  std::uint64_t count = 0;             ///< write, wipe, join, replay, flood; restart: stale disk
  std::uint64_t keys = 0;              ///< write, wipe
  std::uint64_t bytes = 0;             ///< write
  std::uint64_t salt = 0;              ///< write, wipe, restart: seeds what they draw
  std::chrono::milliseconds length{};  ///< write, set_ttl: the time to live
  std::int64_t ppm = 0;
  double part = 0;  ///< mutate
  disk_state disk = disk_state::intact;
  generation_state generation = generation_state::kept;
  std::optional<wire_range> wire;     ///< restart: as a release that speaks these wire versions
  std::vector<option_value> options;  ///< change
  std::vector<std::size_t> seeds;     ///< change: other seeds; none: as they were
  network_conditions way;
  storage_conditions storage;
};

struct scenario_node {
  scenario_node() = default;

  config settings;  ///< its name is the label, n0, n1, …, unless given
  std::vector<std::size_t> seeds;
  wire_range wire;                            ///< versions that its release speaks
  std::chrono::milliseconds read_interval{};  ///< of its reader of events; 0: at once
};

struct scenario {
  scenario() = default;

  std::uint64_t seed = 1;  ///< of the world's own draws
  std::vector<scenario_node> nodes;
  std::vector<decision> decisions;  ///< by ascending time
};

/// The text form; `parse_scenario` reads it back to an equal scenario.
[[nodiscard]] std::string to_text(const scenario& of);
[[nodiscard]] std::string to_text(const decision& of);

/// Lines that begin with # and empty ones are skipped; reading ends at a line of three dashes.
///   errors: the line, and what is wrong with it
[[nodiscard]] tl::expected<scenario, std::string> parse_scenario(std::string_view text);

/// Sets the options named; a name that there is not is skipped.
void apply_options(const std::vector<option_value>& options, config& to);

}  // namespace gossipmonger
