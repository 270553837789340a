#include <assert.h>

#include "policy/detect.h"
#include "policy/token.h"

constexpr size_t LOCAL_MOST = 64;
constexpr size_t DOMAIN_MOST = 253;

/* Letters of alphabets with spaces between words, as UTF-8 lead bytes U+00C0 to U+052F: they may stand in an
 * address. Chinese and the like do not: there a name touches the words around it. */
static bool letter_lead(uint8_t c) { return c >= 0xc3 && c <= 0xd4; }
static bool trailing(uint8_t c) { return (c & 0xc0) == 0x80; }

/* The start of the local part that ends before `at`. */
static size_t local_start(const scan *s, size_t at)
{
        size_t start = at;
        while (start > 0 && at - start < LOCAL_MOST) {
                uint8_t c = s->text.data[start - 1];
                if (byte_is(c, BYTE_MAIL) && !(c == '.' && start < at && s->text.data[start] == '.')) {
                        start--;
                        continue;
                }
                if (start < 2 || !trailing(c) || !letter_lead(s->text.data[start - 2]))
                        break;
                start -= 2;
        }
        while (start < at && !byte_is(s->text.data[start], BYTE_DIGIT | BYTE_LETTER) && s->text.data[start] < 0x80
               && s->text.data[start] != '_')
                start++;
        return start;
}

/* The end of the label that begins at `at`: letters, digits and hyphens, not to end with one. */
static size_t label_end(const scan *s, size_t at)
{
        size_t i = at;
        while (i - at <= 63) {
                uint8_t c = scan_at(s, i);
                if (letter_lead(c) && trailing(scan_at(s, i + 1)))
                        i += 2;
                else if (byte_is(c, BYTE_DIGIT | BYTE_LETTER) || (c == '-' && i > at))
                        i++;
                else
                        break;
        }
        while (i > at && s->text.data[i - 1] == '-')
                i--;
        return i;
}

/* A last label is of letters, or the ASCII form of other letters. */
static bool may_be_last(view label)
{
        if (view_starts(label, VIEW("xn--")))
                return true;
        for (size_t i = 0; i < label.len; i++)
                if (label.data[i] < 0x80 && !byte_is(label.data[i], BYTE_LETTER))
                        return false;
        return label.len >= 2;
}

/* The end of the domain that begins at `at`, at least two labels; 0 when there is none. */
static size_t domain_end(const scan *s, size_t at)
{
        size_t end = 0;
        size_t label = at;
        for (size_t labels = 1; label - at <= DOMAIN_MOST; labels++) {
                size_t stop = label_end(s, label);
                if (stop == label)
                        break;
                if (labels > 1 && may_be_last(view_slice(s->text, label, stop)))
                        end = stop;
                if (scan_at(s, stop) != '.')
                        break;
                label = stop + 1;
        }
        return end;
}

/* What has the shape of an address but names something else: versions, picture sizes, repositories. */
static bool no_address(const scan *s, view local, size_t at, size_t end)
{
        uint8_t c = scan_at(s, at + 1);
        uint8_t d = scan_at(s, at + 2);
        if (byte_is(c, BYTE_DIGIT) && (d == '.' || (d == 'x' && scan_at(s, at + 3) == '.')))
                return true;
        if (scan_at(s, end) == ':' && byte_is(scan_at(s, end + 1), BYTE_LETTER) && view_equal(local, VIEW("git")))
                return true;
        return token_shaped(local);
}

size_t detect_email(scan *s, size_t at)
{
        if (!detect_wants(s, ENTITY_EMAIL_ADDRESS))
                return at + 1;
        size_t start = local_start(s, at);
        if (start == at)
                return at + 1;
        size_t end = domain_end(s, at + 1);
        if (end == 0 || scan_at(s, end) == '@' || no_address(s, view_slice(s->text, start, at), at, end))
                return at + 1;
        detect_take(s, (finding){(uint32_t)start, (uint32_t)end, ENTITY_EMAIL_ADDRESS, RANK_CHECKED, REGION_COUNT});
        return end;
}
