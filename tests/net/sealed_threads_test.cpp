// Sealed nodes on an io_context that several threads run. All take copies of one keyring, so that
// they share its keys, and each changes to others under load. TSan is the judge.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include "../seal/seal_sample.hpp"
#include "stranded_node.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// The stages of a rotation, of two keys in all.
std::vector<keyring> shared_stages() {
  const std::shared_ptr<const seal_key> old_key = sample_key(0x10);
  const std::shared_ptr<const seal_key> new_key = sample_key(0x80);
  std::vector<keyring> stages(2);
  stages[0].keys = {old_key, new_key};
  stages[1].keys = {new_key, old_key};
  return stages;
}

asio::awaitable<void> use(stranded_node& one, const std::vector<keyring>& stages,
                          seal_counters& last, std::atomic<std::size_t>& in_use) {
  node& self = *one.made;
  subscription events = self.subscribe();
  for (std::size_t i = 0; i < 100; ++i) {
    static_cast<void>(self.set("k" + std::to_string(i % 10), std::string(300, 'v')));
    if (i % 5 == 0) REQUIRE(self.set_keyring(stages[i / 5 % 2]));
    if (i == 50) self.renew_seal();
    static_cast<void>(co_await events.next(2ms));
  }
  co_await one.replicate(events, in_use);
  last = self.seals();
  static_cast<void>(co_await self.leave(5s));
  self.stop();
}

}  // namespace

TEST_CASE("node: several sealed nodes on strands share threads and keys, and rotate under load") {
  const std::vector<keyring> stages = shared_stages();
  asio::io_context context;
  std::vector<std::unique_ptr<stranded_node>> nodes;
  for (const char* const name : {"a", "b", "c"}) {
    std::vector<std::string> seeds;
    if (!nodes.empty()) seeds.push_back(nodes.front()->made->advertised_endpoint().to_string());
    nodes.push_back(std::make_unique<stranded_node>(context, name, seeds));
    REQUIRE(nodes.back()->made->set_keyring(stages[0]));
  }
  std::vector<seal_counters> last(nodes.size());
  std::atomic<std::size_t> in_use = nodes.size();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i]->spawn(use(*nodes[i], stages, last[i], in_use));
  }

  run_on_threads(context, [&nodes] {
    for (int i = 0; i < 100; ++i) {
      for (const auto& one : nodes) {
        asio::post(one->made->get_executor(), [&one = *one] {
          static_cast<void>(one.made->seals());
          static_cast<void>(one.made->members());
        });
      }
    }
  });

  for (std::size_t i = 0; i < nodes.size(); ++i) {
    CHECK(nodes[i]->has_ended);
    CHECK(nodes[i]->has_replicated);
    // Both keys were in use, and no datagram was lost to a rotation.
    REQUIRE(last[i].keys.size() == 2);
    for (const seal_key_counters& key : last[i].keys) {
      CHECK(key.sealed > 0);
      CHECK(key.opened > 0);
    }
    for (const std::uint64_t count : last[i].drops) CHECK(count == 0);
  }
}

}  // namespace gossipmonger
