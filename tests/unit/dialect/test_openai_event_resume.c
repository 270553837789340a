/* covers: openai_event.c
 * One answer out of two or more streams, cut between any two of its events. */
#include "dialect/openai_event.h"

#include <stdlib.h>

#include "support/fake_restoring.h"
#include "support/tap.h"

static const char SUBJECT[] = "resume";

/* What the vendors say between them, and what the caller reads. */
static const char words[] = "Dear TOKEN, say \"\xc3\xa4\"\nTO TOKEN and TOKENS: TOK";
#define READ "Dear " FAKE_VALUE ", say \"\xc3\xa4\"\nTO " FAKE_VALUE " and " FAKE_VALUE "S: TOK"

enum : size_t { MOST_EVENTS = 128 };

/* A stream, in the making. */
typedef struct script {
        char data[MOST_EVENTS][256];
        size_t count;
} script;

static void say(script *s, const char *name, const char *delta, const char *finish)
{
        snprintf(s->data[s->count++], sizeof s->data[0],
                 "{\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%zu,\"model\":\"%s-m\","
                 "\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}",
                 name, strlen(name), name, delta, finish);
}

static void say_text(script *s, const char *name, const char *text, size_t len)
{
        uint8_t bytes[200];
        char delta[256];
        emit e = emit_into(bytes, sizeof bytes);
        emit_json_inner(&e, (view){(const uint8_t *)text, len});
        snprintf(delta, sizeof delta, "\"content\":\"%.*s\"", (int)e.len, (const char *)bytes);
        say(s, name, delta, "null");
}

/* A whole stream of `text`, `step` bytes to an event, code points kept together. */
static void fill(script *s, const char *name, const char *text, size_t step)
{
        s->count = 0;
        say(s, name, "\"role\":\"assistant\",\"content\":\"\"", "null");
        for (size_t at = 0, n = strlen(text); at < n;) {
                size_t end = at + step < n ? at + step : n;
                while ((text[end] & 0xc0) == 0x80)
                        end++;
                say_text(s, name, text + at, end - at);
                at = end;
        }
        say(s, name, "", "\"stop\"");
}

/* ---- what the caller gets ---- */

typedef struct caller {
        arena a, turn;
        openai_stream now;
        uint8_t text[4096], said[4096], last[2048];
        size_t text_len, said_len, last_len, events, roles;
        bool strange; /* an event with another envelope, or that is no JSON */
} caller;

static caller me;

static void caller_event(view data)
{
        json_scan *s = json_scan_begin(data, nullptr, &me.turn);
        json_token t = {};
        while (t.kind != JSON_DONE && !me.strange) {
                size_t budget = SIZE_MAX;
                me.strange = failed(json_scan_next(s, &budget, &t));
        }
        static const char front[] = "{\"id\":\"one\",";
        me.strange = me.strange || !view_starts(data, VIEW(front))
                     || memmem(data.data, data.len, "\"one-m\"", 7) == nullptr
                     || memmem(data.data, data.len, "\"created\":3,", 12) == nullptr;
        me.roles += memmem(data.data, data.len, "\"role\"", 6) != nullptr;
        me.events++;
        const uint8_t *at = memmem(data.data, data.len, "\"content\":\"", 11);
        if (at == nullptr)
                return;
        size_t from = (size_t)(at - data.data) + 11, to = from;
        while (data.data[to] != '"')
                to += data.data[to] == '\\' ? 2 : 1;
        emit all = {me.text, me.text_len, sizeof me.text, false};
        json_unescape(view_slice(data, from, to), &all);
        me.text_len = all.len;
}

/* True: the event was taken. What the relay does with it is done here. */
static bool feed(const char *data)
{
        edits e;
        openai_event ev;
        edits_init(&e, &me.turn);
        bool good = !failed(openai_stream_event(&me.now, view_of_text(data), &me.turn, &e, &ev));
        if (good && ev.extra.len > 0)
                caller_event(ev.extra);
        if (good && !ev.drop && !ev.done) {
                emit out = emit_into(me.last, sizeof me.last);
                edit_cursor c = {};
                view piece;
                while (edit_next(&e, view_of_text(data), &c, SIZE_MAX, &piece))
                        emit_view(&out, piece);
                me.last_len = out.len;
                caller_event((view){me.last, out.len});
        }
        if (good && ev.text.len > 0) {
                memcpy(me.said + me.said_len, ev.text.data, ev.text.len);
                me.said_len += ev.text.len;
        }
        arena_end(&me.turn);
        return good;
}

static bool feed_script(const script *s, size_t count)
{
        bool good = true;
        for (size_t i = 0; i < count; i++)
                good = feed(s->data[i]) && good;
        return good;
}

static void begin(const restoring *r)
{
        me = (caller){};
        arena_init(&me.a, 1 << 24);
        arena_init(&me.turn, 1 << 24);
        openai_stream_begin(&me.now, &me.a, r, true);
        openai_stream_keep(&me.now);
}

/* The stream is cut here; the next one begins. */
static void cut(const restoring *r)
{
        const openai_stream before = me.now;
        openai_stream_begin(&me.now, &me.a, r, true);
        openai_stream_resume(&me.now, &before, (view){me.said, me.said_len});
}

static bool reads(const char *want)
{
        bool good = !me.strange && me.roles == 1 && view_equal((view){me.text, me.text_len}, view_of_text(want));
        arena_end(&me.a);
        return good;
}

/* ---- every cut ---- */

typedef enum way { REST, AGAIN, CUT_AGAIN, REFUSED } way;

/* The decoded text so far: where the next vendor begins. */
static size_t said_length(void)
{
        static uint8_t plain[4096];
        emit e = emit_into(plain, sizeof plain);
        json_unescape((view){me.said, me.said_len}, &e);
        return e.len;
}

static void go_on(way how, const restoring *r, size_t step)
{
        static script s;
        size_t at = said_length();
        cut(r);
        if (how == REFUSED) /* nothing came of it: the next one begins where this one should have */
                cut(r);
        fill(&s, "second", how == AGAIN ? words : words + at, step);
        if (how != CUT_AGAIN) {
                feed_script(&s, s.count);
                return;
        }
        /* It breaks off in its middle, while it may still be saying the text again, and a third one goes on. */
        fill(&s, "second", at % 2 == 0 ? words : words + at, step);
        feed_script(&s, s.count / 2);
        at = said_length();
        cut(r);
        fill(&s, "third", words + at, step + 1);
        feed_script(&s, s.count);
}

static void test_every_cut(void)
{
        static script first;
        static const struct {
                way how;
                const char *sentence;
        } ways[] = {{REST, "the second says the rest"},
                    {AGAIN, "the second says it all again"},
                    {CUT_AGAIN, "the second is cut as well"},
                    {REFUSED, "the second refuses, a third goes on"}};
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
                for (int restore = 0; restore < 2; restore++) {
                        size_t bad = 0, tried = 0;
                        const restoring *r = restore ? &fake : nullptr;
                        for (size_t step = 1; step <= 7; step++) {
                                fill(&first, "one", words, step);
                                for (size_t c = 2; c < first.count; c++)
                                        for (size_t next = 1; next <= 5; next++) {
                                                begin(r);
                                                feed_script(&first, c);
                                                /* So little said again may be chance: that is tested elsewhere. */
                                                if (said_length() < 4)
                                                        continue;
                                                go_on(ways[w].how, r, next);
                                                bool good =
                                                        me.now.finished && !me.now.odd && reads(restore ? READ : words);
                                                if (!good && bad++ == 0)
                                                        printf("# step %zu cut %zu next %zu: %.*s\n", step, c, next,
                                                               (int)me.text_len, (const char *)me.text);
                                                tried++;
                                        }
                        }
                        tap_ok(bad == 0 && tried > 500, restore ? "every cut, restoring" : "every cut",
                               ways[w].sentence);
                }
}

/* ---- what none can go on with ---- */

#define DELTA(delta) "{\"choices\":[{\"index\":0,\"delta\":{" delta "}}]}"

static const struct {
        const char *sentence, *data;
        bool odd;
} odds[] = {
        {"plain text is not odd", DELTA("\"content\":\"a\",\"role\":\"assistant\""), false},
        {"nor are members that say nothing",
         DELTA("\"content\":\"a\",\"refusal\":null,\"tool_calls\":[],\"audio\":null,\"annotations\":[],\"x\":\"\","
               "\"y\":false"),
         false},
        {"nor thoughts before the text", DELTA("\"reasoning_content\":\"a\""), false},
        {"nor by their other name", DELTA("\"reasoning\":\"a\""), false},
        {"nor log probabilities that are not there",
         "{\"choices\":[{\"index\":0,\"logprobs\":null,\"delta\":{\"content\":\"a\"}}]}", false},
        {"a refusal is", DELTA("\"refusal\":\"a\""), true},
        {"a tool call", DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"x\"}]"), true},
        {"a function call", DELTA("\"function_call\":{\"name\":\"f\"}"), true},
        {"its arguments", DELTA("\"function_call\":{\"arguments\":\"a\"}"), true},
        {"text in parts", DELTA("\"content\":[{\"type\":\"text\",\"text\":\"a\"}]"), true},
        {"log probabilities",
         "{\"choices\":[{\"index\":0,\"logprobs\":{\"content\":[]},\"delta\":{\"content\":\"a\"}}]}", true},
        {"sound", DELTA("\"audio\":{\"data\":\"a\"}"), true},
        {"what nobody knows: a text", DELTA("\"x\":\"a\""), true},
        {"a number", DELTA("\"x\":0"), true},
        {"a yes", DELTA("\"x\":true"), true},
        {"a list", DELTA("\"x\":[\"a\"]"), true},
        {"another choice", "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"}}]}", true},
        {"two texts of one choice",
         "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":0,\"delta\":{\"content\":\"b\"}}]}",
         true},
};

static void test_odd(void)
{
        for (size_t i = 0; i < sizeof odds / sizeof *odds; i++)
                for (int restore = 0; restore < 2; restore++) {
                        begin(restore ? &fake : nullptr);
                        bool good = feed(odds[i].data) && me.now.odd == odds[i].odd;
                        arena_end(&me.a);
                        tap_ok(good, restore ? "odd, restoring" : "odd", odds[i].sentence);
                }
}

/* ---- single events of the second stream ---- */

#define ONE "{\"id\":\"one\",\"created\":3,\"model\":\"one-m\","

static const struct {
        const char *sentence, *data, *want; /* want: null where nothing goes out */
} seconds[] = {
        {"a second role is dropped",
         "{\"id\":\"two\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}", nullptr},
        {"with text it stays", "{\"id\":\"two\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"x\"}}]}",
         "{\"created\":3,\"model\":\"one-m\",\"id\":\"one\",\"choices\":[{\"delta\":{\"role\":\"assistant\","
         "\"content\":\"x\"}}]}"},
        {"a finish stays", "{\"id\":\"two\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}",
         "{\"created\":3,\"model\":\"one-m\",\"id\":\"one\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"},
        {"thoughts pass", "{\"id\":\"two\",\"choices\":[{\"delta\":{\"reasoning\":\"x\"}}]}",
         "{\"created\":3,\"model\":\"one-m\",\"id\":\"one\",\"choices\":[{\"delta\":{\"reasoning\":\"x\"}}]}"},
        {"so does a tool call",
         "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"x\"}]}}]}",
         ONE "\"choices\":[{\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"x\"}]}}]}"},
        {"text that came before goes from an event that holds more",
         "{\"choices\":[{\"delta\":{\"content\":\"Once\",\"reasoning\":\"x\"}}]}",
         ONE "\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning\":\"x\"}}]}"},
        {"usage that was not asked for goes, and nothing is left",
         "{\"id\":\"two\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}", nullptr},
        {"usage alone", "{\"usage\":null}", "{}"},
        {"usage before all else", "{\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"x\"}}]}",
         ONE "\"choices\":[{\"delta\":{\"content\":\"x\"}}]}"},
        {"an error is no chunk", "{\"error\":{\"message\":\"m\"}}", ONE "\"error\":{\"message\":\"m\"}}"},
};

static void test_second(void)
{
        for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
                static script first;
                fill(&first, "one", "Once", 4);
                begin(nullptr);
                feed_script(&first, 2);
                cut(nullptr);
                size_t before = me.events;
                bool good = feed(seconds[i].data) && me.events == before + (seconds[i].want != nullptr);
                if (seconds[i].want != nullptr)
                        good = good && view_equal((view){me.last, me.last_len}, view_of_text(seconds[i].want));
                if (!tap_ok(good, "second stream", seconds[i].sentence))
                        printf("# %.*s\n", (int)me.last_len, (const char *)me.last);
                arena_end(&me.a);
        }
}

/* Usage that the caller asked for is in no event that is dropped. */
static void test_usage(void)
{
        static const char *const stating[] = {
                "{\"id\":\"two\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}],\"usage\":{\"prompt_tokens\":1}}",
                "{\"id\":\"two\",\"choices\":[{\"delta\":{\"content\":\"Once\"}}],\"usage\":{\"prompt_tokens\":1}}"};
        bool good = true;
        for (size_t i = 0; i < 2; i++) {
                static script first;
                fill(&first, "one", "Once", 4);
                begin(nullptr);
                feed_script(&first, 2);
                cut(nullptr);
                me.now.hide_usage = false;
                good = feed(stating[i]) && memmem(me.last, me.last_len, "\"prompt_tokens\":1", 17) != nullptr
                       && me.text_len == 4 && good;
                arena_end(&me.a);
        }
        tap_ok(good, "second stream", "usage that was asked for comes, text that came before does not");
}

/* ---- an event that is none ---- */

/* It breaks behind its text: the text was not delivered, and comes from the next vendor. */
static void test_taken_back(void)
{
        static const char *const broken[] = {
                "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"KEN b\"}}],",
                "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"KEN b\"},\"finish_reason\":\"stop\"}],oops}",
                "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":\"x\"}]}}],",
                "{\"id\":\"one\",\"id\":\"two\",\"choices\":[]}"};
        for (int restore = 0; restore < 2; restore++) {
                bool good = true;
                for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
                        static script s;
                        const restoring *r = restore ? &fake : nullptr;
                        begin(r);
                        s.count = 0;
                        say(&s, "one", "\"role\":\"assistant\",\"content\":\"\"", "null");
                        say_text(&s, "one", "long a TO", 9);
                        good = feed_script(&s, 2) && !feed(broken[i]) && !me.now.finished && !me.now.odd && good;
                        cut(r);
                        fill(&s, "two", "KEN b", 3);
                        good = feed_script(&s, s.count) && reads(restore ? "long a " FAKE_VALUE " b" : "long a TOKEN b")
                               && good;
                }
                tap_ok(good, restore ? "taken back, restoring" : "taken back",
                       "an event that breaks behind its text has not been");
        }
}

/* All of the rest is how the text before began: it looks like the text said again until the finish has come. */
static void test_short_rest(void)
{
        for (int restore = 0; restore < 2; restore++) {
                static script s;
                const restoring *r = restore ? &fake : nullptr;
                begin(r);
                fill(&s, "one", "TOKEN, and", 4);
                feed_script(&s, s.count - 1);
                cut(r);
                fill(&s, "two", "TOKEN, TO", 2);
                bool good = feed_script(&s, s.count) && me.said_len == 19;
                good = reads(restore ? FAKE_VALUE ", and" FAKE_VALUE ", TO" : "TOKEN, andTOKEN, TO") && good;
                tap_ok(good, restore ? "short rest, restoring" : "short rest",
                       "what looked like the text said again was all of it");
                begin(r);
                fill(&s, "one", "TOKEN, and", 4);
                feed_script(&s, s.count - 1);
                cut(r);
                fill(&s, "two", "TOKEN", 2);
                good = feed_script(&s, s.count) && me.said_len == 15;
                good = reads(restore ? FAKE_VALUE ", and" FAKE_VALUE : "TOKEN, andTOKEN") && good;
                tap_ok(good, restore ? "short rest, restoring" : "short rest",
                       "also where its last piece was held back");
        }
}

static void test_doubt(void)
{
        static script s;
        begin(nullptr);
        fill(&s, "one", "aha", 3);
        feed_script(&s, 2);
        cut(nullptr);
        fill(&s, "two", "aha!", 3);
        bool good = feed(s.data[0]) && !feed(s.data[1]);
        arena_end(&me.a);
        tap_ok(good, SUBJECT, "little text that comes again is neither dropped nor said twice: the stream is broken");
}

static void test_memory(void)
{
        arena none, some, turn;
        openai_stream s;
        openai_event ev;
        edits e;
        arena_init(&none, 0);
        arena_init(&some, 1 << 20);
        arena_init(&turn, 1 << 20);
        openai_stream_begin(&s, &some, nullptr, false);
        openai_stream_keep(&s);
        edits_init(&e, &none);
        tap_ok(openai_stream_event(&s, VIEW("{}"), &none, &e, &ev).code == ERR_NO_ROOM, SUBJECT,
               "without memory for its notes it says so");
        edits_init(&e, &turn);
        bool good = !failed(openai_stream_event(&s, VIEW("{\"choices\":[]}"), &turn, &e, &ev));
        s.arena = &none;
        tap_ok(good && openai_stream_event(&s, VIEW("{\"id\":\"x\"}"), &turn, &e, &ev).code == ERR_NO_ROOM
                       && s.envelope.value[0].len == 0,
               SUBJECT, "also for its envelope");
        arena_end(&turn);
        arena_end(&some);
}

int main(void)
{
        test_every_cut();
        test_odd();
        test_second();
        test_usage();
        test_taken_back();
        test_short_rest();
        test_doubt();
        test_memory();
        return tap_done();
}
