#!/usr/bin/env python3
"""First boot of the image: no configuration anywhere, a claim code on the console, and set-up over the management plane
until the first answer; then a restart, sealed, unlocked, serving."""
import os, pathlib, sys

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("", "../client", "../fault"):
    sys.path.insert(0, str((HERE / folder).resolve()))
import box, first_boot, sealing
from new_box import NewBox


tap = first_boot.tap
tap.subject = "setup flow"
ok = tap.ok


def by_key_file():
    """No drive at first, so addresses by DHCP; then a stick that holds the key file alone, and it opens by itself."""
    with NewBox(drives=0) as b:
        b.start("unclaimed")
        b.token = b.shown(r"claim code ([A-Z2-7]{4}-[A-Z2-7]{4})")
        ok(b.token is not None, "without any drive it gets an address and shows its code", b.console()[-3000:])
        key = os.urandom(32)
        b.key_file.write_bytes(key)
        seal = b.seal_key()
        ok(b.ask("POST", "/admin/v1/setup/vault", sealing.new_slot(seal, key_file=key))[0] == 200, "a vault of a key file")
        b.ask("POST", "/admin/v1/vault/credentials", sealing.vendor_key(seal, "mock", b.vendor.host, b.vendor.key))
        b.entries = []
        b.write_config()
        code, text, _ = b.put(b.files(), opens="key-file")
        ok(code == 200, "and its configuration", text)
        b.monitor.do("system_powerdown")
        b.lethed.wait(box.OFF_S)
        b.on_drive, b.drives = ("vault.key",), 1
        b.start("ready")
        b.token = b.admin_token
        b.settled(30)
        ok(b.ask("GET", "/admin/v1/status", ca=b.ca)[0] == 200, "with the key file on a stick it opens by itself")
        ok(b.shown(r"vault +open") is not None, "as the console says")


def main():
    if not (box.IMAGE / "serial").exists():
        print("1..0 # SKIP there is no image; make image makes it")
        return 77
    with NewBox() as b:
        b.start("unclaimed")
        code = b.shown(r"claim code ([A-Z2-7]{4}-[A-Z2-7]{4})")
        ok(code is not None, "the console shows a claim code", b.console()[-3000:])
        key = b.shown(r"admin key +((?:[0-9a-f]{4} ){4})")
        import hashlib, ssl
        seen = hashlib.sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", b.admin_port)))).hexdigest()
        ok(key is not None and seen.startswith(key.replace(" ", "")), "and the certificate's fingerprint", (key, seen))
        ok(b.ask("GET", "/admin/v1/status", token="AAAA-AAAA")[0] == 401, "another code does not do")
        b.token = code
        seal = b.seal_key()
        ok(b.ask("POST", "/admin/v1/setup/vault", sealing.new_slot(seal, passphrase=first_boot.WORDS))[0] == 200,
           "a vault is made")
        ok(b.ask("POST", "/admin/v1/vault/credentials",
                 sealing.vendor_key(seal, "mock", b.vendor.host, b.vendor.key))[0] == 200, "the vendor's key goes in")
        b.entries = []
        b.write_config()
        code, text, _ = b.put(b.files(**{"policy.json": "{}"}), opens="person")
        ok(code == 422 and "policy.json" in str(text), "a bad policy is refused", text)
        code, text, _ = b.put(b.files(), opens="person")
        ok(code == 200, "a configuration is taken", text)
        b.until("ready", 30)
        b.settled(30)
        b.token = b.admin_token
        first_boot.client_key(b)
        ok(b.shown(r"state +RUNNING +serving") is not None, "the console says that it serves")
        b.monitor.do("system_powerdown")
        b.lethed.wait(box.OFF_S)
        b.start("sealed")
        ok(b.shown(r"vault +SEALED") is not None, "after a restart the console says sealed")
        setup = b.setup()
        words = sealing.unlock(bytes.fromhex(setup["seal_key"]), setup["slots"][0], first_boot.WORDS)
        ok(b.ask("POST", "/admin/v1/vault/unlock", words)[0] == 200, "the words open it")
        b.until("ready", 30)
        ok(b.chat_soon(20) == 200, "and it answers")
    by_key_file()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
