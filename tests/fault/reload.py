#!/usr/bin/env python3
"""A reload is nobody's business but the operator's: 100 of them under load cost no request of a caller who obeys
Connection: close, running streams end whole, a bad file changes nothing and is told by its place, and nothing of old
generations stays. LETHE_REQUESTS and LETHE_RELOADS change the numbers."""

import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, Line, crowd, user  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

REQUESTS, RELOADS = int(os.environ.get("LETHE_REQUESTS", 10000)), int(os.environ.get("LETHE_RELOADS", 100))
CALLERS, STREAMS, EVENTS = 6, 3, 60
MODELS = {"chat": "mock-1", "long": f"mock:events={EVENTS},gap_ms=50"}


def status(relay):
    return json.loads(relay.admin("GET", "/admin/v1/status")[1])


def descriptors(relay):
    """Open descriptors of each role that lives through a reload."""
    found = {}
    for role, pids in relay.pids().items():
        if role != "lethe-relay":
            found[role] = len(os.listdir(f"/proc/{pids[0]}/fd"))
    return found


def settled(relay):
    """Only one generation is left."""
    now = status(relay)
    return len(now["relays"]) == relay.relays and {r["generation"] for r in now["relays"]} == {now["generation"]} and \
        len(relay.pids()["lethe-relay"]) == relay.relays


class Load:
    def __init__(self, relay):
        self.relay, self.over, self.done, self.streams, self.faults = relay, False, 0, 0, []

    def short(self, line, _):
        body = {"model": "chat", "messages": user("Good morning.")}
        while not self.over or self.done < REQUESTS:
            answer = line.ask(CHAT, body)
            holds(answer.status == 200 and b"You said: Good morning." in answer.body, f"{answer.status} {answer.body}")
            self.done += 1

    def long(self, line, _):
        while not self.over or self.streams < 5:
            answer = line.ask(CHAT, {"model": "long", "messages": user("Go on."), "stream": True})
            equal([answer.status, answer.events()[-1]], [200, "[DONE]"])
            equal(sum(bool(c["choices"][0]["delta"].get("content")) for c in answer.chunks()), EVENTS)
            equal(answer.trailer, {"x-lethe-end": "--"})
            self.streams += 1

    def start(self):
        def guarded(count, work):
            try:
                crowd(self.relay, count, work)
            except BaseException as why:  # noqa: BLE001: told by the case that waits
                self.faults.append(why)
        self.threads = [threading.Thread(target=guarded, args=row, daemon=True)
                        for row in ((CALLERS, self.short), (STREAMS, self.long))]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join(120)
        if self.faults:
            raise self.faults[0]


def under_load(tap, relay):
    before, number = descriptors(relay), status(relay)["generation"]
    load = Load(relay)
    load.start()
    began = time.monotonic()
    with tap.case(f"{RELOADS} reloads are done while callers come"):
        for n in range(RELOADS):
            eventually(lambda n=n: load.done >= REQUESTS * n // RELOADS or load.faults, 60)
            code, body = relay.reload()
            equal([code, json.loads(body)], [200, {"generation": number + n + 1}])
    with tap.case("no request failed and every running stream ended whole"):
        load.end()
        holds(load.done >= REQUESTS and load.streams >= 5, f"{load.done} requests, {load.streams} streams")
    print(f"# {load.done} requests, {load.streams} streams, {time.monotonic() - began:.1f} s")
    with tap.case("old generations have ended: processes, columns, descriptors"):
        eventually(lambda: settled(relay), 10)
        after = descriptors(relay)
        grown = {role: (before[role], after[role]) for role in before if after[role] > before[role]}
        equal(grown, {})  # fewer is no leak: admin's callers come and go
        equal(status(relay)["restarts"], 0)


def patient_idle(tap, relay):
    with tap.case("an idle connection is told by Connection: close, not cut under the next request"):
        line = Line(relay)
        equal(line.ask(CHAT, {"model": "chat", "messages": user("x")}).fields.get("connection"), None)
        relay.reload()
        answer = line.ask(CHAT, {"model": "chat", "messages": user("x")})
        equal([answer.status, answer.fields.get("connection")], [200, "close"])


def known(relay, model, missed):
    """A relay of the old generation may still take a connection in the moment of the change."""
    answer = Line(relay).ask(CHAT, {"model": model, "messages": user("x")})
    missed += [answer] if answer.status == 404 else []
    return answer.status == 200


def crossing(tap, relay):
    missed = []
    with tap.case("a reload asked for while another starts is answered by what the files say at the asking"):
        for n in range(8):
            relay.lethed.send_signal(signal.SIGHUP)
            time.sleep(0.002 * n)
            relay.models[f"new-{n}"] = "mock-1"
            relay.write_config()
            code, body = relay.reload()
            equal([n, code, body[:14]], [n, 200, b'{"generation":'])
            eventually(lambda n=n: known(relay, f"new-{n}", missed), 3)
        eventually(lambda: settled(relay), 10)
    return len(missed)


def lethectl(relay, *words):
    environment = os.environ | {"LETHE_ADMIN_TOKEN": relay.admin_token}
    command = [harness.BIN / "lethectl", *words, "--admin", relay.admin_url, "--ca", relay.ca]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)


def place(text, word):
    """Line and column of a word, from 1."""
    before = text[:text.index(word)]
    return [before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1]


def bad_files(tap, relay):
    config, policy = relay.config / "lethe.json", relay.config / "policy.json"
    good, rules = config.read_text(), policy.read_text()
    time.sleep(1.5)  # an admin role whose files have changed is started again a moment after the reload
    number, pids = status(relay)["generation"], relay.pids()
    rows = [
        ("an unknown setting", config, good.replace('"settings": {', '"settings": {\n  "body_byte": 5000,'), '"body_byte"',
         "body_bytes"),
        ("an unknown key of lethe.json", config, good.replace('"models"', '"modles"', 2).replace('"modles"', '"models"', 1),
         '"modles"', "models"),
        ("a target without its upstream", config, good.replace('"upstream": "mock"', '"upstream": "mick"', 1), '"mick"', None),
        ("broken JSON", config, good.replace('"upstreams": [', '"upstreams": [,', 1), None, None),
        ("an unknown entity of the policy", policy, rules.replace('"PRIVATE_KEY": { "do"', '"PRIVATE_KEYS": { "do"', 1),
         '"PRIVATE_KEYS"', "PRIVATE_KEY"),
        ("an unknown key of the policy", policy, rules.replace('"floor"', '"flor"', 1), '"flor"', "floor"),
    ]
    for name, file, text, word, near in rows:
        with tap.case(f"{name} changes nothing and is told by file, line, column and the nearest name"):
            holds(text != file.read_text(), "the row does not change the file")
            file.write_text(text)
            try:
                code, body = relay.reload()
                fault = json.loads(body)["error"]
                equal(code, 422)
                holds(fault["message"].startswith(file.name + ": "), fault)
                if word is not None:
                    line, column = place(text, word)
                    holds(fault["line"] == line and fault["column"] >= column, [fault, line, column])
                holds(near is None or f'"{near}"' in fault["message"], fault)
                told = lethectl(relay, "reload")
                equal(told.returncode, 1)
                for part in (file.name, f":{fault['line']}:{fault['column']}: "):
                    holds(part in told.stdout + told.stderr, [part, told.stdout, told.stderr])
            finally:
                file.write_text(rules if file == policy else good)
            unchanged(relay, number, pids)
    for name in ("tls/server.crt", "tls/server.key", "ca/vendor.pem"):
        with tap.case(f"a damaged {name} changes nothing and is named"):
            file = relay.config / name
            was = file.read_bytes()
            file.write_bytes(was[:len(was) // 2])
            try:
                code, body = relay.reload()
                equal(code, 422)
                holds(name in json.loads(body)["error"]["message"], body)
            finally:
                file.write_bytes(was)
            unchanged(relay, number, pids)
    with tap.case("after them a good configuration is taken"):
        done = lethectl(relay, "reload")
        equal([done.returncode, done.stderr], [0, ""])
        holds(status(relay)["generation"] > number, "no new generation")


def unchanged(relay, number, pids):
    equal(status(relay)["generation"], number)
    equal(eventually(lambda: relay.pids() == pids and relay.pids()), pids)
    equal(relay.admin("GET", "/readyz")[0], 200)
    equal(Line(relay).ask(CHAT, {"model": "chat", "messages": user("x")}).status, 200)


def certificate(relay):
    line = Line(relay).open()
    try:
        return line.socket.getpeercert(binary_form=True)
    finally:
        line.close()


def renewal(tap, relay):
    with tap.case("a renewed certificate is served after a reload, and the old connection goes on until its answer"):
        old, held = certificate(relay), Line(relay)
        held.ask(CHAT, {"model": "chat", "messages": user("x")})
        for name in ("server.crt", "server.key"):  # the authority stays, so that it signs the next one
            (relay.certs / name).unlink()
        keep = {name: (relay.certs / name).read_bytes() for name in ("client-ca.crt", "client-ca.key")}
        renewed = relay.dir / "renewed"
        renewed.mkdir()
        for name, text in keep.items():
            (renewed / name).write_bytes(text)
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=renewed", "-keyout", renewed / "server.key", "-out", renewed / "server.csr"],
                       check=True, stderr=subprocess.DEVNULL)
        (renewed / "server.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n"
                                            "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n")
        subprocess.run(["openssl", "x509", "-req", "-in", renewed / "server.csr", "-CA", renewed / "client-ca.crt",
                        "-CAkey", renewed / "client-ca.key", "-CAcreateserial", "-days", "30", "-extfile",
                        renewed / "server.ext", "-out", renewed / "server.crt"], check=True, stderr=subprocess.DEVNULL)
        for name in ("server.crt", "server.key"):
            shutil.copy(renewed / name, relay.config / "tls" / name)
        equal(certificate(relay), old)
        equal(relay.reload()[0], 200)
        new = certificate(relay)
        equal([new != old, new], [True, ssl.PEM_cert_to_DER_cert((renewed / "server.crt").read_text())])
        equal(held.ask(CHAT, {"model": "chat", "messages": user("x")}).status, 200)


def main():
    tap = Tap("reload")
    with harness.Relay(models=MODELS, settings={"idle_ms": 60000}, vendor_options={"record": False}) as relay:
        under_load(tap, relay)
        patient_idle(tap, relay)
        missed = crossing(tap, relay)
        eventually(lambda: settled(relay), 10)
        bad_files(tap, relay)
        renewal(tap, relay)
        with tap.case("it ends cleanly, and every request of all generations is in its export"):
            equal(relay.stop(), 0)
            export, = relay.export()
            equal({k: v for k, v in export["outcomes"].items() if v and k != "ok"},
                  {"rejected_input": missed} if missed else {})
            equal(export["totals"]["requests"], len(relay.vendor.ledger()) + missed)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
