#!/usr/bin/env python3
"""Runs clang-tidy 19 over sources of lib/ with the checks below; a finding is a failure.

    tests/gates/tidy.py               all .cpp files of lib/
    tests/gates/tidy.py --newest N    the N of them that changed last, by the history
    tests/gates/tidy.py FILE...       these

The commands and the generated headers are those of build/release. .clang-tidy has more checks, for
editors. A false alarm in one line gets `// NOLINT(check): reason`.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKS = [
    "-*",
    "bugprone-*",
    "performance-*",
    "cppcoreguidelines-avoid-capturing-lambda-coroutines",
    "cppcoreguidelines-avoid-reference-coroutine-parameters",
    "cppcoreguidelines-no-suspend-with-lock",
    "misc-coroutine-hostile-raii",
    # Versions, generations and heartbeats are all plain integers.
    "-bugprone-easily-swappable-parameters",
    # Executors are handed over by value, as in Asio.
    "-performance-unnecessary-value-param",
    # Enumerations that many rows hold have a small type; the others may have the usual one.
    "-performance-enum-size",
    # Asio returns the error code that it also sets; our own functions are [[nodiscard]].
    "-bugprone-unused-return-value",
    # Asio's calls with an error code throw nothing, but do not say so; a destructor may use them.
    "-bugprone-exception-escape",
    # An assertion is how a precondition is marked, and the check does not see one.
    "-bugprone-unchecked-optional-access",
    # It takes every data() for a text that ends with a zero.
    "-bugprone-suspicious-stringview-data-usage",
    # asio_definitions.hpp has a class instantiated by asking for its size.
    "-bugprone-sizeof-expression",
]
FINDING = re.compile(r"^[^ ].*:\d+:\d+: (?:warning|error): .*\[[\w.,-]+\]$", re.MULTILINE)


def sources():
    return sorted(str(file.relative_to(ROOT)) for file in (ROOT / "lib").rglob("*.cpp"))


def newest(count):
    """The `count` sources that changed last; all, where the history is cut short before that."""
    log = subprocess.run(["git", "log", "--format=", "--name-only", "--", "lib"], cwd=ROOT,
                         text=True, capture_output=True, check=True).stdout
    there = set(sources())
    return [file for file in dict.fromkeys(log.split()) if file in there][:count]


def tidy(file):
    done = subprocess.run(
        ["clang-tidy-19", "-p", "build/release", "--quiet", f"--checks={','.join(CHECKS)}",
         "--warnings-as-errors=*", "--extra-arg=-Wno-unknown-warning-option", file],
        cwd=ROOT, text=True, capture_output=True, check=False)
    return file, done.returncode, done.stdout, done.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--newest", type=int)
    parser.add_argument("files", nargs="*")
    given = parser.parse_args()
    files = given.files or (newest(given.newest) if given.newest else sources())
    if not files:
        print("no source of lib/ was found")
        return 1
    findings, failed = set(), 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, status, out, err in pool.map(tidy, files):
            found = set(FINDING.findall(out))
            if found - findings:
                print(out)
            elif status != 0 and not found:
                print(f"{file}: clang-tidy-19 failed:\n{err[-2000:]}")
            findings |= found
            failed += status != 0
    print(f"{len(files)} files, {len(findings)} findings, {failed} files failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
