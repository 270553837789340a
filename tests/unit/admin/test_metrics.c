#include <stdlib.h>

#include "admin/metrics.h"
#include "ipc/wire.h"
#include "support/tap.h"

static bool has(view text, const char *what) { return memmem(text.data, text.len, what, strlen(what)) != nullptr; }

/* Each line is a comment of the form or "name[{labels}] number". */
static bool lines_well_formed(view text)
{
        while (text.len > 0) {
                const uint8_t *end = memchr(text.data, '\n', text.len);
                if (end == nullptr)
                        return false;
                view line = {text.data, (size_t)(end - text.data)};
                text = view_slice(text, line.len + 1, text.len);
                const uint8_t *gap = memrchr(line.data, ' ', line.len);
                uint64_t n;
                bool comment = view_starts(line, VIEW("# TYPE lethe_")) || view_starts(line, VIEW("# HELP lethe_"));
                bool value = view_starts(line, VIEW("lethe_")) && gap != nullptr
                             && view_decimal(view_slice(line, (size_t)(gap - line.data) + 1, line.len), UINT64_MAX, &n);
                if (!comment && !value && !(text.len == 0 && view_equal(line, VIEW("# EOF"))))
                        return false;
        }
        return true;
}

int main(void)
{
        board *b = calloc(1, sizeof *b);
        if (b == nullptr)
                return 2;
        board_format(b);
        uint8_t room[METRICS_BYTES];
        emit out = emit_into(room, sizeof room);
        for (unsigned c = 0; c < COUNTER_COUNT; c++)
                atomic_store(&b->columns[0].counters[c], UINT64_MAX / 2);
        atomic_store(&b->restarts, UINT64_MAX);
        atomic_store(&b->generation, UINT32_MAX);
        atomic_store(&b->roles_up, 1u << ROLE_KEEPER);
        metrics_write(b, "1.0", "abc", 1234567890, &out);
        view text = {out.bytes, out.len};
        tap_ok(!out.full, "metrics", "the largest numbers fit the room");
        tap_ok(lines_well_formed(text), "metrics", "every line is a sample or a comment, the last one EOF");
        tap_ok(has(text, "lethe_exchanges_total 9223372036854775807\n"), "metrics",
               "a counter's sample ends in _total");
        tap_ok(has(text, "# TYPE lethe_exchanges_now gauge\n"), "metrics", "a gauge says so");
        tap_ok(has(text, "lethe_build_info{version=\"1.0\",commit=\"abc\"} 1\n"), "metrics", "the build is told");
        tap_ok(has(text, "lethe_role_up{role=\"keeper\"} 1\n") && has(text, "lethe_role_up{role=\"relay\"} 0\n"),
               "metrics", "roles are told one by one");
        tap_ok(has(text, "lethe_snapshot_timestamp_seconds 1234567890\n") && has(text, "once a minute"), "metrics",
               "the snapshot has its time and says how often it changes");
        tap_ok(!has(text, "project") && !has(text, "key="), "metrics", "there is no label of a project or key");
        free(b);
        return tap_done();
}
