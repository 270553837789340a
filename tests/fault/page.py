#!/usr/bin/env python3
"""The admin page's own arithmetic, by node, beside libsodium, hashlib, openssl and lethectl: what the page makes must be
what they make. The page in a browser: page.full.py."""

import ctypes
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
import harness
import sealing
from first_boot import Box, CLAIM
from tap import Tap, equal, holds

tap = Tap("page")
sodium = sealing.sodium
WORDS = "Gr\u00fc\u00dfe, four words to type"
LENGTHS = (0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000)


class Page:
    """The files of src/admin/page/, in node."""

    def __init__(self):
        self.node = subprocess.Popen(["node", "--no-warnings", harness.ROOT / "tests/fault/page_node.mjs"], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, file, name, *rest):
        spelled = ["hex:" + one.hex() if isinstance(one, bytes) else one for one in rest]
        self.node.stdin.write(json.dumps([file, name, *spelled]) + "\n")
        self.node.stdin.flush()
        value = json.loads(self.node.stdout.readline() or '"node ended"')
        return bytes.fromhex(value[4:]) if isinstance(value, str) and value.startswith("hex:") else value

    def end(self):
        self.node.stdin.close()
        self.node.wait(10)


def out_of(function, length, *rest):
    out = ctypes.create_string_buffer(max(length, 1))
    if getattr(sodium, function)(out, *rest) != 0:
        raise ValueError(function)
    return out.raw[:length]


def size(data):
    return ctypes.c_ulonglong(len(data))


def hashes(page):
    with tap.case("BLAKE2b is hashlib's, at every length about a block, with and without a key"):
        for length in LENGTHS:
            for digest, key in ((64, 0), (32, 32), (24, 0), (1, 64), (33, 1)):
                data, secret = os.urandom(length), os.urandom(key)
                equal(page.call("blake2b", "blake2b", data, digest, secret),
                      hashlib.blake2b(data, digest_size=digest, key=secret).digest())
    with tap.case("Argon2id is libsodium's crypto_pwhash"):
        for text, passes, kib in (("long words", 1, 8192), ("Gr\u00fc\u00dfe \u2603", 3, 8192), ("x" * 1024, 2, 9001),
                                  ("y", 4, 8195), ("the parameters of --light", 3, 65536)):
            salt = os.urandom(16)
            equal(page.call("argon2", "argon2id", text.encode(), salt, passes, kib * 1024),
                  sealing.wrap_passphrase(text.encode(), salt, passes, kib * 1024))


def boxes(page):
    with tap.case("HSalsa20 and Poly1305 are libsodium's"):
        for length in LENGTHS:
            key, nonce, data = os.urandom(32), os.urandom(16), os.urandom(length)
            equal(page.call("salsa20", "hsalsa20", key, nonce), out_of("crypto_core_hsalsa20", 32, nonce, key, None))
            equal(page.call("salsa20", "poly1305", key, data),
                  out_of("crypto_onetimeauth_poly1305", 16, data, size(data), key))
        for key, data in ((b"\xff" * 32, b"\xff" * 64), (b"\x02" + bytes(31), b"\xff" * 16), (bytes(32), b"\0" * 33)):
            equal(page.call("salsa20", "poly1305", key, data),
                  out_of("crypto_onetimeauth_poly1305", 16, data, size(data), key))
    with tap.case("a secret box is libsodium's to the byte"):
        for length in LENGTHS:
            key, nonce, data = os.urandom(32), os.urandom(24), os.urandom(length)
            equal(page.call("salsa20", "secretbox", key, nonce, data),
                  out_of("crypto_secretbox_easy", length + 16, data, size(data), nonce, key))
    with tap.case("what it seals libsodium opens, and each time it is another"):
        public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
        sodium.crypto_box_keypair(public, secret)
        for length in LENGTHS:
            data = os.urandom(length)
            sealed = page.call("seal", "seal", public.raw, data)
            equal(out_of("crypto_box_seal_open", length, sealed, size(sealed), public.raw, secret.raw), data)
        holds(page.call("seal", "seal", public.raw, b"a") != page.call("seal", "seal", public.raw, b"a"), "the same twice")


def names(page, folder):
    with tap.case("it takes as names and addresses what lethectl takes"):
        rows = ["localhost", "relay.example.org", "*.example.org", "*", "*.", "a..b", "a.b.", ".a", "a b", "a_b", "-",
                "x" * 63, "x" * 64, "1.2.3.4", "1.2.3", "1.2.3.256", "01.2.3.4", "::", "::1", "fe80::1:2",
                "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:2:3:4::5:6:7:8", "::ffff:1.2.3.4",
                "::1.2.3", ":1", "12345::", "g::", "a:1", "https://a", "\u00e4.de"]
        for name in rows:
            r = subprocess.run([harness.BIN / "lethectl", "cert", "request", "--host", name, "--out", folder / "names"],
                               capture_output=True, text=True)
            shutil.rmtree(folder / "names", ignore_errors=True)
            equal((name, page.call("names", "isName", name)), (name, r.returncode == 0))
    with tap.case("the host of a base URL is what the vendor key is bound to"):
        for url, host in (("https://API.openai.com/v1", "api.openai.com"), ("http://127.0.0.1:9/v1", "127.0.0.1"),
                          ("https://[::1]:9/v1", "::1"), ("ftp://x", None), ("https://", None), ("https://a_b/", None),
                          ("https:///v1", None), ("https://[::1", None)):
            equal((url, page.call("names", "vendorHost", url)), (url, host))


def by_lethectl(box, **changes):
    """What lethectl makes of a box, and the client key it prints."""
    wish = {"setup": "setup/1", "opens": "key-file", "hosts": ["localhost", "127.0.0.1"], "port": box.port,
            "project": "helpdesk", "model": {"name": "chat", "target": "mock-1"},
            "vendor": {"name": "mock", "base_url": f"https://{box.vendor.host}:{box.vendor.port}/v1",
                       "roots": str(box.vendor.ca), "addresses": ["127.0.0.1"], "local": ["127.0.0.0/8"]}} | changes
    path, out = box.dir / "setup.json", box.dir / "out"
    path.write_text(json.dumps(wish))
    fingerprint = hashlib.sha256(harness.ssl.PEM_cert_to_DER_cert(
        harness.ssl.get_server_certificate(("127.0.0.1", box.admin_port)))).hexdigest()
    r = subprocess.run([harness.BIN / "lethectl", "setup", "--admin", box.admin_url, "--file", path, "--out", out, "--claim",
                        CLAIM, "--fingerprint", fingerprint, "--stdin"], input=box.vendor.key + "\n", text=True,
                       capture_output=True, timeout=120,
                       env={k: v for k, v in os.environ.items() if not k.startswith("LETHE_ADMIN")})
    if r.returncode != 0:
        raise RuntimeError(r.stdout + r.stderr)
    return wish, out, re.search(r"lk1_\S+", r.stdout).group(), r.stdout


def composed(page, box, **changes):
    wish, out, key, said = by_lethectl(box, **changes)
    text = (out / "lethe.json").read_text()
    theirs, vendor = json.loads(text), wish["vendor"]
    answers = {"hosts": wish["hosts"], "vendor": vendor["name"], "baseUrl": vendor["base_url"], "port": wish["port"],
               "vendorKeyWanted": vendor.get("key", True), "model": wish["model"]["name"],
               "target": wish["model"]["target"], "project": wish["project"]}
    answers |= {name: vendor.get(name, []) for name in ("addresses", "local", "residency")}
    made = {"clientKeyId": theirs["keys"][0]["id"], "clientKeyHash": theirs["keys"][0]["hash"],
            "tokenHash": theirs["admin"][0]["hash"]}
    equal(page.call("compose", "lethe", answers, made, "127.0.0.1"), text)
    line = page.call("compose", "lineToTry", answers, key).replace("ca.crt", f"{out}/ca.crt")
    holds(line in said, f"{line} is not in {said}")
    return out, key


def shape(path):
    """A certificate without what is new in each: numbers, keys, times."""
    text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", path], capture_output=True, text=True,
                          check=True).stdout
    return re.sub(r"([0-9a-fA-F]{2}:)+[0-9a-fA-F]{2}|Not (Before|After *): .*|\s+(?=\n)", "#", text).replace("#\n", "")


def values(path):
    """What stands in a certificate, value by value, of those that are short."""
    text = subprocess.run(["openssl", "asn1parse", "-in", path], capture_output=True, text=True, check=True).stdout
    rows = [re.sub(r"^.*?d=(\d+) .*?(prim|cons): *", r"\1 ", row) for row in text.split("\n")]
    return [re.sub(r"(INTEGER +:|UTCTIME +:|DUMP\]:)\w{13,}", r"\1", row) for row in rows]


def days(path):
    text = subprocess.run(["openssl", "x509", "-noout", "-dates", "-in", path], capture_output=True, text=True).stdout
    begin, end = (harness.ssl.cert_time_to_seconds(row.split("=")[1]) for row in text.split("\n")[:2])
    return (end - begin) // 86400


def certificates(page, folder, theirs):
    made = page.call("certificate", "makeCertificates", ["localhost", "127.0.0.1"])
    for name, pair in made.items():
        (folder / f"{name}.crt").write_text(pair["certificate"])
        (folder / f"{name}.key").write_text(pair["key"])
    with tap.case("certificates have the shape that lethectl's have"):
        for name in ("ca", "server", "admin"):
            equal(shape(folder / f"{name}.crt"), shape(theirs / f"{name}.crt"))
            equal(values(folder / f"{name}.crt"), values(theirs / f"{name}.crt"))
            equal(days(folder / f"{name}.crt"), days(theirs / f"{name}.crt"))
            equal((folder / f"{name}.key").read_text().split("\n")[0], (theirs / f"{name}.key").read_text().split("\n")[0])
    with tap.case("openssl believes them, strictly, for their names and no others"):
        words = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", folder / "ca.crt"]
        for more, good in ((["-verify_hostname", "localhost"], True), (["-verify_ip", "127.0.0.1"], True),
                           (["-verify_hostname", "elsewhere.test"], False)):
            equal(subprocess.run([*words, *more, folder / "server.crt"], capture_output=True).returncode == 0, good)
    with tap.case("each key belongs to its certificate, and the fingerprint is the certificate's"):
        for name, pair in made.items():
            harness.ssl.create_default_context().load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
            equal(hashlib.sha256(harness.ssl.PEM_cert_to_DER_cert(pair["certificate"])).hexdigest(), pair["fingerprint"])


def words():
    """What an owner reads, and what a passphrase costs to guess, is the same by both ways."""
    source = {name: (harness.ROOT / "src" / name).read_text() for name in ("prog/lethectl_setup_ask.c", "prog/lethectl.h",
                                                                          "admin/page/page.html", "admin/page/steps.js")}
    said = re.sub(r'"\s*"', "", source["prog/lethectl_setup_ask.c"])
    html = " ".join(re.sub(r"<[^>]+>", "", source["admin/page/page.html"]).split())
    with tap.case("each way to open the vault has its sentence of lethectl"):
        sentences = re.findall(r"  \d  [\w-]+: ([^\\]+)", said)
        equal((len(sentences), [one for one in sentences if one not in html]), (3, []))
    with tap.case("every question is lethectl's"):
        asked = [one for one in re.findall(r'(?:line_ask|ask_name|ask_filled)\("([^"]+)"', said)]
        equal((len(asked), [one for one in asked if one not in html]), (6, []))
    with tap.case("a passphrase is stretched as much"):
        numbers = [int(eval(one)) for one in re.findall(r"PASSPHRASE_\w+ = ([\d *]+);", source["prog/lethectl.h"])]
        line = re.search(r"const PASSES = (.+?), MEMORY = (.+?), MEMORY_LIGHT = (.+?);", source["admin/page/steps.js"])
        equal([int(eval(one)) for one in line.groups()], numbers)


def play(box, **changes):
    """A set-up by the page's own steps, in node."""
    answers = {"opens": "person", "light": True, "hosts": ["localhost", "127.0.0.1"], "port": box.port, "vendor": "mock",
               "baseUrl": f"https://{box.vendor.host}:{box.vendor.port}/v1", "vendorKeyWanted": True, "model": "chat",
               "target": "mock-1", "project": "helpdesk", "residency": [], "addresses": ["127.0.0.1"],
               "local": ["127.0.0.0/8"]}
    wish = {"answers": answers | changes.pop("answers", {}), "claim": CLAIM, "passphrase": WORDS, "vendorKey": box.vendor.key,
            "roots": box.vendor.ca.read_text()} | changes
    r = subprocess.run(["node", "--no-warnings", harness.ROOT / "tests/fault/page_play.mjs", box.admin_url], text=True,
                       input=json.dumps(wish), capture_output=True, timeout=120)
    return json.loads(r.stdout or json.dumps({"refused": r.stderr}))


def served(box, made):
    """The box with what the page made: its authority, its token, its key."""
    box.ca, box.key, box.token = box.dir / "page-ca.crt", made["key"], made["token"]
    box.ca.write_text(made["ca"])
    box.until("ready")
    equal(box.chat_soon(), 200)


def played():
    with Box() as box:
        box.start("unclaimed")
        with tap.case("a wrong claim code is refused before anything is made"):
            said = play(box, claim="WRONGONE")
            holds("does not accept this claim code" in said["refused"] and len(said["steps"]) == 2, said)
            equal(box.setup()["state"], "unclaimed")
        with tap.case("what the box refuses is told with its file"):
            said = play(box, roots="no certificate")
            holds("ca/public.pem" in said["refused"] and box.setup()["state"] == "open", said)
        with tap.case("begun again it goes to its end, and serves"):
            made = play(box, passphrase=WORDS + "!")
            holds("refused" not in made, made)
            served(box, made)
        with tap.case("a box that is set up is told so, and is not set up again"):
            holds("set up already" in play(box)["refused"], "it was")
        harness.end(box.lethed)
        box.start("sealed")
        with tap.case("after a restart the words that were typed last open it, and no others"):
            setup = box.setup()
            seal, slots, box.token = bytes.fromhex(setup["seal_key"]), setup["slots"], None
            equal(len(slots), 1)
            for text, status in ((WORDS, 403), (WORDS + "!", 200)):
                body = sealing.unlock(seal, slots[0], text.encode())
                equal(box.ask("POST", "/admin/v1/vault/unlock", body)[0], status)
            served(box, made)
    with Box() as box:
        box.start("unclaimed")
        with tap.case("the same with a key file, which opens it at the next start"):
            made = play(box, answers={"opens": "key-file"})
            holds("refused" not in made, made)
            served(box, made)
            harness.end(box.lethed)
            box.key_file.write_bytes(bytes.fromhex(made["keyFile"]))
            box.start("ready", key_file=True)
            served(box, made)


def main():
    words()
    played()
    page = Page()
    try:
        hashes(page)
        boxes(page)
        with tempfile.TemporaryDirectory(prefix="lethe-page-") as name, Box() as box:
            folder = pathlib.Path(name)
            names(page, folder)
            box.start("unclaimed")
            with tap.case("the same answers make the same lethe.json and the same line to try as with lethectl"):
                out, key = composed(page, box)
                certificates(page, folder, out)
            with tap.case("a client key has the check sum that lethectl gives it"):
                _, ident, rest = key.split("_", 2)
                secret = page.call("bytes", "unbase64url", rest[:43])
                equal(page.call("keys", "clientKeyText", ident, secret), key)
            another(page, folder)
    finally:
        page.end()
    return tap.done()


def another(page, folder):
    """A second box, with answers that few give, and the authority that the page made."""
    with Box() as box:
        box.start("unclaimed")
        (box.dir / "out").mkdir()
        for name in ("ca.crt", "ca.key"):
            shutil.copy(folder / name, box.dir / "out")
        with tap.case("so do the answers that few give"):
            out, key = composed(page, box, hosts=["relay.example.org", "::1"], port=443, project="a.b:c/d-e_f",
                                model={"name": "m", "target": "vendors/own:name-1.5"},
                                vendor={"name": "plain", "base_url": "http://plain.vendor.test:81/v1", "key": False,
                                        "addresses": ["10.0.0.9"], "local": ["10.0.0.0/8"], "residency": ["eu", "us"]})
        with tap.case("lethectl takes the page's authority, and issues by it"):
            equal((out / "ca.crt").read_bytes(), (folder / "ca.crt").read_bytes())
            equal(subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", folder / "ca.crt", out / "server.crt"],
                                 capture_output=True).returncode, 0)


if __name__ == "__main__":
    sys.exit(main())
