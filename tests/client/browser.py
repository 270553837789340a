"""A real browser for tests, without a screen: Debian's chromium, told by WebDriver what to do (W3C, read 2026-11-21).

It is taken from LETHE_BROWSER_ROOT, a root of scripts/root/make.sh browser, into which only it goes; or from this machine.
"""

import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from harness import free_port
from tap import Skip, eventually

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
BIND, RECURSIVE = 4096, 16384


def enter(root, command):
    """Becomes a command in another root. Devices, processes and /tmp stay; what is mounted ends with the command."""
    os.unshare(os.CLONE_NEWNS)
    libc = ctypes.CDLL(None, use_errno=True)
    for place in ("/proc", "/sys", "/dev", "/tmp"):
        if libc.mount(place.encode(), (root + place).encode(), None, BIND | RECURSIVE, None) != 0:
            raise OSError(ctypes.get_errno(), place)
    os.chroot(root)
    os.chdir("/")
    os.execvp(command[0], command)


def driver_command(port):
    driver = ["chromedriver", f"--port={port}"]
    root = os.environ.get("LETHE_BROWSER_ROOT", "")
    if root and pathlib.Path(root, "usr/bin/chromedriver").exists():
        return [sys.executable, "-B", __file__, root, *driver]
    if shutil.which("chromedriver"):
        return driver
    raise Skip("no browser here: make test-full has one")


class Browser:
    """`folder`, below /tmp, takes what is downloaded, and the browser's own files. Any certificate is believed, or that of
    one public key alone: `only`, the SHA-256 of it in base64, as when a person has looked at one and let it pass."""

    def __init__(self, folder, only=None):
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        self.port = free_port()
        self.session = ""
        command = driver_command(self.port)
        environment = dict(os.environ, HOME=str(folder), TMPDIR=str(folder))
        with open(folder / "driver.log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment,
                                            start_new_session=True)
        try:
            eventually(self.ready, 30)
            self.begin(folder, only)
        except BaseException:
            self.end()
            raise

    def ready(self):
        try:
            return self.ask("GET", "/status")["ready"]
        except OSError:
            return False

    def begin(self, folder, only):
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-breakpad",
                 "--no-first-run", "--disable-background-networking", f"--user-data-dir={folder / 'profile'}"]
        words += [f"--ignore-certificate-errors-spki-list={only}"] if only else []
        wish = {"browserName": "chrome", "acceptInsecureCerts": not only, "unhandledPromptBehavior": "accept",
                "goog:chromeOptions": {"args": words}}
        self.session = "/session/" + self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wish}})["sessionId"]
        self.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    def ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            c.request(method, self.session + path, None if method != "POST" else json.dumps(body or {}),
                      {"Content-Type": "application/json"})
            value = json.loads(c.getresponse().read())["value"]
        finally:
            c.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{path}: {value['error']}: {value['message'][:400]}")
        return value

    def tell(self, command, **more):
        """A command of the browser's own protocol."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": more})

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """What the body of a function returns in the page."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, css):
        return self.ask("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css):
        self.ask("POST", f"/element/{self.find(css)}/click")

    def type(self, css, text, clear=True):
        element = self.find(css)
        if clear:
            self.ask("POST", f"/element/{element}/clear")
        self.ask("POST", f"/element/{element}/value", {"text": str(text)})

    def choose_file(self, css, path):
        self.type(css, path, clear=False)

    def text(self, css):
        return self.run("return document.querySelector(arguments[0]).textContent", css)

    def shown(self, css):
        return self.run("return document.querySelector(arguments[0]).checkVisibility()", css)

    def download(self, css, name):
        """Clicks on a link, and the bytes of the file that comes of it."""
        self.click(css)
        path = self.downloads / name
        eventually(lambda: path.exists() and not list(self.downloads.glob("*.crdownload")), 20)
        data = path.read_bytes()
        path.unlink()
        return data

    def end(self):
        try:
            if self.session:
                self.ask("DELETE", "")
        except (OSError, RuntimeError):
            pass
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                time.sleep(0.5)
            except ProcessLookupError:
                break
        self.process.wait()


if __name__ == "__main__":
    enter(sys.argv[1], sys.argv[2:])
