#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""C files are laid out as .clang-format says: `clang-format -i FILE` mends what this finds."""
import shutil
import subprocess

from sources import ROOT, files_ending, finish

if not shutil.which("clang-format"):
    print("clang-format is not installed")
    raise SystemExit(77)
DONE = subprocess.run(["clang-format", "--dry-run", "-Werror"] + files_ending(".c", ".h"), cwd=ROOT,
                      text=True, capture_output=True, check=False)
finish([line for line in DONE.stderr.splitlines() if "error:" in line] or ([DONE.stderr] if DONE.returncode else []))
