#!/usr/bin/env python3
"""tests/fault/ledger.py, longer: ten thousand exchanges, the keeper killed eight times."""

import os
import sys

os.environ |= {"LETHE_EXCHANGES": "10000", "LETHE_KILLS": "8"}

import ledger  # noqa: E402

if __name__ == "__main__":
    sys.exit(ledger.main())
