/* Property: whatever stands on a disk, what is written lies on it and in front of or behind all that its table calls
 * usable; what is refused is not written to; and what was settled once is settled.
 *
 * The input is the disk's first 34 sectors, then its last 33; zeros between. A byte in front says whether the sums of
 * both headers are put right, so that the search comes past them. */
#include <assert.h>

#include "firmware/gpt.h"

enum : size_t { SECTORS = 160, ALL = SECTORS * GPT_SECTOR_BYTES, TABLE = 32, FRONT = 34, BACK = 33 };

static uint8_t disk[ALL];
static size_t  writes;

static bool read_disk(void *, uint64_t at, uint8_t *out, size_t len)
{
        assert(at <= ALL && len <= ALL - at);
        memcpy(out, disk + at, len);
        return true;
}

static bool write_disk(void *, uint64_t at, const uint8_t *bytes, size_t len)
{
        assert(at >= GPT_SECTOR_BYTES && at <= ALL && len == (TABLE + 1) * GPT_SECTOR_BYTES && len <= ALL - at);
        memcpy(disk + at, bytes, len);
        writes++;
        return true;
}

static void put(uint8_t *to, uint32_t n)
{
        for (size_t i = 0; i < 4; i++)
                to[i] = (uint8_t)(n >> (8 * i));
}

static uint32_t crc32(const uint8_t *bytes, size_t len)
{
        uint32_t crc = UINT32_MAX;
        for (size_t i = 0; i < len * 8; i++) {
                uint32_t bit = (crc ^ (uint32_t)bytes[i / 8] >> (i % 8)) & 1;
                crc = crc >> 1 ^ (bit != 0 ? 0xedb88320 : 0);
        }
        return ~crc;
}

static void put_right(size_t header, size_t table)
{
        uint8_t *h = disk + header * GPT_SECTOR_BYTES;
        put(h + 88, crc32(disk + table * GPT_SECTOR_BYTES, TABLE * GPT_SECTOR_BYTES));
        put(h + 16, 0);
        put(h + 16, crc32(h, 92));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t before[ALL];
        const gpt_disk d = {nullptr, SECTORS, read_disk, write_disk};
        uint8_t        drawn[GPT_DRAWN_BYTES];
        gpt_done       done;
        if (size == 0)
                return 0;
        memset(disk, 0, sizeof disk);
        view   rest = {data + 1, size - 1};
        view   front = view_slice(rest, 0, FRONT * GPT_SECTOR_BYTES);
        view   back = view_slice(rest, front.len, front.len + BACK * GPT_SECTOR_BYTES);
        if (front.len > 0)
                memcpy(disk, front.data, front.len);
        if (back.len > 0)
                memcpy(disk + (SECTORS - BACK) * GPT_SECTOR_BYTES, back.data, back.len);
        if ((data[0] & 1) != 0) {
                put_right(1, 2);
                put_right(SECTORS - 1, SECTORS - BACK);
        }
        memcpy(before, disk, sizeof disk);
        memset(drawn, 0x5a, sizeof drawn);
        writes = 0;
        err e = gpt_settle(&d, drawn, &done);
        assert(e.code == ERR_NONE || e.code == ERR_BAD_FILE);
        if (failed(e) || done == GPT_KEPT) {
                assert(writes == 0 && memcmp(before, disk, sizeof disk) == 0);
                return 0;
        }
        assert(writes == (done == GPT_NUMBERED ? 2 : 1));
        assert(!failed(gpt_settle(&d, drawn, &done)) && done == GPT_KEPT);
        return 0;
}
