#include "admin/handle.h"
#include "harness.h"

static keeper_backup_part part;

#define KEY "\"0101010101010101010101010101010101010101010101010101010101010101\""

static const char BODY[] = "{\"to\":[" KEY "],"
                           "\"need\":1,\"created\":77}";

static bool asked(uint32_t offset)
{
        static keeper_message m;
        keeper_backup q;
        if (!keeper_hears(KEEPER_BACKUP, &m) || m.len != sizeof q)
                return false;
        memcpy(&q, m.bytes, sizeof q);
        return q.offset == offset && q.need == 1 && q.count == 1 && q.recipients[0][31] == 1 && q.created_s == 77;
}

static void stop_soon(void *)
{
        harness_stop();
}

/* One part comes; the exchange asks for the next or answers, whatever comes first. */
static void give(uint64_t number, uint32_t total, uint32_t len)
{
        part = (keeper_backup_part){.number = number, .total = total, .len = len};
        memset(part.bytes, 'b', sizeof part.bytes);
        keeper_says(KEEPER_BACKUP, ERR_NONE, &part, sizeof part);
        net_timer soon = {.fire = stop_soon};
        net_timer_set(h.box.loop, &soon, 20);
        harness_run();
        net_timer_clear(h.box.loop, &soon);
}

int main(void)
{
        harness_start();
        harness_keeper();
        const uint32_t whole = sizeof part.bytes;
        handle_backup(harness_exchange("", BODY));
        bool good = asked(0);
        give(9, whole + 5, whole);
        good = good && h.answers == 0 && asked(whole);
        give(9, whole + 5, 5);
        tap_ok(good && h.answers == 1 && h.status == 200 && h.body_len == whole + 5
                       && strcmp(h.type, "application/octet-stream") == 0,
               "backup", "it is put together from its parts");
        handle_backup(harness_exchange("", BODY));
        good = asked(0);
        give(9, whole + 5, whole);
        good = good && asked(whole);
        give(10, whole + 5, 5);
        tap_ok(good && answer_has(500, "internal_error"), "backup", "parts of two are not one");
        handle_backup(harness_exchange("", BODY));
        good = asked(0);
        give(9, 100, 0);
        tap_ok(good && answer_has(500, "internal_error"), "backup", "a part that brings nothing is refused");
        handle_backup(harness_exchange("", BODY));
        tap_ok(keeper_round(KEEPER_BACKUP, ERR_SEALED, nullptr, 0) && answer_has(503, "vault_sealed"), "backup",
               "a sealed vault gives none");
        static const char *const bad[] = {
                "{}",
                "{\"to\":[],\"need\":1,\"created\":1}",
                "{\"to\":[\"01\"],\"need\":1,\"created\":1}",
                "{\"to\":[" KEY "],\"need\":2,\"created\":1}",
                "{\"to\":[" KEY "],\"need\":3,\"created\":1}",
        };
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                handle_backup(harness_exchange("", bad[i]));
                tap_ok(answer_has(400, "\"line\":1"), "backup", "a bad body is told its place");
        }
        return harness_done();
}
