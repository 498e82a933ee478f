#include "text_format.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "bytes.hpp"
#include "gossipmonger/key_scope.hpp"

namespace gossipmonger {

namespace {

std::string padded(std::string text, std::size_t width) {
  const std::size_t wide = columns(text);
  if (wide < width) text.append(width - wide, ' ');
  return text;
}

std::string one_decimal(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", number);
  return text.data();
}

/// The first names of a list, and how many more there are.
std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t shown_max = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), shown_max); ++i) {
    text += (i == 0 ? "" : ", ") + escaped(names[i]);
  }
  if (names.size() > shown_max)
    text += " and " + std::to_string(names.size() - shown_max) + " more";
  return text;
}

/// "all 12", or "11 of 12: not by delta".
std::string share(const std::vector<std::string>& without, std::size_t nodes) {
  if (without.empty()) return "all " + std::to_string(nodes);
  if (without.size() == nodes) return "none of " + std::to_string(nodes);
  const std::string count = std::to_string(nodes - without.size());
  return count + " of " + std::to_string(nodes) + ": not by " + list_of(without);
}

/// "none", "all 12", or "2 of 12: alpha, beta".
std::string by(const std::vector<std::string>& with, std::size_t nodes) {
  if (with.empty()) return "none";
  if (with.size() == nodes) return "all " + std::to_string(nodes);
  return std::to_string(with.size()) + " of " + std::to_string(nodes) + ": " + list_of(with);
}

/// "37f07ee9", "plain", "-".
std::string key_of(const member& one) {
  if (!one.sealed_with) return "-";
  return *one.sealed_with == 0 ? "plain" : to_text(*one.sealed_with);
}

/// "340 ms", "12 s", "5 min", "3 h", "2 d": the largest unit of which there are two or more.
std::string length_of(std::chrono::milliseconds time) {
  constexpr std::int64_t second = 1000;
  constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> units{{
      {86'400 * second, " d"},
      {3'600 * second, " h"},
      {60 * second, " min"},
      {second, " s"},
  }};
  for (const auto& [length, unit] : units) {
    if (time.count() >= 2 * length) {
      return std::to_string(time.count() / length) + std::string(unit);
    }
  }
  return std::to_string(time.count()) + " ms";
}

/// "12 s old, 3 s left", or less.
std::string note_of(const key_age& age) {
  std::string note;
  if (age.here) note = length_of(*age.here) + " old";
  if (age.left) note += (note.empty() ? "" : ", ") + length_of(*age.left) + " left";
  return note;
}

/// "0.4 ms"; "-" where it was not measured.
std::string trip_of(const std::optional<std::chrono::nanoseconds>& rtt) {
  if (!rtt) return "-";
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(*rtt);
  return one_decimal(static_cast<double>(whole.count()) / 1000.0) + " ms";
}

std::string_view word_of(event_kind kind) {
  switch (kind) {
    case event_kind::new_peer:
      return "new";
    case event_kind::peer_live:
      return "live";
    case event_kind::peer_complete:
      return "complete";
    case event_kind::peer_dead:
      return "dead";
    case event_kind::peer_left:
      return "left";
    case event_kind::peer_restarted:
      return "restarted";
    case event_kind::peer_forgotten:
      return "forgotten";
    case event_kind::conflict_ended:
      return "resolved";
    case event_kind::update:
    case event_kind::removed:
    case event_kind::conflict:
    case event_kind::advertised:
    case event_kind::refuted:
    case event_kind::lagged:
    case event_kind::error:
      break;
  }
  return to_string(kind);
}

}  // namespace

std::string time_of_day(wall_time at) {
  const std::int64_t milliseconds = at.time_since_epoch().count();
  const std::time_t seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min,
                local.tm_sec, static_cast<int>(milliseconds % 1000));
  return text.data();
}

std::string generation_text(std::uint64_t generation) {
  constexpr std::uint64_t date_min = 946'684'800'000;    // the year 2000
  constexpr std::uint64_t date_max = 4'102'444'800'000;  // the year 2100
  if (generation < date_min || generation >= date_max) return std::to_string(generation);
  const std::time_t seconds = static_cast<std::time_t>(generation / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02d %02d:%02d:%02d.%03d",
                local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min,
                local.tm_sec, static_cast<int>(generation % 1000));
  return text.data();
}

text_format::colour text_format::colour_of(event_kind kind) {
  switch (kind) {
    case event_kind::peer_live:
    case event_kind::peer_complete:
    case event_kind::conflict_ended:
      return colour::green;
    case event_kind::peer_dead:
    case event_kind::conflict:
    case event_kind::error:
      return colour::red;
    case event_kind::new_peer:
    case event_kind::peer_left:
    case event_kind::peer_restarted:
    case event_kind::peer_forgotten:
    case event_kind::refuted:
    case event_kind::lagged:
      return colour::yellow;
    case event_kind::update:
    case event_kind::removed:
    case event_kind::advertised:
      break;
  }
  return colour::none;
}

text_format::colour text_format::colour_of(peer_status status) {
  switch (status) {
    case peer_status::live:
      return colour::green;
    case peer_status::dead:
    case peer_status::conflict:
      return colour::red;
    case peer_status::introduced:
    case peer_status::left:
      return colour::yellow;
    case peer_status::self:
      break;
  }
  return colour::bold;
}

std::string text_format::painted(std::string_view text, colour in) const {
  constexpr std::array<std::string_view, 6> codes{"",         "\x1b[2m",  "\x1b[1m",
                                                  "\x1b[31m", "\x1b[32m", "\x1b[33m"};
  if (!has_colour_ || in == colour::none) return std::string(text);
  return std::string(codes[static_cast<std::size_t>(in)]) + std::string(text) + "\x1b[0m";
}

std::string text_format::opening(wall_time at, std::string_view word, colour in) const {
  constexpr std::size_t word_columns = 11;
  return painted(time_of_day(at), colour::dim) + "  " +
         painted(padded(std::string(word), word_columns), in);
}

std::string text_format::started(const node& of, const endpoint& bound, wall_time at) const {
  std::string line =
      opening(at, "started", colour::bold) + escaped(of.name()) + " at " + bound.to_string();
  if (of.advertised_endpoint() != bound && !of.advertised_endpoint().is_wildcard()) {
    line += ", as " + of.advertised_endpoint().to_string() + " to others";
  }
  return line + painted("  generation " + generation_text(of.generation()), colour::dim) + "\n";
}

std::string text_format::event(const event_view& what, wall_time at) const {
  std::string line = opening(at, word_of(what.kind), colour_of(what.kind));
  switch (what.kind) {
    case event_kind::update:
      line += escaped(what.peer) + "  " + escaped(what.key) + " = " + escaped(what.value) +
              painted("  version " + std::to_string(what.version), colour::dim);
      break;
    case event_kind::removed:
      line += escaped(what.peer) + "  " + escaped(what.key) +
              painted("  version " + std::to_string(what.version), colour::dim);
      break;
    case event_kind::new_peer:
    case event_kind::peer_restarted:
      line += escaped(what.peer) +
              painted("  generation " + generation_text(what.generation), colour::dim);
      break;
    case event_kind::lagged:
      line += "output was read too slowly; everything follows anew";
      break;
    case event_kind::peer_live:
    case event_kind::peer_complete:
    case event_kind::peer_dead:
    case event_kind::peer_left:
    case event_kind::peer_forgotten:
    case event_kind::conflict:
    case event_kind::advertised:
    case event_kind::conflict_ended:
    case event_kind::refuted:
    case event_kind::error:
      line += escaped(what.peer);
      if (!what.peer.empty() && !what.text.empty()) line += ": ";
      line += escaped(what.text);
      break;
  }
  return line + "\n";
}

std::string text_format::dropped(const refused_count& what, wall_time at) const {
  return opening(at, "dropped", colour::yellow) + what.counter + "  " + std::to_string(what.count) +
         painted("  " + std::to_string(what.total) + " in all", colour::dim) + "\n";
}

std::string text_format::set(std::string_view key, std::uint64_t version) const {
  return escaped(key) + " is set, at version " + std::to_string(version) + "\n";
}

std::string text_format::set_ttl(std::string_view key, std::uint64_t version,
                                 std::chrono::milliseconds ttl) const {
  return escaped(key) + " is set for " + std::to_string(ttl.count()) + " ms, at version " +
         std::to_string(version) + "\n";
}

std::string text_format::erased(std::string_view key, std::optional<std::uint64_t> version) const {
  if (!version) return in_quotes(key) + " is not set\n";
  return escaped(key) + " is erased, at version " + std::to_string(*version) + "\n";
}

std::string text_format::got(std::string_view peer, std::string_view key,
                             const std::optional<entry_view>& entry, const key_age& age,
                             std::optional<peer_status> status) const {
  if (entry) {
    std::string note = note_of(age);
    if (!is_shown(*status, key_scope::live)) {
      note += (note.empty() ? "" : "; ") + escaped(peer) + " is " + std::string(to_string(*status));
    }
    return escaped(entry->value) + (note.empty() ? "" : painted("  (" + note + ")", colour::dim)) +
           "\n";
  }
  if (status) return in_quotes(peer) + " publishes no key " + in_quotes(key) + "\n";
  return "no node " + in_quotes(peer) + " is known\n";
}

std::string text_format::members(const std::vector<member>& all) const {
  constexpr std::size_t gap = 2;
  std::vector<std::string> titles{"name",      "status",  "reachable", "rtt",
                                  "phi",       "heard",   "version",   "lacks",
                                  "heartbeat", "backlog", "endpoint",  "generation"};
  const bool is_sealed = std::any_of(all.begin(), all.end(),
                                     [](const member& one) { return one.sealed_with.has_value(); });
  if (is_sealed) titles.insert(titles.end() - 1, "key");
  std::vector<std::vector<std::string>> rows{titles};
  for (const member& one : all) {
    const bool is_self = one.status == peer_status::self;
    std::vector<std::string> row;
    row.push_back(escaped(one.name));
    row.emplace_back(one.is_suspect ? "suspect" : to_string(one.status));
    row.emplace_back(is_self ? "-" : one.is_reachable ? "yes" : "no");
    row.push_back(trip_of(one.rtt));
    row.push_back(one.phi ? one_decimal(*one.phi) : "-");
    const auto silent = std::chrono::floor<std::chrono::milliseconds>(
        one.silent.value_or(std::chrono::nanoseconds{}));
    row.push_back(one.silent ? length_of(silent) + " ago" : "-");
    row.push_back(std::to_string(one.max_version));
    row.push_back(is_self ? "-" : std::to_string(one.lacks));
    row.push_back(std::to_string(one.heartbeat));
    row.push_back(is_self ? "-" : std::to_string(one.backlog));
    row.push_back(one.address.to_string());
    if (is_sealed) row.push_back(key_of(one));
    row.push_back(generation_text(one.generation));
    rows.push_back(std::move(row));
  }

  std::vector<std::size_t> widths(titles.size(), 0);
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i < titles.size(); ++i) {
      const bool is_last = i + 1 == titles.size();
      const std::string cell = is_last ? rows[r][i] : padded(rows[r][i], widths[i] + gap);
      const colour in = r == 0 ? colour::dim : i == 1 ? colour_of(all[r - 1].status) : colour::none;
      text += painted(cell, in);
    }
    text += "\n";
  }
  return text;
}

std::string text_format::forgotten(std::string_view peer) const {
  return escaped(peer) + " is forgotten here\n";
}

std::string text_format::joined(const std::vector<endpoint>& addresses) const {
  std::string list;
  for (const endpoint& one : addresses) list += (list.empty() ? "" : ", ") + one.to_string();
  return "asking " + list + "\n";
}

std::string text_format::has_live(std::size_t live, std::chrono::milliseconds waited) const {
  return std::to_string(live) + " peers are live, after " + std::to_string(waited.count()) +
         " ms\n";
}

std::string text_format::waited_for(std::string_view, std::string_view, std::string_view value,
                                    std::chrono::milliseconds) const {
  return escaped(value) + "\n";
}

std::string text_format::writable(std::chrono::milliseconds waited) const {
  return "writable after " + std::to_string(waited.count()) + " ms\n";
}

std::string text_format::changed(std::string_view name, std::string_view value,
                                 std::string_view warning) const {
  std::string text = escaped(name) + " is " + escaped(value) + "\n";
  if (!warning.empty()) text += painted("warning: " + escaped(warning), colour::yellow) + "\n";
  return text;
}

std::string text_format::options(
    const std::vector<std::pair<std::string, std::string>>& named) const {
  std::size_t width = 0;
  for (const auto& [name, value] : named) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, value] : named) {
    text += padded(name, width + 2) + escaped(value) + "\n";
  }
  return text;
}

void text_format::begin_state(std::string&) const {}

void text_format::begin_peer(const peer_state& of, bool, std::string& to) const {
  to += painted(escaped(of.name), colour_of(of.status));
  if (!is_shown(of.status, key_scope::live)) to += "  (" + std::string(to_string(of.status)) + ")";
  to += "\n";
}

void text_format::add_entry(const peer_entry& one, bool, std::string& to) const {
  to += "  " + escaped(one.key) + " = " + escaped(one.value);
  if (const std::string note = note_of(one.age); !note.empty()) {
    to += painted("  (" + note + ")", colour::dim);
  }
  to += "\n";
}

void text_format::end_peer(std::string&) const {}

void text_format::end_state(const std::vector<peer_state>&, std::string&) const {}

std::string text_format::stats(const std::vector<std::pair<std::string, std::uint64_t>>& counters,
                               bool has_all) const {
  std::size_t width = 0;
  for (const auto& [name, count] : counters) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, count] : counters) {
    if (count == 0 && !has_all) continue;
    const std::string line = padded(name, width + 2) + std::to_string(count);
    text += painted(line, count == 0 ? colour::dim : colour::none) + "\n";
  }
  return text;
}

std::string text_format::keys(const key_stages& all) const {
  std::string text;
  for (const key_row& row : all.keys) {
    std::string_view role = "not here";
    if (row.is_opening_here) role = "opens here";
    if (row.is_sealing_here) role = "seals here";
    text += painted(row.id, colour::bold) + ": " + std::string(role) + "; sealed with by " +
            share(row.not_sealing, all.nodes) + "; can be opened by " +
            share(row.not_opening, all.nodes);
    if (row.opened_ago) {
      const auto seconds = std::chrono::floor<std::chrono::seconds>(*row.opened_ago);
      text += "; last opened " + std::to_string(seconds.count()) + " s ago";
    }
    text += "\n";
  }
  if (all.unlisted_keys != 0) {
    text +=
        "not listed: " + std::to_string(all.unlisted_keys) + " more keys, named by fewer nodes\n";
  }
  text += painted("plain", colour::bold) + ": " + std::string(to_string(all.plain_here)) +
          " here; sent by " + by(all.plain_sent_by, all.nodes) + "; accepted by " +
          by(all.plain_accepted_by, all.nodes) + "\n";
  if (!all.uncounted.empty()) {
    text += "not counted, since they are dead or left: " + list_of(all.uncounted) + "\n";
  }
  return text;
}

std::string text_format::reloaded(const seal_counters& ring) const {
  std::string text = "the keyring is read:";
  for (const seal_key_counters& key : ring.keys) {
    text += (&key == &ring.keys.front() ? " seal " : ", open ") + to_text(key.id);
  }
  if (ring.plain != plain_policy::refused) text += ", plain " + std::string(to_string(ring.plain));
  return text + "\n";
}

std::string text_format::help(const std::vector<std::string_view>& forms) const {
  std::string text;
  for (const std::string_view form : forms) text += std::string(form) + "\n";
  return text;
}

std::string text_format::left(command_kind, const leave_result& result) const {
  return "left; " + std::to_string(result.acknowledged) + " of " + std::to_string(result.live) +
         " live peers know it\n";
}

std::string text_format::error(const command_error& what) const {
  return painted(escaped(what.word) + ": " + escaped(what.message), colour::red) + "\n";
}

}  // namespace gossipmonger
