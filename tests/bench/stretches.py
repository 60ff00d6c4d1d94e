# SPDX-License-Identifier: Apache-2.0
"""How long a measurement lasts: until programs have done so much, as the kernel counts it. flamed is not asked meanwhile, for answering would be measured too."""
import contextlib
import os
import signal
import subprocess

from harness import PATIENCE, children_of, descriptors, proc_status, wait_until
from threads import host_switches


def computed(pids):
    """CPU seconds of processes, and of their children that ended, as far as they live."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def exact_cpu_seconds(pids):
    """CPU time of processes of one thread each, to the ns: that of /proc/PID/stat is told in ticks."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def wait_computed(process, seconds):
    """Until a process and what comes of it have computed for so long from now on."""
    began = computed(children_of(process.pid))
    wait_until(lambda: computed(children_of(process.pid)) - began >= seconds, f"{seconds} s of work", timeout=PATIENCE + 10 * seconds)


def wait_switches(count):
    """Until the CPUs of this machine went so often to another thread, however quiet it is."""
    began = host_switches()
    wait_until(lambda: host_switches() - began >= count, f"{count} switches", timeout=5 * PATIENCE)


# ---- other tools ------------------------------------------------------------------------------------------------------

EVENTS = ("perf_event", "bpf_link", "bpf-link")


def wait_tracing(process, name):
    """Until perf, bpftrace or the like is at work: it has events, and sleeps until there are any. Only that tells."""
    looks = []

    def is_tracing():
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}")
        has_events = any(word in what for what in descriptors(process.pid) for word in EVENTS)
        is_ready = has_events and proc_status(process.pid)["State"].startswith("S")
        looks.append(computed([process.pid]) if is_ready else None)
        return is_ready and len(looks) > 3 and len(set(looks[-4:])) == 1
    wait_until(is_tracing, f"{name} is at work")


def end_tracing(process, name):
    """Have it write what it has, as if somebody pressed Ctrl-C."""
    ended = process.poll()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
    if ended is not None:
        raise RuntimeError(f"{name} ended with {ended}")
