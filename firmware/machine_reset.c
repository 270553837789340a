/* Factory reset: what the box has of its owner goes. */
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/machine.h"

enum : size_t { PIECE_BYTES = 1024 * 1024 };

void machine_factory_reset(machine *m, uint64_t now_ms)
{
        if (m->phase == PHASE_DRAIN || m->phase == PHASE_OFF)
                return;
        m->reset = true;
        machine_end(m, true, now_ms);
}

/* The whole partition, not the heads alone: what is sealed stays sealed as long as its passphrase is not guessed. */
void machine_reset_state(machine *m)
{
        static const uint8_t zeros[PIECE_BYTES];
        off_t end = m->kept_fd < 0 ? 0 : lseek(m->kept_fd, 0, SEEK_END);
        for (off_t at = 0; at < end;) {
                size_t  want = end - at < (off_t)PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
                ssize_t n = pwrite(m->kept_fd, zeros, want, at);
                if (n <= 0)
                        break;
                at += n;
        }
        if (m->kept_fd >= 0)
                (void)fsync(m->kept_fd);
        m->kept = (kept){};
        m->reset = false;
}
