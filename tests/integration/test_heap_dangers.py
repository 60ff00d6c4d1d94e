# SPDX-License-Identifier: Apache-2.0
"""What probes in an allocator could break: whatever the program does, it survives, its results are right and its code is as it was."""
import contextlib
import os
import signal
import statistics
import subprocess

from harness import (PATIENCE, all_kernel_programs, assert_equal, children_of, is_alive, main, proc_status, test, wait_until,
                     workload)
from heap_programs import Allocations, altered_code, ends_well, heap_profile, heap_tier, leaf_weights


def say(process, line=b"\n"):
    process.stdin.write(line)
    process.stdin.flush()


def talking(scene, name, *arguments):
    return scene.workload(name, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def no_code_was_altered(scene):
    counters = scene.counters()
    assert_equal(counters["probes.altered"], 0, "places that are not as they were")
    return counters["probes.compared"]


def wait_compared(scene, more_than=0):
    """Wait until the code was compared after a detach."""
    return wait_until(lambda: max(no_code_was_altered(scene) - more_than, 0), "the code was compared")


# ---- Before, while and after -------------------------------------------------------------------------------------------


@test
def detaching_and_stopping_leave_the_code_as_it_was(scene):
    scene.flamed()
    program = Allocations(scene, 1000)
    compared = 0
    for begin, end in ("attach", "stop"), ("start", "detach"):
        scene.flamectl(begin, program.pid, *(["-e", "heap"] if begin == "attach" else []))
        wait_until(lambda: len(altered_code(program.pid)) >= 8, "the probes are to be seen")
        scene.flamectl(end, program.pid)
        compared += wait_compared(scene, compared)
        assert_equal(altered_code(program.pid), [], f"code after {end}")


@test
def when_flamed_ends_the_code_is_as_it_was(scene):
    daemon = scene.flamed()
    program = Allocations(scene, 1000)
    scene.attach(program, "-e", "heap")
    assert altered_code(program.pid), "the probes are to be seen"
    daemon.stop()
    assert_equal(altered_code(program.pid), [], "code afterwards")
    assert "Code is not what it was" not in daemon.log()


@test
def when_flamed_is_killed_the_program_is_as_fast_as_before(scene):
    daemon = scene.flamed()
    process = scene.workload("pair_speed", stdout=subprocess.PIPE)

    def forget_lines():
        os.set_blocking(process.stdout.fileno(), False)
        while process.stdout.read():
            pass
        os.set_blocking(process.stdout.fileno(), True)
        process.stdout.readline()

    def pair_ns():
        forget_lines()
        return statistics.median(float(process.stdout.readline()) for _ in range(9))
    before = pair_ns()
    # No budget: every pair is traced.
    scene.flamectl("attach", process.pid, "-e", "heap", "--budget", "0")
    assert altered_code(process.pid), "the probes are to be seen"
    wait_until(lambda: float(process.stdout.readline()) > 20 * before, "traced pairs are slow")
    pids = daemon.pids()
    os.kill(daemon.pid, signal.SIGKILL)
    forget_lines()
    wait_until(lambda: float(process.stdout.readline()) < 3 * before, "native speed")
    assert_equal(altered_code(process.pid), [], "code afterwards")
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "every process of flamed is gone")
    wait_until(lambda: not daemon.programs & all_kernel_programs(), "the kernel programs are unloaded")


@test
def of_two_targets_of_one_library_the_other_stays_whole_when_one_is_detached(scene):
    scene.flamed()
    programs = [Allocations(scene, 500), Allocations(scene, 700)]
    for program in programs:
        scene.attach(program, "-e", "heap")
        program.go()
    for program in programs:
        scene.wait_samples(program.pid, 700)
    left, stays = programs
    scene.flamectl("detach", left.pid)
    wait_compared(scene)
    assert_equal(altered_code(left.pid), [], "code of the one that was detached")
    assert altered_code(stays.pid), "the other is still probed"
    scene.wait_samples(stays.pid, scene.target(stays.pid)["samples"] + 1000)
    told = stays.stop()
    assert_equal(leaf_weights(heap_profile(scene, stays.pid))["churn"], told["churn"])
    assert left.stop()["churn"] > 0


# ---- Forks -------------------------------------------------------------------------------------------------------------


@test
def a_child_is_taken_over_with_its_own_exact_heap(scene):
    scene.flamed()
    program = Allocations(scene, 1000, more=["fork"])
    scene.attach(program, "-e", "heap")
    program.go()
    child = wait_until(lambda: next(iter(children_of(program.pid)[1:]), None), "the child")

    wait_until(lambda: heap_tier(scene, child) == "full", "the child is watched")
    os.kill(child, signal.SIGUSR1)
    wait_until(lambda: sum(stack["bytes"] for stack in scene.flamectl_json("leaks", child, "--older", "0s")["stacks"]
                           if stack["frames"][-1][0] == "leak") >= 10000, "the child leaks")
    program.go()
    told = {each["pid"]: each for each in (program.told(), program.told())}
    # Who asks for the parent gets its children, too.
    for pid, pids in (child, [child]), (program.pid, [program.pid, child]):
        weights = leaf_weights(heap_profile(scene, pid))
        for name, leaf in ("leak", "leak"), ("cache", "fill_cache"), ("churn", "churn"):
            assert_equal(weights[leaf], sum(told[each][name] for each in pids), f"{name} of {pid}")
        held = {(stack["pid"], stack["frames"][-1][0]): stack["bytes"] for stack in
                scene.flamectl_json("leaks", pid, "--older", "0s")["stacks"]}
        assert_equal({who for who, _ in held}, set(pids), f"processes of {pid}")
        for each in pids:
            assert_equal(held.get((each, "leak")), told[each]["leak"], f"held by the leak of {each}")


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def start_children(scene, count):
    """A shell with that many children that allocate as long as its standard input is open."""
    children = f"{workload('allocations')} 1000 <&3 & " * count
    return scene.start("sh", "-c", f"exec 3<&0; {children} wait", stdin=subprocess.PIPE)


def watched_fully(scene):
    """The pids whose every allocation is recorded."""
    return {one["pid"] for one in scene.flamectl_json("leaks")["processes"] if one["tier"] == "full"}


@test
def children_that_are_there_already_are_watched_too(scene):
    scene.flamed()
    program = start_children(scene, 2)
    children = wait_until(lambda: len(found := children_of(program.pid)[1:]) == 2 and found, "two children")
    for child in children:
        scene.stack.callback(kill, child)
    wait_until(lambda: all(proc_status(child)["Name"] == "allocations" for child in children), "they run their program")
    scene.attach(program, "-e", "heap")
    wait_until(lambda: watched_fully(scene) == {program.pid, *children}, "all three are watched")
    for child in children:
        wait_until(lambda: leaf_weights(heap_profile(scene, child)).get("leak", 0) >= 1000, "its allocations are seen")
    scene.flamectl("detach", program.pid)
    wait_until(lambda: not any(altered_code(child) for child in children), "no probe is left")


@test
def what_is_attached_for_itself_is_not_taken_by_its_parent(scene):
    scene.flamed()
    program = start_children(scene, 1)
    child = wait_until(lambda: next(iter(children_of(program.pid)[1:]), None), "the child")
    scene.stack.callback(kill, child)
    wait_until(lambda: proc_status(child)["Name"] == "allocations", "it runs its program")
    scene.flamectl("attach", child, "-e", "heap", "--budget", "100")
    scene.attach(program, "-e", "heap")
    wait_until(lambda: watched_fully(scene) == {program.pid, child}, "both are watched")
    scene.flamectl("detach", program.pid)
    assert_equal(watched_fully(scene), {child})


@test
def a_program_that_becomes_a_daemon_is_watched_on(scene):
    scene.flamed()
    # The one in between ends at once.
    program = scene.start("sh", "-c", f"exec 3<&0; read line; sh -c '{workload('allocations')} 1000 <&3 & echo $!'; read line",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    scene.attach(program, "-e", "heap")
    program.stdin.write(b"\n")
    program.stdin.flush()
    grandchild = int(program.stdout.readline())
    scene.stack.callback(kill, grandchild)
    wait_until(lambda: grandchild in watched_fully(scene), "the grandchild is watched")
    wait_until(lambda: leaf_weights(heap_profile(scene, grandchild)).get("leak", 0) >= 1000, "its allocations are seen")


@test
def children_that_do_not_live_long_enough_are_told(scene):
    scene.flamed()
    program = scene.start("sh", "-c", "while read line; do sleep 0.01; all=$all$line; done", stdin=subprocess.PIPE)
    scene.attach(program, "-e", "heap")

    def notes():
        say(program, b"a line that the shell keeps in memory\n")
        return heap_profile(scene, program.pid)["notes"]
    wait_until(lambda: any("ended within a second" in note for note in notes()), "a note of the children")


@test
def a_child_that_is_not_followed_is_rid_of_its_probes(scene):
    scene.flamed()
    program = Allocations(scene, 1000, more=["fork"])
    scene.attach(program, "-e", "heap", "--no-children")
    program.go()
    child = wait_until(lambda: next(iter(children_of(program.pid)[1:]), None), "the child")
    wait_until(lambda: not altered_code(child), "the child's code is as in the files")
    assert altered_code(program.pid), "the parent is still probed"
    wait_until(lambda: leaf_weights(heap_profile(scene, program.pid)).get("churn"), "the parent allocates")
    os.kill(child, signal.SIGUSR1)
    program.go()
    told = [program.told(), program.told()]
    mine = next(one for one in told if one["pid"] == program.pid)
    assert_equal(leaf_weights(heap_profile(scene, program.pid))["churn"], mine["churn"])
    assert_equal(scene.flamectl_json("leaks")["processes"][1:], [], "the child is not watched")


# ---- Dangers -----------------------------------------------------------------------------------------------------------


def survives(scene, what, seconds=3, **options):
    """Attach and detach again and again while the program does what is dangerous; it must end well."""
    scene.flamed()
    process = scene.workload("allocation_dangers", what, seconds, **options)
    ends_well(scene, process)
    no_code_was_altered(scene)


@test
def two_hundred_threads_survive(scene):
    survives(scene, "threads")


@test
def a_program_that_jumps_out_of_functions_survives(scene):
    survives(scene, "longjmp")


@test
def a_program_that_forks_in_a_loop_survives_and_so_do_its_children(scene):
    survives(scene, "fork")


@test
def a_program_that_runs_itself_again_and_again_survives(scene):
    survives(scene, "exec")


@test
def a_program_that_exits_while_threads_allocate_ends_well(scene):
    survives(scene, "exit", seconds=2)


@test
def a_program_in_strict_seccomp_survives(scene):
    survives(scene, "seccomp")


@test
def a_program_may_exit_inside_malloc(scene):
    scene.flamed()
    process = talking(scene, "own_allocator", "exit")
    assert_equal(process.stdout.readline(), b"ready\n")
    scene.attach(process, "-e", "heap")
    say(process)
    assert_equal(process.wait(PATIENCE), 0, "exit status")
    weights = leaf_weights(heap_profile(scene, process.pid))
    assert_equal(weights["allocate"], 2 * 1000 * 50.5, "what it allocated, at its exit too")


@test
def a_program_may_be_detached_while_it_is_inside_malloc(scene):
    scene.flamed()
    process = talking(scene, "own_allocator", "slow")
    assert_equal(process.stdout.readline(), b"ready\n")
    scene.attach(process, "-e", "heap")
    say(process)
    assert_equal(process.stdout.readline(), b"inside\n")
    scene.flamectl("detach", process.pid)
    wait_compared(scene)
    assert_equal(altered_code(process.pid), [], "code while it is inside")
    say(process)
    assert_equal(process.stdout.readline(), b"done\n")
    say(process)
    assert_equal(process.wait(PATIENCE), 0, "exit status")


@test
def an_allocator_may_be_unloaded_and_loaded_again(scene):
    scene.flamed()
    process = talking(scene, "unloading", workload("plugin_heap.so"))
    assert_equal(process.stdout.readline(), b"loaded\n")
    scene.attach(process, "-e", "heap")
    assert any("plugin_heap" in path for path, _ in altered_code(process.pid)), "its allocator is probed, too"
    say(process)
    # Its own malloc gives 16 times 700 bytes a round, the C library's realloc as many times a bit over 900.
    weights = wait_until(lambda: (found := leaf_weights(heap_profile(scene, process.pid))).get("plugin_run", 0) > 1e6 and found,
                         "allocations of the library that comes and goes")
    assert weights["plugin_run"] >= 16 * 700
    scene.flamectl("detach", process.pid)
    say(process)
    assert_equal(process.wait(PATIENCE), 0, "exit status")
    no_code_was_altered(scene)


def maps_libc(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return any("x" in line.split()[1] and "/libc.so" in line for line in file)


@test
def a_program_under_a_debugger_survives_and_stays_exact(scene):
    scene.flamed()
    program = Allocations(scene, 500)
    wait_until(lambda: maps_libc(program.pid), "the C library is mapped: the tracer may stop it")
    tracer = scene.workload("tracer", program.pid, 3)
    scene.attach(program, "-e", "heap")
    scene.flamectl("detach", program.pid)
    wait_compared(scene)
    scene.attach(program, "-e", "heap")
    program.go()
    assert_equal(tracer.wait(PATIENCE), 0, "exit status of the tracer")
    scene.wait_samples(program.pid, 1000)
    told = program.stop()
    assert_equal(leaf_weights(heap_profile(scene, program.pid))["churn"], told["churn"])
    scene.flamectl("detach", program.pid)
    wait_compared(scene, 8)
    no_code_was_altered(scene)



main()
