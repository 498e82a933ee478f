// Neither direction allocates once a message's vectors are warm. This file replaces the global
// operator new of the executable to count its calls.

#include <cstdlib>
#include <new>

#include <doctest/doctest.h>

#include "datagram.hpp"
#include "sample_message.hpp"

namespace {

std::size_t allocation_count = 0;

}  // namespace

// Not inlined: g++ 12 would see `free` of what a `new` that it did not inline gave, and warn.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocation_count;
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace gossipmonger {
namespace {

std::size_t allocations_when_warm(const message& m) {
  const codec wire(test_cluster, 1200);
  datagram buffer(1200);
  message out;
  std::size_t before = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 2; ++round) {
    before = allocation_count;
    const std::size_t size = wire.encode(m, buffer.bytes());
    refused += wire.decode(buffer.bytes().first(size), out) ? 0 : 1;
  }
  const std::size_t after = allocation_count;
  CHECK(refused == 0);
  return after - before;
}

TEST_CASE("codec: encoding and decoding allocate nothing once warm") {
  message m;
  fill_sample_digest(m);
  CHECK(allocations_when_warm(m) == 0);
  fill_sample_reply(m);
  CHECK(allocations_when_warm(m) == 0);
  fill_sample_deltas(m);
  CHECK(allocations_when_warm(m) == 0);
}

TEST_CASE("codec: the count of allocations counts") {
  const std::size_t before = allocation_count;
  message out;
  message m;
  fill_sample_reply(m);
  datagram wire(m);
  REQUIRE(wire.decode(out).has_value());
  CHECK(allocation_count > before);
}

}  // namespace
}  // namespace gossipmonger
