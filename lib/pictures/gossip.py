#!/usr/bin/env python3
"""Writes the picture of README.md, for light and for dark pages: gossip-light.svg, gossip-dark.svg.

Five nodes; each keeps the maps of all, a chip for each owner. A new value of `a` is on its way.
"""

import pathlib

PAGES = {
    "light": {"ink": "#1f2328", "soft": "#59636e", "card": "#f6f8fa", "line": "#8c959f",
              "chips": ["#0969da", "#1a7f37", "#9a6700", "#8250df"], "dead": "#cf222e"},
    "dark": {"ink": "#f0f6fc", "soft": "#9198a1", "card": "#151b23", "line": "#656c76",
             "chips": ["#4493f8", "#3fb950", "#d29922", "#ab7df8"], "dead": "#f85149"},
}
SANS = "font-family='DejaVu Sans, Verdana, Helvetica, sans-serif'"
MONO = "font-family='DejaVu Sans Mono, Menlo, Consolas, monospace'"
WIDTH, HEIGHT, CARD_WIDTH, CARD_HEIGHT = 800, 310, 164, 84
# name, left, top, the key that it publishes, and the owners whose new values it holds
CARDS = [("a", 20, 112, "role=leader", "abcd"), ("b", 206, 20, "zone=eu", "abcd"),
         ("c", 392, 112, "load=0.31", "abcd"), ("d", 624, 20, "shards=1,4", "bcd")]


def chip(page, owner, x, y, is_held=True):
    colour = page["chips"]["abcd".index(owner)]
    if not is_held:
        return (f"<rect x='{x}' y='{y}' width='24' height='20' rx='5' fill='none' "
                f"stroke='{page['line']}' stroke-dasharray='3 3'/>")
    return (f"<rect x='{x}' y='{y}' width='24' height='20' rx='5' fill='{colour}'/>"
            f"<text x='{x + 12}' y='{y + 15}' text-anchor='middle' font-size='13' {MONO} "
            f"font-weight='bold' fill='#ffffff'>{owner}</text>")


def card(page, name, x, y, key, held):
    colour = page["chips"]["abcd".index(name)]
    parts = [f"<rect x='{x}' y='{y}' width='{CARD_WIDTH}' height='{CARD_HEIGHT}' rx='10' "
             f"fill='{page['card']}' stroke='{colour}' stroke-width='1.6'/>",
             f"<text x='{x + 14}' y='{y + 30}' font-size='15' {MONO} fill='{page['ink']}'>"
             f"<tspan font-weight='bold' fill='{colour}'>{name}</tspan> {key}</text>"]
    for i, owner in enumerate("abcd"):
        parts.append(chip(page, owner, x + 14 + 32 * i, y + 48, owner in held))
    return parts


def arrow(page, x1, y1, x2, y2):
    return (f"<path d='M{x1} {y1} L{x2} {y2}' stroke='{page['line']}' stroke-width='1.6' "
            "marker-end='url(#tip)' marker-start='url(#tip)'/>")


def picture(page):
    parts = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' "
             f"width='{WIDTH}' height='{HEIGHT}' role='img' aria-label='Five nodes. Each publishes "
             "keys of its own, and holds those of all others. One has crashed.'>",
             "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
             "markerHeight='7' orient='auto-start-reverse'>"
             f"<path d='M0 0 L8 4 L0 8 z' fill='{page['line']}'/></marker></defs>"]
    for ends in [(140, 108, 202, 72), (374, 72, 436, 108), (188, 154, 388, 154),
                 (560, 138, 640, 108)]:
        parts.append(arrow(page, *ends))
    parts.append(f"<path d='M560 178 L620 216' stroke='{page['line']}' stroke-width='1.4' "
                 "stroke-dasharray='4 4'/>")
    for one in CARDS:
        parts += card(page, *one)
    parts.append(chip(page, "a", 588, 113))
    parts.append(f"<text x='662' y='132' font-size='12' {SANS} fill='{page['soft']}'>"
                 "d lacks this one</text>")
    parts.append(f"<rect x='624' y='180' width='{CARD_WIDTH}' height='{CARD_HEIGHT}' rx='10' "
                 f"fill='none' stroke='{page['dead']}' stroke-width='1.6' stroke-dasharray='5 4'/>")
    parts.append(f"<text x='638' y='210' font-size='15' {MONO} fill='{page['soft']}'>"
                 f"<tspan font-weight='bold' fill='{page['dead']}'>e</tspan> crashed</text>")
    parts.append(f"<text x='638' y='242' font-size='12' {SANS} fill='{page['soft']}'>"
                 "others see: peer_dead</text>")
    lines = ["Each node writes its own map, and comes to hold all others.",
             "Each round it meets a peer over UDP, and each takes what it lacks."]
    for i, line in enumerate(lines):
        parts.append(f"<text x='20' y='{262 + 24 * i}' font-size='15' {SANS} "
                     f"fill='{page['ink']}'>{line}</text>")
    return "\n".join([*parts, "</svg>", ""])


for kind, colours in PAGES.items():
    path = pathlib.Path(__file__).with_name(f"gossip-{kind}.svg")
    path.write_text(picture(colours))
