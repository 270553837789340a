"""What the firmware keeps of a box that served: the variables of UEFI and the state of a TPM."""

import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

from capture import encrypted  # noqa: E402
from load import CHAT, Line, user  # noqa: E402
from swtpm import SoftTpm  # noqa: E402
from tap import holds  # noqa: E402
from watched import Watched  # noqa: E402

EXCHANGES = 5


class Measured(Watched):
    def start(self, wait=True):
        self.tpm = SoftTpm(self.dir)
        self.devices = self.tpm.start()
        super().start(wait)

    def stop(self):
        try:
            return super().stop()
        finally:
            self.tpm.stop()


def converse(search):
    with Measured(boot="uefi") as box:
        for number in range(EXCHANGES):
            line = Line(box, timeout=20).open()
            marker = search.hunt.marker(f"measured {number}")
            answer = line.ask(CHAT, {"model": "chat", "messages": user(f"Remember {marker}."), "stream": number % 2 == 1})
            holds(answer.status == 200, f"{answer.status}")
            line.close()
        search.secrets |= box.close_vendors() | box.closed_callers()
        time.sleep(1)
        search.memory(box, "memory after 1 s, started by UEFI")
        box.stop()
        search.secrets |= box.close_vendors() | box.closed_callers()
        search.file(box.dir / "vars.fd", "EFI variables")
        for file in sorted(box.tpm.state.iterdir()):
            search.file(file, f"TPM state, {file.name}")
        for name, medium in (("disk.raw", "disk"), ("console.log", "serial console"), ("wire.pcap", "wire")):
            search.file(box.dir / name, medium)
        encrypted([box.dir / "wire.pcap"])
