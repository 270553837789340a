#!/usr/bin/env python3
"""Secure Boot with keys of one's own, over an image that is there already. In the box root:

    sign.py keys FOLDER --name "Example Ltd" [--also CERTIFICATE...]   makes PK, KEK and db, and what enrols them
    sign.py image FOLDER [--image build/image] [--out FOLDER]          signs its programs, makes a disk of them

`keys` writes NAME.key (keep it away from the box), NAME.crt, NAME.cer and NAME.auth for each. `--also` puts further
certificates (PEM) into db: Microsoft's, where a card's own program in the firmware needs it. `image` needs db.key, db.crt and
the three .auth files alone. A signature stands behind a program and changes nothing in it: the digests that the firmware
compares and a TPM is told of (PCR 4 and 11) stay those of the manifest.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import bundle
import disk
import uki

TOP = Path(__file__).resolve().parent.parent
KINDS = ("PK", "KEK", "db")
SIGNED_BY = {"PK": "PK", "KEK": "PK", "db": "KEK"}
# firmware/platform.c looks for these words in what the machine trusts, and says so on the screen and in exports.
THROW_AWAY = "Lethe THROW-AWAY"


class SignFault(Exception):
    """Keys or an image that cannot be signed with."""


def run(*command):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SignFault(f"{command[0]}: {(done.stderr or done.stdout).strip()[-600:]}")


def make_keys(folder, name, when, also=()):
    """All three at once or none; what is there already stays."""
    if (folder / "db.auth").exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    owner = str(uuid.uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when))
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        new = Path(scratch) / "keys"
        new.mkdir(mode=0o700)
        for kind in KINDS:
            path = new / kind
            run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "7300", "-subj",
                f"/CN={name} {kind}", "-keyout", f"{path}.key", "-out", f"{path}.crt")
            run("openssl", "x509", "-in", f"{path}.crt", "-outform", "DER", "-out", f"{path}.cer")
            lists = b""
            for certificate in (f"{path}.crt", *(also if kind == "db" else ())):
                run("cert-to-efi-sig-list", "-g", owner, certificate, f"{path}.esl")
                lists += Path(f"{path}.esl").read_bytes()
            Path(f"{path}.esl").write_bytes(lists)
            by = new / SIGNED_BY[kind]
            run("sign-efi-sig-list", "-g", owner, "-t", stamp, "-k", f"{by}.key", "-c", f"{by}.crt", kind,
                f"{path}.esl", f"{path}.auth")
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)


def sign(program, keys, when):
    """The program with a signature behind it. The time is given, and RSA draws nothing: the same again is the same."""
    with tempfile.TemporaryDirectory() as scratch:
        plain, out = Path(scratch) / "plain", Path(scratch) / "signed"
        plain.write_bytes(program)
        run("osslsigncode", "sign", "-h", "sha256", "-time", when, "-certs", keys / "db.crt", "-key", keys / "db.key",
            "-in", plain, "-out", out)
        signed = out.read_bytes()
    if uki.authenticode(signed) != uki.authenticode(program):
        raise SignFault("the signature has changed the program")
    return signed


def sign_image(image, keys, out, said):
    """lethe-signed.efi, the signed loader, and a disk of both that can enrol its keys; and an update to it, signed with
    throw-away keys where those are what is signed with. `said`: as bundle.manifest takes it, and pcr4."""
    for name in ("db.key", "db.crt", *(f"{kind}.auth" for kind in KINDS)):
        if not (keys / name).exists():
            raise SignFault(f"{keys / name} is not there; make keys with: image/sign.py keys {keys} --name NAME")
    loader, unified = (sign((image / name).read_bytes(), keys, said["epoch"]) for name in
                       ("lethe-loader.efi", "lethe.efi"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "lethe-signed.efi").write_bytes(unified)
    (out / "lethe-loader-signed.efi").write_bytes(loader)
    tree = disk.boot_tree(loader, unified, (image / "serial/vmlinuz").read_bytes(),
                          (image / "serial/initrd").read_bytes(), said, bundle.manifest(said, unified, said["pcr4"]))
    if (keys / "update").exists():
        bundle.write(out, said, unified, said["pcr4"], keys / "update")
    tree["loader"]["keys"] = {"auto": {f"{kind}.auth": (keys / f"{kind}.auth").read_bytes() for kind in KINDS}}
    disk.write_with_boot(image / "lethe.raw", out / "lethe-signed.raw", tree, said["epoch"])
    for kind in KINDS:
        for name in (f"{kind}.cer", f"{kind}.auth"):
            if (keys / name).exists():
                shutil.copyfile(keys / name, out / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    keys = commands.add_parser("keys")
    keys.add_argument("folder", type=Path)
    keys.add_argument("--name", required=True)
    keys.add_argument("--also", type=Path, nargs="*", default=[])
    image = commands.add_parser("image")
    image.add_argument("folder", type=Path)
    image.add_argument("--image", type=Path, default=TOP / "build/image")
    image.add_argument("--out", type=Path, default=TOP / "build/image-signed")
    arguments = parser.parse_args()
    try:
        if arguments.command == "keys":
            if arguments.folder.exists() and any(arguments.folder.iterdir()):
                raise SignFault(f"{arguments.folder} is not empty; keys are not written over")
            make_keys(arguments.folder, arguments.name, int(time.time()), arguments.also)
        else:
            said = json.loads((arguments.image / "manifest.json").read_text())
            default = said["profiles"]["default"]
            said |= {"cmdline": default["cmdline"], "unsigned": default["uki"], "pcr4": default["pcr"]["4"]}
            sign_image(arguments.image, arguments.folder, arguments.out, said)
    except (SignFault, bundle.BundleFault, disk.DiskFault, uki.PeFault, OSError) as fault:
        sys.exit(f"lethe: {fault}")


if __name__ == "__main__":
    main()
