#include "role/resolver.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "ipc/wire.h"
#include "role/resolver_cache.h"
#include "role/resolver_dns.h"
#include "role/start.h"
#include "route/catalog.h"

enum : size_t {
        PAIRS = 2 * LIMIT_COLUMNS, /* every relay, and its successor before it is gone */
        WAITERS = 2048,
        OUTSTANDING = 256,
        SERVER_BYTES = 512,
};
enum : int { IDLE_MS = 60000 };

/* A relay that waits for an answer. `serial` tells it from the next one on the same place. */
typedef struct waiter {
        resolver_name *name; /* null: the place is free */
        uint64_t       id;
        uint32_t       pair, serial;
} waiter;

struct resolver {
        int            control;
        bool           started, ends;
        bool           in_state; /* the configuration may not be there yet */
        dns           *dns;
        char           system_servers[SERVER_BYTES]; /* of resolv.conf */
        int            pairs[PAIRS];                 /* -1: free */
        uint32_t       serials[PAIRS];
        waiter         waiters[WAITERS];
        size_t         outstanding; /* names being asked for */
        resolver_cache cache;
};

/* What a question's end needs to find its way. */
typedef struct asked {
        resolver      *r;
        resolver_name *name;
} asked;

static view next_word(view *line)
{
        size_t from = 0;
        while (from < line->len && (line->data[from] == ' ' || line->data[from] == '\t'))
                from++;
        size_t to = from;
        while (to < line->len && line->data[to] != ' ' && line->data[to] != '\t' && line->data[to] != '\r')
                to++;
        view word = view_slice(*line, from, to);
        *line = view_slice(*line, to, line->len);
        return word;
}

void resolver_conf_read(view text, emit *out)
{
        constexpr unsigned SERVERS = 3;
        for (unsigned found = 0; text.len > 0 && found < SERVERS;) {
                const uint8_t  *end = memchr(text.data, '\n', text.len);
                size_t          len = end == nullptr ? text.len : (size_t)(end - text.data);
                view            line = view_slice(text, 0, len);
                catalog_address address;
                text = view_slice(text, len + 1, text.len);
                if (!view_equal(next_word(&line), VIEW("nameserver")))
                        continue;
                view server = next_word(&line);
                if (!address_parse(server, &address))
                        continue;
                if (found++ > 0)
                        emit_byte(out, ',');
                emit_view(out, server);
        }
}

static void read_system(resolver *r, int fd)
{
        region text;
        emit   servers = emit_into((uint8_t *)r->system_servers, sizeof r->system_servers - 1);
        if (!failed(start_read(fd, &text)))
                resolver_conf_read(region_view(&text), &servers);
        r->system_servers[servers.len] = '\0';
        region_end(&text);
}

/* The servers of a configuration; the system's where it names none. err BAD_CONFIG, SYSTEM, NO_ROOM */
static err read_config(resolver *r, int fd, config_fault *fault, char servers[static SERVER_BYTES])
{
        region   text;
        catalog *c = calloc(1, sizeof *c);
        err      e = start_read(fd, &text);
        if (c == nullptr)
                e = FAIL(NO_ROOM);
        if (!failed(e)) {
                e = catalog_compile(region_view(&text), c, fault);
                if (failed(e))
                        start_name_file(fault, "lethe.json");
        }
        emit out = emit_into((uint8_t *)servers, SERVER_BYTES - 1);
        for (size_t i = 0; !failed(e) && i < c->dns_count; i++) {
                if (i > 0)
                        emit_byte(&out, ',');
                emit_text(&out, c->dns[i]);
        }
        if (!failed(e) && c->dns_count == 0)
                emit_text(&out, r->system_servers);
        servers[out.len] = '\0';
        region_end(&text);
        free(c);
        return e;
}

static void pair_drop(resolver *r, size_t i)
{
        close(r->pairs[i]);
        r->pairs[i] = -1;
        r->serials[i]++;
}

static void pair_add(resolver *r, int fd)
{
        for (size_t i = 0; i < PAIRS; i++)
                if (r->pairs[i] < 0) {
                        r->pairs[i] = fd;
                        return;
                }
        close(fd);
}

static void send_answer(resolver *r, size_t pair, uint64_t id, const resolve_answer *a)
{
        resolve_answer copy = *a;
        ssize_t        n;
        copy.id = id;
        do
                n = send(r->pairs[pair], &copy, sizeof copy, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        /* A relay that takes no answer loses this one; its own timer ends the wait. */
        if (n < 0 && errno != EAGAIN)
                pair_drop(r, pair);
}

static void answer_waiters(resolver *r, const resolver_name *name, const resolve_answer *a)
{
        for (size_t i = 0; i < WAITERS; i++) {
                waiter w = r->waiters[i];
                if (w.name != name)
                        continue;
                r->waiters[i].name = nullptr;
                if (r->pairs[w.pair] >= 0 && r->serials[w.pair] == w.serial)
                        send_answer(r, w.pair, w.id, a);
        }
}

static void question_ended(void *context, const resolve_answer *found)
{
        asked         *q = context;
        resolver      *r = q->r;
        resolver_name *name = q->name;
        resolve_answer a;
        free(q);
        r->outstanding--;
        if (found->count > 0)
                resolver_cache_good(name, found, clock_ms());
        else
                resolver_cache_failed(name, clock_ms());
        resolver_cache_outcome(name, clock_ms(), &a);
        answer_waiters(r, name, &a);
}

static bool ask(resolver *r, resolver_name *name)
{
        if (name->asking)
                return true;
        asked *q = r->outstanding < OUTSTANDING ? calloc(1, sizeof *q) : nullptr;
        if (q == nullptr)
                return false;
        *q = (asked){r, name};
        resolver_cache_asked(name, clock_ms());
        r->outstanding++;
        dns_ask(r->dns, name->text, question_ended, q);
        return true;
}

/* While servers are silent, who waits hears the last good addresses while a connection to them can still be made in
 * time; the question goes on. Returns after how long there is somebody to answer again. */
static int answer_impatient(resolver *r)
{
        uint64_t       now = clock_ms();
        uint32_t       next = IDLE_MS;
        resolve_answer a;
        for (size_t i = 0; r->outstanding > 0 && i < WAITERS; i++) {
                const resolver_name *name = r->waiters[i].name;
                uint32_t             left = name == nullptr ? RESOLVER_TO_ITS_END : resolver_cache_wait_ms(name, now);
                if (left == 0) {
                        resolver_cache_outcome(name, now, &a);
                        answer_waiters(r, name, &a);
                } else if (left < next)
                        next = left;
        }
        return (int)next;
}

static bool wait_for(resolver *r, resolver_name *name, size_t pair, uint64_t id)
{
        for (size_t i = 0; i < WAITERS; i++)
                if (r->waiters[i].name == nullptr) {
                        r->waiters[i] = (waiter){name, id, (uint32_t)pair, r->serials[pair]};
                        return true;
                }
        return false;
}

static void question_came(resolver *r, size_t pair, const resolve_request *q)
{
        static const resolve_answer none = {.failed = 1};
        uint64_t                    now = clock_ms();
        resolve_answer              a;
        resolver_name *name = resolver_name_valid(q->name) ? resolver_cache_find(&r->cache, q->name, now) : nullptr;
        if (name == nullptr) {
                send_answer(r, pair, q->id, &none);
                return;
        }
        resolver_verdict v = resolver_cache_look(name, now, &a);
        if (v != RESOLVER_ASK) {
                send_answer(r, pair, q->id, &a);
                if (v == RESOLVER_REFRESH)
                        ask(r, name);
                return;
        }
        /* The place first: the answer may come before the question's call returns. */
        if (!wait_for(r, name, pair, q->id))
                send_answer(r, pair, q->id, &none);
        else if (!ask(r, name))
                answer_waiters(r, name, &none);
}

static void pair_turn(resolver *r, size_t i)
{
        resolve_request q;
        ssize_t         n = recv(r->pairs[i], &q, sizeof q, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n != sizeof q)
                pair_drop(r, i);
        else
                question_came(r, i, &q);
}

/* A generation with servers of its own. One that cannot be read changes nothing: its relays refuse it too. */
static void generation_came(resolver *r, const wire_message *m, int fd)
{
        char         servers[SERVER_BYTES];
        config_fault fault;
        if (m->what != 0 || fd < 0)
                return;
        err e = read_config(r, fd, &fault, servers);
        if (!failed(e))
                e = dns_servers(r->dns, servers);
        if (failed(e))
                event(EVENT_GENERATION_FAILED, (int64_t)m->number, ROLE_RESOLVER);
}

static void control_message(resolver *r, const wire_message *m, int fd)
{
        if (m->type == WIRE_GRANT && m->what == GRANT_RESOLVER && fd >= 0) {
                pair_add(r, fd);
                return;
        }
        if (m->type == WIRE_GRANT && m->what == GRANT_RESOLV_CONF && fd >= 0)
                read_system(r, fd);
        else if (m->type == WIRE_GENERATION && r->dns != nullptr)
                generation_came(r, m, fd);
        else if (m->type == WIRE_START) {
                r->started = true;
                r->in_state = m->number == START_CONFIG_IN_STATE;
        } else if (m->type == WIRE_ALIVE)
                (void)!failed(wire_send(r->control, m, -1));
        else if (m->type == WIRE_STOP)
                r->ends = true;
        if (fd >= 0)
                close(fd);
}

static bool control_turn(resolver *r)
{
        wire_message m;
        int          fd;
        if (failed(wire_receive(r->control, &m, &fd)))
                return false;
        control_message(r, &m, fd);
        return true;
}

static void refuse_config(const resolver *r, const config_fault *fault)
{
        wire_message m = {.type = WIRE_REFUSED, .name = "lethe.json", .fault = *fault};
        [[maybe_unused]] err ignored = wire_send(r->control, &m, -1);
}

resolver *resolver_open(int control)
{
        resolver *r = mmap(nullptr, sizeof *r, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (r == MAP_FAILED)
                return nullptr;
        r->control = control;
        for (size_t i = 0; i < PAIRS; i++)
                r->pairs[i] = -1;
        while (!r->started)
                if (!control_turn(r))
                        return nullptr;
        int          fd;
        char         servers[SERVER_BYTES];
        config_fault fault = {};
        err opened = wire_open(control, "lethe.json", &fd);
        if (failed(opened) && r->in_state) {
                /* There is none yet: the system's servers do until a generation names others. */
                if (!failed(dns_open(r->system_servers, &r->dns)))
                        return r;
                start_refuse(control, "BAD_DNS", "The DNS servers of resolv.conf cannot be used.");
                return nullptr;
        }
        if (failed(opened)) {
                start_refuse(control, "NO_CONFIG", "lethe.json cannot be opened in the configuration folder.");
                return nullptr;
        }
        err e = read_config(r, fd, &fault, servers);
        close(fd);
        if (e.code == ERR_BAD_CONFIG) {
                refuse_config(r, &fault);
                return nullptr;
        }
        if (failed(e) || failed(dns_open(servers, &r->dns))) {
                start_refuse(control, "BAD_DNS", "The DNS servers of lethe.json or resolv.conf cannot be used.");
                return nullptr;
        }
        return r;
}

int resolver_serve(resolver *r)
{
        enum : size_t { FDS = 1 + PAIRS + DNS_SOCKETS };
        wire_message ready = {.type = WIRE_READY};
        if (failed(wire_send(r->control, &ready, -1)))
                return 1;
        event(EVENT_ROLE_READY, 0, getpid());
        while (!r->ends) {
                struct pollfd fds[FDS] = {{.fd = r->control, .events = POLLIN}};
                for (size_t i = 0; i < PAIRS; i++)
                        fds[1 + i] = (struct pollfd){.fd = r->pairs[i], .events = POLLIN};
                size_t sockets = dns_poll(r->dns, fds + 1 + PAIRS);
                int    wait_ms = dns_wait_ms(r->dns, answer_impatient(r));
                if (poll(fds, 1 + PAIRS + sockets, wait_ms) < 0 && errno != EINTR)
                        return 1;
                if (fds[0].revents != 0 && !control_turn(r))
                        return 1;
                dns_turn(r->dns, fds + 1 + PAIRS, sockets);
                for (size_t i = 0; i < PAIRS; i++)
                        if (fds[1 + i].revents != 0 && r->pairs[i] == fds[1 + i].fd)
                                pair_turn(r, i);
        }
        dns_close(r->dns);
        return 0;
}
