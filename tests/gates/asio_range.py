#!/usr/bin/env python3
"""The sources that see Asio compile with every Asio that is at hand: the compiler's own, and those
in subprojects/asio-*/include, where the wrap leaves the newest that is tested.

    CXX=clang++-19 tests/gates/asio_range.py      (default: g++)

Ends with status 77 where the wrap's sources are not there: then one end of the range is not tested.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import library_build

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("lib/net", "lib/testing", "tests/consumers")
OLDEST = 102201
LEFT_OUT = 77


def compile_with(file, flags):
    done = subprocess.run(
        [*library_build.compiler(), "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
         *library_build.asio_defines(), *flags, f"-I{ROOT / 'include'}", f"-I{ROOT / 'lib'}",
         str(file)],
        text=True, capture_output=True, check=False)
    return done.stderr if done.returncode != 0 else None


def main():
    wrap = re.search(r"^directory = (.*)$", (ROOT / "subprojects/asio.wrap").read_text(),
                     re.MULTILINE).group(1)
    trees = sorted((ROOT / "subprojects").glob("asio-*/include/asio/version.hpp"))
    flags_of = {}  # by version; the compiler's own Asio last, which needs no flag
    for tree in trees:
        flags = [f"-isystem{tree.parents[1]}"]
        flags_of[library_build.asio_version(*flags)] = flags
    flags_of[library_build.asio_version()] = []
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).glob("*.cpp"))]

    failed = 0
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for version, flags in sorted(flags_of.items()):
            configured = pathlib.Path(folder) / str(version)
            library_build.write(configured, version)
            errors = list(pool.map(
                lambda file: compile_with(file, [*flags, f"-I{configured}"]), files))
            for file, error in zip(files, errors):
                if error:
                    failed += 1
                    print(f"{file} does not compile with Asio {version}:\n{error}")
            print(f"Asio {version}: {errors.count(None)} of {len(files)} files compile")
    if failed:
        return 1
    missing = [name for name, is_there in (
        (f"subprojects/{wrap}", (ROOT / "subprojects" / wrap).is_dir()),
        (f"Asio {OLDEST}", OLDEST in flags_of)) if not is_there]
    if missing:
        print(f"not the whole range: {' and '.join(missing)} not at hand")
        return LEFT_OUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
