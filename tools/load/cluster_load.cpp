#include "cluster_load.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "gossipmonger/gossipmonger.hpp"

namespace gossipmonger {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr milliseconds look_interval{200};  // of progress, and of conditions that are awaited
constexpr std::size_t seeds_max = 4;
constexpr std::size_t copies_max = 4'000'000;  // of keys, over all nodes: about 800 MB
// A key is written anew after so many rounds. An update that took longer counts as not delivered.
constexpr std::size_t rounds_a_key = 50;

double seconds_of(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

std::size_t updates_of(const load_options& options) {
  return options.rate * static_cast<std::size_t>(options.length.count()) / 1000;
}

/// Keys of each node.
std::size_t keys_of(const load_options& options) {
  const std::size_t turn =
      options.rate * rounds_a_key * static_cast<std::size_t>(options.interval.count()) / 1000;
  return std::min(updates_of(options), turn) / options.nodes + 1;
}

/// The first bytes of each value.
struct stamp {
  stamp() = default;

  std::uint64_t number = 0;  // of the writer's updates
  std::int64_t due_ns = 0;   // on the steady clock
};
static_assert(sizeof(stamp) == 16);

/// Numbers that other threads read while a load runs.
struct shared_counts {
  shared_counts() = default;

  /// On the steady clock, in ns; 0: nothing has crashed yet.
  std::atomic<std::int64_t> crashed_at{0};
  std::atomic<std::uint64_t> detected{0};
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> delivered{0};
};

/// Of the node "n17" that is 17.
std::size_t number_of(std::string_view name) {
  std::size_t number = 0;
  std::from_chars(name.data() + 1, name.data() + name.size(), number);
  return number;
}

/// A node and its reader. Lives on the thread of its worker.
struct member_node {
  explicit member_node(std::unique_ptr<node> made) : self(std::move(made)) {}

  std::unique_ptr<node> self;
  std::vector<std::uint64_t> next_numbers;  // of each writer
  std::uint64_t written = 0;
};

/// A thread with some of the nodes. A resource: `stop` before it goes.
class worker {
 public:
  worker(const load_options& options, std::size_t index, shared_counts& counts)
      : options_(options), index_(index), counts_(counts), work_(io_.get_executor()) {}
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker() { stop(); }

  /// Makes one node more; nodes run once the thread does.
  tl::expected<endpoint, std::string> add(std::size_t number, const std::vector<endpoint>& seeds) {
    config settings;
    settings.name = "n" + std::to_string(number);
    settings.cluster_name = "bench";
    settings.gossip_interval = options_.interval;
    settings.dead_peer_grace = std::max(settings.dead_peer_grace, 10 * options_.interval);
    settings.fanout = options_.fanout;
    for (const endpoint& one : seeds) settings.seeds.push_back(one.to_string());
    auto made = node::open(io_.get_executor(), std::move(settings), "127.0.0.1:0");
    if (!made) {
      return tl::unexpected<std::string>("node " + std::to_string(number + 1) + " of " +
                                         std::to_string(options_.nodes) +
                                         " cannot start: " + made.error().message());
    }
    member_node& added = nodes_.emplace_back(std::move(*made));
    added.next_numbers.resize(options_.nodes);
    return added.self->advertised_endpoint();
  }

  void start() {
    for (member_node& one : nodes_) {
      asio::co_spawn(io_, one.self->run(), [](std::exception_ptr thrown, const result<void>&) {
        if (thrown) std::rethrow_exception(thrown);
      });
      spawn(read(one));
    }
    thread_ = std::thread([this] { io_.run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
      for (member_node& one : nodes_) one.self->stop();
      work_.reset();
    });
    thread_.join();
  }

  /// Calls `look` on the worker's thread, and returns its answer.
  template <class Look>
  auto ask(Look look) {
    std::promise<std::invoke_result_t<Look, std::vector<member_node>&>> answer;
    auto answered = answer.get_future();
    asio::post(io_, [&] { answer.set_value(look(nodes_)); });
    return answered.get();
  }

  void write_from(clock::time_point begin) {
    asio::post(io_, [this, begin] { spawn(write(begin)); });
  }

  /// Of the nodes here.
  ///   expects: `stop` has returned
  [[nodiscard]] const latency_histogram& latency() const { return latency_; }
  [[nodiscard]] const latency_histogram& detection() const { return detection_; }
  [[nodiscard]] std::uint64_t lagged() const { return lagged_; }

 private:
  void spawn(asio::awaitable<void> work) {
    asio::co_spawn(io_, std::move(work), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  asio::awaitable<void> read(member_node& of) {
    event_filter filter;
    filter.is_without_self = true;
    subscription events = of.self->subscribe(filter);
    for (;;) {
      const result<void> ready = co_await events.wait();
      if (!ready) co_return;
      const clock::time_point now = clock::now();
      while (const std::optional<event_view> seen = events.try_next_view()) {
        if (seen->kind == event_kind::lagged) ++lagged_;
        if (seen->kind == event_kind::update) count(of, *seen, now);
        if (seen->kind == event_kind::peer_dead) count_detection(*seen, now);
      }
    }
  }

  void count_detection(const event_view& seen, clock::time_point now) {
    const std::int64_t crashed_at = counts_.crashed_at;
    if (crashed_at == 0 || number_of(seen.peer) < options_.nodes - options_.crashes) return;
    detection_.add(now.time_since_epoch() - nanoseconds(crashed_at));
    ++counts_.detected;
  }

  void count(member_node& of, const event_view& seen, clock::time_point now) {
    const std::size_t writer = number_of(seen.peer);
    if (writer >= of.next_numbers.size() || seen.value.size() < sizeof(stamp)) return;
    stamp told;
    std::memcpy(&told, seen.value.data(), sizeof told);
    // A snapshot after `lagged` shows updates a second time.
    if (told.number < of.next_numbers[writer]) return;
    of.next_numbers[writer] = told.number + 1;
    latency_.add(now.time_since_epoch() - nanoseconds(told.due_ns));
    counts_.delivered.fetch_add(1, std::memory_order_relaxed);
  }

  /// Writes the updates of the nodes here, each when it is due.
  asio::awaitable<void> write(clock::time_point begin) {
    const std::size_t total = updates_of(options_);
    const nanoseconds step = nanoseconds(1s) / static_cast<std::int64_t>(options_.rate);
    const std::size_t keys = keys_of(options_);
    std::string value(options_.value_bytes, 'v');
    asio::steady_timer timer(io_);
    for (std::size_t update = 0; update < total; ++update) {
      const std::size_t place = update % options_.nodes;
      if (place % options_.threads != index_) continue;
      const clock::time_point due = begin + step * static_cast<std::int64_t>(update);
      if (due > clock::now()) {
        // At most 5,000 turns a second: several updates may be due in one.
        timer.expires_at(std::max(due, clock::now() + 200us));
        co_await timer.async_wait(asio::use_awaitable);
      }
      member_node& writer = nodes_[place / options_.threads];
      stamp told;
      told.number = writer.written++;
      told.due_ns = nanoseconds(due.time_since_epoch()).count();
      std::memcpy(value.data(), &told, sizeof told);
      const std::string key = "key/" + std::to_string(told.number % keys);
      const result<std::uint64_t> version = writer.self->set(key, value);
      if (version) counts_.written.fetch_add(1, std::memory_order_relaxed);
    }
  }

  const load_options options_;
  const std::size_t index_;
  shared_counts& counts_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<member_node> nodes_;
  latency_histogram latency_;
  latency_histogram detection_;
  std::uint64_t lagged_ = 0;
  std::thread thread_;
};

/// Sums of all nodes' counters at one time.
struct totals {
  totals() = default;

  clock::time_point at;
  double cpu = 0;
  std::uint64_t delivered = 0;
  std::uint64_t rounds = 0;
  std::uint64_t rounds_late = 0;
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
  std::uint64_t entries_applied = 0;
  std::uint64_t kernel_drops = 0;
  std::uint64_t declared_dead = 0;
};

totals counted_by(const member_node& one) {
  const protocol_stats stats = one.self->stats();
  const udp_counters socket = one.self->carrier().counters();
  totals here;
  here.rounds = stats.rounds;
  here.rounds_late = stats.rounds_late;
  here.entries_applied = stats.entries_applied;
  here.declared_dead = stats.declared_dead;
  here.datagrams = socket.sent;
  here.bytes = socket.sent_bytes;
  here.kernel_drops = socket.kernel_drops;
  return here;
}

/// Sums what the nodes count; the moment, the CPU and the deliveries are the process's.
totals& operator+=(totals& sum, const totals& part) {
  sum.rounds += part.rounds;
  sum.rounds_late += part.rounds_late;
  sum.entries_applied += part.entries_applied;
  sum.declared_dead += part.declared_dead;
  sum.datagrams += part.datagrams;
  sum.bytes += part.bytes;
  sum.kernel_drops += part.kernel_drops;
  return sum;
}

load_costs operator-(const totals& after, const totals& before) {
  load_costs costs;
  costs.wall_seconds = seconds_of(after.at - before.at);
  costs.cpu_seconds = after.cpu - before.cpu;
  costs.delivered = after.delivered - before.delivered;
  costs.rounds = after.rounds - before.rounds;
  costs.rounds_late = after.rounds_late - before.rounds_late;
  costs.datagrams = after.datagrams - before.datagrams;
  costs.bytes = after.bytes - before.bytes;
  return costs;
}

/// The phases of a run, one after the other.
class load_run {
 public:
  load_run(const load_options& options, const std::function<void(const load_progress&)>& show)
      : options_(options), show_(show) {}

  tl::expected<load_report, std::string> run() {
    if (const auto started = start(); !started) {
      return tl::unexpected<std::string>(started.error());
    }
    load_report report;
    report.options = options_;
    const clock::time_point begin = clock::now();
    if (const auto met = await_meeting(); !met) return tl::unexpected<std::string>(met.error());
    report.meeting_seconds = seconds_of(clock::now() - begin);

    await("at rest", 10 * options_.interval);
    const totals resting = look();
    await("at rest", std::clamp<nanoseconds>(options_.length / 5, 1s, 10s));
    const totals rested = look();
    report.rest = rested - resting;

    const clock::time_point start = clock::now() + 10ms;
    for (auto& one : workers_) one->write_from(start);
    await("updates", start + options_.length - clock::now());
    const totals loaded = look();
    report.load = loaded - rested;
    await_last();

    const totals last = look();
    report.entries_applied = last.entries_applied - rested.entries_applied;
    report.kernel_drops = last.kernel_drops - rested.kernel_drops;
    report.declared_dead = last.declared_dead - rested.declared_dead;
    if (options_.crashes > 0) await_detection(report.detections_due());
    for (auto& one : workers_) one->stop();
    report.written = counts_.written;
    report.delivered = counts_.delivered;
    for (auto& one : workers_) {
      report.latency.add(one->latency());
      report.detection.add(one->detection());
      report.lagged += one->lagged();
    }
    return report;
  }

 private:
  tl::expected<void, std::string> start() {
    for (std::size_t i = 0; i < options_.threads; ++i) {
      workers_.push_back(std::make_unique<worker>(options_, i, counts_));
    }
    std::vector<endpoint> seeds;
    for (std::size_t i = 0; i < options_.nodes; ++i) {
      const auto added = workers_[i % options_.threads]->add(i, seeds);
      if (!added) return tl::unexpected<std::string>(added.error());
      if (seeds.size() < seeds_max) seeds.push_back(*added);
    }
    for (auto& one : workers_) one->start();
    return {};
  }

  tl::expected<void, std::string> await_meeting() {
    const nanoseconds limit = 60s + 100 * options_.interval;
    const clock::time_point begin = clock::now();
    for (;;) {
      const std::size_t met = count_met();
      if (met == options_.nodes) return {};
      const nanoseconds passed = clock::now() - begin;
      if (passed > limit) {
        return tl::unexpected<std::string>(
            "after " + std::to_string(limit / 1s) + " s only " + std::to_string(met) + " of " +
            std::to_string(options_.nodes) +
            " nodes see all others live: fewer nodes, or a longer interval");
      }
      show("meeting", seconds_of(passed) / seconds_of(limit), met);
      std::this_thread::sleep_for(std::min<nanoseconds>(look_interval, options_.interval));
    }
  }

  /// Nodes that see all others live.
  std::size_t count_met() {
    std::size_t met = 0;
    for (auto& one : workers_) {
      met += one->ask([this](std::vector<member_node>& nodes) {
        return static_cast<std::size_t>(
            std::count_if(nodes.begin(), nodes.end(), [this](const member_node& each) {
              return each.self->stats().peers_live == options_.nodes - 1;
            }));
      });
    }
    return met;
  }

  void await(std::string_view phase, nanoseconds length) {
    const clock::time_point begin = clock::now();
    const clock::time_point end = begin + length;
    for (;;) {
      const clock::time_point now = clock::now();
      if (now >= end) return;
      show(phase, seconds_of(now - begin) / seconds_of(length), options_.nodes);
      std::this_thread::sleep_for(std::min<nanoseconds>(look_interval, end - now));
    }
  }

  /// Until everything is delivered, or has not been for as many rounds as a key stays.
  void await_last() {
    const nanoseconds patience = std::clamp<nanoseconds>(rounds_a_key * options_.interval, 2s, 60s);
    const clock::time_point begin = clock::now();
    const std::uint64_t due = updates_of(options_) * (options_.nodes - 1);
    while (counts_.delivered < due && clock::now() - begin < patience) {
      show("last deliveries", seconds_of(clock::now() - begin) / seconds_of(patience),
           options_.nodes);
      std::this_thread::sleep_for(std::min<nanoseconds>(look_interval, options_.interval));
    }
  }

  /// Ends the last nodes as a crash does, and waits until all others have declared them dead.
  void await_detection(std::uint64_t due) {
    counts_.crashed_at = nanoseconds(clock::now().time_since_epoch()).count();
    for (std::size_t i = options_.nodes - options_.crashes; i < options_.nodes; ++i) {
      workers_[i % options_.threads]->ask([i, this](std::vector<member_node>& nodes) {
        nodes[i / options_.threads].self->stop();
        return true;
      });
    }
    const nanoseconds patience = 10s + 100 * options_.interval;
    const clock::time_point begin = clock::now();
    while (counts_.detected < due && clock::now() - begin < patience) {
      show("crashes", seconds_of(clock::now() - begin) / seconds_of(patience), options_.nodes);
      std::this_thread::sleep_for(std::min<nanoseconds>(look_interval, options_.interval));
    }
  }

  void show(std::string_view phase, double part, std::size_t met) const {
    load_progress progress;
    progress.phase = phase;
    progress.part = std::min(part, 1.0);
    progress.nodes_met = met;
    progress.written = counts_.written;
    progress.delivered = counts_.delivered;
    show_(progress);
  }

  totals look() {
    totals sum;
    sum.at = clock::now();
    sum.cpu = cpu_seconds();
    sum.delivered = counts_.delivered;
    for (auto& one : workers_) {
      const totals part = one->ask([](std::vector<member_node>& nodes) {
        totals here;
        for (member_node& each : nodes) here += counted_by(each);
        return here;
      });
      sum += part;
    }
    return sum;
  }

  const load_options options_;
  const std::function<void(const load_progress&)>& show_;
  shared_counts counts_;
  std::vector<std::unique_ptr<worker>> workers_;
};

/// Raises the soft limit of descriptors as far as is needed, and allowed.
tl::expected<void, std::string> make_room(const load_options& options) {
  // A socket each, and a few for each thread and the program.
  const rlim_t wanted = options.nodes + 4 * options.threads + 32;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  if (limit.rlim_cur == wanted && setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return tl::unexpected<std::string>(
      std::to_string(options.nodes) + " nodes need " + std::to_string(wanted) +
      " file descriptors, and this process may open " + std::to_string(limit.rlim_max) +
      ": raise the limit with `ulimit -n`, or take fewer nodes");
}

tl::unexpected<std::string> not_allowed(std::string_view option, const std::string& value,
                                        std::string_view allowed) {
  return tl::unexpected<std::string>("--" + std::string(option) + ": " + value +
                                     " is not allowed; allowed: " + std::string(allowed));
}

}  // namespace

double load_costs::cores() const { return wall_seconds > 0 ? cpu_seconds / wall_seconds : 0; }

double load_costs::datagrams_a_round() const {
  return rounds == 0 ? 0 : static_cast<double>(datagrams) / static_cast<double>(rounds);
}

double load_costs::bytes_a_round() const {
  return rounds == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(rounds);
}

double load_report::delivered_part() const {
  const std::uint64_t due = deliveries_due();
  return due == 0 ? 0 : static_cast<double>(delivered) / static_cast<double>(due);
}

double load_report::cpu_us_a_delivery() const {
  return load.delivered == 0 ? 0 : load.cpu_seconds * 1e6 / static_cast<double>(load.delivered);
}

double load_report::rounds_part() const {
  const double due =
      static_cast<double>(options.nodes) * load.wall_seconds / seconds_of(options.interval);
  return due > 0 ? static_cast<double>(load.rounds) / due : 0;
}

tl::expected<load_options, std::string> validated(load_options candidate) {
  const auto is_outside = [](auto value, auto low, auto high) {
    return value < low || value > high;
  };
  const auto text = [](std::size_t number) { return std::to_string(number); };
  const auto in_ms = [](milliseconds time) { return std::to_string(time.count()) + " ms"; };
  if (is_outside(candidate.nodes, 2U, 1000U)) {
    return not_allowed("nodes", text(candidate.nodes), "2 to 1000");
  }
  if (is_outside(candidate.rate, 1U, 1'000'000U)) {
    return not_allowed("rate", text(candidate.rate), "1 to 1000000 updates a second");
  }
  if (is_outside(candidate.interval, 10ms, 10'000ms)) {
    return not_allowed("interval", in_ms(candidate.interval), "10ms to 10s");
  }
  if (is_outside(candidate.length, 1000ms, 600'000ms)) {
    return not_allowed("seconds", in_ms(candidate.length), "1 to 600 seconds");
  }
  if (is_outside(candidate.value_bytes, sizeof(stamp), 1000U)) {
    return not_allowed("value-bytes", text(candidate.value_bytes), "16 to 1000");
  }
  if (is_outside(candidate.fanout, 1U, 16U)) {
    return not_allowed("fanout", text(candidate.fanout), "1 to 16");
  }
  if (is_outside(candidate.crashes, 0U, candidate.nodes / 2)) {
    return not_allowed("crashes", text(candidate.crashes),
                       "0 to half of the nodes, here " + text(candidate.nodes / 2));
  }
  if (candidate.threads > 64) return not_allowed("threads", text(candidate.threads), "0 to 64");
  if (candidate.threads == 0) {
    candidate.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 64);
  }
  candidate.threads = std::min(candidate.threads, candidate.nodes);
  const std::size_t copies = keys_of(candidate) * candidate.nodes * candidate.nodes;
  if (copies > copies_max) {
    return not_allowed("rate", text(candidate.rate),
                       "a rate at which all nodes together hold up to " + text(copies_max) +
                           " copies of keys, and here they would hold " + text(copies) +
                           ": a lower rate, fewer nodes or a shorter interval");
  }
  return candidate;
}

tl::expected<load_report, std::string> run_load(
    const load_options& options, const std::function<void(const load_progress&)>& show) {
  if (const auto room = make_room(options); !room) {
    return tl::unexpected<std::string>(room.error());
  }
  return load_run(options, show).run();
}

}  // namespace gossipmonger
