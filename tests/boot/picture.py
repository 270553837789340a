#!/usr/bin/env python3
# time limit: 300 s
"""The picture of the console in image/INSTALL.md is what a box shows at its first start: one without vault, drive or person.
`picture.py --write` puts the picture there anew. What differs from box to box and from build to build is compared by its form."""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from hardware import Hardware  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

PAGE = TOP / "image/INSTALL.md"
ROWS, COLUMNS = 25, 80
FENCE = re.compile(r"(<!-- picture\.py -->\n```text\n)(.*?)(```\n)", re.DOTALL)
# What may differ, and what stands in its place when two pictures are compared.
ANY = ((r"Lethe +\S+  commit \S+  kernel \S+", "Lethe VERSION"), (r"image +[0-9a-f]{16}  of \S+.*", "image DIGEST"),
       (r"(claim code|TLS key|admin key|export key) .*", r"\1"), (r"up +\d+ min.*", "up"), (r"eth0 .*", "eth0"),
       (r"  +", "  "))


class Fresh(Hardware):
    """As it comes out of make image."""

    def _put_state(self, path):
        pass


def screen(said):
    """What a terminal of 80 by 25 shows last that was sent this, empty lines taken together."""
    cells, row, column = [[" "] * COLUMNS for _ in range(ROWS)], 0, 0
    for move, text in re.findall(r"\x1b\[([0-9;?]*[A-Za-z\]])|([^\x1b])", said, re.DOTALL):
        if move.endswith("H"):
            row, column = (int(number or 1) - 1 for number in (move[:-1].split(";") + ["1"])[:2])
        elif move == "K" and row < ROWS:
            cells[row][column:] = [" "] * (COLUMNS - column)
        elif move == "J":
            for below in cells[row + 1:]:
                below[:] = [" "] * COLUMNS
        elif text >= " " and row < ROWS and column < COLUMNS:
            cells[row][column] = text
            column += 1
    text = "\n".join("".join(line).rstrip() for line in cells).strip("\n") + "\n"
    return re.sub(r"\n{3,}", "\n\n", text)


def form(picture):
    for what, name in ANY:
        picture = re.sub(what, name, picture)
    return [line.rstrip() for line in picture.splitlines() if line.strip()]


def taken():
    with Fresh(boot="kernel", drives=0, memory_mib=256, start=False) as box:
        box.start(wait=False)
        box.wait_console("claim code")
        box.wait_console("admin key")
        picture = screen((box.dir / "console.log").read_text(errors="replace"))
        equal(box.stop(), 0)
    return picture


def main():
    tap, picture = Tap("picture"), taken()
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(FENCE.sub(lambda found: found[1] + picture + found[3], PAGE.read_text(), count=1))
    with tap.case("the picture of the console in image/INSTALL.md is what a box shows at its first start"):
        found = FENCE.search(PAGE.read_text())
        holds(found, f"no picture in {PAGE.name}")
        print("\n".join("# " + line for line in picture.splitlines()))
        equal(form(found[2]), form(picture))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
