#include "firmware/kept.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/secret.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "kept";

static kept    first, second, out;
static uint8_t old_slot[KEPT_SLOT_BYTES], new_slot[KEPT_SLOT_BYTES], slot[KEPT_SLOT_BYTES];

static int disk(void)
{
        tree_bytes("/disk", (view){});
        int fd = open(tree_path("/disk"), O_RDWR | O_CLOEXEC);
        if (fd < 0 || ftruncate(fd, KEPT_AT + KEPT_SLOTS * KEPT_SLOT_BYTES) != 0)
                abort();
        return fd;
}

static void put_slot(int fd, size_t which, const uint8_t *bytes, size_t len)
{
        if (pwrite(fd, bytes, len, (off_t)(KEPT_AT + which * KEPT_SLOT_BYTES)) != (ssize_t)len)
                abort();
}

static bool same(const kept *a, const kept *b)
{
        return view_equal((view){a->text, a->len}, (view){b->text, b->len});
}

static void fill(void)
{
        first = second = (kept){};
        bool good = !failed(kept_add(&first, VIEW("address"), VIEW("10.0.2.15/24")))
                    && !failed(kept_add(&first, VIEW("address"), VIEW("2001:db8::10/64")))
                    && !failed(kept_set_u64(&first, VIEW("clock"), 1795000000))
                    && !failed(kept_add(&second, VIEW("address"), VIEW("dhcp")))
                    && !failed(kept_set_u64(&second, VIEW("clock"), 1795000001))
                    && !failed(kept_set(&second, VIEW("opens"), VIEW("person")));
        if (!good)
                abort();
}

static void test_lines(void)
{
        uint64_t n = 0;
        size_t   at = 0, lines = 0;
        view     key, value;
        tap_ok(view_equal(kept_get(&first, VIEW("address")), VIEW("10.0.2.15/24"))
                       && kept_get_u64(&first, VIEW("clock"), &n) && n == 1795000000
                       && kept_get(&first, VIEW("add")).len == 0 && kept_get(&first, VIEW("addresses")).len == 0,
               SUBJECT, "a key has its value, and the first of several");
        while (kept_next(&first, &at, &key, &value))
                lines++;
        tap_ok(lines == 3 && at == first.len, SUBJECT, "every line in its order");
        kept k = first;
        kept_remove(&k, VIEW("address"));
        tap_ok(kept_get(&k, VIEW("address")).len == 0 && view_equal((view){k.text, k.len}, VIEW("clock 1795000000\n")),
               SUBJECT, "all lines of a key go");
        k = first;
        bool good = !failed(kept_set(&k, VIEW("address"), VIEW("dhcp")));
        tap_ok(good && view_equal((view){k.text, k.len}, VIEW("clock 1795000000\naddress dhcp\n")), SUBJECT,
               "one line in the place of several");
}

static void test_refused_lines(void)
{
        static const struct {
                const char *sentence;
                view        key, value;
        } rows[] = {
                {"no key", {}, VIEW_INIT("1")},
                {"no value", VIEW_INIT("clock"), {}},
                {"a blank in a key", VIEW_INIT("clo ck"), VIEW_INIT("1")},
                {"capitals in a key", VIEW_INIT("Clock"), VIEW_INIT("1")},
                {"a new line in a value", VIEW_INIT("clock"), VIEW_INIT("1\nepoch 0")},
                {"a zero in a value", VIEW_INIT("clock"), VIEW_INIT("1\0")},
                {"a blank before a value", VIEW_INIT("clock"), VIEW_INIT(" 1")},
                {"a blank behind a value", VIEW_INIT("clock"), VIEW_INIT("1 ")},
                {"a letter beyond ASCII", VIEW_INIT("clock"), VIEW_INIT("\xc3\xa4")},
                {"a long key", VIEW_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), VIEW_INIT("1")},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                kept k = first;
                err  e = kept_set(&k, rows[i].key, rows[i].value);
                tap_ok(e.code == ERR_OUT_OF_RANGE && same(&k, &first), SUBJECT, rows[i].sentence);
        }
        static char long_value[KEPT_VALUE_BYTES];
        memset(long_value, 'a', sizeof long_value);
        kept   k = {};
        err    e = OK;
        size_t lines = 0;
        while (!failed(e = kept_add(&k, VIEW("a"), (view){(uint8_t *)long_value, sizeof long_value})))
                lines++;
        kept before = k;
        tap_ok(e.code == ERR_NO_ROOM && lines == KEPT_TEXT_BYTES / (KEPT_VALUE_BYTES + 3), SUBJECT,
               "more than there is room for");
        e = kept_set(&k, VIEW("b"), (view){(uint8_t *)long_value, sizeof long_value});
        tap_ok(e.code == ERR_NO_ROOM && same(&k, &before), SUBJECT, "what has no room changes nothing");
}

static void test_disk(void)
{
        int  fd = disk();
        bool good = !failed(kept_read(fd, &out)) && out.state == KEPT_FRESH && out.len == 0;
        tap_ok(good, SUBJECT, "a new partition is empty");
        good = !failed(kept_write(fd, &first)) && first.generation == 1 && !failed(kept_read(fd, &out));
        tap_ok(good && out.state == KEPT_GOOD && same(&out, &first), SUBJECT, "what was written is read");
        good = !failed(kept_write(fd, &second)) && second.generation == 2 && !failed(kept_read(fd, &out));
        tap_ok(good && out.generation == 2 && same(&out, &second), SUBJECT, "the newer of two");
        for (int i = 0; i < 3; i++)
                good = good && !failed(kept_write(fd, &first));
        good = good && !failed(kept_read(fd, &out)) && out.generation == 5 && same(&out, &first);
        tap_ok(good, SUBJECT, "five in a row");
        good = ftruncate(fd, KEPT_AT + KEPT_SLOT_BYTES) == 0 && kept_read(fd, &out).code == ERR_SYSTEM
               && kept_write(fd, &first).code == ERR_SYSTEM;
        tap_ok(good, SUBJECT, "a partition that ends within is an error");
        close(fd);
        tap_ok(kept_read(-1, &out).code == ERR_SYSTEM && kept_write(-1, &first).code == ERR_SYSTEM, SUBJECT,
               "no partition is an error");
        fd = open(tree_path("/disk"), O_RDONLY | O_CLOEXEC);
        tap_ok(kept_write(fd, &first).code == ERR_SYSTEM, SUBJECT, "one that may not be written is an error");
        close(fd);
}

/* The older slot is overwritten up to each byte, and then the power is gone. */
static void test_torn(void)
{
        int fd = disk();
        kept_encode(&first, 6, old_slot);
        put_slot(fd, 0, old_slot, sizeof old_slot);
        kept_encode(&first, 7, old_slot);
        put_slot(fd, 1, old_slot, sizeof old_slot);
        kept_encode(&second, 8, new_slot);
        size_t whole = KEPT_HEAD_BYTES + second.len, wrong = 0, olds = 0;
        for (size_t cut = 0; cut <= whole + 1; cut++) {
                kept_encode(&first, 6, slot);
                memcpy(slot, new_slot, cut);
                put_slot(fd, 0, slot, sizeof slot);
                bool good = !failed(kept_read(fd, &out)) && out.state == KEPT_GOOD;
                bool old = out.generation == 7 && same(&out, &first), new = out.generation == 8 && same(&out, &second);
                wrong += !good || (!old && !new) || (new && cut < whole);
                olds += old;
        }
        tap_ok(wrong == 0 && olds >= whole - 1, SUBJECT, "cut at every byte: the old one whole or the new one whole");
        /* As a disk that writes its sectors in another order. */
        wrong = 0;
        for (size_t sector = 0; sector < KEPT_SLOT_BYTES; sector += 512) {
                memset(slot, 0, sizeof slot);
                memcpy(slot + sector, new_slot + sector, sizeof slot - sector);
                put_slot(fd, 0, slot, sizeof slot);
                wrong += failed(kept_read(fd, &out)) || out.state != KEPT_GOOD
                         || out.generation != (sector == 0 ? 8 : 7);
        }
        tap_ok(wrong == 0, SUBJECT, "sectors missing in front");
        wrong = 0;
        for (size_t bit = 0; bit < whole * 8; bit++) {
                memcpy(slot, new_slot, sizeof slot);
                slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
                put_slot(fd, 0, slot, sizeof slot);
                wrong += failed(kept_read(fd, &out)) || out.state != KEPT_GOOD || out.generation != 7;
        }
        tap_ok(wrong == 0, SUBJECT, "every bit that is wrong: the old one");
        close(fd);
}

/* Writing itself breaks off at a byte, as at a disk that fails. */
static void test_partial_writes(void)
{
        int fd = disk();
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit before;
        size_t        wrong = 0, tries = 0;
        bool          good = getrlimit(RLIMIT_FSIZE, &before) == 0 && !failed(kept_write(fd, &first));
        for (size_t cut = 0; cut < KEPT_SLOT_BYTES; cut += cut < 256 ? 1 : 4093, tries++) {
                /* The next goes into the second slot. */
                struct rlimit least = {KEPT_AT + KEPT_SLOT_BYTES + cut, before.rlim_max};
                good = good && setrlimit(RLIMIT_FSIZE, &least) == 0;
                wrong += kept_write(fd, &second).code != ERR_SYSTEM;
                good = good && setrlimit(RLIMIT_FSIZE, &before) == 0;
                /* All of it had come but the zeros behind it: that is the new one. */
                bool whole = cut >= KEPT_HEAD_BYTES + second.len;
                wrong += failed(kept_read(fd, &out)) || out.state != KEPT_GOOD || !same(&out, whole ? &second : &first);
                put_slot(fd, 1, (uint8_t[KEPT_SLOT_BYTES]){}, KEPT_SLOT_BYTES);
        }
        tap_ok(good && wrong == 0 && tries > 256, SUBJECT, "a write that breaks off is said, and leaves the old one");
        good = !failed(kept_write(fd, &second)) && !failed(kept_read(fd, &out)) && same(&out, &second);
        tap_ok(good, SUBJECT, "the next write after it holds");
        close(fd);
}

static void resign(uint8_t *s, size_t len) { secret_hash(s + 8, (view){s + 40, KEPT_HEAD_BYTES - 40 + len}, (view){}); }

static void test_bad_slots(void)
{
        int fd = disk();
        kept_encode(&first, 1, slot);
        slot[60] ^= 1;
        put_slot(fd, 0, slot, sizeof slot);
        put_slot(fd, 1, slot, sizeof slot);
        bool good = !failed(kept_read(fd, &out)) && out.state == KEPT_DAMAGED && out.len == 0;
        tap_ok(good, SUBJECT, "two bad slots are an empty record that says so");
        good = !failed(kept_write(fd, &first)) && !failed(kept_read(fd, &out)) && out.state == KEPT_GOOD;
        tap_ok(good && same(&out, &first), SUBJECT, "two bad slots are written again");
        /* Sound by its digest, and yet not lines. */
        static const view texts[] = {VIEW_INIT("clock"), VIEW_INIT("clock\n"), VIEW_INIT("clock 1"),
                                     VIEW_INIT("clock 1\n\n"), VIEW_INIT(" 1\n"), VIEW_INIT("clock 1\0\n")};
        bool refused = true;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                kept_encode(&(kept){}, 9, slot);
                memcpy(slot + KEPT_HEAD_BYTES, texts[i].data, texts[i].len);
                slot[52] = (uint8_t)texts[i].len;
                resign(slot, texts[i].len);
                refused = refused && kept_decode(slot, &out) == KEPT_DAMAGED && out.len == 0;
        }
        tap_ok(refused, SUBJECT, "text that is no lines is a bad slot");
        close(fd);
}

static void test_newer(void)
{
        int fd = disk();
        kept_encode(&first, 1, slot);
        put_slot(fd, 0, slot, sizeof slot);
        kept_encode(&second, 2, slot);
        slot[40] = KEPT_FORMAT + 1;
        resign(slot, second.len);
        put_slot(fd, 1, slot, sizeof slot);
        bool good = !failed(kept_read(fd, &out)) && out.state == KEPT_NEWER && same(&out, &first);
        tap_ok(good, SUBJECT, "a newer format is said, and what can be read is there");
        tap_ok(kept_write(fd, &out).code == ERR_ROLLED_BACK, SUBJECT, "nothing is written over a newer format");
        slot[30] ^= 1;
        put_slot(fd, 1, slot, sizeof slot);
        good = !failed(kept_read(fd, &out)) && out.state == KEPT_GOOD && same(&out, &first);
        tap_ok(good, SUBJECT, "a newer format with a wrong digest is a bad slot");
        close(fd);
}

int main(void)
{
        tree_make();
        fill();
        test_lines();
        test_refused_lines();
        test_disk();
        test_torn();
        test_partial_writes();
        test_bad_slots();
        test_newer();
        tree_remove();
        return tap_done();
}
