#!/usr/bin/env python3
# time limit: 600 s
"""What boot.py has no time for: what is not there is waited for, and then said; a vault that was altered is said, nothing is
served from it, and the way out of it that the console names is one."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

import wrong  # noqa: E402
from box import BOX_CONF, partition  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

DAMAGED = "The vault is cut, damaged or of another format."


REFUSALS = {
    "an address that is none": ("box.conf", {"box_conf": BOX_CONF.replace("10.0.2.15/24", "10.0.2.999/24")}),
    "two configuration drives": ("LETHECFG", {"drives": 2}),
    "a state partition that is too small": ("lethe-state is too small: make it 64 MiB", {"spoil": wrong.small}),
    "a disk that cannot be written": ("cannot be written, and would keep", {"spoil": wrong.read_only}),
}


def altered(spoil):
    """The box is up and its menu too; the vault stays shut, byte for byte, until a person empties it."""
    with wrong.Wrong(spoil=spoil) as box:
        disk = box.dir / "disk.raw"
        box.start(wait=False)
        box.wait_console("RUNNING  the relay is down")
        box.wait_console(DAMAGED)
        at, room = partition(disk, "lethe-state")
        with open(disk, "rb") as file:
            file.seek(at)
            before = file.read(8 << 20)
        box.menu("8")
        box.glass.waits("Type the word RESET")
        with open(disk, "rb") as file:
            file.seek(at)
            equal(file.read(8 << 20) == before, True)
        box.press("RESET\n")
        equal(box.off(), 0)
        with open(disk, "rb") as file:
            file.seek(at)
            holds(not any(file.read(room)), "something is left")


def main():
    tap = Tap("refusals")
    with tap.case("a disk without a state partition: waited for, then refused with a sentence"):
        wrong.refuses("There is no partition named lethe-state", spoil=wrong.nameless)
    with tap.case("no network card: the box is up and says so"):
        wrong.refuses("This box has no network interface that the image", phase="RUNNING", card=False)
    for name, (words, more) in REFUSALS.items():
        with tap.case(f"{name}: refused with a sentence"):
            wrong.refuses(words, **more)
    for name, spoil in (("heads", wrong.bad_heads), ("records", wrong.bad_records)):
        with tap.case(f"one bit of the {name} of both copies of the vault: said, and a factory reset empties it"):
            altered(spoil)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
