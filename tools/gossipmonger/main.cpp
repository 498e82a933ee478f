// `gossipmonger run`: one node as a program. `gossipmonger members`: who is in a cluster.
// `gossipmonger bench`: a cluster under load. Exit status: 0 after a graceful end, 1 where the
// system refused something, 2 for a bad option.

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "../load/cluster_command.hpp"
#include "address_text.hpp"
#include "bytes.hpp"
#include "gossipmonger/node.hpp"
#include "gossipmonger/resolver.hpp"
#include "gossipmonger/start_error.hpp"
#include "json_format.hpp"
#include "keyring_commands.hpp"
#include "line_reader.hpp"
#include "line_writer.hpp"
#include "members_command.hpp"
#include "message_log.hpp"
#include "options.hpp"
#include "refusal.hpp"
#include "session.hpp"
#include "text_format.hpp"

namespace {

using namespace gossipmonger;

int complain(const early_exit& why) {
  const bool is_wanted = why.status == 0;
  if (is_wanted) {
    std::fputs(why.text.c_str(), stdout);
  } else {
    std::fprintf(stderr, "gossipmonger: %s\n", why.text.c_str());
  }
  return why.status;
}

/// A closed standard stream would lend its number to the first socket, which would then be written
/// to as if it were the output. False where the system has no descriptor left.
bool try_open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    if (::open("/dev/null", O_RDWR) != descriptor) return false;  // the lowest number is taken
  }
  return true;
}

bool wants_colour() {
  const char* const refused = std::getenv("NO_COLOR");  // https://no-color.org
  const char* const terminal = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

asio::awaitable<void> look_up(std::string text, result<std::vector<endpoint>>& found) {
  found = co_await resolve(std::move(text));
}

/// A text that is no address, with the part of it that is missing.
early_exit bad_address(const std::string& option, const std::string& text, std::string fault) {
  if (fault.empty()) fault = address_fault(text);
  config_error error(option, in_quotes(text),
                     "HOST:PORT, 1.2.3.4:PORT, [V6]:PORT or [V6%INTERFACE]:PORT");
  if (!fault.empty()) error.value += " (" + fault + ")";
  if (option == "listen") error.allowed += ", or *:PORT for all addresses";
  return bad_option(error);
}

/// Whether a socket on the address speaks IPv4, or else IPv6; nothing: both.
std::optional<bool> ip_version_of(const std::string& listen) {
  if (listen.starts_with("localhost:")) return true;  // where the system has IPv4
  const std::optional<endpoint> bound = endpoint::parse(listen);
  if (!bound || (bound->is_wildcard() && !bound->is_v4())) return std::nullopt;
  return bound->is_v4();
}

/// The first address of "HOST:PORT", of that IP version. A name may have several: then a line says
/// which was taken.
tl::expected<endpoint, early_exit> find_address(const std::string& option, const std::string& text,
                                                std::optional<bool> is_v4 = std::nullopt) {
  if (service_of(text)) {  // of many hosts: no address of this one
    return tl::unexpected<early_exit>(bad_address(option, text, "a service has many hosts"));
  }
  asio::io_context io(1);
  result<std::vector<endpoint>> found;
  asio::co_spawn(io, look_up(text, found), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
  if (!found && found.error() == std::errc::invalid_argument) {
    return tl::unexpected<early_exit>(bad_address(option, text, ""));
  }
  if (found && is_v4) {
    std::erase_if(*found, [is_v4](const endpoint& one) { return one.is_v4() != *is_v4; });
  }
  if (!found || found->empty()) {
    const std::string none =
        is_v4 ? "it has no address of the IP version of --listen" : "it has no address";
    const std::string why = found ? none : found.error().message();
    return tl::unexpected<early_exit>(
        early_exit(1, "cannot look up --" + option + " " + in_quotes(text) + ": " + why));
  }
  if (found->size() > 1) {
    std::fprintf(stderr, "gossipmonger: --%s %s is %s, the first of %zu addresses\n",
                 option.c_str(), in_quotes(text).c_str(), found->front().to_string().c_str(),
                 found->size());
  }
  return found->front();
}

/// An address as `node::open` takes it, from any host that the system knows.
tl::expected<std::string, early_exit> find_listen(const std::string& listen) {
  if (listen.starts_with("*:") || listen.starts_with("localhost:")) return listen;
  const tl::expected<endpoint, early_exit> address = find_address("listen", listen);
  if (!address) return tl::unexpected<early_exit>(address.error());
  return address->to_string();
}

early_exit complaint_of(const start_error& error) {
  if (error.option == "listen" && error.code == std::errc::invalid_argument) {
    return bad_address(error.option, error.value, "");
  }
  if (error.option == "listen") {
    return early_exit(1, "cannot listen on " + error.value + ": " + error.code.message());
  }
  return bad_option(config_error(error.option, error.value, error.allowed));
}

/// A node with what the command line lets it publish.
tl::expected<std::unique_ptr<node>, early_exit> make_node(options& wanted, asio::io_context& io) {
  const tl::expected<std::string, early_exit> listen = find_listen(wanted.listen);
  if (!listen) return tl::unexpected<early_exit>(listen.error());
  if (wanted.advertise) {
    const auto address = find_address("advertise", *wanted.advertise, ip_version_of(*listen));
    if (!address) return tl::unexpected<early_exit>(address.error());
    wanted.settings.advertise = *address;
  }
  auto made = node::open(io.get_executor(), std::move(wanted.settings), *listen);
  if (!made) return tl::unexpected<early_exit>(complaint_of(made.error()));
  (*made)->set_seal_clock_tolerance(wanted.seal_clock_tolerance);
  for (const auto& [key, value] : wanted.pairs) {
    const result<std::uint64_t> version = (*made)->set(key, value);
    if (version) continue;
    const std::string why = refusal_of(version.error(), value, (*made)->settings());
    return tl::unexpected<early_exit>(early_exit(2, "--set " + in_quotes(key) + ": " + why));
  }
  return std::move(*made);
}

int run(options wanted) {
  std::optional<keyring> ring;
  if (wanted.keyring) {
    tl::expected<keyring, keyring_error> loaded = load_keyring(*wanted.keyring);
    if (!loaded) return complain(early_exit(2, escaped(loaded.error().message())));
    ring = std::move(*loaded);
  }
  asio::io_context io(1);
  const tl::expected<std::unique_ptr<node>, early_exit> made = make_node(wanted, io);
  if (!made) return complain(made.error());

  std::unique_ptr<format> speech = std::make_unique<json_format>();
  if (!wanted.is_json) speech = std::make_unique<text_format>(wants_colour());
  // Nobody reads any more: an end like any other, unless the disk is full or the like. A terminal
  // says EIO once its last user has gone.
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  session* running = nullptr;
  int status = 0;
  const auto on_broken_output = [&](std::error_code why) {
    const bool is_hung_up = is_terminal && why == std::errc::io_error;
    if (why != std::errc::broken_pipe && !is_hung_up) {
      std::fprintf(stderr, "gossipmonger: cannot write the output: %s\n", why.message().c_str());
      status = 1;
    }
    running->end();
  };
  line_writer output(io.get_executor(), STDOUT_FILENO, on_broken_output);
  // A value of the largest size fits in, even if each byte of it is written as an escape of four.
  constexpr std::size_t line_bytes_min = std::size_t{1} << 20;
  const std::size_t line_bytes_max =
      std::max(line_bytes_min, 4 * (*made)->settings().value_bytes_max + 4096);
  line_reader input(io.get_executor(), STDIN_FILENO, line_bytes_max);
  session one(**made, *speech, input, output, wanted.keyring.value_or(std::string()));
  running = &one;
  one.start(wanted.lifetime, std::move(ring));
  std::optional<line_writer> traces;
  std::optional<message_log> log;
  if (wanted.is_traced) {
    traces.emplace(io.get_executor(), STDERR_FILENO, [](std::error_code) {});  // the node goes on
    log.emplace(**made, *traces);
  }
  try {
    io.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gossipmonger: %s\n", error.what());
    status = 1;
  }

  constexpr std::chrono::milliseconds output_grace{1000};
  log.reset();
  const bool is_written = output.try_finish(output_grace);
  const bool is_traced = !traces || traces->try_finish(output_grace);
  if (!is_written || !is_traced || !input.try_finish()) std::_Exit(status);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (!try_open_standard_streams()) return 1;
  std::signal(SIGPIPE, SIG_IGN);  // told by write, and the node leaves first
  std::signal(SIGTTIN, SIG_IGN);  // a node in the background goes on, and reads no commands

  try {
    const std::span<const char* const> words(argv, static_cast<std::size_t>(argc));
    if (words.size() > 1 && std::string_view(words[1]) == "bench") {
      return run_cluster_command("gossipmonger bench", words.subspan(2));
    }
    tl::expected<options, early_exit> wanted = parse_options(argc, argv);
    if (!wanted) return complain(wanted.error());
    if (wanted->command == program_command::members) return run_members(std::move(*wanted));
    if (wanted->command == program_command::keygen) return run_keygen();
    if (wanted->command == program_command::keyring) return run_keyring(wanted->file);
    return run(std::move(*wanted));
  } catch (const std::exception& error) {  // a library found no descriptor, or no memory
    return complain(early_exit(1, error.what()));
  }
}
