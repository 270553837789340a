#include "firmware/cmdline.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "cmdline";

#define NEEDED                                                                                                      \
        "init_on_alloc=1 init_on_free=1 lockdown=confidentiality module.sig_enforce=1 efi_pstore.pstore_disable=1 " \
        "erst_disable nohibernate debugfs=off oops=panic"

static const struct {
        const char *sentence;
        view words, said; /* empty: taken */
} rows[] = {
        {"what is needed is enough", VIEW_INIT(NEEDED "\n"), {}},
        {"a boot loader may name what it loaded", VIEW_INIT("BOOT_IMAGE=/bios/a/vmlinuz initrd=x " NEEDED), {}},
        {"a serial console is known", VIEW_INIT(NEEDED " quiet console=tty0 console=ttyS0,115200"), {}},
        {"page_poison switches wiping off", VIEW_INIT(NEEDED " page_poison=1"), VIEW_INIT("'page_poison=1'")},
        {"slub_debug does too", VIEW_INIT(NEEDED " slub_debug=FZP"), VIEW_INIT("'slub_debug=FZP'")},
        {"a later word would win", VIEW_INIT(NEEDED " init_on_free=0"), VIEW_INIT("'init_on_free=0'")},
        {"another program is no PID 1", VIEW_INIT(NEEDED " init=/bin/sh"), VIEW_INIT("'init=/bin/sh'")},
        {"a word in quotes is not known", VIEW_INIT(NEEDED " \"quiet\""), VIEW_INIT("'\"quiet\"'")},
        {"only the first part is the same", VIEW_INIT(NEEDED " quietly"), VIEW_INIT("'quietly'")},
        {"nothing at all", VIEW_INIT(""), VIEW_INIT("without the word 'init_on_free=1'")},
        {"half a word is not the word", VIEW_INIT("init_on_alloc=1 init_on_free="), VIEW_INIT("'init_on_free='")},
};

static void test_words(void)
{
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                notice why = {};
                bool refused = failed(cmdline_check(rows[i].words, &why));
                tap_ok(refused == (rows[i].said.len > 0) && text_contains(notice_view(&why), rows[i].said), SUBJECT,
                       rows[i].sentence);
        }
        tap_ok(cmdline_has(VIEW("a console=ttyS0 b"), VIEW("console=ttyS0"))
                       && cmdline_has(VIEW("console=ttyS0,115200n8"), VIEW("console=ttyS0"))
                       && !cmdline_has(VIEW("console=ttyS01 xconsole=ttyS0"), VIEW("console=ttyS0")),
               SUBJECT, "a word is found with and without its options");
}

/* The image's own words, which colleagues of this file write. */
static void test_image(void)
{
        FILE *f = fopen("image/cmdline.txt", "r");
        char words[4096] = "", line[512];
        if (f == nullptr) {
                tap_skip(SUBJECT, "image/cmdline.txt is not here");
                return;
        }
        while (fgets(line, sizeof line, f) != nullptr)
                if (line[0] != '#') {
                        line[strcspn(line, "\n")] = ' ';
                        strncat(words, line, sizeof words - strlen(words) - 1);
                }
        fclose(f);
        notice why = {};
        if (!tap_ok(!failed(cmdline_check(view_of_text(words), &why)), SUBJECT,
                    "the image's own command line is taken"))
                printf("# %.*s\n", (int)why.len, (const char *)why.bytes);
}

static void test_log(void)
{
        notice why = {};
        view on = VIEW("<6>[ 0.1] a\n<6>[ 0.2] mem auto-init: stack:all(zero), heap alloc:on, heap free:on\n");
        view off = VIEW("<6>[ 0.2] mem auto-init: stack:all(zero), heap alloc:off, heap free:off\nheap free:on\n");
        tap_ok(!failed(cmdline_check_log(on, &why)) && failed(cmdline_check_log(off, &why))
                       && failed(cmdline_check_log(VIEW("heap free:on\n"), &why))
                       && failed(cmdline_check_log((view){}, &why)),
               SUBJECT, "the kernel's own line says whether it wipes, and no other");
}

static void test_swaps(void)
{
        notice why = {};
        view head = VIEW("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        tap_ok(!failed(cmdline_check_swaps(head, &why)) && !failed(cmdline_check_swaps((view){}, &why)), SUBJECT,
               "a headline alone is no swap");
        tap_ok(failed(cmdline_check_swaps(VIEW("Filename Type\n/dev/vdb partition 1 0 -2\n"), &why))
                       && text_contains(notice_view(&why), VIEW("/dev/vdb")),
               SUBJECT, "a device behind it is refused by name");
        tree_file("/proc/cmdline", "quiet splash\n");
        tap_ok(failed(cmdline_check_kernel(tree_root, &why)) && text_contains(notice_view(&why), VIEW("'splash'")),
               SUBJECT, "the running kernel's words are read");
}

int main(void)
{
        tree_make();
        test_words();
        test_image();
        test_log();
        test_swaps();
        tree_remove();
        return tap_done();
}
