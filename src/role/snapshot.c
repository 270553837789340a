#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/emit.h"
#include "base/secret.h"
#include "role/supervise.h"

/* No name leaves the folder, by whatever links or dots. */
static int open_below(int folder, const char *name)
{
        struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
        return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

static int copy_of(int file)
{
        enum : size_t { AT_ONCE = 1024 * 1024 };
        int memory = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (memory < 0)
                return -1;
        ssize_t n;
        do
                n = sendfile(memory, file, nullptr, AT_ONCE);
        while (n > 0 || (n < 0 && errno == EINTR));
        if (n < 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
                int saved = errno;
                close(memory);
                errno = saved;
                return -1;
        }
        return memory;
}

/* A description of its own: readers must not share an offset. */
static int again(int memory)
{
        char path[32] = {};
        emit e = emit_into((uint8_t *)path, sizeof path - 1);
        emit_text(&e, "/proc/self/fd/");
        emit_u64(&e, (uint64_t)memory);
        return openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static int take_copy(supervisor *s, const char *name)
{
        int file = open_below(s->config, name);
        if (file < 0)
                return -1;
        int memory = copy_of(file);
        int saved = errno;
        close(file);
        errno = saved;
        return memory;
}

void snapshot_add(snapshots *g, const char *name, int memory)
{
        assert(g->count < SNAPSHOTS && strlen(name) < sizeof g->rows->name);
        snapshot *row = &g->rows[g->count++];
        *row = (snapshot){.fd = memory};
        memcpy(row->name, name, strlen(name));
}

int snapshot_open(supervisor *s, snapshots *g, const char *name)
{
        if (g == nullptr && holds_config(s))
                g = &s->stored.files;
        if (g == nullptr)
                return open_below(s->config, name);
        for (size_t i = 0; i < g->count; i++)
                if (strcmp(g->rows[i].name, name) == 0)
                        return again(g->rows[i].fd);
        if (g->count == SNAPSHOTS || holds_config(s)) {
                errno = holds_config(s) ? ENOENT : EMFILE;
                return -1;
        }
        int memory = take_copy(s, name);
        if (memory < 0)
                return -1;
        snapshot_add(g, name, memory);
        return again(memory);
}

/* Bytes compared as bytes: what they mean is for the role that parses them. */
static void digest_add(uint8_t digest[static SECRET_HASH_BYTES], int fd)
{
        struct stat st;
        size_t      len = fd >= 0 && fstat(fd, &st) == 0 ? (size_t)st.st_size : 0;
        void       *bytes = len == 0 ? MAP_FAILED : mmap(nullptr, len, PROT_READ, MAP_PRIVATE, fd, 0);
        uint8_t     before[SECRET_HASH_BYTES];
        memcpy(before, digest, sizeof before);
        /* A file that lacks counts too: bytes that moved from one file to the next are a change. */
        secret_hash(digest, bytes == MAP_FAILED ? (view){} : (view){bytes, len}, (view){before, sizeof before});
        if (bytes != MAP_FAILED)
                munmap(bytes, len);
}

void snapshot_digest(supervisor *s, snapshots *g, const char *const names[], uint8_t digest[static SECRET_HASH_BYTES])
{
        memset(digest, 0, SECRET_HASH_BYTES);
        for (size_t i = 0; names[i] != nullptr; i++) {
                int fd = snapshot_open(s, g, names[i]);
                digest_add(digest, fd);
                if (fd >= 0)
                        close(fd);
        }
}

void snapshots_forget(snapshots *g)
{
        for (size_t i = 0; i < g->count; i++)
                close(g->rows[i].fd);
        *g = (snapshots){};
}
