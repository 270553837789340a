#!/usr/bin/env python3
# time limit: 1200 s
"""What of clock.py takes long."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import clock  # noqa: E402

if __name__ == "__main__":
    sys.exit(clock.main(clock.LONG))
