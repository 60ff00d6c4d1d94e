#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The past is kept: windows of time, what they cover, and why one may be empty."""
import time

from harness import ProtocolError, Scene, assert_equal, assert_in, main, share_of, test, wait_until


def cause(scene, *select):
    """What flamectl says of a window without samples: exit 1 and one line."""
    done = scene.flamectl("dump", *select, status=1)
    assert_equal(done.stdout, "", "nothing on standard output")
    assert_equal(len(done.stderr.splitlines()), 1, done.stderr)
    return done.stderr.lower()


@test
def a_window_is_answered_from_what_was_sampled_before(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 1000)
    profile = scene.profile(targets=[str(program.pid)], last_ms=30000)
    asked, covered = profile["window"]["asked"], profile["window"]["covered"]
    assert abs(asked["to"] - asked["from"] - 30) < 0.01, asked
    assert asked["from"] <= covered["from"] <= covered["to"] <= asked["to"] + 1.001, (asked, covered)
    assert abs(asked["to"] - time.time()) < 10
    assert sum(row[2] for row in profile["rows"]) >= 900


@test
def a_window_in_the_past_leaves_out_what_came_later(scene: Scene):
    daemon = scene.flamed("--bucket", "100ms")
    first = scene.workload("sample_program")
    scene.attach(first, "-F", "499")
    scene.wait_samples(first.pid, 200)
    first.kill()
    first.wait()
    between = time.time()
    # Another program's samples fill the buckets in between, of a tenth of a second each.
    witness = scene.workload("children", "fork", 0, 100)
    scene.attach(witness, "-F", "499")
    scene.wait_buckets(4)
    scene.flamectl("detach", witness.pid)
    second = scene.workload("recursion", 3)
    scene.attach(second, "-F", "499")
    scene.wait_samples(second.pid, 200)
    past = daemon.request("dump", **{"from": between - 30, "to": between + 0.1}).decode()
    later = daemon.request("dump", **{"from": between + 0.2}).decode()
    assert "compute_hot" in past and "at_the_bottom" not in past
    assert "compute_hot" not in later and "at_the_bottom" in later


@test
def asking_does_not_disturb_sampling(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 100)
    before = scene.samples()
    for _ in range(20):
        scene.folded(program.pid)
    scene.wait_samples(program.pid, 1000)
    after = scene.samples()
    assert_equal(after["lost"], before["lost"], "losses")
    assert_equal(scene.target(program.pid)["state"], "running")


@test
def a_window_longer_than_the_past_is_answered_and_said(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 200)
    done = scene.flamectl("dump", program.pid, "--last", "5h")
    assert_in("compute_hot", done.stdout)
    assert done.stderr.strip(), "the shorter window is said on standard error"
    profile = scene.profile(targets=[str(program.pid)], last_ms=5 * 3600 * 1000)
    window = profile["window"]
    assert window["covered"]["from"] > window["asked"]["from"] + 3600, window


@test
def old_buckets_are_evicted_and_status_says_how_far_back_the_past_reaches(scene: Scene):
    daemon = scene.flamed("--bucket", "100ms", "--retention", "1s")
    program = scene.workload("sample_program", 0.5)
    scene.attach(program, "-F", "499")
    program.wait(60)
    witness = scene.workload("sample_program")
    scene.attach(witness, "-F", "99")
    wait_until(lambda: "compute_hot" not in scene.flamectl("dump", program.pid, status=None).stdout, "the past is evicted")
    status = daemon.request("status")
    assert time.time() - status["oldest"] < 5, status["oldest"]
    assert status["buckets"]["held"] <= 12, status["buckets"]
    samples = status["samples"]
    assert_equal(samples["taken"], samples["kept"] + sum(samples["lost"].values()))
    assert share_of(scene.folded(witness.pid), "compute_hot") > 50


@test
def history_stays_within_its_memory(scene: Scene):
    daemon = scene.flamed("--memory", "2M", "--bucket", "100ms")
    program = scene.workload("many_stacks", 100000)
    scene.attach(program, "-F", "4999")
    for count in (5000, 20000, 40000):
        scene.wait_samples(program.pid, count)
        memory = daemon.request("status")["memory"]
        assert_equal(memory["limit_bytes"], 2 << 20)
        assert memory["history_bytes"] <= memory["limit_bytes"], memory
    samples = scene.samples()
    assert_equal(samples["taken"], samples["kept"] + sum(samples["lost"].values()))


@test
def nothing_attached_is_a_cause(scene: Scene):
    scene.flamed()
    assert_in("attach", cause(scene))


@test
def a_process_that_was_not_attached_is_a_cause(scene: Scene):
    scene.flamed()
    program, other = scene.workload("sample_program"), scene.workload("sample_program")
    scene.attach(program)
    assert_in("attach", cause(scene, other.pid))


@test
def stopped_is_a_cause(scene: Scene):
    scene.flamed("--bucket", "100ms")
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 50)
    scene.flamectl("stop", program.pid)
    wait_until(lambda: scene.flamectl("dump", program.pid, "--last", "500ms", status=None).returncode == 1, "the window is empty")
    assert_in("stop", cause(scene, program.pid, "--last", "500ms"))


@test
def idle_is_a_cause(scene: Scene):
    scene.flamed()
    program = scene.start("sleep", "infinity")
    scene.attach(program)
    text = cause(scene, program.pid)
    assert "idle" in text or "no cpu" in text or "did not run" in text, text


@test
def before_the_attachment_is_a_cause(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 50)
    now = time.time()
    try:
        daemon.request("dump", targets=[str(program.pid)], **{"from": now - 3000, "to": now - 2000})
    except ProtocolError as error:
        assert_equal(error.name, "no-samples")
        assert error.message, "the cause"
    else:
        raise AssertionError("a window before everything had an answer")


main()
