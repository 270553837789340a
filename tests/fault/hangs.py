#!/usr/bin/env python3
"""A role that stands still is found, killed and started again, and the others go on meanwhile. It stands still by
SIGSTOP: for the supervisor the same as a loop without end."""

import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, Line, user  # noqa: E402
from tap import Tap, eventually, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("Good morning.")}
# Three questions of 5 s without an answer, and the next turn.
SOONEST_S, LATEST_S = 10, 35


ROLES = ("lethe-relay", "lethe-admin", "lethe-resolver")


def all_others(relay, before):
    now = relay.pids()
    return all(now.get(role) and not set(before[role]) & set(now[role]) for role in ROLES)


def main():
    tap = Tap("hangs")
    with harness.Relay(relays=2) as relay:
        before = relay.pids()
        with tap.case("every role that stands still is killed, no sooner than load could explain"):
            began = time.monotonic()
            for role in ROLES:
                for pid in before[role]:
                    os.kill(pid, signal.SIGSTOP)
            eventually(lambda: all_others(relay, before), LATEST_S)
            took = time.monotonic() - began
            holds(took > SOONEST_S, f"they were given {took:.1f} s")
            holds(relay.logs().count("ROLE_HANGS") == 4, relay.logs()[-2000:])
        with tap.case("it serves again"):
            eventually(lambda: relay.admin("GET", "/readyz")[0] == 200, 20)
            holds(Line(relay).open().ask(CHAT, HELLO).status == 200, "it does not serve again")
        with tap.case("who answers is left alone"):
            holds(relay.pids()["lethe-keeper"] == before["lethe-keeper"], f"{before} {relay.pids()}")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
