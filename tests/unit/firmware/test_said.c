#include "firmware/said.h"

#include <string.h>

#include "ipc/wire.h"
#include "support/tap.h"

static const char SUBJECT[] = "said";

static const struct {
        const char *sentence;
        view line;
        said_kind kind;
        int64_t first, second;
} rows[] = {
        {"a sentence of lethed", VIEW_INIT("lethed: no such file"), SAID_SENTENCE, 0, 0},
        {"relays that serve", VIEW_INIT("lethed INFO GENERATION_UP generation=1 relays=2 new generation serves"),
         SAID_UP, 1, 2},
        {"a role that died", VIEW_INIT("lethed ERROR ROLE_DIED role=3 status=11 role died; it is started again"),
         SAID_ROLE_DIED, 3, 11},
        {"a TPM that keeps its key",
         VIEW_INIT("keeper WARN TPM_REFUSED why=3 reserved=0 the TPM does not release the vault's key"),
         SAID_TPM_REFUSED, 3, 0},
        {"a sealed vault", VIEW_INIT("keeper WARN VAULT_SEALED generation=4 reserved=0 vault is sealed"), SAID_SEALED,
         4, 0},
        {"an open vault", VIEW_INIT("keeper INFO VAULT_OPEN generation=4 credentials=1 vault is open"), SAID_OPEN, 4,
         1},
        {"an event of another kind", VIEW_INIT("relay WARN OVERLOADED exchanges=1 body_bytes=2 new requests"),
         SAID_NOTHING, 1, 2},
        {"a relay has no say over the vault", VIEW_INIT("relay INFO VAULT_OPEN generation=4 credentials=1 x"),
         SAID_NOTHING, 4, 1},
        {"numbers that are none", VIEW_INIT("lethed ERROR ROLE_DIED role=-3 status=eleven"), SAID_NOTHING, 0, 0},
        {"numbers that are missing", VIEW_INIT("lethed ERROR ROLE_DIED"), SAID_NOTHING, 0, 0},
        {"anything else", VIEW_INIT("the prompt was"), SAID_NOTHING, 0, 0},
        {"nothing", VIEW_INIT(""), SAID_NOTHING, 0, 0},
};

static char taken[4096];

static void take(void *, view line)
{
        strncat(taken, (const char *)line.data, line.len);
        strcat(taken, "|");
}

static void test_pieces(void)
{
        static char text[3000];
        memset(text, 'x', sizeof text - 1);
        memcpy(text, "one\n\ntwo\n", 9);
        memcpy(text + sizeof text - 8, "\nthree\n", 8);
        bool good = true;
        for (size_t cut = 0; cut < sizeof text; cut++) {
                said_lines l = {};
                taken[0] = '\0';
                said_feed(&l, (view){(const uint8_t *)text, cut}, take, nullptr);
                said_feed(&l, (view){(const uint8_t *)text + cut, sizeof text - 1 - cut}, take, nullptr);
                good = good && strcmp(taken, "one||two|three|") == 0;
        }
        tap_ok(good, SUBJECT, "lines are whole however they are cut, and one that is too long is left out");
}

int main(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                said s = said_parse(rows[i].line);
                tap_ok(s.kind == rows[i].kind && s.first == rows[i].first && s.second == rows[i].second, SUBJECT,
                       rows[i].sentence);
        }
        tap_ok(view_equal(said_parse(rows[0].line).sentence, VIEW("no such file")), SUBJECT,
               "a sentence without its mark");
        test_pieces();
        tap_ok(strcmp(said_role_name(ROLE_KEEPER), "keeper") == 0
                       && strcmp(said_role_name(ROLE_RESOLVER), "resolver") == 0
                       && strcmp(said_role_name(ROLE_ADMIN), "admin") == 0
                       && strcmp(said_role_name(ROLE_RELAY), "relay") == 0
                       && strcmp(said_role_name(ROLE_SUPERVISOR), "lethed") == 0
                       && strcmp(said_role_name(ROLE_COUNT), "a role") == 0
                       && strcmp(said_role_name(-1), "a role") == 0,
               SUBJECT, "roles have the numbers of ipc/wire.h");
        return tap_done();
}
