// How the program speaks: each member gives the text for one thing it has to say, with its line
// ends. An interface, with one implementation for people and one for scripts.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.hpp"
#include "drop_watch.hpp"
#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/event.hpp"
#include "gossipmonger/node.hpp"
#include "gossipmonger/types.hpp"
#include "key_ages.hpp"
#include "key_stages.hpp"

namespace gossipmonger {

using wall_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// One key at one moment. A value.
struct peer_entry {
  peer_entry() = default;

  std::string key;
  std::string value;
  key_age age;
};

/// The knowledge of one peer at one moment. A value.
struct peer_state {
  peer_state() = default;

  std::string name;
  peer_status status = peer_status::introduced;
  std::vector<peer_entry> entries;  ///< by version
};

class format {
 public:
  format() = default;
  format(const format&) = delete;
  format& operator=(const format&) = delete;
  virtual ~format() = default;

  // Events.
  [[nodiscard]] virtual std::string started(const node& of, const endpoint& bound,
                                            wall_time at) const = 0;
  [[nodiscard]] virtual std::string event(const event_view& what, wall_time at) const = 0;

  [[nodiscard]] virtual std::string dropped(const refused_count& what, wall_time at) const = 0;

  // Answers, one a command.
  [[nodiscard]] virtual std::string set(std::string_view key, std::uint64_t version) const = 0;
  [[nodiscard]] virtual std::string set_ttl(std::string_view key, std::uint64_t version,
                                            std::chrono::milliseconds ttl) const = 0;
  [[nodiscard]] virtual std::string erased(std::string_view key,
                                           std::optional<std::uint64_t> version) const = 0;
  /// `status` of the peer tells which of the two is unknown, where there is no entry.
  [[nodiscard]] virtual std::string got(std::string_view peer, std::string_view key,
                                        const std::optional<entry_view>& entry, const key_age& age,
                                        std::optional<peer_status> status) const = 0;
  [[nodiscard]] virtual std::string members(const std::vector<member>& all) const = 0;
  [[nodiscard]] virtual std::string forgotten(std::string_view peer) const = 0;
  [[nodiscard]] virtual std::string joined(const std::vector<endpoint>& addresses) const = 0;
  [[nodiscard]] virtual std::string has_live(std::size_t live,
                                             std::chrono::milliseconds waited) const = 0;
  [[nodiscard]] virtual std::string waited_for(std::string_view peer, std::string_view key,
                                               std::string_view value,
                                               std::chrono::milliseconds waited) const = 0;
  [[nodiscard]] virtual std::string writable(std::chrono::milliseconds waited) const = 0;
  /// `warning`: what speaks against it all the same; mostly empty.
  [[nodiscard]] virtual std::string changed(std::string_view name, std::string_view value,
                                            std::string_view warning) const = 0;
  [[nodiscard]] virtual std::string options(
      const std::vector<std::pair<std::string, std::string>>& named) const = 0;
  /// The answer to `state` may be long, so it is appended to `to` piece by piece. It has a
  /// beginning, then for each peer a beginning, its entries and an end, and then the end.
  virtual void begin_state(std::string& to) const = 0;
  virtual void begin_peer(const peer_state& of, bool is_first, std::string& to) const = 0;
  virtual void add_entry(const peer_entry& one, bool is_first, std::string& to) const = 0;
  virtual void end_peer(std::string& to) const = 0;
  virtual void end_state(const std::vector<peer_state>& all, std::string& to) const = 0;
  /// A person asks for those that are 0 by `has_all`; a script finds each by its name in any case.
  [[nodiscard]] virtual std::string stats(
      const std::vector<std::pair<std::string, std::uint64_t>>& counters, bool has_all) const = 0;
  [[nodiscard]] virtual std::string keys(const key_stages& all) const = 0;
  /// Of `reload-keys`: the keys of the ring from now on.
  [[nodiscard]] virtual std::string reloaded(const seal_counters& ring) const = 0;
  [[nodiscard]] virtual std::string help(const std::vector<std::string_view>& forms) const = 0;
  /// Of `leave` and `quit`, as `kind` says.
  [[nodiscard]] virtual std::string left(command_kind kind, const leave_result& result) const = 0;
  [[nodiscard]] virtual std::string error(const command_error& what) const = 0;
};

}  // namespace gossipmonger
