#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a profile of a program whose truth is known shows."""
import os
import subprocess

from harness import Scene, assert_equal, assert_in, children_of, main, parse_folded, share_of, test, wait_until, workload

TOLERANCE = 3  # percentage points


def assert_share(rows, name, wanted):
    found = share_of(rows, name)
    assert abs(found - wanted) <= TOLERANCE, f"{name} has {found:.1f} %, wanted {wanted} % within {TOLERANCE} points"


@test
def the_sample_program_has_its_shares_under_main_and_run_workload(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "999")
    scene.wait_samples(program.pid, 3000)
    rows = scene.folded(program.pid, "--last", "10m")
    assert_share(rows, "compute_hot", 70)
    assert_share(rows, "compute_medium", 20)
    assert_share(rows, "compute_cold", 10)
    for name in ("compute_hot", "compute_medium", "compute_cold"):
        assert all(frames[0] == "sample_program" for frames, _ in rows), rows[:3]
        whole = [(frames, count) for frames, count in rows
                 if name in frames and frames[frames.index(name) - 2:frames.index(name)] == ["main", "run_workload"]]
        named = sum(count for frames, count in rows if name in frames)
        assert sum(count for _, count in whole) >= 0.98 * named, f"{name} stands under main;run_workload: {rows[:5]}"


@test
def weights_are_cpu_time(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program", 4)
    scene.attach(program, "-F", "499")
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    assert_equal(program.returncode, 0)
    profile = scene.profile(targets=[str(program.pid)], last_ms=60000)
    weight = sum(row[3] for row in profile["rows"]) / 1e9
    variance = sum(row[4] for row in profile["rows"]) / 1e18
    count = sum(row[2] for row in profile["rows"])
    assert abs(weight * 1e9 / count / profile["interval"] - 1) < 0.05, "a sample stands for one interval"
    # It ran for a moment before it was attached; the rest is chance, which the profile itself estimates.
    used = usage.ru_utime + usage.ru_stime
    assert abs(weight - used) < 0.2 + 4 * variance ** 0.5, f"{weight:.2f} s sampled of {used:.2f} s used"
    assert_equal((profile["event"], profile["unit"]), ("cpu", "ns"))


@test
def threads_are_told_apart_by_name_and_number(scene: Scene):
    scene.flamed()
    program = scene.workload("threads")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 500)
    for frames, _ in scene.folded(program.pid, "--by-thread"):
        for name, other in (("alpha", "beta_work"), ("beta", "alpha_work")):
            if any(frame.startswith(name + "/") for frame in frames):
                assert other not in frames, frames
    profile = scene.profile(targets=[str(program.pid)], last_ms=60000)
    tids = {thread["name"]: thread["tid"] for thread in profile["threads"]}
    alone = scene.folded(program.pid, "--tid", tids["alpha"])
    assert_equal(round(share_of(alone, "alpha_work")), 100)
    assert_equal(share_of(alone, "beta_work"), 0)


@test
def a_deep_stack_is_whole(scene: Scene):
    scene.flamed()
    program = scene.workload("recursion", 50)
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 200)
    rows = scene.folded(program.pid)
    # Until the unwind tables of its files are in place a stack says that it has none.
    assert share_of(rows, "[no unwind info]") < 20, rows[:3]
    rows = [(frames, count) for frames, count in rows if "[no unwind info]" not in frames]
    whole = sum(count for frames, count in rows if frames.count("descend") == 50 and "main" in frames)
    assert whole >= 0.98 * sum(count for _, count in rows), rows[:3]


@test
def a_stack_beyond_the_limit_says_that_it_is_truncated(scene: Scene):
    scene.flamed()
    program = scene.workload("recursion", 5000)
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 200)
    rows = scene.folded(program.pid)
    assert share_of(rows, "[truncated]") > 98, rows[:3]
    assert share_of(rows, "at_the_bottom") > 98, rows[:3]


@test
def a_library_that_is_loaded_later_is_named(scene: Scene):
    scene.flamed()
    program = scene.workload("late_library", workload("plugin.so"), stdin=subprocess.PIPE)
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 200)
    assert share_of(scene.folded(program.pid), "before_loading") > 90
    program.stdin.write(b"x")
    program.stdin.flush()
    before = scene.target(program.pid)["samples"]
    scene.wait_samples(program.pid, before + 300)
    assert share_of(scene.folded(program.pid), "plugin_work") > 30


@test
def children_are_followed_through_fork_and_exec(scene: Scene):
    scene.flamed()
    for way in ("fork", "exec"):
        program = scene.workload("children", way, 0, 20000)
        scene.attach(program, "-F", "999")
        wait_until(lambda: scene.flamectl("dump", program.pid, status=None).stdout.count("child_work"), f"samples of children ({way})")
        rows = wait_until(lambda: [row for row in [scene.folded(program.pid)] if sum(count for _, count in row) > 300],
                          "300 samples of children")[0]
        assert share_of(rows, "child_work") > 60, f"{way}: {rows[:4]}"
        scene.flamectl("detach", program.pid)


@test
def children_are_left_alone_when_asked(scene: Scene):
    scene.flamed()
    program = scene.workload("children", "fork", 0, 20000)
    witness = scene.workload("sample_program")
    scene.attach(program, "-F", "499", "--no-children")
    scene.attach(witness, "-F", "499")
    scene.wait_samples(witness.pid, 500)
    assert "child_work" not in scene.flamectl("dump", program.pid, status=None).stdout


@test
def a_process_that_lives_for_milliseconds_is_named(scene: Scene):
    scene.flamed()
    program = scene.workload("children", "exec", 0, 3000)
    scene.attach(program, "-F", "4999")
    rows = wait_until(lambda: [row for row in [parse_folded(scene.flamectl("dump", program.pid, status=None).stdout)]
                               if sum(count for frames, count in row if "child_work" in frames) > 1000],
                      "1000 samples of short-lived children")[0]
    whole = sum(count for frames, count in rows if "child_work" in frames and "main" in frames)
    named = sum(count for frames, count in rows if "child_work" in frames)
    assert whole > 0.95 * named, rows[:5]


@test
def kernel_and_user_frames_can_be_hidden_and_marked(scene: Scene):
    scene.flamed()
    program = scene.start("dd", "if=/dev/zero", "of=/dev/null", "bs=4M", stderr=subprocess.DEVNULL)
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 300)

    def marked(*options):
        rows = scene.folded(program.pid, "--annotate", *options)
        total = sum(count for _, count in rows)
        return 100 * sum(count for frames, count in rows if any(frame.endswith("_[k]") for frame in frames)) / total

    assert marked() > 50
    assert_equal(marked("--no-kernel"), 0)
    rows = scene.folded(program.pid, "--no-user", "--annotate")
    assert all(frame.endswith("_[k]") for frames, _ in rows for frame in frames[1:]), rows[:3]


@test
def programs_of_the_distribution_are_named(scene: Scene):
    scene.flamed()
    program = scene.start("gzip", "-9", stdin=subprocess.PIPE)
    feeder = scene.start("cat", "/dev/urandom", stdout=program.stdin)
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 200)
    rows = scene.folded(program.pid)
    assert all(frames[0] == "gzip" for frames, _ in rows), rows[:3]
    assert any(frame.startswith("gzip+0x") for frames, _ in rows for frame in frames), "a stripped program shows file+offset"
    assert_in(feeder.pid, children_of(feeder.pid))


main()
