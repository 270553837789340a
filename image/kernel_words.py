"""The kernel's command line, each word looked up in the kernel itself: what it does not know it takes for the name of a
program's argument and says nothing of, so that a misspelt protection would simply be off."""

import struct
import subprocess


class WordFault(Exception):
    """A word that this kernel does not know."""


def plain_kernel(vmlinuz):
    """The kernel as it will stand in memory, out of the file that unpacks itself."""
    setup_sectors = vmlinuz[0x1F1] or 4
    offset, size = struct.unpack_from("<II", vmlinuz, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    packed = vmlinuz[start:start + size]
    if packed[:4] != b"\x28\xb5\x2f\xfd":
        raise WordFault("the kernel is not packed by zstd")
    # Its length stands behind it, which is for the kernel's own unpacking.
    return subprocess.run(["zstd", "-dqc"], input=packed[:-4], stdout=subprocess.PIPE, check=True).stdout


def read(path):
    lines = (line.split("#")[0] for line in path.read_text().splitlines())
    return [word for line in lines for word in line.split()]


def check(words, vmlinuz, modules):
    kernel = plain_kernel(vmlinuz)
    for word in words:
        name = word.split("=")[0]
        if any(f"\0{name}{end}\0".encode() in kernel for end in ("", "=")):
            continue
        module, _, parameter = name.partition(".")
        said = modules.values(module, "parmtype") if module in modules.packed else []
        if not any(value.split(":")[0] == parameter for value in said):
            raise WordFault(f"image/cmdline.txt: {word}: this kernel does not know it")
