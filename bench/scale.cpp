// The cost of gossip as the cluster grows, in the simulated world. Measured are the bytes that a
// node sends in a round, at rest and with one write a round in the whole cluster, or W writes, each
// of another node. Further, in how many rounds such a write is everywhere, and the CPU that the
// simulation takes.
//
//     scale [--nodes N,N,...] [--rounds R] [--digest-datagrams D] [--loss P] [--seeds S]
//           [--budget BYTES] [--writes W] [--sums-peers-min P] [--cut ROUNDS]
//
// Prints one line for each size. All nodes know each other before the count begins. With --cut the
// cluster falls into two halves for so many rounds: without writes, and again with W a round. The
// line then says after how many rounds it is one again.

#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>
#include <vector>

#include "gossipmonger/config.hpp"
#include "sim/scale.hpp"
#include "sim/world.hpp"

namespace gossipmonger {
namespace {

struct options {
  options() = default;

  std::vector<std::size_t> nodes{10, 30, 100, 300, 1000};
  std::size_t rounds = 100;  ///< of each of the two parts
  std::size_t digest_datagrams = config().digest_datagrams_max;
  double loss = 0;
  std::size_t seeds = 1;   ///< each of which is a seed of all
  std::size_t budget = 0;  ///< send_bytes_per_interval, once all know each other
  std::size_t writes = 1;  ///< a round
  std::size_t sums_peers_min = config().sums_peers_min;
  std::size_t cut = 0;  ///< rounds
};

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

int run(const options& chosen) {
  std::printf(
      "nodes  bytes/node/round idle  datagrams  with a write a round  rounds to all p50 p99 max "
      "missing  us/node/round\n");
  for (const std::size_t nodes : chosen.nodes) {
    world where(nodes);
    scale_plan plan;
    plan.nodes = nodes;
    plan.seeds = chosen.seeds;
    plan.digest_datagrams = chosen.digest_datagrams;
    plan.sums_peers_min = chosen.sums_peers_min;
    plan.budget = chosen.budget;
    if (!try_start_cluster(where, plan)) {
      std::fprintf(stderr, "scale: %zu nodes did not all meet\n", nodes);
      return 1;
    }
    where.conditions.loss = chosen.loss;
    if (chosen.cut != 0) {
      for (const std::size_t writes : {std::size_t{0}, chosen.writes}) {
        const heal_costs seen = measure_heal(where, chosen.cut, writes);
        std::printf(
            "%5zu cut for %zu rounds, %zu writes a round: values agree after %zu, all live "
            "after %zu, %.0f bytes/node/round\n",
            nodes, chosen.cut, writes, seen.values, seen.live, seen.bytes);
        std::fflush(stdout);
      }
      continue;
    }
    const double cpu_before = cpu_seconds();
    const rest_costs rest = measure_rest(where, chosen.rounds);
    const double cpu_us =
        (cpu_seconds() - cpu_before) * 1e6 / static_cast<double>(where.size() * chosen.rounds);
    const news_costs seen = measure_news(where, chosen.rounds, chosen.writes);
    std::printf("%5zu %22.0f %10.2f %21.0f %17zu %3zu %3zu %7zu %14.1f\n", nodes, rest.bytes,
                rest.datagrams, seen.bytes, quantile(seen.rounds, 50), quantile(seen.rounds, 99),
                quantile(seen.rounds, 100), seen.missing, cpu_us);
    std::fflush(stdout);
  }
  return 0;
}

template <class Number>
bool try_parse(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end;
}

bool try_parse_list(std::string_view text, std::vector<std::size_t>& out) {
  out.clear();
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    if (!try_parse(one, out.emplace_back()) || out.back() < 2 || out.back() > 4096) return false;
    text.remove_prefix(std::min(one.size() + 1, text.size()));
  }
  return !out.empty();
}

std::optional<options> parse(int count, char** arguments) {
  options chosen;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view option = arguments[i];
    const std::string_view value = arguments[i + 1];
    bool is_good = false;
    if (option == "--nodes") is_good = try_parse_list(value, chosen.nodes);
    if (option == "--rounds") is_good = try_parse(value, chosen.rounds) && chosen.rounds > 0;
    if (option == "--digest-datagrams") is_good = try_parse(value, chosen.digest_datagrams);
    if (option == "--loss") is_good = try_parse(value, chosen.loss);
    if (option == "--seeds") is_good = try_parse(value, chosen.seeds) && chosen.seeds > 0;
    if (option == "--budget") is_good = try_parse(value, chosen.budget);
    if (option == "--writes") is_good = try_parse(value, chosen.writes) && chosen.writes > 0;
    if (option == "--cut") is_good = try_parse(value, chosen.cut);
    if (option == "--sums-peers-min") is_good = try_parse(value, chosen.sums_peers_min);
    if (!is_good) return std::nullopt;
  }
  if (count % 2 == 0) return std::nullopt;
  return chosen;
}

}  // namespace
}  // namespace gossipmonger

int main(int count, char** arguments) {
  const auto chosen = gossipmonger::parse(count, arguments);
  if (!chosen) {
    std::fprintf(stderr,
                 "usage: scale [--nodes N,N,...] [--rounds R] [--digest-datagrams D] [--loss P] "
                 "[--seeds S] [--budget BYTES] [--writes W] [--sums-peers-min P] "
                 "[--cut ROUNDS]\n");
    return 2;
  }
  return gossipmonger::run(*chosen);
}
