# SPDX-License-Identifier: Apache-2.0
"""Every frame gets the best name that can be known: of stripped programs, of code made at run time, of files that are gone."""
import os
import shutil
import subprocess

from harness import Skip, assert_equal, assert_in, main, need_root, need_tool, share_of, test, unshare_mounts, wait_until, workload

SOURCE = """
volatile unsigned long sink;
static __attribute__((noinline, noclone)) void hidden_loop(unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        sink = sink * 3 + i;
}
__attribute__((noinline)) void outer_loop(void)
{
    for (;;)
        hidden_loop(1000000);
}
int main(void)
{
    outer_loop();
    return 0;
}
"""


def build(scene, *options):
    """A program whose hot function has a local name."""
    compiler = need_tool("cc")
    with open(scene.path("program.c"), "w", encoding="utf-8") as file:
        file.write(SOURCE)
    subprocess.run([compiler, "-O1", "-g", "-fno-omit-frame-pointer", "-o", scene.path("program"), scene.path("program.c"),
                    *options], check=True)
    return scene.path("program")


def strip(scene, program):
    """Move the symbols of a program into program.debug beside it."""
    objcopy = need_tool("objcopy")
    subprocess.run([objcopy, "--only-keep-debug", program, program + ".debug"], check=True)
    subprocess.run([objcopy, "--strip-all", "--add-gnu-debuglink=program.debug", program], check=True, cwd=scene.folder)


def names_of(rows):
    return {frame for frames, _ in rows for frame in frames}


def sample(scene, command, **options):
    """Start a program and attach it; returns it once there are samples."""
    process = scene.start(*command, **options)
    scene.attach(process, "-F", "499")
    scene.wait_samples(process.pid, 100)
    return process


@test
def local_functions_have_names(scene):
    scene.flamed()
    process = sample(scene, [build(scene)])
    assert share_of(scene.folded(process.pid), "hidden_loop") > 90


@test
def a_stripped_program_is_named_by_its_separate_debug_file(scene):
    scene.flamed()
    program = build(scene)
    strip(scene, program)
    process = sample(scene, [program])
    assert share_of(scene.folded(process.pid), "hidden_loop") > 90


@test
def a_debug_file_of_another_program_is_refused(scene):
    scene.flamed()
    other = build(scene, "-DOTHER")
    shutil.copy(other, scene.path("other"))
    program = build(scene, "-Wl,--build-id=0x0123456789abcdef")
    strip(scene, program)
    shutil.copy(scene.path("other"), scene.path("program.debug"))
    process = sample(scene, [program])
    assert "hidden_loop" not in names_of(scene.folded(process.pid))


@test
def a_function_without_a_name_is_one_frame(scene):
    scene.flamed()
    program = build(scene)
    subprocess.run([need_tool("strip"), program], check=True)
    process = sample(scene, [program])
    leaves = {}
    for frames, count in scene.folded(process.pid, "--no-kernel"):
        leaves[frames[-1]] = leaves.get(frames[-1], 0) + count
    name = max(leaves, key=leaves.get)
    assert name.startswith("program+0x"), leaves
    assert leaves[name] > 0.9 * sum(leaves.values()), leaves


@test
def a_program_that_was_removed_keeps_its_names(scene):
    scene.flamed()
    program = build(scene)
    process = scene.start(program)
    os.unlink(program)
    scene.attach(process, "-F", "499")
    scene.wait_samples(process.pid, 100)
    assert share_of(scene.folded(process.pid), "hidden_loop") > 90


@test
def a_library_that_was_replaced_is_read_as_it_runs(scene):
    scene.flamed()
    library = scene.path("plugin.so")
    shutil.copy(workload("plugin.so"), library)
    process = scene.start(workload("late_library"), library, stdin=subprocess.PIPE)
    process.stdin.write(b"x")
    process.stdin.flush()
    wait_until(lambda: library in open(f"/proc/{process.pid}/maps", encoding="utf-8").read(), "the library is loaded")
    with open(scene.path("new.so"), "wb") as file:
        file.write(b"not the library any more")
    os.rename(scene.path("new.so"), library)
    scene.attach(process, "-F", "499")
    scene.wait_samples(process.pid, 100)
    assert share_of(scene.folded(process.pid), "plugin_work") > 90


@test
def a_program_of_another_mount_namespace_is_read_there(scene):
    need_root()
    scene.flamed()
    build(scene)
    os.mkdir(scene.path("inside"))
    # The path exists only in that namespace: a file system of its own is mounted over the folder.
    script = f"mount -t tmpfs none {scene.path('inside')} && cp {scene.path('program')} {scene.path('inside')}/hidden && " \
             f"exec {scene.path('inside')}/hidden"
    process = sample(scene, [*unshare_mounts(), "sh", "-c", script])
    assert not os.path.exists(scene.path("inside/hidden"))
    assert share_of(scene.folded(process.pid), "hidden_loop") > 80


@test
def a_program_under_a_root_of_its_own_finds_its_debug_file_there(scene):
    chroot = need_tool("chroot")
    need_root()
    scene.flamed()
    program = build(scene, "-static")
    strip(scene, program)
    os.makedirs(scene.path("root/opt"))
    for name in ("program", "program.debug"):
        os.rename(scene.path(name), scene.path("root/opt/" + name))
    process = sample(scene, [chroot, scene.path("root"), "/opt/program"])
    assert share_of(scene.folded(process.pid), "hidden_loop") > 90


@test
def what_was_recorded_of_a_process_stays_named_after_it_ended(scene):
    scene.flamed()
    program = build(scene)
    process = sample(scene, [program])
    process.kill()
    process.wait()
    os.unlink(program)
    assert share_of(scene.folded(process.pid), "hidden_loop") > 90


@test
def code_made_at_run_time_is_named_by_the_perf_map(scene):
    node = need_tool("node")
    scene.flamed()
    with open(scene.path("fib.js"), "w", encoding="utf-8") as file:
        file.write("function fibonacci(n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); } for (;;) fibonacci(25);")
    process = scene.start(node, "--perf-basic-prof", scene.path("fib.js"), cwd=scene.folder)
    scene.stack.callback(lambda: os.path.exists(f"/tmp/perf-{process.pid}.map") and os.unlink(f"/tmp/perf-{process.pid}.map"))
    scene.attach(process, "-F", "499")
    scene.wait_samples(process.pid, 300)

    # It takes node a while to get there: what counts is what it does then.
    def is_named():
        rows = scene.folded(process.pid, "--annotate", "--last", "1s")
        named = sum(count for frames, count in rows if any("fibonacci" in frame and frame.endswith("_[j]") for frame in frames))
        return named > 0.9 * sum(count for _, count in rows)
    wait_until(is_named, "the function that node compiled is named")


@test
def a_perf_map_that_others_may_write_is_not_believed(scene):
    node = need_tool("node")
    scene.flamed()
    with open(scene.path("fib.js"), "w", encoding="utf-8") as file:
        file.write("function fibonacci(n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); } for (;;) fibonacci(25);")
    process = scene.start(node, "--perf-basic-prof", scene.path("fib.js"), cwd=scene.folder)
    path = f"/tmp/perf-{process.pid}.map"
    scene.stack.callback(lambda: os.path.exists(path) and os.unlink(path))
    wait_until(lambda: os.path.exists(path), "node writes its map")
    os.chmod(path, 0o666)
    scene.attach(process, "-F", "499")
    scene.wait_samples(process.pid, 200)
    names = names_of(scene.folded(process.pid))
    assert_in("[jit]", names)
    assert_equal([name for name in names if "fibonacci" in name], [])


@test
def kernel_functions_are_named(scene):
    scene.flamed()
    process = sample(scene, [need_tool("dd"), "if=/dev/zero", "of=/dev/null", "bs=1M"])
    names = names_of(scene.folded(process.pid, "--annotate"))
    kernel = [name for name in names if name.endswith("_[k]")]
    if not kernel:
        raise Skip("no sample met the kernel")
    assert_equal([name for name in kernel if "0x" in name or name == "[kernel]_[k]"], [])


@test
def mangled_names_are_readable(scene):
    compiler = need_tool("g++")
    with open(scene.path("shapes.cc"), "w", encoding="utf-8") as file:
        file.write("namespace geometry { template <class T> struct Shape { volatile T sink; __attribute__((noinline)) "
                   "void rotate(T by) { for (int i = 0; i < 1000000; i++) sink = sink * by; } }; }\n"
                   "int main() { geometry::Shape<unsigned long> shape{}; for (;;) shape.rotate(3); }\n")
    subprocess.run([compiler, "-O1", "-o", scene.path("shapes"), scene.path("shapes.cc")], check=True)
    scene.flamed()
    process = sample(scene, [scene.path("shapes")])
    rows = scene.folded(process.pid)
    assert share_of(rows, "geometry::Shape<unsigned long>::rotate") > 90, names_of(rows)


INLINED = """
volatile unsigned long sink;
static inline __attribute__((always_inline)) void twice_inlined(unsigned long i)
{
    sink = sink * 3 + i;
    sink = sink * 5 + i;
}
static inline __attribute__((always_inline)) void inlined_loop(unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        twice_inlined(i);
}
__attribute__((noinline)) void outer_loop(void)
{
    for (;;)
        inlined_loop(1000000);
}
int main(void)
{
    outer_loop();
    return 0;
}
"""


def build_inlined(scene, *options):
    with open(scene.path("inlined.c"), "w", encoding="utf-8") as file:
        file.write(INLINED)
    subprocess.run([need_tool("cc"), "-O2", "-g", "-o", scene.path("inlined"), scene.path("inlined.c"), *options], check=True)
    return scene.path("inlined")


def check_inlined(scene, *options):
    scene.flamed()
    process = sample(scene, [build_inlined(scene, *options)])
    rows = scene.folded(process.pid, "--inline", "--annotate", "--no-kernel")
    assert share_of(rows, "inlined_loop_[i]") > 90, names_of(rows)
    assert share_of(rows, "twice_inlined_[i]") > 30, names_of(rows)  # it is one half
    plain = names_of(scene.folded(process.pid))
    assert_equal([name for name in plain if "inlined_loop" in name or "twice" in name], [])
    lines = names_of(scene.folded(process.pid, "--lines", "--no-kernel"))
    # Both places where something was inlined into the loop of outer_loop are line 16.
    assert_in("outer_loop:inlined.c:16", lines)


@test
def inlined_functions_and_lines_of_dwarf_5(scene):
    check_inlined(scene, "-gdwarf-5")


@test
def inlined_functions_and_lines_of_dwarf_4(scene):
    check_inlined(scene, "-gdwarf-4")


def share_debug_information(scene, link):
    """Two programs whose common debug information was moved into common.debug, which they refer to as link."""
    dwz = need_tool("dwz")
    program = build_inlined(scene)
    other = scene.path("other")
    subprocess.run([need_tool("cc"), "-O2", "-g", "-DOTHER", "-o", other, scene.path("inlined.c")], check=True)
    subprocess.run([dwz, "-m", scene.path("common.debug"), "-M", link, program, other], check=True)
    with open(program, "rb") as file:
        assert b"inlined_loop" not in file.read(), "the names were moved"
    return program


def assert_inlined(scene, program):
    process = sample(scene, [program])
    rows = scene.folded(process.pid, "--inline", "--annotate", "--no-kernel")
    assert share_of(rows, "inlined_loop_[i]") > 90, names_of(rows)


@test
def debug_information_that_programs_share_is_found_by_its_path(scene):
    scene.flamed()
    assert_inlined(scene, share_debug_information(scene, scene.path("common.debug")))


@test
def debug_information_that_debug_files_share_is_found_beside_them(scene):
    scene.flamed()
    program = share_debug_information(scene, "common.debug")
    os.mkdir(scene.path(".debug"))
    subprocess.run([need_tool("objcopy"), "--only-keep-debug", program, scene.path(".debug/inlined.debug")], check=True)
    subprocess.run([need_tool("objcopy"), "--strip-all", "--add-gnu-debuglink=.debug/inlined.debug", program], check=True,
                   cwd=scene.folder)
    os.rename(scene.path("common.debug"), scene.path(".debug/common.debug"))
    assert_inlined(scene, program)


@test
def shared_debug_information_of_other_programs_is_refused(scene):
    scene.flamed()
    program = share_debug_information(scene, scene.path("common.debug"))
    shutil.copy(build(scene), scene.path("common.debug"))
    process = sample(scene, [program])
    names = names_of(scene.folded(process.pid, "--inline", "--no-kernel"))
    assert_in("outer_loop", names)
    assert "inlined_loop" not in names, names


@test
def the_first_samples_of_a_program_never_seen_are_whole(scene):
    scene.flamed()
    # A file of its own: nobody can have read its tables before its first instruction.
    shutil.copy(need_tool("perl"), scene.path("fresh"))
    scene.flamectl("record", "-F", "999", "-o", scene.path("fresh.svg"), "--", scene.path("fresh"), "-e",
                   "for (1..1000000) { $x += sqrt($_) }")
    rows = scene.folded("comm:fresh")
    total = sum(count for _, count in rows)
    whole = sum(count for frames, count in rows if not frames[1].startswith("["))
    # One may be taken inside the exec, on the stack of the process that was.
    assert whole >= total - 2 and whole > 0.9 * total, (whole, total, [frames for frames, _ in rows if frames[1].startswith("[")])


main()
