// An application's entries on its disk: it sets them on its node, and sets them again when both
// start anew. A value.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/scenario.hpp"

namespace gossipmonger {

class application {
 public:
  /// The application has set, or erased, a key; the disk keeps that.
  void set(const std::string& key, const std::string& value);
  void erase(const std::string& key);
  /// The application starts anew, and its disk changes as `how` says (`disk`, `count`, `salt`).
  ///   returns: whether the disk has changed
  [[nodiscard]] bool lose(const decision& how);
  [[nodiscard]] const std::map<std::string, std::string>& disk() const { return disk_; }

 private:
  void remember(const std::string& key);

  std::map<std::string, std::string> disk_;
  std::vector<std::pair<std::string, std::optional<std::string>>> history_;  // the values before
};

}  // namespace gossipmonger
