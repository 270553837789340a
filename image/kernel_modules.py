"""Which kernel modules go into the image, what each needs, and for which hardware: read from the modules themselves."""

import lzma
import struct
from pathlib import PurePosixPath


class ModuleFault(Exception):
    """A list of modules that this kernel cannot serve."""


def normal(name):
    """The kernel's own spelling."""
    return name.replace("-", "_")


def name_of(path):
    return normal(PurePosixPath(path).name.removesuffix(".xz").removesuffix(".ko"))


def listed(text):
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [normal(line) for line in lines if line]


def modinfo(packed):
    """The fields of a packed module's .modinfo section, in their order: [(key, value)]."""
    elf = lzma.decompress(packed)
    if elf[:6] != b"\x7fELF\x02\x01":
        raise ModuleFault("not an ELF file of 64 bits, least byte first")
    table, = struct.unpack_from("<Q", elf, 0x28)
    entry, count, names_at = struct.unpack_from("<HHH", elf, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", elf, table + entry * i) for i in range(count)]
    names = sections[names_at][4]
    for name, _, _, _, offset, size in sections:
        start = names + name
        if elf[start:elf.index(b"\0", start)] == b".modinfo":
            rows = elf[offset:offset + size].split(b"\0")
            return [tuple(row.decode().split("=", 1)) for row in rows if b"=" in row]
    raise ModuleFault("no .modinfo")


class Kernel:
    """The modules of one kernel package, by normal name."""

    def __init__(self, packed, builtin):
        self.packed, self.builtin = packed, builtin
        self._info = {}
        self._by_alias = None

    def info(self, name):
        if name not in self._info:
            self._info[name] = modinfo(self.packed[name])
        return self._info[name]

    def values(self, name, key):
        return [value for k, value in self.info(name) if k == key]

    def providers(self, alias):
        """The modules that say they are also called that, without those for one kind of processor only."""
        if self._by_alias is None:
            self._by_alias = {}
            for name in sorted(self.packed):
                for value in self.values(name, "alias"):
                    self._by_alias.setdefault(normal(value), []).append(name)
        found = self._by_alias.get(alias, [])
        return [n for n in found if not any(v.startswith("cpu:") for v in self.values(n, "alias"))]

    def needs(self, name):
        """What must be loaded before a module: what it links to, and what it asks for by softdep."""
        for value in self.values(name, "depends"):
            for needed in filter(None, map(normal, value.split(","))):
                if needed not in self.packed:
                    raise ModuleFault(f"{name} needs {needed}, which this kernel does not have")
                yield needed
        yield from self.soft(name)

    def soft(self, name):
        """A softdep may name what is built in or does not exist: it is a wish. One for afterwards is nobody's need."""
        for value in self.values(name, "softdep"):
            mode = None
            for word in map(normal, value.split()):
                if word in ("pre:", "post:"):
                    mode = word
                elif mode == "pre:":
                    if word in self.packed:
                        yield word
                    elif word not in self.builtin:
                        yield from self.providers(word)

    def order(self, name):
        """Everything to load before a module, each after what itself needs."""
        found = []

        def visit(module, path):
            if module in path:
                raise ModuleFault(f"{module} needs itself: {' '.join(path)}")
            for needed in self.needs(module):
                if needed not in found:
                    visit(needed, (*path, module))
                    found.append(needed)

        visit(name, ())
        return found

    def closure(self, names):
        """The listed modules with all they need, sorted. What is built in is left out."""
        wanted, shipped = [], set()
        for name in names:
            if name in self.packed:
                wanted.append(name)
            elif name not in self.builtin:
                raise ModuleFault(f"image/modules.txt: {name}: this kernel has no such module")
        while wanted:
            name = wanted.pop()
            if name not in shipped:
                shipped.add(name)
                wanted += self.order(name)
        return sorted(shipped)


def alias_table(kernel, shipped):
    """Lines `PATTERN MODULE`, as PID 1 reads them."""
    rows = {(alias, name) for name in shipped for alias in kernel.values(name, "alias")}
    for alias, name in rows:
        if not alias.isprintable() or " " in alias:
            raise ModuleFault(f"{name}: an alias with a space: {alias!r}")
    return "".join(f"{alias} {name}\n" for alias, name in sorted(rows))


def order_table(kernel, shipped):
    """Lines `MODULE NEEDED NEEDED...`, in the order in which they are loaded."""
    return "".join(" ".join([name, *kernel.order(name)]) + "\n" for name in shipped)
