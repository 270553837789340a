/* callers: many callers who each ask, read the answer to its end, think, and ask again; over TLS 1.3. Who fails is
 * counted and goes on. Shares nothing with src/.
 *
 * LANES is a file of rows "SIDE PORT CA NAME KEY BODY". A side is one way to be served (directly, through a relay);
 * caller number i uses the lane i modulo their number of each side. Who has several sides asks them in turn, on a
 * connection each. A lost connection is opened again at once, while the caller thinks: what that takes is not in any
 * number here. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, TURN_EVENTS = 256, OPENING_MAX = 32, LANES_MAX = 64, SIDES_MAX = 4, WORD_BYTES = 256 };
static const double PATIENCE_US = 60e6; /* of one call, and of opening all connections */

/* How a call ended. Good is: status 200, text, the end mark, a whole answer, and no error in it. */
#define ENDS(ROW)                                                                                            \
        ROW(good)                                                                                            \
        ROW(refused_429) ROW(refused_503) ROW(refused_other) ROW(cut_before) ROW(cut_after) ROW(error_event) \
                ROW(not_done) ROW(late)
typedef enum call_end {
#define ROW(name) END_##name,
        ENDS(ROW)
#undef ROW
                END_COUNT
} call_end;
static const char *const end_names[] = {
#define ROW(name) #name,
        ENDS(ROW)
#undef ROW
};

/* What calls that failed were told, each kind once: status, x-lethe-end and x-lethe-attempts, the error's code. */
enum { KINDS_MAX = 32, KIND_BYTES = 96 };
typedef struct kind {
        char words[KIND_BYTES];
        uint64_t count;
} kind;

typedef struct lane {
        int port;
        char name[WORD_BYTES];
        SSL_CTX *tls;
        char *request;
        size_t request_len;
} lane;

typedef struct side {
        lane lanes[LANES_MAX];
        int count;
        uint64_t ends[END_COUNT], connects, good_ever; /* the last one warming up included */
        numbers first, whole;                          /* of the good ones, microseconds */
        double sum_first;
        kind kinds[KINDS_MAX]; /* of those that are counted; the last one takes what has no room */
} side;

typedef struct caller caller;

typedef struct conn {
        int fd; /* -1: closed */
        SSL *ssl;
        bool shaken, busy;
        const lane *lane;
        caller *of;
        int side;
        size_t sent;
        double asked_us, first_us;
        answer answer;
        double sum_first; /* of this caller's good calls here */
        uint64_t good;
} conn;

struct caller {
        conn conns[SIDES_MAX];
        int turn; /* which side is next */
        bool waiting;
        double next_us;
};

typedef struct load {
        side sides[SIDES_MAX];
        int side_count, callers, epoll, opening;
        caller *all;
        double seconds, warm_s, think_ms;
        double count_from_us, end_us;
        bool running;
        uint64_t random;
} load;

static double now_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

[[noreturn]] static void give_up(const char *what)
{
        fprintf(stderr, "callers: %s\n", what);
        exit(1);
}

/* splitmix64; above 0, at most 1 */
static double fraction(load *l)
{
        uint64_t z = l->random += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return ((double)((z ^ z >> 31) >> 11) + 1) / 9007199254740992.0;
}

/* ---- lanes ---- */

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

static SSL_CTX *tls_make(const char *ca)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
        if (tls == nullptr || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1
            || SSL_CTX_set1_groups_list(tls, "X25519") != 1 || SSL_CTX_load_verify_file(tls, ca) != 1)
                give_up("no TLS context");
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        return tls;
}

static void lane_add(load *l, char *row)
{
        int number = 0, port = 0;
        char ca[WORD_BYTES], key[WORD_BYTES], body_file[WORD_BYTES], name[WORD_BYTES], head[1024];
        if (sscanf(row, "%d %d %255s %255s %255s %255s", &number, &port, ca, name, key, body_file) != 6 || number < 0
            || number >= SIDES_MAX || l->sides[number].count == LANES_MAX)
                give_up("a row of the lanes is not understood");
        side *s = &l->sides[number];
        lane *out = &s->lanes[s->count++];
        if (number >= l->side_count)
                l->side_count = number + 1;
        size_t body_len;
        char *body = read_file(body_file, &body_len);
        int n = snprintf(head, sizeof head,
                         "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                         name, key, body_len);
        out->port = port;
        out->tls = tls_make(ca);
        memcpy(out->name, name, sizeof name);
        out->request_len = (size_t)n + body_len;
        out->request = malloc(out->request_len);
        if (out->request == nullptr)
                abort();
        memcpy(out->request, head, (size_t)n);
        memcpy(out->request + n, body, body_len);
        free(body);
}

static void lanes_read(load *l, const char *file)
{
        size_t len;
        char *bytes = read_file(file, &len), *rest = bytes;
        for (char *row; (row = strsep(&rest, "\n")) != nullptr;)
                if (*row != 0)
                        lane_add(l, row);
        free(bytes);
        for (int i = 0; i < l->side_count; i++)
                if (l->sides[i].count == 0)
                        give_up("a side without a lane");
        if (l->side_count == 0)
                give_up("no lane");
}

/* ---- connections ---- */

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
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->lane->port)};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int one = 1;
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
                give_up("no socket");
        if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
                give_up("nobody listens");
        c->ssl = SSL_new(c->lane->tls);
        if (c->ssl == nullptr || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_set_tlsext_host_name(c->ssl, c->lane->name) != 1)
                give_up("no TLS");
        SSL_set1_host(c->ssl, c->lane->name);
        SSL_set_connect_state(c->ssl);
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
                give_up("no epoll");
        c->shaken = c->busy = false;
        l->opening++;
        l->sides[c->side].connects += l->running;
}

/* ---- calls ---- */

static void caller_thinks(load *l, caller *k)
{
        k->next_us = now_us() - log(fraction(l)) * l->think_ms * 1e3;
        k->waiting = true;
}

/* As much of a value as tells a kind: what may stand in JSON as it is. */
static int kind_word(const char *value)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
        size_t len = value == nullptr ? 0 : strspn(value, plain);
        return len < 32 ? (int)len : 32;
}

static const char *told(const char *value) { return value == nullptr ? "" : value; }

static void kind_count(side *s, answer *a, call_end how)
{
        static const char code_member[] = "\"code\":\"";
        const char *end = nullptr, *tries = nullptr, *code = nullptr;
        if (a->status != 0) {
                end = answer_field(a, "x-lethe-end");
                tries = answer_field(a, "x-lethe-attempts");
                a->text[a->text_len] = 0; /* a refusal's body is one line without an end */
                code = strstr(a->text, code_member);
        }
        code = code == nullptr ? nullptr : code + sizeof code_member - 1;
        char words[KIND_BYTES] = {};
        snprintf(words, KIND_BYTES, "%s %d %.*s %.*s %.*s", end_names[how], a->status, kind_word(end), told(end),
                 kind_word(tries), told(tries), kind_word(code), told(code));
        int i = 0;
        while (i < KINDS_MAX - 1 && s->kinds[i].count > 0 && strcmp(s->kinds[i].words, words) != 0)
                i++;
        if (s->kinds[i].count++ == 0)
                memcpy(s->kinds[i].words, words, KIND_BYTES);
}

static void conn_ended(load *l, conn *c, call_end how)
{
        side *s = &l->sides[c->side];
        double now = now_us();
        c->busy = false;
        s->good_ever += how == END_good;
        if (c->asked_us >= l->count_from_us) {
                s->ends[how]++;
                if (how == END_good) {
                        double first = c->first_us - c->asked_us;
                        numbers_add(&s->first, first);
                        numbers_add(&s->whole, now - c->asked_us);
                        s->sum_first += first;
                        c->sum_first += first;
                        c->good++;
                } else {
                        kind_count(s, &c->answer, how);
                }
        }
        caller_thinks(l, c->of);
}

static void conn_lost(load *l, conn *c)
{
        bool busy = c->busy, seen = c->answer.content;
        conn_close(l, c);
        if (busy)
                conn_ended(l, c, seen ? END_cut_after : END_cut_before);
}

static call_end judge(const answer *a)
{
        if (a->status == 429)
                return END_refused_429;
        if (a->status == 503)
                return END_refused_503;
        if (a->status != 200)
                return END_refused_other;
        if (a->failed)
                return END_error_event;
        return a->done && a->content ? END_good : END_not_done;
}

static bool conn_read(load *l, conn *c)
{
        static char buffer[READ_BYTES];
        int got = SSL_read(c->ssl, buffer, READ_BYTES);
        if (got <= 0) {
                int why = SSL_get_error(c->ssl, got);
                if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
                        conn_lost(l, c);
                return false;
        }
        (void)answer_feed(&c->answer, buffer, (size_t)got);
        if (c->answer.content && c->first_us == 0)
                c->first_us = now_us();
        if (c->answer.at == AT_BAD)
                conn_lost(l, c);
        else if (c->answer.at == AT_WHOLE && c->busy)
                conn_ended(l, c, judge(&c->answer));
        return c->fd >= 0;
}

static void conn_write(load *l, conn *c)
{
        while (c->fd >= 0 && c->busy && c->sent < c->lane->request_len) {
                size_t wrote;
                if (SSL_write_ex(c->ssl, c->lane->request + c->sent, c->lane->request_len - c->sent, &wrote) != 1) {
                        int why = SSL_get_error(c->ssl, 0);
                        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
                                conn_lost(l, c);
                        return;
                }
                c->sent += wrote;
        }
}

static bool conn_shake(load *l, conn *c)
{
        int result = SSL_do_handshake(c->ssl);
        if (result == 1) {
                c->shaken = true;
                l->opening--;
                return true;
        }
        int why = SSL_get_error(c->ssl, result);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
                conn_lost(l, c);
        return false;
}

static void conn_drive(load *l, conn *c)
{
        if (c->fd < 0 || (!c->shaken && !conn_shake(l, c)))
                return;
        conn_write(l, c);
        while (c->fd >= 0 && conn_read(l, c))
                conn_write(l, c);
}

static void conn_ask(load *l, conn *c)
{
        c->sent = 0;
        c->busy = true;
        c->first_us = 0;
        c->asked_us = now_us();
        answer_reset(&c->answer);
        conn_drive(l, c);
}

/* ---- the run ---- */

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

/* Opens what is closed, a few at a time; returns how many are still not open. */
static int open_all(load *l)
{
        int missing = 0;
        for (int i = 0; i < l->callers; i++)
                for (int s = 0; s < l->side_count; s++) {
                        conn *c = &l->all[i].conns[s];
                        if (c->fd < 0 && l->opening < OPENING_MAX)
                                conn_open(l, c);
                        missing += !c->shaken;
                }
        return missing;
}

static void callers_make(load *l)
{
        l->all = calloc((size_t)l->callers, sizeof *l->all);
        if (l->all == nullptr)
                give_up("no memory");
        for (int i = 0; i < l->callers; i++) {
                caller *k = &l->all[i];
                k->turn = i % l->side_count;
                for (int s = 0; s < l->side_count; s++)
                        k->conns[s] = (conn){.fd = -1,
                                             .of = k,
                                             .side = s,
                                             .lane = &l->sides[s].lanes[i % l->sides[s].count],
                                             .answer.look = true};
        }
        double until = now_us() + PATIENCE_US;
        while (open_all(l) > 0) {
                turn(l, now_us() + 1e5);
                if (now_us() > until)
                        give_up("not all connections are open within a minute");
        }
}

/* Lets all ask whose time has come, and gives up what takes too long. Returns when the next one's has. */
static double ask_due(load *l)
{
        double now = now_us(), next = now + 2e4;
        for (int i = 0; i < l->callers; i++) {
                caller *k = &l->all[i];
                conn *c = &k->conns[k->turn];
                if (!k->waiting) {
                        conn *last = &k->conns[(k->turn + l->side_count - 1) % l->side_count];
                        if (last->busy && now - last->asked_us > PATIENCE_US) {
                                conn_close(l, last);
                                conn_ended(l, last, END_late);
                        }
                } else if (k->next_us <= now && c->shaken) {
                        k->waiting = false;
                        k->turn = (k->turn + 1) % l->side_count;
                        conn_ask(l, c);
                } else if (k->next_us > now && k->next_us < next) {
                        next = k->next_us;
                }
        }
        return next;
}

static bool any_busy(const load *l)
{
        for (int i = 0; i < l->callers; i++)
                if (!l->all[i].waiting)
                        return true;
        return false;
}

static void run(load *l)
{
        double began = now_us();
        l->running = true;
        l->count_from_us = began + l->warm_s * 1e6;
        l->end_us = l->count_from_us + l->seconds * 1e6;
        /* Not all at once: as if they had been at it for a while. */
        for (int i = 0; i < l->callers; i++)
                caller_thinks(l, &l->all[i]);
        while (now_us() < l->end_us) {
                (void)open_all(l);
                turn(l, ask_due(l));
        }
        while (any_busy(l) && now_us() < l->end_us + PATIENCE_US)
                turn(l, now_us() + 2e4);
        for (int i = 0; i < l->callers; i++)
                for (int s = 0; s < l->side_count; s++) {
                        conn *c = &l->all[i].conns[s];
                        if (c->busy)
                                conn_ended(l, c, END_late);
                }
}

static double mean_of_callers(load *l, int s)
{
        double sum = 0;
        int count = 0;
        for (int i = 0; i < l->callers; i++) {
                const conn *c = &l->all[i].conns[s];
                if (c->good == 0)
                        continue;
                sum += c->sum_first / (double)c->good;
                count++;
        }
        return count == 0 ? 0 : sum / count;
}

static void side_report(load *l, int number)
{
        side *s = &l->sides[number];
        uint64_t calls = 0;
        for (int i = 0; i < END_COUNT; i++)
                calls += s->ends[i];
        printf("%s{\"calls\":%lu,\"good_ever\":%lu,\"connects\":%lu,\"ends\":{", number > 0 ? "," : "", calls,
               s->good_ever, s->connects);
        for (int i = 0; i < END_COUNT; i++)
                printf("%s\"%s\":%lu", i > 0 ? "," : "", end_names[i], s->ends[i]);
        double mean = s->first.count == 0 ? 0 : s->sum_first / (double)s->first.count;
        printf("},\"failed\":{");
        for (int i = 0; i < KINDS_MAX && s->kinds[i].count > 0; i++)
                printf("%s\"%s\":%lu", i > 0 ? "," : "", s->kinds[i].words, s->kinds[i].count);
        printf("},\"first_mean_us\":%.1f,\"first_mean_of_callers_us\":%.1f,\"first_p999_us\":%.1f,"
               "\"first_max_us\":%.1f,\"whole_p50_us\":%.1f,\"whole_p99_us\":%.1f,\"first_percentiles_us\":[",
               mean, mean_of_callers(l, number), numbers_at(&s->first, 0.999), numbers_at(&s->first, 1),
               numbers_at(&s->whole, 0.5), numbers_at(&s->whole, 0.99));
        for (int p = 0; p < 100; p++)
                printf("%s%.1f", p > 0 ? "," : "", numbers_at(&s->first, p / 100.0));
        printf("]}");
}

static void options_read(load *l, int argc, char **argv)
{
        const struct option rows[] = {
                {"lanes", 1, nullptr, 'l'},
                {"callers", 1, nullptr, 'c'},
                {"seconds", 1, nullptr, 's'},
                {"warm", 1, nullptr, 'w'},
                {"think", 1, nullptr, 't'},
                {"seed", 1, nullptr, 'r'},
                {},
        };
        const char *lanes = nullptr;
        for (int row; (row = getopt_long(argc, argv, "", rows, nullptr)) != -1;) {
                if (row == 'l')
                        lanes = optarg;
                else if (row == 'c')
                        l->callers = atoi(optarg);
                else if (row == 's')
                        l->seconds = atof(optarg);
                else if (row == 'w')
                        l->warm_s = atof(optarg);
                else if (row == 't')
                        l->think_ms = atof(optarg);
                else if (row == 'r')
                        l->random = strtoull(optarg, nullptr, 10);
                else
                        give_up("see tests/bench/callers.c for its options");
        }
        if (lanes == nullptr || l->callers < 1)
                give_up("--lanes and --callers are needed");
        lanes_read(l, lanes);
}

int main(int argc, char **argv)
{
        static load l = {.seconds = 1, .random = 1};
        char line[16];
        prctl(PR_SET_TIMERSLACK, 1UL);
        signal(SIGPIPE, SIG_IGN);
        l.epoll = epoll_create1(EPOLL_CLOEXEC);
        options_read(&l, argc, argv);
        callers_make(&l);
        printf("ready\n");
        fflush(stdout);
        if (fgets(line, sizeof line, stdin) == nullptr)
                return 1;
        run(&l);
        printf("{\"sides\":[");
        for (int i = 0; i < l.side_count; i++)
                side_report(&l, i);
        printf("]}\n");
        return 0;
}
