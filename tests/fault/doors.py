#!/usr/bin/env python3
# time limit: 120 s
"""Where lethed listens: [::] is every address of both families, one address is that one alone, and who comes over IPv4 is of
IPv4 to balancers and limits. Where the kernel has no IPv6, [::] is every address of IPv4."""

import ctypes
import http.client
import json
import pathlib
import socket
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Skip, Tap, equal, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("hello")}
AF_INET6, EAFNOSUPPORT, SYS_SOCKET = 10, 97, 41
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, ANSWER, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050000


def without_ipv6():
    """In the child: no socket of IPv6, as of a kernel that has none."""
    rows = ((LOAD, 0, 0, 0), (EQUAL, 0, 3, SYS_SOCKET), (LOAD, 0, 0, 16), (EQUAL, 0, 1, AF_INET6),
            (ANSWER, 0, 0, ERRNO | EAFNOSUPPORT), (ANSWER, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *row) for row in rows))
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(rows), ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        raise OSError("no filter")


class Doors(harness.Relay):
    """A relay whose two doors are at `at`."""

    def __init__(self, at, before=None, **more):
        self.at, self.before = at, before
        super().__init__(relays=2, **more)

    def config_object(self):
        value = super().config_object()
        return value | {"hosts": [*value["hosts"], "::1"]}

    def start(self, wait=True):
        command = [harness.BIN / "lethed", "--config", self.config, "--state", self.state, "--key-file", self.key_file,
                   "--listen", f"{self.at}:{self.port}", "--admin", f"{self.at}:{self.admin_port}", "--relays", "2"]
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL, preexec_fn=self.before)
        if wait:
            self.wait_ready()

    def ask(self, address):
        """The status of one request over that address; None: nobody listens there."""
        context = self.tls()
        context.check_hostname = False
        c = http.client.HTTPSConnection(address, self.port, timeout=20, context=context)
        try:
            c.connect()
        except OSError:
            return None
        host = f"[{address}]" if ":" in address else address
        try:
            c.request("POST", CHAT, json.dumps(HELLO).encode(),
                      {"Host": f"{host}:{self.port}", "Authorization": f"Bearer {self.key}",
                       "Content-Type": "application/json"})
            return c.getresponse().status
        finally:
            c.close()

    def admin_open(self, address):
        try:
            socket.create_connection((address, self.admin_port), 5).close()
            return True
        except OSError:
            return False


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def both(tap):
    with Doors("[::]") as relay:
        with tap.case("[::]: callers and operators are answered over IPv6 and over IPv4"):
            equal([relay.ask("127.0.0.1"), relay.ask("::1")], [200, 200])
            equal([relay.admin_open("127.0.0.1"), relay.admin_open("::1")], [True, True])
        with tap.case("it ends cleanly"):
            equal(relay.stop(), 0)


def balancers(tap):
    """Ready by IPv6 alone: what comes from 127.0.0.1 must begin with a balancer's header."""
    def change(value):
        value["balancers"] = ["127.0.0.0/8"]
    with Doors("[::]", config=change) as relay, tap.case("over [::] a balancer of IPv4 is known by its address"):
        equal([relay.ask("127.0.0.1"), relay.ask("::1")], [None, 200])


def alone(tap):
    with Doors("0.0.0.0") as relay, tap.case("0.0.0.0: over IPv4 alone"):
        holds(relay.ask("127.0.0.1") == 200 and relay.ask("::1") is None and not relay.admin_open("::1"), "it is not")


def no_ipv6(tap):
    with Doors("[::]", before=without_ipv6) as relay:
        with tap.case("[::] where the kernel has no IPv6: every address of IPv4"):
            equal((relay.ask("127.0.0.1"), relay.ask("::1"), relay.stop()), (200, None, 0))
    one = subprocess.run([harness.BIN / "lethed", "--config", "/", "--state", "/dev/null", "--listen", "[::1]:1", "--admin",
                          "127.0.0.1:2"], capture_output=True, text=True, preexec_fn=without_ipv6)
    with tap.case("one address of IPv6 is then refused with a sentence"):
        equal((one.returncode, "[::1]:1: no socket could be made" in one.stderr), (1, True))


def main():
    tap = Tap("doors")
    if has_ipv6():
        both(tap)
        balancers(tap)
    else:
        with tap.case("both families"):
            raise Skip("there is no IPv6 here")
    alone(tap)
    no_ipv6(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
