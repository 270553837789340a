#include "admin/metrics.h"

#include "admin/role_name.h"
#include "chat/ending.h"

static void family(emit *out, const char *name, const char *type, const char *help)
{
        emit_text(out, "# TYPE lethe_");
        emit_text(out, name);
        emit_byte(out, ' ');
        emit_text(out, type);
        emit_text(out, "\n# HELP lethe_");
        emit_text(out, name);
        emit_byte(out, ' ');
        emit_text(out, help);
        emit_byte(out, '\n');
}

static void sample(emit *out, const char *name, const char *suffix, uint64_t n)
{
        emit_text(out, "lethe_");
        emit_text(out, name);
        emit_text(out, suffix);
        emit_byte(out, ' ');
        emit_u64(out, n);
        emit_byte(out, '\n');
}

static void gauge(emit *out, const char *name, uint64_t n, const char *help)
{
        family(out, name, "gauge", help);
        sample(out, name, "", n);
}

static void counter(emit *out, const char *name, uint64_t n, const char *help)
{
        family(out, name, "counter", help);
        sample(out, name, "_total", n);
}

static void build(emit *out, const char *version, const char *commit)
{
        family(out, "build", "info", "What runs here.");
        emit_text(out, "lethe_build_info{version=");
        emit_json(out, view_of_text(version));
        emit_text(out, ",commit=");
        emit_json(out, view_of_text(commit));
        emit_text(out, "} 1\n");
}

static void roles(emit *out, uint32_t up)
{
        family(out, "role_up", "gauge", "1 when at least one process of the role serves.");
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
                emit_text(out, "lethe_role_up{role=\"");
                emit_text(out, role_name((role_id)r));
                emit_text(out, "\"} ");
                emit_u64(out, (up >> r) & 1);
                emit_byte(out, '\n');
        }
}

static void endings(emit *out, const board *b)
{
        static_assert(ENDING_COUNT <= BOARD_ENDINGS);
        family(out, "endings", "counter", "Exchanges by their end code: who ended it, and in which phase.");
        for (unsigned e = 0; e < ENDING_COUNT; e++) {
                emit_text(out, "lethe_endings_total{end=\"");
                emit_text(out, ending_code((ending)e));
                emit_text(out, "\"} ");
                emit_u64(out, board_endings(b, e));
                emit_byte(out, '\n');
        }
}

static void breakers(emit *out, const ways_counts *n)
{
        static const health_kind kinds[] = {HEALTH_KEY, HEALTH_UPSTREAM, HEALTH_MODEL};
        family(out, "breakers", "gauge", "Breakers of vendor keys, upstreams and their models, by state.");
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
                for (unsigned s = BREAKER_CLOSED; s <= BREAKER_HALF_OPEN; s++) {
                        emit_text(out, "lethe_breakers{kind=\"");
                        emit_text(out, ways_kind_name(kinds[k]));
                        emit_text(out, "\",state=\"");
                        emit_text(out, ways_state_name((breaker_state)s));
                        emit_text(out, "\"} ");
                        emit_u64(out, n->breakers[kinds[k]][s]);
                        emit_byte(out, '\n');
                }
}

static void ways(emit *out, const ways_facts *f)
{
        ways_counts n;
        ways_count(f, &n);
        breakers(out, &n);
        gauge(out, "keys_parked_now", n.keys_parked, "Vendor keys that wait for their rate limit.");
        gauge(out, "keys_disabled_now", n.keys_disabled, "Vendor keys set aside because the vendor refuses them.");
}

static void certificates(emit *out, const metrics_facts *f)
{
        const struct {
                const char *side;
                uint64_t end_s;
        } rows[] = {{"server", f->server_expires_s}, {"admin", f->admin_expires_s}};
        family(out, "certificate_expiry_timestamp_seconds", "gauge", "When the certificate of a side ends.");
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (rows[i].end_s == 0)
                        continue;
                emit_text(out, "lethe_certificate_expiry_timestamp_seconds{side=\"");
                emit_text(out, rows[i].side);
                emit_text(out, "\"} ");
                emit_u64(out, rows[i].end_s);
                emit_byte(out, '\n');
        }
}

void metrics_write(const metrics_facts *f, emit *out)
{
        const board *b = f->ways.board;
        gauge(out, "snapshot_timestamp_seconds", f->now_s,
              "When all values here were taken. They are published once a minute, so that no two scrapes can be "
              "subtracted down to one call.");
        build(out, f->version, f->commit);
        for (unsigned c = 0; c < COUNTER_COUNT; c++) {
                counter_id id = (counter_id)c;
                uint64_t n = board_sum(b, id);
                if (counter_is_gauge(id))
                        gauge(out, counter_name(id), n, counter_text(id));
                else
                        counter(out, counter_name(id), n, counter_text(id));
        }
        gauge(out, "generation", atomic_load(&b->generation), "The configuration generation that serves.");
        gauge(out, "keeper_open", atomic_load(&b->keeper) == KEEPER_OPEN, "1 when the vault is open.");
        gauge(out, "exports_fill_percent", atomic_load(&b->exports_fill),
              "Percent of the place for exports that unacknowledged ones take; at 100 no more is written.");
        gauge(out, "draining", atomic_load(&b->draining), "1 when the whole box is going down.");
        counter(out, "restarts", atomic_load(&b->restarts), "Processes of all roles started again after they died.");
        certificates(out, f);
        endings(out, b);
        ways(out, &f->ways);
        roles(out, atomic_load(&b->roles_up));
        emit_text(out, "# EOF\n");
}
