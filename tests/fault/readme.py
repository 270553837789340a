#!/usr/bin/env python3
# time limit: 20 s
"""What README.md says is tested is tested: each file it names is there, and has the words it quotes. And each fault of
the catalogue, each failover scenario and each timer of route/setting.def is spoken of."""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "client"))

from tap import Tap, equal, holds  # noqa: E402

NAMED = re.compile(r"`([\w./]+\.(?:py|c))`((?:,? \"[^\"]+\")+)")


def main():
    tap = Tap("readme")
    page = (HERE / "README.md").read_text()
    text = " ".join(page.split())
    claims = [(file, words) for file, quoted in NAMED.findall(text) for words in re.findall(r'"([^"]+)"', quoted)]
    with tap.case(f"its {len(claims)} cases are where it says"):
        holds(len(claims) > 100, "they are not found")
        lost = [(file, words) for file, words in claims
                if not (HERE / file).is_file() or words not in re.sub(r'"\s+f?"', "", (HERE / file).read_text())]
        equal(lost, [])
    with tap.case("no file of tests is named that is not there"):
        named = re.findall(r"`((?:\.\./)?[\w/]+(?:\.full)?\.(?:py|c))`", text)
        lost = [file for file in named if not any((root / file).exists() for root in (HERE, HERE.parents[1] / "src"))]
        equal(lost, [])
    with tap.case("F1 to F40, S01 to S16 and every timer are spoken of"):
        rows = re.findall(r"^SETTING\((\w+_ms),", (HERE.parents[1] / "src/route/setting.def").read_text(), re.MULTILINE)
        equal([f"F{n}" for n in range(1, 41) if not re.search(rf"\bF{n}\b", text)], [])
        equal([f"S{n:02}" for n in range(1, 17) if f"\n| S{n:02} |" not in page], [])
        timers = set(rows) - {"prefer_ms", "breaker_open_ms", "breaker_open_most_ms"}  # how long, not how late
        equal([name for name in sorted(timers) if f"`{name}`" not in text], [])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
