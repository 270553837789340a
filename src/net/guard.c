#include "net/guard.h"

#include <assert.h>
#include <stdlib.h>

#include "base/secret.h"

/* One client with a bug or two owes a few seconds and is served; who owes more is not until all has passed. */
enum : uint64_t { REFUSED_FROM_MS = 15000, OWED_MOST_MS = 60000 };
/* Twice as many places as a process has connections: the sets stay half empty, and penalties outlive connections. */
enum : size_t { SETS = 2048, WAYS = 8 };
enum : size_t { SHED_FROM_PERCENT = 30 };
/* A handshake is a thousand parts, so that a rate per second is so many parts a millisecond. */
enum : int64_t { PARTS = 1000 };

typedef struct place {
        uint64_t prefix;
        uint64_t owed_until_ms;
        uint32_t connections;
        uint16_t handshakes;
        uint8_t family; /* 0: free */
        bool refused;
} place;

struct guard {
        size_t connections, handshakes;
        int64_t rate, parts; /* parts a millisecond; parts there are now */
        uint64_t counted_ms;
        place places[SETS * WAYS];
};

guard *guard_new(size_t connections, size_t handshakes, uint32_t handshakes_s)
{
        guard *g = calloc(1, sizeof *g);
        if (g == nullptr)
                return nullptr;
        g->connections = connections;
        g->handshakes = handshakes;
        g->rate = handshakes_s;
        g->parts = g->rate * PARTS;
        return g;
}

void guard_free(guard *g) { free(g); }

static bool is_source(const net_peer *p)
{
        static const uint8_t loopback[16] = {[15] = 1};
        if (p->family == 4)
                return p->address[0] != 127;
        return p->family == 6 && memcmp(p->address, loopback, sizeof loopback) != 0;
}

/* The place of lowest debt without a connection is given to a newcomer: debts are what an attacker would like to see
 * forgotten, and the key of the hash keeps him from choosing whose set he fills. */
static place *find(guard *g, uint8_t family, uint64_t prefix)
{
        uint8_t name[9];
        name[0] = family;
        memcpy(name + 1, &prefix, sizeof prefix);
        place *set = &g->places[secret_siphash((view){name, sizeof name}) % SETS * WAYS], *best = nullptr;
        for (size_t i = 0; i < WAYS; i++) {
                if (set[i].family == family && set[i].prefix == prefix)
                        return &set[i];
                if (set[i].connections == 0 && (best == nullptr || set[i].owed_until_ms < best->owed_until_ms))
                        best = &set[i];
        }
        if (best != nullptr)
                *best = (place){.prefix = prefix, .family = family};
        return best;
}

guard_verdict guard_enter(guard *g, const net_peer *from, uint64_t now_ms, guard_source *out)
{
        *out = 0;
        if (!is_source(from))
                return GUARD_GO;
        uint64_t prefix = 0;
        memcpy(&prefix, from->address, from->family == 4 ? 4 : sizeof prefix);
        place *p = find(g, from->family, prefix);
        if (p == nullptr)
                return GUARD_GO;
        if (now_ms >= p->owed_until_ms)
                p->refused = false;
        if (p->refused || (g->connections > 0 && p->connections >= g->connections))
                return GUARD_REFUSE;
        *out = (guard_source)(p - g->places) + 1;
        p->connections++;
        if (g->handshakes > 0 && p->handshakes >= g->handshakes)
                return GUARD_WAIT;
        p->handshakes++;
        return GUARD_GO;
}

void guard_begin(guard *g, guard_source s)
{
        if (s > 0)
                g->places[s - 1].handshakes++;
}

void guard_settle(guard *g, guard_source s)
{
        if (s == 0)
                return;
        assert(g->places[s - 1].handshakes > 0);
        g->places[s - 1].handshakes--;
}

void guard_leave(guard *g, guard_source s)
{
        if (s == 0)
                return;
        assert(g->places[s - 1].connections > 0);
        g->places[s - 1].connections--;
}

bool guard_penalise(guard *g, guard_source s, uint32_t ms, uint64_t now_ms)
{
        if (s == 0)
                return false;
        place *p = &g->places[s - 1];
        uint64_t owed = (p->owed_until_ms > now_ms ? p->owed_until_ms - now_ms : 0) + ms;
        if (owed == ms)
                p->refused = false;
        p->owed_until_ms = now_ms + (owed < OWED_MOST_MS ? owed : OWED_MOST_MS);
        if (owed >= REFUSED_FROM_MS)
                p->refused = true;
        return p->refused;
}

static void refill(guard *g, uint64_t now_ms)
{
        uint64_t passed = now_ms - g->counted_ms;
        g->counted_ms = now_ms;
        /* A second fills it from empty; more could only overflow. */
        g->parts += g->rate * (int64_t)(passed < 2000 ? passed : 2000);
        if (g->parts > g->rate * PARTS)
                g->parts = g->rate * PARTS;
}

uint64_t guard_wait_ms(guard *g, uint64_t now_ms)
{
        if (g->rate == 0)
                return 0;
        refill(g, now_ms);
        return g->parts >= PARTS ? 0 : (uint64_t)((PARTS - g->parts + g->rate - 1) / g->rate);
}

void guard_spend(guard *g, uint64_t now_ms)
{
        if (g->rate == 0)
                return;
        refill(g, now_ms);
        g->parts -= PARTS;
}

bool guard_sheds(size_t unfinished, size_t bound, uint32_t random)
{
        size_t from = bound * SHED_FROM_PERCENT / 100;
        if (unfinished < from || unfinished == 0)
                return false;
        return unfinished >= bound || random % (bound - from) < unfinished - from;
}
