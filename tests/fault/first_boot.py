#!/usr/bin/env python3
"""A box with nothing on it, up to its first answer: lethed on a state of zeros, and what goes wrong on the way."""
import http.client, json, os, pathlib, signal, ssl, subprocess, sys, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "client"))
import harness, sealing
from tap import Tap

CLAIM = "ABCD-2345"
WORDS = b"long words for a vault"
STATE_BYTES = 8 << 20
tap = Tap("first boot")
ok = tap.ok


class Box(harness.Relay):
    """A relay whose configuration is in its state."""

    def __init__(self, **more):
        super().__init__(**{"start": False} | more)
        self.state.write_bytes(bytes(STATE_BYTES))
        self.claim = self.dir / "claim"
        self.claim.write_text(CLAIM + "\n")
        self.token = None

    def start(self, wait=None, key_file=False, more=()):
        command = [harness.BIN / "lethed", "--config-in-state", "--claim", self.claim, "--state", self.state, "--listen",
                   f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}", "--relays", self.relays]
        command += [*(["--key-file", self.key_file] if key_file else []), *more]
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL)
        if wait:
            self.until(wait)

    def ask(self, method, path, body=None, token=None, ca=None):
        """(status, object or text, headers). Without a CA whoever answers is believed: there is no certificate yet."""
        context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
        c = http.client.HTTPSConnection("127.0.0.1", self.admin_port, timeout=70, context=context)
        fields = {"Authorization": f"Bearer {token or self.token}"} if token or self.token else {}
        fields |= {"Content-Type": "application/json"} if body is not None else {}
        try:
            c.request(method, path, None if body is None else json.dumps(body), fields)
            r = c.getresponse()
            text = r.read()
            try:
                return r.status, json.loads(text), r.headers
            except ValueError:
                return r.status, text.decode(), r.headers
        finally:
            c.close()

    def setup(self):
        return self.ask("GET", "/admin/v1/setup")[1]

    def seal_key(self):
        return bytes.fromhex(self.setup()["seal_key"])

    def until(self, state, seconds=20):
        """Waits for a state of GET /admin/v1/setup, or a reason of /readyz, or "ready"."""
        deadline, seen = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            if self.lethed.poll() is not None:
                raise RuntimeError(f"lethed ended with {self.lethed.returncode}:\n{self.log.read_text()}")
            try:
                ready = self.ask("GET", "/readyz")
                seen = (self.setup()["state"], ready[1]["reasons"])
                if state in (seen[0], *seen[1]) or (state == "ready" and ready[0] == 200):
                    return seen
            except (OSError, http.client.HTTPException, KeyError, TypeError):
                pass
            time.sleep(0.05)
        raise RuntimeError(f"not {state} but {seen}:\n{self.log.read_text()}")

    def files(self, **texts):
        """A whole configuration as PUT takes it, with the private keys sealed."""
        seal, found = self.seal_key(), {}
        for name in ("lethe.json", "policy.json", "tls/server.crt", "tls/server.key", "tls/admin.crt", "tls/admin.key",
                     "ca/vendor.pem"):
            raw = (self.config / name).read_bytes()
            found[name] = {"sealed": sealing.seal_text(seal, raw)} if name.endswith(".key") else {"text": raw.decode()}
        return found | {name: {"text": text} for name, text in texts.items()}

    def put(self, files, **more):
        return self.ask("PUT", "/admin/v1/config", {"files": files} | more)

    def settled(self, seconds=10):
        """The management plane comes again with what the new configuration says of it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self.ask("GET", "/admin/v1/status", token=self.admin_token, ca=self.ca)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.1)

    def chat(self):
        return self.request("POST", "/v1/chat/completions",
                            {"model": "chat", "messages": [{"role": "user", "content": "hello"}]})

    def chat_soon(self, seconds=10):
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self.chat()[0]
            except OSError as e:
                answer = repr(e)
            if answer == 200 or time.monotonic() > deadline:
                return answer
            time.sleep(0.1)


def refused(port):
    import socket
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


def unclaimed(box):
    box.start("unclaimed")
    setup = box.setup()
    ok(setup["state"] == "unclaimed" and len(setup["seal_key"]) == 64 and setup["slots"] == [] and not setup["configured"],
       "a state of zeros is a box to be claimed", setup)
    code, ready, _ = box.ask("GET", "/readyz")
    ok(code == 503 and "unclaimed" in ready["reasons"], "which is not ready, and says why", ready)
    ok(refused(box.port), "callers are refused a connection: no relay runs")
    ok(box.ask("GET", "/admin/v1/status")[0] == 401, "nothing is told without the claim code")
    ok(box.ask("GET", "/admin/v1/status", token="AAAA-AAAA")[0] == 401, "nor with a wrong one")
    ok(box.ask("GET", "/admin/v1/status", token="abcd2345")[0] == 200, "the code does, however it is typed")
    for _ in range(9):
        box.ask("GET", "/admin/v1/status", token="AAAA-AAAB")
    code, text, headers = box.ask("GET", "/admin/v1/status", token="AAAA-AAAC")
    wait = headers.get("Retry-After", "0")
    ok(code == 429 and 1 <= int(wait) <= 7, "after ten wrong codes the next one waits", (code, text, wait))
    code = box.ask("GET", "/admin/v1/status", token=CLAIM)[0]
    ok(code == 429, "the right one too, or it could be guessed on", code)
    time.sleep(int(wait) + 0.3)
    box.token = CLAIM
    ok(box.ask("GET", "/admin/v1/status")[0] == 200, "until it is time again")


def vault(box):
    seal = box.seal_key()
    good = sealing.new_slot(seal, passphrase=WORDS)
    code, text, _ = box.ask("POST", "/admin/v1/setup/vault", good | {"mem_bytes": 1 << 40})
    ok(code == 400 and text["error"]["pointer"] == "/mem_bytes", "a vault of a terabyte is not made", text)
    code, text, _ = box.ask("POST", "/admin/v1/setup/vault", good | {"sealed": "00" * 80})
    ok(code == 403 and box.setup()["state"] == "unclaimed", "nor one of a key that was not sealed to this box", text)
    code, text, _ = box.put({"lethe.json": {"text": "{}"}})
    ok(code == 503, "no configuration without a vault", text)
    code, text, _ = box.ask("POST", "/admin/v1/setup/vault", good)
    ok(code == 200 and box.setup()["state"] == "open", "a vault is made and open", text)
    code, text, _ = box.ask("POST", "/admin/v1/setup/vault", good)
    ok(code == 409, "once", text)
    body = sealing.vendor_key(seal, "mock", box.vendor.host, box.vendor.key)
    code, text, _ = box.ask("POST", "/admin/v1/vault/credentials", body)
    ok(code == 200, "the vendor's key goes in", text)


def configure(box):
    entries, box.entries = box.entries, []
    box.write_config()
    files = box.files()
    code, text, _ = box.put(files)
    ok(code == 422 and text["error"]["code"] == "no_choice" and "person" in text["error"]["message"] and
       box.ask("GET", "/admin/v1/config")[1]["files"] == [],
       "nothing is stored before it is chosen how the vault opens", text)
    code, text, _ = box.put(files | {"lethe.json": {"text": '{\n "lethe": "config/1",\n "hostz": []\n}'}}, opens="person")
    ok(code == 422 and text["error"]["line"] == 3 and text["error"]["file"] == "lethe.json" and "hosts" in
       text["error"]["message"], "a bad lethe.json is refused with file, line and the nearest key", text)
    ok(box.ask("GET", "/admin/v1/config")[1]["files"] == [] and box.setup()["state"] == "open", "and nothing has changed")
    missing = {k: v for k, v in files.items() if k != "tls/server.key"}
    code, text, _ = box.put(missing, opens="person")
    ok(code == 422 and "tls/server.key" in json.dumps(text), "a key that lacks is named", text)
    code, text, _ = box.put({"tls/server.key": {"text": "x"}})
    ok(code == 400 and text["error"]["code"] == "NOT_SEALED", "a private key in the clear is not taken", text)
    code, text, _ = box.put(files | {"tls/server.key": {"sealed": "QUJD"}})
    ok(code == 422 and text["error"]["file"] == "tls/server.key", "nor one sealed to another box", text)
    code, text, _ = box.put({"../etc/passwd": {"text": "x"}})
    ok(code == 400 and text["error"]["code"] == "UNKNOWN_NAME", "nor any other name", text)
    try:
        code = box.ask("PUT", "/admin/v1/config", {"files": {"lethe.json": {"text": "x" * (3 << 20)}}})[0]
    except OSError:
        code = 413  # it hung up on the rest
    ok(code == 413 and box.setup()["state"] == "open", "nor a body of 3 MiB", code)
    code, text, _ = box.put(files, opens="person")
    ok(code == 200 and text.get("generation", 0) >= 1, "a good one is taken", text)
    box.until("ready")
    box.settled()
    listed = {row["name"]: row for row in box.ask("GET", "/admin/v1/config", token=box.admin_token, ca=box.ca)[1]["files"]}
    ok(len(listed) == 7 and listed["tls/server.key"]["sha256"] is None and listed["lethe.json"]["sha256"],
       "its files are listed", listed)
    ok(box.ask("GET", "/admin/v1/status", token=CLAIM)[0] == 401, "the claim code has ended")
    box.token = box.admin_token
    code, text, _ = box.ask("GET", "/admin/v1/config/files/lethe.json", ca=box.ca)
    ok(code == 200 and text["lethe"] == "config/1", "the certificate is the one of the configuration, and it reads back")
    ok(box.ask("GET", "/admin/v1/config/files/tls/server.key")[0] == 403, "but private keys do not")


def client_key(box):
    environment = dict(os.environ, LETHE_ADMIN_URL=box.admin_url, LETHE_ADMIN_TOKEN=box.admin_token,
                       SSL_CERT_FILE=str(box.ca))
    made = json.loads(subprocess.run([str(harness.BIN / "lethectl"), "key", "make", "--project", "demo", "--json"],
                                     text=True, capture_output=True, env=environment, check=True).stdout)
    box.key, box.entries = made["key"], [made["entry"] | {"models": ["*"]}]
    box.write_config()
    code, text, _ = box.put({"lethe.json": {"text": (box.config / "lethe.json").read_text()}}, partial=True)
    ok(code == 200, "one file alone is replaced", text)
    time.sleep(1)
    box.settled()
    ok(box.chat_soon() == 200, "and the first answer comes")
    code, text, _ = box.put({"lethe.json": {"text": "{}"}}, partial=True)
    ok(code == 422 and box.chat()[0] == 200, "a bad one changes nothing", text)
    ok(box.ask("POST", "/admin/v1/reload")[0] == 200 and box.chat_soon() == 200, "a reload takes what is stored")


def restart(box):
    ok(harness.end(box.lethed) == 0, "it ends cleanly")
    before = box.state.read_bytes()
    ok(box.vendor.key.encode() not in before and b"PRIVATE KEY" not in before and b"config/1" not in before,
       "and nothing of it is readable in the state")
    box.start("sealed")
    ok(refused(box.port), "after a restart it is sealed, and callers are refused a connection")
    code, text, _ = box.ask("GET", "/admin/v1/status")
    ok(code == 503 and text["error"]["code"] == "vault_sealed", "operators are told to unlock", text)
    setup = box.setup()
    wrong = sealing.unlock(bytes.fromhex(setup["seal_key"]), setup["slots"][0], b"other words")
    ok(box.ask("POST", "/admin/v1/vault/unlock", wrong)[0] == 403, "wrong words do not")
    right = sealing.unlock(bytes.fromhex(setup["seal_key"]), setup["slots"][0], WORDS)
    box.token, token = None, box.token
    code, text, _ = box.ask("POST", "/admin/v1/vault/unlock", right)
    ok(code == 200, "the right ones open it without a token", text)
    box.token = token
    box.until("ready")
    box.settled()
    ok(box.chat_soon() == 200, "and it serves by itself")


def kills(box):
    for role in ("lethe-keeper", "lethe-admin", "lethe-resolver"):
        os.kill(box.pids()[role][0], signal.SIGKILL)
        time.sleep(0.3)
        box.until("ready")
        ok(box.chat_soon() == 200, f"{role} killed: it still serves")
    fine = True
    for delay in (0.005, 0.02, 0.05, 0.08, 0.12):
        asked = threading.Thread(target=put_alone, args=(box, box.files()))
        asked.start()
        time.sleep(delay)
        os.kill(box.pids()["lethe-keeper"][0], signal.SIGKILL)
        asked.join()
        box.until("ready")
        fine = fine and box.chat_soon() == 200
    ok(fine, "a keeper killed anywhere while a set is tried: it still serves")
    ok(len(box.ask("GET", "/admin/v1/config")[1]["files"]) == 7, "and what it has is whole")
    code, text, _ = box.put(box.files())
    ok(code == 200, "and the next set is taken", text)


def put_alone(box, files):
    try:
        box.put(files)
    except (OSError, http.client.HTTPException):
        pass


def slots(box):
    code, text, _ = box.ask("POST", "/admin/v1/vault/slots", sealing.new_slot(box.seal_key(), passphrase=b"second words"))
    ok(code == 200 and text["slot"] == 1, "a second passphrase is added", text)
    ok(box.ask("DELETE", "/admin/v1/vault/slots/0")[0] == 200, "the first is taken away")
    ok(box.ask("DELETE", "/admin/v1/vault/slots/1")[0] == 409, "the last one stays")
    ok(box.ask("DELETE", "/admin/v1/vault/slots/5")[0] == 404, "what is not there is not taken away")
    harness.end(box.lethed)
    box.start("sealed")
    setup = box.setup()
    slot, seal = setup["slots"][0], bytes.fromhex(setup["seal_key"])
    ok(box.ask("POST", "/admin/v1/vault/unlock", sealing.unlock(seal, slot, WORDS))[0] == 403, "the old words are dead")
    ok(box.ask("POST", "/admin/v1/vault/unlock", sealing.unlock(seal, slot, b"second words"))[0] == 200, "the new open it")
    box.until("ready")


def damaged(box):
    harness.end(box.lethed)
    good = box.state.read_bytes()
    hurt = bytearray(good)
    for at in (100, 100 + (4 << 20)):
        hurt[at] ^= 1
    box.state.write_bytes(hurt)
    box.start()
    ok(box.lethed.wait(20) == 1 and "damaged" in box.log.read_text(), "a damaged container is refused with its sentence")
    for name, content in (("one byte of dust", bytes(5000) + b"x" + bytes(STATE_BYTES - 5001)), ("noise", os.urandom(1 << 16))):
        box.state.write_bytes(content)
        box.start()
        ok(box.lethed.wait(20) == 1, f"so is {name}: only zeros are a new box")


def with_key_file():
    with Box() as box:
        box.start("unclaimed")
        box.token = CLAIM
        seal, key = box.seal_key(), os.urandom(32)
        box.key_file.write_bytes(key)
        code, text, _ = box.ask("POST", "/admin/v1/setup/vault", sealing.new_slot(seal, key_file=key))
        ok(code == 200, "a vault that a key file opens", text)
        box.ask("POST", "/admin/v1/vault/credentials", sealing.vendor_key(seal, "mock", box.vendor.host, box.vendor.key))
        box.entries = []
        box.write_config()
        code, text, _ = box.put(box.files(), opens="key-file")
        ok(code == 200, "and its configuration", text)
        box.until("ready")
        harness.end(box.lethed)
        box.start("ready", key_file=True)
        box.token = box.admin_token
        box.settled()
        ok(box.ask("GET", "/admin/v1/status", ca=box.ca)[0] == 200, "it opens by itself, and its certificate is there")


def usage():
    run = lambda *words: subprocess.run([str(harness.BIN / "lethed"), *words], capture_output=True, text=True)
    at = ("--state", "x", "--listen", "127.0.0.1:1", "--admin", "127.0.0.1:2")
    r = run("--config", "d", "--config-in-state", *at)
    ok(r.returncode == 2 and "two places" in r.stderr, "a folder and the state are two places for one thing", r.stderr)
    r = run("--config", "d", "--claim", "f", *at)
    ok(r.returncode == 2 and "--claim" in r.stderr, "a claim code is for the state alone", r.stderr)


def main():
    usage()
    with Box() as box:
        for step in (unclaimed, vault, configure, client_key, restart, kills, slots, damaged):
            step(box)
    with_key_file()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
