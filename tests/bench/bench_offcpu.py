#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching switches and page faults costs, and how well known sleeps are told.

Prints figures, judges none. Slowdowns are ratios of interleaved runs: ROUNDS pairs of SECONDS each, without and with the
event, the same daemon running all the time; the median of the pairs and their quartiles are shown. "others" is the
same with what else there is (perf, bpftrace, libbpf-tools), as far as it is installed and runs. SLEEPS is the number of runs in
which known sleeps are compared with the printed interval, MANY the number of threads that are walked from outside, HOST_SWITCHES how many
switches of the whole host are waited for.
"""
import os
import re
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import Scene, wait_until, workload  # noqa: E402
from stretches import end_tracing, exact_cpu_seconds, wait_computed, wait_switches, wait_tracing  # noqa: E402
from threads import host_switches  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "8"))
SECONDS = float(os.environ.get("SECONDS", "2"))
SLEEPS = int(os.environ.get("SLEEPS", "100"))
MANY = int(os.environ.get("MANY", "20000"))
HOST_SWITCHES = int(os.environ.get("HOST_SWITCHES", "20000"))


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


class Redis:
    """A server, and a client that keeps it busy, on the same CPUs."""

    def __init__(self, scene, clients, cpus):
        self.clients, self.path = clients, scene.path(f"redis-{clients}.sock")
        self.pin = ["taskset", "-c", cpus]
        self.server = scene.start(*self.pin, "redis-server", "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no")
        wait_until(lambda: os.path.exists(self.path), "redis accepts")
        self.cpu_per_request()

    def cpu_per_request(self):
        """CPU time of server and client by request: what others do to the wall clock is not in it."""
        requests = int(60000 * SECONDS)
        server_ns, client = schedstat(self.server.pid), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*self.pin, "redis-benchmark", "-s", self.path, "-c", str(self.clients), "-t", "get", "-q", "-n", str(requests)],
                       capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        client_s = after.ru_utime + after.ru_stime - client.ru_utime - client.ru_stime
        return ((schedstat(self.server.pid) - server_ns) / 1e9 + client_s) / requests


def has_redis():
    if shutil.which("redis-server") and shutil.which("redis-benchmark"):
        return True
    show("redis", "skipped: no redis-server")
    return False


def redis(scene, clients, cpus):
    if not has_redis():
        return
    target = Redis(scene, clients, cpus)

    def attach():
        scene.flamectl("attach", target.server.pid, "-e", "offcpu", "--budget", "1")
        target.cpu_per_request()  # the pacing takes a bucket or two to see what there is
        target.cpu_per_request()

    def detach():
        scene.flamectl("detach", target.server.pid, status=None)

    ratios = interleave(target.cpu_per_request, attach, detach)
    show(f"redis, {clients} client(s) on CPU {cpus}: dearer by", spread(ratios),
         "at most 2 %" if clients == 1 else "not measurable")
    attach()
    watch = scene.daemons[-1].request("status")["sampling"]["watch"]
    show("  share of the time that was looked at, and its own estimate", f"{100 * watch['duty']:.0f} %, {watch['cost_percent']:.2f} %")


# What others do to see every sleep of a process. Tracing file systems are mounted where only they see it.
MOUNT = 'mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; exec "$@"'
BPFTRACE = """
tracepoint:sched:sched_switch /pid == PID/ { @start[tid] = nsecs; @stack[tid] = ustack; }
tracepoint:sched:sched_switch /@start[args->next_pid]/ {
    @blocked[@stack[args->next_pid]] = sum(nsecs - @start[args->next_pid]); delete(@start[args->next_pid]);
}"""
OTHERS = {
    "perf sched record": lambda pid, out: ["perf", "sched", "record", "-o", out, "-p", str(pid)],
    "perf sched record -g": lambda pid, out: ["perf", "sched", "record", "-g", "-o", out, "-p", str(pid)],
    "perf trace -s": lambda pid, out: ["perf", "trace", "-s", "-o", out, "-p", str(pid)],
    "bpftrace, each sleep with its stack": lambda pid, out: ["bpftrace", "-o", out, "-e", BPFTRACE.replace("PID", str(pid))],
    "offcputime of libbpf-tools": lambda pid, out: ["offcputime", "-p", str(pid), "600"],
}


def others(scene):
    if not has_redis():
        return
    target = Redis(scene, 1, "1")
    for name, command in OTHERS.items():
        words = command(target.server.pid, scene.path("other.out"))
        if not shutil.which(words[0], path=os.environ["PATH"] + ":/usr/sbin"):
            show(name, f"skipped: no {words[0]}")
            continue
        running = []

        def switch_on(words=words, running=running):
            running.append(scene.start("unshare", "-m", "sh", "-c", MOUNT, "sh", *words, stderr=subprocess.DEVNULL))
            wait_tracing(running[-1], words[0])

        def switch_off(words=words, running=running):
            while running:
                end_tracing(running.pop(), words[0])
        try:
            show(f"redis, 1 client, {name}: dearer by", spread(interleave(target.cpu_per_request, switch_on, switch_off)))
        except RuntimeError as error:
            show(f"redis, 1 client, {name}", f"does not run: {error}")


# ---- an idle host ----------------------------------------------------------------------------------------------------------


def kernel_ns(daemon):
    total = 0
    for pid in daemon.pids():
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            try:
                with open(f"/proc/{pid}/fdinfo/{name}", encoding="utf-8") as file:
                    found = re.search(r"run_time_ns:\s+([0-9]+)", file.read())
            except FileNotFoundError:
                continue  # closed meanwhile
            total += int(found.group(1)) if found else 0
    return total


def switch_stats_off():
    with open("/proc/sys/kernel/bpf_stats_enabled", "w", encoding="utf-8") as file:
        file.write("0")


def host(scene):
    daemon = scene.daemons[-1]
    with open("/proc/sys/kernel/bpf_stats_enabled", "w", encoding="utf-8") as file:
        file.write("1")
    scene.stack.callback(switch_stats_off)
    scene.flamectl("attach", "--all", "-e", "offcpu")
    scene.wait_buckets(2)
    before, cpu, began = kernel_ns(daemon), exact_cpu_seconds(daemon.pids()), time.monotonic()
    first = host_switches()
    wait_switches(HOST_SWITCHES)
    passed = time.monotonic() - began
    show("switches a second on this host", f"{(host_switches() - first) / passed:.0f}")
    show("the whole host off the CPU: kernel programs, of one CPU", f"{(kernel_ns(daemon) - before) / passed / 1e7:.2f} %",
         "idle: at most 0.2 %")
    show("the same: the daemon", f"{100 * (exact_cpu_seconds(daemon.pids()) - cpu) / passed:.2f} %")
    scene.flamectl("detach", "all")


# ---- known sleeps ----------------------------------------------------------------------------------------------------------


def known_sleeps(scene):
    """A thread that naps briefly and long in turn, too often for all naps to be looked at, and writes down how long it waited at
    each of the two places in each second. Each second and place is a run: does the printed interval hold what it wrote?"""
    program = scene.workload("waits", "naps", cwd=scene.folder)
    scene.flamectl("attach", program.pid, "-e", "offcpu", "--budget", "0")
    scene.wait_buckets(SLEEPS // 2 + 5)
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    last = int(time.clock_gettime(time.CLOCK_BOOTTIME)) - 2
    with open(scene.path("naps.diary"), "rb") as file:
        diary = struct.unpack("<8192Q", file.read())
    inside = total = 0
    widths = []
    for second in range(last - SLEEPS // 2, last):
        window = {"from": second + offset + 0.3, "to": second + offset + 0.7}
        profile = scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, **window)
        for place, name in enumerate(("wait_short_nap", "wait_long_nap")):
            low, high = interval_of(profile, name)
            truth = diary[4096 * place + second % 4096]
            total += 1
            inside += low <= truth <= high
            widths.append((high - low) / 2 / truth)
    show("runs in which what a place waited is within its 95 % interval", f"{inside} of {total}", "at least 93 %")
    show("  half width of the interval, of what is in it: median", f"{100 * statistics.median(widths):.1f} %")


def interval_of(profile, name):
    nodes, frames = profile["nodes"], profile["frames"]
    low = high = 0
    for row, interval in zip(profile["rows"], profile["intervals"]):
        node, names = row[1], set()
        while node >= 0:
            names.add(frames[nodes["frame"][node]][0])
            node = nodes["parent"][node]
        if name in names:
            low, high = low + interval[0], high + interval[1]
    return low, high


# ---- many threads ----------------------------------------------------------------------------------------------------------


def many(scene):
    """Threads that have slept since before the attach: all are walked from outside, once."""
    program = scene.start("sh", "-c", 'ulimit -s 128; exec "$@"', "sh", workload("waits"), f"lock:{MANY}", stdout=subprocess.PIPE)
    program.stdout.readline()
    daemon = scene.daemons[-1]
    core = daemon.core()

    def cpu():
        with open(f"/proc/{core}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e6
    before = cpu()
    scene.flamectl("attach", program.pid, "-e", "offcpu")
    scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, last_ms=1000)
    first = cpu() - before
    clock = scene.workload("sample_program")  # not watched: a second of its work is a second
    spent = []
    for _ in range(5):
        before = cpu()
        wait_computed(clock, 1)
        spent.append(cpu() - before)
    profile = scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, last_ms=1000)
    threads = len({row[0] for row in profile["rows"] if profile["threads"][row[0]]["name"] == "lock"})
    show(f"threads asleep since before, of {MANY}, that are in the picture", threads, "all")
    show("CPU time of the core for the first look and answer", f"{first:.0f} ms", "walking alone: 150 ms")
    show("  for each second after that", f"{statistics.median(spent):.0f} ms")


# ---- page faults -----------------------------------------------------------------------------------------------------------


FAULTS_PER_SECOND = 6400  # of the workload "touch"


def faults(scene):
    program = scene.workload("touch", stdout=subprocess.PIPE)

    def attach():
        scene.flamectl("attach", program.pid, "-e", "fault")

    def detach():
        scene.flamectl("detach", program.pid, status=None)

    def cost():
        """CPU seconds of the program by page fault."""
        def look():
            with open(f"/proc/{program.pid}/stat", encoding="utf-8") as file:
                return int(file.read().rpartition(")")[2].split()[7])
        count, run = look(), schedstat(program.pid)
        wait_until(lambda: look() - count >= FAULTS_PER_SECOND * SECONDS, "page faults")
        return (schedstat(program.pid) - run) / (look() - count)

    program.stdout.readline()
    show(f"a program of nothing but page faults ({FAULTS_PER_SECOND}/s): each dearer by", spread(interleave(cost, attach, detach)))
    attach()
    scene.wait_buckets(5)
    watch = scene.daemons[-1].request("status")["sampling"]["watch"]
    show("  share of the time that was looked at, and its own estimate", f"{100 * watch['duty']:.0f} %, {watch['cost_percent']:.2f} % of a CPU",
         "at most 0.1 %")
    quiet = scene.workload("sample_program")
    scene.flamectl("attach", quiet.pid, "-e", "fault")
    before = scene.daemons[-1].request("status")["counters"]["events.cost_ns"]
    wait_computed(quiet, 2 * SECONDS)
    cost_ns = scene.daemons[-1].request("status")["counters"]["events.cost_ns"] - before
    show("an ordinary program, page faults on: of its CPU", f"{100 * cost_ns / 1e9 / (2 * SECONDS):.4f} %", "at most 0.1 %")


def schedstat(pid):
    with open(f"/proc/{pid}/schedstat", encoding="utf-8") as file:
        return int(file.read().split()[0])


def main():
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    parts = {"redis1": lambda scene: redis(scene, 1, "1"), "redis20": lambda scene: redis(scene, 20, "0,1"),
             "others": others,
             "host": host, "sleeps": known_sleeps, "many": many, "faults": faults}
    for name in sys.argv[1:] or parts:
        with Scene() as scene:
            scene.flamed()
            parts[name](scene)


main()
