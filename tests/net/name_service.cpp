#include "name_service.hpp"

#include <dlfcn.h>
#include <netdb.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace {

std::mutex mutex;
std::condition_variable changed;
bool is_hanging = false;
std::size_t hung = 0;

std::atomic<std::uint16_t> server_port = 0;  // of the name server to ask
std::atomic<bool> is_moved = false;
std::atomic<bool> is_late_moved = false;
std::atomic<bool> has_appeared = false;

template <class Function>
Function of_system(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// In place of the system's, in this program.

extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo* hints,
                           addrinfo** found) {
  using function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto system = of_system<function>("getaddrinfo");
  std::string_view name(host);
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name == "hang.test") {
    std::unique_lock lock(mutex);
    ++hung;
    changed.wait(lock, [] { return !is_hanging; });
    --hung;
    changed.notify_all();
    return EAI_AGAIN;
  }
  if (name == "found.test") return system("127.0.0.1", port, hints, found);
  if (name == "moved.test") return system(is_moved ? "127.0.0.1" : "127.0.0.2", port, hints, found);
  if (name == "late.test") {
    return system(is_late_moved ? "127.0.0.1" : "127.0.0.2", port, hints, found);
  }
  if (name == "appears.test" && has_appeared) return system("127.0.0.1", port, hints, found);
  if (name == "crowd.test") {
    for (int i = 0; i < gossipmonger::crowd_addresses; ++i) {
      const std::string address =
          "127.1." + std::to_string(i / 200) + "." + std::to_string(i % 200);
      if (const int error = system(address.c_str(), port, hints, found); error != 0) return error;
      found = &(*found)->ai_next;
    }
    return 0;
  }
  if (name == "both.test") {
    const int error = system("127.0.0.1", port, hints, found);
    return error != 0 ? error : system("::1", port, hints, &(*found)->ai_next);
  }
  // No other name is for a real name server.
  addrinfo only = *hints;
  if (name != "localhost") only.ai_flags |= AI_NUMERICHOST;
  return system(host, port, &only, found);
}

// A macro of <resolv.h> gives it the name that the library exports.
extern "C" int res_ninit(res_state of) noexcept {
  using function = int (*)(res_state);
  static const auto system = of_system<function>("__res_ninit");
  const int error = system(of);
  if (error != 0) return error;
  // Without a name server of the test there is none: nothing listens on the port that discards.
  constexpr std::uint16_t nowhere = 9;
  const std::uint16_t port = server_port != 0 ? server_port.load() : nowhere;
  of->options = RES_DEFAULT;
  of->nscount = 1;
  of->nsaddr_list[0] = {};
  of->nsaddr_list[0].sin_family = AF_INET;
  of->nsaddr_list[0].sin_port = htons(port);
  of->nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  of->retrans = 1;
  of->retry = 5;
  return 0;
}

namespace gossipmonger {

namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t type_and_class_bytes = 4;
constexpr std::uint8_t compressed_name_of_question[] = {0xc0, header_bytes};

void add_number(std::vector<std::uint8_t>& to, int number) {
  to.push_back(static_cast<std::uint8_t>(number >> 8));
  to.push_back(static_cast<std::uint8_t>(number));
}

void add_name(std::vector<std::uint8_t>& to, std::string_view name) {
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    to.push_back(static_cast<std::uint8_t>(label.size()));
    to.insert(to.end(), label.begin(), label.end());
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  to.push_back(0);
}

std::size_t end_of_question(const std::vector<std::uint8_t>& query) {
  std::size_t at = header_bytes;
  while (query.at(at) != 0) at += query[at] + std::size_t{1};
  return at + 1 + type_and_class_bytes;
}

}  // namespace

hanging_resolver::hanging_resolver() {
  const std::lock_guard lock(mutex);
  is_hanging = true;
}

hanging_resolver::~hanging_resolver() {
  std::unique_lock lock(mutex);
  is_hanging = false;
  changed.notify_all();
  changed.wait(lock, [] { return hung == 0; });
}

void move_host() { is_moved = true; }
void move_late_host() { is_late_moved = true; }
void appear_host() { has_appeared = true; }

std::size_t hanging_resolver::count() {
  const std::lock_guard lock(mutex);
  return hung;
}

dns_answer::dns_answer(const std::vector<std::uint8_t>& query, int code)
    : bytes(query.begin(), query.begin() + static_cast<std::ptrdiff_t>(end_of_question(query))),
      question_end(bytes.size()) {
  bytes[2] |= 0x80;                                             // an answer
  bytes[3] = static_cast<std::uint8_t>(0x80 | code);            // recursion is available
  for (std::size_t i = 6; i < header_bytes; ++i) bytes[i] = 0;  // no records yet
}

void dns_answer::add_service(std::uint16_t priority, std::uint16_t port, std::string_view target) {
  std::vector<std::uint8_t> data;
  add_number(data, priority);
  add_number(data, 0);  // weight
  add_number(data, port);
  add_name(data, target);
  add_record(ns_t_srv, data);
}

void dns_answer::add_alias(std::string_view target) {
  std::vector<std::uint8_t> data;
  add_name(data, target);
  add_record(ns_t_cname, data);
}

void dns_answer::add_record(int type, const std::vector<std::uint8_t>& data) {
  constexpr int seconds_to_live = 60;
  bytes.insert(bytes.end(), std::begin(compressed_name_of_question),
               std::end(compressed_name_of_question));
  add_number(bytes, type);
  add_number(bytes, ns_c_in);
  add_number(bytes, 0);
  add_number(bytes, seconds_to_live);
  add_number(bytes, static_cast<int>(data.size()));
  bytes.insert(bytes.end(), data.begin(), data.end());
  ++bytes[7];  // count of answers
}

std::string asked_name(const std::vector<std::uint8_t>& query) {
  std::string name;
  for (std::size_t at = header_bytes; query.at(at) != 0; at += query[at] + std::size_t{1}) {
    if (!name.empty()) name += '.';
    const auto label = query.begin() + static_cast<std::ptrdiff_t>(at) + 1;
    name.append(label, label + query[at]);
  }
  return name;
}

name_server::name_server(answerer answer)
    : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (socket_ < 0 || ::bind(socket_, generic, size) != 0 ||
      ::getsockname(socket_, generic, &size) != 0) {
    throw std::runtime_error("no socket for a name server");
  }
  server_port = ntohs(address.sin_port);
  thread_ = std::thread([this, answer = std::move(answer)] { serve(answer); });
}

name_server::~name_server() {
  server_port = 0;
  ::shutdown(socket_, SHUT_RDWR);  // wakes the thread
  thread_.join();
  ::close(socket_);
}

void name_server::serve(const answerer& answer) const {
  for (;;) {
    std::vector<std::uint8_t> query(NS_PACKETSZ);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* const generic = reinterpret_cast<sockaddr*>(&from);
    const ssize_t count = ::recvfrom(socket_, query.data(), query.size(), 0, generic, &size);
    if (count <= 0) return;
    query.resize(static_cast<std::size_t>(count));
    const std::vector<std::uint8_t> bytes = answer(query);
    if (!bytes.empty()) ::sendto(socket_, bytes.data(), bytes.size(), 0, generic, size);
  }
}

}  // namespace gossipmonger
