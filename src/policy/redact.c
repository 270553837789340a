#include "policy/redact.h"

#include <assert.h>

#include "base/secret.h"
#include "policy/detect.h"
#include "policy/fold.h"
#include "policy/mask.h"
#include "policy/token.h"
#include "policy/values.h"

/* Hashed message or decoded value that needs no memory of the arena. */
constexpr size_t SHORT_VALUE = 1024;

/* A secret longer than a window, whose end is still being looked for. */
typedef struct long_secret {
        bool      active;
        entity_id entity;
        size_t    start, at; /* in doc */
        uint8_t   matched;   /* bytes of the mark that ends a private key */
        uint8_t   dashes;    /* consecutive ones behind the mark */
        uint8_t   tail;      /* characters behind the mark; 0: before it */
} long_secret;

struct redactor {
        const policy  *policy;
        const uint8_t *key;
        arena         *arena;
        edits         *edits;
        view           doc;
        size_t         window, from, end; /* in doc: next window, first undecided byte, end of the string */
        size_t         saved;             /* budget put aside for the next window */
        bool           busy;
        uint8_t        role;
        err            first; /* sticky */
        entity_id      blocked;
        long_secret    secret;
        values         values;
        uint32_t       counts[ENTITY_COUNT];
};

/* Working memory of the one step that runs. A relay is single threaded, so all redactors share it; nothing in it
 * outlives the step (wipe_work). */
static struct {
        fold    fold;
        scan    scan;
        uint8_t message[SHORT_VALUE];
        uint8_t value[SHORT_VALUE];
} work;

static void wipe_work(void)
{
        wipe(work.fold.copy, work.fold.len);
        work.fold.len = 0;
        wipe(work.message, sizeof work.message);
        wipe(work.value, sizeof work.value);
}

/* Digits and words that detectors had in local variables. */
[[gnu::noinline]] static void wipe_stack(void)
{
        __attribute__((uninitialized)) uint8_t below[4096]; /* zeros once, not twice */
        wipe(below, sizeof below);
}

redactor *redact_begin(const policy *p, const uint8_t key[static 32], arena *a, edits *e)
{
        redactor *r = arena_alloc(a, sizeof *r);
        if (r == nullptr)
                return nullptr;
        *r = (redactor){.policy = p, .key = key, .arena = a, .edits = e};
        values_begin(&r->values, a);
        return r;
}

void redact_string(redactor *r, view doc, size_t start, size_t end, uint8_t role)
{
        assert(!r->busy || failed(r->first));
        assert(start <= end);
        assert(end <= doc.len);
        r->doc = doc;
        r->window = r->from = start;
        r->end = end;
        r->role = role;
        r->busy = true;
        r->secret = (long_secret){};
}

void redact_rebase(redactor *r, const uint8_t *doc) { r->doc.data = doc; }

/* The keyed hash of a value. err NO_ROOM */
static err digest_of(redactor *r, const finding *f, view text, uint8_t digest[static 32])
{
        size_t   most = 64 + text.len + 16;
        uint8_t *room = most <= sizeof work.message ? work.message : arena_alloc(r->arena, most);
        if (room == nullptr)
                return FAIL(NO_ROOM);
        emit out = emit_into(room, most);
        view message;
        token_prefix(f->entity, &out);
        token_normalise(f->entity, text, f->region, &out);
        TRY(emit_done(&out, &message));
        secret_hash(digest, message, (view){r->key, SECRET_KEY_BYTES});
        return OK;
}

/* Keeps the value as it is spelled here. err NO_ROOM */
static err keep_value(redactor *r, redact_entry *e, view raw)
{
        bool     is_short = raw.len <= sizeof work.value;
        uint8_t *room = is_short ? work.value : arena_alloc(r->arena, raw.len);
        if (room == nullptr)
                return FAIL(NO_ROOM);
        emit out = emit_into(room, raw.len);
        view value;
        fold_decode(raw, &out);
        TRY(emit_done(&out, &value));
        if (view_equal(value, e->value))
                return OK;
        e->value = is_short ? arena_copy(r->arena, value) : value;
        return e->value.len == value.len ? OK : FAIL(NO_ROOM);
}

static err pseudonymise(redactor *r, const finding *f, view text, size_t start, size_t end)
{
        uint8_t       digest[32];
        redact_entry *e;
        TRY(digest_of(r, f, text, digest));
        TRY(values_find(&r->values, f->entity, digest, &e));
        TRY(keep_value(r, e, view_slice(r->doc, start, end)));
        TRY(values_seen(&r->values, e, r->role));
        return edits_add(r->edits, start, end, e->token);
}

/* Does what the policy says with one finding: its copy and its raw range. */
static err act(redactor *r, const finding *f, view text, size_t start, size_t end)
{
        const policy_decision *d = &r->policy->decide[f->entity];
        r->counts[f->entity]++;
        switch (d->action) {
        case POLICY_PSEUDONYMISE:
                return pseudonymise(r, f, text, start, end);
        case POLICY_MASK: {
                emit out = emit_into(work.value, MASK_MOST);
                view masked;
                mask_write(d, text, &out);
                TRY(emit_done(&out, &masked));
                view kept = arena_copy(r->arena, masked);
                return kept.len == masked.len ? edits_add(r->edits, start, end, kept) : FAIL(NO_ROOM);
        }
        case POLICY_BLOCK:
                r->blocked = f->entity;
                return FAIL(PII_BLOCKED);
        case POLICY_ALLOW:
        case POLICY_ACTIONS:
                break;
        }
        assert(false);
        return FAIL(PII_BLOCKED);
}

/* Follows one character of a long secret. False when it is not part of it any more. */
static bool secret_goes_on(long_secret *l, uint32_t point)
{
        static const char mark[] = "-----END ";
        uint8_t c = point < 0x80 ? (uint8_t)point : 0;
        if (l->entity != ENTITY_PRIVATE_KEY)
                return byte_is(c, BYTE_WORD) || c == '.';
        if (l->tail > 0) {
                if (l->dashes == 5 || l->tail == 64)
                        return false;
                l->dashes = c == '-' ? (uint8_t)(l->dashes + 1) : 0;
                l->tail++;
                return c != 0;
        }
        if (c == (uint8_t)mark[l->matched])
                l->matched++;
        else
                l->matched = c != '-' ? 0 : l->matched == 5 ? 5 : 1;
        if (l->matched == sizeof mark - 1) {
                l->tail = 1;
                l->dashes = 0;
        }
        static const char others[] = " \t\r\n-:,>\"'\\";
        return byte_is(c, BYTE_B64) || (c != 0 && memchr(others, c, sizeof others - 1) != nullptr);
}

static err follow_secret(redactor *r, size_t *budget)
{
        long_secret *l = &r->secret;
        bool         more = true;
        while (more && l->at < r->end) {
                if (*budget == 0)
                        return OK;
                uint32_t point;
                size_t   unit = fold_unit(view_slice(r->doc, l->at, r->end), &point);
                more = secret_goes_on(l, point);
                if (!more)
                        break;
                l->at += unit;
                *budget -= unit < *budget ? unit : *budget;
        }
        l->active = false;
        r->window = r->from = l->at;
        finding f = {.entity = l->entity, .region = REGION_COUNT};
        /* Hashed as a window would have hashed it: decoded, and there is nothing in it to fold. */
        view     raw = view_slice(r->doc, l->start, l->at);
        uint8_t *room = arena_alloc(r->arena, raw.len);
        if (room == nullptr)
                return FAIL(NO_ROOM);
        emit out = emit_into(room, raw.len);
        view text;
        fold_decode(raw, &out);
        TRY(emit_done(&out, &text));
        return act(r, &f, text, l->start, l->at);
}

/* Offset in the raw window of what byte i of the text came from. */
static size_t raw_of(bool plain, size_t i) { return plain ? i : fold_start_of(&work.fold, i); }

/* A long secret that begins near the start of the window will not fit a later one better. */
static bool is_too_long(const scan *s) { return s->open == s->horizon && s->open <= SCAN_LEFT + 8; }

/* Moves on behind what this window decided. */
static void advance(redactor *r, bool plain, size_t decided_end)
{
        const scan *s = &work.scan;
        size_t      window = r->window;
        size_t      from = window + raw_of(plain, s->horizon);
        if (is_too_long(s) && from >= decided_end) {
                r->secret = (long_secret){.active = true, .entity = s->open_entity, .start = from, .at = from};
                return;
        }
        size_t left = s->horizon > SCAN_LEFT ? s->horizon - SCAN_LEFT : 0;
        r->window = window + raw_of(plain, left);
        r->from = from > decided_end ? from : decided_end;
        if (r->window == window)
                r->window = r->from;
}

/* Acts on what the scan found up to its horizon. */
static err act_on_all(redactor *r, bool plain, view rest, size_t *decided_end)
{
        const scan *s = &work.scan;
        for (size_t i = 0; i < s->count && s->found[i].start < s->horizon; i++) {
                const finding *f = &s->found[i];
                size_t start = r->window + raw_of(plain, f->start);
                size_t end = r->window + (plain ? f->end : fold_end_of(&work.fold, rest, f->end - 1));
                TRY(act(r, f, view_slice(s->text, f->start, f->end), start, end));
                *decided_end = end;
        }
        return OK;
}

/* Detects in one window and acts on what is found. */
static err scan_window(redactor *r, bool *done)
{
        view rest = view_slice(r->doc, r->window, r->end);
        view raw = view_slice(rest, 0, FOLD_WINDOW);
        bool plain = fold_is_plain(raw);
        if (!plain)
                fold_fill(&work.fold, rest);
        scan  *s = &work.scan;
        size_t taken = plain ? raw.len : work.fold.taken;
        s->text = plain ? raw : (view){work.fold.copy, work.fold.len};
        s->regions = r->policy->regions;
        s->decide = r->policy->decide;
        s->from = plain ? r->from - r->window : fold_copy_of(&work.fold, r->from - r->window);
        s->last = r->window + taken == r->end;
        detect(s);
        /* A window of invisible characters has no copy to speak of: all of it is decided. */
        if (!s->last && s->horizon <= s->from && s->open != s->horizon)
                s->horizon = s->open < s->text.len ? s->open : s->text.len;
        size_t decided_end = r->from;
        TRY(act_on_all(r, plain, rest, &decided_end));
        *done = s->last && s->horizon == s->text.len;
        if (!*done)
                advance(r, plain, decided_end);
        return OK;
}

static err step(redactor *r, size_t *budget, bool *done)
{
        while (!*done) {
                if (r->secret.active) {
                        TRY(follow_secret(r, budget));
                        if (r->secret.active)
                                return OK;
                        continue;
                }
                size_t left = r->end - r->window;
                size_t need = left < FOLD_WINDOW ? left : FOLD_WINDOW;
                if (r->saved + *budget < need) {
                        r->saved += *budget;
                        *budget = 0;
                        return OK;
                }
                size_t paid = r->saved < need ? r->saved : need;
                r->saved -= paid;
                *budget -= need - paid;
                TRY(scan_window(r, done));
        }
        return OK;
}

err redact_step(redactor *r, size_t *budget, bool *done)
{
        *done = false;
        if (failed(r->first))
                return r->first;
        assert(r->busy);
        r->first = step(r, budget, done);
        wipe_work();
        wipe_stack();
        r->busy = !*done;
        return r->first;
}

void redact_message_role(redactor *r, uint8_t role) { values_role(&r->values, role); }

entity_id redact_blocked(const redactor *r)
{
        assert(r->first.code == ERR_PII_BLOCKED);
        return r->blocked;
}

const uint32_t *redact_counts(const redactor *r) { return r->counts; }

err redact_finish(redactor *r, redact_table *out)
{
        *out = (redact_table){};
        if (failed(r->first))
                return r->first;
        values_role(&r->values, FROM_OTHER);
        return values_table(&r->values, FROM_USER | FROM_ASSISTANT | FROM_TOOL, out);
}
