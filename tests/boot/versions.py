"""Versions of the image that never were, for tests of updates: build/image with another version in it, or broken.

An initramfs may be several archives one behind the other, of which the later wins: what is changed is put behind what is
there, and nothing is packed again.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "image"))

import bundle  # noqa: E402
import cpio  # noqa: E402
import deb  # noqa: E402
import lock  # noqa: E402
import uki  # noqa: E402

TOP = HERE.parent.parent
KEYS = TOP / "build/throw-away/update"
# A test does not wait for a minute. Nobody but a test's own image is started with this word.
SOON = "lethe.good=10s"


class Image:
    def __init__(self, folder):
        self.folder = folder
        self.said = json.loads((folder / "manifest.json").read_text())
        self.sections = uki.sections_of((folder / "lethe.efi").read_bytes())
        self.loader = (folder / "lethe-loader.efi").read_bytes()
        cache = os.environ.get("LETHE_CACHE", pathlib.Path.home() / ".cache/lethe")
        name = "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
        self.stub = deb.files(lock.part("systemd-boot-efi", cache)[1], re.escape(name))[name]

    def version(self, version, later=1, security=None, files=(), spoil=None, words=(SOON,)):
        """(unified image, manifest). `later`: seconds after the image that is there; `spoil`: what becomes of its initramfs."""
        said = self.said | {"version": version, "epoch": self.said["epoch"] + later,
                            "security_epoch": security or self.said["security_epoch"]}
        tree = cpio.Tree(said["epoch"])
        tree.file("etc/lethe/image", "".join(f"{key} {said[name]}\n" for key, name in (
            ("version", "version"), ("commit", "commit"), ("epoch", "epoch"), ("kernel", "kernel"),
            ("security", "security_epoch"), ("root", "root"))).encode())
        for name, content, mode in files:
            tree.file(name, content, mode)
        initrd = self.sections[".initrd"]
        initrd += bytes(-len(initrd) % 4) + tree.archive()
        if spoil:
            initrd = spoil(initrd)
        cmdline = " ".join([self.said["profiles"]["default"]["cmdline"], *words])
        image = uki.unified(self.stub, [
            (".osrel", self.sections[".osrel"]), (".cmdline", cmdline.encode() + b"\0"), (".uname", self.sections[".uname"]),
            (".linux", self.sections[".linux"]), (".initrd", initrd)])
        said |= {"cmdline": cmdline, "unsigned": hashlib.sha256(image).hexdigest()}
        return image, bundle.manifest(said, image, uki.pcr4(self.loader, image, self.sections[".linux"]))


class Release:
    """The way of image/README.md: three keys of minisign's own, `minisign -S` of the manifest, `bundle.py join`."""

    def __init__(self, folder):
        self.folder, self.public = folder, folder / "all.pub"
        folder.mkdir()
        for i in (1, 2, 3):
            self.run("minisign", "-G", "-W", "-p", f"{i}.pub", "-s", f"{i}.key")
        self.public.write_text("".join((folder / f"{i}.pub").read_text().splitlines()[1] + "\n" for i in (1, 2, 3)))

    def run(self, *words):
        done = subprocess.run([str(word) for word in words], cwd=self.folder, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stdout}")

    def signed(self, made, keys=(1, 2)):
        (self.folder / "uki").write_bytes(made[0])
        (self.folder / "manifest").write_bytes(made[1])
        signatures = [f"manifest.{n}.minisig" for n in range(len(keys))]
        for key, name in zip(keys, signatures):
            self.run("minisign", "-S", "-s", f"{key}.key", "-m", "manifest", "-x", name)
            self.run("minisign", "-V", "-p", f"{key}.pub", "-m", "manifest", "-x", name)
        self.run(TOP / "image/bundle.py", "join", "manifest", "uki", "out", *signatures)
        return (self.folder / "out").read_bytes()


def signed(made, keys=(1, 2)):
    image, text = made
    return bundle.joined(text, image, [bundle.signature(KEYS / f"{i}.key", text) for i in keys])
