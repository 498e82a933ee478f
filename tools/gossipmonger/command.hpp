// One line of standard input, understood. Values.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace gossipmonger {

enum class command_kind : std::uint8_t {
  set,
  set_ttl,
  erase,
  get,
  members,
  forget,
  join,
  wait_live,
  wait,
  writable,
  option,
  options,
  state,
  stats,
  keys,
  reload_keys,
  help,
  leave,
  quit,
};

struct command {
  command() = default;

  command_kind kind = command_kind::quit;
  std::string peer;                  ///< of get, forget, wait
  std::string key;                   ///< of set, set-ttl, erase, get, wait; the name of an option
  std::string value;                 ///< of set, set-ttl, option; the address of join
  std::size_t count = 0;             ///< of wait-live
  bool has_all = false;              ///< of stats: those that are 0, too
  std::chrono::milliseconds time{};  ///< of set-ttl, writable, wait-live, wait
};

/// An error about a line.
struct command_error {
  command_error() = default;

  std::string word;  ///< its first word, cut to 64 bytes
  std::string message;
};

/// One carriage return at the end is the other half of a line end, and no part of the line.
[[nodiscard]] std::string_view without_carriage_return(std::string_view line);

/// Whether the line asks for anything: blank ones do not, and get no answer.
[[nodiscard]] bool is_blank(std::string_view line);

/// Words are separated by blanks. The last argument is the rest of the line as it stands, so that a
/// value may hold blanks, or begin or end with some. Any argument may stand in quotation marks
/// instead: then it ends with the closing one. In it \" \\ \n \t and \xHH stand for a quotation
/// mark, a backslash, a line end, a tabulator and any byte. One that begins with a quotation mark
/// must be written so.
[[nodiscard]] tl::expected<command, command_error> parse_command(std::string_view line);

/// How each command is written: "set KEY VALUE", …
[[nodiscard]] std::vector<std::string_view> command_forms();

/// "set", …
[[nodiscard]] std::string_view to_string(command_kind kind);

/// An error about `line` that parses well but cannot be done.
[[nodiscard]] command_error make_command_error(std::string_view line, std::string message);

}  // namespace gossipmonger
