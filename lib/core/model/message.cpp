#include "core/model/message.hpp"

#include <algorithm>

#include "gossipmonger/drop_reason.hpp"

namespace gossipmonger {

bool has_entry(std::span<const packed_entry> list, std::uint64_t name_hash) {
  return std::ranges::find(list, name_hash, &packed_entry::name_hash) != list.end();
}

entry_list& entry_list::operator=(const entry_list& other) {
  if (this == &other) return *this;
  own_.assign(other.begin(), other.end());
  borrowed_ = {};
  return *this;
}

void entry_list::borrow(std::span<const packed_entry> entries) {
  if (entries.empty()) return;
  if (empty()) {
    borrowed_ = entries;
  } else if (own_.empty() && end() == entries.data()) {
    borrowed_ = std::span(borrowed_.data(), borrowed_.size() + entries.size());
  } else {
    own().insert(own_.end(), entries.begin(), entries.end());
  }
}

std::vector<packed_entry>& entry_list::own() {
  own_.insert(own_.end(), borrowed_.begin(), borrowed_.end());
  borrowed_ = {};
  return own_;
}

void digest::clear() {
  lo = 1;
  hi = 0;
  buckets.reset();
  root.reset();
  range.clear();
  extra.clear();
  unwanted.clear();
}

void set_scopes(std::span<identity_view> identities, std::uint32_t interface) {
  for (identity_view& who : identities) {
    if (who.address.is_link_local()) who.address.scope = interface;
  }
}

void message::clear() {
  kind = message_kind::digest;
  versions = {};
  wire_version = 1;
  features = 0;
  cookie_echo = 0;
  cookie = 0;
  padded_bytes = 0;
  sender = {};
  receiver = {};
  receiver_instance = 0;
  more = false;
  interval = {};
  refused = refusal::none;
  largest_received = 0;
  is_name_shared = false;
  known.clear();
  suspicions.clear();
  identities.clear();
  heartbeats.clear();
  requests.clear();
  partials.clear();
  spared.clear();
  sums.clear();
  sum_bits = 0;
  sum_part = 0;
  of_root = root_answer::none;
  deltas.clear();
  entries.clear();
}

std::string_view to_string(drop_reason reason) {
  switch (reason) {
    case drop_reason::length:
      return "length";
    case drop_reason::magic:
      return "magic";
    case drop_reason::wire_version:
      return "wire_version";
    case drop_reason::cluster:
      return "cluster";
    case drop_reason::checksum:
      return "checksum";
    case drop_reason::kind:
      return "kind";
    case drop_reason::malformed:
      return "malformed";
    case drop_reason::field:
      return "field";
    case drop_reason::reflected:
      return "reflected";
    case drop_reason::not_for_me:
      return "not_for_me";
    case drop_reason::unverified:
      return "unverified";
    case drop_reason::about_self:
      return "about_self";
    case drop_reason::unknown_peer:
      return "unknown_peer";
    case drop_reason::gap:
      return "gap";
    case drop_reason::stale:
      return "stale";
    case drop_reason::name_conflict:
      return "name_conflict";
    case drop_reason::far_future:
      return "far_future";
    case drop_reason::endpoint:
      return "endpoint";
    case drop_reason::refused:
      return "refused";
    case drop_reason::capacity:
      return "capacity";
    case drop_reason::storage:
      return "storage";
    case drop_reason::fragment:
      return "fragment";
  }
  return "unknown";
}

}  // namespace gossipmonger
