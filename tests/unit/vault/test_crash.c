/* Power cuts: every write that a change makes is recorded, and the state that a cut would leave is opened: at every
 * boundary between two writes, at sampled bytes inside each, and with writes lost that no sync stands behind. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"
#include "vault/config_set.h"
#include "vault/store_records.h"

enum : size_t { OPS = 1024, STATE_BYTES = 2 * CONTAINER_SLOT_BYTES, SAMPLES = 3, LOST = 12 };

static const char SUBJECT[] = "crash";

typedef struct op {
        off_t    at;
        uint8_t *bytes;
        size_t   len;
        unsigned window; /* how many syncs came before */
} op;

static struct {
        bool     on;
        op       rows[OPS];
        size_t   count;
        unsigned syncs;
} recorded;

/* In the place of the C library's, whose one caller here is the container. */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
        if (recorded.on) {
                if (recorded.count == OPS)
                        abort();
                uint8_t *copy = malloc(len);
                if (copy == nullptr)
                        abort();
                memcpy(copy, bytes, len);
                recorded.rows[recorded.count++] = (op){at, copy, len, recorded.syncs};
        }
        return syscall(SYS_pwrite64, fd, bytes, len, at);
}

int fsync(int fd)
{
        if (recorded.on)
                recorded.syncs++;
        return (int)syscall(SYS_fsync, fd);
}

static void record_begin(void)
{
        for (size_t i = 0; i < recorded.count; i++)
                free(recorded.rows[i].bytes);
        recorded.count = 0;
        recorded.syncs = 0;
        recorded.on = true;
}

static void put(int fd, const op *o, size_t len)
{
        if (syscall(SYS_pwrite64, fd, o->bytes, len, o->at) != (long)len)
                abort();
}

/* Whether what stands in the file is what the box was before the change, or after it: never anything else. */
typedef bool judge(int fd, bool whole);

static bool cuts_hold(int fd, judge *good)
{
        for (size_t i = 0; i < recorded.count; i++) {
                const op *o = &recorded.rows[i];
                for (size_t s = 0; s < SAMPLES; s++) {
                        size_t len = s == 0 ? 1 : o->len * s / SAMPLES + s;
                        put(fd, o, len < o->len ? len : o->len - 1);
                        if (!good(fd, false)) {
                                printf("# write %zu of %zu, cut after %zu bytes\n", i, recorded.count, len);
                                return false;
                        }
                }
                put(fd, o, o->len);
                if (!good(fd, i + 1 == recorded.count)) {
                        printf("# after write %zu of %zu\n", i, recorded.count);
                        return false;
                }
        }
        return true;
}

static void set_image(int fd, const uint8_t *image)
{
        if (syscall(SYS_pwrite64, fd, image, STATE_BYTES, (off_t)0) != (long)STATE_BYTES)
                abort();
}

/* A disk may write in any order what no sync stands between: of the last window any part may be there. */
static bool losses_hold(int fd, const uint8_t *before, judge *good)
{
        for (unsigned window = 0; window <= recorded.syncs; window++)
                for (size_t n = 0; n < LOST; n++) {
                        set_image(fd, before);
                        for (size_t i = 0; i < recorded.count; i++) {
                                const op *o = &recorded.rows[i];
                                uint8_t   coin;
                                secret_random(&coin, 1);
                                if (o->window < window || (o->window == window && coin % 2 == 0))
                                        put(fd, o, o->len);
                        }
                        if (!good(fd, false)) {
                                printf("# writes lost in window %u of %u\n", window, recorded.syncs);
                                return false;
                        }
                }
        return true;
}

static void play(int fd, const uint8_t *before, judge *good, const char *cut, const char *lost)
{
        recorded.on = false;
        set_image(fd, before);
        tap_ok(recorded.count > 3 && cuts_hold(fd, good), SUBJECT, cut);
        tap_ok(losses_hold(fd, before, good), SUBJECT, lost);
}

/* ---- a new vault ---- */

static bool blank_or_whole(int fd, bool whole)
{
        store s;
        bool  blank = false;
        if (failed(state_open(&s, fd))) {
                store_close(&s);
                return !whole && !failed(container_is_blank(fd, &blank)) && blank;
        }
        bool good = s.config.len == 0 && s.chain.next_sequence == 1 && !failed(container_is_blank(fd, &blank))
                && !blank;
        store_close(&s);
        return good;
}

static void test_create(void)
{
        int              fd = memfd_create("state", MFD_CLOEXEC);
        container_opener opener = {.kind = SLOT_KEY_FILE, .secret = key_view()};
        uint8_t         *before = calloc(1, STATE_BYTES);
        if (fd < 0 || before == nullptr || ftruncate(fd, (off_t)STATE_BYTES) != 0)
                abort();
        record_begin();
        tap_ok(!failed(store_create(fd, &opener, 1)), SUBJECT, "a vault is made");
        play(fd, before, blank_or_whole, "a creation cut anywhere leaves a blank state or a whole vault",
             "and so does one whose writes are lost");
        free(before);
        close(fd);
}

/* ---- a configuration ---- */

static region old_set, new_set;

static void set_of(region *set, size_t bytes, uint8_t fill)
{
        static const char *const names[] = {"lethe.json", "policy.json", "tls/server.key"};
        static uint8_t           text[LIMIT_CONFIG_BYTES];
        config_set_init(set);
        memset(text, fill, sizeof text);
        for (size_t i = 0; i < 3; i++) {
                const config_file f = {view_of_text(names[i]), {text, bytes}};
                if (failed(config_set_put(set, &f)))
                        abort();
        }
}

static bool old_or_new(int fd, bool whole)
{
        store s;
        bool  good = !failed(state_open(&s, fd));
        if (good) {
                bool is_new = view_equal(region_view(&s.config), region_view(&new_set))
                        && s.opens == STORE_OPENS_PERSON;
                bool is_old = view_equal(region_view(&s.config), region_view(&old_set))
                        && s.opens == STORE_OPENS_UNSAID;
                good = is_new || (is_old && !whole);
        }
        store_close(&s);
        return good;
}

static void test_config(void)
{
        store s;
        int   fd = state_new();
        set_of(&old_set, 3000, 'o');
        set_of(&new_set, 90000, 'n');
        if (failed(state_open(&s, fd)) || failed(store_set_config(&s, region_view(&old_set), STORE_OPENS_UNSAID)))
                abort();
        uint8_t *before = state_image(fd);
        record_begin();
        tap_ok(!failed(store_set_config(&s, region_view(&new_set), STORE_OPENS_PERSON)), SUBJECT,
               "a configuration is replaced");
        store_close(&s);
        play(fd, before, old_or_new, "a set cut anywhere leaves the old one or the new one, never none",
             "and so does one whose writes are lost");
        free(before);
        region_end(&old_set);
        region_end(&new_set);
        close(fd);
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        test_create();
        test_config();
        return tap_done();
}
