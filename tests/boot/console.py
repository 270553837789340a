#!/usr/bin/env python3
# time limit: 600 s
"""The console of the running box, by its keyboard: keys come in as a person's would, through QEMU's; what is on the
screen is read from the serial profile, where the role draws the same. A passphrase typed there is nowhere in the
guest's memory afterwards."""

import mmap
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from box import Box, partition  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

NAMES = {" ": "spc", "\n": "ret", ".": "dot", "/": "slash", "-": "minus", "\x1b": "esc", "\b": "backspace"}
CHORDS = {"\x15": ["ctrl", "u"], ":": ["shift", "semicolon"]}
HELLO = {"model": "chat", "messages": user("Hello.")}
PASSPHRASE = "quince marzipan oboe 1871"


class Glass:
    """An 80 by 25 terminal that reads what a serial line was sent."""

    def __init__(self, file):
        self.file, self.since = file, 0

    def wipe(self):
        """What was sent so far is as if it had never been."""
        self.since = self.file.stat().st_size

    def rows(self):
        cells, row, column = [[" "] * 80 for _ in range(25)], 0, 0
        text = self.file.read_bytes()[self.since:].decode(errors="replace")
        for match in re.finditer(r"\x1b\[([0-9;?]*)([a-zA-Z\]])|([^\x1b])", text):
            numbers, command, character = match.groups()
            if character is not None:
                if column < 80 and row < 25 and character >= " ":
                    cells[row][column] = character
                    column += 1
            elif command == "H":
                row, column = (int(n or 1) - 1 for n in (numbers + ";").split(";")[:2])
            elif command == "K" and row < 25:
                cells[row][column:] = [" "] * (80 - column)
        return ["".join(line).rstrip() for line in cells]

    def waits(self, words, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            rows = self.rows()
            if any(words in row for row in rows):
                return rows
            if time.monotonic() > deadline:
                raise AssertionError(f"not on the screen: {words!r}\n" + "\n".join(rows))
            time.sleep(0.1)


class Person(Box):
    """A box, and hands on its keyboard."""

    def start(self, wait=True):
        super().start(wait)
        self.glass = Glass(self.dir / "console.log")

    def press(self, text):
        for c in text:
            codes = CHORDS.get(c) or (["shift"] if c.isupper() else []) + [NAMES.get(c, c.lower())]
            self.monitor.do("send-key", keys=[{"type": "qcode", "data": code} for code in codes], **{"hold-time": 20})
            time.sleep(0.06)

    def menu(self, number):
        self.press("\n")
        self.glass.waits("Menu: press a number.")
        self.press(number)

    def off(self):
        return self.lethed.wait(60)


class Sealed(Person):
    """Without the key file: the vault waits for a person, who knows a passphrase."""

    def _vault(self, keys):
        super()._vault(keys)
        self.ctl_state("vault", "rotate", "--light", "--stdin", secret=f"{PASSPHRASE}\n{PASSPHRASE}")
        self.key_file = self.dir / "no-key"
        self.key_file.write_text("")


def menu_and_power(tap):
    with Person() as box:
        with tap.case("the first page says what the box is and where it is reached"):
            box.glass.waits("RUNNING  serving")
            rows = "\n".join(box.glass.waits("Enter: menu."))
            for words in ("image        ", "started by   BIOS, Secure Boot off", "address      10.0.2.15/24",
                          "gateway      10.0.2.2  DNS 10.0.2.3", "operators    https://10.0.2.15:9443"):
                holds(words in rows, f"{words!r} not in\n{rows}")
        with tap.case("without Enter no key does anything"):
            box.press("7y8RESET")
            time.sleep(1)
            holds(any("RUNNING  serving" in row for row in box.glass.rows()), box.glass.rows())
        with tap.case("the fingerprints in full, and what the image is made of"):
            box.menu("3")
            box.glass.waits("key that signs the usage exports, Ed25519")
            box.press("x9")
            box.glass.waits("GPL-2.0")
            box.press("\x1b")
        with tap.case("no key leads to another terminal, and none stops the box"):
            for chord in (["ctrl", "alt", "f2"], ["alt", "f3"], ["alt", "left"], ["alt", "sysrq", "b"],
                          ["ctrl", "scroll_lock"], ["shift", "scroll_lock"], ["ctrl", "c"], ["ctrl", "s"]):
                box.monitor.do("send-key", keys=[{"type": "qcode", "data": code} for code in chord])
                time.sleep(0.1)
            status, _, _ = box.request("POST", CHAT, HELLO)
            equal(status, 200)
            box.glass.waits("Menu: press a number.")
        with tap.case("power off asks once, and n is no"):
            box.press("7")
            box.glass.waits("then power off?")
            box.press("n")
            box.glass.waits("Menu: press a number.")
        with tap.case("y powers off, behind a clean final export"):
            box.press("7y")
            equal(box.off(), 0)
            exports = box.export()
            equal([one["kind"] for one in exports[-1:]], ["final"])


def memory_holds(box, words):
    file = box.dir / "memory"
    box.memory(file)
    with open(file, "rb") as handle, mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ) as data:
        found = [data.count(form) if hasattr(data, "count") else data[:].count(form)
                 for form in (words.encode(), words.encode("utf-16-le"), words.encode()[3:19])]
    file.unlink()
    return found


def unlocking(tap):
    with Sealed(start=False, memory_mib=256) as box:
        box.start(wait=False)
        with tap.case("a vault that nothing opens is SEALED, and the screen says so; the box has 256 MiB"):
            box.glass.waits("SEALED", 90)
        with tap.case("a wrong passphrase is refused, three times, and locks nobody out"):
            box.menu("2")
            box.glass.waits("Type the passphrase")
            for wrong in ("not this", "nor that", "nor this one"):
                box.press(wrong + "\n")
                box.glass.waits("That is not the passphrase.", 120)
                box.press(" 2")
                box.glass.waits("Type the passphrase")
        with tap.case("the control: while it is being typed the passphrase is in memory"):
            box.press(PASSPHRASE)
            time.sleep(0.5)
            holds(memory_holds(box, PASSPHRASE)[0] > 0, "the search finds nothing where something is")
        with tap.case("the right one opens it, and the box serves"):
            box.press("\n")
            box.glass.waits("The vault is open.", 120)
            box.press(" \x1b")
            box.glass.waits("vault        open")
            box.wait_ready()
            equal(box.request("POST", CHAT, HELLO)[0], 200)
        with tap.case("the passphrase was never shown, and is nowhere in the guest's memory"):
            holds(PASSPHRASE[:6] not in (box.dir / "console.log").read_text(errors="replace"), "on the serial console")
            equal(memory_holds(box, PASSPHRASE), [0, 0, 0])
        with tap.case("an open vault is not offered to be unlocked"):
            box.menu("2")
            time.sleep(0.5)
            holds(not any("unlock" in row for row in box.glass.rows()), box.glass.rows())
        equal(box.stop(), 0)


class Mute(Person):
    """On a network where nobody answers: what comes in is held back until `speak`."""
    guest = "10.0.2.77"
    silence = ["-object", "filter-buffer,id=mute,netdev=net,queue=rx,interval=4000000000"]

    def speak(self):
        self.monitor.do("object-del", id="mute")


def network(tap):
    with Mute(box_conf=None, start=False, devices=Mute.silence) as box:
        box.start(wait=False)
        with tap.case("without a DHCP server the screen says so, and what to do"):
            box.glass.waits("No DHCP server answers on eth0", 120)
        with tap.case("an address that is none is refused with its line, and nothing is changed"):
            box.menu("1")
            box.glass.waits("Network settings")
            box.glass.waits("> dhcp_")
            box.press("\x1510.0.2.777/24\n\n\n\n")
            box.glass.waits("Use these settings from now on?")
            box.press("y")
            box.glass.waits("'address' is")
            box.press(" ")
        with tap.case("a static address is set by keyboard, and the box serves there"):
            box.press("1\x1510.0.2.77/24\n10.0.2.2\n10.0.2.3\n\ny")
            box.glass.waits("The settings are kept and in use.")
            box.press(" \x1b")
            box.glass.waits("address      10.0.2.77/24")
            box.glass.waits("gateway      10.0.2.2  DNS 10.0.2.3")
            box.speak()
            box.wait_ready()
            equal(box.request("POST", CHAT, HELLO)[0], 200)
        with tap.case("once it serves, settings are not for who stands before the screen"):
            box.glass.waits("RUNNING  serving")
            box.menu("1")
            box.glass.waits("who stands here could lead")
            box.press(" ")
        with tap.case("after a new start it has them still"):
            box.press("6y")
            equal(box.off(), 0)
            (box.dir / "console.log").unlink()
            box.devices = ()
            box.start()
            box.glass.waits("address      10.0.2.77/24")
            equal(box.request("POST", CHAT, HELLO)[0], 200)
        equal(box.stop(), 0)


def reset(tap):
    with Person() as box:
        box.glass.waits("RUNNING  serving")
        with tap.case("a factory reset needs the very word"):
            box.menu("8")
            box.press("reset\n")
            box.glass.waits("Menu: press a number.")
            equal(box.request("POST", CHAT, HELLO)[0], 200)
        with tap.case("RESET empties the state partition, behind an orderly end"):
            box.press("8RESET\n")
            box.glass.waits("starts again as a new one.")
            equal(box.off(), 0)
            at, room = partition(box.dir / "disk.raw", "lethe-state")
            with open(box.dir / "disk.raw", "rb") as disk:
                disk.seek(at)
                holds(not disk.read(room).strip(b"\0"), "something is left of it")


def deaths(tap):
    with Person(box_conf="address 10.0.2.999/24\n", start=False) as box:
        box.start(wait=False)
        with tap.case("a box that is REFUSED has a menu too, and starts again by it"):
            box.glass.waits("REFUSED", 90)
            box.menu("6")
            box.glass.waits("then start again?")
            box.press("y")
            equal(box.off(), 0)


DAILY, LONG = (menu_and_power, unlocking), (network, reset, deaths)


def main(chapters=DAILY):
    tap = Tap("console")
    for chapter in chapters:
        chapter(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
