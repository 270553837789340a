#include "vault/config_set.h"

#include <stdlib.h>

#include "base/secret.h"
#include "support/tap.h"
#include "unit/vault/state_file.h"
#include "vault/little_endian.h"

static const char SUBJECT[] = "config_set";

static err put(region *set, const char *name, view bytes)
{
        const config_file f = {view_of_text(name), bytes};
        return config_set_put(set, &f);
}

static void test_names(void)
{
        static const char *const good[] = {"lethe.json",    "policy.json",   "tls/server.crt", "tls/server.key",
                                           "tls/admin.crt", "tls/admin.key", "ca/vendor.pem",  "ca/a-B_1.2"};
        static const char *const bad[] = {"",           "lethe",        "/lethe.json", "tls",       "tls/",
                                          "ca/",        "ca/.hidden",   "ca/a/b",      "ca/..",     "ca/x.key",
                                          "../x",       "tls/x.crt",    "lethe.json ", "ca/a b",    "ca/\xc3\xa9",
                                          "ca/0123456789012345678901234567890x"};
        bool                     fine = true;
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                fine = fine && config_name_valid(view_of_text(good[i]));
        tap_ok(fine, SUBJECT, "the names that roles open are taken");
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                fine = fine && !config_name_valid(view_of_text(bad[i]));
        tap_ok(fine, SUBJECT, "no other is");
        tap_ok(config_name_secret(VIEW("tls/admin.key")) && !config_name_secret(VIEW("tls/admin.crt"))
                       && !config_name_secret(VIEW(".ke")),
               SUBJECT, "private keys are known by their names");
}

static void test_put(void)
{
        region      set;
        config_file f;
        config_set_init(&set);
        tap_ok(config_set_number(region_view(&set)) == 0 && config_set_count(region_view(&set)) == 0
                       && !failed(config_set_check(region_view(&set))),
               SUBJECT, "an empty set is a set");
        bool good = !failed(put(&set, "tls/server.key", VIEW("key"))) && !failed(put(&set, "ca/v.pem", VIEW("ca")))
                    && !failed(put(&set, "policy.json", (view){})) && !failed(put(&set, "lethe.json", VIEW("old")));
        uint64_t before = config_set_number(region_view(&set));
        good = good && !failed(put(&set, "lethe.json", VIEW("newer")));
        tap_ok(good && config_set_count(region_view(&set)) == 4 && !failed(config_set_check(region_view(&set))),
               SUBJECT,
               "files are added in any order and replaced");
        tap_ok(config_set_find(region_view(&set), VIEW("lethe.json"), &f) && view_equal(f.bytes, VIEW("newer"))
                       && config_set_find(region_view(&set), VIEW("policy.json"), &f) && f.bytes.len == 0
                       && !config_set_find(region_view(&set), VIEW("tls/server.crt"), &f),
               SUBJECT, "and found again, empty ones too");
        tap_ok(before != 0 && config_set_number(region_view(&set)) != before, SUBJECT,
               "another set has another number");
        size_t at = 0, n = 0;
        view   last = {};
        for (; config_set_next(region_view(&set), &at, &f); n++) {
                good = good && (n == 0 || memcmp(last.data, f.name.data, 2) < 0);
                last = f.name;
        }
        tap_ok(good && n == 4, SUBJECT, "they stand in the order of their names");
        tap_ok(put(&set, "x", VIEW("y")).code == ERR_OUT_OF_RANGE && config_set_count(region_view(&set)) == 4, SUBJECT,
               "a name that is none changes nothing");
        region_end(&set);
}

static void test_room(void)
{
        static uint8_t big[LIMIT_CONFIG_BYTES + 1];
        region         set;
        char           name[16] = "ca/00";
        config_set_init(&set);
        tap_ok(put(&set, "lethe.json", (view){big, sizeof big}).code == ERR_NO_ROOM, SUBJECT, "a file has its most");
        bool   good = true;
        size_t n = 0;
        for (; good && n < CONFIG_SET_FILES; n++) {
                name[3] = (char)('0' + n / 10);
                name[4] = (char)('0' + n % 10);
                good = !failed(put(&set, name, VIEW("x")));
        }
        tap_ok(good && config_set_count(region_view(&set)) == CONFIG_SET_FILES, SUBJECT, "so many files fit");
        tap_ok(put(&set, "lethe.json", VIEW("x")).code == ERR_NO_ROOM
                       && config_set_count(region_view(&set)) == CONFIG_SET_FILES,
               SUBJECT, "one more does not, and changes nothing");
        region_end(&set);
        config_set_init(&set);
        for (n = 0; n < 8 && !failed(put(&set, (name[4] = (char)('0' + n), name), (view){big,
                LIMIT_CONFIG_BYTES})); n++)
                continue;
        tap_ok(n == 3 && !failed(config_set_check(region_view(&set))), SUBJECT, "nor more than a megabyte");
        region_end(&set);
}

static void test_check(void)
{
        region  set;
        uint8_t copy[512];
        config_set_init(&set);
        if (failed(put(&set, "ca/v.pem", VIEW("ca"))) || failed(put(&set, "lethe.json", VIEW("{}"))))
                abort();
        view whole = region_view(&set);
        bool good = true;
        for (size_t cut = 1; cut < whole.len; cut++)
                if (cut != 8 + 2 + 8 + 2)
                        good = good && failed(config_set_check(view_slice(whole, 0, cut)));
        tap_ok(good, SUBJECT, "a set cut anywhere but between two files is none");
        memcpy(copy, whole.data, whole.len);
        copy[10] = 'x';
        tap_ok(failed(config_set_check((view){copy, whole.len})), SUBJECT, "nor one with another name");
        memcpy(copy, whole.data + 20, whole.len - 20);
        memcpy(copy + whole.len - 20, whole.data, 20);
        tap_ok(failed(config_set_check((view){copy, whole.len})), SUBJECT, "nor one in another order");
        region_end(&set);
}

static void test_store(void)
{
        int    fd = state_new();
        store  s;
        region set;
        config_set_init(&set);
        if (failed(put(&set, "lethe.json", VIEW("{}"))) || failed(state_open(&s, fd)))
                abort();
        tap_ok(s.config.len == 0 && s.opens == STORE_OPENS_UNSAID, SUBJECT, "a new vault holds no configuration");
        tap_ok(store_set_config(&s, VIEW("x"), STORE_OPENS_TPM).code == ERR_BAD_FILE && s.config.len == 0
                       && s.opens == STORE_OPENS_UNSAID,
               SUBJECT, "what is no set is refused");
        bool good = !failed(store_set_config(&s, region_view(&set), STORE_OPENS_KEY_FILE));
        store_close(&s);
        good = good && !failed(state_open(&s, fd));
        tap_ok(good && view_equal(region_view(&s.config), region_view(&set)) && s.opens == STORE_OPENS_KEY_FILE,
               SUBJECT,
               "a set and how the vault opens are there after a restart");
        good = !failed(store_set_config(&s, (view){}, STORE_OPENS_PERSON));
        tap_ok(good && s.config.len == 0 && s.opens == STORE_OPENS_PERSON, SUBJECT, "a set is replaced as a whole");
        store_close(&s);
        region_end(&set);
        close(fd);
}

static void test_blank(void)
{
        bool blank = true;
        int  fd = memfd_create("state", MFD_CLOEXEC);
        tap_ok(!failed(container_is_blank(fd, &blank)) && blank, SUBJECT, "an empty file is blank");
        if (ftruncate(fd, (off_t)(2 * CONTAINER_SLOT_BYTES)) != 0)
                abort();
        tap_ok(!failed(container_is_blank(fd, &blank)) && blank, SUBJECT, "and one of zeros");
        static const size_t places[] = {0, 8191, 8192, 100000, CONTAINER_SLOT_BYTES - 1, CONTAINER_SLOT_BYTES,
                                        CONTAINER_SLOT_BYTES + 9000, 2 * CONTAINER_SLOT_BYTES - 1};
        bool                good = true;
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
                flip(fd, places[i], 1);
                good = good && !failed(container_is_blank(fd, &blank)) && !blank;
                flip(fd, places[i], 1);
        }
        tap_ok(good, SUBJECT, "one bit anywhere, and it is not");
        close(fd);
        fd = state_new();
        tap_ok(!failed(container_is_blank(fd, &blank)) && !blank, SUBJECT, "a vault is not blank");
        flip(fd, 100, 1);
        flip(fd, CONTAINER_SLOT_BYTES + 100, 1);
        tap_ok(!failed(container_is_blank(fd, &blank)) && !blank, SUBJECT, "a damaged one is not either");
        close(fd);
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        test_names();
        test_put();
        test_room();
        test_check();
        test_store();
        test_blank();
        return tap_done();
}
