/* Records inside:
 *
 * IDENTITY    signing seed 32, pepper 32, pseudonym key 32
 * CREDENTIAL  name, host, secret, each as length u16 and bytes
 * EXPORT      sequence u64, body length u32, body, signature file; with bit 31 of that length set, the quote's length
 *             u32 stands behind it, and the quote at the end
 * CHAIN       next sequence u64, previous digest 32, boot count u64, clean u8
 * ACKNOWLEDGED  sequences u64, ascending, each of a stored export; absent when there is none
 * SUCCEEDS    next sequence u64, previous digest 32, device 16, export key number 8, export key 32
 * CONFIG      config_set.c
 * OPENS       u8 */
#include "vault/store_records.h"

#include <assert.h>

#include "vault/config_set.h"
#include "vault/little_endian.h"

constexpr size_t IDENTITY_BYTES = 3 * 32;
constexpr size_t CHAIN_BYTES = 8 + 32 + 8 + 1;
constexpr size_t SUCCEEDS_BYTES = 8 + 32 + 16 + 8 + 32;
constexpr size_t EXPORT_HEAD_BYTES = 8 + 4;
constexpr size_t QUOTED_HEAD_BYTES = EXPORT_HEAD_BYTES + 4;
constexpr size_t CREDENTIAL_MAX = 3 * 2 + LIMIT_NAME_BYTES + LIMIT_HOST_BYTES + LIMIT_CREDENTIAL_BYTES;

static bool name_byte(uint8_t c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'
               || c == ':' || c == '/' || c == '-';
}

static bool host_byte(uint8_t c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':';
}

static bool secret_byte(uint8_t c) { return c > 0x20 && c < 0x7f; }

static bool made_of(view v, bool (*allowed)(uint8_t), size_t max)
{
        if (v.len == 0 || v.len > max)
                return false;
        for (size_t i = 0; i < v.len; i++)
                if (!allowed(v.data[i]))
                        return false;
        return true;
}

bool store_name_valid(view name) { return made_of(name, name_byte, LIMIT_NAME_BYTES - 1); }
bool store_host_valid(view host) { return made_of(host, host_byte, LIMIT_HOST_BYTES - 1); }
bool store_secret_valid(view secret) { return made_of(secret, secret_byte, LIMIT_CREDENTIAL_BYTES); }

size_t credential_place(const store_secrets *k, view name, bool *found)
{
        char text[LIMIT_NAME_BYTES] = {};
        assert(name.len < sizeof text);
        memcpy(text, name.data, name.len);
        size_t i = 0;
        while (i < k->credential_count && strcmp(k->credentials[i].name, text) < 0)
                i++;
        *found = i < k->credential_count && strcmp(k->credentials[i].name, text) == 0;
        return i;
}

static err take(view *rest, view *out)
{
        if (rest->len < 2)
                return FAIL(BAD_FILE);
        size_t len = (size_t)le_read(rest->data, 2);
        if (len > rest->len - 2)
                return FAIL(BAD_FILE);
        *out = view_slice(*rest, 2, 2 + len);
        *rest = view_slice(*rest, 2 + len, rest->len);
        return OK;
}

static err load_credential(store_secrets *k, view record)
{
        view name, host, secret;
        TRY(take(&record, &name));
        TRY(take(&record, &host));
        TRY(take(&record, &secret));
        if (record.len > 0 || !store_name_valid(name) || !store_host_valid(host) || !store_secret_valid(secret))
                return FAIL(BAD_FILE);
        bool   found;
        size_t at = credential_place(k, name, &found);
        /* Written in order, so a file of ours has each at the end. */
        if (found || at != k->credential_count || at == LIMIT_CREDENTIALS)
                return FAIL(BAD_FILE);
        lease_credential *c = &k->credentials[k->credential_count++];
        *c = (lease_credential){.len = (uint16_t)secret.len};
        memcpy(c->name, name.data, name.len);
        memcpy(c->host, host.data, host.len);
        memcpy(c->secret, secret.data, secret.len);
        return OK;
}

static err load_identity(store_secrets *k, view record)
{
        if (record.len != IDENTITY_BYTES)
                return FAIL(BAD_FILE);
        memcpy(k->signing_seed, record.data, 32);
        memcpy(k->pepper, record.data + 32, 32);
        memcpy(k->pseudonym_key, record.data + 64, 32);
        return OK;
}

static err load_chain(store_chain *c, view record)
{
        if (record.len != CHAIN_BYTES || record.data[CHAIN_BYTES - 1] > 1)
                return FAIL(BAD_FILE);
        c->next_sequence = le_read(record.data, 8);
        memcpy(c->previous, record.data + 8, 32);
        c->boot_count = le_read(record.data + 40, 8);
        c->clean = record.data[48] == 1;
        return c->next_sequence > 0 ? OK : FAIL(BAD_FILE);
}

err export_record_read(view record, uint64_t *sequence, store_exported *out)
{
        *out = (store_exported){};
        if (record.len < EXPORT_HEAD_BYTES)
                return FAIL(BAD_FILE);
        uint64_t len = le_read(record.data + 8, 4), quote_len = 0;
        size_t   head = EXPORT_HEAD_BYTES;
        if ((len & STORE_QUOTED) != 0) {
                len &= ~(uint64_t)STORE_QUOTED;
                head = QUOTED_HEAD_BYTES;
                if (record.len < head)
                        return FAIL(BAD_FILE);
                quote_len = le_read(record.data + EXPORT_HEAD_BYTES, 4);
                if (quote_len == 0 || quote_len > STORE_QUOTE_MAX)
                        return FAIL(BAD_FILE);
        }
        if (len + quote_len > record.len - head)
                return FAIL(BAD_FILE);
        size_t quote_at = record.len - (size_t)quote_len;
        *sequence = le_read(record.data, 8);
        out->body = view_slice(record, head, head + (size_t)len);
        out->signature = view_slice(record, head + (size_t)len, quote_at);
        out->quote = view_slice(record, quote_at, record.len);
        return OK;
}

/* Kept as records: they are large, few, and only ever passed on. */
static err load_export(store *s, uint64_t *last, view record)
{
        uint64_t       sequence;
        store_exported files;
        TRY(export_record_read(record, &sequence, &files));
        if (sequence <= *last || s->export_count == STORE_EXPORTS)
                return FAIL(BAD_FILE);
        TRY(record_append(&s->exports, RECORD_EXPORT, record));
        s->export_count++;
        *last = sequence;
        return OK;
}

/* After the exports it names. */
static err load_acknowledged(store *s, view record)
{
        if (record.len == 0 || record.len % 8 != 0 || record.len / 8 > s->export_count || s->acknowledged_count > 0)
                return FAIL(BAD_FILE);
        for (size_t at = 0; at < record.len; at += 8) {
                uint64_t sequence = le_read(record.data + at, 8);
                bool     after = s->acknowledged_count == 0 || sequence > s->acknowledged[s->acknowledged_count - 1];
                if (!after || !store_has_export(s, sequence))
                        return FAIL(BAD_FILE);
                s->acknowledged[s->acknowledged_count++] = sequence;
        }
        return OK;
}

static err save_acknowledged(const store *s, region *payload)
{
        if (s->acknowledged_count == 0)
                return OK;
        uint8_t bytes[STORE_EXPORTS * 8];
        for (size_t i = 0; i < s->acknowledged_count; i++)
                le_write(bytes + i * 8, s->acknowledged[i], 8);
        return record_append(payload, RECORD_ACKNOWLEDGED, (view){bytes, s->acknowledged_count * 8});
}

static err load_opens(store *s, view record)
{
        if (record.len != 1 || record.data[0] == STORE_OPENS_UNSAID || record.data[0] >= STORE_OPENS_COUNT
            || s->opens != STORE_OPENS_UNSAID)
                return FAIL(BAD_FILE);
        s->opens = (store_opens)record.data[0];
        return OK;
}

static err load_succeeds(store_succeeds *out, view record)
{
        if (record.len != SUCCEEDS_BYTES || out->there != 0)
                return FAIL(BAD_FILE);
        *out = (store_succeeds){.there = 1, .next_sequence = le_read(record.data, 8)};
        memcpy(out->previous, record.data + 8, 32);
        memcpy(out->device, record.data + 40, 16);
        memcpy(out->export_key_number, record.data + 56, 8);
        memcpy(out->export_key, record.data + 64, 32);
        return out->next_sequence > 0 ? OK : FAIL(BAD_FILE);
}

static err save_succeeds(const store_succeeds *f, region *payload)
{
        uint8_t bytes[SUCCEEDS_BYTES];
        if (f->there == 0)
                return OK;
        le_write(bytes, f->next_sequence, 8);
        memcpy(bytes + 8, f->previous, 32);
        memcpy(bytes + 40, f->device, 16);
        memcpy(bytes + 56, f->export_key_number, 8);
        memcpy(bytes + 64, f->export_key, 32);
        return record_append(payload, RECORD_SUCCEEDS, (view){bytes, sizeof bytes});
}

err store_load(store *s, view payload)
{
        s->secrets->credential_count = 0;
        s->acknowledged_count = 0;
        region_init(&s->exports, CONTAINER_PAYLOAD_MAX);
        config_set_init(&s->config);
        s->opens = STORE_OPENS_UNSAID;
        s->succeeds = (store_succeeds){};
        s->export_count = 0;
        size_t      at = 0;
        unsigned    identities = 0, chains = 0;
        uint64_t    last_export = 0;
        record_type type;
        view        bytes;
        while (record_next(payload, &at, &type, &bytes)) {
                switch (type) {
                case RECORD_IDENTITY:
                        identities++;
                        TRY(load_identity(s->secrets, bytes));
                        break;
                case RECORD_CREDENTIAL:
                        TRY(load_credential(s->secrets, bytes));
                        break;
                case RECORD_EXPORT:
                        TRY(load_export(s, &last_export, bytes));
                        break;
                case RECORD_CHAIN:
                        chains++;
                        TRY(load_chain(&s->chain, bytes));
                        break;
                case RECORD_ACKNOWLEDGED:
                        TRY(load_acknowledged(s, bytes));
                        break;
                case RECORD_SUCCEEDS:
                        TRY(load_succeeds(&s->succeeds, bytes));
                        break;
                case RECORD_CONFIG:
                        TRY(record_append(&s->config, RECORD_CONFIG, bytes));
                        break;
                case RECORD_OPENS:
                        TRY(load_opens(s, bytes));
                        break;
                }
        }
        TRY(config_set_check(region_view(&s->config)));
        bool whole = at == payload.len && identities == 1 && chains == 1 && last_export < s->chain.next_sequence;
        return whole ? OK : FAIL(BAD_FILE);
}

static void put_part(emit *e, view part)
{
        uint8_t len[2];
        le_write(len, part.len, sizeof len);
        emit_view(e, (view){len, sizeof len});
        emit_view(e, part);
}

static err save_credential(const lease_credential *c, region *payload)
{
        uint8_t bytes[CREDENTIAL_MAX];
        emit    e = emit_into(bytes, sizeof bytes);
        put_part(&e, view_of_text(c->name));
        put_part(&e, view_of_text(c->host));
        put_part(&e, (view){c->secret, c->len});
        assert(!e.full);
        err result = record_append(payload, RECORD_CREDENTIAL, (view){bytes, e.len});
        wipe(bytes, sizeof bytes);
        return result;
}

static err save_identity(const store_secrets *k, region *payload)
{
        uint8_t bytes[IDENTITY_BYTES];
        memcpy(bytes, k->signing_seed, 32);
        memcpy(bytes + 32, k->pepper, 32);
        memcpy(bytes + 64, k->pseudonym_key, 32);
        err result = record_append(payload, RECORD_IDENTITY, (view){bytes, sizeof bytes});
        wipe(bytes, sizeof bytes);
        return result;
}

err store_save(const store *s, region *payload)
{
        TRY(save_identity(s->secrets, payload));
        uint8_t chain[CHAIN_BYTES];
        le_write(chain, s->chain.next_sequence, 8);
        memcpy(chain + 8, s->chain.previous, 32);
        le_write(chain + 40, s->chain.boot_count, 8);
        chain[48] = s->chain.clean ? 1 : 0;
        TRY(record_append(payload, RECORD_CHAIN, (view){chain, sizeof chain}));
        for (size_t i = 0; i < s->secrets->credential_count; i++)
                TRY(save_credential(&s->secrets->credentials[i], payload));
        TRY(save_succeeds(&s->succeeds, payload));
        if (s->opens != STORE_OPENS_UNSAID) {
                const uint8_t opens = s->opens;
                TRY(record_append(payload, RECORD_OPENS, (view){&opens, sizeof opens}));
        }
        TRY(region_append(payload, region_view(&s->config)));
        TRY(region_append(payload, region_view(&s->exports)));
        return save_acknowledged(s, payload);
}
