#!/usr/bin/env python3
"""Each header compiles on its own, and twice in a row; each that includes Asio says so, before all
else, where a definition that Asio needs is missing, or where it is not compiled as C++20.

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


def refuses_alone(header):
    """What is wrong with what it says without each of the definitions, or as C++17."""
    warnings = [flag for flag in FLAGS if flag != "-fsyntax-only"]  # it is only preprocessed
    cases = [(define, [*warnings, *(other for other in asio_defines() if other != define)])
             for define in asio_defines() if "ASIO_HAS" in define]
    cases.append(("-std=c++20", ["-std=c++17", *asio_defines()]))
    for missing, flags in cases:
        done = subprocess.run(
            [*os.environ.get("CXX", "g++").split(), *flags, "-Wfatal-errors", "-E",
             f"-I{ROOT / 'include'}", "-x", "c++", "-", "-o", os.devnull],
            input=f'#include "{header}"\n', text=True, capture_output=True, check=False)
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        if done.returncode == 0 or not errors or "gossipmonger: compile" not in errors[0]:
            return header, f"without {missing}: {errors[:1]}"
    return header, None


def main():
    headers = sorted(str(file) for folder in ("include", "lib")
                     for file in (ROOT / folder).rglob("*.hpp"))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, status, errors in pool.map(compile_alone, headers):
            if status != 0:
                failed += 1
                print(f"{header} does not compile on its own:\n{errors}")
        asio = [header for header in headers
                if f"{ROOT}/include" in header and re.search(r"/(net|testing)/", header)]
        for header, wrong in pool.map(refuses_alone, asio):
            if wrong:
                failed += 1
                print(f"{header} does not refuse to be compiled {wrong}")
    print(f"{len(headers) - failed} of {len(headers)} headers compile on their own")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
