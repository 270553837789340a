/* What the policy costs: megabytes a second over prose and over numbers, microseconds for a prompt of 2 KB. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/secret.h"
#include "policy/redact.h"
#include "policy/restore.h"

static policy  rules;
static uint8_t key[32] = {1, 2, 3};

static double now_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* One whole policy step over one string; returns the count of replacements. */
static size_t redact_all(view text, redact_table *table, arena *a)
{
        edits e;
        edits_init(&e, a);
        redactor *r = redact_begin(&rules, key, a, &e);
        size_t    budget = SIZE_MAX / 2;
        bool      done = false;
        if (r == nullptr)
                abort();
        redact_string(r, text, 0, text.len, FROM_USER);
        if (failed(redact_step(r, &budget, &done)) || !done || failed(redact_finish(r, table)))
                abort();
        return e.count;
}

/* Repeats `piece` to `len` bytes, drawing words for each $ in it from a fixed sequence. */
static view fill(const char *piece, size_t len)
{
        static const char *const words[] = {"report", "the", "and", "between", "quarter", "results", "of", "a",
                                            "because", "customers", "said", "Monday", "review", "it", "was", "January"};
        uint8_t *out = malloc(len + 64);
        size_t   n = 0;
        uint32_t seed = 1;
        while (n < len) {
                for (const char *c = piece; *c != 0 && n < len; c++) {
                        if (*c != '$') {
                                out[n++] = (uint8_t)*c;
                                continue;
                        }
                        seed = seed * 1664525 + 1013904223;
                        for (const char *w = words[seed >> 28]; *w != 0; w++)
                                out[n++] = (uint8_t)*w;
                }
        }
        /* Neither a character nor an escape is cut. */
        while (len > 0 && ((out[len - 1] & 0xc0) == 0x80 || out[len - 1] == '\\'))
                len--;
        while (len > 0 && out[len - 1] >= 0xc0)
                len--;
        return (view){out, len};
}

static void throughput(const char *name, view text)
{
        double best = 1e18;
        size_t found = 0;
        for (int round = 0; round < 15; round++) {
                arena        a;
                redact_table table;
                arena_init(&a, 1 << 28);
                double start = now_us();
                found = redact_all(text, &table, &a);
                double took = now_us() - start;
                best = took < best ? took : best;
                arena_end(&a);
        }
        printf("%-34s %8.1f MB/s  %8.2f us  %zu replaced\n", name, (double)text.len / best, best, found);
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        rules.regions = (1u << REGION_COUNT) - 1;
        for (entity_id e = 0; e < ENTITY_COUNT; e++)
                rules.decide[e].action = POLICY_PSEUDONYMISE;
        throughput("prose, plain ASCII, 4 MB", fill("$ $ $ $ $, $ $ $ $. ", 4 << 20));
        throughput("prose with \\n escapes, 4 MB", fill("$ $ $ $ $, $ $ $ $.\\n", 4 << 20));
        throughput("prose, Chinese, 4 MB", fill("今天下午三点开会，请大家准时参加。", 4 << 20));
        throughput("log lines, 4 MB",
                   fill("2026-03-01 12:00:01,123 INFO [worker-3] $ took 153 ms, id=8817263\\n", 4 << 20));
        throughput("code, 4 MB",
                   fill("for (size_t i = 0; i < n; i++) { sum += list[i].$ * 0x3f; } /* $ */\\n", 4 << 20));
        throughput("digits and spaces, 1 MB", fill("1 22 333 4 5 66 7 8 99 ", 1 << 20));
        throughput("unbroken numbers, 1 MB", fill("4155551234 ", 1 << 20));
        throughput("addresses only, 1 MB", fill("a.b@example.org ", 1 << 20));
        throughput("prompt of 2 KB, three values",
                   fill("$ $ $ $ $, $ $ $ $ $ $ $ $ $ $.\\n$ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $.\\n"
                        "$ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $ $.\\n"
                        "Mail jane.doe@example.com or call (212) 555-0175, card 4111 1111 1111 1111. ",
                        2048));
        return 0;
}
