#!/usr/bin/env python3
"""That settings.py's table is true: each key of it is left out of every configuration, as if the program ignored it,
and the file of its case must fail then. What cannot be left out, because the file is refused without it, is skipped.
LETHE_KEYS names keys that alone are tried, with spaces between."""

import concurrent.futures
import os
import subprocess
import sys

from settings import COVERED, TREE

import harness
from tap import Skip, Tap, holds


def without(key):
    """What the file of its case says when the key is left out."""
    environment = os.environ | {"LETHE_WITHOUT": key, "LETHE_VENDOR_BIN": str(harness.VENDOR_BIN)}
    done = subprocess.run([TREE / COVERED[key][0]], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=600)
    return done.stdout


def noticed(key, text):
    """A row fails: that of the table's words, where they stand in one."""
    rows, words = [row for row in text.splitlines() if row.startswith(("ok ", "not ok "))], COVERED[key][1]
    named = [row for row in rows if words in row]
    return any(row.startswith("not ok ") for row in named or rows)


def main():
    tap = Tap("settings left out")
    asked = os.environ.get("LETHE_KEYS", "").split()
    keys = [key for key in COVERED if not asked or key in asked]
    with concurrent.futures.ThreadPoolExecutor(max(1, os.cpu_count() // 2)) as pool:
        for key, text in zip(keys, pool.map(without, keys)):
            with tap.case(f"without {key}, {COVERED[key][0]} fails"):
                if "lethed ended with 2" in text and not noticed(key, text):
                    raise Skip("the file is refused without it")
                holds(noticed(key, text), text[-1500:])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
