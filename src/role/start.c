#include "role/start.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/emit.h"
#include "ipc/wire.h"

static void copy_text(char *to, size_t room, const char *text)
{
        size_t len = strlen(text);
        assert(len < room);
        memcpy(to, text, len + 1);
}

void start_refuse(int control, const char *code, const char *text)
{
        wire_message m = {.type = WIRE_REFUSED};
        copy_text(m.fault.code, sizeof m.fault.code, code);
        copy_text(m.fault.text, sizeof m.fault.text, text);
        /* Whoever should hear it may have gone: nothing is left to do then. */
        [[maybe_unused]] err ignored = wire_send(control, &m, -1);
}

void start_name_file(config_fault *fault, const char *name)
{
        char text[sizeof fault->text];
        memcpy(text, fault->text, sizeof text);
        text[sizeof text - 1] = '\0';
        emit e = emit_into((uint8_t *)fault->text, sizeof fault->text - 1);
        emit_text(&e, name);
        emit_text(&e, ": ");
        emit_view(&e, view_slice(view_of_text(text), 0, sizeof fault->text - 1 - e.len));
        fault->text[e.len] = '\0';
}

err start_read(int fd, region *out)
{
        region_init(out, LIMIT_CONFIG_BYTES + 1);
        TRY(region_reserve(out, LIMIT_CONFIG_BYTES + 1));
        for (ssize_t n = 1; n > 0; out->len += (size_t)n) {
                n = pread(fd, out->bytes + out->len, LIMIT_CONFIG_BYTES + 1 - out->len, (off_t)out->len);
                if (n < 0)
                        return FAIL(SYSTEM);
        }
        return out->len <= LIMIT_CONFIG_BYTES ? OK : FAIL(NO_ROOM);
}
