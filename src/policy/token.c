#include "policy/token.h"

#include <assert.h>

#include "policy/network.h"

static const char symbols_of[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static_assert(sizeof symbols_of == 33);

#define ENTITY(id, label, group, shortest, text) \
        static_assert(sizeof(label) + TOKEN_BODY_LONG <= LIMIT_TOKEN_BYTES, "a placeholder fits its bound");
#include "policy/entity.def"
#undef ENTITY

static bool digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool letter(uint8_t c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
static uint8_t upper(uint8_t c) { return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c; }

/* Digits and letters only, as capitals. */
static void normalise_code(view text, emit *out)
{
        for (size_t i = 0; i < text.len; i++)
                if (digit(text.data[i]) || letter(text.data[i]))
                        emit_byte(out, upper(text.data[i]));
}

/* Country code and national digits where the region is known; the extension stays apart. */
static void normalise_phone(view text, uint8_t region, emit *out)
{
        static const char *const codes[REGION_COUNT] = {
                [REGION_US] = "1", [REGION_CN] = "86", [REGION_DE] = "49", [REGION_FR] = "33", [REGION_GB] = "44",
        };
        uint8_t digits[64];
        size_t  count = 0, i = 0;
        bool    trunk = memmem(text.data, text.len, "(0)", 3) != nullptr;
        for (; i < text.len && count < sizeof digits; i++) {
                uint8_t c = text.data[i];
                if (letter(c) || c >= 0x80 || c == ',')
                        break;
                if (trunk && c == '0' && i > 0 && text.data[i - 1] == '(')
                        continue;
                if (digit(c))
                        digits[count++] = c;
        }
        size_t from = 0;
        if (region < REGION_COUNT) {
                view code = view_of_text(codes[region]);
                bool has_code = (region == REGION_US && count == 11) || (region == REGION_CN && count == 13);
                if (!has_code)
                        emit_view(out, code);
                from = !has_code && count > 0 && digits[0] == '0' ? 1 : 0;
        } else if (text.len > 0 && text.data[0] != '+' && count > 2 && digits[0] == '0' && digits[1] == '0') {
                from = 2;
        }
        emit_view(out, view_slice((view){digits, count}, from, count));
        if (i < text.len)
                emit_byte(out, 'x');
        for (; i < text.len; i++)
                if (digit(text.data[i]))
                        emit_byte(out, text.data[i]);
}

static void normalise_address(view text, emit *out)
{
        uint16_t groups[8];
        if (memchr(text.data, ':', text.len) == nullptr || ipv6_read(text, groups) == 0) {
                emit_view(out, text);
                return;
        }
        for (size_t i = 0; i < 8; i++) {
                emit_byte(out, (uint8_t)(groups[i] >> 8));
                emit_byte(out, (uint8_t)groups[i]);
        }
}

void token_normalise(entity_id entity, view text, uint8_t region, emit *out)
{
        switch (entity) {
        case ENTITY_EMAIL_ADDRESS:
                for (size_t i = 0; i < text.len; i++)
                        emit_byte(out, ascii_lower(text.data[i]));
                return;
        case ENTITY_PHONE_NUMBER:
                normalise_phone(text, region, out);
                return;
        case ENTITY_CREDIT_CARD:
        case ENTITY_IBAN:
        case ENTITY_US_SSN:
        case ENTITY_CN_RESIDENT_ID:
                normalise_code(text, out);
                return;
        case ENTITY_IP_ADDRESS:
                normalise_address(text, out);
                return;
        case ENTITY_JWT:
        case ENTITY_PRIVATE_KEY:
        case ENTITY_API_KEY:
        case ENTITY_COUNT:
                break;
        }
        emit_view(out, text);
}

void token_prefix(entity_id entity, emit *out)
{
        emit_text(out, "pii-v1");
        emit_byte(out, 0);
        emit_text(out, entity_describe(entity)->name);
        emit_byte(out, 0);
}

size_t token_write(entity_id entity, const uint8_t digest[static 32], size_t symbols,
                   uint8_t out[static LIMIT_TOKEN_BYTES])
{
        assert(symbols == TOKEN_BODY || symbols == TOKEN_BODY_LONG);
        view   label = view_of_text(entity_describe(entity)->label);
        size_t len = label.len;
        memcpy(out, label.data, label.len);
        out[len++] = 'x';
        for (size_t i = 0; i < symbols; i++) {
                size_t   bit = i * 5;
                unsigned two = (unsigned)digest[bit / 8] << 8 | digest[bit / 8 + 1];
                out[len++] = (uint8_t)symbols_of[two >> (11 - bit % 8) & 31];
        }
        return len;
}

bool token_shaped(view text)
{
        for (entity_id e = 0; e < ENTITY_COUNT; e++) {
                view   label = view_of_text(entity_describe(e)->label);
                size_t body = text.len - label.len - 1;
                if (text.len <= label.len + 1 || (body != TOKEN_BODY && body != TOKEN_BODY_LONG)
                    || ascii_lower(text.data[label.len]) != 'x'
                    || !view_equal_nocase(view_slice(text, 0, label.len), label))
                        continue;
                for (size_t i = label.len + 1; i < text.len; i++)
                        if (memchr(symbols_of, upper(text.data[i]), 32) == nullptr)
                                return false;
                return true;
        }
        return false;
}

int token_compare(view a, view b)
{
        size_t most = a.len < b.len ? a.len : b.len;
        for (size_t i = 0; i < most; i++) {
                int d = (int)upper(a.data[i]) - (int)upper(b.data[i]);
                if (d != 0)
                        return d;
        }
        return a.len < b.len ? -1 : a.len > b.len ? 1 : 0;
}
