#include "vault/serve.h"

#include <assert.h>

#include "base/arena.h"
#include "base/secret.h"
#include "vault/client_key.h"
#include "vault/config_set.h"

typedef err serve_fn(store *s, const seal_pair *pair, view in, emit *out);

static void answer(emit *out, const void *bytes, size_t len) { emit_view(out, (view){bytes, len}); }

static err serve_status(store *s, const seal_pair *pair, view in, emit *out)
{
        if (in.len != 0)
                return FAIL(OUT_OF_RANGE);
        keeper_status a = {.open = store_is_open(s),
                           .blank = s->info.generation == 0,
                           .opens = s->opens,
                           .config_files = (uint32_t)config_set_count(region_view(&s->config)),
                           .state_generation = s->info.generation};
        memcpy(a.seal_key, pair->public_key, sizeof a.seal_key);
        memcpy(a.device, s->info.device, sizeof a.device);
        static_assert(sizeof a.slots / sizeof a.slots[0] == KEY_SLOTS);
        for (uint32_t i = 0; i < KEY_SLOTS; i++) {
                const key_slot *k = &s->info.slots[i];
                a.slots[i] = (keeper_slot){.kind = k->kind, .index = i, .ops = k->ops, .mem_bytes = k->mem_bytes};
                memcpy(a.slots[i].salt, k->salt, sizeof a.slots[i].salt);
        }
        if (store_is_open(s)) {
                minisign_key key;
                store_signing_key(s, &key);
                memcpy(a.export_key, key.public_key, sizeof a.export_key);
                memcpy(a.export_key_number, key.number, sizeof a.export_key_number);
                minisign_key_wipe(&key);
                a.credentials = (uint32_t)store_credential_count(s);
                a.next_export = s->chain.next_sequence;
                store_exports held = store_exports_state(s);
                a.exports = (uint32_t)held.kept;
                a.exports_unacknowledged = (uint32_t)held.unacknowledged;
                a.exports_fill = held.fill;
        }
        answer(out, &a, sizeof a);
        return OK;
}

static err serve_unlock(store *s, const seal_pair *pair, view in, emit *)
{
        keeper_unlock q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        if (store_is_open(s))
                return OK;
        memcpy(&q, in.data, sizeof q);
        uint8_t wrapping[32] = {};
        err     e = seal_open(pair, (view){q.sealed, sizeof q.sealed}, wrapping, sizeof wrapping);
        if (!failed(e))
                e = store_unlock_slot(s, q.slot, wrapping);
        wipe(wrapping, sizeof wrapping);
        return e;
}

/* The text of a fixed field, which must end inside it. err OUT_OF_RANGE */
static err field_text(const char *field, size_t size, view *out)
{
        const char *end = memchr(field, '\0', size);
        if (end == nullptr)
                return FAIL(OUT_OF_RANGE);
        *out = (view){(const uint8_t *)field, (size_t)(end - field)};
        return OK;
}

static err put_opened(store *s, const keeper_credential *c)
{
        view name, host;
        TRY(field_text(c->name, sizeof c->name, &name));
        TRY(field_text(c->host, sizeof c->host, &host));
        if (c->len > sizeof c->secret)
                return FAIL(OUT_OF_RANGE);
        return store_put(s, name, host, (view){c->secret, c->len});
}

static err serve_put(store *s, const seal_pair *pair, view in, emit *)
{
        keeper_credential c = {};
        err               e = seal_open(pair, in, (uint8_t *)&c, sizeof c);
        if (!failed(e))
                e = put_opened(s, &c);
        wipe(&c, sizeof c);
        return e;
}

static err serve_remove(store *s, const seal_pair *, view in, emit *) { return store_remove(s, in); }

static err serve_list(store *s, const seal_pair *, view in, emit *out)
{
        static_assert(LIMIT_CREDENTIALS * sizeof(keeper_listed) <= KEEPER_BYTES);
        if (in.len != 0)
                return FAIL(OUT_OF_RANGE);
        for (size_t i = 0; i < store_credential_count(s); i++) {
                const lease_credential *c = store_credential(s, i);
                keeper_listed           row = {};
                uint8_t                 hash[SECRET_HASH_BYTES];
                memcpy(row.name, c->name, sizeof row.name);
                memcpy(row.host, c->host, sizeof row.host);
                secret_hash(hash, (view){c->secret, c->len}, (view){});
                memcpy(row.fingerprint, hash, sizeof row.fingerprint);
                answer(out, &row, sizeof row);
        }
        return OK;
}

static err serve_key_hash(store *s, const seal_pair *pair, view in, emit *out)
{
        uint8_t plain[CLIENT_KEY_ID_BYTES + CLIENT_KEY_SECRET_BYTES] = {}, hash[32];
        err     e = seal_open(pair, in, plain, sizeof plain);
        if (!failed(e)) {
                view both = {plain, sizeof plain};
                store_key_hash(s, view_slice(both, 0, CLIENT_KEY_ID_BYTES),
                               view_slice(both, CLIENT_KEY_ID_BYTES, both.len), hash);
                answer(out, hash, sizeof hash);
        }
        wipe(plain, sizeof plain);
        return e;
}

static err serve_export_get(store *s, const seal_pair *, view in, emit *out)
{
        keeper_export_get q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        store_exported files;
        uint64_t       sequence = q.sequence;
        TRY(store_export(s, &sequence, &files));
        view file = q.file == EXPORT_BODY        ? files.body
                    : q.file == EXPORT_SIGNATURE ? files.signature
                                                 : files.quote;
        if (file.len == 0 || q.file > EXPORT_QUOTE || q.offset > file.len)
                return FAIL(OUT_OF_RANGE);
        keeper_export_part part = {.sequence = sequence, .total = (uint32_t)file.len};
        view               piece = view_slice(file, q.offset, (size_t)q.offset + sizeof part.bytes);
        part.len = (uint32_t)piece.len;
        if (piece.len > 0)
                memcpy(part.bytes, piece.data, piece.len);
        static_assert(sizeof part <= KEEPER_BYTES);
        answer(out, &part, sizeof part);
        return OK;
}

static err serve_export_list(store *s, const seal_pair *, view in, emit *out)
{
        static_assert(STORE_EXPORTS * sizeof(keeper_export_listed) <= KEEPER_BYTES);
        if (in.len != 0)
                return FAIL(OUT_OF_RANGE);
        uint64_t sequence;
        size_t   bytes;
        for (size_t at = 0; store_export_next(s, &at, &sequence, &bytes);) {
                keeper_export_listed row = {.sequence = sequence,
                                            .bytes = (uint32_t)bytes,
                                            .acknowledged = store_acknowledged(s, sequence)};
                answer(out, &row, sizeof row);
        }
        return OK;
}

/* The slot a person asks for, and its wrapping key. Wipe it. */
static err slot_asked(const seal_pair *pair, view in, key_slot *slot, uint8_t wrapping[static 32])
{
        keeper_slot_add q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        if (q.slot.kind != SLOT_PASSPHRASE && q.slot.kind != SLOT_KEY_FILE)
                return FAIL(OUT_OF_RANGE);
        *slot = (key_slot){.kind = (slot_kind)q.slot.kind, .ops = q.slot.ops, .mem_bytes = q.slot.mem_bytes};
        memcpy(slot->salt, q.slot.salt, sizeof slot->salt);
        return seal_open(pair, (view){q.sealed, sizeof q.sealed}, wrapping, 32);
}

err serve_create(store *s, const seal_pair *pair, view in, uint64_t now_s)
{
        uint8_t  wrapping[32] = {};
        key_slot slot;
        int      fd = s->fd;
        if (s->info.generation != 0)
                return FAIL(EXISTS);
        err e = slot_asked(pair, in, &slot, wrapping);
        if (!failed(e))
                e = store_create_wrapped(fd, &slot, wrapping, now_s);
        if (!failed(e))
                e = store_attach(s, fd, s->seen_generation);
        if (!failed(e))
                e = store_unlock_slot(s, 0, wrapping);
        wipe(wrapping, sizeof wrapping);
        return e;
}

static err serve_config_list(store *s, const seal_pair *, view in, emit *out)
{
        static_assert(CONFIG_SET_FILES * sizeof(keeper_config_row) <= KEEPER_BYTES);
        static_assert(KEEPER_CONFIG_NAME == CONFIG_NAME_BYTES);
        config_file f;
        if (in.len != 0)
                return FAIL(OUT_OF_RANGE);
        for (size_t at = 0; config_set_next(region_view(&s->config), &at, &f);) {
                keeper_config_row row = {.bytes = (uint32_t)f.bytes.len};
                memcpy(row.name, f.name.data, f.name.len);
                if (!config_name_secret(f.name))
                        secret_sha256(row.sha256, f.bytes);
                answer(out, &row, sizeof row);
        }
        return OK;
}

static err serve_export_ack(store *s, const seal_pair *, view in, emit *)
{
        uint64_t sequences[STORE_EXPORTS];
        if (in.len == 0 || in.len > sizeof sequences || in.len % sizeof sequences[0] != 0)
                return FAIL(OUT_OF_RANGE);
        memcpy(sequences, in.data, in.len);
        return store_acknowledge(s, sequences, in.len / sizeof sequences[0]);
}

static err serve_rotate(store *s, const seal_pair *pair, view in, emit *)
{
        keeper_rotate q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        key_slot slot = {.kind = (slot_kind)q.kind, .ops = q.ops, .mem_bytes = q.mem_bytes};
        memcpy(slot.salt, q.salt, sizeof slot.salt);
        uint8_t wrapping[2 * 32] = {};
        err     e = seal_open(pair, (view){q.sealed, sizeof q.sealed}, wrapping, sizeof wrapping);
        if (!failed(e))
                e = store_rotate(s, q.slot, wrapping, &slot, wrapping + 32);
        wipe(wrapping, sizeof wrapping);
        return e;
}

static err serve_slot_add(store *s, const seal_pair *pair, view in, emit *out)
{
        uint8_t  wrapping[32] = {};
        key_slot k;
        uint32_t index = 0;
        err      e = slot_asked(pair, in, &k, wrapping);
        if (!failed(e))
                e = store_slot_add(s, &k, wrapping, &index);
        wipe(wrapping, sizeof wrapping);
        if (!failed(e))
                answer(out, &index, sizeof index);
        return e;
}

static err serve_slot_remove(store *s, const seal_pair *, view in, emit *)
{
        uint32_t index;
        if (in.len != sizeof index)
                return FAIL(OUT_OF_RANGE);
        memcpy(&index, in.data, sizeof index);
        return index < KEY_SLOTS ? store_slots_remove(s, (uint32_t)1 << index) : FAIL(NO_TARGET);
}

static err serve_config_get(store *s, const seal_pair *, view in, emit *out)
{
        static const size_t head = offsetof(keeper_config_part, bytes);
        keeper_config_get   q;
        config_file         f;
        view                name;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        TRY(field_text(q.name, sizeof q.name, &name));
        if (config_name_secret(name))
                return FAIL(FORBIDDEN);
        if (!config_set_find(region_view(&s->config), name, &f))
                return FAIL(NO_TARGET);
        if (q.offset > f.bytes.len)
                return FAIL(OUT_OF_RANGE);
        keeper_config_part part = {.total = (uint32_t)f.bytes.len};
        view               piece = view_slice(f.bytes, q.offset, (size_t)q.offset + sizeof part.bytes);
        part.len = (uint32_t)piece.len;
        if (piece.len > 0)
                memcpy(part.bytes, piece.data, piece.len);
        answer(out, &part, head + piece.len);
        return OK;
}

static err backup_make(store *s, const keeper_backup *q)
{
        backup_facts f = {.created_s = q->created_s};
        if (q->need > 2 || q->count > BACKUP_RECIPIENTS)
                return FAIL(OUT_OF_RANGE);
        f.need = (uint8_t)q->need;
        f.count = (uint8_t)q->count;
        static_assert(sizeof f.recipients == sizeof q->recipients);
        memcpy(f.recipients, q->recipients, sizeof f.recipients);
        region_end(&s->backup);
        region_init(&s->backup, BACKUP_BYTES);
        secret_random((uint8_t *)&s->backup_number, sizeof s->backup_number);
        return store_backup(s, &f, &s->backup);
}

static err serve_backup(store *s, const seal_pair *, view in, emit *out)
{
        keeper_backup q;
        if (in.len != sizeof q)
                return FAIL(OUT_OF_RANGE);
        memcpy(&q, in.data, sizeof q);
        if (q.offset == 0)
                TRY(backup_make(s, &q));
        if (q.offset >= s->backup.len)
                return FAIL(OUT_OF_RANGE);
        keeper_backup_part part = {.number = s->backup_number, .total = (uint32_t)s->backup.len};
        view               piece = view_slice(region_view(&s->backup), q.offset, (size_t)q.offset + sizeof part.bytes);
        part.len = (uint32_t)piece.len;
        memcpy(part.bytes, piece.data, piece.len);
        static_assert(sizeof part <= KEEPER_BYTES);
        answer(out, &part, sizeof part);
        if (q.offset + part.len == part.total)
                region_end(&s->backup);
        return OK;
}

static err serve_inherit(store *s, const seal_pair *pair, view in, emit *)
{
        keeper_inherit q = {};
        err            e = seal_open(pair, in, (uint8_t *)&q, sizeof q);
        if (!failed(e)) {
                store_inheritance from = {.from = {.there = 1, .next_sequence = q.next_sequence}};
                memcpy(from.pepper, q.pepper, sizeof from.pepper);
                memcpy(from.pseudonym_key, q.pseudonym_key, sizeof from.pseudonym_key);
                memcpy(from.from.previous, q.previous, sizeof q.previous);
                memcpy(from.from.device, q.device, sizeof q.device);
                memcpy(from.from.export_key_number, q.export_key_number, sizeof q.export_key_number);
                memcpy(from.from.export_key, q.export_key, sizeof q.export_key);
                e = store_inherit(s, &from);
                wipe(&from, sizeof from);
        }
        wipe(&q, sizeof q);
        return e;
}

/* Null: not answered here. */
static serve_fn *operation(keeper_op op)
{
        switch (op) {
        case KEEPER_STATUS:
                return serve_status;
        case KEEPER_UNLOCK:
                return serve_unlock;
        case KEEPER_PUT:
                return serve_put;
        case KEEPER_REMOVE:
                return serve_remove;
        case KEEPER_LIST:
                return serve_list;
        case KEEPER_KEY_HASH:
                return serve_key_hash;
        case KEEPER_EXPORT_GET:
                return serve_export_get;
        case KEEPER_EXPORT_LIST:
                return serve_export_list;
        case KEEPER_EXPORT_ACK:
                return serve_export_ack;
        case KEEPER_ROTATE:
                return serve_rotate;
        case KEEPER_BACKUP:
                return serve_backup;
        case KEEPER_INHERIT:
                return serve_inherit;
        case KEEPER_SLOT_ADD:
                return serve_slot_add;
        case KEEPER_SLOT_REMOVE:
                return serve_slot_remove;
        case KEEPER_CONFIG_LIST:
                return serve_config_list;
        case KEEPER_CONFIG_GET:
                return serve_config_get;
        case KEEPER_EXPORT_NOW:
        case KEEPER_TPM_SEAL:
        case KEEPER_TPM_RESEAL:
        case KEEPER_CREATE:
        case KEEPER_STAGE_BEGIN:
        case KEEPER_STAGE_PART:
        case KEEPER_STAGE_TRY:
                break;
        }
        return nullptr;
}

err serve_keeper(store *s, const seal_pair *pair, keeper_op op, view in, emit *out)
{
        serve_fn *fn = operation(op);
        bool      needs_open = op != KEEPER_STATUS && op != KEEPER_UNLOCK;
        if (fn == nullptr)
                return FAIL(NOT_IMPLEMENTED);
        if (needs_open && !store_is_open(s))
                return FAIL(SEALED);
        TRY(fn(s, pair, in, out));
        view done;
        return emit_done(out, &done);
}
