#include "codec/http1.h"

#include <assert.h>
#include <stdckdint.h>

#include <llhttp.h>

#include "codec/http1_check.h"
#include "codec/http1_walk.h"

/* Two readers walk over every head and every chunk line: ours (http1_walk), which counts and knows where an element
 * ends, and llhttp, which knows the grammar. llhttp gets the bytes of one element at a time, never beyond its end and
 * never past a bound, and both must agree on where it ended. So no error depends on how the network cut the bytes, and
 * a message on which two readers could differ is refused. Sized bodies never pass llhttp. */

typedef enum stage : uint8_t {
        STAGE_LEAD,       /* before the start line */
        STAGE_START_LINE, /* requests */
        STAGE_FIELDS,     /* responses: with the status line */
        STAGE_SIZED,
        STAGE_CHUNK_LINE,
        STAGE_CHUNK_DATA, /* with the CRLF behind the data */
        STAGE_TRAILER,
        STAGE_UNTIL_CLOSE,
        STAGE_DONE,
        STAGE_FAILED,
        STAGE_COUNT
} stage;

enum : uint32_t { TEXT_BYTES = 2048 };

static const http1_bounds request_bounds = {LIMIT_HEAD_BYTES, LIMIT_HEAD_FIELDS, LIMIT_HEAD_FIELD_BYTES,
                                            {ERR_HEAD_TOO_LARGE}};
static const http1_bounds response_bounds = {LIMIT_RESPONSE_HEAD_BYTES, LIMIT_RESPONSE_FIELDS + 1,
                                             LIMIT_HEAD_FIELD_BYTES, {ERR_UPSTREAM_BROKEN}};
static const http1_bounds trailer_bounds = {LIMIT_TRAILER_BYTES, LIMIT_TRAILER_FIELDS, LIMIT_TRAILER_BYTES,
                                            {ERR_BAD_HTTP}};

/* Lives in http1.opaque, which was declared as something else. */
typedef struct [[gnu::may_alias]] parser {
        llhttp_t           llhttp;
        const http1_setup *setup;
        arena             *arena;
        http1_head        *head;

        uint8_t *text;     /* names and values; a token that outgrows it moves to a larger piece */
        size_t   text_cap; /* bytes */
        size_t   text_len; /* bytes in use */
        size_t   token;    /* offset of the token being read */

        uint64_t left; /* bytes still to come of a sized body, or of a chunk with its CRLF */
        uint64_t body; /* bytes of body so far, with the running chunk */

        http1_section      section; /* head, then trailer */
        http1_request_line request_line;
        http1_chunk_lines  chunk_lines;

        err     error;   /* once failed: for good. Set by callbacks too */
        stage   stage;
        uint8_t interim; /* 1xx heads skipped */
        bool    after_lead_cr, after_lead; /* the one empty line before a request */
        bool    chunk_announced;           /* llhttp read a chunk line to its end */
} parser;
static_assert(sizeof(parser) <= sizeof(((http1 *)nullptr)->opaque));
static_assert(LIMIT_HEAD_FIELDS <= LIMIT_RESPONSE_FIELDS, "requests and responses share http1_head");

static parser *parser_of(http1 *p)
{
        return (parser *)p->opaque;
}

static bool is_request(const parser *s)
{
        return s->setup->side == HTTP1_REQUEST;
}

/* Text of the head */

static err text_reserve(parser *s, size_t more)
{
        if (more <= s->text_cap - s->text_len)
                return OK;
        size_t held = s->text_len - s->token, cap = (held + more) * 2;
        if (cap < TEXT_BYTES)
                cap = TEXT_BYTES;
        uint8_t *larger = arena_alloc(s->arena, cap);
        if (larger == nullptr)
                return FAIL(NO_ROOM);
        if (held > 0)
                memcpy(larger, s->text + s->token, held);
        s->text = larger;
        s->text_cap = cap;
        s->text_len = held;
        s->token = 0;
        return OK;
}

static int text_append(parser *s, const char *at, size_t len)
{
        s->error = text_reserve(s, len);
        if (failed(s->error))
                return HPE_USER;
        if (len > 0)
                memcpy(s->text + s->text_len, at, len);
        s->text_len += len;
        return HPE_OK;
}

static view text_take(parser *s)
{
        view v = {s->text == nullptr ? nullptr : s->text + s->token, s->text_len - s->token};
        s->token = s->text_len;
        return v;
}

/* What llhttp tells */

static int on_url(llhttp_t *l, const char *at, size_t len)
{
        return text_append(l->data, at, len);
}

static int on_url_complete(llhttp_t *l)
{
        parser *s = l->data;
        s->head->target = text_take(s);
        return HPE_OK;
}

static int on_field_name(llhttp_t *l, const char *at, size_t len)
{
        parser *s = l->data;
        size_t  start = s->text_len - s->token;
        if (text_append(s, at, len) != HPE_OK)
                return HPE_USER;
        for (uint8_t *c = s->text + s->token + start; c < s->text + s->text_len; c++)
                *c = ascii_lower(*c);
        return HPE_OK;
}

static int on_field_name_complete(llhttp_t *l)
{
        parser *s = l->data;
        view    name = text_take(s);
        if (s->stage == STAGE_TRAILER) {
                if (http1_frames(name))
                        s->error = FAIL(BAD_HTTP);
        } else if (s->head->count == LIMIT_RESPONSE_FIELDS) {
                s->error = FAIL(HEAD_TOO_LARGE);
        } else {
                s->head->fields[s->head->count].name = name;
        }
        return failed(s->error) ? HPE_USER : HPE_OK;
}

static int on_field_value(llhttp_t *l, const char *at, size_t len)
{
        parser *s = l->data;
        return s->stage == STAGE_TRAILER ? HPE_OK : text_append(s, at, len);
}

static int on_field_value_complete(llhttp_t *l)
{
        parser *s = l->data;
        if (s->stage != STAGE_TRAILER)
                s->head->fields[s->head->count++].value = http1_trim(text_take(s));
        return HPE_OK;
}

static int on_pause(llhttp_t *)
{
        return HPE_PAUSED;
}

static int on_chunk_line(llhttp_t *l)
{
        parser *s = l->data;
        s->chunk_announced = true;
        s->left = l->content_length;
        return HPE_OK;
}

static void body_give(const parser *s, view piece)
{
        if (s->setup->body != nullptr && piece.len > 0)
                s->setup->body(s->setup->ctx, piece);
}

static int on_body(llhttp_t *l, const char *at, size_t len)
{
        body_give(l->data, (view){(const uint8_t *)at, len});
        return HPE_OK;
}

static const llhttp_settings_t settings = {
        .on_url = on_url,
        .on_url_complete = on_url_complete,
        .on_header_field = on_field_name,
        .on_header_field_complete = on_field_name_complete,
        .on_header_value = on_field_value,
        .on_header_value_complete = on_field_value_complete,
        .on_headers_complete = on_pause,
        .on_chunk_header = on_chunk_line,
        .on_body = on_body,
        .on_message_complete = on_pause,
};

/* Gives llhttp bytes of one element. `ended`: head or message ended, and did so with the last of these bytes. */
static err llhttp_give(parser *s, view in, bool *ended)
{
        *ended = false;
        if (in.len == 0)
                return OK;
        llhttp_errno_t e = llhttp_execute(&s->llhttp, (const char *)in.data, in.len);
        if (e == HPE_OK)
                return OK;
        TRY(s->error);
        if (e != HPE_PAUSED || (const uint8_t *)llhttp_get_error_pos(&s->llhttp) != in.data + in.len)
                return FAIL(BAD_HTTP);
        llhttp_resume(&s->llhttp);
        *ended = true;
        return OK;
}

/* The stages. Each takes at least one byte, or moves on, or says an event. */

static void section_begin(parser *s, stage next)
{
        s->section = (http1_section){};
        s->stage = next;
}

static err step_lead(parser *s, view in, size_t *took, http1_event *)
{
        if (in.len == 0)
                return OK;
        uint8_t c = in.data[0];
        if (is_request(s)) {
                if (s->after_lead_cr != (c == '\n'))
                        return FAIL(BAD_HTTP);
                *took = c == '\r' || c == '\n' ? 1 : 0;
                s->after_lead_cr = c == '\r';
                if (c == '\r' && s->after_lead)
                        return FAIL(BAD_HTTP);
                s->after_lead = s->after_lead || c == '\n';
                if (*took > 0)
                        return OK;
        } else if (c != 'H') {
                return FAIL(BAD_HTTP);
        }
        s->head = arena_alloc(s->arena, sizeof *s->head);
        if (s->head == nullptr)
                return FAIL(NO_ROOM);
        section_begin(s, is_request(s) ? STAGE_START_LINE : STAGE_FIELDS);
        return OK;
}

static err step_start_line(parser *s, view in, size_t *took, http1_event *)
{
        http1_walk w = http1_walk_request_line(&s->request_line, in);
        bool       ended;
        TRY(llhttp_give(s, view_slice(in, 0, w.len), &ended));
        *took = w.len;
        s->section.bytes += w.len;
        TRY(w.then);
        if (ended)
                return FAIL(BAD_HTTP);
        if (!w.end)
                return OK;
        if (llhttp_get_method(&s->llhttp) == HTTP_PRI)
                return FAIL(GONE);
        s->stage = STAGE_FIELDS;
        return OK;
}

static void body_begin(parser *s)
{
        if (s->head->chunked) {
                s->stage = STAGE_CHUNK_LINE;
                return;
        }
        s->left = s->head->length;
        s->stage = s->head->until_close ? STAGE_UNTIL_CLOSE : STAGE_SIZED;
}

static http1_method method_of(uint8_t method)
{
        switch (method) {
        case HTTP_GET:    return HTTP1_GET;
        case HTTP_POST:   return HTTP1_POST;
        case HTTP_DELETE: return HTTP1_DELETE;
        case HTTP_PUT:    return HTTP1_PUT;
        default:          return HTTP1_OTHER;
        }
}

static err request_head_end(parser *s, http1_line line)
{
        uint8_t method = llhttp_get_method(&s->llhttp);
        line.connect = method == HTTP_CONNECT;
        line.head = method == HTTP_HEAD;
        s->head->method = method_of(method);
        return http1_check_request(s->head, line, s->setup);
}

static err response_head_end(parser *s, http1_line line, bool *interim)
{
        s->head->status = (uint16_t)llhttp_get_status_code(&s->llhttp);
        TRY(http1_check_response(s->head, line, s->setup, interim));
        if (!*interim)
                return OK;
        if (s->interim++ == LIMIT_INTERIM_RESPONSES)
                return FAIL(BAD_HTTP);
        *s->head = (http1_head){};
        s->text_len = s->token = 0;
        llhttp_init(&s->llhttp, HTTP_RESPONSE, &settings);
        s->llhttp.data = s;
        section_begin(s, STAGE_FIELDS);
        return OK;
}

static err step_fields(parser *s, view in, size_t *took, http1_event *event)
{
        http1_walk w = http1_walk_section(&s->section, in, is_request(s) ? &request_bounds : &response_bounds);
        bool       ended, interim = false;
        TRY(llhttp_give(s, view_slice(in, 0, w.len), &ended));
        *took = w.len;
        TRY(w.then);
        if (ended != w.end)
                return FAIL(BAD_HTTP);
        if (!ended)
                return OK;
        http1_line line = {.major = llhttp_get_http_major(&s->llhttp), .minor = llhttp_get_http_minor(&s->llhttp)};
        TRY(is_request(s) ? request_head_end(s, line) : response_head_end(s, line, &interim));
        if (interim)
                return OK;
        body_begin(s);
        *event = HTTP1_HEAD;
        return OK;
}

static void message_end(parser *s, http1_event *event)
{
        s->stage = STAGE_DONE;
        *event = HTTP1_DONE;
}

static err step_sized(parser *s, view in, size_t *took, http1_event *event)
{
        *took = in.len < s->left ? in.len : (size_t)s->left;
        body_give(s, view_slice(in, 0, *took));
        s->left -= *took;
        if (s->left == 0)
                message_end(s, event);
        return OK;
}

static err step_chunk_line(parser *s, view in, size_t *took, http1_event *)
{
        http1_walk w = http1_walk_chunk_line(&s->chunk_lines, in);
        bool       ended;
        TRY(llhttp_give(s, view_slice(in, 0, w.len), &ended));
        *took = w.len;
        TRY(w.then);
        if (ended || s->chunk_announced != w.end)
                return FAIL(BAD_HTTP);
        if (!w.end)
                return OK;
        s->chunk_announced = false;
        if (s->left == 0) {
                section_begin(s, STAGE_TRAILER);
                return OK;
        }
        if (ckd_add(&s->body, s->body, s->left) || s->body > s->setup->body_limit || ckd_add(&s->left, s->left, 2u))
                return FAIL(TOO_LARGE);
        s->stage = STAGE_CHUNK_DATA;
        return OK;
}

static err step_chunk_data(parser *s, view in, size_t *took, http1_event *)
{
        size_t n = in.len < s->left ? in.len : (size_t)s->left;
        bool   ended;
        TRY(llhttp_give(s, view_slice(in, 0, n), &ended));
        *took = n;
        if (ended || s->chunk_announced)
                return FAIL(BAD_HTTP);
        s->left -= n;
        if (s->left == 0)
                s->stage = STAGE_CHUNK_LINE;
        return OK;
}

static err step_trailer(parser *s, view in, size_t *took, http1_event *event)
{
        http1_walk w = http1_walk_section(&s->section, in, &trailer_bounds);
        bool       ended;
        TRY(llhttp_give(s, view_slice(in, 0, w.len), &ended));
        *took = w.len;
        TRY(w.then);
        if (ended != w.end)
                return FAIL(BAD_HTTP);
        if (ended)
                message_end(s, event);
        return OK;
}

static err step_until_close(parser *s, view in, size_t *took, http1_event *)
{
        uint64_t room = s->setup->body_limit - s->body;
        *took = in.len < room ? in.len : (size_t)room;
        body_give(s, view_slice(in, 0, *took));
        s->body += *took;
        return *took == in.len ? OK : FAIL(TOO_LARGE);
}

static err (*const steps[STAGE_COUNT])(parser *, view, size_t *, http1_event *) = {
        [STAGE_LEAD] = step_lead,
        [STAGE_START_LINE] = step_start_line,
        [STAGE_FIELDS] = step_fields,
        [STAGE_SIZED] = step_sized,
        [STAGE_CHUNK_LINE] = step_chunk_line,
        [STAGE_CHUNK_DATA] = step_chunk_data,
        [STAGE_TRAILER] = step_trailer,
        [STAGE_UNTIL_CLOSE] = step_until_close,
};

/* A vendor's faults are one to the caller, whatever they are. */
static err parser_fail(parser *s, err e)
{
        s->error = is_request(s) || e.code == ERR_NO_ROOM ? e : FAIL(UPSTREAM_BROKEN);
        s->stage = STAGE_FAILED;
        return s->error;
}

err http1_begin(http1 *p, const http1_setup *setup, arena *memory)
{
        memset(p, 0, sizeof *p);
        parser *s = parser_of(p);
        s->setup = setup;
        s->arena = memory;
        llhttp_init(&s->llhttp, setup->side == HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
        return OK;
}

err http1_feed(http1 *p, view in, size_t *used, http1_event *event)
{
        parser *s = parser_of(p);
        *used = 0;
        *event = HTTP1_MORE;
        if (s->stage == STAGE_FAILED)
                return s->error;
        assert(s->setup != nullptr && s->stage != STAGE_DONE);
        s->llhttp.data = s;
        do {
                size_t took = 0;
                err    e = steps[s->stage](s, view_slice(in, *used, in.len), &took, event);
                p->head = s->head;
                *used += took;
                if (failed(e))
                        return parser_fail(s, e);
        } while (*event == HTTP1_MORE && *used < in.len);
        return OK;
}

err http1_eof(http1 *p, bool clean, bool *done)
{
        parser *s = parser_of(p);
        if (s->stage == STAGE_FAILED)
                return s->error;
        *done = s->stage == STAGE_DONE || (s->stage == STAGE_SIZED && s->left == 0)
                || (s->stage == STAGE_UNTIL_CLOSE && clean);
        if (*done)
                return OK;
        if (!is_request(s))
                return FAIL(UPSTREAM_CUT);
        return http1_begun(p) ? FAIL(BAD_HTTP) : FAIL(GONE);
}

bool http1_begun(const http1 *p)
{
        return p->head != nullptr;
}

view http1_get(const http1_head *head, view name)
{
        for (size_t i = 0; i < head->count; i++)
                if (view_equal(head->fields[i].name, name))
                        return head->fields[i].value;
        return (view){};
}
