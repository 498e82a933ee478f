#include "gossipmonger/asio_definitions.hpp"

namespace gossipmonger {

template <class... Facts>
void built_with() noexcept {}

template void built_with<asio_version<ASIO_VERSION>, file_containers>() noexcept;

}  // namespace gossipmonger
