"""What is measured: each function drives one side once and returns its numbers."""

import re
import statistics
import subprocess
import threading
import time

from sides import LOAD, OTHER_CPUS, PROXY_CPUS, ROOT, Load, cpu_us, memory_kib, pinned

WORDS = ("report the and between quarter results of a because customers said Monday review it was January "
         "what we know about delivery times in the south remains unclear until next").split()
SMALL = "Say hello to jane.doe@example.com."
# Names of the bench -> model names of the mock vendor. `big` goes to a mock vendor of its own, where there is one.
GAP_MS, STREAMS = 4, 50
# What a side needs to give back what is left of handshakes and of those who went before.
SETTLE_S = 6
MODELS = {
    "chat": "mock-1",
    "paced": f"mock:events=1000,size=20,gap_ms={GAP_MS}",
    "echo": f"mock:piece=6,gap_ms={GAP_MS}",
    "held": "mock:events=1000000,size=20,gap_ms=1000",
    "flood": "mock:events=100000,size=20",
    "flood-full": "mock:events=1000000,size=20",
    "slow": "mock:events=300,size=20,gap_ms=10",
    "late": "mock:delay_ms=1500,huge=10",
    "big": "mock:huge=10",
}


def prose(length, values=()):
    """So many characters of plain sentences; the values stand in it at even distances."""
    text, n, values = [], 0, list(values)
    every = length // (len(values) + 1) if values else length + 1
    size, due = 0, every
    while size < length:
        n = n * 1664525 + 1013904223 & 0xffffffff
        word = WORDS[(n >> 16) % len(WORDS)]
        if values and size >= due:
            word, due = values.pop(0), due + every
        text.append(word)
        size += len(word) + 1
    return " ".join(text)[:length] if not values else " ".join(text)


PROMPT = prose(1500, ["jane.doe@example.com", "(212) 555-0175"])
# Some thousand pieces of six characters, with a value in every line.
MANY = "\n".join(prose(40) + f" person{i:03d}@example.com" for i in range(90))


def requests(side, seconds):
    """Saturated: keep-alive connections that ask again at once."""
    n = Load(side, side.body("chat", PROMPT), conns=32, seconds=seconds).go()
    return n | {"value": n["cpu_us"] / n["requests"], "per_second": n["requests"] / n["seconds"],
                "busy": n["cpu_us"] / n["seconds"] / 1e6}


def events(side, streams, model="paced", prompt=SMALL):
    """Many streams at once, each event on its own."""
    n = Load(side, side.body(model, prompt, stream=True), warm=side.body("chat", SMALL), conns=streams,
             requests=streams).go()
    return n | {"value": n["cpu_us"] / n["events"]}


def restored(side, streams):
    """The same with values to be put back."""
    return events(side, streams, "echo", MANY)


def new_connections(side, count, *how):
    n = Load(side, side.body("chat", SMALL), "fresh", *how, conns=4, requests=count).go()
    return n | {"value": n["cpu_us"] / n["requests"]}


def resumed(side, count):
    return new_connections(side, count, "resume")


def open_loop(side, rate, seconds):
    n = Load(side, side.body("chat", PROMPT), conns=32, rate=f"{rate:.1f}", seconds=seconds).go()
    return n | {"value": n["p99_us"], "rate": rate}


def idle_connections(side, count):
    time.sleep(SETTLE_S)
    before = memory_kib(side.pids())
    load = Load(side, side.body("chat", SMALL), "idle", conns=count)
    time.sleep(SETTLE_S)
    value = (memory_kib(side.pids()) - before) / count
    load.stop()
    return {"value": value, "connections": count}


def open_streams(side, count):
    time.sleep(SETTLE_S)
    before = memory_kib(side.pids())
    load = Load(side, side.body("held", SMALL, stream=True), "hold", conns=count)
    time.sleep(SETTLE_S)
    value = (memory_kib(side.pids()) - before) / count
    load.stop()
    return {"value": value, "streams": count}


def large_bodies(side, count, size):
    """Bodies that are all held at once while the vendor thinks."""
    load = Load(side, side.body("late", prose(size, ["jane.doe@example.com"] * 50)), warm=side.body("chat", SMALL),
                conns=count, requests=count)
    before, peak, over = memory_kib(side.pids()), 0, threading.Event()

    def watch():
        nonlocal peak
        while not over.is_set():
            peak = max(peak, memory_kib(side.pids()))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    n = load.go()
    over.set()
    watcher.join()
    allowed = 1.3 * count * size / 1024 + 96 * count + 16 * 1024
    return n | {"value": peak / allowed, "before_kib": before, "peak_kib": peak, "allowed_kib": allowed}


def one_stream(side, model, count):
    """CPU per event in the first tenth and in the last; what the relay's memory grew by between them."""
    pids, cpu, memory = side.pids(), [], []

    def marked(_):
        cpu.append(cpu_us(pids))
        memory.append(memory_kib(pids))

    load = Load(side, side.body(model, SMALL, stream=True), warm=side.body("chat", SMALL), conns=1, requests=1,
                mark=count // 10)
    start = cpu_us(pids)
    n = load.go(marked)
    first, last = (cpu[0] - start) / (count / 10), (cpu[9] - cpu[8]) / (count / 10)
    return n | {"value": last / first, "first_us": first, "last_us": last, "grown_kib": memory[9] - memory[0]}


def beside_a_body(side, size):
    """The largest gap of a paced stream, alone and while large bodies pass, in milliseconds."""
    stream = side.body("slow", SMALL, stream=True)
    warm = side.body("chat", SMALL)
    alone = Load(side, stream, warm=warm, conns=1, requests=1).go()
    body = side.body("big", prose(size, ["jane.doe@example.com"] * 50))
    paced = Load(side, stream, warm=warm, conns=1, requests=1)
    other = Load(side, body, warm=warm, conns=1, requests=3)
    thread = threading.Thread(target=lambda: (time.sleep(0.5), other.go()))
    thread.start()
    beside = paced.go()
    thread.join()
    gap = (beside["gap_max_us"] - alone["gap_max_us"]) / 1e3
    return {"value": gap, "alone_ms": alone["gap_max_us"] / 1e3, "beside_ms": beside["gap_max_us"] / 1e3,
            "alone_p99_ms": alone["gap_p99_us"] / 1e3, "beside_p99_ms": beside["gap_p99_us"] / 1e3}


def policy(_):
    """Rows of the policy's own bench: name -> megabytes a second, microseconds."""
    with pinned(PROXY_CPUS):
        text = subprocess.run([ROOT / "build/bench/bench_policy"], check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.findall(r"^(.+?)\s+([0-9.]+) MB/s\s+([0-9.]+) us", text, re.M)
    return {name: {"mb_per_s": float(mb), "us": float(us)} for name, mb, us in found}


def median(rows):
    return statistics.median(rows) if rows else None
