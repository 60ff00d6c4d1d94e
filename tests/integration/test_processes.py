#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The three processes of flamed: what each may do, and what happens when one of them, or all, are told to end."""
import json
import os
import shutil
import signal
import subprocess

from harness import (FLAMED, STOP_LIMIT, Scene, assert_equal, assert_in, children_of, is_alive, main, need_root, parse_folded,
                     proc_status, share_of, test, unshare_mounts, wait_until, workload)

# DAC_READ_SEARCH SYS_PTRACE SYS_ADMIN SYSLOG PERFMON BPF CHECKPOINT_RESTORE (for map_files)
BROKER_CAPABILITIES = sum(1 << bit for bit in (2, 19, 21, 34, 38, 39, 40))
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def capabilities(pid):
    status = proc_status(pid)
    return {name: int(status[name], 16) for name in CAPABILITY_SETS}


@test
def the_core_holds_no_capability(scene: Scene):
    daemon = scene.flamed()
    status = proc_status(daemon.core())
    assert_equal(capabilities(daemon.core()), dict.fromkeys(CAPABILITY_SETS, 0))
    assert_equal(status["NoNewPrivs"], "1")
    assert 0 not in [int(uid) for uid in status["Uid"].split()], status["Uid"]
    assert 0 not in [int(gid) for gid in status["Gid"].split()], status["Gid"]
    assert_equal([group for group in status["Groups"].split() if group == "0"], [], "supplementary groups")


@test
def the_reader_is_sandboxed(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 100)
    reader = wait_until(lambda: daemon.find("flamed-elf"), "an elf reader")
    assert_equal(capabilities(reader), dict.fromkeys(CAPABILITY_SETS, 0))
    assert_equal((proc_status(reader)["NoNewPrivs"], proc_status(reader)["Seccomp"]), ("1", "2"))


@test
def the_broker_keeps_few_capabilities_and_the_others_none(scene: Scene):
    daemon = scene.flamed()
    for pid in daemon.pids():
        allowed = BROKER_CAPABILITIES if pid == daemon.pid else 0
        for name, held in capabilities(pid).items():
            assert_equal(hex(held & ~allowed), "0x0", f"{name} of {proc_status(pid)['Name']}")


@test
def a_killed_reader_is_replaced_and_sampling_goes_on(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 100)
    reader = wait_until(lambda: daemon.find("flamed-elf"), "an elf reader")
    os.kill(reader, signal.SIGKILL)
    other = scene.workload("recursion", 3)
    scene.attach(other, "-F", "499")
    scene.wait_samples(other.pid, 200)
    assert wait_until(lambda: daemon.find("flamed-elf"), "another elf reader") != reader
    assert share_of(scene.folded(other.pid), "at_the_bottom") > 90
    assert_equal(daemon.process.poll(), None)


@test
def sigterm_detaches_everything_and_ends_within_a_second(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach_all("-F", "499")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 100)
    connection = daemon.connect()
    took = daemon.stop()
    assert took < STOP_LIMIT, f"{took:.2f} s"
    assert connection.is_closed()


@test
def sigint_ends_it_as_well(scene: Scene):
    daemon = scene.flamed()
    daemon.process.send_signal(signal.SIGINT)
    assert_equal(daemon.process.wait(10), 0)


@test
def nothing_is_left_when_a_process_of_flamed_is_killed(scene: Scene):
    for victim in ("flamed", "flamed-core"):
        daemon = scene.flamed()
        pids = daemon.pids()
        os.kill(daemon.find(victim), signal.SIGKILL)
        daemon.process.wait(20)
        wait_until(lambda pids=pids: not any(is_alive(pid) for pid in pids), "every process is gone")
        assert daemon.process.returncode != 0, "an end that nobody asked for is no success"
        if os.path.exists(daemon.socket_path):
            os.unlink(daemon.socket_path)


@test
def a_second_daemon_on_the_same_socket_says_so(scene: Scene):
    daemon = scene.flamed()
    second = scene.run(FLAMED, "--socket", daemon.socket_path, timeout=20)
    assert_equal(second.returncode, 1, second.stderr)
    assert_in(daemon.socket_path, second.stderr)
    assert_in("version", daemon.request("status"))


@test
def a_socket_that_a_dead_daemon_left_is_taken_over(scene: Scene):
    daemon = scene.flamed()
    pids = daemon.pids()
    for pid in reversed(pids):
        os.kill(pid, signal.SIGKILL)
    daemon.process.wait()
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "every process is gone")
    assert os.path.exists(daemon.socket_path)
    assert_in("version", scene.flamed().request("status"))


@test
def without_root_it_says_which_right_is_missing(scene: Scene):
    need_root()
    copy = scene.path("flamed")
    shutil.copy(FLAMED, copy)
    os.mkdir(scene.path("own"))
    os.chown(scene.path("own"), 12345, 12345)
    done = scene.run(copy, "--socket", scene.path("own/flamed.sock"), user=12345, group=12345, extra_groups=[])
    assert_equal(done.returncode, 1, done.stderr)
    assert_in("CAP_", done.stderr)


@test
def wrong_usage_is_exit_status_2(scene: Scene):
    for arguments in (["--nonsense"], ["surplus"], ["--bucket", "fast"], ["--memory"], ["--retention", "-5s"]):
        done = scene.run(FLAMED, *arguments, timeout=20)
        assert_equal(done.returncode, 2, (arguments, done.stderr))
        assert done.stderr, arguments
    done = scene.run(FLAMED, "--help")
    assert_equal(done.returncode, 0)
    for option in ("--socket", "--user", "--group", "--bucket", "--retention", "--memory", "--budget", "--attach-all", "--verbose"):
        assert_in(option, done.stdout)


@test
def in_a_pid_namespace_processes_have_the_numbers_of_that_namespace(scene: Scene):
    need_root()
    socket_path = scene.path("inner.sock")
    script = f"{FLAMED} --socket {socket_path} & {workload('sample_program')} & {workload('children')} fork 0 100 & wait"
    outer = scene.start(*unshare_mounts(), "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
    wait_until(lambda: os.path.exists(socket_path), "the socket")

    def inner_pid(name):
        found = [pid for pid in children_of(outer.pid) if (proc_status(pid) or {}).get("Name") == name]
        return found and int(proc_status(found[0])["NSpid"].split()[-1])

    def flamectl(*arguments):
        return scene.flamectl("--socket", socket_path, *arguments).stdout

    def listed(pid):
        return next(one for one in json.loads(flamectl("--json", "list"))["targets"] if one["pid"] == pid)

    program = wait_until(lambda: inner_pid("sample_program"), "the program")
    parent = wait_until(lambda: inner_pid("children"), "the program that forks")
    assert program < 1000 and parent < 1000, (program, parent)
    for pid in (program, parent):
        flamectl("attach", pid, "-F", "499", "--budget", "100")
        wait_until(lambda: listed(pid)["samples"] > 100, f"samples of {pid}")
    assert share_of(parse_folded(flamectl("dump", program)), "compute_hot") > 50
    # Its children were followed: they have numbers that count up from the parent's.
    pids = {row["pid"] for row in json.loads(flamectl("dump", "-f", "json", parent))["processes"]}
    assert len(pids) > 1 and parent <= min(pids) and max(pids) < 1 << 22, sorted(pids)[:10]


# Puts descriptors on their way, as a user, and takes them out again when it is told to.
IN_FLIGHT = """
import array, os, resource, socket, sys
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for _ in range(4):
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 250))])
print("sent", flush=True)
sys.stdin.read()
"""


@test
def readers_wait_while_too_many_descriptors_of_their_user_are_on_their_way(scene: Scene):
    daemon = scene.flamed()
    user = proc_status(daemon.core())["Uid"].split()[0]
    blocker = scene.start("/usr/bin/python3", "-c", IN_FLIGHT, user, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert_equal(blocker.stdout.readline(), b"sent\n")
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    reader = wait_until(lambda: daemon.find("flamed-elf"), "a reader")
    wait_until(lambda: "nanosleep" in open(f"/proc/{reader}/stack", encoding="ascii").read(), "it waits")
    blocker.stdin.close()
    scene.wait_samples(program.pid, 100)
    assert share_of(scene.folded(program.pid), "compute_hot") > 50
    assert_equal(daemon.request("status")["counters"]["readers.replaced"], 0)


@test
def a_flood_of_records_does_not_stop_the_daemon_from_ending(scene: Scene):
    daemon = scene.flamed()
    scene.workload("children", "fork", 0, 1)
    storm = scene.start(workload("children"), "exec", 0, 1, stderr=subprocess.DEVNULL)
    scene.attach_all("-F", "4999")
    scene.wait_samples(None, 1000)
    assert storm.poll() is None
    took = daemon.stop()
    assert took < STOP_LIMIT, f"{took:.2f} s"


main()
