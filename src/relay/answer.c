#include <assert.h>

#include "base/clock.h"
#include "relay/exchange.h"

static void settle(exchange *x, fault_class fault, bool whole)
{
        x->unsettled = false;
        account_attempt(x, fault, whole, &x->facts);
}

static void broken(exchange *x)
{
        settle(x, FAULT_BROKEN, false);
        if (x->client == nullptr)
                exchange_end(x, ENDING_CLIENT_ABORT);
        else
                forward_failed(x, FAULT_BROKEN, (view){});
}

static void on_work(void *ctx)
{
        exchange *x = ctx;
        size_t    budget = LIMIT_STEP_BYTES;
        bool      done;
        err       e = openai_answer_step(&x->whole, &budget, &done);
        if (failed(e) || (done && x->whole.error)) {
                broken(x);
                return;
        }
        if (!done && x->client != nullptr && !admit_bytes(x, 0)) {
                settle(x, FAULT_CUT, false);
                reply_error(x, ERR_OVERLOADED, (view){});
                return;
        }
        if (!done) {
                net_task_queue(x->relay->setup.loop, &x->work);
                return;
        }
        settle(x, FAULT_CLASSES, true);
        if (x->client == nullptr) {
                exchange_end(x, ENDING_CLIENT_ABORT);
                return;
        }
        x->first_us = clock_us();
        if (x->out.len > 0)
                region_end(&x->answer);
        reply_whole(x, 200, region_view(x->out.len > 0 ? &x->out : &x->answer), ENDING_WHOLE);
}

void answer_begin(exchange *x, const attempt_facts *f)
{
        bool restore = x->table.count > 0 && x->route == ROUTE_CHAT;
        x->facts = *f;
        x->unsettled = true;
        x->work = (net_task){.run = on_work, .ctx = x};
        /* `out` begins here and not in the middle of a piece, whose memory is given back to the arena. */
        err e = restore ? region_reserve(&x->out, x->answer.len) : OK;
        if (!failed(e))
                e = openai_answer_begin(&x->whole, region_view(&x->answer), restore ? &x->restoring : nullptr,
                                        &x->arena, &x->out);
        if (failed(e))
                broken(x);
        else
                on_work(x);
}
