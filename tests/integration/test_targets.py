#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which processes are profiled: by pid, name, cgroup and all of them; until they are stopped, detached or gone."""
import os
import signal
import subprocess

from harness import (ProtocolError, Scene, Skip, assert_equal, assert_in, children_of, main, need_root, share_of, test, wait_until,
                     workload)


def error_of(daemon, method, **params):
    try:
        daemon.request(method, **params)
    except ProtocolError as error:
        return error
    raise AssertionError(f"{method} {params} was no error")


def names_in(profile):
    return {process["name"] for process in profile["processes"]}


@test
def attaching_twice_is_one_target_and_counts_once(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    first = daemon.request("attach", pid=program.pid, rate_hz=199)
    again = daemon.request("attach", pid=program.pid, rate_hz=499)
    assert_equal((first["new"], again["new"]), (True, False))
    assert_equal(first["target"]["id"], again["target"]["id"])
    assert_equal(len(daemon.request("list")["targets"]), 1)
    scene.wait_samples(program.pid, 1000)
    profile = scene.profile(targets=[str(program.pid)], last_ms=60000)
    busy = sum(row[3] for row in profile["rows"]) / 1e9
    covered = profile["window"]["covered"]
    assert busy < 1.25 * (covered["to"] - covered["from"]) + 1, "one busy thread cannot use more than one CPU"


@test
def a_pid_that_does_not_exist_is_named_in_the_error(scene: Scene):
    daemon = scene.flamed()
    program = scene.start("true")
    program.wait()
    error = error_of(daemon, "attach", pid=program.pid)
    assert_equal(error.name, "no-such-process")
    assert_in(str(program.pid), error.message)
    done = scene.flamectl("attach", program.pid, status=1)
    assert_equal(len(done.stderr.splitlines()), 1, done.stderr)
    assert_in(str(program.pid), done.stderr)


@test
def a_kernel_thread_and_flamed_itself_are_refused(scene: Scene):
    daemon = scene.flamed()
    for pid in daemon.pids():
        assert_equal(error_of(daemon, "attach", pid=pid).name, "is-flamed")
    with open("/proc/2/comm", encoding="utf-8") as file:
        if file.read().strip() != "kthreadd":
            raise Skip("pid 2 is not kthreadd: a pid namespace without kernel threads")
    assert_equal(error_of(daemon, "attach", pid=2).name, "kernel-thread")


@test
def a_target_is_called_what_it_runs(scene: Scene):
    scene.flamed()
    program = scene.start("sh", "-c", "read line; exec sleep infinity", stdin=subprocess.PIPE)
    scene.attach(program)
    assert_equal(scene.target(program.pid)["name"], "sh")
    program.stdin.write(b"\n")
    program.stdin.flush()
    wait_until(lambda: scene.target(program.pid)["name"] == "sleep", "the new name")


@test
def a_name_pattern_finds_processes_that_run_and_that_come(scene: Scene):
    scene.flamed()
    early = scene.workload("sample_program")
    scene.flamectl("attach", "--comm", "sample_pro*", "-F", "499")
    late = scene.workload("sample_program")
    scene.workload("threads")

    def seen():
        profile = scene.profile(targets=["comm:sample_pro*"], last_ms=60000)
        return {process["pid"] for process in profile["processes"]} >= {early.pid, late.pid} and profile

    def answered():
        try:
            return seen()
        except ProtocolError:
            return None

    profile = wait_until(answered, "samples of both")
    assert_equal(names_in(profile), {"sample_program"})


@test
def a_cgroup_and_all_below_it_is_a_target(scene: Scene):
    need_root()
    root = "/sys/fs/cgroup"
    if not os.path.exists(os.path.join(root, "cgroup.procs")):
        root = "/sys/fs/cgroup/unified"
    folder = os.path.join(root, f"flame-test-{os.getpid()}")
    try:
        os.makedirs(os.path.join(folder, "inner"))
    except OSError as error:
        raise Skip(f"cannot make a cgroup: {error}") from error
    scene.stack.callback(lambda: wait_until(lambda: remove_cgroup(folder), "the cgroup is empty"))
    inside, outside = scene.workload("sample_program"), scene.workload("threads")
    with open(os.path.join(folder, "inner", "cgroup.procs"), "w", encoding="utf-8") as file:
        file.write(str(inside.pid))
    scene.flamed()
    path = folder.removeprefix(root)
    scene.flamectl("attach", "--cgroup", path, "-F", "499")

    def answered():
        try:
            return scene.profile(targets=["cgroup:" + path], last_ms=60000)
        except ProtocolError:
            return None

    profile = wait_until(answered, "samples of the cgroup")
    assert_equal({process["pid"] for process in profile["processes"]}, {inside.pid}, f"not {outside.pid}")


def remove_cgroup(folder):
    for path in (os.path.join(folder, "inner"), folder):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
    return True


@test
def everything_can_be_profiled(scene: Scene):
    scene.flamed()
    scene.workload("sample_program")
    scene.workload("threads")
    scene.attach_all("-F", "199")

    def answered():
        try:
            return {"sample_program", "threads"} <= names_in(scene.profile(last_ms=60000))
        except ProtocolError:
            return False

    wait_until(answered, "samples of both programs")
    assert_in("all", scene.flamectl("list").stdout)


@test
def attach_all_may_be_asked_at_start(scene: Scene):
    scene.flamed("--attach-all")
    scene.workload("sample_program")
    assert_equal([one["kind"] for one in scene.daemons[-1].request("list")["targets"]], ["all"])
    wait_until(lambda: "compute_hot" in scene.flamectl("dump", status=None).stdout, "samples of the sample program")


@test
def a_target_that_exits_stays_listed_and_readable(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program", 1)
    scene.attach(program, "-F", "499")
    program.wait(60)
    wait_until(lambda: scene.target(program.pid)["state"] == "exited", "the target is shown as exited")
    assert share_of(scene.folded(program.pid, "--last", "2m"), "compute_hot") > 50
    assert_in("exited", scene.flamectl("list").stdout)


@test
def stop_pauses_and_start_resumes(scene: Scene):
    scene.flamed()
    program, witness = scene.workload("sample_program"), scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.attach(witness, "-F", "499")
    scene.wait_samples(program.pid, 100)
    scene.flamectl("stop", program.pid)
    assert_equal(scene.target(program.pid)["state"], "stopped")
    # What was on its way when sampling stopped may still arrive; after the witness moved on nothing more may.
    scene.wait_samples(witness.pid, scene.target(witness.pid)["samples"] + 200)
    stopped = scene.target(program.pid)["samples"]
    scene.wait_samples(witness.pid, scene.target(witness.pid)["samples"] + 300)
    assert_equal(scene.target(program.pid)["samples"], stopped, "samples while stopped")
    scene.flamectl("start", program.pid)
    assert_equal(scene.target(program.pid)["state"], "running")
    scene.wait_samples(program.pid, stopped + 100)


@test
def detach_forgets_the_target_and_keeps_its_past(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 300)
    scene.flamectl("detach", program.pid)
    assert_equal(scene.target(program.pid), None)
    assert share_of(scene.folded(program.pid, "--last", "2m"), "compute_hot") > 50
    assert_equal(error_of(scene.daemons[-1], "detach", targets=[str(program.pid)]).name, "no-such-target")


@test
def a_target_may_detach_by_itself_after_a_while(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    daemon.request("attach", pid=program.pid, rate_hz=499, for_ms=500)
    wait_until(lambda: scene.target(program.pid) is None, "the target is gone")
    assert program.poll() is None


@test
def rates_outside_of_the_range_are_refused_and_high_ones_warned_about(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    for rate in (0, 5000, -1, 2 ** 40, "99", 1.5, None):
        assert_equal(error_of(daemon, "attach", pid=program.pid, rate_hz=rate).name, "bad-parameter", rate)
    assert_equal(daemon.request("attach", pid=program.pid, rate_hz=1)["warnings"], [])
    assert daemon.request("attach", pid=program.pid, rate_hz=1001)["warnings"]
    assert_equal(daemon.request("attach", pid=program.pid, rate_hz=4999)["target"]["rate_hz"], 4999)
    scene.flamectl("attach", program.pid, "-F", "5000", status=2)


@test
def a_target_lists_every_field_of_the_contract(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program)
    listed = scene.flamectl_json("list")["targets"]
    wanted = {"id", "pid", "name", "events", "rate_hz", "state", "samples", "lost", "overhead_percent", "budget_percent"}
    assert wanted <= set(listed[0]), wanted - set(listed[0])
    assert_equal((listed[0]["name"], listed[0]["rate_hz"], listed[0]["events"]), ("sample_program", 99, ["cpu"]))
    assert os.path.basename(workload("sample_program")) in scene.flamectl("list").stdout


@test
def children_that_are_there_already_are_followed(scene: Scene):
    scene.flamed()
    script = f"({workload('sample_program')} & wait) & wait"
    shell = scene.start("sh", "-c", script, start_new_session=True)
    scene.stack.callback(lambda: os.killpg(shell.pid, signal.SIGKILL))
    wait_until(lambda: len(children_of(shell.pid)) == 3, "a grandchild")
    scene.attach(shell, "-F", "499")
    scene.wait_samples(shell.pid, 100)
    assert share_of(scene.folded(shell.pid), "run_workload") > 90
    scene.flamectl("detach", shell.pid)
    scene.attach(shell, "--no-children")
    assert_equal(scene.target(shell.pid)["samples"], 0)


main()
