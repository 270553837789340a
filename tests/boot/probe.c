/* A PID 1 that says over the first serial line what the kernel made of the image, and powers off: what it logged of its
 * command line and of wiping, how each module loaded, and the measurements of the boot. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ_ALL = 3, COMPRESSED = 4, LOG_BYTES = 1 << 20 };

static FILE *out;

static void say_log(const char *what)
{
        static char log[LOG_BYTES];
        int         bytes = klogctl(READ_ALL, log, sizeof log - 1);
        log[bytes > 0 ? bytes : 0] = 0;
        for (char *at = log, *line; (line = strsep(&at, "\n"));)
                if (strstr(line, what))
                        fprintf(out, "log %s\n", line);
}

static void load(const char *name)
{
        char path[256];
        snprintf(path, sizeof path, "/lib/modules/%s.ko.xz", name);
        int  file = open(path, O_RDONLY | O_CLOEXEC);
        bool good = file >= 0 && syscall(SYS_finit_module, file, "", COMPRESSED) == 0;
        fprintf(out, "module %s %d\n", name, good ? 0 : errno);
        if (file >= 0)
                close(file);
}

/* Each with what it needs, in the order the image gives; what is there already says EEXIST. */
static void load_all(void)
{
        FILE *order = fopen("/lib/modules/order", "re");
        char *line = nullptr;
        for (size_t room = 0; order && getline(&line, &room, order) > 0;) {
                char *rest = line, *first = strsep(&rest, " \n");
                for (char *needed; (needed = strsep(&rest, " \n"));)
                        if (*needed)
                                load(needed);
                load(first);
        }
}

static void say_file(const char *path)
{
        FILE *file = fopen(path, "re");
        char  line[4096];
        while (file && fgets(line, sizeof line, file))
                fprintf(out, "file %s %s", path, line);
        if (file)
                fclose(file);
}

int main(void)
{
        mount("dev", "/dev", "devtmpfs", 0, "");
        mount("proc", "/proc", "proc", 0, "");
        mount("sys", "/sys", "sysfs", 0, "");
        out = fopen("/dev/ttyS0", "we");
        if (!out)
                abort();
        setvbuf(out, nullptr, _IOLBF, 0);
        fprintf(out, "probe begins\n");
        say_file("/proc/cmdline");
        say_file("/lib/modules/order");
        say_log("Unknown kernel command line");
        say_log("mem auto-init");
        say_log("Secure boot");
        say_log("locked down");
        for (int pcr = 0; pcr < 16; pcr++) {
                char path[64];
                snprintf(path, sizeof path, "/sys/class/tpm/tpm0/pcr-sha256/%d", pcr);
                say_file(path);
        }
        load_all();
        fprintf(out, "probe ends\n");
        fflush(out);
        /* The line is slow, and power goes at once. */
        sleep(1);
        reboot(RB_POWER_OFF);
        for (;;)
                pause();
}
