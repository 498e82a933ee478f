// The 3x rule in a sealed cluster, where the first contact may be plain. The answers to an
// unverified address, with their seals, take at most three times the bytes that came from there.
#include <cstdint>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "gossipmonger/testing/simulated_cluster.hpp"
#include "seal_sample.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

/// The bytes each way between a stranger and the node that it asks. A value.
struct traffic {
  traffic() = default;

  std::uint64_t asked_bytes = 0;
  std::uint64_t answered_bytes = 0;
  std::uint64_t answers = 0;
};

/// A stranger contacts one of 12 nodes with `ring`, whose long names fill any answer.
///   expects: the stranger cannot open the answers, so its address is never verified
traffic contact(const keyring& ring, config settings, const std::optional<keyring>& of_stranger) {
  simulated_cluster cluster(1);
  for (std::size_t i = 0; i < 12; ++i) {
    config of_node;
    of_node.name = std::string(240, 'n') + std::to_string(i);
    cluster.set_keyring(cluster.add(of_node), ring);
  }
  REQUIRE(cluster.run_until([&cluster] { return cluster.has_agreed(); }, 60s));
  const endpoint asked = cluster.address(0);
  settings.seeds = {asked.to_string()};
  const std::size_t stranger = cluster.add(settings);
  if (of_stranger) cluster.set_keyring(stranger, *of_stranger);
  const endpoint asking = cluster.address(stranger);
  traffic seen;
  cluster.network().on_delivery = [&seen, asked, asking, next = cluster.network().on_delivery](
                                      const endpoint& to, const inbound& datagram) {
    const bool is_answer = datagram.source == asked && to == asking;
    if (datagram.source == asking && to == asked) seen.asked_bytes += datagram.size;
    if (is_answer) seen.answered_bytes += datagram.size;
    if (is_answer) ++seen.answers;
    next(to, datagram);
  };

  cluster.run_for(10s);

  return seen;
}

TEST_CASE("first contact: a sealed answer takes three times the bytes of the question at most") {
  keyring accepting = sample_ring({0x80, 0x10});
  accepting.plain = plain_policy::accepted;
  for (const std::size_t budget : {0U, 1500U, 2000U, 3000U}) {
    for (const bool is_sealed : {false, true}) {
      CAPTURE(budget);
      CAPTURE(is_sealed);
      config settings;
      settings.send_bytes_per_interval = budget;
      std::optional<keyring> of_stranger;
      if (is_sealed) of_stranger = sample_ring({0x10});

      const traffic seen = contact(accepting, settings, of_stranger);

      REQUIRE(seen.answers > 0);
      CHECK(seen.answered_bytes <= 3 * seen.asked_bytes);
      CHECK(seen.answered_bytes > 2 * seen.asked_bytes);  // so the rule was what ended the answers
    }
  }
}

}  // namespace
}  // namespace gossipmonger
