#include "seed_runs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <sstream>
#include <vector>

#include "sim/swarm.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;

std::string to_line(const seed_outcome& of) {
  std::ostringstream line;
  const world_counters& c = of.counters;
  const simulation_sums& s = of.sums;
  line << of.seed << ' ' << of.at_ms << ' ' << of.trace_hash << ' ' << of.node_ms << ' '
       << of.decisions << ' ' << c.datagrams << ' ' << c.bytes << ' ' << c.lost << ' '
       << c.unreachable << ' ' << c.duplicated << ' ' << c.corrupted << ' ' << c.garbled << ' '
       << c.truncated << ' ' << c.over_mtu << ' ' << c.mutated << ' ' << c.overflowed << ' '
       << c.delivered << ' ' << s.fragments << ' ' << s.fragments_bad << ' ' << s.expired << ' '
       << s.forgotten << ' ' << s.changes << ' ' << s.unreadable << ' ' << s.suspicions_refuted
       << ' ' << s.declared_dead << ' ' << s.detected << ' ' << s.advertised << ' ' << s.followed
       << ' ' << of.rounds_to_detect << ' ' << of.rounds_to_detect_max << '\t' << of.rule << '\t'
       << of.text << '\n';
  return line.str();
}

void write_all(int to, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(to, text.data() + done, text.size() - done);
    if (written <= 0) ::_exit(3);
    done += static_cast<std::size_t>(written);
  }
}

/// How a child ends that said what it found.
constexpr int found_status = 7;
/// Of processor time for one seed, which mostly takes some milliseconds. A loop that the bound on
/// steps without time does not see ends here.
constexpr time_t seed_seconds_max = 300;

/// In a child: SIGVTALRM ends it after so long, from now.
void limit_time() {
  itimerval limit{};
  limit.it_value.tv_sec = seed_seconds_max;
  ::setitimer(ITIMER_VIRTUAL, &limit, nullptr);
}

/// Describes a run whose child ended by itself.
void describe_end(int status, seed_outcome& out) {
  const bool is_endless = WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM;
  out.rule = is_endless ? "livelock" : "crash";
  out.text = is_endless
                 ? "no end after " + std::to_string(seed_seconds_max) + " s of processor time"
                 : "the process ended";
}

void describe(const violation& found, seed_outcome& out) {
  out.rule = found.rule;
  out.text = found.text;
  for (const std::size_t node : found.nodes) out.text += "; n" + std::to_string(node);
  out.at_ms = static_cast<std::uint64_t>(found.at / milliseconds{1});
}

/// In a child: a fault is written to `to` at once, and ends it.
seed_outcome run_here(std::uint64_t seed, const scenario& of, bool is_checked, int to,
                      const line_sink& on_trace) {
  limit_time();
  seed_outcome out;
  out.seed = seed;
  simulation_options how;
  how.is_checked = is_checked;
  how.on_trace = on_trace;
  how.on_fault = [&](const violation& found) {
    describe(found, out);
    if (on_trace) on_trace(out.rule + ": " + out.text);
    write_all(to, to_line(out));
    ::_exit(found_status);
  };
  const simulation_report report = simulate(of, how);
  out.trace_hash = report.trace_hash;
  out.node_ms = static_cast<std::uint64_t>(report.node_time / milliseconds{1});
  out.decisions = report.decisions;
  out.rounds_to_detect = report.rounds_to_detect;
  out.rounds_to_detect_max = report.rounds_to_detect_max;
  out.sums = report.sums;
  out.counters = report.counters;
  return out;
}

seed_outcome from_line(const std::string& text) {
  seed_outcome of;
  std::istringstream line(text);
  world_counters& c = of.counters;
  line >> of.seed >> of.at_ms >> of.trace_hash >> of.node_ms >> of.decisions >> c.datagrams >>
      c.bytes >> c.lost >> c.unreachable >> c.duplicated >> c.corrupted >> c.garbled >>
      c.truncated >> c.over_mtu >> c.mutated >> c.overflowed >> c.delivered;
  simulation_sums& s = of.sums;
  line >> s.fragments >> s.fragments_bad >> s.expired >> s.forgotten >> s.changes >> s.unreadable >>
      s.suspicions_refuted >> s.declared_dead >> s.detected >> s.advertised >> s.followed >>
      of.rounds_to_detect >> of.rounds_to_detect_max;
  line.ignore(1);
  std::getline(line, of.rule, '\t');
  std::getline(line, of.text, '\t');
  return of;
}

/// A child and the seeds that it runs: every `step`th from `next` on.
class worker {
 public:
  worker(const seed_range& range, std::uint64_t next, std::uint64_t step)
      : range_(range), next_(next), step_(step) {
    start();
  }
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;
  ~worker() { stop(); }

  [[nodiscard]] int descriptor() const { return pipe_; }
  [[nodiscard]] bool has_ended() const { return pipe_ < 0; }

  /// Takes what the child wrote.
  void read(const std::function<void(const seed_outcome&)>& on_outcome) {
    char buffer[65536];
    const ssize_t size = ::read(pipe_, buffer, sizeof buffer);
    if (size <= 0) return handle_end(on_outcome);
    text_.append(buffer, static_cast<std::size_t>(size));
    for (std::size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
      const seed_outcome outcome = from_line(text_.substr(0, end));
      text_.erase(0, end + 1);
      next_ = outcome.seed + step_;
      on_outcome(outcome);
    }
  }
  void stop() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    child_ = -1;
    if (pipe_ >= 0) ::close(pipe_);
    pipe_ = -1;
  }

 private:
  void start() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    std::fflush(nullptr);
    child_ = ::fork();
    if (child_ == 0) {
      ::close(ends[0]);
      for (std::uint64_t seed = next_; seed <= range_.last; seed += step_) {
        const scenario drawn = draw_scenario(seed);
        write_all(ends[1], to_line(run_here(seed, drawn, range_.is_checked, ends[1], nullptr)));
      }
      ::_exit(0);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }
  void handle_end(const std::function<void(const seed_outcome&)>& on_outcome) {
    ::close(pipe_);
    pipe_ = -1;
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    text_.clear();
    if (next_ > range_.last) return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == found_status) return start();
    seed_outcome crashed;
    crashed.seed = next_;
    describe_end(status, crashed);
    on_outcome(crashed);
    next_ += step_;
    if (next_ <= range_.last) start();
  }

  const seed_range& range_;
  std::uint64_t next_;
  std::uint64_t step_;
  pid_t child_ = -1;
  int pipe_ = -1;
  std::string text_;
};

}  // namespace

void run_seeds(const seed_range& range,
               const std::function<void(const seed_outcome&)>& on_outcome) {
  const auto end = std::chrono::steady_clock::now() + range.time_budget.value_or(milliseconds{0});
  std::vector<std::unique_ptr<worker>> workers;
  for (std::uint64_t i = 0; i < range.jobs && range.first + i <= range.last; ++i) {
    workers.push_back(std::make_unique<worker>(range, range.first + i, range.jobs));
  }
  bool has_failed = false;
  const auto handle = [&](const seed_outcome& outcome) {
    has_failed = has_failed || !outcome.rule.empty();
    on_outcome(outcome);
  };
  for (;;) {
    std::vector<pollfd> waiting;
    std::vector<worker*> of;
    for (const auto& one : workers) {
      if (one->has_ended()) continue;
      waiting.push_back(pollfd{one->descriptor(), POLLIN, 0});
      of.push_back(one.get());
    }
    if (waiting.empty() || (has_failed && range.stops_at_failure)) return;
    if (::poll(waiting.data(), waiting.size(), 200) < 0) {
      if (errno == EINTR) continue;  // as after a SIGSTOP
      return;
    }
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents != 0) of[i]->read(handle);
    }
    if (range.time_budget && std::chrono::steady_clock::now() >= end) return;
  }
}

seed_outcome run_apart(const scenario& of, bool is_checked, const line_sink& on_trace) {
  seed_outcome crashed;
  crashed.seed = of.seed;
  describe_end(0, crashed);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return crashed;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    write_all(ends[1], to_line(run_here(of.seed, of, is_checked, ends[1], on_trace)));
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t size = 1; size > 0;) {
    size = ::read(ends[0], buffer, sizeof buffer);
    if (size > 0) text.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  describe_end(status, crashed);
  if (!text.ends_with('\n')) return crashed;
  text.pop_back();
  return from_line(text);
}

}  // namespace gossipmonger
