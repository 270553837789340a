/* The network of the box: whose settings count, which card serves, what the network role found. */
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "firmware/machine.h"

enum : uint64_t { LOOK_MS = 200, LOOK_ATTACHED_MS = 2000, SILENT_MS = 15000, AGAIN_MS = 30000 };

/* ---- settings ---- */

/* The kept lines that box.conf may have too. */
static view kept_lines(const kept *k, uint8_t *bytes, size_t cap)
{
        emit   e = emit_into(bytes, cap);
        view   key, value;
        size_t at = 0;
        while (kept_next(k, &at, &key, &value))
                if (box_has_key(key)) {
                        emit_view(&e, key);
                        emit_byte(&e, ' ');
                        emit_view(&e, value);
                        emit_byte(&e, '\n');
                }
        return (view){bytes, e.len};
}

void machine_settle_network(machine *m)
{
        static uint8_t bytes[KEPT_TEXT_BYTES];
        notice         why = {};
        m->net.from_drive = m->facts.has_box;
        if (!m->facts.has_box && failed(box_parse(kept_lines(&m->kept, bytes, sizeof bytes), &m->facts.box, &why))) {
                /* Written by this file and judged before: only another version can have meant it otherwise. */
                box_default(&m->facts.box);
        }
        m->facts.has_box = true;
        m->net.settings = m->facts.box;
}

static err keep_lines(machine *m, view lines, notice *why)
{
        static kept before;
        view        key, value;
        before = m->kept;
        for (size_t at = 0; kept_next(&before, &at, &key, &value);)
                if (box_has_key(key))
                        kept_remove(&m->kept, key);
        err e = OK;
        while (lines.len > 0 && !failed(e)) {
                view line = text_line(&lines);
                key = text_word(&line);
                value = text_word(&line);
                if (key.len > 0 && key.data[0] != '#')
                        e = kept_add(&m->kept, key, value);
        }
        if (!failed(e))
                e = machine_keep(m);
        if (!failed(e))
                return OK;
        m->kept = before;
        return notice_fail(why,
                           e.code == ERR_ROLLED_BACK ? "A later version of the box keeps its settings here"
                                                     : "The settings cannot be kept on the partition ",
                           e.code == ERR_ROLLED_BACK ? (view){} : VIEW("lethe-state"),
                           e.code == ERR_ROLLED_BACK ? ": start that version to change them."
                                                     : ": look at the disk; nothing was changed.");
}

/* ---- one interface ---- */

static void show_addresses(machine *m)
{
        network_in_use(&m->net.settings, m->net.leased ? &m->net.lease : nullptr, &m->facts.box);
        size_t before = m->facts.box.address_count;
        if (m->net.settings.automatic && m->net.index != 0)
                network_add_automatic(m->root, m->net.device, &m->facts.box);
        m->net.routed = m->facts.box.address_count > before;
        for (size_t i = 0; m->net.settings.resolver_count == 0 && i < m->net.router_count; i++)
                if (m->facts.box.resolver_count < BOX_RESOLVERS)
                        m->facts.box.resolvers[m->facts.box.resolver_count++] = m->net.routers[i];
}

static void write_resolvers(machine *m)
{
        notice         why = {};
        uint8_t        bytes[BOX_RESOLVERS * 64], before[BOX_RESOLVERS * 64];
        view           was;
        emit           e = emit_into(bytes, sizeof bytes);
        network_resolvers_text(&e, &m->facts.box);
        if (!failed(file_read(m->root, "/run/resolv.conf", before, sizeof before, &was))
            && view_equal(was, (view){bytes, e.len}))
                return;
        if (failed(network_write_resolvers(m->root, &m->facts.box, &why)))
                m->facts.network = why;
        else
                m->net.reload = m->service.pid != 0;
}

static void order(machine *m)
{
        net_order o = {.index = m->net.index, .dhcp = m->net.settings.dhcp, .link = m->facts.card.link,
                       .ntp_count = (uint32_t)m->facts.box.ntp_count};
        memcpy(o.mac, m->facts.card.mac, sizeof o.mac);
        memcpy(o.ntp, m->facts.box.ntp, sizeof o.ntp);
        if (o.dhcp || o.ntp_count > 0 || m->net.settings.automatic)
                netrole_order(&m->net.role, &o);
        else
                netrole_stop(&m->net.role);
}

/* From what the interface has to what it is to have. */
static err change(machine *m)
{
        notice       why = {};
        network_plan to;
        network_plan_make(&to, &m->net.settings, m->net.leased ? &m->net.lease : nullptr);
        err e = network_change(m->net.index, &m->net.applied, &to, &why);
        /* What was refused may be there in part: the next change takes it away. */
        m->net.applied = to;
        m->facts.network = why;
        show_addresses(m);
        write_resolvers(m);
        order(m);
        return e;
}

static void detach(machine *m)
{
        notice why = {};
        if (m->net.index == 0)
                return;
        netrole_stop(&m->net.role);
        (void)!failed(network_change(m->net.index, &m->net.applied, &(network_plan){}, &why));
        if (m->net.settings.automatic)
                (void)!failed(network_automatic(m->root, m->net.device, false));
        if (m->net.settings.vlan != 0)
                network_vlan_gone(m->net.index);
        m->net.index = 0;
        m->net.applied = (network_plan){};
        m->net.leased = false;
        m->net.router_count = 0;
        m->facts.has_card = false;
}

/* An interface asks routers when it comes up, and not before it may. */
static err hear_routers(machine *m)
{
        netlink_request r;
        TRY(network_automatic(m->root, m->net.device, true));
        int fd = netlink_open();
        netlink_link(&r, m->net.index, false, 0);
        err e = netlink_ask(fd, &r);
        netlink_link(&r, m->net.index, true, 0);
        if (!failed(e))
                e = netlink_ask(fd, &r);
        if (fd >= 0)
                close(fd);
        return e;
}

static void device_name(machine *m)
{
        emit e = emit_into((uint8_t *)m->net.device, sizeof m->net.device - 1);
        memset(m->net.device, 0, sizeof m->net.device);
        emit_text(&e, m->net.settings.vlan != 0 ? "vlan" : m->facts.card.name);
        if (m->net.settings.vlan != 0)
                emit_u64(&e, m->net.settings.vlan);
}

static void attach(machine *m, const network_card *card, uint64_t now_ms)
{
        notice   why = {};
        uint32_t index = card->index;
        m->facts.card = *card;
        m->net.since_ms = now_ms;
        if (m->net.settings.vlan != 0 && failed(network_vlan(card, m->net.settings.vlan, &index, &why))) {
                m->facts.network = why;
                m->net.again_ms = now_ms + AGAIN_MS;
                return;
        }
        m->facts.has_card = true;
        m->net.index = index;
        device_name(m);
        if (m->net.settings.automatic && failed(hear_routers(m)))
                notice_set(&m->facts.network, "The interface does not listen to routers", (view){},
                           ": give it an 'address'.");
        if (failed(change(m)))
                m->net.again_ms = now_ms + AGAIN_MS;
        network_rest(&m->cards, card);
}

/* ---- words of the role ---- */

static void say_silence(machine *m, uint64_t now_ms)
{
        bool asks = m->net.settings.dhcp && !m->net.leased && m->net.index != 0;
        if (!asks || m->net.refusals > 0 || m->net.conflict || now_ms - m->net.since_ms < SILENT_MS)
                return;
        notice_set(&m->facts.network, m->facts.card.link ? "No DHCP server answers on " : "There is no link on ",
                   view_of_text(m->facts.card.name),
                   m->facts.card.link ? "; it is asked on. Look at the network, or set an address."
                                      : ": check the cable or the switch.");
}

/* What DHCP has to say comes first. */
static void say_unrouted(machine *m, uint64_t now_ms)
{
        const machine_net *n = &m->net;
        bool asks = n->settings.automatic && n->index != 0 && !n->routed && (!n->settings.dhcp || n->leased);
        if (asks && now_ms - n->since_ms >= SILENT_MS) {
                notice_set(&m->facts.network, "No router advertises IPv6 addresses on ",
                           view_of_text(m->facts.card.name),
                           "; it is waited for. Look at the network, or set an address.");
                m->net.unrouted_said = true;
        } else if (!asks && n->unrouted_said) {
                m->facts.network.len = 0;
                m->net.unrouted_said = false;
        }
}

static void take_lease(machine *m, const lease *l, uint64_t now_ms)
{
        bool same = m->net.leased && memcmp(&m->net.lease, l, sizeof *l) == 0;
        m->net.lease = *l;
        m->net.leased = true;
        m->net.refusals = 0;
        m->net.conflict = false;
        m->net.lease_end_ms = l->seconds == LEASE_FOR_EVER ? UINT64_MAX : now_ms + l->seconds * 1000ULL;
        if (!same)
                (void)!failed(change(m));
}

static void lose_lease(machine *m, uint64_t now_ms)
{
        if (!m->net.leased)
                return;
        m->net.leased = false;
        m->net.since_ms = now_ms;
        (void)!failed(change(m));
}

static void take_word(machine *m, const net_word *w, uint64_t now_ms)
{
        if (m->net.index == 0)
                return;
        switch (w->kind) {
        case NET_LEASE:
                if (m->net.settings.dhcp)
                        take_lease(m, &w->lease, now_ms);
                break;
        case NET_LOST:
                lose_lease(m, now_ms);
                break;
        case NET_REFUSED:
                m->net.refusals = w->number;
                notice_set(&m->facts.network, "The DHCP server refuses this box", (view){},
                           "; it is asked on. Look at the server, or set an address.");
                break;
        case NET_CONFLICT:
                m->net.conflict = true;
                notice_set(&m->facts.network, "Another machine has the address that DHCP offers", (view){},
                           "; another one is asked for.");
                break;
        case NET_RESOLVERS:
                memcpy(m->net.routers, w->servers, sizeof m->net.routers);
                m->net.router_count = w->number;
                show_addresses(m);
                write_resolvers(m);
                break;
        case NET_TIME:
        case NET_NO_TIME:
                machine_hear_time(m, w, now_ms);
                break;
        case NET_KINDS:
                break;
        }
}

void machine_hear_network(machine *m, uint64_t now_ms)
{
        net_word w;
        while (netrole_hear(&m->net.role, &w))
                take_word(m, &w, now_ms);
}

bool machine_network_reaped(machine *m, pid_t pid, int status, uint64_t now_ms)
{
        bool wanted = m->net.role.wanted;
        machine_hear_network(m, now_ms);
        if (!netrole_died(&m->net.role, pid, now_ms))
                return false;
        if (wanted && m->phase != PHASE_DRAIN)
                machine_count_death(m, "network", status);
        return true;
}

/* ---- turning ---- */

static const network_card *card_now(const machine *m)
{
        for (size_t i = 0; i < m->cards.count; i++)
                if (m->cards.row[i].index == m->facts.card.index)
                        return &m->cards.row[i];
        return nullptr;
}

static void look(machine *m, uint64_t now_ms)
{
        notice why = {};
        m->net.look_ms = now_ms + (m->net.index == 0 ? LOOK_MS : LOOK_ATTACHED_MS);
        network_look(m->root, &m->cards);
        const network_card *card = m->net.index != 0 ? card_now(m) : nullptr;
        if (m->net.index != 0 && card == nullptr)
                detach(m);
        if (card != nullptr) {
                bool changed = card->link != m->facts.card.link;
                m->facts.card.link = card->link;
                if (changed)
                        order(m);
                if (m->net.settings.automatic)
                        show_addresses(m);
                return;
        }
        if (!m->net.awake && !failed(network_wake(&m->cards, &why)))
                m->net.awake = true;
        card = network_choose(&m->cards, &m->net.settings);
        if (card != nullptr && now_ms >= m->net.again_ms) {
                m->facts.network.len = 0;
                m->net.awake = false;
                attach(m, card, now_ms);
        } else if (card == nullptr && now_ms - m->net.since_ms >= SILENT_MS / 5) {
                network_missing(&m->cards, &m->net.settings, &m->facts.network);
        }
}

void machine_turn_network(machine *m, uint64_t now_ms)
{
        if (m->net.since_ms == 0)
                m->net.since_ms = now_ms;
        if (now_ms >= m->net.look_ms)
                look(m, now_ms);
        /* The role keeps the time of a lease; when there is none, somebody must. */
        if (m->net.leased && now_ms >= m->net.lease_end_ms)
                lose_lease(m, now_ms);
        if (m->net.index != 0 && m->net.again_ms != 0 && now_ms >= m->net.again_ms) {
                m->net.again_ms = failed(change(m)) ? now_ms + AGAIN_MS : 0;
        }
        say_silence(m, now_ms);
        say_unrouted(m, now_ms);
        (void)!failed(netrole_turn(&m->net.role, m->root, now_ms));
        /* Name servers are read with each generation; a lethed that is still starting has read them or is about to. */
        if (m->net.reload && m->facts.serving && m->service.pid != 0) {
                kill(m->service.pid, SIGHUP);
                m->net.reload = false;
        }
}

bool machine_network_up(const machine *m)
{
        return m->net.index != 0 && (!m->net.settings.dhcp || m->net.leased);
}

err machine_set_network(machine *m, const char *lines, notice *why)
{
        box  settings;
        view text = view_of_text(lines);
        TRY(box_parse(text, &settings, why));
        if (m->net.from_drive)
                return notice_fail(why, "The config drive says what the network is: change its ", VIEW("box.conf"),
                                   ", or take the drive away and start the box again.");
        TRY(keep_lines(m, text, why));
        bool doors = strcmp(settings.listen, m->net.settings.listen) != 0
                     || strcmp(settings.admin, m->net.settings.admin) != 0
                     || settings.relays != m->net.settings.relays;
        detach(m);
        m->net.settings = settings;
        m->net.refusals = 0;
        m->net.conflict = m->net.awake = false;
        m->net.again_ms = m->net.look_ms = 0;
        m->net.since_ms = clock_ms();
        m->facts.network.len = 0;
        show_addresses(m);
        if (doors)
                notice_set(why, "The settings are kept; doors and relays change with the next start of the box.",
                           (view){}, "");
        return OK;
}
