#include "admin/handle.h"
#include "harness.h"

static keeper_export_part part;

static bool asked(uint64_t sequence, uint32_t signature, uint32_t offset)
{
        static keeper_message m;
        keeper_export_get get;
        if (!keeper_hears(KEEPER_EXPORT_GET, &m) || m.len != sizeof get)
                return false;
        memcpy(&get, m.bytes, sizeof get);
        return get.sequence == sequence && get.file == signature && get.offset == offset;
}

/* One part comes; the exchange asks for the next or answers, whatever comes first. */
static void give(uint64_t sequence, uint32_t total, uint32_t len)
{
        part.sequence = sequence;
        part.total = total;
        part.len = len;
        memset(part.bytes, 'e', sizeof part.bytes);
        keeper_says(KEEPER_EXPORT_GET, ERR_NONE, &part, sizeof part);
}

static void stop_soon(void *ctx)
{
        (void)ctx;
        harness_stop();
}

/* Runs until the answer or until nothing more can happen at once. */
static void turn(void)
{
        net_timer soon = {.fire = stop_soon};
        net_timer_set(h.box.loop, &soon, 20);
        harness_run();
        net_timer_clear(h.box.loop, &soon);
}

static void files(void)
{
        handle_export_get(harness_exchange("latest", ""));
        bool good = asked(0, 0, 0);
        give(7, sizeof part.bytes + 10, sizeof part.bytes);
        turn();
        good &= h.answers == 0 && asked(7, 0, sizeof part.bytes);
        give(7, sizeof part.bytes + 10, 10);
        turn();
        tap_ok(good && h.answers == 1 && h.status == 200 && h.body_len == sizeof part.bytes + 10
                       && strcmp(h.extra, "Export-Sequence: 7\r\n") == 0,
               "export", "the newest is put together from its parts");
        handle_export_get(harness_exchange("7/signature", ""));
        good = asked(7, 1, 0);
        give(7, 100, 100);
        turn();
        tap_ok(good && h.status == 200 && h.body_len == 100 && strcmp(h.type, "text/plain; charset=utf-8") == 0,
               "export", "a signature is asked for by number");
        handle_export_get(harness_exchange("8", ""));
        tap_ok(keeper_round(KEEPER_EXPORT_GET, ERR_OUT_OF_RANGE, nullptr, 0) && answer_has(404, "not_found"), "export",
               "an export that is not here is 404");
}

static void broken(void)
{
        static const struct {
                const char *name;
                uint64_t sequence;
                uint32_t total, len;
        } rows[] = {
                {"a part longer than the file is refused", 7, 10, 11},
                {"a part longer than a part is refused", 7, UINT32_MAX, UINT32_MAX},
                {"a part that brings nothing is refused", 7, 10, 0},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                handle_export_get(harness_exchange("7", ""));
                bool good = asked(7, 0, 0);
                give(rows[i].sequence, rows[i].total, rows[i].len);
                turn();
                tap_ok(good && answer_has(500, "internal_error"), "export", rows[i].name);
        }
        handle_export_get(harness_exchange("7", ""));
        bool good = asked(7, 0, 0);
        give(7, 20, 10);
        turn();
        good &= asked(7, 0, 10);
        give(8, 20, 10);
        turn();
        tap_ok(good && answer_has(500, "internal_error"), "export", "a part of another export is refused");
        handle_export_get(harness_exchange("7", ""));
        good = asked(7, 0, 0);
        give(7, 64 * 1024 * 1024, sizeof part.bytes);
        for (unsigned i = 1; i < 400 && h.answers == 0; i++) {
                turn();
                if (h.answers == 0 && asked(7, 0, (uint32_t)(i * sizeof part.bytes)))
                        give(7, 64 * 1024 * 1024, sizeof part.bytes);
        }
        tap_ok(good && answer_has(507, "no_room"), "export", "a file without end is refused");
        static const char *const names[] = {"0", "-1", "x", "latest/", "/signature", "07", "99999999999999999999"};
        bool refused = true;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                handle_export_get(harness_exchange(names[i], ""));
                refused &= answer_has(404, "not_found");
        }
        tap_ok(refused, "export", "what is no number is 404 without asking");
}

static void now_and_key(void)
{
        uint64_t sequence = 41;
        handle_export_now(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_EXPORT_NOW, ERR_NONE, &sequence, sizeof sequence)
                       && answer_is(200, "{\"sequence\":41}\n"),
               "export", "a new export tells its number");
        handle_export_now(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_EXPORT_NOW, ERR_SEALED, nullptr, 0) && answer_has(503, "vault_sealed"), "export",
               "a sealed vault signs nothing");
        keeper_status s = {.open = 1};
        handle_export_key(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_STATUS, ERR_NONE, &s, sizeof s) && answer_has(200, "untrusted comment: "), "export",
               "the public key comes as a file");
        s.open = 0;
        handle_export_key(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_STATUS, ERR_NONE, &s, sizeof s) && answer_has(503, "vault_sealed"), "export",
               "a sealed vault knows no key yet");
}

static void acknowledgements(void)
{
        static keeper_message m;
        static const keeper_export_listed rows[] = {{3, 900, 1}, {4, 901, 0}};
        handle_export_list(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_EXPORT_LIST, ERR_NONE, rows, sizeof rows)
                       && answer_has(200, "{\"sequence\":4,\"bytes\":901,\"acknowledged\":false}"),
               "export", "what is kept is listed");
        handle_export_list(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_EXPORT_LIST, ERR_NONE, rows, sizeof rows - 1) && answer_has(500, "internal_error"),
               "export", "half a row is a broken keeper");
        handle_export_ack(harness_exchange("", "{\"sequences\":[3,4]}"));
        uint64_t numbers[2];
        bool heard = keeper_hears(KEEPER_EXPORT_ACK, &m) && m.len == sizeof numbers;
        memcpy(numbers, m.bytes, sizeof numbers);
        keeper_says(KEEPER_EXPORT_ACK, ERR_NONE, nullptr, 0);
        harness_run();
        tap_ok(heard && numbers[0] == 3 && numbers[1] == 4 && answer_is(200, "{\"ok\":true}\n"), "export",
               "acknowledgements reach the keeper");
        handle_export_ack(harness_exchange("", "{\"sequences\":[]}"));
        tap_ok(answer_has(400, "\"line\":1"), "export", "none is told its place");
        handle_export_now(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_EXPORT_NOW, ERR_EXPORTS_FULL, nullptr, 0) && answer_has(507, "exports_full"),
               "export",
               "a full place says what to do");
}

int main(void)
{
        harness_start();
        harness_keeper();
        files();
        broken();
        now_and_key();
        acknowledgements();
        return harness_done();
}
