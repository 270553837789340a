#include "admin/handle.h"
#include "harness.h"

static void adds(void)
{
        uint32_t index = 3;
        handle_slot_add(harness_exchange("", "{\"kind\":\"tpm\"}"));
        tap_ok(keeper_round(KEEPER_TPM_SEAL, ERR_NONE, &index, sizeof index)
                       && answer_is(200, "{\"slot\":3}\n"),
               "slots",
               "a TPM's slot has a number");
        handle_slot_add(harness_exchange("", "{\"kind\":\"tpm\"}"));
        tap_ok(keeper_round(KEEPER_TPM_SEAL, ERR_NO_TPM, nullptr, 0) && answer_has(409, "no_tpm"), "slots",
               "a box without one says so");
        handle_slot_add(harness_exchange("", "{\"kind\":\"tpm\"}"));
        tap_ok(keeper_round(KEEPER_TPM_SEAL, ERR_TPM_FAILED, nullptr, 0) && answer_has(502, "tpm_failed"), "slots",
               "so does one whose TPM refuses");
        handle_slot_add(harness_exchange("", "{\"kind\":\"tpm\"}"));
        tap_ok(keeper_round(KEEPER_TPM_SEAL, ERR_NONE, &index, 3) && answer_has(500, "internal_error"), "slots",
               "an answer of another size is a broken keeper");
        static const char *const wrong[] = {"{}", "{\"kind\":\"tmp\"}", "{\"kind\":\"tpm\",\"pin\":1}", "[", ""};
        bool good = true;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                handle_slot_add(harness_exchange("", wrong[i]));
                good = good && answer_has(400, "\"line\":1");
        }
        tap_ok(good, "slots", "a bad body is told its place");
}

static void removes(void)
{
        static keeper_message m;
        uint32_t index = 9;
        handle_slot_remove(harness_exchange("7", ""));
        bool heard = keeper_hears(KEEPER_SLOT_REMOVE, &m) && m.len == sizeof index;
        memcpy(&index, m.bytes, sizeof index);
        tap_ok(heard && index == 7, "slots", "the number reaches the keeper");
        keeper_says(KEEPER_SLOT_REMOVE, ERR_NONE, nullptr, 0);
        harness_run();
        tap_ok(answer_is(200, "{\"ok\":true}\n"), "slots", "a removed slot is 200");
        handle_slot_remove(harness_exchange("0", ""));
        tap_ok(keeper_round(KEEPER_SLOT_REMOVE, ERR_LAST_SLOT, nullptr, 0) && answer_has(409, "last_slot"), "slots",
               "the last that a person holds stays");
        static const char *const wrong[] = {"8", "-1", "x", "00", "1/2"};
        bool good = true;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                handle_slot_remove(harness_exchange(wrong[i], ""));
                good = good && answer_has(404, "not_found");
        }
        tap_ok(good, "slots", "what is no slot's number is not found");
}

int main(void)
{
        harness_start();
        harness_keeper();
        adds();
        removes();
        return harness_done();
}
