#include "command.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gossipmonger {

namespace {

constexpr std::string_view blanks = " \t";

struct usage {
  command_kind kind;
  std::string_view word;
  std::string_view form;
};

constexpr std::array<usage, 8> usages{{
    {command_kind::set, "set", "set KEY VALUE"},
    {command_kind::erase, "erase", "erase KEY"},
    {command_kind::get, "get", "get PEER KEY"},
    {command_kind::members, "members", "members"},
    {command_kind::state, "state", "state"},
    {command_kind::stats, "stats", "stats"},
    {command_kind::leave, "leave", "leave"},
    {command_kind::quit, "quit", "quit"},
}};

/// Takes the first word off `line`, the blanks before it, and one blank after it.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(std::min(word.size() + 1, line.size()));
  return word;
}

/// The blanks that separate the command's word from what follows it.
void skip_blanks(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
}

std::string list_of_commands() {
  std::string list;
  for (const usage& one : usages) {
    if (!list.empty()) list += ", ";
    list += one.form;
  }
  return list;
}

}  // namespace

bool is_blank(std::string_view line) {
  return line.find_first_not_of(blanks) == std::string_view::npos;
}

std::string_view to_string(command_kind kind) {
  return usages[static_cast<std::size_t>(kind)].word;
}

command_error make_command_error(std::string_view line, std::string message) {
  constexpr std::size_t word_bytes_max = 64;
  command_error error;
  error.word = take_word(line).substr(0, word_bytes_max);
  error.message = std::move(message);
  return error;
}

tl::expected<command, command_error> parse_command(std::string_view line) {
  std::string_view rest = line;
  const std::string_view word = take_word(rest);
  const auto* const found =
      std::find_if(usages.begin(), usages.end(), [&](const usage& u) { return u.word == word; });
  if (found == usages.end()) {
    return tl::unexpected<command_error>(
        make_command_error(line, "no such command; there are: " + list_of_commands()));
  }

  command parsed;
  parsed.kind = found->kind;
  bool is_complete = true;
  skip_blanks(rest);
  switch (parsed.kind) {
    case command_kind::set:
      parsed.key = take_word(rest);
      parsed.value = rest;
      is_complete = !parsed.key.empty();
      break;
    case command_kind::get:
      parsed.peer = take_word(rest);
      parsed.key = rest;
      is_complete = !parsed.key.empty();
      break;
    case command_kind::erase:
      parsed.key = rest;
      is_complete = !parsed.key.empty();
      break;
    case command_kind::members:
    case command_kind::state:
    case command_kind::stats:
    case command_kind::leave:
    case command_kind::quit:
      is_complete = rest.empty();
      break;
  }
  if (!is_complete) {
    return tl::unexpected<command_error>(
        make_command_error(line, "expected: " + std::string(found->form)));
  }
  return parsed;
}

}  // namespace gossipmonger
