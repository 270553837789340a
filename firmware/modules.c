#include "firmware/modules.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "firmware/file.h"

enum : int { COMPRESSED_FILE = 4, FOLDERS_DEEP = 32 };
enum : size_t { ALIAS_BYTES = 1024 };

bool modules_load_file(void *root, view name)
{
        file_path base, whole;
        if (failed(file_path_make(&base, root, "/lib/modules/", name))
            || failed(file_path_make(&whole, base.text, ".ko.xz", (view){})))
                return false;
        int fd = open(whole.text, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;
        long done = syscall(SYS_finit_module, fd, "", COMPRESSED_FILE);
        /* A driver that finds nothing of its own says ENODEV: no fault of the box. */
        bool good = done == 0 || errno == EEXIST || errno == ENODEV;
        close(fd);
        return good;
}

err modules_begin(modules *m, const char *root, notice *why)
{
        *m = (modules){.load = modules_load_file, .context = (void *)(uintptr_t)root};
        if (failed(file_map(root, "/lib/modules/alias", &m->alias))
            || failed(file_map(root, "/lib/modules/order", &m->order)))
                return notice_fail(why, "The image's table of drivers is not there", (view){},
                                     ": this image is damaged; install it again.");
        return OK;
}

/* The line of a module in `order`, whose dependencies *rest gets; -1 when the image does not have it. */
static int find(const modules *m, view name, view *rest)
{
        view all = m->order;
        for (int row = 0; all.len > 0 && row < (int)MODULES_MOST; row++) {
                *rest = text_line(&all);
                if (view_equal(text_word(rest), name))
                        return row;
        }
        return -1;
}

static void load_one(modules *m, view name)
{
        view rest;
        int  row = find(m, name, &rest);
        if (row < 0 || m->tried[row])
                return;
        m->tried[row] = true;
        if (m->load(m->context, name)) {
                m->loaded++;
        } else {
                m->failed++;
                m->last_failed = name;
        }
}

void modules_by_name(modules *m, view name)
{
        view rest;
        int  row = find(m, name, &rest);
        if (row < 0 || m->tried[row])
                return;
        for (view dependency = text_word(&rest); dependency.len > 0; dependency = text_word(&rest))
                load_one(m, dependency);
        load_one(m, name);
}

/* What stands before the first wild character, a bus in most patterns: asked before the slow comparison. */
static bool may_match(view pattern, view modalias)
{
        size_t len = 0;
        while (len < pattern.len && strchr("*?[\\", pattern.data[len]) == nullptr)
                len++;
        return view_starts(modalias, view_slice(pattern, 0, len));
}

static bool matches(view pattern, view modalias)
{
        char p[ALIAS_BYTES], a[ALIAS_BYTES];
        if (!may_match(pattern, modalias) || pattern.len >= sizeof p || modalias.len >= sizeof a)
                return false;
        memcpy(p, pattern.data, pattern.len);
        p[pattern.len] = '\0';
        memcpy(a, modalias.data, modalias.len);
        a[modalias.len] = '\0';
        return fnmatch(p, a, 0) == 0;
}

void modules_for_alias(modules *m, view modalias)
{
        view all = m->alias;
        if (modalias.len == 0)
                return;
        while (all.len > 0) {
                view line = text_line(&all), pattern = text_word(&line);
                if (pattern.len > 0 && matches(pattern, modalias))
                        modules_by_name(m, text_word(&line));
        }
}

static void plug(modules *m, const file_path *file)
{
        uint8_t bytes[ALIAS_BYTES];
        view    text;
        if (!failed(file_read("", file->text, bytes, sizeof bytes, &text)))
                modules_for_alias(m, text_line(&text));
}

/* Links are not followed: below /sys/devices every device stands once. */
static void walk(modules *m, const file_path *folder, int depth)
{
        DIR *d = depth > FOLDERS_DEEP ? nullptr : opendir(folder->text);
        if (d == nullptr)
                return;
        for (struct dirent *entry; (entry = readdir(d)) != nullptr;) {
                file_path below;
                if (entry->d_name[0] == '.'
                    || failed(file_path_make(&below, folder->text, "/", view_of_text(entry->d_name))))
                        continue;
                if (entry->d_type == DT_DIR)
                        walk(m, &below, depth + 1);
                else if (entry->d_type == DT_REG && strcmp(entry->d_name, "modalias") == 0)
                        plug(m, &below);
        }
        closedir(d);
}

void modules_cold_plug(modules *m, const char *root)
{
        file_path devices;
        if (!failed(file_path_make(&devices, root, "/sys/devices", (view){})))
                walk(m, &devices, 0);
}

void modules_forget(modules *m, const char *root)
{
        file_path folder;
        file_unmap(&m->alias);
        file_unmap(&m->order);
        m->last_failed = (view){};
        if (failed(file_path_make(&folder, root, "/lib/modules", (view){})))
                return;
        DIR *d = opendir(folder.text);
        if (d == nullptr)
                return;
        for (struct dirent *entry; (entry = readdir(d)) != nullptr;) {
                file_path below;
                if (entry->d_name[0] != '.'
                    && !failed(file_path_make(&below, folder.text, "/", view_of_text(entry->d_name))))
                        unlink(below.text);
        }
        closedir(d);
        rmdir(folder.text);
}
