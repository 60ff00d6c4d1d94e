# SPDX-License-Identifier: Apache-2.0
"""The programs that bench_stacks.py looks at: as the distribution ships them, or built here as people build theirs."""
import os
import shutil
import subprocess

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
C = r"""
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
#include <stdexcept>
#include <thread>
#include <vector>
static int deep(int n) { if (!n) throw std::runtime_error("thrown"); return deep(n - 1) + 1; }
static void run() {
	std::mt19937 random(1);
	std::vector<int> values(5000);
	std::function<bool(int, int)> less = [](int a, int b) { return a < b; };
	for (;;) {
		for (auto &value : values) value = random();
		std::sort(values.begin(), values.end(), less);
		for (int i = 0; i < 100; i++) try { deep(5); } catch (const std::exception &) { }
	}
}
int main() { std::thread a(run), b(run); a.join(); b.join(); }
"""
RUST = r"""
use std::collections::HashMap;
fn work(depth: u32, map: &mut HashMap<u64, Vec<u64>>) -> usize {
    if depth > 0 { return work(depth - 1, map) + 1; }
    for i in 0..2000u64 { map.entry(i * 7919 % 512).or_insert_with(Vec::new).push(i); }
    let mut all: Vec<u64> = map.values().flatten().copied().collect();
    all.sort_by(|a, b| b.cmp(a));
    map.clear();
    all.len()
}
fn main() {
    let thread = std::thread::spawn(|| { let mut map = HashMap::new(); loop { std::hint::black_box(work(5, &mut map)); } });
    let mut map = HashMap::new();
    while !thread.is_finished() { std::hint::black_box(work(5, &mut map)); }
}
"""
GO = r"""
package main
import ("fmt"; "sort")
func fib(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }
func main() {
	for { fib(20); m := map[string]int{}; var keys []string
		for i := 0; i < 2000; i++ { k := fmt.Sprintf("k%d", i); m[k] = i; keys = append(keys, k) }
		sort.Strings(keys) }
}
"""
JAVA = r"""
import java.util.*;
public class Work {
    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
    public static void main(String[] a) {
        while (true) {
            fib(22);
            Map<String, Integer> m = new HashMap<>();
            for (int i = 0; i < 5000; i++) m.put("k" + i, i);
            new TreeMap<>(m).size();
        }
    }
}
"""


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def compile_text(folder, name, text, compiler, *flags):
    program = os.path.join(folder, name.split(".", 1)[0])
    subprocess.run([compiler, *flags, "-o", program, write(folder, name, text)], check=True, capture_output=True)
    return program


def big_file():
    """Some megabytes that compress like programs do."""
    return os.path.realpath(shutil.which("gdb") or shutil.which("perf") or shutil.which("python3"))


def source_file(folder):
    """A C file that a compiler is busy with for seconds."""
    body = "".join(f"static int f{i}(int x, int *p) {{ for (int i = 0; i < x; i++) p[i % 64] += x * {i} + p[(i * 7) % 64]; "
                   f"return x > 3 ? p[x % 64] / (x - 2) : p[1]; }}\n" for i in range(1500))
    calls = "".join(f"sum += f{i}(sum, p);\n" for i in range(1500))
    return write(folder, "large.c", f"{body}int main(int n, char **v) {{ int p[64] = {{n}}; int sum = n;\n{calls}return sum; }}\n")


def make_sources(folder):
    for i in range(40):
        write(folder, f"f{i}.c", "#include <stdio.h>\n#include <stdlib.h>\n" + "".join(
            f"int f{i}_{j}(int x) {{ return printf(\"%d\", x * {j}) + rand(); }}\n" for j in range(30)))
    write(folder, "Makefile", "O = $(patsubst %.c,%.o,$(wildcard *.c))\nall: $(O)\n%.o: %.c\n\tgcc -O2 -c $< -o $@\n")
    return ["sh", "-c", "while :; do rm -f *.o; make -s -j2; done"]


def make_repository(folder):
    os.mkdir(os.path.join(folder, "repository"))
    for i in range(1500):
        write(folder, f"repository/f{i}", str(i))
    subprocess.run("cd repository && git init -q . && git add . && "
                   "git -c user.name=bench -c user.email=bench@example.org commit -qm files",
                   shell=True, check=True, cwd=folder, capture_output=True)
    return ["sh", "-c", "cd repository; while :; do git status >/dev/null; done"]


def redis(folder):
    """A server with its clients below one shell, which end with it."""
    socket = os.path.join(folder, "redis.sock")
    clients = f"while kill -0 $$; do redis-cli -s {socket} ping && redis-benchmark -q -s {socket} -t set,get,lpush,lrange,zadd; done"
    return ["sh", "-c", f"({clients}) >/dev/null 2>&1 & exec redis-server --port 0 --unixsocket {socket} --save '' >/dev/null"]


def java(folder):
    write(folder, "Work.java", JAVA)
    return ["java", "-XX:+PreserveFramePointer", os.path.join(folder, "Work.java")]


def loop(command):
    return ["sh", "-c", f"while :; do {command}; done"]


class Program:
    """A line of the table: what to run, how often to sample it, and what share of whole stacks is wanted."""

    def __init__(self, name, command, goal, rate=499, needs=None, is_short=False):
        self.name = name
        self.command = command if callable(command) else lambda folder: command
        self.goal = goal
        self.rate = rate
        self.needs = needs or name.split()[0]
        self.is_short = is_short  # a loop of processes that live for milliseconds

    def can_run(self):
        return shutil.which(self.needs) is not None


PROGRAMS = [
    Program("python3", [os.path.exists("/usr/bin/python3") and "/usr/bin/python3" or "python3", "-c", PYTHON], 99.5),
    Program("perl", ["perl", "-e", PERL], 99.5),
    Program("gzip", loop(f"gzip -9 -c {big_file()} >/dev/null"), 99.5),
    Program("xz", loop(f"xz -6 -c {big_file()} >/dev/null"), 99.5),
    Program("openssl speed sha256", ["openssl", "speed", "-seconds", "60", "sha256"], 99.5),
    Program("openssl speed rsa2048", ["openssl", "speed", "-seconds", "60", "rsa2048"], 99.5),
    Program("openssl aes-128-gcm", ["openssl", "speed", "-seconds", "60", "-evp", "aes-128-gcm"], 99.5),
    Program("cc1", lambda folder: loop(f"gcc -O2 -c -o /dev/null {source_file(folder)}"), 99.5, needs="gcc"),
    Program("redis and benchmark", redis, 99.5, needs="redis-server"),
    Program("C -O2", lambda folder: [compile_text(folder, "sort.c", C, "gcc", "-O2")], 99.5, needs="gcc"),
    Program("C -O2 -static-pie", lambda folder: [compile_text(folder, "sort.c", C, "gcc", "-O2", "-static-pie")], 99.5, needs="gcc"),
    Program("C++ threads, stripped", lambda folder: [compile_text(folder, "sort.cc", CXX, "g++", "-O2", "-s", "-pthread")], 99.5,
            needs="g++"),
    Program("Rust -O", lambda folder: [compile_text(folder, "work.rs", RUST, "rustc", "-O")], 99.5, needs="rustc"),
    Program("echo x | tr a b", loop("echo x | tr a b >/dev/null"), 99, 999, "tr", True),
    Program("/bin/true", loop("/bin/true"), 99, 999, "true", True),
    Program("make -j2", make_sources, 99, 999, "make", True),
    Program("git status loop", make_repository, 99, 999, "git", True),
    Program("node", ["node", "-e", NODE], 99),
    Program("Go", lambda folder: [compile_text(folder, "work.go", GO, "go", "build")], 99, needs="go"),
    Program("java", java, 99),
]
