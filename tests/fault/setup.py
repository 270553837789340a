#!/usr/bin/env python3
"""A box is set up from another machine: the real lethectl against a real lethed that keeps its configuration in its vault."""
import base64
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
from harness import BIN, ROOT, Vendor, children, end, free_port
from tap import Tap, eventually
import terminal

import hashlib
import shutil
import tempfile

tap = Tap("setup")
ok = tap.ok
CLAIM = "ABCD2345"


def environment(**more):
    return {k: v for k, v in os.environ.items() if not k.startswith("LETHE_ADMIN")} | more


class Box:
    """lethed --config-in-state on an empty state, as PID 1 of the appliance starts it."""
    at = "127.0.0.1"

    def __init__(self, folder, name, vendor):
        self.dir, self.vendor = folder / name, vendor
        self.dir.mkdir()
        self.state, self.claim = self.dir / "state", self.dir / "claim"
        self.state.write_bytes(bytes(8 * 1024 * 1024))
        self.claim.write_text(CLAIM + "\n")
        self.out, self.log = self.dir / "out", self.dir / "log"
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.admin_port}"
        self.key_file = None
        self.start()

    def start(self):
        command = [BIN / "lethed", "--config-in-state", "--state", self.state, "--claim", self.claim,
                   "--listen", f"{self.at}:{self.port}", "--admin", f"{self.at}:{self.admin_port}", "--relays", "1"]
        command += ["--key-file", self.key_file] if self.key_file else []
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(w) for w in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(self.fingerprint, 20)

    def stop(self):
        return end(self.lethed)

    def fingerprint(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", self.admin_port), 2) as raw:
                with context.wrap_socket(raw) as tls:
                    return hashlib.sha256(tls.getpeercert(True)).hexdigest()
        except OSError:
            return None

    def wish(self, **changes):
        """setup.json for the mock vendor."""
        value = {"setup": "setup/1", "opens": "key-file", "hosts": ["localhost", "127.0.0.1"], "port": self.port,
                 "project": "helpdesk", "model": {"name": "chat", "target": "mock-1"},
                 "vendor": {"name": "mock", "base_url": f"https://{self.vendor.host}:{self.vendor.port}/v1",
                            "roots": str(self.vendor.ca), "addresses": ["127.0.0.1"], "local": ["127.0.0.0/8"]}}
        value |= changes
        path = self.dir / "setup.json"
        path.write_text(json.dumps(value, indent=1))
        return path

    def setup(self, *words, secrets=(), file=None, **changes):
        file = file or self.wish(**changes)
        command = [BIN / "lethectl", "setup", "--admin", self.url, "--file", file, "--out", self.out, "--stdin", *words]
        r = subprocess.run([str(w) for w in command], input="".join(f"{s}\n" for s in secrets), capture_output=True,
                           text=True, env=environment(), timeout=120)
        return r.returncode, r.stdout, r.stderr

    def ctl(self, *words, stdin=None, check=False):
        command = [BIN / "lethectl", *words]
        r = subprocess.run([str(w) for w in command], input=stdin, capture_output=True, text=True, timeout=120,
                           env=environment(LETHE_ADMIN_URL=self.url, SSL_CERT_FILE=str(self.out / "ca.crt"),
                                           LETHE_ADMIN_TOKEN=(self.out / "admin.token").read_text().strip()))
        if check and r.returncode != 0:
            raise RuntimeError(f"{words}: {r.stdout}{r.stderr}")
        return r.returncode, r.stdout, r.stderr

    def tls(self):
        return ssl.create_default_context(cafile=str(self.out / "ca.crt"))

    def ask(self, key, model="chat", content="hello", stream=False):
        c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.tls())
        body = {"model": model, "messages": [{"role": "user", "content": content}], "stream": stream}
        c.request("POST", "/v1/chat/completions", json.dumps(body),
                  {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        return c, c.getresponse()

    def served(self):
        """Fingerprint of the certificate that callers see."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as raw:
            with self.tls().wrap_socket(raw, server_hostname="localhost") as t:
                return hashlib.sha256(t.getpeercert(True)).hexdigest()


def refusals(box):
    print_ = box.fingerprint()
    code, out, said = box.setup("--fingerprint", "0" * 64, "--claim", CLAIM, secrets=["sk"])
    ok(code == 1 and "nothing was sent" in said and print_ == "".join(out.split("\n", 1)[1].split()),
       "another fingerprint: nothing is sent, and what is shown is told", out + said)
    code, out, said = box.setup("--fingerprint", print_, "--claim", "WRONGONE", secrets=["sk"])
    ok(code == 1 and "claim code" in said, "a wrong claim code is refused", said)
    code, out, said = box.setup("--claim", CLAIM)
    ok(code == 2 and "--fingerprint" in said, "without a fingerprint nothing is believed", said)
    code, out, said = box.setup("--fingerprint", "xyz", "--claim", CLAIM)
    ok(code == 2 and "64 hexadecimal" in said, "a fingerprint that is none is wrong use", said)
    rows = [({"opens": "tpn"}, '/opens', "tpm"), ({"opensy": 1}, "opensy", "opens"), ({"hosts": []}, "/hosts", ""),
            ({"hosts": ["a b"]}, "/hosts/0", ""), ({"port": 0}, "/port", ""), ({"setup": "setup/2"}, "/setup", ""),
            ({"vendor": {"name": "mock"}}, "base_url", ""), ({"model": {"name": "chat", "targt": "x"}}, "targt", "target"),
            ({"vendor": {"name": "m", "base_url": "ftp://x"}}, "base_url", "https://"),
            ({"certificates": {"server": "x"}}, "server_key", "")]
    for change, where, near in rows:
        code, out, said = box.setup("--fingerprint", print_, "--claim", CLAIM, **change)
        ok(code == 1 and "setup.json:" in said and where in said and near in said,
           f"setup.json with {json.dumps(change)[:50]} is told its place", said)
    file = box.wish()
    text = file.read_text()
    file.write_text(text[:-20])
    code, out, said = box.setup("--fingerprint", print_, "--claim", CLAIM, file=file)
    ok(code == 1 and "setup.json:" in said, "a cut setup.json too", said)
    code, out, said = box.setup("--fingerprint", print_, "--claim", CLAIM, opens="tpm", secrets=["a", "a", "sk"])
    ok(code == 1 and "TPM" in said, "the TPM of a box without one cannot be chosen", said)
    code, out, said = box.setup("--fingerprint", print_, "--claim", CLAIM, secrets=["has a blank"])
    ok(code == 1 and "vendor key" in said, "what is no vendor key is refused before anything is made", said)
    shutil.rmtree(box.out, ignore_errors=True)
    code, out, said = box.setup("--fingerprint", print_, "--claim", CLAIM, secrets=["sk"], project="x" * 40)
    ok(code == 1 and box.state.read_bytes() == bytes(8 * 1024 * 1024), "after all of this the state is untouched", said)


def scripted(box):
    code, out, said = box.setup("--fingerprint", box.fingerprint().upper(), secrets=[CLAIM.lower(), box.vendor.key])
    if not ok(code == 0 and "It serves." in out, "a script sets it up by setup.json", out + said):
        print("# " + box.log.read_text().replace("\n", "\n# "))
        return None
    key = next(word for word in out.split() if word.startswith("lk1_"))
    ok(out.count(key) == 2 and f"https://localhost:{box.port}/v1" in out and "vault.key" in out,
       "base URL, client key, the line to try, the key file", out)
    modes = {n: stat.S_IMODE((box.out / n).stat().st_mode) for n in ("ca.key", "server.key", "admin.token", "vault.key")}
    ok(set(modes.values()) == {0o600}, "what is secret is for its owner alone", modes)
    line = out[out.index("curl"):].split("\n")[0]
    r = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=30)
    ok(r.returncode == 0 and json.loads(r.stdout)["choices"], "the line it prints gives the first answer",
       r.stdout + r.stderr)
    code, out, said = box.setup("--fingerprint", box.fingerprint(), "--claim", CLAIM, secrets=["sk"])
    ok(code == 1 and "set up already" in said or "admin token" in said, "a second run says what to do instead", said)
    ok("sk-mock" not in box.log.read_text() and key not in box.log.read_text(), "no secret is in the log")
    box.key_file = box.out / "vault.key"
    box.stop()
    box.start()
    eventually(lambda: box.ctl("ready")[0] == 0, 20)
    c, answer = box.ask(key)
    ok(answer.status == 200, "after a power cut it opens by the key file and serves")
    return key


def typed(arguments, answers):
    return terminal.typed([str(BIN / "lethectl"), *map(str, arguments)], answers, environment())


def interactive(folder, vendor):
    box = Box(folder, "interactive", vendor)
    try:
        words = ["setup", "--admin", box.url, "--out", box.out, "--light"]
        code, shown = typed(words, ["no"])
        ok(code == 1 and box.fingerprint()[:4] in shown and "nothing was sent" in shown,
           "a person who says that the fingerprints differ sends nothing", shown)
        plain = Vendor(folder, "plain", vendor_certs, "sk-plain-0123456789abcdef", plain=True)
        try:
            answers = ["yes", CLAIM, "", "4", "1", "localhost,127.0.0.1", "openai", "", "chat", "mock-1", "default",
                       "four words to type", "four words to type", "sk-typed-key"]
            code, shown = typed(words, answers)
            ok(code == 0 and "It serves." in shown, "a person sets it up on a terminal", shown)
            ok(shown.count("1 or 2") == 3 and "thief" in shown and "stick" in shown,
               "it does not go on before it is chosen how the vault opens, and says what each choice means")
            ok("four words" not in shown and "sk-typed" not in shown, "what is secret is not shown")
        finally:
            plain.stop()
        box.stop()
        box.start()
        mark = box.fingerprint()
        ready = json.loads(box.ctl("ready", "--json", "--fingerprint", mark)[1] or "{}")
        ok("vault_sealed" in ready.get("reasons", []), "after a power cut it waits for a person", ready)
        code, out, said = box.ctl("vault", "unlock", "--stdin", stdin="four words to type\n")
        ok(code == 1 and "--fingerprint" in said, "a closed box has a certificate of its own: its fingerprint is wanted",
           said)
        code, out, said = box.ctl("vault", "unlock", "--stdin", "--fingerprint", mark[::-1], stdin="four words to type\n")
        ok(code == 1, "another fingerprint is refused", said)
        code, out, said = box.ctl("vault", "unlock", "--stdin", "--fingerprint", mark, stdin="wrong\n")
        ok(code == 1 and "does not open" in said, "another passphrase is refused", said)
        code, out, said = box.ctl("vault", "unlock", "--stdin", "--fingerprint", mark, stdin="four words to type\n")
        ok(code == 0 and eventually(lambda: box.ctl("ready")[0] == 0, 20), "the right one opens it, and it serves",
           out + said)
        box.stop()
        box.start()
        mark = box.fingerprint()
        code, shown = typed(["vault", "unlock", "--admin", box.url], ["yes", "four words to type"])
        ok(code == 0 and mark[:4] in shown and eventually(lambda: box.ctl("ready")[0] == 0, 20),
           "a person compares the fingerprint and types the passphrase", shown)
    finally:
        box.stop()


def certificates(box, key):
    before = box.served()
    code, out, said = box.ctl("cert", "show", "--json")
    shown = json.loads(out or "[]")
    ok(code == 0 and shown[0]["sha256"] == before and shown[0]["names"][:2] == ["localhost", "127.0.0.1"]
       and 390 < shown[0]["days_left"] < 398, "the certificates are shown with names and days", out + said)
    stream = {}

    def reader():
        c, answer = box.ask(key, model="slow", stream=True)
        stream["text"] = answer.read().decode()

    code, out, said = box.ctl("config", "pull", box.dir / "pulled")
    ok(code == 0 and not list((box.dir / "pulled").rglob("*.key")), "config pull leaves private keys in the vault", said)
    value = json.loads((box.dir / "pulled" / "lethe.json").read_text())
    value["models"].append({"name": "slow", "targets": [{"upstream": "mock", "model": "mock:events:40/gap_ms:100"}]})
    (box.dir / "pulled" / "lethe.json").write_text(json.dumps(value, indent=1))
    code, out, said = box.ctl("config", "push", box.dir / "pulled")
    ok(code == 0 and "serves" in out, "config push takes a changed folder", out + said)
    bad = json.dumps(value, indent=1).replace('"hosts"', '"hostz"', 1)
    (box.dir / "pulled" / "lethe.json").write_text(bad)
    code, out, said = box.ctl("config", "push", box.dir / "pulled")
    ok(code == 1 and "lethe.json:" in said and "hosts" in said, "a wrong one changes nothing and is told its place", said)
    (box.dir / "pulled" / "lethe.json").write_text(json.dumps(value, indent=1))
    code, out, said = box.ctl("config", "list")
    ok(code == 0 and "tls/server.key" in out and "secret" in out, "config list names all that is kept", out + said)
    running = threading.Thread(target=reader)
    running.start()
    time.sleep(1)
    code, out, said = box.ctl("cert", "renew", "--out", box.out)
    ok(code == 0, "cert renew puts new ones in their place", out + said)
    after = box.served()
    running.join(60)
    ok(after != before and "[DONE]" in stream.get("text", ""), "and the stream that ran goes on to its end",
       stream.get("text", "")[-300:])
    request(box)


def request(box):
    code, out, said = box.ctl("cert", "request", "--host", "localhost,127.0.0.1", "--out", box.dir / "req")
    ok(code == 0 and stat.S_IMODE((box.dir / "req/server.key").stat().st_mode) == 0o600, "cert request makes a key", said)
    text = subprocess.run(["openssl", "req", "-in", box.dir / "req/server.csr", "-noout", "-verify", "-text"],
                          capture_output=True, text=True)
    ok("DNS:localhost, IP Address:127.0.0.1" in text.stdout and text.returncode == 0,
       "and a request that openssl verifies", text.stdout + text.stderr)
    cert = box.dir / "req/server.crt"
    (box.dir / "req/ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")

    def sign(days, name="ext"):
        end_s = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400 + 3600))
        subprocess.run(["openssl", "x509", "-req", "-in", box.dir / "req/server.csr", "-CA", box.out / "ca.crt", "-CAkey",
                        box.out / "ca.key", "-CAcreateserial", "-not_before", "20200101000000Z", "-not_after", end_s,
                        "-extfile", box.dir / "req" / name, "-out", cert], capture_output=True, check=True)

    before = box.served()
    sign(90)
    code, out, said = box.ctl("cert", "import", cert, "--key", box.out / "server.key")
    ok(code == 1 and "does not belong" in said, "another's key is refused", said)
    sign(-3)
    code, out, said = box.ctl("cert", "import", cert, "--key", box.dir / "req/server.key")
    ok(code == 1 and "has ended" in said, "one that has ended is refused", said)
    (box.dir / "req/other").write_text("subjectAltName=DNS:elsewhere.test\n")
    sign(90, "other")
    code, out, said = box.ctl("cert", "import", cert, "--key", box.dir / "req/server.key")
    ok(code == 1 and "none of the hosts" in said and box.served() == before, "one for somebody else is refused", said)
    cert.write_text("nothing")
    code, out, said = box.ctl("cert", "import", cert, "--key", box.dir / "req/server.key")
    ok(code == 1 and box.served() == before, "what is no certificate is refused", said)
    sign(20)
    code, out, said = box.ctl("cert", "import", cert, "--key", box.dir / "req/server.key")
    ok(code == 0 and box.served() != before and "note" in said, "the right one serves at once; 20 days are remarked on",
       out + said)
    code, out, said = box.ctl("cert", "show")
    ok("RENEW IT" in out, "cert show says that it is to be renewed", out)
    # The admin role starts again a moment later, for the new certificate.
    status, ready = eventually(lambda: "RENEW IT" in box.ctl("status")[1] and box.ctl("status")[1], 10), box.ctl("ready")
    ok("RENEW IT" in status and ready[0] == 0 and "server_certificate" not in ready[1] and "30 days" in ready[1],
       "so do status and ready, which is ready all the same", status + ready[1])


class Six(Box):
    """Of both families, as a box's doors are."""
    at = "[::]"


def over_ipv6(folder, vendor):
    """Set up and asked over IPv6 alone; what lethectl prints is reached there, too."""
    if not socket.has_ipv6 or not pathlib.Path("/proc/net/if_inet6").exists():
        tap.line(True, "over IPv6", " # SKIP there is no IPv6 here")
        return
    box = Six(folder, "six", vendor)
    try:
        box.url = f"https://[::1]:{box.admin_port}"
        code, out, said = box.setup("--fingerprint", box.fingerprint(), "--claim", CLAIM, secrets=[vendor.key],
                                    hosts=["::1"])
        ok(code == 0 and f"https://[::1]:{box.port}/v1" in out, "over IPv6: a box is set up, and its URL is of IPv6", out + said)
        key = re.search(r"client key  (\S+)", out)
        c = http.client.HTTPSConnection("::1", box.port, timeout=30, context=box.tls())
        c.request("GET", "/v1/models", None, {"Authorization": f"Bearer {key and key[1]}"})
        answer = c.getresponse().status
        code, out, said = box.ctl("status")
        ok((answer, code) == (200, 0), "and answers callers and operators there", f"{answer} {out}{said}")
    finally:
        box.stop()


def broken_off(folder, vendor):
    """What the box refuses at the last step can be corrected and begun again, with another key file."""
    box = Box(folder, "interrupted", vendor)
    try:
        print_ = box.fingerprint()
        roots = folder / "nonsense.pem"
        roots.write_text("no certificate at all\n")
        value = json.loads(box.wish().read_text())["vendor"]
        code, out, said = box.setup("--fingerprint", print_, "--claim", CLAIM, secrets=[vendor.key],
                                    vendor=value | {"roots": str(roots)})
        ok(code == 1 and "ca/public.pem" in said, "roots that are none are refused by the box, with the file's name", said)
        first = (box.out / "vault.key").read_bytes()
        (box.out / "vault.key").unlink()
        code, out, said = box.setup("--fingerprint", print_, "--claim", CLAIM, secrets=[vendor.key])
        ok(code == 0 and "It serves." in out, "corrected, it goes on with what is chosen now", out + said)
        box.stop()
        old = folder / "old.key"
        old.write_bytes(first)
        refused = lethectl("vault", "list", "--state", box.state, "--key-file", old)
        opens = lethectl("vault", "list", "--state", box.state, "--key-file", box.out / "vault.key")
        ok(refused[0] == 1 and opens[0] == 0, "and what was chosen before opens nothing", refused[2] + opens[2])
        wrong = lethectl("admin", "token", "--state", box.state, "--key-file", old)
        made = lethectl("admin", "token", "--state", box.state, "--key-file", box.out / "vault.key", "--json")
        ok(wrong[0] == 1 and made[0] == 0, "who opens the vault gets a new admin token", made[2])
        box.key_file = box.out / "vault.key"
        box.start()
        eventually(lambda: box.ctl("ready")[0] == 0, 20)
        code = box.ctl("status")[0]
        (box.out / "admin.token").write_text(json.loads(made[1])["token"])
        ok(code == 1 and box.ctl("status")[0] == 0, "which counts, and the lost one does not")
        box.stop()
        box.key_file = None
        box.start()
        code, out, said = box.setup("--fingerprint", box.fingerprint(), "--claim", CLAIM, secrets=[vendor.key])
        ok(code == 1 and "it is closed" in said, "a closed box is not set up", said)
    finally:
        box.stop()


def lethectl(*words, secrets=()):
    r = subprocess.run([str(BIN / "lethectl"), *map(str, words)], input="".join(f"{s}\n" for s in secrets),
                       capture_output=True, text=True, env=environment(), timeout=120)
    return r.returncode, r.stdout, r.stderr


def people(folder):
    for name in ("anna", "ben", "carl"):
        code, out, said = lethectl("backup-key", "make", "--out", folder, "--name", name, "--light", "--stdin",
                                   secrets=[f"words of {name}"] * 2)
        ok(code == 0 and stat.S_IMODE((folder / f"{name}.backup-key").stat().st_mode) == 0o600,
           f"{name} makes a backup key", said)


def backups(box, key, folder, vendor):
    people(folder)
    box.ctl("export", "now", check=True)
    box.ctl("export", "pull", "--out", folder / "exports", check=True)
    pub = next((folder / "exports").glob("*.pub"))
    one, two = folder / "one.backup", folder / "two.backup"
    code, out, said = box.ctl("vault", "export", "--out", one, "--to", folder / "anna.backup-pub")
    ok(code == 0 and one.stat().st_size > 3000, "a running box gives a backup for one person", out + said)
    to = ",".join(str(folder / f"{n}.backup-pub") for n in ("anna", "ben", "carl"))
    code, out, said = box.ctl("vault", "export", "--out", two, "--to", to, "--need", "2")
    ok(code == 0, "and one that needs two of three", out + said)
    data = one.read_bytes() + two.read_bytes()
    ok(vendor.key.encode() not in data and b"PRIVATE KEY" not in data, "nothing in them is in the clear")
    for words in (["--need", "3"], ["--need", "2"], []):
        code = box.ctl("vault", "export", "--out", one, *(["--to", folder / "anna.backup-pub"] if words else []), *words)[0]
        ok(code == 2, f"vault export {words or 'to nobody'} is wrong use")
    files(one, two, pub, folder)
    another_box(two, key, folder, vendor, box)


def files(one, two, pub, folder):
    state = folder / "restored"
    words = ["vault", "import", one, "--state", state, "--key-file", folder / "restored.key", "--stdin", "--with"]
    whole, good = one.read_bytes(), True
    for cut in list(range(0, 400)) + list(range(400, len(whole), max(1, len(whole) // 40))):
        broken = folder / "broken"
        broken.write_bytes(whole[:cut])
        if cut % 20 and cut < 400:
            continue
        words[2] = broken
        code, out, said = lethectl(*words, folder / "anna.backup-key", secrets=["words of anna"])
        good = good and code == 1 and ("cut" in said or "not a backup" in said) and not state.exists()
    ok(good, "cut at every sampled place it is refused, and says so", said)
    good = True
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
        code, out, said = lethectl(*words, folder / "anna.backup-key", secrets=["words of anna"])
        good = good and code == 1 and not state.exists()
    ok(good, "altered at every sampled place it is refused", said)
    words[2] = one
    rows = [("ben.backup-key", ["words of ben"], "not made for this key"), ("anna.backup-key", ["words of ben"], "passphrase")]
    for name, secrets, why in rows:
        code, out, said = lethectl(*words, folder / name, secrets=secrets)
        ok(code == 1 and why in said and not state.exists(), f"{name} with {secrets[0]!r} does not open it", said)
    other = folder / "other.pub"
    other.write_text(pub.read_text().replace("R", "S"))
    code, out, said = lethectl(*words, folder / "anna.backup-key", "--signed-by", other, secrets=["words of anna"])
    ok(code == 1 and "another box" in said, "a backup of another box than expected is refused", said)
    code, out, said = lethectl(*words, folder / "anna.backup-key", "--signed-by", pub, secrets=["words of anna"])
    ok(code == 0 and "1 vendor keys, 7 files" in out, "its person makes a second state of it", out + said)
    words[2] = two
    words[4] = folder / "second"
    code, out, said = lethectl(*words, folder / "anna.backup-key", secrets=["words of anna"])
    ok(code == 1 and "Two of its recipients" in said and not (folder / "second").exists(), "one of two is not enough", said)
    both = f"{folder / 'carl.backup-key'},{folder / 'anna.backup-key'}"
    code, out, said = lethectl(*words, both, secrets=["words of carl", "words of anna"])
    ok(code == 0, "any two are", out + said)
    code, out, said = lethectl("vault", "import", one, "--state", state, "--key-file", folder / "restored.key", "--stdin",
                               "--with", folder / "anna.backup-key", secrets=["words of anna"])
    ok(code == 1 and "something in this file" in said, "a state that is there is not written over", said)


def another_box(backup, key, folder, vendor, lost):
    device = json.loads(lost.ctl("vault", "status", "--json")[1])["device"]
    lost.stop()
    new = Box(folder, "another", vendor)
    try:
        both = f"{folder / 'ben.backup-key'},{folder / 'anna.backup-key'}"
        words = ["vault", "import", backup, "--admin", new.url, "--with", both, "--stdin", "--out", new.out, "--light",
                 "--fingerprint"]
        secrets = ["words of ben", "words of anna", CLAIM, "new words", "new words"]
        code, out, said = lethectl(*words, "0" * 64, secrets=secrets)
        ok(code == 1 and "nothing was sent" in said, "a box with another fingerprint gets nothing", said)
        code, out, said = lethectl(*words, new.fingerprint(), secrets=secrets)
        ok(code == 0 and "serves" in out, "a new box takes the place of the lost one", out + said)
        for name in ("ca.crt", "admin.token"):
            shutil.copy(lost.out / name, new.out / name)
        eventually(lambda: new.ctl("ready")[0] == 0, 20)
        c, answer = new.ask(key)
        ok(answer.status == 200, "the client key, the certificate and the vendor key of before work there")
        new.ctl("export", "now", check=True)
        new.ctl("export", "pull", "--out", new.dir / "exports", check=True)
        body = json.loads(next((new.dir / "exports").glob("usage-*.json")).read_text())
        ok(body["seq"] == 1 and body["device"] != device and body["succeeds"]["device"] == device
           and body["succeeds"]["next"] >= 2, "its exports are a series of its own that names the one before",
           body.get("succeeds"))
        code, out, said = lethectl(*words, new.fingerprint(), secrets=secrets)
        ok(code == 1, "a box that has been claimed takes no backup", said)
    finally:
        new.stop()
        lost.start()


with tempfile.TemporaryDirectory(prefix="lethe-setup-") as name:
    folder = pathlib.Path(name)
    vendor_certs = folder / "certs"
    subprocess.run([ROOT / "scripts/run-certs.sh", vendor_certs], check=True)
    vendor = Vendor(folder, "mock", vendor_certs, f"sk-mock-{os.urandom(8).hex()}")
    box = Box(folder, "box", vendor)
    try:
        refusals(box)
        key = scripted(box)
        if key:
            certificates(box, key)
            backups(box, key, folder, vendor)
        over_ipv6(folder, vendor)
        broken_off(folder, vendor)
        interactive(folder, vendor)
    finally:
        box.stop()
        vendor.stop()
sys.exit(tap.done())
