#!/usr/bin/env python3
"""drive.py FOLDER FILE: a box's configuration drive from a folder, named LETHECFG; to try a box with. An owner formats a
stick as FAT32, names it LETHECFG and copies the folder: it needs no program."""

import sys
import time
from pathlib import Path

from fat import Fat32, FatFault

SIZE = 160 << 20
SERIAL = 0x4C435F47


def tree_of(folder):
    return {path.name: tree_of(path) if path.is_dir() else path.read_bytes() for path in folder.iterdir()}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, file = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        system = Fat32(SIZE, 0, "LETHECFG", SERIAL, int(time.time()))
        with open(file, "wb") as out:
            out.truncate(SIZE)
            for at, content in system.pieces(tree_of(folder)):
                out.seek(at)
                out.write(content)
    except (OSError, FatFault) as fault:
        sys.exit(f"lethe: {fault}")


if __name__ == "__main__":
    main()
