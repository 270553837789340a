#include "policy/restore.h"

#include <assert.h>

#include "base/word.h"
#include "policy/token.h"

/* Where the output goes, or only how much it would be. */
typedef struct sink {
        emit               *out; /* null: count only */
        size_t              bytes;
        const redact_table *table;
        restore_lane       *lane;
} sink;

void restore_begin(restore_lane *lane, restore_mode mode) { *lane = (restore_lane){.mode = mode}; }

static bool letter(uint8_t c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }

/* States of `url_state`: how much of "scheme://" was just seen. */
enum : uint8_t { URL_NONE, URL_SCHEME, URL_COLON, URL_SLASH };

static bool ends_url(const restore_lane *lane, uint8_t c)
{
        return c <= ' ' || c == 0x7f || c == '"' || c == '\'' || c == '`' || c == ')' || c == '>'
               || (c == '\\' && lane->mode == RESTORE_JSON_SOURCE);
}

/* Follows the lane's own text, one byte. */
static void follow_url(restore_lane *lane, uint8_t c)
{
        if (lane->in_url) {
                lane->in_url = !ends_url(lane, c);
                lane->url_state = URL_NONE;
                return;
        }
        if (c == '/' && lane->url_state == URL_SLASH)
                lane->in_url = true;
        if (c == '/')
                lane->url_state = lane->url_state == URL_COLON ? URL_SLASH : URL_NONE;
        else if (c == ':')
                lane->url_state = lane->url_state == URL_SCHEME ? URL_COLON : URL_NONE;
        else
                lane->url_state = letter(c) || (c >= '0' && c <= '9') ? URL_SCHEME : URL_NONE;
}

/* Follows a plain run. Outside a URL a slash can only be its first byte, and of the others the last two say all. */
static void follow_run(restore_lane *lane, view run)
{
        size_t i = 0;
        while (i < run.len && (i == 0 || lane->in_url))
                follow_url(lane, run.data[i++]);
        if (run.len - i > 2) {
                lane->url_state = URL_NONE;
                i = run.len - 2;
        }
        while (i < run.len)
                follow_url(lane, run.data[i++]);
}

static void pass(sink *s, view text)
{
        if (s->table->count > 0)
                follow_run(s->lane, text);
        s->bytes += text.len;
        if (s->out != nullptr)
                emit_view(s->out, text);
}

static size_t escaped_length(view v)
{
        size_t n = 0;
        for (size_t i = 0; i < v.len; i++) {
                uint8_t c = v.data[i];
                bool    shorthand = c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v');
                n += shorthand ? 2 : c < 0x20 ? 6 : 1;
        }
        return n;
}

static void put_value(sink *s, view value)
{
        s->lane->url_state = URL_NONE;
        s->lane->restored++;
        bool source = s->lane->mode == RESTORE_JSON_SOURCE;
        s->bytes += source ? escaped_length(value) : value.len;
        if (s->out == nullptr)
                return;
        if (source)
                emit_json_inner(s->out, value);
        else
                emit_view(s->out, value);
}

static uint8_t upper(uint8_t c) { return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c; }

/* The first entry whose token is not below `text`. */
static size_t lower_bound(const redact_table *t, view text)
{
        size_t low = 0, high = t->count;
        while (low < high) {
                size_t mid = (low + high) / 2;
                if (token_compare(t->entries[mid].token, text) < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

/* What the text at hand begins with. */
typedef struct match {
        const redact_entry *entry; /* the longest whole token, or null */
        bool                more;  /* with further bytes it may be a longer one */
} match;

static match match_at(const redact_table *t, view text)
{
        match m = {};
        text = view_slice(text, 0, t->longest);
        /* Tokens that begin with the text follow each other from the lower bound on. */
        size_t at = lower_bound(t, text);
        if (at < t->count && t->entries[at].token.len > text.len) {
                view head = view_slice(t->entries[at].token, 0, text.len);
                m.more = token_compare(head, text) == 0;
        } else if (at + 1 < t->count && t->entries[at + 1].token.len > text.len) {
                view head = view_slice(t->entries[at + 1].token, 0, text.len);
                m.more = token_compare(head, text) == 0;
        }
        for (size_t len = text.len; len >= t->shortest && m.entry == nullptr; len--) {
                view   part = view_slice(text, 0, len);
                size_t found = len == text.len ? at : lower_bound(t, part);
                if (found < t->count && token_compare(t->entries[found].token, part) == 0)
                        m.entry = &t->entries[found];
        }
        return m;
}

/* A look before that look, at every letter of an answer: do the first two letters begin a label? Few pairs do. */
static bool pair_may_begin(view text)
{
        static uint32_t seconds[26]; /* by the first letter of a label: a bit for each second one */
        static bool     filled;
        if (!filled) {
                for (entity_id e = 0; e < ENTITY_COUNT; e++) {
                        const char *label = entity_describe(e)->label;
                        seconds[label[0] - 'A'] |= 1u << (label[1] - 'A');
                }
                filled = true;
        }
        uint32_t set = seconds[upper(text.data[0]) - 'A'];
        if (text.len == 1)
                return set != 0;
        return letter(text.data[1]) && (set >> (upper(text.data[1]) - 'A') & 1) != 0;
}

/* A look before the search: the text begins as a label with its x does, as far as it goes. */
static bool may_begin(view text)
{
        if (!letter(text.data[0]) || !pair_may_begin(text))
                return false;
        uint8_t a = upper(text.data[0]);
        for (entity_id e = 0; e < ENTITY_COUNT; e++) {
                const uint8_t *label = (const uint8_t *)entity_describe(e)->label;
                if (label[0] != a)
                        continue;
                size_t i = 1;
                while (i < text.len && label[i] != 0 && upper(text.data[i]) == label[i])
                        i++;
                if (i == text.len || (label[i] == 0 && upper(text.data[i]) == 'X'))
                        return true;
        }
        return false;
}

static size_t url_run(const restore_lane *lane, view text)
{
        size_t n = 0;
        while (n < text.len && !ends_url(lane, text.data[n]))
                n++;
        return n < text.len ? n + 1 : n;
}

/* A label is whole where its x stands. */
constexpr size_t LABEL_MOST = LIMIT_TOKEN_BYTES - TOKEN_BODY_LONG - 1;

/* The next x or slash from n on. Before a slash no token begins that has no x in between, and a URL may begin at it. */
static size_t next_mark(view text, size_t n)
{
        constexpr uint64_t LOWER = WORD_ONES * ('x' ^ 'X');
        for (; text.len - n >= WORD_BYTES; n += WORD_BYTES) {
                uint64_t w = word_at(text.data + n);
                uint64_t hit = word_equal(w | LOWER, 'x') | word_equal(w, '/');
                if (hit != 0)
                        return n + word_first(hit);
        }
        while (n < text.len && upper(text.data[n]) != 'X' && text.data[n] != '/')
                n++;
        return n;
}

/* Bytes at the front of `text` that pass as they are: no token can begin there. At least one. */
static size_t plain_run(const sink *s, view text)
{
        if (s->table->count == 0)
                return text.len;
        if (s->lane->in_url)
                return url_run(s->lane, text);
        for (size_t n = 1; n < text.len;) {
                size_t mark = next_mark(text, n);
                if (mark < text.len && text.data[mark] == '/')
                        return mark;
                for (n = mark > n + LABEL_MOST ? mark - LABEL_MOST : n; n <= mark && n < text.len; n++)
                        if (may_begin(view_slice(text, n, text.len)))
                                return n;
        }
        return text.len;
}

/* Settles what stands at the front of `text`. Returns the bytes used up; 0: it may be the beginning of a token. */
static size_t settle(sink *s, view text, bool over)
{
        match m = {};
        if (s->table->count > 0 && !s->lane->in_url && may_begin(text))
                m = match_at(s->table, text);
        if (m.more && !over)
                return 0;
        if (m.entry != nullptr) {
                put_value(s, m.entry->value);
                return m.entry->token.len;
        }
        size_t n = plain_run(s, text);
        pass(s, view_slice(text, 0, n));
        return n;
}

/* Works off `text`; returns how much of it is used up. The rest is the beginning of a token. */
static size_t work_off(sink *s, view text, bool over)
{
        size_t at = 0;
        while (at < text.len) {
                size_t used = settle(s, view_slice(text, at, text.len), over);
                if (used == 0)
                        break;
                at += used;
        }
        return at;
}

static void hold(restore_lane *lane, view rest)
{
        assert(rest.len < LIMIT_TOKEN_BYTES);
        /* The rest may stand in the carry itself. */
        if (rest.len > 0)
                memmove(lane->carry, rest.data, rest.len);
        lane->carried = (uint8_t)rest.len;
}

/* Everything held, with what the lane goes on with. */
static void run(sink *s, view delta)
{
        restore_lane *lane = s->lane;
        /* What is held is settled with as many new bytes as a token can need. */
        while (lane->carried > 0 && delta.len > 0) {
                uint8_t both[2 * LIMIT_TOKEN_BYTES];
                size_t  held = lane->carried;
                size_t  add = delta.len < LIMIT_TOKEN_BYTES ? delta.len : LIMIT_TOKEN_BYTES;
                memcpy(both, lane->carry, held);
                memcpy(both + held, delta.data, add);
                size_t used = settle(s, (view){both, held + add}, false);
                if (used == 0) {
                        /* A token is shorter than what was looked at, so the delta is used up. */
                        assert(add == delta.len);
                        hold(lane, (view){both, held + add});
                        return;
                }
                size_t of_held = used < held ? used : held;
                hold(lane, (view){both + of_held, held - of_held});
                delta = view_slice(delta, used - of_held, delta.len);
        }
        if (delta.len == 0)
                return;
        size_t used = work_off(s, delta, false);
        hold(lane, view_slice(delta, used, delta.len));
}

static int hex_value(uint8_t c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = ascii_lower(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void escape_leave(sink *s)
{
        restore_lane *lane = s->lane;
        uint8_t       copy[sizeof lane->escape];
        uint8_t       len = lane->escape_len;
        memcpy(copy, lane->escape, len);
        lane->escape_len = 0;
        run(s, (view){copy, len});
}

/* \uXXXX is whole: a letter or digit goes on plain, everything else as it stands. */
static void escape_whole(sink *s)
{
        restore_lane *lane = s->lane;
        int           code = 0;
        for (size_t i = 2; i < sizeof lane->escape; i++)
                code = code * 16 + hex_value(lane->escape[i]);
        uint8_t c = (uint8_t)code;
        if (code < 0x80 && (letter(c) || (c >= '0' && c <= '9'))) {
                lane->escape_len = 0;
                run(s, (view){&c, 1});
        } else {
                escape_leave(s);
        }
}

/* Takes one byte into the escape being read; false when it does not belong there. */
static bool escape_take(sink *s, uint8_t c)
{
        restore_lane *lane = s->lane;
        if (lane->escape_len >= 2 && hex_value(c) < 0)
                return false;
        lane->escape[lane->escape_len++] = c;
        if (lane->escape_len == sizeof lane->escape)
                escape_whole(s);
        else if (lane->escape_len == 2 && c != 'u')
                escape_leave(s);
        return true;
}

static void run_source(sink *s, view delta)
{
        restore_lane *lane = s->lane;
        size_t        plain = 0;
        for (size_t i = 0; i < delta.len; i++) {
                if (lane->escape_len == 0 && delta.data[i] != '\\')
                        continue;
                run(s, view_slice(delta, plain, i));
                plain = i + 1;
                if (escape_take(s, delta.data[i]))
                        continue;
                /* No JSON, so it stands as it is; this byte is looked at again. */
                escape_leave(s);
                plain = i--;
        }
        run(s, view_slice(delta, plain, delta.len));
}

static void feed(sink *s, view delta)
{
        if (s->lane->mode == RESTORE_JSON_SOURCE && s->table->count > 0)
                run_source(s, delta);
        else
                run(s, delta);
}

void restore_feed(const redact_table *t, restore_lane *lane, view delta, emit *out)
{
        sink s = {.out = out, .table = t, .lane = lane};
        feed(&s, delta);
}

static void finish(sink *s)
{
        restore_lane *lane = s->lane;
        escape_leave(s);
        size_t used = work_off(s, (view){lane->carry, lane->carried}, true);
        assert(used == lane->carried);
        lane->carried = 0;
}

void restore_flush(const redact_table *t, restore_lane *lane, emit *out)
{
        sink s = {.out = out, .table = t, .lane = lane};
        finish(&s);
}

size_t restore_measure(const redact_table *t, const restore_lane *lane, view delta)
{
        restore_lane copy = *lane;
        sink         s = {.table = t, .lane = &copy};
        feed(&s, delta);
        finish(&s);
        return s.bytes;
}

size_t restore_room(const redact_table *t, const restore_lane *lane, size_t delta_len)
{
        size_t bytes = lane->carried + lane->escape_len + delta_len;
        if (t->count == 0)
                return bytes;
        size_t growth = lane->mode == RESTORE_JSON_SOURCE ? 6 : 1;
        return bytes + bytes / t->shortest * growth * t->longest_value;
}
