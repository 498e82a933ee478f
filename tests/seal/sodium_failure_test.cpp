// A libsodium that fails: the linker puts the functions below in the place of its own
// (`--wrap`, see meson.build).
#include <cerrno>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "net/node_seal.hpp"
#include "seal_sample.hpp"

namespace {

bool does_init_fail = false;
bool does_protection_fail = false;

}  // namespace

// NOLINTBEGIN(bugprone-reserved-identifier): the linker makes these names
extern "C" int __real_sodium_init();
extern "C" int __real_sodium_mprotect_readonly(void* memory);
extern "C" int __wrap_sodium_init() { return does_init_fail ? -1 : __real_sodium_init(); }
extern "C" int __wrap_sodium_mprotect_readonly(void* memory) {
  if (!does_protection_fail) return __real_sodium_mprotect_readonly(memory);
  errno = ENOMEM;
  return -1;
}
// NOLINTEND(bugprone-reserved-identifier)

namespace gossipmonger {
namespace {

/// Whether every call that needs libsodium names that cause, not that of a build without it.
bool is_failure_named() {
  const std::string cause = "libsodium cannot be initialized";
  node_seal one(4096);
  return !has_seals() && generate_key().error().message() == "keyring: " + cause &&
         parse_keyring("").error().message() == "keyring: " + cause &&
         load_keyring("/x").error().message() == "keyring /x: " + cause &&
         one.set_keyring(keyring()).error().message() == "keyring: " + cause;
}

// The state of libsodium is that of a process: a child has its own.
TEST_CASE("keyring: a libsodium that cannot be initialized is named as the cause") {
  const pid_t child = ::fork();
  if (child == 0) {
    does_init_fail = true;
    ::_exit(is_failure_named() ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);

  CHECK(status == 0);
}

TEST_CASE("keyring: a key whose memory cannot be made read-only is refused") {
  const std::string text = "seal " + sample_key_text() + "\n";
  REQUIRE(parse_keyring(text).has_value());

  does_protection_fail = true;
  const auto refused = parse_keyring(text);
  does_protection_fail = false;

  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message() == "keyring: line 1: no protected memory for the key");
}

}  // namespace
}  // namespace gossipmonger
