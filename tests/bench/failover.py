#!/usr/bin/env python3
"""make bench-failover: 500 callers before three vendors that fail and dawdle, directly and through Lethe, in one run.

Directly means what an application without a relay does: each caller has one key of one vendor, and tries once. Through
Lethe the same callers ask one alias that may use all eight keys. Sides take turns, round by round, before the same
vendors. A call is good when it has status 200, text, its end mark and no error; what the others were told stands in
`failed` of the raw result. The first token is the first event with text in it; its times are those of good calls.
Callers wait for an answer's end, think (exponentially distributed), and ask again: a closed loop. A connection that was
lost is opened again while the caller thinks, so the direct side is not charged for handshakes.

All times are a tenth of life's, so that 500 callers fit on two cores: first tokens are log-normal around the vendor's
median, one in twenty takes ten times as long, and a caller thinks for three seconds. 5.8 % of the calls fail, with
429, 500, a reset, or a cut before the first byte of the body; who says 429 asks to wait for 0.2 s. Each vendor
draws from a seed of its own.

The machine may be shared. Each round waits up to a minute for it to be at most half busy, and then counts whatever
comes; how busy it was stands beside, and which rungs of the overload ladder the relays entered (`rungs`): a relay that
gets no CPU for 0.2 s refuses callers, and those are failed calls here.

What choosing can gain depends on how far the vendors are apart, so there is a table of vendors (PROFILES), and each is
measured. The promise is judged by the first; the others stand beside it. Hedging sends a second copy of a late request:
`learnt` after the 95th percentile of what was seen, `early` after `hedge_ms`, half the fastest vendor's median. Its
price stands beside: attempts per good call, and the share of all tokens that were paid for a copy that lost, counted as
its prompt.

The mean is over calls. In a closed loop who is served fast asks more often, so the direct side's mean counts the
callers of slow vendors less than they are; the mean over callers, which does not, stands beside it.

The raw result goes to tests/bench/results/failover-<date>-<commit>.json. LETHE_BENCH_SHORT=1 is a smoke of the same.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "client"))

from harness import ROOT, Relay, children  # noqa: E402

CALLERS = ROOT / "build/bench/callers"
SHORT = bool(os.environ.get("LETHE_BENCH_SHORT"))
COUNT, SECONDS, WARM_S = (500, 6, 3) if SHORT else (500, 20, 5)
THINK_MS = 3000
CLEAN = {"callers": 24, "think": 40, "warm": 1, "seconds": 2 if SHORT else 8}
CLEAN_ROUNDS = 2 if SHORT else 7
POOLS = {"near": 3, "middle": 3, "far": 2}
# Medians of the first token in ms, by vendor; the first one is judged.
PROFILES = {
    "apart": {"near": 40, "middle": 120, "far": 400, "rounds": 1 if SHORT else 3},
    "close": {"near": 60, "middle": 120, "far": 250, "rounds": 1},
    "alike": {"near": 100, "middle": 100, "far": 100, "rounds": 1},
}
SIGMA = 0.8
QUIET_WAIT_S = 60
ANSWER = "events=5,size=20,gap_ms=2"
CLEAN_ANSWER = "events=5,size=20"  # a timer of the vendor's would take up some of what a relay adds
TAIL = "tail_percent=5,tail_factor=10"
FAILING = "permille=58,mix,retry_after=200,after=ms"
SIDES = ("direct", "plain", "learnt", "early")
PROMPT = "Say in one sentence why the sea is salt, and in another one why rivers are not."
# Second copies at the same vendor count as repeats, and every key here pays for them.
SETTINGS = {"key_exchanges": 1024, "source_connections": 8000, "source_handshakes": 64, "retry_percent": 100}


def config(value):
    """Every caller's key pays for second copies: whether there are any is the alias's to say."""
    for key in value["keys"]:
        key["hedge"] = True


def hedge_ms(profile):
    return min(profile[vendor] for vendor in POOLS) // 2


def aliases(late_ms):
    targets = [(vendor, "mock-1") for vendor in POOLS]
    return {"plain": {"targets": targets, "strategy": "fastest"},
            "learnt": {"targets": targets, "strategy": "fastest", "hedge": True},
            "early": {"targets": targets, "strategy": "fastest", "hedge": True, "hedge_ms": late_ms}}


def ticks(pids):
    """CPU time in seconds."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def machine_ticks():
    words = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return {"all": sum(words), "idle": words[3] + words[4], "stolen": words[7]}


def quiet():
    """Waits until others leave half of the machine, but not for ever."""
    end = time.monotonic() + QUIET_WAIT_S
    while time.monotonic() < end:
        before = machine_ticks()
        time.sleep(2)
        after = machine_ticks()
        if after["idle"] - before["idle"] >= (after["all"] - before["all"]) / 2:
            return


class Bench:
    def __init__(self, folder, profile):
        self.folder, self.profile = folder, PROFILES[profile]
        self.relay = Relay(models=aliases(hedge_ms(self.profile)), vendors=tuple(POOLS), pools=POOLS, config=config,
                           settings=SETTINGS, vendor_options={"record": False}, start=False)
        self.vendors = self.relay.vendors
        self.seed_vendors()
        self.relay.start()
        self.bodies = {name: self.body(name) for name in ("mock-1", *aliases(1))}

    def seed_vendors(self):
        """With one seed for all, the nth call of each vendor would have the same fate, one series thrice."""
        for nth, vendor in enumerate(self.vendors.values()):
            vendor.stop()
            vendor.command += ["--seed", str(1 + nth + 100 * list(PROFILES.values()).index(self.profile))]
            vendor.start()

    def body(self, model):
        file = self.folder / f"{model}.json"
        file.write_text(json.dumps({"model": model, "stream": True, "stream_options": {"include_usage": True},
                                    "messages": [{"role": "user", "content": PROMPT}]}))
        return file

    def lanes(self, *sides):
        """The callers' file: who asks whom, with which key."""
        rows = []
        for number, side in enumerate(sides):
            if side == "direct":
                rows += [f"{number} {v.port} {v.ca} localhost {key} {self.bodies['mock-1']}"
                         for v in self.vendors.values() for key in v.keys]
            else:
                at = f"{self.relay.port} {self.relay.ca} localhost {self.relay.key}"
                rows.append(f"{number} {at} {self.bodies[side]}")
        file = self.folder / "lanes"
        file.write_text("".join(row + "\n" for row in rows))
        return file

    def call(self, *sides, callers=COUNT, seconds=SECONDS, warm=WARM_S, think=THINK_MS, seed=1):
        """Lets callers ask; returns what each side gave them, with the CPU time of everybody."""
        quiet()
        said = self.relay.log.stat().st_size
        command = [CALLERS, "--lanes", self.lanes(*sides), "--callers", callers, "--seconds", seconds, "--warm", warm,
                   "--think", think, "--seed", seed]
        p = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if p.stdout.readline() != "ready\n":
                raise RuntimeError("the callers are not ready")
            before, cpu = machine_ticks(), ticks(self.pids())
            for vendor in self.vendors.values():
                vendor.mark()
            p.stdin.write("go\n")
            p.stdin.flush()
            numbers = json.loads(p.stdout.readline())["sides"]
        finally:
            p.stdin.close()
            p.wait()
        after = machine_ticks()
        spent = {key: after[key] - before[key] for key in after}
        shared = {"lethe_cpu_s": round(ticks(self.pids()) - cpu, 2),
                  "machine_busy": round(1 - spent["idle"] / spent["all"], 3),
                  "stolen": round(spent["stolen"] / spent["all"], 3), "vendors": self.counted(),
                  "rungs": re.findall(r"PRESSURE rung=(\d)", self.relay.log.read_text()[said:])}
        return [side | shared for side in numbers]

    def pids(self):
        return [self.relay.lethed.pid, *children(self.relay.lethed.pid)]

    def counted(self):
        """What the vendors have counted since the mark. A copy that lost has cost its prompt, no word of an answer."""
        found = {}
        for name, vendor in self.vendors.items():
            rows = [row for row in vendor.ledger() if row["kind"] == "stream"]
            lost = [row for row in rows if row["cut_by"] == "peer"]
            whole = [row for row in rows if row["complete"]]
            keys = [sum(row["key"] == n + 1 for row in rows) for n in range(len(vendor.keys))]
            found[name] = {"exchanges": len(rows), "lost": len(lost), "keys": keys,
                           "tokens": sum(row["prompt_tokens"] + row["completion_tokens"] for row in whole),
                           "tokens_lost": sum(row["prompt_tokens"] for row in lost)}
        return found

    def faults(self, *rows):
        for name, vendor in self.vendors.items():
            vendor.faults(*(row.format(median=self.profile[name]) for row in rows))

    def counters(self, fresh=True):
        """The box's own counters. They are published once a minute: with `fresh`, waits for the next time."""
        text = lambda: self.relay.admin("GET", "/metrics")[1].decode()  # noqa: E731
        now = seen = text()
        end = time.monotonic() + 75
        while fresh and now == seen and time.monotonic() < end:
            time.sleep(0.5)
            now = text()
        return {name: int(value) for name, value in re.findall(r"^lethe_(\w+)_total (\d+)$", now, re.M)}

    def stop(self):
        self.relay.__exit__(None, None, None)


def cold(before, after):
    """Attempts that had to wait for a handshake, of all exchanges."""
    attempts, reused, exchanges = (after[key] - before[key] for key in ("attempts", "upstream_reused", "exchanges"))
    return {"attempts": attempts, "cold": attempts - reused, "exchanges": exchanges,
            "share": (attempts - reused) / max(1, exchanges)}


def good_share(rows):
    return sum(r["ends"]["good"] for r in rows) / max(1, sum(r["calls"] for r in rows))


def mean(rows, key="first_mean_us"):
    """Over all good calls of the rounds, in ms."""
    good = sum(r["ends"]["good"] for r in rows)
    return sum(r[key] * r["ends"]["good"] for r in rows) / max(1, good) / 1e3


def percentile(rows, p):
    """The median of the rounds, in ms."""
    return statistics.median(r["first_percentiles_us"][p] for r in rows) / 1e3


def vendor_sum(rows, key):
    return sum(v[key] for r in rows for v in r["vendors"].values())


def failed_kinds(rows):
    """How they ended, status, x-lethe-end, x-lethe-attempts and the error's code -> calls."""
    found = {}
    for kind, count in [item for r in rows for item in r["failed"].items()]:
        found[kind] = found.get(kind, 0) + count
    return found


def summary(rows):
    """One side of one profile. Attempts and tokens are the vendors' own count, of the whole round."""
    paid, lost = vendor_sum(rows, "tokens"), vendor_sum(rows, "tokens_lost")
    good_ever = max(1, sum(r["good_ever"] for r in rows))
    return {"calls": sum(r["calls"] for r in rows), "good": good_share(rows), "mean_ms": mean(rows),
            "mean_of_callers_ms": mean(rows, "first_mean_of_callers_us"),
            "p50_ms": percentile(rows, 50), "p95_ms": percentile(rows, 95), "p99_ms": percentile(rows, 99),
            "attempts_per_good": vendor_sum(rows, "exchanges") / good_ever, "failed": failed_kinds(rows),
            "copies_lost": vendor_sum(rows, "lost") / max(1, vendor_sum(rows, "exchanges")),
            "tokens_lost": lost / max(1, paid + lost), "busy": statistics.median(r["machine_busy"] for r in rows),
            "lethe_cpu_ms_per_call": 1e3 * sum(r["lethe_cpu_s"] for r in rows) / good_ever}


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def faulty(bench, name):
    """All sides in turn, as often as there are rounds."""
    bench.faults(f"all lognormal={{median}}:{SIGMA},{TAIL},{ANSWER}", f"all {FAILING}")
    raw = {side: [] for side in SIDES}
    for nth in range(bench.profile["rounds"]):
        for side in SIDES[nth % 4:] + SIDES[:nth % 4]:
            row = bench.call(side, seed=nth + 1)[0]
            raw[side].append(row)
            ends = {key: count for key, count in row["ends"].items() if count}
            say(f"  {name:<8} {side:<8} first token {mean([row]):6.1f} ms, "
                f"busy {100 * row['machine_busy']:.0f} %, {ends}")
    return raw


def clean(bench):
    """No faults, answers at once: few callers ask in turn directly and through Lethe, both on warm connections."""
    rows = []
    for nth in range(CLEAN_ROUNDS):
        direct, lethe = bench.call("direct", "plain", seed=nth + 1, **CLEAN)
        rows.append({"direct": direct, "lethe": lethe})
        told = [f"{side['first_percentiles_us'][p]:.0f}" for side in (direct, lethe) for p in (50, 99)]
        say(f"  clean    first token, p50 and p99 in us: direct {told[0]} {told[1]}, through Lethe {told[2]} {told[3]}")
    return rows


def added(rows, p):
    """What Lethe adds to a percentile of the first token, in ms: the median of the rounds, and the least."""
    found = [(r["lethe"]["first_percentiles_us"][p] - r["direct"]["first_percentiles_us"][p]) / 1e3 for r in rows]
    return statistics.median(found), min(found)


def verdicts(result):
    """What was promised, with what was found."""
    first = result["profiles"][next(iter(PROFILES))]["sides"]

    def row(what, value, limit, unit, at_least=False):
        return {"what": what, "value": value, "limit": limit, "unit": unit, "at_least": at_least,
                "met": value >= limit if at_least else value <= limit}

    calls = sum(first[side]["calls"] for side in SIDES[1:])
    good = sum(first[side]["good"] * first[side]["calls"] for side in SIDES[1:])
    rows = [row("success through Lethe, all calls", 100 * good / calls, 99.95, "%", True),
            row("mean first token below direct, hedged early",
                100 * (1 - first["early"]["mean_ms"] / first["direct"]["mean_ms"]), 74, "%", True),
            row("p99 of the first token, added without faults", result["added_p99_ms"], 1, "ms")]
    if result["cold"]:
        share = result["cold"]["clean"]["share"]
        rows += [row("attempts that waited for a handshake, without faults", 100 * share, 0.1, "%")]
    return rows


COLUMNS = [("vendors", ""), ("side", ""), ("success", "%"), ("mean", "ms"), ("below", "direct"),
           ("same by", "caller"), ("p50", "ms"), ("p95", "ms"), ("p99", "ms"), ("attempts", "per good"),
           ("copies", "lost"), ("tokens", "lost"), ("CPU", "busy"), ("Lethe's", "ms/call")]


def columns(name, side, n, direct):
    below = [f"{100 * (1 - n[key] / direct[key]):.0f} %" for key in ("mean_ms", "mean_of_callers_ms")]
    shares = [f"{100 * n[key]:.1f} %" for key in ("copies_lost", "tokens_lost", "busy")]
    return [name, side, f"{100 * n['good']:.3f}", f"{n['mean_ms']:.1f}", *below,
            *(f"{n[key]:.0f}" for key in ("p50_ms", "p95_ms", "p99_ms")), f"{n['attempts_per_good']:.2f}", *shares,
            f"{n['lethe_cpu_ms_per_call']:.2f}"]


def table(result):
    """Lines for a reader."""
    rows = [*zip(*COLUMNS)]
    for name, profile in result["profiles"].items():
        rows += [columns(name, side, n, profile["sides"]["direct"]) for side, n in profile["sides"].items()]
    for row in rows:
        yield " ".join(f"{word:>8}" for word in row)
    yield ""
    for r in result["verdicts"]:
        sign = ">=" if r["at_least"] else "<="
        met = "met" if r["met"] else "NOT MET"
        yield f"{r['what']:<54} {r['value']:8.3f} {sign} {r['limit']:<6} {r['unit']:<3} {met}"
    yield from prices(result)
    for name, profile in result["profiles"].items():
        for side in SIDES[1:]:
            for kind, count in profile["sides"][side]["failed"].items():
                yield f"failed: {name}, {side}: {kind}: {count}"


def prices(result):
    """What hedging costs, beside what it gains."""
    name = next(iter(PROFILES))
    sides = result["profiles"][name]["sides"]
    for side in SIDES[1:]:
        n = sides[side]
        yield (f"{name}, {side}: {100 * (1 - n['mean_ms'] / sides['direct']['mean_ms']):.1f} % below direct, for "
               f"{n['attempts_per_good']:.2f} attempts per good call ({sides['direct']['attempts_per_good']:.2f} "
               f"directly) and {100 * n['tokens_lost']:.1f} % of all tokens for copies that lost")


def measure(folder):
    result = {"profiles": {}, "cold": {}}
    for name in PROFILES:
        bench = Bench(folder, name)
        try:
            if not result["profiles"]:
                clean_first(bench, result)
            raw = faulty(bench, name)
            if result["cold"] and not result["profiles"]:
                result["cold"]["faulty"] = cold(result["counters"], bench.counters())
            medians = {vendor: bench.profile[vendor] for vendor in POOLS}
            result["profiles"][name] = {"medians_ms": medians, "hedge_ms": hedge_ms(medians), "raw": raw,
                                        "sides": {side: summary(rows) for side, rows in raw.items()}}
        finally:
            bench.stop()
    return result


def clean_first(bench, result):
    """Without faults, and before everything: with faults one handshake in some is nobody's fault but the vendor's."""
    bench.faults(f"all {CLEAN_ANSWER}")
    bench.call("direct", "plain", **CLEAN)
    before = None if SHORT else bench.counters()
    result["clean"] = clean(bench)
    result["added_p50_ms"], result["added_p50_least_ms"] = added(result["clean"], 50)
    result["added_p99_ms"], result["added_p99_least_ms"] = added(result["clean"], 99)
    if not SHORT:
        result["counters"] = bench.counters()
        result["cold"]["clean"] = cold(before, result["counters"])


def machine():
    models = [row.split(":", 1)[1].strip() for row in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
              if row.startswith("model name")]
    return {"cores": len(os.sched_getaffinity(0)), "model": models[0] if models else platform.machine(),
            "kernel": platform.release()}


def keep(result):
    commit = os.environ.get("LETHE_COMMIT", "unknown")[:12]
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    file = ROOT / "build/bench/failover-short.json" if SHORT else HERE / "results" / f"failover-{day}-{commit}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    return file


def main():
    began, before = time.monotonic(), machine_ticks()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with tempfile.TemporaryDirectory(prefix="lethe-bench-") as name:
        result = measure(pathlib.Path(name))
    after = machine_ticks()
    result = {"version": os.environ.get("LETHE_VERSION", "unknown"),
              "commit": os.environ.get("LETHE_COMMIT", "unknown"),
              "machine": machine(), "seconds": round(time.monotonic() - began, 1),
              "stolen": round((after["stolen"] - before["stolen"]) / (after["all"] - before["all"]), 3),
              "parameters": {"callers": COUNT, "think_ms": THINK_MS, "seconds": SECONDS, "warm_s": WARM_S,
                             "keys": POOLS, "sigma": SIGMA, "tail": TAIL, "answer": ANSWER, "failing": FAILING,
                             "settings": SETTINGS,
                             "clean": CLEAN | {"answer": CLEAN_ANSWER, "rounds": CLEAN_ROUNDS}},
              "verdicts": verdicts(result)} | result
    result.pop("counters", None)
    print("\n".join(table(result)))
    print(f"parameters: {json.dumps(result['parameters'])}")
    print(f"first token added without faults: p50 {result['added_p50_ms']:.3f} ms, p99 {result['added_p99_ms']:.3f} ms "
          f"(least of the rounds {result['added_p99_least_ms']:.3f} ms); "
          f"waited for a handshake: {json.dumps(result['cold'])}")
    print(f"{result['seconds']} s, {result['stolen']:.0%} stolen; raw numbers: {keep(result).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
