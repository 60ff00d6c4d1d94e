# SPDX-License-Identifier: Apache-2.0
"""Threads of the workload "waits", and profiles thread by thread."""
import os
import time

from harness import assert_equal, proc_status


def start_waits(scene, *kinds):
    program = scene.workload("waits", *kinds, cwd=scene.folder, stdout=-1)
    assert_equal(program.stdout.readline(), b"ready\n")
    return program


def switches(program, name):
    """How often the thread of that name has gone to sleep."""
    for tid in os.listdir(f"/proc/{program.pid}/task"):
        status = proc_status(f"{program.pid}/task/{tid}")
        if status and status["Name"] == name:
            return int(status["voluntary_ctxt_switches"])
    return 0


def host_switches():
    """How often the host has switched from one thread to another."""
    with open("/proc/stat", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("ctxt "))


class Threads:
    """A profile by thread name: nanoseconds by stack, leaf last."""

    def __init__(self, profile):
        nodes, frames = profile["nodes"], profile["frames"]
        self.covered = profile["window"]["covered"]
        self.seconds = self.covered["to"] - self.covered["from"]
        self.notes = profile["notes"]
        self.rows = {}
        for row in profile["rows"]:
            thread, node, weight = row[0], row[1], row[3]
            stack = []
            while node >= 0:
                stack.append(frames[nodes["frame"][node]][0])
                node = nodes["parent"][node]
            self.rows.setdefault(profile["threads"][thread]["name"], []).append((stack[::-1], weight))

    def total(self, name):
        return sum(weight for _, weight in self.rows.get(name, []))

    def of_leaf(self, name, leaf):
        return sum(weight for stack, weight in self.rows.get(name, []) if stack[-1] == leaf)


def wait_window(scene, program, event, seconds, **options):
    """Let that much time be recorded, and return the profile of a window of whole seconds inside."""
    began = time.time()
    # The window ends two seconds from now at the latest, and its last bucket has been looked at.
    scene.wait_buckets(seconds + 4)
    # It grows to whole buckets of a second, and must not reach back to before the attach.
    window = {"from": began + 1.1, "to": began + 1.1 + seconds}
    return Threads(scene.profile(targets=[str(program.pid)], event=event, idle=True, **window, **options))
