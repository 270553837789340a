#!/usr/bin/env python3
# time limit: 120 s
"""What users of other gateways complain about, as scenarios: the 25 most instructive threads of their issue trackers.

     1  memory climbs with every chunk              fault/memory_returns; attacks; timers (a slow caller)
     2  cost of a chunk grows with the stream       here
     3  an upgrade made requests ten times dearer   bench/run.py beside its committed results
     4  one fast vendor pins a worker               here
     5  tokens counted on the hot path              here, with 2: nothing is counted that the vendor says; ledger
     6  a cut stream delivered as a success         failover S08, S09; vendor_faults; client/openai_python and _node
     7  continuation missing, or text twice         here; failover S08, S09
     8  the fallback refuses an assistant prefill   here; failover S14
     9  a vendor that accepts and stays silent      here; every timer: timers
    10  no fallback on a 502 with an HTML body      vendor_faults F8
    11  a setting that does nothing                 here; unit/route/test_catalog*; settings (every key)
    12  one rate limit, or a word, disables a key   here; vendor_faults F7
    13  the caller leaves, and usage is lost        ledger; attacks
    14  usage ignored in an unusual chunk           vendor_streams F14
    15  an explicit 0 taken for nothing             here; classes of tokens: ledger
    16  failed streams charged, errors as output    here
    17  counters drift under concurrency            ledger; kills; reload
    18  the vendor compresses a stream              here
    19  a whole stream held back for placeholders   here
    20  a placeholder split over chunks             here; client/openai_python, policy's unit tests at every cut
    21  a policy accepted and not applied           reload (a policy that cannot be kept is refused); bad_input
    22  a vendor key visible in an error            vendor_faults (messages); audit/canary
    23  keys in logs and traces                     audit/canary; kills
    24  stolen or mistaken credentials              here (a key is compared whole); audit/vault, audit/admin
    25  envelopes thinned out, errors told as 200   here
"""

import json
import pathlib
import socket
import sys
import threading
import time

from wire import CHAT, Wire, said

import harness
from tap import Tap, equal, eventually, holds

EMAIL = "ana.lopez@kontor-nord.de"


def text_of(answer):
    rows = [json.loads(row) for row in answer.events() if row != "[DONE]"]
    return "".join(row["choices"][0]["delta"].get("content") or "" for row in rows if row.get("choices"))


def cpu_s(relay):
    """Seconds of CPU of the one relay process so far."""
    pid, = relay.pids()["lethe-relay"]
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1].split()
    return (int(words[11]) + int(words[12])) / 100


def long_streams(tap, relay):
    """2, 5: a program that puts the text together again at each chunk pays for the hundredth thousand a thousand times."""
    def cost(model):
        before = cpu_s(relay)
        with Wire(relay, 60) as wire:
            equal(len(text_of(wire.ask(said(model, f"I am {EMAIL}", stream=True)).answer())) > 0, True)
        return cpu_s(relay) - before

    with tap.case("2: ten times the chunks cost ten times the CPU, not a hundred times"):
        short, long = cost("chunks-20k"), cost("chunks-200k")
        holds(long < 20 * max(short, 0.05), f"{short:.2f} s and {long:.2f} s")


def one_fast_vendor(tap, relay):
    """4: a vendor that sends as fast as it can shares the loop with one that sends now and then."""
    stop, gaps = threading.Event(), []

    def flood():
        while not stop.is_set():
            with Wire(relay, 30) as wire:
                wire.ask(said("flood", stream=True))
                while not stop.is_set():
                    wire.held = b""
                    wire.more()

    def quiet(count):
        gaps.clear()
        with Wire(relay, 30) as wire:
            wire.ask(said("paced", stream=True))
            wire.until(b"\r\n\r\n")
            last = time.monotonic()
            while len(gaps) < count:
                wire.until(b"\n\n")
                now = time.monotonic()
                gaps.append(now - last)
                last = now
        return sorted(gaps[2:])

    with tap.case("4: beside a stream that never pauses another keeps its pace"):
        alone = quiet(60)
        busy = threading.Thread(target=flood, daemon=True)
        busy.start()
        time.sleep(0.2)
        beside = quiet(60)
        stop.set()
        # The machine is shared, and the flood's own reader with it: the median is the claim.
        middle, before = beside[len(beside) // 2], alone[len(alone) // 2]
        holds(middle < before + 0.02, f"{before * 1000:.1f} ms alone, {middle * 1000:.1f} ms beside it")
        busy.join(5)
    with tap.case("4: and when its caller has gone the vendor is stopped"):
        eventually(lambda: [row for row in relay.vendor.ledger() if row["cut_by"] == "peer" and "events" in row["model"]])


# How vendors want to be told that an answer is to be continued -> what they do, what the target says of them.
FORMS = {"plain": ("", "plain"), "prefix": ("prefill=prefix", "prefix"), "partial": ("prefill=partial", "partial"),
         "again": ("prefill_again", "plain")}
CONTINUED = ("one two three \"four\" five \\ six ü𝛑 seven, I am " + EMAIL + " eight nine ten eleven twelve thirteen "
             "fourteen fifteen sixteen")


def continued(tap):
    """7: text twice, or missing, or another vendor's chunk in the middle of the first one's. The answer is cut at every
    word in turn, so also inside what replaced the e-mail address and beside characters that are written as escapes."""
    models = {}
    for name, (words, form) in FORMS.items():
        words = f"word,{words}".rstrip(",")
        models[name] = {"targets": [("mock", f"mock:word,cut_after=9,escape={int(name == 'prefix')}"),
                                    ("other", f"mock:{words}", {"prefill": form})], "continuation": True}
    cuts = range(1, 24)
    for at in cuts:
        models[f"cut-{at}"] = {"targets": [("mock", f"mock:piece=5,cut_after={at}"),
                                           (f"other-{at % 4}", "mock:piece=3", {"prefill": "plain"})], "continuation": True}

    def config(value):
        # An upstream takes ten tries a second that are none's first; here there are more.
        value["upstreams"] += [value["upstreams"][1] | {"name": f"other-{number}"} for number in range(4)]

    settings = {"breaker_calls": 1000, "retry_percent": 100}
    with harness.Relay(models=models, vendors=("mock", "other"), relays=1, settings=settings, config=config) as relay:
        for name in FORMS:
            with tap.case(f"7: an answer that breaks goes on elsewhere as one ({name})"), Wire(relay) as wire:
                relay.vendors["other"].mark()
                judge_continued(wire.ask(said(name, CONTINUED, stream=True)).answer(), relay.vendors["other"])
        with tap.case("7: wherever it breaks"):
            for at in cuts:
                with Wire(relay) as wire:
                    relay.vendors["other"].mark()
                    answer = wire.ask(said(f"cut-{at}", CONTINUED, stream=True)).answer()
                    holds(text_of(answer) == f"You said: {CONTINUED}", f"cut-{at}: {text_of(answer)!r}")
                    equal(answer.events()[-1], "[DONE]")
        relay.stop()
        rows = {(row["model"], row["vendor"]): row for export in relay.export() for row in export["rows"]}
        with tap.case("7: both attempts are accounted, the first as estimated, the second as its vendor said"):
            equal([rows["plain", "mock"]["estimated_attempts"], rows["plain", "mock"]["reported_attempts"]], [1, 0])
            equal([rows["plain", "other"]["estimated_attempts"], rows["plain", "other"]["reported_attempts"]], [0, 1])
            holds(rows["plain", "mock"]["estimated"]["output"] > 0, rows["plain", "mock"])


def judge_continued(answer, other):
    chunks = [json.loads(row) for row in answer.events() if row != "[DONE]"]
    equal([text_of(answer), answer.events().count("[DONE]")], [f"You said: {CONTINUED}", 1])
    equal(len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}), 1)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    equal([sum("role" in choice["delta"] for choice in choices),
           sum(choice["finish_reason"] is not None for choice in choices)], [1, 1])
    equal(answer.trailers["x-lethe-end"], "-C")
    asked, = other.received()
    holds(EMAIL not in asked["body"], "it was sent as it is")
    last = json.loads(asked["body"])["messages"][-1]
    equal([last["role"], last["content"].split()[:2]], ["assistant", ["You", "said:"]])


def prefill_refused(tap, relay):
    """8: the fallback was said to continue an answer, and refuses to. Its 400 is about a request the caller never made."""
    with tap.case("8: a refused continuation is told as the break that it could not mend"), Wire(relay) as wire:
        answer = wire.ask(said("cut-then-refused", "one two three four five six", stream=True)).answer()
        rows = answer.events()
        error = json.loads(rows[-1])["error"]
        equal([answer.status, error["code"]], [200, "stream_interrupted"])
        holds("prefill" not in json.dumps(error) and "[DONE]" not in rows, answer.body)
        text = "".join(json.loads(row)["choices"][0]["delta"].get("content") or "" for row in rows[:-1])
        equal(text, "You said: one")


def silent_accept(tap, relay):
    """9: the vendor's kernel takes the connection, nobody takes the request."""
    with tap.case("9: a vendor that accepts and stays silent is left for the next after connect_ms"), Wire(relay) as wire:
        began = time.monotonic()
        answer = wire.ask(said("mute-first", stream=True)).answer()
        equal([answer.status, answer.fields["x-lethe-attempts"]], [200, "2"])
        holds(0.4 < time.monotonic() - began < 2, f"{time.monotonic() - began:.1f} s")


def inert(tap, relay):
    """11: what cannot have an effect is no setting but a mistake."""
    good = relay.config_object()
    two = [{"upstream": "mock", "model": "a"}, {"upstream": "mock", "model": "b"}]
    for what, model in {
        "weights where the order decides": {"targets": [two[0] | {"weight": 3}, two[1]]},
        "second copies with one way to go": {"targets": two[:1], "hedge": True},
        "their delay without them": {"targets": two, "hedge_ms": 100},
        "continuation that no target can do": {"targets": two, "continuation": True},
        "sticky with one way to go": {"targets": two[:1], "sticky": "prompt"},
    }.items():
        with tap.case(f"11: {what}: refused at load, by line"):
            changed = good | {"models": [{"name": "x"} | model], "upstreams": good["upstreams"][:1]}
            file = relay.dir / "inert.json"
            file.write_text(json.dumps(changed, indent=1))
            checked = relay.lethectl("check", file, check=False)
            holds(checked.returncode == 1 and "has no effect" in checked.stdout + checked.stderr, checked)


def not_for_good(tap, relay):
    """12: a word in a message is no reason to set a key aside, and no reason sets it aside for ever."""
    with tap.case("12: \"insufficient balance\" in a refused prompt that the vendor quotes does nothing to its key"):
        with Wire(relay) as wire:
            for words in ("insufficient balance", "Your credit balance is too low", "invalid api key, account deactivated"):
                got = wire.ask(said("quoting", words)).answer()
                equal([got.status, got.json()["error"]["code"]], [400, "invalid_value"])
            equal(wire.ask(said("quoted")).answer().status, 200)
    with tap.case("12: a rate-limited key is used again when its time is over"), Wire(relay) as wire:
        got = wire.ask(said("limited-once")).answer()
        equal([got.status, got.fields["x-lethe-attempts"]], [429, "1"])
        equal(wire.ask(said("limited-once")).answer().fields["x-lethe-attempts"], "0")
        time.sleep(1.4)
        equal(wire.ask(said("limited-once")).answer().status, 200)
    with tap.case("12: a dead vendor is not asked dozens of times"), Wire(relay) as wire:
        relay.vendor.mark()
        for _ in range(30):
            holds(wire.ask(said("dead")).answer().status >= 500, "it answers")
        asked = [row for row in relay.vendor.received() if "status:503" in row["body"]]
        holds(len(asked) < 30, f"{len(asked)} requests")


def compressed(tap, relay):
    """18: a stream that is compressed can be neither restored nor counted. It is not asked for, and not passed on."""
    with tap.case("18: whatever the caller accepts, the vendor is asked for the identity"), Wire(relay) as wire:
        relay.vendor.mark()
        equal(wire.ask(said("chat"), CHAT, "Accept-Encoding: gzip, br, zstd").answer().status, 200)
        head = relay.vendor.received()[-1]["head"].lower()
        equal([row for row in head.split("\r\n") if row.startswith("accept-encoding:")], ["accept-encoding: identity"])
    for stream in (False, True):
        with tap.case(f"18: a vendor that compresses all the same is left for the next (stream: {stream})"):
            with Wire(relay) as wire:
                got = wire.ask(said("gzip-first", stream=stream)).answer()
                equal([got.status, got.fields["x-lethe-target"]], [200, "other/mock-1"])
                holds("content-encoding" not in got.fields, got.fields)
                got = wire.ask(said("gzip-only", stream=stream)).answer()
                equal([got.status, got.code()], [502, "upstream_invalid"])


def placeholders(tap, relay):
    """19, 20: a placeholder may come in pieces; only what could be the beginning of one is held back."""
    with tap.case("19: the first word of a restored stream comes while the vendor still speaks"), Wire(relay) as wire:
        began = time.monotonic()
        wire.ask(said("spoken", f"I am {EMAIL}, " + "and more " * 40, stream=True))
        while b'"You' not in wire.held:
            wire.more()
        first = time.monotonic() - began
        answer = wire.answer()
        whole = time.monotonic() - began
        holds(EMAIL in text_of(answer), answer.body)
        holds(first < 0.3 and whole > 0.8, f"first {first:.2f} s, whole {whole:.2f} s")
    for name in ("split-bytes", "split-escaped"):
        with tap.case(f"20: a placeholder is put back however it is cut ({name})"), Wire(relay, 20) as wire:
            relay.vendor.mark()
            answer = wire.ask(said(name, f"{EMAIL} ü𝛑", stream=True)).answer()
            equal(text_of(answer), f"You said: {EMAIL} ü𝛑")
            holds(EMAIL not in relay.vendor.received()[-1]["body"], "it was sent as it is")


def whole_keys(tap, relay):
    """24: a cache that knows a token by its first twenty characters knows too little."""
    with tap.case("24: a key that differs in one character, anywhere, is none"), Wire(relay) as wire:
        key = relay.key
        for at in (len(key) // 2, len(key) - 2, len(key) - 1):
            other = "A" if key[at] != "A" else "B"
            equal(wire.ask(said("chat"), key=key[:at] + other + key[at + 1:]).answer().status, 401)
        equal(wire.ask(said("chat"), key=key + "A").answer().status, 401)
        equal(wire.ask(said("chat")).answer().status, 200)


def envelopes(tap, relay):
    """25: a chunk keeps all that stood in it, and an error is one whatever its status says."""
    with tap.case("25: every chunk has its id, object, created, model and index, restored ones too"), Wire(relay) as wire:
        answer = wire.ask(said("split-escaped", f"I am {EMAIL}", stream=True)).answer()
        chunks = [json.loads(row) for row in answer.events()[:-1]]
        for name in ("id", "object", "created", "model"):
            equal(len({chunk[name] for chunk in chunks}), 1)
        holds(all(choice["index"] == 0 and "finish_reason" in choice for chunk in chunks for choice in chunk["choices"]),
              chunks)
        # A field nobody knows here goes on as it is; the tail of held-back text is a chunk of our own making.
        holds(sum("system_fingerprint" in chunk for chunk in chunks) >= len(chunks) - 1, chunks)
    for stream in (False, True):
        with tap.case(f"25: an error with status 200 is none of the vendor's answers (stream: {stream})"), Wire(relay) as wire:
            got = wire.ask(said("error-as-200", stream=stream)).answer()
            equal([got.status, got.fields["x-lethe-target"]], [200, "other/mock-1"])
            holds(b"slow_down" not in got.body, got.body)


ZERO = ('data: {"id":"z","object":"chat.completion.chunk","created":1,"model":"z","choices":[{"index":0,"delta":'
        '{"role":"assistant","content":"ok"},"finish_reason":null}]}\n\n'
        'data: {"id":"z","object":"chat.completion.chunk","created":1,"model":"z","choices":[{"index":0,"delta":{},'
        '"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,'
        '"prompt_tokens_details":{"cached_tokens":0}}}\n\ndata: [DONE]\n\n')

ACCOUNTS = {
    "zero": "mock:fixture=zero",
    "failed": "mock:status=500,echo_prompt",
    "failed-200": "mock:status=200,code=slow_down,echo_prompt",
    "html": "mock:status=502,body=html",
    "no-word": "mock:cut_after=1",
}


def accounts(tap):
    """15, 16: an explicit 0 is a statement; what a failed call said is no output."""
    with harness.Relay(models=ACCOUNTS, relays=1, settings={"attempts": 1, "breaker_calls": 1000}) as relay:
        (relay.dir / "streams/zero.sse").write_text(ZERO)
        for name in ACCOUNTS:
            for stream in (True, False):
                relay.request("POST", CHAT, said(name, "word " * 50, stream=stream or name in ("zero", "no-word")))
        relay.stop()
        rows = {row["model"]: row for export in relay.export() for row in export["rows"]}
    with tap.case("15: usage of 0 is reported usage, and nothing is estimated in its place"):
        row = rows["zero"]
        equal([row["reported_attempts"], row["estimated_attempts"]], [2, 0])
        equal(sum(row["reported"].values()) + sum(row["estimated"].values()), 0)
    for name in ("failed", "failed-200", "html", "no-word"):
        with tap.case(f"16: what a call said that failed is not output ({name})"):
            row = rows[name]
            equal([row["reported_attempts"], sum(row["reported"].values()), row["estimated"]["output"]], [0, 0, 0])


MODELS = {
    "chat": "mock-1",
    "chunks-20k": "mock:events=20000,size=20",
    "chunks-200k": "mock:events=200000,size=20",
    "flood": "mock:events=100000000,size=500",
    "paced": "mock:events=100,gap_ms=10",
    "cut-then-refused": {"targets": [("mock", "mock:cut_after=4,word"), ("other", "mock:no_prefill", {"prefill": "plain"})],
                         "continuation": True},
    "gzip-first": [("mock", "mock:gzip"), ("other", "mock-1")],
    "gzip-only": "mock:gzip,piece=2",
    "spoken": "mock:word,gap_ms=15",
    "split-bytes": "mock:drip=1,drip_ms=1,piece=3",
    "split-escaped": "mock:escape,piece=1",
    "error-as-200": [("mock", "mock:status=200,code=slow_down"), ("other", "mock-1")],
}


def main():
    tap = Tap("threads")
    mute = socket.create_server(("127.0.0.1", 0), backlog=64)

    def config(value):
        first = value["upstreams"][0]
        value["upstreams"] += [
            first | {"name": "mute", "base_url": f"https://mock.vendor.test:{mute.getsockname()[1]}/v1"},
            first | {"name": "limited", "vendor": "limited"},
            first | {"name": "dead", "vendor": "dead"},
            first | {"name": "quoting", "vendor": "quoting"},
        ]
        for name, upstream, model in (("mute-first", "mute", "mock-1"), ("limited-once", "limited", "limited-once"),
                                      ("dead", "dead", "mock:status:503"),
                                      ("quoting", "quoting", "mock:status:400/code:invalid_value/echo_prompt"),
                                      ("quoted", "quoting", "mock-1")):
            value["models"].append({"name": name, "targets": [{"upstream": upstream, "model": model}]})
        next(row for row in value["models"] if row["name"] == "mute-first")["targets"].append({"upstream": "other", "model": "mock-1"})

    settings = {"connect_ms": 500, "queue_ms": 0, "breaker_open_ms": 5000}
    with harness.Relay(models=MODELS, vendors=("mock", "other"), relays=1, settings=settings, config=config) as relay:
        relay.vendor.faults("model limited-once status=429,code=rate_limit_exceeded,retry_after=1,times=1")
        before = relay.pids()["lethe-relay"]
        for part in (prefill_refused, silent_accept, inert, not_for_good, compressed, placeholders, whole_keys, envelopes,
                     long_streams, one_fast_vendor):
            part(tap, relay)
        with tap.case("the relay is the one that began"):
            equal(relay.pids()["lethe-relay"], before)
    mute.close()
    continued(tap)
    accounts(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
