#!/usr/bin/env python3
# time limit: 120 s
"""Streams as no vendor should send them: slow, stalled, dripping, endless, malformed, and usage told oddly (F9 to F14)."""

import concurrent.futures
import json
import pathlib
import sys
import time

from wire import CHAT, Wire, said

import harness
from tap import Tap, equal, eventually, holds

WAITS = {"first_byte_ms": 1200, "gap_ms": 700, "comments_ms": 700, "ping_ms": 200, "stream_ms": 6000, "attempts": 1, "breaker_calls": 1000}
# alias: what the vendor does; None: the answer is whole; a code: it ends in that error.
SLOW = {
    "soon": ("delay_ms=900", None),
    "never": ("delay_ms=2000", "upstream_timeout"),
    "silent_word": ("first_token_ms=500", None),
    "short_stall": ("events=4,gap_ms=500", None),
    "long_stall": ("stall_after=3", "stream_interrupted"),
    "only_comments": ("stall_after=3,comments_only=50", "stream_interrupted"),
    "only_comments_first": ("stall_after=1,comments_only=50", "upstream_timeout"),
    "drip": ("drip=1,drip_ms=1,crlf,norole", None),
    "late_usage": ("usage_ms=400", None),
    "bom": ("bom", None),
    "comments": ("comments=2000,events=5", None),
    "endless_comment": ("endless=comment,bytes=4000000", None),
    "endless_line": ("endless=line", "upstream_invalid"),
    "endless_event": ("endless=event", "upstream_invalid"),
    "tiny": ("endless=tiny,events=300000", None),
    "after_done": ("after_done", None),
    "nul": ("nul", "upstream_invalid"),
    "bad_utf8": ("bad_utf8", "upstream_invalid"),
    "gzip": ("gzip", "upstream_invalid"),
}


def cpu_s(relay):
    """Seconds of CPU of all relay processes so far."""
    ticks = 0
    for pid in relay.pids()["lethe-relay"]:
        ticks += sum(int(word) for word in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1].split()[11:13])
    return ticks / 100


def odd_streams(tap):
    """F9 to F13: slow, stalled, dripping, endless and malformed streams. Each ends whole or in an error event, within its
    timer, and gives its place back."""
    models = {"chat": "mock-1"} | {name: f"mock:{words}" for name, (words, _) in SLOW.items()}
    with harness.Relay(models=models, relays=1, settings=WAITS) as relay:
        before = relay.pids()["lethe-relay"]

        def play(name):
            began = time.monotonic()
            with Wire(relay, 20) as wire:
                return wire.ask(said(name, "Hi.", stream=True)).answer(), time.monotonic() - began

        costly = ("endless_comment", "endless_line", "endless_event", "tiny")
        with concurrent.futures.ThreadPoolExecutor(len(SLOW)) as pool:
            jobs = {name: pool.submit(play, name) for name in SLOW if name not in costly}
            got = {name: job.result() for name, job in jobs.items()}
        for name in costly:
            spent = cpu_s(relay)
            got[name] = play(name)
            with tap.case(f"{name.replace('_', ' ')} costs less than a second of CPU"):
                holds(cpu_s(relay) - spent < 1, f"{cpu_s(relay) - spent:.2f} s")
        for name, (words, code) in SLOW.items():
            answer, seconds = got[name]
            with tap.case(f"{words}: {'the whole stream' if code is None else code}"):
                judge_odd(name, answer, code)
                if name in ("never", "long_stall", "only_comments", "only_comments_first"):
                    holds(0.65 < seconds < 2.2, f"{seconds:.2f} s")
        with tap.case("ping_ms: nothing is sent to the caller before the vendor's head, signs of life behind it"):
            for name in ("silent_word", "short_stall"):
                answer, seconds = got[name]
                holds(1 <= answer.body.count(b": ping") <= seconds * 1000 / WAITS["ping_ms"], answer.body)
            holds(b": ping" not in got["soon"][0].body, got["soon"][0].body)
        with tap.case("what stands behind [DONE] is not heard"):
            answer = got["after_done"][0]
            holds(b"behind" not in answer.body and b"7777" not in answer.body, answer.body)
        with tap.case("all of them gave their places back; the relay is the one that began"):
            eventually(lambda: all(row["cut"] or row["complete"] or row["status"] != 200 for row in relay.vendor.ledger()))
            equal(relay.pids()["lethe-relay"], before)


def judge_odd(name, answer, code):
    if code is not None:
        if answer.status != 200:
            equal(answer.code(), code)
            return
        rows = answer.events()
        holds("[DONE]" not in rows, rows[-1])
        equal(json.loads(rows[-1])["error"]["code"], code)
        return
    equal([answer.status, answer.events()[-1]], [200, "[DONE]"])
    text = "".join(json.loads(row)["choices"][0]["delta"].get("content") or "" for row in answer.events()[:-1]
                   if json.loads(row)["choices"])
    lengths = {"short_stall": 80, "comments": 100, "tiny": 300000}
    if name in lengths:
        equal(len(text), lengths[name])
    else:
        equal(text, "You said: Hi.")


# How usage is told -> how it is accounted: prompt and completion tokens as stated, "estimated", or "suspect".
USAGES = {
    "late": ("usage_ms=400", "stated"),
    "too_late": ("usage_ms=1500", "estimated"),
    "never": ("nousage", "estimated"),
    "twice": ("usage=twice", "stated"),
    "cumulative": ("usage=cumulative", "stated"),
    "in_finish": ("usage_in_finish", "stated"),
    "wrong_event": ("usage=wrong", "stated"),
    "choice": ("usage=choice", "stated"),
    "x_groq": ("usage=x_groq", "stated"),
    "negative": ("usage=negative", "suspect"),
    "huge": ("usage=huge", "suspect"),
    "string": ("usage=string", "suspect"),
    "fraction": ("usage=fraction", "suspect"),
    "after_done": ("after_done", "stated"),
    "zero": ("cached=0", "stated"),
}
PROMPT, COMPLETION = 100, 40


def odd_usage(tap):
    """F14: the last statement of usage wins; what cannot be true is not counted, what is not said is estimated."""
    models = {name: f"mock:{words},prompt={PROMPT},completion={COMPLETION}" for name, (words, _) in USAGES.items()}
    with harness.Relay(models=models, relays=1, settings={"gap_ms": 700}) as relay:
        with concurrent.futures.ThreadPoolExecutor(len(USAGES)) as pool:
            answers = dict(zip(USAGES, pool.map(
                lambda name: relay.request("POST", CHAT, said(name, stream=True))[1].decode(), USAGES)))
        relay.stop()
        rows = {row["model"]: row for export in relay.export() for row in export["rows"]}
        for name, (words, how) in USAGES.items():
            with tap.case(f"usage {words}: {how}, and the answer is whole"):
                holds(answers[name].rstrip().endswith("data: [DONE]"), answers[name][-300:])
                judge_usage(rows[name], how)


def judge_usage(row, how):
    reported, estimated = row["reported"], row["estimated"]
    if how == "stated":
        equal([row["reported_attempts"], row["estimated_attempts"]], [1, 0])
        equal([reported["input"] + reported["cache_read"], reported["output"]], [PROMPT, COMPLETION])
    elif how == "estimated":
        equal([row["reported_attempts"], row["estimated_attempts"], sum(reported.values())], [0, 1, 0])
        holds(estimated["input"] > 0 and estimated["output"] > 0, estimated)
    else:
        total = sum(reported.values()) + sum(estimated.values())
        holds(0 <= total < 1000, row)


def patient_usage(tap):
    """F14 with the built-in times: usage is waited for behind the finish for five seconds, and no longer."""
    models = {name: f"mock:usage_ms={late},prompt={PROMPT},completion={COMPLETION}"
              for name, late in (("in_time", 4000), ("too_late", 8000))}
    with harness.Relay(models=models, relays=1) as relay:
        def play(name):
            began = time.monotonic()
            with Wire(relay, 20) as wire:
                return wire.ask(said(name, stream=True)).answer(), time.monotonic() - began

        with concurrent.futures.ThreadPoolExecutor(len(models)) as pool:
            got = dict(zip(models, pool.map(play, models)))
        relay.stop()
        rows = {row["model"]: row for export in relay.export() for row in export["rows"]}
    with tap.case("usage 4 s behind the finish: stated"):
        equal(got["in_time"][0].events()[-1], "[DONE]")
        judge_usage(rows["in_time"], "stated")
    with tap.case("usage 8 s behind it: estimated, and the caller has its whole answer after 5 s"):
        answer, seconds = got["too_late"]
        equal([answer.events()[-1], answer.trailers["x-lethe-end"]], ["[DONE]", "--"])
        holds(4.9 <= seconds < 7, f"{seconds:.2f} s")
        judge_usage(rows["too_late"], "estimated")


def main():
    tap = Tap("vendor streams")
    odd_streams(tap)
    odd_usage(tap)
    patient_usage(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
