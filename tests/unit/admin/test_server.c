#include "live.h"

#define HOST  "Host: 127.0.0.1\r\n"
#define TOKEN "Authorization: Bearer right\r\n"

static void snapshot(void)
{
        (void)live_ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        atomic_store(&l.board->retired[COUNTER_exchanges], 99);
        atomic_store(&l.board->restarts, 99);
        live_answer *a = live_ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n");
        tap_ok(live_has(a, 200, "\nlethe_exchanges_total 0\n") && strstr(a->text, " 99\n") == nullptr, "server",
               "counters of this minute are not told before it is over");
        tap_ok(strstr(a->text, "lethe_snapshot_timestamp_seconds 1234567890\n") != nullptr, "server",
               "the snapshot has its time");
        a = live_ask("GET /admin/v1/status HTTP/1.1\r\n" HOST TOKEN "\r\n");
        tap_ok(live_has(a, 200, "\"restarts\":99"), "server", "the status is of now");
}

static void crowd(void)
{
        int fds[LIMIT_ADMIN_CONNECTIONS];
        for (size_t i = 0; i < LIMIT_ADMIN_CONNECTIONS; i++)
                fds[i] = live_connect();
        live_send(fds[LIMIT_ADMIN_CONNECTIONS - 1], VIEW("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
        tap_ok(live_take(fds[LIMIT_ADMIN_CONNECTIONS - 1], 3000)->status == 200, "server", "the last place is a place");
        int more = live_connect();
        live_send(more, VIEW("GET /healthz HTTP/1.1\r\n" HOST "\r\n"));
        tap_ok(!live_readable(more, 200), "server", "one more waits");
        close(fds[0]);
        tap_ok(live_take(more, 3000)->status == 200, "server", "until a place is free");
        close(more);
        for (size_t i = 1; i < LIMIT_ADMIN_CONNECTIONS; i++)
                close(fds[i]);
}

static void reload(void)
{
        wire_message m;
        int fd = live_connect(), none;
        live_send(fd, VIEW("POST /admin/v1/reload HTTP/1.1\r\n" HOST TOKEN "Content-Length: 0\r\n\r\n"));
        bool heard = !failed(wire_receive(l.control, &m, &none)) && m.type == WIRE_RELOAD;
        live_answer *a = live_ask("POST /admin/v1/reload HTTP/1.1\r\n" HOST TOKEN "Content-Length: 0\r\n\r\n");
        heard &= live_has(a, 409, "busy");
        m = (wire_message){.type = WIRE_RELOADED,
                           .number = 0,
                           .name = "lethe.json",
                           .fault = {.code = "BAD_JSON", .text = "broken", .line = 7, .column = 3}};
        heard &= !failed(wire_send(l.control, &m, -1));
        tap_ok(heard && live_has(live_take(fd, 3000), 422, "\"file\":\"lethe.json\",\"line\":7,\"column\":3"), "server",
               "a refused reload tells file and place");
        close(fd);
        fd = live_connect();
        live_send(fd, VIEW("POST /admin/v1/reload HTTP/1.1\r\n" HOST TOKEN "Content-Length: 0\r\n\r\n"));
        heard = !failed(wire_receive(l.control, &m, &none));
        close(fd);
        usleep(50000);
        m = (wire_message){.type = WIRE_RELOADED, .number = 1};
        heard &= !failed(wire_send(l.control, &m, -1));
        a = live_ask("GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        tap_ok(heard && a->status == 200, "server", "a caller of reload may leave before its answer");
}

static void stop(void)
{
        wire_message m = {.type = WIRE_STOP};
        live_keeper();
        int idle = live_connect(), busy = live_connect();
        live_send(busy, VIEW("GET /admin/v1/vault HTTP/1.1\r\n" HOST TOKEN "\r\n"));
        static keeper_message question;
        bool heard = recv(l.keeper, &question, sizeof question, 0) == 16;
        heard &= !failed(wire_send(l.control, &m, -1));
        tap_ok(heard && live_ended(idle), "server", "a stop closes who asks nothing");
        close(l.keeper);
        tap_ok(live_has(live_take(busy, 3000), 503, "Connection: close\r\n"), "server",
               "who waits still gets an answer");
        close(idle);
        close(busy);
        tap_ok(live_wait() == 0, "server", "then the role ends cleanly");
}

int main(void)
{
        live_start();
        snapshot();
        crowd();
        reload();
        stop();
        close(l.control);
        return tap_done();
}
