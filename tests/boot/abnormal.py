#!/usr/bin/env python3
# time limit: 600 s
"""The canary proof for ends that nobody planned: roles that are killed with exchanges in their hands, memory that runs
out, a kernel that gives up, a machine that hangs until its watchdog bites, that is reset, switched off, or loses its power.
Nothing of what was said may stand in memory, on the disk, on the console or on the wire outside TLS afterwards; nor any
secret of a TLS connection that is closed, to a caller, to management or to the vendor.

prove.py kills every role by every signal (make prove-zero-log); here are those that hold most.
"""

import pathlib
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

import troubled  # noqa: E402
from capture import encrypted  # noqa: E402
from load import CHAT, Line, request, user  # noqa: E402
from search import Search, outside_state, tls_secrets  # noqa: E402
from stuck import get_stuck  # noqa: E402
from tap import Tap, eventually, holds  # noqa: E402

MODELS = {"chat": "mock-1", "slow": "mock:gap_ms=100,first_byte_ms=100,events=300"}
# The network role runs where it has something to ask for.
BOX_CONF = "address dhcp\n"
# lethed starts the first four, PID 1 the rest.
ROLES = ("lethe-relay", "lethe-keeper", "lethe-resolver", "lethe-admin", "lethed", "lethe-console", "lethe-network")
SOME = [("lethe-relay", signal.SIGKILL), ("lethe-relay", signal.SIGSEGV), ("lethe-keeper", signal.SIGKILL),
        ("lethed", signal.SIGKILL), ("lethe-network", signal.SIGKILL)]
EVERY = [(role, number) for role in ROLES for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)]
LEAVE_S, SOON_S, SERVES_S, MEMORY_MIB = 0.2, 1.0, 150, 320
STUCK_S = 15  # firmware/watchdog: fed every 10 s, bites after 60
PANIC_S = 10  # firmware/cmdline: panic=10
CONTROL_LEAST = 100


def in_hand(box, search, what):
    """Exchanges that are under way: a stream that goes on, one whose answer has not begun, half a request."""
    mark, lines = search.hunt.marker, [Line(box, timeout=20).open() for _ in range(3)]
    lines[0].send(CHAT, {"model": "slow", "messages": user(mark(f"streaming, {what}") * 50), "stream": True})
    holds(lines[0].head().status == 200, "no stream")
    lines[1].send(CHAT, {"model": "slow", "messages": user(mark(f"waiting, {what}") * 50)})
    half = request(CHAT, {"model": "chat", "messages": user(mark(f"half a request, {what}") * 200)}, box.key)
    lines[2].write(half[:len(half) // 2])
    time.sleep(0.3)
    return lines


def whole(box, search, what):
    """One exchange from its beginning to its end, on a connection that is closed then."""
    line = Line(box, timeout=20).open()
    marker = search.hunt.marker(what)
    answer = line.ask(CHAT, {"model": "chat", "messages": user(f"Remember {marker}.")})
    holds(answer.status == 200 and marker.encode() in answer.body, f"{answer.status} {answer.body[:200]}")
    line.close()


def serves_again(box, search, what):
    deadline = time.monotonic() + SERVES_S
    while True:
        try:
            box.wait_ready(SERVES_S)
            return whole(box, search, f"first after {what}")
        except (OSError, AssertionError, RuntimeError, EOFError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def left(box, search, lines, medium):
    """Memory a second after the last connection to the box and from it has closed; all their secrets are searched for."""
    for line in lines:
        line.close()
    time.sleep(LEAVE_S)
    search.secrets |= box.close_vendors() | box.closed_callers()
    time.sleep(SOON_S)
    return search.memory(box, medium)


def hurt(box, search, what, trouble):
    """Exchanges in hand, trouble, service again; then nothing may be there."""
    lines = in_hand(box, search, what)
    holds(trouble() > 0, "nobody was hit")
    serves_again(box, search, what)
    return left(box, search, lines, f"memory 1 s after {what}")


def killed(box, role, number):
    """Returns how many were hit, when a new one runs."""
    before = box.trouble(f"newest {role}")
    hit = box.trouble(f"kill {role} {int(number)}")
    eventually(lambda: box.trouble(f"newest {role}") > before, SERVES_S)
    return hit


def scenes(box, kills):
    for role, number in kills:
        yield f"{role} got {signal.Signals(number).name}", lambda r=role, n=number: killed(box, r, n)
    yield "memory ran out", lambda: box.trouble("eat")


def given_up(box, search):
    """The last thing a relay does is copying; what it copied is in its registers, and so in the kernel's memory."""
    lines = [Line(box, timeout=20).open() for _ in range(6)]
    text = request(CHAT, {"model": "chat", "messages": user(search.hunt.marker("given up") * 200)}, box.key)
    for number, line in enumerate(lines):
        line.write(text[:len(text) // 2 + number * 97])
    time.sleep(0.3)
    return left(box, search, lines, "memory 1 s after requests were given up")


def reset(box, search):
    """As a watchdog does it: nobody is asked, and memory keeps what it has until the kernel takes it."""
    lines = in_hand(box, search, "a reset")
    box.monitor.do("system_reset")
    serves_again(box, search, "a reset")
    return left(box, search, lines, "memory 1 s after it served again")


def judged(tap, search, name, act):
    with tap.case(f"{name}: nothing is left"):
        found = act()
        holds(not found, found[:20])


def panic(box, search):
    """The kernel's last words go to the console; the machine starts again ten seconds later."""
    lines = in_hand(box, search, "a panic")
    box.trouble("panic")
    box.wait_console("Kernel panic", SERVES_S)
    time.sleep(PANIC_S)
    serves_again(box, search, "a panic")
    return left(box, search, lines, "memory 1 s after it served again, from a panic")


def watchdog(box, search):
    """Nobody is left to feed it; it starts the machine again."""
    lines = in_hand(box, search, "the watchdog")
    began = len((box.dir / "console.log").read_bytes())
    holds(get_stuck(box) == 2, "not every processor stands still")
    time.sleep(STUCK_S)
    holds(len((box.dir / "console.log").read_bytes()) == began, "the machine goes on")
    serves_again(box, search, "the watchdog")
    holds(len((box.dir / "console.log").read_bytes()) > began, "the machine was not started again")
    return left(box, search, lines, "memory 1 s after it served again, from the watchdog")


def off(box, search):
    """As memory is when the machine would go dark: nobody holds a connection any more."""
    search.secrets |= box.close_vendors() | box.closed_callers()
    return search.memory(box, "memory at power-off")


def boxed(image):
    return troubled.Troubled(models=MODELS, boot="kernel", image=image, memory_mib=MEMORY_MIB, box_conf=BOX_CONF)


def go_through(tap, search, image, kills):
    with boxed(image) as box:
        judged(tap, search, "requests were given up and nobody came after", lambda: given_up(box, search))
        for name, trouble in scenes(box, kills):
            judged(tap, search, name, lambda n=name, t=trouble: hurt(box, search, n, t))
        judged(tap, search, "it was reset", lambda: reset(box, search))
        if kills is EVERY:
            judged(tap, search, "the watchdog bit", lambda: watchdog(box, search))
            judged(tap, search, "the kernel gave up", lambda: panic(box, search))
        with tap.case("it went down by its button"):
            whole(box, search, "last before the button")
            box.monitor.do("system_powerdown")
            box.wait_down()
        judged(tap, search, "memory when the power goes", lambda: off(box, search))
        box.cut_power()
        box.start()
        with tap.case("the power is cut, and it comes back"):
            lines = in_hand(box, search, "a power cut")
            box.cut_power()
            for line in lines:
                line.close()
            box.start()
            whole(box, search, "after the power cut")
            box.cut_power()
        kept(tap, search, box, image)


def kept(tap, search, box, image):
    """What stays of all that was played, and all starts of the machine."""
    disk, wires = box.dir / "disk.raw", box.of_all_starts("wire.pcap")
    search.secrets |= box.close_vendors() | box.closed_callers()
    with tap.case("the disk is as it was but for the state partition"):
        holds(outside_state(disk) == outside_state(image / "lethe.raw"), "the disk was written outside the state")
    judged(tap, search, "disk", lambda: search.file(disk, "disk"))
    for name, files in (("serial console", box.of_all_starts("console.log")), ("wire", wires)):
        for number, file in enumerate(files, 1):
            medium = f"{name}, start {number}"
            judged(tap, search, medium, lambda p=file, m=medium: search.file(p, m))
    with tap.case("the wire carried TLS, and beside it what a network needs alone"):
        encrypted(wires)


def control(search, image):
    """The programs that do not wipe, at a moment when nothing has made the kernel wipe for them: words and secrets of
    closed connections are found; and those of open ones, to a caller and to the vendor, which any programs hold."""
    with boxed(image) as box:
        lines = [Line(box, timeout=20).open() for _ in range(20)]
        for number, line in enumerate(lines):
            line.send(CHAT, {"model": "chat", "messages": user(search.hunt.marker(f"control {number}") * 20)})
        for line in lines:
            holds(line.answer().status == 200, "no answer")
        for line in lines[1:]:
            line.close()
        whole(box, search, "control, the last")
        wanted = {"closed": box.closed_callers(lines), "of the vendor": box.vendor_secrets(),
                  "open": tls_secrets(lines[0].context.keylog_filename)}
        search.secrets = {f"{side}: {name}": secret for side, rows in wanted.items() for name, secret in rows.items()}
        time.sleep(SOON_S)
        search.memory(box, "memory after 1 s")
    for side in wanted:
        holds(any(f" bytes of '{side}: " in row for row in search.hunt.hits), f"no secret {side} is found")


def main():
    tap, clean, found_out = Tap("abnormal"), Search(), Search()
    with tempfile.TemporaryDirectory(dir=TOP / "build") as scratch:
        image = troubled.make_image(pathlib.Path(scratch) / "clean")
        go_through(tap, clean, image, SOME)
        image = troubled.make_image(pathlib.Path(scratch) / "nowipe", TOP / "build/nowipe/bin")
        with tap.case("without wiping the same search finds words and secrets of closed connections"):
            control(found_out, image)
            holds(len(found_out.hunt.hits) > CONTROL_LEAST, f"{len(found_out.hunt.hits)}")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
