#include <assert.h>

#include "base/clock.h"
#include "relay/exchange.h"

/* How soon a second copy is looked at again when the first request is not yet all on its way. */
enum : uint64_t { SENDING_MS = 50 };

static const catalog_model *model_of(const exchange *x) { return &x->relay->setup.catalog->models[x->model]; }

static uint64_t running_ms(const run *r) { return (clock_us() - r->begun_us) / 1000; }

/* ---- when ---- */

/* The time to the first content is learnt of streams and embeddings: a whole chat answer's says more of its length. */
static bool has_usual_time(const exchange *x) { return x->streaming || x->route == ROUTE_EMBEDDINGS; }

/* After how long a second copy is sent; UINT64_MAX: not at all. */
static uint64_t copy_after_ms(const exchange *x)
{
        const catalog_model *m = model_of(x);
        if (!m->hedge || !x->hedge || x->hedged || x->tries.attempts >= x->relay->setup.catalog->settings.attempts)
                return UINT64_MAX;
        if (m->hedge_ms > 0)
                return m->hedge_ms;
        health h;
        health_read(x->relay->setup.board, x->run->choice.cells[HEALTH_KEY], &h);
        uint64_t late = load_late_us(&h.load);
        return late == 0 || !has_usual_time(x) ? UINT64_MAX : late / 1000 + 1;
}

static uint64_t token_after_ms(const exchange *x)
{
        uint32_t ms = model_of(x)->first_token_ms;
        return x->streaming && ms > 0 ? ms : UINT64_MAX;
}

static void on_late(void *ctx);

void race_watch(exchange *x)
{
        uint64_t due = copy_after_ms(x), token = token_after_ms(x);
        if (token < due)
                due = token;
        if (due == UINT64_MAX || x->committed)
                return;
        uint64_t past = running_ms(x->run);
        if (x->late.fire == nullptr)
                x->late = (net_timer){.fire = on_late, .ctx = x};
        net_timer_set(x->relay->setup.loop, &x->late, due > past ? due - past : 0);
}

/* ---- a second copy ---- */

static void copy_start(exchange *x)
{
        const choose_ask ask = {.where = WHERE_ANYWHERE, .again_only_new = true};
        choice           to;
        x->hedged = true;
        if (!choose_way(x, &ask, &to).found)
                return;
        run *r = x->run == &x->runs[0] ? &x->runs[1] : &x->runs[0];
        int  before = x->target;
        if (!forward_start(x, r, &to)) {
                x->target = before;
                return;
        }
        r->second = true;
        x->copy = r;
        count(x->relay, COUNTER_hedges, 1);
}

/* ---- too late ---- */

static void give_up_first(exchange *x)
{
        run             *r = x->run;
        const choose_ask ask = {.where = WHERE_TARGET, .again_only_new = true};
        bool             room = x->tries.attempts < x->relay->setup.catalog->settings.attempts;
        /* The last one that could answer is waited for. */
        if (x->copy == nullptr && (!room || choose_peek(x, &ask) < 0))
                return;
        forward_drop(r, FAULT_SLOW);
        forward_failed(r, FAULT_SLOW, (view){});
}

static void on_late(void *ctx)
{
        exchange *x = ctx;
        if (x->run == nullptr || x->run->attempt == nullptr || x->committed)
                return;
        uint64_t past = running_ms(x->run);
        if (past >= token_after_ms(x)) {
                give_up_first(x);
                return;
        }
        if (past >= copy_after_ms(x)) {
                if (!x->run->sent) {
                        net_timer_set(x->relay->setup.loop, &x->late, SENDING_MS);
                        return;
                }
                copy_start(x);
        }
        race_watch(x);
}

/* ---- who won ---- */

void race_won(run *r)
{
        exchange *x = r->x;
        if (x->late.fire != nullptr)
                net_timer_clear(x->relay->setup.loop, &x->late);
        if (x->copy == nullptr)
                return;
        run *lost = r == x->run ? x->copy : x->run;
        if (r->second)
                count(x->relay, COUNTER_hedges_won, 1);
        x->run = r;
        x->copy = nullptr;
        x->target = r->choice.target;
        forward_drop(lost, FAULT_LOST_RACE);
        run_end(lost);
}

bool race_goes_on(run *r)
{
        exchange *x = r->x;
        if (x->copy == nullptr)
                return false;
        x->run = r == x->run ? x->copy : x->run;
        x->copy = nullptr;
        x->target = x->run->choice.target;
        race_watch(x);
        return true;
}
