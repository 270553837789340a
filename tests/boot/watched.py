"""A box whose wire is written down, and the TLS secrets of all who speak with it and of the vendors: who holds both could
read everything, so once a connection has closed its secrets are searched for like any word."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

import box as boxes  # noqa: E402
from search import tls_secrets  # noqa: E402


class Watched(boxes.Box):
    def __init__(self, **more):
        self.contexts = 0
        super().__init__(vendor_options={"key_log": True}, **more)

    def tls(self):
        context, folder = super().tls(), self.dir / "callers"
        folder.mkdir(exist_ok=True)
        self.contexts += 1
        context.keylog_filename = str(folder / str(self.contexts))
        return context

    def start(self, wait=True):
        self.put_away("wire.pcap")
        devices = self.devices
        self.devices = [*devices, "-object", f"filter-dump,id=wire,netdev=net,file={self.dir}/wire.pcap"]
        try:
            super().start(wait)
        finally:
            self.devices = devices

    def closed_callers(self, lines=()):
        """Secrets of whoever has spoken with the box so far, but for those of these lines that are still open."""
        still = {line.context.keylog_filename for line in lines if line.socket is not None}
        return {f"caller {log.name}, {what}": secret for log in (self.dir / "callers").iterdir() if str(log) not in still
                for what, secret in tls_secrets(log).items()}

    def vendor_secrets(self):
        """Of all connections to vendors, whether they are open or not."""
        return {f"{name}, {what}": secret for name, vendor in self.vendors.items()
                for what, secret in tls_secrets(vendor.key_log).items()}

    def close_vendors(self):
        """Ends every connection to a vendor, and returns the secrets of all that there were."""
        for vendor in self.vendors.values():
            vendor.stop()
        rows = self.vendor_secrets()
        for vendor in self.vendors.values():
            vendor.start()
        return rows
