// A build without libsodium: whole, but for keyrings, and it says so.
#include <doctest/doctest.h>

#include "gossipmonger/keyring.hpp"
#include "net/node_seal.hpp"

namespace gossipmonger {
namespace {

TEST_CASE("keyring: without libsodium there is none, and each call says so") {
  CHECK(!has_seals());
  CHECK(parse_keyring("").error().message() == "keyring: built without libsodium");
  CHECK(load_keyring("/x").error().message() == "keyring /x: built without libsodium");
  CHECK(generate_key().error().message() == "keyring: built without libsodium");
}

TEST_CASE("node_seal: without libsodium no keyring is taken, and the cause is named") {
  node_seal one(4096);

  const auto refused = one.set_keyring(keyring());

  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message() == "keyring: built without libsodium");
  CHECK_FALSE(one.is_on());
}

}  // namespace
}  // namespace gossipmonger
