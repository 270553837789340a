#!/usr/bin/env python3
# time limit: 120 s
"""The sixteen published failover scenarios, S01 to S16, against the real programs: one vendor that breaks, one that does not.

What a caller is told decides, together with what the vendors saw. Each scenario ends in one of four verdicts:

    pass      the caller has the whole answer (S13: a clean error), and every check holds
    partial   the same, but a check that only advises does not hold
    safe      no answer, but a clean error in bounded time, and every required check holds
    fail      a hang, a cut answer that looks whole, or a required check that does not hold

Each is run twice: as the relay is by itself, and with an alias that allows an answer to be continued elsewhere. Without
continuation three of them cannot pass honestly: words that have reached the caller cannot be taken back, so a stream that
breaks behind its first word ends in an error event. With it one is left, whose fallback takes no beginning of an answer.

The timers are shorter than the published ones, in proportion; failover.full.py has them as they are.
"""

import sys

import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
import sdk  # noqa: E402

sdk.enter_python()

import concurrent.futures  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402

import openai  # noqa: E402

from wire import Cut, Wire  # noqa: E402

import harness  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

PROMPT = ("Explain patiently why any gateway earns the trust of its callers only on those days when the provider "
          "behind it misbehaves badly: when it stalls in the middle of a word, when it cuts the line, when it forgets to "
          "say that it is done, and when it is simply gone for a long while without saying why")
ANSWER = f"You said: {PROMPT}"
assert len(ANSWER.split()) == 60

# Seconds and milliseconds: as published, and shorter.
FULL = {"first_byte_ms": 30000, "first_token_ms": 8000, "gap_ms": 30000, "silence_s": 120, "slow_ms": 20000, "stall_ms": 30000,
        "down_s": 60, "requests": 20, "every_s": 4.0, "back_s": 30, "scale": 1.0, "breaker": {}}
SHORT = {"first_byte_ms": 1500, "first_token_ms": 600, "gap_ms": 1500, "silence_s": 8, "slow_ms": 2500, "stall_ms": 5000,
         "down_s": 6, "requests": 20, "every_s": 0.4, "back_s": 3, "scale": 0.1,
         "breaker": {"breaker_calls": 3, "breaker_open_ms": 300, "breaker_open_most_ms": 1000}}

SCENARIOS = []


def scenario(number, title, fault, within_s, **more):
    """fault: what the primary does; {names} are of the timing table. within_s: a call that takes longer hangs."""
    def add(judge):
        SCENARIOS.append({"id": f"S{number:02}", "title": title, "fault": fault, "within_s": within_s, "judge": judge,
                          "ideal": "success", "fallback": {}, "primary": {}} | more)
        return judge
    return add


class Told:
    """What the caller of one call got."""

    def __init__(self):
        self.outcome, self.content, self.code, self.model, self.usage = "hang", "", None, None, None
        self.envelopes, self.roles, self.finishes = set(), 0, 0
        self.done = self.finish = False
        self.status, self.seconds, self.attempts, self.end = 0, 0.0, 0, None

    @property
    def whole(self):
        return self.outcome == "success" and self.content.split() == ANSWER.split()


def call(relay, model, within_s):
    """One streamed call by a client that believes what the stream says: an end without an error is a success."""
    told, began = Told(), time.monotonic()
    try:
        with Wire(relay, within_s) as wire:
            wire.ask({"model": model, "stream": True, "stream_options": {"include_usage": True},
                      "messages": [{"role": "user", "content": PROMPT}]})
            answer = wire.answer()
            read(told, answer)
    except TimeoutError:
        told.outcome = "hang"
    except Cut:
        told.outcome, told.code = "error", "connection cut"
    told.seconds = time.monotonic() - began
    return told


def read(told, answer):
    told.status, told.attempts = answer.status, int(answer.fields.get("x-lethe-attempts", 0))
    told.end = answer.trailers.get("x-lethe-end") or answer.fields.get("x-lethe-end")
    if answer.status != 200:
        told.outcome, told.code = "error", answer.code()
        return
    told.outcome = "success"
    for row in answer.events():
        if row == "[DONE]":
            told.done = True
            continue
        event = json.loads(row)
        if "error" in event:
            told.outcome, told.code = "error", event["error"]["code"]
            continue
        told.model = event["model"]
        told.envelopes.add((event["id"], event["object"], event["created"], event["model"]))
        told.usage = event.get("usage") or told.usage
        for choice in event["choices"]:
            told.content += choice["delta"].get("content") or ""
            told.roles += "role" in choice["delta"]
            told.finishes += choice["finish_reason"] is not None
            told.finish = told.finishes > 0


class Case:
    """One scenario in one mode: what was told, what the vendors saw, which checks hold."""

    def __init__(self, row, told, times, primary, fallback, alive):
        self.row, self.told, self.times, self.alive = row, told, times, alive
        self.primary, self.fallback = primary, fallback  # milliseconds at which each request came
        self.failed, self.advised = [], []
        self.calls = [told]

    def require(self, name, truth):
        if not truth:
            self.failed.append(name)

    def advise(self, name, truth):
        if not truth:
            self.advised.append(name)

    def within(self, milliseconds):
        """How many requests came to the primary within so long after the first."""
        return sum(at - self.primary[0] < milliseconds for at in self.primary)

    def verdict(self):
        told, ideal = self.told, self.row["ideal"]
        if any(one.outcome == "hang" for one in self.calls):
            return "fail"
        if told.outcome == "success" and not told.whole:
            return "fail"
        if self.failed:
            return "fail"
        if ideal == "error":
            return "pass" if told.outcome == "error" else "partial"
        if not told.whole:
            return "safe"
        return "partial" if self.advised else "pass"

    def why(self):
        words = f"{self.told.outcome} {self.told.code or ''} in {self.told.seconds:.1f} s, "
        lost = [f"{one.began:.1f} s: {one.status} {one.code}" for one in self.calls if len(self.calls) > 1 and not one.whole]
        words += f"lost: {', '.join(lost)}; " if lost else ""
        words += f"{len(self.primary)} at the primary, {len(self.fallback)} at the fallback"
        for what, names in (("failed", self.failed), ("advised", self.advised)):
            words += f"; {what}: {', '.join(names)}" if names else ""
        return words


@scenario(1, "429 with Retry-After, once", "status=429,code=rate_limit_exceeded,retry_after=2,times=1", 20)
def s01(case):
    """The primary refuses the first request and says: come back in two seconds. Whoever comes back sooner, or again and
    again, makes it worse. The relay leaves that key alone for as long as it was told to."""
    case.require("no hammering", case.within(1500) <= 2)
    case.require("the key is left alone until then", all(at - case.primary[0] >= 1800 for at in case.primary[1:]))
    case.advise("the primary is asked again", len(case.primary) >= 2)


@scenario(2, "429 without Retry-After, always", "status=429,code=rate_limit_exceeded", 40)
def s02(case):
    """The primary refuses everything and does not say until when. The fallback answers; the primary is not pestered."""
    case.require("no hammering", case.within(3000) <= 4)
    case.require("bounded attempts", len(case.primary) <= 6)


@scenario(3, "500 once", "status=500,code=server_error,times=1", 20)
def s03(case):
    """One request fails for no reason. The same request once more would have been answered, by the model that was asked
    for, and is. The caller never hears of it."""
    case.require("bounded attempts", len(case.primary) <= 2)
    case.advise("the primary is asked again", len(case.primary) >= 2)


@scenario(4, "503, always", "status=503,code=overloaded", 40)
def s04(case):
    """The primary is overloaded. The fallback answers, and the primary is not asked over and over."""
    case.require("bounded attempts", len(case.primary) <= 6)


@scenario(5, "connection reset before the head, once", "drop,reset,times=1", 20)
def s05(case):
    """A load balancer somewhere restarts, and the connection is gone before a byte of the answer. Nothing has reached the
    caller yet, so the request may be made again."""
    case.require("bounded attempts", len(case.primary) <= 3)


@scenario(6, "no answer at all", "hang", 130)
def s06(case):
    """The primary takes the request and says nothing, for as long as one waits. A silent vendor is left after the first
    timeout: to wait for it a second time would only double the wait."""
    case.require("within budget", case.told.seconds <= 100 * case.times["scale"])
    case.advise("the silent vendor is not asked again", len(case.primary) <= 1)


@scenario(7, "slow first token", "first_byte_ms={slow_ms}", 60, first_token=True)
def s07(case):
    """The head comes at once, the first word after twenty seconds. The alias has a limit for the first word well below
    that, and the fallback is faster."""
    case.advise("a limit for the first token", case.told.seconds <= 15 * case.times["scale"])


@scenario(8, "stream cut in the middle", "cut_after=41", 40)
def s08(case):
    """After forty of sixty words the connection is gone. The caller has forty words: either the rest comes, or a clear
    error. What must never come is an end that looks like an end."""
    case.require("no cut answer as a success", case.told.whole or case.told.outcome == "error")


@scenario(9, "stream stalls in the middle", "stall_after=21,stall_ms={stall_ms}", 70)
def s09(case):
    """After twenty words the primary falls silent with its connection open. The relay waits for so long and no longer, and
    is well afterwards."""
    case.require("bounded", case.told.seconds <= 45 * case.times["scale"])
    case.require("alive afterwards", case.alive)


@scenario(10, "an event that is no JSON", "garble_after=10", 30)
def s10(case):
    """Some proxy on the way has written half an event into the stream. The words around it are all there."""
    case.require("alive afterwards", case.alive)
    case.advise("recovered in place", case.told.whole)


@scenario(11, "no data: [DONE]", "nodone", 30)
def s11(case):
    """The answer is whole and says so in its finish_reason, the response ends properly; only the last line, [DONE], is
    missing, as it always is from some vendors. The caller gets the answer and the usage, at once."""
    case.require("finalised promptly", case.told.seconds <= 8 * case.times["scale"] + 1)
    case.advise("usage is reported", bool(case.told.usage))


@scenario(12, "prompt too long", "context=20", 20, primary={"context_tokens": 20}, fallback={"context_tokens": 100000})
def s12(case):
    """The prompt does not fit into the primary's window. To send it there again would be of no use; a model with a larger
    window takes it."""
    case.require("the same model is not asked again", len(case.primary) <= 1)


@scenario(13, "content filter", "status=400,code=content_policy_violation", 20, ideal="error")
def s13(case):
    """The primary's filter refuses the prompt. That is an answer, not a failure: the caller hears it, and the relay does not
    look for somebody who is less strict."""
    case.require("the same model is not asked again", len(case.primary) == 1)
    case.require("the reason is told", case.told.code == "content_policy_violation")


@scenario(14, "stream cut, and the fallback takes no beginning", "cut_after=41", 40, fallback_words="no_prefill")
def s14(case):
    """As S08, but the fallback refuses a request that ends in the assistant's words. The relay knows that of it and does not
    try: the caller hears that the stream broke, not that some request it never made was refused."""
    case.require("no refused prefill behind the error", case.told.whole or len(case.fallback) == 0)


@scenario(15, "the primary is down, then well", "status=503,code=overloaded,for_ms={down_ms}", 30)
def s15(case):
    """For a minute the primary refuses everything. Twenty callers come, one every four seconds. All are answered; when the
    primary is well again it is used again, soon."""
    down = [one for one in case.calls if one.began < case.times["down_s"]]
    case.require("all served while it is down", down and all(one.whole for one in down))
    case.require("all served afterwards", all(one.whole for one in case.calls))
    back = [one.began for one in case.calls if one.began >= case.times["down_s"] and one.model == case.model]
    case.require("used again soon", back and min(back) - case.times["down_s"] <= case.times["back_s"])
    case.require("probed with care", case.asked_while_down <= len(down))


@scenario(16, "accounting after failover", "status=503,code=overloaded", 40)
def s16(case):
    """The fallback has answered. The caller is told its model and its tokens, not the primary's."""
    case.require("the fallback's model", case.told.model == case.model_of_fallback)
    case.advise("usage is reported", bool(case.told.usage))
    case.require("bounded attempts", len(case.primary) <= 6)


MODES = ("default", "continuation")


def alias(row, mode):
    return row["id"].lower() + ("" if mode == "default" else "-continued")


def words(row, times):
    more = times | {"down_ms": times["down_s"] * 1000}
    return "word," + row["fault"].format(**more)


def models(times):
    """An alias for each scenario and mode. A vendor's model has the alias in its name, so the table of faults knows it."""
    made = {"ok": [("fallback", "fine")]}
    for row in SCENARIOS:
        for mode in MODES:
            name = alias(row, mode)
            first, second = dict(row["primary"]), dict(row["fallback"])
            other = f"{row['id']}-other"
            targets = [(name, f"primary-{name}", first), (other, f"fallback-{name}", second)]
            made[name] = {"targets": targets}
            if row.get("first_token"):
                made[name]["first_token_ms"] = times["first_token_ms"]
            if mode == "default":
                continue
            made[name]["continuation"] = True
            if row["id"] != "S14":
                second["prefill"] = "plain"
            else:
                # One there is that could go on, but it is a lesser model, and this caller has not consented to it.
                targets.append((other, f"lesser-{name}", {"prefill": "plain", "downgrade": True}))
    return made


def config(value):
    """Each vendor is one program, but an upstream for each scenario, the primary with a key of its own: what one scenario
    does to it no other feels."""
    primary, fallback = value["upstreams"]
    others = [fallback] + [fallback | {"name": f"{row['id']}-other"} for row in SCENARIOS]
    names = [alias(row, mode) for row in SCENARIOS for mode in MODES]
    credentials = [row["name"] for row in primary.pop("credentials")]
    value["upstreams"] = others + [primary | {"name": name, "credential": credential}
                                   for name, credential in zip(names, credentials, strict=True)]


def requests_of(vendor):
    """model -> when each of its requests came."""
    came = {}
    for row in vendor.received():
        if row["body"]:
            came.setdefault(json.loads(row["body"])["model"], []).append(row["at_ms"])
    return came


def sequence(relay, row, mode, times, began):
    """S15: callers one after the other, each in its own time."""
    calls = []
    for number in range(times["requests"]):
        time.sleep(max(0, began + number * times["every_s"] - time.monotonic()))
        at = time.monotonic() - began
        one = call(relay, alias(row, mode), row["within_s"])
        one.began = at
        calls.append(one)
    return calls


def play(relay, times):
    """All scenarios in both modes, beside each other. Returns (scenario, mode) -> Case."""
    primary, fallback = relay.vendors["primary"], relay.vendors["fallback"]
    rows = [f"model primary-{alias(row, mode)} {words(row, times)}" for row in SCENARIOS for mode in MODES]
    rows_of_fallback = ["all word"] + [f"model fallback-{alias(row, mode)} {row['fallback_words']}" for row in SCENARIOS
                                       for mode in MODES if "fallback_words" in row]
    fallback.faults(*rows_of_fallback)
    primary.faults(*rows)
    began = time.monotonic()
    clock_ms = time.monotonic_ns() // 1_000_000
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        jobs = {}
        for row in SCENARIOS:
            for mode in MODES:
                if row["id"] == "S15":
                    jobs[row["id"], mode] = pool.submit(sequence, relay, row, mode, times, began)
                else:
                    jobs[row["id"], mode] = pool.submit(played, relay, row, mode)
        got = {name: job.result() for name, job in jobs.items()}
    at_primary, at_fallback, cases = requests_of(primary), requests_of(fallback), {}
    for row in SCENARIOS:
        for mode in MODES:
            name, result = alias(row, mode), got[row["id"], mode]
            calls, alive = (result, True) if row["id"] == "S15" else ([result[0]], result[1])
            came = at_primary.get(f"primary-{name}", [])
            case = Case(row, calls[-1], times, came, at_fallback.get(f"fallback-{name}", []), alive)
            case.calls, case.model, case.model_of_fallback = calls, f"primary-{name}", f"fallback-{name}"
            case.asked_while_down = sum(at - clock_ms < times["down_s"] * 1000 for at in came)
            row["judge"](case)
            cases[row["id"], mode] = case
    return cases


def played(relay, row, mode):
    told = call(relay, alias(row, mode), row["within_s"])
    return told, call(relay, "ok", 10).whole


HONEST = {"default": {"S08", "S09", "S14"}, "continuation": {"S14"}}


def honest(case):
    """An error event as the last one: no [DONE], no finish_reason, and words that are the beginning of the answer."""
    told = case.told
    equal([told.status, told.outcome, told.done, told.finish], [200, "error", False, False])
    holds(told.code in ("stream_interrupted", "upstream_timeout"), told.code)
    holds(told.content and ANSWER.startswith(told.content), told.content)
    holds(told.end not in (None, "--"), told.end)


def seamless(case):
    """What was begun by one vendor and ended by another looks like one answer: every word once, in one envelope."""
    told = case.told
    equal([told.content, len(told.envelopes), told.roles, told.finishes], [ANSWER, 1, 1, 1])
    equal([len(case.primary), len(case.fallback)], [1, 1])


def judge(tap, cases):
    for mode in MODES:
        how = "by itself" if mode == "default" else "with continuation"
        for row in SCENARIOS:
            case = cases[row["id"], mode]
            want = "safe" if row["id"] in HONEST[mode] else "pass"
            with tap.case(f"{how}: {row['id']}, {row['title']}: {want}"):
                holds(case.verdict() == want, f"{case.verdict()}: {case.why()}")
                if want == "safe":
                    honest(case)
                elif row["ideal"] == "success":
                    holds(all(one.done and one.finish for one in case.calls), "no end")
        for name in sorted(HONEST["default"] - HONEST[mode]):
            with tap.case(f"{how}: {name} is one answer, though two vendors gave it"):
                seamless(cases[name, mode])
        with tap.case(f"{how}: none fails"):
            equal([row["id"] for row in SCENARIOS if cases[row["id"], mode].verdict() == "fail"], [])


def table(cases):
    print("#")
    print(f"# {'':4} {'':50} {'by itself':14} with continuation")
    for row in SCENARIOS:
        verdicts = [cases[row["id"], mode].verdict() for mode in MODES]
        print(f"# {row['id']:4} {row['title']:50} {verdicts[0]:14} {verdicts[1]}")
    for mode in MODES:
        verdicts = [cases[row["id"], mode].verdict() for row in SCENARIOS]
        print(f"# {mode}: " + ", ".join(f"{verdicts.count(word)} {word}" for word in ("pass", "partial", "safe", "fail")))
        for row in SCENARIOS:
            print(f"#   {row['id']} {cases[row['id'], mode].why()}")
    print("#", flush=True)


def official(tap, relay, times):
    """The same as the official SDK sees it, with its own retries switched off: what it believes is what users believe."""
    os.environ["SSL_CERT_FILE"] = str(relay.ca)
    client = openai.OpenAI(base_url=relay.base_url, api_key=relay.key, max_retries=0, timeout=30)
    relay.vendors["primary"].faults(*(f"model primary-{alias(row, mode)} {words(row, times)}" for row in SCENARIOS
                                      for mode in MODES))

    def text_of(model):
        stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}], stream=True)
        text = ""
        for chunk in stream:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        return text

    for name in ("s02", "s03", "s04", "s05", "s12", "s16", "s08-continued", "s09-continued"):
        with tap.case(f"the official SDK gets the whole answer of {name}"):
            equal(text_of(name), ANSWER)
    for name in ("s08", "s09", "s14", "s14-continued"):
        with tap.case(f"the official SDK raises an error at the end of {name}"):
            try:
                holds(False, f"it believes {text_of(name)!r}")
            except openai.APIError as error:
                holds(not isinstance(error, openai.APITimeoutError), error)
    with tap.case("the official SDK raises BadRequestError with the vendor's reason in s13"):
        try:
            holds(False, text_of("s13"))
        except openai.BadRequestError as error:
            equal(error.code, "content_policy_violation")


def main(times=None):
    times = times or SHORT
    tap = Tap("failover")
    settings = {"first_byte_ms": times["first_byte_ms"], "gap_ms": times["gap_ms"]} | times["breaker"]
    with harness.Relay(models=models(times), vendors=("primary", "fallback"), config=config, settings=settings, relays=2,
                       pools={"primary": len(SCENARIOS) * len(MODES)}) as relay:
        before = relay.pids()["lethe-relay"]
        cases = play(relay, times)
        table(cases)
        judge(tap, cases)
        official(tap, relay, times)
        with tap.case("the relays are those that began"):
            equal(relay.pids()["lethe-relay"], before)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
