#!/usr/bin/env python3
# time limit: 120 s
"""Every key of lethe.json does something: a case somewhere fails when the key is ignored. COVERED says which; those
that no other test has are here."""

import datetime
import re
import sys
import threading
import time

from wire import Cut, Wire, said

import harness
from tap import Tap, equal, holds

TREE = harness.ROOT / "tests"

# key -> where it is tried, and words of the case that fails without it
COVERED = {
    "lethe": ("fault/settings.py", "another language of the file is refused"),
    "hosts": ("fault/settings.py", "a Host that is not listed is 400"),
    "dns": ("fault/vendor_faults.py", "an address that DNS says is filtered like any other"),
    "balancers": ("fault/sources.py", "without a header nobody comes in"),
    "upstreams": ("fault/vendor_faults.py", "the pin of its key lets a vendor pass"),
    "models": ("fault/bad_input.py", "an unknown model 404"),
    "keys": ("fault/bad_input.py", "an unknown key"),
    "admin": ("fault/settings.py", "another admin's hash"),
    "settings": ("fault/timers.py", "keep-alive ends after idle_ms"),
    "upstreams.name": ("fault/vendor_faults.py", "comes from the second target after"),
    "upstreams.vendor": ("fault/settings.py", "an export names the vendor"),
    "upstreams.base_url": ("fault/settings.py", "the path of base_url stands before the call's"),
    "upstreams.ca": ("fault/vendor_faults.py", '"other_ca": "upstream_certificate"'),
    "upstreams.pins": ("fault/vendor_faults.py", '"other_pin": "upstream_certificate"'),
    "upstreams.addresses": ("fault/settings.py", "addresses are used, and DNS is not asked"),
    "upstreams.local": ("fault/vendor_faults.py", '"undeclared": "upstream_unreachable"'),
    "upstreams.credential": ("fault/vendor_faults.py", '"no_secret": "upstream_auth"'),
    "upstreams.plain_http": ("fault/settings.py", "plain_http reaches a vendor without TLS"),
    "upstreams.credentials": ("fault/routing.py", "the keys of a pool are used by their weights"),
    "upstreams.credentials.name": ("fault/routing.py", "the keys of a pool are used by their weights"),
    "upstreams.credentials.limit_group": ("fault/routing.py", "a limit group is told to wait as one"),
    "upstreams.credentials.weight": ("fault/routing.py", "the keys of a pool are used by their weights"),
    "upstreams.residency": ("fault/routing.py", "a model's residency passes over targets that are elsewhere"),
    "upstreams.proxy": ("fault/upstream_net.py", "a vendor behind a proxy is reached"),
    "upstreams.proxy.url": ("fault/upstream_net.py", "a proxy that is gone is 502"),
    "upstreams.proxy.addresses": ("fault/upstream_net.py", "the second address of a proxy is tried"),
    "upstreams.proxy.credential": ("fault/upstream_net.py", "a credential that is bound to another host"),
    "upstreams.health": ("fault/tuning.py", "asked by path while a breaker is open"),
    "upstreams.health.path": ("fault/tuning.py", "asked by path while a breaker is open"),
    "upstreams.health.every_ms": ("fault/tuning.py", "as often as every_ms says"),
    "models.name": ("fault/bad_input.py", "an unknown model 404"),
    "models.targets": ("fault/vendor_faults.py", "the third target is the last that is tried"),
    "models.targets.upstream": ("fault/vendor_faults.py", "comes from the second target after"),
    "models.targets.model": ("fault/settings.py", "the vendor hears its own name of the model"),
    "models.strategy": ("fault/routing.py", "cheapest: the lower price"),
    "models.sticky": ("fault/routing.py", "sticky: a prompt stays where it was"),
    "models.residency": ("fault/routing.py", "a model's residency passes over targets that are elsewhere"),
    "models.first_token_ms": ("fault/tuning.py", "first_token_ms: no content by then"),
    "models.hedge": ("fault/tuning.py", "hedge: a late request gets a second copy"),
    "models.hedge_ms": ("fault/tuning.py", "hedge: a late request gets a second copy"),
    "models.continuation": ("fault/failover.py", '"stream cut in the middle"'),
    "models.targets.weight": ("fault/routing.py", "weighted: by the weights of the targets"),
    "models.targets.price": ("fault/routing.py", "cheapest: the lower price"),
    "models.targets.price.input": ("fault/routing.py", "and what is read counts as well"),
    "models.targets.price.output": ("fault/routing.py", "cheapest: the lower price"),
    "models.targets.context_tokens": ("fault/routing.py", "goes to one with more context_tokens"),
    "models.targets.min_chars": ("fault/routing.py", "max_chars and min_chars"),
    "models.targets.max_chars": ("fault/routing.py", "max_chars and min_chars"),
    "models.targets.downgrade": ("fault/routing.py", "a lesser model comes last, wherever it stands"),
    "models.targets.prefill": ("fault/failover.py", '"stream cut in the middle"'),
    "keys.id": ("fault/settings.py", "a key's id and hash are both looked at"),
    "keys.hash": ("fault/settings.py", "a key's id and hash are both looked at"),
    "keys.project": ("fault/settings.py", "an export names the vendor"),
    "keys.models": ("fault/bad_input.py", "a key without the right is 403"),
    "keys.expires": ("fault/settings.py", "a key ends when it expires"),
    "keys.residency": ("fault/routing.py", "a key's residency too, and only for that key"),
    "keys.priority": ("fault/overload.py", "refuses keys of low priority"),
    "keys.downgrade": ("fault/routing.py", "without consent it never serves, with the key's it does"),
    "keys.hedge": ("fault/tuning.py", "hedge: a late request gets a second copy"),
    "admin.name": ("fault/settings.py", "two admins of one name are refused"),
    "admin.hash": ("fault/settings.py", "another admin's hash"),
    "settings.body_bytes": ("fault/bad_input.py", "a body too large is 413"),
    "settings.exchanges": ("fault/bad_input.py", "more exchanges than the process may have are 503"),
    "settings.connections": ("fault/settings.py", "a connection more than there may be waits"),
    "settings.key_exchanges": ("fault/bad_input.py", "a key with too many exchanges running is 429"),
    "settings.bodies_bytes": ("fault/bad_input.py", "more bytes of bodies than the process may hold are 503"),
    "settings.handshake_ms": ("fault/timers.py", "is cut after handshake_ms"),
    "settings.head_ms": ("fault/timers.py", "half a head is 408 after head_ms"),
    "settings.body_ms": ("fault/timers.py", "a body that does not come is 408 after body_ms"),
    "settings.connect_ms": ("fault/timers.py", "is 504 after connect_ms"),
    "settings.first_byte_ms": ("fault/timers.py", "a vendor without an answer is 504 after first_byte_ms"),
    "settings.gap_ms": ("fault/timers.py", "silence inside a stream ends it with an error event after gap_ms"),
    "settings.write_stall_ms": ("fault/timers.py", "a caller who takes nothing is cut after write_stall_ms"),
    "settings.idle_ms": ("fault/timers.py", "keep-alive ends after idle_ms"),
    "settings.stream_ms": ("fault/timers.py", "a stream longer than stream_ms ends"),
    "settings.drain_ms": ("fault/settings.py", "a retired generation is cut after drain_ms"),
    "settings.queue_ms": ("fault/tuning.py", "queue_ms: a vendor key that comes back in time is waited for"),
    "settings.prefer_ms": ("fault/tuning.py", "prefer_ms: so soon the preferred model is waited for"),
    "settings.comments_ms": ("fault/vendor_streams.py", "only_comments"),
    "settings.attempts": ("fault/tuning.py", "attempts: with one there is no second"),
    "settings.retry_percent": ("fault/tuning.py", "retry_percent: with none only ten a second"),
    "settings.breaker_calls": ("fault/tuning.py", "breaker_calls: so many are made"),
    "settings.breaker_percent": ("fault/tuning.py", "breaker_percent: half of the calls failed"),
    "settings.breaker_slow_percent": ("fault/tuning.py", "breaker_slow_percent: half of the calls were slow"),
    "settings.breaker_open_ms": ("fault/tuning.py", "breaker_open_ms: so long it stays open"),
    "settings.breaker_open_most_ms": ("fault/tuning.py", "breaker_open_most_ms: and never longer"),
    "settings.warm_connections": ("fault/upstream_net.py", "warm_connections {want}: after two calls"),
    "settings.source_connections": ("fault/sources.py", "source_connections bounds the connections of one source"),
    "settings.memory_bytes": ("fault/overload.py", "memory_bytes: a ledger that is 85 % full refuses"),
    "settings.source_handshakes": ("fault/sources.py", "beyond source_handshakes a source waits"),
    "settings.ping_ms": ("fault/vendor_streams.py", "signs of life behind it"),
}


def documented():
    """The keys that src/route says there are."""
    text = (harness.ROOT / "src/route/README.md").read_text()
    sections = {"## lethe.json": "", "### One of `upstreams`": "upstreams.", "### One of `models`": "models.",
                "### One of `keys`": "keys.", "### One of `admin`": "admin.", "#### One of `targets`": "models.targets.",
                "#### One of `credentials`": "upstreams.credentials.", "#### `proxy`": "upstreams.proxy.",
                "#### `health`": "upstreams.health."}
    found = set()
    for title, prefix in sections.items():
        part = re.split(r"\n##", text.split(f"\n{title}", 1)[1], maxsplit=1)[0]
        found |= {prefix + name for name in re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)}
    rows = re.findall(r"^SETTING\((\w+),", (harness.ROOT / "src/route/setting.def").read_text(), re.MULTILINE)
    # A price is so small that it has no table of its own there.
    return found | {f"settings.{row}" for row in rows} | {"models.targets.price.input", "models.targets.price.output"}


def understood():
    """Names of the keys that the program takes, wherever they stand."""
    text = "".join(file.read_text() for file in (harness.ROOT / "src/route").glob("catalog*.c"))
    lists = re.findall(r"\bknown\[\] = \{(.*?)\};", text, re.DOTALL)
    return {name for words in lists for name in re.findall(r'"(\w+)"', words)}


def table(tap):
    with tap.case("every key that is documented has its case, and no other is named or understood"):
        equal(sorted(documented() ^ COVERED.keys()), [])
        names = {key.rsplit(".")[-1] for key in documented() if not key.startswith("settings.")}
        equal(sorted(understood() ^ names), [])
    with tap.case("the cases are where the table says"):
        lost = [key for key, (file, words) in COVERED.items()
                if (TREE / file).read_text().count(words) < (2 if file == "fault/settings.py" else 1)]
        equal(lost, [])


def reloaded(relay, change):
    """Status of a reload after `change` of the configuration."""
    relay.change = change
    relay.write_config()
    return relay.reload()[0]


def status_of(relay, wire, *lines):
    wire.send(("GET /v1/models HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode())
    return wire.answer().status


def front(tap, relay):
    key = f"Authorization: Bearer {relay.key}"
    with tap.case("a Host that is not listed is 400, one that is may have a port and any case"), Wire(relay) as wire:
        for host in ("localhost", "LocalHost:1", "127.0.0.1:8443", "relay.example.org"):
            equal(status_of(relay, wire, f"Host: {host}", key), 200)
        equal(status_of(relay, wire, "Host: example.org", key), 400)
    with tap.case("a key's id and hash are both looked at"):
        def swapped(value):
            one, two = value["keys"]
            value["keys"] = [one | {"hash": two["hash"]}, two | {"hash": one["hash"]}]
        equal(reloaded(relay, swapped), 200)
        with Wire(relay) as wire:
            equal(status_of(relay, wire, "Host: localhost", key), 401)
        equal(reloaded(relay, config), 200)
        with Wire(relay) as wire:
            equal(status_of(relay, wire, "Host: localhost", key), 200)
    with tap.case("a key ends when it expires, also between two requests of a connection"):
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=3)

        def expiring(value):
            config(value)
            first, *rest = value["keys"]
            value["keys"] = [first | {"expires": end.strftime("%Y-%m-%dT%H:%M:%SZ")}, *rest]
        equal(reloaded(relay, expiring), 200)
        with Wire(relay) as wire:
            equal(status_of(relay, wire, "Host: localhost", key), 200)
            time.sleep(max(0, (end - datetime.datetime.now(datetime.UTC)).total_seconds()))
            equal(status_of(relay, wire, "Host: localhost", key), 401)
        equal(reloaded(relay, config), 200)


def vendors(tap, relay):
    one = relay.vendors["one"]
    with tap.case("the vendor hears its own name of the model, the caller's stays here"), Wire(relay) as wire:
        one.mark()
        equal(wire.ask(said("chat")).answer().status, 200)
        holds('"model":"mock-1"' in one.received()[-1]["body"].replace(" ", ""), one.received())
        holds('"chat"' not in one.received()[-1]["body"], one.received())
    with tap.case("the path of base_url stands before the call's, and its host and port are named"), Wire(relay) as wire:
        one.mark()
        wire.ask(said("pathless")).answer()
        head = one.received()[-1]["head"]
        holds(head.startswith("POST /other/v9/chat/completions HTTP/1.1"), head)
        holds(f"\nHost: {one.host}:{one.port}\r\n" in head, head)
    with tap.case("addresses are used, and DNS is not asked"), Wire(relay) as wire:
        # one.vendor.test is no name that any server knows.
        equal(wire.ask(said("chat")).answer().status, 200)
    with tap.case("plain_http reaches a vendor without TLS"):
        with harness.Relay(plain=True) as other, Wire(other) as wire:
            equal(wire.ask(said("chat")).answer().status, 200)
    with tap.case("another language of the file is refused, and nothing changes"):
        holds(reloaded(relay, lambda value: value.update(lethe="config/2")) != 200, "it was taken")
        holds(reloaded(relay, lambda value: value.update(note="for people")) == 200, "a note is refused")
        equal(reloaded(relay, config), 200)
    with tap.case("two admins of one name are refused"):
        holds(reloaded(relay, lambda value: value["admin"].append(value["admin"][0])) != 200, "it was taken")
        equal(reloaded(relay, config), 200)
    with Wire(relay) as wire:
        equal(wire.ask(said("elsewhere"), key=relay.keys["other"]).answer().status, 200)


def admin(tap, relay):
    with tap.case("another admin's hash lets this one in no more"):
        def other(value):
            config(value)
            value["admin"][0] = value["admin"][0] | {"hash": "00" * 32}
        equal(relay.admin("GET", "/admin/v1/status")[0], 200)
        equal(reloaded(relay, other), 200)
        status = None
        for _ in range(50):  # the admin role follows the new generation by itself
            status = relay.admin("GET", "/admin/v1/status")[0]
            if status == 401:
                break
            time.sleep(0.1)
        equal(status, 401)


def config(value):
    value["hosts"].append("relay.example.org")
    first = value["upstreams"][0]
    value["upstreams"].append(first | {"name": "odd", "base_url": first["base_url"].removesuffix("/v1") + "/other/v9"})
    value["models"].append({"name": "pathless", "targets": [{"upstream": "odd", "model": "mock-1"}]})
    for row in value["upstreams"]:
        row["vendor"] = "both"


def exports(tap, relay):
    with tap.case("an export names the vendor, not the upstream, and the key's project"):
        relay.stop()
        rows = [row for file in relay.export() for row in file["rows"] if row["reported_attempts"]]
        equal({row["vendor"] for row in rows}, {"both"})
        equal({(row["project"], row["model"]) for row in rows}, {("alpha", "chat"), ("beta", "elsewhere")})


def bounds(tap):
    models = {"chat": "mock-1", "endless": "mock:events=1000,gap_ms=50"}
    with harness.Relay(models=models, settings={"connections": 2, "drain_ms": 800}, relays=1) as relay:
        with tap.case("a connection more than there may be waits until one ends"), Wire(relay) as first, Wire(relay) as second:
            served = threading.Event()

            def third():
                with Wire(relay) as wire:
                    if wire.ask(said("chat")).answer().status == 200:
                        served.set()
            thread = threading.Thread(target=third, daemon=True)
            thread.start()
            holds(not served.wait(0.6), "it was served at once")
            equal([wire.ask(said("chat")).answer().status for wire in (first, second)], [200, 200])
            first.tls.close()
            holds(served.wait(5), "it is not served")
            thread.join()
        with tap.case("a retired generation is cut after drain_ms"), Wire(relay) as wire:
            wire.ask(said("endless", stream=True))
            wire.until(b"data: ")
            began = time.monotonic()
            equal(relay.reload()[0], 200)
            try:
                wire.answer()
            except (Cut, AssertionError):
                pass
            took = time.monotonic() - began
            holds(0.7 <= took <= 3, f"it went on for {took:.1f} s")
            with Wire(relay) as after:
                equal(after.ask(said("chat")).answer().status, 200)


def main():
    tap = Tap("settings")
    table(tap)
    models = {"chat": "mock-1", "elsewhere": [("two", "mock-1")]}
    keys = {"test": {"project": "alpha"}, "other": {"project": "beta"}}
    with harness.Relay(models=models, vendors=("one", "two"), keys=keys, config=config, relays=1) as relay:
        front(tap, relay)
        vendors(tap, relay)
        admin(tap, relay)
        exports(tap, relay)
    bounds(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
