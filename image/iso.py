"""A disc for machines whose disk holds nothing but the state: the same kernel and root, by BIOS (El Torito, GRUB) and by
UEFI (El Torito, the unified image itself as the program that the firmware starts)."""

import hashlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from fat import Fat32

HERE = Path(__file__).resolve().parent
# What image/grub-damaged.cfg says.
DAMAGED_MODULES = ("echo", "sleep", "reboot")
GRUB_MODULES = ("biosdisk", "iso9660", "normal", "linux", *DAMAGED_MODULES)
SERIAL = 0x4C455449
LABEL = "LETHE"


class IsoFault(Exception):
    """A disc that does not hold what it should."""


def uefi_volume(image, epoch):
    """The smallest FAT32 there is, or as large as the image needs."""
    size = max(35 << 20, len(image) + (2 << 20))
    out = bytearray(size)
    for at, content in Fat32(size, 0, LABEL, SERIAL, epoch, per_cluster=1).pieces(
            {"EFI": {"BOOT": {"BOOTX64.EFI": image}}}):
        out[at:at + len(content)] = content
    return bytes(out)


def tree(image, vmlinuz, initrd, cmdline, core, epoch):
    grub = f"set timeout=0\nlinux /bios/vmlinuz {cmdline}\ninitrd /bios/initrd\nboot\n"
    grub += (HERE / "grub-damaged.cfg").read_text()
    return {"bios/vmlinuz": vmlinuz, "bios/initrd": initrd, "boot/bios.img": core, "grub/grub.cfg": grub.encode(),
            "boot/uefi.img": uefi_volume(image, epoch)}


def write(out, parts, epoch):
    """Written by xorriso, and read back by it: all but what it writes its table into, BIOS's first program."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder) / "disc"
        for name, content in parts.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in (top, *top.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (epoch, epoch))
        when = time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch))
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE,
                 "env": os.environ | {"SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"}}
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", f"--modification-date={when}",
                        "--set_all_file_dates", when, "-o", out, "-V", LABEL, "-r", "-c", "boot.catalog",
                        "-b", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
                        "--grub2-boot-info", "-eltorito-alt-boot", "-e", "boot/uefi.img", "-no-emul-boot", top], **quiet)
        back = Path(folder) / "back"
        subprocess.run(["xorriso", "-osirrox", "on", "-indev", out, "-extract", "/", back], **quiet)
        found = {str(path.relative_to(back)) for path in back.rglob("*") if path.is_file()} - {"boot.catalog"}
        if found != set(parts):
            raise IsoFault(f"{out.name} holds {sorted(found)}")
        for name, content in parts.items():
            if name != "boot/bios.img" and (back / name).read_bytes() != content:
                raise IsoFault(f"{out.name}: {name} is not what was written")
        subprocess.run(["chmod", "-R", "u+w", back], check=True)


def digests(parts):
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items() if name != "boot/bios.img"}
