/* Property: how the bytes are cut changes nothing: not the verdict, not the offsets of head and end, not a byte of
 * what is delivered. And a sized body has its size.
 *
 * First byte: bit 0 the side, bits 1 to 7 how long the pieces of the second reading are. */
#include <assert.h>

#include "base/arena.h"
#include "codec/http1.h"

typedef struct course {
        uint64_t digest, body, messages;
        err      end;
} course;

static void mix(course *c, const void *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                c->digest = (c->digest ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
}

static void on_body(void *ctx, view piece)
{
        course *c = ctx;
        mix(c, piece.data, piece.len);
        c->body += piece.len;
}

static void on_head(course *c, const http1_head *h)
{
        mix(c, h->target.data, h->target.len);
        for (size_t i = 0; i < h->count; i++) {
                mix(c, h->fields[i].name.data, h->fields[i].name.len);
                mix(c, ":", 1);
                mix(c, h->fields[i].value.data, h->fields[i].value.len);
        }
        assert(h->chunked + h->sized + h->until_close <= 1);
}

/* One message; true when another may follow. */
static bool message(course *c, const http1_setup *setup, arena *a, view in, size_t *at, size_t step)
{
        http1       p = {};
        http1_event event = HTTP1_MORE;
        bool        done;
        c->body = 0;
        c->end = http1_begin(&p, setup, a);
        while (!failed(c->end) && event != HTTP1_DONE && (*at < in.len || event == HTTP1_HEAD)) {
                size_t used, end = in.len - *at > step ? *at + step : in.len;
                c->end = http1_feed(&p, view_slice(in, *at, end), &used, &event);
                assert(used <= end - *at);
                assert(failed(c->end) || event != HTTP1_MORE || used == end - *at);
                *at += used;
                if (!failed(c->end) && event == HTTP1_HEAD)
                        on_head(c, p.head);
        }
        if (failed(c->end))
                return false;
        mix(c, at, sizeof *at);
        if (event != HTTP1_DONE) {
                c->end = http1_eof(&p, true, &done);
                return false;
        }
        c->messages++;
        assert(!p.head->sized || c->body == p.head->length);
        assert(c->body <= setup->body_limit);
        return p.head->keep_alive;
}

static course read_all(http1_side side, view in, size_t step)
{
        course      c = {};
        http1_setup setup = {side, nullptr, on_body, &c, 1024};
        arena       a;
        size_t      at = 0;
        arena_init(&a, 16 * 1024 * 1024);
        while (message(&c, &setup, &a, in, &at, step) && at < in.len)
                arena_end(&a);
        arena_end(&a);
        return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        http1_side side = (data[0] & 1) != 0 ? HTTP1_RESPONSE : HTTP1_REQUEST;
        view       in = {data + 1, size - 1};
        course     whole = read_all(side, in, SIZE_MAX), cut = read_all(side, in, 1u + (data[0] >> 1));
        assert(whole.end.code == cut.end.code && whole.digest == cut.digest && whole.messages == cut.messages);
        return 0;
}
