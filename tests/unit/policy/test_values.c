#include "policy/values.h"

#include "policy/token.h"
#include "support/tap.h"

static const char SUBJECT[] = "values";

static uint8_t digest[32];

static redact_entry *entry(values *v, entity_id e, uint8_t at, uint8_t byte)
{
        redact_entry *found = nullptr;
        memset(digest, 0, sizeof digest);
        digest[at] = byte;
        return failed(values_find(v, e, digest, &found)) ? nullptr : found;
}

static void test_find(arena *a)
{
        values v;
        values_begin(&v, a);
        redact_entry *e = entry(&v, ENTITY_US_SSN, 0, 8);
        tap_ok(e != nullptr && view_equal(e->token, VIEW("SSNx10000000")), SUBJECT, "a new value gets its placeholder");
        view token = e->token;
        tap_ok(entry(&v, ENTITY_US_SSN, 0, 8) == e && v.count == 1, SUBJECT, "the same value is the same entry");
        e = entry(&v, ENTITY_IBAN, 0, 8);
        tap_ok(e != nullptr && view_equal(e->token, VIEW("IBANx10000000")), SUBJECT, "another entity is another value");
        e = entry(&v, ENTITY_US_SSN, 0, 16);
        tap_ok(e != nullptr && e->token.len == token.len, SUBJECT, "another value is another entry");
}

static void test_collisions(arena *a)
{
        values v;
        values_begin(&v, a);
        redact_entry *e = entry(&v, ENTITY_US_SSN, 5, 0);
        tap_ok(e != nullptr && view_equal(e->token, VIEW("SSNx00000000")), SUBJECT,
               "the first of two keeps eight symbols");
        e = entry(&v, ENTITY_US_SSN, 5, 8);
        tap_ok(e != nullptr && view_equal(e->token, VIEW("SSNx000000001000")), SUBJECT,
               "one that shares 40 bits gets twelve symbols");
        memset(digest, 0, sizeof digest);
        digest[20] = 1;
        tap_ok(values_find(&v, ENTITY_US_SSN, digest, &e).code == ERR_POLICY_LIMIT, SUBJECT,
               "two that share 60 bits cannot be told apart");
}

static void test_table(arena *a)
{
        values       v;
        redact_table t;
        values_begin(&v, a);
        for (uint8_t i = 0; i < 200; i++) {
                redact_entry *e = entry(&v, i % 2 == 0 ? ENTITY_US_SSN : ENTITY_JWT, 0, i);
                if (e == nullptr || failed(values_seen(&v, e, i < 100 ? FROM_USER : 0)))
                        return;
        }
        tap_ok(v.count == 200 && v.waiting == 100, SUBJECT, "entries of a message whose role is unknown wait");
        values_role(&v, FROM_SYSTEM);
        tap_ok(v.waiting == 0 && v.list[150].roles == FROM_SYSTEM && v.list[50].roles == FROM_USER, SUBJECT,
               "the role settles those that wait");
        tap_ok(!failed(values_table(&v, FROM_USER, &t)) && t.count == 100, SUBJECT,
               "only restorable roles get into the table");
        bool sorted = true;
        for (size_t i = 1; i < t.count; i++)
                sorted = sorted && token_compare(t.entries[i - 1].token, t.entries[i].token) < 0;
        tap_ok(sorted && t.longest == 12 && t.shortest == 12, SUBJECT, "the table is sorted and knows its longest");
        tap_ok(!failed(values_table(&v, FROM_TOOL, &t)) && t.count == 0 && t.longest == 0, SUBJECT,
               "a table may be empty");
}

static void test_bounds(void)
{
        arena  a;
        values v;
        bool   full = false;
        arena_init(&a, 64 * 1024);
        values_begin(&v, &a);
        for (uint32_t i = 0; i < 10000 && !full; i++) {
                redact_entry *e;
                memset(digest, 0, sizeof digest);
                memcpy(digest, &i, sizeof i);
                full = values_find(&v, ENTITY_JWT, digest, &e).code == ERR_NO_ROOM;
        }
        tap_ok(full, SUBJECT, "a full arena is an error");
        arena_end(&a);
        arena_init(&a, 64 << 20);
        values_begin(&v, &a);
        err last = OK;
        for (uint32_t i = 0; i <= LIMIT_REDACTIONS; i++) {
                redact_entry *e;
                memset(digest, 0, sizeof digest);
                memcpy(digest, &i, sizeof i);
                last = values_find(&v, ENTITY_JWT, digest, &e);
        }
        tap_ok(last.code == ERR_POLICY_LIMIT && v.count == LIMIT_REDACTIONS, SUBJECT, "too many values are an error");
        arena_end(&a);
}

int main(void)
{
        arena a;
        arena_init(&a, 4 << 20);
        test_find(&a);
        test_collisions(&a);
        test_table(&a);
        arena_end(&a);
        test_bounds();
        return tap_done();
}
