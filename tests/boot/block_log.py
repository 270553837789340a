"""What a machine wrote to its disk, in order, as QEMU's `blklogwrites` keeps it, and the disk as a power cut would leave it.

src  Linux, Documentation/admin-guide/device-mapper/log-writes.rst; QEMU 10.0, block/blklogwrites.c; read 2026-11-21
"""

import struct

MAGIC, SECTOR, FLUSH = 0x6A736677736872, 512, 1
STAMPED = 65536


def words(disk, log):
    """QEMU's, for a disk whose writes are kept in `log`."""
    log.write_bytes(b"")
    return ["-blockdev", f"driver=file,node-name=disk,filename={disk}",
            "-blockdev", f"driver=file,node-name=log,filename={log}",
            "-blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log,log-append=off",
            "-device", "virtio-blk-pci,drive=logged"]


def entries(log, start, size):
    """(offset in the log, offset in the part, bytes) of each write to a part of the disk; of a flush (offset, None, None)."""
    with open(log, "rb") as file:
        magic, _, count, sector = struct.unpack("<QQQI", file.read(28))
        if magic != MAGIC:
            raise RuntimeError(f"{log} is no log of writes")
        at = sector
        for _ in range(count):
            file.seek(at)
            where, sectors, flags, _ = struct.unpack("<QQQQ", file.read(32))
            where, length, here = where * sector - start, sectors * sector, at
            at += sector + length
            if 0 <= where < size and length:
                file.seek(here + sector)
                yield here, where, file.read(length)
            if flags & FLUSH:
                yield here, None, None


class Disk:
    """Bytes that can be written to and taken back to where they were."""

    def __init__(self, data):
        self.data, self.undo, self.clock = data, [], 0
        self.stamps = [0] * (len(data) // STAMPED + 1)

    def write(self, at, content):
        self.undo.append((at, bytes(self.data[at:at + len(content)])))
        self._put(at, content)

    def _put(self, at, content):
        self.clock += 1
        self.data[at:at + len(content)] = content
        for block in range(at // STAMPED, (at + len(content) - 1) // STAMPED + 1):
            self.stamps[block] = self.clock

    def keep(self):
        self.undo = []

    def take_back(self):
        for at, content in reversed(self.undo):
            self._put(at, content)
        self.undo = []

    def changed_since(self, clock, runs):
        return any(self.stamps[block] > clock for at, size in runs
                   for block in range(at // STAMPED, (at + size - 1) // STAMPED + 1))


def cuts(window, chance):
    """What of the writes since the last flush is on the disk: all until one of them; and, as a disk may keep them in any order,
    all but one, one alone, those after one, a part of one, and some by chance."""
    for i, (at, content, when) in enumerate(window):
        half = len(content) // 2 // SECTOR * SECTOR
        yield "whole", window[:i + 1]
        if half:
            yield "torn", [*window[:i], (at, content[:half], when)]
            yield "torn", [*window[:i], (at + half, content[half:], when)]
        if len(window) > 1:
            yield "lost", window[:i] + window[i + 1:]
            yield "alone", window[i:i + 1]
            yield "late", window[i:]
            some = [one for one in window[:i + 1] if chance.random() < 0.5]
            yield from [("some", some)] if some else []
