// A soak: many nodes in one process over loopback, for minutes, with writes, erasures and nodes
// that stop and come back. Neither memory nor descriptors grow.
//
//     hostile_soak [SECONDS [NODES]]     default 600 s, 100 nodes, rounds of 100 ms
//
// Prints a row every tenth of the time. Compares the mean of the last three rows with that of the
// third to fifth: exit status 1 where it is over 3 % larger, or anything else does not hold.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include "gossipmonger/gossipmonger.hpp"
#include "gossipmonger/testing/random.hpp"

#include "loopback_node.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::size_t rows_count = 10;
constexpr std::size_t keys_count = 20;

struct sample {
  sample() = default;

  double allocated_mib = 0;
  double resident_mib = 0;
  std::size_t descriptors = 0;
};

double mib(double bytes) { return bytes / (1 << 20); }

sample look() {
  sample seen;
  const struct mallinfo2 heap = ::mallinfo2();
  seen.allocated_mib = mib(static_cast<double>(heap.uordblks + heap.hblkhd));
  std::size_t pages = 0;
  std::ifstream statm("/proc/self/statm");
  statm >> pages >> pages;
  seen.resident_mib =
      mib(static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  const std::filesystem::directory_iterator open("/proc/self/fd");
  seen.descriptors = static_cast<std::size_t>(std::distance(begin(open), end(open)));
  return seen;
}

/// Nodes "n0", "n1", …; the first is the others' seed and stays.
class cluster {
 public:
  explicit cluster(std::size_t size) : members_(size), draws_(1) {
    for (std::size_t index = 0; index < size; ++index) start(index);
  }
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;
  ~cluster() {
    for (const auto& one : members_) (*one)->stop();
    context_.restart();
    context_.run_for(10s);
  }

  void run_for(clock::duration length) {
    context_.restart();
    context_.run_for(length);
  }

  /// One second of the application: each node writes or erases a few keys.
  void write() {
    for (const auto& one : members_) {
      for (int i = 0; i < 3; ++i) {
        const std::string key = "key" + std::to_string(draws_.below(keys_count));
        if (draws_.below(4) == 0) {
          failures += (*one)->erase(key) ? 0 : 1;
        } else {
          const std::string value(static_cast<std::size_t>(draws_.below(200)), 'v');
          failures += (*one)->set(key, value) ? 0 : 1;
        }
      }
    }
  }

  /// One of them ends without a word, and comes back.
  void restart() {
    const std::size_t index = 1 + static_cast<std::size_t>(draws_.below(members_.size() - 1));
    loopback_node& gone = *members_[index];
    gone->stop();
    const auto end = clock::now() + 10s;
    while (!gone.has_ended() && clock::now() < end) run_for(1ms);
    members_[index].reset();
    start(index);
    ++restarts;
  }

  [[nodiscard]] bool has_agreed() const {
    std::map<std::string, std::uint64_t> versions;
    for (const auto& one : members_) versions[std::string((*one)->name())] = (*one)->version();
    for (const auto& one : members_) {
      if ((*one)->stats().peers_live != members_.size() - 1) return false;
      for (const member& peer : (*one)->members()) {
        if (versions[peer.name] != peer.max_version) return false;
      }
    }
    return true;
  }

  std::size_t failures = 0;
  std::size_t restarts = 0;

 private:
  void start(std::size_t index) {
    std::vector<std::string> seeds;
    if (index > 0) seeds.push_back(members_[0]->address().to_string());
    members_[index] = std::make_unique<loopback_node>(context_, "n" + std::to_string(index), 100ms,
                                                      std::move(seeds));
  }

  asio::io_context context_;
  std::vector<std::unique_ptr<loopback_node>> members_;
  random_source draws_;
};

double mean(const std::vector<sample>& rows, std::size_t first, double sample::* what) {
  double sum = 0;
  for (std::size_t i = first; i < first + 3; ++i) sum += rows[i].*what;
  return sum / 3;
}

int decide(const std::vector<sample>& rows, const cluster& nodes, bool has_agreed) {
  int failed = 0;
  const auto check = [&failed](bool holds, const char* what) {
    std::printf("%s: %s\n", holds ? "ok" : "FAILED", what);
    failed += holds ? 0 : 1;
  };
  constexpr double growth_max = 1.03;
  const auto grows = [&rows](double sample::* what) {
    return mean(rows, rows_count - 3, what) > growth_max * mean(rows, 2, what);
  };
  check(!grows(&sample::allocated_mib), "allocated memory does not grow");
  check(!grows(&sample::resident_mib), "resident memory does not grow");
  check(rows.back().descriptors == rows[2].descriptors, "descriptors do not grow");
  check(nodes.failures == 0, "every write was taken");
  check(nodes.restarts > 0, "nodes came and went");
  check(has_agreed, "all agree in the end");
  return failed == 0 ? 0 : 1;
}

int run(std::size_t seconds, std::size_t size) {
  cluster nodes(size);
  std::vector<sample> rows;
  std::puts("| s | allocated, MiB | resident, MiB | descriptors | restarts |");
  std::puts("| --- | --- | --- | --- | --- |");
  const auto begin = clock::now();
  for (std::size_t second = 1; second <= seconds; ++second) {
    nodes.write();
    if (second % 5 == 0) nodes.restart();
    nodes.run_for(begin + std::chrono::seconds(second) - clock::now());
    if (second % std::max<std::size_t>(1, seconds / rows_count) != 0) continue;
    const sample& row = rows.emplace_back(look());
    std::printf("| %zu | %.1f | %.1f | %zu | %zu |\n", second, row.allocated_mib, row.resident_mib,
                row.descriptors, nodes.restarts);
    std::fflush(stdout);
  }
  bool has_agreed = false;
  for (int tries = 0; tries < 60 && !has_agreed; ++tries) {
    nodes.run_for(500ms);
    has_agreed = nodes.has_agreed();
  }
  if (rows.size() < rows_count) return 1;
  return decide(rows, nodes, has_agreed);
}

}  // namespace
}  // namespace gossipmonger

int main(int argc, char** argv) {
  const auto number = [&](int at, std::size_t otherwise) {
    return argc > at ? static_cast<std::size_t>(std::strtoull(argv[at], nullptr, 10)) : otherwise;
  };
  return gossipmonger::run(number(1, 600), number(2, 100));
}
