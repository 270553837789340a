#include <assert.h>

#include "base/clock.h"
#include "dialect/openai_error.h"
#include "relay/exchange.h"

static void settle(run *r, fault_class fault, bool whole)
{
        r->x->unsettled = false;
        account_attempt(r, fault, whole, &r->facts);
}

/* A 200 that carries an error, or no answer at all. */
static fault_class fault_in(run *r)
{
        openai_error error;
        view         body = region_view(&r->answer);
        openai_error_read(body, &r->x->arena, &error);
        if (error.message.len == 0 && error.code.len == 0)
                return FAULT_BROKEN;
        const fault_said said = {.status = 200,
                                 .vendor = r->x->relay->setup.catalog->upstreams[r->choice.upstream].vendor,
                                 .code = error.code, .type = error.type, .message = error.message};
        return fault_of(&said);
}

static void broken(run *r, bool error)
{
        exchange   *x = r->x;
        fault_class fault = error ? fault_in(r) : FAULT_BROKEN;
        settle(r, fault, false);
        if (x->client == nullptr)
                exchange_end(x, ENDING_CLIENT_ABORT);
        else
                forward_failed(r, fault, error ? region_view(&r->answer) : (view){});
}

static void on_work(void *ctx)
{
        run      *r = ctx;
        exchange *x = r->x;
        size_t    steps = LIMIT_STEP_BYTES;
        bool      done;
        err       e = openai_answer_step(&r->whole, &steps, &done);
        if (failed(e) || (done && r->whole.error)) {
                broken(r, !failed(e));
                return;
        }
        if (!done && x->client != nullptr && !admit_bytes(x, 0)) {
                settle(r, FAULT_LOST_RACE, false);
                x->run = nullptr;
                reply_error(x, ERR_OVERLOADED, (view){});
                return;
        }
        if (!done) {
                net_task_queue(x->relay->setup.loop, &x->work);
                return;
        }
        r->content_us = clock_us();
        settle(r, FAULT_CLASSES, true);
        if (x->client == nullptr) {
                exchange_end(x, ENDING_CLIENT_ABORT);
                return;
        }
        x->first_us = clock_us();
        if (r->out.len > 0)
                region_end(&r->answer);
        reply_whole(x, 200, region_view(r->out.len > 0 ? &r->out : &r->answer), ENDING_WHOLE);
}

void answer_begin(run *r, const attempt_facts *f)
{
        exchange *x = r->x;
        /* The other copy is let go before this one is read: what is wrong in it is found too late for a race. */
        race_won(r);
        bool restore = x->table.count > 0 && x->route == ROUTE_CHAT;
        r->facts = *f;
        x->unsettled = true;
        x->work = (net_task){.run = on_work, .ctx = r};
        /* `out` begins here and not in the middle of a piece, whose memory is given back to the arena. */
        err e = restore ? region_reserve(&r->out, r->answer.len) : OK;
        if (!failed(e))
                e = openai_answer_begin(&r->whole, region_view(&r->answer), restore ? &x->restoring : nullptr,
                                        &x->arena, &r->out);
        if (failed(e))
                broken(r, false);
        else
                on_work(r);
}
