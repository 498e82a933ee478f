#!/usr/bin/env python3
"""Refuses the shapes of `co_await` statements that g++ 12 miscompiles (double free), with
clang-query-19: a temporary lambda with captures, a temporary aggregate, `?:`, an initializer list.

    tests/gates/coroutine_shapes.py              check the repository
    tests/gates/coroutine_shapes.py --self-test  find all of bad_shapes.cpp, and nothing else there

Only shapes in the same full expression as `co_await` are looked at: to name a lambda first, and
move it in, is the cure.
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
GATES = pathlib.Path(__file__).resolve().parent
FOLDERS = ("lib", "tests", "bench", "tools")

# Both in one full expression of one function: the body of a lambda inside it is another's.
FULL_EXPRESSION = """exprWithCleanups(
    forCallable(decl().bind("function")),
    hasDescendant(coawaitExpr(forCallable(equalsBoundNode("function")))),
    hasDescendant({shape}))"""
SHAPES = {
    "a temporary lambda with captures, or a temporary aggregate":
        'cxxBindTemporaryExpr(has(expr(anyOf(lambdaExpr(), initListExpr()))), '
        'forCallable(equalsBoundNode("function")))',
    "an initializer list":
        'cxxStdInitializerListExpr(forCallable(equalsBoundNode("function")))',
    "a `?:`":
        'conditionalOperator(forCallable(equalsBoundNode("function")))',
}
FOUND = re.compile(r'^(/[^:\n]+):(\d+):\d+: note: "root" binds here$', re.MULTILINE)


def flags(configured):
    return ["-std=c++20", "-w", f"-I{ROOT / 'include'}", f"-I{ROOT / 'lib'}",
            f"-I{configured}",
            *library_build.asio_defines()]


def query(file, configured):
    """Findings {(path, line, shape)} in what the translation unit `file` sees of the repository,
    and an error or None."""
    command = ["clang-query-19"]
    for shape in SHAPES.values():
        text = FULL_EXPRESSION.format(shape=shape)
        command += ["-c", f"match {' '.join(text.split())}"]
    done = subprocess.run([*command, str(file), "--", *flags(configured), f"-I{file.parent}"],
                          text=True, capture_output=True, check=False)
    # Each query's answer ends with its count.
    answers = re.split(r"^(?:\d+ match(?:es)?\.)$", done.stdout, flags=re.MULTILINE)
    if done.returncode != 0 or len(answers) != len(SHAPES) + 1 or "error:" in done.stderr:
        return set(), f"{file}: clang-query-19 failed:\n{done.stderr}{done.stdout[-2000:]}"
    found = set()
    for shape, answer in zip(SHAPES, answers):
        for path, line in FOUND.findall(answer):
            if pathlib.Path(path).is_relative_to(ROOT):
                found.add((str(pathlib.Path(path).relative_to(ROOT)), int(line), shape))
    return found, None


def units():
    """Translation units with coroutines of their own, or that instantiate those of a header."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.cpp")):
            if file.name != "bad_shapes.cpp" and re.search(
                    r"\bco_(?:await|return|yield)\b|^template class|gossipmonger/testing/",
                    file.read_text(), re.MULTILINE):
                yield file


def self_test(configured):
    file = GATES / "bad_shapes.cpp"
    wanted = {number for number, line in enumerate(file.read_text().splitlines(), 1)
              if line.endswith("// BAD")}
    found, error = query(file, configured)
    if error:
        print(error)
        return 1
    lines = {line for _, line, _ in found}
    for number in sorted(wanted - lines):
        print(f"bad_shapes.cpp:{number}: not found")
    for number in sorted(lines - wanted):
        print(f"bad_shapes.cpp:{number}: found, but harmless")
    unseen = set(SHAPES) - {shape for _, _, shape in found}
    for shape in sorted(unseen):
        print(f"bad_shapes.cpp: nothing shows {shape}")
    print(f"{len(wanted & lines)} of {len(wanted)} planted shapes found")
    return 0 if wanted == lines and not unseen else 1


def check(configured):
    files = list(units())
    findings, failed = set(), False
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found, error in pool.map(lambda file: query(file, configured), files):
            findings |= found
            if error:
                failed = True
                print(error)
    for path, line, shape in sorted(findings):
        print(f"{path}:{line}: {shape} in a statement with co_await: name it first, then move it")
    print(f"{len(files)} files looked through")
    return 1 if findings or failed else 0


def main():
    with tempfile.TemporaryDirectory() as configured:
        library_build.write(configured, library_build.asio_version())
        return (self_test if sys.argv[1:] == ["--self-test"] else check)(configured)


if __name__ == "__main__":
    sys.exit(main())
