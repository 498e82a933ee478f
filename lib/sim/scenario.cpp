#include "sim/scenario.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::array<std::string_view, 25> kind_names{
    "start",  "crash", "restart", "leave",  "set",       "set-ttl", "erase",  "write", "wipe",
    "pause",  "clock", "move",    "back",   "advertise", "join",    "replay", "flood", "forget",
    "change", "link",  "storage", "reader", "mutate",    "heal",    "detect"};
// A value without bytes, as a word.
constexpr std::string_view empty_word = "\"\"";
constexpr std::array<std::string_view, 4> disk_names{"intact", "lost", "stale", "torn"};
constexpr std::array<std::string_view, 3> generation_names{"kept", "lost", "reused"};

/// Whether a decision is of one node, or of all.
bool names_node(decision_kind kind) {
  return kind != decision_kind::heal && kind != decision_kind::detect;
}

template <class Enum, std::size_t Count>
std::optional<Enum> find_name(const std::array<std::string_view, Count>& names,
                              std::string_view name) {
  const auto place = std::find(names.begin(), names.end(), name);
  if (place == names.end()) return std::nullopt;
  return static_cast<Enum>(place - names.begin());
}

// ------------------------------------------------------------------------------------- writing

std::string time_text(milliseconds time) {
  const bool is_seconds = time.count() % 1000 == 0 && time.count() != 0;
  return is_seconds ? std::to_string(time.count() / 1000) + "s"
                    : std::to_string(time.count()) + "ms";
}

std::string time_text(nanoseconds time) {
  return time_text(std::chrono::duration_cast<milliseconds>(time));
}

std::string part_text(double part) { return std::to_string(std::lround(part * 100)) + "%"; }

std::string label(std::size_t node) {
  return node == decision::everybody ? "*" : "n" + std::to_string(node);
}

/// Collects " name=value" where the value is not the default.
class option_writer {
 public:
  void add(std::string_view name, const std::string& value) {
    text_ += " " + std::string(name) + "=" + value;
  }
  void add_number(std::string_view name, std::uint64_t value, std::uint64_t usual = 0) {
    if (value != usual) add(name, std::to_string(value));
  }
  void add_part(std::string_view name, double part) {
    if (part > 0) add(name, part_text(part));
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string way_text(const network_conditions& way) {
  const network_conditions usual;
  option_writer out;
  out.add_part("loss", way.loss);
  out.add_part("duplication", way.duplication);
  if (way.late_max.count() != 0) out.add("late", time_text(way.late_max));
  out.add_part("corruption", way.corruption);
  out.add_part("garbling", way.garbling);
  out.add_part("truncation", way.truncation);
  if (way.delay_min != usual.delay_min || way.delay_max != usual.delay_max) {
    out.add("delay", time_text(way.delay_min) + ".." + time_text(way.delay_max));
  }
  out.add_number("mtu", way.mtu_bytes);
  out.add_number("inbox", way.inbox_datagrams_max, usual.inbox_datagrams_max);
  if (way.is_cut) out.add("cut", "yes");
  return out.text();
}

/// One option of a node's configuration in the text form: its name, and how to read and write it.
struct config_option {
  std::string_view name;
  std::function<std::uint64_t(const config&)> read;
  std::function<void(config&, std::uint64_t)> write;
  bool is_time = false;
};

template <class Member>
config_option number_option(std::string_view name, Member config::* member) {
  return {name, [member](const config& of) { return static_cast<std::uint64_t>(of.*member); },
          [member](config& of, std::uint64_t value) { of.*member = static_cast<Member>(value); },
          false};
}

config_option time_option(std::string_view name, milliseconds config::* member) {
  return {name,
          [member](const config& of) { return static_cast<std::uint64_t>((of.*member).count()); },
          [member](config& of, std::uint64_t value) {
            of.*member = milliseconds(static_cast<std::int64_t>(value));
          },
          true};
}

const std::vector<config_option>& config_options() {
  static const std::vector<config_option> options{
      time_option("interval", &config::gossip_interval),
      time_option("grace", &config::dead_peer_grace),
      number_option("fanout", &config::fanout),
      number_option("datagram", &config::datagram_bytes_max),
      number_option("digests", &config::digest_datagrams_max),
      number_option("exchange", &config::exchange_bytes_max),
      number_option("exchange_datagrams", &config::exchange_datagrams_max),
      number_option("budget", &config::send_bytes_per_interval),
      number_option("suspicion", &config::suspicion_rounds),
      number_option("phi", &config::dead_peer_phi),
      number_option("value", &config::value_bytes_max),
      number_option("peers", &config::peers_max),
      number_option("keys", &config::keys_per_peer_max),
      number_option("bytes", &config::bytes_per_peer_max),
      number_option("parked", &config::parked_bytes_max),
      number_option("partial", &config::partial_bytes_max),
      number_option("unverified", &config::unverified_addresses_max),
      number_option("retired", &config::retired_max),
      number_option("seed_rounds", &config::seed_every_rounds),
      number_option("window", &config::detector_window),
      number_option("sums", &config::sums_peers_min),
  };
  return options;
}

const config_option* find_option(std::string_view name) {
  const auto& all = config_options();
  const auto place = std::find_if(all.begin(), all.end(),
                                  [&](const config_option& one) { return one.name == name; });
  return place == all.end() ? nullptr : &*place;
}

std::string value_text(const config_option& option, std::uint64_t value) {
  return option.is_time ? time_text(milliseconds(static_cast<std::int64_t>(value)))
                        : std::to_string(value);
}

std::string labels(const std::vector<std::size_t>& nodes) {
  std::string text;
  for (const std::size_t node : nodes) text += (text.empty() ? "" : ",") + label(node);
  return text;
}

/// "1-2", or "1".
std::string wire_text(const wire_range& of) {
  const std::string lowest = std::to_string(of.lowest);
  return of.lowest == of.highest ? lowest : lowest + "-" + std::to_string(of.highest);
}

std::string node_text(std::size_t number, const scenario_node& of) {
  const config usual;
  option_writer out;
  if (of.settings.name != label(number)) out.add("name", of.settings.name);
  if (!of.seeds.empty()) out.add("seeds", labels(of.seeds));
  for (const config_option& option : config_options()) {
    const std::uint64_t value = option.read(of.settings);
    if (value != option.read(usual)) out.add(option.name, value_text(option, value));
  }
  if (of.wire != wire_range()) out.add("wire", wire_text(of.wire));
  if (of.read_interval.count() != 0) out.add("reads", time_text(of.read_interval));
  return "node " + label(number) + out.text();
}

std::string options_text(const decision& of) {
  option_writer out;
  switch (of.kind) {
    case decision_kind::restart:
      out.add("disk", std::string(disk_names[static_cast<std::size_t>(of.disk)]));
      out.add("generation", std::string(generation_names[static_cast<std::size_t>(of.generation)]));
      out.add_number("count", of.count);
      out.add_number("salt", of.salt);
      if (of.wire) out.add("wire", wire_text(*of.wire));
      break;
    case decision_kind::write:
    case decision_kind::wipe:
      out.add_number("count", of.count);
      out.add_number("keys", of.keys);
      out.add_number("bytes", of.bytes);
      out.add_number("salt", of.salt);
      if (of.length.count() != 0) out.add("ttl", time_text(of.length));
      break;
    case decision_kind::join:
    case decision_kind::replay:
    case decision_kind::flood:
      out.add_number("count", of.count);
      break;
    case decision_kind::change:
      for (const option_value& one : of.options) {
        const config_option* option = find_option(one.name);
        if (option != nullptr) out.add(one.name, value_text(*option, one.value));
      }
      if (!of.seeds.empty()) out.add("seeds", labels(of.seeds));
      break;
    case decision_kind::clock:
      if (of.ppm != 0) out.add("ppm", std::to_string(of.ppm));
      break;
    case decision_kind::link:
      return way_text(of.way);
    case decision_kind::storage:
      out.add_part("failure", of.storage.failure);
      if (of.storage.delay.count() != 0) out.add("delay", time_text(of.storage.delay));
      break;
    default:
      break;
  }
  return out.text();
}

// ------------------------------------------------------------------------------------- reading

/// A line in words; each may be taken once. Keeps the first error.
class line_words {
 public:
  explicit line_words(std::string_view line) {
    while (!line.empty()) {
      const std::size_t end = std::min(line.find(' '), line.size());
      if (end > 0) words_.push_back(line.substr(0, end));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
  }

  std::string_view take() {
    if (next_ == words_.size()) {
      fail("something is missing at its end");
      return {};
    }
    return words_[next_++];
  }
  [[nodiscard]] bool is_empty() const { return next_ == words_.size(); }
  void fail(std::string why) {
    if (fault_.empty()) fault_ = std::move(why);
  }
  [[nodiscard]] const std::string& fault() const { return fault_; }

  std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail("not a number: " + std::string(text));
    }
    return value;
  }
  milliseconds time(std::string_view text) {
    const bool is_negative = text.starts_with('-');
    if (is_negative) text.remove_prefix(1);
    std::int64_t unit = 0;
    if (text.ends_with("ms")) {
      unit = 1;
      text.remove_suffix(2);
    } else if (text.ends_with('s')) {
      unit = 1000;
      text.remove_suffix(1);
    } else {
      fail("not a time, such as 20s or 150ms: " + std::string(text));
    }
    const auto value = static_cast<std::int64_t>(number(text)) * unit;
    return milliseconds(is_negative ? -value : value);
  }
  double part(std::string_view text) {
    if (!text.ends_with('%')) fail("not a part, such as 20%: " + std::string(text));
    text.remove_suffix(text.empty() ? 0 : 1);
    return static_cast<double>(number(text)) / 100.0;
  }
  std::vector<std::size_t> nodes(std::string_view text) {
    std::vector<std::size_t> read;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(','), text.size());
      read.push_back(node(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return read;
  }
  wire_range wire(std::string_view text) {
    constexpr std::uint64_t highest = 15;
    const std::size_t dash = std::min(text.find('-'), text.size());
    const std::uint64_t from = number(text.substr(0, dash));
    const std::uint64_t upto = dash == text.size() ? from : number(text.substr(dash + 1));
    if (from == 0 || from > upto || upto > highest) {
      fail("not wire versions, such as 2 or 1-2: " + std::string(text));
      return {};
    }
    return {static_cast<std::uint8_t>(from), static_cast<std::uint8_t>(upto)};
  }
  std::size_t node(std::string_view text, bool may_be_all = false) {
    if (may_be_all && text == "*") return decision::everybody;
    if (!text.starts_with('n')) fail("not a node, such as n3: " + std::string(text));
    return static_cast<std::size_t>(number(text.substr(text.empty() ? 0 : 1)));
  }

 private:
  std::vector<std::string_view> words_;
  std::size_t next_ = 0;
  std::string fault_;
};

bool read_way_option(line_words& words, std::string_view name, std::string_view value,
                     network_conditions& way) {
  if (name == "loss") {
    way.loss = words.part(value);
  } else if (name == "duplication") {
    way.duplication = words.part(value);
  } else if (name == "corruption") {
    way.corruption = words.part(value);
  } else if (name == "late") {
    way.late_max = words.time(value);
  } else if (name == "garbling") {
    way.garbling = words.part(value);
  } else if (name == "truncation") {
    way.truncation = words.part(value);
  } else if (name == "delay") {
    const std::size_t dots = value.find("..");
    if (dots == std::string_view::npos) {
      words.fail("not a delay, such as 1ms..40ms: " + std::string(value));
      return true;
    }
    way.delay_min = words.time(value.substr(0, dots));
    way.delay_max = words.time(value.substr(dots + 2));
  } else if (name == "mtu") {
    way.mtu_bytes = words.number(value);
  } else if (name == "inbox") {
    way.inbox_datagrams_max = words.number(value);
  } else if (name == "cut") {
    way.is_cut = value == "yes";
  } else {
    return false;
  }
  return true;
}

std::uint64_t read_value(line_words& words, const config_option& option, std::string_view value) {
  return option.is_time ? static_cast<std::uint64_t>(words.time(value).count())
                        : words.number(value);
}

bool read_change_option(line_words& words, std::string_view name, std::string_view value,
                        decision& out) {
  if (name == "seeds") {
    out.seeds = words.nodes(value);
    return true;
  }
  const config_option* option = find_option(name);
  if (option == nullptr) return false;
  out.options.emplace_back(std::string(name), read_value(words, *option, value));
  return true;
}

bool read_option(line_words& words, std::string_view name, std::string_view value, decision& out) {
  if (out.kind == decision_kind::link) return read_way_option(words, name, value, out.way);
  if (out.kind == decision_kind::change) return read_change_option(words, name, value, out);
  if (name == "ttl") {
    out.length = words.time(value);
  } else if (name == "wire") {
    out.wire = words.wire(value);
  } else if (name == "count") {
    out.count = words.number(value);
  } else if (name == "keys") {
    out.keys = words.number(value);
  } else if (name == "bytes") {
    out.bytes = words.number(value);
  } else if (name == "salt") {
    out.salt = words.number(value);
  } else if (name == "ppm") {
    const bool is_negative = value.starts_with('-');
    const std::uint64_t ppm = words.number(value.substr(is_negative ? 1 : 0));
    out.ppm = is_negative ? -static_cast<std::int64_t>(ppm) : static_cast<std::int64_t>(ppm);
  } else if (name == "failure") {
    out.storage.failure = words.part(value);
  } else if (name == "delay") {
    out.storage.delay = words.time(value);
  } else if (name == "disk") {
    const auto disk = find_name<disk_state>(disk_names, value);
    if (!disk) words.fail("no such disk: " + std::string(value));
    out.disk = disk.value_or(disk_state::intact);
  } else if (name == "generation") {
    const auto generation = find_name<generation_state>(generation_names, value);
    if (!generation) words.fail("no such generation: " + std::string(value));
    out.generation = generation.value_or(generation_state::kept);
  } else {
    return false;
  }
  return true;
}

/// Calls `read(name, value)` for each "name=value" that is left; it says whether it knows the name.
template <class Read>
void read_options(line_words& words, Read read) {
  while (!words.is_empty() && words.fault().empty()) {
    const std::string_view word = words.take();
    const std::size_t equals = word.find('=');
    const bool is_known =
        equals != std::string_view::npos && read(word.substr(0, equals), word.substr(equals + 1));
    if (!is_known) words.fail("no such option: " + std::string(word));
  }
}

decision read_decision(line_words& words) {
  decision out;
  out.at = words.time(words.take());
  const std::string_view kind_word = words.take();
  const auto kind = find_name<decision_kind>(kind_names, kind_word);
  if (!kind) {
    words.fail("no such decision: " + std::string(kind_word));
    return out;
  }
  out.kind = *kind;
  if (!names_node(out.kind)) return out;
  out.node = words.node(words.take(), out.kind == decision_kind::link);
  switch (out.kind) {
    case decision_kind::set_ttl:
      out.length = words.time(words.take());
      [[fallthrough]];
    case decision_kind::set:
      out.key = words.take();
      out.value = words.take();
      if (out.value == empty_word) out.value.clear();
      break;
    case decision_kind::forget:
      out.other = words.node(words.take());
      break;
    case decision_kind::erase:
      out.key = words.take();
      break;
    case decision_kind::pause:
    case decision_kind::clock:
    case decision_kind::reader:
      out.length = words.time(words.take());
      break;
    case decision_kind::mutate:
      out.part = words.part(words.take());
      break;
    case decision_kind::link:
      out.other = words.node(words.take(), true);
      break;
    default:
      break;
  }
  read_options(words, [&](std::string_view name, std::string_view value) {
    return read_option(words, name, value, out);
  });
  return out;
}

scenario_node read_node(line_words& words, std::size_t number) {
  scenario_node out;
  out.settings.name = label(number);
  if (words.node(words.take()) != number) words.fail("nodes are numbered in order: n0, n1, …");
  read_options(words, [&](std::string_view name, std::string_view value) {
    if (name == "name") {
      out.settings.name = value;
    } else if (name == "seeds") {
      out.seeds = words.nodes(value);
    } else if (name == "wire") {
      out.wire = words.wire(value);
    } else if (name == "reads") {
      out.read_interval = words.time(value);
    } else {
      const config_option* option = find_option(name);
      if (option == nullptr) return false;
      option->write(out.settings, read_value(words, *option, value));
    }
    return true;
  });
  return out;
}

std::string check_numbers(const scenario& read) {
  for (const scenario_node& node : read.nodes) {
    const bool is_valid = validated(node.settings).has_value();
    const bool has_seeds = std::all_of(node.seeds.begin(), node.seeds.end(),
                                       [&](std::size_t seed) { return seed < read.nodes.size(); });
    if (!is_valid || !has_seeds) return "node " + node.settings.name + ": not allowed";
  }
  std::chrono::milliseconds before{};
  for (const decision& one : read.decisions) {
    const auto exists = [&](std::size_t node) {
      return node < read.nodes.size() ||
             (one.kind == decision_kind::link && node == decision::everybody);
    };
    const bool all_exist = exists(one.node) && exists(one.other) &&
                           std::all_of(one.seeds.begin(), one.seeds.end(), exists);
    if (!all_exist) return to_text(one) + ": no such node";
    if (one.at < before) return to_text(one) + ": earlier than the one before";
    before = one.at;
  }
  return {};
}

}  // namespace

void apply_options(const std::vector<option_value>& options, config& to) {
  for (const option_value& one : options) {
    const config_option* option = find_option(one.name);
    if (option != nullptr) option->write(to, one.value);
  }
}

std::string_view to_string(decision_kind kind) {
  return kind_names[static_cast<std::size_t>(kind)];
}

std::string to_text(const decision& of) {
  std::string text = "at " + time_text(of.at) + " " + std::string(to_string(of.kind));
  if (!names_node(of.kind)) return text;
  text += " " + label(of.node);
  switch (of.kind) {
    case decision_kind::set_ttl:
      text += " " + time_text(of.length);
      [[fallthrough]];
    case decision_kind::set:
      text += " " + of.key + " " + (of.value.empty() ? std::string(empty_word) : of.value);
      break;
    case decision_kind::erase:
      text += " " + of.key;
      break;
    case decision_kind::pause:
    case decision_kind::clock:
    case decision_kind::reader:
      text += " " + time_text(of.length);
      break;
    case decision_kind::mutate:
      text += " " + part_text(of.part);
      break;
    case decision_kind::link:
    case decision_kind::forget:
      text += " " + label(of.other);
      break;
    default:
      break;
  }
  return text + options_text(of);
}

std::string to_text(const scenario& of) {
  std::string text = "seed " + std::to_string(of.seed) + "\n";
  for (std::size_t i = 0; i < of.nodes.size(); ++i) text += node_text(i, of.nodes[i]) + "\n";
  for (const decision& one : of.decisions) text += to_text(one) + "\n";
  return text;
}

tl::expected<scenario, std::string> parse_scenario(std::string_view text) {
  scenario read;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line == "---") break;
    if (line.empty() || line.front() == '#') continue;
    line_words words(line);
    const std::string_view what = words.take();
    if (what == "seed") {
      read.seed = words.number(words.take());
    } else if (what == "node") {
      read.nodes.push_back(read_node(words, read.nodes.size()));
    } else if (what == "at") {
      read.decisions.push_back(read_decision(words));
    } else {
      words.fail("neither seed, node nor at");
    }
    if (words.fault().empty() && !words.is_empty()) words.fail("too long");
    if (!words.fault().empty()) {
      return tl::unexpected<std::string>("line " + std::to_string(number) + ": " + words.fault());
    }
  }
  if (std::string fault = check_numbers(read); !fault.empty()) {
    return tl::unexpected<std::string>(std::move(fault));
  }
  return read;
}

}  // namespace gossipmonger
