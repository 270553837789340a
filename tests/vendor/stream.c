#include "exchange.h"

#include <string.h>

/* The size has a fixed width so that it can be filled in behind. */
size_t stream_chunk_open(const exchange *x, text *out)
{
        if (!x->unframed)
                text_str(out, "00000000\r\n");
        return out->len;
}

void stream_chunk_close(const exchange *x, text *out, size_t start)
{
        if (x->unframed)
                return;
        size_t len = out->len - start;
        for (size_t i = 0; i < 8; i++)
                out->bytes[start - 3 - i] = "0123456789abcdef"[len >> (4 * i) & 15];
        text_str(out, "\r\n");
}

static const char *line_end(const exchange *x) { return x->fault.crlf != 0 ? "\r\n" : "\n"; }

size_t stream_event_open(const exchange *x, text *out)
{
        size_t start = stream_chunk_open(x, out);
        if (x->fault.bom != 0 && x->events == 0)
                text_str(out, "\xef\xbb\xbf");
        for (uint64_t i = 0; i < x->fault.comments; i++)
                text_fmt(out, ": mock%s%s", line_end(x), line_end(x));
        text_str(out, "data: ");
        return start;
}

void stream_event_close(const exchange *x, text *out, size_t start)
{
        text_str(out, line_end(x));
        text_str(out, line_end(x));
        stream_chunk_close(x, out, start);
}

static bool sends_usage(const exchange *x) { return x->include_usage && x->fault.nousage == 0; }

/* Up to and with `"delta":`. */
static size_t delta_open(const exchange *x, text *out)
{
        size_t start = stream_event_open(x, out);
        text_slice(out, text_all(&x->prefix));
        text_str(out, "{\"index\":0,\"delta\":");
        return start;
}

/* Usage on a chunk that has a choice, which is still open. */
static void delta_usage(exchange *x, text *out, bool finish)
{
        slice odd = x->fault.usage;
        bool sends = sends_usage(x), here = finish && x->fault.usage_in_finish != 0;
        if (sends && finish && slice_is(odd, "choice")) {
                text_str(out, ",\"usage\":");
                usage_write(x, out);
        }
        text_str(out, "}]");
        if (sends && finish && slice_is(odd, "x_groq")) {
                text_str(out, ",\"x_groq\":{\"id\":\"req_mock\",\"usage\":");
                usage_write(x, out);
                text_str(out, "}");
        } else if (sends && (here || (x->events == 1 && slice_is(odd, "wrong")))) {
                text_str(out, ",\"usage\":");
                usage_write(x, out);
                x->usage_out = true;
        } else if (sends && slice_is(odd, "cumulative")) {
                text_str(out, ",\"usage\":");
                usage_partial(x, out, finish ? x->usage.completion : x->events);
        } else if (x->include_usage) {
                text_str(out, ",\"usage\":null");
        }
        text_str(out, "}");
}

/* It stands elsewhere than in a chunk of its own. */
static bool usage_elsewhere(const exchange *x)
{
        return x->fault.usage_in_finish != 0 || slice_is(x->fault.usage, "wrong");
}

static void delta_close(exchange *x, text *out, size_t start, slice finish)
{
        text_str(out, ",\"logprobs\":null,\"finish_reason\":");
        if (finish.len > 0) {
                text_str(out, "\"");
                text_slice(out, finish);
                text_str(out, "\"");
        } else {
                text_str(out, "null");
        }
        delta_usage(x, out, finish.len > 0);
        stream_event_close(x, out, start);
}

/* The next few characters of `s` from `at`, never cutting one. */
static slice next_piece(const exchange *x, slice s, size_t at)
{
        uint64_t count = x->fault.piece != 0 ? x->fault.piece : 1 + x->events * 7 % 5;
        size_t end = x->fault.huge != 0 ? s.len : at;
        if (x->fault.word != 0) {
                while (end < s.len && s.at[end] == ' ')
                        end++;
                while (end < s.len && s.at[end] != ' ')
                        end++;
                return (slice){s.at + at, end - at};
        }
        while (end < s.len && count > 0) {
                do
                        end++;
                while (end < s.len && ((unsigned char)s.at[end] & 0xc0) == 0x80);
                count--;
        }
        return (slice){s.at + at, end - at};
}

static void call_delta(exchange *x, text *out, int index)
{
        tool_call *call = &x->calls[index];
        size_t start = delta_open(x, out);
        if (!call->opened) {
                call->opened = true;
                text_fmt(out,
                         "{\"tool_calls\":[{\"index\":%d,\"id\":\"call_%lu_%d\",\"type\":\"function\",\"function\":",
                         index, x->number, index);
                text_str(out, "{\"name\":\"");
                text_slice(out, text_all(&call->name));
                text_str(out, "\",\"arguments\":\"\"}}]}");
        } else {
                slice piece = next_piece(x, text_all(&call->arguments), call->sent);
                call->sent += piece.len;
                text_fmt(out, "{\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":\"", index);
                text_json(out, piece, x->fault.escape != 0);
                text_str(out, "\"}}]}");
        }
        delta_close(x, out, start, (slice){});
}

static void text_delta(exchange *x, text *out, slice piece)
{
        size_t start = delta_open(x, out);
        text_str(out, "{\"content\":\"");
        text_json(out, piece, x->fault.escape != 0);
        if (x->fault.nul != 0)
                text_add(out, "", 1);
        if (x->fault.bad_utf8 != 0)
                text_str(out, "\xff");
        text_str(out, "\"}");
        delta_close(x, out, start, (slice){});
}

static void filler_delta(exchange *x, text *out)
{
        size_t start = delta_open(x, out);
        text_str(out, "{\"content\":\"");
        char *at = text_room(out, (size_t)x->fault.size);
        for (uint64_t i = 0; i < x->fault.size; i++)
                at[i] = (char)('a' + (i + x->events) % 26);
        out->len += (size_t)x->fault.size;
        text_str(out, "\"}");
        delta_close(x, out, start, (slice){});
}

/* false: nothing is left to say. */
static bool content_step(exchange *x, text *out)
{
        uint64_t roles = x->fault.norole != 0 ? 0 : 1;
        for (int i = 0; i < x->call_count; i++) {
                if (x->calls[i].sent < x->calls[i].arguments.len) {
                        call_delta(x, out, i);
                        return true;
                }
        }
        if (x->call_count > 0)
                return false;
        if (x->fault.events != 0 && x->fault.huge == 0) {
                if (x->events - roles >= x->fault.events)
                        return false;
                filler_delta(x, out);
                return true;
        }
        if (x->reply_at >= x->reply.len)
                return false;
        slice piece = next_piece(x, text_all(&x->reply), x->reply_at);
        x->reply_at += piece.len;
        text_delta(x, out, piece);
        return true;
}

static void role_delta(exchange *x, text *out)
{
        size_t start = delta_open(x, out);
        text_fmt(out, "{\"role\":\"assistant\",\"content\":%s,\"refusal\":null}", x->call_count > 0 ? "null" : "\"\"");
        delta_close(x, out, start, (slice){});
}

static void finish_delta(exchange *x, text *out)
{
        size_t start = delta_open(x, out);
        text_str(out, "{}");
        slice finish = x->call_count > 0 ? SLICE("tool_calls") : SLICE("stop");
        delta_close(x, out, start, x->fault.finish.len > 0 ? x->fault.finish : finish);
}

static void usage_event(exchange *x, text *out)
{
        if (slice_is(x->fault.usage, "twice")) {
                size_t first = stream_event_open(x, out);
                text_slice(out, text_all(&x->prefix));
                text_str(out, "],\"usage\":");
                usage_partial(x, out, x->usage.completion / 2);
                text_str(out, "}");
                stream_event_close(x, out, first);
        }
        size_t start = stream_event_open(x, out);
        text_slice(out, text_all(&x->prefix));
        text_str(out, "],\"usage\":");
        usage_write(x, out);
        text_str(out, "}");
        stream_event_close(x, out, start);
        x->usage_out = true;
}

/* Counts an event and does what the model name wants to happen after it. */
static step after_event(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        x->events++;
        if (f->cut_after != 0 && x->events >= f->cut_after)
                return f->reset != 0 ? STEP_RESET : STEP_CLOSE;
        if (f->stall_after != 0 && x->events >= f->stall_after) {
                x->phase = f->comments_only != 0 ? PHASE_COMMENTS : PHASE_CUT;
                x->due = now_ms + f->stall_ms;
                return f->comments_only != 0 || f->stall_ms != 0 ? STEP_MORE : STEP_SILENT;
        }
        if (f->garble_after == x->events && x->events != 0 && x->phase == PHASE_CONTENT) {
                odd_garble(x, out);
                if (f->garble_lost != 0)
                        x->reply_at += next_piece(x, text_all(&x->reply), x->reply_at).len;
        }
        if (f->error_after != 0 && x->events >= f->error_after && x->phase <= PHASE_CONTENT) {
                size_t start = stream_event_open(x, out);
                refusal_event(x, out);
                stream_event_close(x, out, start);
                x->phase = PHASE_LAST;
        }
        x->due = f->gap_ms != 0 ? now_ms + f->gap_ms : 0;
        return STEP_MORE;
}

/* A file's bytes, in writes of the size asked for: chunks of a stream, or raw. */
static step bytes_step(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        size_t left = x->reply.len - x->reply_at, len = left;
        bool raw = f->raw.len > 0;
        if (f->chunk != 0 && f->chunk < len)
                len = (size_t)f->chunk;
        if (len > 0) {
                size_t start = raw ? 0 : stream_chunk_open(x, out);
                text_add(out, x->reply.bytes + x->reply_at, len);
                if (!raw)
                        stream_chunk_close(x, out, start);
                x->reply_at += len;
                return after_event(x, out, now_ms);
        }
        if (!raw) {
                slice all = text_all(&x->reply);
                x->usage_out = slice_has(all, "\"prompt_tokens\":") && x->include_usage;
                x->phase = PHASE_LAST;
                return STEP_MORE;
        }
        x->whole = true;
        x->graceful = true;
        x->phase = PHASE_END;
        return f->keep != 0 ? STEP_SILENT : STEP_CLOSE;
}

static step last_step(exchange *x, text *out)
{
        if (!x->unframed)
                text_str(out, "0\r\n\r\n");
        x->whole = true;
        x->phase = PHASE_END;
        return STEP_END;
}

static step comment_step(exchange *x, text *out, uint64_t now_ms)
{
        size_t start = stream_chunk_open(x, out);
        text_fmt(out, ": keep-alive%s%s", line_end(x), line_end(x));
        stream_chunk_close(x, out, start);
        x->due = now_ms + (x->fault.comments_only > 1 ? x->fault.comments_only : 100);
        return STEP_MORE;
}

static step role_step(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        step what = STEP_MORE;
        x->phase = PHASE_CONTENT;
        if (f->norole == 0) {
                role_delta(x, out);
                what = after_event(x, out, now_ms);
        }
        if (f->first_token_ms != 0 && f->head_waits == 0 && what == STEP_MORE && x->phase == PHASE_CONTENT)
                x->due = now_ms + f->first_token_ms;
        return what;
}

static step content_or_finish(exchange *x, text *out, uint64_t now_ms)
{
        if (x->fault.endless.len > 0) {
                step what = odd_content(x, out);
                if (what == STEP_END)
                        x->fault.endless = (slice){};
                return what == STEP_END ? STEP_MORE : what;
        }
        if (content_step(x, out))
                return after_event(x, out, now_ms);
        x->phase = PHASE_FINISH;
        return STEP_MORE;
}

static void done_write(exchange *x, text *out)
{
        size_t start = stream_event_open(x, out);
        text_str(out, "[DONE]");
        stream_event_close(x, out, start);
        if (x->fault.after_done != 0)
                odd_after_done(x, out);
}

/* From the finish chunk to the end. */
static step end_step(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        if (x->phase == PHASE_FINISH) {
                x->phase = PHASE_WAIT;
                if (f->nofinish != 0)
                        return STEP_MORE;
                finish_delta(x, out);
                return after_event(x, out, now_ms);
        }
        if (x->phase == PHASE_WAIT) {
                x->phase = PHASE_USAGE;
                x->due = f->usage_ms != 0 ? now_ms + f->usage_ms : 0;
                return STEP_MORE;
        }
        if (x->phase == PHASE_USAGE) {
                x->phase = PHASE_DONE;
                if (!sends_usage(x) || usage_elsewhere(x))
                        return STEP_MORE;
                usage_event(x, out);
                return after_event(x, out, now_ms);
        }
        if (x->phase == PHASE_DONE) {
                x->phase = PHASE_LAST;
                if (f->nodone == 0)
                        done_write(x, out);
                return STEP_MORE;
        }
        return last_step(x, out);
}

step stream_step(exchange *x, text *out, uint64_t now_ms)
{
        if (x->phase == PHASE_ROLE)
                return role_step(x, out, now_ms);
        if (x->phase == PHASE_CONTENT)
                return content_or_finish(x, out, now_ms);
        if (x->phase == PHASE_BYTES)
                return bytes_step(x, out, now_ms);
        if (x->phase == PHASE_COMMENTS)
                return comment_step(x, out, now_ms);
        return x->phase == PHASE_CUT ? STEP_CLOSE : end_step(x, out, now_ms);
}
