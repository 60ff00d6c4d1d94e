# SPDX-License-Identifier: Apache-2.0
"""The files of the project, as the lint scripts see them: everything but build folders and hidden ones that tools keep."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED_FOLDER = re.compile(r"^(build.*|\.git|node_modules|__pycache__|\.cache)$")


def all_files():
    """Paths relative to the root, sorted."""
    found = []
    for folder, children, names in os.walk(ROOT):
        children[:] = [child for child in children if not SKIPPED_FOLDER.match(child)]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name != ".git"]
    return sorted(found)


def files_ending(*endings):
    return [path for path in all_files() if path.endswith(endings)]


def shell_scripts():
    """Files that a shell runs, by their first line."""
    scripts = []
    for path in all_files():
        with open(os.path.join(ROOT, path), "rb") as file:
            if re.match(rb"#!.*\b(ba)?sh\b", file.readline(100)):
                scripts.append(path)
    return scripts


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def finish(problems):
    """Print the problems and exit as a test does."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "no problem")
    raise SystemExit(1 if problems else 0)
