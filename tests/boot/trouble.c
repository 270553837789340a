/* Stands before the image's own PID 1: leaves a child behind that makes trouble when the second serial line says so,
 * puts the image's own back in its place, and becomes it. All else of the image is as it is, roles that PID 1 starts of
 * itself among it.
 *
 *   kill PROGRAM NUMBER     sends the signal to every process of that name
 *   newest PROGRAM          says the highest process id of that name, or 0
 *   eat                     takes memory until the kernel has killed somebody, and gives it back
 *   panic                   the kernel gives up, and starts the machine again after its ten seconds
 *
 * Each is answered by one line: "done NUMBER". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <termios.h>
#include <unistd.h>

/* The image's own, as it is there. */
__asm__(".section .rodata\n"
        ".global init_begin, init_end\n"
        "init_begin: .incbin \"" INIT "\"\n"
        "init_end: .byte 0\n"
        ".previous");
extern const char init_begin[], init_end[];

enum { PIECE = 1 << 20, PIECES_MOST = 4096, WAIT_US = 10000 };

static bool named(const char *pid, const char *name)
{
        char path[300], text[64] = {};
        snprintf(path, sizeof path, "/proc/%s/comm", pid);
        int     file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
        if (file >= 0)
                close(file);
        return n > 0 && strcspn(text, "\n") == strlen(name) && strncmp(text, name, strlen(name)) == 0;
}

typedef struct crowd {
        int count, newest;
} crowd;

static crowd each(const char *name, int signal)
{
        crowd c = {};
        DIR  *all = opendir("/proc");
        for (struct dirent *row; all && (row = readdir(all));) {
                if (row->d_name[0] < '1' || row->d_name[0] > '9' || !named(row->d_name, name))
                        continue;
                int pid = atoi(row->d_name);
                c.count += kill(pid, signal) == 0;
                c.newest = pid > c.newest ? pid : c.newest;
        }
        if (all)
                closedir(all);
        return c;
}

static long killed_by_kernel(void)
{
        static char text[1 << 16];
        int         file = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
        ssize_t     n = file < 0 ? -1 : read(file, text, sizeof text - 1);
        if (file >= 0)
                close(file);
        text[n > 0 ? n : 0] = 0;
        const char *row = strstr(text, "\noom_kill ");
        return row ? atol(row + strlen("\noom_kill ")) : -1;
}

/* It is the last the kernel would choose. */
static int eat(void)
{
        static char *pieces[PIECES_MOST];
        int          file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC), held = 0;
        if (file < 0 || write(file, "-1000", 5) != 5)
                return -1;
        close(file);
        long before = killed_by_kernel();
        while (held < PIECES_MOST && killed_by_kernel() == before) {
                pieces[held] = mmap(nullptr, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (pieces[held] == MAP_FAILED)
                        break;
                memset(pieces[held++], 0x5a, PIECE);
        }
        long died = killed_by_kernel() - before;
        for (int i = 0; i < held; i++)
                munmap(pieces[i], PIECE);
        return (int)died;
}

/* By a child, after the answer has gone out. */
static int panic(void)
{
        if (fork() != 0)
                return 1;
        int file = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
        usleep(100000);
        _exit(file >= 0 && write(file, "c", 1) == 1 ? 0 : 1);
}

static int obey(const char *line)
{
        char name[32];
        int  number;
        if (sscanf(line, "kill %31s %d", name, &number) == 2)
                return each(name, number).count;
        if (sscanf(line, "newest %31s", name) == 1)
                return each(name, 0).newest;
        if (strncmp(line, "panic", 5) == 0)
                return panic();
        return strncmp(line, "eat", 3) == 0 ? eat() : -1;
}

[[noreturn]] static void listen_for_trouble(void)
{
        int            line;
        struct termios raw;
        while ((line = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
                usleep(WAIT_US);
        tcgetattr(line, &raw);
        cfmakeraw(&raw);
        tcsetattr(line, TCSANOW, &raw);
        FILE *in = fdopen(line, "r");
        for (char text[128]; in && fgets(text, sizeof text, in);)
                dprintf(line, "done %d\n", obey(text));
        _exit(1);
}

/* A file that is gone while it runs would keep PID 1 from making the root read-only: this one gets another name. */
static void put_back(void)
{
        size_t len = (size_t)(init_end - init_begin);
        if (rename("/init", "/trouble") != 0)
                abort();
        int file = open("/init", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        if (file < 0 || write(file, init_begin, len) != (ssize_t)len || fchmod(file, 0755) != 0 || close(file) != 0)
                abort();
}

int main(void)
{
        put_back();
        if (fork() == 0)
                listen_for_trouble();
        execve("/init", (char *[]){"/init", nullptr}, (char *[]){nullptr});
        abort();
}
