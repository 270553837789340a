#include "route/fault.h"

#include <assert.h>

static const fault_row rows[FAULT_CLASSES] = {
        [FAULT_BAD_REQUEST] = {ERR_UPSTREAM_REFUSED, WHERE_NOWHERE, BLAME_NOBODY, true, false},
        [FAULT_CONTEXT] = {ERR_UPSTREAM_REFUSED, WHERE_LARGER, BLAME_NOBODY, true, false},
        [FAULT_FILTER] = {ERR_UPSTREAM_REFUSED, WHERE_NOWHERE, BLAME_NOBODY, true, false},
        [FAULT_NOT_FOUND] = {ERR_NO_MODEL, WHERE_TARGET, BLAME_NOBODY, true, false},
        [FAULT_TOO_LARGE] = {ERR_TOO_LARGE, WHERE_NOWHERE, BLAME_NOBODY, true, false},
        [FAULT_AUTH] = {ERR_UPSTREAM_AUTH, WHERE_KEY, BLAME_KEY, false, false},
        [FAULT_BILLING] = {ERR_UPSTREAM_QUOTA, WHERE_KEY, BLAME_KEY, false, false},
        [FAULT_RATE] = {ERR_UPSTREAM_RATE, WHERE_KEY, BLAME_RATE, false, false},
        [FAULT_OVERLOADED] = {ERR_UPSTREAM_BUSY, WHERE_ELSEWHERE, BLAME_MODEL, false, false},
        [FAULT_SERVER] = {ERR_UPSTREAM_FAULT, WHERE_ANYWHERE, BLAME_MODEL, false, true},
        [FAULT_TIMEOUT] = {ERR_UPSTREAM_TIMEOUT, WHERE_ELSEWHERE, BLAME_MODEL, false, true},
        [FAULT_SLOW] = {ERR_UPSTREAM_TIMEOUT, WHERE_TARGET, BLAME_MODEL, false, true},
        [FAULT_NETWORK] = {ERR_UPSTREAM_UNREACHABLE, WHERE_ELSEWHERE, BLAME_UPSTREAM, false, false},
        [FAULT_CERTIFICATE] = {ERR_UPSTREAM_CERTIFICATE, WHERE_TARGET, BLAME_UPSTREAM, false, false},
        [FAULT_CUT] = {ERR_UPSTREAM_CUT, WHERE_ANYWHERE, BLAME_MODEL, false, true},
        [FAULT_BROKEN] = {ERR_UPSTREAM_BROKEN, WHERE_ANYWHERE, BLAME_MODEL, false, true},
        [FAULT_LOST_RACE] = {ERR_UPSTREAM_FAULT, WHERE_NOWHERE, BLAME_NOBODY, false, true},
};

static const char *const names[FAULT_CLASSES] = {
        [FAULT_BAD_REQUEST] = "bad_request",
        [FAULT_CONTEXT] = "context",
        [FAULT_FILTER] = "filter",
        [FAULT_NOT_FOUND] = "not_found",
        [FAULT_TOO_LARGE] = "too_large",
        [FAULT_AUTH] = "auth",
        [FAULT_BILLING] = "billing",
        [FAULT_RATE] = "rate",
        [FAULT_OVERLOADED] = "overloaded",
        [FAULT_SERVER] = "server",
        [FAULT_TIMEOUT] = "timeout",
        [FAULT_SLOW] = "slow",
        [FAULT_NETWORK] = "network",
        [FAULT_CERTIFICATE] = "certificate",
        [FAULT_CUT] = "cut",
        [FAULT_BROKEN] = "broken",
        [FAULT_LOST_RACE] = "lost_race",
};

const fault_row *fault_describe(fault_class c)
{
        assert(c < FAULT_CLASSES);
        return &rows[c];
}

const char *fault_name(fault_class c)
{
        assert(c < FAULT_CLASSES);
        return names[c];
}

/* ---- the table ---- */

typedef enum said_kind : uint8_t { CODE, HINT, STATUS, TEXT, START } said_kind;

typedef struct said_row {
        said_kind kind;
        fault_class class;
        const char *family, *words;
} said_row;

#define VENDOR_NAME(family, other)
#define FAULT_SAID(kind, family, words, class) {kind, FAULT_##class, family, words},
static const said_row said_rows[] = {
#include "route/fault_vendor.def"
};
#undef VENDOR_NAME
#undef FAULT_SAID

#define VENDOR_NAME(family, other) {family, other},
#define FAULT_SAID(kind, family, words, class)
static const struct {
        const char *family, *other;
} vendor_names[] = {
#include "route/fault_vendor.def"
};
#undef VENDOR_NAME
#undef FAULT_SAID

enum : size_t { SAID_ROWS = sizeof said_rows / sizeof *said_rows, NAMES = sizeof vendor_names / sizeof *vendor_names };

static bool is_word_byte(uint8_t c)
{
        return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

static bool named(view vendor, const char *name)
{
        view n = view_of_text(name);
        return view_equal_nocase(view_slice(vendor, 0, n.len), n)
               && (vendor.len == n.len || !is_word_byte(vendor.data[n.len]));
}

static view family_of(const char *vendor)
{
        view v = vendor == nullptr ? (view){} : view_of_text(vendor);
        for (size_t i = 0; i < NAMES; i++)
                if (named(v, vendor_names[i].other))
                        return view_of_text(vendor_names[i].family);
        for (size_t i = 0; i < SAID_ROWS; i++)
                if (said_rows[i].family[0] != '*' && named(v, said_rows[i].family))
                        return view_of_text(said_rows[i].family);
        return (view){};
}

/* ---- codes ---- */

static bool word_is(view said, const char *words)
{
        view w = view_of_text(words);
        if (w.data[w.len - 1] == '*')
                return view_starts(said, view_slice(w, 0, w.len - 1));
        return view_equal(said, w);
}

/* FAULT_CLASSES: nothing. The table has a family's rows before those of all. */
static fault_class by_word(said_kind kind, view family, view said)
{
        for (size_t i = 0; i < SAID_ROWS; i++) {
                const said_row *r = &said_rows[i];
                if (r->kind == kind && (r->family[0] == '*' || view_equal(family, view_of_text(r->family)))
                    && word_is(said, r->words))
                        return r->class;
        }
        return FAULT_CLASSES;
}

static fault_class by_code(said_kind kind, view family, const fault_said *s)
{
        fault_class c = by_word(kind, family, s->code);
        return c < FAULT_CLASSES ? c : by_word(kind, family, s->type);
}

/* Some put the status into the body, under a status that says less: 200, or 400 for all. */
static uint16_t status_of(const fault_said *s)
{
        uint64_t n;
        return s->status < 500 && view_decimal(s->code, 599, &n) && n >= 400 ? (uint16_t)n : s->status;
}

static fault_class by_status(view family, uint16_t status)
{
        const uint8_t digits[] = {(uint8_t)('0' + status / 100 % 10), (uint8_t)('0' + status / 10 % 10),
                                  (uint8_t)('0' + status % 10)};
        fault_class c = by_word(STATUS, family, (view){digits, sizeof digits});
        if (c < FAULT_CLASSES)
                return c;
        /* A success that is none is the vendor's making, not the caller's. */
        return status >= 400 && status < 500 ? FAULT_BAD_REQUEST : FAULT_SERVER;
}

/* ---- text ---- */

enum : size_t { TEXT_BYTES = 2048 };

static bool is_quote(uint8_t c) { return c == '"' || c == '\'' || c == '`'; }

static size_t before_quotes(view text)
{
        for (size_t i = 0; i < text.len; i++)
                if (is_quote(text.data[i]))
                        return i;
        return text.len;
}

static bool holds(view text, view lower, bool at_start)
{
        for (size_t at = 0; at + lower.len <= text.len && (at == 0 || !at_start); at++)
                if (view_equal_nocase(view_slice(text, at, at + lower.len), lower))
                        return true;
        return false;
}

/* What callers wrote may stand in it: beside a code, only a vendor's own sentence may speak against a key. */
static fault_class by_text(view family, const fault_said *s, fault_class so_far)
{
        view text = view_slice(s->message, 0, TEXT_BYTES), own = view_slice(text, 0, before_quotes(text));
        for (size_t i = 0; i < SAID_ROWS; i++) {
                const said_row *r = &said_rows[i];
                if (r->kind < TEXT || (r->kind == TEXT && so_far == FAULT_RATE))
                        continue;
                if (r->family[0] != '*' && !view_equal(family, view_of_text(r->family)))
                        continue;
                bool harmless = rows[r->class].blame == BLAME_NOBODY;
                if (!harmless && s->code.len > 0 && r->family[0] == '*')
                        continue;
                if (holds(harmless ? text : own, view_of_text(r->words), r->kind == START))
                        return r->class;
        }
        return so_far;
}

/* Nothing known so far says what it is, or the class is one that a sentence may make more exact. */
static bool asks_text(fault_class c, bool unknown)
{
        return unknown || c == FAULT_BAD_REQUEST || c == FAULT_TOO_LARGE || c == FAULT_RATE;
}

fault_class fault_of(const fault_said *s)
{
        view family = family_of(s->vendor);
        uint16_t status = status_of(s);
        fault_class c = by_code(CODE, family, s), hint = by_code(HINT, family, s);
        bool coded = c < FAULT_CLASSES, hinted = hint < FAULT_CLASSES;
        if (!coded)
                c = by_status(family, status);
        if (!coded && hinted && (status < 400 || c == FAULT_BAD_REQUEST))
                c = hint;
        return asks_text(c, !coded && !hinted && status < 400) ? by_text(family, s, c) : c;
}
