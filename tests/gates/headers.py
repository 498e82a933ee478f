#!/usr/bin/env python3
"""Each header compiles on its own, and twice in a row. Each that includes Asio reports a missing
definition that Asio needs, or a standard below C++20, before all other errors. Neither headers nor
sources use what Asio calls deprecated. A public header needs nothing of lib/.

    CXX=clang++-19 tests/gates/headers.py      (default: g++)
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import layers
import library_build

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
         "-Wshadow", "-Wnon-virtual-dtor", "-Wold-style-cast", "-Werror"]


# Only here, where nothing is kept of what is compiled: it changes inline functions under one name.
NO_DEPRECATED = "-DASIO_NO_DEPRECATED"
FOLDERS = ("lib/net", "lib/testing", "tools/gossipmonger")  # folders with sources that see Asio
SEES_ASIO = re.compile(
    rf"<asio/|gossipmonger/(?:testing/|(?:{'|'.join(layers.PUBLIC['net'])})\.hpp)")


def is_of_net(header):
    """Whether a public header is of net, or of testing above it; the suite of storages is not."""
    place = layers.place_of(str(header.relative_to(ROOT)))
    return place.layer in ("net", "testing") and place.stem != "storage_suite"


def compile_alone(file, configured):
    """Of a header two lines that include it, of a source itself."""
    is_header = file.endswith(".hpp")
    done = subprocess.run(
        [*library_build.compiler(), *FLAGS, *library_build.asio_defines(), NO_DEPRECATED,
         f"-I{ROOT / 'include'}", f"-I{configured}",
         *([f"-I{ROOT / 'lib'}"] if file.startswith(f"{ROOT}/lib/") else []),
         *(["-x", "c++", "-"] if is_header else [file])],
        input=f'#include "{file}"\n' * 2 if is_header else "", text=True, capture_output=True,
        check=False)
    return file, done.returncode, done.stderr


def refuses_alone(header):
    """The header, and its first wrong report of a missing definition or of C++17, else None."""
    warnings = [flag for flag in FLAGS if flag != "-fsyntax-only"]  # it is only preprocessed
    defines = library_build.asio_defines()
    cases = [(define, [*warnings, *(other for other in defines if other != define)])
             for define in defines]
    cases.append(("-std=c++20", ["-std=c++17", *defines]))
    for missing, flags in cases:
        done = subprocess.run(
            [*library_build.compiler(), *flags, "-Wfatal-errors", "-E",
             f"-I{ROOT / 'include'}", "-x", "c++", "-", "-o", os.devnull],
            input=f'#include "{header}"\n', text=True, capture_output=True, check=False)
        errors = [line for line in done.stderr.splitlines() if "error:" in line]
        if done.returncode == 0 or not errors or "gossipmonger: compile" not in errors[0]:
            return header, f"without {missing}: {errors[:1]}"
    return header, None


def main():
    headers = sorted(str(file) for folder in ("include", "lib")
                     for file in (ROOT / folder).rglob("*.hpp"))
    sources = sorted(str(file) for folder in FOLDERS for file in (ROOT / folder).glob("*.cpp")
                     if SEES_ASIO.search(file.read_text()))
    failed = 0
    with tempfile.TemporaryDirectory() as configured, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        library_build.write(configured, library_build.asio_version())
        headers.append(f"{configured}/{library_build.HEADER}")
        for file, status, errors in pool.map(lambda file: compile_alone(file, configured),
                                             headers + sources):
            if status != 0:
                failed += 1
                print(f"{file} does not compile on its own:\n{errors}")
        asio = [header for header in headers
                if f"{ROOT}/include" in header and is_of_net(pathlib.Path(header))]
        for header, wrong in pool.map(refuses_alone, asio):
            if wrong:
                failed += 1
                print(f"{header} does not refuse to be compiled {wrong}")
    total = len(headers) + len(sources)
    print(f"{total - failed} of {total} headers and sources compile on their own")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
