"""What the tests of overload share: a relay that is easily full, a load generator, and the relay's own figures."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from tap import eventually, holds  # noqa: E402

LOAD = harness.ROOT / "build/bench/load"
MIB = 1 << 20
ROOMY = {"key_exchanges": 1024, "connections": 8000, "source_connections": 8000}


def chat(model, text="x", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}]} | more


def relay(models, settings, relays=1, **more):
    return harness.Relay(models=models, relays=relays, settings=ROOMY | settings,
                         vendor_options={"ledger": False, "record": False}, **more)


def command(r, body, conns, *more, key=None, path="/v1/chat/completions"):
    name = f"load-{len(list(r.dir.glob('load-*')))}"
    (r.dir / f"{name}.keys").write_text((key or r.key) + "\n")
    (r.dir / name).write_text(json.dumps(body))
    words = [LOAD, "--port", r.port, "--ca", r.ca, "--path", path, "--keys", r.dir / f"{name}.keys",
             "--body", r.dir / name, "--conns", conns, *more]
    return [str(word) for word in words]


def load(r, body, conns, seconds, rate=0, *more, **where):
    """Asks as often as it can (closed loop) or `rate` times a second whatever happens (open loop). What it returns
    has `errors`: answers that were not whole, or neither 200 nor 503 with Retry-After."""
    words = ["--seconds", seconds, "--refusals", *(["--rate", rate] if rate else []), *more]
    done = subprocess.run(command(r, body, conns, *words, **where), input="\n", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=seconds + 70)
    if not done.stdout.startswith("ready\n{"):
        raise AssertionError(f"load: {done.stderr}")
    got = json.loads(done.stdout.splitlines()[-1])
    got["per_s"] = got["requests"] / (got["seconds"] if not rate else seconds)
    got["said"] = done.stderr
    return got


@contextlib.contextmanager
def held(r, body, conns, all_begun=True, **where):
    """So many streams that go on. They have begun, all_begun says; whoever is refused asks again."""
    process = subprocess.Popen(command(r, body, conns, "--hold", "--refusals", **where), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        holds(not all_begun or process.stdout.readline() == "ready\n", "the streams do not begin")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def figures(r):
    """One row for each relay process, live."""
    return json.loads(r.admin("GET", "/admin/v1/status")[1])["relays"]


def rung(r):
    return max(row["pressure_now"] for row in figures(r))


def calm(r, seconds=10):
    eventually(lambda: rung(r) == 0, seconds)


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+)", text, re.MULTILINE).group(1)) * 1024


def ledger_and_resident(r):
    """Sums over the relay processes; the ledger is looked at ten times a second."""
    time.sleep(0.3)
    rows = figures(r)
    return sum(row["memory_now"] for row in rows), sum(resident(row["pid"]) for row in rows)


class Cgroup:
    """Bounds for processes, by either version of control groups. None can be had: `made` is False."""

    ROOT = pathlib.Path("/sys/fs/cgroup")

    def __init__(self, name):
        self.v2 = (self.ROOT / "cgroup.controllers").exists()
        self.folders = [self.ROOT / name] if self.v2 else [self.ROOT / "memory" / name, self.ROOT / "cpu" / name]
        self.made = True
        try:
            if self.v2:
                (self.ROOT / "cgroup.subtree_control").write_text("+memory +cpu")
            for folder in self.folders:
                folder.mkdir(exist_ok=True)
        except OSError:
            self.made = False

    def add(self, pids):
        for folder in self.folders:
            for pid in pids:
                (folder / "cgroup.procs").write_text(str(pid))

    def memory(self, count):
        (self.folders[0] / ("memory.max" if self.v2 else "memory.limit_in_bytes")).write_text(str(count))

    def killed(self):
        """How often the kernel has killed one of them for memory."""
        text = (self.folders[0] / ("memory.events" if self.v2 else "memory.oom_control")).read_text()
        return int(re.search(r"^oom_kill (\d+)", text, re.MULTILINE).group(1))

    def cpu(self, percent):
        """0: no bound."""
        if self.v2:
            (self.folders[0] / "cpu.max").write_text(f"{percent * 1000} 100000" if percent else "max 100000")
        else:
            (self.folders[1] / "cpu.cfs_quota_us").write_text(str(percent * 1000 if percent else -1))

    def end(self):
        """Its processes have ended, or go back to where all are."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                for pid in (folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(OSError):
                        (folder.parent / "cgroup.procs").write_text(pid)
                folder.rmdir()
