/* A command: tag, size, code; handles; with a session its area; parameters. An answer: tag, size, code; handle; with a
 * session the parameters' size before them and the session's area behind. */
#include "tpm/wire.h"

#include <assert.h>

#include "base/secret.h"

enum : uint64_t {
        NO_SESSIONS = 0x8001,
        SESSIONS = 0x8002,

        CREATE_PRIMARY = 0x131,
        CREATE = 0x153,
        LOAD = 0x157,
        QUOTE = 0x158,
        UNSEAL = 0x15e,
        FLUSH_CONTEXT = 0x165,
        START_AUTH_SESSION = 0x176,
        GET_CAPABILITY = 0x17a,
        PCR_READ = 0x17e,
        POLICY_PCR = 0x17f,
        READ_CLOCK = 0x181,

        NOTHING = 0x40000007,  /* TPM_RH_NULL */
        PASSWORD = 0x40000009, /* TPM_RS_PW: the empty password of a hierarchy that nobody has set one for */
        POLICY_SESSION = 1,
        CAP_HANDLES = 1,

        ALG_AES = 0x06,
        ALG_KEYED_HASH = 0x08,
        ALG_SHA256 = 0x0b,
        ALG_NULL = 0x10,
        ALG_ECDSA = 0x18,
        ALG_ECC = 0x23,
        ALG_CFB = 0x43,
        CURVE_P256 = 0x03,

        /* fixedTPM fixedParent sensitiveDataOrigin userWithAuth noDA restricted, and decrypt or sign. noDA: without it
         * each power cut counts as a wrong password, and after a few of them the TPM locks everybody out. */
        STORAGE_KEY = 0x00030472,
        QUOTING_KEY = 0x00050472,
        /* fixedTPM fixedParent noDA: the policy alone opens it */
        SEALED_OBJECT = 0x00000412,

        GENERATED = 0xff544347, /* TPM_GENERATED_VALUE: the TPM made what is signed */
        ATTEST_QUOTE = 0x8018,

        HEAD_BYTES = 10,
        PCR_BYTES = 3,
};

/* ---- writing ---- */

static void put(emit *out, uint64_t n, unsigned bytes)
{
        while (bytes-- > 0)
                emit_byte(out, (uint8_t)(n >> (8 * bytes)));
}

static void put_sized(emit *out, view v)
{
        put(out, v.len, 2);
        emit_view(out, v);
}

static void put_nothing(emit *out) { put(out, 0, 2); }

static void head(emit *out, uint64_t tag, uint64_t code)
{
        assert(out->len == 0);
        put(out, tag, 2);
        put(out, 0, 4);
        put(out, code, 4);
}

/* The size is known at the end. */
static void done(const emit *out)
{
        for (unsigned i = 0; i < 4 && out->len >= HEAD_BYTES; i++)
                out->bytes[2 + i] = (uint8_t)(out->len >> (8 * (3 - i)));
}

static void put_session(emit *out, uint64_t session)
{
        constexpr uint64_t BYTES = 4 + 2 + 1 + 2;
        put(out, BYTES, 4);
        put(out, session, 4);
        put_nothing(out);
        put(out, 0, 1);
        put_nothing(out);
}

static void put_selection(emit *out, uint32_t mask)
{
        put(out, 1, 4);
        put(out, ALG_SHA256, 2);
        put(out, PCR_BYTES, 1);
        for (unsigned i = 0; i < PCR_BYTES; i++)
                put(out, mask >> (8 * i) & 0xff, 1);
}

/* TPMT_PUBLIC up to what tells the kinds apart. */
static void put_public(emit *out, uint64_t type, uint64_t attributes, view policy)
{
        put(out, type, 2);
        put(out, ALG_SHA256, 2);
        put(out, attributes, 4);
        put_sized(out, policy);
}

static void put_curve(emit *out)
{
        put(out, CURVE_P256, 2);
        put(out, ALG_NULL, 2);
        put_nothing(out);
        put_nothing(out);
}

/* The two templates, which whoever checks a quote compares with (read_quoting_key). */
static void put_storage_template(emit *out)
{
        put_public(out, ALG_ECC, STORAGE_KEY, (view){});
        put(out, ALG_AES, 2);
        put(out, 128, 2);
        put(out, ALG_CFB, 2);
        put(out, ALG_NULL, 2);
        put_curve(out);
}

static void put_quoting_template(emit *out)
{
        put_public(out, ALG_ECC, QUOTING_KEY, (view){});
        put(out, ALG_NULL, 2);
        put(out, ALG_ECDSA, 2);
        put(out, ALG_SHA256, 2);
        put_curve(out);
}

static void create_primary(emit *out, uint32_t hierarchy, void (*template)(emit *out))
{
        uint8_t bytes[TPM_PUBLIC_MAX];
        emit    t = emit_into(bytes, sizeof bytes);
        template(&t);
        head(out, SESSIONS, CREATE_PRIMARY);
        put(out, hierarchy, 4);
        put_session(out, PASSWORD);
        put(out, 4, 2); /* no password, nothing to seal */
        put_nothing(out);
        put_nothing(out);
        put_sized(out, (view){t.bytes, t.len});
        put_nothing(out);
        put(out, 0, 4); /* no PCR in the creation data */
        done(out);
}

void tpm_write_storage_key(emit *out) { create_primary(out, TPM_OWNER, put_storage_template); }
void tpm_write_quoting_key(emit *out) { create_primary(out, TPM_ENDORSEMENT, put_quoting_template); }

void tpm_write_seal(emit *out, uint32_t parent, const uint8_t policy[static 32], view secret)
{
        uint8_t bytes[TPM_PUBLIC_MAX];
        emit    t = emit_into(bytes, sizeof bytes);
        put_public(&t, ALG_KEYED_HASH, SEALED_OBJECT, (view){policy, 32});
        put(&t, ALG_NULL, 2);
        put_nothing(&t);
        head(out, SESSIONS, CREATE);
        put(out, parent, 4);
        put_session(out, PASSWORD);
        put(out, 4 + secret.len, 2);
        put_nothing(out);
        put_sized(out, secret);
        put_sized(out, (view){t.bytes, t.len});
        put_nothing(out);
        put(out, 0, 4);
        done(out);
}

void tpm_write_load(emit *out, uint32_t parent, view private_part, view public_part)
{
        head(out, SESSIONS, LOAD);
        put(out, parent, 4);
        put_session(out, PASSWORD);
        put_sized(out, private_part);
        put_sized(out, public_part);
        done(out);
}

void tpm_write_policy_session(emit *out, const uint8_t nonce[static 16])
{
        head(out, NO_SESSIONS, START_AUTH_SESSION);
        put(out, NOTHING, 4);
        put(out, NOTHING, 4);
        put_sized(out, (view){nonce, 16});
        put_nothing(out);
        put(out, POLICY_SESSION, 1);
        put(out, ALG_NULL, 2);
        put(out, ALG_SHA256, 2);
        done(out);
}

void tpm_write_policy_pcr(emit *out, uint32_t session, uint32_t mask)
{
        head(out, NO_SESSIONS, POLICY_PCR);
        put(out, session, 4);
        put_nothing(out);
        put_selection(out, mask);
        done(out);
}

void tpm_write_unseal(emit *out, uint32_t object, uint32_t session)
{
        head(out, SESSIONS, UNSEAL);
        put(out, object, 4);
        put_session(out, session);
        done(out);
}

void tpm_write_quote(emit *out, uint32_t key, const uint8_t extra[static 32], uint32_t mask)
{
        head(out, SESSIONS, QUOTE);
        put(out, key, 4);
        put_session(out, PASSWORD);
        put_sized(out, (view){extra, 32});
        put(out, ALG_NULL, 2);
        put_selection(out, mask);
        done(out);
}

void tpm_write_pcr_read(emit *out, uint32_t mask)
{
        head(out, NO_SESSIONS, PCR_READ);
        put_selection(out, mask);
        done(out);
}

void tpm_write_clock(emit *out)
{
        head(out, NO_SESSIONS, READ_CLOCK);
        done(out);
}

void tpm_write_flush(emit *out, uint32_t handle)
{
        head(out, NO_SESSIONS, FLUSH_CONTEXT);
        put(out, handle, 4);
        done(out);
}

void tpm_write_handles(emit *out, uint32_t from)
{
        head(out, NO_SESSIONS, GET_CAPABILITY);
        put(out, CAP_HANDLES, 4);
        put(out, from, 4);
        put(out, 16, 4);
        done(out);
}

void tpm_pcr_digest(const tpm_pcrs *pcrs, uint8_t out[static 32])
{
        uint8_t bytes[TPM_PCRS * 32];
        emit    e = emit_into(bytes, sizeof bytes);
        for (unsigned i = 0; i < TPM_PCRS; i++)
                if ((pcrs->mask >> i & 1) != 0)
                        emit_view(&e, (view){pcrs->value[i], 32});
        secret_sha256(out, (view){e.bytes, e.len});
}

void tpm_policy_of(const tpm_pcrs *pcrs, uint8_t out[static 32])
{
        uint8_t bytes[32 + 4 + 4 + 2 + 1 + PCR_BYTES + 32] = {}, digest[32];
        emit    e = emit_into(bytes, sizeof bytes);
        tpm_pcr_digest(pcrs, digest);
        e.len = 32; /* a new session's digest is zeros */
        put(&e, POLICY_PCR, 4);
        put_selection(&e, pcrs->mask);
        emit_view(&e, (view){digest, sizeof digest});
        assert(e.len == sizeof bytes && !e.full);
        secret_sha256(out, (view){e.bytes, e.len});
}

/* ---- reading ---- */

/* Bytes still to be read; `bad` stays once something was missing, so that one look at the end is enough. */
typedef struct reader {
        view rest;
        bool bad;
} reader;

static view take(reader *r, uint64_t len)
{
        if (r->bad || len > r->rest.len) {
                r->bad = true;
                return (view){};
        }
        view out = view_slice(r->rest, 0, (size_t)len);
        r->rest = view_slice(r->rest, (size_t)len, r->rest.len);
        return out;
}

static uint64_t number(reader *r, unsigned bytes)
{
        view     v = take(r, bytes);
        uint64_t n = 0;
        for (size_t i = 0; i < v.len; i++)
                n = n << 8 | v.data[i];
        return n;
}

static view sized(reader *r) { return take(r, number(r, 2)); }

static void demand(reader *r, bool condition)
{
        if (!condition)
                r->bad = true;
}

static err whole(const reader *r) { return r->bad || r->rest.len > 0 ? FAIL(BAD_FILE) : OK; }

err tpm_answer_bytes(view bytes, size_t *out)
{
        *out = 0;
        if (bytes.len < HEAD_BYTES)
                return OK;
        reader   r = {.rest = bytes};
        uint64_t tag = number(&r, 2), size = number(&r, 4);
        if ((tag != NO_SESSIONS && tag != SESSIONS) || size < HEAD_BYTES || size > TPM_BYTES)
                return FAIL(BAD_FILE);
        *out = (size_t)size;
        return OK;
}

err tpm_read_answer(view bytes, uint32_t *code, view *rest)
{
        size_t size;
        *code = 0;
        *rest = (view){};
        TRY(tpm_answer_bytes(bytes, &size));
        if (size == 0 || size != bytes.len)
                return FAIL(BAD_FILE);
        reader r = {.rest = bytes};
        (void)take(&r, 6);
        *code = (uint32_t)number(&r, 4);
        /* A refusal is its head alone. */
        demand(&r, *code == 0 || r.rest.len == 0);
        *rest = r.rest;
        return r.bad ? FAIL(BAD_FILE) : OK;
}

err tpm_read_handle(view rest, uint32_t *handle)
{
        reader r = {.rest = rest};
        *handle = (uint32_t)number(&r, 4);
        return r.bad ? FAIL(BAD_FILE) : OK;
}

/* What stands between an answer's handles and its session. */
static reader parameters(reader *r)
{
        view inside = take(r, number(r, 4));
        return (reader){.rest = inside, .bad = r->bad};
}

err tpm_read_made_key(view rest, uint32_t *handle, view *public_part)
{
        reader r = {.rest = rest};
        *handle = (uint32_t)number(&r, 4);
        reader p = parameters(&r);
        *public_part = sized(&p);
        demand(&p, public_part->len > 0 && public_part->len <= TPM_AK_MAX);
        return p.bad ? FAIL(BAD_FILE) : OK;
}

err tpm_read_sealed(view rest, view *private_part, view *public_part)
{
        reader r = {.rest = rest}, p = parameters(&r);
        *private_part = sized(&p);
        *public_part = sized(&p);
        demand(&p, private_part->len > 0 && private_part->len <= TPM_PRIVATE_MAX);
        demand(&p, public_part->len > 0 && public_part->len <= TPM_PUBLIC_MAX);
        return p.bad ? FAIL(BAD_FILE) : OK;
}

err tpm_read_unsealed(view rest, view *secret)
{
        reader r = {.rest = rest}, p = parameters(&r);
        *secret = sized(&p);
        return whole(&p);
}

err tpm_read_quote(view rest, view *attest, view *signature)
{
        reader r = {.rest = rest}, p = parameters(&r);
        *attest = sized(&p);
        *signature = p.rest;
        demand(&p, attest->len <= TPM_ATTEST_MAX && signature->len <= TPM_SIGNATURE_MAX);
        return p.bad ? FAIL(BAD_FILE) : OK;
}

/* TPML_PCR_SELECTION of the SHA-256 bank alone. */
static uint32_t selection(reader *r)
{
        demand(r, number(r, 4) == 1);
        demand(r, number(r, 2) == ALG_SHA256);
        demand(r, number(r, 1) == PCR_BYTES);
        uint32_t mask = 0;
        for (unsigned i = 0; i < PCR_BYTES; i++)
                mask |= (uint32_t)number(r, 1) << (8 * i);
        return r->bad ? 0 : mask;
}

err tpm_read_pcrs(view rest, tpm_pcrs *pcrs)
{
        reader r = {.rest = rest};
        (void)number(&r, 4); /* how often any register has changed */
        uint32_t mask = selection(&r);
        uint64_t count = number(&r, 4);
        tpm_pcrs out = *pcrs;
        for (unsigned i = 0; i < TPM_PCRS; i++) {
                if ((mask >> i & 1) == 0)
                        continue;
                view value = sized(&r);
                demand(&r, value.len == sizeof out.value[i] && count-- > 0);
                if (!r.bad)
                        memcpy(out.value[i], value.data, value.len);
        }
        demand(&r, mask != 0 && count == 0);
        TRY(whole(&r));
        out.mask |= mask;
        *pcrs = out;
        return OK;
}

static tpm_clock clock_info(reader *r)
{
        tpm_clock c = {.ms = number(r, 8), .resets = (uint32_t)number(r, 4), .restarts = (uint32_t)number(r, 4)};
        uint64_t  safe = number(r, 1);
        demand(r, safe <= 1);
        c.safe = safe == 1;
        return c;
}

err tpm_read_clock(view rest, tpm_clock *clock)
{
        reader r = {.rest = rest};
        (void)number(&r, 8); /* since this start */
        *clock = clock_info(&r);
        return whole(&r);
}

err tpm_read_handles(view rest, uint32_t handles[static 16], size_t *count)
{
        reader r = {.rest = rest};
        *count = 0;
        (void)number(&r, 1); /* there is more: whoever asks gives these back first */
        demand(&r, number(&r, 4) == CAP_HANDLES);
        uint64_t n = number(&r, 4);
        demand(&r, n <= 16);
        for (uint64_t i = 0; i < n && !r.bad; i++)
                handles[i] = (uint32_t)number(&r, 4);
        TRY(whole(&r));
        *count = (size_t)n;
        return OK;
}

err tpm_read_policy(view public_part, uint8_t policy[static 32])
{
        reader r = {.rest = public_part};
        demand(&r, number(&r, 2) == ALG_KEYED_HASH);
        demand(&r, number(&r, 2) == ALG_SHA256);
        demand(&r, number(&r, 4) == SEALED_OBJECT);
        view v = sized(&r);
        demand(&r, v.len == 32);
        if (r.bad)
                return FAIL(BAD_FILE);
        memcpy(policy, v.data, v.len);
        return OK;
}

err tpm_read_attest(view attest, tpm_attest *out)
{
        reader r = {.rest = attest};
        *out = (tpm_attest){};
        demand(&r, number(&r, 4) == GENERATED);
        demand(&r, number(&r, 2) == ATTEST_QUOTE);
        out->signer = sized(&r);
        out->extra = sized(&r);
        out->clock = clock_info(&r);
        out->firmware = number(&r, 8);
        out->mask = selection(&r);
        view digest = sized(&r);
        demand(&r, digest.len == sizeof out->digest);
        TRY(whole(&r));
        memcpy(out->digest, digest.data, digest.len);
        return OK;
}

/* A whole number below 2^256; leading zeros may be left out. */
static void coordinate(reader *r, uint8_t out[static 32])
{
        view v = sized(r);
        memset(out, 0, 32);
        demand(r, v.len > 0 && v.len <= 32);
        if (!r->bad)
                memcpy(out + 32 - v.len, v.data, v.len);
}

err tpm_read_signature(view signature, uint8_t r_out[static 32], uint8_t s_out[static 32])
{
        reader r = {.rest = signature};
        demand(&r, number(&r, 2) == ALG_ECDSA);
        demand(&r, number(&r, 2) == ALG_SHA256);
        coordinate(&r, r_out);
        coordinate(&r, s_out);
        return whole(&r);
}

err tpm_read_quoting_key(view public_part, uint8_t x[static 32], uint8_t y[static 32])
{
        uint8_t bytes[TPM_AK_MAX];
        emit    e = emit_into(bytes, sizeof bytes);
        put_quoting_template(&e);
        /* All of the template but the two empty coordinates at its end. */
        reader r = {.rest = public_part};
        view   shape = {e.bytes, e.len - 4};
        demand(&r, view_equal(take(&r, shape.len), shape));
        coordinate(&r, x);
        coordinate(&r, y);
        return whole(&r);
}

void tpm_quoting_name(view public_part, uint8_t out[static 34])
{
        uint8_t bytes[4 + 34], digest[32];
        emit    e = emit_into(bytes, sizeof bytes);
        secret_sha256(digest, public_part);
        put(&e, TPM_ENDORSEMENT, 4);
        put(&e, ALG_SHA256, 2);
        emit_view(&e, (view){digest, sizeof digest});
        secret_sha256(digest, (view){e.bytes, e.len});
        emit name = emit_into(out, 34);
        put(&name, ALG_SHA256, 2);
        emit_view(&name, (view){digest, sizeof digest});
}
