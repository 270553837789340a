#include "base/event.h"

#include <assert.h>
#include <unistd.h>

#include "base/emit.h"

enum : size_t { LINE_BYTES = 512 };

static const struct {
        const char *level, *name, *first, *second, *text;
} rows[EVENT_COUNT] = {
#define EVENT(id, level, first, second, text) [EVENT_##id] = {#level, #id, first, second, text},
#include "base/event.def"
#undef EVENT
};

static const char *role_word = "lethe";
static int         event_fd = 2;

void event_setup(const char *role, int fd)
{
        role_word = role;
        event_fd = fd;
}

static void emit_number(emit *e, const char *name, int64_t n)
{
        emit_text(e, name);
        emit_byte(e, '=');
        emit_i64(e, n);
        emit_byte(e, ' ');
}

void event(event_id id, int64_t first, int64_t second)
{
        assert(id < EVENT_COUNT);
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
        /* A full pipe loses the line: a log that can stop the relay is worse than a missing line. */
        [[maybe_unused]] ssize_t ignored = write(event_fd, line, e.len);
}
