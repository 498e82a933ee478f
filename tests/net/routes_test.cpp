#include "net/routes.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <ostream>
#include <system_error>
#include <vector>

namespace gossipmonger {

TEST_CASE("routes: the route to loopback starts there") {
  const result<endpoint> v4 = route_source(endpoint::v4(127, 0, 0, 1, 7000));
  REQUIRE(v4);
  CHECK(*v4 == endpoint::v4(127, 0, 0, 1, 0));

  const result<endpoint> no_port = route_source(endpoint::v4(127, 0, 0, 1, 0));
  REQUIRE(no_port);
  CHECK(*no_port == endpoint::v4(127, 0, 0, 1, 0));

  const std::optional<endpoint> v6_loopback = endpoint::parse("[::1]:7000");
  REQUIRE(v6_loopback);
  const result<endpoint> v6 = route_source(*v6_loopback);
  REQUIRE(v6);
  CHECK(v6->is_loopback());
}

TEST_CASE("routes: an address on loopback is chosen only where all seeds are there") {
  const endpoint near = endpoint::v4(127, 0, 1, 1, 7000);
  const endpoint far = endpoint::v4(192, 0, 2, 1, 7000);  // TEST-NET-1, with or without a route

  const std::vector<endpoint> near_alone{near};
  CHECK(choose_local_address(near_alone, endpoint()) == endpoint::v4(127, 0, 0, 1, 0));
  for (const std::vector<endpoint>& seeds : {std::vector{near, far}, std::vector{far, near}}) {
    const std::optional<endpoint> chosen = choose_local_address(seeds, endpoint());
    const bool is_beyond = !chosen || !chosen->is_loopback();
    CHECK(is_beyond);
  }
  CHECK_FALSE(choose_local_address({}, endpoint()));
}

TEST_CASE("routes: an address is local if a socket can have it, whatever the port") {
  CHECK(is_local_address(endpoint::v4(127, 0, 0, 1, 1)));
  CHECK(is_local_address(endpoint::v4(127, 9, 9, 9, 0)));
  CHECK_FALSE(is_local_address(endpoint::v4(192, 0, 2, 1, 7000)));
  CHECK_FALSE(is_local_address(endpoint()));
}

TEST_CASE("routes: a socket sends to addresses of its IP version, on [::] to both") {
  const endpoint v4 = endpoint::v4(127, 0, 0, 1, 7000);
  const endpoint v6 = endpoint::parse("[::1]:7000").value_or(endpoint());
  CHECK(is_of_family(v4, v4));
  CHECK(is_of_family(v6, v6));
  CHECK_FALSE(is_of_family(v6, v4));
  CHECK_FALSE(is_of_family(v4, v6));
  CHECK(is_of_family(v4, endpoint()));
  CHECK(is_of_family(v6, endpoint()));
  CHECK(is_of_family(v4, endpoint::v4(0, 0, 0, 0, 7000)));
  CHECK_FALSE(is_of_family(v6, endpoint::v4(0, 0, 0, 0, 7000)));
}

TEST_CASE("routes: there is no route to a wildcard") {
  CHECK(route_source(endpoint::v4(0, 0, 0, 0, 7000)).error() == std::errc::invalid_argument);
  CHECK(route_source(endpoint()).error() == std::errc::invalid_argument);
}

}  // namespace gossipmonger
