"""A TPM of software for a machine of QEMU, with a state that outlives it."""

import subprocess

from tap import eventually


class SoftTpm:
    def __init__(self, folder):
        self.state, self.socket, self.process = folder / "tpm", folder / "tpm.socket", None
        self.state.mkdir(exist_ok=True)

    def start(self):
        """Starts it, unless it runs: it ends with the machine. Returns QEMU's words."""
        if self.process is None or self.process.poll() is not None:
            self.socket.unlink(missing_ok=True)
            # It goes to another folder: its paths must be whole ones.
            self.process = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state.resolve()}",
                                             "--ctrl", f"type=unixio,path={self.socket.resolve()}", "--terminate"])
            eventually(self.socket.exists)
        return ["-chardev", f"socket,id=tpm,path={self.socket}", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
                "-device", "tpm-crb,tpmdev=tpm0"]

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
