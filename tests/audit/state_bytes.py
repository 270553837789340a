"""The state file and the state partition, read by nothing of ours: every byte of it has a name here, or is a fault. The
layouts are those that src/vault/slot_header.c, container.c, store_records.c and firmware/kept.c describe."""

import ctypes
import hashlib
import re

COPY, HEAD, STEP, TAG = 4 << 20, 8192, 64 << 10, 16
KEPT_AT, KEPT_SLOT, KEPT_HEAD = 8 << 20, 64 << 10, 56
SLOTS_AT, SLOT, SLOTS, SUM_AT = 1024, 512, 8, HEAD - 32
EMPTY, PASSPHRASE, KEY_FILE, TPM = range(4)
RECORDS = {1: "identity", 2: "credential", 3: "export", 4: "chain", 5: "config", 6: "opens", 7: "acknowledged",
           8: "succeeds"}
CONFIG_NAME = re.compile(r"lethe\.json|policy\.json|tls/(admin|server)\.(crt|key)|ca/[A-Za-z0-9._-]+")
ADDRESS, NUMBER = r"[0-9a-f:.]{2,45}", r"[0-9]{1,20}"
DOOR = rf"({ADDRESS}|\[{ADDRESS}\]):[0-9]{{1,5}}"
KEPT = {"address": rf"({ADDRESS}/[0-9]{{1,3}}|dhcp|auto)", "gateway": ADDRESS, "resolver": ADDRESS, "ntp": ADDRESS,
        "interface": r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", "vlan": NUMBER, "mtu": NUMBER, "listen": DOOR, "admin": DOOR,
        "relays": NUMBER, "clock": NUMBER, "seen": NUMBER, "epoch": NUMBER, "drive": "(yes|no)",
        "update-key": "RW[A-Za-z0-9+/]{54}"}

sodium = ctypes.CDLL("libsodium.so.23")


class Unknown(Exception):
    """A byte that nobody has listed."""


def blake2b(data, key=b"", size=32):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def sub_key(master, number, context):
    """crypto_kdf_derive_from_key."""
    return hashlib.blake2b(b"", digest_size=32, key=master, salt=number.to_bytes(16, "little"),
                           person=context.ljust(16, b"\0")).digest()


def opened(sealed, ad, nonce, key):
    out = ctypes.create_string_buffer(len(sealed))
    length = ctypes.c_ulonglong()
    if sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(out, ctypes.byref(length), None, sealed,
                                                         ctypes.c_ulonglong(len(sealed)), ad,
                                                         ctypes.c_ulonglong(len(ad)), nonce, key) != 0:
        raise Unknown("a sealed part does not open")
    return out.raw[:length.value]


def zeros(data, what):
    if data.strip(b"\0"):
        raise Unknown(f"{what}: {len(data.strip(bytes(1)))} bytes that are not zero")


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def key_slot(data, index):
    kind = number(data, 0, 2)
    if kind not in (EMPTY, PASSPHRASE, KEY_FILE, TPM):
        raise Unknown(f"key slot {index} of kind {kind}")
    if kind == EMPTY:
        zeros(data, f"empty key slot {index}")
    zeros(data[2:8], f"key slot {index}, reserved")
    if kind != PASSPHRASE:
        zeros(data[24:40], f"key slot {index}, Argon2 numbers")
    private, public = (number(data, 116, 2), number(data, 118, 2)) if kind == TPM else (0, 0)
    if kind != TPM:
        zeros(data[112:120], f"key slot {index}, of a TPM")
    zeros(data[120 + private:312], f"key slot {index}, behind the private part")
    zeros(data[312 + public:], f"key slot {index}, behind the public part")
    return kind


def header(data, index):
    """(generation, payload bytes, nonce, slots)"""
    if data[:8] != b"LETHEVLT" or number(data, 8, 2) != 1 or number(data, 12, 4) != HEAD:
        raise Unknown(f"copy {index} is none")
    if blake2b(data[:SUM_AT]) != data[SUM_AT:]:
        raise Unknown(f"copy {index} has another check sum")
    for first, last in ((10, 12), (48, 64), (112, SLOTS_AT), (SLOTS_AT + SLOTS * SLOT, SUM_AT)):
        zeros(data[first:last], f"header {index} from {first}")
    slots = [data[SLOTS_AT + i * SLOT:SLOTS_AT + (i + 1) * SLOT] for i in range(SLOTS)]
    kinds = [key_slot(slot, i) for i, slot in enumerate(slots)]
    return number(data, 16, 8), number(data, 64, 8), data[72:96], list(zip(kinds, slots))


def vault_key(slots, key_file):
    for kind, slot in slots:
        if kind == KEY_FILE:
            wrapping = blake2b(slot[8:24], key=key_file)
            return opened(slot[64:112], slot[0:2] + slot[8:40], slot[40:64], wrapping)
    raise Unknown("no key slot for a key file")


def records(payload):
    """[(name, bytes)]"""
    at, found = 0, []
    while at + 8 <= len(payload) and payload[at:at + 8].strip(b"\0"):
        kind, length = number(payload, at, 2), number(payload, at + 4, 4)
        if kind not in RECORDS:
            raise Unknown(f"a record of type {kind}")
        zeros(payload[at + 2:at + 4], f"a record's head at {at}")
        if length > len(payload) - at - 8:
            raise Unknown(f"a record at {at} is longer than the payload")
        found.append((RECORDS[kind], payload[at + 8:at + 8 + length]))
        at += 8 + length
    zeros(payload[at:], "behind the records")
    return found


def texts(data, count):
    """Values with their length before each."""
    found, at = [], 0
    for _ in range(count):
        length = number(data, at, 2)
        found.append(data[at + 2:at + 2 + length])
        at += 2 + length
    if at != len(data):
        raise Unknown(f"{len(data) - at} bytes behind the last value")
    return found


def judge(name, data):
    """The inside of one record."""
    sizes = {"identity": 96, "chain": 49, "opens": 1, "succeeds": 96}
    if name in sizes and len(data) != sizes[name]:
        raise Unknown(f"{name} of {len(data)} bytes")
    if name == "credential":
        texts(data, 3)
    if name == "config":
        length = number(data, 0, 2)
        if not CONFIG_NAME.fullmatch(data[2:2 + length].decode()):
            raise Unknown(f"a configuration file named {data[2:2 + length]}")
    if name == "acknowledged" and len(data) % 8:
        raise Unknown(f"acknowledged numbers of {len(data)} bytes")
    if name == "export":
        quoted, body = number(data, 8, 4) >> 31, number(data, 8, 4) & 0x7fffffff
        if data[12 + 4 * quoted:12 + 4 * quoted + 1] != b"{" or body > len(data):
            raise Unknown("an export that is none")


def kept(data, index):
    """The box's own record: text in the clear."""
    if not data.strip(b"\0"):
        return []
    length = number(data, 52, 4)
    text = data[KEPT_HEAD:KEPT_HEAD + length]
    if data[:8] != b"LETHEBOX" or blake2b(data[40:KEPT_HEAD] + text) != data[8:40]:
        raise Unknown(f"the box's record {index} is none")
    zeros(data[KEPT_HEAD + length:], f"behind the box's record {index}")
    lines = text.decode().splitlines()
    for line in lines:
        key, _, value = line.partition(" ")
        if key not in KEPT or not re.fullmatch(KEPT[key], value):
            raise Unknown(f"a line of the box's record: {line!r}")
    return lines


def parse(state, key_file):
    """All records of both copies, and the lines that the box keeps. Unknown: a byte that nobody has listed."""
    found, lines = [], []
    for index in range(2):
        copy = state[index * COPY:(index + 1) * COPY]
        generation, length, nonce, slots = header(copy[:HEAD], index)
        if generation == 0 or length % STEP or length > COPY - HEAD - TAG:
            raise Unknown(f"copy {index}: generation {generation}, {length} bytes")
        key = vault_key(slots, key_file)
        if blake2b(b"lethe key check", key=sub_key(key, 3, b"vaultchk"))[:16] != copy[96:112]:
            raise Unknown(f"copy {index}: another key check")
        payload = opened(copy[HEAD:HEAD + length + TAG], copy[:HEAD], nonce, sub_key(key, 1, b"vaultpay"))
        zeros(copy[HEAD + length + TAG:], f"copy {index}, behind the payload")
        for name, data in records(payload):
            judge(name, data)
            found.append((index, name, data))
    for index in range(2):
        at = KEPT_AT + index * KEPT_SLOT
        lines += kept(state[at:at + KEPT_SLOT], index)
    zeros(state[KEPT_AT + 2 * KEPT_SLOT:], "behind the box's record")
    return found, lines
