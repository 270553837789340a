"""The unified kernel image, one EFI program of stub, kernel, initramfs and command line; and what a TPM will hold after
it has booted: PCR 11 by the rules of systemd-stub, PCR 4 by those of the firmware."""

import hashlib
import struct
from collections import namedtuple

# Where in the PE header things stand, from the start of its optional header.
SECTION_ALIGNMENT, FILE_ALIGNMENT, IMAGE_SIZE, HEADERS_SIZE, CHECKSUM, CERTIFICATES = 32, 36, 56, 60, 64, 112 + 8 * 4
SECTION_BYTES = 40
READ_ONLY_DATA = 0x40000040

# The order in which systemd-stub 257 measures sections, whatever their order in the file.
MEASURED = (".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey",
            ".profile", ".dtbauto", ".hwids")

Section = namedtuple("Section", "name virtual_size address raw_size raw_offset")


class PeFault(Exception):
    """An EFI program that is not in the form this code knows."""


class Pe:
    def __init__(self, data):
        self.data = data
        self.coff, = struct.unpack_from("<I", data, 0x3C)
        if data[:2] != b"MZ" or data[self.coff:self.coff + 4] != b"PE\0\0":
            raise PeFault("not an EFI program")
        self.optional = self.coff + 24
        if struct.unpack_from("<H", data, self.optional)[0] != 0x20B:
            raise PeFault("not an EFI program of 64 bits")
        count, = struct.unpack_from("<H", data, self.coff + 6)
        size, = struct.unpack_from("<H", data, self.coff + 20)
        self.table = self.optional + size
        self.sections = []
        for i in range(count):
            name, *rest = struct.unpack_from("<8sIIII", data, self.table + SECTION_BYTES * i)
            self.sections.append(Section(name.rstrip(b"\0").decode(), *rest))

    def field(self, offset):
        return struct.unpack_from("<I", self.data, self.optional + offset)[0]


def up(value, step):
    return -(-value // step) * step


def unified(stub, parts):
    """The stub with these parts [(section name, bytes)] behind its own sections."""
    pe = Pe(stub)
    in_memory, in_file = pe.field(SECTION_ALIGNMENT), pe.field(FILE_ALIGNMENT)
    if pe.table + SECTION_BYTES * (len(pe.sections) + len(parts)) > pe.field(HEADERS_SIZE):
        raise PeFault("the stub's header has no room for more sections")
    out = bytearray(stub)
    out += bytes(-len(out) % in_file)
    address = max(s.address + s.virtual_size for s in pe.sections)
    for i, (name, content) in enumerate(parts, len(pe.sections)):
        address = up(address, in_memory)
        struct.pack_into("<8sIIIIIIHHI", out, pe.table + SECTION_BYTES * i, name.encode(), len(content), address,
                         up(len(content), in_file), len(out), 0, 0, 0, 0, READ_ONLY_DATA)
        out += content + bytes(-len(content) % in_file)
        address += len(content)
    struct.pack_into("<H", out, pe.coff + 6, len(pe.sections) + len(parts))
    struct.pack_into("<I", out, pe.coff + 8, 0)
    struct.pack_into("<I", out, pe.optional + IMAGE_SIZE, up(address, in_memory))
    struct.pack_into("<I", out, pe.optional + CHECKSUM, 0)
    return bytes(out)


def sections_of(image):
    pe = Pe(image)
    return {s.name: image[s.raw_offset:s.raw_offset + s.virtual_size] for s in pe.sections}


def extended(*digests):
    pcr = bytes(32)
    for digest in digests:
        pcr = hashlib.sha256(pcr + digest).digest()
    return pcr.hex()


def pcr11(image):
    found = sections_of(image)
    said = [blob for name in MEASURED if name in found for blob in (name.encode() + b"\0", found[name])]
    return extended(*(hashlib.sha256(blob).digest() for blob in said))


def authenticode(image):
    """The digest by which firmware knows an EFI program: all of it but its checksum and its signatures."""
    pe = Pe(image)
    checksum, certificates = pe.optional + CHECKSUM, pe.optional + CERTIFICATES
    headers = pe.field(HEADERS_SIZE)
    signed_bytes, = struct.unpack_from("<I", image, certificates + 4)
    digest = hashlib.sha256(image[:checksum])
    digest.update(image[checksum + 4:certificates])
    digest.update(image[certificates + 8:headers])
    hashed = headers
    for section in sorted(pe.sections, key=lambda s: s.raw_offset):
        digest.update(image[section.raw_offset:section.raw_offset + section.raw_size])
        hashed += section.raw_size
    digest.update(image[hashed:len(image) - signed_bytes])
    return digest.digest()


def pcr4(*programs):
    """After the firmware has started these EFI programs one from the other."""
    events = [hashlib.sha256(b"Calling EFI Application from Boot Option").digest(), hashlib.sha256(bytes(4)).digest()]
    return extended(*events, *map(authenticode, programs))
