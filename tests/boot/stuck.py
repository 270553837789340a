"""A machine whose processors do nothing any more, and hear no interrupt: what a watchdog is for. Nothing inside a box can
bring that about (the kernel lets nobody stop PID 1), so it is done from outside, through QEMU's debugger (GDB's remote serial
protocol)."""

import re
import socket
import time

FLAGS, AT = 0x11, 0x10  # of x86-64's registers, in the protocol's order
INTERRUPTS = 1 << 9
TURN_FOR_EVER = "ebfe"  # jmp to itself
WAIT_S = 20


class Debugger:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(str(path))
        self.read = b""

    def close(self):
        self.socket.close()

    def _packet(self):
        while True:
            got = re.search(rb"\$([^#]*)#..", self.read)
            if got:
                self.read = self.read[got.end():]
                self.socket.sendall(b"+")
                return got.group(1).decode()
            more = self.socket.recv(4096)
            if not more:
                raise RuntimeError("the debugger has gone")
            self.read += more

    def send(self, words):
        self.socket.sendall(f"${words}#{sum(words.encode()) & 255:02x}".encode())

    def ask(self, words):
        self.send(words)
        return self._packet()

    def threads(self):
        """One for each processor."""
        found, more = [], self.ask("qfThreadInfo")
        while more.startswith("m"):
            found += more[1:].split(",")
            more = self.ask("qsThreadInfo")
        return found

    def do(self, words):
        answer = self.ask(words)
        if answer != "OK":
            raise RuntimeError(f"{words}: {answer}")


def get_stuck(box):
    """Each processor turns where it stands, for ever. Returns how many there are."""
    path = box.dir / "debugger"
    said = box.monitor.do("human-monitor-command", **{"command-line": f"gdbserver unix:{path},server=on,wait=off"})
    deadline = time.monotonic() + WAIT_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"no debugger: {said}")
        time.sleep(0.05)
    line = Debugger(path)
    try:
        line.ask("?")
        threads = line.threads()
        for thread in threads:
            line.do(f"Hg{thread}")
            at = int.from_bytes(bytes.fromhex(line.ask(f"p{AT:x}")), "little")
            flags = int.from_bytes(bytes.fromhex(line.ask(f"p{FLAGS:x}")), "little") & ~INTERRUPTS
            line.do(f"M{at:x},2:{TURN_FOR_EVER}")
            line.do(f"P{FLAGS:x}={flags.to_bytes(4, 'little').hex()}")
        line.send("D")
    finally:
        line.close()
    if not box.monitor.do("query-status")["running"]:
        box.monitor.do("cont")
    return len(threads)
