#include "core/membership/address_book.hpp"

#include <algorithm>
#include <tuple>

namespace gossipmonger {

namespace {

constexpr std::uint64_t cookie_mask = (std::uint64_t{1} << 48) - 1;
constexpr std::uint64_t backoff_rounds_max = 16;

}  // namespace

address_book::address_book(std::size_t capacity, std::chrono::nanoseconds secret_lifetime,
                           std::uint64_t seed)
    : capacity_(std::max<std::size_t>(1, capacity)),
      secret_lifetime_(secret_lifetime),
      random_(seed),
      // Braces, here and below: what they hold is drawn in this order, whatever the compiler (I6).
      table_key_{random_.next(), random_.next()},
      known_(0, keyed_hash(table_key_)) {
  secret_ = hash_key{random_.next(), random_.next()};
  previous_secret_ = hash_key{random_.next(), random_.next()};
}

void address_book::rotate(std::chrono::nanoseconds now) {
  if (rotated_ == std::chrono::nanoseconds{}) rotated_ = now;
  if (now - rotated_ < secret_lifetime_) return;
  // After two lifetimes without a call the old secret is out of date as well.
  const bool is_long_ago = now - rotated_ >= 2 * secret_lifetime_;
  previous_secret_ = is_long_ago ? hash_key{random_.next(), random_.next()} : secret_;
  secret_ = hash_key{random_.next(), random_.next()};
  asked_cookie_ = 0;
  // From when it was due: a late call must not lengthen the life of what was given before.
  rotated_ = is_long_ago ? now : rotated_ + secret_lifetime_;
}

void address_book::set_secret_lifetime(std::chrono::nanoseconds length,
                                       std::chrono::nanoseconds now) {
  rotate(now);
  secret_lifetime_ = length;
  // A cookie that was given a moment ago, under an older secret, is good for a lifetime.
  rotated_ = std::max(rotated_, now - length);
}

std::uint64_t address_book::make_cookie(const hash_key& secret, const endpoint& address) {
  const std::uint64_t cookie = siphash(secret, address) & cookie_mask;
  return cookie == 0 ? 1 : cookie;
}

std::uint64_t address_book::cookie_of(const endpoint& address) {
  if (asked_cookie_ == 0 || asked_address_ != address) {
    asked_cookie_ = make_cookie(secret_, address);
    asked_address_ = address;
  }
  return asked_cookie_;
}

std::uint64_t address_book::cookie_for(const endpoint& address, std::chrono::nanoseconds now) {
  rotate(now);
  return cookie_of(address);
}

bool address_book::is_valid_echo(std::uint64_t echo, const endpoint& address,
                                 std::chrono::nanoseconds now) {
  if (echo == 0) return false;
  rotate(now);
  return echo == cookie_of(address) || echo == make_cookie(previous_secret_, address);
}

address_book::record* address_book::find(const endpoint& address) {
  if (last_found_ == nullptr || last_found_->first != address) {
    const auto place = known_.find(address);
    if (place == known_.end()) return nullptr;
    last_found_ = &*place;
  }
  return &last_found_->second;
}

address_book::record& address_book::add(const endpoint& address) {
  last_found_ = &*known_.emplace(address, record()).first;
  return last_found_->second;
}

bool address_book::handle_verified(const endpoint& address, std::uint64_t cookie) {
  record* place = find(address);
  if (place == nullptr) {
    if (known_.size() == capacity_ && !try_make_room(round_, false)) return false;
    place = &add(address);
  }
  record& known = *place;
  const bool was_verified = known.is_verified;
  known.is_verified = true;
  known.unanswered = 0;
  known.met_round = round_;
  if (cookie != 0) known.cookie = cookie;
  return was_verified;
}

std::uint64_t address_book::cookie_from(const endpoint& address) {
  const record* const known = find(address);
  return known == nullptr ? 0 : known->cookie;
}

bool address_book::is_verified(const endpoint& address) {
  const record* const known = find(address);
  return known != nullptr && known->is_verified;
}

std::uint32_t address_book::unanswered(const endpoint& address) {
  const record* const known = find(address);
  return known == nullptr ? 0 : known->unanswered;
}

bool address_book::try_make_room(std::uint64_t round, bool may_evict_verified) {
  // Addresses that never answered go first, then the address that was not met for longest:
  // forgotten peers leave their addresses behind, and nothing else takes these out. Among equals
  // the address decides, not its place in the table (I6).
  const auto rank = [](const auto& one) {
    return std::tuple(one.second.is_verified, one.second.is_verified ? one.second.met_round : 0,
                      one.first);
  };
  auto goes = known_.end();
  for (auto place = known_.begin(); place != known_.end(); ++place) {
    const record& one = place->second;
    if (one.is_verified ? !may_evict_verified : one.next_round > round) continue;
    if (goes == known_.end() || rank(*place) < rank(*goes)) goes = place;
  }
  if (goes == known_.end()) return false;
  if (last_found_ == &*goes) last_found_ = nullptr;
  known_.erase(goes);
  return true;
}

bool address_book::try_start(const endpoint& address, std::uint64_t round,
                             std::size_t unverified_max) {
  if (round != round_) {
    round_ = round;
    started_unverified_ = 0;
  }
  record* place = find(address);
  if (place == nullptr) {
    if (known_.size() == capacity_ && !try_make_room(round, true)) return false;
    place = &add(address);
  }
  record& known = *place;
  if (known.is_verified) {
    known.met_round = round;
    ++known.unanswered;
    if (known.unanswered > unanswered_max) known.is_verified = false;
    return true;
  }
  if (known.next_round > round || started_unverified_ >= unverified_max) return false;
  ++started_unverified_;
  ++known.unanswered;
  if (std::find(asked_.begin(), asked_.end(), address) == asked_.end()) {
    asked_[asked_next_] = address;
    asked_next_ = (asked_next_ + 1) % asked_max;
  }
  const std::uint64_t backoff = std::uint64_t{1}
                                << std::min<std::uint32_t>(known.unanswered / 2, 4);
  known.next_round = round + std::min(backoff, backoff_rounds_max);
  return true;
}

std::optional<endpoint> address_book::find_asked(std::uint64_t cookie,
                                                 std::chrono::nanoseconds now) {
  const auto place = std::find_if(asked_.begin(), asked_.end(), [&](const endpoint& one) {
    return !one.is_wildcard() && !is_verified(one) && is_valid_echo(cookie, one, now);
  });
  return place == asked_.end() ? std::nullopt : std::optional(*place);
}

}  // namespace gossipmonger
