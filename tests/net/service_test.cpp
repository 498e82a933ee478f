// Seeds that are services: the hosts of SRV records, asked of a name server on loopback.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <asio/error.hpp>

#include "name_service.hpp"
#include "resolved.hpp"
#include "udp_world.hpp"

namespace gossipmonger {
namespace {

using bytes = std::vector<std::uint8_t>;

/// Two hosts that are numbers, and so are not looked up any further.
dns_answer two_hosts(const bytes& query) {
  dns_answer answer(query);
  answer.add_service(20, 7002, "127.0.0.2");
  answer.add_service(10, 7001, "127.0.0.1");
  return answer;
}

}  // namespace

TEST_CASE("service: all hosts of the records are found, each with its port, each once") {
  const name_server server([](const bytes& query) {
    if (asked_name(query) != "_gossip._udp.example.test") return bytes();
    dns_answer answer(query);
    answer.add_alias("somewhere.else.test");
    answer.add_service(20, 7002, "127.0.0.2");
    answer.add_service(10, 7001, "127.0.0.1");
    answer.add_service(10, 7001, "found.test");  // the same
    return answer.bytes;
  });

  endpoints found = resolved("dnssrv+_gossip._udp.example.test");

  REQUIRE(found);
  std::sort(found->begin(), found->end());  // each look-up begins with another host
  CHECK(*found == std::vector{endpoint::v4(127, 0, 0, 1, 7001), endpoint::v4(127, 0, 0, 2, 7002)});
}

TEST_CASE("service: a host that is not found does not hide the others") {
  const name_server server([](const bytes& query) {
    dns_answer answer(query);
    answer.add_service(1, 7001, "gone.test");
    answer.add_service(1, 7002, "127.0.0.2");
    return answer.bytes;
  });

  const endpoints found = resolved("dnssrv+_gossip._udp.example.test");

  REQUIRE(found);
  CHECK(*found == std::vector{endpoint::v4(127, 0, 0, 2, 7002)});
}

TEST_CASE("service: what is not offered, not there, or nobody's host is an error with its cause") {
  const name_server server([](const bytes& query) {
    const std::string name = asked_name(query);
    if (name == "absent.test") return dns_answer(query, ns_r_nxdomain).bytes;
    if (name == "broken.test") return dns_answer(query, ns_r_refused).bytes;
    dns_answer answer(query);
    if (name == "closed.test") answer.add_service(0, 0, "");
    if (name == "homeless.test") answer.add_service(1, 7001, "gone.test");
    return answer.bytes;  // without a record for empty.test
  });

  CHECK(resolved("dnssrv+absent.test").error() == asio::error::host_not_found);
  CHECK(resolved("dnssrv+closed.test").error() == asio::error::host_not_found);
  CHECK(resolved("dnssrv+homeless.test").error() == asio::error::host_not_found);
  CHECK(resolved("dnssrv+empty.test").error() == asio::error::no_data);
  const endpoints broken = resolved("dnssrv+broken.test");
  REQUIRE_FALSE(broken);
  CHECK(broken.error() != asio::error::host_not_found);
}

TEST_CASE("service: an answer that is damaged gives an error or endpoints, and nothing else") {
  std::atomic<std::size_t> length = 0;
  std::atomic<std::size_t> flipped =
      0;  // a bit, counted from the first record; none behind the end
  const name_server server([&](const bytes& query) {
    dns_answer answer = two_hosts(query);
    const std::size_t bit = flipped;
    const std::size_t place = answer.question_end + bit / 8;
    if (place < answer.bytes.size())
      answer.bytes[place] ^= static_cast<std::uint8_t>(1U << bit % 8);
    answer.bytes.resize(std::min(answer.bytes.size(), answer.question_end + length));
    return answer.bytes;
  });
  constexpr std::size_t whole = 2 * (12 + 6 + 11);  // bytes of two records
  constexpr std::size_t unflipped = 8 * whole;

  flipped = unflipped;
  for (length = 0; length < whole; ++length) {
    CAPTURE(length.load());
    CHECK(resolved("dnssrv+cut.test").error() == std::errc::bad_message);
  }
  REQUIRE(resolved("dnssrv+whole.test"));
  std::size_t refused = 0;
  for (flipped = 0; flipped < unflipped; ++flipped) {
    const endpoints found = resolved("dnssrv+flipped.test");
    if (found) CHECK(found->size() <= 2);
    refused += found ? 0 : 1;
  }
  CHECK(refused > 0);
}

TEST_CASE("service: a name that points at itself, and a count that is not true, are refused") {
  const name_server server([](const bytes& query) {
    dns_answer answer = two_hosts(query);
    if (asked_name(query) == "loop.test") {
      // The second record's target begins behind its twelve bytes of head and six of data.
      const std::size_t target = answer.question_end + 12 + 6 + 11 + 12 + 6;
      answer.bytes[target] = static_cast<std::uint8_t>(0xc0 | target >> 8);
      answer.bytes[target + 1] = static_cast<std::uint8_t>(target);
    } else {
      answer.bytes[7] = 200;  // records
    }
    return answer.bytes;
  });

  CHECK(resolved("dnssrv+loop.test").error() == std::errc::bad_message);
  CHECK(resolved("dnssrv+count.test").error() == std::errc::bad_message);
}

TEST_CASE("service: of an answer without end, the first 64 hosts are taken") {
  const name_server server([](const bytes& query) {
    dns_answer answer(query);
    for (std::uint16_t i = 1; i <= 100; ++i) answer.add_service(0, i, "127.0.0.1");
    return answer.bytes;
  });

  CHECK(resolved("dnssrv+many.test").value().size() == 64);
}

TEST_CASE("seeds: a service is a seed, and the nodes that it names are met") {
  pair_of_nodes both;
  const auto port = static_cast<std::uint16_t>(std::stoi(both.port));
  const name_server server([port](const bytes& query) {
    dns_answer answer(query);
    answer.add_service(0, port, "found.test");
    return answer.bytes;
  });
  both.add("b", {"dnssrv+_gossip._udp.cluster.test"});

  CHECK(both.meet());
}

}  // namespace gossipmonger
