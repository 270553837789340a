#!/usr/bin/env python3
"""Exports that nobody has fetched are kept; a rotated vault opens by its new secret alone. The real programs."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
from harness import BIN, Relay, children, end
from tap import Tap

tap = Tap("exports")
ok = tap.ok


def remote(relay, *words, stdin=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LETHE_ADMIN")}
    environment |= {"LETHE_ADMIN_URL": relay.admin_url, "LETHE_ADMIN_TOKEN": relay.admin_token,
                    "SSL_CERT_FILE": str(relay.ca)}
    r = subprocess.run([str(BIN / "lethectl"), *map(str, words)], input=stdin, capture_output=True, text=True,
                       env=environment, timeout=60)
    return r.returncode, r.stdout, r.stderr


def status(relay):
    return json.loads(remote(relay, "status", "--json")[1])["vault"]["exports"]


def filling(relay):
    for _ in range(51):
        remote(relay, "export", "now")
    ok(status(relay) == {"kept": 51, "unacknowledged": 51, "fill_percent": 79, "alarm": False}, "51 of 64: no alarm",
           status(relay))
    remote(relay, "export", "now")
    ready = json.loads(relay.admin("GET", "/readyz")[1])
    ok(status(relay)["alarm"] and ready == {"ready": True, "reasons": [], "warnings": ["exports_unacknowledged"]},
           "52 of 64: the status and readyz say so, and it serves on", ready)
    ok("ALARM" in remote(relay, "status")[1] and "fills their place" not in relay.log.read_text()
           and "exports fill their place" in relay.log.read_text(), "lethectl status and the log say so")
    for _ in range(12):
        remote(relay, "export", "now")
    code, _, said = remote(relay, "export", "now")
    ok(code == 1 and "nobody has acknowledged" in said, "the 65th is refused with what to do", said)
    ok(status(relay)["kept"] == 64 and "usage export could not be written" in relay.log.read_text(),
           "nothing was dropped for it")


def acknowledging(relay, folder):
    code, out, said = remote(relay, "export", "pull", "--out", folder, "--no-ack")
    ok(code == 0 and len(list(folder.glob("usage-*.json"))) == 64 and status(relay)["unacknowledged"] == 64,
           "pull --no-ack leaves them as they are", said)
    code, out, said = remote(relay, "export", "ack", "--sequences", "3,999")
    ok(code == 1 and status(relay)["unacknowledged"] == 64, "an export that is not here acknowledges nothing", said)
    code, out, said = remote(relay, "export", "ack", "--sequences", "3,5")
    ok(code == 0 and status(relay)["unacknowledged"] == 62, "two are acknowledged by number", said)
    remote(relay, "export", "now")
    left = [row["sequence"] for row in json.loads(remote(relay, "export", "list", "--json")[1])]
    ok(3 not in left and 5 in left and 1 in left and 65 in left, "the oldest acknowledged one gave way", left)
    code, out, said = remote(relay, "export", "pull", "--out", folder)
    ok(code == 0 and status(relay)["unacknowledged"] == 0 and "acknowledged" in out, "pull acknowledges", said)


def unwritten(relay, folder):
    remote(relay, "export", "now")
    broken = folder / "full"
    broken.write_text("a file where a folder should be")
    code, _, said = remote(relay, "export", "pull", "--out", broken)
    ok(code == 1 and status(relay)["unacknowledged"] == 1, "what could not be written is not acknowledged", said)
    for words in (["--sequences", ""], ["--sequences", "1,"], ["--sequences", "0"], ["--sequences", "x"], []):
        code = remote(relay, "export", "ack", *words)[0]
        ok(code == 2, f"ack {words} is wrong use")


def rotating(relay):
    new, third = relay.dir / "new.key", relay.dir / "third.key"
    wrong = relay.dir / "wrong.key"
    wrong.write_bytes(os.urandom(32))
    code, _, said = remote(relay, "vault", "rotate", "--key-file", wrong, "--new-key-file", third)
    ok(code == 1 and "does not open" in said, "a running vault is not rotated without the old secret", said)
    code, out, said = remote(relay, "vault", "rotate", "--key-file", relay.key_file, "--new-key-file", new)
    ok(code == 0 and new.stat().st_size == 32, "with it, it is", said)
    ok(relay.admin("GET", "/readyz")[0] == 200 and remote(relay, "export", "now")[0] == 0,
           "it serves and signs on under the new key")
    keeper = [pid for pid in children(relay.lethed.pid)
              if b"lethe-keeper" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(keeper[0], 9)
    relay.wait_ready()
    ok(True, "a killed keeper comes back open under the new key")
    end(relay.lethed)
    old = relay.lethectl("vault", "list", "--state", relay.state, "--key-file", relay.key_file, check=False)
    fresh = relay.lethectl("vault", "list", "--state", relay.state, "--key-file", new, check=False)
    ok(old.returncode == 1 and fresh.returncode == 0 and "mock" in fresh.stdout,
           "the old key file opens nothing, the new one all", old.stderr + fresh.stderr)
    words = ["--state", relay.state, "--light", "--stdin"]
    to_words = relay.lethectl("vault", "rotate", *words[:3], "--key-file", new, "--stdin",
                              secret="four plain words here\nfour plain words here", check=False)
    ok(to_words.returncode == 0, "on a file too, from a key file to a passphrase", to_words.stderr)
    refused = relay.lethectl("vault", "rotate", *words, secret="not these\na\na", check=False)
    ok(refused.returncode == 1 and "does not open" in refused.stderr, "a wrong passphrase is refused", refused.stderr)
    differ = relay.lethectl("vault", "rotate", *words, secret="four plain words here\na\nb", check=False)
    ok(differ.returncode == 1 and "differ" in differ.stderr, "two that differ are refused", differ.stderr)
    again = relay.lethectl("vault", "rotate", *words, secret="four plain words here\nother\nother", check=False)
    then = relay.lethectl("vault", "list", "--state", relay.state, "--stdin", secret="other", check=False)
    before = relay.lethectl("vault", "list", "--state", relay.state, "--stdin", secret="four plain words here",
                            check=False)
    ok(again.returncode == 0 and then.returncode == 0 and before.returncode == 1,
           "the new passphrase opens, the old one is refused", again.stderr + then.stderr)


with Relay() as relay:
    folder = relay.dir / "pulled"
    filling(relay)
    acknowledging(relay, folder)
    unwritten(relay, folder)
    rotating(relay)
    relay.key_file.unlink(missing_ok=True)
sys.exit(tap.done())
