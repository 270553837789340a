#include "firmware/disks.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "firmware/kept.h"

/* What the box keeps of itself must fit behind the vault: else it would be lost without a word. */
enum : uint64_t { SECTOR_BYTES = 512, STATE_BYTES = 64 * 1024 * 1024 };
static_assert(KEPT_AT + KEPT_SLOTS * KEPT_SLOT_BYTES <= STATE_BYTES);

static const char blocks[] = "/sys/class/block/";

view disks_field(view uevent, view name)
{
        while (uevent.len > 0) {
                view line = text_line(&uevent);
                if (view_starts(line, name) && line.len > name.len && line.data[name.len] == '=')
                        return view_slice(line, name.len + 1, line.len);
        }
        return (view){};
}

/* A file of a volume's folder in /sys. */
static view about(const char *root, const char *name, const char *file, uint8_t *bytes, size_t cap)
{
        file_path folder, path;
        view      text = {};
        if (failed(file_path_make(&folder, blocks, name, (view){}))
            || failed(file_path_make(&path, folder.text, file, (view){}))
            || failed(file_read(root, path.text, bytes, cap, &text)))
                return (view){};
        return text;
}

static uint64_t size_of(const char *root, const char *name)
{
        uint8_t  bytes[64];
        view     text = about(root, name, "/size", bytes, sizeof bytes);
        uint64_t sectors = 0;
        return view_decimal(text_line(&text), UINT64_MAX / SECTOR_BYTES, &sectors) ? sectors * SECTOR_BYTES : 0;
}

typedef struct volume {
        const char *root, *name;
        uint64_t    bytes;
} volume;

static bool read_fd(void *context, uint64_t at, uint8_t *out, size_t len)
{
        return pread(*(const int *)context, out, len, (off_t)at) == (ssize_t)len;
}

static bool is_config(const volume *v, label_kind *kind)
{
        file_path path;
        label     found;
        if (failed(file_path_make(&path, v->root, "/dev/", view_of_text(v->name))))
                return false;
        int fd = open(path.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return false;
        label_probe(read_fd, &fd, &found);
        close(fd);
        *kind = found.kind;
        return found.kind != LABEL_NONE && view_equal((view){found.text, found.len}, VIEW("LETHECFG"));
}

static bool is_state(const volume *v, label_kind *)
{
        uint8_t bytes[1024];
        view    text = about(v->root, v->name, "/uevent", bytes, sizeof bytes);
        return view_equal(disks_field(text, VIEW("PARTNAME")), VIEW("lethe-state"));
}

static void find(const char *root, bool (*fits)(const volume *, label_kind *), disks_found *out)
{
        file_path folder;
        *out = (disks_found){};
        DIR *d = failed(file_path_make(&folder, root, blocks, (view){})) ? nullptr : opendir(folder.text);
        if (d == nullptr)
                return;
        for (struct dirent *entry; (entry = readdir(d)) != nullptr;) {
                volume     v = {root, entry->d_name, size_of(root, entry->d_name)};
                label_kind kind = LABEL_NONE;
                size_t     len = strlen(entry->d_name);
                if (entry->d_name[0] == '.' || len >= sizeof out->name || v.bytes == 0 || !fits(&v, &kind))
                        continue;
                if (out->count++ == 0) {
                        memcpy(out->name, entry->d_name, len);
                        out->kind = kind;
                        out->bytes = v.bytes;
                }
        }
        closedir(d);
}

void disks_find_config(const char *root, disks_found *out) { find(root, is_config, out); }

void disks_find_state(const char *root, disks_found *out) { find(root, is_state, out); }

err disks_judge_config(const disks_found *f, notice *why)
{
        if (f->count == 0)
                return notice_fail(why, "There is no config drive: attach a FAT or ISO 9660 volume labelled ",
                                     VIEW("LETHECFG"), " and start the box again.");
        if (f->count > 1)
                return notice_fail(why, "More than one volume is labelled ", VIEW("LETHECFG"),
                                     ": leave the one that is meant and start the box again.");
        return OK;
}

err disks_judge_state(const disks_found *f, notice *why)
{
        if (f->count == 0)
                return notice_fail(why, "There is no partition named ", VIEW("lethe-state"),
                                     ": attach the disk that holds it and start the box again.");
        if (f->count > 1)
                return notice_fail(why, "More than one partition is named ", VIEW("lethe-state"),
                                     ": leave the disk that is meant and start the box again.");
        if (f->bytes < STATE_BYTES)
                return notice_fail(why, "The partition lethe-state is too small", (view){},
                                     ": make it 64 MiB or more.");
        return OK;
}

/* In /sys a partition is a folder in its disk's, and what stands in /sys/class/block is a link to it. */
bool disks_parent(const char *root, const char *partition, char out[static FILE_NAME_BYTES])
{
        file_path path;
        char      to[FILE_PATH_BYTES];
        if (failed(file_path_make(&path, root, blocks, view_of_text(partition))))
                return false;
        ssize_t n = readlink(path.text, to, sizeof to - 1);
        if (n <= 0)
                return false;
        to[n] = '\0';
        char *last = strrchr(to, '/');
        if (last == nullptr)
                return false;
        *last = '\0';
        const char *parent = strrchr(to, '/');
        size_t      len = parent == nullptr ? 0 : strlen(parent + 1);
        if (len == 0 || len >= FILE_NAME_BYTES)
                return false;
        memcpy(out, parent + 1, len + 1);
        return true;
}

err disks_find_boot(const char *root, const char *disk, char out[static FILE_NAME_BYTES], size_t *count)
{
        file_path folder;
        *count = 0;
        TRY(file_path_make(&folder, root, blocks, (view){}));
        DIR *d = opendir(folder.text);
        for (struct dirent *entry; d != nullptr && (entry = readdir(d)) != nullptr;) {
                uint8_t bytes[1024];
                char    parent[FILE_NAME_BYTES];
                size_t  len = strlen(entry->d_name);
                view    text = about(root, entry->d_name, "/uevent", bytes, sizeof bytes);
                if (len >= FILE_NAME_BYTES || !view_equal(disks_field(text, VIEW("PARTNAME")), VIEW("lethe-esp"))
                    || !disks_parent(root, entry->d_name, parent) || strcmp(parent, disk) != 0)
                        continue;
                if ((*count)++ == 0)
                        memcpy(out, entry->d_name, len + 1);
        }
        if (d != nullptr)
                closedir(d);
        return OK;
}
