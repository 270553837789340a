#!/usr/bin/env python3
"""Every role may be killed at any time. A relay takes only its own connections along; without a keeper nothing new is
served and nothing running is lost; the supervisor takes everybody. And the ends that are no accident: a sealed vault,
SIGTERM in the middle of a stream, one start after the other on one state file."""

import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, Cut, Line, user  # noqa: E402
from tap import Skip, Tap, equal, eventually, holds, raises  # noqa: E402

EVENTS = 60
MODELS = {"chat": "mock-1", "long": f"mock:events={EVENTS},gap_ms=50"}
HELLO = {"model": "chat", "messages": user("Good morning.")}
LONG = {"model": "long", "messages": user("Go on."), "stream": True}


class Relay(harness.Relay):
    """A relay whose lethed gets other arguments: `key_file` False starts it sealed; `more` are appended."""

    def __init__(self, *more, passphrase=None, key_file=True, **rest):
        self.more, self.passphrase, self.with_key_file = more, passphrase, key_file and passphrase is None
        super().__init__(**rest)

    def ctl_state(self, *words, secret=None, **more):
        if self.passphrase is None:
            return super().ctl_state(*words, secret=secret, **more)
        init = words[:2] == ("vault", "init")
        words += ("--light",) if init else ()
        words += () if "--stdin" in words else ("--stdin",)
        secrets = [self.passphrase] * (2 if init else 1) + ([] if secret is None else [secret])
        return self.lethectl(*words, "--state", self.state, secret="\n".join(secrets), **more)

    def start(self, wait=True):
        command = [harness.BIN / "lethed", "--config", self.config, "--state", self.state,
                   "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}",
                   "--relays", self.relays, *self.more]
        command += ["--key-file", self.key_file] if self.with_key_file else []
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL)
        if wait and self.with_key_file:
            self.wait_ready()
        elif wait:
            eventually(lambda: self.readiness()[0] == 503 and self.readiness()[1] == ["vault_sealed"], 10)

    def readiness(self):
        try:
            code, body = self.admin("GET", "/readyz")
        except OSError:
            return 0, []
        return code, json.loads(body)["reasons"]

    def status(self):
        return json.loads(self.admin("GET", "/admin/v1/status")[1])

    def role(self, name):
        return (self.pids().get(name) or [None])[0]

    def unlock(self, *words, secret=None):
        environment = os.environ | {"LETHE_ADMIN_TOKEN": self.admin_token}
        command = [harness.BIN / "lethectl", "vault", "unlock", "--admin", self.admin_url, "--ca", self.ca, *words]
        return subprocess.run(command, env=environment, input="" if secret is None else secret + "\n", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)

    def log_text(self):
        return self.log.read_text()


def kill(relay, role):
    """Kills a role and waits for its successor. Returns the seconds that took, and the successor's pid."""
    pid, began = relay.role(role), time.monotonic()
    os.kill(pid, signal.SIGKILL)
    new = eventually(lambda: relay.role(role) not in (None, pid) and relay.role(role), 10)
    return time.monotonic() - began, new


def serves(relay):
    line = Line(relay, timeout=10)
    try:
        answer = line.ask(CHAT, HELLO)
        equal([answer.status, answer.json()["choices"][0]["message"]["content"]], [200, "You said: Good morning."])
    finally:
        line.close()


class Stream:
    """A long stream, begun, that can be read to its end later."""

    def __init__(self, relay):
        self.line = Line(relay, timeout=20)
        self.line.send(CHAT, LONG)
        self.answer = self.line.head()
        equal(self.answer.status, 200)

    def whole(self):
        """True: to its end; False: cut."""
        try:
            self.line.rest_of(self.answer)
        except Cut:
            return False
        equal([self.answer.events()[-1], self.answer.trailer["x-lethe-end"]], ["[DONE]", "--"])
        equal(sum(bool(c["choices"][0]["delta"].get("content")) for c in self.answer.chunks()), EVENTS)
        return True


def relay_killed(tap, relay):
    streams = [Stream(relay) for _ in range(12)]
    victim = max(relay.status()["relays"], key=lambda r: r["exchanges_now"])
    with tap.case("a killed relay takes its own connections along and no other"):
        os.kill(victim["pid"], signal.SIGKILL)
        began = time.monotonic()
        for _ in range(20):
            serves(relay)
        took = time.monotonic() - began
        cut = [stream.whole() for stream in streams].count(False)
        holds(0 < cut < 12, f"{cut} of 12 were its own: choose again")
        equal(cut, victim["exchanges_now"])
    with tap.case("callers that come meanwhile are served: it is started again at once"):
        holds(took < 5, f"{took:.1f} s")
        eventually(lambda: len(relay.pids()["lethe-relay"]) == 2 and relay.status()["restarts"] == 1)
        equal(victim["pid"] in relay.pids()["lethe-relay"], False)
    with tap.case("killed again and again it is started later and later"):
        for _ in range(3):
            seen = set(relay.pids()["lethe-relay"])
            newest = max(seen)
            os.kill(newest, signal.SIGKILL)
            eventually(lambda seen=seen: len(set(relay.pids().get("lethe-relay", [])) - seen) == 1, 10)
        waits = [int(row) for row in re.findall(r"ROLE_BACKOFF role=3 \w+=(\d+)", relay.log_text())]
        holds(waits == sorted(waits) and len(waits) >= 2 and waits[-1] >= 2 * waits[0], waits)
        serves(relay)
    return cut


def keeper_killed(tap, relay):
    with tap.case("without a keeper nothing new is served, and it is said why; what runs goes on"):
        stream, held = Stream(relay), Line(relay)
        equal(held.ask(CHAT, HELLO).status, 200)
        for _ in range(4):  # each time it stays away longer, so that there is time to look
            kill(relay, "lethe-keeper")
        os.kill(relay.role("lethe-keeper"), signal.SIGKILL)
        eventually(lambda: relay.readiness()[0] == 503, 2)
        answer = held.ask(CHAT, HELLO)
        equal([answer.status, answer.json()["error"]["code"]], [503, "no_accounting"])
        holds("retry-after" in answer.fields, "no Retry-After")
        equal(relay.readiness(), (503, ["no_keeper"]))
        holds(stream.whole(), "the running stream was cut")
        eventually(lambda: relay.readiness()[0] == 200, 10)
        serves(relay)


def keeper_unlocked(tap):
    with Relay(models=MODELS, key_file=False) as relay:
        with tap.case("a box without its key file is sealed until lethectl vault unlock"):
            sealed(relay)
            other = relay.dir / "other.key"
            other.write_bytes(os.urandom(32))
            refused = relay.unlock("--key-file", other)
            holds(refused.returncode == 1 and refused.stderr, refused)
            sealed(relay)
            done = relay.unlock("--key-file", relay.key_file)
            equal([done.returncode, done.stderr], [0, ""])
            eventually(lambda: relay.readiness()[0] == 200)
            serves(relay)
        relay.key_file.rename(relay.dir / "key-gone")
        with tap.case("a killed keeper comes back unlocked, with no key file anywhere"):
            kill(relay, "lethe-keeper")
            eventually(lambda: relay.readiness()[0] == 200, 10)
            serves(relay)
        (relay.dir / "key-gone").rename(relay.key_file)
        with tap.case("and has lost no record"):
            equal(relay.stop(), 0)
            export, = relay.export()
            equal([export["totals"]["requests"], export["totals"]["reported_attempts"]], [2, 2])


def sealed(relay):
    line = Line(relay)
    answer = line.ask(CHAT, HELLO)
    line.close()
    equal([answer.status, answer.json()["error"]["code"]], [503, "vault_sealed"])
    equal(relay.readiness(), (503, ["vault_sealed"]))


def passphrase(tap):
    words = "correct horse battery staple"
    with Relay(models=MODELS, passphrase=words, relays=1) as relay:
        with tap.case("a passphrase vault is sealed; a wrong passphrase says so, the right one opens it"):
            sealed(relay)
            wrong = relay.unlock("--stdin", secret="wrong horse")
            holds(wrong.returncode == 1 and wrong.stderr.strip().count("\n") <= 1, wrong)
            holds("horse" not in wrong.stdout + wrong.stderr, "a passphrase is shown")
            sealed(relay)
            right = relay.unlock("--stdin", secret=words)
            equal([right.returncode, right.stderr], [0, ""])
            eventually(lambda: relay.readiness()[0] == 200)
            serves(relay)
        with tap.case("neither passphrase nor vendor key is in an argument or environment of any role, or the log"):
            for pids in relay.pids().values():
                for pid in pids:
                    for part in ("cmdline", "environ"):
                        text = pathlib.Path(f"/proc/{pid}/{part}").read_bytes()
                        holds(b"horse" not in text and relay.vendor.key.encode() not in text, f"{part} of {pid}")
            holds("horse" not in relay.logs() and relay.vendor.key not in relay.logs(), "in a log")
        with tap.case("killed, the keeper comes back without asking for the passphrase"):
            kill(relay, "lethe-keeper")
            eventually(lambda: relay.readiness()[0] == 200, 10)
            serves(relay)


class Names:
    """A name server for one name; answers A 127.0.0.1 for one second. Counts questions."""

    def __init__(self):
        self.address = f"127.53.{os.urandom(1)[0]}.{1 + os.urandom(1)[0] % 250}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((self.address, 53))
        except OSError as why:
            raise Skip(f"port 53 cannot be had: {why}") from why
        self.asked = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                question, who = self.socket.recvfrom(512)
            except OSError:
                return
            end = question.index(b"\0", 12) + 5
            kind = struct.unpack(">H", question[end - 4:end - 2])[0]
            self.asked += 1
            answer = b"\xc0\x0c\0\x01\0\x01" + struct.pack(">IH", 1, 4) + socket.inet_aton("127.0.0.1")
            count = 1 if kind == 1 else 0
            head = question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, count, 0, 0)
            self.socket.sendto(head + question[12:end] + answer * count, who)


def named(value):
    for upstream in value["upstreams"]:
        del upstream["addresses"]


def resolver_killed(tap):
    with tap.case("a killed resolver is started again and asks for names as before"):
        names = Names()
        with harness.tempfile.TemporaryDirectory(prefix="lethe-names-") as folder:
            conf = pathlib.Path(folder, "resolv.conf")
            conf.write_text(f"nameserver {names.address}\noptions timeout:1 attempts:2\n")
            with Relay("--resolv-conf", conf, models=MODELS | {"close": "mock:close"}, config=named, relays=1) as relay:
                serves(relay)
                holds(names.asked > 0, "the resolver has not asked")
                kill(relay, "lethe-resolver")
                body = {**HELLO, "model": "close"}  # each attempt needs a connection of its own, and so a name
                asked = names.asked
                for _ in range(2):
                    equal(Line(relay).ask(CHAT, body).status, 200)
                    time.sleep(1.2)  # the answer's time to live
                holds(names.asked > asked, "it does not ask any more")
                equal(relay.status()["restarts"], 1)
        names.socket.close()


def admin_killed(tap, relay):
    with tap.case("a killed admin role is started again; callers do not notice"):
        stream = Stream(relay)
        took, _ = kill(relay, "lethe-admin")
        serves(relay)
        eventually(lambda: relay.readiness()[0] == 200, 5)
        holds(took < 2, f"{took} s")
        equal(relay.reload()[0], 200)
        holds(stream.whole(), "the stream was cut")


def together(tap):
    """Deaths that cross each other and a reload. Whatever comes: it serves again, and the sums hold."""
    with Relay(models=MODELS, vendor_options={"record": False}) as relay:
        cases = {"keeper and a relay": ("lethe-keeper", "lethe-relay"), "resolver and admin": ("lethe-resolver", "lethe-admin"),
                 "all but the supervisor": ("lethe-keeper", "lethe-resolver", "lethe-admin", "lethe-relay")}
        asked = 0
        for name, roles in cases.items():
            with tap.case(f"{name} killed at once: it serves again"):
                serves(relay)
                asked += 1
                pids = relay.pids()
                for pid in [pid for role in roles for pid in pids[role]]:
                    os.kill(pid, signal.SIGKILL)
                eventually(lambda: relay.readiness()[0] == 200 and len(relay.pids().get("lethe-relay", [])) == 2, 15)
        for role in ("lethe-keeper", "lethe-admin", "lethe-relay"):
            with tap.case(f"{role} killed in the middle of a reload: the box serves, and the next reload is done"):
                number = relay.status()["generation"]
                relay.lethed.send_signal(signal.SIGHUP)
                eventually(lambda: len(relay.pids()["lethe-relay"]) > 2 or relay.status()["generation"] > number, 5)
                os.kill(max(relay.pids()[role]), signal.SIGKILL)
                eventually(lambda: relay.readiness()[0] == 200, 15)
                eventually(lambda: relay.reload()[0] == 200, 10)
                eventually(lambda: {r["generation"] for r in relay.status()["relays"]} == {relay.status()["generation"]}, 10)
                serves(relay)
                asked += 1
        with tap.case("after all of it no exchange is missing or counted twice"):
            equal(relay.stop(), 0)
            exports = relay.export()
            outcomes = {k: v for e in exports for k, v in e["outcomes"].items() if v}
            equal([outcomes, exports[-1]["refused_records"]], [{"ok": asked}, 0])


def supervisor_killed(tap):
    with Relay(models=MODELS) as relay:
        with tap.case("with the supervisor every role ends within a second"):
            serves(relay)
            pids = [pid for group in relay.pids().values() for pid in group]
            equal(len(pids), 6)
            relay.lethed.kill()
            relay.lethed.wait()
            eventually(lambda: not any(pathlib.Path(f"/proc/{pid}/cmdline").exists() and running(pid) for pid in pids), 1)
            with raises(OSError):
                Line(relay, timeout=2).open()
        with tap.case("the next start says that the last end was not clean, and counts on"):
            relay.start()
            serves(relay)
            equal(relay.stop(), 0)
            export = relay.export()[-1]
            equal([export["boot"]["previous_clean"], export["boot"]["count"]], [0, 2])


def running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def terminated(tap):
    with Relay(models=MODELS) as relay:
        with tap.case("SIGTERM in the middle of a stream: it ends whole, new callers are refused at once, the end is clean"):
            stream = Stream(relay)
            relay.lethed.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with raises(ConnectionRefusedError):
                Line(relay, timeout=5).open()
            holds(stream.whole(), "the stream was cut")
            equal(relay.lethed.wait(10), 0)
        with tap.case("its usage is in the final export"):
            export, = relay.export()
            row, = relay.vendor.ledger()
            equal([export["kind"], export["outcomes"]["ok"]], ["final", 1])
            equal(export["totals"]["reported"]["input"], row["prompt_tokens"])
        with tap.case("exports count up over restarts, each naming the one before"):
            for _ in range(2):
                relay.start()
                equal(harness.end(relay.lethed), 0)
            exports = relay.export()
            equal([e["seq"] for e in exports], [1, 2, 3])
            equal([e["boot"]["count"] for e in exports], [1, 2, 3])
            equal([e["boot"]["previous_clean"] for e in exports], [1, 1, 1])
            holds(exports[0]["prev"] == "0" * 64 and len({e["prev"] for e in exports}) == 3, "prev")


def main():
    tap = Tap("kills")
    with Relay(models=MODELS) as relay:
        lost = relay_killed(tap, relay)
        admin_killed(tap, relay)
        keeper_killed(tap, relay)
        with tap.case("the export counts what died with a relay as lost, and nothing else"):
            eventually(lambda: relay.readiness()[0] == 200, 10)
            equal(relay.stop(), 0)
            export, = relay.export()
            equal({k: v for k, v in export["outcomes"].items() if v and k != "ok"}, {"lost": lost})
            equal(export["outcomes"]["ok"], sum(row["complete"] for row in relay.vendor.ledger()))
    for part in (keeper_unlocked, passphrase, resolver_killed, together, supervisor_killed, terminated):
        part(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
