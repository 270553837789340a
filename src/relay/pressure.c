#include <malloc.h>

#include "base/clock.h"
#include "base/event.h"
#include "relay/exchange.h"
#include "relay/upstream.h"

enum : uint64_t { PULSE_MS = 100, PULSES = 10, SHRINK_MS = 1000 };
/* In one turn: to find each takes a look at all. */
enum : uint32_t { ENDED_MOST = 64 };
/* Measured, with what the allocator adds (tests/fault/overload.py compares the ledger with the kernel's figures): a
 * connection with its TLS, at rest; what the allocator has left over once there was a crowd. */
enum : uint64_t { ACCEPTED_BYTES = 46 * 1024, DIALLED_BYTES = 64 * 1024, LEFT_OVER_BYTES = 2 * 1024 * 1024 };

/* ---- the ledger ---- */

/* What is held for everybody: code, tables, buffers. */
static uint64_t own_bytes(void)
{
        enum : uint64_t { CODE_BYTES = 3 * 1024 * 1024 };
        struct mallinfo2 m = mallinfo2();
        return CODE_BYTES + m.arena + m.hblkhd;
}

uint64_t pressure_memory(const relay *r)
{
        net_sockets s = net_sockets_of(r->setup.loop);
        uint64_t accepted = net_listener_connections(r->listener), dialled = s.now > accepted ? s.now - accepted : 0;
        return r->own_bytes + LEFT_OVER_BYTES + accepted * ACCEPTED_BYTES + dialled * DIALLED_BYTES
               + r->exchanges * EXCHANGE_BYTES + r->body_bytes + s.leaving_bytes;
}

/* ---- what is done on the rungs ---- */

static void shrink(relay *r, const pressure_facts *f)
{
        uint64_t now = net_now_ms(r->setup.loop);
        if (!pressure_scarce(&r->pressure) || now - r->shrunk_ms < SHRINK_MS)
                return;
        r->shrunk_ms = now;
        upstreams_purge(r->upstreams);
        malloc_trim(0);
        uint64_t ms = pressure_idle_ms(f, r->setup.catalog->settings.idle_ms);
        for (client *c = r->clients; c != nullptr; c = c->older)
                if (c->wait == WAIT_IDLE && c->timer.due_ms > now + ms)
                        net_timer_set(r->setup.loop, &c->timer, ms);
}

static uint64_t held(const exchange *x) { return x->reserved_bytes + (x->admitted ? EXCHANGE_BYTES : 0); }

static exchange *largest(const relay *r)
{
        exchange *found = nullptr;
        uint64_t most = 0;
        for (const client *c = r->clients; c != nullptr; c = c->older)
                if (c->exchange != nullptr && held(c->exchange) > most) {
                        found = c->exchange;
                        most = held(found);
                }
        return found;
}

static bool unbearable(const relay *r)
{
        return pressure_memory(r) > pressure_bearable(r->setup.catalog->settings.memory_bytes);
}

/* What a caller has not taken may be what has to be freed: then he is cut, because words would only wait behind it. */
void pressure_shed(exchange *x)
{
        client *c = x->client;
        if (!unbearable(x->relay) || net_unsent(c->conn) <= LIMIT_QUEUE_LOW_BYTES) {
                exchange_stop(x, ENDING_SHED, ERR_OVERLOADED);
                return;
        }
        exchange_end(x, ENDING_SHED);
        client_cut(c);
}

static void end_largest(relay *r)
{
        uint64_t before = pressure_memory(r);
        uint32_t ended = 0;
        for (exchange *x; ended < ENDED_MOST && unbearable(r) && (x = largest(r)) != nullptr; ended++)
                pressure_shed(x);
        if (ended == 0)
                return;
        count(r, COUNTER_shed_streams, ended);
        event(EVENT_STREAM_SHED, (int64_t)(before - pressure_memory(r)), ended);
}

/* ---- looking ---- */

static uint64_t late_us(const relay *r)
{
        uint64_t now = clock_us(), due = r->pulse.due_ms * 1000;
        return net_timer_pending(&r->pulse) && now > due ? now - due : 0;
}

uint64_t pressure_lag_us(const relay *r)
{
        uint64_t late = late_us(r);
        return late > r->lag_us ? late : r->lag_us;
}

/* The second worst of the last second for the ladder, the worst for the breakers: a machine that stood still for a
 * moment has no load to shed, but its timers tell nothing of vendors. */
static pressure_facts facts_of(relay *r)
{
        uint64_t now_us = clock_us(), due_us = r->pulse.due_ms * 1000, worst = 0, second = 0;
        uint64_t lag_us = now_us > due_us ? now_us - due_us : 0, missed = lag_us / (PULSE_MS * 1000);
        /* A late one pushes out those whose second is over, but never the one before it: two are load. */
        for (uint64_t n = missed < PULSES - 3 ? missed + 1 : PULSES - 2; n > 0; n--) {
                memmove(r->lags_us + 1, r->lags_us, sizeof r->lags_us - sizeof *r->lags_us);
                r->lags_us[0] = 0;
        }
        r->lags_us[0] = lag_us;
        for (size_t i = 0; i < PULSES; i++) {
                uint64_t lag = r->lags_us[i];
                second = lag > worst ? worst : lag > second ? lag : second;
                worst = lag > worst ? lag : worst;
        }
        r->lag_us = worst;
        net_sockets sockets = net_sockets_of(r->setup.loop);
        return (pressure_facts){.memory = pressure_memory(r),
                                .memory_most = r->setup.catalog->settings.memory_bytes,
                                .sockets = sockets.now,
                                .sockets_most = sockets.most,
                                .lag_us = second,
                                .lag_now_us = r->lags_us[0]};
}

static void on_pulse(void *ctx)
{
        relay *r = ctx;
        pressure_facts f = facts_of(r);
        uint8_t before = r->pressure.level;
        if (pressure_step(&r->pressure, &f, net_now_ms(r->setup.loop))) {
                event(EVENT_PRESSURE, r->pressure.level, before);
                if (!r->draining)
                        net_listener_pause(r->listener, pressure_closed(&r->pressure));
        }
        shrink(r, &f);
        if (r->pressure.level >= 4)
                end_largest(r);
        gauge(r, COUNTER_memory_now, pressure_memory(r));
        gauge(r, COUNTER_pressure_now, r->pressure.level);
        gauge(r, COUNTER_lag_us, r->lag_us);
        net_timer_set(r->setup.loop, &r->pulse, PULSE_MS);
}

void pressure_begin(relay *r)
{
        static_assert(sizeof r->lags_us / sizeof *r->lags_us == PULSES);
        r->pulse = (net_timer){.fire = on_pulse, .ctx = r};
        r->own_bytes = own_bytes();
}

void pressure_start(relay *r)
{
        gauge(r, COUNTER_memory_now, pressure_memory(r));
        net_timer_set(r->setup.loop, &r->pulse, PULSE_MS);
}
