#include "dialect/openai_request.h"

#include "support/tap.h"

typedef struct outcome {
        err code;
        openai_request request;
        size_t heard_len, doc_len;
        uint8_t heard[4096]; /* strings to be scanned, and the role at each message's end */
        uint8_t doc[4096];   /* the edited document */
} outcome;

static err walk(view doc, size_t step, arena *a, outcome *out)
{
        static const char *const roles[] = {"other", "system", "user", "assistant", "tool"};
        emit heard = emit_into(out->heard, sizeof out->heard);
        json_scan *s = json_scan_begin(doc, openai_request_paths(), a);
        json_token t = {};
        while (t.kind != JSON_DONE) {
                size_t budget = step;
                openai_text text;
                TRY(json_scan_next(s, &budget, &t));
                if (t.kind == JSON_YIELD)
                        continue;
                TRY(openai_request_token(&out->request, doc, &t, &text));
                if (text == OPENAI_SCAN) {
                        emit_view(&heard, view_slice(doc, t.start, t.end));
                        emit_text(&heard, out->request.in_message ? "|" : "^");
                } else if (text == OPENAI_KEY) {
                        emit_text(&heard, "key ");
                        emit_view(&heard, view_slice(doc, t.start, t.end));
                        emit_text(&heard, "^");
                } else if (text == OPENAI_MESSAGE_END) {
                        emit_text(&heard, "<");
                        emit_text(&heard, roles[out->request.role]);
                        emit_text(&heard, ">");
                }
        }
        out->heard_len = heard.len;
        return OK;
}

static void run(view doc, openai_endpoint endpoint, size_t step, outcome *out)
{
        arena a;
        edits e;
        *out = (outcome){};
        arena_init(&a, 1 << 20);
        edits_init(&e, &a);
        openai_request_begin(&out->request, endpoint);
        out->code = walk(doc, step, &a, out);
        if (!failed(out->code))
                out->code = openai_request_finish(&out->request, &e);
        if (!failed(out->code)) {
                emit edited = emit_into(out->doc, sizeof out->doc);
                edit_cursor c = {};
                view piece;
                while (edit_next(&e, doc, &c, SIZE_MAX, &piece))
                        emit_view(&edited, piece);
                out->doc_len = edited.len;
        }
        arena_end(&a);
}

/* ---- what is scanned ---- */

#define M "\"model\":\"m\","

static const struct {
        const char *sentence;
        view doc, heard;
        openai_endpoint endpoint;
} texts[] = {
        {"text of messages, with each one's role",
         VIEW_INIT("{" M "\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"content\":\"b\",\"role\":\"user\"},"
                   "{\"role\":\"assistant\",\"content\":\"c\"},{\"role\":\"tool\",\"content\":\"d\"},{\"role\":"
                   "\"function\",\"content\":\"e\"},"
                   "{\"role\":\"developer\",\"content\":\"f\"},{\"role\":\"robot\",\"content\":\"g\"},{\"content\":"
                   "\"h\"}]}"),
         VIEW_INIT("a|<system>b|<user>c|<assistant>d|<tool>e|<tool>f|<system>g|<other>h|<other>"), OPENAI_CHAT},
        {"a role spelled in escapes", VIEW_INIT("{" M "\"messages\":[{\"role\":\"\\u0075ser\",\"content\":\"a\"}]}"),
         VIEW_INIT("a|<user>"), OPENAI_CHAT},
        {"parts of a message, not their types",
         VIEW_INIT("{" M "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                   "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,xx\",\"detail\":\"low\"}},"
                   "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a/b\"}},"
                   "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAA\",\"format\":\"wav\"}},"
                   "{\"type\":\"file\",\"file\":{\"file_id\":\"f\",\"file_data\":\"data:;base64,eA==\",\"filename\":"
                   "\"n\"}}]}]}"),
         VIEW_INIT("a|low|https://a/b|n|<user>"), OPENAI_CHAT},
        {"text in places of files and of words",
         VIEW_INIT("{" M "\"messages\":[{\"role\":\"r b\",\"tool_call_id\":\"a@b\",\"content\":[{\"type\":\"t x\"},"
                   "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:text/plain,a\"}},"
                   "{\"type\":\"file\",\"file\":{\"file_data\":\"data:;base64,a b\"}},"
                   "{\"type\":\"file\",\"file\":{\"file_data\":\"data:a b;base64,aaaa\"}},"
                   "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"a b\"}}]}]}"),
         VIEW_INIT("r b|a@b|t x|data:text/plain,a|data:;base64,a b|data:a b;base64,aaaa|a b|<other>"), OPENAI_CHAT},
        {"tool calls: arguments, not names and ids",
         VIEW_INIT("{" M "\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"i\",\"type\":\"function\","
                   "\"function\":{\"name\":\"n\","
                   "\"arguments\":\"{}\"}}],\"function_call\":{\"name\":\"n\",\"arguments\":\"x\"}},{\"role\":\"tool\","
                   "\"tool_call_id\":\"i\",\"content\":\"c\"}]}"),
         VIEW_INIT("{}|x|<assistant>c|<tool>"), OPENAI_CHAT},
        {"tools: descriptions, not names",
         VIEW_INIT(
                 "{" M
                 "\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"n\",\"description\":\"d\","
                 "\"parameters\":{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"string\",\"enum\":[\"v\"]}}}}}]"
                 ","
                 "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"n\"}},\"response_format\":{\"type\":"
                 "\"text\"}}"),
         VIEW_INIT("d^string^v^"), OPENAI_CHAT},
        {"fields nobody knows",
         VIEW_INIT("{" M
                   "\"messages\":[],\"user\":\"u\",\"metadata\":{\"a\":[\"b\",{\"c\":\"d\"}]},\"stop\":\"s\",\"x\":1}"),
         VIEW_INIT("u^b^d^s^"), OPENAI_CHAT},
        {"keys that are more than a word",
         VIEW_INIT("{" M "\"messages\":[],\"metadata\":{\"jane@x.de\":\"a\",\"top_p\":1,\"k2\":2}}"),
         VIEW_INIT("key jane@x.de^a^key k2^"), OPENAI_CHAT},
        {"the same names in other places",
         VIEW_INIT("{" M "\"messages\":[{\"model\":\"a\",\"content\":{\"role\":\"b\",\"type\":\"c\"},\"x\":{\"role\":"
                   "\"d\"}}],\"role\":\"e\"}"),
         VIEW_INIT("a|b|c|d|<other>e^"), OPENAI_CHAT},
        {"nested messages are no messages",
         VIEW_INIT("{" M "\"messages\":[{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}]}"),
         VIEW_INIT("user|a|<other>"), OPENAI_CHAT},
        {"a data address elsewhere", VIEW_INIT("{" M "\"messages\":[{\"content\":\"data:text/plain,a\"}]}"),
         VIEW_INIT("data:text/plain,a|<other>"), OPENAI_CHAT},
        {"empty strings too", VIEW_INIT("{" M "\"messages\":[{\"content\":\"\"}]}"), VIEW_INIT("|<other>"),
         OPENAI_CHAT},
        {"input of embeddings", VIEW_INIT("{" M "\"input\":\"a\",\"encoding_format\":\"float\",\"user\":\"u\"}"),
         VIEW_INIT("a^u^"), OPENAI_EMBEDDINGS},
        {"a list of inputs", VIEW_INIT("{" M "\"input\":[\"a\",\"b\"]}"), VIEW_INIT("a^b^"), OPENAI_EMBEDDINGS},
};

static void test_texts(void)
{
        static outcome o;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                bool good = true;
                for (size_t step = 1; step <= texts[i].doc.len + 1; step++) {
                        run(texts[i].doc, texts[i].endpoint, step, &o);
                        good = good && !failed(o.code) && view_equal((view){o.heard, o.heard_len}, texts[i].heard)
                               && view_equal((view){o.doc, o.doc_len}, texts[i].doc);
                }
                if (!tap_ok(good, "scanned", texts[i].sentence))
                        printf("# heard %.*s (%d)\n", (int)o.heard_len, (char *)o.heard, o.code.code);
        }
}

/* ---- the edit that asks for usage ---- */

#define S "\"stream\":true"

static const struct {
        const char *sentence;
        view doc, want;
        bool usage_wanted;
} usage[] = {
        {"absent", VIEW_INIT("{" M "\"messages\":[]," S "}"),
         VIEW_INIT("{" M "\"messages\":[]," S ",\"stream_options\":{\"include_usage\":true}}"), false},
        {"absent, with space before the end", VIEW_INIT("{" M "\"messages\":[]," S "\n }\n"),
         VIEW_INIT("{" M "\"messages\":[]," S "\n ,\"stream_options\":{\"include_usage\":true}}\n"), false},
        {"null", VIEW_INIT("{\"stream_options\":null," M "\"messages\":[]," S "}"),
         VIEW_INIT("{\"stream_options\":{\"include_usage\":true}," M "\"messages\":[]," S "}"), false},
        {"an empty object", VIEW_INIT("{" M S ",\"stream_options\":{ },\"messages\":[]}"),
         VIEW_INIT("{" M S ",\"stream_options\":{\"include_usage\":true },\"messages\":[]}"), false},
        {"an object without it", VIEW_INIT("{" M S ",\"stream_options\":{\"x\":{\"y\":1}},\"messages\":[]}"),
         VIEW_INIT("{" M S ",\"stream_options\":{\"include_usage\":true,\"x\":{\"y\":1}},\"messages\":[]}"), false},
        {"false", VIEW_INIT("{" M S ",\"stream_options\":{\"x\":1,\"include_usage\":false},\"messages\":[]}"),
         VIEW_INIT("{" M S ",\"stream_options\":{\"x\":1,\"include_usage\":true},\"messages\":[]}"), false},
        {"null inside", VIEW_INIT("{" M S ",\"stream_options\":{\"include_usage\": null },\"messages\":[]}"),
         VIEW_INIT("{" M S ",\"stream_options\":{\"include_usage\": true },\"messages\":[]}"), false},
        {"true is left alone", VIEW_INIT("{" M S ",\"stream_options\":{\"include_usage\":true},\"messages\":[]}"),
         VIEW_INIT("{" M S ",\"stream_options\":{\"include_usage\":true},\"messages\":[]}"), true},
        {"spelled in escapes",
         VIEW_INIT("{" M S ",\"stream_options\":{\"\\u0069nclude_usage\":false},\"messages\":[]}"),
         VIEW_INIT("{" M S ",\"stream_options\":{\"\\u0069nclude_usage\":true},\"messages\":[]}"), false},
        {"an empty object, more keys behind it",
         VIEW_INIT("{" M "\"stream_options\":{},\"messages\":[],\"a\":1,\"b\":{\"c\":2}," S "}"),
         VIEW_INIT("{" M "\"stream_options\":{\"include_usage\":true},\"messages\":[],\"a\":1,\"b\":{\"c\":2}," S "}"),
         false},
        {"not streamed: nothing is asked", VIEW_INIT("{" M "\"messages\":[],\"stream\":false}"),
         VIEW_INIT("{" M "\"messages\":[],\"stream\":false}"), false},
        {"stream null: nothing is asked", VIEW_INIT("{" M "\"messages\":[],\"stream\":null,\"stream_options\":null}"),
         VIEW_INIT("{" M "\"messages\":[],\"stream\":null,\"stream_options\":null}"), false},
        {"options elsewhere are not these",
         VIEW_INIT("{" M "\"messages\":[{\"stream_options\":{\"include_usage\":true}}]," S "}"),
         VIEW_INIT("{" M "\"messages\":[{\"stream_options\":{\"include_usage\":true}}]," S
                   ",\"stream_options\":{\"include_usage\":true}}"),
         false},
};

static void test_usage(void)
{
        static outcome o;
        for (size_t i = 0; i < sizeof usage / sizeof *usage; i++) {
                run(usage[i].doc, OPENAI_CHAT, 1, &o);
                bool good = !failed(o.code) && view_equal((view){o.doc, o.doc_len}, usage[i].want)
                            && o.request.usage_wanted == usage[i].usage_wanted;
                if (!tap_ok(good, "include_usage", usage[i].sentence))
                        printf("# got %.*s\n", (int)o.doc_len, (char *)o.doc);
        }
        view doc = VIEW("{" M "\"input\":\"a\"," S "}");
        run(doc, OPENAI_EMBEDDINGS, 1, &o);
        tap_ok(!failed(o.code) && !o.request.stream && view_equal((view){o.doc, o.doc_len}, doc), "include_usage",
               "embeddings are never streamed");
}

/* ---- what is refused ---- */

static const struct {
        const char *sentence;
        view doc;
        err_code code;
        openai_endpoint endpoint;
} refused[] = {
        {"no model", VIEW_INIT("{\"messages\":[]}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"no messages", VIEW_INIT("{\"model\":\"m\"}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"no input", VIEW_INIT("{\"model\":\"m\"}"), ERR_BAD_BODY, OPENAI_EMBEDDINGS},
        {"nothing at all", VIEW_INIT("{}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"an array", VIEW_INIT("[]"), ERR_BAD_BODY, OPENAI_CHAT},
        {"a string", VIEW_INIT("\"a\""), ERR_BAD_BODY, OPENAI_CHAT},
        {"a number", VIEW_INIT("1"), ERR_BAD_BODY, OPENAI_CHAT},
        {"null", VIEW_INIT("null"), ERR_BAD_BODY, OPENAI_CHAT},
        {"a model that is a number", VIEW_INIT("{\"model\":1,\"messages\":[]}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"a model that is an object", VIEW_INIT("{\"model\":{},\"messages\":[]}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"a stream that is a string", VIEW_INIT("{" M "\"stream\":\"true\",\"messages\":[]}"), ERR_BAD_BODY,
         OPENAI_CHAT},
        {"a stream that is a number", VIEW_INIT("{" M "\"stream\":1,\"messages\":[]}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"options that are an array", VIEW_INIT("{" M "\"stream_options\":[],\"messages\":[]}"), ERR_BAD_BODY,
         OPENAI_CHAT},
        {"options that are true", VIEW_INIT("{" M "\"stream_options\":true,\"messages\":[]}"), ERR_BAD_BODY,
         OPENAI_CHAT},
        {"a flag that is a number", VIEW_INIT("{" M "\"stream_options\":{\"include_usage\":1},\"messages\":[]}"),
         ERR_BAD_BODY, OPENAI_CHAT},
        {"messages that are an object", VIEW_INIT("{" M "\"messages\":{}}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"messages that are null", VIEW_INIT("{" M "\"messages\":null}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"a message that is a string", VIEW_INIT("{" M "\"messages\":[\"a\"]}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"a message that is an array", VIEW_INIT("{" M "\"messages\":[[]]}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"a role that is a number", VIEW_INIT("{" M "\"messages\":[{\"role\":1}]}"), ERR_BAD_BODY, OPENAI_CHAT},
        {"token ids", VIEW_INIT("{" M "\"input\":[1,2]}"), ERR_POLICY_LIMIT, OPENAI_EMBEDDINGS},
        {"lists of token ids", VIEW_INIT("{" M "\"input\":[[1,2],[3]]}"), ERR_POLICY_LIMIT, OPENAI_EMBEDDINGS},
        {"a number for input", VIEW_INIT("{" M "\"input\":1}"), ERR_POLICY_LIMIT, OPENAI_EMBEDDINGS},
        {"token ids among text", VIEW_INIT("{" M "\"input\":[\"a\",1]}"), ERR_POLICY_LIMIT, OPENAI_EMBEDDINGS},
        {"a key in another case", VIEW_INIT("{" M "\"messages\":[],\"Model\":\"x\"}"), ERR_DUPLICATE_KEY, OPENAI_CHAT},
        {"a key twice", VIEW_INIT("{" M "\"messages\":[],\"model\":\"x\"}"), ERR_DUPLICATE_KEY, OPENAI_CHAT},
};

static void test_refused(void)
{
        static outcome o;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                run(refused[i].doc, refused[i].endpoint, SIZE_MAX, &o);
                if (!tap_ok(o.code.code == refused[i].code && o.doc_len == 0, "refused", refused[i].sentence))
                        printf("# got %d\n", o.code.code);
        }
}

static void test_model(void)
{
        static outcome o;
        view doc = VIEW("{\"messages\":[],\"model\":\"a\\u0062\"}");
        run(doc, OPENAI_CHAT, 1, &o);
        tap_ok(!failed(o.code)
                       && view_equal(view_slice(doc, o.request.model_start, o.request.model_end), VIEW("a\\u0062")),
               "model", "its raw place is told");
        arena none;
        edits e;
        arena_init(&none, 0);
        edits_init(&e, &none);
        openai_request r = {.has_model = true, .has_payload = true, .root_end = 9, .stream = true};
        tap_ok(openai_request_finish(&r, &e).code == ERR_NO_ROOM, "model", "without memory no edit is made");
}

/* ---- made again, with the text so far ---- */

#define USER "{\"role\":\"user\",\"content\":\"hi\"}"
#define PRE  ",{PRE}"

static const struct {
        const char *sentence;
        view doc, want; /* want empty: it cannot be */
} resumes[] = {
        {"the text comes behind the messages", VIEW_INIT("{" M "\"messages\":[" USER " ],\"x\":1}"),
         VIEW_INIT("{" M "\"messages\":[" USER " " PRE "],\"x\":1}")},
        {"lists further down are none", VIEW_INIT("{" M "\"x\":{\"messages\":[]},\"messages\":[" USER "]}"),
         VIEW_INIT("{" M "\"x\":{\"messages\":[]},\"messages\":[" USER PRE "]}")},
        {"beside the edit that asks for usage", VIEW_INIT("{" M "\"stream\":true,\"messages\":[" USER "]}"),
         VIEW_INIT("{" M "\"stream\":true,\"messages\":[" USER PRE "],\"stream_options\":{\"include_usage\":true}}")},
        {"as many tokens less may be written",
         VIEW_INIT("{\"max_tokens\":100," M "\"messages\":[" USER "],\"max_completion_tokens\": 41}"),
         VIEW_INIT("{\"max_tokens\":60," M "\"messages\":[" USER PRE "],\"max_completion_tokens\": 1}")},
        {"where all were written nothing is left to say",
         VIEW_INIT("{\"max_tokens\":40," M "\"messages\":[" USER "]}"),
         {}},
        {"of either kind", VIEW_INIT("{\"max_completion_tokens\":39," M "\"messages\":[" USER "]}"), {}},
        {"what is no number of tokens stays", VIEW_INIT("{\"max_tokens\":null," M "\"messages\":[" USER "]}"),
         VIEW_INIT("{\"max_tokens\":null," M "\"messages\":[" USER PRE "]}")},
        {"one choice", VIEW_INIT("{\"n\":1," M "\"messages\":[" USER "]}"),
         VIEW_INIT("{\"n\":1," M "\"messages\":[" USER PRE "]}")},
        {"or no number of them", VIEW_INIT("{\"n\":null," M "\"messages\":[" USER "]}"),
         VIEW_INIT("{\"n\":null," M "\"messages\":[" USER PRE "]}")},
        {"not two", VIEW_INIT("{\"n\":2," M "\"messages\":[" USER "]}"), {}},
        {"a form that is text",
         VIEW_INIT("{\"response_format\":{\"type\":\"te\\u0078t\"}," M "\"messages\":[" USER "]}"),
         VIEW_INIT("{\"response_format\":{\"type\":\"te\\u0078t\"}," M "\"messages\":[" USER PRE "]}")},
        {"not JSON: its grammar would begin anew",
         VIEW_INIT("{\"response_format\":{\"type\":\"json_object\"}," M "\"messages\":[" USER "]}"),
         {}},
        {"not by a schema",
         VIEW_INIT("{" M "\"messages\":[" USER "],\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}}"),
         {}},
        {"no caller's own beginning",
         VIEW_INIT("{" M "\"messages\":[" USER ",{\"content\":\"a\",\"role\":\"assistant\"}]}"),
         {}},
        {"only the last message is one",
         VIEW_INIT("{" M "\"messages\":[{\"content\":\"a\",\"role\":\"assistant\"}," USER "]}"),
         VIEW_INIT("{" M "\"messages\":[{\"content\":\"a\",\"role\":\"assistant\"}," USER PRE "]}")},
        {"without messages there is no place for it", VIEW_INIT("{" M "\"input\":\"a\"}"), {}},
};

/* Walks the document and makes it again, `times` over. */
static err resume(view doc, int times, arena *a, emit *out)
{
        static outcome o;
        edits e;
        edit_cursor c = {};
        view piece;
        o = (outcome){};
        edits_init(&e, a);
        openai_request_begin(&o.request, OPENAI_CHAT);
        TRY(walk(doc, SIZE_MAX, a, &o));
        TRY(openai_request_finish(&o.request, &e));
        if (!openai_request_resumable(&o.request, 40))
                return OK;
        for (int i = times; i > 0; i--)
                TRY(openai_request_resume(&o.request, i > 1 ? VIEW(",{\"longer\":\"than the last\"}") : VIEW(PRE),
                                          i > 1 ? 7 : 40, &e));
        while (edit_next(&e, doc, &c, SIZE_MAX, &piece))
                emit_view(out, piece);
        return edits_length(&e, doc.len) == out->len ? OK : FAIL(BAD_BODY);
}

static void test_resumes(void)
{
        for (size_t i = 0; i < sizeof resumes / sizeof *resumes; i++) {
                bool good = true;
                for (int times = 1; times <= 3; times++) {
                        arena a;
                        uint8_t bytes[1024];
                        emit out = emit_into(bytes, sizeof bytes);
                        arena_init(&a, 1 << 20);
                        good = !failed(resume(resumes[i].doc, times, &a, &out)) && good;
                        good = view_equal((view){bytes, out.len}, resumes[i].want) && good;
                        arena_end(&a);
                }
                tap_ok(good, "made again", resumes[i].sentence);
        }
        static outcome o;
        run(VIEW("{" M "\"messages\":[]}"), OPENAI_CHAT, 1, &o);
        bool empty = o.request.messages_empty;
        run(VIEW("{" M "\"messages\":[{}]}"), OPENAI_CHAT, 1, &o);
        tap_ok(empty && !o.request.messages_empty, "made again", "whether there are messages before it is told");
        arena none;
        edits e;
        arena_init(&none, 0);
        edits_init(&e, &none);
        openai_request r = {.messages_end = 5};
        bool good = openai_request_resume(&r, VIEW(PRE), 0, &e).code == ERR_NO_ROOM;
        r.most[1].tokens = r.most[1].end = 3;
        tap_ok(good && openai_request_resume(&r, VIEW(PRE), 0, &e).code == ERR_NO_ROOM, "made again",
               "not without memory");
}

int main(void)
{
        test_texts();
        test_resumes();
        test_usage();
        test_refused();
        test_model();
        return tap_done();
}
