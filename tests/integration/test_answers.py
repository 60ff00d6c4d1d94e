#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What flamectl makes of the answers of flamed: windows, units, levels, formats, and the sentences beside them."""
import json
import os
import re
import time

from harness import Scene, assert_equal, assert_in, main, parse_folded, share_of, test, wait_until, workload


def sampled_program(scene, name="sample_program", samples=100):
    scene.flamed()
    program = scene.workload(name)
    scene.attach(program, "-F", "499", "--budget", "100")
    scene.wait_samples(program.pid, samples)
    return program


def total(rows):
    return sum(count for _, count in rows)


@test
def stopping_pauses_and_starting_resumes(scene: Scene):
    program = sampled_program(scene)
    assert_equal(scene.flamectl("stop", program.pid).stdout, f"stopped {program.pid} (sample_program)\n")
    assert_equal(scene.target(program.pid)["state"], "stopped")
    assert_in("stopped", scene.flamectl("list").stdout)
    assert_equal(scene.flamectl("start").stdout, f"started {program.pid} (sample_program)\n")
    now = scene.target(program.pid)["samples"]
    scene.wait_samples(program.pid, now + 20)


@test
def a_target_for_a_while_goes_by_itself(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "--for", "300ms")
    wait_until(lambda: scene.target(program.pid) is None, "it is detached")


@test
def attaching_again_changes_the_settings(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    assert_equal(scene.attach(program).stdout, f"attached {program.pid} (sample_program): cpu at 99 Hz\n")
    assert_equal(scene.attach(program, "-F", "199").stdout, f"changed {program.pid} (sample_program): cpu at 199 Hz\n")
    assert_equal(len(scene.flamectl_json("list")["targets"]), 1)


@test
def one_bad_pid_does_not_keep_the_others_from_being_attached(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    done = scene.flamectl("attach", 2 ** 30, program.pid, status=1)
    assert_equal(len(done.stdout.splitlines()), 1)
    assert_equal(len(done.stderr.splitlines()), 1)
    assert scene.target(program.pid)


@test
def a_window_longer_than_the_past_is_answered_with_a_remark(scene: Scene):
    program = sampled_program(scene)
    done = scene.flamectl("dump", program.pid, "--last", "5h")
    assert share_of(parse_folded(done.stdout), "compute_hot") > 50
    assert_equal(len(done.stderr.splitlines()), 1, done.stderr)
    assert_in("window", done.stderr)
    assert scene.profile(last_ms=18000000)["notes"]
    # So is the usual window when it was asked for, but not when it was not.
    assert_in("window", scene.flamectl("dump", program.pid, "--last", "30s").stderr)
    assert_equal(scene.flamectl("dump", program.pid).stderr, "")
    scene.flamectl("dump", program.pid, "--last", "30s", "--from", "-1m", status=2)


@test
def a_window_is_where_it_was_asked_for(scene: Scene):
    program = sampled_program(scene)
    middle = time.time()
    scene.wait_samples(program.pid, scene.target(program.pid)["samples"] + 1000)
    window = json.loads(scene.flamectl("dump", "-f", "json", "--from", f"@{middle}", "--to", "now").stdout)["window"]
    assert abs(window["asked"]["from"] - middle) < 0.01
    assert window["covered"]["from"] >= middle - 1.1
    early = scene.folded("--from", "-10m", "--to", f"@{middle + 0.1}")
    assert total(early) < total(scene.folded("--from", "-10m"))


@test
def options_of_a_window_that_contradict_each_other_are_wrong_usage(scene: Scene):
    for options in (["--to", "-1m"], ["--from", "-1m", "--to", "-2m"], ["--no-kernel", "--no-user"], ["--from", "tomorrow"], ["--last", "0"],
                    ["--tid", "0"], ["--unit", "miles"], ["--min-quality", "101"]):
        for command in ("dump", "svg", "top"):
            scene.flamectl("--socket", scene.path("nobody"), command, *options, status=2)


@test
def units_are_what_they_say(scene: Scene):
    program = sampled_program(scene, samples=300)
    scene.flamectl("stop", program.pid)
    window = ["--from", f"@{time.time() - 60}", "--to", f"@{time.time()}", program.pid]
    samples = total(scene.folded(*window, "--unit", "samples"))
    assert_equal(total(scene.folded(*window)), samples)
    milliseconds = total(scene.folded(*window, "--unit", "ms"))
    nanoseconds = total(scene.folded(*window, "--unit", "ns"))
    assert abs(nanoseconds / 1e6 - milliseconds) < 10, (nanoseconds, milliseconds)
    assert abs(milliseconds / samples - 1000 / 499) < 1, (milliseconds, samples)
    scene.flamectl("dump", "--unit", "bytes", status=1)


@test
def threads_and_processes_become_levels(scene: Scene):
    program = sampled_program(scene, "threads")
    rows = scene.folded(program.pid, "--by-thread", "--by-process")
    assert_equal({frames[0] for frames, _ in rows}, {f"threads/{program.pid}"})
    threads = {frames[1]: frames for frames, _ in rows}
    assert all(re.fullmatch(r".+/\d+", name) for name in threads), threads
    alpha = next(name for name, frames in threads.items() if "alpha_work" in frames)
    tid = alpha.rpartition("/")[2]
    only = scene.folded(program.pid, "--tid", tid)
    assert all("beta_work" not in frames for frames, _ in only)


@test
def kernel_frames_can_be_marked_and_left_out(scene: Scene):
    scene.flamed()
    program = scene.start("dd", "if=/dev/zero", "of=/dev/null", "bs=1M", stderr=-3)
    scene.attach(program, "-F", "499", "--budget", "100")
    scene.wait_samples(program.pid, 100)
    assert_in("_[k]", scene.flamectl("dump", "--annotate").stdout)
    assert "_[k]" not in scene.flamectl("dump").stdout
    assert "_[k]" not in scene.flamectl("dump", "--annotate", "--no-kernel").stdout


def without_offsets(frames):
    return tuple(re.sub(r"\+0x[0-9a-f]+$", "", frame) for frame in frames)


@test
def perf_script_text_collapses_to_the_same_stacks(scene: Scene):
    program = sampled_program(scene, samples=300)
    scene.flamectl("stop", program.pid)
    scene.flamectl("dump", program.pid, "--last", "1m", "-f", "perf-script", "-o", "out.perf")
    collapsed = {tuple(frames): weight for frames, weight in parse_folded(scene.flamectl("collapse", "out.perf").stdout)}
    # In perf's text what stands behind a + is an offset, which collapsing drops: functions without a name have only that.
    counted = {without_offsets(frames): count for frames, count in scene.folded(program.pid, "--last", "1m")}
    weighed = {without_offsets(frames): weight for frames, weight in scene.folded(program.pid, "--last", "1m", "--unit", "ns")}
    assert_equal(set(collapsed), set(weighed))
    for stack, weight in collapsed.items():
        # The weight of a row is divided among its records, each a whole number.
        assert abs(weight - weighed[stack]) <= counted[stack], (stack, weight, weighed[stack])


@test
def a_quality_that_is_not_reached_is_exit_status_1_behind_the_output(scene: Scene):
    program = sampled_program(scene)
    scene.flamectl("stop", program.pid)
    rows = scene.folded(program.pid, "--last", "1m")
    # Without debug packages libc has a function without a name in every stack: then none is good.
    bad = sum(count for frames, count in rows if any(re.search(r"\+0x[0-9a-f]+$|^\[", frame) for frame in frames))
    share = 100 * (1 - bad / sum(count for _, count in rows))
    for percent in (share - 0.1, share + 0.1):
        if not 0 < percent <= 100:
            continue
        quality = scene.flamectl("dump", program.pid, "--last", "1m", "--min-quality", f"{percent:.4f}", status=1 if percent > share else 0)
        assert_equal("have whole, named stacks" in quality.stderr, percent > share)
        assert_in("compute_hot", quality.stdout)


@test
def no_samples_name_their_cause_and_leave_no_file(scene: Scene):
    scene.flamed()
    sleeper = scene.start("sleep", "infinity")
    for what, cause in ((["1"], "not attached"), ([], "nothing is attached")):
        assert_in(cause, scene.flamectl("dump", *what, status=1).stderr)
    scene.attach(sleeper)
    done = scene.flamectl("svg", sleeper.pid, "-o", "empty.svg", status=1)
    assert_equal(len(done.stderr.splitlines()), 1, done.stderr)
    assert_in("idle", done.stderr)
    assert not os.path.exists(scene.path("empty.svg"))


@test
def top_tells_margins_and_sorts_by_either_column(scene: Scene):
    program = sampled_program(scene, samples=400)
    answer = scene.flamectl_json("top", program.pid, "-n", "2")
    hot = answer["functions"][0]
    assert_equal((len(answer["functions"]), hot["name"], hot["module"]), (2, "compute_hot", "sample_program"))
    assert 0 < hot["self"]["margin"] < 15
    assert abs(hot["self"]["percent"] - 70) < hot["self"]["margin"] * 2.5 + 3
    by_total = scene.flamectl_json("top", program.pid, "--sort", "total")["functions"]
    assert by_total[0]["total"]["percent"] > 95, by_total[0]
    assert by_total[0]["self"]["percent"] < 5, by_total[0]


@test
def status_tells_every_counter_and_adds_up(scene: Scene):
    program = sampled_program(scene)
    scene.flamectl("stop", program.pid)
    status = scene.flamectl_json("status")
    assert_equal(status["samples"]["taken"], status["samples"]["kept"] + sum(status["samples"]["lost"].values()))
    text = scene.flamectl("status").stdout
    for name in status["counters"]:
        assert_in(name, text)


@test
def record_writes_other_formats_too(scene: Scene):
    scene.flamed()
    program = scene.workload("sample_program")
    rows = parse_folded(scene.flamectl("record", "-d", "1s", "-F", "499", "-f", "folded", program.pid).stdout)
    assert share_of(rows, "compute_hot") > 40
    text = scene.flamectl("record", "-d", "500ms", "-F", "499", "-f", "json", program.pid).stdout
    assert_equal(json.loads(text)["flame_profile"], 1)


@test
def record_of_a_process_ends_with_it(scene: Scene):
    scene.flamed()
    program = scene.start(workload("sample_program"), "1")
    scene.flamectl("record", "-d", "10m", "-F", "499", "-o", "p.svg", program.pid)
    assert os.path.getsize(scene.path("p.svg")) > 1000


@test
def record_that_cannot_run_its_command_exits_as_a_shell(scene: Scene):
    scene.flamed()
    with open(scene.path("text"), "w", encoding="utf-8") as file:
        file.write("no program")
    scene.flamectl("record", "--", scene.path("missing"), status=127)
    scene.flamectl("record", "--", scene.path("text"), status=126)
    scene.flamectl("record", scene.path("text"), status=2)
    scene.flamectl("record", status=2)
    assert_equal(scene.flamectl_json("list"), {"targets": []})


@test
def a_command_does_not_start_where_flamed_is_not(scene: Scene):
    scene.flamectl("--socket", scene.path("nobody"), "record", "--", "touch", scene.path("started"), status=3)
    assert not os.path.exists(scene.path("started"))


main()
