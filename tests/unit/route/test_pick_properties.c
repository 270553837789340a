#include "unit/route/pick_rows.h"

static bool one_in(unsigned n) { return chance() % n == 0; }

static void scatter(size_t n)
{
        for (size_t u = 0; u < box->upstream_count; u++)
                box->upstreams[u].residency = one_in(3) ? 0 : (catalog_tags)(chance() & 7);
        model.residency = one_in(2) ? 0 : (catalog_tags)(chance() & 7);
        for (size_t t = 0; t < model.target_count; t++) {
                model.targets[t].downgrade = one_in(3);
                model.targets[t].min_chars = one_in(4) ? 100 : 0;
                model.targets[t].context_tokens = (uint32_t)(chance() % 3 * 1000);
                model.targets[t].prefill = (catalog_prefill)(chance() % 4);
                model.targets[t].upstream = (uint16_t)(chance() % box->upstream_count);
                tries[t] = (uint8_t)(chance() % 4);
        }
        for (size_t i = 0; i < n; i++) {
                ways[i].credential = (uint8_t)(i % 3);
                ways[i].parked_ms = one_in(2) ? 1 + chance() % 1000 : 0;
                ways[i].disabled = one_in(4), ways[i].busy = one_in(4), ways[i].open = one_in(3);
                ways[i].open_ms = ways[i].open ? chance() % 1000 : 0;
                ways[i].cost = (double)(1 + chance() % 1000);
                ways[i].tries = one_in(3) ? (uint8_t)(chance() % 3) : 0;
        }
}

static bool lawful(const pick_ask *a, const pick_result *r)
{
        const pick_way *w = &ways[r->way];
        const catalog_target *t = &model.targets[w->target];
        catalog_tags there = box->upstreams[t->upstream].residency;
        bool same = a->last_target >= 0 && model.targets[a->last_target].upstream == t->upstream;
        if ((a->key->residency != 0 && (a->key->residency & there) == 0)
            || (model.residency != 0 && (model.residency & there) == 0) || (t->downgrade && !a->downgrade)
            || a->chars < t->min_chars || (a->context_over != 0 && t->context_tokens <= a->context_over)
            || (a->prefill && t->prefill == PREFILL_NONE) || w->disabled || w->busy || w->parked_ms > 0
            || w->open != r->last || a->where == WHERE_NOWHERE)
                return false;
        if (tries[t->upstream] >= 2 && !(a->where == WHERE_KEY && same))
                return false;
        bool again = a->where == WHERE_ANYWHERE || a->where == WHERE_ELSEWHERE;
        if (!again && w->tries > 0)
                return false;
        return a->where == WHERE_KEY ? !(same && w->credential == a->last_credential)
                                     : again || w->target != a->last_target;
}

/* A way that could be used, or waited for, was not overlooked. */
static bool complete(const pick_result *r, size_t n)
{
        unsigned taken = 0, later = 0, open = 0;
        uint64_t wait = UINT64_MAX;
        for (size_t i = 0; i < n; i++) {
                taken += ways[i].why == PICK_OK;
                later += ways[i].why == PICK_LATER;
                open += ways[i].why == PICK_OPEN;
                if (ways[i].why == PICK_PARKED && ways[i].parked_ms < wait)
                        wait = ways[i].parked_ms;
                if (ways[i].why >= PICK_WHY_COUNT)
                        return false;
        }
        if (r->way < 0)
                return taken == 0 && later == 0 && open == 0 && r->wait_ms == wait && r->why != PICK_OK;
        return taken == 1 && ways[r->way].why == PICK_OK && r->why == PICK_OK
               && (r->last ? later == 0 && r->wait_ms == wait : r->wait_ms == UINT64_MAX);
}

static void test_properties(void)
{
        bool legal = true, whole = true, consented = true;
        unsigned found = 0, last = 0, none = 0;
        for (int round = 0; round < 30000; round++) {
                size_t targets = 1 + chance() % 5;
                size_t n = lay_out(targets, 1 + chance() % 3, (catalog_strategy)(chance() % 4));
                scatter(n);
                catalog_key key = {.residency = one_in(2) ? 0 : (catalog_tags)(chance() & 7)};
                pick_ask a = asking();
                a.key = &key;
                a.downgrade = one_in(2), a.prefill = one_in(4);
                a.chars = (uint32_t)(chance() % 200);
                a.context_over = one_in(3) ? (uint32_t)(chance() % 2000) : 0;
                a.sticky = one_in(2) ? chance() : 0;
                a.where = (fault_where)(chance() % (WHERE_ANYWHERE + 1));
                if (a.where == WHERE_LARGER && a.context_over == 0)
                        a.context_over = 500;
                if (one_in(2))
                        a.last_target = (int)(chance() % targets), a.last_credential = (int)(chance() % 3);
                pick_result r = pick_choose(&a, ways, n);
                whole = whole && complete(&r, n);
                found += r.way >= 0, last += r.last, none += r.way < 0;
                if (r.way < 0)
                        continue;
                legal = legal && lawful(&a, &r);
                /* A lesser model only when no other way was usable. */
                if (!r.last && model.targets[ways[r.way].target].downgrade)
                        for (size_t i = 0; i < n; i++)
                                consented = consented
                                            && !(ways[i].why == PICK_LATER && !model.targets[ways[i].target].downgrade);
        }
        tap_ok(found > 3000 && last > 300 && none > 3000, SUBJECT, "30,000 random boxes hold every outcome");
        tap_ok(legal, SUBJECT, "what is chosen is inside residency, consent, size, tries, and is usable or the last");
        tap_ok(whole, SUBJECT,
               "each way has its reason, one is taken, nothing usable is overlooked, waits are minimal");
        tap_ok(consented, SUBJECT, "a lesser model is chosen when no other can");
}

int main(void)
{
        box = calloc(1, sizeof *box);
        if (box == nullptr)
                return 2;
        test_properties();
        free(box);
        return tap_done();
}
