#include "dialect/openai_usage.h"

#include "support/tap.h"

static const char SUBJECT[] = "usage";

static openai_usage taken(view doc, openai_usage u)
{
        static const json_path_row rows[] = {OPENAI_USAGE_PATHS};
        const json_paths *paths = json_paths_compile(rows, sizeof rows / sizeof *rows);
        arena a;
        arena_init(&a, 1 << 20);
        json_scan *s = json_scan_begin(doc, paths, &a);
        json_token t = {};
        size_t budget = SIZE_MAX;
        while (!failed(json_scan_next(s, &budget, &t)) && t.kind != JSON_DONE)
                if (t.path >= OPENAI_USAGE && t.path <= OPENAI_USAGE_LAST)
                        openai_usage_token(&u, doc, &t);
        arena_end(&a);
        return u;
}

static const struct {
        const char *sentence;
        view doc;
        uint64_t want[TOKENS_CLASSES]; /* input, cache read, cache write, output, reasoning */
        bool stated, suspect;
} rows[] = {
        {"no usage is not stated", VIEW_INIT("{\"a\":1}"), {}, false, false},
        {"null is not stated", VIEW_INIT("{\"usage\":null}"), {}, false, false},
        {"an empty object states nothing used", VIEW_INIT("{\"usage\":{}}"), {}, true, false},
        {"input and output",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14}}"),
         {10, 0, 0, 4, 0},
         true,
         false},
        {"five classes that share nothing",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":50,\"prompt_tokens_details\":{\"cached_"
                   "tokens\":30,"
                   "\"cache_write_tokens\":20},\"completion_tokens_details\":{\"reasoning_tokens\":15}}}"),
         {50, 30, 20, 35, 15},
         true,
         false},
        {"details before sums",
         VIEW_INIT("{\"usage\":{\"prompt_tokens_details\":{\"cached_tokens\":3},\"prompt_tokens\":10,\"completion_"
                   "tokens\":1}}"),
         {7, 3, 0, 1, 0},
         true,
         false},
        {"details that are null",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":1,\"prompt_tokens_details\":null,"
                   "\"completion_tokens_details\":{\"reasoning_tokens\":null}}}"),
         {2, 0, 0, 1, 0},
         true,
         false},
        {"all of it cached",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":5}}}"),
         {0, 5, 0, 0, 0},
         true,
         false},
        {"more cached than there was is clamped",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":6}}}"),
         {0, 5, 0, 0, 0},
         true,
         true},
        {"read and written more than there was too",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":3,\"cache_write_"
                   "tokens\":4}}}"),
         {0, 3, 2, 0, 0},
         true,
         true},
        {"more reasoning than output too",
         VIEW_INIT("{\"usage\":{\"completion_tokens\":5,\"completion_tokens_details\":{\"reasoning_tokens\":9}}}"),
         {0, 0, 0, 0, 5},
         true,
         true},
        {"a negative number is suspect",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":2}}"),
         {0, 0, 0, 2, 0},
         true,
         true},
        {"a fraction is suspect", VIEW_INIT("{\"usage\":{\"prompt_tokens\":5.0}}"), {}, true, true},
        {"a string is suspect", VIEW_INIT("{\"usage\":{\"prompt_tokens\":\"5\"}}"), {}, true, true},
        {"an object is suspect", VIEW_INIT("{\"usage\":{\"prompt_tokens\":{}}}"), {}, true, true},
        {"the most there may be",
         VIEW_INIT("{\"usage\":{\"prompt_tokens\":2147483648}}"),
         {2147483648, 0, 0, 0, 0},
         true,
         false},
        {"one more is suspect", VIEW_INIT("{\"usage\":{\"prompt_tokens\":2147483649}}"), {}, true, true},
        {"usage that is no object is not stated", VIEW_INIT("{\"usage\":[1,2]}"), {}, false, false},
        {"Kimi states it inside the choice",
         VIEW_INIT("{\"choices\":[{\"usage\":{\"prompt_tokens\":4,\"cached_tokens\":1}}]}"),
         {3, 1, 0, 0, 0}, true, false},
        {"Groq in an extension of its own", VIEW_INIT("{\"x_groq\":{\"usage\":{\"completion_tokens\":4}}}"),
         {0, 0, 0, 4, 0}, true, false},
        {"DeepSeek by another name", VIEW_INIT("{\"usage\":{\"prompt_tokens\":9,\"prompt_cache_hit_tokens\":2}}"),
         {7, 2, 0, 0, 0}, true, false},
        {"usage elsewhere is nothing", VIEW_INIT("{\"x\":{\"usage\":{\"prompt_tokens\":1}}}"), {}, false, false},
};

int main(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                openai_usage u = taken(rows[i].doc, (openai_usage){});
                tokens t = openai_usage_classes(&u);
                tap_ok(memcmp(t.count, rows[i].want, sizeof t.count) == 0 && u.stated == rows[i].stated
                               && u.is.suspect == rows[i].suspect,
                       SUBJECT, rows[i].sentence);
        }
        openai_usage u = taken(VIEW("{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":9}}"), (openai_usage){});
        u = taken(VIEW("{\"usage\":{\"prompt_tokens\":3}}"), u);
        tap_ok(u.is.prompt == 3 && u.is.completion == 0 && !u.is.suspect, SUBJECT,
               "a later statement replaces the earlier one whole");
        u = taken(VIEW("{\"usage\":null}"), u);
        tap_ok(u.is.prompt == 3 && u.stated, SUBJECT, "a later null does not");
        static const char whole[] = "{\"usage\":{\"prompt_tokens\":1000230,\"completion_tokens\":4}";
        bool good = true;
        for (size_t cut = 0; cut + 1 < sizeof whole - 1; cut++)
                good = good && !taken((view){(const uint8_t *)whole, cut}, (openai_usage){}).stated;
        tap_ok(good, SUBJECT, "a statement that is cut is none, wherever it is cut");
        return tap_done();
}
