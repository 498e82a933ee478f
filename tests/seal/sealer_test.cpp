// Known answers, and each reason to drop a datagram.
#include "seal/sealer.hpp"

#include <array>
#include <cstdio>
#include <limits>

#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "../core/allocations.hpp"
#include "seal_sample.hpp"

namespace gossipmonger {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t sample_instance = 0x0123456789abcdef;

std::string to_hex(std::span<const std::byte> from) {
  std::string text;
  for (const std::byte one : from) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", std::to_integer<unsigned>(one));
    text += digits.data();
  }
  return text;
}

/// Instances that count up from `first`.
nonce_source::draw instances_from(std::uint64_t first) {
  return [next = first]() mutable { return next++; };
}

std::uint64_t drops(const sealer& of, seal_drop reason) {
  return of.counters().drops[static_cast<std::size_t>(reason)];
}

TEST_CASE("sealer: the bytes of a datagram are those that OpenSSL makes of it") {
  // From known_answer.py, which does not use libsodium.
  sealer one(sample_ring(), instances_from(sample_instance));

  const byte_list made = sealed_by(one, "Ladies and Gentlemen of the class of '99");

  CHECK(to_hex(made) ==
        "73010000e97ef037efcdab896745230100d2496b01000000"
        "ec1cc701daca2ee3dcb4e4c44c1cb61967794875693275f5fd2172f89be1d69b17819daaec48d4ae"
        "ea25fae6e7458c08a12a113c6dcef646");
}

TEST_CASE("sealer: a peer with the key opens a datagram, in its place") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  byte_list datagram = sealed_by(one, "hello");

  const auto content = other.open(datagram, at(sample_date, 7s));

  REQUIRE(content.has_value());
  CHECK(content->data() == datagram.data() + seal_head_bytes);
  CHECK(content->size() == 5);
  CHECK(other.last_key() == sample_key()->id());
  CHECK(other.counters().opened == 1);
  CHECK(other.counters().keys.front().opened == 1);
  CHECK(other.counters().keys.front().opened_last == 7s);
  CHECK(one.counters().sealed == 1);
  CHECK(one.counters().keys.front().sealed == 1);
}

TEST_CASE("sealer: an empty content is sealed and opened too") {
  sealer one(sample_ring());
  sealer other(sample_ring());

  const byte_list datagram = sealed_by(one, "");

  CHECK(datagram.size() == 40);
  CHECK(opened_by(other, datagram).empty());
}

TEST_CASE("sealer: a content for which the room is too small is not sealed, and nothing changes") {
  sealer one(sample_ring());
  for (const std::size_t room_bytes : {0U, 39U, 40U, 49U}) {
    CAPTURE(room_bytes);
    byte_list room(room_bytes, std::byte{'x'});

    CHECK(one.seal(room, 10, at(sample_date)).empty());

    CHECK(room == byte_list(room_bytes, std::byte{'x'}));
  }
  byte_list room(50);
  CHECK(one.seal(room, std::numeric_limits<std::size_t>::max(), at(sample_date)).empty());
  CHECK(one.counters().sealed == 0);
  CHECK(one.seal(room, 10, at(sample_date)).size() == 50);
  CHECK(read_seal_head(room)->count == 1);  // no nonce was taken before
}

TEST_CASE("sealer: each flip of one bit is refused, and the genuine datagram is then opened") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  const byte_list datagram = sealed_by(one, std::string(100, 'x'));

  std::array<std::size_t, seal_drop_count> counted{};
  for (std::size_t bit = 0; bit < datagram.size() * 8; ++bit) {
    byte_list changed = datagram;
    changed[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const auto content = other.open(changed, at(sample_date));
    REQUIRE(!content.has_value());
    ++counted[static_cast<std::size_t>(content.error())];
  }

  // By the field that was hit: 8 bits of magic, 24 of format, 32 of the key's id. Of the date, 15
  // bits are worth more than a day.
  CHECK(counted[static_cast<std::size_t>(seal_drop::plain)] == 8);
  CHECK(counted[static_cast<std::size_t>(seal_drop::format)] == 24);
  CHECK(counted[static_cast<std::size_t>(seal_drop::key)] == 32);
  CHECK(counted[static_cast<std::size_t>(seal_drop::stale)] == 15);
  CHECK(counted[static_cast<std::size_t>(seal_drop::forged)] == 140 * 8 - 8 - 24 - 32 - 15);
  CHECK(other.counters().instances == 0);
  CHECK(opened_by(other, datagram) == std::string(100, 'x'));
}

TEST_CASE("sealer: each truncation is refused, and moves nothing") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  const byte_list datagram = sealed_by(one, std::string(100, 'x'));

  for (std::size_t size = 0; size < datagram.size(); ++size) {
    const std::string found = opened_by(
        other, byte_list(datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(size)));
    CHECK(found == (size < 40 ? "<length>" : "<forged>"));
  }

  CHECK(opened_by(other, datagram) == std::string(100, 'x'));
}

TEST_CASE("sealer: a datagram is opened once") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  const byte_list datagram = sealed_by(one, "hello");

  CHECK(opened_by(other, datagram) == "hello");
  CHECK(opened_by(other, datagram) == "<replayed>");
  CHECK(opened_by(other, datagram) == "<replayed>");

  CHECK(drops(other, seal_drop::replayed) == 2);
  CHECK(other.counters().opened == 1);
}

TEST_CASE("sealer: a forged datagram does not mark the count that it names") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  REQUIRE(opened_by(other, sealed_by(one, "first")) == "first");
  const byte_list genuine = sealed_by(one, "second");
  byte_list forged = genuine;
  forged.at(forged.size() - 1) ^= std::byte{1};

  CHECK(opened_by(other, forged) == "<forged>");
  CHECK(opened_by(other, genuine) == "second");
}

TEST_CASE("sealer: a forged datagram does not move the window ahead") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  REQUIRE(opened_by(other, sealed_by(one, "first")) == "first");
  const byte_list genuine = sealed_by(one, "second");
  byte_list forged = genuine;
  forged[20] = forged[21] = forged[22] = forged[23] = std::byte{0xff};  // the highest count

  CHECK(opened_by(other, forged) == "<forged>");
  CHECK(opened_by(other, genuine) == "second");
}

TEST_CASE("sealer: two senders under one key have counts of their own") {
  sealer one(sample_ring());
  sealer two(sample_ring());
  sealer other(sample_ring());
  for (int i = 0; i < 2000; ++i) static_cast<void>(sealed_by(one, "skipped"));

  CHECK(opened_by(other, sealed_by(one, "at 2001")) == "at 2001");
  CHECK(opened_by(other, sealed_by(two, "at 1")) == "at 1");
  CHECK(other.counters().instances == 2);
}

TEST_CASE("sealer: a node refuses its own datagrams before their tag") {
  sealer one(sample_ring());
  byte_list mine = sealed_by(one, "hello");
  mine.back() ^= std::byte{1};

  CHECK(opened_by(one, mine) == "<reflected>");
}

TEST_CASE("sealer: a key that is not in the ring costs no tag, and is named") {
  sealer one(sample_ring({0x10}));
  sealer other(sample_ring({0x80}));
  const byte_list datagram = sealed_by(one, "hello");

  CHECK(opened_by(other, datagram) == "<key>");
  REQUIRE(read_seal_head(datagram).has_value());
  CHECK(read_seal_head(datagram)->key == sample_key(0x10)->id());
}

TEST_CASE("sealer: a key of the ring that does not seal opens") {
  sealer one(sample_ring({0x10}));
  sealer other(sample_ring({0x80, 0x10}));

  CHECK(opened_by(other, sealed_by(one, "hello")) == "hello");
  CHECK(other.last_key() == sample_key(0x10)->id());
  CHECK(read_seal_head(sealed_by(other, "back"))->key == sample_key(0x80)->id());
}

TEST_CASE("sealer: a key that left the ring opens no more, and the counts of senders stay") {
  sealer one(sample_ring({0x10}));
  sealer two(sample_ring({0x80}));
  sealer other(sample_ring({0x80, 0x10}));
  const byte_list datagram = sealed_by(two, "hello");
  REQUIRE(opened_by(other, datagram) == "hello");

  other.set_keyring(sample_ring({0x80}));

  CHECK(opened_by(other, sealed_by(one, "old")) == "<key>");
  CHECK(opened_by(other, datagram) == "<replayed>");
  CHECK(other.counters().keys.size() == 1);
  CHECK(other.counters().keys.front().opened == 1);
}

TEST_CASE("sealer: the nonce of a sender goes on under another key") {
  sealer one(sample_ring({0x80}), instances_from(sample_instance));
  const std::optional<seal_head> before = read_seal_head(sealed_by(one, "x"));

  one.set_keyring(sample_ring({0x10}));

  const std::optional<seal_head> after = read_seal_head(sealed_by(one, "x"));
  REQUIRE((before.has_value() && after.has_value()));
  CHECK(after->instance == before->instance);
  CHECK(after->count == before->count + 1);
}

// ------------------------------------------------------------------------------------------ dates

TEST_CASE("sealer: the first datagram of a sender is within a day of the receiver's clock") {
  const byte_list datagram = [] {
    sealer one(sample_ring());
    return sealed_by(one, "hello");
  }();

  const auto at_offset = [&datagram](std::chrono::seconds offset) {
    sealer other(sample_ring());
    return opened_by(other, datagram, at(sample_date + offset));
  };

  CHECK(at_offset(24h) == "hello");
  CHECK(at_offset(-24h) == "hello");
  CHECK(at_offset(24h + 1s) == "<stale>");
  CHECK(at_offset(-24h - 1s) == "<stale>");
}

TEST_CASE("sealer: the date of a known sender is not looked at") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  REQUIRE(opened_by(other, sealed_by(one, "first")) == "first");

  CHECK(opened_by(other, sealed_by(one, "later", sample_date + 72h)) == "later");
}

TEST_CASE("sealer: a clock before 2020 compares no dates, and neither does a tolerance of 0") {
  sealer one(sample_ring());
  sealer young(sample_ring());
  sealer tolerant(sample_ring());
  tolerant.set_clock_tolerance(0s);
  const byte_list datagram = sealed_by(one, "hello");

  CHECK(opened_by(young, datagram, at(1'577'836'799s)) == "hello");
  CHECK(opened_by(tolerant, datagram, at(sample_date + 9'999h)) == "hello");
}

TEST_CASE("sealer: a sender unheard for two tolerances is forgotten; its old datagrams are stale") {
  sealer one(sample_ring());
  sealer two(sample_ring());
  sealer other(sample_ring());
  const byte_list old = sealed_by(one, "old");
  REQUIRE(opened_by(other, old) == "old");

  const byte_list fresh = sealed_by(two, "fresh", sample_date + 48h);
  REQUIRE(opened_by(other, fresh, at(sample_date + 48h, 48h)) == "fresh");

  CHECK(other.counters().instances == 1);
  CHECK(opened_by(other, old, at(sample_date + 48h, 48h)) == "<stale>");
}

TEST_CASE("sealer: old datagrams of a sender that was forgotten are stale once it is back") {
  // It speaks again itself, or somebody gives out a datagram that was held back.
  for (const bool is_alive : {true, false}) {
    CAPTURE(is_alive);
    sealer one(sample_ring());
    sealer other(sample_ring());
    std::vector<byte_list> before;
    for (int i = 0; i < 5; ++i) {
      before.push_back(sealed_by(one, "old"));
      REQUIRE(opened_by(other, before.back()) == "old");
    }
    const byte_list held = sealed_by(one, "held");
    const seal_time later = at(sample_date + 49h, 49h);

    if (is_alive) {
      REQUIRE(opened_by(other, sealed_by(one, "on", sample_date + 49h), later) == "on");
    }

    CHECK(opened_by(other, held, later) == "<stale>");
    for (const byte_list& one_before : before) {
      CHECK(opened_by(other, one_before, later) == "<stale>");
    }
  }
}

TEST_CASE("sealer: datagrams that overtook a sender's first one are opened") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  const byte_list first = sealed_by(one, "first");
  const byte_list second = sealed_by(one, "second");

  CHECK(opened_by(other, second) == "second");
  CHECK(opened_by(other, first) == "first");
  CHECK(opened_by(other, first) == "<replayed>");
}

TEST_CASE("sealer: an idle sender whose clock stepped ahead is kept until its dates are stale") {
  // Its last datagram is dated ahead by 0, by the whole tolerance, and by three of them.
  for (const auto ahead : {0h, 24h, 72h}) {
    CAPTURE(ahead.count());
    sealer one(sample_ring());
    sealer two(sample_ring());
    sealer other(sample_ring());
    const bool is_first = ahead == 24h;  // the highest date that a first datagram may have
    if (!is_first) REQUIRE(opened_by(other, sealed_by(one, "first")) == "first");
    const byte_list late = sealed_by(one, "late", sample_date + ahead);
    REQUIRE(opened_by(other, late) == "late");

    // Every two hours another sender is heard, and idle ones may be forgotten.
    for (auto time = 2h; time < 120h; time += 2h) {
      CAPTURE(time.count());
      const seal_time now = at(sample_date + time, time);
      REQUIRE(opened_by(other, sealed_by(two, "on", sample_date + time), now) == "on");
      const std::string again = opened_by(other, late, now);
      CHECK((again == "<replayed>" || again == "<stale>"));
    }
    CHECK(other.counters().instances == 1);
    CHECK(other.counters().evictions == 0);
  }
}

TEST_CASE("sealer: a clock that was never set forgets nobody, since it compares no dates") {
  sealer one(sample_ring());
  sealer two(sample_ring());
  sealer young(sample_ring());
  const byte_list old = sealed_by(one, "old");
  REQUIRE(opened_by(young, old, at(0s)) == "old");

  REQUIRE(opened_by(young, sealed_by(two, "later"), at(100h, 100h)) == "later");

  CHECK(opened_by(young, old, at(100h, 100h)) == "<replayed>");
}

TEST_CASE("sealer: any tolerance is taken, a negative one as 1 s and a huge one as 136 years") {
  const auto opens = [](std::chrono::seconds tolerance, std::chrono::seconds offset) {
    sealer one(sample_ring());
    sealer other(sample_ring());
    other.set_clock_tolerance(tolerance);
    const byte_list datagram = sealed_by(one, "hello", sample_date + offset);
    const std::string content = opened_by(other, datagram);
    // Silence of any length, computed from the tolerance, forgets nothing that is still fresh.
    const std::string again = opened_by(other, datagram);
    CHECK((again == "<replayed>" || again == "<stale>"));
    return content == "hello";
  };

  for (const auto negative : {-1s, -86'400s, std::chrono::seconds::min()}) {
    CHECK(opens(negative, 1s));
    CHECK(opens(negative, -1s));
    CHECK_FALSE(opens(negative, 2s));
    CHECK_FALSE(opens(negative, -2s));
  }
  for (const std::chrono::seconds huge :
       {std::chrono::seconds(5'000'000'000), std::chrono::seconds::max()}) {
    CHECK(opens(huge, 0s));
    CHECK(opens(huge, 1'000'000'000s));
    CHECK(opens(huge, -1'800'000'000s));
  }
}

TEST_CASE("sealer: it keeps the counts of as many senders as it is told") {
  sealer other(sample_ring());
  other.set_senders_max(5'000);
  sealer one(sample_ring(), instances_from(1));
  const byte_list first = sealed_by(one, "first");
  REQUIRE(opened_by(other, first) == "first");

  for (int i = 1; i < 5'000; ++i) {
    one.renew();
    REQUIRE(opened_by(other, sealed_by(one, "on")) == "on");
  }

  CHECK(other.counters().instances == 5'000);
  CHECK(other.counters().evictions == 0);
  CHECK(opened_by(other, first) == "<replayed>");
}

// ------------------------------------------------------------------------------------------ plain

TEST_CASE("sealer: a plain datagram is refused, accepted or sent as the ring says") {
  const std::string text(60, 'g');
  const auto source = std::as_bytes(std::span(text));
  const byte_list plain(source.begin(), source.end());
  sealer one(sample_ring());
  CHECK(opened_by(one, plain) == "<plain>");

  keyring accepting = sample_ring();
  accepting.plain = plain_policy::accepted;
  sealer two(accepting);
  CHECK(opened_by(two, plain) == text);
  CHECK(!two.last_key().has_value());
  CHECK(two.counters().plain_opened == 1);
  CHECK(opened_by(one, sealed_by(two, "hello")) == "hello");

  keyring sending = sample_ring();
  sending.plain = plain_policy::sent;
  sealer three(sending);
  CHECK(sealed_by(three, text) == plain);
  CHECK(opened_by(three, plain) == text);
  CHECK(opened_by(three, sealed_by(one, "hello")) == "hello");
  CHECK(three.counters().plain_sent == 1);
  CHECK(three.counters().sealed == 0);
  CHECK(!three.counters().keys.front().is_sealing);
}

TEST_CASE("sealer: where plain datagrams are accepted, a short one is the codec's to refuse") {
  keyring accepting = sample_ring();
  accepting.plain = plain_policy::accepted;
  sealer one(accepting);

  CHECK(opened_by(one, byte_list(3, std::byte{'g'})) == "ggg");
  CHECK(opened_by(one, byte_list(3, std::byte{0x73})) == "<length>");
}

TEST_CASE("sealer: a ring that refuses plain datagrams again does so at once") {
  keyring ring = sample_ring();
  ring.plain = plain_policy::accepted;
  sealer one(ring);
  REQUIRE(opened_by(one, byte_list(60, std::byte{'g'})) == std::string(60, 'g'));

  one.set_keyring(sample_ring());

  CHECK(opened_by(one, byte_list(60, std::byte{'g'})) == "<plain>");
}

// ----------------------------------------------------------------------------------------- nonces

TEST_CASE("sealer: after the highest count comes another instance") {
  sealer one(sample_ring(), instances_from(10), std::numeric_limits<std::uint32_t>::max() - 1);
  sealer other(sample_ring());
  const byte_list last = sealed_by(one, "last");
  const byte_list next = sealed_by(one, "next");

  REQUIRE((read_seal_head(last).has_value() && read_seal_head(next).has_value()));
  CHECK(read_seal_head(last)->count == std::numeric_limits<std::uint32_t>::max());
  CHECK(read_seal_head(next)->count == 1);
  CHECK(read_seal_head(next)->instance != read_seal_head(last)->instance);
  CHECK(opened_by(other, last) == "last");
  CHECK(opened_by(other, next) == "next");
  CHECK(opened_by(other, last) == "<replayed>");
}

TEST_CASE("sealer: renewed, it has another instance, and counts anew") {
  sealer one(sample_ring());
  const std::optional<seal_head> before = read_seal_head(sealed_by(one, "x"));

  one.renew();

  const std::optional<seal_head> after = read_seal_head(sealed_by(one, "x"));
  CHECK(after->instance != before->instance);
  CHECK(after->count == 1);
}

TEST_CASE("sealer: renewed or wrapped, it still refuses the datagrams of its instance before") {
  sealer one(sample_ring());
  const byte_list before = sealed_by(one, "before");
  one.renew();
  CHECK(opened_by(one, before) == "<reflected>");
  CHECK(opened_by(one, sealed_by(one, "after")) == "<reflected>");
  CHECK(opened_by(one, before) == "<reflected>");

  sealer two(sample_ring(), instances_from(10), std::numeric_limits<std::uint32_t>::max() - 1);
  const byte_list last = sealed_by(two, "last");
  const byte_list next = sealed_by(two, "next");
  REQUIRE(read_seal_head(last)->instance != read_seal_head(next)->instance);
  CHECK(opened_by(two, last) == "<reflected>");
  CHECK(opened_by(two, next) == "<reflected>");
}

TEST_CASE("sealer: a forked process seals with an instance of its own, and its parent goes on") {
  sealer one(sample_ring());
  const std::optional<seal_head> before = read_seal_head(sealed_by(one, "before"));
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);

  const pid_t child = ::fork();
  if (child == 0) {
    const std::optional<seal_head> theirs = read_seal_head(sealed_by(one, "child"));
    const auto size = ::write(pipe[1], &theirs->instance, sizeof theirs->instance);
    ::_exit(size == sizeof theirs->instance ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  std::uint64_t theirs = 0;
  REQUIRE(::read(pipe[0], &theirs, sizeof theirs) == sizeof theirs);
  ::close(pipe[0]);
  ::close(pipe[1]);

  const std::optional<seal_head> after = read_seal_head(sealed_by(one, "after"));
  CHECK(status == 0);
  CHECK(theirs != before->instance);
  CHECK(after->instance == before->instance);
  CHECK(after->count == before->count + 1);
}

TEST_CASE("sealer: neither sealing nor opening allocates once the sender is known") {
  sealer one(sample_ring());
  sealer other(sample_ring());
  REQUIRE(opened_by(other, sealed_by(one, "first")) == "first");
  byte_list room(1200);

  const std::size_t before = allocation_count();
  for (int i = 0; i < 10; ++i) {
    const std::span<const std::byte> made = one.seal(room, 1160, at(sample_date));
    const std::span<std::byte> datagram(room.data(), made.size());
    if (!other.open(datagram, at(sample_date))) FAIL("not opened");
  }

  CHECK(allocation_count() == before);
}

}  // namespace
}  // namespace gossipmonger
