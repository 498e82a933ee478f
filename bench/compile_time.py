#!/usr/bin/env python3
"""Measures how much longer a file compiles that includes gossipmonger.hpp than its Asio headers.

    CXX=g++ bench/compile_time.py [RUNS]      (default: 9)

Compiles two files by turns, each with one function: one includes gossipmonger.hpp, the other the
Asio headers that the public headers name. Prints the processor time of each, and their ratio.
"""

import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/gates"))
import library_build  # noqa: E402

FLAGS = ["-std=c++20", "-O2", "-c", "-x", "c++", "-", "-o", "/dev/null"]
USE = "int main() { return 0; }\n"
INCLUDE = re.compile(r'#include ["<]([^">]+)[">]')


def seen_from(header, seen):
    """The Asio headers that a public header names, by itself or by another public one."""
    if header in seen:
        return
    seen.add(header)
    file = ROOT / "include" / header
    if not file.is_file():
        return
    for found in INCLUDE.finditer(file.read_text()):
        seen_from(found.group(1), seen)


def seconds(source, configured):
    """Processor time of one compilation."""
    def spent():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    subprocess.run([*library_build.compiler(), *library_build.asio_defines(),
                    f"-I{ROOT / 'include'}", f"-I{configured}", *FLAGS],
                   input=source, text=True, check=True)
    return spent() - before


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    seen = set()
    seen_from("gossipmonger/gossipmonger.hpp", seen)
    asio = sorted(one for one in seen if one.startswith("asio/"))
    ours = "#include <gossipmonger/gossipmonger.hpp>\n" + USE
    theirs = "".join(f"#include <{one}>\n" for one in asio) + USE
    with tempfile.TemporaryDirectory() as folder:
        library_build.write(folder, library_build.asio_version())
        pairs = [(seconds(ours, folder), seconds(theirs, folder)) for _ in range(runs)]
    for name, times in (("gossipmonger.hpp", [one for one, _ in pairs]),
                        (f"its {len(asio)} Asio headers", [one for _, one in pairs])):
        print(f"{name}: median {statistics.median(times):.2f} s of processor time, "
              f"{min(times):.2f} to {max(times):.2f}")
    ratios = [one / other for one, other in pairs]
    print(f"ratio: median {statistics.median(ratios):.2f}, "
          f"{min(ratios):.2f} to {max(ratios):.2f}, {runs} runs by turns")


if __name__ == "__main__":
    main()
