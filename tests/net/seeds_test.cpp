// Seeds that are names: looked up each by itself, with a resolver that hangs when the test wants
// it.
#include <dlfcn.h>
#include <netdb.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/net/node.hpp"
#include "gossipmonger/net/resolver.hpp"

namespace {

std::mutex mutex;
std::condition_variable changed;
bool is_hanging = false;
std::size_t hung = 0;

/// Look-ups of hang.test hang while it lives; its end waits until none does any more.
struct hanging_resolver {
  hanging_resolver() {
    const std::lock_guard lock(mutex);
    is_hanging = true;
  }
  hanging_resolver(const hanging_resolver&) = delete;
  hanging_resolver& operator=(const hanging_resolver&) = delete;
  ~hanging_resolver() {
    std::unique_lock lock(mutex);
    is_hanging = false;
    changed.notify_all();
    changed.wait(lock, [] { return hung == 0; });
  }

  [[nodiscard]] static std::size_t count() {
    const std::lock_guard lock(mutex);
    return hung;
  }
};

}  // namespace

/// In place of the system's, in this program: hang.test hangs, gone.test does not exist, and
/// found.test is 127.0.0.1.
extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo* hints,
                           addrinfo** found) {
  using function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto system = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  const std::string_view name(host);
  if (name == "hang.test") {
    std::unique_lock lock(mutex);
    ++hung;
    changed.wait(lock, [] { return !is_hanging; });
    --hung;
    changed.notify_all();
    return EAI_AGAIN;
  }
  if (name == "gone.test") return EAI_NONAME;
  return system(name == "found.test" ? "127.0.0.1" : host, port, hints, found);
}

namespace gossipmonger {

namespace {

using namespace std::chrono_literals;

/// Two nodes over UDP; the first is `port` of any seed that is to find it.
struct pair_of_nodes {
  pair_of_nodes() {
    add("a", {});
    port = std::to_string(nodes[0]->local_endpoint().port);
  }
  pair_of_nodes(const pair_of_nodes&) = delete;
  pair_of_nodes& operator=(const pair_of_nodes&) = delete;
  ~pair_of_nodes() {
    for (const auto& one : nodes) one->stop();
    context.restart();
    context.run();
  }

  void add(std::string name, std::vector<std::string> seeds) {
    transports.push_back(std::make_unique<udp_transport>(context.get_executor()));
    REQUIRE(transports.back()->open(endpoint::v4(127, 0, 0, 1, 0)));
    config settings;
    settings.name = std::move(name);
    settings.gossip_interval = 20ms;
    settings.seeds = std::move(seeds);
    nodes.push_back(std::move(node::create(settings, *transports.back()).value()));
    asio::co_spawn(context, nodes.back()->run(), [](std::exception_ptr thrown, result<void>) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  /// Whether both see each other live within a time that is long for them.
  [[nodiscard]] bool meet() {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (nodes[0]->stats().peers_live == 0 || nodes[1]->stats().peers_live == 0) {
      if (std::chrono::steady_clock::now() > end) return false;
      context.run_for(20ms);
    }
    return true;
  }

  asio::io_context context{1};
  std::vector<std::unique_ptr<udp_transport>> transports;
  std::vector<std::unique_ptr<node>> nodes;
  std::string port;
};

}  // namespace

TEST_CASE("seeds: a name whose look-up hangs holds up no other, be that numeric or a name") {
  const hanging_resolver resolver;
  for (const std::string host : {"127.0.0.1:", "found.test:"}) {
    CAPTURE(host);
    pair_of_nodes both;
    both.add("b", {"hang.test:7000", host + both.port});

    CHECK(both.meet());
    CHECK(hanging_resolver::count() > 0);
  }  // and with the nodes' end the io_context's work ends, though the look-ups still hang
  CHECK(hanging_resolver::count() == 2);
}

TEST_CASE("seeds: other seeds are followed at once, though a look-up of the former ones hangs") {
  const hanging_resolver resolver;
  pair_of_nodes both;
  both.add("b", {"hang.test:7000"});
  both.context.run_for(50ms);
  REQUIRE(both.nodes[1]->stats().peers_live == 0);

  config other = both.nodes[1]->settings();
  other.seeds = {"found.test:" + both.port};
  REQUIRE(both.nodes[1]->change(other));

  CHECK(both.meet());
}

TEST_CASE("seeds: a name that is not found is named with the cause, and the others are used") {
  pair_of_nodes both;
  both.add("b", {"gone.test:7000", "found.test:" + both.port});
  subscription events = both.nodes[1]->subscribe();
  CHECK_FALSE(events.try_next_view());  // it begins here

  CHECK(both.meet());

  std::vector<std::string> told;
  while (const std::optional<event_view> seen = events.try_next_view()) {
    if (seen->kind == event_kind::error) told.emplace_back(seen->text);
  }
  const std::error_code cause = asio::error::host_not_found;
  CHECK(told == std::vector<std::string>{"seed gone.test:7000: " + cause.message()});
}

TEST_CASE("resolver: an io_context goes while a look-up hangs, and the look-up ends later") {
  bool has_ended = false;
  const hanging_resolver resolver;
  {
    asio::io_context context;
    asio::co_spawn(context, resolve("hang.test:7000"),
                   [&has_ended](std::exception_ptr, const result<std::vector<endpoint>>&) {
                     has_ended = true;
                   });
    while (hanging_resolver::count() == 0) context.run_for(1ms);
  }
  CHECK_FALSE(has_ended);
}

}  // namespace gossipmonger
