#include "firmware/label.h"

#include <stdlib.h>

#include "support/tap.h"

static const char SUBJECT[] = "label";

enum : size_t { VOLUME = 128 * 1024 };

static uint8_t volume[VOLUME];
static size_t volume_bytes = VOLUME;

static bool read_volume(void *, uint64_t at, uint8_t *out, size_t len)
{
        if (at > volume_bytes || len > volume_bytes - at)
                return false;
        memcpy(out, volume + at, len);
        return true;
}

static void put(size_t at, const void *bytes, size_t len) { memcpy(volume + at, bytes, len); }
static void put16(size_t at, unsigned n) { put(at, &(uint8_t[]){(uint8_t)n, (uint8_t)(n >> 8)}, 2); }

/* 1 reserved sector, 2 tables of 4 sectors; the root folder begins at sector 9. */
static void make_fat16(void)
{
        memset(volume, 0, sizeof volume);
        volume_bytes = VOLUME;
        put(0, "\xeb\x3c\x90mkfs.fat", 11);
        put16(11, 512);
        volume[13] = 4;
        put16(14, 1);
        volume[16] = 2;
        put16(17, 512);
        put16(19, VOLUME / 512);
        put16(22, 4);
        put(43, "LETHECFG   FAT16   ", 19);
        put16(510, 0xaa55);
}

/* 32 reserved sectors, 2 tables of 8; cluster 3 of 4 sectors is the root folder: sector 32 + 16 + 4. */
static void make_fat32(void)
{
        memset(volume, 0, sizeof volume);
        volume_bytes = VOLUME;
        put(0, "\xeb\x58\x90MSDOS5.0", 11);
        put16(11, 512);
        volume[13] = 4;
        put16(14, 32);
        volume[16] = 2;
        put16(32, VOLUME / 512);
        put16(36, 8);
        put16(44, 3);
        put(71, "NO NAME    FAT32   ", 19);
        put16(510, 0xaa55);
}

static void make_iso(void)
{
        memset(volume, 0, sizeof volume);
        volume_bytes = VOLUME;
        put(32768, "\001CD001\001", 7);
        put(32768 + 40, "LETHECFG                        ", 32);
}

static bool is(label_kind kind, view text)
{
        label l;
        label_probe(read_volume, nullptr, &l);
        return l.kind == kind && view_equal((view){l.text, l.len}, text);
}

static void entry(size_t at, const char *name, uint8_t attributes)
{
        put(at, name, 11);
        volume[at + 11] = attributes;
}

static void test_kinds(void)
{
        make_fat16();
        tap_ok(is(LABEL_FAT, VIEW("LETHECFG")), SUBJECT, "a FAT16 boot sector's label");
        entry(9 * 512, "\xe5OLD       ", 0x08);
        entry(9 * 512 + 32, "Aconfig    ", 0x0f);
        entry(9 * 512 + 64, "OTHER NAME ", 0x08);
        tap_ok(is(LABEL_FAT, VIEW("OTHER NAME")), SUBJECT,
               "the root folder's label is the newer one; deleted ones and long names are none");
        make_fat32();
        tap_ok(is(LABEL_FAT, VIEW("NO NAME")), SUBJECT, "a FAT32 without one");
        entry(52 * 512, "LETHECFG   ", 0x08);
        tap_ok(is(LABEL_FAT, VIEW("LETHECFG")), SUBJECT, "a FAT32 with one, as Windows writes it");
        make_iso();
        tap_ok(is(LABEL_ISO, VIEW("LETHECFG")), SUBJECT, "an ISO 9660 volume");
        tap_ok(label_file_system(LABEL_FAT)[0] == 'v' && label_file_system(LABEL_ISO)[0] == 'i'
                       && label_file_system(LABEL_NONE)[0] == '\0',
               SUBJECT, "as mount calls them");
}

static void test_others(void)
{
        memset(volume, 0, sizeof volume);
        bool good = is(LABEL_NONE, (view){});
        put16(510, 0xaa55);
        tap_ok(good && is(LABEL_NONE, (view){}), SUBJECT, "zeros and a partition table have none");
        make_iso();
        volume_bytes = 32768 + 100;
        tap_ok(is(LABEL_NONE, (view){}), SUBJECT, "a volume that ends before is none");
        static const struct {
                size_t at;
                uint8_t value;
        } wrong[] = {{0, 0},  {11, 1}, {12, 0}, {13, 3}, {13, 0},  {14, 0},
                     {16, 0}, {16, 9}, {18, 0}, {22, 0}, {54, 'X'}};
        good = true;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                make_fat16();
                volume[wrong[i].at] = wrong[i].value;
                good = good && is(LABEL_NONE, (view){});
        }
        tap_ok(good, SUBJECT, "numbers no FAT has");
        make_fat32();
        volume[44] = 1;
        tap_ok(is(LABEL_NONE, (view){}), SUBJECT, "a root folder before the first cluster");
}

static void test_cuts(void)
{
        make_fat32();
        entry(52 * 512, "LETHECFG   ", 0x08);
        bool good = true;
        for (volume_bytes = 0; volume_bytes < VOLUME / 2; volume_bytes++) {
                label l;
                label_probe(read_volume, nullptr, &l);
                good = good && (l.kind == LABEL_NONE) == (volume_bytes < 512);
        }
        volume_bytes = VOLUME;
        tap_ok(good, SUBJECT, "a volume cut anywhere is a FAT as long as it has its first sector");
        for (unsigned seed = 1; seed < 3000; seed++) {
                make_fat32();
                srandom(seed);
                for (int i = 0; i < 8; i++)
                        volume[(size_t)random() % 96] = (uint8_t)random();
                label l;
                label_probe(read_volume, nullptr, &l);
                good = good && l.len <= sizeof l.text;
        }
        tap_ok(good, SUBJECT, "thousands of wrong sectors are survived");
}

int main(void)
{
        test_kinds();
        test_others();
        test_cuts();
        return tap_done();
}
