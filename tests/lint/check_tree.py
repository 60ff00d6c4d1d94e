#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What must not lie in the tree: build products, paths and package hosts of one machine, unfinished marks, files that hold two nouns."""
import glob
import os
import re

from sources import ROOT, all_files, finish, read

PRODUCTS = re.compile(r"(\.(o|a|so|pyc|skel\.h|bpf\.o)|(^|/)vmlinux\.h|(^|/)core\.\d+)$")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|not imple" r"mented)\b")
LONGEST = 700  # lines of one source file
BINARY = (".png", ".gz", ".zst", ".bin", ".elf")


def machine_words():
    """Patterns that only this machine could have left: where the project lies, and where its packages come from."""
    words = []
    parent = os.path.dirname(ROOT)
    if parent.count("/") > 1 or parent.startswith("/home"):
        words.append(re.escape(parent + "/"))
    sources = ["/etc/apt/sources.list"] + glob.glob("/etc/apt/sources.list.d/*")
    hosts = set()
    for path in sources:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                hosts.update(re.findall(r"https?://([^/\s]+)", file.read()))
        except OSError:
            continue
    registry = os.environ.get("npm_config_registry", "")
    hosts.update(re.findall(r"https?://([^/\s]+)", registry))
    words += [re.escape(host) for host in hosts]
    words.append(r"registry\.np" r"mjs\.|py" r"pi\.org|/home/[a-z]")
    return re.compile("|".join(words))


def main():
    problems = []
    words = machine_words()
    for path in all_files():
        if PRODUCTS.search(path):
            problems.append(f"{path}: a build product")
            continue
        if path.endswith(BINARY) or path.startswith("tests/fuzz/corpus"):
            continue
        try:
            text = read(path)
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if words.search(line):
                problems.append(f"{path}:{number}: a path or a package host of one machine: {line.strip()[:100]}")
            if path.endswith((".c", ".h", ".py", ".js", ".sh")) and UNFINISHED.search(line):
                problems.append(f"{path}:{number}: unfinished: {line.strip()[:100]}")
        if path.endswith((".c", ".h", ".py", ".js")) and text.count("\n") > LONGEST:
            problems.append(f"{path}: {text.count(chr(10))} lines: two nouns are in there")
    finish(problems)


main()
