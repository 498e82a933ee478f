// What an application sets on its node and keeps on a disk, to set it again when both start anew. A
// value.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gossipmonger/sim/scenario.hpp"

namespace gossipmonger {

class application {
 public:
  /// It has set, or erased, a key, and its disk knows.
  void set(const std::string& key, const std::string& value);
  void erase(const std::string& key);
  /// It starts anew: what its disk became stands in `how` (`disk`, `count`, `salt`). True: the disk
  /// is not what it was.
  [[nodiscard]] bool lose(const decision& how);
  [[nodiscard]] const std::map<std::string, std::string>& disk() const { return disk_; }

 private:
  void remember(const std::string& key);

  std::map<std::string, std::string> disk_;
  std::vector<std::pair<std::string, std::optional<std::string>>> history_;  // what it was before
};

}  // namespace gossipmonger
