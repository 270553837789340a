#include "firmware/boot_files.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

#include "firmware/file.h"
#include "bundles.h"
#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "boot_files";

static const image    running = {.version = "1.0.0", .commit = "abc", .epoch_s = 500};
static char           text[BUNDLE_MANIFEST_BYTES];
static bundle         b;
static notice         why;
static boot_facts     f;
static const char    *words = "quiet";
static uint8_t        piece[MADE_IMAGE_BYTES];

static view filled(uint8_t fill, size_t len)
{
        memset(piece, fill, sizeof piece);
        return (view){piece, len};
}

/* A boot partition as the image brings it: version 1.0.0 in slot a, of bytes 'o'. */
static void partition(void)
{
        uint8_t env[SLOT_ENV_BYTES];
        tree_remove();
        tree_make();
        made_text(text, sizeof text, 'o', "1.0.0", 1, 500);
        tree_file("/slots/a", text);
        tree_bytes("/EFI/Linux/lethe_1_a.efi", filled('o', MADE_IMAGE_BYTES));
        tree_bytes("/bios/a/vmlinuz", filled('o', 1000));
        tree_bytes("/bios/a/initrd", filled('o', 1000));
        slot_env_one("words", VIEW("quiet"), env);
        tree_bytes("/bios/a/words", (view){env, sizeof env});
        slot_env_write(&(slot_env){SLOT_A, {true, false}, {0, 0}}, env);
        tree_bytes("/grub/env", (view){env, sizeof env});
}

static err_code look(void)
{
        const boot_started s = {.cmdline = view_of_text(words), .image = &running};
        return boot_look(tree_root, &s, &f, &why).code;
}

static size_t offer(uint8_t fill, const char *version, unsigned epoch)
{
        const bundle_judge judge = {.keys = &made_set, .least_epoch = 1, .built_s = 500};
        made_text(text, sizeof text, fill, version, epoch, 600);
        size_t len = made_bundle(text, version, epoch, "12", fill);
        if (failed(bundle_read((view){made, BUNDLE_FRONT_BYTES}, &judge, &b, &why)))
                abort();
        return len;
}

static err_code install(size_t len, const boot_progress *p)
{
        const boot_offer o = {{made, len}, &b};
        return boot_install(tree_root, &f, &o, p, &why).code;
}

static bool is(const char *path, view content) { return view_equal(tree_read(path), content); }

static void test_look(void)
{
        partition();
        tap_ok(look() == ERR_NONE && f.running == SLOT_A && !f.on_trial && f.slot[SLOT_A].there && f.slot[SLOT_A].known
                       && strcmp(f.slot[SLOT_A].version, "1.0.0") == 0 && !f.slot[SLOT_B].there && f.env_good,
               SUBJECT, "the running slot is told by its version");
        words = "quiet lethe.slot=b";
        tap_ok(look() == ERR_NONE && f.running == SLOT_B && f.by_grub, SUBJECT, "or by GRUB's word");
        words = "quiet";
        const boot_started s = {.entry = VIEW("lethe_4_b.efi"), .cmdline = VIEW("quiet"), .image = &running};
        tap_ok(!failed(boot_look(tree_root, &s, &f, &why)) && f.running == SLOT_B, SUBJECT, "or by systemd-boot's");
        tree_file("/slots/a", "product lethe\n");
        tap_ok(look() == ERR_NONE && f.running == SLOT_NONE && install(offer('n', "2.0.0", 1), nullptr) != ERR_NONE,
               SUBJECT, "what cannot be told is not written over");
        remove(tree_path("/EFI/Linux/lethe_1_a.efi"));
        remove(tree_path("/EFI/Linux"));
        tap_ok(look() != ERR_NONE && why.len > 0, SUBJECT, "a partition that is another's");
}

static void test_life(void)
{
        uint8_t env[SLOT_ENV_BYTES];
        partition();
        (void)look();
        tap_ok(install(offer('n', "2.0.0", 1), nullptr) == ERR_NONE
                       && is("/EFI/Linux/lethe_2_b+3.efi", filled('n', MADE_IMAGE_BYTES))
                       && is("/bios/b/vmlinuz", filled('n', 1000)) && is("/bios/b/initrd", filled('n', 1000)),
               SUBJECT, "an update is written to the slot that does not run");
        slot_env_one("words", VIEW("quiet a=b"), env);
        tap_ok(is("/bios/b/words", (view){env, sizeof env}), SUBJECT, "with the words for its kernel");
        (void)look();
        tap_ok(f.running == SLOT_A && f.env.first == SLOT_B && f.env.left[SLOT_B] == 3 && !f.env.ok[SLOT_B]
                       && f.env.ok[SLOT_A] && f.slot[SLOT_B].known && f.slot[SLOT_B].name.left == 3,
               SUBJECT, "and is started next, three times at most");
        words = "quiet lethe.slot=b";
        (void)look();
        tap_ok(f.on_trial && install(offer('m', "3.0.0", 1), nullptr) == ERR_KEY_BUSY, SUBJECT,
               "what has not proven itself takes no update");
        tap_ok(!failed(boot_mark_good(tree_root, &f, &why)) && look() == ERR_NONE && !f.on_trial
                       && is("/EFI/Linux/lethe_2_b.efi", filled('n', MADE_IMAGE_BYTES)) && f.env.ok[SLOT_B]
                       && f.env.first == SLOT_B && f.env.left[SLOT_B] == 0,
               SUBJECT, "then it has, for both firmwares");
        tap_ok(boot_roll_back(tree_root, &f, 2, &why).code == ERR_ROLLED_BACK, SUBJECT,
               "the other is not started when it is of a lower epoch");
        tap_ok(!failed(boot_roll_back(tree_root, &f, 1, &why)) && look() == ERR_NONE
                       && f.slot[SLOT_A].name.number == 3 && f.slot[SLOT_A].name.left == 3 && f.env.first == SLOT_A
                       && f.env.ok[SLOT_B],
               SUBJECT, "and is started next when it may be");
        partition();
        (void)look();
        (void)install(offer('n', "2.0.0", 1), nullptr);
        words = "quiet lethe.slot=b";
        (void)look();
        (void)!failed(boot_mark_good(tree_root, &f, &why));
        (void)look();
        tree_bytes("/bios/a/initrd", filled('z', 1000));
        tap_ok(boot_roll_back(tree_root, &f, 1, &why).code == ERR_BAD_FILE, SUBJECT, "not when its bytes are others");
        words = "quiet";
}

static void test_refused(void)
{
        partition();
        (void)look();
        size_t len = offer('n', "2.0.0", 1);
        made[len - 1] ^= 1;
        tap_ok(install(len, nullptr) == ERR_BAD_FILE && look() == ERR_NONE && !f.slot[SLOT_B].there, SUBJECT,
               "an image that is not its manifest's");
        len = offer('n', "2.0.0", 1);
        tap_ok(install(len - 1, nullptr) == ERR_BAD_FILE, SUBJECT, "one that is cut off");
        (void)look();
        tap_ok(f.env.first == SLOT_A && f.env.ok[SLOT_A] && !file_exists(tree_root, "/bios/b/vmlinuz"), SUBJECT,
               "nothing was written");
        tap_ok(boot_roll_back(tree_root, &f, 1, &why).code == ERR_BAD_FILE, SUBJECT, "nothing to go back to");
        tree_remove();
        tree_make();
        tree_folder("/EFI/Linux");
        tap_ok(look() == ERR_NONE && f.running == SLOT_NONE && failed(boot_mark_good(tree_root, &f, &why)), SUBJECT,
               "nothing that could have proven itself");
}

static void test_full(void)
{
        partition();
        (void)look();
        (void)install(offer('n', "2.0.0", 1), nullptr);
        (void)look();
        size_t len = offer('m', "3.0.0", 1);
        b.manifest.initrd.bytes = 1ULL << 60;
        tap_ok(install(len, nullptr) == ERR_NO_ROOM && why.len > 0 && look() == ERR_NONE, SUBJECT,
               "an update that the partition has no room for is refused");
        tap_ok(f.slot[SLOT_B].known && strcmp(f.slot[SLOT_B].version, "2.0.0") == 0 && f.env.first == SLOT_B
                       && f.env.left[SLOT_B] == 3 && is("/EFI/Linux/lethe_2_b+3.efi", filled('n', MADE_IMAGE_BYTES))
                       && is("/bios/b/initrd", filled('n', 1000)),
               SUBJECT, "and the other slot is what it was, for both firmwares");
        tap_ok(install(offer('m', "3.0.0", 1), nullptr) == ERR_NONE && look() == ERR_NONE
                       && strcmp(f.slot[SLOT_B].version, "3.0.0") == 0,
               SUBJECT, "one that fits takes its place");
}

/* ---- the power goes ---- */

static int steps, last_step;

static void on_step(void *, uint32_t)
{
        if (++steps == last_step)
                _exit(7);
}

/* What either loader would take. */
static bool starts_whole(void)
{
        (void)look();
        const boot_slot *a = &f.slot[SLOT_A];
        bool old_whole = a->there && !a->name.counted && is("/EFI/Linux/lethe_1_a.efi", filled('o', MADE_IMAGE_BYTES))
                         && is("/bios/a/vmlinuz", filled('o', 1000)) && is("/bios/a/initrd", filled('o', 1000));
        bool new_named = f.slot[SLOT_B].there;
        bool new_whole = is("/EFI/Linux/lethe_2_b+3.efi", filled('n', MADE_IMAGE_BYTES));
        bool grub_new = f.env.first == SLOT_B && f.env.left[SLOT_B] > 0;
        return old_whole && f.env.ok[SLOT_A] && (!new_named || new_whole)
               && (!grub_new || is("/bios/b/initrd", filled('n', 1000)));
}

static void test_power_cuts(void)
{
        const boot_progress p = {on_step, nullptr};
        bool                good = true, ended = false;
        int                 cuts = 0;
        for (last_step = 1; good && !ended; last_step++) {
                partition();
                (void)look();
                size_t len = offer('n', "2.0.0", 1);
                pid_t  pid = fork();
                if (pid == 0) {
                        steps = 0;
                        _exit(install(len, &p) == ERR_NONE ? 0 : 1);
                }
                int status = 0;
                waitpid(pid, &status, 0);
                ended = WEXITSTATUS(status) == 0;
                good = (ended || WEXITSTATUS(status) == 7) && starts_whole();
                cuts += !ended;
                /* And the next one finds its way through what was left. */
                good = good && install(offer('n', "2.0.0", 1), nullptr) == ERR_NONE && look() == ERR_NONE
                       && f.slot[SLOT_B].there;
        }
        tap_ok(good && cuts >= 5, SUBJECT,
               "a power cut after any piece leaves a whole version, and the next update goes through");
        partition();
        tree_bytes("/EFI/Linux/lethe_2_b.tmp", filled('n', 10));
        tree_bytes("/EFI/Linux/lethe_2_b+3.efi", filled('n', 10));
        tree_bytes("/EFI/Linux/lethe_2_b+3.tmp", filled('n', 10));
        (void)look();
        tap_ok(install(offer('n', "2.0.0", 1), nullptr) == ERR_NONE
                       && !file_exists(tree_root, "/EFI/Linux/lethe_2_b.tmp")
                       && !file_exists(tree_root, "/EFI/Linux/lethe_2_b+3.tmp")
                       && is("/EFI/Linux/lethe_3_b+3.efi", filled('n', MADE_IMAGE_BYTES))
                       && !file_exists(tree_root, "/EFI/Linux/lethe_2_b+3.efi"),
               SUBJECT, "names that a cut left are all gone");
}

static void test_half_renamed(void)
{
        partition();
        (void)look();
        (void)install(offer('n', "2.0.0", 1), nullptr);
        remove(tree_path("/EFI/Linux/lethe_2_b+3.efi"));
        tree_bytes("/EFI/Linux/lethe_2_b+2-1.efi", filled('n', MADE_IMAGE_BYTES));
        tree_file("/EFI/Linux/lethe_2_b.efi", "");
        words = "quiet";
        const boot_started s = {.entry = VIEW("lethe_2_b+2-1.efi"), .cmdline = VIEW("quiet"), .image = &running};
        tap_ok(!failed(boot_look(tree_root, &s, &f, &why)) && f.on_trial && f.slot[SLOT_B].name.counted, SUBJECT,
               "a new name without a byte is no proof");
        tap_ok(!failed(boot_mark_good(tree_root, &f, &why))
                       && is("/EFI/Linux/lethe_2_b.efi", filled('n', MADE_IMAGE_BYTES))
                       && !file_exists(tree_root, "/EFI/Linux/lethe_2_b+2-1.efi"),
               SUBJECT, "and is taken by the file that was to have it");
        tree_file("/EFI/Linux/lethe_3_a+3.efi", "");
        (void)!failed(boot_look(tree_root, &s, &f, &why));
        tap_ok(!failed(boot_roll_back(tree_root, &f, 1, &why))
                       && is("/EFI/Linux/lethe_3_a+3.efi", filled('o', MADE_IMAGE_BYTES)),
               SUBJECT, "nor does it stand in the way back");
}

int main(void)
{
        if (failed(secret_setup()))
                abort();
        made_keys_make();
        tree_make();
        test_look();
        test_life();
        test_refused();
        test_full();
        test_power_cuts();
        test_half_renamed();
        tree_remove();
        return tap_done();
}
