// The command line of the program, as a value.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "gossipmonger/config.hpp"

namespace gossipmonger {

/// The commands of the program.
enum class program_command : std::uint8_t { run, members, keygen, keyring };

struct options {
  options() = default;

  program_command command = program_command::run;
  std::string file;  ///< of the command `keyring`; all that follows is of `run` and `members`

  config settings;  ///< `advertise` is not set yet: its host may be a name
  std::string listen = "127.0.0.1:0";
  std::optional<std::string> advertise;
  std::optional<std::string> keyring;  ///< the file; none: not sealed
  std::chrono::seconds seal_clock_tolerance = std::chrono::hours(24);
  std::vector<std::pair<std::string, std::string>> pairs;  ///< of --set, in their order
  std::optional<std::chrono::milliseconds> lifetime;       ///< none: until a signal or `quit`
  bool is_json = false;
  bool is_traced = false;  ///< each message is shown on standard error
};

/// Why the program ends before it began: what to print, and the exit status.
struct early_exit {
  early_exit() = default;
  early_exit(int with_status, std::string say) : status(with_status), text(std::move(say)) {}

  int status = 0;    ///< 0: --help and --version; 1: the system refused; 2: a bad option
  std::string text;  ///< to standard output if status is 0, else to standard error
};

/// Reads the command line. Hosts are not looked up.
///   errors: --help, --version, and the first option that is not allowed, as one line
[[nodiscard]] tl::expected<options, early_exit> parse_options(int argc, const char* const* argv);

/// One line that names the option as the command line spells it.
[[nodiscard]] early_exit bad_option(const config_error& error);

}  // namespace gossipmonger
