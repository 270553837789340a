#!/usr/bin/env python3
# time limit: 300 s
"""The image on a machine with a TPM, with a PID 1 that tells what it meets (probe.c): the kernel takes every word and
wipes what is freed, every module loads in the order the image gives, and the measurements are those of the manifest."""

import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from box import UEFI_CODE, UEFI_VARS  # noqa: E402
from swtpm import SoftTpm  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

BOOT_S = 90
# What GRUB adds to the words of the slot it starts.
OF_GRUB = ("BOOT_IMAGE=", "initrd=", "lethe.slot=")
MACHINE = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-nodefaults",
           "-display", "none", "-vga", "std", "-no-reboot"]
# No such machine here: what a driver says that found no hypervisor of its own, or whose needed module found none.
ABSENT = {errno.ENODEV, errno.EOPNOTSUPP}


def make_probe(folder):
    programs = folder / "programs"
    programs.mkdir()
    for path in (TOP / "build/bin").glob("lethe*"):
        shutil.copyfile(path, programs / path.name)
    subprocess.run(["gcc", "-std=c23", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o",
                    programs / "lethe-init", HERE / "probe.c"], check=True)
    subprocess.run([sys.executable, "-B", TOP / "image/make_image.py", "--programs", programs, "--out",
                    folder / "image", "--raw-only"], check=True)
    return folder / "image"


class Said:
    """The probe's lines, by their first word."""

    def __init__(self, text):
        self.rows = [line.strip() for line in text.splitlines()]
        holds("probe ends" in self.rows, text[-2000:])

    def of(self, kind):
        return [row.removeprefix(kind + " ") for row in self.rows if row.startswith(kind + " ")]

    def file(self, path):
        return [row.removeprefix(path + " ") for row in self.of("file") if row.startswith(path + " ")]

    def pcr(self, number):
        return "".join(self.file(f"/sys/class/tpm/tpm0/pcr-sha256/{number}")).lower()


def boot(folder, image, memory_mib, *devices):
    serial = folder / "serial"
    serial.unlink(missing_ok=True)
    command = [*MACHINE, "-m", str(memory_mib), "-serial", f"file:{serial}", *map(str, devices), "-drive",
               f"file={image}/lethe.raw,format=raw,if=virtio,snapshot=on"]
    subprocess.run(command, check=True, timeout=BOOT_S, stdin=subprocess.DEVNULL)
    return Said(serial.read_text(errors="replace"))


def boot_measured(folder, image):
    """By UEFI, with a TPM of software that has never been used."""
    shutil.copyfile(UEFI_VARS, folder / "vars")
    tpm = SoftTpm(folder)
    try:
        return boot(folder, image, 512, "-drive", f"if=pflash,format=raw,readonly=on,file={UEFI_CODE}", "-drive",
                    f"if=pflash,format=raw,file={folder}/vars", *tpm.start())
    finally:
        tpm.stop()


def judge_kernel(tap, said, manifest, way):
    with tap.case(f"{way}: the kernel has the command line of the manifest, and knows every word of it"):
        words = [w for w in said.file("/proc/cmdline")[0].split() if not w.startswith(OF_GRUB)]
        equal(words, manifest["profiles"]["default"]["cmdline"].split())
        equal([row for row in said.of("log") if "Unknown kernel" in row], [])
    with tap.case(f"{way}: what is freed is wiped"):
        holds(any("heap alloc:on, heap free:on" in row for row in said.of("log")), said.of("log"))
    with tap.case(f"{way}: every module loads, where its hardware could be"):
        result = {}
        for row in said.of("module"):
            name, error = row.split()
            result.setdefault(name, int(error))
        needed = {row.split()[0]: set(row.split()[1:]) for row in said.file("/lib/modules/order")}
        equal(sorted(result), manifest["modules"])
        absent = {name for name, error in result.items() if error not in (0, errno.EEXIST)}
        print("# without hardware:", *(f"{name} ({errno.errorcode[result[name]]})" for name in sorted(absent)))
        for name in absent:
            holds(result[name] in ABSENT or needed[name] & absent, f"{name}: {errno.errorcode[result[name]]}")


def main():
    tap = Tap("measured")
    with tempfile.TemporaryDirectory(dir=TOP / "build") as scratch:
        folder = pathlib.Path(scratch)
        image = make_probe(folder)
        manifest = json.loads((image / "manifest.json").read_text())
        said = boot_measured(folder, image)
        judge_kernel(tap, said, manifest, "UEFI")
        pcr = manifest["profiles"]["default"]["pcr"]
        for number in (4, 11):
            with tap.case(f"UEFI: PCR {number} is the one that was foretold"):
                equal(said.pcr(number), pcr[str(number)])
        with tap.case("UEFI: nothing from outside the image was measured into PCR 12 and 13"):
            equal((said.pcr(12), said.pcr(13)), ("0" * 64, "0" * 64))
        judge_kernel(tap, boot(folder, image, 256), manifest, "BIOS")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
