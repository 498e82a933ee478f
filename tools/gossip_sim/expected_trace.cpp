#include "expected_trace.hpp"

#include <cstddef>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "sim/scenario.hpp"
#include "sim/simulation.hpp"

namespace gossipmonger {

namespace {

/// The events that each node's reader saw between two decisions, sorted, and each once. So the text
/// tells the story and not the chance of the network.
class trace_text {
 public:
  explicit trace_text(const scenario& of) : scenario_(of) {}

  void begin(const decision* next) {
    if (!seen_.empty()) {
      text_ += title_ + "\n";
      for (const auto& [node, kinds] : seen_) text_ += line_of(node, kinds);
    }
    seen_.clear();
    if (next != nullptr) title_ = to_text(*next);
  }
  void add(std::size_t node, const event_view& seen) {
    const bool is_entry = seen.kind == event_kind::update || seen.kind == event_kind::removed;
    if (is_entry && seen.peer == scenario_.nodes[node].settings.name) return;
    std::string what(seen.peer);
    if (!seen.key.empty()) what += " " + std::string(seen.key);
    if (seen.kind == event_kind::update) what += "=" + std::string(seen.value.substr(0, 20));
    seen_[node][std::string(to_string(seen.kind))].insert(what);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  using kinds_seen = std::map<std::string, std::set<std::string>>;

  static std::string line_of(std::size_t node, const kinds_seen& kinds) {
    constexpr std::size_t listed_max = 6;
    std::string line = "  n" + std::to_string(node) + ":";
    const char* comma = " ";
    for (const auto& [kind, all] : kinds) {
      if (all.size() > listed_max) {
        line += comma + kind + " x" + std::to_string(all.size());
        comma = ", ";
        continue;
      }
      for (const std::string& what : all) {
        line += comma + kind + " " + what;
        comma = ", ";
      }
    }
    return line + "\n";
  }

  const scenario& scenario_;
  std::string title_ = "before";
  std::map<std::size_t, kinds_seen> seen_;
  std::string text_;
};

}  // namespace

std::string check_expected(const std::string& path, bool rewrites) {
  std::ifstream file(path);
  const std::string whole((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return path + ": cannot be read";
  const tl::expected<scenario, std::string> read = parse_scenario(whole);
  if (!read) return path + ": " + read.error();

  trace_text trace(*read);
  simulation_options how;
  how.on_decision = [&trace](const decision* next) { trace.begin(next); };
  how.on_event = [&trace](std::size_t node, const event_view& seen) { trace.add(node, seen); };
  const simulation_report report = simulate(*read, how);
  if (report.fault) return path + ": " + report.fault->rule + ": " + report.fault->text;

  const std::string divider = "---\n";
  const std::size_t at = whole.find("\n" + divider);
  const std::string head = at == std::string::npos ? whole : whole.substr(0, at + 1);
  const std::string now = head + divider + trace.text();
  if (now == whole) return {};
  if (!rewrites) return path + ": another trace; with --rewrite it would be\n" + trace.text();
  std::ofstream(path) << now;
  return {};
}

}  // namespace gossipmonger
