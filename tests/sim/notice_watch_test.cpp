// The watch is played by hand, since no node errs without a planted defect (tests/planted).
#include "sim/notice_watch.hpp"

#include <doctest/doctest.h>

#include <string>

#include "gossipmonger/config.hpp"
#include "gossipmonger/hash.hpp"
#include "gossipmonger/memory_storage.hpp"

using namespace gossipmonger;
using namespace std::chrono_literals;

namespace {

const endpoint elsewhere = endpoint::v4(10, 0, 0, 2, 7000);

/// A node "a" that runs rounds of a second and knows nobody, and its watch.
class watched_node {
 public:
  watched_node() : core_(settings(), storage_ref(entries_), address(), 1, now()) {
    watch.handle_interval(1s, time_);
  }

  void round(bool has_seeds) {
    time_ = core_.next_deadline();
    core_.handle_timeout(now());
    watch.end_step(core_, true, has_seeds);
  }
  void rounds(int count, bool has_seeds) {
    for (int i = 0; i < count; ++i) round(has_seeds);
  }
  void hear(const message& said) { watch.handle_arrival(core_, elsewhere, said, true, time_); }
  void tell(std::string_view text, std::string_view peer = {}) {
    event_view seen;
    seen.kind = event_kind::error;
    seen.text = text;
    seen.peer = peer;
    watch.handle_event(seen);
  }
  void end_step() { watch.end_step(core_, false, false); }

  notice_watch watch;

 private:
  static config settings() {
    config made;
    made.name = "a";
    made.jitter = 0;
    return made;
  }
  static endpoint address() { return endpoint::v4(10, 0, 0, 1, 7000); }
  [[nodiscard]] moment now() const { return moment(time_, time_ + 1'704'067'200s); }

  std::chrono::nanoseconds time_ = 100s;
  memory_storage entries_;
  protocol core_;
};

message& fill(message& m, message_kind kind) {
  m.clear();
  m.kind = kind;
  m.sender.name_hash = siphash(make_cluster_key("default"), "p");
  m.sender.generation = 1;
  return m;
}

}  // namespace

TEST_CASE("notice_watch: a node with seeds that is alone for 18 rounds must have said so") {
  watched_node silent;
  silent.rounds(17, true);
  CHECK(silent.watch.fault().empty());
  silent.round(true);
  CHECK(silent.watch.fault() == "does not tell that it is alone");

  watched_node loud;
  loud.rounds(16, true);
  loud.tell("nobody is known after 16 rounds");
  loud.rounds(100, true);
  CHECK(loud.watch.fault().empty());
  loud.tell("nobody is known after 16 rounds");
  CHECK(loud.watch.fault() == "tells twice that it is alone");

  watched_node without;
  without.rounds(100, false);
  CHECK(without.watch.fault().empty());
}

TEST_CASE("notice_watch: the end of being alone is told of who was") {
  watched_node given;
  given.tell("this node is alone no more: this peer is known");
  CHECK(given.watch.fault() == "tells that it is alone no more, and never told that it was");
}

TEST_CASE("notice_watch: a refusal is told in the step in which it came, and only then") {
  message m;
  fill(m, message_kind::reply).refused = refusal::no_room;
  watched_node silent;
  silent.hear(m);
  silent.end_step();
  CHECK(silent.watch.fault() == "was refused, and does not tell");

  watched_node loud;
  loud.hear(m);
  loud.tell("this peer has no room for this node: raise peers_max there");
  loud.end_step();
  loud.hear(m);
  loud.end_step();
  CHECK(loud.watch.fault().empty());
  loud.tell("this peer has no room for this node: raise peers_max there");
  CHECK(loud.watch.fault() == "tells of a refusal that nobody sent");

  watched_node later;
  m.refused = static_cast<refusal>(9);
  later.hear(m);
  later.end_step();
  CHECK(later.watch.fault().empty());
}

TEST_CASE("notice_watch: an answer refuses as the tables do") {
  message asked;
  fill(asked, message_kind::digest);
  message answer;
  fill(answer, message_kind::reply);
  watched_node given;
  given.hear(asked);
  given.watch.handle_send(elsewhere, answer);
  CHECK(given.watch.fault().empty());

  given.hear(asked);
  answer.refused = refusal::far_future;
  given.watch.handle_send(endpoint::v4(10, 0, 0, 3, 7000), answer);  // an answer to somebody else
  CHECK(given.watch.fault().empty());
  given.watch.handle_send(elsewhere, answer);
  CHECK(given.watch.fault() == "answers with refusal 1, not 0");
}

TEST_CASE("notice_watch: an interval is told when its peer says it") {
  watched_node given;
  given.tell("this peer gossips about every 5000 ms, this node every 1000 ms", "p");
  CHECK(given.watch.fault() == "tells of an interval that nobody said");
}
