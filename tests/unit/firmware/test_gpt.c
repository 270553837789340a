#include "firmware/gpt.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "gpt";

enum : size_t { SECTORS = 256, HEAD = 1, TABLE = 32, ALL = SECTORS * GPT_SECTOR_BYTES };
enum : uint64_t { END = SECTORS - 1, FIRST_FREE = 34, LAST_FREE = END - TABLE - 1 };

static uint8_t disk[ALL], image[ALL];
static size_t  writes, landed, most; /* sectors; what comes after `most` is lost with the power */
static size_t  lost;                 /* one sector that never lands, counted from 1 */

static bool read_disk(void *, uint64_t at, uint8_t *out, size_t len)
{
        if (at > ALL || len > ALL - at)
                return false;
        memcpy(out, disk + at, len);
        return true;
}

static bool write_disk(void *, uint64_t at, const uint8_t *bytes, size_t len)
{
        if (at > ALL || len > ALL - at || landed > most)
                return false;
        writes++;
        for (size_t i = 0; i < len; i += GPT_SECTOR_BYTES, landed++) {
                if (landed >= most) {
                        landed = most + 1;
                        return false;
                }
                if (landed + 1 != lost)
                        memcpy(disk + at + i, bytes + i, GPT_SECTOR_BYTES);
        }
        return lost == 0 || landed < lost;
}

static const gpt_disk whole_disk = {nullptr, SECTORS, read_disk, write_disk};

static void power_on(void)
{
        writes = landed = lost = 0;
        most = SIZE_MAX - 1;
}

/* ---- a disk as image/disk.py writes it ---- */

static void put(uint8_t *to, uint64_t n, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++)
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

static void put_header(uint8_t *all, uint64_t here, uint64_t other, uint64_t table, const uint8_t *guid)
{
        uint8_t *h = all + here * GPT_SECTOR_BYTES;
        memset(h, 0, GPT_SECTOR_BYTES);
        memcpy(h, "EFI PART", 8);
        put(h + 8, 0x10000, 4);
        put(h + 12, 92, 4);
        put(h + 24, here, 8);
        put(h + 32, other, 8);
        put(h + 40, FIRST_FREE, 8);
        put(h + 48, LAST_FREE, 8);
        memcpy(h + 56, guid, GPT_GUID_BYTES);
        put(h + 72, table, 8);
        put(h + 80, 128, 4);
        put(h + 84, 128, 4);
        put(h + 88, crc32(all + table * GPT_SECTOR_BYTES, TABLE * GPT_SECTOR_BYTES), 4);
        put(h + 16, crc32(h, 92), 4);
}

static void put_entry(uint8_t *entry, const char *name, const uint8_t *guid, uint64_t first, uint64_t last)
{
        memset(entry, 0x77, 16);
        memcpy(entry + 16, guid, GPT_GUID_BYTES);
        put(entry + 32, first, 8);
        put(entry + 40, last, 8);
        for (size_t i = 0; name[i] != 0; i++)
                entry[56 + 2 * i] = (uint8_t)name[i];
}

static void fresh(void)
{
        static const uint8_t esp[GPT_GUID_BYTES] = {2};
        memset(image, 0xa5, sizeof image);
        memset(image, 0, FIRST_FREE * GPT_SECTOR_BYTES);
        memset(image + (LAST_FREE + 1) * GPT_SECTOR_BYTES, 0, (TABLE + 1) * GPT_SECTOR_BYTES);
        uint8_t *entries = image + 2 * GPT_SECTOR_BYTES;
        put_entry(entries, "lethe-esp", esp, FIRST_FREE, 99);
        put_entry(entries + 128, "lethe-stat", gpt_image_disk, 100, 101);
        put_entry(entries + 2 * 128, "lethe-state", gpt_image_state, 102, 150);
        memcpy(image + (END - TABLE) * GPT_SECTOR_BYTES, entries, TABLE * GPT_SECTOR_BYTES);
        put_header(image, HEAD, END, 2, gpt_image_disk);
        put_header(image, END, HEAD, END - TABLE, gpt_image_disk);
        memcpy(disk, image, sizeof disk);
        power_on();
}

/* ---- what a kernel would make of it ---- */

static uint64_t get(const uint8_t *from, size_t bytes)
{
        uint64_t n = 0;
        for (size_t i = bytes; i > 0; i--)
                n = n << 8 | from[i - 1];
        return n;
}

static bool is_whole(uint64_t here)
{
        uint8_t copy[GPT_SECTOR_BYTES];
        memcpy(copy, disk + here * GPT_SECTOR_BYTES, sizeof copy);
        uint32_t said = (uint32_t)get(copy + 16, 4);
        memset(copy + 16, 0, 4);
        uint64_t table = get(copy + 72, 8);
        return memcmp(copy, "EFI PART", 8) == 0 && said == crc32(copy, 92) && get(copy + 24, 8) == here
               && table + TABLE <= SECTORS
               && get(copy + 88, 4) == crc32(disk + table * GPT_SECTOR_BYTES, TABLE * GPT_SECTOR_BYTES);
}

static const uint8_t *guid_of_disk(uint64_t here) { return disk + here * GPT_SECTOR_BYTES + 56; }

static const uint8_t *guid_of_state(uint64_t here)
{
        uint64_t table = get(disk + here * GPT_SECTOR_BYTES + 72, 8);
        return disk + table * GPT_SECTOR_BYTES + 2 * 128 + 16;
}

/* Numbers and checks apart, all that was on the disk still is. */
static bool rest_is_same(void)
{
        static uint8_t copy[ALL];
        memcpy(copy, disk, sizeof copy);
        const uint64_t heads[] = {HEAD, END};
        for (size_t i = 0; i < 2; i++) {
                size_t at = heads[i] * GPT_SECTOR_BYTES;
                size_t entry = (i == 0 ? 2 : END - TABLE) * GPT_SECTOR_BYTES + 2 * 128;
                memcpy(copy + at + 16, image + at + 16, 4);
                memcpy(copy + at + 56, image + at + 56, GPT_GUID_BYTES);
                memcpy(copy + at + 88, image + at + 88, 4);
                memcpy(copy + entry + 16, image + entry + 16, GPT_GUID_BYTES);
        }
        return memcmp(copy, image, sizeof copy) == 0;
}

static bool is_own(const uint8_t *guid)
{
        return memcmp(guid, gpt_image_disk, GPT_GUID_BYTES) != 0 && memcmp(guid, gpt_image_state, GPT_GUID_BYTES) != 0
               && guid[7] >> 4 == 4 && guid[8] >> 6 == 2;
}

static bool is_settled(void)
{
        return is_whole(HEAD) && is_whole(END) && rest_is_same() && is_own(guid_of_disk(HEAD))
               && is_own(guid_of_state(HEAD)) && memcmp(guid_of_disk(HEAD), guid_of_disk(END), GPT_GUID_BYTES) == 0
               && memcmp(guid_of_state(HEAD), guid_of_state(END), GPT_GUID_BYTES) == 0
               && memcmp(guid_of_disk(HEAD), guid_of_state(HEAD), GPT_GUID_BYTES) != 0;
}

static err settle(uint8_t seed, gpt_done *done)
{
        uint8_t drawn[GPT_DRAWN_BYTES];
        for (size_t i = 0; i < sizeof drawn; i++)
                drawn[i] = (uint8_t)(seed + i * 7);
        return gpt_settle(&whole_disk, drawn, done);
}

/* ---- the tests ---- */

static void test_first_start(void)
{
        static uint8_t after[ALL];
        gpt_done       done;
        fresh();
        tap_ok(is_whole(HEAD) && is_whole(END), SUBJECT, "the test's disk is whole");
        tap_ok(!failed(settle(1, &done)) && done == GPT_NUMBERED && is_settled(), SUBJECT,
               "the first start gives disk and state numbers of their own, in both tables, and changes nothing else");
        memcpy(after, disk, sizeof after);
        power_on();
        tap_ok(!failed(settle(9, &done)) && done == GPT_KEPT && writes == 0
                       && memcmp(after, disk, sizeof after) == 0,
               SUBJECT, "the second start writes nothing");
}

static void test_cuts(void)
{
        bool     good = true;
        gpt_done done;
        fresh();
        good = !failed(settle(1, &done));
        size_t all = landed;
        for (size_t cut = 0; good && cut < all; cut++) {
                fresh();
                most = cut;
                good = failed(settle(1, &done)) && (is_whole(HEAD) || is_whole(END)) && rest_is_same();
                power_on();
                good = good && !failed(settle(77, &done)) && is_settled();
        }
        tap_ok(good && all == 2 * (TABLE + 1), SUBJECT,
               "after a cut at any sector one table is whole, and the next start ends what was begun");
        for (size_t miss = 1; good && miss <= all; miss++) {
                fresh();
                lost = miss;
                good = failed(settle(1, &done)) == true && (is_whole(HEAD) || is_whole(END)) && rest_is_same();
                power_on();
                good = good && !failed(settle(77, &done)) && is_settled();
        }
        tap_ok(good, SUBJECT, "and where any one sector of a write did not land");
        for (size_t cut = 0; good && cut < all; cut++)
                for (size_t again = 0; good && again < all; again += 3) {
                        fresh();
                        most = cut;
                        good = failed(settle(1, &done));
                        power_on();
                        most = again;
                        err e = settle(40, &done);
                        good = good && (is_whole(HEAD) || is_whole(END)) && rest_is_same();
                        power_on();
                        good = good && !failed(settle(77, &done)) && is_settled() && (failed(e) || done == GPT_KEPT);
                }
        tap_ok(good, SUBJECT, "and when the power fails at the second try too");
}

static void test_mending(void)
{
        gpt_done done;
        fresh();
        bool good = !failed(settle(1, &done));
        for (size_t i = 0; good && i < 2; i++) {
                power_on();
                disk[(i == 0 ? HEAD : END) * GPT_SECTOR_BYTES + 60] ^= 1;
                good = !failed(settle(9, &done)) && done == GPT_MENDED && is_settled();
                disk[(i == 0 ? 2 : END - TABLE) * GPT_SECTOR_BYTES + 5] ^= 1;
                good = good && !failed(settle(9, &done)) && done == GPT_MENDED && is_settled();
        }
        tap_ok(good, SUBJECT, "a broken table is made from the whole one, with the numbers that were");
        memcpy(image, disk, sizeof image);
        memset(disk + HEAD * GPT_SECTOR_BYTES, 0, GPT_SECTOR_BYTES);
        most = landed = 0;
        good = failed(settle(9, &done)) && is_whole(END);
        power_on();
        tap_ok(good && !failed(settle(9, &done)) && memcmp(image, disk, sizeof image) == 0, SUBJECT,
               "the only whole one is not written before there is another");
}

static void refused(const char *sentence)
{
        static uint8_t before[ALL];
        gpt_done       done;
        power_on();
        memcpy(before, disk, sizeof before);
        err e = settle(1, &done);
        tap_ok(e.code == ERR_BAD_FILE && writes == 0 && memcmp(before, disk, sizeof before) == 0, SUBJECT, sentence);
}

static void test_refusals(void)
{
        gpt_done done;
        fresh();
        disk[HEAD * GPT_SECTOR_BYTES + 60] ^= 1;
        disk[END * GPT_SECTOR_BYTES + 60] ^= 1;
        refused("two broken tables are left as they are");
        memset(disk, 0, sizeof disk);
        refused("a disk without a table is left as it is");
        fresh();
        put(disk + HEAD * GPT_SECTOR_BYTES + 80, 256, 4);
        refused("a table of another size is not ours to write");
        fresh();
        put_header(disk, HEAD, 120, 2, gpt_image_disk);
        refused("a second table is not written where partitions are");
        fresh();
        put_header(disk, HEAD, SECTORS + 7, 2, gpt_image_disk);
        refused("nor behind the disk's end");
        fresh();
        put_header(disk, HEAD, 20, 2, gpt_image_disk);
        refused("nor into the first one");
        const gpt_disk small = {nullptr, 40, read_disk, write_disk};
        uint8_t        drawn[GPT_DRAWN_BYTES] = {};
        tap_ok(gpt_settle(&small, drawn, &done).code == ERR_BAD_FILE, SUBJECT, "a disk too small for two tables");
        const gpt_disk short_one = {nullptr, SECTORS + 8, read_disk, write_disk};
        memset(disk, 0, sizeof disk);
        tap_ok(gpt_settle(&short_one, drawn, &done).code == ERR_SYSTEM, SUBJECT, "a disk that cannot be read");
}

static void test_files(void)
{
        notice why = {};
        fresh();
        tree_bytes("/dev/vda", (view){disk, sizeof disk});
        tree_file("/sys/class/block/vdb/vdb3/uevent", "");
        tap_ok(!failed(gpt_settle_disk_of(tree_root, "vda3", &why)), SUBJECT, "what is no partition has no numbers");
        tap_ok(failed(gpt_settle_disk_of(tree_root, "vdb3", &why))
                       && text_contains(notice_view(&why), VIEW("vdb3 cannot be written")),
               SUBJECT, "a disk that cannot be opened is a sentence");
        tree_file("/sys/class/block/vda/vda3/uevent", "");
        bool good = !failed(gpt_settle_disk_of(tree_root, "vda3", &why));
        int  fd = open(tree_path("/dev/vda"), O_RDONLY | O_CLOEXEC);
        good = good && read(fd, disk, sizeof disk) == (ssize_t)sizeof disk;
        close(fd);
        tap_ok(good && is_settled(), SUBJECT, "the disk that a partition is part of gets its own");
        memset(disk, 0, sizeof disk);
        tree_bytes("/dev/vda", (view){disk, sizeof disk});
        tap_ok(!failed(gpt_settle_disk_of(tree_root, "vda3", &why)), SUBJECT, "a table that is not ours is left alone");
}

int main(void)
{
        tree_make();
        test_first_start();
        test_cuts();
        test_mending();
        test_refusals();
        test_files();
        tree_remove();
        return tap_done();
}
