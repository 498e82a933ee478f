#!/usr/bin/env python3
"""Fuzzes each target for a while with libFuzzer, from the corpus that the repository keeps.

    tests/fuzz/run.py [--seconds N] [--plain] [--keep] [TARGET...]

Builds with clang 19 in build/fuzz (ASan and UBSan) or, with --plain, in build/fuzz-plain (asserts
only: several times as many executions). Prints a row for each target, and leaves an input that
failed in the build directory. --keep writes new inputs, minimised, to tests/fuzz/corpus.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/fuzz/corpus"
# Longest input: a datagram, a message's choices, a program of steps, a command line.
TARGETS = {"datagram": 1300, "codec": 600, "apply": 1000, "options": 200, "open": 400,
           "keyring": 400}


def build(is_plain):
    name = "fuzz-plain" if is_plain else "fuzz"
    folder = ROOT / "build" / name
    if not (folder / "build.ninja").exists():
        environment = dict(os.environ)
        cache = "ccache " if shutil.which("ccache") else ""
        environment.setdefault("CC", cache + "clang-19")
        environment.setdefault("CXX", cache + "clang++-19")
        arguments = ["'-fsanitize=fuzzer-no-link'"]
        options = ["--buildtype=release", "-Db_ndebug=false"]
        if not is_plain:
            options = ["-Ddebug=true", "-Doptimization=2", "-Db_sanitize=address,undefined"]
            arguments += ["'-fno-sanitize-recover=undefined'", "'-D_GLIBCXX_ASSERTIONS'"]
        subprocess.run(
            ["meson", "setup", str(folder), str(ROOT), *options, "-Db_lundef=false", "--werror",
             "-Ddefault_library=static", "--wrap-mode=nodownload", "-Dtests=enabled",
             "-Dtools=enabled", "-Dbench=disabled", f"-Dcpp_args=[{', '.join(arguments)}]"],
            check=True, env=environment, stdout=subprocess.DEVNULL)
    programs = [f"tests/fuzz/fuzz_{target}" for target in TARGETS]
    subprocess.run(["ninja", "-C", str(folder), *programs], check=True, stdout=subprocess.DEVNULL)
    return folder


def unpack(target, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number, line in enumerate((CORPUS / f"{target}.hex").read_text().split()):
        (folder / f"kept-{number}").write_bytes(bytes.fromhex(line))


def keep(program, target, found):
    """Keeps inputs of `found` that add coverage, as few and as short as libFuzzer makes them."""
    with tempfile.TemporaryDirectory() as few:
        subprocess.run([str(program), "-merge=1", "-use_counters=0", few, str(found)], check=True,
                       stderr=subprocess.DEVNULL)
        inputs = sorted(path.read_bytes() for path in pathlib.Path(few).iterdir())
    lines = [one.hex() for one in inputs if one]
    (CORPUS / f"{target}.hex").write_text("".join(line + "\n" for line in lines))


def commit():
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                           capture_output=True)
    return found.stdout.strip() or "?"


def fuzz(folder, target, seconds):
    """Whether it went well; prints the tally's row."""
    program = folder / "tests/fuzz" / f"fuzz_{target}"
    found = folder / "corpus" / target
    unpack(target, found)
    begin = time.monotonic()
    run = subprocess.run(
        [str(program), f"-max_total_time={seconds}", f"-max_len={TARGETS[target]}", "-timeout=10",
         "-rss_limit_mb=1024", "-print_final_stats=1", f"-artifact_prefix={folder}/{target}-",
         str(found)],
        stderr=subprocess.PIPE, text=True, errors="replace")
    took = time.monotonic() - begin
    count = re.search(r"number_of_executed_units: (\d+)", run.stderr)
    if run.returncode != 0 or not count:
        print(run.stderr[-4000:], file=sys.stderr)
        print(f"{target}: failed", flush=True)
        return False
    print(f"| `{target}` | {int(count[1]):,} | {took:.0f} s | {commit()} |", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--plain", action="store_true", help="without ASan and UBSan")
    parser.add_argument("--keep", action="store_true", help="minimise the corpus and keep it")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET")
    asked = parser.parse_args()
    folder = build(asked.plain)
    failed = 0
    for target in asked.targets or TARGETS:
        failed += not fuzz(folder, target, asked.seconds)
        if asked.keep:
            keep(folder / "tests/fuzz" / f"fuzz_{target}", target, folder / "corpus" / target)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
