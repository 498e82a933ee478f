// A thousand nodes that fall into two halves and become one cluster again.
#include <cstddef>

#include <doctest/doctest.h>

#include "cluster.hpp"
#include "sim/scale.hpp"
#include "sim/world.hpp"

namespace gossipmonger {

TEST_CASE("partition: halves of 1,000 nodes agree in 8 rounds after a cut of 100, and are live") {
  scale_plan plan;
  plan.nodes = 1000;
  constexpr std::size_t live_rounds = 4 * 10 + 10;  // 4 ceil(log2 1,000) + 10
  for (const std::size_t writes : {0U, 1U}) {
    CAPTURE(writes);
    world where(plan.nodes);
    REQUIRE(try_start_cluster(where, plan));
    CHECK(all_tell_sums(where));

    const heal_costs seen = measure_heal(where, 100, writes);

    MESSAGE(writes << " writes a round: values agree after " << seen.values << ", all live after "
                   << seen.live << " rounds; " << seen.bytes << " bytes a node and round");
    CHECK(seen.values <= 8);
    CHECK(seen.live <= live_rounds);
  }
}

}  // namespace gossipmonger
