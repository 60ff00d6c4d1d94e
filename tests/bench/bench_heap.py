#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching a heap costs the program: phases with and without in turn, in one process, and the median of their ratios.

    bench_heap.py [ROUNDS]

Needs root, and FLAMED, FLAMECTL and FLAME_WORKLOADS as the integration tests do. Beside it what else is installed:
heaptrack, valgrind's massif, and the probes of bpftrace.
"""
import glob
import os
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import harness  # noqa: E402
from heap_programs import heap_tier  # noqa: E402
from stretches import end_tracing, wait_tracing  # noqa: E402

SLICES = 300  # of 20 ms of CPU time, which the workload tells
SETTLE_BUCKETS = 3  # of a second: the tier is found, and its pace
QUIET_UNITS = 360  # of work between two allocations: less than 3000 of them a second
PROBES = """uprobe:libc:malloc /pid == %d/ { @size[tid] = arg0; }
uretprobe:libc:malloc /pid == %d && @size[tid]/ { @live[retval] = @size[tid]; @by[ustack] = sum(@size[tid]); delete(@size[tid]); }
uprobe:libc:free /pid == %d/ { delete(@live[arg0]); }"""


class Pairs:
    """The workload that says all the time how long a pair of malloc and free takes."""

    def __init__(self, scene, units=0, command=(), **options):
        self.process = scene.start(*command, harness.workload("pair_speed"), units, stdout=subprocess.PIPE, **options)

    def nanoseconds(self, slices=SLICES):
        """CPU time of a pair, over the next slices."""
        os.set_blocking(self.process.stdout.fileno(), False)
        while self.process.stdout.read():
            pass
        os.set_blocking(self.process.stdout.fileno(), True)
        self.process.stdout.readline()
        return 1 / statistics.fmean(1 / float(self.process.stdout.readline()) for _ in range(slices))


def system_seconds(pid):
    """CPU time in the kernel and in all: the programs here have no reason to be in the kernel but the probes."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    user, system = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:13])
    return system, user + system


def show(title, without, with_it, ratios, kernel=None):
    low, high = min(ratios), max(ratios)
    more = "" if kernel is None else f"; in the kernel {100 * kernel:+.2f} % of its CPU time"
    print(f"{title:58} {without:12.1f} {with_it:12.1f} {100 * (statistics.median(ratios) - 1):+9.2f} %  ({100 * (low - 1):+.1f} to "
          f"{100 * (high - 1):+.1f}){more}", flush=True)


def compare_attached(scene, title, rounds, units, *options):
    pairs = Pairs(scene, units)
    befores, ratios, withs = [pairs.nanoseconds()], [], []
    pid = pairs.process.pid
    system, everything = system_seconds(pid)
    idle_share, system_with, everything_with = system / everything, 0, 0
    for _ in range(rounds):
        scene.flamectl("attach", pairs.process.pid, "-e", "heap", *options)
        harness.wait_until(lambda: heap_tier(scene, pid) in ("full", "duty"), "it is watched")
        scene.wait_buckets(SETTLE_BUCKETS)
        began = system_seconds(pid)
        withs.append(pairs.nanoseconds())
        ended = system_seconds(pid)
        system_with, everything_with = system_with + ended[0] - began[0], everything_with + ended[1] - began[1]
        compared = scene.counters()["probes.compared"]
        scene.flamectl("detach", pairs.process.pid)
        harness.wait_until(lambda: scene.counters()["probes.compared"] > compared, "the probes are gone")
        befores.append(pairs.nanoseconds())
        ratios.append(withs[-1] / statistics.fmean(befores[-2:]))
    harness.end_process(pairs.process)
    show(title, statistics.median(befores), statistics.median(withs), ratios, system_with / everything_with - idle_share)


def compare_command(scene, title, native, *command, **options):
    other = Pairs(scene, 0, command, **options)
    other.nanoseconds(SLICES // 2)  # it starts
    found = other.nanoseconds(SLICES // 2)
    harness.end_process(other.process)
    show(title, native, found, [found / native])


def compare_others(scene):
    pairs = Pairs(scene)
    native = pairs.nanoseconds()
    bpftrace, valgrind = shutil.which("bpftrace"), shutil.which("valgrind")
    if bpftrace:
        program = PROBES % ((pairs.process.pid,) * 3)
        tracer = scene.start(bpftrace, "-p", pairs.process.pid, "-e", program)
        wait_tracing(tracer, "bpftrace")
        found = pairs.nanoseconds(SLICES // 2)
        end_tracing(tracer, "bpftrace")
        show("bpftrace: size, stack and free of each", native, found, [found / native])
    harness.end_process(pairs.process)
    # Not "**": in /usr/lib are links that lead around in circles.
    found = [path for folder in ("/usr/lib", "/usr/lib/*", "/usr/local/lib") for path in glob.glob(f"{folder}/heaptrack/libheaptrack_preload.so")]
    heaptrack = found[0] if found else None
    if heaptrack:
        compare_command(scene, "heaptrack (preloaded at start)", native,
                        env=dict(os.environ, LD_PRELOAD=heaptrack, DUMP_HEAPTRACK_OUTPUT="/dev/null"))
    if valgrind:
        compare_command(scene, "valgrind --tool=massif (from the start)", native, valgrind, "-q", "--tool=massif",
                        "--massif-out-file=/dev/null", stderr=subprocess.DEVNULL)


def find_leak(scene):
    process = scene.workload("leaky", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    scene.flamectl("attach", process.pid, "-e", "heap")
    process.stdin.write(b"\n")
    process.stdin.flush()
    told = process.stdout.readline().decode().strip()
    old = [(stack["verdict"], stack["frames"][-1][0]) for stack in
           scene.flamectl_json("leaks", process.pid, "--older", "3s")["stacks"] if stack["bytes"]]
    result = scene.flamectl_json("leaks", process.pid, "--older", "0s")
    held = {stack["frames"][-1][0]: stack["bytes"] for stack in result["stacks"]}
    cost = scene.target(process.pid)["overhead_percent"]
    print(f"leak beside cache and churn: told {told}; found {held}, verdicts {old}, tier {result['processes'][0]['tier']}, "
          f"cost {cost:.2f} %", flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{'ns of CPU time a pair':58} {'without':>12} {'with':>12} {'slower by':>11}")
    with harness.Scene() as scene:
        scene.flamed()
        for budget in ("1", "2"):
            compare_attached(scene, f"nothing but malloc and free, budget {budget} %", rounds, 0, "--budget", budget)
        compare_attached(scene, "3000 pairs a second beside work, full tier", rounds, QUIET_UNITS, "--budget", "2")
        compare_others(scene)
        find_leak(scene)


if __name__ == "__main__":
    main()
