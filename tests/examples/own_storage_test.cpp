// A storage of one's own: here one that counts, around the library's. The suite tells whether it
// keeps the contract, and `basic_node` runs over it.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <doctest/doctest.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <gossipmonger/gossipmonger.hpp>
#include <gossipmonger/testing/storage_suite.hpp>

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

class counting_storage {
 public:
  [[nodiscard]] result<void> put(slot_index slot, const entry_view& entry) {
    ++puts;
    return inner_.put(slot, entry);
  }
  [[nodiscard]] std::optional<entry_view> find(slot_index slot, std::string_view key) const {
    return inner_.find(slot, key);
  }
  [[nodiscard]] std::optional<entry_view> first_above(slot_index slot, std::uint64_t above) const {
    return inner_.first_above(slot, above);
  }
  [[nodiscard]] std::optional<changed_entry> first_changed(std::uint64_t above) const {
    return inner_.first_changed(above);
  }
  [[nodiscard]] std::uint64_t drop_upto(slot_index slot, std::uint64_t version,
                                        std::uint64_t sequence) {
    return inner_.drop_upto(slot, version, sequence);
  }
  void purge(std::uint64_t sequence) { inner_.purge(sequence); }
  [[nodiscard]] std::size_t retired_count() const { return inner_.retired_count(); }
  void forget(slot_index slot) { inner_.forget(slot); }
  [[nodiscard]] storage_usage usage(slot_index slot) const { return inner_.usage(slot); }

  std::size_t puts = 0;

 private:
  memory_storage inner_;
};

using counting_node = basic_node<counting_storage, udp_transport>;

}  // namespace

TEST_CASE("own storage: it keeps the contract of storages") {
  CHECK(check_storage([] { return counting_storage(); }).empty());
}

TEST_CASE("own storage: a node writes into it, and shows it to its owner") {
  asio::io_context io;
  config settings;
  settings.name = "one";
  auto made = counting_node::open(io.get_executor(), settings, "localhost:0");
  REQUIRE(made);
  counting_node& self = **made;
  REQUIRE(self.set({{"a", "1"}, {"b", "2"}}));

  asio::co_spawn(io, self.run(), [](std::exception_ptr, result<void>) {});
  io.run_for(100ms);

  CHECK(self.entries().puts == 2);
  CHECK(self.get("one", "b")->value == "2");
  self.stop();
  io.run();
}
