#include <stdlib.h>

#include "admin/status.h"
#include "codec/config_json.h"
#include "ipc/wire.h"
#include "support/tap.h"
#include "vault/container.h"

#define NO_WARNING ",\"warnings\":[]}\n"

static uint8_t room[STATUS_BYTES];

static bool is(const emit *out, const char *want)
{
        bool good = view_equal((view){out->bytes, out->len}, view_of_text(want));
        if (!good)
                printf("# %.*s", (int)out->len, (const char *)out->bytes);
        return good;
}

static void readiness(board *b)
{
        static const struct {
                const char *name;
                uint32_t keeper, relay_generation, draining;
                const char *document;
        } rows[] = {
                {"everything stands", KEEPER_OPEN, 3, 0, "{\"ready\":true,\"reasons\":[]" NO_WARNING},
                {"a sealed vault", KEEPER_SEALED, 3, 0, "{\"ready\":false,\"reasons\":[\"vault_sealed\"]" NO_WARNING},
                {"no keeper", KEEPER_DOWN, 3, 0, "{\"ready\":false,\"reasons\":[\"no_keeper\"]" NO_WARNING},
                {"a relay of another generation", KEEPER_OPEN, 2, 0,
                 "{\"ready\":false,\"reasons\":[\"no_relay\"]" NO_WARNING},
                {"going down", KEEPER_OPEN, 3, 1, "{\"ready\":false,\"reasons\":[\"draining\"]" NO_WARNING},
                {"everything at once", KEEPER_DOWN, 2, 1,
                 "{\"ready\":false,\"reasons\":[\"no_keeper\",\"no_relay\",\"draining\"]" NO_WARNING},
        };
        atomic_store(&b->generation, 3);
        atomic_store(&b->columns[5].in_use, 77);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                atomic_store(&b->keeper, rows[i].keeper);
                atomic_store(&b->columns[5].generation, rows[i].relay_generation);
                atomic_store(&b->draining, rows[i].draining);
                emit out = emit_into(room, sizeof room);
                bool ready = status_write_ready(b, nullptr, &out);
                tap_ok(ready == (i == 0) && is(&out, rows[i].document), "readiness", rows[i].name);
        }
}

static void warnings(board *b)
{
        atomic_store(&b->keeper, KEEPER_OPEN);
        atomic_store(&b->draining, 0);
        atomic_store(&b->columns[5].generation, 3);
        for (unsigned fill = 79; fill <= 80; fill++) {
                atomic_store(&b->exports_fill, fill);
                emit out = emit_into(room, sizeof room);
                bool ready = status_write_ready(b, nullptr, &out);
                tap_ok(ready && is(&out, fill < 80 ? "{\"ready\":true,\"reasons\":[]" NO_WARNING
                                                   : "{\"ready\":true,\"reasons\":[],"
                                                     "\"warnings\":[\"exports_unacknowledged\"]}\n"),
                       "readiness", fill < 80 ? "79 % of unacknowledged exports: no word"
                                              : "80 %: a warning, and it serves on");
        }
        atomic_store(&b->exports_fill, 0);
}

static void exports(void)
{
        static const keeper_export_listed rows[] = {{7, 812, 1}, {9, 815, 0}};
        emit out = emit_into(room, sizeof room);
        status_write_exports(rows, 2, &out);
        tap_ok(is(&out, "{\"exports\":[{\"sequence\":7,\"bytes\":812,\"acknowledged\":true},"
                        "{\"sequence\":9,\"bytes\":815,\"acknowledged\":false}]}\n"),
               "exports", "each is told with its acknowledgement");
        out.len = 0;
        status_write_exports(rows, 0, &out);
        tap_ok(is(&out, "{\"exports\":[]}\n"), "exports", "none is an empty list");
}

static void whole(board *b)
{
        atomic_store(&b->keeper, KEEPER_OPEN);
        atomic_store(&b->draining, 0);
        atomic_store(&b->roles_up, 1u << ROLE_KEEPER | 1u << ROLE_RELAY);
        atomic_store(&b->restarts, 2);
        atomic_store(&b->columns[5].generation, 3);
        atomic_store(&b->columns[5].counters[COUNTER_exchanges_now], 4);
        keeper_status vault = {.open = 1, .credentials = 2, .state_generation = 9, .next_export = 5,
                               .exports = 4, .exports_unacknowledged = 3, .exports_fill = 79, .refused_tries = 7};
        emit out = emit_into(room, sizeof room);
        status_write(&(status_facts){"1.0", "abc", b, &vault, nullptr, nullptr}, &out);
        tap_ok(is(&out, "{\"version\":\"1.0\",\"commit\":\"abc\",\"generation\":3,\"keeper\":\"open\","
                        "\"roles_up\":[\"keeper\",\"relay\"],\"restarts\":2,\"draining\":false,\"relays\":[{\"pid\":77,"
                        "\"generation\":3,\"exchanges_now\":4,\"connections_now\":0,\"queue_now\":0,"
                        "\"memory_now\":0,\"pressure_now\":0,\"lag_us\":0}],\"vault\":{\"state\":\"open\","
                        "\"credentials\":2,\"state_generation\":9,\"next_export\":5,"
                        "\"exports\":{\"kept\":4,\"unacknowledged\":3,\"fill_percent\":79,\"alarm\":false},"
                        "\"refused_tries\":7,\"tpm\":\"absent\"}}\n"),
               "status", "the whole box is told");
        out.len = 0;
        status_write(&(status_facts){"1.0", "abc", b, nullptr, nullptr, nullptr}, &out);
        tap_ok(memmem(out.bytes, out.len, "\"vault\":null", 12) != nullptr, "status", "an absent keeper leaves null");
        static box_facts box;
        box_facts_format(&box);
        atomic_store(&box.time_state, BOX_TIME_RTC);
        out.len = 0;
        status_write(&(status_facts){"1.0", "abc", b, nullptr, &box, nullptr}, &out);
        tap_ok(memmem(out.bytes, out.len, "null,\"box\":{\"clone_suspected\":0,\"secure_boot\":0,", 48) != nullptr
                       && memmem(out.bytes, out.len, "\"time_state\":\"rtc\",\"tpm\":0}}\n", 29) != nullptr,
               "status", "on the appliance, the box's own numbers");
        for (size_t i = 0; i < LIMIT_COLUMNS; i++) {
                atomic_store(&b->columns[i].in_use, UINT32_MAX);
                atomic_store(&b->columns[i].generation, UINT32_MAX);
                for (unsigned c = 0; c < COUNTER_COUNT; c++)
                        atomic_store(&b->columns[i].counters[c], UINT64_MAX);
        }
        out.len = 0;
        status_write(&(status_facts){"1.0", "abc", b, &vault, nullptr, nullptr}, &out);
        tap_ok(!out.full, "status", "the largest box fits the room");
}

static void vault_documents(void)
{
        keeper_status s = {.open = 0, .state_generation = 9};
        memset(s.device, 0xab, sizeof s.device);
        s.slots[1] = (keeper_slot){.kind = SLOT_PASSPHRASE, .index = 1, .ops = 3, .mem_bytes = 67108864};
        emit out = emit_into(room, sizeof room);
        status_write_vault(&s, &out);
        tap_ok(is(&out,
                  "{\"state\":\"sealed\",\"credentials\":0,\"state_generation\":9,\"next_export\":0,"
                  "\"device\":\"abababababababababababababababab\","
                  "\"seal_key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
                  "\"export_key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
                  "\"export_key_number\":\"AAAAAAAAAAA=\",\"exports\":{\"kept\":0,\"unacknowledged\":0,"
                  "\"fill_percent\":0,\"alarm\":false},\"slots\":[{\"kind\":\"passphrase\",\"index\":1,\"ops\":3,"
                  "\"mem_bytes\":67108864,\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}],"
                  "\"refused_tries\":0,\"tpm\":\"absent\"}\n"),
               "vault", "a sealed vault tells what unlocking needs");
        keeper_listed rows[LIMIT_CREDENTIALS];
        memset(rows, 'x', sizeof rows);
        for (size_t i = 0; i < LIMIT_CREDENTIALS; i++)
                rows[i].name[sizeof rows[i].name - 1] = rows[i].host[sizeof rows[i].host - 1] = '\0';
        out.len = 0;
        status_write_credentials(rows, LIMIT_CREDENTIALS, &out);
        config_doc *doc;
        config_fault fault;
        bool good = !out.full && !failed(config_parse((view){out.bytes, out.len}, &doc, &fault));
        tap_ok(good && config_count(config_get(config_root(doc), "credentials")) == LIMIT_CREDENTIALS, "vault",
               "a full list fits the room and is JSON");
        if (good)
                config_free(doc);
        out.len = 0;
        status_write_credentials(rows, 0, &out);
        tap_ok(is(&out, "{\"credentials\":[]}\n"), "vault", "an empty list is a list");
}

int main(void)
{
        board *b = calloc(1, sizeof *b);
        if (b == nullptr)
                return 2;
        board_format(b);
        readiness(b);
        warnings(b);
        whole(b);
        exports();
        vault_documents();
        free(b);
        return tap_done();
}
