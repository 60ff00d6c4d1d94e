#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the running daemon costs and how well it counts: `meson test -C build --benchmark --verbose`.

Prints figures, judges none: they depend on the machine and on what else it does. SECONDS is the length of each measurement, in
CPU time of the program that is looked at.
"""
import os
import resource
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import FLAMECTL, Scene, proc_status, pss_kib, share_of, wait_until  # noqa: E402
from stretches import exact_cpu_seconds, wait_computed  # noqa: E402

SECONDS = float(os.environ.get("SECONDS", "10"))
CPUS = os.cpu_count() or 1
SHARE_SAMPLES = 5000


def show(what, value, goal=""):
    print(f"{what:<64} {value:>22}   {goal}", flush=True)


def measure_cpu(daemon, program):
    """Share of one CPU that the daemon uses while a program computes, in percent."""
    before, began = exact_cpu_seconds(daemon.pids()), time.monotonic()
    wait_computed(program, SECONDS)
    return 100 * (exact_cpu_seconds(daemon.pids()) - before) / (time.monotonic() - began)


def kernel_share(daemon, program):
    """The same of the sampling programs in the kernel, from the kernel's own statistics; None when it keeps none."""
    switch = "/proc/sys/kernel/bpf_stats_enabled"
    try:
        with open(switch, "r+", encoding="utf-8") as file:
            before = file.read().strip()
            file.seek(0)
            file.write("1")
    except OSError:
        return None
    try:
        first, began = run_time(daemon), time.monotonic()
        wait_computed(program, SECONDS)
        return 100 * (run_time(daemon) - first) / 1e9 / (time.monotonic() - began)
    finally:
        with open(switch, "w", encoding="utf-8") as file:
            file.write(before)


def run_time(daemon):
    """Nanoseconds that the kernel programs of a daemon ran, from the descriptors' fdinfo."""
    total, seen = 0, set()
    for pid in daemon.pids():
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            try:
                with open(f"/proc/{pid}/fdinfo/{name}", encoding="utf-8") as file:
                    fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
            except OSError:
                continue
            if "run_time_ns" in fields and fields["prog_id"] not in seen:
                seen.add(fields["prog_id"])
                total += int(fields["run_time_ns"])
    return total


def show_cost(daemon, program, what, goal):
    show(f"CPU of flamed's processes, {what} (% of one CPU)", f"{measure_cpu(daemon, program):.2f}", goal)
    share = kernel_share(daemon, program)
    show(f"  and of its programs in the kernel, {what}", "not kept" if share is None else f"{share:.2f}")


def bench_shares(scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, SHARE_SAMPLES)
    rows = scene.folded(program.pid)
    for name, truth in (("compute_hot", 70), ("compute_medium", 20), ("compute_cold", 10)):
        show(f"share of {name} in {SHARE_SAMPLES} samples (%)", f"{share_of(rows, name):.2f}", f"{truth} +- 3")


def bench_dump(scene):
    daemon = scene.flamed()
    program = scene.workload("many_stacks", 40000)
    scene.attach(program, "-F", "4999")
    wait_until(lambda: len(scene.profile(last_ms=30000)["rows"]) >= 10000 if scene.target(program.pid)["samples"] > 10000 else False,
               "10 000 distinct stacks", timeout=60)
    times, rows = [], 0
    scene.flamectl("stop", program.pid)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(15):
        began = time.monotonic()
        done = scene.flamectl("dump", "--last", "30s")
        times.append(1000 * (time.monotonic() - began))
        rows = len(done.stdout.splitlines())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    show(f"flamectl dump --last 30s, {rows} stacks (ms wall, median of 15)", f"{statistics.median(times):.1f}", "< 50 at 10 000")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    show("  of which CPU time of the client, mean", f"{1000 * cpu / 15:.1f}")
    times = []
    for _ in range(15):
        began = time.monotonic()
        daemon.request("dump", last_ms=30000)
        times.append(1000 * (time.monotonic() - began))
    show("  of which the daemon's answer", f"{statistics.median(times):.1f}")
    times = []
    for _ in range(15):
        began = time.monotonic()
        scene.run(FLAMECTL, "--version")
        times.append(1000 * (time.monotonic() - began))
    show("  and the start of a process", f"{statistics.median(times):.1f}")


def bench_cost(scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program)
    scene.wait_samples(program.pid, 50)
    show_cost(daemon, program, "one busy target at 99 Hz", "< 0.3")
    scene.flamectl("attach", "--all")
    scene.wait_samples(None, 50)
    show_cost(daemon, program, "the whole host at 99 Hz", "< 1")
    pids = daemon.pids()
    for pid in pids:
        show(f"memory of {proc_status(pid)['Name']} (PSS, MB)", f"{pss_kib(pid) / 1000:.1f}")
    show("memory of all processes (PSS, MB)", f"{sum(pss_kib(pid) for pid in pids) / 1000:.1f}", "< 60")


def bench_losses(scene):
    daemon = scene.flamed()
    programs = [scene.workload("sample_program") for _ in range(CPUS)]
    for program in programs:
        scene.attach(program, "-F", "999")
    wait_computed(programs[0], SECONDS)
    samples = daemon.request("status")["samples"]
    lost = sum(samples["lost"].values())
    show(f"samples lost at 999 Hz, {CPUS} busy CPUs, of {samples['taken']} taken", str(lost), "0")
    show("taken - kept - lost", str(samples["taken"] - samples["kept"] - lost), "0")


def main():
    for bench in (bench_shares, bench_dump, bench_cost, bench_losses):
        with Scene() as scene:
            bench(scene)


main()
