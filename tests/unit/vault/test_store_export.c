#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"
#include "vault/store.h"

static err append(store *s, size_t len, char fill)
{
        char *body = malloc(len);
        memset(body, fill, len);
        /* Every third has none. */
        const store_exported files = {{(const uint8_t *)body, len},
                                      VIEW("signature"),
                                      s->chain.next_sequence % 3 == 0 ? (view){} : VIEW("quote")};
        err e = store_append_export(s, s->chain.next_sequence, &files, false);
        free(body);
        return e;
}

static bool there(const store *s, uint64_t sequence, size_t len, char fill)
{
        store_exported files;
        uint64_t       got = sequence;
        if (failed(store_export(s, &got, &files)))
                return false;
        return got == sequence && files.body.len == len && files.body.data[0] == (uint8_t)fill
               && view_equal(files.signature, VIEW("signature"))
               && view_equal(files.quote, sequence % 3 == 0 ? (view){} : VIEW("quote"));
}

static void acknowledge_rest(store *s)
{
        uint64_t all[1] = {4};
        tap_ok(!failed(store_acknowledge(s, all, 1)) && store_exports_state(s).fill == 0
                       && store_exports_state(s).kept == 64,
               "store_export", "all of them");
        tap_ok(!failed(append(s, 2900000, 'a')) && s->export_count > 1 && there(s, 67, 2900000, 'a')
                       && store_exports_state(s).fill > 90,
               "store_export", "a large one drives out as many as it must, and is measured by its bytes");
        tap_ok(append(s, 2000000, 'b').code == ERR_EXPORTS_FULL && there(s, 67, 2900000, 'a'), "store_export",
               "and stays until it is acknowledged");
        all[0] = 67;
        tap_ok(!failed(store_acknowledge(s, all, 1)) && !failed(append(s, 2000000, 'b')) && s->export_count == 1,
               "store_export", "then it gives way itself");
        uint64_t generation = s->info.generation;
        tap_ok(append(s, CONTAINER_PAYLOAD_MAX - 100, 'c').code == ERR_NO_ROOM && s->info.generation == generation
                       && there(s, 68, 2000000, 'b'),
               "store_export", "one that no file could hold changes nothing");
        tap_ok(append(s, CONTAINER_PAYLOAD_MAX * 2, 'c').code == ERR_NO_ROOM, "store_export",
               "nor one beyond all measure");
}

static void listed_whole(store *s)
{
        bool     good = true;
        size_t   at = 0, bytes, listed = 0;
        uint64_t sequence, before = 0;
        while (store_export_next(s, &at, &sequence, &bytes)) {
                good = good && sequence > before && bytes > 9;
                before = sequence;
                listed++;
        }
        tap_ok(good && listed == 64 && before == 66, "store_export", "they are listed from the oldest on");
}

static void fill(store *s)
{
        store_exported files;
        bool good = true;
        for (int i = 2; i <= 64; i++)
                good = good && !failed(append(s, 1000, (char)('0' + i % 10)));
        uint64_t newest = 0;
        uint64_t generation = s->info.generation;
        tap_ok(good && s->export_count == STORE_EXPORTS && !failed(store_export(s, &newest, &files))
                       && newest == 64,
               "store_export", "64 are kept");
        tap_ok(append(s, 1000, 'x').code == ERR_EXPORTS_FULL && s->info.generation == generation
                       && s->chain.next_sequence == 65 && there(s, 64, 1000, '4') && there(s, 2, 1000, '2'),
               "store_export", "one that nobody has acknowledged never goes: the next is refused, nothing changes");
        store_exports held = store_exports_state(s);
        tap_ok(held.kept == 64 && held.unacknowledged == 64 && held.fill == 100, "store_export", "and it is full");
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        int            fd = state_new();
        store          s;
        store_exported files, first = {VIEW("{}\n"), VIEW("signature"), VIEW("quote")};
        uint64_t       newest = 0;
        uint8_t        digest[32];
        if (failed(state_open(&s, fd)))
                return 1;
        tap_ok(s.chain.next_sequence == 1 && store_export(&s, &newest, &files).code == ERR_OUT_OF_RANGE, "store_export",
               "a new file has none");
        store_chain chain = {.next_sequence = 1, .boot_count = 3};
        tap_ok(!failed(store_set_chain(&s, &chain)), "store_export", "the chain is written alone");
        tap_ok(!failed(store_append_export(&s, 1, &first, true)), "store_export", "the first");
        secret_sha256(digest, VIEW("{}\n"));
        store_close(&s);
        tap_ok(!failed(state_open(&s, fd)) && s.chain.next_sequence == 2 && s.chain.clean && s.chain.boot_count == 3
                       && memcmp(s.chain.previous, digest, 32) == 0,
               "store_export", "moved the chain in the same write");
        tap_ok(store_append_export(&s, 1, &first, false).code == ERR_OUT_OF_RANGE
                       && store_append_export(&s, 3, &first, false).code == ERR_OUT_OF_RANGE,
               "store_export", "no number is used twice or left out");
        fill(&s);
        static const uint64_t some[] = {5, 3, 900, 5};
        uint64_t generation = s.info.generation;
        tap_ok(!failed(store_acknowledge(&s, some, 4)) && s.acknowledged_count == 2 && store_acknowledged(&s, 3)
                       && store_acknowledged(&s, 5) && !store_acknowledged(&s, 4)
                       && s.info.generation == generation + 1,
               "store_export", "those that are here are acknowledged, in one write");
        tap_ok(!failed(store_acknowledge(&s, some, 4)) && s.info.generation == generation + 1, "store_export",
               "what changes nothing is not written");
        store_close(&s);
        tap_ok(!failed(state_open(&s, fd)) && s.acknowledged_count == 2 && store_acknowledged(&s, 3), "store_export",
               "acknowledgements are on disk");
        tap_ok(!failed(append(&s, 1000, 'y')) && !there(&s, 3, 1000, '3') && there(&s, 2, 1000, '2')
                       && there(&s, 5, 1000, '5') && there(&s, 65, 1000, 'y') && s.acknowledged_count == 1,
               "store_export", "the oldest acknowledged one goes first");
        tap_ok(!failed(append(&s, 1000, 'z')) && !there(&s, 5, 1000, '5') && s.acknowledged_count == 0
                       && append(&s, 1000, 'x').code == ERR_EXPORTS_FULL,
               "store_export", "then the next, then none");
        listed_whole(&s);
        uint64_t all[STORE_EXPORTS];
        for (size_t i = 0; i < STORE_EXPORTS; i++)
                all[i] = i + 3;
        all[0] = 1, all[1] = 2;
        tap_ok(!failed(store_acknowledge(&s, all, STORE_EXPORTS)) && store_exports_state(&s).fill == 1, "store_export",
               "what is acknowledged no longer fills the place");
        acknowledge_rest(&s);
        tap_ok(!failed(store_put(&s, VIEW("a"), VIEW("h"), VIEW("s"))), "store_export", "other changes keep them");
        store_close(&s);
        tap_ok(!failed(state_open(&s, fd)) && s.export_count == 1 && there(&s, 68, 2000000, 'b')
                       && store_credential_count(&s) == 1,
               "store_export", "all of it is on disk");
        store_close(&s);
        close(fd);
        return tap_done();
}
