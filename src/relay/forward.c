#include <assert.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/secret.h"
#include "dialect/openai_error.h"
#include "relay/exchange.h"

enum : size_t { PIECE_BYTES = 16 * 1024, TURN_FIRST_BYTES = 8 * 1024, TURN_BYTES = 48 * 1024 * 1024 };

static const catalog_model *model_of(const exchange *x) { return &x->relay->setup.catalog->models[x->model]; }

static const catalog_settings *settings_of(const exchange *x) { return &x->relay->setup.catalog->settings; }

static uint64_t elapsed_ms(const exchange *x) { return (clock_us() - x->begun_us) / 1000; }

/* ---- runs ---- */

static void run_begin(exchange *x, run *r, const choice *to)
{
        *r = (run){.x = x, .choice = *to, .begun_us = clock_us()};
        arena_init(&r->turn, TURN_BYTES);
        r->turn.first = TURN_FIRST_BYTES;
        region_init_in(&r->answer, LIMIT_RESPONSE_BYTES, &x->arena);
        region_init_in(&r->out, LIMIT_RESPONSE_BYTES * 2, &x->arena);
}

void run_end(run *r)
{
        if (r->x == nullptr)
                return;
        assert(r->attempt == nullptr && !r->choice.taken);
        if (r->quiet.fire != nullptr)
                net_timer_clear(r->x->relay->setup.loop, &r->quiet);
        sse_end(&r->sse);
        region_end(&r->answer);
        region_end(&r->out);
        arena_end(&r->turn);
        *r = (run){};
}

void forward_drop(run *r, fault_class fault)
{
        if (r->attempt == nullptr) {
                /* Chosen and waiting for its pause to be over: nothing was sent. */
                const choose_end nothing = {.fault = FAULT_LOST_RACE};
                choose_report(r->x->relay, &r->choice, &nothing);
                return;
        }
        attempt_facts facts;
        upstream_cancel(r->attempt, &facts);
        r->attempt = nullptr;
        account_attempt(r, fault, false, &facts);
}

void forward_drop_all(exchange *x, fault_class fault)
{
        for (size_t i = 0; i < 2; i++)
                if (x->runs[i].x != nullptr)
                        forward_drop(&x->runs[i], fault);
        x->run = x->copy = nullptr;
}

/* ---- sending ---- */

static void send_more(run *r)
{
        view doc = region_view(&r->x->body);
        for (;;) {
                if (r->piece.len == 0 && !edit_next(&r->x->edits, doc, &r->cursor, PIECE_BYTES, &r->piece)) {
                        r->sent = true;
                        return;
                }
                size_t room = upstream_room(r->attempt);
                if (room == 0)
                        return;
                view now = view_slice(r->piece, 0, room);
                upstream_body(r->attempt, now);
                r->piece = view_slice(r->piece, now.len, r->piece.len);
        }
}

static bool model_name(exchange *x, const catalog_target *t)
{
        size_t   room = strlen(t->model) * 6 + 1;
        uint8_t *name = arena_alloc(&x->arena, room);
        if (name == nullptr)
                return false;
        emit e = emit_into(name, room);
        emit_json_inner(&e, view_of_text(t->model));
        edits_change(&x->edits, x->request.model_start, (view){name, e.len});
        return true;
}

static bool run_open(run *r)
{
        static const char *const paths[] = {[ROUTE_CHAT] = "/chat/completions", [ROUTE_EMBEDDINGS] = "/embeddings"};
        exchange                *x = r->x;
        const catalog_target *t = &model_of(x)->targets[r->choice.target];
        if (!model_name(x, t) || (x->resumed && !resume_bind(x, t)))
                return false;
        const attempt_order order = {.upstream = r->choice.upstream, .credential = r->choice.credential,
                                     .path = paths[x->route], .body_bytes = edits_length(&x->edits, x->body.len),
                                     .events = x->streaming, .fresh = x->fresh};
        r->attempt = upstream_open(x->relay->upstreams, &order, &forward_user, r);
        if (r->attempt == nullptr)
                return false;
        upstream_decided(r->attempt, order.body_bytes);
        return true;
}

bool forward_start(exchange *x, run *r, const choice *to)
{
        run_end(r);
        run_begin(x, r, to);
        x->target = to->target;
        if (run_open(r)) {
                x->state = EXCHANGE_SEND;
                return true;
        }
        forward_drop(r, FAULT_LOST_RACE);
        return false;
}

/* ---- where to ---- */

static void tell(exchange *x, fault_class fault, uint16_t status, view vendor_body)
{
        const fault_row *row = fault_describe(fault);
        x->ending = fault == FAULT_TIMEOUT || fault == FAULT_SLOW ? ENDING_TIMEOUT
                    : fault == FAULT_CUT                          ? ENDING_UPSTREAM_CUT
                                                                  : ENDING_UPSTREAM_ERROR;
        if (x->committed_head)
                stream_fail(x, x->committed ? ERR_UPSTREAM_CUT : row->answer, (view){});
        else if (row->callers && vendor_body.len > 0)
                /* An error inside a 200 has no status of its own. */
                reply_vendor_error(x, status < 400 ? err_describe(row->answer)->http : status, row->answer,
                                   vendor_body);
        else
                reply_error(x, row->answer, (view){});
}

/* Nothing was tried, or nothing more can be: what stood in the way speaks, unless a fault has spoken before. */
static void tell_none(exchange *x, const choose_result *none)
{
        if (none->wait_ms != UINT64_MAX && none->wait_ms > 0)
                x->retry_after_s = (uint32_t)((none->wait_ms + 999) / 1000);
        if (x->tries.attempts > 0) {
                tell(x, x->tries.fault, 0, (view){});
                return;
        }
        err_code code = ERR_NO_TARGET;
        if (none->why == PICK_PARKED)
                code = ERR_UPSTREAM_RATE;
        else if (none->why == PICK_DISABLED)
                code = fault_describe(none->fault)->answer;
        else if (none->why == PICK_OPEN || none->why == PICK_BUSY || none->why == PICK_CONSENT)
                code = ERR_UPSTREAM_BUSY;
        x->ending = ENDING_UPSTREAM_ERROR;
        reply_error(x, code, (view){});
}

static void start_or_fail(exchange *x, run *r, const choice *to)
{
        x->run = r;
        if (forward_start(x, r, to)) {
                race_watch(x);
                return;
        }
        forward_drop_all(x, FAULT_LOST_RACE);
        reply_error(x, ERR_NO_ROOM, (view){});
}

static void on_next(void *ctx)
{
        exchange *x = ctx;
        run      *r = x->run;
        if (r == nullptr) {
                forward_next(x, WHERE_ANYWHERE);
                return;
        }
        const choice to = r->choice;
        r->choice.taken = false;
        start_or_fail(x, r, &to);
}

static void wait_next(exchange *x, uint64_t ms)
{
        x->waited_ms += ms;
        if (x->next.fire == nullptr)
                x->next = (net_timer){.fire = on_next, .ctx = x};
        net_timer_set(x->relay->setup.loop, &x->next, ms);
}

/* The same way once more: after a pause drawn at random, so that callers do not come back together. */
static void start_later(exchange *x, const choice *to)
{
        uint64_t random;
        secret_random((uint8_t *)&random, sizeof random);
        run *r = &x->runs[0];
        run_end(r);
        run_begin(x, r, to);
        x->run = r;
        wait_next(x, budget_backoff_ms(x->tries.attempts - 1, 0, random));
}

static bool may_wait(const exchange *x, uint64_t ms)
{
        if (ms > settings_of(x)->queue_ms || x->waited_ms + ms > settings_of(x)->queue_ms)
                return false;
        return x->caller_ms == 0 || elapsed_ms(x) + ms < x->caller_ms;
}

static void start_waiting(exchange *x, uint64_t ms)
{
        if (!x->waiting)
                count(x->relay, COUNTER_waited, 1);
        x->waiting = true;
        wait_next(x, ms);
}

void forward_next(exchange *x, fault_where where)
{
        const choose_ask ask = {.where = where, .prefill = x->resumed};
        choice           to;
        choose_result    found = choose_way(x, &ask, &to);
        if (found.found) {
                if (x->tries.attempts > 1)
                        count(x->relay, COUNTER_retries, 1);
                if (x->target >= 0 && x->target != to.target)
                        count(x->relay, COUNTER_failovers, 1);
                x->fresh = x->stale_retried = false;
                if (found.again)
                        start_later(x, &to);
                else
                        start_or_fail(x, &x->runs[0], &to);
                return;
        }
        if (found.wait_ms != UINT64_MAX && may_wait(x, found.wait_ms)) {
                start_waiting(x, found.wait_ms);
                return;
        }
        tell_none(x, &found);
}

void forward_first(exchange *x)
{
        if (model_of(x)->continuation && x->route == ROUTE_CHAT)
                region_init_in(&x->said, LIMIT_SAID_BYTES, &x->arena);
        x->state = EXCHANGE_SEND;
        forward_next(x, WHERE_ANYWHERE);
}

/* ---- after a fault ---- */

static bool may_try(const exchange *x, fault_class fault)
{
        const tries *t = &x->tries;
        if (resume_where(x, fault) == WHERE_NOWHERE || t->attempts >= settings_of(x)->attempts)
                return false;
        return elapsed_ms(x) < settings_of(x)->stream_ms && (x->caller_ms == 0 || elapsed_ms(x) < x->caller_ms);
}

static void note(const run *r, fault_class fault)
{
        exchange *x = r->x;
        x->tries.fault = fault;
        if (fault == FAULT_CONTEXT)
                x->tries.context_over = model_of(x)->targets[r->choice.target].context_tokens;
        event(fault == FAULT_AUTH ? EVENT_UPSTREAM_KEY_REFUSED : EVENT_UPSTREAM_FAILED, r->choice.upstream,
              fault == FAULT_AUTH ? r->head.status : fault);
}

/* The vendor said when to come back, and that is soon: who put the alias in order would rather have that model. */
static bool waits_for_preferred(const run *r)
{
        exchange        *x = r->x;
        const choose_ask ask = {.where = WHERE_KEY};
        uint64_t         ms = choose_parked_ms(x->relay, &r->choice) + 1;
        if (model_of(x)->strategy != STRATEGY_ORDERED || r->head.limits.after_ms == RETRY_AFTER_NONE
            || ms > settings_of(x)->prefer_ms || !may_wait(x, ms) || choose_peek(x, &ask) == r->choice.target)
                return false;
        start_waiting(x, ms);
        return true;
}

void forward_failed(run *r, fault_class fault, view vendor_body)
{
        exchange *x = r->x;
        assert(r->attempt == nullptr && !r->choice.taken);
        note(r, fault);
        if (race_goes_on(r)) {
                run_end(r);
                return;
        }
        x->run = nullptr;
        uint16_t status = r->head.status;
        if (!may_try(x, fault) || (x->committed && !resume_prepare(r))) {
                tell(x, fault, status, vendor_body);
                return;
        }
        fault_where where = resume_where(x, fault);
        /* A larger context window exists or it does not: there is nothing to wait for, and the vendor's own words about
         * it are still at hand. */
        const choose_ask larger = {.where = where, .prefill = x->resumed};
        if (fault_describe(fault)->callers && choose_peek(x, &larger) < 0) {
                tell(x, fault, status, vendor_body);
                return;
        }
        if (where == WHERE_LARGER)
                count(x->relay, COUNTER_larger, 1);
        if (fault == FAULT_RATE && waits_for_preferred(r))
                return;
        forward_next(x, where);
}

/* ---- what comes back ---- */

static void on_credit(void *ctx)
{
        run *r = ctx;
        send_more(r);
}

static bool is_event_stream(const run *r)
{
        return r->x->streaming && r->head.status == 200 && r->head.body == ATTEMPT_EVENTS;
}

static void on_head(void *ctx, const attempt_head *h)
{
        run      *r = ctx;
        exchange *x = r->x;
        r->head = *h;
        r->have_head = true;
        x->retry_after_s = h->limits.after_ms == RETRY_AFTER_NONE ? 0 : (uint32_t)((h->limits.after_ms + 999) / 1000);
        x->state = EXCHANGE_RELAY;
        client_wait_for(x->client, WAIT_WRITE);
        if (is_event_stream(r))
                stream_begin(r);
}

static void overloaded(run *r)
{
        exchange *x = r->x;
        forward_drop_all(x, FAULT_LOST_RACE);
        reply_error(x, ERR_OVERLOADED, (view){});
}

static void on_data(void *ctx, view bytes)
{
        run *r = ctx;
        if (is_event_stream(r)) {
                stream_data(r, bytes);
                return;
        }
        if (r->head.status != 200) {
                size_t room = LIMIT_ERROR_BODY_BYTES - r->answer.len;
                bytes = view_slice(bytes, 0, room);
        }
        if (!admit_bytes(r->x, bytes.len)) {
                overloaded(r);
        } else if (failed(region_append(&r->answer, bytes))) {
                forward_drop(r, FAULT_BROKEN);
                forward_failed(r, FAULT_BROKEN, (view){});
        }
}

static fault_class fault_of_end(attempt_end why)
{
        switch (why) {
        case ATTEMPT_CERTIFICATE:
                return FAULT_CERTIFICATE;
        case ATTEMPT_TIMEOUT:
                return FAULT_TIMEOUT;
        case ATTEMPT_CUT:
                return FAULT_CUT;
        case ATTEMPT_NO_KEY:
                return FAULT_AUTH;
        case ATTEMPT_DONE:
        case ATTEMPT_BROKEN:
                return FAULT_BROKEN;
        case ATTEMPT_NETWORK:
        case ATTEMPT_STALE:
                break;
        }
        return FAULT_NETWORK;
}

/* A member or a sentence that names a time speaks when no field does. */
static void after_note(run *r, const openai_error *error)
{
        uint64_t *after = &r->head.limits.after_ms;
        *after = vendor_limits_wait(&r->head.limits);
        if (*after == RETRY_AFTER_NONE)
                *after = retry_after_text(error->retry_delay);
        if (*after == RETRY_AFTER_NONE)
                *after = retry_after_text(error->message);
        if (*after != RETRY_AFTER_NONE)
                r->x->retry_after_s = (uint32_t)((*after + 999) / 1000);
}

static void on_refusal(run *r, const attempt_facts *f)
{
        exchange    *x = r->x;
        openai_error error;
        view         body = region_view(&r->answer);
        openai_error_read(body, &x->arena, &error);
        const fault_said said = {.status = r->head.status,
                                 .vendor = x->relay->setup.catalog->upstreams[r->choice.upstream].vendor,
                                 .code = error.code, .type = error.type, .message = error.message};
        fault_class fault = fault_of(&said);
        if (fault == FAULT_RATE)
                after_note(r, &error);
        account_attempt(r, fault, false, f);
        forward_failed(r, fault, body);
}

static void stale(run *r, const attempt_facts *f)
{
        exchange *x = r->x;
        account_stale(r, f);
        x->stale_retried = x->fresh = true;
        const choice to = r->choice;
        r->choice.taken = false;
        if (r == x->copy) {
                if (!forward_start(x, r, &to))
                        x->copy = nullptr;
                return;
        }
        start_or_fail(x, r, &to);
}

static void on_end(void *ctx, attempt_end why, const attempt_facts *f)
{
        run      *r = ctx;
        exchange *x = r->x;
        r->attempt = nullptr;
        r->facts = *f;
        x->dial_us += f->dial_us;
        if (why == ATTEMPT_STALE && !x->stale_retried) {
                stale(r, f);
                return;
        }
        if (why == ATTEMPT_DONE && r->head.status >= 400) {
                on_refusal(r, f);
                return;
        }
        if (is_event_stream(r)) {
                stream_done(r, why == ATTEMPT_DONE, fault_of_end(why), f);
                return;
        }
        if (why == ATTEMPT_DONE && r->head.status == 200 && !x->streaming) {
                answer_begin(r, f);
                return;
        }
        fault_class fault = fault_of_end(why);
        account_attempt(r, fault, false, f);
        forward_failed(r, fault, (view){});
}

const attempt_user forward_user = {on_credit, on_head, on_data, on_end};
