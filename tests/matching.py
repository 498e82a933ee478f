#!/usr/bin/env python3
"""Prints the tests of a build folder that match a word, a line each.

    tests/matching.py BUILD WORD [TARGET...]

A line is NAME|TARGETS|ARGUMENT, with spaces between the targets that the test needs. The word may
be part of the test's name; else, for a doctest program, of a source file's path or of a case's
name. Long tests are left out. TARGET...: only tests that need nothing else.
"""
import json
import os
import re
import subprocess
import sys

CASE = re.compile(r'TEST_CASE[A-Z_]*\(\s*(?:\w+,\s*)?((?:"(?:[^"\\]|\\.)*"\s*)+)')


def introspect(build, what):
    return json.loads(subprocess.check_output(["meson", "introspect", what, build]))


def case_names(source):
    with open(source, encoding="utf-8") as file:
        for match in CASE.finditer(file.read()):
            yield "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1)))


def argument(test, sources, word):
    """The program's argument, or None where nothing of it matches."""
    if word in test["name"]:
        return ""
    cases = [(source, name) for source in sources for name in case_names(source)]
    if any(word in source for source, _ in cases):
        return f"-sf=*{word}*"
    if any(word in name for _, name in cases):
        return f"-tc=*{word}*"
    return None


def main(build, word, only):
    targets = {target["id"]: target for target in introspect(build, "--targets")}
    for test in introspect(build, "--tests"):
        if any(suite.endswith(":long") for suite in test["suite"]):
            continue
        needed = [targets[id] for id in test["depends"]]
        files = [os.path.relpath(target["filename"][0], build) for target in needed]
        if only and not set(files) <= set(only):
            continue
        sources = [source for target in needed if target["filename"][0] == test["cmd"][0]
                   for group in target["target_sources"] for source in group.get("sources", [])]
        given = argument(test, [os.path.relpath(source) for source in sources], word)
        if given is not None:
            print(test["name"], " ".join(files), given, sep="|")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
