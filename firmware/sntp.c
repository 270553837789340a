#include "firmware/sntp.h"

enum : uint8_t { MODE_CLIENT = 3, MODE_SERVER = 4, VERSION = 4, LEAP_UNKNOWN = 3, STRATUM_MOST = 15 };
enum : size_t { ROOT_DELAY_AT = 4, ROOT_DISPERSION_AT = 8, ORIGIN_AT = 24, RECEIVED_AT = 32, SENT_AT = 40 };
enum : uint64_t { PAUSE_MS = 1000, AGREE_US = 1000000, FAR_S = 16 };
/* From 1900 to 1970; seconds below half of the range are of the era that begins in 2036. */
constexpr int64_t EPOCH_S = 2208988800;
constexpr int64_t ERA_S = 1LL << 32;

static uint32_t get32(const uint8_t *p)
{
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const uint8_t *p) { return (uint64_t)get32(p) << 32 | get32(p + 4); }

static int64_t stamp_us(const uint8_t *p)
{
        int64_t s = get32(p), us = (int64_t)((uint64_t)get32(p + 4) * 1000000 >> 32);
        s += s < ERA_S / 2 ? ERA_S : 0;
        return (s - EPOCH_S) * 1000000 + us;
}

void sntp_write(uint64_t number, uint8_t out[static SNTP_BYTES])
{
        memset(out, 0, SNTP_BYTES);
        out[0] = VERSION << 3 | MODE_CLIENT;
        for (size_t i = 0; i < 8; i++)
                out[SENT_AT + i] = (uint8_t)(number >> (56 - 8 * i));
}

bool sntp_read(view packet, uint64_t number, int64_t sent_us, int64_t came_us, sntp_sample *out)
{
        const uint8_t *p = packet.data;
        if (packet.len < SNTP_BYTES || (p[0] & 7) != MODE_SERVER || p[0] >> 6 == LEAP_UNKNOWN || (p[0] >> 3 & 7) < 3
            || (p[0] >> 3 & 7) > VERSION || p[1] == 0 || p[1] > STRATUM_MOST || get64(p + ORIGIN_AT) != number
            || get64(p + RECEIVED_AT) == 0 || get64(p + SENT_AT) == 0)
                return false;
        if (get32(p + ROOT_DELAY_AT) >> 16 >= FAR_S || get32(p + ROOT_DISPERSION_AT) >> 16 >= FAR_S)
                return false;
        int64_t received = stamp_us(p + RECEIVED_AT), sent = stamp_us(p + SENT_AT);
        if (sent < received || came_us < sent_us || sent - received > came_us - sent_us)
                return false;
        *out = (sntp_sample){.offset_us = (received - sent_us) / 2 + (sent - came_us) / 2,
                             .delay_us = (uint64_t)((came_us - sent_us) - (sent - received))};
        return true;
}

/* ---- several servers ---- */

/* The quickest answer. False: too few, or they are further apart than their delays explain. */
static bool best_of(const sntp_client *c, unsigned server, sntp_sample *out)
{
        const sntp_sample *s = c->samples[server];
        if (c->got[server] < SNTP_SAMPLES_LEAST)
                return false;
        *out = s[0];
        for (unsigned i = 1; i < c->got[server]; i++)
                if (s[i].delay_us < out->delay_us)
                        *out = s[i];
        for (unsigned i = 0; i < c->got[server]; i++) {
                int64_t apart = s[i].offset_us - out->offset_us;
                if ((uint64_t)(apart < 0 ? -apart : apart) > AGREE_US + s[i].delay_us)
                        return false;
        }
        return true;
}

sntp_verdict sntp_judge(const sntp_client *c)
{
        sntp_verdict v = {};
        sntp_sample  best[SNTP_SERVERS];
        for (unsigned i = 0; i < c->servers; i++)
                v.answered += best_of(c, i, &best[v.answered]);
        /* The largest group around one of them, and of it the quickest. */
        for (unsigned i = 0; i < v.answered; i++) {
                unsigned    agree = 0;
                sntp_sample quickest = best[i];
                for (unsigned k = 0; k < v.answered; k++) {
                        int64_t apart = best[k].offset_us - best[i].offset_us;
                        if (apart < -(int64_t)AGREE_US || apart > (int64_t)AGREE_US)
                                continue;
                        agree++;
                        if (best[k].delay_us < quickest.delay_us)
                                quickest = best[k];
                }
                if (agree > v.agree) {
                        v.agree = agree;
                        v.offset_us = quickest.offset_us;
                }
        }
        /* Half or less of those that answered is no majority. */
        if (v.agree * 2 <= v.answered)
                v.agree = 0;
        return v;
}

static void round_begin(sntp_client *c, uint64_t at_ms)
{
        c->server = c->sample = 0;
        c->asking = false;
        memset(c->got, 0, sizeof c->got);
        c->turn_ms = at_ms;
}

void sntp_begin(sntp_client *c, unsigned servers, uint64_t now_ms)
{
        *c = (sntp_client){.servers = servers < SNTP_SERVERS ? servers : SNTP_SERVERS};
        round_begin(c, c->servers == 0 ? UINT64_MAX : now_ms);
}

static void next_question(sntp_client *c, uint64_t at_ms)
{
        c->asking = false;
        c->turn_ms = at_ms;
        if (++c->sample < SNTP_SAMPLES)
                return;
        c->sample = 0;
        c->server++;
}

sntp_step sntp_turn(sntp_client *c, uint64_t now_ms, sntp_verdict *out)
{
        if (now_ms < c->turn_ms)
                return SNTP_WAIT;
        /* Whoever does not answer once is not asked again in this round. */
        if (c->asking) {
                c->sample = SNTP_SAMPLES - 1;
                next_question(c, now_ms);
        }
        if (c->server < c->servers) {
                c->asking = true;
                c->turn_ms = now_ms + SNTP_ANSWER_MS;
                return SNTP_ASK;
        }
        *out = sntp_judge(c);
        c->failures = out->agree > 0 ? 0 : c->failures < 8 ? c->failures + 1 : 8;
        uint64_t wait = out->agree > 0 ? SNTP_ROUND_MS : SNTP_RETRY_MS << (c->failures - 1);
        round_begin(c, now_ms + (wait < SNTP_ROUND_MS ? wait : SNTP_ROUND_MS));
        return SNTP_DONE;
}

bool sntp_hear(sntp_client *c, view packet, int64_t sent_us, int64_t came_us)
{
        sntp_sample *to = &c->samples[c->server % SNTP_SERVERS][c->got[c->server % SNTP_SERVERS] % SNTP_SAMPLES];
        if (!c->asking || !sntp_read(packet, c->number, sent_us, came_us, to))
                return false;
        c->got[c->server]++;
        next_question(c, c->turn_ms - SNTP_ANSWER_MS + PAUSE_MS);
        return true;
}

uint64_t sntp_wait_ms(const sntp_client *c, uint64_t now_ms)
{
        return c->turn_ms == UINT64_MAX ? UINT64_MAX : c->turn_ms > now_ms ? c->turn_ms - now_ms : 0;
}
