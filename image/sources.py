"""Where the source of each part is that others wrote and that asks for it (GPL, LGPL), at exactly the version in the image:
Debian keeps every version it ever had."""

import re

import deb
import lock

ARCHIVE = "https://snapshot.debian.org/package/{}/{}/"
# Parts of the image, as Debian made them; what the package says of itself names the source.
PARTS = (("linux-image-", "GPL-2.0-only"), ("systemd-boot-efi", "LGPL-2.1-or-later"), ("grub-pc-bin", "GPL-3.0-or-later"))
# Linked into our programs: the package, its source's name, its licence.
LINKED = (("libc6-dev", "glibc", "LGPL-2.1-or-later"), ("libseccomp-dev", "libseccomp", "LGPL-2.1-only"),
          ("libgcc-14-dev", "gcc-14", "GPL-3.0-or-later WITH GCC-exception-3.1"))


def rows(cache):
    found = []
    for name, licence in PARTS:
        row, path = lock.part(name, cache)
        control = deb.control(path)
        # A kernel that Debian has signed is built using the one that is compiled.
        said = control.get("Built-Using") or control.get("Source") or row.name
        source, version = re.fullmatch(r"(\S+)(?: \((?:= )?([^)]*)\))?.*", said).groups()
        found.append((row, source, version or row.version, licence))
    for name, source, licence in LINKED:
        row, = [row for row in lock.rows("build") if row.name == name]
        found.append((row, source, row.version, licence))
    return [{"package": row.name, "version": row.version, "sha256": row.sha256, "license": licence, "source": source,
             "source_version": version, "url": ARCHIVE.format(source, version)} for row, source, version, licence in found]


def text(rows):
    """The file in the image."""
    lines = ("Parts of this image that others wrote, and where the source of each is:\n\n",
             *(f"{row['package']} {row['version']} ({row['license']})\n  {row['source']} {row['source_version']}, "
               f"{row['url']}\n" for row in rows))
    return "".join(lines)
