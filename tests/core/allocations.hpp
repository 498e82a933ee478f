// Counts what operator new hands out in core_test, and makes it fail on demand. For tests that
// claim "no allocation", "so many bytes" or "all or nothing". Not for threads.
#pragma once

#include <cstddef>

/// Calls of operator new so far.
[[nodiscard]] std::size_t allocation_count();

/// Bytes handed out and not given back, with what malloc adds to each block.
[[nodiscard]] std::size_t allocated_bytes();

/// While it lives, the allocations after the first `granted` throw std::bad_alloc.
class allocation_limit {
 public:
  explicit allocation_limit(std::size_t granted);
  allocation_limit(const allocation_limit&) = delete;
  allocation_limit& operator=(const allocation_limit&) = delete;
  ~allocation_limit();
};
