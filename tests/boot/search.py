"""The search for what was said to a box, by medium and form, and for the secrets of TLS connections that are closed.

What a medium is searched for is also planted in a copy of it, in every form: who would not find that is no witness. Memory
has a control of another kind, the programs that do not wipe.
"""

import base64
import ctypes
import functools
import hashlib
import hmac
import mmap
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

import box as boxes  # noqa: E402
from canary import WINDOW, Hunt  # noqa: E402

SECRET, HITS_MOST = "TLS secret", 10000
LARGE = 16 << 20


class Needle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class Found(ctypes.Structure):
    _fields_ = [("at", ctypes.c_size_t), ("which", ctypes.c_size_t)]


@functools.cache
def library():
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "find_many.so"
        subprocess.run(["gcc", "-std=c23", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", out,
                        HERE / "find_many.c"], check=True)
        loaded = ctypes.CDLL(str(out))
    loaded.find_many.restype = ctypes.c_size_t
    return loaded


def find_many(data, secrets):
    """(name, where) of each of these byte strings in bytes, or in a map that may be written to."""
    names, found = list(secrets), (Found * HITS_MOST)()
    rows = (Needle * len(names))(*(Needle(secrets[name], len(secrets[name])) for name in names))
    text = ctypes.c_char_p(data) if isinstance(data, bytes) else (ctypes.c_char * len(data)).from_buffer(data)
    size = ctypes.c_size_t
    count = library().find_many(text, size(len(data)), rows, size(len(names)), found, size(HITS_MOST))
    return [(names[one.which], one.at) for one in found[:min(count, HITS_MOST)]]


class Search:
    """Counts by medium and form what the hunt finds."""

    def __init__(self):
        self.hunt, self.rows, self.secrets = Hunt(), [], {}

    def _hits(self, data, medium):
        before = len(self.hunt.hits)
        self.hunt.look(data, lambda at: f"{medium} at {at:#x}")
        for name, at in find_many(data, self.secrets):
            self.hunt.hits.append(f"{medium} at {at:#x}: {len(self.secrets[name])} bytes of {name!r}, {SECRET}")
        return self.hunt.hits[before:]

    def _row(self, data, medium, planted):
        found = self._hits(data, medium)
        names = [form.name for form in self.hunt.forms] + ([SECRET] if self.secrets else [])
        forms = {name: sum(row.endswith(f", {name}") for row in found) for name in names}
        self.rows.append({"medium": medium, "bytes": len(data), "found": len(found), "forms": forms, "planted": planted})
        return found

    def look(self, data, medium):
        return self._row(data, medium, Planted().in_text(data))

    def file(self, path, medium, control=True):
        if path.stat().st_size == 0:
            return self.look(b"", medium)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
            found = self._row(data, medium, None)
            if control:
                self.rows[-1]["planted"] = Planted().in_map(data)
            return found

    def memory(self, box, medium):
        file = box.dir / "memory"
        box.memory(file)
        try:
            return self.file(file, medium, control=False)
        finally:
            file.unlink()


class Planted:
    """One marker for each form, and a secret: the search must find all of them."""

    def __init__(self):
        self.search, self.pieces = Search(), {}
        for form in self.search.hunt.forms:
            self._add(form.name, form.encode)
        for at in range(3):
            self._add(f"base64 behind {at}", lambda text, at=at: base64.b64encode(bytes(at) + text.encode()))
        self._add("a window", lambda text: text[7:7 + WINDOW].encode())
        self._add("folded", lambda text: f"{text[:len(text) // 2]}\r\n {text[len(text) // 2:]}".encode())
        self.search.secrets = {SECRET: os.urandom(32)}
        self.pieces[SECRET] = self.search.secrets[SECRET]

    def _add(self, name, shape):
        self.pieces[name] = shape(self.search.hunt.marker(name))

    def bytes(self):
        return b"\n".join([b"", *self.pieces.values(), b""])

    def missing(self, data):
        found = self.search._hits(data, "a copy")
        return [name for name in self.pieces if not any(f" bytes of {name!r}, " in row for row in found)]

    def _judged(self, data):
        missing = self.missing(data)
        if missing:
            raise AssertionError(f"the search passes by what was planted: {missing}")
        return len(self.pieces)

    def in_text(self, data):
        half = len(data) // 2
        return self._judged(bytes(data[:half]) + self.bytes() + bytes(data[half:]))

    def in_map(self, data):
        """The map is a copy: what is written to it goes to no file."""
        if len(data) < LARGE:
            return self.in_text(data)
        half, piece = len(data) // 2, self.bytes()
        data[half:half + len(piece)] = piece
        return self._judged(data)


def expand(secret, label, length, digest):
    """HKDF-Expand-Label of RFC 8446 7.1 with an empty context; one block is enough."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.new(secret, info + b"\x01", digest).digest()[:length]


def tls_secrets(key_log):
    """What a TLS library wrote into its key log, and the record keys that follow from it."""
    rows = {}
    for number, line in enumerate(pathlib.Path(key_log).read_text().splitlines()):
        if line.startswith("#"):
            continue
        label, _, secret = line.split(" ")
        secret = bytes.fromhex(secret)
        rows[f"{label} {number}"] = secret
        if "TRAFFIC" in label:
            digest = hashlib.sha384 if len(secret) == 48 else hashlib.sha256
            # AES-128-GCM has half the key of the other two; its suite is told by nothing in the log.
            rows[f"key of {label} {number}"] = expand(secret, b"key", 32 if len(secret) == 48 else 16, digest)
            rows[f"256-bit key of {label} {number}"] = expand(secret, b"key", 32, digest)
    return rows


def without_numbers(data):
    """Blanks the numbers that the first start gives a disk and its partitions, and their check sums, in both tables."""
    for head_at in (512, len(data) - 512):
        first, count, size = struct.unpack("<QII", data[head_at + 72:head_at + 84 + 4])
        for at, length in ((16, 4), (56, 16), (88, 4)):
            data[head_at + at:head_at + at + length] = bytes(length)
        for row in range(first * 512, first * 512 + count * size, size):
            data[row + 16:row + 32] = bytes(16)
    return data


def outside_state(disk):
    """What of a disk nobody may write to while it serves: all but the state partition and the numbers of the tables."""
    at, room = boxes.partition(disk, "lethe-state")
    data = without_numbers(bytearray(disk.read_bytes()))
    return data[:at] + data[at + room:]
