#include "firmware/bundle.h"

#include "bundles.h"
#include "support/tap.h"

static const char SUBJECT[] = "bundle";

static char         text[BUNDLE_MANIFEST_BYTES];
static bundle       b;
static notice       why;
static bundle_judge judge = {.keys = &made_set, .least_epoch = 2, .built_s = 1000};

static err_code reads(size_t len)
{
        why.len = 0;
        return bundle_read((view){made, len < BUNDLE_FRONT_BYTES ? len : BUNDLE_FRONT_BYTES}, &judge, &b, &why).code;
}

static void test_good(void)
{
        made_text(text, sizeof text, 'x', "1.2.3", 2, 1000);
        size_t len = made_bundle(text, "1.2.3", 2, "12", 'x');
        tap_ok(reads(len) == ERR_NONE && b.signers == 3 && strcmp(b.manifest.version, "1.2.3") == 0
                       && b.manifest.epoch == 2 && b.manifest.built_s == 1000
                       && b.manifest.uki.bytes == MADE_IMAGE_BYTES
                       && b.manifest.vmlinuz.at == 512 && b.manifest.initrd.bytes == 1000
                       && strcmp(b.manifest.cmdline, "quiet a=b") == 0 && b.image_at % BUNDLE_ALIGN == 0
                       && made[b.image_at] == 'x' && made[b.image_at - 1] == 0,
               SUBJECT, "one that two keys signed");
        tap_ok(view_equal(b.text, view_of_text(text)), SUBJECT, "its manifest stands in it as it was signed");
        len = made_bundle(text, "1.2.3", 2, "132", 'x');
        tap_ok(reads(len) == ERR_NONE && b.signers == 7, SUBJECT, "or three");
        len = made_bundle(text, "1.2.3", 2, "431", 'x');
        tap_ok(reads(len) == ERR_NONE && b.signers == 5, SUBJECT, "a stranger's signature beside two does not matter");
}

static void test_signatures(void)
{
        static const struct {
                const char *signers, *sentence;
        } rows[] = {{"", "no signature"}, {"1", "one signature"}, {"11", "two of one key"}, {"222", "three of one key"},
                    {"4", "a stranger's"}, {"14", "one, and a stranger's"}};
        made_text(text, sizeof text, 'x', "1.2.3", 2, 1000);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                size_t len = made_bundle(text, "1.2.3", 2, rows[i].signers, 'x');
                tap_ok(reads(len) == ERR_BAD_SIGNATURE && why.len > 0, SUBJECT, rows[i].sentence);
        }
        static const update_keys none = {};
        judge.keys = &none;
        size_t len = made_bundle(text, "1.2.3", 2, "12", 'x');
        tap_ok(reads(len) == ERR_BAD_SIGNATURE && text_contains(notice_view(&why), VIEW("no update keys")), SUBJECT,
               "a box without keys takes none");
        judge.keys = &made_set;
}

static void test_age(void)
{
        made_text(text, sizeof text, 'x', "1.2.3", 1, 5000);
        tap_ok(reads(made_bundle(text, "1.2.3", 1, "12", 'x')) == ERR_ROLLED_BACK, SUBJECT,
               "of a lower security epoch");
        judge.older = true;
        tap_ok(reads(made_bundle(text, "1.2.3", 1, "12", 'x')) == ERR_ROLLED_BACK, SUBJECT, "even when it is meant");
        made_text(text, sizeof text, 'x', "1.2.3", 2, 999);
        tap_ok(reads(made_bundle(text, "1.2.3", 2, "12", 'x')) == ERR_NONE, SUBJECT, "an older one when it is meant");
        judge.older = false;
        tap_ok(reads(made_bundle(text, "1.2.3", 2, "12", 'x')) == ERR_ROLLED_BACK
                       && text_contains(notice_view(&why), VIEW("--older")),
               SUBJECT, "and not otherwise");
        made_text(text, sizeof text, 'x', "1.2.3", 3, 1001);
        tap_ok(reads(made_bundle(text, "1.2.3", 3, "12", 'x')) == ERR_NONE, SUBJECT, "a newer one of a higher epoch");
}

static void replace(const char *from, const char *to)
{
        static char copy[BUNDLE_MANIFEST_BYTES];
        char       *at = strstr(text, from);
        if (at == nullptr)
                abort();
        snprintf(copy, sizeof copy, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
        memcpy(text, copy, sizeof copy);
}

static void test_manifests(void)
{
        static const made_change rows[] = {
                {"product lethe", "product other"}, {"format 1", "format 2"},      {"version 1.2.3", "version 1/2"},
                {"version 1.2.3", "version 1 2"},   {"version 1.2.3\n", ""},       {"epoch 2", "epoch 02"},
                {"epoch 2", "epoch -1"},            {"built 1000", "built x"},     {"quiet a=b", "quiet \"a\""},
                {"quiet a=b", "$x"},                {"uki 20000", "uki 99999999"}, {"uki 20000", "uki 0"},
                {"vmlinuz 512 1000", "vmlinuz 19999 2"}, {"vmlinuz 512 1000", "vmlinuz 20001 1"},
                {"vmlinuz 512 1000", "vmlinuz 512"}, {"pcr4 ", "pcr4 0"},          {"pcr11", "pcr12"},
                {"commit abc", "commit abc\ncommit abc"}, {"commit abc", "commit a\x01"},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                made_text(text, sizeof text, 'x', "1.2.3", 2, 1000);
                replace(rows[i].from, rows[i].to);
                size_t len = made_bundle(text, "1.2.3", 2, "12", 'x');
                tap_ok(reads(len) == ERR_BAD_FILE && why.len > 0, SUBJECT, rows[i].to);
        }
        made_text(text, sizeof text, 'x', "1.2.3", 2, 1000);
        strcat(text, "more 1\n");
        tap_ok(reads(made_bundle(text, "1.2.3", 2, "12", 'x')) == ERR_BAD_FILE, SUBJECT, "a line too many");
}

static void test_heads(void)
{
        made_text(text, sizeof text, 'x', "1.2.3", 2, 1000);
        size_t len = made_bundle(text, "1.2.4", 2, "12", 'x');
        tap_ok(reads(len) == ERR_BAD_FILE, SUBJECT, "a head of another version");
        tap_ok(reads(made_bundle(text, "1.2.3", 3, "12", 'x')) == ERR_BAD_FILE, SUBJECT, "a head of another epoch");
        len = made_bundle(text, "1.2.3", 2, "12", 'x');
        put_u32(made + 32, MADE_IMAGE_BYTES + 1);
        tap_ok(reads(len) == ERR_BAD_FILE, SUBJECT, "a head of another image");
        len = made_bundle(text, "1.2.3", 2, "12", 'x');
        size_t front = (size_t)b.image_at;
        bool   good = reads(len) == ERR_NONE;
        front = (size_t)b.image_at;
        size_t end = front;
        while (end > 0 && made[end - 1] == 0)
                end--;
        for (size_t cut = 0; cut < end; cut++)
                good = good && reads(cut) != ERR_NONE && why.len > 0;
        tap_ok(good, SUBJECT, "cut at any byte it is refused with a sentence");
        good = true;
        for (size_t at = 0; at < end; at++) {
                made[at] ^= 0x20;
                err_code code = reads(len);
                /* The size of a third signature that is none may differ, and comments that nobody signed. */
                bool size_of_third = at >= 24 && at < 28;
                if (code == ERR_NONE && at < BUNDLE_HEAD_BYTES + strlen(text) && !size_of_third)
                        good = false;
                made[at] ^= 0x20;
        }
        tap_ok(good, SUBJECT, "a byte altered in head or manifest is refused");
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        made_keys_make();
        test_good();
        test_signatures();
        test_age();
        test_manifests();
        test_heads();
        return tap_done();
}
