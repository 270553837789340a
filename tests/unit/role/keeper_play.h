/* A keeper in a child process, and a test that plays its supervisor, its admin role and its relays. */
#ifndef TESTS_UNIT_ROLE_KEEPER_PLAY_H
#define TESTS_UNIT_ROLE_KEEPER_PLAY_H

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/board.h"
#include "base/box_facts.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/secret.h"
#include "ipc/keeper.h"
#include "ipc/wire.h"
#include "role/keeper.h"
#include "support/tap.h"
#include "usage/ledger.h"
#include "usage/record.h"
#include "vault/container.h"
#include "vault/lease.h"
#include "vault/seal.h"
#include "vault/store.h"

static const uint8_t PLAY_KEY[KEY_FILE_BYTES] = "01234567890123456789012345678901";
static const char    PLAY_PASSPHRASE[] = "correct horse";

static const char PLAY_CONFIG[] =
        "{\"lethe\":\"config/1\",\"hosts\":[\"localhost\"],"
        "\"upstreams\":[{\"name\":\"up\",\"vendor\":\"acme\",\"base_url\":\"https://api.acme.example/v1\","
        "\"ca\":\"acme.pem\"}],"
        "\"models\":[{\"name\":\"small\",\"targets\":[{\"upstream\":\"up\",\"model\":\"m\"}]}],"
        "\"keys\":[{\"id\":\"abcdefgh\",\"hash\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\","
        "\"project\":\"alpha\",\"models\":[\"*\"]}]}";
static const char PLAY_POLICY[] = "{\"pii\":\"1\"}";

typedef struct play {
        int   box_fd; /* 0: no box */
        int   control, admin, events; /* our ends */
        int   console; /* the keeper's end of the console's pair; -1: none */
        pid_t pid;

        /* memory that outlives the keeper, as the supervisor holds it */
        int          board_fd, lease_fd, ledger_fd, page_fd, wake, state, key_file;
        board       *board;
        const lease *lease;
        uint8_t     *page;
        int          ring_fds[LIMIT_COLUMNS]; /* 0: none */
        usage_ring  *rings[LIMIT_COLUMNS];

        int          tpm; /* 0: none */
        bool         with_key_file, without_lease, no_policy, in_state;
        wire_message last; /* READY or REFUSED */
} play;

static inline void play_must(bool good, const char *what)
{
        if (good)
                return;
        fprintf(stderr, "cannot play: %s\n", what);
        abort();
}

static inline int play_memory(size_t bytes, void **map)
{
        int fd = memfd_create("play", MFD_CLOEXEC);
        play_must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "memfd");
        if (map != nullptr)
                *map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return fd;
}

static inline int play_file(const void *bytes, size_t len)
{
        int fd = memfd_create("file", MFD_CLOEXEC);
        play_must(fd >= 0 && pwrite(fd, bytes, len, 0) == (ssize_t)len, "file");
        return fd;
}

static inline int play_state(slot_kind kind)
{
        FILE *f = tmpfile();
        play_must(f != nullptr, "state file");
        int              fd = dup(fileno(f));
        container_opener opener = {
                .kind = kind, .secret = {PLAY_KEY, sizeof PLAY_KEY}, .ops = 1, .mem_bytes = ARGON_MEM_MIN};
        if (kind == SLOT_PASSPHRASE)
                opener.secret = view_of_text(PLAY_PASSPHRASE);
        fclose(f);
        play_must(!failed(store_create(fd, &opener, 1)), "store_create");
        return fd;
}

static inline void play_make(play *p, slot_kind kind)
{
        *p = (play){.control = -1, .admin = -1, .console = -1};
        play_must(!failed(secret_setup()), "secret_setup");
        void *map;
        p->board_fd = play_memory(sizeof(board), &map);
        p->board = map;
        board_format(p->board);
        p->lease_fd = play_memory(sizeof(lease), &map);
        p->lease = map;
        p->ledger_fd = play_memory(ledger_bytes(), nullptr);
        p->page_fd = play_memory(4096, &map);
        p->page = map;
        p->wake = eventfd(0, EFD_CLOEXEC);
        p->state = play_state(kind);
        p->key_file = play_file(PLAY_KEY, sizeof PLAY_KEY);
        p->with_key_file = kind == SLOT_KEY_FILE;
        int pipes[2];
        play_must(pipe(pipes) == 0, "pipe");
        p->events = pipes[1];
        close(pipes[0]);
        signal(SIGPIPE, SIG_IGN);
}

/* A keeper that has refused its start leaves while we are still talking: what it said is there to be read. */
static inline void play_send(play *p, const wire_message *m, int fd, const char *what)
{
        err e = wire_send(p->control, m, fd);
        play_must(!failed(e) || e.code == ERR_GONE, what);
}

static inline void play_grant(play *p, grant_id what, uint32_t slot, uint64_t number, int fd)
{
        wire_message m = {.type = WIRE_GRANT, .what = what, .slot = slot, .number = number};
        play_send(p, &m, fd, "grant");
}

static inline void play_tell(play *p, wire_type type, uint16_t what, uint64_t number, int fd)
{
        wire_message m = {.type = type, .what = what, .slot = (uint32_t)number, .number = number};
        play_send(p, &m, fd, "tell");
}

static inline void play_generation(play *p, uint64_t number)
{
        int fd = play_file(PLAY_CONFIG, sizeof PLAY_CONFIG - 1);
        play_tell(p, WIRE_GENERATION, 0, number, fd);
        close(fd);
}

static inline void play_admin(play *p)
{
        int pair[2];
        play_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "pair");
        if (p->admin >= 0)
                close(p->admin);
        p->admin = pair[0];
        play_grant(p, GRANT_KEEPER, 0, 0, pair[1]);
        close(pair[1]);
}

/* A fresh ring for a new relay; `generation` as its relay would have it. */
static inline usage_ring *play_ring(play *p, uint32_t slot, uint32_t generation)
{
        void *map;
        if (p->ring_fds[slot] != 0)
                close(p->ring_fds[slot]);
        p->ring_fds[slot] = play_memory(usage_ring_bytes(), &map);
        play_must(!failed(usage_ring_format(map, usage_ring_bytes(), &p->rings[slot])), "ring");
        play_grant(p, GRANT_RING, slot, generation, p->ring_fds[slot]);
        return p->rings[slot];
}

static inline void play_grants(play *p)
{
        play_grant(p, GRANT_BOARD, 0, 0, p->board_fd);
        if (!p->without_lease)
                play_grant(p, GRANT_LEASE, 0, 0, p->lease_fd);
        play_grant(p, GRANT_LEDGER, 0, 0, p->ledger_fd);
        play_grant(p, GRANT_VAULT_KEY, 0, 0, p->page_fd);
        play_grant(p, GRANT_STATE, 0, 0, p->state);
        play_grant(p, GRANT_RING_WAKE, 0, 0, p->wake);
        if (p->box_fd != 0)
                play_grant(p, GRANT_BOX_FACTS, 0, 0, p->box_fd);
        if (p->tpm > 0)
                play_grant(p, GRANT_TPM, 0, 0, p->tpm);
        if (p->with_key_file)
                play_grant(p, GRANT_KEY_FILE, 0, 0, p->key_file);
        if (p->console >= 0)
                play_grant(p, GRANT_CONSOLE, 0, 0, p->console);
        play_generation(p, 1);
        for (uint32_t i = 0; i < LIMIT_COLUMNS; i++)
                if (p->ring_fds[i] != 0)
                        play_grant(p, GRANT_RING, i, 1, p->ring_fds[i]);
        play_admin(p);
        play_tell(p, WIRE_START, 0, p->in_state ? START_CONFIG_IN_STATE : 0, -1);
}

static inline bool play_receive(play *p, wire_message *m)
{
        struct pollfd poll_for = {.fd = p->control, .events = POLLIN};
        int           fd = -1;
        bool          came = poll(&poll_for, 1, 10000) > 0 && !failed(wire_receive(p->control, m, &fd));
        if (fd >= 0)
                close(fd);
        return came;
}

static inline int play_exit(play *p)
{
        int status = 0;
        waitpid(p->pid, &status, 0);
        p->pid = 0;
        close(p->control);
        p->control = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

[[noreturn]] static inline void play_keeper(play *p, int control)
{
        static const keeper_build build = {"0.1", "c0ffee"};
        event_setup("keeper", p->events);
        keeper *k = keeper_open(control, &build);
        _exit(k == nullptr ? EXIT_REFUSED : keeper_serve(k));
}

/* Starts a keeper over the memory of the last one. True when it says READY; p->last is what it said. */
static inline bool play_start(play *p)
{
        int pair[2];
        play_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "pair");
        p->control = pair[0];
        p->pid = fork();
        if (p->pid == 0) {
                close(pair[0]);
                play_keeper(p, pair[1]);
        }
        close(pair[1]);
        play_grants(p);
        while (play_receive(p, &p->last)) {
                if (p->last.type == WIRE_READY || p->last.type == WIRE_REFUSED)
                        return p->last.type == WIRE_READY;
                wire_message answer = {.type = WIRE_FILE, .number = 2};
                int          fd = p->no_policy ? -1 : play_file(PLAY_POLICY, sizeof PLAY_POLICY - 1);
                play_must(p->last.type == WIRE_OPEN, "file");
                play_send(p, &answer, fd, "file");
                if (fd >= 0)
                        close(fd);
        }
        p->last.type = 0;
        return false;
}

static inline void play_kill(play *p)
{
        kill(p->pid, SIGKILL);
        play_exit(p);
}

static inline int play_stop(play *p)
{
        play_tell(p, WIRE_STOP, 0, 0, -1);
        return play_exit(p);
}

static inline bool play_refused_with(play *p, const char *code)
{
        bool started = play_start(p);
        return !started && p->last.type == WIRE_REFUSED && strcmp(p->last.fault.code, code) == 0
               && strlen(p->last.fault.text) > 20 && play_exit(p) == EXIT_REFUSED;
}

/* One question on the admin channel. The answer's code; its payload in `answer`. */
static inline err_code play_ask(play *p, keeper_op op, view payload, keeper_message *answer)
{
        static keeper_message q;
        struct pollfd         poll_for = {.fd = p->admin, .events = POLLIN};
        q = (keeper_message){.op = op, .len = (uint32_t)payload.len};
        if (payload.len > 0)
                memcpy(q.bytes, payload.data, payload.len);
        if (send(p->admin, &q, 16 + q.len, 0) < 0 || poll(&poll_for, 1, 10000) <= 0)
                return ERR_GONE;
        ssize_t n = recv(p->admin, answer, sizeof *answer, 0);
        return n >= 16 && answer->len == (size_t)n - 16 && answer->op == op ? (err_code)answer->code : ERR_GONE;
}

static inline void play_wake(const play *p)
{
        uint64_t one = 1;
        play_must(write(p->wake, &one, sizeof one) == sizeof one, "wake");
}

static inline void play_exchange(usage_ring *r, ending e)
{
        usage_record attempt = {.version = 1, .kind = USAGE_ATTEMPT, .basis = USAGE_REPORTED, .generation = 1};
        usage_record exchange = {.version = 1, .kind = USAGE_EXCHANGE, .ending = e, .vendor = USAGE_NO_INDEX,
                                 .generation = 1, .attempts = 1};
        attempt.tokens[TOKENS_INPUT] = 3;
        play_must(usage_ring_reserve(r, 2), "reserve");
        usage_ring_admit(r);
        usage_ring_commit(r, &attempt);
        usage_ring_commit(r, &exchange);
}

/* The whole of a stored export or signature. */
static inline view play_export(play *p, uint64_t sequence, uint32_t signature, uint8_t *room)
{
        static keeper_message answer;
        keeper_export_get     get = {.sequence = sequence, .file = signature};
        for (;;) {
                keeper_export_part part;
                if (play_ask(p, KEEPER_EXPORT_GET, (view){(uint8_t *)&get, sizeof get}, &answer) != ERR_NONE)
                        return (view){};
                memcpy(&part, answer.bytes, sizeof part);
                memcpy(room + get.offset, part.bytes, part.len);
                get.offset += part.len;
                room[get.offset] = 0;
                if (get.offset >= part.total)
                        return (view){room, get.offset};
        }
}

/* The same from the state file, after the keeper has gone. */
static inline view play_stored(play *p, uint64_t sequence, store_chain *chain, uint8_t *room)
{
        store s;
        store_exported files;
        view  body = {}, secret = {PLAY_KEY, sizeof PLAY_KEY};
        bool  open = !failed(store_attach(&s, p->state, 0)) && !failed(store_unlock_secret(&s, SLOT_KEY_FILE, secret));
        if (open && !failed(store_export(&s, &sequence, &files))) {
                body = files.body;
                memcpy(room, body.data, body.len);
                room[body.len] = 0;
                body.data = room;
        }
        if (open && chain != nullptr)
                *chain = s.chain;
        store_close(&s);
        return body;
}

static inline bool play_says(view text, const char *part)
{
        return text.len > 0 && strstr((const char *)text.data, part) != nullptr;
}

static inline err_code play_export_now(play *p, uint64_t *sequence)
{
        static keeper_message answer;
        err_code              code = play_ask(p, KEEPER_EXPORT_NOW, (view){}, &answer);
        if (code == ERR_NONE)
                memcpy(sequence, answer.bytes, sizeof *sequence);
        return code;
}

#endif
