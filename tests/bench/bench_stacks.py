#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many stacks reach their root, beside perf, and what that costs, for programs as they are shipped.

    bench_stacks.py [--no-perf] [--only GROUP] [NAME...]

Prints figures, judges none. SECONDS is the length of each measurement. Programs that are not installed are left out. All samples
count, those that were taken inside exec and exit too; loops that start short programs are sampled with everything that they start.
docs/stacks.md says what the columns mean. Needs root.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Scene, children_of, cpu_seconds, wait_until  # noqa: E402
from perf_stacks import perf_share  # noqa: E402
from stack_programs import PROGRAMS  # noqa: E402
from stretches import end_tracing, wait_tracing  # noqa: E402

SECONDS = int(os.environ.get("SECONDS", "5"))
FIGURES = os.environ.get("STACK_FIGURES", "")
NAMING_SECONDS = 30


def figures(scene, process, rate, on_attached=lambda: None, before=()):
    """What stack_figures says about a process and what comes of it; before are words to run it with."""
    pids = ",".join(map(str, children_of(process.pid)))
    environment = dict(os.environ, STACKS_PIDS=pids, STACKS_HZ=str(rate), STACKS_SECONDS=str(SECONDS))
    with subprocess.Popen([*before, FIGURES, "--socket", scene.path("figures.sock")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment) as probe:
        first = probe.stdout.readline()
        on_attached()
        report, log = probe.communicate(timeout=SECONDS + 60)
    assert first == "attached\n" and report, f"stack_figures failed:\n{log}"
    return json.loads(report)


def start(scene, program):
    """Start a program; one that makes short-lived processes waits until the function that is returned with it is called."""
    command = program.command(scene.folder)
    options = {"cwd": scene.folder, "stderr": subprocess.DEVNULL}
    if program.is_short:
        process = scene.start("sh", "-c", 'read word; exec "$@"', "sh", *command, stdin=subprocess.PIPE, **options)
        return process, process.stdin.close
    process = scene.start(*command, **options)
    wait_until(lambda: used_cpu(process) > 0.1, f"{program.name} is at work")
    return process, lambda: None


def used_cpu(process):
    """CPU seconds of a process and what comes of it, as far as it lives."""
    total = 0.0
    for pid in children_of(process.pid):
        with contextlib.suppress(OSError):
            total += cpu_seconds(pid)
    return total


def percent(part, whole, digits=1):
    return f"{100 * part / whole:.{digits}f}" if whole else "-"


def add_up(sums, found):
    """Sums over all programs, for the shares that are too small or too different to be told one by one."""
    for key in ("frames", "callers", "false_callers", "with_table", "named_with_table", "exporting", "named_exporting"):
        sums[key] = sums.get(key, 0) + found.get(key, 0)


def show_program(scene, program, with_perf, sums, details):
    process, release = start(scene, program)
    found = figures(scene, process, program.rate, release)
    add_up(sums, found)
    ends = found["ends"]
    samples = found["samples"] - ends.get("no_user", 0)
    whole = ends.get("root", 0)
    shares = [perf_share(scene, process, children_of(process.pid), program.rate, SECONDS, way, program.is_short)
              for way in (["fp", "dwarf"] if with_perf else [])]
    print(f"{program.name:26} {program.rate:4} {samples:7} {percent(whole, samples, 2):>7} {program.goal:>5}"
          f" {found['frames'] / max(samples, 1):6.1f}" + "".join(f" {share:>8}" for share in shares)
          + "   " + " ".join(f"{name}={count}" for name, count in sorted(ends.items()) if name not in ("root", "no_user")), flush=True)
    if details:
        print(f"    roots: {found['roots']}\n    stopped: {found['stopped']}\n    false callers: {found.get('false_callers')} of {found.get('callers')}"
              f" {found['false']}\n    unnamed: {found['unnamed']}")


def bench_roots(arguments):
    sums = {}
    print(f"\n{'program':26} {'Hz':>4} {'samples':>7} {'whole %':>7} {'goal':>5} {'frames':>6}"
          + (f" {'perf -g':>8} {'dwarf':>8}" if arguments.perf else "") + "   how the others ended")
    for program in PROGRAMS:
        if arguments.names and not any(name in program.name for name in arguments.names):
            continue
        if not program.can_run():
            print(f"{program.name:26} left out: there is no {program.needs}")
            continue
        with Scene() as scene:
            show_program(scene, program, arguments.perf, sums, arguments.details)
    print(f"\ncallers that do not stand in a call: {sums['false_callers']} of {sums['callers']}"
          f" ({percent(sums['false_callers'], sums['callers'], 4)} %, goal <= 0.01)")
    print(f"frames with a name, of files with a symbol table: {percent(sums['named_with_table'], sums['with_table'], 2)} %"
          f" of {sums['with_table']} (goal >= 97)")
    print(f"frames with a name, of files that only export names: {percent(sums['named_exporting'], sums['exporting'], 2)} %"
          f" of {sums['exporting']}")


def urgently(process):
    """Have a process run before all others, so that times are its own; returns the words that start another one so."""
    if not shutil.which("chrt"):
        return ()
    subprocess.run(["chrt", "-r", "-p", "1", str(process.pid)], check=True)
    return ("chrt", "-r", "1")


def find_program(name):
    return next(program for program in PROGRAMS if program.name == name)


def program_time(pid):
    """Nanoseconds that the sampling program of a flamed below pid has run so far, as the kernel counts them."""
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{child}/fdinfo"):
                with open(f"/proc/{child}/fdinfo/{name}", encoding="utf-8") as file:
                    fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
                if fields.get("prog_type") == "7":  # BPF_PROG_TYPE_PERF_EVENT
                    return int(fields["run_time_ns"])
    return 0


@contextlib.contextmanager
def kernel_statistics():
    """Have the kernel count how long programs run."""
    with open("/proc/sys/kernel/bpf_stats_enabled", "r+", encoding="utf-8") as file:
        kept = file.read()
        file.seek(0)
        file.write("1")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.write(kept)


def bench_cost(_):
    """The kernel program's own time for a sample: from its first to its last line, and all of it as the kernel counts, divided by
    the samples: what it spent on those that nobody wanted is in there. On a busy machine run it several times."""
    for rate, goal in ((99, 9), (999, 4.5)):
        medians, means, whole = [], [], []
        with Scene() as scene, kernel_statistics():
            process = scene.start(*find_program("python3").command(scene.folder))
            before = urgently(process)
            for _ in range(3):
                times = []
                found = figures(scene, process, rate, before=before, on_attached=lambda: times.extend(watch_program(os.getpid())))
                medians.append(found["cost_median_us"])
                means.append(found["cost_mean_us"])
                whole.append((times[1] - times[0]) / 1000 / (found["samples"] * times[2]))
        print(f"kernel time a sample, python3 at {rate} Hz, {found['frames'] / found['samples']:.0f} frames, best of 3: median {min(medians):.1f} us,"
              f" mean {min(means):.1f} us, all that the kernel counts {min(whole):.1f} us (goal <= {goal})")


def watch_program(pid):
    """Its time at the beginning and before the end of a measurement, and the share of the measurement that lies between."""
    began = time.monotonic()
    first = program_time(pid)
    wait_until(lambda: time.monotonic() - began > SECONDS - 1, "most of the measurement is over", timeout=SECONDS + 5)
    return first, program_time(pid), (time.monotonic() - began) / SECONDS


def bench_tables(_):
    if not shutil.which("node"):
        return
    times = []
    for _ in range(3):
        with Scene() as scene:
            program = scene.path("node")  # a copy: its tables cannot be there yet
            shutil.copy(os.path.realpath(shutil.which("node")), program)
            process = scene.start(program, "-e", "for (;;) ;")
            wait_until(lambda: used_cpu(process) > 0.3, "node runs")
            times.append(figures(scene, process, 99, before=urgently(process))["tables_ms"])
    print(f"tables in force after attaching a fresh node: {', '.join(f'{ms:.0f}' for ms in times)} ms (goal <= 100)")


def cpu_of(function):
    """CPU seconds that the children which a function waits for use."""
    before = os.times()
    function()
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def perf_naming_cost(data):
    """(CPU seconds, samples) of perf script. It may give up in the middle of a recording, so samples have to be counted."""
    counts = []

    def run():
        with subprocess.Popen(["perf", "script", "--no-inline", "-i", data], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as script:
            counts.append(sum(1 for line in script.stdout if line == b"\n"))
    return cpu_of(run), counts[0]


def files_of(log):
    """The files that a flamed tells in its log it has met, as far as they are there still."""
    return [path for path in dict.fromkeys(re.findall(r"New module: number=\d+ path=(\S+)", log)) if os.path.exists(path)]


def share_of_names(paths):
    """The share of reading files that is spent on names: perf makes no unwind rows."""
    told = subprocess.run([os.environ["BENCH_READING"], *paths], check=True, capture_output=True, text=True).stdout
    print(told, end="")
    names, both = map(float, re.findall(r"([\d.]+) s", told))
    return names / both


def bench_naming(_):
    """CPU time for the names of a window of the whole host, the first time anybody asks: flamectl, core, and what the reader did for names."""
    ways = ["fp", "dwarf"] if shutil.which("perf") else []
    with Scene() as scene:
        daemon = scene.flamed("--attach-all", "--budget", "100", "--verbose")
        load = [scene.start(*find_program(name).command(scene.folder), cwd=scene.folder, stderr=subprocess.DEVNULL)
                for name in ("python3", "git status loop")]
        recorders = [scene.start("perf", "record", "-q", "--no-bpf-event", "-a", "-F", "99", "-e", "cpu-clock", "--call-graph", way, "-o", scene.path(way),
                                 stderr=subprocess.DEVNULL) for way in ways]
        for recorder in recorders:
            wait_tracing(recorder, "perf record")
        scene.wait_buckets(NAMING_SECONDS)
        for recorder in recorders:
            end_tracing(recorder, "perf record")
        scene.flamectl("stop")
        for process in load:
            process.kill()
        reader = daemon.find("flamed-elf")
        reading = cpu_seconds(reader) if reader else 0
        before = sum(cpu_seconds(pid) for pid in daemon.pids())
        rows = []
        client = cpu_of(lambda: rows.extend(scene.folded("--last", f"{NAMING_SECONDS + 5}s")))
        asked = sum(cpu_seconds(pid) for pid in daemon.pids()) - before + client
        naming = reading * share_of_names(files_of(daemon.log()))
        samples = sum(count for _, count in rows)
        each = (asked + naming) / samples
        print(f"names for {samples} samples, {len(rows)} stacks of {NAMING_SECONDS} s of the host: {asked:.2f} s CPU when asked, {naming:.2f} s before for symbol tables"
              f" (and {reading - naming:.2f} s for unwind rows)")
        for way in ways:
            cost, count = perf_naming_cost(scene.path(way))
            print(f"    perf script --call-graph {way}: {cost:.2f} s for {count} samples, {cost / max(count, 1) / each:.1f} times as much for each (goal >= 10)")


GROUPS = {"roots": bench_roots, "cost": bench_cost, "tables": bench_tables, "naming": bench_naming}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-perf", dest="perf", action="store_false", default=bool(shutil.which("perf")))
    parser.add_argument("--only", choices=GROUPS, action="append")
    parser.add_argument("--details", action="store_true", help="roots, false callers and files without names of each program")
    parser.add_argument("names", nargs="*", help="words of the names of programs")
    arguments = parser.parse_args()
    for name in arguments.only or GROUPS:
        GROUPS[name](arguments)


main()
