#!/usr/bin/env python3
"""The image set up by lethectl from another machine, up to the first answer; then a power cut, with the key file on a stick:
it opens by itself."""
import hashlib, http.client, json, os, pathlib, shutil, ssl, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("", "../client", "../fault"):
    sys.path.insert(0, str((HERE / folder).resolve()))
import box, harness
from new_box import NewBox
from tap import Tap

tap = Tap("set up by lethectl")
ok = tap.ok


class KeyedBox(NewBox):
    """The stick gets the key file when there is one."""

    def config_drive(self):
        key = self.dir / "out" / "vault.key"
        (self.dir / "stick").mkdir(exist_ok=True)
        if key.exists():
            shutil.copy(key, self.dir / "stick")
        return super().config_drive()

    def wish(self):
        value = {"setup": "setup/1", "opens": "key-file", "hosts": ["localhost", "127.0.0.1"], "port": self.port,
                 "project": "helpdesk", "model": {"name": "chat", "target": "mock-1"},
                 "vendor": {"name": "mock", "base_url": f"https://{self.vendor.host}:{self.vendor.port}/v1",
                            "roots": str(self.vendor.ca), "addresses": [box.OUTSIDE], "local": ["10.0.2.0/24"]}}
        path = self.dir / "setup.json"
        path.write_text(json.dumps(value))
        return path

    def lethectl(self, *words, secrets=(), seconds=180):
        r = subprocess.run([str(harness.BIN / "lethectl"), *map(str, words)], input="".join(f"{s}\n" for s in secrets),
                           capture_output=True, text=True, timeout=seconds,
                           env={k: v for k, v in os.environ.items() if not k.startswith("LETHE_ADMIN")})
        return r.returncode, r.stdout, r.stderr

    def _vault(self, keys):
        """Nothing is made beforehand."""
        self.state.write_bytes(bytes(8 << 20))
        self.key, self.admin_token, self.admin_entry = "", "", {}

    def answers(self, key, seconds=60):
        context = ssl.create_default_context(cafile=str(self.dir / "out" / "ca.crt"))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            c = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
            try:
                c.request("POST", "/v1/chat/completions",
                          json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hello"}]}),
                          {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
                if c.getresponse().status == 200:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            finally:
                c.close()
            time.sleep(0.5)
        return False


def main():
    if not (box.IMAGE / "serial").exists():
        print("1..0 # SKIP there is no image; make image makes it")
        return 77
    with KeyedBox() as b:
        b.start("unclaimed")
        claim = b.shown(r"claim code ([A-Z2-7]{4}-[A-Z2-7]{4})")
        first = b.shown(r"admin key +((?:[0-9a-f]{4} ){4})")
        seen = hashlib.sha256(ssl.PEM_cert_to_DER_cert(
            ssl.get_server_certificate(("127.0.0.1", b.admin_port)))).hexdigest()
        ok(claim and first and seen.startswith(first.replace(" ", "")), "the console shows claim code and fingerprint",
           b.console()[-2000:])
        words = ["setup", "--admin", b.admin_url, "--file", b.wish(), "--out", b.dir / "out", "--stdin"]
        code, out, said = b.lethectl(*words, "--fingerprint", seen[::-1], secrets=[claim, b.vendor.key])
        ok(code == 1 and "nothing was sent" in said, "another fingerprint than the console's gets nothing", out + said)
        code, out, said = b.lethectl(*words, "--fingerprint", seen, secrets=["AAAA-AAAA", b.vendor.key])
        ok(code == 1 and "claim code" in said, "another claim code does not do", said)
        code, out, said = b.lethectl(*words, "--fingerprint", seen, secrets=[claim, b.vendor.key])
        if ok(code == 0 and "It serves." in out, "lethectl setup makes it serve", out + said + b.console()[-2000:]):
            key = next(word for word in out.split() if word.startswith("lk1_"))
            ok(b.answers(key), "and it gives its first answer")
            b.monitor.do("quit")
            b.lethed.wait(box.OFF_S)
            b.start()
            ok(b.answers(key, box.BOOT_S), "after a power cut it opens by the key file on its stick and answers",
               b.console()[-3000:])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
