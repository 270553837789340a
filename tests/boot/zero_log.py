#!/usr/bin/env python3
# time limit: 600 s
"""The canary proof on the booted image: everything is said to it that tests/audit/canary.py says, over TLS on both sides,
and then nothing of it may stand anywhere: in all of the guest's memory 1 s later and later again, on its disk, its console,
its screen, its wire, in its metrics, admin answers, exports and backup, and in the records of its state and of that backup
once they are opened; nor any secret of a TLS connection that is closed. The same image with the programs that do not wipe
must be found out, more than a hundred times, and in a copy of each other medium what is planted there in every form, or the
search is worth nothing.

prove.py plays this and the other ends, and writes what it found (make prove-zero-log).
"""

import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client"), str(HERE.parent / "audit")]

import box as boxes  # noqa: E402
import state_bytes  # noqa: E402
from canary import MODELS, Talk  # noqa: E402
from capture import encrypted  # noqa: E402
from load import CHAT, user  # noqa: E402
from search import Search, outside_state  # noqa: E402
from tap import Tap, holds  # noqa: E402
from watched import Watched  # noqa: E402

SOON_S, LATER_S = 1.0, 5.0
CONTROL = boxes.IMAGE.with_name("control-image")
CONTROL_LEAST, SECRETS_LEAST = 100, 100


def sealed_away(search, state, key_file, medium):
    """What is encrypted at rest is opened before it is searched: cipher text would hide what it holds."""
    found, lines = state_bytes.parse(state.read_bytes(), key_file.read_bytes())
    holds(len(found) > 2, f"{medium}: {len(found)} records")
    search.look(b"\n".join([data for _, _, data in found] + [line.encode() for line in lines]), medium)


def back_up(box):
    words = f"{os.urandom(8).hex()}\n"
    box.lethectl("backup-key", "make", "--out", box.dir, "--name", "anna", "--light", "--stdin", secret=words + words.strip())
    token = box.dir / "admin.token"
    token.write_text(box.admin_token)
    token.chmod(0o600)
    box.lethectl("vault", "export", "--admin", box.admin_url, "--token-file", token, "--ca", box.ca, "--out",
                 box.dir / "backup", "--to", box.dir / "anna.backup-pub")
    box.lethectl("vault", "import", box.dir / "backup", "--state", box.dir / "restored", "--key-file",
                 box.dir / "restored.key", "--stdin", "--with", box.dir / "anna.backup-key", secret=words.strip())


def on_screen(box):
    text = box.screen_text()
    holds(b"RUNNING" in text, f"the screen does not say what it must: {bytes(text).strip(bytes(1))[:2000]}")
    return text


def looked_up(search, box):
    for path in ("/metrics", "/admin/v1/status", "/admin/v1/routes", "/readyz", "/healthz", "/"):
        search.look(box.admin("GET", path)[1], f"admin {path}")
    search.look(on_screen(box), "screen")
    back_up(box)
    search.file(box.dir / "backup", "backup")
    sealed_away(search, box.dir / "restored", box.dir / "restored.key", "backup, opened")


def kept(search, box):
    """What is there when the machine is off."""
    disk = box.dir / "disk.raw"
    search.secrets |= box.close_vendors() | box.closed_callers()
    search.file(box.dir / "console.log", "serial console")
    search.file(box.dir / "wire.pcap", "wire")
    encrypted([box.dir / "wire.pcap"])
    search.file(disk, "disk")
    box.export()
    for file in sorted(box.exports.iterdir()):
        search.file(file, f"export {file.suffix}")
    sealed_away(search, box.state, box.key_file, "state, opened")
    holds(outside_state(disk) == outside_state(boxes.IMAGE / "lethe.raw"), "the disk was written outside the state partition")


def converse(search, later_s=0, control=False, image=None):
    talk_models = [name for name in MODELS if name.startswith("error")]
    with Watched(models=MODELS, apart=talk_models, boot="kernel", image=image) as box:
        talk = Talk(box, search.hunt)
        for chapter in (talk.plain, talk.streamed, talk.heads, talk.faults, talk.odd, talk.large):
            chapter()
        others = [talk.line() for _ in range(3)]  # memory is given back while other exchanges run
        for line in others:
            line.send(CHAT, {"model": "slow", "messages": user("Hi."), "stream": True})
            holds(line.head().status == 200, "no stream beside it")
        search.secrets |= box.closed_callers(talk.lines)
        time.sleep(SOON_S)
        open_lines = sum(line.socket is not None for line in talk.lines)
        search.memory(box, "memory after 1 s")
        if control:
            return open_lines
        for line in talk.lines[::2]:
            line.close()
        vendors, callers = box.close_vendors(), box.closed_callers(talk.lines)
        holds(min(len(vendors), len(callers)) > SECRETS_LEAST, f"{len(vendors)} secrets of vendors, {len(callers)} of callers")
        search.secrets |= vendors | callers
        time.sleep(later_s)
        search.memory(box, f"memory after {later_s:g} s, with half of the callers and the vendor gone")
        looked_up(search, box)
        status, body = box.admin("POST", "/admin/v1/reload")
        holds(status == 200, f"{status} {body}")
        search.secrets |= box.closed_callers(talk.lines)
        time.sleep(SOON_S)
        search.memory(box, "memory after a new generation of relays")
        for line in talk.lines:
            line.close()
        box.stop()
        kept(search, box)
        return open_lines


def main():
    tap = Tap("zero_log")
    clean, control = Search(), Search()
    with tap.case("the box was asked everything, and its disk is as it was but for the state partition"):
        lines = converse(clean, LATER_S)
        holds(lines >= 10, f"only {lines} callers were still there")
    for row in clean.rows:
        with tap.case(f"nothing in {row['medium']} ({row['bytes']} bytes)"):
            holds(row["found"] == 0, [hit for hit in clean.hunt.hits if hit.startswith(row["medium"])][:20])
    with tap.case("without wiping the same search finds more than a hundred pieces in memory"):
        converse(control, control=True, image=CONTROL)
        holds(len(control.hunt.hits) > CONTROL_LEAST, f"found {len(control.hunt.hits)}")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
