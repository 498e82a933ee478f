// Reads a keyring file: who may read it, its size, its lines.
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gossipmonger/keyring.hpp"
#include "seal/cipher.hpp"

namespace gossipmonger {
namespace {

constexpr std::size_t file_bytes_max = 65536;

/// An open file. A resource.
class open_file {
 public:
  // O_NONBLOCK: a named pipe without a writer is refused, not waited for.
  explicit open_file(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  ~open_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string reason_of(int error) { return std::generic_category().message(error); }

/// Why others may know what the file holds; empty: they cannot.
std::string why_exposed(const struct stat& file) {
  constexpr mode_t rights = 07777;
  constexpr mode_t of_group = 0070;
  constexpr mode_t of_others = 0007;
  const mode_t mode = file.st_mode & rights;
  std::string octal = "0000";
  for (std::size_t i = 0; i < 4; ++i) {
    octal[i] = static_cast<char>('0' + (mode >> (9 - 3 * i) & 7));
  }
  const uid_t self = ::geteuid();
  if (file.st_uid != self && file.st_uid != 0) {
    return "the file belongs to user " + std::to_string(file.st_uid) + "; allowed: user " +
           std::to_string(self) + ", as which this process runs, or root";
  }
  if ((mode & of_others) != 0) {
    return "the file's mode is " + octal + ", which others may use: chmod 0400";
  }
  const mode_t group_allowed = file.st_uid == 0 ? 0040 : 0;
  if ((mode & of_group & ~group_allowed) != 0) {
    return "the file's mode is " + octal + ", which its group may use: chmod 0400";
  }
  return {};
}

/// Reads to the end or until `room` is full; negative: errno says why not.
ssize_t read_all(int descriptor, std::span<std::byte> room) {
  std::size_t size = 0;
  while (size < room.size()) {
    const ssize_t count = ::read(descriptor, room.data() + size, room.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(size);
}

}  // namespace

tl::expected<keyring, keyring_error> load_keyring(const std::string& path) {
  const auto refuse = [&path](std::string cause) {
    keyring_error error;
    error.file = path;
    error.cause = std::move(cause);
    return tl::unexpected<keyring_error>(std::move(error));
  };
  if (!has_cipher()) return refuse(why_no_cipher());
  const open_file file(path);
  if (file.descriptor() < 0) return refuse("the file cannot be opened: " + reason_of(errno));
  struct stat found = {};
  if (::fstat(file.descriptor(), &found) != 0) {
    return refuse("the file cannot be looked at: " + reason_of(errno));
  }
  if (!S_ISREG(found.st_mode)) {
    return refuse(S_ISDIR(found.st_mode) ? "a directory, not a file" : "no regular file");
  }
  std::string exposed = why_exposed(found);
  if (!exposed.empty()) return refuse(std::move(exposed));

  guarded_bytes text(file_bytes_max + 1);
  if (text.bytes().empty()) return refuse("no memory to read the file");
  const ssize_t size = read_all(file.descriptor(), text.bytes());
  if (size < 0) return refuse("the file cannot be read: " + reason_of(errno));
  const auto bytes = static_cast<std::size_t>(size);
  if (bytes > file_bytes_max) return refuse("the file is larger than 64 KiB");
  const std::string_view lines(reinterpret_cast<const char*>(text.bytes().data()), bytes);
  tl::expected<keyring, keyring_error> ring = parse_keyring(lines);
  if (!ring) ring.error().file = path;
  return ring;
}

}  // namespace gossipmonger
