"""A caller on the cable of ether.py: TCP and TLS in this process, over IPv4 or IPv6, as no host of ours needs to have an
interface there. The cable loses nothing and keeps the order, so nothing is sent twice.

    status, body = ask(net, BOX_IP6, 8443, context, "POST", path, body, key)
"""

import json
import queue
import random
import ssl
import struct

from ether import ACKED, FIN, ROUTER, ROUTER6, RST, SYN, tcp

SEGMENT, WAIT_S = 1200, 60


class Line:
    """One connection: send() and take(), which gives b"" at the end."""

    def __init__(self, net, target, port):
        self.net, self.target, self.source = net, target, ROUTER6 if ":" in target else ROUTER
        self.ports, self.arrived = (random.randrange(50000, 60000), port), queue.Queue()
        self.sent, self.seen, self.data, self.over = random.randrange(1 << 30), 0, queue.Queue(), False
        net.callers[self.ports[0]] = self.arrived.put
        self._say(SYN)
        self.sent += 1
        number, flags, _ = self._next()
        if flags & RST:
            raise ConnectionRefusedError(f"{target} port {port}")
        self.seen = number + 1
        self._say(ACKED)

    def _say(self, flags, data=b""):
        numbers = (self.sent & 0xffffffff, self.seen & 0xffffffff)
        self.net.send_packet(tcp(self.source, self.target, self.ports, numbers, flags, data))

    def _next(self):
        segment = self.arrived.get(timeout=WAIT_S)
        return struct.unpack(">I", segment[4:8])[0], segment[13], segment[(segment[12] >> 4) * 4:]

    def send(self, data):
        for at in range(0, len(data), SEGMENT):
            self._say(ACKED, data[at:at + SEGMENT])
            self.sent += len(data[at:at + SEGMENT])

    def take(self):
        while True:
            number, flags, data = self._next()
            if flags & RST:
                return b""
            # A cable as slow as this one may bring one twice; on it nothing is out of order.
            if (data or flags & FIN) and number == self.seen & 0xffffffff:
                self.seen += len(data) + (flags & FIN)
                self._say(ACKED)
                return data
            if data:
                self._say(ACKED)

    def close(self):
        self._say(ACKED | RST)
        del self.net.callers[self.ports[0]]


def speak(line, context, text):
    """What is answered to `text`, until the other side ends."""
    into, out, answer = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
    tls = context.wrap_bio(into, out, server_hostname="localhost")

    def step(what, *words):
        while True:
            try:
                return what(*words)
            except ssl.SSLWantReadError:
                line.send(out.read())
                more = line.take()
                if more:
                    into.write(more)
                else:
                    into.write_eof()
            finally:
                line.send(out.read())

    step(tls.do_handshake)
    step(tls.write, text)
    try:
        while more := step(tls.read, 65536):
            answer += more
    except ssl.SSLError:
        pass
    return answer


def ask(net, target, port, context, method, path, key, body=None):
    """(status, body) of one request on a connection of its own."""
    line = Line(net, target, port)
    data = b"" if body is None else json.dumps(body).encode()
    head = (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode()
    try:
        answer = speak(line, context, head + data)
    finally:
        line.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), rest
