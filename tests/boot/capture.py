"""What a capture of a box's wire (pcap, of Ethernet) holds beside TLS. A search for words finds none in what is encrypted:
that everything is, but for what a network needs to be one, has to be looked at for itself."""

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "client"))

from tap import holds  # noqa: E402

HEAD, ROW = 24, 16
ARP, IP4, IP6, ICMP, TCP, UDP, ICMP6 = 0x0806, 0x0800, 0x86dd, 1, 6, 17, 58
# DHCP, names, time.
DATAGRAMS = {67, 68, 53, 123}
SYN = 2
# Of a TLS record: handshake and its kin, data, and how long one may be.
KINDS, DATA, VERSIONS, RECORD_MOST = {20, 21, 22, 23}, 23, {0x0301, 0x0303}, (1 << 14) + 256


class Stream:
    """One direction of a TCP connection, put in order, as TLS records."""

    def __init__(self, next_at):
        self.next, self.waiting, self.rest, self.data, self.fault = next_at, {}, b"", 0, None

    def take(self, at, payload):
        self.waiting[at] = max(self.waiting.get(at, b""), payload, key=len)
        while True:
            row = next(((start, bytes_) for start, bytes_ in self.waiting.items()
                        if (self.next - start) % (1 << 32) <= len(bytes_)), None)
            if row is None:
                return
            del self.waiting[row[0]]
            fresh = row[1][(self.next - row[0]) % (1 << 32):]
            self.next = (self.next + len(fresh)) % (1 << 32)
            self._records(fresh)

    def _records(self, fresh):
        self.rest += fresh
        while len(self.rest) >= 5 and not self.fault:
            kind, version, length = struct.unpack(">BHH", self.rest[:5])
            if kind not in KINDS or version not in VERSIONS or length > RECORD_MOST:
                self.fault = self.rest[:40]
            if len(self.rest) < 5 + length:
                return
            self.data += length if kind == DATA else 0
            self.rest = self.rest[5 + length:]


class Capture:
    """`odd`: what is neither TLS nor of DATAGRAMS; `data`: bytes of TLS data."""

    def __init__(self, path):
        self.odd, self.streams, self.ended, self.frames = [], {}, [], 0
        text, at = pathlib.Path(path).read_bytes(), HEAD
        while at + ROW <= len(text):
            size, = struct.unpack("<I", text[at + 8:at + 12])
            if at + ROW + size > len(text):
                break  # the power was cut while it was written
            self.frames += 1
            self._frame(text[at + ROW:at + ROW + size])
            at += ROW + size
        self.ended += self.streams.items()
        self.odd += [f"{row}: no TLS: {stream.fault!r}" for row, stream in self.ended if stream.fault]
        self.data = sum(stream.data for _, stream in self.ended)

    def _frame(self, frame):
        kind, = struct.unpack(">H", frame[12:14])
        packet = frame[14:]
        if kind == IP4:
            length, = struct.unpack(">H", packet[2:4])
            self._packet(packet[9], packet[12:20], packet[(packet[0] & 15) * 4:length])
        elif kind == IP6:
            length, = struct.unpack(">H", packet[4:6])
            self._packet(packet[6], packet[8:40], packet[40:40 + length])
        elif kind != ARP:
            self.odd.append(f"a frame of {kind:#06x}: {packet[:40]!r}")

    def _packet(self, protocol, ends, body):
        if protocol == TCP:
            self._segment(ends, body)
        elif protocol == UDP:
            if not DATAGRAMS & set(struct.unpack(">HH", body[:4])):
                self.odd.append(f"a datagram: {body[:40]!r}")
        # Multicast listeners of IPv6 say so in a header before theirs.
        elif protocol not in (ICMP, ICMP6, 0, 2):
            self.odd.append(f"a packet of protocol {protocol}: {body[:40]!r}")

    def _segment(self, ends, body):
        at, = struct.unpack(">I", body[4:8])
        payload, key = body[(body[12] >> 4) * 4:], (ends, body[:4])
        if body[13] & SYN:
            if key in self.streams and self.streams[key].next != (at + 1) % (1 << 32):
                self.ended.append((key, self.streams[key]))
            if key not in self.streams or self.streams[key].next != (at + 1) % (1 << 32):
                self.streams[key] = Stream((at + 1) % (1 << 32))
        elif payload and key in self.streams:
            self.streams[key].take(at, payload)
        elif payload:
            self.odd.append(f"{key}: a stream without a beginning: {payload[:40]!r}")


def encrypted(wires):
    """Asserts that each of these captures holds TLS, and beside it what a network needs alone."""
    seen = [Capture(file) for file in wires]
    holds(not any(one.odd for one in seen), [row for one in seen for row in one.odd][:5])
    holds(all(one.data for one in seen), [(one.frames, one.data) for one in seen])
