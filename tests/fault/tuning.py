#!/usr/bin/env python3
# time limit: 150 s
"""The numbers of lethe.json that say how patient the relay is with a vendor: attempts, waits, breakers, second copies, health.

Each stage renames the upstreams: breakers outlive a reload, and those of a new name are new."""

import sys
import threading
import time

from routing import FAR, NEAR, Calls
from wire import Wire, said

import harness
from tap import Tap, equal, holds

ALIASES = {
    "good": {"targets": [(NEAR, "mock-1"), (FAR, "mock-1")]},
    "bad": {"targets": [(NEAR, "mock:status=503"), (FAR, "mock-1")]},
    "turning": {"targets": [(NEAR, "turning-1"), (FAR, "mock-1")], "first_token_ms": 100},
    "limited": {"targets": [(NEAR, "mock:status=429,retry_after=1,times=1,piece=3"), (FAR, "mock-1")]},
    "limited-too": {"targets": [(NEAR, "mock:status=429,retry_after=1,times=1,piece=4"), (FAR, "mock-1")]},
    "bad-twice": {"targets": [(NEAR, "mock:status=503,times=2"), (FAR, "mock-1")]},
    "slow": {"targets": [(NEAR, "mock:first_byte_ms=1200"), (FAR, "mock-1")], "first_token_ms": 100},
    "patient": {"targets": [(NEAR, "mock:first_byte_ms=1201"), (FAR, "mock-1")], "first_token_ms": 0},
    "wrong": {"targets": [(NEAR, "mock:status=500"), (NEAR, "mock:status=500,piece=2")]},
    "later": {"targets": [(NEAR, "mock:status=429,retry_after=1,times=1")]},
    "later-still": {"targets": [(NEAR, "mock:status=429,retry_after=1,times=1,piece=2")]},
    "hedged": {"targets": [(NEAR, "mock:first_byte_ms=1500"), (FAR, "mock-1")], "hedge": True, "hedge_ms": 100},
    "learning": {"targets": [(NEAR, "mock:first_byte_ms=1501"), (FAR, "mock-1")], "hedge": True},
    "single": {"targets": [(NEAR, "mock:first_byte_ms=1502"), (FAR, "mock-1")]},
}


class Stages:
    def __init__(self, relay):
        self.relay, self.number = relay, 0

    def begin(self, health=None, **settings):
        self.number += 1

        def change(value):
            config(value)
            for row in value["upstreams"]:
                row["name"] += f"-{self.number}"
            for model in value["models"]:
                for target in model["targets"]:
                    target["upstream"] += f"-{self.number}"
            value["settings"] = settings
            if health:
                value["upstreams"][0]["health"] = health
        self.relay.change = change
        self.relay.write_config()
        equal(self.relay.reload()[0], 200)


def config(value):
    value["keys"][0]["hedge"] = True


def timed(relay, alias, key=None, stream=True):
    """(status, seconds) of one call."""
    with Wire(relay) as wire:
        began = time.monotonic()
        answer = wire.ask(said(alias, stream=stream), key=key).answer()
        return answer.status, time.monotonic() - began


def attempts(tap, relay, calls, stages):
    with tap.case("attempts: with one there is no second"):
        stages.begin(attempts=1)
        equal(calls.places("bad", status=503), {NEAR: 1})
        stages.begin(attempts=2)
        equal(calls.places("bad"), {NEAR: 1, FAR: 1})
    with tap.case("queue_ms: a vendor key that comes back in time is waited for, a later one is 429"):
        stages.begin(queue_ms=300)
        status, took = timed(relay, "later")
        holds(status == 429 and took < 0.9, (status, took))
        stages.begin(queue_ms=4000)
        status, took = timed(relay, "later-still")
        holds(status == 200 and 0.9 <= took < 4, (status, took))


def preferred(tap, calls, stages):
    with tap.case("prefer_ms: so soon the preferred model is waited for, else the next is asked at once"):
        stages.begin(prefer_ms=0)
        equal(calls.places("limited"), {NEAR: 1, FAR: 1})
        time.sleep(1.2)  # the vendor key keeps its name, and so its rate limit
        stages.begin(prefer_ms=2000)
        equal(calls.places("limited-too"), {NEAR: 2})


def spent(relay, percent, stages):
    """Attempts of 80 calls that all fail, and could all be tried again."""
    stages.begin(retry_percent=percent, breaker_calls=10000)
    vendor = relay.vendors[NEAR]
    vendor.mark()

    def some():
        with Wire(relay) as wire:
            for _ in range(10):
                wire.ask(said("wrong")).answer()
    threads = [threading.Thread(target=some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(vendor.received())


def budget(tap, relay, stages):
    with tap.case("retry_percent: with none only ten a second are tried again"):
        began = time.monotonic()
        few = spent(relay, 0, stages)
        holds(few <= 80 + 10 * (2 + time.monotonic() - began), few)
        many = spent(relay, 100, stages)
        holds(many >= 140, many)


def turned(relay, *words):
    """From now on the near vendor's model that turns does this."""
    relay.vendors[NEAR].faults(*(f"model turning-1 {row}" for row in words))


def shares(tap, relay, calls, stages):
    with tap.case("breaker_calls: so many are made before a breaker looks at shares"):
        stages.begin(breaker_calls=3)
        equal(calls.places("bad", 6), {NEAR: 3, FAR: 6})
        stages.begin(breaker_calls=10000)
        equal(calls.places("bad", 6), {NEAR: 6, FAR: 6})
    for percent, place in ((40, FAR), (80, NEAR)):
        with tap.case(f"breaker_percent: half of the calls failed, at {percent} %"):
            stages.begin(breaker_calls=10, breaker_percent=percent, breaker_slow_percent=100)
            calls.places("turning", 5)
            turned(relay, "status=503")
            calls.places("turning", 5)
            turned(relay)
            equal(calls.places("turning"), {place: 1})
        with tap.case(f"breaker_slow_percent: half of the calls were slow, at {percent} %"):
            stages.begin(breaker_calls=10, breaker_percent=100, breaker_slow_percent=percent)
            calls.places("turning", 5)
            turned(relay, "first_byte_ms=1200")
            for _ in range(5):
                equal(timed(relay, "turning")[0], 200)
            turned(relay)
            equal(calls.places("turning"), {place: 1})


def times(tap, relay, calls, stages):
    with tap.case("breaker_open_ms: so long it stays open"):
        stages.begin(breaker_calls=2, breaker_open_ms=300)
        equal(calls.places("bad-twice", 3), {NEAR: 2, FAR: 3})
        time.sleep(0.6)
        equal(calls.places("bad-twice"), {NEAR: 1})
    with tap.case("breaker_open_most_ms: and never longer than that"):
        stages.begin(breaker_calls=2, breaker_open_ms=200, breaker_open_most_ms=200)
        calls.places("bad", 2)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            calls.places("bad")
        probes, end = 0, time.monotonic() + 1
        while time.monotonic() < end:
            probes += calls.places("bad").get(NEAR, 0)
        holds(probes >= 3, probes)


def health(tap, relay, calls, stages):
    near = relay.vendors[NEAR]

    def asked(seconds, **row):
        stages.begin(breaker_calls=2, breaker_open_ms=60000, **row)
        calls.places("bad", 2)
        near.mark()
        time.sleep(seconds)
        gets = [row["head"].split(" ")[1] for row in near.received() if row["head"].startswith("GET ")]
        equal(set(gets) - {"/v1" + row.get("health", {}).get("path", "")}, set())
        return len(gets)

    with tap.case("health: asked by path while a breaker is open, as often as every_ms says"):
        few = asked(3.5, health={"path": "/models", "every_ms": 600000})
        many = asked(3.5, health={"path": "/up/now", "every_ms": 1000})
        holds(few <= 1 and 2 <= many <= 4, (few, many))
        equal(asked(1.5), 0)


def races(tap, relay, stages):
    near, far = relay.vendors[NEAR], relay.vendors[FAR]
    stages.begin()

    def copies(alias, key=None):
        near.mark()
        far.mark()
        status, took = timed(relay, alias, key)
        equal(status, 200)
        return len(near.received()), len(far.received()), took > 1.2

    with tap.case("first_token_ms: no content by then, and the next target answers; 0 waits"):
        equal(copies("slow"), (1, 1, False))
        equal(copies("patient")[:2], (1, 0))
    with tap.case("hedge: a late request gets a second copy"):
        equal(copies("hedged"), (1, 1, False))
    with tap.case("not without the model's word, nor the key's"):
        equal(copies("single"), (1, 0, True))
        equal(copies("hedged", relay.keys["thrifty"]), (1, 0, True))
    with tap.case("hedge_ms: without it what is late has to be learnt first"):
        equal(copies("learning"), (1, 0, True))


def main():
    tap = Tap("tuning")
    keys = {"test": {"project": "alpha"}, "thrifty": {"project": "alpha"}}
    with harness.Relay(models=ALIASES, vendors=(NEAR, FAR), keys=keys, config=config, relays=1) as relay:
        calls, stages = Calls(relay), Stages(relay)
        attempts(tap, relay, calls, stages)
        preferred(tap, calls, stages)
        budget(tap, relay, stages)
        shares(tap, relay, calls, stages)
        times(tap, relay, calls, stages)
        health(tap, relay, calls, stages)
        races(tap, relay, stages)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
