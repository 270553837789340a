/* lethe-relay: one single-threaded process per core: callers, policy, vendors. See relay/relay. */
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/emit.h"
#include "base/event.h"
#include "base/secret.h"
#include "build_info.h"
#include "ipc/wire.h"
#include "relay/relay.h"
#include "role/sandbox.h"
#include "role/start.h"

typedef struct process {
        relay_setup  setup;
        relay       *relay;
        tls_client  *clients[LIMIT_UPSTREAMS];
        config_fault fault;
        int          resolver_fd; /* granted before there was a loop */
        bool         ended;
} process;

/* ---- grants ---- */

static void *map(int fd, size_t bytes, int protection)
{
        void *p = mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
        close(fd);
        return p == MAP_FAILED ? nullptr : p;
}

static err ring_granted(process *p, const wire_message *m, int fd)
{
        void *memory = map(fd, usage_ring_bytes(), PROT_READ | PROT_WRITE);
        p->setup.generation = (uint32_t)m->number;
        return memory == nullptr ? FAIL(SYSTEM) : usage_ring_attach(memory, usage_ring_bytes(), &p->setup.ring);
}

static err board_granted(process *p, const wire_message *m, int fd)
{
        p->setup.board = map(fd, sizeof(board), PROT_READ | PROT_WRITE);
        if (p->setup.board == nullptr || m->slot >= LIMIT_COLUMNS || !board_valid(p->setup.board))
                return FAIL(SYSTEM);
        p->setup.column = &p->setup.board->columns[m->slot];
        return OK;
}

static err lease_granted(process *p, int fd)
{
        void *memory = map(fd, sizeof(lease), PROT_READ);
        if (memory == nullptr)
                return FAIL(SYSTEM);
        /* Secret memory cannot be locked and need not be; plain memory must. */
        (void)!failed(secret_lock(memory, sizeof(lease)));
        p->setup.lease = memory;
        return OK;
}

static err granted(process *p, const wire_message *m, int fd)
{
        switch (m->what) {
        case GRANT_LISTEN:
                p->setup.listen_fd = fd;
                return OK;
        case GRANT_BOARD:
                return board_granted(p, m, fd);
        case GRANT_LEASE:
                return lease_granted(p, fd);
        case GRANT_RING:
                return ring_granted(p, m, fd);
        case GRANT_RING_WAKE:
                p->setup.ring_wake = fd;
                return OK;
        case GRANT_RESOLVER:
                if (p->setup.resolver != nullptr)
                        net_resolver_channel(p->setup.resolver, fd);
                else
                        p->resolver_fd = fd;
                return OK;
        default:
                close(fd);
                return OK;
        }
}

static err grants(process *p)
{
        for (;;) {
                wire_message m;
                int          fd;
                TRY(wire_receive(WIRE_CONTROL_FD, &m, &fd));
                if (m.type == WIRE_START)
                        break;
                if (m.type == WIRE_GRANT && fd >= 0)
                        TRY(granted(p, &m, fd));
        }
        const relay_setup *s = &p->setup;
        bool whole = s->board != nullptr && s->lease != nullptr && s->ring != nullptr && s->listen_fd > 0
                     && s->ring_wake > 0;
        return whole ? OK : FAIL(BAD_FILE);
}

/* ---- files ---- */

static void say(process *p, const char *code, const char *subject, const char *text)
{
        emit e = emit_into((uint8_t *)p->fault.code, sizeof p->fault.code - 1);
        emit_text(&e, code);
        e = emit_into((uint8_t *)p->fault.text, sizeof p->fault.text - 1);
        emit_text(&e, subject);
        emit_text(&e, ": ");
        emit_text(&e, text);
}

static err read_file(process *p, const char *name, region *out)
{
        int fd;
        region_init(out, LIMIT_CONFIG_BYTES);
        err e = wire_open(WIRE_CONTROL_FD, name, &fd);
        if (!failed(e)) {
                e = start_read(fd, out);
                close(fd);
        }
        if (failed(e))
                say(p, "FILE", name, "cannot be read below the configuration folder, or is larger than 256 KiB");
        return e;
}

static err load_catalog(process *p)
{
        region   text;
        catalog *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return FAIL(NO_ROOM);
        TRY(read_file(p, "lethe.json", &text));
        err e = catalog_compile(region_view(&text), c, &p->fault);
        if (failed(e))
                start_name_file(&p->fault, "lethe.json");
        region_end(&text);
        p->setup.catalog = c;
        return e;
}

static err load_policy(process *p)
{
        region  text;
        policy *compiled = calloc(1, sizeof *compiled);
        if (compiled == nullptr)
                return FAIL(NO_ROOM);
        TRY(read_file(p, "policy.json", &text));
        err e = policy_compile(region_view(&text), compiled, &p->fault);
        if (failed(e))
                start_name_file(&p->fault, "policy.json");
        region_end(&text);
        p->setup.policy = compiled;
        return e;
}

static err load_server(process *p)
{
        region      certificate, key;
        const char *why = "no memory";
        TRY(read_file(p, "tls/server.crt", &certificate));
        err e = read_file(p, "tls/server.key", &key);
        if (!failed(e)) {
                e = tls_server_new(region_view(&certificate), region_view(&key), &p->setup.server, &why);
                if (failed(e))
                        say(p, "CERTIFICATE", "tls/server.crt, tls/server.key", why);
        }
        region_end(&certificate);
        region_end(&key);
        return e;
}

static err load_client(process *p, size_t i)
{
        const catalog_upstream *up = &p->setup.catalog->upstreams[i];
        if (!up->tls)
                return OK;
        char name[LIMIT_NAME_BYTES + 4] = "ca/";
        memcpy(name + 3, up->ca, strlen(up->ca) + 1);
        region      roots;
        const char *why = "no memory";
        TRY(read_file(p, name, &roots));
        const tls_client_setup setup = {.ca_pem = region_view(&roots),
                                        .host = up->host,
                                        .pins = up->pins,
                                        .pin_count = up->pin_count};
        err e = tls_client_new(&setup, &p->clients[i], &why);
        if (failed(e))
                say(p, "CERTIFICATE", name, why);
        region_end(&roots);
        return e;
}

static err load(process *p)
{
        TRY(load_catalog(p));
        TRY(load_policy(p));
        TRY(load_server(p));
        for (size_t i = 0; i < p->setup.catalog->upstream_count; i++)
                TRY(load_client(p, i));
        if (clock_wall_s() < LETHE_COMMIT_TIME) {
                event(EVENT_CLOCK_INSANE, (int64_t)clock_wall_s(), LETHE_COMMIT_TIME);
                say(p, "CLOCK", "the system clock",
                    "is before this program was made; certificates cannot be judged. Set it.");
                return FAIL(SYSTEM);
        }
        return OK;
}

/* ---- running ---- */

static void end(void *ctx)
{
        process *p = ctx;
        p->ended = true;
        net_loop_stop(p->setup.loop);
}

static void on_control(void *ctx)
{
        process     *p = ctx;
        wire_message m;
        int          fd;
        if (failed(wire_receive(WIRE_CONTROL_FD, &m, &fd))) {
                end(p);
                return;
        }
        if (m.type == WIRE_GRANT && fd >= 0)
                (void)!failed(granted(p, &m, fd));
        else if (m.type == WIRE_ALIVE)
                (void)!failed(wire_send(WIRE_CONTROL_FD, &m, -1));
        else if (m.type == WIRE_DRAIN)
                relay_drain(p->relay, m.number);
}

static err build(process *p)
{
        p->setup.loop = net_loop_new();
        p->setup.resolver = p->setup.loop == nullptr ? nullptr : net_resolver_new(p->setup.loop);
        if (p->setup.resolver == nullptr)
                return FAIL(SYSTEM);
        if (p->resolver_fd >= 0)
                net_resolver_channel(p->setup.resolver, p->resolver_fd);
        p->setup.clients = p->clients;
        p->setup.drained = end;
        p->setup.ctx = p;
        p->relay = relay_new(&p->setup);
        bool watched = net_watch_start(p->setup.loop, WIRE_CONTROL_FD, on_control, p) != nullptr;
        return p->relay != nullptr && watched ? OK : FAIL(SYSTEM);
}

static int refuse(process *p)
{
        if (p->fault.text[0] == '\0')
                say(p, "SYSTEM", "relay", "memory or descriptors are exhausted");
        wire_message m = {.type = WIRE_REFUSED, .fault = p->fault};
        (void)!failed(wire_send(WIRE_CONTROL_FD, &m, -1));
        return EXIT_REFUSED;
}

/* Buffers of one turn come and go; by default the allocator gives their pages back to the system each time, and takes
 * them again in the next turn. What is freed has been wiped either way. */
static void allocator_setup(void)
{
        enum : int { KEPT_BYTES = 1024 * 1024, MAPPED_BYTES = 128 * 1024 };
        (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
        (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
}

int main(void)
{
        static process p = {.resolver_fd = -1};
        event_setup("relay", STDERR_FILENO);
        allocator_setup();
        if (failed(sandbox_enter(ROLE_RELAY)) || failed(secret_setup()) || failed(tls_setup()) || failed(grants(&p)))
                return EXIT_REFUSED;
        if (failed(load(&p)) || failed(build(&p)) || failed(sandbox_close(ROLE_RELAY)))
                return refuse(&p);
        const wire_message ready = {.type = WIRE_READY};
        if (failed(wire_send(WIRE_CONTROL_FD, &ready, -1)))
                return EXIT_REFUSED;
        event(EVENT_ROLE_READY, p.setup.generation, getpid());
        relay_start(p.relay);
        net_loop_run(p.setup.loop);
        return p.ended ? 0 : 1;
}
