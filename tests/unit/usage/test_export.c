#include "usage/export.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "support/tap.h"

static const char SUBJECT[] = "export";

static export_facts facts_of(void)
{
        export_facts f = {.kind = "final", .sequence = 3, .boot_count = 2, .boot_started_s = 1700000000,
                          .previous_clean = true, .start_s = 1700000100, .end_s = 1700000200, .monotonic_ms = 100000,
                          .version = "0.1", .commit = "abc"};
        memset(f.previous, 0x11, sizeof f.previous);
        memset(f.device, 0x22, sizeof f.device);
        memset(f.key_number, 0x33, sizeof f.key_number);
        memset(f.boot_id, 0x44, sizeof f.boot_id);
        memset(f.policy_digest, 0x55, sizeof f.policy_digest);
        memset(f.config_digest, 0x66, sizeof f.config_digest);
        f.entity_names[0] = "phone";
        f.entity_names[2] = "email";
        return f;
}

static ledger *ledger_small(void)
{
        static const usage_names names = {.project_count = 3, .model_count = 1, .vendor_count = 2,
                                          .projects = {"b", "a", "q\"\\\xc3\xa9"}, .models = {"m"},
                                          .vendors = {"y", "x"}};
        void   *memory = mmap(nullptr, ledger_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ledger *l = nullptr;
        if (failed(ledger_open(memory, ledger_bytes(), 1, &l)) || failed(ledger_names(l, 1, &names))
            || !ledger_attach(l, 0, 1, 1))
                abort();
        return l;
}

static void apply(ledger *l, usage_record r)
{
        r.version = 1;
        r.generation = 1;
        if (failed(ledger_apply(l, 0, &r)))
                abort();
}

static void fill(ledger *l)
{
        apply(l,
              (usage_record){.kind = USAGE_ATTEMPT, .basis = USAGE_REPORTED, .vendor = 0, .tokens = {1, 2, 3, 4, 5}});
        apply(l, (usage_record){.kind = USAGE_ATTEMPT, .basis = USAGE_ESTIMATED, .vendor = 1, .suspect = 1,
                                .tokens = {10, 0, 0, 20, 0}});
        apply(l, (usage_record){.kind = USAGE_EXCHANGE, .ending = ENDING_WHOLE, .vendor = 0, .attempts = 2,
                                .redactions = {7, 0, 9}});
        apply(l, (usage_record){.kind = USAGE_EXCHANGE, .ending = ENDING_TIMEOUT, .project = 1,
                                .vendor = USAGE_NO_INDEX});
        apply(l, (usage_record){.kind = USAGE_ATTEMPT, .basis = USAGE_NOT_BILLED, .project = 2, .vendor = 1});
}

#define HEX16(x) x x x x x x x x x x x x x x x x
#define NO_TOKENS "{\"cache_read\":0,\"cache_write\":0,\"input\":0,\"output\":0,\"reasoning\":0}"

static const char EXPECTED[] =
        "{\"boot\":{\"count\":2,\"id\":\"4444444444444444\",\"previous_clean\":1,\"started\":1700000000},"
        "\"config\":{\"sha256\":\"" HEX16("6666") "\"},"
        "\"device\":\"" HEX16("22") "\",\"format\":\"relay-usage/1\",\"key\":\"3333333333333333\",\"kind\":\"final\","
        "\"outcomes\":{\"client_abort\":0,\"client_stall\":0,\"lost\":0,\"ok\":1,\"rejected_auth\":0,"
        "\"rejected_input\":0,\"rejected_policy\":0,\"rejected_quota\":0,\"shed\":0,\"timeout\":1,"
        "\"upstream_error\":0,\"upstream_truncated\":0},"
        "\"period\":{\"end\":1700000200,\"monotonic_ms\":100000,\"start\":1700000100,\"tz\":\"utc\"},"
        "\"policy\":{\"sha256\":\"" HEX16("5555") "\"},\"prev\":\"" HEX16("1111") "\","
        "\"redactions\":{\"email\":9,\"phone\":7},\"refused_records\":0,"
        "\"rows\":["
        "{\"attempts\":0,\"errors\":1,\"estimated\":" NO_TOKENS ",\"estimated_attempts\":0,\"model\":\"m\","
        "\"not_billed\":0,\"project\":\"a\",\"reported\":" NO_TOKENS ",\"reported_attempts\":0,\"requests\":1,"
        "\"suspect\":0,\"vendor\":\"\"},"
        "{\"attempts\":1,\"errors\":0,\"estimated\":{\"cache_read\":0,\"cache_write\":0,\"input\":10,\"output\":20,"
        "\"reasoning\":0},\"estimated_attempts\":1,\"model\":\"m\",\"not_billed\":0,\"project\":\"b\",\"reported\":"
        NO_TOKENS ",\"reported_attempts\":0,\"requests\":0,\"suspect\":1,\"vendor\":\"x\"},"
        "{\"attempts\":1,\"errors\":0,\"estimated\":" NO_TOKENS ",\"estimated_attempts\":0,\"model\":\"m\","
        "\"not_billed\":0,\"project\":\"b\",\"reported\":{\"cache_read\":2,\"cache_write\":3,\"input\":1,\"output\":4,"
        "\"reasoning\":5},\"reported_attempts\":1,\"requests\":1,\"suspect\":0,\"vendor\":\"y\"},"
        "{\"attempts\":1,\"errors\":0,\"estimated\":" NO_TOKENS ",\"estimated_attempts\":0,\"model\":\"m\","
        "\"not_billed\":1,\"project\":\"q\\\"\\\\\xc3\xa9\",\"reported\":" NO_TOKENS ",\"reported_attempts\":0,"
        "\"requests\":0,\"suspect\":0,\"vendor\":\"x\"}],"
        "\"seq\":3,\"software\":{\"commit\":\"abc\",\"version\":\"0.1\"},"
        "\"totals\":{\"attempts\":3,\"errors\":1,\"estimated\":{\"cache_read\":0,\"cache_write\":0,\"input\":10,"
        "\"output\":20,\"reasoning\":0},\"estimated_attempts\":1,\"not_billed\":1,\"reported\":{\"cache_read\":2,"
        "\"cache_write\":3,\"input\":1,\"output\":4,\"reasoning\":5},\"reported_attempts\":1,\"requests\":2,"
        "\"suspect\":1}}\n";

/* Keys of every object ascend; strings are skipped, so names inside rows do not matter. */
static bool keys_ascend(const uint8_t *p, size_t len)
{
        view   last[8] = {};
        size_t depth = 0;
        for (size_t i = 0; i < len; i++) {
                if (p[i] == '{')
                        last[++depth] = (view){};
                else if (p[i] == '}')
                        depth--;
                if (p[i] != '"')
                        continue;
                size_t from = ++i;
                while (p[i] != '"')
                        i += p[i] == '\\' ? 2 : 1;
                view   key = {p + from, i - from};
                size_t least = key.len < last[depth].len ? key.len : last[depth].len;
                if (p[i + 1] != ':')
                        continue;
                int order = least == 0 ? 0 : memcmp(last[depth].data, key.data, least);
                if (last[depth].data != nullptr && (order > 0 || (order == 0 && last[depth].len >= key.len)))
                        return false;
                last[depth] = key;
        }
        return depth == 0;
}

static void test_bytes(void)
{
        static uint8_t buffer[64 * 1024];
        export_facts   f = facts_of();
        ledger        *l = ledger_small();
        fill(l);
        emit out = emit_into(buffer, sizeof buffer);
        tap_ok(!failed(export_write(&f, l, &out)), SUBJECT, "a small ledger is written");
        bool same = out.len == sizeof EXPECTED - 1 && memcmp(buffer, EXPECTED, out.len) == 0;
        tap_ok(same, SUBJECT, "its bytes are exactly these: the list of keys is closed");
        if (!same)
                printf("# %.*s", (int)out.len, buffer);
        tap_ok(keys_ascend(buffer, out.len), SUBJECT, "keys ascend in every object");
        tap_ok(out.len <= export_room(l), SUBJECT, "the room asked for suffices");
        bool refused = true;
        for (size_t cap = 0; cap < sizeof EXPECTED - 1; cap++) {
                out = emit_into(buffer, cap);
                refused = refused && export_write(&f, l, &out).code == ERR_NO_ROOM;
        }
        tap_ok(refused, SUBJECT, "any smaller buffer is NO_ROOM");
        munmap(l, ledger_bytes());
}

static void test_large_numbers(void)
{
        static uint8_t buffer[64 * 1024];
        export_facts   f = facts_of();
        ledger        *l = ledger_small();
        f.sequence = 999999999999999;
        f.monotonic_ms = 1000000000000000;
        f.end_s = UINT64_MAX;
        emit out = emit_into(buffer, sizeof buffer);
        (void)export_write(&f, l, &out);
        emit_byte(&out, 0);
        const char *text = (const char *)buffer;
        tap_ok(strstr(text, "\"seq\":999999999999999,") != nullptr, SUBJECT, "the largest exact integer is a number");
        tap_ok(strstr(text, "\"monotonic_ms\":\"1000000000000000\",") != nullptr, SUBJECT, "one more is a string");
        tap_ok(strstr(text, "\"end\":\"18446744073709551615\",") != nullptr, SUBJECT, "the largest number is a string");
        tap_ok(strstr(text, "\"rows\":[],") != nullptr, SUBJECT, "an empty ledger has no rows");
        munmap(l, ledger_bytes());
}

static void test_full_ledger(void)
{
        static usage_names names = {.project_count = LIMIT_PROJECTS, .model_count = LIMIT_MODELS, .vendor_count = 1};
        for (size_t i = 0; i < LIMIT_PROJECTS; i++) {
                memset(names.projects[i], 1 + (int)(i % 31), LIMIT_NAME_BYTES - 1);
                memset(names.models[i], 1, LIMIT_NAME_BYTES * 2 - 1);
                names.projects[i][0] = (char)(1 + i / 16);
                names.projects[i][1] = (char)(1 + i % 16);
                names.models[i][0] = (char)(1 + i / 16);
                names.models[i][1] = (char)(1 + i % 16);
        }
        ledger *l = ledger_small();
        if (failed(ledger_names(l, 2, &names)) || !ledger_attach(l, 1, 9, 2))
                abort();
        for (size_t i = 0; i < LIMIT_LEDGER_ROWS; i++) {
                usage_record r = {.version = 1, .kind = USAGE_ATTEMPT, .basis = USAGE_REPORTED, .generation = 2,
                                  .project = (uint16_t)(i % LIMIT_PROJECTS), .model = (uint16_t)(i / LIMIT_PROJECTS)};
                for (size_t c = 0; c < TOKENS_CLASSES; c++)
                        r.tokens[c] = TOKENS_MAX;
                (void)ledger_apply(l, 1, &r);
        }
        export_facts f = facts_of();
        size_t       room = export_room(l);
        uint8_t     *buffer = malloc(room);
        emit         out = emit_into(buffer, room);
        tap_ok(!failed(export_write(&f, l, &out)), SUBJECT,
               "a full ledger of long escaped names fits the room asked for");
        tap_ok(keys_ascend(buffer, out.len), SUBJECT, "and its keys ascend");
        free(buffer);
        munmap(l, ledger_bytes());
}

/* On the appliance, and only there. */
static void test_box(void)
{
        static uint8_t   bytes[64 * 1024];
        static box_facts box;
        box_facts_format(&box);
        ledger      *l = ledger_small();
        export_facts f = facts_of();
        f.box = &box;
        emit e = emit_into(bytes, sizeof bytes - 1);
        bool good = !failed(export_write(&f, l, &e))
                    && strstr((char *)bytes, "\"started\":1700000000},\"box\":{\"clone_suspected\":0,\"secure_boot\":0,"
                                             "\"signing\":\"unsigned\",\"time_state\":\"unknown\",\"tpm\":0},"
                                             "\"config\":{") != nullptr;
        tap_ok(good, SUBJECT, "a box that knows nothing yet says so");
        atomic_store(&box.clones, 2);
        atomic_store(&box.time_state, BOX_TIME_NTP);
        atomic_store(&box.signing, BOX_SIGNED_THROW_AWAY);
        atomic_store(&box.throw_away_updates, 1);
        box.has_image = 1;
        memset(box.image_digest, 0x77, sizeof box.image_digest);
        memset(bytes, 0, sizeof bytes);
        e = emit_into(bytes, sizeof bytes - 1);
        good = !failed(export_write(&f, l, &e))
               && strstr((char *)bytes, "\"box\":{\"clone_suspected\":2,\"image\":\"" HEX16("7777") "\","
                                        "\"secure_boot\":0,\"signing\":\"throw_away\",\"time_state\":\"ntp\","
                                        "\"tpm\":0,\"update_keys\":\"throw_away\"},") != nullptr;
        tap_ok(good, SUBJECT, "the box in the order of its keys");
        munmap(l, ledger_bytes());
}

int main(void)
{
        test_bytes();
        test_large_numbers();
        test_full_ledger();
        test_box();
        return tap_done();
}
