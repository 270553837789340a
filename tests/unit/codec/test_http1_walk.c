#include "codec/http1_walk.h"
#include "support/tap.h"

typedef enum kind { SECTION, REQUEST_LINE, CHUNK_LINE } kind;

static const http1_bounds bounds = {20, 2, 12, {ERR_HEAD_TOO_LARGE}};

/* Walks over `in` in two pieces and sums up; stops where a walk ends or finds a fault. */
static http1_walk in_two(kind k, view in, size_t cut)
{
        http1_section      s = {};
        http1_request_line l = {};
        http1_chunk_lines  c = {};
        http1_walk         w = {};
        for (size_t piece = 0, taken = 0; piece < 2 && !w.end && !failed(w.then); piece++) {
                view part = piece == 0 ? view_slice(in, 0, cut) : view_slice(in, cut, in.len);
                w = k == SECTION        ? http1_walk_section(&s, part, &bounds)
                    : k == REQUEST_LINE ? http1_walk_request_line(&l, part)
                                        : http1_walk_chunk_line(&c, part);
                taken += w.len;
                w.len = taken;
        }
        return w;
}

typedef struct row {
        const char *name;
        view        in;
        size_t      len;
        bool        end;
        err_code    then;
} row;

static void row_test(kind k, const row *r)
{
        bool good = true;
        for (size_t cut = 0; cut <= r->in.len; cut++) {
                http1_walk w = in_two(k, r->in, cut);
                good = good && w.len == r->len && w.end == r->end && w.then.code == r->then;
        }
        tap_ok(good, "http1_walk", r->name);
}

static void section_test(void)
{
        static const row rows[] = {
                {"an empty line ends a section", VIEW_INIT("\r\nx"), 2, true, ERR_NONE},
                {"lines come before it", VIEW_INIT("a:b\r\nc:d\r\n\r\nx"), 12, true, ERR_NONE},
                {"a third line is too many, from its first byte", VIEW_INIT("a:b\r\nc:d\r\ne"), 10, false,
                 ERR_HEAD_TOO_LARGE},
                {"a line of the bound fits", VIEW_INIT("a:34567890\r\n\r\n"), 14, true, ERR_NONE},
                {"one byte more does not", VIEW_INIT("a:345678901\r\n\r\n"), 12, false, ERR_HEAD_TOO_LARGE},
                {"a section of the bound fits", VIEW_INIT("a:345678\r\nb:45\r\n\r\n"), 18, true, ERR_NONE},
                {"a larger one does not", VIEW_INIT("a:345678\r\nb:345678\r\n\r\n"), 20, false, ERR_HEAD_TOO_LARGE},
                {"an unfinished one goes on", VIEW_INIT("a:b\r\nc"), 6, false, ERR_NONE},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                row_test(SECTION, &rows[i]);

}

static void request_line_test(void)
{
        static const row rows[] = {
                {"three words end with the line", VIEW_INIT("GET / HTTP/1.1\r\nHost"), 16, true, ERR_NONE},
                {"two words are no request", VIEW_INIT("GET /\r\n"), 6, false, ERR_BAD_HTTP},
                {"two spaces are refused", VIEW_INIT("GET  / HTTP/1.1\r\n"), 4, false, ERR_BAD_HTTP},
                {"a space at the start is refused", VIEW_INIT(" GET / HTTP/1.1\r\n"), 0, false, ERR_BAD_HTTP},
                {"a fourth word is refused", VIEW_INIT("GET / HTTP/1.1 x\r\n"), 14, false, ERR_BAD_HTTP},
                {"another protocol is refused", VIEW_INIT("GET / RTSP/1.1\r\n"), 6, false, ERR_BAD_HTTP},
                {"an unfinished one goes on", VIEW_INIT("GET / HT"), 8, false, ERR_NONE},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                row_test(REQUEST_LINE, &rows[i]);

        static uint8_t     target[LIMIT_HEAD_TARGET_BYTES + 5] = "GET ";
        http1_request_line l = {};
        memset(target + 4, '/', sizeof target - 4);
        http1_walk w = http1_walk_request_line(&l, (view){target, sizeof target});
        tap_ok(w.len == sizeof target - 1 && w.then.code == ERR_URI_TOO_LONG, "http1_walk", "a long target is cut off");
}

static void chunk_line_test(void)
{
        static const row rows[] = {
                {"a size ends with its line", VIEW_INIT("1f\r\nx"), 4, true, ERR_NONE},
                {"sixteen digits fit", VIEW_INIT("0123456789abcDEF\r\n"), 18, true, ERR_NONE},
                {"seventeen do not", VIEW_INIT("00000000000000000\r\n"), 16, false, ERR_BAD_HTTP},
                {"digits of an extension are not the size's", VIEW_INIT("1;0123456789abcdef0\r\n"), 21, true, ERR_NONE},
                {"an unfinished one goes on", VIEW_INIT("1;a"), 3, false, ERR_NONE},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                row_test(CHUNK_LINE, &rows[i]);

        http1_chunk_lines c = {};
        size_t            lines = 0;
        while (lines < 1000 && http1_walk_chunk_line(&c, VIEW("1;abc\r\n")).end)
                lines++;
        tap_ok(lines == LIMIT_CHUNK_EXT_BYTES / 4, "http1_walk", "extensions are counted over all lines");
}

int main(void)
{
        section_test();
        request_line_test();
        chunk_line_test();
        return tap_done();
}
