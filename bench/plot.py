#!/usr/bin/env python3
"""Draws bench/pictures/*.svg from bench/pictures/figures.json, and prints the slopes.

    bench/plot.py                    draw
    bench/plot.py --measure          measure all anew first, some five minutes
    bench/plot.py --measure NAME...  measure these alone: detection, scale, latency, exchange, idle,
                                     memory

Needs the folder that bench/run built in. A slope is that of bench/run, works.py says how. The
pictures have no background, and take their colours from the reader's scheme, light or dark.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench"))

import works  # noqa: E402

PICTURES = ROOT / "bench/pictures"
BUILD = ROOT / "build/bench"
PROGRAMS = BUILD / "bench"
FIGURES = PICTURES / "figures.json"

SIZES = (10, 30, 100, 300, 1000)
RATES = (20, 100, 500, 2000, 5000, 10000)
TURNS = 3  # of CPU time: the figures are medians

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 56, 50

# Readable on white and on black without help; a reader that tells its scheme gets more contrast.
STYLE = """
text { font: 13px sans-serif; fill: #6e7781; }
.title { font-size: 15px; font-weight: bold; }
.small { font-size: 12px; }
.grid { stroke: #8c959f; stroke-opacity: 0.35; stroke-width: 1; }
.axis { stroke: #6e7781; stroke-width: 1; }
.line { fill: none; stroke-width: 2.5; }
.s0 { stroke: #2f81f7; } .f0 { fill: #2f81f7; }
.s1 { stroke: #d4691a; } .f1 { fill: #d4691a; }
.s2 { stroke: #2da44e; } .f2 { fill: #2da44e; }
@media (prefers-color-scheme: light) { text { fill: #24292f; } }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } }
"""


# ---- measuring: a function for each series, that returns its rows ----------------------------

def run(*words):
    print(*words, file=sys.stderr)
    return subprocess.run([str(PROGRAMS / words[0]), *map(str, words[1:])], check=True,
                          capture_output=True, text=True, timeout=900).stdout


def google(program, pattern, seconds):
    """Runs benchmarks as bench/run does."""
    def say(text, **_):
        print(text, file=sys.stderr)

    return works.Bench(PROGRAMS, None, None, False, say).google(program, pattern, seconds)


def detection():
    rows = []
    for nodes in SIZES:
        at_once = max(1, min(10, nodes // 10))
        said = run("liveness", "--nodes", nodes, "--loss", 0, "--rounds", 10, "--crashes",
                   10 if nodes >= 1000 else 30, "--at-once", at_once)
        words = said.replace(",", "").replace(";", "").split()
        rows.append({"nodes": nodes, "p50": float(words[words.index("median") + 1]),
                     "p99": float(words[words.index("p99") + 1]),
                     "worst": float(words[words.index("worst") + 1])})
    return rows


def scale():
    rows = []
    for sizes in (SIZES, (3000,)):
        rows += works.scale_table(run("scale", "--nodes", ",".join(map(str, sizes)), "--rounds",
                                      100))
    return rows


def latency():
    rows = []
    for rate in RATES:
        one = json.loads(run("cluster", "--json", "--nodes", 20, "--interval", "100ms",
                             "--seconds", 6, "--rate", rate))
        rows.append({name: one[name] for name in (
            "rate", "p50_ms", "p99_ms", "p999_ms", "delivered_percent", "cores",
            "rounds_percent")})
    return rows


def rows_of_medians(turns, x, y, factor):
    """`turns`: the points (x, y) of each turn, at the same places."""
    return [{x: points[0][0], y: round(statistics.median(value for _, value in points) * factor, 3)}
            for points in zip(*turns)]


def exchange():
    turns = [works.ten_fresh_seconds(google("reconcile_bench", works.TEN_FRESH, 0.2))
             for _ in range(TURNS)]
    return rows_of_medians(turns, "keys", "us", 1e6)


def idle():
    turns = [works.idle_exchange_seconds(google("reconcile_bench", works.IDLE_EXCHANGES, 0.2))
             for _ in range(TURNS)]
    return rows_of_medians(turns, "peers", "us", 1e6)


def memory():
    return rows_of_medians([works.bytes_of_keys(google("storage_bench", works.MEMORY_OF_KEYS,
                                                       0.01))], "keys", "mb", 1e-6)


SERIES = {  # name: its program, and the function that measures it
    "detection": ("liveness", detection),
    "scale": ("scale", scale),
    "latency": ("cluster", latency),
    "exchange": ("reconcile_bench", exchange),
    "idle": ("reconcile_bench", idle),
    "memory": ("storage_bench", memory),
}


def measure(names):
    if not (BUILD / "build.ninja").exists():
        sys.exit("bench/plot.py: build/bench is not set up: call bench/run --quick first")
    subprocess.run(["ninja", "-C", BUILD, *sorted({f"bench/{SERIES[name][0]}" for name in names})],
                   check=True, stdout=sys.stderr)
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name in names:
        try:
            found[name] = SERIES[name][1]()
        except works.Failed as error:
            sys.exit(f"bench/plot.py: {error}")
        # At once: a program that fails later takes no series with it.
        FIGURES.write_text(json.dumps(found, indent=1) + "\n")


# ---- drawing --------------------------------------------------------------------------------

def plain(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


class Chart:
    """One picture: x is logarithmic, y linear from 0 or logarithmic."""

    def __init__(self, title, x_title, y_title, xs, y_ticks, is_log=False):
        self.parts, self.xs, self.y_ticks, self.is_log = [], xs, y_ticks, is_log
        self.add(f'<text class="title" x="{LEFT}" y="20">{title}</text>')
        self.add(f'<text class="small" x="{LEFT}" y="42">{y_title}</text>')
        self.add(f'<text class="small" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" '
                 f'text-anchor="middle">{x_title}</text>')
        for tick in y_ticks:
            y = self.y(tick)
            self.add(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            self.add(f'<text class="small" x="{LEFT - 8}" y="{y + 4}" '
                     f'text-anchor="end">{plain(tick)}</text>')
        bottom = HEIGHT - BOTTOM
        self.add(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" '
                 f'y2="{bottom}"/>')
        for tick in xs:
            x = self.x(tick)
            self.add(f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}"/>')
            self.add(f'<text class="small" x="{x}" y="{bottom + 19}" '
                     f'text-anchor="middle">{plain(tick)}</text>')

    def add(self, part):
        self.parts.append(part)

    def x(self, value):
        low, high = math.log(self.xs[0]), math.log(self.xs[-1])
        part = (math.log(value) - low) / (high - low)
        return round(LEFT + 10 + part * (WIDTH - RIGHT - LEFT - 20), 1)

    def y(self, value):
        low, high = self.y_ticks[0], self.y_ticks[-1]
        if self.is_log:
            part = math.log(value / low) / math.log(high / low)
        else:
            part = (value - low) / (high - low)
        return round(HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP), 1)

    def lines(self, series):
        """`series`: (name, points) each, its name beside its last point, kept apart."""
        labels = sorted(((self.y(points[-1][1]), number, points[-1][0], name)
                         for number, (name, points) in enumerate(series)))
        for number, (_, points) in enumerate(series):
            path = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)
            self.add(f'<polyline class="line s{number}" points="{path}"/>')
            for x, y in points:
                self.add(self.mark(number, self.x(x), self.y(y)))
        below = -math.inf
        for y, number, x, name in labels:
            y = max(y, below + 16)
            below = y
            self.add(f'<text x="{self.x(x) + 12}" '
                     f'y="{y + 4}"><tspan class="f{number}">{name}</tspan></text>')

    @staticmethod
    def mark(number, x, y):
        if number == 0:
            return f'<circle class="f0" cx="{x}" cy="{y}" r="4"/>'
        if number == 1:
            return f'<rect class="f1" x="{x - 4}" y="{y - 4}" width="8" height="8"/>'
        return f'<path class="f2" d="M{x - 5} {y + 4}L{x + 5} {y + 4}L{x} {y - 5}Z"/>'

    def write(self, name):
        (PICTURES / name).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img">\n<style>{STYLE}</style>\n' +
            "\n".join(self.parts) + "\n</svg>\n")


def points(rows, x, y):
    return [(row[x], row[y]) for row in rows]


def powers_of_ten(values):
    """The ticks of a logarithmic axis around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10**power for power in range(low, max(high, low + 1) + 1)]


def slope_of(picture, line):
    """The slope of a line, as text; prints it with the name of the picture."""
    text = f"slope {works.slope(line):.2f}"
    print(f"{picture}: {text}, from {plain(line[0][0])} to {plain(line[-1][0])}")
    return text


def draw_detection(rows):
    chart = Chart("A crash is found after", "nodes", "rounds, over all pairs of observer and crash",
                  [row["nodes"] for row in rows], [0, 5, 10, 15, 20, 25])
    chart.lines([("median", points(rows, "nodes", "p50")), ("p99", points(rows, "nodes", "p99"))])
    chart.write("detection.svg")


def draw_scale(rows):
    sizes = [row["nodes"] for row in rows]
    line = points(rows, "nodes", "p99")
    chart = Chart("A write is everywhere after", "nodes",
                  "rounds, fan-out 1; p99: " + slope_of("rounds.svg", line), sizes,
                  [0, 5, 10, 15, 20])
    chart.lines([("median", points(rows, "nodes", "p50")), ("p99", line),
                 ("log2 of nodes", [(size, math.log2(size)) for size in sizes])])
    chart.write("rounds.svg")

    line = points(rows, "nodes", "bytes")
    chart = Chart("Membership at rest costs", "nodes",
                  "bytes that a node sends in a round: " + slope_of("bytes.svg", line), sizes,
                  [100, 1000, 10000, 100000], is_log=True)
    chart.lines([("bytes", line)])
    chart.write("bytes.svg")

    line = points(rows, "nodes", "datagrams")
    chart = Chart("Membership at rest takes", "nodes",
                  "datagrams that a node sends in a round: " + slope_of("datagrams.svg", line),
                  sizes, [0, 1, 2, 3, 4])
    chart.lines([("datagrams", line)])
    chart.write("datagrams.svg")


def draw_latency(rows):
    # Where the machine had no time for all rounds, the figures are not those of gossip.
    rows = [row for row in rows if row["rounds_percent"] > 95]
    chart = Chart("20 nodes on loopback, rounds of 100 ms", "updates a second",
                  "ms from an update to its delivery", [row["rate"] for row in rows],
                  [0, 100, 200, 300, 400, 500, 600])
    chart.lines([("p50", points(rows, "rate", "p50_ms")), ("p99", points(rows, "rate", "p99_ms")),
                 ("p999", points(rows, "rate", "p999_ms"))])
    chart.write("latency.svg")


def draw_law(picture, title, caption, name, line, x_title):
    """One line, logarithmic both ways: its slope is that of the drawing."""
    chart = Chart(title, x_title, f"{caption}: {slope_of(picture, line)}", [x for x, _ in line],
                  powers_of_ten([y for _, y in line]), is_log=True)
    chart.lines([(name, line)])
    chart.write(picture)


def draw_exchange(rows):
    draw_law("exchange.svg", "An exchange of 10 fresh keys takes", "&#181;s of CPU for both nodes",
             "10 fresh keys", points(rows, "keys", "us"), "keys of the writer")


def draw_idle(rows):
    draw_law("idle.svg", "An exchange without news takes", "&#181;s of CPU for both nodes",
             "idle exchange", points(rows, "peers", "us"), "peers that both know")


def draw_memory(rows):
    draw_law("memory.svg", "Keys of 20 + 50 bytes hold", "MB of memory", "memory",
             points(rows, "keys", "mb"), "keys")


DRAWN = {  # series: the function that draws it, and its pictures
    "detection": (draw_detection, ["detection.svg"]),
    "scale": (draw_scale, ["rounds.svg", "bytes.svg", "datagrams.svg"]),
    "latency": (draw_latency, ["latency.svg"]),
    "exchange": (draw_exchange, ["exchange.svg"]),
    "idle": (draw_idle, ["idle.svg"]),
    "memory": (draw_memory, ["memory.svg"]),
}


def draw_missing(picture, series):
    """In the place of a picture: what has to be done for it."""
    (PICTURES / picture).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 40" width="{WIDTH}" '
        f'height="40" role="img">\n<style>{STYLE}</style>\n<text x="{LEFT}" y="25">{picture}: not '
        f'measured, call bench/plot.py --measure {series}</text>\n</svg>\n')


def draw():
    """Draws what figures.json holds. Returns the pictures that it has no series for."""
    found = json.loads(FIGURES.read_text())
    missing = []
    for series, (draw_series, pictures) in DRAWN.items():
        if series in found:
            draw_series(found[series])
        else:
            missing += pictures
            for picture in pictures:
                draw_missing(picture, series)
            print(f"{', '.join(pictures)}: not measured, call bench/plot.py --measure {series}")
    return missing


def main():
    parser = argparse.ArgumentParser(prog="bench/plot.py", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", nargs="*", metavar="NAME", choices=[*SERIES],
                        help="measure these series anew, or all: " + ", ".join(SERIES))
    chosen = parser.parse_args()
    if chosen.measure is not None:
        measure(chosen.measure or list(SERIES))
    return 1 if draw() else 0


if __name__ == "__main__":
    sys.exit(main())
