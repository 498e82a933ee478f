#include "gossipmonger/testing/memory_transport.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <system_error>
#include <tuple>
#include <utility>

#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "wire/damage.hpp"

namespace gossipmonger {
namespace {

constexpr std::uint16_t first_free_port = 49152;  // RFC 6335, section 6: dynamic ports

/// Holds a flag while a call is pending, also where its frame is destroyed while it waits.
class pending_mark {
 public:
  explicit pending_mark(bool& flag) : flag_(flag) {
    assert(!flag_);
    flag_ = true;
  }
  pending_mark(const pending_mark&) = delete;
  pending_mark& operator=(const pending_mark&) = delete;
  ~pending_mark() { flag_ = false; }

 private:
  bool& flag_;
};

}  // namespace

memory_network::memory_network(std::uint64_t seed, memory_network_options options) : random_(seed) {
  set_options(std::move(options));
}

void memory_network::set_options(memory_network_options options) {
  assert(options.delay_min.count() >= 0 && options.delay_min <= options.delay_max);
  options_ = options;
}

void memory_network::set_link_options(const endpoint& from, const endpoint& to,
                                      memory_network_options options) {
  assert(options.delay_min.count() >= 0 && options.delay_min <= options.delay_max);
  links_.insert_or_assign(std::pair(from, to), options);
}

const memory_network_options& memory_network::link_options(const endpoint& from,
                                                           const endpoint& to) const {
  const auto link = links_.find(std::pair(from, to));
  return link == links_.end() ? options_ : link->second;
}

result<void> memory_network::rebind(memory_transport& transport, const endpoint& outside) {
  assert(transport.flags_->is_open);
  if (open_.contains(outside)) {
    return tl::unexpected<std::error_code>(std::make_error_code(std::errc::address_in_use));
  }
  open_.erase(transport.outside_);
  open_.emplace(outside, &transport);
  transport.outside_ = outside;
  return {};
}

void memory_network::move_links(const endpoint& before, const endpoint& after) {
  std::map<std::pair<endpoint, endpoint>, memory_network_options> moved;
  for (const auto& [link, options] : links_) {
    const auto& [from, to] = link;
    if (from != before && to != before) continue;
    moved.insert_or_assign(std::pair(from == before ? after : from, to == before ? after : to),
                           options);
  }
  std::erase_if(links_, [&](const auto& one) {
    const auto& [from, to] = one.first;
    return from == before || to == before || from == after || to == after;
  });
  links_.merge(moved);
}

void memory_network::carry(memory_transport& sender, outbound datagram) {
  const endpoint& source = sender.source_for(datagram.source);
  const memory_network_options link = link_options(source, datagram.destination);
  const bool is_too_large = datagram.bytes.size() > link.datagram_bytes_max;
  if (is_too_large && link.reports_too_large) {
    ++counters_.refused;
    ++sender.counters_.send_errors[static_cast<std::size_t>(udp_send_error::message_size)];
    return;
  }
  ++counters_.sent;
  ++sender.counters_.sent;
  sender.counters_.sent_bytes += datagram.bytes.size();
  if (sender.mutation_ > 0.0 && random_.unit() < sender.mutation_) {
    mutated_.assign(datagram.bytes.begin(), datagram.bytes.end());
    if (try_mutate(mutated_, random_)) ++counters_.mutated;
    datagram.bytes = mutated_;
  }
  if (is_cut && is_cut(source, datagram.destination)) {
    ++counters_.cut;
    return;
  }
  const auto found = open_.find(datagram.destination);
  if (found == open_.end()) {
    ++counters_.unreachable;
    return;
  }
  if (is_too_large) {
    ++counters_.too_large;
    return;
  }
  if (link.loss > 0.0 && random_.unit() < link.loss) {
    ++counters_.lost;
    return;
  }
  enqueue(*found->second, source, datagram, link);
  if (link.duplication > 0.0 && random_.unit() < link.duplication) {
    ++counters_.duplicated;
    enqueue(*found->second, source, datagram, link);
  }
}

void memory_network::inject(const endpoint& from, const endpoint& to,
                            std::span<const std::byte> bytes) {
  const auto found = open_.find(to);
  if (found == open_.end()) return;
  outbound datagram;
  datagram.bytes = bytes;
  datagram.destination = to;
  memory_network_options link = options_;
  link.duplication = link.corruption = link.garbling = link.truncation = 0.0;
  enqueue(*found->second, from, datagram, link);
}

void memory_network::damage(std::vector<std::byte>& bytes, const memory_network_options& link) {
  if (bytes.empty()) {
    return;
  }
  if (link.corruption > 0.0 && random_.unit() < link.corruption) {
    ++counters_.corrupted;
    const std::uint64_t bit = random_.below(bytes.size() * 8);
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  if (link.garbling > 0.0 && random_.unit() < link.garbling) {
    if (try_garble(bytes, random_)) ++counters_.garbled;
  }
  if (link.truncation > 0.0 && random_.unit() < link.truncation) {
    ++counters_.truncated;
    bytes.resize(random_.below(bytes.size()));
  }
}

void memory_network::enqueue(memory_transport& receiver, const endpoint& source,
                             const outbound& datagram, const memory_network_options& link) {
  if (receiver.queue_.size() >= link.queue_datagrams_max) {
    ++counters_.overflowed;
    ++receiver.counters_.kernel_drops;
    return;
  }
  const auto span = link.delay_max - link.delay_min;
  auto delay = link.delay_min;
  if (span.count() > 0) {
    const std::uint64_t choices = static_cast<std::uint64_t>(span.count()) + 1;
    delay += manual_clock::duration(static_cast<manual_clock::rep>(random_.below(choices)));
  }
  memory_transport::queued item;
  item.due = manual_clock::now() + delay;
  item.sequence = next_sequence_++;
  item.source = source;
  const bool is_first = datagram.destination == receiver.outside_;
  item.local = is_first ? receiver.local_ : datagram.destination;
  if (!spare_buffers_.empty()) {
    item.bytes = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
  }
  item.bytes.assign(datagram.bytes.begin(), datagram.bytes.end());
  damage(item.bytes, link);
  receiver.queue_.push_back(std::move(item));
  std::push_heap(receiver.queue_.begin(), receiver.queue_.end(), memory_transport::is_later);
  // A receiver that waits for a later one, or for any, must look again.
  if (receiver.queue_.front().due < receiver.arrival_.expiry()) {
    receiver.arrival_.cancel();
  }
}

endpoint memory_network::free_endpoint(endpoint wanted) const {
  if (wanted.port != 0) {
    return wanted;
  }
  wanted.port = first_free_port;
  while (open_.contains(wanted) && wanted.port != 0) {
    ++wanted.port;
  }
  return wanted;
}

memory_transport::memory_transport(asio::any_io_executor executor, memory_network& network)
    : network_(network), executor_(std::move(executor)), arrival_(executor_) {}

memory_transport::~memory_transport() { close(); }

result<void> memory_transport::open(endpoint listen) {
  if (is_closed_) {
    return fail(errc::stopped);
  }
  if (flags_->is_open) {
    return tl::unexpected<std::error_code>(asio::error::already_open);
  }
  const endpoint wanted = network_.free_endpoint(listen);
  if (wanted.port == 0 || network_.open_.contains(wanted)) {
    return tl::unexpected<std::error_code>(std::make_error_code(std::errc::address_in_use));
  }
  network_.open_.emplace(wanted, this);
  local_ = wanted;
  outside_ = wanted;
  flags_->is_open = true;
  return {};
}

result<void> memory_transport::add_address(endpoint address) {
  assert(flags_->is_open);
  address.port = local_.port;
  if (!network_.open_.emplace(address, this).second) {
    return tl::unexpected<std::error_code>(std::make_error_code(std::errc::address_in_use));
  }
  others_.push_back(address);
  return {};
}

const endpoint& memory_transport::source_for(const endpoint& wanted) const {
  const auto other = std::find_if(others_.begin(), others_.end(), [&wanted](const endpoint& one) {
    return one.has_address_of(wanted);
  });
  return other == others_.end() ? outside_ : *other;
}

bool memory_transport::is_later(const queued& a, const queued& b) {
  return std::tie(a.due, a.sequence) > std::tie(b.due, b.sequence);
}

manual_clock::time_point memory_transport::next_arrival() const {
  return queue_.empty() ? manual_clock::time_point::max() : queue_.front().due;
}

std::size_t memory_transport::take_due(std::span<inbound> in) {
  std::size_t count = 0;
  while (count < in.size() && !queue_.empty() && queue_.front().due <= manual_clock::now()) {
    std::pop_heap(queue_.begin(), queue_.end(), is_later);
    queued& item = queue_.back();
    inbound& slot = in[count++];
    slot.size = item.bytes.size();
    slot.source = item.source;
    slot.local = item.local;
    slot.interface = 0;
    counters_.received_bytes += slot.size;
    if (slot.size > slot.buffer.size()) ++counters_.truncated;
    if (item.sequence < latest_sequence_) ++network_.counters_.reordered;
    latest_sequence_ = std::max(latest_sequence_, item.sequence);
    const std::size_t kept = std::min(slot.size, slot.buffer.size());
    std::copy_n(item.bytes.begin(), kept, slot.buffer.begin());
    network_.spare_buffers_.push_back(std::move(item.bytes));
    queue_.pop_back();
    // Last: it may inject another datagram, which moves the queue.
    if (network_.on_delivery) network_.on_delivery(outside_, slot);
  }
  counters_.received += count;
  network_.counters_.delivered += count;
  return count;
}

asio::awaitable<result<std::size_t>> memory_transport::receive(std::span<inbound> in) {
  assert(!in.empty());
  const std::shared_ptr<shared_flags> flags = flags_;
  const pending_mark mark(flags->is_receiving);
  for (;;) {
    if (!flags->is_open) {
      co_return fail(errc::stopped);
    }
    const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(errc::cancelled);
    }
    const std::size_t count = take_due(in);
    if (count > 0) {
      co_return count;
    }
    arrival_.expires_at(next_arrival());
    asio::error_code ignored;  // closed, cancelled and the queue are read above
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await arrival_.async_wait(token);
  }
}

asio::awaitable<result<std::size_t>> memory_transport::send(std::span<const outbound> out) {
  if (!flags_->is_open) {
    co_return fail(errc::stopped);
  }
  const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) {
    co_return fail(errc::cancelled);
  }
  for (const outbound& datagram : out) {
    network_.carry(*this, datagram);
  }
  co_return out.size();
}

void memory_transport::close() {
  if (flags_->is_open) {
    network_.open_.erase(outside_);
    for (const endpoint& other : others_) network_.open_.erase(other);
    network_.counters_.unreachable += queue_.size();
    queue_.clear();
    arrival_.cancel();
  }
  flags_->is_open = false;
  is_closed_ = true;
}

}  // namespace gossipmonger
