#include <assert.h>

#include "policy/detect.h"
#include "policy/network.h"

/* Up to four hexadecimal digits at p; their count. */
static size_t hex_group(view v, size_t p, uint16_t *value)
{
        size_t n = 0;
        *value = 0;
        for (; n < 5 && p + n < v.len && byte_is(v.data[p + n], BYTE_HEX); n++) {
                uint8_t c = ascii_lower(v.data[p + n]);
                *value = (uint16_t)(*value << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
        }
        return n;
}

/* A dotted quad that ends the address, as two groups. Returns its length. */
static size_t quad(view v, size_t p, uint16_t out[static 2])
{
        uint32_t all = 0;
        size_t   from = p;
        for (size_t k = 0; k < 4; k++) {
                if (k > 0 && (p >= v.len || v.data[p++] != '.'))
                        return 0;
                unsigned octet = 0;
                size_t   n = 0;
                for (; n < 3 && p < v.len && byte_is(v.data[p], BYTE_DIGIT); n++)
                        octet = octet * 10 + (unsigned)(v.data[p++] - '0');
                if (n == 0 || octet > 255)
                        return 0;
                all = all << 8 | octet;
        }
        out[0] = (uint16_t)(all >> 16);
        out[1] = (uint16_t)all;
        return p - from;
}

size_t ipv6_read(view v, uint16_t groups[static 8])
{
        size_t count = 0, gap = SIZE_MAX, p = 0, end = 0;
        if (v.len >= 2 && v.data[0] == ':' && v.data[1] == ':') {
                gap = 0;
                p = end = 2;
        }
        while (count < 8) {
                uint16_t two[2];
                size_t   dotted = count <= 6 ? quad(v, p, two) : 0;
                if (dotted > 0 && (count == 6 || gap != SIZE_MAX)) {
                        groups[count++] = two[0];
                        groups[count++] = two[1];
                        end = p + dotted;
                        break;
                }
                size_t n = hex_group(v, p, &groups[count]);
                if (n == 0 || n > 4)
                        break;
                count++;
                p += n;
                end = p;
                if (p + 1 < v.len && v.data[p] == ':' && v.data[p + 1] == ':' && gap == SIZE_MAX) {
                        gap = count;
                        p += 2;
                        end = p;
                } else if (p + 1 < v.len && v.data[p] == ':' && byte_is(v.data[p + 1], BYTE_HEX)) {
                        p++;
                } else {
                        break;
                }
        }
        if (gap == SIZE_MAX)
                return count == 8 ? end : 0;
        if (count > 7)
                return 0;
        for (size_t i = 0; i < 8 - gap; i++)
                groups[7 - i] = i < count - gap ? groups[count - 1 - i] : 0;
        return end;
}

/* Unspecified and loopback name no host. */
static bool names_no_host(const uint16_t groups[static 8])
{
        for (size_t i = 0; i < 7; i++)
                if (groups[i] != 0)
                        return false;
        return groups[7] <= 1;
}

/* An address is longer than what code writes with colons: a::b, 1::, Foo::bad. */
static bool telling(view v)
{
        size_t digits = 0, colons = 0;
        for (size_t i = 0; i < v.len; i++) {
                digits += byte_is(v.data[i], BYTE_DIGIT);
                colons += v.data[i] == ':';
        }
        return digits > 0 && (colons >= 3 || (colons == 2 && v.len >= 6));
}

size_t detect_ipv6(scan *s, size_t at)
{
        size_t start = at;
        while (start > 0 && at - start < 5 && byte_is(s->text.data[start - 1], BYTE_HEX))
                start--;
        if (at - start > 4 || !detect_wants(s, ENTITY_IP_ADDRESS) || !edge_left(s, start)
            || (start > 0 && s->text.data[start - 1] == ':'))
                return at + 1;
        if (start == at && scan_at(s, at + 1) != ':')
                return at + 1;
        uint16_t groups[8];
        size_t   len = ipv6_read(view_slice(s->text, start, s->text.len), groups);
        if (len == 0 || start + len <= at)
                return at + 1;
        size_t end = start + len;
        view   found = view_slice(s->text, start, end);
        if (!edge_right(s, end) || (scan_at(s, end) == ':' && scan_at(s, end + 1) != ' ' && scan_at(s, end + 1) != 0)
            || !telling(found) || names_no_host(groups))
                return end;
        detect_take(s, (finding){(uint32_t)start, (uint32_t)end, ENTITY_IP_ADDRESS, RANK_CHECKED_CUED, REGION_COUNT});
        return end;
}
