/* The keeper, who reads the relay's ring, and what must hold of the relay at every step and at the end. */
#include <stdio.h>
#include <string.h>

#include "sim/house.h"

/* ---- the keeper ---- */

static void attempt_judge(const usage_record *r)
{
        uint64_t input = r->tokens[TOKENS_INPUT];
        if (r->basis < USAGE_REPORTED || r->basis > USAGE_NOT_BILLED)
                sim_fail("an attempt without a basis");
        if (r->basis != USAGE_REPORTED)
                return;
        if (input < USAGE_BASE || input - USAGE_BASE >= play.answer_count)
                sim_fail("usage was reported that no vendor has stated last: %llu", (unsigned long long)input);
        vendor_answer *a = &play.answers[input - USAGE_BASE];
        const request *q = &play.requests[a->serial];
        if (a->reported++ > 0)
                sim_fail("answer %llu is accounted twice", (unsigned long long)(input - USAGE_BASE));
        if (r->project != q->project || r->model != q->model)
                sim_fail("usage of request %u is accounted to project %u, model %u", a->serial, r->project, r->model);
        if (r->tokens[TOKENS_OUTPUT] != q->pieces)
                sim_fail("request %u is accounted with other numbers than its vendor's", a->serial);
        trace->reported++;
}

static void records_read(void)
{
        usage_record r;
        while (usage_ring_read(house.ring, house.read + 1, &r)) {
                usage_ring_consumed(house.ring, ++house.read);
                if (r.version != 1 || r.sequence != house.read)
                        sim_fail("a record is out of its order");
                if (r.kind == USAGE_EXCHANGE) {
                        house.exchanges++;
                } else if (r.kind == USAGE_ATTEMPT) {
                        house.attempts++;
                        trace->attempts++;
                        attempt_judge(&r);
                } else {
                        sim_fail("a record of no kind");
                }
        }
}

void house_keeper(void *ctx)
{
        (void)ctx;
        if (sim_now_us() >= house.keeper_stalls_until_us)
                records_read();
        net_timer_set(sim_loop, &house.keeper, sim_between(5, 1000));
}

/* ---- what must hold ---- */

uint64_t house_counted(counter_id c) { return atomic_load(&house.board.columns[0].counters[c]); }

static void look_at_limits(void)
{
        const catalog_settings *s = &house.catalog->settings;
        const board_column *c = &house.board.columns[0];
        if (house_counted(COUNTER_exchanges_now) > s->exchanges
            || house_counted(COUNTER_body_bytes_now) > s->bodies_bytes)
                sim_fail("%llu exchanges run with %llu bytes of bodies: more than the settings allow",
                         (unsigned long long)house_counted(COUNTER_exchanges_now),
                         (unsigned long long)house_counted(COUNTER_body_bytes_now));
        for (size_t i = 0; i < CALLERS_KEYS; i++)
                if (c->running[house.slots[i]] > s->key_exchanges)
                        sim_fail("%u exchanges of one key run: more than the settings allow",
                                 c->running[house.slots[i]]);
        bool shut = atomic_load(&house.board.keeper) != KEEPER_OPEN;
        if (shut && house.shut && house_counted(COUNTER_exchanges) > house.admitted)
                sim_fail("an exchange was admitted although nobody accounts or the vault is sealed");
        house.shut = shut;
        house.admitted = house_counted(COUNTER_exchanges);
}

void house_look(void)
{
        look_at_limits();
        if (house.drained > 1)
                sim_fail("the relay said twice that it has drained");
        for (size_t c = 0; c < COUNTER_COUNT; c++) {
                uint64_t now = house_counted((counter_id)c);
                if (!counter_is_gauge((counter_id)c) && now < house.before[c])
                        sim_fail("the counter %s fell", counter_name((counter_id)c));
                house.before[c] = now;
        }
        if (sim_now_us() - house.looked_us > 1000000) {
                sim_patience p = house.patience;
                house.looked_us = sim_now_us();
                if (play.frozen_us != 0 && house.looked_us - play.frozen_us < p.caller_us + p.vendor_us)
                        p.caller_us = p.vendor_us = UINT64_MAX;
                sim_look(&p);
        }
        uint64_t ended = house_counted(COUNTER_exchanges_ended), admitted = house_counted(COUNTER_exchanges);
        if (ended > admitted || admitted - ended != house_counted(COUNTER_exchanges_now))
                sim_fail("%llu exchanges were admitted and %llu ended, but %llu are said to run",
                         (unsigned long long)admitted, (unsigned long long)ended,
                         (unsigned long long)house_counted(COUNTER_exchanges_now));
}

bool house_quiet(void)
{
        const board_column *c = &house.board.columns[0];
        for (size_t i = 0; i < BOARD_KEYS; i++)
                if (c->running[i] != 0)
                        return false;
        for (size_t i = 0; i < BOARD_CELLS; i++)
                if (c->in_flight[i] != 0)
                        return false;
        return house_counted(COUNTER_exchanges_now) == 0 && house_counted(COUNTER_body_bytes_now) == 0;
}

/* What this history has exercised. */
static void note_rare(void)
{
        static const counter_id rare[TRACE_RARE] = {COUNTER_failovers,     COUNTER_hedges,          COUNTER_hedges_won,
                                                    COUNTER_continuations, COUNTER_breakers_opened, COUNTER_keys_parked,
                                                    COUNTER_waited,        COUNTER_queued};
        for (size_t i = 0; i < TRACE_RARE; i++)
                trace->rare[i] = house_counted(rare[i]);
}

static void settle_accounts(void)
{
        note_rare();
        records_read();
        if (usage_ring_admitted(house.ring) != house.exchanges)
                sim_fail("%llu exchanges were admitted, %llu have a record",
                         (unsigned long long)usage_ring_admitted(house.ring), (unsigned long long)house.exchanges);
        if (house.opened != house.attempts)
                sim_fail("%llu attempts were begun, %llu have a record", (unsigned long long)house.opened,
                         (unsigned long long)house.attempts);
        if (house.exchanges != house_counted(COUNTER_exchanges_ended))
                sim_fail("the board counts %llu endings, the keeper %llu",
                         (unsigned long long)house_counted(COUNTER_exchanges_ended),
                         (unsigned long long)house.exchanges);
        if (!usage_ring_reserve(house.ring, LIMIT_RING_RECORDS))
                sim_fail("places in the usage ring are still reserved");
}

/* Who was served to the end must be found in the accounts as the vendor counted it. */
static void settle_requests(void)
{
        static struct {
                bool finished, unstated, reported;
        } of[MOST_REQUESTS];
        for (size_t i = 0; i < play.answer_count; i++) {
                const vendor_answer *a = &play.answers[i];
                of[a->serial].finished = of[a->serial].finished || a->finished;
                of[a->serial].unstated = of[a->serial].unstated || !a->stated;
                of[a->serial].reported = of[a->serial].reported || a->reported > 0;
        }
        for (size_t i = 0; i < play.request_count; i++) {
                const request *r = &play.requests[i];
                if (!r->whole || r->kind == ASK_MODELS)
                        continue;
                if (!of[i].finished)
                        sim_fail("request %zu was served whole, but no vendor finished an answer", i);
                if (!of[i].reported && !of[i].unstated)
                        sim_fail("request %zu was served whole, but what its vendor counted is in no account", i);
        }
}

void house_no_vendors(void)
{
        size_t open[2];
        sim_open_connections(open);
        if (open[1] > 0)
                sim_fail("%zu connections with vendors stand although nothing more will be asked", open[1]);
}

void house_settle(void)
{
        size_t open[2];
        sim_memory now = sim_memory_now();
        sim_open_connections(open);
        if (!house_quiet())
                sim_fail("something is left of an exchange: %llu run, %llu bytes of bodies",
                         (unsigned long long)house_counted(COUNTER_exchanges_now),
                         (unsigned long long)house_counted(COUNTER_body_bytes_now));
        if (open[0] + open[1] > 0)
                sim_fail("%zu connections with callers and %zu with vendors are left", open[0], open[1]);
        settle_accounts();
        settle_requests();
        if (now.blocks != house.held_at_begin.blocks || now.mapped != house.held_at_begin.mapped) {
                sim_memory_tell(house.serial_at_begin);
                sim_fail("memory is left: %lld blocks, %lld mapped bytes",
                         (long long)(now.blocks - house.held_at_begin.blocks),
                         (long long)(now.mapped - house.held_at_begin.mapped));
        }
        net_timer_clear(sim_loop, &house.keeper);
        if (sim_timers() > house.timers_at_begin)
                sim_fail("%zu timers are still set", sim_timers());
}
