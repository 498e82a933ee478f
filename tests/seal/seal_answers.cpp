// Answers known_answer.py, which works the same out without libsodium. A line of standard input is
// `seal CONTENT` or `open DATAGRAM`, in hexadecimal digits. The answer is the datagram, or the
// content, or the name of the drop in angle brackets.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

#include "seal_sample.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint64_t sample_instance = 0x0123456789abcdef;

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char one : bytes) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(one)));
    text += digits.data();
  }
  return text;
}

std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

byte_list bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return byte_list(bytes.begin(), bytes.end());
}

std::string text_of(const byte_list& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string answer_to(const std::string& line, sealer& by) {
  const std::string operand = from_hex(std::string_view(line).substr(5));
  if (line.starts_with("seal ")) return to_hex(text_of(sealed_by(by, operand)));
  const std::string content = opened_by(by, bytes_of(operand));
  return content.starts_with('<') ? content : to_hex(content);
}

}  // namespace
}  // namespace gossipmonger

int main() {
  using namespace gossipmonger;
  sealer by(sample_ring({0x80, 0x10}), [] { return sample_instance; });
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.size() < 5) return 2;
    std::cout << answer_to(line, by) << std::endl;
  }
  return 0;
}
