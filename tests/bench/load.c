#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, TURN_EVENTS = 256, OPENING_MAX = 32, ERRORS_MAX = 50, KEYS_MAX = 256 };

typedef enum phase { PHASE_WARM, PHASE_RUN, PHASE_DRAIN } phase;

typedef struct conn {
        int fd; /* -1: closed */
        SSL *ssl;
        bool shaken, busy, first;
        const char *request; /* being sent */
        size_t request_len, sent;
        double asked_us, event_us; /* when it was due; when its last event came */
        double began_us;           /* when it was really sent */
        answer answer;
} conn;

typedef struct request_text {
        char *bytes;
        size_t len;
} request_text;

typedef struct load {
        options opt;
        SSL_CTX *tls;
        SSL_SESSION *session;
        int epoll;
        conn *conns;
        request_text texts[KEYS_MAX], warm_texts[KEYS_MAX];
        int keys;
        phase phase;
        int opened, opening, ready; /* connections tried; in handshake; warm, or past the first event */
        uint64_t asked, answered, errors, resumed, events, bytes;
        double began_us, ended_us, due_us;
        numbers latency, gaps, refusals;
} load;

static double now_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

[[noreturn]] static void give_up(const char *what)
{
        fprintf(stderr, "load: %s\n", what);
        exit(1);
}

static char *read_file(const char *name, size_t *len)
{
        FILE *f = fopen(name, "rb");
        if (f == nullptr || fseek(f, 0, SEEK_END) != 0)
                give_up(name);
        *len = (size_t)ftell(f);
        char *bytes = malloc(*len + 1);
        rewind(f);
        if (bytes == nullptr || fread(bytes, 1, *len, f) != *len)
                give_up(name);
        bytes[*len] = 0;
        fclose(f);
        return bytes;
}

static request_text text_make(const options *o, const char *key, const char *body, size_t body_len)
{
        char head[1024];
        int n = snprintf(
                head, sizeof head,
                "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                "Content-Length: %zu\r\n\r\n",
                o->path, o->name, key, body_len);
        request_text t = {malloc((size_t)n + body_len), (size_t)n + body_len};
        if (t.bytes == nullptr)
                abort();
        memcpy(t.bytes, head, (size_t)n);
        memcpy(t.bytes + n, body, body_len);
        return t;
}

static void texts_make(load *l)
{
        size_t len, body_len, warm_len;
        char *keys = read_file(l->opt.keys, &len), *rest = keys;
        char *body = read_file(l->opt.body, &body_len);
        char *warm = read_file(l->opt.warm_body != nullptr ? l->opt.warm_body : l->opt.body, &warm_len);
        for (char *key; (key = strsep(&rest, "\n")) != nullptr;) {
                if (*key == 0 || l->keys == KEYS_MAX)
                        continue;
                l->texts[l->keys] = text_make(&l->opt, key, body, body_len);
                l->warm_texts[l->keys++] = text_make(&l->opt, key, warm, warm_len);
        }
        if (l->keys == 0)
                give_up("no key");
        free(keys);
        free(body);
        free(warm);
}

/* ---- connections ---- */

static void conn_drive(load *l, conn *c);

static void conn_close(load *l, conn *c)
{
        if (c->fd < 0)
                return;
        if (!c->shaken)
                l->opening--;
        else
                (void)SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        close(c->fd);
        ERR_clear_error();
        c->fd = -1;
        c->ssl = nullptr;
        c->shaken = c->busy = false;
}

static void conn_open(load *l, conn *c)
{
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)l->opt.port)};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int one = 1;
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
                give_up("no socket");
        if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
                give_up("nobody listens");
        c->ssl = SSL_new(l->tls);
        if (c->ssl == nullptr || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_set_tlsext_host_name(c->ssl, l->opt.name) != 1)
                give_up("no TLS");
        SSL_set1_host(c->ssl, l->opt.name);
        SSL_set_connect_state(c->ssl);
        if (l->opt.resume && l->session != nullptr)
                SSL_set_session(c->ssl, l->session);
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
                give_up("no epoll");
        c->shaken = c->busy = false;
        l->opening++;
        /* With `fresh` a connection is a request. */
        l->asked += l->phase == PHASE_RUN && l->opt.fresh;
}

static void conn_ask(load *l, conn *c, double due_us)
{
        size_t at = (size_t)(c - l->conns) % (size_t)l->keys;
        const request_text *t = l->phase == PHASE_WARM && !l->opt.hold ? &l->warm_texts[at] : &l->texts[at];
        c->request = t->bytes;
        c->request_len = t->len;
        c->sent = 0;
        c->busy = true;
        c->first = false;
        c->asked_us = due_us;
        c->began_us = now_us();
        c->event_us = 0;
        answer_reset(&c->answer);
        c->answer.look = l->opt.refusals;
        l->asked += l->phase == PHASE_RUN && !l->opt.fresh;
}

static void conn_failed(load *l, conn *c, const char *what)
{
        char why[256] = "";
        ERR_error_string_n(ERR_peek_error(), why, sizeof why);
        if (l->errors++ < 3)
                fprintf(stderr, "load: %s (connection %ld, busy %d, status %d, %s, errno %d)\n", what, c - l->conns,
                        c->busy, c->answer.status, why, errno);
        if (l->errors > ERRORS_MAX && !l->opt.refusals)
                give_up("too many errors");
        conn_close(l, c);
        if (l->opt.refusals && l->phase == PHASE_RUN)
                conn_open(l, c);
}

static bool more_to_ask(const load *l)
{
        return l->phase == PHASE_RUN && (l->opt.requests == 0 || l->asked < l->opt.requests);
}

/* What is allowed with `refusals`: to be told when to come back. */
static void conn_refused(load *l, conn *c)
{
        const char *after = answer_field(&c->answer, "retry-after"), *close = answer_field(&c->answer, "connection");
        if (after == nullptr || atoi(after) < 1) {
                conn_failed(l, c, "refused without a time to come back");
                return;
        }
        /* One that is to be held is asked for again with the next turn. */
        if (l->opt.hold) {
                conn_close(l, c);
                return;
        }
        if (l->phase == PHASE_WARM)
                l->ready++;
        else
                numbers_add(&l->refusals, now_us() - c->began_us);
        if (close != nullptr && strncasecmp(close, "close", 5) == 0) {
                conn_close(l, c);
                conn_open(l, c);
        }
}

/* A whole answer is there. */
static void conn_answered(load *l, conn *c)
{
        c->busy = false;
        if (l->opt.refusals && c->answer.status == 503) {
                conn_refused(l, c);
                return;
        }
        /* A stream that has not said so is not over. */
        if (l->opt.refusals && (c->answer.failed || (c->answer.events > 0 && !c->answer.done))) {
                conn_failed(l, c, "broken off");
                return;
        }
        if (c->answer.status != 200) {
                conn_failed(l, c, "refused");
                return;
        }
        if (l->phase == PHASE_WARM) {
                l->ready++;
                return;
        }
        l->answered++;
        numbers_add(&l->latency, now_us() - c->asked_us);
        if (l->opt.fresh) {
                conn_close(l, c);
                if (more_to_ask(l))
                        conn_open(l, c);
        } else if (l->opt.rate <= 0 && more_to_ask(l)) {
                conn_ask(l, c, now_us());
        }
}

static void conn_events(load *l, conn *c, uint64_t before)
{
        uint64_t fresh = c->answer.events - before;
        if (fresh == 0)
                return;
        double now = now_us();
        if (!c->first && l->opt.hold)
                l->ready++;
        c->first = true;
        if (l->phase == PHASE_WARM)
                return;
        if (c->event_us > 0)
                numbers_add(&l->gaps, now - c->event_us);
        c->event_us = now;
        uint64_t marks = l->opt.mark == 0 ? 0 : l->events / l->opt.mark;
        l->events += fresh;
        if (l->opt.mark != 0 && l->events / l->opt.mark != marks) {
                printf("mark %lu\n", l->events);
                fflush(stdout);
        }
}

/* false: nothing more to read now, or the connection is gone. */
static bool conn_read(load *l, conn *c)
{
        static char buffer[READ_BYTES];
        int got = SSL_read(c->ssl, buffer, READ_BYTES);
        if (got <= 0) {
                int why = SSL_get_error(c->ssl, got);
                if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
                        return false;
                if (c->busy || l->phase == PHASE_WARM)
                        conn_failed(l, c, "cut");
                else
                        conn_close(l, c);
                return false;
        }
        if (l->phase != PHASE_WARM)
                l->bytes += (uint64_t)got;
        uint64_t before = c->answer.events;
        (void)answer_feed(&c->answer, buffer, (size_t)got);
        conn_events(l, c, before);
        if (c->answer.at == AT_BAD) {
                conn_failed(l, c, "not an answer");
                return false;
        }
        if (c->answer.at == AT_WHOLE && c->busy)
                conn_answered(l, c);
        return c->fd >= 0;
}

static void conn_write(load *l, conn *c)
{
        while (c->fd >= 0 && c->busy && c->sent < c->request_len) {
                size_t wrote;
                size_t left = c->request_len - c->sent;
                if (SSL_write_ex(c->ssl, c->request + c->sent, left < READ_BYTES ? left : READ_BYTES, &wrote) != 1) {
                        int why = SSL_get_error(c->ssl, 0);
                        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
                                conn_failed(l, c, "cannot send");
                        return;
                }
                c->sent += wrote;
        }
}

static bool conn_shake(load *l, conn *c)
{
        int result = SSL_do_handshake(c->ssl);
        if (result != 1) {
                int why = SSL_get_error(c->ssl, result);
                if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
                        conn_failed(l, c, "no handshake");
                return false;
        }
        c->shaken = true;
        l->opening--;
        l->resumed += l->phase == PHASE_RUN && SSL_session_reused(c->ssl);
        if (l->phase == PHASE_WARM || l->opt.fresh)
                conn_ask(l, c, now_us());
        return true;
}

static void conn_drive(load *l, conn *c)
{
        if (c->fd < 0 || (!c->shaken && !conn_shake(l, c)))
                return;
        conn_write(l, c);
        while (c->fd >= 0 && conn_read(l, c))
                conn_write(l, c);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
        load *l = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
        if (!l->opt.resume)
                return 0;
        SSL_SESSION_free(l->session);
        l->session = session;
        return 1;
}

/* ---- the run ---- */

/* Waits for what happens, at most until `until_us`, and lets it happen. */
static void turn(load *l, double until_us)
{
        struct epoll_event events[TURN_EVENTS];
        double wait = until_us - now_us();
        if (wait < 0)
                wait = 0;
        struct timespec t = {(time_t)(wait / 1e6), 0};
        t.tv_nsec = (long)((wait - (double)t.tv_sec * 1e6) * 1e3);
        int count = epoll_pwait2(l->epoll, events, TURN_EVENTS, &t, nullptr);
        for (int i = 0; i < count; i++)
                conn_drive(l, events[i].data.ptr);
}

/* Opens all connections, a few at a time; each answers one question, or with `hold` shows its first event. */
static void warm(load *l)
{
        int wanted = l->opt.fresh ? (l->opt.resume ? 1 : 0) : l->opt.conns;
        double until = now_us() + 60e6;
        while (l->ready < wanted) {
                while (l->opened < wanted && l->opening < OPENING_MAX)
                        conn_open(l, &l->conns[l->opened++]);
                turn(l, now_us() + 1e5);
                for (int i = 0; i < l->opened; i++)
                        if (l->conns[i].fd < 0)
                                conn_open(l, &l->conns[i]);
                if (now_us() > until)
                        give_up("not ready within a minute");
        }
        if (!l->opt.fresh)
                return;
        if (l->opt.resume) {
                /* The ticket may come behind the answer. */
                turn(l, now_us() + 5e4);
                conn_close(l, &l->conns[0]);
                if (l->session == nullptr)
                        give_up("no ticket came");
        }
}

/* Says so and waits for a line: whoever started this reads its meters now. */
static void say_ready(load *l)
{
        char line[16];
        printf("ready\n");
        fflush(stdout);
        if (fgets(line, sizeof line, stdin) == nullptr && !l->opt.hold && !l->opt.idle)
                exit(1);
}

static conn *free_conn(load *l)
{
        static int at;
        for (int i = 0; i < l->opt.conns; i++) {
                conn *c = &l->conns[at = (at + 1) % l->opt.conns];
                if (c->fd >= 0 && c->shaken && !c->busy)
                        return c;
        }
        return nullptr;
}

/* Asks all that is due by now, as far as connections are free; what waits counts from when it was due. */
static void ask_due(load *l)
{
        double step = 1e6 / l->opt.rate;
        while (l->due_us <= now_us() && more_to_ask(l)) {
                conn *c = free_conn(l);
                if (c == nullptr)
                        return;
                conn_ask(l, c, l->due_us);
                l->due_us += step;
                conn_drive(l, c);
        }
}

static bool any_busy(const load *l)
{
        for (int i = 0; i < l->opt.conns; i++)
                if (l->conns[i].fd >= 0 && (l->conns[i].busy || !l->conns[i].shaken))
                        return true;
        return false;
}

static void run(load *l)
{
        l->phase = PHASE_RUN;
        l->began_us = l->due_us = now_us();
        double end = l->opt.requests != 0 ? l->began_us + 300e6 : l->began_us + l->opt.seconds * 1e6;
        for (int i = 0; i < l->opt.conns && l->opt.rate <= 0 && more_to_ask(l); i++) {
                if (l->opt.fresh) {
                        conn_open(l, &l->conns[i]);
                } else {
                        conn_ask(l, &l->conns[i], now_us());
                        conn_drive(l, &l->conns[i]);
                }
        }
        while (now_us() < end && (more_to_ask(l) || any_busy(l))) {
                if (l->opt.rate > 0)
                        ask_due(l);
                bool full = l->opt.rate <= 0 || l->due_us <= now_us() || !more_to_ask(l);
                turn(l, full ? now_us() + 2e4 : l->due_us);
        }
        l->phase = PHASE_DRAIN;
        double patience = now_us() + 5e6;
        while (any_busy(l) && now_us() < patience)
                turn(l, now_us() + 2e4);
        l->ended_us = now_us();
}

static void report(load *l)
{
        printf("{\"requests\":%lu,\"errors\":%lu,\"events\":%lu,\"bytes\":%lu,\"seconds\":%.6f,\"resumed\":%lu,"
               "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,",
               l->answered, l->errors, l->events, l->bytes, (l->ended_us - l->began_us) / 1e6, l->resumed,
               numbers_at(&l->latency, 0.5), numbers_at(&l->latency, 0.9), numbers_at(&l->latency, 0.99),
               numbers_at(&l->latency, 0.999), numbers_at(&l->latency, 1));
        printf("\"refused\":%zu,\"refusal_p50_us\":%.1f,\"refusal_p99_us\":%.1f,", l->refusals.count,
               numbers_at(&l->refusals, 0.5), numbers_at(&l->refusals, 0.99));
        printf("\"gap_p50_us\":%.1f,\"gap_p99_us\":%.1f,\"gap_max_us\":%.1f}\n", numbers_at(&l->gaps, 0.5),
               numbers_at(&l->gaps, 0.99), numbers_at(&l->gaps, 1));
        fflush(stdout);
}

static SSL_CTX *tls_make(load *l)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
        /* One group for all, so that nobody is measured with a key agreement the others do not have. */
        if (tls == nullptr || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1
            || SSL_CTX_set1_groups_list(tls, "X25519") != 1 || SSL_CTX_load_verify_file(tls, l->opt.ca) != 1)
                give_up("no TLS context");
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(tls, keep_session);
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_app_data(tls, l);
        return tls;
}

static void options_read(options *o, int argc, char **argv)
{
        const struct option rows[] = {
                {"port", 1, nullptr, 'p'},  {"ca", 1, nullptr, 'a'},          {"name", 1, nullptr, 'n'},
                {"path", 1, nullptr, 't'},  {"keys", 1, nullptr, 'k'},        {"body", 1, nullptr, 'b'},
                {"warm", 1, nullptr, 'w'},  {"conns", 1, nullptr, 'c'},       {"seconds", 1, nullptr, 's'},
                {"rate", 1, nullptr, 'r'},  {"requests", 1, nullptr, 'q'},    {"mark", 1, nullptr, 'm'},
                {"fresh", 0, &o->fresh, 1}, {"resume", 0, &o->resume, 1},     {"idle", 0, &o->idle, 1},
                {"hold", 0, &o->hold, 1},   {"refusals", 0, &o->refusals, 1}, {},
        };
        *o = (options){.name = "localhost", .path = "/v1/chat/completions", .conns = 1, .seconds = 1};
        for (int row; (row = getopt_long(argc, argv, "", rows, nullptr)) != -1;) {
                switch (row) {
                case 'p':
                        o->port = atoi(optarg);
                        break;
                case 'a':
                        o->ca = optarg;
                        break;
                case 'n':
                        o->name = optarg;
                        break;
                case 't':
                        o->path = optarg;
                        break;
                case 'k':
                        o->keys = optarg;
                        break;
                case 'b':
                        o->body = optarg;
                        break;
                case 'w':
                        o->warm_body = optarg;
                        break;
                case 'c':
                        o->conns = atoi(optarg);
                        break;
                case 's':
                        o->seconds = atof(optarg);
                        break;
                case 'r':
                        o->rate = atof(optarg);
                        break;
                case 'q':
                        o->requests = strtoull(optarg, nullptr, 10);
                        break;
                case 'm':
                        o->mark = strtoull(optarg, nullptr, 10);
                        break;
                case 0:
                        break;
                default:
                        give_up("see tests/bench/load.c for its options");
                }
        }
        if (o->port == 0 || o->ca == nullptr || o->keys == nullptr || o->body == nullptr || o->conns < 1)
                give_up("--port, --ca, --keys and --body are needed");
}

int main(int argc, char **argv)
{
        static load l;
        options_read(&l.opt, argc, argv);
        prctl(PR_SET_TIMERSLACK, 1UL);
        signal(SIGPIPE, SIG_IGN);
        texts_make(&l);
        l.epoll = epoll_create1(EPOLL_CLOEXEC);
        l.conns = calloc((size_t)l.opt.conns, sizeof *l.conns);
        if (l.epoll < 0 || l.conns == nullptr)
                give_up("no memory");
        for (int i = 0; i < l.opt.conns; i++)
                l.conns[i].fd = -1;
        l.tls = tls_make(&l);
        warm(&l);
        say_ready(&l);
        if (!l.opt.hold && !l.opt.idle) {
                run(&l);
                report(&l);
        }
        return l.errors > 0;
}
