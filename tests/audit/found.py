#!/usr/bin/env python3
"""The searches of the zero-log proof find what is there: a marker in every form and from every 16 bytes of it, the secrets
of TLS connections wherever they stand, what a wire carries beside TLS; and nothing where nothing is. What is searched on a
box, the searches plant in for themselves (tests/boot/search.py)."""

import os
import pathlib
import struct
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "boot")]

import search  # noqa: E402
from canary import WINDOW, Hunt  # noqa: E402
from capture import Capture  # noqa: E402
from tap import Tap, equal, holds, raises  # noqa: E402

NOISE, SECRETS = 4 << 20, 1000
HELLO = b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"
SAID = b"\x17\x03\x03\x00\x10" + bytes(16)


def markers(tap):
    with tap.case("every form is found in small media, in an empty one, and in a map of a large file, which stays as it is"):
        planted = len(search.Planted().pieces)
        holds(planted >= 17, planted)
        seen = search.Search()
        for text in (b"", b"{}", os.urandom(5000), bytes(1 << 20)):
            holds(not seen.look(text, "small"), seen.hunt.hits)
        with tempfile.NamedTemporaryFile() as file:
            text = os.urandom(search.LARGE + 5)
            file.write(text)
            file.flush()
            holds(not seen.file(pathlib.Path(file.name), "large"), seen.hunt.hits)
            equal(pathlib.Path(file.name).read_bytes() == text, True)
        equal({row["planted"] for row in seen.rows}, {planted})
    with tap.case("a form that the search does not know is not passed over"):
        blind = search.Planted()
        del blind.search.hunt.forms[6]
        with raises(AssertionError):
            blind.in_text(b"")
    with tap.case("every 16-byte window of a marker is found, 15 bytes are not, and nothing in noise"):
        hunt = Hunt()
        marker = hunt.marker("self test")
        for at in range(len(marker) - WINDOW + 1):
            hunt.hits.clear()
            hunt.look(b"#" + marker[at:at + WINDOW].encode() + b"#", "here")
            holds(hunt.hits, f"window {at}")
        hunt.hits.clear()
        hunt.look(os.urandom(NOISE) + marker[1:WINDOW].encode(), "here")
        holds(not hunt.hits, hunt.hits)


def secrets(tap):
    wanted = {f"secret {n}": os.urandom(16 if n % 3 else 48) for n in range(SECRETS)}
    with tap.case("secrets are found where they stand, beside each other, at both ends; not when a byte of them is missing"):
        text = b"".join(wanted.values())
        places, at = [], 0
        for name, secret in wanted.items():
            places.append((name, at))
            at += len(secret)
        equal(search.find_many(text, wanted), places)
        equal(search.find_many(bytearray(text[1:-1]), wanted), [(name, at - 1) for name, at in places[1:-1]])
    with tap.case("no secret, no text, nothing in noise"):
        equal([search.find_many(b"abc", {}), search.find_many(b"", wanted), search.find_many(b"abc", wanted)], [[]] * 3)
        equal(search.find_many(os.urandom(NOISE), wanted), [])


def frame(protocol, payload, kind=0x0800):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, b"\x0a\0\2\x0f", b"\x0a\0\2\2")
    return bytes(12) + struct.pack(">H", kind) + (head if kind == 0x0800 else b"") + payload


def segment(at, payload=b"", flags=0x18, port=40000):
    return frame(6, struct.pack(">HHIIBBHHH", port, 8443, at, 0, 0x50, flags, 1024, 0, 0) + payload)


def datagram(port):
    return frame(17, struct.pack(">HHHH", 50000, port, 12, 0) + b"word")


def captured(*frames, cut=0):
    with tempfile.NamedTemporaryFile() as file:
        text = bytes(24) + b"".join(struct.pack("<IIII", 0, 0, len(one), len(one)) + one for one in frames)
        file.write(text[:len(text) - cut])
        file.flush()
        return Capture(file.name)


def wire(tap):
    begin, tls = segment(7, flags=2), HELLO + SAID * 3
    with tap.case("TLS is TLS in whatever pieces and order it comes, and again; with it go names, addresses and time"):
        for size in (1, 4, 7, 1000):
            parts = [segment(8 + at, tls[at:at + size]) for at in range(0, len(tls), size)]
            seen = captured(begin, *parts[::-1], *parts, datagram(53), datagram(67), frame(1, b"echo"), frame(0, b"", 0x0806))
            equal((seen.odd, seen.data), ([], 48))
        equal(captured(begin, segment(8, tls), datagram(9), cut=3).odd, [])
        equal(captured(segment(2**32 - 11, flags=2), segment(2**32 - 10, tls[:20]), segment(10, tls[20:])).data, 48)
    with tap.case("what is no TLS is seen: another protocol, words behind TLS, a datagram, a frame, a stream's middle"):
        for frames in ([begin, segment(8, b"POST /v1/chat")], [begin, segment(8, tls + b"and then words")],
                       [begin, segment(8, tls), begin, segment(8, b"GET / HTTP/1.1")], [datagram(514)],
                       [frame(0, b"words", 0x88b5)], [frame(132, b"words")], [segment(8, tls)]):
            holds(len(captured(*frames).odd) == 1, captured(*frames).odd)


def main():
    tap = Tap("found")
    markers(tap)
    secrets(tap)
    wire(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
