#!/usr/bin/env python3
"""mutate.py NAME OUT: writes the source of guard NAME of tests/sim/mutants.txt, without that guard, to OUT.

The pattern must stand in its file exactly once: a guard that has moved is a line of the table to be looked at again."""

import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent


def rows():
    for line in (TOP / "tests/sim/mutants.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            cells = [cell.replace("\\n", "\n") for cell in line.split("\t")]
            yield cells + [""] * (4 - len(cells))


def main():
    wanted, out = sys.argv[1:]
    row = next((r for r in rows() if r[0] == wanted), None)
    if row is None:
        sys.exit(f"tests/sim/mutants.txt has no guard {wanted}")
    name, path, pattern, replacement = row
    text = (TOP / path).read_text()
    if text.count(pattern) != 1:
        sys.exit(f"tests/sim/mutants.txt: {name}: this stands {text.count(pattern)} times in {path}: {pattern}")
    out, text = Path(out), f'#line 1 "{path} without {name}"\n' + text.replace(pattern, replacement)
    out.parent.mkdir(parents=True, exist_ok=True)
    # What has not changed is not compiled again.
    if not out.exists() or out.read_text() != text:
        out.write_text(text)


if __name__ == "__main__":
    main()
