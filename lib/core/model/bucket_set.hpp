// A set of the 512 buckets in which rows lie by the top nine bits of their hashes. A value.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gossipmonger {

class bucket_set {
 public:
  static constexpr unsigned bits = 9;
  static constexpr std::size_t count = std::size_t{1} << bits;

  bucket_set() = default;  ///< of none

  friend bool operator==(const bucket_set&, const bucket_set&) = default;

  /// Adds bucket `index` of 2^of_bits: that is one of the 512, or several of them.
  ///   expects: of_bits <= bits, index < 2^of_bits
  void add(std::size_t index, unsigned of_bits = bits) {
    const std::size_t times = count >> of_bits;
    for (std::size_t one = index * times; one < (index + 1) * times; ++one) {
      words_[one / 64] |= std::uint64_t{1} << one % 64;
    }
  }
  void add(const bucket_set& others) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= others.words_[i];
  }
  [[nodiscard]] bool has(std::size_t bucket) const {
    return (words_[bucket / 64] >> bucket % 64 & 1) != 0;
  }
  [[nodiscard]] bool has_hash(std::uint64_t name_hash) const {
    return has(static_cast<std::size_t>(name_hash >> (64 - bits)));
  }
  [[nodiscard]] bool is_empty() const {
    return std::all_of(words_.begin(), words_.end(), [](std::uint64_t one) { return one == 0; });
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t sum = 0;
    for (const std::uint64_t one : words_) sum += static_cast<std::size_t>(std::popcount(one));
    return sum;
  }
  /// The first hash of a bucket in the set that is not below `name_hash`; 0: none is.
  [[nodiscard]] std::uint64_t next_hash(std::uint64_t name_hash) const {
    if (has_hash(name_hash)) return name_hash;
    for (std::size_t bucket = (name_hash >> (64 - bits)) + 1; bucket < count; ++bucket) {
      if (has(bucket)) return static_cast<std::uint64_t>(bucket) << (64 - bits);
    }
    return 0;
  }
  /// The last hash of the bucket of `name_hash`.
  [[nodiscard]] static std::uint64_t end_of(std::uint64_t name_hash) {
    return name_hash | ~std::uint64_t{0} >> bits;
  }

  /// As they are told: bucket i is bit i % 64 of word i / 64.
  using words = std::array<std::uint64_t, count / 64>;
  [[nodiscard]] const words& as_words() const { return words_; }
  [[nodiscard]] static bucket_set of_words(const words& from) {
    bucket_set made;
    made.words_ = from;
    return made;
  }

 private:
  words words_{};
};

}  // namespace gossipmonger
