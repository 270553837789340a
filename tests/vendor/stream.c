#include "exchange.h"

#include <string.h>

void stream_head(exchange *x, text *out)
{
        text_fmt(out,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
                 "Transfer-Encoding: chunked\r\nx-request-id: req_mock_%lu\r\n",
                 x->number);
        text_str(out, x->keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
}

/* One HTTP chunk. The size has a fixed width so that it can be filled in behind. */
static size_t chunk_open(text *out)
{
        text_str(out, "00000000\r\n");
        return out->len;
}

static void chunk_close(text *out, size_t start)
{
        size_t len = out->len - start;
        for (size_t i = 0; i < 8; i++)
                out->bytes[start - 3 - i] = "0123456789abcdef"[len >> (4 * i) & 15];
        text_str(out, "\r\n");
}

static const char *line_end(const exchange *x) { return x->fault.crlf != 0 ? "\r\n" : "\n"; }

static size_t event_open(const exchange *x, text *out)
{
        size_t start = chunk_open(out);
        if (x->fault.comments != 0)
                text_fmt(out, ": mock%s%s", line_end(x), line_end(x));
        text_str(out, "data: ");
        return start;
}

static void event_close(const exchange *x, text *out, size_t start)
{
        text_str(out, line_end(x));
        text_str(out, line_end(x));
        chunk_close(out, start);
}

static bool sends_usage(const exchange *x) { return x->include_usage && x->fault.nousage == 0; }

/* Up to and with `"delta":`. */
static size_t delta_open(const exchange *x, text *out)
{
        size_t start = event_open(x, out);
        text_slice(out, text_all(&x->prefix));
        text_str(out, "{\"index\":0,\"delta\":");
        return start;
}

static void delta_close(exchange *x, text *out, size_t start, slice finish)
{
        text_str(out, ",\"logprobs\":null,\"finish_reason\":");
        if (finish.len > 0) {
                text_str(out, "\"");
                text_slice(out, finish);
                text_str(out, "\"}]");
        } else {
                text_str(out, "null}]");
        }
        if (finish.len > 0 && x->fault.usage_in_finish != 0 && sends_usage(x)) {
                text_str(out, ",\"usage\":");
                usage_write(x, out);
                x->usage_out = true;
        } else if (x->include_usage) {
                text_str(out, ",\"usage\":null");
        }
        text_str(out, "}");
        event_close(x, out, start);
}

/* The next few characters of `s` from `at`, never cutting one. */
static slice next_piece(const exchange *x, slice s, size_t at)
{
        uint64_t count = x->fault.piece != 0 ? x->fault.piece : 1 + x->events * 7 % 5;
        size_t end = x->fault.huge != 0 ? s.len : at;
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
        size_t start = event_open(x, out);
        text_slice(out, text_all(&x->prefix));
        text_str(out, "],\"usage\":");
        usage_write(x, out);
        text_str(out, "}");
        event_close(x, out, start);
        x->usage_out = true;
}

/* Counts an event and does what the model name wants to happen after it. */
static step after_event(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        x->events++;
        if (f->cut_after != 0 && x->events >= f->cut_after)
                return f->reset != 0 ? STEP_RESET : STEP_CLOSE;
        if (f->stall_after != 0 && x->events >= f->stall_after)
                return STEP_SILENT;
        if (f->error_after != 0 && x->events >= f->error_after && x->phase <= PHASE_CONTENT) {
                size_t start = event_open(x, out);
                text_str(out, "{\"error\":{\"message\":\"The server had an error while processing your request\","
                              "\"type\":\"server_error\",\"param\":null,\"code\":null}}");
                event_close(x, out, start);
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
                size_t start = raw ? 0 : chunk_open(out);
                text_add(out, x->reply.bytes + x->reply_at, len);
                if (!raw)
                        chunk_close(out, start);
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
        text_str(out, "0\r\n\r\n");
        x->whole = true;
        x->phase = PHASE_END;
        return STEP_END;
}

step stream_step(exchange *x, text *out, uint64_t now_ms)
{
        const fault *f = &x->fault;
        if (x->phase == PHASE_ROLE) {
                x->phase = PHASE_CONTENT;
                if (f->norole == 0) {
                        role_delta(x, out);
                        return after_event(x, out, now_ms);
                }
        }
        if (x->phase == PHASE_CONTENT) {
                if (content_step(x, out))
                        return after_event(x, out, now_ms);
                x->phase = PHASE_FINISH;
        }
        if (x->phase == PHASE_FINISH) {
                x->phase = PHASE_USAGE;
                if (f->nofinish == 0) {
                        finish_delta(x, out);
                        return after_event(x, out, now_ms);
                }
        }
        if (x->phase == PHASE_USAGE) {
                x->phase = PHASE_DONE;
                if (sends_usage(x) && f->usage_in_finish == 0) {
                        usage_event(x, out);
                        return after_event(x, out, now_ms);
                }
        }
        if (x->phase == PHASE_DONE) {
                x->phase = PHASE_LAST;
                if (f->nodone == 0) {
                        size_t start = event_open(x, out);
                        text_str(out, "[DONE]");
                        event_close(x, out, start);
                        return STEP_MORE;
                }
        }
        return x->phase == PHASE_BYTES ? bytes_step(x, out, now_ms) : last_step(x, out);
}
