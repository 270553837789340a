#!/usr/bin/env python3
"""drive.py [--partitioned] FOLDER FILE: a box's configuration drive from a folder, named LETHECFG; to try a box with. An owner
formats a stick as FAT32, names it LETHECFG and copies the folder: it needs no program. Sticks are sold with a partition table
and one partition: --partitioned makes such a one."""

import struct
import sys
import time
from pathlib import Path

from fat import SECTOR, Fat32, FatFault

SIZE = 160 << 20
SERIAL = 0x4C435F47
FIRST_SECTOR, FAT32_LBA = 2048, 0x0C


def tree_of(folder):
    return {path.name: tree_of(path) if path.is_dir() else path.read_bytes() for path in folder.iterdir()}


def table():
    """An MBR whose one partition is the file system; no program in it."""
    row = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", FAT32_LBA, b"\xfe\xff\xff", FIRST_SECTOR, SIZE // SECTOR)
    return bytes(446) + row + bytes(48) + b"\x55\xaa"


def write(tree, file, partitioned=False):
    first = FIRST_SECTOR if partitioned else 0
    system = Fat32(SIZE, first, "LETHECFG", SERIAL, int(time.time()))
    with open(file, "wb") as out:
        out.truncate(first * SECTOR + SIZE)
        if partitioned:
            out.write(table())
        for at, content in system.pieces(tree):
            out.seek(first * SECTOR + at)
            out.write(content)


def main():
    partitioned = sys.argv[1:2] == ["--partitioned"]
    words = sys.argv[1 + partitioned:]
    if len(words) != 2:
        sys.exit(__doc__)
    try:
        write(tree_of(Path(words[0])), Path(words[1]), partitioned)
    except (OSError, FatFault) as fault:
        sys.exit(f"lethe: {fault}")


if __name__ == "__main__":
    main()
