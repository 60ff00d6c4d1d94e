#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where resident memory grows, of programs that touch a known amount of it."""
from harness import Scene, Skip, assert_equal, main, share_of, test, wait_until


def attach_touch(scene, *arguments, name="touch"):
    program = scene.workload(name, *arguments, stdout=-1)
    assert_equal(program.stdout.readline(), b"ready\n")
    scene.attach(program, "-e", "fault")
    return program


def minor_faults(program):
    with open(f"/proc/{program.pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[7])


@test
def memory_is_told_where_it_is_touched_first(scene: Scene):
    scene.flamed()
    program = attach_touch(scene)
    before = minor_faults(program)
    wait_until(lambda: minor_faults(program) > before + 20000, "20000 page faults")
    rows = scene.folded(program.pid, "-e", "fault", "--last", "60s")
    touched = 4096 * (minor_faults(program) - before)
    much, little = share_of(rows, "touch_much"), share_of(rows, "touch_little")
    assert abs(much - 75) < 10, (much, little)
    assert abs(little - 25) < 10, (much, little)
    measured = sum(count for _, count in rows)
    assert 0.75 < measured / touched < 1.3, (measured, touched)
    profile = scene.profile(targets=[str(program.pid)], event="fault", last_ms=60000)
    assert_equal((profile["event"], profile["unit"], profile["source"]), ("fault", "bytes", "page_fault_user"))


@test
def a_walk_that_reads_beyond_a_stack_is_no_fault_of_the_program(scene: Scene):
    """Walks read ahead. The kernel reports that as a page fault, too, in the middle of the walk."""
    scene.flamed()
    program = attach_touch(scene, "short-stack")
    begun, before = scene.counters()["faults.seen"], minor_faults(program)
    wait_until(lambda: scene.counters()["faults.sampled"] >= 300, "300 faults are walked")
    seen, faults = scene.counters()["faults.seen"] - begun, minor_faults(program) - before
    assert seen < 1.1 * faults, (seen, faults)
    # The first ones may come before the files have been read.
    rows = [frames for frames, _ in scene.folded(program.pid, "-e", "fault", "--last", "60s") if "[no unwind info]" not in frames]
    assert rows
    for frames in rows:
        assert_equal(frames.count("run_elsewhere"), 1, str(frames))


@test
def a_huge_page_counts_as_the_memory_it_is(scene: Scene):
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="utf-8") as file:
        if "[never]" in file.read():
            raise Skip("needs transparent huge pages")
    scene.flamed()
    program = attach_touch(scene, "huge")
    before = minor_faults(program)
    wait_until(lambda: minor_faults(program) > before + 50, "50 page faults")
    scene.wait_samples(program.pid, 20)
    profile = scene.profile(targets=[str(program.pid)], event="fault", last_ms=60000)
    count = sum(row[2] for row in profile["rows"])
    weight = sum(row[3] for row in profile["rows"])
    if minor_faults(program) - before > 10 * count:
        raise Skip("the kernel had no huge page to give")
    assert weight > 0.7 * count * (2 << 20), (count, weight)


@test
def a_static_program_without_symbols_is_told_by_its_addresses(scene: Scene):
    scene.flamed()
    program = attach_touch(scene, name="touch_stripped")
    before = minor_faults(program)
    wait_until(lambda: minor_faults(program) > before + 5000, "5000 page faults")
    rows = scene.folded(program.pid, "-e", "fault", "--last", "60s")
    whole = sum(count for frames, count in rows
                if not any(frame.startswith("[") for frame in frames[1:]))
    assert whole > 0.9 * sum(count for _, count in rows), rows[:5]
    assert any("touch_stripped+0x" in frame for frames, _ in rows for frame in frames), rows[:5]


@test
def the_unit_of_folded_text_is_bytes(scene: Scene):
    scene.flamed()
    program = attach_touch(scene)
    scene.wait_samples(program.pid, 50)
    rows = scene.folded(program.pid, "-e", "fault", "--last", "60s")
    assert all(count >= 4096 for _, count in rows), rows


main()
