#!/usr/bin/env python3
# time limit: 120 s
"""What vendors' answers say of the time, as PID 1 of the appliance hears it: the test is PID 1, at the other end of
lethed's channel (src/base/box_wire.h). What it makes of it: tests/unit/firmware/test_machine_clock.c, tests/boot/clock.full.py."""

import socket
import struct
import sys
import time

from wire import CHAT

import harness
from load import user
from tap import Tap, equal, holds

TELL_DATES = 34
DAY = 86400


class Boxed(harness.Relay):
    def start(self, wait=True):
        self.pid1, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.more_words, self.more_fds = ("--box-channel", theirs.fileno()), (theirs.fileno(),)
            super().start(wait)

    def stop(self):
        status = super().stop()
        self.pid1.close()
        return status

    def ask(self, *models):
        for number, model in enumerate(models):
            equal(self.request("POST", CHAT, {"model": model, "messages": user("hello"), "stream": number % 2 == 1})[0], 200)

    def told(self, agree, of, ahead, seconds=20):
        """Until so many hosts of so many say that it is so many seconds later than it is here; what was told last."""
        deadline, last = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            self.pid1.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                message = self.pid1.recv(8192)
            except TimeoutError:
                break
            operation, _, size, _ = struct.unpack("=IIII", message[:16])
            if operation != TELL_DATES:
                continue
            equal(size, len(message) - 16)
            agreed, known, origin, oldest = struct.unpack("=IIqQ", message[16:])
            last = (agreed, known, origin + time.monotonic() - time.time())
            holds(oldest <= time.monotonic() * 1000, "an answer of what is to come")
            if last[:2] == (agree, of) and abs(last[2] - ahead) < 3:
                return last
        raise AssertionError(f"last was told: {last}")

    def silent(self, seconds):
        try:
            return self.told(-1, -1, 0, seconds)
        except AssertionError as why:
            equal(str(why), "last was told: None")


def over_tls(tap):
    models = {f"{kind}{n}": [(vendor, model)] for n, vendor in enumerate(("here", "there", "third"))
              for kind, model in (("now", "mock-1"), ("ahead", "mock:after=ahead"), ("behind", "mock:after=skewed"))}
    with Boxed(models=models, vendors=("here", "there", "third"), apart=("ahead0",)) as relay:
        with tap.case("before anybody was asked nothing is told"):
            relay.silent(3)
        with tap.case("one host is one voice, by whichever upstream"):
            relay.ask("ahead0", "now0")
            relay.told(1, 1, 0)
        with tap.case("two hosts whose answers say now, one plain and one a stream"):
            relay.ask("now0", "now1")
            relay.told(2, 2, 0)
        with tap.case("one that is a day ahead and one that is right do not agree"):
            relay.ask("ahead1")
            relay.told(1, 2, 0)
        with tap.case("two that are a day ahead are told as they are"):
            relay.ask("ahead0")
            relay.told(2, 2, DAY)
        with tap.case("the median of three: one that is behind is outvoted"):
            relay.ask("behind2")
            relay.told(2, 3, DAY)
        with tap.case("and so are those that were wrong, once they are right"):
            relay.ask("now0", "now1")
            relay.told(2, 3, 0)
        with tap.case("two hours behind"):
            relay.ask("behind0", "behind1")
            relay.told(3, 3, -7200)


def in_the_clear(tap):
    with Boxed(models={"a": [("here", "mock-1")], "b": [("there", "mock-1")]}, vendors=("here", "there"), plain=True) as relay:
        with tap.case("over plain HTTP nobody is believed"):
            relay.ask("a", "b")
            relay.silent(3)


def main():
    tap = Tap("dates")
    over_tls(tap)
    in_the_clear(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
