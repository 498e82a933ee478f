#!/usr/bin/env python3
"""The README's C++ examples are files of the tests, byte for byte, so that what they show is
compiled and run; and each test that it, or the catalogue of bad input, names is there. Examples to
copy from are short."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ["tests/consumers/main.cpp", "tests/testing/example_test.cpp"]  # in the README's order
EXAMPLE_LINES_MAX = 100  # of a file in tests/examples


def named_tests():
    """What stands in backticks below the heading on conformance, and in the catalogue, in the form
    of a test's name."""
    section = (ROOT / "README.md").read_text().split("## Conformance", 1)[-1].split("\n## ", 1)[0]
    section += (ROOT / "tests/hostile/README.md").read_text()
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", section)]
    return [span for span in spans if re.match(r"[a-z_ UDP]+: ", span)]


def existing_tests():
    for path in (ROOT / "tests").rglob("*_test.cpp"):
        for call in re.findall(r'TEST_CASE\(\s*((?:"[^"]*"\s*)+)', path.read_text()):
            yield "".join(re.findall(r'"([^"]*)"', call))


def main():
    blocks = re.findall(r"^```cpp\n(.*?)^```$", (ROOT / "README.md").read_text(),
                        re.DOTALL | re.MULTILINE)
    if len(blocks) != len(EXAMPLES):
        print(f"README.md: {len(blocks)} ```cpp blocks, where there are {len(EXAMPLES)} examples")
        return 1
    for block, path in zip(blocks, EXAMPLES):
        if block != (ROOT / path).read_text():
            print(f"README.md: a ```cpp block is not {path}")
            return 1
    for path in sorted((ROOT / "tests/examples").glob("*.cpp")):
        lines = len(path.read_text().splitlines())
        if lines > EXAMPLE_LINES_MAX:
            print(f"{path.relative_to(ROOT)}: {lines} lines, {EXAMPLE_LINES_MAX} are allowed")
            return 1
    missing = set(named_tests()) - set(existing_tests())
    for name in sorted(missing):
        print(f"README.md or tests/hostile/README.md: there is no test `{name}`")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
