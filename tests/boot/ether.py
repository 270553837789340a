"""A cable with everything that hangs on it, played by the test: QEMU's frames come here, and what answers is a neighbour,
a DHCP server and time servers as wicked as the test wants them.

    with Ether() as net:
        Wired(net, ...)                        a box whose only card hangs on it
        net.dhcp = lambda kind, ask: [...]     what a server says: a list of (kind, options, overrides) or raw payloads
        net.ntp["10.9.0.2"] = 0                seconds that this time server is ahead of the host's clock
        net.asked                              what the box asked: kinds of DHCP, in their order
        net.scan(ports)                        who listens, by TCP; over IPv6 with target=BOX_IP6
    net.prefix = "fd09:9::"                from now on the router advertises this /64

A caller who speaks TCP on this cable, over either family, is caller.py.
"""

import random
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from box import Box  # noqa: E402

SYN, ACKED, FIN, RST = 2, 16, 1, 4
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK = 1, 2, 3, 4, 5, 6
ROUTER, OURS = "10.9.0.1", b"\x02\x00\x00\x00\x00\x01"
BOX_IP, BOX_MAC = "10.9.0.77", b"\x52\x54\x00\x12\x34\x56"
# The router's own addresses; the box's by the router's prefix, and one for a box that is told its address.
LINK6, ROUTER6, PREFIX6 = "fe80::1", "fd09:9::1", "fd09:9::"
BOX_IP6, STATIC_IP6 = "fd09:9::5054:ff:fe12:3456", "fd09:9::77"
SOLICIT_ROUTER, ADVERTISE, SOLICIT, NEIGHBOUR = 133, 134, 135, 136
LEASE = {1: b"\xff\xff\xff\x00", 3: socket.inet_aton(ROUTER), 51: struct.pack(">I", 3600)}


def ip_sum(data, total=0):
    data += b"\0" * (len(data) % 2)
    total += sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def octets(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def packet(protocol, source, target, body):
    if ":" in source:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 255) + octets(source) + octets(target) + body
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0,
                       octets(source), octets(target))
    return head[:10] + struct.pack(">H", ip_sum(head)) + head[12:] + body


def summed(protocol, source, target, body, at):
    """The transport's sum goes to `at` of its head."""
    pseudo = octets(source) + octets(target) + struct.pack(">HH", protocol, len(body))
    return body[:at] + struct.pack(">H", ip_sum(pseudo + body) or 0xffff) + body[at + 2:]


def udp(source, target, ports, body):
    body = struct.pack(">HHHH", *ports, 8 + len(body), 0) + body
    return packet(17, source, target, summed(17, source, target, body, 6))


def tcp(source, target, ports, numbers, flags, data=b""):
    """`ports` from and to; `numbers` of the first byte and of the one awaited."""
    body = struct.pack(">HHIIBBHHH", *ports, *numbers, 0x50, flags, 65535, 0, 0) + data
    return packet(6, source, target, summed(6, source, target, body, 16))


def icmp6(source, target, kind, body):
    return packet(58, source, target, summed(58, source, target, struct.pack(">BBH", kind, 0, 0) + body, 2))


def options_of(payload):
    out, i = {}, 240
    while i + 1 < len(payload) and payload[i] != 255:
        if payload[i]:
            out[payload[i]] = payload[i + 2:i + 2 + payload[i + 1]]
            i += payload[i + 1] + 1
        i += 1
    return out


def answer(ask, kind, options=None, address=BOX_IP, server=ROUTER):
    """The payload of a DHCP server's answer."""
    head = b"\2\1\6\0" + ask[4:8] + b"\0" * 8 + socket.inet_aton(address if kind != NAK else "0.0.0.0")
    head = head.ljust(28, b"\0") + ask[28:44] + b"\0" * 192 + b"\x63\x82\x53\x63"
    rows = {53: bytes([kind]), 54: socket.inet_aton(server), **(LEASE if kind != NAK else {}), **(options or {})}
    return head + b"".join(bytes([code, len(v)]) + v for code, v in rows.items() if v is not None) + b"\xff"


def obliging(kind, ask):
    return [answer(ask, OFFER if kind == DISCOVER else ACK)] if kind in (DISCOVER, REQUEST) else []


def silent(_kind, _ask):
    return []


class Ether:
    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port, self.wire = self.door.getsockname()[1], None
        self.dhcp, self.ntp, self.asked, self.vlan = obliging, {}, [], None
        self.neighbours, self.heard, self.tcp = {ROUTER, LINK6, ROUTER6}, [], {}
        # Segments to a port of a caller's.
        self.prefix, self.callers = None, {}
        self.lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.door.close()
        if self.wire:
            self.wire.close()

    def _take(self, size):
        data = b""
        while len(data) < size:
            more = self.wire.recv(size - len(data))
            if not more:
                raise OSError("the box has gone")
            data += more
        return data

    def _serve(self):
        while True:
            try:
                self.wire, _ = self.door.accept()
                while True:
                    self._frame(self._take(struct.unpack(">I", self._take(4))[0]))
            except OSError:
                if self.door.fileno() < 0:
                    return

    def send(self, kind, body, to=BOX_MAC):
        tag = b"" if self.vlan is None else struct.pack(">HH", 0x8100, self.vlan)
        frame = (to + OURS + tag + struct.pack(">H", kind) + body).ljust(60, b"\0")
        with self.lock:
            self.wire.sendall(struct.pack(">I", len(frame)) + frame)

    def send_packet(self, data, to=BOX_MAC):
        self.send(0x0800 if data[0] >> 4 == 4 else 0x86dd, data, to)

    def _frame(self, frame):
        kind, body, tag = struct.unpack(">H", frame[12:14])[0], frame[14:], None
        if kind == 0x8100:
            tag, kind = struct.unpack(">HH", frame[14:18])
            tag, body = tag & 0xfff, frame[18:]
        if tag != self.vlan:
            return
        if kind == 0x0806:
            self._arp(body)
        elif kind == 0x0800 and len(body) >= 20:
            self._ip(body[:struct.unpack(">H", body[2:4])[0]])
        elif kind == 0x86dd and len(body) >= 40:
            self._ip6(body[:40 + struct.unpack(">H", body[4:6])[0]])

    def _arp(self, body):
        who = socket.inet_ntoa(body[24:28])
        if body[6:8] == b"\0\1" and (who in self.neighbours or who in self.ntp):
            self.send(0x0806, body[:6] + b"\0\2" + OURS + body[24:28] + body[8:18], body[8:14])

    def _ip(self, body):
        head, target = (body[0] & 15) * 4, socket.inet_ntoa(body[16:20])
        if body[9] == 6:
            self._tcp(body[head:])
            return
        if body[9] != 17:
            return
        source, port = struct.unpack(">HH", body[head:head + 4])
        payload = body[head + 8:]
        if port == 67:
            self._dhcp(payload)
        elif port == 123 and target in self.ntp:
            self._time(target, socket.inet_ntoa(body[12:16]), source, payload)
        else:
            self.heard.append((target, port))

    def _tcp(self, segment):
        source, port = struct.unpack(">HH", segment[:4])
        if port in self.callers:
            self.callers[port](segment)
        else:
            self.tcp[source] = segment[13]

    def _ip6(self, body):
        protocol, source, rest = body[6], socket.inet_ntop(socket.AF_INET6, body[8:24]), body[40:]
        if protocol == 6:
            self._tcp(rest)
        elif protocol == 58 and rest[0] == SOLICIT_ROUTER and self.prefix:
            self.advertise()
        elif protocol == 58 and rest[0] == SOLICIT:
            asked = socket.inet_ntop(socket.AF_INET6, rest[8:24])
            # Who asks without an address wants it for itself.
            if asked in self.neighbours and source != "::":
                answered = struct.pack(">I", 0x60000000) + rest[8:24] + b"\2\1" + OURS
                self.send_packet(icmp6(asked, source, NEIGHBOUR, answered))

    def advertise(self, life_s=1800):
        """To everybody: the router, and a prefix of which addresses may be made."""
        prefix = struct.pack(">BBBBIII", 3, 4, 64, 0xc0, life_s, life_s, 0) + octets(self.prefix)
        body = struct.pack(">BBHII", 64, 0, life_s, 0, 0) + b"\1\1" + OURS + prefix
        self.send_packet(icmp6(LINK6, "ff02::1", ADVERTISE, body), b"\x33\x33\0\0\0\1")

    def _dhcp(self, ask):
        kind = options_of(ask)[53][0]
        self.asked.append((kind, time.monotonic(), ask))
        for payload in self.dhcp(kind, ask):
            self.send(0x0800, udp(ROUTER, "255.255.255.255", (67, 68), payload), b"\xff" * 6)

    def _time(self, server, to, port, ask):
        ahead = self.ntp[server]
        if ahead is None:
            return
        now = time.time() + ahead + 2208988800
        stamp = struct.pack(">II", int(now) & 0xffffffff, int(now % 1 * 2**32))
        body = bytes([0x24, 2, 0, 0]) + b"\0" * 20 + ask[40:48] + stamp + stamp
        self.send(0x0800, udp(server, to, (123, port), body))

    def kinds(self):
        return [kind for kind, _, _ in self.asked]

    def wait(self, condition, what, seconds=90):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"did not come: {what}; asked {self.kinds()}")
            time.sleep(0.05)

    def noise(self, count, seed=1):
        """Frames of nonsense to the client's port, some of them nearly right."""
        draw = random.Random(seed)
        for _ in range(count):
            body = bytearray(answer(bytes(44), draw.choice((OFFER, ACK, NAK, 77))))
            for _ in range(draw.randrange(8)):
                body[draw.randrange(len(body))] = draw.randrange(256)
            self.send(0x0800, udp(ROUTER, "255.255.255.255", (67, 68), bytes(body[:draw.randrange(1, len(body))])))
            self.send(0x0800, draw.randbytes(draw.randrange(1, 400)))
            self.send(0x0806, draw.randbytes(28))

    def scan(self, ports, seconds=60, target=BOX_IP):
        """Ports that answer a SYN with a SYN; asserts that all the others say that nobody is there."""
        self.tcp.clear()
        ours = ROUTER6 if ":" in target else ROUTER
        waiting, deadline = set(ports), time.monotonic() + seconds
        while waiting and time.monotonic() < deadline:
            for number, port in enumerate(sorted(waiting)):
                self.send_packet(tcp(ours, target, (40000, port), (1, 0), SYN))
                if number % 256 == 255:
                    time.sleep(0.05)
            time.sleep(0.5)
            waiting -= set(self.tcp)
        assert not waiting, f"{len(waiting)} ports say nothing, as {sorted(waiting)[:5]}"
        return sorted(port for port, flags in self.tcp.items() if flags & 0x12 == 0x12)


class Wired(Box):
    """A box whose only card hangs on an Ether."""

    def __init__(self, net, clock=None, **more):
        self.net, self.clock = net, clock
        super().__init__(start=False, **more)

    def _wire(self):
        rtc = ["-rtc", f"base={self.clock}"] if self.clock else []
        return ["-netdev", f"socket,id=net,connect=127.0.0.1:{self.net.port}",
                "-device", "virtio-net-pci,netdev=net,romfile=,mac=52:54:00:12:34:56", *rtc]
