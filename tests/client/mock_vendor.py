#!/usr/bin/env python3
"""The mock vendor by itself: what other tests conclude from it must be true of it."""

import calendar
import email.utils
import gzip
import http.client
import json
import pathlib
import signal
import statistics
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

    def raw(self, model, **more):
        """The bytes of a stream."""
        return self.ask(model, stream=True, stream_options={"include_usage": True}, **more)[1]

    def continued(self, model, given, **more):
        """Asks for the rest of an answer that begins with `given`."""
        said = [{"role": "user", "content": "one two three"}, {"role": "assistant", "content": given, **more}]
        body = {"model": model, "messages": said}
        status, text, _ = self.vendor.request("POST", "/v1/chat/completions", json.dumps(body), self.fields)
        return status, json.loads(text)

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


def limits(tap, c):
    """What a vendor says of its rate, in every form that is known of one."""
    def head(words):
        return c.ask(f"mock:status=429,{words}")[2]

    with tap.case("Retry-After: seconds, a half, nothing, nonsense"):
        equal(head("retry_after=2")["retry-after"], "2")
        equal(head("retry_after=2,after=fraction")["retry-after"], "2.5")
        for form, value in {"garbage": "soon", "negative": "-5", "huge": "1" + "0" * 30, "empty": "", "zero": "0"}.items():
            equal(head(f"after={form}")["retry-after"], value)
    with tap.case("Retry-After: three kinds of date, and one against a clock that is wrong"):
        for form, away in {"date": 20, "rfc850": 20, "asctime": 20, "past": -3600, "skewed": 20}.items():
            fields = head(f"retry_after=20,after={form}")
            said = fields["retry-after"] if form != "rfc850" else email.utils.format_datetime(
                email.utils.parsedate_to_datetime(fields["retry-after"]))
            apart = calendar.timegm(email.utils.parsedate(said)) - calendar.timegm(email.utils.parsedate(fields["date"]))
            holds(away - 1 <= apart <= away + 1, f"{form}: {apart}")
        clock = calendar.timegm(email.utils.parsedate(head("after=skewed")["date"]))
        holds(time.time() - 7205 < clock < time.time() - 7195, clock)
    with tap.case("milliseconds, text, and what is left of the limits"):
        equal(head("retry_after=1500,after=ms")["retry-after-ms"], "1500")
        equal(head("retry_after=1500,after=azure")["x-ms-retry-after-ms"], "1500")
        holds(b"try again in 1.5s" in c.ask("mock:status=429,retry_after=1,after=text")[1], "no text")
        got = c.ask("mock:limits,left=3,tokens_left=9,reset_ms=1500")[2]
        equal([got[f"x-ratelimit-{name}"] for name in ("remaining-requests", "remaining-tokens", "reset-requests")],
              ["3", "9", "1.5s"])
        equal(c.ask("mock:limits,reset_ms=361000")[2]["x-ratelimit-reset-tokens"], "6m1s")


DIALECTS = {
    "glm": lambda got: got["error"]["code"],
    "kimi": lambda got: got["error"]["type"],
    "qwen": lambda got: got["error"]["code"],
    "qianfan": lambda got: got["error"]["code"],
    "siliconflow": lambda got: str(got["code"]),
    "mistral": lambda got: str(got["code"]),
    "xai": lambda got: got["code"],
    "openrouter": lambda got: got["error"]["metadata"]["raw"],
    "gemini": lambda got: got[0]["error"]["status"],
    "vllm": lambda got: got["type"],
    "llamacpp": lambda got: got["error"]["type"],
}


def refusals(tap, c):
    with tap.case("errors in the forms of eleven vendors"):
        for vendor, code in DIALECTS.items():
            status, text, _ = c.ask(f"mock:status=429,code=1302,dialect={vendor}", stream=True)
            equal([vendor, status, code(json.loads(text))], [vendor, 429, "1302"])
        equal(json.loads(c.ask("mock:status=429,dialect=together")[1]), {"error": "The model name asked for this error."})
    with tap.case("errors that are no JSON, or an error with status 200, or in the middle of a stream"):
        status, text, head = c.ask("mock:status=502,body=html")
        equal([status, head["content-type"], text[:6]], [502, "text/html", b"<html>"])
        equal([c.ask(f"mock:status=500,body={kind}")[1] for kind in ("empty", "array")], [b"", b"[]"])
        for stream in (False, True):
            status, text, _ = c.ask("mock:status=200,code=slow_down", stream=stream)
            equal([status, json.loads(text)["error"]["code"]], [200, "slow_down"])
        equal(json.loads(c.events("mock:error_after=3,code=1305,dialect=glm")[-1])["error"]["code"], "1305")
    with tap.case("an error body that hardly ends comes as it is read, and is counted when it is not"):
        equal(len(c.ask("mock:status=500,body=endless,bytes=3000000")[1]), 3000000)
        k = http.client.HTTPConnection("127.0.0.1", c.vendor.port, timeout=10)
        k.request("POST", "/v1/chat/completions", json.dumps({"model": "mock:status=500,body=endless", "messages": [
            {"role": "user", "content": "x"}]}), c.fields)
        answer = k.getresponse()
        equal([answer.headers["content-length"], len(answer.read(100000))], ["1073741824", 100000])
        c.vendor.mark()
        k.close()
        c.ledger(status=500, cut_by="peer")
    with tap.case("a prompt that is too long"):
        status, text, _ = c.ask("mock:context=10", "x" * 41)
        got = json.loads(text)["error"]
        equal([status, got["code"], "10 tokens" in got["message"]], [400, "context_length_exceeded", True])
        equal(c.ask("mock:context=10", "x" * 40)[0], 200)
    with tap.case("an answer is continued, where and how the model allows it"):
        equal(c.continued("mock-1", "You said: one")[1]["choices"][0]["message"]["content"], " two three")
        c.ledger(prefilled=len("You said: one"))
        for form in ("prefix", "partial"):
            equal(c.continued(f"mock:prefill={form}", "You")[0], 400)
            equal(c.continued(f"mock:prefill={form}", "You", **{form: True})[0], 200)
        equal(c.continued("mock:prefill_again", "You said:")[1]["choices"][0]["message"]["content"], "You said: one two three")
        c.ledger(prefilled=len("You said:"))
        status, got = c.continued("mock:no_prefill", "You")
        equal([status, "prefill" in got["error"]["message"]], [400, True])
        whole = said(c.events("mock:events=9,size=7"))
        rest = {"model": "mock:events=9,size=7", "stream": True, "messages": [
            {"role": "user", "content": "x"}, {"role": "assistant", "content": whole[:20]}]}
        text = c.vendor.request("POST", "/v1/chat/completions", json.dumps(rest), c.fields)[1].decode()
        equal(said([row[6:] for row in text.split("\n") if row.startswith("data: ")]), whole[20:])


def odd_streams(tap, c):
    with tap.case("a wait before the first content, with head and role out at once"):
        k = http.client.HTTPConnection("127.0.0.1", c.vendor.port, timeout=10)
        began = time.monotonic()
        k.request("POST", "/v1/chat/completions", json.dumps({"model": "mock:first_token_ms=400", "stream": True,
                  "messages": [{"role": "user", "content": "x"}]}), c.fields)
        answer = k.getresponse()
        holds(b'"role"' in answer.readline() and time.monotonic() - began < 0.3, "the role waited")
        answer.readline(), answer.readline()
        holds(0.35 < time.monotonic() - began < 1, "the content did not")
        answer.read()
        k.close()
    with tap.case("an event that is no JSON, beside the others or in place of one"):
        rows = c.events("mock:garble_after=3,word", "one two three four")
        with raises(ValueError):
            json.loads(rows[3])
        equal(said(rows[:3] + rows[4:]), "You said: one two three four")
        rows = c.events("mock:garble_after=3,garble_lost,word", "one two three four")
        equal(said(rows[:3] + rows[4:]), "You said: two three four")
    with tap.case("silence that ends, silence full of comments"):
        with raises((http.client.HTTPException, OSError)):
            c.events("mock:stall_after=2,stall_ms=100")
        k = http.client.HTTPConnection("127.0.0.1", c.vendor.port, timeout=2)
        k.request("POST", "/v1/chat/completions", json.dumps({"model": "mock:stall_after=2,comments_only=20", "stream": True,
                  "messages": [{"role": "user", "content": "x"}]}), c.fields)
        rows = [k.getresponse().readline() for _ in range(1)]
        answer = k.sock.recv(1 << 16)
        holds(rows[0].startswith(b"data: "), rows)
        time.sleep(0.3)
        answer += k.sock.recv(1 << 16)
        holds(answer.count(b": keep-alive") > 5 and answer.count(b"data: ") <= 2, answer)
        k.close()
    with tap.case("byte by byte, with CR LF: the same stream"):
        equal(said(c.events("mock:drip=1,crlf", "ab")), "You said: ab")
        equal(c.raw("mock:drip=3,crlf").replace(b"mock:drip=3,crlf", b"M").split(b"\r\n\r\n")[-2], b"data: [DONE]")
    with tap.case("gzip, plain and in a stream"):
        status, text, head = c.ask("mock:gzip")
        equal([head["content-encoding"], json.loads(gzip.decompress(text))["object"]], ["gzip", "chat.completion"])
        rows = gzip.decompress(c.raw("mock:gzip")).decode().split("\n")
        equal([rows[0][:6], rows[-3]], ["data: ", "data: [DONE]"])
    with tap.case("too much of a line, an event, of comments, of events"):
        for kind, ends in {"line": b"xxx", "event": b"data: a\n"}.items():
            k = http.client.HTTPConnection("127.0.0.1", c.vendor.port, timeout=5)
            k.request("POST", "/v1/chat/completions", json.dumps({"model": f"mock:endless={kind},bytes=200000",
                      "stream": True, "messages": [{"role": "user", "content": "x"}]}), c.fields)
            with raises(http.client.IncompleteRead) as caught:
                k.getresponse().read()
            holds(len(caught[0].partial) > 199000 and caught[0].partial.endswith(ends), caught[0].partial[-20:])
            k.close()
        text = c.raw("mock:endless=comment,bytes=400000")
        equal([text.count(b": c\n"), b"[DONE]" in text], [100000, True])
        equal(len(said(c.events("mock:endless=tiny,events=50000"))), 50000)
        equal(c.raw("mock:comments=3,events=1").count(b": mock\n"), 3 * 5)
    with tap.case("NUL, a byte that is no UTF-8, a byte order mark, text behind the end"):
        holds(b"\0\"}" in c.raw("mock:nul"), "no NUL")
        holds(b"\xff\"}" in c.raw("mock:bad_utf8"), "no such byte")
        equal(c.raw("mock:bom")[:9], b"\xef\xbb\xbfdata: ")
        rows = c.raw("mock:after_done").split(b"data: [DONE]")
        holds(b"behind the end" in rows[1] and b"7777" in rows[1], rows)


def odd_usage(tap, c):
    def usages(words):
        rows = [json.loads(row[6:]) for row in c.raw(f"mock:{words}").decode().split("\n")
                if row.startswith("data: {")]
        return [row["usage"] for row in rows if row.get("usage")]

    with tap.case("usage: twice, growing, early, late"):
        equal([row["completion_tokens"] for row in usages("completion=40,usage=twice")], [20, 40])
        growing = [row["completion_tokens"] for row in usages("completion=40,usage=cumulative")]
        equal([growing[0], growing[-1], growing[-2] <= 40], [0, 40, True])
        equal(len(usages("usage=wrong")), 1)
        began = time.monotonic()
        usages("usage_ms=200")
        holds(time.monotonic() - began > 0.2, "at once")
    with tap.case("usage: numbers that are none"):
        for kind, value in {"negative": -5, "huge": 1 << 63, "string": "12", "fraction": 1.5, "null": None}.items():
            equal(usages(f"usage={kind}")[-1]["completion_tokens"], value)
    with tap.case("usage where Kimi and Groq have it too"):
        text = c.raw("mock:usage=choice").decode()
        holds('"finish_reason":"stop","usage":{' in text and text.count('"usage":{') == 2, text)
        holds('"x_groq":{"id":"req_mock","usage":{' in c.raw("mock:usage=x_groq").decode(), "not there")


def table(tap, v, c, secure):
    """Faults that come from a table, by key, by model, for all, for a time, by chance."""
    def set_rows(*rows, vendor=v):
        return vendor.request("POST", "/mock/faults", "\n".join(rows).encode())[0]

    with tap.case("rows by key, by model and for all; the whole table is replaced"):
        equal(set_rows("# a remark", f"key {v.key} status=503", "model mock-2 status=429"), 200)
        equal([c.ask("mock-1")[0], c.ask("mock-2")[0]], [503, 429])
        equal(v.request("GET", "/v1/models", None, c.fields)[0], 503)
        equal(set_rows("key sk-other status=503", "all status=500,times=2"), 200)
        equal([c.ask("mock-1")[0] for _ in range(3)], [500, 500, 200])
        equal(set_rows(), 200)
        equal(v.request("GET", "/v1/models", None, c.fields)[0], 200)
    with tap.case("a row nobody understands is refused by its number, and changes nothing"):
        equal(set_rows("all status=503"), 200)
        status, text, _ = v.request("POST", "/mock/faults", b"all delay_ms=1\nall nonsense=1")
        equal([status, json.loads(text)["line"], c.ask("mock-1")[0]], [400, 2, 503])
    with tap.case("a row for a time: down, then well"):
        set_rows("all status=503,for_ms=300", "model mock-2 status=429,from_ms=300")
        equal([c.ask("mock-1")[0], c.ask("mock-2")[0]], [503, 503])
        time.sleep(0.35)
        equal([c.ask("mock-1")[0], c.ask("mock-2")[0]], [200, 429])
    with tap.case("the file is read again at SIGHUP, by all workers"):
        set_rows(vendor=secure)
        d = Caller(secure)
        equal(d.ask("mock-1")[0], 200)
        secure.faults_file.write_text("all status=503\n")
        secure.process.send_signal(signal.SIGHUP)
        eventually(lambda: all(d.ask("mock-1")[0] == 503 for _ in range(6)))
        set_rows(vendor=secure)
        equal(d.ask("mock-1")[0], 200)
    with tap.case("by chance: so many of a hundred, and all four kinds of a mix"):
        set_rows("all percent=30,status=503")
        failed = sum(c.ask("mock-1")[0] == 503 for _ in range(300))
        holds(60 <= failed <= 120, failed)
        set_rows("all mix")
        kinds = set()
        for _ in range(60):
            try:
                status, text, _ = c.ask("mock-1", stream=True)
                kinds.add(status)
            except http.client.IncompleteRead:
                kinds.add("cut")
            except http.client.RemoteDisconnected:
                kinds.add("closed")
            except ConnectionResetError:
                kinds.add("reset")
        equal({str(kind) for kind in kinds}, {"429", "500", "reset", "cut"})
    with tap.case("by chance: waits with the median and the tail that were asked for"):
        set_rows("all lognormal=20:0.5,head_waits")
        waits = []
        for _ in range(41):
            began = time.monotonic()
            c.events("mock:huge=1")
            waits.append((time.monotonic() - began) * 1000)
        holds(14 <= statistics.median(waits) <= 32 and max(waits) > 1.5 * min(waits), sorted(waits))
        set_rows("all lognormal=4:0,tail_percent=50,tail_factor=20,head_waits")
        waits = []
        for _ in range(24):
            began = time.monotonic()
            c.events("mock:huge=1")
            waits.append((time.monotonic() - began) * 1000)
        holds(4 <= sum(wait > 70 for wait in waits) <= 20, sorted(waits))
        equal(set_rows("all lognormal=nothing"), 200)
        equal(c.ask("mock-1")[0], 404)
        set_rows()


def books(tap, v):
    """Which key an exchange came with."""
    with tap.case("exchanges are counted by key"):
        before = v.sums()["keys"]
        second = {"Authorization": "Bearer sk-second"}
        body = json.dumps({"model": "mock-1", "messages": [{"role": "user", "content": "x"}]})
        v.mark()
        equal(v.request("POST", "/v1/chat/completions", body, second)[0], 200)
        eventually(lambda: v.ledger() and v.ledger()[-1]["key"] == 2)
        after = v.sums()["keys"]
        equal(after[2], (before + [0, 0])[2] + 1)


def main():
    tap = Tap("mock vendor")
    with tempfile.TemporaryDirectory(prefix="lethe-mock-") as folder:
        folder = pathlib.Path(folder)
        subprocess.run([harness.ROOT / "scripts/run-certs.sh", folder / "certs"], check=True)
        v = harness.Vendor(folder, "plain", folder / "certs", "sk-plain", plain=True, more_keys=["sk-second"])
        (folder / "faults").write_text("# none yet\n")
        secure = harness.Vendor(folder, "tls", folder / "certs", "sk-tls", workers=2, extra=["--faults", folder / "faults"])
        secure.faults_file = folder / "faults"
        try:
            c = Caller(v)
            regular(tap, v, c)
            faults(tap, v, c)
            limits(tap, c)
            refusals(tap, c)
            odd_streams(tap, c)
            odd_usage(tap, c)
            table(tap, v, c, secure)
            books(tap, v)
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
