#!/usr/bin/env python3
"""The folder is the permission: refuses an include, a word or a name that its folder may not use.

    include/gossipmonger/X.hpp       what users include; PUBLIC says which layer each header is of
    include/gossipmonger/testing/    the same for users' tests
    lib/LAYER/, lib/core/ROOM/       how it works, included as "net/X.hpp", "core/ROOM/X.hpp"

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

# Banned words: each makes the same inputs give other outputs, or ties the code to a driver.
CLOCKS = [r"\b\w*clock\w*::now\s*\(", r"\b(?:clock_gettime|gettimeofday)\b", r"\bstd::time\b"]
CHANCE = [r"\bstd::shuffle\b", r"\w+_distribution\b", r"\bstd::rand\b", r"\bmt19937"]
ENTROPY = [r"\brandom_device\b"]  # net seeds with it
COROUTINES = [r"\bco_await\b", r"\bco_return\b", r"\bco_yield\b"]
# A node's timers run on its transport's clock, or no test could move it by hand.
REAL_TIMERS = [r"\b(?:steady|system|high_resolution)_timer\b"]
# A detached coroutine outlives its owner, since nobody waits for it.
DETACHED = [r"\bdetached\b"]

EFFECTS = {"random", "ctime", "thread", "mutex", "condition_variable", "future", "coroutine",
           "iostream", "fstream", "filesystem", "semaphore", "barrier", "latch", "stop_token"}
POSIX = (r"(?:sys|netinet|arpa|net|linux)/\w+\.h|"
         r"(?:unistd|fcntl|poll|errno|ifaddrs|endian|netdb|resolv)\.h")


@dataclasses.dataclass
class Wall:
    """Limits on the files of one layer; `in_lib` holds for lib/ only, not for the headers."""
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
    "seal": Wall({"core", "seal"}, third_party_in_lib=r"tl/expected\.hpp|" + POSIX,
                 banned_std=EFFECTS, banned_words=CLOCKS + CHANCE + ENTROPY + COROUTINES),
    "net": Wall({"core", "wire", "seal", "net"}, third_party=r"tl/expected\.hpp|" + ASIO,
                third_party_in_lib=r"asio/[\w/]+\.hpp|" + POSIX,
                banned_std={"iostream", "fstream"},
                banned_words=CHANCE + REAL_TIMERS + DETACHED),
    "sim": Wall({"core", "wire", "sim"}, banned_std=EFFECTS,
                banned_words=CLOCKS + CHANCE + ENTROPY + COROUTINES),
    "testing": Wall({"core", "wire", "seal", "net", "sim", "testing"},
                    third_party=r"tl/expected\.hpp|" + ASIO,
                    banned_words=CHANCE + REAL_TIMERS),
}
# A file that may use a word all the same, and why.
WORD_EXCEPTIONS = set()

# The layer of each public header. A new one wants a reason: users read all of this folder.
PUBLIC = {
    "core": {"config", "drop_reason", "endpoint", "error", "event", "hash", "library_build",
             "memory_storage", "replication", "storage", "table_sizes", "types"},
    "seal": {"keyring"},
    "net": {"asio_definitions", "asio_endpoint", "basic_node", "gossipmonger", "key_scope",
            "membership_view", "node", "node_base", "resolver", "start_error", "subscription",
            "transport", "transport_ref", "udp_transport"},
}
PUBLIC_MAX = 28
# A simulated node holds these by value, so their headers are public, and lower layers use them.
TESTING_VALUES = {"random": "core", "simulated_storage": "sim"}

# Generated code and Cap'n Proto are seen by these files alone, and they see no header of ours
# but their private ones: they are C++17.
CAPNP_FILES = r"lib/wire/capnp_\w+\.cpp"
CAPNP_INCLUDES = r"(?:capnp|kj)/[\w/-]+\.h|\w+\.capnp\.h"
SODIUM_FILE = "lib/seal/sodium_cipher.cpp"

# The rooms of the core, from the bottom up: each sees itself and what is below. Rooms of one row
# never see each other, and only the conductor, lib/core/protocol*, sees them all.
ROOMS = [{"model"}, {"storage"}, {"membership"}, {"local", "liveness", "exchange"}, {""}]
# The public headers of the core that are not of its model.
PUBLIC_ROOMS = {"memory_storage": "storage", "storage": "storage"}

# A core header may include headers of earlier rows only. A .cpp file likewise, and its own. So the
# parts in one row are siblings that never call each other: `protocol` passes on what one returns.
CORE_ORDER = [
    {"library_build"},
    {"error", "size_limits", "printable"},
    {"endpoint"},
    {"types", "drop_reason", "interval_code", "bucket_set", "news_rounds"},
    {"hash"},
    {"event", "digest", "delta", "table_sizes", "compaction_marker"},
    {"message", "config", "random", "replication", "row_sum"},
    {"message_text"},
    {"failure_detector", "packer", "parking", "peer_ring", "address_book", "node_clock",
     "own_incarnation", "unwanted_peers", "expiry", "value_checksums", "transfers",
     "flight_log", "send_budget", "write_rate", "report_log", "path_watch", "namesake_watch",
     "membership_need", "freshness", "slot_column"},
    {"partial_values", "completeness", "suspicion", "prober", "legs",
     "round_trips"},
    {"peer_table", "wanted_probe"},
    {"freshness_watch", "dissemination"},
    {"storage", "change_list"},
    {"change_reader", "record_slab"},
    {"order_log", "key_table"},
    {"memory_storage"},
    {"own_map", "membership", "partners", "notices", "liveness", "exchange_tables", "outbox"},
    {"row_sums"},
    {"planner", "digest_writer", "answer_writer", "applier", "sending"},
    {"exchange"},
    # The conductor: the parts side by side, its scripts, and its face.
    {"node_parts"},
    {"outgoing", "own_name"},
    {"receiving", "rounds"},
    {"protocol"},
]
# Machines never call each other: the conductor passes on what one wants of another. So no file of
# their rooms includes the header of a machine but the machine's own. `exchange` holds four of them
# by value and calls none; `node_clock` is a value, and of the model.
MACHINES = {
    "own_map", "change_reader",
    "membership", "partners", "notices", "completeness", "own_incarnation", "address_book",
    "liveness", "round_trips",
    "planner", "digest_writer", "answer_writer", "applier", "sending",
}
MACHINE_HOLDERS = {"exchange"}
# (file, header): the reason.
MACHINE_EXCEPTIONS = {
    ("liveness", "address_book"): "it asks by reference which addresses are verified, in each draw",
    ("sending", "address_book"): "its constants: how much an unverified address is sent at most",
}
# A part of one machine is included by that machine and its own source alone.
PARTS = {part: machine for machine, parts in {
    "liveness": {"dissemination", "freshness_watch", "prober", "suspicion"},
    "own_map": {"expiry", "write_rate"},
    "notices": {"report_log"},
    "sending": {"outbox", "send_budget", "membership_need"},
}.items() for part in parts}
# Never in one file, nor by way of others: the core knows the wire by the packer's sizes only.
STRANGERS = ("wire/codec.hpp", "core/protocol.hpp")

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


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a file stands: its layer, its room of the core ("" elsewhere), and its stem."""
    layer: str
    room: str
    stem: str


def place_of(path):
    """The place of a file of include/ or lib/; None where no layer has its folder."""
    parts = path.split("/")
    stem = pathlib.PurePath(path).stem
    if parts[:2] == ["include", "gossipmonger"]:
        return place_of_public("/".join(parts[1:]))
    if parts[:2] == ["lib", "configured"]:
        return Place("core", "model", stem)
    if parts[0] != "lib" or len(parts) < 3 or parts[1] not in WALLS:
        return None
    room = "/".join(parts[2:-1])
    if not any(room in row for row in ROOMS) if parts[1] == "core" else room:
        return None
    return Place(parts[1], room, stem)


def place_of_public(header):
    """The place of "gossipmonger/X.hpp" or "gossipmonger/testing/X.hpp"; None if there is none."""
    folder, stem = header.split("/")[1:-1], pathlib.PurePath(header).stem
    if folder == ["testing"]:
        layer = TESTING_VALUES.get(stem, "testing")
        return Place(layer, "model" if layer == "core" else "", stem)
    layer = next((layer for layer, stems in PUBLIC.items() if stem in stems), None)
    if folder or layer is None:
        return None
    return Place(layer, PUBLIC_ROOMS.get(stem, "model") if layer == "core" else "", stem)


def place_of_header(header):
    """The place of an included header of ours; None for all others."""
    if header.startswith("gossipmonger/"):
        return place_of_public(header)
    is_ours = re.fullmatch(r"(?:\w+/)+\w+\.hpp", header) and header.split("/")[0] in WALLS
    return place_of("lib/" + header) if is_ours else None


def check_include(path, own, header):
    """Why `path` may not include `header`, or None."""
    is_public = path.startswith("include/")
    wall = WALLS[own.layer]

    if "doctest" in header:
        return "the library and its suites do not know doctest"
    if header == "asio.hpp":
        return "asio.hpp costs seconds a file: include what is used"
    if re.fullmatch(CAPNP_FILES, path):
        if header.startswith("gossipmonger/") or place_of_header(header):
            return "what sees Cap'n Proto is C++17 and sees no public header"
        if re.fullmatch(CAPNP_INCLUDES, header):
            return None
    elif re.fullmatch(CAPNP_INCLUDES, header):
        return "Cap'n Proto is for lib/wire/capnp_*.cpp alone"

    if header.startswith("sodium"):
        return None if path == SODIUM_FILE else f"libsodium is for {SODIUM_FILE} alone"

    other = place_of_header(header)
    if other is not None:
        if is_public and not header.startswith("gossipmonger/"):
            return "a public header sees nothing of lib/"
        if other.layer not in wall.layers:
            return f"{own.layer} may not see {other.layer}"
        if own.layer == "seal" and other.layer == "core" and other.room != "model":
            return "seal sees of core the model only"
        if "transport" in own.stem and other.layer == "seal":
            return "a transport carries bytes and knows nothing of seals"
        if "core" == own.layer == other.layer:
            return check_rooms(own, other) or check_core_order(path, own, other)
        return None
    if header.startswith("gossipmonger/"):
        return "no such header is public: PUBLIC of tests/gates/layers.py has no row for it"
    if re.fullmatch(wall.third_party, header):
        return None
    if not is_public and re.fullmatch(wall.third_party_in_lib, header):
        return None
    if re.fullmatch(CAPNP_FILES, path) and re.fullmatch(r"\w+\.hpp", header):
        return None  # its private header, of the same folder
    if re.fullmatch(r"\w+", header):
        return f"{own.layer} may not use <{header}>" if header in wall.banned_std else None
    if "/lib/" in f"/{header}" or header.startswith("../"):
        return "include by the path under include/ or lib/; nothing reaches into lib/"
    return f"{own.layer} may not use it"


def check_rooms(own, other):
    """Why one room of the core may not see the other, or None."""
    floor_of = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
    if own.room == other.room or floor_of[other.room] < floor_of[own.room]:
        return None
    return f"{own.room} may not see {other.room or 'the conductor'}"


def check_core_order(path, own, other):
    room, own, other = own.room, own.stem, other.stem
    own_row, other_row = core_row(own), core_row(other)
    if own_row is None or other_row is None:
        missing = own if own_row is None else other
        return f"`{missing}` has no row in CORE_ORDER of tests/gates/layers.py"
    if own != other and room and other in MACHINES and own not in MACHINE_HOLDERS and \
            (own, other) not in MACHINE_EXCEPTIONS:
        return f"`{own}` and the machine `{other}` are siblings: the conductor stands between them"
    if own != other and other in PARTS and own != PARTS[other]:
        return f"`{other}` is a part of `{PARTS[other]}`, which alone includes it"
    if path.endswith(".cpp") and own == other:
        return None
    if other_row == own_row:
        return f"`{own}` and `{other}` are siblings in the core's order"
    return None if other_row < own_row else f"`{own}` comes before `{other}` in the core's order"


def check_code(path, text):
    """Findings (line, reason) in a file of include/ or lib/."""
    own = place_of(path)
    if own is None:
        yield 1, "no layer has this folder or this public header"
        return
    layer = own.layer
    for number, header in includes_of(text):
        reason = check_include(path, own, header)
        if reason:
            yield number, f"#include {header}: {reason}"

    for number, line in enumerate(text.splitlines(), 1):
        if "planted" in line:
            yield number, "`planted`: no source of the library holds test code"
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        for word in WALLS[layer].banned_words:
            found = re.search(word, line)
            if found and (path, found.group()) not in WORD_EXCEPTIONS:
                yield number, f"`{found.group()}` is not for {layer}"
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
    def file_of(header):
        folder = "include" if header.startswith("gossipmonger/") else "lib"
        return root / folder / header

    def seen_from(file, seen):
        for _, header in includes_of(file.read_text()):
            if header not in seen and file_of(header).is_file():
                seen.add(header)
                seen_from(file_of(header), seen)
        return seen

    for folder in ("core", "wire"):
        for file in sorted((root / "lib" / folder).rglob("*")):
            if file.suffix in CODE:
                seen = seen_from(file, {str(file.relative_to(root / "lib"))})
                if seen.issuperset(STRANGERS):
                    yield str(file.relative_to(root)), 1, "sees both codec and protocol"


def check_public(root):
    """Users read all of include/gossipmonger."""
    headers = [*(root / "include/gossipmonger").glob("*.hpp"),
               *(root / "lib/configured/gossipmonger").glob("*.hpp.in")]
    if len(headers) > PUBLIC_MAX:
        yield "include/gossipmonger", 1, f"{len(headers)} headers, {PUBLIC_MAX} are allowed"


# Made by the build, or by a build of the tests.
GENERATED = r"gossip\.capnp\.h|gossipmonger/library_build\.hpp"


def check_found(root, path, text):
    """Gates that compile one file know no folders of the build: each include is found from here."""
    folders = (root / path).parent, root / "include", root / "lib"
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not found or re.fullmatch(GENERATED, found.group(1)):
            continue
        if not any((folder / found.group(1)).is_file() for folder in folders):
            yield number, f"{found.group(1)}: neither beside this file nor in include/ or lib/"


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
    if path.split("/")[0] in ("tests", "bench", "tools") and suffix in CODE:
        for number, reason in check_found(root, path, text):
            yield path, number, reason
    if path.split("/")[0] in ("include", "lib") and suffix in CODE:
        for number, reason in check_code(path, text):
            yield path, number, reason


def check(root):
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield from check_file(root, str(file.relative_to(root)))
    yield from check_strangers(root)
    yield from check_public(root)


# Each is a file, a line that is added to it, and a part of the reason that must be found there.
PUBLIC_FOLDER = "include/gossipmonger/"
TYPES = PUBLIC_FOLDER + "types.hpp"
TRANSPORT = PUBLIC_FOLDER + "transport.hpp"
PLANTS = [
    (TYPES, "#include <asio/awaitable.hpp>", "may not use it"),
    (TYPES, "#include <random>", "may not use <random>"),
    (TYPES, "#include <coroutine>", "may not use <coroutine>"),
    (TYPES, "#include <capnp/message.h>", "alone"),
    (TYPES, '#include "wire/codec.hpp"', "sees nothing of lib/"),
    (TYPES, '#include "core/model/message.hpp"', "sees nothing of lib/"),
    (TYPES, '#include "gossipmonger/drop_reason.hpp"', "siblings"),
    (TYPES, '#include "gossipmonger/novelty.hpp"', "no such header is public"),
    (PUBLIC_FOLDER + "novelty.hpp", "struct x;", "this public header"),
    ("lib/core/model/novelty.hpp", '#include "gossipmonger/error.hpp"', "has no row"),
    (TYPES, '#include "gossipmonger/gossipmonger.hpp"', "core may not see net"),
    (TYPES, '#include "gossipmonger/testing/memory_node.hpp"', "core may not see testing"),
    ("lib/core/model/random.cpp", '#include "gossipmonger/testing/simulated_storage.hpp"',
     "core may not see sim"),
    (TYPES, "auto t = std::chrono::steady_clock::now();", "::now("),
    (TYPES, "void f() { co_return; }", "`co_return`"),
    (TYPES, "#define LIMIT 3", "no macro"),
    (TYPES, "namespace detail {}", "says nothing"),
    (TYPES, "class peer_manager;", "says nothing"),
    (TYPES, "// " + "x" * 98, "columns"),
    (TYPES, '#include "../../../lib/core/x.hpp"', "reaches into lib/"),
    (TYPES, "if (planted::is_on(planted::defect::gap_applied)) return;",
     "no source of the library holds test code"),
    ("lib/core/model/types.cpp", '#include "planted.hpp"',
     "no source of the library holds test code"),
    (PUBLIC_FOLDER + "testing/storage_suite.hpp", "#include <doctest/doctest.h>",
     "do not know doctest"),
    ("lib/core/model/types.cpp", '#include "core/protocol.hpp"', "model may not see the conductor"),
    ("lib/core/model/config.cpp", '#include "core/exchange/packer.hpp"',
     "model may not see exchange"),
    ("lib/core/storage/change_list.cpp", '#include "core/membership/peer_table.hpp"',
     "storage may not see membership"),
    ("lib/core/membership/partners.cpp", '#include "core/exchange/outbox.hpp"',
     "membership may not see exchange"),
    ("lib/core/local/own_map.cpp", '#include "core/liveness/liveness.hpp"',
     "local may not see liveness"),
    ("lib/core/liveness/liveness.cpp", '#include "core/exchange/packer.hpp"',
     "liveness may not see exchange"),
    ("lib/core/exchange/applier.cpp", '#include "core/local/expiry.hpp"',
     "exchange may not see local"),
    ("lib/core/exchange/sending.cpp", '#include "sending_tables.hpp"', "may not use it"),
    ("lib/core/receiving.cpp", '#include "core/rounds.hpp"', "siblings"),
    ("lib/core/node_parts.hpp", '#include "core/outgoing.hpp"', "comes before"),
    ("lib/core/extras/x.cpp", "struct x;", "no layer"),
    ("lib/net/extras/x.cpp", "struct x;", "no layer"),
    ("lib/core/exchange/planner.hpp", '#include "core/exchange/applier.hpp"', "siblings"),
    ("lib/core/exchange/sending.cpp", '#include "core/exchange/answer_writer.hpp"', "siblings"),
    ("lib/core/exchange/digest_writer.cpp", '#include "core/exchange/planner.hpp"', "siblings"),
    ("lib/core/model/random.cpp", "std::uniform_int_distribution<int> d(1, 6);", "_distribution"),
    ("lib/core/model/random.cpp", "std::shuffle(a, b, g);", "shuffle"),
    ("lib/core/model/clock.cpp", "auto t = std::chrono::system_clock::now ();", "::now ("),
    ("lib/wire/codec.hpp", "#include <kj/array.h>", "alone"),
    ("lib/wire/codec.hpp", "#include <asio/ip/udp.hpp>", "may not use it"),
    ("lib/wire/codec.hpp", '#include "gossipmonger/transport.hpp"', "wire may not see net"),
    ("lib/wire/codec.hpp", '#include "net/node_state.hpp"', "wire may not see net"),
    ("lib/wire/codec.cpp", '#include "gossip.capnp.h"', "alone"),
    ("lib/wire/capnp_new.cpp", '#include "gossipmonger/types.hpp"', "no public header"),
    ("lib/seal/sealer.cpp", "#include <sodium.h>", "alone"),
    ("lib/net/node_seal.cpp", "#include <sodium/utils.h>", "alone"),
    ("lib/seal/sealer.cpp", '#include "core/protocol.hpp"', "seal sees of core the model only"),
    ("lib/seal/sealer.hpp", '#include "gossipmonger/storage.hpp"',
     "seal sees of core the model only"),
    ("lib/seal/sealer.cpp", '#include "wire/codec.hpp"', "seal may not see wire"),
    ("lib/seal/sealer.cpp", '#include "net/node_driver.hpp"', "seal may not see net"),
    ("lib/seal/sealer.cpp", "auto t = std::chrono::system_clock::now();", "::now("),
    ("lib/wire/codec.cpp", '#include "seal/sealer.hpp"', "wire may not see seal"),
    (TYPES, '#include "gossipmonger/keyring.hpp"', "core may not see seal"),
    ("lib/sim/world.cpp", '#include "seal/sealer.hpp"', "sim may not see seal"),
    (TRANSPORT, '#include "gossipmonger/keyring.hpp"', "knows nothing of seals"),
    ("lib/net/udp_transport.cpp", '#include "seal/sealer.hpp"', "knows nothing of seals"),
    (TRANSPORT, "#include <asio.hpp>", "costs seconds"),
    (TRANSPORT, "#include <asio/experimental/channel.hpp>", "may not use it"),
    (TRANSPORT, "using namespace asio::experimental;", "experimental"),
    (TRANSPORT, "#include <sys/socket.h>", "may not use it"),
    (TRANSPORT, "asio::steady_timer t;", "steady_timer"),
    ("lib/net/node_driver.hpp", '#include "sim/world.hpp"', "net may not see sim"),
    ("lib/net/subscription.cpp", "asio::steady_timer t;", "steady_timer"),
    ("lib/net/node.cpp", "asio::co_spawn(e, run(), asio::detached);", "`detached`"),
    ("lib/net/node.cpp", "#include <asio.hpp>", "costs seconds"),
    ("lib/net/node.cpp", "#include <capnp/message.h>", "alone"),
    ("lib/sim/world.hpp", "#include <asio/awaitable.hpp>", "may not use it"),
    ("lib/sim/world.hpp", '#include "gossipmonger/transport.hpp"', "sim may not see net"),
    (PUBLIC_FOLDER + "testing/cluster.hpp", "#include <capnp/message.h>", "alone"),
    (PUBLIC_FOLDER + "extras/x.hpp", "struct x;", "no layer"),
    ("lib/net/utils.hpp", "struct x;", "name says"),
    ("tests/core/test_helpers.cpp", "", "name says"),
    ("tests/bench/novelty_test.cpp", '#include "latency_histogram.hpp"', "neither beside"),
    ("lib/core/protocol.hpp", '#include "wire/codec.hpp"', "core may not see wire"),
    ("lib/wire/codec.hpp", '#include "core/protocol.hpp"', "sees both"),
    # By way of a third: codec.cpp has its own header already.
    ("lib/wire/codec.cpp", '#include "wire/codec.hpp"\n#include "core/protocol.hpp"',
     "sees both"),
]
# Each machine's header in each other machine's source, and in its header.
MACHINE_FOLDER = {
    "own_map": "local", "change_reader": "local", "liveness": "liveness",
    "round_trips": "liveness", "planner": "exchange", "digest_writer": "exchange",
    "answer_writer": "exchange", "applier": "exchange", "sending": "exchange",
}


def machine_path(stem):
    return f"core/{MACHINE_FOLDER.get(stem, 'membership')}/{stem}"


def reason_between(one, other):
    """The reason that the gate gives if `one` includes the header of the machine `other`."""
    here, there = (machine_path(stem).split("/")[1] for stem in (one, other))
    return "siblings" if here == there or there == "membership" else "may not see"


PLANTS += [(f"lib/{machine_path(one)}.{suffix}", f'#include "{machine_path(other)}.hpp"',
            reason_between(one, other))
           for one in sorted(MACHINES) for other in sorted(MACHINES)
           if one != other and (one, other) not in MACHINE_EXCEPTIONS for suffix in ("hpp", "cpp")]
# A part of one machine, in the file of another part, of another machine and of the conductor.
PLANTS += [
    ("lib/core/liveness/prober.cpp", '#include "core/liveness/suspicion.hpp"', "a part of"),
    ("lib/core/liveness/round_trips.cpp", '#include "core/liveness/prober.hpp"', "a part of"),
    ("lib/core/receiving.cpp", '#include "core/liveness/dissemination.hpp"', "a part of"),
    ("lib/core/exchange/exchange.hpp", '#include "core/exchange/outbox.hpp"', "a part of"),
    ("lib/core/liveness/prober.cpp", '#include "core/liveness/liveness.hpp"', "siblings"),
    ("lib/core/membership/unwanted_peers.cpp", '#include "core/membership/own_incarnation.hpp"',
     "siblings"),
]
# And what must pass: a word in a comment or a string, and what a layer is given.
HARMLESS = [
    ("lib/seal/sodium_cipher.cpp", "#include <sodium.h>"),
    ("lib/seal/sealer.hpp", '#include "gossipmonger/error.hpp"'),
    ("lib/net/node_driver.cpp", '#include "seal/sealer.hpp"'),
    (TYPES, "// no co_await, and never steady_clock::now()"),
    ("lib/sim/world.cpp", "moment world::now() const { return now_; }"),
    (TYPES, 'inline const char* a = "std::shuffle";'),
    (TYPES, "#include <chrono>"),
    ("lib/core/exchange/sending.cpp", '#include "core/exchange/sending.hpp"'),
    ("lib/core/exchange/exchange.hpp", '#include "core/exchange/planner.hpp"'),
    ("lib/core/liveness/liveness.cpp", '#include "core/membership/peer_table.hpp"'),
    ("lib/core/liveness/liveness.cpp", '#include "core/membership/address_book.hpp"'),
    ("lib/core/liveness/liveness.cpp", '#include "core/liveness/suspicion.hpp"'),
    ("lib/core/exchange/sending.cpp", '#include "core/membership/address_book.hpp"'),
    ("lib/core/node_parts.hpp", '#include "core/membership/notices.hpp"'),
    ("lib/core/model/random.cpp", '#include "gossipmonger/testing/random.hpp"'),
    ("lib/sim/world.cpp", '#include "gossipmonger/testing/simulated_storage.hpp"'),
    (TYPES, "// " + "x" * 97),
    (TRANSPORT, "#include <asio/ip/udp.hpp>"),
    (TRANSPORT, '#include "gossipmonger/types.hpp"'),
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

        def found_with(path, text, is_by_way_of_others=True):
            file = copy / path
            before = set(check_file(copy, path)) if file.exists() else set()
            kept = file.read_text() if file.exists() else None
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text((kept or "") + "\n" + text + "\n")
            found = set(check_file(copy, path)) - before
            if is_by_way_of_others:
                found |= set(check_strangers(copy))
            if kept is None:
                file.unlink()
            else:
                file.write_text(kept)
            return found

        for path, text, reason in PLANTS:
            found = found_with(path, text, reason == "sees both")
            if not any(f[0] == path and reason in f[2] for f in found):
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
