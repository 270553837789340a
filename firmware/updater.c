#include "firmware/updater.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/disks.h"
#include "firmware/file.h"

#define BOOT_AT    "/run/boot"
#define EFIVARS_AT "/run/efivars"
/* src  systemd, The Boot Loader Interface; read 2026-11-21 */
#define SELECTED EFIVARS_AT "/LoaderEntrySelected-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

enum : unsigned long { QUIETLY = MS_NOSUID | MS_NODEV | MS_NOEXEC };

/* ---- the child ---- */

typedef struct worker {
        const updater_job *job;
        int                pipe;
        updater_report     report;
        view               file; /* the bundle */
} worker;

/* A child of PID 1 that cannot speak is of no use, but not to be waited for. */
static void say(worker *w)
{
        [[maybe_unused]] ssize_t ignored = write(w->pipe, &w->report, sizeof w->report);
}

static void on_step(void *ctx, uint32_t percent)
{
        worker *w = ctx;
        if (percent == w->report.percent)
                return;
        w->report.percent = percent;
        say(w);
}

/* The partition named lethe-esp on the disk that holds lethe-state: a copy of the disk beside it is another one. */
static err find_boot(const updater_job *job, file_path *device, notice *why)
{
        char  disk[FILE_NAME_BYTES] = {}, name[FILE_NAME_BYTES] = {};
        size_t count = 0;
        if (!disks_parent(job->root, job->state, disk))
                return notice_fail(why, "The disk of the partition lethe-state cannot be found", (view){}, ".");
        TRY(disks_find_boot(job->root, disk, name, &count));
        if (count != 1)
                return notice_fail(why, count == 0 ? "The disk of this box has no boot partition"
                                                   : "The disk of this box has more than one boot partition",
                                   (view){}, ": this box was not started from its own disk.");
        return file_path_make(device, job->root, "/dev/", view_of_text(name));
}

/* In mounts of this process alone: nobody else ever sees the partition, and none is left when this one dies. */
static err mount_boot(const updater_job *job, notice *why)
{
        file_path device;
        TRY(find_boot(job, &device, why));
        unsigned long write = job->op == UPDATER_LOOK ? MS_RDONLY : MS_DIRSYNC;
        if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
            || (mkdir(BOOT_AT, 0700) != 0 && errno != EEXIST)
            || mount(device.text, BOOT_AT, "vfat", QUIETLY | write,
                     "umask=0077,codepage=437,iocharset=ascii,errors=continue") != 0)
                return notice_fail(why, "The boot partition cannot be mounted", (view){},
                                   ": its file system may be damaged. Install the image again.");
        return OK;
}

/* What systemd-boot started, as it says; an image that was started otherwise is told by its version. */
static view entry(char text[static SLOT_NAME_BYTES])
{
        uint8_t bytes[4 + 2 * SLOT_NAME_BYTES];
        view    value;
        size_t  len = 0;
        if ((mkdir(EFIVARS_AT, 0700) != 0 && errno != EEXIST)
            || mount("efivarfs", EFIVARS_AT, "efivarfs", QUIETLY | MS_RDONLY, nullptr) != 0
            || failed(file_read("", SELECTED, bytes, sizeof bytes, &value)))
                return (view){};
        /* Four bytes of attributes, then UTF-16. */
        for (size_t i = 4; i + 1 < value.len && value.data[i] != 0 && value.data[i + 1] == 0; i += 2)
                if (len < SLOT_NAME_BYTES)
                        text[len++] = (char)value.data[i];
        return (view){(const uint8_t *)text, len};
}

static err look(worker *w, const char *boot)
{
        char               text[SLOT_NAME_BYTES];
        uint8_t            words[4096];
        boot_started       s = {.image = w->job->image};
        (void)!failed(file_read(w->job->root, "/proc/cmdline", words, sizeof words, &s.cmdline));
        if (w->job->folder == nullptr)
                s.entry = entry(text);
        return boot_look(boot, &s, &w->report.facts, &w->report.why);
}

static err map_bundle(worker *w)
{
        struct stat st;
        void       *bytes = MAP_FAILED;
        if (fstat(w->job->bundle, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0
            && st.st_size <= (off_t)(BUNDLE_IMAGE_BYTES + BUNDLE_FRONT_BYTES) * 2)
                bytes = mmap(nullptr, (size_t)st.st_size, PROT_READ, MAP_SHARED, w->job->bundle, 0);
        if (bytes == MAP_FAILED)
                return notice_fail(&w->report.why, "The update cannot be read", (view){}, ": fetch it again.");
        w->file = (view){bytes, (size_t)st.st_size};
        return OK;
}

/* The front is copied first: whoever gave the file can still write to it. */
static err read_bundle(worker *w, bundle *out)
{
        static uint8_t     front[BUNDLE_FRONT_BYTES];
        const updater_job *j = w->job;
        const bundle_judge judge = {j->keys, j->least_epoch, j->image->epoch_s, j->older};
        TRY(map_bundle(w));
        size_t len = w->file.len < sizeof front ? w->file.len : sizeof front;
        memcpy(front, w->file.data, len);
        return bundle_read((view){front, len}, &judge, out, &w->report.why);
}

static err install(worker *w, const char *boot)
{
        static bundle       b;
        const boot_progress progress = {on_step, w};
        TRY(read_bundle(w, &b));
        memcpy(w->report.version, b.manifest.version, sizeof w->report.version);
        memcpy(w->report.pcr4, b.manifest.pcr4, sizeof w->report.pcr4);
        memcpy(w->report.pcr11, b.manifest.pcr11, sizeof w->report.pcr11);
        const boot_offer offer = {w->file, &b};
        return boot_install(boot, &w->report.facts, &offer, &progress, &w->report.why);
}

static err roll_back(worker *w, const char *boot)
{
        const boot_facts *f = &w->report.facts;
        if (f->running != SLOT_NONE)
                memcpy(w->report.version, f->slot[slot_other(f->running)].version, sizeof w->report.version);
        return boot_roll_back(boot, f, w->job->least_epoch, &w->report.why);
}

static err work(worker *w)
{
        const char *boot = w->job->folder != nullptr ? w->job->folder : BOOT_AT;
        if (w->job->folder == nullptr)
                TRY(mount_boot(w->job, &w->report.why));
        TRY(look(w, boot));
        switch (w->job->op) {
        case UPDATER_LOOK:
                return OK;
        case UPDATER_INSTALL:
                TRY(install(w, boot));
                break;
        case UPDATER_MARK_GOOD:
                TRY(boot_mark_good(boot, &w->report.facts, &w->report.why));
                break;
        case UPDATER_ROLL_BACK:
                TRY(roll_back(w, boot));
                break;
        }
        return look(w, boot);
}

[[noreturn]] static void child(const updater_job *job, int pipe)
{
        static worker w;
        sigset_t      none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        w = (worker){.job = job, .pipe = pipe};
        w.report.code = work(&w).code;
        w.report.done = true;
        say(&w);
        _exit(0);
}

/* ---- PID 1 ---- */

void updater_begin(updater *u) { *u = (updater){.pipe = -1}; }

err updater_start(updater *u, const updater_job *job, uint64_t now_ms)
{
        int ends[2];
        static_assert(sizeof(updater_report) <= 4096, "written in one piece");
        if (u->pid != 0 || pipe2(ends, O_CLOEXEC) != 0)
                return FAIL(SYSTEM);
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        pid_t pid = fork();
        if (pid == 0)
                child(job, ends[1]);
        close(ends[1]);
        if (pid < 0) {
                close(ends[0]);
                return FAIL(SYSTEM);
        }
        *u = (updater){.pid = pid, .pipe = ends[0], .op = job->op, .started_ms = now_ms};
        return OK;
}

void updater_hear(updater *u, uint64_t now_ms)
{
        updater_report r;
        while (u->pipe >= 0 && !u->report.done && read(u->pipe, &r, sizeof r) == sizeof r)
                u->report = r;
        if (u->pid != 0 && now_ms - u->started_ms >= UPDATER_PATIENCE_MS)
                kill(u->pid, SIGKILL);
}

void updater_reaped(updater *u)
{
        updater_hear(u, u->started_ms);
        close(u->pipe);
        u->pipe = -1;
        u->pid = 0;
        if (u->report.done)
                return;
        u->report.done = true;
        u->report.code = ERR_SYSTEM;
        notice_set(&u->report.why, "The work on the boot partition ended too early", (view){},
                   ": try again. What runs now is untouched.");
}
