# SPDX-License-Identifier: Apache-2.0
"""Programs whose heap is watched, what is known of them, and their code as it is in memory."""
import os
import subprocess

from harness import PATIENCE, ProtocolError, Skip, assert_equal, wait_until


class Allocations:
    """The workload of the same name: waits to be told to start, tells what it did when it is stopped."""

    def __init__(self, scene, rate, name="allocations", more=(), **options):
        self.process = scene.workload(name, rate, "wait", *more, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        self.pid = self.process.pid

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def stop(self):
        """The bytes allocated in each function."""
        self.go()
        return self.told()

    def told(self):
        words = self.process.stdout.readline().split()
        return {name.decode(): int(size) for name, size in zip(words[::2], words[1::2])}


def library(name):
    """The path of a library that replaces the allocator."""
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    raise Skip(f"needs {name}")


def leaf_weights(profile):
    """Bytes by the name of the leaf: who called the allocator."""
    weights = {}
    for _, node, _, weight, *_ in profile["rows"]:
        name = profile["frames"][profile["nodes"]["frame"][node]][0]
        weights[name] = weights.get(name, 0) + weight
    return weights


def heap_profile(scene, pid):
    """What was allocated so far; nothing when nothing was."""
    try:
        return scene.profile(event="heap", targets=[str(pid)], last_ms=120000)
    except ProtocolError:
        return {"rows": [], "frames": [], "nodes": {"frame": []}, "notes": [], "unit": ""}


def heap_tier(scene, pid):
    """How a process is watched: "full", "duty", ...; None when it is not."""
    return next((one["tier"] for one in scene.flamectl_json("leaks")["processes"] if one["pid"] == pid), None)


def altered_code(pid):
    """Places in the code of a process that are not as its files say: where probes are."""
    altered = []
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            words = line.split(maxsplit=5)
            if "x" not in words[1] or len(words) < 6 or not words[5].startswith("/"):
                continue
            start, end = (int(word, 16) for word in words[0].split("-"))
            found = os.pread(memory.fileno(), end - start, start)
            with open(words[5].strip(), "rb") as file:
                file.seek(int(words[2], 16))
                wanted = file.read(len(found))
            if found[:len(wanted)] != wanted:
                altered += [(words[5].strip(), i) for i, (one, other) in enumerate(zip(found, wanted)) if one != other]
    return altered


def ends_well(scene, process, *options):
    """Attach and detach again and again until the program ends, which it must as if nobody had watched."""
    attached = 0
    while process.poll() is None:
        seen = scene.counters()["heap.allocations"]
        if scene.flamectl("attach", process.pid, "-e", "heap", *options, status=None).returncode == 0:
            # Not before the probes were hit, and by many threads, if there are; what begins may have no allocator yet.
            wait_until(lambda: process.poll() is not None or scene.counters()["heap.allocations"] >= seen + 200
                       or heap_tier(scene, process.pid) == "failed", "allocations are seen")
            attached += scene.counters()["heap.allocations"] > seen
        scene.flamectl("detach", process.pid, status=None)
    assert_equal(process.wait(PATIENCE), 0, "exit status")
    assert attached, "its allocations were seen"
