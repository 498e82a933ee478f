#!/usr/bin/env python3
"""The examples and commands of every document hold: they are compiled, run or looked up.

    tests/gates/readme.py              check the repository
    tests/gates/readme.py --self-test  plant each mistake in a document, and see it refused

- A ```cpp block is an excerpt of a file that the tests compile. A ```meson or ```cmake block has
  the calls of a consumer in tests/consumers.
- A command names a program of the repository, options that the program has, and tests that exist.
  Commands that are cheap and built are run: text gates, and one seed of gossip_sim.
- A name in code marks exists, if it looks like a test, a trace or a file.
- The program's document lists its options, commands and counters, all and no others.

README.md and the examples to copy from are short.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = "tools/gossipmonger/README.md"
README_LINES_MAX = 260
EXAMPLE_LINES_MAX = 100  # of a file in tests/examples
SKIPPED = {"build", ".git", "subprojects", "__pycache__"}
COMPILED = ["tests", "include/gossipmonger"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
CASE = re.compile(r'TEST_CASE(?:_TEMPLATE)?\(\s*((?:"[^"]*"\s*)+)')
TOPS = ("include/", "lib/", "tests/", "tools/", "bench/", ".ci/", ".github/")
BASES = ("include", "include/gossipmonger", "lib", "tests")  # of paths in code marks
# Files that documents name and that are not of this repository.
FOREIGN = {"asio.hpp", "main.cpp", "meson.build", "library_build.hpp"}
PLACEHOLDER = re.compile(r"(?<![A-Za-z])[A-Z]{3,}(?![A-Za-z.]*\.md)(?![A-Za-z])|\.\.\.|…|[<>*{}]")
TEST_FLAGS = {"-tc", "-tce", "-sf", "-c"}
SECONDS_MAX = 120


class Repository:
    """The things that documents may name, read once."""

    def __init__(self, root):
        self.root = root
        self.files = [path for path in root.rglob("*") if path.is_file()
                      and not SKIPPED & set(path.relative_to(root).parts[:-1])]
        self.names = {path.name for path in self.files}
        self.cases = set()
        self.test_files = set()
        for path in (root / "tests").rglob("*.cpp"):
            found = CASE.findall(path.read_text())
            if found:
                self.test_files.add(path.name)
            self.cases |= {"".join(re.findall(r'"([^"]*)"', call)) for call in found}
        self.subjects = {case.partition(":")[0] for case in self.cases}
        self.test_programs = set()
        for path in (root / "tests").rglob("meson.build"):
            self.test_programs |= set(re.findall(r"executable\('(\w+)'", path.read_text()))
        test = root / "tools/test"
        self.groups = re.findall(r"^group_([\w-]+)\(\)", test.read_text(), re.MULTILINE)
        self.compiled = [path.read_text() for top in COMPILED
                         for path in (root / top).rglob("*.[ch]pp")]
        self.consumers = "\n".join(path.read_text()
                                   for path in (root / "tests/consumers").rglob("*")
                                   if path.name in ("CMakeLists.txt", "meson.build"))

    def sources_of(self, program):
        """The text that knows the options of a program; None if there is no such program."""
        path = program.removeprefix("./")
        name = path.split("/")[-1]
        folder, bench = self.root / "tools" / name, self.root / "bench" / f"{name}.cpp"
        load = sorted((self.root / "tools/load").glob("*.cpp"))  # of both programs that put a load
        is_tool = "/" not in path or path.startswith("build/")
        if is_tool and folder.is_dir():
            files = [*sorted(folder.glob("*.cpp")), *(load if name == "gossipmonger" else [])]
            return "\n".join(file.read_text() for file in files)
        if is_tool and bench.is_file():
            files = [bench, *(load if name == "cluster" else [])]
            return "\n".join(file.read_text() for file in files)
        if path.startswith(TOPS) and (self.root / path).is_file():
            return (self.root / path).read_text()
        return None


# ---- blocks ------------------------------------------------------------------------------------

def dedented(text):
    return "\n".join(line.strip() for line in text.strip().splitlines())


def without_names(text):
    """A build file, with one name for the user's target and one blank where there are several."""
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"\b(target_\w+|add_executable|executable)\( ?'?[\w-]+'?", r"\1(user", text)


def check_block(of, language, text):
    """Findings in one fenced block."""
    if language == "cpp":
        wanted = dedented(text)
        if not any(wanted in dedented(source) for source in of.compiled):
            first = text.strip().partition("\n")[0]
            yield f"the block that begins with `{first}` is no excerpt of a file that is compiled"
    if language in ("meson", "cmake"):
        known = without_names(of.consumers)
        for call in re.findall(r"\w+\([^()]*\bgossipmonger\b[^()]*\)", text):
            if without_names(call) not in known:
                yield f"no consumer of tests/consumers has the call `{call}`"
    if language in ("sh", "bash"):
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            yield from check_command(of, line, is_surely=True)


# ---- commands ----------------------------------------------------------------------------------

def words_of(line):
    """The words of a simple command, without its comment, redirections and variables."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        del words[0]
    for end, word in enumerate(words):
        if word in ("|", "&&", ";") or word.startswith(">"):
            return words[:end]
    return words


def matches(pattern, names):
    """As doctest does: `*` for anything, several patterns with commas between."""
    return all(any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), name, re.IGNORECASE)
                   for name in names) for one in pattern.split(","))


def check_test_flags(of, words):
    for word in words:
        flag, _, pattern = word.partition("=")
        names = of.test_files if flag == "-sf" else of.cases
        if flag not in TEST_FLAGS:
            yield f"`{word}` is no option of a test program that documents use"
        elif pattern and not re.search(r"\b[A-Z]{3,}\b", pattern) and not matches(pattern, names):
            yield f"no test matches `{word}`"


def check_command(of, line, is_surely=False):
    """Findings in one command; nothing for a line that is no command of the repository."""
    words = words_of(line)
    if not words:
        return
    program, arguments = words[0], words[1:]
    name = program.split("/")[-1]
    if name in of.test_programs:
        yield from check_test_flags(of, arguments)
        return
    if program.removeprefix("./") == "tools/test":
        yield from check_tools_test(of, arguments)
        return
    sources = of.sources_of(program)
    if sources is None:
        if is_surely and "/" in program and not program.startswith(("/", "~")):
            yield f"there is no program `{program}`"
        return
    for word in arguments:
        option = word.partition("=")[0]
        if re.fullmatch(r"--[a-z][\w-]*", option) and option not in sources:
            yield f"`{name}` has no option `{option}`"


def check_tools_test(of, arguments):
    names = of.groups + sorted(of.cases | of.test_files | of.test_programs)
    for word in arguments:
        is_option = word in ("--all", "--long", "--list", "--help")
        if not is_option and not PLACEHOLDER.search(word):
            if not any(word in name for name in names):
                yield f"`tools/test` knows no `{word}`"


def cheap_commands(of, text):
    """The commands of a document that are run."""
    for language, block in BLOCK.findall(text):
        if language != "sh":
            continue
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            words = words_of(line)
            program = words[0].removeprefix("./") if words else ""
            is_gate = program in ("tests/gates/layers.py", "tests/gates/prose.py",
                                  "tests/gates/links.py")
            is_listed = program == "tools/test" and words[1:] == ["--list"]
            is_seed = program.endswith("/gossip_sim") and "--seeds" not in words
            is_built = os.access(of.root / program, os.X_OK)
            if is_built and (is_gate or is_listed or is_seed):
                yield line.partition(" #")[0].strip()


def run(of, commands):
    """Findings of commands that fail, run one after the other. Files in /tmp go elsewhere."""
    with tempfile.TemporaryDirectory() as folder:
        for command in commands:
            placed = command.replace("/tmp/", folder + "/")
            done = subprocess.run(["bash", "-c", placed], cwd=of.root, capture_output=True,
                                  text=True, timeout=SECONDS_MAX, check=False)
            if done.returncode != 0:
                said = (done.stdout + done.stderr).strip().splitlines()
                yield f"`{command}` fails: {said[-1] if said else done.returncode}"


# ---- names -------------------------------------------------------------------------------------

def check_span(of, document, span):
    """Findings in one text in code marks."""
    subject, colon, rest = span.partition(":")
    if colon and rest.startswith(" ") and subject in of.subjects:
        if not matches(span, of.cases) and span not in of.cases:
            yield f"there is no test `{span}`"
        return
    trace = re.fullmatch(r"traces/(\w+)(?:\.txt)?", span)
    if trace and not PLACEHOLDER.search(span):
        if not (of.root / f"tests/core/traces/{trace[1]}.txt").is_file():
            yield f"there is no trace `{span}`"
        return
    if PLACEHOLDER.search(span) and " " not in span:
        return
    if re.fullmatch(r"[\w./-]+", span) and span.startswith(TOPS):
        if not (of.root / span).exists() and not (document.parent / span).exists():
            yield f"there is no `{span}`"
        return
    if re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+\.(?:hpp|cpp|py|capnp|txt|patch)", span):
        bases = [document.parent, *(of.root / base for base in BASES)]
        if not span.startswith("build/") and not any((base / span).exists() for base in bases):
            yield f"there is no `{span}`"
        return
    if re.fullmatch(r"\w+\.(?:hpp|cpp|py|capnp|txt|patch)", span):
        if span not in of.names | FOREIGN:
            yield f"no file is called `{span}`"
        return
    member = re.fullmatch(r"(\w+)::(\w+)(?:\(\))?", span)
    if member:
        declared = [path for path in of.files if path.name == f"{member[1]}.hpp"
                    and path.is_relative_to(of.root / "lib")]
        if declared and not any(re.search(rf"\b{member[2]}\b", path.read_text())
                                for path in declared):
            yield f"`{member[1]}.hpp` declares no `{member[2]}`"
        return
    yield from check_command(of, span)


def check_text(of, document, text):
    """Findings of a document, apart from what is run."""
    for language, block in BLOCK.findall(text):
        yield from check_block(of, language, block)
    prose = BLOCK.sub("", text)
    for span in SPAN.findall(re.sub(r"^```.*?^```", "", prose, flags=re.DOTALL | re.MULTILINE)):
        yield from check_span(of, document, " ".join(span.split()))


def documents(of):
    return sorted(path for path in of.files if path.suffix == ".md")


def check_lengths(of):
    limits = [(path, EXAMPLE_LINES_MAX)
              for path in sorted((of.root / "tests/examples").glob("*.cpp"))]
    if (of.root / PROGRAM).is_file():
        limits.append((of.root / "README.md", README_LINES_MAX))
    for path, lines_max in limits:
        lines = len(path.read_text().splitlines())
        if lines > lines_max:
            yield f"{path.relative_to(of.root)}: {lines} lines, {lines_max} are allowed"


# ---- the lists of the program ------------------------------------------------------------------

def first_cells(text, heading):
    """The spans in code marks in the first cells of the tables below a heading, down to the next
    heading of its level or a higher one."""
    level = len(heading) - len(heading.lstrip("#"))
    section = text.split(f"\n{heading}\n", 1)[-1]
    section = re.split(rf"^#{{1,{level}}} ", section, maxsplit=1, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
    return [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]


def check_lists(of):
    """Where PROGRAM lists other names than the sources do. tests/tools/commands_test.py holds the
    counters that it lists against those that the program prints."""
    document = of.root / PROGRAM
    if not document.is_file():
        return
    options = re.findall(r'add_(?:option|flag)\("(--[a-z-]+)"',
                         (of.root / "tools/gossipmonger/options.cpp").read_text())
    commands = re.findall(r'\{command_kind::\w+, "([a-z-]+)", "',
                          (of.root / "tools/gossipmonger/command.cpp").read_text())
    counters = re.search(r'COUNTERS = """(.*?)"""',
                         (of.root / "tests/tools/commands_test.py").read_text(), re.DOTALL)
    for heading, pattern, expected in [
            ("## Build and start", r"--[a-z-]+", options),
            ("## Commands", r"[a-z-]+", commands),
            ("## Counters", r"\w+", counters[1].split())]:
        listed = [re.match(pattern, span)[0] for span in first_cells(document.read_text(), heading)
                  if re.match(pattern, span)]
        listed = list(dict.fromkeys(listed))  # one of several spellings each
        for name in listed:
            if name not in expected:
                yield f"{PROGRAM}: '{heading}' lists `{name}`, which is not in the sources"
        for name in expected:
            if name not in listed:
                yield f"{PROGRAM}: '{heading}' does not list `{name}`"
        if heading == "## Counters" and sorted(listed) == sorted(expected) and listed != expected:
            yield f"{PROGRAM}: '{heading}' has another order than the program prints"


def check(of):
    yield from check_lengths(of)
    yield from check_lists(of)
    commands = []
    for document in documents(of):
        text = document.read_text()
        name = document.relative_to(of.root)
        for finding in check_text(of, document, text):
            yield f"{name}: {finding}"
        commands += [line for line in cheap_commands(of, text) if line not in commands]
    yield from run(of, commands)


# ---- the self-test -----------------------------------------------------------------------------
# A document, and a part of the finding that must be there; None: nothing is wrong.

SAMPLES = [
    ("```cpp\nint never_written_anywhere = 3;\n```\n", "no excerpt"),
    ("```cpp\n  using namespace gossipmonger;\n```\n", None),
    ("```cmake\nfind_package(gossipmonger 9 REQUIRED)\n```\n", "no consumer"),
    ("```sh\n./tools/tset\n```\n", "no program"),
    ("```sh\n./tools/test --al\n```\n", "knows no"),
    ("```sh\n./tools/test prose   # a group\n```\n", None),
    ("```sh\nbuild/release/tools/gossip_sim --sede 17\n```\n", "no option"),
    ("```sh\nbuild/release/tools/gossip_sim --seed 17 > /tmp/a\n```\n", None),
    ("`sim_test -tc='names: nobody*'`\n", "no test matches"),
    ("`core_test -tc='packer:*'`\n", None),
    ("`sim_test -tx='names:*'`\n", "no option"),
    ("`packer: no test has this name`\n", "no test"),
    ("`packer_tset.cpp`\n", "no file"),
    ("`tests/gates/prose.yp`\n", "there is no"),
    ("`traces/nothing`\n", "no trace"),
    ("`net/nothing.hpp`\n", "there is no"),
    ("`protocol::run_nothing`\n", "declares no"),
    ("`protocol::handle_message`, `std::shuffle`\n", None),
    ("`net/node_driver.hpp`, `gossipmonger/node.hpp`\n", None),
    ("`traces/join`, `NAME.hpp`, `a: b`, `tests/core/NAME_test.cpp`\n", None),
]


def self_test(of):
    missed = []
    for text, expected in SAMPLES:
        found = list(check_text(of, of.root / "sample.md", text))
        if (expected is None) != (not found) or (expected and expected not in found[0]):
            missed.append(f"{text!r}: found {found}, not {expected!r}")
    if list(run(of, ["tools/test --list"])) or not list(run(of, ["tests/gates/prose.py --liszt"])):
        missed.append("a command that fails is not told from one that does not")
    return missed


def main():
    of = Repository(ROOT)
    if sys.argv[1:] == ["--self-test"]:
        missed = self_test(of)
        print("\n".join(missed) or f"{len(SAMPLES)} samples read as they should be")
        return 1 if missed else 0
    findings = list(check(of))
    print("\n".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
