#include "run_options.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <system_error>
#include <variant>

#include "../text/duration.hpp"
#include "../text/nearest.hpp"
#include "bytes.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;

using field = std::variant<std::size_t config::*, double config::*, milliseconds config::*,
                           std::vector<std::string> config::*, std::optional<endpoint> config::*>;

struct option {
  std::string_view name;
  field where;
};

constexpr std::size_t option_count = 20;

const std::array<option, option_count>& all_options() {
  static const std::array<option, option_count> options{{
      {"advertise", &config::advertise},
      {"seeds", &config::seeds},
      {"resolve_interval", &config::resolve_interval},
      {"gossip_interval", &config::gossip_interval},
      {"jitter", &config::jitter},
      {"fanout", &config::fanout},
      {"live_peers_min", &config::live_peers_min},
      {"seed_every_rounds", &config::seed_every_rounds},
      {"unverified_addresses_max", &config::unverified_addresses_max},
      {"keys_per_peer_max", &config::keys_per_peer_max},
      {"bytes_per_peer_max", &config::bytes_per_peer_max},
      {"digest_datagrams_max", &config::digest_datagrams_max},
      {"sums_peers_min", &config::sums_peers_min},
      {"exchange_bytes_max", &config::exchange_bytes_max},
      {"exchange_datagrams_max", &config::exchange_datagrams_max},
      {"send_bytes_per_interval", &config::send_bytes_per_interval},
      {"suspicion_rounds", &config::suspicion_rounds},
      {"dead_peer_phi", &config::dead_peer_phi},
      {"dead_peer_grace", &config::dead_peer_grace},
      {"retired_max", &config::retired_max},
  }};
  return options;
}

std::string to_text(std::size_t count) { return std::to_string(count); }
std::string to_text(milliseconds time) { return std::to_string(time.count()) + "ms"; }

std::string to_text(const std::optional<endpoint>& address) {
  return address ? address->to_string() : "none";
}

std::string to_text(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", number);
  return text.data();
}

std::string to_text(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& one : list) text += (text.empty() ? "" : ",") + one;
  return text;
}

template <class Number>
bool try_read_number(std::string_view text, Number& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

bool try_read(std::string_view text, std::size_t& to) { return try_read_number(text, to); }
bool try_read(std::string_view text, double& to) { return try_read_number(text, to); }

bool try_read(std::string_view text, milliseconds& to) {
  const std::optional<milliseconds> time = parse_duration(text);
  if (time) to = *time;
  return time.has_value();
}

bool try_read(std::string_view text, std::optional<endpoint>& to) {
  to = endpoint::parse(text);
  return to.has_value() || text == "none";
}

bool try_read(std::string_view text, std::vector<std::string>& to) {
  to.clear();
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    to.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return true;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> named_options(const config& of) {
  std::vector<std::pair<std::string, std::string>> named;
  for (const option& one : all_options()) {
    named.emplace_back(one.name,
                       std::visit([&of](auto where) { return to_text(of.*where); }, one.where));
  }
  return named;
}

tl::expected<config, config_error> with_option(config of, std::string_view name,
                                               std::string_view text) {
  for (const option& one : all_options()) {
    if (one.name != name) continue;
    const bool is_read =
        std::visit([&](auto where) { return try_read(text, of.*where); }, one.where);
    if (is_read) return of;
    std::string allowed = "a whole number";
    if (std::holds_alternative<double config::*>(one.where)) allowed = "a number";
    if (std::holds_alternative<milliseconds config::*>(one.where)) {
      allowed = std::string(duration_form);
    }
    if (std::holds_alternative<std::optional<endpoint> config::*>(one.where)) {
      allowed = "1.2.3.4:PORT, [V6]:PORT, or none";
    }
    return tl::unexpected<config_error>(
        config_error(std::string(name), in_quotes(text), std::move(allowed)));
  }
  std::string names;
  std::vector<std::string_view> words;
  for (const option& one : all_options()) {
    names += (names.empty() ? "" : ", ") + std::string(one.name);
    words.push_back(one.name);
  }
  const std::optional<std::string_view> meant = nearest_word(name, words);
  if (meant) names = std::string(*meant) + " (did you mean that?) or another of " + names;
  return tl::unexpected<config_error>(config_error("option", in_quotes(name), names));
}

}  // namespace gossipmonger
