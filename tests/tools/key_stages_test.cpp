#include "../../tools/gossipmonger/key_stages.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace gossipmonger {
namespace {

std::string id_text(std::size_t number) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", static_cast<unsigned>(number));
  return text.data();
}

node_stage make_node(std::string name, std::string published) {
  node_stage node;
  node.name = std::move(name);
  node.published = std::move(published);
  return node;
}

/// A node that seals with 5ec820b1, and opens nothing else.
seal_counters here() {
  seal_counters made;
  seal_key_counters& key = made.keys.emplace_back();
  key.id = 0x5ec820b1;
  key.is_sealing = true;
  return made;
}

TEST_CASE("key_stages: a rotation is told by its keys, and by the nodes that lag") {
  const std::vector<node_stage> nodes = {
      make_node("a", "seal 5ec820b1"), make_node("b", "seal 37f07ee9 open 5ec820b1"),
      make_node("c", "seal 5ec820b1 open 37f07ee9 plain accepted")};

  const key_stages all = stages_of(nodes, here(), {});

  REQUIRE(all.keys.size() == 2);
  CHECK(all.keys[0].id == "5ec820b1");
  CHECK(all.keys[0].is_sealing_here);
  CHECK(all.keys[0].not_sealing == std::vector<std::string>{"b"});
  CHECK(all.keys[0].not_opening.empty());
  CHECK(all.keys[1].id == "37f07ee9");
  CHECK_FALSE(all.keys[1].is_opening_here);
  CHECK(all.keys[1].not_sealing == std::vector<std::string>{"a", "c"});
  CHECK(all.keys[1].not_opening == std::vector<std::string>{"a"});
  CHECK(all.unlisted_keys == 0);
  CHECK(all.plain_accepted_by == std::vector<std::string>{"c"});
}

TEST_CASE("key_stages: of invented keys 24 are listed, and none of them hides one of two nodes") {
  std::vector<node_stage> nodes;
  for (std::size_t i = 0; i < 500; ++i) {
    std::string text = "seal " + id_text(8 * i);
    for (std::size_t key = 1; key < 8; ++key) text += " open " + id_text(8 * i + key);
    nodes.push_back(make_node("n" + std::to_string(i), text));
  }
  // One node that names its key eight times is one node.
  std::string often = "seal deadbeef";
  for (int i = 0; i < 7; ++i) often += " open deadbeef";
  nodes.push_back(make_node("o", often));
  nodes.push_back(make_node("y", "seal 5ec820b1 open 37f07ee9"));
  nodes.push_back(make_node("z", "seal 5ec820b1 open 37f07ee9"));

  const key_stages all = stages_of(nodes, here(), {});

  REQUIRE(all.keys.size() == 1 + 24);
  CHECK(all.keys[0].id == "5ec820b1");
  CHECK(all.keys[1].id == "37f07ee9");
  CHECK(all.keys[1].not_opening.size() == 501);
  CHECK(all.keys[2].id == id_text(0));
  CHECK(all.unlisted_keys == 4000 + 2 - 24);
}

}  // namespace
}  // namespace gossipmonger
