// A keyring that changes while datagrams are under way.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/basic_waitable_timer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error_code.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/basic_node.hpp"
#include "gossipmonger/memory_storage.hpp"

#include "../seal/seal_sample.hpp"
#include "memory_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

constexpr unsigned old_key = 0x10;
constexpr unsigned new_key = 0x80;
constexpr std::size_t whole_batch = 32;

std::vector<byte_list> copies_of(std::span<const outbound> datagrams) {
  std::vector<byte_list> copies;
  for (const outbound& one : datagrams) copies.emplace_back(one.bytes.begin(), one.bytes.end());
  return copies;
}

/// A transport whose `send` waits, with a whole batch, until it is released.
class held_transport {
 public:
  using clock_type = manual_clock;

  held_transport(memory_world& world, std::uint8_t host)
      : inner_(world.open(host)), released_(world.context) {}

  asio::any_io_executor get_executor() { return inner_->get_executor(); }
  [[nodiscard]] endpoint local_endpoint() const { return inner_->local_endpoint(); }
  asio::awaitable<result<std::size_t>> receive(std::span<inbound> in) {
    return inner_->receive(in);
  }
  asio::awaitable<result<std::size_t>> send(std::span<const outbound> out) {
    if (holds && out.size() == whole_batch) {
      holds = false;
      held = copies_of(out);
      released_.expires_after(1h);
      asio::error_code ignored;
      auto token = asio::redirect_error(asio::use_awaitable, ignored);
      co_await released_.async_wait(token);
      sent = copies_of(out);
    }
    const result<std::size_t> taken = co_await inner_->send(out);
    co_return taken;
  }
  void release() { released_.cancel(); }
  void close() {
    release();
    inner_->close();
  }

  bool holds = false;
  std::vector<byte_list> held;  // the batch as it came
  std::vector<byte_list> sent;  // the same as it left

 private:
  std::unique_ptr<memory_transport> inner_;
  asio::basic_waitable_timer<manual_clock> released_;
};

using held_node = basic_node<memory_storage, held_transport>;

/// Two sealed nodes with two keys. The first has sealed 32 datagrams to the second with the old one
/// when its ring changes; its transport has not sent them yet.
struct reload_world : memory_world {
  reload_world() {
    for (const auto& one : {std::pair("n0", &over_one), std::pair("n1", &over_two)}) {
      nodes.push_back(held_node::create(memory_settings(one.first), *one.second).value());
      REQUIRE(nodes.back()->set_keyring(sample_ring({old_key, new_key})));
      asio::co_spawn(context, nodes.back()->run(), [](std::exception_ptr, result<void>) {});
    }
    const auto is_live = [this] { return live_at_second(); };
    REQUIRE(driver.run_until(is_live, 60s));
    driver.run_for(2s);
    over_one.holds = true;
    for (int i = 0; i < 400; ++i) {
      REQUIRE(nodes[0]->set("key " + std::to_string(i), std::string(150, 'v')));
    }
    REQUIRE(driver.run_until([this] { return !over_one.holds; }, 60s));
  }
  reload_world(const reload_world&) = delete;
  reload_world& operator=(const reload_world&) = delete;
  ~reload_world() {
    for (const auto& one : nodes) one->stop();
    driver.settle();
  }

  bool live_at_second() {
    const std::vector<member> known = nodes[1]->members();
    return std::any_of(known.begin(), known.end(), [](const member& one) {
      return one.name == "n0" && one.status == peer_status::live;
    });
  }
  std::size_t keys_at_second() {
    std::size_t count = 0;
    nodes[1]->for_each("n0", [&count](const entry_view& entry) {
      count += entry.key.starts_with("key ") ? 1U : 0U;
    });
    return count;
  }
  std::uint64_t opened_at_second(unsigned key) {
    for (const seal_key_counters& one : nodes[1]->seals().keys) {
      if (one.id == sample_key(key)->id()) return one.opened;
    }
    return 0;
  }
  std::uint64_t drops_at_second(seal_drop reason) {
    return nodes[1]->seals().drops[static_cast<std::size_t>(reason)];
  }

  held_transport over_one = held_transport(*this, 1);
  held_transport over_two = held_transport(*this, 2);
  std::vector<std::unique_ptr<held_node>> nodes;
};

}  // namespace

TEST_CASE("node: 32 datagrams that are under way at a reload arrive, sealed as they were") {
  reload_world world;
  const std::uint64_t opened = world.opened_at_second(old_key);
  REQUIRE(world.opened_at_second(new_key) == 0);

  REQUIRE(world.nodes[0]->set_keyring(sample_ring({new_key, old_key})));
  world.driver.run_for(1s);  // the other node's digests come, and their answers wait
  world.over_one.release();
  world.driver.settle();

  CHECK(world.over_one.sent == world.over_one.held);
  CHECK(world.over_one.sent.size() == whole_batch);
  for (const byte_list& one : world.over_one.sent) {
    REQUIRE(read_seal_head(one).has_value());
    CHECK(read_seal_head(one)->key == sample_key(old_key)->id());
  }
  CHECK(world.opened_at_second(old_key) == opened + whole_batch);
  // The next are sealed with the new key.
  REQUIRE(world.driver.run_until([&world] { return world.keys_at_second() == 400; }, 60s));
  CHECK(world.opened_at_second(new_key) > 0);
  CHECK(world.opened_at_second(old_key) == opened + whole_batch);
  for (const std::uint64_t count : world.nodes[1]->seals().drops) CHECK(count == 0);
}

TEST_CASE("node: the keys of a ring that could not be published are, as soon as there is room") {
  memory_world world;
  const std::unique_ptr<memory_transport> transport = world.open(1);
  config settings = memory_settings("a");
  settings.keys_per_peer_max = 1;
  auto made = basic_node<memory_storage, memory_transport>::create(settings, *transport);
  REQUIRE(made);
  auto& self = **made;
  subscription events = self.subscribe();
  CHECK_FALSE(events.try_next_view());
  REQUIRE(self.set("k", "v"));
  asio::co_spawn(world.context, self.run(), [](std::exception_ptr, result<void>) {});

  REQUIRE(self.set_keyring(sample_ring({old_key})));
  world.driver.run_for(5s);

  CHECK_FALSE(self.get("a", "gossipmonger/keys"));
  std::size_t told = 0;
  while (const std::optional<event_view> seen = events.try_next_view()) {
    if (seen->kind == event_kind::error &&
        seen->text.find("not published yet") != seen->text.npos) {
      ++told;
    }
  }
  CHECK(told == 1);
  REQUIRE(self.erase("k"));
  world.driver.run_for(1s);
  CHECK(self.get("a", "gossipmonger/keys").has_value());
  self.stop();
  world.driver.settle();
}

TEST_CASE("node: 32 datagrams that are under way as their receiver drops the key are sent anew") {
  reload_world world;

  // The stages of a rotation go on too early: not all that was sealed with the old key has arrived.
  for (const auto& one : world.nodes) REQUIRE(one->set_keyring(sample_ring({new_key})));
  world.over_one.release();
  world.driver.settle();

  CHECK(world.drops_at_second(seal_drop::key) == whole_batch);
  CHECK(world.driver.run_until([&world] { return world.keys_at_second() == 400; }, 60s));
  CHECK(world.drops_at_second(seal_drop::key) == whole_batch);
}

}  // namespace gossipmonger
