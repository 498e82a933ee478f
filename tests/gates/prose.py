#!/usr/bin/env python3
"""Counts, in comments and Markdown, the sentences that a reader has to decode.

    tests/gates/prose.py              hold each part of the tree to its budget
    tests/gates/prose.py --list PART  print the slips of a part, with file and line
    tests/gates/prose.py --self-test  find each kind of slip in samples, and none beside them

A slip is a sentence that begins with a bare relative clause ("What waits here ..."), or one of more
than 30 words. Tables, headings, code and usage texts are no prose. Each item of a list is a
paragraph of its own, and a row of names in code marks counts as one word.
"""

import ast
import io
import pathlib
import re
import signal
import sys
import tokenize

WORDS_MAX = 30
BARE, LONG = "bare relative clause", f"more than {WORDS_MAX} words"

# (bare relative clauses, long sentences) of each part. The numbers only fall: a part that has got
# better fails as well, until its row says so.
BUDGET = {
    "include": (0, 0),
    "configured": (0, 0),
    "core": (0, 0),
    "wire": (0, 0),
    "seal": (0, 0),
    "net": (0, 0),
    "sim": (0, 0),
    "testing": (0, 0),
    "tests": (0, 0),
    "tools": (0, 0),
    "bench": (0, 0),
    "build": (0, 0),
    "documents": (0, 0),
}

TOPS = ["include", "lib", "tests", "tools", "bench", ".ci", ".github"]
FOLDERS = re.compile(r"(include|lib/(?:configured|core|wire|seal|net|sim|testing))/")
CPP, PYTHON, HASH = {".hpp", ".cpp"}, {".py"}, {".build", ".sh", ".capnp", ".cmake", ".options"}
BOUND = re.compile(r"(?:(?:of|in|at|as|by|to|with|from|for|on) (?:who|whom|whose|which|what)|"
                   r"who|whom|whose|whoever|whomever|what|whatever|whichever)\b(?!')",
                   re.IGNORECASE)
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|approx|resp|fig|sec|no|\w)\.)$",
                          re.IGNORECASE)
ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s+")
LABEL = re.compile(r"`?[A-Za-z_][\w, |-]{0,30}`?:\s")
ONE_WORD_LABEL = re.compile(r"`?\w+`?:\s+")
COLUMNS = re.compile(r"\S {2,}\S")
STRING_OR_COMMENT = re.compile(
    r'R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\''
    r"|(?P<line>//[^\n]*)|(?P<block>/\*.*?\*/)", re.DOTALL)


def part_of(path):
    if path.endswith(".md"):
        return "documents"
    folder = FOLDERS.match(path)
    if folder:
        return folder.group(1).removeprefix("lib/")
    top = path.split("/")[0]
    return top if top in ("tests", "tools", "bench") else "build"


# ---- from a file to its lines of prose ---------------------------------------------------------
# Each is (line number, column, whether code stands before it, text).

def cpp_comments(text):
    for match in STRING_OR_COMMENT.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        begin = text.rfind("\n", 0, match.start()) + 1
        column, is_behind = match.start() - begin, not text[begin:match.start()].isspace()
        is_behind &= column > 0
        if match["line"]:
            yield number, column, is_behind, re.sub(r"^///?[!<]? ?", "", match["line"])
        elif match["block"]:
            for i, line in enumerate(match["block"][2:-2].split("\n")):
                yield number + i, column, is_behind and i == 0, re.sub(r"^\s*\*? ?", "", line)


def python_comments(text):
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            is_behind = token.line[:token.start[1]].strip() != ""
            yield *token.start, is_behind, re.sub(r"^# ?", "", token.string)
    for node in ast.walk(ast.parse(text)):
        is_documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if is_documented and ast.get_docstring(node):
            docstring = ast.get_docstring(node, clean=False)
            for i, line in enumerate(docstring.split("\n")):
                margin = node.body[0].col_offset if i > 0 else 0
                yield node.body[0].lineno + i, -1, False, re.sub(f"^ {{,{margin}}}", "", line)


def hash_comments(text):
    for number, line in enumerate(text.split("\n"), 1):
        match = re.search(r"(?:^|\s)(#(?: .*|))$", line)
        before = line[:match.start(1)] if match else ""
        if match and before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            yield number, match.start(1), before.strip() != "", match[1][2:]


def markdown_lines(text):
    """Its lines, but for code, tables and headings, in whose place an empty line stands."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        line = re.sub(r"^\s*>\s?", "", line)
        is_fence = line.lstrip().startswith("```")
        is_prose = not (fenced or is_fence or line.lstrip().startswith(("|", "#")))
        yield number, 0, False, line.strip() if is_prose else ""
        fenced ^= is_fence


def prose_lines(path, text):
    suffix = re.sub(r"\.in$", "", path)
    suffix = suffix[suffix.rfind("."):] if "." in suffix.split("/")[-1] else ""
    if suffix == ".md":
        return markdown_lines(text)
    if suffix in CPP:
        return cpp_comments(text)
    if suffix in PYTHON:
        return python_comments(text)
    is_script = suffix == "" and re.match(r"#!.*\b(?:sh|bash)\b", text)
    if suffix in HASH or is_script or path.endswith(("CMakeLists.txt", "meson_options.txt")):
        return hash_comments(text)
    if suffix == "" and re.match(r"#!.*\bpython", text):
        return python_comments(text)
    return []


# ---- from lines to sentences ------------------------------------------------------------------

def paragraphs(lines):
    """Lists of (line number, text): what stands together, each item and each label apart."""
    run, last, in_code = [], (0, 0), False
    for number, column, is_behind, text in lines:
        stripped = text.strip()
        follows = number == last[0] + 1 and column == last[1] and not is_behind
        last = (number, column)
        indent = len(text) - len(text.lstrip())
        in_code = stripped != "" and indent >= 4 and (in_code or not follows or not run)
        starts = not follows or ITEM.match(stripped) or COLUMNS.search(stripped) or (
            indent >= 2 and LABEL.match(stripped))
        if (starts or in_code or not stripped) and run:
            yield run
            run = []
        if stripped and not in_code and not re.match(r"[-=#*]{3,}", stripped):
            run.append((number, ITEM.sub("", stripped, count=1) if starts else stripped))
    if run:
        yield run


def plain(text):
    """The text with code, links and addresses as one word each."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "`", text)
    text = re.sub(r"https?://\S*[^\s.,;:)]", "`", text)
    text = re.sub(r"`(?:,? (?:(?:and|or) )?`)+", "`", text)
    return text.replace("*", "")


def sentences(paragraph):
    """Pairs of a line number, where it begins, and a sentence."""
    text, starts = "", []
    for number, line in paragraph:
        starts.append((len(text), number))
        text += line + " "
    begin = 0
    # No sentence ends within code marks.
    masked = re.sub(r"`[^`]*`", lambda span: "`" + "x" * (len(span[0]) - 2) + "`", text)
    ends = [match.end() for match in re.finditer(r"[.!?]['\")*]*\s+|[:;]\s+(?=[A-Z*])", masked)
            if masked[match.end():match.end() + 1].isupper()
            or not ABBREVIATION.search(masked[:match.start() + 1])]
    for end in [*ends, len(text)]:
        sentence = text[begin:end]
        at = begin + len(sentence) - len(sentence.lstrip())
        if sentence.strip():
            yield max(s for s in starts if s[0] <= at)[1], plain(sentence).strip()
        begin = end


def slip_of(sentence):
    words = [word for word in sentence.split() if re.search(r"[\w`]", word)]
    head = ONE_WORD_LABEL.sub("", sentence, count=1)
    for start in {sentence, head}:
        if BOUND.match(start) and len(words) > 2 and not sentence.endswith(("?", '?"', "?)")):
            return BARE
    return LONG if len(words) > WORDS_MAX else None


def slips_of(path, text):
    for paragraph in paragraphs(prose_lines(path, text)):
        for number, sentence in sentences(paragraph):
            kind = slip_of(sentence)
            if kind:
                yield number, kind, sentence


def files(root):
    for path in sorted(root.iterdir()):
        if path.is_file():
            yield path
    for top in TOPS:
        yield from sorted(path for path in (root / top).rglob("*")
                          if path.is_file() and "__pycache__" not in path.parts)


def all_slips(root):
    for file in files(root):
        path = str(file.relative_to(root))
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for number, kind, sentence in slips_of(path, text):
            yield part_of(path), path, number, kind, sentence


# ---- the self-test ----------------------------------------------------------------------------

NUMBERS, HALF = " ".join(["word"] * 31), " ".join(["word"] * 16)
SAMPLES = [  # a file, its text, and the kinds of slip that are found there
    ("a.hpp", "/// What waits for the budget.\nint a;\n", [BARE]),
    ("a.hpp", "int a;  ///< who is asked next\n", [BARE]),
    ("a.hpp", "/* Whoever hears of it looks. */\n", [BARE]),
    ("a.hpp", "// A peer is asked. Of whom nothing is known, nothing is told.\n", [BARE]),
    ("a.hpp", "// A peer is asked, by\n// what it said. As what it is shown follows.\n", [BARE]),
    ("a.hpp", "///   errors: whatever the storage said\n", [BARE]),
    ("a.hpp", f"// {NUMBERS}\n", [LONG]),
    ("a.hpp", "// " + NUMBERS.replace(" ", "\n// ") + "\n", [LONG]),
    ("a.cpp", f'auto s = R"(// {NUMBERS})"; // What is it all for.\n', [BARE]),
    ("a.py", f'"""{NUMBERS}"""\n# Who asks it first.\n', [LONG, BARE]),
    ("meson.build", "x = 1 # whom it may concern\n", [BARE]),
    ("a.sh", f"echo # {NUMBERS}\n", [LONG]),
    ("a/run", f"#!/usr/bin/env bash\n# {NUMBERS}\n", [LONG]),
    ("a.md", "- **What it costs.** Little.\n", [BARE]),
    ("a.md", f"> One. {NUMBERS}\n> Who asks is told.\n", [LONG]),
    ("a.md", "Some `a`. `b` follows. What is left goes.\n", [BARE]),
    ("a.md", f"- a\n- {NUMBERS}\n", [LONG]),
    # And neighbours, which are none.
    ("a.hpp", "/// A peer that waits for the budget, and what it wrote.\n", []),
    ("a.hpp", "// What is it for?\n", []),
    ("a.hpp", "std::string what_it_is; // what\n", []),
    ("a.hpp", "int whatever(int who, int of_whom);  // 1'000 of them, 'who' knows\n", []),
    ("a.hpp", f'auto text = "// {NUMBERS}";\n', []),
    ("a.hpp", f"///   shape: {HALF}\n///   errors: {HALF}\n", []),
    ("a.hpp", "// " + HALF + ".\n// `a_b` " + HALF + "\n", []),
    ("a.hpp", f"// {HALF}\n\n// {HALF}\n", []),
    ("a.hpp", f"int a;  // {HALF}\nint b;  // no run of its own\n// {HALF}\n", []),
    ("a.hpp", f"int a;  // {HALF}\nint b;  // {HALF}\n", []),
    ("a.hpp", f"// 0  u8  {HALF}\n// 1  u8  {HALF}\n", []),
    ("a.py", f'"""Say:\n\n    what {NUMBERS}\n    who\n"""\nx = "# {NUMBERS}"\n', []),
    ("a.sh", f"echo '# {NUMBERS}' ${{#x}} $# \"# who is this\"\n", []),
    ("a.md", f"# What it is good for {NUMBERS}\n\n| what it does | {NUMBERS} |\n", []),
    ("a.md", f"```\n\nwhat is this {NUMBERS}\n\n```\n", []),
    ("a.md", "- " + "\n- ".join([HALF] * 5) + "\n", []),
    ("a.md", "1. " + "\n2. ".join([HALF] * 5) + "\n", []),
    ("a.md", "Names are " + ", ".join(["`a`"] * 40) + " and `b`.\n", []),
    ("a.md", f"`{NUMBERS}` and [a](https://example.org/{'a/' * 40}) https://a.b/c?d.\n", []),
]


def self_test():
    missed = []
    for path, text, expected in SAMPLES:
        found = [kind for _, kind, _ in slips_of(path, text)]
        if sorted(found) != sorted(expected):
            missed.append(f"{path}: {text!r}: found {found}, not {expected}")
    held = [("above", {"a": (0, 0)}, {"a": [1, 0]}), ("lower the budget to 0", {"a": (1, 0)}, {}),
            ("no row", {}, {"a": [0, 1]})]
    for reason, budget, counts in held:
        if not any(reason in line for line in verdicts(counts, budget)):
            missed.append(f"{counts} under {budget}: not refused with the words '{reason}'")
    if list(verdicts({"a": [1, 2]}, {"a": (1, 2)})):
        missed.append("a part within its budget is refused")
    return missed


def verdicts(counts, budget):
    for part in sorted(counts.keys() - budget.keys()):
        yield f"{part}: has no row in BUDGET of tests/gates/prose.py"
    for part, row in budget.items():
        for kind, allowed, count in zip((BARE, LONG), row, counts.get(part, (0, 0))):
            if count > allowed:
                yield (f"{part}: {count} sentences with {kind}, above the budget of {allowed}: see "
                       f"tests/gates/prose.py --list {part}")
            elif count < allowed:
                yield f"{part}: {count} sentences with {kind}: lower the budget to {count}"


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    if sys.argv[1:] == ["--self-test"]:
        missed = self_test()
        print("\n".join(missed) or f"{len(SAMPLES)} samples read as they should be")
        return 1 if missed else 0
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `--list PART | head` is quiet
    if len(sys.argv) == 3 and sys.argv[1] == "--list" and sys.argv[2] in BUDGET:
        for part, path, number, kind, sentence in all_slips(root):
            if part == sys.argv[2]:
                print(f"{path}:{number}: {kind}: {sentence}")
        return 0
    if sys.argv[1:]:
        print(f"prose.py: --self-test, or --list with one of: {' '.join(BUDGET)}")
        return 2
    counts = {}
    for part, _, _, kind, _ in all_slips(root):
        counts.setdefault(part, [0, 0])[kind == LONG] += 1
    refused = list(verdicts(counts, BUDGET))
    print("\n".join(refused))
    for part in BUDGET:
        print("{}: {} bare, {} long".format(part, *counts.get(part, (0, 0))))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
