#include "command.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

#include "../text/duration.hpp"
#include "../text/nearest.hpp"
#include "address_text.hpp"
#include "bytes.hpp"
#include "gossipmonger/config.hpp"

namespace gossipmonger {

namespace {

constexpr std::string_view blanks = " \t";

struct usage {
  command_kind kind;
  std::string_view word;
  std::string_view form;
};

constexpr std::array<usage, 19> usages{{
    {command_kind::set, "set", "set KEY VALUE"},
    {command_kind::set_ttl, "set-ttl", "set-ttl TIME KEY VALUE"},
    {command_kind::erase, "erase", "erase KEY"},
    {command_kind::get, "get", "get PEER KEY"},
    {command_kind::members, "members", "members"},
    {command_kind::forget, "forget", "forget PEER"},
    {command_kind::join, "join", "join HOST:PORT"},
    {command_kind::wait_live, "wait-live", "wait-live N TIME"},
    {command_kind::wait, "wait", "wait PEER KEY TIME"},
    {command_kind::writable, "writable", "writable TIME"},
    {command_kind::option, "option", "option NAME VALUE"},
    {command_kind::options, "options", "options"},
    {command_kind::state, "state", "state"},
    {command_kind::stats, "stats", "stats [all]"},
    {command_kind::keys, "keys", "keys"},
    {command_kind::reload_keys, "reload-keys", "reload-keys"},
    {command_kind::help, "help", "help"},
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

/// The byte that an escape stands for, which is taken off `line` behind its backslash.
std::optional<char> take_escape(std::string_view& line) {
  const char kind = line.empty() ? '\0' : line.front();
  line.remove_prefix(std::min<std::size_t>(1, line.size()));
  switch (kind) {
    case '"':
    case '\\':
      return kind;
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'x': {
      const std::string_view digits = line.substr(0, 2);
      unsigned byte = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (error != std::errc() || digits.size() != 2 || end != digits.data() + 2) break;
      line.remove_prefix(2);
      return static_cast<char>(byte);
    }
    default:
      break;
  }
  return std::nullopt;
}

/// Takes an argument in quotation marks off `line`; nullopt where they do not close, or something
/// other than a blank follows.
std::optional<std::string> take_quoted(std::string_view& line) {
  std::string argument;
  line.remove_prefix(1);
  while (!line.empty() && line.front() != '"') {
    const char next = line.front();
    line.remove_prefix(1);
    if (next != '\\') {
      argument += next;
      continue;
    }
    const std::optional<char> escaped = take_escape(line);
    if (!escaped) return std::nullopt;
    argument += *escaped;
  }
  if (line.empty()) return std::nullopt;
  line.remove_prefix(1);
  if (!line.empty() && blanks.find(line.front()) == std::string_view::npos) return std::nullopt;
  line.remove_prefix(std::min<std::size_t>(1, line.size()));
  return argument;
}

/// Takes the arguments of one command off its line, one after the other.
class arguments {
 public:
  explicit arguments(std::string_view line) : rest_(line) {}

  std::string word() {
    skip_blanks(rest_);
    if (rest_.starts_with('"')) return quoted();
    const std::string_view word = take_word(rest_);
    has_all_ = has_all_ && !word.empty();
    return std::string(word);
  }

  /// The last argument: the rest of the line, if it is not quoted.
  std::string rest() {
    if (!rest_.starts_with('"')) return std::string(std::exchange(rest_, {}));
    std::string last = quoted();
    end();
    return last;
  }

  /// As `rest`, and may not be missing.
  std::string required_rest() {
    skip_blanks(rest_);
    has_all_ = has_all_ && !rest_.empty();
    return rest();
  }

  /// Takes `word` where it is the last one.
  bool is_last(std::string_view word) {
    skip_blanks(rest_);
    std::string_view rest = rest_;
    if (take_word(rest) != word || !is_blank(rest)) return false;
    rest_ = {};
    return true;
  }

  /// Nothing may follow but blanks.
  void end() {
    has_all_ = has_all_ && is_blank(rest_);
    rest_ = {};
  }

  [[nodiscard]] bool is_well() const { return has_all_ && !is_badly_quoted_; }
  [[nodiscard]] bool is_badly_quoted() const { return is_badly_quoted_; }

 private:
  std::string quoted() {
    const std::optional<std::string> taken = take_quoted(rest_);
    if (!taken) is_badly_quoted_ = true;
    return taken.value_or(std::string());
  }

  std::string_view rest_;
  bool has_all_ = true;
  bool is_badly_quoted_ = false;
};

/// The fault of a time that does not parse, as the beginning of a message.
std::string fault_of_time(std::string_view text) {
  const std::string unit = is_without_unit(text) ? " has no unit: write " : " is not ";
  return in_quotes(text) + unit + std::string(duration_form) + "; ";
}

/// The same of an address; nothing where it has both parts. A service stands for several.
std::string fault_of_address(std::string_view text) {
  const std::string fault = service_of(text) ? "" : address_fault(text);
  return fault.empty() ? fault : in_quotes(text) + ": " + fault + "; ";
}

/// "did you mean members? ", or nothing where no command is like `word`.
std::string meant(std::string_view word) {
  std::vector<std::string_view> words;
  for (const usage& one : usages) words.push_back(one.word);
  const std::optional<std::string_view> nearest = nearest_word(word, words);
  return nearest ? "did you mean " + std::string(*nearest) + "? " : std::string();
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

std::string_view without_carriage_return(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(blanks) == std::string_view::npos;
}

std::vector<std::string_view> command_forms() {
  std::vector<std::string_view> forms;
  for (const usage& one : usages) forms.push_back(one.form);
  return forms;
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
    return tl::unexpected<command_error>(make_command_error(
        line, "no such command; " + meant(word) + "there are: " + list_of_commands()));
  }

  command parsed;
  parsed.kind = found->kind;
  skip_blanks(rest);
  arguments from(rest);
  std::string fault;  // of an argument that is there
  const auto read_time = [&] {
    const std::string text = from.word();
    const std::optional<std::chrono::milliseconds> time = parse_duration(text);
    parsed.time = time.value_or(std::chrono::milliseconds());
    if (!time && !text.empty()) fault = fault_of_time(text);
  };
  const auto read_count = [&] {
    const std::string text = from.word();
    const char* const end = text.data() + text.size();
    const auto [rest_of_it, error] = std::from_chars(text.data(), end, parsed.count);
    const bool is_count = error == std::errc() && rest_of_it == end;
    if (!is_count && !text.empty()) fault = in_quotes(text) + " is no whole number; ";
  };
  switch (parsed.kind) {
    case command_kind::set:
    case command_kind::option:
      parsed.key = from.word();
      parsed.value = from.rest();
      break;
    case command_kind::set_ttl:
      read_time();
      parsed.key = from.word();
      parsed.value = from.rest();
      break;
    case command_kind::writable:
      read_time();
      from.end();
      break;
    case command_kind::wait_live:
      read_count();
      read_time();
      from.end();
      break;
    case command_kind::wait:
      parsed.peer = from.word();
      parsed.key = from.word();
      read_time();
      from.end();
      break;
    case command_kind::join:
      parsed.value = from.required_rest();
      if (!parsed.value.empty()) fault = fault_of_address(parsed.value);
      break;
    case command_kind::stats:
      parsed.has_all = from.is_last("all");
      from.end();
      break;
    case command_kind::get:
      parsed.peer = from.word();
      parsed.key = from.required_rest();
      break;
    case command_kind::erase:
      parsed.key = from.required_rest();
      break;
    case command_kind::forget:
      parsed.peer = from.required_rest();
      break;
    case command_kind::members:
    case command_kind::options:
    case command_kind::state:
    case command_kind::keys:
    case command_kind::reload_keys:
    case command_kind::help:
    case command_kind::leave:
    case command_kind::quit:
      from.end();
      break;
  }
  if (from.is_badly_quoted()) {
    return tl::unexpected<command_error>(make_command_error(
        line,
        "expected a closing quotation mark and then a blank; in quotation marks, a backslash "
        "stands before \", \\, n, t or xHH"));
  }
  if (!fault.empty() || !from.is_well()) {
    return tl::unexpected<command_error>(
        make_command_error(line, fault + "expected: " + std::string(found->form)));
  }
  return parsed;
}

}  // namespace gossipmonger
