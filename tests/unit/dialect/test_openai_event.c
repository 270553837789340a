#include "dialect/openai_event.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/limit.h"
#include "codec/sse.h"
#include "support/fake_restoring.h"
#include "support/tap.h"

static const char SUBJECT[] = "event";

static uint8_t room[512 * 1024];

/* One event; what would go out is appended: the extra event, then the edited data, or what became of it. */
static err pass(openai_stream *s, view data, arena *turn, emit *out, openai_event *ev)
{
        edits e;
        edits_init(&e, turn);
        TRY(openai_stream_event(s, data, turn, &e, ev));
        if (ev->extra.len > 0) {
                emit_view(out, ev->extra);
                emit_byte(out, '\n');
        }
        edit_cursor c = {};
        view piece;
        if (ev->drop)
                emit_text(out, "(dropped)");
        else if (ev->done)
                emit_text(out, "(done)");
        else
                while (edit_next(&e, data, &c, SIZE_MAX, &piece))
                        emit_view(out, piece);
        return OK;
}

/* A line for each event. */
static view passed(const char *const *events, size_t count, const restoring *r, bool hide)
{
        arena a, turn;
        openai_stream s;
        emit out = emit_into(room, sizeof room);
        arena_init(&a, 1 << 24);
        arena_init(&turn, 1 << 24);
        openai_stream_begin(&s, &a, r, hide);
        for (size_t i = 0; i < count && events[i] != nullptr; i++) {
                openai_event ev;
                if (failed(pass(&s, view_of_text(events[i]), &turn, &out, &ev)))
                        emit_text(&out, "(broken)");
                emit_byte(&out, '\n');
                arena_end(&turn);
        }
        arena_end(&a);
        return (view){room, out.len};
}

/* ---- usage ---- */

static const struct {
        const char *sentence, *data, *want;
} hiding[] = {
        {"null behind others goes with the comma before it", "{\"choices\":[{\"index\":0}],\"usage\":null}",
         "{\"choices\":[{\"index\":0}]}"},
        {"null in the middle", "{\"id\":\"x\" , \"usage\" : null , \"choices\":[{}]}",
         "{\"id\":\"x\"  , \"choices\":[{}]}"},
        {"null in front goes with the comma behind it", "{ \"usage\":null , \"choices\":[{}]}", "{  \"choices\":[{}]}"},
        {"null alone", "{\"usage\":null}", "{}"},
        {"an object beside choices", "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,\"x\":{\"y\":[]}},\"z\":1}",
         "{\"choices\":[{}],\"z\":1}"},
        {"a text in its place", "{\"choices\":[{}],\"usage\":\"none\",\"z\":1}", "{\"choices\":[{}],\"z\":1}"},
        {"an object alone drops the event", "{\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}",
         "(dropped)"},
        {"also without choices", "{\"usage\":{\"prompt_tokens\":1}}", "(dropped)"},
        {"no usage, nothing hidden", "{\"choices\":[]}", "{\"choices\":[]}"},
        {"usage elsewhere stays", "{\"choices\":[{\"usage\":{\"a\":1}}],\"x\":{\"usage\":1}}",
         "{\"choices\":[{\"usage\":{\"a\":1}}],\"x\":{\"usage\":1}}"},
        {"a key spelled in escapes is the same key", "{\"choices\":[{}],\"\\u0075sage\":null}", "{\"choices\":[{}]}"},
};

static void test_usage(void)
{
        for (size_t i = 0; i < sizeof hiding / sizeof *hiding; i++) {
                const char *const one[] = {hiding[i].data};
                view got = passed(one, 1, nullptr, true);
                tap_ok(view_equal(view_slice(got, 0, got.len - 1), view_of_text(hiding[i].want)), "hidden usage",
                       hiding[i].sentence);
                got = passed(one, 1, nullptr, false);
                tap_ok(view_equal(view_slice(got, 0, got.len - 1), view_of_text(hiding[i].data)), "wanted usage",
                       hiding[i].sentence);
        }
        arena a;
        openai_stream s;
        openai_event ev;
        emit out = emit_into(room, sizeof room);
        arena_init(&a, 1 << 20);
        openai_stream_begin(&s, &a, nullptr, true);
        bool good = !failed(pass(&s, VIEW("{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}"),
                                 &a, &out, &ev))
                    && s.usage.stated && s.usage.is.prompt == 7 && s.usage.is.completion == 2;
        tap_ok(good, SUBJECT, "usage that is hidden is counted");
        good = !failed(pass(&s, VIEW("{\"choices\":[],\"usage\":null}"), &a, &out, &ev)) && s.usage.is.prompt == 7;
        tap_ok(good, SUBJECT, "a null after it takes nothing back");
        arena_end(&a);
}

/* ---- what an event is ---- */

static const struct {
        const char *sentence, *data;
        bool content, error, done, finished, broken;
} kinds[] = {
        {"a role alone is no content", "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}", false,
         false, false, false, false},
        {"nor is content that is null", "{\"choices\":[{\"delta\":{\"content\":null},\"finish_reason\":null}]}", false,
         false, false, false, false},
        {"text is", "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", true, false, false, false, false},
        {"a refusal is", "{\"choices\":[{\"delta\":{\"refusal\":\"a\"}}]}", true, false, false, false, false},
        {"reasoning is", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"a\"}}]}", true, false, false, false, false},
        {"by its other name too", "{\"choices\":[{\"delta\":{\"reasoning\":\"a\"}}]}", true, false, false, false,
         false},
        {"a tool call is, before its arguments",
         "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\"}]}}]}", true, false, false, false, false},
        {"a finish is, and ends", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}", true, false, false, true,
         false},
        {"an error object", "{\"error\":{\"message\":\"m\"}}", false, true, false, false, false},
        {"an error text", "{\"error\":\"m\"}", false, true, false, false, false},
        {"an error that is null is none", "{\"error\":null,\"choices\":[]}", false, false, false, false, false},
        {"the terminator", "[DONE]", false, false, true, false, false},
        {"the terminator is spelled exactly", "[DONE] ", false, false, false, false, true},
        {"an array is none of it", "[]", false, false, false, false, true},
        {"text is none of it", "\"a\"", false, false, false, false, true},
        {"half an object is none of it", "{\"choices\":[", false, false, false, false, true},
        {"nothing is none of it", "", false, false, false, false, true},
        {"a key named twice is none of it", "{\"id\":1,\"id\":1}", false, false, false, false, true},
        {"an object of nothing known passes", "{\"x\":1}", false, false, false, false, false},
};

static void test_kinds(void)
{
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                for (int restore = 0; restore < 2; restore++) {
                        arena a;
                        openai_stream s;
                        openai_event ev = {};
                        emit out = emit_into(room, sizeof room);
                        arena_init(&a, 1 << 20);
                        openai_stream_begin(&s, &a, restore ? &fake : nullptr, false);
                        err e = pass(&s, view_of_text(kinds[i].data), &a, &out, &ev);
                        bool good = failed(e) == kinds[i].broken && (!failed(e) || e.code == ERR_UPSTREAM_BROKEN);
                        good = good && ev.content == kinds[i].content && ev.error == kinds[i].error
                               && ev.done == kinds[i].done && s.done == kinds[i].done && s.finished == kinds[i].finished
                               && s.content_events == ev.content;
                        tap_ok(good, restore ? "restoring" : "plain", kinds[i].sentence);
                        arena_end(&a);
                }
}

/* ---- restoring ---- */

#define V               "v\\\"\\n\xc3\xbc"       /* the value inside a JSON string */
#define VV              "v\\\\\\\"\\\\n\xc3\xbc" /* inside JSON inside a JSON string */
#define C(index, delta) "{\"choices\":[{\"index\":" index ",\"delta\":{" delta "}}]}"
#define END(index)      "{\"id\":\"e\",\"choices\":[{\"index\":" index ",\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define TAIL(index, delta) \
        "{\"id\":\"e\",\"choices\":[{\"index\":" index ",\"delta\":{" delta "},\"finish_reason\":null}]}\n"

static const struct {
        const char *sentence, *events[6], *want;
} restores[] = {
        {"a placeholder in one piece", {C("0", "\"content\":\"<TOKEN>\"")}, C("0", "\"content\":\"<" V ">\"") "\n"},
        {"in two pieces",
         {C("0", "\"content\":\"a TOK\""), C("0", "\"content\":\"EN b\"")},
         C("0", "\"content\":\"a \"") "\n" C("0", "\"content\":\"" V " b\"") "\n"},
        {"bytes around it stay as they are",
         {"{ \"choices\" : [ {\"delta\":{\"content\":\"\\u0061TOKEN\"} , \"x\":1.50e1 } ] }"},
         "{ \"choices\" : [ {\"delta\":{\"content\":\"a" V "\"} , \"x\":1.50e1 } ] }\n"},
        {"its index may come after it",
         {"{\"choices\":[{\"delta\":{\"content\":\"TO\"},\"index\":1}]}", C("0", "\"content\":\"KEN\""),
          C("1", "\"content\":\"KEN\"")},
         "{\"choices\":[{\"delta\":{\"content\":\"\"},\"index\":1}]}\n" C("0", "\"content\":\"KEN\"") "\n" C(
                 "1", "\"content\":\"" V "\"") "\n"},
        {"without an index a choice is its position",
         {"{\"choices\":[{\"delta\":{\"content\":\"TO\"}},{\"delta\":{\"content\":\"TO\"}}]}",
          C("1", "\"content\":\"KEN\"")},
         "{\"choices\":[{\"delta\":{\"content\":\"\"}},{\"delta\":{\"content\":\"\"}}]}\n" C("1", "\"content\":\"" V
                                                                                                  "\"") "\n"},
        {"text and refusal are two lanes",
         {C("0", "\"content\":\"TO\",\"refusal\":\"TOK\""), C("0", "\"refusal\":\"EN\",\"content\":\"KEN\"")},
         C("0", "\"content\":\"\",\"refusal\":\"\"") "\n" C("0", "\"refusal\":\"" V "\",\"content\":\"" V "\"") "\n"},
        {"the end of text that looked like one comes before the finish",
         {C("0", "\"content\":\"a TO\""), END("0")},
         C("0", "\"content\":\"a \"") "\n" TAIL("0", "\"content\":\"TO\"") END("0") "\n"},
        {"of a refusal",
         {C("0", "\"refusal\":\"TO\""), END("0")},
         C("0", "\"refusal\":\"\"") "\n" TAIL("0", "\"refusal\":\"TO\"") END("0") "\n"},
        {"of reasoning",
         {C("0", "\"reasoning_content\":\"TO\""), END("0")},
         C("0", "\"reasoning_content\":\"\"") "\n" TAIL("0", "\"reasoning_content\":\"TO\"") END("0") "\n"},
        {"of reasoning by its other name",
         {C("0", "\"reasoning\":\"TO\""), END("0")},
         C("0", "\"reasoning\":\"\"") "\n" TAIL("0", "\"reasoning\":\"TO\"") END("0") "\n"},
        {"of a function call",
         {C("0", "\"function_call\":{\"arguments\":\"TO\"}"), END("0")},
         C("0", "\"function_call\":{\"arguments\":\"\"}") "\n" TAIL("0", "\"function_call\":{\"arguments\":\"TO\"}")
                 END("0") "\n"},
        {"of a tool call",
         {C("0", "\"tool_calls\":[{\"index\":2,\"function\":{\"arguments\":\"TO\"}}]"), END("0")},
         C("0", "\"tool_calls\":[{\"index\":2,\"function\":{\"arguments\":\"\"}}]") "\n" TAIL(
                 "0", "\"tool_calls\":[{\"index\":2,\"function\":{\"arguments\":\"TO\"}}]") END("0") "\n"},
        {"of a custom tool",
         {C("0", "\"tool_calls\":[{\"custom\":{\"input\":\"TO\"},\"index\":1}]"), END("0")},
         C("0", "\"tool_calls\":[{\"custom\":{\"input\":\"\"},\"index\":1}]") "\n" TAIL(
                 "0", "\"tool_calls\":[{\"index\":1,\"custom\":{\"input\":\"TO\"}}]") END("0") "\n"},
        {"text that comes with the finish is whole at once",
         {"{\"choices\":[{\"delta\":{\"content\":\"TO\"},\"finish_reason\":\"stop\"}]}"},
         "{\"choices\":[{\"delta\":{\"content\":\"TO\"},\"finish_reason\":\"stop\"}]}\n"},
        {"the finish of one choice leaves the others open",
         {C("0", "\"content\":\"TO\""), C("1", "\"content\":\"TO\""), END("1"), C("0", "\"content\":\"KEN\"")},
         C("0", "\"content\":\"\"") "\n" C("1", "\"content\":\"\"") "\n" TAIL("1", "\"content\":\"TO\"")
                 END("1") "\n" C("0", "\"content\":\"" V "\"") "\n"},
        {"arguments are restored as JSON in JSON",
         {C("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\\\"TOK\"}}]"),
          C("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"EN\\\"}\"}}]")},
         C("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\\\"\"}}]") "\n" C(
                 "0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" VV "\\\"}\"}}]") "\n"},
        {"two calls at once stay apart",
         {C("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"TO\"}},{\"index\":1,\"function\":{"
                 "\"arguments\":\"T\"}}]"),
          C("0", "\"tool_calls\":[{\"function\":{\"arguments\":\"OKEN\"},\"index\":1}]"),
          C("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"KEN\"}}]")},
         C("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\"}},{\"index\":1,\"function\":{"
                "\"arguments\":\"\"}}]") "\n" C(
                 "0", "\"tool_calls\":[{\"function\":{\"arguments\":\"" VV
                      "\"},\"index\":1}]") "\n" C("0", "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" VV
                                                       "\"}}]") "\n"},
        {"text behind a tool call is no part of it",
         {C("0", "\"content\":\"TO\""), C("0", "\"tool_calls\":[{\"index\":3,\"id\":\"x\"}],\"content\":\"KEN\"")},
         C("0", "\"content\":\"\"") "\n" C("0",
                                           "\"tool_calls\":[{\"index\":3,\"id\":\"x\"}],\"content\":\"" V "\"") "\n"},
        {"two choices that finish at once both lose nothing",
         {"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"T\"}},{\"index\":1,\"delta\":{\"content\":\"TOK\"}}]}",
          "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"},{\"index\":1,\"delta\":{},\"finish_"
          "reason\":\"stop\"}]}"},
         "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}},{\"index\":1,\"delta\":{\"content\":\"\"}}]}\n"
         "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"T\"},\"finish_reason\":null},"
         "{\"index\":1,\"delta\":{\"content\":\"TOK\"},\"finish_reason\":null}]}\n"
         "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"},{\"index\":1,\"delta\":{},\"finish_"
         "reason\":\"stop\"}]}\n"},
        {"usage is stated once, not with a tail",
         {C("0", "\"content\":\"T\""),
          "{\"usage\":{\"prompt_tokens\":1},\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"},
         C("0",
           "\"content\":\"\"") "\n{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"T\"},\"finish_reason\":null}]}\n"
                               "{\"usage\":{\"prompt_tokens\":1},\"choices\":[{\"index\":0,\"delta\":{},\"finish_"
                               "reason\":\"stop\"}]}\n"},
        {"wrong types are nobody's text",
         {C("0", "\"content\":7,\"refusal\":{\"content\":\"TOKEN\"},\"tool_calls\":\"TOKEN\"")},
         C("0", "\"content\":7,\"refusal\":{\"content\":\"TOKEN\"},\"tool_calls\":\"TOKEN\"") "\n"},
        {"names and ids are not looked at",
         {C("0", "\"role\":\"TOKEN\",\"tool_calls\":[{\"id\":\"TOKEN\",\"function\":{\"name\":\"TOKEN\"}}]")},
         C("0", "\"role\":\"TOKEN\",\"tool_calls\":[{\"id\":\"TOKEN\",\"function\":{\"name\":\"TOKEN\"}}]") "\n"},
};

static void test_restoring(void)
{
        for (size_t i = 0; i < sizeof restores / sizeof *restores; i++) {
                view got = passed(restores[i].events, 6, &fake, false);
                if (!tap_ok(view_equal(got, view_of_text(restores[i].want)), "restoring", restores[i].sentence))
                        printf("# got  %.*s\n# want %s\n", (int)got.len, (const char *)got.data, restores[i].want);
        }
        const char *const both[] = {C("0", "\"content\":\"TO\""),
                                    "{\"usage\":null,\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"};
        view got = passed(both, 2, &fake, true);
        tap_ok(view_equal(
                       got,
                       VIEW(C("0", "\"content\":\"\"") "\n{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"TO\"},"
                                                       "\"finish_reason\":null}]}\n"
                                                       "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n")),
               "restoring", "usage is hidden from the tail's event too");
}

/* ---- every cut ---- */

static const struct {
        const char *kind, *before, *after, *mark;
        bool source;
} lanes[] = {
        {"content", "{\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}", "\"content\":\"", false},
        {"refusal", "{\"choices\":[{\"delta\":{\"refusal\":\"", "\"}}]}", "\"refusal\":\"", false},
        {"reasoning_content", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"", "\"}}]}",
         "\"reasoning_content\":\"", false},
        {"reasoning", "{\"choices\":[{\"delta\":{\"reasoning\":\"", "\"}}]}", "\"reasoning\":\"", false},
        {"tool arguments", "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"",
         "\"}}]}}]}", "\"arguments\":\"", true},
        {"call arguments", "{\"choices\":[{\"delta\":{\"function_call\":{\"arguments\":\"", "\"}}}]}",
         "\"arguments\":\"", true},
        {"custom input", "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"custom\":{\"input\":\"", "\"}}]}}]}",
         "\"input\":\"", false},
};

/* All text of the lane in what went out, decoded. */
static view text_of(view out, const char *mark)
{
        static uint8_t joined[4096];
        emit all = emit_into(joined, sizeof joined);
        view m = view_of_text(mark);
        for (size_t at = 0; at + m.len <= out.len; at++) {
                if (memcmp(out.data + at, m.data, m.len) != 0)
                        continue;
                size_t from = at + m.len, to = from;
                while (out.data[to] != '"')
                        to += out.data[to] == '\\' ? 2 : 1;
                json_unescape(view_slice(out, from, to), &all);
        }
        return (view){joined, all.len};
}

static bool cut_holds(size_t lane_at, view text, view want, size_t a, size_t b)
{
        static char event[3][512];
        const char *events[4] = {event[0], event[1], event[2], END("0")};
        const size_t cuts[4] = {0, a, b, text.len};
        for (size_t i = 0; i < 3; i++) {
                emit e = emit_into((uint8_t *)event[i], sizeof event[i] - 1);
                emit_text(&e, lanes[lane_at].before);
                emit_json_inner(&e, view_slice(text, cuts[i], cuts[i + 1]));
                emit_text(&e, lanes[lane_at].after);
                event[i][e.len] = '\0';
        }
        return view_equal(text_of(passed(events, 4, &fake, false), lanes[lane_at].mark), want);
}

static void test_cuts(void)
{
        view text = VIEW("a\"TOKEN\nTOTOKENTOK"), plain = VIEW("a\"" FAKE_VALUE "\nTO" FAKE_VALUE "TOK");
        view source = VIEW("a\"v\\\"\\n\xc3\xbc\nTOv\\\"\\n\xc3\xbcTOK");
        for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
                bool good = true;
                for (size_t a = 0; a <= text.len; a++)
                        for (size_t b = a; b <= text.len; b++)
                                good = good && cut_holds(i, text, lanes[i].source ? source : plain, a, b);
                tap_ok(good, lanes[i].kind, "comes out the same for every way it is cut");
        }
}

/* ---- streams as vendors send them ---- */

static void vector_test(const char *name)
{
        static uint8_t in[32 * 1024];
        char path[512];
        snprintf(path, sizeof path, "tests/vectors/sse/%s", name);
        FILE *f = fopen(path, "rb");
        if (f == nullptr)
                return;
        view stream = {in, fread(in, 1, sizeof in, f)};
        arena a, turn;
        fclose(f);
        arena_init(&a, 1 << 24);
        arena_init(&turn, 1 << 24);
        openai_stream s;
        sse events;
        bool same = true, error = false;
        sse_begin(&events, LIMIT_SSE_EVENT_BYTES);
        openai_stream_begin(&s, &a, &fake, true);
        for (size_t used; stream.len > 0; stream = view_slice(stream, used, stream.len)) {
                bool whole = false;
                openai_event ev = {};
                emit out = emit_into(room, sizeof room);
                same = same && !failed(sse_feed(&events, stream, &used, &whole));
                if (!whole)
                        continue;
                bool read = !failed(pass(&s, sse_data(&events), &turn, &out, &ev));
                view got = {room, out.len};
                bool usage = memmem(got.data, got.len, "\"usage\"", 7) != nullptr;
                bool had = memmem(sse_data(&events).data, sse_data(&events).len, "\"usage\"", 7) != nullptr;
                error = error || ev.error;
                same = same && read && !usage && (had || ev.done || view_equal(got, sse_data(&events)));
                arena_end(&turn);
        }
        bool cut = strstr(name, "no-finish") != nullptr || strstr(name, "-err") != nullptr;
        bool undone = cut || strstr(name, "no-done") != nullptr || strstr(name, "lastblank") != nullptr;
        tap_ok(same, name, "passes unchanged but for its usage");
        tap_ok(s.finished == !cut && (undone || s.done) && error == (strstr(name, "-err") != nullptr), name,
               "and its end is known");
        sse_end(&events);
        arena_end(&a);
}

static void test_vectors(void)
{
        DIR *d = opendir("tests/vectors/sse");
        int count = 0;
        for (struct dirent *e; d != nullptr && (e = readdir(d)) != nullptr;)
                if (strncmp(e->d_name, "openai-", 7) == 0 && strstr(e->d_name, ".sse") != nullptr) {
                        vector_test(e->d_name);
                        count++;
                }
        if (d != nullptr)
                closedir(d);
        tap_ok(count >= 14, SUBJECT, "has its vectors");
}

static void test_bounds(void)
{
        static char many[64 * 1024];
        emit e = emit_into((uint8_t *)many, sizeof many - 1);
        emit_text(&e, "{\"choices\":[{\"delta\":{\"tool_calls\":[");
        for (int i = 0; i < 300; i++)
                emit_text(&e,
                          i == 0 ? "{\"function\":{\"arguments\":\"x\"}}" : ",{\"function\":{\"arguments\":\"x\"}}");
        emit_text(&e, "]}}]}");
        const char *const one[] = {many};
        tap_ok(view_equal(passed(one, 1, &fake, false), VIEW("(broken)\n")), SUBJECT,
               "more pieces of one choice than any vendor sends");
        arena none;
        openai_stream s;
        openai_event ev;
        edits list;
        arena_init(&none, 0);
        edits_init(&list, &none);
        openai_stream_begin(&s, &none, &fake, false);
        tap_ok(openai_stream_event(&s, VIEW("{}"), &none, &list, &ev).code == ERR_NO_ROOM, SUBJECT,
               "without memory it says so");
        openai_stream_begin(&s, &none, nullptr, false);
        tap_ok(openai_stream_event(&s, VIEW("{}"), &none, &list, &ev).code == ERR_NO_ROOM, SUBJECT,
               "also where nothing is restored");
        arena some, turn;
        arena_init(&some, 0);
        arena_init(&turn, 1 << 20);
        openai_stream_begin(&s, &some, &fake, false);
        edits_init(&list, &turn);
        tap_ok(openai_stream_event(&s, VIEW(C("0", "\"content\":\"x\"")), &turn, &list, &ev).code == ERR_NO_ROOM,
               SUBJECT, "nor without memory for a lane");
        arena_end(&turn);
}

int main(void)
{
        test_usage();
        test_kinds();
        test_restoring();
        test_cuts();
        test_vectors();
        test_bounds();
        return tap_done();
}
