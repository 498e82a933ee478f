// The messages of a node, a line each, for people who look at the protocol.
#pragma once

#include <cstddef>

#include "gossipmonger/node.hpp"
#include "line_writer.hpp"

namespace gossipmonger {

/// A resource; shows the messages of `of` from its construction to its destruction, and both that
/// it is given outlive it. A line that finds no room in `output` is left out, and the next line
/// says how many were. A reader that stops reading stops neither gossip nor the program's end.
class message_log {
 public:
  message_log(node& of, line_writer& output);
  message_log(const message_log&) = delete;
  message_log& operator=(const message_log&) = delete;
  ~message_log();

 private:
  void write(message_direction direction, const endpoint& remote, const message& what);

  node& node_;
  line_writer& output_;
  std::size_t left_out_ = 0;
};

}  // namespace gossipmonger
