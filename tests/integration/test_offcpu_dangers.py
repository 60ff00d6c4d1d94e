#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that end, change or are many while they wait, and more switches than may be looked at."""
import subprocess
import time

from harness import Scene, assert_equal, is_alive, main, test, wait_until
from threads import Threads, host_switches, start_waits, wait_window

MANY = 1000


@test
def who_is_killed_while_it_waits_is_counted_up_to_then(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "lock", "timer")
    scene.attach(program, "-e", "offcpu")
    began = time.time()

    def waited():
        profile = Threads(scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, last_ms=60000))
        return profile.of_leaf("lock", "[lock]") / 1e9
    wait_until(lambda: waited() > 2, "two seconds of it are counted")
    program.kill()
    program.wait()
    ended = time.time()
    wait_until(lambda: scene.target(program.pid)["state"] == "exited", "it is noticed")
    profile = Threads(scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, **{"from": began - 1, "to": ended + 2}))
    waited = profile.of_leaf("lock", "[lock]") / 1e9
    assert 0.9 * (ended - began) < waited < ended - began + 0.5, (waited, ended - began)
    assert all(is_alive(pid) for pid in daemon.pids())


@test
def a_busy_program_may_be_detached_while_samples_are_on_their_way(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("steady")
    for _ in range(5):
        scene.attach(program, "-e", "cpu,offcpu,fault", "-F", "999")
        scene.wait_samples(program.pid, 50)
        scene.flamectl("detach", program.pid)
    assert all(is_alive(pid) for pid in daemon.pids()), daemon.log()
    assert_equal(daemon.request("list")["targets"], [])


@test
def a_busy_program_may_end_while_samples_are_on_their_way(scene: Scene):
    daemon = scene.flamed()
    for _ in range(5):
        program = scene.workload("steady")
        scene.attach(program, "-e", "cpu,offcpu,fault", "-F", "2999")
        scene.wait_samples(program.pid, 50)
        program.kill()
        wait_until(lambda: scene.target(program.pid)["state"] == "exited", "it is noticed")
    samples = daemon.request("status")["samples"]
    assert_equal(samples["taken"], samples["kept"] + sum(samples["lost"].values()), "each sample once")


@test
def stacks_of_threads_that_ended_are_not_kept_in_the_kernel(scene: Scene):
    daemon = scene.flamed()
    program = scene.start("sh", "-c", "read line; for i in $(seq 300); do /bin/true; done; read line", stdin=subprocess.PIPE)
    scene.attach(program, "-e", "offcpu,fault")

    def status():
        return daemon.request("status")
    program.stdin.write(b"\n")
    program.stdin.flush()
    wait_until(lambda: status()["counters"]["processes.exited"] >= 300, "three hundred children end")
    wait_until(lambda: status()["counters"]["samples.summed"] > 300, "what they did is added up")
    wait_until(lambda: status()["sampling"]["watch"]["stacks"] < 100, "their stacks are forgotten", timeout=20)
    assert_equal(status()["samples"]["lost"]["sums_full"], 0)


@test
def programs_that_are_wanted_by_name_are_seen_from_their_beginning(scene: Scene):
    scene.flamed()
    scene.flamectl("attach", "--comm", "sleep", "-e", "offcpu,fault", "--budget", "100")
    program = scene.start("bash", "-c", "while read line; do for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.05; done; echo done; done",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def profile():
        program.stdin.write(b"\n")
        program.stdin.flush()
        assert_equal(program.stdout.readline(), b"done\n")
        return Threads(scene.profile(targets=["comm:sleep"], event="offcpu", idle=True, last_ms=3000))
    profile()  # the first one has to be judged
    scene.wait_buckets(5)
    found = profile()
    assert found.of_leaf("sleep", "[timer]") > 0.8 * found.total("sleep") > 0, found.rows


@test
def a_program_that_becomes_another_is_watched_on(scene: Scene):
    scene.flamed()
    program = scene.start("sh", "-c", "read line; exec sleep infinity", stdin=subprocess.PIPE)
    scene.attach(program, "-e", "offcpu")

    def rows(name):
        profile = scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, last_ms=20000)
        return Threads(profile).rows.get(name, [])
    wait_until(lambda: rows("sh"), "the shell waits")
    program.stdin.write(b"\n")
    program.stdin.flush()
    wait_until(lambda: any(weight > 1e9 for _, weight in rows("sleep")), "the new program waits")


@test
def threads_that_come_and_go_are_all_counted(scene: Scene):
    scene.flamed()
    program = start_waits(scene, "threads")
    scene.attach(program, "-e", "offcpu")
    profile = wait_window(scene, program, "offcpu", 2)
    slept, joined = profile.of_leaf("short", "[timer]"), profile.of_leaf("threads", "[lock]")
    assert joined > 0.3e9 * profile.seconds, profile.rows["threads"]
    assert 0.7 < slept / joined < 1.4, (slept, joined)


@test
def a_thousand_threads_that_slept_before_are_all_there(scene: Scene):
    scene.flamed()
    program = start_waits(scene, f"lock:{MANY}")
    scene.attach(program, "-e", "offcpu")
    scene.wait_buckets(3)
    profile = scene.profile(targets=[str(program.pid)], event="offcpu", idle=True, last_ms=1000)
    covered = profile["window"]["covered"]
    names = [thread["name"] for thread in profile["threads"]]
    weights = {}
    for row in profile["rows"]:
        weights[row[0]] = weights.get(row[0], 0) + row[3]
    waiting = [weight for thread, weight in weights.items() if names[thread] == "lock"]
    assert_equal(len(waiting), MANY)
    seconds = covered["to"] - covered["from"]
    wrong = [weight for weight in waiting if abs(weight / 1e9 - seconds) > 0.05 * seconds]
    assert not wrong, (seconds, wrong[:5])
    folded = scene.folded(program.pid, "-e", "offcpu", "--idle", "--last", "1s")
    whole = sum(count for frames, count in folded if "wait_lock" in frames and frames[-1] == "[lock]")
    assert whole > 0.99 * sum(count for _, count in folded) * MANY / (MANY + 1), "stacks reach the root"


@test
def more_switches_than_the_budget_allows_are_seen_in_windows_without_bias(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "mixed", "echo")
    scene.flamectl("attach", program.pid, "-e", "offcpu", "--budget", "1")

    def watch():
        return daemon.request("status")["sampling"]["watch"]
    wait_until(lambda: watch()["duty"] < 0.8, "the hooks are attached for a part of the time only")
    profile = wait_window(scene, program, "offcpu", 8)
    assert any("of the time" in note for note in profile.notes), profile.notes

    def share(name):
        own = [(stack, weight) for stack, weight in profile.rows["mixed"] if "wait_mixed" in stack]
        return sum(weight for stack, weight in own if name in stack) / sum(weight for _, weight in own)
    # 16 of 20 microseconds, and to both what a switch takes: about 0.7. Some 150 of those sleeps are looked at, a few in each
    # window, so that the share is known to 0.05 or so.
    assert 0.5 < share("wait_for_much") < 0.95, profile.rows["mixed"]
    # Totals are the scheduler's, whatever was looked at: nearly all of the time the one works and the other waits.
    waited = profile.total("mixed") / 1e9
    assert 0.5 * profile.seconds < waited <= 1.01 * profile.seconds, (waited, profile.seconds)


@test
def sleeps_that_nobody_saw_are_not_taken_for_waits_for_a_cpu(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "mixed", "echo")
    scene.flamectl("attach", program.pid, "-e", "offcpu", "--budget", "1")
    wait_until(lambda: daemon.request("status")["sampling"]["watch"]["duty"] < 0.8, "the hooks are attached for a part of the time only")
    sleepers = scene.start("sh", "-c", "while :; do sleep 0.1; done")
    scene.flamectl("attach", sleepers.pid, "-e", "offcpu", "--budget", "1")
    profile = wait_window(scene, sleepers, "offcpu", 4)
    waited = profile.of_leaf("sleep", "[run queue]") + profile.of_leaf("sleep", "[preempted]")
    assert profile.total("sleep") > 0.5e9 * profile.seconds, (profile.total("sleep"), profile.seconds, profile.notes)
    assert waited < 0.2 * profile.total("sleep"), profile.rows["sleep"]


@test
def the_hooks_are_attached_for_as_long_as_is_said(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "mixed", "echo")
    scene.flamectl("attach", program.pid, "-e", "offcpu", "--budget", "1")
    duties = []

    def look():
        status = daemon.request("status")
        duties.append(status["sampling"]["watch"]["duty"])
        return status["counters"]["switches.seen"], host_switches()
    wait_until(lambda: look() and duties[-1] < 0.8, "the hooks are attached for a part of the time only")
    duties.clear()
    seen, passed = look()
    buckets = daemon.request("status")["buckets"]["held"]
    wait_until(lambda: look() and daemon.request("status")["buckets"]["held"] >= buckets + 4, "some windows")
    now_seen, now_passed = look()
    share = (now_seen - seen) / (now_passed - passed)
    assert abs(share - sum(duties) / len(duties)) < 0.2, (share, duties)


@test
def a_budget_that_cannot_be_held_is_reported(scene: Scene):
    daemon = scene.flamed()
    program = start_waits(scene, "mixed", "echo")
    scene.flamectl("attach", program.pid, "-e", "offcpu", "--budget", "0.001")
    wait_until(lambda: any("more than the budget" in problem for problem in daemon.request("status")["problems"]), "status says so")
    notes = scene.profile(targets=[str(program.pid)], event="offcpu", last_ms=3000)["notes"]
    assert any("more than the budget" in note for note in notes), notes


main()
