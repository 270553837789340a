#include "usage/audit.h"

#include "base/arena.h"
#include "base/secret.h"

/* ---- reading ---- */

static int nibble(uint8_t c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static err hex_member(const config_node *parent, const char *key, uint8_t out[static 32], config_fault *fault)
{
        view text;
        TRY(config_text(parent, key, &text, fault));
        for (size_t i = 0; i < 32 && text.len == 64; i++) {
                int high = nibble(text.data[2 * i]), low = nibble(text.data[2 * i + 1]);
                if (high < 0 || low < 0)
                        text.len = 0;
                else
                        out[i] = (uint8_t)(high << 4 | low);
        }
        return text.len == 64 ? OK
                              : config_fail(config_get(parent, key), "NO_DIGEST", "64 hexadecimal digits are wanted",
                                            nullptr, fault);
}

static err text_member(const config_node *parent, const char *key, char *out, size_t size, config_fault *fault)
{
        view text;
        TRY(config_text(parent, key, &text, fault));
        if (text.len >= size)
                return config_fail(config_get(parent, key), "TOO_LONG", "this text is too long", nullptr, fault);
        memcpy(out, text.data, text.len);
        out[text.len] = '\0';
        return OK;
}

/* Large numbers are texts in an export (usage/export.c). */
static err number_member(const config_node *parent, const char *key, uint64_t *out, config_fault *fault)
{
        const config_node *n = config_get(parent, key);
        view               text;
        if (n == nullptr || config_kind_of(n) != CONFIG_TEXT)
                return config_u64(parent, key, (config_range){0, (uint64_t)1 << 53}, out, fault);
        TRY(config_text_of(n, &text, fault));
        return view_decimal(text, UINT64_MAX, out)
                       ? OK
                       : config_fail(n, "OUT_OF_RANGE", "this is not a number", nullptr, fault);
}

static err tpm_of(const config_node *tpm, audit_export *out, config_fault *fault)
{
        uint64_t resets, restarts, safe;
        TRY(number_member(tpm, "clock", &out->tpm.ms, fault));
        TRY(number_member(tpm, "reset_count", &resets, fault));
        TRY(number_member(tpm, "restart_count", &restarts, fault));
        TRY(number_member(tpm, "safe", &safe, fault));
        out->tpm.resets = (uint32_t)resets;
        out->tpm.restarts = (uint32_t)restarts;
        out->tpm.safe = safe != 0;
        out->has_tpm = true;
        return hex_member(tpm, "previous_quote", out->previous_quote, fault);
}

static err export_of(const config_node *root, audit_export *out, config_fault *fault)
{
        const config_node *boot, *software, *tpm = config_get(root, "tpm");
        view               format;
        TRY(config_text(root, "format", &format, fault));
        if (!view_equal(format, VIEW("relay-usage/1")))
                return config_fail(config_get(root, "format"), "UNKNOWN_FORM", "this is not a relay-usage/1", nullptr,
                                   fault);
        TRY(config_member(root, "boot", CONFIG_OBJECT, &boot, fault));
        TRY(config_member(root, "software", CONFIG_OBJECT, &software, fault));
        TRY(number_member(boot, "count", &out->boot_count, fault));
        TRY(number_member(root, "seq", &out->sequence, fault));
        TRY(text_member(root, "device", out->device, sizeof out->device, fault));
        TRY(text_member(software, "commit", out->commit, sizeof out->commit, fault));
        TRY(hex_member(root, "prev", out->previous, fault));
        return tpm == nullptr ? OK : tpm_of(tpm, out, fault);
}

/* Rows may be many and are not looked at. In canonical JSON these words stand outside every string. */
static err without_rows(view body, region *out)
{
        static const char begin[] = "\"rows\":[", end[] = "],\"seq\":";
        const uint8_t    *from = body.len == 0 ? nullptr : memmem(body.data, body.len, begin, sizeof begin - 1);
        const uint8_t    *to = nullptr;
        size_t            at = from == nullptr ? 0 : (size_t)(from - body.data) + sizeof begin - 1;
        if (from != nullptr)
                to = memmem(body.data + at, body.len - at, end, sizeof end - 1);
        if (to == nullptr)
                return region_append(out, body);
        TRY(region_append(out, view_slice(body, 0, at)));
        return region_append(out, view_slice(body, (size_t)(to - body.data), body.len));
}

err audit_read_export(view body, view quote, audit_export *out, config_fault *fault)
{
        config_doc *doc;
        region      text;
        *out = (audit_export){.has_quote = quote.len > 0};
        *fault = (config_fault){};
        secret_sha256(out->digest, body);
        if (out->has_quote)
                secret_sha256(out->quote_digest, quote);
        region_init(&text, body.len);
        err e = without_rows(body, &text);
        if (!failed(e))
                e = config_parse(region_view(&text), &doc, fault);
        region_end(&text);
        TRY(e);
        e = export_of(config_root(doc), out, fault);
        config_free(doc);
        return e;
}

static err profile_of(const config_node *n, audit_release *out, config_fault *fault)
{
        const config_node *pcr;
        if (out->count == sizeof out->profiles / sizeof *out->profiles)
                return config_fail(n, "TOO_MANY", "a release has at most 8 profiles", nullptr, fault);
        audit_profile *p = &out->profiles[out->count++];
        view           name = config_key(n);
        memcpy(p->name, name.data, name.len < sizeof p->name ? name.len : sizeof p->name - 1);
        TRY(config_member(n, "pcr", CONFIG_OBJECT, &pcr, fault));
        TRY(hex_member(pcr, "4", p->pcr4, fault));
        return hex_member(pcr, "11", p->pcr11, fault);
}

static err release_of(const config_node *root, audit_release *out, config_fault *fault)
{
        const config_node *profiles;
        TRY(text_member(root, "version", out->version, sizeof out->version, fault));
        TRY(text_member(root, "commit", out->commit, sizeof out->commit, fault));
        TRY(config_member(root, "profiles", CONFIG_OBJECT, &profiles, fault));
        for (const config_node *n = config_first(profiles); n != nullptr; n = config_next(n))
                TRY(profile_of(n, out, fault));
        return OK;
}

err audit_read_release(view manifest, audit_release *out, config_fault *fault)
{
        config_doc *doc;
        *out = (audit_release){};
        *fault = (config_fault){};
        TRY(config_parse(manifest, &doc, fault));
        err e = release_of(config_root(doc), out, fault);
        config_free(doc);
        return e;
}

/* ---- judging ---- */

static void judge(const audit_report *to, bool good, const char *holds, const char *fails)
{
        to->say(to->ctx, good, good ? holds : fails);
}

static bool same_clock(const tpm_clock *told, const tpm_clock *signed_later)
{
        return told->resets == signed_later->resets && told->restarts == signed_later->restarts
               && told->ms <= signed_later->ms;
}

void audit_quote(const tpm_quote *q, view body, const audit_export *e, const p256_key *key, const audit_report *to)
{
        tpm_attest a;
        p256_key   own;
        uint8_t    r[32], s[32], digest[32], name[34];
        view       attest = {q->attest, q->attest_len}, public_part = {q->key, q->key_len};
        bool       shaped = !failed(tpm_read_attest(attest, &a))
                      && !failed(tpm_read_signature((view){q->signature, q->signature_len}, r, s))
                      && !failed(tpm_read_quoting_key(public_part, own.x, own.y));
        judge(to, shaped, "the quote is a statement of a TPM about itself",
              "the quote is not one of a TPM about its own registers, by a key that signs nothing else");
        if (!shaped)
                return;
        judge(to, memcmp(&own, key, sizeof own) == 0, "the quote's key is the one that was enrolled",
              "the quote is by another key than the one that was enrolled: another TPM, or one that was cleared");
        judge(to, !failed(p256_verify(key, attest, r, s)), "the TPM's signature verifies",
              "the TPM's signature does not verify");
        tpm_quoting_name(public_part, name);
        judge(to, view_equal(a.signer, (view){name, sizeof name}), "the TPM names that key as the signer",
              "the TPM names another key as the signer");
        quote_binding(body, digest);
        judge(to, view_equal(a.extra, (view){digest, sizeof digest}), "the quote is over this export",
              "the quote is over another export, or this one was changed");
        tpm_pcr_digest(&q->pcrs, digest);
        judge(to, a.mask == q->pcrs.mask && memcmp(a.digest, digest, sizeof digest) == 0,
              "the registers beside the quote are those that were signed",
              "the registers beside the quote are not those that were signed");
        judge(to, e->has_tpm && same_clock(&e->tpm, &a.clock), "the export was written just before, in the same start",
              "the clock of the TPM in the export does not fit the one in its quote");
}

static bool has(const tpm_pcrs *p, unsigned number) { return (p->mask >> number & 1) != 0; }

static const audit_profile *started_as(const tpm_pcrs *p, const audit_release *release)
{
        for (size_t i = 0; i < release->count; i++)
                if (memcmp(p->value[4], release->profiles[i].pcr4, 32) == 0
                    && memcmp(p->value[11], release->profiles[i].pcr11, 32) == 0)
                        return &release->profiles[i];
        return nullptr;
}

void audit_started(const tpm_quote *q, const audit_export *e, const audit_release *release, const audit_report *to)
{
        static const uint8_t zeros[32];
        char                 text[256] = {};
        emit                 sentence = emit_into((uint8_t *)text, sizeof text - 1);
        const tpm_pcrs      *p = &q->pcrs;
        bool                 whole = has(p, 4) && has(p, 11) && has(p, 12) && has(p, 13);
        judge(to, whole, "registers 4, 11, 12 and 13 are signed",
              "the quote leaves out one of registers 4, 11, 12, 13");
        if (!whole)
                return;
        const audit_profile *as = started_as(p, release);
        emit_text(&sentence, "what was started is release ");
        emit_text(&sentence, release->version);
        emit_text(&sentence, ", profile ");
        emit_text(&sentence, as == nullptr ? "" : as->name);
        judge(to, as != nullptr, text,
              "what was started is not this release: registers 4 and 11 are those of none of its profiles");
        judge(to, memcmp(p->value[12], zeros, 32) == 0 && memcmp(p->value[13], zeros, 32) == 0,
              "nothing was added to the image at its start",
              "something was added to the image at its start: a command line, a credential or an extension");
        judge(to, strcmp(e->commit, release->commit) == 0, "the export names the same commit",
              "the export names another commit than the manifest");
}

void audit_series(const audit_export *before, const audit_export *now, const audit_report *to)
{
        char text[128] = {};
        emit sentence = emit_into((uint8_t *)text, sizeof text - 1);
        emit_text(&sentence, "export ");
        emit_u64(&sentence, now->sequence);
        emit_text(&sentence, " follows export ");
        emit_u64(&sentence, before->sequence);
        judge(to, strcmp(before->device, now->device) == 0, "both exports are of one device",
              "the exports are of two devices");
        judge(to, now->sequence == before->sequence + 1, text, "an export between the two is missing");
        judge(to, memcmp(now->previous, before->digest, 32) == 0, "it names the digest of the one before",
              "it names another one before it: the series was forked or the earlier file was changed");
        if (!before->has_tpm && !now->has_tpm)
                return;
        judge(to, before->has_tpm && now->has_tpm, "both have the TPM's clock",
              "only one of the two has the TPM's clock: the TPM was taken away, or came");
        if (!before->has_tpm || !now->has_tpm)
                return;
        static const uint8_t none[32];
        const uint8_t       *quote = before->has_quote ? before->quote_digest : none;
        judge(to, memcmp(now->previous_quote, quote, 32) == 0, "it names the digest of the quote before",
              before->has_quote ? "it names another quote before it: that quote was replaced"
                                : "it names a quote before it that is not here");
        /* A chip writes its clock down once in a while: after a power cut it goes on from there, and says it is not
         * safe. Its count of starts never goes back. */
        bool cut = now->tpm.resets > before->tpm.resets && !now->tpm.safe;
        bool back = now->tpm.resets < before->tpm.resets || (now->tpm.ms < before->tpm.ms && !cut);
        judge(to, !back, "the TPM's clock goes on",
              "the TPM's clock went back: its state was restored, or it is another");
        bool started = now->tpm.resets != before->tpm.resets;
        judge(to, !started || now->boot_count > before->boot_count,
              started ? "the machine was started between the two, and the export says so"
                      : "the machine was not started between the two",
              "the machine was started between the two, and the export does not say so");
}

void audit_first(const audit_export *e, const audit_report *to)
{
        static const uint8_t none[32];
        if (e->sequence == 1)
                judge(to, memcmp(e->previous, none, 32) == 0, "the series begins here",
                      "the first export names one before it");
}
