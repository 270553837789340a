#!/usr/bin/env python3
"""Words that C of this project does not use (scripts/forbidden.txt), and marks of unfinished work anywhere."""

import fnmatch
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SILENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|^\s*#\s*include[^\n]*', re.DOTALL | re.MULTILINE)
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
TEXT = {".c", ".h", ".def", ".py", ".sh", ".mk", ".md", ".js", ".mjs", ".html", ".css", ""}


def rules():
    for line in (TOP / "scripts/forbidden.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            expression, places, why = re.split(r"\s{2,}", line.strip(), maxsplit=1)[0], *split_tail(line)
            yield re.compile(expression), places, why


def split_tail(line):
    columns = re.split(r"\s{2,}", line.strip())
    return columns[1].split(), columns[2]


def blanked(match):
    return "\n" * match.group().count("\n")


def c_faults(path, name, table):
    code = SILENT.sub(blanked, path.read_text())
    for number, line in enumerate(code.splitlines(), 1):
        for expression, places, why in table:
            hit = expression.search(line)
            if hit and not any(fnmatch.fnmatch(name, place) for place in places):
                yield f"{name}:{number}: {hit.group().strip()}: {why}"


def main():
    table, found = list(rules()), []
    for folder in ("src", "tests", "scripts", "firmware", "image", "policy"):
        for path in sorted((TOP / folder).rglob("*")):
            name = str(path.relative_to(TOP))
            if not path.is_file() or path.suffix not in TEXT or {"node_modules", "__pycache__", "corpus", "vectors"} & set(path.parts):
                continue
            if path.suffix in (".c", ".h"):
                found += c_faults(path, name, table)
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if UNFINISHED.search(line):
                    found.append(f"{name}:{number}: unfinished")
    print("\n".join(found))
    sys.exit(1 if found else 0)


main()
