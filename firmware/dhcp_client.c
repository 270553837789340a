#include "firmware/dhcp_client.h"

#include <string.h>

enum : uint64_t { FIRST_MS = 4000, MOST_MS = 64000, SPREAD_MS = 1000, MINUTE_MS = 60000 };
enum : unsigned { REQUESTS_MOST = 4, REBOOTS_MOST = 2 };
/* What a server may not go below: an address that ends every second would keep the box busy with nothing else. */
enum : uint32_t { LEASE_LEAST_S = 60 };

static uint32_t luck(dhcp_client *c)
{
        c->luck ^= c->luck << 13;
        c->luck ^= c->luck >> 17;
        c->luck ^= c->luck << 5;
        return c->luck;
}

static uint64_t later(uint64_t now_ms, uint64_t ms) { return ms > DHCP_NEVER - now_ms ? DHCP_NEVER : now_ms + ms; }

/* 4 s, twice as long each time, 64 s at most, a second more or less. */
static uint64_t patience(dhcp_client *c)
{
        uint64_t ms = c->tries < 5 ? FIRST_MS << c->tries : MOST_MS;
        return (ms > MOST_MS ? MOST_MS : ms) - SPREAD_MS + luck(c) % (2 * SPREAD_MS);
}

void dhcp_begin(dhcp_client *c, const uint8_t mac[static DHCP_MAC_BYTES], uint32_t first_luck)
{
        *c = (dhcp_client){.luck = first_luck == 0 ? 1 : first_luck, .turn_ms = DHCP_NEVER};
        memcpy(c->mac, mac, sizeof c->mac);
}

static void enter(dhcp_client *c, dhcp_state state, uint64_t now_ms)
{
        c->state = state;
        c->tries = 0;
        c->turn_ms = now_ms;
        if (state == DHCP_SELECTS || state == DHCP_REBOOTS || state == DHCP_RENEWS) {
                c->number = luck(c);
                c->began_ms = now_ms;
        }
}

static void wait_then_select(dhcp_client *c, uint64_t now_ms, uint64_t ms)
{
        c->state = DHCP_WAITS;
        c->turn_ms = later(now_ms, ms);
}

void dhcp_link(dhcp_client *c, bool up, uint64_t now_ms)
{
        if (up == c->link)
                return;
        c->link = up;
        if (!up) {
                c->state = DHCP_WAITS;
                c->turn_ms = c->held ? c->end_ms : DHCP_NEVER;
        } else {
                /* It may be another network now: the old address is asked for before it is used on. */
                enter(c, c->known ? DHCP_REBOOTS : DHCP_SELECTS, now_ms);
        }
}

static dhcp_event lose(dhcp_client *c)
{
        bool held = c->held;
        c->held = false;
        return held ? DHCP_LOST : DHCP_NOTHING;
}

/* ---- sending ---- */

static void compose(dhcp_client *c, dhcp_kind kind, uint64_t now_ms)
{
        uint64_t seconds = (now_ms - c->began_ms) / 1000;
        c->ask = (dhcp_ask){.kind = kind, .number = c->number,
                            .seconds = (uint16_t)(seconds > UINT16_MAX ? UINT16_MAX : seconds)};
        memcpy(c->ask.mac, c->mac, sizeof c->mac);
        c->asked_ms = now_ms;
}

static bool send_in_state(dhcp_client *c, uint64_t now_ms)
{
        compose(c, c->state == DHCP_SELECTS ? DHCP_DISCOVER : DHCP_REQUEST, now_ms);
        if (c->state == DHCP_REQUESTS || c->state == DHCP_REBOOTS)
                memcpy(c->ask.requested, c->lease.address, 4);
        if (c->state == DHCP_REQUESTS)
                memcpy(c->ask.server, c->server, 4);
        if (c->state == DHCP_RENEWS || c->state == DHCP_REBINDS)
                memcpy(c->ask.mine, c->lease.address, 4);
        if (c->state == DHCP_RENEWS)
                memcpy(c->ask.to, c->server, 4);
        c->turn_ms = later(now_ms, patience(c));
        c->tries++;
        return true;
}

/* RFC 2131 4.4.5: half of what is left, a minute at least. */
static bool send_again(dhcp_client *c, uint64_t now_ms, uint64_t until_ms)
{
        send_in_state(c, now_ms);
        uint64_t left = until_ms > now_ms ? until_ms - now_ms : 0, wait = left / 2;
        c->turn_ms = later(now_ms, wait < MINUTE_MS ? (left < MINUTE_MS ? left : MINUTE_MS) : wait);
        return true;
}

static bool bound_turn(dhcp_client *c, uint64_t now_ms, dhcp_event *event)
{
        if (now_ms >= c->end_ms) {
                *event = lose(c);
                c->known = false;
                enter(c, DHCP_SELECTS, now_ms);
                return send_in_state(c, now_ms);
        }
        if (c->state != DHCP_REBINDS && now_ms >= c->rebind_ms)
                enter(c, DHCP_REBINDS, now_ms);
        else if (c->state == DHCP_BOUND)
                enter(c, DHCP_RENEWS, now_ms);
        return send_again(c, now_ms, c->state == DHCP_RENEWS ? c->rebind_ms : c->end_ms);
}

static void bind_now(dhcp_client *c, uint64_t now_ms)
{
        c->held = c->known = true;
        c->refusals = 0;
        c->state = DHCP_BOUND;
        c->turn_ms = now_ms >= c->renew_ms ? now_ms : c->renew_ms;
}

static bool waiting_turn(dhcp_client *c, uint64_t now_ms, dhcp_event *event)
{
        if (c->held && now_ms >= c->end_ms) {
                *event = lose(c);
                c->known = false;
        }
        c->turn_ms = c->held ? c->end_ms : DHCP_NEVER;
        if (!c->link)
                return false;
        enter(c, DHCP_SELECTS, now_ms);
        return send_in_state(c, now_ms);
}

bool dhcp_turn(dhcp_client *c, uint64_t now_ms, dhcp_event *event)
{
        *event = DHCP_NOTHING;
        if (now_ms < c->turn_ms)
                return false;
        switch (c->state) {
        case DHCP_WAITS:
                return waiting_turn(c, now_ms, event);
        case DHCP_SELECTS:
                return send_in_state(c, now_ms);
        case DHCP_REQUESTS:
                if (c->tries >= REQUESTS_MOST)
                        enter(c, DHCP_SELECTS, now_ms);
                return send_in_state(c, now_ms);
        case DHCP_REBOOTS:
                if (c->held && now_ms >= c->end_ms)
                        *event = lose(c);
                if (c->tries >= REBOOTS_MOST) {
                        /* Nobody objects: RFC 2131 3.2 lets it be used on, until it ends. */
                        if (c->held) {
                                bind_now(c, now_ms);
                                return false;
                        }
                        enter(c, DHCP_SELECTS, now_ms);
                }
                return send_in_state(c, now_ms);
        case DHCP_PROBES:
                bind_now(c, now_ms);
                *event = DHCP_LEASED;
                return false;
        case DHCP_BOUND:
        case DHCP_RENEWS:
        case DHCP_REBINDS:
                return bound_turn(c, now_ms, event);
        }
        return false;
}

/* ---- hearing ---- */

static dhcp_event refused(dhcp_client *c, uint64_t now_ms)
{
        c->refusals = c->refusals < 6 ? c->refusals + 1 : 6;
        c->known = false;
        wait_then_select(c, now_ms, 1000ULL << (c->refusals - 1));
        return lose(c);
}

/* From when it was asked for, so that the server's clock runs out after ours. */
static void take_times(dhcp_client *c, const dhcp_answer *a)
{
        uint64_t s = a->lease.seconds < LEASE_LEAST_S ? LEASE_LEAST_S : a->lease.seconds;
        c->lease.seconds = (uint32_t)s;
        if (s == LEASE_FOR_EVER) {
                c->renew_ms = c->rebind_ms = c->end_ms = DHCP_NEVER;
                return;
        }
        uint64_t rebind = a->rebind_s != 0 && a->rebind_s < s ? a->rebind_s : s * 7 / 8;
        uint64_t renew = a->renew_s != 0 && a->renew_s < rebind ? a->renew_s : s / 2 < rebind ? s / 2 : rebind / 2;
        /* A server that wants to be asked each second gets as little of that as one that lends for a second. */
        renew = renew < LEASE_LEAST_S / 2 ? LEASE_LEAST_S / 2 : renew;
        rebind = rebind < renew ? renew : rebind;
        c->renew_ms = later(c->asked_ms, renew * 1000);
        c->rebind_ms = later(c->asked_ms, rebind * 1000);
        c->end_ms = later(c->asked_ms, s * 1000);
}

static dhcp_event granted(dhcp_client *c, const dhcp_answer *a, uint64_t now_ms)
{
        bool another = c->held && memcmp(c->lease.address, a->lease.address, 4) != 0;
        bool known = c->held && !another;
        /* A server that gives something else than what was asked for has not understood. */
        if (another || (c->state == DHCP_REQUESTS && memcmp(c->lease.address, a->lease.address, 4) != 0))
                return DHCP_NOTHING;
        c->lease = a->lease;
        memcpy(c->server, a->server, 4);
        take_times(c, a);
        if (known) {
                bind_now(c, now_ms);
                return DHCP_LEASED;
        }
        c->state = DHCP_PROBES;
        c->turn_ms = later(now_ms, DHCP_PROBE_MS);
        return DHCP_NOTHING;
}

dhcp_event dhcp_hear(dhcp_client *c, const dhcp_answer *a, uint64_t now_ms)
{
        bool same_server = memcmp(a->server, c->server, 4) == 0;
        if (!c->link || a->number != c->number)
                return DHCP_NOTHING;
        if (a->kind == DHCP_OFFER) {
                if (c->state != DHCP_SELECTS || !lease_is_sound(&a->lease))
                        return DHCP_NOTHING;
                /* The first one is as good as any. */
                c->lease = a->lease;
                memcpy(c->server, a->server, 4);
                enter(c, DHCP_REQUESTS, now_ms);
                return DHCP_NOTHING;
        }
        bool asks_one = c->state == DHCP_REQUESTS || c->state == DHCP_RENEWS;
        if ((!asks_one && c->state != DHCP_REBOOTS && c->state != DHCP_REBINDS) || (asks_one && !same_server))
                return DHCP_NOTHING;
        if (a->kind == DHCP_NAK)
                return refused(c, now_ms);
        return lease_is_sound(&a->lease) ? granted(c, a, now_ms) : DHCP_NOTHING;
}

bool dhcp_conflict(dhcp_client *c, uint64_t now_ms)
{
        if (c->state != DHCP_PROBES)
                return false;
        compose(c, DHCP_DECLINE, now_ms);
        memcpy(c->ask.requested, c->lease.address, 4);
        memcpy(c->ask.server, c->server, 4);
        c->known = false;
        wait_then_select(c, now_ms, DHCP_PAUSE_MS);
        return true;
}

uint64_t dhcp_wait_ms(const dhcp_client *c, uint64_t now_ms)
{
        return c->turn_ms == DHCP_NEVER ? DHCP_NEVER : c->turn_ms > now_ms ? c->turn_ms - now_ms : 0;
}
