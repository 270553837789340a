/* lethed: the supervisor. Parses its arguments, binds, opens, and hands over to role/supervise. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/emit.h"
#include "base/event.h"
#include "base/secret.h"
#include "base/view.h"
#include "build_info.h"
#include "role/sandbox.h"
#include "role/supervise.h"

enum : int { EXIT_SYSTEM = 1, EXIT_USAGE = 2 };
enum : uint64_t { INHERITED_MOST = 1023 };

static const char usage[] =
        "lethed - the relay that forgets\n"
        "\n"
        "  lethed --config DIR | --config-in-state [--claim FILE]\n"
        "         --state FILE [--key-file FILE] --listen ADDR:PORT --admin ADDR:PORT\n"
        "         [--relays N] [--resolv-conf FILE] [--tpm FILE] [--box-facts FD]\n"
        "\n"
        "  --config DIR         folder with lethe.json, policy.json, tls/ and ca/ (see src/route/README.md)\n"
        "  --config-in-state    the configuration is kept in the vault and comes over the management plane\n"
        "                       ('lethectl setup'); the state may be all zeros, then there is no vault yet\n"
        "  --claim FILE         the code by which a box without configuration is claimed\n"
        "  --state FILE         the vault, made by 'lethectl vault init'\n"
        "  --key-file FILE      opens the vault at start; without it the relay is SEALED until\n"
        "                       'lethectl vault unlock'\n"
        "  --listen ADDR:PORT   where callers connect: 192.0.2.1:8443, [2001:db8::1]:8443; [::]:8443 is\n"
        "                       every address of IPv6 and IPv4, 0.0.0.0:8443 every one of IPv4\n"
        "  --admin ADDR:PORT    where operators connect: health, metrics, management\n"
        "  --relays N           relay processes, 1 to 16; default: one per processor\n"
        "  --resolv-conf FILE   name servers; default: /etc/resolv.conf\n"
        "  --console FD         a socket pair's end that stands open: the appliance's console asks for the\n"
        "                       state of the vault over it, and unlocks\n"
        "  --box-facts FD       the appliance's own: a descriptor of its numbers (base/box_facts.h)\n"
        "  --box-channel FD     the appliance's own: a pair with its first process (base/box_wire.h)\n"
        "  --tpm FILE           /dev/tpmrm0, or the socket of a TPM of software: opens the vault where\n"
        "                       'lethectl vault slot add tpm' was run, and signs each export\n"
        "  --version, --help\n"
        "\n"
        "  SIGHUP takes the configuration folder again; SIGINT and SIGTERM drain, write the final usage\n"
        "  export and end; another one, two seconds later, ends at once.\n"
        "  Exit status: 0 ended cleanly, 1 the system refused something, 2 arguments or configuration.\n";

typedef struct options {
        const char *config, *state, *key_file, *listen, *admin, *relays, *resolv_conf, *console, *box_facts;
        const char *box_channel, *tpm, *claim;
        bool        in_state;
} options;

static void print(int fd, const char *a, const char *b, const char *c)
{
        uint8_t line[4096];
        emit    e = emit_into(line, sizeof line);
        emit_text(&e, a);
        emit_text(&e, b);
        emit_text(&e, c);
        [[maybe_unused]] ssize_t ignored = write(fd, line, e.len);
}

[[noreturn]] static void fail(int status, const char *subject, const char *text)
{
        print(STDERR_FILENO, "lethed: ", subject, text);
        print(STDERR_FILENO, "\n", "", "");
        exit(status);
}

static void parse(int argc, char *argv[], options *o)
{
        const struct {
                const char  *name;
                const char **to;
        } rows[] = {{"--config", &o->config}, {"--state", &o->state},   {"--key-file", &o->key_file},
                    {"--listen", &o->listen}, {"--admin", &o->admin},   {"--relays", &o->relays},
                    {"--resolv-conf", &o->resolv_conf}, {"--console", &o->console},
                    {"--box-facts", &o->box_facts}, {"--box-channel", &o->box_channel}, {"--tpm", &o->tpm},
                    {"--claim", &o->claim}};
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        print(STDOUT_FILENO, usage, "", "");
                        exit(0);
                }
                if (strcmp(argv[i], "--config-in-state") == 0) {
                        o->in_state = true;
                        continue;
                }
                if (strcmp(argv[i], "--version") == 0) {
                        print(STDOUT_FILENO, "lethed " LETHE_VERSION " (", LETHE_COMMIT, ")\n");
                        exit(0);
                }
                size_t r = 0;
                while (r < sizeof rows / sizeof *rows && strcmp(argv[i], rows[r].name) != 0)
                        r++;
                if (r == sizeof rows / sizeof *rows)
                        fail(EXIT_USAGE, argv[i], ": unknown option; 'lethed --help' lists them");
                if (i + 1 == argc)
                        fail(EXIT_USAGE, argv[i], ": needs a value");
                *rows[r].to = argv[++i];
        }
        if ((o->config == nullptr && !o->in_state) || o->state == nullptr || o->listen == nullptr
            || o->admin == nullptr)
                fail(EXIT_USAGE, "--config, --state, --listen and --admin are needed", "; see 'lethed --help'");
        if (o->in_state == (o->config != nullptr))
                fail(EXIT_USAGE, "--config", " and --config-in-state are two places for one thing; give one");
        if (o->claim != nullptr && !o->in_state)
                fail(EXIT_USAGE, "--claim", ": is for --config-in-state alone");
}

typedef union address {
        struct sockaddr     any;
        struct sockaddr_in  v4;
        struct sockaddr_in6 v6;
} address;

static socklen_t parse_address(const char *text, address *out)
{
        const char *colon = strrchr(text, ':');
        uint64_t    port = 0;
        if (colon == nullptr || !view_decimal(view_of_text(colon + 1), 65535, &port))
                fail(EXIT_USAGE, text, ": is not ADDRESS:PORT");
        char   host[64] = {};
        bool   v6 = text[0] == '[';
        size_t len = (size_t)(colon - text);
        if (v6 && (len < 2 || text[len - 1] != ']'))
                fail(EXIT_USAGE, text, ": an IPv6 address stands in brackets");
        text += v6 ? 1 : 0;
        len -= v6 ? 2 : 0;
        if (len >= sizeof host)
                fail(EXIT_USAGE, text, ": is not an address");
        memcpy(host, text, len);
        *out = (address){};
        if (v6) {
                out->v6.sin6_family = AF_INET6;
                out->v6.sin6_port = htons((uint16_t)port);
                if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1)
                        return sizeof out->v6;
        } else {
                out->v4.sin_family = AF_INET;
                out->v4.sin_port = htons((uint16_t)port);
                if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1)
                        return sizeof out->v4;
        }
        fail(EXIT_USAGE, host, ": is not an address");
}

/* "[::]" is every address of this machine: where the kernel has no IPv6, those of IPv4. Any other address is that one
 * alone. */
static int open_socket(address *a, socklen_t *len)
{
        constexpr int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
        const bool    v6 = a->any.sa_family == AF_INET6;
        const bool    every = v6 && IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
        const int     alone = every ? 0 : 1;
        int           fd = socket(a->any.sa_family, kind, 0);
        if (fd < 0 && every && errno == EAFNOSUPPORT) {
                const in_port_t port = a->v6.sin6_port;
                *a = (address){.v4 = {.sin_family = AF_INET, .sin_port = port}};
                *len = sizeof a->v4;
                return socket(AF_INET, kind, 0);
        }
        if (fd >= 0 && v6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof alone);
        return fd;
}

/* Bound once and never closed: a new generation takes over the queue of waiting callers with the socket. */
static int bind_socket(const char *text, bool shared)
{
        address   a;
        socklen_t len = parse_address(text, &a);
        int       fd = open_socket(&a, &len);
        int       on = 1;
        if (fd < 0)
                fail(EXIT_SYSTEM, text, ": no socket could be made");
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (shared)
                setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
        if (bind(fd, &a.any, len) != 0)
                fail(EXIT_SYSTEM, text,
                     errno == EADDRINUSE      ? ": the address is in use; is another lethed running?"
                     : errno == EACCES        ? ": ports below 1024 need a privilege; choose a higher one"
                     : errno == EADDRNOTAVAIL ? ": this machine does not have that address"
                                              : ": cannot be bound");
        return fd;
}

static int open_or_fail(const char *path, int flags, const char *text)
{
        int fd = open(path, flags | O_CLOEXEC);
        if (fd < 0)
                fail(EXIT_SYSTEM, path, text);
        return fd;
}

/* With SO_REUSEPORT a second lethed would share the callers of the first: the lock on the state file forbids it. */
static int open_state(const char *path)
{
        int fd = open_or_fail(path, O_RDWR, ": cannot be opened; 'lethectl vault init' makes it");
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)1 << 40, .l_len = 1};
        if (fcntl(fd, F_OFD_SETLK, &whole) != 0)
                fail(EXIT_SYSTEM, path, ": is in use by another lethed");
        return fd;
}

/* A TPM that does not open is not a reason not to serve: a person can open the vault too, and the status says it. */
static int open_tpm(const char *path)
{
        if (path == nullptr)
                return -1;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0 || errno != ENXIO)
                return fd;
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        if (strlen(path) >= sizeof a.sun_path)
                return -1;
        memcpy(a.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
                close(fd);
                return -1;
        }
        return fd;
}

static int programs_folder(void)
{
        char    path[4096];
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        if (n <= 0)
                fail(EXIT_SYSTEM, "/proc/self/exe", ": cannot be read; is /proc mounted?");
        path[n] = '\0';
        *strrchr(path, '/') = '\0';
        int folder = open_or_fail(path, O_PATH | O_DIRECTORY, ": the folder of the programs cannot be opened");
        /* A role's control channel takes number 3 just before this folder is used. */
        int high = fcntl(folder, F_DUPFD_CLOEXEC, WIRE_CONTROL_FD + 1);
        if (high < 0)
                fail(EXIT_SYSTEM, path, ": no descriptor is left");
        close(folder);
        return high;
}

static uint32_t relay_count(const char *text)
{
        uint64_t n = 0;
        if (text == nullptr) {
                long online = sysconf(_SC_NPROCESSORS_ONLN);
                n = online < 1 ? 1 : (uint64_t)online;
                return (uint32_t)(n > LIMIT_RELAYS ? LIMIT_RELAYS : n);
        }
        if (!view_decimal(view_of_text(text), LIMIT_RELAYS, &n) || n == 0)
                fail(EXIT_USAGE, "--relays", ": is a number from 1 to 16");
        return (uint32_t)n;
}

/* A descriptor that whoever started this has left open for it. */
static int inherited(const char *option, const char *text)
{
        uint64_t n = 0;
        if (text == nullptr)
                return -1;
        if (!view_decimal(view_of_text(text), 1023, &n) || n <= STDERR_FILENO || fcntl((int)n, F_GETFD) < 0)
                fail(EXIT_USAGE, option, ": is not the number of an open descriptor");
        return (int)n;
}

int main(int argc, char *argv[])
{
        static supervisor s;
        options           o = {.resolv_conf = "/etc/resolv.conf"};
        parse(argc, argv, &o);
        event_setup("lethed", STDERR_FILENO);
        s.console = inherited("--console", o.console);
        s.box_facts = inherited("--box-facts", o.box_facts);
        s.box_channel = inherited("--box-channel", o.box_channel);
        const int kept[] = {s.console, s.box_facts, s.box_channel};
        if (failed(sandbox_enter_keeping(ROLE_SUPERVISOR, kept, sizeof kept / sizeof *kept)) || failed(secret_setup()))
                fail(EXIT_SYSTEM, "sandbox", ": the process could not be hardened");
        s.programs = programs_folder();
        s.null = open_or_fail("/dev/null", O_RDONLY, ": cannot be opened");
        s.config = o.in_state ? -1 : open_or_fail(o.config, O_PATH | O_DIRECTORY, ": is not a folder");
        s.state = open_state(o.state);
        s.key_file = o.key_file == nullptr ? -1 : open_or_fail(o.key_file, O_RDONLY, ": the key file cannot be opened");
        s.tpm = open_tpm(o.tpm);
        s.claim = o.claim == nullptr ? -1 : open_or_fail(o.claim, O_RDONLY, ": the claim code cannot be opened");
        s.resolv_conf = open(o.resolv_conf, O_RDONLY | O_CLOEXEC);
        s.relays = relay_count(o.relays);
        for (uint32_t i = 0; i < s.relays; i++)
                s.listeners[i] = bind_socket(o.listen, true);
        s.admin_listener = bind_socket(o.admin, false);
        return supervise(&s);
}
