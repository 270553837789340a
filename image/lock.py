"""The rows of scripts/root.lock, and the package files they name."""

import hashlib
from collections import namedtuple
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LOCK = TOP / "scripts/root.lock"

Row = namedtuple("Row", "kind name version architecture sha256")


class LockFault(Exception):
    """What the lock names is not there."""


def rows(kind):
    lines = (line.split() for line in LOCK.read_text().splitlines())
    return [Row(*line) for line in lines if line[0] == kind]


def part(name, cache):
    """The row of the image's part whose name begins so, and its package file, compared with the lock."""
    found = [row for row in rows("image") if row.name.startswith(name)]
    if len(found) != 1:
        raise LockFault(f"scripts/root.lock has {len(found)} image rows for {name}; run make lock and commit it")
    row = found[0]
    path = Path(cache) / "deb" / f"{row.name}_{row.version.replace(':', '%3a')}_{row.architecture}.deb"
    if not path.exists():
        raise LockFault(f"{path.name} is not in the cache; make image on the host fetches it, or says what to do")
    if hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
        raise LockFault(f"{path.name} in the cache is not what scripts/root.lock names: refusing")
    return row, path
