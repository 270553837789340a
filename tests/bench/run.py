#!/usr/bin/env python3
"""make bench: Lethe beside nginx and HAProxy before the same mock vendor, in one run, on loopback.

What counts are ratios of the same run: sides take turns round by round, and a row is the median of the pairs;
"quietest" is the least of Lethe's rounds over the least of nginx's, which a noisy machine disturbs less. The raw numbers
go to tests/bench/results/<date>-<commit>.json. LETHE_BENCH_SHORT=1 is a smoke of the same in short, whose result stays in
build/bench; LETHE_BENCH_FULL=1 has the stream of 10^6 events and more rounds. LETHE_BENCH_ONLY=requests,events measures
only these rows and judges nothing.
"""

import datetime
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time

import measures
import report
from sides import CPUS, HERE, ROOT, Direct, Lethe, Proxy, memory_kib, spelled

SHORT, FULL = bool(os.environ.get("LETHE_BENCH_SHORT")), bool(os.environ.get("LETHE_BENCH_FULL"))
ONLY = set(filter(None, os.environ.get("LETHE_BENCH_ONLY", "").split(",")))
ROUNDS = 1 if SHORT else 7 if FULL else 3


def machine():
    model = [row.split(":", 1)[1].strip() for row in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if row.startswith("model name")]

    def version(*command):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout.splitlines()[0]

    return {"cores": len(CPUS), "model": model[0] if model else platform.machine(), "kernel": platform.release(),
            "nginx": version("nginx", "-v"), "haproxy": version("haproxy", "-v")}


def stolen():
    """Ticks the host gave to others, and all ticks, so far."""
    ticks = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return ticks[7], sum(ticks)


class Bench:
    def __init__(self, folder):
        models = dict(measures.MODELS)
        models["big"] = [("other", models["big"])]
        self.lethe = Lethe(models)
        relay = self.lethe.relay
        self.raw = {"idle": {}}
        self.note("idle", self.lethe, {"value": memory_kib(self.lethe.pids())})
        plain = {name: spelled(model) for name, model in measures.MODELS.items()}
        self.nginx = Proxy("nginx", folder, relay.vendor, relay.certs, plain)
        self.haproxy = Proxy("haproxy", folder, relay.vendor, relay.certs, plain)
        for side in (self.nginx, self.haproxy):
            self.note("idle", side, {"value": memory_kib(side.pids())})
        self.direct = Direct(folder, relay.vendor, relay.certs, plain)
        self.sides = [self.lethe, self.nginx, self.haproxy]

    def note(self, row, side, numbers):
        self.raw.setdefault(row, {}).setdefault(side.name, []).append(numbers)

    def measure(self, row, measure, *args, sides=None, rounds=ROUNDS):
        """Sides take turns; who begins changes with the round, so that drift meets each of them."""
        if ONLY and row not in ONLY:
            return
        for nth in range(rounds):
            turn = list(sides or self.sides)
            turn = turn[nth % len(turn):] + turn[:nth % len(turn)]
            for side in turn:
                numbers = measure(side, *args)
                self.note(row, side, numbers)
                print(f"  {row:<16} {side.name:<8} {report.number(numbers['value'])}", file=sys.stderr, flush=True)

    def grown(self):
        if "requests" in self.raw:
            self.note("grown", self.lethe, {"value": memory_kib(self.lethe.pids()) - self.settled})

    def run(self):
        short, ours = SHORT, [self.lethe]
        measures.requests(self.lethe, 0.5)
        self.settled = memory_kib(self.lethe.pids())
        self.measure("requests", measures.requests, 1 if short else 0.8, rounds=1 if short else 3 * ROUNDS)
        self.grown()
        knee = report.median([n["per_second"] for n in self.raw.get("requests", {}).get("lethe", [])]) or 1000
        self.measure("open loop", measures.open_loop, knee / 2, 1 if short else 2, sides=[*self.sides, self.direct])
        self.measure("new connections", measures.new_connections, 100 if short else 400)
        self.measure("resumed", measures.resumed, 100 if short else 400)
        streams = 20 if short else measures.STREAMS
        self.measure("events", measures.events, streams, rounds=1 if short else 3)
        self.measure("restored", measures.restored, streams, rounds=1 if short else 3)
        count = 1000000 if FULL else 100000
        self.measure("one stream", measures.one_stream, "flood-full" if FULL else "flood", count, sides=ours)
        self.measure("beside a body", measures.beside_a_body, 16 << 20, sides=[self.lethe, self.nginx])
        self.measure("idle connections", measures.idle_connections, 200 if short else 1000,
                     sides=ours if short else None, rounds=1)
        self.measure("open streams", measures.open_streams, 100 if short else 500,
                     sides=ours if short else None, rounds=1)
        self.measure("bodies", measures.large_bodies, 8, 4 << 20, sides=ours, rounds=1)
        if not ONLY or "policy" in ONLY:
            self.raw["policy"] = measures.policy(None)

    def stop(self):
        for side in (self.nginx, self.haproxy, self.lethe):
            side.stop()


def keep(result):
    """Writes the result; returns the file."""
    commit = os.environ.get("LETHE_COMMIT", "unknown")[:12]
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    file = ROOT / "build/bench/short.json" if SHORT or ONLY else HERE / "results" / f"{day}-{commit}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    return file


def main():
    began, before = time.monotonic(), stolen()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with tempfile.TemporaryDirectory(prefix="lethe-bench-") as name:
        bench = Bench(pathlib.Path(name))
        try:
            bench.run()
        finally:
            bench.stop()
    after = stolen()
    share = round((after[0] - before[0]) / (after[1] - before[1]), 3)
    result = {"version": os.environ.get("LETHE_VERSION", "unknown"),
              "commit": os.environ.get("LETHE_COMMIT", "unknown"),
              "machine": machine(), "rounds": ROUNDS, "seconds": round(time.monotonic() - began, 1),
              "stolen": share,
              "rows": [] if ONLY else report.rows(bench.raw, share), "raw": bench.raw}
    file = keep(result)
    print("\n".join(report.table(result["rows"])) if result["rows"] else json.dumps(bench.raw, indent=1))
    if share > report.STOLEN_MOST:
        print(f"{share:.0%} of this machine's time went to others: times of day (p99, gaps) say little")
    print(f"{result['seconds']} s; raw numbers: {file.relative_to(ROOT)}")


main()
