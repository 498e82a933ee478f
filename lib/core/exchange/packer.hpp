// The exact size of a message on the wire, so that the core fills datagrams to the last byte
// without knowing the wire (I4). One Cap'n Proto segment is plain arithmetic; the codec asserts
// this model on every encode. A packer is a resource: it fills one message and refuses what does
// not fit.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/model/message.hpp"
#include "core/model/size_limits.hpp"

namespace gossipmonger {

/// The size of `m` once encoded, header included and padding excluded. A multiple of 8.
///   expects: m.deltas[i] covers m.entries[first_entry, first_entry + entry_count), in order
[[nodiscard]] std::size_t encoded_bytes(const message& m);

/// The size of the datagram that carries `m`: encoded, and padded to whole words where it asks for
/// padding. A multiple of 8.
///   expects: as encoded_bytes
[[nodiscard]] std::size_t datagram_bytes(const message& m);
/// The same of a message of which `encoded_bytes` is known.
[[nodiscard]] std::size_t datagram_bytes(const message& m, std::size_t encoded);

/// The largest key + value that travels whole: the entry alone with its delta frame fits into a
/// datagram together with header and seal, whatever its version gap and its exchange. A larger
/// entry travels in fragments.
[[nodiscard]] std::size_t entry_bytes_limit(std::size_t datagram_bytes_max);

/// Less of a value is not worth the frame of a delta.
inline constexpr std::size_t fragment_bytes_min = 256;

/// Bytes of `number` as LEB128 (DWARF 5, section 7.6): 1 to 10.
[[nodiscard]] constexpr std::size_t varint_bytes(std::uint64_t number) {
  return (static_cast<std::size_t>(std::bit_width(number | 1)) + 6) / 7;
}

/// Fills one message up to a budget. Sender, receiver, cookies and flags cost nothing extra: the
/// frame counts them from the start. Each `try_add` either adds and returns true, or returns
/// false and leaves the message as it was.
class packer {
 public:
  /// Starts an empty message of `kind` in `out`.
  ///   expects: budget >= frame of the kind; `out` outlives the packer
  packer(message& out, message_kind kind, std::size_t budget_bytes);
  packer(const packer&) = delete;
  packer& operator=(const packer&) = delete;

  /// Adds as many of the first of `entries` to the range as there is room for, uncopied where that
  /// can be. Returns how many.
  std::size_t add_range(std::span<const packed_entry> entries);
  [[nodiscard]] bool try_add_extra(const digest_entry& entry);
  [[nodiscard]] bool try_add_unwanted(const digest_entry& entry);
  [[nodiscard]] bool try_add_identity(const identity_view& identity);
  /// The same of heartbeats, of a random-access range of packed entries, which are copied.
  template <typename Entries>
  std::size_t add_heartbeats(const Entries& entries) {
    const std::size_t added = take_entries(entries.size());
    std::vector<packed_entry>& list = out_.heartbeats.own();
    list.insert(list.end(), entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(added));
    return added;
  }
  [[nodiscard]] bool try_add_request(const digest_entry& entry);
  /// Where one of that peer stands in the message already, as when a hostile digest names a peer
  /// twice, it stays, and this returns true.
  [[nodiscard]] bool try_add_partial(const partial_entry& partial);
  /// In a digest without a claim.
  ///   expects: above those that stand in it
  [[nodiscard]] bool try_add_spared(const spared_interval& interval);
  /// In a reply, once.
  [[nodiscard]] bool try_set_refusal(refusal reason);
  /// In a digest without a claim, once.
  [[nodiscard]] bool try_set_root(const root_sum& root);
  /// In a digest with a claim, once.
  [[nodiscard]] bool try_set_buckets(const bucket_set& buckets);
  /// In a reply, once.
  [[nodiscard]] bool try_answer_root(root_answer answer);
  /// Makes room for that part of 2^bits sums, zeros at first, in a reply that answers a root.
  [[nodiscard]] bool try_reserve_sums(unsigned bits, unsigned part);
  /// In a message of either kind.
  [[nodiscard]] bool try_add_suspicion(const suspicion_entry& entry);

  /// Opens a delta that starts at `after`; its `upto` is `after` until entries follow.
  /// Only the last opened delta takes entries.
  [[nodiscard]] bool try_open_delta(std::uint64_t name_hash, std::uint64_t generation,
                                    position after, std::uint64_t top);
  /// expects: a delta is open; entry.version > its upto
  [[nodiscard]] bool try_add_entry(const entry_view& entry);
  /// The open delta covers everything up to `upto`, though no entry stands there.
  void extend_delta(std::uint64_t upto);
  /// Takes the open delta back if it covers nothing (after == upto).
  void close_delta();
  /// Adds a delta with as much of `entry`'s value as there is room for, from `after.offset` on; no
  /// less than `fragment_bytes_min` unless the value ends before. No delta is open then.
  ///   expects: after.version < entry.version; after.offset < entry.value.size() <= offset_max
  [[nodiscard]] bool try_add_fragment(std::uint64_t name_hash, std::uint64_t generation,
                                      position after, std::uint64_t top, const entry_view& entry,
                                      std::uint64_t value_checksum);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t bytes_left() const { return budget_ - bytes_; }

 private:
  [[nodiscard]] bool try_take(std::size_t more) {
    if (more > bytes_left()) return false;
    bytes_ += more;
    return true;
  }
  /// Whether the frame of a reply's news is counted already.
  [[nodiscard]] bool has_news() const {
    return has_entries_ || !out_.identities.empty() || out_.refused != refusal::none ||
           out_.of_root != root_answer::none;
  }
  /// For one more entry of a digest's lists, or of a reply's news.
  [[nodiscard]] bool try_take_entry();
  /// The cost of the next entry besides itself.
  [[nodiscard]] std::size_t entries_frame() const;
  /// For as many of `count` more as there is room for. Returns how many.
  std::size_t take_entries(std::size_t count);

  message& out_;
  std::size_t budget_;
  std::size_t bytes_;
  bool has_entries_ = false;  // the list of a digest, or of a reply's news
  // The open delta's columns, unpadded: gaps cost nothing while all of them are 1.
  std::size_t gap_bytes_ = 0;
  std::size_t column_bytes_ = 0;
  std::uint64_t last_version_ = 0;  // gaps are counted from entry to entry
  bool is_gapped_ = false;
};

}  // namespace gossipmonger
