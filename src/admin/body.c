#include "admin/body.h"

#include "codec/base64.h"
#include "vault/container.h"

static err sealed_of(const config_doc *doc, size_t want, emit *out, config_fault *fault)
{
        const config_node *root = config_root(doc);
        view text;
        TRY(config_text(root, "sealed", &text, fault));
        size_t before = out->len;
        if (!base64_read(text, out) || out->full || out->len - before != want)
                return config_fail(config_get(root, "sealed"), "BAD_VALUE",
                                   "must be base64 of a sealed value of exactly the right length", nullptr, fault);
        return OK;
}

static err unlock_of(const config_doc *doc, keeper_unlock *out, config_fault *fault)
{
        static const char *const known[] = {"slot", "sealed", nullptr};
        const config_node *root = config_root(doc);
        uint64_t slot;
        TRY(config_keys(root, known, fault));
        TRY(config_u64(root, "slot", (config_range){0, UNLOCK_SLOTS - 1}, &slot, fault));
        *out = (keeper_unlock){.slot = (uint32_t)slot};
        emit room = emit_into(out->sealed, sizeof out->sealed);
        return sealed_of(doc, sizeof out->sealed, &room, fault);
}

err body_unlock(view json, keeper_unlock *out, config_fault *fault)
{
        config_doc *doc;
        TRY(config_parse(json, &doc, fault));
        err e = unlock_of(doc, out, fault);
        config_free(doc);
        return e;
}

static err sealed_alone(const config_doc *doc, size_t want, emit *out, config_fault *fault)
{
        static const char *const known[] = {"sealed", nullptr};
        TRY(config_keys(config_root(doc), known, fault));
        return sealed_of(doc, want, out, fault);
}

err body_sealed(view json, size_t want, emit *out, config_fault *fault)
{
        config_doc *doc;
        TRY(config_parse(json, &doc, fault));
        err e = sealed_alone(doc, want, out, fault);
        config_free(doc);
        return e;
}

static err sequences_of(const config_doc *doc, uint64_t *out, size_t most, size_t *count, config_fault *fault)
{
        static const char *const known[] = {"sequences", nullptr};
        const config_node *list;
        TRY(config_keys(config_root(doc), known, fault));
        TRY(config_member(config_root(doc), "sequences", CONFIG_ARRAY, &list, fault));
        *count = 0;
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n)) {
                if (*count == most)
                        return config_fail(n, "OUT_OF_RANGE", "more numbers than there are exports", nullptr, fault);
                TRY(config_u64_of(n, (config_range){1, (uint64_t)1 << 53}, &out[(*count)++], fault));
        }
        return *count > 0 ? OK : config_fail(list, "OUT_OF_RANGE", "must name an export", nullptr, fault);
}

err body_sequences(view json, uint64_t *out, size_t most, size_t *count, config_fault *fault)
{
        config_doc *doc;
        TRY(config_parse(json, &doc, fault));
        err e = sequences_of(doc, out, most, count, fault);
        config_free(doc);
        return e;
}

static err kind_of(const config_node *root, uint32_t *out, config_fault *fault)
{
        static const char *const known[] = {"passphrase", "key-file", nullptr};
        view word;
        TRY(config_text(root, "kind", &word, fault));
        *out = view_equal(word, VIEW("passphrase")) ? SLOT_PASSPHRASE
               : view_equal(word, VIEW("key-file")) ? SLOT_KEY_FILE
                                                    : SLOT_EMPTY;
        return *out != SLOT_EMPTY ? OK
                                  : config_fail(config_get(root, "kind"), "BAD_VALUE",
                                                "must be \"passphrase\" or \"key-file\"", config_nearest(word, known),
                                                fault);
}

static int nibble(uint8_t c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static err hex_in(const config_node *n, uint8_t *out, size_t len, config_fault *fault)
{
        view text;
        TRY(config_text_of(n, &text, fault));
        bool good = text.len == 2 * len;
        for (size_t i = 0; good && i < len; i++) {
                int high = nibble(text.data[2 * i]), low = nibble(text.data[2 * i + 1]);
                good = high >= 0 && low >= 0;
                if (good)
                        out[i] = (uint8_t)(high << 4 | low);
        }
        return good ? OK
                    : config_fail(n, "BAD_VALUE", "must be lower-case hexadecimal of exactly the right length", nullptr,
                                  fault);
}

static err hex_of(const config_node *root, const char *key, uint8_t *out, size_t len, config_fault *fault)
{
        const config_node *n;
        TRY(config_member(root, key, CONFIG_TEXT, &n, fault));
        return hex_in(n, out, len, fault);
}

static err rotate_of(const config_doc *doc, keeper_rotate *out, config_fault *fault)
{
        static const char *const known[] = {"slot", "kind", "ops", "mem_bytes", "salt", "sealed", nullptr};
        const config_node *root = config_root(doc);
        const config_range any = {0, (uint64_t)1 << 53};
        uint64_t slot;
        *out = (keeper_rotate){};
        TRY(config_keys(root, known, fault));
        TRY(config_u64(root, "slot", (config_range){0, UNLOCK_SLOTS - 1}, &slot, fault));
        TRY(kind_of(root, &out->kind, fault));
        TRY(config_u64(root, "ops", any, &out->ops, fault));
        TRY(config_u64(root, "mem_bytes", any, &out->mem_bytes, fault));
        TRY(hex_of(root, "salt", out->salt, sizeof out->salt, fault));
        out->slot = (uint32_t)slot;
        emit room = emit_into(out->sealed, sizeof out->sealed);
        return sealed_of(doc, sizeof out->sealed, &room, fault);
}

err body_rotate(view json, keeper_rotate *out, config_fault *fault)
{
        config_doc *doc;
        TRY(config_parse(json, &doc, fault));
        err e = rotate_of(doc, out, fault);
        config_free(doc);
        return e;
}

static err backup_of(const config_doc *doc, keeper_backup *out, config_fault *fault)
{
        enum : size_t { MOST = sizeof out->recipients / sizeof out->recipients[0] };
        static const char *const known[] = {"to", "need", "created", nullptr};
        const config_node *root = config_root(doc), *list;
        uint64_t need;
        *out = (keeper_backup){};
        TRY(config_keys(root, known, fault));
        TRY(config_member(root, "to", CONFIG_ARRAY, &list, fault));
        TRY(config_u64(root, "need", (config_range){1, 2}, &need, fault));
        TRY(config_u64(root, "created", (config_range){0, (uint64_t)1 << 53}, &out->created_s, fault));
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n)) {
                if (out->count == MOST)
                        return config_fail(n, "OUT_OF_RANGE", "is one recipient too many", nullptr, fault);
                TRY(hex_in(n, out->recipients[out->count++], 32, fault));
        }
        out->need = (uint32_t)need;
        return out->count >= need ? OK : config_fail(list, "OUT_OF_RANGE", "names too few", nullptr, fault);
}

err body_backup(view json, keeper_backup *out, config_fault *fault)
{
        config_doc *doc;
        TRY(config_parse(json, &doc, fault));
        err e = backup_of(doc, out, fault);
        config_free(doc);
        return e;
}

bool body_name(view name)
{
        if (name.len == 0 || name.len >= LIMIT_NAME_BYTES)
                return false;
        for (size_t i = 0; i < name.len; i++) {
                uint8_t c = name.data[i];
                bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                if (!letter && c != '.' && c != '_' && c != ':' && c != '/' && c != '-')
                        return false;
        }
        return true;
}

static err create_of(const config_node *root, keeper_slot_add *out, config_fault *fault)
{
        static const char *const known[] = {"kind", "salt", "ops", "mem_bytes", "sealed", nullptr};
        keeper_slot *slot = &out->slot;
        *out = (keeper_slot_add){};
        TRY(config_keys(root, known, fault));
        TRY(kind_of(root, &slot->kind, fault));
        TRY(hex_of(root, "salt", slot->salt, sizeof slot->salt, fault));
        TRY(hex_of(root, "sealed", out->sealed, sizeof out->sealed, fault));
        bool slow = slot->kind == SLOT_PASSPHRASE;
        config_range ops = {slow ? 1 : 0, slow ? ARGON_OPS_MAX : 0};
        config_range mem = {slow ? ARGON_MEM_MIN : 0, slow ? ARGON_MEM_MAX : 0};
        if (slow || config_get(root, "ops") != nullptr)
                TRY(config_u64(root, "ops", ops, &slot->ops, fault));
        if (slow || config_get(root, "mem_bytes") != nullptr)
                TRY(config_u64(root, "mem_bytes", mem, &slot->mem_bytes, fault));
        return OK;
}

err body_create(view json, keeper_slot_add *out, config_fault *fault)
{
        config_doc *doc;
        TRY(config_parse(json, &doc, fault));
        err e = create_of(config_root(doc), out, fault);
        config_free(doc);
        return e;
}

static err slot_of(const config_node *root, keeper_slot_add *out, config_fault *fault)
{
        static const char *const known[] = {"kind", nullptr};
        view kind;
        TRY(config_text(root, "kind", &kind, fault));
        if (!view_equal(kind, VIEW("tpm")))
                return create_of(root, out, fault);
        *out = (keeper_slot_add){.slot = {.kind = SLOT_TPM}};
        return config_keys(root, known, fault);
}

err body_slot(view json, keeper_slot_add *out, config_fault *fault)
{
        config_doc *doc;
        TRY(config_parse(json, &doc, fault));
        err e = slot_of(config_root(doc), out, fault);
        config_free(doc);
        return e;
}
