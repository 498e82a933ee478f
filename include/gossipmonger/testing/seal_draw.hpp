// Nodes whose nonces a seed decides: for simulations only. In operation a fixed seed would repeat
// them, so there the system's random device decides, whatever `random_seed` is.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <cstdint>
#include <functional>
#include <utility>

#include "gossipmonger/node_base.hpp"

namespace gossipmonger {

/// The way to `node_base` of the function below.
struct seal_draw_access {
  /// As `set_seal_draw`.
  static void set(node_base& of, std::function<std::uint64_t()> draw) {
    of.set_seal_draw(std::move(draw));
  }
};

/// `of` takes the instances of its seal from `draw`.
///   expects: `of` was given no keyring yet
inline void set_seal_draw(node_base& of, std::function<std::uint64_t()> draw) {
  seal_draw_access::set(of, std::move(draw));
}

}  // namespace gossipmonger
