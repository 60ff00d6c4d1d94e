#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may see and do what: root everything, anyone else only what is wholly theirs."""
import grp
import json
import os
import shutil
import subprocess

from harness import (FLAMECTL, Scene, Skip, assert_equal, assert_in, main, need_root, need_tool, parse_folded, proc_status, test,
                     wait_until, workload)

OWN, OTHER = 12345, 12346


class User:
    """Somebody without any right, who runs flamectl and programs."""

    def __init__(self, scene, uid):
        need_root()
        self.scene = scene
        self.identity = {"user": uid, "group": uid, "extra_groups": []}
        # The build folder may lie where others cannot look.
        for path in (FLAMECTL, workload("sample_program")):
            if not os.path.exists(scene.path(os.path.basename(path))):
                shutil.copy(path, scene.path(os.path.basename(path)))

    def program(self, *arguments):
        return self.scene.start(self.scene.path("sample_program"), *arguments, **self.identity)

    def flamectl(self, *arguments, status=0):
        done = self.scene.run(self.scene.path("flamectl"), "--socket", self.scene.daemons[-1].socket_path, *arguments, **self.identity)
        if status is not None:
            assert_equal(done.returncode, status, f"{arguments}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return done


def samples_of(user, pid):
    targets = json.loads(user.flamectl("--json", "list").stdout)["targets"]
    return next((one["samples"] for one in targets if one["pid"] == pid), 0)


@test
def a_user_profiles_a_process_of_their_own(scene: Scene):
    scene.flamed()
    user = User(scene, OWN)
    program = user.program()
    user.flamectl("attach", program.pid, "-F", "499")
    wait_until(lambda: samples_of(user, program.pid) > 200, "samples")
    assert_in("compute_hot", user.flamectl("dump", program.pid).stdout)


@test
def a_user_sees_no_kernel_frames(scene: Scene):
    scene.flamed()
    user = User(scene, OWN)
    program = scene.start("dd", "if=/dev/zero", "of=/dev/null", "bs=1M", stderr=subprocess.DEVNULL, **user.identity)
    user.flamectl("attach", program.pid, "-F", "499")
    wait_until(lambda: samples_of(user, program.pid) > 100, "samples")
    assert "_[k]" not in user.flamectl("dump", program.pid, "--annotate").stdout
    assert_in("_[k]", scene.flamectl("dump", program.pid, "--annotate").stdout)


@test
def a_user_sees_no_wakers_that_are_others(scene: Scene):
    scene.flamed()
    user = User(scene, OWN)
    program = scene.start("cat", stdin=subprocess.PIPE, **user.identity)
    user.flamectl("attach", program.pid, "-e", "offcpu", "--waker")

    def is_told_to_root():
        program.stdin.write(b"x")
        program.stdin.flush()
        done = scene.flamectl("dump", program.pid, "-e", "offcpu", "--waker", status=None)
        return "[pipe];--;" in done.stdout
    wait_until(is_told_to_root, "root sees who writes to cat")
    seen = user.flamectl("dump", program.pid, "-e", "offcpu", "--waker").stdout
    assert_in("[pipe] ", seen)
    assert ";--" not in seen, seen


@test
def processes_of_others_are_refused_and_the_rule_is_named(scene: Scene):
    scene.flamed()
    user, other = User(scene, OWN), User(scene, OTHER)
    for program in (other.program(), scene.workload("sample_program")):
        done = user.flamectl("attach", program.pid, status=1)
        assert_equal(len(done.stderr.splitlines()), 1, done.stderr)
        assert str(OWN) in done.stderr or "own" in done.stderr, done.stderr
        assert_in("own-process", done.stderr)
    for wider in (["--all"], ["--cgroup", "/"], ["--comm", "*"]):
        assert_in("all-level", user.flamectl("attach", *wider, status=1).stderr)
    assert_equal([one["pid"] for one in scene.flamectl_json("list")["targets"] if one["pid"]], [])


@test
def nobody_sees_the_samples_or_targets_of_others(scene: Scene):
    scene.flamed()
    user, other = User(scene, OWN), User(scene, OTHER)
    theirs = other.program()
    roots = scene.workload("threads")
    scene.attach_all("-F", "499")
    other.flamectl("attach", theirs.pid, "-F", "499")
    wait_until(lambda: samples_of(other, theirs.pid) > 200, "samples of the other user")
    wait_until(lambda: "alpha_work" in scene.flamectl("dump", status=None).stdout, "samples of root's program")
    assert_equal(samples_of(user, theirs.pid), 0)
    for select in ([theirs.pid], [roots.pid]):
        done = user.flamectl("dump", *select, status=1)
        assert_equal(done.stdout, "")
    # The only process of this user that runs is the one that asks.
    rows = parse_folded(user.flamectl("dump", status=None).stdout)
    assert {frames[0] for frames, _ in rows} <= {"flamectl"}, rows
    everything = other.flamectl("dump").stdout
    assert "compute_hot" in everything and "alpha_work" not in everything
    user.flamectl("detach", theirs.pid, status=1)
    user.flamectl("stop", theirs.pid, status=1)


@test
def a_process_whose_ids_differ_is_not_its_users(scene: Scene):
    scene.flamed()
    user = User(scene, OWN)
    mixed = scene.start(scene.path("sample_program"), preexec_fn=lambda: (os.setgroups([]), os.setresgid(OWN, OWN, OWN),
                                                                           os.setresuid(OWN, OTHER, OTHER)))
    user.flamectl("attach", mixed.pid, status=1)


@test
def a_setuid_program_ends_the_target_of_its_user(scene: Scene):
    scene.flamed()
    user = User(scene, OWN)
    privileged = scene.path("privileged")
    shutil.copy(workload("sample_program"), privileged)
    os.chmod(privileged, 0o4755)
    if os.statvfs(scene.folder).f_flag & os.ST_NOSUID:
        raise Skip("the temporary folder ignores setuid bits")
    shell = scene.start("sh", "-c", f"while ! [ -e {scene.path('go')} ]; do :; done; exec {privileged}", **user.identity)
    user.flamectl("attach", shell.pid, "-F", "499")
    wait_until(lambda: samples_of(user, shell.pid) > 50, "samples of the shell")
    with open(scene.path("go"), "w", encoding="utf-8"):
        pass
    wait_until(lambda: os.stat(f"/proc/{shell.pid}").st_uid != OWN, "the privileged program runs")
    state = wait_until(lambda: [one for one in scene.flamectl_json("list")["targets"] if one["pid"] == shell.pid
                                and one["state"] != "running"] or not scene.target(shell.pid), "the target has ended")
    assert state
    assert "compute_hot" not in user.flamectl("dump", shell.pid, status=None).stdout


@test
def a_user_may_ask_for_status_and_is_told_the_level(scene: Scene):
    daemon = scene.flamed()
    user = User(scene, OWN)
    user.flamectl("status")
    assert_equal(daemon.connect().greeting["level"], "all")
    script = f"""import socket, json
s = socket.socket(socket.AF_UNIX); s.connect({daemon.socket_path!r}); print(s.makefile().readline())"""
    done = scene.run("/usr/bin/python3", "-c", script, **user.identity)
    assert_equal(json.loads(done.stdout)["flamed"]["level"], "own")


@test
def a_process_with_a_capability_or_without_a_readable_program_is_refused(scene: Scene):
    scene.flamed()
    user = User(scene, OWN)
    setpriv = need_tool("setpriv")
    capable = scene.start(setpriv, f"--reuid={OWN}", f"--regid={OWN}", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw",
                          scene.path("sample_program"))
    secret = scene.path("secret")
    shutil.copy(workload("sample_program"), secret)
    os.chmod(secret, 0o711)
    hidden = scene.start(secret, **user.identity)
    for program in (capable, hidden):
        wait_until(lambda pid=program.pid: proc_status(pid)["Name"] in ("sample_program", "secret"), "the program runs")
        assert_in("unprivileged-process", user.flamectl("attach", program.pid, status=1).stderr)
        assert_in("attached", scene.attach(program).stdout)


@test
def members_of_the_group_may_do_everything(scene: Scene):
    name = next((one.gr_name for one in grp.getgrall() if one.gr_gid not in (0, OWN)), None)
    if not name:
        raise Skip("needs a group")
    group = grp.getgrnam(name).gr_gid
    daemon = scene.flamed("--group", name)
    user = User(scene, OWN)
    program = scene.workload("sample_program")
    user.flamectl("attach", program.pid, status=1)
    for membership in ({"extra_groups": [group]}, {"group": group}):
        user.identity = {"user": OWN, "group": OWN, "extra_groups": []} | membership
        assert_in("attached", user.flamectl("attach", program.pid).stdout)
        user.flamectl("attach", "--all")
        user.flamectl("detach", program.pid, "all")
    assert_equal(daemon.request("list"), {"targets": []})


@test
def control_requests_and_refusals_are_one_line_each(scene: Scene):
    daemon = scene.flamed()
    user = User(scene, OWN)
    theirs, roots = user.program(), scene.workload("sample_program")
    before = daemon.log().count("core: request")
    user.flamectl("list")
    user.flamectl("dump", roots.pid, status=1)
    assert_equal(daemon.log().count("core: request") - before, 0, "what changes nothing")
    user.flamectl("attach", theirs.pid)
    user.flamectl("attach", roots.pid, status=1)
    user.flamectl("attach", "999999999", status=1)
    user.flamectl("stop", roots.pid, status=1)
    lines = [line.split("core: ", 1)[1] for line in daemon.log().splitlines() if "core: request" in line][before:]
    assert_equal([line.split(" uid=")[0] for line in lines], ["request done: method=attach", "request refused: method=attach",
                                                              "request failed: method=attach", "request failed: method=stop"])
    for line in lines:
        assert_in(f"uid={OWN} gid={OWN} pid=", line)
        assert_in('comm="flamectl" level=own', line)
    assert_in("rule=own-process", lines[1])
    assert_in(f'params={{"pid":{roots.pid}}}', lines[1])


@test
def control_requests_and_refusals_are_in_the_log(scene: Scene):
    daemon = scene.flamed()
    user = User(scene, OWN)
    program = scene.workload("sample_program")
    scene.attach(program)
    user.flamectl("attach", program.pid, status=1)
    lines = wait_until(lambda: [line for line in daemon.log().splitlines() if str(program.pid) in line][1:], "two audit lines")
    assert any(str(OWN) in line for line in lines), daemon.log()


main()
