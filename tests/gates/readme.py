#!/usr/bin/env python3
"""The README's first C++ example is tests/consumers/main.cpp, byte for byte, so that what it shows
is compiled and run."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
