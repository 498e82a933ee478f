#include "gossipmonger/library_build.hpp"

namespace gossipmonger {

template <class... Facts>
void built_with() noexcept {}

template void built_with<file_containers>() noexcept;

}  // namespace gossipmonger
