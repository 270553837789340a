#!/usr/bin/env python3
# time limit: 1800 s
"""The rest of tests/boot/update.py: going back, what a security release forbids, a slot that was tampered with, a full boot
partition, and the power going away in the midst of an update."""

import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent.parent / "image")]

import bundle  # noqa: E402
import disk  # noqa: E402
import versions  # noqa: E402
from box import IMAGE, partition  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402
from update import Machine, falls_back, lives  # noqa: E402

CUTS = 10
# What a boot partition that is nearly full has to spare beside two versions.
ROOM_BYTES = 6 << 20


def goes_back(tap, image, boot):
    first = image.said["version"]
    with Machine(boot=boot, memory_mib=512) as box:
        box.wait_fact(slot="a", proven="yes")
        box.give_keys()
        with tap.case(f"{boot}: with nothing else there it does not go back"):
            holds("no other version" in box.ctl("box", "roll-back", check=False), "another sentence")
        with tap.case(f"{boot}: back to the version before"):
            box.install(versions.signed(image.version("2.0.0")), "--restart")
            box.wait_fact(version="2.0.0", proven="yes")
            holds(first in box.ctl("box", "roll-back", "--restart"), "not said")
            said = box.wait_fact(version=first, slot="a")
            equal((said["other_version"], said["other_state"]), ("2.0.0", "proven"))
        with tap.case(f"{boot}: which proves itself again"):
            box.wait_fact(version=first, proven="yes")
        with tap.case(f"{boot}: an older one when it is meant"):
            box.install(versions.signed(image.version("0.9.0", later=-5)), "--older", "--restart")
            box.wait_fact(version="0.9.0", proven="yes")
        epoch = image.said["security_epoch"] + 1
        with tap.case(f"{boot}: after a security release nothing of before"):
            box.install(versions.signed(image.version("3.0.0", later=9, security=epoch)), "--restart")
            box.wait_fact(version="3.0.0", proven="yes", security_epoch=str(epoch))
            said = box.ctl("box", "roll-back", check=False)
            holds("security release" in said, said)
            said = box.install(versions.signed(image.version("4.0.0", later=20)), "--older", check=False)
            holds("security release" in said, said)
        with tap.case(f"{boot}: and it serves"):
            box.wait_ready()


def tampered(tap, image, boot):
    """The slot that is next was changed after it was written: it does not start, and the one before does."""
    with Machine(boot=boot, memory_mib=512) as box:
        box.wait_fact(slot="a", proven="yes")
        box.give_keys()
        made = image.version("2.0.0", words=("panic=1",))
        box.install(versions.signed(made))
        box.stop()
        initrd = bundle.fields(made[1])["initrd"].split()
        content = made[0][int(initrd[0]):int(initrd[0]) + int(initrd[1])]
        start, size = partition(box.dir / "disk.raw", "lethe-esp")
        with open(box.dir / "disk.raw", "r+b") as file:
            file.seek(start)
            esp = file.read(size)
            # Its end is this version's alone: what stands before it is in slot a too.
            at = esp.find(content[-4096:])
            while at >= 0:
                file.seek(start + at - len(content) + 4096)
                if file.read(16) == content[:16]:
                    file.seek(start + at - len(content) + 4096)
                    file.write(bytes(4096))
                at = esp.find(content[-4096:], at + 1)
        with tap.case(f"{boot}: a slot that was tampered with is left after three tries"):
            box.start(wait=False)
            box.wait_fact(version=image.said["version"], slot="a", other_state="did not start")
        with tap.case(f"{boot}: and is not gone back to"):
            said = box.ctl("box", "roll-back", check=False)
            holds("not what was once written" in said, said)


def bios_falls_back(tap, image):
    with Machine(boot="bios", memory_mib=512) as box:
        box.wait_fact(slot="a", proven="yes")
        box.give_keys()
        falls_back(tap, box, image, image.said["version"])


def nearly_full(image, folder):
    """The image's folder again, with a boot partition that has room for two versions of today's size and little more."""
    shutil.copytree(IMAGE, folder, symlinks=True, ignore=lambda _, names: [n for n in names if n.startswith("lethe.")])
    said = image.said | {"cmdline": image.said["profiles"]["default"]["cmdline"]}
    uki = (IMAGE / "lethe.efi").read_bytes()
    vmlinuz, initrd = ((IMAGE / "serial" / name).read_bytes() for name in ("vmlinuz", "initrd"))
    tree = disk.boot_tree(image.loader, uki, vmlinuz, initrd, said, bundle.of_image(IMAGE, uki))
    slot = len(uki) + len(vmlinuz) + len(initrd)
    tree["junk"] = bytes((disk.ESP_MIB << 20) - 2 * slot - ROOM_BYTES)
    disk.write_with_boot(IMAGE / "lethe.raw", folder / "lethe.raw", tree, said["epoch"])


def full(tap, image, scratch):
    first, folder = image.said["version"], scratch / "full"
    nearly_full(image, folder)
    with Machine(boot="uefi", memory_mib=512, image=folder) as box:
        box.wait_fact(slot="a", proven="yes")
        box.give_keys()
        box.install(versions.signed(image.version("2.0.0")), "--restart")
        box.wait_fact(version="2.0.0", slot="b", proven="yes")
        large = image.version("3.0.0", later=2, files=[("large", os.urandom(ROOM_BYTES), 0o400)])
        with tap.case("an update that a full boot partition has no room for is refused, and changes nothing"):
            words = box.install(versions.signed(large), check=False)
            holds("is full" in words, words)
            said = box.facts()
            equal((said["version"], said["other_version"], said["other_state"]), ("2.0.0", first, "proven"))
        with tap.case("one that needs the other slot's room is taken"):
            box.install(versions.signed(image.version("3.0.0", later=3)), "--restart")
            box.wait_fact(version="3.0.0", slot="a", proven="yes", other_version="2.0.0")
            box.wait_ready()


def cut(tap, image, boot):
    """The machine is killed at moments spread over the update's own time; each time it comes up, old or new."""
    first, took = image.said["version"], 0.0
    content = versions.signed(image.version("2.0.0"))
    with Machine(boot=boot, memory_mib=512) as box:
        box.wait_fact(slot="a", proven="yes")
        box.give_keys()
        began = time.monotonic()
        box.install(content)
        took = time.monotonic() - began
        for i in range(CUTS):
            with tap.case(f"{boot}: the power goes {took * (i + 1) / CUTS:.1f} s into an update of {took:.1f} s"):
                worker = threading.Thread(target=lambda: quietly(box, content))
                worker.start()
                time.sleep(took * (i + 1) / CUTS)
                box.lethed.kill()
                box.lethed.wait()
                worker.join()
                box.start(wait=False)
                said = box.wait_fact(proven="yes")
                holds(said["version"] in (first, "2.0.0"), said["version"])


def quietly(box, content):
    try:
        box.install(content)
    except AssertionError:
        pass


def main():
    tap = Tap("update")
    image = versions.Image(IMAGE)
    with tempfile.TemporaryDirectory() as scratch:
        full(tap, image, pathlib.Path(scratch))
    lives(tap, image, "bios")
    bios_falls_back(tap, image)
    for boot in ("uefi", "bios"):
        goes_back(tap, image, boot)
        tampered(tap, image, boot)
        cut(tap, image, boot)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
