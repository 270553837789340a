/* mock-vendor: an LLM vendor that speaks the OpenAI dialect exactly, keeps its own books, and fails on request.
 *
 * It stands behind the relay in `make run`, in tests and in benchmarks. It shares no code with src/, so that a mistake
 * there is not repeated here, and is never part of the image. */
#include "ledger.h"
#include "serve.h"
#include "table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS_MAX = 16, BACKLOG = 4096 };

typedef struct options {
        const char *listen, *cert, *key, *secrets, *ledger, *record, *fixtures, *raws, *faults, *key_log;
        bool plain, show;
        int workers;
        uint64_t seed;
} options;

typedef struct address {
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        };
        socklen_t len;
} address;

static volatile int stopped, hung_up;

static void on_stop(int) { stopped = 1; }
static void on_hang_up(int) { hung_up = 1; }

[[noreturn]] static void die(const char *what, const char *which)
{
        fprintf(stderr, "mock-vendor: %s%s%s\n", what, which == nullptr ? "" : ": ", which == nullptr ? "" : which);
        exit(1);
}

[[noreturn]] static void usage_exit(int status)
{
        static const char text_of_usage[] =
                "usage: mock-vendor --listen ADDRESS:PORT (--plain | --tls-cert FILE --tls-key FILE)\n"
                "                   [--key FILE] [--ledger FILE] [--record FILE] [--fixtures DIR] [--raws DIR]\n"
                "                   [--faults FILE] [--key-log FILE] [--seed N] [--workers N] [--show]\n\n"
                "  --key FILE       keys that are accepted, one per line; without it any key is\n"
                "  --ledger FILE    a JSON line for every exchange, at its end; the sums are at GET /mock/ledger\n"
                "  --record FILE    a JSON line for every request as it was received\n"
                "  --faults FILE    a table of faults, read again at SIGHUP; POST /mock/faults replaces it.\n"
                "                   Rows: key KEY WORDS, model NAME WORDS, all WORDS, and # for remarks\n"
                "  --key-log FILE   the secrets of each TLS connection, in NSS's form\n"
                "  --seed N         of all that is left to chance\n"
                "  --show           print the words that were received\n"
                "  port 0 takes a free port; the first line on standard output names it\n\n"
                "A model name \"mock:key=value,key,...\" asks for something unusual, WORDS for the same:\n";
        text manual = {};
        text_str(&manual, text_of_usage);
        fault_manual(&manual);
        fwrite(manual.bytes, 1, manual.len, status == 0 ? stdout : stderr);
        exit(status);
}

static bool option_flag(options *o, const char *name)
{
        if (strcmp(name, "--plain") == 0)
                return o->plain = true;
        if (strcmp(name, "--show") == 0)
                return o->show = true;
        return false;
}

static bool option_value(options *o, const char *name, const char *value)
{
        const struct {
                const char *name;
                const char **to;
        } rows[] = {
                {"--listen", &o->listen},     {"--tls-cert", &o->cert}, {"--tls-key", &o->key},
                {"--key", &o->secrets},       {"--ledger", &o->ledger}, {"--record", &o->record},
                {"--fixtures", &o->fixtures}, {"--raws", &o->raws},
                {"--faults", &o->faults},     {"--key-log", &o->key_log},
        };
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                if (strcmp(name, rows[i].name) == 0) {
                        *rows[i].to = value;
                        return true;
                }
        }
        if (strcmp(name, "--seed") == 0)
                return slice_number((slice){value, strlen(value)}, &o->seed);
        if (strcmp(name, "--workers") != 0)
                return false;
        o->workers = atoi(value);
        return o->workers >= 1 && o->workers <= WORKERS_MAX;
}

static options options_read(int argc, char **argv)
{
        options o = {.workers = 1, .seed = 1};
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--help") == 0)
                        usage_exit(0);
                if (option_flag(&o, argv[i]))
                        continue;
                if (i + 1 == argc || !option_value(&o, argv[i], argv[i + 1]))
                        usage_exit(2);
                i++;
        }
        if (o.listen == nullptr || o.plain == (o.cert != nullptr) || (o.cert == nullptr) != (o.key == nullptr))
                usage_exit(2);
        return o;
}

static address address_read(const char *text_form)
{
        address a = {};
        char host[64];
        const char *colon = strrchr(text_form, ':');
        size_t len = colon == nullptr ? 0 : (size_t)(colon - text_form);
        if (len == 0 || len >= sizeof host)
                die("--listen wants ADDRESS:PORT", text_form);
        bool v6 = text_form[0] == '[' && text_form[len - 1] == ']';
        memcpy(host, text_form + v6, len - 2 * v6);
        host[len - 2 * v6] = 0;
        in_port_t port = htons((uint16_t)atoi(colon + 1));
        if (v6) {
                a.v6.sin6_family = AF_INET6;
                a.v6.sin6_port = port;
                a.len = sizeof a.v6;
        } else {
                a.v4.sin_family = AF_INET;
                a.v4.sin_port = port;
                a.len = sizeof a.v4;
        }
        if (inet_pton(a.any.sa_family, host, v6 ? (void *)&a.v6.sin6_addr : (void *)&a.v4.sin_addr) != 1)
                die("not an address", host);
        return a;
}

/* Binds and, when the port was 0, learns which one it became. */
static int listener_open(address *a)
{
        int one = 1, fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0
            || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 || bind(fd, &a->any, a->len) != 0
            || listen(fd, BACKLOG) != 0 || getsockname(fd, &a->any, &a->len) != 0)
                die("cannot listen", strerror(errno));
        return fd;
}

static int alpn_select(SSL *, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                       unsigned int in_len, void *)
{
        static const unsigned char ours[] = "\x08http/1.1";
        unsigned char *chosen;
        if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
}

static int append_open(const char *path)
{
        if (path == nullptr)
                return -1;
        int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
                die("cannot write", path);
        return fd;
}

static int key_log = -1;

/* One write: lines of several workers stay whole in a file opened for appending. */
static void log_secret(const SSL *, const char *line)
{
        text row = {};
        text_fmt(&row, "%s\n", line);
        if (write(key_log, row.bytes, row.len) != (ssize_t)row.len)
                die("cannot write", "the key log");
        text_free(&row);
}

/* Made before the workers, so that all of them take each other's session tickets. */
static SSL_CTX *tls_open(const options *o)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
        if (tls == nullptr)
                die("no TLS", nullptr);
        SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
        SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                      | SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_id_context(tls, (const unsigned char *)"mock", 4);
        SSL_CTX_set_num_tickets(tls, 1);
        SSL_CTX_set_alpn_select_cb(tls, alpn_select, nullptr);
        if (SSL_CTX_use_certificate_chain_file(tls, o->cert) != 1)
                die("cannot use the certificate", o->cert);
        if (SSL_CTX_use_PrivateKey_file(tls, o->key, SSL_FILETYPE_PEM) != 1)
                die("cannot use the key", o->key);
        key_log = append_open(o->key_log);
        if (key_log >= 0)
                SSL_CTX_set_keylog_callback(tls, log_secret);
        return tls;
}

static vendor vendor_open(const options *o)
{
        vendor v = {.show = o->show,
                    .fixtures = o->fixtures,
                    .raws = o->raws,
                    .ledger_fd = append_open(o->ledger),
                    .record_fd = append_open(o->record)};
        if (o->secrets != nullptr && !text_read_file(&v.keys, o->secrets))
                die("cannot read", o->secrets);
        return v;
}

/* A table that is not understood leaves the one before. */
static void faults_read(const char *path)
{
        text rows = {};
        int line = text_read_file(&rows, path) ? table_set(text_all(&rows)) : -1;
        text_free(&rows);
        if (line != 0)
                fprintf(stderr, "mock-vendor: %s: line %d is not understood\n", path, line);
}

static void vendor_close(vendor *v, SSL_CTX *tls)
{
        text_free(&v->keys);
        text_free(&v->scratch);
        text_free(&v->words);
        json_free(&v->doc);
        SSL_CTX_free(tls);
}

static void files_raise(void)
{
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
}

/* Ends the workers when told to, or when one of them ends by itself. */
static int parent_wait(const pid_t *workers, int count, const char *faults)
{
        int status = 0, result = 0;
        while (!stopped && wait(&status) < 0 && errno == EINTR) {
                if (hung_up)
                        faults_read(faults);
                hung_up = 0;
        }
        if (!stopped)
                result = 1;
        for (int i = 0; i < count; i++)
                kill(workers[i], SIGTERM);
        while (wait(&status) > 0 || errno == EINTR)
                ;
        return result;
}

int main(int argc, char **argv)
{
        options o = options_read(argc, argv);
        address at = address_read(o.listen);
        pid_t workers[WORKERS_MAX];
        int listeners[WORKERS_MAX];
        signal(SIGPIPE, SIG_IGN);
        sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_stop}, nullptr);
        /* Started in the background of a shell, Ctrl-C is not for us: the shell says when. */
        struct sigaction before;
        sigaction(SIGINT, nullptr, &before);
        if (before.sa_handler != SIG_IGN)
                sigaction(SIGINT, &(struct sigaction){.sa_handler = on_stop}, nullptr);
        files_raise();
        vendor v = vendor_open(&o);
        SSL_CTX *tls = o.plain ? nullptr : tls_open(&o);
        ledger_share();
        table_share();
        chance_seed(o.seed);
        if (o.faults != nullptr) {
                faults_read(o.faults);
                sigaction(SIGHUP, &(struct sigaction){.sa_handler = on_hang_up}, nullptr);
        }
        for (int i = 0; i < o.workers; i++)
                listeners[i] = listener_open(&at);
        printf("mock-vendor listens on port %u\n",
               ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port));
        fflush(stdout);
        pid_t parent = getpid();
        for (int i = 0; i < o.workers; i++) {
                workers[i] = fork();
                if (workers[i] < 0)
                        die("cannot fork", strerror(errno));
                if (workers[i] != 0)
                        continue;
                prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (o.faults != nullptr)
                        signal(SIGHUP, SIG_IGN);
                if (getppid() != parent)
                        return 0;
                for (int k = 0; k < o.workers; k++) {
                        if (k != i)
                                close(listeners[k]);
                }
                serve(listeners[i], tls, &v, &stopped);
                vendor_close(&v, tls);
                return 0;
        }
        for (int i = 0; i < o.workers; i++)
                close(listeners[i]);
        vendor_close(&v, tls);
        return parent_wait(workers, o.workers, o.faults);
}
