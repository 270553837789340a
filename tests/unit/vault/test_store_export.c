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
        err e = store_append_export(s, s->chain.next_sequence, (view){(const uint8_t *)body, len}, VIEW("signature"),
                                    false);
        free(body);
        return e;
}

static bool there(const store *s, uint64_t sequence, size_t len, char fill)
{
        view     body, signature;
        uint64_t got = sequence;
        if (failed(store_export(s, &got, &body, &signature)))
                return false;
        return got == sequence && body.len == len && body.data[0] == (uint8_t)fill
               && view_equal(signature, VIEW("signature"));
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        int      fd = state_new();
        store    s;
        view     body, signature;
        uint64_t newest = 0;
        uint8_t  digest[32];
        if (failed(state_open(&s, fd)))
                return 1;
        tap_ok(s.chain.next_sequence == 1 && s.chain.boot_count == 0
                       && store_export(&s, &newest, &body, &signature).code == ERR_OUT_OF_RANGE,
               "store_export", "a new file has none");
        store_chain chain = {.next_sequence = 1, .boot_count = 3};
        tap_ok(!failed(store_set_chain(&s, &chain)), "store_export", "the chain is written alone");
        tap_ok(!failed(store_append_export(&s, 1, VIEW("{}\n"), VIEW("signature"), true)), "store_export", "the first");
        secret_sha256(digest, VIEW("{}\n"));
        store_close(&s);
        tap_ok(!failed(state_open(&s, fd)) && s.chain.next_sequence == 2 && s.chain.clean && s.chain.boot_count == 3
                       && memcmp(s.chain.previous, digest, 32) == 0,
               "store_export", "moved the chain in the same write");
        tap_ok(store_append_export(&s, 1, VIEW("x"), VIEW("s"), false).code == ERR_OUT_OF_RANGE
                       && store_append_export(&s, 3, VIEW("x"), VIEW("s"), false).code == ERR_OUT_OF_RANGE,
               "store_export", "no number is used twice or left out");
        bool good = true;
        for (int i = 2; i <= 70; i++)
                good = good && !failed(append(&s, 1000, (char)('0' + i % 10)));
        newest = 0;
        tap_ok(good && s.export_count == STORE_EXPORTS && !there(&s, 6, 1000, '6') && there(&s, 7, 1000, '7')
                       && there(&s, 70, 1000, '0') && !failed(store_export(&s, &newest, &body, &signature))
                       && newest == 70,
               "store_export", "the newest 64 are kept");
        tap_ok(!failed(append(&s, 4000000, 'a')) && s.export_count > 1 && there(&s, 71, 4000000, 'a'), "store_export",
               "a large one drives out as many as it must");
        tap_ok(!failed(append(&s, 2000000, 'b')) && s.export_count == 1, "store_export", "and is driven out itself");
        uint64_t generation = s.info.generation;
        tap_ok(append(&s, CONTAINER_PAYLOAD_MAX - 100, 'c').code == ERR_NO_ROOM && s.info.generation == generation
                       && there(&s, 72, 2000000, 'b'),
               "store_export", "one that no file could hold changes nothing");
        tap_ok(append(&s, CONTAINER_PAYLOAD_MAX * 2, 'c').code == ERR_NO_ROOM, "store_export",
               "nor one beyond all measure");
        tap_ok(!failed(store_put(&s, VIEW("a"), VIEW("h"), VIEW("s"))), "store_export", "other changes keep them");
        store_close(&s);
        tap_ok(!failed(state_open(&s, fd)) && s.export_count == 1 && there(&s, 72, 2000000, 'b')
                       && store_credential_count(&s) == 1,
               "store_export", "all of it is on disk");
        store_close(&s);
        close(fd);
        return tap_done();
}
