"""A running relay before a running mock vendor, for any test that wants one.

    with Relay(models={"chat": "mock-1", "late": "mock:delay_ms=300"}) as relay:
        relay.base_url, relay.key, relay.ca      what a client needs
        relay.vendor.received(), .ledger()       what the vendor saw and counted

Everything lives in a folder of its own and ends, by process id, with the block; the folder stays when LETHE_KEEP is set
or when the block failed and LETHE_KEEP_FAILED is. LETHE_BIN names another folder of binaries (build/san/bin, ...);
LETHE_WITHOUT a key that is left out of every lethe.json ("settings.idle_ms").
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("LETHE_BIN") or ROOT / "build/bin")
VENDOR_BIN = pathlib.Path(os.environ.get("LETHE_VENDOR_BIN") or ROOT / "build/bin/mock-vendor")
READY_S = 20
STOP_S = 30


def free_port():
    """A port nobody listens on now, outside the range the kernel gives to connections by itself."""
    for _ in range(100):
        port = 10000 + int.from_bytes(os.urandom(2), "big") % 20000
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def spelled(model):
    """A model name of the mock vendor as lethe.json takes it."""
    return model.replace("=", ":").replace(",", "/") if model.startswith("mock:") else model


def leave_out(value, path):
    """Takes a key out of all objects where it stands: ["upstreams", "pins"]. See tests/fault/settings.full.py."""
    if isinstance(value, list):
        for one in value:
            leave_out(one, path)
    elif isinstance(value, dict) and len(path) == 1:
        value.pop(path[0], None)
    elif isinstance(value, dict):
        leave_out(value.get(path[0]), path[1:])


def json_lines(path):
    """The whole lines of a file that may still be growing."""
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8", "replace")
    return [json.loads(row) for row in text.split("\n")[:-1]]


def children(pid):
    """Process ids of all descendants."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in direct:
            found += [child, *children(child)]
    return found


def end(process, seconds=STOP_S):
    """SIGTERM, and after a while SIGKILL for it and all it started. Returns the exit status."""
    if process.poll() is not None:
        return process.returncode
    family = children(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *family]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return process.wait()


class Vendor:
    """One mock vendor. `received` and `ledger` count from where `mark` was set last."""

    def __init__(self, folder, name, certs, key, plain=False, workers=1, ledger=True, record=True, extra=(), more_keys=(),
                 key_log=False):
        self.folder, self.name, self.key, self.plain = folder, name, key, plain
        self.host = f"{name}.vendor.test"
        self.port = free_port()
        self.ledger_file, self.record_file = folder / f"{name}.ledger", folder / f"{name}.record"
        self.log = folder / f"{name}.log"
        keys = folder / f"{name}.keys"
        self.keys = [key, *more_keys]
        keys.write_text("".join(f"{one}\n" for one in self.keys))
        self.command = [VENDOR_BIN, "--listen", f"127.0.0.1:{self.port}", "--key", keys, "--workers", str(workers),
                        "--fixtures", folder / "streams", "--raws", folder / "raws"]
        pair = ["--tls-cert", certs / "vendor.crt", "--tls-key", certs / "vendor.key"]
        self.command += ["--plain"] if plain else pair
        self.command += ["--ledger", self.ledger_file] if ledger else []
        self.command += ["--record", self.record_file] if record else []
        self.key_log = folder / f"{name}.tls-keys"
        self.command += ["--key-log", self.key_log] if key_log else []
        self.command += extra
        for place in ("streams", "raws"):  # what mock:fixture=NAME and mock:raw=NAME send; tests put files there
            (folder / place).mkdir(exist_ok=True)
        self.ca = None if plain else certs / "vendor-ca.crt"
        self.process = None
        self._received_from = self._ledger_from = 0
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            said_before = log.tell()
            self.process = subprocess.Popen([str(word) for word in self.command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 5
        while b"listens on" not in self.log.read_bytes()[said_before:]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mock vendor does not start:\n{self.log.read_text()}")
            time.sleep(0.01)

    def stop(self):
        end(self.process)

    def credentials(self):
        """Names of its keys in the vault."""
        return [self.name, *(f"{self.name}-{number}" for number in range(2, len(self.keys) + 1))]

    def mark(self):
        """Forgets what was received and counted so far."""
        self._received_from = len(json_lines(self.record_file))
        self._ledger_from = len(json_lines(self.ledger_file))

    def received(self):
        """Requests as they came: {"head", "body", "connection", "nth"}."""
        return json_lines(self.record_file)[self._received_from:]

    def last_words(self):
        """Text of the last user message of the last request."""
        body = json.loads(self.received()[-1]["body"])
        content = [m["content"] for m in body["messages"] if m["role"] == "user"][-1]
        return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)

    def ledger(self):
        """Exchanges that have ended: see tests/vendor/ledger.c."""
        return json_lines(self.ledger_file)[self._ledger_from:]

    def sums(self):
        """GET /mock/ledger, over all workers and since the start."""
        return json.loads(self.request("GET", "/mock/ledger")[1])

    def faults(self, *rows):
        """Puts a table of faults in place of the one before: tests/vendor/table.h says what a row is."""
        status, text, _ = self.request("POST", "/mock/faults", "\n".join(rows).encode())
        if status != 200:
            raise AssertionError(f"not understood: {text!r} of {rows}")

    def request(self, method, path, body=None, headers=None):
        """Speaks to the vendor itself. Returns (status, body, headers)."""
        if self.plain:
            c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        else:
            c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30,
                                            context=ssl.create_default_context(cafile=self.ca))
        try:
            c.request(method, path, body, headers or {})
            answer = c.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            c.close()


class Relay:
    """lethed with its roles.

    models    alias -> vendor's model name, or a list of (vendor, model name) in order of preference; a third member of
              a target is an object of further keys, and so is the list's place taken by {"targets": list, key: ...}
    vendors   names of mock vendors; the first is where a plain model name goes
    keys      name -> {"project", "models", "expires"}; `key` is the first one's
    settings  of lethe.json
    policy    a policy as an object; policy/default.json when None
    config    called with lethe.json's object before it is written, to change anything else
    pools     vendor -> how many keys of it the relay holds; one when not said
    apart     aliases that each go to an upstream with a vendor key of its own: what the relay learns by one of them is
              not held against the others
    """

    # Further words of lethed's, and descriptors it inherits.
    more_words, more_fds = (), ()

    def __init__(self, models=None, vendors=("mock",), keys=None, settings=None, policy=None, relays=2, plain=False,
                 vendor_options=None, config=None, certs=None, start=True, pools=None, apart=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lethe-test-"))
        self.vendors, self.lethed = {}, None
        try:
            self._prepare(certs)
            for name in vendors:
                first, *others = (f"sk-mock-{name}-{os.urandom(8).hex()}" for _ in range((pools or {}).get(name, 1)))
                self.vendors[name] = Vendor(self.dir, name, self.certs, first, plain=plain, more_keys=others,
                                            **(vendor_options or {}))
            self.vendor = self.vendors[vendors[0]]
            self.relays, self.settings, self.policy, self.change = relays, settings or {}, policy, config
            self.models, self.apart = models or {"chat": "mock-1"}, tuple(apart)
            self.keys, self.entries = {}, []
            self._vault(keys or {"test": {"project": "test"}})
            self.write_config()
            if start:
                self.start()
        except BaseException:
            self.stop()
            print(self.logs(), file=sys.stderr)
            self._remove(failed=True)
            raise

    def _prepare(self, certs):
        self.state, self.key_file = self.dir / "state", self.dir / "vault.key"
        self.config, self.exports = self.dir / "config", self.dir / "exports"
        self.log = self.dir / "lethed.log"
        self.certs = pathlib.Path(certs) if certs else self.dir / "certs"
        subprocess.run([ROOT / "scripts/run-certs.sh", self.certs], check=True)
        self.ca = self.certs / "client-ca.crt"
        self.port, self.admin_port = free_port(), free_port()
        self.base_url = f"https://127.0.0.1:{self.port}/v1"
        self.admin_url = f"https://127.0.0.1:{self.admin_port}"
        for folder in (self.config / "tls", self.config / "ca", self.exports):
            folder.mkdir(parents=True)
        for name in ("server", "admin"):
            for kind in ("crt", "key"):
                shutil.copy(self.certs / f"{name}.{kind}", self.config / "tls")
        shutil.copy(self.certs / "vendor-ca.crt", self.config / "ca" / "vendor.pem")

    def lethectl(self, *words, secret=None, check=True):
        """Works on the state file; returns the finished process, its output as text."""
        command = [BIN / "lethectl", *words]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LETHE_ADMIN")}
        result = subprocess.run([str(word) for word in command], input="" if secret is None else secret + "\n",
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, timeout=120)
        if check and result.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def ctl_state(self, *words, **more):
        return self.lethectl(*words, "--state", self.state, "--key-file", self.key_file, **more)

    def _vault(self, keys):
        self.ctl_state("vault", "init")
        for name, vendor in self.vendors.items():
            for credential, key in zip(vendor.credentials(), vendor.keys):
                self.ctl_state("vault", "put", credential, "--host", vendor.host, "--stdin", secret=key)
            for alias in self.apart:
                self.ctl_state("vault", "put", f"{name}.{alias}", "--host", vendor.host, "--stdin", secret=vendor.key)
        for name, row in keys.items():
            self.make_key(name, **row)
        self.key = next(iter(self.keys.values()))
        token = json.loads(self.lethectl("admin", "token", "--json").stdout)
        self.admin_token, self.admin_entry = token["token"], token["entry"]

    def make_key(self, name, project="test", models="*", expires=None):
        """Makes a client key; it counts once the configuration is written and loaded."""
        words = ["key", "make", "--project", project, "--models", models, "--json"]
        made = json.loads(self.ctl_state(*words, *(["--expires", expires] if expires else [])).stdout)
        self.keys[name] = made["key"]
        self.entries.append(made["entry"])

    def config_object(self):
        def entry(alias, model):
            more = model if isinstance(model, dict) else {"targets": model}
            rows = [(self.vendor.name, model)] if isinstance(model, str) else more["targets"]
            own = f".{alias}" if alias in self.apart else ""
            return {"name": alias} | more | {"targets": [
                {"upstream": vendor + own, "model": spelled(name)} | (keys[0] if keys else {}) for vendor, name, *keys in rows]}

        upstreams = []
        for name, vendor in self.vendors.items():
            row = {"name": name, "vendor": name, "addresses": ["127.0.0.1"], "local": ["127.0.0.0/8"],
                   "credential": name}
            if len(vendor.keys) > 1:
                del row["credential"]
                row["credentials"] = [{"name": credential} for credential in vendor.credentials()]
            scheme = "http" if vendor.plain else "https"
            row["base_url"] = f"{scheme}://{vendor.host}:{vendor.port}/v1"
            row |= {"plain_http": True} if vendor.plain else {"ca": "vendor.pem"}
            upstreams.append(row)
            upstreams += [row | {"name": f"{name}.{alias}", "credential": f"{name}.{alias}"} for alias in self.apart]
        return {"lethe": "config/1", "hosts": ["localhost", "127.0.0.1"], "keys": self.entries, "upstreams": upstreams,
                "models": [entry(name, model) for name, model in self.models.items()],
                "admin": [self.admin_entry], "settings": self.settings}

    def write_config(self):
        """Writes lethe.json and policy.json from what this object says now."""
        value = self.config_object()
        if self.change:
            self.change(value)
        leave_out(value, os.environ.get("LETHE_WITHOUT", "").split("."))
        (self.config / "lethe.json").write_text(json.dumps(value, indent=1))
        if self.policy is None:
            shutil.copy(ROOT / "policy/default.json", self.config / "policy.json")
        else:
            (self.config / "policy.json").write_text(json.dumps(self.policy, indent=1))

    def start(self, wait=True):
        command = [BIN / "lethed", "--config", self.config, "--state", self.state, "--key-file", self.key_file,
                   "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}",
                   "--relays", self.relays, *self.more_words]
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL, pass_fds=self.more_fds)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=READY_S):
        deadline = time.monotonic() + seconds
        while True:
            if self.lethed.poll() is not None:
                raise RuntimeError(f"lethed ended with {self.lethed.returncode}:\n{self.log.read_text()}")
            try:
                if self.admin("GET", "/readyz")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"lethed is not ready:\n{self.log.read_text()}")
            time.sleep(0.05)

    def tls(self):
        return ssl.create_default_context(cafile=self.ca)

    def admin(self, method, path, body=None):
        """A request to the management plane. Returns (status, body)."""
        c = http.client.HTTPSConnection("127.0.0.1", self.admin_port, timeout=30, context=self.tls())
        try:
            c.request(method, path, body, {"Authorization": f"Bearer {self.admin_token}"})
            answer = c.getresponse()
            return answer.status, answer.read()
        finally:
            c.close()

    def reload(self):
        return self.admin("POST", "/admin/v1/reload")

    def request(self, method, path, body=None, key=None, headers=None):
        """One request on a connection of its own. `body`: bytes, or an object for JSON.
        Returns (status, body, headers)."""
        c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.tls())
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        fields = {"Authorization": f"Bearer {key or self.key}"}
        fields |= {"Content-Type": "application/json"} if body is not None else {}
        try:
            c.request(method, path, body, fields | (headers or {}))
            answer = c.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            c.close()

    def pids(self):
        """Role name -> process ids."""
        roles = {"lethed": [self.lethed.pid]}
        for pid in children(self.lethed.pid):
            try:
                name = pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name
            except OSError:
                continue
            roles.setdefault(name, []).append(pid)
        return roles

    def export(self):
        """After stop(): the exports as objects, oldest first."""
        self.ctl_state("export", "pull", "--out", self.exports)
        return [json.loads(file.read_bytes()) for file in sorted(self.exports.glob("usage-*.json"))]

    def stop(self):
        """Ends lethed cleanly, then the vendors. Returns lethed's exit status."""
        status = end(self.lethed) if self.lethed else None
        for vendor in self.vendors.values():
            vendor.stop()
        return status

    def logs(self):
        text = ""
        for file in sorted(self.dir.glob("*.log")):
            text += f"--- {file.name}\n{file.read_text(errors='replace')}"
        return text

    def _remove(self, failed):
        if not os.environ.get("LETHE_KEEP") and not (failed and os.environ.get("LETHE_KEEP_FAILED")):
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            print(f"# kept: {self.dir}", file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.stop()
        self._remove(failed=kind is not None)
