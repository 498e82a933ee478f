#include "seal/nonce_source.hpp"

#include <array>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "seal/cipher.hpp"

namespace gossipmonger {

std::uint64_t draw_from_system() {
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  draw_random(bytes);
  std::uint64_t drawn = 0;
  std::memcpy(&drawn, bytes.data(), bytes.size());
  return drawn;
}

fork_mark::fork_mark() : process_(::getpid()) {
#ifdef MADV_WIPEONFORK
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
    ::munmap(page, size);
    return;
  }
  page_ = static_cast<volatile unsigned char*>(page);
  page_bytes_ = size;
  *page_ = 1;
#endif
}

fork_mark::~fork_mark() {
  if (page_ != nullptr) ::munmap(const_cast<unsigned char*>(page_), page_bytes_);
}

bool fork_mark::has_forked() {
  if (page_ != nullptr) {
    if (*page_ != 0) return false;
    *page_ = 1;
    return true;
  }
  const std::int64_t present = ::getpid();
  return std::exchange(process_, present) != present;
}

nonce_source::nonce_source(draw instances, std::uint32_t count)
    : draw_(std::move(instances)), instance_(draw_()), count_(count) {}

nonce_source::nonce nonce_source::next() {
  if (fork_.has_forked() || count_ == std::numeric_limits<std::uint32_t>::max()) renew();
  ++count_;
  nonce made;
  made.instance = instance_;
  made.count = count_;
  return made;
}

void nonce_source::renew() {
  former_ = instance_;
  instance_ = draw_();
  count_ = 0;
}

}  // namespace gossipmonger
