#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sampling where no kernel programs can be had: perf events copy stacks, and the core walks them."""
import os
import shutil
import subprocess

from harness import (FLAMECTL, FLAMED, Daemon, ProtocolError, Scene, Skip, assert_equal, assert_in, main, need_root, need_tool, parse_folded,
                     proc_status, share_of, test, wait_until, workload)

TOLERANCE = 4  # percentage points
PYTHON = """
import json
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
while True:
    fibonacci(15)
    json.dumps(list(range(1000)))
"""


def copied(scene, *arguments):
    """A daemon that does without kernel programs though it could have them."""
    return scene.flamed("--copied-stacks", *arguments)


def attach(scene, process, *options):
    # Copies are dear: without a budget of its own the governor would move the rate about.
    scene.attach(process, "-F", "299", "--budget", "100", *options)


def whole_share(daemon, before):
    """Share of the stacks since before that reached their root, in percent; kernel threads have none."""
    after = daemon.request("status")["counters"]
    ends = {name: after[name] - before[name] for name in after if name.startswith("walk.") and name != "walk.finished"}
    return 100 * ends["walk.root"] / (sum(ends.values()) - ends["walk.no_user"])


def assert_exact(samples):
    assert_equal(samples["taken"], samples["kept"] + sum(samples["lost"].values()), samples)


@test
def status_says_that_stacks_are_copied_and_why(scene: Scene):
    status = copied(scene).request("status")
    assert_equal(status["sampling"]["walk"], "copied stacks")
    assert any("--copied-stacks" in problem for problem in status["problems"]), status["problems"]
    shown = scene.flamectl("status").stdout
    assert_in("copied stacks", shown)
    assert_equal(scene.daemons[-1].kernel_programs(), set(), "no kernel program is loaded")


@test
def without_the_right_to_load_programs_stacks_are_copied(scene: Scene):
    need_root()
    capsh = need_tool("capsh")
    path = scene.path("flamed.sock")
    command = [capsh, "--drop=cap_bpf", "--", "-c", f"exec {FLAMED} --socket {path}"]
    daemon = Daemon(scene.folder, command=command, socket_path=path)
    scene.daemons.append(daemon)
    scene.stack.callback(daemon.stop)
    daemon.wait_ready()
    status = daemon.request("status")
    assert_equal(status["sampling"]["walk"], "copied stacks")
    assert any("cannot be loaded" in problem for problem in status["problems"]), status["problems"]
    program = scene.workload("sample_program")
    attach(scene, program)
    scene.wait_samples(program.pid, 100)
    assert share_of(scene.folded(program.pid), "main") > 95


@test
def the_sample_program_has_its_shares_as_with_kernel_programs(scene: Scene):
    program = scene.workload("sample_program")
    shares = []
    for start in (lambda: copied(scene), scene.flamed):
        daemon = start()
        attach(scene, program)
        scene.wait_samples(program.pid, 1500)
        # On a busy machine they take longer than the window that is the default.
        rows = scene.folded(program.pid, "--last", "10m")
        shares.append({name: share_of(rows, name) for name in ("compute_hot", "compute_medium", "compute_cold")})
        whole = sum(count for frames, count in rows if frames[:2] == ["sample_program", "_start"] and "main" in frames)
        assert whole >= 0.98 * sum(count for _, count in rows), rows[:3]
        daemon.stop()
    for name, wanted in (("compute_hot", 70), ("compute_medium", 20), ("compute_cold", 10)):
        for share in shares:
            assert abs(share[name] - wanted) <= TOLERANCE, f"{name}: {shares}, wanted {wanted} %"


@test
def real_programs_have_whole_stacks(scene: Scene):
    daemon = copied(scene)
    data = scene.path("data")
    with open(data, "wb") as file:
        file.write(os.urandom(1 << 20) * 3)
    programs = {
        "python3": ["python3", "-c", PYTHON],
        "gzip": ["sh", "-c", f"while :; do gzip -9 -c {data} > /dev/null; done"],
        "xz": ["sh", "-c", f"while :; do xz -9 -c {data} > /dev/null; done"],
    }
    for name, command in programs.items():
        if not shutil.which(name):
            continue
        process = scene.start(*command, stderr=subprocess.DEVNULL, cwd=scene.folder, start_new_session=True)
        scene.stack.callback(lambda pid=process.pid: kill_group(pid))
        before = daemon.request("status")["counters"]
        attach(scene, process)
        scene.wait_samples(process.pid, 300)
        share = whole_share(daemon, before)
        assert share >= 97, f"{name}: {share:.1f} % of the stacks are whole"
        assert_in(name, {frames[0] for frames, _ in scene.folded(process.pid)})
        scene.flamectl("detach", process.pid)
        kill_group(process.pid)


@test
def redis_has_whole_stacks(scene: Scene):
    if not shutil.which("redis-server"):
        raise Skip("needs redis-server")
    daemon = copied(scene)
    path = scene.path("redis.sock")
    server = scene.start("redis-server", "--port", "0", "--unixsocket", path, "--save", "", cwd=scene.folder)
    wait_until(lambda: os.path.exists(path), "redis listens")
    scene.start("redis-benchmark", "-s", path, "-l", "-q", "-t", "set,get,lpush,lrange_100")
    before = daemon.request("status")["counters"]
    attach(scene, server)
    scene.wait_samples(server.pid, 200)
    assert whole_share(daemon, before) >= 97
    assert share_of(scene.folded(server.pid), "_start") > 50


def kill_group(pid):
    try:
        os.killpg(pid, 9)
    except ProcessLookupError:
        pass


@test
def threads_have_their_names(scene: Scene):
    copied(scene)
    program = scene.workload("threads")
    attach(scene, program)
    scene.wait_samples(program.pid, 300)
    for frames, _ in scene.folded(program.pid, "--by-thread"):
        for name, other in (("alpha", "beta_work"), ("beta", "alpha_work")):
            if any(frame.startswith(name + "/") for frame in frames):
                assert other not in frames, frames


@test
def a_deep_stack_is_whole(scene: Scene):
    copied(scene)
    program = scene.workload("recursion", 50)
    attach(scene, program)
    scene.wait_samples(program.pid, 200)
    rows = scene.folded(program.pid)
    whole = sum(count for frames, count in rows if frames.count("descend") == 50 and "main" in frames)
    assert whole >= 0.98 * sum(count for _, count in rows), rows[:3]


@test
def a_library_that_is_loaded_later_is_named(scene: Scene):
    copied(scene)
    program = scene.workload("late_library", workload("plugin.so"), stdin=subprocess.PIPE)
    attach(scene, program)
    scene.wait_samples(program.pid, 100)
    program.stdin.write(b"x")
    program.stdin.flush()
    before = scene.target(program.pid)["samples"]
    scene.wait_samples(program.pid, before + 300)
    assert share_of(scene.folded(program.pid), "plugin_work") > 30


@test
def children_are_followed_through_fork_and_exec(scene: Scene):
    copied(scene)
    for way in ("fork", "exec"):
        program = scene.workload("children", way, 0, 20000)
        attach(scene, program)
        rows = wait_until(lambda: [row for row in [parse_folded(scene.flamectl("dump", program.pid, status=None).stdout)]
                                   if sum(count for _, count in row) > 300], f"300 samples of children ({way})")[0]
        assert share_of(rows, "child_work") > 60, f"{way}: {rows[:4]}"
        whole = sum(count for frames, count in rows if "child_work" in frames and "main" in frames)
        named = sum(count for frames, count in rows if "child_work" in frames)
        assert whole > 0.95 * named, rows[:5]
        scene.flamectl("detach", program.pid)
        program.kill()
        program.wait()


@test
def children_are_left_alone_when_asked(scene: Scene):
    copied(scene)
    program = scene.workload("children", "fork", 0, 20000)
    witness = scene.workload("sample_program")
    attach(scene, program, "--no-children")
    attach(scene, witness)
    scene.wait_samples(witness.pid, 300)
    assert "child_work" not in scene.flamectl("dump", program.pid, status=None).stdout


@test
def a_target_exits_with_its_process(scene: Scene):
    copied(scene)
    program = scene.workload("sample_program")
    attach(scene, program)
    scene.wait_samples(program.pid, 50)
    program.kill()
    program.wait()
    wait_until(lambda: scene.target(program.pid)["state"] == "exited", "the target has exited")
    assert share_of(scene.folded(program.pid), "main") > 95


@test
def the_whole_host_is_profiled_and_the_ledger_is_exact(scene: Scene):
    daemon = copied(scene)
    scene.flamectl("attach", "--all", "-F", "299", "--budget", "100")
    storm = scene.workload("children", "exec", 0, 2000)
    witness = scene.workload("sample_program")
    for count in (300, 600, 900):
        wait_until(lambda wanted=count: daemon.request("status")["samples"]["taken"] >= wanted, f"{count} samples")
        assert_exact(daemon.request("status")["samples"])
    rows = scene.folded()
    names = {frames[0] for frames, _ in rows}
    assert_in("sample_program", names)
    assert_in("children", names)
    for process in (storm, witness):
        process.kill()
        process.wait()
    scene.flamectl("detach", "all")
    assert_exact(daemon.request("status")["samples"])


@test
def targets_by_name_and_by_cgroup_are_found(scene: Scene):
    daemon = copied(scene)
    program = scene.workload("sample_program")
    other = scene.workload("threads")
    scene.flamectl("attach", "--comm", "sample_pro*", "-F", "299", "--budget", "100")
    wait_until(lambda: sum(target["samples"] for target in daemon.request("list")["targets"]) > 50, "samples by name")
    names = {frames[0] for frames, _ in scene.folded()}
    assert_equal(names, {"sample_program"})
    scene.flamectl("detach", "comm:sample_pro*")
    with open(f"/proc/{program.pid}/cgroup", encoding="utf-8") as file:
        path = next((line[3:].strip() for line in file if line.startswith("0::")), None)
    if not path or path == "/../":
        return
    try:
        daemon.request("attach", cgroup=path, rate_hz=299, budget_percent=100)
    except ProtocolError:
        return  # no unified hierarchy here
    wait_until(lambda: sum(target["samples"] for target in daemon.request("list")["targets"]) > 50, "samples by cgroup")
    assert other.poll() is None


@test
def a_user_sees_what_is_the_users_alone(scene: Scene):
    need_root()
    daemon = copied(scene)
    setpriv = need_tool("setpriv")
    ids = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    theirs = scene.start(setpriv, *ids, workload("sample_program"))
    ours = scene.workload("sample_program")
    wait_until(lambda: (proc_status(theirs.pid) or {}).get("Name") == "sample_program", "the user's program runs")
    scene.flamectl("attach", "--all", "-F", "299", "--budget", "100")
    wait_until(lambda: daemon.request("status")["samples"]["kept"] > 600, "600 samples")
    done = scene.run(setpriv, *ids, FLAMECTL, "--socket", daemon.socket_path, "--json", "dump")
    assert_equal(done.returncode, 0, done.stderr)
    assert str(theirs.pid) in done.stdout, done.stdout[:500]
    assert str(ours.pid) not in done.stdout


@test
def other_events_than_cpu_are_refused(scene: Scene):
    daemon = copied(scene)
    program = scene.workload("sample_program")
    for event in ("offcpu", "heap"):
        try:
            daemon.request("attach", pid=program.pid, events=[event])
        except ProtocolError as error:
            assert_in(event, error.message)
        else:
            raise AssertionError(f"{event} was not refused")


@test
def rates_change_and_stop(scene: Scene):
    daemon = copied(scene)
    program = scene.workload("sample_program")
    attach(scene, program)
    scene.wait_samples(program.pid, 50)
    scene.flamectl("stop", program.pid)
    daemon.request("status")
    scene.flamectl("start", program.pid)
    before = scene.target(program.pid)["samples"]
    scene.wait_samples(program.pid, before + 50)
    profile = scene.profile(targets=[str(program.pid)], last_ms=60000)
    weight = sum(row[3] for row in profile["rows"])
    count = sum(row[2] for row in profile["rows"])
    assert abs(weight / count * 299 / 1e9 - 1) < 0.05, f"a sample stands for one interval, not {weight / count} ns"
    assert_exact(daemon.request("status")["samples"])


main()
