#!/usr/bin/env python3
"""Makes the vectors of this folder anew, with a TPM of software and the programs of build/bin: run it in the box root,
   scripts/in-root --box python3 -B tests/vectors/quote/make.py
Two exports of one run and one after a start of the machine, as `lethectl export pull` gives them; answers.json holds what
the TPM answered, for tpm/wire; cases.json says how each is altered, and which sentence lethe-verify must then fail with."""

import base64
import json
import pathlib
import shutil
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent.parent
sys.path[:0] = [str(TESTS / "audit"), str(TESTS / "client")]

import harness  # noqa: E402
from software_tpm import SoftwareTpm, pcr_after  # noqa: E402
from tpm import BOOT, Relay  # noqa: E402

PASSWORD = struct.pack(">IIHBH", 9, 0x40000009, 0, 0, 0)


def two(data):
    return struct.pack(">H", len(data)) + data


def command(code, handles=b"", parameters=b"", session=PASSWORD):
    body = handles + session + parameters
    return struct.pack(">HII", 0x8002 if session else 0x8001, 10 + len(body), code) + body


def answers(tpm):
    """One of each answer that tpm/wire reads."""
    found = {}

    def ask(name, data):
        rest = tpm.command(data)
        found[name] = rest.hex()
        return rest

    curve = struct.pack(">HH", 3, 0x10) + two(b"") + two(b"")
    storage = struct.pack(">HHI", 0x23, 0x0b, 0x30472) + two(b"") + struct.pack(">HHHH", 6, 128, 0x43, 0x10) + curve
    quoting = struct.pack(">HHI", 0x23, 0x0b, 0x50472) + two(b"") + struct.pack(">HHH", 0x10, 0x18, 0x0b) + curve
    selection = struct.pack(">IHB", 1, 0x0b, 3) + bytes([0x95, 0x38, 0])
    made = two(two(b"") + two(b""))
    parent = ask("storage_key", command(0x131, struct.pack(">I", 0x40000001), made + two(storage) + two(b"")
                                        + struct.pack(">I", 0)))[:4]
    secret = two(two(b"") + two(bytes(range(32))))
    sealed = struct.pack(">HHI", 8, 0x0b, 0x412) + two(bytes(32)) + struct.pack(">H", 0x10) + two(b"")
    ask("sealed", command(0x153, parent, secret + two(sealed) + two(b"") + struct.pack(">I", 0)))
    tpm.command(command(0x165, b"", parent, session=b""))
    key = ask("quoting_key", command(0x131, struct.pack(">I", 0x4000000b), made + two(quoting) + two(b"")
                                     + struct.pack(">I", 0)))[:4]
    ask("quote", command(0x158, key, two(bytes(32)) + struct.pack(">H", 0x10) + selection))
    tpm.command(command(0x165, b"", key, session=b""))
    ask("pcrs", command(0x17e, b"", selection, session=b""))
    ask("clock", command(0x181, session=b""))
    ask("handles", command(0x17a, b"", struct.pack(">III", 1, 0x80000000, 16), session=b""))
    return found


def main():
    relay = Relay()
    tpm = SoftwareTpm(relay.dir)
    try:
        tpm.start(BOOT)
        (HERE / "answers.json").write_text(json.dumps(answers(tpm), indent=1) + "\n")
        relay.tpm_path = tpm.path
        relay.start()
        for _ in range(2):
            relay.ctl("export", "now")
        # An end that leaves no final export, and a start of the machine.
        relay.die()
        tpm.stop()
        tpm.start(BOOT)
        relay.start()
        relay.ctl("export", "now")
        pulled = relay.dir / "pulled"
        print(relay.ctl("export", "pull", "--out", pulled).stdout)
        for number, export in enumerate(sorted(pulled.glob("usage-*.json")), 1):
            for suffix in ("", ".sig", ".quote"):
                shutil.copyfile(f"{export}{suffix}", HERE / f"{number}.json{suffix}")
        shutil.copyfile(next(pulled.glob("*.pub")), HERE / "relay.pub")
        key = subprocess.run([harness.BIN / "lethe-verify", "ak", HERE / "1.json.quote"], capture_output=True, check=True)
        (HERE / "ak.pem").write_bytes(key.stdout)
        commit = json.loads((HERE / "1.json").read_text())["software"]["commit"]
        (HERE / "manifest.json").write_text(json.dumps({
            "commit": commit, "profiles": {"default": {"pcr": {
                "11": pcr_after(b"sections").hex(), "4": pcr_after(b"loader", b"image").hex()}}},
            "version": "vectors"}, indent=1) + "\n")
        others = SoftwareTpm(pathlib.Path(shutil.os.path.join(relay.dir, "config")))
        others.start(BOOT)
        quote = json.loads((HERE / "2.json.quote").read_text())
        again = answers(others)
        quote["ak_pub"] = base64.b64encode(bytes.fromhex(again["quoting_key"])[10:][:struct.unpack(
            ">H", bytes.fromhex(again["quoting_key"])[8:10])[0]]).decode()
        (HERE / "other.quote").write_text(json.dumps(quote, separators=(",", ":"), sort_keys=True) + "\n")
        others.stop()
    finally:
        relay.stop()
        tpm.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
