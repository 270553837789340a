#!/usr/bin/env python3
# time limit: 1800 s
"""The image on every disk controller and network card that QEMU has and the image has a driver for, by BIOS and by UEFI; from
its other forms; from the disc; and with parts of its boot partition damaged."""

import pathlib
import struct
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


def copied(scratch, change):
    """The raw disk, behind `change(its bytes, where the boot partition begins, where it ends)`."""
    out = scratch / "damaged.raw"
    data = bytearray((IMAGE / "lethe.raw").read_bytes())
    start, size = partition(IMAGE / "lethe.raw", "lethe-esp")
    change(data, start, start + size)
    out.write_bytes(data)
    return out


def found(data, wanted, start, end):
    """The last one: the kernel stands in the image of UEFI, too."""
    at = data.rfind(wanted, start, end)
    holds(at >= 0, "not found on the disk")
    return at


def zeroed(file, size):
    """The first bytes of it are zeros."""
    def change(data, start, end):
        at = found(data, file[:4096], start, end)
        data[at:at + size] = bytes(size)
    return change


def cut(file):
    """The file ends in its middle: its size is the last word of the 32 bytes that its folder has of it."""
    def change(data, start, end):
        size = struct.pack("<I", len(file))
        entries = [at for at in range(start + 28, end, 32) if data[at:at + 4] == size]
        equal(len(entries), 1)
        data[entries[0]:entries[0] + 4] = struct.pack("<I", len(file) // 2)
    return change


def disk_cut(file):
    """The disk ends in the middle of it."""
    def change(data, start, end):
        del data[found(data, file[:4096], start, end) + len(file) // 2:]
    return change


def shown(box):
    """The serial line, and what stands on a screen of text."""
    file = box.dir / "text"
    box.monitor.do("pmemsave", val=0xb8000, size=4000, filename=str(file))
    return box.console() + file.read_bytes()[::2].decode("latin-1")


class Bare(Hardware):
    """Without a vault."""

    def _put_state(self, path):
        pass


def refused(scratch, boot, change, screen, again=False):
    """The machine shows why, and never serves."""
    with Bare(boot=boot, raw=copied(scratch, change), memory_mib=384, start=False) as box:
        box.start(wait=False)
        eventually(lambda: screen in shown(box), DARK_S)
        holds("grub>" not in shown(box), "a prompt")
        equal(box.lethed.poll(), None)
        if again:
            equal(box.lethed.wait(DARK_S), 0)  # QEMU is told to end where a machine would start again
        # A firmware that starts nothing hears no power button.
        end(box.lethed)


def main():
    tap = Tap("matrix")
    run(tap, cases())
    loader, image, kernel = ((IMAGE / name).read_bytes() for name in ("lethe-loader.efi", "lethe.efi", "serial/vmlinuz"))
    with tempfile.TemporaryDirectory(dir=TOP / "build") as folder:
        for name, boot, change, screen in (
                ("a loader that is no program: the firmware goes on to its other entries", "uefi", zeroed(loader, 512),
                 "Shell>"),
                ("an image that is no program: so does the loader", "uefi", zeroed(image, 4096), "Shell>"),
                ("an image that is cut: so it does", "uefi", cut(image), "Shell>"),
                ("a disk that ends in the middle of the image: so it does", "uefi", disk_cut(image), "Shell>"),
                ("a kernel that is no program, by BIOS: the loader says so, and starts again", "bios", zeroed(kernel, 4096),
                 "Lethe does not start: a file of it on this disk is damaged."),
                ("a disk that ends in the middle of the kernel, by BIOS: nobody gets a prompt", "bios", disk_cut(kernel),
                 "Enter username:")):
            with tap.case(name):
                refused(pathlib.Path(folder), boot, change, screen, again="starts again" in name)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
