// A short leg that liveness wants. A value.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/model/digest.hpp"
#include "gossipmonger/endpoint.hpp"

namespace gossipmonger {

/// A digest leg that claims nothing, which asks or tells. A value.
struct wanted_probe {
  enum class cause : std::uint8_t {
    other,        ///< nothing depends on whether it goes
    silent_peer,  ///< asks the peer of a pending probe again; indirect probes follow if it goes
    last_word,    ///< asks a suspect before it is declared dead
    awaited,      ///< asks a peer whose silence will show, if it goes
  };

  wanted_probe(const endpoint& address, std::uint64_t hash) : to(address), remote_hash(hash) {}

  endpoint to;
  std::uint64_t remote_hash;
  std::optional<suspicion_entry> told;  ///< rides along, if the leg has room for it
  cause why = cause::other;
  /// The suspicion in `told` is as old, and not public yet.
  std::optional<std::chrono::nanoseconds> suspected;
  bool is_again = false;  ///< its peer left it aside before
};

}  // namespace gossipmonger
