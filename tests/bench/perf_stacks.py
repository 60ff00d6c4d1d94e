# SPDX-License-Identifier: Apache-2.0
"""The share of stacks that reach their root in what `perf record` recorded of a process and its children."""
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from stretches import end_tracing, wait_computed, wait_tracing  # noqa: E402

# What a stack begins with that reached its root, where it has a name.
ROOTS = {"_start", "clone3", "__clone3", "clone", "__clone", "__GI___clone3", "_dl_start_user"}
ENTRY_BYTES = 64  # _start is not longer

FORK = re.compile(r"PERF_RECORD_FORK\((\d+):\d+\):\((\d+):\d+\)")
FRAME = re.compile(r"^\s+([0-9a-f]+) (.*) \((.*)\)$")
HEAD = re.compile(r"^\S.*?\s(\d+)/\d+\s")


def entry_offset(path, known={}):
    """File offset of a program's first instruction, None when it is no ELF file."""
    if path not in known:
        known[path] = None
        try:
            with open(path, "rb") as file:
                header = file.read(64)
                entry, table = struct.unpack_from("<QQ", header, 24)
                size, count = struct.unpack_from("<HH", header, 54)
                for i in range(count):
                    file.seek(table + i * size)
                    kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", file.read(40))
                    if kind == 1 and address <= entry < address + length:
                        known[path] = entry - address + offset
        except (OSError, struct.error):
            pass
    return known[path]


class Reader:
    """Goes through the text of perf script."""

    def __init__(self, pids):
        self.pids = set(pids)
        self.samples = self.whole = 0

    @staticmethod
    def is_root(frame):
        address, symbol, path = frame  # the address is that in the file
        if symbol.split("+")[0] in ROOTS:
            return True
        entry = entry_offset(path)
        return entry is not None and 0 <= address - entry < ENTRY_BYTES

    def event(self, line):
        fork = FORK.search(line)
        if fork and int(fork[2]) in self.pids:
            self.pids.add(int(fork[1]))

    def sample(self, pid, frames):
        if pid not in self.pids:
            return
        self.samples += 1
        self.whole += bool(frames) and self.is_root(frames[-1])

    def read(self, lines):
        pid, frames = None, []
        for line in lines:
            frame = FRAME.match(line)
            if frame and pid is not None:
                frames.append((int(frame[1], 16), frame[2], frame[3]))
            elif "PERF_RECORD_" in line:
                self.event(line)
            elif line.strip():
                head = HEAD.match(line)
                pid, frames = (int(head[1]) if head else None), []
            elif pid is not None:
                self.sample(pid, frames)
                pid = None


def perf_share(scene, process, pids, rate, seconds, way, whole_host):
    """Percent of whole stacks as text, of so many CPU seconds of a process and its children, pids. The whole host is recorded for children that live shortly: events of a process miss them."""
    data = scene.path(f"perf-{way}.data")
    which = ["-a"] if whole_host else ["-p", ",".join(map(str, pids))]
    recorder = scene.start("perf", "record", "-q", "--no-bpf-event", *which, "-F", rate, "-e", "cpu-clock", "--call-graph", way, "-o", data,
                           stderr=subprocess.DEVNULL)
    wait_tracing(recorder, "perf record")
    wait_computed(process, seconds)
    end_tracing(recorder, "perf record")
    with subprocess.Popen(["perf", "script", "-i", data, "--no-inline", "--show-task-events", "-F",
                           "comm,pid,tid,time,event,ip,sym,dso"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace") as script:
        reader = Reader(pids)
        reader.read(script.stdout)
    return f"{100 * reader.whole / reader.samples:.1f}" if reader.samples else "-"
