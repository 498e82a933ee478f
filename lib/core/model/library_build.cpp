#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

std::string_view version() noexcept { return headers_version; }

template <class... Facts>
void built_with() noexcept {}

template void built_with<file_containers>() noexcept;

}  // namespace gossipmonger
