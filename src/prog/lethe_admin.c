/* lethe-admin: health, metrics, management. See admin/server. */
#include "build_info.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/server.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/emit.h"
#include "base/event.h"
#include "base/secret.h"
#include "net/tls_certificate.h"
#include "ipc/wire.h"
#include "role/sandbox.h"
#include "role/start.h"

/* Of a certificate that lives as long as this process: 2020 to 2099, so that a wrong clock does not refuse it. */
enum : uint64_t { FIRST_DAY_S = 1577836800, LAST_DAY_S = 4102444799 };

typedef struct admin_role {
        int listen, keeper, box, bundle; /* -1: not granted yet */
        const board *board;
        const box_facts *facts; /* null: this is no box */
        catalog *catalog;
        net_loop *loop;
        tls_server *tls;
        net_watch *control;
        admin_server *server;
        bool orphaned; /* the supervisor has gone */
        bool in_state; /* the configuration is in the state */
        bool set_up;   /* and is not there, or cannot be read: whoever claims the box may bring one */
        int claim;     /* -1: none */
        uint8_t claim_text[64];
        size_t claim_len;
        status_certificates certificates;
        box_identity identity;
} admin_role;

static void say(config_fault *fault, const char *code, const char *subject, const char *text)
{
        emit words = emit_into((uint8_t *)fault->code, sizeof fault->code - 1);
        emit_text(&words, code);
        words = emit_into((uint8_t *)fault->text, sizeof fault->text - 1);
        emit_text(&words, subject);
        emit_text(&words, ": ");
        emit_text(&words, text);
}

/* ---- start ---- */

static err map_board(admin_role *a, int fd)
{
        struct stat st;
        void *memory = MAP_FAILED;
        if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(board))
                memory = mmap(nullptr, sizeof(board), PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (memory == MAP_FAILED)
                return FAIL(SYSTEM);
        a->board = memory;
        return board_valid(a->board) ? OK : FAIL(BAD_FILE);
}

static void replace(int *kept, int fd)
{
        if (*kept >= 0)
                close(*kept);
        *kept = fd;
}

static err granted(admin_role *a, uint16_t what, int fd)
{
        switch (what) {
        case GRANT_LISTEN:
                replace(&a->listen, fd);
                return OK;
        case GRANT_CLAIM:
                replace(&a->claim, fd);
                return OK;
        case GRANT_BOARD:
                if (a->board == nullptr)
                        return map_board(a, fd);
                close(fd);
                return OK;
        case GRANT_BOX_FACTS:
                if (a->facts == nullptr)
                        a->facts = box_facts_map(fd);
                close(fd);
                return OK;
        case GRANT_KEEPER:
                if (a->server != nullptr)
                        admin_server_keeper(a->server, fd);
                else
                        replace(&a->keeper, fd);
                return OK;
        case GRANT_BUNDLE:
                replace(&a->bundle, fd);
                return OK;
        case GRANT_BOX:
                if (a->server != nullptr)
                        admin_server_box(a->server, fd);
                else
                        replace(&a->box, fd);
                return OK;
        default:
                if (fd >= 0)
                        close(fd);
                return OK;
        }
}

static void read_claim(admin_role *a)
{
        ssize_t n = a->claim < 0 ? 0 : pread(a->claim, a->claim_text, sizeof a->claim_text, 0);
        a->claim_len = n < 0 ? 0 : (size_t)n;
        if (a->claim >= 0)
                close(a->claim);
        a->claim = -1;
}

static err take_grants(admin_role *a)
{
        for (;;) {
                wire_message m;
                int fd;
                TRY(wire_receive(WIRE_CONTROL_FD, &m, &fd));
                a->in_state = m.type == WIRE_START && m.number == START_CONFIG_IN_STATE;
                if (m.type == WIRE_START)
                        return a->listen >= 0 && a->board != nullptr ? OK : FAIL(BAD_FILE);
                if (m.type == WIRE_GRANT && fd >= 0)
                        TRY(granted(a, m.what, fd));
                else if (fd >= 0)
                        close(fd);
        }
}

static err read_whole(int fd, region *out)
{
        for (;;) {
                TRY(region_reserve(out, 4096));
                ssize_t n = read(fd, out->bytes + out->len, 4096);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n == 0 ? OK : FAIL(SYSTEM);
                out->len += (size_t)n;
        }
}

static err read_file(const char *name, region *out, config_fault *fault)
{
        int fd = -1;
        region_init(out, LIMIT_CONFIG_BYTES);
        err e = wire_open(WIRE_CONTROL_FD, name, &fd);
        if (!failed(e))
                e = read_whole(fd, out);
        if (fd >= 0)
                close(fd);
        if (failed(e)) {
                region_end(out);
                say(fault, "FILE", name, "cannot be read below the configuration folder");
        }
        return e;
}

static err load_catalog(admin_role *a, config_fault *fault)
{
        region text;
        TRY(read_file("lethe.json", &text, fault));
        a->catalog = calloc(1, sizeof *a->catalog);
        err e = a->catalog == nullptr ? FAIL(NO_ROOM) : catalog_compile(region_view(&text), a->catalog, fault);
        if (failed(e) && a->catalog != nullptr)
                start_name_file(fault, "lethe.json");
        region_end(&text);
        return e;
}

/* A box in the state never loses its management plane: what cannot be read there is as if it were not there. */
static err load_catalog_or_none(admin_role *a, config_fault *fault)
{
        err e = load_catalog(a, fault);
        if (!failed(e) || !a->in_state)
                return e;
        free(a->catalog);
        a->catalog = calloc(1, sizeof *a->catalog);
        a->set_up = true;
        *fault = (config_fault){};
        return a->catalog == nullptr ? FAIL(NO_ROOM) : OK;
}

/* When the callers' certificate ends, where there is one. */
static void look_at_server(admin_role *a)
{
        region certificate;
        config_fault ignored = {};
        tls_certificate facts = {};
        if (!failed(read_file("tls/server.crt", &certificate, &ignored))) {
                (void)!failed(tls_certificate_read(region_view(&certificate), &facts));
                region_end(&certificate);
        }
        a->certificates.server = (status_certificate){"tls/server.crt", facts.not_after_s};
        memcpy(a->identity.tls_certificate, facts.sha256, sizeof facts.sha256);
}

/* Of the two certificates that callers and operators see; 0: none is known. */
static uint64_t first_end(const admin_role *a)
{
        uint64_t server = a->certificates.server.expires_s, admin = a->certificates.admin.expires_s;
        return server == 0 || (admin != 0 && admin < server) ? admin : server;
}

static void look_at_own(admin_role *a, view certificate)
{
        tls_certificate facts = {};
        (void)!failed(tls_certificate_read(certificate, &facts));
        a->certificates.admin = (status_certificate){"tls/admin.crt", facts.not_after_s};
        memcpy(a->identity.admin_certificate, facts.sha256, sizeof facts.sha256);
}

/* Before there is a certificate: one of this start. Who connects compares its fingerprint with the console's. */
static err make_tls(admin_role *a, config_fault *fault)
{
        uint8_t certificate_room[TLS_PEM_BYTES], key_room[TLS_PEM_BYTES];
        emit certificate = emit_into(certificate_room, sizeof certificate_room);
        emit key = emit_into(key_room, sizeof key_room);
        view key_pem, certificate_pem = {};
        const char *why = nullptr;
        err e = tls_setup();
        if (!failed(e))
                e = tls_key_make(&key);
        if (!failed(e))
                e = emit_done(&key, &key_pem);
        if (!failed(e))
                e = tls_certificate_make(&(tls_issue){.key_pem = key_pem,
                                                      .subject = "Lethe before its set-up",
                                                      .not_before_s = FIRST_DAY_S,
                                                      .not_after_s = LAST_DAY_S},
                                         &certificate);
        if (!failed(e))
                e = emit_done(&certificate, &certificate_pem);
        if (!failed(e))
                e = tls_server_new(certificate_pem, key_pem, &a->tls, &why);
        if (failed(e))
                say(fault, "TLS", "admin role", why != nullptr ? why : "a certificate cannot be made");
        else
                look_at_own(a, certificate_pem);
        wipe(key_room, sizeof key_room);
        return e;
}

static err load_tls(admin_role *a, config_fault *fault)
{
        region certificate, key;
        const char *why = nullptr;
        TRY(read_file("tls/admin.crt", &certificate, fault));
        err e = read_file("tls/admin.key", &key, fault);
        if (!failed(e)) {
                e = tls_setup();
                if (!failed(e))
                        e = tls_server_new(region_view(&certificate), region_view(&key), &a->tls, &why);
                if (failed(e))
                        say(fault, "TLS", "tls/admin.crt, tls/admin.key", why != nullptr ? why : "cannot be used");
                else
                        look_at_own(a, region_view(&certificate));
                region_end(&key);
        }
        region_end(&certificate);
        return e;
}

/* ---- service ---- */

static void take_message(admin_role *a)
{
        wire_message m;
        int fd;
        err e = wire_receive(WIRE_CONTROL_FD, &m, &fd);
        if (e.code == ERR_AGAIN)
                return;
        if (failed(e)) {
                a->orphaned = true;
                net_loop_stop(a->loop);
                return;
        }
        if (m.type == WIRE_GRANT && fd >= 0) {
                if (failed(granted(a, m.what, fd)))
                        net_loop_stop(a->loop);
                return;
        }
        if (fd >= 0)
                close(fd);
        if (m.type == WIRE_ALIVE)
                (void)!failed(wire_send(WIRE_CONTROL_FD, &m, -1));
        else if (m.type == WIRE_STOP)
                admin_server_stop(a->server);
        else if (m.type == WIRE_RELOADED)
                admin_server_reloaded(a->server, &m);
}

static void on_control(void *ctx) { take_message(ctx); }

static err open_server(admin_role *a)
{
        a->loop = net_loop_new();
        if (a->loop == nullptr)
                return FAIL(SYSTEM);
        const admin_setup setup = {.loop = a->loop,
                                   .catalog = a->catalog,
                                   .board = a->board,
                                   .facts = a->facts,
                                   .tls = a->tls,
                                   .listen_fd = a->listen,
                                   .control = WIRE_CONTROL_FD,
                                   .version = LETHE_VERSION,
                                   .commit = LETHE_COMMIT,
                                   .wall_s = clock_wall_s,
                                   .in_state = a->in_state,
                                   .set_up = a->set_up,
                                   .claim = {a->claim_text, a->claim_len},
                                   .certificates = a->certificates,
                                   .identity = a->identity};
        TRY(admin_server_new(&setup, &a->server));
        if (a->keeper >= 0)
                admin_server_keeper(a->server, a->keeper);
        admin_server_bundle(a->server, a->bundle);
        if (a->box >= 0)
                admin_server_box(a->server, a->box);
        a->control = net_watch_start(a->loop, WIRE_CONTROL_FD, on_control, a);
        return a->control != nullptr ? OK : FAIL(SYSTEM);
}

/* Everything that a start needs, before the sandbox closes. Nothing of a caller is read until the loop runs. */
static err prepare(admin_role *a, config_fault *fault)
{
        if (failed(secret_setup())) {
                say(fault, "SYSTEM", "admin role", "the system gives no random bytes");
                return FAIL(SYSTEM);
        }
        read_claim(a);
        TRY(load_catalog_or_none(a, fault));
        look_at_server(a);
        err tls = load_tls(a, fault);
        if (failed(tls) && a->in_state)
                tls = make_tls(a, fault);
        TRY(tls);
        a->identity.certificate_end_s = first_end(a);
        err e = open_server(a);
        if (failed(e))
                say(fault, "SYSTEM", "admin role", "the management listener cannot be served");
        return e;
}

static err serve(admin_role *a)
{
        const wire_message ready = {.type = WIRE_READY};
        TRY(wire_send(WIRE_CONTROL_FD, &ready, -1));
        event(EVENT_ROLE_READY, atomic_load(&a->board->generation), getpid());
        net_loop_run(a->loop);
        return a->orphaned ? FAIL(GONE) : OK;
}

static int refuse(const config_fault *fault)
{
        const wire_message m = {.type = WIRE_REFUSED, .fault = *fault};
        (void)failed(wire_send(WIRE_CONTROL_FD, &m, -1));
        return EXIT_REFUSED;
}

int main(void)
{
        admin_role a = {.listen = -1, .keeper = -1, .box = -1, .bundle = -1, .claim = -1};
        config_fault fault = {};
        event_setup("admin", 2);
        if (failed(sandbox_enter(ROLE_ADMIN)))
                return EXIT_REFUSED;
        err e = take_grants(&a);
        if (e.code == ERR_GONE)
                return EXIT_FAILURE;
        if (failed(e)) {
                say(&fault, "BAD_GRANT", "admin role", "the programs are not of one build; install them together");
                return refuse(&fault);
        }
        if (failed(prepare(&a, &fault)))
                return refuse(&fault);
        if (failed(sandbox_close(ROLE_ADMIN)))
                return EXIT_REFUSED;
        return failed(serve(&a)) ? EXIT_FAILURE : EXIT_SUCCESS;
}
