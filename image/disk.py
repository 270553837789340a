"""The disk: a GPT with a boot partition that UEFI and GRUB read alike, GRUB for a BIOS, and room for the state.

Every number that tools usually draw is fixed here, so that one tree gives one disk. The box draws its own at first boot:
two disks with the same numbers in one machine would not know which of them is meant.
"""

import struct
import subprocess
import uuid
import zlib
from collections import namedtuple
from pathlib import Path

from fat import Fat32

HERE = Path(__file__).resolve().parent
SECTOR = 512
MIB = 1 << 20
GRUB_ENV_BYTES = 1024
ENTRIES, ENTRY_BYTES = 128, 128

DISK = uuid.UUID("6c657468-6500-4b00-8000-000000000001")
ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
BIOS_TYPE = uuid.UUID("21686148-6449-6e6f-744e-656564454649")
STATE_TYPE = uuid.UUID("e1f4c3d0-6a5b-4d0e-9c07-b2a86d1f5e34")
ESP_SERIAL = 0x4C455448

# Two unified images and two pairs of kernel and initramfs, of 24 MiB each at most, twice what they need.
ESP_MIB = 192
STATE_MIB = 64

Partition = namedtuple("Partition", "name type guid start mib")
PARTITIONS = (
    Partition("lethe-esp", ESP_TYPE, uuid.UUID("6c657468-6500-4b00-8000-000000000002"), 2 * MIB, ESP_MIB),
    Partition("lethe-bios", BIOS_TYPE, uuid.UUID("6c657468-6500-4b00-8000-000000000003"), MIB, 1),
    Partition("lethe-state", STATE_TYPE, uuid.UUID("6c657468-6500-4b00-8000-000000000004"), (2 + ESP_MIB) * MIB,
              STATE_MIB),
)
DISK_BYTES = (2 + ESP_MIB + STATE_MIB + 1) * MIB


class DiskFault(Exception):
    """Parts that do not fit together."""


def partition_table(size):
    """The protective MBR with the first table, and the second table, which ends the disk."""
    last = size // SECTOR - 1
    table_sectors = ENTRIES * ENTRY_BYTES // SECTOR
    entries = b""
    for part in PARTITIONS:
        first = part.start // SECTOR
        entries += part.type.bytes_le + part.guid.bytes_le
        entries += struct.pack("<QQQ", first, first + part.mib * MIB // SECTOR - 1, 0)
        entries += part.name.encode("utf-16-le").ljust(72, b"\0")
    entries = entries.ljust(ENTRIES * ENTRY_BYTES, b"\0")

    def header(here, other, table):
        def form(check):
            return b"EFI PART" + struct.pack("<IIIIQQQQ", 0x10000, 92, check, 0, here, other, 2 + table_sectors,
                                             last - 1 - table_sectors) + DISK.bytes_le + struct.pack(
                                                 "<QIII", table, ENTRIES, ENTRY_BYTES, zlib.crc32(entries))
        return form(zlib.crc32(form(0))).ljust(SECTOR, b"\0")

    protective = bytearray(SECTOR)
    struct.pack_into("<B3sB3sII", protective, 446, 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, last)
    protective[510:] = b"\x55\xaa"
    return protective + header(1, last, 2) + entries, entries + header(last, 1, last - table_sectors)


def bios_loader(boot, core, start):
    """GRUB's two pieces, told of each other as its installer would tell them; it needs a mounted disk for that."""
    boot, core = bytearray(boot), bytearray(core)
    if len(boot) != SECTOR or boot[510:] != b"\x55\xaa":
        raise DiskFault("boot.img is not what it was")
    first = start // SECTOR
    struct.pack_into("<Q", boot, 0x5C, first)
    # The drive is the one the BIOS started from, as it says; the jump that would distrust it goes.
    boot[0x64] = 0xFF
    boot[0x66:0x68] = b"\x90\x90"
    struct.pack_into("<Q", core, 0x1F4, first + 1)
    return bytes(boot[:440]), bytes(core)


def grub_env(**values):
    """A file that GRUB's load_env reads, and save_env writes in place."""
    text = "# GRUB Environment Block\n" + "".join(f"{key}={value}\n" for key, value in values.items())
    if len(text) > GRUB_ENV_BYTES:
        raise DiskFault("the kernel's words do not fit into a file of GRUB's")
    return text.encode().ljust(GRUB_ENV_BYTES, b"#")


def boot_tree(loader, image, vmlinuz, initrd, said, manifest):
    """What the boot partition holds: one slot for UEFI and one for a BIOS, with the manifest of an update that would bring
    them. An update brings the second of each: firmware/boot_files.c."""
    return {
        "EFI": {"BOOT": {"BOOTX64.EFI": loader}, "Linux": {"lethe_1_a.efi": image}},
        "bios": {"a": {"initrd": initrd, "vmlinuz": vmlinuz, "words": grub_env(words=said["cmdline"])}},
        "grub": {"env": grub_env(ORDER="a b", a_ok=1, a_left=0, b_ok=0, b_left=0),
                 "grub.cfg": b"".join((HERE / name).read_bytes() for name in ("grub.cfg", "grub-damaged.cfg"))},
        "loader": {"loader.conf": (HERE / "loader.conf").read_bytes()},
        "slots": {"a": manifest},
    }


def boot_pieces(tree, epoch):
    esp = PARTITIONS[0]
    system = Fat32(esp.mib * MIB, esp.start // SECTOR, "LETHE", ESP_SERIAL, epoch)
    for at, content in system.pieces(tree):
        yield esp.start + at, content


def pieces(tree, boot, core, epoch):
    """(offset, bytes) of all on the disk that is not zero."""
    bios = PARTITIONS[1]
    code, core = bios_loader(boot, core, bios.start)
    if len(core) > bios.mib * MIB:
        raise DiskFault("GRUB's core does not fit into its partition")
    head, tail = partition_table(DISK_BYTES)
    head[:440] = code
    yield 0, bytes(head)
    yield bios.start, core
    yield from boot_pieces(tree, epoch)
    yield DISK_BYTES - len(tail), tail


def write(path, tree, boot, core, epoch):
    with open(path, "wb") as out:
        out.truncate(DISK_BYTES)
        for at, content in pieces(tree, boot, core, epoch):
            out.seek(at)
            out.write(content)


def write_with_boot(disk, path, tree, epoch):
    """The same disk with another boot partition."""
    esp = PARTITIONS[0]
    subprocess.run(["cp", "--sparse=always", disk, path], check=True)
    with open(path, "r+b") as out:
        for at in range(esp.start, esp.start + esp.mib * MIB, MIB):
            out.seek(at)
            out.write(bytes(MIB))
        for at, content in boot_pieces(tree, epoch):
            out.seek(at)
            out.write(content)
