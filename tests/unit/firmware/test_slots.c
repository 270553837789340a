#include "firmware/slots.h"

#include "support/tap.h"

static const char SUBJECT[] = "slots";

static void test_names(void)
{
        static const struct {
                const char *text;
                bool        good;
                slot_name   name;
        } rows[] = {
                {"lethe_1_a.efi", true, {1, SLOT_A, false, 0, 0}},
                {"lethe_12_b+3.efi", true, {12, SLOT_B, true, 3, 0}},
                {"lethe_12_b+2-1.efi", true, {12, SLOT_B, true, 2, 1}},
                {"lethe_12_b+0-3.efi", true, {12, SLOT_B, true, 0, 3}},
                {"lethe_1_c.efi", false, {}},
                {"lethe_1_a", false, {}},
                {"lethe_1_a.tmp", false, {}},
                {"lethe_1_a+.efi", false, {}},
                {"lethe_1_a+3-.efi", false, {}},
                {"lethe_1_a+03.efi", false, {}},
                {"lethe__a.efi", false, {}},
                {"lethe_99999999_a.efi", false, {}},
                {"lethe_1.2.3.efi", false, {}},
                {"other_1_a.efi", false, {}},
                {"", false, {}},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                slot_name n;
                char      text[SLOT_NAME_BYTES];
                bool      good = slot_name_parse(view_of_text(rows[i].text), &n) == rows[i].good;
                if (good && rows[i].good) {
                        slot_name_write(&n, text);
                        good = memcmp(&n, &rows[i].name, sizeof n) == 0 && strcmp(text, rows[i].text) == 0;
                }
                tap_ok(good, SUBJECT, rows[i].text);
        }
}

static void test_env(void)
{
        uint8_t  bytes[SLOT_ENV_BYTES];
        slot_env e = {SLOT_B, {true, false}, {0, 3}}, back;
        slot_env_write(&e, bytes);
        tap_ok(slot_env_parse((view){bytes, sizeof bytes}, &back) && memcmp(&e, &back, sizeof e) == 0, SUBJECT,
               "what is written for GRUB is read again");
        tap_ok(view_starts((view){bytes, sizeof bytes},
                           VIEW("# GRUB Environment Block\nORDER=b a\na_ok=1\na_left=0\nb_ok=0\nb_left=3\n####")),
               SUBJECT, "in GRUB's own form");
        bool one_sector = true;
        for (size_t i = 512; i < sizeof bytes; i++)
                one_sector = one_sector && bytes[i] == '#';
        tap_ok(one_sector, SUBJECT, "with all that changes in its first sector");
        bool good = true;
        for (size_t len = 0; len < sizeof bytes; len++)
                good = good && !slot_env_parse((view){bytes, len}, &back);
        tap_ok(good, SUBJECT, "cut at any byte it is none");
        memcpy(bytes, "# Grub", 6);
        tap_ok(!slot_env_parse((view){bytes, sizeof bytes}, &back) && back.first == SLOT_A && !back.ok[SLOT_A], SUBJECT,
               "nor with another head");
        tap_ok(slot_env_one("words", VIEW("a b=c"), bytes)
                       && view_starts((view){bytes, sizeof bytes}, VIEW("# GRUB Environment Block\nwords=a b=c\n###")),
               SUBJECT, "one value");
        static uint8_t much[SLOT_ENV_BYTES];
        memset(much, 'x', sizeof much);
        tap_ok(!slot_env_one("words", (view){much, sizeof much}, bytes), SUBJECT, "that does not fit");
}

int main(void)
{
        test_names();
        test_env();
        return tap_done();
}
