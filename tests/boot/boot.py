#!/usr/bin/env python3
# time limit: 300 s
"""The image comes up by BIOS, by UEFI and by a kernel alone, serves, and goes down by its power button with a clean final
export; of its state partition every byte is one that is listed. What keeps it from serving stands on its console as a
sentence, and the power button still works."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

import state_bytes  # noqa: E402
import wrong  # noqa: E402
from box import BOX_CONF, IMAGE, Box, numbers  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("Write to ana.lopez@kontor-nord.de, please.")}
# What is wrong with the box, and what its console says of it.
REFUSALS = {
    "a key of box.conf that is none": ({"box_conf": BOX_CONF.replace("gateway", "gatway")}, "gatway"),
    "a kernel that does not wipe": ({"words": ["init_on_free=0"]}, "init_on_free"),
    "two state partitions": ({"spoil": wrong.twice}, "More than one partition is named lethe-state"),
}


def serves(boot, memory_mib):
    with Box(boot=boot, memory_mib=memory_mib) as box:
        status, body, _ = box.request("POST", CHAT, HELLO)
        holds(status == 200 and b"ana.lopez@kontor-nord.de" in body, f"{status} {body[:300]}")
        holds("ana.lopez" not in box.vendor.last_words(), "the vendor got the address")
        if boot == "kernel":
            box.wait_console("RUNNING  serving")
        equal(box.stop(), 0)
        box.fetch_state()
        found, lines = state_bytes.parse(box.state.read_bytes(), box.key_file.read_bytes())
        holds({name for _, name, _ in found} <= set(state_bytes.RECORDS.values()) and lines, f"kept: {lines}")
        exports = box.export()
        equal([one["kind"] for one in exports[-1:]], ["final"])
        # Its disk has numbers of its own now, and is otherwise the image's.
        before, after = numbers(IMAGE / "lethe.raw"), numbers(box.dir / "disk.raw")
        equal({name for name in before if before[name] != after[name]}, {"disk", "lethe-state"})
        if boot == "bios":
            box.start()
            equal((box.stop(), numbers(box.dir / "disk.raw")), (0, after))


def main():
    tap = Tap("boot")
    for boot, memory_mib in (("kernel", 256), ("bios", 256), ("uefi", 256)):
        with tap.case(f"{boot}: it serves with {memory_mib} MiB, and ends by its button with a clean export"):
            serves(boot, memory_mib)
    for name, (more, words) in REFUSALS.items():
        with tap.case(f"{name}: refused with a sentence"):
            wrong.refuses(words, **more)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
