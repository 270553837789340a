#include "firmware/sntp.h"

#include "support/tap.h"

static const char SUBJECT[] = "sntp";

static const uint64_t NUMBER = 0x0102030405060708;
static const int64_t  NOW = 1795000000LL * 1000000;

static void stamp(uint8_t *p, int64_t us)
{
        uint64_t s = (uint64_t)(us / 1000000 + 2208988800), part = ((uint64_t)(us % 1000000) << 32) / 1000000;
        for (int i = 0; i < 4; i++) {
                p[i] = (uint8_t)(s >> (24 - 8 * i));
                p[4 + i] = (uint8_t)(part >> (24 - 8 * i));
        }
}

/* A server that is `ahead` of us answers in a moment. */
static void answer(uint8_t p[SNTP_BYTES], uint64_t number, int64_t received_us)
{
        memset(p, 0, SNTP_BYTES);
        p[0] = 4 << 3 | 4;
        p[1] = 2;
        for (int i = 0; i < 8; i++)
                p[24 + i] = (uint8_t)(number >> (56 - 8 * i));
        stamp(p + 32, received_us);
        stamp(p + 40, received_us + 10);
}

static bool near(int64_t a, int64_t b) { return a - b < 50 && b - a < 50; }

static void test_packets(void)
{
        uint8_t     p[SNTP_BYTES];
        sntp_sample s;
        sntp_write(NUMBER, p);
        tap_ok(p[0] == 0x23 && p[40] == 1 && p[47] == 8 && p[24] == 0, SUBJECT,
               "a question shows a number and no time");
        answer(p, NUMBER, NOW + 5000000 + 1000);
        tap_ok(sntp_read((view){p, sizeof p}, NUMBER, NOW, NOW + 2010, &s) && near(s.offset_us, 5000000)
                       && near((int64_t)s.delay_us, 2000),
               SUBJECT, "how far the clock is behind");
        answer(p, NUMBER, 2085978496LL * 1000000 + 7000000);
        tap_ok(sntp_read((view){p, sizeof p}, NUMBER, NOW, NOW + 20, &s)
                       && near(s.offset_us, 2085978503LL * 1000000 - NOW),
               SUBJECT, "the seconds that begin anew in 2036");
        size_t taken = 0;
        for (size_t cut = 0; cut < SNTP_BYTES; cut++)
                taken += sntp_read((view){p, cut}, NUMBER, NOW, NOW + 20, &s);
        tap_ok(taken == 0, SUBJECT, "cut at every byte: refused");
        static const struct {
                const char *sentence;
                size_t      at;
                uint8_t     byte;
        } rows[] = {
                {"a question", 0, 4 << 3 | 3}, {"a server without time", 0, 3 << 6 | 4 << 3 | 4},
                {"version 2", 0, 2 << 3 | 4}, {"version 5", 0, 5 << 3 | 4}, {"go away", 1, 0},
                {"a server far from any clock", 1, 16}, {"far from its source", 5, 16}, {"unsure of it", 9, 16},
                {"another's number", 31, 9},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                answer(p, NUMBER, NOW + 1000);
                p[rows[i].at] = rows[i].byte;
                tap_ok(!sntp_read((view){p, sizeof p}, NUMBER, NOW, NOW + 2010, &s), SUBJECT, rows[i].sentence);
        }
        answer(p, NUMBER, NOW);
        memset(p + 32, 0, 8);
        tap_ok(!sntp_read((view){p, sizeof p}, NUMBER, NOW, NOW + 2010, &s), SUBJECT, "a time that is none");
        answer(p, NUMBER, NOW);
        stamp(p + 40, NOW - 1000);
        tap_ok(!sntp_read((view){p, sizeof p}, NUMBER, NOW, NOW + 2010, &s), SUBJECT, "sent before it was received");
        stamp(p + 40, NOW + 5000000);
        tap_ok(!sntp_read((view){p, sizeof p}, NUMBER, NOW, NOW + 2010, &s), SUBJECT, "longer on its way than it took");
}

/* One round: server i is `ahead[i]` seconds ahead; -1 does not answer. */
static sntp_verdict a_round(sntp_client *c, const int64_t *ahead, uint64_t *now)
{
        sntp_verdict v;
        uint8_t      p[SNTP_BYTES];
        for (;;) {
                *now += sntp_wait_ms(c, *now);
                sntp_step step = sntp_turn(c, *now, &v);
                if (step == SNTP_DONE)
                        return v;
                if (step != SNTP_ASK)
                        continue;
                int64_t sent = NOW + (int64_t)*now * 1000, late = 1000 * (1 + c->server);
                c->number = NUMBER + *now;
                if (ahead[c->server] < 0)
                        continue;
                answer(p, c->number, sent + ahead[c->server] * 1000000 + late);
                sntp_hear(c, (view){p, sizeof p}, sent, sent + 2 * late + 10);
        }
}

static void test_rounds(void)
{
        sntp_client c;
        uint64_t    now = 1000;
        sntp_begin(&c, 0, now);
        sntp_verdict v = {};
        tap_ok(sntp_wait_ms(&c, now) == UINT64_MAX && sntp_turn(&c, now + 10, &v) == SNTP_WAIT, SUBJECT,
               "without servers nothing is asked");
        sntp_begin(&c, 1, now);
        v = a_round(&c, (int64_t[]){7}, &now);
        tap_ok(v.agree == 1 && v.answered == 1 && near(v.offset_us, 7000000) && now < 10000, SUBJECT,
               "one server, asked four times");
        tap_ok(sntp_wait_ms(&c, now) == SNTP_ROUND_MS, SUBJECT, "and again in an hour");
        v = a_round(&c, (int64_t[]){-1}, &now);
        uint64_t waits = 0, last = 0;
        bool     grows = v.agree == 0 && v.answered == 0;
        for (int i = 0; i < 12; i++) {
                last = sntp_wait_ms(&c, now);
                grows = grows && last >= waits && last <= SNTP_ROUND_MS;
                waits = last;
                a_round(&c, (int64_t[]){-1}, &now);
        }
        tap_ok(grows && last == 15000ULL << 7, SUBJECT, "nobody answers: less and less often, for ever");
        static const struct {
                const char *sentence;
                int64_t     ahead[4];
                unsigned    servers, agree, answered;
                int64_t     offset_s;
        } rows[] = {
                {"two that agree", {3, 3}, 2, 2, 2, 3},
                {"two that do not", {3, 9000}, 2, 0, 2, 0},
                {"one of three lies", {3, 9000, 3}, 3, 2, 3, 3},
                {"three of three differ", {3, 9000, 12}, 3, 0, 3, 0},
                {"two of four lie together", {3, 9000, 3, 9000}, 4, 0, 4, 0},
                {"one is silent", {-1, 5}, 2, 1, 1, 5},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                sntp_begin(&c, rows[i].servers, now);
                v = a_round(&c, rows[i].ahead, &now);
                tap_ok(v.agree == rows[i].agree && v.answered == rows[i].answered
                               && (v.agree == 0 || near(v.offset_us, rows[i].offset_s * 1000000)),
                       SUBJECT, rows[i].sentence);
        }
        /* One whose time jumps about. */
        sntp_begin(&c, 1, now);
        c.got[0] = 3;
        c.samples[0][1].offset_us = 5000000;
        v = sntp_judge(&c);
        tap_ok(v.answered == 0, SUBJECT, "a server that says another time each time is none");
        c.samples[0][1].offset_us = 0;
        c.samples[0][1].delay_us = 4;
        c.samples[0][0].delay_us = c.samples[0][2].delay_us = 9000;
        c.samples[0][1].offset_us = 42;
        v = sntp_judge(&c);
        tap_ok(v.agree == 1 && v.offset_us == 42, SUBJECT, "the quickest answer counts");
        uint8_t p[SNTP_BYTES];
        sntp_begin(&c, 1, now);
        answer(p, 0, NOW);
        tap_ok(!sntp_hear(&c, (view){p, sizeof p}, NOW, NOW + 50), SUBJECT, "an answer that nobody asked for");
}

int main(void)
{
        test_packets();
        test_rounds();
        return tap_done();
}
