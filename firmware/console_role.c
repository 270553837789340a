#include "firmware/console_role.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/packet.h"
#include "firmware/file.h"
#include "firmware/role.h"
#include "firmware/service.h"

static const char program[] = "/bin/lethe-console";

enum : uint64_t { LOCKED_BYTES = 8 * 1024 * 1024 };

void console_role_begin(console_role *r) { *r = (console_role){.channel = -1}; }

err console_role_start_due(console_role *r, const char *root, const console *c, int keeper, uint64_t now_ms)
{
        int ends[2];
        if (r->pid != 0 || now_ms < r->start_at_ms || !file_exists(root, program))
                return OK;
        r->start_at_ms = now_ms + SERVICE_BACKOFF_MOST_MS;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
                return FAIL(SYSTEM);
        role_start start = {.program = program, .uid = ROLE_UID_CONSOLE, .locked_bytes = LOCKED_BYTES,
                            .fds = {c->tty[0].fd, c->tty[1].fd, -1, ends[1], keeper}, .count = 5};
        err e = role_start_process(root, &start, &r->pid);
        close(ends[1]);
        if (failed(e)) {
                close(ends[0]);
                return e;
        }
        r->channel = ends[0];
        r->started_ms = now_ms;
        r->deaf_since_ms = 0;
        r->shown = (console_record){};
        return OK;
}

void console_role_died(console_role *r, uint64_t now_ms)
{
        if (r->channel >= 0)
                close(r->channel);
        r->channel = -1;
        r->pid = 0;
        r->deaths = now_ms - r->started_ms >= SERVICE_STABLE_MS ? 1 : r->deaths + 1;
        r->start_at_ms = now_ms + service_backoff_ms(r->deaths);
}

static bool give(console_role *r, const console_record *record, int fd)
{
        view bytes = {(const uint8_t *)record, sizeof *record};
        return r->channel >= 0 && !failed(packet_send(r->channel, bytes, fd, MSG_DONTWAIT));
}

void console_role_terminals(console_role *r, const console *c)
{
        for (size_t i = 0; i < CONSOLES; i++)
                if (c->tty[i].fd >= 0)
                        (void)give(r, &(console_record){.told = CONSOLE_TERMINAL, .items = (uint32_t)i}, c->tty[i].fd);
}

void console_role_show(console_role *r, console_record *now, uint64_t now_ms)
{
        now->told = CONSOLE_SHOW;
        /* How much memory is free is told along, and is no reason to tell. */
        uint64_t free_bytes = now->memory_bytes;
        now->memory_bytes = r->shown.memory_bytes;
        if (r->pid == 0 || memcmp(now, &r->shown, sizeof *now) == 0)
                return;
        now->memory_bytes = free_bytes;
        if (give(r, now, -1)) {
                r->shown = *now;
                r->deaf_since_ms = 0;
        } else if (r->deaf_since_ms == 0) {
                r->deaf_since_ms = now_ms;
        } else if (now_ms - r->deaf_since_ms >= ROLE_SILENT_MS) {
                kill(r->pid, SIGKILL);
        }
}

void console_role_answer(console_role *r, view sentence)
{
        console_record a = {.told = CONSOLE_ANSWER};
        a.text_len = (uint32_t)(sentence.len < sizeof a.text ? sentence.len : sizeof a.text);
        if (a.text_len > 0)
                memcpy(a.text, sentence.data, a.text_len);
        (void)give(r, &a, -1);
}

bool console_role_hear(console_role *r, console_ask *out)
{
        if (r->channel < 0)
                return false;
        ssize_t n = recv(r->channel, out, sizeof *out, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n == sizeof *out && out->text_len <= sizeof out->text && out->item < CONSOLE_ITEMS)
                return true;
        /* Its end is told by its death. */
        if (n > 0 && r->pid > 0)
                kill(r->pid, SIGKILL);
        return false;
}
