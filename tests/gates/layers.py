#!/usr/bin/env python3
"""The folder is the permission: refuses an include, a word or a name that its folder may not use.

    tests/gates/layers.py              check the repository
    tests/gates/layers.py --self-test  plant each violation in a copy, and see it refused

Reads text only, so that it takes no build; the walls are the table below.
"""

import dataclasses
import pathlib
import re
import shutil
import sys
import tempfile

# What a word means: it makes the same inputs give other outputs, or ties the code to a driver.
CLOCKS = [r"\b\w*clock\w*::now\s*\(", r"\b(?:clock_gettime|gettimeofday)\b", r"\bstd::time\b"]
CHANCE = [r"\bstd::shuffle\b", r"\w+_distribution\b", r"\bstd::rand\b", r"\bmt19937"]
ENTROPY = [r"\brandom_device\b"]  # net seeds with it
COROUTINES = [r"\bco_await\b", r"\bco_return\b", r"\bco_yield\b"]
# A node's timers run on its transport's clock, or no test could move it by hand.
REAL_TIMERS = [r"\b(?:steady|system|high_resolution)_timer\b"]
# What nobody waits for outlives its owner.
DETACHED = [r"\bdetached\b"]

EFFECTS = {"random", "ctime", "thread", "mutex", "condition_variable", "future", "coroutine",
           "iostream", "fstream", "filesystem", "semaphore", "barrier", "latch", "stop_token"}
POSIX = (r"(?:sys|netinet|arpa|net|linux)/\w+\.h|"
         r"(?:unistd|fcntl|poll|errno|ifaddrs|endian|netdb|resolv)\.h")


@dataclasses.dataclass
class Wall:
    """What the files of one layer may use; `in_lib` holds for lib/ only, not for the headers."""
    layers: set
    third_party: str = r"tl/expected\.hpp"
    third_party_in_lib: str = r"(?!)"
    banned_std: set = dataclasses.field(default_factory=set)
    banned_words: list = dataclasses.field(default_factory=list)


ASIO = r"asio/(?!experimental/)[\w/]+\.hpp"
WALLS = {
    "core": Wall({"core"}, banned_std=EFFECTS, banned_words=CLOCKS + CHANCE + ENTROPY + COROUTINES),
    "wire": Wall({"core", "wire"}, third_party_in_lib=r"tl/expected\.hpp|(?:nmm|imm)intrin\.h",
                 banned_std=EFFECTS, banned_words=CLOCKS + CHANCE + ENTROPY + COROUTINES),
    "net": Wall({"core", "wire", "net"}, third_party=r"tl/expected\.hpp|" + ASIO,
                third_party_in_lib=r"asio/[\w/]+\.hpp|" + POSIX,
                banned_std={"iostream", "fstream"},
                banned_words=CHANCE + REAL_TIMERS + DETACHED),
    "sim": Wall({"core", "wire", "sim"}, banned_std=EFFECTS,
                banned_words=CLOCKS + CHANCE + ENTROPY + COROUTINES),
    "testing": Wall({"core", "wire", "net", "sim", "testing"},
                    third_party=r"tl/expected\.hpp|" + ASIO,
                    banned_words=CHANCE + REAL_TIMERS),
}
# A file that may use a word all the same, and why.
WORD_EXCEPTIONS = set()
WALLS[""] = WALLS["net"]  # the umbrella, include/gossipmonger/gossipmonger.hpp

# Generated code and Cap'n Proto are seen by these files alone, and they see no header of ours
# but their private ones: they are C++17.
CAPNP_FILES = r"lib/wire/capnp_\w+\.cpp"
CAPNP_INCLUDES = r"(?:capnp|kj)/[\w/-]+\.h|\w+\.capnp\.h"

# A core header may include headers of earlier rows only. A .cpp file likewise, and its own. So the
# parts in one row are siblings that never call each other: `protocol` passes on what one returns.
CORE_ORDER = [
    {"library_build"},
    {"error", "size_limits"},
    {"endpoint"},
    {"types", "drop_reason", "interval_code"},
    {"hash"},
    {"event", "digest", "delta", "table_sizes"},
    {"message", "config", "random", "replication"},
    {"message_text"},
    {"failure_detector", "packer", "parking", "peer_ring", "address_book", "node_clock",
     "own_incarnation", "unwanted_peers", "expiry", "value_checksums", "value_transfers",
     "flight_log", "send_budget", "write_rate", "report_log", "path_watch", "namesake_watch",
     "membership_need", "freshness", "slot_column"},
    {"partial_values", "suspicion", "prober", "legs"},
    {"peer_table"},
    {"storage", "change_list"},
    {"change_reader", "record_slab"},
    {"order_log", "key_table"},
    {"memory_storage"},
    {"own_map", "membership", "partners", "notices", "liveness", "exchange_tables", "outbox"},
    {"planner", "digest_writer", "answer_writer", "applier", "sending"},
    {"exchange"},
    {"protocol"},
]
# Machines that never call each other: the conductor passes on what one wants of another.
SIBLINGS = {"planner", "digest_writer", "answer_writer", "applier", "sending"}
# Never in one file, nor by way of others: the core knows the wire by the packer's sizes only.
STRANGERS = ("gossipmonger/wire/codec.hpp", "gossipmonger/core/protocol.hpp")

COLUMNS_MAX = 100
NAMES_BANNED = {"util", "utils", "helper", "helpers", "manager", "common", "impl", "detail"}

CODE = {".hpp", ".cpp"}
TEXT = CODE | {".py", ".sh", ".capnp", ".build", ""}
FOLDERS = ("include", "lib", "tests", "bench", "tools")

INCLUDE = re.compile(r"^\s*#\s*include\s*[<\"]([^>\"]+)[>\"]")
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', re.DOTALL)
DECLARED = re.compile(r"\b(?:namespace|class|struct|concept|enum)\s+([\w:]+)")


def without_comments(text):
    """The text with comments and strings blanked; the lines keep their numbers."""
    return NOISE.sub(lambda found: "\n" * found.group().count("\n") + " ", text)


def includes_of(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1)


def core_row(stem):
    return next((row for row, stems in enumerate(CORE_ORDER) if stem in stems), None)


def layer_of(path):
    """The layer of a file in include/gossipmonger or lib; None where it belongs to none."""
    parts = path.split("/")
    if parts[:2] == ["include", "gossipmonger"]:
        return parts[2] if len(parts) > 3 else ""
    if parts[0] == "lib" and len(parts) > 2:
        return parts[1]
    return None


def check_include(path, layer, header):
    """Why `path` may not include `header`, or None."""
    is_public = path.startswith("include/")
    wall = WALLS[layer]

    if "doctest" in header:
        return "the library and its suites do not know doctest"
    if header == "asio.hpp":
        return "asio.hpp costs seconds a file: include what is used"
    if re.fullmatch(CAPNP_FILES, path):
        if header.startswith("gossipmonger/"):
            return "what sees Cap'n Proto is C++17 and sees no public header"
        if re.fullmatch(CAPNP_INCLUDES, header):
            return None
    elif re.fullmatch(CAPNP_INCLUDES, header):
        return "Cap'n Proto is for lib/wire/capnp_*.cpp alone"

    if header.startswith("gossipmonger/"):
        parts = header.split("/")
        other = parts[1] if len(parts) > 2 else ""
        if other not in wall.layers:
            return f"{layer or 'the umbrella'} may not see {other or 'the umbrella'}"
        return check_core_order(path, header) if layer == "core" else None
    if re.fullmatch(wall.third_party, header):
        return None
    if not is_public and re.fullmatch(wall.third_party_in_lib, header):
        return None
    if not is_public and re.fullmatch(r"\w+\.hpp", header):
        return None  # a private header of the same folder
    if re.fullmatch(r"\w+", header):
        return f"{layer} may not use <{header}>" if header in wall.banned_std else None
    if "/lib/" in f"/{header}" or header.startswith("../"):
        return "include by the path under include/; nothing reaches into lib/"
    return f"{layer or 'the umbrella'} may not use it"


def check_core_order(path, header):
    own, other = pathlib.PurePath(path).stem, pathlib.PurePath(header).stem
    while path.endswith(".cpp") and core_row(own) is None and "_" in own:
        own = own.rpartition("_")[0]  # protocol_round.cpp is a part of protocol.cpp
    own_row, other_row = core_row(own), core_row(other)
    if own_row is None or other_row is None:
        missing = own if own_row is None else other
        return f"`{missing}` has no row in CORE_ORDER of tests/gates/layers.py"
    if own != other and {own, other} <= SIBLINGS:
        return f"`{own}` and `{other}` are siblings: the conductor stands between them"
    if path.endswith(".cpp") and own == other:
        return None
    if other_row == own_row:
        return f"`{own}` and `{other}` are siblings in the core's order"
    return None if other_row < own_row else f"`{own}` comes before `{other}` in the core's order"


def check_code(path, text):
    """Findings (line, reason) in a file of include/ or lib/."""
    layer = layer_of(path)
    if layer is None or layer not in WALLS:
        yield 1, "no layer has this folder"
        return
    for number, header in includes_of(text):
        reason = check_include(path, layer, header)
        if reason:
            yield number, f"#include {header}: {reason}"

    for number, line in enumerate(text.splitlines(), 1):
        if "planted" in line:
            yield number, "`planted`: no source of the library holds test code"
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        for word in WALLS[layer].banned_words:
            found = re.search(word, line)
            if found and (path, found.group()) not in WORD_EXCEPTIONS:
                yield number, f"`{found.group()}` is not for {layer or 'the umbrella'}"
        if path.startswith("include/"):
            if re.match(r"\s*#\s*define\b", line):
                yield number, "a public header defines no macro"
            if re.search(r"\bexperimental\b", line):
                yield number, "nothing experimental in a public header"
        for name in DECLARED.findall(line):
            if NAMES_BANNED & set(re.split(r"::|_", name)):
                yield number, f"`{name}` says nothing of what it is for"


def check_strangers(root):
    """No file sees both codec and protocol, by whatever way."""
    include = root / "include"

    def seen_from(file, seen):
        for _, header in includes_of(file.read_text()):
            if header not in seen and (include / header).is_file():
                seen.add(header)
                seen_from(include / header, seen)
        return seen

    for folder in ("core", "wire"):
        for base in (include / "gossipmonger" / folder, root / "lib" / folder):
            for file in sorted(base.glob("*")):
                if file.suffix in CODE:
                    seen = seen_from(file, {str(file.relative_to(include))}
                                     if base.is_relative_to(include) else set())
                    if seen.issuperset(STRANGERS):
                        yield str(file.relative_to(root)), 1, "sees both codec and protocol"


def check_file(root, path):
    """Findings (path, line, reason) in one file of the folders above."""
    if NAMES_BANNED & set(re.split(r"[_./-]", path)):
        yield path, 1, "a file's name says what it is for"
    suffix = pathlib.PurePath(path).suffix
    if suffix not in TEXT:
        return
    text = (root / path).read_text()
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > COLUMNS_MAX:
            yield path, number, f"{len(line)} columns, {COLUMNS_MAX} are allowed"
    if path.split("/")[0] in ("include", "lib") and suffix in CODE:
        for number, reason in check_code(path, text):
            yield path, number, reason


def check(root):
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield from check_file(root, str(file.relative_to(root)))
    yield from check_strangers(root)


# Each is a file, a line that is added to it, and a part of the reason that must be found there.
HEADERS = "include/gossipmonger/"
PLANTS = [
    (HEADERS + "core/types.hpp", "#include <asio/awaitable.hpp>", "may not use it"),
    (HEADERS + "core/types.hpp", "#include <random>", "may not use <random>"),
    (HEADERS + "core/types.hpp", "#include <coroutine>", "may not use <coroutine>"),
    (HEADERS + "core/types.hpp", "#include <capnp/message.h>", "alone"),
    (HEADERS + "core/types.hpp", '#include "gossipmonger/wire/codec.hpp"', "may not see wire"),
    (HEADERS + "core/types.hpp", '#include "gossipmonger/core/message.hpp"', "comes before"),
    (HEADERS + "core/types.hpp", '#include "gossipmonger/core/drop_reason.hpp"', "siblings"),
    (HEADERS + "core/types.hpp", '#include "gossipmonger/core/novelty.hpp"', "has no row"),
    (HEADERS + "core/novelty.hpp", '#include "gossipmonger/core/error.hpp"', "has no row"),
    (HEADERS + "core/planner.hpp", '#include "gossipmonger/core/applier.hpp"', "siblings"),
    ("lib/core/sending.cpp", '#include "gossipmonger/core/answer_writer.hpp"', "siblings"),
    ("lib/core/digest_writer.cpp", '#include "gossipmonger/core/planner.hpp"', "siblings"),
    (HEADERS + "core/types.hpp", '#include "gossipmonger/gossipmonger.hpp"', "the umbrella"),
    (HEADERS + "core/types.hpp", "auto t = std::chrono::steady_clock::now();", "::now("),
    (HEADERS + "core/types.hpp", "void f() { co_return; }", "`co_return`"),
    (HEADERS + "core/types.hpp", "#define LIMIT 3", "no macro"),
    (HEADERS + "core/types.hpp", "namespace detail {}", "says nothing"),
    (HEADERS + "core/types.hpp", "class peer_manager;", "says nothing"),
    (HEADERS + "core/types.hpp", "// " + "x" * 98, "columns"),
    (HEADERS + "core/types.hpp", '#include "../../../lib/core/x.hpp"', "reaches into lib/"),
    (HEADERS + "core/types.hpp", "if (planted::is_on(planted::defect::gap_applied)) return;",
     "no source of the library holds test code"),
    ("lib/core/types.cpp", '#include "planted.hpp"', "no source of the library holds test code"),
    (HEADERS + "testing/storage_suite.hpp", "#include <doctest/doctest.h>", "do not know doctest"),
    ("lib/core/types.cpp", '#include "gossipmonger/core/protocol.hpp"', "comes before"),
    ("lib/core/random.cpp", "std::uniform_int_distribution<int> d(1, 6);", "_distribution"),
    ("lib/core/random.cpp", "std::shuffle(a, b, g);", "shuffle"),
    ("lib/core/clock.cpp", "auto t = std::chrono::system_clock::now ();", "::now ("),
    (HEADERS + "wire/codec.hpp", "#include <kj/array.h>", "alone"),
    (HEADERS + "wire/codec.hpp", "#include <asio/ip/udp.hpp>", "may not use it"),
    (HEADERS + "wire/codec.hpp", '#include "gossipmonger/net/transport.hpp"', "may not see net"),
    ("lib/wire/codec.cpp", '#include "gossip.capnp.h"', "alone"),
    ("lib/wire/capnp_new.cpp", '#include "gossipmonger/core/types.hpp"', "no public header"),
    (HEADERS + "net/transport.hpp", "#include <asio.hpp>", "costs seconds"),
    (HEADERS + "net/transport.hpp", "#include <asio/experimental/channel.hpp>", "may not use it"),
    (HEADERS + "net/transport.hpp", "using namespace asio::experimental;", "experimental"),
    (HEADERS + "net/transport.hpp", "#include <sys/socket.h>", "may not use it"),
    (HEADERS + "net/transport.hpp", '#include "gossipmonger/sim/world.hpp"', "may not see sim"),
    (HEADERS + "net/transport.hpp", "asio::steady_timer t;", "steady_timer"),
    ("lib/net/subscription.cpp", "asio::steady_timer t;", "steady_timer"),
    ("lib/net/node.cpp", "asio::co_spawn(e, run(), asio::detached);", "`detached`"),
    ("lib/net/node.cpp", "#include <asio.hpp>", "costs seconds"),
    ("lib/net/node.cpp", "#include <capnp/message.h>", "alone"),
    (HEADERS + "sim/world.hpp", "#include <asio/awaitable.hpp>", "may not use it"),
    (HEADERS + "sim/world.hpp", '#include "gossipmonger/net/transport.hpp"', "may not see net"),
    (HEADERS + "testing/cluster.hpp", "#include <capnp/message.h>", "alone"),
    (HEADERS + "extras/x.hpp", "struct x;", "no layer"),
    (HEADERS + "net/utils.hpp", "struct x;", "name says"),
    ("tests/core/test_helpers.cpp", "", "name says"),
    (HEADERS + "core/protocol.hpp", '#include "gossipmonger/wire/codec.hpp"', "may not see wire"),
    (HEADERS + "wire/codec.hpp", '#include "gossipmonger/core/protocol.hpp"', "sees both"),
    # By way of a third: codec.cpp has its own header already.
    ("lib/wire/codec.cpp",
     '#include "gossipmonger/wire/codec.hpp"\n#include "gossipmonger/core/protocol.hpp"',
     "sees both"),
]
# The machines that `protocol` conducts: each header and each source, with every other machine.
MACHINES = ("own_map", "membership", "partners", "notices")
PLANTS += [(path, f'#include "gossipmonger/core/{other}.hpp"', "siblings")
           for one in MACHINES for other in MACHINES if one != other
           for path in (f"{HEADERS}core/{one}.hpp", f"lib/core/{one}.cpp")]
# And what must pass: a word in a comment or a string, and what a layer is given.
HARMLESS = [
    (HEADERS + "core/types.hpp", "// no co_await, and never steady_clock::now()"),
    ("lib/sim/world.cpp", "moment world::now() const { return now_; }"),
    (HEADERS + "core/types.hpp", 'inline const char* a = "std::shuffle";'),
    (HEADERS + "core/types.hpp", "#include <chrono>"),
    ("lib/core/sending.cpp", '#include "gossipmonger/core/sending.hpp"'),
    (HEADERS + "core/exchange.hpp", '#include "gossipmonger/core/planner.hpp"'),
    (HEADERS + "core/types.hpp", "// " + "x" * 97),
    (HEADERS + "net/transport.hpp", "#include <asio/ip/udp.hpp>"),
    (HEADERS + "net/transport.hpp", '#include "gossipmonger/core/types.hpp"'),
    ("lib/net/node.cpp", "#include <asio/experimental/as_tuple.hpp>"),
    ("lib/net/node.cpp", "#include <sys/socket.h>"),
    ("lib/wire/capnp_new.cpp", "#include <capnp/message.h>"),
    ("lib/wire/capnp_new.cpp", '#include "capnp_new.hpp"'),
]


def self_test(root):
    """Plants one violation after the other in a copy; returns what was missed."""
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        for part in ("include", "lib"):
            shutil.copytree(root / part, copy / part)
        # What the design names and may not be written yet.
        for header in ("core/protocol.hpp", "wire/codec.hpp"):
            (copy / HEADERS / header).touch()
        def found_with(path, text):
            file = copy / path
            before = set(check_file(copy, path)) if file.exists() else set()
            kept = file.read_text() if file.exists() else None
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text((kept or "") + "\n" + text + "\n")
            found = (set(check_file(copy, path)) | set(check_strangers(copy))) - before
            if kept is None:
                file.unlink()
            else:
                file.write_text(kept)
            return found

        for path, text, reason in PLANTS:
            if not any(f[0] == path and reason in f[2] for f in found_with(path, text)):
                missed.append(f"{path}: not refused: {text!r}")
        for path, text in HARMLESS:
            for found in found_with(path, text):
                missed.append(f"{path}: refused, but harmless: {text!r}: {found[2]}")
    return missed


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    if sys.argv[1:] == ["--self-test"]:
        missed = self_test(root)
        print("\n".join(missed) or f"{len(PLANTS)} planted violations refused, "
              f"{len(HARMLESS)} harmless lines passed")
        return 1 if missed else 0
    findings = list(check(root))
    for path, number, reason in findings:
        print(f"{path}:{number}: {reason}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
