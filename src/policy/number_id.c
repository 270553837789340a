/* Cards, social security numbers, identity numbers: what has a check or a fixed form. */
#include <assert.h>

#include "policy/context.h"
#include "policy/number.h"

static unsigned value_of(const number *n, size_t from, size_t count)
{
        unsigned v = 0;
        for (size_t i = from; i < from + count; i++)
                v = v * 10 + (unsigned)(n->text[i] - '0');
        return v;
}

static bool luhn(const number *n)
{
        unsigned sum = 0;
        for (size_t i = 0; i < n->digits; i++) {
                unsigned d = (unsigned)(n->text[n->digits - 1 - i] - '0');
                if (i % 2 == 1)
                        d = d * 2 > 9 ? d * 2 - 9 : d * 2;
                sum += d;
        }
        return sum % 10 == 0;
}

typedef struct issuer {
        uint32_t low, high;      /* of the first six digits */
        uint8_t  shortest, most; /* digits */
} issuer;

/* src ISO/IEC 7812 ranges as the schemes publish them: Visa, Mastercard, Amex, Discover, JCB, Diners, UnionPay, Mir,
 * RuPay, Maestro */
static const issuer issuers[] = {
        {400000, 499999, 16, 16}, {400000, 499999, 13, 13}, {400000, 499999, 19, 19}, {510000, 559999, 16, 16},
        {222100, 272099, 16, 16}, {340000, 349999, 15, 15}, {370000, 379999, 15, 15}, {601100, 601199, 16, 19},
        {644000, 659999, 16, 19}, {352800, 358999, 16, 19}, {300000, 305999, 14, 19}, {360000, 369999, 14, 19},
        {380000, 399999, 14, 19}, {620000, 629999, 16, 19}, {810000, 819999, 16, 19}, {220000, 220499, 16, 19},
        {600000, 609999, 16, 16}, {508000, 508999, 16, 16}, {820000, 829999, 16, 16},
};

static bool card_checks(const number *n)
{
        if (n->digits < 13 || n->digits > 19 || number_all_equal(n) || !luhn(n))
                return false;
        unsigned head = value_of(n, 0, 6);
        for (size_t i = 0; i < sizeof issuers / sizeof issuers[0]; i++)
                if (head >= issuers[i].low && head <= issuers[i].high && n->digits >= issuers[i].shortest
                    && n->digits <= issuers[i].most)
                        return true;
        return false;
}

static bool single_digits(const number *n)
{
        if (n->sep != ' ' && n->sep != '-' && n->sep != '.')
                return false;
        for (size_t k = n->first; k < n->past; k++)
                if (n->p->g[k].len != 1)
                        return false;
        return true;
}

static bool stands_alone(const scan *s, const number *n)
{
        if (!edge_left(s, n->start) || !edge_right(s, n->end))
                return false;
        uint8_t before = n->start > 0 ? s->text.data[n->start - 1] : 0;
        return before != '$' && before != '#' && before != '+';
}

/* Groups of a card begin with four or six digits; or there is one group, or each digit is one. */
static bool card_may_begin(const digit_group *g) { return g->len == 4 || g->len == 6 || g->len == 1 || g->len >= 13; }

size_t number_card(scan *s, const phrase *p, size_t first)
{
        static const char *const grouped[] = {
                "4-4-4-4", "4-4-4-4-3", "4-6-5", "4-6-4", "6-13", "4-4-4-4-2", "4-4-4-4-1",
        };
        if (!detect_wants(s, ENTITY_CREDIT_CARD) || !card_may_begin(&p->g[first]))
                return 0;
        size_t digits = phrase_digits(p, first, first + 1);
        size_t past = first + 1;
        while (past < p->count && digits + p->g[past].len <= 19)
                digits += p->g[past++].len;
        for (; past > first && digits >= 13; digits -= p->g[--past].len) {
                number n;
                if (!number_make(s, p, first, past, &n) || digits > 19)
                        continue;
                bool distinct = false;
                if (n.sep == ' ' || n.sep == '-')
                        for (size_t i = 0; i < sizeof grouped / sizeof grouped[0]; i++)
                                distinct |= number_shaped(&n, grouped[i]);
                if (!distinct && n.sep != 0 && !(n.digits >= 15 && single_digits(&n)))
                        continue;
                if (!card_checks(&n) || !stands_alone(s, &n))
                        continue;
                bool cued = (context_of(s, n.start, n.end).all & CUE_CARD) != 0;
                if (!cued && !distinct)
                        continue;
                detect_take(s, (finding){n.start, n.end, ENTITY_CREDIT_CARD, cued ? RANK_CHECKED_CUED : RANK_CHECKED,
                                         REGION_COUNT});
                return past;
        }
        return 0;
}

static bool ssn_checks(const number *n)
{
        unsigned area = value_of(n, 0, 3);
        unsigned group = value_of(n, 3, 2);
        unsigned serial = value_of(n, 5, 4);
        unsigned all = value_of(n, 0, 9);
        /* Numbers that were printed in advertisements and never belonged to one person. */
        if (all == 78051120 || all == 219099999 || all == 457555462)
                return false;
        return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 && !number_all_equal(n);
}

size_t number_ssn(scan *s, const phrase *p, size_t first)
{
        if ((p->g[first].len != 3 && p->g[first].len != 9) || !detect_wants(s, ENTITY_US_SSN)
            || !region_on(s->regions, REGION_US))
                return 0;
        size_t past = first + (p->g[first].len == 9 ? 1 : 3);
        number n;
        if (past > p->count || !number_make(s, p, first, past, &n) || n.digits != 9)
                return 0;
        if (n.sep != 0 && (!number_shaped(&n, "3-2-4") || (n.sep != '-' && n.sep != ' ' && n.sep != '.')))
                return 0;
        if (!ssn_checks(&n) || !stands_alone(s, &n))
                return 0;
        bool distinct = n.sep == '-' && value_of(&n, 0, 9) != 123456789;
        context around = context_of(s, n.start, n.end);
        /* Nine digits in one run have too many other names for a cue farther away. */
        bool cued = ((n.sep == 0 ? around.nearest : around.all) & CUE_SSN) != 0;
        if (!distinct && !cued)
                return 0;
        detect_take(s, (finding){n.start, n.end, ENTITY_US_SSN, cued ? RANK_CHECKED_CUED : RANK_CHECKED, REGION_COUNT});
        return past;
}

static bool cn_province(unsigned code)
{
        static const uint8_t ranges[][2] = {{11, 15}, {21, 23}, {31, 37}, {41, 46}, {50, 54},
                                            {61, 65}, {71, 71}, {81, 83}};
        for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
                if (code >= ranges[i][0] && code <= ranges[i][1])
                        return true;
        return false;
}

static bool real_date(unsigned year, unsigned month, unsigned day)
{
        static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        if (year < 1900 || year > 2099 || month < 1 || month > 12 || day < 1 || day > days[month - 1])
                return false;
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return month != 2 || day < 29 || leap;
}

/* ISO 7064 MOD 11-2 over 17 digits, GB 11643 */
static char cn_check(const number *n)
{
        unsigned p = 0;
        for (size_t i = 0; i < 17; i++)
                p = (p + (unsigned)(n->text[i] - '0')) * 2 % 11;
        return "0123456789X"[(12 - p) % 11];
}

size_t number_cn_id(scan *s, const phrase *p, size_t first)
{
        uint32_t len = p->g[first].len;
        if ((len != 6 && len != 17 && len != 18) || !detect_wants(s, ENTITY_CN_RESIDENT_ID)
            || !region_on(s->regions, REGION_CN))
                return 0;
        size_t past = first + (p->g[first].len == 6 ? 3 : 1);
        number n;
        if (past > p->count || !number_make(s, p, first, past, &n) || n.digits < 17 || n.digits > 18)
                return 0;
        if (past > first + 1 && !number_shaped(&n, "6-8-4") && !number_shaped(&n, "6-8-3"))
                return 0;
        bool with_x = n.digits == 17 && (scan_at(s, n.end) == 'X' || scan_at(s, n.end) == 'x');
        if (n.digits == 17 && !with_x)
                return 0;
        if (with_x) {
                n.text[17] = 'X';
                n.end++;
        }
        if (n.text[17] != cn_check(&n) || !cn_province(value_of(&n, 0, 2))
            || !real_date(value_of(&n, 6, 4), value_of(&n, 10, 2), value_of(&n, 12, 2)) || !stands_alone(s, &n))
                return 0;
        detect_take(s, (finding){n.start, n.end, ENTITY_CN_RESIDENT_ID, RANK_CHECKED_CUED, REGION_COUNT});
        return past;
}

size_t number_ipv4(scan *s, const phrase *p, size_t first)
{
        if (first + 4 > p->count || p->g[first].sep != '.' || !detect_wants(s, ENTITY_IP_ADDRESS))
                return 0;
        number n;
        if (!number_make(s, p, first, first + 4, &n) || n.sep != '.' || !edge_left(s, n.start) || !edge_right(s, n.end))
                return 0;
        unsigned octet[4];
        size_t   at = 0;
        for (size_t k = 0; k < 4; k++) {
                size_t len = p->g[first + k].len;
                if (len > 3 || (len > 1 && n.text[at] == '0'))
                        return 0;
                octet[k] = value_of(&n, at, len);
                if (octet[k] > 255)
                        return 0;
                at += len;
        }
        /* Loopback, "any", masks and broadcast name no host. */
        if (octet[0] == 127 || octet[0] == 255 || (octet[0] | octet[1] | octet[2] | octet[3]) == 0)
                return 0;
        if ((context_of(s, n.start, n.end).all & CUE_VERSION) != 0)
                return 0;
        detect_take(s, (finding){n.start, n.end, ENTITY_IP_ADDRESS, RANK_CHECKED, REGION_COUNT});
        return first + 4;
}
