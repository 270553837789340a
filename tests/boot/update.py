#!/usr/bin/env python3
# time limit: 900 s
"""Updates on the booted image: what is refused before a byte is written, what is started next, what proves itself, and what
becomes of a version that does not start, by UEFI. What it is given is made and signed with minisign as a release is.
update.full.py has the rest, a BIOS, and throw-away keys."""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

import harness  # noqa: E402
import versions  # noqa: E402
from box import IMAGE, Box  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

WAIT_S = 240


class Machine(Box):
    """One that starts again when it is told to. Its updates are signed by the throw-away keys of this build folder."""

    ending = []
    update_keys = "throw-away"

    def signed(self, made, keys=(1, 2)):
        return versions.signed(made, keys)

    def public_keys(self):
        return versions.KEYS / "all.pub"

    def ctl(self, *words, check=True, secret=""):
        """lethectl over the network. Returns all that it said."""
        environment = os.environ | {"LETHE_ADMIN_URL": self.admin_url, "LETHE_ADMIN_TOKEN": self.admin_token,
                                    "SSL_CERT_FILE": str(self.ca)}
        for _ in range(20):
            done = subprocess.run([str(word) for word in (harness.BIN / "lethectl", *words)], env=environment, text=True,
                                  input=secret, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
            # On a slow machine the tries of wait_ready are handshakes that failed, and their source waits for it.
            if self.lethed.poll() is not None \
                    or not any(sign in done.stdout for sign in ("closed the connection", "nothing answers")):
                break
            time.sleep(2)
        holds((done.returncode == 0) == check, f"{words}: exit {done.returncode}: {done.stdout}")
        return done.stdout

    def install(self, content, *words, check=True):
        file = self.dir / "offered.update"
        file.write_bytes(content)
        return self.ctl("update", file, *words, check=check)

    def facts(self, tries=30):
        while True:
            try:
                status, body = self.admin("GET", "/admin/v1/box")
                equal(status, 200)
                return json.loads(body)
            except OSError:
                tries -= 1
                if tries <= 0:
                    raise
                time.sleep(1)

    def wait_fact(self, seconds=WAIT_S, **wanted):
        """Until the box says all of this; it may be starting meanwhile."""
        deadline, last = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            try:
                last = self.facts(1)
                if all(last.get(key) == value for key, value in wanted.items()):
                    return last
            except (OSError, AssertionError, ValueError):
                pass
            time.sleep(0.3)
        raise AssertionError(f"not so: {wanted}: {last}\n{self.logs()[-2000:]}")

    def give_keys(self):
        return self.ctl("box", "update-keys", self.public_keys())


class Released(Machine):
    """One whose updates are releases."""

    update_keys, release = "set", None

    def public_keys(self):
        self.release = self.release or versions.Release(self.dir / "release")
        return self.release.public

    def signed(self, made, keys=(1, 2)):
        self.public_keys()
        return self.release.signed(made, keys)


def panics(initrd):
    """The archive that holds /init does not unpack: the kernel stops, and starts again."""
    return b"\0" * 4096 + initrd[4096:]


def refuses(tap, box, image):
    good = image.version("2.0.0")
    whole = box.signed(good)
    with tap.case(f"{box.boot}: without update keys nothing is taken"):
        holds("no update keys" in box.install(whole, check=False), "another sentence")
    with tap.case(f"{box.boot}: keys are given once"):
        box.give_keys()
        equal(box.facts()["update_keys"], box.update_keys)
        holds("already" in box.ctl("box", "update-keys", box.public_keys(), check=False), "given twice")
    text = good[1].replace(b"version 2.0.0", b"version 2.0.1")
    rows = {
        "one signature": (box.signed(good, (1,)), "Only one"),
        "two signatures of one key": (box.signed(good, (2, 2)), "Only one"),
        "a manifest that was changed": (whole.replace(good[1], text), "No update key"),
        "an image that was changed": (whole[:-9000] + bytes(9000), "damaged"),
        "one that was cut off": (whole[:-5000], "damaged"),
        "something else": (b"MZ" + bytes(100000), "not an update"),
        "an older one": (box.signed(image.version("0.9.0", later=-1)), "older"),
    }
    before = box.facts()
    for name, (content, words) in rows.items():
        with tap.case(f"{box.boot}: {name} is refused"):
            said = box.install(content, check=False)
            holds(words in said, said)
    with tap.case(f"{box.boot}: and changed nothing"):
        equal({k: v for k, v in box.facts().items() if k != "update"}, {k: v for k, v in before.items() if k != "update"})


def falls_back(tap, box, image, version):
    slot = box.facts()["slot"]
    with tap.case(f"{box.boot}: a version that does not start is left after three tries"):
        broken = image.version("3.0.0", later=2, spoil=panics, words=("panic=1",))
        box.install(box.signed(broken), "--restart")
        time.sleep(3)
        said = box.wait_fact(version=version, slot=slot, other_version="3.0.0", other_state="did not start")
        equal(said["proven"], "yes")
    with tap.case(f"{box.boot}: and serves on"):
        box.wait_ready()


def lives(tap, image, boot, kind=Machine):
    with kind(boot=boot, memory_mib=512) as box:
        with tap.case(f"{boot}: it knows its slot"):
            said = box.wait_fact(slot="a", proven="yes")
            equal((said["version"], said["update_keys"]), (image.said["version"], "none"))
        if boot == "uefi":
            refuses(tap, box, image)
        else:
            box.give_keys()
            equal(box.facts()["update_keys"], box.update_keys)
        with tap.case(f"{boot}: an update is started next, and proves itself"):
            box.install(box.signed(image.version("2.0.0")), "--restart")
            said = box.wait_fact(version="2.0.0", slot="b", proven="yes")
            equal((said["other_version"], said["other_state"]), (image.said["version"], "proven"))
        if boot == "uefi":
            falls_back(tap, box, image, "2.0.0")


def made_here(tap):
    """What `make image` puts beside lethe.update, checked as image/README.md says."""
    with tap.case("minisign finds the signatures of lethe.update.manifest good, and bundle.py says the same manifest"):
        lines = (IMAGE / "update-keys.pub").read_text().splitlines()[1:]
        for i in (1, 2):
            subprocess.run(["minisign", "-Vqm", IMAGE / "lethe.update.manifest", "-x",
                            IMAGE / f"lethe.update.manifest.{i}.minisig", "-P", lines[i - 1]], check=True)
        said = subprocess.run([harness.ROOT / "image/bundle.py", "manifest", "--image", IMAGE], check=True, capture_output=True)
        equal(said.stdout, (IMAGE / "lethe.update.manifest").read_bytes())


def main():
    tap = Tap("update")
    image = versions.Image(IMAGE)
    made_here(tap)
    lives(tap, image, "uefi", Released)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
