#!/usr/bin/env python3
"""The official Python SDK against the real binaries over TLS."""

import sys

import sdk

sdk.enter_python()

import concurrent.futures  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import ssl  # noqa: E402

import openai  # noqa: E402

import scenario  # noqa: E402
import transcripts  # noqa: E402
from scenario import EMAIL, TOOLS  # noqa: E402
from tap import Tap, equal, eventually, holds, raises  # noqa: E402

PLACEHOLDER = re.compile(r"EMAILx[0-9A-HJKMNP-TV-Z]{8}")
PROMPT = f'Please write to {EMAIL}, twice: "{EMAIL}".'


def user(text):
    return [{"role": "user", "content": text}]


def text_of(stream):
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def client(relay, key=None):
    return openai.OpenAI(base_url=relay.base_url, api_key=key or relay.key, max_retries=0, timeout=30)


def chat(tap, relay, c):
    with tap.case("a plain chat is answered"):
        got = c.chat.completions.create(model="chat", messages=user("Good morning."))
        equal(got.choices[0].message.content, "You said: Good morning.")
        equal(got.choices[0].finish_reason, "stop")
        equal(got.object, "chat.completion")
    with tap.case("its usage is the vendor's"):
        got = c.chat.completions.create(model="accounted", messages=user("Good morning.")).usage
        equal([got.prompt_tokens, got.completion_tokens, got.total_tokens], [100, 48, 148])
        equal([got.prompt_tokens_details.cached_tokens, got.completion_tokens_details.reasoning_tokens], [30, 8])
    with tap.case("a stream is answered, event by event"):
        events = list(c.chat.completions.create(model="chat", messages=user("Good morning."), stream=True))
        equal(text_of(events), "You said: Good morning.")
        holds(len(events) > 5, f"only {len(events)} events")
        equal([e.choices[0].finish_reason for e in events if e.choices][-1], "stop")
        equal(len({e.id for e in events}), 1)
    with tap.case("the stream helper of the SDK accepts it"):
        with c.chat.completions.stream(model="chat", messages=user("Good morning.")) as stream:
            final = stream.get_final_completion()
        equal(final.choices[0].message.content, "You said: Good morning.")
    with tap.case("text of every script and level of escaping arrives as it was sent"):
        words = 'Grüße, 你好, 𝛑 "quoted" \\ back\\slash\n\ttab \u2028 end'
        equal(text_of(c.chat.completions.create(model="escaped", messages=user(words), stream=True)),
              "You said: " + words)
    with tap.case("twenty streams at once stay apart"):
        def one(i):
            words = f"Number {i}: write to person{i}@kontor-nord.de, please. " * 5
            return text_of(c.chat.completions.create(model="chat", messages=user(words), stream=True)) \
                == "You said: " + words
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            equal(list(pool.map(one, range(20))), [True] * 20)


def usage_option(tap, relay, c):
    def raw(**more):
        body = {"model": "chat", "messages": user("Count this."), "stream": True, **more}
        text = relay.request("POST", "/v1/chat/completions", body)[1].decode()
        return [row[6:] for row in text.split("\n") if row.startswith("data: ")]

    with tap.case("usage is asked of the vendor and hidden from a caller who did not ask"):
        relay.vendor.mark()
        rows = raw()
        sent = json.loads(relay.vendor.received()[-1]["body"])
        equal(sent["stream_options"]["include_usage"], True)
        equal(rows[-1], "[DONE]")
        chunks = [json.loads(row) for row in rows[:-1]]
        holds(all(e["choices"] for e in chunks), "a chunk without choices was passed on")
        holds(not any("usage" in e for e in chunks), "a usage member was passed on")
    with tap.case("an explicit no is a no"):
        chunks = [json.loads(row) for row in raw(stream_options={"include_usage": False})[:-1]]
        holds(not any(e.get("usage") for e in chunks), "usage was passed on")
    with tap.case("usage is there for a caller who asked"):
        relay.vendor.mark()
        events = list(c.chat.completions.create(model="chat", messages=user("Count this."), stream=True,
                                                stream_options={"include_usage": True}))
        equal(events[-1].choices, [])
        row = eventually(relay.vendor.ledger)[-1]
        equal([events[-1].usage.prompt_tokens, events[-1].usage.completion_tokens],
              [row["prompt_tokens"], row["completion_tokens"]])


def privacy(tap, relay, c):
    def vendor_saw():
        holds(EMAIL not in json.dumps(relay.vendor.received()), "the address reached the vendor")
        found = PLACEHOLDER.findall(relay.vendor.last_words())
        holds(found, f"no placeholder in {relay.vendor.last_words()!r}")
        equal(len(set(found)), 1)
        return found[0]

    with tap.case("an e-mail address is replaced before it leaves and put back in a plain answer"):
        relay.vendor.mark()
        got = c.chat.completions.create(model="chat", messages=user(PROMPT))
        equal(got.choices[0].message.content, "You said: " + PROMPT)
        first = vendor_saw()
    for model in ("chat", "escaped"):
        with tap.case(f"and put back in a stream that cuts the placeholder ({model})"):
            relay.vendor.mark()
            equal(text_of(c.chat.completions.create(model=model, messages=user(PROMPT), stream=True)),
                  "You said: " + PROMPT)
            equal(vendor_saw(), first)
    with tap.case("in parts of a message and in system and earlier messages too"):
        relay.vendor.mark()
        parts = [{"type": "text", "text": "Ask "}, {"type": "text", "text": EMAIL}]
        got = c.chat.completions.create(model="chat", messages=[
            {"role": "system", "content": f"You work for {EMAIL}."}, {"role": "user", "content": parts}])
        equal(got.choices[0].message.content, f"You said: Ask {EMAIL}")
        vendor_saw()
    with tap.case("in embeddings"):
        relay.vendor.mark()
        c.embeddings.create(model="embed", input=[PROMPT])
        holds(EMAIL not in json.dumps(relay.vendor.received()), "the address reached the vendor")
    with tap.case("a private key is refused, naming what it is and not what it says"):
        relay.vendor.mark()
        with raises(openai.UnprocessableEntityError, code="pii_blocked") as caught:
            c.chat.completions.create(model="chat", messages=user("Use this: " + scenario.pem()))
        holds("PRIVATE_KEY" in str(caught[0]), str(caught[0]))
        holds("MIIE" not in str(caught[0]), "the refusal quotes the key")
        equal(relay.vendor.received(), [])
    with tap.case("the vendor sees its own key and nothing that tells the caller"):
        relay.vendor.mark()
        c.chat.completions.create(model="chat", messages=user("Hello."), user="ana", extra_headers={
            "OpenAI-Organization": "org-lopez", "X-Forwarded-For": "10.9.8.7", "Cookie": "a=b"})
        head = relay.vendor.received()[-1]["head"].lower()
        holds(f"authorization: bearer {relay.vendor.key}" in head, "the vendor's key is missing")
        for word in (relay.key.lower(), "stainless", "openai/python", "org-lopez", "10.9.8.7", "cookie"):
            holds(word not in head, f"{word} was forwarded")


def tools(tap, relay, c):
    words = f'call the tools for "{EMAIL}"'
    with tap.case("tool calls are answered, placeholders inside their arguments put back"):
        got = c.chat.completions.create(model="chat", messages=user(words), tools=TOOLS)
        equal(got.choices[0].finish_reason, "tool_calls")
        calls = got.choices[0].message.tool_calls
        equal([x.function.name for x in calls], ["lookup", "second"])
        equal([json.loads(x.function.arguments) for x in calls], [{"text": words}] * 2)
    for model in ("chat", "escaped"):
        with tap.case(f"and streamed ({model})"):
            with c.chat.completions.stream(model=model, messages=user(words), tools=TOOLS) as stream:
                calls = stream.get_final_completion().choices[0].message.tool_calls
            equal([x.function.name for x in calls], ["lookup", "second"])
            equal([json.loads(x.function.arguments) for x in calls], [{"text": words}] * 2)
    with tap.case("a tool's result goes back, and its answer comes"):
        asked = c.chat.completions.create(model="chat", messages=user(words), tools=TOOLS).choices[0].message
        results = [{"role": "tool", "tool_call_id": x.id, "content": f"{EMAIL} is known"} for x in asked.tool_calls]
        got = c.chat.completions.create(model="chat", tools=TOOLS, messages=[
            *user(words), asked.model_dump(exclude_none=True), *results])
        equal(got.choices[0].message.content, f"The tool said: {EMAIL} is known")


def embeddings(tap, relay, c):
    with tap.case("embeddings come as floats, and the same in base64"):
        floats = c.embeddings.create(model="embed", input="A sentence.", encoding_format="float")
        packed = c.embeddings.create(model="embed", input="A sentence.")
        equal(packed.data[0].embedding, floats.data[0].embedding)
        equal(len(floats.data[0].embedding), 8)
        equal(floats.usage.prompt_tokens, 3)
    with tap.case("many inputs keep their order"):
        got = c.embeddings.create(model="embed", input=["one", "two", "three"], dimensions=3)
        equal([row.index for row in got.data], [0, 1, 2])
        equal(got.data[1].embedding, c.embeddings.create(model="embed", input="two", dimensions=3).data[0].embedding)


def models(tap, relay, c):
    with tap.case("the list of models is that of the configuration"):
        equal(sorted(m.id for m in c.models.list()), sorted(relay.models))
    with tap.case("a narrow key sees only its own"):
        equal([m.id for m in client(relay, relay.keys["narrow"]).models.list()], ["embed"])


def refusals(tap, relay, c):
    relay.vendor.mark()

    def ask(kind, model="chat", key=None, words="Hello.", **attributes):
        with raises(kind, **attributes) as caught:
            client(relay, key).chat.completions.create(model=model, messages=user(words))
        return caught[0]

    with tap.case("an unknown key is 401"):
        ask(openai.AuthenticationError, key=relay.key[:-4] + "0000", code="invalid_api_key")
        ask(openai.AuthenticationError, key="sk-somebody-elses")
    with tap.case("an expired key is 401"):
        ask(openai.AuthenticationError, key=relay.keys["expired"])
    with tap.case("a key without the right is 403"):
        ask(openai.PermissionDeniedError, key=relay.keys["narrow"])
    with tap.case("an unknown model is 404"):
        ask(openai.NotFoundError, model="nobody", code="model_not_found")
    with tap.case("a body too large is 413"):
        got = ask(openai.APIStatusError, words="x" * (scenario.BODY_BYTES + 1000))
        equal(got.status_code, 413)
    deep = '{"model":"chat","messages":[' + "[" * 64 + "]" * 64 + "]}"
    bad = {"cut off": b'{"model":"chat",', "a duplicate key": b'{"model":"chat","model":"chat","messages":[]}',
           "no UTF-8": b'{"model":"chat","messages":[{"role":"user","content":"\xff"}]}',
           "too deep": deep.encode(), "a lone surrogate": b'{"model":"chat","messages":["\\ud800"]}', "empty": b""}
    for name, body in bad.items():
        with tap.case(f"JSON that is {name} is 400 in the vendor's shape"):
            status, text, _ = relay.request("POST", "/v1/chat/completions", body)
            equal(status, 400)
            equal(sorted(json.loads(text)["error"]), ["code", "message", "param", "type"])
    with tap.case("nothing of all this reached the vendor"):
        equal(relay.vendor.received(), [])
    with tap.case("a fault of the caller's own making keeps the vendor's message and code"):
        got = ask(openai.BadRequestError, model="too_long", code="context_length_exceeded")
        holds("The model name asked for this error." in str(got), str(got))
    with tap.case("a placeholder in such a message is put back"):
        holds(EMAIL in str(ask(openai.BadRequestError, model="quoted", words=PROMPT)), "the address is not there")
    with tap.case("a vendor that refuses our key is no fault of the caller, and the key is not told"):
        got = ask(openai.APIStatusError, model="refused_key")
        holds(got.status_code >= 500, f"status {got.status_code}")
        holds(relay.vendor.key not in str(got), "the vendor's key was passed on")
    with tap.case("a vendor's failure is told in our words"):
        got = ask(openai.InternalServerError, model="failing")
        holds("asked for this error" not in str(got), str(got))
    with tap.case("a busy vendor is 429 with its Retry-After, capped or whole"):
        got = ask(openai.APIStatusError, model="busy")
        holds(got.status_code in (429, 503), f"status {got.status_code}")
        holds(int(got.response.headers["retry-after"]) > 0, "no Retry-After")
    with tap.case("an answer cut in its body is an error, not half an answer"):
        ask(openai.APIError, model="cut_plain")


def broken_streams(tap, relay, c):
    def broken(model):
        said = ""
        with raises(openai.APIError) as caught:
            for event in c.chat.completions.create(model=model, messages=user("Hello."), stream=True):
                said += event.choices[0].delta.content or "" if event.choices else ""
        return said, caught[0]

    with tap.case("a stream that is cut ends in an error after what was said"):
        said, error = broken("cut")
        holds(said and "You said: Hello.".startswith(said), f"said {said!r}")
        equal(error.code, "stream_interrupted")
    with tap.case("one without [DONE] is whole by its finish and the end of its message"):
        events = [e for e in c.chat.completions.create(model="no_done", messages=user("Hello."), stream=True) if e.choices]
        equal("".join(e.choices[0].delta.content or "" for e in events), "You said: Hello.")
    for model in ("error_event", "no_finish"):
        with tap.case(f"so does one with {model.replace('_', ' ')}"):
            broken(model)
    with tap.case("an error event is followed by no [DONE]"):
        text = relay.request("POST", "/v1/chat/completions",
                             {"model": "cut", "messages": user("Hello."), "stream": True})[1].decode()
        holds('"error"' in text and "[DONE]" not in text, text[-300:])


def abort(tap, relay, c):
    with tap.case("a caller who leaves mid-stream stops the vendor"):
        relay.vendor.mark()
        stream = c.chat.completions.create(model="paced", messages=user("Go on."), stream=True)
        for _, _ in zip(range(5), stream):
            pass
        stream.close()
        row = eventually(relay.vendor.ledger)[-1]
        equal([row["cut_by"], row["complete"]], ["peer", False])
        holds(row["events"] < 200, f"the vendor sent {row['events']} events")
    with tap.case("a caller who leaves before the answer stops the vendor too"):
        relay.vendor.mark()
        with raises(openai.APITimeoutError):
            c.with_options(timeout=0.5).chat.completions.create(model="slow", messages=user("Hello."))
        equal(eventually(relay.vendor.ledger)[-1]["cut_by"], "peer")


def streams_seen(tap, relay, c):
    """Transcripts of what vendors send, whole and in pieces."""
    for name, expected in transcripts.expectations().items():
        for prefix, how in (("t_", "at once"), ("c_", "in pieces")):
            with tap.case(f"stream '{name}' {how}"):
                one_stream(c, prefix + name, expected)


def one_stream(c, model, expected):
    said, refusal, calls, usage, error = "", "", {}, None, None
    try:
        for event in c.chat.completions.create(model=model, messages=user("Hello."), stream=True,
                                               stream_options={"include_usage": True}):
            usage = event.usage or usage
            for choice in event.choices:
                said += choice.delta.content or ""
                refusal += choice.delta.refusal or ""
                for x in choice.delta.tool_calls or []:
                    row = calls.setdefault(x.index, [x.id, x.function.name, ""])
                    row[2] += x.function.arguments or ""
    except openai.APIError as caught:
        error = caught
    equal(said, expected["text"])
    equal(error is not None, expected.get("error", False))
    equal(refusal, expected.get("refusal", ""))
    equal([calls[i] for i in sorted(calls)], expected.get("calls", []))
    if "usage" in expected:
        equal([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens], expected["usage"])


def wire(tap, relay, c):
    with tap.case("answers carry Server-Timing and a request id of our own"):
        raw = c.chat.completions.with_raw_response.create(model="chat", messages=user("Hello."))
        holds("server-timing" in raw.headers, str(raw.headers))
        holds("x-request-id" in raw.headers and "mock" not in raw.headers["x-request-id"], str(raw.headers))
    with tap.case("a vendor connection is used again"):
        relay.vendor.mark()
        for _ in range(3):
            c.chat.completions.create(model="chat", messages=user("Hello."))
        holds(max(row["nth"] for row in relay.vendor.received()) > 1, "three connections for three requests")
    with tap.case("only TLS 1.3 is spoken"):
        old = relay.tls()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        new = relay.tls()
        equal(handshake(relay, new), "TLSv1.3")
        with raises(ssl.SSLError):
            handshake(relay, old)


def handshake(relay, context):
    import socket
    with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as s:
        with context.wrap_socket(s, server_hostname="localhost") as t:
            return t.version()


def main():
    tap = Tap("openai python")
    with scenario.start() as relay:
        os.environ["SSL_CERT_FILE"] = str(relay.ca)
        c = client(relay)
        for part in (chat, usage_option, privacy, tools, embeddings, models, refusals, broken_streams, abort,
                     streams_seen, wire):
            part(tap, relay, c)
        if tap.bad:
            print("\n".join("# " + row for row in relay.logs().splitlines()[-60:]))
        with tap.case("lethed ends cleanly"):
            equal(relay.stop(), 0)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
