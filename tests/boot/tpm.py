#!/usr/bin/env python3
# time limit: 900 s
"""Measured boot on the image: the TPM opens the vault after a power cut as long as the box starts what it started when the
slot was added; started from something else the box stays sealed and says so, and a person opens it. An export's quote fits
the manifest of the image, by lethe-verify alone."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

import harness  # noqa: E402
import versions  # noqa: E402
from box import IMAGE, OFF_S, Box  # noqa: E402
from load import CHAT, user  # noqa: E402
from swtpm import SoftTpm  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("Good morning.")}
START_S = 240


class MeasuredBox(Box):
    """By UEFI with a TPM. The stick holds vault.key only while `keyed`."""

    ending = []

    def __init__(self):
        self.tpm, self.keyed = None, True
        super().__init__(boot="uefi", memory_mib=512, start=False)

    def config_drive(self):
        kept, self.key_file = self.key_file, self.key_file if self.keyed else self.dir / "readme"
        self.key_file.touch()
        try:
            return super().config_drive()
        finally:
            self.key_file = kept

    def start(self, wait=True):
        self.tpm = self.tpm or SoftTpm(self.dir)
        # It ends when its machine does, a moment later: the next machine needs the next one.
        eventually(lambda: self.tpm.process is None or self.tpm.process.poll() is not None, 20)
        self.devices = self.tpm.start()
        super().start(wait=False)
        if wait:
            self.wait_ready(START_S)

    def power_off(self):
        """By the button; the vendors stay."""
        self.monitor.do("system_powerdown")
        equal(self.lethed.wait(OFF_S), 0)

    def vault(self):
        try:
            return json.loads(self.admin("GET", "/admin/v1/vault")[1])
        except (OSError, ValueError):
            return {}

    def ctl(self, *words):
        environment = os.environ | {"LETHE_ADMIN_TOKEN": self.admin_token}
        command = [harness.BIN / "lethectl", *words, "--admin", self.admin_url, "--ca", self.ca]
        done = subprocess.run([str(w) for w in command], env=environment, text=True, capture_output=True, timeout=120)
        holds(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout

    def exchange_image(self, old, new):
        """Another image of the same root in the place of the one: only the command line differs."""
        old, new = (IMAGE / old).read_bytes(), (IMAGE / new).read_bytes()
        equal(len(old), len(new))
        with open(self.dir / "disk.raw", "r+b") as disk:
            data = disk.read()
            at = data.find(old)
            holds(at >= 0 and data.find(old, at + 1) < 0, "the image does not lie in one piece on the disk")
            disk.seek(at)
            disk.write(new)


def verify(box, folder, *more):
    files = sorted(folder.glob("usage-*.json"))[-1:]
    key = subprocess.run([harness.BIN / "lethe-verify", "ak", f"{files[-1]}.quote"], capture_output=True, check=True)
    (folder / "ak.pem").write_bytes(key.stdout)
    done = subprocess.run([harness.BIN / "lethe-verify", "export", *files, "--pub", next(folder.glob("*.pub")), "--ak",
                           folder / "ak.pem", "--manifest", IMAGE / "manifest.json", *more], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def attended(tap, box):
    box.start()
    with tap.case("the box has its TPM, and takes a slot for it"):
        equal(box.vault()["tpm"], "unused")
        box.ctl("vault", "slot", "add", "tpm")
        equal(box.vault()["tpm"], "opens")
    with tap.case("an export's quote is good, and what was started is this image's manifest"):
        box.ctl("export", "now", "--out", box.dir / "pulled")
        status, said = verify(box, box.dir / "pulled")
        holds(status == 0 and "profile default" in said, said)
        box.power_off()


def unattended(tap, box):
    box.keyed = False
    with tap.case("without the key file: it opens by itself and serves"):
        box.start()
        equal((box.vault()["tpm"], box.request("POST", CHAT, HELLO)[0]), ("opens", 200))
    with tap.case("and after a power cut"):
        box.lethed.kill()
        box.lethed.wait()
        box.start()
        equal(box.request("POST", CHAT, HELLO)[0], 200)
        box.power_off()


def elsewhere(tap, box):
    box.exchange_image("lethe.efi", "lethe-serial.efi")
    with tap.case("started from something else: sealed, told on the console and in the status"):
        box.start(wait=False)
        eventually(lambda: box.vault().get("state") == "sealed", START_S)
        equal(box.vault()["tpm"], "other_start")
        box.wait_console("started from something else")
    with tap.case("a person opens it, and its quotes say what was started: not the profile that is installed"):
        box.ctl("vault", "unlock", "--key-file", box.key_file)
        eventually(lambda: box.request("POST", CHAT, HELLO)[0] == 200, 30)
        box.ctl("export", "now", "--out", box.dir / "later")
        status, said = verify(box, box.dir / "later")
        holds(status == 0 and "profile serial" in said, said)
        box.power_off()
        box.exchange_image("lethe-serial.efi", "lethe.efi")


def updated(tap, box):
    """The keeper seals to what the manifest foretells before anybody starts it."""
    with tap.case("an update has its slot before it is started, and nobody is needed after the restart"):
        box.start()
        box.ctl("box", "update-keys", versions.KEYS / "all.pub")
        offered = box.dir / "offered.update"
        offered.write_bytes(versions.signed(versions.Image(IMAGE).version("2.0.0")))
        said = box.ctl("update", offered)
        holds("TPM opens the vault for it too" in said, said)
        eventually(lambda: [slot["kind"] for slot in box.vault().get("slots", [])] == ["key_file", "tpm", "tpm"], 30)
        before = box.vault()["seal_key"]
        with contextlib.suppress(AssertionError):  # its answer may be lost with the machine
            box.ctl("box", "restart")
        eventually(lambda: box.vault().get("seal_key", before) != before and box.vault()["state"] == "open", START_S)
        equal((json.loads(box.admin("GET", "/admin/v1/box")[1])["version"], box.vault()["tpm"]), ("2.0.0", "opens"))
        box.wait_ready()
        equal(box.request("POST", CHAT, HELLO)[0], 200)
    with tap.case("once it has proven itself, the image before it opens the vault no more"):
        eventually(lambda: json.loads(box.admin("GET", "/admin/v1/box")[1]).get("proven") == "yes", START_S)
        eventually(lambda: [slot["kind"] for slot in box.vault().get("slots", [])] == ["key_file", "tpm"], 30)
        equal(box.vault()["tpm"], "opens")
        box.power_off()


def main():
    tap = Tap("tpm")
    with MeasuredBox() as box:
        try:
            attended(tap, box)
            unattended(tap, box)
            elsewhere(tap, box)
            updated(tap, box)
        finally:
            if box.tpm:
                box.tpm.stop()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
