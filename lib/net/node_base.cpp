#include "gossipmonger/node_base.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "gossipmonger/key_scope.hpp"
#include "net/node_driver.hpp"
#include "wire/codec.hpp"

namespace gossipmonger {
namespace {

/// A transport on all addresses has none to advertise.
config_error no_address() {
  return config_error("advertise", "none",
                      "an address of this machine, since the transport listens on all of them");
}

tl::unexpected<start_error> refuse(config_error wrong) {
  return tl::unexpected<start_error>(start_error(std::move(wrong)));
}

/// The addresses that `listen` stands for, the best first; none where it is another text.
std::vector<endpoint> addresses_of(std::string_view listen) {
  const auto with_hosts = [listen](std::string_view prefix, auto... hosts) {
    std::vector<endpoint> found;
    for (const std::string_view host : {std::string_view(hosts)...}) {
      const std::string text = std::string(host) + std::string(listen.substr(prefix.size()));
      if (const std::optional<endpoint> one = endpoint::parse(text)) found.push_back(*one);
    }
    return found;
  };
  // [::] takes IPv4 too; a system without IPv6 has no such socket.
  if (listen.starts_with("*:")) return with_hosts("*", "[::]", "0.0.0.0");
  if (listen.starts_with("localhost:")) return with_hosts("localhost", "127.0.0.1", "[::1]");
  return with_hosts("", "");
}

/// Whether `why` says that this system lacks the address, or all of its IP version. Any other
/// error is about an address that is there, such as a port that is taken.
bool is_missing_address(std::error_code why) {
  return why == std::errc::address_family_not_supported || why == std::errc::address_not_available;
}

bool has_library_key(pair_views pairs) {
  return std::any_of(pairs.begin(), pairs.end(),
                     [](const auto& one) { return is_library_key(one.first); });
}

}  // namespace

// -------------------------------------------------------------------------------------- being made

hash_key node_base::draw_key() {
  std::random_device device;
  const auto word = [&device] { return (std::uint64_t{device()} << 32) | device(); };
  return hash_key(word(), word());
}

wire_range node_base::spoken_by_library() {
  return wire_range(wire_version_lowest, wire_version_highest);
}

tl::expected<void, start_error> node_base::open_at(
    std::string_view listen, const std::function<result<void>(const endpoint&)>& open) {
  start_error error(config_error("listen", std::string(listen),
                                 "1.2.3.4:PORT, [V6]:PORT, localhost:PORT, or *:PORT for all "
                                 "addresses; port 0: the system chooses one"));
  for (const endpoint& address : addresses_of(listen)) {
    const result<void> opened = open(address);
    if (opened) return {};
    error.code = opened.error();
    error.allowed = "an address of this machine, with a port that is free";
    // Two nodes on one port must not come to lie on two IP versions, where they never meet.
    if (!is_missing_address(error.code)) break;
  }
  return tl::unexpected<start_error>(std::move(error));
}

tl::expected<node_base::parts, start_error> node_base::check(config settings, transport_ref over,
                                                             const storage_ref& entries) {
  tl::expected<config, config_error> checked = validated(std::move(settings));
  if (!checked) return refuse(std::move(checked.error()));
  const endpoint local = over.local_endpoint();
  if (local.port == 0) {
    return refuse(
        config_error("transport", "not open", "one that has been opened, and so has a port"));
  }
  if (!is_empty(entries, checked->peers_max + 1)) {
    return refuse(
        config_error("storage", "not empty", "one without entries: a node starts with none"));
  }
  parts made(over);
  made.settings = std::move(*checked);
  made.address = made.settings.advertise.value_or(local);
  made.spoken = spoken_by_library();
  if (made.address.is_wildcard() && made.settings.seeds.empty()) return refuse(no_address());
  return made;
}

node_base::node_base(parts of, storage_ref entries, std::shared_ptr<void> owner)
    : driver_(std::make_shared<node_driver>(std::move(of.settings), entries, std::move(owner),
                                            of.over, of.address, of.spoken)) {}

node_base::~node_base() { stop(); }

// ----------------------------------------------------------------------------------------- queries

std::string_view node_base::name() const { return driver_->core.see().name(); }

std::uint64_t node_base::generation() const { return driver_->core.see().generation(); }

std::uint64_t node_base::version() const { return driver_->core.see().version(); }

endpoint node_base::advertised_endpoint() const { return driver_->core.see().address(); }

asio::any_io_executor node_base::get_executor() { return driver_->transport.get_executor(); }

const config& node_base::settings() const { return driver_->core.see().settings(); }

std::optional<entry_view> node_base::get(std::string_view peer, std::string_view key,
                                         key_scope scope) const {
  const bool is_hidden = scope != key_scope::all && !find_slot(peer, scope);
  if (is_hidden) return std::nullopt;
  return driver_->core.see().get(peer, key);
}

std::optional<slot_index> node_base::find_slot(std::string_view peer, key_scope scope) const {
  const protocol& core = driver_->core.see();
  const std::optional<slot_index> slot = core.find_slot(peer);
  if (!slot || !is_shown(core.status(*slot), scope)) return std::nullopt;
  return slot;
}

bool node_base::is_known(std::string_view peer) const { return driver_->core.see().is_known(peer); }

std::optional<entry_view> node_base::first_above(std::optional<slot_index> slot,
                                                 std::uint64_t version) const {
  if (!slot) return std::nullopt;
  return driver_->core.see().first_above(*slot, version);
}

std::vector<member> node_base::members() const { return driver_->members(); }

std::optional<member> node_base::find_member(std::string_view peer) const {
  return driver_->find_member(peer);
}

protocol_stats node_base::stats() const { return driver_->core.see().stats(); }

table_sizes node_base::tables() const { return driver_->core.see().tables(); }

// -------------------------------------------------------------------------------------- publishing

result<std::uint64_t> node_base::set(std::string_view key, std::string_view value) {
  if (driver_->is_stopped) return fail(errc::stopped);
  if (is_library_key(key)) return fail(errc::key_reserved);
  result<std::uint64_t> written = driver_->core->set(key, value);
  driver_->notify();
  return written;
}

result<std::uint64_t> node_base::set(pair_views pairs) {
  if (driver_->is_stopped) return fail(errc::stopped);
  if (has_library_key(pairs)) return fail(errc::key_reserved);
  result<std::uint64_t> written = driver_->core->set(pairs);
  driver_->notify();
  return written;
}

result<std::uint64_t> node_base::set(std::initializer_list<pair> pairs) {
  return set(pair_views(pairs.begin(), pairs.size()));
}

result<std::uint64_t> node_base::set(std::initializer_list<pair> pairs, duration ttl) {
  return set(pair_views(pairs.begin(), pairs.size()), ttl);
}

result<std::uint64_t> node_base::set(std::string_view key, std::string_view value, duration ttl) {
  const pair one(key, value);
  return set(pair_views(&one, 1), ttl);
}

result<std::uint64_t> node_base::set(pair_views pairs, duration ttl) {
  if (driver_->is_stopped) return fail(errc::stopped);
  if (has_library_key(pairs)) return fail(errc::key_reserved);
  result<std::uint64_t> written = driver_->core->set(pairs, ttl, driver_->now());
  driver_->wake_timer();  // they may expire before the next round
  driver_->notify();
  return written;
}

result<std::optional<std::uint64_t>> node_base::erase(std::string_view key) {
  if (driver_->is_stopped) return fail(errc::stopped);
  if (is_library_key(key)) return fail(errc::key_reserved);
  result<std::optional<std::uint64_t>> written = driver_->core->erase(key);
  driver_->notify();
  return written;
}

void node_base::join(const endpoint& address) { driver_->core->join(address); }

result<void> node_base::forget(std::string_view peer) {
  if (driver_->is_stopped) return fail(errc::stopped);
  result<void> forgotten = driver_->core->forget(peer);
  driver_->notify();
  return forgotten;
}

tl::expected<void, config_error> node_base::change(config wanted) {
  const bool has_other_seeds = wanted.seeds != settings().seeds;
  const bool is_released = settings().advertise && !wanted.advertise;
  const endpoint bound = driver_->transport.local_endpoint();
  if (is_released && bound.is_wildcard() && wanted.seeds.empty()) {
    return tl::unexpected<config_error>(no_address());
  }
  tl::expected<void, config_error> changed =
      driver_->core->change(std::move(wanted), driver_->now());
  if (!changed) return changed;
  if (is_released && !bound.is_wildcard()) driver_->core->set_address(bound);
  driver_->handle_change(has_other_seeds);
  return changed;
}

// ----------------------------------------------------------------------------------------- sealing

tl::expected<void, keyring_error> node_base::set_keyring(keyring ring) {
  return driver_->set_keyring(std::move(ring));
}

seal_counters node_base::seals() const { return driver_->seal().counters(); }

void node_base::renew_seal() { driver_->seal().renew(); }

void node_base::set_seal_clock_tolerance(std::chrono::seconds tolerance) {
  driver_->seal().set_clock_tolerance(tolerance);
}

bool node_base::try_set_seal_draw(std::function<std::uint64_t()> draw) {
  return driver_->seal().try_set_draw(std::move(draw));
}

// ------------------------------------------------------------------------------------ what happens

subscription node_base::subscribe(const event_filter& filter) {
  return subscription(driver_, filter);
}

void node_base::on_message(message_hook seen) { driver_->core->on_message(std::move(seen)); }

std::string_view node_base::find_name(std::uint64_t name_hash) const {
  return driver_->core.see().find_name(name_hash);
}

// ------------------------------------------------------------------------------- running, awaiting

asio::awaitable<result<void>> node_base::run() { return node_driver::run(driver_); }

void node_base::stop() { driver_->stop(); }

asio::awaitable<result<replication>> node_base::replicated(std::uint64_t version,
                                                           replication_policy policy,
                                                           duration timeout) {
  return node_driver::replicated(driver_, version, policy, timeout);
}

asio::awaitable<result<std::string>> node_base::wait_for(std::string peer, std::string key,
                                                         duration timeout) {
  return wait_until(std::move(peer), std::move(key), nullptr, timeout);
}

asio::awaitable<result<std::string>> node_base::wait_for(std::string peer, std::string key,
                                                         std::string value, duration timeout) {
  auto is_wanted = [value = std::move(value)](std::string_view seen) { return seen == value; };
  return wait_until(std::move(peer), std::move(key), std::move(is_wanted), timeout);
}

asio::awaitable<result<std::string>> node_base::wait_until(
    std::string peer, std::string key, std::function<bool(std::string_view)> is_wanted,
    duration timeout) {
  return node_driver::wait_for(driver_, std::move(peer), std::move(key), std::move(is_wanted),
                               timeout);
}

asio::awaitable<result<std::size_t>> node_base::wait_live(std::size_t count, duration timeout) {
  return node_driver::wait_live(driver_, count, timeout);
}

asio::awaitable<result<void>> node_base::writable(duration timeout) {
  return node_driver::writable(driver_, timeout);
}

asio::awaitable<result<leave_result>> node_base::leave(duration timeout) {
  return node_driver::leave(driver_, timeout);
}

}  // namespace gossipmonger
