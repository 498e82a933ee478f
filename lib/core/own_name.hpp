// The script of words on this node's own name: of itself, of a former run, of a rival. It refutes,
// or tells of the conflict. A resource over the node's parts.
#pragma once

#include <cstdint>

#include "core/model/digest.hpp"
#include "core/model/message.hpp"
#include "core/node_parts.hpp"

namespace gossipmonger {

class own_name {
 public:
  /// `node` outlives the script.
  explicit own_name(node_parts& node) : node_(node) {}
  own_name(const own_name&) = delete;
  own_name& operator=(const own_name&) = delete;

  /// Takes a word of this node's name from a verified sender of another name.
  void handle_word_of_me(const message& received);
  /// The sender, whose address is verified, bears this node's name.
  void handle_namesake(const digest_entry& theirs);
  /// An entry of this node, by the word of the sender that was handled last.
  void handle_own_entry(const digest_entry& mine, std::uint32_t instance);

 private:
  /// Looks whether an older run of `slot` lives beside the one held.
  void handle_older_run(const message& received, slot_index slot);
  /// Tells that an older run of my own name lives, with `generation`.
  void tell_older_run(std::uint64_t generation);
  /// Takes a generation above `generation`, which others hold of this node.
  void refute(std::uint64_t generation);
  void end_conflict();

  node_parts& node_;
  bool is_by_peer_ = false;  // the sender in hand is live here, and another node
};

}  // namespace gossipmonger
