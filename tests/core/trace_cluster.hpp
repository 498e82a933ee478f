// A small cluster of bare protocols that a script of commands drives, one line at a time, and that
// writes down each message sent and each event read. For traces_test; tests/core/traces/README.md
// lists the commands. A resource.
//
// Time stands still but for `advance`, `skip` and `round`. A message waits until a command delivers
// it. Nothing is drawn but from the seeds of the nodes, which are 1, 2, 3, ... in their order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/model/message.hpp"
#include "core/protocol.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/memory_storage.hpp"
#include "protocol_fixture.hpp"

namespace gossipmonger {

/// Why a command is refused; it changed nothing.
class trace_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class trace_cluster {
 public:
  trace_cluster() = default;
  trace_cluster(const trace_cluster&) = delete;
  trace_cluster& operator=(const trace_cluster&) = delete;

  /// Runs one command and returns what followed, a line each.
  ///   throws: trace_error, with what is wrong about the command
  [[nodiscard]] std::vector<std::string> run(std::string_view command);

 private:
  using words = std::vector<std::string>;

  /// A node by the handle that scripts use, which is its name unless the script says otherwise.
  struct node {
    std::string handle;
    config settings;
    wire_range spoken;
    std::vector<std::string> seeds;
    endpoint address;
    std::uint64_t seed = 0;
    std::chrono::nanoseconds clock_offset{};
    std::unique_ptr<memory_storage> entries;
    std::unique_ptr<protocol> core;
    change_cursor read;
    bool is_up = true;
  };

  // Commands.
  void run_words(const words& command);
  void add_node(const words& command);
  void run_node_command(node& at, const words& command);
  void set(node& at, const words& command);
  void show_members(const node& at);
  void show_drops(const node& at);
  void round(node& at);
  void deliver_oldest();
  void deliver_waiting();
  void deliver_all();
  void take_oldest(const std::string& link, bool is_lost);
  void hand_over_again(const std::string& link, bool is_forged);
  void pass(std::chrono::nanoseconds length, bool is_quiet);
  void start(node& at);

  // The cluster.
  [[nodiscard]] node& find(const std::string& handle);
  [[nodiscard]] std::string handle_of(const endpoint& address) const;
  [[nodiscard]] std::string to_text(const message& what) const;
  [[nodiscard]] std::string_view name_of(std::uint64_t hash) const;
  [[nodiscard]] moment now_at(const node& at) const;
  [[nodiscard]] bool is_cut(const letter& sent) const;
  void handle_due(node& at);
  void hand_over(const letter& sent);
  /// Reads the events of that node and takes what it sends.
  void finish_step(node& at);
  void show(const std::string& line);

  std::vector<std::unique_ptr<node>> nodes_;
  letters waiting_;
  letters delivered_;  // the latest first, for `repeat` and `forge`
  std::set<std::pair<std::string, std::string>> cuts_;
  std::chrono::nanoseconds steady_ = std::chrono::seconds{100};
  std::chrono::nanoseconds wall_ = std::chrono::milliseconds{1};
  std::optional<std::chrono::nanoseconds> began_;  // of an `advance` or a `skip`
  bool is_quiet_ = false;                          // events only
  std::vector<std::string> lines_;
};

}  // namespace gossipmonger
