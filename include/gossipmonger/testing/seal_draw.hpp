// Nodes whose nonces a seed decides: for simulations only. In operation a fixed seed would repeat
// them, so there the system's random device decides, whatever `random_seed` is.
#pragma once

#include "gossipmonger/asio_definitions.hpp"  // first

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>

#include "gossipmonger/node_base.hpp"

namespace gossipmonger {

/// The way to `node_base` of the function below.
struct seal_draw_access {
  /// As `set_seal_draw`; false where `of` was given a keyring already.
  [[nodiscard]] static bool try_set(node_base& of, std::function<std::uint64_t()> draw) {
    return of.try_set_seal_draw(std::move(draw));
  }
};

/// `of` takes the instances of its seal from `draw`.
///   errors: std::logic_error where `of` was given a keyring already; nothing has changed then
inline void set_seal_draw(node_base& of, std::function<std::uint64_t()> draw) {
  if (!seal_draw_access::try_set(of, std::move(draw))) {
    throw std::logic_error("set_seal_draw: the node was given a keyring already");
  }
}

}  // namespace gossipmonger
