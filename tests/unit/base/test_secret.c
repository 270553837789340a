#include "base/secret.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/emit.h"
#include "support/tap.h"

static const char SUBJECT[] = "secret";

static bool hex_is(const uint8_t *bytes, const char *want)
{
        uint8_t hex[64];
        emit e = emit_into(hex, sizeof hex);
        emit_hex(&e, (view){bytes, 32});
        return view_equal((view){hex, e.len}, view_of_text(want));
}

static void test_hashes(void)
{
        uint8_t a[32], b[32];
        secret_hash(a, VIEW("abc"), (view){});
        tap_ok(hex_is(a, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"), SUBJECT,
               "BLAKE2b-256 of its published example");
        secret_hash(b, VIEW("abc"), VIEW("0123456789abcdef"));
        tap_ok(memcmp(a, b, 32) != 0, SUBJECT, "a key makes another hash");
        secret_hash(a, VIEW("abc"), VIEW("0123456789abcdeg"));
        tap_ok(memcmp(a, b, 32) != 0, SUBJECT, "another key yet another");
        secret_sha256(a, VIEW("abc"));
        tap_ok(hex_is(a, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), SUBJECT,
               "SHA-256 of its published example");
        secret_sha256(a, (view){});
        tap_ok(hex_is(a, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), SUBJECT,
               "and of nothing");
}

static void test_keys(void)
{
        uint8_t master[32] = {1}, a[32], b[32], c[32];
        secret_derive(a, 1, "piitoken", master);
        secret_derive(b, 1, "piitoken", master);
        tap_ok(memcmp(a, b, 32) == 0, SUBJECT, "a derived key is the same each time");
        secret_derive(b, 2, "piitoken", master);
        secret_derive(c, 1, "otherone", master);
        tap_ok(memcmp(a, b, 32) != 0 && memcmp(a, c, 32) != 0, SUBJECT, "another for another number or purpose");
        secret_random(a, sizeof a);
        secret_random(b, sizeof b);
        tap_ok(memcmp(a, b, 32) != 0, SUBJECT, "random bytes do not repeat");
        memcpy(b, a, 32);
        tap_ok(secret_equal(a, b, 32), SUBJECT, "equal is equal");
        b[31] ^= 0x80;
        tap_ok(!secret_equal(a, b, 32) && secret_equal(a, b, 31) && secret_equal(a, b, 0), SUBJECT, "to the last bit");
}

static void test_numbers(void)
{
        tap_ok(secret_siphash(VIEW("x")) == secret_siphash(VIEW("x"))
                       && secret_siphash(VIEW("x")) != secret_siphash(VIEW("y")),
               SUBJECT, "a table's hash is the same within a process");
        tap_ok(secret_key_number(VIEW("alpha")) == secret_key_number(VIEW("alpha"))
                       && secret_key_number(VIEW("alpha")) != secret_key_number(VIEW("beta"))
                       && secret_key_number((view){}) != 0,
               SUBJECT, "a name's number is its own");
        /* Two processes, so two hash keys but one number. */
        uint64_t *seen = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t child = fork();
        if (child == 0) {
                (void)failed(secret_setup());
                seen[0] = secret_siphash(VIEW("x"));
                seen[1] = secret_key_number(VIEW("x"));
                _exit(0);
        }
        waitpid(child, nullptr, 0);
        tap_ok(seen[0] != secret_siphash(VIEW("x")), SUBJECT, "a table's hash differs from process to process");
        tap_ok(seen[1] == secret_key_number(VIEW("x")), SUBJECT, "a name's number does not");
}

static void test_draws(void)
{
        secret_stock s = {};
        uint8_t a[32], b[32];
        secret_draw(&s, a, sizeof a);
        tap_ok(s.left == sizeof s.bytes - sizeof a, SUBJECT, "a stock is filled when it is empty");
        bool wiped = true, rest = false;
        for (size_t i = 0; i < sizeof s.bytes; i++) {
                wiped = wiped && (i < s.left || s.bytes[i] == 0);
                rest = rest || (i < s.left && s.bytes[i] != 0);
        }
        tap_ok(wiped && rest, SUBJECT, "what was handed out is not in it any more, the rest is");
        secret_draw(&s, b, sizeof b);
        tap_ok(memcmp(a, b, sizeof a) != 0, SUBJECT, "draws do not repeat");
        size_t left = s.left, refills = 0;
        bool distinct = true;
        for (uint64_t before = 0, i = 0; i < 1000; i++) {
                uint64_t now = secret_draw_u64(&s);
                distinct = distinct && now != before;
                before = now;
                refills += s.left > left;
                left = s.left;
        }
        tap_ok(distinct && refills >= 1000 * sizeof(uint64_t) / sizeof s.bytes, SUBJECT,
               "nor after it is filled again");
        uint8_t all[sizeof s.bytes];
        secret_draw(&s, all, sizeof all);
        tap_ok(s.left == 0, SUBJECT, "one draw may take all of it");
}

static void test_lock(void)
{
        void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        tap_ok(!failed(secret_lock(page, 4096)), SUBJECT, "a page can be locked");
        munmap(page, 4096);
#ifdef __SANITIZE_ADDRESS__
        tap_skip(SUBJECT, "the sanitizer makes locking a word without meaning");
#else
        tap_ok(secret_lock((void *)(uintptr_t)4096, 4096).code == ERR_SYSTEM, SUBJECT, "what is not there cannot");
#endif
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        tap_ok(!failed(secret_setup()), SUBJECT, "a second set-up does no harm");
        test_hashes();
        test_keys();
        test_numbers();
        test_draws();
        test_lock();
        return tap_done();
}
