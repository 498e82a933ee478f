// A cluster of real nodes under a load of updates: `cluster --help`.
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>

#include "../tools/load/cluster_command.hpp"

int main(int count, char** arguments) {
  try {
    const std::span<const char* const> all(arguments, static_cast<std::size_t>(count));
    return gossipmonger::run_cluster_command("cluster", all.subspan(1));
  } catch (const std::exception& error) {  // no memory, or no thread
    std::fprintf(stderr, "cluster: %s\n", error.what());
    return 1;
  }
}
