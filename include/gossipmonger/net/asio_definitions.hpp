// What must hold before the first Asio header is read, in every file of a program alike: without it
// Asio 1.22 lacks `awaitable` under clang, and mixes two allocators for coroutine frames. So this
// comes first in each header that includes Asio. No declarations.
#pragma once

#if __cplusplus < 202002L
#error "gossipmonger: compile as C++20 or later"
#endif

#if !defined(ASIO_HAS_CO_AWAIT) || !defined(ASIO_HAS_STD_COROUTINE) || \
    !defined(ASIO_HAS_STD_ALIGNED_ALLOC)
#error \
    "gossipmonger: compile with ASIO_HAS_CO_AWAIT=1, ASIO_HAS_STD_COROUTINE=1 and \
ASIO_HAS_STD_ALIGNED_ALLOC=1, as the Meson dependency, pkg-config and CMake package say"
#endif
