#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages say what the programs take: each option and each counter, no more and no less.

    check_manual.py FLAMECTL FLAMED
"""
import os
import re
import shutil
import subprocess
import sys

from sources import ROOT, finish, read

OPTION_IN_HELP = re.compile(r"^\s+(?:-(\w), )?\s*--([\w-]+)", re.MULTILINE)
OPTION_IN_MANUAL = re.compile(r"^\.It (?:Fl (\w) , )?Fl Fl ([\w-]+)", re.MULTILINE)
COUNTER_IN_SOURCE = re.compile(r'"([a-z]+\.[a-z_.]+)"')
COUNTER_IN_MANUAL = re.compile(r"^\.It Li ([a-z]+\.[a-z_.]+)$", re.MULTILINE)
COUNTER_SOURCES = ("bpf/record.h", "daemon/core/counters.h", "daemon/core/counters.c", "daemon/core/protocol/status.c")

# What stands above options that several commands share, in --help and in the manual.
SHARED = {"which time": "SELECTING SAMPLES", "which samples": "SELECTING SAMPLES", "how the picture looks": "PICTURES"}


def help_of(*command):
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout


def section(manual, name):
    """The text below a heading, up to the next of the same kind."""
    found = re.search(rf'^\.(S[hs]) {name}\n(.*?)(?=^\.Sh |^\.\1 |\Z)', manual, re.MULTILINE | re.DOTALL)
    return found.group(2) if found else None


def groups_of(text):
    """Title and options of each group of options in --help."""
    for title, body in re.findall(r"^([a-z][a-z ]*):\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL):
        yield title, set(OPTION_IN_HELP.findall(body))


def compare(where, in_help, in_manual):
    for letter, name in sorted(in_help - in_manual):
        yield f"{where}: --{name} is in --help (letter: {letter or 'none'}), and not in the manual like that"
    for letter, name in sorted(in_manual - in_help):
        yield f"{where}: --{name} is in the manual (letter: {letter or 'none'}), and not in --help like that"


def check_command(flamectl, manual, command, shared):
    text = section(manual, command)
    if text is None:
        yield f"docs/flamectl.1: no section about {command}"
        return
    own = set()
    for title, options in groups_of(help_of(flamectl, command)):
        if title in SHARED:
            shared.setdefault(SHARED[title], set()).update(options)
        elif not title.startswith("commands"):
            own |= options
    yield from compare(f"docs/flamectl.1, {command}", own, set(OPTION_IN_MANUAL.findall(text)))


def check_flamectl(flamectl):
    manual = read("docs/flamectl.1")
    general = help_of(flamectl)
    commands = re.findall(r"^  (\w+) +[A-Z]", general, re.MULTILINE)
    shared = {}
    if not commands:
        yield "flamectl --help lists no commands"
    for command in commands:
        yield from check_command(flamectl, manual, command, shared)
    for title, options in shared.items():
        yield from compare(f"docs/flamectl.1, {title}", options, set(OPTION_IN_MANUAL.findall(section(manual, title) or "")))
    for name in re.findall(r"^\.Ss ([a-z]+)$", manual, re.MULTILINE):
        if name not in commands:
            yield f"docs/flamectl.1: there is no command {name}"
    yield from compare("docs/flamectl.1", set(OPTION_IN_HELP.findall(general)),
                       set(OPTION_IN_MANUAL.findall(section(manual, "DESCRIPTION") or "")))


def check_flamed(flamed):
    manual = read("docs/flamed.8")
    yield from compare("docs/flamed.8", set(OPTION_IN_HELP.findall(help_of(flamed))), set(OPTION_IN_MANUAL.findall(manual)))
    counted = {name for path in COUNTER_SOURCES for name in COUNTER_IN_SOURCE.findall(read(path).replace("\\\n", " "))}
    described = set(COUNTER_IN_MANUAL.findall(manual))
    for name in sorted(counted ^ described):
        yield f"docs/flamed.8: counter {name} is {'not described' if name in counted else 'described, but there is none'}"


def check_form():
    if not shutil.which("mandoc"):
        return
    for page in ("docs/flamectl.1", "docs/flamed.8"):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(ROOT, page)], capture_output=True, text=True, check=False)
        yield from (f"{page}: {line}" for line in done.stdout.splitlines())


def main():
    flamectl, flamed = sys.argv[1:]
    finish([*check_flamectl(flamectl), *check_flamed(flamed), *check_form()])


main()
