#include "firmware/gpt.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/secret.h"
#include "firmware/file.h"

enum : size_t {
        ENTRY_BYTES = 128,
        ENTRIES = 128, /* what every tool writes, and room for no more is made here */
        TABLE_BYTES = ENTRY_BYTES * ENTRIES,
        TABLE_SECTORS = TABLE_BYTES / GPT_SECTOR_BYTES,
        HEADER_BYTES = 92,
};
/* In a header. */
enum : size_t { REVISION_AT = 8, SIZE_AT = 12, CHECK_AT = 16, HERE_AT = 24, OTHER_AT = 32, FIRST_AT = 40, LAST_AT = 48,
                DISK_AT = 56, TABLE_AT = 72, COUNT_AT = 80, ENTRY_SIZE_AT = 84, TABLE_CHECK_AT = 88 };
/* In an entry. */
enum : size_t { GUID_AT = 16, ENTRY_LAST_AT = 40, NAME_AT = 56 };
enum : uint32_t { REVISION = 0x10000 };

const uint8_t gpt_image_disk[] = {0x68, 0x74, 0x65, 0x6c, 0, 0x65, 0, 0x4b, 0x80, 0, 0, 0, 0, 0, 0, 1};
const uint8_t gpt_image_state[] = {0x68, 0x74, 0x65, 0x6c, 0, 0x65, 0, 0x4b, 0x80, 0, 0, 0, 0, 0, 0, 4};
static_assert(sizeof gpt_image_disk == GPT_GUID_BYTES && sizeof gpt_image_state == GPT_GUID_BYTES);

/* Header and entries, in the order in which the first table stands on the disk. */
typedef struct table {
        uint8_t  header[GPT_SECTOR_BYTES], entries[TABLE_BYTES];
        uint64_t here; /* sector of the header */
        bool     whole;
} table;

static uint64_t get(const uint8_t *from, size_t bytes)
{
        uint64_t n = 0;
        for (size_t i = bytes; i > 0; i--)
                n = n << 8 | from[i - 1];
        return n;
}

static void put(uint8_t *to, uint64_t n, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++)
                to[i] = (uint8_t)(n >> (8 * i));
}

static uint32_t crc32(const uint8_t *bytes, size_t len)
{
        uint32_t crc = UINT32_MAX;
        for (size_t i = 0; i < len; i++) {
                crc ^= bytes[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
        }
        return ~crc;
}

static uint32_t header_check(const uint8_t *header)
{
        uint8_t copy[HEADER_BYTES];
        memcpy(copy, header, sizeof copy);
        put(copy + CHECK_AT, 0, 4);
        return crc32(copy, sizeof copy);
}

static void seal(table *t)
{
        put(t->header + TABLE_CHECK_AT, crc32(t->entries, sizeof t->entries), 4);
        put(t->header + CHECK_AT, header_check(t->header), 4);
}

/* ---- reading ---- */

static err read_at(const gpt_disk *d, uint64_t sector, uint8_t *out, size_t len)
{
        return d->read(d->context, sector * GPT_SECTOR_BYTES, out, len) ? OK : FAIL(SYSTEM);
}

/* A header of another size or number of entries is whole in its way and not understood: `strange`. */
static err load(const gpt_disk *d, uint64_t here, table *t, bool *strange)
{
        t->here = here;
        t->whole = false;
        if (here >= d->sectors)
                return OK;
        TRY(read_at(d, here, t->header, sizeof t->header));
        const uint8_t *h = t->header;
        if (memcmp(h, "EFI PART", 8) != 0)
                return OK;
        if (get(h + REVISION_AT, 4) != REVISION || get(h + SIZE_AT, 4) != HEADER_BYTES
            || get(h + COUNT_AT, 4) != ENTRIES || get(h + ENTRY_SIZE_AT, 4) != ENTRY_BYTES) {
                *strange = true;
                return OK;
        }
        uint64_t at = get(h + TABLE_AT, 8);
        if (get(h + CHECK_AT, 4) != header_check(h) || get(h + HERE_AT, 8) != here || at > d->sectors - TABLE_SECTORS)
                return OK;
        TRY(read_at(d, at, t->entries, sizeof t->entries));
        t->whole = get(h + TABLE_CHECK_AT, 4) == crc32(t->entries, sizeof t->entries);
        return OK;
}

/* ---- the numbers ---- */

static uint8_t *state_entry(table *t)
{
        static const char name[] = "lethe-state";
        for (size_t i = 0; i < ENTRIES; i++) {
                uint8_t *entry = t->entries + i * ENTRY_BYTES;
                bool     same = get(entry + NAME_AT + 2 * (sizeof name - 1), 2) == 0;
                for (size_t c = 0; same && c < sizeof name - 1; c++)
                        same = get(entry + NAME_AT + 2 * c, 2) == (uint8_t)name[c];
                if (same)
                        return entry;
        }
        return nullptr;
}

/* Version 4 of RFC 9562, in the mixed byte order of a GPT. */
static void draw(uint8_t *guid, const uint8_t *drawn)
{
        memcpy(guid, drawn, GPT_GUID_BYTES);
        guid[7] = (uint8_t)((guid[7] & 0x0f) | 0x40);
        guid[8] = (uint8_t)((guid[8] & 0x3f) | 0x80);
}

static bool number(table *t, const uint8_t *drawn)
{
        uint8_t *disk = t->header + DISK_AT, *entry = state_entry(t);
        bool     disk_is = memcmp(disk, gpt_image_disk, GPT_GUID_BYTES) == 0;
        bool     state_is = entry != nullptr && memcmp(entry + GUID_AT, gpt_image_state, GPT_GUID_BYTES) == 0;
        if (disk_is)
                draw(disk, drawn);
        if (state_is)
                draw(entry + GUID_AT, drawn + GPT_GUID_BYTES);
        return disk_is || state_is;
}

/* ---- writing ---- */

static bool same(const table *a, const table *b)
{
        return a->whole && memcmp(a->header + DISK_AT, b->header + DISK_AT, GPT_GUID_BYTES) == 0
               && memcmp(a->entries, b->entries, sizeof a->entries) == 0;
}

/* The entries stand behind the first header and before the second one. */
static err write_table(const gpt_disk *d, table *t, uint64_t here, uint64_t other)
{
        static uint8_t bytes[GPT_SECTOR_BYTES + TABLE_BYTES];
        bool           first = here < other;
        uint64_t       at = first ? here : here - TABLE_SECTORS;
        put(t->header + HERE_AT, here, 8);
        put(t->header + OTHER_AT, other, 8);
        put(t->header + TABLE_AT, first ? here + 1 : at, 8);
        memset(t->header + HEADER_BYTES, 0, sizeof t->header - HEADER_BYTES);
        seal(t);
        memcpy(bytes + (first ? 0 : TABLE_BYTES), t->header, sizeof t->header);
        memcpy(bytes + (first ? sizeof t->header : 0), t->entries, sizeof t->entries);
        return d->write(d->context, at * GPT_SECTOR_BYTES, bytes, sizeof bytes) ? OK : FAIL(SYSTEM);
}

/* Whether the second table has a place of its own: behind all that may be used and all that is. */
static bool has_room(const gpt_disk *d, const table *t, uint64_t second)
{
        if (second >= d->sectors || second < 2 * (TABLE_SECTORS + 1))
                return false;
        uint64_t from = second - TABLE_SECTORS;
        if (get(t->header + LAST_AT, 8) >= from || get(t->header + FIRST_AT, 8) < TABLE_SECTORS + 2)
                return false;
        for (size_t i = 0; i < ENTRIES; i++)
                if (get(t->entries + i * ENTRY_BYTES + ENTRY_LAST_AT, 8) >= from)
                        return false;
        return true;
}

err gpt_settle(const gpt_disk *d, const uint8_t drawn[static GPT_DRAWN_BYTES], gpt_done *out)
{
        static table first, second;
        bool         strange = false;
        *out = GPT_KEPT;
        if (d->sectors < 2 * (TABLE_SECTORS + 2))
                return FAIL(BAD_FILE);
        TRY(load(d, 1, &first, &strange));
        TRY(load(d, first.whole ? get(first.header + OTHER_AT, 8) : d->sectors - 1, &second, &strange));
        table *good = first.whole ? &first : &second, *other = first.whole ? &second : &first;
        if (strange || !good->whole)
                return FAIL(BAD_FILE);
        bool numbered = number(good, drawn);
        if (!numbered && same(other, good))
                return OK;
        uint64_t end = second.here, broken = first.whole ? end : 1;
        if (!has_room(d, good, end))
                return FAIL(BAD_FILE);
        /* Never the only whole one. */
        TRY(write_table(d, good, broken, broken == 1 ? end : 1));
        if (numbered)
                TRY(write_table(d, good, broken == 1 ? end : 1, broken));
        *out = numbered ? GPT_NUMBERED : GPT_MENDED;
        return OK;
}

/* ---- on the box ---- */

static bool read_fd(void *context, uint64_t at, uint8_t *out, size_t len)
{
        return pread(*(const int *)context, out, len, (off_t)at) == (ssize_t)len;
}

static bool write_fd(void *context, uint64_t at, const uint8_t *bytes, size_t len)
{
        int fd = *(const int *)context;
        return pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len && fsync(fd) == 0;
}

/* A disk's folder in /sys holds one for each of its partitions. */
static bool find_disk(const char *root, const char *partition, file_path *out)
{
        file_path folder, inside;
        bool      found = false;
        DIR *d = failed(file_path_make(&folder, root, "/sys/class/block/", (view){})) ? nullptr : opendir(folder.text);
        if (d == nullptr)
                return false;
        for (struct dirent *entry; !found && (entry = readdir(d)) != nullptr;) {
                if (entry->d_name[0] == '.'
                    || failed(file_path_make(&folder, "/sys/class/block/", entry->d_name, VIEW("/")))
                    || failed(file_path_make(&inside, folder.text, partition, (view){})))
                        continue;
                found = file_exists(root, inside.text)
                        && !failed(file_path_make(out, root, "/dev/", view_of_text(entry->d_name)));
        }
        closedir(d);
        return found;
}

static err settle_file(const char *path)
{
        uint8_t  drawn[GPT_DRAWN_BYTES];
        gpt_done done;
        int      fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return FAIL(SYSTEM);
        off_t    bytes = lseek(fd, 0, SEEK_END);
        gpt_disk disk = {&fd, bytes < 0 ? 0 : (uint64_t)bytes / GPT_SECTOR_BYTES, read_fd, write_fd};
        err      e = secret_setup();
        if (!failed(e)) {
                secret_random(drawn, sizeof drawn);
                e = gpt_settle(&disk, drawn, &done);
        }
        close(fd);
        return e;
}

err gpt_settle_disk_of(const char *root, const char *partition, notice *why)
{
        file_path path;
        if (!find_disk(root, partition, &path))
                return OK;
        err e = settle_file(path.text);
        /* An owner's own table may have a form that is not ours to write. */
        if (!failed(e) || e.code == ERR_BAD_FILE)
                return OK;
        return notice_fail(why, "The disk that holds ", view_of_text(partition),
                           " cannot be written, and would keep the numbers that every image has: attach one that can.");
}
