#!/usr/bin/env python3
# time limit: 1200 s
"""A box that has no network at all, and a stick: it is given an update by the stick, is told to take it by its keyboard, starts
it, and goes back by its keyboard. The update keys are the image's own. The stick is one as it is sold: USB, a partition table
and one partition. By UEFI and by BIOS."""

import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent.parent / "image")]

import disk  # noqa: E402
import uki  # noqa: E402
import versions  # noqa: E402
from box import IMAGE  # noqa: E402
from console import Person  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

# A machine that waits 20 s for a card that never comes, without a processor of its own.
START_S = 180
# The box's screen on a line that the test reads, and no minute's wait before a version has proven itself.
WORDS = (versions.SOON, "console=ttyS0")


class Lonely(Person):
    """No card; its drive is a stick."""

    ending = []
    drive_words = ("--partitioned",)

    def _wire(self):
        return ["-nic", "none"]

    def _stick_words(self, drive):
        return ["-device", "qemu-xhci", "-drive", f"if=none,id=stick,format=raw,readonly=on,file={drive}",
                "-device", "usb-storage,drive=stick"]

    def shows(self, *words):
        """All of it at once, on the first page."""
        for one in words:
            self.glass.waits(one, START_S)
        rows = "\n".join(self.glass.rows())
        holds(all(one in rows for one in words), rows)

    def does(self, number, question, said):
        self.menu(number)
        self.glass.waits(question)
        self.press("y")
        self.glass.waits(said)
        self.press(" \x1b")

    def starts_again(self):
        """What it shows from here on is the next start's."""
        self.menu("6")
        self.glass.waits("then start again?")
        self.glass.wipe()
        self.press("y")

    def proves(self):
        eventually(lambda: not any("on trial" in row for row in self.glass.rows()), START_S)

    def ends(self):
        self.menu("7")
        self.glass.waits("then power off?")
        self.press("y")
        equal(self.off(), 0)


def with_keys(image, made, folder):
    """The image's folder with a disk of a version that holds update keys."""
    shutil.copytree(IMAGE, folder, symlinks=True, ignore=lambda _, names: [n for n in names if n.startswith("lethe.")])
    whole, manifest = made
    said = image.said | {"cmdline": " ".join([image.said["profiles"]["default"]["cmdline"], *WORDS])}
    sections = uki.sections_of(whole)
    tree = disk.boot_tree(image.loader, whole, sections[".linux"], sections[".initrd"], said, manifest)
    disk.write_with_boot(IMAGE / "lethe.raw", folder / "lethe.raw", tree, said["epoch"])


def life(tap, boot, folder):
    first, second = "Lethe        1.0.0", "Lethe        2.0.0"
    with Lonely(boot=boot, memory_mib=512, image=folder, box_conf=None, start=False) as box:
        box.start(wait=False)
        with tap.case(f"{boot}: without a network it serves, by a partitioned stick"):
            box.shows(first, "RUNNING  serving", "started from slot a")
        with tap.case(f"{boot}: without an update on the stick it is said what to do"):
            box.does("4", "Install lethe.update of the config drive?", "There is no file lethe.update on the config drive")
        box.ends()
        box.also = (folder / "lethe.update",)
        box.start(wait=False)
        box.shows(first, "RUNNING  serving")
        with tap.case(f"{boot}: 4 installs lethe.update of the stick"):
            box.does("4", "Install lethe.update of the config drive?", "It is checked, then installed.")
            box.shows("Version 2.0.0 is started next.")
        with tap.case(f"{boot}: 6 starts it, and it proves itself"):
            box.starts_again()
            box.shows(second, "RUNNING  serving", "started from slot b")
            box.proves()
        with tap.case(f"{boot}: 5 and 6 go back to the version before"):
            box.does("5", "Go back to the version before?", "The state of the box says when it is done.")
            box.shows("Version 1.0.0 is started next.")
            box.starts_again()
            box.shows(first, "RUNNING  serving", "started from slot a")
            box.proves()


def main():
    tap = Tap("stick")
    image = versions.Image(IMAGE)
    keys = [("etc/lethe/update-keys", (versions.KEYS / "all.pub").read_bytes(), 0o444)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "image"
        with_keys(image, image.version("1.0.0", files=keys, words=WORDS), folder)
        (folder / "lethe.update").write_bytes(versions.signed(image.version("2.0.0", later=2, files=keys, words=WORDS)))
        for boot in ("uefi", "bios"):
            life(tap, boot, folder)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
