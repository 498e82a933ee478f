#include "net/address_finder.hpp"

#include <algorithm>
#include <optional>

#include "net/routes.hpp"

namespace gossipmonger {

bool address_finder::try_find() {
  const endpoint bound = node_.transport.local_endpoint();
  if (!bound.is_wildcard()) return true;
  const std::chrono::nanoseconds present = node_.now().steady;
  if (present >= next_look_) {
    if (!settings().advertise) follow_route();
    const endpoint address = node_.core->address();
    node_.core->set_source(is_local_address(address) ? address : endpoint());
    // Several times a round in the short ones, in which a timer wakes early.
    next_look_ = node_.now().steady + settings().gossip_interval / 2;
  }
  return !node_.core->address().is_wildcard();
}

void address_finder::follow_route() {
  const std::vector<std::string>& named = settings().seeds;
  std::vector<endpoint> found = seeds_.addresses(named);
  // A route of the other IP version has a source at which nobody listens.
  const endpoint bound = node_.transport.local_endpoint();
  std::erase_if(found, [&bound](const endpoint& one) { return !is_of_family(one, bound); });
  const bool has_seed = !found.empty();
  const bool is_searching = std::any_of(named.begin(), named.end(), [this](const auto& seed) {
    return seeds_.addresses(seed).empty();
  });
  // A name that is not found yet may be that of another host, to which loopback does not lead.
  if (is_searching) std::erase_if(found, [](const endpoint& one) { return one.is_loopback(); });
  const std::optional<endpoint> local = choose_local_address(found, node_.core->address());
  if (local) {
    endpoint address = *local;
    address.port = bound.port;
    node_.core->set_address(address);
    node_.notify();
    return;
  }
  const bool is_lost = node_.core->address().is_wildcard() && has_seed;
  if (is_lost && !is_searching && !is_without_route_reported_) {
    is_without_route_reported_ = true;
    node_.core->report("no route to a seed: where peers reach me is not known yet");
    node_.notify();
  }
}

void address_finder::report_families() {
  const endpoint bound = node_.transport.local_endpoint();
  const std::vector<std::string>& named = settings().seeds;
  std::erase_if(seeds_without_family_, [&named](const std::string& one) {
    return std::find(named.begin(), named.end(), one) == named.end();
  });
  for (const std::string& seed : named) {
    const std::vector<endpoint> found = seeds_.addresses(seed);
    const auto fits = [&bound](const endpoint& one) { return is_of_family(one, bound); };
    const auto& told = seeds_without_family_;
    if (found.empty() || std::any_of(found.begin(), found.end(), fits) ||
        std::find(told.begin(), told.end(), seed) != told.end()) {
      continue;
    }
    seeds_without_family_.push_back(seed);
    node_.core->report("seed " + seed + ": a socket on " + bound.to_string() +
                       " cannot send to any of its addresses, such as " +
                       found.front().to_string() + ", which are of the other IP version");
    node_.notify();
  }
}

}  // namespace gossipmonger
