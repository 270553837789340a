#!/usr/bin/env python3
# time limit: 300 s
"""The vault in a TPM, and quotes beside exports: the real programs and a TPM of software, on this host. What other tools
say of a quote: tpm2_checkquote and openssl; what lethe-verify says of it, and of forged ones."""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

import harness  # noqa: E402
from software_tpm import SoftwareTpm, available, pcr_after  # noqa: E402
from tap import Skip, Tap, equal, eventually, holds  # noqa: E402

BOOT = [(4, b"loader"), (4, b"image"), (11, b"sections"), (7, b"keys")]
OTHER_BOOT = [(4, b"loader"), (4, b"another image"), (11, b"sections"), (7, b"keys")]


def holds_files(pid):
    """It runs: a dead one stays in the list until somebody asks how it ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Relay(harness.Relay):
    """With a TPM, and a key file at start only when `keyed`."""

    def __init__(self, **rest):
        self.keyed, self.tpm_path = True, None
        super().__init__(start=False, relays=1, **rest)

    def start(self, wait=True):
        command = [harness.BIN / "lethed", "--config", self.config, "--state", self.state,
                   "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}", "--relays", "1"]
        command += ["--key-file", self.key_file] if self.keyed else []
        command += ["--tpm", self.tpm_path] if self.tpm_path else []
        with open(self.log, "ab") as log:
            self.lethed = subprocess.Popen([str(w) for w in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(lambda: self.state_word() == ("open" if wait else "sealed"), 20)

    def die(self):
        """lethed is killed, and its roles with it: until they are gone the state file is theirs."""
        family = harness.children(self.lethed.pid)
        self.lethed.kill()
        self.lethed.wait()
        eventually(lambda: not any(holds_files(pid) for pid in family), 10)

    def vault(self):
        return json.loads(self.admin("GET", "/admin/v1/vault")[1])

    def state_word(self):
        try:
            return self.vault().get("state")
        except (OSError, ValueError):
            return None

    def ctl(self, *words):
        environment = os.environ | {"LETHE_ADMIN_TOKEN": self.admin_token}
        command = [harness.BIN / "lethectl", *words, "--admin", self.admin_url, "--ca", self.ca]
        return subprocess.run([str(w) for w in command], env=environment, text=True, capture_output=True, timeout=60)


def unattended(tap, relay, tpm):
    tpm.start(BOOT)
    relay.tpm_path = tpm.path
    relay.start()
    with tap.case("a TPM that is not used yet is said to be there"):
        equal(relay.vault()["tpm"], "unused")
        said = relay.ctl("vault", "status").stdout
        holds("slot add tpm" in said, said)
    with tap.case("vault slot add tpm adds a key slot, and a second time replaces it"):
        for _ in range(2):
            done = relay.ctl("vault", "slot", "add", "tpm")
            equal((done.returncode, done.stderr), (0, ""))
        equal([slot["kind"] for slot in relay.vault()["slots"]], ["key_file", "tpm"])
        equal(relay.vault()["tpm"], "opens")
    relay.keyed = False
    with tap.case("lethed opens the vault without anybody, after an orderly end"):
        harness.end(relay.lethed)
        relay.start()
    with tap.case("and after it was killed, with the TPM still on, time and again"):
        for _ in range(5):
            relay.die()
            relay.start()
    with tap.case("and after the machine was started anew from the same"):
        harness.end(relay.lethed)
        tpm.stop()
        tpm.start(BOOT)
        relay.start()
        equal(relay.vault()["tpm"], "opens")


def sealed(tap, relay, tpm):
    def began_from(measured):
        harness.end(relay.lethed)
        tpm.stop()
        tpm.start(measured)
        relay.start(wait=False)

    with tap.case("a machine started from something else stays sealed, and says why"):
        began_from(OTHER_BOOT)
        equal(relay.vault()["tpm"], "other_start")
        holds("TPM_REFUSED why=3" in relay.log.read_text(), relay.log.read_text()[-500:])
        said = relay.ctl("vault", "status").stdout
        holds("started from something else" in said, said)
    with tap.case("the key file opens it all the same"):
        done = relay.ctl("vault", "unlock", "--key-file", relay.key_file)
        equal((done.returncode, done.stderr, relay.state_word()), (0, "", "open"))
    with tap.case("a driver that came from a disk, Secure Boot's keys, a command line: each of them keeps it sealed"):
        for register in (2, 7, 12, 13):
            began_from([*BOOT, (register, b"more")])
            equal((register, relay.vault()["tpm"]), (register, "other_start"))
    with tap.case("a firmware update does not"):
        harness.end(relay.lethed)
        tpm.stop()
        tpm.start([(0, b"new firmware"), (5, b"partitions"), *BOOT])
        relay.start()
    with tap.case("another TPM with the same registers does not open it"):
        harness.end(relay.lethed)
        tpm.stop()
        shutil.copytree(tpm.folder / "tpm-state", tpm.folder / "tpm-kept")
        tpm.clear_state()
        tpm.start(BOOT)
        relay.start(wait=False)
        equal(relay.vault()["tpm"], "other_tpm")
    with tap.case("and the right one does, when it is back"):
        harness.end(relay.lethed)
        tpm.stop()
        shutil.rmtree(tpm.folder / "tpm-state")
        (tpm.folder / "tpm-kept").rename(tpm.folder / "tpm-state")
        tpm.start(BOOT)
        relay.start()


def broken(tap, relay, tpm):
    with tap.case("no TPM any more: sealed, and the key file opens it"):
        harness.end(relay.lethed)
        relay.tpm_path = relay.dir / "nothing"
        relay.start(wait=False)
        equal(relay.vault()["tpm"], "absent")
        done = relay.ctl("vault", "slot", "add", "tpm")
        equal(relay.ctl("vault", "unlock", "--key-file", relay.key_file).returncode, 0)
        done = relay.ctl("vault", "slot", "add", "tpm")
        holds(done.returncode == 1 and "no TPM" in done.stderr, done.stderr)
    for name, answer in (("answers nonsense", b"\x00" * 64), ("refuses all", bytes.fromhex("80010000000a00000100")),
                         ("hangs up", b"")):
        with tap.case(f"a TPM that {name} does not keep lethed from starting"):
            harness.end(relay.lethed)
            relay.tpm_path = relay.dir / f"bad-{len(answer)}"
            line = socket.socket(socket.AF_UNIX)
            line.bind(str(relay.tpm_path))
            line.listen()

            def serve(line=line, answer=answer):
                end, _ = line.accept()
                while end.recv(4096) and answer:
                    end.sendall(answer)
                end.close()

            threading.Thread(target=serve, daemon=True).start()
            relay.start(wait=False)
            equal(relay.vault()["tpm"], "fails")
            line.close()
    relay.tpm_path = tpm.path
    harness.end(relay.lethed)
    relay.start()


def pulled(relay, folder):
    done = relay.ctl("export", "pull", "--out", folder)
    equal((done.returncode, done.stderr), (0, ""))
    return sorted(folder.glob("usage-*.json"))


def verify(*words):
    done = subprocess.run([str(harness.BIN / "lethe-verify"), *map(str, words)], text=True, capture_output=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def by_other_tools(tap, folder, export):
    quote = json.loads(pathlib.Path(f"{export}.quote").read_text())
    parts = {name: base64.b64decode(quote[name]) for name in ("attest", "sig")}
    for name, data in parts.items():
        (folder / name).write_bytes(data)
    status, pem = verify("ak", f"{export}.quote")
    holds(status == 0, pem)
    (folder / "ak.pem").write_text(pem)
    with tap.case("tpm2_checkquote believes the quote, over SHA-256 of what is written"):
        if shutil.which("tpm2_checkquote") is None:
            raise Skip("no tpm2-tools here")
        import hashlib
        nonce = hashlib.sha256(b"relay-usage-export-v1\0" + export.read_bytes()).hexdigest()
        done = subprocess.run(["tpm2_checkquote", "-u", folder / "ak.pem", "-m", folder / "attest", "-s", folder / "sig",
                               "-q", nonce, "-g", "sha256"], capture_output=True, text=True)
        holds(done.returncode == 0, done.stdout + done.stderr)
        done = subprocess.run(["tpm2_checkquote", "-u", folder / "ak.pem", "-m", folder / "attest", "-s", folder / "sig",
                               "-q", "00" * 32, "-g", "sha256"], capture_output=True, text=True)
        holds(done.returncode != 0, "another nonce was believed")


def quotes(tap, relay, tpm):
    folder = relay.dir / "pulled"
    for _ in range(2):
        equal(relay.ctl("export", "now").returncode, 0)
    files = pulled(relay, folder)
    public = next(folder.glob("*.pub"))
    newest = files[-1]
    by_other_tools(tap, folder, newest)
    with tap.case("the export says the TPM's clock, and the quote lies beside it"):
        export = json.loads(newest.read_text())
        equal(sorted(export["tpm"]), ["clock", "previous_quote", "reset_count", "restart_count", "safe"])
        quote = json.loads(pathlib.Path(f"{newest}.quote").read_text())
        equal(sorted(map(int, quote["pcrs"])), [0, 2, 4, 7, 11, 12, 13])
        equal(quote["pcrs"]["11"], pcr_after(b"sections").hex())
    two = files[-2:]
    manifest = {"version": "test", "commit": export["software"]["commit"], "profiles": {"default": {"pcr": {
        "4": pcr_after(b"loader", b"image").hex(), "11": pcr_after(b"sections").hex()}}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    all_words = ["--pub", public, "--ak", folder / "ak.pem", "--manifest", folder / "manifest.json"]
    with tap.case("lethe-verify: signature, quote, release and series hold"):
        status, said = verify("export", *two, *all_words)
        holds(status == 0, said)
        holds(said.count(": good:") == 2 * 12 + 7, said)
    with tap.case("lethe-verify: without a TPM's key only what the relay signed"):
        status, said = verify("export", *two, "--pub", public)
        holds(status == 0 and "not checked" in said, said)
    with tap.case("the state file by itself gives the quotes too, when lethed has ended"):
        harness.end(relay.lethed)
        done = relay.ctl_state("export", "pull", "--out", relay.dir / "offline")
        equal((relay.dir / "offline" / f"{newest.name}.quote").read_bytes(), pathlib.Path(f"{newest}.quote").read_bytes())
        tpm.stop()
        tpm.start(BOOT)
        relay.start()
        equal(relay.ctl("export", "now").returncode, 0)
    with tap.case("lethe-verify: a start of the machine between two exports is seen, and told by both"):
        status, said = verify("export", *pulled(relay, folder)[-3:], *all_words)
        holds(status == 0 and "the machine was started between the two, and the export says so" in said, said)


def slots(tap, relay):
    with tap.case("the TPM's slot can be taken away, the last that a person holds cannot"):
        done = relay.ctl("vault", "slot", "remove", "0")
        holds(done.returncode == 1 and "last" in done.stderr, done.stderr)
        index = next(slot["index"] for slot in relay.vault()["slots"] if slot["kind"] == "tpm")
        equal(relay.ctl("vault", "slot", "remove", str(index)).returncode, 0)
        equal(relay.vault()["tpm"], "unused")
        equal(relay.ctl("vault", "slot", "remove", "5").returncode, 1)
        harness.end(relay.lethed)
        relay.start(wait=False)


def by_the_code(tap, tpm):
    """What only C can ask: a slot for an image that is not started yet."""
    for name in ("tpm/test_device", "role/test_keeper_tpm"):
        path = harness.ROOT / "build/test" / name
        with tap.case(f"{name} with this TPM"):
            if not path.exists():
                raise Skip("not built")
            tpm.stop()
            tpm.start(BOOT)
            done = subprocess.run([path], env=os.environ | {"LETHE_TPM_SOCKET": str(tpm.path)}, capture_output=True,
                                  text=True, timeout=120)
            holds(done.returncode == 0 and "# SKIP" not in done.stdout, done.stdout + done.stderr)


def main():
    tap = Tap("tpm")
    if not available():
        print("1..0 # SKIP no swtpm here")
        return 77
    relay = Relay()
    tpm = SoftwareTpm(relay.dir)
    try:
        unattended(tap, relay, tpm)
        sealed(tap, relay, tpm)
        broken(tap, relay, tpm)
        quotes(tap, relay, tpm)
        slots(tap, relay)
        by_the_code(tap, tpm)
    finally:
        relay.stop()
        tpm.stop()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
