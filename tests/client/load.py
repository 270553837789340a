"""Callers for tests that need many requests, or to hold a connection in an odd state: HTTP/1.1 over TLS by hand.

    line = Line(relay)               one caller's connection; opens by itself, obeys Connection: close
    line.ask(path, body)             one exchange -> Answer
    line.insist(path, body)          the same, and again while the relay is too busy for anybody; line.begin(): its head
    line.send(...), line.answer()    the same in two steps; line.head() and line.event() read as the bytes come
    crowd(relay, count, work)        `count` threads, each with a line of its own
"""

import json
import select
import socket
import ssl
import threading
import time

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"


class Cut(Exception):
    """The connection ended before the answer did."""


class Answer:
    def __init__(self, status, fields):
        self.status, self.fields = status, fields
        self.body, self.trailer, self.took = b"", {}, None

    def json(self):
        return json.loads(self.body)

    def busy(self):
        """The relay itself had no room for it, and asked no vendor."""
        return (self.status == 503 and int(self.fields.get("x-lethe-attempts", 0)) == 0
                and self.json()["error"]["code"] == "overloaded")

    def events(self):
        """The data of a stream's events."""
        return [row[6:] for row in self.body.decode().split("\n") if row.startswith("data: ")]

    def chunks(self):
        return [json.loads(row) for row in self.events() if row != "[DONE]"]

    def usage(self):
        """The vendor's usage as the caller sees it; None when it did not come."""
        if not self.fields.get("content-type", "").startswith("text/event-stream"):
            return self.json().get("usage")
        return next((c["usage"] for c in reversed(self.chunks()) if c.get("usage")), None)

    def text(self):
        return "".join(c["choices"][0]["delta"].get("content") or "" for c in self.chunks() if c.get("choices"))


def user(text):
    return [{"role": "user", "content": text}]


def request(path, body=None, key="", method=None, fields=None):
    """The bytes of a request. `body`: bytes, an object for JSON, or None."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    rows = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1", "Host: localhost"]
    rows += [f"Authorization: Bearer {key}"] if key else []
    rows += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body is not None else []
    rows += [f"{name}: {value}" for name, value in (fields or {}).items()]
    return "\r\n".join(rows).encode() + b"\r\n\r\n" + (body or b"")


class Line:
    def __init__(self, relay, key=None, timeout=60, context=None):
        self.port, self.key, self.timeout = relay.port, key or relay.key, timeout
        self.context = context or relay.tls()
        self.socket, self.rest, self.opened, self.closing, self.began = None, b"", 0, False, 0

    def open(self):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self.context.wrap_socket(plain, server_hostname="localhost")
        self.rest, self.closing = b"", False
        self.opened += 1
        return self

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def reset(self):
        """Leaves at once, by RST, as a killed program does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.close()

    def write(self, data):
        self.socket.sendall(data)

    def send(self, path, body=None, **more):
        if self.socket is None:
            self.open()
        self.write(request(path, body, self.key, **more))

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except (ssl.SSLError, ConnectionError) as why:
            raise Cut(str(why)) from why
        if not data:
            raise Cut("end of file")
        self.rest += data

    def _until(self, mark):
        while mark not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(mark)
        return head

    def _take(self, size):
        while len(self.rest) < size:
            self._more()
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece

    @staticmethod
    def _fields(rows):
        return {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}

    def head(self):
        while True:
            first, *rows = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(first.split(" ")[1])
            if status != 100:
                answer = Answer(status, self._fields(rows))
                self.closing = answer.fields.get("connection", "").lower() == "close"
                return answer

    def chunk(self):
        """The next chunk of a chunked answer; empty at its end, the trailer is then still to be read."""
        size = int(self._until(b"\r\n").split(b";")[0], 16)
        data = self._take(size)
        if size:
            self._take(2)
        return data

    def rest_of(self, answer):
        if answer.fields.get("transfer-encoding") == "chunked":
            while piece := self.chunk():
                answer.body += piece
            rows = []
            while row := self._until(b"\r\n"):
                rows.append(row.decode("latin-1"))
            answer.trailer = self._fields(rows)
        else:
            answer.body += self._take(int(answer.fields.get("content-length", 0)))
        if self.closing:
            self.close()
        return answer

    def answer(self):
        return self.rest_of(self.head())

    def ask(self, path, body=None, **more):
        self.send(path, body, **more)
        return self.answer()

    def begin(self, path, body=None, seconds=60, **more):
        """The head of an answer. Comes again as it is told to, so long: on a machine that its neighbours keep busy a
        relay refuses callers. Of a 503 that is left the body is read too."""
        until = time.monotonic() + seconds
        while True:
            if self.socket is not None and select.select([self.socket], [], [], 0)[0]:
                self.close()  # it has nothing to say now: it has been closed
            self.began = time.monotonic()
            self.send(path, body, **more)
            answer = self.head()
            if answer.status != 503 or not self.rest_of(answer).busy() or time.monotonic() > until:
                return answer
            self.close()
            time.sleep(int(answer.fields["retry-after"]))

    def insist(self, path, body=None, **more):
        """begin() and all that follows; `took` are the seconds of the last try alone."""
        answer = self.begin(path, body, **more)
        if answer.status != 503:
            self.rest_of(answer)
        answer.took = time.monotonic() - self.began
        return answer


def crowd(relay, count, work):
    """Runs work(line, number) in threads; what one raises is raised here. Returns what they returned."""
    results, faults = [None] * count, []

    def one(number):
        line = Line(relay, context=context)
        try:
            results[number] = work(line, number)
        except BaseException as why:  # noqa: BLE001: raised again below
            faults.append(why)
        finally:
            line.close()

    context = relay.tls()
    threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results
