/* Against answers that a TPM of software gave (tests/vectors/quote), and at every cut. */
#include "tpm/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "wire";

static uint8_t text[16 * 1024];
static size_t  text_len;

static int nibble(int c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

/* The hexadecimal of a member of answers.json. */
static view answer(const char *name, uint8_t *room)
{
        char key[64];
        snprintf(key, sizeof key, "\"%s\": \"", name);
        const char *at = strstr((const char *)text, key);
        if (at == nullptr)
                abort();
        size_t n = 0;
        for (at += strlen(key); *at != '"'; at += 2)
                room[n++] = (uint8_t)(nibble(at[0]) << 4 | nibble(at[1]));
        return (view){room, n};
}

static void test_commands(void)
{
        uint8_t bytes[TPM_BYTES];
        static void (*const keys[])(emit *) = {tpm_write_storage_key, tpm_write_quoting_key};
        bool good = true;
        for (size_t i = 0; i < 2; i++) {
                emit e = emit_into(bytes, sizeof bytes);
                keys[i](&e);
                good = good && !e.full && e.len == ((size_t)bytes[4] << 8 | bytes[5]) && bytes[0] == 0x80
                       && bytes[1] == 0x02 && memcmp(bytes + 6, "\0\0\1\x31", 4) == 0;
        }
        tap_ok(good, SUBJECT, "a command knows its own length");
        emit e = emit_into(bytes, sizeof bytes);
        tpm_write_pcr_read(&e, 1u << 4 | 1u << 11);
        static const uint8_t want[] = {0x80, 0x01, 0, 0, 0, 20, 0, 0, 1, 0x7e, 0, 0, 0, 1, 0, 11, 3, 0x10, 0x08, 0};
        tap_ok(view_equal((view){bytes, e.len}, (view){want, sizeof want}), SUBJECT,
               "byte for byte as the norm has it");
        uint8_t room[8];
        e = emit_into(room, sizeof room);
        tpm_write_clock(&e);
        tap_ok(e.full, SUBJECT, "one without room is not sent");
}

static void test_policy(void)
{
        tpm_pcrs pcrs = {.mask = 1u << 7 | 1u << 15};
        uint8_t  digest[32], policy[32], bytes[32 + 4 + 10 + 32] = {}, want[32];
        memset(pcrs.value[15], 0x5a, 32);
        tpm_pcr_digest(&pcrs, digest);
        uint8_t both[64] = {};
        memset(both + 32, 0x5a, 32);
        secret_sha256(want, (view){both, sizeof both});
        tap_ok(memcmp(digest, want, 32) == 0, SUBJECT, "registers are hashed in order of their numbers");
        memcpy(bytes + 32, "\0\0\1\x7f\0\0\0\1\0\x0b\3\x80\x80\0", 14);
        memcpy(bytes + 46, digest, 32);
        secret_sha256(want, (view){bytes, sizeof bytes});
        tpm_policy_of(&pcrs, policy);
        tap_ok(memcmp(policy, want, 32) == 0, SUBJECT, "the policy is what PolicyPCR makes of them");
}

static void test_answers(void)
{
        static uint8_t room[4096];
        uint32_t handle, handles[16];
        size_t   count = 9;
        view     a, b, rest = answer("storage_key", room);
        tap_ok(!failed(tpm_read_made_key(rest, &handle, &a)) && handle == 0x80000000 && a.len == 90, SUBJECT, "a key");
        uint8_t policy[32], zeros[32] = {};
        rest = answer("sealed", room);
        tap_ok(!failed(tpm_read_sealed(rest, &a, &b)) && a.len == 158 && b.len == 78
                       && !failed(tpm_read_policy(b, policy)) && memcmp(policy, zeros, 32) == 0,
               SUBJECT, "a sealed object and its policy");
        rest = answer("handles", room);
        tap_ok(!failed(tpm_read_handles(rest, handles, &count)) && count == 0, SUBJECT, "handles");
        tpm_clock clock;
        rest = answer("clock", room);
        tap_ok(!failed(tpm_read_clock(rest, &clock)) && clock.resets == 1 && clock.restarts == 0 && clock.safe, SUBJECT,
               "the clock");
        tpm_pcrs pcrs = {};
        rest = answer("pcrs", room);
        tap_ok(!failed(tpm_read_pcrs(rest, &pcrs)) && pcrs.mask == 0x003895 && pcrs.value[4][0] == 0x5c
                       && pcrs.value[13][5] == 0,
               SUBJECT, "registers");
}

static void test_quote(void)
{
        static uint8_t room[4096], key_room[4096];
        uint8_t        r[32], s[32], x[32], y[32], name[34], digest[32], key[TPM_AK_MAX];
        uint32_t       handle;
        view           attest, signature, public_part, key_rest = answer("quoting_key", key_room);
        tpm_attest     said;
        tpm_pcrs       pcrs = {};
        view           rest = answer("quote", room);
        tap_ok(!failed(tpm_read_quote(rest, &attest, &signature)) && !failed(tpm_read_attest(attest, &said))
                       && !failed(tpm_read_signature(signature, r, s)) && said.mask == 0x003895 && said.extra.len == 32,
               SUBJECT, "a quote");
        tap_ok(!failed(tpm_read_made_key(key_rest, &handle, &public_part))
                       && !failed(tpm_read_quoting_key(public_part, x, y)),
               SUBJECT, "its key");
        tpm_quoting_name(public_part, name);
        tap_ok(view_equal(said.signer, (view){name, sizeof name}), SUBJECT, "is the one that the quote names");
        static uint8_t pcr_room[4096];
        tpm_read_pcrs(answer("pcrs", pcr_room), &pcrs).code == ERR_NONE ? (void)0 : abort();
        tpm_pcr_digest(&pcrs, digest);
        tap_ok(memcmp(digest, said.digest, 32) == 0, SUBJECT, "and the digest is that of the registers");
        bool refused = true;
        for (size_t at = 0; at < 20; at++) {
                memcpy(key, public_part.data, public_part.len);
                key[at] ^= 0x10;
                refused = refused && failed(tpm_read_quoting_key((view){key, public_part.len}, x, y));
        }
        tap_ok(refused, SUBJECT, "a key of any other kind is none that quotes");
        bool cut = true;
        for (size_t len = 0; len < attest.len; len++)
                cut = cut && failed(tpm_read_attest(view_slice(attest, 0, len), &said));
        for (size_t len = 0; len < signature.len; len++)
                cut = cut && failed(tpm_read_signature(view_slice(signature, 0, len), r, s));
        for (size_t len = 0; len < public_part.len; len++)
                cut = cut && failed(tpm_read_quoting_key(view_slice(public_part, 0, len), x, y));
        tap_ok(cut, SUBJECT, "cut anywhere they are refused");
}

/* True when every answer cut short is refused. `whole`: it may not be longer either. */
static bool cuts(const char *name, err (*read)(view))
{
        static uint8_t room[4096];
        view rest = answer(name, room);
        bool refused = !failed(read(rest));
        for (size_t len = 0; len + 9 < rest.len; len++)
                refused = refused && failed(read(view_slice(rest, 0, len)));
        return refused;
}

static err a_key(view v)
{
        uint32_t handle;
        view     key;
        /* Behind the public part stands what is not looked at. */
        err e = tpm_read_made_key(v, &handle, &key);
        return failed(e) || v.len < 100 ? FAIL(BAD_FILE) : OK;
}
static err a_sealed(view v)
{
        view a, b;
        err  e = tpm_read_sealed(v, &a, &b);
        return failed(e) ? e : OK;
}
static err a_quote(view v)
{
        view a, b;
        return tpm_read_quote(v, &a, &b);
}
static err some_pcrs(view v)
{
        tpm_pcrs p = {};
        return tpm_read_pcrs(v, &p);
}
static err a_clock(view v)
{
        tpm_clock c;
        return tpm_read_clock(v, &c);
}
static err some_handles(view v)
{
        uint32_t h[16];
        size_t   n;
        return tpm_read_handles(v, h, &n);
}

static void test_cuts(void)
{
        tap_ok(cuts("storage_key", a_key) && cuts("sealed", a_sealed) && cuts("quote", a_quote)
                       && cuts("pcrs", some_pcrs) && cuts("clock", a_clock) && cuts("handles", some_handles),
               SUBJECT, "answers cut at any byte are refused");
        uint8_t  head[10] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x9d};
        uint32_t code;
        view     rest;
        size_t   size;
        bool     waits = true;
        for (size_t len = 0; len < 10; len++)
                waits = waits && !failed(tpm_answer_bytes((view){head, len}, &size)) && size == 0;
        tap_ok(waits && !failed(tpm_answer_bytes((view){head, 10}, &size)) && size == 10, SUBJECT,
               "a head that is not whole is waited for");
        tap_ok(!failed(tpm_read_answer((view){head, 10}, &code, &rest)) && code == TPM_RC_POLICY_FAIL && rest.len == 0,
               SUBJECT, "a refusal is its code");
        static const struct {
                const char *sentence;
                uint8_t     at, value;
        } rows[] = {{"another tag", 1, 3}, {"shorter than its head", 5, 9}, {"larger than any", 4, 0x11}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                uint8_t bad[10];
                memcpy(bad, head, sizeof bad);
                bad[rows[i].at] = rows[i].value;
                tap_ok(failed(tpm_answer_bytes((view){bad, 10}, &size)), SUBJECT, rows[i].sentence);
        }
        head[5] = 11;
        tap_ok(failed(tpm_read_answer((view){head, 10}, &code, &rest)), SUBJECT, "a size that is another");
}

int main(void)
{
        FILE *f = fopen("tests/vectors/quote/answers.json", "rb");
        if (f == nullptr || failed(secret_setup()))
                return 1;
        text_len = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        test_commands();
        test_policy();
        test_answers();
        test_quote();
        test_cuts();
        return tap_done();
}
