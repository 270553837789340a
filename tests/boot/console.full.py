#!/usr/bin/env python3
# time limit: 1200 s
"""What of console.py takes long."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import console  # noqa: E402

if __name__ == "__main__":
    sys.exit(console.main(console.LONG))
