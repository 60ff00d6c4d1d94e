#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often `diff` of two windows calls chance a change, and whether it finds a change that is one.

Prints figures, judges none. A program that does the same all the time is watched at RATE for PAIRS pairs of windows of WINDOW
seconds; each frame above 0.5 % that is not grey in one of their differences is a false alarm. Then a function goes from 10 to
13 % of the CPU and back, CHANGES times, and the windows of 30 s before and after each change, at 99 Hz, are compared: in a
program of two functions, and in one of some thirty.
"""
import math
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import Scene  # noqa: E402

PAIRS = int(os.environ.get("PAIRS", "20"))
WINDOW = float(os.environ.get("WINDOW", "10"))
DUTY = os.environ.get("DUTY", "25")
RATE = os.environ.get("RATE", "199")
CHANGES = int(os.environ.get("CHANGES", "5"))
PLANTED_WINDOW = 30
MIN_PERCENT = 0.5
GREY = "rgb(216,216,216)"
TITLE = re.compile(r"^(?P<name>.*) \((?P<before>[\d.]+)% before, (?P<after>[\d.]+)% after")


def show(what, value):
    print(f"{what:<58} {value}", flush=True)


def frames(scene, pid, base, new):
    """(name, share before, share after, is it called changed) of each drawn frame."""
    windows = [f"@{window[0]:.3f}..@{window[1]:.3f}" for window in (base, new)]
    text = scene.flamectl("diff", pid, "--base", windows[0], "--new", windows[1], "-f", "frames").stdout
    found = []
    for line in text.splitlines():
        *_, fill, _, title = line.split("\t")
        match = TITLE.match(title)
        if match:
            found.append((match["name"], float(match["before"]), float(match["after"]), fill != GREY))
    return found


def count_false_alarms(scene):
    program = scene.workload("steady", DUTY)
    scene.flamectl("attach", program.pid, "-F", RATE)
    scene.wait_buckets(2)
    start = time.time()
    scene.wait_buckets(math.ceil(2 * PAIRS * WINDOW) + 2)
    asked = called = pairs_called = 0
    for i in range(PAIRS):
        at = start + 2 * i * WINDOW
        wide = [frame for frame in frames(scene, program.pid, (at, at + WINDOW), (at + WINDOW, at + 2 * WINDOW))
                if max(frame[1], frame[2]) >= MIN_PERCENT]
        changed = [frame for frame in wide if frame[3]]
        asked += len(wide)
        called += len(changed)
        pairs_called += bool(changed)
        for name, before, after, _ in changed:
            show(f"  called changed in pair {i + 1}", f"{name}: {before} % to {after} %")
    scene.flamectl("detach", program.pid)
    show(f"steady program, {PAIRS} pairs of {WINDOW:g} s at {RATE} Hz",
         f"{called} of {asked} frames above {MIN_PERCENT} % called changed ({100 * called / max(asked, 1):.1f} %), "
         f"in {pairs_called} of {PAIRS} pairs")


def find_planted(scene, *kind):
    program = scene.workload("steady", "100", *kind)
    # Whatever else the machine does must not take its samples.
    os.setpriority(os.PRIO_PROCESS, program.pid, -19)
    scene.flamectl("attach", program.pid)
    edges = []
    for i in range(CHANGES + 1):
        program.send_signal(signal.SIGUSR1 if i % 2 else signal.SIGUSR2)
        scene.wait_buckets(1)  # a bucket belongs to one side
        edges.append(time.time())
        scene.wait_buckets(PLANTED_WINDOW + 1)
    samples = scene.target(program.pid)["samples"]
    show("samples in a window of 30 s, about", f"{samples * PLANTED_WINDOW / (time.time() - edges[0]):.0f}")
    found = others = asked = 0
    for before, after in zip(edges, edges[1:]):
        windows = [(at, at + PLANTED_WINDOW) for at in (before, after)]
        for name, was, now, is_called in frames(scene, program.pid, *windows):
            if name == "planted":
                found += is_called
                show("  planted", f"{was} % to {now} %: {'found' if is_called else 'taken for chance'}")
            elif max(was, now) >= MIN_PERCENT:
                asked += 1
                others += is_called
    scene.flamectl("detach", program.pid)
    name = " ".join(kind) or "thirty functions"
    show(f"10 % to 13 % of the CPU or back, {name}, windows of {PLANTED_WINDOW} s", f"found {found} of {CHANGES} times")
    show("  of the other frames above 0.5 %", f"{others} of {asked} called changed")


def main():
    with Scene() as scene:
        # Nothing may age out: what is waited for is that the history grows.
        scene.flamed("--retention", f"{math.ceil(2 * PAIRS * WINDOW + 3 * CHANGES * PLANTED_WINDOW) + 300}s")
        if PAIRS:
            count_false_alarms(scene)
        if CHANGES:
            find_planted(scene, "simple")
            find_planted(scene)


main()
