#include "vault/container.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"

static uint8_t vault_key[32];

static void learn_key(int fd)
{
        store s;
        if (failed(state_open(&s, fd)))
                abort();
        memcpy(vault_key, store_vault_key(&s), 32);
        store_close(&s);
}

/* What is in the file: the generation that opens, 0 when none does. */
static uint64_t opens(int fd, container_info *info, err *e)
{
        region payload;
        *e = container_read(fd, vault_key, 0, info, &payload);
        region_end(&payload);
        return failed(*e) ? 0 : info->generation;
}

static err write_next(int fd, container_info *info, size_t len)
{
        region payload;
        region_init(&payload, CONTAINER_PAYLOAD_MAX);
        uint8_t *bytes = calloc(1, len + 1);
        err      e = record_append(&payload, RECORD_EXPORT, (view){bytes, len});
        if (!failed(e))
                e = container_write(fd, vault_key, info, region_view(&payload));
        region_end(&payload);
        free(bytes);
        return e;
}

static void test_generations(void)
{
        int            fd = state_new();
        container_info info;
        err            e;
        learn_key(fd);
        tap_ok(opens(fd, &info, &e) == 1 && info.good_slots == 2, "container",
               "a new file is generation 1 in both copies");
        bool good = true;
        for (uint64_t g = 2; g < 6; g++) {
                unsigned before = info.active;
                good = good && !failed(write_next(fd, &info, (size_t)g * 50000)) && info.active != before;
                good = good && opens(fd, &info, &e) == g && info.good_slots == 2 && !info.fell_back;
        }
        tap_ok(good, "container", "every write takes the other copy and the next generation");
        tap_ok(container_inspect(fd, 5, &info).code == ERR_NONE, "container", "the newest seen generation is accepted");
        tap_ok(container_inspect(fd, 6, &info).code == ERR_ROLLED_BACK, "container",
               "a file older than one seen is rolled back, without a key");
        region payload;
        tap_ok(container_read(fd, vault_key, 6, &info, &payload).code == ERR_ROLLED_BACK, "container",
               "and with it");
        region_end(&payload);
        region big;
        region_init(&big, CONTAINER_PAYLOAD_MAX + 4096);
        if (failed(region_reserve(&big, CONTAINER_PAYLOAD_MAX + 1)))
                abort();
        (void)container_inspect(fd, 0, &info);
        big.len = CONTAINER_PAYLOAD_MAX + 1;
        tap_ok(container_write(fd, vault_key, &info, region_view(&big)).code == ERR_NO_ROOM, "container",
               "a payload beyond the copy has no room");
        region_end(&big);
        tap_ok(!failed(write_next(fd, &info, CONTAINER_PAYLOAD_MAX - 8)) && opens(fd, &info, &e) == 6, "container",
               "the largest payload comes back");
        close(fd);
}

/* Each prefix of the writes, in their order: payload and zeros, then the header. */
static void test_crash_points(void)
{
        int            fd = state_new();
        container_info info;
        err            e;
        learn_key(fd);
        if (opens(fd, &info, &e) != 1 || failed(write_next(fd, &info, 70000)))
                abort();
        uint8_t *before = state_image(fd);
        if (failed(write_next(fd, &info, 90000)))
                abort();
        uint8_t *after = state_image(fd);
        size_t   start = info.active * CONTAINER_SLOT_BYTES, body = start + CONTAINER_HEADER_BYTES;
        size_t   body_bytes = CONTAINER_SLOT_BYTES - CONTAINER_HEADER_BYTES;

        bool good = true;
        for (size_t cut = 0; cut < body_bytes && good; cut += cut < 140000 ? 997 : 300007) {
                put_bytes(fd, 0, before, 2 * CONTAINER_SLOT_BYTES);
                put_bytes(fd, body, after + body, cut);
                good = opens(fd, &info, &e) == 2 && !info.fell_back;
        }
        tap_ok(good, "container", "a write cut anywhere in the payload leaves the newer copy, and nothing is said");
        put_bytes(fd, body, after + body, body_bytes);
        for (size_t cut = 0; cut < CONTAINER_HEADER_BYTES && good; cut += 13) {
                put_bytes(fd, start, before + start, CONTAINER_HEADER_BYTES);
                put_bytes(fd, start, after + start, cut);
                good = opens(fd, &info, &e) == 2 && !info.fell_back;
        }
        tap_ok(good, "container", "a write cut anywhere in the header leaves the newer copy");
        put_bytes(fd, start, after + start, CONTAINER_HEADER_BYTES);
        tap_ok(opens(fd, &info, &e) == 3, "container", "with its last byte the new copy counts");

        uint8_t noise[4096];
        for (size_t at = 0; at < 200000 && good; at += 3001) {
                put_bytes(fd, 0, before, 2 * CONTAINER_SLOT_BYTES);
                secret_random(noise, sizeof noise);
                put_bytes(fd, start + at, noise, sizeof noise);
                good = opens(fd, &info, &e) == 2;
        }
        tap_ok(good, "container", "noise anywhere in the older copy leaves the newer one");
        free(before);
        free(after);
        close(fd);
}

static void test_kills(void)
{
        int  fd = state_new();
        bool good = true;
        learn_key(fd);
        uint64_t last = 1;
        for (int i = 0; i < 40 && good; i++) {
                pid_t child = fork();
                if (child == 0) {
                        container_info mine;
                        err            ignored;
                        if (opens(fd, &mine, &ignored) == 0)
                                _exit(1);
                        while (!failed(write_next(fd, &mine, 100000)))
                                continue;
                        _exit(1);
                }
                nanosleep(&(struct timespec){.tv_nsec = 3000000 + (i * 7919 % 1000) * 9000}, nullptr);
                kill(child, SIGKILL);
                int status;
                waitpid(child, &status, 0);
                container_info info;
                err            e;
                uint64_t       now = opens(fd, &info, &e);
                good = WIFSIGNALED(status) && now >= last && !info.fell_back;
                last = now;
        }
        tap_ok(good && last > 20, "container", "a writer killed at any moment loses no finished generation");
        close(fd);
}

static void test_damage(void)
{
        int            fd = state_new();
        container_info info;
        err            e;
        learn_key(fd);
        if (opens(fd, &info, &e) != 1 || failed(write_next(fd, &info, 70000)))
                abort();
        size_t newer = info.active * CONTAINER_SLOT_BYTES, older = CONTAINER_SLOT_BYTES - newer;
        size_t used = CONTAINER_HEADER_BYTES + 2 * CONTAINER_STEP_BYTES + CONTAINER_TAG_BYTES;
        bool   fell = true, both = true;
        for (size_t at = 0; at < used; at += at < CONTAINER_HEADER_BYTES ? 61 : 1999) {
                uint8_t mask = (uint8_t)(1 << at % 8);
                flip(fd, newer + at, mask);
                fell = fell && opens(fd, &info, &e) == 1;
                fell = fell && (at < CONTAINER_HEADER_BYTES ? info.good_slots == 1 : info.fell_back);
                size_t in_older = at < CONTAINER_HEADER_BYTES + CONTAINER_STEP_BYTES ? at : 100;
                flip(fd, older + in_older, mask);
                both = both && opens(fd, &info, &e) == 0 && e.code == ERR_BAD_FILE;
                flip(fd, older + in_older, mask);
                flip(fd, newer + at, mask);
        }
        tap_ok(fell, "container", "a bit flipped anywhere in the newer copy: the older one opens, and it is told");
        tap_ok(both, "container", "a bit flipped in both copies: the file is damaged");
        tap_ok(opens(fd, &info, &e) == 2, "container", "flipped back, all is well");

        uint8_t wrong[32] = {1};
        region  payload;
        e = container_read(fd, wrong, 0, &info, &payload);
        region_end(&payload);
        tap_ok(e.code == ERR_BAD_CREDENTIAL, "container", "a wrong vault key is a wrong key, not damage");
        close(fd);
}

static void test_cut_files(void)
{
        int            fd = state_new();
        container_info info;
        err            e;
        learn_key(fd);
        static const size_t lengths[] = {0, 1, 100, 8191, 8192, 70000, 8192 + 65536 + 15};
        bool                good = true;
        for (size_t i = sizeof lengths / sizeof *lengths; i-- > 0;) {
                if (ftruncate(fd, (off_t)lengths[i]) != 0)
                        abort();
                good = good && opens(fd, &info, &e) == 0 && e.code == ERR_BAD_FILE;
        }
        tap_ok(good, "container", "a file cut in its first copy is damaged");
        close(fd);
        fd = state_new();
        learn_key(fd);
        if (ftruncate(fd, (off_t)CONTAINER_SLOT_BYTES + 5000) != 0)
                abort();
        tap_ok(opens(fd, &info, &e) == 1 && info.good_slots == 1, "container",
               "a file cut in its second copy opens by the first, and it is told");
        if (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)(2 * CONTAINER_SLOT_BYTES)) != 0)
                abort();
        tap_ok(opens(fd, &info, &e) == 0 && e.code == ERR_BAD_FILE, "container", "a file of zeros is damaged");
        close(fd);
}

static void test_other_formats(void)
{
        int            fd = state_new();
        container_info info;
        err            e;
        learn_key(fd);
        uint8_t header[CONTAINER_HEADER_BYTES];
        if (pread(fd, header, sizeof header, 0) != (ssize_t)sizeof header)
                abort();
        header[8] = 2;
        slot_header_seal(header);
        put_bytes(fd, 0, header, sizeof header);
        tap_ok(opens(fd, &info, &e) == 0 && e.code == ERR_BAD_FILE, "container",
               "one copy of a newer format: refused, although the other could be read");
        close(fd);

        fd = state_new();
        learn_key(fd);
        slot_header h;
        bool        newer;
        if (pread(fd, header, sizeof header, 0) != (ssize_t)sizeof header
            || failed(slot_header_read(header, &h, &newer)))
                abort();
        h.info.generation = UINT64_MAX;
        slot_header_write(&h, header);
        put_bytes(fd, 0, header, sizeof header);
        tap_ok(opens(fd, &info, &e) == 1 && info.fell_back, "container",
               "a forged generation does not open: it is associated data");
        tap_ok(!failed(write_next(fd, &info, 10)) && opens(fd, &info, &e) == 2, "container",
               "and the next write takes its place");
        close(fd);
}

static void test_errors(void)
{
        int            fd = state_new();
        container_info info;
        err            e;
        learn_key(fd);
        (void)opens(fd, &info, &e);
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int other = open(path, O_RDONLY | O_CLOEXEC);
        tap_ok(write_next(other, &info, 10).code == ERR_SYSTEM && info.generation == 1, "container",
               "a descriptor that cannot be written: system, and the generation stays");
        tap_ok(container_inspect(-1, 0, &info).code == ERR_SYSTEM, "container", "no descriptor: system");
        tap_ok(!failed(container_lock(fd)) && !failed(container_lock(fd)), "container",
               "the lock is taken, again by the same description");
        tap_ok(container_lock(other).code == ERR_AGAIN, "container", "another description finds it locked");
        tap_ok(container_lock(-1).code == ERR_SYSTEM, "container", "no descriptor cannot be locked");
        close(fd);
        tap_ok(!failed(container_lock(other)), "container", "closing gives the lock back");
        close(other);
}

/* Every byte of a file is a header, a sealed payload of listed records, or zero. */
static void test_every_byte(void)
{
        int            fd = state_new();
        container_info info;
        err            e;
        learn_key(fd);
        (void)opens(fd, &info, &e);
        if (failed(write_next(fd, &info, 300000)) || failed(write_next(fd, &info, 10))
            || failed(write_next(fd, &info, 10)))
                abort();
        uint8_t *image = state_image(fd);
        bool     good = lseek(fd, 0, SEEK_END) == (off_t)(2 * CONTAINER_SLOT_BYTES);
        for (size_t copy = 0; copy < 2; copy++) {
                const uint8_t *at = image + copy * CONTAINER_SLOT_BYTES;
                slot_header    h;
                bool           newer;
                good = good && !failed(slot_header_read(at, &h, &newer));
                size_t used = CONTAINER_HEADER_BYTES + (size_t)h.payload_bytes + CONTAINER_TAG_BYTES;
                for (size_t i = used; i < CONTAINER_SLOT_BYTES; i++)
                        good = good && at[i] == 0;
        }
        tap_ok(good, "container", "behind a payload are zeros only, also after a longer one");
        free(image);
        close(fd);
}

int main(void)
{
        if (failed(secret_setup()))
                return 1;
        test_generations();
        test_crash_points();
        test_kills();
        test_damage();
        test_cut_files();
        test_other_formats();
        test_errors();
        test_every_byte();
        return tap_done();
}
