// A hash of what a run of a world did, beside its datagrams: each event and each counter. A value.
// It reads fields, never memory, so that padding and the order of bytes do not matter (I6).
#pragma once

#include <cstdint>
#include <string_view>

#include "gossipmonger/event.hpp"

namespace gossipmonger {

/// One step of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): each bit of both reaches each bit.
[[nodiscard]] std::uint64_t mixed(std::uint64_t hash, std::uint64_t number);

class run_hash {
 public:
  run_hash() = default;

  void add(std::uint64_t number) { value_ = mixed(value_, number); }
  /// Its length, then its bytes.
  void add(std::string_view text);
  /// Each field.
  void add(const event_view& seen);
  /// Each counter and each gauge.
  void add(const protocol_stats& stats);

  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace gossipmonger
