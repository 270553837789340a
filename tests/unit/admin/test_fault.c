#include "admin/fault.h"
#include "support/tap.h"

static bool says(const admin_fault *row, const char *want)
{
        uint8_t room[512];
        emit out = emit_into(room, sizeof room);
        admin_fault_write(row, &out);
        return view_equal((view){out.bytes, out.len}, view_of_text(want));
}

static void words(void)
{
        static const struct {
                const char *name;
                err_code code;
                uint16_t http;
                const char *word;
        } rows[] = {
                {"no token is 401", ERR_NO_KEY, 401, "unauthorized"},
                {"a second reload is 409", ERR_KEY_BUSY, 409, "busy"},
                {"a missing keeper is 503", ERR_NO_KEEPER, 503, "no_keeper"},
                {"a sealed vault is 503", ERR_SEALED, 503, "vault_sealed"},
                {"a slow keeper is 504", ERR_AGAIN, 504, "keeper_timeout"},
                {"a wrong passphrase is 403", ERR_BAD_CREDENTIAL, 403, "bad_credential"},
                {"an unknown name is 404", ERR_NO_TARGET, 404, "not_found"},
                {"what has no row is 500", ERR_PII_BLOCKED, 500, "internal_error"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const admin_fault *r = admin_fault_of(rows[i].code);
                tap_ok(r->http == rows[i].http && strcmp(r->word, rows[i].word) == 0, "fault", rows[i].name);
        }
        bool back = true;
        for (unsigned c = 0; c < ERR_COUNT; c++) {
                const admin_fault *r = admin_fault_of((err_code)c);
                back &= r->code == ERR_SYSTEM || admin_fault_code(view_of_text(r->word)) == (err_code)c;
        }
        tap_ok(back, "fault", "every word leads back to its error");
        tap_ok(admin_fault_code(VIEW("nonsense")) == ERR_BAD_FILE, "fault", "an unknown word is a broken answer");
}

static void places(void)
{
        config_fault f = {.code = "UNKNOWN_KEY",
                          .pointer = "/hsots",
                          .text = "unknown key; did you mean \"hosts\"",
                          .line = 3,
                          .column = 9};
        uint8_t room[1024];
        emit out = emit_into(room, sizeof room);
        admin_fault_write_place(&f, VIEW("lethe.json"), &out);
        tap_ok(view_equal((view){out.bytes, out.len},
                          VIEW("{\"error\":{\"code\":\"UNKNOWN_KEY\",\"message\":\"unknown key; did you mean "
                               "\\\"hosts\\\"\","
                               "\"file\":\"lethe.json\",\"line\":3,\"column\":9,\"pointer\":\"/hsots\"}}\n")),
               "fault", "a place names file, line, column and pointer");
        out.len = 0;
        admin_fault_write_place(&f, (view){}, &out);
        tap_ok(memmem(out.bytes, out.len, "\"file\"", 6) == nullptr, "fault", "a body has no file name");
}

int main(void)
{
        words();
        places();
        tap_ok(says(admin_fault_of(ERR_NO_TARGET),
                    "{\"error\":{\"code\":\"not_found\",\"message\":\"There is nothing of this name or number.\"}}\n"),
               "fault", "the document has code and message");
        return tap_done();
}
