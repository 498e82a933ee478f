// Values that span datagrams, while they come: of each peer at most one, and of that only its first
// bytes (I2). Nothing here is shown or relayed. A resource with a capacity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/model/delta.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

class partial_values {
 public:
  enum class outcome : std::uint8_t {
    grown,     ///< it brought bytes
    whole,     ///< and those were the last: `whole` shows the entry
    known,     ///< nothing in it is new, or its value is an older one than the partial's
    conflict,  ///< it contradicts the partial, or the checksum does not hold: the partial is gone
    full,      ///< no room for one more value: it is sent again from its start
  };

  /// `bytes_max` bounds the lengths of all values under way together, as they are announced: one
  /// that was let in can always be completed. Memory is taken only for what has come, and at most
  /// twice that.
  partial_values(const hash_key& cluster_key, std::size_t bytes_max);
  partial_values(const partial_values&) = delete;
  partial_values& operator=(const partial_values&) = delete;

  /// Version and offset of the slot's partial; both 0 where there is none.
  [[nodiscard]] position find(slot_index slot) const;
  /// How far the slot's partial reaches in the value with that version.
  [[nodiscard]] std::uint32_t offset_of(slot_index slot, std::uint64_t version) const;

  /// Takes what is new of the fragment `part` of `delta`. A newer value than the partial's
  /// displaces it: whoever sends that has no use for the older one any more.
  ///   expects: delta.after.offset <= offset_of(slot, part.version)
  [[nodiscard]] outcome take(slot_index slot, const delta_view& delta, const entry_view& part,
                             std::uint64_t round);
  /// The entry that `take` called whole; valid until the next non-const call.
  [[nodiscard]] entry_view whole(slot_index slot) const;

  /// The slot's partial goes if it is of a version up to `version`.
  void drop_upto(slot_index slot, std::uint64_t version);
  void forget(slot_index slot);
  /// Those that have not grown since before `round` go: nobody has their rest.
  void expire(std::uint64_t round);

  /// Bytes of values that are here.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Of the same values in whole.
  [[nodiscard]] std::size_t announced_bytes() const { return announced_bytes_; }
  [[nodiscard]] std::size_t size() const { return partials_.size(); }
  [[nodiscard]] bool is_empty() const { return partials_.empty(); }

 private:
  struct partial {
    partial() = default;

    std::uint64_t version = 0;
    std::uint64_t checksum = 0;
    std::uint32_t value_bytes = 0;  // of the whole value
    std::uint64_t round = 0;        // when it grew last
    std::string key;
    std::vector<char> bytes;
  };
  using place = std::map<slot_index, partial>::iterator;

  [[nodiscard]] static bool contradicts(const partial& held, const delta_view& delta,
                                        const entry_view& part);
  place drop(place gone);

  hash_key cluster_key_;
  std::size_t bytes_max_;
  std::size_t announced_bytes_ = 0;
  std::size_t bytes_ = 0;
  std::map<slot_index, partial>
      partials_;  // ordered: chance must not decide which expires first (I6)
};

}  // namespace gossipmonger
