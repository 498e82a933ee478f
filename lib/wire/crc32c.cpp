#include "wire/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace gossipmonger {
namespace {

// The Castagnoli polynomial without its x^32, bit-reversed: bit 31 is the coefficient of x^0, as
// the checksum is defined on reflected bits.
constexpr std::uint32_t polynomial = 0x82f63b78;

// The remainder times x.
constexpr std::uint32_t times_x(std::uint32_t remainder) {
  return (remainder >> 1) ^ ((remainder & 1) != 0 ? polynomial : 0);
}

// tables[k][b]: what byte b contributes when k more bytes follow it in a step of eight.
using slicing_tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr slicing_tables make_tables() {
  slicing_tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = times_x(remainder);
    }
    tables[0][byte] = remainder;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr slicing_tables tables = make_tables();

std::uint64_t load_little_endian(const std::byte* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) {
    word = __builtin_bswap64(word);
  }
  return word;
}

#ifdef __x86_64__

// x^exponent modulo the polynomial, reflected.
constexpr std::uint32_t power_of_x(std::size_t exponent) {
  std::uint32_t remainder = 0x80000000;
  for (std::size_t i = 0; i < exponent; ++i) {
    remainder = times_x(remainder);
  }
  return remainder;
}

// The state that results when `Bytes` zero bytes follow: a multiplication by x^(8 * Bytes). The
// carry-less product of two reflected remainders is short of one power of x, and reducing it
// through the crc32 instruction gains 32: hence 33 less in the constant.
template <std::size_t Bytes>
__attribute__((target("sse4.2,pclmul"))) std::uint64_t shifted(std::uint64_t state) {
  constexpr std::uint32_t factor = power_of_x(8 * Bytes - 33);
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(state)),
                                               _mm_cvtsi32_si128(static_cast<int>(factor)), 0);
  return _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(product)));
}

// Takes rounds of three neighbouring stretches of `Bytes` from the front of `bytes`. The
// instruction has a latency of three cycles and a throughput of one: three independent chains
// keep it busy.
template <std::size_t Bytes>
__attribute__((target("sse4.2,pclmul"))) std::uint64_t take_triples(
    std::span<const std::byte>& bytes, std::uint64_t state) {
  while (bytes.size() >= 3 * Bytes) {
    const std::byte* const at = bytes.data();
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < Bytes; i += 8) {
      state = _mm_crc32_u64(state, load_little_endian(at + i));
      second = _mm_crc32_u64(second, load_little_endian(at + Bytes + i));
      third = _mm_crc32_u64(third, load_little_endian(at + 2 * Bytes + i));
    }
    state = shifted<Bytes>(shifted<Bytes>(state) ^ second) ^ third;
    bytes = bytes.subspan(3 * Bytes);
  }
  return state;
}

__attribute__((target("sse4.2,pclmul"))) std::uint32_t crc32c_by_instruction(
    std::span<const std::byte> bytes, std::uint32_t previous) {
  std::uint64_t state = ~previous;
  // A full datagram of 1160 bytes, less the 16 in which the codec blanks the checksum, is one
  // round of the first and 16 bytes.
  state = take_triples<376>(bytes, state);
  state = take_triples<64>(bytes, state);
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    state = _mm_crc32_u64(state, load_little_endian(bytes.data()));
  }
  auto narrow = static_cast<std::uint32_t>(state);
  for (const std::byte byte : bytes) {
    narrow = _mm_crc32_u8(narrow, std::to_integer<std::uint8_t>(byte));
  }
  return ~narrow;
}

#endif

}  // namespace

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t previous) {
  std::uint32_t state = ~previous;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    const std::uint64_t word = load_little_endian(bytes.data()) ^ state;
    state = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      state ^= tables[7 - i][(word >> (8 * i)) & 0xff];
    }
  }
  for (const std::byte byte : bytes) {
    state = (state >> 8) ^ tables[0][(state ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
  }
  return ~state;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("pclmul") != 0) {
    return crc32c_by_instruction(bytes, previous);
  }
#endif
  return crc32c_by_table(bytes, previous);
}

}  // namespace gossipmonger
