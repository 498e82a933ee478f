// The CPU time of a datagram of 1200 bytes over loopback through udp_transport. Bare calls of
// recvmmsg and sendmmsg run beside it with the same batches. One thread takes turns of one burst.
//
//     udp_bench [BURSTS]
//
// Prints lines of "what <tab> ours <tab> bare <tab> ratio", in ns of CPU a datagram. All are
// medians over the bursts. The ratio is that of each burst to the bare one beside it. Bare means:
// no coroutine, no look at the source, at the interface or at drops, one destination that is known
// beforehand.

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "gossipmonger/gossipmonger.hpp"

namespace gossipmonger {
namespace {

constexpr std::size_t batch = 32;
constexpr std::size_t batches = 2;  // a burst must fit into a receive buffer of the usual size
constexpr std::size_t burst = batch * batches;
constexpr std::size_t bytes = 1200;
constexpr std::size_t slot_bytes = 2048;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

double cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2),
                   all.end());
  return all[all.size() / 2];
}

/// A socket on 127.0.0.1 that is driven by bare system calls. A resource.
class bare_socket {
 public:
  bare_socket() : descriptor_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    if (descriptor_ < 0) die("udp_bench: socket");
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* const general = reinterpret_cast<sockaddr*>(&address_);
    if (::bind(descriptor_, general, size) != 0) die("udp_bench: bind");
    if (::getsockname(descriptor_, general, &size) != 0) die("udp_bench: getsockname");
    for (std::size_t i = 0; i < batch; ++i) {
      slices_[i].iov_base = room_.data() + i * slot_bytes;
      messages_[i].msg_hdr.msg_iov = &slices_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  bare_socket(const bare_socket&) = delete;
  bare_socket& operator=(const bare_socket&) = delete;
  ~bare_socket() { ::close(descriptor_); }

  [[nodiscard]] std::uint16_t port() const { return ntohs(address_.sin_port); }

  void send_burst(std::uint16_t port) {
    sockaddr_in to = address_;
    to.sin_port = htons(port);
    for (std::size_t i = 0; i < batch; ++i) {
      slices_[i].iov_len = bytes;
      messages_[i].msg_hdr.msg_name = &to;
      messages_[i].msg_hdr.msg_namelen = sizeof to;
    }
    for (std::size_t i = 0; i < batches; ++i) {
      if (::sendmmsg(descriptor_, messages_.data(), batch, 0) != int{batch}) {
        die("udp_bench: sendmmsg");
      }
    }
  }

  void receive_burst() {
    std::size_t count = 0;
    for (std::size_t i = 0; i < batch; ++i) {
      slices_[i].iov_len = slot_bytes;
      messages_[i].msg_hdr.msg_name = nullptr;
      messages_[i].msg_hdr.msg_namelen = 0;
    }
    while (count < burst) {
      const int got = ::recvmmsg(descriptor_, messages_.data(), batch, 0, nullptr);
      if (got <= 0) die("udp_bench: recvmmsg");
      count += static_cast<std::size_t>(got);
    }
  }

 private:
  int descriptor_;
  sockaddr_in address_{};
  std::vector<std::byte> room_ = std::vector<std::byte>(batch * slot_bytes);
  std::array<iovec, batch> slices_{};
  std::array<mmsghdr, batch> messages_{};
};

struct figures {
  figures() = default;

  std::vector<double> ours;
  std::vector<double> bare;
  std::vector<double> ratios;

  void add(double ours_ns, double bare_ns) {
    ours.push_back(ours_ns / burst);
    bare.push_back(bare_ns / burst);
    ratios.push_back(ours_ns / bare_ns);
  }

  void print(const char* what) const {
    std::printf("%s\t%.1f\t%.1f\t%.3f\n", what, median(ours), median(bare), median(ratios));
  }
};

asio::awaitable<void> measure(udp_transport& ours, std::size_t turns, figures& receiving,
                              figures& sending) {
  bare_socket other;
  bare_socket bare;
  const std::uint16_t port = ours.local_endpoint().port;
  const auto room = std::make_unique<std::uint64_t[]>(batch * slot_bytes / 8);
  std::vector<inbound> arrived(batch);
  std::vector<outbound> leaving(batch);
  const std::span<std::byte> all =
      std::as_writable_bytes(std::span(room.get(), batch * slot_bytes / 8));
  for (std::size_t i = 0; i < batch; ++i) {
    leaving[i].bytes = all.subspan(i * slot_bytes, bytes);
    leaving[i].destination = endpoint::v4(127, 0, 0, 1, other.port());
  }
  for (std::size_t turn = 0; turn < turns; ++turn) {
    for (std::size_t i = 0; i < batch; ++i) {
      arrived[i].buffer = all.subspan(i * slot_bytes, slot_bytes);
    }
    other.send_burst(port);
    double begin = cpu_ns();
    for (std::size_t count = 0; count < burst;) {
      const result<std::size_t> got = co_await ours.receive(arrived);
      if (!got) die("udp_bench: receive");
      count += *got;
    }
    const double receive_ours = cpu_ns() - begin;
    other.send_burst(bare.port());
    begin = cpu_ns();
    bare.receive_burst();
    receiving.add(receive_ours, cpu_ns() - begin);

    begin = cpu_ns();
    for (std::size_t i = 0; i < batches; ++i) {
      const result<std::size_t> sent = co_await ours.send(leaving);
      if (!sent || *sent != batch) die("udp_bench: send");
    }
    const double send_ours = cpu_ns() - begin;
    other.receive_burst();
    begin = cpu_ns();
    bare.send_burst(other.port());
    sending.add(send_ours, cpu_ns() - begin);
    other.receive_burst();
  }
}

int run(std::size_t turns) {
  asio::io_context io(1);
  udp_transport ours(io.get_executor());
  if (!ours.open(endpoint::v4(127, 0, 0, 1, 0))) die("udp_bench: open");
  figures receiving;
  figures sending;
  asio::co_spawn(io, measure(ours, turns, receiving, sending), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
  receiving.print("receive");
  sending.print("send");
  return 0;
}

}  // namespace
}  // namespace gossipmonger

int main(int count, char** arguments) {
  const long turns = count == 2 ? std::strtol(arguments[1], nullptr, 10) : 2000;
  if (count > 2 || turns < 1 || turns > 1'000'000) {
    std::fputs("usage: udp_bench [BURSTS, 1-1000000]\n", stderr);
    return 2;
  }
  return gossipmonger::run(static_cast<std::size_t>(turns));
}
