#include "admin/body.h"
#include "codec/base64.h"
#include "vault/config_set.h"
#include "vault/store.h"

typedef struct file_head {
        char     name[KEEPER_CONFIG_NAME];
        uint32_t sealed, len;
} file_head;

static err file_append(const file_head *head, view bytes, region *out)
{
        TRY(region_append(out, (view){(const uint8_t *)head, sizeof *head}));
        return region_append(out, bytes);
}

bool body_file_next(view files, size_t *at, body_file *out)
{
        file_head head;
        if (files.len - *at < sizeof head)
                return false;
        memcpy(&head, files.data + *at, sizeof head);
        *out = (body_file){.sealed = head.sealed};
        memcpy(out->name, head.name, sizeof out->name);
        out->bytes = view_slice(files, *at + sizeof head, *at + sizeof head + head.len);
        *at += sizeof head + head.len;
        return true;
}

static err sealed_file(const config_node *n, view text, file_head *head, region *files, config_fault *fault)
{
        /* Straight into the region, so that no copy stays. */
        TRY(region_reserve(files, sizeof *head + text.len));
        emit bytes = emit_into(files->bytes + files->len + sizeof *head, text.len);
        if (!base64_read(text, &bytes) || bytes.full)
                return config_fail(n, "BAD_VALUE", "must be base64", nullptr, fault);
        head->len = (uint32_t)bytes.len;
        memcpy(files->bytes + files->len, head, sizeof *head);
        files->len += sizeof *head + bytes.len;
        return OK;
}

static err file_of(const config_node *n, region *files, config_fault *fault)
{
        static const char *const known[] = {"text", "sealed", nullptr};
        view name = config_key(n), text;
        if (config_kind_of(n) != CONFIG_OBJECT)
                return config_fail(n, "WRONG_TYPE", "must be {\"text\":...} or {\"sealed\":...}", nullptr, fault);
        if (!config_name_valid(name))
                return config_fail(n, "UNKNOWN_NAME",
                                   "is no file of a configuration: lethe.json, policy.json, tls/server.crt, "
                                   "tls/server.key, tls/admin.crt, tls/admin.key, ca/NAME",
                                   nullptr, fault);
        TRY(config_keys(n, known, fault));
        if ((config_get(n, "text") == nullptr) == (config_get(n, "sealed") == nullptr))
                return config_fail(n, "BAD_VALUE", "must have one of \"text\" and \"sealed\"", nullptr, fault);
        file_head head = {};
        memcpy(head.name, name.data, name.len);
        if (config_get(n, "sealed") != nullptr) {
                head.sealed = 1;
                TRY(config_text(n, "sealed", &text, fault));
                return sealed_file(n, text, &head, files, fault);
        }
        if (config_name_secret(name))
                return config_fail(n, "NOT_SEALED", "is a private key: send it sealed", nullptr, fault);
        TRY(config_text(n, "text", &text, fault));
        head.len = (uint32_t)text.len;
        return file_append(&head, text, files);
}

static err opens_of(const config_node *root, uint32_t *out, config_fault *fault)
{
        static const char *const words[] = {
                [STORE_OPENS_UNSAID] = "",
                [STORE_OPENS_PERSON] = "person",
                [STORE_OPENS_KEY_FILE] = "key-file",
                [STORE_OPENS_TPM] = "tpm",
                [STORE_OPENS_COUNT] = nullptr};
        view word;
        *out = STORE_OPENS_UNSAID;
        if (config_get(root, "opens") == nullptr)
                return OK;
        TRY(config_text(root, "opens", &word, fault));
        for (uint32_t i = STORE_OPENS_PERSON; i < STORE_OPENS_COUNT; i++)
                if (view_equal(word, view_of_text(words[i]))) {
                        *out = i;
                        return OK;
                }
        return config_fail(config_get(root, "opens"), "UNKNOWN_WORD", "must be \"person\", \"key-file\" or \"tpm\"",
                           config_nearest(word, words + 1), fault);
}

static err config_of(const config_node *root, keeper_stage *stage, region *files, config_fault *fault)
{
        static const char *const known[] = {"files", "opens", "partial", nullptr};
        const config_node *list;
        bool partial = false;
        TRY(config_keys(root, known, fault));
        TRY(opens_of(root, &stage->opens, fault));
        if (config_get(root, "partial") != nullptr)
                TRY(config_bool(root, "partial", &partial, fault));
        stage->partial = partial;
        TRY(config_member(root, "files", CONFIG_OBJECT, &list, fault));
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n))
                TRY(file_of(n, files, fault));
        if (config_count(list) == 0)
                return config_fail(list, "MISSING_KEY", "names no file", nullptr, fault);
        return OK;
}

err body_config(view json, keeper_stage *stage, region *files, config_fault *fault)
{
        config_doc *doc;
        *stage = (keeper_stage){};
        TRY(config_parse_files(json, &doc, fault));
        err e = config_of(config_root(doc), stage, files, fault);
        config_free(doc);
        return e;
}
