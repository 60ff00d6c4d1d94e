#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Folded text, or `perf script` text, of a program that does not exist: make_folded.py [--perf] STACKS >FILE

5 000 functions that call each other; walks from main of 33 frames on average, all different, in no
order. The same each time.
"""
import random
import sys

FUNCTIONS = 5000
CALLEES = 6
MEAN_DEPTH = 33
COUNT = int(sys.argv[-1])
IS_PERF = "--perf" in sys.argv

random.seed(1)
WORDS = "read write parse update find insert lookup flush commit decode encode handle dispatch resolve".split()
NAMES = [f"{random.choice(WORDS)}_{random.choice(WORDS)}_{i:04d}" for i in range(FUNCTIONS)]
CALLS = [[random.randrange(FUNCTIONS) for _ in range(CALLEES)] for _ in range(FUNCTIONS)]


def walk():
    depth = max(4, int(random.gauss(MEAN_DEPTH, 8)))
    at = random.randrange(20)
    stack = [at]
    for _ in range(depth - 3):
        # The first callee is the usual one: deep common paths, as in real programs.
        at = CALLS[at][min(int(random.expovariate(1.2)), CALLEES - 1)]
        stack.append(at)
    return tuple(stack)


SEEN = set()
while len(SEEN) < COUNT:
    SEEN.add(walk())
STACKS = sorted(SEEN)
random.shuffle(STACKS)
out = sys.stdout
for number, stack in enumerate(STACKS):
    names = ["server", "main"] + [NAMES[i] for i in stack]
    if not IS_PERF:
        out.write(";".join(names) + f" {1 + number % 17}\n")
        continue
    out.write(f"server 1234/{1234 + number % 8} [001] {number / 99:.6f}: 10101010 cycles: \n")
    for depth, name in enumerate(reversed(names[1:])):
        out.write(f"\t    {0x55d0c0000000 + hash(name) % 0xfffff * 16 + depth % 4:x} {name}+0x{depth % 4:x} (/usr/bin/server)\n")
    out.write("\n")
