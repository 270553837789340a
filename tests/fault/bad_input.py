#!/usr/bin/env python3
# time limit: 120 s
"""What callers send that is wrong, or more than there is room for: each gets its answer, and no vendor hears of it."""

import contextlib
import json
import sys
import time

from wire import CHAT, Wire, said

import harness
from tap import Tap, equal, eventually, holds

EMBED = "/v1/embeddings"
BODY_BYTES = 64 * 1024
SECRET = "Tell nobody."


def chat(inner):
    """A request with these raw bytes in the place of a message's text."""
    return b'{"model":"chat","messages":[{"role":"user","content":"' + inner + b'"}]}'


GOOD = chat(b"Hello.")


def nested(levels):
    return GOOD[:-1] + b',"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


BODIES = [
    ("is empty JSON text", b" ", "invalid_json"),
    ("is cut in the middle", GOOD[:-3], "invalid_json"),
    ("ends in a stray comma", GOOD[:-1] + b",}", "invalid_json"),
    ("has bytes behind its end", GOOD + b"x", "invalid_json"),
    ("has a second document behind its end", GOOD + GOOD, "invalid_json"),
    ("has a NUL byte behind its end", GOOD + b"\0", "invalid_json"),
    ("begins with a byte order mark", b"\xef\xbb\xbf" + GOOD, "invalid_json"),
    ("is UTF-16", GOOD.decode().encode("utf-16-le"), "invalid_json"),
    ("holds a comment", b"/* */" + GOOD, "invalid_json"),
    ("holds a name without quotes", b"{model:1}", "invalid_json"),
    ("holds NaN", b'{"model":"chat","messages":[],"x":NaN}', "invalid_json"),
    ("holds a number with a leading zero", b'{"model":"chat","messages":[],"x":01}', "invalid_json"),
    ("holds a raw line end in a string", chat(b"a\nb"), "invalid_json"),
    ("holds an unknown escape", chat(b"\\x41"), "invalid_json"),
    ("holds an escaped NUL", chat(b"a\\u0000b"), "invalid_json"),
    ("holds a NUL byte in a string", chat(b"a\0b"), "invalid_json"),
    ("holds a high surrogate alone", chat(b"\\ud83d"), "invalid_json"),
    ("holds a low surrogate alone", chat(b"\\ude00"), "invalid_json"),
    ("holds two surrogates the wrong way round", chat(b"\\ude00\\ud83d"), "invalid_json"),
    ("holds a lone continuation byte", chat(b"\x80"), "invalid_utf8"),
    ("holds an overlong form", chat(b"\xc0\xaf"), "invalid_utf8"),
    ("holds an encoded surrogate", chat(b"\xed\xa0\xbd"), "invalid_utf8"),
    ("holds a code point above the last", chat(b"\xf4\x90\x80\x80"), "invalid_utf8"),
    ("holds a cut character", chat(b"\xf0\x9f\x98"), "invalid_utf8"),
    ("names a key twice", b'{"model":"chat","messages":[],"model":"other"}', "duplicate_key"),
    ("names a key twice, once escaped", b'{"model":"chat","messages":[],"mod\\u0065l":"other"}', "duplicate_key"),
    ("names a key twice, deep inside", b'{"model":"chat","messages":[{"role":"user","content":"a","content":"b"}]}',
     "duplicate_key"),
    ("is 65 levels deep", nested(65), "json_too_deep"),
    ("is 100000 levels deep", b"[" * 60000, "invalid_body"),
    ("is a list", b"[]", "invalid_body"),
    ("is a string", b'"hello"', "invalid_body"),
    ("has no model", b'{"messages":[]}', "invalid_body"),
    ("has no messages", b'{"model":"chat"}', "invalid_body"),
    ("has a number for its model", b'{"model":1,"messages":[]}', "invalid_body"),
    ("has a string for its messages", b'{"model":"chat","messages":"hello"}', "invalid_body"),
    ("has a word for stream", b'{"model":"chat","messages":[],"stream":"yes"}', "invalid_body"),
    ("has a list for stream_options", b'{"model":"chat","messages":[],"stream_options":[]}', "invalid_body"),
    ("holds a number of 80 digits", b'{"model":"chat","messages":[],"x":' + b"1" * 80 + b"}", "json_too_complex"),
    ("holds a key of 300 bytes", b'{"model":"chat","messages":[],"' + b"k" * 300 + b'":1}', "json_too_complex"),
    ("holds 2000 keys in an object",
     b'{"model":"chat","messages":[],"x":{' + b",".join(b'"%d":0' % n for n in range(2000)) + b"}}", "json_too_complex"),
]


def bodies(tap, relay):
    relay.vendor.mark()
    for name, body, code in BODIES:
        with tap.case(f"a body that {name} is 400 {code}, and the connection goes on"), Wire(relay) as wire:
            got = wire.ask(body).answer()
            equal([got.status, got.code()], [400, code])
            # Where it was sent as one piece or in crumbs is the same.
            equal(wire.ask(body, chunked=1 + len(body) // 50).answer().code(), code)
            holds(wire.usable(), "the connection is of no use any more")
    with tap.case("keys that differ in case alone are two readers' one key"), Wire(relay) as wire:
        got = wire.ask(b'{"model":"chat","messages":[],"Model":"other"}').answer()
        holds(got.status == 400, f"status {got.status}: a vendor that ignores case reads another model")
    with tap.case("nothing of all this reached the vendor"):
        equal(relay.vendor.received(), [])
    with tap.case("64 levels, and white space around it, are well"), Wire(relay) as wire:
        equal(wire.ask(nested(64)).answer().status, 200)
        equal(wire.ask(b" \r\n\t" + GOOD + b"\n ").answer().status, 200)


def keys(tap, relay):
    relay.vendor.mark()
    good = relay.key
    wrong = {
        "an unknown key": good[:-4] + ("aaaa" if not good.endswith("aaaa") else "bbbb"),
        "a known id with another secret": relay.keys["test"][:-10] + relay.keys["narrow"][-10:],
        "an expired key": relay.keys["expired"],
        "half a key": good[:20],
        "a key with a tail": good + "x",
        "a vendor's key": relay.vendor.key,
        "an empty key": "",
        "8000 letters": "k" * 8000,
    }
    for name, key in wrong.items():
        with tap.case(f"{name} is 401, and the connection goes on"), Wire(relay) as wire:
            got = wire.ask(said("chat"), key=key or " ").answer()
            equal([got.status, got.code(), got.fields["x-lethe-end"]], [401, "invalid_api_key", "LK"])
            equal(wire.ask(said("chat", SECRET), key=key or " ").answer().status, 401)
    with tap.case("no key, another scheme, a key in the address: 401"), Wire(relay) as wire:
        body = json.dumps(said("chat")).encode()
        for path, line in ((CHAT, "X-Nothing: 1"), (CHAT, f"Authorization: Basic {good}"), (CHAT, f"Authorization: {good}"),
                           (f"{CHAT}?key={good}", "X-Nothing: 1"), (f"{CHAT}?api_key={good}", "X-Nothing: 1")):
            wire.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{line}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            equal(wire.answer().status, 401)
    with tap.case("the other two places for a key do as well"), Wire(relay) as wire:
        for line in (f"x-api-key: {good}", f"X-Goog-Api-Key: {good}", f"authorization: bearer {good}"):
            wire.send(f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n".encode())
            equal(wire.answer().status, 200)
    with tap.case("two different keys in one request are refused"), Wire(relay) as wire:
        wire.send(wire.head("GET", "/v1/models", f"x-api-key: {relay.keys['narrow']}"))
        equal(wire.answer().status, 400)
    with tap.case("a refused caller's large body is not waited for"), Wire(relay) as wire:
        wire.send(wire.head("POST", CHAT, "Content-Length: 65000000", key="nobody"))
        got = wire.answer()
        holds(got.status in (401, 413), got.status)
        holds(wire.ended(), "the connection is kept open for it")
    with tap.case("a key without the right is 403, an unknown model 404, and neither names the model"), Wire(relay) as wire:
        got = wire.ask(said("chat"), key=relay.keys["narrow"]).answer()
        equal([got.status, got.code(), got.fields["x-lethe-end"]], [403, "model_not_allowed", "LK"])
        for name in ("no-such-model", "mock-1", "mock:status:500", "Chat", "chat ", ""):
            got = wire.ask(said(name)).answer()
            equal([got.status, got.code()], [404, "model_not_found"])
            holds(not name or name == "chat " or name.encode() not in got.body, got.body)
        wire.send(wire.head("GET", "/v1/models/chat", key=relay.keys["narrow"]))
        equal(wire.answer().status, 404)
    with tap.case("nothing of all this reached the vendor"):
        equal(relay.vendor.received(), [])


def sizes(tap, relay):
    large = chat(b"x" * BODY_BYTES)
    exact = chat(b"x" * (BODY_BYTES - len(chat(b""))))
    relay.vendor.mark()
    with tap.case("a body too large is 413 by its Content-Length, before it is sent"), Wire(relay) as wire:
        wire.send(wire.head("POST", CHAT, f"Content-Length: {len(large)}"))
        got = wire.answer()
        equal([got.status, got.code(), got.fields.get("connection")], [413, "request_too_large", "close"])
    with tap.case("and in chunks, as soon as it is too much"), Wire(relay) as wire:
        wire.send(wire.head("POST", CHAT, "Transfer-Encoding: chunked") + b"%x\r\n" % len(large) + large)
        equal(wire.answer().code(), "request_too_large")
    with tap.case("and in many small chunks, without a length"), Wire(relay) as wire:
        equal(wire.ask(large, chunked=1000).answer().code(), "request_too_large")
    with tap.case("and with Expect: no 100 Continue is sent for it"), Wire(relay) as wire:
        wire.send(wire.head("POST", CHAT, f"Content-Length: {len(large)}", "Expect: 100-continue"))
        got = wire.answer()
        equal([got.status, got.interim], [413, []])
    with tap.case("nothing of them reached the vendor"):
        equal(relay.vendor.received(), [])
    with tap.case("the largest body that may be is answered, whole and in chunks"), Wire(relay) as wire:
        for chunked in (None, 4096):
            equal(wire.ask(exact, chunked=chunked).answer().status, 200)


def policy(tap, relay):
    dashes = "-" * 5
    pem = f"{dashes}BEGIN PRIVATE KEY{dashes}\n" + ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 12) + f"\n{dashes}END PRIVATE KEY{dashes}"
    relay.vendor.mark()
    with tap.case("what policy blocks is 422 pii_blocked with its name and never the text"), Wire(relay) as wire:
        got = wire.ask(said("chat", f"My key: {pem}")).answer()
        equal([got.status, got.code(), got.fields["x-lethe-end"]], [422, "pii_blocked", "LP"])
        holds("PRIVATE_KEY" in got.json()["error"]["message"], got.body)
        holds(b"MIIEv" not in got.body and b"My key" not in got.body, got.body)
        holds(wire.usable(), "the connection is of no use any more")
    with tap.case("so is one in any other string of the body"), Wire(relay) as wire:
        for more in ({"user": pem}, {"metadata": {"a": [pem]}}, {"tools": [{"type": "function", "function": {"name": "f",
                     "description": pem}}]}, {"stop": [pem]}, {"stream": True, "unheard_of": {"b": pem}}):
            equal(wire.ask(said("chat", **more)).answer().code(), "pii_blocked")
        equal(wire.ask({"model": "chat", "input": ["a", pem]}, EMBED).answer().code(), "pii_blocked")
    with tap.case("token ids cannot be examined, so they may not pass"), Wire(relay) as wire:
        for ids in (7, [1, 2, 3], [[1, 2], [3]], ["words", 5]):
            got = wire.ask({"model": "embed", "input": ids}, EMBED).answer()
            equal([got.status, got.code()], [422, "policy_limit"])
    with tap.case("nothing of all this reached the vendor"):
        equal(relay.vendor.received(), [])


def connection(tap, relay):
    with tap.case("pipelined requests are answered in order"), Wire(relay) as wire:
        for model, words in (("late", "one"), ("chat", "two"), ("no-such-model", "three"), ("late", "four"), ("chat", "five")):
            wire.ask(said(model, words))
        wire.send(wire.head("GET", "/v1/models"))
        got = [wire.answer() for _ in range(6)]
        equal([row.status for row in got], [200, 200, 404, 200, 200, 200])
        for row, word in zip(got, ("one", "two", None, "four", "five")):
            holds(word is None or word in row.json()["choices"][0]["message"]["content"], row.body)
        holds(wire.usable(), "the connection is of no use any more")
    with tap.case("a pipelined request behind a stream waits for its end"), Wire(relay) as wire:
        wire.ask(said("chat", "flowing", stream=True)).ask(said("chat", "second"))
        equal(wire.answer().events()[-1], "[DONE]")
        holds("second" in wire.answer().json()["choices"][0]["message"]["content"], "not its answer")
    with tap.case("a caller may pipeline far more than is held back, and gets every answer"), Wire(relay) as wire:
        one = wire.head("GET", "/v1/models")
        wire.send(json_request(wire, "late") + one * 3000)
        equal({wire.answer().status for _ in range(3001)}, {200})
    with tap.case("what is pipelined behind Connection: close is not read"), Wire(relay) as wire:
        relay.vendor.mark()
        wire.ask(said("chat", "last"), CHAT, "Connection: close").ask(said("chat", "never"))
        equal(wire.answer().fields["connection"], "close")
        holds(wire.ended(), "it goes on")
        equal(len(relay.vendor.received()), 1)
    with tap.case("Expect: 100-continue is answered before the body, and the answer follows it"), Wire(relay) as wire:
        body = json.dumps(said("chat")).encode()
        for framing in (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"):
            wire.send(wire.head("POST", CHAT, framing, "Expect: 100-continue"))
            equal(wire.until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue")
            wire.send(body if framing[0] == "C" else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            got = wire.answer()
            equal([got.status, got.interim], [200, []])
    with tap.case("a caller who does not wait for the 100 is answered too"), Wire(relay) as wire:
        equal(wire.ask(said("chat"), CHAT, "Expect: 100-continue").answer().status, 200)
    with tap.case("with Expect a key that is not known is refused before the body"), Wire(relay) as wire:
        wire.send(wire.head("POST", CHAT, "Content-Length: 5000", "Expect: 100-continue", key="nobody"))
        got = wire.answer()
        equal([got.status, got.interim, got.fields["connection"]], [401, [], "close"])
    with tap.case("one connection carries many requests, whole and in chunks of one byte"), Wire(relay) as wire:
        for chunked in (None, 1, 3, None, 1000) * 4:
            equal(wire.ask(said("chat"), chunked=chunked).answer().status, 200)


def json_request(wire, model):
    body = json.dumps(said(model)).encode()
    return wire.head("POST", CHAT, f"Content-Length: {len(body)}") + body


@contextlib.contextmanager
def running(relay, model, count, key=None, words="Hello."):
    """So many exchanges that the vendor is slow to answer; at the end all of them must be whole."""
    relay.vendor.mark()
    wires = [Wire(relay).ask(said(model, words), key=key) for _ in range(count)]
    eventually(lambda: len(relay.vendor.received()) == count)
    yield
    equal([wire.answer().status for wire in wires], [200] * count)
    for wire in wires:
        wire.tls.close()


def retry_after(answer):
    holds(1 <= int(answer.fields["retry-after"]) <= 10, answer.fields)


def admission(tap):
    models = {"chat": "mock:huge=10", "slow": "mock:delay_ms=700,huge=10"}
    settings = {"key_exchanges": 2, "exchanges": 4, "bodies_bytes": 65536, "queue_ms": 0}
    keys = {name: {"project": name} for name in "abc"}
    with harness.Relay(models=models, keys=keys, settings=settings, relays=1) as relay:
        a, b, c = (relay.keys[name] for name in "abc")
        with tap.case("a key with too many exchanges running is 429 with Retry-After; others are served"):
            with running(relay, "slow", 2, a), Wire(relay) as wire:
                got = wire.ask(said("chat"), key=a).answer()
                equal([got.status, got.code(), got.fields["x-lethe-end"]], [429, "too_many_concurrent", "LQ"])
                retry_after(got)
                equal(wire.ask(said("chat"), key=b).answer().status, 200)
            with Wire(relay) as wire:
                equal(wire.ask(said("chat"), key=a).answer().status, 200)
        with tap.case("more exchanges than the process may have are 503 with Retry-After"):
            with running(relay, "slow", 2, a), running_more(relay, 2, b), Wire(relay) as wire:
                got = wire.ask(said("chat"), key=c).answer()
                equal([got.status, got.code(), got.fields["x-lethe-end"]], [503, "overloaded", "LO"])
                retry_after(got)
                holds("connection" not in got.fields, "a new connection would cost more than this one")
            with Wire(relay) as wire:
                equal(wire.ask(said("chat"), key=c).answer().status, 200)
        with tap.case("more bytes of bodies than the process may hold are 503 with Retry-After"):
            with running(relay, "slow", 1, a, "x" * 40000):
                for chunked in (None, 5000):
                    with Wire(relay) as wire:
                        got = wire.ask(said("chat", "x" * 40000), key=b, chunked=chunked).answer()
                        equal([got.status, got.code()], [503, "overloaded"])
                        retry_after(got)
                with Wire(relay) as wire:
                    equal(wire.ask(said("chat", "x" * 10000), key=b).answer().status, 200)
            with Wire(relay) as wire:
                equal(wire.ask(said("chat", "x" * 40000), key=b).answer().status, 200)
        with tap.case("callers who leave give their places back"):
            for _ in range(3):
                wires = [Wire(relay).ask(said("slow"), key=a) for _ in range(2)]
                time.sleep(0.1)
                for wire in wires:
                    wire.tls.close()
                time.sleep(0.1)
            with Wire(relay) as wire:
                equal(wire.ask(said("chat"), key=a).answer().status, 200)


@contextlib.contextmanager
def running_more(relay, count, key):
    wires = [Wire(relay).ask(said("slow"), key=key) for _ in range(count)]
    eventually(lambda: len(relay.vendor.received()) == 2 + count)
    yield
    equal([wire.answer().status for wire in wires], [200] * count)


def expire(value):
    for entry, name in zip(value["keys"], KEYS):
        if name == "expired":
            entry["expires"] = "2024-01-01T00:00:00Z"


KEYS = {"test": {"project": "test"}, "narrow": {"project": "test", "models": "embed"}, "expired": {"project": "test"}}


def main():
    tap = Tap("bad input")
    models = {"chat": "mock-1", "embed": "mock-embed", "late": "mock:delay_ms=150"}
    with harness.Relay(models=models, keys=KEYS, settings={"body_bytes": BODY_BYTES}, config=expire) as relay:
        before = relay.pids()["lethe-relay"]
        for part in (bodies, keys, sizes, policy, connection):
            part(tap, relay)
        with tap.case("the relays are those that began"):
            equal(relay.pids()["lethe-relay"], before)
        log = relay.log.read_text()
        with tap.case("the log holds nothing of it"):
            holds(SECRET not in log and "MIIEv" not in log and relay.key not in log, log)
    admission(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
