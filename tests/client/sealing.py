"""What lethectl does to secrets before they leave a machine, by libsodium itself: sealed boxes and wrapping keys."""

import base64
import ctypes
import hashlib
import os

sodium = ctypes.CDLL("libsodium.so.23")
sodium.sodium_init()


def seal(seal_key, plain):
    """crypto_box_seal to the keeper's key of this start."""
    out = ctypes.create_string_buffer(len(plain) + 48)
    if sodium.crypto_box_seal(out, plain, ctypes.c_ulonglong(len(plain)), seal_key) != 0:
        raise ValueError("not sealed")
    return out.raw


def seal_text(seal_key, plain):
    return base64.b64encode(seal(seal_key, plain)).decode()


def wrap_passphrase(passphrase, salt, ops, mem_bytes):
    out = ctypes.create_string_buffer(32)
    rc = sodium.crypto_pwhash(out, ctypes.c_ulonglong(32), passphrase, ctypes.c_ulonglong(len(passphrase)), salt,
                              ctypes.c_ulonglong(ops), ctypes.c_size_t(mem_bytes), ctypes.c_int(2))
    if rc != 0:
        raise MemoryError
    return out.raw


def wrap_key_file(key, salt):
    return hashlib.blake2b(salt, key=key, digest_size=32).digest()


def new_slot(seal_key, passphrase=None, key_file=None, ops=1, mem_bytes=8 << 20):
    """The body of POST /admin/v1/setup/vault and /admin/v1/vault/slots."""
    salt = os.urandom(16)
    wrapping = wrap_key_file(key_file, salt) if key_file else wrap_passphrase(passphrase, salt, ops, mem_bytes)
    row = {"kind": "key-file" if key_file else "passphrase", "salt": salt.hex(), "sealed": seal(seal_key, wrapping).hex()}
    return row if key_file else row | {"ops": ops, "mem_bytes": mem_bytes}


def unlock(seal_key, slot, passphrase):
    """The body of POST /admin/v1/vault/unlock for a slot as GET /admin/v1/setup lists it."""
    wrapping = wrap_passphrase(passphrase, base64.b64decode(slot["salt"]), slot["ops"], slot["mem_bytes"])
    return {"slot": slot["index"], "sealed": seal_text(seal_key, wrapping)}


def vendor_key(seal_key, name, host, secret):
    """The body of POST /admin/v1/vault/credentials: ipc/keeper.h, keeper_credential."""
    plain = name.encode().ljust(32, b"\0") + host.encode().ljust(256, b"\0") + len(secret).to_bytes(4, "little")
    return {"sealed": seal_text(seal_key, plain + secret.encode().ljust(512, b"\0"))}
