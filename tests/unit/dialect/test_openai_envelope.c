#include "dialect/openai_envelope.h"

#include "support/tap.h"

static const char SUBJECT[] = "envelope";

static const json_paths *paths(void)
{
        static const json_path_row rows[] = {OPENAI_ENVELOPE_PATHS};
        static const json_paths *compiled;
        if (compiled == nullptr)
                compiled = json_paths_compile(rows, sizeof rows / sizeof *rows);
        return compiled;
}

static openai_envelope_places places_of(view chunk, arena *a)
{
        openai_envelope_places p = {.alone = true};
        json_scan *s = json_scan_begin(chunk, paths(), a);
        json_token t = {};
        while (t.kind != JSON_DONE) {
                size_t budget = SIZE_MAX;
                if (failed(json_scan_next(s, &budget, &t)))
                        break;
                if (t.depth == 0 && t.kind == JSON_OBJECT)
                        p.inside = t.end;
                if (t.kind == JSON_KEY)
                        p.alone = false;
                else if (t.path >= OPENAI_ENVELOPE && t.path <= OPENAI_ENVELOPE_LAST)
                        openai_envelope_token(&p, &t);
        }
        return p;
}

static const struct {
        const char *sentence, *first[2], *chunk, *want;
} rows[] = {
        {"all four are the first one's",
         {"{\"id\":\"a\",\"created\":1,\"model\":\"m\",\"system_fingerprint\":\"f\"}"},
         "{\"id\":\"b\", \"created\":22, \"model\":\"other\", \"system_fingerprint\":\"g\", \"x\":1.50}",
         "{\"id\":\"a\", \"created\":1, \"model\":\"m\", \"system_fingerprint\":\"f\", \"x\":1.50}"},
        {"in any order, escapes as they are",
         {"{\"model\":\"m\\u0041\",\"id\":\"\"}"},
         "{\"id\":null,\"model\":\"n\"}",
         "{\"id\":\"\",\"model\":\"m\\u0041\"}"},
        {"what the chunk has not comes first",
         {"{\"id\":\"a\",\"created\":1}"},
         "{\"x\":1}",
         "{\"id\":\"a\",\"created\":1,\"x\":1}"},
        {"what the first had not becomes null",
         {"{\"id\":\"a\"}"},
         "{\"id\":\"a\",\"system_fingerprint\":\"g\"}",
         "{\"id\":\"a\",\"system_fingerprint\":null}"},
        {"the first that says one says it for all",
         {"{\"id\":\"a\"}", "{\"id\":\"z\",\"model\":\"m\"}"},
         "{\"id\":\"b\",\"model\":\"n\"}",
         "{\"id\":\"a\",\"model\":\"m\"}"},
        {"what is equal stays", {"{\"id\":\"a\"}"}, "{\"id\":\"a\"}", "{\"id\":\"a\"}"},
        {"an empty chunk stays empty", {"{\"id\":\"a\"}"}, "{}", "{}"},
        {"the same names further down are others",
         {"{\"id\":\"a\"}"},
         "{\"id\":\"b\",\"x\":{\"id\":\"c\"}}",
         "{\"id\":\"a\",\"x\":{\"id\":\"c\"}}"},
        {"an object or array in such a place is replaced whole",
         {"{\"created\":7}"},
         "{\"x\":1,\"model\":{\"a\":{\"id\":[]}},\"created\":[8,{}],\"id\":true}",
         "{\"x\":1,\"model\":null,\"created\":7,\"id\":null}"},
};

static void test_rows(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                arena a;
                edits e;
                openai_envelope v = {};
                bool good = true;
                view chunk = view_of_text(rows[i].chunk), piece;
                uint8_t bytes[512];
                emit out = emit_into(bytes, sizeof bytes);
                edit_cursor c = {};
                arena_init(&a, 1 << 20);
                edits_init(&e, &a);
                for (size_t n = 0; n < 2 && rows[i].first[n] != nullptr; n++) {
                        view first = view_of_text(rows[i].first[n]);
                        openai_envelope_places p = places_of(first, &a);
                        good = good && !failed(openai_envelope_note(&v, &p, first, &a));
                }
                openai_envelope_places p = places_of(chunk, &a);
                good = good && !failed(openai_envelope_change(&v, &p, chunk, &e));
                while (edit_next(&e, chunk, &c, SIZE_MAX, &piece))
                        emit_view(&out, piece);
                good = good && view_equal((view){bytes, out.len}, view_of_text(rows[i].want));
                if (!tap_ok(good, SUBJECT, rows[i].sentence))
                        printf("# %.*s\n", (int)out.len, (const char *)bytes);
                arena_end(&a);
        }
}

static void test_write(void)
{
        openai_envelope v = {.value = {VIEW("\"a\""), {}, VIEW("\"m\""), VIEW("null")}};
        uint8_t bytes[256];
        emit out = emit_into(bytes, openai_envelope_room(&v));
        openai_envelope_write(&v, nullptr, &out);
        tap_ok(!out.full
                       && view_equal((view){bytes, out.len},
                                     VIEW("\"id\":\"a\",\"model\":\"m\",\"system_fingerprint\":null,")),
               SUBJECT, "is written for a chunk of our own");
        openai_envelope_places p = {.at = {{1, 4}}};
        out.len = 0;
        openai_envelope_write(&v, &p, &out);
        tap_ok(view_equal((view){bytes, out.len}, VIEW("\"model\":\"m\",\"system_fingerprint\":null,")), SUBJECT,
               "or what of it is not there");
}

static void test_memory(void)
{
        arena none;
        edits e;
        openai_envelope v = {};
        openai_envelope_places p = {.at = {{6, 9}}, .inside = 1};
        arena_init(&none, 0);
        tap_ok(openai_envelope_note(&v, &p, VIEW("{\"id\":\"a\"}"), &none).code == ERR_NO_ROOM, SUBJECT,
               "without memory it is not kept");
        edits_init(&e, &none);
        tap_ok(openai_envelope_change(&v, &p, VIEW("{\"id\":\"a\"}"), &e).code == ERR_NO_ROOM, SUBJECT, "nor changed");
        p = (openai_envelope_places){.inside = 1};
        tap_ok(openai_envelope_change(&v, &p, VIEW("{\"x\":1}"), &e).code == ERR_NO_ROOM, SUBJECT, "nor added");
}

int main(void)
{
        test_rows();
        test_write();
        test_memory();
        return tap_done();
}
