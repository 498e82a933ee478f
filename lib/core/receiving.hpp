// The script of a received message: the sender, its words on itself, on this node and on others,
// and the answer. A resource over the node's parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/membership/peer_table.hpp"
#include "core/model/message.hpp"
#include "core/node_parts.hpp"
#include "core/outgoing.hpp"
#include "core/own_name.hpp"
#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

class receiving {
 public:
  /// Both outlive the script.
  receiving(node_parts& node, outgoing& legs) : node_(node), outgoing_(legs), own_name_(node) {}
  receiving(const receiving&) = delete;
  receiving& operator=(const receiving&) = delete;

  /// As `protocol::handle_message`.
  void handle_message(const message& received, const endpoint& source, std::size_t bytes,
                      moment now, const endpoint& local);

 private:
  /// From a sender that bears my name: myself, a former run, or another node.
  void handle_namesake(const message& received, const endpoint& source, std::size_t bytes,
                       bool is_verified);
  /// Whether a leg that I start leaves from the address that this datagram was sent to: a cookie
  /// verifies one address, and is of no use for another.
  [[nodiscard]] bool is_my_source(const endpoint& local) const {
    return node_.source.is_wildcard() || local.is_wildcard() || local.has_address_of(node_.source);
  }
  /// A reply with a cookie that I gave to another address: that one is named once.
  void report_other_source(const message& received, const endpoint& source, moment now);
  /// A reply tells how long its sender took to answer.
  void measure(const message& received, moment now);
  /// From a verified address: notes its size, and tells where it shows that large datagrams of mine
  /// do not reach the sender, and short ones do.
  void watch_path(const message& received, std::size_t bytes);
  void handle_digest(const message& received, const endpoint& source, std::size_t bytes,
                     bool is_verified, bool is_fresh);
  void handle_reply(const message& received, const endpoint& source, bool is_fresh);
  /// Says in the answer to a digest without a claim what its root shows, and whether it was stale.
  void answer_root(const message& received, bool is_fresh, answer_leg& leg);
  /// Leg 3: what the reply requests; and what the answer to a root shows to be lacking here or
  /// there.
  void answer_reply(const message& received, const endpoint& source);
  /// Notes the sender of entries of which there are more. True: it sent some.
  bool handle_parts(const message& received, const endpoint& source);
  /// A fresh leg 1, at once, but once a round and address.
  void begin_anew(const endpoint& source, std::uint64_t remote_hash);
  /// expects: the message came from a verified address
  void handle_sender(const message& received, const endpoint& source, bool is_fresh);
  /// The node at `teller` told it.
  void handle_identity(const identity_view& who, const endpoint& teller, bool is_fresh);
  void handle_heartbeats(std::span<const packed_entry> entries, const comparison& seen,
                         bool is_fresh);
  void handle_heartbeat(slot_index slot, const digest_entry& entry);
  /// The same by another peer's word, which may be impossible.
  void handle_relayed(slot_index slot, const digest_entry& entry);
  /// That the peer leaves, if the entry says so; of its heartbeat nothing.
  void handle_leave(slot_index slot, const digest_entry& entry);
  void handle_suspicions(const message& received, const endpoint& source);

  node_parts& node_;
  outgoing& outgoing_;
  own_name own_name_;

  // Of the message in hand.
  endpoint sent_to_;  // an address of this host; a wildcard: not known
  digest_comparison seen_;
};

}  // namespace gossipmonger
