"""The search for what was said to a box, by medium and form, and for the secrets of TLS connections that are closed."""

import hashlib
import hmac
import mmap
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

import box as boxes  # noqa: E402
from canary import Hunt  # noqa: E402


class Search:
    """Counts by medium and form what the hunt finds."""

    def __init__(self):
        self.hunt, self.rows, self.secrets = Hunt(), [], {}

    def look(self, data, medium):
        before, searched = len(self.hunt.hits), self.hunt.searched
        self.hunt.look(data, lambda at: f"{medium} at {at:#x}")
        self._look_for_secrets(data, medium)
        found = self.hunt.hits[before:]
        names = [form.name for form in self.hunt.forms] + (["TLS secret"] if self.secrets else [])
        forms = {name: sum(row.endswith(f", {name}") for row in found) for name in names}
        self.rows.append({"medium": medium, "bytes": self.hunt.searched - searched, "found": len(found), "forms": forms})
        return found

    def _look_for_secrets(self, data, medium):
        for name, secret in self.secrets.items():
            at = data.find(secret)
            while at >= 0:
                self.hunt.hits.append(f"{medium} at {at:#x}: {len(secret)} bytes of {name!r}, TLS secret")
                at = data.find(secret, at + 1)

    def file(self, path, medium):
        with open(path, "rb") as file:
            if path.stat().st_size == 0:
                return self.look(b"", medium)
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
                return self.look(data, medium)

    def memory(self, box, medium):
        file = box.dir / "memory"
        box.memory(file)
        try:
            return self.file(file, medium)
        finally:
            file.unlink()


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
