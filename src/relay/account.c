#include <assert.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "relay/exchange.h"

enum : uint64_t { WAKE_MS = 5 };

void count(relay *r, counter_id c, uint64_t n)
{
        board_add(&r->setup.column->counters[c], n);
}

void gauge(relay *r, counter_id c, uint64_t now)
{
        atomic_store_explicit(&r->setup.column->counters[c], now, memory_order_relaxed);
}

static usage_record record_of(const exchange *x, usage_kind kind)
{
        const catalog *c = x->relay->setup.catalog;
        usage_record   r = {.version = 1, .kind = kind, .streamed = x->streaming,
                            .generation = x->relay->setup.generation, .project = USAGE_NO_INDEX,
                            .model = USAGE_NO_INDEX, .vendor = USAGE_NO_INDEX};
        if (x->key >= 0)
                r.project = c->keys[x->key].project;
        if (x->model >= 0) {
                r.model = (uint16_t)x->model;
                if (x->target >= 0)
                        r.vendor = c->upstreams[c->models[x->model].targets[x->target].upstream].vendor_index;
        }
        return r;
}

static void commit(exchange *x, const usage_record *r)
{
        if (x->reserved_records == 0)
                return;
        usage_ring_commit(x->relay->setup.ring, r);
        x->reserved_records--;
        /* One call for all records of a few milliseconds: under load they are thousands. */
        if (!net_timer_pending(&x->relay->wake))
                net_timer_set(x->relay->setup.loop, &x->relay->wake, WAKE_MS);
}

void account_wake(void *ctx)
{
        const relay *r = ctx;
        uint64_t     one = 1;
        /* The keeper looks by itself once a second: a full counter loses nothing. */
        [[maybe_unused]] ssize_t ignored = write(r->setup.ring_wake, &one, sizeof one);
}

/* What the vendor will have counted, when it did not say: four bytes of a prompt make a token, and so does one event.
 */
static tokens estimate(const run *r)
{
        enum : uint64_t { BYTES_PER_TOKEN = 4 };
        const exchange *x = r->x;
        tokens          t = {};
        t.count[TOKENS_INPUT] = (edits_length(&x->edits, x->body.len) + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
        if (x->streaming)
                t.count[TOKENS_OUTPUT] = r->stream.content_events;
        else if (x->route == ROUTE_CHAT && r->head.status == 200 && !r->whole.error)
                t.count[TOKENS_OUTPUT] = (r->answer.len + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
        return t;
}

static void attempt_record(run *of, fault_class fault, bool whole, const attempt_facts *f)
{
        exchange     *x = of->x;
        usage_record  r = record_of(x, USAGE_ATTEMPT);
        openai_usage *u = x->streaming ? &of->stream.usage : &of->whole.usage;
        bool          charged = whole || (f->sent && fault_describe(fault)->billed);
        tokens        t = {};
        r.vendor = x->relay->setup.catalog->upstreams[of->choice.upstream].vendor_index;
        if (!whole)
                count(x->relay, COUNTER_attempts_failed, 1);
        if (u->stated) {
                t = openai_usage_classes(u);
                r.basis = USAGE_REPORTED;
                r.suspect = u->is.suspect;
                if (u->is.suspect)
                        event(EVENT_USAGE_SUSPECT, of->choice.upstream, 0);
        } else if (charged) {
                t = estimate(of);
                r.basis = USAGE_ESTIMATED;
        } else {
                r.basis = USAGE_NOT_BILLED;
        }
        memcpy(r.tokens, t.count, sizeof r.tokens);
        commit(x, &r);
}

static uint64_t since(uint64_t from, uint64_t to) { return from == 0 || to <= from ? 0 : to - from; }

static void attempt_report(run *r, fault_class fault, const attempt_facts *f)
{
        exchange            *x = r->x;
        const catalog_model *m = &x->relay->setup.catalog->models[x->model];
        choose_end           e = {.fault = fault,
                                  .sent = f->sent,
                                  .limits = r->have_head ? &r->head.limits : nullptr,
                                  .head_ms = r->head.came_ms};
        /* How long a whole chat answer takes says more of its length than of its vendor. */
        if (x->streaming) {
                e.content_us = since(r->begun_us, r->content_us);
                /* A refusal comes at once, and so may the head of one that then waits: neither says how fast it is. */
                e.first_us = e.content_us != 0 ? e.content_us : fault == FAULT_CLASSES ? f->first_us : 0;
                e.slow_us = (uint64_t)m->first_token_ms * 1000;
        } else if (x->route == ROUTE_EMBEDDINGS && fault == FAULT_CLASSES) {
                e.first_us = e.content_us = f->first_us;
        }
        /* One that lost or was too slow took at least so long. */
        if (e.first_us == 0 && f->sent && x->streaming && (fault == FAULT_LOST_RACE || fault == FAULT_SLOW))
                e.first_us = since(r->begun_us, clock_us());
        choose_report(x->relay, &r->choice, &e);
}

void account_attempt(run *r, fault_class fault, bool whole, const attempt_facts *f)
{
        r->facts = *f;
        attempt_record(r, fault, whole, f);
        attempt_report(r, whole ? FAULT_CLASSES : fault, f);
}

void account_stale(run *r, const attempt_facts *f) { attempt_record(r, FAULT_NETWORK, false, f); }

void account_exchange(exchange *x, ending why)
{
        if (!x->admitted)
                return;
        usage_record r = record_of(x, USAGE_EXCHANGE);
        uint64_t     now = clock_us();
        r.ending = why;
        r.attempts = x->tries.attempts;
        r.ttft_ms = x->first_us == 0 ? UINT32_MAX : (uint32_t)((x->first_us - x->complete_us) / 1000);
        r.duration_ms = (uint32_t)((now - x->begun_us) / 1000);
        if (x->redactor != nullptr) {
                const uint32_t *counts = redact_counts(x->redactor);
                for (int i = 0; i < ENTITY_COUNT; i++)
                        r.redactions[i] = counts[i] > UINT16_MAX ? UINT16_MAX : (uint16_t)counts[i];
        }
        /* One reserved record is always left for this one. */
        assert(x->reserved_records > 0);
        commit(x, &r);
        count(x->relay, COUNTER_exchanges_ended, 1);
        board_add(&x->relay->setup.column->endings[why], 1);
        if (x->target >= 0 && x->relay->setup.catalog->models[x->model].targets[x->target].downgrade)
                count(x->relay, COUNTER_downgrades, 1);
        if (why == ENDING_WHOLE)
                count(x->relay, COUNTER_exchanges_whole, 1);
        if (x->restored > 0)
                count(x->relay, COUNTER_restored, x->restored);
}
