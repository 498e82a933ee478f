#!/usr/bin/env python3
"""Draws bench/pictures/*.svg from bench/pictures/figures.json.

    bench/plot.py             draw
    bench/plot.py --measure   measure anew first, some five minutes; needs what bench/run built

The pictures have no background, and take their colours from the reader's scheme, light or dark.
"""

import json
import math
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURES = ROOT / "bench/pictures"
PROGRAMS = ROOT / "build/bench/bench"
FIGURES = PICTURES / "figures.json"

SIZES = (10, 30, 100, 300, 1000)
RATES = (20, 100, 500, 2000, 5000, 10000)

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


def run(*words):
    print(*words, file=sys.stderr)
    return subprocess.run([str(PROGRAMS / words[0]), *map(str, words[1:])], check=True,
                          capture_output=True, text=True, timeout=900).stdout


def measure():
    found = {"detection": [], "scale": [], "latency": []}
    for nodes in SIZES:
        at_once = max(1, min(10, nodes // 10))
        said = run("liveness", "--nodes", nodes, "--loss", 0, "--rounds", 10, "--crashes",
                   10 if nodes >= 1000 else 30, "--at-once", at_once)
        words = said.replace(",", "").replace(";", "").split()
        found["detection"].append({
            "nodes": nodes, "p50": float(words[words.index("median") + 1]),
            "p99": float(words[words.index("p99") + 1]),
            "worst": float(words[words.index("worst") + 1])})
    for sizes, rounds in ((SIZES, 100), ((3000,), 100)):
        for line in run("scale", "--nodes", ",".join(map(str, sizes)), "--rounds",
                        rounds).splitlines()[1:]:
            words = [float(word) for word in line.split()]
            found["scale"].append({"nodes": int(words[0]), "bytes": words[1],
                                   "datagrams": words[2], "p50": words[4], "p99": words[5],
                                   "worst": words[6]})
    for rate in RATES:
        one = json.loads(run("cluster", "--json", "--nodes", 20, "--interval", "100ms",
                             "--seconds", 6, "--rate", rate))
        found["latency"].append({name: one[name] for name in (
            "rate", "p50_ms", "p99_ms", "p999_ms", "delivered_percent", "cores",
            "rounds_percent")})
    PICTURES.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found, indent=1) + "\n")


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
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / name).write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img">\n<style>{STYLE}</style>\n' +
            "\n".join(self.parts) + "\n</svg>\n")


def points(rows, x, y):
    return [(row[x], row[y]) for row in rows]


def draw():
    found = json.loads(FIGURES.read_text())
    rows = found["detection"]
    chart = Chart("A crash is found after", "nodes", "rounds, over all pairs of observer and crash",
                  [row["nodes"] for row in rows], [0, 5, 10, 15, 20, 25])
    chart.lines([("median", points(rows, "nodes", "p50")), ("p99", points(rows, "nodes", "p99"))])
    chart.write("detection.svg")

    rows = found["scale"]
    sizes = [row["nodes"] for row in rows]
    chart = Chart("A write is everywhere after", "nodes", "rounds, fan-out 1", sizes,
                  [0, 5, 10, 15, 20])
    chart.lines([("median", points(rows, "nodes", "p50")), ("p99", points(rows, "nodes", "p99")),
                 ("log2 of nodes", [(size, math.log2(size)) for size in sizes])])
    chart.write("rounds.svg")

    chart = Chart("Membership at rest costs", "nodes", "bytes that a node sends in a round", sizes,
                  [100, 1000, 10000, 100000], is_log=True)
    chart.lines([("bytes", points(rows, "nodes", "bytes"))])
    chart.write("bytes.svg")

    # Where the machine had no time for all rounds, the figures are not those of gossip.
    rows = [row for row in found["latency"] if row["rounds_percent"] > 95]
    chart = Chart("20 nodes on loopback, rounds of 100 ms", "updates a second",
                  "ms from an update to its delivery", [row["rate"] for row in rows],
                  [0, 100, 200, 300, 400, 500, 600])
    chart.lines([("p50", points(rows, "rate", "p50_ms")), ("p99", points(rows, "rate", "p99_ms")),
                 ("p999", points(rows, "rate", "p999_ms"))])
    chart.write("latency.svg")


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--measure"]):
        sys.exit("usage: bench/plot.py [--measure]")
    if sys.argv[1:]:
        measure()
    draw()
