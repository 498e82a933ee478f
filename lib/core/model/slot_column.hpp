// Values that a machine keeps of each peer, by the peer's slot. A value.
#pragma once

#include <cassert>
#include <cstddef>
#include <vector>

#include "gossipmonger/types.hpp"

namespace gossipmonger {

template <class Value>
class slot_column {
 public:
  slot_column() = default;

  /// The slot's value is as for a peer of which nothing is known. To be called before its first
  /// use.
  void begin(slot_index slot) {
    if (slot >= values_.size()) values_.resize(slot + std::size_t{1});
    values_[slot] = Value();
  }
  /// expects: the slot has begun
  [[nodiscard]] Value& operator[](slot_index slot) {
    assert(slot < values_.size());
    return values_[slot];
  }
  [[nodiscard]] const Value& operator[](slot_index slot) const {
    assert(slot < values_.size());
    return values_[slot];
  }

 private:
  std::vector<Value> values_;
};

}  // namespace gossipmonger
