# SPDX-License-Identifier: Apache-2.0
"""The share of stacks that reach their root in what `perf record` recorded of a process and its children."""
import re
import struct
import subprocess

# What a stack begins with that reached its root, where it has a name.
ROOTS = {"_start", "clone3", "__clone3", "clone", "__clone", "__GI___clone3", "_dl_start_user"}
ENTRY_BYTES = 64  # _start is not longer

MAPPING = re.compile(r"PERF_RECORD_MMAP2? (-?\d+)/\d+: \[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (0x[0-9a-f]+|0)\b.*: (\S{4}) (.*)$")
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
        self.mappings = {}
        self.samples = self.whole = 0

    def is_root(self, pid, frame):
        address, symbol, _ = frame
        if symbol.split("+")[0] in ROOTS:
            return True
        for start, length, offset, path in reversed(self.mappings.get(pid, [])):
            if start <= address < start + length:
                entry = entry_offset(path)
                return entry is not None and 0 <= address - start + offset - entry < ENTRY_BYTES
        return False

    def event(self, line):
        mapping, fork = MAPPING.search(line), FORK.search(line)
        if mapping and "x" in mapping[5]:
            self.mappings.setdefault(int(mapping[1]), []).append(
                (int(mapping[2], 16), int(mapping[3], 16), int(mapping[4], 16), mapping[6]))
        elif fork and int(fork[2]) in self.pids and fork[1] != fork[2]:
            self.pids.add(int(fork[1]))
            self.mappings[int(fork[1])] = list(self.mappings.get(int(fork[2]), []))

    def sample(self, pid, frames):
        if pid not in self.pids:
            return
        self.samples += 1
        self.whole += bool(frames) and self.is_root(pid, frames[-1])

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


def perf_share(scene, pids, rate, seconds, way, whole_host):
    """Percent of whole stacks as text. The whole host is recorded for children that live shortly: events of a process miss them."""
    data = scene.path(f"perf-{way}.data")
    which = ["-a"] if whole_host else ["-p", ",".join(map(str, pids))]
    subprocess.run(["perf", "record", "-q", *which, "-F", str(rate), "-e", "cpu-clock", "--call-graph", way, "-o", data, "--",
                    "sleep", str(seconds)], check=True, capture_output=True)
    with subprocess.Popen(["perf", "script", "-i", data, "--no-inline", "--show-mmap-events", "--show-task-events",
                           "-F", "comm,pid,tid,time,event,ip,sym,dso"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace") as script:
        reader = Reader(pids)
        reader.read(script.stdout)
    return f"{100 * reader.whole / reader.samples:.1f}" if reader.samples else "-"
