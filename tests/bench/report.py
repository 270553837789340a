"""From raw numbers to ratios, verdicts and a table."""

from measures import median

STOLEN_MOST = 0.02


def ratios(raw, row, against):
    """Lethe's number over the other's, pair by pair of the same round."""
    return [a["value"] / b["value"] for a, b in zip(raw[row].get("lethe", []), raw[row].get(against, []))
            if b["value"] > 0]


def values(raw, row, side):
    return median([n["value"] for n in raw[row].get(side, [])])


def quietest(raw, row):
    """Least over least: what a noisy neighbour adds, it adds to one side's round; the least of many has the least."""
    least = {side: min((n["value"] for n in raw[row].get(side, [])), default=None) for side in ("lethe", "nginx")}
    return least["lethe"] / least["nginx"] if least["lethe"] and least["nginx"] else None


def beside(raw, row, say, limit):
    """One row of the table: a ratio to nginx that is to hold."""
    found = median(ratios(raw, row, "nginx"))
    return {"what": say, "value": found, "unit": "x nginx", "limit": limit, "met": found is not None and found <= limit,
            "haproxy": median(ratios(raw, row, "haproxy")), "quietest": quietest(raw, row),
            "bare": {side: values(raw, row, side) for side in ("lethe", "nginx", "haproxy")}}


def bare(say, found, limit, unit, **more):
    below = more.pop("at_least", False) is False
    met = found is not None and (found <= limit if below else found >= limit)
    return {"what": say, "value": found, "unit": unit, "limit": limit, "met": met,
            "direction": "at most" if below else "at least"} | more


def added_p99(raw):
    pairs = zip(raw["open loop"]["lethe"], raw["open loop"]["nginx"])
    return median([a["value"] - b["value"] for a, b in pairs])


def quietest_p99(raw):
    least = {side: min(n["value"] for n in raw["open loop"][side]) for side in ("lethe", "nginx")}
    return least["lethe"] - least["nginx"]


def added_gap(raw, side):
    """A stall of its own making is there in every round; one of the machine's is not: the best round with the body
    beside the best without."""
    rounds = raw["beside a body"][side]
    return min(n["beside_ms"] for n in rounds) - min(n["alone_ms"] for n in rounds)


def grown(raw):
    return median([n["grown_kib"] for n in raw["one stream"]["lethe"]])


def memory_rows(raw):
    idle = raw["idle"]["lethe"][0]["value"]
    rows = [bare("memory, idle, one relay", idle / 1024, 9.5, "MiB",
                 bare={s: raw["idle"][s][0]["value"] / 1024 for s in raw["idle"]})]
    for row, say, limit in (("idle connections", "memory per idle client connection", 48),
                            ("open streams", "memory per open stream", 96)):
        rows.append(bare(say, values(raw, row, "lethe"), limit, "KiB",
                         bare={s: values(raw, row, s) for s in raw[row]}))
    rows.append(bare("memory peak with large bodies, of what the formula allows", values(raw, "bodies", "lethe"), 1,
                     "x allowed"))
    rows.append(bare("memory grown by the saturated rounds (not the 10^6 requests of the table)",
                     raw["grown"]["lethe"][0]["value"], 1024, "KiB"))
    return rows


def policy_rows(found):
    prose = next((n["mb_per_s"] for name, n in found.items() if name.startswith("prose, plain ASCII")), None)
    prompt = next((n["us"] for name, n in found.items() if name.startswith("prompt of 2 KB")), None)
    return [bare("policy, plain ASCII prose, all detectors", prose, 200, "MB/s", at_least=True),
            bare("policy, whole step on 2 KB", prompt, 40, "us")]


def rows(raw, stolen):
    """Each row of DESIGN 7 that can be measured on a host. On a machine whose time goes to others, what a clock on the
    wall says is kept, but neither met nor missed."""
    found = all_rows(raw)
    for row in found:
        if row.get("clock") and stolen > STOLEN_MOST:
            row["met"] = None
    return found


def all_rows(raw):
    return [
        beside(raw, "requests", "CPU per request, 1.5 KB prompt, saturated", 1.5),
        beside(raw, "events", "CPU per stream event", 1.5),
        beside(raw, "restored", "CPU per stream event, values put back", 2.0),
        bare("p99 at half of our knee, above nginx's", added_p99(raw), 250, "us", clock=True,
             quietest=quietest_p99(raw),
             bare={s: values(raw, "open loop", s) for s in raw["open loop"]}),
        beside(raw, "new connections", "CPU per new connection and request, full handshake", 4.0),
        beside(raw, "resumed", "CPU per new connection and request, resumed", 2.0),
        *memory_rows(raw),
        bare("one long stream: CPU per event, last tenth over first", values(raw, "one stream", "lethe"), 1.1, "x"),
        bare("one long stream: growth from the first tenth to the last", grown(raw), 256, "KiB"),
        bare("a 16 MiB body beside a paced stream: added to its largest gap", added_gap(raw, "lethe"), 10, "ms",
             clock=True, bare={s: added_gap(raw, s) for s in raw["beside a body"]}),
        *policy_rows(raw["policy"]),
    ]


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def table(found):
    """Lines for a reader."""
    width = max(len(row["what"]) for row in found)
    head = "lethe / nginx / haproxy / direct, bare"
    yield f"{'':{width}}   {'Lethe':>10} {'quietest':>10} {'hold':>10} {'':10} {'':8} {head}"
    for row in found:
        sign = ">=" if row.get("direction") == "at least" else "<="
        rest = " / ".join(number(row["bare"].get(s)) for s in ("lethe", "nginx", "haproxy", "direct")
                          if s in row["bare"]) if "bare" in row else ""
        verdict = "unjudged" if row["met"] is None else "met" if row["met"] else "NOT MET"
        least = number(row["quietest"]) if "quietest" in row else ""
        limit = f"{sign} {number(row['limit'])}"
        yield (f"{row['what']:{width}}   {number(row['value']):>10} {least:>10} {limit:>10} "
               f"{row['unit']:<10} {verdict:<8} {rest}")
