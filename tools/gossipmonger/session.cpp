#include "session.hpp"

#include <algorithm>
#include <cassert>
#include <csignal>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "bytes.hpp"
#include "counters.hpp"
#include "gossipmonger/key_scope.hpp"
#include "gossipmonger/resolver.hpp"
#include "key_stages.hpp"
#include "refusal.hpp"
#include "run_options.hpp"

namespace gossipmonger {

namespace {

using std::chrono::milliseconds;

wall_time now() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

/// The time of the node's clock.
std::chrono::nanoseconds steady_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

bool is_ignored(int signal) {
  struct sigaction now_set{};
  return ::sigaction(signal, nullptr, &now_set) == 0 && now_set.sa_handler == SIG_IGN;
}

}  // namespace

session::session(node& of, const format& speech, line_reader& input, line_writer& output,
                 std::string keyring)
    : node_(of),
      format_(speech),
      input_(input),
      output_(output),
      signals_(of.get_executor(), SIGINT, SIGTERM),
      lifetime_(of.get_executor()),
      drops_due_(of.get_executor()),
      ages_(of.name()),
      keyring_(std::move(keyring)) {
  // nohup has it ignored; an operator who gives a keyring sends it to have that read again.
  if (!keyring_.empty() || !is_ignored(SIGHUP)) signals_.add(SIGHUP);
}

void session::spawn(asio::awaitable<void> part) {
  auto on_end = [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  };
  asio::co_spawn(node_.get_executor(), std::move(part), std::move(on_end));
}

void session::start(std::optional<milliseconds> lifetime, std::optional<keyring> ring) {
  await_signal();
  output_.write(format_.started(node_, node_.carrier().local_endpoint(), now()));
  spawn(live(lifetime));
  spawn(print_events(node_.subscribe()));  // before the node has anything to tell
  spawn(follow_ages(node_.subscribe()));
  if (ring) {
    [[maybe_unused]] const auto sealed = node_.set_keyring(std::move(*ring));
    assert(sealed);  // it was checked as it was read
  }
  spawn(gossip());
  spawn(print_drops());
  spawn(obey_commands());
}

void session::end() {
  if (is_ending_) node_.stop();
  is_ending_ = true;
  lifetime_.cancel();
}

void session::await_signal() {
  signals_.async_wait([this](const std::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP && !keyring_.empty()) {
      if (const std::optional<std::string> refused = reload_keys()) {
        event_view told;
        told.text = *refused;
        output_.write(format_.event(told, now()));
      }
    } else {
      end();
    }
    // A signal that was on its way when the session ended must not begin another wait.
    if (!has_ended_) await_signal();
  });
}

/// Time for the news of my leaving to reach everybody: it travels in rounds.
milliseconds session::leave_grace() const {
  return std::clamp(3 * node_.settings().gossip_interval, milliseconds{2000}, milliseconds{5000});
}

asio::awaitable<void> session::live(std::optional<milliseconds> lifetime) {
  lifetime_.expires_at(asio::steady_timer::time_point::max());
  if (lifetime) lifetime_.expires_after(*lifetime);
  std::error_code woken;
  if (!is_ending_) {
    co_await lifetime_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  is_ending_ = true;
  if (!has_quit_) {
    // A peer that has not heard of it will find out by itself.
    [[maybe_unused]] const result<leave_result> left = co_await node_.leave(leave_grace());
  }
  node_.stop();
  lookup_end_.emit(asio::cancellation_type::terminal);
  input_.stop();
  output_.stop_waiting();
  has_ended_ = true;
  signals_.cancel();
  drops_due_.cancel();
}

asio::awaitable<void> session::gossip() {
  // It ends because of `stop`; what else may end it comes as an exception.
  [[maybe_unused]] const result<void> ended = co_await node_.run();
}

asio::awaitable<void> session::print_events(subscription events) {
  // So many at a time: other work of this executor gets its turn.
  constexpr std::size_t batch = 64;
  for (;;) {
    const bool has_room = co_await output_.room();
    if (!has_room) co_return;
    const result<void> ready = co_await events.wait();
    if (!ready) co_return;
    for (std::size_t i = 0; i < batch && output_.has_room(); ++i) {
      // Written before anything else runs, as a view must be.
      const auto next = events.try_next_view();
      if (!next) break;
      output_.write(format_.event(*next, now()));
    }
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<void> session::follow_ages(subscription events) {
  constexpr std::size_t batch = 1024;
  for (;;) {
    const result<void> ready = co_await events.wait();
    if (!ready) co_return;
    const key_ages::time at = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < batch; ++i) {
      const auto next = events.try_next_view();
      if (!next) break;
      ages_.apply(*next, at);
    }
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<void> session::print_drops() {
  while (!is_ending_) {
    drops_due_.expires_after(std::chrono::seconds(1));
    std::error_code woken;
    co_await drops_due_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    const bool has_room = co_await output_.room();
    if (!has_room) co_return;
    for (const refused_count& one : drops_.look(counters())) {
      output_.write(format_.dropped(one, now()));
    }
  }
}

asio::awaitable<void> session::obey_commands() {
  for (;;) {
    // An answer that cannot be written keeps the next command waiting, and so its sender.
    const bool has_room = co_await output_.room();
    if (!has_room) co_return;
    std::optional<input_line> line = co_await input_.next();
    if (!line || is_ending_) co_return;
    line->text.resize(without_carriage_return(line->text).size());
    if (is_blank(line->text)) continue;
    const std::string reply = co_await answer(std::move(*line));
    output_.write(reply);
    if (has_quit_) {
      end();
      co_return;
    }
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<std::string> session::answer(input_line line) {
  if (line.is_too_long) {
    const std::string allowed = std::to_string(input_.line_bytes_max());
    const command_error error =
        make_command_error(line.text, "the line is longer than " + allowed + " bytes");
    co_return format_.error(error);
  }
  const tl::expected<command, command_error> asked = parse_command(line.text);
  if (!asked) co_return format_.error(asked.error());
  if (asked->kind == command_kind::leave || asked->kind == command_kind::quit) {
    std::string reply = co_await leave(asked->kind);
    co_return reply;
  }
  if (asked->kind == command_kind::join) {
    std::string reply = co_await join(asked->value);
    co_return reply;
  }
  if (asked->kind == command_kind::wait_live || asked->kind == command_kind::wait ||
      asked->kind == command_kind::writable) {
    std::string reply = co_await wait(*asked);
    co_return reply;
  }
  if (asked->kind == command_kind::state) {
    std::string reply = co_await state();
    co_return reply;
  }
  co_return answer_at_once(*asked, line.text);
}

asio::awaitable<std::string> session::leave(command_kind kind) {
  const result<leave_result> left = co_await node_.leave(leave_grace());
  if (kind == command_kind::quit) has_quit_ = true;
  if (!left) {
    const command_error error = make_command_error(to_string(kind), left.error().message());
    co_return format_.error(error);
  }
  co_return format_.left(kind, *left);
}

asio::awaitable<std::string> session::join(std::string address) {
  // Only the look-up is cancelled with the node: the coroutine that obeys commands ends by itself.
  auto until_end = asio::bind_cancellation_slot(lookup_end_.slot(), asio::use_awaitable);
  const result<std::vector<endpoint>> found =
      co_await asio::co_spawn(node_.get_executor(), resolve(address), until_end);
  if (!found || found->empty()) {
    const std::string why = found ? "it has no address" : found.error().message();
    const command_error error = make_command_error(
        to_string(command_kind::join), "cannot look up " + in_quotes(address) + ": " + why);
    co_return format_.error(error);
  }
  for (const endpoint& one : *found) node_.join(one);
  co_return format_.joined(*found);
}

asio::awaitable<std::string> session::wait(command asked) {
  // A time that is too long for nanoseconds is as good as for ever.
  const milliseconds at_most = std::min(asked.time, milliseconds(std::chrono::hours(24 * 1000)));
  const auto begin = std::chrono::steady_clock::now();
  std::error_code refused;
  std::string value;
  std::size_t live = 0;
  if (asked.kind == command_kind::wait_live) {
    const result<std::size_t> ended = co_await node_.wait_live(asked.count, at_most);
    if (!ended) refused = ended.error();
    live = ended.value_or(0);
  } else if (asked.kind == command_kind::wait) {
    const result<std::string> ended = co_await node_.wait_for(asked.peer, asked.key, at_most);
    if (!ended) refused = ended.error();
    value = ended.value_or(std::string());
  } else {
    const result<void> ended = co_await node_.writable(at_most);
    if (!ended) refused = ended.error();
  }
  if (refused) {
    const command_error error = make_command_error(to_string(asked.kind), refused.message());
    co_return format_.error(error);
  }
  const auto waited =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
  if (asked.kind == command_kind::wait_live) co_return format_.has_live(live, waited);
  if (asked.kind == command_kind::wait) {
    co_return format_.waited_for(asked.peer, asked.key, value, waited);
  }
  co_return format_.writable(waited);
}

// A copy, which takes a small part of the time that it takes to write it out.
std::vector<peer_state> session::known_state() const {
  const key_ages::time at = std::chrono::steady_clock::now();
  std::vector<peer_state> all;
  for (const member& one : node_.members()) {
    peer_state& copied = all.emplace_back();
    copied.name = one.name;
    copied.status = one.status;
    node_.for_each(one.name, [&](const entry_view& entry) {
      peer_entry& held = copied.entries.emplace_back();
      held.key = entry.key;
      held.value = entry.value;
      held.age = ages_.find(one.name, entry.key, at);
    });
  }
  return all;
}

asio::awaitable<std::string> session::state() {
  constexpr std::size_t batch_bytes = std::size_t{64} << 10;
  const std::vector<peer_state> all = known_state();
  std::string text;
  std::size_t batch_end = batch_bytes;
  format_.begin_state(text);
  for (const peer_state& peer : all) {
    format_.begin_peer(peer, &peer == &all.front(), text);
    for (const peer_entry& entry : peer.entries) {
      format_.add_entry(entry, &entry == &peer.entries.front(), text);
      if (text.size() < batch_end) continue;
      batch_end = text.size() + batch_bytes;
      co_await asio::post(asio::use_awaitable);
    }
    format_.end_peer(text);
  }
  format_.end_state(all, text);
  co_return text;
}

std::vector<std::pair<std::string, std::uint64_t>> session::counters() const {
  auto all = named_counters(node_.stats(), node_.carrier().counters());
  if (keyring_.empty()) return all;
  add_seal_counters(node_.seals(), steady_now(), all);
  all.emplace_back("keyring_reloads", reloads_);
  all.emplace_back("keyring_reload_errors", reload_errors_);
  return all;
}

std::string session::keys() const {
  std::vector<node_stage> counted;
  std::vector<std::string> uncounted;
  for (const member& one : node_.members()) {
    if (one.status == peer_status::dead || one.status == peer_status::left) {
      uncounted.push_back(one.name);
      continue;
    }
    node_stage& stage = counted.emplace_back();
    stage.name = one.name;
    const std::optional<entry_view> entry = node_.get(one.name, keyring_key);
    if (entry) stage.published = std::string(entry->value);
  }
  key_stages all = stages_of(counted, node_.seals(), steady_now());
  all.uncounted = std::move(uncounted);
  return format_.keys(all);
}

std::optional<std::string> session::reload_keys() {
  tl::expected<keyring, keyring_error> ring = load_keyring(keyring_);
  if (ring) {
    const auto changed = node_.set_keyring(std::move(*ring));
    if (changed) {
      ++reloads_;
      return std::nullopt;
    }
    ring = tl::unexpected<keyring_error>(changed.error());
  }
  ++reload_errors_;
  return ring.error().message() + "; the keys from before stay in use";
}

std::string session::got(const command& asked) const {
  std::optional<peer_status> status;
  if (const std::optional<member> of = node_.find_member(asked.peer)) status = of->status;
  const key_age age = ages_.find(asked.peer, asked.key, std::chrono::steady_clock::now());
  return format_.got(asked.peer, asked.key, node_.get(asked.peer, asked.key), age, status);
}

std::string session::interval_warning() const {
  const milliseconds mine = node_.settings().gossip_interval;
  std::size_t live = 0;
  std::size_t far = 0;
  milliseconds theirs{};
  for (const member& one : node_.members()) {
    if (one.status != peer_status::live) continue;
    ++live;
    if (!one.gossip_interval) continue;
    // Peers say it rounded down by up to an eighth.
    const milliseconds said = *one.gossip_interval;
    if (said <= 2 * mine && mine <= 2 * said + said / 4) continue;
    ++far;
    theirs = said;
  }
  if (far == 0) return {};
  return std::to_string(far) + " of " + std::to_string(live) +
         " live peers gossip at another interval, such as " + std::to_string(theirs.count()) +
         " ms: set it on all within minutes; until then a live node may be declared dead";
}

std::string session::answer_at_once(const command& asked, std::string_view line) {
  const auto refused = [&](std::error_code why) {
    const std::string message = refusal_of(why, asked.value, node_.settings());
    return format_.error(make_command_error(line, message));
  };
  switch (asked.kind) {
    case command_kind::set: {
      const result<std::uint64_t> version = node_.set(asked.key, asked.value);
      if (version) ages_.set_deadline(asked.key, std::nullopt);
      return version ? format_.set(asked.key, *version) : refused(version.error());
    }
    case command_kind::set_ttl: {
      // A time that is too long for nanoseconds is too long for the node as well.
      const milliseconds ttl = std::min(asked.time, milliseconds(std::chrono::hours(24 * 1000)));
      const result<std::uint64_t> version = node_.set(asked.key, asked.value, ttl);
      if (version) ages_.set_deadline(asked.key, std::chrono::steady_clock::now() + ttl);
      return version ? format_.set_ttl(asked.key, *version, asked.time) : refused(version.error());
    }
    case command_kind::erase: {
      const result<std::optional<std::uint64_t>> version = node_.erase(asked.key);
      if (version) ages_.set_deadline(asked.key, std::nullopt);
      return version ? format_.erased(asked.key, *version) : refused(version.error());
    }
    case command_kind::get:
      return got(asked);
    case command_kind::members:
      return format_.members(node_.members());
    case command_kind::forget: {
      const result<void> forgotten = node_.forget(asked.peer);
      return forgotten ? format_.forgotten(asked.peer) : refused(forgotten.error());
    }
    case command_kind::option: {
      auto wanted = with_option(node_.settings(), asked.key, asked.value);
      if (!wanted) return format_.error(make_command_error(line, wanted.error().message()));
      const auto changed = node_.change(std::move(*wanted));
      if (!changed) return format_.error(make_command_error(line, changed.error().message()));
      const bool is_interval = asked.key == "gossip_interval";
      return format_.changed(asked.key, asked.value,
                             is_interval ? interval_warning() : std::string());
    }
    case command_kind::options:
      return format_.options(named_options(node_.settings()));
    case command_kind::stats:
      return format_.stats(counters(), asked.has_all);
    case command_kind::keys:
    case command_kind::reload_keys: {
      if (keyring_.empty()) {
        return format_.error(make_command_error(line, "this node runs without --keyring"));
      }
      if (asked.kind == command_kind::keys) return keys();
      const std::optional<std::string> why = reload_keys();
      return why ? format_.error(make_command_error(line, *why)) : format_.reloaded(node_.seals());
    }
    case command_kind::help:
      return format_.help(command_forms());
    case command_kind::join:
    case command_kind::wait_live:
    case command_kind::wait:
    case command_kind::writable:
    case command_kind::state:
    case command_kind::leave:
    case command_kind::quit:
      break;  // they are awaited
  }
  return {};
}

}  // namespace gossipmonger
