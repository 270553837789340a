#include "usage/quote.h"

#include "base/arena.h"
#include "base/secret.h"
#include "codec/base64.h"

static const char FORMAT[] = "relay-quote/1";

void quote_binding(view export, uint8_t out[static 32])
{
        static const char name[] = "relay-usage-export-v1"; /* its final zero goes in too */
        region            whole;
        region_init(&whole, sizeof name + export.len);
        /* No room leaves zeros, which no export has. */
        memset(out, 0, 32);
        if (!failed(region_append(&whole, (view){(const uint8_t *)name, sizeof name}))
            && !failed(region_append(&whole, export)))
                secret_sha256(out, region_view(&whole));
        region_end(&whole);
}

static void put_base64(emit *out, const char *key, const uint8_t *bytes, size_t len)
{
        emit_text(out, key);
        base64_write(out, (view){bytes, len});
        emit_byte(out, '"');
}

/* RFC 8785 orders keys as text: 0 11 12 13 2 4 7. */
static void put_pcrs(emit *out, const tpm_pcrs *pcrs)
{
        static const uint8_t order[TPM_PCRS] = {0,  1,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                                                2,  20, 21, 22, 23, 3,  4,  5,  6,  7,  8,  9};
        const char          *comma = "";
        for (size_t i = 0; i < TPM_PCRS; i++) {
                if ((pcrs->mask >> order[i] & 1) == 0)
                        continue;
                emit_text(out, comma);
                emit_byte(out, '"');
                emit_u64(out, order[i]);
                emit_text(out, "\":\"");
                emit_hex(out, (view){pcrs->value[order[i]], 32});
                emit_byte(out, '"');
                comma = ",";
        }
}

err quote_write(const tpm_quote *q, emit *out)
{
        view whole;
        put_base64(out, "{\"ak_pub\":\"", q->key, q->key_len);
        put_base64(out, ",\"attest\":\"", q->attest, q->attest_len);
        emit_text(out, ",\"format\":\"");
        emit_text(out, FORMAT);
        emit_text(out, "\",\"pcrs\":{");
        put_pcrs(out, &q->pcrs);
        emit_byte(out, '}');
        put_base64(out, ",\"sig\":\"", q->signature, q->signature_len);
        emit_text(out, "}\n");
        return emit_done(out, &whole);
}

static err bytes_of(const config_node *root, const char *key, emit *out, config_fault *fault)
{
        view text;
        TRY(config_text(root, key, &text, fault));
        if (!base64_read(text, out) || out->full || out->len == 0)
                return config_fail(config_get(root, key), "NOT_BASE64", "this is not base64, or too long", nullptr,
                                   fault);
        return OK;
}

static int nibble(uint8_t c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static bool hex_of(view text, uint8_t out[static 32])
{
        if (text.len != 64)
                return false;
        for (size_t i = 0; i < 32; i++) {
                int high = nibble(text.data[2 * i]), low = nibble(text.data[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                out[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

static err pcrs_of(const config_node *root, tpm_pcrs *out, config_fault *fault)
{
        const config_node *list;
        TRY(config_member(root, "pcrs", CONFIG_OBJECT, &list, fault));
        for (const config_node *n = config_first(list); n != nullptr; n = config_next(n)) {
                uint64_t number;
                view     text;
                TRY(config_text_of(n, &text, fault));
                if (!view_decimal(config_key(n), TPM_PCRS - 1, &number) || !hex_of(text, out->value[number]))
                        return config_fail(n, "NO_PCR", "a register is a number to 23 and has 64 hexadecimal digits",
                                           nullptr, fault);
                out->mask |= (uint32_t)1 << number;
        }
        return OK;
}

static err document(const config_node *root, tpm_quote *out, config_fault *fault)
{
        static const char *const known[] = {"ak_pub", "attest", "event_log", "format", "pcrs", "sig", nullptr};
        view                     format;
        TRY(config_keys(root, known, fault));
        TRY(config_text(root, "format", &format, fault));
        if (!view_equal(format, view_of_text(FORMAT)))
                return config_fail(config_get(root, "format"), "UNKNOWN_FORM", "this is not a relay-quote/1", nullptr,
                                   fault);
        emit key = emit_into(out->key, sizeof out->key), attest = emit_into(out->attest, sizeof out->attest);
        emit signature = emit_into(out->signature, sizeof out->signature);
        TRY(bytes_of(root, "ak_pub", &key, fault));
        TRY(bytes_of(root, "attest", &attest, fault));
        TRY(bytes_of(root, "sig", &signature, fault));
        out->key_len = (uint16_t)key.len;
        out->attest_len = (uint16_t)attest.len;
        out->signature_len = (uint16_t)signature.len;
        return pcrs_of(root, &out->pcrs, fault);
}

err quote_read(view file, tpm_quote *out, config_fault *fault)
{
        config_doc *doc;
        *out = (tpm_quote){};
        *fault = (config_fault){};
        TRY(config_parse(file, &doc, fault));
        err e = document(config_root(doc), out, fault);
        config_free(doc);
        return e;
}
