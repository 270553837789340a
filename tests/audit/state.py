#!/usr/bin/env python3
"""What is on disk, byte by byte: a state that was served from, read by a parser that shares nothing with us, holds the
records that SECURITY.md lists, once or as often as they may be there, and nothing else at all."""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "fault")]

import first_boot  # noqa: E402
import harness  # noqa: E402
import sealing  # noqa: E402
import state_bytes  # noqa: E402
from load import CHAT, Line, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

HELLO = {"model": "chat", "messages": user("Good morning.")}
SECURITY = HERE.parent.parent / "SECURITY.md"


def names(found):
    return {name for _, name, _ in found}


def on_a_host():
    with harness.Relay() as relay:
        for _ in range(3):
            holds(Line(relay).open().ask(CHAT, HELLO).status == 200, "no answer")
        relay.stop()
        relay.export()
        return relay.state.read_bytes(), relay.key_file.read_bytes()


def set_up():
    """A configuration in the state, as a first boot leaves it."""
    with first_boot.Box() as box:
        box.start("unclaimed")
        key = os.urandom(32)
        slot = sealing.new_slot(box.seal_key(), key_file=key)
        status, answer, _ = box.ask("POST", "/admin/v1/setup/vault", slot, token=first_boot.CLAIM)
        equal((status, answer), (200, {"ok": True}))
        box.token = first_boot.CLAIM
        status, answer, _ = box.put(box.files(), opens="key-file")
        equal(status, 200)
        box.stop()
        return box.state.read_bytes(), key


def refused(state, key, at, value):
    changed = bytearray(state)
    changed[at] ^= value
    try:
        state_bytes.parse(bytes(changed), key)
    except state_bytes.Unknown:
        return
    raise AssertionError(f"byte {at} may be anything")


def own_record(line):
    """One slot of firmware/kept, whole and good, with this line."""
    text = f"{line}\n".encode()
    head = (1).to_bytes(8, "little") + (1).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    return (b"LETHEBOX" + state_bytes.blake2b(head + text) + head + text).ljust(state_bytes.KEPT_SLOT, b"\0")


def main():
    tap = Tap("state")
    with tap.case("a host's state: every byte of both copies is one that is listed"):
        state, key = on_a_host()
        found, lines = state_bytes.parse(state, key)
        holds({"identity", "credential", "export", "chain"} <= names(found), names(found))
        equal(lines, [])
    with tap.case("and the appliance's, with its configuration"):
        own, own_key = set_up()
        found, _ = state_bytes.parse(own, own_key)
        holds({"identity", "chain", "config", "opens"} <= names(found), names(found))
        files = {data[2:2 + data[0]].decode() for copy, name, data in found if name == "config" and copy == 0}
        holds({"lethe.json", "policy.json", "tls/server.key"} <= files, files)
    with tap.case("the table of SECURITY.md has every type, and no other"):
        table = SECURITY.read_text().split("| record | holds |\n|---|---|\n")[1].split("\n\n")[0]
        equal({row.split("|")[1].strip() for row in table.splitlines()}, set(state_bytes.RECORDS.values()))
    with tap.case("its table of the box's own lines has every key, and no other"):
        table = SECURITY.read_text().split("| line | holds |\n|---|---|\n")[1].split("\n\n")[0]
        equal({key for row in table.splitlines() for key in row.split("|")[1].strip().split(", ")}, set(state_bytes.KEPT))
    with tap.case("no other line is taken, nor another value of one that is"):
        for line in ("address 192.0.2.1/24", "epoch 3", "drive yes"):
            equal(state_bytes.kept(own_record(line), 0), [line])
        for line in ("prompt hello", "clock tomorrow", "drive maybe", "update-key hello", "address tell me a story"):
            try:
                state_bytes.kept(own_record(line), 0)
            except state_bytes.Unknown:
                continue
            raise AssertionError(f"{line!r} may stand in the box's record")
    with tap.case("a byte anywhere that is not listed is found"):
        for copy in range(2):
            for at in (11, 50, 120, 1024 + 3, 1024 + 512, 1024 + 7 * 512 + 511, 5200, 8191, 8192, 4 * 1024 * 1024 - 1):
                refused(state, key, copy * state_bytes.COPY + at, 1)
        refused(state.ljust(9 << 20, b"\0"), key, (9 << 20) - 1, 1)
        refused(state.ljust(9 << 20, b"\0"), key, (8 << 20) + 100, 1)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
