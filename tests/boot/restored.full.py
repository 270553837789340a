#!/usr/bin/env python3
# time limit: 600 s
"""A lost machine and its backup: two persons make another machine of it, on an empty disk, and callers notice nothing."""

import hashlib
import json
import pathlib
import shutil
import ssl
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from setup_tool import KeyedBox  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

PEOPLE = ("anna", "ben", "carl")


def fingerprint(box):
    pem = ssl.get_server_certificate(("127.0.0.1", box.admin_port))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def shown(box):
    """Claim code and fingerprint, as a person reads the one off the console and compares the other."""
    claim = box.shown(r"claim code ([A-Z2-7]{4}-[A-Z2-7]{4})")
    first = box.shown(r"admin key +((?:[0-9a-f]{4} ){4})")
    seen = fingerprint(box)
    holds(claim and first and seen.startswith(first.replace(" ", "")), box.console()[-2000:])
    return claim, seen


def done(box, *words, secrets=()):
    code, out, said = box.lethectl(*words, secrets=secrets)
    holds(code == 0, f"{words[:2]}: {out}{said}")
    return out


def managed(box):
    return "--admin", box.admin_url, "--token-file", box.dir / "out/admin.token", "--ca", box.dir / "out/ca.crt"


def set_up(box):
    """Returns the client key."""
    box.start("unclaimed")
    claim, seen = shown(box)
    out = done(box, "setup", "--admin", box.admin_url, "--file", box.wish(), "--out", box.dir / "out", "--stdin",
               "--fingerprint", seen, secrets=[claim, box.vendor.key])
    return next(word for word in out.split() if word.startswith("lk1_"))


def back_up(box, folder):
    for name in PEOPLE:
        done(box, "backup-key", "make", "--out", folder, "--name", name, "--light", "--stdin", secrets=[f"words of {name}"] * 2)
    to = ",".join(str(folder / f"{name}.backup-pub") for name in PEOPLE)
    done(box, "vault", "export", "--out", folder / "backup", "--to", to, "--need", "2", *managed(box))
    return json.loads(done(box, "vault", "status", "--json", *managed(box)))["device"]


def restore(new, folder):
    """With the keys of two of the three; its vault gets new words."""
    new.start("unclaimed")
    claim, seen = shown(new)
    keys = f"{folder / 'carl.backup-key'},{folder / 'anna.backup-key'}"
    done(new, "vault", "import", folder / "backup", "--admin", new.admin_url, "--with", keys, "--stdin", "--out",
         new.dir / "out", "--light", "--fingerprint", seen,
         secrets=["words of carl", "words of anna", claim, "new words", "new words"])


def main():
    tap = Tap("restored")
    with KeyedBox() as lost, KeyedBox() as new:
        with tap.case("a machine is set up, serves, and is backed up for three persons"):
            key = set_up(lost)
            holds(lost.answers(key), "no first answer")
            device = back_up(lost, lost.dir)
        with tap.case("it is gone, and two of them make another one of an empty machine"):
            lost.lethed.kill()
            lost.lethed.wait()
            restore(new, lost.dir)
        with tap.case("the client key, the CA and the vendor's key of before work there"):
            for name in ("ca.crt", "admin.token"):
                shutil.copy(lost.dir / "out" / name, new.dir / "out" / name)
            holds(new.answers(key), new.console()[-3000:])
        with tap.case("its exports are a series of its own that names the machine before"):
            eventually(lambda: new.lethectl("status", *managed(new))[0] == 0, 30)
            done(new, "export", "now", "--out", new.dir / "pulled", *managed(new))
            body = json.loads(next((new.dir / "pulled").glob("usage-*.json")).read_text())
            equal((body["seq"], body["succeeds"]["device"], body["device"] == device), (1, device, False))
        with tap.case("after a power cut the new words open it"):
            new.lethed.kill()
            new.lethed.wait()
            new.start("sealed")
            done(new, "vault", "unlock", "--stdin", "--admin", new.admin_url, "--fingerprint", fingerprint(new),
                 secrets=["new words"])
            eventually(lambda: new.answers(key, 1), 60)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
