// Makes valid messages from a fuzzer's bytes. Names, addresses and numbers come from a vocabulary,
// so that they may hit what a node holds, or from anywhere.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "byte_source.hpp"
#include "core/model/message.hpp"
#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

/// The names and numbers that messages speak of. An empty list, and a base of 0: anything.
struct vocabulary {
  vocabulary() = default;

  std::vector<std::string> names;
  std::vector<std::uint64_t> hashes;  ///< of the names
  std::vector<endpoint> addresses;
  std::uint64_t generation_base = 0;
};

/// A resource: what its last message points at.
class message_maker {
 public:
  explicit message_maker(vocabulary words) : words_(std::move(words)) {}
  message_maker(const message_maker&) = delete;
  message_maker& operator=(const message_maker&) = delete;

  /// Replaces `m` by a message that the codec may encode, of at most about 60,000 bytes.
  ///   lifetime: its views are valid until the next call
  void fill(byte_source& from, message& m);

  [[nodiscard]] const vocabulary& words() const { return words_; }

 private:
  [[nodiscard]] std::uint64_t hash(byte_source& from);
  [[nodiscard]] std::uint64_t generation(byte_source& from);
  [[nodiscard]] std::uint64_t count(byte_source& from, std::uint64_t limit);
  [[nodiscard]] digest_entry entry(byte_source& from);
  [[nodiscard]] std::string_view keep(std::string text) { return texts_.emplace_back(text); }
  [[nodiscard]] std::string_view key(byte_source& from);
  [[nodiscard]] std::string_view value(byte_source& from);
  [[nodiscard]] identity_view identity(byte_source& from);
  void fill_list(byte_source& from, digest& known, std::vector<packed_entry>& list);
  void fill_digest(byte_source& from, message& m);
  void fill_suspicions(byte_source& from, message& m);
  void fill_partials(byte_source& from, message& m);
  void fill_spared(byte_source& from, message& m);
  void fill_fragment(byte_source& from, message& m);
  void fill_delta(byte_source& from, message& m);
  void fill_reply(byte_source& from, message& m);
  void fill_sums(byte_source& from, message& m);

  vocabulary words_;
  std::deque<std::string> texts_;
  std::size_t text_bytes_ = 0;
};

}  // namespace gossipmonger
