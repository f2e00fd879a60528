"""bench/plot.py draws a line for each kind of figure, with a gap where a size has none.

plot.py PLOT WORKDIR"""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
SIZES = (10000, 100000, 1000000, 10000000)


def run_of(bench, case, **figures):
    return json.dumps({"bench": bench, "cases": [{"name": case, **figures}]})


def main():
    plot, work = sys.argv[1], Path(sys.argv[2])
    work.mkdir(parents=True, exist_ok=True)
    args = []
    for size in SIZES:
        lines = [run_of("full_copy", f"{size} records", copy_s=size / 250000, load_s=size / 125000)]
        if size != 1000000:
            lines += [run_of("commit_rate", "krbrepl, 1 changes", p50_ms=p) for p in (0.4, 0.5, 4.0)]
        path = work / f"{size}.jsonl"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        args.append(f"{size}={path}")
    out = work / "out.svg"
    subprocess.run([sys.executable, "-B", plot, str(out), *reversed(args)], check=True)
    drawn = ET.parse(out).getroot()
    points = sorted(len(line.get("points").split()) for line in drawn.iter(SVG + "polyline"))
    assert points == [1, 2, 4, 4], points
    told = [circle.find(SVG + "title").text for circle in drawn.iter(SVG + "circle")]
    assert told.count("10,000,000: 0.5 ms") == 1, told  # the median
    assert not any(text == "1,000,000: 0.5 ms" for text in told), told
    texts = [text.text for text in drawn.iter(SVG + "text")]
    for size in SIZES:
        assert f"{size:,}" in texts, texts
    refused = subprocess.run([sys.executable, "-B", plot, str(out), args[0]], capture_output=True, text=True)
    assert refused.returncode == 1 and "Two sizes" in refused.stderr, refused


main()
