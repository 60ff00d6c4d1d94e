# SPDX-License-Identifier: Apache-2.0
"""Files that lead nowhere good, where a program, its debug file or its map is expected: named as far as can be, and nothing else is touched."""
import errno
import os
import shutil
import subprocess

from harness import Skip, assert_equal, main, need_tool, share_of, test

SOURCE = """
volatile unsigned long sink;
__attribute__((noinline, noclone)) void hidden_loop(unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        sink = sink * 3 + i;
}
int main(void)
{
    for (;;)
        hidden_loop(1000000);
}
"""

# A function of which it is said that it was made of itself, and one in it that was made of both.
CYCLE = r"""
__asm__(
".section .debug_abbrev,\"\"\n"
".uleb128 1, 0x11\n .byte 1\n .uleb128 0x11, 1, 0x12, 7, 0, 0\n"
".uleb128 2, 0x2e\n .byte 1\n .uleb128 0x31, 0x13, 0x11, 1, 0x12, 7, 0, 0\n"
".uleb128 3, 0x1d\n .byte 0\n .uleb128 0x31, 0x13, 0x11, 1, 0x12, 7, 0, 0\n"
".byte 0\n"
".section .debug_info,\"\"\n"
"1: .long 9f - 2f\n"
"2: .short 4\n .long .debug_abbrev\n .byte 8\n"
".uleb128 1\n .quad hidden_loop\n .quad 4096\n"
"3: .uleb128 2\n .long 4f - 1b\n .quad hidden_loop\n .quad 4096\n"
"4: .uleb128 3\n .long 5f - 1b\n .quad hidden_loop\n .quad 4096\n"
"5: .uleb128 3\n .long 4b - 1b\n .quad hidden_loop\n .quad 4096\n"
"6: .uleb128 3\n .long 6b - 1b\n .quad hidden_loop\n .quad 4096\n"
".byte 0, 0\n"
"9:\n.text\n");
"""


def build(scene, text=SOURCE):
    with open(scene.path("program.c"), "w", encoding="utf-8") as file:
        file.write(text)
    subprocess.run([need_tool("cc"), "-O1", "-o", scene.path("program"), scene.path("program.c")], check=True)
    return scene.path("program")


def strip(scene, program):
    """Take the symbols away, and say that they are in program.debug."""
    objcopy = need_tool("objcopy")
    shutil.copy(program, program + ".debug")
    subprocess.run([objcopy, "--strip-all", "--add-gnu-debuglink=program.debug", program], check=True, cwd=scene.folder)
    os.unlink(program + ".debug")


def sample(scene, command):
    process = scene.start(*command)
    scene.attach(process, "-F", "499")
    scene.wait_samples(process.pid, 100)
    return process


def assert_is_named(scene, process, *options):
    rows = scene.folded(process.pid, *options)
    assert share_of(rows, "hidden_loop") > 90, rows[:5]


def assert_has_offsets(scene, daemon, process):
    """Its frames show where they are, and the next program is named as ever, by the same processes of the daemon."""
    rows = scene.folded(process.pid, "--no-kernel")
    total = sum(count for _, count in rows)
    assert sum(count for frames, count in rows if frames[-1].startswith("program+0x")) > 0.9 * total, rows[:5]
    before = daemon.pids()
    shutil.copy(build(scene), scene.path("other"))
    assert_is_named(scene, sample(scene, [scene.path("other")]))
    assert_equal(daemon.pids(), before, "nobody had to be replaced")


@test
def a_program_of_a_terabyte_is_named(scene):
    scene.flamed()
    program = build(scene)
    try:
        os.truncate(program, 1 << 40)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Skip("the file system has no room for a hole of a terabyte") from error
        raise
    assert_is_named(scene, sample(scene, [program]))


@test
def a_pipe_where_the_debug_file_should_be_is_left_alone(scene):
    daemon = scene.flamed()
    program = build(scene)
    strip(scene, program)
    os.mkfifo(program + ".debug")
    assert_has_offsets(scene, daemon, sample(scene, [program]))


@test
def a_device_where_the_debug_file_should_be_is_left_alone(scene):
    daemon = scene.flamed()
    program = build(scene)
    strip(scene, program)
    os.mkdir(scene.path(".debug"))
    os.symlink("/dev/zero", scene.path(".debug/program.debug"))
    os.mknod(program + ".debug", 0o600 | 0o020000, os.makedev(1, 5))
    assert_has_offsets(scene, daemon, sample(scene, [program]))


@test
def a_pipe_where_the_map_of_made_code_should_be_is_left_alone(scene):
    node = need_tool("node")
    scene.flamed()
    process = scene.start(node, "-e", "function fibonacci(n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); } for (;;) fibonacci(25);")
    os.mkfifo(f"/tmp/perf-{process.pid}.map")
    scene.stack.callback(os.unlink, f"/tmp/perf-{process.pid}.map")
    scene.attach(process, "-F", "499")
    scene.wait_samples(process.pid, 100)
    assert share_of(scene.folded(process.pid), "[jit]") > 50


@test
def debug_information_that_goes_round_in_circles_has_an_end(scene):
    daemon = scene.flamed()
    process = sample(scene, [build(scene, SOURCE + CYCLE)])
    before = daemon.pids()
    assert_is_named(scene, process, "--inline", "--lines")
    assert_equal(daemon.pids(), before, "nobody had to be replaced")


@test
def a_debug_file_that_refers_to_itself_for_the_rest_is_read_once(scene):
    scene.flamed()
    program = build(scene)
    with open(scene.path("link"), "wb") as file:
        file.write(program.encode() + b"\0" + bytes(20))
    subprocess.run([need_tool("objcopy"), "--add-section", ".gnu_debugaltlink=" + scene.path("link"), program], check=True)
    assert_is_named(scene, sample(scene, [program]), "--inline", "--lines")


main()
