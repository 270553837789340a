#!/usr/bin/env python3
# time limit: 300 s
"""The disk's other forms as files: each gives the raw disk back, tools that are not ours read them, VMware's description
names what is there, a signature changes nothing in what it signs, and what is altered is refused."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(TOP / "image")]

import disk  # noqa: E402
import formats  # noqa: E402
import iso  # noqa: E402
import sign  # noqa: E402
import uki  # noqa: E402
from box import partition  # noqa: E402
from tap import Tap, equal, holds, raises  # noqa: E402

IMAGE = pathlib.Path(os.environ.get("LETHE_IMAGE") or TOP / "build/image")
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
# What an importer may meet, and what drives it.
DRIVERS = {"VirtualSCSI": "vmw_pvscsi", "VmxNet3": "vmxnet3"}
SIGNED = {"lethe-loader.efi": "lethe-loader-signed.efi", "lethe.efi": "lethe-signed.efi"}


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True).stdout


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_disk(tap, scratch):
    raw = digest(IMAGE / "lethe.raw")
    back = scratch / "back"
    for name, kind in (("lethe.qcow2", "qcow2"), ("lethe.vmdk", "vmdk"), ("lethe.vhdx", "vhdx"), ("lethe.vhd", "vpc")):
        with tap.case(f"{name} gives the raw disk back, and has the same digest when it is made again"):
            run("qemu-img", "convert", "-f", kind, "-O", "raw", IMAGE / name, back)
            equal(digest(back), raw)
            shutil.rmtree(scratch / "again", ignore_errors=True)
            (scratch / "again").mkdir()
            os.link(IMAGE / "lethe.raw", scratch / "again/lethe.raw")
            formats.MADE[name](scratch / "again/lethe.raw", scratch / "again" / name, raw,
                               json.loads((IMAGE / "manifest.json").read_text())["epoch"])
            equal(digest(scratch / "again" / name), digest(IMAGE / name))
    with tap.case("lethe.raw.zst gives the raw disk back"):
        run("zstd", "-dqf", "-o", back, IMAGE / "lethe.raw.zst")
        equal(digest(back), raw)
    with tap.case("a form that holds something else is not believed"):
        for name, kind in (("lethe.qcow2", "qcow2"), ("lethe.vhdx", "vhdx")):
            with raises(formats.FormatFault):
                formats.believed(IMAGE / name, kind, "0" * 64)
        holds(not list(IMAGE.glob("*.back")), "what was converted back stays")
    with tap.case("a truncated form is no disk"):
        short = scratch / "short"
        for name, kind in (("lethe.vmdk", "vmdk"), ("lethe.vhdx", "vhdx")):
            short.write_bytes((IMAGE / name).read_bytes()[:20 << 20])
            try:
                formats.believed(short, kind, raw)
                holds(False, f"{name} was believed")
            except (formats.FormatFault, subprocess.CalledProcessError):
                pass
    with tap.case("the VMDK is in the form that is streamed, of its own name"):
        head = (IMAGE / "lethe.vmdk").read_bytes()[:4096]
        holds(b'createType="streamOptimized"' in head and b' SPARSE "lethe.vmdk"' in head, head)
        equal(head[4:8], b"\3\0\0\0")
    with tap.case("both headers of the VHDX are whole"):
        said = run("qemu-img", "check", "-f", "vhdx", IMAGE / "lethe.vhdx").decode()
        holds("No errors" in said, said)


def appliance(tap):
    with tarfile.open(IMAGE / "lethe.ova") as archive:
        entries = archive.getmembers()
        parts = {entry.name: archive.extractfile(entry).read() for entry in entries}
    epoch = json.loads((IMAGE / "manifest.json").read_text())["epoch"]
    with tap.case("the OVA is description, disk, digests, in this order, of nobody's and of the image's time"):
        equal(list(parts), ["lethe.ovf", "lethe.vmdk", "lethe.mf"])
        for entry in entries:
            equal((entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime, entry.mode, entry.type),
                  (0, 0, "", "", epoch, 0o644, tarfile.REGTYPE))
    with tap.case("its digests are those of description and disk, and the disk is lethe.vmdk"):
        said = dict(re.findall(r"^SHA256\((.+)\)= ([0-9a-f]{64})$", parts["lethe.mf"].decode(), re.MULTILINE))
        equal(said, {name: hashlib.sha256(parts[name]).hexdigest() for name in ("lethe.ovf", "lethe.vmdk")})
        equal(said["lethe.vmdk"], digest(IMAGE / "lethe.vmdk"))
    tree = xml.etree.ElementTree.fromstring(parts["lethe.ovf"])
    with tap.case("the description names the disk with its sizes"):
        file, = tree.iter(OVF + "File")
        equal((file.get(OVF + "href"), int(file.get(OVF + "size"))), ("lethe.vmdk", len(parts["lethe.vmdk"])))
        drive, = tree.iter(OVF + "Disk")
        equal(int(drive.get(OVF + "capacity")), disk.DISK_BYTES)
    with tap.case("it asks for no hardware without a driver in the image, and for UEFI"):
        modules = json.loads((IMAGE / "manifest.json").read_text())["modules"]
        items = list(tree.iter(OVF + "Item"))
        types = {item.findtext(RASD + "ResourceSubType") for item in items} - {None}
        equal(types, set(DRIVERS))
        holds(all(DRIVERS[kind] in modules for kind in types), modules)
        holds('key="firmware" vmw:value="efi"' in parts["lethe.ovf"].decode(), "no UEFI")
        ids = [item.findtext(RASD + "InstanceID") for item in items]
        equal(len(set(ids)), len(ids))
        for item in items:
            names = [child.tag for child in item]
            equal(names, sorted(names))


def disc(tap, scratch):
    said = json.loads((IMAGE / "manifest.json").read_text())["iso"]["parts"]
    for name, wanted in sorted(said.items()):
        with tap.case(f"GRUB's own reader finds {name} on the disc"):
            run("grub-fstest", IMAGE / "lethe.iso", "cp", f"(loop0)/{name}", scratch / "inside")
            equal(digest(scratch / "inside"), wanted)
    with tap.case("fsck.fat finds no fault with the volume that UEFI starts, and the image is in it"):
        run("grub-fstest", IMAGE / "lethe.iso", "cp", "(loop0)/boot/uefi.img", scratch / "volume")
        text = run("fsck.fat", "-n", "-v", scratch / "volume").decode()
        holds("rror" not in text and "differ" not in text, text)
        run("grub-fstest", scratch / "volume", "cp", "(loop0)/EFI/BOOT/BOOTX64.EFI", scratch / "inside")
        equal(digest(scratch / "inside"), digest(IMAGE / "lethe.efi"))
    with tap.case("it starts by BIOS and by UEFI"):
        text = run("xorriso", "-indev", IMAGE / "lethe.iso", "-report_el_torito", "plain").decode()
        images = re.findall(r"^El Torito boot img :\s+\d+\s+(BIOS|UEFI)\s+y\s+none", text, re.MULTILINE)
        equal(images, ["BIOS", "UEFI"])
    with tap.case("a disc on which a part is missing is not believed"):
        parts = {"a/b": b"1", "boot/bios.img": bytes(4096), "boot/uefi.img": bytes(4096)}
        iso.write(scratch / "small.iso", parts, 1_000_000_000)
        with raises(iso.IsoFault):
            iso.write(scratch / "small.iso", parts | {"boot.catalog": b"x"}, 1_000_000_000)


def signatures(tap, scratch):
    said = json.loads((IMAGE / "manifest.json").read_text())
    signed, keys = IMAGE / "signed", TOP / "build/throw-away"
    for plain, name in SIGNED.items():
        with tap.case(f"{name}: another tool finds the throw-away key's signature good"):
            text = run("sbverify", "--cert", keys / "db.crt", signed / name).decode()
            holds("OK" in text, text)
        with tap.case(f"{name} is {plain} to the last byte, with a signature behind it"):
            before, after = ((folder / part).read_bytes() for folder, part in ((IMAGE, plain), (signed, name)))
            pe = uki.Pe(before)
            differ = {i for i in range(len(before)) if before[i] != after[i]} if before != after[:len(before)] else set()
            holds(differ <= {pe.optional + at + i for at, size in ((uki.CHECKSUM, 4), (uki.CERTIFICATES, 8))
                             for i in range(size)}, f"{len(differ)} bytes differ")
            equal(uki.authenticode(after), uki.authenticode(before))
            wanted = said["authenticode"]["loader"] if "loader" in name else said["profiles"]["default"]["authenticode"]
            equal(uki.authenticode(after).hex(), wanted)
        with tap.case(f"{name}: a changed byte is seen"):
            changed = bytearray((signed / name).read_bytes())
            changed[len(changed) // 2] ^= 1
            (scratch / "changed").write_bytes(changed)
            got = subprocess.run(["sbverify", "--cert", keys / "db.crt", scratch / "changed"], capture_output=True)
            holds(got.returncode != 0, "not so")
    with tap.case("PCR 4 and 11 stay those of the manifest"):
        loader, image = ((signed / name).read_bytes() for name in SIGNED.values())
        pcr = said["profiles"]["default"]["pcr"]
        equal((uki.pcr4(loader, image, (IMAGE / "serial/vmlinuz").read_bytes()), uki.pcr11(image)), (pcr["4"], pcr["11"]))
    with tap.case("the signed disk differs from the raw one in its boot partition alone"):
        start, size = partition(IMAGE / "lethe.raw", "lethe-esp")
        for at, count in ((0, start), (start + size, None)):
            skip = ["-i", str(at)] + (["-n", str(count)] if count else [])
            run("cmp", *skip, IMAGE / "lethe.raw", signed / "lethe-signed.raw")
        for inside, name in (("EFI/BOOT/BOOTX64.EFI", "lethe-loader-signed.efi"),
                             ("EFI/Linux/lethe_1_a.efi", "lethe-signed.efi"),
                             ("loader/keys/auto/db.auth", "db.auth")):
            run("grub-fstest", signed / "lethe-signed.raw", "cp", f"(loop0,gpt1)/{inside}", scratch / "inside")
            equal((inside, digest(scratch / "inside")), (inside, digest(signed / name)))
    with tap.case("what is signed is named by no list of what is the same for everyone"):
        holds("signed" not in (IMAGE / "SHA256SUMS").read_text() and
              not any("signed" in name for name in said["made"]), "it is")


def own_keys(tap, scratch):
    tool = TOP / "image/sign.py"
    with tap.case("sign.py makes an owner's keys and signs with them"):
        run(tool, "keys", scratch / "keys", "--name", "Example Ltd")
        run(tool, "image", scratch / "keys", "--image", IMAGE, "--out", scratch / "out")
        run("sbverify", "--cert", scratch / "keys/db.crt", scratch / "out/lethe-signed.efi")
        subject = run("openssl", "x509", "-in", scratch / "keys/db.crt", "-noout", "-subject").decode()
        holds("Example Ltd" in subject and sign.THROW_AWAY not in subject, subject)
        equal(oct((scratch / "keys").stat().st_mode & 0o777), "0o700")
    for what, command, words in (
            ("keys are not written over", ("keys", scratch / "keys", "--name", "x"), "is not empty"),
            ("a folder without keys is refused", ("image", scratch / "none", "--image", IMAGE), "make keys with"),
            ("an image that is not there is refused", ("image", scratch / "keys", "--image", scratch / "none"),
             "manifest.json")):
        with tap.case(what):
            got = subprocess.run([tool, *command], capture_output=True, text=True)
            holds(got.returncode == 1 and words in got.stderr, got.stderr)
    with tap.case("a loader that is no program is refused"):
        bad = scratch / "bad"
        bad.mkdir()
        (bad / "serial").mkdir()
        shutil.copyfile(IMAGE / "manifest.json", bad / "manifest.json")
        for name in ("lethe-loader.efi", "lethe.efi", "serial/vmlinuz", "serial/initrd"):
            (bad / name).write_bytes(b"MZ not a program")
        got = subprocess.run([tool, "image", scratch / "keys", "--image", bad, "--out", scratch / "o"],
                             capture_output=True, text=True)
        holds(got.returncode == 1 and "osslsigncode" in got.stderr and not (scratch / "o").exists(), got.stderr)


def pointers(tap):
    said = json.loads((IMAGE / "manifest.json").read_text())["sources"]
    with tap.case("each part under GPL or LGPL has its source named, by package and version"):
        equal({row["source"] for row in said}, {"linux", "systemd", "grub2", "glibc", "libseccomp", "gcc-14"})
        for row in said:
            equal(row["url"], f"https://snapshot.debian.org/package/{row['source']}/{row['source_version']}/")
        lock = [line.split() for line in (TOP / "scripts/root.lock").read_text().splitlines()]
        for row in said:
            holds(any(line[1] == row["package"] and line[4] == row["sha256"] for line in lock), row)


def main():
    tap = Tap("forms")
    with tempfile.TemporaryDirectory(dir=TOP / "build") as folder:
        scratch = pathlib.Path(folder)
        same_disk(tap, scratch)
        appliance(tap)
        disc(tap, scratch)
        signatures(tap, scratch)
        own_keys(tap, scratch)
        pointers(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
