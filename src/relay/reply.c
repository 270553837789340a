#include <assert.h>

#include "base/clock.h"
#include "dialect/openai_error.h"
#include "relay/exchange.h"

enum : size_t { HEAD_ROOM = 2048, ERROR_ROOM = LIMIT_ERROR_MESSAGE_BYTES * 8 + 1024, PIECE_BYTES = 16 * 1024 };

#define REFUSAL(after, connection)                                                                             \
        "HTTP/1.1 503 Service Unavailable\r\n"                                                                 \
        "content-type: application/json\r\n"                                                                   \
        "content-length: 121\r\n"                                                                              \
        "retry-after: " after "\r\n"                                                                           \
        "x-lethe-attempts: 0\r\n"                                                                              \
        "x-lethe-end: LO\r\n"                                                                                  \
        "cache-control: no-store\r\n" connection "\r\n"                                                       \
        "{\"error\":{\"message\":\"The relay is at its limit. Try again shortly.\","                           \
        "\"type\":\"api_error\",\"param\":null,\"code\":\"overloaded\"}}"
#define CLOSING "connection: close\r\n"

const char *reply_overloaded(bool close, uint64_t spread)
{
        static const char *const refusals[2][3] = {{REFUSAL("1", ""), REFUSAL("2", ""), REFUSAL("3", "")},
                                                   {REFUSAL("1", CLOSING), REFUSAL("2", CLOSING),
                                                    REFUSAL("3", CLOSING)}};
        return refusals[close][spread % 3];
}

static const char *phrase_of(uint16_t status)
{
        switch (status) {
        case 200:
                return "OK";
        case 400:
                return "Bad Request";
        case 401:
                return "Unauthorized";
        case 403:
                return "Forbidden";
        case 404:
                return "Not Found";
        case 405:
                return "Method Not Allowed";
        case 408:
                return "Request Timeout";
        case 411:
                return "Length Required";
        case 413:
                return "Content Too Large";
        case 414:
                return "URI Too Long";
        case 415:
                return "Unsupported Media Type";
        case 417:
                return "Expectation Failed";
        case 422:
                return "Unprocessable Content";
        case 429:
                return "Too Many Requests";
        case 431:
                return "Request Header Fields Too Large";
        case 501:
                return "Not Implemented";
        case 502:
                return "Bad Gateway";
        case 503:
                return "Service Unavailable";
        case 504:
                return "Gateway Timeout";
        case 505:
                return "HTTP Version Not Supported";
        default:
                return "Status";
        }
}

static void emit_duration(emit *e, const char *name, uint64_t us)
{
        emit_text(e, name);
        emit_text(e, ";dur=");
        emit_u64(e, us / 1000);
        emit_byte(e, '.');
        emit_u64(e, us / 100 % 10);
}

static uint64_t between(uint64_t from, uint64_t to) { return from == 0 || to < from ? 0 : to - from; }

static void emit_timing(const exchange *x, emit *e)
{
        emit_text(e, "\r\nserver-timing: ");
        emit_duration(e, "queue", between(x->begun_us, x->complete_us));
        emit_duration(e, ", policy", between(x->complete_us, x->decided_us));
        emit_duration(e, ", dial", x->dial_us);
        if (x->first_us != 0)
                emit_duration(e, ", ttft", between(x->complete_us, x->first_us));
        emit_text(e, "\r\nx-lethe-attempts: ");
        emit_u64(e, x->tries.attempts);
        if (x->target < 0)
                return;
        const catalog        *c = x->relay->setup.catalog;
        const catalog_target *t = &c->models[x->model].targets[x->target];
        emit_text(e, "\r\nx-lethe-target: ");
        emit_text(e, c->upstreams[t->upstream].name);
        emit_byte(e, '/');
        emit_text(e, t->model);
}

static void emit_retry(const exchange *x, uint16_t status, emit *e)
{
        if (status == 429 || status == 503) {
                uint64_t spread = x->begun_us % 3;
                emit_text(e, "\r\nretry-after: ");
                emit_u64(e, x->retry_after_s > 0 ? x->retry_after_s : 1 + spread);
        }
        /* Everything this relay may try was tried: the caller's library must not multiply it, but where a time says
         * when it may come back. */
        if (x->tries.attempts > 0 && status >= 400 && status != 429)
                emit_text(e, "\r\nx-should-retry: false");
}

void reply_head(exchange *x, uint16_t status, view type, uint64_t length, emit *out)
{
        emit_text(out, "HTTP/1.1 ");
        emit_u64(out, status);
        emit_byte(out, ' ');
        emit_text(out, phrase_of(status));
        emit_text(out, "\r\ncontent-type: ");
        emit_view(out, type);
        emit_text(out, "\r\nx-request-id: ");
        emit_text(out, x->id);
        emit_timing(x, out);
        emit_retry(x, status, out);
        if (length == UINT64_MAX) {
                emit_text(out, "\r\ncache-control: no-store\r\nx-accel-buffering: no"
                               "\r\ntransfer-encoding: chunked\r\ntrailer: x-lethe-end");
        } else {
                emit_text(out, "\r\ncache-control: no-store\r\nx-lethe-end: ");
                emit_text(out, ending_code(x->ending));
                emit_text(out, "\r\ncontent-length: ");
                emit_u64(out, length);
        }
        if (x->close_after)
                emit_text(out, "\r\nconnection: close");
        emit_text(out, "\r\n\r\n");
}

/* Sends what fits; the rest when the caller has taken some of it. */
void reply_continue(exchange *x)
{
        client *c = x->client;
        while (x->piece.len > 0) {
                if (net_unsent(c->conn) > LIMIT_QUEUE_HIGH_BYTES)
                        return;
                view now = view_slice(x->piece, 0, PIECE_BYTES);
                net_write(c->conn, now);
                x->piece = view_slice(x->piece, now.len, x->piece.len);
        }
        bool close = x->close_after;
        exchange_end(x, x->ending);
        client_answered(c, close);
}

void reply_whole(exchange *x, uint16_t status, view body, ending why)
{
        uint8_t bytes[HEAD_ROOM];
        emit    e = emit_into(bytes, sizeof bytes);
        x->ending = why;
        reply_head(x, status, VIEW("application/json"), body.len, &e);
        assert(!e.full);
        net_write(x->client->conn, (view){e.bytes, e.len});
        count(x->relay, COUNTER_bytes_out, body.len);
        x->committed_head = x->committed = true;
        /* A heartbeat of a stream that was tried before would stand in the middle of this body. */
        if (x->hold.fire != nullptr)
                net_timer_clear(x->relay->setup.loop, &x->hold);
        x->state = EXCHANGE_RELAY;
        x->piece = body;
        client_wait_for(x->client, WAIT_WRITE);
        reply_continue(x);
}

static ending ending_of(const exchange *x, err_code code)
{
        if (x->ending != ENDING_WHOLE)
                return x->ending;
        if (code == ERR_OVERLOADED)
                return ENDING_SHED;
        switch (err_describe(code)->http) {
        case 401:
        case 403:
                return ENDING_REJECTED_AUTH;
        case 422:
                return ENDING_REJECTED_POLICY;
        case 429:
                return code == ERR_KEY_BUSY ? ENDING_REJECTED_QUOTA : ENDING_UPSTREAM_ERROR;
        case 503:
                return x->tries.attempts > 0 ? ENDING_UPSTREAM_ERROR : ENDING_SHED;
        case 502:
                return ENDING_UPSTREAM_ERROR;
        case 504:
                return ENDING_TIMEOUT;
        default:
                return ENDING_REJECTED_INPUT;
        }
}

static void count_refusal(relay *r, ending why)
{
        if (why == ENDING_REJECTED_AUTH)
                count(r, COUNTER_refused_auth, 1);
        else if (why == ENDING_REJECTED_POLICY)
                count(r, COUNTER_refused_policy, 1);
        else if (why == ENDING_REJECTED_INPUT)
                count(r, COUNTER_refused_input, 1);
        else if (why == ENDING_SHED)
                count(r, COUNTER_refused_overload, 1);
}

/* The body must outlive the call: it goes to x->out. */
static void reply_error_bytes(exchange *x, uint16_t status, view json, ending why)
{
        region_clear(&x->out);
        if (failed(region_append(&x->out, json))) {
                client *c = x->client;
                exchange_end(x, why);
                client_cut(c);
                return;
        }
        count_refusal(x->relay, why);
        reply_whole(x, status, region_view(&x->out), why);
}

/* Under load a refusal costs a copy and nothing else. */
static void refuse_prebuilt(exchange *x)
{
        client *c = x->client;
        /* A connection costs memory to keep and a handshake to have again: which is scarce decides. */
        bool close = x->close_after || pressure_scarce(&x->relay->pressure);
        count_refusal(x->relay, ENDING_SHED);
        net_write(c->conn, view_of_text(reply_overloaded(close, x->begun_us)));
        exchange_end(x, ENDING_SHED);
        client_answered(c, close);
}

void reply_error(exchange *x, err_code code, view detail)
{
        enum : size_t { OWN_ROOM = 1024 };
        /* A stream's head has gone before: what follows it can only be an event. */
        if (x->committed_head) {
                stream_fail(x, code, detail);
                return;
        }
        if (code == ERR_OVERLOADED && x->tries.attempts == 0) {
                refuse_prebuilt(x);
                return;
        }
        uint8_t bytes[OWN_ROOM];
        emit    e = emit_into(bytes, sizeof bytes);
        openai_error_write_own(code, detail, &e);
        assert(!e.full);
        reply_error_bytes(x, err_describe(code)->http, (view){e.bytes, e.len}, ending_of(x, code));
}

void reply_vendor_error(exchange *x, uint16_t status, err_code fallback, view vendor_body)
{
        openai_error error;
        openai_error_read(vendor_body, &x->arena, &error);
        uint8_t *room = arena_alloc(&x->arena, ERROR_ROOM);
        if (error.message.len == 0 || room == nullptr) {
                reply_error(x, fallback, (view){});
                return;
        }
        vendor_message_pass(x, &error);
        emit e = emit_into(room, ERROR_ROOM);
        openai_error_write(&error, &e);
        if (e.full)
                reply_error(x, fallback, (view){});
        else
                reply_error_bytes(x, status, (view){e.bytes, e.len}, ENDING_REJECTED_INPUT);
}
