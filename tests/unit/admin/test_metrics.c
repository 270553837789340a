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

enum : uint64_t { NOW_MS = 50000 };

static health *cell(board *b, uint64_t id) { return (void *)b->cells[board_cell_of(b, id)].bytes; }

/* One upstream with an open breaker and two keys: one parked, one refused. */
static void box_of_two(catalog *c, board *b)
{
        c->upstream_count = c->model_count = c->models[0].target_count = 1;
        catalog_upstream *u = &c->upstreams[0];
        u->credential_count = 2;
        c->settings.breaker_open_ms = 5000, c->settings.breaker_open_most_ms = 300000;
        u->credentials[0].name[0] = 'a', u->credentials[1].name[0] = 'b';
        cell(b, health_upstream_id(u))->breaker = (breaker){.state = BREAKER_OPEN, .until_ms = NOW_MS + 1};
        cell(b, health_key_id(u, 0))->parked_until_ms = NOW_MS + 1;
        cell(b, health_key_id(u, 1))->disabled_until_ms = UINT64_MAX;
}

int main(void)
{
        board *b = calloc(1, sizeof *b);
        if (b == nullptr)
                return 2;
        board_format(b);
        catalog *c = calloc(1, sizeof *c);
        if (c == nullptr)
                return 2;
        box_of_two(c, b);
        uint8_t room[METRICS_BYTES];
        emit out = emit_into(room, sizeof room);
        for (unsigned n = 0; n < COUNTER_COUNT; n++)
                atomic_store(&b->columns[0].counters[n], UINT64_MAX / 2);
        for (unsigned e = 0; e < BOARD_ENDINGS; e++)
                atomic_store(&b->columns[0].endings[e], UINT64_MAX / 2 + e);
        atomic_store(&b->restarts, UINT64_MAX);
        atomic_store(&b->generation, UINT32_MAX);
        atomic_store(&b->roles_up, 1u << ROLE_KEEPER);
        metrics_write(&(metrics_facts){{c, b, NOW_MS}, "1.0", "abc", 1234567890, 1798761600, 0}, &out);
        view text = {out.bytes, out.len};
        tap_ok(has(text, "lethe_certificate_expiry_timestamp_seconds{side=\"server\"} 1798761600\n")
                       && !has(text, "side=\"admin\""),
               "metrics", "when a certificate ends, where that is known");
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
        tap_ok(has(text, "# TYPE lethe_endings counter\n")
                       && has(text, "lethe_endings_total{end=\"--\"} 9223372036854775807\n")
                       && has(text, "lethe_endings_total{end=\"VF\"} 9223372036854775810\n"),
               "metrics", "exchanges are counted by their end code");
        tap_ok(has(text, "lethe_breakers{kind=\"key\",state=\"closed\"} 2\n")
                       && has(text, "lethe_breakers{kind=\"upstream\",state=\"open\"} 1\n")
                       && has(text, "lethe_breakers{kind=\"model\",state=\"half_open\"} 0\n"),
               "metrics", "breakers are counted by kind and state");
        tap_ok(has(text, "lethe_keys_parked_now 1\n") && has(text, "lethe_keys_disabled_now 1\n"), "metrics",
               "so are keys that are parked or set aside");
        tap_ok(!has(text, "project") && !has(text, "key="), "metrics", "there is no label of a project or key");
        free(c);
        free(b);
        return tap_done();
}
