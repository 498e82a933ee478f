#!/usr/bin/env python3
"""Draws the pictures of the documents beside it.

    lib/pictures/draw.py           write each NAME.svg anew
    lib/pictures/draw.py --check   compare; the gate `links` does this too

Colours are middle tones, so that a picture reads on white and on dark. A text that is wider than
its box, by an estimate of the font, is refused.
"""

import pathlib
import sys
from xml.sax.saxutils import escape

FOLDER = pathlib.Path(__file__).resolve().parent
GREY, BLUE, GREEN, PURPLE, ORANGE, RED = (  # of lines and texts
    "#768390", "#4184e4", "#2b9a46", "#986ee2", "#c4701a", "#e5534b")
FILLS = {GREY: "#57606a", BLUE: "#1f5fc4", GREEN: "#1a7f37", PURPLE: "#7547c9", ORANGE: "#a84f0b",
         RED: "#bf2c36"}  # of boxes with white texts
SIZE, SMALL = 14, 12
LETTER = 0.58  # of the size, the mean width of a letter


class TooWide(Exception):
    """A text does not fit into its box."""


class Picture:
    """Shapes and texts, and their SVG."""

    def __init__(self, width, height, title):
        self.size, self.title, self.parts = (width, height), title, []

    def text(self, x, y, text, size=SIZE, colour=GREY, anchor="middle", weight=400, room=None):
        if room is not None and len(text) * size * LETTER > room:
            raise TooWide(f"{self.title}: '{text}' takes {len(text) * size * LETTER:.0f}")
        left = {"middle": 0.5, "start": 0, "end": 1}[anchor] * len(text) * size * LETTER
        if x - left < 0 or x - left + len(text) * size * LETTER > self.size[0]:
            raise TooWide(f"{self.title}: '{text}' leaves the picture")
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
            f'text-anchor="{anchor}">{escape(text)}</text>')

    def box(self, x, y, width, height, lines, colour=BLUE, is_hollow=False, dash=""):
        """A box with up to three lines of text; the first is bold."""
        look = (f'fill="none" stroke="{colour}" stroke-width="1.5"' if is_hollow
                else f'fill="{FILLS[colour]}"')
        if dash:
            look += f' stroke-dasharray="{dash}"'
        self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
                          f'rx="6" {look}/>')
        below = y + height / 2 - (len(lines) - 1) * 9 + 5
        for number, line in enumerate(lines):
            self.text(x + width / 2, below + 18 * number, line, SIZE if number == 0 else SMALL,
                      colour if is_hollow else "#ffffff", weight=600 if number == 0 else 400,
                      room=width - 8)

    def line(self, points, colour=GREY, is_arrow=True, dash="", width=1.5):
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        end = f' marker-end="url(#tip-{colour[1:]})"' if is_arrow else ""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          f'stroke-width="{width:g}"{dashed}{end}/>')

    def curve(self, begin, control, end, colour=GREY, dash=""):
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        (a, b), (c, d), (e, f) = begin, control, end
        self.parts.append(f'<path d="M{a:g},{b:g} Q{c:g},{d:g} {e:g},{f:g}" fill="none" '
                          f'stroke="{colour}" stroke-width="1.5"{dashed} '
                          f'marker-end="url(#tip-{colour[1:]})"/>')

    def svg(self):
        width, height = self.size
        tips = "".join(
            f'<marker id="tip-{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{colour}"/>'
            f'</marker>' for colour in (GREY, BLUE, GREEN, PURPLE, ORANGE, RED))
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                f'width="{width}" height="{height}" role="img" '
                f'font-family="Helvetica, Arial, sans-serif">\n'
                f'<title>{escape(self.title)}</title>\n<defs>{tips}</defs>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


# ---- the pictures ------------------------------------------------------------------------------

def house():
    to = Picture(760, 590, "The layers of the library: each box uses boxes below it")
    to.box(20, 15, 720, 46, ["application", "includes include/gossipmonger and nothing else"], GREY,
           is_hollow=True)
    to.line([(240, 61), (240, 80)])
    to.box(20, 82, 440, 48, ["net", "transports, loops that drive the protocol, subscriptions"],
           BLUE)
    to.box(480, 82, 260, 48, ["testing", "simulated cluster of real nodes"], PURPLE)
    to.line([(480, 106), (462, 106)])
    to.line([(240, 130), (240, 145)])
    to.line([(610, 130), (610, 145)])
    to.box(20, 146, 440, 48, ["wire", "messages to datagrams and back; gossip.capnp"], BLUE)
    to.box(480, 146, 260, 48, ["sim", "virtual clock, bad network, checker"], PURPLE)
    to.line([(480, 170), (462, 170)])
    to.line([(110, 194), (110, 239)])
    to.line([(680, 194), (680, 239)])
    to.box(20, 212, 720, 366, [], GREY, is_hollow=True, dash="6 4")
    to.text(390, 231, "core: no I/O, no clock, no coroutine, no random device", SMALL, GREY,
            weight=600)
    to.box(40, 241, 680, 48,
           ["protocol", "the conductor: own_name, outgoing, receiving, rounds over node_parts"],
           GREEN)
    for x, lines in ((40, ["local", "own map, expiry,", "write rate, change reader"]),
                     (272, ["liveness", "phi, freshness,", "probes, suspicions"]),
                     (504, ["exchange", "planner, writers, applier,", "transfers, sending"])):
        to.line([(x + 108, 289), (x + 108, 306)])
        to.box(x, 308, 216, 70, lines, GREEN)
        to.line([(x + 108, 378), (x + 108, 393)])
    for y, lines in ((394, ["membership",
                            "peer table, admission, refusals, address book, partners"]),
                     (456, ["storage", "storage by reference, memory_storage, change list"]),
                     (518, ["model", "digest, delta, message, endpoint, hash, random"])):
        to.box(40, y, 680, 46, lines, GREEN)
        if y < 518:
            to.line([(380, y + 46), (380, y + 61)])
    return to


def exchange(title, height, legs_told, last):
    """Two nodes, and the legs between them: (colour, from A, head, first line, second line)."""
    to = Picture(760, height, title)
    to.box(30, 15, 130, 40, ["node A"], BLUE)
    to.box(600, 15, 130, 40, ["node B"], GREEN)
    to.line([(95, 55), (95, height - 15)], is_arrow=False, dash="4 4")
    to.line([(665, 55), (665, height - 15)], is_arrow=False, dash="4 4")
    for i, (colour, is_from_a, head, first, second) in enumerate(legs_told):
        y = 110 + 110 * i
        ends = [(98, y), (662, y + 14)] if is_from_a else [(662, y), (98, y + 14)]
        to.line(ends, colour, width=2)
        to.text(380, y - 12, head, SIZE, colour, weight=600)
        to.text(380, y + 38, first, SMALL, GREY)
        if second:
            to.text(380, y + 54, second, SMALL, GREY)
    to.text(380, height - 22, last, SMALL, GREY, weight=600)
    return to


def legs():
    return exchange(
        "The three legs of an exchange between two nodes", 420, (
            (BLUE, True, "1  digest leg", "A knows: name hash, generation, max version,",
             "heartbeat of each peer"),
            (GREEN, False, "2  answer leg", "deltas that A lacks, newer heartbeats,",
             "requests for what B lacks"),
            (BLUE, True, "3  delta leg", "deltas that B requested", "")),
        "Each leg carries its sender's entry of the receiver: the echo.")


def sums():
    return exchange(
        "An exchange by sums between two nodes of a large cluster", 530, (
            (BLUE, True, "1  digest leg", "the rows that changed last, 7 others,",
             "and a root: the sum of all rows"),
            (GREEN, False, "2  answer leg",
             "what A lacks of these rows; and if the root is not B's:",
             "sums of 8 to 512 buckets of rows, and B's latest rows"),
            (BLUE, True, "3  delta leg, digest leg", "what one row explains, at once;",
             "the rows of other buckets that differ"),
            (GREEN, False, "4  answer leg", "as to any digest", "")),
        "Where the root is B's too, the exchange ends with leg 2.")


def states():
    to = Picture(820, 430, "The states of a peer, as one node sees it")
    to.box(30, 150, 130, 52, ["new", "identity came"], GREY)
    to.box(300, 150, 150, 52, ["live", "answers, or advances"], GREEN)
    to.box(300, 300, 150, 52, ["suspect", "a flag, no status"], ORANGE, is_hollow=True)
    to.box(600, 150, 170, 52, ["dead", "told of, half a grace"], RED)
    to.box(300, 20, 150, 52, ["left", "final for this run"], BLUE)
    to.box(600, 320, 170, 66, ["forgotten", "named as unwanted;", "its keys are gone"], PURPLE)

    to.line([(160, 176), (298, 176)])
    to.text(229, 166, "direct reply,", SMALL, GREY)
    to.text(229, 196, "or 2 advances", SMALL, GREY)
    to.line([(350, 202), (350, 298)], ORANGE)
    to.text(340, 246, "a probe is not answered,", SMALL, ORANGE, anchor="end")
    to.text(340, 262, "or a suspicion is heard", SMALL, ORANGE, anchor="end")
    to.line([(400, 298), (400, 204)], GREEN)
    to.text(410, 246, "a sign of life", SMALL, GREEN, anchor="start")
    to.text(410, 262, "refutes", SMALL, GREEN, anchor="start")
    to.line([(450, 330), (560, 330), (640, 204)], RED)
    to.text(460, 350, "suspicion_rounds,", SMALL, RED, anchor="start")
    to.text(460, 366, "and it was probed", SMALL, RED, anchor="start")
    to.line([(450, 168), (598, 168)], RED)
    to.text(524, 142, "phi too high;", SMALL, RED)
    to.text(524, 158, "a new peer, too", SMALL, RED)
    to.line([(598, 188), (452, 188)], GREEN)
    to.text(524, 206, "fresh echo from after", SMALL, GREEN)
    to.line([(375, 150), (375, 74)], BLUE)
    to.text(385, 116, "it says so, in any state", SMALL, BLUE, anchor="start")
    to.line([(710, 202), (710, 318)], PURPLE)
    to.text(720, 250, "a grace", SMALL, PURPLE, anchor="start")
    to.text(720, 266, "is over", SMALL, PURPLE, anchor="start")
    to.line([(450, 46), (795, 46), (795, 350), (772, 350)], PURPLE)
    to.text(620, 36, "a grace is over", SMALL, PURPLE)
    to.line([(685, 386), (685, 404), (95, 404), (95, 204)], GREY)
    to.text(350, 422, "a higher generation, or a higher heartbeat", SMALL, GREY)
    to.text(30, 130, "a higher generation", SMALL, GREY, anchor="start")
    to.text(30, 146, "starts here anew", SMALL, GREY, anchor="start")
    return to


def interval():
    to = Picture(760, 330, "The interval (after, upto], and a delta that waits")
    left, step, top = 60, 50, 150

    def at(version):
        return left + step * version

    to.line([(left, top), (at(12) + 40, top)], GREY)
    for version in range(13):
        to.line([(at(version), top - 5), (at(version), top + 5)], is_arrow=False)
        to.text(at(version), top + 22, str(version), SMALL, GREY)
    to.text(at(12) + 40, top - 12, "version", SMALL, GREY)
    to.box(at(0), top - 60, step * 5, 34, ["held: all up to m = 5"], GREEN)
    to.line([(at(5), top - 62), (at(5), top + 4)], GREEN, is_arrow=False, width=2)
    to.box(at(9), top + 42, step * 3, 34, ["delta (9, 12]"], ORANGE, is_hollow=True, dash="5 4")
    to.text(at(9) + step * 1.5, top + 96, "came first: after > m,", SMALL, ORANGE)
    to.text(at(9) + step * 1.5, top + 112, "so it is parked", SMALL, ORANGE)
    to.box(at(5), top + 42, step * 4, 34, ["delta (5, 9]"], BLUE)
    to.text(at(5) + step * 2, top + 96, "after <= m: it is applied,", SMALL, BLUE)
    to.text(at(5) + step * 2, top + 112, "and m becomes 9", SMALL, BLUE)
    to.line([(at(9), top + 130), (at(9), top + 148), (at(10), top + 148)], ORANGE, dash="4 3")
    to.text(at(10) + 8, top + 152, "then this one joins: m = 12", SMALL, ORANGE, anchor="start")
    to.text(left, 30, "One owner, one generation, at one replica", SIZE, GREY, anchor="start",
            weight=600)
    to.text(left, 50, "A delta has every current entry with after < version <= upto.", SMALL, GREY,
            anchor="start")
    return to


def changes():
    to = Picture(760, 300, "One change list with three cursors")
    items = [("3", "a: k1"), ("5", "b live"), ("6", "a: k4"), ("8", "c: k1"), ("9", "d dead"),
             ("11", "a: k2"), ("12", "b: k7"), ("13", "c: k3")]
    left, step, top = 40, 84, 110
    for place, (sequence, what) in enumerate(items):
        colour = RED if what.endswith("dead") else GREEN if what.endswith("live") else BLUE
        to.box(left + step * place, top, step - 10, 44, [what], colour)
        to.text(left + step * place + 37, top - 10, sequence, SMALL, GREY)
    to.text(left, 28, "Entries and statuses in the order of their latest change", SIZE, GREY,
            anchor="start", weight=600)
    hole = left + step * 3 - 5
    to.box(hole - 32, 48, 64, 26, [], GREY, is_hollow=True, dash="4 3")
    to.text(hole, 65, "7 c: k3", SMALL, GREY)
    to.line([(hole, 74), (hole, top - 4)], is_arrow=False, dash="4 3")
    to.curve((hole + 34, 56), (left + step * 6, 24), (left + step * 7 + 37, 86), GREY, dash="4 3")
    to.text(left + step * 5 - 4, 80, "set again: moves to the tail", SMALL, GREY)
    for place, colour, name, first, second in (
            (0, PURPLE, "new reader", "reads all as", "its snapshot"),
            (4, ORANGE, "slow reader", "sees the latest value", "of each key, once"),
            (8, GREEN, "fast reader", "has read all,", "and waits")):
        x = left + step * place - 5
        to.line([(x, top + 92), (x, top + 52)], colour, width=2)
        anchor = {0: "start", 4: "middle", 8: "end"}[place]
        to.text(x + (4 if place == 8 else -4 if place == 0 else 0), top + 110, name, SIZE, colour,
                anchor=anchor, weight=600)
        to.text(x + (4 if place == 8 else -4 if place == 0 else 0), top + 128, first, SMALL, GREY,
                anchor=anchor)
        to.text(x + (4 if place == 8 else -4 if place == 0 else 0), top + 144, second, SMALL, GREY,
                anchor=anchor)
    to.text(380, 284, "A cursor is a number. Nothing is queued or copied for a reader.", SMALL,
            GREY)
    return to


def datagram():
    to = Picture(800, 360, "The layout of a datagram")
    to.text(20, 26, "One datagram, 1200 bytes at most by default", SIZE, GREY, anchor="start",
            weight=600)
    to.box(20, 40, 120, 56, ["header", "24 bytes"], BLUE)
    to.box(140, 40, 400, 56, ["body", "one Cap'n Proto segment: Digest or Reply"], GREEN)
    to.box(540, 40, 120, 56, ["padding", "zero words"], GREY, is_hollow=True)
    to.box(660, 40, 120, 56, ["kept free", "40, for a seal"], GREY, is_hollow=True, dash="5 4")
    to.line([(20, 96), (20, 138)], BLUE, is_arrow=False, dash="3 3")
    to.line([(140, 96), (780, 138)], BLUE, is_arrow=False, dash="3 3")
    fields = [("magic", "1", 66), ("wire", "1", 66), ("kind", "1", 66), ("feat.", "1", 66),
              ("cluster", "4", 96), ("CRC32C", "4", 96), ("cookie echo", "6", 152),
              ("cookie", "6", 152)]
    x = 20
    for name, count, width in fields:
        to.box(x, 140, width, 46, [name, count], BLUE, is_hollow=True)
        x += width
    to.text(20, 212, "wire: highest and lowest version that the sender speaks.  kind: 1 digest, "
            "2 reply, 3 deltas; bit 7: more", SMALL, GREY, anchor="start")
    to.text(20, 246, "Digest (leg 1)", SIZE, GREEN, anchor="start", weight=600)
    for x, width, lines in ((20, 130, ["claim", "lo to hi"]), (150, 150, ["range", "24 each"]),
                            (300, 110, ["extra", "24 each"]), (410, 120, ["unwanted", "24 each"]),
                            (530, 120, ["partials", "24 each"]),
                            (650, 130, ["suspicions", "24 each"])):
        to.box(x, 256, width, 40, lines, GREEN, is_hollow=True)
    to.text(20, 322, "Reply (legs 2 and 3)", SIZE, GREEN, anchor="start", weight=600)
    to.text(200, 322, "sender, receiver; news: heartbeats, requests, identities; deltas in columns",
            SMALL, GREY, anchor="start")
    to.text(20, 346, "Numbers are bytes. lib/wire/gossip.capnp has each bit.", SMALL, GREY,
            anchor="start")
    return to


PICTURES = {"house": house, "legs": legs, "sums": sums, "states": states, "interval": interval,
            "changes": changes, "datagram": datagram}


def main():
    stale = []
    for name, draw in PICTURES.items():
        file, svg = FOLDER / f"{name}.svg", draw().svg()
        if not file.is_file() or file.read_text() != svg:
            stale.append(name)
            if sys.argv[1:] != ["--check"]:
                file.write_text(svg)
    if sys.argv[1:] == ["--check"] and stale:
        print(f"lib/pictures: draw.py draws another {', '.join(stale)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
