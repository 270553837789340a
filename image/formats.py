"""The disk in the forms that hypervisors import, each believed when it gives the raw disk back.

What the tools draw by chance or read off a clock is replaced by numbers that follow from the disk's digest, so that every
form is the same to the bit for the same disk, as long as qemu-img is the lock's.
"""

import hashlib
import io
import re
import struct
import subprocess
import tarfile
import uuid
from concurrent.futures import ThreadPoolExecutor

import ovf

# VHDX, as [MS-VHDX] lays it out.
SECTOR, KIB = 512, 1 << 10
VHDX_HEADERS, VHDX_HEADER_BYTES, VHDX_REGIONS = (64 * KIB, 128 * KIB), 4 * KIB, 192 * KIB
VHDX_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
VHDX_DISK_ID = uuid.UUID("beca12ab-b2e6-4523-93ef-c309e000c746").bytes_le
# VHD: its footer's time counts from the year 2000.
VHD_FOOTER, VHD_EPOCH = 512, 946684800


class FormatFault(Exception):
    """A form that does not hold what the disk does."""


def sha256_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(raw, out, kind, *options):
    words = [word for option in options for word in ("-o", option)]
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *words, raw, out], check=True)


def believed(out, kind, raw_digest):
    """Converted back by its own kind, never by what it looks like."""
    back = out.with_name(out.name + ".back")
    try:
        subprocess.run(["qemu-img", "convert", "-f", kind, "-O", "raw", out, back], check=True)
        if sha256_of(back) != raw_digest:
            raise FormatFault(f"{out.name} does not hold what lethe.raw does")
    finally:
        back.unlink(missing_ok=True)


def drawn(raw_digest, what):
    """A number that a tool would have drawn."""
    return hashlib.sha256(f"{raw_digest} {what}".encode()).digest()


def qcow2(raw, out, raw_digest, _):
    convert(raw, out, "qcow2")
    believed(out, "qcow2", raw_digest)


def vmdk(raw, out, raw_digest, _):
    """As VMware's own tools write one that is to be sent: compressed, in one piece."""
    convert(raw, out, "vmdk", "subformat=streamOptimized", "adapter_type=lsilogic", f"hwversion={ovf.HARDWARE}")
    with out.open("r+b") as file:
        head = file.read(SECTOR)
        at, count = (number * SECTOR for number in struct.unpack_from("<QQ", head, 28))
        file.seek(at)
        text = file.read(count).rstrip(b"\0")
        # Of one length, whatever was drawn; the highest number would mean that there is none.
        mine = f"{struct.unpack('<I', drawn(raw_digest, 'CID')[:4])[0] & 0x7FFFFFFF:08x}".encode()
        text, found = re.subn(rb"(?<=\nCID=)[0-9a-f]{1,8}(?=\n)", mine, text)
        if head[:4] != b"KDMV" or found != 1 or len(text) > count:
            raise FormatFault(f"{out.name} has another form than this code knows")
        file.seek(at)
        file.write(text.ljust(count, b"\0"))
    believed(out, "vmdk", raw_digest)


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def vhdx_region(data, wanted):
    """Where a region begins, by the table of regions."""
    count, = struct.unpack_from("<I", data, VHDX_REGIONS + 8)
    for i in range(count):
        name, at, _ = struct.unpack_from("<16sQI", data, VHDX_REGIONS + 16 + 32 * i)
        if name == wanted:
            return at
    raise FormatFault("a VHDX without a region of metadata")


def vhdx(raw, out, raw_digest, _):
    convert(raw, out, "vhdx", "subformat=dynamic")
    with out.open("r+b") as file:
        front = file.read(VHDX_REGIONS + 64 * KIB)
        written = [struct.unpack_from("<Q", front, at + 8)[0] for at in VHDX_HEADERS]
        for at, mine in zip(VHDX_HEADERS, written):
            header = bytearray(front[at:at + VHDX_HEADER_BYTES])
            log_id, (log_bytes, log_at) = header[48:64], struct.unpack_from("<IQ", header, 68)
            if header[:4] != b"head" or any(log_id):
                raise FormatFault(f"{out.name} was not closed")
            # The later one counts; QEMU begins to number at a drawn number.
            struct.pack_into("<Q", header, 8, 2 if mine == max(written) else 1)
            header[16:48] = drawn(raw_digest, "VHDX")
            struct.pack_into("<I", header, 4, 0)
            struct.pack_into("<I", header, 4, crc32c(header))
            file.seek(at)
            file.write(header)
        # What the log held is written and done with; its records carry drawn numbers.
        file.seek(log_at)
        file.write(bytes(log_bytes))
        table = vhdx_region(front, VHDX_METADATA)
        file.seek(table)
        rows = file.read(64 * KIB)
        count, = struct.unpack_from("<H", rows, 10)
        places = [struct.unpack_from("<16sII", rows, 32 + 32 * i) for i in range(count)]
        place, = [at for name, at, _ in places if name == VHDX_DISK_ID]
        file.seek(table + place)
        file.write(drawn(raw_digest, "disk")[:16])
    believed(out, "vhdx", raw_digest)


def vhd(raw, out, raw_digest, epoch):
    """Fixed: the disk itself, and a footer."""
    convert(raw, out, "vpc", "subformat=fixed", "force_size=on")
    with out.open("r+b") as file:
        file.seek(-VHD_FOOTER, io.SEEK_END)
        footer = bytearray(file.read(VHD_FOOTER))
        if footer[:8] != b"conectix":
            raise FormatFault(f"{out.name} has no footer")
        struct.pack_into(">I", footer, 24, max(0, epoch - VHD_EPOCH))
        footer[68:84] = drawn(raw_digest, "VHD")[:16]
        struct.pack_into(">I", footer, 64, 0)
        struct.pack_into(">I", footer, 64, ~sum(footer) & 0xFFFFFFFF)
        file.seek(-VHD_FOOTER, io.SEEK_END)
        file.write(footer)
    believed(out, "vpc", raw_digest)


def packed(raw, out, raw_digest, _):
    """One thread, for the number of threads changes the bytes; most of it is packed already."""
    subprocess.run(["zstd", "-3", "-T1", "-q", "-f", "-o", out, raw], check=True)
    back = subprocess.Popen(["zstd", "-dqc", out], stdout=subprocess.PIPE)
    with back.stdout:
        digest = hashlib.file_digest(back.stdout, "sha256").hexdigest()
    if back.wait() != 0 or digest != raw_digest:
        raise FormatFault(f"{out.name} does not hold what lethe.raw does")


def ova(disk, out, version, disk_bytes, epoch):
    """The description, the disk, and the digests of both, in one archive."""
    name = out.stem
    description = ovf.document(disk.name, disk.stat().st_size, disk_bytes, version).encode()
    digests = (f"SHA256({name}.ovf)= {hashlib.sha256(description).hexdigest()}\n"
               f"SHA256({disk.name})= {sha256_of(disk)}\n").encode()

    def row(name, size):
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = size, epoch, 0o644
        return entry
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(row(f"{name}.ovf", len(description)), io.BytesIO(description))
        with disk.open("rb") as file:
            archive.addfile(row(disk.name, disk.stat().st_size), file)
        archive.addfile(row(f"{name}.mf", len(digests)), io.BytesIO(digests))


MADE = {"lethe.qcow2": qcow2, "lethe.vmdk": vmdk, "lethe.vhdx": vhdx, "lethe.vhd": vhd, "lethe.raw.zst": packed}


def write(raw, version, epoch, more=()):
    """All of them beside the raw disk, as many at once as there are processors; `more` are steps [function] of others."""
    out, raw_digest = raw.parent, sha256_of(raw)

    def one(name):
        MADE[name](raw, out / name, raw_digest, epoch)
        if name == "lethe.vmdk":
            ova(out / name, out / "lethe.ova", version, raw.stat().st_size, epoch)
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(one, name) for name in MADE] + [pool.submit(step) for step in more]
        for step in running:
            step.result()
