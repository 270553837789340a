/* What needs no forger: tests/audit/verify.py has those. */
#include "usage/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "support/tap.h"

static const char SUBJECT[] = "audit";

static char     said[4096];
static unsigned bad;

static void take(void *, bool good, const char *sentence)
{
        bad += !good;
        if (!good)
                snprintf(said + strlen(said), sizeof said - strlen(said), "%s|", sentence);
}

static const audit_report report = {take, nullptr};

static void begin(void)
{
        said[0] = '\0';
        bad = 0;
}

static size_t load(const char *name, uint8_t *out, size_t cap)
{
        char path[128];
        snprintf(path, sizeof path, "tests/vectors/quote/%s", name);
        FILE *f = fopen(path, "rb");
        if (f == nullptr)
                abort();
        size_t n = fread(out, 1, cap, f);
        fclose(f);
        return n;
}

static const audit_export first = {
        .sequence = 1, .boot_count = 3, .device = "d", .commit = "c", .digest = {1}, .has_tpm = true,
        .tpm = {.ms = 1000, .resets = 7, .safe = true}, .has_quote = true, .quote_digest = {2}};

static audit_export next(void)
{
        audit_export e = first;
        e.sequence = 2;
        memcpy(e.previous, first.digest, 32);
        memcpy(e.previous_quote, first.quote_digest, 32);
        e.tpm.ms = 2000;
        return e;
}

static void series(const char *sentence, const audit_export *e, const char *fails)
{
        begin();
        audit_series(&first, e, &report);
        tap_ok(fails == nullptr ? bad == 0 : bad == 1 && strstr(said, fails) != nullptr, SUBJECT, sentence);
}

static void test_series(void)
{
        audit_export e = next();
        series("one that follows", &e, nullptr);
        e.tpm.resets++;
        series("a start that no boot tells of", &e, "does not say so");
        e.boot_count++;
        series("a start that one tells of", &e, nullptr);
        e.tpm.ms = 10;
        series("a clock that went back though it says it is safe", &e, "clock went back");
        e.tpm.safe = false;
        series("a clock that lost what was not written down yet", &e, nullptr);
        e.tpm.resets = 6;
        series("fewer starts than before", &e, "clock went back");
        e = next();
        e.has_tpm = false;
        series("a TPM that was taken away", &e, "only one of the two");
        e = next();
        e.device[0] = 'x';
        series("another device", &e, "two devices");
        e = next();
        e.previous[5] ^= 1;
        series("another export before it", &e, "another one before it");
        begin();
        audit_export zero = first;
        zero.previous[0] = 1;
        audit_first(&zero, &report);
        tap_ok(bad == 1, SUBJECT, "a first one that names one before it");
}

static void test_started(void)
{
        tpm_quote     q = {.pcrs = {.mask = 1u << 4 | 1u << 11 | 1u << 12 | 1u << 13}};
        audit_release release = {.version = "1", .commit = "c", .count = 2};
        memset(q.pcrs.value[4], 4, 32);
        memset(q.pcrs.value[11], 11, 32);
        memset(release.profiles[0].pcr4, 4, 32);
        memset(release.profiles[1].pcr11, 11, 32);
        begin();
        audit_started(&q, &first, &release, &report);
        tap_ok(bad == 1 && strstr(said, "not this release") != nullptr, SUBJECT,
               "half of one profile and half of another");
        memset(release.profiles[1].pcr4, 4, 32);
        begin();
        audit_started(&q, &first, &release, &report);
        tap_ok(bad == 0, SUBJECT, "a profile whole");
        q.pcrs.value[13][0] = 1;
        begin();
        audit_started(&q, &first, &release, &report);
        tap_ok(bad == 1 && strstr(said, "something was added") != nullptr, SUBJECT, "an extension beside it");
}

static void test_reading(void)
{
        static uint8_t body[16 * 1024], quote[16 * 1024], big[2 * 1024 * 1024];
        config_fault   fault;
        audit_export   e;
        audit_release  r;
        view b = {body, load("2.json", body, sizeof body)}, q = {quote, load("2.json.quote", quote, sizeof quote)};
        tap_ok(!failed(audit_read_export(b, q, &e, &fault)) && e.sequence == 2 && e.has_tpm && e.has_quote
                       && strlen(e.device) == 32 && strlen(e.commit) == 40,
               SUBJECT, "an export is read");
        /* More rows than a configuration file may have bytes. */
        const char *at = strstr((const char *)body, "\"rows\":[");
        size_t      front = (size_t)(at - (const char *)body) + 8, len = 0;
        memcpy(big, body, front);
        for (len = front; len < 1024 * 1024; len += 20)
                memcpy(big + len, "{\"model\":\"aaaaaaaa\"},", 20);
        len += (size_t)snprintf((char *)big + len, 16, "{}");
        memcpy(big + len, body + front, b.len - front);
        len += b.len - front;
        tap_ok(!failed(audit_read_export((view){big, len}, q, &e, &fault)) && e.sequence == 2, SUBJECT,
               "one with a megabyte of rows too");
        tap_ok(failed(audit_read_export(VIEW("{\"format\":\"relay-usage/2\"}"), q, &e, &fault))
                       && strcmp(fault.code, "UNKNOWN_FORM") == 0,
               SUBJECT, "one of another form is not");
        static uint8_t manifest[64 * 1024];
        size_t         n = load("manifest.json", manifest, sizeof manifest);
        tap_ok(!failed(audit_read_release((view){manifest, n}, &r, &fault)) && r.count == 1
                       && strcmp(r.profiles[0].name, "default") == 0,
               SUBJECT, "a manifest is read");
        tap_ok(failed(audit_read_release(VIEW("{\"version\":\"1\",\"commit\":\"c\",\"profiles\":{\"x\":{\"pcr\":{\"4\":"
                                              "\"00\"}}}}"),
                                         &r, &fault))
                       && strcmp(fault.code, "NO_DIGEST") == 0,
               SUBJECT, "one with half a digest is not");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        test_series();
        test_started();
        test_reading();
        return tap_done();
}
