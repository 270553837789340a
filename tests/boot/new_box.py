"""A box on which nobody has set up anything."""
import pathlib, re, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("", "../client", "../fault"):
    sys.path.insert(0, str((HERE / folder).resolve()))
import box, first_boot, harness


class NewBox(box.Box, first_boot.Box):
    """The image on an empty state. Its drive, where it has one, holds no configuration: box.conf, or vault.key."""

    on_drive = ("box.conf",)

    def config_drive(self):
        stick, drive = self.dir / "stick", self.dir / "config.img"
        stick.mkdir(exist_ok=True)
        if "box.conf" in self.on_drive:
            (stick / "box.conf").write_text(self.box_conf)
        if "vault.key" in self.on_drive:
            (stick / "vault.key").write_bytes(self.key_file.read_bytes())
        subprocess.run([harness.ROOT / "image/drive.py", stick, drive], check=True)
        return drive

    def start(self, wait=None):
        box.Box.start(self, wait=False)
        if wait:
            self.until(wait, box.BOOT_S)

    def shown(self, pattern, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.findall(pattern, self.console())
            if found:
                return found[-1]
            time.sleep(0.2)
        return None
