#!/usr/bin/env python3
"""make vm: the image in QEMU before the mock vendor, on the addresses of make run, until Ctrl-C; then the power button is
pressed and the export that the box has written is pulled. Keys and vault are new each time. LETHE_RUN names another folder
than build/run, LETHE_PORT and LETHE_ADMIN_PORT other ports."""

import os
import pathlib
import shutil
import signal
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests/boot"), str(TOP / "tests/client")]

import box  # noqa: E402
import harness  # noqa: E402

RUN = pathlib.Path(os.environ.get("LETHE_RUN") or harness.ROOT / "build/run")
PORT, ADMIN_PORT = (int(os.environ.get(name) or port) for name, port in (("LETHE_PORT", 8443), ("LETHE_ADMIN_PORT", 9443)))
MODELS = {"demo": "mock-1", "demo-slow": "mock:gap_ms=150", "demo-embed": "mock-embed"}


class Vm(box.Box):
    def _prepare(self, certs):
        super()._prepare(certs)
        self.port, self.admin_port = PORT, ADMIN_PORT
        self.base_url, self.admin_url = f"https://127.0.0.1:{PORT}/v1", f"https://127.0.0.1:{ADMIN_PORT}"


def write_env(vm, ca):
    origin = vm.base_url.removesuffix("/v1")
    (RUN / "env").write_text(f"OPENAI_BASE_URL={vm.base_url}\nOPENAI_API_KEY={vm.key}\nANTHROPIC_BASE_URL={origin}\n"
                             f"ANTHROPIC_API_KEY={vm.key}\nSSL_CERT_FILE={ca}\nNODE_EXTRA_CA_CERTS={ca}\n"
                             f"LETHE_ADMIN_URL={vm.admin_url}\nLETHE_ADMIN_TOKEN={vm.admin_token}\n")
    (RUN / "env").chmod(0o600)


def welcome(vm):
    print(f"""
The box is ready: {vm.base_url.removesuffix("/v1")} (management: {vm.admin_url}). Behind it stands a mock vendor, which
prints what it receives. Try this, and compare what you get with what the vendor received:

curl --cacert {RUN}/vm-ca.crt {vm.base_url}/chat/completions -H 'Authorization: Bearer {vm.key}' \
-H 'Content-Type: application/json' -d '{{"model":"demo","messages":[{{"role":"user","content":"Please write to \
ana.lopez@kontor-nord.de"}}]}}'

For an official client: set -a; . {RUN}/env; set +a
Ctrl-C presses its power button.
""", flush=True)


def follow(file, process, ending):
    """What the vendor prints, as it comes, until somebody ends it."""
    with open(file, encoding="utf-8", errors="replace") as said:
        while not ending and process.poll() is None:
            text = said.read()
            if text:
                print(text, end="", flush=True)
            time.sleep(0.2)


def main():
    ending = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ending.append(True))
    RUN.mkdir(parents=True, exist_ok=True)
    print("starting the box: emulated, it takes some ten seconds", flush=True)
    with Vm(models=MODELS, boot="bios", vendor_options={"extra": ["--show"]}) as vm:
        ca = RUN / "vm-ca.crt"
        shutil.copy(vm.ca, ca)
        write_env(vm, ca)
        welcome(vm)
        follow(vm.vendor.log, vm.lethed, ending)
        print("\npressing the power button", flush=True)
        status = vm.stop()
        vm.fetch_state()
        vm.exports = RUN / "exports"
        vm.exports.mkdir(exist_ok=True)
        print(vm.ctl_state("export", "pull", "--out", vm.exports).stdout, end="", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
