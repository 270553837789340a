/* What lethectl says, asks and writes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/emit.h"
#include "prog/lethectl_config.h"

verdict refuse(const char *text, const char *remedy)
{
        fprintf(stderr, "lethectl: %s\n", text);
        if (remedy != nullptr)
                fprintf(stderr, "  %s\n", remedy);
        return REFUSED;
}

verdict refuse_err(const char *subject, err e, const char *remedy)
{
        int         number = errno;
        const char *text = err_describe(e.code)->text;
        if (e.code == ERR_SYSTEM && number != 0)
                fprintf(stderr, "lethectl: %s: %s\n", subject, strerror(number));
        else
                fprintf(stderr, "lethectl: %s: %s\n", subject, text);
        if (remedy != nullptr)
                fprintf(stderr, "  %s\n", remedy);
        return REFUSED;
}

verdict misused(const char *text)
{
        fprintf(stderr, "lethectl: %s\n", text);
        return USAGE;
}

/* A prompt that is broken off must give the terminal its echo back first. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int) { interrupted = 1; }

void secret_line_wipe(secret_line *s) { wipe(s, sizeof *s); }

/* Byte by byte: what follows the line belongs to the next question. False: nothing came, or too much. */
static bool line_read(int fd, secret_line *out)
{
        bool any = false;
        out->len = 0;
        for (;;) {
                uint8_t c;
                ssize_t n = read(fd, &c, 1);
                if (n < 0 && errno == EINTR && interrupted == 0)
                        continue;
                if (n < 0)
                        return false;
                if (n == 0)
                        break;
                any = true;
                if (c == '\n')
                        break;
                if (out->len == sizeof out->bytes)
                        return false;
                out->bytes[out->len++] = c;
        }
        if (out->len > 0 && out->bytes[out->len - 1] == '\r')
                out->len--;
        return any;
}

static bool prompt_read(const char *prompt, secret_line *out)
{
        int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
                refuse("there is no terminal to ask on", "Use --stdin and send the secret to standard input.");
                return false;
        }
        struct termios shown, hidden;
        if (tcgetattr(fd, &shown) != 0) {
                close(fd);
                refuse("the terminal does not let its echo be switched off", "Use --stdin.");
                return false;
        }
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        struct sigaction watch = {.sa_handler = on_interrupt}, int_before, term_before;
        sigaction(SIGINT, &watch, &int_before);
        sigaction(SIGTERM, &watch, &term_before);
        (void)!write(fd, prompt, strlen(prompt));
        bool good = tcsetattr(fd, TCSAFLUSH, &hidden) == 0 && line_read(fd, out);
        tcsetattr(fd, TCSAFLUSH, &shown);
        sigaction(SIGINT, &int_before, nullptr);
        sigaction(SIGTERM, &term_before, nullptr);
        (void)!write(fd, "\n", 1);
        close(fd);
        return good;
}

bool secret_ask(const lethectl *c, const char *prompt, secret_line *out)
{
        out->len = 0;
        bool good = c->from_stdin ? line_read(STDIN_FILENO, out) : prompt_read(prompt, out);
        if (good && out->len > 0)
                return true;
        secret_line_wipe(out);
        fprintf(stderr, "lethectl: nothing was given for \"%s\"\n", prompt);
        return false;
}

err file_read(const char *path, size_t cap, region *out)
{
        region_init(out, cap + 1);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return FAIL(SYSTEM);
        err e = region_reserve(out, cap + 1);
        while (!failed(e) && out->len <= cap) {
                ssize_t n = read(fd, out->bytes + out->len, cap + 1 - out->len);
                if (n < 0)
                        e = FAIL(SYSTEM);
                if (n <= 0)
                        break;
                out->len += (size_t)n;
        }
        int number = errno;
        close(fd);
        errno = number;
        if (!failed(e) && out->len > cap)
                e = FAIL(NO_ROOM);
        return e;
}

static bool write_whole(int fd, view v)
{
        while (v.len > 0) {
                ssize_t n = write(fd, v.data, v.len);
                if (n < 0)
                        return false;
                v = view_slice(v, (size_t)n, v.len);
        }
        return fsync(fd) == 0;
}

static err write_beside(const char *folder, const char *name, view bytes, mode_t mode)
{
        char path[4096], beside[4096];
        int  a = snprintf(path, sizeof path, "%s/%s", folder, name);
        int  b = snprintf(beside, sizeof beside, "%s/.%s.new", folder, name);
        if (a < 0 || b < 0 || (size_t)a >= sizeof path || (size_t)b >= sizeof beside) {
                errno = ENAMETOOLONG;
                return FAIL(SYSTEM);
        }
        int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        if (fd < 0)
                return FAIL(SYSTEM);
        /* One that was left from before keeps its mode otherwise. */
        bool good = fchmod(fd, mode) == 0 && write_whole(fd, bytes);
        close(fd);
        return good && rename(beside, path) == 0 ? OK : FAIL(SYSTEM);
}

err file_write(const char *folder, const char *name, view bytes) { return write_beside(folder, name, bytes, 0644); }

err file_write_secret(const char *folder, const char *name, view bytes)
{
        return write_beside(folder, name, bytes, 0600);
}

void print_json(view text)
{
        uint8_t bytes[4096];
        emit    e = emit_into(bytes, sizeof bytes);
        emit_json(&e, text);
        fwrite(bytes, 1, e.len, stdout);
}

void print_hex(view bytes)
{
        for (size_t i = 0; i < bytes.len; i++)
                printf("%02x", bytes.data[i]);
}
