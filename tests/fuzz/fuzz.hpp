// Shared by the fuzz targets: their entry point as libFuzzer calls it, and the end of the process
// where a claim does not hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

// Defined once by each target.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace gossipmonger {

/// Ends the process, with `what` on standard error, unless `holds`: in every build, whether its
/// asserts are on or not.
void demand(bool holds, std::string_view what);

}  // namespace gossipmonger
