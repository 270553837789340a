"""Boxes whose disk or card is not as it should be: what Wrong does to them, for boot.py and refusals.full.py."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from box import partition  # noqa: E402
from console import Person  # noqa: E402

COPY_BYTES, HEAD_BYTES = 4 << 20, 8 << 10


class Wrong(Person):
    """`spoil(disk)` changes the disk, and may say by which words QEMU has it."""

    def __init__(self, spoil=None, card=True, **more):
        self.spoil, self.has_card = spoil, card
        super().__init__(start=False, **more)

    def _disk_words(self):
        return (self.spoil and self.spoil(self._disk())) or super()._disk_words()

    def _wire(self):
        return super()._wire() if self.has_card else ["-nic", "none"]


def table(disk, *words):
    subprocess.run(["sgdisk", *words, disk], check=True, stdout=subprocess.DEVNULL)


def nameless(disk):
    table(disk, "--change-name=3:state")


def small(disk):
    first = partition(disk, "lethe-state")[0] // 512
    table(disk, "--delete=3", f"--new=3:{first}:+63M", "--change-name=3:lethe-state")


def twice(disk):
    drive = f"if=virtio,format=raw,file={disk}"
    return ["-drive", drive, "-drive", f"{drive},readonly=on,file.locking=off"]


def read_only(disk):
    return ["-drive", f"if=virtio,format=raw,readonly=on,file={disk}"]


def flip(disk, offset):
    """One byte of both copies of the vault."""
    at, _ = partition(disk, "lethe-state")
    with open(disk, "r+b") as file:
        for copy in (0, COPY_BYTES):
            file.seek(at + copy + offset)
            byte = file.read(1)
            file.seek(at + copy + offset)
            file.write(bytes([byte[0] ^ 1]))


def bad_heads(disk):
    flip(disk, 100)


def bad_records(disk):
    flip(disk, HEAD_BYTES + 100)


def refuses(said, phase="REFUSED", **more):
    """The console says it, and the button still works."""
    with Wrong(**more) as box:
        box.start(wait=False)
        box.wait_console(phase)
        box.wait_console(said)
        if box.stop() != 0:
            raise AssertionError("it does not go down")
