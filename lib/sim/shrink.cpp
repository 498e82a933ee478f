#include "sim/shrink.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace gossipmonger {

namespace {

class shrinking {
 public:
  shrinking(scenario failing, const std::function<bool(const scenario&)>& fails,
            std::size_t trials_max)
      : best_(std::move(failing)), fails_(fails), trials_left_(trials_max) {}

  scenario run() {
    bool has_changed = true;
    while (has_changed && trials_left_ > 0) {
      has_changed = drop_decisions();
      has_changed = drop_nodes() || has_changed;
      has_changed = simplify_decisions() || has_changed;
      has_changed = simplify_nodes() || has_changed;
    }
    return std::move(best_);
  }

 private:
  [[nodiscard]] bool try_instead(scenario candidate) {
    if (trials_left_ == 0) return false;
    --trials_left_;
    if (!fails_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  /// Half of them, a quarter, … down to one by one.
  [[nodiscard]] bool drop_decisions() {
    bool has_changed = false;
    for (std::size_t part = std::max<std::size_t>(1, best_.decisions.size() / 2); part > 0;
         part /= 2) {
      for (std::size_t from = 0; from < best_.decisions.size();) {
        scenario candidate = best_;
        const std::size_t end = std::min(from + part, candidate.decisions.size());
        candidate.decisions.erase(candidate.decisions.begin() + static_cast<std::ptrdiff_t>(from),
                                  candidate.decisions.begin() + static_cast<std::ptrdiff_t>(end));
        if (try_instead(std::move(candidate))) {
          has_changed = true;
        } else {
          from += part;
        }
      }
    }
    return has_changed;
  }

  [[nodiscard]] bool drop_nodes() {
    bool has_changed = false;
    for (std::size_t node = best_.nodes.size(); node-- > 1;) {
      has_changed = try_instead(without_node(node)) || has_changed;
    }
    return has_changed;
  }
  [[nodiscard]] scenario without_node(std::size_t node) const {
    scenario out = best_;
    out.nodes.erase(out.nodes.begin() + static_cast<std::ptrdiff_t>(node));
    const auto renumber = [node](std::size_t& number) {
      if (number != decision::everybody && number > node) --number;
    };
    for (std::size_t i = 0; i < out.nodes.size(); ++i) {
      const std::size_t was = i < node ? i : i + 1;
      if (out.nodes[i].settings.name == "n" + std::to_string(was)) {
        out.nodes[i].settings.name = "n" + std::to_string(i);
      }
      std::erase(out.nodes[i].seeds, node);
      for (std::size_t& seed : out.nodes[i].seeds) renumber(seed);
    }
    std::erase_if(out.decisions, [node](const decision& one) {
      if (one.kind == decision_kind::heal || one.kind == decision_kind::detect) return false;
      const bool has_other = one.kind == decision_kind::link || one.kind == decision_kind::forget;
      return one.node == node || (has_other && one.other == node);
    });
    for (decision& one : out.decisions) {
      renumber(one.node);
      renumber(one.other);
      std::erase(one.seeds, node);
      for (std::size_t& seed : one.seeds) renumber(seed);
    }
    return out;
  }

  template <class Change>
  [[nodiscard]] bool try_change(std::size_t number, Change change) {
    scenario candidate = best_;
    if (!change(candidate.decisions[number])) return false;
    return try_instead(std::move(candidate));
  }
  [[nodiscard]] bool simplify_decisions() {
    bool has_changed = false;
    const auto halve = [](std::uint64_t& number, std::uint64_t least) {
      if (number <= least) return false;
      number = std::max(least, number / 2);
      return true;
    };
    const auto calm = [](auto& field, auto usual) {
      if (field == usual) return false;
      field = usual;
      return true;
    };
    const network_conditions usual;
    for (std::size_t i = 0; i < best_.decisions.size(); ++i) {
      const auto attempt = [&](auto change) { has_changed = try_change(i, change) || has_changed; };
      const decision_kind kind = best_.decisions[i].kind;
      if (kind == decision_kind::write || kind == decision_kind::wipe) {
        attempt([&](decision& one) { return halve(one.count, 1); });
        attempt([&](decision& one) { return halve(one.keys, 1); });
        attempt([&](decision& one) { return halve(one.bytes, 0); });
        attempt([&](decision& one) { return calm(one.length, std::chrono::milliseconds{}); });
      }
      const bool is_crowd = kind == decision_kind::join || kind == decision_kind::replay ||
                            kind == decision_kind::flood;
      if (is_crowd) attempt([&](decision& one) { return halve(one.count, 1); });
      if (kind == decision_kind::set_ttl) {
        attempt([&](decision& one) {
          one.kind = decision_kind::set;
          return calm(one.length, std::chrono::milliseconds{});
        });
      }
      if (kind == decision_kind::restart) {
        attempt([&](decision& one) { return calm(one.disk, disk_state::intact); });
        attempt([&](decision& one) { return calm(one.generation, generation_state::kept); });
        attempt([&](decision& one) {
          const bool has_wire = one.wire.has_value();
          one.wire.reset();
          return has_wire;
        });
      }
      // One option after the other, as far as they can be left out; at least one thing stays.
      for (std::size_t option = best_.decisions[i].options.size(); option-- > 0;) {
        attempt([&](decision& one) {
          if (one.options.size() + one.seeds.size() < 2) return false;
          one.options.erase(one.options.begin() + static_cast<std::ptrdiff_t>(option));
          return true;
        });
      }
      if (kind == decision_kind::change && !best_.decisions[i].options.empty()) {
        attempt([&](decision& one) { return calm(one.seeds, std::vector<std::size_t>{}); });
      }
      if (kind != decision_kind::link) continue;
      attempt([&](decision& one) { return calm(one.way.loss, usual.loss); });
      attempt([&](decision& one) { return calm(one.way.duplication, usual.duplication); });
      attempt([&](decision& one) { return calm(one.way.corruption, usual.corruption); });
      attempt([&](decision& one) { return calm(one.way.garbling, usual.garbling); });
      attempt([&](decision& one) { return calm(one.way.truncation, usual.truncation); });
      attempt([&](decision& one) { return calm(one.way.delay_max, usual.delay_max); });
      attempt([&](decision& one) { return calm(one.way.mtu_bytes, usual.mtu_bytes); });
    }
    return has_changed;
  }
  [[nodiscard]] bool simplify_nodes() {
    bool has_changed = false;
    for (std::size_t i = 0; i < best_.nodes.size(); ++i) {
      scenario candidate = best_;
      scenario_node& node = candidate.nodes[i];
      scenario_node plain;
      plain.settings.name = node.settings.name;
      plain.settings.gossip_interval = node.settings.gossip_interval;
      if (i > 0) plain.seeds.push_back(0);
      node = plain;
      if (to_text(candidate) == to_text(best_)) continue;
      has_changed = try_instead(std::move(candidate)) || has_changed;
    }
    return has_changed;
  }

  scenario best_;
  const std::function<bool(const scenario&)>& fails_;
  std::size_t trials_left_;
};

}  // namespace

scenario shrunk(scenario failing, const std::function<bool(const scenario&)>& fails,
                std::size_t trials_max) {
  return shrinking(std::move(failing), fails, trials_max).run();
}

}  // namespace gossipmonger
