"""A box on other hardware, from other forms of its disk, or from the disc: for the tests of the device matrix.

    with Hardware(disk="nvme", card="e1000e", boot="uefi") as box: ...

`disk` is a row of DISKS, or "disc": it starts from lethe.iso, and a second disk of a partition table and a state partition
holds the state. `form` is the file QEMU starts from: a form other than raw lies under what the box writes.
"""

import shutil
import subprocess

import box
from box import Box, partition

MIB = 1 << 20
SCSI = "scsi-hd,bus=bus.0"
# The controllers that take a disk, and the disk behind each.
DISKS = {
    "virtio-blk": ((), "virtio-blk-pci"),
    "virtio-scsi": (("virtio-scsi-pci",), SCSI),
    "pvscsi": (("pvscsi",), SCSI),
    "lsi53c895a": (("lsi53c895a",), SCSI),
    "mptsas1068": (("mptsas1068",), SCSI),
    "megasas": (("megasas",), SCSI),
    "ahci": ((), "ide-hd,bus=ide.0"),
    "ide": ((), "ide-hd,bus=ide.0"),
    "nvme": ((), "nvme,serial=lethe"),
    "usb": (("qemu-xhci",), "usb-storage,bus=bus.0"),
}
CARDS = ("virtio-net-pci", "e1000", "e1000e", "vmxnet3", "rtl8139", "igb")
FORMS = {"raw": "lethe.raw", "qcow2": "lethe.qcow2", "vmdk": "lethe.vmdk", "vhdx": "lethe.vhdx", "vpc": "lethe.vhd"}


class Hardware(Box):
    def __init__(self, disk="virtio-blk", card="virtio-net-pci", form="raw", machine="q35", raw=None, **more):
        self.disk, self.card, self.form, self.machine, self.raw = disk, card, form, machine, raw
        super().__init__(**more)

    def _put_state(self, path):
        at, room = partition(path, "lethe-state")
        state = self.state.read_bytes()
        assert len(state) <= room
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(state)

    def _disk(self):
        """What the box writes to, and QEMU's name of its form."""
        raw, over = self.dir / "disk.raw", self.dir / "disk.qcow2"
        if self.form != "raw":
            if not over.exists():
                below = self.image / FORMS[self.form]
                subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", self.form, over], check=True)
                at, _ = partition(self.image / "lethe.raw", "lethe-state")
                subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {self.state} {at} {self.state.stat().st_size}",
                                over], check=True, stdout=subprocess.DEVNULL)
            return over, "qcow2"
        if not raw.exists():
            if self.disk == "disc":
                with open(raw, "wb") as file:
                    file.truncate(67 * MIB)
                subprocess.run(["sgdisk", "-n", "1:2048:+64M", "-c", "1:lethe-state", raw], check=True,
                               stdout=subprocess.DEVNULL)
            else:
                subprocess.run(["cp", "--sparse=always", self.raw or self.image / "lethe.raw", raw], check=True)
            self._put_state(raw)
        return raw, "raw"

    def _disk_words(self):
        path, form = self._disk()
        controllers, device = DISKS["virtio-blk" if self.disk == "disc" else self.disk]
        words = [word for one in controllers for word in ("-device", f"{one},id=bus")]
        words += ["-drive", f"if=none,id=disk,format={form},file={path}"]
        if self.disk == "disc":
            return [*words, "-device", f"{device},drive=disk", "-drive",
                    f"if=none,id=disc,media=cdrom,readonly=on,format=raw,file={self.image}/lethe.iso",
                    "-device", "ide-cd,bus=ide.1,drive=disc,bootindex=0"]
        first = "" if self.boot == "kernel" else ",bootindex=0"
        return [*words, "-device", f"{device},drive=disk{first}"]

    def fetch_state(self):
        if self.form != "raw":
            subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", self.dir / "disk.qcow2",
                            self.dir / "disk.raw"], check=True)
        super().fetch_state()


class SecureHardware(Hardware):
    """A machine whose firmware checks what it starts, and keeps its keys where the system cannot write (SMM). `vars`: the
    firmware's variables, with keys or without."""

    def __init__(self, vars, **more):
        self.vars = vars
        super().__init__(boot="uefi", machine="q35,smm=on", **more)

    def _boot_words(self):
        mine = self.dir / "vars.fd"
        if not mine.exists():
            shutil.copy(self.vars, mine)
        return ["-global", "driver=cfi.pflash01,property=secure,value=on",
                "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={box.UEFI_CODE.replace('4M', '4M.secboot')}",
                "-drive", f"if=pflash,unit=1,format=raw,file={mine}"]
