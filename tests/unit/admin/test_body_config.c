#include <stdlib.h>

#include "admin/body.h"
#include "support/tap.h"
#include "vault/container.h"
#include "vault/store.h"

static region files;
static keeper_stage stage;
static config_fault fault;

static err take(view json)
{
        region_end(&files);
        region_init(&files, 4 * 1024 * 1024);
        fault = (config_fault){};
        return body_config(json, &stage, &files, &fault);
}

static void whole(void)
{
        static const view json = VIEW_INIT("{\"files\":{\"lethe.json\":{\"text\":\"{}\\n\"},"
                                           "\"tls/server.key\":{\"sealed\":\"QUJD\"},\"ca/v.pem\":{\"text\":\"\"}},"
                                           "\"opens\":\"key-file\",\"partial\":true}");
        body_file f;
        size_t at = 0;
        tap_ok(!failed(take(json)) && stage.partial == 1 && stage.opens == STORE_OPENS_KEY_FILE, "body_config",
               "a configuration is taken");
        tap_ok(body_file_next(region_view(&files), &at, &f) && strcmp(f.name, "lethe.json") == 0 && f.sealed == 0
                       && view_equal(f.bytes, VIEW("{}\n")),
               "body_config", "a text as it stands");
        tap_ok(body_file_next(region_view(&files), &at, &f) && strcmp(f.name, "tls/server.key") == 0 && f.sealed == 1
                       && view_equal(f.bytes, VIEW("ABC")),
               "body_config", "a sealed file as bytes");
        tap_ok(body_file_next(region_view(&files), &at, &f) && f.bytes.len == 0
                       && !body_file_next(region_view(&files), &at, &f) && at == files.len,
               "body_config", "an empty one, and no more");
        bool refused = true;
        for (size_t cut = 0; cut < json.len; cut++)
                refused = refused && failed(take(view_slice(json, 0, cut))) && fault.code[0] != '\0';
        tap_ok(refused, "body_config", "cut anywhere it is refused");
}

static void faults(void)
{
        static const struct {
                const char *code, *pointer;
                view json;
        } rows[] = {
                {"MISSING_KEY", "", VIEW_INIT("{}")},
                {"MISSING_KEY", "/files", VIEW_INIT("{\"files\":{}}")},
                {"WRONG_TYPE", "/files", VIEW_INIT("{\"files\":[]}")},
                {"UNKNOWN_KEY", "/fils", VIEW_INIT("{\"fils\":{}}")},
                {"UNKNOWN_NAME", "/files/x", VIEW_INIT("{\"files\":{\"x\":{\"text\":\"\"}}}")},
                {"UNKNOWN_NAME", "/files/..~1x", VIEW_INIT("{\"files\":{\"../x\":{\"text\":\"\"}}}")},
                {"WRONG_TYPE", "/files/lethe.json", VIEW_INIT("{\"files\":{\"lethe.json\":\"\"}}")},
                {"BAD_VALUE", "/files/lethe.json", VIEW_INIT("{\"files\":{\"lethe.json\":{}}}")},
                {"BAD_VALUE", "/files/lethe.json",
                        VIEW_INIT("{\"files\":{\"lethe.json\":{\"text\":\"\",\"sealed\":\"\"}}}")},
                {"BAD_VALUE", "/files/lethe.json", VIEW_INIT("{\"files\":{\"lethe.json\":{\"sealed\":\"%\"}}}")},
                {"NOT_SEALED", "/files/tls~1admin.key", VIEW_INIT("{\"files\":{\"tls/admin.key\":{\"text\":\"\"}}}")},
                {"WRONG_TYPE", "/files/lethe.json/text", VIEW_INIT("{\"files\":{\"lethe.json\":{\"text\":1}}}")},
                {"UNKNOWN_WORD", "/opens",
                        VIEW_INIT("{\"files\":{\"lethe.json\":{\"text\":\"\"}},\"opens\":\"persn\"}")},
                {"WRONG_TYPE", "/partial", VIEW_INIT("{\"files\":{\"lethe.json\":{\"text\":\"\"}},\"partial\":1}")},
                {"DUPLICATE_KEY", "", VIEW_INIT("{\"files\":{},\"files\":{}}")},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                bool good = failed(take(rows[i].json)) && strcmp(fault.code, rows[i].code) == 0
                            && (rows[i].pointer[0] == '\0' || strcmp(fault.pointer, rows[i].pointer) == 0);
                if (!good)
                        printf("# %s at %s\n", fault.code, fault.pointer);
                tap_ok(good, "body_config", (const char *)rows[i].json.data);
        }
}

static void large(void)
{
        size_t len = LIMIT_ADMIN_CONFIG_BYTES + 1;
        char *json = malloc(len + 1);
        static const char head[] = "{\"files\":{\"lethe.json\":{\"text\":\"", tail[] = "\"}}}";
        if (json == nullptr)
                abort();
        memset(json, 'x', len);
        memcpy(json, head, sizeof head - 1);
        memcpy(json + len - sizeof tail + 1, tail, sizeof tail - 1);
        tap_ok(failed(take((view){(uint8_t *)json, len})) && strcmp(fault.code, "TOO_LARGE") == 0, "body_config",
               "a byte more than 2 MiB is too large");
        memcpy(json + len - sizeof tail, tail, sizeof tail - 1);
        tap_ok(!failed(take((view){(uint8_t *)json, len - 1})), "body_config", "2 MiB are not");
        free(json);
}

static void slots(void)
{
        static const char zeros[] = "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
                                    "00000000000000000000000000000000000000000000000000000000000000000000000000000000";
        char json[512];
        keeper_slot_add q;
        (void)snprintf(json, sizeof json, "{\"kind\":\"key-file\",\"salt\":\"%.32s\",\"sealed\":\"%s\"}", zeros, zeros);
        tap_ok(!failed(body_create(view_of_text(json), &q, &fault)) && q.slot.kind == SLOT_KEY_FILE && q.slot.ops == 0,
               "body", "a vault that a key file opens");
        tap_ok(!failed(body_slot(view_of_text(json), &q, &fault)) && q.slot.kind == SLOT_KEY_FILE, "body",
               "or one more way to open it");
        (void)snprintf(json, sizeof json,
                       "{\"kind\":\"passphrase\",\"ops\":3,\"mem_bytes\":8388608,\"salt\":\"%.32s\",\"sealed\":\"%s\"}",
                       zeros, zeros);
        tap_ok(!failed(body_create(view_of_text(json), &q, &fault)) && q.slot.kind == SLOT_PASSPHRASE && q.slot.ops == 3
                       && q.slot.mem_bytes == 8388608,
               "body", "or a passphrase, with its numbers");
        (void)snprintf(json, sizeof json, "{\"kind\":\"passphrase\",\"salt\":\"%.32s\",\"sealed\":\"%s\"}", zeros,
                zeros);
        tap_ok(failed(body_create(view_of_text(json), &q, &fault)) && strcmp(fault.code, "MISSING_KEY") == 0, "body",
               "which it needs");
        (void)snprintf(json, sizeof json, "{\"kind\":\"key-file\",\"salt\":\"%.31s\",\"sealed\":\"%s\"}", zeros, zeros);
        tap_ok(failed(body_create(view_of_text(json), &q, &fault)), "body", "half a salt is none");
        tap_ok(failed(body_create(VIEW("{\"kind\":\"tpm\"}"), &q, &fault))
                       && !failed(body_slot(VIEW("{\"kind\":\"tpm\"}"), &q, &fault)) && q.slot.kind == SLOT_TPM,
               "body", "a TPM is a slot, and no vault's only one");
}

int main(void)
{
        whole();
        faults();
        large();
        slots();
        region_end(&files);
        return tap_done();
}
