#include <assert.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/secret.h"
#include "relay/exchange.h"
#include "vault/client_key.h"

/* Records one exchange may owe the keeper: one for each attempt, which a stale warm connection may double, and its own.
 */
enum : uint32_t { RECORDS = 2 * LIMIT_ATTEMPTS + 1 };

#define TRY_CODE(call)                      \
        do {                                \
                err_code try_code = (call); \
                if (try_code != ERR_NONE)   \
                        return try_code;    \
        } while (0)

static const struct {
        http1_method method;
        const char *path;
        route_kind kind;
        bool prefix; /* something must follow */
} routes[] = {
        {HTTP1_POST, "/v1/chat/completions", ROUTE_CHAT, false},
        {HTTP1_POST, "/v1/embeddings", ROUTE_EMBEDDINGS, false},
        {HTTP1_GET, "/v1/models", ROUTE_MODELS, false},
        {HTTP1_GET, "/v1/models/", ROUTE_MODEL, true},
};

/* Exact match, no normalising: what is not one of these addresses is nothing. */
static route_kind route_of(const http1_head *h, bool *wrong_method)
{
        view path = h->target;
        const uint8_t *query = path.len == 0 ? nullptr : memchr(path.data, '?', path.len);
        if (query != nullptr)
                path.len = (size_t)(query - path.data);
        *wrong_method = false;
        for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
                view want = view_of_text(routes[i].path);
                bool here = routes[i].prefix ? view_starts(path, want) && path.len > want.len : view_equal(path, want);
                if (!here)
                        continue;
                if (h->method == routes[i].method)
                        return routes[i].kind;
                *wrong_method = true;
        }
        return ROUTE_NONE;
}

/* The key may come in three fields; two different ones are a contradiction that is not guessed at. */
static view presented_key(const http1_head *h)
{
        static const char bearer[] = "bearer ";
        view authorization = http1_get(h, VIEW("authorization"));
        view other = http1_get(h, VIEW("x-api-key"));
        if (other.len == 0)
                other = http1_get(h, VIEW("x-goog-api-key"));
        if (authorization.len == 0)
                return other;
        if (!view_equal_nocase(view_slice(authorization, 0, sizeof bearer - 1), VIEW(bearer)))
                return (view){};
        view key = view_slice(authorization, sizeof bearer - 1, authorization.len);
        return other.len == 0 || view_equal(other, key) ? key : (view){};
}

static err_code authenticate(exchange *x, const http1_head *h)
{
        const catalog *c = x->relay->setup.catalog;
        /* What is no key at all costs the same as an unknown one, and that the same as a known one. */
        static const uint8_t nobody[32], nothing[CLIENT_KEY_SECRET_BYTES];
        view id = {nothing, CLIENT_KEY_ID_BYTES}, secret = {nothing, CLIENT_KEY_SECRET_BYTES};
        bool well_formed = !failed(client_key_parse(presented_key(h), &id, &secret));
        int found = well_formed ? catalog_find_key(c, id) : -1;
        if (!well_formed) {
                id = (view){nothing, CLIENT_KEY_ID_BYTES};
                secret = (view){nothing, CLIENT_KEY_SECRET_BYTES};
        }
        uint8_t pepper[32], hash[32];
        if (failed(lease_copy_pepper(x->relay->setup.lease, pepper)))
                return ERR_SEALED;
        client_key_hash(pepper, id, secret, hash);
        wipe(pepper, sizeof pepper);
        bool good = secret_equal(hash, found < 0 ? nobody : c->keys[found].hash, sizeof hash) && found >= 0;
        if (!good || c->keys[found].expires_s <= clock_wall_s())
                return ERR_NO_KEY;
        x->key = found;
        return ERR_NONE;
}

static err_code serving(const relay *r)
{
        switch (atomic_load_explicit(&r->setup.board->keeper, memory_order_relaxed)) {
        case KEEPER_OPEN:
                return ERR_NONE;
        case KEEPER_SEALED:
                return ERR_SEALED;
        default:
                return ERR_NO_KEEPER;
        }
}

/* Once a second: a flood of requests must not become a flood of lines. */
static void say_overloaded(relay *r)
{
        uint64_t now = net_now_ms(r->setup.loop);
        if (now - r->overload_said_ms < 1000)
                return;
        r->overload_said_ms = now;
        event(EVENT_OVERLOADED, (int64_t)r->exchanges, (int64_t)r->body_bytes);
}

bool admit_room(const relay *r) { return r->exchanges < r->setup.catalog->settings.exchanges; }

static const catalog_key *key_of(const exchange *x) { return &x->relay->setup.catalog->keys[x->key]; }

static int key_slot(const exchange *x)
{
        uint64_t number = relay_number(&x->relay->key_numbers[x->key], key_of(x)->id);
        return board_key_slot(x->relay->setup.board, number);
}

static err_code refuse_overloaded(relay *r)
{
        say_overloaded(r);
        return ERR_OVERLOADED;
}

static err_code key_free(exchange *x, int slot)
{
        relay *r = x->relay;
        if (slot < 0 || board_running(r->setup.board, slot) < r->setup.catalog->settings.key_exchanges)
                return ERR_NONE;
        count(r, COUNTER_refused_key_busy, 1);
        return ERR_KEY_BUSY;
}

static err_code claim(exchange *x)
{
        relay *r = x->relay;
        int slot = key_slot(x);
        TRY_CODE(key_free(x, slot));
        if (!admit_room(r) || !usage_ring_reserve(r->setup.ring, RECORDS))
                return refuse_overloaded(r);
        if (slot >= 0)
                atomic_fetch_add_explicit(&r->setup.column->running[slot], 1, memory_order_relaxed);
        x->key_slot = slot;
        x->reserved_records = RECORDS;
        x->admitted = true;
        r->exchanges++;
        usage_ring_admit(r->setup.ring);
        count(r, COUNTER_exchanges, 1);
        gauge(r, COUNTER_exchanges_now, r->exchanges);
        return ERR_NONE;
}

/* The body's share; with it the whole body has a mapping of its own at once, instead of growing. */
static err_code room_for_body(exchange *x, const http1_head *h)
{
        if (!h->sized)
                return ERR_NONE;
        if (!admit_bytes(x, h->length))
                return ERR_OVERLOADED;
        return failed(region_reserve(&x->body, h->length)) ? ERR_NO_ROOM : ERR_NONE;
}

static err_code pressed(exchange *x, const http1_head *h)
{
        relay *r = x->relay;
        switch (pressure_judge(&r->pressure, key_of(x)->priority, h->sized ? h->length : 0)) {
        case PRESSURE_GO:
                return ERR_NONE;
        case PRESSURE_LOW:
                count(r, COUNTER_shed_priority, 1);
                break;
        case PRESSURE_REFUSED:
                count(r, COUNTER_shed_pressure, 1);
                break;
        }
        return refuse_overloaded(r);
}

/* A place at once, or one in the queue. Who waits is not passed by. */
static err_code place(exchange *x, const http1_head *h)
{
        relay *r = x->relay;
        TRY_CODE(pressed(x, h));
        if (admit_room(r) && r->queue.count == 0) {
                err_code code = claim(x);
                return code == ERR_NONE ? room_for_body(x, h) : code;
        }
        TRY_CODE(key_free(x, key_slot(x)));
        return queue_join(x) ? ERR_NONE : refuse_overloaded(r);
}

void admit_queued(exchange *x)
{
        const http1_head *h = x->client->parser.head;
        /* The keeper may have gone, or the vault been sealed, since the head was judged. */
        x->refused = serving(x->relay);
        if (x->refused == ERR_NONE)
                x->refused = claim(x);
        if (x->refused == ERR_NONE)
                x->refused = room_for_body(x, h);
}

/* What the caller says of itself: how long it waits (the official libraries say so), and what it consents to. */
static void wishes(exchange *x, const http1_head *h)
{
        static const struct {
                const char *field;
                uint64_t ms;
        } deadlines[] = {{"x-lethe-deadline-ms", 1}, {"x-stainless-timeout", 1000}};
        const catalog_key *key = &x->relay->setup.catalog->keys[x->key];
        for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0] && x->caller_ms == 0; i++) {
                uint64_t n;
                if (view_decimal(http1_get(h, view_of_text(deadlines[i].field)), 24 * 3600 * 1000, &n))
                        x->caller_ms = n * deadlines[i].ms;
        }
        x->downgrade = key->downgrade || view_equal_nocase(http1_get(h, VIEW("x-lethe-downgrade")), VIEW("allow"));
        /* Second copies cost money: a field may leave them out, not ask for them. */
        x->hedge = key->hedge && !view_equal_nocase(http1_get(h, VIEW("x-lethe-hedge")), VIEW("no"));
}

static err_code judge(exchange *x, const http1_head *h)
{
        bool wrong_method;
        x->route = route_of(h, &wrong_method);
        if (x->route == ROUTE_NONE)
                return wrong_method ? ERR_BAD_METHOD : ERR_NO_ROUTE;
        TRY_CODE(serving(x->relay));
        /* Now not even a key is looked at: what is refused must cost next to nothing. */
        if (pressure_closed(&x->relay->pressure)) {
                count(x->relay, COUNTER_shed_pressure, 1);
                return refuse_overloaded(x->relay);
        }
        TRY_CODE(authenticate(x, h));
        wishes(x, h);
        return x->route == ROUTE_MODELS || x->route == ROUTE_MODEL ? ERR_NONE : place(x, h);
}

void admit_head(exchange *x) { x->refused = judge(x, x->client->parser.head); }

/* Bodies, and what else has outgrown the share of an exchange, or of a connection before it: a slow head, requests sent
 * ahead, many small replacements, a long event, a restored answer, what a slow caller has not taken. */
static uint64_t held_by(const exchange *x)
{
        size_t share = x->admitted ? EXCHANGE_BYTES : 0;
        size_t own = x->arena.mapped + x->out.len + x->said.len, answers = 0;
        for (size_t i = 0; i < 2; i++) {
                own += x->runs[i].sse.data.len + x->runs[i].out.len;
                answers += x->runs[i].answer.len;
        }
        if (x->client != nullptr && x->client->conn != nullptr)
                own += x->client->held.len + net_held(x->client->conn);
        return x->body.len + answers + (own > share ? own - share : 0);
}

bool admit_bytes(exchange *x, uint64_t bytes)
{
        relay *r = x->relay;
        uint64_t held = held_by(x) + bytes;
        if (held <= x->reserved_bytes)
                return true;
        uint64_t more = held - x->reserved_bytes;
        const catalog_settings *s = &r->setup.catalog->settings;
        if (r->body_bytes + more > s->bodies_bytes || pressure_memory(r) + more > s->memory_bytes) {
                say_overloaded(r);
                return false;
        }
        r->body_bytes += more;
        x->reserved_bytes += more;
        gauge(r, COUNTER_body_bytes_now, r->body_bytes);
        return true;
}

void admit_release(exchange *x)
{
        relay *r = x->relay;
        if (x->queued)
                queue_leave(x);
        assert(r->body_bytes >= x->reserved_bytes);
        r->body_bytes -= x->reserved_bytes;
        x->reserved_bytes = 0;
        gauge(r, COUNTER_body_bytes_now, r->body_bytes);
        if (!x->admitted)
                return;
        if (x->key_slot >= 0)
                atomic_fetch_sub_explicit(&r->setup.column->running[x->key_slot], 1, memory_order_relaxed);
        if (x->reserved_records > 0)
                usage_ring_release(r->setup.ring, x->reserved_records);
        x->reserved_records = 0;
        x->admitted = false;
        r->exchanges--;
        gauge(r, COUNTER_exchanges_now, r->exchanges);
        queue_wake(r);
}
