"""A FAT32 file system as a loader reads it: from its bytes, without repairing anything."""

import struct

SECTOR = 512
FOLDER, LONG, LABEL = 0x10, 0x0F, 0x08
END = 0x0FFFFFF8


class Broken(Exception):
    """A loader that comes here finds no file, or not all of it."""


def checksum(short):
    check = 0
    for byte in short:
        check = ((check >> 1) + ((check & 1) << 7) + byte) & 0xFF
    return check


class Fat:
    def __init__(self, data):
        self.data = data
        head = bytes(data[:SECTOR])
        if head[510:] != b"\x55\xaa" or struct.unpack_from("<H", head, 11)[0] != SECTOR:
            raise Broken("the first sector is none of a FAT")
        self.per_cluster = head[13] * SECTOR
        reserved, tables = struct.unpack_from("<HB", head, 14)
        self.table_bytes = struct.unpack_from("<I", head, 36)[0] * SECTOR
        self.table = reserved * SECTOR
        self.first = self.table + tables * self.table_bytes
        self.root, = struct.unpack_from("<I", head, 44)
        self.most = (len(data) - self.first) // self.per_cluster + 2

    def runs(self, cluster, size=None):
        """(offset, bytes) of a chain's pieces; of a file's, as far as it goes."""
        out, seen, left = [], set(), size
        while cluster < END and (left is None or left > 0):
            if cluster < 2 or cluster >= self.most or cluster in seen:
                raise Broken("a chain of clusters leads nowhere")
            seen.add(cluster)
            at = self.first + (cluster - 2) * self.per_cluster
            here = self.per_cluster if left is None else min(left, self.per_cluster)
            if out and sum(out[-1]) == at:
                out[-1] = (out[-1][0], out[-1][1] + here)
            else:
                out.append((at, here))
            left = None if left is None else left - here
            cluster = struct.unpack_from("<I", self.data, self.table + cluster * 4)[0] & 0x0FFFFFFF
        if left:
            raise Broken("a chain of clusters is too short")
        return out

    def rows(self, cluster):
        """{name: (kind, first cluster, size)} of a folder. Long names count when they belong to what follows them."""
        found, pieces = {}, []
        content = b"".join(bytes(self.data[at:at + size]) for at, size in self.runs(cluster))
        for at in range(0, len(content), 32):
            row = content[at:at + 32]
            if row[0] == 0:
                break
            if row[0] == 0xE5 or row[11] & 0x3F != LONG and row[11] & LABEL:
                pieces = []
            elif row[11] & 0x3F == LONG:
                pieces = [row] if row[0] & 0x40 else [*pieces, row]
            else:
                name = self.long_name(pieces, row[:11]) or self.short_name(row)
                high, low, size = struct.unpack("<20xH4xHI", row)
                found[name] = (row[11], high << 16 | low, size)
                pieces = []
        return found

    @staticmethod
    def long_name(pieces, short):
        numbers = [piece[0] & 0x3F for piece in pieces]
        if not pieces or numbers != list(range(len(pieces), 0, -1)) or not pieces[0][0] & 0x40 \
                or any(piece[13] != checksum(short) for piece in pieces):
            return None
        text = b"".join(piece[1:11] + piece[14:26] + piece[28:32] for piece in reversed(pieces))
        return text.decode("utf-16-le", "replace").split("\0")[0]

    @staticmethod
    def short_name(row):
        base, more = row[:8].decode("cp437").rstrip(), row[8:11].decode("cp437").rstrip()
        base, more = (part.lower() if row[12] & bit else part for part, bit in ((base, 8), (more, 16)))
        return f"{base}.{more}" if more else base

    def folder(self, path):
        cluster = self.root
        for part in path.split("/"):
            rows = {name.lower(): row for name, row in self.rows(cluster).items()}
            if part.lower() not in rows or not rows[part.lower()][0] & FOLDER:
                raise Broken(f"there is no folder {path}")
            cluster = rows[part.lower()][1]
        return self.rows(cluster)

    def find(self, path):
        """(offset, bytes) of a file's pieces."""
        folder, _, name = path.rpartition("/")
        for here, (kind, cluster, size) in self.folder(folder).items():
            if here.lower() == name.lower() and not kind & FOLDER:
                return self.runs(cluster, size) if size else []
        raise Broken(f"there is no file {path}")

    def read(self, path):
        return b"".join(bytes(self.data[at:at + size]) for at, size in self.find(path))
