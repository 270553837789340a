#!/usr/bin/env python3
# time limit: 300 s
"""The image as files: put together twice in different surroundings it is the same to the bit, the manifest names every
file of it, and tools that are not ours find nothing wrong with its disk."""

import hashlib
import json
import os
import pathlib
import shutil
import stat
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(TOP / "image")]

import kernel_modules  # noqa: E402
import kernel_words  # noqa: E402
from box import partition  # noqa: E402
from tap import Tap, equal, holds, raises  # noqa: E402

IMAGE = pathlib.Path(os.environ.get("LETHE_IMAGE") or TOP / "build/image")
MIB = 1 << 20
UKI_MOST, DISK_PACKED_MOST = 24 * MIB, 60 * MIB
FOLDERS = {"/bin", "/config", "/dev", "/etc", "/etc/lethe", "/lib", "/lib/modules", "/proc", "/run", "/sbin", "/sys"}
LINKS = {"/sbin/poweroff": b"/init", "/sbin/reboot": b"/init"}
PROGRAMS = {"/init", "/bin/lethed", "/bin/lethe-admin", "/bin/lethe-console", "/bin/lethe-keeper",
            "/bin/lethe-relay", "/bin/lethe-resolver"}
TABLES = {"/etc/lethe/image", "/etc/lethe/sources", "/etc/lethe/update-keys", "/lib/modules/alias",
          "/lib/modules/order"}
PT_INTERP = 3


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, **more).stdout


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entries(archive):
    """A cpio archive as the kernel reads it: {path: (mode, uid, gid, content)}."""
    at, found = 0, {}
    while True:
        holds(archive[at:at + 6] == b"070701", f"no entry at {at}")
        field = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110:at + 110 + field[11] - 1].decode()
        at = at + 110 + field[11] + 3 & ~3
        if name == "TRAILER!!!":
            return found
        holds("/" + name not in found, f"{name} twice")
        found["/" + name] = (field[1], field[2], field[3], archive[at:at + field[6]])
        at = at + field[6] + 3 & ~3


def copy(folder, names, when, backwards):
    """The tree that make_image.py reads, with other times and written in another order."""
    for name in sorted(names, reverse=backwards):
        to = folder / name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TOP / name, to)
        to.chmod(0o755 if os.access(TOP / name, os.X_OK) else 0o600 if backwards else 0o664)
        os.utime(to, (when, when))


def build(folder, when, backwards, umask, clock=None, **environment):
    """`clock`: the time that every program is told it is."""
    names = [str(p.relative_to(TOP)) for p in (TOP / "image").iterdir() if p.is_file()] + ["scripts/root.lock"]
    names += [f"build/bin/{p.name}" for p in (TOP / "build/bin").iterdir() if p.name.startswith("lethe")]
    copy(folder, names, when, backwards)
    faked = f"faketime -f '{clock}' " if clock else ""
    run("sh", "-c", f"umask {umask} && exec {faked}python3 -B image/make_image.py --keys '{TOP}/build/throw-away'",
        cwd=folder, env=os.environ | environment)
    return folder / "build/image"


def same_twice(tap, scratch):
    one = build(scratch / "one", 1_000_000_000, False, "022", TZ="UTC", LANG="C", LC_ALL="C", PYTHONHASHSEED="1")
    two = build(scratch / "a longer name" / "two", 1_900_000_000, True, "077", TZ="Asia/Kolkata", LANG="tr_TR.UTF-8",
                clock="@2031-05-06 07:08:09", LC_ALL="", PYTHONHASHSEED="2", HOME="/", HOSTNAME="elsewhere")
    names = [sorted(str(p.relative_to(side)) for p in side.rglob("*") if p.is_file()) for side in (one, two)]
    with tap.case("two folders, years, times of files, orders, masks, zones and languages give the same files"):
        equal(names[1], names[0])
    for name in names[0]:
        with tap.case(f"{name} is the same to the bit"):
            equal(digest(two / name), digest(one / name))
    with tap.case("and so is what stands in build/image"):
        equal((IMAGE / "SHA256SUMS").read_text(), (one / "SHA256SUMS").read_text())
    shutil.rmtree(scratch / "a longer name")
    shutil.rmtree(one)


def root(tap):
    said = json.loads((IMAGE / "manifest.json").read_text())
    found = entries(run("zstd", "-dc", IMAGE / "serial/initrd"))
    with tap.case("the manifest names every file and folder, with mode, owner, size and digest"):
        listed = {row["path"]: row for row in said["files"]}
        equal(len(listed), len(said["files"]))
        equal(set(listed), set(found))
        for path, (mode, uid, gid, content) in found.items():
            row = listed[path]
            equal((path, f"{stat.S_IMODE(mode):04o}", uid, gid), (path, row["mode"], row["uid"], row["gid"]))
            equal(row["type"], "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file")
            if stat.S_ISLNK(mode):
                equal(content.decode(), row["to"])
            if stat.S_ISREG(mode):
                equal((len(content), hashlib.sha256(content).hexdigest()), (row["size"], row["sha256"]))
    with tap.case("it is the programs, modules and five tables; nothing of it can be written or is another's"):
        modules = {f"/lib/modules/{name}.ko.xz" for name in said["modules"]}
        equal({p for p, e in found.items() if stat.S_ISDIR(e[0])}, FOLDERS)
        equal({p for p, e in found.items() if stat.S_ISREG(e[0])}, PROGRAMS | TABLES | modules)
        for path, (mode, uid, gid, _) in found.items():
            equal((path, mode & (0o7000 if stat.S_ISLNK(mode) else 0o7022), uid, gid), (path, 0, 0, 0))
        equal({p: e[3] for p, e in found.items() if stat.S_ISLNK(e[0])}, LINKS)
    with tap.case("the number the console shows is that of the root's files, links and folders, counted again here"):
        lines = [f"{p} {stat.S_IMODE(m):04o} " + ("/" if stat.S_ISDIR(m) else c.decode() if stat.S_ISLNK(m)
                 else hashlib.sha256(c).hexdigest()) + "\n" for p, (m, _, _, c) in found.items()
                 if p not in ("/etc/lethe", "/etc/lethe/image")]
        number = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
        equal(said["root"], number)
        holds(f"root {number}\n" in found["/etc/lethe/image"][3].decode(), found["/etc/lethe/image"][3])
    with tap.case("no program asks for an interpreter, and none has symbols"):
        for path in PROGRAMS:
            program = found[path][3]
            offset, = struct.unpack_from("<Q", program, 0x20)
            size, count = struct.unpack_from("<HH", program, 0x36)
            kinds = {struct.unpack_from("<I", program, offset + size * i)[0] for i in range(count)}
            holds(program[:4] == b"\x7fELF" and PT_INTERP not in kinds, f"{path} has an interpreter")
            holds(b".symtab\0" not in program and b".debug_info\0" not in program, f"{path} is not stripped")
    with tap.case("the order table loads a module after what it needs, and names only what is there"):
        order = {line.split()[0]: line.split()[1:] for line in found["/lib/modules/order"][3].decode().splitlines()}
        equal(sorted(order), said["modules"])
        for name, needed in order.items():
            for i, module in enumerate(needed):
                holds(set(order[module]) <= set(needed[:i]), f"{name}: {module} comes too early")
    with tap.case("the alias table is sorted and names only what is there"):
        rows = [line.split(" ") for line in found["/lib/modules/alias"][3].decode().splitlines()]
        holds(rows == sorted(rows) and all(len(row) == 2 and row[1] in order for row in rows), "not so")
    with tap.case("the balloon, displays and the firmware's log store are not there"):
        equal({n for n in order if n in ("virtio_balloon", "efi_pstore", "bochs", "drm", "virtio_gpu")}, set())


def disk(tap, scratch):
    raw = IMAGE / "lethe.raw"
    version = json.loads((IMAGE / "manifest.json").read_text())["version"]
    with tap.case("sgdisk finds no fault with the partition table, and the three partitions"):
        said = run("sgdisk", "-v", raw).decode()
        holds("No problems found" in said, said)
        rows = [line.split() for line in run("sgdisk", "-p", raw).decode().splitlines() if line[:4].strip().isdigit()]
        equal([(row[0], row[-1]) for row in rows], [("1", "lethe-esp"), ("2", "lethe-bios"), ("3", "lethe-state")])
    with tap.case("fsck.fat finds no fault with the boot partition"):
        start, size = partition(raw, "lethe-esp")
        esp = scratch / "esp"
        run("dd", f"if={raw}", f"of={esp}", "bs=1M", f"skip={start // MIB}", f"count={size // MIB}", "conv=sparse")
        said = run("fsck.fat", "-n", "-v", esp).decode()
        holds("rror" not in said and "differ" not in said, said)
    with tap.case("two of each slot fit into it"):
        slot = sum((IMAGE / name).stat().st_size for name in ("lethe.efi", "serial/vmlinuz", "serial/initrd"))
        holds(2 * slot + 4 * MIB < size, f"{slot} in {size}")
    for inside, outside in (("EFI/Linux/lethe_1_a.efi", "lethe.efi"), ("bios/a/vmlinuz", "serial/vmlinuz"),
                            ("bios/a/initrd", "serial/initrd")):
        with tap.case(f"GRUB's own reader finds {inside} in it"):
            run("grub-fstest", raw, "cp", f"(loop0,gpt1)/{inside}", scratch / "inside")
            equal(digest(scratch / "inside"), digest(IMAGE / outside))
    with tap.case("GRUB's own tool reads its environment"):
        run("grub-fstest", raw, "cp", "(loop0,gpt1)/grub/env", scratch / "env")
        equal(run("grub-editenv", scratch / "env", "list").decode().split("\n")[:2], ["ORDER=a b", "a_ok=1"])
    with tap.case("the state partition has 64 MiB and nothing in it"):
        start, size = partition(raw, "lethe-state")
        equal(size, 64 * MIB)
        with raw.open("rb") as file:
            file.seek(start)
            holds(not any(file.read(size).strip(b"\0")), "not empty")
    with tap.case("the qcow2 gives the raw disk back"):
        run("qemu-img", "convert", "-O", "raw", IMAGE / "lethe.qcow2", scratch / "back")
        equal(digest(scratch / "back"), digest(raw))
        (scratch / "back").unlink()


def numbers(tap, scratch):
    said = json.loads((IMAGE / "manifest.json").read_text())
    with tap.case("SHA256SUMS and the manifest name what is there"):
        run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=IMAGE)
        for name, row in said["made"].items():
            equal((name, digest(IMAGE / name)), (name, row["sha256"]))
    with tap.case("both profiles have measurements of their own"):
        default, serial = (said["profiles"][name]["pcr"] for name in ("default", "serial"))
        holds(default["11"] != serial["11"] and default["4"] != serial["4"], "the same")
    with tap.case("the unified image has at most 24 MiB"):
        size = (IMAGE / "lethe.efi").stat().st_size
        print(f"# {size / MIB:.1f} MiB")
        holds(size <= UKI_MOST, size)
    with tap.case("the disk has at most 60 MiB when packed"):
        run("zstd", "-3", "-q", "-f", "-o", scratch / "packed", IMAGE / "lethe.raw")
        size = (scratch / "packed").stat().st_size
        print(f"# {size / MIB:.1f} MiB")
        holds(size <= DISK_PACKED_MOST, size)
    with tap.case("the bill of materials names every part of the lock that is in the image"):
        bill = json.loads((IMAGE / "sbom.spdx.json").read_text())
        sums = {c["checksumValue"] for p in bill["packages"] for c in p.get("checksums", [])}
        lock = [line.split() for line in (TOP / "scripts/root.lock").read_text().splitlines()]
        equal([row for row in lock if row[0] in ("image", "build") and row[4] not in sums], [])
        known = {p["SPDXID"] for p in bill["packages"]} | {"SPDXRef-DOCUMENT"}
        equal(len(known), len(bill["packages"]) + 1)
        ends = {r[k] for r in bill["relationships"] for k in ("spdxElementId", "relatedSpdxElement")}
        equal(ends - known, set())


def refusals(tap, scratch):
    kernel, none = (IMAGE / "serial/vmlinuz").read_bytes(), kernel_modules.Kernel({}, set())
    with tap.case("a word that the kernel does not know is refused"):
        kernel_words.check(["init_on_free=1", "panic=10"], kernel, none)
        for word in ("init_on_fre=1", "init_on_free.x=1", "efi_pstore.pstore_disable=1"):
            with raises(kernel_words.WordFault):
                kernel_words.check([word], kernel, none)
    with tap.case("a module that the kernel does not have is refused"):
        with raises(kernel_modules.ModuleFault):
            none.closure(["virtio_net"])
    for what, spoil in (("is not in the cache", lambda path: path.unlink()),
                        ("is not what scripts/root.lock names", lambda path: path.write_bytes(b"!<arch>\n"))):
        cache = scratch / "cache"
        (cache / "deb").mkdir(parents=True)
        lock = (TOP / "scripts/root.lock").read_text().splitlines()
        _, name, version, architecture, _ = next(row.split() for row in lock if row.startswith("image linux-image-"))
        path = cache / "deb" / f"{name}_{version}_{architecture}.deb"
        path.touch()
        spoil(path)
        with tap.case(f"a package that {what} is refused, and the image that was stays"):
            before = (IMAGE / "SHA256SUMS").read_bytes()
            got = subprocess.run([TOP / "image/make_image.py"], env=os.environ | {"LETHE_CACHE": str(cache)},
                                 text=True, capture_output=True)
            holds(got.returncode == 1 and what in got.stderr, got.stderr)
            equal((IMAGE / "SHA256SUMS").read_bytes(), before)
        shutil.rmtree(cache)


def main():
    tap = Tap("image")
    with tempfile.TemporaryDirectory(dir=TOP / "build") as folder:
        scratch = pathlib.Path(folder)
        root(tap)
        disk(tap, scratch)
        numbers(tap, scratch)
        refusals(tap, scratch)
        same_twice(tap, scratch)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
