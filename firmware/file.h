/* firmware/file: small files below a root, which is "" on the box and a folder of its own in a test. */
#ifndef FIRMWARE_FILE_H
#define FIRMWARE_FILE_H

#include "base/result.h"
#include "base/view.h"

enum : size_t { FILE_PATH_BYTES = 512, FILE_NAME_BYTES = 64 };

typedef struct file_path {
        char text[FILE_PATH_BYTES];
} file_path;

/* root, path and name one behind the other. err NO_ROOM */
err file_path_make(file_path *out, const char *root, const char *path, view name);

/* All of it. err SYSTEM: not there, or unreadable; NO_ROOM: longer than `cap` */
err file_read(const char *root, const char *path, uint8_t *bytes, size_t cap, view *out);
/* Into a file that is there, in one call. err SYSTEM */
err file_write(const char *root, const char *path, view v);
/* A new file that all may read and only root write. err SYSTEM */
err file_create(const char *root, const char *path, view v);
bool file_exists(const char *root, const char *path);

/* The whole file as memory, which outlives its name; an empty view for an empty file. err SYSTEM */
err  file_map(const char *root, const char *path, view *out);
void file_unmap(view *v);

#endif
