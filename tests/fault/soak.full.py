#!/usr/bin/env python3
# time limit: 2400 s
"""Half an hour of everything at once: whole answers, streams, embeddings, callers who leave, vendors that fail,
reloads, new client keys, new vendor keys and exports. At its end memory and descriptors are as they were after its
beginning, and the vendors', the callers' and the exported ledger say the same. LETHE_SOAK_S=120 is a short form."""

import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from ledger import Tally, classes  # noqa: E402
from load import CHAT, EMBEDDINGS, Line, crowd, user  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

SECONDS = int(os.environ.get("LETHE_SOAK_S", 1800))
CALLERS, PAUSE_S = 10, 0.03
CHANGES = 6       # reloads, and changes of keys between them
# Shares of the time. What is taken at first and kept is no growth; the last relays stay so long that theirs is seen.
WARM_SHARE, CHANGES_SHARE = 0.2, 0.4
GROWN_KIB, GROWN_FDS = 6 * 1024, 8
FAILED_MOST = 0.02

VENDORS = ("mock", "other")
SHAKY = "mock:prompt=31,completion=9"
MODELS = {"echo": "mock-1", "cached": "mock:prompt=100,completion=40,cached=30,cache_write=5", "embed": "mock-embed",
          "shaky": [(vendor, SHAKY) for vendor in VENDORS], "slow": "mock:gap_ms=20,events=400"}
# One call in ten of this model fails, at either vendor.
FAULTS = f"model {harness.spelled(SHAKY)} percent=10,mix,retry_after=100,after=ms"


class Soak:
    def __init__(self, relay):
        self.relay, self.until = relay, time.monotonic() + SECONDS
        self.seen, self.left, self.failed, self.done = Tally(), 0, 0, 0
        self.key, self.lock, self.faults = relay.key, threading.Lock(), []
        self.uses = [relay.key] * CALLERS  # the key of each caller's present call

    def over(self):
        return time.monotonic() > self.until or self.faults

    # ---- callers ----

    def caller(self, line, number):
        rng = random.Random(number)
        while not self.over():
            self.uses[number] = self.key
            # A connection of before the reload belongs to relays that do not know the new key.
            if line.key != self.uses[number]:
                line.close()
                line.key = self.uses[number]
            if rng.random() < 0.1:
                line.close()  # unused it would be closed by a relay that is to end, perhaps at the very next call
                self.leave(line.key, rng)
            else:
                self.ask(line, rng)
            self.done += 1
            time.sleep(rng.random() * 2 * PAUSE_S)

    def ask(self, line, rng):
        model = rng.choice(["echo", "cached", "embed", "shaky"])
        if model == "embed":
            path, body = EMBEDDINGS, {"model": model, "input": "word " * rng.randrange(1, 50)}
        else:
            path, body = CHAT, {"model": model, "messages": user("word " * rng.randrange(1, 200))}
            if rng.random() < 0.5:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = line.insist(path, body)
        if answer.status == 200 and (usage := answer.usage()) is not None:
            self.seen.add(model, classes(usage))
            return
        holds(model == "shaky", f"{model}: {answer.status} {answer.body[:300]}")
        with self.lock:
            self.failed += 1

    def leave(self, key, rng):
        """Goes away in the middle of a stream."""
        line = Line(self.relay, key=key)
        equal(line.begin(CHAT, {"model": "slow", "messages": user("word " * 20), "stream": True}).status, 200)
        for _ in range(rng.randrange(1, 6)):
            line.chunk()
        line.reset()
        with self.lock:
            self.left += 1

    # ---- the operator ----

    def ctl(self, *words, secret=""):
        """lethectl, through the management plane: the state file is the running box's."""
        environment = dict(os.environ, LETHE_ADMIN_URL=self.relay.admin_url, LETHE_ADMIN_TOKEN=self.relay.admin_token,
                           SSL_CERT_FILE=str(self.relay.ca))
        done = subprocess.run([harness.BIN / "lethectl", *words], input=secret + "\n", env=environment, text=True,
                              timeout=30, capture_output=True)
        holds(done.returncode == 0, done.stdout + done.stderr)
        return done.stdout

    def reload(self):
        """Over when the relays of before are gone, who accept for a moment longer."""
        self.relay.write_config()
        equal(self.relay.reload()[0], 200)
        eventually(lambda: len(self.relay.pids().get("lethe-relay", [])) == self.relay.relays, 60)

    def new_client_key(self):
        """Nobody is refused: the old key goes when nobody uses it any more."""
        made = json.loads(self.ctl("key", "make", "--project", "test", "--models", "*", "--json"))
        self.relay.entries.append(made["entry"])
        self.reload()
        self.key = made["key"]
        eventually(lambda: self.over() or set(self.uses) == {self.key}, 60)
        self.relay.entries.pop(0)
        self.reload()

    def new_vendor_key(self, nth):
        """The pool's second place gets the vendor's one key and the other by turns."""
        vendor = self.relay.vendor
        self.ctl("vault", "put", vendor.credentials()[1], "--host", vendor.host, "--stdin", secret=vendor.keys[nth % 2])

    def operator(self):
        try:
            for nth in range(CHANGES):
                self.new_vendor_key(nth)
                self.new_client_key()
                equal(self.relay.admin("POST", "/admin/v1/exports")[0] // 100, 2)
                at = self.until - SECONDS * (1 - CHANGES_SHARE * (nth + 1) / CHANGES)
                while not self.over() and time.monotonic() < at:
                    time.sleep(0.1)
        except BaseException as why:  # noqa: BLE001: raised again by the case
            self.faults.append(why)


def own_kib(pid):
    """Memory of this process alone: what it shares with others rises when these end."""
    rows = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Anonymous:"))


def sample(relay):
    """Role -> (KiB, descriptors); roles that come and go with a generation are counted together."""
    found = {}
    for role, pids in relay.pids().items():
        try:
            found[role] = (sum(map(own_kib, pids)), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids), len(pids))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def growth(rows, column):
    """What a straight line through the samples rises by from the first to the last."""
    times, values = [row[0] for row in rows], [row[column] for row in rows]
    if len(rows) < 5:
        return 0
    slope, _ = statistics.linear_regression(times, values)
    return slope * (times[-1] - times[0])


def watch(soak):
    """Samples until it is over: of the relays when the last of their generations has taken what it keeps."""
    rows, begun = {}, time.monotonic()
    while not soak.over():
        now = time.monotonic() - begun
        for role, (kib, fds, count) in sample(soak.relay).items():
            warm = WARM_SHARE + (CHANGES_SHARE if role == "lethe-relay" else 0)
            if now > warm * SECONDS and count == (soak.relay.relays if role == "lethe-relay" else 1):
                rows.setdefault(role, []).append((now, kib, fds))
        time.sleep(max(0.5, SECONDS / 600))
    return rows


def vendor_tally(relay):
    tally, left = Tally(), 0
    alias = {harness.spelled(row if isinstance(row, str) else row[0][1]): name for name, row in MODELS.items()}
    for vendor in relay.vendors.values():
        for row in vendor.ledger():
            if row["complete"]:
                usage = {"prompt_tokens_details": {"cached_tokens": row["cached"],
                                                   "cache_write_tokens": row["cache_write"]},
                         "completion_tokens_details": {"reasoning_tokens": row["reasoning"]}, **row}
                tally.add(alias[row["model"]], classes(usage))
            elif row["cut_by"] == "peer":
                left += 1
    return tally, left


def export_tally(exports):
    tally, left = Tally(), 0
    for row in (row for export in exports for row in export["rows"]):
        if row["reported_attempts"]:
            tally.add(row["model"], row["reported"], row["reported_attempts"])
        if row["model"] == "slow":
            left += row["estimated_attempts"]
    return tally, left


def run(soak):
    """All of it; returns the samples."""
    found, operator = {}, threading.Thread(target=soak.operator, daemon=True)
    watcher = threading.Thread(target=lambda: found.update(watch(soak)), daemon=True)
    operator.start()
    watcher.start()
    try:
        crowd(soak.relay, CALLERS, soak.caller)
    finally:
        soak.until = 0
        operator.join()
        watcher.join()
    if soak.faults:
        raise soak.faults[0]
    return found


def main():
    tap, rows = Tap(f"{SECONDS} s of soak"), {}
    with harness.Relay(models=MODELS, vendors=VENDORS, pools={"mock": 2}, settings={"idle_ms": 5000}) as relay:
        for vendor in relay.vendors.values():
            vendor.faults(FAULTS)
        idle = {role: fds for role, (_, fds, _) in sample(relay).items()}
        soak = Soak(relay)
        with tap.case("whoever asks what no vendor fails at is answered, through every change"):
            rows = run(soak)
            holds(soak.done > SECONDS * 10, f"{soak.done} calls")
        with tap.case("of one call in ten failing at a vendor, callers notice less than one in fifty"):
            holds(soak.failed < FAILED_MOST * soak.seen.models["shaky"]["exchanges"], f"{soak.failed} failed")
        for role, samples in sorted(rows.items()):
            kib, fds = growth(samples, 1), growth(samples, 2)
            print(f"# {role}: {len(samples)} samples, grown by {kib:.0f} KiB and {fds:.1f} descriptors; at the end "
                  f"{samples[-1][1]} KiB, {samples[-1][2]}")
            with tap.case(f"{role} has not grown"):
                holds(len(samples) >= 5 and kib < GROWN_KIB and fds < GROWN_FDS, "see above")
        with tap.case("when callers have gone no role keeps more descriptors than before, but warm connections"):
            more = {}

            def settled():
                more.update({role: fds - idle[role] for role, (_, fds, _) in sample(relay).items()})
                return all(fds <= GROWN_FDS for fds in more.values())

            # Of connections that nobody needs half are closed in 5 s.
            try:
                eventually(settled, 30)
            finally:
                print(f"# more descriptors: {more}")
        relay.stop()
        compare(tap, relay, soak)
    return tap.done()


def compare(tap, relay, soak):
    exports = relay.export()
    (vendor, vendor_left), (export, export_left) = vendor_tally(relay), export_tally(exports)
    print(f"# {soak.done} calls, {soak.left} left, {soak.failed} failed, {len(exports)} exports")
    with tap.case("every token of every class: vendors, callers and the export say the same"):
        equal(export.models, vendor.models)
        equal(soak.seen.models, vendor.models)
    with tap.case("every stream that was left is one that was cut there, and one estimated attempt here"):
        equal([vendor_left, export_left], [soak.left, soak.left])
    with tap.case("every exchange has one outcome, in one of the exports, none is lost"):
        equal([export["seq"] for export in exports], list(range(1, CHANGES + 2)))
        ends = {name: sum(export["outcomes"][name] for export in exports) for name in exports[0]["outcomes"]}
        whole = sum(row["exchanges"] for row in soak.seen.models.values())
        equal([ends.pop("ok"), ends.pop("client_abort"), ends.pop("lost")], [whole, soak.left, 0])
        equal(sum(ends.values()), soak.failed)
        equal(sum(export["refused_records"] for export in exports), 0)


if __name__ == "__main__":
    sys.exit(main())
