#!/usr/bin/env python3
"""Draws what things cost as the database grows, as SVG.

    bench/plot.py OUT.svg RECORDS=FILE...

Each FILE holds what `bench/run --json` printed at that number of records, one benchmark a line; of several lines of
one benchmark the median is taken. Both axes are logarithmic. Where a file lacks a figure its line has a gap."""
import json
import math
import statistics
import sys
from xml.sax.saxutils import escape

# What is drawn: benchmark, beginning of the case, value, factor to milliseconds, label.
LINES = (
    ("full_copy", "", "copy_s", 1000, "full copy to a new replica"),
    ("full_copy", "", "load_s", 1000, "load into the master"),
    ("repair", "10 differ, trees warm", "ms", 1, "repair of 10 records"),
    ("commit_rate", "krbrepl, 1 ", "p50_ms", 1, "durable commit of 1 change"),
    ("commit_rate", "lmdb, 1 ", "p50_ms", 1, "the same by LMDB alone"),
)
COLORS = ("#1f5fa8", "#8a8a8a", "#b5471b", "#2b7a3f", "#9a7fb8")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 70, 220, 30, 50


def values(path):
    """{line: median} of one file."""
    found = {}
    with open(path, encoding="utf-8") as lines:
        for text in filter(str.strip, lines):
            run = json.loads(text)
            for i, (bench, case, name, factor, _) in enumerate(LINES):
                for c in run["cases"]:
                    if run["bench"] == bench and c["name"].startswith(case) and name in c:
                        found.setdefault(i, []).append(c[name] * factor)
    return {i: statistics.median(v) for i, v in found.items()}


def words(ms):
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:.3g} ms"


def pieces(line, sizes):
    """The line, cut where a size between two of its points has no figure."""
    piece = []
    for x in sizes:
        at = [p for p in line if p[0] == x]
        if at:
            piece += at
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def draw(points, sizes):
    """points: {line: [(records, ms)]}; sizes: all that were measured, in order"""
    xs = [math.log10(x) for x in sizes]
    ys = [math.log10(y) for p in points.values() for _, y in p]
    low = math.floor(min(ys))
    high = max(math.ceil(max(ys)), low + 1)

    def at_x(x):
        return LEFT + (math.log10(x) - min(xs)) / (max(xs) - min(xs)) * (WIDTH - LEFT - RIGHT)

    def at_y(y):
        return HEIGHT - BOTTOM - (math.log10(y) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def text(x, y, what, anchor="start", color="#333"):
        return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">'
                f"{escape(what)}</text>")

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for decade in range(low, high + 1):
        y = at_y(10**decade)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        out.append(text(LEFT - 8, y + 4, words(10.0**decade), "end"))
    for x in sizes:
        out.append(f'<path d="M{at_x(x):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>')
        out.append(text(at_x(x), HEIGHT - BOTTOM + 18, f"{x:,}", "middle"))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "records of 600 bytes", "middle"))
    for i, line in sorted(points.items()):
        for piece in pieces(line, sizes):
            path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in piece)
            out.append(f'<polyline points="{path}" fill="none" stroke="{COLORS[i]}" stroke-width="2"/>')
        for x, y in line:
            out.append(f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{COLORS[i]}">'
                       f"<title>{x:,}: {words(y)}</title></circle>")
    below = 0.0
    for i, line in sorted(points.items(), key=lambda p: at_y(p[1][-1][1])):
        below = max(at_y(line[-1][1]) + 4, below + 15)  # names do not lie on each other
        out.append(text(WIDTH - RIGHT + 8, below, LINES[i][4], color=COLORS[i]))
    return "\n".join(out + ["</svg>", ""])


def main():
    files = sorted((int(n), p) for n, p in (a.split("=", 1) for a in sys.argv[2:] if "=" in a))
    sizes = sorted({n for n, _ in files})
    if len(files) != len(sys.argv[2:]) or len(sizes) < 2:
        sys.exit(f"{__doc__}\n\nTwo sizes are the least that can be drawn.")
    points = {}
    for records, path in files:
        for i, ms in values(path).items():
            points.setdefault(i, []).append((records, ms))
    if not points:
        sys.exit("the files hold nothing that is drawn")
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(draw(points, sizes))


main()
