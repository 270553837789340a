"""Debian package files, read without dpkg: an ar archive that holds a tar archive."""

import io
import lzma
import re
import tarfile


class DebFault(Exception):
    """A package file that is not what one looks like."""


def members(data):
    if data[:8] != b"!<arch>\n":
        raise DebFault("not a package file")
    at = 8
    while at + 60 <= len(data):
        head = data[at:at + 60]
        size = int(head[48:58])
        yield head[:16].decode().strip().rstrip("/"), data[at + 60:at + 60 + size]
        at += 60 + size + size % 2


def control(path):
    """What a package says of itself: {field: value}, without the lines that go on."""
    for name, content in members(path.read_bytes()):
        if name == "control.tar.xz":
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as archive:
                text = archive.extractfile("./control").read().decode()
            return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and line[0] != " ")
    raise DebFault(f"{path.name}: no control.tar.xz")


def files(path, wanted):
    """The regular files whose names (without the leading ./) match the expression: {name: bytes}."""
    matches = re.compile(wanted).fullmatch
    for name, content in members(path.read_bytes()):
        if name == "data.tar.xz":
            break
    else:
        raise DebFault(f"{path.name}: no data.tar.xz")
    found = {}
    with lzma.open(io.BytesIO(content)) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
        for entry in archive:
            name = entry.name.removeprefix("./")
            if entry.isreg() and matches(name):
                found[name] = archive.extractfile(entry).read()
    return found
