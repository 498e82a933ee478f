// A look-up of a seed, run to its end.
#pragma once

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/resolver.hpp"

namespace gossipmonger {

using endpoints = result<std::vector<endpoint>>;

inline asio::awaitable<void> keep_resolved(std::string seed, endpoints& found) {
  found = co_await resolve(std::move(seed));
}

inline endpoints resolved(std::string seed) {
  asio::io_context context;
  endpoints found;
  asio::co_spawn(context, keep_resolved(std::move(seed), found),
                 [](std::exception_ptr thrown) { CHECK(thrown == nullptr); });
  context.run();
  return found;
}

}  // namespace gossipmonger
