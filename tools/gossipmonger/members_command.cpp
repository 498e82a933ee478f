#include "members_command.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include "bytes.hpp"
#include "gossipmonger/keyring.hpp"
#include "gossipmonger/node.hpp"
#include "json_format.hpp"
#include "text_format.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

/// A node that asks, until it knows enough, and what it then knows. A resource.
class question {
 public:
  question(node& of, milliseconds at_most) : node_(of), at_most_(at_most) {}
  question(const question&) = delete;
  question& operator=(const question&) = delete;

  asio::awaitable<void> gossip() {
    // It ends because of `stop`; what else may end it comes as an exception.
    [[maybe_unused]] const result<void> ended = co_await node_.run();
  }

  asio::awaitable<void> watch() {
    subscription events = node_.subscribe();
    const clock::time_point end = clock::now() + at_most_;
    node::timer pause(node_.get_executor());
    while (clock::now() < end && !is_settled()) {
      pause.expires_after(look_every);
      co_await pause.async_wait(asio::use_awaitable);
    }
    found_ = node_.members();
    std::erase_if(found_, [](const member& one) { return one.status == peer_status::self; });
    while (const std::optional<event_view> seen = events.try_next_view()) {
      if (seen->kind == event_kind::error) faults_.emplace_back(seen->text);
    }
    node_.stop();
  }

  [[nodiscard]] const std::vector<member>& found() const { return found_; }
  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }

 private:
  static constexpr milliseconds look_every{50};
  /// A list of many datagrams comes in several exchanges: so long nobody new was told of.
  static constexpr milliseconds settled_after{1000};

  /// Whether everybody is seen to live, or to have left, and nobody new comes.
  bool is_settled() {
    const std::vector<member> all = node_.members();
    if (all.size() != known_) changed_ = clock::now();
    known_ = all.size();
    const auto is_open = [](const member& one) { return one.status == peer_status::introduced; };
    const bool has_open = std::any_of(all.begin(), all.end(), is_open);
    return known_ > 1 && !has_open && clock::now() - changed_ >= settled_after;
  }

  node& node_;
  milliseconds at_most_;
  std::size_t known_ = 1;  // the one that asks
  clock::time_point changed_ = clock::now();
  std::vector<member> found_;
  std::vector<std::string> faults_;
};

int complain(const std::string& text, int status) {
  std::fprintf(stderr, "gossipmonger: %s\n", escaped(text).c_str());
  return status;
}

std::string list_of(const std::vector<std::string>& seeds) {
  std::string list;
  for (const std::string& one : seeds) list += (list.empty() ? "" : ", ") + one;
  return list;
}

}  // namespace

int run_members(options wanted) {
  std::optional<keyring> ring;
  if (wanted.keyring) {
    tl::expected<keyring, keyring_error> loaded = load_keyring(*wanted.keyring);
    if (!loaded) return complain(loaded.error().message(), 2);
    ring = std::move(*loaded);
  }
  asio::io_context io(1);
  const auto opened = node::open(io.get_executor(), wanted.settings, wanted.listen);
  if (!opened) {
    const bool is_refused = opened.error().code != std::errc::invalid_argument;
    return complain("--" + opened.error().message(), is_refused ? 1 : 2);
  }
  node& asking = **opened;
  asking.set_seal_clock_tolerance(wanted.seal_clock_tolerance);
  if (ring) {
    if (const auto sealed = asking.set_keyring(std::move(*ring)); !sealed) {
      return complain(sealed.error().message(), 2);
    }
  }
  const milliseconds at_most = wanted.lifetime.value_or(milliseconds(5000));
  question asked(asking, at_most);
  const auto on_end = [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  asio::co_spawn(io, asked.gossip(), on_end);
  asio::co_spawn(io, asked.watch(), on_end);
  io.run();

  for (const std::string& fault : asked.faults()) complain(fault, 0);
  if (asked.found().empty()) {
    return complain("nobody answered at " + list_of(wanted.settings.seeds) + " within " +
                        std::to_string(at_most.count()) +
                        " ms: check the address, --cluster and --keyring",
                    1);
  }
  std::unique_ptr<format> speech = std::make_unique<json_format>();
  if (!wanted.is_json) speech = std::make_unique<text_format>(false);
  const std::string text = speech->members(asked.found());
  const bool is_taken = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (is_taken && std::fflush(stdout) == 0) return 0;
  return complain("cannot write the output: " + std::generic_category().message(errno), 1);
}

}  // namespace gossipmonger
