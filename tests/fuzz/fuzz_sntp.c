/* Property: whatever a time server sends, what is taken of it answers our question, its offset is one that packets of
 * that form can say, and the verdict over four servers of such answers is a majority or nothing. */
#include <assert.h>

#include "firmware/sntp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        constexpr int64_t now = 1795000000LL * 1000000;
        constexpr int64_t century_us = 200LL * 366 * 86400 * 1000000;
        view              in = {data, size};
        sntp_client       c;
        sntp_verdict      v;
        uint64_t          ms = 1;
        sntp_begin(&c, SNTP_SERVERS, ms);
        for (unsigned i = 0; i < 64; i++) {
                ms += sntp_wait_ms(&c, ms);
                sntp_step step = sntp_turn(&c, ms, &v);
                if (step == SNTP_DONE) {
                        assert(v.answered <= SNTP_SERVERS && (v.agree == 0 || v.agree * 2 > v.answered));
                        break;
                }
                c.number = 0x4142434445464748;
                view part = view_slice(in, i * SNTP_BYTES, (i + 1) * SNTP_BYTES);
                unsigned server = c.server, before = c.got[server];
                if (step == SNTP_ASK && sntp_hear(&c, part, now, now + 3000)) {
                        const sntp_sample *s = &c.samples[server][before];
                        assert(part.len == SNTP_BYTES && memcmp(part.data + 24, "ABCDEFGH", 8) == 0);
                        assert(c.got[server] == before + 1 && c.got[server] <= SNTP_SAMPLES && s->delay_us <= 3000);
                        assert(s->offset_us > -century_us && s->offset_us < century_us);
                }
        }
        return 0;
}
