"""Streams as vendors have been seen to send them, regular and not, and what a caller of the relay gets for each.

A vendor may send what breaks the official clients (an event without data, id: and retry: fields). The relay must not
pass it on. What ends without its finish or without [DONE] is no whole answer, and the caller must see an error.
"""

import json


def chunk(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {"id": "chatcmpl-t1", "object": "chat.completion.chunk", "created": 1795000001, "model": "transcript",
            "choices": choices, **more}


def data(value, end="\n"):
    return "data: " + (value if isinstance(value, str) else json.dumps(value)) + end + end


def call(index, arguments, **first):
    function = ({"name": first["name"]} if "name" in first else {}) | {"arguments": arguments}
    head = {"id": first["id"], "type": "function"} if "id" in first else {}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


USAGE = {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14,
         "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
ROLE = data(chunk({"role": "assistant", "content": ""}))
HEL, LO = data(chunk({"content": "Hel"})), data(chunk({"content": "lo"}))
STOP = data(chunk({}, "stop"))
CALLED = data(chunk({}, "tool_calls"))
DONE = data("[DONE]")
SAYS = ROLE + HEL + LO
FIRST_CALL = {"role": "assistant", "content": None, **call(0, "", id="call_1", name="weather")}

# name: (the stream, what the caller gets). "text": the whole text; "error": an error, after "text".
STREAMS = {
    "text": (SAYS + STOP + data(chunk(usage=USAGE)) + DONE, {"text": "Hello", "usage": [12, 2, 14]}),
    "usage_in_finish": (SAYS + data(chunk({}, "stop", usage=USAGE)) + DONE, {"text": "Hello", "usage": [12, 2, 14]}),
    "comments": (": ping\n\n" + ROLE + ": ping\n" + HEL + ":\n\n" + LO + STOP + DONE, {"text": "Hello"}),
    "crlf": ((SAYS + STOP + DONE).replace("\n", "\r\n"), {"text": "Hello"}),
    "bare_event": (ROLE + "event: keepalive\n\n" + HEL + "event: keepalive\n\n" + LO + STOP + DONE, {"text": "Hello"}),
    "id": ("id: 1\n" + ROLE + ": ping\n\n" + HEL + ": ping\n\n" + LO + STOP + DONE, {"text": "Hello"}),
    "retry": ("retry: 3000\n\n" + SAYS + STOP + DONE, {"text": "Hello"}),
    "first_empty": (data(chunk(prompt_filter_results=[])) + SAYS + STOP + DONE, {"text": "Hello"}),
    "no_role": (HEL + LO + STOP + DONE, {"text": "Hello"}),
    "no_last_blank": (SAYS + STOP + "data: [DONE]\n", {"text": "Hello"}),
    "refusal": (data(chunk({"role": "assistant", "content": None, "refusal": ""})) +
                data(chunk({"refusal": "I cannot"})) + STOP + DONE, {"text": "", "refusal": "I cannot"}),
    "tools": (data(chunk(FIRST_CALL)) + data(chunk(call(0, '{"city":'))) + data(chunk(call(0, '"SH"}'))) +
              data(chunk(call(1, "{}", id="call_2", name="time"))) + CALLED + DONE,
              {"text": "", "calls": [["call_1", "weather", '{"city":"SH"}'], ["call_2", "time", "{}"]]}),
    "no_done": (SAYS + STOP, {"text": "Hello"}),
    "no_finish": (SAYS + DONE, {"text": "Hello", "error": True}),
    "error": (SAYS + data({"error": {"message": "overloaded", "type": "server_error", "param": None, "code": None}}),
              {"text": "Hello", "error": True}),
    "one_not_json": (SAYS + "data: {\"choices\": [\n\n" + STOP + DONE, {"text": "Hello"}),
    "not_json": (SAYS + "data: {\"choices\": [\n\n" * 2 + STOP + DONE, {"text": "Hello", "error": True}),
}


def models():
    """Aliases t_NAME (the stream whole) and c_NAME (in chunks of seven bytes)."""
    found = {}
    for name in STREAMS:
        found["t_" + name] = f"mock:fixture={name}"
        found["c_" + name] = f"mock:fixture={name},chunk=7"
    return found


def write(folder):
    for name, (stream, _) in STREAMS.items():
        (folder / f"{name}.sse").write_bytes(stream.encode())


def expectations():
    return {name: expected for name, (_, expected) in STREAMS.items()}
