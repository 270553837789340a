#include "firmware/mounts.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "mounts";

static void test_rows(void)
{
        bool good = true, run = false;
        for (size_t i = 0; i < mounts_first_count; i++) {
                const mounts_row *r = &mounts_first[i];
                bool dev = strcmp(r->at, "/dev") == 0;
                good = good && (r->flags & MS_NOSUID) != 0 && (r->flags & MS_NOEXEC) != 0
                       && ((r->flags & MS_NODEV) != 0 || dev);
                run = run || (strcmp(r->at, "/run") == 0 && (r->flags & MS_RDONLY) == 0);
        }
        tap_ok(good && run, SUBJECT, "nothing is executable, and only /dev has devices");
}

static void test_reading(void)
{
        view m = VIEW("rootfs / rootfs ro,nosuid 0 0\nproc /proc proc rw,ro 0 0\ntmpfs /run tmpfs rw 0 0\n"
                      "x /run vfat ro 0 0\ny /a tmpfs rome 0 0\n");
        tap_ok(mounts_read_only(m, VIEW("/")) && !mounts_read_only(m, VIEW("/proc"))
                       && mounts_read_only(m, VIEW("/run")) && !mounts_read_only(m, VIEW("/a"))
                       && !mounts_read_only(m, VIEW("/none")),
               SUBJECT, "read-only is what the last mount of a place says first");
}

/* What is mounted from here on stays in the namespace. In a changed root `/` is no mount, but /tmp may be. */
static bool keep_private(void)
{
        return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0
               || mount(nullptr, "/tmp", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/* In a namespace of its own, or not at all. */
static void test_making(void)
{
        notice why = {};
        if (unshare(CLONE_NEWNS) != 0 || !keep_private()) {
                tap_skip(SUBJECT, "mounting needs root");
                return;
        }
        /* There is no folder for /dev: what is made or removed there is the host's own. */
        static const char *const folders[] = {"/proc", "/sys", "/run", "/config"};
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
                tree_folder(folders[i]);
        tap_ok(failed(mounts_make(tree_root, &why)) && text_contains(notice_view(&why), VIEW("/dev")), SUBJECT,
               "what cannot be mounted is named");
        tap_ok(access(tree_path("/proc/self"), F_OK) == 0, SUBJECT, "what can be is all the same");
        tap_ok(failed(mounts_config(tree_root, "/dev/null", "vfat", &why))
                       && text_contains(notice_view(&why), VIEW("LETHECFG")),
               SUBJECT, "a config drive that is none is refused");
        mounts_leave_config(tree_root);
        static const char *const made[] = {"/run", "/sys", "/proc"};
        for (size_t i = 0; i < sizeof made / sizeof *made; i++)
                umount2(tree_path(made[i]), MNT_DETACH);
}

int main(void)
{
        tree_make();
        test_rows();
        test_reading();
        test_making();
        tree_remove();
        return tap_done();
}
