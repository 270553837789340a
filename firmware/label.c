#include "firmware/label.h"

enum : size_t {
        SECTOR_BYTES = 512,
        FAT_LABEL_BYTES = 11,
        FAT_ENTRY_BYTES = 32,
        FAT_ENTRIES = 128, /* looked through in a root folder: a label is made with the volume and stands in front */
        ISO_AT = 32768,
        ISO_LABEL_AT = 40,
        ISO_LABEL_BYTES = 32,
};
enum : uint8_t { ENTRY_FREE = 0xe5, ENTRY_LABEL = 0x08, ENTRY_LONG_NAME = 0x0f };

typedef struct fat {
        uint32_t sector, cluster;              /* bytes, sectors */
        uint32_t reserved, copies, table, all; /* sectors, count, sectors, sectors */
        uint32_t root_entries, root_cluster;   /* one of them is not 0 */
        uint8_t  name[FAT_LABEL_BYTES];
} fat;

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }

static void keep(label *out, label_kind kind, const uint8_t *text, size_t len)
{
        while (len > 0 && text[len - 1] == ' ')
                len--;
        out->kind = kind;
        memcpy(out->text, text, len);
        out->len = len;
}

static bool power_of_two(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* A sector that only resembles one, a partition table's for example, has numbers no volume has. */
static bool fat_read(const uint8_t *s, fat *f)
{
        if (s[510] != 0x55 || s[511] != 0xaa || (s[0] != 0xeb && s[0] != 0xe9))
                return false;
        bool big = memcmp(s + 82, "FAT32   ", 8) == 0, small = memcmp(s + 54, "FAT1", 4) == 0;
        if (big == small)
                return false;
        *f = (fat){.sector = u16(s + 11), .cluster = s[13], .reserved = u16(s + 14), .copies = s[16],
                   .root_entries = u16(s + 17), .all = u16(s + 19) != 0 ? u16(s + 19) : u32(s + 32),
                   .table = big ? u32(s + 36) : u16(s + 22), .root_cluster = big ? u32(s + 44) : 0};
        memcpy(f->name, s + (big ? 71 : 43), FAT_LABEL_BYTES);
        return power_of_two(f->sector) && f->sector >= SECTOR_BYTES && f->sector <= 4096 && power_of_two(f->cluster)
               && f->reserved > 0 && f->copies > 0 && f->copies <= 2 && f->table > 0 && f->all > 0
               && (big ? f->root_cluster >= 2 && f->root_entries == 0 : f->root_entries > 0);
}

static void fat_label(label_reader read, void *context, const fat *f, label *out)
{
        uint64_t at = (uint64_t)f->reserved + (uint64_t)f->copies * f->table;
        size_t   entries = f->root_cluster != 0 ? (size_t)f->cluster * f->sector / FAT_ENTRY_BYTES : f->root_entries;
        if (f->root_cluster != 0)
                at += (uint64_t)(f->root_cluster - 2) * f->cluster;
        at *= f->sector;
        for (size_t i = 0; i < entries && i < FAT_ENTRIES; i++) {
                uint8_t entry[FAT_ENTRY_BYTES];
                if (!read(context, at + i * sizeof entry, entry, sizeof entry) || entry[0] == 0)
                        break;
                if (entry[0] != ENTRY_FREE && (entry[11] & ENTRY_LABEL) != 0 && entry[11] != ENTRY_LONG_NAME) {
                        keep(out, LABEL_FAT, entry, FAT_LABEL_BYTES);
                        return;
                }
        }
        keep(out, LABEL_FAT, f->name, FAT_LABEL_BYTES);
}

void label_probe(label_reader read, void *context, label *out)
{
        uint8_t sector[SECTOR_BYTES];
        fat     f;
        *out = (label){};
        if (read(context, ISO_AT, sector, sizeof sector) && sector[0] == 1 && memcmp(sector + 1, "CD001", 5) == 0)
                keep(out, LABEL_ISO, sector + ISO_LABEL_AT, ISO_LABEL_BYTES);
        else if (read(context, 0, sector, sizeof sector) && fat_read(sector, &f))
                fat_label(read, context, &f, out);
}

const char *label_file_system(label_kind kind)
{
        switch (kind) {
        case LABEL_FAT:
                return "vfat";
        case LABEL_ISO:
                return "iso9660";
        case LABEL_NONE:
                break;
        }
        return "";
}
