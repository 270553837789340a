#include "admin/body.h"
#include "codec/base64.h"
#include "support/tap.h"
#include "vault/container.h"

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

static void sequences(void)
{
        static const struct {
                const char *name;
                view json;
                size_t count; /* 0: refused */
        } rows[] = {
                {"one number is taken", VIEW_INIT("{\"sequences\":[7]}"), 1},
                {"as many as there is room for", VIEW_INIT("{\"sequences\":[1,2,3]}"), 3},
                {"one more is refused", VIEW_INIT("{\"sequences\":[1,2,3,4]}"), 0},
                {"none is refused", VIEW_INIT("{\"sequences\":[]}"), 0},
                {"0 is no export", VIEW_INIT("{\"sequences\":[0]}"), 0},
                {"a text is no number", VIEW_INIT("{\"sequences\":[\"1\"]}"), 0},
                {"half of one is none", VIEW_INIT("{\"sequences\":[1.5]}"), 0},
                {"a number alone is no list", VIEW_INIT("{\"sequences\":1}"), 0},
                {"an unknown key is refused", VIEW_INIT("{\"sequences\":[1],\"x\":1}"), 0},
        };
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                uint64_t out[3];
                size_t count = 0;
                config_fault fault = {};
                err e = body_sequences(rows[i].json, out, 3, &count, &fault);
                tap_ok(rows[i].count == 0 ? failed(e) && fault.code[0] != '\0' : !failed(e) && count == rows[i].count,
                       "body", rows[i].name);
        }
}

static void rotations(void)
{
        uint8_t sealed[112] = {1, 2, 3}, room[512];
        emit out = emit_into(room, sizeof room);
        emit_text(&out, "{\"slot\":1,\"kind\":\"passphrase\",\"ops\":3,\"mem_bytes\":67108864,"
                        "\"salt\":\"000102030405060708090a0b0c0d0eff\",\"sealed\":\"");
        base64_write(&out, (view){sealed, sizeof sealed});
        emit_text(&out, "\"}");
        view json = {out.bytes, out.len};
        keeper_rotate got;
        config_fault fault = {};
        bool good = !failed(body_rotate(json, &got, &fault));
        tap_ok(good && got.slot == 1 && got.kind == SLOT_PASSPHRASE && got.ops == 3 && got.mem_bytes == 67108864
                       && got.salt[1] == 1 && got.salt[15] == 0xff && memcmp(got.sealed, sealed, sizeof sealed) == 0,
               "body", "a rotation is taken");
        bool refused = true;
        for (size_t cut = 0; cut < json.len; cut++)
                refused &= failed(body_rotate(view_slice(json, 0, cut), &got, &fault));
        tap_ok(refused, "body", "a rotation cut anywhere is refused");
        room[34] = 'x';
        tap_ok(failed(body_rotate(json, &got, &fault)), "body", "so is a kind there is not");
}

static void backups(void)
{
        static const char text[] = "{\"to\":[\"0101010101010101010101010101010101010101010101010101010101010101\","
                                   "\"0202020202020202020202020202020202020202020202020202020202020202\"],"
                                   "\"need\":2,\"created\":1700000000}";
        view json = view_of_text(text);
        keeper_backup got;
        config_fault fault = {};
        bool good = !failed(body_backup(json, &got, &fault));
        tap_ok(good && got.need == 2 && got.count == 2 && got.recipients[1][31] == 2 && got.created_s == 1700000000,
               "body", "a backup's recipients are taken");
        bool refused = true;
        for (size_t cut = 0; cut < json.len; cut++)
                refused &= failed(body_backup(view_slice(json, 0, cut), &got, &fault));
        tap_ok(refused, "body", "cut anywhere they are refused");
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
        sequences();
        rotations();
        backups();
        refusals();
        names();
        return tap_done();
}
