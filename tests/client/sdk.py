"""The official SDKs, at the versions pinned beside this file, installed once into the cache (or build/)."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def _folder(name, pins):
    """Where this set of pins is installed: a new set gets a new place."""
    base = pathlib.Path(os.environ.get("LETHE_CACHE") or ROOT / "build") / "sdk"
    text = b"".join((HERE / pin).read_bytes() for pin in pins) + sys.version.encode()
    return base / f"{name}-{hashlib.sha256(text).hexdigest()[:12]}"


def _once(folder, install):
    """Runs install(folder) unless it has succeeded before. Processes wait for each other."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            (folder / "complete").touch()
    return folder


def _run(*command, cwd=None):
    result = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        print("\n".join("# " + row for row in result.stdout.splitlines()))
        sys.exit(f"cannot install the SDK: {' '.join(map(str, command))} failed")


def _install_python(folder):
    _run(sys.executable, "-m", "venv", folder)
    _run(folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:",
         "-r", HERE / "requirements.txt")


def _install_node(folder):
    folder.mkdir(parents=True)
    shutil.copy(HERE / "package.json", folder)
    _run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", cwd=folder)


def enter_python():
    """Goes on in the interpreter that has the SDK; returns there."""
    folder = _once(_folder("python", ["requirements.txt"]), _install_python)
    if pathlib.Path(sys.prefix) != folder:
        os.execv(folder / "bin/python", [str(folder / "bin/python"), *sys.argv])


def node_modules():
    """The folder whose node_modules has the SDK."""
    return _once(_folder("node", ["package.json"]), _install_node)
