#include "base/event.h"

#include <assert.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/emit.h"

enum : size_t { LINE_BYTES = 512 };
enum : uint32_t { LINES_A_SECOND = 20 };

static const struct {
        const char *level, *name, *first, *second, *text;
} rows[EVENT_COUNT] = {
#define EVENT(id, level, first, second, text) [EVENT_##id] = {#level, #id, first, second, text},
#include "base/event.def"
#undef EVENT
};

static const char *role_word = "lethe";
static int         event_fd = 2;

/* What callers can bring about must not fill a disk: lines of each kind in the running second. */
static struct {
        uint64_t second;
        uint32_t lines, left_out;
} spent[EVENT_COUNT];

void event_setup(const char *role, int fd)
{
        role_word = role;
        event_fd = fd;
        memset(spent, 0, sizeof spent);
}

static void emit_number(emit *e, const char *name, int64_t n)
{
        emit_text(e, name);
        emit_byte(e, '=');
        emit_i64(e, n);
        emit_byte(e, ' ');
}

/* A full pipe loses the line: a log that can stop the relay is worse than a missing line. The descriptor is shared with
 * whoever started us, so it is asked before each line instead of being made non-blocking. */
static void put(view line)
{
        struct pollfd p = {.fd = event_fd, .events = POLLOUT};
        if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0)
                return;
        [[maybe_unused]] ssize_t ignored = write(event_fd, line.data, line.len);
}

static void say(event_id id, int64_t first, int64_t second)
{
        uint8_t line[LINE_BYTES];
        emit    e = emit_into(line, sizeof line);
        emit_text(&e, role_word);
        emit_byte(&e, ' ');
        emit_text(&e, rows[id].level);
        emit_byte(&e, ' ');
        emit_text(&e, rows[id].name);
        emit_byte(&e, ' ');
        emit_number(&e, rows[id].first, first);
        emit_number(&e, rows[id].second, second);
        emit_text(&e, rows[id].text);
        emit_byte(&e, '\n');
        assert(!e.full);
        put((view){line, e.len});
}

void event(event_id id, int64_t first, int64_t second)
{
        assert(id < EVENT_COUNT);
        uint64_t now = clock_ms() / 1000;
        if (spent[id].second != now) {
                if (spent[id].left_out > 0)
                        say(EVENT_LEFT_OUT, id, spent[id].left_out);
                spent[id].second = now;
                spent[id].lines = spent[id].left_out = 0;
        }
        if (spent[id].lines++ < LINES_A_SECOND)
                say(id, first, second);
        else
                spent[id].left_out++;
}
