#!/usr/bin/env python3
# time limit: 180 s
"""A stream that is cut goes on at another vendor: cut behind each of its events, with personal data in it.

What the caller reads must be what it would have read without the cut, in one envelope; what the second vendor gets must
be the first one's words and no value that was replaced."""

import json
import sys
import time

from wire import Wire

import harness
from tap import Tap, equal, holds

FIRST, SECOND = "first", "second"
MAIL, PHONE, CARD = "jane.doe@kontor-nord.de", "+49 30 901820", "4111 1111 1111 1111"
WORDS = f"Write to {MAIL}, call {PHONE} or {MAIL} again: \"caf\u00e9\", \u4f60\u597d.\nCard {CARD}, and that was {MAIL}"
ANSWER = f"You said: {WORDS}"
PAUSE_S = 0.12  # ten tries a second are always made again
ALIASES = ("whole", "cut", "prefix", "partial", "twice", "again", "refused", "lesser", "stalls", "garbles", "fails", "closed")


def models():
    """Each alias has models of its own at its vendors, so that what one does is held against no other."""
    def alias(name, **second):
        return {"continuation": True, "targets": [(FIRST, f"one-{name}"), (SECOND, f"two-{name}", second)]}

    made = {name: alias(name, prefill="plain") for name in ALIASES}
    made["prefix"], made["partial"] = alias("prefix", prefill="prefix"), alias("partial", prefill="partial")
    made["lesser"] = alias("lesser", prefill="plain", downgrade=True)
    made["closed"].pop("continuation")
    made["twice"]["targets"].append((FIRST, "three-twice", {"prefill": "plain"}))
    return made


class Told:
    """What the caller of one stream got."""

    def __init__(self, answer):
        self.status, self.attempts = answer.status, answer.fields.get("x-lethe-attempts")
        self.end = answer.trailers.get("x-lethe-end") or answer.fields.get("x-lethe-end")
        self.text, self.envelopes, self.roles, self.code, self.usage = "", set(), 0, None, None
        self.done = self.finish = 0
        for row in answer.events():
            if row == "[DONE]":
                self.done += 1
                continue
            self.take(json.loads(row))

    def take(self, event):
        if "error" in event:
            self.code = event["error"]["code"]
            return
        self.envelopes.add(tuple(str(event.get(name)) for name in ("id", "created", "model", "system_fingerprint", "object")))
        self.usage = event.get("usage") or self.usage
        for choice in event["choices"]:
            self.text += choice["delta"].get("content") or ""
            self.roles += "role" in choice["delta"]
            self.finish += choice["finish_reason"] is not None

    def whole(self, end="-C", text=ANSWER):
        equal(self.text, text)
        equal([self.status, len(self.envelopes), self.roles, self.finish, self.done, self.code, self.end],
              [200, 1, 1, 1, 1, None, end])

    def honest(self):
        """An error event as the last one, and words that are the beginning of the answer."""
        holds(ANSWER.startswith(self.text) and self.text, self.text)
        equal([self.status, self.code, self.done], [200, "stream_interrupted", 0])
        holds(self.end in ("VS", "VF", "VT"), self.end)


class Calls:
    def __init__(self, relay):
        self.relay, self.first, self.second = relay, relay.vendors[FIRST], relay.vendors[SECOND]

    def faults(self, first="", second=""):
        self.first.faults(*([first] if first else []))
        self.second.faults(*([second] if second else []))

    def call(self, alias, **more):
        for vendor in (self.first, self.second):
            vendor.mark()
        time.sleep(PAUSE_S)
        with Wire(self.relay) as wire:
            body = {"model": alias, "stream": True, "messages": [{"role": "user", "content": WORDS}], **more}
            return Told(wire.ask(body).answer())

    def asked(self, vendor):
        return [json.loads(row["body"]) for row in vendor.received()]

    def prefill(self, vendor):
        """The last message of the vendor's last request, which is the assistant's."""
        message = self.asked(vendor)[-1]["messages"][-1]
        equal(message["role"], "assistant")
        return message


def counted(vendor):
    """The vendor's own count of the one exchange it had."""
    deadline = time.monotonic() + 5
    while not vendor.ledger() and time.monotonic() < deadline:
        time.sleep(0.01)
    equal(len(vendor.ledger()), 1)
    return vendor.ledger()[0]


def no_value_left(calls):
    for vendor in (calls.first, calls.second):
        sent = b"".join(row["body"].encode() for row in vendor.received())
        holds(not any(value.encode() in sent for value in (MAIL, PHONE, CARD)), "a value has left")


def one_cut(calls, cut):
    calls.faults(first=f"model one-cut cut_after={cut}")
    told = calls.call("cut")
    told.whole()
    first, second = counted(calls.first), counted(calls.second)
    equal([first["cut_by"], first["events"], second["status"], second["complete"]], ["mock", cut, 200, True])
    said = calls.prefill(calls.second)["content"]
    equal(second["prefilled"], len(said.encode()))
    asked = [calls.asked(vendor)[0]["messages"] for vendor in (calls.first, calls.second)]
    equal(asked[1][:-1], asked[0])
    no_value_left(calls)


def every_cut(tap, calls):
    calls.faults()
    with tap.case("without a cut it is one vendor's answer"):
        calls.call("whole").whole(end="--")
        equal(calls.asked(calls.second), [])
    events = counted(calls.first)["events"]
    content = events - 3  # role, finish, usage
    with tap.case("cut behind its role it is made again, as nothing has come of it"):
        calls.faults(first="model one-cut cut_after=1")
        calls.call("cut").whole(end="--")
        equal(len(calls.asked(calls.second)[0]["messages"]), 1)
    lost = []
    for cut in range(2, content + 2):
        try:
            one_cut(calls, cut)
        except AssertionError as why:
            lost.append((cut, str(why)))
    with tap.case(f"cut behind each of its {content} texts: the caller reads the uncut answer in one envelope"):
        holds(content >= 30, content)
        equal(lost, [])
    with tap.case("cut behind its finish there is nothing to go on with: all of the text, and an error"):
        calls.faults(first=f"model one-cut cut_after={content + 2}")
        told = calls.call("cut")
        told.honest()
        equal([told.text, calls.asked(calls.second)], [ANSWER, []])


def ways(tap, calls):
    for flag in ("prefix", "partial"):
        with tap.case(f"a target with prefill \"{flag}\" is told so"):
            calls.faults(first=f"model one-{flag} cut_after=20", second=f"model two-{flag} prefill={flag}")
            calls.call(flag).whole()
            equal(calls.prefill(calls.second)[flag], True)
    with tap.case("the second is cut as well: the first goes on, from where both have come"):
        calls.faults(first="model one-twice cut_after=10", second="model two-twice cut_after=15")
        calls.call("twice").whole()
        equal([len(calls.asked(calls.first)), len(calls.asked(calls.second))], [2, 1])
        one, two = calls.prefill(calls.second)["content"], calls.prefill(calls.first)["content"]
        holds(two.startswith(one) and len(two) > len(one), "not both")
    with tap.case("usage that was asked for is what the last vendor says"):
        calls.faults(first="model one-cut cut_after=20")
        told = calls.call("cut", stream_options={"include_usage": True})
        told.whole()
        second = counted(calls.second)
        equal([told.usage["prompt_tokens"], told.usage["completion_tokens"]],
              [second["prompt_tokens"], second["completion_tokens"]])
    with tap.case("the second may write as much less as the first has written"):
        calls.faults(first="model one-cut cut_after=20")
        calls.call("cut", max_tokens=500).whole()
        left = calls.asked(calls.second)[0]["max_tokens"]
        holds(500 - 60 <= left <= 500 - 18, left)


def again(tap, calls):
    """A vendor that says the given beginning once more: a stream from a file, since it has to know it by heart."""
    text = "Once upon a time there was a relay that lost nothing."

    def stream(name, pieces, whole=True):
        deltas = [({"role": "assistant", "content": ""}, None), *(({"content": one}, None) for one in pieces)]
        deltas += [({}, "stop")] if whole else []
        rows = [{"id": name, "created": len(name), "model": name, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
                for delta, end in deltas]
        events = [*map(json.dumps, rows), *(["[DONE]"] if whole else [])]
        for vendor in (calls.first, calls.second):
            (vendor.folder / "streams" / f"{name}.sse").write_text("".join(f"data: {row}\n\n" for row in events))

    def pieces(step):
        return [text[at:at + step] for at in range(0, len(text), step)]

    lost = []
    for cut in range(1, len(pieces(5))):
        stream("beginning", pieces(5)[:cut], whole=False)
        stream("repeated", pieces(1 + cut % 7))
        calls.faults(first="model one-again fixture=beginning", second="model two-again fixture=repeated")
        try:
            calls.call("again").whole(text=text)
        except AssertionError as why:
            lost.append((cut, str(why)))
    with tap.case("a vendor that says it all again: no byte comes twice"):
        equal(lost, [])


def faults(tap, calls):
    for alias, fault in (("stalls", "stall_after=20,stall_ms=20000"), ("garbles", "garble_after=20,garble_lost"),
                         ("fails", "error_after=20")):
        with tap.case(f"also one that {alias}"):
            calls.faults(first=f"model one-{alias} {fault}")
            calls.call(alias).whole()


def honest(tap, calls):
    def ends(alias, requests, first="cut_after=20", second="", **more):
        calls.faults(first=f"model one-{alias} {first}", second=f"model two-{alias} {second}" if second else "")
        told = calls.call(alias, **more)
        told.honest()
        equal(len(calls.asked(calls.second)), requests)
        return told

    with tap.case("an alias that does not allow it ends in the honest error"):
        ends("closed", 0)
    with tap.case("so does one whose only other target is a lesser model, without consent"):
        ends("lesser", 0)
    with tap.case("and one whose other target refuses: the caller hears of the cut, not of that"):
        told = ends("refused", 1, second="no_prefill")
        equal(told.end, "VF")
    with tap.case("an answer in JSON is not gone on with: its grammar would begin anew"):
        ends("cut", 0, response_format={"type": "json_object"})
    with tap.case("nor an answer of which all tokens are written"):
        ends("cut", 0, max_tokens=5)
    with tap.case("words that policy would not let leave are not sent to another: what the vendor made up itself"):
        (calls.first.folder / "streams" / "made-up.sse").write_text("".join(
            f"data: {json.dumps({'id': 'x', 'choices': [{'index': 0, 'delta': {'content': one}, 'finish_reason': None}]})}\n\n"
            for one in ("Ask joe", ".public@", "kontor-nord.de", " about it")))
        calls.faults(first="model one-cut fixture=made-up")
        told = calls.call("cut")
        equal([told.text, told.code, told.done], ["Ask joe.public@kontor-nord.de about it", "stream_interrupted", 0])
        equal(calls.asked(calls.second), [])


def accounts(tap, relay):
    with tap.case("the export has two attempts: the first estimated, the second as its vendor reported it"):
        relay.stop()
        rows = {}
        for one in relay.export():
            for row in one["rows"]:
                if row["model"] == "prefix":
                    sums = rows.setdefault(row["vendor"], [0, 0, 0])
                    for place, name in enumerate(("estimated_attempts", "reported_attempts", "requests")):
                        sums[place] += row[name]
        equal(rows, {FIRST: [1, 0, 0], SECOND: [0, 1, 1]})


def main():
    tap = Tap("continuation")
    settings = {"breaker_calls": 10000, "gap_ms": 1000}
    with harness.Relay(models=models(), vendors=(FIRST, SECOND), settings=settings, relays=1) as relay:
        calls = Calls(relay)
        every_cut(tap, calls)
        ways(tap, calls)
        again(tap, calls)
        faults(tap, calls)
        honest(tap, calls)
        accounts(tap, relay)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
