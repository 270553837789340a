#!/usr/bin/env python3
# time limit: 240 s
"""The system fails the programs: every call of a kind in turn (F27), a disk that is full, broken or slow (F32), a wall
clock that jumps (F34). They serve on, or a role is replaced within its second, and the accounts hold.

The programs are those with sanitizers, since the sandbox of the others knows no tracer; failures are injected with
strace, and the clock is a shim that is preloaded in a mount namespace of this test's own. (That memory is refused, F26,
is tests/unit/relay/test_torture.c and tests/sim.)"""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, Cut, Line, user  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

SAN = pathlib.Path(os.environ.get("LETHE_SAN_BIN") or harness.ROOT / "build/san/bin")
HELLO = {"model": "chat", "messages": user("Good morning.")}
EVENTS = 40
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 18, 2
LONG = {"model": "long", "messages": user("Go on."), "stream": True}
# Every answer ends its connection, so that every call makes one.
MODELS = {"chat": "mock:close", "long": f"mock:events={EVENTS},gap_ms=50"}

# A call, how it fails, and every which one. What cannot be undone may end the role, which is replaced. (getrandom is no
# call where the kernel answers it in the process itself, and nothing can be injected.)
FAILURES = [("read", "ECONNRESET", 7), ("write", "EPIPE", 7), ("write", "ENOBUFS", 7), ("accept4", "ECONNABORTED", 3),
            ("accept4", "EMFILE", 7), ("connect", "ENETUNREACH", 3), ("socket", "EMFILE", 3),
            ("epoll_ctl", "ENOMEM", 5), ("setsockopt", "ENOPROTOOPT", 3)]

SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Nobody else in this mount namespace is meant. */
static int ours(void)
{
        static int known;
        char name[512] = "";
        if (known == 0)
                known = readlink("/proc/self/exe", name, sizeof name - 1) > 0 && strstr(name, "/lethe") ? 1 : -1;
        return known == 1;
}
static long shift(void)
{
        char text[32] = "";
        int fd = ours() ? (int)syscall(SYS_open, OFFSET_FILE, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
                return 0;
        long got = syscall(SYS_read, fd, text, sizeof text - 1);
        syscall(SYS_close, fd);
        return got > 0 ? atol(text) : 0;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
        int result = (int)syscall(SYS_clock_gettime, id, t);
        if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
                t->tv_sec += shift();
        return result;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
        struct timespec now;
        (void)zone;
        clock_gettime(CLOCK_REALTIME, &now);
        t->tv_sec = now.tv_sec;
        t->tv_usec = now.tv_nsec / 1000;
        return 0;
}
time_t time(time_t *out)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        if (out != NULL)
                *out = now.tv_sec;
        return now.tv_sec;
}
/* The sanitizer wants to be the first library. */
const char *__asan_default_options(void) { return "verify_asan_link_order=0"; }
"""


def served(relay, seconds=10.0):
    """Within so long somebody new is served."""
    def one():
        line = Line(relay, timeout=3)
        try:
            return line.insist(CHAT, HELLO).status == 200
        except (Cut, OSError):
            return False
        finally:
            line.close()
    eventually(one, seconds)


def status_with(relay, key):
    line = Line(relay, key=key)
    try:
        return line.insist(CHAT, HELLO).status
    finally:
        line.close()


def cpu_s(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def injected(pid, *what):
    """While the block runs that process's calls fail. `what`: as strace's -e inject=. Yields a list that holds, when
    the block is over, how many have."""
    calls, count = sorted({row.split(":")[0] for row in what}), []
    with tempfile.NamedTemporaryFile("r") as log:
        words = ["strace", "-f", "-qq", "-p", str(pid), "-o", log.name, "-e", f"trace={','.join(calls)}"]
        for row in what:
            words += ["-e", f"inject={row}"]
        tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        try:
            status = pathlib.Path(f"/proc/{pid}/status")
            eventually(lambda: f"TracerPid:\t{tracer.pid}\n" in status.read_text(), 5)
            yield count
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=20)
            count.append(log.read().count("(INJECTED)"))


# ---- F27 ----

def ask_many(relay, count, timeout=20):
    """Callers on fresh and on kept connections. Returns the statuses; 0 for an answer that was cut or never came."""
    told, line = [], Line(relay, timeout=timeout)
    for nth in range(count):
        try:
            if nth % 3 == 0:
                line.close()
            told.append(line.insist(CHAT, HELLO).status)
        except (Cut, OSError):
            told.append(0)
            line.close()
    line.close()
    return told


def call_fails(call, error, every):
    """A box of its own for each: what its callers seem to have done is held against no other's."""
    with harness.Relay(models=MODELS, relays=1, settings={"connect_ms": 2000, "handshake_ms": 2000}) as relay:
        ask_many(relay, 1)
        with injected(relay.pids()["lethe-relay"][0], f"{call}:error={error}:when=2+{every}") as count:
            told = ask_many(relay, 12, timeout=3)
        print(f"# {call} {error}: failed {count[0]} times; answers {told}")
        holds(count[0] > 0, "no call has failed")
        holds(set(told) <= {0, 200, 429, 500, 502, 503, 504}, told)
        served(relay)
        holds(relay.lethed.poll() is None, "the supervisor is gone")
        equal(set(ask_many(relay, 6)), {200})
        before = cpu_s(relay.pids()["lethe-relay"])
        time.sleep(0.6)
        spent = cpu_s(relay.pids()["lethe-relay"]) - before
        holds(spent < 0.15, f"{spent} s of CPU in 0.6 s of nothing to do")
        equal(relay.stop(), 0)
        text = relay.log.read_text()
        holds("runtime error" not in text and "AddressSanitizer" not in text, text[-2000:])


def calls_fail(tap):
    for call, error, every in FAILURES:
        with tap.case(f"{call} is {error}, again and again: an answer or its end, then all are served, nothing spins"):
            call_fails(call, error, every)


# ---- F32 ----

def export_now(relay):
    return relay.admin("POST", "/admin/v1/exports")[0]


def disk_fails(tap):
    with harness.Relay(models=MODELS, relays=1) as relay:
        asked = 0
        for what, rows in (("full", ["pwrite64:error=ENOSPC"]), ("broken", ["fsync:error=EIO"]),
                           ("read-only", ["pwrite64:error=EROFS"])):
            keeper = relay.pids()["lethe-keeper"][0]
            with tap.case(f"a disk that is {what}: no export, which is said, and callers are served"):
                seen = len(relay.log.read_text())
                with injected(keeper, *rows):
                    told = ask_many(relay, 10)
                    asked += 10
                    holds(export_now(relay) >= 500, "an export was made")
                    told += ask_many(relay, 10)
                    asked += 10
                equal(set(told), {200})
                said = relay.log.read_text()[seen:]
                holds("could not be written" in said, said)
            with tap.case(f"when it is no longer {what} the export is made, by the same keeper"):
                eventually(lambda: export_now(relay) < 300, 10)
                equal(relay.pids()["lethe-keeper"], [keeper])
        with tap.case("a disk that takes ten seconds to sync keeps no caller waiting"):
            with injected(relay.pids()["lethe-keeper"][0], "fsync:delay_enter=10s:when=1"):
                slow = threading.Thread(target=export_now, args=(relay,), daemon=True)
                slow.start()
                begun, line = time.monotonic(), Line(relay)
                for _ in range(20):
                    equal(line.insist(CHAT, HELLO).status, 200)
                    asked += 1
                waits = slow.is_alive()
                slow.join()
                took = time.monotonic() - begun
                line.close()
                holds(waits and took >= 10, f"callers {'before' if waits else 'behind'} an export of {took:.1f} s")
        with tap.case("in the end every exchange stands in one export, once"):
            relay.stop()
            exports = relay.export()
            equal(sum(e["totals"]["requests"] for e in exports), asked)
            equal([e["seq"] for e in exports], list(range(1, len(exports) + 1)))


# ---- F34 ----

JUMPS = [("two hours back", -7200), ("a day ahead", 86400), ("to 1970", None), ("a second back", -1)]


class Clock:
    """The wall clock of all that is called lethe, while this lasts."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lethe-clock-"))
        self.file = self.folder / "offset"
        self.set(0)
        source, library = self.folder / "shim.c", self.folder / "shim.so"
        source.write_text(SHIM)
        where = f'-DOFFSET_FILE="{self.file}"'
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", where, "-o", library, source], check=True)
        shutil.copytree("/etc", self.folder / "etc", symlinks=True)
        (self.folder / "etc/ld.so.preload").write_text(f"{library}\n")
        self.mount = ctypes.CDLL(None, use_errno=True)
        self.mount.mount(None, b"/", None, MS_PRIVATE | MS_REC, None)
        # In a chroot that cannot be asked for; it was when the root was entered.
        holds("shared:" not in pathlib.Path("/proc/self/mountinfo").read_text(), "this mount would be everybody's")
        if self.mount.mount(bytes(self.folder / "etc"), b"/etc", None, MS_BIND, None) != 0:
            raise OSError(ctypes.get_errno(), "mount")

    def set(self, offset):
        new = self.file.with_suffix(".new")
        new.write_text(f"{int(offset)}\n")
        new.replace(self.file)

    def jump(self, offset):
        self.set(-time.time() + 1000 if offset is None else offset)

    def end(self):
        self.mount.umount2(b"/etc", MNT_DETACH)
        shutil.rmtree(self.folder, ignore_errors=True)


def text_of(line, head):
    """The rest of a stream: the number of its texts, and whether it came to its end."""
    answer = line.rest_of(head)
    return [len([1 for c in answer.chunks() if c.get("choices") and c["choices"][0]["delta"].get("content")]),
            answer.events()[-1]]


def clock_jumps(tap, clock):
    """Before a vendor in plain text: of certificates a wrong clock cannot but be wrong."""
    in_an_hour = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    keys = {"test": {"project": "test"}, "hour": {"project": "test", "expires": in_an_hour}}
    asked = 0
    with harness.Relay(models=MODELS, relays=1, plain=True, keys=keys) as relay:
        equal(status_with(relay, relay.keys["hour"]), 200)
        asked += 1
        for what, offset in JUMPS:
            with tap.case(f"the clock jumps {what}, and back: a running stream and new callers do not notice"):
                running = Line(relay)
                head = running.begin(CHAT, LONG)
                head.body += running.chunk()
                clock.jump(offset)
                equal(set(ask_many(relay, 6)), {200})
                holds(export_now(relay) < 300, "no export")
                clock.set(0)
                equal(set(ask_many(relay, 3)), {200})
                equal(text_of(running, head), [EVENTS, "[DONE]"])
                running.close()
                asked += 10
        with tap.case("a key's end is the wall clock's: over a day ahead, good again afterwards"):
            clock.jump(86400)
            equal(status_with(relay, relay.keys["hour"]), 401)
            clock.set(0)
            equal(status_with(relay, relay.keys["hour"]), 200)
            asked += 1
        with tap.case("no breaker has opened over it"):
            ways = json.dumps(json.loads(relay.admin("GET", "/admin/v1/routes")[1]))
            holds('"open"' not in ways and '"half_open"' not in ways, ways[:1500])
        with tap.case("exports count up, no period is negative, and each exchange stands in one, once"):
            relay.stop()
            exports = relay.export()
            equal([e["seq"] for e in exports], list(range(1, len(exports) + 1)))
            equal(sum(e["totals"]["requests"] for e in exports), asked)
            holds(all(e["period"]["monotonic_ms"] >= 0 for e in exports), [e["period"] for e in exports])
    with tap.case("a box that wakes in 1970 does not serve, and says why"):
        with harness.Relay(models=MODELS, relays=1, plain=True, start=False) as relay:
            clock.jump(None)
            relay.start(wait=False)
            eventually(lambda: "the wall clock is before the build" in relay.log.read_text(), 10)
            clock.set(0)


def main():
    if os.geteuid() != 0 or shutil.which("strace") is None:
        print("1..0 # SKIP needs root and strace")
        return 77
    if "apart" not in sys.argv:
        again = [sys.executable, __file__, "apart", *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "unchanged", *again])
    tap = Tap("torture")
    with tempfile.TemporaryDirectory(prefix="lethe-san-") as copy:
        harness.BIN = pathlib.Path(copy) / "bin"
        shutil.copytree(SAN, harness.BIN)
        only = sys.argv[2:]
        if not only or "calls" in only:
            calls_fail(tap)
        if not only or "disk" in only:
            disk_fails(tap)
        if not only or "clock" in only:
            clock = Clock()
            try:
                clock_jumps(tap, clock)
            finally:
                clock.end()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
