#!/usr/bin/env python3
"""The vault as an operator meets it: the real lethectl on real files, with what goes wrong."""
import base64, fcntl, json, os, pty, re, signal, stat, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LETHECTL = os.path.join(os.environ.get("LETHE_BIN", os.path.join(ROOT, "build", "bin")), "lethectl")
SLOT = 4 * 1024 * 1024
sys.path.insert(0, os.path.join(ROOT, "tests", "client"))
import terminal
from tap import Tap
SECRET = "sk-canary-5f0b7c2d9e4a41c8"
tap = Tap("vault")
ok = tap.ok


def skip(why):
    tap.line(True, "tried elsewhere", f" # SKIP {why}")


def ctl(*arguments, stdin=""):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LETHE_")}
    r = subprocess.run([LETHECTL, *arguments], input=stdin, capture_output=True, text=True, env=environment, timeout=60)
    return r.returncode, r.stdout, r.stderr


def typed(arguments, answers):
    return terminal.typed([LETHECTL, *map(str, arguments)], answers)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def holds(data, text):
    raw = text.encode()
    forms = [raw] + [base64.b64encode(b"x" * i + raw)[4:-4] for i in range(3)]
    return any(form in data for form in forms)


def key_file():
    status, out, err = ctl("vault", "init", "--state", "state", "--key-file", "key")
    ok(status == 0 and len(read("key")) == 32, "init makes the key file", err)
    ok(all(stat.S_IMODE(os.stat(f).st_mode) == 0o600 for f in ("state", "key")), "both are for the owner alone")
    before = read("state")
    status, out, err = ctl("vault", "init", "--state", "state", "--key-file", "key")
    ok(status == 1 and read("state") == before, "init does not overwrite a vault", err)
    write("letter", b"dear all")
    status, out, err = ctl("vault", "init", "--state", "letter", "--key-file", "key")
    ok(status == 1 and read("letter") == b"dear all", "nor any other file")
    status, out, err = ctl("vault", "init", "--state", "state2", "--key-file", "letter")
    ok(status == 1 and not os.path.exists("state2"), "a key file that is none is refused, and nothing is left", err)


def credentials():
    at = ("--state", "state", "--key-file", "key")
    status, out, err = ctl("vault", "put", "openai", "--host", "api.openai.com", *at, "--stdin", stdin=SECRET + "\n")
    ok(status == 0, "put takes the vendor key from standard input", err)
    status, out, err = ctl("vault", "list", *at)
    ok(status == 0 and "openai" in out and "api.openai.com" in out and SECRET not in out, "list shows name and host")
    status, out, err = ctl("vault", "list", "--json", *at)
    row = json.loads(out)[0]
    ok(row["name"] == "openai" and re.fullmatch("[0-9a-f]{16}", row["fingerprint"]), "list --json has the fingerprint")
    ok(not holds(read("state"), SECRET), "the state file does not show the vendor key")
    status, out, err = ctl("vault", "put", "x", "--host", "h", *at, "--stdin", stdin="two words\n")
    ok(status == 1 and "two words" not in err, "a vendor key with a space is refused and not repeated", err)
    status, out, err = ctl("vault", "put", "x", "--host", "https://h/v1", *at, "--stdin", stdin="k\n")
    ok(status == 2, "a URL is no host", err)
    status, out, err = ctl("vault", "put", "x", *at, "--stdin", stdin="k\n")
    ok(status == 2 and "--host" in err, "no host, no vendor key", err)
    status, out, err = ctl("vault", "put", "x", "--host", "h", *at, "--secret", SECRET)
    ok(status == 2 and SECRET not in out + err, "a secret as argument is refused and not repeated")
    status, out, err = ctl("vault", "put", "x", "--host", "h", *at, "--stdin", stdin="")
    ok(status == 1, "nothing on standard input is refused")
    status, out, err = ctl("vault", "remove", "nobody", *at)
    ok(status == 1 and "no vendor key of that name" in err, "what is not there is not removed", err)
    status, out, err = ctl("vault", "status", "--json", *at)
    now = json.loads(out)
    ok(now["open"] and now["credentials"] == 1 and now["generation"] == 2, "status counts", out)
    status, out, err = ctl("vault", "status", "--state", "state")
    ok(status == 0 and "key-file" in out and "sealed" in out, "status needs no key for what is public", out)


def prompts(at):
    status, shown = typed(["vault", "init", "--light", *at], ["correct horse", "correct hors"])
    ok(status == 1 and not os.path.exists("pass"), "two passphrases that differ make nothing", shown)
    status, shown = typed(["vault", "init", "--light", *at], ["correct horse", "correct horse"])
    ok(status == 0 and "correct" not in shown, "the passphrase is asked for twice and not shown", shown)
    status, shown = typed(["vault", "put", "openai", "--host", "h", *at], ["correct horse", SECRET])
    ok(status == 0 and SECRET not in shown, "nor is the vendor key", shown)


def has_terminals():
    try:
        for end in pty.openpty():
            os.close(end)
        return True
    except OSError:
        return False


def passphrases():
    at = ("--state", "pass")
    if has_terminals():
        prompts(at)
    else:
        skip("there are no terminals here to be asked on")
        ctl("vault", "init", "--light", *at, "--stdin", stdin="correct horse\ncorrect horse\n")
        ctl("vault", "put", "openai", "--host", "h", *at, "--stdin", stdin=f"correct horse\n{SECRET}\n")
    status, out, err = ctl("vault", "list", *at, "--stdin", stdin="wrong\n")
    ok(status == 1 and "does not open" in err and len(err.splitlines()) == 1, "a wrong passphrase: one clear line", err)
    status, out, err = ctl("vault", "put", "two", "--host", "h", *at, "--stdin", stdin="correct horse\nsk-2\n")
    ok(status == 0, "both secrets come from standard input, one a line", err)
    status, out, err = ctl("vault", "list", *at, "--stdin", stdin="correct horse\n")
    ok(status == 0 and len(out.splitlines()) == 2, "and both are there", out)
    status, out, err = ctl("vault", "list", *at, "--key-file", "key")
    ok(status == 1 and "passphrase" in err, "a key file for a vault that has none says so", err)
    status, out, err = ctl("vault", "list", "--state", "state", "--stdin", stdin="x\n")
    ok(status == 1 and "--key-file" in err, "and the other way round", err)


def damage():
    at = ("--state", "hurt", "--key-file", "key")
    good = read("state")
    write("hurt", good[:100])
    status, out, err = ctl("vault", "list", *at)
    ok(status == 1 and "damaged" in err, "a cut file", err)
    write("hurt", bytes(len(good)))
    status, out, err = ctl("vault", "list", *at)
    ok(status == 1 and "damaged" in err, "a file of zeros", err)
    fine = True
    for where in (0, 9, 100, 1030, 8191, 8192, 8192 + 65536 + 3):
        one, both = bytearray(good), bytearray(good)
        newer = SLOT if good[SLOT + 16] > good[16] else 0
        one[newer + where] ^= 4
        both[where] ^= 4
        both[SLOT + where] ^= 4
        write("hurt", one)
        status, out, err = ctl("vault", "status", *at)
        fine = fine and status == 0 and "copies" in err
        write("hurt", both)
        status, out, err = ctl("vault", "status", *at)
        fine = fine and status == 1 and "damaged" in err
    ok(fine, "a flipped bit in one copy is told, in both it is refused")
    status, out, err = ctl("vault", "status", "--state", "state", "--key-file", "key", "--min-generation", "3")
    ok(status == 1 and "older" in err, "a rolled-back file is refused", err)
    write("hurt", good)
    write("other", os.urandom(32))
    status, out, err = ctl("vault", "list", "--state", "hurt", "--key-file", "other")
    ok(status == 1 and "does not open" in err, "another key file: one clear line", err)
    ok(all(not any(good[at + 8192 + 16 + 65536 : at + SLOT]) for at in (0, SLOT)), "behind the payloads are zeros only")


def crashes():
    at = ("--state", "state", "--key-file", "key")
    fine, generation = True, 0
    for i in range(30):
        p = subprocess.Popen([LETHECTL, "vault", "put", "n", "--host", "h", *at, "--stdin"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        p.stdin.write(b"k%d\n" % i)
        p.stdin.close()
        time.sleep(0.0007 * (i % 15))
        p.send_signal(signal.SIGKILL)
        p.wait()
        status, out, err = ctl("vault", "status", "--json", *at)
        fine = fine and status == 0 and "openai" in ctl("vault", "list", *at)[1]
        if status == 0:
            fine = fine and json.loads(out)["generation"] >= generation
            generation = json.loads(out)["generation"]
    ok(fine, "a writer killed at any moment leaves a vault that opens, with all it had")


def lock():
    with open("state", "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        status, out, err = ctl("vault", "list", "--state", "state", "--key-file", "key")
        ok(status == 1 and "lethed is using this file" in err, "a file in use says so", err)


def keys():
    at = ("--state", "state", "--key-file", "key")
    status, out, err = ctl("key", "make", "--project", "demo", "--models", "a,b", "--expires", "2027-01-31T00:00:00Z",
                           "--json", *at)
    made = json.loads(out)
    ok(re.fullmatch("lk1_[a-z2-9]{8}_[A-Za-z0-9_-]{43}_[a-z2-9]{6}", made["key"]), "a client key has its form", out)
    entry = json.dumps(made["entry"])
    ok(made["entry"]["models"] == ["a", "b"] and made["key"][13:] not in entry, "its entry has no secret")
    for wrong in (("--project", "a b"), (), ("--project", "p", "--models", "a,,b"),
                  ("--project", "p", "--expires", "soon")):
        status, out, err = ctl("key", "make", *wrong, *at)
        name = " ".join(wrong) or "no project"
        ok(status == 2 and len(err.splitlines()) == 1, "wrong use is one line: " + name, err)
    status, token, err = ctl("admin", "token", "--json")
    token = json.loads(token)
    digest = subprocess.run(["sha256sum"], input=token["token"], capture_output=True, text=True).stdout.split()[0]
    ok(token["entry"]["hash"] == digest, "an admin token's entry is its SHA-256")
    status, out, err = ctl("export", "pull", "--out", "exports", *at)
    public = [f for f in os.listdir("exports") if f.endswith(".pub")]
    start = b"untrusted comment: minisign public key "
    ok(status == 0 and len(public) == 1 and read("exports/" + public[0]).startswith(start),
       "export pull gives the public key, before any export too", err)
    return made["entry"], token["entry"]


def check(key, token):
    key = dict(key, models=["*"])
    write("lethe.json", json.dumps({
        "lethe": "config/1", "hosts": ["localhost"], "keys": [key], "admin": [token],
        "upstreams": [{"name": "u", "vendor": "openai", "base_url": "https://api.openai.com/v1",
                       "credential": "openai", "ca": "vendors.pem"}],
        "models": [{"name": "a", "targets": [{"upstream": "u", "model": "m"}]}]}, indent=1).encode())
    status, out, err = ctl("check", "lethe.json")
    ok(status == 0 and out == "lethe.json: good\n", "a configuration of what was made is good", out + err)
    write("wrong.json", b'{\n  "lethe": "config/1",\n  "hostz": []\n}\n')
    status, out, err = ctl("check", "wrong.json", "lethe.json")
    ok(status == 1 and out.startswith("wrong.json:3:") and "hosts" in out and "lethe.json: good" in out,
       "a wrong key: line, column, and the nearest known one", out + err)
    status, out, err = ctl("check", "--json", "wrong.json")
    ok(status == 1 and json.loads(out)["line"] == 3, "the same in JSON", out)
    for page in ("README.md", "src/route/README.md"):
        with open(os.path.join(ROOT, page)) as file:
            example = file.read().split("```json\n", 1)[1].split("```", 1)[0]
        good = json.loads(example.replace("64 hexadecimal digits", "0123456789abcdef" * 4))
        write("example.json", json.dumps(good, indent=1).encode())
        status, out, err = ctl("check", "example.json")
        ok(status == 0, f"the example of {page} is good", out + err)
    for change, code, pointer, words in (
            (lambda c: c["keys"][1]["models"].append("us"), "UNKNOWN_MODEL", "/keys/1/models/2", "models"),
            (lambda c: c["keys"][1].update(residency=["us"]), "IMPOSSIBLE_RESIDENCY", "/keys/1/residency", "/models/2"),
            (lambda c: c["models"][1].update(strategy="fastets"), "UNKNOWN_WORD", "/models/1/strategy", "fastest"),
            (lambda c: c["models"][2]["targets"].pop(), "SIZE_GAP", "/models/2/targets", "50001"),
            (lambda c: c["upstreams"][0].update(credential="x"), "NOT_ALLOWED", "/upstreams/0/credential", "credentials")):
        wrong = json.loads(json.dumps(good))
        change(wrong)
        write("wrong.json", json.dumps(wrong, indent=1).encode())
        status, out, err = ctl("check", "wrong.json")
        ok(status == 1 and code in out and pointer in out and words in out,
           f"a route that cannot work: {code}, its place and a sentence", out + err)
    write("what.json", b"[1]")
    status, out, err = ctl("check", "what.json")
    ok(status == 1 and "UNKNOWN_FORM" in out, "a file of neither form", out)
    status, out, err = ctl("check", "none.json")
    ok(status == 1 and "No such file" in err, "a file that is not there", err)


def manual():
    status, out, err = ctl("--help")
    ok(status == 0 and all(word in out for word in ("vault init", "key make", "export pull", "--state", "Exit status")),
       "the manual names every command")
    status, out, err = ctl("vault", "--help")
    ok(status == 0 and "vault put" in out and "export pull" not in out.split("options")[0], "and one noun's alone")
    for words in ((), ("vault",), ("vault", "open"), ("nothing",), ("vault", "list"), ("vault", "init", "--json"),
                  ("vault", "list", "--state")):
        status, out, err = ctl(*words)
        ok(status == 2, "wrong use is status 2: lethectl " + " ".join(words), err)


def main():
    if not os.access(LETHECTL, os.X_OK):
        print("1..0 # SKIP lethectl is not built")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        key_file()
        credentials()
        passphrases()
        damage()
        crashes()
        lock()
        check(*keys())
        manual()
        os.chdir("/")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
