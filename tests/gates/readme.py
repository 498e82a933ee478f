#!/usr/bin/env python3
"""Holds the documents for users to the code.

Their C++ examples are files of the tests, byte for byte, so that they are compiled and run. Each
test that the table of conformance or the catalogue of bad input names is there. The program's
document lists its options, commands and counters, all and no others. README.md and the examples to
copy from are short.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = {  # of each document, in its order
    "README.md": ["tests/examples/hello.cpp"],
    "lib/GUIDE.md": ["tests/testing/example_test.cpp"],
}
NAMING_TESTS = ["tests/sim/CONFORMANCE.md", "tests/hostile/README.md"]
PROGRAM = "tools/gossipmonger/README.md"
README_LINES_MAX = 260
EXAMPLE_LINES_MAX = 100  # of a file in tests/examples


def read(path):
    return (ROOT / path).read_text()


def named_tests():
    """The spans in backticks that have the form of a test's name."""
    spans = [" ".join(span.split()) for path in NAMING_TESTS
             for span in re.findall(r"`([^`]+)`", read(path))]
    return [span for span in spans if re.match(r"[a-z_ UDP]+: ", span)]


def existing_tests():
    for path in (ROOT / "tests").rglob("*_test.cpp"):
        for call in re.findall(r'TEST_CASE\(\s*((?:"[^"]*"\s*)+)', path.read_text()):
            yield "".join(re.findall(r'"([^"]*)"', call))


def first_cells(heading):
    """The spans in backticks in the first cells of the tables below a heading of PROGRAM, down to
    the next heading of its level or a higher one."""
    level = len(heading) - len(heading.lstrip("#"))
    section = read(PROGRAM).split(f"\n{heading}\n", 1)[-1]
    section = re.split(rf"^#{{1,{level}}} ", section, maxsplit=1, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
    return [span for cell in cells for span in re.findall(r"`([^`]+)`", cell)]


def wrong_examples():
    for document, paths in EXAMPLES.items():
        blocks = re.findall(r"^```cpp\n(.*?)^```$", read(document), re.DOTALL | re.MULTILINE)
        if len(blocks) != len(paths):
            yield f"{document}: {len(blocks)} ```cpp blocks, where there are {len(paths)} examples"
            continue
        for block, path in zip(blocks, paths):
            if block != read(path):
                yield f"{document}: a ```cpp block is not {path}"


def wrong_lengths():
    limits = [(ROOT / "README.md", README_LINES_MAX)]
    limits += [(path, EXAMPLE_LINES_MAX)
               for path in sorted((ROOT / "tests/examples").glob("*.cpp"))]
    for path, lines_max in limits:
        lines = len(path.read_text().splitlines())
        if lines > lines_max:
            yield f"{path.relative_to(ROOT)}: {lines} lines, {lines_max} are allowed"


def missing_tests():
    for name in sorted(set(named_tests()) - set(existing_tests())):
        yield f"{' or '.join(NAMING_TESTS)}: there is no test `{name}`"


def wrong_lists():
    """Where PROGRAM lists other names than the sources do. tests/tools/commands_test.py holds the
    counters that it lists against what the program prints."""
    options = re.findall(r'add_(?:option|flag)\("(--[a-z-]+)"',
                         read("tools/gossipmonger/options.cpp"))
    commands = re.findall(r'\{command_kind::\w+, "([a-z-]+)", "',
                          read("tools/gossipmonger/command.cpp"))
    counters = re.search(r'COUNTERS = """(.*?)"""', read("tests/tools/commands_test.py"), re.DOTALL)
    for heading, pattern, expected in [
            ("## Build and start", r"--[a-z-]+", options),
            ("## Commands", r"[a-z-]+", commands),
            ("## Counters", r"\w+", counters[1].split())]:
        listed = [re.match(pattern, span)[0] for span in first_cells(heading)
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


def main():
    wrong = [*wrong_examples(), *wrong_lengths(), *missing_tests(), *wrong_lists()]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
