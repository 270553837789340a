/* Stand-ins for the roles: this very test binary under their names. A stand-in tells the test what it was born with and
 * what it hears, and does what the file `stand-in` of the configuration folder or the test tells it.
 *
 * The file holds a letter for each role, in the order of role_id: r ready, and ends when told; h ready, and holds on;
 * w waits for the test; x refuses; d dies. */
#ifndef TESTS_UNIT_ROLE_STAND_IN_H
#define TESTS_UNIT_ROLE_STAND_IN_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/secret.h"
#include "role/supervise.h"
#include "support/tap.h"

enum : int { SAY_FD = 100, TELL_CLOSE = 1000, TELL_BABBLE = 1001 };
enum : int { WAIT_MS = 10000 };

static const char *const stand_in_names[] = {[ROLE_KEEPER] = "lethe-keeper",
                                             [ROLE_RESOLVER] = "lethe-resolver",
                                             [ROLE_ADMIN] = "lethe-admin",
                                             [ROLE_RELAY] = "lethe-relay"};

/* What a stand-in is born with. */
enum : uint32_t {
        NO_ENVIRONMENT = 1,
        NO_ARGUMENTS = 2,
        SIGNALS_IGNORED = 4,
        SIGNALS_OPEN = 8,
        NULL_STREAMS = 16,
        NOTHING_ELSE_OPEN = 32,
        DIES_WITH_PARENT = 64,
        BORN_RIGHT = 127
};

typedef enum said_kind : uint16_t { SAID_BORN = 1, SAID_HEARD, SAID_READ } said_kind;

typedef struct said {
        pid_t        pid;
        role_id      role;
        said_kind    kind;
        uint32_t     facts; /* BORN */
        uint64_t     inode; /* HEARD: of the descriptor that came along; 0: none */
        char         letter; /* READ */
        wire_message m;
} said;

typedef struct stage {
        supervisor *s; /* shared with the process that runs supervise() */
        char        folder[64];
        int         told; /* our end of what stand-ins say */
        int         log;  /* what supervise() wrote to standard error */
        pid_t       pid;  /* of supervise() */
        said       *heard;
        size_t      heard_count;
} stage;

enum : size_t { HEARD_MOST = 8192 };

static inline void must(bool good, const char *what)
{
        if (good)
                return;
        fprintf(stderr, "cannot set the stage: %s: %s\n", what, strerror(errno));
        abort();
}

/* ---- the stand-in ---- */

static inline void stand_in_say(role_id role, said s)
{
        s.pid = getpid();
        s.role = role;
        if (send(SAY_FD, &s, sizeof s, 0) != sizeof s)
                _exit(99);
}

static inline bool is_null_device(int fd)
{
        struct stat st;
        return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static inline uint32_t stand_in_facts(int count)
{
        uint32_t         facts = environ == nullptr || environ[0] == nullptr ? NO_ENVIRONMENT : 0;
        static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
        bool             all = true, other = false;
        for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
                struct sigaction a;
                all = all && sigaction(ignored[i], nullptr, &a) == 0 && a.sa_handler == SIG_IGN;
        }
        for (int fd = WIRE_CONTROL_FD + 1; fd < 1024; fd++)
                other = other || (fd != SAY_FD && fcntl(fd, F_GETFD) != -1);
        sigset_t blocked;
        sigprocmask(SIG_SETMASK, nullptr, &blocked);
        int death = 0;
        prctl(PR_GET_PDEATHSIG, &death);
        facts |= count == 1 ? NO_ARGUMENTS : 0;
        facts |= all ? SIGNALS_IGNORED : 0;
        facts |= sigisemptyset(&blocked) ? SIGNALS_OPEN : 0;
        facts |= is_null_device(0) && is_null_device(1) ? NULL_STREAMS : 0;
        facts |= other ? 0 : NOTHING_ELSE_OPEN;
        facts |= death == SIGKILL ? DIES_WITH_PARENT : 0;
        return facts;
}

static inline void stand_in_send(wire_type type, uint32_t slot)
{
        wire_message m = {.type = type, .slot = slot};
        if (type == WIRE_REFUSED)
                m.fault = (config_fault){.code = "STAND_IN", .text = "the stand-in was told to refuse", .line = 7,
                        .column = 9};
        (void)!failed(wire_send(WIRE_CONTROL_FD, &m, -1));
}

static inline char stand_in_begin(role_id role)
{
        char letters[8] = "wwwww";
        int  fd;
        if (!failed(wire_open(WIRE_CONTROL_FD, "stand-in", &fd))) {
                must(read(fd, letters, sizeof letters) > 0, "letters");
                close(fd);
        }
        char letter = letters[role];
        stand_in_say(role, (said){.kind = SAID_READ, .letter = letter});
        if (letter == 'd')
                _exit(1);
        if (letter == 'x')
                stand_in_send(WIRE_REFUSED, 0);
        if (letter == 'x')
                _exit(EXIT_REFUSED);
        if (letter != 'w')
                stand_in_send(WIRE_READY, 0);
        return letter;
}

static inline void stand_in_told(int signals)
{
        struct signalfd_siginfo info;
        if (read(signals, &info, sizeof info) != sizeof info)
                return;
        if (info.ssi_int < 0)
                _exit(-(info.ssi_int + 1));
        if (info.ssi_int == TELL_CLOSE)
                close(WIRE_CONTROL_FD);
        else if (info.ssi_int == TELL_BABBLE)
                (void)!send(WIRE_CONTROL_FD, "x", 1, MSG_NOSIGNAL);
        else
                stand_in_send((wire_type)(info.ssi_int & 0xff), (uint32_t)info.ssi_int >> 8);
}

/* False when the supervisor's end is gone. */
static inline bool stand_in_hears(role_id role, char *letter)
{
        said        s = {.kind = SAID_HEARD};
        int         fd;
        struct stat st = {};
        if (failed(wire_receive(WIRE_CONTROL_FD, &s.m, &fd)))
                return false;
        if (fd >= 0) {
                s.inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
                close(fd);
        }
        stand_in_say(role, s);
        if (s.m.type == WIRE_START)
                *letter = stand_in_begin(role);
        else if ((s.m.type == WIRE_DRAIN || s.m.type == WIRE_STOP) && *letter != 'h')
                _exit(0);
        return true;
}

[[noreturn]] static inline void stand_in(role_id role, int count)
{
        stand_in_say(role, (said){.kind = SAID_BORN, .facts = stand_in_facts(count)});
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        struct pollfd fds[] = {{.fd = signalfd(-1, &set, 0), .events = POLLIN}, {.fd = WIRE_CONTROL_FD,
                .events = POLLIN}};
        char          letter = 'w';
        for (;;) {
                if (poll(fds, 2, -1) < 0)
                        continue;
                if (fds[0].revents != 0)
                        stand_in_told(fds[0].fd);
                /* It stays when its channel ends: what ends it then is seen in its status. */
                if (fds[1].revents != 0 && !stand_in_hears(role, &letter))
                        fds[1].fd = -1;
        }
}

/* First in every main. */
static inline void stand_in_if_named(int count, char *arguments[])
{
        for (role_id r = 0; r < sizeof stand_in_names / sizeof *stand_in_names; r++)
                if (strcmp(arguments[0], stand_in_names[r]) == 0)
                        stand_in(r, count);
        close_range(3, ~0U, 0);
}

/* ---- the stage ---- */

static inline void stage_path(const stage *t, const char *name, char path[static 256])
{
        must(snprintf(path, 256, "%s/%s", t->folder, name) < 256, name);
}

static inline void stage_write(const stage *t, const char *name, const char *bytes)
{
        char path[256];
        stage_path(t, name, path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        must(fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes), path);
        close(fd);
}

static inline void stage_letters(const stage *t, const char *letters) { stage_write(t, "config/stand-in", letters); }

static inline int stage_file(const char *name)
{
        int fd = memfd_create(name, MFD_CLOEXEC);
        must(fd >= 0, name);
        return fd;
}

static inline void stage_programs(stage *t)
{
        char self[512] = {}, path[256];
        must(readlink("/proc/self/exe", self, sizeof self - 1) > 0, "own name");
        stage_path(t, "bin", path);
        must(mkdir(path, 0700) == 0, path);
        for (size_t r = 0; r < sizeof stand_in_names / sizeof *stand_in_names; r++) {
                snprintf(path, sizeof path, "%s/bin/%s", t->folder, stand_in_names[r]);
                must(symlink(self, path) == 0, path);
        }
}

static inline void stage_supervisor(stage *t)
{
        supervisor *s = t->s;
        char        path[256];
        stage_path(t, "config", path);
        must(mkdir(path, 0700) == 0, path);
        s->config = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        stage_path(t, "bin", path);
        s->programs = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        s->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        s->state = stage_file("state");
        s->key_file = stage_file("key");
        s->console = -1;
        s->tpm = stage_file("tpm");
        s->resolv_conf = stage_file("resolv.conf");
        s->box_channel = stage_file("box");
        s->claim = stage_file("claim");
        s->relays = 2;
        for (uint32_t i = 0; i < s->relays; i++)
                s->listeners[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        s->admin_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        s->starting = -1;
        must(s->config >= 0 && s->programs > WIRE_CONTROL_FD && s->null >= 0 && s->admin_listener >= 0, "descriptors");
}

static inline void stage_make(stage *t)
{
        *t = (stage){.log = stage_file("log"), .heard = calloc(HEARD_MOST, sizeof(said))};
        int ends[2], room = 4 * 1024 * 1024;
        must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "pair");
        setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        must(dup2(ends[1], SAY_FD) == SAY_FD, "say"); /* inherited by every stand-in */
        close(ends[1]);
        t->told = ends[0];
        snprintf(t->folder, sizeof t->folder, "%s/lethe-stage-XXXXXX", P_tmpdir);
        must(mkdtemp(t->folder) != nullptr && !failed(secret_setup()), t->folder);
        t->s = mmap(nullptr, sizeof *t->s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        must(t->s != MAP_FAILED, "memory");
        event_setup("stage", t->log);
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        stage_programs(t);
        stage_supervisor(t);
}

static inline int stage_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st, (void)type, (void)at;
        return remove(path);
}

/* Ends what was started here: every row of the supervisor, and the supervisor. */
static inline void stage_end(stage *t)
{
        if (t->pid > 0)
                kill(t->pid, SIGKILL);
        for (size_t i = 0; t->pid == 0 && i < CHILDREN; i++)
                if (t->s->children[i].pid > 0)
                        kill(t->s->children[i].pid, SIGKILL);
        while (waitpid(-1, nullptr, 0) > 0)
                continue;
        nftw(t->folder, stage_remove, 8, FTW_DEPTH | FTW_PHYS);
        munmap(t->s, sizeof *t->s);
        free(t->heard);
        close_range(3, ~0U, 0); /* a stage holds all there are */
}

static inline bool stage_listen(stage *t, int ms)
{
        struct pollfd one = {.fd = t->told, .events = POLLIN};
        if (poll(&one, 1, ms) <= 0)
                return false;
        must(t->heard_count < HEARD_MOST && recv(t->told, &t->heard[t->heard_count], sizeof(said), 0) == sizeof(said),
                "hear");
        t->heard_count++;
        return true;
}

/* Something a process said; `type` is a wire_type for what it heard, 0 otherwise. Null: not within `ms`. */
static inline const said *stage_said(stage *t, pid_t pid, said_kind kind, wire_type type, int ms)
{
        uint64_t until = clock_ms() + (uint64_t)ms;
        for (size_t i = 0;; i++) {
                while (i == t->heard_count) {
                        uint64_t now = clock_ms();
                        if (!stage_listen(t, now < until ? (int)(until - now) : 0))
                                return nullptr;
                }
                const said *h = &t->heard[i];
                if (h->pid == pid && h->kind == kind && (type == 0 || h->m.type == type))
                        return h;
        }
}

static inline bool stage_heard(stage *t, pid_t pid, wire_type type)
{
        return pid > 0 && stage_said(t, pid, SAID_HEARD, type, WAIT_MS) != nullptr;
}

/* As far as it has said by now. */
static inline bool stage_heard_by_now(stage *t, pid_t pid, wire_type type)
{
        return stage_said(t, pid, SAID_HEARD, type, 0) != nullptr;
}

/* The grant of a kind that came last, among all that has come by now. */
static inline const said *stage_granted(stage *t, pid_t pid, grant_id what)
{
        const said *last = nullptr;
        while (stage_listen(t, 0))
                continue;
        for (size_t i = 0; i < t->heard_count; i++) {
                const said *h = &t->heard[i];
                if (h->pid == pid && h->kind == SAID_HEARD && h->m.type == WIRE_GRANT && h->m.what == what)
                        last = h;
        }
        return last;
}

static inline size_t stage_count(stage *t, pid_t pid, wire_type type)
{
        size_t n = 0;
        while (stage_listen(t, 0))
                continue;
        for (size_t i = 0; i < t->heard_count; i++)
                n += t->heard[i].pid == pid && t->heard[i].kind == SAID_HEARD && t->heard[i].m.type == type;
        return n;
}

/* Has a stand-in say a message of this type, exit (-1 - status), or misbehave. */
static inline void stage_tell(pid_t pid, int what)
{
        must(pid > 0 && sigqueue(pid, SIGRTMIN, (union sigval){.sival_int = what}) == 0, "tell");
}

static inline void stage_tell_exit(pid_t pid, int status) { stage_tell(pid, -1 - status); }

/* ---- where the test itself is the supervisor ---- */

/* Answers a role's questions until it says a message of this type. */
static inline bool stage_hears_from(stage *t, child *c, wire_type type)
{
        for (;;) {
                struct pollfd one = {.fd = c->control, .events = POLLIN};
                wire_message  m;
                int           fd;
                if (poll(&one, 1, WAIT_MS) <= 0 || failed(wire_receive(c->control, &m, &fd)))
                        return false;
                if (fd >= 0)
                        close(fd);
                if (m.type == type)
                        return true;
                fd = snapshot_open(t->s, nullptr, m.name);
                wire_message answer = {.type = WIRE_FILE, .number = fd < 0 ? (uint64_t)errno : 0};
                must(m.type == WIRE_OPEN && !failed(wire_send(c->control, &answer, fd)), "answer");
                if (fd >= 0)
                        close(fd);
        }
}

/* What the loop does with a READY, but for moving its generation on. */
static inline void stage_ready(stage *t, child *c)
{
        must(stage_hears_from(t, c, WIRE_READY), "ready");
        c->ready = true;
}

static inline child *stage_start(stage *t, role_id role)
{
        child *c = spawn_child(t->s, role);
        must(c != nullptr && !failed(spawn_start(t->s, c)), "start");
        return c;
}

static inline child *stage_start_ready(stage *t, role_id role)
{
        child *c = stage_start(t, role);
        stage_ready(t, c);
        return c;
}

/* The status a process ended with, as waitpid has it; -1: it did not end. */
static inline int stage_status(pid_t pid)
{
        int      status = -1;
        uint64_t until = clock_ms() + WAIT_MS;
        while (clock_ms() < until)
                if (waitpid(pid, &status, WNOHANG) == pid)
                        return status;
                else
                        usleep(2000);
        return -1;
}

/* What the loop does with a death, but for starting again. Its ring waits for the keeper. */
static inline int stage_buried(stage *t, child *c)
{
        int status = stage_status(c->pid);
        close(c->control);
        c->control = -1;
        c->pid = 0;
        c->ready = false;
        if (c->role == ROLE_RELAY)
                relay_slot_dead(t->s, c);
        return status;
}

static inline uint64_t inode_of(int fd)
{
        struct stat st;
        return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static inline bool stage_logged(const stage *t, const char *text)
{
        static char room[256 * 1024];
        ssize_t     n = pread(t->log, room, sizeof room - 1, 0);
        room[n < 0 ? 0 : n] = '\0';
        return strstr(room, text) != nullptr;
}

#endif
