#!/usr/bin/env python3
"""An update as one file: head, manifest, signatures, the unified image. firmware/bundle.h says what lies where.

    bundle.py keys FOLDER                          three throw-away keys: N.pub and N.key (PEM), and all.pub
    bundle.py manifest [--image build/image] [--uki FILE]   what is to be signed, for: minisign -S -m MANIFEST
    bundle.py join MANIFEST UKI OUT SIGNATURE...    the update, of two or three signatures made elsewhere
    bundle.py sign MANIFEST UKI OUT KEY...          the same with keys of `keys`

The manifest is signed and nothing else is: it holds the digest of the image. Two of the box's three keys must have signed.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import uki

TOP = Path(__file__).resolve().parent.parent
MAGIC, FORMAT, HEAD_BYTES, ALIGN = b"LETHEUPD", 1, 128, 4096
MANIFEST_BYTES, SIGNATURES, VERSION_BYTES = 4096, 3, 64
# firmware/update_keys.c knows these keys by the beginning of their number.
THROW_AWAY = b"throway"
DER_SECRET = bytes.fromhex("302e020100300506032b657004220420")
DER_PUBLIC = bytes.fromhex("302a300506032b6570032100")


class BundleFault(Exception):
    """What no update can be made of."""


def manifest(said, image, pcr4):
    """`said`: version, commit, security_epoch, epoch (when it was built), cmdline, unsigned (the canonical image's digest)."""
    if re.search(r"""[^ -~]|[\\"'$`;{}|&<>#]""", said["cmdline"]):
        raise BundleFault("the kernel's words hold a sign that GRUB would read as its own")
    sections = {s.name: s for s in uki.Pe(image).sections}

    def part(name):
        section = sections[name]
        content = image[section.raw_offset:section.raw_offset + section.virtual_size]
        return f"{section.raw_offset} {len(content)} {hashlib.sha256(content).hexdigest()}"
    lines = [("product", "lethe"), ("format", FORMAT), ("version", said["version"]), ("commit", said["commit"]),
             ("epoch", said["security_epoch"]), ("built", said["epoch"]), ("cmdline", said["cmdline"]),
             ("uki", f"{len(image)} {hashlib.sha256(image).hexdigest()}"), ("vmlinuz", part(".linux")),
             ("initrd", part(".initrd")), ("unsigned", said["unsigned"]), ("pcr4", pcr4), ("pcr11", uki.pcr11(image))]
    text = "".join(f"{key} {value}\n" for key, value in lines).encode()
    if len(text) > MANIFEST_BYTES or len(said["version"]) >= VERSION_BYTES:
        raise BundleFault("the manifest is too long")
    return text


def fields(text):
    return dict(line.split(" ", 1) for line in text.decode().splitlines())


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode != 0:
        raise BundleFault(f"openssl: {done.stderr.decode().strip()[-300:]}")
    return done.stdout


def make_keys(folder):
    """All three or none; what is there already stays."""
    if (folder / "all.pub").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    lines = b""
    for i in (b"1", b"2", b"3"):
        key = folder / f"{i.decode()}.key"
        openssl("genpkey", "-algorithm", "ed25519", "-out", key)
        public = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
        if not public.startswith(DER_PUBLIC):
            raise BundleFault("openssl writes another form than this code knows")
        line = base64.b64encode(b"Ed" + THROW_AWAY + i + public[len(DER_PUBLIC):])
        (folder / f"{i.decode()}.pub").write_bytes(b"untrusted comment: throw-away update key " + i + b"\n" + line + b"\n")
        lines += line + b"\n"
    (folder / "all.pub").write_bytes(b"# throw-away update keys of one build folder\n" + lines)


def ed25519(key, content):
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return openssl("pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", file.name)


def signature(key, text):
    """As `minisign -S -l` writes it. The same again is the same."""
    number = base64.b64decode(key.with_suffix(".pub").read_bytes().splitlines()[1])[2:10]
    said = fields(text)
    made = ed25519(key, text)
    comment = f"lethe {said['version']} epoch {said['epoch']}".encode()
    return (b"untrusted comment: Lethe update\n" + base64.b64encode(b"Ed" + number + made) + b"\ntrusted comment: "
            + comment + b"\n" + base64.b64encode(ed25519(key, made + comment)) + b"\n")


def joined(text, image, signatures):
    said = fields(text)
    if len(signatures) > SIGNATURES:
        raise BundleFault("there are more signatures than keys")
    sizes = [len(one) for one in signatures] + [0] * (SIGNATURES - len(signatures))
    head = MAGIC + struct.pack("<II3IIQ", FORMAT, len(text), *sizes, int(said["epoch"]), len(image))
    head += said["version"].encode().ljust(VERSION_BYTES, b"\0")
    front = head.ljust(HEAD_BYTES, b"\0") + text + b"".join(signatures)
    return front + bytes(-len(front) % ALIGN) + image


def write(out, said, image, pcr4, keys):
    """lethe.update, and beside it what was signed and by whom, for whoever checks with minisign."""
    make_keys(keys)
    text = manifest(said, image, pcr4)
    signatures = [signature(keys / f"{i}.key", text) for i in (1, 2)]
    (out / "lethe.update.manifest").write_bytes(text)
    for i, one in enumerate(signatures, 1):
        (out / f"lethe.update.manifest.{i}.minisig").write_bytes(one)
    (out / "lethe.update").write_bytes(joined(text, image, signatures))
    (out / "update-keys.pub").write_bytes((keys / "all.pub").read_bytes())


def of_image(folder, image):
    """The manifest of an update to what stands in an image folder; of a signed copy of its unified image, perhaps."""
    said = json.loads((folder / "manifest.json").read_text())
    default = said["profiles"]["default"]
    said |= {"cmdline": default["cmdline"], "unsigned": default["uki"]}
    return manifest(said, image, default["pcr"]["4"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("keys")
    one.add_argument("folder", type=Path)
    one = commands.add_parser("manifest")
    one.add_argument("--image", type=Path, default=TOP / "build/image")
    one.add_argument("--uki", type=Path)
    for name, last in (("join", "signatures"), ("sign", "keys")):
        one = commands.add_parser(name)
        for argument in ("manifest", "uki", "out"):
            one.add_argument(argument, type=Path)
        one.add_argument(last, type=Path, nargs="+")
    a = parser.parse_args()
    os.umask(0o077)
    try:
        if a.command == "keys":
            make_keys(a.folder)
        elif a.command == "manifest":
            sys.stdout.write(of_image(a.image, (a.uki or a.image / "lethe.efi").read_bytes()).decode())
        else:
            text = a.manifest.read_bytes()
            made = [path.read_bytes() for path in a.signatures] if a.command == "join" else \
                [signature(key, text) for key in a.keys]
            a.out.write_bytes(joined(text, a.uki.read_bytes(), made))
    except (BundleFault, uki.PeFault, OSError, KeyError) as fault:
        sys.exit(f"lethe: {fault}")


if __name__ == "__main__":
    main()
