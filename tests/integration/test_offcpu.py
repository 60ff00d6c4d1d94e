#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time off the CPU, of threads whose waiting is known by construction."""
import os
import signal

from harness import Scene, Skip, assert_equal, assert_in, main, test, wait_until
from threads import Threads, host_switches, start_waits, switches, wait_window

KINDS = ("timer", "poll", "pipe", "socket", "lock", "child", "disk", "fault", "device", "event", "writer")


@test
def each_wait_has_its_reason_its_stack_and_its_time(scene: Scene):
    scene.flamed()
    program = start_waits(scene, *KINDS)
    scene.attach(program, "-e", "offcpu")
    profile = wait_window(scene, program, "offcpu", 3)
    marks = {"fault": "[page fault]", "event": "[blocked]"}
    for kind in KINDS[:-1]:
        mark = marks.get(kind, f"[{kind}]")
        assert any(f"wait_{kind}" in stack and stack[-1] == mark for stack, _ in profile.rows[kind]), profile.rows[kind]
    for kind in ("timer", "poll", "pipe", "socket", "lock", "child", "device"):
        blocked = profile.of_leaf(kind, f"[{kind}]") + profile.of_leaf(kind, "[run queue]")
        assert blocked > 0.9e9 * profile.seconds, f"{kind} is nearly always blocked: {blocked} {profile.rows[kind]}"


@test
def each_sleep_has_the_kernel_stack_of_its_own_call(scene: Scene):
    """The kernel programs recognise stacks that they have met. The same thread is in them in turn."""
    daemon = scene.flamed()
    program = scene.workload("turns")
    scene.attach(program, "-e", "offcpu")
    places = {"turn_timer": "nanosleep", "turn_poll": "sys_poll", "turn_device": "timerfd_read", "turn_pipe": "pipe_read",
              "turn_socket": "unix_stream_"}
    begun = daemon.request("status")["counters"]["switches.sampled"]
    wait_until(lambda: daemon.request("status")["counters"]["switches.sampled"] > begun + 1000, "a thousand sleeps are drawn")
    profile = Threads(scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, last_ms=60000))
    slept = dict.fromkeys(places, 0)
    for stack, weight in profile.rows["turns"]:
        turns = [turn for turn in places if turn in stack]
        if stack[-1] in ("[preempted]", "[run queue]") or not turns:
            continue
        assert_equal([turn for turn, place in places.items() if any(place in name for name in stack)], turns, str(stack))
        slept[turns[0]] += weight
    assert min(slept.values()) > 0.5 * max(slept.values()), slept


@test
def who_is_looked_at_from_outside_has_the_same_stack(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "naps", "socket", "writer")
    # With so small a budget most naps are not walked as they begin, but some are met by looks.
    scene.flamectl("attach", program.pid, "-e", "offcpu", "--budget", "0.01")
    profile = wait_window(scene, program, "offcpu", 2)
    for thread, place in (("naps", "wait_long_nap"), ("socket", "wait_socket")):
        stacks = {tuple(stack) for stack, _ in profile.rows[thread] if place in stack and stack[-1] in ("[timer]", "[socket]")}
        assert_equal(len(stacks), 1, str(stacks))


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
    scene.attach(program, "-e", "wall")
    profile = wait_window(scene, program, "wall", 3)
    assert_equal(len(profile.rows), 9)
    for name in profile.rows:
        share = profile.total(name) / (1e9 * profile.seconds)
        assert abs(share - 1) < 0.01, f"{name} adds up to {100 * share:.2f} % of the window"
    # Each part of the time in its own colour.
    svg = scene.flamectl("svg", program.pid, "-e", "wall", "--idle", "-o", "-").stdout
    frames = scene.flamectl("svg", program.pid, "-e", "wall", "--idle", "-f", "frames").stdout
    colours = {}
    for line in frames.splitlines():
        *_, fill, text, title = line.split("\t")
        colours.setdefault(title.split(" (")[0], set()).add(fill)
    parts = [colours[name] for name in ("[running]", "[run queue]", "[pipe]", "[lock]", "[timer]")]
    assert all(len(part) == 1 for part in parts), colours
    assert_equal(len(set().union(*parts)), 5)
    assert_in("runs", svg)
    # Turns are taken away from who would run on.
    assert profile.of_leaf("spin", "[preempted]") > 0, profile.rows["spin"]
    # Three spin on at most as many CPUs as there are: who does not run waits for its turn.
    for name in ("spin", "spin2", "spin3"):
        running = profile.of_leaf(name, "[running]")
        assert any("wait_spin" in stack and stack[-1] == "[running]" for stack, _ in profile.rows[name]), profile.rows[name]
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


class Wakers:
    """Rows of a thread as (sleeper's frames, waker's frames, weight); the waker's root first, None: there is none."""

    def __init__(self, profile, name):
        self.rows = []
        for stack, weight in profile.rows[name]:
            if "--" in stack:
                at = stack.index("--")
                self.rows.append((stack[:at], stack[:at:-1], weight))
            else:
                self.rows.append((stack, None, weight))

    def share(self, holds):
        """Of the time blocked: how much of it was ended by wakers of whom that holds."""
        blocked = [row for row in self.rows if row[0][-1] not in ("[run queue]", "[preempted]")]
        return sum(weight for _, waker, weight in blocked if waker and holds(waker)) / sum(row[2] for row in blocked)


@test
def who_ended_a_sleep_stands_above_it(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "pipe", "socket", "writer", "cond", "signaller", "timer", "spin", "slow", "slow writer")
    scene.attach(program, "-e", "offcpu", "--waker")
    profile = wait_window(scene, program, "offcpu", 3, waker=True)
    for name, waker, function in (("pipe", "writer", "wait_writer"), ("socket", "writer", "wait_writer"),
                                  ("cond", "signaller", "wait_signaller")):
        share = Wakers(profile, name).share(lambda frames: frames[0] == waker and function in frames)  # noqa: B023
        assert share > 0.9, f"{name}: {100 * share:.0f} % was ended by {waker}: {profile.rows[name]}"
    # Most of a long sleep was counted before it was known who would end it.
    share = Wakers(profile, "slow").share(lambda frames: frames[0] == "slow writer" and "wait_slow_writer" in frames)
    assert share > 0.75, f"slow: {100 * share:.0f} %: {profile.rows['slow']}"
    # Timers end in interrupts, whoever is running; "spin" runs all the time.
    share = Wakers(profile, "timer").share(lambda frames: frames[0] == "[interrupt]")
    assert share > 0.9, f"timer: {100 * share:.0f} %: {profile.rows['timer']}"
    for name in profile.rows:
        assert not any(waker and "wait_spin" in waker for _, waker, _ in Wakers(profile, name).rows), profile.rows[name]
    without = Threads(scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, last_ms=3000))
    assert not any("--" in stack for rows in without.rows.values() for stack, _ in rows), without.rows
    rows = scene.folded(program.pid, "-e", "offcpu", "--waker", "--annotate")
    assert any("wait_writer_[w]" in frames and "wait_pipe" in frames for frames, _ in rows), rows
    svg = scene.flamectl("svg", program.pid, "-e", "offcpu", "--waker", "-o", "-").stdout
    assert_in(">--<", svg.replace("</title>", "<"))
    # The picture holds the profile, and can be drawn again.
    with open(scene.path("waker.svg"), "w", encoding="utf-8") as file:
        file.write(svg)
    assert_in("<svg", scene.flamectl("render", "--colors", "chain", "waker.svg").stdout)


@test
def wakers_are_told_only_where_they_were_recorded(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "timer")
    done = scene.flamectl("attach", program.pid, "--waker", status=1)
    assert_in("offcpu", done.stderr)
    scene.attach(program, "-e", "offcpu")
    scene.wait_samples(program.pid, 20)
    notes = scene.profile(targets=[str(program.pid)], event="offcpu", waker=True, last_ms=2000)["notes"]
    assert any("--waker" in note for note in notes), notes


@test
def who_gives_its_turn_away_yields(scene: Scene):
    scene.flamed()
    # More of them than there are CPUs, or nobody takes the turn.
    program = start_waits(scene, "yield", "yield2", "yield3")
    scene.attach(program, "-e", "offcpu")
    profile = wait_window(scene, program, "offcpu", 1)
    assert sum(profile.of_leaf(name, "[yielded]") for name in ("yield", "yield2", "yield3")) > 0.1e9, profile.rows


def make_quota(scene, percent):
    """A cgroup whose processes get that share of a CPU, until the test ends."""
    for folder, limits in (("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": 100000, "cpu.cfs_quota_us": percent * 1000}),
                           ("/sys/fs/cgroup", {"cpu.max": f"{percent * 1000} 100000"})):
        made = os.path.join(folder, f"flame-test-{os.getpid()}")
        try:
            os.mkdir(made)
            scene.stack.callback(lambda: wait_until(lambda: remove_cgroup(made), "the cgroup is empty"))
            for name, limit in limits.items():
                with open(os.path.join(made, name), "r+", encoding="ascii") as file:
                    file.write(str(limit))
            return made
        except OSError as error:
            refusal = error
    raise Skip(f"cannot limit the CPU time of a cgroup: {refusal}")


def remove_cgroup(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return not os.path.exists(folder)
    return True


@test
def who_has_used_up_its_quota_is_throttled(scene: Scene):
    scene.flamed()
    quota = make_quota(scene, 20)
    program = scene.workload("steady")
    with open(os.path.join(quota, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(program.pid))
    scene.attach(program, "-e", "cpu,offcpu")
    profile = wait_window(scene, program, "wall", 3)
    throttled, whole = profile.of_leaf("steady", "[throttled]"), profile.total("steady")
    assert abs(whole / 1e9 - profile.seconds) < 0.05 * profile.seconds, (whole, profile.seconds)
    assert 0.5 < throttled / whole < 0.9, profile.rows["steady"]


@test
def a_stopped_program_is_said_to_be_stopped(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "spin")
    scene.attach(program, "-e", "offcpu")
    program.send_signal(signal.SIGSTOP)
    profile = wait_window(scene, program, "offcpu", 1)
    assert profile.of_leaf("spin", "[stopped]") > 0.5e9 * profile.seconds, profile.rows
    program.send_signal(signal.SIGCONT)


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
def the_cost_of_every_event_is_told_by_target_and_by_window(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "timer", "pipe", "writer", "fault", "spin")
    quiet = start_waits(scene, "lock")
    scene.flamectl("attach", program.pid, "-e", "cpu,offcpu,fault,heap")
    scene.flamectl("attach", quiet.pid, "-e", "offcpu")
    scene.wait_buckets(5)
    busy, idle = (scene.target(one.pid)["overhead_percent"] for one in (program, quiet))
    # What it is depends on the machine; samples of one event must not be charged as if they were another's.
    assert 0 < busy < 20, (busy, idle)
    assert idle < busy / 2, (busy, idle)
    for event in ("cpu", "offcpu", "wall", "fault"):
        profile = scene.profile(targets=[str(program.pid)], event=event, last_ms=5000)
        assert 0 < profile["cost_percent"] < 20, (event, profile["cost_percent"])
    assert daemon.request("status")["sampling"]["watch"]["cost_percent"] > 0


@test
def what_a_switch_costs_is_measured_on_this_machine(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "timer")
    scene.attach(program, "-e", "offcpu")
    wait_until(lambda: "What a switch costs" in daemon.log(), "it was tried")
    watch = daemon.request("status")["sampling"]["watch"]
    # A busy machine may disturb it; a constant then stands in.
    assert 20 < watch["hit_ns"] < 2000, watch
    wait_until(lambda: not daemon.find("flamed-measure"), "the process it was measured on is gone")
    wait_until(lambda: daemon.request("status")["sampling"]["watch"]["walk_ns"] > 0, "walks are measured")
    assert_in("watching", scene.flamectl("status").stdout)


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
    switched = host_switches()
    wait_until(lambda: host_switches() > switched + 1000, "the host goes on switching")
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
