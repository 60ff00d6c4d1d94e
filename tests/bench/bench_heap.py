#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching a heap costs: runs with and without, in turn, and ratios of their medians.

    bench_heap.py [ROUNDS]

Needs root, and FLAMED, FLAMECTL and FLAME_WORKLOADS as the integration tests do.
"""
import glob
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import harness  # noqa: E402

SECONDS = 8
CHURN_BYTES = 500


def allocations(scene, rate, *attach, preload=""):
    """(allocations in a CPU second, CPU seconds of the program) of one run: what else runs here does not count."""
    environment = dict(os.environ, LD_PRELOAD=preload, DUMP_HEAPTRACK_OUTPUT="/dev/null")
    process = scene.workload("allocations", rate, "wait", stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    if attach:
        scene.flamectl("attach", process.pid, "-e", "heap", *attach)
    process.stdin.write(b"\n")
    process.stdin.flush()
    time.sleep(SECONDS)
    process.stdin.write(b"\n")
    process.stdin.flush()
    words = process.stdout.readline().split()
    used = harness.cpu_seconds(process.pid)
    if attach:
        scene.flamectl("detach", process.pid)
    harness.end_process(process)
    return int(words[5]) / CHURN_BYTES / max(used, 0.01), used


def compare(scene, title, rounds, rate, measure, with_options, preload=""):
    without, with_it = [], []
    for _ in range(rounds):
        without.append(allocations(scene, rate)[measure])
        with_it.append(allocations(scene, rate, *with_options, preload=preload)[measure])
    ratio = statistics.median(with_it) / statistics.median(without)
    print(f"{title:60} {statistics.median(without):14.3f} {statistics.median(with_it):14.3f} {ratio:7.4f}", flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{'':60} {'without':>14} {'with':>14} {'ratio':>7}")
    with harness.Scene() as scene:
        scene.flamed()
        for budget in ("1", "2"):
            compare(scene, f"allocations/CPU s, as many as can be, budget {budget} %", rounds, 0, 0, ("--budget", budget))
        compare(scene, "CPU seconds, 3000 allocations/s, full tier", rounds, 3000, 1, ("--budget", "1"))
        heaptrack = next(iter(glob.glob("/usr/lib/**/libheaptrack_preload.so", recursive=True)), None)
        if heaptrack:
            compare(scene, "allocations/CPU s, as many as can be, heaptrack", rounds, 0, 0, (), preload=heaptrack)


main()
