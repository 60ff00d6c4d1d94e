#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How large a picture of 5 000 drawn frames is, beside one <g><title><rect><text> a frame: picture_size.py FLAMECTL"""
import random
import subprocess
import sys
from xml.sax.saxutils import escape

FLAMECTL = sys.argv[1]
WANTED = 5000

random.seed(3)
lines = []


def grow(prefix, width):
    if len(prefix) > 40 or width < 2:
        lines.append(";".join(prefix) + f" {max(1, int(width))}")
        return
    parts = random.choice([1, 1, 2, 3])
    for _ in range(parts):
        name = random.choice(["std::vector<int>::push_back", "handle_request", "parse", "Cache::lookup", "memcpy"])
        grow(prefix + [f"{name}_{random.randrange(900)}"], width / parts * random.uniform(0.6, 1.0))


while True:
    grow(["server"], 3000)
    text = "\n".join(lines) + "\n"
    frames = subprocess.run([FLAMECTL, "render", "-f", "frames"], input=text, text=True, capture_output=True, check=True).stdout
    if frames.count("\n") >= WANTED:
        break

usual = 0
for line in frames.splitlines():
    x, y, width, height, fill, label, title = line.split("\t")
    usual += len(f'<g >\n<title>{escape(title)}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" rx="2" ry="2" />\n'
                 f'<text  x="{float(x) + 3:.2f}" y="{float(y) + 10.5:.1f}" >{escape(label)}</text>\n</g>\n')
for palette in ("kind", "hot"):
    ours = len(subprocess.run([FLAMECTL, "render", "--colors", palette], input=text, text=True, capture_output=True, check=True).stdout.encode())
    print(f"{palette}: {frames.count(chr(10))} frames, usual {usual} bytes, ours {ours} bytes with script and profile: {100 * ours / usual:.0f} %")
