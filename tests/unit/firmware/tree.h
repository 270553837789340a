/* A root of the test's own, with what a file of firmware/ reads of the box. */
#ifndef TESTS_UNIT_FIRMWARE_TREE_H
#define TESTS_UNIT_FIRMWARE_TREE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/view.h"

static char tree_root[64];

static inline void tree_make(void)
{
        strcpy(tree_root, "/tmp/lethe-firmware-XXXXXX");
        if (mkdtemp(tree_root) == nullptr || chmod(tree_root, 0755) != 0)
                abort();
}

static inline int tree_remove_one(const char *path, const struct stat *, int, struct FTW *) { return remove(path); }

static inline void tree_remove(void) { nftw(tree_root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); }

static inline const char *tree_path(const char *path)
{
        static char out[768];
        snprintf(out, sizeof out, "%s%s", tree_root, path);
        return out;
}

static inline void tree_folder(const char *path)
{
        char at[768];
        snprintf(at, sizeof at, "%s%s", tree_root, path);
        for (char *slash = at + strlen(tree_root) + 1; (slash = strchr(slash, '/')) != nullptr; slash++) {
                *slash = '\0';
                mkdir(at, 0755);
                *slash = '/';
        }
        mkdir(at, 0755);
}

static inline void tree_bytes(const char *path, view v)
{
        char folder[512];
        snprintf(folder, sizeof folder, "%s", path);
        *strrchr(folder, '/') = '\0';
        tree_folder(folder);
        int fd = open(tree_path(path), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0 || write(fd, v.data, v.len) != (ssize_t)v.len)
                abort();
        close(fd);
}

static inline void tree_file(const char *path, const char *text) { tree_bytes(path, view_of_text(text)); }

static inline view tree_read(const char *path)
{
        static uint8_t bytes[65536];
        int fd = open(tree_path(path), O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);
        if (fd >= 0)
                close(fd);
        return (view){bytes, n < 0 ? 0 : (size_t)n};
}

#endif
