#!/usr/bin/env python3
# time limit: 90 s
"""What a second pair of eyes tried: words where no words belong, memory without bound, an abort at the wrong moment."""

import fcntl
import json
import os
import pathlib
import subprocess
import sys
import time

from wire import Cut, Wire, said

import harness
from tap import Tap, equal, eventually, holds

EMAIL = "ana.lopez@kontor-nord.de"
MIB = 1024 * 1024
# in relay/exchange.h an exchange may hold so much, and the process so much besides
CONNECTIONS, EXCHANGES, BODIES = 40, 20, 32 * MIB
BOUND = CONNECTIONS * 48 * 1024 + EXCHANGES * 96 * 1024 + BODIES * 13 // 10 + 16 * MIB

MODELS = {
    "chat": "mock-1",
    "hang": "mock:hang",
    "bad": "mock:status=500",
    "huge": "mock:huge=12000000",
    "many": "mock:events=5000,size=200",
    "silent": "mock:raw=silent",
}


def user(*parts):
    return {"model": "chat", "messages": [{"role": "user", "content": list(parts)}]}


def image(url):
    return user({"type": "image_url", "image_url": {"url": url}})


def tool(name):
    return [{"type": "function", "function": {"name": name, "parameters": {}}}]


# Places that hold a word or a file: whatever else stands in them is text.
WORDLESS = {
    "a data: URL of plain text": image(f"data:text/plain,write to {EMAIL}"),
    "a data: URL of nothing but text": image(f"data:{EMAIL}"),
    "a data: URL with a name in its type": image(f"data:text/plain;name={EMAIL};base64,QUJD"),
    "text behind ;base64,": image(f"data:text/plain;base64,write to {EMAIL}"),
    "text for a sound": user({"type": "input_audio", "input_audio": {"data": f"write to {EMAIL}", "format": "wav"}}),
    "the type of a part": user({"type": EMAIL, "text": "a"}),
    "a role": {"model": "chat", "messages": [{"role": EMAIL, "content": "x"}]},
    "a tool's name": said("chat", tools=tool(EMAIL)),
    "a tool call's id": {"model": "chat", "messages": [{"role": "tool", "tool_call_id": EMAIL, "content": "x"}]},
    "a response format": said("chat", response_format={"type": EMAIL}),
    "a key of an object": said("chat", metadata={EMAIL: "x"}),
    "a key with escapes": json.dumps(said("chat", metadata={EMAIL: "x"})).replace("@", "\\u0040").encode(),
}
FILES = {
    "an image": image("data:image/png;base64,iVBORw0KGgo="),
    "an image with its slashes escaped": json.dumps(image("data:image/png;base64,iVBO/w0K")).replace("/", "\\/").encode(),
    "a sound": user({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
}


def unread(tap, relay):
    with Wire(relay) as wire:
        for name, body in WORDLESS.items():
            with tap.case(f"{name} is scanned like text"):
                relay.vendor.mark()
                equal(wire.ask(body).answer().status, 200)
                got = relay.vendor.received()[-1]["body"]
                holds(EMAIL not in got and "EMAILx" in got, got)
        for name, body in FILES.items():
            with tap.case(f"{name} goes on as it is"):
                relay.vendor.mark()
                sent = body if isinstance(body, bytes) else json.dumps(body).encode()
                equal(wire.ask(sent).answer().status, 200)
                got = relay.vendor.received()[-1]["body"]
                equal(got.replace("mock-1", "chat"), sent.decode())


def resident(relay):
    pid = relay.pids()["lethe-relay"][0]
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def statuses(wires, seconds):
    """How many of them are answered; the others wait for their vendor."""
    seen = []
    until = time.monotonic() + seconds
    for wire in wires:
        wire.tls.settimeout(max(0.05, until - time.monotonic()))
        try:
            seen.append(wire.answer().status)
        except TimeoutError:
            seen.append(0)
        except Cut:
            seen.append(-1)
    return seen


def bounds(tap, relay):
    with tap.case("many small replacements are paid from the bound of bodies"):
        body = json.dumps(said("hang", "a@b.co " * 120000)).encode()
        wires = [Wire(relay).ask(body) for _ in range(14)]
        seen = statuses(wires, 4)
        most = resident(relay)
        for wire in wires:
            wire.tls.close()
        holds(seen.count(0) > 0 and seen.count(503) > 0, seen)
        if "san" not in harness.BIN.parts:
            holds(most <= BOUND, f"{most // MIB} MiB of {BOUND // MIB}")
    with tap.case("a vendor that streams no word is not heard without end before the first is passed on"):
        with Wire(relay) as wire:
            got = wire.ask(said("silent", stream=True)).answer()
            holds(len(got.events()) > 4000, len(got.events()))


def heads(tap, relay):
    with tap.case("heads that come in pieces are paid from the bound of bodies"):
        wires = [Wire(relay) for _ in range(16)]
        for wire in wires:
            wire.send(wire.head("POST", "/v1/chat/completions", "x-a: " + "a" * 9000)[:-2])
        seen = statuses(wires, 2)
        for wire in wires:
            wire.tls.close()
        holds(seen.count(0) >= 4 and seen.count(503) >= 4, seen)
    with tap.case("so are requests sent ahead of their turn"):
        wires = [Wire(relay).ask(said("hang")) for _ in range(16)]
        for wire in wires:
            wire.send(wire.head("GET", "/v1/models", "x-a: " + "a" * 15000) * 6)
        seen = statuses(wires, 2)
        for wire in wires:
            wire.tls.close()
        holds(seen.count(0) >= 2 and seen.count(-1) >= 2, seen)
    with tap.case("so is what callers have asked for and do not take"):
        wires = [Wire(relay, receive_bytes=4096).ask(said("many", stream=True)) for _ in range(8)]
        time.sleep(1.5)
        codes = []
        for wire in wires[:4]:
            try:
                codes.append(json.loads(wire.answer().events()[-1])["error"]["code"])
            except (Cut, KeyError, ValueError) as end:
                codes.append(repr(end)[:60])
        for wire in wires:
            wire.tls.close()
        holds("overloaded" in codes, codes)
    with tap.case("and when they are gone all of it is free again"), Wire(relay) as wire:
        equal(eventually(lambda: wire.ask(said("chat")).answer().status, 2), 200)


def attempts(tap, relay):
    with tap.case("who leaves while a whole answer is being read has the attempt counted all the same"):
        for i in range(12):
            relay.vendor.mark()
            wire = Wire(relay).ask(said("huge", f"I am {EMAIL}"))
            eventually(relay.vendor.ledger, 10)  # all of it is told
            time.sleep(0.005 * i)
            wire.tls.close()
        made = relay.vendor.sums()["exchanges"]
        relay.stop()
        totals = relay.export()[-1]["totals"]
        equal([totals["attempts"], totals["requests"]], [made, made])


# Every request of a caller reaches the vendor, once.
STUBBORN = {"attempts": 1, "breaker_calls": 10000}


class Unread(harness.Relay):
    """A relay whose log goes into a small pipe that nobody reads."""

    def start(self, wait=True):
        command = [harness.BIN / "lethed", "--config", self.config, "--state", self.state, "--key-file", self.key_file,
                   "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}", "--relays", "1"]
        self.unread, log = os.pipe()
        fcntl.fcntl(log, fcntl.F_SETPIPE_SZ, 4096)
        self.lethed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, stdin=subprocess.DEVNULL)
        os.close(log)
        self.log.write_text("")
        self.wait_ready()


def unread_log(tap):
    with tap.case("nobody reads the log: the relay goes on, reloads and ends"), Unread(models=MODELS, settings=STUBBORN) as relay:
        with Wire(relay, timeout=5) as wire:
            for _ in range(100):
                equal(wire.ask(said("bad")).answer().status, 502)
        relay.policy = {"policy": "pii/1", "no": 1}
        relay.write_config()
        equal(relay.reload()[0], 422)
        equal(Wire(relay, timeout=5).ask(said("chat")).answer().status, 200)
        equal(relay.stop(), 0)


def flood(tap, relay):
    with tap.case("what callers can bring about is said a few times a second, and how often it was left out"):
        before = relay.log.stat().st_size
        with Wire(relay) as wire:
            for _ in range(400):
                wire.ask(said("bad")).answer()
            time.sleep(1.1)
            wire.ask(said("bad")).answer()
        text = relay.log.read_text()[before:]
        seconds = text.count("LEFT_OUT")
        holds(seconds > 0 and text.count("UPSTREAM_FAILED") <= 21 + 20 * seconds, text[-400:])


def main():
    tap = Tap("attacks")
    chunk = b'data: {"choices":[{"index":0,"delta":{}}]}\n\n'
    silent = b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + chunk * 10000
    with harness.Relay(models=MODELS) as relay:
        unread(tap, relay)
    unread_log(tap)
    settings = {"connections": CONNECTIONS, "exchanges": EXCHANGES, "bodies_bytes": BODIES}
    with harness.Relay(models=MODELS, relays=1, settings=settings) as relay:
        (relay.dir / "raws" / "silent").write_bytes(silent)
        bounds(tap, relay)
    with harness.Relay(models=MODELS, relays=1, settings={"bodies_bytes": 256 * 1024}) as relay:
        heads(tap, relay)
    with harness.Relay(models=MODELS, relays=1, settings=STUBBORN) as relay:
        flood(tap, relay)
        attempts(tap, relay)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
