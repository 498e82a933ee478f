#include "gossipmonger/keyring.hpp"

#include <cstdio>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "seal_sample.hpp"

namespace gossipmonger {
namespace {

/// Worked out by known_answer.py, which does not use libsodium.
constexpr const char* known_text = "gmk1-gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp984ALM";

std::string refusal(const std::string& text) {
  const auto ring = parse_keyring(text);
  return ring ? "" : ring.error().message();
}

/// A file in a folder of its own; both go with it. A resource.
class file_of_keys {
 public:
  explicit file_of_keys(const std::string& text, mode_t mode = 0600) {
    REQUIRE(::mkdtemp(folder_.data()) != nullptr);
    path_ = folder_ + "/ring";
    std::ofstream(path_) << text;
    REQUIRE(::chmod(path_.c_str(), mode) == 0);
  }
  file_of_keys(const file_of_keys&) = delete;
  file_of_keys& operator=(const file_of_keys&) = delete;
  ~file_of_keys() {
    std::remove(path_.c_str());
    ::rmdir(folder_.c_str());
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  std::string folder_ = "/tmp/gossipmonger_keyring_XXXXXX";
  std::string path_;
};

std::string load_refusal(const std::string& path) {
  const auto ring = load_keyring(path);
  return ring ? "" : ring.error().message();
}

TEST_CASE("keyring: a key's text, check sum and id are those worked out without libsodium") {
  CHECK(sample_key_text() == known_text);
  CHECK(to_text(sample_key()->id()) == "37f07ee9");
}

TEST_CASE("keyring: a file names the key that seals first, whatever its line") {
  const auto ring = parse_keyring("# ours\n\n  open " + sample_key_text(0x10) + " # old\r\nseal\t" +
                                  sample_key_text(0x80) + "\n open " + sample_key_text(0x20));

  REQUIRE(ring.has_value());
  REQUIRE(ring->keys.size() == 3);
  CHECK(ring->keys[0]->id() == sample_key(0x80)->id());
  CHECK(ring->keys[1]->id() == sample_key(0x10)->id());
  CHECK(ring->keys[2]->id() == sample_key(0x20)->id());
  CHECK(ring->plain == plain_policy::refused);
}

TEST_CASE("keyring: a line says how plain datagrams are treated") {
  const std::string seal = "seal " + sample_key_text() + "\n";
  CHECK(parse_keyring(seal + "plain accepted\n")->plain == plain_policy::accepted);
  CHECK(parse_keyring("plain sent\n" + seal)->plain == plain_policy::sent);
}

TEST_CASE("keyring: a text with any fault is refused whole, by line and cause") {
  const std::string seal = "seal " + sample_key_text() + "\n";
  const std::string key = sample_key_text();
  std::string flipped = key;
  flipped[20] = flipped[20] == 'A' ? 'B' : 'A';

  CHECK(refusal("") == "keyring: no line begins with seal");
  CHECK(refusal("# nothing\n") == "keyring: no line begins with seal");
  CHECK(refusal("open " + key) == "keyring: no line begins with seal");
  CHECK(refusal("\nSEAL " + key) ==
        "keyring: line 2: the line begins with none of seal, open, plain");
  CHECK(refusal(key) == "keyring: line 1: the line begins with none of seal, open, plain");
  CHECK(refusal("seal\n") == "keyring: line 1: nothing follows the first word");
  CHECK(refusal("seal " + key + " x") == "keyring: line 1: more than two words");
  CHECK(refusal("seal " + flipped) ==
        "keyring: line 1: the key is damaged: its check sum does not hold");
  CHECK(refusal("seal " + key.substr(0, 52)) ==
        "keyring: line 1: the key is damaged: it has 47 characters after gmk1-, not 48");
  CHECK(refusal("seal " + key + "A") ==
        "keyring: line 1: the key is damaged: it has 49 characters after gmk1-, not 48");
  CHECK(refusal("seal " + key.substr(0, 52) + "+") ==
        "keyring: line 1: the key is damaged: a character is none of base64url");
  CHECK(refusal("seal " + key.substr(0, 52) + "=") ==
        "keyring: line 1: the key is damaged: a character is none of base64url");
  CHECK(refusal("seal gmk2" + key.substr(4)) ==
        "keyring: line 1: the key does not begin with gmk1-");
  CHECK(refusal(seal + "seal " + sample_key_text(0x10)) ==
        "keyring: line 2: a second line begins with seal: one key seals");
  CHECK(refusal(seal + "open " + key) == "keyring: line 2: the key 37f07ee9 stands there twice");
  CHECK(refusal(seal + "plain\n") == "keyring: line 2: nothing follows the first word");
  CHECK(refusal(seal + "plain refused\n") ==
        "keyring: line 2: plain is followed by neither accepted nor sent");
  CHECK(refusal(seal + "plain sent\nplain sent\n") ==
        "keyring: line 3: a second line begins with plain");
}

TEST_CASE("keyring: eight keys are taken, nine are not") {
  std::string text = "seal " + sample_key_text(0x00) + "\n";
  for (unsigned i = 1; i < 8; ++i) text += "open " + sample_key_text(i) + "\n";
  CHECK(parse_keyring(text).has_value());

  CHECK(refusal(text + "open " + sample_key_text(0x80)) == "keyring: line 9: more than 8 keys");
}

TEST_CASE("keyring: no refusal holds a part of a key, wherever it stood") {
  const std::string key = sample_key_text();
  for (const std::string& text :
       {key, "seal" + key, "seal x" + key, "plain " + key, "seal " + key + key,
        "seal " + key + "\nseal " + key, "open " + key + "\nopen " + key,
        "seal gmk1-" + std::string(48, 'z')}) {
    const std::string told = refusal(text);
    REQUIRE(!told.empty());
    CHECK(told.find("gIGC") == std::string::npos);
    CHECK(told.find("zzz") == std::string::npos);
  }
}

TEST_CASE("keyring: a generated key is read again, and no two are equal") {
  auto one = generate_key();
  auto two = generate_key();
  REQUIRE((one.has_value() && two.has_value()));
  CHECK(one->size() == 53);
  CHECK(*one != *two);
  CHECK(parse_keyring("seal " + *one + "\nopen " + *two).has_value());

  const char* const memory = one->data();
  wipe(*one);
  CHECK(one->empty());
  CHECK(std::string_view(memory, 53) == std::string(53, '\0'));
}

// ----------------------------------------------------------------------------------------- files

TEST_CASE("keyring: a file of mine that nobody else may read is taken") {
  for (const mode_t mode : {mode_t{0600}, mode_t{0400}}) {
    const file_of_keys file("seal " + sample_key_text(), mode);
    const auto ring = load_keyring(file.path());
    REQUIRE(ring.has_value());
    CHECK(ring->keys.front()->id() == sample_key()->id());
  }
}

TEST_CASE("keyring: a file of root may be read by its group") {
  if (::geteuid() != 0) return;
  const file_of_keys file("seal " + sample_key_text(), 0440);
  CHECK(load_keyring(file.path()).has_value());
}

TEST_CASE("keyring: a file that others may use is refused, whatever it holds") {
  for (const mode_t mode : {mode_t{0644}, mode_t{0604}, mode_t{0602}, mode_t{0601}}) {
    const file_of_keys file("seal " + sample_key_text(), mode);
    CHECK(load_refusal(file.path()).find("which others may use: chmod 0400") != std::string::npos);
  }
  const file_of_keys file("seal " + sample_key_text(), 0660);
  CHECK(load_refusal(file.path()) ==
        "keyring " + file.path() +
            ": the file's mode is 0660, which its group may use: chmod 0400");
}

TEST_CASE("keyring: a file of another user is refused") {
  if (::geteuid() != 0) return;  // only root gives files away
  const file_of_keys file("seal " + sample_key_text(), 0600);
  REQUIRE(::chown(file.path().c_str(), 12'345, 12'345) == 0);

  CHECK(load_refusal(file.path()) ==
        "keyring " + file.path() +
            ": the file belongs to user 12345; allowed: user 0, as which this process runs, or "
            "root");
}

TEST_CASE("keyring: what is no file of at most 64 KiB is refused") {
  const std::string seal = "seal " + sample_key_text() + "\n";
  const file_of_keys full(seal + std::string(65536 - seal.size(), '\n'));
  CHECK(load_keyring(full.path()).has_value());

  const file_of_keys larger(seal + std::string(65537 - seal.size(), '\n'));
  CHECK(load_refusal(larger.path()) ==
        "keyring " + larger.path() + ": the file is larger than 64 KiB");
  CHECK(load_refusal(full.folder()) == "keyring " + full.folder() + ": a directory, not a file");
  CHECK(load_refusal("/dev/null") == "keyring /dev/null: no regular file");
  CHECK(load_refusal(full.folder() + "/none") ==
        "keyring " + full.folder() + "/none: the file cannot be opened: No such file or directory");
}

TEST_CASE("keyring: a named pipe without a writer is refused, not waited for") {
  const file_of_keys beside("");
  const std::string pipe = beside.folder() + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);

  CHECK(load_refusal(pipe) == "keyring " + pipe + ": no regular file");

  std::remove(pipe.c_str());
}

TEST_CASE("keyring: a fault in a file is named by file and line") {
  const file_of_keys file("# ours\nseal gmk1-x\n");
  CHECK(load_refusal(file.path()) ==
        "keyring " + file.path() +
            ": line 2: the key is damaged: it has 1 characters after gmk1-, not 48");
}

}  // namespace
}  // namespace gossipmonger
