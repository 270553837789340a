#include "base/box_wire.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/packet.h"

enum : size_t { HEAD_BYTES = offsetof(box_message, bytes) };

err box_send(int channel, const box_message *m, int fd)
{
        assert(m->len <= BOX_MESSAGE_BYTES);
        return packet_send(channel, (view){(const uint8_t *)m, HEAD_BYTES + m->len}, fd, MSG_DONTWAIT);
}

err box_receive(int channel, box_message *m, int *fd)
{
        packet_got got;
        *fd = -1;
        TRY(packet_receive(channel, m, sizeof *m, MSG_DONTWAIT, &got));
        if (got.len < HEAD_BYTES || m->len != got.len - HEAD_BYTES) {
                if (got.fd >= 0)
                        close(got.fd);
                return FAIL(GONE);
        }
        *fd = got.fd;
        return OK;
}

bool box_line(view *rest, view *key, view *value)
{
        const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : nullptr;
        if (end == nullptr)
                return false;
        view           line = view_slice(*rest, 0, (size_t)(end - rest->data));
        const uint8_t *space = line.len > 0 ? memchr(line.data, ' ', line.len) : nullptr;
        if (space == nullptr || space == line.data)
                return false;
        size_t at = (size_t)(space - line.data);
        *key = view_slice(line, 0, at);
        *value = view_slice(line, at + 1, line.len);
        *rest = view_slice(*rest, line.len + 1, rest->len);
        return true;
}

void box_line_put(emit *out, const char *key, view value)
{
        const uint8_t *end = value.len > 0 ? memchr(value.data, '\n', value.len) : nullptr;
        size_t         len = end == nullptr ? value.len : (size_t)(end - value.data);
        if (out->full || out->cap - out->len < strlen(key) + len + 2) {
                out->full = true;
                return;
        }
        emit_text(out, key);
        emit_byte(out, ' ');
        emit_view(out, view_slice(value, 0, len));
        emit_byte(out, '\n');
}
