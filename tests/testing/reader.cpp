#include "reader.hpp"

#include <system_error>
#include <utility>

#include <asio/basic_waitable_timer.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

namespace gossipmonger {

/// Clears a flag when the coroutine that holds it ends, in whatever way.
class reader::running_mark {
 public:
  explicit running_mark(std::shared_ptr<reader> of) : of_(std::move(of)) {
    of_->is_running_ = true;
  }
  running_mark(const running_mark&) = delete;
  running_mark& operator=(const running_mark&) = delete;
  ~running_mark() { of_->is_running_ = false; }

 private:
  std::shared_ptr<reader> of_;
};

asio::awaitable<void> reader::read(std::shared_ptr<reader> self, simulated_node* node) {
  const running_mark mark(self);
  subscription events = node->subscribe();
  asio::basic_waitable_timer<manual_clock> pause(node->get_executor());
  for (;;) {
    self->is_waiting_ = true;
    const result<event> seen = co_await events.next();
    self->is_waiting_ = false;
    if (!seen) co_return;
    self->fold(*seen);
    if (self->delay_.count() == 0) continue;
    pause.expires_after(self->delay_);
    std::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void reader::fold(const event& seen) {
  switch (seen.kind) {
    case event_kind::update:
    case event_kind::removed:
      return fold_entry(seen);
    case event_kind::peer_restarted:
    case event_kind::peer_forgotten:
      peers_.erase(seen.peer);
      return;
    case event_kind::lagged:
      ++lags_;
      peers_.clear();
      return;
    case event_kind::conflict:
      ++conflicts_;
      return;
    default:
      return;
  }
}

void reader::fold_entry(const event& seen) {
  key_state& key = peers_[seen.peer][seen.key];
  const bool is_removal = seen.kind == event_kind::removed;
  // A key that a floor drops goes with the version it was shown with.
  const bool may_equal = is_removal && key.is_live;
  if (may_equal ? seen.version < key.version : seen.version <= key.version) {
    fault_ = "version " + std::to_string(seen.version) + " of " + seen.peer + " " + seen.key +
             " after version " + std::to_string(key.version);
  }
  key.is_live = !is_removal;
  key.version = seen.version;
  key.value = seen.value;
}

std::string reader::fold_fault(const simulated_node& node) const {
  const auto wrong = [&node](const std::string& peer, std::string_view key) {
    return "the events of " + std::string(node.name()) + " do not fold to what it knows of " +
           peer + ": " + std::string(key);
  };
  for (const auto& [peer, keys] : peers_) {
    for (const auto& [key, shown] : keys) {
      if (shown.is_live && !node.get(peer, key)) return wrong(peer, key);
    }
  }
  std::string found;
  for (const member& peer : node.members()) {
    node.for_each(peer.name, [&](const entry_view& held) {
      const auto keys = peers_.find(peer.name);
      const auto none = keys == peers_.end();
      const auto place = none ? std::map<std::string, key_state>::const_iterator()
                              : keys->second.find(std::string(held.key));
      const bool is_equal = !none && place != keys->second.end() && place->second.is_live &&
                            place->second.value == held.value;
      if (!is_equal) found = wrong(peer.name, held.key);
    });
  }
  return found;
}

}  // namespace gossipmonger
