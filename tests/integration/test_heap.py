# SPDX-License-Identifier: Apache-2.0
"""The heap of a process that was never restarted: what it allocates, by whom, exactly, whatever allocator it has."""
import os

from harness import PATIENCE, assert_equal, assert_in, descriptors, main, need_tool, proc_status, test, wait_until
from heap_programs import Allocations, altered_code, heap_profile, leaf_weights, library
from threads import host_switches


def counts_exactly(scene, program):
    """Watch a program of no more than can be recorded: what it says of itself is what is shown. Returns that."""
    scene.attach(program, "-e", "heap")
    program.go()
    scene.wait_samples(program.pid, 1000)
    told = program.stop()
    assert_equal(leaf_weights(heap_profile(scene, program.pid))["churn"], told["churn"])
    return told


def holds_leak(scene, program, told):
    held = {stack["frames"][-1][0]: stack["bytes"] for stack in
            scene.flamectl_json("leaks", program.pid, "--older", "0s")["stacks"]}
    assert_equal(held["leak"], told["leak"])


@test
def allocations_of_a_quiet_program_are_exact(scene):
    scene.flamed()
    program = Allocations(scene, 1000)
    scene.attach(program, "-e", "heap")
    program.go()
    scene.wait_samples(program.pid, 1500)
    told = program.stop()

    profile = heap_profile(scene, program.pid)
    weights = leaf_weights(profile)
    assert_equal(profile["unit"], "bytes")
    assert_equal(weights["leak"], told["leak"], "leak")
    assert_equal(weights["fill_cache"], told["cache"], "cache")
    assert_equal(weights["churn"], told["churn"], "churn")


@test
def what_grows_is_told_from_what_is_only_held(scene):
    scene.flamed()
    program = Allocations(scene, 1000)
    scene.attach(program, "-e", "heap")
    program.go()

    def verdicts():
        stacks = scene.flamectl_json("leaks", program.pid, "--older", "1s")["stacks"]
        return {stack["frames"][-1][0]: stack["verdict"] for stack in stacks}
    wait_until(lambda: verdicts().get("leak") == "leak", "the leak is called one")
    assert_equal(verdicts()["fill_cache"], "cache")
    told = program.stop()

    result = scene.flamectl_json("leaks", program.pid, "--older", "0s")
    held = {stack["frames"][-1][0]: stack["bytes"] for stack in result["stacks"]}
    assert_equal(held["leak"], told["leak"], "held by the leak")
    assert_equal(held["fill_cache"], told["cache"], "held by the cache")
    assert "churn" not in held, held
    assert result["processes"][0]["complete"]
    assert_in("leaks: held for", scene.flamectl("leaks", program.pid, "--older", "1s").stdout)


@test
def a_program_that_allocates_too_often_is_watched_in_windows(scene):
    scene.flamed()
    program = Allocations(scene, 0)
    scene.flamectl("attach", program.pid, "-e", "heap", "--budget", "1")
    program.go()

    def process():
        return scene.flamectl_json("leaks", program.pid)["processes"][0]
    found = wait_until(lambda: process() if process()["tier"] == "duty" else None, "the duty tier")
    assert_equal([change["tier"] for change in found["tiers"]], ["full", "duty"])
    assert not found["complete"]
    assert_in("frees were missed", " ".join(found["notes"]))
    assert_in("no list of what is held", " ".join(found["notes"]))
    assert_equal(scene.flamectl_json("leaks", program.pid, "--older", "0s")["stacks"], [])
    told = scene.flamectl("leaks", program.pid).stdout
    assert_in("what it holds is not known", told)
    assert "nothing has been held" not in told
    wait_until(lambda: leaf_weights(heap_profile(scene, program.pid)).get("churn", 0) > 1e9, "windows give allocations")
    notes = " ".join(heap_profile(scene, program.pid)["notes"])
    assert_in("duty", notes, "the answer tells the tier")
    program.process.kill()
    wait_until(lambda: process()["tier"] == "ended", "its end")
    assert not process()["known"]
    assert_equal(scene.flamectl_json("leaks", program.pid, "--older", "0s")["stacks"], [], "what it held before it was estimated")
    assert_in("what it holds is not known", scene.flamectl("leaks", program.pid).stdout)


@test
def what_probes_cost_is_measured_here(scene):
    scene.flamed()
    program = Allocations(scene, 1000)
    assert "probes " not in scene.flamectl("status").stdout
    scene.attach(program, "-e", "heap")

    def probes():
        found = scene.daemons[-1].request("status")["sampling"]["probes"]
        return found if found["measured"] else None
    costs = wait_until(probes, "the costs are measured")
    assert 50 < costs["entry_ns"] < 100e3 and 50 < costs["free_ns"] < 100e3, costs
    assert costs["pair_ns"] > costs["free_ns"], costs
    assert_in("a free", scene.flamectl("status").stdout)


@test
def estimates_come_with_bounds(scene):
    scene.flamed()
    program = Allocations(scene, 0)
    scene.flamectl("attach", program.pid, "-e", "heap", "--budget", "2")
    program.go()
    wait_until(lambda: leaf_weights(heap_profile(scene, program.pid)).get("churn", 0) > 1e9, "windows give allocations")
    profile = heap_profile(scene, program.pid)
    low, high = profile["scale"]
    assert low < 1 < high, (low, high)
    assert_in("the totals are between", " ".join(profile["notes"]))
    for row, interval in zip(profile["rows"], profile["intervals"]):
        assert interval[0] <= row[3] <= interval[1], (row, interval)
    assert_in(" to ", scene.flamectl("top", program.pid, "-e", "heap").stdout.splitlines()[0], "top tells the bounds")


def capabilities(pid):
    return {name: int(proc_status(pid)[name], 16) for name in ("CapPrm", "CapEff")}


@test
def without_links_for_many_probes_single_ones_do(scene):
    daemon = scene.flamed("--single-probes")
    program = Allocations(scene, 1000)
    scene.attach(program, "-e", "heap")
    program.go()
    scene.wait_samples(program.pid, 1000)
    # The right that this takes is used by the prober alone.
    admin = 1 << 21
    assert not capabilities(daemon.pid)["CapEff"] & admin
    assert capabilities(daemon.find("flamed-probe"))["CapEff"] & admin
    assert not capabilities(daemon.core())["CapPrm"]
    told = program.stop()
    assert_equal(leaf_weights(heap_profile(scene, program.pid))["churn"], told["churn"])
    holds_leak(scene, program, told)
    scene.flamectl("detach", program.pid)
    wait_until(lambda: not altered_code(program.pid), "the code is as it was")


@test
def a_prober_has_no_right_that_it_does_not_need(scene):
    daemon = scene.flamed()
    program = Allocations(scene, 1000)
    scene.attach(program, "-e", "heap")
    rights = capabilities(daemon.find("flamed-probe"))
    assert_equal(rights["CapPrm"], 1 << 19 | 1 << 38 | 1 << 39, "CAP_SYS_PTRACE, CAP_PERFMON and CAP_BPF")
    assert not capabilities(daemon.pid)["CapPrm"] & 1 << 21


@test
def a_prober_keeps_no_hook_or_event_of_the_broker(scene):
    daemon = scene.flamed()
    program = Allocations(scene, 1000)
    scene.attach(program, "-e", "cpu,offcpu,heap")
    wait_until(lambda: daemon.request("status")["counters"]["switches.seen"] > 10, "switches are seen")
    assert not [what for what in descriptors(daemon.find("flamed-probe")) if "perf_event" in what]
    scene.attach(program, "-e", "heap")
    seen = daemon.request("status")["counters"]["switches.seen"]
    switched = host_switches()
    wait_until(lambda: host_switches() > switched + 1000, "the host goes on switching")
    assert_equal(daemon.request("status")["counters"]["switches.seen"], seen, "nobody wants switches any more")


@test
def where_probes_return_to_is_called_what_it_is(scene):
    scene.flamed()
    program = Allocations(scene, 10000)
    scene.attach(program, "-e", "cpu,heap", "-F", "999")
    program.go()
    wait_until(lambda: scene.flamectl("dump", program.pid, status=None).stdout, "samples of CPU time")
    names = wait_until(lambda: (found := {name for frames, _ in scene.folded(program.pid) for name in frames}) and
                       "[uprobes]" in found and found, "samples in the page of the probes")
    assert "[jit]" not in names


@test
def who_takes_memory_from_the_kernel_itself_is_not_called_idle(scene):
    scene.flamed()
    program = scene.workload("steady")
    scene.attach(program, "-e", "cpu")
    told = scene.flamectl("dump", "-e", "heap", program.pid, status=1).stderr
    assert_in("attach -e cpu,heap", told, "nothing that is attached is lost by following the advice")
    scene.attach(program, "-e", "cpu,heap")
    scene.wait_samples(program.pid, 20)
    told = scene.flamectl("dump", "-e", "heap", program.pid, status=1).stderr
    assert_in("-e fault", told)
    assert "idle" not in told, told


@test
def a_static_program_is_watched_by_its_symbols(scene):
    scene.flamed()
    program = Allocations(scene, 1000, "allocations_static")
    counts_exactly(scene, program)


@test
def what_is_no_pid_is_refused_with_what_to_do(scene):
    scene.flamed()
    for selector in ("--comm", "x*"), ("--cgroup", "/"), ("--all",):
        refused = scene.flamectl("attach", *selector, "-e", "heap", status=1)
        assert_in("name pids", refused.stderr)
    assert_equal(scene.daemons[-1].request("list")["targets"], [])


@test
def a_stripped_static_program_is_refused_with_the_reason(scene):
    scene.flamed()
    program = Allocations(scene, 1000, "allocations_stripped")
    refused = scene.flamectl("attach", program.pid, "-e", "heap", status=1)
    assert_in("no allocator was found", refused.stderr)
    assert_in("event fault", refused.stderr)
    assert_equal(scene.daemons[-1].request("list")["targets"], [])


# ---- other allocators, C++ ---------------------------------------------------------------------------------------------

THROWING = """
#include <new>
#include <vector>
#include <unistd.h>
static void *volatile sink;
__attribute__((noinline)) int too_much(unsigned long size) {
    try {
        sink = ::operator new(size);
        return 1;
    } catch (const std::bad_alloc &) {
        return 0;
    }
}
__attribute__((noinline)) void use_new() {
    sink = ::operator new(1000);
    ::operator delete(sink);
}
int main() {
    for (int i = 0; i < 500; i++) {
        if (too_much(1ul << 62))
            return 1;
        use_new();
        usleep(10000);
    }
    return 0;
}
"""


def throwing_program(scene):
    compiler = need_tool("g++")
    source, program = scene.path("throwing.cc"), scene.path("throwing")
    with open(source, "w", encoding="ascii") as file:
        file.write(THROWING)
    assert_equal(scene.run(compiler, "-O1", "-o", program, source).returncode, 0, "exit status of the compiler")
    return program


def throws_and_survives(scene, **environment):
    scene.flamed()
    process = scene.start(throwing_program(scene), env=dict(os.environ, **environment))
    scene.attach(process, "-e", "heap")
    scene.wait_samples(process.pid, 100)
    weights = leaf_weights(heap_profile(scene, process.pid))
    assert_equal(process.wait(PATIENCE), 0, "exit status")
    assert any("use_new" in name for name in weights) or any("operator new" in name for name in weights), weights
    return scene.flamectl_json("leaks", process.pid)["processes"][0]


@test
def a_program_that_throws_out_of_operator_new_survives(scene):
    process = throws_and_survives(scene)
    assert process["complete"] is True, process


def watched_with_musl(scene, *options):
    compiler = need_tool("musl-gcc")
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    program = scene.path("musl")
    sources = [os.path.join(root, "tests", "workloads", name) for name in ("allocations.c", "work.c")]
    done = scene.run(compiler, "-O2", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-I", root, *options, "-o", program, *sources)
    assert_equal(done.returncode, 0, f"exit status of the compiler: {done.stderr}")
    scene.flamed()
    program = Allocations(scene, 1000, name=program)
    holds_leak(scene, program, counts_exactly(scene, program))


@test
def musl_is_watched(scene):
    watched_with_musl(scene)


@test
def musl_is_watched_in_a_static_program(scene):
    watched_with_musl(scene, "-static")


def replaced_allocator(scene, name, throws=True):
    """Throwing C++ and exact counts of C, with a library in front of the C library's allocator."""
    path = library(name)
    if throws:
        process = throws_and_survives(scene, LD_PRELOAD=path)
        assert process["complete"] is True, process
    else:
        scene.flamed()
    program = Allocations(scene, 1000, env=dict(os.environ, LD_PRELOAD=path))
    counts_exactly(scene, program)


@test
def jemalloc_is_watched(scene):
    replaced_allocator(scene, "libjemalloc.so.2")


@test
def tcmalloc_is_watched(scene):
    replaced_allocator(scene, "libtcmalloc_minimal.so.4")


@test
def mimalloc_is_watched(scene):
    # As Debian builds it, it is C and aborts instead of throwing.
    replaced_allocator(scene, "libmimalloc.so.2.0", throws=False)


main()
