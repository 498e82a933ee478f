#include "wire/header.hpp"

#include <array>
#include <cassert>

#include "wire/crc32c.hpp"

namespace gossipmonger {
namespace {

// Places in the header, and values; gossip.capnp has the table.
constexpr std::size_t versions_at = 1;
constexpr std::size_t kind_at = 2;
constexpr std::size_t features_at = 3;
constexpr std::size_t cluster_at = 4;
constexpr std::size_t checksum_at = 8;
constexpr std::size_t cookie_echo_at = 12;
constexpr std::size_t cookie_at = 18;
constexpr std::uint8_t magic = 0x67;
constexpr std::uint8_t more_bit = 0x80;
constexpr std::uint8_t version_bits = 0x70;
constexpr int version_shift = 4;
static_assert(versions_below_max == version_bits >> version_shift);
constexpr std::size_t cookie_bytes = 6;
[[maybe_unused]] constexpr std::uint64_t cookie_max = (std::uint64_t{1} << 48) - 1;

// Of the datagram with its checksum field zero.
std::uint32_t checksum_of(std::span<const std::byte> datagram) {
  static_assert(checksum_at == word_bytes);
  constexpr std::uint64_t checksum_bits = 0xffffffff;
  std::array<std::byte, 2 * word_bytes> front;
  store(front.data(), load<std::uint64_t>(datagram.data()));
  store(front.data() + word_bytes,
        load<std::uint64_t>(datagram.data() + word_bytes) & ~checksum_bits);
  return crc32c(datagram.subspan(front.size()), crc32c(front));
}

void store_cookie(std::byte* to, std::uint64_t cookie) {
  assert(cookie <= cookie_max);
  cookie = swapped_if_big(cookie << 16);
  std::memcpy(to, reinterpret_cast<const std::byte*>(&cookie) + 2, cookie_bytes);
}

std::uint64_t load_cookie(const std::byte* from) {
  std::array<std::byte, word_bytes> bytes{};
  std::memcpy(bytes.data(), from, cookie_bytes);
  return load<std::uint64_t>(bytes.data());
}

// The sender's range of wire versions, and the version of this datagram. Says whether I read it.
bool read_versions(const std::byte* at, const wire_range& spoken, message& out) {
  const auto versions = load<std::uint8_t>(at + versions_at);
  out.versions.lowest = versions & 0x0f;
  out.versions.highest = versions >> 4;
  const int below_highest = (load<std::uint8_t>(at + kind_at) & version_bits) >> version_shift;
  const int written = out.versions.highest - below_highest;
  const bool is_sound = out.versions.lowest >= 1 && written >= out.versions.lowest;
  if (!is_sound || written < spoken.lowest || written > spoken.highest) return false;
  out.wire_version = static_cast<std::uint8_t>(written);
  return true;
}

}  // namespace

void write_header(const message& m, const wire_range& spoken, std::uint32_t cluster_id,
                  std::span<std::byte> datagram) {
  assert(m.wire_version >= spoken.lowest && m.wire_version <= spoken.highest);
  std::byte* const at = datagram.data();
  const int below_highest = spoken.highest - m.wire_version;
  const int kind = static_cast<int>(m.kind) | below_highest << version_shift;
  store(at, magic);
  store(at + versions_at, static_cast<std::uint8_t>(spoken.highest << 4 | spoken.lowest));
  store(at + kind_at, static_cast<std::uint8_t>(kind | (m.more ? more_bit : 0)));
  store(at + features_at, m.features);
  store(at + cluster_at, cluster_id);
  store_cookie(at + cookie_echo_at, m.cookie_echo);
  store_cookie(at + cookie_at, m.cookie);
  store(at + checksum_at, checksum_of(datagram));
}

tl::expected<void, drop_reason> read_header(std::span<const std::byte> datagram,
                                            const wire_range& spoken, std::uint32_t cluster_id,
                                            message& out) {
  const std::byte* const at = datagram.data();
  if (load<std::uint8_t>(at) != magic) return tl::unexpected(drop_reason::magic);
  if (load<std::uint32_t>(at + cluster_at) != cluster_id) {
    return tl::unexpected(drop_reason::cluster);
  }
  if (load<std::uint32_t>(at + checksum_at) != checksum_of(datagram)) {
    return tl::unexpected(drop_reason::checksum);
  }
  // After the checksum, so that damage makes no sender look too old or too new.
  if (!read_versions(at, spoken, out)) return tl::unexpected(drop_reason::wire_version);

  const auto kind = load<std::uint8_t>(at + kind_at);
  const auto leg = static_cast<message_kind>(kind & 0x0f);
  if (leg != message_kind::digest && leg != message_kind::reply && leg != message_kind::deltas) {
    return tl::unexpected(drop_reason::kind);
  }
  out.kind = leg;
  out.more = (kind & more_bit) != 0;
  out.features = load<std::uint8_t>(at + features_at);
  out.cookie_echo = load_cookie(at + cookie_echo_at);
  out.cookie = load_cookie(at + cookie_at);
  return {};
}

std::uint32_t cluster_of(std::span<const std::byte> datagram) {
  return load<std::uint32_t>(datagram.data() + cluster_at);
}

}  // namespace gossipmonger
