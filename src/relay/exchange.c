#include "relay/exchange.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/emit.h"
#include "base/secret.h"

/* Everything of an exchange but its bodies: head, scanner, edits, placeholders. */
enum : size_t { ARENA_BYTES = 48 * 1024 * 1024, ARENA_FIRST_BYTES = 32 * 1024 };
/* Under load exchanges end and begin by the turn of the loop: as many as one turn brings, a megabyte at most. */
enum : size_t { SPARE_CHUNKS = 32 };

void exchange_stock(relay *r) { arena_stock_begin(&r->chunks, ARENA_FIRST_BYTES, SPARE_CHUNKS); }

void exchange_stop(exchange *x, ending why, err_code code)
{
        if (x->unsettled) {
                net_task_cancel(x->relay->setup.loop, &x->work);
                account_attempt(x->run, FAULT_LOST_RACE, false, &x->run->facts);
                x->unsettled = false;
                x->run = nullptr;
        } else {
                forward_drop_all(x, why == ENDING_TIMEOUT ? FAULT_TIMEOUT : FAULT_LOST_RACE);
        }
        x->ending = why;
        /* The rest of a request still on its way must not be read as the next one. */
        if (x->state <= EXCHANGE_BODY)
                x->close_after = true;
        if (!x->committed_head) {
                reply_error(x, code, (view){});
        } else if (x->streaming && x->piece.len == 0) {
                stream_fail(x, code, (view){});
        } else {
                /* In the middle of a whole answer nothing can be said any more. */
                client *c = x->client;
                exchange_end(x, why);
                client_cut(c);
        }
}

static void on_deadline(void *ctx) { exchange_stop(ctx, ENDING_TIMEOUT, ERR_UPSTREAM_TIMEOUT); }

exchange *exchange_new(client *c)
{
        exchange *x = calloc(1, sizeof *x);
        if (x == nullptr)
                return nullptr;
        const catalog_settings *s = &c->relay->setup.catalog->settings;
        x->relay = c->relay;
        x->client = c;
        x->key = x->key_slot = x->model = x->target = -1;
        arena_init(&x->arena, ARENA_BYTES);
        x->arena.first = ARENA_FIRST_BYTES;
        x->arena.stock = &x->relay->chunks;
        region_init_in(&x->body, s->body_bytes, &x->arena);
        region_init_in(&x->out, LIMIT_RESPONSE_BYTES * 2, &x->arena);
        x->deadline = (net_timer){.fire = on_deadline, .ctx = x};
        x->begun_us = clock_us();
        uint8_t random[16];
        secret_draw(&x->relay->draws, random, sizeof random);
        emit e = emit_into((uint8_t *)x->id, sizeof x->id - 1);
        emit_hex(&e, (view){random, sizeof random});
        net_timer_set(x->relay->setup.loop, &x->deadline, s->stream_ms);
        return x;
}

void exchange_end(exchange *x, ending why)
{
        assert(x->state != EXCHANGE_ENDED);
        net_loop *loop = x->relay->setup.loop;
        if (x->unsettled)
                account_attempt(x->run, FAULT_LOST_RACE, false, &x->run->facts);
        else
                forward_drop_all(x, FAULT_LOST_RACE);
        account_exchange(x, why);
        admit_release(x);
        net_timer_clear(loop, &x->deadline);
        net_timer *const mine[] = {&x->hold, &x->next, &x->late, &x->tail};
        for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++)
                if (mine[i]->fire != nullptr)
                        net_timer_clear(loop, mine[i]);
        net_task_cancel(loop, &x->work);
        run_end(&x->runs[0]);
        run_end(&x->runs[1]);
        region_end(&x->said);
        region_end(&x->body);
        region_end(&x->out);
        arena_end(&x->arena);
        if (x->client != nullptr)
                x->client->exchange = nullptr;
        graveyard *graves = &x->relay->graves;
        wipe(x, sizeof *x);
        x->state = EXCHANGE_ENDED;
        graveyard_bury(graves, &x->grave);
}

void exchange_abandon(exchange *x)
{
        count(x->relay, COUNTER_client_aborts, 1);
        if (!x->unsettled) {
                exchange_end(x, ENDING_CLIENT_ABORT);
                return;
        }
        /* The vendor has done its work: what it counted stands at the end of what answer.c is reading. */
        net_timer_clear(x->relay->setup.loop, &x->deadline);
        x->client->exchange = nullptr;
        x->client = nullptr;
}
