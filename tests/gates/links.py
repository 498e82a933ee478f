#!/usr/bin/env python3
"""Every relative link of every document leads to a file of the repository, and every #anchor to a
heading there.

    tests/gates/links.py              check the repository
    tests/gates/links.py --self-test  plant each broken link in a copy, and see it refused

Reads text only. Links to other hosts are not opened. An anchor is made of a heading as GitHub makes
it.
"""

import pathlib
import re
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = {"build", ".git", "subprojects", "__pycache__"}
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|"
                  r"<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def without_code(text):
    """The text with fences and code marks blanked; lines keep their numbers."""
    text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return re.sub(r"`[^`\n]*`", lambda found: " " * len(found[0]), text)


def anchors_of(text):
    """The anchors that GitHub gives the headings of a document."""
    seen = {}
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        yield slug if count == 0 else f"{slug}-{count}"
    yield from re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text)


def check_link(root, document, target):
    """Why the link is broken; None if it is not."""
    if SCHEME.match(target):
        return None
    path, _, anchor = urllib.parse.unquote(target).partition("#")
    base = root if path.startswith("/") else document.parent
    file = (base / path.lstrip("/")).resolve() if path else document
    if not file.is_relative_to(root.resolve()):
        return "leads out of the repository"
    if not file.exists():
        return "there is no such file"
    if anchor and file.suffix == ".md" and anchor not in set(anchors_of(file.read_text())):
        return "there is no such heading"
    return None


def documents(root):
    for path in sorted(root.rglob("*.md")):
        parts = path.relative_to(root).parts
        if not any(part in SKIPPED or part.startswith("build-") for part in parts):
            yield path


def check(root):
    """Findings (document, line, target, reason)."""
    for document in documents(root):
        text = without_code(document.read_text())
        for found in LINK.finditer(text):
            target = found[1] or found[2]
            reason = check_link(root, document, target)
            if reason:
                line = text.count("\n", 0, found.start()) + 1
                yield document.relative_to(root), line, target, reason


# A document with the files "a.md" (headings "One" and "Two, `b`: c") and "d/e.svg" beside it, and a
# part of the reason that must be found; None: nothing is wrong.
SAMPLES = [
    ("[a](b.md)", "no such file"),
    ("[a](a.md#three)", "no such heading"),
    ("[a](#nowhere)", "no such heading"),
    ("![a](d/f.svg)", "no such file"),
    ('<img src="d/f.svg" alt="">', "no such file"),
    ("[a `b` c](b.md)", "no such file"),
    ("[![a](d/f.svg)](a.md)", "no such file"),
    ("[a](../../etc/passwd)", "out of the repository"),
    ("| [a](b.md) |", "no such file"),
    ("[a](a.md)", None),
    ("[a](a.md#one) and [a](a.md#two-b-c)", None),
    ("# Here\n\n[a](#here)", None),
    ("# Here\n\n# Here\n\n[a](#here-1)", None),
    ("![a](d/e.svg) [b](d)", None),
    ("[a](https://example.org/b.md) [b](mailto:a@example.org)", None),
    ("`[a](b.md)`", None),
    ("```\n[a](b.md)\n```", None),
]


def self_test():
    missed = []
    for text, expected in SAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "d").mkdir()
            (root / "d/e.svg").touch()
            (root / "a.md").write_text("# One\n\n## Two, `b`: c\n")
            (root / "x.md").write_text(text + "\n")
            found = [reason for _, _, _, reason in check(root)]
        if (expected is None) != (not found) or (expected and expected not in found[0]):
            missed.append(f"{text!r}: found {found}, not {expected!r}")
    return missed


def main():
    if sys.argv[1:] == ["--self-test"]:
        missed = self_test()
        print("\n".join(missed) or f"{len(SAMPLES)} links read as they should be")
        return 1 if missed else 0
    findings = list(check(ROOT))
    for document, line, target, reason in findings:
        print(f"{document}:{line}: ({target}) {reason}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
