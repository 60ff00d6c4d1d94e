#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tally.py counts what the suites report: the number that a check ends with has to be right."""
import os
import sys

from sources import ROOT, finish

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests"))
from tally import Tally  # noqa: E402

TAP = "1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP needs root\n"

# (what, must run, result, exit status, output) -> (passed, failed, skipped)
CASES = [
    ("a plain pass", False, "OK", 0, "hello", (1, 0, 0)),
    ("a plain failure", False, "FAIL", 1, "", (0, 1, 0)),
    ("a plain skip", False, "SKIP", 77, "needs a tool", (0, 0, 1)),
    ("a plain skip when all must run", True, "SKIP", 77, "needs a tool", (0, 1, 0)),
    ("absent reference data when all must run", True, "SKIP", 77, "no ../shared/data", (0, 0, 1)),
    ("a timeout", False, "TIMEOUT", -15, "", (0, 1, 0)),
    ("TAP", False, "FAIL", 1, TAP, (1, 1, 1)),
    ("TAP when all must run", True, "FAIL", 1, TAP, (1, 2, 0)),
    ("TAP with two groups", False, "OK", 0, "1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n# ok - tests\n", (3, 0, 0)),
    ("a crash after a case", False, "FAIL", -11, "1..2\nok 1 - a\n", (1, 1, 0)),
    ("a crash before the first case", False, "ERROR", -11, "1..2\n", (0, 1, 0)),
    ("everything skipped at once", False, "SKIP", 0, "1..0 # SKIP no kernel\n", (0, 0, 1)),
    ("output that looks a little like TAP", False, "OK", 0, "okay then\nnot okay\n", (1, 0, 0)),
]

PROBLEMS = []
for what, must_run, result, status, output, wanted in CASES:
    tally = Tally(must_run)
    tally.add({"name": "x", "result": result, "returncode": status, "stdout": output, "stderr": ""})
    found = (tally.passed, len(tally.failed), len(tally.skipped))
    if found != wanted:
        PROBLEMS.append(f"{what}: counted {found}, wanted {wanted}")
finish(PROBLEMS)
