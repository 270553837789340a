#include "firmware/mounts.h"

#include <errno.h>
#include <sys/mount.h>

#include "firmware/file.h"
#include "firmware/service.h"

#define ONLY_DATA (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* clang-format off */
const mounts_row mounts_first[] = {
        {"devtmpfs", "/dev",  "devtmpfs", "mode=0755",                          MS_NOSUID | MS_NOEXEC},
        {"proc",     "/proc", "proc",     "hidepid=2",                          ONLY_DATA},
        {"sysfs",    "/sys",  "sysfs",    "",                                   ONLY_DATA | MS_RDONLY},
        {"tmpfs",    "/run",  "tmpfs",    "mode=0755,size=8m,nr_inodes=1024",   ONLY_DATA},
};
/* clang-format on */
const size_t mounts_first_count = sizeof mounts_first / sizeof *mounts_first;

static err make(const char *root, const mounts_row *row)
{
        file_path at;
        TRY(file_path_make(&at, root, row->at, (view){}));
        return mount(row->source, at.text, row->type, row->flags, row->options) == 0 ? OK : FAIL(SYSTEM);
}

err mounts_make(const char *root, notice *why)
{
        err first = OK;
        for (size_t i = 0; i < mounts_first_count; i++)
                if (failed(make(root, &mounts_first[i])) && !failed(first))
                        first = notice_fail(why, "Cannot mount ", view_of_text(mounts_first[i].at),
                                              ": this image is damaged; install it again.");
        return first;
}

bool mounts_read_only(view mounts, view at)
{
        bool found = false;
        while (mounts.len > 0) {
                view line = text_line(&mounts);
                text_word(&line);
                view where = text_word(&line);
                text_word(&line);
                view options = text_word(&line);
                if (view_equal(where, at))
                        found = view_equal(options, VIEW("ro")) || view_starts(options, VIEW("ro,"));
        }
        return found;
}

err mounts_lock_root(notice *why)
{
        uint8_t bytes[16 * 1024];
        view    text;
        if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0
            || failed(file_read("", "/proc/mounts", bytes, sizeof bytes, &text)) || !mounts_read_only(text, VIEW("/")))
                return notice_fail(why, "The root file system cannot be made read-only", (view){},
                                     ": use the kernel of this image.");
        return OK;
}

static void add_owner(emit *e)
{
        emit_text(e, "uid=");
        emit_u64(e, SERVICE_UID);
        emit_text(e, ",gid=");
        emit_u64(e, SERVICE_UID);
}

err mounts_config(const char *root, const char *device, const char *type, notice *why)
{
        uint8_t    options[160] = {};
        emit       e = emit_into(options, sizeof options - 1);
        const bool fat = strcmp(type, "vfat") == 0;
        add_owner(&e);
        emit_text(&e, fat ? ",umask=0277,codepage=437,iocharset=ascii"
                          : ",mode=0400,dmode=0500,overriderockperm,iocharset=ascii");
        mounts_row row = {device, "/config", type, (const char *)options, ONLY_DATA | MS_RDONLY};
        if (failed(make(root, &row)))
                return notice_fail(why, "The config drive cannot be mounted", (view){},
                                     ": make it anew as FAT or ISO 9660 with the label LETHECFG.");
        return OK;
}

void mounts_leave_config(const char *root)
{
        file_path at;
        if (!failed(file_path_make(&at, root, "/config", (view){})))
                (void)umount2(at.text, MNT_DETACH);
}
