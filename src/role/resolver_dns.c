#include "role/resolver_dns.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* c-ares shortens a try to five times what its server has needed so far, at least 250 ms, and doubles it with each
 * next: four tries leave a server that answers from its memory nearly four seconds for a name it must ask for itself.
 */
enum : int { TRY_MS = 2000, TRIES = 4, QUERIES_OF_A_SOCKET = 16 };

struct dns {
        ares_channel_t *channel;
        size_t          socket_count;
        struct pollfd   sockets[DNS_SOCKETS];
};

typedef struct question {
        dns_done *done;
        void     *context;
} question;

/* A socket without a place is not polled: its queries time out and are asked on another. */
static void socket_changed(void *data, ares_socket_t fd, int readable, int writable)
{
        dns   *d = data;
        size_t i = 0;
        while (i < d->socket_count && d->sockets[i].fd != fd)
                i++;
        if (!readable && !writable) {
                if (i < d->socket_count)
                        d->sockets[i] = d->sockets[--d->socket_count];
                return;
        }
        if (i == DNS_SOCKETS)
                return;
        if (i == d->socket_count)
                d->socket_count++;
        d->sockets[i] =
                (struct pollfd){.fd = fd, .events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0))};
}

/* The files c-ares would read are named as ones that do not exist (an empty one is an error to it): what it must know
 * comes as arguments, and its own cache is off because ours outlives a failing server. */
static int channel_make(dns *d)
{
        char                nothing[] = "/nonexistent", lookups[] = "b";
        struct ares_options o = {
                .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
                .timeout = TRY_MS,
                .tries = TRIES,
                .maxtimeout = TRY_MS,
                .lookups = lookups,
                .sock_state_cb = socket_changed,
                .sock_state_cb_data = d,
                .resolvconf_path = nothing,
                .hosts_path = nothing,
                .udp_max_queries = QUERIES_OF_A_SOCKET,
                .qcache_max_ttl = 0,
        };
        int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_MAXTIMEOUTMS | ARES_OPT_LOOKUPS
                   | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF | ARES_OPT_HOSTS_FILE | ARES_OPT_UDP_MAX_QUERIES
                   | ARES_OPT_QUERY_CACHE;
        return ares_init_options(&d->channel, &o, mask);
}

err dns_open(const char *servers, dns **out)
{
        *out = nullptr;
        dns *d = calloc(1, sizeof *d);
        if (d == nullptr)
                return FAIL(SYSTEM);
        if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || channel_make(d) != ARES_SUCCESS) {
                free(d);
                return FAIL(SYSTEM);
        }
        err e = dns_servers(d, servers);
        if (failed(e)) {
                dns_close(d);
                return e;
        }
        *out = d;
        return OK;
}

err dns_servers(dns *d, const char *servers)
{
        return ares_set_servers_ports_csv(d->channel, servers) == ARES_SUCCESS ? OK : FAIL(BAD_CONFIG);
}

static bool address_of(const struct ares_addrinfo_node *n, uint8_t family, uint8_t bytes[static 16])
{
        if (family == 4 && n->ai_family == AF_INET) {
                struct sockaddr_in a;
                memcpy(&a, n->ai_addr, sizeof a);
                memcpy(bytes, &a.sin_addr, sizeof a.sin_addr);
                return true;
        }
        if (family == 6 && n->ai_family == AF_INET6) {
                struct sockaddr_in6 a;
                memcpy(&a, n->ai_addr, sizeof a);
                memcpy(bytes, &a.sin6_addr, sizeof a.sin6_addr);
                return true;
        }
        return false;
}

/* The next node of a family, from `n` on. */
static const struct ares_addrinfo_node *node_of(const struct ares_addrinfo_node *n, int family)
{
        while (n != nullptr && n->ai_family != family)
                n = n->ai_next;
        return n;
}

static void add(resolve_answer *found, const struct ares_addrinfo_node *n, uint8_t family)
{
        if (found->count == LIMIT_ADDRESSES || !address_of(n, family, found->addresses[found->count].bytes))
                return;
        found->addresses[found->count++].family = family;
        uint32_t ttl_s = n->ai_ttl > 0 ? (uint32_t)n->ai_ttl : 0;
        if (found->count == 1 || ttl_s < found->ttl_s)
                found->ttl_s = ttl_s;
}

/* One family after the other in turn (RFC 8305), IPv4 first: where IPv6 is half there, trying it first costs a
 * timeout. */
static void collect(const struct ares_addrinfo *info, resolve_answer *found)
{
        const struct ares_addrinfo_node *four = node_of(info->nodes, AF_INET), *six = node_of(info->nodes, AF_INET6);
        while ((four != nullptr || six != nullptr) && found->count < LIMIT_ADDRESSES) {
                if (four != nullptr) {
                        add(found, four, 4);
                        four = node_of(four->ai_next, AF_INET);
                }
                if (six != nullptr) {
                        add(found, six, 6);
                        six = node_of(six->ai_next, AF_INET6);
                }
        }
}

static void answered(void *context, int status, int timeouts, struct ares_addrinfo *info)
{
        (void)timeouts;
        question      *q = context;
        resolve_answer found = {};
        if (status == ARES_SUCCESS && info != nullptr)
                collect(info, &found);
        if (info != nullptr)
                ares_freeaddrinfo(info);
        question copy = *q;
        free(q);
        copy.done(copy.context, &found);
}

void dns_ask(dns *d, const char *name, dns_done *done, void *context)
{
        /* NOSORT: sorting would open a socket to every address. */
        struct ares_addrinfo_hints hints = {
                .ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};
        question                  *q = calloc(1, sizeof *q);
        if (q == nullptr) {
                done(context, &(resolve_answer){});
                return;
        }
        *q = (question){done, context};
        ares_getaddrinfo(d->channel, name, nullptr, &hints, answered, q);
}

size_t dns_poll(const dns *d, struct pollfd fds[static DNS_SOCKETS])
{
        memcpy(fds, d->sockets, d->socket_count * sizeof fds[0]);
        return d->socket_count;
}

int dns_wait_ms(const dns *d, int most)
{
        struct timeval  room, longest = {.tv_sec = most / 1000, .tv_usec = most % 1000 * 1000};
        struct timeval *t = ares_timeout(d->channel, &longest, &room);
        /* Rounded up, so that a wake-up is never too early to be of use. */
        return t == nullptr ? most : (int)(t->tv_sec * 1000 + (t->tv_usec + 999) / 1000);
}

void dns_turn(dns *d, const struct pollfd *fds, size_t count)
{
        ares_fd_events_t events[DNS_SOCKETS];
        size_t           n = 0;
        for (size_t i = 0; i < count && n < DNS_SOCKETS; i++) {
                unsigned ready = (fds[i].revents & (POLLIN | POLLERR | POLLHUP) ? ARES_FD_EVENT_READ : 0u)
                                 | (fds[i].revents & POLLOUT ? ARES_FD_EVENT_WRITE : 0u);
                if (ready != 0)
                        events[n++] = (ares_fd_events_t){fds[i].fd, ready};
        }
        ares_process_fds(d->channel, events, n, ARES_PROCESS_FLAG_NONE);
}

void dns_close(dns *d)
{
        ares_destroy(d->channel);
        ares_library_cleanup();
        free(d);
}
