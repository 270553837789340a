"""A FAT32 file system from a tree of files, the same to the last byte for the same tree."""

import struct
import time

SECTOR = 512
PER_CLUSTER = 4
RESERVED = 32
FIRST_CLUSTER = 2
LEAST_CLUSTERS = 65525
END = 0x0FFFFFFF
FOLDER, LABEL, ARCHIVE, LONG = 0x10, 0x08, 0x20, 0x0F
PLAIN = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-~")


class FatFault(Exception):
    """A tree that does not fit, or a name that this file system does not take."""


def short_form(name, taken):
    """Eight letters and three, and whether the name needs its long form too."""
    base, _, extension = name.rpartition(".") if "." in name else (name, "", "")
    if len(base) <= 8 and len(extension) <= 3 and set(base + extension) <= PLAIN and base:
        return f"{base:8}{extension:3}".encode(), False
    stem = "".join(c if c in PLAIN else "_" for c in base.upper())[:6]
    tail = "".join(c for c in extension.upper() if c in PLAIN)[:3]
    for number in range(1, 10):
        form = f"{f'{stem}~{number}':8}{tail:3}".encode()
        if form not in taken:
            return form, True
    raise FatFault(f"too many names like {name}")


def long_rows(name, short):
    """The directory rows that come before a short one and hold the long form, last piece first."""
    check = 0
    for byte in short:
        check = ((check >> 1) + ((check & 1) << 7) + byte) & 0xFF
    text = name.encode("utf-16-le")
    count = -(-len(text) // 26)
    if len(text) % 26:
        text = (text + b"\0\0").ljust(count * 26, b"\xff")
    rows = []
    for i in range(count):
        piece = text[i * 26:i * 26 + 26]
        number = i + 1 | (0x40 if i == count - 1 else 0)
        rows.append(bytes([number]) + piece[:10] + bytes([LONG, 0, check]) + piece[10:22] + b"\0\0" + piece[22:])
    return b"".join(reversed(rows))


class Fat32:
    """One file system of `size` bytes that starts at sector `start` of its disk."""

    def __init__(self, size, start, label, serial, epoch, per_cluster=PER_CLUSTER):
        self.sectors, self.start, self.serial, self.per_cluster = size // SECTOR, start, serial, per_cluster
        self.label = f"{label:11}".encode()
        when = time.gmtime(max(epoch, 315532800))
        self.date = when.tm_year - 1980 << 9 | when.tm_mon << 5 | when.tm_mday
        self.time = when.tm_hour << 11 | when.tm_min << 5 | when.tm_sec // 2
        # Room for the entries of every cluster there could be, had the tables themselves no size.
        table = -(-(self.sectors - RESERVED) * 4 // (SECTOR * self.per_cluster + 8)) * SECTOR
        self.table_sectors = -(-table // SECTOR)
        self.clusters = (self.sectors - RESERVED - 2 * self.table_sectors) // self.per_cluster
        if self.clusters < LEAST_CLUSTERS:
            raise FatFault("too small for FAT32")
        self.table = [0x0FFFFFF8, END]
        self.content = {}

    def keep(self, content):
        """Puts content into the next clusters; returns the first."""
        first = len(self.table)
        count = max(1, -(-len(content) // (SECTOR * self.per_cluster)))
        self.table += [*range(first + 1, first + count), END]
        if len(self.table) - FIRST_CLUSTER > self.clusters:
            raise FatFault("the files do not fit")
        self.content[first] = content
        return first

    def row(self, short, kind, cluster, size):
        return short + struct.pack("<BBBHHHHHHHI", kind, 0, 0, self.time, self.date, self.date, cluster >> 16,
                                   self.time, self.date, cluster & 0xFFFF, size)

    def folder(self, tree, parent=0):
        """A folder and all below it; returns its first cluster. The root is the one without a parent."""
        names, taken = [], set()
        for name in sorted(tree):
            short, needs_long = short_form(name, taken)
            taken.add(short)
            names.append((name, short, long_rows(name, short) if needs_long else b""))
        rows = (1 if parent == 0 else 2) + sum(1 + len(long) // 32 for _, _, long in names)
        here = self.keep(bytes(rows * 32))
        if parent == 0:
            out = self.row(self.label, LABEL, 0, 0)
        else:
            above = 0 if parent == FIRST_CLUSTER else parent
            out = self.row(b".          ", FOLDER, here, 0) + self.row(b"..         ", FOLDER, above, 0)
        for name, short, long in names:
            inside = tree[name]
            if isinstance(inside, dict):
                out += long + self.row(short, FOLDER, self.folder(inside, here), 0)
            else:
                out += long + self.row(short, ARCHIVE, self.keep(inside) if inside else 0, len(inside))
        self.content[here] = out
        return here

    def boot_sector(self):
        out = b"\xeb\x58\x90LETHE   "
        out += struct.pack("<HBHBHHBHHHII", SECTOR, self.per_cluster, RESERVED, 2, 0, 0, 0xF8, 0, 63, 255, self.start,
                           self.sectors)
        out += struct.pack("<IHHIHH12xBBBI", self.table_sectors, 0, 0, FIRST_CLUSTER, 1, 6, 0x80, 0, 0x29, self.serial)
        return (out + self.label + b"FAT32   ").ljust(510, b"\0") + b"\x55\xaa"

    def info_sector(self):
        free = self.clusters + FIRST_CLUSTER - len(self.table)
        return b"RRaA" + bytes(480) + b"rrAa" + struct.pack("<II12x", free, len(self.table)) + b"\0\0\x55\xaa"

    def pieces(self, tree):
        """(offset in bytes, bytes) of all that is not zero."""
        self.folder(tree)
        for at in (0, 6 * SECTOR):
            yield at, self.boot_sector() + self.info_sector()
        table = struct.pack(f"<{len(self.table)}I", *self.table)
        for copy in range(2):
            yield (RESERVED + copy * self.table_sectors) * SECTOR, table
        data = RESERVED + 2 * self.table_sectors
        for cluster in sorted(self.content):
            yield (data + (cluster - FIRST_CLUSTER) * self.per_cluster) * SECTOR, self.content[cluster]
