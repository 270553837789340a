#!/usr/bin/env python3
# time limit: 300 s
"""Secure Boot: a virtual machine in setup mode takes the throw-away keys from the signed disk by itself, starts what is
signed with them, and says so on its console and in its exports; an owner's keys are said to be the owner's; and a loader or
an image that is not signed, or was changed after it, is not started."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(TOP / "image")]

import disk  # noqa: E402
import sign  # noqa: E402
from box import IMAGE, UEFI_VARS  # noqa: E402
from hardware import SecureHardware  # noqa: E402
from harness import end  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("hello")}
KEYS = TOP / "build/throw-away"
ENROL_S, REFUSED_S = 90, 60
# Whoever put the keys there; any number.
OWNER = "77fa9abd-0359-4d32-bd60-28f4e78f784b"
DENIED = ("Access Denied", "Access denied", "Security Violation", "Security violation")


def enrolled(folder, keys):
    """Variables as a firmware has them after its owner enrolled keys in its set-up."""
    out = folder / f"{keys.name}.vars"
    subprocess.run(["virt-fw-vars", "--input", UEFI_VARS, "--output", out, "--set-pk", OWNER, keys / "PK.crt", "--add-kek",
                    OWNER, keys / "KEK.crt", "--add-db", OWNER, keys / "db.crt", "--sb"], check=True, capture_output=True)
    return out


def disk_of(out, loader, image):
    """The raw disk with these programs in its boot partition, and no keys."""
    serial = IMAGE / "serial"
    tree = disk.boot_tree(loader, image, (serial / "vmlinuz").read_bytes(), (serial / "initrd").read_bytes(),
                          {"cmdline": (serial / "cmdline").read_text().strip()},
                          (IMAGE / "lethe.update.manifest").read_bytes())
    disk.write_with_boot(IMAGE / "lethe.raw", out, tree, 1_000_000_000)
    return out


def says(box, signing):
    """What its last export says of it."""
    equal(box.stop(), 0)
    said = box.export()[-1]["box"]
    equal((said["secure_boot"], said["signing"]), (1, signing))


def serves(box):
    status, _, _ = box.request("POST", CHAT, HELLO)
    equal(status, 200)


def enrols(tap):
    """The signed disk as make image made it, in a machine whose firmware has no keys yet."""
    with tap.case("a virtual machine in setup mode takes the keys from the signed disk, and starts again"):
        with SecureHardware(UEFI_VARS, raw=IMAGE / "signed/lethe-signed.raw", start=False) as box:
            box.start(wait=False)
            box.lethed.wait(ENROL_S)
            equal(box.lethed.returncode, 0)
            box.start()
            serves(box)
            says(box, "throw_away")


def reports(tap, vars_, raw, words, signing):
    with tap.case(f"its console says: {words}; so do its exports"):
        with SecureHardware(vars_, raw=raw) as box:
            serves(box)
            box.wait_console(words)
            says(box, signing)


def refused(tap, name, vars_, raw):
    with tap.case(name):
        with SecureHardware(vars_, raw=raw, start=False) as box:
            box.start(wait=False)
            deadline = time.monotonic() + REFUSED_S
            while not any(words in box.console() for words in DENIED):
                holds(box.lethed.poll() is None and time.monotonic() < deadline, box.console()[-1500:])
                time.sleep(0.3)
            holds("started by" not in box.console(), box.console()[-1500:])
            # A firmware that starts nothing hears no power button.
            end(box.lethed)


def main():
    tap = Tap("secure_boot")
    with tempfile.TemporaryDirectory(dir=TOP / "build") as folder:
        scratch = pathlib.Path(folder)
        enrols(tap)
        plain_loader, plain_image = ((IMAGE / name).read_bytes() for name in ("lethe-loader.efi", "lethe-serial.efi"))
        loader, image = (sign.sign(program, KEYS, 1_000_000_000) for program in (plain_loader, plain_image))
        vars_ = enrolled(scratch, KEYS)
        reports(tap, vars_, disk_of(scratch / "good", loader, image), "Secure Boot on WITH A THROW-AWAY KEY", "throw_away")
        refused(tap, "an unsigned loader is refused by the firmware", vars_, disk_of(scratch / "1", plain_loader, image))
        refused(tap, "an unsigned image is refused by the loader", vars_, disk_of(scratch / "2", loader, plain_image))
        changed = bytearray(image)
        changed[len(changed) // 2] ^= 1
        refused(tap, "a signed image of which a byte was changed is refused", vars_,
                disk_of(scratch / "3", loader, bytes(changed)))
        own = scratch / "own"
        sign.make_keys(own, "Example Ltd", 1_000_000_000)
        refused(tap, "another key's signature is refused where the owner's keys are", enrolled(scratch, own),
                disk_of(scratch / "4", loader, image))
        reports(tap, enrolled(scratch, own), disk_of(scratch / "5", *(sign.sign(program, own, 1_000_000_000) for program in
                                                                     (plain_loader, plain_image))),
                "Secure Boot on with its owner's key", "owner")
    return tap.done()


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    sys.exit(main())
