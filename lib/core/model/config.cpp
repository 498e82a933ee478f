#include "gossipmonger/config.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>

#include "core/model/size_limits.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t seeds_max = 64;
constexpr milliseconds interval_max{3'600'000};

bool is_interface(std::string_view text) {
  return text.find_first_of(":[]%/ \t") == std::string_view::npos && is_valid_name(text);
}

/// A link-local address with its interface, as [fe80::1%eth0]: which number that interface has, the
/// resolver knows.
bool is_scoped(std::string_view host) {
  if (!host.starts_with('[') || !host.ends_with(']')) return false;
  const std::string_view inside = host.substr(1, host.size() - 2);
  const std::size_t percent = inside.find('%');
  if (percent == std::string_view::npos) return false;
  const std::optional<endpoint> address =
      endpoint::parse("[" + std::string(inside.substr(0, percent)) + "]:1");
  return address && address->is_link_local() && is_interface(inside.substr(percent + 1));
}

bool is_host(std::string_view text) {
  return text != "*" && text.find_first_of(":[] \t") == std::string_view::npos &&
         is_valid_name(text);
}

bool is_seed(std::string_view text) {
  if (const std::optional<std::string_view> service = service_of(text)) return is_host(*service);
  if (const std::optional<endpoint> numeric = endpoint::parse(text)) return numeric->is_routable();
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (digits.size() > 5) return false;
  unsigned port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  return is_number && port > 0 && port < 65536 && (is_host(host) || is_scoped(host));
}

std::string to_text(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", number);
  return text.data();
}

/// "1 h", "90 s", "250 ms": in the largest unit that leaves no rest.
std::string to_text(milliseconds time) {
  struct unit {
    std::int64_t length;
    const char* name;
  };
  constexpr std::array<unit, 3> units{unit{86'400'000, " day"}, unit{3'600'000, " h"},
                                      unit{1000, " s"}};
  for (const unit& each : units) {
    if (time.count() == 0 || time.count() % each.length != 0) continue;
    const std::int64_t count = time.count() / each.length;
    const bool is_many_days = each.length == units[0].length && count != 1;
    return std::to_string(count) + each.name + (is_many_days ? "s" : "");
  }
  return std::to_string(time.count()) + " ms";
}

/// Collects the first option that is out of bounds.
class checker {
 public:
  void require(bool is_allowed, std::string_view option, std::string value, std::string allowed) {
    if (is_allowed || found_) return;
    found_ = true;
    error_.option = option;
    error_.value = std::move(value);
    error_.allowed = std::move(allowed);
  }

  void count(std::string_view option, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    require(value >= low && value <= high, option, std::to_string(value),
            std::to_string(low) + " to " + std::to_string(high));
  }

  void duration(std::string_view option, milliseconds value, milliseconds low, milliseconds high) {
    require(value >= low && value <= high, option, to_text(value),
            to_text(low) + " to " + to_text(high));
  }

  void number(std::string_view option, double value, double low, double high) {
    require(value >= low && value <= high, option, to_text(value),
            to_text(low) + " to " + to_text(high));
  }

  [[nodiscard]] bool has_found() const { return found_; }
  [[nodiscard]] config_error take() { return std::move(error_); }

 private:
  config_error error_;
  bool found_ = false;
};

}  // namespace

config config::lan(std::string_view name) {
  config options;
  options.name = name;
  return options;
}

config config::wan(std::string_view name) {
  config options = lan(name);
  options.gossip_interval = std::chrono::milliseconds{2000};
  options.fanout = 2;
  options.suspicion_rounds = 24;
  return options;
}

config config::local(std::string_view name) {
  config options = lan(name);
  options.gossip_interval = std::chrono::milliseconds{200};
  return options;
}

config_error::config_error(std::string of, std::string given, std::string wanted)
    : option(std::move(of)), value(std::move(given)), allowed(std::move(wanted)) {}

std::string config_error::message() const {
  return option + ": " + value + " is not allowed; allowed: " + allowed;
}

std::optional<std::string_view> service_of(std::string_view seed) {
  constexpr std::string_view prefix = "dnssrv+";
  if (!seed.starts_with(prefix)) return std::nullopt;
  return seed.substr(prefix.size());
}

tl::expected<config, config_error> validated(config candidate) {
  const config& c = candidate;
  checker check;
  constexpr std::string_view text = "1 to 255 bytes of UTF-8 without control characters";

  check.require(is_valid_name(c.name), "name", "\"" + c.name + "\"", std::string(text));
  check.require(is_valid_name(c.cluster_name), "cluster_name", "\"" + c.cluster_name + "\"",
                std::string(text));
  if (c.advertise) {
    check.require(c.advertise->is_routable(), "advertise", c.advertise->to_string(),
                  "an address and port that peers can send to, no wildcard or multicast");
  }
  check.count("generation_last", c.generation_last, 0, generation_max - 1);

  check.require(c.seeds.size() <= seeds_max, "seeds", std::to_string(c.seeds.size()) + " of them",
                "0 to 64");
  for (const std::string& seed : c.seeds) {
    check.require(is_seed(seed), "seeds", "\"" + seed + "\"",
                  "HOST:PORT, 1.2.3.4:PORT, [V6]:PORT or [V6%INTERFACE]:PORT, with a port of 1 to "
                  "65535, or dnssrv+SERVICE");
  }
  check.duration("resolve_interval", c.resolve_interval, milliseconds{1000},
                 milliseconds{86'400'000});

  check.duration("gossip_interval", c.gossip_interval, milliseconds{10}, interval_max);
  check.number("jitter", c.jitter, 0.0, 0.5);
  check.count("fanout", c.fanout, 1, 16);
  check.count("live_peers_min", c.live_peers_min, 0, 1000);
  check.count("seed_every_rounds", c.seed_every_rounds, 1, 10'000);
  check.count("unverified_addresses_max", c.unverified_addresses_max, 1, 256);

  check.require(c.datagram_bytes_max >= datagram_bytes_floor &&
                    c.datagram_bytes_max <= datagram_bytes_ceiling && c.datagram_bytes_max % 8 == 0,
                "datagram_bytes_max", std::to_string(c.datagram_bytes_max),
                "1200 to 65504, a multiple of 8");
  check.count("digest_datagrams_max", c.digest_datagrams_max, 1, 1024);
  check.count("sums_peers_min", c.sums_peers_min, 1, 65'536);
  check.count("exchange_bytes_max", c.exchange_bytes_max, c.datagram_bytes_max, 1ULL << 30);
  check.count("exchange_datagrams_max", c.exchange_datagrams_max, 1, 65'536);
  if (c.send_bytes_per_interval != 0) {
    check.count("send_bytes_per_interval", c.send_bytes_per_interval, c.datagram_bytes_max,
                1ULL << 40);
  }

  check.require(c.suspicion_rounds == 0 || (c.suspicion_rounds >= 4 && c.suspicion_rounds <= 1000),
                "suspicion_rounds", std::to_string(c.suspicion_rounds), "0, or 4 to 1000");
  check.number("dead_peer_phi", c.dead_peer_phi, 1.0, 1000.0);
  check.count("detector_window", c.detector_window, 4, 1000);
  // Ten times an interval that is refused above may be no number.
  const milliseconds interval = std::clamp(c.gossip_interval, milliseconds{0}, interval_max);
  check.duration("dead_peer_grace", c.dead_peer_grace, 10 * interval, milliseconds{2'592'000'000});

  check.count("peers_max", c.peers_max, 1, 65'535);
  check.count("keys_per_peer_max", c.keys_per_peer_max, 1, 1ULL << 31);
  check.count("bytes_per_peer_max", c.bytes_per_peer_max, 1024, 1ULL << 40);
  check.count("value_bytes_max", c.value_bytes_max, 1024, offset_max);
  check.count("partial_bytes_max", c.partial_bytes_max, c.value_bytes_max, 1ULL << 30);
  check.count("parked_bytes_max", c.parked_bytes_max, 0, 1ULL << 30);
  check.count("retired_max", c.retired_max, 64, 1ULL << 24);

  if (check.has_found()) return tl::unexpected<config_error>(check.take());
  return candidate;
}

tl::expected<config, config_error> validated_change(const config& present, config candidate) {
  tl::expected<config, config_error> checked = validated(std::move(candidate));
  if (!checked) return checked;
  const config& c = *checked;
  checker check;
  const auto keep = [&check](bool is_same, std::string_view option, std::string value,
                             const std::string& held) {
    check.require(is_same, option, std::move(value), held + ", until the node is started anew");
  };
  const auto keep_text = [&keep](std::string_view option, const std::string& value,
                                 const std::string& held) {
    keep(value == held, option, "\"" + value + "\"", "\"" + held + "\"");
  };
  const auto keep_count = [&keep](std::string_view option, std::uint64_t value,
                                  std::uint64_t held) {
    keep(value == held, option, std::to_string(value), std::to_string(held));
  };
  keep_text("name", c.name, present.name);
  keep_text("cluster_name", c.cluster_name, present.cluster_name);
  keep_count("generation_last", c.generation_last, present.generation_last);
  keep(c.is_observer == present.is_observer, "is_observer", c.is_observer ? "true" : "false",
       present.is_observer ? "true" : "false");
  keep(c.random_seed == present.random_seed, "random_seed",
       c.random_seed ? std::to_string(*c.random_seed) : "none",
       present.random_seed ? std::to_string(*present.random_seed) : "none");
  keep_count("datagram_bytes_max", c.datagram_bytes_max, present.datagram_bytes_max);
  keep_count("value_bytes_max", c.value_bytes_max, present.value_bytes_max);
  keep_count("partial_bytes_max", c.partial_bytes_max, present.partial_bytes_max);
  keep_count("peers_max", c.peers_max, present.peers_max);
  keep_count("parked_bytes_max", c.parked_bytes_max, present.parked_bytes_max);
  if (check.has_found()) return tl::unexpected<config_error>(check.take());
  return checked;
}

}  // namespace gossipmonger
