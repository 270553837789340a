#include "firmware/harden.h"

#include "support/tap.h"
#include "tree.h"

static const char SUBJECT[] = "harden";

static void make_file(const char *path, const char *card)
{
        char full[256];
        const char *star = strchr(path, '*');
        if (star == nullptr)
                snprintf(full, sizeof full, "/proc/sys/%s", path);
        else
                snprintf(full, sizeof full, "/proc/sys/%.*s%s%s", (int)(star - path), path, card, star + 1);
        tree_file(full, "");
}

static void make_kernel(void)
{
        for (size_t i = 0; i < harden_row_count; i++) {
                make_file(harden_rows[i].path, "all");
                make_file(harden_rows[i].path, "eth0");
        }
        tree_file("/proc/sys/kernel/modules_disabled", "");
}

static void test_all(void)
{
        notice why = {};
        make_kernel();
        bool good = !failed(harden_kernel(tree_root, &why));
        tap_ok(good && why.len == 0, SUBJECT, "every setting is written and read back");
        tap_ok(view_equal(tree_read("/proc/sys/kernel/printk"), VIEW("1 4 1 1\n"))
                       && view_equal(tree_read("/proc/sys/kernel/printk_devkmsg"), VIEW("off\n"))
                       && view_equal(tree_read("/proc/sys/net/ipv4/conf/all/rp_filter"), VIEW("1\n"))
                       && view_equal(tree_read("/proc/sys/net/ipv4/conf/eth0/rp_filter"), VIEW("1\n"))
                       && view_equal(tree_read("/proc/sys/net/ipv6/conf/eth0/accept_ra"), VIEW("0\n")),
               SUBJECT, "for every interface that is there");
        tap_ok(view_equal(tree_read("/proc/sys/kernel/modules_disabled"), VIEW("1\n")), SUBJECT,
               "and the lock at last");
}

/* A setting the kernel does not have, or does not keep. */
static void test_faults(void)
{
        bool good = true;
        notice why = {};
        for (size_t i = 0; i < harden_row_count; i++) {
                make_kernel();
                if (strchr(harden_rows[i].path, '*') != nullptr)
                        continue;
                char path[256];
                snprintf(path, sizeof path, "/proc/sys/%s", harden_rows[i].path);
                unlink(tree_path(path));
                why = (notice){};
                good = good && failed(harden_kernel(tree_root, &why))
                       && text_contains(notice_view(&why), view_of_text(path))
                       && view_equal(tree_read("/proc/sys/kernel/modules_disabled"), VIEW("1\n"));
        }
        tap_ok(good, SUBJECT, "each missing setting is said by its name, and the lock comes all the same");
        make_kernel();
        unlink(tree_path("/proc/sys/kernel/kptr_restrict"));
        if (symlink("/dev/null", tree_path("/proc/sys/kernel/kptr_restrict")) != 0)
                abort();
        tap_ok(failed(harden_kernel(tree_root, &why)) && text_contains(notice_view(&why), VIEW("kptr_restrict = 2")),
               SUBJECT, "a setting that does not keep its value is refused");
        unlink(tree_path("/proc/sys/kernel/kptr_restrict"));
        make_kernel();
        unlink(tree_path("/proc/sys/kernel/modules_disabled"));
        tap_ok(failed(harden_kernel(tree_root, &why)) && text_contains(notice_view(&why), VIEW("modules_disabled")),
               SUBJECT, "a kernel that cannot be locked is refused");
        make_kernel();
        unlink(tree_path("/proc/sys/net/ipv4/conf/eth0/rp_filter"));
        tap_ok(failed(harden_kernel(tree_root, &why)) && text_contains(notice_view(&why), VIEW("conf/eth0/rp_filter")),
               SUBJECT, "so is one interface that does not take it");
}

static void test_same(void)
{
        tap_ok(harden_same(VIEW("1\t4\t1\t1\n"), VIEW("1 4 1 1")) && harden_same(VIEW("off"), VIEW("off"))
                       && !harden_same(VIEW("1 4 1 7\n"), VIEW("1 4 1 1"))
                       && !harden_same(VIEW("1 4 1 1 0"), VIEW("1 4 1 1")) && !harden_same(VIEW(""), VIEW("1"))
                       && !harden_same(VIEW("1\n2\n"), VIEW("1")),
               SUBJECT, "the same words, however they are set apart");
}

int main(void)
{
        tree_make();
        test_all();
        test_faults();
        test_same();
        tree_remove();
        return tap_done();
}
