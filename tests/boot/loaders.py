"""Which slot the two boot loaders take, by their rules: systemd-boot by the names of files, GRUB by grub.cfg.

src  systemd 257, boot.c, boot_entry_compare, config_load_type2_entries; strverscmp_improved; read 2026-11-21
"""

import functools
import re

from fat_read import FOLDER, Broken

COUNTED = re.compile(r"\+(\d+)(?:-(\d+))?(?=\.efi$)")
TRIES = 3


def version_order(a, b):
    """Below zero: `a` is the older one. Names of slots hold no `-` and no `^`."""
    while True:
        a, b = (re.sub(r"^[^A-Za-z0-9~.]+", "", text) for text in (a, b))
        if a[:1] == "~" or b[:1] == "~":
            if a[:1] != b[:1]:
                return -1 if a[:1] == "~" else 1
            a, b = a[1:], b[1:]
            continue
        if not a or not b:
            return (a > b) - (a < b)
        if a[0] == "." or b[0] == ".":
            if a[0] != b[0]:
                return -1 if a[0] == "." else 1
            a, b = a[1:], b[1:]
            continue
        form = r"^\d*" if a[0].isdigit() or b[0].isdigit() else r"^[A-Za-z]*"
        one, other = re.match(form, a)[0], re.match(form, b)[0]
        a, b = a[len(one):], b[len(other):]
        if form == r"^\d*":
            one, other = ((len(text.lstrip("0")), text.lstrip("0")) for text in (one, other))
        if one != other:
            return 1 if one > other else -1


def entry_order(a, b):
    """As systemd-boot lists them. Their sort key is the same, and none says a version."""
    (one, left), (other, right) = a[1:], b[1:]
    if (left == 0) != (right == 0):
        return 1 if left == 0 else -1
    order = -version_order(one, other)
    if order or left is None or right is None:
        return order
    return right - left


def by_uefi(fat, tried=False):
    """The file that systemd-boot starts. `tried`: what is counted has had its tries. A file without a byte is not listed."""
    entries = []
    for name, (kind, _, size) in fat.folder("EFI/Linux").items():
        name = name.lower()
        if kind & FOLDER or not name.endswith(".efi") or size == 0:
            continue
        found = COUNTED.search(name)
        left = None if not found else 0 if tried else int(found[1])
        entries.append((name, COUNTED.sub("", name), left))
    if not entries:
        raise Broken("nothing that UEFI would start")
    return sorted(entries, key=functools.cmp_to_key(entry_order))[0][0]


def by_bios(fat, tried=False):
    """The slot that grub.cfg takes."""
    said = {"ORDER": "a b", "a_ok": "0", "b_ok": "0", "a_left": "0", "b_left": "0"}
    env = fat.read("grub/env")
    if env.startswith(b"# GRUB Environment Block\n"):
        said |= dict(line.split("=", 1) for line in env.decode().splitlines() if "=" in line and line[0] != "#")
    for slot in said["ORDER"].split():
        if said[f"{slot}_ok"] == "1" or not tried and said[f"{slot}_left"] in map(str, range(1, TRIES + 1)):
            return slot
    return "a"
