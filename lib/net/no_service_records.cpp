// For systems whose resolver library cannot be asked for records.
#include <system_error>

#include "net/service_records.hpp"

namespace gossipmonger {

result<std::vector<service_target>> look_up_service(const std::string&) {
  return tl::unexpected<std::error_code>(std::make_error_code(std::errc::operation_not_supported));
}

}  // namespace gossipmonger
