# SPDX-License-Identifier: Apache-2.0
"""The heap of a process that was never restarted: what it allocates, by whom, exactly; and that it survives that."""
import subprocess

from harness import assert_equal, main, test, wait_until


class Allocations:
    """The workload of the same name: waits to be told to start, tells what it did when it is stopped."""

    def __init__(self, scene, rate):
        self.process = scene.workload("allocations", rate, "wait", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def stop(self):
        """The bytes allocated in each function."""
        self.go()
        words = self.process.stdout.readline().split()
        return {name.decode(): int(size) for name, size in zip(words[::2], words[1::2])}


def leaf_weights(profile):
    """Bytes by the name of the leaf: who called the allocator."""
    weights = {}
    for _, node, _, weight, *_ in profile["rows"]:
        name = profile["frames"][profile["nodes"]["frame"][node]][0]
        weights[name] = weights.get(name, 0) + weight
    return weights


def heap_profile(scene, pid):
    return scene.profile(event="heap", targets=[str(pid)], last_ms=120000)


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
def the_code_is_what_it_was_after_detaching(scene):
    daemon = scene.flamed("--verbose")
    program = Allocations(scene, 1000)
    scene.attach(program, "-e", "heap")
    program.go()
    scene.wait_samples(program.pid, 500)
    scene.flamectl("stop", program.pid)
    wait_until(lambda: "the code is what it was" in daemon.log(), "the probes are removed and compared")
    assert "Code is not what it was" not in daemon.log()
    assert program.process.poll() is None


main()
