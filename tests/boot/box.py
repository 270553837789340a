"""The image in QEMU, for any test that wants a running box.

    with Box(models={"chat": "mock-1"}) as box:
        box.base_url, box.key, box.vendor     as of harness.Relay: the ports are forwarded, the vendors stay out here
        box.memory(file)                      all of the guest's memory, while it stands still
        box.screen_text()                     what is on its screen, where that is one of VGA text

A box is a Relay whose lethed runs in a virtual machine: the same configuration lies on a drive that is named LETHECFG, the
same vault in the state partition of a copy of build/image/lethe.raw. `boot` is how it comes up: "bios", "uefi", or "kernel"
(the serial profile, without a boot loader: console() has what it wrote). Processors are emulated, so that the guest is the same
on every host.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "client"))

import harness  # noqa: E402

IMAGE = pathlib.Path(os.environ.get("LETHE_IMAGE") or harness.ROOT / "build/image")
# Where QEMU's own network has the host, and so the vendors.
OUTSIDE = "10.0.2.2"
BOX_CONF = "address 10.0.2.15/24\ngateway 10.0.2.2\nresolver 10.0.2.3\n"
UEFI_CODE, UEFI_VARS = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
SCREEN_AT, SCREEN_BYTES = 0xb8000, 0x8000
BOOT_S, OFF_S = 90, 60


def partition(disk, name):
    """(first byte, bytes) of a partition of a GPT disk."""
    with open(disk, "rb") as file:
        file.seek(512)
        head = file.read(92)
        if head[:8] != b"EFI PART":
            raise RuntimeError(f"{disk} has no partition table")
        first, count, size = struct.unpack("<QII", head[72:88])
        file.seek(first * 512)
        for _ in range(count):
            row = file.read(size)
            if row[56:128].decode("utf-16-le").rstrip("\0") == name:
                start, end = struct.unpack("<QQ", row[32:48])
                return start * 512, (end - start + 1) * 512
    raise RuntimeError(f"{disk} has no partition {name}")


def numbers(disk):
    """GUIDs of a GPT disk and of its partitions, by both tables, which must say the same."""
    said = []
    with open(disk, "rb") as file:
        file.seek(0, os.SEEK_END)
        for at in (512, file.tell() - 512):
            file.seek(at)
            head = file.read(92)
            first, = struct.unpack("<Q", head[72:80])
            file.seek(first * 512)
            rows = [file.read(128) for _ in range(128)]
            said.append({"disk": head[56:72]} | {row[56:128].decode("utf-16-le").rstrip("\0"): row[16:32] for row in rows
                                                 if any(row)})
    if said[0] != said[1]:
        raise RuntimeError(f"{disk}: the two tables differ")
    return said[0]


class Monitor:
    """QEMU's control socket."""

    def __init__(self, path, process):
        deadline = time.monotonic() + 20
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("QEMU does not start") from None
                time.sleep(0.05)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.do("qmp_capabilities")

    def do(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline() or '{"error": "QEMU has ended"}')
            if "event" in answer:
                continue
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            return answer["return"]


class Box(harness.Relay):
    # What becomes of QEMU when the machine goes down or starts again.
    ending = ["-no-reboot"]
    machine, card = "q35", "virtio-net-pci"
    # The address that ports are forwarded to; empty: the one that QEMU's DHCP gives.
    guest = ""
    # Files on the stick beside the configuration, and how image/drive.py makes it.
    also, drive_words = (), ()
    started_again = False

    def __init__(self, boot="kernel", memory_mib=512, box_conf=BOX_CONF, words=(), drives=1,
                 devices=(), image=None, **more):
        self.boot, self.memory_mib, self.box_conf, self.devices = boot, memory_mib, box_conf, devices
        self.image, self.monitor, self.words, self.drives = image or IMAGE, None, words, drives
        super().__init__(**more)

    def config_object(self):
        value = super().config_object()
        for upstream in value["upstreams"]:
            upstream |= {"addresses": [OUTSIDE], "local": ["10.0.2.0/24"]}
        return value

    def config_drive(self):
        """A stick as an owner would fill it."""
        stick = self.dir / "stick"
        shutil.rmtree(stick, ignore_errors=True)
        shutil.copytree(self.config, stick / "config")
        if self.box_conf is not None:
            (stick / "box.conf").write_text(self.box_conf)
        shutil.copy(self.key_file, stick)
        for file in self.also:
            shutil.copy(file, stick)
        drive = self.dir / "config.img"
        subprocess.run([harness.ROOT / "image/drive.py", *self.drive_words, stick, drive], check=True)
        return drive

    def _disk(self):
        disk = self.dir / "disk.raw"
        if not disk.exists():
            subprocess.run(["cp", "--sparse=always", self.image / "lethe.raw", disk], check=True)
            at, room = partition(disk, "lethe-state")
            state = self.state.read_bytes()
            assert len(state) <= room
            with open(disk, "r+b") as file:
                file.seek(at)
                file.write(state)
        return disk

    def _disk_words(self):
        return ["-drive", f"if=virtio,format=raw,file={self._disk()}"]

    def _stick_words(self, drive):
        return ["-drive", f"if=virtio,format=raw,readonly=on,file={drive}"] * self.drives

    def _boot_words(self):
        if self.boot == "kernel":
            serial = self.image / "serial"
            return ["-kernel", serial / "vmlinuz", "-initrd", serial / "initrd", "-append",
                    " ".join([(serial / "cmdline").read_text().strip(), *self.words])]
        if self.boot == "uefi":
            vars_ = self.dir / "vars.fd"
            if not vars_.exists():
                shutil.copy(UEFI_VARS, vars_)
            return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={UEFI_CODE}",
                    "-drive", f"if=pflash,unit=1,format=raw,file={vars_}"]
        return []

    def _wire(self):
        """The card and what it is plugged into."""
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{port}-{self.guest}:{inside}" for port, inside in
                            ((self.port, 8443), (self.admin_port, 9443)))
        return ["-netdev", f"user,id=net,{forwards}", "-device", f"{self.card},netdev=net,romfile="]

    def put_away(self, name):
        """What an earlier start wrote there keeps a number: QEMU begins the file anew, and who waits for words in it must
        not find old ones."""
        if (self.dir / name).exists():
            (self.dir / name).rename(self.dir / f"{name}.{len(self.of_all_starts(name))}")

    def of_all_starts(self, name):
        """The files of that name, the oldest first."""
        return sorted(self.dir.glob(f"{name}.*"), key=lambda file: int(file.suffix[1:])) + [self.dir / name]

    def start(self, wait=True):
        drive = self.config_drive()
        self.put_away("console.log")
        monitor = self.dir / "monitor"
        monitor.unlink(missing_ok=True)
        command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-machine", self.machine, "-m", f"{self.memory_mib}M",
                   "-smp", "2", "-nodefaults", "-display", "none", *self.ending, "-vga", "std",
                   "-serial", f"file:{self.dir}/console.log",
                   "-qmp", f"unix:{monitor},server=on,wait=off", "-device", "virtio-rng-pci",
                   *self._wire(),
                   *self._disk_words(),
                   *self._stick_words(drive), *self.devices, *self._boot_words()]
        with open(self.log, "ab") as log:
            # A Ctrl-C at the terminal is not the machine's power cut.
            self.lethed = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL, start_new_session=True)
        self.monitor = Monitor(monitor, self.lethed)
        if not wait:
            return
        try:
            self.wait_ready()
        except RuntimeError:
            if not self.emulator_failed() or self.started_again:
                raise
            print("# QEMU has failed, not the box; once more: " + self.log.read_text(errors="replace").splitlines()[-1])
            self.started_again = True
            self.start()

    def emulator_failed(self):
        """Its own assertions end it once in hundreds of starts (iotlb_to_section, when two processors are emulated and the
        firmware moves devices about); to the disk that is a power cut."""
        return self.lethed.poll() == -signal.SIGABRT and "qemu-system-x86_64: " in self.log.read_text(errors="replace")

    def wait_ready(self, seconds=BOOT_S):
        """Short tries: before the guest has a network, QEMU takes a connection and says nothing."""
        deadline = time.monotonic() + seconds
        while True:
            if self.lethed.poll() is not None:
                raise RuntimeError(f"QEMU ended with {self.lethed.returncode}:\n{self.logs()}")
            c = http.client.HTTPSConnection("127.0.0.1", self.admin_port, timeout=1, context=self.tls())
            try:
                c.request("GET", "/readyz", None, {"Authorization": f"Bearer {self.admin_token}"})
                if c.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                c.close()
            if time.monotonic() > deadline:
                raise RuntimeError(f"the box is not ready:\n{self.logs()}")
            time.sleep(0.1)

    def console(self):
        """What was written to the serial console, without what moves the cursor."""
        text = (self.dir / "console.log").read_text(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", text)

    def wait_console(self, words, seconds=BOOT_S):
        deadline = time.monotonic() + seconds
        while words not in self.console():
            if self.lethed.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"not on the console: {words!r}\n{self.console()[-3000:]}")
            time.sleep(0.1)

    def pids(self):
        return {}

    def memory(self, file):
        """All of the guest's memory as it is now; the guest stands still meanwhile."""
        running = self.monitor.do("query-status")["running"]
        if running:
            self.monitor.do("stop")
        self.monitor.do("dump-guest-memory", paging=False, protocol=f"file:{file}")
        if running:
            self.monitor.do("cont")

    def screen_text(self):
        """What a screen of VGA text holds, and what has scrolled off it: every second byte, between them are the colours."""
        file = self.dir / "screen.text"
        self.monitor.do("pmemsave", val=SCREEN_AT, size=SCREEN_BYTES, filename=str(file))
        return file.read_bytes()[::2]

    def stop(self):
        """Presses the power button, as an owner would. Returns QEMU's exit status; -1: it had to be killed."""
        killed = False
        if self.lethed is not None and self.lethed.poll() is None:
            try:
                self.monitor.do("system_powerdown")
                self.lethed.wait(OFF_S)
            except (AttributeError, RuntimeError, OSError, subprocess.TimeoutExpired):
                harness.end(self.lethed)
                killed = True
        for vendor in self.vendors.values():
            vendor.stop()
        return -1 if killed else self.lethed.returncode if self.lethed else None

    def fetch_state(self):
        """After stop(): the state partition becomes the state file that lethectl reads."""
        at, room = partition(self.dir / "disk.raw", "lethe-state")
        with open(self.dir / "disk.raw", "rb") as disk:
            disk.seek(at)
            self.state.write_bytes(disk.read(room))

    def export(self):
        self.fetch_state()
        return super().export()
