#include "allocations.hpp"

#include <malloc.h>

#include <cstdlib>
#include <limits>
#include <new>

namespace {

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

std::size_t count = 0;
std::size_t bytes = 0;
std::size_t left = unlimited;

// glibc keeps the size of a block in the 8 bytes before it.
std::size_t cost_of(void* block) { return malloc_usable_size(block) + sizeof(std::size_t); }

}  // namespace

std::size_t allocation_count() { return count; }

std::size_t allocated_bytes() { return bytes; }

allocation_limit::allocation_limit(std::size_t granted) { left = granted; }

allocation_limit::~allocation_limit() { left = unlimited; }

void* operator new(std::size_t size) {
  if (left == 0) {
    throw std::bad_alloc();
  }
  if (left != unlimited) {
    --left;
  }
  void* const block = std::malloc(size);
  if (block == nullptr) {
    throw std::bad_alloc();
  }
  ++count;
  bytes += cost_of(block);
  return block;
}

void operator delete(void* block) noexcept {
  if (block != nullptr) {
    bytes -= cost_of(block);
    std::free(block);
  }
}

void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

// Forwarding as the standard says; the sanitizers' own would not.
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete[](void* block) noexcept { operator delete(block); }
void operator delete[](void* block, std::size_t) noexcept { operator delete(block); }
