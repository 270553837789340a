#!/usr/bin/env python3
# time limit: 600 s
"""A supervisor that stands still is found by PID 1, killed and started again, and the console says so."""

import pathlib
import signal
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

import troubled  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("Good morning.")}
FOUND_S = 150


def main():
    tap = Tap("hangs")
    with tempfile.TemporaryDirectory(dir=troubled.TOP / "build") as scratch:
        image = troubled.make_image(pathlib.Path(scratch))
        with tap.case("the supervisor stood still, and it serves again"), \
                troubled.Troubled(boot="kernel", image=image) as box:
            equal(box.trouble(f"kill lethed {int(signal.SIGSTOP)}"), 1)
            box.wait_console("lethed by signal 9", FOUND_S)
            box.wait_ready(FOUND_S)
            status, body, _ = box.request("POST", CHAT, HELLO)
            holds(status == 200, f"{status} {body[:200]}")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
