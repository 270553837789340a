#!/usr/bin/env python3
# time limit: 20 s
"""image/DRILLS.md says what is: twelve pages, the words it shows are the programs', its commands are lethectl's, and the
tests it names are there with the words it quotes. What image/INSTALL.md says of failures are the programs' words, too."""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "client"))

from tap import Tap, equal, holds  # noqa: E402

NAMED = re.compile(r"`(tests/[\w./]+\.(?:py|c))`((?:,? \"[^\"]+\")*)")
# Of files, settings and addresses, and of firmware and loaders, not of a program's mouth.
NOT_SAID = re.compile(r"/readyz|lethe\.json|box\.conf|lethectl .*|vault\.key|interface|proxy|resolver|lethe\.update"
                      r"|lethe-state|Access Denied|Enter username:")


def joined(folder):
    """Sources with their literals put together again."""
    files = [p for p in (TOP / folder).rglob("*") if p.suffix in (".c", ".h", ".def")]
    return re.sub(r'"\s*\n?\s*"', "", "\n".join(p.read_text() for p in files))


def pages():
    text = (TOP / "image/DRILLS.md").read_text()
    return {int(n): (title, " ".join(body.split())) for n, title, body in
            re.findall(r"^## (\d+)\. ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)}


def main():
    tap = Tap("drills")
    said = joined("firmware") + joined("src") + (TOP / "image/grub-damaged.cfg").read_text()
    commands = set(re.findall(r'\{"([a-z-]+)",\s+"([a-z-]*)"', (TOP / "src/prog/lethectl.c").read_text()))
    with tap.case("there are twelve, each with what is seen, what to do, and its proof"):
        equal(sorted(pages()), list(range(1, 13)))
        for number, (_, body) in pages().items():
            equal((number, re.findall(r"\*(Seen|Do|Proof)\.\*", body)), (number, ["Seen", "Do", "Proof"]))
    for number, (title, body) in pages().items():
        seen, do = re.search(r"\*Seen\.\*(.*)\*Do\.\*(.*)\*Proof", body).groups()
        with tap.case(f"{number}. {title}: its words are the programs'"):
            lost = [words for words in re.findall(r"`([^`]+)`", seen) if not NOT_SAID.fullmatch(words)
                    and words not in said]
            equal(lost, [])
        with tap.case(f"{number}. {title}: its commands are lethectl's"):
            for first, second in re.findall(r"`lethectl ([a-z-]+)(?: ([a-z-]+))?", seen + do):
                holds((first, second) in commands or (first, "") in commands, f"lethectl {first} {second}")
        with tap.case(f"{number}. {title}: its tests are there"):
            named = NAMED.findall(body)
            holds(named, "none is named")
            for file, quoted in named:
                holds((TOP / file).is_file(), file)
                text = re.sub(r'"\s+f?"', "", (TOP / file).read_text())
                equal((file, [words for words in re.findall(r'"([^"]+)"', quoted) if words not in text]), (file, []))
    failures = (TOP / "image/INSTALL.md").read_text().split("## What fails, and how that looks", 1)[1]
    with tap.case("INSTALL.md, what fails: its words are the programs'"):
        quoted = re.findall(r"`([^`]+)`", failures)
        holds(len(quoted) > 8, quoted)
        equal([words for words in quoted if not NOT_SAID.fullmatch(words) and words not in said], [])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
