#include "firmware/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/emit.h"

err file_path_make(file_path *out, const char *root, const char *path, view name)
{
        emit e = emit_into((uint8_t *)out->text, sizeof out->text - 1);
        emit_text(&e, root);
        emit_text(&e, path);
        emit_view(&e, name);
        out->text[e.len] = '\0';
        return e.full ? FAIL(NO_ROOM) : OK;
}

static int open_below(const char *root, const char *path, int flags)
{
        file_path p;
        if (failed(file_path_make(&p, root, path, (view){})))
                return -1;
        return open(p.text, flags | O_CLOEXEC | O_NOCTTY, 0644);
}

err file_read(const char *root, const char *path, uint8_t *bytes, size_t cap, view *out)
{
        *out = (view){};
        int fd = open_below(root, path, O_RDONLY);
        if (fd < 0)
                return FAIL(SYSTEM);
        size_t  len = 0;
        ssize_t n = 1;
        while (n > 0 && len < cap) {
                n = read(fd, bytes + len, cap - len);
                len += n > 0 ? (size_t)n : 0;
                if (n < 0 && errno == EINTR)
                        n = 1;
        }
        uint8_t more;
        bool    whole = n == 0 || (n > 0 && read(fd, &more, 1) == 0);
        close(fd);
        if (n < 0)
                return FAIL(SYSTEM);
        *out = (view){bytes, len};
        return whole ? OK : FAIL(NO_ROOM);
}

static err write_all(int fd, view v)
{
        if (fd < 0)
                return FAIL(SYSTEM);
        ssize_t n = write(fd, v.data, v.len);
        int     closed = close(fd);
        return n == (ssize_t)v.len && closed == 0 ? OK : FAIL(SYSTEM);
}

err file_write(const char *root, const char *path, view v)
{
        return write_all(open_below(root, path, O_WRONLY), v);
}

err file_create(const char *root, const char *path, view v)
{
        return write_all(open_below(root, path, O_WRONLY | O_CREAT | O_TRUNC), v);
}

bool file_exists(const char *root, const char *path)
{
        file_path   p;
        struct stat s;
        return !failed(file_path_make(&p, root, path, (view){})) && stat(p.text, &s) == 0;
}

err file_map(const char *root, const char *path, view *out)
{
        *out = (view){};
        int         fd = open_below(root, path, O_RDONLY);
        struct stat s;
        if (fd < 0)
                return FAIL(SYSTEM);
        bool  sized = fstat(fd, &s) == 0 && s.st_size >= 0;
        void *bytes = nullptr;
        if (sized && s.st_size > 0)
                bytes = mmap(nullptr, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        close(fd);
        if (!sized || bytes == MAP_FAILED)
                return FAIL(SYSTEM);
        if (bytes != nullptr)
                *out = (view){bytes, (size_t)s.st_size};
        return OK;
}

void file_unmap(view *v)
{
        if (v->len > 0)
                munmap((void *)(uintptr_t)v->data, v->len);
        *v = (view){};
}
