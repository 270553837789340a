/* The .events files beside the streams say what must come out: a line "event NAME" (without name: "event"), then each
 * line of its data behind "| ". They were made by another reader than ours. */
#include <dirent.h>

#include "base/limit.h"
#include "codec/sse.h"
#include "support/tap.h"

typedef struct transcript {
        char   text[16 * 1024];
        size_t len;
        bool   failed;
} transcript;

static void put(transcript *t, view v)
{
        size_t n = v.len < sizeof t->text - t->len ? v.len : sizeof t->text - t->len;
        if (n > 0)
                memcpy(t->text + t->len, v.data, n);
        t->len += n;
}

static void put_event(transcript *t, const sse *s)
{
        put(t, VIEW("event"));
        if (sse_name(s).len > 0)
                put(t, VIEW(" "));
        put(t, sse_name(s));
        put(t, VIEW("\n| "));
        view data = sse_data(s);
        for (size_t i = 0; i < data.len; i++) {
                put(t, view_slice(data, i, i + 1));
                if (data.data[i] == '\n')
                        put(t, VIEW("| "));
        }
        put(t, VIEW("\n"));
}

/* Feeds pieces of `step` bytes, with a cut at `cut` in any case. */
static void transcribe(view in, size_t cap, size_t step, size_t cut, transcript *t)
{
        sse  s;
        bool event;
        t->len = 0;
        t->failed = false;
        sse_begin(&s, cap);
        for (size_t at = 0, used; at < in.len && !t->failed; at += used) {
                size_t end = in.len - at > step ? at + step : in.len;
                if (at < cut && end > cut)
                        end = cut;
                t->failed = failed(sse_feed(&s, view_slice(in, at, end), &used, &event));
                if (event)
                        put_event(t, &s);
        }
        t->failed = failed(sse_eof(&s, &event)) || t->failed;
        if (event)
                put_event(t, &s);
        sse_end(&s);
}

static bool invariant(view in, size_t cap, view want, bool fails)
{
        static transcript got;
        transcribe(in, cap, SIZE_MAX, 0, &got);
        if (got.failed != fails || !view_equal((view){(uint8_t *)got.text, got.len}, want)) {
                printf("# got (failed %d) '%.*s'\n", got.failed, (int)got.len, got.text);
                return false;
        }
        transcribe(in, cap, 1, 0, &got);
        if (got.failed != fails || !view_equal((view){(uint8_t *)got.text, got.len}, want))
                return false;
        for (size_t cut = 1; cut < in.len; cut++) {
                transcribe(in, cap, SIZE_MAX, cut, &got);
                if (got.failed != fails || !view_equal((view){(uint8_t *)got.text, got.len}, want)) {
                        printf("# differs when cut at %zu\n", cut);
                        return false;
                }
        }
        return true;
}

static const struct {
        const char *name;
        view        in, want;
} rows[] = {
        {"nothing gives nothing", VIEW_INIT(""), VIEW_INIT("")},
        {"an empty line ends the event", VIEW_INIT("data: a\n\ndata: b\n\n"), VIEW_INIT("event\n| a\nevent\n| b\n")},
        {"CR ends lines", VIEW_INIT("data: a\r\rdata: b\r\r"), VIEW_INIT("event\n| a\nevent\n| b\n")},
        {"CRLF ends lines", VIEW_INIT("data: a\r\n\r\ndata: b\r\n\r\n"), VIEW_INIT("event\n| a\nevent\n| b\n")},
        {"all three mix", VIEW_INIT("data: a\r\n\rdata: b\n\r\ndata: c\r\n\n"),
         VIEW_INIT("event\n| a\nevent\n| b\nevent\n| c\n")},
        {"LF CR are two line ends", VIEW_INIT("data: a\n\rdata: b\n\n"), VIEW_INIT("event\n| a\nevent\n| b\n")},
        {"data lines are joined", VIEW_INIT("data: a\ndata:\ndata\ndata: b\n\n"),
         VIEW_INIT("event\n| a\n| \n| \n| b\n")},
        {"one space is cut, no more", VIEW_INIT("data:  a \n\ndata:\tb\n\n"),
         VIEW_INIT("event\n|  a \nevent\n| \tb\n")},
        {"an empty data line is an event", VIEW_INIT("data\n\n"), VIEW_INIT("event\n| \n")},
        {"so is one with a colon", VIEW_INIT("data:\n\ndata: \n\n"), VIEW_INIT("event\n| \nevent\n| \n")},
        {"comments are nothing", VIEW_INIT(": a\n\n:\ndata: x\n:data: y\n\n"), VIEW_INIT("event\n| x\n")},
        {"the event's name comes along", VIEW_INIT("event: n\ndata: x\n\ndata: y\n\n"),
         VIEW_INIT("event n\n| x\nevent\n| y\n")},
        {"the last name counts", VIEW_INIT("event: n\ndata: x\nevent:m\n\n"), VIEW_INIT("event m\n| x\n")},
        {"a name without value takes it back", VIEW_INIT("event: n\nevent\ndata: x\n\n"), VIEW_INIT("event\n| x\n")},
        {"an event without data is not one", VIEW_INIT("event: n\n\ndata: x\n\n"), VIEW_INIT("event\n| x\n")},
        {"id, retry and others are nothing", VIEW_INIT("id: 1\nretry: 9\ndata: x\nDATA: y\ndatum: z\ndat: u\n\n"),
         VIEW_INIT("event\n| x\n")},
        {"a long unknown field is nothing", VIEW_INIT("databasesaregreat: y\ndata: x\n\n"), VIEW_INIT("event\n| x\n")},
        {"a field of eight bytes is unknown", VIEW_INIT("data data: y\ndatadata\ndata: x\n\n"),
         VIEW_INIT("event\n| x\n")},
        {"a space before the colon is part of the name", VIEW_INIT("data : y\n data: z\n\n"), VIEW_INIT("")},
        {"a byte order mark is skipped once", VIEW_INIT("\xEF\xBB\xBF" "data: x\n\n\xEF\xBB\xBF" "data: y\n\n"),
         VIEW_INIT("event\n| x\n")},
        {"a torn mark spoils its line only", VIEW_INIT("\xEF\xBB" "data: y\ndata: x\n\n"), VIEW_INIT("event\n| x\n")},
        {"a torn mark may be a whole line", VIEW_INIT("\xEF\ndata: x\n\n"), VIEW_INIT("event\n| x\n")},
        {"a mark may be all there is", VIEW_INIT("\xEF\xBB\xBF"), VIEW_INIT("")},
        {"the first line may be empty", VIEW_INIT("\n\r\n\rdata: x\n\n"), VIEW_INIT("event\n| x\n")},
        {"a last event may lack its empty line", VIEW_INIT("data: x\n"), VIEW_INIT("event\n| x\n")},
        {"and its line end", VIEW_INIT("data: a\n\ndata: x"), VIEW_INIT("event\n| a\nevent\n| x\n")},
        {"a last line may be a bare name", VIEW_INIT("data: x\ndata"), VIEW_INIT("event\n| x\n| \n")},
        {"a last line may end at its colon", VIEW_INIT("data:"), VIEW_INIT("event\n| \n")},
        {"a long name is cut to 32 bytes", VIEW_INIT("event: 0123456789012345678901234567890123456789\ndata: x\n\n"),
         VIEW_INIT("event 01234567890123456789012345678901\n| x\n")},
        {"NUL is a byte like others", VIEW_INIT("data: a\0b\n\n"), VIEW_INIT("event\n| a\0b\n")},
        {"data of the cap is taken",
         VIEW_INIT("data: 0123456789012345678901234567890123456789\ndata: "
                   "01234567890123456789012\n\n"),
         VIEW_INIT("event\n| 0123456789012345678901234567890123456789\n| 01234567890123456789012\n")},
};

static void rows_test(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                tap_ok(invariant(rows[i].in, 64, rows[i].want, false), "sse", rows[i].name);
        tap_ok(invariant(VIEW("data: ok\n\n"
                              "data: 0123456789012345678901234567890123456789012345678901234567890123x\n\n"),
                         64, VIEW("event\n| ok\n"), true), "sse", "one byte more than the cap breaks the stream");
        tap_ok(invariant(VIEW("data: 0123456789012345678901234567890123456789012345678901234567890123\ndata\n\n"),
                         64, VIEW(""), true), "sse", "the byte that joins two lines counts");
        tap_ok(invariant(VIEW("data: 0123456789012345678901234567890123456789012345678901234567890123\ndata"),
                         64, VIEW(""), true), "sse", "also at the end");
        tap_ok(invariant(VIEW("data: 0123456789012345678901234567890123456789012345678901234567890123\ndata:"),
                         64, VIEW(""), true), "sse", "also at the end, behind a colon");
}

static size_t slurp(const char *folder, const char *name, const char *suffix, char *out, size_t cap)
{
        char path[512];
        snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
        FILE *f = fopen(path, "rb");
        if (f == nullptr)
                return SIZE_MAX;
        size_t len = fread(out, 1, cap, f);
        fclose(f);
        return len;
}

static void vectors_test(void)
{
        static const char folder[] = "tests/vectors/sse";
        static char       in[16 * 1024], want[16 * 1024];
        DIR              *d = opendir(folder);
        int               count = 0;
        for (struct dirent *e; d != nullptr && (e = readdir(d)) != nullptr;) {
                char  name[256];
                char *dot = strrchr(e->d_name, '.');
                if (dot == nullptr || strcmp(dot, ".sse") != 0)
                        continue;
                snprintf(name, sizeof name, "%.*s", (int)(dot - e->d_name), e->d_name);
                size_t in_len = slurp(folder, name, ".sse", in, sizeof in);
                size_t want_len = slurp(folder, name, ".events", want, sizeof want);
                view   stream = {(uint8_t *)in, in_len}, events = {(uint8_t *)want, want_len};
                bool   read = in_len < sizeof in && want_len < sizeof want;
                tap_ok(read && invariant(stream, 64 * 1024, events, false), name, "gives its events at every cut");
                count++;
        }
        if (d != nullptr)
                closedir(d);
        tap_ok(count >= 20, "sse", "has its vectors");
}

static void large_test(void)
{
        static uint8_t in[3 * 1024 * 1024];
        sse            s;
        size_t         used;
        bool           event;
        memset(in, 'x', sizeof in);
        memcpy(in, "data: ", 6);
        memcpy(in + sizeof in - 2, "\n\n", 2);
        sse_begin(&s, LIMIT_SSE_EVENT_BYTES);
        bool good = !failed(sse_feed(&s, (view){in, sizeof in}, &used, &event)) && event && used == sizeof in;
        tap_ok(good && sse_data(&s).len == sizeof in - 8, "sse", "a large event comes whole");
        good = !failed(sse_feed(&s, VIEW("data: y\n\n"), &used, &event)) && event;
        tap_ok(good && view_equal(sse_data(&s), VIEW("y")) && s.data.mapped <= LIMIT_STEP_BYTES, "sse",
               "its memory is given back");
        sse_end(&s);
        tap_ok(sse_data(&s).len == 0 && s.data.bytes == nullptr, "sse", "nothing stays behind");
}

static void state_test(void)
{
        sse    s;
        size_t used;
        bool   event;
        sse_begin(&s, 4);
        bool good = !failed(sse_feed(&s, VIEW(":\n:\n\n: x"), &used, &event)) && !event && used == 8;
        tap_ok(good && s.comments == 3, "sse", "comments are counted");
        good = !failed(sse_feed(&s, VIEW("\ndata: a\n\n:"), &used, &event)) && event && used == 10;
        tap_ok(good && s.comments == 0, "sse", "an event begins the count anew");
        good = failed(sse_feed(&s, VIEW("data: abcde"), &used, &event));
        tap_ok(good && !event, "sse", "an event over the cap fails");
        tap_ok(sse_feed(&s, VIEW("\n\n"), &used, &event).code == ERR_UPSTREAM_BROKEN && used == 0, "sse",
               "and stays failed");
        tap_ok(failed(sse_eof(&s, &event)) && !event, "sse", "at the end too");
        sse_end(&s);
}

int main(void)
{
        rows_test();
        vectors_test();
        large_test();
        state_test();
        return tap_done();
}
