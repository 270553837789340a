#!/usr/bin/env python3
# time limit: 120 s
"""A silent peer for every timer of src/route/setting.def, and one that is slow: who stops whom, and how much is held."""

import contextlib
import json
import pathlib
import socket
import sys
import time

from wire import CHAT, Cut, Wire, said

import harness
from tap import Tap, equal, eventually, holds

# Different numbers, so that a timer that takes another's place is seen.
SETTINGS = {"handshake_ms": 400, "head_ms": 700, "body_ms": 1000, "connect_ms": 500, "first_byte_ms": 900, "gap_ms": 600,
            "write_stall_ms": 800, "idle_ms": 1200, "stream_ms": 3000, "attempts": 1}
PATIENCE_S = 36
EARLY_S, LATE_S = 0.05, 0.9

MODELS = {
    "chat": "mock-1",
    "hang": "mock:hang",
    "silent_body": "mock:first_byte_ms=9000",
    "stall": "mock:stall_after=3",
    "stall_plain": "mock:raw=half,keep",
    "slow_enough": "mock:events=5,gap_ms=250",
    "late_enough": "mock:delay_ms=700",
    "endless": "mock:events=1000,gap_ms=100",
    "endless_plain": "mock:raw=drip,chunk=1,gap_ms=100",
    "flood": "mock:events=40000,size=500",
    "large": "mock:huge=30000000",
}


@contextlib.contextmanager
def lasts(milliseconds, late=LATE_S):
    began = time.monotonic()
    yield
    took, want = time.monotonic() - began, milliseconds / 1000
    holds(want - EARLY_S <= took <= want + late, f"took {took:.2f} s, want {want:.2f}")


def drip(wire, data, every=0.1):
    """A byte now and then: what is silent for less than any timer is late all the same."""
    wire.tls.settimeout(every)
    for byte in data:
        wire.send(bytes([byte]))
        try:
            got = wire.tls.recv(4096)
        except TimeoutError:
            continue
        wire.held += got
        break
    wire.tls.settimeout(10)


def handshake(tap, relay):
    with tap.case("a caller who says nothing of TLS is cut after handshake_ms"), lasts(SETTINGS["handshake_ms"]):
        with socket.create_connection(("127.0.0.1", relay.port), 5) as s:
            equal(s.recv(10), b"")
    with tap.case("and one who says it byte by byte too"), lasts(SETTINGS["handshake_ms"]):
        with socket.create_connection(("127.0.0.1", relay.port), 5) as s:
            s.settimeout(0.1)
            for byte in b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + bytes(50):
                with contextlib.suppress(OSError):
                    s.sendall(bytes([byte]))
                try:
                    if not s.recv(10):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break


def caller(tap, relay):
    handshake(tap, relay)
    with tap.case("a connection without a request ends after head_ms, without an answer"), Wire(relay) as wire:
        with lasts(SETTINGS["head_ms"]):
            holds(wire.ended(5), "it stays")
    with tap.case("half a head is 408 after head_ms"), Wire(relay) as wire, lasts(SETTINGS["head_ms"]):
        wire.send(wire.head("POST", CHAT)[:60])
        got = wire.answer()
        equal([got.status, got.code(), wire.ended()], [408, "request_timeout", True])
    with tap.case("and so is one that comes byte by byte"), Wire(relay) as wire, lasts(SETTINGS["head_ms"]):
        drip(wire, wire.head("POST", CHAT))
        equal(wire.answer().status, 408)
    for framing in ("Content-Length: 500", "Transfer-Encoding: chunked"):
        with tap.case(f"a body that does not come is 408 after body_ms ({framing})"), Wire(relay) as wire:
            with lasts(SETTINGS["body_ms"]):
                wire.send(wire.head("POST", CHAT, framing))
                drip(wire, b"1\r\n{\r\n1\r\n \r\n1\r\n \r\n1\r\n \r\n1\r\n")
                got = wire.answer()
                equal([got.status, wire.ended()], [408, True])
    with tap.case("keep-alive ends after idle_ms, without an answer"), Wire(relay) as wire:
        equal(wire.ask(said("chat")).answer().status, 200)
        with lasts(SETTINGS["idle_ms"]):
            holds(wire.ended(5), "it stays")
    with tap.case("idling begins anew with every answer"), Wire(relay) as wire:
        for _ in range(3):
            equal(wire.ask(said("chat")).answer().status, 200)
            time.sleep(SETTINGS["idle_ms"] / 2000)
        equal(wire.ask(said("chat")).answer().status, 200)


def vendor(tap, relay):
    for name in ("mute", "nameless"):
        with tap.case(f"a vendor that is {name} is 504 after connect_ms"), Wire(relay) as wire, lasts(SETTINGS["connect_ms"]):
            equal(wire.ask(said(name)).answer().code(), "upstream_timeout")
    for stream in (False, True):
        with tap.case(f"a vendor without an answer is 504 after first_byte_ms (stream: {stream})"), Wire(relay) as wire:
            with lasts(SETTINGS["first_byte_ms"]):
                got = wire.ask(said("hang", stream=stream)).answer()
                equal([got.status, got.code(), got.fields["x-lethe-end"]], [504, "upstream_timeout", "VT"])
            holds(wire.usable(), "the connection is of no use any more")
    with tap.case("one that is slower than any other timer, but not than this, is waited for"), Wire(relay) as wire:
        equal(wire.ask(said("late_enough")).answer().status, 200)
    with tap.case("silence behind the head of a stream is 504 after gap_ms"), Wire(relay) as wire, lasts(SETTINGS["gap_ms"]):
        equal(wire.ask(said("silent_body", stream=True)).answer().code(), "upstream_timeout")
    with tap.case("silence inside a stream ends it with an error event after gap_ms"), Wire(relay) as wire:
        with lasts(SETTINGS["gap_ms"]):
            got = wire.ask(said("stall", "one two three", stream=True)).answer()
        holds("error" in json.loads(got.events()[-1]), got.body)
        equal([got.trailers["x-lethe-end"], wire.ended()], ["VT", True])
    with tap.case("silence inside a plain answer is 504 after gap_ms"), Wire(relay) as wire, lasts(SETTINGS["gap_ms"]):
        equal(wire.ask(said("stall_plain")).answer().code(), "upstream_timeout")
    with tap.case("gaps that are shorter may follow one another"), Wire(relay) as wire:
        equal(wire.ask(said("slow_enough", stream=True)).answer().events()[-1], "[DONE]")


def total(tap, relay):
    with tap.case("a stream longer than stream_ms ends with an error event"), Wire(relay) as wire:
        with lasts(SETTINGS["stream_ms"]):
            got = wire.ask(said("endless", stream=True)).answer()
        equal(json.loads(got.events()[-1])["error"]["code"], "upstream_timeout")
        equal(got.trailers["x-lethe-end"], "VT")
        eventually(lambda: relay.vendor.ledger()[-1]["cut_by"] == "peer")
    with tap.case("a plain answer that takes longer is 504"), Wire(relay) as wire, lasts(SETTINGS["stream_ms"]):
        equal(wire.ask(said("endless_plain")).answer().code(), "upstream_timeout")
    with tap.case("a whole answer that its caller takes too slowly is cut, with nothing put into it"):
        with Wire(relay, receive_bytes=4096) as wire:
            wire.ask(said("large"))
            with lasts(SETTINGS["stream_ms"], 1.0):
                body, whole = slowly(wire, 4096, 0.02)
            holds(not whole and b"HTTP/1.1 504" not in body, f"{len(body)} bytes, to the end: {whole}")


def slowly(wire, size, every):
    """What a slow caller gets behind the head, and whether that is all that was announced."""
    length = int(wire.until(b"\r\n\r\n").lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body, wire.held = wire.held, b""
    while len(body) < length:
        try:
            got = wire.tls.recv(size)
        except OSError:
            break
        if not got:
            break
        body += got
        time.sleep(every)
    return body, len(body) >= length


def stalled(tap, relay):
    for name, stream in (("flood", True), ("large", False)):
        with tap.case(f"a caller who takes nothing is cut after write_stall_ms, and the vendor stopped ({name})"):
            with Wire(relay, receive_bytes=4096) as wire:
                relay.vendor.mark()
                wire.ask(said(name, stream=stream))
                wire.tls.recv(1)
                began = time.monotonic()
                time.sleep(0.3)
                # Its end is that of the exchange: the key's place is free, the counter says whose doing it was.
                with contextlib.suppress(Cut):
                    time.sleep(3 * SETTINGS["write_stall_ms"] / 1000)
                    while time.monotonic() - began < 10:
                        wire.more()
                    raise AssertionError("it goes on")
                if stream:
                    row = eventually(lambda: relay.vendor.ledger())[-1]
                    equal([row["cut"], row["cut_by"]], [True, "peer"])


def pss(relay):
    """KiB of all relay processes."""
    sums = 0
    for pid in relay.pids()["lethe-relay"]:
        rows = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        sums += next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return sums


def backpressure(tap):
    """A slow caller is no silent vendor, and what it does not take is not held here."""
    models = {"chat": "mock-1", "flood": "mock:events=60000,size=500"}
    with harness.Relay(models=models, settings={"gap_ms": 500, "write_stall_ms": 3000}, relays=1) as relay:
        with tap.case("a caller who pauses for longer than gap_ms still gets the whole stream"):
            with Wire(relay) as wire:
                equal(wire.ask(said("chat")).answer().status, 200)
            idle, wires = pss(relay), [Wire(relay, receive_bytes=65536) for _ in range(4)]
            for wire in wires:
                wire.ask(said("flood", stream=True))
            time.sleep(1.5)
            held = pss(relay) - idle
            got = wires[0].answer()
            equal([got.events()[-1], got.trailers["x-lethe-end"]], ["[DONE]", "--"])
            holds(len(got.body) > 60000 * 500, f"{len(got.body)} bytes")
        with tap.case("four such callers of 30 MB each cost less than 8 MiB together"):
            sanitized = idle > 20 * 1024  # freed memory is kept there for a while
            holds(held < (32 if sanitized else 8) * 1024, f"{held} KiB")
        with tap.case("their vendor was stopped: it has not sent a stream to its end"):
            rows = relay.vendor.ledger()
            equal([row["kind"] for row in rows if row["complete"] and row["kind"] == "stream"], ["stream"])
        with tap.case("others are served meanwhile"), Wire(relay) as wire, lasts(0):
            equal(wire.ask(said("chat")).answer().status, 200)
        for wire in wires:
            wire.tls.close()


# A role and then silence: the caller gets a head and comments after ping_ms, the next target after gap_ms.
HELD = {
    "held_well": "mock-1",
    "held_refused": "mock:status=400,code=invalid_value",
    "held_overloaded": "mock:raw=big",
}


@contextlib.contextmanager
def patience(tap):
    """What takes longer than all other cases together, beside them: a caller who takes nothing for less than
    write_stall_ms, and streams whose head goes out before their answer is known."""
    models = {name: {"targets": [("mock", "mock:stall_after=1"), ("mock", model)], "first_token_ms": 0}
              for name, model in HELD.items()}
    models["flood"] = "mock:events=20000,size=500"
    settings = {"write_stall_ms": 60000, "gap_ms": 16500, "bodies_bytes": 1 << 20}
    with contextlib.ExitStack() as stack:
        relay = stack.enter_context(harness.Relay(models=models, settings=settings, relays=1))
        (relay.dir / "raws/big").write_bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1500000\r\n\r\n"
                                             + b" " * 1500000)
        wires = {name: stack.enter_context(Wire(relay, receive_bytes=65536)) for name in models}
        for name, wire in wires.items():
            wire.ask(said(name, "Hello.", stream=True))
        began = time.monotonic()
        yield
        with tap.case("write_stall_ms alone judges a caller who takes nothing: the kernel does not before"):
            time.sleep(max(0, PATIENCE_S - (time.monotonic() - began)))
            equal(wires["flood"].answer().events()[-1], "[DONE]")
        held(tap, wires)


def held(tap, wires):
    with tap.case("a head and comments commit to nothing: the second target's stream follows them"):
        got = wires["held_well"].answer()
        holds(got.body.startswith(b": ping\n\n") and b'"Y' in got.body, got.body)
        equal([got.status, got.events()[-1], got.trailers["x-lethe-end"]], [200, "[DONE]", "--"])
    for name, code in (("held_refused", "upstream_refused"), ("held_overloaded", "overloaded")):
        with tap.case(f"behind such a head an error can only be an event ({name})"):
            got = wires[name].answer()
            holds(got.body.startswith(b": ping\n\n") and b"HTTP/1.1" not in got.body, got.body)
            equal([json.loads(row)["error"]["code"] for row in got.events()], [code])
            holds(wires[name].ended(), "the connection is kept")


def main():
    tap = Tap("timers")
    mute, silent_dns = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mute.bind(("127.0.0.1", 0))
    mute.listen(8)
    silent_dns.bind(("127.0.0.1", 0))

    def config(value):
        first = value["upstreams"][0]
        value["upstreams"] += [
            first | {"name": "mute", "base_url": f"https://mock.vendor.test:{mute.getsockname()[1]}/v1"},
            {key: value for key, value in first.items() if key != "addresses"} | {"name": "nameless"},
        ]
        value["models"] += [{"name": name, "targets": [{"upstream": name, "model": "mock-1"}]} for name in ("mute", "nameless")]
        value["dns"] = [f"127.0.0.1:{silent_dns.getsockname()[1]}"]

    with patience(tap):
        with harness.Relay(models=MODELS, settings=SETTINGS, config=config) as relay:
            (relay.dir / "raws/half").write_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"choices\":")
            (relay.dir / "raws/drip").write_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 900)
            before = relay.pids()["lethe-relay"]
            for part in (caller, vendor, total, stalled):
                part(tap, relay)
            with tap.case("the relays are those that began"):
                equal(relay.pids()["lethe-relay"], before)
        backpressure(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
