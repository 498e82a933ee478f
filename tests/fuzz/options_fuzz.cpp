// Fuzzes the text that people type: options of a node, the program's command line, its commands,
// and addresses. Each is understood, or refused in words that are safe to print.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../../tools/gossipmonger/bytes.hpp"
#include "../../tools/gossipmonger/command.hpp"
#include "../../tools/gossipmonger/options.hpp"
#include "byte_source.hpp"
#include "core/protocol.hpp"
#include "fuzz.hpp"
#include "gossipmonger/memory_storage.hpp"

namespace gossipmonger {
namespace {

using std::chrono::milliseconds;

std::string text_of(std::span<const std::uint8_t> bytes) {
  return std::string(bytes.begin(), bytes.end());
}

bool is_printable(std::string_view text) {
  for (const char one : text) {
    if (static_cast<unsigned char>(one) < 0x20 && one != '\n') return false;
  }
  return is_utf8(text);
}

milliseconds duration(byte_source& from) {
  constexpr std::uint64_t most = 0x7fffffffffffffff;
  const auto drawn = static_cast<std::int64_t>(from.number(most));
  return milliseconds(from.below(8) == 7 ? -drawn : drawn);
}

std::size_t number(byte_source& from) { return from.number(~std::uint64_t{0}); }

double fraction(byte_source& from) {
  const std::size_t shape = from.below(8);
  if (shape == 0) return -1.0 / static_cast<double>(from.byte());
  if (shape == 1) return static_cast<double>(number(from));
  if (shape == 2) return std::numeric_limits<double>::quiet_NaN();
  if (shape == 3) return std::numeric_limits<double>::infinity();
  return static_cast<double>(from.byte()) / 255;
}

void check_config(byte_source& from) {
  config tried;
  tried.name = text_of(from.take(from.below(8)));
  // A few options at a time are not the default.
  while (!from.is_empty()) {
    switch (from.below(20)) {
      case 0:
        tried.cluster_name = text_of(from.take(from.below(8)));
        break;
      case 1:
        tried.generation_last = number(from);
        break;
      case 2:
        tried.seeds.push_back(text_of(from.take(from.below(24))));
        break;
      case 3:
        tried.resolve_interval = duration(from);
        break;
      case 4:
        tried.gossip_interval = duration(from);
        break;
      case 5:
        tried.jitter = fraction(from);
        break;
      case 6:
        tried.fanout = number(from);
        break;
      case 7:
        tried.live_peers_min = number(from);
        break;
      case 8:
        tried.seed_every_rounds = number(from);
        break;
      case 9:
        tried.unverified_addresses_max = number(from);
        break;
      case 10:
        tried.datagram_bytes_max = number(from);
        break;
      case 11:
        tried.digest_datagrams_max = number(from);
        break;
      case 12:
        tried.exchange_bytes_max = number(from);
        break;
      case 13:
        tried.exchange_datagrams_max = number(from);
        break;
      case 14:
        tried.dead_peer_phi = fraction(from) * 100;
        break;
      case 15:
        tried.detector_window = number(from);
        break;
      case 16:
        tried.dead_peer_grace = duration(from);
        break;
      case 17:
        tried.peers_max = number(from);
        break;
      case 18:
        tried.keys_per_peer_max = number(from);
        break;
      default:
        tried.bytes_per_peer_max = number(from);
        break;
    }
  }
  const tl::expected<config, config_error> checked = validated(tried);
  if (!checked) {
    demand(!checked.error().option.empty(), "a refusal names the option");
    demand(!checked.error().allowed.empty(), "a refusal says what is allowed");
    demand(checked.error().message().size() < 1000, "a refusal is short");
    demand(is_printable(bad_option(checked.error()).text), "a refusal is safe to print");
    return;
  }
  // A node runs with any options that are allowed.
  memory_storage entries;
  const moment start(std::chrono::hours(1), std::chrono::hours(500'000));
  protocol core(*checked, storage_ref(entries), endpoint::v4(10, 0, 0, 1, 7000), 1, start);
  core.join(endpoint::v4(10, 0, 0, 2, 7000));
  moment now = start;
  message sent;
  for (int round = 0; round < 2; ++round) {
    now.steady = core.next_deadline();
    core.handle_timeout(now);
    while (core.poll_transmit(now, sent)) {
    }
  }
  demand(core.next_deadline() > now.steady, "rounds go on");
}

void check_command_line(byte_source& from) {
  std::vector<std::string> words{"gossipmonger"};
  if (from.below(8) != 0) {
    words.insert(words.end(), {"run", "--name", "n"});
  }
  constexpr std::array<std::string_view, 12> known{
      "--seed",    "--set",       "--interval", "--fanout", "--seconds", "--listen",
      "--cluster", "--advertise", "--json",     "--name",   "--help",    "run"};
  while (!from.is_empty() && words.size() < 12) {
    const std::size_t choice = from.below(known.size() + 4);
    std::string word =
        choice < known.size() ? std::string(known[choice]) : text_of(from.take(from.below(16)));
    // A word ends at its first zero byte, here as in a real command line.
    words.emplace_back(word.c_str());
  }
  std::vector<const char*> pointers;
  for (const std::string& word : words) pointers.push_back(word.c_str());
  const auto parsed = parse_options(static_cast<int>(pointers.size()), pointers.data());
  if (parsed) {
    demand(validated(parsed->settings).has_value(), "what is understood is allowed");
    return;
  }
  demand(parsed.error().status == 0 || parsed.error().status == 2, "a status of its own");
  demand(!parsed.error().text.empty(), "a refusal says why");
  demand(is_printable(parsed.error().text), "a refusal is safe to print");
}

void check_line(byte_source& from) {
  std::string line = text_of(from.rest());
  const auto parsed = parse_command(line);
  if (!parsed) {
    demand(parsed.error().word.size() <= 64 && !parsed.error().message.empty(), "a clear error");
    return;
  }
  demand(!is_blank(line), "a blank line is no command");
  demand(line.find(to_string(parsed->kind)) != std::string::npos, "a command that was typed");
  const bool is_quoted = line.find('"') != std::string::npos;  // then marks are left out
  demand(is_quoted || line.find(parsed->value) != std::string::npos, "a value that was typed");
  demand(is_printable(escaped(parsed->value)), "an echo is safe to print");
}

void check_endpoint(byte_source& from) {
  const std::string text = text_of(from.rest());
  static_cast<void>(is_valid_name(text));
  const std::optional<endpoint> parsed = endpoint::parse(text);
  if (!parsed) return;
  demand(endpoint::parse(parsed->to_string()) == parsed, "an address is what it prints");
}

void run(std::span<const std::uint8_t> input) {
  byte_source from(input);
  switch (from.below(4)) {
    case 0:
      return check_config(from);
    case 1:
      return check_command_line(from);
    case 2:
      return check_line(from);
    default:
      return check_endpoint(from);
  }
}

}  // namespace
}  // namespace gossipmonger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gossipmonger::run({data, size});
  return 0;
}
