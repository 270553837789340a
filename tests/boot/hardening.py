#!/usr/bin/env python3
# time limit: 300 s
"""What the running box is closed by, as a second process of root's beside PID 1 sees it (observer.c): settings of the
kernel, mounts, each role's rights, filter and view, open sockets, against one golden report (hardening.txt); and what
the kernel refuses to root, to the roles' users and to a stranger.

    hardening.py --write      makes hardening.txt anew; read the difference before it is committed
"""

import contextlib
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(TOP / "image")]

import box as boxes  # noqa: E402
import cpio  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

GOLDEN = HERE / "hardening.txt"
SETTINGS = re.compile(r'\{"([a-z0-9_./*-]+)",\s+"([^"]*)"\}')
# Of /proc/PID/status; the rest tells of memory and luck.
STATUS = ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
REFUSED = {"EPERM", "EACCES", "ENOENT", "EROFS", "ENOSPC", "ENOSYS"}
LISTEN, UNCONNECTED = "0A", "07"
# So the network role runs too.
BOX_CONF = "address dhcp\n"
ROLES = {"lethed", "lethe-keeper", "lethe-admin", "lethe-relay", "lethe-resolver", "lethe-console", "lethe-network"}
IP, ARP = "0800", "0806"


def program(source, out):
    subprocess.run(["gcc", "-std=c23", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", out,
                    source], check=True)
    return out.read_bytes()


def observed_image(folder):
    """The serial profile, with a second archive behind the first: the kernel unpacks both, the later file wins."""
    image = folder / "image"
    (image / "serial").mkdir(parents=True)
    for name in ("vmlinuz", "cmdline"):
        (image / "serial" / name).symlink_to(boxes.IMAGE / "serial" / name)
    (image / "lethe.raw").symlink_to(boxes.IMAGE / "lethe.raw")
    tree = cpio.Tree(0)
    tree.file("init", program(HERE / "observer.c", folder / "observer"), 0o755)
    subprocess.run(["strip", "-o", folder / "first", TOP / "build/bin/lethe-init"], check=True)
    tree.file("first", (folder / "first").read_bytes(), 0o755)
    initrd = (boxes.IMAGE / "serial/initrd").read_bytes()
    (image / "serial/initrd").write_bytes(initrd + bytes(-len(initrd) % 4) + tree.archive())
    return image


class Report:
    def __init__(self, text):
        self.rows = [row.rstrip() for row in text.splitlines()]
        holds("observed" in self.rows, text[-2000:])

    def of(self, kind):
        return [row.removeprefix(kind + " ") for row in self.rows if row.startswith(kind + " ")]

    def settings(self):
        return {row.split(" ", 1)[0]: row.split(" ", 1)[1].split() if " " in row else [] for row in self.of("sysctl")}

    def processes(self):
        """One line of each kind of process; of several alike one."""
        lines, status = set(), {}
        for row in self.rows:
            kind, _, rest = row.partition(" ")
            if kind == "process":
                status = {}
            elif kind == "status":
                name, key, value = re.match(r"(\S+) (\S+?):\s*(.*)", rest).groups()
                status[key] = " ".join(value.split())
            elif kind == "view":
                lines.add(f"view {rest}")
            if kind == "view" and status:
                rights = (f"{key}={status.get(key, '')}".replace(" ", ",") for key in STATUS)
                lines.add(f"process {name} " + " ".join(rights))
                status = {}
        return sorted(lines)

    def listeners(self):
        """(protocol, port) of whatever waits for somebody it does not know."""
        found = set()
        for row in self.of("socket"):
            kind, *columns = row.split()
            if kind == "packet" and columns[0] != "sk":
                found.add(("packet", columns[3]))
            waits = LISTEN if kind.startswith("tcp") else UNCONNECTED
            if kind != "packet" and len(columns) > 3 and ":" in columns[1] and columns[3] == waits:
                found.add((kind, int(columns[1].rpartition(":")[2], 16)))
        return sorted(found)

    def mounts(self):
        rows = []
        for row in self.of("mount of PID 1"):
            source, where, kind, options, *_ = row.split()
            options = ",".join(o for o in options.split(",") if not re.match(r"size=|nr_inodes=\d{4,}|inode64", o))
            rows.append(f"mount {where} {kind} {options}")
        return rows


def wanted_settings():
    """The table that PID 1 writes, of the source: what it says must be what is."""
    return SETTINGS.findall((TOP / "firmware/harden.c").read_text())


def golden(report):
    rows = [f"lockdown {row}" for row in report.of("lockdown is")]
    rows += report.mounts() + report.processes()
    rows += [f"listens {kind} {port}" for kind, port in report.listeners()]
    rows += [f"try {row}" for row in report.of("try")]
    rows += ["modules " + row for row in report.of("modules")]
    return rows


@contextlib.contextmanager
def observed():
    with boxes.Box(start=False, box_conf=BOX_CONF) as box:
        box.image = observed_image(box.dir)
        # `-serial` again is the second line.
        box.devices = ["-serial", f"file:{box.dir}/observed"]
        box.start()
        deadline = time.monotonic() + 60
        while "observed" not in (box.dir / "observed").read_text(errors="replace"):
            holds(time.monotonic() < deadline and box.lethed.poll() is None, "the observer does not end")
            time.sleep(0.5)
        yield Report((box.dir / "observed").read_text(errors="replace"))
        equal(box.stop(), 0)


def judge(tap, report):
    settings = report.settings()
    wanted = wanted_settings()
    with tap.case(f"{len(wanted)} settings of the kernel are as PID 1's table says, and no module can be loaded"):
        holds(len(wanted) > 40, wanted)
        for path, value in wanted:
            names = [n for n in settings if re.fullmatch(path.replace("*", "[^/]+"), n)]
            holds(names, f"no {path}")
            for name in names:
                equal((name, settings[name]), (name, value.split()))
        equal(settings["kernel/modules_disabled"], ["1"])
        equal(report.of("modules"), ["are gone"])
    with tap.case("two TCP ports of both families wait for strangers, and the network role for DHCP and ARP; nobody else"):
        equal(report.listeners(), [("packet", IP), ("packet", ARP), ("tcp6", 8443), ("tcp6", 9443)])
    with tap.case("no role has a capability, each has a filter, and cannot get more"):
        rows = [row for row in report.processes() if row.startswith("process ") and not row.startswith("process init ")]
        names = {row.split()[1] for row in rows}
        equal(names, ROLES)
        for row in rows:
            for words in ("CapEff=0000000000000000", "CapPrm=0000000000000000", "CapBnd=0000000000000000",
                          "NoNewPrivs=1", "Seccomp=2"):
                holds(words in row, row)
    with tap.case("what root, the roles' users and a stranger try is refused"):
        for row in report.of("try"):
            who, what, result = row.split(": ")
            allowed = {("the relay's user", "the state partition")}
            holds(result in REFUSED or (who, what) in allowed, row)
    with tap.case("the whole report is the golden one"):
        equal(golden(report), GOLDEN.read_text().splitlines())


def main():
    tap = Tap("hardening")
    with observed() as report:
        if "--write" in sys.argv:
            GOLDEN.write_text("\n".join(golden(report)) + "\n")
        judge(tap, report)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
