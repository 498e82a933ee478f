#include "gossipmonger/testing/simulated_cluster.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <asio/basic_waitable_timer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/version.hpp>

#include "gossipmonger/hash.hpp"
#include "gossipmonger/testing/seal_draw.hpp"
#include "gossipmonger/testing/wire_versions.hpp"

namespace gossipmonger {

template class basic_node<simulated_storage, memory_transport>;

namespace {

using std::chrono::nanoseconds;

memory_network_options usual_network() {
  memory_network_options options;
  options.delay_min = std::chrono::milliseconds(1);
  options.delay_max = std::chrono::milliseconds(2);
  return options;
}

/// Whether a timer on the steady clock was made there: it waits for real time. Later versions of
/// Asio may have another service behind their timers, and then nothing is found.
bool has_real_timer(asio::io_context& context) {
#if ASIO_VERSION < 103100
  using clock = std::chrono::steady_clock;
  using traits = asio::detail::chrono_time_traits<clock, asio::wait_traits<clock>>;
  return asio::has_service<asio::detail::deadline_timer_service<traits>>(context);
#else
  static_cast<void>(context);
  return false;
#endif
}

/// The look-up of a name takes real time, and may give another answer in the next run.
void refuse_names(const std::vector<std::string>& seeds) {
  for (const std::string& seed : seeds) {
    if (endpoint::parse(seed)) continue;
    const config_error error("seeds", "\"" + seed + "\"",
                             "addresses in numbers, such as address(0).to_string(): a simulated "
                             "cluster looks up no names");
    throw std::invalid_argument(error.message());
  }
}

}  // namespace

simulated_cluster::simulated_cluster(std::uint64_t seed)
    : random_(seed), network_(random_.next(), usual_network()) {
  network_.is_cut = [this](const endpoint& from, const endpoint& to) {
    return std::find(cuts_.begin(), cuts_.end(), std::pair(from, to)) != cuts_.end();
  };
  network_.on_delivery = [this](const endpoint& to, const inbound& datagram) {
    const std::span<const std::byte> bytes =
        datagram.buffer.first(std::min(datagram.size, datagram.buffer.size()));
    const auto at = static_cast<std::uint64_t>(time().count());
    const hash_key key(trace_hash_, at);
    const std::uint64_t route = siphash(key, to) ^ (siphash(key, datagram.source) << 1);
    const char* text = reinterpret_cast<const char*>(bytes.data());
    trace_hash_ = siphash(hash_key(trace_hash_, route), std::string_view(text, bytes.size()));
  };
}

simulated_cluster::~simulated_cluster() {
  for (std::size_t index = 0; index < size(); ++index) crash(index);
}

nanoseconds simulated_cluster::time() const { return manual_clock::now().time_since_epoch(); }

endpoint simulated_cluster::fresh_address() {
  ++addresses_;
  const auto byte = [this](int shift) { return static_cast<std::uint8_t>(addresses_ >> shift); };
  return endpoint::v4(10, byte(16), byte(8), byte(0), 7000);
}

bool simulated_cluster::is_running(std::size_t index) const {
  return processes_[index]->node != nullptr;
}

simulated_node& simulated_cluster::running(std::size_t index) const {
  if (index >= size()) {
    throw std::out_of_range("simulated_cluster: there is no process " + std::to_string(index));
  }
  const process& one = *processes_[index];
  if (!one.node) {
    throw std::logic_error("simulated_cluster: process " + std::to_string(index) + " (" +
                           one.settings.name + ") has crashed, and was not started again");
  }
  manual_clock::set_wall_offset(one.wall_offset);  // of whoever is spoken to
  return *one.node;
}

simulated_node& simulated_cluster::operator[](std::size_t index) { return running(index); }

const simulated_node& simulated_cluster::operator[](std::size_t index) const {
  return running(index);
}

const config& simulated_cluster::settings(std::size_t index) const {
  return processes_[index]->settings;
}

const endpoint& simulated_cluster::address(std::size_t index) const {
  return processes_[index]->address;
}

bool simulated_cluster::is_paused(const process& one) const {
  return one.resumes > manual_clock::now();
}

// ----------------------------------------------------------------------------------- processes

std::size_t simulated_cluster::add(config settings, service beside) {
  refuse_names(settings.seeds);
  auto added = std::make_unique<process>();
  added->address = fresh_address();
  if (settings.name.empty()) settings.name = "n" + std::to_string(size());
  if (settings.seeds.empty() && size() > 0) settings.seeds.push_back(address(0).to_string());
  added->settings = std::move(settings);
  added->beside = std::move(beside);
  start(*added);
  processes_.push_back(std::move(added));
  return size() - 1;
}

void simulated_cluster::start(process& started) {
  started.context = std::make_unique<asio::io_context>(1);
  started.driver = std::make_unique<manual_clock_driver>(*started.context);
  started.transport = std::make_unique<memory_transport>(started.context->get_executor(), network_);
  started.transport->set_mutation(started.mutation);
  const result<void> opened = started.transport->open(started.address);
  assert(opened);
  static_cast<void>(opened);

  config settings = started.settings;
  settings.random_seed = random_.next();
  manual_clock::set_wall_offset(started.wall_offset);
  const hash_key key{random_.next(), random_.next()};  // braces: in this order (I6)
  simulated_storage entries(key, random_.next());
  entries.conditions = started.storage;
  auto made = create_speaking<simulated_node>(std::move(settings), *started.transport,
                                              std::move(entries), started.spoken);
  if (!made) {
    started.transport->close();
    throw std::invalid_argument(made.error().message());
  }
  started.node = std::move(*made);
  if (started.ring) seal(started);
  if (events_to_ != nullptr) started.printed = started.node->subscribe();
  asio::co_spawn(*started.context, started.node->run(),
                 [this](std::exception_ptr thrown, const result<void>&) {
                   if (thrown && !thrown_) thrown_ = thrown;
                 });
  if (started.beside) spawn_in(started, started.beside(*started.node));
}

void simulated_cluster::seal(process& sealed) {
  // One number of the cluster's source a start: a node that is never sealed takes none.
  if (sealed.node->seals().keys.empty()) {
    auto draw = [source = std::make_shared<random_source>(random_.next())] {
      return source->next();
    };
    set_seal_draw(*sealed.node, std::move(draw));
  }
  const tl::expected<void, keyring_error> changed = sealed.node->set_keyring(*sealed.ring);
  if (!changed) throw std::invalid_argument(changed.error().message());
}

void simulated_cluster::print_events(std::FILE* to) {
  events_to_ = to;
  for (const std::unique_ptr<process>& each : processes_) {
    if (each->node && !each->printed) each->printed = each->node->subscribe();
  }
}

void simulated_cluster::print_new_events(process& of) const {
  if (!of.printed) return;
  while (const std::optional<event_view> seen = of.printed->try_next_view()) {
    const std::string line = to_string(*seen);
    const double seconds = std::chrono::duration<double>(time()).count();
    std::fprintf(events_to_, "%10.3f s  %s: %s\n", seconds, of.settings.name.c_str(), line.c_str());
  }
}

void simulated_cluster::spawn_in(process& of, asio::awaitable<void> body) {
  asio::co_spawn(*of.context, std::move(body), [this](std::exception_ptr thrown) {
    if (thrown && !thrown_) thrown_ = thrown;
  });
}

void simulated_cluster::spawn(std::size_t index, asio::awaitable<void> body) {
  static_cast<void>(running(index));
  spawn_in(*processes_[index], std::move(body));
}

void simulated_cluster::crash(std::size_t index) {
  process& gone = *processes_[index];
  if (!gone.node) return;
  // Off the network first: nobody hears its coroutines on their way out.
  gone.transport->close();
  gone.node->stop();
  gone.driver->settle();
  print_new_events(gone);
  gone.printed.reset();
  // A part of the service that waits for something else goes with its io_context, and may hold
  // subscriptions, which outlive the node.
  gone.node.reset();
  gone.transport.reset();
  gone.driver.reset();
  gone.context.reset();
  gone.resumes = manual_clock::time_point{};
}

void simulated_cluster::restart(std::size_t index, std::optional<config> settings) {
  if (settings) {
    tl::expected<config, config_error> checked = validated(std::move(*settings));
    if (!checked) throw std::invalid_argument(checked.error().message());
    settings = std::move(*checked);
    refuse_names(settings->seeds);
  }
  crash(index);
  if (settings) processes_[index]->settings = std::move(*settings);
  start(*processes_[index]);
}

void simulated_cluster::set_wire_versions(std::size_t index, const wire_range& spoken) {
  processes_[index]->spoken = spoken;
}

void simulated_cluster::set_keyring(std::size_t index, keyring ring) {
  process& one = *processes_[index];
  one.ring = std::move(ring);
  if (one.node) seal(one);
}

// -------------------------------------------------------------------------------------- faults

void simulated_cluster::pause(std::size_t index, nanoseconds length) {
  process& one = *processes_[index];
  one.resumes = std::max(one.resumes, manual_clock::now() + length);
}

nanoseconds simulated_cluster::paused_until(std::size_t index) const {
  return processes_[index]->resumes.time_since_epoch();
}

void simulated_cluster::set_storage(std::size_t index, const storage_conditions& faults) {
  process& one = *processes_[index];
  one.storage = faults;
  if (one.node) one.node->entries().conditions = faults;
}

void simulated_cluster::set_mutation(std::size_t index, double probability) {
  process& one = *processes_[index];
  one.mutation = probability;
  if (one.transport) one.transport->set_mutation(probability);
}

void simulated_cluster::set_wall_offset(std::size_t index, nanoseconds offset) {
  processes_[index]->wall_offset = offset;
}

void simulated_cluster::move(std::size_t index) {
  process& moved = *processes_[index];
  const endpoint before = moved.address;
  moved.address = fresh_address();
  for (auto& [from, to] : cuts_) {
    if (from == before) from = moved.address;
    if (to == before) to = moved.address;
  }
  network_.move_links(before, moved.address);
  if (!moved.node) return;
  const result<void> bound = network_.rebind(*moved.transport, moved.address);
  assert(bound);
  static_cast<void>(bound);
}

void simulated_cluster::set_link(std::size_t from, std::size_t to,
                                 const memory_network_options& options) {
  network_.set_link_options(address(from), address(to), options);
}

void simulated_cluster::cut(std::size_t from, std::size_t to) {
  cuts_.emplace_back(address(from), address(to));
}

void simulated_cluster::partition(const std::vector<std::size_t>& one_side) {
  const auto is_inside = [&one_side](std::size_t index) {
    return std::find(one_side.begin(), one_side.end(), index) != one_side.end();
  };
  for (std::size_t from = 0; from < size(); ++from) {
    for (std::size_t to = 0; to < size(); ++to) {
      if (is_inside(from) != is_inside(to)) cut(from, to);
    }
  }
}

// ---------------------------------------------------------------------------------------- time

manual_clock::time_point simulated_cluster::next_event(const process& of) {
  if (!of.node) return manual_clock::time_point::max();
  return std::max(of.resumes, std::min(of.driver->next_timer(), of.transport->next_arrival()));
}

bool simulated_cluster::settle(process& one) {
  if (!one.node || is_paused(one)) return false;
  manual_clock::set_wall_offset(one.wall_offset);
  const std::size_t handlers = one.driver->settle();
  print_new_events(one);
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  const auto puts = static_cast<std::int64_t>(one.node->entries().take_puts());
  if (one.storage.delay > nanoseconds{0} && puts > 0) {
    one.resumes = std::max(one.resumes, manual_clock::now() + puts * one.storage.delay);
  }
  return handlers > 0;
}

void simulated_cluster::settle() {
  // The test may have done anything to anybody.
  for (const std::unique_ptr<process>& each : processes_) settle(*each);
  settle_due();
}

void simulated_cluster::settle_due() {
  // Processes meet on the network only: who has nothing due there, nor a timer, has nothing to do.
  bool has_run = true;
  while (has_run) {
    has_run = false;
    for (const std::unique_ptr<process>& each : processes_) {
      if (next_event(*each) <= manual_clock::now() && settle(*each)) has_run = true;
    }
  }
}

bool simulated_cluster::advance(manual_clock::time_point end) {
  manual_clock::time_point next = end;
  for (const std::unique_ptr<process>& each : processes_) {
    next = std::min(next, next_event(*each));
  }
  const bool is_before_end = next < end;
  manual_clock::advance_to(std::max(next, manual_clock::now()));
  settle_due();
  if (!is_before_end) refuse_real_timers();
  return is_before_end;
}

void simulated_cluster::refuse_real_timers() const {
  for (const std::unique_ptr<process>& each : processes_) {
    if (!each->context || !has_real_timer(*each->context)) continue;
    throw std::logic_error("in the process of " + each->settings.name +
                           " something waits for real time, which does not pass here. A service "
                           "that made an asio::steady_timer: take simulated_cluster::timer, or "
                           "Node::timer in a template over the node. A look-up of a name, by "
                           "`resolve` or a seed given to `change`: take an address in numbers");
  }
}

void simulated_cluster::run_for(nanoseconds time) {
  const manual_clock::time_point end = manual_clock::now() + time;
  settle();
  while (advance(end)) {
  }
}

// ----------------------------------------------------------------------------------- agreement

bool simulated_cluster::has_all_of(const simulated_node& replica,
                                   const simulated_node& owner) const {
  std::size_t published = 0;
  bool is_equal = true;
  owner.for_each(owner.name(), [&](const entry_view& entry) {
    const std::optional<entry_view> held = replica.get(owner.name(), entry.key);
    is_equal = is_equal && held && held->value == entry.value;
    ++published;
  });
  std::size_t held = 0;
  replica.for_each(owner.name(), [&held](const entry_view&) { ++held; });
  return is_equal && held == published;
}

bool simulated_cluster::has_agreed() const {
  for (const std::unique_ptr<process>& replica : processes_) {
    if (!replica->node) continue;
    const std::vector<member> known = replica->node->members();
    for (const std::unique_ptr<process>& owner : processes_) {
      if (!owner->node || owner == replica) continue;
      const auto row = std::find_if(known.begin(), known.end(), [&owner](const member& one) {
        return one.name == owner->node->name();
      });
      const bool is_live = row != known.end() && row->status == peer_status::live &&
                           row->generation == owner->node->generation();
      if (!is_live || !has_all_of(*replica->node, *owner->node)) return false;
    }
  }
  return true;
}

}  // namespace gossipmonger
