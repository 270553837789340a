#!/usr/bin/env python3
# time limit: 300 s
"""The image on hardware that is not the usual one, shortly: matrix.full.py has all of it."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from hardware import Hardware  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("Write to ana.lopez@kontor-nord.de, please.")}
SHORT = (
    {"boot": "bios", "disk": "ahci", "card": "e1000e"},
    {"boot": "uefi", "disk": "nvme"},
)


def works(memory_mib=384, **hardware):
    """It comes up, serves, goes down by its button, and what it wrote is on its disk."""
    with Hardware(memory_mib=memory_mib, **hardware) as box:
        status, body, _ = box.request("POST", CHAT, HELLO)
        holds(status == 200 and b"ana.lopez@kontor-nord.de" in body, f"{status} {body[:300]}")
        equal(box.stop(), 0)
        equal([one["kind"] for one in box.export()[-1:]], ["final"])


def run(tap, cases):
    for hardware in cases:
        with tap.case("it serves and ends cleanly: " + ", ".join(f"{key} {value}" for key, value in hardware.items())):
            works(**hardware)


def main():
    tap = Tap("matrix")
    run(tap, SHORT)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
