#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count the test cases in the logs of `meson test` and end with "N passed, N failed, N skipped".

A test that speaks TAP counts one a case, any other counts once. A program that fails without naming
a failed case (it crashed, hung or was killed) is one failure more. Exit status 1 when anything failed.
"""
import json
import os
import re
import sys

CASE = re.compile(r"^\s*(not )?ok\b\s*\d*\s*(?:-\s*)?([^#]*)(?:#\s*(SKIP)\b\s*(.*))?", re.IGNORECASE)
PLAN = re.compile(r"^\s*1\.\.\d+", re.MULTILINE)
GOOD = {"OK", "EXPECTEDFAIL"}
# A skip for this reason is no missing right or tool: the reference data lies outside of the project.
ALWAYS_OPTIONAL = "shared/data"


class Tally:
    def __init__(self, must_run):
        self.must_run = must_run
        self.passed = 0
        self.failed = []
        self.skipped = []

    def skip(self, name, reason):
        if self.must_run and ALWAYS_OPTIONAL not in reason:
            self.failed.append(f"{name}: skipped, and everything must run: {reason}")
        else:
            self.skipped.append(f"{name}: {reason}")

    def add(self, test):
        name, result, output = test["name"], test["result"], test.get("stdout", "")
        if not PLAN.search(output):
            self.add_plain(name, result, output + test.get("stderr", ""))
            return
        failed_before = len(self.failed)
        for line in output.splitlines():
            case = CASE.match(line)
            if not case:
                continue
            bad, title, directive, reason = case.groups()
            if directive:
                self.skip(f"{name}: {title.strip()}", reason)
            elif bad:
                self.failed.append(f"{name}: {title.strip()}")
            else:
                self.passed += 1
        if result == "SKIP" and re.search(r"^1\.\.0", output, re.MULTILINE):
            self.skip(name, output.strip().splitlines()[0])
        elif result not in GOOD | {"SKIP"} and len(self.failed) == failed_before:
            self.failed.append(f"{name}: {result.lower()}, exit status {test['returncode']}")

    def add_plain(self, name, result, output):
        if result == "SKIP":
            self.skip(name, (output.strip().splitlines() or ["no reason given"])[-1])
        elif result in GOOD:
            self.passed += 1
        else:
            self.failed.append(f"{name}: {result.lower()}")


def main(paths):
    tally = Tally(os.environ.get("FLAME_MUST_RUN") == "1")
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                tally.add(json.loads(line))
    print()
    for line in tally.skipped:
        print("skipped:", line)
    for line in tally.failed:
        print("failed:", line)
    print(f"{tally.passed} passed, {len(tally.failed)} failed, {len(tally.skipped)} skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
