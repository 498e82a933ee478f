// The sealed half of the catalogue, at the sealer of a node: no node runs here. The sealer refuses
// each of the datagrams as it is, and changed under seal. Sealed with the right key it opens to the
// same bytes. So the codec of a sealed node gets what the row of a plain one gives it.
#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../seal/seal_sample.hpp"
#include "catalogue.hpp"

namespace gossipmonger {
namespace {

struct tried {
  std::size_t datagrams = 0;
  std::size_t plain = 0;     // refused as they are
  std::size_t opened = 0;    // sealed
  std::size_t forged = 0;    // sealed, and changed
  std::size_t replayed = 0;  // sealed, and sent again
};

/// Tries each datagram that the rows send against one sealer.
tried try_rows(const std::vector<bad_input>& rows) {
  tried all;
  sealer peer(sample_ring());
  sealer receiver(sample_ring());
  const auto is_dropped = [&receiver](byte_list datagram, seal_drop reason) {
    const auto content = receiver.open(datagram, at(sample_date));
    return !content && content.error() == reason;
  };
  for (const bad_input& row : rows) {
    arena field(row.common());
    field.on_sent = [&](std::span<const std::byte> bytes) {
      const byte_list plain(bytes.begin(), bytes.end());
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      ++all.datagrams;
      all.plain += is_dropped(plain, plain.size() < 40 ? seal_drop::length : seal_drop::plain);
      const byte_list genuine = sealed_by(peer, text);
      byte_list changed = genuine;
      changed.back() ^= std::byte{1};
      all.forged += is_dropped(changed, seal_drop::forged);
      all.opened += opened_by(receiver, genuine) == text;
      all.replayed += is_dropped(genuine, seal_drop::replayed);
    };
    row.provoke(field);
  }
  CHECK(receiver.counters().instances == 1);
  return all;
}

void check_rows(const std::vector<bad_input>& rows) {
  const tried all = try_rows(rows);
  CHECK(all.datagrams >= rows.size());
  CHECK(all.plain == all.datagrams);
  CHECK(all.forged == all.datagrams);
  CHECK(all.opened == all.datagrams);
  CHECK(all.replayed == all.datagrams);
}

TEST_CASE("sealed rows: damage to datagrams is refused without the key, and kept within it") {
  check_rows(datagram_rows());
}

TEST_CASE("sealed rows: bodies, fields and lies are refused without the key, and kept within it") {
  check_rows(body_rows());
  check_rows(field_rows());
  check_rows(meaning_rows());
  check_rows(sum_field_rows());
  check_rows(sum_meaning_rows());
}

}  // namespace
}  // namespace gossipmonger
