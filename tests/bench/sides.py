"""Who is measured: Lethe, nginx, HAProxy, and the vendor itself, all before one mock vendor; and the meters."""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "client"))

from harness import ROOT, Relay, Vendor, children, end, free_port, spelled  # noqa: E402

LOAD = ROOT / "build/bench/load"
CPUS = sorted(os.sched_getaffinity(0))
# The measured one has its core for itself, as far as this machine has two; one relay, one worker, one thread.
PROXY_CPUS, OTHER_CPUS = ({CPUS[0]}, set(CPUS[1:])) if len(CPUS) > 1 else (set(CPUS), set(CPUS))


class pinned:
    """What starts inside runs on these cores."""

    def __init__(self, cpus):
        self.cpus = cpus

    def __enter__(self):
        os.sched_setaffinity(0, self.cpus)

    def __exit__(self, *_):
        os.sched_setaffinity(0, CPUS)


def cpu_us(pids):
    """CPU time of all threads so far, by the scheduler's own count."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e3


def memory_kib(pids, what="Pss"):
    total = 0
    for pid in pids:
        for row in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if row.startswith(what + ":"):
                total += int(row.split()[1])
    return total


class Side:
    """One that answers on a port. `models` tells what a name of the bench is called here."""

    def __init__(self, name, folder, port, ca, keys, models):
        self.name, self.folder, self.port, self.ca, self.models = name, folder, port, ca, models
        self.keys = folder / f"{name}.keys"
        self.keys.write_text("".join(key + "\n" for key in keys))

    def body(self, model, prompt, stream=False):
        """A file with the request's body."""
        value = {"model": self.models[model], "messages": [{"role": "system", "content": "Answer shortly."},
                                                          {"role": "user", "content": prompt}]}
        value |= {"stream": True} if stream else {}
        text = json.dumps(value, ensure_ascii=False).encode()
        file = self.folder / f"{self.name}-{model}-{len(text)}{'-s' if stream else ''}.json"
        file.write_bytes(text)
        return file


class Proxy(Side):
    """nginx or HAProxy: a plain TLS-to-TLS proxy with connections kept to the vendor."""

    def __init__(self, name, folder, vendor, certs, models):
        super().__init__(name, folder, free_port(), certs / "client-ca.crt", ["bench"], models)
        self.vendor, self.certs = vendor, certs
        pem = folder / "server.pem"
        pem.write_text((certs / "server.crt").read_text() + (certs / "server.key").read_text())
        text = (HERE / f"{name}.conf").read_text()
        for word, value in {"DIR": folder, "PORT": self.port, "VENDOR_PORT": vendor.port, "VENDOR_HOST": vendor.host,
                            "KEY": vendor.key, "CERT": certs / "server.crt", "PRIVATE": certs / "server.key",
                            "PEM": pem, "CA": certs / "vendor-ca.crt"}.items():
            text = text.replace(f"@{word}@", str(value))
        config = folder / f"{name}.conf"
        config.write_text(text)
        command = {"nginx": ["nginx", "-p", folder, "-e", folder / "nginx.log", "-c", config],
                   "haproxy": ["haproxy", "-db", "-f", config]}[name]
        with pinned(PROXY_CPUS), open(folder / f"{name}.out", "wb") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL)
        time.sleep(0.5)
        if self.process.poll() is not None:
            raise RuntimeError((folder / f"{name}.out").read_text())

    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def stop(self):
        end(self.process)


class Lethe(Side):
    def __init__(self, models):
        with pinned(OTHER_CPUS):
            self.relay = Relay(models={name: spelled(row) if isinstance(row, str) else row
                                       for name, row in models.items()},
                               vendors=("mock", "other"), relays=1, start=False, settings={"key_exchanges": 1024},
                               vendor_options={"ledger": False, "record": False, "workers": 1})
        with pinned(PROXY_CPUS):
            self.relay.start()
        super().__init__("lethe", self.relay.dir, self.relay.port, self.relay.ca, [self.relay.key],
                         {name: name for name in models})

    def pids(self):
        return [pid for row in self.relay.pids().values() for pid in row]

    def relay_pids(self):
        return self.relay.pids()["lethe-relay"]

    def stop(self):
        self.relay.__exit__(None, None, None)


class Direct(Side):
    """The vendor itself: what the way costs without anybody in between."""

    def __init__(self, folder, vendor, certs, models):
        super().__init__("direct", folder, vendor.port, certs / "vendor-ca.crt", [vendor.key], models)

    def pids(self):
        return []


class Load:
    """The load generator, ready; `go` lets it run and returns its numbers with the CPU time it cost the side."""

    def __init__(self, side, body, *words, **options):
        self.side = side
        command = [LOAD, "--port", side.port, "--ca", side.ca, "--keys", side.keys, "--body", body]
        for name, value in options.items():
            command += [f"--{name}", value]
        command += [f"--{word}" for word in words]
        with pinned(OTHER_CPUS):
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise RuntimeError(f"{side.name}: the load generator is not ready: {command}")

    def go(self, marked=None):
        before = cpu_us(self.side.pids())
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        for row in self.process.stdout:
            if row.startswith("{"):
                numbers = json.loads(row)
                numbers["cpu_us"] = cpu_us(self.side.pids()) - before
                break
            if marked:
                marked(int(row.split()[1]))
        else:
            raise RuntimeError(f"{self.side.name}: the load generator gave up")
        self.stop()
        return numbers

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
