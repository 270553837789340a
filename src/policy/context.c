#include "policy/context.h"

#include <assert.h>

constexpr size_t BEFORE = 48; /* characters */
constexpr size_t AFTER = 24;

typedef struct cue_word {
        const char *word;
        uint8_t     cue;
} cue_word;

/* clang-format off */
/* Lower case; bytes beyond ASCII stand as they are. Sorted by first letter for the eye only. */
static const cue_word latin[] = {
        {"aba", CUE_OTHER}, {"account", CUE_OTHER}, {"acct", CUE_OTHER}, {"amex", CUE_CARD}, {"anruf", CUE_PHONE},
        {"appelez", CUE_PHONE}, {"auftragsnummer", CUE_OTHER},
        {"batch", CUE_OTHER}, {"bel", CUE_PHONE}, {"bellen", CUE_PHONE}, {"bestellnummer", CUE_OTHER},
        {"build", CUE_OTHER},
        {"call", CUE_PHONE}, {"caller", CUE_PHONE}, {"card", CUE_CARD}, {"carta", CUE_CARD}, {"carte", CUE_CARD},
        {"cell", CUE_PHONE}, {"cellphone", CUE_PHONE}, {"cellulare", CUE_PHONE}, {"celular", CUE_PHONE},
        {"chapter", CUE_VERSION}, {"charge", CUE_CARD}, {"charged", CUE_CARD}, {"chiamami", CUE_PHONE},
        {"commande", CUE_OTHER}, {"commit", CUE_OTHER}, {"contact", CUE_PHONE}, {"credit", CUE_CARD},
        {"creditcard", CUE_CARD}, {"cvc", CUE_CARD}, {"cvv", CUE_CARD},
        {"debit", CUE_CARD}, {"dial", CUE_PHONE}, {"diners", CUE_CARD}, {"discover", CUE_CARD},
        {"facture", CUE_OTHER}, {"fax", CUE_PHONE}, {"firmware", CUE_VERSION},
        {"handy", CUE_PHONE}, {"hotline", CUE_PHONE},
        {"invoice", CUE_OTHER}, {"isbn", CUE_OTHER},
        {"jcb", CUE_CARD},
        {"karte", CUE_CARD}, {"kreditkarte", CUE_CARD},
        {"landline", CUE_PHONE}, {"line", CUE_OTHER},
        {"mastercard", CUE_CARD}, {"mobil", CUE_PHONE}, {"mobile", CUE_PHONE}, {"mobiltelefon", CUE_PHONE},
        {"movil", CUE_PHONE}, {"m\xc3\xb3vil", CUE_PHONE}, {"msisdn", CUE_PHONE}, {"my number", CUE_PHONE},
        {"nhs", CUE_OTHER},
        {"oid", CUE_VERSION}, {"order", CUE_OTHER},
        {"pager", CUE_PHONE}, {"pan", CUE_CARD}, {"part", CUE_OTHER}, {"passport", CUE_OTHER}, {"pay", CUE_CARD},
        {"payment", CUE_CARD}, {"pedido", CUE_OTHER}, {"phone", CUE_PHONE}, {"phones", CUE_PHONE},
        {"port", CUE_OTHER}, {"portable", CUE_PHONE},
        {"qq", CUE_OTHER},
        {"rechnung", CUE_OTHER}, {"release", CUE_VERSION}, {"ring", CUE_PHONE}, {"routing", CUE_OTHER},
        {"rueckruf", CUE_PHONE}, {"r\xc3\xbc" "ckruf", CUE_PHONE},
        {"schema", CUE_VERSION}, {"section", CUE_VERSION}, {"sku", CUE_OTHER}, {"sms", CUE_PHONE},
        {"social", CUE_SSN}, {"ss#", CUE_SSN}, {"ssn", CUE_SSN}, {"ssns", CUE_SSN},
        {"tarjeta", CUE_CARD}, {"tel", CUE_PHONE}, {"telefon", CUE_PHONE}, {"telefono", CUE_PHONE},
        {"telephone", CUE_PHONE}, {"tel\xc3\xa9" "fono", CUE_PHONE}, {"ticket", CUE_OTHER}, {"tin", CUE_SSN},
        {"toll-free", CUE_PHONE}, {"tracking", CUE_OTHER}, {"t\xc3\xa9l", CUE_PHONE},
        {"t\xc3\xa9l\xc3\xa9phone", CUE_PHONE},
        {"unionpay", CUE_CARD}, {"upgrade", CUE_VERSION}, {"upgraded", CUE_VERSION},
        {"v", CUE_VERSION}, {"ver", CUE_VERSION}, {"version", CUE_VERSION}, {"versions", CUE_VERSION},
        {"visa", CUE_CARD},
        {"w-9", CUE_SSN}, {"whatsapp", CUE_PHONE},
};

static const cue_word other[] = {
        {"手机", CUE_PHONE}, {"电话", CUE_PHONE}, {"座机", CUE_PHONE}, {"联系", CUE_PHONE},
        {"传真", CUE_PHONE}, {"请拨", CUE_PHONE}, {"微信", CUE_PHONE}, {"收件人", CUE_PHONE},
        {"快递", CUE_PHONE}, {"短信", CUE_PHONE}, {"手機", CUE_PHONE}, {"電話", CUE_PHONE},
        {"携帯", CUE_PHONE}, {"휴대폰", CUE_PHONE}, {"전화", CUE_PHONE}, {"연락처", CUE_PHONE},
        {"телефон", CUE_PHONE}, {"卡号", CUE_CARD}, {"银行卡", CUE_CARD}, {"信用卡", CUE_CARD},
        {"借记卡", CUE_CARD}, {"储蓄卡", CUE_CARD}, {"银联", CUE_CARD}, {"差旅费打到", CUE_CARD},
        {"カード", CUE_CARD}, {"карт", CUE_CARD}, {"بطاقة", CUE_CARD}, {"社会安全号", CUE_SSN},
        {"版本", CUE_VERSION}, {"订单", CUE_OTHER}, {"单号", CUE_OTHER}, {"流水", CUE_OTHER},
        {"编号", CUE_OTHER}, {"批次", CUE_OTHER},
};
/* clang-format on */

static bool lower(uint8_t c) { return c >= 'a' && c <= 'z'; }
static bool upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }

/* Two neighbouring bytes belong to different words. */
static bool word_break(uint8_t a, uint8_t b)
{
        bool in_a = lower(a) || upper(a) || (a >= 0xc3 && a <= 0xc9);
        bool in_b = lower(b) || upper(b) || (b >= 0xc3 && b <= 0xc9);
        return !in_a || !in_b || (lower(a) && upper(b));
}

static bool word_stands(view text, size_t at, size_t to, view word)
{
        if (at + word.len > to || (at > 0 && !word_break(text.data[at - 1], text.data[at])))
                return false;
        for (size_t i = 0; i < word.len; i++)
                if (ascii_lower(text.data[at + i]) != word.data[i])
                        return false;
        size_t end = at + word.len;
        return end == text.len || word_break(text.data[end - 1], text.data[end]);
}

/* What the word at `at` says, if it ends before `to`. */
static uint8_t cue_at(view text, size_t at, size_t to)
{
        uint8_t c = text.data[at];
        uint8_t cues = 0;
        if (c >= 0x80) {
                for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
                        if ((uint8_t)other[i].word[0] == c
                            && view_starts(view_slice(text, at, to), view_of_text(other[i].word)))
                                cues |= other[i].cue;
                return cues;
        }
        if (!byte_is(c, BYTE_LETTER) || (at > 0 && !word_break(text.data[at - 1], c)))
                return 0;
        uint8_t first = ascii_lower(c);
        for (size_t i = 0; i < sizeof latin / sizeof latin[0]; i++)
                if ((uint8_t)latin[i].word[0] == first && word_stands(text, at, to, view_of_text(latin[i].word)))
                        cues |= latin[i].cue;
        return cues;
}

/* Adds the cues of [from, to); the last one found stays the nearest. */
static void look(view text, size_t from, size_t to, context *c)
{
        for (size_t at = from; at < to; at++) {
                uint8_t cue = (text.data[at] & 0xc0) == 0x80 ? 0 : cue_at(text, at, to);
                if (cue == 0)
                        continue;
                c->all |= cue;
                c->nearest = cue;
        }
}

context context_of(const scan *s, size_t start, size_t end)
{
        assert(start <= end);
        assert(end <= s->text.len);
        const uint8_t *bytes = s->text.data;
        size_t from = start;
        for (size_t n = 0; from > 0 && n < BEFORE && bytes[from - 1] != '\n'; n++) {
                from--;
                while (from > 0 && (bytes[from] & 0xc0) == 0x80)
                        from--;
        }
        size_t to = end;
        for (size_t n = 0; to < s->text.len && n < AFTER && bytes[to] != '\n'; n++) {
                to++;
                while (to < s->text.len && (bytes[to] & 0xc0) == 0x80)
                        to++;
        }
        context left = {}, right = {};
        look(s->text, from, start, &left);
        look(s->text, end, to, &right);
        return (context){left.all | right.all, left.nearest != 0 ? left.nearest : right.all};
}
