// The calls of the system that carry datagrams: one by one, in batches, and in runs.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "gossipmonger/udp_transport.hpp"
#include "net/fragments.hpp"
#include "net/udp_batch.hpp"

namespace gossipmonger {
namespace {

#if defined(__linux__)
constexpr int receive_flags = MSG_DONTWAIT | MSG_TRUNC;  // MSG_TRUNC: tell the true length
constexpr int send_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int receive_flags = MSG_DONTWAIT;
constexpr int send_flags = MSG_DONTWAIT;
#endif

class single_calls : public udp_system_calls {
 public:
  int receive(int socket, std::span<mmsghdr> messages) override {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      msghdr& header = messages[i].msg_hdr;
      const ssize_t length = ::recvmsg(socket, &header, receive_flags);
      if (length < 0) {
        return i == 0 ? -1 : static_cast<int>(i);
      }
      std::size_t bytes = static_cast<std::size_t>(length);
      if ((header.msg_flags & MSG_TRUNC) != 0) {
        bytes = std::max(bytes, header.msg_iov->iov_len + 1);  // not all systems tell the length
      }
      messages[i].msg_len = static_cast<unsigned int>(bytes);
    }
    return static_cast<int>(messages.size());
  }

  int send(int socket, std::span<mmsghdr> messages) override {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const ssize_t length = send_one(socket, messages[i].msg_hdr);
      if (length < 0) {
        return i == 0 ? -1 : static_cast<int>(i);
      }
      messages[i].msg_len = static_cast<unsigned int>(length);
    }
    return static_cast<int>(messages.size());
  }

 private:
  /// A datagram beyond what its path carries goes in fragments, as by the system's default.
  static ssize_t send_one(int socket, const msghdr& message) {
    const ssize_t length = ::sendmsg(socket, &message, send_flags);
    if (length >= 0 || errno != EMSGSIZE) return length;
    const fragments_allowed allowed(socket);
    if (allowed.is_changed()) return ::sendmsg(socket, &message, send_flags);
    errno = EMSGSIZE;  // of the datagram, not of the options
    return length;
  }
};

#if defined(__linux__)
constexpr int udp_level = 17;        // SOL_UDP
constexpr int segment_option = 103;  // UDP_SEGMENT, which older headers lack
// A run is one packet to the kernel, so it must fit into one of IP.
constexpr std::size_t run_datagrams_max = 64;
constexpr std::size_t run_bytes_max = 65'000;

/// Whether datagrams of this socket may be handed over in runs. An older kernel ignores the control
/// message, and would send a run as one datagram.
bool knows_segments(int socket) {
  int bytes = 0;
  socklen_t size = sizeof(bytes);
  return ::getsockopt(socket, udp_level, segment_option, &bytes, &size) == 0;
}

/// Datagrams of one batch, with each run of equal length and addresses as one message that the
/// kernel cuts again (UDP_SEGMENT). The last datagram of a run may be shorter. A value of one call.
class segmented_batch {
 public:
  explicit segmented_batch(std::span<mmsghdr> datagrams) : datagrams_(datagrams) {
    for (std::size_t at = 0; at < datagrams.size(); at += counts_[size_ - 1]) add_run(at);
  }

  [[nodiscard]] bool has_runs() const { return size_ < datagrams_.size(); }
  [[nodiscard]] std::span<mmsghdr> messages() { return std::span(messages_).first(size_); }
  /// Datagrams of the first so many messages.
  [[nodiscard]] std::size_t datagrams(std::size_t messages) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < messages; ++i) count += counts_[i];
    return count;
  }

 private:
  static constexpr std::size_t control_bytes_max = 128;

  struct alignas(cmsghdr) control {
    std::array<std::byte, control_bytes_max> bytes;  // set where a run needs it: there are many
  };

  [[nodiscard]] static bool is_joined(const msghdr& first, const msghdr& next,
                                      std::ptrdiff_t place) {
    const auto equal = [](const void* one, const void* other, std::size_t bytes) {
      return bytes == 0 || std::memcmp(one, other, bytes) == 0;
    };
    return next.msg_iovlen == 1 && next.msg_iov == first.msg_iov + place &&
           next.msg_namelen == first.msg_namelen && next.msg_controllen == first.msg_controllen &&
           equal(first.msg_name, next.msg_name, first.msg_namelen) &&
           equal(first.msg_control, next.msg_control, first.msg_controllen);
  }

  void add_run(std::size_t from) {
    const msghdr& first = datagrams_[from].msg_hdr;
    const std::size_t length = first.msg_iov->iov_len;
    std::size_t count = 1;
    std::size_t bytes = length;
    while (length != 0 && first.msg_iovlen == 1 && from + count < datagrams_.size() &&
           count < run_datagrams_max) {
      const msghdr& next = datagrams_[from + count].msg_hdr;
      if (!is_joined(first, next, static_cast<std::ptrdiff_t>(count))) break;
      const std::size_t more = next.msg_iov->iov_len;
      if (more == 0 || more > length || bytes + more > run_bytes_max) break;
      bytes += more;
      ++count;
      if (more < length) break;
    }
    counts_[size_] = count;
    messages_[size_] = datagrams_[from];
    if (count > 1) join(messages_[size_].msg_hdr, controls_[size_], count, length);
    ++size_;
  }

  static void join(msghdr& run, control& with, std::size_t count, std::size_t length) {
    const std::size_t before = run.msg_controllen;
    const std::size_t mine = CMSG_SPACE(sizeof(std::uint16_t));
    assert(before + mine <= control_bytes_max);
    if (before != 0) std::memcpy(with.bytes.data(), run.msg_control, before);
    std::memset(with.bytes.data() + before, 0, mine);
    auto* const added = reinterpret_cast<cmsghdr*>(with.bytes.data() + before);
    added->cmsg_level = udp_level;
    added->cmsg_type = segment_option;
    added->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(length);
    std::memcpy(CMSG_DATA(added), &segment, sizeof(segment));
    run.msg_control = with.bytes.data();
    run.msg_controllen = before + mine;
    run.msg_iovlen = count;
  }

  std::span<mmsghdr> datagrams_;
  std::array<mmsghdr, batch_datagrams> messages_;
  std::array<control, batch_datagrams> controls_;
  std::array<std::size_t, batch_datagrams> counts_{};
  std::size_t size_ = 0;
};

/// The batch calls, for as long as the system knows and allows them.
class batch_calls : public udp_system_calls {
 public:
  int receive(int socket, std::span<mmsghdr> messages) override {
    if (has_receive_) {
      const int got =
          ::recvmmsg(socket, messages.data(), static_cast<unsigned int>(messages.size()),
                     receive_flags, nullptr);
      if (got >= 0 || (errno != ENOSYS && errno != EPERM)) return got;
      has_receive_ = false;  // nothing but a filter of system calls says EPERM here
    }
    return one_by_one().receive(socket, messages);
  }

  int send(int socket, std::span<mmsghdr> messages) override {
    if (!has_send_) return one_by_one().send(socket, messages);
    bool is_refused = false;
    if (segments_ != support::no && messages.size() > 1) {
      if (const int went = send_runs(socket, messages, is_refused); went != 0) return went;
    }
    const int went =
        ::sendmmsg(socket, messages.data(), static_cast<unsigned int>(messages.size()), send_flags);
    // It was the run that was refused: no checksums, smaller packets, a filter of system calls.
    if (is_refused && went > 0 && ++refusals_ >= refusals_max) segments_ = support::no;
    if (went < 0 && errno == EMSGSIZE) return one_by_one().send(socket, messages.first(1));
    if (went >= 0 || (errno != ENOSYS && errno != EPERM)) return went;
    const bool is_unknown = errno == ENOSYS;
    // A packet filter says EPERM too, of a datagram: then the single call says the same.
    const int single = one_by_one().send(socket, is_unknown ? messages : messages.first(1));
    if (is_unknown || single > 0) has_send_ = false;
    return single;
  }

 private:
  enum class support { unknown, yes, no };
  /// So many runs in a row that the system refused are enough: it is not asked for more.
  static constexpr unsigned refusals_max = 16;

  /// Sends runs of datagrams as one message each; 0 where there are none, or the system refuses
  /// the first: then they go one by one.
  int send_runs(int socket, std::span<mmsghdr> messages, bool& is_refused) {
    if (segments_ == support::unknown) {
      segments_ = knows_segments(socket) ? support::yes : support::no;
      if (segments_ == support::no) return 0;
    }
    segmented_batch batch(messages.first(std::min(messages.size(), batch_datagrams)));
    if (!batch.has_runs()) return 0;
    const std::span<mmsghdr> runs = batch.messages();
    const int went =
        ::sendmmsg(socket, runs.data(), static_cast<unsigned int>(runs.size()), send_flags);
    if (went > 0) {
      refusals_ = 0;
      return static_cast<int>(batch.datagrams(static_cast<std::size_t>(went)));
    }
    if (went < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return -1;
    is_refused = true;
    return 0;
  }

  std::atomic<bool> has_receive_ = true;
  std::atomic<bool> has_send_ = true;
  std::atomic<support> segments_ = support::unknown;
  std::atomic<unsigned> refusals_ = 0;
};
#endif

}  // namespace

udp_system_calls& udp_system_calls::one_by_one() {
  static single_calls calls;
  return calls;
}

udp_system_calls& udp_system_calls::system() {
#if defined(__linux__)
  static batch_calls calls;
  return calls;
#else
  return one_by_one();
#endif
}

}  // namespace gossipmonger
