"""A box whose roles can be killed from outside, and whose memory can be searched at the moment it goes down."""

import pathlib
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from tap import holds  # noqa: E402
from watched import Watched  # noqa: E402

ANSWER_S, DOWN_S = 60, 60


def make_image(folder, programs=TOP / "build/bin"):
    """The image with trouble.c before its PID 1, and with these programs."""
    mine = folder / "programs"
    mine.mkdir(parents=True)
    for path in programs.glob("lethe*"):
        (mine / path.name).write_bytes(path.read_bytes())
    subprocess.run(["strip", "-o", folder / "init", TOP / "build/bin/lethe-init"], check=True)
    subprocess.run(["gcc", "-std=c23", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-static",
                    f"-DINIT=\"{folder}/init\"", "-o", mine / "lethe-init", HERE / "trouble.c"], check=True)
    subprocess.run([sys.executable, "-B", TOP / "image/make_image.py", "--programs", mine, "--out", folder / "image",
                    "--raw-only"], check=True)
    return folder / "image"


class Troubled(Watched):
    # It stands still where it would go down, and starts again in the same memory where it would be reset.
    ending = ["-action", "shutdown=pause,watchdog=reset"]

    def start(self, wait=True):
        self.line = self.dir / "trouble"
        self.line.unlink(missing_ok=True)
        self.devices = ["-device", "i6300esb", "-chardev", f"socket,id=trouble,path={self.line},server=on,wait=off",
                        "-device", "isa-serial,chardev=trouble,index=1"]
        super().start(wait)

    def trouble(self, words):
        """Tells the box to hurt itself. Returns how many it hit."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_S)
            line.connect(str(self.line))
            line.sendall(words.encode() + b"\n")
            said = b""
            while not said.endswith(b"\n"):
                said += line.recv(100)
        holds(said.startswith(b"done "), said)
        return int(said.split()[1])

    def wait_down(self):
        deadline = time.monotonic() + DOWN_S
        while self.monitor.do("query-status")["running"]:
            holds(time.monotonic() < deadline, "the box does not go down")
            time.sleep(0.1)

    def cut_power(self):
        self.lethed.kill()
        self.lethed.wait()

    def stop(self):
        """Presses the power button and leaves the machine as it is when it would have gone dark."""
        try:
            if self.lethed is not None and self.lethed.poll() is None:
                self.monitor.do("system_powerdown")
                self.wait_down()
        finally:
            if self.lethed is not None:
                self.cut_power()
            for vendor in self.vendors.values():
                vendor.stop()
