#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flamectl on a terminal: what it draws there, that it fits, and that the terminal is given back."""
import fcntl
import glob
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from harness import FLAMECTL, Scene, assert_equal, assert_in, main, test, wait_until

ROWS, COLUMNS = 24, 80
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """A program on a pseudo-terminal of 80 columns, and everything that it has written there."""

    def __init__(self, scene, *command, **options):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.slave = slave
        self.modes = termios.tcgetattr(slave)
        self.text = ""
        where = ["--socket", scene.daemons[-1].socket_path]
        options.setdefault("stdout", slave)
        self.process = scene.start(FLAMECTL, *where, *command, stdin=slave, stderr=slave, cwd=scene.folder, start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env=dict(os.environ, LC_ALL="C.UTF-8"), **options)
        scene.stack.callback(os.close, self.master)
        scene.stack.callback(os.close, slave)

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode(errors="replace")
        return self.text

    def wait_for(self, pattern):
        return wait_until(lambda: re.search(pattern, self.read()), f"{pattern!r} on the terminal")

    def press(self, key):
        os.write(self.master, key.encode())

    def wait(self):
        status = wait_until(lambda: (self.read(), self.process.poll())[1] is not None and [self.process.returncode], "flamectl ends")[0]
        self.read()
        return status

    def lines(self):
        """The lines written, without the sequences that move or clear."""
        text = self.text.replace("\x1b[H", "\n").replace("\r", "\n")
        return [line for line in re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", text).split("\n") if line]

    def assert_given_back(self):
        assert_equal(self.text.count(ENTER), self.text.count(LEAVE), "screens taken and given back")
        assert_equal(termios.tcgetattr(self.slave), self.modes, "modes of the terminal")

    def assert_fits(self):
        for line in self.lines():
            assert len(line) <= COLUMNS, line


def wait_for_samples(scene):
    wait_until(lambda: sum(one["samples"] for one in scene.daemons[-1].request("list")["targets"]) > 10, "samples")


def sampled_program(scene, *options):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, *options)
    scene.wait_samples(program.pid, 50)
    return program


@test
def live_top_is_redrawn_and_gives_the_terminal_back(scene: Scene):
    sampled_program(scene)
    for end in ("q", "\x03"):
        terminal = Terminal(scene, "top", "--live")
        terminal.wait_for(r"compute_hot(.|\n)*compute_hot")
        terminal.press(end)
        assert_equal(terminal.wait(), 0)
        terminal.assert_given_back()
        terminal.assert_fits()
        assert "\x1b[2J" not in terminal.text.split(ENTER, 1)[1].split("compute_hot", 1)[1], "the screen is blanked: it flickers"


@test
def live_top_gives_the_terminal_back_when_it_is_ended_or_flamed_goes(scene: Scene):
    sampled_program(scene)
    terminal = Terminal(scene, "top", "--live")
    terminal.wait_for("compute_hot")
    terminal.process.send_signal(signal.SIGTERM)
    terminal.wait()
    terminal.assert_given_back()
    terminal = Terminal(scene, "top", "--live")
    terminal.wait_for("compute_hot")
    scene.daemons[-1].stop()
    assert_equal(terminal.wait(), 1)
    terminal.assert_given_back()
    assert_in("flamed closed the connection", terminal.text)


@test
def live_top_says_why_there_is_nothing(scene: Scene):
    scene.flamed()
    terminal = Terminal(scene, "top", "--live")
    terminal.wait_for("no samples")
    terminal.press("q")
    assert_equal(terminal.wait(), 0)


@test
def live_top_into_a_pipe_has_no_escapes(scene: Scene):
    sampled_program(scene)
    where = ["--socket", scene.daemons[-1].socket_path]
    process = scene.start(FLAMECTL, *where, "top", "--live", stdout=subprocess.PIPE)
    text = os.read(process.stdout.fileno(), 65536).decode()
    assert "compute_hot" in text and "\x1b" not in text, text
    process.stdout.close()
    process.wait(20)


@test
def record_shows_a_bar_and_says_where_the_picture_is(scene: Scene):
    program = sampled_program(scene)
    terminal = Terminal(scene, "record", "-d", "1500ms", program.pid)
    assert_equal(terminal.wait(), 0)
    terminal.assert_fits()
    assert re.search(r"\[#+ *\] [\d.]+ of 1\.5 s, \d+ samples", terminal.text), terminal.text
    (path,) = glob.glob(scene.path("flame-sample_program-*.svg"))
    assert_in(os.path.basename(path), terminal.lines()[-1])


@test
def an_interrupt_ends_a_recording_early(scene: Scene):
    program = sampled_program(scene)
    terminal = Terminal(scene, "record", "-d", "1h", "-o", "early.svg", program.pid)
    terminal.wait_for(r"[1-9]\d* samples")
    terminal.press("\x03")
    assert_equal(terminal.wait(), 0)
    assert os.path.getsize(scene.path("early.svg")) > 1000
    assert scene.target(program.pid), "what was attached before stays attached"


@test
def a_command_keeps_the_terminal_and_gets_the_interrupt_once(scene: Scene):
    scene.flamed()
    script = "trap 'echo interrupted; exit 5' INT; echo ready; while :; do :; done"
    terminal = Terminal(scene, "record", "-o", "c.svg", "--", "sh", "-c", script)
    terminal.wait_for("ready")
    wait_for_samples(scene)
    terminal.press("\x03")
    assert_equal(terminal.wait(), 5)
    assert_equal(terminal.text.count("interrupted"), 1)
    assert "of " not in terminal.text and " samples" not in terminal.text, "a bar on the terminal of the command"
    assert os.path.exists(scene.path("c.svg"))


@test
def a_signal_to_flamectl_is_passed_on_to_the_command(scene: Scene):
    scene.flamed()
    terminal = Terminal(scene, "record", "-o", "c.svg", "--", "sh", "-c", "trap 'exit 6' TERM; echo ready; while :; do :; done")
    terminal.wait_for("ready")
    terminal.process.send_signal(signal.SIGTERM)
    assert_equal(terminal.wait(), 6)
    terminal = Terminal(scene, "record", "-o", "d.svg", "--", "sh", "-c", "echo ready; while :; do :; done")
    terminal.wait_for("ready")
    terminal.process.send_signal(signal.SIGTERM)
    assert_equal(terminal.wait(), 128 + signal.SIGTERM)


@test
def svg_on_a_terminal_makes_a_file_and_prints_its_name(scene: Scene):
    sampled_program(scene)
    terminal = Terminal(scene, "svg", "--last", "1s")
    assert_equal(terminal.wait(), 0)
    assert "<svg" not in terminal.text
    (path,) = glob.glob(scene.path("flame-*.svg"))
    assert_in(os.path.basename(path), terminal.text)


@test
def tables_fit_a_terminal_whatever_targets_are_called(scene: Scene):
    sampled_program(scene)
    scene.flamectl("attach", "--comm", "a-very-long-glob-that-matches-nothing-at-all-but-takes-a-lot-of-room*")
    for command in (["list"], ["top"], ["status"]):
        terminal = Terminal(scene, *command)
        assert_equal(terminal.wait(), 0)
        terminal.assert_fits()


main()
