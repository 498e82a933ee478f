// Names the test case that hangs. On the manual clock, a wake-up that comes too early is asked for
// again and again: no time passes in which anybody could give up.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace gossipmonger {

/// Calls `on_hang` from a thread of its own with the name of a case that took longer than `limit`.
/// A resource.
class watchdog {
 public:
  watchdog(std::chrono::milliseconds limit, std::function<void(const std::string&)> on_hang);
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog();

  void begin(std::string name);
  void end();

 private:
  void watch();

  std::chrono::milliseconds limit_;
  std::function<void(const std::string&)> on_hang_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string name_;  // empty: no case runs
  std::chrono::steady_clock::time_point due_;
  bool is_over_ = false;
  std::thread thread_;  // last: it reads the others
};

}  // namespace gossipmonger
