#!/usr/bin/env python3
# time limit: 900 s
"""Whatever the clock chip and time servers say, the box starts at once, with a time that can be, and says how good it is.
A machine that is copied says so, renews what both copies have, and serves on."""

import datetime
import json
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from box import BOX_CONF, Box  # noqa: E402
from ether import Ether, Wired  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

STATIC = "address 10.9.0.77/24\ngateway 10.9.0.1\n"
ONE, TWO, THREE = "10.9.0.2", "10.9.0.3", "10.9.0.4"
ASIDE = "10.0.2.50"
GUIDS = ("11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555")


def final_export(box):
    equal(box.stop(), 0)
    exports = box.export()
    equal([one["kind"] for one in exports[-1:]], ["final"])
    return exports[-1]


def far_from(seconds):
    return abs(time.time() - seconds)


def a_chip(clock):
    """No time server at all: the box serves, and every export says what its time is worth."""
    with Ether() as net, Wired(net, clock=clock, memory_mib=256, box_conf=STATIC) as box:
        box.start(wait=False)
        box.wait_console("time: the clock is wrong")
        box.wait_console("RUNNING  serving")
        export = final_export(box)
        equal(export["box"]["time_state"], "unknown")
        holds(export["period"]["end"] > 1735689600 and far_from(export["period"]["end"]) < 400 * 86400,
              f"the box thought it was {export['period']['end']}")


def servers(clock, ahead, said, state):
    """`ahead`: by time server, seconds; `said`: on the console; `state`: in the export."""
    lines = "".join(f"ntp {server}\n" for server in ahead)
    with Ether() as net, Wired(net, clock=clock, memory_mib=256, box_conf=STATIC + lines) as box:
        net.ntp = dict(ahead)
        box.start(wait=False)
        box.wait_console(said)
        box.wait_console("RUNNING  serving")
        export = final_export(box)
        equal(export["box"]["time_state"], state)
        return export["period"]["end"]


def corrected():
    """An hour ahead, and two servers that agree on it: the clock is set."""
    ahead = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    end = servers(ahead, {ONE: 0, TWO: 0}, "time: of time servers, borne out", "constrained")
    holds(far_from(end) < 60, f"{far_from(end)} s away")


def one_liar():
    """One server alone cannot take the clock away by a year, nor can one of three."""
    end = servers(None, {ONE: 365 * 86400}, "One time server says a time far", "rtc")
    holds(far_from(end) < 300, f"{far_from(end)} s away")
    end = servers(None, {ONE: 5, TWO: 365 * 86400, THREE: 5}, "time: of time servers", "ntp")
    holds(far_from(end) < 300, f"{far_from(end)} s away")


class Dated(Wired):
    """Two vendors out here, reached through QEMU's own network, and the Ether beside it with a time server."""

    def _wire(self):
        wire = super()._wire()
        forwards = Box._wire(self)[1].replace("id=net", "id=out")
        return ["-netdev", forwards, "-netdev", "hubport,id=first,hubid=0,netdev=out",
                "-netdev", wire[1].replace("id=net", "id=side"), "-netdev", "hubport,id=second,hubid=0,netdev=side",
                "-netdev", "hubport,id=net,hubid=0", *wire[2:]]


def dated(clock, ahead, said, state):
    """One time server, `ahead` seconds, and the dates of two vendors, which are right."""
    models = {vendor: [(vendor, "mock-1")] for vendor in ("one", "two")}
    with Ether() as net, Dated(net, clock=clock, memory_mib=256, box_conf=f"{BOX_CONF}ntp {ASIDE}\n", vendors=tuple(models),
                               models=models) as box:
        net.ntp = {ASIDE: ahead}
        box.start()
        box.wait_console("One time server says a time far")
        for model in models:
            status, _, _ = box.request("POST", CHAT, {"model": model, "messages": user("hello")})
            equal(status, 200)
        box.wait_console(said)
        holds(json.loads(box.admin("GET", "/admin/v1/box")[1])["dates"].startswith("2 of 2 hosts; "), "no dates")
        export = final_export(box)
        equal(export["box"]["time_state"], state)
        holds(far_from(export["period"]["end"]) < 300, f"{far_from(export['period']['end'])} s away")


def borne_out():
    """Three hours ahead, and one server that is right: too far for it alone."""
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=3)
    dated(later.strftime("%Y-%m-%dT%H:%M:%S"), 0, "time: of time servers, borne out", "constrained")


def denied():
    dated(None, 365 * 86400, "The time server says another time", "rtc")


class Copied(Box):
    """A machine with a generation number of its own; its second life comes out of a file."""

    guid, incoming = GUIDS[0], None

    def _wire(self):
        more = ["-incoming", f"exec:cat {self.incoming}"] if self.incoming else []
        return [*super()._wire(), "-device", f"vmgenid,guid={self.guid}", *more]


def a_copy():
    with Copied(memory_mib=256, box_conf="address dhcp\n") as box:
        file = box.dir / "saved"
        before = ticket(box)
        box.monitor.do("stop")
        box.monitor.do("migrate", uri=f"exec:cat > {file}")
        while box.monitor.do("query-migrate")["status"] not in ("completed", "failed"):
            time.sleep(0.1)
        box.lethed.kill()
        box.lethed.wait()
        box.guid, box.incoming = GUIDS[1], file
        box.start(wait=False)
        while "inmigrate" in box.monitor.do("query-status")["status"]:
            time.sleep(0.1)
        box.monitor.do("cont")
        box.wait_console("copied       1 time since the start")
        box.wait_ready()
        status, _, _ = box.request("POST", CHAT, {"model": "chat", "messages": user("hello")})
        equal(status, 200)
        holds(before is not None, "no ticket before")
        export = final_export(box)
        equal(export["box"]["clone_suspected"], 1)


def ticket(box):
    """The name of the key that callers' tickets are sealed with: its first bytes."""
    words = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{box.port}", "-tls1_2", "-quiet", "-msg"],
                           input=b"", capture_output=True, timeout=30, check=False).stdout
    found = re.search(rb"NewSessionTicket\n((?: +(?:[0-9a-f]{2} ?)+\n)+)", words)
    return found and found[1] or b"none"


DAILY = (("a clock chip of 2011: the image's day, and no waiting", lambda: a_chip("2011-11-11")),
         ("an hour ahead, two time servers: set", corrected),
         ("a copied machine: renewed, said, serving", a_copy))
LONG = (("a clock chip of 2050: the same", lambda: a_chip("2050-01-01")),
        ("a lying time server: not believed", one_liar),
        ("a lying time server, and the dates of two vendors: not believed", denied),
        ("one time server far from the chip, and the dates of two vendors: set", borne_out))


def main(cases=DAILY):
    tap = Tap("clock")
    for name, run in cases:
        with tap.case(name):
            run()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
