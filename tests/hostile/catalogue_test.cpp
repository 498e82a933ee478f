// Each row of the catalogue: dropped and counted, or ignored, or answered with little; the state
// as before; the memory flat. And README.md beside it says the same as the rows do.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

#include "../core/allocations.hpp"
#include "../sim/cluster.hpp"
#include "catalogue.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

/// The most legs that a node sends in a round besides the round's digests and answers.
constexpr std::size_t short_legs_a_round = 24;

std::uint64_t sum(const drop_counters& drops) {
  std::uint64_t all = 0;
  for (const std::uint64_t count : drops) all += count;
  return all;
}

bool is_expected(const bad_input& row, std::size_t reason) {
  for (const drop_reason counter : row.counters) {
    if (static_cast<std::size_t>(counter) == reason) return true;
  }
  return false;
}

void check_counters(const bad_input& row, const drop_counters& before, const drop_counters& after,
                    std::size_t sent) {
  for (std::size_t reason = 0; reason < drop_reason_count; ++reason) {
    CAPTURE(std::string(to_string(static_cast<drop_reason>(reason))));
    if (!is_expected(row, reason)) CHECK(after[reason] == before[reason]);
  }
  CHECK(sum(after) - sum(before) == (row.counters.empty() ? 0 : sent));
}

void check_rows(const std::vector<bad_input>& rows) {
  for (const bad_input& row : rows) {
    CAPTURE(std::string(row.name));
    arena field(row.common());
    event_log events(field.where, 0);
    const std::string known = field.fingerprint();
    const drop_counters before = field.node().stats().drops;

    row.provoke(field);

    CHECK(field.sent > 0);
    check_counters(row, before, field.node().stats().drops, field.sent);
    if (row.what == outcome::answered) {
      CHECK(field.answered_bytes > 0);
      CHECK(field.answered_bytes <= 3 * field.sent_bytes);
    } else {
      CHECK(field.answered_bytes == 0);
    }
    CHECK((field.asked > 0) == (row.what == outcome::suspected));

    // Again and again: no memory is lost to it, and no event but the first.
    for (int i = 0; i < 5; ++i) row.provoke(field);
    CHECK(field.asked <= short_legs_a_round);
    events.read(field.where);
    const std::size_t events_before = events.text().size();
    const std::size_t bytes_before = allocated_bytes();
    for (int i = 0; i < 20; ++i) row.provoke(field);
    CHECK(allocated_bytes() <= bytes_before + 1024);
    events.read(field.where);
    CHECK(events.text().size() == events_before);

    const bool is_as_before = field.fingerprint() == known;
    CHECK(is_as_before);
    CHECK(field.node().stats().refutations == 0);
    field.where.run_for(10s);
    CHECK(field.where.has_agreed());
    CHECK(field.node().stats().declared_dead == 0);
    for (const char* neighbour : {"n1", "n2"}) {
      CHECK_FALSE(field.node().find_member(neighbour, field.where.now(0))->is_suspect);
    }
  }
}

std::string counters_of(const bad_input& row) {
  std::string text;
  for (const drop_reason counter : row.counters) {
    if (!text.empty()) text += ", ";
    text += "`" + std::string(to_string(counter)) + "`";
  }
  return text.empty() ? "–" : text;
}

std::string_view to_string(outcome what) {
  switch (what) {
    case outcome::dropped:
      return "dropped, no reply";
    case outcome::ignored:
      return "ignored, no reply";
    case outcome::suspected:
      return "the peer is asked; no reply";
    case outcome::answered:
      break;
  }
  return "answered with 3× at most";
}

std::string table() {
  std::string text = "| level | input | counter | outcome |\n| --- | --- | --- | --- |\n";
  const auto add = [&text](std::string_view level, const std::vector<bad_input>& rows) {
    for (const bad_input& row : rows) {
      text += "| " + std::string(level) + " | " + std::string(row.name) + " | " + counters_of(row) +
              " | " + std::string(to_string(row.what)) + " |\n";
    }
  };
  add("datagram", datagram_rows());
  add("Cap'n Proto", body_rows());
  add("field", field_rows());
  add("field", sum_field_rows());
  add("digest and delta", meaning_rows());
  add("digest of sums", sum_meaning_rows());
  return text;
}

}  // namespace

TEST_CASE("catalogue: damage to datagrams, and datagrams from the wrong place") {
  check_rows(datagram_rows());
}

TEST_CASE("catalogue: bodies that are no message of ours") { check_rows(body_rows()); }

TEST_CASE("catalogue: fields outside their range") { check_rows(field_rows()); }

TEST_CASE("catalogue: well-formed lies") { check_rows(meaning_rows()); }

TEST_CASE("catalogue: what is wrong with roots, buckets and sums") {
  check_rows(sum_field_rows());
  check_rows(sum_meaning_rows());
}

TEST_CASE("catalogue: a node that tells sums withstands the other lies, too") {
  std::vector<bad_input> rows = meaning_rows();
  for (bad_input& row : rows) row.common = &arena::with_sums;
  check_rows(rows);
}

TEST_CASE("catalogue: its README lists these rows (rewritten where CATALOGUE_REWRITE is set)") {
  std::string text;
  {
    std::ifstream file(CATALOGUE_README);
    text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  const std::string begin = "<!-- rows: begin -->\n";
  const std::string end = "<!-- rows: end -->\n";
  const std::size_t first = text.find(begin);
  const std::size_t last = text.find(end);
  REQUIRE(first != std::string::npos);
  REQUIRE(last != std::string::npos);
  const std::size_t from = first + begin.size();

  if (std::getenv("CATALOGUE_REWRITE") != nullptr) {
    text.replace(from, last - from, table());
    std::ofstream(CATALOGUE_README) << text;
    return;
  }
  const bool is_same = text.substr(from, last - from) == table();
  CHECK_MESSAGE(is_same, "run hostile_test with CATALOGUE_REWRITE=1 and look at the difference");
}

}  // namespace gossipmonger
