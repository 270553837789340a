#!/usr/bin/env python3
"""lethe-verify over the vectors of tests/vectors/quote, and over what a forger could make of them: each is refused with the
sentence that says what is wrong."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "client"))

from tap import Tap, equal, holds  # noqa: E402

VECTORS = TOP / "tests/vectors/quote"
VERIFY = pathlib.Path(os.environ.get("LETHE_BIN", TOP / "build/bin")) / "lethe-verify"
SERIES = ("1.json", "2.json", "3.json")


def run(*words, cwd):
    done = subprocess.run([str(VERIFY), *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def check(folder, *exports, more=("--ak", "ak.pem", "--manifest", "manifest.json")):
    return run("export", *(exports or SERIES), "--pub", "relay.pub", *more, cwd=folder)


def count_more(folder):
    path = folder / "2.json"
    path.write_text(path.read_text().replace('"monotonic_ms":', '"monotonic_ms":9'))


def in_quote(folder, member, change):
    path = folder / "2.json.quote"
    quote = json.loads(path.read_text())
    quote[member] = change(quote[member])
    path.write_text(json.dumps(quote, separators=(",", ":"), sort_keys=True) + "\n")


def in_bytes(at):
    def change(text):
        data = bytearray(base64.b64decode(text))
        data[at] ^= 1
        return base64.b64encode(data).decode()
    return change


def in_manifest(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def other_key(folder):
    (folder / "ak.pem").write_text(run("ak", "other.quote", cwd=folder)[1])


FORGED = {
    "a number of the export was changed": (count_more, "signature is not by this key"),
    "and the quote is over the old bytes": (count_more, "over another export"),
    "the relay's signature was taken away": (lambda f: (f / "2.json.sig").unlink(), "FILE.sig, is not there"),
    "another relay's key": (lambda f: (f / "relay.pub").write_text(
        "untrusted comment: minisign public key\n" + base64.b64encode(b"Ed" + bytes(40)).decode() + "\n"),
        "signature is not by this key"),
    "the quote was taken away": (lambda f: (f / "2.json.quote").unlink(), "there is no quote beside it"),
    "the quote of another export": (lambda f: shutil.copy(f / "1.json.quote", f / "2.json.quote"), "over another export"),
    "a bit of the TPM's signature": (lambda f: in_quote(f, "sig", in_bytes(20)), "TPM's signature does not verify"),
    "a later clock in the quote": (lambda f: in_quote(f, "attest", in_bytes(80)), "TPM's signature does not verify"),
    "a quote that is not of the TPM's own making": (lambda f: in_quote(f, "attest", in_bytes(0)), "not one of a TPM"),
    "a key that signs whatever it is given": (lambda f: in_quote(f, "ak_pub", in_bytes(5)), "not one of a TPM"),
    "other register values": (lambda f: in_quote(f, "pcrs", lambda p: p | {"11": "ab" * 32}),
                              "registers beside the quote are not those"),
    "other register values, which are no release's": (lambda f: in_quote(f, "pcrs", lambda p: p | {"11": "ab" * 32}),
                                                      "not this release"),
    "a register left out": (lambda f: in_quote(f, "pcrs", lambda p: {k: v for k, v in p.items() if k != "12"}),
                            "leaves out one of registers"),
    "the quote's key replaced": (lambda f: shutil.copy(f / "other.quote", f / "2.json.quote"), "another key than the one"),
    "a TPM that was never enrolled": (other_key, "another key than the one that was enrolled"),
    "another release": (lambda f: in_manifest(f, lambda m: m["profiles"]["default"]["pcr"].update({"4": "00" * 32})),
                        "not this release"),
    "a manifest of another commit": (lambda f: in_manifest(f, lambda m: m.update(commit="0" * 40)), "another commit"),
    "a quote that is no JSON": (lambda f: (f / "2.json.quote").write_text("{"), "the quote cannot be read"),
    "a quote with a member more": (lambda f: in_quote(f, "format", lambda _: "relay-quote/2"), "the quote cannot be read"),
    "an older quote put in its place, as far as the next export knows": (
        lambda f: (f / "2.json.quote").write_text((f / "2.json.quote").read_text() + "\n"), "that quote was replaced"),
}


def main():
    tap = Tap("verify")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)

        def fresh():
            folder = pathlib.Path(tempfile.mkdtemp(dir=scratch)) / "v"
            return pathlib.Path(shutil.copytree(VECTORS, folder))

        with tap.case("the vectors are good: three exports, a start of the machine between the last two"):
            status, said, _ = check(fresh())
            holds(status == 0 and said.endswith("all checks hold\n") and "and the export says so" in said, said)
        with tap.case("--quiet says only the outcome; one alone and without a TPM's key are good too"):
            folder = fresh()
            equal(check(folder, more=("--quiet", "--ak", "ak.pem"))[:2], (0, "all checks hold\n"))
            equal(check(folder, "2.json", more=("--quiet", "--ak", "ak.pem", "--quote", "2.json.quote"))[0], 0)
            holds("not checked" in check(folder, more=())[1], "a quote without --ak")
        for name, (forge, sentence) in FORGED.items():
            with tap.case(f"{name}: FAILED with a sentence"):
                folder = fresh()
                forge(folder)
                status, said, _ = check(folder)
                failed = [row for row in said.splitlines() if "FAILED" in row]
                holds(status == 1 and any(sentence in row for row in failed) and said.endswith("NOT GOOD\n"), said)
        with tap.case("a series with a hole, and one the other way round"):
            holds("between the two is missing" in check(fresh(), "1.json", "3.json")[1], "a hole")
            status, said, _ = check(fresh(), "2.json", "1.json")
            holds(status == 1 and "clock went back" in said, said)
        with tap.case("a quote cut at any byte is refused"):
            folder = fresh()
            whole = (folder / "2.json.quote").read_bytes()
            for cut in range(0, len(whole) - 1, 7):
                (folder / "2.json.quote").write_bytes(whole[:cut])
                status, said, _ = check(folder, "2.json")
                holds(status == 1, f"{cut}: {said}")
        with tap.case("an export cut at any byte is refused"):
            folder = fresh()
            whole = (folder / "2.json").read_bytes()
            for cut in range(0, len(whole), 53):
                (folder / "2.json").write_bytes(whole[:cut])
                status, said, _ = check(folder, "2.json")
                holds(status == 1, f"{cut}: {said}")
        with tap.case("wrong use is status 2 and one line"):
            folder = fresh()
            for words in (("export",), ("export", "1.json"), ("export", "none.json", "--pub", "relay.pub"),
                          ("export", "1.json", "--pub", "none"), ("export", "1.json", "--pub", "relay.pub", "--manifest", "x"),
                          ("export", "1.json", "--pub", "relay.pub", "--ak", "relay.pub"), ("export", "--pub"), ("look",),
                          ("export", *SERIES, "--pub", "relay.pub", "--quote", "1.json.quote"), ("export", "--nothing")):
                status, said, err = run(*words, cwd=folder)
                holds(status == 2 and len(err.splitlines()) == 1, (words, status, said, err))
            equal(run(cwd=folder)[0], 2)
            equal(run("ak", "1.json", cwd=folder)[0], 1)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
