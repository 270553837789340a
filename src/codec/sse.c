#include "codec/sse.h"

#include "base/limit.h"

/* Where in a line the next byte stands. BOM_0 to BOM_2 count the bytes of a byte order mark at the very start. */
typedef enum state : uint8_t {
        STATE_BOM_0, STATE_BOM_1, STATE_BOM_2,
        STATE_FIELD,
        STATE_SPACE, /* one space behind the colon does not count */
        STATE_DATA,
        STATE_NAME,
        STATE_SKIP,  /* a comment, or a field that means nothing here */
        STATE_FAILED,
} state;

static const uint8_t bom[] = {0xEF, 0xBB, 0xBF};

void sse_begin(sse *s, size_t cap)
{
        *s = (sse){.state = STATE_BOM_0};
        region_init(&s->data, cap);
}

/* What sse_data showed is the caller's past. A large event's memory goes back at once: streams are many. */
static void event_clear(sse *s)
{
        if (s->data.mapped > LIMIT_STEP_BYTES)
                region_end(&s->data);
        else
                region_clear(&s->data);
        s->name_len = 0;
        s->has_data = s->due = false;
}

static bool field_is(const sse *s, view name)
{
        return view_equal((view){s->field, s->field_len}, name);
}

/* The name of a field is complete: moves on to its value. */
static err value_begin(sse *s)
{
        s->state = STATE_SKIP;
        if (field_is(s, VIEW("data"))) {
                if (s->has_data)
                        TRY(region_append(&s->data, VIEW("\n")));
                s->has_data = true;
                s->state = STATE_DATA;
        } else if (field_is(s, VIEW("event"))) {
                s->name_len = 0;
                s->state = STATE_NAME;
        }
        return OK;
}

static err value_append(sse *s, view v)
{
        if (s->state == STATE_DATA)
                return region_append(&s->data, v);
        if (s->state == STATE_NAME) {
                size_t room = sizeof s->name - s->name_len;
                size_t n = v.len < room ? v.len : room;
                if (n > 0)
                        memcpy(s->name + s->name_len, v.data, n);
                s->name_len = (uint8_t)(s->name_len + n);
        }
        return OK;
}

/* A line ended; an empty one ends the event. What stands before its value is a field without one; a byte order mark
 * that broke off is a field nobody knows. */
static err line_end(sse *s)
{
        bool empty = s->state == STATE_BOM_0 || (s->state == STATE_FIELD && s->field_len == 0);
        if (!empty && (s->state == STATE_FIELD || s->state == STATE_SPACE))
                TRY(value_begin(s));
        s->field_len = 0;
        s->state = STATE_FIELD;
        if (!empty)
                return OK;
        if (s->has_data) {
                s->due = true;
                s->comments = 0;
        } else {
                s->name_len = 0;
        }
        return OK;
}

/* Bytes before the first CR or LF; all when there is none. The windows double, so that neither of the two searches
 * runs far beyond what the other finds. */
static size_t line_length(view in)
{
        constexpr size_t first = 256;
        for (size_t from = 0, window = first; from < in.len; from += window, window *= 2) {
                view           part = view_slice(in, from, from + window);
                const uint8_t *lf = memchr(part.data, '\n', part.len);
                if (lf != nullptr)
                        part.len = (size_t)(lf - part.data);
                const uint8_t *cr = part.len > 0 ? memchr(part.data, '\r', part.len) : nullptr;
                if (cr != nullptr)
                        return (size_t)(cr - in.data);
                if (lf != nullptr)
                        return (size_t)(lf - in.data);
        }
        return in.len;
}

/* The name of a field, byte by byte up to its colon; what is too long to be known is skipped. */
static void field_byte(sse *s, uint8_t c)
{
        if (c == ':' && s->field_len == 0) {
                s->state = STATE_SKIP;
                s->comments += s->comments < UINT32_MAX ? 1 : 0;
        } else if (c == ':') {
                s->state = STATE_SPACE;
        } else if (s->field_len == sizeof s->field) {
                s->state = STATE_SKIP;
        } else {
                s->field[s->field_len++] = c;
        }
}

static_assert(STATE_BOM_2 + 1 == STATE_FIELD, "a whole mark leads to the first field");

/* Takes bytes of one line, at least one unless only the state moved on. */
static err line_take(sse *s, view in, size_t *took)
{
        uint8_t c = in.data[0];
        *took = 1;
        switch ((state)s->state) {
        case STATE_BOM_0:
        case STATE_BOM_1:
        case STATE_BOM_2:
                if (c == bom[s->state]) {
                        s->state++;
                        return OK;
                }
                /* The start of a mark that is none belongs to a field nobody knows. */
                s->state = s->state == STATE_BOM_0 ? STATE_FIELD : STATE_SKIP;
                *took = 0;
                return OK;
        case STATE_FIELD:
                field_byte(s, c);
                return OK;
        case STATE_SPACE:
                *took = c == ' ' ? 1 : 0;
                return value_begin(s);
        case STATE_DATA:
        case STATE_NAME:
        case STATE_SKIP:
                *took = line_length(in);
                return value_append(s, view_slice(in, 0, *took));
        case STATE_FAILED:
                break;
        }
        return FAIL(UPSTREAM_BROKEN);
}

static err step(sse *s, view in, size_t *took)
{
        uint8_t c = in.data[0];
        *took = 1;
        bool second_half = s->after_cr && c == '\n';
        s->after_cr = false;
        if (second_half)
                return OK;
        if (c != '\r' && c != '\n')
                return line_take(s, in, took);
        s->after_cr = c == '\r';
        return line_end(s);
}

/* Every failure here is one of the stream: an event too long for the cap, or for memory. */
static err stream_fail(sse *s)
{
        s->state = STATE_FAILED;
        return FAIL(UPSTREAM_BROKEN);
}

err sse_feed(sse *s, view in, size_t *used, bool *event)
{
        *used = 0;
        *event = false;
        if (s->due)
                event_clear(s);
        if (s->state == STATE_FAILED)
                return FAIL(UPSTREAM_BROKEN);
        while (*used < in.len && !s->due) {
                size_t took;
                if (failed(step(s, view_slice(in, *used, in.len), &took)))
                        return stream_fail(s);
                *used += took;
        }
        *event = s->due;
        return OK;
}

err sse_eof(sse *s, bool *event)
{
        *event = false;
        if (s->due)
                event_clear(s);
        if (s->state == STATE_FAILED || failed(line_end(s)))
                return stream_fail(s);
        if (s->has_data) {
                s->due = *event = true;
                s->comments = 0;
        }
        return OK;
}

view sse_data(const sse *s)
{
        return region_view(&s->data);
}

view sse_name(const sse *s)
{
        return (view){s->name, s->name_len};
}

void sse_end(sse *s)
{
        region_end(&s->data);
        wipe(s, sizeof *s);
}
