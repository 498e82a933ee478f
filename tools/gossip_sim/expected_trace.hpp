// Scenario files with what their readers of events shall see, below a line of three dashes: the
// permanent tests. Blocking; not thread-safe.
#pragma once

#include <string>

namespace gossipmonger {

/// Runs the file and compares; with `rewrites`, writes what was seen into it instead. Returns what
/// is wrong, or nothing.
[[nodiscard]] std::string check_expected(const std::string& path, bool rewrites);

}  // namespace gossipmonger
