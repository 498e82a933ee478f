// The suite that every transport must pass: a coroutine that tries each claim of the `transport`
// concept that types cannot express. For authors of transports; knows no test framework.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/error.hpp"
#include "gossipmonger/transport.hpp"

namespace gossipmonger {

/// A claim that did not hold. A value.
struct transport_failure {
  transport_failure() = default;
  /// That claim, and what contradicts it.
  transport_failure(std::string failed_claim, std::string seen)
      : claim(std::move(failed_claim)), what(std::move(seen)) {}

  std::string claim;  ///< one of transport_suite's names
  std::string what;   ///< the expected result, and the one that came
};

/// Makes transports for the suite. `make()` gives an open transport at a new endpoint, on the
/// executor that the suite runs on. All of them reach each other without loss, and hold at least
/// 128 datagrams. `datagram_bytes_max()` is the longest that the transport carries. A fixture of
/// transports that may have several addresses also has `make_with_addresses(endpoints&)`: it gives
/// an open transport, and at least two endpoints that it is reached at.
template <class F>
concept transport_fixture = requires(F f, const F c) {
  typename F::transport_type;
  requires transport<typename F::transport_type>;
  { f.make() } -> std::same_as<std::shared_ptr<typename F::transport_type>>;
  { c.datagram_bytes_max() } -> std::same_as<std::size_t>;
};

/// The suite over one fixture. A resource; it and the fixture outlive `run`.
///
/// A call that does not return in time is a failure, is left behind, and keeps its transport alive
/// until the executor's context is destroyed. Deadlines are on the transport's own clock.
template <transport_fixture Fixture>
class transport_suite {
 public:
  /// The transport under test.
  using transport_type = typename Fixture::transport_type;
  /// Its clock.
  using clock = typename transport_type::clock_type;

  /// Over that fixture, which outlives it.
  explicit transport_suite(Fixture& fixture) : fixture_(fixture) {}
  transport_suite(const transport_suite&) = delete;
  transport_suite& operator=(const transport_suite&) = delete;

  /// Tries every claim, each with fresh transports, and gives those that failed.
  ///   expects: awaited by a coroutine on the executor of the fixture's transports
  [[nodiscard]] asio::awaitable<std::vector<transport_failure>> run() {
    failures_.clear();
    stuck_receives_.clear();
    stuck_sends_.clear();
    co_await try_contents();
    co_await try_order();
    co_await try_reply();
    co_await try_source();
    co_await try_addresses();
    co_await try_drain();
    co_await try_empty_send();
    co_await try_refused();
    co_await try_longest();
    co_await try_cut();
    co_await try_wait();
    co_await try_close_receive();
    co_await try_close_send();
    co_await try_after_close();
    co_await try_cancel(asio::cancellation_type::terminal);
    co_await try_cancel(asio::cancellation_type::partial);
    co_await try_cancel(asio::cancellation_type::total);
    co_await try_after_cancel();
    co_await try_cancel_first();
    co_await try_executor();
    co_return std::move(failures_);
  }

 private:
  using transport_pointer = std::shared_ptr<transport_type>;
  using contents_list = std::vector<std::vector<std::byte>>;
  static constexpr std::chrono::milliseconds deadline{1000};
  static constexpr std::chrono::milliseconds moment_to_start{5};

  /// One call that runs beside the suite: its buffers, its outcome, and the signal that cancels it.
  struct call {
    call(transport_pointer used, std::size_t count, std::size_t bytes)
        : target(std::move(used)), wake(target->get_executor()), words(count * words_of(bytes)) {
      wake.expires_at(clock::time_point::max());
      in.resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        const std::span<std::uint64_t> room(words.data() + i * words_of(bytes), words_of(bytes));
        in[i].buffer = std::as_writable_bytes(room).first(bytes);
      }
    }
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    static std::size_t words_of(std::size_t bytes) { return (bytes + 7) / 8; }

    transport_pointer target;
    asio::basic_waitable_timer<clock> wake;  // cancelled when the call is over
    asio::cancellation_signal signal;
    std::vector<std::uint64_t> words;  // 8-byte aligned room for the datagrams
    std::vector<inbound> in;
    contents_list contents;
    std::vector<outbound> out;
    bool is_over = false;
    bool was_late = false;
    bool threw = false;
    bool was_elsewhere = false;
    result<std::size_t> outcome = 0;
  };
  using call_pointer = std::shared_ptr<call>;

  static asio::awaitable<void> run_receive(call_pointer current) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    const std::thread::id before = std::this_thread::get_id();
    try {
      current->outcome = co_await current->target->receive(current->in);
    } catch (const std::exception&) {
      current->threw = true;
    }
    current->was_elsewhere = before != std::this_thread::get_id();
  }

  static asio::awaitable<void> run_send(call_pointer current) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    try {
      current->outcome = co_await current->target->send(current->out);
    } catch (const std::exception&) {
      current->threw = true;
    }
  }

  template <class Body>
  static void start(Body body, const call_pointer& current, const asio::any_io_executor& executor) {
    asio::co_spawn(
        executor, body(current),
        asio::bind_cancellation_slot(current->signal.slot(), [current](const std::exception_ptr&) {
          current->is_over = true;
          current->wake.cancel();
        }));
  }

  /// Waits until the call is over. A call that is not over at the deadline is cancelled, for a
  /// transport takes one call of a kind at a time. Where that does not end it, it is given up.
  static asio::awaitable<void> end(call_pointer current) {
    co_await wait_for(current, deadline);
    if (!current->is_over) {
      current->was_late = true;
      current->signal.emit(asio::cancellation_type::terminal);
      co_await wait_for(current, moment_to_start);
    }
  }

  static asio::awaitable<void> wait_for(call_pointer current, std::chrono::milliseconds time) {
    const auto latest = clock::now() + time;
    while (!current->is_over && clock::now() < latest) {
      current->wake.expires_at(latest);
      asio::error_code ignored;
      auto token = asio::redirect_error(asio::use_awaitable, ignored);
      co_await current->wake.async_wait(token);
    }
  }

  static asio::awaitable<void> pause(std::chrono::milliseconds time) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::basic_waitable_timer<clock> timer(executor, time);
    co_await timer.async_wait(asio::use_awaitable);
  }

  /// Receives once beside the suite, up to the deadline. Where an earlier receive of the transport
  /// was given up, this one fails too, untried.
  asio::awaitable<call_pointer> receive_once(transport_pointer target, std::size_t count,
                                             std::size_t bytes) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    auto current = std::make_shared<call>(std::move(target), count, bytes);
    if (!is_stuck(stuck_receives_, current)) {
      start(&transport_suite::run_receive, current, executor);
      co_await end(current);
      note(stuck_receives_, current);
    }
    co_return current;
  }

  asio::awaitable<call_pointer> send_once(transport_pointer source, endpoint destination,
                                          contents_list contents, endpoint from = endpoint()) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    auto current = make_send(std::move(source), destination, std::move(contents));
    for (outbound& one : current->out) one.source = from;
    if (!is_stuck(stuck_sends_, current)) {
      start(&transport_suite::run_send, current, executor);
      co_await end(current);
      note(stuck_sends_, current);
    }
    co_return current;
  }

  /// One short datagram from `source` to `target`; its receipt.
  asio::awaitable<call_pointer> hand_over(transport_pointer source, transport_pointer target) {
    co_await send_once(std::move(source), target->local_endpoint(), make_contents(1, 8));
    const call_pointer got = co_await receive_once(std::move(target), 1, 64);
    co_return got;
  }

  static bool is_stuck(const std::vector<transport_pointer>& stuck, const call_pointer& current) {
    return std::find(stuck.begin(), stuck.end(), current->target) != stuck.end();
  }

  static void note(std::vector<transport_pointer>& stuck, const call_pointer& current) {
    if (!current->is_over) {
      stuck.push_back(current->target);
    }
  }

  static call_pointer make_send(transport_pointer source, endpoint destination,
                                contents_list contents) {
    auto current = std::make_shared<call>(std::move(source), 0, 0);
    current->contents = std::move(contents);
    for (const std::vector<std::byte>& bytes : current->contents) {
      outbound datagram;
      datagram.bytes = bytes;
      datagram.destination = destination;
      current->out.push_back(datagram);
    }
    return current;
  }

  /// Datagrams of `bytes` bytes, no two alike and none like its own reverse.
  static contents_list make_contents(std::size_t count, std::size_t bytes) {
    contents_list contents(count);
    for (std::size_t i = 0; i < count; ++i) {
      contents[i].resize(bytes);
      for (std::size_t at = 0; at < bytes; ++at) {
        contents[i][at] = static_cast<std::byte>((i * 7 + at * 31 + at / 251) % 256);
      }
    }
    return contents;
  }

  static contents_list received(const call& current) {
    contents_list contents;
    for (std::size_t i = 0; i < current.outcome.value_or(0) && i < current.in.size(); ++i) {
      const inbound& one = current.in[i];
      const std::size_t bytes = std::min(one.size, one.buffer.size());
      contents.emplace_back(one.buffer.begin(),
                            one.buffer.begin() + static_cast<std::ptrdiff_t>(bytes));
    }
    return contents;
  }

  void expect(bool holds, std::string_view claim, std::string what) {
    if (!holds) {
      failures_.emplace_back(std::string(claim), std::move(what));
    }
  }

  /// The outcome of a call, for a message.
  static std::string outcome_of(const call& current) {
    if (!current.is_over || current.was_late) {
      return "did not return";
    }
    if (current.threw) {
      return "threw";
    }
    if (!current.outcome) {
      return "gave the error '" + current.outcome.error().message() + "'";
    }
    return "gave " + std::to_string(*current.outcome);
  }

  static bool failed_with(const call& current, errc error) {
    return current.is_over && !current.was_late && !current.threw && !current.outcome &&
           current.outcome.error() == make_error_code(error);
  }

  static bool gave(const call& current, std::size_t count) {
    return current.is_over && !current.was_late && !current.threw && current.outcome &&
           *current.outcome == count;
  }

  asio::awaitable<void> try_contents() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    const auto contents = make_contents(1, 1200);

    const call_pointer sent = co_await send_once(a, b->local_endpoint(), contents);
    const call_pointer got = co_await receive_once(b, 1, 1500);

    expect(gave(*sent, 1), "send gives how many it took", "one datagram: " + outcome_of(*sent));
    expect(gave(*got, 1) && received(*got) == contents && got->in[0].size == 1200,
           "contents are preserved", "1200 bytes: " + outcome_of(*got) + ", or other bytes");
    a->close();
    b->close();
  }

  /// 100 at once are more than a system call takes.
  asio::awaitable<void> try_order() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    const auto contents = make_contents(100, 64);

    const call_pointer sent = co_await send_once(a, b->local_endpoint(), contents);
    contents_list all;
    while (all.size() < contents.size()) {
      const call_pointer got = co_await receive_once(b, 128, 64);
      const auto some = received(*got);
      all.insert(all.end(), some.begin(), some.end());
      if (some.empty()) {
        break;
      }
    }

    expect(gave(*sent, 100), "send gives how many it took", "100: " + outcome_of(*sent));
    expect(all == contents, "the order of a batch is preserved",
           std::to_string(all.size()) + " of 100 came, or in another order");
    a->close();
    b->close();
  }

  asio::awaitable<void> try_reply() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    const call_pointer got = co_await hand_over(a, b);
    const endpoint source = got->in[0].source;
    expect(source == a->local_endpoint(), "the source is the sender",
           "sent from " + a->local_endpoint().to_string() + ", came from " + source.to_string());

    co_await send_once(b, source, make_contents(1, 8));
    const call_pointer reply = co_await receive_once(a, 1, 64);
    expect(gave(*reply, 1) && reply->in[0].source == b->local_endpoint(),
           "the source can be replied to", "the reply: " + outcome_of(*reply));
    a->close();
    b->close();
  }

  /// A local address may be unknown, but it is never wrong; a source that is not the transport's
  /// own is no reason to lose the datagram.
  asio::awaitable<void> try_source() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    const call_pointer got = co_await hand_over(a, b);
    const endpoint local = got->in[0].local;
    expect(local.is_wildcard() || local.has_address_of(b->local_endpoint()),
           "the local address is the one that was sent to",
           "sent to " + b->local_endpoint().to_string() + ", came to " + local.to_string());

    const call_pointer sent = co_await send_once(b, a->local_endpoint(), make_contents(1, 8),
                                                 endpoint::v4(192, 0, 2, 1, 7000));  // TEST-NET-1
    const call_pointer reply = co_await receive_once(a, 1, 64);
    expect(gave(*sent, 1) && gave(*reply, 1) && reply->in[0].source == b->local_endpoint(),
           "a source that is not the transport's own is as none",
           "send " + outcome_of(*sent) + ", receive " + outcome_of(*reply));
    a->close();
    b->close();
  }

  asio::awaitable<void> try_addresses() {
    if constexpr (requires(std::vector<endpoint>& all) { fixture_.make_with_addresses(all); }) {
      const transport_pointer a = fixture_.make();
      std::vector<endpoint> all;
      const transport_pointer b = fixture_.make_with_addresses(all);
      const auto contents = make_contents(1, 8);
      for (const endpoint& asked : all) {
        co_await send_once(a, asked, contents);
        const call_pointer got = co_await receive_once(b, 1, 64);
        const endpoint local = got->in[0].local;
        expect(gave(*got, 1) && local == asked, "the local address is the one that was sent to",
               "sent to " + asked.to_string() + ", came to " + local.to_string());

        co_await send_once(b, a->local_endpoint(), contents, local);
        const call_pointer reply = co_await receive_once(a, 1, 64);
        const endpoint source = reply->in[0].source;
        expect(gave(*reply, 1) && source == asked, "an answer leaves from the address in `source`",
               "asked at " + asked.to_string() + ", answered from " + source.to_string());
      }
      a->close();
      b->close();
    }
    co_return;
  }

  asio::awaitable<void> try_drain() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();

    co_await send_once(a, b->local_endpoint(), make_contents(5, 100));
    co_await pause(moment_to_start);
    const call_pointer first = co_await receive_once(b, 3, 128);
    const call_pointer rest = co_await receive_once(b, 8, 128);

    expect(gave(*first, 3) && gave(*rest, 2), "receive takes all that is there, up to its room",
           "room for 3 of 5 " + outcome_of(*first) + ", room for 8 of 2 " + outcome_of(*rest));
    a->close();
    b->close();
  }

  asio::awaitable<void> try_empty_send() {
    const transport_pointer a = fixture_.make();
    const contents_list nothing;
    const call_pointer sent = co_await send_once(a, a->local_endpoint(), nothing);
    expect(gave(*sent, 0), "an empty send gives 0", outcome_of(*sent));
    a->close();
  }

  asio::awaitable<void> try_refused() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();

    auto sent = make_send(a, b->local_endpoint(), make_contents(3, 8));
    sent->out[1].destination = endpoint{};  // no port: nobody can be there
    start(&transport_suite::run_send, sent, executor);
    co_await end(sent);
    co_await pause(moment_to_start);
    const call_pointer got = co_await receive_once(b, 8, 64);

    expect(gave(*sent, 3) && gave(*got, 2), "a refused datagram counts as taken",
           "the second of 3 refused: send " + outcome_of(*sent) + ", receive " + outcome_of(*got));
    a->close();
    b->close();
  }

  asio::awaitable<void> try_longest() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    const auto contents = make_contents(1, fixture_.datagram_bytes_max());

    co_await send_once(a, b->local_endpoint(), contents);
    const call_pointer got = co_await receive_once(b, 1, fixture_.datagram_bytes_max());

    expect(gave(*got, 1) && received(*got) == contents, "the longest datagram passes",
           outcome_of(*got) + ", of " + std::to_string(got->in[0].size) + " bytes");
    a->close();
    b->close();
  }

  asio::awaitable<void> try_cut() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    auto contents = make_contents(2, 100);
    contents[1].resize(64);

    co_await send_once(a, b->local_endpoint(), contents);
    co_await pause(moment_to_start);
    const call_pointer got = co_await receive_once(b, 2, 64);

    expect(gave(*got, 2) && got->in[0].size > 64, "a cut datagram has a size above its buffer",
           "100 bytes for 64: " + outcome_of(*got) + ", size " + std::to_string(got->in[0].size));
    expect(gave(*got, 2) && got->in[1].size == 64, "a datagram that fills its buffer is not cut",
           "64 bytes for 64: size " + std::to_string(got->in[1].size));
    a->close();
    b->close();
  }

  /// A receive that was there first; nothing may come of it before the datagram.
  asio::awaitable<void> try_wait() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();

    auto got = std::make_shared<call>(b, 4, 64);
    start(&transport_suite::run_receive, got, executor);
    co_await pause(moment_to_start);
    expect(!got->is_over, "receive waits for a datagram", "with none there: " + outcome_of(*got));
    co_await send_once(a, b->local_endpoint(), make_contents(1, 8));
    co_await end(got);

    expect(gave(*got, 1), "a datagram wakes receive", outcome_of(*got));
    expect(!got->was_elsewhere, "callers resume on the transport's executor",
           "receive resumed on another thread");
    a->close();
    b->close();
  }

  asio::awaitable<void> try_close_receive() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();

    auto got = std::make_shared<call>(a, 1, 64);
    start(&transport_suite::run_receive, got, executor);
    co_await pause(moment_to_start);
    a->close();
    co_await end(got);

    expect(failed_with(*got, errc::stopped), "close wakes a pending receive with errc::stopped",
           outcome_of(*got));
    a->close();
  }

  /// A send may be over before close comes; else it must end, and say why.
  asio::awaitable<void> try_close_send() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();

    auto sent = make_send(a, b->local_endpoint(), make_contents(100, 1200));
    start(&transport_suite::run_send, sent, executor);
    co_await pause(moment_to_start);
    a->close();
    co_await end(sent);

    expect(gave(*sent, 100) || failed_with(*sent, errc::stopped),
           "close wakes a pending send with errc::stopped", outcome_of(*sent));
    b->close();
  }

  asio::awaitable<void> try_after_close() {
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    const endpoint where = b->local_endpoint();
    a->close();

    const call_pointer got = co_await receive_once(a, 1, 64);
    const call_pointer sent = co_await send_once(a, where, make_contents(1, 8));
    const contents_list nothing;
    const call_pointer empty = co_await send_once(a, where, nothing);
    expect(failed_with(*got, errc::stopped), "receive after close gives errc::stopped",
           outcome_of(*got));
    expect(failed_with(*sent, errc::stopped) && failed_with(*empty, errc::stopped),
           "send after close gives errc::stopped",
           "one " + outcome_of(*sent) + ", none " + outcome_of(*empty));

    a->close();
    const call_pointer again = co_await receive_once(a, 1, 64);
    expect(failed_with(*again, errc::stopped), "close is idempotent",
           "receive after the second close " + outcome_of(*again));
    b->close();
  }

  asio::awaitable<void> try_cancel(asio::cancellation_type type) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();

    auto got = std::make_shared<call>(a, 1, 64);
    start(&transport_suite::run_receive, got, executor);
    co_await pause(moment_to_start);
    got->signal.emit(type);
    co_await end(got);

    expect(
        failed_with(*got, errc::cancelled), "cancellation gives errc::cancelled",
        "receive, type " + std::to_string(static_cast<unsigned>(type)) + ": " + outcome_of(*got));
    a->close();
  }

  asio::awaitable<void> try_after_cancel() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();
    const transport_pointer b = fixture_.make();
    const auto contents = make_contents(2, 8);

    auto got = std::make_shared<call>(b, 4, 64);
    start(&transport_suite::run_receive, got, executor);
    co_await pause(moment_to_start);
    got->signal.emit(asio::cancellation_type::terminal);
    const call_pointer sent = co_await send_once(a, b->local_endpoint(), contents);
    co_await end(got);
    note(stuck_receives_, got);
    co_await pause(moment_to_start);
    auto all = received(*got);  // it may still have won the race
    if (all.size() < contents.size()) {
      const call_pointer rest = co_await receive_once(b, 4, 64);
      const auto some = received(*rest);
      all.insert(all.end(), some.begin(), some.end());
    }
    const call_pointer back = co_await send_once(b, a->local_endpoint(), contents);

    expect(gave(*sent, 2) && gave(*back, 2) && all == contents,
           "after a cancellation the transport works, and nothing is lost",
           std::to_string(all.size()) + " of 2 came, or in another order");
    a->close();
    b->close();
  }

  /// A coroutine that was cancelled before it calls: the signal is not lost.
  asio::awaitable<void> try_cancel_first() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();

    auto got = std::make_shared<call>(a, 1, 64);
    start(&transport_suite::run_cancelled_receive, got, executor);
    co_await end(got);

    expect(failed_with(*got, errc::cancelled), "a cancellation before the call is not lost",
           outcome_of(*got));
    a->close();
  }

  static asio::awaitable<void> run_cancelled_receive(call_pointer current) {
    co_await asio::this_coro::throw_if_cancelled(false);
    current->signal.emit(asio::cancellation_type::terminal);
    try {
      current->outcome = co_await current->target->receive(current->in);
    } catch (const std::exception&) {
      current->threw = true;
    }
  }

  asio::awaitable<void> try_executor() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const transport_pointer a = fixture_.make();
    expect(a->get_executor() == executor, "callers resume on the transport's executor",
           "get_executor() names another than the fixture's");
    a->close();
  }

  Fixture& fixture_;
  std::vector<transport_failure> failures_;
  std::vector<transport_pointer> stuck_receives_;  // not even cancelling ended the receive
  std::vector<transport_pointer> stuck_sends_;
};

}  // namespace gossipmonger
