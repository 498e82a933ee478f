// The commands `gossipmonger keygen` and `gossipmonger keyring FILE`.
#pragma once

#include <string>

namespace gossipmonger {

/// Prints a new key on standard output, and advice on standard error where that is a file that
/// others can read. Returns the exit status.
[[nodiscard]] int run_keygen();

/// Checks a keyring file: prints the id and the role of each key. Returns the exit status, 2 where
/// the file is refused.
[[nodiscard]] int run_keyring(const std::string& file);

}  // namespace gossipmonger
