/* What a TPM answers, and what a quote's file holds. The first byte chooses:
 * 0  an answer from its head on: a whole one is read by every reader, and what they give lies inside it
 * 1  a statement, a signature, a public key: what is accepted has its lengths in bounds
 * 2  a quote's file: what is accepted is written again and read as the same
 * 3  an export beside a quote, or a manifest: read without reaching outside
 * 4  PEM: what is accepted is written and read as the same */
#include <assert.h>
#include <string.h>

#include "base/secret.h"
#include "usage/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(view part, view whole)
{
        assert(part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void answer(view in)
{
        uint32_t  code, handle, handles[16];
        size_t    size, count;
        view      rest, a, b;
        tpm_pcrs  pcrs = {};
        tpm_clock clock;
        if (failed(tpm_answer_bytes(in, &size)) || failed(tpm_read_answer(in, &code, &rest)))
                return;
        inside(rest, in);
        assert(code == 0 || rest.len == 0);
        (void)failed(tpm_read_handle(rest, &handle));
        if (!failed(tpm_read_made_key(rest, &handle, &a))) {
                inside(a, rest);
                assert(a.len <= TPM_AK_MAX);
        }
        if (!failed(tpm_read_sealed(rest, &a, &b))) {
                inside(a, rest);
                inside(b, rest);
                assert(a.len <= TPM_PRIVATE_MAX && b.len <= TPM_PUBLIC_MAX);
        }
        if (!failed(tpm_read_unsealed(rest, &a)))
                inside(a, rest);
        if (!failed(tpm_read_quote(rest, &a, &b))) {
                inside(a, rest);
                inside(b, rest);
                assert(a.len <= TPM_ATTEST_MAX && b.len <= TPM_SIGNATURE_MAX);
        }
        if (!failed(tpm_read_pcrs(rest, &pcrs)))
                assert(pcrs.mask != 0 && pcrs.mask < 1u << TPM_PCRS);
        (void)failed(tpm_read_clock(rest, &clock));
        if (!failed(tpm_read_handles(rest, handles, &count)))
                assert(count <= 16);
}

static void statement(view in)
{
        tpm_attest a;
        uint8_t    x[32], y[32];
        if (!failed(tpm_read_attest(in, &a))) {
                inside(a.signer, in);
                inside(a.extra, in);
                assert(a.mask < 1u << TPM_PCRS);
        }
        (void)failed(tpm_read_signature(in, x, y));
        (void)failed(tpm_read_quoting_key(in, x, y));
        (void)failed(tpm_read_policy(in, x));
}

static void file(view in)
{
        static uint8_t room[QUOTE_MAX];
        tpm_quote      q, again;
        config_fault   fault;
        view           written;
        if (failed(quote_read(in, &q, &fault)))
                return;
        emit out = emit_into(room, sizeof room);
        err  e = quote_write(&q, &out);
        assert(!failed(e) && !failed(emit_done(&out, &written)));
        e = quote_read(written, &again, &fault);
        assert(!failed(e) && memcmp(&q, &again, sizeof q) == 0);
}

static void documents(view in)
{
        audit_export  e;
        audit_release r;
        config_fault  fault;
        if (!failed(audit_read_export(in, (view){}, &e, &fault)))
                assert(memchr(e.device, '\0', sizeof e.device) != nullptr);
        if (!failed(audit_read_release(in, &r, &fault)))
                assert(r.count <= 8);
}

static void pem(view in)
{
        uint8_t  room[512];
        p256_key key, again;
        if (failed(p256_read_pem(in, &key)))
                return;
        emit out = emit_into(room, sizeof room);
        p256_write_pem(&key, &out);
        err e = p256_read_pem((view){room, out.len}, &again);
        assert(!failed(e) && memcmp(&key, &again, sizeof key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static bool ready;
        if (!ready) {
                err e = secret_setup();
                assert(!failed(e));
                ready = true;
        }
        if (size == 0)
                return 0;
        view in = {data + 1, size - 1};
        static void (*const parts[])(view) = {answer, statement, file, documents, pem};
        parts[data[0] % 5](in);
        return 0;
}
