#!/usr/bin/env python3
"""What an operator sees of breakers and vendor keys: the real lethed and lethectl before a vendor that fails."""
import json, os, subprocess, sys, time

import harness
from tap import Tap

tap = Tap("routes")
ok = tap.ok


def ctl(relay, *words):
    environment = dict(os.environ, LETHE_ADMIN_URL=relay.admin_url, LETHE_ADMIN_TOKEN=relay.admin_token,
                       SSL_CERT_FILE=str(relay.ca))
    return subprocess.run([str(harness.BIN / "lethectl"), *map(str, words)], text=True, capture_output=True,
                          env=environment, timeout=60)


def ask(relay, query=""):
    status, body = relay.admin("GET", "/admin/v1/routes" + query)
    assert status == 200, (status, body)
    return json.loads(body)


def chat(relay, model, words="hello"):
    return relay.request("POST", "/v1/chat/completions",
                         {"model": model, "messages": [{"role": "user", "content": words}]})


def target(document, model, at):
    return next(r for r in document["routes"] if r["model"] == model)["targets"][at]


def key(document, name):
    return next(k for u in document["upstreams"] for k in u["keys"] if k["key"] == name)


def way(document, name):
    return next(w for w in document["ways"] if w["key"] == name)


def at_first(relay):
    document = ask(relay)
    ok([r["model"] for r in document["routes"]] == ["chat", "limited", "large"]
       and [u["name"] for u in document["upstreams"]] == ["broken", "whole", "slow"], "the whole configuration is told",
       document)
    ok(all(t["breaker"] == "closed" and t["attempts"] == 0 for r in document["routes"] for t in r["targets"]),
       "before the first request every breaker is closed", document)
    found = json.loads(relay.admin("GET", "/admin/v1/routes/explain?model=chat")[1])
    ok(found["chosen"]["upstream"] == "broken" and way(found, "whole")["why"] == "later",
       "and the first target would be taken", found)


def breaks(relay):
    answers = [chat(relay, "chat")[0] for _ in range(10)]
    document = ask(relay, "?model=chat")
    failing, serving = target(document, "chat", 0), target(document, "chat", 1)
    ok(answers == [200] * 10, "no caller sees the target that fails", answers)
    ok(failing["breaker"] == "open" and 0 < failing["open_ms"] <= 72000 and failing["last_fault"] == "server"
       and failing["failed"] == failing["attempts"] >= 4, "its breaker is open, for a time that is told", failing)
    ok(serving["breaker"] == "closed" and serving["attempts"] == 10 and serving["failed"] == 0
       and serving["in_flight"] == 0, "the other's is closed, with all it has served", serving)
    ok(len(document["routes"]) == 1 and "slow" not in json.dumps(document), "one model comes alone", document)
    found = json.loads(relay.admin("GET", "/admin/v1/routes/explain?model=chat&chars=5")[1])
    ok(found["chosen"]["upstream"] == "whole" and not found["chosen"]["last"] and way(found, "broken")["why"] == "open"
       and way(found, "whole")["percent"] == 100, "the second target would be taken, and why not the first is told", found)
    return failing


def parks(relay):
    status, body, headers = chat(relay, "limited")
    document = ask(relay, "?model=limited")
    parked = key(document, "slow")
    ok(status == 429 and 0 < int(headers["Retry-After"]) <= 33, "with its one key parked a caller is told when to come",
       (status, body, headers))
    ok(0 < parked["parked_ms"] <= 33000 and parked["parked"] == 1 and parked["last_fault"] == "rate"
       and parked["breaker"] == "closed", "the parked key and its wait are told, its breaker is closed", parked)
    found = json.loads(relay.admin("GET", "/admin/v1/routes/explain?model=limited")[1])
    ok(found["chosen"] is None and found["why"] == "parked" and 0 < found["wait_ms"] <= parked["parked_ms"],
       "nobody would be taken, and the wait is told", found)


def sizes(relay):
    small, large = (json.loads(relay.admin("GET", f"/admin/v1/routes/explain?model=large&chars={n}")[1])
                    for n in (50000, 50001))
    ok(small["chosen"]["model"] == "mock-1" and large["chosen"]["model"] == "mock-2"
       and [w["why"] for w in large["ways"]] == ["size", "ok"], "above 50,000 characters another model is taken", large)


def told(relay, failing):
    r = ctl(relay, "routes")
    row = next((line for line in r.stdout.split("\n") if "mock:status:500" in line), "")
    ok(r.returncode == 0 and "model chat, ordered" in r.stdout and "open, " in row and "ms left" in row
       and "last: server" in row, "lethectl routes shows the open breaker", r)
    ok("parked for " in r.stdout and "refused by its vendor" not in r.stdout, "and the parked key", r)
    r = ctl(relay, "routes", "--model", "chat", "--json")
    ok(r.returncode == 0 and target(json.loads(r.stdout), "chat", 0)["failed"] == failing["failed"],
       "lethectl routes --json is for programs", r)
    r = ctl(relay, "routes", "explain", "--model", "chat", "--chars", "1000", "--key", relay.entries[0]["id"])
    lines = r.stdout.split("\n")
    ok(r.returncode == 0 and lines[0] == "taken: whole mock-1 whole" and "a breaker is open, for " in r.stdout,
       "lethectl routes explain names the way and the reasons", r)
    r = ctl(relay, "routes", "explain", "--model", "limited")
    ok(r.returncode == 0 and r.stdout.startswith("none can be taken: the key waits for its rate limit; in "),
       "or says that none can be taken, and until when", r)
    r = ctl(relay, "routes", "explain", "--model", "chat", "--downgrade", "--json")
    ok(r.returncode == 0 and json.loads(r.stdout)["downgrade"] is True, "consent can be asked for", r)


def refused(relay):
    for words, status, text in [
            (["routes", "--model", "nobody"], 1, "no such model or key"),
            (["routes", "explain", "--model", "a b/c&d"], 1, "no such model or key"),
            (["routes", "explain", "--model", "chat", "--key", "AAAAAAAA"], 1, "no such model or key"),
            (["routes", "explain"], 2, "--model NAME"),
            (["routes", "explain", "--model", "chat", "--chars", "many"], 2, "--chars is a number"),
            (["routes", "explain", "--model", "x" * 600], 2, "longer than any"),
            (["routes", "chat"], 2, "use it so"),
            (["routes", "--downgrade"], 2, "does not take --downgrade")]:
        r = ctl(relay, *words)
        ok(r.returncode == status and text in r.stderr, f"refused: {' '.join(words)[:40]}", r)
    r = subprocess.run([str(harness.BIN / "lethectl"), "routes"], text=True, capture_output=True, timeout=60,
                       env={k: v for k, v in os.environ.items() if not k.startswith("LETHE_ADMIN")})
    ok(r.returncode == 2 and "--admin URL" in r.stderr, "without a lethed to ask it says what is missing", r)
    status, body = relay.admin("GET", "/admin/v1/routes?modle=chat")
    ok(status == 422 and b"out_of_range" in body, "an unknown parameter is refused", body)


def counted(relay):
    """The counters are published once a minute; an admin role that starts anew, for a changed file, publishes at once."""
    relay.models["more"] = "mock-1"
    relay.write_config()
    assert relay.reload()[0] == 200
    wanted = [b'lethe_breakers{kind="model",state="open"} 1\n', b'lethe_breakers{kind="key",state="open"} 1\n',
              b'lethe_breakers{kind="upstream",state="closed"} 3\n', b"lethe_keys_parked_now 1\n",
              b"lethe_keys_disabled_now 0\n", b"lethe_keys_parked_total 1\n"]
    deadline, body = time.monotonic() + 30, b""
    while time.monotonic() < deadline and not all(row in body for row in wanted):
        try:
            body = relay.admin("GET", "/metrics")[1]
        except OSError:
            pass
        time.sleep(0.1)
    ok(all(row in body for row in wanted), "metrics count breakers and keys by state", body.decode())
    ends = {line.split(b'"')[1]: int(line.split()[1]) for line in body.split(b"\n")
            if line.startswith(b"lethe_endings_total{")}
    ok(ends.get(b"--") == 10 and sum(ends.values()) == 11, "and exchanges by their end code", ends)
    ok(ask(relay)["routes"][0]["targets"][0]["breaker"] == "open", "a reload forgets no breaker")


def main():
    models = {"chat": [("broken", "mock:status=500"), ("whole", "mock-1")],
              "limited": [("slow", "mock:status=429,retry_after=30")],
              "large": [("whole", "mock-1", {"max_chars": 50000}), ("whole", "mock-2", {"min_chars": 50001})]}
    settings = {"breaker_calls": 4, "breaker_open_ms": 60000}
    with harness.Relay(models, vendors=("broken", "whole", "slow"), settings=settings) as relay:
        at_first(relay)
        failing = breaks(relay)
        parks(relay)
        sizes(relay)
        told(relay, failing)
        refused(relay)
        counted(relay)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
