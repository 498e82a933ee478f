#include "message_log.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "gossipmonger/replication.hpp"
#include "text_format.hpp"

namespace gossipmonger {

message_log::message_log(node& of, line_writer& output) : node_(of), output_(output) {
  node_.on_message([this](message_direction direction, const endpoint& remote,
                          const message& what) { write(direction, remote, what); });
}

message_log::~message_log() { node_.on_message(nullptr); }

void message_log::write(message_direction direction, const endpoint& remote, const message& what) {
  if (!output_.has_room()) {
    ++left_out_;
    return;
  }
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::string line;
  if (left_out_ != 0) {
    line = time_of_day(now) + " " + std::to_string(left_out_) + " messages are left out\n";
    left_out_ = 0;
  }
  const auto find_name = [this](std::uint64_t name_hash) { return node_.find_name(name_hash); };
  const bool is_sent = direction == message_direction::sent;
  line += time_of_day(now) + (is_sent ? " sent " : " received ") + remote.to_string() + " " +
          to_string(what, find_name) + "\n";
  output_.write(line);
}

}  // namespace gossipmonger
