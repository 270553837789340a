#include "firmware/cmdline.h"

#include <stdlib.h>
#include <sys/klog.h>

#include "firmware/file.h"

enum : size_t { WORDS_BYTES = 4096, LOG_BYTES = 512 * 1024 };
/* As klogctl(2) numbers it. */
enum : int { SYSLOG_READ_ALL = 3 };

/* `needed`: a promise of SECURITY.md stands on it. Whatever is not here may switch something off, and is refused. */
static const struct {
        view word;
        bool needed;
} known[] = {
        {VIEW_INIT("init_on_free=1"), true},
        {VIEW_INIT("init_on_alloc=1"), true},
        {VIEW_INIT("lockdown=confidentiality"), true},
        {VIEW_INIT("module.sig_enforce=1"), true},
        {VIEW_INIT("efi_pstore.pstore_disable=1"), true},
        {VIEW_INIT("erst_disable"), true},
        {VIEW_INIT("nohibernate"), true},
        {VIEW_INIT("debugfs=off"), true},
        {VIEW_INIT("oops=panic"), true},
        {VIEW_INIT("slab_nomerge"), false},
        {VIEW_INIT("page_alloc.shuffle=1"), false},
        {VIEW_INIT("randomize_kstack_offset=1"), false},
        {VIEW_INIT("vsyscall=none"), false},
        {VIEW_INIT("panic=10"), false},
        {VIEW_INIT("ia32_emulation=0"), false},
        {VIEW_INIT("proc_mem.force_override=never"), false},
        {VIEW_INIT("pti=on"), false},
        {VIEW_INIT("mce=0"), false},
        {VIEW_INIT("nosmt"), false},
        {VIEW_INIT("hest_disable"), false},
        {VIEW_INIT("iommu=force"), false},
        {VIEW_INIT("iommu.strict=1"), false},
        {VIEW_INIT("iommu.passthrough=0"), false},
        {VIEW_INIT("efi=disable_early_pci_dma"), false},
        {VIEW_INIT("gpt"), false},
        {VIEW_INIT("transparent_hugepage=never"), false},
        {VIEW_INIT("kfence.sample_interval=0"), false},
        {VIEW_INIT("random.trust_cpu=on"), false},
        {VIEW_INIT("random.trust_bootloader=off"), false},
        {VIEW_INIT("lsm=lockdown,capability,landlock,yama"), false},
        {VIEW_INIT("quiet"), false},
        {VIEW_INIT("loglevel=3"), false},
        {VIEW_INIT("console=tty0"), false},
        {VIEW_INIT("lethe.slot=a"), false},
        {VIEW_INIT("lethe.slot=b"), false},
        /* For tests of updates: how soon an image has proven itself. Measured and seen, like any word. */
        {VIEW_INIT("lethe.good=10s"), false},
        {VIEW_INIT("console=ttyS0"), false},
        {VIEW_INIT("console=ttyS0,115200"), false},
        {VIEW_INIT("console=ttyS0,115200n8"), false},
};

/* What boot loaders add of themselves. */
static const view added[] = {VIEW_INIT("BOOT_IMAGE="), VIEW_INIT("initrd=")};

static bool is_known(view word)
{
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (view_equal(word, known[i].word))
                        return true;
        for (size_t i = 0; i < sizeof added / sizeof *added; i++)
                if (view_starts(word, added[i]))
                        return true;
        return false;
}

bool cmdline_has(view words, view word)
{
        view line = text_line(&words);
        for (view w = text_word(&line); w.len > 0; w = text_word(&line))
                if (view_starts(w, word) && (w.len == word.len || w.data[word.len] == ','))
                        return true;
        return false;
}

err cmdline_check(view words, notice *why)
{
        view line = words, rest = text_line(&line);
        for (view w = text_word(&rest); w.len > 0; w = text_word(&rest))
                if (!is_known(w))
                        return notice_fail(why, "The kernel was started with the word '", view_slice(w, 0, 60),
                                             "', which this image does not know: take it out of the boot entry.");
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (known[i].needed && !cmdline_has(words, known[i].word))
                        return notice_fail(why, "The kernel was started without the word '", known[i].word,
                                             "': start it with the image's own boot entry.");
        return OK;
}

err cmdline_check_log(view log, notice *why)
{
        while (log.len > 0) {
                view line = text_line(&log);
                if (text_contains(line, VIEW("mem auto-init:")))
                        return text_contains(line, VIEW("heap free:on"))
                                       ? OK
                                       : notice_fail(why, "The kernel does not zero the memory it frees", (view){},
                                                       ": start it with the image's own boot entry.");
        }
        return notice_fail(why, "The kernel's log does not say that freed memory is zeroed", (view){},
                             ": use the kernel of this image.");
}

err cmdline_check_swaps(view swaps, notice *why)
{
        text_line(&swaps);
        view line = text_line(&swaps), name = text_word(&line);
        return name.len == 0 ? OK
                             : notice_fail(why, "Memory is swapped to ", view_slice(name, 0, 60),
                                             ": this box must have no swap; take that device away.");
}

static err check_log(notice *why)
{
        char *bytes = malloc(LOG_BYTES);
        int   n = bytes == nullptr ? -1 : klogctl(SYSLOG_READ_ALL, bytes, (int)LOG_BYTES);
        err   e = n >= 0 ? cmdline_check_log((view){(const uint8_t *)bytes, (size_t)n}, why)
                         : notice_fail(why, "The kernel's log cannot be read", (view){},
                                         ": use the kernel of this image.");
        free(bytes);
        return e;
}

err cmdline_check_kernel(const char *root, notice *why)
{
        uint8_t bytes[WORDS_BYTES];
        view    text;
        if (failed(file_read(root, "/proc/cmdline", bytes, sizeof bytes, &text)))
                return notice_fail(why, "/proc/cmdline cannot be read", (view){}, ": use the kernel of this image.");
        TRY(cmdline_check(text, why));
        TRY(check_log(why));
        /* A kernel without swap has no such file. */
        if (failed(file_read(root, "/proc/swaps", bytes, sizeof bytes, &text)))
                return OK;
        return cmdline_check_swaps(text, why);
}
