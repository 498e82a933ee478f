// How much an address may be sent: cookies verify addresses, and brakes hold for addresses that
// never answered. Keeps nothing about unverified addresses: a cookie is a keyed hash of the address
// under a rotating secret. A resource with a capacity.
// Source: RFC 9000, sections 8.1 and 21.1 (amplification).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "gossipmonger/endpoint.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

class address_book {
 public:
  /// A reply to an unverified address is at most this many times what came from it.
  static constexpr std::size_t amplification_max = 3;
  /// A first datagram to an unverified address is padded to this much, so that 3x fits a reply.
  static constexpr std::size_t unverified_bytes_min = 400;
  /// One in `short_starts` that brought no verification is padded to this much only: 3x of it
  /// passes where a path swallows larger datagrams.
  static constexpr std::size_t unverified_bytes_short = 176;
  static constexpr std::uint32_t short_starts = 4;

  static constexpr std::uint32_t unanswered_max = 8;

  /// A secret lives for `secret_lifetime`; the one before it is still accepted, so a cookie is
  /// valid for at least one lifetime.
  address_book(std::size_t capacity, std::chrono::nanoseconds secret_lifetime, std::uint64_t seed);
  address_book(const address_book&) = delete;
  address_book& operator=(const address_book&) = delete;

  /// A cookie that was given before is good for as long as one that is given now.
  void set_secret_lifetime(std::chrono::nanoseconds length, std::chrono::nanoseconds now);

  /// The cookie that `address` shall echo; 48 bits, never 0.
  [[nodiscard]] std::uint64_t cookie_for(const endpoint& address, std::chrono::nanoseconds now);
  /// Whether `echo` is one I gave `address` lately.
  [[nodiscard]] bool is_valid_echo(std::uint64_t echo, const endpoint& address,
                                   std::chrono::nanoseconds now);

  /// `address` is verified and gave me `cookie` (0: none). Returns whether it was verified before.
  /// When the book is full, an address that never answered makes room. Where none does, the address
  /// is not noted, and a later `try_start` there begins as with any unverified one: a flood of
  /// senders that verify themselves evicts no peer's address.
  bool handle_verified(const endpoint& address, std::uint64_t cookie);
  /// The cookie `address` gave me, 0 for none.
  [[nodiscard]] std::uint64_t cookie_from(const endpoint& address);
  [[nodiscard]] bool is_verified(const endpoint& address);
  /// Starts in a row, the latest included, that brought no verification.
  [[nodiscard]] std::uint32_t unanswered(const endpoint& address);

  /// Asks to start an exchange with `address` in `round`. A verified address may always; an
  /// unverified one once a round, backing off to every 16th round while nothing comes back, at most
  /// `unverified_max` different ones a round. One that leaves `unanswered_max` starts in a row
  /// without verification is unverified again. When the book is full, an address that never
  /// answered makes room, or else the verified one not met for longest; false where neither is
  /// there.
  [[nodiscard]] bool try_start(const endpoint& address, std::uint64_t round,
                               std::size_t unverified_max);
  [[nodiscard]] std::size_t size() const { return known_.size(); }
  /// Of the unverified addresses that were asked last, the one to which I gave `cookie`.
  [[nodiscard]] std::optional<endpoint> find_asked(std::uint64_t cookie,
                                                   std::chrono::nanoseconds now);

 private:
  struct record {
    record() = default;

    std::uint64_t cookie = 0;
    std::uint64_t next_round = 0;
    std::uint64_t met_round = 0;  // of the last start or verification
    std::uint32_t unanswered = 0;
    bool is_verified = false;
  };

  // Keyed, so that nobody can choose addresses that collide.
  struct keyed_hash {
    explicit keyed_hash(const hash_key& with) : key(with) {}
    std::size_t operator()(const endpoint& address) const {
      return static_cast<std::size_t>(siphash(key, address));
    }

    hash_key key;
  };

  using table = std::unordered_map<endpoint, record, keyed_hash>;

  /// Null where it is not known. O(1), without a look into the table, for the address that was
  /// found last: one address is looked up many times.
  [[nodiscard]] record* find(const endpoint& address);
  /// expects: it is not known
  [[nodiscard]] record& add(const endpoint& address);
  void rotate(std::chrono::nanoseconds now);
  /// Evicts an unverified address whose back-off is over in `round`, or else a verified one.
  [[nodiscard]] bool try_make_room(std::uint64_t round, bool may_evict_verified);
  [[nodiscard]] static std::uint64_t make_cookie(const hash_key& secret, const endpoint& address);
  /// Under the secret of now. Datagrams come and go in runs of one address.
  [[nodiscard]] std::uint64_t cookie_of(const endpoint& address);

  std::size_t capacity_;
  std::chrono::nanoseconds secret_lifetime_;
  std::chrono::nanoseconds rotated_{};
  random_source random_;
  hash_key table_key_;
  table known_;  // its order decides nothing (I6)
  table::value_type* last_found_ = nullptr;
  hash_key secret_;
  hash_key previous_secret_;
  endpoint asked_address_;          // of `cookie_of`, last
  std::uint64_t asked_cookie_ = 0;  // the cookie; 0: the secret changed
  std::uint64_t round_ = 0;
  std::size_t started_unverified_ = 0;
  static constexpr std::size_t asked_max = 16;
  std::array<endpoint, asked_max> asked_;  // a ring; wildcards: nobody
  std::size_t asked_next_ = 0;
};

}  // namespace gossipmonger
