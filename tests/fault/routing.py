#!/usr/bin/env python3
# time limit: 120 s
"""Where a request goes: each key of lethe.json that chooses among targets and vendor keys, by what the vendors received.

Vendor "near" is in "eu" and "house" and has two keys of one account, "far" is in "us", "other" nowhere."""

import collections
import sys

from wire import CHAT, Wire, said

import harness
from tap import Tap, equal, holds

FAR, NEAR, OTHER = "far", "near", "other"
LIMITED = "mock:status=429,retry_after=2"


def aliases():
    def pair(first=None, second=None, order=(NEAR, FAR), **more):
        one, two = order
        return {"targets": [(one, "mock-1", first or {}), (two, "mock-1", second or {})], **more}

    written = [{"price": {"input": 3000000, "output": price}} for price in (15000000, 14999999)]
    read = [{"price": {"input": price, "output": 15000000}} for price in (3000000, 2999999)]
    return {
        "ordered": pair(), "reversed": pair(order=(FAR, NEAR)),
        "weighted": pair({"weight": 1}, {"weight": 1000}, strategy="weighted"),
        "fastest": pair({"weight": 1}, {"weight": 1000}, order=(OTHER, FAR), strategy="fastest"),
        "cheapest": pair(*written, strategy="cheapest"), "cheapest-read": pair(*read, strategy="cheapest"),
        "american": pair(residency=["us", "cn"]), "homely": pair(order=(FAR, NEAR), residency=["house"]),
        "sized": pair({"max_chars": 2000}, {"min_chars": 2001}),
        "sized-back": pair({"min_chars": 2001}, {"max_chars": 2000}, order=(FAR, NEAR)),
        "lesser": pair({"downgrade": True}),
        "failing": {"targets": [(NEAR, "mock:status=503"), (FAR, "mock-1", {"downgrade": True})]},
        "sticky": pair(strategy="weighted", sticky="prompt"), "roaming": pair(strategy="weighted"),
        "limited": {"targets": [(NEAR, LIMITED)]},
        "short": {"targets": [(NEAR, "mock:context=20", {"context_tokens": 20}), (FAR, "mock:context=25"),
                              (FAR, "mock-1", {"context_tokens": 100000})]},
    }


def config(value):
    near, far, _ = value["upstreams"]
    near["residency"], far["residency"] = ["eu", "house"], ["us", "cn"]
    near["credentials"] = [{"name": "near", "limit_group": "account", "weight": 1},
                           {"name": "near-2", "limit_group": "account", "weight": 1000}]
    rows = value["keys"]
    rows[1] |= {"residency": ["us"]}
    rows[2] |= {"downgrade": True}


class Calls:
    """Requests over one connection, and where they went."""

    def __init__(self, relay):
        self.relay = relay

    def places(self, alias, count=1, words="Hello.", key=None, status=200, headers=()):
        for vendor in self.relay.vendors.values():
            vendor.mark()
        answers = []
        with Wire(self.relay) as wire:
            for number in range(count):
                say = words if isinstance(words, str) else words(number)
                answers.append(wire.ask(said(alias, say), CHAT, *headers, key=key).answer())
        equal({answer.status for answer in answers}, {status})
        return collections.Counter({name: len(vendor.received()) for name, vendor in self.relay.vendors.items()
                                    if vendor.received()})


def strategies(tap, calls):
    with tap.case("ordered: the first target, whichever it is"):
        equal(calls.places("ordered", 5), {NEAR: 5})
        equal(calls.places("reversed", 5), {FAR: 5})
    with tap.case("weighted: by the weights of the targets"):
        holds(calls.places("weighted", 30)[FAR] >= 28, "not by weight")
    with tap.case("fastest: the weights count as well"):
        holds(calls.places("fastest", 30)[FAR] >= 28, "not by weight")
    with tap.case("cheapest: the lower price, by one millionth"):
        equal(calls.places("cheapest", 5), {FAR: 5})
    with tap.case("and what is read counts as well"):
        equal(calls.places("cheapest-read", 5), {FAR: 5})
    with tap.case("sticky: a prompt stays where it was, another may be elsewhere"):
        for number in range(4):
            equal(len(calls.places("sticky", 6, f"Prompt {number}.")), 1)
        equal(len(calls.places("sticky", 24, lambda number: f"Prompt {number}.")), 2)
        equal(len(calls.places("roaming", 24, "Prompt 0.")), 2)


def residency(tap, calls, keys):
    with tap.case("a model's residency passes over targets that are elsewhere"):
        equal(calls.places("american", 3), {FAR: 3})
        equal(calls.places("homely", 3), {NEAR: 3})
    with tap.case("a key's residency too, and only for that key"):
        equal(calls.places("ordered", 3, key=keys["placed"]), {FAR: 3})
        equal(calls.places("ordered", 3, key=keys["test"]), {NEAR: 3})


def sizes(tap, calls):
    with tap.case("another model above 2000 characters: max_chars and min_chars"):
        for alias in ("sized", "sized-back"):
            equal(calls.places(alias, 2), {NEAR: 2})
            equal(calls.places(alias, 2, "word " * 600), {FAR: 2})
    with tap.case("a request that is too long for one target goes to one with more context_tokens"):
        equal(calls.places("short", 1, "word " * 100), {NEAR: 1, FAR: 1})


def consent(tap, calls, keys):
    with tap.case("a lesser model comes last, wherever it stands, also with consent"):
        equal(calls.places("lesser", 3), {FAR: 3})
        equal(calls.places("lesser", 3, key=keys["modest"]), {FAR: 3})
    with tap.case("without consent it never serves, with the key's it does, with the call's too"):
        equal(calls.places("failing", status=503)[FAR], 0)
        equal(calls.places("failing", key=keys["modest"])[FAR], 1)
        equal(calls.places("failing", headers=["x-lethe-downgrade: allow"])[FAR], 1)


def pools(tap, relay, calls):
    near = relay.vendors[NEAR]

    def used():
        return collections.Counter(near.keys.index(key) for row in near.received() for key in near.keys if key in row["head"])

    with tap.case("the keys of a pool are used by their weights"):
        calls.places("ordered", 20)
        holds(used()[1] >= 18, used())
    with tap.case("a key of another group is asked when one is told to wait"):
        def apart(value):
            config(value)
            for row in value["upstreams"][0]["credentials"]:
                del row["limit_group"]
        relay.change = apart
        relay.write_config()
        equal(relay.reload()[0], 200)
        calls.places("limited", status=429)
        equal(used(), {0: 1, 1: 1})


def groups(tap):
    """A relay of its own: what has been told to wait stays so over a reload."""
    with start() as relay, tap.case("a limit group is told to wait as one"):
        calls = Calls(relay)
        equal(calls.places("limited", status=429), {NEAR: 1})


def start():
    keys = {"test": {"project": "alpha"}, "placed": {"project": "alpha", "models": "ordered"}, "modest": {"project": "beta"}}
    return harness.Relay(models=aliases(), vendors=(NEAR, FAR, OTHER), keys=keys, config=config, relays=1, pools={NEAR: 2},
                         settings={"queue_ms": 0})


def main():
    tap = Tap("routing")
    with start() as relay:
        calls = Calls(relay)
        strategies(tap, calls)
        residency(tap, calls, relay.keys)
        sizes(tap, calls)
        consent(tap, calls, relay.keys)
        pools(tap, relay, calls)
    groups(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
