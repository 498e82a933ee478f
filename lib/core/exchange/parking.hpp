// Deltas that came before the one they follow: kept, within a byte bound, until the gap is filled.
// Over a lossy network this saves sending again all that followed a lost datagram. A resource.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/model/delta.hpp"
#include "core/model/message.hpp"
#include "gossipmonger/types.hpp"

namespace gossipmonger {

/// A delta with its bytes.
struct parked_delta {
  parked_delta() = default;

  slot_index slot = 0;
  delta_view delta;                 ///< its entries are those below
  std::uint64_t round = 0;          ///< when it was parked
  std::vector<char> bytes;          ///< keys and values, one after the other; stays put on a move
  std::vector<entry_view> entries;  ///< views into `bytes`
};

class parking {
 public:
  /// Deltas of a slot. Each that comes is compared with them: of empty ones, the bound on bytes
  /// would let in thousands (I5).
  static constexpr std::size_t slot_deltas_max = 256;

  explicit parking(std::size_t bytes_max);
  parking(const parking&) = delete;
  parking& operator=(const parking&) = delete;

  /// Copies the delta; false if the same interval is parked already, or there is no room. Where
  /// there is none, one delta of the slot that lies further ahead gives way.
  [[nodiscard]] bool try_park(slot_index slot, const message& from, const delta_view& delta,
                              std::uint64_t round);
  /// Takes out one delta of the slot that follows what is held: everything up to `max_version`, and
  /// `partial`, version and offset of a value that is not whole; (0, 0) for none. Deltas that
  /// are wholly known by then are thrown away.
  [[nodiscard]] std::optional<parked_delta> take(slot_index slot, std::uint64_t max_version,
                                                 position partial = position());
  /// The versions of that generation above `max_version` that the parked deltas of the slot bring:
  /// disjoint and ascending. Fragments are left out.
  [[nodiscard]] std::vector<spared_interval> intervals(slot_index slot, std::uint64_t generation,
                                                       std::uint64_t max_version) const;
  void forget(slot_index slot);
  /// Drops what was parked before `round`.
  void expire(std::uint64_t round);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_empty() const { return size_ == 0; }
  /// Whether half of the bytes are taken, or as many places as are half of a slot's.
  [[nodiscard]] bool is_half_full() const {
    return bytes_ > bytes_max_ / 2 || size_ >= slot_deltas_max / 2;
  }

 private:
  [[nodiscard]] static std::size_t cost(const parked_delta& parked);
  [[nodiscard]] static bool is_known(const parked_delta& parked, std::uint64_t max_version,
                                     position partial);
  [[nodiscard]] static bool is_next(const parked_delta& parked, std::uint64_t max_version,
                                    position partial);
  /// The deltas of one slot, in the order in which they came.
  using delta_list = std::vector<parked_delta>;
  template <class Predicate>
  void drop_if(delta_list& from, Predicate is_dropped);

  std::map<slot_index, delta_list> parked_;  // no list is empty
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::size_t size_ = 0;
};

}  // namespace gossipmonger
