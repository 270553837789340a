#!/usr/bin/env python3
# time limit: 7200 s
"""The proof twenty times: the first run with every role and signal, the watchdog, a kernel that gives up and a minute of
waiting, the others with what `make test` plays and the firmware's media. What chance decides in one run it decides otherwise
in another."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import prove  # noqa: E402

RUNS = 20

if __name__ == "__main__":
    sys.argv[1:] = ["--runs", str(RUNS), "--later", "5", "--report", str(prove.TOP / "build/zero-log-runs")]
    sys.exit(prove.main())
