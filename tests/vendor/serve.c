#include "serve.h"

#include "ledger.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TURN_EVENTS = 256, OUT_BYTES = 64 * 1024, SHARE_BYTES = 512 * 1024, IN_BYTES_MAX = 80 * 1024 * 1024 };

typedef struct conn {
        LIST_ENTRY(conn) all, wait;
        wire wire;
        uint64_t id, nth;
        text in, out, chunked;
        size_t out_sent;               /* of `out` */
        uint64_t queued, sent;         /* bytes, since the connection began */
        uint64_t usage_mark, end_mark; /* `queued` when usage, when the answer, was written; 0: not yet */
        exchange x;
        size_t need; /* input shorter than this cannot be a whole request */
        step step;   /* what the exchange asked for last */
        bool busy, waiting, greeted, continued;
} conn;

typedef LIST_HEAD(conn_list, conn) conn_list;

typedef struct worker {
        int epoll;
        SSL_CTX *tls;
        vendor *vendor;
        conn_list all, waiting;
        uint64_t now_ms, conn_count;
        text ledger, record;
} worker;

static uint64_t clock_ms(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* One write: lines of several workers stay whole in a file opened for appending. */
static void append(int fd, text *lines)
{
        for (size_t done = 0; fd >= 0 && done < lines->len;) {
                ssize_t wrote = write(fd, lines->bytes + done, lines->len - done);
                if (wrote < 0 && errno != EINTR)
                        break;
                if (wrote > 0)
                        done += (size_t)wrote;
        }
        text_clear(lines);
}

static void conn_account(worker *w, conn *c, ending how)
{
        if (c->busy && c->x.kind != KIND_OTHER) {
                ledger_line line = {&c->x, c->id, c->nth, c->usage_mark != 0 && c->sent >= c->usage_mark, how};
                ledger_write(&line, w->vendor->ledger_fd >= 0 ? &w->ledger : nullptr);
        }
        c->busy = false;
}

static void conn_wait(worker *w, conn *c, bool wanted)
{
        if (wanted && !c->waiting)
                LIST_INSERT_HEAD(&w->waiting, c, wait);
        else if (!wanted && c->waiting)
                LIST_REMOVE(c, wait);
        c->waiting = wanted;
}

/* The one way a connection ends. */
static void conn_end(worker *w, conn *c, ending how, bool reset)
{
        if (c->end_mark != 0 && c->sent >= c->end_mark)
                how = ENDING_WHOLE;
        conn_account(w, c, how);
        conn_wait(w, c, false);
        wire_close(&c->wire, how == ENDING_WHOLE || c->x.graceful, reset);
        LIST_REMOVE(c, all);
        exchange_free(&c->x);
        text_free(&c->in);
        text_free(&c->out);
        text_free(&c->chunked);
        free(c);
}

static void record(worker *w, const conn *c, const http_request *req)
{
        if (w->vendor->record_fd < 0)
                return;
        text_fmt(&w->record, "{\"at_ms\":%lu,\"connection\":%lu,\"nth\":%lu,\"head\":\"", w->now_ms, c->id, c->nth);
        text_json(&w->record, (slice){c->in.bytes, req->head_len}, false);
        text_str(&w->record, "\",\"body\":\"");
        text_json(&w->record, req->body, false);
        text_str(&w->record, "\"}\n");
        append(w->vendor->record_fd, &w->record);
}

static bool conn_refuse(worker *w, conn *c)
{
        static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        size_t sent;
        (void)wire_write(&c->wire, (slice){answer, sizeof answer - 1}, &sent);
        conn_end(w, c, ENDING_WHOLE, false);
        return false;
}

/* Starts the next exchange when a whole request is there. false: the connection is gone. */
static bool conn_begin(worker *w, conn *c)
{
        http_request req;
        if (c->in.len == 0 || c->in.len < c->need)
                return true;
        http_verdict verdict = http_parse(text_all(&c->in), &req, &c->chunked);
        if (verdict == HTTP_BAD || c->in.len > IN_BYTES_MAX)
                return conn_refuse(w, c);
        if (verdict == HTTP_PARTIAL) {
                c->need = req.used;
                if (req.head_len > 0 && req.expect && !c->continued) {
                        c->continued = true;
                        text_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
                        c->queued += 25;
                }
                return true;
        }
        c->busy = true;
        c->nth++;
        c->step = STEP_MORE;
        c->usage_mark = c->end_mark = 0;
        if (!slice_has(req.path, "/mock/"))
                record(w, c, &req);
        exchange_begin(&c->x, &req, w->vendor);
        text_drop(&c->in, req.used);
        text_clear(&c->chunked);
        c->need = 0;
        c->continued = false;
        return true;
}

/* Sends what is written. false: the connection is gone. */
static bool conn_flush(worker *w, conn *c, bool *blocked)
{
        *blocked = false;
        if (c->out_sent == c->out.len)
                return true;
        size_t sent;
        wire_state state = wire_write(&c->wire, (slice){c->out.bytes + c->out_sent, c->out.len - c->out_sent}, &sent);
        c->out_sent += sent;
        c->sent += sent;
        if (state == WIRE_GONE) {
                conn_end(w, c, ENDING_PEER, false);
                return false;
        }
        *blocked = state == WIRE_BLOCKED;
        if (!*blocked) {
                text_clear(&c->out);
                c->out_sent = 0;
        }
        return true;
}

/* Lets the exchange write until it waits, ends or has filled the buffer. */
static step conn_step(worker *w, conn *c)
{
        step what = STEP_MORE;
        while (what == STEP_MORE && c->x.due <= w->now_ms && c->out.len < OUT_BYTES) {
                size_t before = c->out.len;
                what = exchange_step(&c->x, &c->out, w->now_ms);
                c->queued += c->out.len - before;
                if (c->x.usage_out && c->usage_mark == 0)
                        c->usage_mark = c->queued;
                if (c->x.whole && c->end_mark == 0)
                        c->end_mark = c->queued;
        }
        return what;
}

/* After the last byte went out. false: the connection is gone. */
static bool conn_finish(worker *w, conn *c)
{
        if (c->step != STEP_END || !c->x.keep_alive) {
                conn_end(w, c, c->step == STEP_END ? ENDING_WHOLE : ENDING_MOCK, c->step == STEP_RESET);
                return false;
        }
        conn_account(w, c, ENDING_WHOLE);
        exchange_clear(&c->x);
        return true;
}

/* Everything that can be done now, or a fair share of it. false: the connection is gone. */
static bool conn_pump(worker *w, conn *c)
{
        uint64_t share = c->queued + SHARE_BYTES;
        for (;;) {
                bool blocked;
                if (!c->busy && !conn_begin(w, c))
                        return false;
                if (c->busy && c->step == STEP_MORE)
                        c->step = conn_step(w, c);
                if (!conn_flush(w, c, &blocked))
                        return false;
                if (blocked || !c->busy || c->step == STEP_SILENT)
                        return true;
                if (c->step == STEP_MORE && (c->x.due > w->now_ms || c->queued > share)) {
                        conn_wait(w, c, true);
                        return true;
                }
                if (c->step != STEP_MORE && !conn_finish(w, c))
                        return false;
        }
}

static void conn_run(worker *w, conn *c)
{
        wire_state state = wire_handshake(&c->wire);
        if (state == WIRE_MORE && !c->greeted) {
                c->greeted = true;
                ledger_connection(c->wire.ssl != nullptr && SSL_session_reused(c->wire.ssl));
        }
        if (state == WIRE_MORE)
                state = wire_read(&c->wire, &c->in);
        else if (state == WIRE_BLOCKED)
                return;
        if (state == WIRE_GONE) {
                conn_end(w, c, ENDING_PEER, false);
                return;
        }
        (void)conn_pump(w, c);
}

static void accept_all(worker *w, int listener)
{
        for (;;) {
                int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0)
                        return;
                conn *c = calloc(1, sizeof *c);
                if (c == nullptr)
                        abort();
                if (!wire_open(&c->wire, fd, w->tls)) {
                        free(c);
                        continue;
                }
                c->id = ++w->conn_count << 16 | (uint64_t)(getpid() & 0xffff);
                LIST_INSERT_HEAD(&w->all, c, all);
                struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
                if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
                        abort();
        }
}

/* Milliseconds until the first waiting exchange is due; -1: none waits. */
static int wait_run(worker *w)
{
        uint64_t first = UINT64_MAX;
        conn *next;
        for (conn *c = LIST_FIRST(&w->waiting); c != nullptr; c = next) {
                next = LIST_NEXT(c, wait);
                if (c->x.due <= w->now_ms) {
                        conn_wait(w, c, false);
                        if (!conn_pump(w, c))
                                continue;
                }
                if (c->waiting && c->x.due < first)
                        first = c->x.due;
        }
        if (first == UINT64_MAX)
                return -1;
        if (first <= w->now_ms)
                return 0;
        return first - w->now_ms > 60000 ? 60000 : (int)(first - w->now_ms);
}

void serve(int listener, SSL_CTX *tls, vendor *v, const volatile int *stop)
{
        worker w = {.epoll = epoll_create1(EPOLL_CLOEXEC), .tls = tls, .vendor = v};
        struct epoll_event at = {.events = EPOLLIN}, events[TURN_EVENTS];
        if (w.epoll < 0 || epoll_ctl(w.epoll, EPOLL_CTL_ADD, listener, &at) != 0)
                abort();
        int timeout = -1;
        while (!*stop) {
                int count = epoll_wait(w.epoll, events, TURN_EVENTS, timeout);
                w.now_ms = clock_ms();
                for (int i = 0; i < count; i++) {
                        if (events[i].data.ptr == nullptr)
                                accept_all(&w, listener);
                        else
                                conn_run(&w, events[i].data.ptr);
                }
                timeout = wait_run(&w);
                append(v->ledger_fd, &w.ledger);
        }
        while (!LIST_EMPTY(&w.all))
                conn_end(&w, LIST_FIRST(&w.all), ENDING_MOCK, false);
        append(v->ledger_fd, &w.ledger);
        text_free(&w.ledger);
        text_free(&w.record);
        close(w.epoll);
}
