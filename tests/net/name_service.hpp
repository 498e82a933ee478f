// The system's name service as this test program sees it: getaddrinfo hangs where a test wants it,
// and the resolver library asks name servers that the test runs.
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <arpa/nameser.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace gossipmonger {

/// Look-ups of the host hang.test hang while it lives; its end waits until none does any more.
/// Without one, hang.test is asked for again later. No other names exist than these. found.test is
/// 127.0.0.1, and both.test that and ::1. crowd.test is a few hundred addresses. moved.test is
/// 127.0.0.2 until `move_host`, then 127.0.0.1. late.test is the same until `move_late_host`.
/// appears.test is 127.0.0.1 from `appear_host` on.
struct hanging_resolver {
  hanging_resolver();
  hanging_resolver(const hanging_resolver&) = delete;
  hanging_resolver& operator=(const hanging_resolver&) = delete;
  ~hanging_resolver();

  /// Look-ups that hang now.
  [[nodiscard]] static std::size_t count();
};

void move_host();
void move_late_host();
void appear_host();

constexpr int crowd_addresses = 300;

/// The answer to a query as a name server writes it. A value.
class dns_answer {
 public:
  /// `query` is what it answers; `code` as ns_r_noerror.
  explicit dns_answer(const std::vector<std::uint8_t>& query, int code = ns_r_noerror);

  /// A record for the name that was asked for; `target` without a dot at the end, "" for the root.
  void add_service(std::uint16_t priority, std::uint16_t port, std::string_view target);
  void add_alias(std::string_view target);

  std::vector<std::uint8_t> bytes;
  std::size_t question_end = 0;  ///< where the first record begins

 private:
  void add_record(int type, const std::vector<std::uint8_t>& data);
};

/// A name server on loopback, the only one that the resolver library asks while it lives. Answers
/// by `answer`, on a thread of its own; an empty answer is none.
class name_server {
 public:
  using answerer = std::function<std::vector<std::uint8_t>(const std::vector<std::uint8_t>& query)>;

  explicit name_server(answerer answer);
  name_server(const name_server&) = delete;
  name_server& operator=(const name_server&) = delete;
  ~name_server();

 private:
  void serve(const answerer& answer) const;

  int socket_;
  std::thread thread_;
};

/// The name that a query asks for, with dots between its labels.
[[nodiscard]] std::string asked_name(const std::vector<std::uint8_t>& query);

}  // namespace gossipmonger
