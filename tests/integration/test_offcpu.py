#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time off the CPU, of threads whose waiting is known by construction."""
import os
import time

from harness import Scene, assert_equal, assert_in, main, proc_status, test, wait_until

KINDS = ("timer", "poll", "pipe", "socket", "lock", "child", "disk", "writer")


def start_waits(scene, *kinds):
    program = scene.workload("waits", *kinds, cwd=scene.folder, stdout=-1)
    assert_equal(program.stdout.readline(), b"ready\n")
    return program


def switches(program, name):
    """How often the thread of that name has gone to sleep."""
    for tid in os.listdir(f"/proc/{program.pid}/task"):
        status = proc_status(f"{program.pid}/task/{tid}")
        if status and status["Name"] == name:
            return int(status["voluntary_ctxt_switches"])
    return 0


class Threads:
    """A profile by thread name: nanoseconds by stack, leaf last."""

    def __init__(self, profile):
        nodes, frames = profile["nodes"], profile["frames"]
        self.covered = profile["window"]["covered"]
        self.seconds = self.covered["to"] - self.covered["from"]
        self.notes = profile["notes"]
        self.rows = {}
        for row in profile["rows"]:
            thread, node, weight = row[0], row[1], row[3]
            stack = []
            while node >= 0:
                stack.append(frames[nodes["frame"][node]][0])
                node = nodes["parent"][node]
            self.rows.setdefault(profile["threads"][thread]["name"], []).append((stack[::-1], weight))

    def total(self, name):
        return sum(weight for _, weight in self.rows.get(name, []))

    def of_leaf(self, name, leaf):
        return sum(weight for stack, weight in self.rows.get(name, []) if stack[-1] == leaf)


def wait_window(scene, program, event, seconds):
    """Let that much time be recorded, and return the profile of a window of whole seconds inside."""
    began = time.time()
    wait_until(lambda: time.time() > began + seconds + 2.2, f"{seconds} seconds have passed")
    # It grows to whole buckets of a second, and must not reach back to before the attach.
    window = {"from": began + 1.1, "to": began + 1.1 + seconds}
    return Threads(scene.profile(targets=[str(program.pid)], event=event, idle=True, **window))


@test
def each_wait_has_its_reason_its_stack_and_its_time(scene: Scene):
    scene.flamed()
    program = start_waits(scene, *KINDS)
    scene.attach(program, "-e", "offcpu")
    profile = wait_window(scene, program, "offcpu", 3)
    for kind in ("timer", "poll", "pipe", "socket", "lock", "child", "disk"):
        assert any(f"wait_{kind}" in stack and stack[-1] == f"[{kind}]" for stack, _ in profile.rows[kind]), profile.rows[kind]
    for kind in ("timer", "poll", "pipe", "socket", "lock", "child"):
        blocked = profile.of_leaf(kind, f"[{kind}]") + profile.of_leaf(kind, "[run queue]")
        assert blocked > 0.9e9 * profile.seconds, f"{kind} is nearly always blocked: {blocked} {profile.rows[kind]}"


@test
def who_slept_before_the_attach_is_in_the_picture(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "lock")
    wait_until(lambda: switches(program, "lock") >= 1, "the thread waits")
    scene.attach(program, "-e", "offcpu")
    profile = wait_window(scene, program, "offcpu", 2)
    weight = sum(weight for stack, weight in profile.rows["lock"] if "wait_lock" in stack and stack[-1] == "[lock]")
    assert abs(weight - 1e9 * profile.seconds) < 0.01e9 * profile.seconds, (weight, profile.rows)
    weight = profile.of_leaf("waits", "[signal]")
    assert abs(weight - 1e9 * profile.seconds) < 0.01e9 * profile.seconds, (weight, profile.rows)


@test
def wall_time_of_every_thread_adds_up_to_the_window(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "timer", "poll", "pipe", "lock", "writer", "spin", "spin2", "spin3")
    scene.attach(program, "-e", "cpu,offcpu")
    profile = wait_window(scene, program, "wall", 3)
    assert_equal(len(profile.rows), 9)
    for name in profile.rows:
        share = profile.total(name) / (1e9 * profile.seconds)
        assert abs(share - 1) < 0.01, f"{name} adds up to {100 * share:.2f} % of the window"
    # Three spin on at most as many CPUs as there are: who does not run waits for its turn.
    for name in ("spin", "spin2", "spin3"):
        running = sum(weight for stack, weight in profile.rows[name] if not stack[-1].startswith("["))
        assert running + profile.of_leaf(name, "[preempted]") + profile.of_leaf(name, "[run queue]") \
            > 0.9 * profile.total(name), profile.rows[name]


@test
def idle_threads_are_left_out_unless_asked_for(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "timer", "lock")
    scene.attach(program, "-e", "offcpu")
    wait_window(scene, program, "offcpu", 1)
    rows = scene.folded(program.pid, "-e", "offcpu", "--last", "1s")
    assert any("wait_timer" in frames for frames, _ in rows), rows
    assert not any("wait_lock" in frames for frames, _ in rows), rows
    rows = scene.folded(program.pid, "-e", "offcpu", "--last", "1s", "--idle")
    assert any("wait_lock" in frames for frames, _ in rows), rows
    notes = scene.profile(targets=[str(program.pid)], event="offcpu", last_ms=1000)["notes"]
    assert any("--idle" in note for note in notes), notes


@test
def children_and_threads_that_end_are_counted_to_their_end(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "child")
    scene.attach(program, "-e", "offcpu")
    profile = wait_window(scene, program, "offcpu", 2)
    # The children are called as the thread that forked them, and sleep while it waits.
    slept = sum(weight for stack, weight in profile.rows["child"] if stack[-1] == "[timer]")
    waited = profile.of_leaf("child", "[child]")
    assert 0.6 < slept / waited < 1.4, (slept, waited)


@test
def nothing_is_hooked_while_nobody_wants_it(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "timer")
    scene.attach(program)
    assert_equal(daemon.request("status")["counters"]["switches.seen"], 0)
    scene.attach(program, "-e", "offcpu")
    wait_until(lambda: daemon.request("status")["counters"]["switches.seen"] > 10, "switches are seen")
    scene.flamectl("detach", program.pid)
    seen = daemon.request("status")["counters"]["switches.seen"]
    time.sleep(0.3)
    assert_equal(daemon.request("status")["counters"]["switches.seen"], seen)
    samples = daemon.request("status")["samples"]
    assert_equal(samples["taken"], samples["kept"] + sum(samples["lost"].values()))


@test
def what_is_not_measured_is_said(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "timer")
    scene.attach(program)
    done = scene.flamectl("dump", "-e", "offcpu", program.pid, status=1)
    assert_in("-e", done.stderr)


main()
