// How far each key of a sealed cluster has come, at every node: what `keys` shows. Values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gossipmonger/keyring.hpp"

namespace gossipmonger {

/// The text that one node publishes of its keyring.
struct node_stage {
  node_stage() = default;

  std::string name;
  std::optional<std::string> published;  ///< none: it has no keyring
};

/// One key, which this node has or another node names.
struct key_row {
  key_row() = default;

  std::string id;
  bool is_sealing_here = false;
  bool is_opening_here = false;
  std::vector<std::string> not_sealing;  ///< the nodes that do not seal with it
  std::vector<std::string> not_opening;  ///< the nodes that cannot open it
  std::uint64_t sealed = 0;
  std::uint64_t opened = 0;
  std::optional<std::chrono::nanoseconds> opened_ago;
};

struct key_stages {
  key_stages() = default;

  std::size_t nodes = 0;          ///< this one, and the live and new ones
  std::vector<key_row> keys;      ///< this node's, and 24 others that most nodes name
  std::size_t unlisted_keys = 0;  ///< further keys that other nodes name
  plain_policy plain_here = plain_policy::refused;
  std::vector<std::string> plain_sent_by;
  std::vector<std::string> plain_accepted_by;  ///< those that send plain included
  std::vector<std::string> uncounted;          ///< dead and left nodes
};

/// `nodes`: those that are counted, this one among them. `here`, `now`: this one's own.
[[nodiscard]] key_stages stages_of(const std::vector<node_stage>& nodes, const seal_counters& here,
                                   std::chrono::nanoseconds now);

/// "refused", "accepted", "sent"
[[nodiscard]] std::string_view to_string(plain_policy policy);

}  // namespace gossipmonger
