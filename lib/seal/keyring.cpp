#include "gossipmonger/keyring.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "seal/cipher.hpp"
#include "seal/key_access.hpp"

namespace gossipmonger {
namespace {

constexpr std::string_view key_prefix = "gmk1-";
constexpr std::size_t check_bytes = 4;
constexpr std::size_t key_characters = 48;

keyring_error make_error(std::size_t line, std::string cause) {
  keyring_error error;
  error.line = line;
  error.cause = std::move(cause);
  return error;
}

std::array<std::byte, check_bytes> check_sum(std::span<const std::byte> key) {
  const std::uint32_t hash = keyed_hash(key, "gossipmonger key check 1");
  std::array<std::byte, check_bytes> sum{};
  for (std::size_t i = 0; i < check_bytes; ++i) sum[i] = static_cast<std::byte>(hash >> (8 * i));
  return sum;
}

/// The next word of `line`, which it then no longer begins with; empty at its end.
std::string_view take_word(std::string_view& line) {
  constexpr std::string_view blank = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blank));
  line.remove_prefix(word.size());
  return word;
}

/// Reads the lines of a keyring one by one. No cause quotes a line: it may hold a key.
class ring_reader {
 public:
  /// The cause where the line is refused; else empty.
  [[nodiscard]] std::string read(std::string_view line) {
    line = line.substr(0, line.find('#'));
    const std::string_view word = take_word(line);
    if (word.empty()) return {};
    const std::string_view operand = take_word(line);
    const bool is_key = word == "seal" || word == "open";
    if (!is_key && word != "plain") return "the line begins with none of seal, open, plain";
    if (operand.empty()) return "nothing follows the first word";
    if (!take_word(line).empty()) return "more than two words";
    return is_key ? read_key(word == "seal", operand) : read_plain(operand);
  }

  [[nodiscard]] bool has_seal() const { return has_seal_; }
  [[nodiscard]] keyring take() { return std::move(ring_); }

 private:
  std::string read_plain(std::string_view operand) {
    if (has_plain_) return "a second line begins with plain";
    has_plain_ = true;
    if (operand != "accepted" && operand != "sent") {
      return "plain is followed by neither accepted nor sent";
    }
    ring_.plain = operand == "sent" ? plain_policy::sent : plain_policy::accepted;
    return {};
  }

  std::string read_key(bool is_sealing, std::string_view text) {
    if (is_sealing && has_seal_) return "a second line begins with seal: one key seals";
    if (ring_.keys.size() == keyring_keys_max) return "more than 8 keys";
    if (!text.starts_with(key_prefix)) return "the key does not begin with gmk1-";
    text.remove_prefix(key_prefix.size());
    if (text.size() != key_characters) {
      return "the key is damaged: it has " + std::to_string(text.size()) +
             " characters after gmk1-, not 48";
    }
    guarded_bytes decoded(cipher_key_bytes + check_bytes);
    if (decoded.bytes().empty()) return "no memory for the key";
    if (!try_from_base64(text, decoded.bytes())) {
      return "the key is damaged: a character is none of base64url";
    }
    const auto key = std::as_const(decoded).bytes().first(cipher_key_bytes);
    const std::array<std::byte, check_bytes> sum = check_sum(key);
    if (!std::equal(sum.begin(), sum.end(), decoded.bytes().begin() + cipher_key_bytes)) {
      return "the key is damaged: its check sum does not hold";
    }
    std::shared_ptr<const seal_key> made = seal_key_access::make(key);
    if (!made) return "no protected memory for the key";
    const bool is_known = std::any_of(ring_.keys.begin(), ring_.keys.end(),
                                      [&made](const auto& one) { return one->id() == made->id(); });
    if (is_known) return "the key " + to_text(made->id()) + " stands there twice";
    ring_.keys.insert(is_sealing ? ring_.keys.begin() : ring_.keys.end(), std::move(made));
    has_seal_ = has_seal_ || is_sealing;
    return {};
  }

  keyring ring_;
  bool has_seal_ = false;
  bool has_plain_ = false;
};

}  // namespace

// ------------------------------------------------------------------------------------------- keys

seal_key::seal_key(std::unique_ptr<memory> secret) : secret_(std::move(secret)) {
  id_ = keyed_hash(std::as_const(*secret_).bytes.bytes(), "gossipmonger key id 1");
}

seal_key::~seal_key() = default;

std::shared_ptr<const seal_key> seal_key_access::make(std::span<const std::byte> bytes) {
  auto secret = std::make_unique<seal_key::memory>();
  if (secret->bytes.bytes().size() != bytes.size()) return nullptr;
  std::copy(bytes.begin(), bytes.end(), secret->bytes.bytes().begin());
  if (!secret->bytes.try_set_read_only()) return nullptr;
  return std::shared_ptr<const seal_key>(new seal_key(std::move(secret)));
}

std::string to_text(seal_key_id id) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(8, '0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = digits[id >> (28 - 4 * i) & 15];
  return text;
}

std::string key_text(std::span<const std::byte> bytes) {
  guarded_bytes whole(cipher_key_bytes + check_bytes);
  if (whole.bytes().empty()) return {};
  const std::array<std::byte, check_bytes> sum = check_sum(bytes);
  const auto end = std::copy(bytes.begin(), bytes.end(), whole.bytes().begin());
  std::copy(sum.begin(), sum.end(), end);
  std::string encoded = to_base64(whole.bytes());
  std::string text;
  text.reserve(key_prefix.size() + encoded.size());  // grows never: an old buffer is not wiped
  text.append(key_prefix).append(encoded);
  wipe(encoded);
  return text;
}

tl::expected<std::string, keyring_error> generate_key() {
  if (!has_cipher()) return tl::unexpected(make_error(0, why_no_cipher()));
  guarded_bytes drawn(cipher_key_bytes);
  if (drawn.bytes().empty()) return tl::unexpected(make_error(0, "no memory for the key"));
  draw_random(drawn.bytes());
  std::string text = key_text(drawn.bytes());
  if (text.empty()) return tl::unexpected(make_error(0, "no memory for the key"));
  return text;
}

void wipe(std::string& secret) {
  wipe(std::as_writable_bytes(std::span(secret)));
  secret.clear();
}

// ------------------------------------------------------------------------------------------ rings

bool has_seals() { return has_cipher(); }

std::string keyring_error::message() const {
  std::string text = "keyring";
  if (!file.empty()) text += " " + file;
  if (line != 0) text += ": line " + std::to_string(line);
  return text + ": " + cause;
}

tl::expected<keyring, keyring_error> parse_keyring(std::string_view text) {
  if (!has_cipher()) return tl::unexpected(make_error(0, why_no_cipher()));
  ring_reader reader;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::string cause = reader.read(line);
    if (!cause.empty()) return tl::unexpected(make_error(number, std::move(cause)));
  }
  if (!reader.has_seal()) return tl::unexpected(make_error(0, "no line begins with seal"));
  return reader.take();
}

// --------------------------------------------------------------------------------------- counters

std::string_view to_string(seal_drop reason) {
  constexpr std::array<std::string_view, seal_drop_count> names = {
      "length", "plain", "format", "key", "reflected", "replayed", "behind", "stale", "forged"};
  return names[static_cast<std::size_t>(reason)];
}

}  // namespace gossipmonger
