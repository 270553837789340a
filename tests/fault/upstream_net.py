#!/usr/bin/env python3
# time limit: 240 s
"""The network between Lethe and its vendors: addresses that refuse or swallow everything, broken IPv6, name servers that
lie or are dead, HTTP proxies of every kind, connections dialled ahead.

A dead network is made without one: a listener whose queue is full has its system drop whoever knocks, silently, as a
router between would. So nothing here needs a namespace, and all runs wherever the programs do."""

import base64
import concurrent.futures
import contextlib
import pathlib
import socket
import struct
import sys
import threading
import time

from dns_double import Dns
from wire import CHAT, Wire, said

import harness
from tap import Skip, Tap, equal, eventually, holds

SECRET_WORDS = "the words nobody but the vendor may read"


def timed(relay, model, timeout=15.0):
    """One request on a connection of its own: the answer and its seconds."""
    with Wire(relay, timeout) as wire:
        begun = time.monotonic()
        got = wire.ask(said(model, SECRET_WORDS)).answer()
        return got, time.monotonic() - begun


def served(relay, model, least=0.0, most=1.0, attempts="1"):
    got, took = timed(relay, model)
    equal([got.status, got.fields.get("x-lethe-attempts")], [200, attempts])
    holds(least <= took <= most, f"took {took:.3f} s")


def refused(relay, model, codes, most):
    got, took = timed(relay, model)
    holds(got.status >= 500 and got.code() in codes, [got.status, got.body])
    holds(took <= most, f"took {took:.3f} s")


def renew(vendor):
    """Another process in its place: all connections to it have ended. Returns when it can be reached."""
    vendor.stop()
    vendor.start()
    reachable(vendor)


def reachable(vendor):
    def stands():
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", vendor.port), 1).close()
            return True
    eventually(stands, 5.0)


@contextlib.contextmanager
def hole(address, port):
    """Somebody who never answers a SYN."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as why:
        raise Skip(f"{address} is no address of this machine: {why}") from why
    listener.listen(0)
    fill = []
    for _ in range(4):
        knock = socket.socket(family)
        knock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            knock.connect((address, port))
        fill.append(knock)
    time.sleep(0.05)
    try:
        yield
    finally:
        for one in (*fill, listener):
            one.close()


def upstream_rows(value, rows):
    """Adds one upstream and one alias of the same name for each of `rows`: name -> what differs from the mock's."""
    first = value["upstreams"][0]
    for name, change in rows.items():
        row = {key: v for key, v in (first | {"name": name} | change).items() if v is not None}
        value["upstreams"].append(row)
        value["models"].append({"name": name, "targets": [{"upstream": name, "model": "mock-1"}]})


# ---- addresses ----

V4_AND_V6 = ["127.0.0.0/8", "::1/128"]
ADDRESSES = {
    "refuses_first": ["127.0.0.2", "127.0.0.1"],
    "hole_first": ["127.0.0.3", "127.0.0.1"],
    "only_hole": ["127.0.0.3"],
    "only_refuses": ["127.0.0.2"],
    "broken_v6": ["::1", "127.0.0.1"],
    "half_dead": ["127.0.0.3", "127.0.0.2", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.1"],
}


def addresses(tap):
    def config(value):
        upstream_rows(value, {name: {"addresses": row, "local": V4_AND_V6} for name, row in ADDRESSES.items()})
        value["models"].append({"name": "second", "targets": [{"upstream": "only_refuses", "model": "mock-1"},
                                                              {"upstream": "mock", "model": "mock-1"}]})

    settings = {"connect_ms": 2000, "warm_connections": 0}
    with harness.Relay(config=config, relays=1, settings=settings) as relay:
        port = relay.vendor.port
        before = relay.pids()["lethe-relay"]
        with tap.case("an address that refuses is passed over at once"):
            served(relay, "refuses_first", most=0.3)
        with tap.case("a vendor that refuses is left for the next target within 300 ms"):
            served(relay, "second", most=0.3, attempts="2")
        with tap.case("the fifth time in a row is the last: its breaker is open, and nobody knocks there"):
            for _ in range(4):
                served(relay, "second", most=0.5, attempts="2")
            served(relay, "second", most=0.3, attempts="1")
        with tap.case("an address that swallows everything costs 250 ms, once"), hole("127.0.0.3", port):
            served(relay, "hole_first", least=0.24, most=0.6)
            renew(relay.vendor)
            served(relay, "hole_first", most=0.24)
        with tap.case("where there is no other, connect_ms bounds the wait, and nobody else waits"), hole("127.0.0.3", port):
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                stuck = pool.submit(refused, relay, "only_hole", ("upstream_timeout",), 9.0)
                for _ in range(10):
                    served(relay, "chat", most=0.5)
                stuck.result()
        with tap.case("broken IPv6 costs at most 300 ms, once"), hole("::1", port):
            served(relay, "broken_v6", most=0.55)
            renew(relay.vendor)
            served(relay, "broken_v6", most=0.24)
        with tap.case("half of a vendor's addresses dead: every call is answered at its first attempt"):
            with hole("127.0.0.3", port), hole("127.0.0.4", port):
                served(relay, "half_dead", most=1.2)
                with concurrent.futures.ThreadPoolExecutor(8) as pool:  # more at once than are warm
                    list(pool.map(lambda _: served(relay, "half_dead", most=2.0), range(40)))
                renew(relay.vendor)
                served(relay, "half_dead", most=0.24)
        with tap.case("the relay is the one that began"):
            equal(relay.pids()["lethe-relay"], before)


# ---- names ----

class Names(Dns):
    """A name server that does as it is told, by the first label: `answers` maps it to a list of addresses, a number
    (that error code), "silent", "truncated", or a function that is asked each time."""

    def __init__(self):
        self.answers, self.dead, self.ttl = {}, False, 0
        super().__init__()

    def serve(self):
        while True:
            try:
                query, whom = self.socket.recvfrom(1500)
                said_back = self.answer(query)
                if said_back and not self.dead:
                    self.socket.sendto(said_back, whom)
            except OSError:
                return

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack(">H", question[-4:-2])[0]
        self.asked.append((labels[0], kind, time.monotonic()))
        told = self.answers.get(labels[0], 3)
        if callable(told):
            told = told(kind)
        if told == "silent":
            return None
        code = 0x8380 if told == "truncated" else 0x8180 | (told if isinstance(told, int) else 0)
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        records = []
        for address in told if isinstance(told, list) and family else []:
            if (":" in address) == (family == socket.AF_INET6):
                packed = socket.inet_pton(family, address)
                records.append(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.ttl, len(packed)) + packed)
        return query[:2] + struct.pack(">HHHHH", code, 1, len(records), 0, 0) + question + b"".join(records)

    def times(self, label):
        """When its IPv4 addresses were asked for."""
        return [when for name, kind, when in self.asked if name == label and kind == 1]


NAMES = ("private", "metadata", "mapped", "nx", "servfail", "silent", "truncated", "many", "ttl", "flip", "mixed", "dying")
INSIDE = {"private": ["10.0.0.1", "192.168.0.1"], "metadata": ["169.254.169.254"], "mapped": ["::ffff:127.0.0.1", "fe80::1"]}


def names(tap):
    dns = Names()
    dns.answers = INSIDE | {"nx": 3, "servfail": 2, "silent": "silent", "truncated": "truncated",
                            "many": [f"127.0.0.{i}" for i in range(1, 65)], "ttl": ["127.0.0.1"],
                            "mixed": ["10.0.0.1", "127.0.0.1"], "dying": ["127.0.0.1"]}

    def config(value):
        base = f":{relay.vendor.port}/v1"
        local = {name: None if name in INSIDE else ["127.0.0.0/8"] for name in NAMES}
        upstream_rows(value, {name: {"addresses": None, "local": local[name], "credential": name,
                                     "base_url": f"https://{name}.vendor.test{base}"} for name in NAMES})
        value["dns"] = [dns.place]

    with harness.Relay(start=False, relays=1, settings={"connect_ms": 5000, "warm_connections": 0}) as relay:
        for name in NAMES:
            relay.ctl_state("vault", "put", name, "--host", f"{name}.vendor.test", "--stdin", secret=relay.vendor.key)
        relay.change = config
        relay.write_config()
        relay.start()
        try:
            name_cases(tap, relay, dns)
            flip_flop(tap, relay, dns)
            dies(tap, relay, dns)
        finally:
            dns.close()


def name_cases(tap, relay, dns):
    for name in INSIDE:
        with tap.case(f"a name that leads inside ({name}) leads nowhere, and no byte is sent"):
            relay.vendor.mark()
            refused(relay, name, ("upstream_unreachable",), 2.0)
            equal(relay.vendor.received(), [])
            holds(" ADDRESS_REFUSED " in relay.log.read_text(), relay.log.read_text())
    with tap.case("of a name that leads inside and outside, only what is allowed is dialled"):
        served(relay, "mixed")
    with tap.case("64 addresses, and 8 of them are used"):
        served(relay, "many", most=2.0)
    with tap.case("NXDOMAIN, SERVFAIL, a truncated answer and none are unreachable within connect_ms"):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            def unreachable(name):
                refused(relay, name, ("upstream_unreachable", "upstream_timeout"), 12.0)
            list(pool.map(unreachable, ("nx", "servfail", "silent", "truncated")))
    with tap.case("a failure is believed for 5 s, and asked again then"):
        refused(relay, "nx", ("upstream_unreachable",), 8.0)
        asked, dns.answers["nx"] = len(dns.times("nx")), ["127.0.0.1"]
        def healed():
            got, _ = timed(relay, "nx")
            return got.status == 200
        eventually(healed, 12.0)
        holds(len(dns.times("nx")) <= asked + 3, dns.times("nx"))
    with tap.case("a TTL of 0 counts as 5 s: a busy name is not asked for each time"):
        for _ in range(3):
            served(relay, "ttl")
            renew(relay.vendor)
        holds(len(dns.times("ttl")) <= 2, dns.times("ttl"))


def flip_flop(tap, relay, dns):
    """The name has another address each time it is asked for; only one of them lives."""
    turn = [0]

    def flips(kind):
        if kind == 1:
            turn[0] += 1
        return ["127.0.0.1" if turn[0] % 2 else "127.0.0.9"]

    dns.answers["flip"] = flips
    with tap.case("an address that flips away leaves the running connection alone"):
        served(relay, "flip")
        time.sleep(6.0)
        served(relay, "flip")
    with tap.case("and comes back when it flips back"):
        def back():
            renew(relay.vendor)
            got, _ = timed(relay, "flip")
            time.sleep(1.0)
            return got.status == 200
        eventually(back, 20.0)


def dies(tap, relay, dns):
    with tap.case("when DNS dies running connections live"):
        served(relay, "dying")
        dns.dead = True
        time.sleep(6.0)  # its addresses are out of date now
        served(relay, "dying", most=0.5)
    with tap.case("and new ones go to the last good addresses: the first waits 1.8 s for DNS in vain, the next do not"):
        renew(relay.vendor)
        served(relay, "dying", least=1.7, most=2.5)
        renew(relay.vendor)
        served(relay, "dying", most=0.5)
    with tap.case("when it is back it is asked again"):
        asked, dns.dead = len(dns.times("dying")), False

        def again():
            renew(relay.vendor)
            served(relay, "dying", most=5.0)
            time.sleep(1.0)
            return len(dns.times("dying")) > asked
        eventually(again, 15.0)


# ---- proxies ----

class Proxy:
    """An HTTP CONNECT proxy. `mode`: "open", "silent", "hang up", bytes to answer with, or ("to", port): another way
    than it was asked for."""

    def __init__(self, ways, credential=None):
        self.ways, self.credential, self.mode = ways, credential, "open"
        self.asked, self.seen, self.tunnels = [], b"", 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.live = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            self.live.append(one)
            threading.Thread(target=self.speak, args=(one,), daemon=True).start()

    def speak(self, one):
        with contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                got = one.recv(4096)
                if not got:
                    return
                head += got
            self.asked.append(head.decode("latin-1"))
            if self.mode == "silent":
                time.sleep(30)
            elif isinstance(self.mode, bytes):
                one.sendall(self.mode)
                time.sleep(1)
            elif self.mode != "hang up":
                self.tunnel(one, head)
            one.close()

    def tunnel(self, one, head):
        place = head.split(b" ")[1].decode()
        sent = [row.partition(b":")[2].strip() for row in head.split(b"\r\n") if row.lower().startswith(b"proxy-auth")]
        if self.credential and sent != [self.credential]:
            one.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
                        b"Content-Length: 0\r\n\r\n")
            return
        port = self.mode[1] if isinstance(self.mode, tuple) else self.ways.get(place)
        if port is None:
            one.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        far = socket.create_connection(("127.0.0.1", port))
        self.live.append(far)
        self.tunnels += 1
        one.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 double\r\n\r\n")
        back = threading.Thread(target=self.pump, args=(far, one), daemon=True)
        back.start()
        self.pump(one, far)
        back.join()

    def pump(self, source, to):
        with contextlib.suppress(OSError):
            while got := source.recv(65536):
                self.seen += got
                to.sendall(got)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    def cut(self):
        """All connections end."""
        for one in self.live:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self.live.clear()

    def close(self):
        self.listener.close()
        self.cut()


PROXY_SECRET = "lethe:open-sesame"
AUTHORIZATION = b"Basic " + base64.b64encode(PROXY_SECRET.encode())

# What a proxy says instead of opening, each at an upstream of its own: breakers open.
REFUSALS = {
    "407": b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden",
    "502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"\x00\xff" * 300 + b"\r\n\r\n",
    "200 and then plain text": b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a head without an end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200000,
    "nothing": "silent",
    "nothing and hangs up": "hang up",
}


def label(name):
    return name.replace(" ", "_")


def proxies(tap):
    proxy = Proxy({}, AUTHORIZATION)

    def config(value):
        port = relay.vendor.port
        way = {"url": f"http://proxy.vendor.test:{proxy.port}", "addresses": ["127.0.0.1"], "credential": "proxy"}
        row = {"addresses": None, "local": None, "proxy": way}
        upstream_rows(value, {
            "through": row,
            "other": row,
            "without": row | {"proxy": way | {"credential": "bound_elsewhere"}},
            "gone": row | {"proxy": way | {"url": f"http://proxy.vendor.test:{closed}"}},
            "second": row | {"proxy": way | {"addresses": ["127.0.0.7", "127.0.0.1"]}},
            "unknown": row | {"base_url": f"https://unknown.vendor.test:{port}/v1", "credential": None},
            "named": row | {"proxy": {key: way[key] for key in ("url", "credential")}},
        } | {label(name): row for name in REFUSALS})
        value["dns"] = [dns.place]

    closed, dns = harness.free_port(), Names()
    dns.answers["proxy"] = ["127.0.0.1"]
    settings = {"connect_ms": 1000, "warm_connections": 0}
    with harness.Relay(start=False, relays=1, settings=settings) as relay:
        relay.ctl_state("vault", "put", "proxy", "--host", "proxy.vendor.test", "--stdin", secret=PROXY_SECRET)
        relay.ctl_state("vault", "put", "bound_elsewhere", "--host", "x.vendor.test", "--stdin", secret="lethe:elsewhere")
        proxy.ways[f"mock.vendor.test:{relay.vendor.port}"] = relay.vendor.port
        relay.change = config
        relay.write_config()
        relay.start()
        try:
            through(tap, relay, proxy)
            refusals(tap, relay, proxy)
            ways(tap, relay, proxy, dns)
        finally:
            proxy.close()
            dns.close()


def through(tap, relay, proxy):
    with tap.case("a vendor behind a proxy is reached, and the proxy resolves its name"):
        served(relay, "through")
        place = f"mock.vendor.test:{relay.vendor.port}"
        equal(proxy.asked[0], f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"
                              f"Proxy-Authorization: {AUTHORIZATION.decode()}\r\n\r\n")
    with tap.case("its connection is used again"):
        served(relay, "through")
        equal([proxy.tunnels, len(proxy.asked)], [1, 1])
    with tap.case("the proxy sees no key, no head and no word: TLS goes end to end"):
        holds(len(proxy.seen) > 1000, len(proxy.seen))
        for secret in (relay.vendor.key.encode(), SECRET_WORDS.encode(), CHAT.encode(), b"Bearer", b"choices"):
            holds(secret not in proxy.seen, secret)
        holds("Proxy-" not in relay.vendor.received()[-1]["head"], relay.vendor.received()[-1]["head"])
    with tap.case("somebody else's certificate behind the proxy ends the attempt, and no byte is sent to them"):
        proxy.mode = ("to", relay.admin_port)
        refused(relay, "other", ("upstream_certificate",), 2.0)
        proxy.mode = "open"
    with tap.case("a connection that the proxy cut meanwhile costs nothing but a fresh one"):
        proxy.cut()
        served(relay, "through", attempts="1")


def refusals(tap, relay, proxy):
    for name, mode in REFUSALS.items():
        with tap.case(f"a proxy that says {name} is 502 upstream_unreachable, and the vendor gets no byte"):
            relay.vendor.mark()
            proxy.mode = mode
            refused(relay, label(name), ("upstream_unreachable",), 8.0)
            equal(relay.vendor.received(), [])
    with tap.case("the log names the upstream and the status"):
        log = relay.log.read_text()
        holds(" PROXY_REFUSED " in log and "status=407" in log.replace(" = ", "="), log)
        holds("proxy.vendor" not in log and "sesame" not in log, log)
    with tap.case("when it opens again all is well within 10 s"):
        proxy.mode = "open"
        for name in REFUSALS:
            eventually(lambda: timed(relay, label(name))[0].status == 200, 10.0)


def ways(tap, relay, proxy, dns):
    with tap.case("a credential that is bound to another host is not sent to a proxy"):
        asked = len(proxy.asked)
        refused(relay, "without", ("upstream_unreachable",), 4.0)
        equal(len(proxy.asked), asked)
        holds(" HOST_UNBOUND " in relay.log.read_text(), relay.log.read_text())
    with tap.case("a proxy that is gone is 502"):
        refused(relay, "gone", ("upstream_unreachable",), 4.0)
    with tap.case("the second address of a proxy is tried, and its name is not asked for"):
        served(relay, "second")
        equal(dns.asked, [])
    with tap.case("a vendor the proxy does not find is 502"):
        refused(relay, "unknown", ("upstream_unreachable",), 4.0)
    with tap.case("the proxy's own name is looked up, the vendor's never"):
        served(relay, "named")
        labels = {name for name, _, _ in dns.asked}
        equal(labels, {"proxy"})


# ---- dialled ahead ----

def connections(port):
    """Open connections to this port, from the side that dialled."""
    rows = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for row in rows if row.split()[2].endswith(f":{port:04X}") and row.split()[3] == "01")


def ahead(tap):
    for want in (0, 3):
        with harness.Relay(relays=1, settings={"warm_connections": want}) as relay:
            port = relay.vendor.port
            with tap.case(f"warm_connections {want}: after two calls so many are open"):
                served(relay, "chat")
                time.sleep(0.2)
                equal(connections(port), 1)
                served(relay, "chat")
                if want == 0:
                    time.sleep(0.3)
                    equal(connections(port), 1)
                else:
                    eventually(lambda: connections(port) >= want, 2.0)
                    time.sleep(0.2)
                    holds(connections(port) <= want + 1, connections(port))
            if want > 0:
                with tap.case("a vendor that goes away is not dialled until a call finds it back"):
                    relay.vendor.stop()
                    eventually(lambda: connections(port) == 0, 2.0)
                    refused(relay, "chat", ("upstream_unreachable",), 8.0)
                    relay.vendor.start()
                    reachable(relay.vendor)
                    time.sleep(0.5)
                    equal(connections(port), 0)
                    eventually(lambda: timed(relay, "chat")[0].status == 200, 12.0)
                    eventually(lambda: connections(port) >= want, 4.0)


# ---- health probes ----

def probes(tap):
    def config(value):
        upstream_rows(value, {"asked": {"health": {"path": "/models", "every_ms": 1000}}, "unasked": {}})

    with harness.Relay(config=config, relays=2, settings={"warm_connections": 0}) as relay:
        def heads():
            return [row["head"] for row in relay.vendor.received() if row["head"].startswith("GET")]

        with tap.case("a vendor without trouble is not asked for its health"):
            served(relay, "asked")
            time.sleep(2.5)
            equal(heads(), [])
        with tap.case("one that has gone is, by one relay of all, for what costs no tokens, until it is back"):
            relay.vendor.stop()
            for name in ("asked", "unasked"):
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    codes = [got.status for got, _ in pool.map(lambda _: timed(relay, name), range(12))]
                holds(all(code >= 500 for code in codes), codes)
            relay.vendor.mark()
            relay.vendor.start()
            reachable(relay.vendor)
            eventually(heads, 4.0)

            def stops():
                before = len(heads())
                time.sleep(2.5)
                return len(heads()) == before
            eventually(stops, 20.0)
            known = heads()
            holds(1 <= len(known) <= 20, known)
            holds(all(head.startswith("GET /v1/models HTTP/1.1\r\nHost: mock.vendor.test") for head in known), known)
        with tap.case("and found back without any caller's request at stake"):
            served(relay, "asked")


def main():
    tap = Tap("upstream net")
    addresses(tap)
    names(tap)
    proxies(tap)
    ahead(tap)
    probes(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
