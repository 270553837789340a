#include "dialect/openai_answer.h"

#include "support/fake_restoring.h"
#include "support/tap.h"

static const char SUBJECT[] = "answer";

enum : size_t { ROOM = 256 * 1024 };

typedef struct outcome {
        err code;
        openai_usage usage;
        bool error;
        size_t len;
        uint8_t bytes[ROOM];
} outcome;

/* Steps of one budget until it is done. */
static void run(view doc, const restoring *r, size_t step, outcome *out)
{
        arena memory;
        region rewritten;
        openai_answer a;
        bool done = false;
        *out = (outcome){};
        arena_init(&memory, 1 << 22);
        region_init(&rewritten, ROOM);
        out->code = openai_answer_begin(&a, doc, r, &memory, &rewritten);
        while (!failed(out->code) && !done) {
                size_t budget = step;
                out->code = openai_answer_step(&a, &budget, &done);
        }
        out->usage = a.usage;
        out->error = a.error;
        out->len = rewritten.len;
        if (rewritten.len > 0)
                memcpy(out->bytes, rewritten.bytes, rewritten.len);
        region_end(&rewritten);
        arena_end(&memory);
}

#define V  "v\\\"\\n\xc3\xbc"
#define VV "v\\\\\\\"\\\\n\xc3\xbc"

static const struct {
        const char *sentence;
        view doc, want;
} rows[] = {
        {"text", VIEW_INIT("{ \"choices\":[{\"message\":{\"content\":\"<TOKEN>\"},\"x\":1.0}] }"),
         VIEW_INIT("{ \"choices\":[{\"message\":{\"content\":\"<" V ">\"},\"x\":1.0}] }")},
        {"parts of text",
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":[{\"type\":\"TOKEN\",\"text\":\"TOKEN\"}]}}]}"),
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":[{\"type\":\"TOKEN\",\"text\":\"" V "\"}]}}]}")},
        {"refusal and reasoning",
         VIEW_INIT("{\"choices\":[{\"message\":{\"refusal\":\"TOKEN\",\"reasoning_content\":\"TOKEN\",\"reasoning\":"
                   "\"TOKEN\"}}]}"),
         VIEW_INIT("{\"choices\":[{\"message\":{\"refusal\":\"" V "\",\"reasoning_content\":\"" V
                   "\",\"reasoning\":\"" V "\"}}]}")},
        {"arguments, as JSON in JSON",
         VIEW_INIT("{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"TOKEN\",\"function\":{\"name\":\"TOKEN\","
                   "\"arguments\":\"TOKEN\"}},"
                   "{\"custom\":{\"input\":\"TOKEN\"}}],\"function_call\":{\"arguments\":\"TOKEN\"}}}]}"),
         VIEW_INIT("{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"TOKEN\",\"function\":{\"name\":\"TOKEN\","
                   "\"arguments\":\"" VV "\"}},"
                   "{\"custom\":{\"input\":\"" V "\"}}],\"function_call\":{\"arguments\":\"" VV "\"}}}]}")},
        {"a beginning at the end of one text is not carried to the next",
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"TO\"}},{\"message\":{\"content\":\"KEN\"}}]}"),
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"TO\"}},{\"message\":{\"content\":\"KEN\"}}]}")},
        {"escapes around it", VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"\\u0054OKEN\\ud83d\\ude00\\/\"}}]}"),
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"" V "\xf0\x9f\x98\x80/\"}}]}")},
        {"text without any keeps its spelling",
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"\\u0061\\/\"}}],\"z\":[]}"),
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"\\u0061\\/\"}}],\"z\":[]}")},
        {"empty and missing text",
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"\"}},{\"message\":{\"content\":null}},{}]}"),
         VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"\"}},{\"message\":{\"content\":null}},{}]}")},
        {"other places are not looked at",
         VIEW_INIT("{\"id\":\"TOKEN\",\"model\":\"TOKEN\",\"choices\":[{\"text\":\"TOKEN\"}]}"),
         VIEW_INIT("{\"id\":\"TOKEN\",\"model\":\"TOKEN\",\"choices\":[{\"text\":\"TOKEN\"}]}")},
};

static void test_rows(void)
{
        static outcome o;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                bool good = true;
                for (size_t step = 1; step <= rows[i].doc.len + 1; step++) {
                        run(rows[i].doc, &fake, step, &o);
                        good = good && !failed(o.code) && view_equal((view){o.bytes, o.len}, rows[i].want);
                }
                tap_ok(good, SUBJECT, rows[i].sentence);
                run(rows[i].doc, nullptr, 7, &o);
                tap_ok(!failed(o.code) && o.len == 0, "answer that needs nothing", rows[i].sentence);
        }
}

static const struct {
        const char *sentence;
        view doc;
} broken[] = {
        {"an array", VIEW_INIT("[]")},
        {"a string", VIEW_INIT("\"TOKEN\"")},
        {"half of it", VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"TOKEN\"}}]")},
        {"half a text", VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"TOKEN")},
        {"something behind it", VIEW_INIT("{} {}")},
        {"a key twice", VIEW_INIT("{\"id\":1,\"id\":2}")},
        {"nothing", VIEW_INIT("")},
        {"bad UTF-8", VIEW_INIT("{\"choices\":[{\"message\":{\"content\":\"TOKEN\xff\"}}]}")},
};

static void test_broken(void)
{
        static outcome o;
        for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
                bool good = true;
                for (size_t step = 1; step <= broken[i].doc.len + 1; step++) {
                        run(broken[i].doc, &fake, step, &o);
                        good = good && o.code.code == ERR_UPSTREAM_BROKEN;
                }
                tap_ok(good, "broken", broken[i].sentence);
        }
        run(VIEW("{\"error\":{\"message\":\"m\"}}"), nullptr, 3, &o);
        tap_ok(!failed(o.code) && o.error, SUBJECT, "an error object is told");
        run(VIEW("{\"error\":null}"), nullptr, 3, &o);
        tap_ok(!failed(o.code) && !o.error, SUBJECT, "an error that is null is none");
        run(VIEW("{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":"
                 "1}}}"),
            &fake, 1, &o);
        const openai_usage_numbers *is = &o.usage.is;
        tap_ok(o.usage.stated && is->prompt == 5 && is->completion == 2 && is->cached == 1, SUBJECT,
               "its usage is taken");
}

static const struct {
        const char *sentence;
        bool want;
        view doc;
} signs[] = {
        {"an error object", true, VIEW_INIT("{\"id\":\"x\",\"error\":{\"code\":402}}")},
        {"an error beside an answer", true, VIEW_INIT("{\"choices\":[],\"error\":\"m\"}")},
        {"an error inside a choice", true, VIEW_INIT("{\"choices\":[{\"message\":{},\"error\":{\"code\":502}}]}")},
        {"an error of null inside a choice", false, VIEW_INIT("{\"choices\":[{\"error\":null}]}")},
        {"a code and a message", true, VIEW_INIT("{\"code\":336501,\"msg\":\"Rate limit reached for RPM\"}")},
        {"a code, a message and no data", true, VIEW_INIT("{\"code\":20012,\"message\":\"m\",\"data\":null}")},
        {"a code, a message and data that are no list", true,
         VIEW_INIT("{\"code\":1,\"message\":\"m\",\"data\":\"x\"}")},
        {"the old form", true, VIEW_INIT("{\"error_code\":18,\"error_msg\":\"m\"}")},
        {"a message alone", true, VIEW_INIT("{\"message\":\"m\"}")},
        {"a message of null", false, VIEW_INIT("{\"message\":null,\"code\":null}")},
        {"a code beside choices", false, VIEW_INIT("{\"code\":0,\"msg\":\"ok\",\"choices\":[]}")},
        {"a message behind the choices", false, VIEW_INIT("{\"choices\":[],\"message\":\"m\"}")},
        {"a list of embeddings", false, VIEW_INIT("{\"object\":\"list\",\"data\":[],\"code\":0}")},
        {"a message inside a choice", false, VIEW_INIT("{\"choices\":[{\"message\":{\"content\":null}}]}")},
        {"neither", false, VIEW_INIT("{\"id\":\"x\"}")},
};

static void test_signs(void)
{
        static outcome o;
        for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
                bool good = true;
                for (size_t step = 1; step <= signs[i].doc.len + 1; step++) {
                        run(signs[i].doc, &fake, step, &o);
                        good = good && !failed(o.code) && o.error == signs[i].want;
                        run(signs[i].doc, nullptr, step, &o);
                        good = good && !failed(o.code) && o.error == signs[i].want;
                }
                tap_ok(good, signs[i].want ? "is an error in a success" : "is no error", signs[i].sentence);
        }
}

/* Long texts are worked through in pieces of 8 KiB: what may not be cut stands across the border in every way. */
static void test_pieces(void)
{
        static const char *const things[] = {"TOKEN",
                                             "\\n",
                                             "\\\\",
                                             "\\\"",
                                             "\\u00e9",
                                             "\\ud83d\\ude00",
                                             "\xc3\xa9",
                                             "\xf0\x9f\x98\x80",
                                             "\\ud83d\\ude00TOKEN",
                                             "\\u0054OKEN"};
        static outcome o, whole;
        static uint8_t doc[64 * 1024], want[64 * 1024], got[64 * 1024];
        for (size_t t = 0; t < sizeof things / sizeof *things; t++) {
                bool good = true;
                for (size_t shift = 0; shift <= 20; shift++) {
                        emit d = emit_into(doc, sizeof doc), w = emit_into(want, sizeof want),
                             g = emit_into(got, sizeof got);
                        emit_text(&d, "{\"choices\":[{\"message\":{\"content\":\"");
                        size_t begin = d.len;
                        for (size_t i = 0; i < 8192 * 2 - shift; i++)
                                emit_byte(&d, i % 8192 == 0 ? '.' : 'x');
                        emit_text(&d, things[t]);
                        emit_text(&d, "TOKEN");
                        json_unescape((view){doc + begin, d.len - begin}, &w);
                        emit_text(&d, "\"}}]}");
                        run((view){doc, d.len}, &fake, 64 * 1024, &whole);
                        run((view){doc, d.len}, &fake, 1000, &o);
                        size_t len = o.len < begin + 5 ? begin : o.len - 5;
                        json_unescape((view){o.bytes + begin, len - begin}, &g);
                        static uint8_t restored[64 * 1024];
                        emit r = emit_into(restored, sizeof restored);
                        fake_lane l = {};
                        fake_feed(nullptr, &l, (view){want, w.len}, &r);
                        good = good && !failed(o.code) && o.len == whole.len && memcmp(o.bytes, whole.bytes, o.len) == 0
                               && view_equal((view){got, g.len}, (view){restored, r.len});
                }
                char sentence[64];
                snprintf(sentence, sizeof sentence, "a long text is not torn in %s", things[t]);
                tap_ok(good, SUBJECT, sentence);
        }
}

static void test_no_room(void)
{
        arena none;
        region out;
        openai_answer a;
        bool done;
        size_t budget = 1000;
        arena_init(&none, 0);
        region_init(&out, 10);
        tap_ok(openai_answer_begin(&a, VIEW("{}"), &fake, &none, &out).code == ERR_NO_ROOM
                       && openai_answer_begin(&a, VIEW("{}"), nullptr, &none, &out).code == ERR_NO_ROOM,
               SUBJECT, "without memory it does not begin");
        arena some;
        arena_init(&some, 1 << 20);
        tap_ok(!failed(openai_answer_begin(&a, rows[0].doc, &fake, &some, &out))
                       && openai_answer_step(&a, &budget, &done).code == ERR_NO_ROOM && !done,
               SUBJECT, "an answer that outgrows its room says so");
        region_end(&out);
        arena_end(&some);
}

int main(void)
{
        test_rows();
        test_broken();
        test_signs();
        test_pieces();
        test_no_room();
        return tap_done();
}
