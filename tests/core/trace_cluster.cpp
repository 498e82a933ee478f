#include "trace_cluster.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <sstream>

#include "core/model/message_text.hpp"
#include "gossipmonger/drop_reason.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  std::string part;
  std::istringstream from{std::string(text)};
  while (std::getline(from, part, at)) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::uint64_t to_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || rest != text.data() + text.size()) {
    throw trace_error("\"" + std::string(text) + "\" is no number");
  }
  return number;
}

/// "100ms", "2s", "3h", with a sign where the command allows one.
nanoseconds to_time(std::string_view text) {
  constexpr std::pair<std::string_view, std::int64_t> units[] = {
      {"ms", 1}, {"s", 1000}, {"h", 3'600'000}};
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  for (const auto& [unit, length] : units) {
    if (!text.ends_with(unit)) continue;
    const std::string_view count = text.substr(0, text.size() - unit.size());
    if (count.find_first_not_of("0123456789") != std::string_view::npos) continue;
    const milliseconds time(static_cast<std::int64_t>(to_number(count)) * length);
    return is_negative ? -time : time;
  }
  throw trace_error("\"" + std::string(text) + "\" is no time such as 100ms, 2s or 3h");
}

using option_setter = std::function<void(config&, std::string_view)>;

option_setter set_size(std::size_t config::* field) {
  return [field](config& to, std::string_view text) {
    to.*field = static_cast<std::size_t>(to_number(text));
  };
}

option_setter set_time(milliseconds config::* field) {
  return [field](config& to, std::string_view text) {
    to.*field = std::chrono::duration_cast<milliseconds>(to_time(text));
  };
}

const std::map<std::string, option_setter, std::less<>>& options() {
  static const std::map<std::string, option_setter, std::less<>> all = {
      {"name", [](config& to, std::string_view text) { to.name = text; }},
      {"cluster_name", [](config& to, std::string_view text) { to.cluster_name = text; }},
      {"gossip_interval", set_time(&config::gossip_interval)},
      {"dead_peer_grace", set_time(&config::dead_peer_grace)},
      {"fanout", set_size(&config::fanout)},
      {"live_peers_min", set_size(&config::live_peers_min)},
      {"seed_every_rounds", set_size(&config::seed_every_rounds)},
      {"exchange_bytes_max", set_size(&config::exchange_bytes_max)},
      {"exchange_datagrams_max", set_size(&config::exchange_datagrams_max)},
      {"send_bytes_per_interval", set_size(&config::send_bytes_per_interval)},
      {"suspicion_rounds", set_size(&config::suspicion_rounds)},
      {"peers_max", set_size(&config::peers_max)},
      {"keys_per_peer_max", set_size(&config::keys_per_peer_max)},
      {"bytes_per_peer_max", set_size(&config::bytes_per_peer_max)},
      {"value_bytes_max", set_size(&config::value_bytes_max)},
      {"parked_bytes_max", set_size(&config::parked_bytes_max)},
  };
  return all;
}

/// "option=value" as its two sides.
std::pair<std::string, std::string> split_pair(const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos) throw trace_error("\"" + word + "\" is no option=value");
  return {word.substr(0, equals), word.substr(equals + 1)};
}

void set_option(config& to, const std::string& name, const std::string& value) {
  const auto found = options().find(name);
  if (found == options().end()) throw trace_error("there is no option \"" + name + "\"");
  found->second(to, value);
}

/// "a->b" as its two ends.
std::pair<std::string, std::string> split_link(const std::string& link) {
  const std::size_t arrow = link.find("->");
  if (arrow == std::string::npos) throw trace_error("\"" + link + "\" is no link such as a->b");
  return {link.substr(0, arrow), link.substr(arrow + 2)};
}

void expect_words(const std::vector<std::string>& command, std::size_t count,
                  std::string_view form) {
  if (command.size() != count) throw trace_error("the form is: " + std::string(form));
}

std::string event_text(const event_view& seen) {
  std::string line(to_string(seen.kind));
  if (!seen.peer.empty()) line += " " + std::string(seen.peer);
  if (seen.kind == event_kind::update) {
    const bool is_long = seen.value.size() > 32;
    line += " " + std::string(seen.key) + "=" + std::string(seen.value.substr(0, 32));
    if (is_long) line += "... (" + std::to_string(seen.value.size()) + " bytes)";
  }
  if (seen.kind == event_kind::removed) line += " " + std::string(seen.key);
  const bool is_entry = seen.kind == event_kind::update || seen.kind == event_kind::removed;
  if (is_entry) line += "@" + std::to_string(seen.version);
  if (!is_entry && seen.generation != 0) line += " g" + std::to_string(seen.generation);
  if (!seen.text.empty()) line += ": " + std::string(seen.text);
  return line;
}

template <typename Value>
void expect_done(const result<Value>& outcome, std::vector<std::string>& lines) {
  if (!outcome) lines.push_back("refused: " + outcome.error().message());
}

}  // namespace

std::vector<std::string> trace_cluster::run(std::string_view command) {
  lines_.clear();
  began_.reset();
  is_quiet_ = false;
  run_words(split(command, ' '));
  return lines_;
}

void trace_cluster::run_words(const words& command) {
  const std::string& what = command.at(0);
  if (what == "node") return add_node(command);
  if (what == "deliver" || what == "hop" || what == "step") {
    expect_words(command, 1, what);
    if (what == "step") return deliver_oldest();
    return what == "hop" ? deliver_waiting() : deliver_all();
  }
  if (what == "lose" || what == "delay" || what == "repeat" || what == "forge" || what == "cut" ||
      what == "mend") {
    expect_words(command, 2, what + " FROM->TO");
    if (what == "lose" || what == "delay") return take_oldest(command[1], what == "lose");
    if (what == "repeat" || what == "forge") return hand_over_again(command[1], what == "forge");
    const auto [from, to] = split_link(command[1]);
    for (const std::string& end : {from, to}) {
      if (end != "*") static_cast<void>(find(end));
    }
    if (what == "cut") cuts_.emplace(from, to);
    if (what == "mend" && cuts_.erase({from, to}) == 0) throw trace_error("it is not cut");
    return;
  }
  if (what == "advance" || what == "skip") {
    expect_words(command, 2, what + " TIME");
    return pass(to_time(command[1]), what == "skip");
  }
  if (what == "date") {
    expect_words(command, 2, "date SECONDS");
    wall_ = std::chrono::seconds(static_cast<std::int64_t>(to_number(command[1])));
    return;
  }
  node& at = find(what);
  if (command.size() < 2) throw trace_error("what shall " + what + " do?");
  run_node_command(at, command);
}

void trace_cluster::add_node(const words& command) {
  if (command.size() < 2) throw trace_error("the form is: node NAME [OPTION=VALUE ...]");
  auto added = std::make_unique<node>();
  added->handle = command[1];
  const bool is_taken = std::any_of(nodes_.begin(), nodes_.end(),
                                    [&](const auto& one) { return one->handle == added->handle; });
  if (is_taken) throw trace_error("there is a node " + added->handle + " already");
  added->settings = make_config(added->handle);
  for (std::size_t i = 2; i < command.size(); ++i) {
    const auto [name, value] = split_pair(command[i]);
    if (name == "seeds") {
      added->seeds = split(value, ',');
      for (const std::string& seed : added->seeds) static_cast<void>(find(seed));
    } else if (name == "wire") {
      const std::vector<std::string> ends = split(value, '-');
      if (ends.size() != 2) throw trace_error("the form is: wire=LOWEST-HIGHEST");
      added->spoken = wire_range(static_cast<std::uint8_t>(to_number(ends[0])),
                                 static_cast<std::uint8_t>(to_number(ends[1])));
    } else {
      set_option(added->settings, name, value);
    }
  }
  const auto checked = validated(added->settings);
  if (!checked) throw trace_error(checked.error().message());
  const std::size_t number = nodes_.size() + 1;
  added->address = endpoint::v4(10, 0, 0, static_cast<std::uint8_t>(number), 7000);
  added->seed = number;
  start(*added);
  nodes_.push_back(std::move(added));
}

void trace_cluster::start(node& at) {
  at.core.reset();
  at.entries = std::make_unique<memory_storage>();
  at.core = std::make_unique<protocol>(at.settings, storage_ref(*at.entries), at.address, at.seed,
                                       now_at(at));
  at.core->set_wire_versions(at.spoken);
  std::vector<endpoint> seeds;
  for (const std::string& seed : at.seeds) seeds.push_back(find(seed).address);
  at.core->set_seeds(seeds);
  at.read = change_cursor();
  at.read.notices_from = 0;
  at.is_up = true;
}

void trace_cluster::run_node_command(node& at, const words& command) {
  const std::string& what = command[1];
  const auto expect = [&](std::size_t count, std::string_view form) {
    expect_words(command, count + 2, at.handle + " " + std::string(form));
  };
  if (what == "set" || what == "fill" || what == "lease") {
    set(at, command);
  } else if (what == "erase") {
    expect(1, "erase KEY");
    expect_done(at.core->erase(command[2]), lines_);
  } else if (what == "churn") {
    expect(2, "churn KEY COUNT");
    for (std::uint64_t i = to_number(command[3]); i > 0; --i) {
      expect_done(at.core->set(command[2] + std::to_string(i), "x"), lines_);
      expect_done(at.core->erase(command[2] + std::to_string(i)), lines_);
    }
    while (at.core->poll_event(at.read)) {
    }
  } else if (what == "join") {
    expect(1, "join NODE");
    at.core->join(find(command[2]).address);
  } else if (what == "forget") {
    expect(1, "forget PEER");
    expect_done(at.core->forget(command[2]), lines_);
  } else if (what == "change") {
    expect(1, "change OPTION=VALUE");
    const auto [name, value] = split_pair(command[2]);
    set_option(at.settings, name, value);
    const auto changed = at.core->change(at.settings, now_at(at));
    if (!changed) throw trace_error(changed.error().message());
  } else if (what == "clock") {
    expect(1, "clock TIME");
    at.clock_offset = to_time(command[2]);
  } else {
    expect(0, what);
    if (what == "leave") {
      at.core->leave(now_at(at));
    } else if (what == "restart") {
      at.seed += 100;
      start(at);
    } else if (what == "stop" || what == "resume") {
      at.is_up = what == "resume";
    } else if (what == "round") {
      return round(at);
    } else if (what == "members") {
      return show_members(at);
    } else if (what == "drops") {
      return show_drops(at);
    } else if (what == "writable") {
      lines_.push_back(at.core->is_writable(now_at(at)) ? "yes" : "no");
    } else {
      throw trace_error("there is no command \"" + what + "\"");
    }
  }
  finish_step(at);
}

void trace_cluster::set(node& at, const words& command) {
  const std::string& what = command[1];
  if (what == "lease") {
    expect_words(command, 5, at.handle + " lease KEY VALUE TIME");
    expect_done(at.core->set(command[2], command[3], to_time(command[4]), now_at(at)), lines_);
    return;
  }
  expect_words(command, 4, at.handle + (what == "fill" ? " fill KEY BYTES" : " set KEY VALUE"));
  const std::string value = what == "set"
                                ? command[3]
                                : std::string(static_cast<std::size_t>(to_number(command[3])), 'x');
  expect_done(at.core->set(command[2], value), lines_);
}

void trace_cluster::show_members(const node& at) {
  for (const member& one : at.core->members(now_at(at))) {
    std::string line = one.name + " " + std::string(to_string(one.status));
    if (one.is_suspect) line += " suspect";
    line += " g" + std::to_string(one.generation) + " v" + std::to_string(one.max_version) + ":";
    std::uint64_t version = 0;
    while (const std::optional<entry_view> entry = at.core->first_above(one.name, version)) {
      version = entry->version;
      line += " " + std::string(entry->key) + "@" + std::to_string(version);
    }
    const std::size_t tombstones = at.core->usage(one.name).tombstones;
    if (tombstones != 0) line += " (tombstones: " + std::to_string(tombstones) + ")";
    lines_.push_back(line);
  }
}

void trace_cluster::show_drops(const node& at) {
  const protocol_stats stats = at.core->stats();
  for (std::size_t i = 0; i < drop_reason_count; ++i) {
    if (stats.drops[i] == 0) continue;
    lines_.push_back(std::string(to_string(static_cast<drop_reason>(i))) + " " +
                     std::to_string(stats.drops[i]));
  }
}

void trace_cluster::handle_due(node& at) {
  at.core->handle_timeout(now_at(at));
  finish_step(at);
}

void trace_cluster::round(node& at) {
  if (!at.is_up) throw trace_error(at.handle + " is stopped");
  const nanoseconds due = std::max(steady_, at.core->next_deadline());
  wall_ += due - steady_;
  steady_ = due;
  handle_due(at);
}

void trace_cluster::deliver_oldest() {
  if (waiting_.empty()) throw trace_error("nothing waits");
  delivered_.splice(delivered_.begin(), waiting_, waiting_.begin());
  constexpr std::size_t kept = 16;
  if (delivered_.size() > kept) delivered_.pop_back();
  hand_over(delivered_.front());
}

void trace_cluster::deliver_waiting() {
  std::size_t count = std::max<std::size_t>(1, waiting_.size());
  while (count-- > 0) deliver_oldest();
}

void trace_cluster::deliver_all() {
  while (!waiting_.empty()) deliver_oldest();
}

void trace_cluster::take_oldest(const std::string& link, bool is_lost) {
  const auto [from, to] = split_link(link);
  for (auto one = waiting_.begin(); one != waiting_.end(); ++one) {
    if (handle_of(one->from) != from || handle_of(one->to) != to) continue;
    if (is_lost) {
      waiting_.erase(one);
    } else {
      waiting_.splice(waiting_.end(), waiting_, one);
    }
    return;
  }
  throw trace_error("no message waits on " + link);
}

void trace_cluster::hand_over_again(const std::string& link, bool is_forged) {
  const auto [from, to] = split_link(link);
  for (letters* place : {&waiting_, &delivered_}) {
    for (auto one = place->begin(); one != place->end(); ++one) {
      if (handle_of(one->from) != from || handle_of(one->to) != to) continue;
      const endpoint source = is_forged ? endpoint::v4(10, 0, 9, 9, 7000) : one->from;
      const letter copy(one->content, source, one->to);
      if (place == &waiting_) place->erase(one);
      show(handle_of(source) + "->" + to + " " + to_text(copy.content));
      return hand_over(copy);
    }
  }
  throw trace_error("no message goes or went on " + link);
}

void trace_cluster::pass(nanoseconds length, bool is_quiet) {
  const nanoseconds end = steady_ + length;
  began_ = steady_;
  is_quiet_ = is_quiet;
  for (;;) {
    deliver_all();
    node* next = nullptr;
    for (const std::unique_ptr<node>& one : nodes_) {
      if (!one->is_up) continue;
      if (next == nullptr || one->core->next_deadline() < next->core->next_deadline()) {
        next = one.get();
      }
    }
    if (next == nullptr || next->core->next_deadline() > end) break;
    const nanoseconds due = std::max(steady_, next->core->next_deadline());
    wall_ += due - steady_;
    steady_ = due;
    handle_due(*next);
  }
  wall_ += end - steady_;
  steady_ = end;
}

trace_cluster::node& trace_cluster::find(const std::string& handle) {
  for (const std::unique_ptr<node>& one : nodes_) {
    if (one->handle == handle) return *one;
  }
  throw trace_error("there is no command and no node \"" + handle + "\"");
}

std::string trace_cluster::handle_of(const endpoint& address) const {
  for (const std::unique_ptr<node>& one : nodes_) {
    if (one->address == address) return one->handle;
  }
  return "unknown";
}

std::string trace_cluster::to_text(const message& what) const {
  return to_string(what, [this](std::uint64_t hash) { return name_of(hash); });
}

std::string_view trace_cluster::name_of(std::uint64_t hash) const {
  for (const std::unique_ptr<node>& one : nodes_) {
    if (hash_of(one->settings.name) == hash) return one->settings.name;
  }
  return {};
}

moment trace_cluster::now_at(const node& at) const {
  return moment(steady_, wall_ + at.clock_offset);
}

bool trace_cluster::is_cut(const letter& sent) const {
  const std::string from = handle_of(sent.from);
  const std::string to = handle_of(sent.to);
  return cuts_.contains({from, to}) || cuts_.contains({from, "*"}) || cuts_.contains({"*", to});
}

void trace_cluster::hand_over(const letter& sent) {
  for (const std::unique_ptr<node>& one : nodes_) {
    if (!one->is_up || one->address != sent.to) continue;
    // A driver checks version and cluster of a datagram before the core sees the message.
    const wire_range& spoken = one->spoken;
    const std::uint8_t version = sent.content.wire_version;
    const auto sender = std::find_if(nodes_.begin(), nodes_.end(),
                                     [&](const auto& from) { return from->address == sent.from; });
    if (version < spoken.lowest || version > spoken.highest) {
      one->core->handle_unreadable(sent.content.versions, sent.from);
    } else if (sender != nodes_.end() &&
               (*sender)->settings.cluster_name != one->settings.cluster_name) {
      one->core->handle_foreign(sent.from);
    } else {
      one->core->handle_message(sent.content, sent.from, sent.bytes, now_at(*one));
    }
    finish_step(*one);
  }
}

void trace_cluster::finish_step(node& at) {
  while (const std::optional<event_view> seen = at.core->poll_event(at.read)) {
    const std::string line = at.handle + ": " + event_text(*seen);
    const bool was_quiet = std::exchange(is_quiet_, false);
    show(line);
    is_quiet_ = was_quiet;
  }
  at.core->release_changes(at.read.sequence);
  if (!at.is_up) return;
  message sent;
  while (const std::optional<endpoint> to = at.core->poll_transmit(now_at(at), sent)) {
    letter& copy = waiting_.emplace_back(sent, at.address, *to);
    std::string line = at.handle + "->" + handle_of(*to) + " " + to_text(sent);
    const bool is_lost = is_cut(copy);
    if (is_lost) line += " (lost)";
    show(line);
    if (is_lost) waiting_.pop_back();
  }
}

void trace_cluster::show(const std::string& line) {
  if (is_quiet_) return;
  std::string stamp;
  if (began_) {
    stamp = "+" + std::to_string((steady_ - *began_) / milliseconds{1}) + "ms ";
  }
  lines_.push_back(stamp + line);
}

}  // namespace gossipmonger
