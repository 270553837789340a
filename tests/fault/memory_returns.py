#!/usr/bin/env python3
"""What a crowd leaves behind: memory of connections that have ended goes back to the system, so that the largest hour
does not decide what the box holds for ever after."""

import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

from harness import Relay  # noqa: E402

CROWD, SETTLE_S, STAYS_KIB = 400, 12, 6 * 1024


def memory_kib(pid):
    rows = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))


def visit(relay, context):
    """A connection that has asked once and stays."""
    s = context.wrap_socket(socket.create_connection(("127.0.0.1", relay.port)), server_hostname="localhost")
    s.sendall(f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {relay.key}\r\n\r\n".encode())
    s.recv(4096)
    return s


def main():
    with Relay(relays=1, vendor_options={"ledger": False, "record": False}) as relay:
        context, pid = relay.tls(), relay.pids()["lethe-relay"][0]
        visit(relay, context).close()
        before = memory_kib(pid)
        crowd = [visit(relay, context) for _ in range(CROWD)]
        crowded = memory_kib(pid)
        for s in crowd[:-1]:
            s.close()
        until = time.monotonic() + SETTLE_S
        after = crowded
        while after - before > STAYS_KIB and time.monotonic() < until:
            time.sleep(0.5)
            after = memory_kib(pid)
        print(f"# {before} KiB, with {CROWD} connections {crowded} KiB, after them {after} KiB")
        rows = [(crowded - before > 2 * STAYS_KIB, "a crowd is seen at all"),
                (after - before <= STAYS_KIB, "memory of connections that ended goes back to the system")]
    for n, (good, name) in enumerate(rows, 1):
        print(f"{'ok' if good else 'not ok'} {n} - memory: {name}")
    print(f"1..{len(rows)}")
    return 0 if all(good for good, _ in rows) else 1


sys.exit(main())
