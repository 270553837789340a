#include "admin/body.h"
#include "codec/base64.h"
#include "support/tap.h"

static void unlocks(void)
{
        uint8_t sealed[80], room[256];
        for (size_t i = 0; i < sizeof sealed; i++)
                sealed[i] = (uint8_t)(i * 7);
        emit out = emit_into(room, sizeof room);
        emit_text(&out, "{\"slot\":3,\"sealed\":\"");
        base64_write(&out, (view){sealed, sizeof sealed});
        emit_text(&out, "\"}");
        view json = {out.bytes, out.len};
        keeper_unlock got;
        config_fault fault = {};
        bool good = !failed(body_unlock(json, &got, &fault));
        tap_ok(good && got.slot == 3 && memcmp(got.sealed, sealed, sizeof sealed) == 0, "body", "an unlock is taken");
        bool refused = true;
        for (size_t cut = 0; cut < json.len; cut++)
                refused &= failed(body_unlock(view_slice(json, 0, cut), &got, &fault));
        tap_ok(refused, "body", "an unlock cut anywhere is refused");
}

static void refusals(void)
{
        static const struct {
                const char *name;
                view json;
                const char *code;
        } rows[] = {
                {"an empty body is no JSON", VIEW_INIT(""), "BAD_JSON"},
                {"an array is no body", VIEW_INIT("[]"), nullptr},
                {"a missing value is named", VIEW_INIT("{}"), "MISSING_KEY"},
                {"an unknown key is named", VIEW_INIT("{\"sealed\":\"AAAA\",\"x\":1}"), "UNKNOWN_KEY"},
                {"a number is no text", VIEW_INIT("{\"sealed\":1}"), "WRONG_TYPE"},
                {"a short value is refused", VIEW_INIT("{\"sealed\":\"AA==\"}"), "BAD_VALUE"},
                {"a long value is refused", VIEW_INIT("{\"sealed\":\"AAAAAAAAAAAAAAAA\"}"), "BAD_VALUE"},
                {"another alphabet is refused", VIEW_INIT("{\"sealed\":\"AA_A\"}"), "BAD_VALUE"},
                {"a key twice is refused", VIEW_INIT("{\"sealed\":\"AAAA\",\"sealed\":\"AAAA\"}"), nullptr},
                {"bytes behind the end are refused", VIEW_INIT("{\"sealed\":\"AAAA\"} x"), nullptr},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                uint8_t room[8];
                emit out = emit_into(room, 3);
                config_fault fault = {};
                err e = body_sealed(rows[i].json, 3, &out, &fault);
                bool good = e.code == ERR_BAD_CONFIG && fault.code[0] != '\0'
                            && (rows[i].code == nullptr || strcmp(fault.code, rows[i].code) == 0);
                if (!tap_ok(good, "body", rows[i].name))
                        printf("# %s at %u:%u: %s\n", fault.code, fault.line, fault.column, fault.text);
        }
        uint8_t room[8];
        emit out = emit_into(room, 3);
        config_fault fault = {};
        err e = body_sealed(VIEW("{\"sealed\":\"AQID\"}"), 3, &out, &fault);
        tap_ok(!failed(e) && out.len == 3 && memcmp(room, "\1\2\3", 3) == 0, "body", "the right length is taken");
        keeper_unlock got;
        e = body_unlock(VIEW("{\"slot\":8,\"sealed\":\"\"}"), &got, &fault);
        tap_ok(failed(e) && strcmp(fault.code, "OUT_OF_RANGE") == 0, "body", "slot 8 is one too many");
}

static void names(void)
{
        static const struct {
                const char *name;
                view text;
                bool good;
        } rows[] = {
                {"a plain name is a name", VIEW_INIT("openai-main.2"), true},
                {"an empty name is none", VIEW_INIT(""), false},
                {"a space is none of a name's", VIEW_INIT("a b"), false},
                {"a percent sign is none of a name's", VIEW_INIT("a%20b"), false},
                {"31 bytes fit", VIEW_INIT("abcdefghijklmnopqrstuvwxyz01234"), true},
                {"32 bytes do not", VIEW_INIT("abcdefghijklmnopqrstuvwxyz012345"), false},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                tap_ok(body_name(rows[i].text) == rows[i].good, "body", rows[i].name);
}

int main(void)
{
        unlocks();
        refusals();
        names();
        return tap_done();
}
