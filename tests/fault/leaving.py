#!/usr/bin/env python3
# time limit: 120 s
"""Callers who leave, at every byte (F21): behind each byte of a request and of its streamed answer, by a reset and in
order. Nothing of them stays: no place of their key, no descriptor; and each exchange stands in the export, once."""

import concurrent.futures
import contextlib
import json
import os
import socket
import struct
import sys

from wire import CHAT, Cut, Wire, said

import harness
from tap import Tap, equal, eventually, holds

CALLERS, PLACES = 8, 16
MODELS = {"chat": "mock:events=6,gap_ms=3", "slow": "mock:delay_ms=500"}
REQUEST = b'{"model":"chat","stream":true,"messages":[{"role":"user","content":"Hello."}]}'


def gone(wire, how):
    """`how`: "reset", or "end" with TLS's own word before."""
    if how == "reset":
        wire.tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        with contextlib.suppress(OSError):
            wire.tls.settimeout(0)
            wire.tls.unwrap()
    wire.tls.close()


def asking(relay, how, count):
    """Leaves behind so many bytes of a request."""
    wire = Wire(relay)
    text = wire.head("POST", CHAT, f"Content-Length: {len(REQUEST)}") + REQUEST
    if count > 0:
        wire.send(text[:count])
    gone(wire, how)
    return count >= len(text)


def hearing(relay, how, count):
    """Leaves behind so many bytes of an answer; True when there were as many."""
    wire = Wire(relay)
    wire.ask(REQUEST)
    try:
        wire.exactly(count)
        return True
    except (Cut, TimeoutError):
        return False
    finally:
        gone(wire, how)


def length_of_request(relay):
    with Wire(relay) as wire:
        return len(wire.head("POST", CHAT, f"Content-Length: {len(REQUEST)}")) + len(REQUEST)


def length_of_answer(relay):
    with Wire(relay) as wire:
        wire.ask(REQUEST)
        answer = b""
        while not answer.endswith(b"\r\n\r\n") or b"x-lethe-end" not in answer:
            wire.more()
            answer, wire.held = answer + wire.held, b""
        holds(b"[DONE]" in answer, answer)
        return len(answer)


def leave(relay, work, lengths):
    """A reset behind each of these, and an end behind every fourth. When nothing runs any more: what each saw."""
    rows = [("reset", count) for count in lengths] + [("end", count) for count in lengths[::4]]
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        saw = list(pool.map(lambda row: work(relay, *row), rows))
    eventually(lambda: relay_figures(relay)["exchanges_now"] == 0)
    return saw


def relay_figures(relay):
    return json.loads(relay.admin("GET", "/admin/v1/status")[1])["relays"][0]


def descriptors(relay):
    return len(os.listdir(f"/proc/{relay.pids()['lethe-relay'][0]}/fd"))


def all_places(relay):
    """As many callers at once as the key may have."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(relay)) for _ in range(PLACES)]
        for wire in wires:
            wire.ask(said("slow"))
        return [wire.answer().status for wire in wires]


def main():
    tap = Tap("leaving")
    settings = {"key_exchanges": PLACES, "warm_connections": 0, "attempts": 1}
    with harness.Relay(models=MODELS, relays=1, settings=settings) as relay:
        asked, heard = length_of_request(relay), length_of_answer(relay)
        equal(all_places(relay), [200] * PLACES)
        before, pids = descriptors(relay), relay.pids()["lethe-relay"]
        whole = PLACES + 1
        with tap.case(f"behind each of the {asked} bytes of a request"):
            leave(relay, asking, range(asked + 1))
            equal(all_places(relay), [200] * PLACES)
        with tap.case(f"behind each of the {heard} bytes of an answer"):
            holds(all(leave(relay, hearing, range(0, heard - 40))), "one was shorter")
            equal(all_places(relay), [200] * PLACES)
        with tap.case("no descriptor stays, and the relay is the one that began"):
            eventually(lambda: descriptors(relay) <= before)
            equal(relay.pids()["lethe-relay"], pids)
        with tap.case("each exchange stands in the export once, as whole or as left by its caller"):
            served = relay.vendor.sums()["exchanges"]
            relay.stop()
            exports = relay.export()
            ended = {key: sum(e["outcomes"][key] for e in exports) for key in exports[0]["outcomes"]}
            attempts = sum(e["totals"]["attempts"] for e in exports)
            print(f"# {ended}; {attempts} attempts, {served} at the vendor")
            equal({key for key, count in ended.items() if count}, {"ok", "client_abort"})
            equal(sum(ended.values()), sum(e["totals"]["requests"] for e in exports))
            holds(ended["ok"] >= whole + 2 * PLACES and served <= attempts, (ended, attempts, served))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
