"""make prove-zero-log: everything that is said to the booted image, by the ends of zero_log.py and abnormal.py, and then
searched for in every medium. Writes what was found, by medium and form.

    prove.py [--runs N] [--later SECONDS] --report FILE      FILE.md and FILE.json; exit status 0: nothing was found, and
                                                             each control found more than a hundred
"""

import argparse
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

import abnormal  # noqa: E402
import firmware_media  # noqa: E402
import troubled  # noqa: E402
import zero_log  # noqa: E402
from search import Search  # noqa: E402
from tap import Tap, holds  # noqa: E402


FIRST_LATER_S = 60


def images(folder):
    return (troubled.make_image(folder / "clean"), troubled.make_image(folder / "nowipe", TOP / "build/nowipe/bin"))


def one_run(tap, later_s, made, kills):
    """Returns what each part found: {part: rows}."""
    parts = {}
    for name, play in (("normal ends", lambda s: zero_log.converse(s, later_s)),
                       ("abnormal ends", lambda s: abnormal.go_through(tap, s, made[0], kills)),
                       ("firmware", firmware_media.converse)):
        search = Search()
        with tap.case(f"{name}: played to the end"):
            play(search)
        with tap.case(f"{name}: nothing of {len(search.hunt.markers)} markers in {len(search.rows)} media"):
            holds(not search.hunt.hits, search.hunt.hits[:20])
        parts[name] = search.rows
    for name, play in (("control of normal ends", lambda s: zero_log.converse(s, control=True, image=zero_log.CONTROL)),
                       ("control of closed connections", lambda s: abnormal.control(s, made[1]))):
        search = Search()
        with tap.case(f"{name}: the programs that do not wipe are found out"):
            play(search)
            holds(len(search.hunt.hits) > zero_log.CONTROL_LEAST, f"found {len(search.hunt.hits)}")
        parts[name] = search.rows
    return parts


def table(rows):
    """A dash: not searched for there, or nothing was planted."""
    forms = list(dict.fromkeys(form for row in rows for form in row["forms"]))
    lines = ["| medium | bytes searched | planted, found | " + " | ".join(forms) + " |", "|---|---|---|" + "---|" * len(forms)]
    for row in rows:
        lines.append(f"| {row['medium']} | {row['bytes']} | {row['planted'] or '-'} | " +
                     " | ".join(str(row["forms"].get(form, "-")) for form in forms) + " |")
    return lines


def report(path, runs):
    path.with_suffix(".json").write_text(json.dumps(runs, indent=1) + "\n")
    lines = ["# Zero-log proof", "", "Pieces of 16 bytes and more that were found, by medium and form. Each form of each "
             "marker was searched for; a control is the same search on programs that do not wipe. What was planted is in a "
             "copy of the medium, a marker in each form and a TLS secret: all of it must be found.", ""]
    for number, parts in enumerate(runs, 1):
        for name, rows in parts.items():
            lines += [f"## Run {number}: {name}, {sum(row['found'] for row in rows)} found", "", *table(rows), ""]
    path.with_suffix(".md").write_text("\n".join(lines))


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--report", type=pathlib.Path, required=True)
    words.add_argument("--runs", type=int, default=1)
    words.add_argument("--later", type=float, default=FIRST_LATER_S, metavar="SECONDS",
                       help="when memory is searched again, in all runs but the first, which waits a minute")
    asked = words.parse_args()
    tap, runs = Tap("prove"), []
    with tempfile.TemporaryDirectory(dir=TOP / "build") as scratch:
        made = images(pathlib.Path(scratch))
        for number in range(1, asked.runs + 1):
            print(f"# run {number} of {asked.runs}", flush=True)
            first = number == 1
            runs.append(one_run(tap, FIRST_LATER_S if first else asked.later, made,
                                abnormal.EVERY if first else abnormal.SOME))
            report(asked.report, runs)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
