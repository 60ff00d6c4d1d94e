#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include what: the layers of the house, the fences around libraries, and no cycle between modules."""
import fnmatch
import os
import re

from sources import ROOT, files_ending, finish, read

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# A file that matches the left side may include headers of the project that match one of the right side.
# The first match counts. Client and daemon meet only in common/; tests may look at everything.
LAYERS = [
    ("common/*", ["common/*"]),
    ("bpf/*", ["bpf/*", "common/*"]),
    ("daemon/elf/*", ["daemon/elf/*", "bpf/*", "common/*"]),
    ("daemon/fetch/*", ["daemon/fetch/*", "common/*"]),
    ("daemon/broker/*", ["daemon/broker/*", "daemon/elf/reader.h", "daemon/fetch/fetcher.h", "daemon/options.h", "bpf/*", "common/*"]),
    ("daemon/core/*", ["daemon/core/*", "daemon/broker/broker_message.h", "daemon/broker/perf_layout.h", "daemon/broker/prober_message.h", "daemon/broker/yardstick_message.h", "daemon/elf/allocator.h",
                       "daemon/fetch/fetch_message.h", "daemon/elf/reader_message.h",
                       "daemon/elf/module_image.h", "daemon/elf/lines.h", "daemon/elf/unwind_rows.h", "daemon/options.h",
                       "bpf/*", "common/*"]),
    ("daemon/*", ["daemon/*", "bpf/*", "common/*"]),
    ("client/formats/*", ["client/formats/*", "common/*"]),
    ("client/flamegraph/*", ["client/flamegraph/*", "client/formats/*stack*.h", "client/formats/embedded.h", "common/*"]),
    ("client/*", ["client/*", "common/*"]),
    ("preload/*", ["preload/*", "common/*"]),
    ("tests/*", ["*"]),
]

# The rooms of the core, lowest first: a file includes nothing of a room above its own. core.c stands above all of them,
# pipeline and counters belong to no room.
CORE_ROOMS = ["workers", "processes", "history", "names", "unwinding", "sampling", "targets", "heap", "protocol"]

# Each library is included by the files whose job it is, so that it could be replaced.
FENCES = [
    ("jansson.h", ["common/*json*", "common/protocol.*", "daemon/core/*", "client/*"]),
    ("zlib.h", ["client/formats/embedded.c"]),
    ("event2/*", ["daemon/core/*"]),
    ("bpf/libbpf.h", ["daemon/broker/*", "daemon/core/sampling/sampler.c"]),
    ("bpf/bpf.h", ["daemon/broker/*", "daemon/core/*"]),
    ("bpf/btf.h", ["daemon/broker/*"]),
    ("bpf/bpf_*.h", ["bpf/*"]),
    ("gelf.h", ["daemon/elf/*"]),
    ("libelf.h", ["daemon/elf/*"]),
    ("elfutils/debuginfod.h", ["daemon/fetch/symbol_server.c"]),
    ("elfutils/*", ["daemon/elf/*"]),
    ("dwarf.h", ["daemon/elf/*"]),
    ("libiberty/*", ["daemon/elf/demangle.*"]),
    ("Zydis/*", ["daemon/elf/leave_sites.c", "daemon/elf/probe_site.c"]),
    ("demangle.h", ["daemon/elf/demangle.*"]),
    ("seccomp.h", ["daemon/elf/sandbox.*", "daemon/fetch/fetch_sandbox.*", "daemon/broker/*"]),
    ("sys/capability.h", ["daemon/broker/*"]),
    ("systemd/*", ["daemon/broker/*", "daemon/listener.c"]),
    ("linux/landlock.h", ["daemon/elf/sandbox.*", "daemon/fetch/fetch_sandbox.*"]),
]


def room_of(path):
    found = re.match(r"daemon/core/(\w+)/", path)
    return found and found.group(1)


def check_rooms(path, name):
    room, other = room_of(path), room_of(name)
    for each, where in ((room, path), (other, name)):
        if each and each not in CORE_ROOMS:
            yield f"{where}: lies in no known room of the core"
            return
    if room and other and CORE_ROOMS.index(other) > CORE_ROOMS.index(room):
        yield f"{path}: includes {name}, which lies in a room above"


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def includes_of(path):
    """(is quoted, name) for each include; a quoted name is resolved against the root or, failing that, the file's folder."""
    for style, name in INCLUDE.findall(read(path)):
        yield style == '"', name


def resolve(path, name):
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    for candidate in (name, beside):
        if os.path.exists(os.path.join(ROOT, candidate)):
            return candidate
    return name


def check_layers(path, name):
    for pattern, allowed in LAYERS:
        if fnmatch.fnmatchcase(path, pattern):
            if not matches(name, allowed):
                yield f"{path}: includes {name}, which lies in another layer or beyond a seam"
            return
    yield f"{path}: lies in no known layer"


def check_fences(path, name):
    if path.startswith("tests/"):
        return
    for pattern, allowed in FENCES:
        if fnmatch.fnmatchcase(name, pattern):
            if not matches(path, allowed):
                yield f"{path}: includes <{name}>, which is kept to {', '.join(allowed)}"
            return


def module_of(path):
    """x.c and x.h are one module."""
    return re.sub(r"(\.bpf)?\.[ch]$", "", path)


def cycles(edges):
    """Strongly connected components of more than one module (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def main():
    problems = []
    edges = {}
    for path in files_ending(".c", ".h"):
        for is_quoted, name in includes_of(path):
            if not is_quoted:
                problems += check_fences(path, name)
                continue
            name = resolve(path, name)
            problems += check_layers(path, name)
            problems += check_rooms(path, name)
            if not path.startswith("tests/") and module_of(name) != module_of(path):
                edges.setdefault(module_of(path), set()).add(module_of(name))
    problems += [f"modules include each other in a circle: {', '.join(cycle)}" for cycle in cycles(edges)]
    finish(problems)


main()
