#!/usr/bin/env python3
"""The management plane as an operator meets it: the real lethed, the real lethectl, over TLS."""
import json, os, pathlib, shutil, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "client"))
import harness
from tap import Tap

tap = Tap("admin")
ok = tap.ok


def ctl(relay, *words, secret=None, **changes):
    environment = dict(os.environ, LETHE_ADMIN_URL=relay.admin_url, LETHE_ADMIN_TOKEN=relay.admin_token,
                       SSL_CERT_FILE=str(relay.ca))
    environment.update({k: str(v) for k, v in changes.items()})
    return subprocess.run([str(harness.BIN / "lethectl"), *map(str, words)], text=True, capture_output=True,
                          input="" if secret is None else secret + "\n", env=environment, timeout=90)


def says(result, status, text):
    return result.returncode == status and text in result.stdout + result.stderr


def looks(relay):
    r = ctl(relay, "ready")
    ok(says(r, 0, "ready\n"), "ready says so and exits 0", r)
    r = ctl(relay, "status")
    ok(says(r, 0, "vault         open") and "relay         pid" in r.stdout, "status is for people", r)
    r = ctl(relay, "status", "--json")
    status = json.loads(r.stdout)
    ok(status["keeper"] == "open" and len(status["relays"]) == relay.relays and "admin" in status["roles_up"],
       "and as JSON for programs", r)
    code, body = relay.admin("GET", "/metrics")
    ok(code == 200 and body.endswith(b"# EOF\n") and b"lethe_exchanges_total" in body, "metrics end in EOF", body[-100:])
    ok(relay.request("POST", "/v1/chat/completions",
                     {"model": "chat", "messages": [{"role": "user", "content": "hello"}]})[0] == 200, "a chat is served")
    again = relay.admin("GET", "/metrics")[1]
    ok(again == body, "and does not show in the metrics of this minute")
    code, body = relay.admin("GET", "/")
    ok(code == 200 and b"<!doctype html>" in body, "the page is there")


def refusals(relay):
    r = ctl(relay, "status", LETHE_ADMIN_TOKEN="wrong")
    ok(says(r, 1, "admin token"), "a wrong token is refused", r)
    r = ctl(relay, "status", LETHE_ADMIN_TOKEN="a b")
    ok(says(r, 1, "no admin token"), "what cannot be a token is not sent", r)
    r = ctl(relay, "status", SSL_CERT_FILE=relay.config / "ca" / "vendor.pem")
    ok(says(r, 1, "--ca"), "another CA's certificate is not accepted, and the remedy is named", r)
    r = ctl(relay, "status", LETHE_ADMIN_URL="https://127.0.0.1:1")
    ok(says(r, 1, "is lethed running"), "nobody there is told plainly", r)
    r = ctl(relay, "status", LETHE_ADMIN_URL="http://127.0.0.1:9443")
    ok(says(r, 1, "https://"), "only https is an admin plane", r)
    r = ctl(relay, "status", LETHE_ADMIN_URL="https://nowhere.invalid")
    ok(says(r, 1, "hosts file"), "a name without an address is told with its remedy", r)
    token = relay.dir / "token"
    token.write_text(relay.admin_token + "\n")
    r = ctl(relay, "status", "--token-file", token, "--ca", relay.ca, "--admin",
            relay.admin_url.replace("127.0.0.1", "localhost"), LETHE_ADMIN_TOKEN="", LETHE_ADMIN_URL="", SSL_CERT_FILE="")
    ok(r.returncode == 0, "options stand in for the environment", r)


def vault(relay):
    r = ctl(relay, "vault", "status", "--json")
    ok(r.returncode == 0 and json.loads(r.stdout), "the vault's status comes through the admin plane", r)
    r = ctl(relay, "vault", "put", "second", "--host", "api.example", "--stdin", secret="sk-canary-1b7e")
    ok(r.returncode == 0, "a vendor key goes in while lethed runs", r)
    r = ctl(relay, "vault", "list")
    ok(says(r, 0, "second") and "api.example" in r.stdout and "canary" not in r.stdout, "and is listed without itself", r)
    r = ctl(relay, "vault", "remove", "second")
    gone = ctl(relay, "vault", "list")
    ok(r.returncode == 0 and "second" not in gone.stdout, "and goes again", r)
    r = ctl(relay, "vault", "remove", "second")
    ok(r.returncode == 1, "once", r)
    r = ctl(relay, "key", "make", "--project", "late", "--json")
    made = json.loads(r.stdout) if r.returncode == 0 else {}
    ok(r.returncode == 0, "a client key can be made", r)
    relay.entries.append(made.get("entry"))
    relay.write_config()
    r = ctl(relay, "reload")
    code = relay.request("GET", "/v1/models", key=made.get("key", "x"))[0]
    ok(r.returncode == 0 and code == 200, "and counts after a reload", (r, code))


def reloads(relay):
    before = json.loads(ctl(relay, "status", "--json").stdout)["generation"]
    good = (relay.config / "lethe.json").read_text()
    (relay.config / "lethe.json").write_text(good.replace('"hosts"', '"hsots"', 1))
    r = ctl(relay, "reload")
    ok(r.returncode == 1 and "hosts" in r.stderr and "nothing changed" in r.stderr and ":2:" in r.stderr,
       "a bad configuration is refused with line, column and the nearest key", r)
    (relay.config / "lethe.json").write_text(good)
    policy = (relay.config / "policy.json").read_text()
    (relay.config / "policy.json").write_text(policy.replace('"rules"', '"ruels"', 1))
    r = ctl(relay, "reload")
    ok(r.returncode == 1 and "rules" in r.stderr, "so is a bad policy", r)
    ok("policy.json:" in r.stderr, "which is named as the file", r.stderr)
    (relay.config / "policy.json").write_text(policy)
    after = json.loads(ctl(relay, "status", "--json").stdout)["generation"]
    ok(before == after, "and nothing has changed", (before, after))
    old = relay.admin_token
    made = json.loads(relay.lethectl("admin", "token", "--json").stdout)
    relay.admin_entry = made["entry"]
    relay.write_config()
    r = ctl(relay, "reload")
    ok(r.returncode == 0, "a new admin token comes with a reload", r)
    relay.admin_token = made["token"]
    for _ in range(100):
        r, stale = ctl(relay, "status"), ctl(relay, "status", LETHE_ADMIN_TOKEN=old)
        if r.returncode == 0 and stale.returncode == 1:
            break
        time.sleep(0.1)
    ok(r.returncode == 0 and says(stale, 1, "admin token"), "and ends the old one", (r, stale))


def exports(relay):
    out = relay.dir / "pulled"
    r = ctl(relay, "export", "now", "--out", out)
    files = sorted(out.glob("usage-*.json")) if out.is_dir() else []
    ok(r.returncode == 0 and len(files) == 1, "an export is written and fetched", r)
    r = ctl(relay, "export", "pull", "--out", out)
    files = sorted(out.glob("usage-*.json"))
    ok(r.returncode == 0 and len(files) == 1, "and pulled again", r)
    if shutil.which("minisign") and files:
        key = next(out.glob("*.pub"))
        v = subprocess.run(["minisign", "-V", "-p", key, "-m", files[0], "-x", f"{files[0]}.sig"], capture_output=True,
                           text=True)
        ok(v.returncode == 0, "minisign verifies it", v)
    names = [row.get("project") for row in json.loads(files[0].read_text()).get("rows", [])] if files else []
    code, body = relay.admin("GET", "/admin/v1/exports/key")
    ok(code == 200 and files and body == next(out.glob("*.pub")).read_bytes(), "the public key is the pulled one", names)


def keeper_dies(relay):
    pid = relay.pids()["lethe-keeper"][0]
    os.kill(pid, 9)
    for _ in range(100):
        if relay.admin("GET", "/readyz")[0] == 200 and relay.pids().get("lethe-keeper", [pid]) != [pid]:
            break
        time.sleep(0.05)
    r = ctl(relay, "vault", "list")
    ok(r.returncode == 0, "a new keeper answers the admin plane again", r)


def sealed():
    """A passphrase vault: the box waits for its operator."""
    with harness.Relay(start=False) as relay:
        relay.state.unlink()
        relay.lethectl("vault", "init", "--state", relay.state, "--stdin", "--light", secret="long words\nlong words")
        command = [harness.BIN / "lethed", "--config", relay.config, "--state", relay.state, "--listen",
                   f"127.0.0.1:{relay.port}", "--admin", f"127.0.0.1:{relay.admin_port}", "--relays", "1"]
        with open(relay.log, "ab") as log:
            relay.lethed = subprocess.Popen([str(w) for w in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(200):
            r = ctl(relay, "ready")
            if "vault_sealed" in r.stdout:
                break
            time.sleep(0.05)
        ok(says(r, 1, "vault_sealed"), "a passphrase vault waits sealed", r)
        r = ctl(relay, "vault", "list")
        ok(says(r, 1, "vault unlock"), "what needs it says how to open it", r)
        r = ctl(relay, "vault", "unlock", "--stdin", secret="other words")
        ok(says(r, 1, "does not open"), "a wrong passphrase does not open it", r)
        r = ctl(relay, "vault", "unlock", "--stdin", secret="long words")
        ok(says(r, 0, "open"), "the right one does", r)
        for _ in range(200):
            r = ctl(relay, "ready")
            if r.returncode == 0:
                break
            time.sleep(0.05)
        ok(r.returncode == 0, "and the box serves", r)


def main():
    with harness.Relay() as relay:
        looks(relay)
        refusals(relay)
        vault(relay)
        exports(relay)
        reloads(relay)
        keeper_dies(relay)
    sealed()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
