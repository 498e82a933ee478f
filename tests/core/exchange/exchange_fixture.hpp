// The exchange of one node without a protocol around it: for tests of its machines, one or all.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../protocol_fixture.hpp"
#include "core/exchange/exchange.hpp"
#include "core/exchange/exchange_tables.hpp"
#include "core/membership/peer_table.hpp"
#include "core/membership/unwanted_peers.hpp"
#include "core/storage/change_list.hpp"
#include "gossipmonger/config.hpp"
#include "gossipmonger/memory_storage.hpp"

namespace gossipmonger {

/// A node "a" that knows the peers that the test adds, each of generation 7 and heartbeat 5.
class exchange_fixture {
 public:
  explicit exchange_fixture(std::size_t keys_total_max = 1000,
                            const config& of_node = make_config("a"))
      : settings(of_node),
        entries(make_limits(keys_total_max)),
        machines(settings, peers, unwanted, storage_ref(entries), changes) {
    static_cast<void>(add("a", 0));
    peers.self().set_status(peer_status::self);
  }
  exchange_fixture(const exchange_fixture&) = delete;
  exchange_fixture& operator=(const exchange_fixture&) = delete;

  slot_index add(std::string_view name, std::uint64_t max_version) {
    const slot_index slot = *peers.try_add(name, hash_of(name));
    peers.begin(slot, 7, 5, {}, {});
    peers[slot].set_max_version(max_version);
    machines.begin(slot);
    return slot;
  }
  /// The same with entries "k1", "k2" … at each version.
  slot_index add_with_entries(std::string_view name, std::uint64_t max_version,
                              std::string_view value) {
    const slot_index slot = add(name, max_version);
    for (std::uint64_t version = 1; version <= max_version; ++version) {
      const std::string key = "k" + std::to_string(version);
      entry_view entry = make_entry(key, value, version);
      entry.sequence = changes.take();
      static_cast<void>(entries.put(slot, entry));
    }
    return slot;
  }
  /// The entry of a peer in another node's digest.
  [[nodiscard]] static digest_entry entry_of(std::string_view name, std::uint64_t max_version) {
    digest_entry entry;
    entry.name_hash = hash_of(name);
    entry.generation = 7;
    entry.heartbeat = 5;
    entry.max_version = max_version;
    return entry;
  }

  config settings;
  peer_table peers{700};
  unwanted_peers unwanted{32};
  memory_storage entries;
  change_list changes{64};
  exchange machines;
  exchange_tables& shared = machines.shared;

 private:
  static memory_storage_limits make_limits(std::size_t keys_total_max) {
    memory_storage_limits limits;
    limits.keys_total_max = keys_total_max;
    return limits;
  }
};

}  // namespace gossipmonger
