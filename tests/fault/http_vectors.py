#!/usr/bin/env python3
# time limit: 120 s
"""All vectors of tests/vectors/http1.jsonl against the relay over TLS: those of callers sent by hand, those of vendors
sent raw by the mock. Whole, and cut into small pieces. README.md beside them says what a verdict means."""

import base64
import json
import re
import sys
import time

from wire import Wire, said

import harness
from tap import Tap, equal, holds

# What an answer may not say to a message whose framing is accepted.
FRAMING = {"bad_http", "length_required", "request_too_large", "uri_too_long", "header_too_large", "request_timeout",
           "not_implemented", "http_version", "expectation_failed", "unsupported_encoding", "overloaded"}


def vectors():
    rows = [json.loads(row) for row in (harness.ROOT / "tests/vectors/http1.jsonl").read_text().splitlines()]
    return [(row["id"], row["side"], row["verdict"], base64.b64decode(row["bytes"])) for row in rows]


def with_key(message, key):
    """One Authorization line in every head that has none, behind its Host."""
    def add(found):
        head = message[found.end():].split(b"\r\n\r\n")[0]
        own = b"" if b"authorization:" in head.lower() else b"Authorization: Bearer " + key.encode() + b"\r\n"
        return found.group(0) + own
    return re.sub(rb"\r\nHost: a\r\n", add, message)


def accepted(wire, last):
    got = wire.answer()
    holds(got.status not in (408, 411, 413, 414, 415, 417, 431, 500, 501, 503, 505), f"status {got.status}")
    holds(got.status == 200 or got.code() not in FRAMING, got.body)
    return got.fields.get("connection") == "close" if last == "close" else True


def refused(wire, verdict):
    status, _, close = verdict.partition(" ")
    got = wire.answer()
    equal(got.status, int(status))
    got.code()
    says_close = got.fields.get("connection") == "close"
    holds(says_close or not close, "the answer does not say that it closes")
    return wire.ended() if says_close else wire.usable()


def request(relay, verdict, message, piece):
    with Wire(relay) as wire:
        wire.send(with_key(message, relay.key), piece)
        if verdict in ("cut", "drop"):
            if verdict == "cut":
                wire.leave()
            holds(wire.ended(), "there is an answer, or no end")
            return
        if not verdict.startswith("accept"):
            holds(refused(wire, verdict), "the connection is not as it should be")
            return
        for part in verdict.split(", "):
            last = part.split()[2]
            holds(accepted(wire, last), "the answer does not say that it closes")
        holds(wire.ended() if last == "close" else wire.usable(), f"the connection is not as stated: {last}")


def response(relay, name, verdict, whole):
    with Wire(relay) as wire:
        got = wire.ask(said(name)).answer()
        if verdict.startswith("accept"):
            equal([got.status, got.body], [200, b"{}"])
            holds("set-cookie" not in got.fields and "location" not in got.fields, "a vendor's field was passed on")
        elif verdict == "until-close 9":
            # Complete as HTTP; as an answer it is no JSON.
            equal([got.status, got.code()], [502, "upstream_invalid"])
        else:
            equal(got.status, 502)
            equal(got.code(), "stream_interrupted" if verdict == "cut" else "upstream_invalid")
        if not whole:
            time.sleep(0.02)  # what the vendor sends behind its answer must have come
        # Were the vendor's connection used again, this would hang: the mock keeps it open and silent.
        equal(wire.ask(said("chat")).answer().status, 200)


def requests(tap, relay, rows):
    for name, side, verdict, message in rows:
        if side != "request":
            continue
        with tap.case(f"{name}: {verdict}"):
            small = 1 if len(message) < 1000 else 509
            for piece in (None, 7 if small == 1 else 4096, small):
                request(relay, verdict, message, piece)


def responses(tap, relay, rows):
    for name, side, verdict, _ in rows:
        if side != "response":
            continue
        with tap.case(f"{name}: {verdict}"):
            response(relay, name, verdict, True)
            response(relay, f"{name}.small", verdict, False)


def models(rows):
    """The mock keeps the connection open where the relay must be the one that closes."""
    found = {"chat": "mock-1"}
    for name, side, verdict, message in rows:
        if side == "response":
            keep = ",keep" if verdict in ("502 close", "accept 2 close") else ""
            found[name] = f"mock:raw={name}{keep}"
            found[f"{name}.small"] = f"mock:raw={name}{keep},chunk={7 if len(message) < 2000 else 1000},gap_ms=1"
    return found


def main():
    tap = Tap("HTTP vectors on the wire")
    rows = vectors()
    with harness.Relay(models=models(rows), relays=1, config=lambda value: value["hosts"].append("a"),
                       settings={"first_byte_ms": 3000}) as relay:
        for name, side, _, message in rows:
            if side == "response":
                (relay.dir / "raws" / name).write_bytes(message)
        requests(tap, relay, rows)
        relay_before = relay.pids()["lethe-relay"]
        responses(tap, relay, rows)
        with tap.case("all 208 were tried, and the relay is the one that began"):
            equal(len(rows), 208)
            equal(relay.pids()["lethe-relay"], relay_before)
        with tap.case("what was refused never reached a vendor"):
            # {} lacks a model: no vector of a caller is a request that may go anywhere.
            heads = [row["body"] for row in relay.vendor.received()]
            holds(all('"messages"' in body for body in heads), heads)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
