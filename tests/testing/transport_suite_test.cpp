// The suite passes both transports, and each of its claims fails for a transport with one defect.
#include "gossipmonger/testing/transport_suite.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include "../net/memory_fixture.hpp"
#include "gossipmonger/udp_transport.hpp"

namespace gossipmonger {
namespace {

using count_or_error = asio::awaitable<result<std::size_t>>;

/// A memory transport behind virtual members, for twins to break one of them.
class twin {
 public:
  using clock_type = manual_clock;

  explicit twin(memory_world& world) : inner(world.context.get_executor(), world.network) {
    REQUIRE(inner.open(endpoint::v4(10, 0, 0, 1, 0)));
  }
  virtual ~twin() = default;

  virtual asio::any_io_executor get_executor() const { return inner.get_executor(); }
  virtual endpoint local_endpoint() const { return inner.local_endpoint(); }
  virtual count_or_error receive(std::span<inbound> in) { return inner.receive(in); }
  virtual count_or_error send(std::span<const outbound> out) { return inner.send(out); }
  virtual void close() { inner.close(); }

  memory_transport inner;
};

/// Waits for ever; ends only when its coroutine is cancelled.
asio::awaitable<void> hang(asio::any_io_executor executor) {
  asio::basic_waitable_timer<manual_clock> never(executor, manual_clock::time_point::max());
  asio::error_code ignored;
  auto token = asio::redirect_error(asio::use_awaitable, ignored);
  co_await never.async_wait(token);
}

struct flips_a_bit : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    if (count) {
      in[0].buffer[in[0].size / 2] ^= std::byte{1};
    }
    co_return count;
  }
};

struct reverses_a_batch : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    const std::vector<outbound> reversed(out.rbegin(), out.rend());
    co_return co_await inner.send(reversed);
  }
};

struct takes_64_a_send : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    return inner.send(out.first(std::min<std::size_t>(out.size(), 64)));
  }
};

struct names_itself_as_source : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    for (std::size_t i = 0; i < count.value_or(0); ++i) {
      in[i].source = inner.local_endpoint();
    }
    co_return count;
  }
};

struct names_its_neighbour_as_local : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    for (std::size_t i = 0; i < count.value_or(0); ++i) {
      in[i].local = in[i].source;
      ++in[i].local.address[15];
    }
    co_return count;
  }
};

struct loses_what_has_a_source : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    std::vector<outbound> kept(out.begin(), out.end());
    std::erase_if(kept, [](const outbound& one) { return !one.source.is_wildcard(); });
    [[maybe_unused]] const auto count = co_await inner.send(kept);
    co_return out.size();
  }
};

struct answers_from_its_first_address : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    std::vector<outbound> sent(out.begin(), out.end());
    for (outbound& one : sent) one.source = endpoint();
    co_return co_await inner.send(sent);
  }
};

struct hears_only_itself : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    const bool is_reply = inner.local_endpoint().port % 2 == 1;
    if (is_reply) {
      co_return out.size();
    }
    co_return co_await inner.send(out);
  }
};

struct takes_one_a_receive : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override { return inner.receive(in.first(1)); }
};

struct refuses_an_empty_send : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    if (out.empty()) {
      co_return fail(errc::transport_failed);
    }
    co_return co_await inner.send(out);
  }
};

struct stops_at_a_refused_one : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    const auto bad = std::find_if(
        out.begin(), out.end(), [](const outbound& one) { return !one.destination.is_routable(); });
    return inner.send(out.first(static_cast<std::size_t>(bad - out.begin())));
  }
};

struct carries_1500_bytes : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    std::vector<outbound> cut(out.begin(), out.end());
    for (outbound& one : cut) {
      one.bytes = one.bytes.first(std::min<std::size_t>(one.bytes.size(), 1500));
    }
    co_return co_await inner.send(cut);
  }
};

struct hides_a_cut : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    for (std::size_t i = 0; i < count.value_or(0); ++i) {
      in[i].size = std::min(in[i].size, in[i].buffer.size());
    }
    co_return count;
  }
};

struct sees_cuts_everywhere : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    for (std::size_t i = 0; i < count.value_or(0); ++i) {
      in[i].size += in[i].size == in[i].buffer.size() ? 1U : 0U;
    }
    co_return count;
  }
};

struct returns_with_nothing : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound>) override { co_return std::size_t{0}; }
};

struct misses_what_comes_later : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    co_await hang(inner.get_executor());
    co_return co_await inner.receive(in);
  }
};

/// Closes for the calls to come, but tells nobody who waits.
struct closes_in_silence : twin {
  using twin::twin;
  void close() override { is_closed = true; }
  count_or_error receive(std::span<inbound> in) override {
    if (is_closed) {
      co_return fail(errc::stopped);
    }
    co_return co_await inner.receive(in);
  }
  bool is_closed = false;
};

struct hangs_in_send : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    co_await hang(inner.get_executor());
    co_return out.size();
  }
};

struct receives_after_close : twin {
  using twin::twin;
  void close() override {
    inner.close();
    is_closed = true;
  }
  count_or_error receive(std::span<inbound> in) override {
    if (is_closed) {
      co_return fail(errc::transport_failed);
    }
    co_return co_await inner.receive(in);
  }
  bool is_closed = false;
};

struct sends_nothing_after_close : twin {
  using twin::twin;
  count_or_error send(std::span<const outbound> out) override {
    if (out.empty()) {
      co_return std::size_t{0};
    }
    co_return co_await inner.send(out);
  }
};

struct opens_at_the_second_close : twin {
  using twin::twin;
  void close() override {
    inner.close();
    ++closed;
  }
  count_or_error receive(std::span<inbound> in) override {
    if (closed == 2) {
      co_return std::size_t{1};
    }
    co_return co_await inner.receive(in);
  }
  int closed = 0;
};

struct says_stopped_when_cancelled : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    if (!count) {
      co_return fail(errc::stopped);
    }
    co_return count;
  }
};

struct throws_when_cancelled : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    if (!count && count.error() == errc::cancelled) {
      throw std::runtime_error("cancelled");
    }
    co_return count;
  }
};

struct loses_one_when_cancelled : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    const auto count = co_await inner.receive(in);
    loses = loses || (!count && count.error() == errc::cancelled);
    if (loses && count.value_or(0) > 1) {
      co_return *count - 1;
    }
    co_return count;
  }
  bool loses = false;
};

struct forgets_an_early_cancellation : twin {
  using twin::twin;
  count_or_error receive(std::span<inbound> in) override {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_return co_await inner.receive(in);
  }
};

struct names_another_executor : twin {
  using twin::twin;
  asio::any_io_executor get_executor() const override {
    return asio::make_strand(inner.get_executor());
  }
};

struct twin_fixture {
  using transport_type = twin;
  using factory = std::shared_ptr<twin> (*)(memory_world&);

  twin_fixture(memory_world& in_world, factory with) : world(in_world), make_twin(with) {}

  std::shared_ptr<twin> make() { return make_twin(world); }
  std::shared_ptr<twin> make_with_addresses(std::vector<endpoint>& all) {
    std::shared_ptr<twin> opened = make();
    const endpoint second = endpoint::v4(10, 0, 0, 2, opened->local_endpoint().port);
    REQUIRE(opened->inner.add_address(second));
    all = {opened->local_endpoint(), second};
    return opened;
  }
  std::size_t datagram_bytes_max() const { return 65507; }

  memory_world& world;
  factory make_twin;
};

template <class Twin>
std::shared_ptr<twin> made(memory_world& world) {
  return std::make_shared<Twin>(world);
}

template <class Fixture>
asio::awaitable<void> run_suite(transport_suite<Fixture>& suite,
                                std::vector<transport_failure>& failures) {
  failures = co_await suite.run();
}

std::vector<transport_failure> failures_of(twin_fixture::factory factory) {
  memory_world world;
  twin_fixture fixture(world, factory);
  transport_suite suite(fixture);
  std::vector<transport_failure> failures;
  world.run(run_suite(suite, failures));
  return failures;
}

std::string listed(const std::vector<transport_failure>& failures) {
  std::string all;
  for (const transport_failure& failure : failures) {
    all += "\n  " + failure.claim + ": " + failure.what;
  }
  return all;
}

struct defect {
  const char* name;
  twin_fixture::factory make;
  const char* claim;
};

constexpr defect defects[] = {
    {"flips a bit", made<flips_a_bit>, "contents are preserved"},
    {"reverses a batch", made<reverses_a_batch>, "the order of a batch is preserved"},
    {"takes 64 a send", made<takes_64_a_send>, "send gives how many it took"},
    {"names itself as source", made<names_itself_as_source>, "the source is the sender"},
    {"names its neighbour as local", made<names_its_neighbour_as_local>,
     "the local address is the one that was sent to"},
    {"loses what has a source", made<loses_what_has_a_source>,
     "a source that is not the transport's own is as none"},
    {"answers from its first address", made<answers_from_its_first_address>,
     "an answer leaves from the address in `source`"},
    {"sends no replies", made<hears_only_itself>, "the source can be replied to"},
    {"takes one a receive", made<takes_one_a_receive>,
     "receive takes all that is there, up to its room"},
    {"refuses an empty send", made<refuses_an_empty_send>, "an empty send gives 0"},
    {"stops at a refused one", made<stops_at_a_refused_one>, "a refused datagram counts as taken"},
    {"carries 1500 bytes", made<carries_1500_bytes>, "the longest datagram passes"},
    {"hides a cut", made<hides_a_cut>, "a cut datagram has a size above its buffer"},
    {"sees cuts everywhere", made<sees_cuts_everywhere>,
     "a datagram that fills its buffer is not cut"},
    {"returns with nothing", made<returns_with_nothing>, "receive waits for a datagram"},
    {"misses what comes later", made<misses_what_comes_later>, "a datagram wakes receive"},
    {"closes in silence", made<closes_in_silence>,
     "close wakes a pending receive with errc::stopped"},
    {"hangs in send", made<hangs_in_send>, "close wakes a pending send with errc::stopped"},
    {"receives after close", made<receives_after_close>, "receive after close gives errc::stopped"},
    {"sends nothing after close", made<sends_nothing_after_close>,
     "send after close gives errc::stopped"},
    {"opens at the second close", made<opens_at_the_second_close>, "close is idempotent"},
    {"says stopped when cancelled", made<says_stopped_when_cancelled>,
     "cancellation gives errc::cancelled"},
    {"throws when cancelled", made<throws_when_cancelled>, "cancellation gives errc::cancelled"},
    {"loses one when cancelled", made<loses_one_when_cancelled>,
     "after a cancellation the transport works, and nothing is lost"},
    {"forgets an early cancellation", made<forgets_an_early_cancellation>,
     "a cancellation before the call is not lost"},
    {"names another executor", made<names_another_executor>,
     "callers resume on the transport's executor"},
};

struct udp_fixture {
  using transport_type = udp_transport;

  udp_fixture(asio::io_context& in_context, udp_system_calls& with, endpoint at, endpoint any)
      : context(in_context), calls(with), listen(at), wildcard(any) {}

  std::shared_ptr<udp_transport> make() {
    auto opened = std::make_shared<udp_transport>(context.get_executor(), calls);
    REQUIRE(opened->open(listen));
    return opened;
  }
  std::size_t datagram_bytes_max() const { return 65507; }

  /// A host with several addresses is, on loopback, any socket on a wildcard. [::1] is the only
  /// one of IPv6; a socket on [::] has those of IPv4 too.
  std::shared_ptr<udp_transport> make_with_addresses(std::vector<endpoint>& all) {
    auto opened = std::make_shared<udp_transport>(context.get_executor(), calls);
    REQUIRE(opened->open(wildcard));
    const std::uint16_t port = opened->local_endpoint().port;
    all = {endpoint::v4(127, 0, 0, 1, port), endpoint::v4(127, 0, 0, 2, port)};
    if (!listen.is_v4()) {
      all = {listen};
      all.front().port = port;
    }
    return opened;
  }

  asio::io_context& context;
  udp_system_calls& calls;
  endpoint listen;
  endpoint wildcard;
};

std::vector<transport_failure> udp_failures(udp_system_calls& calls, endpoint listen,
                                            endpoint wildcard) {
  asio::io_context context;
  udp_fixture fixture(context, calls, listen, wildcard);
  transport_suite suite(fixture);
  std::vector<transport_failure> failures;
  std::exception_ptr thrown;
  asio::co_spawn(context, run_suite(suite, failures),
                 [&](std::exception_ptr failure) { thrown = failure; });
  context.run();
  if (thrown) {
    std::rethrow_exception(thrown);
  }
  return failures;
}

}  // namespace

TEST_CASE("transport suite: a memory transport passes") {
  const auto failures = failures_of(made<twin>);

  CHECK_MESSAGE(failures.empty(), listed(failures));
}

TEST_CASE("transport suite: a UDP transport passes") {
  const endpoint v4 = endpoint::v4(127, 0, 0, 1, 0);
  const endpoint v6 = endpoint::parse("[::1]:0").value_or(endpoint());

  const endpoint v4_any = endpoint::v4(0, 0, 0, 0, 0);
  const endpoint any;  // [::], which takes IPv4 too
  for (const auto& [listen, wildcard] : {std::pair(v4, v4_any), {v6, any}, {v4, any}}) {
    for (auto* calls : {&udp_system_calls::system(), &udp_system_calls::one_by_one()}) {
      const auto failures = udp_failures(*calls, listen, wildcard);

      CHECK_MESSAGE(failures.empty(), listed(failures));
    }
  }
}

TEST_CASE("transport suite: each defect fails the claim that it breaks") {
  for (const defect& planted : defects) {
    CAPTURE(planted.name);

    const auto failures = failures_of(planted.make);

    const bool is_found = std::any_of(
        failures.begin(), failures.end(),
        [&](const transport_failure& failure) { return failure.claim == planted.claim; });
    CHECK_MESSAGE(is_found, "expected: " << planted.claim << ", failed:" << listed(failures));
  }
}

}  // namespace gossipmonger
