/* The admin plane's JSON, read. */
#include "codec/base64.h"
#include "prog/lethectl_admin.h"
#include "vault/container.h"

static bool get_text(const config_node *parent, const char *key, view *out)
{
        config_fault ignored;
        return !failed(config_text(parent, key, out, &ignored));
}

static bool get_number(const config_node *parent, const char *key, uint64_t *out)
{
        config_fault ignored;
        return !failed(config_u64(parent, key, (config_range){0, (uint64_t)1 << 53}, out, &ignored));
}

static bool get_base64(const config_node *parent, const char *key, uint8_t *out, size_t len)
{
        view text;
        emit e = emit_into(out, len);
        return get_text(parent, key, &text) && base64_read(text, &e) && !e.full && e.len == len;
}

static int nibble(uint8_t c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static bool get_hex(const config_node *parent, const char *key, uint8_t *out, size_t len)
{
        view text;
        if (!get_text(parent, key, &text) || text.len != 2 * len)
                return false;
        for (size_t i = 0; i < len; i++) {
                int high = nibble(text.data[2 * i]), low = nibble(text.data[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                out[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

static bool get_field(const config_node *parent, const char *key, char *out, size_t size)
{
        view text;
        if (!get_text(parent, key, &text) || text.len >= size)
                return false;
        if (text.len > 0)
                memcpy(out, text.data, text.len);
        out[text.len] = '\0';
        return true;
}

static bool slot_of(const config_node *n, keeper_status *out)
{
        view kind;
        uint64_t index, ops, mem_bytes;
        if (!get_text(n, "kind", &kind) || !get_number(n, "index", &index) || !get_number(n, "ops", &ops)
            || !get_number(n, "mem_bytes", &mem_bytes) || index >= KEY_SLOTS)
                return false;
        keeper_slot *s = &out->slots[index];
        s->kind = view_equal(kind, VIEW("passphrase")) ? SLOT_PASSPHRASE
                  : view_equal(kind, VIEW("tpm"))      ? SLOT_TPM
                                                       : SLOT_KEY_FILE;
        s->index = (uint32_t)index;
        s->ops = ops;
        s->mem_bytes = mem_bytes;
        return get_base64(n, "salt", s->salt, sizeof s->salt);
}

/* Absent from an older lethed. */
static void exports_of(const config_node *root, keeper_status *out)
{
        const config_node *e = config_get(root, "exports");
        uint64_t kept = 0, unacknowledged = 0, fill = 0;
        if (e == nullptr || !get_number(e, "kept", &kept) || !get_number(e, "unacknowledged", &unacknowledged)
            || !get_number(e, "fill_percent", &fill))
                return;
        out->exports = (uint32_t)kept;
        out->exports_unacknowledged = (uint32_t)unacknowledged;
        out->exports_fill = (uint32_t)fill;
}

/* Absent in the answer of a lethed that knew of none. */
static keeper_tpm tpm_of(const config_node *root)
{
        static const char *const words[] = {
                [KEEPER_TPM_ABSENT] = "absent",          [KEEPER_TPM_UNUSED] = "unused",
                [KEEPER_TPM_OPENED] = "opens",           [KEEPER_TPM_OTHER_START] = "other_start",
                [KEEPER_TPM_OTHER_TPM] = "other_tpm",    [KEEPER_TPM_FAILS] = "fails",
        };
        view word;
        if (!get_text(root, "tpm", &word))
                return KEEPER_TPM_ABSENT;
        uint32_t i = KEEPER_TPM_FAILS;
        while (i > KEEPER_TPM_ABSENT && !view_equal(word, view_of_text(words[i])))
                i--;
        return (keeper_tpm)i;
}

static bool status_of(const config_node *root, keeper_status *out)
{
        view state;
        uint64_t credentials;
        bool good =
                get_text(root, "state", &state) && get_number(root, "credentials", &credentials)
                && get_number(root, "state_generation", &out->state_generation)
                && get_number(root, "next_export", &out->next_export)
                && get_hex(root, "device", out->device, sizeof out->device)
                && get_base64(root, "seal_key", out->seal_key, sizeof out->seal_key)
                && get_base64(root, "export_key", out->export_key, sizeof out->export_key)
                && get_base64(root, "export_key_number", out->export_key_number, sizeof out->export_key_number);
        if (!good)
                return false;
        out->open = view_equal(state, VIEW("open"));
        out->credentials = (uint32_t)credentials;
        exports_of(root, out);
        out->tpm = tpm_of(root);
        for (const config_node *n = config_first(config_get(root, "slots")); n != nullptr; n = config_next(n))
                if (!slot_of(n, out))
                        return false;
        return true;
}

err told_status(view json, keeper_status *out)
{
        config_doc *doc;
        config_fault ignored;
        *out = (keeper_status){};
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        bool good = status_of(config_root(doc), out);
        config_free(doc);
        return good ? OK : FAIL(BAD_FILE);
}

static err list_of(const config_doc *doc, region *out)
{
        const config_node *list = config_get(config_root(doc), "credentials");
        if (list == nullptr || config_kind_of(list) != CONFIG_ARRAY)
                return FAIL(BAD_FILE);
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n)) {
                keeper_listed row = {};
                if (!get_field(n, "name", row.name, sizeof row.name)
                    || !get_field(n, "host", row.host, sizeof row.host)
                    || !get_hex(n, "fingerprint", row.fingerprint, sizeof row.fingerprint))
                        return FAIL(BAD_FILE);
                TRY(region_append(out, (view){(const uint8_t *)&row, sizeof row}));
        }
        return OK;
}

err told_list(view json, region *out)
{
        config_doc *doc;
        config_fault ignored;
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        err e = list_of(doc, out);
        config_free(doc);
        return e;
}

static err exports_listed(const config_doc *doc, region *out)
{
        const config_node *list = config_get(config_root(doc), "exports");
        config_fault ignored;
        if (list == nullptr || config_kind_of(list) != CONFIG_ARRAY)
                return FAIL(BAD_FILE);
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n)) {
                keeper_export_listed row = {};
                uint64_t bytes;
                bool acknowledged;
                if (!get_number(n, "sequence", &row.sequence) || !get_number(n, "bytes", &bytes) || bytes > UINT32_MAX
                    || failed(config_bool(n, "acknowledged", &acknowledged, &ignored)))
                        return FAIL(BAD_FILE);
                row.bytes = (uint32_t)bytes;
                row.acknowledged = acknowledged;
                TRY(region_append(out, (view){(const uint8_t *)&row, sizeof row}));
        }
        return OK;
}

err told_exports(view json, region *out)
{
        config_doc *doc;
        config_fault ignored;
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        err e = exports_listed(doc, out);
        config_free(doc);
        return e;
}

err told_hash(view json, uint8_t out[static 32])
{
        config_doc *doc;
        config_fault ignored;
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        bool good = get_hex(config_root(doc), "hash", out, 32);
        config_free(doc);
        return good ? OK : FAIL(BAD_FILE);
}

err told_number(view json, const char *key, uint64_t *out)
{
        config_doc *doc;
        config_fault ignored;
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        bool good = get_number(config_root(doc), key, out);
        config_free(doc);
        return good ? OK : FAIL(BAD_FILE);
}

static bool setup_of(const config_node *root, told_setup_doc *out)
{
        config_fault ignored;
        view state;
        if (!get_text(root, "state", &state) || !get_hex(root, "seal_key", out->seal_key, sizeof out->seal_key))
                return false;
        bool configured = false;
        (void)!failed(config_bool(root, "configured", &configured, &ignored));
        (void)!failed(config_bool(root, "tpm", &out->tpm, &ignored));
        out->open = view_equal(state, VIEW("open"));
        out->unclaimed = view_equal(state, VIEW("unclaimed")) || (out->open && !configured);
        out->sealed = view_equal(state, VIEW("sealed"));
        out->status.open = out->open;
        memcpy(out->status.seal_key, out->seal_key, sizeof out->seal_key);
        for (const config_node *n = config_first(config_get(root, "slots")); n != nullptr; n = config_next(n))
                if (!slot_of(n, &out->status))
                        return false;
        return true;
}

err told_setup(view json, told_setup_doc *out)
{
        config_doc *doc;
        config_fault ignored;
        *out = (told_setup_doc){};
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        bool good = setup_of(config_root(doc), out);
        config_free(doc);
        return good ? OK : FAIL(BAD_FILE);
}

static bool complaint_of(const config_doc *doc, told_complaint *out)
{
        const config_node *e = config_get(config_root(doc), "error");
        config_fault *f = &out->fault;
        uint64_t line = 0, column = 0;
        if (e == nullptr || !get_field(e, "code", f->code, sizeof f->code)
            || !get_field(e, "message", f->text, sizeof f->text))
                return false;
        (void)get_field(e, "file", out->file, sizeof out->file);
        (void)get_field(e, "pointer", f->pointer, sizeof f->pointer);
        (void)get_number(e, "line", &line);
        (void)get_number(e, "column", &column);
        f->line = (unsigned)line;
        f->column = (unsigned)column;
        return true;
}

err told_error(view json, told_complaint *out)
{
        config_doc *doc;
        config_fault ignored;
        *out = (told_complaint){};
        if (failed(config_parse(json, &doc, &ignored)))
                return FAIL(BAD_FILE);
        bool good = complaint_of(doc, out);
        config_free(doc);
        return good ? OK : FAIL(BAD_FILE);
}
