#include "tpm/device.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/secret.h"

/* A chip that makes a key takes a second; one that tests itself says so and is asked again. */
enum : int { ANSWER_MS = 10000, AGAIN_MS = 50, AGAIN_TIMES = 40 };

typedef struct exchange {
        uint8_t bytes[TPM_BYTES];
        emit    command;
        view    answer;
} exchange;

static void begin(exchange *x)
{
        wipe(x->bytes, sizeof x->bytes);
        x->command = emit_into(x->bytes, sizeof x->bytes);
}

static err send_command(const tpm *t, const emit *command)
{
        ssize_t n;
        do
                n = write(t->fd, command->bytes, command->len);
        while (n < 0 && errno == EINTR);
        /* A device takes a command whole or not at all; so does a socket with nothing before it. */
        return n == (ssize_t)command->len ? OK : FAIL(SYSTEM);
}

static err receive_answer(const tpm *t, uint8_t *bytes, size_t *len)
{
        size_t want = 0;
        for (*len = 0; want == 0 || *len < want;) {
                struct pollfd p = {.fd = t->fd, .events = POLLIN};
                int           ready = poll(&p, 1, ANSWER_MS);
                if (ready < 0 && errno == EINTR)
                        continue;
                ssize_t n = ready <= 0 ? -1 : read(t->fd, bytes + *len, TPM_BYTES - *len);
                if (n < 0 && ready > 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return FAIL(SYSTEM);
                *len += (size_t)n;
                TRY(tpm_answer_bytes((view){bytes, *len}, &want));
        }
        return OK;
}

static bool says_again(uint32_t code)
{
        return code == TPM_RC_RETRY || code == TPM_RC_YIELDED || code == TPM_RC_TESTING;
}

/* Sends the command that stands in x, puts the answer in its place. */
static err call(tpm *t, exchange *x, view *rest)
{
        uint8_t answer[TPM_BYTES];
        size_t  len = 0;
        t->code = 0;
        assert(!x->command.full);
        err e = t->gone ? FAIL(SYSTEM) : OK;
        for (int times = 0; !failed(e) && (times == 0 || (says_again(t->code) && times < AGAIN_TIMES)); times++) {
                if (times > 0)
                        (void)poll(nullptr, 0, AGAIN_MS);
                e = send_command(t, &x->command);
                if (!failed(e))
                        e = receive_answer(t, answer, &len);
                if (!failed(e))
                        e = tpm_read_answer((view){answer, len}, &t->code, rest);
        }
        wipe(x->bytes, sizeof x->bytes);
        if (!failed(e)) {
                memcpy(x->bytes, answer, len);
                *rest = (view){x->bytes + (rest->data == nullptr ? 0 : rest->data - answer), rest->len};
        }
        wipe(answer, sizeof answer);
        t->gone = t->gone || failed(e);
        TRY(e);
        return t->code == 0 ? OK : FAIL(SYSTEM);
}

/* What the caller says went wrong stays what went wrong. */
static void flush(tpm *t, uint32_t handle)
{
        exchange x;
        view     rest;
        uint32_t code = t->code;
        begin(&x);
        tpm_write_flush(&x.command, handle);
        (void)!failed(call(t, &x, &rest));
        t->code = code;
}

err tpm_clear_leftovers(tpm *t)
{
        static const uint32_t kinds[] = {TPM_HANDLES_TRANSIENT, TPM_HANDLES_LOADED_SESSION, TPM_HANDLES_SAVED_SESSION};
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                exchange x;
                view     rest;
                uint32_t handles[16];
                size_t   count;
                begin(&x);
                tpm_write_handles(&x.command, kinds[i]);
                TRY(call(t, &x, &rest));
                TRY(tpm_read_handles(rest, handles, &count));
                while (count > 0)
                        flush(t, handles[--count]);
        }
        return OK;
}

err tpm_pcrs_now(tpm *t, uint32_t mask, tpm_pcrs *out)
{
        *out = (tpm_pcrs){};
        while ((mask & ~out->mask) != 0) {
                exchange x;
                view     rest;
                uint32_t had = out->mask;
                begin(&x);
                tpm_write_pcr_read(&x.command, mask & ~had);
                TRY(call(t, &x, &rest));
                TRY(tpm_read_pcrs(rest, out));
                if (out->mask == had || (out->mask & ~mask) != 0)
                        return FAIL(BAD_FILE);
        }
        return OK;
}

err tpm_clock_now(tpm *t, tpm_clock *out)
{
        exchange x;
        view     rest;
        begin(&x);
        tpm_write_clock(&x.command);
        TRY(call(t, &x, &rest));
        return tpm_read_clock(rest, out);
}

/* in   write  puts the command; out  *handle  flush it; *public_part is borrowed from x */
static err make_key(tpm *t, void (*write)(emit *out), exchange *x, uint32_t *handle, view *public_part)
{
        view rest;
        begin(x);
        write(&x->command);
        TRY(call(t, x, &rest));
        return tpm_read_made_key(rest, handle, public_part);
}

static err seal_below(tpm *t, uint32_t parent, const tpm_pcrs *pcrs, view secret, tpm_sealed *out)
{
        exchange x;
        view     rest, private_part, public_part;
        uint8_t  policy[32];
        tpm_policy_of(pcrs, policy);
        begin(&x);
        tpm_write_seal(&x.command, parent, policy, secret);
        TRY(call(t, &x, &rest));
        TRY(tpm_read_sealed(rest, &private_part, &public_part));
        *out = (tpm_sealed){.private_len = (uint16_t)private_part.len, .public_len = (uint16_t)public_part.len};
        memcpy(out->private_part, private_part.data, private_part.len);
        memcpy(out->public_part, public_part.data, public_part.len);
        return OK;
}

err tpm_seal(tpm *t, const tpm_pcrs *pcrs, const uint8_t secret[static TPM_SEALED_BYTES], tpm_sealed *out)
{
        exchange x;
        uint32_t parent;
        view     ignored;
        TRY(make_key(t, tpm_write_storage_key, &x, &parent, &ignored));
        err e = seal_below(t, parent, pcrs, (view){secret, TPM_SEALED_BYTES}, out);
        flush(t, parent);
        return e;
}

/* The session ends with a use that succeeds; after any other it is flushed. */
static err unseal_object(tpm *t, uint32_t object, uint32_t mask, uint8_t *secret)
{
        exchange x;
        view     rest, bytes;
        uint8_t  nonce[16];
        uint32_t session;
        secret_random(nonce, sizeof nonce);
        begin(&x);
        tpm_write_policy_session(&x.command, nonce);
        TRY(call(t, &x, &rest));
        TRY(tpm_read_handle(rest, &session));
        begin(&x);
        tpm_write_policy_pcr(&x.command, session, mask);
        err e = call(t, &x, &rest);
        if (!failed(e)) {
                begin(&x);
                tpm_write_unseal(&x.command, object, session);
                e = call(t, &x, &rest);
        }
        if (failed(e)) {
                flush(t, session);
                return e;
        }
        e = tpm_read_unsealed(rest, &bytes);
        if (!failed(e) && bytes.len != TPM_SEALED_BYTES)
                e = FAIL(BAD_FILE);
        if (!failed(e))
                memcpy(secret, bytes.data, bytes.len);
        wipe(&x, sizeof x);
        return e;
}

static err load_and_unseal(tpm *t, uint32_t parent, const tpm_sealed *s, uint32_t mask, uint8_t *secret)
{
        exchange x;
        view     rest;
        uint32_t object;
        begin(&x);
        tpm_write_load(&x.command, parent, (view){s->private_part, s->private_len},
                       (view){s->public_part, s->public_len});
        TRY(call(t, &x, &rest));
        TRY(tpm_read_handle(rest, &object));
        err e = unseal_object(t, object, mask, secret);
        flush(t, object);
        return e;
}

err tpm_unseal(tpm *t, const tpm_sealed *sealed, uint32_t mask, uint8_t secret[static TPM_SEALED_BYTES])
{
        exchange x;
        uint32_t parent;
        view     ignored;
        if (sealed->private_len > TPM_PRIVATE_MAX || sealed->public_len > TPM_PUBLIC_MAX)
                return FAIL(BAD_FILE);
        TRY(make_key(t, tpm_write_storage_key, &x, &parent, &ignored));
        err e = load_and_unseal(t, parent, sealed, mask, secret);
        flush(t, parent);
        if (e.code == ERR_SYSTEM && (t->code == TPM_RC_POLICY_FAIL || t->code == TPM_RC_PCR_CHANGED))
                return FAIL(BAD_CREDENTIAL);
        if (e.code == ERR_SYSTEM && t->code == TPM_RC_INTEGRITY)
                return FAIL(NO_TARGET);
        return e;
}

static err quote_by(tpm *t, uint32_t key, const uint8_t extra[static 32], tpm_quote *out)
{
        exchange x;
        view     rest, attest, signature;
        begin(&x);
        tpm_write_quote(&x.command, key, extra, out->pcrs.mask);
        TRY(call(t, &x, &rest));
        TRY(tpm_read_quote(rest, &attest, &signature));
        memcpy(out->attest, attest.data, attest.len);
        memcpy(out->signature, signature.data, signature.len);
        out->attest_len = (uint16_t)attest.len;
        out->signature_len = (uint16_t)signature.len;
        return OK;
}

/* A TPM signs the digest of its registers and does not tell their values: they are read beside it. */
static err agrees(const tpm_quote *q)
{
        tpm_attest a;
        uint8_t    digest[32];
        TRY(tpm_read_attest((view){q->attest, q->attest_len}, &a));
        tpm_pcr_digest(&q->pcrs, digest);
        return a.mask == q->pcrs.mask && memcmp(digest, a.digest, sizeof digest) == 0 ? OK : FAIL(AGAIN);
}

err tpm_quote_now(tpm *t, const uint8_t extra[static 32], uint32_t mask, tpm_quote *out)
{
        exchange x;
        uint32_t key;
        view     public_part;
        *out = (tpm_quote){};
        TRY(tpm_pcrs_now(t, mask, &out->pcrs));
        TRY(make_key(t, tpm_write_quoting_key, &x, &key, &public_part));
        memcpy(out->key, public_part.data, public_part.len);
        out->key_len = (uint16_t)public_part.len;
        err e = quote_by(t, key, extra, out);
        flush(t, key);
        return failed(e) ? e : agrees(out);
}
