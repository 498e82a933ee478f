#include "core/model/message_text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "core/model/compaction_marker.hpp"
#include "core/model/printable.hpp"

namespace gossipmonger {

namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::size_t value_bytes_shown = 32;

std::string to_hex(std::uint64_t number, int width) {
  std::string text;
  for (int shift = 4 * (width - 1); shift >= 0; shift -= 4) text += digits[number >> shift & 15U];
  return text;
}

/// An age in 16ths of a round, as rounds.
std::string in_rounds(std::uint32_t sixteenths) {
  std::string text = std::to_string(sixteenths / 16);
  const std::string fraction = std::to_string(10'000 + sixteenths % 16 * 625).substr(1);
  const std::size_t last = fraction.find_last_not_of('0');
  if (last != std::string::npos) text += "." + fraction.substr(0, last + 1);
  return text;
}

std::string to_text(const position& at) {
  std::string text = std::to_string(at.version);
  if (at.offset != 0) text += "+" + std::to_string(at.offset);
  return text;
}

class message_text {
 public:
  message_text(const message& of, const name_finder& find_name) : of_(of), find_name_(find_name) {}

  std::string make() {
    text_ = std::string(to_string(of_.kind)) + " [" + to_text(of_.sender) + "]";
    add_echo();
    add_flags();
    add_digest();
    add_list("suspicions", of_.suspicions);
    add_list("identities", of_.identities);
    add_list("heartbeats", of_.heartbeats);
    add_list("requests", of_.requests);
    add_list("partials", of_.partials);
    add_list("spared", of_.spared);
    for (const delta_view& delta : of_.deltas) add_delta(delta);
    return std::move(text_);
  }

 private:
  void add(const std::string& part) { text_ += " " + part; }
  template <typename List>
  void add_list(std::string_view what, const List& list) {
    if (list.empty()) return;
    add(std::string(what) + " [");
    bool is_first = true;
    for (const auto& one : list) {
      text_ += (is_first ? "" : ", ") + to_text(one);
      is_first = false;
    }
    text_ += "]";
  }
  void add_echo() {
    if (of_.receiver.generation != 0) {
      add("echo [" + to_text(of_.receiver) + "]");
    } else if (of_.receiver.name_hash != 0) {
      add("echo [" + name_of(of_.receiver.name_hash) + " unknown]");
    }
  }
  void add_flags() {
    const bool is_first_version = of_.wire_version == 1 && of_.versions == wire_range();
    if (!is_first_version) {
      add("wire " + std::to_string(of_.wire_version) + " of " +
          std::to_string(of_.versions.lowest) + ".." + std::to_string(of_.versions.highest));
    }
    const unsigned others = of_.features & ~unsigned{feature_sums};  // each node of today has that
    if (others != 0) add("features 0x" + to_hex(others, 2));
    if (of_.cookie_echo != 0) add("echoes cookie");
    if (of_.cookie != 0) add("gives cookie");
    if (of_.padded_bytes != 0) add("padded " + std::to_string(of_.padded_bytes));
    if (of_.interval.is_said()) {
      add("interval " + std::to_string(of_.interval.length().count()) + "ms");
    }
    if (of_.largest_received != 0) add("largest " + std::to_string(of_.largest_received));
    if (of_.is_name_shared) add("name shared");
    if (of_.refused != refusal::none) add("refused " + std::string(to_string(of_.refused)));
    if (has(of_.of_root, root_answer::leg_2)) add("answers root");
    if (has(of_.of_root, root_answer::leg_3)) add("goes on from root");
    if (has(of_.of_root, root_answer::is_stale)) add("was stale");
    if (has(of_.of_root, root_answer::wants_rows)) add("wants rows");
    if (!of_.sums.empty()) {
      add("sums of " + std::to_string(of_.sums.size()) + " buckets");
      if (of_.sum_part != 0) add("part " + std::to_string(of_.sum_part));
    }
    if (of_.more) add("more");
  }
  void add_digest() {
    const digest& known = of_.known;
    const bool has_claim = known.lo <= known.hi;
    const bool is_all = known.lo == 0 && known.hi == std::numeric_limits<std::uint64_t>::max();
    const std::string claim =
        is_all ? "range all" : "range " + to_hex(known.lo, 16) + ".." + to_hex(known.hi, 16);
    if (known.buckets) add("in " + std::to_string(known.buckets->size()) + " buckets");
    if (has_claim && known.range.empty()) add(claim + " []");
    if (known.root) {
      add("root " + to_hex(known.root->parts, 16) + " of " + std::to_string(known.root->nodes));
    }
    add_list(claim, known.range);
    add_list("extra", known.extra);
    add_list("unwanted", known.unwanted);
  }
  void add_delta(const delta_view& delta) {
    std::string part = "delta " + name_of(delta.name_hash) + " g" +
                       std::to_string(delta.generation) + " (" + to_text(delta.after) + ", " +
                       to_text(delta.upto) + "]";
    if (delta.top > delta.upto.version) part += " top " + std::to_string(delta.top);
    part += " [";
    for (std::size_t i = 0; i < delta.entry_count; ++i) {
      const std::size_t place = delta.first_entry + i;
      if (place >= of_.entries.size()) break;
      if (i > 0) part += ", ";
      part += to_text(of_.entries[place], delta);
    }
    add(part + "]");
  }

  [[nodiscard]] std::string name_of(std::uint64_t hash) const {
    const std::string_view name = find_name_ ? find_name_(hash) : std::string_view();
    return name.empty() ? "#" + to_hex(hash, 8) : printable(name);
  }
  [[nodiscard]] std::string incarnation(std::uint64_t hash, std::uint64_t generation) const {
    return name_of(hash) + " g" + std::to_string(generation);
  }
  [[nodiscard]] std::string to_text(const digest_entry& one) const {
    return incarnation(one.name_hash, one.generation) + " v" + std::to_string(one.max_version) +
           " h" + std::to_string(one.heartbeat) + (one.has_left ? " left" : "");
  }
  [[nodiscard]] std::string to_text(const packed_entry& one) const {
    return to_text(digest_entry(one));
  }
  [[nodiscard]] std::string to_text(const identity_view& one) const {
    return printable(one.name) + " g" + std::to_string(one.generation) + " h" +
           std::to_string(one.heartbeat) + (one.has_left ? " left" : "") +
           (one.is_live ? " live " : " ") + one.address.to_string() + " silent " +
           std::to_string(one.silent.count()) + "ms";
  }
  [[nodiscard]] std::string to_text(const spared_interval& one) const {
    return name_of(one.name_hash) + " (" + std::to_string(one.after) + ", " +
           std::to_string(one.upto) + "]";
  }
  [[nodiscard]] std::string to_text(const partial_entry& one) const {
    if (one.version == brought_version) {
      return incarnation(one.name_hash, one.generation) + " brought by another";
    }
    return incarnation(one.name_hash, one.generation) + " v" + std::to_string(one.version) +
           " has " + std::to_string(one.offset) + " bytes";
  }
  [[nodiscard]] std::string to_text(const suspicion_entry& one) const {
    std::string text = one.is_probe_request ? "probe " : "";
    text += incarnation(one.name_hash, one.generation) + " h" + std::to_string(one.heartbeat);
    const bool is_suspected = one.suspicion_age != suspicion_entry::no_suspicion;
    if (is_suspected) text += " suspect " + in_rounds(one.suspicion_age);
    const bool was_heard = one.alive_age != suspicion_entry::alive_age_max;
    if (was_heard) text += " heard " + in_rounds(one.alive_age);
    return text;
  }
  [[nodiscard]] static std::string to_text(const position& at) { return gossipmonger::to_text(at); }
  [[nodiscard]] static std::string to_text(const entry_view& one, const delta_view& in) {
    const std::string at = "@" + std::to_string(one.version);
    if (one.is_tombstone) return "erased " + printable(one.key) + at;
    if (one.key == floor_key && in.value_bytes == 0) {
      return "compacted " + std::to_string(floor_of(one.value)) + at;
    }
    std::string text = printable(one.key) + "=" + printable(one.value.substr(0, value_bytes_shown));
    const bool is_cut = one.value.size() > value_bytes_shown;
    if (is_cut) text += "...";
    if (is_cut || in.value_bytes != 0) text += " (" + std::to_string(one.value.size());
    if (in.value_bytes != 0) text += " of " + std::to_string(in.value_bytes);
    if (is_cut || in.value_bytes != 0) text += " bytes)";
    return text + at;
  }

  const message& of_;
  const name_finder& find_name_;
  std::string text_;
};

}  // namespace

std::string_view to_string(message_kind kind) {
  switch (kind) {
    case message_kind::digest:
      return "digest leg";
    case message_kind::reply:
      return "answer leg";
    case message_kind::deltas:
      return "delta leg";
  }
  return "unknown leg";
}

std::string_view to_string(refusal why) {
  switch (why) {
    case refusal::none:
      return "none";
    case refusal::far_future:
      return "far_future";
    case refusal::no_room:
      return "no_room";
    case refusal::capacity:
      return "capacity";
    case refusal::storage:
      return "storage";
  }
  return "unknown";
}

std::string to_string(const message& what, const name_finder& find_name) {
  return message_text(what, find_name).make();
}

}  // namespace gossipmonger
