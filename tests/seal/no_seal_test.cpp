// A build without libsodium: whole, but for keyrings, and it says so.
#include <doctest/doctest.h>

#include "gossipmonger/keyring.hpp"

namespace gossipmonger {
namespace {

TEST_CASE("keyring: without libsodium there is none, and each call says so") {
  CHECK(!has_seals());
  CHECK(parse_keyring("").error().message() == "keyring: built without libsodium");
  CHECK(load_keyring("/x").error().message() == "keyring /x: built without libsodium");
  CHECK(generate_key().error().message() == "keyring: built without libsodium");
}

}  // namespace
}  // namespace gossipmonger
