#!/usr/bin/env python3
"""What the running roles may still do, read from outside: flags, filter, limits, environment, and every descriptor."""

import ctypes
import os
import pathlib
import re
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, Line, user  # noqa: E402
from tap import Skip, Tap, equal, holds  # noqa: E402

NOBODY = 65534
ROLES = ("lethe-keeper", "lethe-resolver", "lethe-admin", "lethe-relay")
# What each role may hold beside its log (2), an empty input and output (0, 1) and its control channel (3).
LOOP = {"eventpoll", "pipe", "eventfd", "null"}
ALLOWED = {"lethe-keeper": {"unix", "eventfd", "state"}, "lethe-resolver": {"unix", "udp"},
           "lethe-admin": LOOP | {"unix", "tcp"}, "lethe-relay": LOOP | {"unix", "tcp"}}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, LANDLOCK_CREATE_RULESET, ENOSYS = 38, 22, 2, 444, 38
libc = ctypes.CDLL(None, use_errno=True)


def landlock():
    """What the kernel knows of Landlock; below 1: nothing."""
    return libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1)


def without_landlock():
    """In the child, before exec: a kernel that has no Landlock."""
    rows = ((0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK_CREATE_RULESET), (0x06, 0, 0, 0x00050000 | ENOSYS), (0x06, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rows), ctypes.addressof(code)))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        os._exit(126)


class Relay(harness.Relay):
    """lethed started with other options of Popen."""

    def __init__(self, options=None, extra=None, **rest):
        self.options, self.extra = options or {}, extra or {}
        super().__init__(**rest)

    def start(self, wait=True):
        command = [harness.BIN / "lethed", "--config", self.config, "--state", self.state, "--key-file", self.key_file,
                   "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}",
                   "--relays", self.relays]
        if "user" in self.options:
            for folder, names, files in os.walk(self.dir):
                for name in (folder, *(os.path.join(folder, file) for file in files)):
                    os.chown(name, NOBODY, NOBODY)
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL, env=os.environ | self.extra, **self.options)
        if wait:
            self.wait_ready()


def facts(pid):
    rows = (row.split(":", 1) for row in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, value in rows}


def sockets():
    """Socket number -> kind."""
    found = {}
    for kind, column in (("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("unix", 6)):
        for row in pathlib.Path("/proc/net", kind).read_text().splitlines()[1:]:
            found[row.split()[column]] = kind.removesuffix("6")
    return found


def descriptors(pid, relay):
    """Rows of (number, kind, may be written)."""
    known, rows = sockets(), []
    for name in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            flags = int(re.search(r"flags:\s*(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{name}").read_text())[1], 8)
        except FileNotFoundError:
            continue
        kind = target
        if target.startswith("socket:"):
            kind = known.get(target[8:-1], "socket that is bound to nothing")
        elif target.startswith("anon_inode:"):
            kind = target[11:].strip("[]")
        elif target.startswith("pipe:"):
            kind = "pipe"
        elif target == "/dev/null":
            kind = "null"
        elif target == str(relay.state):
            kind = "state"
        elif target == str(relay.log):
            kind = "log"
        rows.append((int(name), kind, flags & os.O_ACCMODE != os.O_RDONLY))
    return rows


def roles(relay):
    return [(role, pid) for role, pids in relay.pids().items() for pid in pids]


def processes(tap, relay):
    with tap.case("every role and the supervisor: a seccomp filter, no new privileges, no core"):
        for role, pid in roles(relay):
            row = facts(pid)
            equal([role, row["NoNewPrivs"], row["Seccomp"]], [role, "1", "2"])
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            equal([role, *re.search(r"Max core file size\s+(\S+)\s+(\S+)", limits).groups()], [role, "0", "0"])
    with tap.case("no role has an environment, or an argument but its name"):
        for role, pid in roles(relay):
            if role == "lethed":
                continue
            equal([role, pathlib.Path(f"/proc/{pid}/environ").read_bytes()], [role, b""])
            equal(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes(), role.encode() + b"\0")
    with tap.case("no page of a role is both writable and executable"):
        for role, pid in roles(relay):
            for row in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
                holds(not ("w" in row.split()[1] and "x" in row.split()[1]), f"{role}: {row}")


def held(tap, relay):
    for role in ROLES:
        with tap.case(f"{role} holds nothing but its log and {', '.join(sorted(ALLOWED[role]))}"):
            for pid in relay.pids()[role]:
                rows = descriptors(pid, relay)
                equal(rows[:4], [(0, "null", False), (1, "null", False), (2, "log", True), (3, "unix", True)])
                strange = [row for row in rows[4:] if row[1] not in ALLOWED[role]]
                equal(strange, [])
                states = [row for row in rows if row[1] == "state"]
                equal(len(states), role == "lethe-keeper")
    with tap.case("the supervisor holds nothing for writing but the state and memory"):
        for number, kind, writable in descriptors(relay.lethed.pid, relay):
            memory = kind.startswith(("/memfd:", "/secretmem"))
            good = number < 3 or not writable or memory or kind in ("state", "unix", "tcp", "eventfd", "signalfd")
            holds(good, f"{number}: {kind}")


def undumpable(tap):
    """Only seen when it does not run as root: /proc of a process that is not dumpable belongs to root."""
    with tap.case("no role can be dumped or read by its own user"):
        if os.geteuid() != 0:
            raise Skip("needs root to start it as somebody else")
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        if subprocess.run([harness.BIN / "lethed", "--version"], stdout=subprocess.DEVNULL, **options).returncode != 0:
            raise Skip("another user cannot run the programs here")
        with Relay(options=options) as relay:
            for role, pid in roles(relay):
                equal([role, os.stat(f"/proc/{pid}/fd").st_uid], [role, 0])
                equal([role, facts(pid)["Uid"].split()[1]], [role, str(NOBODY)])
                for path in ("mem", "environ", "maps"):
                    tried = subprocess.run(["head", "-c", "1", f"/proc/{pid}/{path}"], stderr=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, **options)
                    equal([role, path, tried.returncode], [role, path, 1])
            equal(Line(relay).ask(CHAT, {"model": "chat", "messages": user("x")}).status, 200)


def landlocked(tap, relay):
    told = re.findall(r"^(\w+) \w+ NO_LANDLOCK", relay.log.read_text(), re.M)
    with tap.case(f"this kernel's Landlock ({landlock()}) is used without a word, or its absence is told by every role"):
        everyone = ["admin", "keeper", "lethed", "relay", "relay", "resolver"]
        equal(sorted(told), [] if landlock() >= 1 else everyone)
    with tap.case("on a kernel without Landlock every role says so at its start, and serves"):
        with Relay(options={"preexec_fn": without_landlock}) as bare:
            equal(Line(bare).ask(CHAT, {"model": "chat", "messages": user("x")}).status, 200)
            told = re.findall(r"^(\w+) \w+ NO_LANDLOCK", bare.log.read_text(), re.M)
            equal(sorted(told), ["admin", "keeper", "lethed", "relay", "relay", "resolver"])


def no_switch(tap):
    with tap.case("nothing in the environment leaves the sandbox out"):
        words = ("NO_SANDBOX", "SANDBOX", "UNSANDBOXED", "DEBUG")
        extra = {f"LETHE_{word}": "1" for word in words} | {"LETHE_SANDBOX": "0", "NO_SANDBOX": "1"}
        with Relay(extra=extra) as relay:
            for role, pid in roles(relay):
                equal([role, facts(pid)["Seccomp"]], [role, "2"])
            holds("UNSANDBOXED" not in relay.log.read_text(), "it says that it is unsandboxed")
    with tap.case("no role takes an argument, and none serves but below its supervisor"):
        for role in ROLES:
            for words in ((), ("--no-sandbox",), ("--help",)):
                alone = subprocess.run([harness.BIN / role, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, timeout=10)
                holds(alone.returncode != 0 and alone.stdout == b"", f"{role} {words}: {alone}")
    with tap.case("lethed knows no such option"):
        for word in ("--no-sandbox", "--unsandboxed", "--debug"):
            equal(subprocess.run([harness.BIN / "lethed", word, "1"], stderr=subprocess.DEVNULL).returncode, 2)
        text = subprocess.run([harness.BIN / "lethed", "--help"], stdout=subprocess.PIPE, text=True).stdout
        holds("sandbox" not in text, "the help speaks of it")


def main():
    tap = Tap("sandbox")
    with Relay() as relay:
        equal(Line(relay).ask(CHAT, {"model": "chat", "messages": user("x")}).status, 200)
        processes(tap, relay)
        held(tap, relay)
        landlocked(tap, relay)
    undumpable(tap)
    no_switch(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
