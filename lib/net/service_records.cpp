#include "net/service_records.hpp"

// The resolver's headers need these before them.
#include <netinet/in.h>
#include <sys/types.h>

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>

#include <asio/error.hpp>

namespace gossipmonger {
namespace {

constexpr std::size_t targets_max = 64;
constexpr std::size_t port_at = 4;    // after priority and weight
constexpr std::size_t target_at = 6;  // the least a record's data holds, and one byte of a name

using resolver_state = struct __res_state;

tl::unexpected<std::error_code> fail(std::error_code error) {
  return tl::unexpected<std::error_code>(error);
}

std::error_code make_query_error(int code) {
  switch (code) {
    case HOST_NOT_FOUND:
      return asio::error::host_not_found;
    case TRY_AGAIN:
      return asio::error::host_not_found_try_again;
    case NO_DATA:
      return asio::error::no_data;
    default:
      return asio::error::no_recovery;
  }
}

result<std::vector<service_target>> parse(std::span<const unsigned char> answer) {
  const auto nonsense = [] { return fail(std::make_error_code(std::errc::bad_message)); };
  ns_msg message;
  if (::ns_initparse(answer.data(), static_cast<int>(answer.size()), &message) != 0) {
    return nonsense();
  }
  std::vector<service_target> found;
  const int count = ns_msg_count(message, ns_s_an);
  for (int i = 0; i < count && found.size() < targets_max; ++i) {
    ns_rr record;
    if (::ns_parserr(&message, ns_s_an, i, &record) != 0) return nonsense();
    if (ns_rr_type(record) != ns_t_srv) continue;  // a CNAME on the way to it
    const std::size_t size = ns_rr_rdlen(record);
    if (size <= target_at) return nonsense();
    const unsigned char* const data = ns_rr_rdata(record);
    std::array<char, NS_MAXDNAME> host{};
    const int read = ::dn_expand(ns_msg_base(message), ns_msg_end(message), data + target_at,
                                 host.data(), static_cast<int>(host.size()));
    if (read < 0 || target_at + static_cast<std::size_t>(read) != size) return nonsense();
    const auto port = static_cast<std::uint16_t>(data[port_at] << 8 | data[port_at + 1]);
    // The root as a target says that nobody offers the service.
    if (host[0] != '\0' && port != 0) found.emplace_back(host.data(), port);
  }
  if (found.empty()) return fail(asio::error::host_not_found);
  return found;
}

}  // namespace

result<std::vector<service_target>> look_up_service(const std::string& name) {
  resolver_state state{};
  if (::res_ninit(&state) != 0) return fail(asio::error::no_recovery);
  const auto close = [](res_state of) { ::res_nclose(of); };
  const std::unique_ptr<resolver_state, decltype(close)> closed(&state, close);
  std::vector<unsigned char> answer(NS_MAXMSG);
  const int size = ::res_nquery(&state, name.c_str(), ns_c_in, ns_t_srv, answer.data(),
                                static_cast<int>(answer.size()));
  if (size < 0) return fail(make_query_error(state.res_h_errno));
  // It says how long the answer is, which may be longer than what was read of it.
  return parse(std::span(answer).first(std::min(answer.size(), static_cast<std::size_t>(size))));
}

}  // namespace gossipmonger
