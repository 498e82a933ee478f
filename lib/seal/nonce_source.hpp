// The nonces of a node: an instance that is drawn at random, and a count. No two datagrams have the
// same, also not those of a process and of its fork. A resource.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace gossipmonger {

/// Tells a process that was forked off. A resource: a page that the system clears in the child.
class fork_mark {
 public:
  fork_mark();
  fork_mark(const fork_mark&) = delete;
  fork_mark& operator=(const fork_mark&) = delete;
  ~fork_mark();

  /// Whether this process is another than at the last call; true once in each.
  [[nodiscard]] bool has_forked();

 private:
  volatile unsigned char* page_ = nullptr;  // null: the system has none, and the process id tells
  std::uint64_t page_bytes_ = 0;
  std::int64_t process_ = 0;
};

/// A number from the system's random device.
[[nodiscard]] std::uint64_t draw_from_system();

class nonce_source {
 public:
  using draw = std::function<std::uint64_t()>;

  /// Instances come from `instances`; the first one's counts begin after `count`.
  explicit nonce_source(draw instances, std::uint32_t count = 0);
  nonce_source(const nonce_source&) = delete;
  nonce_source& operator=(const nonce_source&) = delete;

  struct nonce {
    std::uint64_t instance = 0;
    std::uint32_t count = 0;
  };

  /// A nonce that was never used. At the highest count, and in a forked process, the instance is
  /// another.
  [[nodiscard]] nonce next();
  /// Draws another instance: for a machine that was restored from a snapshot.
  void renew();
  /// Whether the datagrams of that instance are mine: the present one, and the one before it.
  [[nodiscard]] bool is_own(std::uint64_t instance) const {
    return instance == instance_ || instance == former_;
  }
  /// A random number that is no nonce.
  [[nodiscard]] std::uint64_t draw_other() { return draw_(); }

 private:
  draw draw_;
  fork_mark fork_;
  std::uint64_t instance_;
  std::optional<std::uint64_t> former_;  // none before the first renewal
  std::uint32_t count_;
};

}  // namespace gossipmonger
