#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shell scripts pass shellcheck, Python files compile, and what is to be run has its run bit."""
import os
import shutil
import subprocess

from sources import ROOT, files_ending, finish, read, shell_scripts

if not shutil.which("shellcheck"):
    print("shellcheck is not installed")
    raise SystemExit(77)
PROBLEMS = []
DONE = subprocess.run(["shellcheck", "--severity=warning", "--format=gcc"] + shell_scripts(), cwd=ROOT, text=True, capture_output=True, check=False)
PROBLEMS += DONE.stdout.splitlines()
for path in files_ending(".py"):
    try:
        compile(read(path), path, "exec")
    except SyntaxError as error:
        PROBLEMS.append(f"{path}: {error}")
for path in ("check.sh", "quickstart.sh", ".ci/run", ".ci/install-packages"):
    if not os.access(os.path.join(ROOT, path), os.X_OK):
        PROBLEMS.append(f"{path}: is missing or has no run bit")
finish(PROBLEMS)
