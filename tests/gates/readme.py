#!/usr/bin/env python3
"""The README's first C++ example is tests/consumers/main.cpp, byte for byte, so that what it shows
is compiled and run; and each test that it names as showing something is there."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def named_tests():
    """What stands in backticks below the heading on conformance, in the form of a test's name."""
    section = (ROOT / "README.md").read_text().split("## Conformance", 1)[-1].split("\n## ", 1)[0]
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", section)]
    return [span for span in spans if re.match(r"[a-z_ UDP]+: ", span)]


def existing_tests():
    for path in (ROOT / "tests").rglob("*_test.cpp"):
        for call in re.findall(r'TEST_CASE\(\s*((?:"[^"]*"\s*)+)', path.read_text()):
            yield "".join(re.findall(r'"([^"]*)"', call))


def main():
    blocks = re.findall(r"^```cpp\n(.*?)^```$", (ROOT / "README.md").read_text(),
                        re.DOTALL | re.MULTILINE)
    example = (ROOT / "tests/consumers/main.cpp").read_text()
    if not blocks:
        print("README.md: no ```cpp block")
        return 1
    if blocks[0] != example:
        print("README.md: the first ```cpp block is not tests/consumers/main.cpp")
        return 1
    missing = set(named_tests()) - set(existing_tests())
    for name in sorted(missing):
        print(f"README.md: there is no test `{name}`")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
