// A user's own storage and transport, over what `meson install` left alone: a storage that counts
// its writes, and a transport that counts its datagrams.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string_view>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <gossipmonger/gossipmonger.hpp>
#include <gossipmonger/testing/storage_suite.hpp>

#if GOSSIPMONGER_VERSION < 200
#error "the installed headers are older than this program"
#endif

using namespace gossipmonger;

class counting_storage {
 public:
  [[nodiscard]] result<void> put(slot_index slot, const entry_view& entry) {
    ++puts;
    return inner_.put(slot, entry);
  }
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    return inner_.find(slot, key);
  }
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot, std::uint64_t above) const {
    return inner_.first_above(slot, above);
  }
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t above) const {
    return inner_.first_changed(above);
  }
  [[nodiscard]] std::uint64_t drop_upto(slot_index slot, std::uint64_t version,
                                        std::uint64_t sequence) {
    return inner_.drop_upto(slot, version, sequence);
  }
  void purge(std::uint64_t sequence) { inner_.purge(sequence); }
  [[nodiscard]] std::size_t retired_count() const { return inner_.retired_count(); }
  void forget(slot_index slot) { inner_.forget(slot); }
  [[nodiscard]] storage_usage usage(slot_index slot) const { return inner_.usage(slot); }

  std::size_t puts = 0;

 private:
  memory_storage inner_;
};

class counting_transport {
 public:
  using clock_type = std::chrono::steady_clock;

  explicit counting_transport(asio::any_io_executor executor) : inner_(executor) {}

  [[nodiscard]] result<void> open(const endpoint& listen) { return inner_.open(listen); }
  [[nodiscard]] asio::any_io_executor get_executor() const { return inner_.get_executor(); }
  [[nodiscard]] endpoint local_endpoint() const { return inner_.local_endpoint(); }
  [[nodiscard]] asio::awaitable<result<std::size_t>> receive(std::span<inbound> in) {
    return inner_.receive(in);
  }
  [[nodiscard]] asio::awaitable<result<std::size_t>> send(std::span<const outbound> out) {
    sent += out.size();
    return inner_.send(out);
  }
  void close() { inner_.close(); }

  std::size_t sent = 0;

 private:
  udp_transport inner_;
};

static_assert(storage<counting_storage>);
static_assert(transport<counting_transport>);
using own_node = basic_node<counting_storage, counting_transport>;

int main() {
  if (version() != headers_version) return 6;
  for (const storage_failure& wrong : check_storage([] { return counting_storage(); })) {
    std::printf("%s\n", wrong.claim.c_str());
    return 1;
  }
  asio::io_context io;
  counting_transport carrier(io.get_executor());
  if (!carrier.open(endpoint::v4(127, 0, 0, 1, 0))) return 2;
  auto one = own_node::create(config::local("one"), carrier);
  if (!one || !(*one)->set({{"role", "leader"}, {"zone", "b"}})) return 3;

  config settings = config::local("two");
  settings.seeds = {carrier.local_endpoint().to_string()};
  auto two = node::open(io.get_executor(), settings, "localhost:0");
  if (!two) return 4;
  asio::co_spawn(io, (*one)->run(), [](auto, auto) {});
  asio::co_spawn(io, (*two)->run(), [](auto, auto) {});
  for (int i = 0; i < 200 && !(*two)->get("one", "zone"); ++i) {
    io.run_for(std::chrono::milliseconds(100));
  }
  const bool has_arrived = (*two)->get("one", "zone").has_value();
  std::printf("%zu writes, %zu datagrams\n", (*one)->entries().puts, carrier.sent);
  (*one)->stop();
  (*two)->stop();
  io.run();
  return has_arrived && (*one)->entries().puts == 2 && carrier.sent > 0 ? 0 : 5;
}
