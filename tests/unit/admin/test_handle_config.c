/* covers: handle_setup.c handle_config.c handle_slots.c */
#include "admin/handle.h"
#include "harness.h"
#include "vault/container.h"

static keeper_message m;

/* A round that does not end in an answer yet. */
static bool next(keeper_op op, err_code code)
{
        if (h.answers != 0 || !keeper_hears(op, &m))
                return false;
        static keeper_message heard;
        heard = m;
        keeper_says(op, code, nullptr, 0);
        /* One turn: the next question is on the wire then, or the answer is there. */
        static net_timer once;
        once = (net_timer){.fire = (void (*)(void *))harness_stop, .ctx = nullptr};
        net_timer_set(h.box.loop, &once, 20);
        harness_run();
        net_timer_clear(h.box.loop, &once);
        m = heard;
        return true;
}

static void tried(uint16_t what, uint64_t number, const char *text)
{
        wire_message w = {.type = WIRE_RELOADED, .what = what, .number = number, .slot = 7};
        memcpy(w.fault.code, "UNKNOWN_KEY", sizeof "UNKNOWN_KEY");
        memcpy(w.fault.text, text, strlen(text) + 1);
        w.fault.line = 3;
        handle_reloaded(&h.box, &w);
}

static const char two[] = "{\"files\":{\"lethe.json\":{\"text\":\"{}\"},\"tls/server.key\":{\"sealed\":\"QUJD\"}},"
                          "\"opens\":\"person\"}";

static void puts_one(void)
{
        handle_config_put(harness_exchange("", two));
        keeper_stage stage;
        bool good = next(KEEPER_STAGE_BEGIN, ERR_NONE);
        memcpy(&stage, m.bytes, sizeof stage);
        tap_ok(good && stage.partial == 0 && stage.opens == 1, "config", "a set begins with how the vault opens");
        keeper_stage_part part;
        good = next(KEEPER_STAGE_PART, ERR_NONE);
        memcpy(&part, m.bytes, m.len);
        tap_ok(good && strcmp(part.name, "lethe.json") == 0 && part.total == 2 && part.len == 2 && part.sealed == 0,
               "config", "its files follow");
        good = next(KEEPER_STAGE_PART, ERR_NONE);
        memcpy(&part, m.bytes, m.len);
        tap_ok(good && strcmp(part.name, "tls/server.key") == 0 && part.sealed == 1 && part.len == 3, "config",
               "sealed ones as they came");
        tap_ok(next(KEEPER_STAGE_TRY, ERR_NONE) && h.answers == 0 && h.box.reloading, "config", "and it is tried");
        tried(RELOADED_STORED, 1, "");
        tap_ok(h.answers == 0, "config", "a reload that ends meanwhile is not its answer");
        tried(RELOADED_TRIAL, 1, "");
        tap_ok(answer_is(200, "{\"generation\":7}\n") && !h.box.reloading, "config", "its own end is");
}

static void refuses_one(void)
{
        handle_config_put(harness_exchange("", two));
        bool good = next(KEEPER_STAGE_BEGIN, ERR_NONE) && next(KEEPER_STAGE_PART, ERR_NONE)
                    && next(KEEPER_STAGE_PART, ERR_NONE) && next(KEEPER_STAGE_TRY, ERR_NONE);
        tried(RELOADED_TRIAL, 0, "lethe.json: is no key");
        tap_ok(good && answer_has(422, "\"file\":\"lethe.json\",\"line\":3"), "config", "a refusal has file and line");
        handle_config_put(harness_exchange("", two));
        good = next(KEEPER_STAGE_BEGIN, ERR_NONE) && next(KEEPER_STAGE_PART, ERR_BAD_CREDENTIAL);
        tap_ok(good && answer_has(422, "NOT_SEALED"), "config", "what the keeper cannot open is named");
        handle_config_put(harness_exchange("", two));
        good = next(KEEPER_STAGE_BEGIN, ERR_NONE) && next(KEEPER_STAGE_PART, ERR_NO_ROOM);
        tap_ok(good && answer_has(422, "TOO_LARGE"), "config", "so is what is too large");
        handle_config_put(harness_exchange("", two));
        tap_ok(next(KEEPER_STAGE_BEGIN, ERR_SEALED) && answer_has(503, "vault_sealed"), "config",
               "a sealed vault says so");
        handle_config_put(harness_exchange("", two));
        good = next(KEEPER_STAGE_BEGIN, ERR_NONE) && next(KEEPER_STAGE_PART, ERR_NONE)
               && next(KEEPER_STAGE_PART, ERR_NONE) && next(KEEPER_STAGE_TRY, ERR_KEY_BUSY);
        tap_ok(good && answer_has(409, "busy") && !h.box.reloading, "config",
               "a keeper that tries another one is busy");
        h.box.reloading = true;
        handle_config_put(harness_exchange("", two));
        tap_ok(answer_has(409, "busy"), "config", "so is a box that reloads");
        h.box.reloading = false;
        handle_config_put(harness_exchange("", "{\"files\":{\"x\":{\"text\":\"\"}}}"));
        tap_ok(answer_has(400, "UNKNOWN_NAME"), "config", "a body that is none does not reach the keeper");
}

static void reads(void)
{
        keeper_config_row rows[2] = {{.name = "lethe.json", .bytes = 5, .sha256 = {1}}, {.name = "tls/admin.key",
                .bytes = 9}};
        memset(rows[1].name + 13, 0, sizeof rows[1].name - 13);
        handle_config(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_CONFIG_LIST, ERR_NONE, rows, sizeof rows)
                       && answer_has(200, "{\"name\":\"lethe.json\",\"bytes\":5,\"sha256\":\"01")
                       && answer_has(200, "{\"name\":\"tls/admin.key\",\"bytes\":9,\"sha256\":null}"),
               "config", "files are listed, of private keys the size alone");
        handle_config(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_CONFIG_LIST, ERR_NONE, rows, sizeof rows - 1) && answer_has(500, "internal_error"),
               "config", "a list of another form is a broken keeper");
        static keeper_config_part part;
        part = (keeper_config_part){.total = 3, .len = 3, .bytes = "abc"};
        handle_config_file(harness_exchange("lethe.json", ""));
        tap_ok(keeper_round(KEEPER_CONFIG_GET, ERR_NONE, &part, 8 + 3) && answer_is(200, "abc"), "config",
               "a file is given out");
        part.total = 2;
        handle_config_file(harness_exchange("lethe.json", ""));
        tap_ok(keeper_round(KEEPER_CONFIG_GET, ERR_NONE, &part, 8 + 3) && answer_has(500, "internal_error"), "config",
               "more than there is is a broken keeper");
        handle_config_file(harness_exchange("tls/admin.key", ""));
        tap_ok(keeper_round(KEEPER_CONFIG_GET, ERR_FORBIDDEN, nullptr, 0) && answer_has(403, "private"), "config",
               "a private key is not");
        handle_config_file(harness_exchange("../state", ""));
        tap_ok(answer_has(404, "not_found"), "config", "nor what is no file of it");
}

static void sets_up(void)
{
        keeper_status s = {.blank = 1, .seal_key = {0xab}};
        handle_setup(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_STATUS, ERR_NONE, &s, sizeof s)
                       && answer_has(200, "{\"state\":\"unclaimed\",\"version\":\"1.0\",\"configured\":false,")
                       && answer_has(200, "\"seal_key\":\"ab00"),
               "setup", "a box to be claimed says so");
        s = (keeper_status){.open = 0, .slots = {{.kind = SLOT_PASSPHRASE, .ops = 3}}};
        handle_setup(harness_exchange("", ""));
        tap_ok(keeper_round(KEEPER_STATUS, ERR_NONE, &s, sizeof s) && answer_has(200, "\"state\":\"sealed\"")
                       && answer_has(200, "\"kind\":\"passphrase\""),
               "setup", "a sealed one tells how it opens");
        handle_setup_vault(harness_exchange("", "{\"kind\":\"x\"}"));
        tap_ok(answer_has(400, "\"pointer\":\"/kind\""), "setup", "a vault of another kind is not made");
        char json[512], zeros[161];
        memset(zeros, '0', 160);
        zeros[160] = '\0';
        (void)snprintf(json, sizeof json, "{\"kind\":\"key-file\",\"salt\":\"%.32s\",\"sealed\":\"%s\"}", zeros, zeros);
        handle_setup_vault(harness_exchange("", json));
        tap_ok(keeper_round(KEEPER_CREATE, ERR_NONE, nullptr, 0) && answer_is(200, "{\"ok\":true}\n"), "setup",
               "one of a key file is");
        handle_setup_vault(harness_exchange("", json));
        tap_ok(keeper_round(KEEPER_CREATE, ERR_EXISTS, nullptr, 0) && answer_has(409, "exists"), "setup", "once");
        uint32_t index = 3;
        handle_slot_add(harness_exchange("", json));
        tap_ok(keeper_round(KEEPER_SLOT_ADD, ERR_NONE, &index, sizeof index) && answer_is(200, "{\"slot\":3}\n"),
               "slots",
               "another way to open it");
        handle_slot_add(harness_exchange("", "{\"kind\":\"tpm\"}"));
        tap_ok(keeper_round(KEEPER_TPM_SEAL, ERR_NO_TPM, nullptr, 0) && answer_has(409, "no_tpm"), "slots",
               "a TPM that is not there");
        handle_slot_remove(harness_exchange("9", ""));
        tap_ok(answer_has(404, "not_found"), "slots", "a slot that there is not");
        handle_slot_remove(harness_exchange("3", ""));
        tap_ok(keeper_round(KEEPER_SLOT_REMOVE, ERR_NONE, nullptr, 0) && answer_has(200, "ok"), "slots",
               "and one there is");
}

static void of_a_folder(void)
{
        h.box.access.in_state = false;
        handle_setup(harness_exchange("", ""));
        bool good = answer_has(404, "unknown_url");
        handle_setup_vault(harness_exchange("", "{}"));
        good = good && answer_has(404, "unknown_url");
        handle_config(harness_exchange("", ""));
        good = good && answer_has(404, "unknown_url");
        handle_config_put(harness_exchange("", two));
        good = good && answer_has(404, "unknown_url");
        handle_config_file(harness_exchange("lethe.json", ""));
        tap_ok(good && answer_has(404, "unknown_url"), "config", "with a folder none of these addresses is there");
}

int main(void)
{
        harness_start();
        harness_keeper();
        h.box.access.in_state = true;
        puts_one();
        refuses_one();
        reads();
        sets_up();
        of_a_folder();
        return harness_done();
}
