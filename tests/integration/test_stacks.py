#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stacks reach their root, in programs as people ship them: stripped, without frame pointers, in handlers, children and libraries."""
import os
import subprocess

from harness import Skip, main, need_tool, share_of, test, wait_until

# Functions that burn time below each other. Nothing is inlined and no call becomes a jump, so that every one is a frame.
FRAMES = """
#define FRAME __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))
volatile unsigned long sink;
FRAME unsigned long innermost(unsigned long n) { for (unsigned long i = 0; i < n; i++) sink = sink * 3 + i; return sink; }
FRAME unsigned long inner(unsigned long n) { return innermost(n) + 1; }
FRAME unsigned long outer(unsigned long n) { return inner(n) + 1; }
"""
CHAIN = ["main", "outer", "inner", "innermost"]


def build(scene, text, *options, name="program", compiler="cc"):
    """Compile as distributions do: optimized, without frame pointers."""
    source = scene.path(name + (".cc" if compiler == "g++" else ".c"))
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([need_tool(compiler), "-O2", "-fomit-frame-pointer", "-o", scene.path(name), source, *options],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return scene.path(name)


def sample(scene, command, count=200, rate=999, **options):
    """Rows of a program that was sampled from outside, while it was at work."""
    scene.flamed()
    process = scene.start(*command, **options)
    scene.attach(process, "-F", str(rate))
    scene.wait_samples(process.pid, count)
    return scene.folded(process.pid, "--annotate")


def plain(frames):
    return [frame.removesuffix("_[k]") for frame in frames]


def whole_share(rows):
    """Percent of the samples whose lowest frame does not say why the stack ends there."""
    total = sum(count for _, count in rows)
    return 100 * sum(count for frames, count in rows if not frames[1].startswith("[")) / total


def assert_whole(rows, least=98):
    assert whole_share(rows) >= least, [row for row in rows if row[0][1].startswith("[")][:5]


def holds(frames, chain):
    """Whether the frames of chain follow each other, with nothing between them."""
    return any(frames[i:i + len(chain)] == chain for i in range(len(frames)))


def assert_chain(rows, chain, least=95):
    total = sum(count for _, count in rows)
    good = sum(count for frames, count in rows if holds(plain(frames), chain))
    assert good >= least / 100 * total, rows[:5]


@test
def a_program_without_frame_pointers_is_whole(scene):
    rows = sample(scene, [build(scene, FRAMES + "int main(void) { for (;;) outer(1000); }")])
    assert_whole(rows)
    assert_chain(rows, CHAIN)
    assert all(frames[1] == "_start" for frames, _ in rows if "innermost" in frames), rows[:3]


@test
def a_static_program_that_may_lie_anywhere_is_whole(scene):
    rows = sample(scene, [build(scene, FRAMES + "int main(void) { for (;;) outer(1000); }", "-static-pie")])
    assert_whole(rows)
    assert_chain(rows, CHAIN)


@test
def functions_that_are_entered_all_the_time_are_whole(scene):
    """Most samples meet the first and last instructions of a function, where frame pointers lose the caller."""
    rows = sample(scene, [build(scene, FRAMES + "int main(void) { for (;;) outer(0); }")])
    assert_whole(rows)
    assert share_of(rows, "innermost") > 5, rows[:5]
    assert_chain([(frames, count) for frames, count in rows if "innermost" in frames], CHAIN, 99)


@test
def stripped_cxx_with_threads_and_exceptions_is_whole(scene):
    """While an exception is taken to its handler, the unwinder rewrites the stack it stands on: those few instructions have no caller."""
    rows = sample(scene, [build(scene, """
#include <stdexcept>
#include <thread>
static int deep(int n) { if (!n) throw std::runtime_error("thrown"); return deep(n - 1) + 1; }
static void run() { for (;;) try { deep(10); } catch (const std::exception &) { } }
int main() { std::thread one(run), two(run); one.join(); two.join(); }
""", "-s", "-pthread", compiler="g++")])
    assert_whole(rows, 93)
    assert share_of(rows, "_Unwind_RaiseException") > 50, rows[:5]
    # Without the C library's debug file the thread's entry has no name.
    entered = sum(count for frames, count in rows if frames[1] == "clone3" or frames[1].startswith("libc.so.6+"))
    assert entered > 0.93 * sum(count for _, count in rows), rows[:5]


@test
def a_library_loaded_by_hand_is_whole(scene):
    build(scene, FRAMES, "-shared", "-fPIC", name="library.so")
    program = build(scene, """
#include <dlfcn.h>
int main(int count, char **words)
{
	unsigned long (*work)(unsigned long) = dlsym(dlopen(words[count - 1], RTLD_NOW), "outer");
	for (;;) work(1000);
}
""")
    rows = sample(scene, [program, scene.path("library.so")])
    assert_whole(rows)
    assert_chain(rows, CHAIN)


@test
def calls_through_the_procedure_linkage_table_are_whole(scene):
    library = build(scene, "void nothing(void) { }", "-shared", "-fPIC", name="libnothing.so")
    program = build(scene, FRAMES + "extern void nothing(void);\n"
                    "FRAME void caller(void) { for (int i = 0; i < 1000; i++) nothing(); }\nint main(void) { for (;;) caller(); }",
                    library, "-Wl,-z,lazy", "-Wl,-rpath," + scene.folder)
    rows = sample(scene, [program])
    assert_whole(rows)
    assert_chain(rows, ["main", "caller"])


SIGNALS = FRAMES + """
#include <signal.h>
#include <stdlib.h>
FRAME void handler(int number) { outer(number * 1000); }
FRAME void interrupted(void) { for (;;) { sink++; __asm__ volatile("int3"); } }
int main(void)
{
	stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
	struct sigaction action = {.sa_handler = handler, .sa_flags = FLAGS};
	sigaltstack(&stack, NULL);
	sigaction(SIGTRAP, &action, NULL);
	interrupted();
}
"""


def check_signals(scene, *options, compiler="cc"):
    rows = sample(scene, [build(scene, SIGNALS, *options, compiler=compiler)])
    # The stack that goes with the first samples, until the tables are there, is only the handler's. Nor does musl's
    # entry say where its caller is.
    if compiler == "cc":
        assert_whole(rows, 90)
    handled = [(frames, count) for frames, count in rows if "handler" in frames and "innermost" in frames]
    assert sum(count for _, count in handled) > 100, rows[:5]
    assert_chain(handled, ["handler", "outer", "inner", "innermost"], 99)
    assert_chain(handled, ["main", "interrupted"], 90)


@test
def what_a_signal_interrupted_is_below_its_handler(scene):
    check_signals(scene, "-DFLAGS=0")


@test
def a_handler_on_a_stack_of_its_own_is_whole(scene):
    check_signals(scene, "-DFLAGS=SA_ONSTACK")


@test
def what_a_signal_interrupted_is_below_its_handler_with_musl(scene):
    """musl's restorer has no unwind information, it is known by its instructions."""
    check_signals(scene, "-DFLAGS=0", compiler="musl-gcc")


@test
def what_a_signal_interrupted_is_below_its_handler_in_a_static_program_with_musl(scene):
    check_signals(scene, "-DFLAGS=0", "-static", compiler="musl-gcc")


@test
def a_program_of_32_bits_has_its_leaf_and_says_why_no_more(scene):
    rows = sample(scene, [build(scene, FRAMES + "void _start(void) { for (;;) outer(1000); }", "-m32", "-nostdlib", "-static", "-fno-pic", "-no-pie")])
    total = sum(count for _, count in rows)
    named = sum(count for frames, count in rows if plain(frames)[1:3] in (["[no unwind info]", name] for name in ("innermost", "inner", "outer")))
    assert named > 0.9 * total, rows[:5]


@test
def children_of_vfork_are_whole(scene):
    rows = sample(scene, [build(scene, FRAMES + """
#include <sys/wait.h>
#include <unistd.h>
FRAME void start_child(void) { if (!vfork()) { outer(10000); _exit(0); } wait(NULL); }
int main(void) { for (;;) start_child(); }
""")])
    assert_whole(rows)
    assert_chain(rows, ["main", "start_child"], 90)
    assert_chain([(frames, count) for frames, count in rows if "innermost" in frames], ["start_child", "outer", "inner", "innermost"], 99)


@test
def samples_in_the_kernel_keep_the_stack_of_the_program(scene):
    rows = sample(scene, [build(scene, FRAMES + """
#include <fcntl.h>
#include <unistd.h>
static char bytes[1 << 22];
FRAME void reader(int fd) { while (read(fd, bytes, sizeof(bytes)) > 0) sink++; }
int main(void) { reader(open("/dev/zero", O_RDONLY)); }
""")])
    rows = [(frames, count) for frames, count in rows if any(frame.endswith("_[k]") for frame in frames)]
    assert sum(count for _, count in rows) > 50, rows[:5]
    assert_whole(rows)
    assert_chain(rows, ["main", "reader"], 98)


@test
def a_return_through_garbage_says_so(scene):
    """A stack that is broken is not taken for a whole one."""
    rows = sample(scene, [build(scene, FRAMES + """
#include <ucontext.h>
static char stack[65536];
static ucontext_t other;
FRAME void lost(void) { ((void *volatile *)__builtin_dwarf_cfa())[-1] = (void *)0x1234; for (;;) outer(1000); }
int main(void)
{
	getcontext(&other);
	other.uc_stack.ss_sp = stack;
	other.uc_stack.ss_size = sizeof(stack);
	makecontext(&other, lost, 0);
	setcontext(&other);
}
""")])
    assert share_of(rows, "lost") > 95, rows[:5]
    assert whole_share(rows) < 2, rows[:5]
    assert share_of(rows, "[not mapped]") > 95, rows[:5]


@test
def functions_that_are_probed_are_whole(scene):
    """They return to a page of the kernel's, and their first instruction may be run there, while their heap is watched."""
    program = build(scene, FRAMES + "#include <stdlib.h>\n"
                    "FRAME void allocate(void) { for (int i = 0; i < 100; i++) { void *volatile block = malloc(100 + i); free(block); } }\n"
                    "int main(void) { for (;;) allocate(); }")
    scene.flamed()
    process = scene.start(program)
    scene.attach(process, "-F", "999", "-e", "cpu,heap")
    scene.wait_samples(process.pid, 500)
    rows = scene.folded(process.pid, "-e", "cpu")
    assert share_of(rows, "malloc") > 10, rows[:5]
    # But for the moments when the kernel has put the return address in place and not noted it, or taken it away already.
    assert_whole(rows, 95)
    assert_chain([(frames, count) for frames, count in rows if not frames[1].startswith("[")], ["main", "allocate"])


@test
def redis_as_it_is_shipped_is_whole(scene):
    server, client = need_tool("redis-server"), need_tool("redis-benchmark")
    path = scene.path("redis.sock")
    process = scene.start(server, "--port", "0", "--unixsocket", path, "--save", "", cwd=scene.folder)
    wait_until(lambda: os.path.exists(path), "the server listens")
    scene.start(client, "-s", path, "-q", "-l", "-t", "set,lpush,zadd")
    scene.flamed()
    scene.attach(process, "-F", "999")
    scene.wait_samples(process.pid, 200)
    rows = scene.folded(process.pid, "--annotate")
    assert_whole(rows)
    assert share_of(rows, "__libc_start_main") > 90 or share_of(rows, "__libc_start_call_main") > 90, rows[:3]


@test
def a_compiler_as_it_is_shipped_is_whole(scene):
    body = "".join(f"int f{i}(int x, int *p) {{ for (int i = 0; i < x; i++) p[i % 64] += x * {i}; return p[x & 63]; }}\n"
                   for i in range(2000))
    with open(scene.path("large.c"), "w", encoding="utf-8") as file:
        file.write(body)
    rows = sample(scene, ["sh", "-c", f"while :; do {need_tool('gcc')} -O2 -c -o /dev/null {scene.path('large.c')}; done"], 300)
    compiler = [(frames, count) for frames, count in rows if frames[0] == "cc1"]
    assert sum(count for _, count in compiler) > 100, {frames[0] for frames, _ in rows}
    assert_whole(rows)
    assert_whole(compiler)


@test
def bpf_programs_have_names(scene):
    bpftool, clang = need_tool("bpftool"), need_tool("clang")
    pinned = f"/sys/fs/bpf/flame-test-{os.getpid()}"
    with open(scene.path("busy.c"), "w", encoding="utf-8") as file:
        file.write('__attribute__((section("xdp"), used)) int busy_program(void *context)\n'
                   "{ volatile unsigned int sum = 0; for (unsigned int i = 0; i < 1000; i++) sum += i; return 2; }\n"
                   'char license_text[] __attribute__((section("license"), used)) = "GPL";\n')
    subprocess.run([clang, "-O2", "-target", "bpf", "-g", "-c", "-o", scene.path("busy.o"), scene.path("busy.c")], check=True)
    loaded = scene.run(bpftool, "prog", "load", scene.path("busy.o"), pinned)
    if loaded.returncode:
        raise Skip("no BPF file system to pin a program in: " + loaded.stderr.strip()[-100:])
    scene.stack.callback(os.unlink, pinned)
    with open(scene.path("packet"), "wb") as file:
        file.write(bytes(64))
    rows = sample(scene, ["sh", "-c", f"while :; do {bpftool} prog run pinned {pinned} data_in {scene.path('packet')} repeat 100000; done"])
    names = {frame for frames, _ in rows for frame in frames}
    assert any(frame.startswith("bpf_prog_") and frame.endswith("busy_program_[k]") for frame in names), sorted(names)


main()
