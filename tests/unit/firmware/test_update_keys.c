#include "firmware/update_keys.h"

#include "base/secret.h"
#include "firmware/file.h"
#include "sign/minisign.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "update_keys";

static char        lines[4][64];
static char        three[512];
static kept        k;
static update_keys keys;
static notice      why;

static void make_keys(void)
{
        for (uint8_t i = 0; i < 4; i++) {
                minisign_key key;
                uint8_t      seed[32], text[256];
                memset(seed, 'k' + i, sizeof seed);
                minisign_key_from_seed(&key, seed);
                emit e = emit_into(text, sizeof text);
                minisign_write_public(key.number, key.public_key, &e);
                const uint8_t *line = memchr(text, '\n', e.len);
                if (line == nullptr)
                        abort();
                memcpy(lines[i], line + 1, UPDATE_KEY_BYTES);
        }
        snprintf(three, sizeof three, "# who signs\nuntrusted comment: a key\n%s\n\n%s\r\n%s\n", lines[0], lines[1],
                 lines[2]);
}

static bool parses(const char *text)
{
        why.len = 0;
        return !failed(update_keys_parse(view_of_text(text), &keys, &why)) && why.len == 0;
}

static void test_parse(void)
{
        char text[512];
        tap_ok(parses(three) && keys.count == 3 && memcmp(keys.lines[2], lines[2], UPDATE_KEY_BYTES) == 0, SUBJECT,
               "three keys, with remarks");
        tap_ok(parses("") && keys.count == 0 && parses("# none\n") && keys.count == 0, SUBJECT, "none at all");
        snprintf(text, sizeof text, "%s\n%s\n", lines[0], lines[1]);
        tap_ok(!parses(text) && why.len > 0, SUBJECT, "two are too few");
        snprintf(text, sizeof text, "%s\n%s\n%s\n%s\n", lines[0], lines[1], lines[2], lines[3]);
        tap_ok(!parses(text), SUBJECT, "four are too many");
        snprintf(text, sizeof text, "%s\n%s\n%s\n", lines[0], lines[1], lines[0]);
        tap_ok(!parses(text), SUBJECT, "one of them twice");
        bool good = true;
        for (size_t len = 1; len < UPDATE_KEY_BYTES; len++) {
                snprintf(text, sizeof text, "%.*s\n%s\n%s\n", (int)len, lines[0], lines[1], lines[2]);
                good = good && !parses(text) && why.len > 0;
        }
        tap_ok(good, SUBJECT, "one that is cut at any letter");
        snprintf(text, sizeof text, "X%s\n%s\n%s\n", lines[0] + 1, lines[1], lines[2]);
        tap_ok(!parses(text), SUBJECT, "one of another kind");
}

/* A second number before the same key: one person with two voices. */
static void test_renumbered(void)
{
        char text[512], other[64];
        memcpy(other, lines[0], sizeof other);
        other[4] = other[4] == 'A' ? 'B' : 'A';
        snprintf(text, sizeof text, "%s\n%s\n%s\n", lines[0], other, lines[1]);
        tap_ok(!parses(text) && text_contains(notice_view(&why), VIEW("twice")), SUBJECT,
               "the same key under another number is the same");
}

static void test_kept(void)
{
        tree_make();
        tap_ok(!failed(update_keys_read(tree_root, &k, &keys, &why)) && keys.count == 0, SUBJECT,
               "a box begins without");
        tap_ok(failed(update_keys_keep(tree_root, &k, VIEW("# none\n"), &why)) && k.len == 0, SUBJECT,
               "no key is none");
        tap_ok(failed(update_keys_keep(tree_root, &k, VIEW("rubbish\n"), &why)) && k.len == 0, SUBJECT,
               "nor is rubbish");
        tap_ok(!failed(update_keys_keep(tree_root, &k, view_of_text(three), &why))
                       && !failed(update_keys_read(tree_root, &k, &keys, &why)) && keys.count == 3
                       && !update_keys_throw_away(&keys),
               SUBJECT, "it is given three");
        tap_ok(failed(update_keys_keep(tree_root, &k, view_of_text(three), &why)), SUBJECT, "once");
        (void)!failed(kept_add(&k, VIEW("update-key"), VIEW("x")));
        tap_ok(failed(update_keys_read(tree_root, &k, &keys, &why)), SUBJECT, "what it keeps was damaged");
        k = (kept){};
        tree_file("/etc/lethe/update-keys", three);
        tap_ok(!failed(update_keys_read(tree_root, &k, &keys, &why)) && keys.count == 3
                       && failed(update_keys_keep(tree_root, &k, view_of_text(three), &why)),
               SUBJECT, "an image that brings its own takes no others");
        tree_file("/etc/lethe/update-keys", "rubbish\n");
        tap_ok(failed(update_keys_read(tree_root, &k, &keys, &why)), SUBJECT, "one whose own are damaged has none");
        tree_remove();
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        make_keys();
        test_parse();
        test_renumbered();
        test_kept();
        return tap_done();
}
