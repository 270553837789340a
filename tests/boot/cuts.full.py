#!/usr/bin/env python3
# time limit: 900 s
"""The power goes at any write of an update: all that a box writes to its boot partition while it installs, starts, proves and
leaves a version is kept, and put on a copy of the partition again as far as any write, and with what was not flushed yet lost,
torn and out of order. Each of these partitions is read by the rules of both loaders: what they take is whole."""

import collections
import hashlib
import mmap
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent.parent / "image")]

import block_log  # noqa: E402
import bundle  # noqa: E402
import disk  # noqa: E402
import loaders  # noqa: E402
import versions  # noqa: E402
from box import IMAGE, partition  # noqa: E402
from fat_read import Broken, Fat  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402
from update import Machine  # noqa: E402

# 4 MiB; there is room for twenty times as much beside two versions.
LOST_CLUSTERS = 2048
FIRST, NEXT, OTHER = "first", "2.0.0", "2.1.0"


class Recorded(Machine):
    """Its first start's writes are kept, and the disk as it was before."""

    def _disk_words(self):
        self.before, self.writes = self.dir / "before.raw", self.dir / "writes.log"
        subprocess.run(["cp", "--sparse=always", self._disk(), self.before], check=True)
        return block_log.words(self._disk(), self.writes)


# `first`: what may be taken until the log is so long; `then`: after that one has had its tries.
Step = collections.namedtuple("Step", "until name first then")


def recorded(tap, boot, made, folder):
    steps = []
    with Recorded(boot=boot, memory_mib=512) as box:
        def step(name, first, then):
            steps.append(Step(box.writes.stat().st_size, name, first, then))
        box.wait_fact(slot="a", proven="yes")
        box.give_keys()
        step("before", {FIRST}, {FIRST})
        with tap.case(f"{boot}: an update is installed, and another in its place before it was started"):
            box.install(versions.signed(made[NEXT]))
            step("the first update", {FIRST, NEXT}, {FIRST})
            box.install(versions.signed(made[OTHER]))
            step("the second update", {NEXT, FIRST, OTHER}, {FIRST})
        with tap.case(f"{boot}: it is started, and proves itself"):
            box.ctl("box", "restart")
            box.wait_fact(version=OTHER, slot="b", proven="yes")
            step("its first start", {FIRST, OTHER}, {FIRST, OTHER})
        with tap.case(f"{boot}: the box goes back"):
            box.ctl("box", "roll-back")
            step("going back", {OTHER, FIRST}, {OTHER})
        equal(box.stop(), 0)
        step("the end", {FIRST}, {OTHER})
        for name in ("before.raw", "writes.log", "disk.raw"):
            shutil.move(box.dir / name, folder / name)
    return [*steps[:-1], steps[-1]._replace(until=1 << 62)]


class Partition:
    """The boot partition as a cut left it, and what its loaders make of it."""

    def __init__(self, file, made):
        self.file, self.known, self.names = file, {}, collections.defaultdict(set)
        with open(file, "r+b") as handle:
            self.disk = block_log.Disk(mmap.mmap(handle.fileno(), 0))
        for name, (_, text) in made.items():
            said = bundle.fields(text)
            words = hashlib.sha256(disk.grub_env(words=said["cmdline"])).hexdigest()
            for digest in (words, *(said[key].split()[-1] for key in ("uki", "vmlinuz", "initrd"))):
                self.names[digest].add(name)

    def digest(self, runs):
        """Of bytes that did not change it is not counted again."""
        clock, digest = self.known.get(str(runs), (-1, None))
        if clock < 0 or self.disk.changed_since(clock, runs):
            whole = hashlib.sha256()
            for at, size in runs:
                whole.update(self.disk.data[at:at + size])
            digest = whole.hexdigest()
        self.known[str(runs)] = self.disk.clock, digest
        return digest

    def version(self, fat, *paths):
        """Whose files these are, all of them whole."""
        found = set.intersection(*(self.names[self.digest(fat.find(path))] for path in paths))
        if len(found) != 1:
            raise Broken(f"not one version, whole: {paths}: {found}")
        return found.pop()

    def taken(self, tried=False):
        """The versions that UEFI and a BIOS start."""
        fat = Fat(self.disk.data)
        slot = loaders.by_bios(fat, tried)
        return {self.version(fat, f"EFI/Linux/{loaders.by_uefi(fat, tried)}"),
                self.version(fat, *(f"bios/{slot}/{name}" for name in ("vmlinuz", "initrd", "words")))}

    def checked(self):
        """What the checker of FAT file systems says: it can be mounted. Clusters that belong to no file."""
        said = subprocess.run(["fsck.fat", "-n", self.file], capture_output=True, text=True)
        lost = re.search(r"Reclaimed (\d+) unused cluster", said.stdout)
        holds(said.returncode in (0, 1) and re.search(r"\d+ files, \d+/\d+ clusters", said.stdout), said.stdout + said.stderr)
        return int(lost[1]) if lost else 0

    def read_by_grub(self, path):
        """GRUB's own reader of this file system."""
        return subprocess.run(["grub-fstest", self.file, "cat", f"(loop0)/{path}"], capture_output=True, check=True).stdout


class Replay:
    def __init__(self, part, steps):
        self.part, self.steps, self.chance = part, steps, random.Random(1)
        self.counts, self.faults, self.lost = collections.Counter(), collections.defaultdict(list), collections.Counter()

    def step(self, at):
        return next(step for step in self.steps if at < step.until)

    def judge(self, kind, at):
        """One cut: it must be one of the versions that may be taken then, and so must what is left after its tries."""
        step = self.step(at)
        self.counts[kind] += 1
        try:
            for tried, may in ((False, step.first), (True, step.then)):
                taken = self.part.taken(tried)
                holds(taken <= may, f"{'then' if tried else 'first'} {taken} is taken and not {may}")
            if kind == "whole":
                self.lost[step.name] = max(self.lost[step.name], self.part.checked())
        except (Broken, AssertionError) as fault:
            self.faults[kind].append(f"{step.name}, write {at}: {fault}")

    def run(self, writes):
        window = []
        for at, where, content in writes:
            if content is not None:
                window.append((where, content, at))
                continue
            self.window(window)
            window = []
        self.window(window)

    def window(self, window):
        for kind, kept in block_log.cuts(window, self.chance):
            for where, content, _ in kept:
                self.part.disk.write(where, content)
            self.judge(kind, kept[-1][2])
            self.part.disk.take_back()
        for where, content, _ in window:
            self.part.disk.write(where, content)
        self.part.disk.keep()


def replayed(tap, boot, part, steps, writes):
    replay = Replay(part, steps)
    replay.run(writes)
    for kind, words in (("whole", "after any write"), ("torn", "within any write, at a sector"),
                        ("lost", "and any one write since the last flush is lost"),
                        ("alone", "and any one write since the last flush is all that is kept"),
                        ("late", "and the first writes since the last flush are lost"),
                        ("some", "and of the writes since the last flush some are kept, by chance")):
        with tap.case(f"{boot}: the power goes {words}: both loaders take a version that is whole"):
            print(f"# {replay.counts[kind]} partitions, {len(replay.faults[kind])} of them not so")
            holds(replay.counts[kind] > 50 and not replay.faults[kind], "\n".join(replay.faults[kind][:12]))
    with tap.case(f"{boot}: and what belongs to no file then is little: many cuts leave room for an update"):
        print("# clusters:", dict(replay.lost))
        holds(max(replay.lost.values()) <= LOST_CLUSTERS, replay.lost)


def cut_everywhere(tap, boot, made, folder):
    steps = recorded(tap, boot, made, folder)
    start, size = partition(folder / "before.raw", "lethe-esp")
    with open(folder / "before.raw", "rb") as before, open(folder / "esp.img", "wb") as esp:
        before.seek(start)
        esp.write(before.read(size))
    part = Partition(folder / "esp.img", made)
    replayed(tap, boot, part, steps, block_log.entries(folder / "writes.log", start, size))
    fat = Fat(part.disk.data)
    with tap.case(f"{boot}: the whole of it is what the box has at the end, and GRUB's own code reads the same"):
        with open(folder / "disk.raw", "rb") as file:
            file.seek(start)
            holds(file.read(size) == part.disk.data[:], "the log is not all that was written")
        for path in ("grub/env", "bios/a/initrd", "bios/b/initrd", "slots/b"):
            holds(part.read_by_grub(path) == fat.read(path), path)
    with tap.case(f"{boot}: the control: one byte of what would be started is another, and that is seen"):
        at, _ = fat.find("bios/a/initrd")[0]
        part.disk.write(at, bytes([part.disk.data[at] ^ 1]))
        try:
            holds(False, part.taken())
        except Broken:
            part.disk.take_back()


def main():
    tap = Tap("cuts")
    image = versions.Image(IMAGE)
    made = {FIRST: ((IMAGE / "lethe.efi").read_bytes(), (IMAGE / "lethe.update.manifest").read_bytes()),
            NEXT: image.version(NEXT, later=1), OTHER: image.version(OTHER, later=2)}
    for boot in ("uefi", "bios"):
        with tempfile.TemporaryDirectory() as scratch:
            cut_everywhere(tap, boot, made, pathlib.Path(scratch))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
