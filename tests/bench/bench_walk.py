#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many stacks reach their root, and what a walk costs, for programs as they are shipped.

    bench_walk.py [--perf] [NAME...]

--perf adds what `perf record` makes of the same program right after, with frame pointers and with copied stacks.
Prints a table, judges nothing. SECONDS is the length of each measurement; programs that are not installed are left out.
Loops that start short programs are sampled as a whole, by their shell; all their samples count.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import Scene, wait_until  # noqa: E402

SECONDS = float(os.environ.get("SECONDS", "5"))
ROOTS = re.compile(r"\b(_start|__libc_start_main\S*|__libc_start_call_main|__clone3?|clone3?|start_thread)\b")
STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"

PYTHON = """
import json
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
while True:
    fib(18)
    json.dumps([{"a": i, "b": [1, 2, 3]} for i in range(500)])
"""
PERL = 'sub f { my $n = shift; $n < 2 ? $n : f($n-1) + f($n-2) } while (1) { f(18); my $s = join ",", 1..1000; $s =~ s/1/x/g }'
NODE = """
function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) }
while (true) { f(24); JSON.stringify(Array.from({length: 1000}, (_, i) => ({i, a: "x" + i}))); }
"""
SORT = r"""
#include <stdlib.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static int work(int depth)
{
	static int values[3000];
	if (depth)
		return work(depth - 1) + 1;
	for (int i = 0; i < 3000; i++)
		values[i] = rand();
	qsort(values, 3000, sizeof(int), compare);
	return values[0];
}
int main(void) { volatile int sum; for (;;) sum = work(5); }
"""
CXX = r"""
#include <algorithm>
#include <functional>
#include <random>
#include <thread>
#include <vector>
static void run() {
	std::mt19937 random(1);
	std::vector<int> values(20000);
	std::function<bool(int, int)> less = [](int a, int b) { return a < b; };
	for (;;) { for (auto &v : values) v = random(); std::sort(values.begin(), values.end(), less); }
}
int main() { std::thread a(run), b(run); a.join(); }
"""


def compile_text(folder, name, compiler, text, *flags):
    source = os.path.join(folder, name + (".cc" if compiler == "g++" else ".c"))
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    program = os.path.join(folder, name)
    command = " ".join([compiler, "-O2", *flags, "-o", program, source, "-lpthread"])
    return program if os.system(command) == 0 else None


def make_sources(folder):
    """40 small files and a makefile that compiles them."""
    os.mkdir(folder)
    for i in range(40):
        with open(os.path.join(folder, f"f{i}.c"), "w", encoding="utf-8") as file:
            file.write("#include <stdio.h>\n#include <stdlib.h>\n")
            file.writelines(f"int f{i}_{j}(int x) {{ return printf(\"%d\", x * {j}) + rand(); }}\n" for j in range(30))
    with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as file:
        file.write("O = $(patsubst %.c,%.o,$(wildcard *.c))\nall: $(O)\n%.o: %.c\n\tgcc -O2 -c $< -o $@\n")
    return folder


def make_repository(folder):
    os.mkdir(folder)
    for i in range(1500):
        with open(os.path.join(folder, f"f{i}"), "w", encoding="utf-8") as file:
            file.write(str(i))
    os.system(f"cd {folder} && git init -q . && git add . && git -c user.name=bench -c user.email=bench@example commit -qm files")
    return folder


def programs(folder):
    """(name, command, rate) of everything that can run here."""
    have = shutil.which
    big = os.path.realpath(have("node") or sys.executable)
    yield "python3", [sys.executable, "-c", PYTHON], 99
    yield "python3", [sys.executable, "-c", PYTHON], 999
    yield "perl", ["perl", "-e", PERL], 499
    yield "gzip", ["sh", "-c", f"while :; do cat {big}; done | exec gzip -9 >/dev/null"], 499
    yield "xz", ["sh", "-c", f"exec xz -6 -c {big} {big} >/dev/null"], 499
    for cipher in ["sha256", "rsa2048", "-evp aes-256-gcm"]:
        yield f"openssl {cipher}", ["sh", "-c", f"exec openssl speed -seconds 60 {cipher} 2>/dev/null"], 499
    if have("node"):
        yield "node", ["node", "-e", NODE], 99
        yield "node", ["node", "-e", NODE], 999
    if have("gcc"):
        yield "C -O2", [compile_text(folder, "sort", "gcc", SORT)], 499
        yield "C -O2, static", [compile_text(folder, "sort-static", "gcc", SORT, "-static-pie")], 499
    if have("g++"):
        yield "C++ threads", [compile_text(folder, "threads", "g++", CXX)], 499
        yield "cc1plus", ["sh", "-c", f"while :; do g++ -O2 -c -o /dev/null {folder}/threads.cc; done"], 499
    yield "/bin/true loop", ["sh", "-c", "while :; do /bin/true; done"], 999
    yield "echo x | tr loop", ["sh", "-c", "while :; do echo x | tr a b >/dev/null; done"], 999
    if have("make") and have("gcc"):
        yield "make -j2 loop", ["sh", "-c", f"cd {make_sources(folder + '/make')}; while :; do rm -f *.o; make -s -j2; done"], 999
    if have("git"):
        yield "git status loop", ["sh", "-c", f"cd {make_repository(folder + '/git')}; while :; do git status >/dev/null; done"], 999


def program_cost(daemon):
    """(ns, runs) of the sampling program so far, from its descriptor."""
    pid = daemon.pid
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="utf-8") as file:
                fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
        except OSError:
            continue
        if fields.get("prog_type") == "7":  # BPF_PROG_TYPE_PERF_EVENT
            return int(fields["run_time_ns"]), int(fields["run_cnt"])
    return 0, 0


def perf_share(folder, pid, rate, kind):
    """Share of perf's stacks that end in a program's or thread's entry, in percent. Stripped programs name the one above it alone."""
    data = os.path.join(folder, "perf.data")
    record = ["perf", "record", "-q", "-F", str(rate), "--call-graph", kind, "-o", data, "-p", str(pid), "--", "sleep", str(SECONDS)]
    subprocess.run(record, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    script = subprocess.run(["perf", "script", "-i", data, "--no-inline", "-F", "ip,sym"], check=False, capture_output=True, text=True, errors="replace")
    stacks = [stack for stack in script.stdout.split("\n\n") if stack.strip()]
    whole = sum(bool(ROOTS.search("\n".join(stack.strip().splitlines()[-2:]))) for stack in stacks)
    return f"{100 * whole / len(stacks):6.1f} % of {len(stacks)}" if stacks else "no samples"


def measure(scene, daemon, folder, program, with_perf):
    name, command, rate = program
    process = scene.start(*command)
    before, cost = daemon.request("status")["counters"], program_cost(daemon)
    scene.flamectl("attach", "-F", str(rate), "--budget", "100", str(process.pid))
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > SECONDS, "the measurement is over", timeout=SECONDS + 5)
    after, cost_after = daemon.request("status")["counters"], program_cost(daemon)
    scene.flamectl("detach", str(process.pid))
    grown = {key: after[key] - before[key] for key in after if after[key] > before[key]}
    samples = grown.get("samples.taken", 0)
    whole = grown.get("walk.root", 0) + grown.get("walk.finished", 0)
    runs = cost_after[1] - cost[1]
    ends = " ".join(f"{key[5:]}={grown[key]}" for key in sorted(grown) if key.startswith("walk.") and key != "walk.root")
    print(f"{name:24} {rate:5} {samples:8} {100 * whole / max(samples, 1):8.2f} %"
          f" {(cost_after[0] - cost[0]) / max(runs, 1) / 1000:8.1f} us   {ends}", flush=True)
    if with_perf and "loop" not in name:
        for kind in ["fp", "dwarf,8192"]:
            print(f"    perf --call-graph {kind:<12} {perf_share(folder, process.pid, rate, kind)}", flush=True)


def main():
    with open(STATISTICS, "r+", encoding="utf-8") as file:
        kept = file.read()
        file.seek(0)
        file.write("1")
    folder = tempfile.mkdtemp(prefix="flame-walk-")
    try:
        print(f"{'program':24} {'Hz':>5} {'samples':>8} {'whole':>10} {'a run':>11}   other ends")
        names = [name for name in sys.argv[1:] if name != "--perf"]
        for program in programs(folder):
            if names and not any(name in program[0] for name in names):
                continue
            with Scene() as scene:
                measure(scene, scene.flamed(), folder, program, "--perf" in sys.argv)
    finally:
        shutil.rmtree(folder)
        with open(STATISTICS, "w", encoding="utf-8") as file:
            file.write(kept)


main()
