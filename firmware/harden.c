#include "firmware/harden.h"

#include <dirent.h>
#include <string.h>

#include "firmware/file.h"

/* clang-format off */
const harden_row harden_rows[] = {
        {"kernel/dmesg_restrict",                   "1"},
        {"kernel/kptr_restrict",                    "2"},
        {"kernel/perf_event_paranoid",              "3"},
        {"kernel/unprivileged_bpf_disabled",        "1"},
        {"kernel/yama/ptrace_scope",                "3"},
        {"kernel/kexec_load_disabled",              "1"},
        {"kernel/sysrq",                            "0"},
        {"kernel/panic_on_oops",                    "1"},
        {"kernel/panic",                            "10"},
        {"kernel/oops_limit",                       "1"},
        {"kernel/warn_limit",                       "10"},
        {"kernel/io_uring_disabled",                "2"},
        {"kernel/randomize_va_space",               "2"},
        {"kernel/hung_task_panic",                  "1"},
        {"kernel/softlockup_panic",                 "1"},
        {"kernel/printk",                           "1 4 1 1"},
        {"kernel/printk_devkmsg",                   "off"},
        /* A plain name: a pipe would start a helper whatever the limit on cores says. */
        {"kernel/core_pattern",                     "core"},
        {"kernel/core_uses_pid",                    "0"},
        {"kernel/ctrl-alt-del",                     "0"},
        {"fs/suid_dumpable",                        "0"},
        {"fs/protected_symlinks",                   "1"},
        {"fs/protected_hardlinks",                  "1"},
        {"fs/protected_fifos",                      "2"},
        {"fs/protected_regular",                    "2"},
        {"user/max_user_namespaces",                "0"},
        {"dev/tty/ldisc_autoload",                  "0"},
        {"vm/unprivileged_userfaultfd",             "0"},
        {"vm/mmap_min_addr",                        "65536"},
        {"vm/overcommit_memory",                    "1"},
        {"vm/swappiness",                           "0"},
        {"vm/oom_dump_tasks",                       "0"},
        {"net/core/bpf_jit_harden",                 "2"},
        /* The relay is no root and may still stand at port 443. */
        {"net/ipv4/ip_unprivileged_port_start",     "1"},
        {"net/ipv4/ip_forward",                     "0"},
        {"net/ipv4/tcp_syncookies",                 "1"},
        {"net/ipv4/tcp_rfc1337",                    "1"},
        {"net/ipv4/icmp_echo_ignore_broadcasts",    "1"},
        {"net/ipv4/conf/*/rp_filter",               "1"},
        {"net/ipv4/conf/*/accept_redirects",        "0"},
        {"net/ipv4/conf/*/secure_redirects",        "0"},
        {"net/ipv4/conf/*/send_redirects",          "0"},
        {"net/ipv4/conf/*/accept_source_route",     "0"},
        {"net/ipv4/conf/*/log_martians",            "0"},
        {"net/ipv6/conf/*/accept_redirects",        "0"},
        {"net/ipv6/conf/*/accept_source_route",     "0"},
        {"net/ipv6/conf/*/forwarding",              "0"},
        /* Addresses are of the config drive alone. */
        {"net/ipv6/conf/*/accept_ra",               "0"},
        {"net/ipv6/conf/*/autoconf",                "0"},
};
/* clang-format on */
const size_t harden_row_count = sizeof harden_rows / sizeof *harden_rows;

static const harden_row lock = {"kernel/modules_disabled", "1"};

bool harden_same(view is, view wanted)
{
        view first = text_line(&is);
        for (;;) {
                view a = text_word(&first), b = text_word(&wanted);
                if (!view_equal(a, b))
                        return false;
                if (a.len == 0)
                        return is.len == 0;
        }
}

static bool set_one(const char *root, const file_path *path, const char *value)
{
        uint8_t line[64], back[256];
        view    text, is;
        emit    e = emit_into(line, sizeof line);
        emit_text(&e, value);
        /* printk_devkmsg takes its word only with an end of line. */
        emit_byte(&e, '\n');
        if (failed(emit_done(&e, &text)) || failed(file_write(root, path->text, text)))
                return false;
        return !failed(file_read(root, path->text, back, sizeof back, &is)) && harden_same(is, view_of_text(value));
}

static bool set_every(const char *root, const harden_row *row, const char *star, file_path *bad)
{
        static const char sys[] = "/proc/sys/";
        file_path         folder, below;
        view              before = {(const uint8_t *)row->path, (size_t)(star - row->path)};
        if (failed(file_path_make(bad, sys, row->path, (view){})) || failed(file_path_make(&folder, root, sys, before)))
                return false;
        DIR *d = opendir(folder.text);
        if (d == nullptr)
                return false;
        bool   good = true;
        size_t count = 0;
        for (struct dirent *entry; good && (entry = readdir(d)) != nullptr;) {
                if (entry->d_name[0] == '.')
                        continue;
                file_path at;
                good = !failed(file_path_make(&at, sys, "", before))
                       && !failed(file_path_make(&below, at.text, entry->d_name, view_of_text(star + 1)))
                       && set_one(root, &below, row->value);
                if (!good)
                        *bad = below;
                count++;
        }
        closedir(d);
        return good && count > 0;
}

static bool set(const char *root, const harden_row *row, file_path *bad)
{
        const char *star = strchr(row->path, '*');
        if (star != nullptr)
                return set_every(root, row, star, bad);
        return !failed(file_path_make(bad, "/proc/sys/", row->path, (view){})) && set_one(root, bad, row->value);
}

static err refuse(notice *why, const file_path *path, const harden_row *row)
{
        notice_set(why, "The kernel does not take ", view_of_text(path->text), " = ");
        notice_add(why, view_of_text(row->value));
        notice_add(why, VIEW(": use the kernel of this image."));
        return FAIL(SYSTEM);
}

err harden_kernel(const char *root, notice *why)
{
        err       first = OK;
        file_path bad;
        for (size_t i = 0; i <= harden_row_count; i++) {
                const harden_row *row = i < harden_row_count ? &harden_rows[i] : &lock;
                if (!set(root, row, &bad) && !failed(first))
                        first = refuse(why, &bad, row);
        }
        return first;
}
