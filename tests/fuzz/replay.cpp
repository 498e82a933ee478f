// Runs a fuzz target without libFuzzer, built by any compiler: over a corpus, one input a line in
// hexadecimal, and over mutations of it that a fixed seed draws.
//
//     fuzz_TARGET_replay CORPUS... [--mutations N]     N of each input; default 0
//
// A failure names the input and writes it down; fuzz_TARGET_replay FILE then runs it again.
#include <array>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {
namespace {

using input = std::vector<std::uint8_t>;

constexpr const char* failed_path = "fuzz-failed.hex";
input running;  // for the signal handler

std::string hex_of(const input& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t one : bytes) {
    text += digits[one >> 4];
    text += digits[one & 15];
  }
  return text;
}

bool try_read_hex(std::string_view text, input& bytes) {
  bytes.clear();
  if (text.size() % 2 != 0) return false;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    std::uint8_t one = 0;
    const char* const first = text.data() + at;
    if (std::from_chars(first, first + 2, one, 16).ptr != first + 2) return false;
    bytes.push_back(one);
  }
  return true;
}

/// The process ends anyway: what is no use after most signals is so here.
void handle_signal(int number) {
  std::ofstream(failed_path) << hex_of(running) << '\n';
  std::cerr << "signal " << number << "; the input is in " << failed_path << '\n';
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void run(const input& bytes) {
  running = bytes;
  LLVMFuzzerTestOneInput(running.data(), running.size());
}

void mutate(input& bytes, const input& other, random_source& draws) {
  for (std::uint64_t hits = 1 + draws.below(4); hits > 0; --hits) {
    const auto at = static_cast<std::ptrdiff_t>(draws.below(bytes.size() + 1));
    const bool is_end = static_cast<std::size_t>(at) == bytes.size();
    const auto drawn = static_cast<std::uint8_t>(draws.next());
    switch (draws.below(5)) {
      case 0:
        if (!is_end) bytes[static_cast<std::size_t>(at)] = drawn;
        break;
      case 1:
        if (!is_end)
          bytes[static_cast<std::size_t>(at)] ^= static_cast<std::uint8_t>(1U << (drawn % 8));
        break;
      case 2:
        bytes.insert(bytes.begin() + at, drawn);
        break;
      case 3:
        if (!is_end) bytes.erase(bytes.begin() + at);
        break;
      default: {
        const std::size_t from = static_cast<std::size_t>(draws.below(other.size() + 1));
        bytes.resize(static_cast<std::size_t>(at));
        bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        break;
      }
    }
  }
}

int replay(const std::vector<std::string_view>& paths, std::uint64_t mutations) {
  std::vector<input> corpus;
  for (const std::string_view path : paths) {
    std::ifstream file{std::string(path)};
    std::string line;
    input bytes;
    while (std::getline(file, line)) {
      if (!try_read_hex(line, bytes)) {
        std::cerr << path << ": no hexadecimal: " << line.substr(0, 60) << '\n';
        return 1;
      }
      corpus.push_back(bytes);
    }
  }
  if (corpus.empty()) {
    std::cerr << "no input\n";
    return 1;
  }

  for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGILL}) std::signal(number, handle_signal);
  for (const input& bytes : corpus) run(bytes);
  random_source draws(1);
  for (const input& bytes : corpus) {
    for (std::uint64_t left = mutations; left > 0; --left) {
      input changed = bytes;
      mutate(changed, corpus[static_cast<std::size_t>(draws.below(corpus.size()))], draws);
      run(changed);
    }
  }
  std::cout << corpus.size() << " inputs, " << corpus.size() * mutations << " mutations\n";
  return 0;
}

}  // namespace
}  // namespace gossipmonger

int main(int argc, char** argv) {
  std::vector<std::string_view> paths(argv + 1, argv + argc);
  std::uint64_t mutations = 0;
  for (std::size_t i = 0; i + 1 < paths.size(); ++i) {
    if (paths[i] != "--mutations") continue;
    std::from_chars(paths[i + 1].data(), paths[i + 1].data() + paths[i + 1].size(), mutations);
    paths.erase(paths.begin() + static_cast<std::ptrdiff_t>(i),
                paths.begin() + static_cast<std::ptrdiff_t>(i) + 2);
  }
  return gossipmonger::replay(paths, mutations);
}
