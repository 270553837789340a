#!/usr/bin/env python3
"""A box is set up on its admin page by a real browser, as a person does it: a real lethed, the first answer, a restart.

time limit: 900 s
"""

import base64
import hashlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "client"), str(TESTS / "audit")]
import harness
import sealing
from browser import Browser
from first_boot import Box, CLAIM
from software_tpm import SoftwareTpm, available
from tap import Skip, Tap, equal, eventually, holds

tap = Tap("page in a browser")
WORDS = "Gr\u00fc\u00dfe, four words to type"
FIRST_WORDS = "words of the try before"
FILES = ("ca.crt", "ca.key", "admin.token", "lethe.json")


BOOT = [(4, b"loader"), (4, b"image"), (11, b"sections"), (7, b"keys")]
# Everything that the page sends is kept where the test can read it.
WATCH = """{
  window.sent = [];
  const real = window.fetch;
  window.fetch = (path, more = {}) => {
    window.sent.push(JSON.stringify([path, more.headers || {}, more.body || '']));
    return real(path, more);
  };
}"""
LATE = """{
  const real = window.fetch;
  window.fetch = async (path, ...more) => {
    if (path === '/readyz')
      await new Promise(resolve => setTimeout(resolve, 4000));
    return real(path, ...more);
  };
}"""
WITHOUT_X25519 = """{
  const real = crypto.subtle.generateKey.bind(crypto.subtle);
  crypto.subtle.generateKey = (kind, ...rest) => kind.name === 'X25519'
    ? Promise.reject(new DOMException('no', 'NotSupportedError')) : real(kind, ...rest);
}"""


def open_page(browser, box):
    browser.open(box.admin_url + "/")
    eventually(lambda: browser.shown("#setup") and browser.shown("#answers"), 20)


def go(browser, sentence, seconds=20):
    """Presses the button, and waits for a sentence among those that say what is wrong."""
    browser.click("#go")
    eventually(lambda: sentence in browser.text("#trouble"), seconds)


def answer(browser, box):
    """Everything but how the vault opens, the claim code and the secrets."""
    for css, text in (("#hosts", "localhost, 127.0.0.1"), ("#vendor", "mock"), ("#target", "mock-1"),
                      ("#base-url", f"https://{box.vendor.host}:{box.vendor.port}/v1"), ("#project", "helpdesk")):
        browser.type(css, text)
    browser.choose_file("#roots", box.vendor.ca)
    browser.run("document.querySelector('details').open = true")
    for css, text in (("#port", box.port), ("#addresses", "127.0.0.1"), ("#local", "127.0.0.0/8")):
        browser.type(css, text)


def secrets(browser, box, words=WORDS):
    if words:
        browser.type("#passphrase", words)
        browser.type("#again", words)
    browser.type("#vendor-key", box.vendor.key)


def refusals(browser, box):
    with tap.case("nothing is asked of the box before the fingerprints are compared"):
        go(browser, "Compare the fingerprints")
        equal(browser.run("return document.activeElement.id"), "compared")
    browser.click("#compared")
    browser.type("#claim", "WRONGONE")
    with tap.case("nor before it is chosen how the vault opens"):
        go(browser, "Choose how the vault")
    browser.click("#opens-person")
    answer(browser, box)
    secrets(browser, box)
    vendor = f"https://{box.vendor.host}:{box.vendor.port}/v1"
    for css, text, good, sentence in (("#hosts", "https://a", "localhost, 127.0.0.1", "host names"),
                                      ("#base-url", "ftp://x", vendor, "base URL"),
                                      ("#vendor", "two words", "mock", "vendor's name"), ("#port", "0", box.port, "port")):
        with tap.case(f"{css} with {text!r} is told its place"):
            browser.type(css, text)
            go(browser, sentence)
            equal("#" + browser.run("return document.activeElement.id"), css)
            browser.type(css, good)
    with tap.case("two passphrases that differ are refused"):
        browser.type("#again", WORDS + "!")
        go(browser, "differ")
        browser.type("#again", WORDS)
    with tap.case("a wrong claim code is refused with what to do, and what was typed stays"):
        go(browser, "does not accept this claim code")
        holds("console" in browser.text("#trouble"), browser.text("#trouble"))
        equal(browser.run("return document.querySelector('#passphrase').value"), WORDS)
    with tap.case("after all of this the state is untouched"):
        equal(box.setup()["state"], "unclaimed")


def nonsense_roots(browser, box, folder):
    """What the box refuses at the last step: the vault is made by then, and the set-up goes on in the same page."""
    path = folder / "nonsense.pem"
    path.write_text("no certificate at all\n")
    browser.choose_file("#roots", path)
    browser.type("#claim", CLAIM.lower())
    browser.click("#light")
    with tap.case("roots that are none are refused by the box, with the file's name, and the secrets have left the form"):
        go(browser, "ca/public.pem")
        equal(browser.run("return document.querySelector('#passphrase').value"
                          " + document.querySelector('#vendor-key').value"), "")
        equal(box.setup()["state"], "open")
    browser.choose_file("#roots", box.vendor.ca)


def finish(browser, folder, names=FILES):
    """The end of a set-up: what is shown, and the files."""
    eventually(lambda: browser.shown("#end") or browser.text("#trouble"), 120)
    equal(browser.text("#trouble"), "")
    eventually(lambda: browser.text("#serves") == "It serves.", 60)
    folder.mkdir()
    for number, name in enumerate(names, 1):
        (folder / name).write_bytes(browser.download(f"#files li:nth-child({number}) a", name))
    return browser.text("#end-key")


def fingerprint(box):
    try:
        pem = ssl.get_server_certificate(("127.0.0.1", box.admin_port))
    except OSError:  # the admin role starts again, for the new one
        return None
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def first_answer(browser, box, out, key):
    with tap.case("the client key, the authority and the line that it shows give the first answer"):
        equal(browser.text("#end-url"), f"https://localhost:{box.port}/v1")
        line = browser.text("#end-line")
        holds(line.count(key) == 1 and line.startswith("curl --cacert ca.crt "), line)
        r = subprocess.run(line, shell=True, cwd=out, capture_output=True, text=True, timeout=60)
        holds(r.returncode == 0 and json.loads(r.stdout)["choices"], r.stdout + r.stderr)
    with tap.case("the vendor key that came to the vendor is the one that was typed"):
        head = box.vendor.received()[-1]["head"]
        holds(f"Bearer {box.vendor.key}" in json.dumps(head), head)
    with tap.case("the page shows the fingerprints of the certificate that it has from now on, and of its authority"):
        shown = browser.text("#end-fingerprint").replace(" ", "")
        eventually(lambda: fingerprint(box) == shown, 10)
        authority = hashlib.sha256(ssl.PEM_cert_to_DER_cert((out / "ca.crt").read_text())).hexdigest()
        equal(browser.text("#end-authority").replace(" ", ""), authority)
    with tap.case("lethe.json is the one that the box has"):
        box.token, box.ca = (out / "admin.token").read_text().strip(), out / "ca.crt"
        stored = box.ask("GET", "/admin/v1/config/files/lethe.json", ca=box.ca)[1]
        equal(stored, json.loads((out / "lethe.json").read_text()))


def ctl(box, out, *words, stdin=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LETHE_ADMIN")}
    environment |= {"LETHE_ADMIN_URL": box.admin_url, "SSL_CERT_FILE": str(out / "ca.crt"),
                    "LETHE_ADMIN_TOKEN": (out / "admin.token").read_text().strip()}
    return subprocess.run([harness.BIN / "lethectl", *words], input=stdin, capture_output=True, text=True, timeout=120,
                          env=environment)


def unlock(box, out, words):
    return ctl(box, out, "vault", "unlock", "--fingerprint", fingerprint(box), "--stdin", stdin=words + "\n")


def serves_again(box, out, key):
    box.key, box.ca, box.token = key, out / "ca.crt", (out / "admin.token").read_text().strip()
    eventually(lambda: ctl(box, out, "ready").returncode == 0, 30)
    equal(box.chat_soon(), 200)


def looks(browser, box):
    with tap.case("on a phone nothing is wider than the screen"):
        browser.tell("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=2, mobile=True)
        open_page(browser, box)
        browser.run("document.querySelector('details').open = true")
        equal(browser.run("return document.documentElement.scrollWidth"), 360)
        browser.tell("Emulation.clearDeviceMetricsOverride")
    with tap.case("in dark mode it is dark"):
        browser.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        equal(browser.run("return getComputedStyle(document.body).backgroundColor"), "rgb(24, 24, 24)")
        browser.tell("Emulation.setEmulatedMedia", features=[])
    with tap.case("every field has a label, and every choice a group with a name"):
        equal(browser.run("return [...document.querySelectorAll('input')].filter(i => i.labels.length === 0).length"), 0)
        equal(browser.run("return [...document.querySelectorAll('form#answers input')].filter("
                          "i => !i.closest('fieldset').querySelector('legend')).length"), 0)


def old_browser(browser, box):
    with tap.case("a browser without X25519 is told which ones have it, and is asked nothing"):
        number = browser.tell("Page.addScriptToEvaluateOnNewDocument", source=WITHOUT_X25519)["identifier"]
        browser.open(box.admin_url + "/")
        eventually(lambda: browser.shown("#unfit"), 20)
        holds("Firefox 130" in browser.text("#unfit") and not browser.shown("#answers"), browser.text("#unfit"))
        browser.tell("Page.removeScriptToEvaluateOnNewDocument", identifier=number)


def told_nothing(browser, words):
    """What the admin role gets in the clear: the claim code, and nothing else that is secret."""
    sent = browser.run("return window.sent")
    holds(len(sent) > 8, sent)
    for word in words:
        for text in sent:
            holds(word not in text and json.dumps(word)[1:-1] not in text, f"{word[:20]} was sent in {text[:80]}")


def by_passphrase(browser, folder):
    with Box() as box:
        box.start("unclaimed")
        looks(browser, box)
        old_browser(browser, box)
        open_page(browser, box)
        refusals(browser, box)
        browser.type("#passphrase", FIRST_WORDS)
        browser.type("#again", FIRST_WORDS)
        nonsense_roots(browser, box, folder)
        browser.click("#light")
        secrets(browser, box)
        browser.click("#go")
        out = folder / "person"
        with tap.case("corrected, it goes on in the same page to its end"):
            key = finish(browser, out)
        token = (out / "admin.token").read_text().strip()
        with tap.case("no secret left the browser in the clear"):
            told_nothing(browser, (WORDS, FIRST_WORDS, box.vendor.key, key, key.split("_", 2)[2][:43], token,
                                   "PRIVATE KEY"))
        first_answer(browser, box, out, key)
        with tap.case("when it is set up, the page is the dashboard"):
            browser.open(box.admin_url + "/")
            eventually(lambda: browser.shown("#dashboard"), 20)
            browser.type("#token", token)
            browser.click("#enter button")
            eventually(lambda: "vault" in browser.text("#facts") and browser.text("#ready") == "ready", 20)
            holds(not browser.shown("#setup"), "the set-up is shown")
        harness.end(box.lethed)
        box.start("sealed")
        with tap.case("after a power cut it waits for a person, and says so on the page"):
            browser.open(box.admin_url + "/")
            eventually(lambda: browser.shown("#closed") and "vault unlock" in browser.text("#closed"), 20)
        with tap.case("its one slot is of the passphrase, as hard to guess as lethectl makes it"):
            equal([(s["kind"], s["ops"], s["mem_bytes"]) for s in box.setup()["slots"]], [("passphrase", 3, 256 << 20)])
        with tap.case("the passphrase of the try before opens nothing"):
            equal(unlock(box, out, FIRST_WORDS).returncode, 1)
        with tap.case("the passphrase that was typed last opens it, by lethectl, and it serves"):
            r = unlock(box, out, WORDS)
            equal(r.returncode, 0)
            serves_again(box, out, key)


def by_key_file(browser, folder):
    with Box() as box:
        box.start("unclaimed")
        open_page(browser, box)
        browser.click("#compared")
        browser.type("#claim", CLAIM)
        browser.click("#opens-key-file")
        with tap.case("who chooses a key file is asked for no passphrase"):
            holds(not browser.shown("#passphrase"), "it is shown")
        answer(browser, box)
        secrets(browser, box, None)
        browser.click("#go")
        with tap.case("the key file is there to be kept before the vault is made"):
            eventually(lambda: browser.shown("#save"), 30)
            kept = browser.download("#save-link", "vault.key")
            equal((len(kept), box.setup()["state"]), (32, "unclaimed"))
        browser.click("#saved")
        out = folder / "key-file"
        with tap.case("kept, it goes on to its end, where the same file is offered again"):
            key = finish(browser, out, (*FILES, "vault.key"))
            equal((out / "vault.key").read_bytes(), kept)
        with tap.case("no secret left the browser in the clear, nor the key file"):
            told_nothing(browser, (box.vendor.key, key, kept.hex(), "PRIVATE KEY"))
        first_answer(browser, box, out, key)
        harness.end(box.lethed)
        box.key_file = out / "vault.key"
        box.start("ready", key_file=True)
        with tap.case("after a power cut it opens by the file that was downloaded, and serves"):
            serves_again(box, out, key)


def by_tpm(browser, folder):
    """A TPM of software."""
    if not available():
        with tap.case("the same with a TPM"):
            raise Skip("no swtpm here: make test-full has one")
        return
    tpm = SoftwareTpm(folder)
    try:
        with Box() as box:
            tpm.start(BOOT)
            box.start("unclaimed", more=("--tpm", tpm.path))
            open_page(browser, box)
            with tap.case("a box with a TPM offers it, and says that the passphrase stays the way in"):
                holds(browser.shown("#opens-tpm") and not browser.shown("#has-no-tpm"), "it is not offered")
                browser.click("#opens-tpm")
                holds(browser.shown("#passphrase-why") and browser.shown("#passphrase"), "no passphrase is asked for")
            browser.click("#compared")
            browser.type("#claim", CLAIM)
            answer(browser, box)
            secrets(browser, box)
            browser.click("#light")
            browser.click("#go")
            out = folder / "tpm"
            with tap.case("it is bound to the TPM"):
                key = finish(browser, out)
            harness.end(box.lethed)
            tpm.stop()
            tpm.start(BOOT)
            box.start("ready", more=("--tpm", tpm.path))
            with tap.case("after a power cut the TPM opens it, and it serves"):
                serves_again(box, out, key)
    finally:
        tpm.stop()


def public_key(box):
    """SHA-256 of the public key that the box shows, in base64."""
    pem = ssl.get_server_certificate(("127.0.0.1", box.admin_port))
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=pem, capture_output=True, text=True, check=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.stdout.encode(), capture_output=True,
                         check=True)
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


def believing_one(folder):
    """As with a person, who has let one certificate pass and not yet its successor; on a box of a broken-off set-up."""
    with Box() as box:
        box.start("unclaimed")
        old = sealing.new_slot(box.seal_key(), passphrase=FIRST_WORDS.encode())
        equal(box.ask("POST", "/admin/v1/setup/vault", old, token=CLAIM)[0], 200)
        browser = Browser(folder / "careful", only=public_key(box))
        try:
            browser.tell("Page.addScriptToEvaluateOnNewDocument", source=LATE)
            open_page(browser, box)
            with tap.case("a page of a broken-off set-up says that it goes on"):
                holds(browser.shown("#begun"), "it does not")
            browser.click("#compared")
            browser.click("#opens-person")
            browser.type("#claim", CLAIM)
            answer(browser, box)
            secrets(browser, box)
            browser.click("#light")
            browser.click("#go")
            with tap.case("a browser that does not know the new certificate is told so, and what is to be kept is there"):
                eventually(lambda: "does not know the new certificate" in browser.text("#serves"), 120)
                holds(browser.text("#end-key").startswith("lk1_"), browser.text("#end-key"))
                (folder / "one").mkdir()
                for number, name in enumerate(FILES, 1):
                    (folder / "one" / name).write_bytes(browser.download(f"#files li:nth-child({number}) a", name))
            with tap.case("it serves all the same"):
                serves_again(box, folder / "one", browser.text("#end-key"))
        finally:
            browser.end()
        harness.end(box.lethed)
        box.start("sealed")
        with tap.case("what was chosen before it broke off opens nothing, what was chosen last does"):
            equal((len(box.setup()["slots"]), unlock(box, folder / "one", FIRST_WORDS).returncode), (1, 1))
            equal(unlock(box, folder / "one", WORDS).returncode, 0)


def elsewhere(browser):
    with tap.case("a relay whose configuration is a folder shows its dashboard, and no set-up"), harness.Relay() as relay:
        browser.open(relay.admin_url + "/")
        eventually(lambda: browser.shown("#dashboard") and browser.text("#ready") == "ready", 20)
        holds(not browser.shown("#setup") and not browser.shown("#closed"), "there is a set-up")
    with tap.case("a box whose keeper stands still shows its dashboard soon"), Box() as box:
        box.start("unclaimed")
        keeper = box.pids()["lethe-keeper"][0]
        os.kill(keeper, signal.SIGSTOP)
        try:
            browser.open(box.admin_url + "/")
            eventually(lambda: browser.shown("#dashboard"), 8)
        finally:
            try:
                os.kill(keeper, signal.SIGCONT)
            except ProcessLookupError:  # lethed has noticed, and begun another
                pass


def calm(browser):
    with tap.case("nothing of all that was against the page's own security policy"):
        said = [row["message"] for row in browser.ask("POST", "/se/log", {"type": "browser"})]
        equal([row for row in said if "Security Policy" in row or "Uncaught" in row], [])


def main():
    with tempfile.TemporaryDirectory(prefix="lethe-page-") as name:
        folder = pathlib.Path(name)
        try:
            browser = Browser(folder / "browser")
        except Skip as why:
            print(f"1..0 # SKIP {why}")
            return 77
        try:
            browser.tell("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            by_passphrase(browser, folder)
            by_key_file(browser, folder)
            by_tpm(browser, folder)
            elsewhere(browser)
            calm(browser)
        finally:
            browser.end()
        believing_one(folder)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
