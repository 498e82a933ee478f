#include "watchdog.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <doctest/doctest.h>

namespace gossipmonger {

watchdog::watchdog(std::chrono::milliseconds limit, std::function<void(const std::string&)> on_hang)
    : limit_(limit), on_hang_(std::move(on_hang)), thread_([this] { watch(); }) {}

watchdog::~watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void watchdog::begin(std::string name) {
  {
    const std::lock_guard lock(mutex_);
    name_ = std::move(name);
    due_ = std::chrono::steady_clock::now() + limit_;
  }
  changed_.notify_one();
}

void watchdog::end() {
  const std::lock_guard lock(mutex_);
  name_.clear();
}

void watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!is_over_) {
    if (name_.empty()) {
      changed_.wait(lock);
    } else if (std::chrono::steady_clock::now() < due_) {
      changed_.wait_until(lock, due_);
    } else {
      on_hang_(std::exchange(name_, {}));
    }
  }
}

namespace {

/// Well beyond what any case takes on a busy machine, and below what meson gives all of them.
constexpr std::chrono::seconds case_limit{120};

/// Tells the watchdog of each case. A case that is run again for its next subcase has its time
/// anew.
struct watching_listener : doctest::IReporter {
  explicit watching_listener(const doctest::ContextOptions&) {}

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& one) override { dog.begin(one.m_name); }
  void test_case_reenter(const doctest::TestCaseData& one) override { dog.begin(one.m_name); }
  void test_case_end(const doctest::CurrentTestCaseStats&) override { dog.end(); }
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

  watchdog dog{case_limit, [](const std::string& name) {
                 std::fprintf(stderr, "hangs: %s\n", name.c_str());
                 std::abort();
               }};
};

REGISTER_LISTENER("watchdog", 1, watching_listener);

}  // namespace

TEST_CASE("watchdog: names a case that takes longer than its limit, and none that ends before") {
  using namespace std::chrono_literals;
  std::mutex mutex;
  std::string hanging;
  const auto note = [&](const std::string& name) {
    const std::lock_guard lock(mutex);
    hanging += name + ";";
  };
  const auto seen = [&] {
    const std::lock_guard lock(mutex);
    return hanging;
  };

  {
    watchdog patient(1h, note);
    patient.begin("one that ends");
    patient.end();
    patient.begin("one that runs when the tests end");
  }
  CHECK(seen().empty());

  watchdog dog(10ms, note);
  dog.begin("one that hangs");
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (seen().empty() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
  CHECK(seen() == "one that hangs;");
}

}  // namespace gossipmonger
