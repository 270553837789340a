#!/usr/bin/env python3
# time limit: 900 s
"""Whatever the clock chip and time servers say, the box starts at once, with a time that can be, and says how good it is.
A machine that is copied says so, renews what both copies have, and serves on."""

import datetime
import http.client
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from box import BOX_CONF, Box  # noqa: E402
from ether import Ether, Wired  # noqa: E402
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, eventually, holds  # noqa: E402

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


def dates_of(box):
    return json.loads(box.admin("GET", "/admin/v1/box")[1])["dates"]


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
        try:
            box.wait_console(said)
        except AssertionError as why:
            raise AssertionError(f"the box has dates of {dates_of(box)}; {why}") from None
        holds(dates_of(box).startswith("2 of 2 hosts; "), "no dates")
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


def another_life(box, guid):
    """It stands still, and goes on from what its memory held; with this generation number."""
    file = box.dir / "saved"
    box.monitor.do("stop")
    box.monitor.do("migrate", uri=f"exec:cat > {file}")
    while box.monitor.do("query-migrate")["status"] not in ("completed", "failed"):
        time.sleep(0.1)
    box.lethed.kill()
    box.lethed.wait()
    box.guid, box.incoming = guid, file
    box.start(wait=False)
    while "inmigrate" in box.monitor.do("query-status")["status"]:
        time.sleep(0.1)
    box.monitor.do("cont")


def meets(box, session):
    """A caller that comes with the ticket it has kept, or has none yet and keeps one. Whether the box took it."""
    way = "-sess_in" if session.exists() else "-sess_out"
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{box.port}", "-tls1_3", "-CAfile", box.ca,
                               "-ign_eof", way, session], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    head = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {box.key}\r\nConnection: close\r\n\r\n"
    said = client.communicate(head.encode(), timeout=30)[0]
    holds(b"HTTP/1.1 200" in said, said[-2000:])
    return b"Reused, TLSv1.3" in said


def ticket(box, session):
    """One of now, that is taken. A relay that has just started has keys for them some seconds later."""
    session.unlink(missing_ok=True)
    eventually(lambda: not meets(box, session) and session.exists(), 30)
    holds(meets(box, session), "a ticket of now is not taken")


def serving(box):
    """The number of the generation and the processes that hold its connections to vendors."""
    said = json.loads(box.admin("GET", "/admin/v1/status")[1])
    return said["generation"], {relay["pid"] for relay in said["relays"]}


def a_copy():
    """Once more with the same number first: what is new afterwards is so because of the number."""
    with Copied(memory_mib=256, box_conf="address dhcp\nrelays 1\n") as box:
        session = box.dir / "session"
        ticket(box, session)
        before, relays = serving(box)
        another_life(box, GUIDS[0])
        box.wait_ready()
        equal((meets(box, session), serving(box)), (True, (before, relays)))
        holds("copied  " not in box.console(), "one machine is no copy")
        equal(box.admin("POST", "/admin/v1/exports")[0], 200)
        another_life(box, GUIDS[1])
        box.wait_console("copied       1 time since the start")
        eventually(lambda: served_anew(box, before, relays), 60)
        eventually(lambda: not meets(box, session), 10)
        ticket(box, session)
        equal(box.request("POST", CHAT, {"model": "chat", "messages": user("hello")})[0], 200)
        equal(box.stop(), 0)
        alone, copied = box.export()[-2:]
        equal([one["box"]["clone_suspected"] for one in (alone, copied)], [0, 1])
        holds(alone["boot"]["id"] != copied["boot"]["id"], "both machines' exports are of one boot")


def served_anew(box, generation, relays):
    """By processes that were not there before the copy was made."""
    try:
        now, those = serving(box)
    except (OSError, http.client.HTTPException):
        return False
    return now > generation and those and not those & relays


DAILY = (("a clock chip of 2011: the image's day, and no waiting", lambda: a_chip("2011-11-11")),
         ("an hour ahead, two time servers: set", corrected),
         ("a copied machine meets callers with new ticket keys, has new relays and a new boot, and says so", a_copy))
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
