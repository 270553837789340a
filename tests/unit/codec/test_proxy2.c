#include "codec/proxy2.h"

#include "support/tap.h"

static const char SUBJECT[] = "proxy2";

enum : size_t { ROOM = 1024 };

typedef struct made {
        uint8_t bytes[ROOM];
        size_t len;
} made;

/* A header as the specification draws it, its parts spelled out. */
static made header(uint8_t command, uint8_t kind, size_t length, view body)
{
        static const uint8_t magic[] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
        made m = {.len = 16 + body.len};
        memcpy(m.bytes, magic, sizeof magic);
        m.bytes[12] = command;
        m.bytes[13] = kind;
        m.bytes[14] = (uint8_t)(length >> 8);
        m.bytes[15] = (uint8_t)length;
        if (body.len > 0)
                memcpy(m.bytes + 16, body.data, body.len);
        return m;
}

static const uint8_t v4_body[] = {198, 51, 100, 7, 203, 0, 113, 9, 0x30, 0x39, 0x01, 0xBB};
static const uint8_t v6_body[] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0x20, 0x01,
                                  0x0d, 0xb8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0xFF, 0xFE, 0x01, 0xBB};

/* Header, additions and what follows. */
static made with_more(made m, size_t extra)
{
        size_t length = m.len - 16 + extra;
        m.bytes[14] = (uint8_t)(length >> 8);
        m.bytes[15] = (uint8_t)length;
        for (size_t i = 0; i < extra; i++)
                m.bytes[m.len++] = (uint8_t)(i * 13 + 4);
        return m;
}

typedef struct course {
        bool failed, done;
        size_t used, family;
        uint16_t port;
        uint8_t address[16];
} course;

static course read_cut(view in, size_t first)
{
        proxy2 p;
        course c = {};
        proxy2_begin(&p);
        for (size_t at = 0; at < in.len && !c.failed && !c.done; first = in.len) {
                size_t used = 0, end = at == 0 && first < in.len ? first : in.len;
                c.failed = failed(proxy2_feed(&p, view_slice(in, at, end), &used, &c.done));
                c.used += used;
                at = end;
        }
        if (!c.done)
                return c;
        c.family = p.family;
        if (p.family != 0) {
                c.port = proxy2_port(&p);
                memcpy(c.address, proxy2_address(&p).data, proxy2_address(&p).len);
        }
        return c;
}

/* By every cut in two, and byte by byte, the same. */
static bool same_for_every_cut(view in, course *out)
{
        course whole = read_cut(in, in.len);
        *out = whole;
        bool same = true;
        for (size_t cut = 1; cut < in.len; cut++) {
                course c = read_cut(in, cut);
                same = same && memcmp(&c, &whole, sizeof c) == 0;
        }
        proxy2 p;
        size_t total = 0;
        bool done = false, broken = false;
        proxy2_begin(&p);
        for (size_t i = 0; i < in.len && !done && !broken; i++) {
                size_t used = 0;
                broken = failed(proxy2_feed(&p, view_slice(in, i, i + 1), &used, &done));
                total += used;
        }
        return same && broken == whole.failed && done == whole.done && total == whole.used;
}

static void test_named(void)
{
        course c;
        made v4 = header(0x21, 0x11, sizeof v4_body, (view){v4_body, sizeof v4_body});
        size_t whole = v4.len;
        memcpy(v4.bytes + v4.len, "\x16\x03\x01", 3);
        v4.len += 3;
        tap_ok(same_for_every_cut((view){v4.bytes, v4.len}, &c) && c.done && c.used == whole && c.family == 4, SUBJECT,
               "IPv4: read to its end and no further, for every cut");
        tap_ok(c.port == 12345 && memcmp(c.address, v4_body, 4) == 0, SUBJECT, "its source and port");
        made v6 = header(0x21, 0x21, sizeof v6_body, (view){v6_body, sizeof v6_body});
        tap_ok(same_for_every_cut((view){v6.bytes, v6.len}, &c) && c.done && c.family == 6 && c.port == 65534
                       && memcmp(c.address, v6_body, 16) == 0,
               SUBJECT, "IPv6");
        made longer = with_more(v4 = header(0x21, 0x11, sizeof v4_body, (view){v4_body, sizeof v4_body}), 300);
        whole = longer.len;
        longer.bytes[longer.len++] = 'x';
        tap_ok(same_for_every_cut((view){longer.bytes, longer.len}, &c) && c.done && c.used == whole && c.port == 12345
                       && memcmp(c.address, v4_body, 4) == 0,
               SUBJECT, "additions are skipped");
        made most = with_more(v6, PROXY2_MORE_BYTES - sizeof v6_body);
        tap_ok(same_for_every_cut((view){most.bytes, most.len}, &c) && c.done && c.used == 16 + 536, SUBJECT,
               "up to the largest there may be");
}

static void test_local(void)
{
        course c;
        made bare = header(0x20, 0x00, 0, (view){});
        tap_ok(same_for_every_cut((view){bare.bytes, bare.len}, &c) && c.done && c.used == 16 && c.family == 0, SUBJECT,
               "a balancer that speaks for itself names nobody");
        made said = header(0x20, 0x11, sizeof v4_body, (view){v4_body, sizeof v4_body});
        tap_ok(same_for_every_cut((view){said.bytes, said.len}, &c) && c.done && c.used == 28 && c.family == 0, SUBJECT,
               "and whatever it says beside it is skipped");
        made odd = header(0x20, 0x99, 0, (view){});
        tap_ok(same_for_every_cut((view){odd.bytes, odd.len}, &c) && c.done && c.family == 0, SUBJECT,
               "also of a family that nobody knows");
}

static bool refused(made m, size_t at)
{
        course c;
        return same_for_every_cut((view){m.bytes, m.len}, &c) && c.failed && c.used == at;
}

static void test_refused(void)
{
        view body = {v4_body, sizeof v4_body};
        made good = header(0x21, 0x11, body.len, body);
        bool each = true;
        for (size_t i = 0; i < 12; i++) {
                made m = good;
                m.bytes[i] ^= 0x20;
                each = each && refused(m, i + 1);
        }
        tap_ok(each, SUBJECT, "a wrong byte of the signature is refused where it stands");
        tap_ok(refused(header(0x11, 0x11, body.len, body), 13) && refused(header(0x31, 0x11, body.len, body), 13),
               SUBJECT, "another version");
        tap_ok(refused(header(0x22, 0x11, body.len, body), 13), SUBJECT, "an unknown command");
        bool kinds = true;
        for (unsigned kind = 0; kind < 256; kind++)
                if (kind != 0x11 && kind != 0x21)
                        kinds = kinds && refused(header(0x21, (uint8_t)kind, body.len, body), 14);
        tap_ok(kinds, SUBJECT, "every family and transport but TCP over IPv4 and IPv6");
        tap_ok(refused(header(0x21, 0x11, 11, body), 16) && refused(header(0x21, 0x21, 35, body), 16), SUBJECT,
               "a length without room for its addresses");
        tap_ok(refused(header(0x21, 0x11, 537, body), 16) && refused(header(0x20, 0, 65535, body), 16), SUBJECT,
               "a length beyond the largest");
        made text = {.len = 46};
        memcpy(text.bytes, "PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n", 46);
        tap_ok(refused(text, 1), SUBJECT, "version 1, which is text");
        course c = read_cut((view){good.bytes, good.len - 1}, 5);
        tap_ok(!c.failed && !c.done && c.used == good.len - 1, SUBJECT, "one that is cut short is not done");
}

int main(void)
{
        test_named();
        test_local();
        test_refused();
        return tap_done();
}
