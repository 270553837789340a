#!/usr/bin/env python3
# time limit: 120 s
"""Vendors that end a connection before it can carry a request (F3), and vendors whose TLS is wrong, odd or altered
(F4): the attempt ends soon and goes elsewhere, nobody is sent a byte of the request who is not the vendor, and nothing
weaker is tried."""

import contextlib
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from upstream_net import SECRET_WORDS, refused, served, upstream_rows
from wire import Wire, said

import harness
from tap import Tap, equal, eventually, holds

BODY = b'{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",' \
       b'"message":{"role":"assistant","content":"Well met."}}],' \
       b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CONNECT_MS = 1500


class Odd:
    """Somebody at the vendor's place: `meet` is called with each connection. `heard`: what came behind a handshake."""

    def __init__(self, meet):
        self.meet, self.heard, self.came = meet, b"", 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.came += 1
            threading.Thread(target=self.speak, args=(one,), daemon=True).start()

    def speak(self, one):
        one.settimeout(10)
        with contextlib.suppress(OSError):
            self.meet(self, one)
        one.close()

    def converse(self, tls):
        """The vendor's side of one request."""
        while BODY[:1] not in self.heard:
            got = tls.recv(65536)
            if not got:
                return
            self.heard += got
        tls.sendall(ANSWER + BODY)
        with contextlib.suppress(OSError):
            tls.recv(1)

    def close(self):
        self.listener.close()


def reset(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def at_once(_, one):
    reset(one)


def behind_hello(_, one):
    one.recv(1)
    reset(one)


def hangs_up(_, one):
    one.recv(65536)


def server(pair, **more):
    """A context of this certificate and key; `more` are attributes of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    for name, value in more.items():
        setattr(context, name, value)
    return context


def secured(context):
    def meet(odd, one):
        with context.wrap_socket(one, server_side=True) as tls:
            odd.converse(tls)
    return meet


def inside_handshake(context):
    """The reset comes when half of the vendor's own flight is on its way."""
    def meet(_, one):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(one.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            half.do_handshake()
        flight = outgoing.read()
        one.sendall(flight[:len(flight) // 2])
        time.sleep(0.1)
        reset(one)
    return meet


def altered(context):
    """One bit of the vendor's flight is another one: it stands near the flight's end, in its proof that it is whole."""
    def meet(odd, one):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(one.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        flight = bytearray(outgoing.read())
        flight[-10] ^= 1
        one.sendall(bytes(flight))
        while got := one.recv(65536):
            incoming.write(got)
            with contextlib.suppress(ssl.SSLError):
                tls.do_handshake()
                odd.heard += tls.read(65536)
    return meet


COOKIE = b"a cookie of this vendor's"


def cookie(odd, one):
    """A hello is answered by the wish for another one: of P-256, and with this cookie. What comes then is heard."""
    def extension(kind, body):
        return struct.pack(">HH", kind, len(body)) + body

    hello = one.recv(65536)
    session = hello[44:44 + hello[43]]
    extensions = extension(43, b"\x03\x04") + extension(51, b"\x00\x17") + \
        extension(44, struct.pack(">H", len(COOKIE)) + COOKIE)
    body = b"\x03\x03" + bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c") + \
        bytes([len(session)]) + session + b"\x13\x02\x00" + struct.pack(">H", len(extensions)) + extensions
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    one.sendall(b"\x16\x03\x03" + struct.pack(">H", len(message)) + message)
    while got := one.recv(65536):
        odd.heard += got


def certificate(folder, name, authority, *validity):
    """A certificate for the vendor's name; returns its file and its key's."""
    key, request, made, extensions = (folder / f"{name}.{kind}" for kind in ("key", "csr", "crt", "ext"))
    extensions.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                          "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:*.vendor.test\n")
    signer = ["-CA", authority.with_suffix(".crt"), "-CAkey", authority.with_suffix(".key"), "-CAcreateserial"]
    for words in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                   "/CN=vendor", "-keyout", key, "-out", request],
                  ["x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", made, *validity]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return made, key


def endless_chain(folder, pair):
    """The vendor's own certificate and key, and 8 MB of certificates behind it."""
    chain = folder / "endless.crt"
    one = pathlib.Path(pair[0]).read_bytes()
    chain.write_bytes(one * (8 * 2**20 * 4 // 3 // len(one)))
    return chain, pair[1]


class OpenSsl:
    """`openssl s_server`, for what Python's TLS cannot do. What it is told to say it says to whoever has come."""

    def __init__(self, pair, *words):
        self.port = harness.free_port()
        place = f"127.0.0.1:{self.port}"
        command = ["openssl", "s_server", "-accept", place, "-cert", pair[0], "-key", pair[1], "-tls1_3"]
        self.process = subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.heard = b""
        threading.Thread(target=self.listen, daemon=True).start()
        eventually(lambda: b"ACCEPT" in self.heard)

    def listen(self):
        while got := self.process.stdout.read1(65536):
            self.heard += got

    def says(self, what):
        """One read of its standard input: the first byte of it may be a command."""
        self.process.stdin.write(what)
        self.process.stdin.flush()
        time.sleep(0.2)

    def close(self):
        self.process.kill()
        self.process.wait()


# Who ends the connection: the attempt ends as soon as that, and the next target answers.
CUTS = ("at_once", "behind_hello", "hangs_up", "inside_handshake", "altered")
# With whom there is no connection: what the caller is told where there is no other target. (That a cookie is not given
# back, and that keys may not change, is mbedTLS's: its issue 9543, and docs/architecture/tls13-support.md.)
WRONG = {"expired": "upstream_certificate", "not_yet": "upstream_certificate", "tls_1_2": "upstream_unreachable",
         "ffdhe": "upstream_unreachable", "cookie": "upstream_unreachable", "endless_chain": "upstream_unreachable"}


def vendors(folder, certs):
    pair = certs / "vendor.crt", certs / "vendor.key"
    authority = certs / "vendor-ca"
    good = server(pair)
    other_group = server(pair)
    other_group.set_ecdh_curve("prime256v1")
    return {
        "at_once": Odd(at_once), "behind_hello": Odd(behind_hello), "hangs_up": Odd(hangs_up),
        "inside_handshake": Odd(inside_handshake(good)), "altered": Odd(altered(good)),
        "expired": Odd(secured(server(certificate(folder, "expired", authority, "-not_before", "20210101000000Z",
                                                  "-not_after", "20220101000000Z")))),
        "not_yet": Odd(secured(server(certificate(folder, "not_yet", authority, "-not_before", "20900101000000Z",
                                                  "-not_after", "20910101000000Z")))),
        "tls_1_2": Odd(secured(server(pair, maximum_version=ssl.TLSVersion.TLSv1_2))),
        "ffdhe": OpenSsl(pair, "-groups", "ffdhe2048"),
        "endless_chain": Odd(secured(server(endless_chain(folder, pair)))),
        "other_group": Odd(secured(other_group)),
        "cookie": Odd(cookie),
        "key_update": OpenSsl(pair),
    }


def cuts(tap, relay):
    for name in CUTS:
        with tap.case(f"a vendor that is {name.replace('_', ' ')}: the next target answers within 300 ms"):
            served(relay, f"{name}-then", most=0.3, attempts="2")


def wrong(tap, relay, odd):
    for name, code in WRONG.items():
        with tap.case(f"{name.replace('_', ' ')}: {code}, nothing was said to it, and the next target answers"):
            refused(relay, name, (code,), 1.0)
            served(relay, f"{name}-then", most=1.0, attempts="2")
            holds(SECRET_WORDS.encode() not in odd[name].heard and b"POST" not in odd[name].heard, odd[name].heard)


def strange(tap, relay, odd):
    with tap.case("a vendor of another group asks for a second hello, and is served by it"):
        served(relay, "other_group")
        holds(SECRET_WORDS.encode() in odd["other_group"].heard, odd["other_group"].heard)
    with tap.case("one that changes its keys in the middle of an answer is broken for us: the next target answers"):
        with Wire(relay) as wire:
            wire.ask(said("key_update-then", SECRET_WORDS))
            eventually(lambda: SECRET_WORDS.encode() in odd["key_update"].heard)
            for what in (ANSWER + BODY[:20], b"k\n", BODY[20:]):
                odd["key_update"].says(what)
            odd["key_update"].close()
            got = wire.answer()
            equal([got.status, got.json()["choices"][0]["message"]["content"]], [200, f"You said: {SECRET_WORDS}"])
            holds(b"SSL_do_handshake" in odd["key_update"].heard, odd["key_update"].heard)


def main():
    tap = Tap("vendor tls")
    odd = {}

    def config(value):
        upstream_rows(value, {name: {"base_url": f"https://mock.vendor.test:{odd[name].port}/v1"} for name in odd})
        for name in odd:
            targets = [{"upstream": upstream, "model": "mock-1"} for upstream in (name, "mock")]
            value["models"].append({"name": f"{name}-then", "targets": targets})

    settings = {"connect_ms": CONNECT_MS, "warm_connections": 0, "breaker_calls": 1000}
    with harness.Relay(start=False, relays=1, settings=settings) as relay:
        try:
            odd |= vendors(relay.dir, relay.certs)
            relay.change = config
            relay.write_config()
            relay.start()
            before = relay.pids()["lethe-relay"]
            served(relay, "chat")
            cuts(tap, relay)
            wrong(tap, relay, odd)
            strange(tap, relay, odd)
            with tap.case("the relay is the one that began"):
                equal(relay.pids()["lethe-relay"], before)
        finally:
            for one in odd.values():
                one.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
