#!/usr/bin/env python3
"""tests/fault/simulation.py, longer: ten thousand seeds, five hundred of them with sanitizers."""

import os
import sys

os.environ |= {"LETHE_SEEDS": "10000", "LETHE_SANITIZED_SEEDS": "500"}

import simulation  # noqa: E402

if __name__ == "__main__":
    sys.exit(simulation.main())
