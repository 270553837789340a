/* What the tests of the admin role share: an exchange with a captured answer, and a keeper that the test plays. */
#ifndef TESTS_UNIT_ADMIN_HARNESS_H
#define TESTS_UNIT_ADMIN_HARNESS_H

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/exchange.h"
#include "support/tap.h"

typedef struct harness {
        admin_box box;
        admin_exchange x;
        board *board;
        int keeper;  /* the keeper's end; -1: none */
        int control; /* the supervisor's end */
        int pid1;    /* the appliance's end; -1: none */
        int answers;
        bool running;
        uint16_t status;
        uint8_t body[600 * 1024];
        size_t body_len;
        char type[64], extra[128];
} harness;

static harness h;

/* A stop outside a run would end the next one. */
static inline void harness_stop(void)
{
        if (h.running)
                net_loop_stop(h.box.loop);
}

static inline void harness_run(void)
{
        h.running = true;
        net_loop_run(h.box.loop);
        h.running = false;
}

static inline void put_text(char *out, size_t cap, view v)
{
        size_t n = v.len < cap ? v.len : cap - 1;
        if (n > 0)
                memcpy(out, v.data, n);
        out[n] = '\0';
}

/* In the place of conn.c's: keeps the answer and ends the turn. */
void admin_answer(admin_exchange *x, const admin_reply *r)
{
        h.answers++;
        h.status = r->status;
        h.body_len = r->body.len < sizeof h.body ? r->body.len : sizeof h.body;
        if (h.body_len > 0)
                memcpy(h.body, r->body.data, h.body_len);
        put_text(h.type, sizeof h.type, r->type);
        put_text(h.extra, sizeof h.extra, r->extra);
        harness_stop();
        (void)x;
}

static inline void harness_keeper(void)
{
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
                abort();
        h.keeper = pair[1];
        keeper_link_attach(&h.box.keeper, pair[0]);
}

static inline void harness_box(void)
{
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
                abort();
        h.pid1 = pair[1];
        box_link_attach(&h.box.link, pair[0]);
}

static inline uint64_t harness_wall_s(void) { return 1800000000; }

static inline void harness_start(void)
{
        int pair[2];
        h.keeper = -1;
        h.pid1 = -1;
        h.board = calloc(1, sizeof *h.board);
        h.box = (admin_box){.loop = net_loop_new(), .board = h.board, .version = "1.0", .commit = "abc",
                            .wall_s = harness_wall_s};
        if (h.board == nullptr || h.box.loop == nullptr || failed(keeper_link_init(&h.box.keeper, h.box.loop))
            || failed(box_link_init(&h.box.link, h.box.loop))
            || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
                abort();
        h.box.control = pair[0];
        h.control = pair[1];
        board_format(h.board);
}

/* A fresh exchange. */
static inline admin_exchange *harness_exchange(const char *rest, const char *body)
{
        region_end(&h.x.file);
        arena_end(&h.x.memory);
        h.x = (admin_exchange){.box = &h.box, .rest = view_of_text(rest), .body = view_of_text(body)};
        arena_init(&h.x.memory, LIMIT_ADMIN_MEMORY_BYTES);
        region_init(&h.x.file, 4 * 1024 * 1024);
        h.answers = 0;
        h.status = 0;
        h.body_len = 0;
        return &h.x;
}

/* The keeper's part: takes one question. False: there is none of this operation. */
static inline bool keeper_hears(keeper_op op, keeper_message *m)
{
        ssize_t n = recv(h.keeper, m, sizeof *m, MSG_DONTWAIT);
        return n >= 16 && m->op == op && (size_t)n == 16 + m->len;
}

static inline void keeper_says(keeper_op op, err_code code, const void *bytes, size_t len)
{
        static keeper_message m;
        m = (keeper_message){.op = op, .code = code, .len = (uint32_t)len};
        if (len > 0)
                memcpy(m.bytes, bytes, len);
        if (send(h.keeper, &m, 16 + len, MSG_NOSIGNAL) < 0)
                abort();
}

/* One whole round: the question is of `op`; the answer leads to the exchange's. */
static inline bool keeper_round(keeper_op op, err_code code, const void *bytes, size_t len)
{
        static keeper_message m;
        if (h.answers != 0 || !keeper_hears(op, &m))
                return false;
        keeper_says(op, code, bytes, len);
        harness_run();
        return h.answers == 1;
}

static inline bool answer_is(uint16_t status, const char *body)
{
        bool good = h.answers == 1 && h.status == status && h.body_len == strlen(body)
                    && memcmp(h.body, body, h.body_len) == 0;
        if (!good)
                printf("# %d answers, %u %.*s\n", h.answers, h.status, (int)h.body_len, (const char *)h.body);
        return good;
}

static inline bool answer_has(uint16_t status, const char *part)
{
        bool good = h.answers == 1 && h.status == status && memmem(h.body, h.body_len, part, strlen(part)) != nullptr;
        if (!good)
                printf("# %d answers, %u %.*s\n", h.answers, h.status, (int)h.body_len, (const char *)h.body);
        return good;
}

static inline int harness_done(void)
{
        harness_exchange("", "");
        keeper_link_end(&h.box.keeper);
        box_link_end(&h.box.link);
        free(h.board);
        return tap_done();
}

#endif
