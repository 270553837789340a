#!/usr/bin/env python3
"""Three ledgers say the same: the vendor's, the callers' and the signed export. Exchanges that end with the vendor's
usage are equal in every token class; of those that callers leave, each is one cut exchange there and one estimated
attempt here. It stays so while the keeper is killed, which may neither lose a record nor count one twice."""

import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, EMBEDDINGS, Line, crowd, user  # noqa: E402
from tap import Skip, Tap, equal, eventually, holds  # noqa: E402

EXCHANGES, KILLS = int(os.environ.get("LETHE_EXCHANGES", 1000)), int(os.environ.get("LETHE_KILLS", 4))
CALLERS, ABORTS = 8, 0.1
CLASSES = ("input", "cache_read", "cache_write", "output", "reasoning")
USAGES = {"echo": "mock-1", "cached": "mock:prompt=100,completion=40,cached=30,cache_write=5",
          "reasoning": "mock:prompt=64,completion=20,reasoning=11", "all": "mock:prompt=90,cached=90,reasoning=3",
          "embed": "mock-embed", "finish": "mock:usage_in_finish,prompt=7,completion=3"}
SLOW = {"slow": "mock:gap_ms=20,events=400", "late": "mock:delay_ms=20000"}


def classes(usage):
    """The five disjoint classes of an OpenAI usage object."""
    before, after = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    prompt, completion = usage["prompt_tokens"], usage.get("completion_tokens", 0)
    read, write, thought = before.get("cached_tokens", 0), before.get("cache_write_tokens", 0), after.get("reasoning_tokens", 0)
    return dict(zip(CLASSES, (prompt - read - write, read, write, completion - thought, thought)))


class Tally:
    """Tokens and exchanges of each model as one side counted them."""

    def __init__(self):
        self.models, self.cut = {}, {}
        self.lock = threading.Lock()

    def add(self, model, tokens, exchanges=1):
        with self.lock:
            row = self.models.setdefault(model, {"exchanges": 0, **dict.fromkeys(CLASSES, 0)})
            row["exchanges"] += exchanges
            for name in CLASSES:
                row[name] += tokens[name]

    def add_cut(self, model, count=1):
        with self.lock:
            self.cut[model] = self.cut.get(model, 0) + count


class Callers:
    def __init__(self, relay):
        self.relay, self.tally, self.refused, self.done = relay, Tally(), 0, 0

    def run(self, exchanges=EXCHANGES):
        crowd(self.relay, CALLERS, lambda line, number: self._many(line, number, exchanges // CALLERS))

    def _many(self, line, number, count):
        rng = random.Random(number)
        for _ in range(count):
            if rng.random() < ABORTS:
                self._leave(rng)
            else:
                self._one(line, rng)
            self.done += 1

    def _one(self, line, rng):
        model = rng.choice(list(USAGES))
        words = user("word " * rng.randrange(1, 200))
        body = {"model": model, "messages": words}
        if model == "embed":
            body = {"model": model, "input": "word " * rng.randrange(1, 50)}
        elif rng.random() < 0.6 or model == "finish":
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = self._ask(line, EMBEDDINGS if model == "embed" else CHAT, body)
        self.tally.add(model, classes(answer.usage()))

    def _ask(self, line, path, body):
        while True:
            answer = line.ask(path, body)
            if answer.status == 200:
                return answer
            self._refused(answer)

    def _refused(self, answer):
        """Without a keeper nothing is admitted; a caller comes again."""
        equal([answer.status, answer.json()["error"]["code"]], [503, "no_accounting"])
        holds("retry-after" in answer.fields, "no Retry-After")
        self.refused += 1
        time.sleep(0.02)

    def _leave(self, rng):
        """Goes away in the middle: of a stream, or of the wait for a plain answer."""
        model = "late" if rng.random() < 0.2 else "slow"
        while True:
            line = Line(self.relay)
            line.send(CHAT, {"model": model, "messages": user("word " * 20), "stream": model == "slow"})
            if model == "late":
                time.sleep(0.6)
                line.socket.settimeout(0.05)
                try:
                    answer = line.answer()
                except TimeoutError:
                    break
            else:
                answer = line.head()
                if answer.status == 200:
                    for _ in range(rng.randrange(1, 6)):
                        line.chunk()
                    break
                line.rest_of(answer)
            self._refused(answer)
            line.close()
        line.reset()
        self.tally.add_cut(model)


def vendor_tally(relay):
    tally, alias = Tally(), {harness.spelled(model): name for name, model in relay.models.items()}
    for row in relay.vendor.ledger():
        equal(row["status"], 200)
        model = alias[row["model"]]
        if not row["complete"]:
            holds(row["cut"] and row["cut_by"] == "peer", row)
            tally.add_cut(model)
            continue
        usage = {"prompt_tokens_details": {"cached_tokens": row["cached"], "cache_write_tokens": row["cache_write"]},
                 "completion_tokens_details": {"reasoning_tokens": row["reasoning"]}, **row}
        tally.add(model, classes(usage))
    return tally


def export_tally(exports):
    tally = Tally()
    for export in exports:
        for row in export["rows"]:
            equal([row["project"], row["vendor"]], ["test", "mock"])
            equal(row["attempts"], row["reported_attempts"] + row["estimated_attempts"] + row["not_billed"])
            if row["reported_attempts"]:
                tally.add(row["model"], row["reported"], row["reported_attempts"])
            if row["estimated_attempts"]:
                tally.add_cut(row["model"], row["estimated_attempts"])
    return tally


def compare(tap, relay, callers, name):
    vendor, exports = vendor_tally(relay), relay.export()
    export, seen = export_tally(exports), callers.tally
    with tap.case(f"{name}: reported tokens of every class and model are the vendor's"):
        equal(export.models, vendor.models)
    with tap.case(f"{name}: and what callers saw"):
        equal(seen.models, vendor.models)
        holds(sum(row["exchanges"] for row in seen.models.values()) > EXCHANGES * 0.8, "too few")
    with tap.case(f"{name}: the vendor's cut exchanges, the estimated attempts and the callers' aborts are the same"):
        equal([export.cut, vendor.cut], [seen.cut, seen.cut])
        holds(sum(seen.cut.values()) > EXCHANGES * ABORTS / 2, "too few")
    with tap.case(f"{name}: every exchange has one outcome, none is lost"):
        total = {key: sum(e["outcomes"][key] for e in exports) for key in exports[0]["outcomes"]}
        ended = {key: count for key, count in total.items() if count}
        whole, cut = sum(row["exchanges"] for row in seen.models.values()), sum(seen.cut.values())
        equal(ended, {"ok": whole, "client_abort": cut})
        equal(sum(e["refused_records"] for e in exports), 0)
        equal(sum(e["totals"]["requests"] for e in exports), whole + cut)
    return exports


def verify(tap, relay):
    files = sorted(relay.exports.glob("usage-*.json"))
    with tap.case("minisign verifies every export with the key beside it"):
        if shutil.which("minisign") is None:
            raise Skip("no minisign here")
        key, = relay.exports.glob("*.pub")
        for file in files:
            check = ["minisign", "-V", "-p", key, "-m", file, "-x", f"{file}.sig"]
            done = subprocess.run(check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            equal(done.returncode, 0)
            changed = relay.dir / "changed.json"
            changed.write_bytes(file.read_bytes().replace(b'"requests":', b'"requests":1', 1))
            check[5] = changed
            holds(subprocess.run(check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0,
                  "a changed export is verified")
    with tap.case("exports are canonical JSON: sorted keys, no white space, integers, one line"):
        for file in files:
            text = file.read_bytes()
            value = json.loads(text, parse_float=lambda number: holds(False, f"a float: {number}"))
            coded = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            equal(text.removesuffix(b"\n"), coded)
    with tap.case("exports count up from 1 without a gap"):
        equal([json.loads(file.read_bytes())["seq"] for file in files], list(range(1, len(files) + 1)))


def keeper_of(relay):
    return (relay.pids().get("lethe-keeper") or [None])[0]


def export_now(relay):
    """Closes the period, unless the keeper is killed over it."""
    try:
        relay.admin("POST", "/admin/v1/exports")
    except (OSError, http.client.HTTPException):
        pass


def kill_keeper(relay, callers, times, killed):
    """Kills it in the middle of the load, and again when it has come back."""
    for n in range(times):
        goal = EXCHANGES * (n + 1) // (times + 2)
        eventually(lambda goal=goal: callers.done >= goal, 60)
        pid = keeper_of(relay)
        asked = threading.Thread(target=export_now, args=(relay,), daemon=True)
        if n % 2:  # in the middle of closing a period
            asked.start()
            time.sleep(random.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda pid=pid: keeper_of(relay) not in (None, pid), 10)
        killed.append(pid)


def main():
    tap = Tap("ledgers")
    with harness.Relay(models=USAGES | SLOW) as relay:
        with tap.case(f"{EXCHANGES} exchanges with one in ten left by its caller"):
            callers = Callers(relay)
            callers.run()
            equal(callers.refused, 0)
        relay.stop()
        compare(tap, relay, callers, "undisturbed")
    with harness.Relay(models=USAGES | SLOW) as relay:
        killed = []
        with tap.case(f"{EXCHANGES} exchanges while the keeper is killed {KILLS} times, in the middle of exports too"):
            callers = Callers(relay)
            killer = threading.Thread(target=kill_keeper, args=(relay, callers, KILLS, killed), daemon=True)
            killer.start()
            callers.run()
            killer.join(60)
            equal(len(killed), KILLS)
        relay.wait_ready()
        relay.stop()
        print(f"# refused while no keeper was there: {callers.refused}")
        compare(tap, relay, callers, "keeper killed")
        verify(tap, relay)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
