"""What is in the image and what made it, in the form of SPDX 2.3, from the lock alone."""

import re
import time
import uuid

import lock

# Whose code is inside our programs, linked in; the rest of the build root compiled it.
LINKED = {"libc6-dev", "libgcc-14-dev", "libmbedtls-dev", "libsodium-dev", "libuv1-dev", "libllhttp-dev", "libc-ares-dev",
          "libseccomp-dev"}
LICENSES = {"linux-image": "GPL-2.0-only", "systemd-boot-efi": "LGPL-2.1-or-later", "grub-pc-bin": "GPL-3.0-or-later"}
UNSAID = "NOASSERTION"


def identifier(*words):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words))


def package(name, version, sha256, purl, license=UNSAID, kind="Package"):
    row = {
        "SPDXID": identifier(kind, name), "name": name, "versionInfo": version, "downloadLocation": UNSAID,
        "filesAnalyzed": False, "licenseConcluded": UNSAID, "licenseDeclared": license, "copyrightText": UNSAID,
    }
    if sha256:
        row["checksums"] = [{"algorithm": "SHA256", "checksumValue": sha256}]
    if purl:
        row["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                "referenceLocator": purl}]
    return row


def debian(row):
    version = row.version.replace("+", "%2B").replace(":", "%3A").replace("~", "%7E")
    name = row.name.replace("+", "%2B")
    purl = f"pkg:deb/debian/{name}@{version}?arch={row.architecture}&distro=trixie"
    declared = next((said for part, said in LICENSES.items() if row.name.startswith(part)), UNSAID)
    return package(row.name, row.version, row.sha256, purl, declared)


def document(version, commit, epoch, uki_sha256):
    image = package("lethe", version, uki_sha256, None, "Apache-2.0", "Image")
    packages, relations = [image], [("SPDXRef-DOCUMENT", "DESCRIBES", image["SPDXID"])]

    def add(row, relation, turned=False):
        packages.append(row)
        ends = (row["SPDXID"], image["SPDXID"]) if turned else (image["SPDXID"], row["SPDXID"])
        relations.append((ends[0], relation, ends[1]))

    for row in lock.rows("image"):
        add(debian(row), "CONTAINS")
    # Source rows are files: package version file sha256. The one that is upstream's own stands for the package.
    for row in lock.rows("source"):
        if ".orig.tar" in row.architecture:
            add(package(row.name, row.version, row.sha256, f"pkg:deb/debian/{row.name}@{row.version}?arch=source".replace(
                "+", "%2B")), "STATIC_LINK")
    for row in lock.rows("build"):
        if row.name in LINKED:
            add(debian(row), "STATIC_LINK")
        else:
            add(debian(row), "BUILD_TOOL_OF", turned=True)
    for row in lock.rows("box"):
        if row.name in ("grub-common", "zstd", "qemu-utils"):
            add(debian(row), "BUILD_TOOL_OF", turned=True)
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"lethe-{version}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'lethe {commit} {uki_sha256}')}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
                         "creators": ["Tool: lethe-make-image"]},
        "packages": packages,
        "relationships": [{"spdxElementId": a, "relationshipType": b, "relatedSpdxElement": c} for a, b, c in relations],
    }
