#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching switches and page faults costs, and how well known sleeps are told.

Prints figures, judges none. Slowdowns are ratios of interleaved runs: ROUNDS pairs of SECONDS each, without and with the
event, the same daemon running all the time; the median of the pairs and their quartiles are shown. SLEEPS is the number of
windows in which known sleeps are compared with the printed interval.
"""
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import Scene, cpu_seconds, wait_until  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "8"))
SECONDS = float(os.environ.get("SECONDS", "2"))
SLEEPS = int(os.environ.get("SLEEPS", "100"))


def show(what, value, goal=""):
    print(f"{what:<66} {value:>30}   {goal}", flush=True)


def spread(ratios):
    percents = sorted(100 * (ratio - 1) for ratio in ratios)
    if len(percents) < 2:
        return f"{percents[0]:+.1f} %"
    low, middle, high = statistics.quantiles(percents, n=4)
    return f"{middle:+.1f} % ({low:+.1f} .. {high:+.1f})"


def interleave(measure, switch_on, switch_off):
    """Ratios of what measure() gives with and without, of neighbouring runs."""
    ratios = []
    for _ in range(ROUNDS):
        switch_off()
        without = measure()
        switch_on()
        ratios.append(measure() / without)
    switch_off()
    return ratios


# ---- redis -----------------------------------------------------------------------------------------------------------------


def redis(scene, clients, cpus):
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        show(f"redis, {clients} clients", "skipped: no redis-server")
        return
    path = scene.path(f"redis-{clients}.sock")
    pin = ["taskset", "-c", cpus]
    server = scene.start(*pin, "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no")
    wait_until(lambda: os.path.exists(path), "redis accepts")

    def cpu_per_request():
        """CPU time of server and client by request: what others do to the wall clock is not in it."""
        requests = int(60000 * SECONDS)
        server_ns, client = schedstat(server.pid), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*pin, "redis-benchmark", "-s", path, "-c", str(clients), "-t", "get", "-q", "-n", str(requests)],
                       capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        client_s = after.ru_utime + after.ru_stime - client.ru_utime - client.ru_stime
        return ((schedstat(server.pid) - server_ns) / 1e9 + client_s) / requests

    def attach():
        scene.flamectl("attach", server.pid, "-e", "offcpu", "--budget", "1")
        cpu_per_request()  # the pacing takes a bucket or two to see what there is
        cpu_per_request()

    def detach():
        scene.flamectl("detach", server.pid, status=None)
        cpu_per_request()

    cpu_per_request()
    ratios = interleave(cpu_per_request, attach, detach)
    show(f"redis, {clients} client(s) on CPU {cpus}: dearer by", spread(ratios),
         "at most 2 %" if clients == 1 else "not measurable")
    scene.flamectl("attach", server.pid, "-e", "offcpu", "--budget", "1")
    cpu_per_request()
    cpu_per_request()
    watch = scene.daemons[-1].request("status")["sampling"]["watch"]
    show("  share of the time that was looked at, and its own estimate", f"{100 * watch['duty']:.0f} %, {watch['cost_percent']} %")


# ---- an idle host ----------------------------------------------------------------------------------------------------------


def kernel_ns(daemon):
    total = 0
    for pid in daemon.pids():
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="utf-8") as file:
                found = re.search(r"run_time_ns:\s+([0-9]+)", file.read())
            total += int(found.group(1)) if found else 0
    return total


def host(scene):
    daemon = scene.daemons[-1]
    with open("/proc/sys/kernel/bpf_stats_enabled", "w", encoding="utf-8") as file:
        file.write("1")
    scene.flamectl("attach", "--all", "-e", "offcpu")
    time.sleep(2)
    before, cpu, began = kernel_ns(daemon), sum(map(cpu_seconds, daemon.pids())), time.monotonic()
    seen = daemon.request("status")["counters"]["switches.seen"]
    time.sleep(5 * SECONDS)
    passed = time.monotonic() - began
    show("switches a second on this host", f"{(daemon.request('status')['counters']['switches.seen'] - seen) / passed:.0f}")
    show("the whole host off the CPU: kernel programs, of one CPU", f"{(kernel_ns(daemon) - before) / passed / 1e7:.2f} %",
         "idle: at most 0.2 %")
    show("the same: the daemon", f"{100 * (sum(map(cpu_seconds, daemon.pids())) - cpu) / passed:.2f} %")
    with open("/proc/sys/kernel/bpf_stats_enabled", "w", encoding="utf-8") as file:
        file.write("0")
    scene.flamectl("detach", "all")


# ---- known sleeps ----------------------------------------------------------------------------------------------------------


def known_sleeps(scene):
    """Threads that sleep a known share of the time: how often the interval of a second holds what the scheduler says."""
    program = scene.workload("waits", "timer", "poll", "pipe", "socket", "writer", cwd=scene.folder)
    scene.flamectl("attach", program.pid, "-e", "offcpu")
    time.sleep(2)
    inside = total = 0
    end = time.monotonic() + 4 * SLEEPS
    while total < SLEEPS and time.monotonic() < end:
        time.sleep(2)
        now = time.time()
        for second in range(2):
            window = {"from": now - second - 1.9, "to": now - second - 1.1}
            profile = scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, **window)
            covered = profile["window"]["covered"]
            for thread, entry in enumerate(profile["threads"]):
                if entry["name"] != "timer":
                    continue
                low = sum(pair[0] for row, pair in zip(profile["rows"], profile["intervals"]) if row[0] == thread)
                high = sum(pair[1] for row, pair in zip(profile["rows"], profile["intervals"]) if row[0] == thread)
                # All but the moments it runs, which are far less than a percent.
                truth = 1e9 * (covered["to"] - covered["from"])
                total += 1
                inside += low <= truth <= high * 1.01
    show("windows in which a known sleep is within its interval", f"{inside} of {total}", "at least 93 %")


# ---- page faults -----------------------------------------------------------------------------------------------------------


def faults(scene):
    program = scene.workload("touch")

    def attach():
        scene.flamectl("attach", program.pid, "-e", "fault")

    def detach():
        scene.flamectl("detach", program.pid, status=None)

    def cost():
        """CPU seconds of the program by page fault."""
        def look():
            with open(f"/proc/{program.pid}/stat", encoding="utf-8") as file:
                return int(file.read().rpartition(")")[2].split()[7])
        count, began = look(), time.monotonic()
        run = schedstat(program.pid)
        wait_until(lambda: time.monotonic() - began > SECONDS, "it is over", timeout=SECONDS + 10)
        return (schedstat(program.pid) - run) / (look() - count)

    time.sleep(0.5)
    show("a program of nothing but page faults (6400/s): each dearer by", spread(interleave(cost, attach, detach)))
    quiet = scene.workload("sample_program")
    scene.flamectl("attach", quiet.pid, "-e", "fault")
    before = scene.daemons[-1].request("status")["counters"]["events.cost_ns"]
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2 * SECONDS, "it is over", timeout=2 * SECONDS + 10)
    cost_ns = scene.daemons[-1].request("status")["counters"]["events.cost_ns"] - before
    show("an ordinary program, page faults on: of its CPU", f"{100 * cost_ns / 1e9 / (2 * SECONDS):.4f} %", "at most 0.1 %")


def schedstat(pid):
    with open(f"/proc/{pid}/schedstat", encoding="utf-8") as file:
        return int(file.read().split()[0])


def main():
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    parts = {"redis1": lambda scene: redis(scene, 1, "1"), "redis20": lambda scene: redis(scene, 20, "0,1"),
             "host": host, "sleeps": known_sleeps, "faults": faults}
    for name in sys.argv[1:] or parts:
        with Scene() as scene:
            scene.flamed()
            parts[name](scene)


main()
