#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each header compiles alone, says what it is, and documents each function that others may call.

    check_headers.py COMPILER [FLAG...]

Files of the project that are programs or headers begin with their licence.
"""
import functools
import os
import re
import subprocess
import sys

from sources import ROOT, files_ending, finish, read, shell_scripts

# These need no comment: an inline function shows what it does, and these verbs always mean the same.
KNOWN_VERB = re.compile(r"_(init|fini|free)$")
LICENCE = re.compile(r"SPDX-License-Identifier: \S+")
FUNCTION = re.compile(r"^(?!struct [a-z_]+ \{|enum |union |return|#)[a-z_][\w *,()\"]*?\b[a-z_]\w*\([^;{]*\)?", re.MULTILINE)


def without_bodies(text):
    """Paragraphs at file level: what stands inside braces is left out."""
    depth = 0
    kept = []
    for line in text.splitlines():
        code = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"|//.*', "", line)
        if depth == 0:
            kept.append(line)
        depth += code.count("{") - code.count("}")
    return "\n".join(kept)


def check_licence(path):
    first_lines = "\n".join(read(path).splitlines()[:3])
    if not LICENCE.search(first_lines):
        yield f"{path}: no SPDX-License-Identifier in the first lines"


def check_comments(path):
    text = read(path)
    head = text.split("\n", 1)[1] if "\n" in text else ""
    if not head.lstrip().startswith("/*"):
        yield f"{path}: no comment below the licence says what this is"
    for paragraph in re.split(r"\n\s*\n", without_bodies(text)):
        code = re.sub(r"/\*.*?\*/", "", paragraph, flags=re.DOTALL)
        code = re.sub(r"^\s*#.*(\\\n.*)*", "", code, flags=re.MULTILINE)
        function = FUNCTION.search(code)
        if not function or "/*" in paragraph or "_Static_assert" in code or "static inline" in function.group(0):
            continue
        name = re.findall(r"(\w+)\(", function.group(0))[-1]
        if not KNOWN_VERB.search(name):
            yield f"{path}: no comment says what {name}() does"


def check_alone(path, compiler):
    is_kernel = path.endswith(".bpf.h")
    command = kernel_command(compiler) if is_kernel else compiler + ["-D_GNU_SOURCE"]
    # A second inclusion shows a missing guard; the declaration keeps the unit from being empty.
    unit = f'#include "{path}"\n#include "{path}"\nextern int compiled_alone;\n'
    command = command + ["-std=gnu17" if is_kernel else "-std=c17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I.", "-x", "c", "-"]
    done = subprocess.run(command, input=unit, cwd=ROOT, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        yield f"{path}: does not compile alone:\n{done.stderr}"


@functools.cache
def multiarch(*compiler):
    done = subprocess.run([*compiler, "-print-multiarch"], text=True, capture_output=True, check=True)
    return done.stdout.strip()


def kernel_command(compiler):
    """As in bpf/meson.build."""
    return ["clang", "-target", "bpf", "-O2", "-ffreestanding", "-D__TARGET_ARCH_x86", "-Wno-unused-parameter",
            "-Wno-gnu-variable-sized-type-not-at-end", "-I", f"/usr/include/{multiarch(*compiler)}"]


def main():
    problems = []
    for path in files_ending(".c", ".h", ".py", ".js", ".css") + shell_scripts():
        problems += check_licence(path)
    for path in files_ending(".h"):
        if os.path.basename(path) == "cmocka_all.h":
            continue
        problems += check_comments(path)
        problems += check_alone(path, sys.argv[1:])
    finish(problems)


main()
