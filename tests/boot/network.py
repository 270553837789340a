#!/usr/bin/env python3
# time limit: 900 s
"""The box gets an address wherever one is to be had, gives it back when it ends, is not led astray by what hangs on the
cable, says on its console what is missing, and opens two doors and no other."""

import pathlib
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "client")]

from box import Box  # noqa: E402
from caller import ask  # noqa: E402
from ether import (ACK, BOX_IP, BOX_IP6, DECLINE, DISCOVER, NAK, OFFER, PREFIX6, REQUEST, STATIC_IP6, Ether,  # noqa: E402
                   Wired, answer, obliging, silent)
from load import CHAT, user  # noqa: E402
from tap import Tap, equal, holds  # noqa: E402

DHCP = "address dhcp\n"


def has_address(box, address=BOX_IP):
    box.wait_console(f"address      {address}/24")


def of_qemu():
    """QEMU's own server, and no box.conf at all."""
    with Box(memory_mib=256, box_conf=None) as box:
        status, body, _ = box.request("POST", CHAT, {"model": "chat", "messages": user("hello")})
        equal(status, 200)
        has_address(box, "10.0.2.15")
        box.wait_console("DNS 10.0.2.3")
        equal(box.stop(), 0)


def late_and_refusing():
    """Nonsense, silence, a refusal, then an answer."""
    with Ether() as net, Wired(net, memory_mib=256, box_conf=DHCP) as box:
        net.dhcp = silent
        box.start(wait=False)
        net.wait(lambda: DISCOVER in net.kinds(), "a question")
        net.noise(150)
        box.wait_console("No DHCP server answers on eth0")
        box.wait_console("RUNNING")
        net.dhcp = lambda kind, ask: [answer(ask, OFFER if kind == DISCOVER else NAK)]
        box.wait_console("The DHCP server refuses this box")
        net.noise(50, seed=2)
        net.dhcp = obliging
        has_address(box)
        box.wait_console("RUNNING  serving")
        holds("last death   network" not in box.console(), "the network role died of noise")
        times = [at for kind, at, _ in net.asked if kind == DISCOVER]
        holds(len(times) < 40, f"{len(times)} questions")
        equal(net.scan(range(1, 65536)), [8443, 9443])
        equal(box.stop(), 0)


def lease_ends():
    """A short lease is renewed; when nobody renews it the address goes; a neighbour's address is not taken."""
    with Ether() as net, Wired(net, memory_mib=256, box_conf=DHCP) as box:
        short = {51: struct.pack(">I", 60), 58: struct.pack(">I", 30), 59: struct.pack(">I", 45)}
        net.neighbours.add("10.9.0.66")

        def taken_first(kind, ask):
            address = BOX_IP if DECLINE in net.kinds() else "10.9.0.66"
            return [answer(ask, OFFER if kind == DISCOVER else ACK, short, address)] if kind != DECLINE else []

        net.dhcp = taken_first
        box.start(wait=False)
        net.wait(lambda: DECLINE in net.kinds(), "a refusal of a neighbour's address")
        box.wait_console("Another machine has the address")
        has_address(box)
        asked = len(net.asked)
        net.wait(lambda: net.kinds()[asked:] == [REQUEST], "a renewal")
        equal(net.asked[asked][2][12:16], bytes([10, 9, 0, 77]))
        net.dhcp = silent
        net.wait(lambda: DISCOVER in net.kinds()[asked:], "a new question after the end", 120)
        box.wait_console("No DHCP server answers on eth0")
        holds("no address yet" in box.console().rsplit("10.9.0.77", 1)[1], "the address is still shown")
        try:
            net.scan([8443], seconds=3)
            raise AssertionError("the box still answers at an address that has ended")
        except AssertionError as silence:
            holds("say nothing" in str(silence), str(silence))
        equal(box.stop(), 0)


def on_a_vlan():
    with Ether() as net, Wired(net, memory_mib=256, box_conf=DHCP + "vlan 42\n") as box:
        net.vlan = 42
        box.start(wait=False)
        has_address(box)
        box.wait_console("RUNNING  serving")
        # Operators' door opens a moment after callers'.
        net.wait(lambda: net.scan([22, 80, 8443, 9443]) == [8443, 9443], "two open doors")
        equal(box.stop(), 0)


def another_card():
    with Ether() as net, Wired(net, memory_mib=256, box_conf=DHCP + "interface 52:54:00:ff:ff:ff\n") as box:
        box.start(wait=False)
        box.wait_console("No network interface has the MAC address of 'interface'")
        time.sleep(1)
        equal(net.asked, [])
        equal(box.stop(), 0)


def answers(net, box, address):
    """Both doors, over that address."""
    context = box.tls()
    equal(ask(net, address, 8443, context, "GET", "/v1/models", box.key)[0], 200)
    equal(ask(net, address, 9443, context, "GET", "/admin/v1/status", box.admin_token)[0], 200)


def told_ipv6():
    """An IPv6 address beside one of IPv4, without a word on doors: both are open over both."""
    lines = f"address {BOX_IP}/24\naddress {STATIC_IP6}/64\n"
    with Ether() as net, Wired(net, memory_mib=256, box_conf=lines) as box:
        box.start(wait=False)
        box.wait_console("RUNNING  serving")
        holds(f"{STATIC_IP6}/64" in box.console(), "the address is not shown")
        net.wait(lambda: net.scan([22, 80, 8443, 9443], target=STATIC_IP6) == [8443, 9443], "two open doors")
        answers(net, box, STATIC_IP6)
        answers(net, box, BOX_IP)
        equal(box.stop(), 0)


def of_a_router():
    """The addresses of a router's prefix and of DHCP: callers over both at once, and two doors of 65535 over IPv6 too."""
    with Ether() as net, Wired(net, memory_mib=256, box_conf="address dhcp\naddress auto\n") as box:
        net.prefix = PREFIX6
        box.start(wait=False)
        has_address(box)
        box.wait_console(f"{BOX_IP6}/64")
        box.wait_console("RUNNING  serving")
        net.wait(lambda: net.scan([8443, 9443], target=BOX_IP6) == [8443, 9443], "two open doors")
        with ThreadPoolExecutor() as pool:
            for one in [pool.submit(answers, net, box, address) for address in (BOX_IP, BOX_IP6) * 3]:
                one.result()
        equal(net.scan(range(1, 65536), target=BOX_IP6), [8443, 9443])
        equal(box.stop(), 0)


def late_router():
    """IPv6 alone, and nobody says which: a sentence, until a router comes."""
    with Ether() as net, Wired(net, memory_mib=256, box_conf="address auto\n") as box:
        box.start(wait=False)
        box.wait_console("No router advertises IPv6 addresses on eth0")
        box.wait_console("callers      no address yet")
        net.prefix = PREFIX6
        net.advertise()
        box.wait_console(f"https://[{BOX_IP6}]:8443/v1")
        box.wait_console("RUNNING  serving")
        answers(net, box, BOX_IP6)
        equal(net.asked, [])
        equal(box.stop(), 0)


DAILY = (("no settings: DHCP, and it serves", of_qemu),
         ("an IPv6 address beside one of IPv4: it answers at both", told_ipv6))
LONG = (("noise, silence, refusals, then an address; two open doors of 65535", late_and_refusing),
        ("a neighbour's address, renewal, the end of a lease", lease_ends),
        ("the prefix of a router, and DHCP: it answers at both at once; two open doors of 65535", of_a_router),
        ("a router that comes late: a sentence until then", late_router),
        ("a VLAN", on_a_vlan),
        ("a card that is not there any more: a sentence", another_card))


def main(cases=DAILY):
    tap = Tap("network")
    for name, run in cases:
        with tap.case(name):
            run()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
