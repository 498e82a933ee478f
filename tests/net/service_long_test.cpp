// Tests of look-ups that take all the real time that a look-up of many hosts is given.
#include <chrono>
#include <cstdint>
#include <exception>
#include <vector>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "name_service.hpp"
#include "resolved.hpp"

namespace gossipmonger {

using namespace std::chrono_literals;

TEST_CASE("service: a host that hangs for 20 s ends the look-up with what was found before it") {
  const name_server server([](const std::vector<std::uint8_t>& query) {
    dns_answer answer(query);
    answer.add_service(0, 7001, "127.0.0.1");
    answer.add_service(0, 7002, "hang.test");
    answer.add_service(0, 7003, "127.0.0.3");
    return answer.bytes;
  });
  for (const auto hanging : {1s, 21s}) {
    asio::io_context context;
    endpoints found;
    bool has_ended = false;
    {
      const hanging_resolver resolver;
      asio::co_spawn(context, keep_resolved("dnssrv+slow.test", found),
                     [&has_ended](std::exception_ptr) { has_ended = true; });
      context.run_for(hanging);
      CHECK_FALSE(has_ended);
    }
    context.run();

    REQUIRE(found);
    CHECK(found->size() == (hanging > 20s ? 1 : 2));
    CHECK(found->front() == endpoint::v4(127, 0, 0, 1, 7001));
  }
}

}  // namespace gossipmonger
