#!/usr/bin/env python3
"""The mock vendor by itself: what other tests conclude from it must be true of it."""

import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import harness
import transcripts
from tap import Tap, equal, eventually, holds, raises


class Caller:
    """Asks one vendor, each time on a connection of its own unless `kept` is given."""

    def __init__(self, vendor):
        self.vendor = vendor
        self.fields = {"Authorization": f"Bearer {vendor.key}"}

    def ask(self, model, words="Hello.", path="/v1/chat/completions", **more):
        body = {"model": model, "messages": [{"role": "user", "content": words}], **more}
        if path.endswith("embeddings"):
            body = {"model": model, **more}
        status, text, head = self.vendor.request("POST", path, json.dumps(body), self.fields)
        return status, text, head

    def events(self, model, words="Hello.", **more):
        text = self.ask(model, words, stream=True, **more)[1].decode()
        return [row[6:] for row in text.replace("\r\n", "\n").split("\n") if row.startswith("data: ")]

    def ledger(self, **want):
        def row():
            rows = self.vendor.ledger()
            return rows and rows[-1]
        got = eventually(row)
        equal({name: got[name] for name in want}, want)


def said(events):
    chunks = [json.loads(row) for row in events if row != "[DONE]"]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


def regular(tap, v, c):
    with tap.case("plain: echo and the formula of tokens"):
        v.mark()
        status, text, _ = c.ask("mock-1", "Good morning, 你好.")
        got = json.loads(text)
        equal([status, got["choices"][0]["message"]["content"]], [200, "You said: Good morning, 你好."])
        equal([got["usage"]["prompt_tokens"], got["usage"]["completion_tokens"]], [6, 8])
        c.ledger(kind="chat", status=200, complete=True, cut=False, prompt_tokens=6, completion_tokens=8)
    with tap.case("stream: role first, usage last and null before, [DONE]"):
        v.mark()
        rows = c.events("mock-1", stream_options={"include_usage": True})
        chunks = [json.loads(row) for row in rows[:-1]]
        equal(rows[-1], "[DONE]")
        equal(chunks[0]["choices"][0]["delta"]["role"], "assistant")
        equal([x["usage"] is None for x in chunks], [True] * (len(chunks) - 1) + [False])
        equal([chunks[-2]["choices"][0]["finish_reason"], chunks[-1]["choices"]], ["stop", []])
        c.ledger(kind="stream", complete=True, cut=False)
    with tap.case("no usage where none was asked for"):
        holds(not any("usage" in json.loads(row) for row in c.events("mock-1")[:-1]), "usage")
    with tap.case("a wrong key is 401, bad JSON and stray options are 400, unknown faults 404"):
        equal(v.request("GET", "/v1/models", None, {"Authorization": "Bearer x"})[0], 401)
        equal(v.request("POST", "/v1/chat/completions", b"{", c.fields)[0], 400)
        equal(c.ask("mock-1", stream_options={"include_usage": True})[0], 400)
        equal(c.ask("mock-1", n=2)[0], 400)
        equal(c.ask("mock:nonsense=1")[0], 404)
    with tap.case("a request in chunks, and two on one connection"):
        k = http.client.HTTPConnection("127.0.0.1", v.port, timeout=10)
        body = json.dumps({"model": "mock-1", "messages": [{"role": "user", "content": "x" * 5000}]}).encode()
        for _ in range(2):
            k.request("POST", "/v1/chat/completions", iter([body[:10], body[10:]]), c.fields, encode_chunked=True)
            equal(len(json.loads(k.getresponse().read())["choices"][0]["message"]["content"]), 5010)
        equal(v.received()[-1]["nth"], 2)
        k.close()
    with tap.case("the sums are those of the lines"):
        rows, sums = harness.json_lines(v.ledger_file), v.sums()
        equal(sums["exchanges"], len(rows))
        equal(sums["prompt_tokens"], sum(row["prompt_tokens"] for row in rows if row["complete"]))


def faults(tap, v, c):
    for model, first, count in (("mock:cut_after=3", 3, 3), ("mock:cut_after=3,reset", 3, 3)):
        with tap.case(f"{model} ends the connection mid-stream"):
            v.mark()
            with raises((http.client.HTTPException, ValueError, OSError)):
                c.events(model)
            c.ledger(complete=False, cut=True, cut_by="mock", events=count)
    with tap.case("a cut plain answer is shorter than it says"):
        with raises(http.client.IncompleteRead):
            c.ask("mock:cut_after=10")
    with tap.case("status, Retry-After, code, and what they quote"):
        status, text, head = c.ask("mock:status=429,retry_after=2,code=slow_down,echo_key", stream=True)
        equal([status, head["retry-after"], json.loads(text)["error"]["code"]], [429, "2", "slow_down"])
        holds(v.key in text.decode(), "the key is not quoted")
        equal(c.ask("mock:status:500/times:1")[0], 500)
        equal(c.ask("mock:status:500/times:1")[0], 200)
    with tap.case("waiting: before the head and between events"):
        start = time.monotonic()
        c.ask("mock:delay_ms=200")
        c.events("mock:events=10,gap_ms=20")
        holds(time.monotonic() - start > 0.4, "too fast")
    with tap.case("what is left out is left out"):
        holds(c.events("mock:nodone")[-1] != "[DONE]", "[DONE]")
        holds(not any('"finish_reason":"' in row for row in c.events("mock:nofinish")), "finish")
        equal(json.loads(c.events("mock:norole")[0])["choices"][0]["delta"], {"content": "Y"})
        rows = c.events("mock:error_event")
        equal(["error" in json.loads(rows[-1]), len(rows)], [True, 3])
    with tap.case("long streams, large pieces, every character escaped"):
        equal(len(said(c.events("mock:events=20000,size=7"))), 140000)
        equal(len(said(c.events("mock:huge=3000000"))), 3000000)
        equal(said(c.events("mock:escape,piece=1", "ü𝛑\"\\\n")), "You said: ü𝛑\"\\\n")
    with tap.case("transcripts and raw bytes are sent as they are"):
        transcripts.write(v.folder / "streams")
        (v.folder / "raws/odd").write_bytes(b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nhi")
        text = c.ask("mock:fixture=crlf,chunk=7", stream=True)[1].decode()
        equal(text, transcripts.STREAMS["crlf"][0])
        equal([c.ask("mock:raw=odd,chunk=1,gap_ms=1")[i] for i in (0, 1)], [299, b"hi"])
        equal(c.ask("mock:fixture=absent", stream=True)[0], 500)
    with tap.case("silence: stalled and hanging answers are cut by the peer"):
        for model in ("mock:stall_after=2", "mock:hang"):
            v.mark()
            k = http.client.HTTPConnection("127.0.0.1", v.port, timeout=0.3)
            body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "x"}]}
            with raises(OSError):
                k.request("POST", "/v1/chat/completions", json.dumps(body), c.fields)
                k.getresponse().read()
            k.close()
            c.ledger(cut=True, cut_by="peer", complete=False)


def main():
    tap = Tap("mock vendor")
    with tempfile.TemporaryDirectory(prefix="lethe-mock-") as folder:
        folder = pathlib.Path(folder)
        subprocess.run([harness.ROOT / "scripts/run-certs.sh", folder / "certs"], check=True)
        v = harness.Vendor(folder, "plain", folder / "certs", "sk-plain", plain=True)
        secure = harness.Vendor(folder, "tls", folder / "certs", "sk-tls", workers=2)
        try:
            c = Caller(v)
            regular(tap, v, c)
            faults(tap, v, c)
            with tap.case("over TLS the same"):
                equal(said(Caller(secure).events("mock-1")), "You said: Hello.")
        finally:
            v.stop()
            secure.stop()
        with tap.case("it ends by itself when told to"):
            equal([v.process.returncode, secure.process.returncode], [0, 0])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
