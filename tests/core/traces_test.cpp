// Runs the files of tests/core/traces and compares what they show; traces/README.md has the rest.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include "trace_cluster.hpp"

namespace gossipmonger {

namespace {

using std::filesystem::path;

/// Where the files are: as the build says, else as seen from the root of the repository.
path trace_folder() {
  const char* const told = std::getenv("GOSSIPMONGER_TRACES");
  return told != nullptr ? told : "tests/core/traces";
}

std::vector<path> trace_files() {
  std::vector<path> files;
  std::error_code missing;
  for (const auto& one : std::filesystem::directory_iterator(trace_folder(), missing)) {
    if (one.path().extension() == ".txt") files.push_back(one.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_file(const path& from) {
  std::ifstream file(from, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

bool is_command(const std::string& line) {
  return !line.empty() && !line.starts_with('#') && !line.starts_with(' ');
}

/// The file as its commands make it: with its comments and blank lines, and what follows from each
/// command beneath that, by two blanks.
///   throws: trace_error, with file and line
std::string played(const std::string& name, const std::string& text) {
  trace_cluster cluster;
  std::istringstream lines(text);
  std::string made;
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.starts_with(' ')) continue;  // the former output
    made += line + "\n";
    if (!is_command(line)) continue;
    try {
      for (const std::string& shown : cluster.run(line)) made += "  " + shown + "\n";
    } catch (const std::exception& error) {
      throw trace_error(name + ":" + std::to_string(number) + ": " + error.what());
    }
  }
  return made;
}

/// The first line in which the two differ, as "NAME:LINE: ..."; empty if there is none.
std::string difference(const std::string& name, const std::string& there, const std::string& now) {
  std::istringstream expected(there);
  std::istringstream seen(now);
  std::string left;
  std::string right;
  for (std::size_t number = 1;; ++number) {
    const bool has_left = static_cast<bool>(std::getline(expected, left));
    const bool has_right = static_cast<bool>(std::getline(seen, right));
    if (!has_left && !has_right) return {};
    if (has_left && has_right && left == right) continue;
    return name + ":" + std::to_string(number) +
           ":\n  in the file: " + (has_left ? left : "(the end)") +
           "\n  now:         " + (has_right ? right : "(the end)");
  }
}

std::string error_of(const std::string& script) {
  try {
    static_cast<void>(played("script", script));
  } catch (const trace_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("traces: each file shows what its commands lead to") {
  const bool rewrites = std::getenv("GOSSIPMONGER_REWRITE") != nullptr;
  const std::vector<path> files = trace_files();

  CHECK_MESSAGE(files.size() >= 25, "run from the root of the repository");
  for (const path& file : files) {
    const std::string name = file.filename().string();
    const std::string text = read_file(file);
    try {
      const std::string now = played(name, text);
      if (rewrites) {
        std::ofstream(file, std::ios::binary) << now;
      } else {
        const std::string found = difference(name, text, now);
        CHECK_MESSAGE(found.empty(), found);
      }
    } catch (const trace_error& error) {
      FAIL_CHECK(error.what());
    }
  }
}

TEST_CASE("traces: each file begins with its rule, in sentences of 25 words at most") {
  for (const path& file : trace_files()) {
    std::istringstream lines(read_file(file));
    std::string rule;
    std::string line;
    while (std::getline(lines, line) && line.starts_with("# ")) rule += line.substr(1);
    CHECK_MESSAGE(rule.ends_with('.'), file.filename().string() << " states no rule");
    std::istringstream words(rule);
    std::string word;
    std::size_t count = 0;
    while (words >> word) {
      ++count;
      CHECK_MESSAGE(count <= 25, file.filename().string() << ": a sentence is too long");
      if (word.ends_with('.')) count = 0;
    }
  }
}

TEST_CASE("traces: a message or an event that differs is named with its file and line") {
  const std::string script = "node a\nnode b seeds=a\n\n# Rounds.\nb round\ndeliver\n";

  const std::string now = played("script", script);

  CHECK(played("script", now) == now);
  CHECK(difference("script", now, now).empty());
  CHECK(difference("script", script, now).starts_with("script:6:\n  in the file: deliver\n"));
  CHECK(difference("script", now + "  a: peer_dead b\n", now).ends_with("now:         (the end)"));
}

TEST_CASE("traces: a command that is unknown or wrong is refused with its file and line") {
  const std::string two = "node a\nnode b seeds=a\n";

  CHECK(error_of("node a\nwalk\n") == "script:2: there is no command and no node \"walk\"");
  CHECK(error_of("node a\na walk\n") == "script:2: there is no command \"walk\"");
  CHECK(error_of("node a\na\n") == "script:2: what shall a do?");
  CHECK(error_of("node\n") == "script:1: the form is: node NAME [OPTION=VALUE ...]");
  CHECK(error_of("node a\nnode a\n") == "script:2: there is a node a already");
  CHECK(error_of("node a colour=red\n") == "script:1: there is no option \"colour\"");
  CHECK(error_of("node a fanout\n") == "script:1: \"fanout\" is no option=value");
  CHECK(error_of("node a fanout=x\n") == "script:1: \"x\" is no number");
  CHECK(error_of("node a fanout=0\n") == "script:1: fanout: 0 is not allowed; allowed: 1 to 16");
  CHECK(error_of("node a seeds=z\n") == "script:1: there is no command and no node \"z\"");
  CHECK(error_of("node a wire=1\n") == "script:1: the form is: wire=LOWEST-HIGHEST");
  CHECK(error_of("node a\na set k\n") == "script:2: the form is: a set KEY VALUE");
  CHECK(error_of("node a\na erase\n") == "script:2: the form is: a erase KEY");
  CHECK(error_of("node a\na round now\n") == "script:2: the form is: a round");
  CHECK(error_of("node a\na fill k x\n") == "script:2: \"x\" is no number");
  CHECK(error_of("advance soon\n") == "script:1: \"soon\" is no time such as 100ms, 2s or 3h");
  CHECK(error_of("skip\n") == "script:1: the form is: skip TIME");
  CHECK(error_of("hop\n") == "script:1: nothing waits");
  CHECK(error_of(two + "lose a->b\n") == "script:3: no message waits on a->b");
  CHECK(error_of(two + "forge a->b\n") == "script:3: no message goes or went on a->b");
  CHECK(error_of(two + "cut ab\n") == "script:3: \"ab\" is no link such as a->b");
  CHECK(error_of(two + "cut a->z\n") == "script:3: there is no command and no node \"z\"");
  CHECK(error_of(two + "mend a->b\n") == "script:3: it is not cut");
  CHECK(error_of("node a\na stop\na round\n") == "script:3: a is stopped");
  CHECK(error_of("node a\n\n# Blank lines and comments count.\nhop\n") ==
        "script:4: nothing waits");
}

}  // namespace gossipmonger
