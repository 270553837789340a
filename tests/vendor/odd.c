/* What no vendor should send, and some do. */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

enum { CHUNK_BYTES = 16 * 1024, GZIP_WINDOW = 15 + 16 };

static const char tiny_event[] = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";

static void repeat(text *out, const char *what, size_t times)
{
        size_t len = strlen(what);
        char *at = text_room(out, len * times);
        for (size_t i = 0; i < times; i++)
                memcpy(at + i * len, what, len);
        out->len += len * times;
}

/* As much of `unit` as a chunk holds. */
static step fill(exchange *x, text *out, const char *unit, step at_end)
{
        size_t len = strlen(unit), start = stream_chunk_open(x, out);
        uint64_t left = x->fault.bytes - x->filled;
        size_t times = (left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES) / len;
        repeat(out, unit, times);
        stream_chunk_close(x, out, start);
        x->filled += times * len;
        return x->fault.bytes - x->filled < len ? at_end : STEP_MORE;
}

static step tiny(exchange *x, text *out)
{
        size_t start = stream_chunk_open(x, out);
        uint64_t left = x->fault.events - x->filled, times = CHUNK_BYTES / (sizeof tiny_event - 1);
        if (left < times)
                times = left;
        repeat(out, tiny_event, (size_t)times);
        stream_chunk_close(x, out, start);
        x->filled += times;
        x->events += times;
        if (x->filled < x->fault.events)
                return STEP_MORE;
        x->phase = PHASE_FINISH;
        return STEP_END;
}

step odd_content(exchange *x, text *out)
{
        if (slice_is(x->fault.endless, "tiny") && x->fault.events > 0)
                return tiny(x, out);
        if (slice_is(x->fault.endless, "comment"))
                return fill(x, out, ": c\n", STEP_END);
        if (slice_is(x->fault.endless, "event"))
                return fill(x, out, "data: a\n", STEP_CLOSE);
        if (x->filled == 0) {
                size_t start = stream_chunk_open(x, out);
                text_str(out, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
                stream_chunk_close(x, out, start);
        }
        return fill(x, out, "x", STEP_CLOSE);
}

void odd_garble(const exchange *x, text *out)
{
        size_t start = stream_event_open(x, out);
        text_str(out, "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":"
                      "{\"content\": ");
        stream_event_close(x, out, start);
}

void odd_after_done(const exchange *x, text *out)
{
        size_t start = stream_event_open(x, out);
        text_slice(out, text_all(&x->prefix));
        text_str(out, "{\"index\":0,\"delta\":{\"content\":\"behind the end\"},\"finish_reason\":null}]}");
        stream_event_close(x, out, start);
        start = stream_event_open(x, out);
        text_slice(out, text_all(&x->prefix));
        text_str(out, "],\"usage\":{\"prompt_tokens\":7777,\"completion_tokens\":7777,\"total_tokens\":15554}}");
        stream_event_close(x, out, start);
}

static void zip(exchange *x, text *out, slice bytes, int flush)
{
        if (x->zip == nullptr) {
                x->zip = calloc(1, sizeof *x->zip);
                if (x->zip == nullptr
                    || deflateInit2(x->zip, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
                        abort();
        }
        size_t room = deflateBound(x->zip, bytes.len) + 64;
        x->zip->next_in = (const Bytef *)bytes.at;
        x->zip->avail_in = (uInt)bytes.len;
        x->zip->next_out = (Bytef *)text_room(out, room);
        x->zip->avail_out = (uInt)room;
        if (deflate(x->zip, flush) == Z_STREAM_ERROR)
                abort();
        out->len += room - x->zip->avail_out;
}

void odd_gzip(text *to, slice from)
{
        exchange one = {};
        zip(&one, to, from, Z_FINISH);
        odd_free(&one);
}

void odd_free(exchange *x)
{
        if (x->zip != nullptr)
                deflateEnd(x->zip);
        free(x->zip);
        x->zip = nullptr;
}

/* The next piece of what is held, in a chunk of its own. */
static void piece_send(exchange *x, text *out)
{
        size_t left = x->held.len - x->held_at, len = left;
        if (x->fault.drip != 0 && x->fault.drip < len)
                len = (size_t)x->fault.drip;
        size_t start = stream_chunk_open(x, out);
        text_add(out, x->held.bytes + x->held_at, len);
        stream_chunk_close(x, out, start);
        x->held_at += len;
}

/* Has the stream's next event written where pieces are taken from. */
static void hold_next(exchange *x, uint64_t now_ms)
{
        bool had_usage = x->usage_out;
        text plain = {};
        x->held.len = x->held_at = 0;
        x->unframed = true;
        x->held_step = stream_step(x, x->fault.gzip != 0 ? &plain : &x->held, now_ms);
        x->unframed = false;
        if (x->fault.gzip != 0 && (plain.len > 0 || x->held_step == STEP_END))
                zip(x, &x->held, text_all(&plain), x->held_step == STEP_END ? Z_FINISH : Z_SYNC_FLUSH);
        text_free(&plain);
        x->held_usage = x->held_usage || (x->usage_out && !had_usage);
        x->usage_out = had_usage;
        x->whole = false;
}

step odd_pieces(exchange *x, text *out, uint64_t now_ms)
{
        if (x->held_at < x->held.len) {
                piece_send(x, out);
                /* Alone in its write: what is due later is not added to it. */
                x->due = x->fault.drip != 0 ? now_ms + (x->fault.drip_ms > 0 ? x->fault.drip_ms : 1) : x->due;
                if (x->held_at < x->held.len)
                        return STEP_MORE;
        }
        x->usage_out = x->held_usage;
        if (x->held_step == STEP_MORE) {
                hold_next(x, now_ms);
                return STEP_MORE;
        }
        if (x->held_step == STEP_END) {
                text_str(out, "0\r\n\r\n");
                x->whole = true;
        }
        return x->held_step;
}
