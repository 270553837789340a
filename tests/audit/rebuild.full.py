#!/usr/bin/env python3
# time limit: 1800 s
"""The programs are the same to the bit when they are compiled again: in another folder, seven years later, under another
mask, zone and language, by one process instead of several."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "client"))

from tap import Tap, equal, holds  # noqa: E402

READ = ("Makefile", "firmware", "policy", "scripts", "src")
ELSEWHERE = {"TZ": "Asia/Kolkata", "LANG": "tr_TR.UTF-8", "LC_ALL": "", "HOME": "/", "HOSTNAME": "elsewhere"}


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.name.startswith("lethe")}


def compile_again(folder):
    for name in READ:
        (shutil.copytree if (TOP / name).is_dir() else shutil.copy)(TOP / name, folder / name)
    # What the build asks git, which is not there: the same commit.
    header = dict(row.split(" ", 2)[1:] for row in (TOP / "build/gen/build_info.h").read_text().splitlines())
    said = {name: value.strip('"') for name, value in header.items()}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")} | ELSEWHERE | said
    done = subprocess.run(["sh", "-c", "umask 077 && exec faketime -f '@2033-05-06 07:08:09' make -j1 programs"], cwd=folder,
                          env=environment, capture_output=True, text=True)
    holds(done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:])
    return digests(folder / "build/bin")


def main():
    tap = Tap("rebuild")
    with tempfile.TemporaryDirectory(dir=TOP / "build") as scratch:
        folder = pathlib.Path(scratch) / "a-much-longer-name-of-a-folder" / "tree"
        folder.mkdir(parents=True)
        before, again = {name: d for name, d in digests(TOP / "build/bin").items()}, {}
        with tap.case("every program is compiled again, elsewhere and at another time"):
            again = compile_again(folder)
            equal(set(again), set(before))
        for name, digest in again.items():
            with tap.case(f"{name} is the same to the bit"):
                equal(digest, before.get(name))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
