#include <assert.h>

#include "policy/detect.h"

typedef struct iban_layout {
        char        country[3];
        uint8_t     length; /* characters, with country and check digits */
        const char *bban;   /* runs: count and n digits, a capitals, c both */
} iban_layout;

/* clang-format off */
/* src SWIFT IBAN registry; neighbouring runs of one kind are added up */
static const iban_layout layouts[] = {
        {"AD", 24, "8n12c"}, {"AE", 23, "19n"}, {"AL", 28, "8n16c"}, {"AT", 20, "16n"}, {"AZ", 28, "4a20c"},
        {"BA", 20, "16n"}, {"BE", 16, "12n"}, {"BG", 22, "4a6n8c"}, {"BH", 22, "4a14c"}, {"BI", 27, "23n"},
        {"BR", 29, "23n1a1c"}, {"BY", 28, "4c4n16c"}, {"CH", 21, "5n12c"}, {"CR", 22, "18n"}, {"CY", 28, "8n16c"},
        {"CZ", 24, "20n"}, {"DE", 22, "18n"}, {"DJ", 27, "23n"}, {"DK", 18, "14n"}, {"DO", 28, "4c20n"},
        {"EE", 20, "16n"}, {"EG", 29, "25n"}, {"ES", 24, "20n"}, {"FI", 18, "14n"}, {"FK", 18, "2a12n"},
        {"FO", 18, "14n"}, {"FR", 27, "10n11c2n"}, {"GB", 22, "4a14n"}, {"GE", 22, "2a16n"}, {"GI", 23, "4a15c"},
        {"GL", 18, "14n"}, {"GR", 27, "7n16c"}, {"GT", 28, "24c"}, {"HN", 28, "4a20n"}, {"HR", 21, "17n"},
        {"HU", 28, "24n"}, {"IE", 22, "4a14n"}, {"IL", 23, "19n"}, {"IQ", 23, "4a15n"}, {"IS", 26, "22n"},
        {"IT", 27, "1a10n12c"}, {"JO", 30, "4a4n18c"}, {"KW", 30, "4a22c"}, {"KZ", 20, "3n13c"}, {"LB", 28, "4n20c"},
        {"LC", 32, "4a24c"}, {"LI", 21, "5n12c"}, {"LT", 20, "16n"}, {"LU", 20, "3n13c"}, {"LV", 21, "4a13c"},
        {"LY", 25, "21n"}, {"MC", 27, "10n11c2n"}, {"MD", 24, "20c"}, {"ME", 22, "18n"}, {"MK", 19, "3n10c2n"},
        {"MN", 20, "16n"}, {"MR", 27, "23n"}, {"MT", 31, "4a5n18c"}, {"MU", 30, "4a19n3a"}, {"NI", 28, "4a20n"},
        {"NL", 18, "4a10n"}, {"NO", 15, "11n"}, {"OM", 23, "3n16c"}, {"PK", 24, "4a16c"}, {"PL", 28, "24n"},
        {"PS", 29, "4a21c"}, {"PT", 25, "21n"}, {"QA", 29, "4a21c"}, {"RO", 24, "4a16c"}, {"RS", 22, "18n"},
        {"RU", 33, "14n15c"}, {"SA", 24, "2n18c"}, {"SC", 31, "4a20n3a"}, {"SD", 18, "14n"}, {"SE", 24, "20n"},
        {"SI", 19, "15n"}, {"SK", 24, "20n"}, {"SM", 27, "1a10n12c"}, {"SO", 23, "19n"}, {"ST", 25, "21n"},
        {"SV", 28, "4a20n"}, {"TL", 23, "19n"}, {"TN", 24, "20n"}, {"TR", 26, "6n16c"}, {"UA", 29, "6n19c"},
        {"VA", 22, "18n"}, {"VG", 24, "4a16n"}, {"XK", 20, "16n"}, {"YE", 30, "4a4n18c"},
};
/* clang-format on */

constexpr size_t IBAN_MOST = 34;

static uint8_t upper(uint8_t c) { return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c; }

static const iban_layout *layout_of(uint8_t a, uint8_t b)
{
        for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
                if ((uint8_t)layouts[i].country[0] == a && (uint8_t)layouts[i].country[1] == b)
                        return &layouts[i];
        return nullptr;
}

static bool follows(const iban_layout *layout, const uint8_t *iban)
{
        const uint8_t *c = iban + 4;
        for (const char *run = layout->bban; *run != 0; run++) {
                unsigned count = 0;
                for (; *run >= '0' && *run <= '9'; run++)
                        count = count * 10 + (unsigned)(*run - '0');
                for (; count > 0; count--, c++) {
                        uint8_t want = *run == 'n' ? BYTE_DIGIT : *run == 'a' ? BYTE_LETTER : BYTE_DIGIT | BYTE_LETTER;
                        if (!byte_is(*c, want))
                                return false;
                }
        }
        assert(c == iban + layout->length);
        return true;
}

/* ISO 7064 MOD 97-10 with the first four characters moved to the end */
static bool mod97(const uint8_t *iban, size_t len)
{
        unsigned r = 0;
        for (size_t i = 0; i < len; i++) {
                uint8_t c = iban[(i + 4) % len];
                unsigned value = (unsigned)(byte_is(c, BYTE_DIGIT) ? c - '0' : c - 'A' + 10);
                r = (r * (value < 10 ? 10 : 100) + value) % 97;
        }
        return r == 1;
}

/* Reads `length` characters, skipping single separators of one kind. Returns the end, 0 when they are not there. */
static size_t read_grouped(const scan *s, size_t at, size_t length, uint8_t *iban)
{
        uint8_t sep = 0;
        for (size_t n = 0; n < length; at++) {
                uint8_t c = scan_at(s, at);
                if (byte_is(c, BYTE_DIGIT | BYTE_LETTER)) {
                        iban[n++] = upper(c);
                        continue;
                }
                if ((c != ' ' && c != '-' && c != '\n' && c != '.') || (sep != 0 && sep != c)
                    || !byte_is(scan_at(s, at + 1), BYTE_DIGIT | BYTE_LETTER))
                        return 0;
                sep = c;
        }
        return at;
}

size_t detect_iban(scan *s, size_t at)
{
        /* Two letters stand before the check digits, and nothing of a word before them. */
        size_t next = at;
        while (next < s->text.len && byte_is(s->text.data[next], BYTE_DIGIT))
                next++;
        if (at < 2 || !byte_is(scan_at(s, at + 1), BYTE_DIGIT) || !edge_left(s, at - 2)
            || !detect_wants(s, ENTITY_IBAN))
                return next;
        const iban_layout *layout = layout_of(upper(s->text.data[at - 2]), upper(s->text.data[at - 1]));
        if (layout == nullptr)
                return next;
        uint8_t iban[IBAN_MOST];
        assert(layout->length <= IBAN_MOST);
        size_t end = read_grouped(s, at - 2, layout->length, iban);
        if (end == 0 || !edge_right(s, end) || !follows(layout, iban) || !mod97(iban, layout->length))
                return next;
        detect_take(s, (finding){(uint32_t)(at - 2), (uint32_t)end, ENTITY_IBAN, RANK_CHECKED_CUED, REGION_COUNT});
        return end;
}
