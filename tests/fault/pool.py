#!/usr/bin/env python3
# time limit: 150 s
"""Eight keys of one vendor under load, one five times slower than the others and one that fails three times in ten:
after ten seconds each of these two gets less than 2 % of the traffic, and the six others share the rest evenly. Counted
by the vendor. Neither is bad enough for a breaker: what the relay learns of times and failures has to do it."""

import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
import harness  # noqa: E402
import load  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

KEYS, CALLERS = 8, 24
SLOW, FAILING = 2, 5
FIRST_MS = 30
LEARN_S = 10
# So many that chance alone keeps each healthy key's share within 15 %, five times its deviation; a loaded machine may
# take long over them.
COUNTED, COUNT_MOST_S = 10000, 80
MOST, EVEN = 0.02, 0.15

ASK = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "Say something short."}]}


class Callers:
    """They ask one call after the other until told to stop."""

    def __init__(self, relay):
        self.relay, self.over = relay, threading.Event()
        self.good = self.bad = 0
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=load.crowd, args=(relay, CALLERS, self.work), daemon=True)

    def work(self, line, _):
        while not self.over.is_set():
            try:
                answer = line.insist(load.CHAT, ASK)
                good = answer.status == 200 and answer.events()[-1] == "[DONE]"
            except load.Cut:
                line.close()
                good = False
            with self.lock:
                self.good += good
                self.bad += not good

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def by_key(vendor):
    return [*vendor.sums()["keys"], *[0] * KEYS][1:KEYS + 1]


def measure():
    models = {"chat": {"targets": [("mock", "mock:events=3")], "strategy": "fastest"}}
    with harness.Relay(models=models, pools={"mock": KEYS}) as relay:
        vendor = relay.vendor
        vendor.faults(f"all first_token_ms={FIRST_MS}", f"key {vendor.keys[SLOW]} first_token_ms={5 * FIRST_MS}",
                      f"key {vendor.keys[FAILING]} percent=30,status=500")
        with Callers(relay) as callers:
            time.sleep(LEARN_S)
            before, until = by_key(vendor), time.monotonic() + COUNT_MOST_S
            counts = [0] * KEYS
            while sum(counts) < COUNTED and time.monotonic() < until:
                time.sleep(0.2)
                counts = [now - then for now, then in zip(by_key(vendor), before)]
        return counts, callers


def main():
    t = Tap("a pool of eight keys")
    counts, callers = measure()
    total = sum(counts)
    healthy = [n for key, n in enumerate(counts) if key not in (SLOW, FAILING)]
    mean = sum(healthy) / len(healthy)
    print(f"# by key: {counts}; calls that were answered {callers.good}, that failed {callers.bad}")
    with t.case("there is enough traffic to tell"):
        holds(total >= COUNTED, f"{total} calls")
    with t.case("the one that is five times slower gets less than 2 % of it"):
        holds(counts[SLOW] < MOST * total, f"{counts[SLOW]} of {total}")
    with t.case("the one that fails three times in ten gets less than 2 %"):
        holds(counts[FAILING] < MOST * total, f"{counts[FAILING]} of {total}")
    with t.case("the healthy ones are within 15 % of their mean"):
        holds(all(abs(n - mean) <= EVEN * mean for n in healthy), f"{healthy}, mean {mean:.0f}")
    with t.case("no caller has noticed"):
        equal(callers.bad, 0)
    return t.done()


if __name__ == "__main__":
    sys.exit(main())
