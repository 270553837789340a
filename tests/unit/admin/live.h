/* A real server in a child process, plain TCP on loopback; the test is its caller, its keeper and its supervisor. */
#ifndef TESTS_UNIT_ADMIN_LIVE_H
#define TESTS_UNIT_ADMIN_LIVE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/server.h"
#include "base/clock.h"
#include "base/secret.h"
#include "ipc/keeper.h"
#include "support/tap.h"

typedef struct live {
        board *board;
        uint16_t port;
        int keeper, control; /* our ends */
        pid_t child;
} live;

static live l;

typedef struct live_child {
        net_loop *loop;
        admin_server *server;
        int control;
} live_child;

static uint64_t live_clock(void) { return 1234567890; }

static inline void live_control(void *ctx)
{
        live_child *c = ctx;
        wire_message m;
        int fd;
        err e = wire_receive(c->control, &m, &fd);
        if (e.code == ERR_GONE)
                _exit(9);
        if (failed(e))
                return;
        if (m.type == WIRE_STOP)
                admin_server_stop(c->server);
        else if (m.type == WIRE_RELOADED)
                admin_server_reloaded(c->server, &m);
        else if (m.type == WIRE_GRANT)
                admin_server_keeper(c->server, fd);
}

static inline void live_serve(int listen_fd, int control)
{
        catalog *c = calloc(1, sizeof *c);
        if (c == nullptr)
                _exit(8);
        c->host_count = 2;
        memcpy(c->hosts[0], "127.0.0.1", 9);
        memcpy(c->hosts[1], "a.example", 9);
        c->admin_count = 1;
        secret_sha256(c->admins[0].hash, VIEW("right"));
        live_child self = {.loop = net_loop_new(), .control = control};
        admin_setup setup = {.loop = self.loop,
                             .catalog = c,
                             .board = l.board,
                             .listen_fd = listen_fd,
                             .control = control,
                             .version = "1.0",
                             .commit = "abc",
                             .wall_s = live_clock};
        if (self.loop == nullptr || failed(admin_server_new(&setup, &self.server)))
                _exit(8);
        net_watch *watch = net_watch_start(self.loop, control, live_control, &self);
        net_loop_run(self.loop);
        admin_server_free(self.server);
        net_watch_stop(watch);
        free(c);
        /* A listener is never freed: it lives as long as its process. */
        _exit(0);
}

static inline void live_start(void)
{
        int pair[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof at;
        int small = 16 * 1024;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        l.board = mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (failed(secret_setup()) || fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0
            || listen(fd, 128) != 0 || getsockname(fd, (struct sockaddr *)&at, &len) != 0 || l.board == MAP_FAILED
            || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
                abort();
        board_format(l.board);
        l.port = ntohs(at.sin_port);
        l.child = fork();
        if (l.child == 0) {
                close(pair[1]);
                live_serve(fd, pair[0]);
        }
        close(fd);
        close(pair[0]);
        l.control = pair[1];
        l.keeper = -1;
}

static inline void live_keeper(void)
{
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
                abort();
        const wire_message m = {.type = WIRE_GRANT, .what = GRANT_KEEPER};
        if (failed(wire_send(l.control, &m, pair[0])))
                abort();
        close(pair[0]);
        l.keeper = pair[1];
}

static inline int live_connect(void)
{
        struct sockaddr_in to = {
                .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(l.port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int small = 16 * 1024;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
                abort();
        return fd;
}

static inline void live_send(int fd, view v)
{
        while (v.len > 0) {
                ssize_t n = send(fd, v.data, v.len, MSG_NOSIGNAL);
                if (n <= 0)
                        return;
                v = view_slice(v, (size_t)n, v.len);
        }
}

typedef struct live_answer {
        unsigned status; /* 0: none came */
        size_t len;
        char text[64 * 1024];
        bool closed;
} live_answer;

static inline bool live_readable(int fd, int ms)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};
        return poll(&p, 1, ms) > 0;
}

/* One whole answer by its Content-Length (100 Continue has none); at most `ms` of silence. */
static inline live_answer *live_take(int fd, int ms)
{
        static live_answer a;
        a = (live_answer){};
        size_t want = sizeof a.text - 1;
        while (a.len < want) {
                ssize_t n = live_readable(fd, ms) ? recv(fd, a.text + a.len, 1, 0) : -1;
                if (n <= 0) {
                        a.closed = n == 0;
                        break;
                }
                a.len++;
                if (a.len >= 4 && want == sizeof a.text - 1 && memcmp(a.text + a.len - 4, "\r\n\r\n", 4) == 0) {
                        const char *length = strstr(a.text, "Content-Length: ");
                        want = a.len + (length != nullptr ? strtoul(length + 16, nullptr, 10) : 0);
                }
        }
        a.text[a.len] = '\0';
        if (a.len > 12)
                a.status = (unsigned)strtoul(a.text + 9, nullptr, 10);
        return &a;
}

static inline bool live_ended(int fd)
{
        char c;
        return live_readable(fd, 2000) && recv(fd, &c, 1, 0) <= 0;
}

static inline live_answer *live_ask(const char *request)
{
        int fd = live_connect();
        live_send(fd, view_of_text(request));
        live_answer *a = live_take(fd, 3000);
        close(fd);
        return a;
}

static inline bool live_has(const live_answer *a, unsigned status, const char *part)
{
        bool good = a->status == status && strstr(a->text, part) != nullptr;
        if (!good)
                printf("# wanted %u, got %u: %s\n", status, a->status, a->text);
        return good;
}

/* The child's exit status; -1: it did not end by itself. */
static inline int live_wait(void)
{
        int status = 0;
        for (int i = 0; i < 400; i++) {
                if (waitpid(l.child, &status, WNOHANG) == l.child)
                        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
                usleep(10000);
        }
        return -1;
}

#endif
