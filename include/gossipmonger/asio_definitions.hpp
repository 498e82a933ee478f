// Checks the definitions that must stand before the first Asio header, alike in every file of a
// program. Without them Asio 1.22 lacks `awaitable` under clang, and mixes two allocators for
// coroutine frames. The file must also see the Asio that the library was built with. So this header
// comes first in each header that includes Asio.
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

#include <asio/version.hpp>

#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

static_assert(sizeof(compiled_with_asio<ASIO_VERSION>) > 0);

[[maybe_unused]] static const bool has_library_asio =
    (built_with<asio_version<ASIO_VERSION>, file_containers>(), true);

}  // namespace gossipmonger
