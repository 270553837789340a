"""A TPM of software (swtpm) on a socket, and what the firmware does to one: a start, and measurements."""

import hashlib
import shutil
import socket
import struct
import subprocess
import time


def available():
    return shutil.which("swtpm") is not None


def pcr_after(*events):
    value = bytes(32)
    for event in events:
        value = hashlib.sha256(value + hashlib.sha256(event).digest()).digest()
    return value


class SoftwareTpm:
    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "tpm.socket"
        self.process = None
        (folder / "tpm-state").mkdir()

    def start(self, measured=()):
        """As a machine does: power, then (register, event) by (register, event)."""
        self.path.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}/tpm-state", "--server",
             f"type=unixio,path={self.path}", "--ctrl", f"type=unixio,path={self.folder}/tpm.control", "--flags",
             "not-need-init,startup-clear"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not self.path.exists() and time.monotonic() < end:
            time.sleep(0.02)
        for register, event in measured:
            self.extend(register, event)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def clear_state(self):
        """Another TPM."""
        shutil.rmtree(self.folder / "tpm-state")
        (self.folder / "tpm-state").mkdir()

    def command(self, data):
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(20)
            line.connect(str(self.path))
            line.sendall(data)
            answer = b""
            while len(answer) < 10 or len(answer) < struct.unpack(">I", answer[2:6])[0]:
                piece = line.recv(4096)
                if not piece:
                    raise OSError("the TPM has gone")
                answer += piece
        code = struct.unpack(">I", answer[6:10])[0]
        if code != 0:
            raise OSError(f"the TPM refused: {code:#x}")
        return answer[10:]

    def extend(self, register, event):
        session = struct.pack(">IIHBH", 9, 0x40000009, 0, 0, 0)
        body = struct.pack(">I", register) + session + struct.pack(">IH", 1, 0x0b) + hashlib.sha256(event).digest()
        self.command(struct.pack(">HII", 0x8002, 10 + len(body), 0x182) + body)
