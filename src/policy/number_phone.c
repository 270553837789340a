/* Telephone numbers: E.164 always, national shapes of the regions that are on. */
#include <assert.h>

#include "policy/context.h"
#include "policy/number.h"

typedef struct plan {
        uint16_t code;
        uint8_t  shortest, most; /* national digits */
} plan;

/* src ITU-T E.164 national plans; codes that are not listed take 6 to 12 digits */
static const plan plans[] = {
        {1, 10, 10},   {7, 10, 10},   {20, 8, 10},   {27, 9, 9},    {30, 10, 10},  {31, 9, 9},    {32, 8, 9},
        {33, 9, 9},    {34, 9, 9},    {36, 8, 9},    {39, 6, 11},   {40, 9, 9},    {41, 9, 9},    {43, 5, 13},
        {44, 9, 10},   {45, 8, 8},    {46, 7, 10},   {47, 8, 8},    {48, 9, 9},    {49, 6, 13},   {51, 8, 9},
        {52, 10, 10},  {54, 10, 11},  {55, 10, 11},  {56, 9, 9},    {57, 10, 10},  {60, 8, 10},   {61, 9, 9},
        {62, 8, 12},   {63, 9, 10},   {64, 8, 10},   {65, 8, 8},    {66, 8, 9},    {81, 9, 10},   {82, 8, 10},
        {84, 9, 10},   {86, 10, 11},  {90, 10, 10},  {91, 10, 10},  {92, 9, 10},   {98, 10, 10},  {212, 9, 9},
        {351, 9, 9},   {352, 6, 11},  {353, 7, 9},   {358, 5, 12},  {370, 8, 8},   {371, 8, 8},   {372, 7, 8},
        {380, 9, 9},   {420, 9, 9},   {421, 9, 9},   {852, 8, 8},   {853, 8, 8},   {886, 8, 9},   {966, 9, 9},
        {971, 8, 9},   {972, 8, 9},
};

static plan plan_of(const char *digits)
{
        unsigned code = 0;
        for (size_t i = 0; i < 3 && digits[i] != 0; i++) {
                code = code * 10 + (unsigned)(digits[i] - '0');
                for (size_t k = 0; k < sizeof plans / sizeof plans[0]; k++)
                        if (plans[k].code == code)
                                return plans[k];
        }
        return (plan){.code = (uint16_t)code, .shortest = 6, .most = 12};
}

static size_t code_digits(plan of) { return of.code < 10 ? 1 : of.code < 100 ? 2 : 3; }

/* North American: area and exchange begin with 2 to 9 and do not end in 11. */
static bool nanp(const char *ten)
{
        bool area = ten[0] >= '2' && !(ten[1] == '1' && ten[2] == '1');
        bool exchange = ten[3] >= '2' && !(ten[4] == '1' && ten[5] == '1');
        return area && exchange;
}

static bool cn_mobile(const char *eleven) { return eleven[0] == '1' && eleven[1] >= '3'; }

/* An extension behind the number belongs to it. Returns the end. */
static uint32_t with_extension(const scan *s, uint32_t end)
{
        static const char *const words[] = {"ext", "extension", "x", "durchwahl", "доб", "分机", "转"};
        size_t at = end;
        while (scan_at(s, at) == ' ' || scan_at(s, at) == ',')
                at++;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
                view   word = view_of_text(words[i]);
                if (!view_equal_nocase(view_slice(s->text, at, at + word.len), word))
                        continue;
                size_t p = at + word.len;
                while (scan_at(s, p) == '.' || scan_at(s, p) == ' ' || scan_at(s, p) == ':')
                        p++;
                size_t from = p;
                while (byte_is(scan_at(s, p), BYTE_DIGIT))
                        p++;
                if (p > from && p - from <= 6 && !byte_is(scan_at(s, p), BYTE_LETTER) && p - end <= 24)
                        return (uint32_t)p;
        }
        return end;
}

static void take_phone(scan *s, const number *n, uint32_t start, uint8_t region)
{
        uint32_t end = with_extension(s, n->end);
        detect_take(s, (finding){start, end, ENTITY_PHONE_NUMBER, RANK_SHAPE, region});
}

/* Nothing that a price, a path, a time or a longer number would have stands around it. */
static bool clear_around(const scan *s, const number *n, uint32_t start)
{
        if (!edge_left(s, start))
                return false;
        uint8_t before = start > 0 ? s->text.data[start - 1] : 0;
        if (before == '$' || before == '#' || before == '+' || (before == '/' && n->sep == 0))
                return false;
        if (before >= 0x80) {
                view left = view_slice(s->text, start >= 3 ? start - 3 : 0, start);
                if (view_equal(left, VIEW("€")) || view_equal(view_slice(left, left.len - 2, left.len), VIEW("£"))
                    || view_equal(view_slice(left, left.len - 2, left.len), VIEW("¥")))
                        return false;
        }
        uint8_t after = scan_at(s, n->end);
        /* An extension may be glued on. */
        if (after == 'x' && byte_is(scan_at(s, n->end + 1), BYTE_DIGIT))
                return true;
        if (after == ':' && byte_is(scan_at(s, n->end + 1), BYTE_DIGIT))
                return false;
        return edge_right(s, n->end);
}

/* + and up to 15 digits: the longest run of groups that the country's plan allows. */
static size_t international(scan *s, const phrase *p, size_t first, uint32_t start)
{
        size_t most = first + 8 < p->count ? first + 8 : p->count;
        for (size_t past = most; past > first; past--) {
                number n;
                if (!number_make(s, p, first, past, &n) || n.digits > 18)
                        continue;
                const char *digits = n.text;
                if (s->text.data[start] != '+' && (digits[0] == '0' && digits[1] == '0'))
                        digits += 2;
                if (digits[0] == '0')
                        return 0;
                plan   of = plan_of(digits);
                size_t national = strlen(digits);
                size_t code = code_digits(of);
                if (national <= code)
                        return 0;
                national -= code;
                /* The trunk zero of "+49 (0)30" is written but not dialled. */
                if (digits[code] == '0' && of.code != 39)
                        national--;
                if (national < of.shortest || national > of.most || !clear_around(s, &n, start))
                        continue;
                if (of.code == 1 && !nanp(digits + 1))
                        continue;
                take_phone(s, &n, start, REGION_COUNT);
                return past;
        }
        return 0;
}

typedef struct national_shape {
        region_id   region;
        bool        mixed;  /* separators may differ */
        const char *lengths;
} national_shape;

static const national_shape shapes[] = {
        {REGION_US, true, "3-3-4"},    {REGION_US, true, "1-3-3-4"}, {REGION_FR, false, "2-2-2-2-2"},
        {REGION_GB, true, "5-6"},      {REGION_GB, true, "5-3-3"},   {REGION_GB, true, "3-4-4"},
        {REGION_GB, true, "4-3-4"},    {REGION_GB, true, "4-7"},     {REGION_GB, true, "3-8"},
        {REGION_GB, true, "5-5"},      {REGION_GB, true, "4-3-3"},   {REGION_CN, false, "3-4-4"},
        {REGION_CN, true, "2-3-4-4"},  {REGION_CN, true, "2-11"},    {REGION_CN, true, "3-8"},
        {REGION_CN, true, "4-7"},      {REGION_CN, true, "4-8"},     {REGION_CN, true, "4-4-4"},
        {REGION_CN, true, "4-3-4"},
};

/* What the digits of a national shape must begin with. */
static bool begins_right(const number *n, region_id region)
{
        const char *d = n->text;
        switch (region) {
        case REGION_US:
                return n->digits == 10 ? nanp(d) : d[0] == '1' && nanp(d + 1);
        case REGION_FR:
                return d[0] == '0' && d[1] != '0';
        case REGION_GB:
                return d[0] == '0' && strchr("12378", d[1]) != nullptr;
        case REGION_CN:
                if (n->digits == 13)
                        return d[0] == '8' && d[1] == '6' && cn_mobile(d + 2);
                if (n->p->g[n->first].len == 3 && n->digits == 11 && d[0] == '1')
                        return cn_mobile(d);
                return d[0] == '0' && d[1] != '0' && d[n->p->g[n->first].len] >= '2'
                       && (n->p->g[n->first].len == 4 || d[1] <= '2');
        case REGION_DE:
        case REGION_COUNT:
                return false;
        }
        return false;
}

/* German numbers have no fixed grouping: an area code of 3 to 5 digits from 0, then groups of any length. */
static bool german(const number *n)
{
        const digit_group *g = &n->p->g[n->first];
        if (n->past - n->first < 2 || n->text[0] != '0' || n->text[1] == '0' || g->len < 3 || g->len > 5)
                return false;
        /* In a row of numbers any zero would begin one. */
        if (n->first > 0 && g[-1].sep == g->sep)
                return false;
        if (g->sep == '.' || n->digits < 10 || n->digits > 13 || n->digits < g->len + 4)
                return false;
        for (size_t k = n->first + 1; k < n->past; k++)
                if (n->p->g[k].len < 2 || (k + 1 < n->past && n->p->g[k].sep != ' ' && n->p->g[k].sep != '-'))
                        return false;
        return true;
}

/* The region whose written shape the groups have; REGION_COUNT: none. */
static region_id grouped_region(const scan *s, const number *n)
{
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
                const national_shape *is = &shapes[i];
                if (!region_on(s->regions, is->region) || (!is->mixed && n->sep == '?') || n->sep == '/'
                    || !number_shaped(n, is->lengths) || !begins_right(n, is->region))
                        continue;
                return is->region;
        }
        return region_on(s->regions, REGION_DE) && german(n) ? REGION_DE : REGION_COUNT;
}

/* Groups that no enabled region writes so, but a word says it is a telephone: abroad people write that too. */
static bool cued_shape(const number *n)
{
        if (n->digits < 9 || n->digits > 13 || n->sep == '.' || n->sep == '/' || n->past - n->first > 6)
                return false;
        bool singles = n->digits == 11 && n->past - n->first == 11;
        for (size_t k = n->first; k < n->past; k++)
                if (n->p->g[k].len < 2 && !singles)
                        return false;
        return n->text[0] == '0' || n->p->g[n->first].sep == ')';
}

/* A number in groups begins with 0, with 1 or 86 for the country, with three digits, or in brackets. */
static bool groups_may_begin(const scan *s, const digit_group *g)
{
        uint8_t c = s->text.data[g->start];
        return g->sep != 0 && (c == '0' || g->len == 3 || (c == '1' && g->len == 1) || g->sep == ')'
                               || (c == '8' && g->len == 2));
}

static size_t grouped(scan *s, const phrase *p, size_t first)
{
        if (!groups_may_begin(s, &p->g[first]))
                return 0;
        size_t most = first + 6 < p->count ? first + 6 : p->count;
        size_t digits = phrase_digits(p, first, most);
        for (size_t past = most; past > first + 1 && digits >= 8; digits -= p->g[--past].len) {
                number n;
                if (digits > 13 || !number_make(s, p, first, past, &n) || number_all_equal(&n)
                    || !clear_around(s, &n, n.start))
                        continue;
                region_id region = grouped_region(s, &n);
                if (region == REGION_COUNT && !cued_shape(&n))
                        continue;
                /* Ten digits with spaces alone are written for many other things than American telephones. */
                bool needs_cue = region == REGION_COUNT || (region == REGION_US && n.sep == ' ');
                if (needs_cue && (context_of(s, n.start, n.end).nearest & CUE_PHONE) == 0)
                        continue;
                take_phone(s, &n, n.start, region);
                return past;
        }
        return 0;
}

/* The region of a number without separators; *distinct: it needs no cue. */
static region_id unbroken_region(const scan *s, const number *n, bool *distinct)
{
        const char *d = n->text;
        *distinct = false;
        bool mobile = (n->digits == 11 && cn_mobile(d))
                      || (n->digits == 13 && d[0] == '8' && d[1] == '6' && cn_mobile(d + 2));
        if (region_on(s->regions, REGION_CN) && mobile) {
                *distinct = true;
                return REGION_CN;
        }
        if (region_on(s->regions, REGION_US)
            && ((n->digits == 10 && nanp(d)) || (n->digits == 11 && d[0] == '1' && nanp(d + 1))))
                return REGION_US;
        if (d[0] != '0' || d[1] == '0')
                return REGION_COUNT;
        if (region_on(s->regions, REGION_FR) && n->digits == 10)
                return REGION_FR;
        if (region_on(s->regions, REGION_GB) && n->digits == 11)
                return REGION_GB;
        if (region_on(s->regions, REGION_DE) && n->digits >= 9 && n->digits <= 13)
                return REGION_DE;
        return REGION_COUNT;
}

static size_t unbroken(scan *s, const phrase *p, size_t first)
{
        number n;
        bool   distinct;
        if (p->g[first].len < 9 || p->g[first].len > 13 || !number_make(s, p, first, first + 1, &n)
            || number_all_equal(&n))
                return 0;
        region_id region = unbroken_region(s, &n, &distinct);
        if (region == REGION_COUNT || !clear_around(s, &n, n.start))
                return 0;
        uint8_t cue = context_of(s, n.start, n.end).nearest;
        if ((cue & CUE_PHONE) == 0 && (!distinct || (cue & CUE_OTHER) != 0))
                return 0;
        take_phone(s, &n, n.start, region);
        return first + 1;
}

/* "1 3 8 0 ...": eleven single digits of a Chinese mobile number, with a cue. */
static size_t spelled_out(scan *s, const phrase *p, size_t first)
{
        number n;
        if (first + 11 > p->count || phrase_digits(p, first, first + 11) != 11 || !region_on(s->regions, REGION_CN)
            || !number_make(s, p, first, first + 11, &n) || n.sep == '?' || !cn_mobile(n.text)
            || !clear_around(s, &n, n.start)
            || (context_of(s, n.start, n.end).nearest & CUE_PHONE) == 0)
                return 0;
        take_phone(s, &n, n.start, REGION_CN);
        return first + 11;
}

size_t number_phone(scan *s, const phrase *p, size_t first)
{
        if (!detect_wants(s, ENTITY_PHONE_NUMBER))
                return 0;
        uint32_t start = p->g[first].start;
        if (start > 0 && s->text.data[start - 1] == '+' && edge_left(s, start - 1)
            && (start < 2 || s->text.data[start - 2] != '+'))
                return international(s, p, first, start - 1);
        const uint8_t *two = s->text.data + start;
        if (p->g[first].len >= 4 && two[0] == '0' && two[1] == '0' && first + 1 < p->count) {
                size_t past = international(s, p, first, start);
                if (past > 0)
                        return past;
        }
        size_t past = grouped(s, p, first);
        if (past == 0)
                past = unbroken(s, p, first);
        return past > 0 ? past : spelled_out(s, p, first);
}
