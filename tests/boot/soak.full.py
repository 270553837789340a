#!/usr/bin/env python3
# time limit: 5400 s
"""A box that is used for long keeps nothing: after every round of whole answers, streams and callers who leave, the guest's
memory holds nothing of what was said, and no more of it is in use than after the first rounds. The kernel clears what is
freed, so a page that is not zero is one that somebody holds: nobody inside is asked. LETHE_SOAK_S=300 is a short form."""

import mmap
import os
import pathlib
import random
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

from box import Box  # noqa: E402
from load import CHAT, Line, crowd, user  # noqa: E402
from search import Search  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

SECONDS = int(os.environ.get("LETHE_SOAK_S", 3600))
ROUNDS, WARM_ROUNDS, CALLERS, MARKERS = 8, 2, 6, 4
SETTLED_S, PAGE, GROWN_MIB = 8, 4096, 6
MODELS = {"chat": "mock-1", "slow": "mock:gap_ms=20,events=100"}


def caller(box, words, until):
    def talk(line, number):
        rng, asked = random.Random(number), 0
        while time.monotonic() < until:
            text = (rng.choice(words) + " ") * rng.randrange(1, 400)
            if rng.random() < 0.1:
                leaving = Line(box, timeout=30)
                leaving.begin(CHAT, {"model": "slow", "messages": user(text), "stream": True})
                leaving.reset()
                continue
            answer = line.insist(CHAT, {"model": "chat", "messages": user(text), "stream": rng.random() < 0.5})
            equal(answer.status, 200)
            asked += 1
        holds(asked > 0, "nobody was answered")
    return talk


def used_mib(file):
    """What is not zero, in pages, of a dump of the guest's memory."""
    empty, used = bytes(PAGE), 0
    with open(file, "rb") as dump, mmap.mmap(dump.fileno(), 0, prot=mmap.PROT_READ) as data:
        for at in range(0, len(data) - PAGE + 1, PAGE):
            used += data[at:at + PAGE] != empty
    return used * PAGE / (1 << 20)


def one_round(box, search):
    words = [search.hunt.marker("a round") for _ in range(MARKERS)]
    crowd(box, CALLERS, caller(box, words, time.monotonic() + SECONDS / ROUNDS))
    time.sleep(SETTLED_S)
    file = box.dir / "memory"
    box.memory(file)
    found, used = search.file(file, "memory"), used_mib(file)
    file.unlink()
    holds(not found, found[:20])
    return used


def main():
    tap, search, used = Tap("soak"), Search(), []
    with Box(models=MODELS, boot="kernel", memory_mib=320) as box:
        for number in range(1, ROUNDS + 1):
            with tap.case(f"round {number}: nothing of what was said is in memory"):
                used.append(one_round(box, search))
                print(f"# {used[-1]:.1f} MiB in use", flush=True)
        with tap.case(f"memory in use has grown by less than {GROWN_MIB} MiB since round {WARM_ROUNDS}"):
            holds(len(used) == ROUNDS and used[-1] - max(used[:WARM_ROUNDS]) < GROWN_MIB, used)
        with tap.case("and it goes down by its button"):
            equal(box.stop(), 0)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
