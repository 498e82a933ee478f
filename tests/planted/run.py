#!/usr/bin/env python3
"""Shows that the simulator finds mistakes: puts one defect after the other into the library.

    tests/planted/run.py [--build DIR] [--seeds N] [--jobs N] [NAME...]
    tests/planted/run.py --self-test   a patch that is wrong or that nobody notices fails

Each defects/NAME.patch is one sentence that names the mistake, and a diff of one source of lib/.
The diff is applied to a copy in DIR/planted/NAME. The copy is compiled with the build's own flags
and linked in front of the library. The program gossip_sim that comes of it has to find a failure
within N seeds (200). Without a patch it has to find none in 20. The simulator runs no sealed nodes:
a defect of lib/seal has to fail a test of tests/seal/seal_test. Prints a table; exit status 1
where a patch does not apply or compile, or where a defect is not found.

Each endured/NAME.patch is a weakness that the protocol has to make up for, so no seed may fail. Its
runs must differ from those without it, else it would show nothing.

A hunk applies only where all its lines stand, and they must stand at one place: no fuzz.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFECTS = ROOT / "tests/planted/defects"
ENDURED = ROOT / "tests/planted/endured"
PROGRAM = "tools/gossip_sim"
SEAL_TEST = "tests/seal/seal_test"
SEEDS_WITHOUT_DEFECT = 20
SEEDS_COMPARED = 40  # a third of them exchange sums
COMPILE_SECONDS_MAX = 600
RUN_SECONDS_MAX = 900  # 200 seeds take five on an idle machine
HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")
FAILED_TEST = re.compile(r"^TEST CASE:  (.+)$", re.MULTILINE)
FOUND = re.compile(r"^seed (\d+): (.+?) at \d+ ms: (.*)$", re.MULTILINE)
ROW = "{:22} {:>5}  {:18} {}"


class Refused(Exception):
    """Why a defect could not be tried."""


class Patch:
    """A file of defects/ or endured/: a sentence, the one source that it changes, and the hunks."""

    def __init__(self, path):
        self.name = path.stem
        text = path.read_text()
        head, mark, diff = text.partition("--- a/")
        words = [line for line in head.splitlines() if not re.match(r"diff --git |index ", line)]
        self.sentence = " ".join(" ".join(words).split())
        if not mark or not re.fullmatch(r"[^.]+\.", self.sentence):
            raise Refused("begins with no sentence, or holds no diff")
        lines = diff.splitlines()
        self.source = lines[0]
        if lines[1] != f"+++ b/{self.source}" or "\n--- " in diff:
            raise Refused("changes more than one file")
        if not re.fullmatch(r"lib/[\w/]+\.cpp", self.source):
            raise Refused(f"changes {self.source}, which is no source of lib/")
        if not (ROOT / self.source).is_file():
            raise Refused(f"does not apply: {self.source} is gone")
        self.hunks = [hunk.splitlines() for hunk in HUNK.split("\n".join(lines[2:]))[1:]]

    def applied_to(self, text):
        """The source with the mistake in it."""
        for hunk in self.hunks:
            body = hunk[1:]
            if any(line[:1] not in " +-" for line in body):
                raise Refused("holds a line that is no line of a diff")
            before = "".join(line[1:] + "\n" for line in body if line[:1] != "+")
            after = "".join(line[1:] + "\n" for line in body if line[:1] != "-")
            places = ("\n" + text).count("\n" + before)
            if places != 1:
                raise Refused(f"does not apply: {places} places in {self.source} match\n{before}")
            text = ("\n" + text).replace("\n" + before, "\n" + after)[1:]
        return text


os.environ.setdefault("CCACHE_NOHASHDIR", "1")  # objects of one clone serve the others


def run(command, folder, seconds):
    """Its exit status and output. One that takes longer is ended, with the processes it began."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", start_new_session=True) as begun:
        try:
            out, errors = begun.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(begun.pid, signal.SIGKILL)
            raise Refused(f"not done in {seconds} s: {shlex.join(command)[:200]}") from None
    return subprocess.CompletedProcess(command, begun.returncode, out, errors)


class Build:
    """A configured build folder, whose programs are up to date."""

    def __init__(self, folder, programs):
        self.folder = folder
        made = run(["ninja", "-C", str(folder), *programs], ROOT, 3600)
        if made.returncode != 0:
            raise Refused(f"{folder}: {', '.join(programs)} cannot be built:\n"
                          f"{made.stdout[-3000:]}")
        listed = json.loads((folder / "compile_commands.json").read_text())
        self.commands = {}
        for one in listed:
            source = os.path.normpath(os.path.join(one["directory"], one["file"]))
            if one["output"].startswith("lib/"):
                self.commands.setdefault(source, one)
        self.links = {}
        for program in programs:
            linked = run(["ninja", "-C", str(folder), "-t", "commands", "-s", program], ROOT, 60)
            self.links[program] = shlex.split(linked.stdout.strip().splitlines()[-1])

    def compile(self, source, copy, made):
        """Like `source`, but at -O1 and without warnings: a mistake may leave a name unused."""
        one = self.commands.get(str(ROOT / source))
        if one is None:
            raise Refused(f"{source} is not compiled in {self.folder}")
        words = shlex.split(one["command"])
        wanted, options = [], iter(words)
        for word in options:
            if word in ("-o", "-MF", "-MQ", "-c"):
                next(options)
            elif word not in ("-MD", "-MMD", "-Werror"):
                wanted.append(word)
        # The copy sees the headers that lie beside the source.
        wanted += ["-w", "-O1", "-iquote", str((ROOT / source).parent), "-c", str(copy), "-o",
                   str(made)]
        done = run(wanted, self.folder, COMPILE_SECONDS_MAX)
        if done.returncode != 0:
            raise Refused(f"{source} does not compile with it:\n{done.stderr[-3000:]}")

    def link_with(self, made, like, program):
        """The library's own object stays in its archive: its symbols are there already."""
        words = list(self.links[like])
        at = words.index("-o")
        words[at:at + 2] = [str(made), "-o", str(program)]
        done = run(words, self.folder, COMPILE_SECONDS_MAX)
        if done.returncode != 0:
            raise Refused(f"does not link:\n{done.stderr[-3000:]}")


def first_failure(program, seeds):
    """(seed, rule, text) of the first seed that fails, or None."""
    done = run([str(program), "--seeds", f"1..{seeds}", "--stop"], program.parent, RUN_SECONDS_MAX)
    found = FOUND.search(done.stderr)
    if (found is not None) != (done.returncode == 1) or done.returncode not in (0, 1):
        raise Refused(f"exit status {done.returncode}:\n{done.stderr[-3000:]}")
    return found.groups() if found else None


def first_failed_test(program):
    """("-", "seal_test", name) of the first test that fails, or None."""
    done = run([str(program)], program.parent, RUN_SECONDS_MAX)
    found = FAILED_TEST.search(done.stdout)
    if (found is not None) != (done.returncode != 0):
        raise Refused(f"exit status {done.returncode}:\n{done.stdout[-3000:]}")
    return ("-", "seal_test", found.group(1)) if found else None


def program_for(source):
    return SEAL_TEST if source.startswith("lib/seal/") else PROGRAM


def hashes(program):
    """Of the runs of some seeds, none of which fails."""
    done = run([str(program), "--seeds", f"1..{SEEDS_COMPARED}", "--hashes"], program.parent,
               RUN_SECONDS_MAX)
    if done.returncode != 0:
        raise Refused(f"exit status {done.returncode}:\n{done.stderr[-3000:]}")
    return re.findall(r"^\d+ [0-9a-f]{16}$", done.stdout, re.MULTILINE)


def try_patch(build, path, seeds):
    """A row of the table, and whether the patch did as its folder says."""
    name = path.stem
    is_endured = path.parent.name == ENDURED.name
    try:
        patch = Patch(path)
        folder = build.folder / "planted" / name
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / pathlib.Path(patch.source).name
        copy.write_text(patch.applied_to((ROOT / patch.source).read_text()))
        like = program_for(patch.source)
        made, program = copy.with_suffix(".o"), folder / pathlib.Path(like).name
        build.compile(patch.source, copy, made)
        build.link_with(made, like, program)
        found = first_failed_test(program) if like == SEAL_TEST else first_failure(program, seeds)
        is_compared = is_endured and found is None
        if is_compared and hashes(program) == hashes(build.folder / PROGRAM):
            raise Refused(f"changes nothing in {SEEDS_COMPARED} seeds")
        program.unlink()
    except Refused as why:
        return f"{path.name}: {why}", False
    if found is None:
        said = f"endured for {seeds} seeds" if is_endured else "nothing found"
        return ROW.format(name, "-", "", said), is_endured
    return ROW.format(name, found[0], found[1], found[2][:60]), not is_endured


def try_none(build):
    found = first_failure(build.folder / PROGRAM, SEEDS_WITHOUT_DEFECT)
    if found is None:
        return ROW.format("(none)", "-", "", "nothing found, as it has to be"), True
    return ROW.format("(none)", *found), False


def try_all(build, paths, seeds, jobs):
    """How many were not found."""
    print(ROW.format("defect", "seeds", "found by", "what it says first"), flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        tries = [pool.submit(try_none, build)]
        tries += [pool.submit(try_patch, build, path, seeds) for path in paths]
        for one in tries:
            row, is_good = one.result()
            print(row.rstrip(), flush=True)
            failed += not is_good
    print(f"{len(paths)} patches, {failed} failed")
    return failed


# Each is a patch that must fail, and a part of what is said about it.
SAMPLE = "lib/core/model/random.cpp"
HEAD = (f"A mistake.\n\ndiff --git a/{SAMPLE} b/{SAMPLE}\nindex 0123..4567 100644\n"
        f"--- a/{SAMPLE}\n+++ b/{SAMPLE}\n@@ -1,1 +1,1 @@\n")
WRONG = {
    "moved": (HEAD + "-a line that is not there\n+another\n", "0 places"),
    "anywhere": (HEAD + "-\n+\n", "places in"),
    "nameless": (HEAD.partition("\n\n")[2], "no sentence"),
    "gone": (HEAD.replace("random", "gone"), "gone.cpp is gone"),
    "headers": (HEAD.replace(".cpp", ".hpp"), "no source of lib/"),
    "several": (HEAD + "--- a/lib/wire/codec.cpp\n+++ b/lib/wire/codec.cpp\n",
                "more than one file"),
    "garbled": (HEAD + "-#include <bit>\n+this is no C++\n", "does not compile"),
    "harmless": (HEAD + " #include <bit>\n+// nothing is wrong\n", "nothing found"),
}


def self_test(build):
    """Patches that fail one by one; returns what was not refused."""
    missed = []

    def expect_refused(path, text, reason, seeds):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        row, is_good = try_patch(build, path, seeds)
        if is_good or reason not in row or path.stem not in row:
            missed.append(f"{path.stem}: {row}")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for wrong, (text, reason) in WRONG.items():
            expect_refused(folder / f"{wrong}.patch", text, reason, 2)
        endured = folder / ENDURED.name
        expect_refused(endured / "idle.patch", WRONG["harmless"][0], "changes nothing", 2)
        defect = (DEFECTS / "gap_applied.patch").read_text()
        expect_refused(endured / "deadly.patch", defect, "I2 prefix", 20)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--seeds", type=int, default=200,
                        help="within which a defect is found, and a weakness endured")
    parser.add_argument("--jobs", type=int, default=2, help="defects at a time")
    parser.add_argument("--third", metavar="COMMIT", help="try a third, picked by its hash")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME")
    asked = parser.parse_args()
    try:
        if asked.self_test:
            build = Build(asked.build.resolve(), [PROGRAM])
            missed = self_test(build)
            print("\n".join(missed) or f"{len(WRONG) + 2} patches refused")
            return 1 if missed else 0
        every = sorted(DEFECTS.glob("*.patch")) + sorted(ENDURED.glob("*.patch"))
        unknown = set(asked.names) - {path.stem for path in every}
        if unknown:
            raise Refused(f"no such patch: {', '.join(sorted(unknown))}")
        paths = [path for path in every if not asked.names or path.stem in asked.names]
        if asked.third:
            for path in every:  # all of them still apply
                patch = Patch(path)
                patch.applied_to((ROOT / patch.source).read_text())
            paths = paths[int(asked.third[:8], 16) % 3::3]
        is_sealed = any("\n--- a/lib/seal/" in path.read_text() for path in paths)
        build = Build(asked.build.resolve(), [PROGRAM] + [SEAL_TEST] * is_sealed)
        return 1 if try_all(build, paths, asked.seeds, asked.jobs) else 0
    except Refused as why:
        print(f"tests/planted/run.py: {why}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
