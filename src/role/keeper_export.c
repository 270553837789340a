/* What the keeper knows of generations, and the exports it signs. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/secret.h"
#include "policy/entity.h"
#include "role/keeper_state.h"
#include "role/start.h"
#include "route/catalog.h"
#include "sign/minisign.h"
#include "usage/export.h"
#include "usage/quote.h"

enum : size_t {
        DIGESTS = sizeof((keeper *)nullptr)->digests / sizeof(keeper_digests),
        SIGNATURE_BYTES = 2048, /* four lines; the longest is the trusted comment */
};
static_assert(MINISIGN_TRUSTED_MAX + 512 < SIGNATURE_BYTES);
static_assert((size_t)ENTITY_COUNT <= LIMIT_ENTITIES, "a usage record has a place for every kind");

/* The newest known; zeros when none is. */
static const keeper_digests *digests_newest(const keeper *k)
{
        return &k->digests[(k->digest_count + DIGESTS - 1) % DIGESTS];
}

static keeper_digests *digests_find(keeper *k, uint32_t generation)
{
        for (unsigned i = 0; i < DIGESTS && i < k->digest_count; i++)
                if (k->digests[i].generation == generation)
                        return &k->digests[i];
        return nullptr;
}

/* A new generation has what the newest had until it is told otherwise. */
static keeper_digests *digests_of(keeper *k, uint32_t generation)
{
        keeper_digests *d = digests_find(k, generation);
        if (d != nullptr)
                return d;
        keeper_digests copy = *digests_newest(k);
        d = &k->digests[k->digest_count++ % DIGESTS];
        copy.generation = generation;
        *d = copy;
        return d;
}

static err names_of(const catalog *c, uint32_t generation, ledger *l)
{
        usage_names *n = calloc(1, sizeof *n);
        if (n == nullptr)
                return FAIL(NO_ROOM);
        n->project_count = (uint16_t)c->project_count;
        n->model_count = (uint16_t)c->model_count;
        n->vendor_count = (uint16_t)c->vendor_count;
        memcpy(n->projects, c->projects, c->project_count * sizeof c->projects[0]);
        memcpy(n->vendors, c->vendors, c->vendor_count * sizeof c->vendors[0]);
        for (size_t i = 0; i < c->model_count; i++)
                memcpy(n->models[i], c->models[i].name, sizeof n->models[i]);
        err e = ledger_names(l, generation, n);
        free(n);
        return e;
}

static err config_known(keeper *k, uint32_t generation, view text)
{
        catalog *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return FAIL(NO_ROOM);
        config_fault fault;
        err          e = catalog_compile(text, c, &fault);
        if (!failed(e))
                e = names_of(c, generation, k->ledger);
        if (!failed(e))
                memcpy(digests_of(k, generation)->config, c->digest, sizeof c->digest);
        wipe(c, sizeof *c);
        free(c);
        return e;
}

static void policy_known(keeper *k, uint32_t generation, view text)
{
        secret_sha256(digests_of(k, generation)->policy, text);
}

/* A generation that its relays refuse too changes nothing here. */
void keeper_generation(keeper *k, const wire_message *m, int fd)
{
        uint32_t generation = (uint32_t)m->number;
        region   text;
        err      e = start_read(fd, &text);
        if (!failed(e) && m->what == GENERATION_POLICY)
                policy_known(k, generation, region_view(&text));
        else if (!failed(e))
                e = k->ledger == nullptr ? FAIL(BAD_FILE) : config_known(k, generation, region_view(&text));
        region_end(&text);
        if (failed(e))
                event(EVENT_GENERATION_FAILED, generation, ROLE_KEEPER);
}

err keeper_first_policy(keeper *k)
{
        static const uint8_t  none[32];
        const keeper_digests *newest = digests_newest(k);
        if (memcmp(newest->policy, none, sizeof none) != 0)
                return OK;
        wire_message m = {.type = WIRE_GENERATION, .what = GENERATION_POLICY, .number = newest->generation};
        int          fd;
        TRY(wire_open(k->control, "policy.json", &fd));
        keeper_generation(k, &m, fd);
        close(fd);
        return OK;
}

/* Clock values of the TPM, and the chain of quotes: whoever leaves one out has to leave out all before it too. */
static void tpm_facts_of(keeper *k, export_facts *f)
{
        store_exported last;
        uint64_t       sequence = 0;
        f->has_tpm = !failed(keeper_tpm_clock(k, &f->tpm));
        if (!failed(store_export(&k->store, &sequence, &last)) && last.quote.len > 0)
                secret_sha256(f->previous_quote, last.quote);
}

static void facts_of(keeper *k, const char *kind, export_facts *f)
{
        const keeper_page    *p = k->page;
        const keeper_digests *d = digests_find(k, atomic_load(&k->board->generation));
        if (d == nullptr)
                d = digests_newest(k);
        const store_chain    *chain = &k->store.chain;
        uint64_t              now_ms = clock_ms();
        *f = (export_facts){
                .kind = kind,
                .sequence = chain->next_sequence,
                .boot_count = p->boot_count,
                .boot_started_s = p->boot_started_s,
                .previous_clean = p->previous_clean,
                .start_s = ledger_started_s(k->ledger),
                .end_s = clock_wall_s(),
                .monotonic_ms = now_ms - p->period_started_ms,
                .version = k->build->version,
                .commit = k->build->commit,
                .box = k->box,
        };
        memcpy(f->previous, chain->previous, sizeof f->previous);
        const store_succeeds *from = &k->store.succeeds;
        f->succeeds = from->there != 0;
        f->succeeds_next = from->next_sequence;
        memcpy(f->succeeds_device, from->device, sizeof f->succeeds_device);
        memcpy(f->succeeds_key_number, from->export_key_number, sizeof f->succeeds_key_number);
        memcpy(f->succeeds_previous, from->previous, sizeof f->succeeds_previous);
        memcpy(f->device, k->store.info.device, sizeof f->device);
        memcpy(f->boot_id, p->boot_id, sizeof f->boot_id);
        memcpy(f->policy_digest, d->policy, sizeof f->policy_digest);
        memcpy(f->config_digest, d->config, sizeof f->config_digest);
        tpm_facts_of(k, f);
        for (unsigned i = 0; i < ENTITY_COUNT; i++)
                f->entity_names[i] = entity_describe((entity_id)i)->name;
}

/* The trusted comment, so that a person sees at verification what was verified. */
static void comment_of(const export_facts *f, view body, emit *out)
{
        uint8_t digest[32];
        secret_sha256(digest, body);
        emit_text(out, "seq:");
        emit_u64(out, f->sequence);
        emit_text(out, " sha256:");
        emit_hex(out, (view){digest, sizeof digest});
        emit_text(out, " device:");
        emit_hex(out, (view){f->device, sizeof f->device});
        emit_text(out, " prev:");
        emit_hex(out, (view){f->previous, sizeof f->previous});
}

static err sign_and_store(keeper *k, const export_facts *f, region *room, bool clean)
{
        minisign_key key;
        uint8_t      comment_bytes[MINISIGN_TRUSTED_MAX], signature_bytes[SIGNATURE_BYTES], quote_bytes[QUOTE_MAX];
        emit         body = emit_into(room->bytes, room->mapped);
        emit         comment = emit_into(comment_bytes, sizeof comment_bytes);
        emit         signature = emit_into(signature_bytes, sizeof signature_bytes);
        emit         quote = emit_into(quote_bytes, sizeof quote_bytes);
        TRY(export_write(f, k->ledger, &body));
        view whole = {body.bytes, body.len};
        comment_of(f, whole, &comment);
        store_signing_key(&k->store, &key);
        err e = minisign_write(&key, whole, (view){comment.bytes, comment.len}, &signature);
        minisign_key_wipe(&key);
        TRY(e);
        /* What was counted is told whether a TPM signs it or not. */
        if (!f->has_tpm || failed(keeper_tpm_quote(k, whole, &quote)))
                quote.len = 0;
        const store_exported files = {whole, {signature.bytes, signature.len}, {quote.bytes, quote.len}};
        ledger_set_exporting(k->ledger, f->sequence);
        e = store_append_export(&k->store, f->sequence, &files, clean);
        if (failed(e))
                ledger_set_exporting(k->ledger, 0);
        return e;
}

err keeper_export(keeper *k, const char *kind, bool clean, uint64_t *sequence)
{
        assert(store_is_open(&k->store));
        export_facts f;
        minisign_key key;
        region       room;
        size_t       rows = ledger_row_count(k->ledger);
        facts_of(k, kind, &f);
        store_signing_key(&k->store, &key);
        memcpy(f.key_number, key.number, sizeof f.key_number);
        minisign_key_wipe(&key);
        region_init(&room, export_room(k->ledger));
        err e = region_reserve(&room, room.cap);
        if (!failed(e))
                e = sign_and_store(k, &f, &room, clean);
        region_end(&room);
        if (failed(e)) {
                event(EVENT_EXPORT_FAILED, (int64_t)f.sequence, e.code);
                return e;
        }
        keeper_vault_written(k);
        ledger_close_period(k->ledger, f.end_s);
        k->page->period_started_ms = clock_ms();
        *sequence = f.sequence;
        event(EVENT_EXPORT_WRITTEN, (int64_t)f.sequence, (int64_t)rows);
        store_exports held = store_exports_state(&k->store);
        if (held.fill >= STORE_EXPORTS_ALARM)
                event(EVENT_EXPORTS_FILL, held.fill, (int64_t)held.unacknowledged);
        return OK;
}
