#include "gossipmonger/endpoint.hpp"

#include <doctest/doctest.h>

#include <string>

using gossipmonger::endpoint;

namespace {

/// `text` parsed and written again; "refused" if it is no endpoint.
std::string canonical(std::string_view text) {
  const std::optional<endpoint> parsed = endpoint::parse(text);
  if (!parsed) {
    return "refused";
  }
  CHECK(endpoint::parse(parsed->to_string()) == parsed);
  return parsed->to_string();
}

endpoint parsed(std::string_view text) {
  const std::optional<endpoint> address = endpoint::parse(text);
  REQUIRE(address.has_value());
  return *address;
}

}  // namespace

TEST_CASE("endpoint: IPv4 is held in IPv6-mapped form") {
  const endpoint address = parsed("10.1.2.3:7000");

  const std::array<std::uint8_t, 16> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
  CHECK(address.address == mapped);
  CHECK(address.port == 7000);
  CHECK(address.scope == 0);
  CHECK(address == endpoint::v4(10, 1, 2, 3, 7000));
  CHECK(address.is_v4());
}

TEST_CASE("endpoint: IPv4 is written as it is read") {
  CHECK(canonical("127.0.0.1:7000") == "127.0.0.1:7000");
  CHECK(canonical("0.0.0.0:0") == "0.0.0.0:0");
  CHECK(canonical("255.255.255.255:65535") == "255.255.255.255:65535");
}

TEST_CASE("endpoint: IPv6 bytes stand in network order, with port and scope") {
  const endpoint address = parsed("[fe80::12:3456%3]:7000");

  const std::array<std::uint8_t, 16> expected{0xfe, 0x80, 0, 0, 0, 0,    0,    0,
                                              0,    0,    0, 0, 0, 0x12, 0x34, 0x56};
  CHECK(address.address == expected);
  CHECK(address.port == 7000);
  CHECK(address.scope == 3);
  CHECK_FALSE(address.is_v4());
}

TEST_CASE("endpoint: IPv6 is written as RFC 5952 says") {
  CHECK(canonical("[::1]:7000") == "[::1]:7000");
  CHECK(canonical("[::]:1") == "[::]:1");
  CHECK(canonical("[fe80::1%3]:7000") == "[fe80::1%3]:7000");
  CHECK(canonical("[2001:db8::]:1") == "[2001:db8::]:1");
  CHECK(canonical("[2001:0DB8:0:0:0:0:0:1]:1") == "[2001:db8::1]:1");
  CHECK(canonical("[2001:db8:0:1:1:1:1:1]:1") == "[2001:db8:0:1:1:1:1:1]:1");
  CHECK(canonical("[2001:0:0:1:0:0:0:1]:1") == "[2001:0:0:1::1]:1");
  CHECK(canonical("[2001:db8:0:0:1:0:0:1]:1") == "[2001:db8::1:0:0:1]:1");
  CHECK(canonical("[1:2:3:4:5:6:7:8]:1") == "[1:2:3:4:5:6:7:8]:1");
  CHECK(canonical("[::2:3:4:5:6:7:8]:1") == "[0:2:3:4:5:6:7:8]:1");
  CHECK(canonical("[1:2:3:4:5:6:7::]:1") == "[1:2:3:4:5:6:7:0]:1");
  CHECK(canonical("[64:ff9b::192.0.2.33]:1") == "[64:ff9b::c000:221]:1");
}

TEST_CASE("endpoint: an IPv4 address in brackets is the same endpoint") {
  CHECK(parsed("[::ffff:1.2.3.4]:5") == endpoint::v4(1, 2, 3, 4, 5));
  CHECK(canonical("[::ffff:102:304]:5") == "1.2.3.4:5");
}

TEST_CASE("endpoint: only a link-local address has an interface") {
  CHECK(canonical("[fe80::1%9]:5") == "[fe80::1%9]:5");
  CHECK(canonical("[febf::1%4294967295]:5") == "[febf::1%4294967295]:5");
  for (const std::string_view text : {"[::ffff:1.2.3.4%9]:5", "[2001:db8::7%2]:5", "[::1%1]:5",
                                      "[fec0::1%2]:5", "[fe80::1%0]:5", "[fe80::1%]:5"}) {
    CAPTURE(text);
    CHECK(canonical(text) == "refused");
  }
}

TEST_CASE("endpoint: text that is no IPv4 endpoint is refused") {
  for (const std::string_view text : {"",
                                      ":",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      ":7000",
                                      "127.0.0:7000",
                                      "127.0.0.1.2:7000",
                                      "256.0.0.1:7000",
                                      "127.0.0.01:7000",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:07000",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:7000 ",
                                      " 127.0.0.1:7000",
                                      "127.0.0.1:7x",
                                      "127..0.1:7000",
                                      "0x7f.0.0.1:7000",
                                      "localhost:7000",
                                      "127.0.0.1%3:7000",
                                      "127.0.0.1:18446744073709551617",
                                      "4294967297.0.0.1:1"}) {
    CAPTURE(text);
    CHECK_FALSE(endpoint::parse(text).has_value());
  }
}

TEST_CASE("endpoint: text that is no IPv6 endpoint is refused") {
  for (const std::string_view text : {"::1:7000",
                                      "[::1]",
                                      "[::1]:",
                                      "[::1]7000",
                                      "[::1:7000",
                                      "[]:1",
                                      "[:]:1",
                                      "[:1]:1",
                                      "[1:]:1",
                                      "[:::]:1",
                                      "[1:::2]:1",
                                      "[1::2::3]:1",
                                      "[1:2:3:4:5:6:7]:1",
                                      "[1:2:3:4:5:6:7:8:9]:1",
                                      "[1:2:3:4:5:6:7:8::]:1",
                                      "[::1:2:3:4:5:6:7:8]:1",
                                      "[1::2:]:1",
                                      "[12345::]:1",
                                      "[g::]:1",
                                      "[1.2.3.4]:1",
                                      "[1:2:3:4:5:6:7:1.2.3.4]:1",
                                      "[::1.2.3]:1",
                                      "[::1.2.3.4:5]:1",
                                      "[::1.2.3.256]:1",
                                      "[fe80::1%]:1",
                                      "[fe80::1%0]:1",
                                      "[fe80::1%eth0]:1",
                                      "[fe80::1%4294967296]:1",
                                      "[::1]:65536",
                                      "[ ::1]:1",
                                      "[[::1]]:1"}) {
    CAPTURE(text);
    CHECK_FALSE(endpoint::parse(text).has_value());
  }
}

TEST_CASE("endpoint: wildcards are the zero addresses of both families") {
  CHECK(parsed("0.0.0.0:1").is_wildcard());
  CHECK(parsed("[::]:1").is_wildcard());
  CHECK(endpoint().is_wildcard());

  CHECK_FALSE(parsed("0.0.0.1:1").is_wildcard());
  CHECK_FALSE(parsed("[::1]:1").is_wildcard());
}

TEST_CASE("endpoint: loopback is 127/8 and ::1") {
  CHECK(parsed("127.0.0.1:1").is_loopback());
  CHECK(parsed("127.255.0.1:1").is_loopback());
  CHECK(parsed("[::1]:1").is_loopback());

  CHECK_FALSE(parsed("128.0.0.1:1").is_loopback());
  CHECK_FALSE(parsed("[::2]:1").is_loopback());
  CHECK_FALSE(parsed("[::127.0.0.1]:1").is_loopback());
}

TEST_CASE("endpoint: multicast is 224/4 and ff00::/8") {
  CHECK(parsed("224.0.0.1:1").is_multicast());
  CHECK(parsed("239.255.255.255:1").is_multicast());
  CHECK(parsed("[ff02::1]:1").is_multicast());

  CHECK_FALSE(parsed("223.255.255.255:1").is_multicast());
  CHECK_FALSE(parsed("240.0.0.0:1").is_multicast());
  CHECK_FALSE(parsed("[fe80::1]:1").is_multicast());
}

TEST_CASE("endpoint: routable is an address of one host, with a port") {
  CHECK(parsed("127.0.0.1:7000").is_routable());
  CHECK(parsed("[fe80::1%2]:7000").is_routable());

  CHECK_FALSE(parsed("127.0.0.1:0").is_routable());
  CHECK_FALSE(parsed("0.0.0.0:7000").is_routable());
  CHECK_FALSE(parsed("[::]:7000").is_routable());
  CHECK_FALSE(parsed("255.255.255.255:7000").is_routable());
  CHECK_FALSE(parsed("224.0.0.1:7000").is_routable());
  CHECK_FALSE(parsed("[ff02::1]:7000").is_routable());
}

TEST_CASE("endpoint: order is by address, then port, then scope") {
  CHECK(parsed("10.0.0.1:9") < parsed("10.0.0.2:1"));
  CHECK(parsed("10.0.0.1:1") < parsed("10.0.0.1:2"));
  CHECK(parsed("[fe80::1%1]:1") < parsed("[fe80::1%2]:1"));
}
