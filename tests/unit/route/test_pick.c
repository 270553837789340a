#include "unit/route/pick_rows.h"

static int chosen(const pick_ask *a, size_t n) { return pick_choose(a, ways, n).way; }

/* As after an attempt by way `w`. */
static pick_ask after(size_t w, fault_where where)
{
        pick_ask a = asking();
        a.where = where;
        a.last_target = ways[w].target;
        a.last_credential = ways[w].credential;
        ways[w].tries++;
        tries[model.targets[ways[w].target].upstream]++;
        return a;
}

static void test_words(void)
{
        bool good = true;
        for (unsigned w = 0; w < PICK_WHY_COUNT; w++)
                good = good && *pick_why_name((pick_why)w) != '\0' && *pick_why_text((pick_why)w) != '\0';
        tap_ok(good && strcmp(pick_why_name(PICK_OPEN), "open") == 0
                       && strcmp(pick_why_text(PICK_OPEN), "a breaker is open") == 0,
               SUBJECT, "every reason has a word and a sentence");
}

static void test_ordered(void)
{
        size_t n = lay_out(3, 2, STRATEGY_ORDERED);
        bool first = true, better = true;
        for (int i = 0; i < 200; i++) {
                pick_ask a = asking();
                ways[2].cost = ways[3].cost = 1;
                ways[0].cost = 100, ways[1].cost = 50;
                int w = chosen(&a, n);
                first = first && ways[w].target == 0;
                better = better && w == 1;
        }
        tap_ok(first, SUBJECT, "ordered: the first target, though the next is a hundred times cheaper to wait for");
        tap_ok(better, SUBJECT, "ordered: of its two keys the better");
        ways[0].disabled = ways[1].busy = true;
        pick_ask a = asking();
        tap_ok(ways[chosen(&a, n)].target == 1 && ways[0].why == PICK_DISABLED && ways[1].why == PICK_BUSY, SUBJECT,
               "ordered: the second when the first cannot");
        ways[1].busy = false;
        ways[1].parked_ms = 1;
        ways[2].open = ways[3].open = true;
        tap_ok(ways[chosen(&a, n)].target == 2 && ways[1].why == PICK_PARKED && ways[2].why == PICK_OPEN, SUBJECT,
               "ordered: the third when the second cannot");
}

static void test_weighted(void)
{
        enum : int { DRAWS = 40000 };
        size_t n = lay_out(3, 3, STRATEGY_WEIGHTED);
        unsigned got[3] = {};
        model.targets[0].weight = 700;
        model.targets[1].weight = 200;
        model.targets[2].weight = 100;
        /* The number of a target's usable keys must not change its share. */
        ways[4].parked_ms = ways[5].parked_ms = 9;
        for (int i = 0; i < DRAWS; i++) {
                pick_ask a = asking();
                got[ways[chosen(&a, n)].target]++;
        }
        tap_ok(abs((int)got[0] - 28000) < 600 && abs((int)got[1] - 8000) < 500 && abs((int)got[2] - 4000) < 400,
               SUBJECT, "weighted: targets get 70, 20 and 10 % of 40,000");
        for (size_t i = 0; i < 3; i++)
                ways[i].busy = true;
        memset(got, 0, sizeof got);
        for (int i = 0; i < DRAWS; i++) {
                pick_ask a = asking();
                got[ways[chosen(&a, n)].target]++;
        }
        tap_ok(got[0] == 0 && abs((int)got[1] - 26667) < 600, SUBJECT,
               "weighted: the share of one that cannot is split");
        ways[3].cost = 5, ways[4].parked_ms = 0, ways[4].cost = 1, ways[5].parked_ms = 0, ways[5].cost = 9;
        bool worst = false;
        for (int i = 0; i < 500; i++) {
                pick_ask a = asking();
                worst = worst || chosen(&a, n) == 5;
        }
        tap_ok(!worst, SUBJECT, "weighted: of two drawn keys the worst never wins");
}

/* Ten seconds of 100 calls a second: each runs for its way's time, and its cost is what it runs at times its time. */
static void serve(size_t n, const unsigned *ms, const double *penalty, unsigned *got)
{
        enum : unsigned { CALLS = 20000 };
        static unsigned ends[CALLS], by[CALLS];
        unsigned running[PICK_WAYS] = {}, oldest = 0;
        for (unsigned call = 0; call < CALLS; call++) {
                unsigned now = call * 10;
                for (unsigned i = oldest; i < call; i++)
                        if (ends[i] != 0 && ends[i] <= now) {
                                running[by[i]]--;
                                ends[i] = 0;
                        }
                while (oldest < call && ends[oldest] == 0)
                        oldest++;
                for (size_t i = 0; i < n; i++)
                        ways[i].cost = (double)ms[i] * (running[i] + 1) * penalty[i];
                pick_ask a = asking();
                int w = chosen(&a, n);
                got[w]++;
                running[w]++;
                by[call] = (unsigned)w;
                ends[call] = now + ms[w];
        }
}

static void test_fastest(void)
{
        size_t n = lay_out(8, 1, STRATEGY_FASTEST);
        const unsigned ms[8] = {400, 400, 400, 2000, 400, 400, 400, 400};
        /* One that fails 30 % of its calls must have a cost about so much higher: with twice it gets 7 %. */
        const double penalty[8] = {1, 1, 1, 1, 1, 8.5, 1, 1};
        unsigned got[8] = {}, healthy = 0;
        serve(n, ms, penalty, got);
        for (size_t i = 0; i < 8; i++)
                healthy += i == 3 || i == 5 ? 0 : got[i];
        bool even = true;
        for (size_t i = 0; i < 8; i++)
                if (i != 3 && i != 5)
                        even = even && got[i] * 6 * 100 > healthy * 85 && got[i] * 6 * 100 < healthy * 115;
        tap_ok(got[3] < 400 && got[5] < 400, SUBJECT,
               "fastest: one of eight that is five times slower gets under 2 %, one that fails gets less than its "
               "part");
        tap_ok(even, SUBJECT, "fastest: the healthy are within 15 % of each other");
        printf("# of 20,000: slow %u, failing %u, healthy about %u\n", got[3], got[5], healthy / 6);
        for (size_t i = 0; i < n; i++)
                ways[i].cost = i == 3 ? 500 : i == 5 ? 400 : 100;
        memset(got, 0, sizeof got);
        for (int i = 0; i < 20000; i++) {
                pick_ask a = asking();
                got[chosen(&a, n)]++;
        }
        tap_ok(got[3] < 400 && got[5] < 400, SUBJECT, "fastest: the two worst of eight get under 2 % each");
        memset(got, 0, sizeof got);
        for (int i = 0; i < 20000; i++) {
                pick_ask a = asking();
                for (size_t k = 0; k < n; k++)
                        ways[k].cost = 100;
                got[chosen(&a, n)]++;
        }
        even = true;
        for (size_t i = 0; i < n; i++)
                even = even && got[i] > 2200 && got[i] < 2800;
        tap_ok(even, SUBJECT, "fastest: equals share equally");
}

static void test_cheapest(void)
{
        size_t n = lay_out(4, 2, STRATEGY_CHEAPEST);
        model.targets[0].price_in = 100, model.targets[0].price_out = 100; /* 400 */
        model.targets[1].price_in = 90, model.targets[1].price_out = 100;  /* 370 */
        model.targets[2].price_in = 100, model.targets[2].price_out = 70;  /* 370 */
        model.targets[3].price_in = UINT64_MAX / 2;
        ways[2].cost = ways[3].cost = 9, ways[4].cost = ways[5].cost = 8;
        bool good = true;
        unsigned second = 0;
        for (int i = 0; i < 200; i++) {
                pick_ask a = asking();
                int w = chosen(&a, n);
                good = good && (ways[w].target == 1 || ways[w].target == 2);
                second += ways[w].target == 2;
        }
        tap_ok(good && second > 120, SUBJECT, "cheapest: three parts read, one written; of equals the less costly");
        for (size_t i = 0; i < 6; i++)
                ways[i].open = true;
        pick_ask a = asking();
        tap_ok(ways[chosen(&a, n)].target == 3, SUBJECT,
               "cheapest: a price beyond counting is the last, but it serves");
}

static void test_rules_out(void)
{
        size_t n = lay_out(2, 1, STRATEGY_ORDERED);
        model.targets[0].max_chars = 50000;
        model.targets[1].min_chars = 50001;
        pick_ask a = asking();
        a.chars = 50000;
        bool small = chosen(&a, n) == 0 && ways[1].why == PICK_SIZE;
        a.chars = 50001;
        tap_ok(small && chosen(&a, n) == 1 && ways[0].why == PICK_SIZE, SUBJECT,
               "above 50,000 characters another model");
        n = lay_out(3, 1, STRATEGY_ORDERED);
        model.targets[0].context_tokens = 8000, model.targets[1].context_tokens = 0;
        model.targets[2].context_tokens = 8001;
        a = after(0, WHERE_LARGER);
        a.context_over = 8000;
        tap_ok(chosen(&a, n) == 2 && ways[1].why == PICK_CONTEXT, SUBJECT,
               "larger: only a target that says it has more");
        model.targets[0].context_tokens = 0;
        a.context_over = 0;
        tap_ok(chosen(&a, n) == 2 && ways[0].why == PICK_CONTEXT && ways[1].why == PICK_CONTEXT, SUBJECT,
               "larger: where the failed one did not say, any that says");
        model.targets[2].context_tokens = 0;
        pick_result r = pick_choose(&a, ways, n);
        tap_ok(r.way == -1 && r.why == PICK_CONTEXT && r.wait_ms == UINT64_MAX, SUBJECT, "larger: or none");
        n = lay_out(2, 1, STRATEGY_ORDERED);
        model.targets[1].prefill = PREFILL_PLAIN;
        a = asking();
        a.prefill = true;
        tap_ok(chosen(&a, n) == 1 && ways[0].why == PICK_PREFILL, SUBJECT,
               "only a target that can continues an answer");
}

static void test_consent(void)
{
        size_t n = lay_out(2, 2, STRATEGY_FASTEST);
        model.targets[1].downgrade = true;
        ways[2].cost = ways[3].cost = 1;
        ways[0].open = true, ways[1].parked_ms = 70;
        pick_ask a = asking();
        pick_result r = pick_choose(&a, ways, n);
        tap_ok(r.way == 0 && r.last && r.wait_ms == 70 && ways[2].why == PICK_CONSENT, SUBJECT,
               "a lesser model is not taken without consent; what is open is the last");
        a.downgrade = true;
        tap_ok(chosen(&a, n) >= 2, SUBJECT, "with consent it is, when nothing else can");
        ways[1].parked_ms = 0;
        tap_ok(chosen(&a, n) == 1, SUBJECT, "and is not, while another can");
        a = after(1, WHERE_ANYWHERE);
        a.downgrade = true;
        tap_ok(chosen(&a, n) == 1, SUBJECT, "the same again comes before a lesser model");
        a = after(1, WHERE_ANYWHERE);
        a.downgrade = true;
        tap_ok(chosen(&a, n) >= 2 && ways[1].why == PICK_VENDOR, SUBJECT, "after two tries the lesser model comes");
        ways[0].open_ms = 5, ways[2].open = ways[3].open = true;
        tries[0] = 0;
        ways[1].disabled = true;
        r = pick_choose(&a, ways, n);
        tap_ok(r.way == 0 && r.last, SUBJECT, "the last is no lesser model, though that could be probed sooner");
}

static void test_keys_after_faults(void)
{
        size_t n = lay_out(2, 4, STRATEGY_FASTEST);
        pick_ask a = after(1, WHERE_KEY);
        ways[0].cost = 5000;
        ways[2].parked_ms = ways[3].parked_ms = 5;
        tap_ok(chosen(&a, n) == 0 && ways[1].why == PICK_TRIED, SUBJECT,
               "key: another of the same upstream, though another target's cost less");
        ways[0].disabled = true;
        tap_ok(ways[chosen(&a, n)].target == 1, SUBJECT, "key: then another target's");
        ways[0].disabled = false;
        ways[2].parked_ms = 0;
        (void)after(0, WHERE_KEY);
        a = asking();
        a.where = WHERE_KEY, a.last_target = 0, a.last_credential = 0;
        tap_ok(tries[0] == 2 && chosen(&a, n) == 2, SUBJECT,
               "key: a third of the same upstream, for that cost nothing");
        a.where = WHERE_ANYWHERE;
        tap_ok(ways[chosen(&a, n)].target == 1 && ways[2].why == PICK_VENDOR, SUBJECT,
               "but no third try there after another fault");
        /* Two targets of the same upstream: the key is the same. */
        n = lay_out(2, 2, STRATEGY_ORDERED);
        model.targets[1].upstream = 0;
        a = after(0, WHERE_KEY);
        ways[1].disabled = true;
        tap_ok(chosen(&a, n) == 3 && ways[2].why == PICK_TRIED, SUBJECT,
               "key: the same key by another target is no other");
}

static void test_targets_after_faults(void)
{
        size_t n = lay_out(3, 2, STRATEGY_ORDERED);
        pick_ask a = after(0, WHERE_TARGET);
        tap_ok(ways[chosen(&a, n)].target == 1 && ways[1].why == PICK_TRIED, SUBJECT,
               "target: no key of the failed one");
        a = after(2, WHERE_TARGET);
        tap_ok(ways[chosen(&a, n)].target == 0 && chosen(&a, n) == 1, SUBJECT, "target: nor a way that failed before");
        a = after(0, WHERE_NOWHERE);
        pick_result r = pick_choose(&a, ways, n);
        tap_ok(r.way == -1 && r.why == PICK_TRIED && r.wait_ms == UINT64_MAX, SUBJECT, "nowhere: none");
        n = lay_out(2, 2, STRATEGY_ORDERED);
        a = after(0, WHERE_ELSEWHERE);
        bool target = ways[chosen(&a, n)].target == 1;
        ways[2].tries = ways[3].tries = 1;
        bool key = chosen(&a, n) == 1;
        tap_ok(key && target, SUBJECT, "elsewhere: another target, then another key");
        n = lay_out(2, 2, STRATEGY_ORDERED);
        a = after(0, WHERE_ANYWHERE);
        key = chosen(&a, n) == 1;
        ways[1].disabled = true;
        bool once = chosen(&a, n) == 0;
        ways[0].disabled = true;
        target = ways[chosen(&a, n)].target == 1;
        tap_ok(key && once && target, SUBJECT, "anywhere, in order: another key, the same again, then another target");
        n = lay_out(2, 2, STRATEGY_FASTEST);
        a = after(0, WHERE_ANYWHERE);
        tap_ok(ways[chosen(&a, n)].target == 1, SUBJECT, "anywhere, without order: another target");
        n = lay_out(1, 1, STRATEGY_ORDERED);
        a = after(0, WHERE_ANYWHERE);
        bool again = chosen(&a, n) == 0;
        a = after(0, WHERE_ANYWHERE);
        r = pick_choose(&a, ways, n);
        tap_ok(again && r.way == -1 && r.why == PICK_VENDOR, SUBJECT, "anywhere: then the same again, again");
        a.upstream_tries = nullptr;
        tap_ok(chosen(&a, n) == 0, SUBJECT, "without a count of tries there is no bound");
}

static void test_nobody(void)
{
        size_t n = lay_out(2, 2, STRATEGY_ORDERED);
        for (size_t i = 0; i < n; i++)
                ways[i].parked_ms = 400 - 100 * i;
        pick_ask a = asking();
        pick_result r = pick_choose(&a, ways, n);
        tap_ok(r.way == -1 && r.why == PICK_PARKED && r.wait_ms == 100, SUBJECT, "all parked: the smallest wait");
        ways[3].disabled = true;
        r = pick_choose(&a, ways, n);
        tap_ok(r.wait_ms == 200, SUBJECT, "waiting for a refused key does not help");
        for (size_t i = 0; i < n; i++)
                ways[i] = (pick_way){.target = ways[i].target, .credential = ways[i].credential, .disabled = true};
        r = pick_choose(&a, ways, n);
        tap_ok(r.way == -1 && r.why == PICK_DISABLED && r.wait_ms == UINT64_MAX, SUBJECT,
               "all refused: none, for ever");
        for (size_t i = 0; i < n; i++)
                ways[i] = (pick_way){.target = ways[i].target, .credential = ways[i].credential, .busy = true};
        r = pick_choose(&a, ways, n);
        tap_ok(r.way == -1 && r.why == PICK_BUSY && !r.last, SUBJECT, "all busy: none, and it says so");
        for (size_t i = 0; i < n; i++)
                ways[i].busy = false, ways[i].open = true, ways[i].open_ms = 50, ways[i].cost = 9;
        ways[2].open_ms = 30;
        r = pick_choose(&a, ways, n);
        bool soonest = r.way == 2 && r.last && r.why == PICK_OK && ways[2].why == PICK_OK && ways[0].why == PICK_OPEN;
        ways[2].open_ms = 50, ways[1].cost = 3;
        r = pick_choose(&a, ways, n);
        tap_ok(soonest && r.way == 1, SUBJECT, "all open: never the last: the one open for least, then of least cost");
        ways[1].cost = 9, ways[0].tries = 1;
        a.last_target = 0, a.last_credential = 0;
        r = pick_choose(&a, ways, n);
        tap_ok(r.way > 0 && r.last, SUBJECT, "of open ways one not tried yet");
        r = pick_choose(&a, ways, 0);
        tap_ok(r.way == -1 && !r.last && r.wait_ms == UINT64_MAX, SUBJECT, "no ways: none");
}

/* Which way each of 1,000 prompts goes to, by name. */
enum : size_t { PROMPTS = 1000 };
static void settle(size_t n, char (*to)[64])
{
        for (size_t i = 0; i < PROMPTS; i++) {
                pick_ask a = asking();
                a.sticky = (i + 1) * 0x9e3779b97f4a7c15;
                int w = chosen(&a, n);
                const catalog_target *t = &model.targets[ways[w].target];
                snprintf(to[i], sizeof to[i], "%s %s", t->model,
                         box->upstreams[t->upstream].credentials[ways[w].credential].name);
        }
}

static unsigned moved(char (*a)[64], char (*b)[64], const char *from)
{
        unsigned n = 0;
        for (size_t i = 0; i < PROMPTS; i++)
                n += strcmp(a[i], b[i]) != 0 && (from == nullptr || strcmp(a[i], from) != 0);
        return n;
}

static unsigned at(char (*a)[64], const char *name)
{
        unsigned n = 0;
        for (size_t i = 0; i < PROMPTS; i++)
                n += strcmp(a[i], name) == 0;
        return n;
}

static char before[PROMPTS][64], now[PROMPTS][64];

static void test_sticky(void)
{
        size_t n = lay_out(4, 2, STRATEGY_FASTEST);
        settle(n, before);
        for (size_t i = 0; i < n; i++)
                ways[i].cost = 100 + (double)(chance() % 250);
        settle(n, now);
        tap_ok(moved(before, now, nullptr) == 0, SUBJECT, "sticky: costs within bounds and chance move nobody");
        bool even = true;
        for (size_t i = 0; i < n; i++) {
                char name[64];
                snprintf(name, sizeof name, "m%zu key%zu-%zu", i / 2, i / 2, i % 2);
                even = even && at(before, name) > 85 && at(before, name) < 165;
        }
        tap_ok(even, SUBJECT, "sticky: 1,000 prompts are spread evenly over 8 ways");
        ways[3].parked_ms = 9;
        settle(n, now);
        unsigned gone = at(before, "m1 key1-1");
        tap_ok(at(now, "m1 key1-1") == 0 && moved(before, now, "m1 key1-1") == 0 && moved(before, now, nullptr) == gone,
               SUBJECT, "sticky: a parked key's prompts move, no others");
        ways[3].parked_ms = 0;
        ways[3].cost = 100000;
        settle(n, now);
        tap_ok(at(now, "m1 key1-1") == 0 && moved(before, now, "m1 key1-1") == 0, SUBJECT,
               "sticky: also those of a key that costs many times the median");
        ways[3].cost = 100;
        catalog_target first = model.targets[0];
        model.targets[0] = model.targets[3];
        model.targets[3] = first;
        settle(n, now);
        tap_ok(moved(before, now, nullptr) == 0, SUBJECT, "sticky: the order of the targets does not matter");
        box->upstreams[1].credentials[1].weight = 1;
        settle(n, now);
        tap_ok(at(now, "m1 key1-1") < 10 && moved(before, now, "m1 key1-1") == 0, SUBJECT,
               "sticky: a key of little weight gets little, and moves no others");
}

static void test_sticky_strategies(void)
{
        size_t n = lay_out(3, 2, STRATEGY_ORDERED);
        settle(n, before);
        tap_ok(at(before, "m0 key0-0") + at(before, "m0 key0-1") == PROMPTS && at(before, "m0 key0-0") > 420, SUBJECT,
               "sticky: with ordered, among the keys of the first target");
        n = lay_out(2, 4, STRATEGY_WEIGHTED);
        model.targets[0].weight = 900;
        settle(n, before);
        unsigned first = 0;
        for (size_t i = 0; i < PROMPTS; i++)
                first += strncmp(before[i], "m0", 2) == 0;
        tap_ok(first > 870 && first < 930, SUBJECT, "sticky: with weighted, targets keep their shares");
        lay_out(2, 1, STRATEGY_FASTEST);
        ways[1].cost = 450;
        settle(2, before);
        tap_ok(at(before, "m0 key0-0") == PROMPTS, SUBJECT, "sticky: of two, one above four times the other gets none");
}

int main(void)
{
        box = calloc(1, sizeof *box);
        if (box == nullptr)
                return 2;
        test_words();
        test_ordered();
        test_weighted();
        test_fastest();
        test_cheapest();
        test_rules_out();
        test_consent();
        test_keys_after_faults();
        test_targets_after_faults();
        test_nobody();
        test_sticky();
        test_sticky_strategies();
        free(box);
        return tap_done();
}
