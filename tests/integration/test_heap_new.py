# SPDX-License-Identifier: Apache-2.0
"""C++ operators of allocators that do not call malloc: what they return is seen although they may throw."""
import os
import subprocess
import tempfile

from harness import PATIENCE, Skip, assert_equal, assert_in, main, need_tool, test, wait_until
from heap_programs import altered_code, ends_well, heap_profile, leaf_weights, library

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "workloads", "operators.cc")

FUNCTIONS = "use_new", "use_array", "use_aligned", "use_nothrow", "use_large", "use_handler", "leak"


BUILT = tempfile.TemporaryDirectory(prefix="flame-operators-")


def built(scene, options=()):
    """The workload of that name, compiled here once for each set of options."""
    program = os.path.join(BUILT.name, "operators" + "".join(options))
    if os.path.exists(program):
        return program
    done = scene.run(need_tool("g++"), "-std=c++17", "-O2", "-g0", "-pthread", *options, "-o", program, SOURCE)
    assert_equal(done.returncode, 0, f"exit status of the compiler: {done.stderr}")
    return program


class Operators:
    """The workload that waits to be told to start, and tells what it did when it is stopped."""

    def __init__(self, scene, rounds, allocator=None, options=(), arguments=()):
        environment = dict(os.environ, LD_PRELOAD=library(allocator)) if allocator else None
        self.process = scene.start(built(scene, options), rounds, *arguments, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.pid = self.process.pid

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def told(self):
        """What it says, once it was told to go and to stop: by function (bytes allocated, bytes held)."""
        words = self.process.stdout.readline().decode().split()
        return {words[i]: (int(words[i + 1]), int(words[i + 2])) for i in range(0, len(words), 3)}

    def end(self):
        self.go()
        assert_equal(self.process.wait(PATIENCE), 0, "exit status")


def by_function(weights):
    """Sums by the name of a function, without its parameters."""
    sums = {}
    for name, bytes_ in weights:
        name = name.split("(")[0]
        sums[name] = sums.get(name, 0) + bytes_
    return sums


def caller(frames):
    """Who called the operator: the last function of the program that is none itself."""
    return next((name for name, kind, _ in reversed(frames) if kind == "user" and not name.startswith("operator new")), "")


def held(scene, pid):
    stacks = scene.flamectl_json("leaks", pid, "--older", "0s")["stacks"]
    return by_function((caller(stack["frames"]), stack["bytes"]) for stack in stacks)


def told_process(scene, pid):
    return scene.flamectl_json("leaks", pid)["processes"][0]


def exact_with(scene, allocator, throws=True, options=(), daemon=()):
    scene.flamed(*daemon)
    program = Operators(scene, 50, allocator, options, [] if throws else ["no-throw"])
    scene.attach(program, "-e", "heap")
    program.go()
    scene.wait_samples(program.pid, 500)
    program.go()
    told = program.told()
    process = told_process(scene, program.pid)
    assert_equal((process["tier"], process["complete"]), ("full", True), f"{process}")
    found, allocated = held(scene, program.pid), by_function(leaf_weights(heap_profile(scene, program.pid)).items())
    for name in FUNCTIONS:
        assert_equal(found.get(name, 0), told[name][1], f"held by {name}")
        if name in allocated:
            assert_equal(allocated[name], told[name][0], f"allocated by {name}")
    if throws:
        assert told["caught"][0] > 10, told
        assert_equal(found.get("try_new", 0) + found.get("use_throw", 0), told["use_throw"][1], "held behind exceptions")
    scene.flamectl("detach", program.pid)
    wait_until(lambda: not altered_code(program.pid), "the code is as it was")
    program.end()


@test
def what_operators_of_jemalloc_return_is_exact(scene):
    exact_with(scene, "libjemalloc.so.2")


@test
def what_operators_of_tcmalloc_return_is_exact(scene):
    exact_with(scene, "libtcmalloc_minimal.so.4")


@test
def what_operators_of_mimalloc_return_is_exact(scene):
    # As Debian builds it, it is C and aborts instead of throwing.
    exact_with(scene, "libmimalloc.so.2.0", throws=False)


@test
def single_probes_do_where_there_are_no_links_for_many(scene):
    exact_with(scene, "libjemalloc.so.2", daemon=["--single-probes"])


@test
def a_leak_by_an_operator_is_called_one(scene):
    scene.flamed()
    program = Operators(scene, 50, "libtcmalloc_minimal.so.4")
    scene.attach(program, "-e", "heap")
    program.go()

    def verdicts():
        stacks = scene.flamectl_json("leaks", program.pid, "--older", "1s")["stacks"]
        return {caller(stack["frames"]).split("(")[0]: stack["verdict"] for stack in stacks}
    wait_until(lambda: verdicts().get("leak") == "leak", "the leak is called one")
    program.go()
    assert_equal(held(scene, program.pid)["leak"], program.told()["leak"][1], "held by the leak")
    program.end()


# Of what a round of the workload does: operators that may throw and do not, and all that allocates; as much is freed, nearly.
OPERATORS, ALLOCATIONS, WALK_NS = 6, 8, 2500  # a walk is a guess


def budget_for_all_but_operators(scene, rounds):
    """About a budget that everything exceeds, and all but what operators return does not."""
    probes = wait_until(lambda: (found := scene.daemons[-1].request("status")["sampling"]["probes"])["measured"] and found,
                        "the costs are measured")
    rest = rounds * ALLOCATIONS * (probes["pair_ns"] + probes["free_ns"] + WALK_NS) / 1e9
    operators = rounds * OPERATORS * probes["dear_ns"] / 1e9
    if operators < rest:
        raise Skip("probing a return is not dear here")
    return 100 * (rest * (rest + operators)) ** 0.5


def tier_with(scene, program, budget):
    """The tier that a budget leads to; the full one when that is held for longer than budgets are judged by."""
    scene.flamectl("detach", program.pid)
    scene.flamectl("attach", program.pid, "-e", "heap", "--budget", f"{budget:.2f}")

    def settled():
        found = told_process(scene, program.pid)
        return found["tier"] if found["tier"] != "full" or found["watched_seconds"] > 7 else None
    return wait_until(settled, "a tier")


@test
def what_operators_return_is_given_up_before_the_list_is(scene):
    scene.flamed()
    program = Operators(scene, 400, "libtcmalloc_minimal.so.4")
    scene.attach(program, "-e", "heap")
    budget = budget_for_all_but_operators(scene, 350)
    program.go()
    # How fast it is, and what a walk costs, depends on what else runs.
    for _ in range(8):
        tier = tier_with(scene, program, budget)
        if tier == "partial":
            break
        budget *= 0.85 if tier == "full" else 1.2
    process = told_process(scene, program.pid)
    assert_equal(process["tier"], "partial", f"tier with a budget of {budget}")
    assert not process["complete"]
    assert_in("blocks that C++ operator new gave are not in", " ".join(process["notes"]))
    assert_in("larger --budget", " ".join(process["notes"]))
    assert_in("tier partial", scene.flamectl("leaks", program.pid).stdout)
    # What malloc gives is still in the list, what operators give is not, and everything is in the picture.
    scene.wait_samples(program.pid, scene.target(program.pid)["samples"] + 2000)
    found = held(scene, program.pid)
    assert_in("use_throw", found)
    assert "leak" not in found and "use_new" not in found, found
    assert_in("use_new", by_function(leaf_weights(heap_profile(scene, program.pid)).items()))
    # What can only have failed was not allocated.
    assert all(weight < 1 << 40 for weight in leaf_weights(heap_profile(scene, program.pid)).values())
    assert_in("not what C++ operators return", " ".join(heap_profile(scene, program.pid)["notes"]))
    program.go()
    program.told()
    program.end()


def survives_with(scene, allocator):
    """Attach and detach again and again while children are forked and threads throw; it must end well."""
    scene.flamed()
    process = scene.start(built(scene), "dangers", 4, env=dict(os.environ, LD_PRELOAD=library(allocator)))
    ends_well(scene, process, "--budget", "0")
    counters = scene.daemons[-1].request("status")["counters"]
    assert_equal(counters["probes.altered"], 0, "places that are not as they were")


@test
def a_program_that_throws_in_threads_and_forks_survives_with_jemalloc(scene):
    survives_with(scene, "libjemalloc.so.2")


@test
def a_program_that_throws_in_threads_and_forks_survives_with_tcmalloc(scene):
    survives_with(scene, "libtcmalloc_minimal.so.4")


@test
def operators_that_call_malloc_are_not_counted_twice(scene):
    exact_with(scene, None)


@test
def operators_of_a_static_program_are_not_counted_twice(scene):
    exact_with(scene, None, options=["-static"])


main()
