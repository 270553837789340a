#include "policy/token.h"

#include "support/tap.h"

static const char SUBJECT[] = "token";

static const struct {
        const char *sentence;
        entity_id   entity;
        view        text;
        uint8_t     region;
        view        form;
} forms[] = {
        {"addresses in small letters", ENTITY_EMAIL_ADDRESS, VIEW_INIT("A.B@Ex.COM"), REGION_COUNT,
         VIEW_INIT("a.b@ex.com")},
        {"American numbers", ENTITY_PHONE_NUMBER, VIEW_INIT("(617) 555-0124"), REGION_US, VIEW_INIT("16175550124")},
        {"American numbers with their one", ENTITY_PHONE_NUMBER, VIEW_INIT("1-617-555-0124"), REGION_US,
         VIEW_INIT("16175550124")},
        {"international numbers", ENTITY_PHONE_NUMBER, VIEW_INIT("+1 617 555 0124"), REGION_COUNT,
         VIEW_INIT("16175550124")},
        {"German numbers", ENTITY_PHONE_NUMBER, VIEW_INIT("030/23125759"), REGION_DE, VIEW_INIT("493023125759")},
        {"the trunk zero", ENTITY_PHONE_NUMBER, VIEW_INIT("+49 (0)30 23125759"), REGION_COUNT,
         VIEW_INIT("493023125759")},
        {"00 for the plus", ENTITY_PHONE_NUMBER, VIEW_INIT("0049 30 23125759"), REGION_COUNT,
         VIEW_INIT("493023125759")},
        {"Chinese numbers", ENTITY_PHONE_NUMBER, VIEW_INIT("138 0013 8000"), REGION_CN, VIEW_INIT("8613800138000")},
        {"Chinese numbers with their country", ENTITY_PHONE_NUMBER, VIEW_INIT("8613800138000"), REGION_CN,
         VIEW_INIT("8613800138000")},
        {"an extension stays apart", ENTITY_PHONE_NUMBER, VIEW_INIT("(425) 555-0169 ext. 825"), REGION_US,
         VIEW_INIT("14255550169x825")},
        {"cards without separators", ENTITY_CREDIT_CARD, VIEW_INIT("4111-1111"), REGION_COUNT, VIEW_INIT("41111111")},
        {"accounts in capitals", ENTITY_IBAN, VIEW_INIT("gb82 west"), REGION_COUNT, VIEW_INIT("GB82WEST")},
        {"version four addresses", ENTITY_IP_ADDRESS, VIEW_INIT("192.0.2.1"), REGION_COUNT, VIEW_INIT("192.0.2.1")},
        {"version six addresses by value", ENTITY_IP_ADDRESS, VIEW_INIT("41::4142"), REGION_COUNT,
         VIEW_INIT("\0A\0\0\0\0\0\0\0\0\0\0\0\0AB")},
        {"keys as they are", ENTITY_API_KEY, VIEW_INIT("aB-"), REGION_COUNT, VIEW_INIT("aB-")},
};

static const struct {
        const char *sentence;
        view        text;
        bool        shaped;
} shapes[] = {
        {"a placeholder", VIEW_INIT("EMAILxT0V9M3RW"), true},
        {"in other case", VIEW_INIT("emailXt0v9m3rw"), true},
        {"with a long body", VIEW_INIT("SSNxT0V9M3RWT0V9"), true},
        {"with a letter that no body has", VIEW_INIT("EMAILxT0V9M3RU"), false},
        {"with a body of nine", VIEW_INIT("EMAILxT0V9M3RWA"), false},
        {"with an unknown label", VIEW_INIT("MAILxT0V9M3RW"), false},
        {"without a body", VIEW_INIT("EMAILx"), false},
        {"nothing", VIEW_INIT(""), false},
};

int main(void)
{
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
                uint8_t room[128];
                emit    out = emit_into(room, forms[i].text.len + 16);
                view    got;
                token_normalise(forms[i].entity, forms[i].text, forms[i].region, &out);
                tap_ok(!failed(emit_done(&out, &got)) && view_equal(got, forms[i].form), SUBJECT, forms[i].sentence);
        }
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
                tap_ok(token_shaped(shapes[i].text) == shapes[i].shaped, SUBJECT, shapes[i].sentence);

        uint8_t out[LIMIT_TOKEN_BYTES];
        uint8_t digest[32] = {0x08, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6};
        size_t  len = token_write(ENTITY_US_SSN, digest, TOKEN_BODY, out);
        tap_ok(view_equal((view){out, len}, VIEW("SSNx11234567")), SUBJECT, "eight symbols are the first 40 bits");
        len = token_write(ENTITY_US_SSN, digest, TOKEN_BODY_LONG, out);
        tap_ok(view_equal((view){out, len}, VIEW("SSNx1123456789AB")), SUBJECT, "twelve symbols are the first 60");
        uint8_t room[32];
        emit    prefix = emit_into(room, sizeof room);
        token_prefix(ENTITY_JWT, &prefix);
        tap_ok(view_equal((view){room, prefix.len}, VIEW("pii-v1\0JWT\0")), SUBJECT,
               "the hashed message begins with version and entity");
        tap_ok(token_compare(VIEW("abc"), VIEW("ABC")) == 0 && token_compare(VIEW("AB"), VIEW("abc")) < 0
                       && token_compare(VIEW("b"), VIEW("ABC")) > 0,
               SUBJECT, "placeholders are compared without case");
        return tap_done();
}
