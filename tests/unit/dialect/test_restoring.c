#include "dialect/restoring.h"

#include "base/limit.h"
#include "support/fake_restoring.h"
#include "support/tap.h"

static const char SUBJECT[] = "restoring";

static const struct {
        const char *sentence;
        view raw, want;
        bool source, changed;
} passes[] = {
        {"text without a placeholder stays as it was written", VIEW_INIT("a\\u0062\\/c \\ud83d\\ude00"), VIEW_INIT(""),
         false, false},
        {"nothing stays nothing", VIEW_INIT(""), VIEW_INIT(""), false, false},
        {"a value is escaped for its string", VIEW_INIT("<TOKEN>"), VIEW_INIT("<v\\\"\\n\xc3\xbc>"), false, true},
        {"in JSON source it is escaped for both", VIEW_INIT("{\\\"a\\\":\\\"TOKEN\\\"}"),
         VIEW_INIT("{\\\"a\\\":\\\"v\\\\\\\"\\\\n\xc3\xbc\\\"}"), true, true},
        {"a placeholder spelled in escapes is one", VIEW_INIT("\\u0054OKE\\u004e"), VIEW_INIT("v\\\"\\n\xc3\xbc"),
         false, true},
        {"what is held back is left out", VIEW_INIT("a TOK"), VIEW_INIT("a "), false, true},
};

static bool pass(lane *l, view raw, bool last, arena *a, view *out, bool *changed)
{
        lane_piece p = {.raw = raw, .last = last, .text = *out};
        bool       good = lane_pass(l, &p, a);
        *out = p.text;
        *changed = p.changed;
        return good;
}

static void test_pass(void)
{
        for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
                arena a;
                arena_init(&a, 1 << 20);
                lane_list list = {};
                const lane key = {.kind = passes[i].source ? LANE_ARGUMENTS : LANE_CONTENT};
                lane *l = lane_find(&list, &fake, &a, &key);
                view out = VIEW("untouched");
                bool changed;
                bool good = pass(l, passes[i].raw, false, &a, &out, &changed)
                            && changed == passes[i].changed
                            && view_equal(out, changed ? passes[i].want : VIEW("untouched"));
                tap_ok(good, SUBJECT, passes[i].sentence);
                arena_end(&a);
        }
}

static void test_holding(void)
{
        arena a;
        arena_init(&a, 1 << 20);
        lane_list list = {};
        const lane key = {.kind = LANE_CONTENT};
        lane *l = lane_find(&list, &fake, &a, &key);
        view out = {};
        bool changed;
        bool good =
                pass(l, VIEW("xTO"), false, &a, &out, &changed) && changed && view_equal(out, VIEW("x"));
        good = good && pass(l, VIEW("P"), false, &a, &out, &changed) && changed
               && view_equal(out, VIEW("TOP"));
        tap_ok(good, SUBJECT, "a false start comes out with what follows");
        good = pass(l, VIEW("T"), false, &a, &out, &changed) && changed && out.len == 0
               && pass(l, (view){}, true, &a, &out, &changed) && changed && view_equal(out, VIEW("T"));
        tap_ok(good, SUBJECT, "or when the lane ends");
        good = pass(l, (view){}, true, &a, &out, &changed) && !changed;
        tap_ok(good, SUBJECT, "once");
        arena_end(&a);
}

static void test_lanes(void)
{
        arena a;
        arena_init(&a, 1 << 20);
        lane_list list = {};
        lane key = {.kind = LANE_CONTENT, .choice = 1, .tool = 2};
        lane *first = lane_find(&list, &fake, &a, &key);
        bool apart = lane_find(&list, &fake, &a, &key) == first;
        for (int field = 0; field < 3; field++) {
                key = (lane){.kind = LANE_CONTENT, .choice = 1, .tool = 2};
                if (field == 0)
                        key.kind = LANE_REFUSAL;
                else if (field == 1)
                        key.choice = 7;
                else
                        key.tool = 7;
                apart = apart && lane_find(&list, &fake, &a, &key) != first;
        }
        tap_ok(apart && list.count == 4, SUBJECT, "a lane is its kind, choice and tool");
        key.kind = LANE_ARGUMENTS;
        bool source = ((fake_lane *)lane_find(&list, &fake, &a, &key)->state)->source;
        key.kind = LANE_CALL;
        source = source && ((fake_lane *)lane_find(&list, &fake, &a, &key)->state)->source;
        key.kind = LANE_INPUT;
        tap_ok(source && !((fake_lane *)lane_find(&list, &fake, &a, &key)->state)->source, SUBJECT,
               "arguments are JSON source, a custom tool's input is not");
        bool made = true;
        while (made && list.count < LIMIT_LANES) {
                key.tool++;
                made = lane_find(&list, &fake, &a, &key) != nullptr;
        }
        key.tool++;
        tap_ok(made && lane_find(&list, &fake, &a, &key) == nullptr, SUBJECT, "there are no more lanes than the limit");
        key.tool--;
        tap_ok(lane_find(&list, &fake, &a, &key) != nullptr, SUBJECT, "those there are stay found");
        arena_end(&a);
        arena small;
        arena_init(&small, 0);
        list = (lane_list){};
        tap_ok(lane_find(&list, &fake, &small, &key) == nullptr && list.count == 0, SUBJECT,
               "without memory there is none");
}

static void test_no_room(void)
{
        static char big[300 * 1024];
        memset(big, 'x', sizeof big);
        memcpy(big, "TOKEN", 5);
        arena a;
        bool refused = false, passed = false;
        /* Every step of the way asks for memory; whichever is refused, the answer is one. */
        for (size_t cap = 32 * 1024; cap < 8 * 1024 * 1024; cap += 64 * 1024) {
                arena_init(&a, cap);
                lane_list list = {};
                const lane key = {};
                lane *l = lane_find(&list, &fake, &a, &key);
                view out = {};
                bool changed;
                if (l != nullptr && pass(l, (view){(uint8_t *)big, sizeof big}, true, &a, &out, &changed))
                        passed = changed && out.len > sizeof big;
                else
                        refused = refused || !passed;
                arena_end(&a);
        }
        tap_ok(refused && passed, SUBJECT, "without room it says so, with room it passes");
}

int main(void)
{
        test_pass();
        test_holding();
        test_lanes();
        test_no_room();
        return tap_done();
}
