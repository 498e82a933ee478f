#include "net/node_seal.hpp"

#include <algorithm>
#include <utility>

#include "gossipmonger/hash.hpp"
#include "seal/cipher.hpp"

namespace gossipmonger {
namespace {

using std::chrono::seconds;

constexpr std::chrono::hours report_pause{1};
constexpr std::byte plain_magic{0x67};

seal_time time_of(const moment& now) { return seal_time(now.steady, now.wall); }

keyring_error make_error(std::string cause) {
  keyring_error error;
  error.cause = std::move(cause);
  return error;
}

/// "3 h", "25 min", "40 s": a length of time, roughly.
std::string roughly(seconds length) {
  if (length >= std::chrono::hours(48))
    return std::to_string(length / std::chrono::days(1)) + " days";
  if (length >= std::chrono::hours(1)) return std::to_string(length / std::chrono::hours(1)) + " h";
  if (length >= std::chrono::minutes(1)) {
    return std::to_string(length / std::chrono::minutes(1)) + " min";
  }
  return std::to_string(length.count()) + " s";
}

/// Whether an event may tell of it. Anybody may send any bytes: only those that a node could have
/// sent are worth one.
bool is_telling(seal_drop reason, std::span<const std::byte> datagram) {
  switch (reason) {
    case seal_drop::plain:
      return datagram.front() == plain_magic;
    case seal_drop::format:
      return datagram[2] == std::byte{0} && datagram[3] == std::byte{0};
    case seal_drop::key:
    case seal_drop::stale:
      return true;
    case seal_drop::length:
    case seal_drop::reflected:
    case seal_drop::replayed:
    case seal_drop::behind:
    case seal_drop::forged:
      break;  // a network, or an attacker: counted only
  }
  return false;
}

///   expects: is_telling(reason, datagram)
std::string text_of(seal_drop reason, const seal_head& head, const endpoint& source,
                    const moment& now) {
  const std::string from = source.to_string();
  if (reason == seal_drop::plain) {
    return from + " sends plain datagrams; this node takes sealed ones only";
  }
  if (reason == seal_drop::format) {
    return from + " seals in a format that this node does not know";
  }
  if (reason == seal_drop::key) {
    return from + " seals with key " + to_text(head.key) + ", which is not in this node's keyring";
  }
  const seconds distance = std::chrono::floor<seconds>(now.wall) - seconds(std::int64_t{head.date});
  const bool is_past = distance >= seconds(0);
  return from + " dates its first datagram " + roughly(is_past ? distance : -distance) +
         (is_past ? " in the past" : " in the future") + ": check both clocks";
}

}  // namespace

tl::expected<void, keyring_error> node_seal::set_keyring(keyring ring) {
  if (!has_cipher()) return tl::unexpected(make_error(why_no_cipher()));
  if (ring.keys.empty()) return tl::unexpected(make_error("a node with a keyring needs a key"));
  if (ring.keys.size() > keyring_keys_max) return tl::unexpected(make_error("more than 8 keys"));
  for (auto one = ring.keys.begin(); one != ring.keys.end(); ++one) {
    if (*one == nullptr) return tl::unexpected(make_error("a key is null"));
    const bool is_known = std::any_of(
        ring.keys.begin(), one, [&one](const auto& other) { return other->id() == (*one)->id(); });
    if (is_known) {
      return tl::unexpected(make_error("the key " + to_text((*one)->id()) + " stands there twice"));
    }
  }
  if (sealer_) {
    sealer_->set_keyring(std::move(ring));
  } else {
    sealer_ = std::make_unique<sealer>(std::move(ring), draw_);
    sealer_->set_clock_tolerance(tolerance_);
    // Each live peer has one instance, and may have restarted.
    sealer_->set_senders_max(2 * peers_max_);
  }
  return {};
}

bool node_seal::try_set_draw(std::function<std::uint64_t()> draw) {
  if (is_on()) return false;
  draw_ = std::move(draw);
  return true;
}

void node_seal::set_clock_tolerance(seconds tolerance) {
  tolerance_ = tolerance;
  if (sealer_) sealer_->set_clock_tolerance(tolerance);
}

void node_seal::renew() {
  if (sealer_) sealer_->renew();
}

std::span<const std::byte> node_seal::seal(std::span<std::byte> room, std::size_t content_bytes,
                                           const moment& now) {
  return sealer_->seal(room, content_bytes, time_of(now));
}

node_seal::expected_content node_seal::open(std::span<std::byte> datagram, const moment& now) {
  return sealer_->open(datagram, time_of(now));
}

std::optional<std::string> node_seal::report_of(seal_drop reason,
                                                std::span<const std::byte> datagram,
                                                const endpoint& source, const moment& now) {
  // A flood comes this way: until the event is due, nothing is allocated.
  if (!is_telling(reason, datagram)) return std::nullopt;
  const std::uint64_t subject = siphash(hash_key(static_cast<std::uint64_t>(reason), 0), source);
  report_log& log = reported_[static_cast<std::size_t>(reason)];
  if (!log.try_note(subject, now.steady, report_pause)) return std::nullopt;
  const seal_head head = read_seal_head(datagram).value_or(seal_head());
  return text_of(reason, head, source, now);
}

std::string node_seal::stage() const {
  std::string text;
  for (const std::shared_ptr<const seal_key>& key : sealer_->ring().keys) {
    text += (text.empty() ? "seal " : " open ") + to_text(key->id());
  }
  if (sealer_->plain() == plain_policy::accepted) text += " plain accepted";
  if (sealer_->plain() == plain_policy::sent) text += " plain sent";
  return text;
}

std::optional<std::string> node_seal::warning() const {
  switch (sealer_->plain()) {
    case plain_policy::refused:
      return std::nullopt;
    case plain_policy::accepted:
      return "plain datagrams are accepted: the cluster is not protected yet";
    case plain_policy::sent:
      return "plain datagrams are sent and accepted: the cluster is not protected yet";
  }
  return std::nullopt;
}

void node_seal::note_sender(std::uint64_t name_hash) {
  const auto known = sealed_with_.find(name_hash);
  // Peers that are long gone have left rows: all begin anew.
  if (known == sealed_with_.end() && sealed_with_.size() >= 2 * peers_max_) sealed_with_.clear();
  sealed_with_[name_hash] = sealer_->last_key().value_or(0);
}

std::optional<seal_key_id> node_seal::sealed_with(std::uint64_t name_hash) const {
  const auto known = sealed_with_.find(name_hash);
  if (known == sealed_with_.end()) return std::nullopt;
  return known->second;
}

seal_counters node_seal::counters() const {
  return sealer_ ? sealer_->counters() : seal_counters();
}

}  // namespace gossipmonger
