#!/usr/bin/env python3
"""Puts the image together: make_image.py [--programs FOLDER] [--out FOLDER] [--raw-only]

Runs in the box root, over programs that are already built. All it takes beside them stands in this folder or is a package
file of scripts/root.lock, out of the cache. No step depends on the host, the clock, or the order of a folder; the time in
the image is the commit's (LETHE_COMMIT_TIME).
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import bundle
import cpio
import deb
import disk
import fat
import formats
import iso
import kernel_modules
import kernel_words
import lock
import sbom
import sign
import sources
import uki

HERE = Path(__file__).resolve().parent
INIT = "lethe-init"
PROGRAMS = ("lethed", "lethe-console", "lethe-keeper", "lethe-relay", "lethe-resolver", "lethe-admin")
# Left out of the root's digest: the file that holds it, and the folder that is there for it.
SAYS_DIGEST = ("/etc/lethe", "/etc/lethe/image")
# What the kernel starts when a hypervisor asks it for an orderly end.
ENDINGS = ("poweroff", "reboot")
# 1 January 2026: for a tree without git. The clock of a box is never before it.
NO_COMMIT_EPOCH = 1767225600
SERIAL = "console=ttyS0"
GRUB_MODULES = ("biosdisk", "part_gpt", "fat", "normal", "linux", "loadenv", "test", *iso.DAMAGED_MODULES)
# DESIGN 7.
UKI_BYTES, PACKED_BYTES = 24 << 20, 60 << 20


class ImageFault(Exception):
    """Why there is no image."""


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def sha256_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Facts:
    """Which image this is."""

    def __init__(self):
        self.version = os.environ.get("LETHE_VERSION") or "unknown"
        self.commit = os.environ.get("LETHE_COMMIT") or "unknown"
        self.epoch = int(os.environ.get("LETHE_COMMIT_TIME") or NO_COMMIT_EPOCH)
        # Raised by a release that closes a hole: a box that has run it installs nothing of before.
        self.security_epoch = int((HERE / "security-epoch").read_text())
        self.update_keys = Path(os.environ.get("LETHE_UPDATE_KEYS") or HERE / "update-keys").read_bytes()
        # It becomes a file's name, in which a loader would read tries behind a plus sign.
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", self.version):
            raise ImageFault(f"version {self.version!r} cannot be part of a file name")


class Parts:
    """What comes out of Debian's packages, unmodified."""

    def __init__(self, cache):
        row, path = lock.part("linux-image-", cache)
        self.kernel = row.name.removeprefix("linux-image-")
        files = deb.files(path, rf"boot/vmlinuz-.*|usr/lib/modules/[^/]*/(modules\.builtin|kernel/.*\.ko\.xz)")
        self.vmlinuz = files[f"boot/vmlinuz-{self.kernel}"]
        builtin = files[f"usr/lib/modules/{self.kernel}/modules.builtin"].decode().split()
        packed = {kernel_modules.name_of(name): content for name, content in files.items() if name.endswith(".ko.xz")}
        self.modules = kernel_modules.Kernel(packed, set(map(kernel_modules.name_of, builtin)))

        _, path = lock.part("systemd-boot-efi", cache)
        files = deb.files(path, r"usr/lib/systemd/boot/efi/(linuxx64\.efi\.stub|systemd-bootx64\.efi)")
        self.stub = files["usr/lib/systemd/boot/efi/linuxx64.efi.stub"]
        self.loader = files["usr/lib/systemd/boot/efi/systemd-bootx64.efi"]

        row, path = lock.part("grub-pc-bin", cache)
        self.grub_version = row.version
        self.grub = {Path(name).name: content for name, content in deb.files(path, r"usr/lib/grub/i386-pc/.*").items()}


def stripped(path):
    if not path.exists():
        raise ImageFault(f"{path} is not there; make image builds it first")
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "--strip-all", "-o", out.name, path], check=True)
        return Path(out.name).read_bytes()


def root_tree(facts, parts, programs, source_rows):
    tree = cpio.Tree(facts.epoch)
    for folder in ("bin", "config", "dev", "etc", "lib", "proc", "run", "sbin", "sys"):
        tree.folder(folder)
    for name in ENDINGS:
        tree.link(f"sbin/{name}", "/init")
    tree.file("init", stripped(programs / INIT), 0o755)
    for name in PROGRAMS:
        tree.file(f"bin/{name}", stripped(programs / name), 0o755)
    shipped = parts.modules.closure(kernel_modules.listed((HERE / "modules.txt").read_text()))
    for name in shipped:
        tree.file(f"lib/modules/{name}.ko.xz", parts.modules.packed[name])
    tree.file("lib/modules/alias", kernel_modules.alias_table(parts.modules, shipped).encode())
    tree.file("lib/modules/order", kernel_modules.order_table(parts.modules, shipped).encode())
    tree.file("etc/lethe/update-keys", facts.update_keys)
    tree.file("etc/lethe/sources", sources.text(source_rows).encode())
    tree.file("etc/lethe/image", f"version {facts.version}\ncommit {facts.commit}\nepoch {facts.epoch}\n"
              f"kernel {parts.kernel}\nsecurity {facts.security_epoch}\nroot {root_digest(tree)}\n".encode())
    return tree, shipped


def file_rows(tree):
    """What the manifest says of each file, folder and link."""
    for path, mode, content in tree.rows():
        row = {"path": "/" + path, "mode": f"{stat.S_IMODE(mode):04o}", "uid": 0, "gid": 0}
        if stat.S_ISREG(mode):
            row |= {"type": "file", "size": len(content), "sha256": sha256(content)}
        elif stat.S_ISLNK(mode):
            row |= {"type": "link", "to": content.decode()}
        else:
            row |= {"type": "folder"}
        yield row


def root_digest(tree):
    """One number for everything in the root but the file that says it: a line `PATH MODE CONTENT` each, in byte order,
    where content is a file's SHA-256, a link's target, or / for a folder. The box shows it on its console."""
    lines = [f"{row['path']} {row['mode']} {row.get('sha256') or row.get('to') or '/'}\n" for row in file_rows(tree)
             if row["path"] not in SAYS_DIGEST]
    return sha256("".join(sorted(lines)).encode())


def compressed(archive):
    """One thread, for the number of threads changes the bytes."""
    return subprocess.run(["zstd", "-19", "-T1", "-q", "-c"], input=archive, stdout=subprocess.PIPE, check=True).stdout


def os_release(facts):
    """Without a version: systemd-boot would put that before the number in a file's name, which is the order of slots."""
    return f'ID=lethe\nNAME="Lethe"\nPRETTY_NAME="Lethe {facts.version}"\nIMAGE_ID=lethe\n'.encode()


def unified(facts, parts, initrd, cmdline):
    image = uki.unified(parts.stub, [
        (".osrel", os_release(facts)), (".cmdline", cmdline.encode() + b"\0"), (".uname", parts.kernel.encode()),
        (".linux", parts.vmlinuz), (".initrd", initrd)])
    if len(image) > UKI_BYTES:
        raise ImageFault(f"the unified image has {len(image)} bytes, more than {UKI_BYTES}")
    return image


def grub_core(parts, form="i386-pc", prefix="(,gpt1)/grub", modules=GRUB_MODULES):
    """GRUB's core, by its own tool of the same version, from the modules of the locked package."""
    said = subprocess.run(["grub-mkimage", "--version"], capture_output=True, text=True, check=True).stdout
    if parts.grub_version not in said:
        raise ImageFault(f"the root's grub-mkimage is {said.strip()}, the lock's modules are {parts.grub_version}")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in parts.grub.items():
            (Path(folder) / name).write_bytes(content)
        core = Path(folder) / "core"
        # Whoever makes GRUB find no file of ours meets a log-in that nobody has, and no prompt.
        # A prefix without a drive means the one it was started from, so no other disk can step in.
        subprocess.run(["grub-mkimage", "-O", form, "-d", folder, "-p", prefix, "-c", HERE / "grub-early.cfg", "-o", core, *modules], check=True)
        return core.read_bytes()


def json_bytes(value):
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()


def manifest(facts, tree, shipped, profiles, parts, source_rows, made):
    files = list(file_rows(tree))
    packages = [row._asdict() for kind in ("image", "build") for row in lock.rows(kind)]
    return {
        "product": "lethe", "version": facts.version, "commit": facts.commit, "epoch": facts.epoch, "kernel": parts.kernel,
        "security_epoch": facts.security_epoch,
        "root": root_digest(tree), "files": files, "modules": shipped, "packages": packages, "made": made,
        "sources": source_rows, "vmlinuz": sha256(parts.vmlinuz), "initrd": made["serial/initrd"]["sha256"],
        "authenticode": {"loader": uki.authenticode(parts.loader).hex()},
        "profiles": {name: {"uki": made[file]["sha256"], "cmdline": cmdline,
                            "authenticode": uki.authenticode(image).hex(), "pcr": {
            "4": uki.pcr4(parts.loader, image, parts.vmlinuz), "11": uki.pcr11(image)}}
            for name, (file, cmdline, image) in profiles.items()},
    }


def update_facts(facts, parts, profile):
    _, cmdline, image = profile
    return {"version": facts.version, "commit": facts.commit, "epoch": facts.epoch, "cmdline": cmdline,
            "security_epoch": facts.security_epoch, "unsigned": sha256(image),
            "pcr4": uki.pcr4(parts.loader, image, parts.vmlinuz)}


def write_forms(facts, parts, initrd, profile, arguments, out):
    """What is made of the disk's parts beside it, and what the disc holds."""
    _, cmdline, image = profile
    said = update_facts(facts, parts, profile)
    disc = iso.tree(image, parts.vmlinuz, initrd, cmdline,
                    grub_core(parts, "i386-pc-eltorito", "/grub", iso.GRUB_MODULES), facts.epoch)

    def signed():
        sign.make_keys(arguments.keys, sign.THROW_AWAY, facts.epoch)
        bundle.write(out, said, image, said["pcr4"], arguments.keys / "update")
        sign.sign_image(out, arguments.keys, out / "signed", said)
    formats.write(out / "lethe.raw", facts.version, facts.epoch,
                  (signed, lambda: iso.write(out / "lethe.iso", disc, facts.epoch)))
    if (out / "lethe.raw.zst").stat().st_size > PACKED_BYTES:
        raise ImageFault(f"the disk has more than {PACKED_BYTES} bytes when packed")
    # The firmware starts the unified image from a disc, without a loader before it.
    return {"parts": iso.digests(disc), "pcr": {"4": uki.pcr4(image, parts.vmlinuz), "11": uki.pcr11(image)}}


def make(arguments, out, cache):
    facts, parts = Facts(), Parts(cache)
    source_rows = sources.rows(cache)
    tree, shipped = root_tree(facts, parts, arguments.programs, source_rows)
    initrd = compressed(tree.archive())

    plain = kernel_words.read(HERE / "cmdline.txt")
    kernel_words.check([*plain, SERIAL], parts.vmlinuz, parts.modules)
    profiles = {}
    for name, file, line in (("default", "lethe.efi", plain), ("serial", "lethe-serial.efi", [*plain, SERIAL])):
        cmdline = " ".join(line)
        profiles[name] = (file, cmdline, unified(facts, parts, initrd, cmdline))
        (out / file).write_bytes(profiles[name][2])
    (out / "lethe-loader.efi").write_bytes(parts.loader)

    serial = out / "serial"
    serial.mkdir()
    (serial / "vmlinuz").write_bytes(parts.vmlinuz)
    (serial / "initrd").write_bytes(initrd)
    (serial / "cmdline").write_text(profiles["serial"][1] + "\n")

    _, cmdline, image = profiles["default"]
    said = update_facts(facts, parts, profiles["default"])
    disk.write(out / "lethe.raw", disk.boot_tree(parts.loader, image, parts.vmlinuz, initrd, said,
                                                 bundle.manifest(said, image, said["pcr4"])),
               parts.grub["boot.img"], grub_core(parts), facts.epoch)
    disc = {} if arguments.raw_only else {"iso": write_forms(facts, parts, initrd, profiles["default"], arguments, out)}

    # A signature is another one with other keys: what is signed is not counted among what is the same for everyone.
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and
                   path.relative_to(out).parts[0] != "signed" and not path.name.startswith(("lethe.update", "update-keys")))
    made = {name: {"size": (out / name).stat().st_size, "sha256": sha256_of(out / name)} for name in names}
    said = manifest(facts, tree, shipped, profiles, parts, source_rows, made) | disc
    (out / "manifest.json").write_bytes(json_bytes(said))
    (out / "sbom.spdx.json").write_bytes(json_bytes(sbom.document(facts.version, facts.commit, facts.epoch,
                                                                  sha256(image))))
    sums = {name: row["sha256"] for name, row in made.items()}
    sums |= {name: sha256_of(out / name) for name in ("manifest.json", "sbom.spdx.json")}
    (out / "SHA256SUMS").write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", type=Path, default=lock.TOP / "build/bin")
    parser.add_argument("--out", type=Path, default=lock.TOP / "build/image")
    parser.add_argument("--keys", type=Path, default=lock.TOP / "build/throw-away", help="for the signed copy")
    parser.add_argument("--raw-only", action="store_true", help="no other form of the disk, nothing signed")
    arguments = parser.parse_args()
    os.umask(0o022)
    new = arguments.out.with_name(arguments.out.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        make(arguments, new, os.environ.get("LETHE_CACHE", Path.home() / ".cache/lethe"))
    except (ImageFault, lock.LockFault, deb.DebFault, kernel_modules.ModuleFault, kernel_words.WordFault, uki.PeFault,
            bundle.BundleFault, disk.DiskFault, fat.FatFault, formats.FormatFault, iso.IsoFault, sign.SignFault,
            subprocess.CalledProcessError) as fault:
        shutil.rmtree(new)
        sys.exit(f"lethe: {fault}")
    # A folder under the old name is either all of the old image or all of the new.
    shutil.rmtree(arguments.out, ignore_errors=True)
    new.rename(arguments.out)


if __name__ == "__main__":
    main()
