// The body of a datagram as a Cap'n Proto segment, laid out in the caller's memory and read from
// it. The wall between codec.cpp and Cap'n Proto, whose headers demand C++17: only pointers, sizes
// and integers cross it, packed as gossip.capnp says, and this header is C++17 too.
//
// Writing gives out room, which codec.cpp fills; reading gives out pointers into the segment. Both
// run in one pass without an allocation. Segments are 8-byte aligned.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gossipmonger::capnp_body {

inline constexpr std::size_t entry_bytes = 24;
inline constexpr std::uint16_t no_index = 65535;

enum class read_result : std::uint8_t {
  ok,
  malformed,  ///< not what Cap'n Proto or the schema allows
  field,      ///< a value was refused by the reader
};

/// A List(Entry): the first three words of each element are the entry, `stride` bytes apart.
struct entry_run {
  const unsigned char* first = nullptr;
  std::size_t stride = entry_bytes;
  std::size_t count = 0;
};

/// A Data. Room for, or bytes of it.
struct byte_run {
  const unsigned char* first = nullptr;
  std::size_t count = 0;
};

struct digest_body {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  std::uint16_t sender_index = 0;
  std::uint16_t receiver_index = no_index;
  std::uint16_t extra_count = 0;
  std::uint16_t unwanted_count = 0;
  std::uint32_t receiver_instance = 0;
  std::uint8_t partial_count = 0;
  std::uint8_t suspicion_count = 0;
  std::uint8_t interval = 0;
  std::uint8_t largest_received = 0;
};

struct reply_body {
  std::uint64_t sender_hash = 0;
  std::uint64_t sender_version_and_heartbeat = 0;
  std::uint64_t sender_generation_and_heartbeat = 0;
  std::uint64_t receiver_version_and_heartbeat = 0;
  std::uint64_t receiver_generation_and_heartbeat = 0;
  std::uint32_t receiver_hash_low = 0;
  std::uint32_t receiver_instance = 0;
};

struct news_body {
  std::uint16_t heartbeat_count = 0;
  std::uint8_t partial_count = 0;
  std::uint8_t suspicion_count = 0;
  std::uint8_t refusal = 0;
  std::uint8_t of_root = 0;
  std::uint8_t sum_bits = 0;
  std::uint8_t sum_part = 0;
};

struct identity_body {
  std::uint64_t generation = 0;
  std::uint64_t heartbeat = 0;
  std::uint64_t address_high = 0;
  std::uint64_t address_low = 0;
  std::uint32_t instance = 0;
  std::uint32_t silent_ms = 0;
  std::uint16_t port = 0;
  byte_run name;
};

struct delta_body {
  std::uint64_t name_hash = 0;
  std::uint64_t generation_and_count = 0;
  std::uint64_t after = 0;
  std::uint64_t upto = 0;
  std::uint64_t top = 0;
  std::size_t column_bytes = 0;
};

/// The source that a reply is written from: counts, then each part once, in ascending order.
class reply_source {
 public:
  std::size_t delta_count = 0;
  std::size_t entry_count = 0;  ///< of the news: heartbeats, requests, partials, suspicions, sums
  news_body news;
  std::size_t identity_count = 0;

  virtual delta_body delta(std::size_t index) = 0;
  /// Fills the columns of the delta that was asked for last.
  virtual void write_columns(std::size_t index, unsigned char* room) = 0;
  /// Fills `entry_count` entries of `entry_bytes`.
  virtual void write_entries(unsigned char* room) = 0;
  virtual identity_body identity(std::size_t index) = 0;

 protected:
  ~reply_source() = default;
};

/// The sink that a reply is read into: the root first, then the news, then the deltas. False
/// refuses the datagram.
class reply_sink {
 public:
  virtual bool take_root(const reply_body& root) = 0;
  virtual bool take_news(const news_body& news, const entry_run& entries) = 0;
  /// The number of identities, at most one for each word of the segment.
  virtual bool take_identity(const identity_body& identity) = 0;
  virtual bool take_delta(const delta_body& delta, const byte_run& columns) = 0;

 protected:
  ~reply_sink() = default;
};

/// Lays out a Digest and returns the room for its entries (not null even for none). `used` becomes
/// the bytes of the segment, which the caller must fill up to there.
///   expects: `segment` is zeroed and holds the Digest
[[nodiscard]] unsigned char* write_digest(unsigned char* segment, std::size_t segment_bytes,
                                          const digest_body& body, std::size_t entry_count,
                                          std::size_t& used);

/// Writes a Reply and returns the bytes of the segment that it takes.
///   expects: `segment` is zeroed and holds the Reply
[[nodiscard]] std::size_t write_reply(unsigned char* segment, std::size_t segment_bytes,
                                      const reply_body& body, reply_source& source);

[[nodiscard]] read_result read_digest(const unsigned char* segment, std::size_t segment_bytes,
                                      digest_body& body, entry_run& entries);

[[nodiscard]] read_result read_reply(const unsigned char* segment, std::size_t segment_bytes,
                                     reply_sink& sink);

}  // namespace gossipmonger::capnp_body
