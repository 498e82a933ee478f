#include "json_format.hpp"

#include <nlohmann/json.hpp>

#include "bytes.hpp"

namespace gossipmonger {

namespace {

using json = nlohmann::ordered_json;  // fields in the order in which they are written here

std::string to_text(const json& any) {
  // Text of the program's own and valid names need no replacement; a word of a command may.
  return any.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string to_line(const json& object) { return to_text(object) + "\n"; }

json to_json(std::string_view value) {
  if (is_utf8(value)) return json(value);
  json wrapped;
  wrapped["base64"] = base64(value);
  return wrapped;
}

/// With three decimals; null where there is none.
json milliseconds_of(const std::optional<std::chrono::nanoseconds>& time) {
  if (!time) return {};
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(*time);
  return json(static_cast<double>(whole.count()) / 1000.0);
}

json make_event(std::string_view kind, wall_time at) {
  json line;
  line["event"] = kind;
  line["time_ms"] = at.time_since_epoch().count();
  return line;
}

json make_reply(std::string_view word) {
  json line;
  line["reply"] = word;
  return line;
}

}  // namespace

std::string json_format::started(const node& of, const endpoint& bound, wall_time at) const {
  json line = make_event("started", at);
  line["name"] = of.name();
  line["generation"] = of.generation();
  line["endpoint"] = bound.to_string();
  // The address that peers send to; null while it is not known.
  const endpoint address = of.advertised_endpoint();
  line["advertise"] = address.is_wildcard() ? json() : json(address.to_string());
  return to_line(line);
}

std::string json_format::event(const event_view& what, wall_time at) const {
  json line = make_event(to_string(what.kind), at);
  line["peer"] = what.peer.empty() ? json() : json(what.peer);
  line["generation"] = what.peer.empty() ? json() : json(what.generation);
  if (what.kind == event_kind::update || what.kind == event_kind::removed) {
    line["key"] = what.key;
    if (what.kind == event_kind::update) line["value"] = to_json(what.value);
    line["version"] = what.version;
  }
  if (!what.text.empty()) line["message"] = what.text;
  return to_line(line);
}

std::string json_format::dropped(const refused_count& what, wall_time at) const {
  json line = make_event("dropped", at);
  line["counter"] = what.counter;
  line["count"] = what.count;
  line["total"] = what.total;
  return to_line(line);
}

std::string json_format::set(std::string_view key, std::uint64_t version) const {
  json line = make_reply("set");
  line["key"] = key;
  line["version"] = version;
  return to_line(line);
}

std::string json_format::set_ttl(std::string_view key, std::uint64_t version,
                                 std::chrono::milliseconds ttl) const {
  json line = make_reply("set-ttl");
  line["key"] = key;
  line["version"] = version;
  line["ttl_ms"] = ttl.count();
  return to_line(line);
}

std::string json_format::erased(std::string_view key, std::optional<std::uint64_t> version) const {
  json line = make_reply("erase");
  line["key"] = key;
  line["version"] = version ? json(*version) : json();
  return to_line(line);
}

std::string json_format::got(std::string_view peer, std::string_view key,
                             const std::optional<entry_view>& entry, const key_age& age,
                             std::optional<peer_status> status) const {
  json line = make_reply("get");
  line["peer"] = peer;
  line["key"] = key;
  line["value"] = entry ? to_json(entry->value) : json();
  line["version"] = entry ? json(entry->version) : json();
  line["status"] = status ? json(to_string(*status)) : json();
  line["age_ms"] = entry && age.here ? json(age.here->count()) : json();
  line["ttl_ms"] = entry && age.left ? json(age.left->count()) : json();
  return to_line(line);
}

std::string json_format::members(const std::vector<member>& all) const {
  json rows = json::array();
  for (const member& one : all) {
    json row;
    row["name"] = one.name;
    row["generation"] = one.generation;
    row["endpoint"] = one.address.to_string();
    row["status"] = to_string(one.status);
    row["reachable"] = one.is_reachable;
    row["suspect"] = one.is_suspect;
    row["max_version"] = one.max_version;
    row["lacks"] = one.lacks;
    row["heartbeat"] = one.heartbeat;
    row["phi"] = one.phi ? json(*one.phi) : json();
    row["silent_ms"] = milliseconds_of(one.silent);
    row["rtt_ms"] = milliseconds_of(one.rtt);
    row["interval_ms"] = one.gossip_interval ? json(one.gossip_interval->count()) : json();
    row["backlog"] = one.backlog;
    row["wire_versions"] = json();
    if (one.wire_versions) {
      row["wire_versions"] = json::array({one.wire_versions->lowest, one.wire_versions->highest});
    }
    row["sealed_with"] = json();
    if (one.sealed_with) {
      row["sealed_with"] = *one.sealed_with == 0 ? "plain" : to_text(*one.sealed_with);
    }
    rows.push_back(std::move(row));
  }
  json line = make_reply("members");
  line["members"] = std::move(rows);
  return to_line(line);
}

std::string json_format::forgotten(std::string_view peer) const {
  json line = make_reply("forget");
  line["peer"] = peer;
  return to_line(line);
}

std::string json_format::joined(const std::vector<endpoint>& addresses) const {
  json line = make_reply("join");
  line["addresses"] = json::array();
  for (const endpoint& one : addresses) line["addresses"].push_back(one.to_string());
  return to_line(line);
}

std::string json_format::has_live(std::size_t live, std::chrono::milliseconds waited) const {
  json line = make_reply("wait-live");
  line["live"] = live;
  line["waited_ms"] = waited.count();
  return to_line(line);
}

std::string json_format::waited_for(std::string_view peer, std::string_view key,
                                    std::string_view value,
                                    std::chrono::milliseconds waited) const {
  json line = make_reply("wait");
  line["peer"] = peer;
  line["key"] = key;
  line["value"] = to_json(value);
  line["waited_ms"] = waited.count();
  return to_line(line);
}

std::string json_format::writable(std::chrono::milliseconds waited) const {
  json line = make_reply("writable");
  line["waited_ms"] = waited.count();
  return to_line(line);
}

std::string json_format::changed(std::string_view name, std::string_view value,
                                 std::string_view warning) const {
  json line = make_reply("option");
  line["name"] = name;
  line["value"] = value;
  if (!warning.empty()) line["warning"] = warning;
  return to_line(line);
}

std::string json_format::options(
    const std::vector<std::pair<std::string, std::string>>& named) const {
  json line = make_reply("options");
  for (const auto& [name, value] : named) line[name] = value;
  return to_line(line);
}

// As text at once: an ordered object looks through all its keys for each one that it takes.
void json_format::begin_state(std::string& to) const { to += R"({"reply":"state","peers":{)"; }

void json_format::begin_peer(const peer_state& of, bool is_first, std::string& to) const {
  if (!is_first) to += ',';
  to += to_text(json(of.name));
  to += ":{";
}

void json_format::add_entry(const peer_entry& one, bool is_first, std::string& to) const {
  if (!is_first) to += ',';
  to += to_text(json(one.key));
  to += ':';
  to += to_text(to_json(one.value));
}

void json_format::end_peer(std::string& to) const { to += '}'; }

void json_format::end_state(const std::vector<peer_state>& all, std::string& to) const {
  json statuses = json::object();
  for (const peer_state& one : all) statuses[one.name] = to_string(one.status);
  to += R"(},"statuses":)" + to_text(statuses) + "}\n";
}

std::string json_format::stats(const std::vector<std::pair<std::string, std::uint64_t>>& counters,
                               bool) const {
  json line = make_reply("stats");
  for (const auto& [name, count] : counters) line[name] = count;
  return to_line(line);
}

std::string json_format::keys(const key_stages& all) const {
  json line = make_reply("keys");
  line["nodes"] = all.nodes;
  line["keys"] = json::array();
  for (const key_row& row : all.keys) {
    json key;
    key["id"] = row.id;
    key["seals"] = row.is_sealing_here;
    key["opens"] = row.is_opening_here;
    key["sealed_by"] = all.nodes - row.not_sealing.size();
    key["opened_by"] = all.nodes - row.not_opening.size();
    key["not_sealed_by"] = row.not_sealing;
    key["not_opened_by"] = row.not_opening;
    key["sealed"] = row.sealed;
    key["opened"] = row.opened;
    key["opened_ago_ms"] = json();
    if (row.opened_ago) {
      const auto ago = std::chrono::floor<std::chrono::milliseconds>(*row.opened_ago);
      key["opened_ago_ms"] = ago.count();
    }
    line["keys"].push_back(std::move(key));
  }
  line["unlisted_keys"] = all.unlisted_keys;
  line["plain"] = to_string(all.plain_here);
  line["plain_sent_by"] = all.plain_sent_by;
  line["plain_accepted_by"] = all.plain_accepted_by;
  line["not_counted"] = all.uncounted;
  return to_line(line);
}

std::string json_format::reloaded(const seal_counters& ring) const {
  json line = make_reply("reload-keys");
  line["keys"] = json::array();
  for (const seal_key_counters& key : ring.keys) line["keys"].push_back(to_text(key.id));
  line["plain"] = to_string(ring.plain);
  return to_line(line);
}

std::string json_format::help(const std::vector<std::string_view>& forms) const {
  json line = make_reply("help");
  line["commands"] = forms;
  return to_line(line);
}

std::string json_format::left(command_kind kind, const leave_result& result) const {
  json line = make_reply(to_string(kind));
  line["acknowledged"] = result.acknowledged;
  line["live"] = result.live;
  return to_line(line);
}

std::string json_format::error(const command_error& what) const {
  json line = make_reply("error");
  line["command"] = what.word;
  line["message"] = what.message;
  return to_line(line);
}

}  // namespace gossipmonger
