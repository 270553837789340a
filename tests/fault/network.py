#!/usr/bin/env python3
# time limit: 180 s
"""A bad line between Lethe and a vendor, and between Lethe and a caller: late, lossy, doubling, out of order, slow, too
narrow for large packets, gone for a while (F5, F6, F39). The far end lives in a network namespace of its own; what
comes and goes passes through this test, which treats every packet as the case wants. (Refused, swallowed and half-dead
addresses, broken IPv6, DNS and proxies are upstream_net.py's, which needs no namespace.)"""

import contextlib
import fcntl
import heapq
import mmap
import os
import pathlib
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, Line, crowd, user  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

HERE, FAR, NET = "10.99.0.1", "10.99.0.2", "10.99.0.0/24"
MTU, QUEUE = 1400, 400
TUNSETIFF, IFF_TUN_NO_PI = 0x400454ca, 0x1001

FLOOD, FLOOD_SIZE = 16000, 1000  # more than the kernel's buffers of all connections hold
QUEUES_KIB = 4096                # what may wait in the relay for one slow caller, and then some
FIRST_TOKEN_MS = 1500
MODELS = {
    "far": [("far", "mock:piece=40")],
    "paced": [("far", "mock:events=100,gap_ms=30")],
    "both": {"targets": [("far", "mock:piece=40,prompt=1"), ("near", "mock:piece=40,prompt=2")],
             "first_token_ms": FIRST_TOKEN_MS},
    "flood": [("near", f"mock:events={FLOOD},size={FLOOD_SIZE}")],
}


# ---- the line ----

class BadLine:
    """Both ends of a line, as network interfaces, and a process that carries packets from one to the other. Its state
    lies in shared memory: what is set counts from the next packet on."""

    FIELDS = ("delay_ms", "jitter_ms", "loss", "double", "bytes_s", "widest", "dead")

    def __init__(self):
        self.state = mmap.mmap(-1, 4096)
        self.guest = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        ours = os.readlink("/proc/self/ns/net")
        eventually(lambda: os.readlink(f"/proc/{self.guest.pid}/ns/net") != ours, 5)
        self.there = os.open(f"/proc/{self.guest.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.good()
        ends = [self.end("here", HERE), self.away(lambda: self.end("there", FAR))]
        self.carrier = os.fork()
        if self.carrier == 0:
            carry(self, ends)
        for fd in ends:
            os.close(fd)

    @staticmethod
    def end(name, address):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
        for words in ("link set lo up", f"addr add {address}/24 dev {name}", f"link set {name} mtu {MTU} up"):
            subprocess.run(["ip", *words.split()], check=True)
        return fd

    def away(self, work):
        """What `work` returns, done by a thread at the far end; what it opens or starts stays there."""
        told = []

        def go():
            try:
                os.setns(self.there, os.CLONE_NEWNET)
                told.append((work(), None))
            except BaseException as why:  # noqa: BLE001: raised again below
                told.append((None, why))

        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        if told[0][1] is not None:
            raise told[0][1]
        return told[0][0]

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("d", self.state, 8 * self.FIELDS.index(name), value)

    def get(self):
        return struct.unpack_from(f"{len(self.FIELDS)}d", self.state)

    def good(self):
        self.set(delay_ms=0, jitter_ms=0, loss=0, double=0, bytes_s=0, widest=0, dead=0)

    @contextlib.contextmanager
    def being(self, **values):
        self.set(**values)
        try:
            yield
        finally:
            self.good()

    def close(self):
        os.kill(self.carrier, 9)
        os.waitpid(self.carrier, 0)
        os.close(self.there)
        self.guest.kill()
        self.guest.wait()


def carry(line, ends):
    """Never returns. Packets wait in a heap by when they are due."""
    rng, waiting, free, count = random.Random(1), [], [0.0, 0.0], 0
    queued = [0, 0]
    while True:
        left = max(0, waiting[0][0] - time.monotonic()) if waiting else 1
        for fd in select.select(ends, [], [], left)[0]:
            packet, way = os.read(fd, 65536), ends.index(fd)
            delay, jitter, loss, double, bytes_s, widest, dead = line.get()
            # Only what leaves for the far end is too wide: a router on the way there, that does not say so.
            too_wide = widest and way == 0 and len(packet) > widest
            if dead or too_wide or rng.random() < loss or queued[way] >= QUEUE:
                continue
            now = time.monotonic()
            free[way] = max(now, free[way]) + (len(packet) / bytes_s if bytes_s else 0)
            for _ in range(2 if rng.random() < double else 1):
                due = free[way] + max(0, delay + rng.uniform(-jitter, jitter)) / 1e3
                count += 1
                queued[way] += 1
                heapq.heappush(waiting, (due, count, way, packet))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, way, packet = heapq.heappop(waiting)
            queued[way] -= 1
            with contextlib.suppress(OSError):
                os.write(ends[1 - way], packet)


# ---- who stands at its ends ----

class FarVendor(harness.Vendor):
    line = None

    def start(self):
        self.command[2] = f"{FAR}:{self.port}"
        self.line.away(super().start)


class Relay(harness.Relay):
    def start(self, wait=True):
        command = [harness.BIN / "lethed", "--config", self.config, "--state", self.state, "--key-file", self.key_file,
                   "--listen", f"0.0.0.0:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}",
                   "--relays", self.relays]
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL)
        self.wait_ready()


def config(value):
    for row in value["upstreams"]:
        if row["name"] == "far":
            row |= {"addresses": [FAR], "local": [NET]}


class FarCaller(Line):
    """A caller at the other end of the line."""

    def __init__(self, relay, line):
        super().__init__(relay)
        self.line = line

    def open(self):
        plain = self.line.away(lambda: socket.create_connection((HERE, self.port), timeout=self.timeout))
        self.socket = self.context.wrap_socket(plain, server_hostname="localhost")
        self.opened += 1
        return self


def words(number, length):
    rng = random.Random(number)
    return " ".join(f"w{rng.randrange(10 ** 6)}" for _ in range(length // 8))


def ask(line, model, text, stream=True):
    """The text of the answer, or what came instead."""
    answer = line.insist(CHAT, {"model": model, "messages": user(text), "stream": stream})
    if answer.status != 200:
        return f"{answer.status}"
    if not stream:
        return answer.json()["choices"][0]["message"]["content"]
    return answer.text() if answer.events()[-1] == "[DONE]" else "no end"


def right_bytes(relay, count, length):
    """So many callers, each with words of its own, as streams and as whole answers."""
    def one(line, number):
        text = words(number, length)
        equal(ask(line, "far", text, stream=number % 2 == 0), "You said: " + text)
    crowd(relay, count, one)


def whose(relay, text="hello"):
    """Who answers a caller of both, and after how many seconds."""
    caller = Line(relay).open()
    try:
        answer = caller.insist(CHAT, {"model": "both", "messages": user(text), "stream": True})
        equal([answer.status, answer.text(), answer.events()[-1]], [200, "You said: " + text, "[DONE]"])
        return answer.fields["x-lethe-target"].split("/")[0], answer.took
    finally:
        caller.close()


def resident_kib(relay):
    total = 0
    for pid in relay.pids()["lethe-relay"]:
        rows = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        total += sum(int(row.split()[1]) for row in rows if row.startswith("VmRSS:"))
    return total


# ---- the cases ----

def bad_lines(tap, relay, line):
    """F5."""
    with tap.case("200 ms and back, give or take half, 5 % lost, 2 % doubled, out of order: every byte is right"):
        with line.being(delay_ms=100, jitter_ms=50, loss=0.05, double=0.02):
            right_bytes(relay, 6, 4000)
    with tap.case("1 Mbit/s: every byte is right"):
        with line.being(bytes_s=125000, delay_ms=10):
            right_bytes(relay, 8, 12000)
    with tap.case("and the line that is good again is used as one: within 10 s there is an answer within 300 ms"):
        def soon():
            caller = Line(relay)
            answer = caller.insist(CHAT, {"model": "far", "messages": user("hello"), "stream": True})
            caller.close()
            equal(answer.text(), "You said: hello")
            return answer.took < 0.3
        eventually(soon, 10)


def collapse(tap, relay, line):
    """F6: the line to a caller is good until it is not."""
    caller = FarCaller(relay, line)
    with tap.case("a caller's line falls to 16 kB/s in the middle of a stream: its vendor stops, memory does not grow"):
        head = caller.begin(CHAT, {"model": "flood", "messages": user("go"), "stream": True})
        equal(head.status, 200)
        head.body = bytearray()
        while len(head.body) < 1 << 20:
            head.body += caller.chunk()
        before = resident_kib(relay)
        with line.being(bytes_s=16000):
            over = threading.Event()

            def read():
                while not over.is_set():
                    head.body += caller.chunk()

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            time.sleep(4)
            grown = resident_kib(relay) - before
            sent = [row for row in relay.vendors["near"].ledger() if row["events"] >= FLOOD]
            others = Line(relay)
            equal(ask(others, "both", "hello")[:9], "You said:")
            others.close()
            over.set()
        reader.join()
        print(f"# grown by {grown} KiB")
        holds(grown < QUEUES_KIB, f"grown by {grown} KiB")
        holds(not sent, "the vendor has sent everything")
    with tap.case("when it is good again the rest comes, and no byte is missing"):
        answer = caller.rest_of(head)
        texts = [c["choices"][0]["delta"].get("content") for c in answer.chunks() if c.get("choices")]
        texts = [text for text in texts if text]
        equal([len(texts), sum(map(len, texts)), answer.events()[-1]], [FLOOD, FLOOD * FLOOD_SIZE, "[DONE]"])
    caller.close()


def flap(tap, relay, line):
    """F39."""
    with tap.case("a line that is gone for two seconds cuts no stream"):
        caller = Line(relay)
        answer = caller.begin(CHAT, {"model": "paced", "messages": user("go"), "stream": True})
        for _ in range(20):
            answer.body += caller.chunk()
        with line.being(dead=1):
            time.sleep(2)
        caller.rest_of(answer)
        caller.close()
        texts = [c for c in answer.chunks() if c.get("choices") and c["choices"][0]["delta"].get("content")]
        equal([len(texts), answer.events()[-1]], [100, "[DONE]"])
    with tap.case("callers who come while it is gone are answered by the next target"):
        eventually(lambda: whose(relay)[0] == "far", 10)
        with line.being(dead=1):
            for _ in range(3):
                got, took = whose(relay)
                holds(got == "near" and took < 2 * FIRST_TOKEN_MS / 1e3, f"{got} after {took:.1f} s")
    with tap.case("and by the first again within 10 s when it is back"):
        eventually(lambda: whose(relay)[0] == "far", 10)


def narrow(tap, relay, line):
    """F39: path MTU. Nobody says that large packets do not arrive."""
    text = words(1, 20000)
    with tap.case("where large packets vanish a large prompt is answered by the next target"):
        eventually(lambda: whose(relay, text)[0] == "far", 10)
        with line.being(widest=600):
            got, took = whose(relay, text)
            holds(got == "near" and took < 3 * FIRST_TOKEN_MS / 1e3, f"{got} after {took:.1f} s")
    with tap.case("and by the first again within 10 s when they arrive"):
        eventually(lambda: whose(relay, text)[0] == "far", 10)


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or shutil.which("ip") is None:
        print("1..0 # SKIP needs root, /dev/net/tun and iproute2")
        return 77
    if "apart" not in sys.argv:
        os.execvp("unshare", ["unshare", "--net", sys.executable, __file__, "apart"])
    tap = Tap("a bad line")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    line = FarVendor.line = BadLine()
    near = harness.Vendor
    harness.Vendor = lambda folder, name, *rest, **more: {"far": FarVendor}.get(name, near)(folder, name, *rest, **more)
    try:
        settings = {"connect_ms": 2000, "breaker_open_ms": 500, "breaker_open_most_ms": 1000}
        with Relay(models=MODELS, vendors=("far", "near"), config=config, settings=settings) as relay:
            began = relay.pids()["lethe-relay"]
            bad_lines(tap, relay, line)
            collapse(tap, relay, line)
            flap(tap, relay, line)
            narrow(tap, relay, line)
            with tap.case("the relays are those that began"):
                equal(relay.pids()["lethe-relay"], began)
    finally:
        line.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
