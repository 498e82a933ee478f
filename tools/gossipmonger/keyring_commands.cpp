#include "keyring_commands.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "bytes.hpp"
#include "gossipmonger/keyring.hpp"

namespace gossipmonger {
namespace {

/// Past the buffers of stdio, which nobody wipes.
bool try_write(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool can_others_read(int descriptor) {
  struct stat found = {};
  return ::fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) &&
         (found.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

int complain(const keyring_error& why, int status) {
  std::fprintf(stderr, "gossipmonger: %s\n", escaped(why.message()).c_str());
  return status;
}

}  // namespace

int run_keygen() {
  tl::expected<std::string, keyring_error> key = generate_key();
  if (!key) return complain(key.error(), 1);
  const bool is_written = try_write(STDOUT_FILENO, *key) && try_write(STDOUT_FILENO, "\n");
  const std::string why = std::generic_category().message(errno);
  wipe(*key);
  if (!is_written) {
    std::fprintf(stderr, "gossipmonger: cannot write the key: %s\n", why.c_str());
    return 1;
  }
  if (can_others_read(STDOUT_FILENO)) {
    std::fputs(
        "gossipmonger: others can read the file that the key went to: make another with "
        "`umask 077; gossipmonger keygen > FILE`\n",
        stderr);
  }
  return 0;
}

int run_keyring(const std::string& file) {
  const tl::expected<keyring, keyring_error> ring = load_keyring(file);
  if (!ring) return complain(ring.error(), 2);
  for (const auto& key : ring->keys) {
    const bool is_first = key == ring->keys.front();
    std::printf("%s %s\n", is_first ? "seal" : "open", to_text(key->id()).c_str());
  }
  if (ring->plain == plain_policy::accepted) std::puts("plain accepted");
  if (ring->plain == plain_policy::sent) std::puts("plain sent");
  if (std::fflush(stdout) == 0) return 0;
  const std::string why = std::generic_category().message(errno);
  std::fprintf(stderr, "gossipmonger: cannot write the output: %s\n", why.c_str());
  return 1;
}

}  // namespace gossipmonger
