#include "key_stages.hpp"

#include <algorithm>
#include <map>

namespace gossipmonger {
namespace {

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
    for (const std::string& id : stage.open) {
      const bool is_listed = std::any_of(all.keys.begin(), all.keys.end(),
                                         [&id](const key_row& row) { return row.id == id; });
      if (!is_listed) all.keys.emplace_back().id = id;
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
