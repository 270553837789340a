#!/usr/bin/env python3
# time limit: 300 s
"""What `make vm` runs: the curl line that it prints gives the answer it promises, the vendor's window shows a placeholder, the
file `env` holds what a client needs, and Ctrl-C leaves an export that minisign verifies."""

import json
import os
import pathlib
import re
import shlex
import signal
import stat
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from harness import free_port  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

READY_S, END_S, CURL_S = 150, 120, 60


def main():
    tap = Tap("vm")
    with tempfile.TemporaryDirectory(dir=TOP / "build") as folder:
        run, said = pathlib.Path(folder) / "run", pathlib.Path(folder) / "said"
        ports = free_port(), free_port()
        with said.open("wb") as out:
            vm = subprocess.Popen([TOP / "scripts/vm.py"], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                  start_new_session=True, env=os.environ | {
                                      "LETHE_RUN": str(run), "LETHE_PORT": str(ports[0]),
                                      "LETHE_ADMIN_PORT": str(ports[1])})
        try:
            with tap.case("it says when the box is ready, and where"):
                eventually(lambda: b"Ctrl-C presses" in said.read_bytes() or vm.poll() is not None, READY_S)
                holds(f"https://127.0.0.1:{ports[0]} " in said.read_text(), said.read_text())
            with tap.case("the curl line that it prints gives back the address"):
                line, = re.findall(r"^curl .*$", said.read_text(), re.MULTILINE)
                got = subprocess.run([*shlex.split(line), "-sS"], capture_output=True, text=True, timeout=CURL_S)
                answer = json.loads(got.stdout)["choices"][0]["message"]["content"]
                holds("ana.lopez@kontor-nord.de" in answer, answer)
            with tap.case("the vendor's window shows a placeholder instead"):
                eventually(lambda: re.search(r"EMAILx[0-9A-HJKMNP-TV-Z]{8}", said.read_text()), 10)
                shown = said.read_text().split("Ctrl-C presses", 1)[1]
                holds("ana.lopez" not in shown, shown)
            with tap.case("what a client needs stands in a file that is its owner's"):
                env = dict(row.split("=", 1) for row in (run / "env").read_text().splitlines())
                equal(env["OPENAI_BASE_URL"], f"https://127.0.0.1:{ports[0]}/v1")
                holds(pathlib.Path(env["SSL_CERT_FILE"]).exists() and env["OPENAI_API_KEY"] in line, env)
                equal(stat.S_IMODE((run / "env").stat().st_mode), 0o600)
            with tap.case("Ctrl-C presses the power button, and it ends cleanly"):
                vm.send_signal(signal.SIGINT)
                equal(vm.wait(END_S), 0)
            with tap.case("the export that the box has written is verified by the minisign line that it prints"):
                line, = re.findall(r"^\s*(minisign -V .*)$", said.read_text(), re.MULTILINE)
                command = shlex.split(line)
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                equal(json.loads(pathlib.Path(command[command.index("-m") + 1]).read_text())["kind"], "final")
        finally:
            if vm.poll() is None:
                vm.kill()
        if tap.bad:
            print("\n".join("# " + row for row in said.read_text(errors="replace").splitlines()[-40:]))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
