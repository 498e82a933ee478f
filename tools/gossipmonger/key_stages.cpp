#include "key_stages.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace gossipmonger {
namespace {

/// Rows for keys that this node does not have: each node may name 8, whether they exist or not.
constexpr std::size_t foreign_rows_max = 24;

/// The text that a node publishes, understood. Words that this program does not know are skipped.
struct parsed_stage {
  std::string seal;               // empty: plain datagrams are sent
  std::vector<std::string> open;  // the sealing key among them
  bool is_plain_sent = false;
  bool is_plain_accepted = false;
};

std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

bool is_id(std::string_view text) {
  return text.size() == 8 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

parsed_stage parse_stage(const std::optional<std::string>& published) {
  parsed_stage parsed;
  if (!published) {
    parsed.is_plain_sent = parsed.is_plain_accepted = true;
    return parsed;
  }
  std::string_view rest = *published;
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    const std::string_view operand = take_word(rest);
    const bool is_key = (word == "seal" || word == "open") && is_id(operand);
    if (is_key && parsed.open.size() < keyring_keys_max) parsed.open.emplace_back(operand);
    if (is_key && word == "seal") parsed.seal = operand;
    if (word == "plain" && operand == "accepted") parsed.is_plain_accepted = true;
    if (word == "plain" && operand == "sent") {
      parsed.is_plain_sent = parsed.is_plain_accepted = true;
    }
  }
  if (parsed.is_plain_sent) parsed.seal.clear();
  return parsed;
}

/// A key that this node does not have, and the number of nodes that name it.
struct foreign_key {
  explicit foreign_key(std::string of_id) : id(std::move(of_id)) {}

  std::string id;
  std::size_t nodes = 0;
};

/// The keys beside those in `rows`, those that most nodes name first.
std::vector<foreign_key> foreign_keys(const std::vector<parsed_stage>& stages,
                                      const std::vector<key_row>& rows) {
  std::set<std::string_view> own;
  for (const key_row& row : rows) own.insert(row.id);
  std::vector<foreign_key> found;
  std::map<std::string_view, std::size_t> places;  // any node may invent ids: no hash table
  for (const parsed_stage& stage : stages) {
    for (auto id = stage.open.begin(); id != stage.open.end(); ++id) {
      if (own.contains(*id) || std::find(stage.open.begin(), id, *id) != id) continue;
      const auto [place, is_new] = places.try_emplace(*id, found.size());
      if (is_new) found.emplace_back(*id);
      ++found[place->second].nodes;
    }
  }
  std::ranges::sort(found, [](const foreign_key& one, const foreign_key& other) {
    return one.nodes != other.nodes ? one.nodes > other.nodes : one.id < other.id;
  });
  return found;
}

}  // namespace

key_stages stages_of(const std::vector<node_stage>& nodes, const seal_counters& here,
                     std::chrono::nanoseconds now) {
  key_stages all;
  all.nodes = nodes.size();
  all.plain_here = here.plain;
  for (const seal_key_counters& key : here.keys) {
    key_row& row = all.keys.emplace_back();
    row.id = to_text(key.id);
    row.is_sealing_here = key.is_sealing;
    row.is_opening_here = true;
    row.sealed = key.sealed;
    row.opened = key.opened;
    if (key.opened_last) row.opened_ago = now - *key.opened_last;
  }
  std::vector<parsed_stage> parsed;
  for (const node_stage& node : nodes) {
    const parsed_stage& stage = parsed.emplace_back(parse_stage(node.published));
    if (stage.is_plain_sent) all.plain_sent_by.push_back(node.name);
    if (stage.is_plain_accepted) all.plain_accepted_by.push_back(node.name);
  }
  for (const foreign_key& one : foreign_keys(parsed, all.keys)) {
    if (all.keys.size() == here.keys.size() + foreign_rows_max) {
      ++all.unlisted_keys;
    } else {
      all.keys.emplace_back().id = one.id;
    }
  }
  for (key_row& row : all.keys) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const std::vector<std::string>& open = parsed[i].open;
      if (parsed[i].seal != row.id) row.not_sealing.push_back(nodes[i].name);
      if (std::find(open.begin(), open.end(), row.id) == open.end()) {
        row.not_opening.push_back(nodes[i].name);
      }
    }
  }
  return all;
}

std::string_view to_string(plain_policy policy) {
  switch (policy) {
    case plain_policy::refused:
      return "refused";
    case plain_policy::accepted:
      return "accepted";
    case plain_policy::sent:
      return "sent";
  }
  return "refused";
}

}  // namespace gossipmonger
