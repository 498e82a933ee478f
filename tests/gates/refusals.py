#!/usr/bin/env python3
"""Checks that misuse does not compile, and that the error says why. Misuse is a file that is
compiled otherwise than the library, or a call that g++ 12 would miscompile.

    CXX=clang++-19 tests/gates/refusals.py      (default: g++)
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

import library_build

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = sorted(str(file.relative_to(ROOT / "include"))
                 for file in (ROOT / "include").rglob("*.hpp"))
WAIT = """#include <string>
#include <gossipmonger/gossipmonger.hpp>
using namespace std::chrono_literals;
asio::awaitable<void> wait(gossipmonger::node& node, std::string want) {
  auto named = [want](auto value) { return value == want; };
  std::function<bool(std::string_view)> is_any;
  %s
}
"""
TAKEN = "\n".join(f'(void)co_await node.wait_for("one", "role"{wanted}, 3s);'
                  for wanted in (", named", ", is_any", ", want", ', "leader"', ""))
NAME_IT = "wait_for: name the predicate first"


class Library:
    """The facts of a library's build, and an include folder that says them."""

    def __init__(self, folder, asio, has_debug_containers=False):
        self.folder = pathlib.Path(folder) / f"{asio}-{has_debug_containers}"
        library_build.write(self.folder, asio, has_debug_containers)


def compile_with(library, code, *flags):
    """The compiler's errors about `code`; empty if it compiles."""
    done = subprocess.run(
        [*library_build.compiler(), "-std=c++20", "-fsyntax-only", *library_build.asio_defines(),
         f"-I{ROOT / 'include'}", f"-I{library.folder}", *flags, "-x", "c++", "-"],
        input=code, text=True, capture_output=True, check=False)
    return done.stderr or "failed without a word" if done.returncode != 0 else ""


def cases(folder):
    """(what, said by the compiler in these words, none where it compiles; and its arguments)."""
    here = library_build.asio_version()
    alike = Library(folder, here)
    newer = Library(folder, here + 100)
    debug = Library(folder, here, True)
    for header in HEADERS:
        code = f'#include "{header}"\n'
        yield (f"{header} with other containers",
               ["the library was built without _GLIBCXX_DEBUG", "compiled with it"],
               (alike, code, "-D_GLIBCXX_DEBUG", "-E"))
        yield (f"{header} with plain containers",
               ["the library was built with _GLIBCXX_DEBUG", "compiled without it"],
               (debug, code, "-E"))
    header = '#include "gossipmonger/asio_definitions.hpp"\n'
    yield "the library's Asio", [], (alike, header)
    yield "the library's containers", [], (debug, header, "-D_GLIBCXX_DEBUG")
    yield ("another Asio",
           [f"built with Asio {here + 100}", f"compiled_with_asio<{here}>"], (newer, header))
    for call, said in [
            (TAKEN, []),
            ('(void)co_await node.wait_for("one", "role",'
             ' [want](auto value) { return value == want; }, 3s);', [NAME_IT]),
            ('(void)co_await node.wait_for("one", "role", [](std::string_view) { return true; },'
             ' 3s);', [NAME_IT]),
            ('(void)co_await node.wait_for("one", "role", std::move(named), 3s);', [NAME_IT]),
            ('(void)co_await node.wait_for("one", "role", std::move(is_any), 3s);', [NAME_IT]),
            ('(void)co_await node.wait_for("one", "role", nullptr, 3s);', ["deleted"])]:
        yield call, said, (alike, WAIT % call)


def main():
    failed = total = 0
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [(what, said, pool.submit(compile_with, *arguments))
                for what, said, arguments in cases(folder)]
        for what, said, run in runs:
            total += 1
            errors = run.result()
            if bool(errors) != bool(said) or not all(words in errors for words in said):
                failed += 1
                print(f"{what}: expected {said or 'no error'}, and the compiler says:\n{errors}")
    print(f"{total - failed} of {total} as they should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
