#!/usr/bin/env python3
"""Small and flat: files at most 600 lines of 120 columns, functions at most 70 lines and 5 parameters."""

import re
import sys
from pathlib import Path

FILE_LINES, LINE_COLUMNS, FUNCTION_LINES, PARAMETERS = 600, 120, 70, 5
TOP = Path(__file__).resolve().parent.parent


def c_files():
    for folder in ("src", "tests", "firmware"):
        yield from sorted(p for p in (TOP / folder).rglob("*.[ch]") if "node_modules" not in p.parts)


def page_files():
    """What is sent to a browser as it stands: no functions are looked for there."""
    for ending in ("html", "css", "js"):
        yield from sorted((TOP / "src").rglob("*." + ending))


def signature_before(lines, brace):
    """The lines of a definition's head, which ends before the line of its brace."""
    start = brace
    while start > 0 and lines[start - 1].strip() and not re.match(r"^([}#/]| \*)|.*;$", lines[start - 1]):
        start -= 1
    return start, " ".join(lines[start:brace])


def parameters(head):
    inside = head[head.find("(") + 1:head.rfind(")")]
    depth = commas = 0
    for c in inside:
        depth += c in "([" 
        depth -= c in ")]"
        commas += c == "," and depth == 0
    return 0 if inside.strip() in ("", "void") else commas + 1


def faults(path):
    lines = path.read_text().splitlines()
    name = path.relative_to(TOP)
    if len(lines) > FILE_LINES:
        yield f"{name}: {len(lines)} lines"
    start = None
    c = path.suffix in (".c", ".h")
    for number, line in enumerate(lines):
        if len(line) > LINE_COLUMNS:
            yield f"{name}:{number + 1}: {len(line)} columns"
        if c and line == "{":
            start, head = signature_before(lines, number)
            # What stands in a library's place, or is called by it, has the library's own parameters.
            if name.parts[0] == "src" and "__wrap_" not in head and "mbedtls_" not in head and parameters(head) > PARAMETERS:
                yield f"{name}:{start + 1}: {parameters(head)} parameters"
        elif line == "}" and start is not None:
            if number - start + 1 > FUNCTION_LINES:
                yield f"{name}:{start + 1}: function of {number - start + 1} lines"
            start = None


found = [fault for path in (*c_files(), *page_files()) for fault in faults(path)]
print("\n".join(found))
sys.exit(1 if found else 0)
