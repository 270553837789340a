#!/usr/bin/env python3
# time limit: 1800 s
"""The image on every disk controller and network card that QEMU has and the image has a driver for, by BIOS and by UEFI; from
its other forms; from the disc; and with parts of its boot partition damaged."""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(TOP / "image")]

import hardware  # noqa: E402
from box import IMAGE, partition  # noqa: E402
from hardware import Hardware  # noqa: E402
from harness import end  # noqa: E402
from matrix import run  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

# Left out: mptsas1068. SeaBIOS starts from it and Linux finds the controller, but QEMU 10.0 announces no disk behind it.
BIOS_DISKS = ("virtio-blk", "virtio-scsi", "pvscsi", "ahci", "nvme", "lsi53c895a", "megasas", "usb")
UEFI_DISKS = ("virtio-blk", "virtio-scsi", "ahci", "nvme", "usb")
DARK_S = 45


def cases():
    for disk in BIOS_DISKS:
        yield {"boot": "bios", "disk": disk}
    for disk in UEFI_DISKS:
        yield {"boot": "uefi", "disk": disk}
    for card in hardware.CARDS[1:]:
        yield {"boot": "bios", "card": card}
    yield {"boot": "bios", "disk": "ide", "machine": "pc", "card": "e1000"}
    for boot in ("bios", "uefi"):
        yield {"boot": boot, "disk": "disc"}
    for form in ("qcow2", "vmdk", "vhdx", "vpc"):
        yield {"boot": "uefi", "form": form}
    # What VMware's description asks for.
    yield {"boot": "bios", "form": "vmdk", "disk": "pvscsi", "card": "vmxnet3"}


def damaged(scratch, what):
    """The raw disk with one file of the boot partition changed or cut: `what` is (bytes to look for, where from there, with
    what)."""
    wanted, offset, content = what
    out = scratch / "damaged.raw"
    data = bytearray((IMAGE / "lethe.raw").read_bytes())
    start, size = partition(IMAGE / "lethe.raw", "lethe-esp")
    at = data.find(wanted, start, start + size)
    holds(at >= 0, "not found on the disk")
    data[at + offset:at + offset + len(content)] = content
    out.write_bytes(data)
    return out


def refused(scratch, boot, what, screen):
    """The machine shows why, and never serves."""
    raw = damaged(scratch, what)
    with Hardware(boot=boot, raw=raw, memory_mib=384, start=False) as box:
        box.start(wait=False)
        eventually(lambda: any(words in box.console() for words in screen), DARK_S)
        equal(box.lethed.poll(), None)
        # A firmware that starts nothing hears no power button.
        end(box.lethed)


def main():
    tap = Tap("matrix")
    run(tap, cases())
    loader, image = ((IMAGE / name).read_bytes() for name in ("lethe-loader.efi", "lethe.efi"))
    with tempfile.TemporaryDirectory(dir=TOP / "build") as folder:
        scratch = pathlib.Path(folder)
        for name, boot, what, screen in (
                ("a loader that is no program: the firmware goes on to its other entries", "uefi",
                 (loader[:512], 0, bytes(512)), ("Shell>",)),
                ("an image that is no program: so does the loader", "uefi",
                 (image[:4096], 0, bytes(4096)), ("Shell>",))):
            with tap.case(name):
                refused(scratch, boot, what, screen)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
