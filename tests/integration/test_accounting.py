#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every sample is kept or lost by name, and nothing grows: descriptors, memory, targets."""
import itertools
import os
import signal

from harness import Scene, assert_equal, assert_in, cpu_seconds, descriptor_count, main, pss_kib, test, wait_until

CPUS = os.cpu_count() or 1


def assert_exact(samples):
    assert_equal(samples["taken"], samples["kept"] + sum(samples["lost"].values()), samples)


@test
def taken_is_kept_plus_lost_at_any_moment(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "4999")
    for count in range(500, 5000, 500):
        scene.wait_samples(program.pid, count)
        assert_exact(daemon.request("status")["samples"])


@test
def taken_is_kept_plus_lost_with_children_that_come_and_go(scene: Scene):
    daemon = scene.flamed()
    scene.attach_all("-F", "999")
    storms = [scene.workload("children", way, 0, 500) for way in ("fork", "exec")]
    for count in (1000, 2000, 3000):
        wait_until(lambda wanted=count: daemon.request("status")["samples"]["taken"] >= wanted, f"{count} samples")
        assert_exact(daemon.request("status")["samples"])
    for storm in storms:
        storm.kill()
        storm.wait()
    scene.flamectl("detach", "all")
    assert_exact(daemon.request("status")["samples"])


@test
def rows_of_the_profile_add_up_to_the_samples_kept(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    scene.attach(program, "-F", "999")
    scene.wait_samples(program.pid, 1000)
    scene.flamectl("detach", program.pid)
    kept = wait_until(lambda: settled(daemon), "every sample has arrived")
    rows = scene.profile(last_ms=600000)["rows"]
    assert_equal(sum(row[2] for row in rows), kept)


def settled(daemon):
    """The samples kept once two answers agree."""
    first, second = (daemon.request("status")["samples"] for _ in range(2))
    return first["kept"] if first == second else None


@test
def samples_that_were_lost_are_drawn_where_the_whole_host_is_shown(scene: Scene):
    daemon = scene.flamed()
    programs = [scene.workload("sample_program") for _ in range(CPUS)]
    scene.attach_all("-F", "4999")
    scene.wait_samples(None, 100)
    core = daemon.core()
    stretches = itertools.count(1)

    def is_losing():
        # While the core does not run the ring fills up, sooner or later. What comes too late is lost in another way.
        seconds = next(stretches) * CPUS
        os.kill(core, signal.SIGSTOP)
        before = sum(cpu_seconds(program.pid) for program in programs)
        wait_until(lambda: sum(cpu_seconds(program.pid) for program in programs) > before + seconds, "seconds of every CPU")
        os.kill(core, signal.SIGCONT)
        samples = daemon.request("status")["samples"]
        # Enough of them for a frame that is wide enough to be drawn.
        return samples["lost"]["ring_full"] if samples["lost"]["ring_full"] > samples["taken"] / 20 else 0
    lost = wait_until(is_losing, "samples are lost")
    scene.flamectl("detach", "all")
    wait_until(lambda: settled(daemon), "every sample has arrived")
    profile = scene.profile(last_ms=600000)
    drawn = [row for row in profile["rows"] if row[0] == -1]
    assert_equal(sum(row[2] for row in drawn), profile["samples"]["lost"]["ring_full"])
    assert drawn[0][2] > lost / 2 and drawn[0][3] > 0, (drawn, lost)
    assert_equal(sum(row[2] for row in profile["rows"]), profile["samples"]["taken"])
    assert_in((["[lost]"], drawn[0][2]), scene.folded("--last", "10m"))
    assert "[lost]" in scene.flamectl("svg", "--last", "10m", "-o", "-").stdout
    # Nobody knows whose they were.
    assert "[lost]" not in scene.flamectl("dump", programs[0].pid, "--last", "10m").stdout


@test
def nothing_is_lost_at_999_hz_on_a_saturated_machine(scene: Scene):
    daemon = scene.flamed()
    programs = [scene.workload("sample_program") for _ in range(CPUS)]
    for program in programs:
        scene.attach(program, "-F", "999")
    for program in programs:
        scene.wait_samples(program.pid, 3000)
    samples = daemon.request("status")["samples"]
    assert_equal(sum(samples["lost"].values()), 0, samples)
    assert_exact(samples)


@test
def every_counter_has_a_name_and_a_number(scene: Scene):
    status = scene.flamed().request("status")
    assert status["counters"]
    for name, number in status["counters"].items():
        assert isinstance(number, int) and number >= 0, (name, number)
    shown = scene.flamectl("status").stdout
    for name in status["counters"]:
        assert name in shown, f"flamectl status does not show {name}"


@test
def a_thousand_attachments_leave_descriptors_and_memory_flat(scene: Scene):
    daemon = scene.flamed()
    program = scene.workload("sample_program")
    connection = daemon.connect()

    def attach_and_detach(times):
        for _ in range(times):
            connection.request("attach", pid=program.pid, rate_hz=199)
            connection.request("detach", targets=[str(program.pid)])

    scene.attach(program, "-F", "499")
    scene.wait_samples(program.pid, 100)
    scene.profile(last_ms=30000)
    attach_and_detach(50)
    pids = [daemon.pid, daemon.find("flamed-spawn"), daemon.find("flamed-core"), daemon.find("flamed-elf")]
    descriptors = [descriptor_count(pid) for pid in pids]
    memory = sum(pss_kib(pid) for pid in pids)
    attach_and_detach(1000)
    assert set(pids) <= set(daemon.pids()), "the same processes"
    for pid, before in zip(pids, descriptors):
        wait_until(lambda pid=pid, before=before: descriptor_count(pid) <= before, f"descriptors of {pid} are {before} again")
    grown = sum(pss_kib(pid) for pid in pids) - memory
    assert grown < 2048, f"memory grew by {grown} KiB"
    connection.close()


@test
def programs_that_come_and_go_leave_no_descriptor_behind(scene: Scene):
    daemon = scene.flamed()
    core = daemon.core()
    scene.attach(scene.workload("children", "exec", 0, 1000), "-F", "4999")

    def samples(count):
        taken = daemon.request("status")["samples"]["taken"] + count
        wait_until(lambda: daemon.request("status")["samples"]["taken"] >= taken, f"{taken} samples")

    samples(1000)
    before = descriptor_count(core)
    samples(3000)
    wait_until(lambda: descriptor_count(core) <= before + 8, f"descriptors stay near {before}")


main()
