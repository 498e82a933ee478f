// The behaviour of a node where a storage or a transport of the user's bends its contract.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>

#include "gossipmonger/basic_node.hpp"
#include "gossipmonger/memory_storage.hpp"

#include "memory_fixture.hpp"

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// A storage whose `put` throws from the time on that `*throws` is set.
struct throwing_storage {
  [[nodiscard]] result<void> put(slot_index slot, const entry_view& entry) {
    if (throws && *throws) throw std::runtime_error("the disk is gone");
    return entries.put(slot, entry);
  }
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    return entries.find(slot, key);
  }
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot, std::uint64_t of) const {
    return entries.first_above(slot, of);
  }
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t sequence) const {
    return entries.first_changed(sequence);
  }
  [[nodiscard]] std::uint64_t drop_upto(slot_index slot, std::uint64_t version,
                                        std::uint64_t sequence) {
    return entries.drop_upto(slot, version, sequence);
  }
  void purge(std::uint64_t sequence) { entries.purge(sequence); }
  [[nodiscard]] std::size_t retired_count() const { return entries.retired_count(); }
  void forget(slot_index slot) { entries.forget(slot); }
  [[nodiscard]] storage_usage usage(slot_index slot) const { return entries.usage(slot); }

  memory_storage entries;
  std::shared_ptr<bool> throws;
};

/// A transport that takes two datagrams of each `send`, and drops the others.
class stingy_transport {
 public:
  using clock_type = manual_clock;

  stingy_transport(memory_world& world, std::uint8_t host) : inner_(world.open(host)) {}

  asio::any_io_executor get_executor() { return inner_->get_executor(); }
  [[nodiscard]] endpoint local_endpoint() const { return inner_->local_endpoint(); }
  asio::awaitable<result<std::size_t>> receive(std::span<inbound> in) {
    return inner_->receive(in);
  }
  asio::awaitable<result<std::size_t>> send(std::span<const outbound> out) {
    const std::size_t taken = std::min<std::size_t>(out.size(), 2);
    dropped += out.size() - taken;
    return inner_->send(out.first(taken));
  }
  void close() { inner_->close(); }

  std::size_t dropped = 0;

 private:
  std::unique_ptr<memory_transport> inner_;
};

using bent_node = basic_node<throwing_storage, stingy_transport>;

}  // namespace

TEST_CASE("node: a storage that is not empty is refused by name") {
  memory_world world;
  stingy_transport over(world, 1);
  throwing_storage used;
  entry_view entry;
  entry.key = "k";
  entry.value = "v";
  entry.version = 1;
  entry.sequence = 1;
  REQUIRE(used.put(self_slot, entry));
  const auto refused = bent_node::create(memory_settings("n0"), over, std::move(used));

  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message() ==
        "storage: not empty is not allowed; allowed: one without entries: a node starts with none");
  CHECK(bent_node::create(memory_settings("n0"), over, throwing_storage()).has_value());
}

TEST_CASE("node: a storage that throws ends run with its exception, and what waits with it") {
  memory_world world;
  stingy_transport over_one(world, 1);
  stingy_transport over_two(world, 2);
  throwing_storage entries;
  entries.throws = std::make_shared<bool>(false);
  const std::shared_ptr<bool> throws = entries.throws;
  auto one = bent_node::create(memory_settings("n0"), over_one).value();
  auto two = bent_node::create(memory_settings("n1"), over_two, std::move(entries)).value();
  std::string thrown_by_run;
  std::error_code waited;
  asio::co_spawn(world.context, one->run(), [](std::exception_ptr, result<void>) {});
  asio::co_spawn(world.context, two->run(), [&](std::exception_ptr thrown, result<void>) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const std::runtime_error& error) {
      thrown_by_run = error.what();
    }
  });
  asio::co_spawn(world.context, two->wait_for("n0", "k", 1h),
                 [&](std::exception_ptr, result<std::string> ended) { waited = ended.error(); });
  world.driver.run_for(5s);
  REQUIRE(thrown_by_run.empty());

  *throws = true;
  CHECK_THROWS_AS((void)two->set("mine", "v"), std::runtime_error);
  CHECK(thrown_by_run.empty());  // the caller of `set` got it
  REQUIRE(one->set("k", "v"));
  world.driver.run_for(5s);

  CHECK(thrown_by_run == "the disk is gone");
  CHECK(waited == errc::stopped);
  one->stop();
  world.driver.settle();
}

TEST_CASE("node: what a transport takes only in part is lost, and all of it arrives later") {
  memory_world world;
  stingy_transport over_one(world, 1);
  stingy_transport over_two(world, 2);
  auto one = bent_node::create(memory_settings("n0"), over_one).value();
  auto two = bent_node::create(memory_settings("n1"), over_two).value();
  for (int i = 0; i < 300; ++i) {
    REQUIRE(one->set("key " + std::to_string(i), std::string(100, 'v')));
  }
  asio::co_spawn(world.context, one->run(), [](std::exception_ptr, result<void>) {});
  asio::co_spawn(world.context, two->run(), [](std::exception_ptr, result<void>) {});
  // 300 entries of some 110 bytes take 30 datagrams, of which each answer loses all but two.
  world.driver.run_for(60s);

  CHECK(over_one.dropped >= 28);
  std::size_t arrived = 0;
  two->for_each("n0", [&arrived](const entry_view&) { ++arrived; });
  CHECK(arrived == 300);
  one->stop();
  two->stop();
  world.driver.settle();
}

}  // namespace gossipmonger
