"""The initramfs: a cpio archive in the newc form, which the kernel unpacks as its root."""

import stat


class Tree:
    """Files and folders of root's, with nothing in them that depends on who made the image, where or when."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.entries = {}

    def folder(self, path, mode=0o755):
        self.entries[path] = (stat.S_IFDIR | mode, b"")

    def file(self, path, content, mode=0o644):
        parts = path.split("/")[:-1]
        for i in range(len(parts)):
            self.entries.setdefault("/".join(parts[:i + 1]), (stat.S_IFDIR | 0o755, b""))
        self.entries[path] = (stat.S_IFREG | mode, content)

    def link(self, path, to):
        """A symbolic link; the kernel gives every one of them this mode."""
        self.file(path, to.encode())
        self.entries[path] = (stat.S_IFLNK | 0o777, to.encode())

    def rows(self):
        """(path, mode, content), folders before what is in them."""
        return [(path, *self.entries[path]) for path in sorted(self.entries, key=lambda p: p.split("/"))]

    def archive(self):
        out = bytearray()
        rows = self.rows()
        for inode, (path, mode, content) in enumerate(rows, 1):
            below = sum(stat.S_ISDIR(m) and p.rpartition("/")[0] == path for p, m, _ in rows)
            links = 2 + below if stat.S_ISDIR(mode) else 1
            self._add(out, inode, path, mode, links, content)
        self._add(out, 0, "TRAILER!!!", 0, 1, b"", 0)
        out += bytes(-len(out) % 512)
        return bytes(out)

    def _add(self, out, inode, path, mode, links, content, epoch=None):
        name = path.encode() + b"\0"
        when = self.epoch if epoch is None else epoch
        fields = (inode, mode, 0, 0, links, when, len(content), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out += bytes(-len(out) % 4)
        out += content
        out += bytes(-len(out) % 4)
