#!/usr/bin/env python3
# time limit: 120 s
"""What goes wrong at the vendor: whose words the caller hears, where the next attempt goes, and when there is none."""

import concurrent.futures
import hashlib
import json
import subprocess
import sys
import time

from dns_double import Dns
from wire import CHAT, Wire, said

import harness
from tap import Tap, equal, eventually, holds

EMAIL = "ana.lopez@kontor-nord.de"


def apart(value, together=()):
    """Gives every target of every alias an upstream and a vendor of its own: what one fault does to a key or an upstream no
    other case feels."""
    known = {row["name"]: row for row in value["upstreams"]}
    for model in value["models"]:
        if model["name"] in together:
            continue
        for number, target in enumerate(model["targets"]):
            name = f"{model['name']}.{number}"
            value["upstreams"].append(known[target["upstream"]] | {"name": name, "vendor": name})
            target["upstream"] = name


MODELS = {
    "chat": "mock-1",
    "embed": "mock-embed",
    "quoting": "mock:status=400,code=invalid_value,echo_prompt",
    "too_long": "mock:status=400,code=context_length_exceeded",
    "filtered": "mock:status=400,code=content_filter",
    "too_large": "mock:status=413",
    "leaking": "mock:status=400,code=invalid_value,echo_key",
    "gone": "mock:status=404,code=model_not_found",
    "auth": "mock:status=401,echo_key,echo_prompt",
    "forbidden": "mock:status=403,echo_key,echo_prompt",
    "billing": "mock:status=429,code=insufficient_quota,echo_key,echo_prompt",
    "unpaid": "mock:status=402,echo_key,echo_prompt",
    "rate": "mock:status=429,retry_after=9,echo_key,echo_prompt",
    "server": "mock:status=500,echo_key,echo_prompt",
    "busy": "mock:status=503,retry_after=5,echo_key,echo_prompt",
    "teapot": "mock:raw=teapot",
    "odd_error": "mock:raw=odd_error",
    "deep_error": "mock:raw=deep_error",
    "not_json": "mock:raw=not_json",
    "stream_as_json": "mock:raw=plain",
    "drop": "mock:drop",
    "reset": "mock:drop,reset",
}

# alias, status, code in our own words, attempts: what may pass by itself is tried once more, a key's own fault is not
OWN_WORDS = [
    ("auth", 502, "upstream_auth", "1"),
    ("forbidden", 502, "upstream_auth", "1"),
    ("billing", 503, "upstream_quota", "1"),
    ("unpaid", 503, "upstream_quota", "1"),
    ("rate", 429, "rate_limit_exceeded", "1"),
    ("server", 502, "upstream_error", "2"),
    ("busy", 503, "upstream_overloaded", "2"),
    ("drop", 502, "stream_interrupted", "2"),
    ("reset", 502, "stream_interrupted", "2"),
]
PASSED_ON = [
    ("too_long", 400, "context_length_exceeded"),
    ("filtered", 400, "content_filter"),
    ("gone", 404, "model_not_found"),
    ("too_large", 413, "mock_fault"),
]


def raw(status, body, kind="application/json"):
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


RAWS = {
    "teapot": raw(418, b'{"error":{"message":"short and stout","type":"tea","param":"pot","code":418}}'),
    "odd_error": raw(400, b"<html>no JSON at all</html>", "text/html"),
    "deep_error": raw(400, b'{"error":' * 80 + b"1" + b"}" * 80),
    "not_json": raw(200, b'{"choices":[}'),
    "plain": raw(200, b'{"choices":[]}'),
}


def words(tap, relay):
    for stream in (False, True):
        how = "stream" if stream else "plain"
        with Wire(relay) as wire:
            for name, status, code, attempts in OWN_WORDS:
                with tap.case(f"{how}: {name} is {status} {code} in our own words, its key and the prompt untold"):
                    got = wire.ask(said(name, f"I am {EMAIL}", stream=stream)).answer()
                    equal([got.status, got.code()], [status, code])
                    for secret in (relay.vendor.key.encode(), b"model name asked", b"ana.lopez", b"[EMAIL"):
                        holds(secret not in got.body, got.body)
                    # The key is still parked, or set aside, when it is asked for a stream: then nobody is asked.
                    asked = not stream or name not in ("rate", "billing", "unpaid")
                    again = None if name == "rate" or not asked else "false"
                    equal([got.fields.get("x-should-retry"), got.fields["x-lethe-attempts"]],
                          [again, attempts if asked else "0"])
            for name, status, code in PASSED_ON:
                with tap.case(f"{how}: {name} keeps the vendor's message and code"):
                    got = wire.ask(said(name, stream=stream)).answer()
                    equal([got.status, got.code()], [status, code])
                    equal(got.json()["error"]["message"], "The model name asked for this error.")
            holds(wire.usable(), "the connection is of no use any more")
    with tap.case("Retry-After of the vendor is passed on; of a parked key it is what is left"), Wire(relay) as wire:
        holds(7 <= int(wire.ask(said("rate")).answer().fields["retry-after"]) <= 10, "not 9")
        equal(wire.ask(said("busy")).answer().fields["retry-after"], "5")


def messages(tap, relay):
    with tap.case("a passed message has its placeholders put back"), Wire(relay) as wire:
        got = wire.ask(said("quoting", f"I am {EMAIL}")).answer()
        holds(EMAIL in got.json()["error"]["message"], got.body)
        holds(EMAIL not in relay.vendor.received()[-1]["body"], "it was sent as it is")
    with tap.case("it has no key in it, the vendor's or another"), Wire(relay) as wire:
        got = wire.ask(said("leaking")).answer()
        holds(relay.vendor.key.encode() not in got.body and b"Key: " in got.body, got.body)
        other = "sk-" + "proj-" + "Ab1" * 16
        got = wire.ask(said("quoting", f"say {other}")).answer()
        holds(b"prompt" in got.body.lower(), got.body)
    with tap.case("it is at most 4 KiB, cut between characters"), Wire(relay) as wire:
        got = wire.ask(said("quoting", "ü" * 20000)).answer()
        size = len(got.json()["error"]["message"].encode())
        holds(4090 <= size <= 4096, size)
    with tap.case("param and a code that is a number are passed on too"), Wire(relay) as wire:
        got = wire.ask(said("teapot")).answer()
        error = got.json()["error"]
        equal([got.status, error["message"], error["param"], error["code"]], [418, "short and stout", "pot", "418"])
    with tap.case("an error that is no JSON, or too deep, is told in our words"), Wire(relay) as wire:
        for name in ("odd_error", "deep_error"):
            got = wire.ask(said(name)).answer()
            equal([got.status, got.code()], [400, "upstream_refused"])
            holds(b"html" not in got.body, got.body)
    with tap.case("an answer that is no JSON, and no stream where one was asked for, are 502"), Wire(relay) as wire:
        equal(wire.ask(said("not_json")).answer().code(), "upstream_invalid")
        equal(wire.ask(said("stream_as_json", stream=True)).answer().code(), "upstream_invalid")


def spki(certificate):
    """SHA-256 of a certificate's public key, as a pin says it."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.stdout, check=True,
                         capture_output=True)
    return hashlib.sha256(der.stdout).hexdigest()


def reach(tap):
    """Ways to a vendor that must not be gone, or cannot."""
    closed, dns = harness.free_port(), Dns()

    def config(value):
        first = value["upstreams"][0]
        port = first["base_url"].rsplit(":", 1)[1]
        plain = {key: first[key] for key in ("vendor", "addresses", "local")}
        secure = plain | {"ca": "vendor.pem", "base_url": f"https://mock.vendor.test:{port}"}
        value["upstreams"] += [
            secure | {"name": "other_ca", "ca": "other.pem"},
            secure | {"name": "other_name", "base_url": f"https://elsewhere.test:{port}"},
            secure | {"name": "other_pin", "pins": ["00" * 32]},
            secure | {"name": "right_pin", "pins": ["00" * 32, pin], "base_url": first["base_url"],
                      "credential": "mock"},
            secure | {"name": "closed", "base_url": f"https://mock.vendor.test:{closed}/v1"},
            secure | {"name": "plaintext", "base_url": f"https://mock.vendor.test:{plain_port}/v1"},
            secure | {"name": "undeclared", "base_url": first["base_url"], "local": []},
            secure | {"name": "declared", "base_url": first["base_url"], "credential": "mock"},
            secure | {"name": "other_host", "credential": "bound", "base_url": first["base_url"]},
            secure | {"name": "no_secret", "credential": "absent", "base_url": first["base_url"]},
        ]
        for row in value["upstreams"][-4:-2]:
            del row["addresses"]
        value["dns"] = [dns.place]
        value["models"] += [{"name": row["name"], "targets": [{"upstream": row["name"], "model": "mock-1"}]}
                            for row in value["upstreams"][1:]]

    with harness.Relay(models={"chat": "mock-1"}, start=False, settings={"connect_ms": 600}) as relay:
        pin = spki(relay.certs / "vendor.crt")
        relay.ctl_state("vault", "put", "bound", "--host", "api.example.org", "--stdin", secret="sk-bound-elsewhere")
        (relay.config / "ca/other.pem").write_bytes((relay.certs / "client-ca.crt").read_bytes())
        other = harness.Vendor(relay.dir, "plain", relay.certs, "sk-plain", plain=True)
        relay.vendors["plain"], plain_port = other, other.port
        plain = relay.vendors.pop("plain")
        relay.change = config
        relay.write_config()
        relay.start()
        try:
            reach_cases(tap, relay, plain, dns)
        finally:
            dns.close()
            plain.stop()


def reach_cases(tap, relay, plain, dns):
    expected = {"other_ca": "upstream_certificate", "other_name": "upstream_certificate",
                "other_pin": "upstream_certificate", "closed": "upstream_unreachable",
                "undeclared": "upstream_unreachable",
                "other_host": "upstream_auth", "no_secret": "upstream_auth"}
    for name, code in expected.items():
        with tap.case(f"a vendor with {name.replace('_', ' ')} is 502 {code}, and gets no byte"), Wire(relay, 20) as wire:
            relay.vendor.mark()
            got = wire.ask(said(name)).answer()
            equal([got.status, got.code()], [502, code])
            equal([relay.vendor.received(), plain.received()], [[], []])
    with tap.case("a vendor that speaks no TLS is 504 upstream_timeout, and gets no byte of the request"), Wire(relay) as wire:
        equal(wire.ask(said("plaintext")).answer().code(), "upstream_timeout")
        equal(plain.received(), [])
    with tap.case("an address that DNS says is filtered like any other: declared, it may be used"), Wire(relay) as wire:
        holds("mock.vendor.test" in dns.asked, dns.asked)
        equal(wire.ask(said("declared")).answer().status, 200)
    with tap.case("the pin of its key lets a vendor pass"), Wire(relay) as wire:
        equal(wire.ask(said("right_pin")).answer().status, 200)
    with tap.case("the log says each in one line, with numbers only"):
        log = relay.log.read_text()
        for event in ("UPSTREAM_FAILED", "ADDRESS_REFUSED", "HOST_UNBOUND", "UPSTREAM_KEY_REFUSED"):
            holds(f" {event} " in log, log)
        holds("mock.vendor" not in log and "127.0.0.1" not in log, log)


def declared(tap):
    """Plain HTTP goes to declared addresses only: the configuration is refused otherwise."""
    with harness.Relay(models={"chat": "mock-1"}, start=False) as relay:
        good = relay.config_object()
        for name, change in {
            "without plain_http": {"plain_http": False},
            "to an address outside local": {"plain_http": True, "local": ["10.0.0.0/8"]},
            "to a name that DNS answers": {"plain_http": True, "addresses": None},
            "nowhere, as its address is not declared,": {"plain_http": True, "local": None},
        }.items():
            with tap.case(f"http:// {name} is refused at load in one line, with exit status 2"):
                row = good["upstreams"][0] | {"base_url": "http://mock.vendor.test:8000/v1"} | change
                row = {key: value for key, value in row.items() if value is not None and key != "ca"}
                (relay.config / "lethe.json").write_text(json.dumps(good | {"upstreams": [row]}, indent=1))
                checked = relay.lethectl("check", relay.config / "lethe.json", check=False)
                equal(checked.returncode, 1)
                lines = (checked.stdout + checked.stderr).strip().splitlines()
                holds(len(lines) == 1 and "lethe.json:" in lines[0], lines)
                before = len(relay.log.read_text()) if relay.log.exists() else 0
                relay.start(wait=False)
                equal(relay.lethed.wait(20), 2)
                said_so = [row for row in relay.log.read_text()[before:].splitlines() if row.startswith("lethed: line ")]
                holds(said_so and all(" lethe.json: " in row for row in said_so), relay.log.read_text())


BREAKS = {
    "rate": "mock:status=429",
    "broken": "mock:status=500",
    "busy": "mock:status=529",
    "auth": "mock:status=401",
    "unpaid": "mock:status=402",
    "cut": "mock:drop",
    "reset": "mock:drop,reset",
    "before_event": "mock:cut_after=1",
    "late_head": "mock:hang",
    "nonsense": "mock:raw=nonsense",
    "error_event": "mock:error_after=1",
    "role_only": "mock:stall_after=1",
}
STREAM_ONLY = {"before_event", "error_event", "role_only"}
# What may have happened once: the model that was asked for is asked again before another is.
ONCE_MORE = {"broken", "cut", "reset", "before_event", "nonsense", "error_event"}


def failover(tap):
    models = {name: [("one", model), ("two", "mock-1")] for name, model in BREAKS.items()}
    models |= {
        "chat": "mock-1",
        "unreachable": [("none", "mock-1"), ("two", "mock-1")],
        "four": [("one", "mock:status=500"), ("two", "mock:status=503"), ("one", "mock:status=503"), ("two", "mock-1")],
        "third": [("one", "mock:status=500"), ("two", "mock:status=503"), ("one", "mock-1")],
        "refused": [("one", "mock:status=400,code=invalid_value"), ("two", "mock-1")],
        "committed": [("one", "mock:cut_after=4"), ("two", "mock-1")],
        "half": [("one", "mock:cut_after=200"), ("two", "mock-1")],
        "late": "mock:delay_ms=300",
        "late_two": [("two", "mock:delay_ms=300")],
        "stale": [("one", "mock:drop"), ("two", "mock:drop"), ("one", "mock:drop,piece=1")],
    }

    def config(value):
        value["upstreams"].append(value["upstreams"][0] | {"name": "none",
                                  "base_url": f"https://one.vendor.test:{harness.free_port()}/v1"})
        apart(value, ("chat", "late", "late_two", "stale"))

    with harness.Relay(models=models, vendors=("one", "two"), config=config, relays=1,
                       settings={"first_byte_ms": 600, "gap_ms": 600}) as relay:
        (relay.dir / "raws/nonsense").write_bytes(b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}")
        failover_cases(tap, relay)
        budget(tap, relay)


def failover_cases(tap, relay):
    one, two = relay.vendors["one"], relay.vendors["two"]
    for name in [*BREAKS, "unreachable"]:
        for stream in (False, True):
            if not stream and name in STREAM_ONLY:
                continue
            how = "a stream" if stream else "a plain answer"
            with tap.case(f"{how} comes from the second target after {name.replace('_', ' ')}"), Wire(relay) as wire:
                one.mark(), two.mark()
                got = wire.ask(said(name, f"I am {EMAIL}", stream=stream)).answer()
                set_aside = stream and name in ("rate", "unpaid")  # the plain answer before has seen to that
                attempts = "1" if set_aside else "3" if name in ONCE_MORE else "2"
                equal([got.status, got.fields["x-lethe-attempts"]], [200, attempts])
                text = "".join(json.loads(row)["choices"][0]["delta"].get("content") or "" for row in got.events()[:-1]
                               if json.loads(row)["choices"]) if stream else got.json()["choices"][0]["message"]["content"]
                equal(text, f"You said: I am {EMAIL}")
                equal(len(two.received()), 1)
                if stream:
                    equal([got.trailers["x-lethe-end"], got.events().count("[DONE]")], ["--", 1])
    with tap.case("a fault of the caller's own making goes nowhere else"), Wire(relay) as wire:
        two.mark()
        got = wire.ask(said("refused")).answer()
        equal([got.status, got.fields["x-lethe-attempts"], two.received()], [400, "1", []])
    with tap.case("after the first word of a stream there is no second attempt, and no [DONE]"), Wire(relay) as wire:
        two.mark()
        got = wire.ask(said("committed", "one two three four five", stream=True)).answer()
        equal([got.status, two.received()], [200, []])
        holds("[DONE]" not in got.events(), got.body)
        equal(json.loads(got.events()[-1])["error"]["code"], "stream_interrupted")
        equal(got.trailers["x-lethe-end"], "VS")
    with tap.case("a plain answer cut in its body is asked for again: the caller saw nothing of it"), Wire(relay) as wire:
        got = wire.ask(said("half")).answer()
        equal([got.status, got.fields["x-lethe-attempts"]], [200, "3"])


def budget(tap, relay):
    one, two = relay.vendors["one"], relay.vendors["two"]
    with tap.case("the third target is the last that is tried"), Wire(relay) as wire:
        equal(wire.ask(said("third")).answer().fields["x-lethe-attempts"], "3")
        one.mark(), two.mark()
        got = wire.ask(said("four")).answer()
        equal([got.status, got.fields["x-lethe-attempts"]], [503, "3"])
        equal([len(one.received()), len(two.received())], [2, 1])
    with tap.case("warm connections that a vendor drops cost one fresh try for each target, and no more"), Wire(relay) as wire:
        before = relay.pids()["lethe-relay"]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:  # warm connections to both
            list(pool.map(lambda name: relay.request("POST", CHAT, said(name)), ["late", "late_two"] * 2))
        one.mark(), two.mark()
        got = wire.ask(said("stale")).answer()
        equal([got.status, got.fields["x-lethe-attempts"]], [502, "3"])
        holds(3 <= len(one.received()) + len(two.received()) <= 6, one.received() + two.received())
        equal(wire.ask(said("chat")).answer().status, 200)
        equal(relay.pids()["lethe-relay"], before)


# Forms of Retry-After: what the vendor does -> seconds for which a key that was refused so is left alone.
RETRY_AFTER = {
    "seconds": ("retry_after=20", 18, 22),
    "an hour": ("retry_after=3600", 270, 300),
    "a date": ("retry_after=20,after=date", 17, 22),
    "a date of RFC 850": ("retry_after=20,after=rfc850", 17, 22),
    "a date of asctime": ("retry_after=20,after=asctime", 17, 22),
    "a date of a clock that is wrong": ("retry_after=20,after=skewed", 17, 22),
    "a fraction": ("retry_after=8,after=fraction", 7, 10),
    "garbage": ("after=garbage", 4, 6),
    "a negative number": ("after=negative", 4, 6),
    "10^30": ("after=huge", 270, 300),
    "nothing in it": ("after=empty", 4, 6),
    "no such field": ("", 4, 6),
    "milliseconds": ("retry_after=9000,after=ms", 8, 10),
    "Azure's milliseconds": ("retry_after=9000,after=azure", 8, 10),
    "a sentence": ("retry_after=8,after=text", 7, 10),
    "a limit that is used up": ("retry_after=20,after=reset", 17, 22),
    "0": ("after=zero", 0, 1),
    "a date that is past": ("after=past", 0, 1),
}


def bearer(row):
    return row["head"].split("Authorization: Bearer ")[1].split("\r")[0]


def parking(tap):
    """F7: a key that is told to wait waits, for as long as it was told and never above five minutes; the vendor's other
    keys are used meanwhile. Each form has an upstream of its own, so that one's keys are not the other's."""
    names = {f"f{number}": form for number, form in enumerate(RETRY_AFTER)}

    def config(value):
        first = value["upstreams"].pop()
        value["upstreams"] = [first | {"name": name, "vendor": name} for name in (*names, *(f"{name}-once" for name in names))]

    models = {name: [(name, f"model-{name}")] for name in (*names, *(f"{name}-once" for name in names))}
    with harness.Relay(models=models, config=config, pools={"mock": 2}, settings={"queue_ms": 0}) as relay:
        rows = []
        for name, form in names.items():
            words = f"status=429,code=rate_limit_exceeded,{RETRY_AFTER[form][0]}".rstrip(",")
            rows += [f"model model-{name} {words},times=2", f"model model-{name}-once {words},times=1"]
        relay.vendor.faults(*rows)
        for name, form in names.items():
            least, most = RETRY_AFTER[form][1:]
            with tap.case(f"Retry-After with {form}: the other key answers"), Wire(relay) as wire:
                relay.vendor.mark()
                got = wire.ask(said(f"{name}-once")).answer()
                equal([got.status, got.fields["x-lethe-attempts"]], [200, "2"])
                refused, used = (bearer(row) for row in relay.vendor.received())
                holds(refused != used, "the same key")
                answers = [wire.ask(said(f"{name}-once")).answer().status for _ in range(5)]
                later = [bearer(row) for row in relay.vendor.received()[2:]]
                equal([answers, len(later)], [[200] * 5, 5])
                holds(least == 0 or refused not in later, "the key that was told to wait was used")
            with tap.case(f"Retry-After with {form}: both keys told to wait"), Wire(relay) as wire:
                got = wire.ask(said(name)).answer()
                equal([got.status, got.code()], [429, "rate_limit_exceeded"])
                relay.vendor.mark()
                again = wire.ask(said(name)).answer()
                if least == 0:
                    time.sleep(0.2)
                    equal(wire.ask(said(name)).answer().status, 200)
                    continue
                equal([again.status, again.code(), relay.vendor.received()], [429, "rate_limit_exceeded", []])
                holds(least <= int(again.fields["retry-after"]) <= most, again.fields["retry-after"])


BODIES = ("html", "empty", "text", "array")
STATUSES = {500: 502, 502: 502, 503: 503, 504: 504, 529: 503}


def bodies_config(value):
    apart(value, [f"{status}-{body}" for status in STATUSES for body in BODIES])


def bodies(tap):
    """F8: an error of the vendor is told by its status, whatever stands in its body, and the next target is asked."""
    models = {f"{status}-{body}": f"mock:status={status},body={body}" for status in STATUSES for body in BODIES}
    models |= {f"{name}-then": [("mock", model), ("other", f"fine-{name}")] for name, model in models.items()}
    models |= {"endless": "mock:status=500,body=endless,bytes=1000000000", "chat": "mock-1",
               "endless-then": [("mock", "mock:status=503,body=endless,bytes=1000000000"), ("other", "mock-1")]}
    calm = {"breaker_calls": 1000, "retry_percent": 100}
    with harness.Relay(models=models, vendors=("mock", "other"), relays=1, settings=calm, config=bodies_config) as relay:
        for status, ours in STATUSES.items():
            with tap.case(f"{status} with a body of HTML, none, text, []: {ours} in our words, and the next target"):
                for body in BODIES:
                    with Wire(relay) as wire:
                        got = wire.ask(said(f"{status}-{body}")).answer()
                        equal([body, got.status], [body, ours])
                        holds(b"html" not in got.body and b"connect error" not in got.body and got.code(), got.body)
                        got = wire.ask(said(f"{status}-{body}-then", stream=True)).answer()
                        equal([body, got.status, got.fields["x-lethe-target"].split("/")[1]], [body, 200, f"fine-{status}-{body}"])
        for name, status in (("endless", 502), ("endless-then", 200)):
            with tap.case(f"an error of 1 GB is left after its first bytes ({name})"), Wire(relay) as wire:
                relay.vendor.mark()
                began = time.monotonic()
                equal(wire.ask(said(name)).answer().status, status)
                holds(time.monotonic() - began < 1, f"{time.monotonic() - began:.1f} s")
                equal(eventually(lambda: relay.vendor.ledger())[0]["cut_by"], "peer")
                equal(wire.ask(said("chat")).answer().status, 200)


def redirects(tap):
    """F18: nobody follows a vendor elsewhere."""
    models = {f"r{status}": f"mock:raw=r{status}" for status in (301, 302, 303, 307, 308)}
    with harness.Relay(models=models, vendors=("mock", "other"), relays=1) as relay:
        other = relay.vendors["other"]
        for status in (301, 302, 303, 307, 308):
            where = f"https://127.0.0.1:{other.port}/v1/chat/completions"
            (relay.dir / f"raws/r{status}").write_bytes(
                f"HTTP/1.1 {status} Elsewhere\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())
            with tap.case(f"a redirect with {status} is 502, and the other host hears nothing"), Wire(relay) as wire:
                for stream in (False, True):
                    got = wire.ask(said(f"r{status}", stream=stream)).answer()
                    equal(got.status, 502)
                    holds(str(other.port).encode() not in got.body and "location" not in got.fields, got.body)
                equal(other.received(), [])


def main():
    tap = Tap("vendor faults")
    with harness.Relay(models=MODELS, config=apart) as relay:
        for name, content in RAWS.items():
            (relay.dir / "raws" / name).write_bytes(content)
        before = relay.pids()["lethe-relay"]
        words(tap, relay)
        messages(tap, relay)
        with tap.case("the relays are those that began"):
            equal(relay.pids()["lethe-relay"], before)
    reach(tap)
    declared(tap)
    failover(tap)
    for part in (parking, bodies, redirects):
        part(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
