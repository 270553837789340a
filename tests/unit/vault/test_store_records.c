#include "vault/store_records.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"

#define ID      "\1\0\0\0\140\0\0\0" "0123456789abcdef0123456789abcdef" "0123456789abcdef0123456789abcdef" \
                "0123456789abcdef0123456789abcdef"
#define CHAIN3  "\4\0\0\0\61\0\0\0" "\3\0\0\0\0\0\0\0" "0123456789abcdef0123456789abcdef" "\0\0\0\0\0\0\0\0" "\1"
#define CRED(n) "\2\0\0\0\12\0\0\0" "\1\0" n "\1\0h" "\2\0ss"
#define EXP(n)  "\3\0\0\0\16\0\0\0" n "\0\0\0\0\0\0\0" "\1\0\0\0" "bs"

static const struct {
        const char *name;
        view        payload;
        bool        good;
} rows[] = {
        {"identity and chain are enough", VIEW_INIT(ID CHAIN3), true},
        {"their order is free", VIEW_INIT(CHAIN3 ID), true},
        {"credentials and exports", VIEW_INIT(ID CHAIN3 CRED("a") CRED("b") EXP("\1") EXP("\2")), true},
        {"nothing", VIEW_INIT(""), false},
        {"no chain", VIEW_INIT(ID), false},
        {"no identity", VIEW_INIT(CHAIN3), false},
        {"two identities", VIEW_INIT(ID ID CHAIN3), false},
        {"two chains", VIEW_INIT(ID CHAIN3 CHAIN3), false},
        {"a credential twice", VIEW_INIT(ID CHAIN3 CRED("a") CRED("a")), false},
        {"credentials out of order", VIEW_INIT(ID CHAIN3 CRED("b") CRED("a")), false},
        {"a credential's name with a space", VIEW_INIT(ID CHAIN3 CRED(" ")), false},
        {"exports out of order", VIEW_INIT(ID CHAIN3 EXP("\2") EXP("\1")), false},
        {"an export the chain has not reached", VIEW_INIT(ID CHAIN3 EXP("\3")), false},
        {"export 0", VIEW_INIT(ID CHAIN3 EXP("\0")), false},
        {"an export whose body is cut",
         VIEW_INIT(ID CHAIN3 "\3\0\0\0\14\0\0\0"
                             "\1\0\0\0\0\0\0\0"
                             "\1\0\0\0"),
         false},
        {"an export without a length",
         VIEW_INIT(ID CHAIN3 "\3\0\0\0\10\0\0\0"
                             "\1\0\0\0\0\0\0\0"),
         false},
        {"a credential with a byte behind",
         VIEW_INIT(ID CHAIN3 "\2\0\0\0\13\0\0\0"
                             "\1\0a"
                             "\1\0h"
                             "\2\0ssx"),
         false},
        {"a credential without a secret",
         VIEW_INIT(ID CHAIN3 "\2\0\0\0\6\0\0\0"
                             "\1\0a"
                             "\1\0h"),
         false},
        {"an identity of 95 bytes",
         VIEW_INIT("\1\0\0\0\137\0\0\0"
                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
                   "0123456789abcdef0123456789abcdef" CHAIN3),
         false},
        {"an acknowledged export that is not there",
         VIEW_INIT(ID CHAIN3 "\10\0\0\0\10\0\0\0"
                             "\1\0\0\0\0\0\0\0"),
         false},
        {"half an acknowledgement", VIEW_INIT(ID CHAIN3 "\10\0\0\0\4\0\0\0abcd"), false},
        {"an empty list of acknowledgements", VIEW_INIT(ID CHAIN3 "\10\0\0\0\0\0\0\0"), false},
        {"a chain whose flag is 2",
         VIEW_INIT(ID "\4\0\0\0\61\0\0\0"
                      "\3\0\0\0\0\0\0\0"
                      "0123456789abcdef0123456789abcdef"
                      "\0\0\0\0\0\0\0\0"
                      "\2"),
         false},
        {"a chain that starts at 0",
         VIEW_INIT(ID "\4\0\0\0\61\0\0\0"
                      "\0\0\0\0\0\0\0\0"
                      "0123456789abcdef0123456789abcdef"
                      "\0\0\0\0\0\0\0\0"
                      "\1"),
         false},
};

static bool loads(view payload, bool *same)
{
        static store_secrets secrets;
        store                s = {.fd = -1, .secrets = &secrets};
        bool                 good = !failed(store_load(&s, payload));
        if (good && same != nullptr) {
                region out;
                region_init(&out, CONTAINER_PAYLOAD_MAX);
                *same = !failed(store_save(&s, &out)) && view_equal(region_view(&out), payload);
                region_end(&out);
        }
        region_end(&s.exports);
        return good;
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                tap_ok(loads(rows[i].payload, nullptr) == rows[i].good, "store_records", rows[i].name);
        view whole = rows[2].payload;
        bool same = false, good = true;
        tap_ok(loads(whole, &same) && same, "store_records", "what was loaded is saved the same");
        for (size_t cut = 0; cut < whole.len; cut++) {
                uint8_t *exact = malloc(cut + 1);
                memcpy(exact, whole.data, cut);
                view part = {exact, cut};
                /* Cut between records behind the chain, what is left is whole. */
                size_t used;
                bool   between = !failed(records_check(part, &used)) && cut > sizeof ID + sizeof CHAIN3 - 3;
                good = good && loads(part, nullptr) == between;
                free(exact);
        }
        tap_ok(good, "store_records", "a payload cut inside a record is refused");
        return tap_done();
}
