"""A caller that writes HTTP by hand, over TLS: what is hostile cannot be sent by a library."""

import json
import pathlib
import socket
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))

CHAT = "/v1/chat/completions"


class Cut(Exception):
    """The connection ended inside an answer, or before it."""


class Answer:
    def __init__(self, status, fields):
        self.status, self.fields, self.body, self.trailers, self.interim = status, fields, b"", {}, []

    def json(self):
        return json.loads(self.body)

    def code(self):
        """error.code of an error in the shape all OpenAI clients know, which is checked."""
        error = self.json()["error"]
        if sorted(error) != ["code", "message", "param", "type"] or not error["message"] or not error["type"]:
            raise AssertionError(f"not an error in the OpenAI shape: {self.body!r}")
        return error["code"]

    def events(self):
        return [row[6:] for row in self.body.decode().split("\n") if row.startswith("data: ")]


def fields_of(lines):
    return {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in lines)}


class Wire:
    def __init__(self, relay, timeout=10.0, receive_bytes=None, port=None):
        context = ssl.create_default_context(cafile=relay.ca)
        raw = socket.socket()
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.settimeout(timeout)
        raw.connect(("127.0.0.1", port or relay.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context.wrap_socket(raw, server_hostname="localhost")
        self.key, self.held = relay.key, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tls.close()

    def send(self, data, piece=None):
        """Each piece is a TLS record of its own, so the relay's parser is fed it alone."""
        step = piece or len(data)
        try:
            for at in range(0, len(data), step):
                self.tls.sendall(data[at:at + step])
        except OSError:  # refused already: the answer is there to be read
            pass

    def head(self, method, path, *lines, key=None):
        rows = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key or self.key}", *lines]
        return ("\r\n".join(rows) + "\r\n\r\n").encode()

    def ask(self, body, path=CHAT, *lines, key=None, chunked=None):
        """Sends one request; `body` bytes or an object. chunked: bytes in each chunk."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if chunked:
            pieces = [body[at:at + chunked] for at in range(0, len(body), chunked)]
            framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            self.send(self.head("POST", path, "Transfer-Encoding: chunked", *lines, key=key) + framed)
        else:
            self.send(self.head("POST", path, f"Content-Length: {len(body)}", *lines, key=key) + body)
        return self

    def more(self):
        try:
            got = self.tls.recv(65536)
        except ssl.SSLEOFError:
            got = b""
        except ConnectionError as fault:
            raise Cut(str(fault)) from fault
        if not got:
            raise Cut(f"after {self.held[:80]!r}")
        self.held += got

    def until(self, mark):
        while mark not in self.held:
            self.more()
        taken, _, self.held = self.held.partition(mark)
        return taken

    def exactly(self, count):
        while len(self.held) < count:
            self.more()
        taken, self.held = self.held[:count], self.held[count:]
        return taken

    def answer(self):
        interim = []
        while True:
            lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            version, _, rest = lines[0].partition(" ")
            if version != "HTTP/1.1":
                raise AssertionError(f"no answer: {lines[0]!r}")
            answer = Answer(int(rest[:3]), fields_of(lines[1:]))
            if answer.status >= 200:
                break
            interim.append(answer.status)
        answer.interim = interim
        if answer.fields.get("transfer-encoding") != "chunked":
            answer.body = self.exactly(int(answer.fields["content-length"]))
            return answer
        parts = []
        while size := int(self.until(b"\r\n"), 16):
            parts.append(self.exactly(size))
            if self.exactly(2) != b"\r\n":
                raise AssertionError("a chunk without its end")
        answer.body = b"".join(parts)
        while row := self.until(b"\r\n"):
            answer.trailers |= fields_of([row.decode()])
        return answer

    def ended(self, seconds=2.0):
        """True when the relay ends the connection without a further byte."""
        if self.held:
            return False
        self.tls.settimeout(seconds)
        try:
            return self.tls.recv(1) == b""
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        except (ssl.SSLError, ConnectionError):
            return True

    def usable(self):
        """True when the connection takes a further request and both sides still agree where it begins."""
        self.send(self.head("GET", "/v1/models"))
        try:
            return self.answer().status == 200 and not self.held
        except Cut:
            return False

    def leave(self):
        """No byte will follow from here."""
        try:
            socket.socket.shutdown(self.tls, socket.SHUT_WR)
        except OSError:
            pass


def said(model, words="Hello.", **more):
    return {"model": model, "messages": [{"role": "user", "content": words}], **more}
