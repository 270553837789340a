#include "admin/body.h"

#include "codec/base64.h"

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
