#include "seal/sealer.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "seal/cipher.hpp"
#include "seal/key_access.hpp"

namespace gossipmonger {
namespace {

using std::chrono::seconds;

constexpr std::byte magic{0x73};
constexpr std::byte format{1};

// Where each field of the head begins.
constexpr std::size_t at_format = 1;
constexpr std::size_t at_zero = 2;
constexpr std::size_t at_key = 4;
constexpr std::size_t at_instance = 8;
constexpr std::size_t at_date = 16;
constexpr std::size_t at_count = 20;
static_assert(at_count + 4 == seal_head_bytes && seal_head_bytes == cipher_nonce_bytes &&
              seal_tag_bytes == cipher_tag_bytes);

/// Before 2020 a clock was never set: dates are then not compared.
constexpr seconds first_date{1'577'836'800};
/// Unheard senders are kept this long where dates are not looked at.
constexpr seconds silence_without_dates = std::chrono::hours(48);

template <class Number>
void put(std::span<std::byte> to, std::size_t at, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    to[at + i] = static_cast<std::byte>(number >> (8 * i));
  }
}

template <class Number>
Number read(std::span<const std::byte> from, std::size_t at) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) {
    number |= static_cast<Number>(static_cast<Number>(from[at + i]) << (8 * i));
  }
  return number;
}

std::optional<seal_drop> why_no_head(std::span<const std::byte> datagram) {
  if (datagram.size() < seal_head_bytes + seal_tag_bytes) return seal_drop::length;
  if (datagram[0] != magic) return seal_drop::plain;
  const bool is_known = datagram[at_format] == format && datagram[at_zero] == std::byte{0} &&
                        datagram[at_zero + 1] == std::byte{0};
  if (!is_known) return seal_drop::format;
  return std::nullopt;
}

seal_head read_fields(std::span<const std::byte> datagram) {
  seal_head head;
  head.key = read<std::uint32_t>(datagram, at_key);
  head.instance = read<std::uint64_t>(datagram, at_instance);
  head.date = read<std::uint32_t>(datagram, at_date);
  head.count = read<std::uint32_t>(datagram, at_count);
  return head;
}

seconds whole(std::chrono::nanoseconds time) { return std::chrono::floor<seconds>(time); }

}  // namespace

std::optional<seal_head> read_seal_head(std::span<const std::byte> datagram) {
  if (why_no_head(datagram)) return std::nullopt;
  return read_fields(datagram);
}

sealer::sealer(keyring ring, nonce_source::draw instances, std::uint32_t count)
    : nonces_(std::move(instances), count), windows_(nonces_.draw_other()) {
  set_keyring(std::move(ring));
}

void sealer::set_clock_tolerance(seconds tolerance) {
  constexpr seconds shortest(1);
  constexpr seconds longest(std::numeric_limits<std::uint32_t>::max());  // as far as dates go
  const bool is_any = tolerance == seconds(0);
  tolerance_ = is_any ? tolerance : std::clamp(tolerance, shortest, longest);
}

void sealer::set_keyring(keyring ring) {
  assert(!ring.keys.empty() && ring.keys.size() <= keyring_keys_max);
  std::vector<seal_key_counters> counters;
  for (const std::shared_ptr<const seal_key>& key : ring.keys) {
    seal_key_counters one;
    if (const std::optional<std::size_t> known = find_key(key->id())) one = of_keys_[*known];
    one.id = key->id();
    one.is_sealing = counters.empty() && ring.plain != plain_policy::sent;
    counters.push_back(one);
  }
  of_keys_ = std::move(counters);
  ring_ = std::move(ring);
}

std::optional<std::size_t> sealer::find_key(seal_key_id id) const {
  for (std::size_t i = 0; i < of_keys_.size(); ++i) {
    if (of_keys_[i].id == id) return i;
  }
  return std::nullopt;
}

std::span<const std::byte> sealer::seal(std::span<std::byte> room, std::size_t content_bytes,
                                        const seal_time& now) {
  constexpr std::size_t frame_bytes = seal_head_bytes + seal_tag_bytes;
  if (room.size() < frame_bytes || content_bytes > room.size() - frame_bytes) return {};
  if (ring_.plain == plain_policy::sent) {
    ++counted_.plain_sent;
    return room.subspan(seal_head_bytes, content_bytes);
  }
  const nonce_source::nonce nonce = nonces_.next();
  const std::span<std::byte> head = room.first(seal_head_bytes);
  head[0] = magic;
  head[at_format] = format;
  put(head, at_zero, std::uint16_t{0});
  put(head, at_key, of_keys_.front().id);
  put(head, at_instance, nonce.instance);
  put(head, at_date, static_cast<std::uint32_t>(whole(now.wall).count()));
  put(head, at_count, nonce.count);
  const std::span<std::byte> body = room.subspan(seal_head_bytes, content_bytes + seal_tag_bytes);
  encrypt(seal_key_access::bytes_of(*ring_.keys.front()), head, body, content_bytes);
  ++counted_.sealed;
  ++of_keys_.front().sealed;
  return room.first(seal_head_bytes + body.size());
}

tl::expected<std::span<std::byte>, seal_drop> sealer::open(std::span<std::byte> datagram,
                                                           const seal_time& now) {
  const auto drop = [this](seal_drop reason) {
    ++counted_.drops[static_cast<std::size_t>(reason)];
    return tl::unexpected<seal_drop>(reason);
  };
  const seconds present = whole(now.steady);
  const bool has_tolerance = tolerance_ > seconds(0);
  // Before the look: a datagram of a sender that is forgotten is its first again.
  windows_.forget_idle(present, has_tolerance ? 2 * tolerance_ : silence_without_dates,
                       first_date_in_time(now));
  const std::optional<seal_drop> wrong = why_dropped(datagram, now);
  const bool may_be_plain = ring_.plain != plain_policy::refused;
  const bool is_sealed = !datagram.empty() && datagram[0] == magic;
  if (may_be_plain && !is_sealed) {
    ++counted_.plain_opened;
    last_key_.reset();
    return datagram;
  }
  if (wrong) return drop(*wrong);

  const seal_head head = read_fields(datagram);
  const std::size_t key = *find_key(head.key);
  const std::span<std::byte> body = datagram.subspan(seal_head_bytes);
  const std::optional<std::size_t> size = try_decrypt(seal_key_access::bytes_of(*ring_.keys[key]),
                                                      datagram.first(seal_head_bytes), body);
  if (!size) return drop(seal_drop::forged);

  windows_.mark(head.instance, head.count, head.date, present);
  last_key_ = head.key;
  ++counted_.opened;
  ++of_keys_[key].opened;
  of_keys_[key].opened_last = now.steady;
  return body.first(*size);
}

std::optional<seal_drop> sealer::why_dropped(std::span<const std::byte> datagram,
                                             const seal_time& now) const {
  if (const std::optional<seal_drop> wrong = why_no_head(datagram)) return wrong;
  const seal_head head = read_fields(datagram);
  if (!find_key(head.key)) return seal_drop::key;
  if (nonces_.is_own(head.instance)) return seal_drop::reflected;
  const replay_window* const counts = windows_.find(head.instance);
  const bool may_be_old = counts == nullptr || head.count < counts->first();
  if (may_be_old && !is_dated(head.date, now)) return seal_drop::stale;
  if (counts == nullptr) return std::nullopt;
  switch (counts->look(head.count)) {
    case replay_window::standing::fresh:
      return std::nullopt;
    case replay_window::standing::replayed:
      return seal_drop::replayed;
    case replay_window::standing::behind:
      return seal_drop::behind;
  }
  return std::nullopt;
}

bool sealer::is_dated(std::uint32_t date, const seal_time& now) const {
  const seconds present = whole(now.wall);
  if (tolerance_ == seconds(0) || present < first_date) return true;
  const seconds distance = present - seconds(date);
  return distance <= tolerance_ && distance >= -tolerance_;
}

seconds sealer::first_date_in_time(const seal_time& now) const {
  if (tolerance_ == seconds(0)) return seconds::max();  // no date will be looked at
  const seconds present = whole(now.wall);
  return present < first_date ? seconds(0) : present - tolerance_;
}

seal_counters sealer::counters() const {
  seal_counters all = counted_;
  all.instances = windows_.size();
  all.evictions = windows_.evictions();
  all.plain = ring_.plain;
  all.keys = of_keys_;
  return all;
}

}  // namespace gossipmonger
