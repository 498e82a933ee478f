#include "gossipmonger/testing/random.hpp"

#include <bit>
#include <cassert>

namespace gossipmonger {
namespace {

/// One output of splitmix64 (Steele, Lea, Flood, OOPSLA 2014), which Blackman and Vigna name for
/// seeding: it never yields the all-zero state that xoshiro cannot leave.
std::uint64_t next_splitmix(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  std::uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

struct wide_product {
  std::uint64_t high;
  std::uint64_t low;
};

/// 64 x 64 -> 128 bits in standard C++: __int128 is an extension that -Wpedantic refuses.
wide_product multiply(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t low_half = 0xffffffff;
  const std::uint64_t low_low = (a & low_half) * (b & low_half);
  const std::uint64_t high_low = (a >> 32) * (b & low_half);
  const std::uint64_t low_high = (a & low_half) * (b >> 32);
  const std::uint64_t middle = (low_low >> 32) + (high_low & low_half) + low_high;
  return {(a >> 32) * (b >> 32) + (high_low >> 32) + (middle >> 32), a * b};
}

}  // namespace

random_source::random_source(std::uint64_t seed) : state_{} {
  for (std::uint64_t& word : state_) {
    word = next_splitmix(seed);
  }
}

std::uint64_t random_source::next() {
  const std::uint64_t drawn = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return drawn;
}

std::uint64_t random_source::below(std::uint64_t bound) {
  assert(bound > 0);
  wide_product product = multiply(next(), bound);
  if (product.low < bound) {
    // 2^64 mod bound: the draws that would make the low results too likely.
    const std::uint64_t biased = (0 - bound) % bound;
    while (product.low < biased) {
      product = multiply(next(), bound);
    }
  }
  return product.high;
}

double random_source::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

}  // namespace gossipmonger
