// Messages to encode: one fixed sample of each kind, whose bytes golden_test.cpp writes out, and
// random valid ones.
#pragma once

#include <string>
#include <vector>

#include "core/model/message.hpp"
#include "gossipmonger/testing/random.hpp"

namespace gossipmonger {

[[nodiscard]] digest_entry make_entry(std::uint64_t name_hash, std::uint64_t generation,
                                      std::uint64_t max_version, std::uint64_t heartbeat);
[[nodiscard]] entry_view make_value(std::string_view key, std::string_view value,
                                    std::uint64_t version);
[[nodiscard]] entry_view make_tombstone(std::string_view key, std::uint64_t version);

void fill_sample_digest(message& m);
void fill_sample_reply(message& m);
void fill_sample_deltas(message& m);

/// Fills `m` with a random valid message of a random kind; `texts` keeps what its views show.
void fill_random(message& m, std::vector<std::string>& texts, random_source& numbers);

/// Whether both say the same; a receiver of a reply is compared by the low half of its hash, and
/// the padding not at all.
[[nodiscard]] bool is_same(const message& a, const message& b);

}  // namespace gossipmonger
