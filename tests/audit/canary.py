#!/usr/bin/env python3
"""P1 and P2 on the release build: 1 s after the last byte, with connections to both sides still open, nothing of what
was said is in a page of any role, a file, a log, a metric, an admin answer or an export. The same on the build that
does not wipe must find it, or the search is worth nothing.

Markers are made of 12-byte blocks that all begin with the same four random letters: whoever holds any 16 bytes of a
marker holds these four, so one pass over memory finds every piece of every marker. Needs root: roles are not dumpable.
"""

import base64
import os
import pathlib
import random
import ssl
import string
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

import harness  # noqa: E402
from load import CHAT, EMBEDDINGS, Line, request, user  # noqa: E402
from tap import Tap, holds  # noqa: E402

RNG = random.SystemRandom()
BLOCK, BLOCKS, WINDOW, STEP = 12, 4, 16, 1 << 20
LARGEST_FILE = 64 << 20
PATIENCE_S = 60


def letters(count):
    return "".join(RNG.choice(string.ascii_lowercase) for _ in range(count))


class Form:
    """One way a text may stand in memory: the needle that any long enough piece contains, and whole markers."""

    def __init__(self, name, encode, prefix, unit=1.0):
        self.name, self.encode, self.needle = name, encode, self._needle(encode, prefix)
        self.least = int(WINDOW * unit)
        self.whole = {}

    @staticmethod
    def _needle(encode, prefix):
        """What the encodings of the prefix have in common, whatever follows it."""
        return os.path.commonprefix([encode(prefix + letter * BLOCK) for letter in string.ascii_lowercase])


def base64_at(alignment):
    def encode(text):
        coded = base64.b64encode(b"\0" * alignment + text.encode()).rstrip(b"=")
        return coded[(alignment * 4 + 2) // 3:-1]  # without the characters that share bits with a neighbour
    return encode


def forms(prefix):
    made = [Form("raw", str.encode, prefix), Form("upper case", lambda t: t.upper().encode(), prefix),
            Form("JSON-escaped", lambda t: "".join(f"\\u{ord(c):04x}" for c in t).encode(), prefix, 6),
            Form("JSON-escaped, upper", lambda t: "".join(f"\\u{ord(c):04X}" for c in t).encode(), prefix, 6),
            Form("hex", lambda t: t.encode().hex().encode(), prefix, 2),
            Form("hex, upper", lambda t: t.encode().hex().upper().encode(), prefix, 2),
            Form("UTF-16", lambda t: t.encode("utf-16-le"), prefix, 2),
            Form("UTF-32", lambda t: t.encode("utf-32-le"), prefix, 4)]
    return made + [Form(f"base64 at {a}", base64_at(a), prefix, 4 / 3 - 0.1) for a in range(3)]


class Hunt:
    def __init__(self):
        self.prefix, self.markers, self.hits = letters(4), {}, []
        self.forms, self.searched, self.short = forms(self.prefix), 0, []

    def marker(self, name):
        """A new marker, remembered by what it stands for."""
        text = "".join(self.prefix + letters(BLOCK - len(self.prefix)) for _ in range(BLOCKS))
        self.markers[name] = text
        for form in self.forms:
            form.whole[name] = form.encode(text)
        return text

    def _judge(self, form, data, at, where):
        """How much of which marker stands around data[at]."""
        best = (0, "")
        for name, whole in form.whole.items():
            offset = whole.find(form.needle)
            while offset >= 0:
                left = right = 0
                while left < offset and left < at and data[at - left - 1] == whole[offset - left - 1]:
                    left += 1
                while offset + right < len(whole) and at + right < len(data) and data[at + right] == whole[offset + right]:
                    right += 1
                best = max(best, (left + right, name))
                offset = whole.find(form.needle, offset + 1)
        row = f"{where}: {best[0]} bytes of {best[1]!r}, {form.name}"
        if best[0] >= form.least:
            self.hits.append(row)
        elif form.name == "raw" and best[0] > 6:
            self.short.append(row)

    def look(self, data, where):
        self.searched += len(data)
        for form in self.forms:
            at = data.find(form.needle)
            while at >= 0:
                self._judge(form, data, at, where if isinstance(where, str) else where(at))
                at = data.find(form.needle, at + len(form.needle))

    def process(self, role, pid):
        """Every readable page of a process. One that has ended since is no failure."""
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            rows = [row.split(None, 5) for row in maps]
            for row in rows:
                name = row[5].strip() if len(row) > 5 else "anonymous"
                if not row[1].startswith("r") or name in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                    continue
                start, stop = (int(word, 16) for word in row[0].split("-"))
                self._mapping(memory, start, stop, f"{role} {pid} {name} {row[1]}")

    def _mapping(self, memory, start, stop, name):
        tail = b""
        for at in range(start, stop, STEP):
            try:
                memory.seek(at)
                data = memory.read(min(STEP, stop - at))
            except OSError:  # secret memory: not even the kernel shows it
                tail = b""
                continue
            base = at - len(tail)
            self.look(tail + data, lambda k, b=base, n=name: f"{n} at {b + k:#x} (+{b + k - start:#x})")
            tail = data[-1024:]

    def shared(self, pid):
        """Shared memory that the supervisor holds without mapping it."""
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(fd).startswith("/memfd:"):
                    self.look(fd.read_bytes(), f"{os.readlink(fd)} of {pid}")
            except OSError:
                continue

    def files(self, since, *without):
        for top in {pathlib.Path("/tmp"), harness.ROOT / "build/run", pathlib.Path(os.environ.get("TMPDIR", "/tmp"))}:
            for folder, names, files in os.walk(top):
                if pathlib.Path(folder) in without:
                    names.clear()
                    continue
                for file in (pathlib.Path(folder, name) for name in files):
                    self._file(file, since, without)

    def _file(self, file, since, without):
        try:
            facts = file.lstat()
            if file in without or not file.is_file() or file.is_symlink() or facts.st_mtime < since - 1 \
                    or facts.st_size > LARGEST_FILE:
                return
            self.look(file.read_bytes(), f"file {file}")
        except OSError:
            pass


class Talk:
    """One relay, and everything that may be said to it, each thing with markers of its own."""

    def __init__(self, relay, hunt):
        self.relay, self.hunt, self.lines = relay, hunt, []

    def line(self):
        self.lines.append(Line(self.relay, timeout=20).open())
        return self.lines[-1]

    def begin(self, pieces):
        """One request; returns its line and its answer's head. A relay that is too busy refuses at a request's head, and
        closes when much more than that is sent: who reads the answer all the same comes again when it says."""
        until = time.monotonic() + PATIENCE_S
        while True:
            line = self.line()
            try:
                for piece in pieces:
                    line.write(piece)
            except (ConnectionError, ssl.SSLEOFError):
                pass  # closed while it was sent: why is there to be read
            answer = line.head()
            if answer.status != 503 or not line.rest_of(answer).busy() or time.monotonic() > until:
                return line, answer
            line.close()
            time.sleep(int(answer.fields["retry-after"]))

    def ask(self, what, model="chat", text="Remember {}.", status=200, path=CHAT, **more):
        """Says a new marker; the answer must have the status and, where it echoes, the marker."""
        fields = more.pop("fields", None)
        marker = self.hunt.marker(what)
        body = {"model": model, "messages": user(text.format(marker)), **more}
        answer = self.line().ask(path, body, fields=fields)
        holds(answer.status == status, f"{what}: {answer.status} {answer.body[:300]}")
        return marker, answer

    def plain(self):
        marker, answer = self.ask("prompt and answer")
        holds(marker.encode() in answer.body, "no echo")
        self.ask("prompt, escaped answer", "escaped")
        self.ask("long prompt", text="{0} " + "filler " * 20000 + "{0}")
        marker, answer = self.ask("restored address", text="Write to {}@kontor-nord.de, please.")
        holds(marker.encode() in answer.body, "not restored")
        marker = self.hunt.marker("only in a vendor's plain answer")
        self.raw("answer", 200, f'{{"id":"x","object":"chat.completion","choices":[{{"index":0,"message":'
                 f'{{"role":"assistant","content":"{marker}"}},"finish_reason":"stop"}}]}}')
        answer = self.line().ask(CHAT, {"model": "answer", "messages": user("Hi.")})
        holds(marker.encode() in answer.body, f"{answer.status} {answer.body}")
        answer = self.line().ask(EMBEDDINGS, {"model": "chat", "input": self.hunt.marker("embeddings input")})
        holds(answer.status == 200, f"{answer.status}")

    def streamed(self):
        marker, answer = self.ask("streamed prompt and answer", stream=True)
        holds(marker in answer.text(), "no echo")
        self.ask("streamed, escaped", "escaped", stream=True)
        marker, answer = self.ask("streamed, restored", text="Write to {}@kontor-nord.de, please.", stream=True)
        holds(marker in answer.text(), "not restored")
        self.ask("streamed, escaped, restored", "escaped", text="Write to {}@kontor-nord.de, please.", stream=True)
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
        for stream in (False, True):
            self.ask(f"tool arguments, stream {stream}", text="call the tool with {}", tools=tools, stream=stream)
            self.ask(f"tool arguments restored, stream {stream}", text="call the tool with {}@kontor-nord.de",
                     tools=tools, stream=stream)
        marker = self.hunt.marker("only in a vendor's stream")
        rows = [f'{{"id":"x","choices":[{{"index":0,"delta":{{"content":"{piece}"}},"finish_reason":{end}}}]}}'
                for piece, end in ((marker, "null"), ("", '"stop"'))]
        stream = "".join(f"data: {row}\n\n" for row in [*rows, "[DONE]"])
        (self.relay.dir / "streams/only.sse").write_text(stream)
        answer = self.line().ask(CHAT, {"model": "stream", "messages": user("Hi."), "stream": True})
        holds(marker in answer.text(), f"{answer.status} {answer.body}")

    def raw(self, name, status, body, fields=""):
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n{fields}"
        (self.relay.dir / "raws" / name).write_text(f"{head}Content-Length: {len(body)}\r\n\r\n{body}")

    def heads(self):
        mark = self.hunt.marker
        fields = {"X-Note": mark("header value"), "User-Agent": mark("agent"), mark("header name"): "1"}
        self.ask("prompt beside headers", fields=fields)
        self.raw("field", 200, '{"choices":[]}', f"x-note: {mark('vendor header')}\r\n")
        self.line().ask(CHAT, {"model": "field", "messages": user("Hi.")})
        self.line().ask(f"/v1/{mark('path')}?q={mark('query')}")
        stranger = Line(self.relay, key=mark("wrong key")).open()
        self.lines.append(stranger)
        holds(stranger.ask(CHAT, {"model": "chat", "messages": user(mark("prompt, wrong key"))}).status == 401, "no 401")

    def faults(self):
        for status in (400, 401, 404, 429, 500):
            self.ask(f"vendor's error {status}", f"error{status}", status={401: 502, 500: 502}.get(status, status))
        self.ask("model that is not there", self.hunt.marker("model name"), status=404)
        self.ask("vendor cuts the stream", "cut", stream=True)
        self.ask("vendor cuts the answer", "short", status=502)
        key = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----"
        self.ask("blocked by policy", text="My key is\n" + key + "\n", status=422)
        line = self.line()
        answer = line.ask(CHAT, b'{"model":"chat","messages":"%s' % self.hunt.marker("malformed").encode())
        holds(answer.status == 400, "malformed is not 400")
        head = {"X-Long": self.hunt.marker("too long a head") * 500}
        holds(self.line().ask(CHAT, {}, fields=head).status in (400, 431), "long head")

    def odd(self):
        """Pipelined, in chunks, abandoned in every phase."""
        mark, key = self.hunt.marker, self.relay.key
        body = [{"model": "chat", "messages": user(mark(f"pipelined {i}")), "stream": i == 1} for i in range(3)]
        line = self.line()
        line.write(b"".join(request(CHAT, each, key) for each in body))
        holds([line.answer().status for _ in body] == [200] * 3, "pipelined")
        line = self.line()
        text = request(CHAT, {"model": "chat", "messages": user(mark("in chunks"))}, key)
        head, _, whole = text.partition(b"\r\n\r\n")
        head = head.rpartition(b"\r\n")[0] + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.write(head + b"".join(b"1\r\n%c\r\n" % c for c in whole) + b"0\r\n\r\n")
        holds(line.answer().status == 200, "chunked")
        for part in ("head", "body"):
            line = Line(self.relay).open()
            text = request(CHAT, {"model": "chat", "messages": user(mark(f"given up in the {part}") * 9)}, key,
                           fields={"X-Note": mark(f"header, given up in the {part}")})
            line.write(text[:-40] if part == "body" else text[:text.index(b"\r\n\r\n")])
            time.sleep(0.1)
            line.reset()
        for stream in (True, False):
            line = Line(self.relay).open()
            line.send(CHAT, {"model": "slow", "messages": user(mark(f"abandoned, stream {stream}")), "stream": stream})
            time.sleep(0.3)
            line.reset()

    def large(self):
        """What grows, waits or stands in line: mappings that move, queues, a request behind another."""
        mark, key = self.hunt.marker, self.relay.key
        marker, filler = mark("2 MiB in chunks"), "filler " * 300000
        whole = request(CHAT, {"model": "chat", "messages": user(marker + filler + marker)}, key)
        head, _, body = whole.partition(b"\r\n\r\n")
        pieces = [body[at:at + 50000] for at in range(0, len(body), 50000)]
        line, answer = self.begin([head.rpartition(b"\r\n")[0] + b"\r\nTransfer-Encoding: chunked\r\n\r\n",
                                   *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"])
        holds(answer.status == 200, f"{answer.status} {answer.body[:300]}")
        holds(line.rest_of(answer).body.count(marker.encode()) == 2, "no echo")
        unread = {"model": "chat", "messages": user((mark("answer of which nobody reads more") + " ") * 60000)}
        line, answer = self.begin([request(CHAT, unread, key)])
        holds(answer.status == 200, f"{answer.status} {answer.body[:300]}")
        time.sleep(0.5)
        line.reset()
        line = Line(self.relay).open()
        line.write(request(CHAT, {"model": "slow", "messages": user("Hi."), "stream": True}, key) +
                   request(CHAT, {"model": "chat", "messages": user(mark("behind a running stream"))}, key))
        line.head()
        time.sleep(0.3)
        line.reset()
        tools = [{"type": "function", "function": {"name": "f", "description": mark("tool's description")}}]
        self.ask("many addresses", text="; ".join(f"{{0}}{n}@kontor-nord.de" for n in range(200)), tools=tools, stream=True)

    def warm_upstreams(self):
        """Connections from relays to the vendor that are open now."""
        port, count = f":{self.relay.vendor.port:04X}", 0
        for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            words = row.split()
            count += words[2].endswith(port) and words[3] == "01"
        return count


MODELS = {"chat": "mock-1", "escaped": "mock:escape=1", "cut": "mock:cut_after=20", "short": "mock:cut_after=60",
          "slow": "mock:gap_ms=100,first_byte_ms=100,events=100", "answer": "mock:raw=answer",
          "stream": "mock:fixture=only", "field": "mock:raw=field"}
MODELS |= {f"error{s}": f"mock:status={s},echo_prompt=1" for s in (400, 401, 404, 429, 500)}


def converse(hunt, tap=None):
    """Says everything, waits 1 s, looks everywhere. Returns the number of warm connections to the vendor."""
    since = time.time()
    with harness.Relay(models=MODELS, apart=[name for name in MODELS if name.startswith("error")]) as relay:
        talk = Talk(relay, hunt)
        for chapter in (talk.plain, talk.streamed, talk.heads, talk.faults, talk.odd, talk.large):
            if tap is None:
                chapter()
                continue
            with tap.case(f"said: {chapter.__name__}"):
                chapter()
        others = [talk.line() for _ in range(3)]  # memory is given back while other exchanges run
        for line in others:
            line.send(CHAT, {"model": "slow", "messages": user("Hi."), "stream": True})
            holds(line.head().status == 200, "no stream beside it")
        time.sleep(1.0)
        open_lines = sum(line.socket is not None for line in talk.lines)
        warm = talk.warm_upstreams()
        for role, pids in relay.pids().items():
            for pid in pids:
                hunt.process(role, pid)
        hunt.shared(relay.lethed.pid)
        for path in ("/metrics", "/admin/v1/status", "/readyz", "/healthz", "/"):
            hunt.look(relay.admin("GET", path)[1], f"admin {path}")
        for line in talk.lines:
            line.close()
        relay.stop()
        relay.export()
        own = [relay.vendor.record_file, relay.vendor.ledger_file, relay.dir / "raws", relay.dir / "streams"]
        hunt.files(since, *own)
        hunt.look(relay.state.read_bytes(), "state file")
        hunt.look(relay.logs().encode(), "logs")
        return open_lines, warm


def found(hunt):
    for row in hunt.short[:20]:
        print(f"# too short to count: {row}")
    for row in hunt.hits[:60]:
        print(f"# {row}")
    return len(hunt.hits)


def main():
    tap = Tap("canary")
    if os.geteuid() != 0:
        print("1..0 # SKIP pages of roles can be read by root only")
        return 77
    release, control = Hunt(), Hunt()
    harness.BIN = pathlib.Path(os.environ.get("LETHE_BIN") or harness.ROOT / "build/bin")
    with tap.case("the release build was asked everything"):
        lines, warm = converse(release, tap)
    with tap.case("connections to callers and to the vendor were still open when memory was searched"):
        holds(lines >= 10 and warm >= 1, f"{lines} callers, {warm} to the vendor")
    with tap.case(f"nothing of {len(release.markers)} markers is left anywhere"):
        holds(found(release) == 0, f"{len(release.hits)} pieces are left")
        holds(release.searched > 8 << 20, f"only {release.searched} bytes were searched")
    harness.BIN = pathlib.Path(os.environ.get("LETHE_NOWIPE_BIN") or harness.ROOT / "build/nowipe/bin")
    with tap.case("without wiping the same search finds markers in a relay's memory"):
        converse(control)
        holds(any(row.startswith("lethe-relay") for row in control.hits), f"found {len(control.hits)}")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
