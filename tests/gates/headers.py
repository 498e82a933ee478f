#!/usr/bin/env python3
"""Each header compiles on its own, and twice in a row.

    CXX=clang++-19 tests/gates/headers.py      (default: g++)
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Beside include/: what the headers of planted defects, which are chosen by path, have in common.
PLANTED = ROOT / "lib/core/planted"
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
         "-Wshadow", "-Wnon-virtual-dtor", "-Wold-style-cast", "-Werror"]


def asio_defines():
    """From the one place where they stand."""
    return re.findall(r"'(-DASIO\w+(?:=\w+)?)'", (ROOT / "lib/meson.build").read_text())


def compile_alone(header):
    line = f'#include "{header}"\n'
    done = subprocess.run(
        [*os.environ.get("CXX", "g++").split(), *FLAGS, *asio_defines(), f"-I{ROOT / 'include'}",
         f"-I{PLANTED}",
         "-x", "c++", "-"],
        input=line * 2, text=True, capture_output=True, check=False)
    return header, done.returncode, done.stderr


def main():
    headers = sorted(str(file) for folder in ("include", "lib")
                     for file in (ROOT / folder).rglob("*.hpp"))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, status, errors in pool.map(compile_alone, headers):
            if status != 0:
                failed += 1
                print(f"{header} does not compile on its own:\n{errors}")
    print(f"{len(headers) - failed} of {len(headers)} headers compile on their own")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
