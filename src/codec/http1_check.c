#include "codec/http1_check.h"

typedef enum known : uint8_t {
        HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, CONNECTION, EXPECT, UPGRADE,
        AUTHORIZATION, X_API_KEY, X_GOOG_API_KEY, KNOWN_COUNT
} known;

/* A field that two readers could take from different lines may stand once only. Connection is a list: in responses
 * all its lines are read, in requests a second one is a sign of a confused or hostile sender. */
static const struct {
        view name;
        bool once_in_request, once_in_response;
} known_fields[KNOWN_COUNT] = {
        [HOST]              = {VIEW_INIT("host"),              true,  false},
        [CONTENT_LENGTH]    = {VIEW_INIT("content-length"),    true,  true},
        [TRANSFER_ENCODING] = {VIEW_INIT("transfer-encoding"), true,  true},
        [CONTENT_ENCODING]  = {VIEW_INIT("content-encoding"),  true,  true},
        [CONTENT_TYPE]      = {VIEW_INIT("content-type"),      true,  true},
        [CONNECTION]        = {VIEW_INIT("connection"),        true,  false},
        [EXPECT]            = {VIEW_INIT("expect"),            true,  false},
        [UPGRADE]           = {VIEW_INIT("upgrade"),           false, false},
        [AUTHORIZATION]     = {VIEW_INIT("authorization"),     true,  false},
        [X_API_KEY]         = {VIEW_INIT("x-api-key"),         true,  false},
        [X_GOOG_API_KEY]    = {VIEW_INIT("x-goog-api-key"),    true,  false},
};

/* The first field of each known name; null where the head has none. */
typedef struct field_index {
        const http1_field *at[KNOWN_COUNT];
} field_index;

static err field_index_build(const http1_head *head, http1_side side, field_index *out)
{
        *out = (field_index){};
        for (size_t i = 0; i < head->count; i++) {
                const http1_field *f = &head->fields[i];
                for (size_t k = 0; k < KNOWN_COUNT; k++) {
                        if (!view_equal(f->name, known_fields[k].name))
                                continue;
                        bool once = side == HTTP1_REQUEST ? known_fields[k].once_in_request
                                                          : known_fields[k].once_in_response;
                        if (out->at[k] != nullptr && once)
                                return FAIL(BAD_HTTP);
                        if (out->at[k] == nullptr)
                                out->at[k] = f;
                        break;
                }
        }
        return OK;
}

view http1_trim(view v)
{
        while (v.len > 0 && (v.data[0] == ' ' || v.data[0] == '\t'))
                v = (view){v.data + 1, v.len - 1};
        while (v.len > 0 && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\t'))
                v.len--;
        return v;
}

/* Takes the next element of a comma list off `rest`; false when none is left. Elements may be empty. */
static bool list_next(view *rest, view *element)
{
        if (rest->data == nullptr)
                return false;
        const uint8_t *comma = memchr(rest->data, ',', rest->len);
        if (comma == nullptr) {
                *element = http1_trim(*rest);
                *rest = (view){};
                return true;
        }
        size_t before = (size_t)(comma - rest->data);
        *element = http1_trim((view){rest->data, before});
        *rest = (view){comma + 1, rest->len - before - 1};
        return true;
}

/* True when some Connection line names the option. */
static bool connection_names(const http1_head *head, view option)
{
        for (size_t i = 0; i < head->count; i++) {
                if (!view_equal(head->fields[i].name, known_fields[CONNECTION].name))
                        continue;
                view rest = head->fields[i].value, element;
                while (list_next(&rest, &element))
                        if (view_equal_nocase(element, option))
                                return true;
        }
        return false;
}

/* Only "chunked", alone, is spoken. Compression under chunked is well-formed, so it is told apart from nonsense. */
static err transfer_coding_check(view value)
{
        static const view compressions[] = {VIEW_INIT("gzip"), VIEW_INIT("x-gzip"), VIEW_INIT("deflate"),
                                            VIEW_INIT("compress"), VIEW_INIT("x-compress")};
        if (view_equal_nocase(value, VIEW("chunked")))
                return OK;
        view rest = value, element;
        while (list_next(&rest, &element)) {
                if (rest.data == nullptr && view_equal_nocase(element, VIEW("chunked")))
                        return FAIL(NOT_IMPLEMENTED);
                bool compression = false;
                for (size_t i = 0; i < sizeof compressions / sizeof compressions[0]; i++)
                        compression = compression || view_equal_nocase(element, compressions[i]);
                if (!compression)
                        return FAIL(BAD_HTTP);
        }
        return FAIL(BAD_HTTP);
}

static err framing_read(http1_head *head, const field_index *index)
{
        const http1_field *coding = index->at[TRANSFER_ENCODING], *length = index->at[CONTENT_LENGTH];
        if (coding != nullptr && length != nullptr)
                return FAIL(BAD_HTTP);
        if (coding != nullptr) {
                TRY(transfer_coding_check(coding->value));
                head->chunked = true;
        }
        if (length != nullptr) {
                if (!view_decimal(length->value, UINT64_MAX, &head->length))
                        return FAIL(BAD_HTTP);
                head->sized = true;
        }
        return OK;
}

static bool identity_coded(const field_index *index)
{
        const http1_field *f = index->at[CONTENT_ENCODING];
        return f == nullptr || view_equal_nocase(f->value, VIEW("identity"));
}

static bool port_valid(view port)
{
        uint64_t n;
        return view_decimal(port, UINT16_MAX, &n);
}

/* name, name:port, [v6] or [v6]:port. Whether the name is ours is the caller's to say. */
static bool host_valid(view host)
{
        bool   bracket = host.len > 0 && host.data[0] == '[';
        size_t at = bracket ? 1 : 0, start = at;
        for (; at < host.len; at++) {
                uint8_t c = ascii_lower(host.data[at]);
                bool    digit = c >= '0' && c <= '9';
                bool    in_v6 = digit || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
                bool    in_name = digit || (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_';
                if (bracket ? !in_v6 : !in_name)
                        break;
        }
        if (at == start)
                return false;
        if (bracket) {
                if (at == host.len || host.data[at] != ']')
                        return false;
                at++;
        }
        if (at == host.len)
                return true;
        return host.data[at] == ':' && port_valid(view_slice(host, at + 1, host.len));
}

static err host_check(const field_index *index, const http1_setup *setup)
{
        const http1_field *host = index->at[HOST];
        if (host == nullptr || !host_valid(host->value))
                return FAIL(BAD_HTTP);
        if (setup->host_allowed != nullptr && !setup->host_allowed(setup->ctx, host->value))
                return FAIL(BAD_HTTP);
        return OK;
}

/* A request with two different keys has two owners, depending on who reads it. */
static err credentials_check(const field_index *index)
{
        static const known places[] = {AUTHORIZATION, X_API_KEY, X_GOOG_API_KEY};
        const view         bearer = VIEW("bearer ");
        view               key = {};
        bool               found = false;
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
                const http1_field *f = index->at[places[i]];
                if (f == nullptr)
                        continue;
                view value = f->value;
                if (places[i] == AUTHORIZATION && view_equal_nocase(view_slice(value, 0, bearer.len), bearer))
                        value = http1_trim(view_slice(value, bearer.len, value.len));
                if (found && !view_equal(key, value))
                        return FAIL(BAD_HTTP);
                key = value;
                found = true;
        }
        return OK;
}

/* Origin form; a fragment or a NUL in disguise is never meant. */
static err target_check(view target)
{
        if (target.len == 0 || target.data[0] != '/')
                return FAIL(BAD_HTTP);
        for (size_t i = 0; i < target.len; i++) {
                if (target.data[i] == '#')
                        return FAIL(BAD_HTTP);
                if (target.data[i] == '%' && view_equal(view_slice(target, i, i + 3), VIEW("%00")))
                        return FAIL(BAD_HTTP);
        }
        return OK;
}

/* HTTP/1.0 with a coding is a smuggling attempt; without one it is somebody's old proxy, who should learn why. */
static err version_check(http1_line line, const field_index *index)
{
        if (line.major == 1 && line.minor == 1)
                return OK;
        if (line.major == 0 || index->at[TRANSFER_ENCODING] != nullptr)
                return FAIL(BAD_HTTP);
        return FAIL(BAD_VERSION);
}

static err body_check(http1_head *head, const field_index *index, const http1_setup *setup)
{
        bool carries = head->method == HTTP1_POST || head->method == HTTP1_PUT;
        if (!carries && (head->chunked || head->length > 0))
                return FAIL(BAD_HTTP);
        if (carries && !head->chunked && !head->sized)
                return FAIL(NO_LENGTH);
        if (!identity_coded(index))
                return FAIL(ENCODED_BODY);
        if (index->at[EXPECT] != nullptr) {
                if (!view_equal_nocase(index->at[EXPECT]->value, VIEW("100-continue")))
                        return FAIL(EXPECTATION);
                head->expect = head->chunked || head->length > 0;
        }
        if (head->length > setup->body_limit)
                return FAIL(TOO_LARGE);
        /* What follows an empty body that was announced may be a body somebody else believed in: do not read it. */
        if (carries && head->sized && head->length == 0)
                head->keep_alive = false;
        return OK;
}

err http1_check_request(http1_head *head, http1_line line, const http1_setup *setup)
{
        field_index index;
        TRY(field_index_build(head, HTTP1_REQUEST, &index));
        TRY(version_check(line, &index));
        if (line.connect)
                return FAIL(BAD_METHOD);
        TRY(host_check(&index, setup));
        TRY(framing_read(head, &index));
        TRY(credentials_check(&index));
        head->keep_alive = !connection_names(head, VIEW("close")) && !connection_names(head, VIEW("upgrade"))
                           && index.at[UPGRADE] == nullptr;
        if (head->method == HTTP1_OTHER) {
                /* A body would have to be read away first, and an answer to HEAD must have none. */
                head->keep_alive = head->keep_alive && !head->chunked && head->length == 0 && !line.head;
                return FAIL(BAD_METHOD);
        }
        TRY(target_check(head->target));
        return body_check(head, &index, setup);
}

err http1_check_response(http1_head *head, http1_line line, const http1_setup *setup, bool *interim)
{
        field_index index;
        TRY(field_index_build(head, HTTP1_RESPONSE, &index));
        if (line.major != 1)
                return FAIL(BAD_VERSION);
        *interim = head->status == 100 || head->status == 103;
        if (*interim)
                return index.at[CONTENT_LENGTH] == nullptr && index.at[TRANSFER_ENCODING] == nullptr
                               ? OK : FAIL(BAD_HTTP);
        bool redirect = head->status >= 300 && head->status < 400;
        if (head->status < 200 || head->status > 599 || head->status == 204 || head->status == 205 || redirect)
                return FAIL(BAD_HTTP);
        TRY(framing_read(head, &index));
        if (!identity_coded(&index) || (head->chunked && line.minor == 0) || head->length > setup->body_limit)
                return FAIL(BAD_HTTP);
        head->until_close = !head->chunked && !head->sized;
        head->keep_alive = line.minor == 1 && !head->until_close && !connection_names(head, VIEW("close"));
        return OK;
}

bool http1_frames(view name)
{
        return view_equal(name, known_fields[CONTENT_LENGTH].name)
               || view_equal(name, known_fields[TRANSFER_ENCODING].name);
}
