#!/usr/bin/env python3
"""The deterministic simulation of tests/sim: a few hundred seeds, and that it fails without any one of its guards.

time limit: 600 s

A seed is a whole history: callers, vendors, keeper and operator, most of them misbehaving, over a virtual network and
clock, around the real objects of a relay. The line `replay:` of a failure plays it again."""

import concurrent.futures
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "tests/client"), str(TOP / "tests/sim")]

from mutate import rows  # noqa: E402
from tap import Tap  # noqa: E402

SEEDS = int(os.environ.get("LETHE_SEEDS", "200"))
SANITIZED = int(os.environ.get("LETHE_SANITIZED_SEEDS", "40"))
WITHOUT = int(os.environ.get("LETHE_WITHOUT_SEEDS", "300"))
STEP = 20
# Each found something once.
REMEMBERED = (5055, 9873)


def play(program, first, count):
    ended = subprocess.run([str(TOP / program), "--seed", str(first), "--seeds", str(count)], cwd=TOP,
                           capture_output=True, text=True)
    return ended.returncode == 0, ended.stdout + ended.stderr


def all_pass(tap, pool, program, first, count):
    """In parts, so that every core has something to do."""
    parts = [(at, min(STEP, first + count - at)) for at in range(first, first + count, STEP)]
    played = list(pool.map(lambda part: play(program, *part), parts))
    tap.line(all(good for good, _ in played), f"{program}: {count} seeds from {first} on")
    for good, said in played:
        if not good:
            print(said, flush=True)


def fails_without(tap, pool):
    """A seed fails that the whole relay passes: the same seeds were played above."""
    names = [row[0] for row in rows()]
    played = pool.map(lambda name: play(f"build/sim/without/{name}", 1, WITHOUT), names)
    for name, (good, said) in zip(names, played):
        found = next((line[2:] for line in said.splitlines() if " failed at " in line or " died at " in line), "")
        tap.line(not good and found != "", f"without {name} a seed fails")
        print(f"# {found or said.strip()[-300:]}", flush=True)


def main():
    tap = Tap("simulation")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        all_pass(tap, pool, "build/sim/sim", 1, max(SEEDS, WITHOUT))
        for seed in REMEMBERED:
            all_pass(tap, pool, "build/sim/sim", seed, 1)
        all_pass(tap, pool, "build/san/sim/sim", 1, SANITIZED)
        fails_without(tap, pool)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
